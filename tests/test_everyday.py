"""Everyday use: what things show, when they are equal, and which names a strategy may take."""

from __future__ import annotations

from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

import ml4t.backtest
from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BasisPointCommission,
    Catalog,
    ConfigError,
    Ranking,
    SQLStrategy,
    Strategy,
    TieredCommission,
    TopN,
)
from ml4t.backtest.core.event import MarketEvent
from ml4t.backtest.core.shown import shown
from ml4t.backtest.execution import SimulationBroker
from ml4t.backtest.risk import (
    AnyOf,
    DynamicTrailingStop,
    MaxDrawdown,
    MaxGrossExposure,
    MaxWeight,
    RiskManager,
    ScaledExit,
    SignalExit,
    StopLoss,
    TakeProfit,
)
from ml4t.backtest.strategies import (
    FixedSizer,
    HybridStrategy,
    PercentSizer,
    Rule,
    SignalStrategy,
    Sizer,
    TopNRotationStrategy,
)

DAYS = [date(2024, 1, day) for day in (2, 3, 4)]


def catalog(close: float = 10.0) -> Catalog:
    return Catalog().register(
        "prices",
        {
            "timestamp": DAYS, "asset_id": ["A"] * 3, "open": [close] * 3, "high": [close] * 3,
            "low": [close] * 3, "close": [close] * 3,
        },
    )  # fmt: skip


# -- the version --------------------------------------------------------------------------------


def test_the_package_says_its_version() -> None:
    assert ml4t.backtest.__version__ == version("ml4t-backtest-duckdb")
    with pytest.raises(AttributeError, match="has no attribute '__author__'"):
        _ = ml4t.backtest.__author__


# -- what things show ---------------------------------------------------------------------------


def test_a_catalog_shows_its_sources_and_their_columns() -> None:
    vix = {"timestamp": DAYS, "vix": [15.0] * 3}
    many = {"timestamp": DAYS, **{f"x{i}": [1.0] * 3 for i in range(10)}}
    assert repr(Catalog()) == "Catalog()"
    assert repr(catalog()) == "Catalog(prices: open, high, low, close)"
    shown_now = repr(catalog().register("context", vix).register("context", many, name="macro"))
    assert "; context: vix; macro (context): x0, x1," in shown_now
    assert shown_now.endswith(", x7, and 2 more)")


def test_an_engine_shows_what_it_will_run() -> None:
    manager = RiskManager([StopLoss(0.05)], [MaxWeight(0.2)])
    engine = BacktestEngine(catalog(), TopN(1, by="close"), risk_manager=manager)
    assert repr(manager) == (
        "RiskManager([StopLoss(fraction=0.05, priority=100)], limits=[MaxWeight(fraction=0.2)])"
    )
    assert repr(engine) == (
        f"BacktestEngine({engine.catalog!r}, TopN(1, by='close'), initial_capital=100,000.00, "
        f"risk_manager={manager!r})"
    )


def test_a_simulation_broker_shows_its_account() -> None:
    broker = SimulationBroker(10_000, commission=BasisPointCommission(0))
    broker.submit_order(broker.market_order("A", 10))
    assert "cash=10,000.00, equity=10,000.00, positions={}, open_orders=1" in repr(broker)
    event = MarketEvent(timestamp=DAYS[0], asset_id="A", close=100.0)  # type: ignore[arg-type]
    broker.on_market_event(event)
    assert "cash=8,999.50, equity=9,999.50, positions={'A': 10.0}, open_orders=0" in repr(broker)


def test_what_leaves_something_out_of_its_repr_is_told_apart_in_a_configuration() -> None:
    assert repr(catalog(10.0)) == repr(catalog(11.0))
    assert shown(catalog(10.0)) != shown(catalog(11.0))
    assert shown(RiskManager([StopLoss(0.1)])) == shown(RiskManager([StopLoss(0.1)]))


# -- equality -----------------------------------------------------------------------------------


class Mine(TopN):
    def __init__(self, weights: list[float]) -> None:
        super().__init__(2, by="close")
        self.weights = weights


class Hybrid(HybridStrategy):
    @staticmethod
    def evaluate_entry(close: float) -> int:
        return 1

    @staticmethod
    def evaluate_exit(close: float) -> int:
        return 0


class HalfSizer(Sizer):
    def __init__(self, half: float) -> None:
        self.half = half


def entering(*rules: object, sizer: Sizer) -> SignalStrategy:
    return SignalStrategy(list(rules), position_sizer=sizer)  # type: ignore[arg-type]


SAME = {
    "TopN": lambda: TopN(3, by="close", band=0.1),
    "SQLStrategy": lambda: SQLStrategy("select 1", every=5, position_sizer=PercentSizer(0.5)),
    "SignalStrategy": lambda: entering(
        Rule.signal_above("x", 1) & ~Rule.max_bars(3), Rule.stop_loss(0.1), sizer=FixedSizer(1)
    ),
    "TopNRotationStrategy": lambda: TopNRotationStrategy(5),
    "a user's subclass": lambda: Mine([0.5]),
    "HybridStrategy": lambda: Hybrid(PercentSizer(0.2)),
    "a user's sizer": lambda: HalfSizer(0.5),
    "Ranking": lambda: Ranking(n=1, by="close"),
    "BacktestConfig": lambda: BacktestConfig(commission=TieredCommission([(0, 1)])),
    "AnyOf": lambda: AnyOf([StopLoss(0.1), SignalExit("close > 1")]),
    "ScaledExit": lambda: ScaledExit([(0.1, 0.5)]),
    "DynamicTrailingStop": lambda: DynamicTrailingStop(0.1, schedule=[(0.2, 0.05)]),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_equal_settings_make_equal_objects_of_one_hash(name: str) -> None:
    first, second = SAME[name](), SAME[name]()
    assert first == second
    assert hash(first) == hash(second)
    assert {first: 1}[second] == 1


def test_other_settings_make_unequal_objects() -> None:
    one = SAME["SignalStrategy"]()
    assert TopN(3, by="close") != TopN(4, by="close")
    assert one != entering(Rule.signal_above("x", 1), sizer=FixedSizer(1))
    assert Rule.stop_loss(0.1) != Rule.trailing_stop(0.1)
    assert Rule.stop_loss(0.1) & Rule.max_bars(2) != Rule.stop_loss(0.1) | Rule.max_bars(2)
    assert PercentSizer(0.5) != FixedSizer(0.5)
    assert Mine([0.5]) != Mine([0.6])
    assert HalfSizer(0.5) != HalfSizer(0.6)
    assert Mine([0.5]) != TopN(2, by="close")


# -- names that a strategy may take ---------------------------------------------------------------


class Everyday(Strategy):
    """Keeps things under names that the base class has too."""

    def __init__(self) -> None:
        self.ranking = ["A"]
        self.query = "select 1"
        self.rules = {"stop": 0.1}
        self.bind = "B"
        self.has_run = False
        self.is_running = "no"
        self.broker = "IB"

    def on_timestamp_batch(self, events, broker, portfolio) -> None:  # type: ignore[no-untyped-def]
        self.broker, self.is_running = broker, True
        if not self.has_run:
            self.has_run = True
            self.buy(self.ranking[0], 10)


def test_everyday_names_on_self_are_the_strategys_own(tmp_path: Path) -> None:
    strategy = Everyday()
    result = BacktestEngine(catalog(), strategy).run()
    assert result.sql("select asset_id, quantity from fills").fetchall() == [("A", 10.0)]
    assert (strategy.query, strategy.bind, strategy.rules) == ("select 1", "B", {"stop": 0.1})
    with pytest.raises(ConfigError, match="this Everyday has run before"):
        BacktestEngine(catalog(), strategy).run()
    with pytest.raises(ConfigError, match="has no ranking, query or rules"):
        catalog().preview(strategy, DAYS[0])


def test_the_names_say_what_they_said_where_nobody_takes_them() -> None:
    seen = []

    class Plain(Strategy):
        def on_timestamp_batch(self, events, broker, portfolio) -> None:  # type: ignore[no-untyped-def]
            seen.append((self.broker is broker, self.is_running, self.has_run))

    strategy = Plain()
    assert (strategy.is_running, strategy.has_run) == (False, False)
    BacktestEngine(catalog(), strategy).run()
    assert seen == [(True, True, True)] * 3
    assert (strategy.is_running, strategy.has_run) == (False, True)
    with pytest.raises(ConfigError, match="Broker not initialized"):
        _ = strategy.broker


class NoMethod(Strategy):
    ranking = ("A",)  # type: ignore[assignment]

    def on_timestamp_batch(self, events, broker, portfolio) -> None:  # type: ignore[no-untyped-def]
        raise AssertionError


def test_a_method_of_the_base_that_a_class_takes_for_a_value_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"NoMethod\.ranking must be a method, was"):
        BacktestEngine(catalog(), NoMethod())


# -- capital, and one identity for equal settings --------------------------------------------------


def run_of(*, config: BacktestConfig | None = None, **settings: object) -> tuple[str, float]:
    """Return run_id and initial capital of a run."""
    engine = BacktestEngine(
        catalog(),
        TopN(1, by="close"),
        config=config,
        **settings,  # type: ignore[arg-type]
    )
    result = engine.run()
    return result.sql("select run_id, initial_capital from runs").fetchall()[0]


def test_capital_may_stand_in_the_configuration_and_the_engines_argument_wins() -> None:
    config = BacktestConfig.preset("zipline", initial_capital=50_000)
    assert config.initial_capital == 50_000
    assert "initial_capital = 50000.0" in config.describe()
    assert run_of(config=config)[1] == 50_000
    assert run_of(config=config, initial_capital=70_000)[1] == 70_000
    assert run_of(config=BacktestConfig())[1] == 100_000
    assert run_of(config=BacktestConfig(initial_capital=50_000), broker=SimulationBroker(50_000))[
        1
    ] == (50_000)
    with pytest.raises(ConfigError, match=r"initial_capital was 60000.0 and the broker's 50000.0"):
        run_of(config=BacktestConfig(initial_capital=60_000), broker=SimulationBroker(50_000))


def test_one_capital_gives_one_identity_wherever_it_is_said() -> None:
    plain = BacktestConfig()
    said = {
        run_of(config=plain, initial_capital=50_000),
        run_of(config=plain, initial_capital=np.int64(50_000)),
        run_of(config=BacktestConfig(initial_capital=50_000.0)),
        run_of(config=BacktestConfig(initial_capital=9), initial_capital=50_000),
    }
    assert len(said) == 1
    assert run_of(config=plain) not in said


EQUAL: dict[str, list[dict[str, object]]] = {
    "costs": [
        {"config": BacktestConfig(commission=BasisPointCommission(bp))}
        for bp in (10, 10.0, np.float64(10), np.int32(10))
    ],
    "rules": [
        {"risk_manager": RiskManager([StopLoss(f, p), TakeProfit(one)])}
        for f, p, one in ((0.5, 90, 1), (np.float64(0.5), np.int64(90), 1.0))
    ],
    "limits": [
        {"risk_manager": RiskManager(limits=[MaxGrossExposure(one), MaxDrawdown(0.2)])}
        for one in (1, 1.0, np.float64(1))
    ],
}


@pytest.mark.parametrize("name", EQUAL)
def test_equal_settings_have_one_run_id(name: str) -> None:
    ids = {run_of(**settings)[0] for settings in EQUAL[name]}  # type: ignore[arg-type]
    assert len(ids) == 1


def test_equal_strategies_print_alike() -> None:
    assert repr(TopN(1, by="x", min_trade=500)) == repr(TopN(1, by="x", min_trade=np.int64(500)))
    assert repr(Rule.take_profit(1)) == repr(Rule.take_profit(np.float64(1)))
    assert repr(TopNRotationStrategy(max_vix=30)) == repr(TopNRotationStrategy(np.int64(25)))
