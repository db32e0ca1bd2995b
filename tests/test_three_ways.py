"""Level 1, 2 and 3 versions of one strategy (rules, callback, functions) give identical trades.

A1 and A3 of the strategy architecture are those of ``examples/a1_a3_equal.py``, word for word. The
random markets have what the appendix does not speak of: missing predictions, missing and halted
bars, costs, and cash that runs out.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import SHARED_DATA
from effort import each_value, examples, long, some
from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    BasisPointCommission,
    BasisPointSlippage,
    CashAccount,
    Catalog,
    ExecutionPolicy,
    MarginAccount,
    NextClose,
    PerOrderCommission,
    Shortfall,
    SignalError,
    Strategy,
    ThisClose,
)
from ml4t.backtest.core.context import Context
from ml4t.backtest.core.event import MarketEvent
from ml4t.backtest.risk import DynamicTrailingStop, MaxPositions, RiskManager
from ml4t.backtest.scenarios import SCENARIOS
from ml4t.backtest.strategies import (
    ConfidenceSizer,
    HybridStrategy,
    PercentSizer,
    Rule,
    SignalStrategy,
)
from scripted import day

ROOT = Path(__file__).resolve().parents[1]
NAN = float("nan")
Make = Callable[[], Strategy]
# Who asked is told in other words: ``order`` of a callback, a rule's name of rules.
OTHER_WORDS = {"orders": ", tag", "trades": ", exit_rule"}


def load_example() -> ModuleType:
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        import a1_a3_equal
    finally:
        sys.path.pop(0)
    return a1_a3_equal


@pytest.fixture(scope="module")
def example() -> ModuleType:
    return load_example()


def tables(result: BacktestResult) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table: result.sql(
            f"select * exclude (run_id{OTHER_WORDS.get(table, '')}) from {table} order by all"
        ).fetchall()
        for table in ("orders", "fills", "trades", "positions", "equity", "cash_flows")
    }


def require_equal(
    data: Catalog, ways: Mapping[str, Make], **settings: Any
) -> dict[str, list[tuple[Any, ...]]]:
    """Run each way, assert that all tables are equal, and return them."""
    first: dict[str, list[tuple[Any, ...]]] | None = None
    for name, make in ways.items():
        found = tables(BacktestEngine(data, make(), **settings).run())
        first = found if first is None else first
        for table, rows in found.items():
            assert rows == first[table], f"{table} of {name}"
    assert first is not None
    return first


# -- A1 and A3, word for word ---------------------------------------------------------------


def test_a1_and_a3_are_the_appendix_word_for_word(example: ModuleType) -> None:
    places = [ROOT / "tests" / "documents", SHARED_DATA.parent / "reference"]
    found = [p for place in places if (p := place / "strategy-architecture.md").is_file()]
    if not found:
        pytest.skip("the strategy architecture is not next to this checkout")
    blocks = re.findall(r"```python\n(.*?)```", found[0].read_text(encoding="utf-8"), re.DOTALL)
    source = inspect.getsource(example)
    a1 = [block for block in blocks if block.startswith("class SimpleMLStrategy(")]
    a3 = [block for block in blocks if block.startswith("# Same as A1 but declarative")]
    assert len(a1) == len(a3) == 1
    assert a1[0] in source
    assert a3[0] in source


# The example that they are of runs them on all.
@pytest.mark.parametrize("name", some(SCENARIOS, 2))
def test_a1_a3_and_functions_give_the_same_tables_on_a_scenario(
    name: str, example: ModuleType
) -> None:
    found = require_equal(example.scenario_catalog(name), example.WAYS)
    assert found["trades"]
    # At 95% of the portfolio most orders find no cash, or are cut: they are a part of the proof.
    assert sum("rejected" in order for order in found["orders"]) > 25


@long
@pytest.mark.skipif(
    not SHARED_DATA.is_dir(), reason="the real prices are not next to this checkout"
)
def test_a1_a3_and_functions_give_the_same_tables_on_real_prices(example: ModuleType) -> None:
    found = require_equal(example.real_catalog(SHARED_DATA), example.WAYS)
    assert len(found["trades"]) > 100


def test_a1_says_which_prediction_is_missing(example: ModuleType) -> None:
    prices = {"timestamp": [day(0), day(1)], "asset_id": ["A", "A"], "open": [10.0, 10.0],
              "close": [10.0, 10.0], "ml_pred": [0.9, None]}  # fmt: skip
    data = Catalog().register("prices", prices)
    with pytest.raises(SignalError, match="'ml_pred'") as caught:
        BacktestEngine(data, example.SimpleMLStrategy()).run()
    assert "asset 'A'" in caught.value.__notes__[0]
    # Rules take a missing value for neither above nor below.
    assert BacktestEngine(data, example.strategy).run()["n_fills"] == 1


# -- random markets -------------------------------------------------------------------------


def random_market(seed: int, n_assets: int = 5, n_bars: int = 70) -> Catalog:
    """Return walks with holes in bars and signals, halts, VIX, and one asset that ends early."""
    random = np.random.default_rng(seed)
    names = ("timestamp", "asset_id", "open", "high", "low", "close", "volume",
             "ml_pred", "confidence", "momentum")  # fmt: skip
    rows: dict[str, list[Any]] = {name: [] for name in names}
    closes = random.uniform(5, 200, n_assets)
    for t in range(n_bars):
        opens = closes * np.exp(random.normal(0, 0.015, n_assets))
        closes = opens * np.exp(random.normal(0, 0.04, n_assets))
        for i in range(n_assets):
            if random.random() < 0.1 or (i == 1 and t > 0.7 * n_bars):
                continue
            both = (opens[i], closes[i])
            volume = 0.0 if random.random() < 0.05 else float(random.integers(10, 5_000))
            signals = [
                (None if random.random() < 0.5 else NAN) if random.random() < 0.1 else value
                for value in (random.random(), random.uniform(0.4, 1.0), random.normal())
            ]
            values = (day(t), f"A{i}", opens[i], 1.01 * max(both), 0.99 * min(both), closes[i],
                      volume, *signals)  # fmt: skip
            for name, value in zip(names, values, strict=True):
                rows[name].append(value)
    vix = [None if random.random() < 0.1 else random.uniform(10, 40) for _ in range(n_bars)]
    context = {"timestamp": [day(t) for t in range(n_bars)], "VIX": vix}
    schema = {"ml_pred": pl.Float64, "confidence": pl.Float64, "momentum": pl.Float64}
    prices = pl.DataFrame(rows, schema_overrides=schema)
    return Catalog(threads=1).register("prices", prices).register("context", context)


def simple_ways(example: ModuleType, percent: float) -> dict[str, Make]:
    """A1 for data with holes: the guide's ``.get`` with a default stands in for the item."""

    class A1(Strategy):
        def on_market_data(self, event: MarketEvent) -> None:  # type: ignore[override]
            pred = event.data.signals.get("ml_pred", 0.0)
            position = self.get_position(event.asset_id)

            if pred > 0.8 and position == 0:
                self.buy_percent(event.asset_id, percent)
            elif position > 0:
                pnl = self.get_unrealized_pnl_pct(event.asset_id)
                assert pnl is not None
                if pnl < -0.05 or pnl > 0.15:
                    self.close_position(event.asset_id)

    return {
        "A1": A1,
        "A3": lambda: SignalStrategy(
            example.strategy.entry_rules,
            example.strategy.exit_rules,
            position_sizer=PercentSizer(percent),
        ),
        "hybrid": lambda: example.Hybrid(PercentSizer(percent)),
    }


class ManyCallback(Strategy):
    """Several signals, the market, and entries that are sized again."""

    def __init__(self, percent: float) -> None:
        super().__init__()
        self.percent = percent

    def on_market_event(self, event: MarketEvent, context: Context | None = None) -> None:
        assert context is not None
        pred, momentum, confidence = (
            event.signals.get(name, NAN) for name in ("ml_pred", "momentum", "confidence")
        )
        pnl = self.get_unrealized_pnl_pct(event.asset_id)
        if self.get_position(event.asset_id) and (
            (pnl is not None and (pnl < -0.08 or pnl > 0.1)) or pred < 0.15
        ):
            self.close_position(event.asset_id)
        elif (pred > 0.6 or momentum > 1.5) and context.get("VIX", NAN) < 30 and confidence >= 0:
            self.size_by_confidence(event.asset_id, confidence, self.percent)


class ManyFunctions(HybridStrategy):
    """The same as functions: where an exit holds there is no entry."""

    @staticmethod
    def evaluate_entry(
        ml_pred: float, momentum: float, VIX: float, pnl_pct: float  # noqa: N803
    ) -> int:  # fmt: skip
        leaves = pnl_pct < -0.08 or pnl_pct > 0.1 or (pnl_pct == pnl_pct and ml_pred < 0.15)
        return 1 if not leaves and VIX < 30 and (ml_pred > 0.6 or momentum > 1.5) else 0

    @staticmethod
    def evaluate_exit(ml_pred: float, pnl_pct: float) -> int:
        return -1 if pnl_pct < -0.08 or pnl_pct > 0.1 or ml_pred < 0.15 else 0


def many_ways(percent: float) -> dict[str, Make]:
    return {
        "callback": lambda: ManyCallback(percent),
        "rules": lambda: SignalStrategy(
            [
                Rule.signal_above("ml_pred", 0.6) | Rule.signal_above("momentum", 1.5),
                Rule.context_below("VIX", 30),
            ],
            [Rule.stop_loss(0.08), Rule.take_profit(0.1), Rule.signal_below("ml_pred", 0.15)],
            position_sizer=ConfidenceSizer(percent),
        ),
    }


CONFIGS: dict[str, Callable[[], BacktestConfig]] = {
    "default": BacktestConfig,
    "whole shares, a minimum an order": lambda: BacktestConfig(
        commission=PerOrderCommission(5.0),
        slippage=BasisPointSlippage(20),
        execution=ExecutionPolicy(whole_shares=True),
    ),
    "part of the volume": lambda: BacktestConfig(
        execution=ExecutionPolicy(participation=0.05),
    ),
    "next close": lambda: BacktestConfig(execution=ExecutionPolicy(timing=NextClose())),
    "this close": lambda: BacktestConfig(execution=ExecutionPolicy(timing=ThisClose())),
    "cash in turn": lambda: BacktestConfig(account=CashAccount(shortfall=Shortfall.IN_TURN)),
    "rejected whole": lambda: BacktestConfig(account=CashAccount(shortfall=Shortfall.REJECT)),
    "settlement": lambda: BacktestConfig(account=CashAccount(settlement=2)),
    "margin": lambda: BacktestConfig(
        account=MarginAccount(), commission=BasisPointCommission(30)
    ),
}  # fmt: skip


@each_value
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("percent", [0.95, 0.3])
def test_the_simple_strategy_is_one_under_every_configuration(
    name: str, percent: float, example: ModuleType
) -> None:
    ways = simple_ways(example, percent)
    found = require_equal(random_market(11), ways, config=CONFIGS[name](), initial_capital=10_000)
    assert len(found["trades"]) > 3


@settings(max_examples=examples(3), deadline=None)
@given(
    seed=st.integers(0, 10_000),
    percent=st.sampled_from([0.1, 0.4, 0.95, 1.0]),
    config=st.sampled_from(sorted(CONFIGS)),
    n_assets=st.integers(1, 8),
)
def test_the_simple_strategy_is_one_on_random_markets(
    seed: int, percent: float, config: str, n_assets: int
) -> None:
    require_equal(
        random_market(seed, n_assets, 40), simple_ways(load_example(), percent),
        config=CONFIGS[config](), initial_capital=10_000,
    )  # fmt: skip


@settings(max_examples=examples(3), deadline=None)
@given(
    seed=st.integers(0, 10_000),
    percent=st.sampled_from([0.1, 0.4, 1.0]),
    config=st.sampled_from(sorted(CONFIGS)),
)
def test_many_signals_and_sizes_are_one_on_random_markets(
    seed: int, percent: float, config: str
) -> None:
    require_equal(
        random_market(seed, 6, 40), many_ways(percent), config=CONFIGS[config](),
        initial_capital=10_000,
    )  # fmt: skip


def test_many_signals_are_one_as_functions_where_no_signal_is_missing() -> None:
    """A function is not asked where a signal that it names is missing, so the market has all."""
    data = random_market(5)
    whole = data.sql("select * from signals where isfinite(ml_pred + momentum + confidence)")
    vix = {"timestamp": [day(t) for t in range(70)], "VIX": [15.0 + t % 20 for t in range(70)]}
    data = Catalog(threads=1).register("prices", whole.to_arrow_table()).register("context", vix)
    ways = many_ways(0.4) | {"functions": lambda: ManyFunctions(ConfidenceSizer(0.4))}
    found = require_equal(data, ways, initial_capital=10_000)
    assert len(found["trades"]) > 20


def test_the_ways_are_one_beside_risk_rules_and_limits(example: ModuleType) -> None:
    for seed in range(examples(1)):
        found = require_equal(
            random_market(seed), simple_ways(example, 0.3), initial_capital=10_000,
            risk_manager=RiskManager([DynamicTrailingStop(0.06)], [MaxPositions(2)]),
        )  # fmt: skip
        assert any("denied" in order for order in found["orders"])
