"""Fractions: a percentage given by mistake is refused, and no sensible value is."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ml4t.backtest import (
    ActionPolicy,
    BacktestEngine,
    BacktestResult,
    Catalog,
    ConfigError,
    ExecutionPolicy,
    Financing,
    MarginAccount,
    PerShareCommission,
    Ranking,
    SpreadSlippage,
    Strategy,
    TopN,
    recipes,
)
from ml4t.backtest.execution.hand_loop.broker import SimulationBroker
from ml4t.backtest.risk import (
    BreakevenStop,
    DynamicTrailingStop,
    MaxDailyLoss,
    MaxDrawdown,
    MaxGrossExposure,
    MaxGroupWeight,
    MaxNetExposure,
    MaxTurnover,
    MaxVaR,
    MaxWeight,
    ScaledExit,
    StopLoss,
    TakeProfit,
    TimeBasedExit,
    TrailingStop,
    VolatilityTarget,
)
from ml4t.backtest.strategies import ConfidenceSizer, PercentSizer, Rule, VolatilitySizer

HINT = "; fractions: 0.15 is 15%"
Make = Callable[[float], object]

# argument -> (how it is given, the highest that is sensible, a percentage that is usual)
ARGUMENTS: dict[str, tuple[Make, float, float]] = {
    "StopLoss": (StopLoss, 0.99, 5),
    "TakeProfit": (TakeProfit, 9, 15),
    "BreakevenStop": (BreakevenStop, 2, 3),
    "BreakevenStop.offset": (lambda v: BreakevenStop(0.5, v), 0.4, 2),
    "TrailingStop": (TrailingStop, 0.9, 5),
    "DynamicTrailingStop": (DynamicTrailingStop, 0.9, 5),
    "DynamicTrailingStop.schedule.profit": (
        lambda v: DynamicTrailingStop(0.1, schedule=((v, 0.05),)), 9, 10,
    ),
    "DynamicTrailingStop.schedule.trail": (
        lambda v: DynamicTrailingStop(0.1, schedule=((0.2, v),)), 0.05, 2,
    ),
    "ScaledExit.profit": (lambda v: ScaledExit(((v, 0.5),)), 9, 10),
    "ScaledExit.part": (lambda v: ScaledExit(((0.1, v),)), 1, 50),
    "MaxDrawdown": (MaxDrawdown, 0.9, 20),
    "MaxDrawdown.scale": (lambda v: MaxDrawdown(0.2, "reduce", scale=v), 0.9, 50),
    "MaxDailyLoss": (MaxDailyLoss, 0.5, 3),
    "MaxWeight": (MaxWeight, 4, 20),
    "MaxGroupWeight": (MaxGroupWeight, 4, 30),
    "MaxGrossExposure": (MaxGrossExposure, 10, 150),
    "MaxNetExposure": (MaxNetExposure, 4, 20),
    "MaxTurnover": (MaxTurnover, 8, 20),
    "MaxVaR": (MaxVaR, 2, 5),
    "MaxVaR.confidence": (lambda v: MaxVaR(0.02, confidence=v), 0.999, 95),
    "VolatilityTarget": (VolatilityTarget, 2, 10),
    "VolatilityTarget.max_scale": (lambda v: VolatilityTarget(0.1, max_scale=v), 10, 150),
    "PercentSizer": (PercentSizer, 3, 95),
    "ConfidenceSizer": (ConfidenceSizer, 3, 20),
    "VolatilitySizer.risk": (VolatilitySizer, 0.1, 1),
    "VolatilitySizer.max_percent": (lambda v: VolatilitySizer(0.01, max_percent=v), 3, 20),
    "Rule.stop_loss": (Rule.stop_loss, 0.5, 5),
    "Rule.take_profit": (Rule.take_profit, 9, 15),
    "Rule.trailing_stop": (Rule.trailing_stop, 0.5, 5),
    "recipes.capped": (recipes.capped, 4, 5),
    "recipes.long_short": (recipes.long_short, 0.5, 10),
    "recipes.long_short.long": (lambda v: recipes.long_short(long=v), 3, 50),
    "Ranking.band": (lambda v: Ranking(n=1, by="close", band=v), 0.5, 1),
    "Financing.credit_rate": (lambda v: Financing(credit_rate=v), 0.5, 4),
    "Financing.debit_rate": (lambda v: Financing(debit_rate=v), 0.5, 7),
    "Financing.borrow_rate": (lambda v: Financing(borrow_rate=v), 0.9, 3),
    "PerShareCommission.cap": (lambda v: PerShareCommission(0.005, cap=v), 0.01, 1),
    "SpreadSlippage.share": (lambda v: SpreadSlippage(share=v), 1, 50),
    "MarginAccount": (lambda v: MarginAccount(initial_margin=v), 2, 50),
    "ExecutionPolicy.participation": (lambda v: ExecutionPolicy(participation=v), 1, 10),
    "ActionPolicy.delisting_return": (lambda v: ActionPolicy(delisting_return=v), 4, -30),
}  # fmt: skip


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_a_percentage_by_mistake_is_refused_as_a_fraction(argument: str) -> None:
    make, _, percent = ARGUMENTS[argument]
    with pytest.raises(ConfigError) as caught:
        make(percent)
    assert str(caught.value).replace(".0;", ";").endswith(f", was {percent!r}{HINT}")


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_the_highest_sensible_fraction_is_taken(argument: str) -> None:
    make, sensible, _ = ARGUMENTS[argument]
    assert make(sensible) is not None


def test_what_is_no_percentage_is_refused_without_the_hint() -> None:
    for value in (0, -0.1, float("nan"), float("inf"), "15%"):
        with pytest.raises(ConfigError, match=r"fraction must be a number above 0.* was") as caught:
            TakeProfit(value)  # type: ignore[arg-type]
        assert HINT not in str(caught.value)


class _Ask(Strategy):
    """Says something to its broker at the first close and keeps the error."""

    def __init__(self, ask: Callable[[Strategy], object]) -> None:
        self.ask = ask

    def on_timestamp_batch(self, events, broker, portfolio) -> None:  # type: ignore[no-untyped-def]
        self.ask(self)


def _run(ask: Callable[[Strategy], object]) -> BacktestResult:
    catalog = Catalog()
    catalog.register(
        "prices",
        "select timestamp::date as timestamp, asset_id, open, high, low, close from (values "
        "('2024-01-02', 'A', 10.0, 10.0, 10.0, 10.0), "
        "('2024-01-03', 'A', 10.0, 10.0, 10.0, 10.0)) "
        "as t(timestamp, asset_id, open, high, low, close)",
    )
    return BacktestEngine(catalog, _Ask(ask)).run()


ORDERS: dict[str, Callable[[Strategy], object]] = {
    "order_target_percent": lambda s: s.order_target_percent("A", 50),
    "a short order_target_percent": lambda s: s.order_target_percent("A", -50),
    "the broker's order_percent": lambda s: s.broker.order_percent("A", 50),
    "the broker's set_position_percent": lambda s: s.broker.set_position_percent("A", 50),
    "order_target_weights": lambda s: s.order_target_weights({"A": 50}),
    "a band of targets": lambda s: s.order_target_weights({"A": 0.5}, band=2),
    "buy_percent": lambda s: s.buy_percent("A", 50),
    "sell_percent": lambda s: s.sell_percent("A", 50),
    "reduce_position": lambda s: s.reduce_position("A", 50),
    "set_position_percent": lambda s: s.set_position_percent("A", -50),
    "rebalance_to_weights": lambda s: s.rebalance_to_weights({"A": 50}),
    "size_by_confidence": lambda s: s.size_by_confidence("A", 80, 0.1),
    "trail_fraction": lambda s: s.sell("A", 1, trail_fraction=5),
}


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_of_a_percentage_is_refused_as_a_fraction(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _run(ORDERS[name])
    assert str(caught.value).endswith(HINT)


def test_orders_of_three_times_the_equity_are_fractions() -> None:
    first = "select quantity, status, reason from orders order by order_id limit 1"
    long = _run(lambda s: s.order_target_percent("A", 3.0))
    assert long.sql(first).fetchall() == [(30_000.0, "partial", "cut: insufficient cash")]
    short = _run(lambda s: s.order_target_weights({"A": np.float32(-3)}))
    assert short.sql(first).fetchall() == [(None, "rejected", "cash account cannot short")]


def test_numpy_integers_are_whole_numbers_everywhere() -> None:
    two = np.int64(2)
    assert TopN(two, by="close", every=two).ranking() == TopN(2, by="close", every=2).ranking()
    assert TimeBasedExit(np.uint8(2)) == TimeBasedExit(2)
    assert type(TimeBasedExit(np.uint8(2)).max_bars) is int
    assert SimulationBroker(np.int64(100)).market_order("A", two).quantity == 2.0
    assert Catalog(threads=two) is not None


def test_whole_numbers_are_checked_in_errors_alone() -> None:
    """Of other places that ask for an `int`, each says what else it is about."""
    source = Path(__file__).parents[1] / "src" / "ml4t" / "backtest"
    names = {"Integral", "integer"}
    found = {
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Name) and node.id in names)
        or (isinstance(node, ast.Attribute) and node.attr in names)
    }
    # An asset's id may be a number: that is no count.
    assert found == {"errors.py", "data/feeds/feed.py"}
