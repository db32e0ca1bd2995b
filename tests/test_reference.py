"""The engine against an exact, slow, independent loop in plain Python: ranked long-only strategies.

Orders, accounts, corporate actions and limits are in `test_money`.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import reference as r
from effort import examples
from ml4t.backtest import TopN
from money import differences, engine_run
from universes import make_universe

RULES: dict[str, r.Rule] = {
    "stop": r.StopLoss(0.04),
    "target": r.TakeProfit(0.05),
    "atr": r.VolatilityScaledStopLoss(1.5),
    "trail": r.DynamicTrailingStop(0.06),
    "schedule": r.DynamicTrailingStop(0.08, ((0.02, 0.05), (0.05, 0.02))),
    "time": r.TimeBasedExit(4),
    "late_time": r.TimeBasedExit(7, priority=50),
    "early_stop": r.StopLoss(0.02, priority=150),
}
ACCOUNTS: list[dict[str, Any]] = [
    {}, {"reserve_costs": False, "overdraft": 20_000.0}, {"overdraft": 5_000.0}
]  # fmt: skip


@settings(max_examples=examples(8), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 5),
    every=st.integers(1, 4),
    names=st.lists(st.sampled_from(sorted(RULES)), unique=True, max_size=4),
    costs=st.sampled_from([(10.0, 5.0), (0.0, 0.0), (50.0, 100.0)]),
    account=st.sampled_from(ACCOUNTS),
    tied=st.booleans(),
    ascending=st.booleans(),
    volatility=st.sampled_from([0.01, 0.04, 0.15]),
    within_range=st.booleans(),
)  # fmt: skip
def test_engine_equals_the_reference_loop(
    seed: int, n: int, every: int, names: list[str], costs: tuple[float, float],
    account: dict[str, Any], tied: bool, ascending: bool, volatility: float, within_range: bool,
) -> None:  # fmt: skip
    universe = make_universe(seed, tied_scores=tied, volatility=volatility)
    offset = seed % every
    options = {
        "rules": [RULES[name] for name in names],
        "commission_bps": costs[0], "slippage_bps": costs[1],
        "within_range": within_range, **account,
    }  # fmt: skip
    strategy = TopN(
        n, by="score", where="atr is not null", when="vix <= 28", every=every, offset=offset,
        ascending=ascending,
    )  # fmt: skip
    same = r.TopN(
        n, "score",
        where=lambda row: row.get("atr") is not None,
        when=lambda row: row["vix"] is not None and row["vix"] <= 28,
        every=every, offset=offset, ascending=ascending,
    )  # fmt: skip
    result = engine_run(universe, options, strategy)
    expected = r.run(universe.bars, universe.signals, universe.market, same, **options)
    assert differences(result, expected) == []


def test_every_rule_fires_somewhere_in_the_random_test() -> None:
    """It would prove little if they never did."""
    fired: set[str] = set()
    for seed in range(6):
        universe = make_universe(seed, n_bars=60, volatility=0.04)
        rules = [RULES[name] for name in ("target", "atr", "trail", "time")]
        result = engine_run(universe, {"rules": rules}, TopN(4, by="score", every=9))
        fired |= {row[0] for row in result.sql("select distinct exit_rule from trades").fetchall()}
    assert fired >= {
        "TakeProfit", "VolatilityScaledStopLoss", "DynamicTrailingStop", "TimeBasedExit",
    }  # fmt: skip
