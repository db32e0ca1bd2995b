"""A column in two views: whoever names it says which, as in an expression."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    Catalog,
    ConfigError,
    SpreadSlippage,
    SQLStrategy,
    Strategy,
)
from ml4t.backtest.data.stream.period import find_period
from ml4t.backtest.errors import BacktestError
from ml4t.backtest.risk import RiskManager, VolatilityScaledStopLoss
from ml4t.backtest.running import planned
from ml4t.backtest.strategies import ConfidenceSizer, Rule, SignalStrategy
from scripted import FREE, day, flat, price_table

BOTH = r"'x'.* is in both signals and market; write signals\.x or market\.x"


def two_views(**columns: list[float]) -> Catalog:
    """A at 10 for four bars; x is 0.1 in signals and 0.5 in market."""
    times = [day(t) for t in range(4)]
    prices = price_table({"A": flat(10, 4)}, ("open", "high", "low", "close"), times)
    found = Catalog(threads=1).register("prices", prices)
    found.register("features", {"timestamp": times, "asset_id": ["A"] * 4, "x": [0.1] * 4})
    return found.register("context", {"timestamp": times, "x": [0.5] * 4, **columns})


class BuysByX(Strategy):
    """Buys 100 times x once."""

    def __init__(self, name: str) -> None:
        self.features = (name,)

    def decide(self, batch: Any, broker: Any) -> None:
        if batch.t == 0:
            broker.order("A", 100 * batch.features[self.features[0]].item(0))


def sql(name: str) -> Strategy:
    query = "select timestamp, asset_id, 1 as signal from signals"
    return SQLStrategy(query, position_sizer=ConfidenceSizer(0.5, column=name))


def declared(name: str) -> Strategy:
    sizer = ConfidenceSizer(0.5, column=name)
    return SignalStrategy([Rule.not_in_position()], position_sizer=sizer)


def run(strategy: Strategy, data: Catalog | None = None, **settings: Any) -> BacktestResult:
    manager = settings.pop("risk_manager", None)
    config = BacktestConfig(**{**FREE, **settings})
    catalog = two_views() if data is None else data
    return BacktestEngine(
        catalog, strategy, risk_manager=manager, initial_capital=10_000, config=config
    ).run()


def bought(result: BacktestResult) -> float:
    """Shares of the first fill."""
    return float(result.sql("select quantity from fills order by fill_id limit 1").fetchall()[0][0])


# Half of 10,000 times the confidence, at 10 a share; 100 times x.
@pytest.mark.parametrize(
    ("make", "of_signals", "of_market"), [(sql, 50, 250), (declared, 50, 250), (BuysByX, 10, 50)]
)
def test_a_strategy_and_its_sizer_say_the_view(
    make: Any, of_signals: float, of_market: float
) -> None:
    with pytest.raises(BacktestError, match=BOTH):
        run(make("x"))
    assert bought(run(make("signals.x"))) == pytest.approx(of_signals)
    assert bought(run(make("market.x"))) == pytest.approx(of_market)


def test_a_cost_model_says_the_view() -> None:
    def price(name: str) -> float:
        done = run(BuysByX("signals.x"), slippage=SpreadSlippage(column=name, share=0.5))
        return float(done.sql("select price from fills order by fill_id").fetchall()[0][0])

    with pytest.raises(ConfigError, match=BOTH):
        price("x")
    # Half of the spread above 10.
    assert price("signals.x") == pytest.approx(10.05)
    assert price("market.x") == pytest.approx(10.25)


def test_a_rule_says_the_view() -> None:
    def distance(name: str) -> dict[str, float]:
        manager = RiskManager([VolatilityScaledStopLoss(2.0, volatility_key=name)])
        engine = BacktestEngine(
            catalog := two_views(), BuysByX("signals.x"), risk_manager=manager
        )  # fmt: skip
        prepared = catalog.prepare()
        plan, _ = planned(engine, prepared, find_period(None, None, prepared))
        return dict(plan.features)

    with pytest.raises(ConfigError, match=BOTH):
        distance("x")
    assert distance("market.x")["market.x"] == ("market", "x")


def test_a_view_without_the_column_is_no_way_to_it() -> None:
    with pytest.raises(ConfigError, match=r"no source has the feature 'market\.close'"):
        run(BuysByX("market.close"))


def test_a_column_in_one_view_needs_no_view() -> None:
    assert bought(run(BuysByX("y"), two_views(y=[0.2] * 4))) == pytest.approx(20)
    assert bought(run(BuysByX("market.y"), two_views(y=[0.2] * 4))) == pytest.approx(20)


def test_a_column_whose_own_name_has_a_point_is_itself() -> None:
    data = two_views(**{"market.cap": [0.3] * 4})
    assert bought(run(BuysByX("market.cap"), data)) == pytest.approx(30)
    with pytest.raises(ConfigError, match=r"'market\.cap' is column 'cap' of market and a column"):
        run(BuysByX("market.cap"), two_views(**{"market.cap": [0.3] * 4, "cap": [0.4] * 4}))


def test_what_the_engine_reads_itself_is_of_signals() -> None:
    times = [day(t) for t in range(4)]
    rows = price_table(
        {"A": [(10, 10, 10, 10, 40)] * 4}, ("open", "high", "low", "close", "volume"), times
    )
    data = Catalog(threads=1).register("prices", rows)
    data.register("context", {"timestamp": times, "volume": [1e6] * 4, "y": [0.5] * 4})
    settings = BacktestConfig(**FREE).execution
    done = run(BuysByX("y"), data, execution=replace(settings, participation=0.1))
    assert bought(done) == pytest.approx(4)  # a tenth of 40
