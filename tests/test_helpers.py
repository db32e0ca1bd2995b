"""Helpers of a strategy: what they read and what they order, on bars where all is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from effort import each_value
from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    CashAccount,
    Catalog,
    ConfigError,
    MarginAccount,
    Strategy,
)
from scripted import FREE, Row, day, fills, flat, held, orders, price_table

Act = Callable[[Strategy], Any]


class Script(Strategy):
    """Does at each bar what its script says, and keeps what came back."""

    def __init__(self, script: Mapping[int, Act]) -> None:
        self._script, self._t = script, -1
        self._kept: list[Any] = []

    def on_timestamp_batch(self, events: Any, broker: Any, portfolio: Any) -> None:
        self._t += 1
        if self._t in self._script:
            self._kept.append(self._script[self._t](self))


def play(
    script: Mapping[int, Act],
    assets: Mapping[str, list[Row]] | None = None,
    *,
    terms: Mapping[str, list[Any]] | None = None,
    **settings: Any,
) -> tuple[BacktestResult, list[Any]]:
    """Run a script on 10,000 over A at 10 and B at 20, without costs."""
    assets = {"A": flat(10, 5), "B": flat(20, 5)} if assets is None else assets
    n_bars = max(map(len, assets.values()))
    table = price_table(assets, ("open", "high", "low", "close"), [day(t) for t in range(n_bars)])
    catalog = Catalog(threads=1).register("prices", table)
    if terms is not None:
        catalog.register("assets", terms)
    strategy = Script(script)
    config = BacktestConfig(**{**FREE, **settings})
    result = BacktestEngine(catalog, strategy, initial_capital=10_000, config=config).run()
    return result, strategy._kept


def order(act: Act, assets: Mapping[str, list[Row]] | None = None, **settings: Any) -> list[Any]:
    """Buy 100 A at bar 0, act at bar 1; return the fills after the first."""
    result, _ = play({0: lambda s: s.buy("A", 100), 1: act}, assets, **settings)
    return fills(result)[1:]


# -- reading ------------------------------------------------------------------------------------

RISING = {"A": [(10, 10, 10, 10), (10, 12, 10, 12), (12, 15, 12, 15)], "B": flat(20, 3)}


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda s: s.get_position("A"), 100.0),
        (lambda s: s.get_position("B"), 0.0),
        (lambda s: s.get_positions(), {"A": 100.0}),
        (lambda s: s.get_position_value("A"), 1_200.0),
        (lambda s: s.get_position_value("B"), 0.0),
        (lambda s: s.get_cash(), 9_000.0),
        (lambda s: s.get_portfolio_value(), 10_200.0),
        (lambda s: s.get_unrealized_pnl("A"), 200.0),
        (lambda s: s.get_unrealized_pnl("B"), 0.0),
        (lambda s: s.get_unrealized_pnl_pct("A"), 0.2),
        (lambda s: s.get_unrealized_pnl_pct("B"), None),
    ],
)
def test_a_helper_reads_the_account_at_the_close(ask: Act, expected: object) -> None:
    _, (_, seen) = play({0: lambda s: s.buy("A", 100), 1: ask}, RISING)
    if expected is None:
        assert seen is None
    else:
        assert seen == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda s: s.get_position("A"), -100.0),
        (lambda s: s.get_position_value("A"), -1_200.0),
        (lambda s: s.get_unrealized_pnl("A"), -200.0),
        (lambda s: s.get_unrealized_pnl_pct("A"), -0.2),
    ],
)
def test_a_short_position_loses_where_the_price_rises(ask: Act, expected: float) -> None:
    script = {0: lambda s: s.sell("A", 100), 1: ask}
    _, (_, seen) = play(script, RISING, account=MarginAccount())
    assert seen == pytest.approx(expected, rel=1e-12)


def test_pnl_counts_the_multiplier_and_its_fraction_does_not() -> None:
    script = {0: lambda s: s.buy("A", 10), 1: lambda s: (
        s.get_unrealized_pnl("A"), s.get_position_value("A"), s.get_unrealized_pnl_pct("A")
    )}  # fmt: skip
    _, (_, seen) = play(script, RISING, terms={"asset_id": ["A"], "multiplier": [5.0]})
    assert seen == pytest.approx((100.0, 600.0, 0.2), rel=1e-12)


def test_the_batch_handler_is_handed_the_account_as_a_mapping_of_positions() -> None:
    def look(strategy: Strategy) -> Any:
        view = strategy.broker.portfolio
        position = view.positions["A"]
        return (list(view.positions), view.cash, view.equity, position.quantity,
                position.avg_price, position.current_price, position.value,
                "B" in view.positions, len(view.positions))  # fmt: skip

    _, (_, seen) = play({0: lambda s: s.buy("A", 100), 1: look}, RISING)
    assert seen == (["A"], 9_000.0, 10_200.0, 100.0, 10.0, 12.0, 1_200.0, False, 1)


# -- orders -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "filled"),
    [
        # A tenth of 10,000 at 10 and at 20 a share.
        (lambda s: s.buy_percent("A", 0.1), [(2, "A", 100.0, 10.0)]),
        (lambda s: s.buy_percent("B", percent=0.1), [(2, "B", 50.0, 20.0)]),
        (lambda s: s.buy_percent("B", 0.1, price=25.0), [(2, "B", 40.0, 20.0)]),
        (lambda s: s.sell_percent("A", 0.05), [(2, "A", -50.0, 10.0)]),
        (lambda s: s.sell_percent("A", 0.05, price=20.0), [(2, "A", -25.0, 10.0)]),
        (lambda s: s.close_position("A"), [(2, "A", -100.0, 10.0)]),
        (lambda s: s.close_position("B"), []),
        (lambda s: s.reduce_position("A", 0.25), [(2, "A", -25.0, 10.0)]),
        (lambda s: s.reduce_position("A", 1.0), [(2, "A", -100.0, 10.0)]),
        (lambda s: s.reduce_position("B", 0.5), []),
        (lambda s: s.set_position_percent("A", 0.3), [(2, "A", 200.0, 10.0)]),
        (lambda s: s.set_position_percent("A", 0.1), []),
        (lambda s: s.set_position_percent("A", 0.0), [(2, "A", -100.0, 10.0)]),
        (lambda s: s.size_by_confidence("B", 0.85, 0.2), [(2, "B", 85.0, 20.0)]),
        (lambda s: s.size_by_confidence("A", 1.0, max_percent=0.1), []),
        (lambda s: s.buy_percent("A", 0.0), []),
    ],
)
def test_a_helper_orders_fractions_of_equity_at_the_next_open(act: Act, filled: list[Any]) -> None:
    assert order(act) == filled


def test_confidence_never_buys_beyond_its_most_however_often_it_is_asked() -> None:
    size = lambda s: s.size_by_confidence("A", 1.0, 0.25)  # noqa: E731
    result, _ = play(dict.fromkeys(range(4), size))
    assert held(result) == [(t, "A", 250.0) for t in range(1, 5)]


@pytest.mark.parametrize("prices", [None, {"A": 10.0, "B": 20.0}])
def test_rebalancing_reaches_the_weights_and_closes_the_rest(prices: Any) -> None:
    weights = {"B": 0.5}
    prices = None if prices is None else {"B": prices["B"]}
    assert sorted(order(lambda s: s.rebalance_to_weights(weights, prices))) == [
        (2, "A", -100.0, 10.0), (2, "B", 250.0, 20.0),
    ]  # fmt: skip


def test_rebalancing_with_prices_counts_shares_with_them() -> None:
    act = lambda s: s.rebalance_to_weights({"A": 0.1, "B": 0.5}, {"A": 10.0, "B": 25.0})  # noqa: E731
    assert order(act) == [(2, "B", 200.0, 20.0)]


def test_a_short_is_reduced_and_closed_by_buying() -> None:
    script = {0: lambda s: s.sell("A", 100), 1: lambda s: s.reduce_position("A", 0.5),
              2: lambda s: s.close_position("A")}  # fmt: skip
    result, _ = play(script, account=MarginAccount())
    assert fills(result) == [(1, "A", -100.0, 10.0), (2, "A", 50.0, 10.0), (3, "A", 50.0, 10.0)]


def test_closing_twice_sells_once() -> None:
    def twice(strategy: Strategy) -> None:
        strategy.close_position("A")
        strategy.close_position("A")

    assert order(twice) == [(2, "A", -100.0, 10.0)]


@pytest.mark.parametrize("account", [CashAccount(), MarginAccount()])
def test_closing_takes_back_what_would_add_to_the_position(account: Any) -> None:
    def change_of_mind(strategy: Strategy) -> None:
        strategy.buy_percent("A", 0.2)
        strategy.sell_percent("A", 0.05)
        strategy.close_position("A")

    result, _ = play({0: lambda s: s.buy("A", 100), 1: change_of_mind}, account=account)
    assert fills(result)[1:] == [(2, "A", -50.0, 10.0), (2, "A", -50.0, 10.0)]
    assert [row[0] for row in orders(result)] == ["filled", "cancelled", "filled", "filled"]


def test_closing_a_short_takes_back_what_would_sell_more() -> None:
    def change_of_mind(strategy: Strategy) -> None:
        strategy.sell_percent("A", 0.2)
        strategy.close_position("A")

    script = {0: lambda s: s.sell("A", 100), 1: change_of_mind}
    result, _ = play(script, account=MarginAccount())
    assert fills(result)[1:] == [(2, "A", 100.0, 10.0)]


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("parts", [(0.5, 0.75), (0.5, 0.5, 0.5), (1.0, 0.5)])
def test_reducing_for_several_reasons_never_turns_a_position_over(
    parts: tuple[float, ...], side: int
) -> None:
    def reduce(strategy: Strategy) -> None:
        for part in parts:
            strategy.reduce_position("A", part)

    start = lambda s: s.broker.order("A", side * 100.0)  # noqa: E731
    result, _ = play({0: start, 1: reduce}, account=MarginAccount())
    assert sum(row[2] for row in fills(result)) == 0
    assert [row for row in held(result) if row[0] >= 2] == []


@each_value
@pytest.mark.parametrize(
    "act",
    [
        lambda s: s.set_position_percent("A", 0.0),
        lambda s: s.rebalance_to_weights({}, {}),
        lambda s: s.rebalance_to_weights({}),
        lambda s: s.close_position("A"),
    ],
)
@pytest.mark.parametrize("account", [CashAccount(), MarginAccount()])
def test_a_target_takes_back_purchases_that_wait(act: Act, account: Any) -> None:
    def both(strategy: Strategy) -> None:
        strategy.buy("A", 50)
        act(strategy)

    result, _ = play({0: lambda s: s.buy("A", 100), 1: both}, account=account)
    assert [row for row in held(result) if row[0] >= 2] == []
    assert "rejected" not in [row[0] for row in orders(result)]


def test_weights_are_the_whole_portfolio_whatever_was_ordered_before() -> None:
    def both(strategy: Strategy) -> None:
        strategy.buy("B", 100)
        strategy.rebalance_to_weights({"A": 0.5})

    result, _ = play({0: both})
    assert held(result)[0] == (1, "A", 500.0)
    assert {row[1] for row in held(result)} == {"A"}


def test_closing_what_is_not_held_yet_takes_the_entry_back() -> None:
    def both(strategy: Strategy) -> None:
        strategy.buy_percent("A", 0.5)
        assert strategy.close_position("A") is None

    assert held(play({0: both})[0]) == []


def test_a_position_that_is_no_asset_is_not_there() -> None:
    ask = lambda s: ("Z" in s.broker.portfolio.positions, s.broker.portfolio.positions.get("Z"))  # noqa: E731
    assert play({0: ask})[1] == [(False, None)]


def test_a_gain_of_exactly_fifteen_percent_is_that() -> None:
    rising: dict[str, list[Row]] = {
        "A": [(100, 100, 100, 100), (100, 115, 100, 115), flat(115, 1)[0]]
    }
    _, (_, seen) = play(
        {0: lambda s: s.buy("A", 10), 1: lambda s: s.get_unrealized_pnl_pct("A")}, rising
    )
    assert seen == 0.15


def test_a_tag_is_the_exit_rule_of_the_trade_that_it_closes() -> None:
    script = {0: lambda s: s.buy("A", 100), 1: lambda s: s.close_position("A", tag="faded")}
    result, _ = play(script)
    assert result.sql("select exit_rule from trades").fetchall() == [("faded",)]


def test_an_asset_without_any_price_yet_is_rejected_with_a_reason() -> None:
    assets: dict[str, list[Row]] = {"A": flat(10, 3), "B": [None, None, (20, 20, 20, 20)]}
    result, _ = play({0: lambda s: s.buy_percent("B", 0.1)}, assets)
    assert result.sql("select status, reason from orders").fetchall() == [("rejected", "no bar")]


# -- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda s: s.buy_percent("A", -0.1), "percent must be a number from 0 to 10, was -0.1"),
        (lambda s: s.buy_percent("A", math.nan), "percent must be a number from 0 to 10"),
        (
            lambda s: s.buy_percent("A", 50),
            "percent must be a number from 0 to 10, was 50; fractions: 0.15 is 15%",
        ),
        (lambda s: s.buy("A", "10"), "quantity must be above 0, was '10'"),
        (lambda s: s.buy("A", 1.7e308), "quantity must be below 1e+100, was 1.7e+308"),
        (lambda s: s.running().order_target("A", -1e308), "quantity must be below 1e+100"),
        (lambda s: s.rebalance_to_weights(None), "target_weights must be a mapping, was None"),
        (lambda s: s.rebalance_to_weights({"A": None}), "the weight of 'A' must be a number"),
        (lambda s: s.rebalance_to_weights({"A": True}), "the weight of 'A' must be a number"),
        (lambda s: s.buy_percent("A", True), "percent must be a number from 0 to 10"),
        (lambda s: s.buy_percent("A", 0.1, price=0.0), "price must be a number above 0, was 0.0"),
        (lambda s: s.buy_percent("AA", 0.1), "there is no asset 'AA' in prices; did you mean 'A'"),
        (lambda s: s.get_position([]), "there is no asset [] in prices"),
        (lambda s: s.reduce_position("A", 1.5), "percent must be a number from 0 to 1, was 1.5"),
        (lambda s: s.size_by_confidence("A", 1.5, 0.2), "confidence must be a number from 0 to 1"),
        (
            lambda s: s.set_position_percent("A", "x"),
            "percent must be a number from -10 to 10, was 'x'",
        ),
        (
            lambda s: s.rebalance_to_weights({"A": 0.1}, {"B": 20.0}),
            "current_prices has no price of 'A'; add it",
        ),
    ],
)
def test_a_mistake_is_refused_with_what_was_said(act: Act, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        play({0: act})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "ask",
    [
        lambda s: s.get_position("A"), lambda s: s.get_positions(), lambda s: s.get_cash(),
        lambda s: s.get_position_value("A"), lambda s: s.get_portfolio_value(),
        lambda s: s.get_unrealized_pnl("A"), lambda s: s.get_unrealized_pnl_pct("A"),
        lambda s: s.buy_percent("A", 0.1), lambda s: s.sell_percent("A", 0.1),
        lambda s: s.close_position("A"), lambda s: s.reduce_position("A", 0.1),
        lambda s: s.set_position_percent("A", 0.1), lambda s: s.rebalance_to_weights({}),
        lambda s: s.size_by_confidence("A", 0.5, 0.1), lambda s: s.buy("A", 1),
    ],
)  # fmt: skip
def test_outside_of_a_run_every_helper_says_so(ask: Act) -> None:
    with pytest.raises(ValueError) as caught:
        ask(Script({}))
    assert str(caught.value) == (
        "Broker not initialized. Helper methods only available during backtest."
    )
