"""The engine against an exact, slow, independent loop in plain Python."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import reference
from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    BasisPointCommission,
    BasisPointSlippage,
    CashAccount,
    Catalog,
    TopN,
)
from ml4t.backtest.risk import (
    DynamicTrailingStop,
    RiskManager,
    RiskRule,
    StopLoss,
    TakeProfit,
    TimeBasedExit,
    VolatilityScaledStopLoss,
)
from universes import Universe, make_universe

CAPITAL = 1_000_000.0


def engine_run(
    universe: Universe, strategy: TopN, rules: list[RiskRule], config: BacktestConfig
) -> BacktestResult:
    catalog = Catalog()
    catalog.register("prices", universe.prices)
    catalog.register("features", universe.features)
    catalog.register("context", universe.context)
    return BacktestEngine(
        catalog, strategy, risk_manager=RiskManager(rules), initial_capital=CAPITAL, config=config
    ).run()


def assert_rows_agree(ours: list[tuple[Any, ...]], theirs: list[tuple[Any, ...]]) -> None:
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        for a, b in zip(mine, other, strict=True):
            if isinstance(a, float) and isinstance(b, float):
                # Money is compared on the account's scale, prices and shares on their own.
                assert a == pytest.approx(b, rel=1e-9, abs=1e-9 * max(1.0, abs(b), CAPITAL * 1e-3))
            else:
                assert a == b


def assert_agree(result: BacktestResult, expected: reference.ReferenceResult) -> None:
    def rows(query: str) -> list[tuple[Any, ...]]:
        return result.sql(query).fetchall()

    assert_rows_agree(
        rows(
            "select timestamp, asset_id, rank, score, weight from selections "
            "order by timestamp, rank"
        ),
        [tuple(row) for row in expected.selections],
    )
    assert_rows_agree(
        rows("select timestamp, asset_id, quantity, price, commission, slippage from fills "
             "order by timestamp, asset_id, quantity"),
        sorted((tuple(row) for row in expected.fills), key=lambda row: row[:3]),
    )  # fmt: skip
    assert_rows_agree(
        rows("select timestamp, equity, cash from equity order by timestamp"),
        [tuple(row) for row in expected.equity],
    )
    assert_rows_agree(
        rows("select timestamp, asset_id, quantity, price, is_stale from positions order by 1, 2"),
        sorted(tuple(row) for row in expected.positions),
    )
    key = lambda row: (row[0], row[4], row[2], row[1])  # noqa: E731
    assert_rows_agree(
        sorted(
            rows("select asset_id, quantity, entry_timestamp, entry_price, exit_timestamp, "
                 "exit_price, pnl, commission, slippage, bars_held, split_part(exit_rule, '#', 1) "
                 "from trades where exit_timestamp is not null"),
            key=key,
        ),
        sorted((tuple(row) for row in expected.trades), key=key),
    )  # fmt: skip
    rejected = [
        (asset, reason) for _, asset, reason in expected.rejections if reason == "insufficient cash"
    ]
    assert sorted(rejected) == sorted(
        rows("select asset_id, reason from orders where reason = 'insufficient cash'")
    )


RULES: dict[str, tuple[RiskRule, reference.Rule]] = {
    "stop": (StopLoss(0.04), reference.StopLoss(0.04)),
    "target": (TakeProfit(0.05), reference.TakeProfit(0.05)),
    "atr": (
        VolatilityScaledStopLoss(1.5),
        reference.VolatilityScaledStopLoss(1.5),
    ),
    "trail": (DynamicTrailingStop(0.06), reference.DynamicTrailingStop(0.06)),
    "schedule": (
        DynamicTrailingStop(0.08, ((0.02, 0.05), (0.05, 0.02))),
        reference.DynamicTrailingStop(0.08, ((0.02, 0.05), (0.05, 0.02))),
    ),
    "time": (TimeBasedExit(4), reference.TimeBasedExit(4)),
    "late_time": (TimeBasedExit(7, priority=50), reference.TimeBasedExit(7, priority=50)),
    "early_stop": (StopLoss(0.02, priority=150), reference.StopLoss(0.02, priority=150)),
}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 5),
    every=st.integers(1, 4),
    names=st.lists(st.sampled_from(sorted(RULES)), unique=True, max_size=4),
    costs=st.sampled_from([(10.0, 5.0), (0.0, 0.0), (50.0, 100.0)]),
    account=st.sampled_from(
        [
            CashAccount(),
            CashAccount(reserve_costs=False, overdraft=20_000.0),
            CashAccount(overdraft=5_000.0),
        ]
    ),
    tied=st.booleans(),
    ascending=st.booleans(),
    volatility=st.sampled_from([0.01, 0.04, 0.15]),
)  # fmt: skip
def test_engine_equals_the_reference_loop(
    seed: int, n: int, every: int, names: list[str], costs: tuple[float, float],
    account: CashAccount, tied: bool, ascending: bool, volatility: float,
) -> None:  # fmt: skip
    universe = make_universe(seed, tied_scores=tied, volatility=volatility)
    offset = seed % every
    result = engine_run(
        universe,
        TopN(n, by="score", where="atr is not null", when="vix <= 28", every=every, offset=offset,
             ascending=ascending),
        [RULES[name][0] for name in names],
        BacktestConfig(
            commission=BasisPointCommission(costs[0]),
            slippage=BasisPointSlippage(costs[1]),
            account=account,
        ),
    )  # fmt: skip
    expected = reference.run(
        universe.bars,
        universe.signals,
        universe.market,
        reference.TopN(
            n, "score",
            where=lambda row: row.get("atr") is not None,
            when=lambda row: row["vix"] is not None and row["vix"] <= 28,
            every=every, offset=offset, ascending=ascending,
        ),
        rules=[RULES[name][1] for name in names],
        commission_bps=costs[0],
        slippage_bps=costs[1],
        initial_capital=CAPITAL,
        reserve_costs=account.reserve_costs,
        overdraft=account.overdraft,
    )  # fmt: skip
    assert_agree(result, expected)


def test_reference_and_engine_use_every_rule_somewhere() -> None:
    """The random test would prove little if its rules never fired."""
    fired: set[str] = set()
    for seed in range(6):
        universe = make_universe(seed, n_bars=60, volatility=0.04)
        result = engine_run(
            universe, TopN(4, by="score", every=9),
            [RULES[name][0] for name in ("target", "atr", "trail", "time")], BacktestConfig(),
        )  # fmt: skip
        fired |= {row[0] for row in result.sql("select distinct exit_rule from trades").fetchall()}
    assert fired >= {
        "TakeProfit", "VolatilityScaledStopLoss", "DynamicTrailingStop", "TimeBasedExit",
    }  # fmt: skip
