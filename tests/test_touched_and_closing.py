"""Market-if-touched and limit-on-close: from a strategy and from a hand loop, by hand.

Where a fill is worked out, the engine and the reference loop are both asked for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import by_hand
import reference
from hand_events import FREE, bar, bought, close, day
from ml4t.backtest import (
    BacktestResult,
    BasisPointSlippage,
    ConfigError,
    ExecutionPolicy,
    MakerTakerCommission,
    MarginAccount,
    NextClose,
    ThisClose,
    VolumeWeighted,
)
from ml4t.backtest.execution import LoopFill, LoopOrder, SimulationBroker
from ml4t.backtest.risk import StopLoss
from scripted import Action, Row, fills, flat, orders, play
from test_dividends import asked, paying
from test_orders import TEN, Case, expected, outcomes

MARGIN = MarginAccount(initial_margin=0.5, maintenance_margin=0.0)


def buy(quantity: float, **terms: Any) -> Action:
    return lambda strategy: strategy.buy("A", quantity, **terms)


def sell(quantity: float, **terms: Any) -> Action:
    return lambda strategy: strategy.sell("A", quantity, **terms)


def types(result: BacktestResult) -> list[tuple[Any, ...]]:
    """(type, limit, stop, time in force) of every order, by number."""
    return result.sql(
        "select order_type, limit_price, stop_price, time_in_force from orders order by order_id"
    ).fetchall()


def in_reference(cases: dict[str, Case], **options: Any) -> dict[str, list[tuple[int, float]]]:
    """Do what `outcomes` does with the reference loop, one run per case."""
    found = {}
    for name, (quantity, terms, bars, _) in cases.items():
        said = {"touch" if key == "if_touched" else key: value for key, value in terms.items()}
        order = reference.Order(asset="A", quantity=quantity, **said)
        result = by_hand.play([TEN, *bars], {0: order}, margin=by_hand.MARGIN, **options)
        found[name] = [(row[0], row[3]) for row in by_hand.fills(result)]
    return found


# -- where they fill -------------------------------------------------------------------------


def test_where_a_market_if_touched_order_fills() -> None:
    cases: dict[str, Case] = {
        "buy, open beyond": (1, {"if_touched": 9}, [(8, 10, 7, 9)], [(1, 8)]),
        "buy, open at it": (1, {"if_touched": 9}, [(9, 10, 9, 10)], [(1, 9)]),
        "buy, touched": (1, {"if_touched": 9}, [(10, 10, 8, 9.5)], [(1, 9)]),
        "buy, not reached": (1, {"if_touched": 9}, [(10, 11, 9.01, 10)], []),
        "buy, reached a bar later": (1, {"if_touched": 9}, [TEN, (10, 10, 9, 10)], [(2, 9)]),
        "buy, its day is over": (1, {"if_touched": 9, "tif": "day"}, [TEN, (9, 9, 9, 9)], []),
        "buy, its only chance is the open": (
            1, {"if_touched": 9, "tif": "ioc"}, [(10, 10, 8, 9)], [],
        ),
        "sell, open beyond": (-1, {"if_touched": 11}, [(12, 13, 9, 9)], [(1, 12)]),
        "sell, touched": (-1, {"if_touched": 11}, [(10, 12, 9, 9)], [(1, 11)]),
        "sell, high exactly at it": (-1, {"if_touched": 11}, [(10, 11, 9, 9)], [(1, 11)]),
        "sell, not reached": (-1, {"if_touched": 11}, [(10, 10.99, 9, 9)], []),
    }  # fmt: skip
    assert outcomes(cases) == in_reference(cases) == expected(cases)


def test_where_a_limit_on_close_order_fills() -> None:
    at_nine, at_eleven = {"limit": 9, "on_close": True}, {"limit": 11, "on_close": True}
    later: list[Row] = [(8, 10, 7, 9.5), (10, 10, 8.5, 8.5)]
    cases: dict[str, Case] = {
        "buy, close below": (1, at_nine, [(10, 11, 8, 8.5)], [(1, 8.5)]),
        "buy, close at it": (1, at_nine, [(10, 11, 8, 9)], [(1, 9)]),
        "buy, only the range": (1, at_nine, [(8, 10, 7, 9.5)], []),
        "buy, its day is over": (1, at_nine, later, []),
        "buy, a later close": (1, {**at_nine, "tif": "gtc"}, later, [(2, 8.5)]),
        "buy, its only chance": (1, {**at_nine, "tif": "ioc"}, later, []),
        "sell, close above": (-1, at_eleven, [(10, 12, 9, 11.5)], [(1, 11.5)]),
        "sell, only the range": (-1, at_eleven, [(10, 12, 9, 10.5)], []),
    }
    assert outcomes(cases) == in_reference(cases) == expected(cases)
    # Whenever market orders fill: a limit on close waits for the next close.
    for timing, name in ((NextClose(), "next_close"), (ThisClose(), "this_close")):
        policy = ExecutionPolicy(timing=timing)
        assert outcomes(cases, execution=policy) == expected(cases)
        assert in_reference(cases, timing=name) == expected(cases)


def test_slippage_goes_past_a_touch_and_never_past_a_limit_on_close() -> None:
    cases: dict[str, Case] = {
        "touched": (1, {"if_touched": 9}, [(10, 11, 9, 10)], [(1, 9.09)]),
        "touched, sell": (-1, {"if_touched": 11}, [(10, 11, 9, 10)], [(1, 10.89)]),
        "close": (1, {"limit": 9, "on_close": True}, [(10, 11, 8, 8)], [(1, 8.08)]),
        "close, at the limit": (1, {"limit": 9, "on_close": True}, [(10, 11, 8, 8.95)], [(1, 9)]),
    }
    assert outcomes(cases, slippage=BasisPointSlippage(100)) == expected(cases)
    assert in_reference(cases, slippage_bps=100) == expected(cases)


def test_neither_a_touched_order_nor_one_on_close_has_rested_in_the_book() -> None:
    fees = MakerTakerCommission(maker_basis_points=10, taker_basis_points=50)
    script = {0: [buy(100, if_touched=9), buy(100, limit=9, on_close=True), buy(100, limit=9)]}
    result = play([TEN, (10, 10, 8, 9)], script, commission=fees)
    query = "select price, round(commission, 10) from fills order by order_id"
    assert result.sql(query).fetchall() == [(9, 4.5), (9, 4.5), (9, 0.9)]
    broker = SimulationBroker(10_000, commission=fees, slippage=FREE["slippage"])
    broker.submit_order(broker.market_if_touched_order("A", 100, 9))
    broker.submit_order(broker.limit_on_close_order("A", 100, 9))
    both = broker.on_market_event(bar(0, (10, 10, 8, 9)))
    assert [round(one.commission, 10) for one in both] == [4.5, 4.5]


def test_the_table_of_orders_names_type_and_prices() -> None:
    script = {0: [buy(1, if_touched=9), buy(2, limit=8, on_close=True)]}
    assert types(play([TEN, TEN], script)) == [
        ("market_if_touched", None, 9, "gtc"),
        ("limit_on_close", 8, None, "day"),
    ]


def test_a_bar_without_a_range_has_a_close_to_be_limited_and_nothing_to_be_touched() -> None:
    rows, names = [(10, 10), (10, 8)], ("open", "close")
    closing = play(rows, {0: buy(1, limit=9, on_close=True)}, names=names)
    assert fills(closing) == [(1, "A", 1, 8)]
    with pytest.raises(ConfigError, match="a market_if_touched order needs prices with columns"):
        play(rows, {0: buy(1, if_touched=9)}, names=names)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"if_touched": 0}, "if_touched must be a number above 0, was 0"),
        ({"if_touched": 9, "limit": 9}, "cannot have limit and if_touched together"),
        ({"if_touched": 9, "on_close": True}, "cannot have if_touched and on_close together"),
        ({"if_toched": 9}, "an order has no 'if_toched'; did you mean 'if_touched'"),
    ],
)
def test_what_a_touched_order_cannot_be(terms: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        play([TEN, TEN], {0: buy(1, **terms)})


# -- beside other orders ---------------------------------------------------------------------


def test_what_the_volume_leaves_of_a_touched_order_is_a_market_order() -> None:
    rows = [(*TEN, 100.0), (10, 10, 8, 10, 6.0), (12, 12, 12, 12, 100.0)]
    policy = ExecutionPolicy(participation=1.0)
    result = play(
        rows, {0: buy(10, if_touched=9)}, names=("open", "high", "low", "close", "volume"),
        execution=policy,
    )  # fmt: skip
    assert fills(result) == [(1, "A", 6, 9), (2, "A", 4, 12)]
    same = by_hand.play(rows, {0: by_hand.buy(10, touch=9)}, participation=1.0)
    assert by_hand.fills(same) == fills(result)


def test_a_stop_comes_before_a_touch_and_a_nearer_price_before_a_farther() -> None:
    script = {0: buy(3), 1: [sell(1, if_touched=11), sell(1, limit=10.5), sell(1, stop=9)]}
    result = play([TEN, TEN, (10, 12, 9, 10)], script)
    assert fills(result)[1:] == [(2, "A", -1, 9), (2, "A", -1, 10.5), (2, "A", -1, 11)]
    same = by_hand.play(
        [TEN, TEN, (10, 12, 9, 10)],
        {0: by_hand.buy(3), 1: [by_hand.sell(1, touch=11), by_hand.sell(1, limit=10.5),
                                by_hand.sell(1, stop=9)]},
    )  # fmt: skip
    assert by_hand.fills(same) == fills(result)


def test_a_touch_that_may_have_come_before_the_purchase_sells_only_what_was_there() -> None:
    # 5 held; 5 more are bought by a limit in the bar that touches 12. Its close of 11 does not say
    # whether 12 came later.
    rows = [TEN, TEN, (10, 12, 9, 11), (11, 13, 11, 12)]
    script = {0: [buy(5)], 1: [sell(10, if_touched=12), buy(5, limit=9)]}
    result = play(rows, script)
    assert fills(result)[1:] == [(2, "A", 5, 9), (2, "A", -5, 12), (3, "A", -5, 12)]
    same = by_hand.play(
        rows,
        {0: by_hand.buy(5), 1: [by_hand.sell(10, touch=12), by_hand.buy(5, limit=9)]},
    )
    assert by_hand.fills(same) == fills(result)


def test_a_stop_of_a_rule_guards_what_a_touch_has_bought_inside_the_bar() -> None:
    result = play([TEN, (10, 10, 8, 8.5)], {0: buy(1, if_touched=9.5)}, StopLoss(0.1))
    assert fills(result) == [(1, "A", 1, 9.5), (1, "A", -1, 8.55)]


def test_exits_on_close_free_the_cash_that_purchases_on_close_need() -> None:
    bars = {"A": [TEN, TEN, (10, 12, 9, 12)], "B": [TEN, TEN, (10, 12, 9, 10)]}
    for timing in (ExecutionPolicy(), ExecutionPolicy(timing=NextClose())):
        script: dict[int, Any] = {
            0: lambda s: s.buy("A", 1000),
            1: [
                lambda s: s.buy("B", 1000, limit=10, on_close=True),
                lambda s: s.sell("A", 1000, limit=11, on_close=True),
            ],
        }
        result = play(bars, script, execution=timing)
        assert fills(result)[1:] == [(2, "A", -1000, 12), (2, "B", 1000, 10)]


def test_a_halted_or_locked_close_fills_no_limit_on_close_and_its_time_goes_on() -> None:
    names = ("open", "high", "low", "close", "volume", "limit_up")
    rows = [
        (*TEN, 9.0, None),
        (8, 8, 8, 8, 0.0, None),
        (8, 8, 8, 8, 9.0, 8.0),
        (7, 7, 7, 7, 9.0, 8),
    ]
    terms = {"limit": 9, "on_close": True}
    result = play(
        rows, {0: [buy(1, **terms), buy(1, **terms, tif="gtc")], 1: buy(1, **terms)}, names=names
    )
    assert fills(result) == [(3, "A", 1, 7)]
    expired = ("expired", "end of day", 0)  # in the halt, and at the locked close
    assert orders(result) == [expired, ("filled", "", 1), expired]


def test_on_close_orders_fill_after_an_average_price_of_their_bar() -> None:
    rows = [(*TEN, 10.0), (10, 12, 8, 9, 11.0)]
    script = {0: [buy(1), buy(2, limit=9, on_close=True)]}
    names = ("open", "high", "low", "close", "vwap")
    result = play(rows, script, names=names, execution=ExecutionPolicy(timing=VolumeWeighted()))
    assert fills(result) == [(1, "A", 1, 11), (1, "A", 2, 9)]


def test_a_group_shares_what_touched_and_closing_legs_fill() -> None:
    def send(s: Any) -> None:
        s.one_cancels_other(
            s.buy("A", 1, if_touched=9), s.buy("A", 1, limit=11, on_close=True, tif="gtc")
        )

    result = play([TEN, (10, 10, 9, 9), TEN], {0: send})
    assert fills(result) == [(1, "A", 1, 9)]
    assert orders(result) == [("filled", "", 1), ("cancelled", "one cancels other", 0)]


def test_a_touch_is_replaced_as_a_stop_is() -> None:
    seen: list[Any] = []
    script = {
        0: lambda s: seen.append(s.buy("A", 1, if_touched=8)),
        1: lambda s: s.replace(seen[0], stop=9),
    }
    result = play([TEN, TEN, (10, 10, 9, 10)], script)
    assert fills(result) == [(2, "A", 1, 9)]
    assert (seen[0].order_type, seen[0].stop) == ("market_if_touched", 9)


# -- corporate actions -----------------------------------------------------------------------


def test_a_dividend_lowers_what_buys_and_leaves_what_sells() -> None:
    # FINRA rule 5330 reduces open orders to buy and stops to sell; a touch is no stop.
    rows = [*flat(20, 2), *flat(15, 2)]
    script = {
        0: buy(10),
        1: [
            buy(1, if_touched=12), sell(1, if_touched=22),
            buy(1, limit=12, on_close=True, tif="gtc"), sell(1, limit=22, on_close=True, tif="gtc"),
        ],
    }  # fmt: skip
    result = play(rows, script, sources=paying((2, 5.0)))
    assert asked(result)[1:] == [(None, 7), (None, 22), (7, None), (22, None)]
    same = by_hand.play(
        rows,
        {
            0: by_hand.buy(10),
            1: [
                by_hand.buy(1, touch=12), by_hand.sell(1, touch=22),
                by_hand.buy(1, limit=12, on_close=True, tif="gtc"),
                by_hand.sell(1, limit=22, on_close=True, tif="gtc"),
            ],
        },
        actions=[reference.Action("A", day(2), "dividend", 5.0)],
    )  # fmt: skip
    assert [(one.limit, one.stop) for one in same.orders][1:] == asked(result)[1:]


def test_an_order_whose_touch_is_below_the_dividend_ends() -> None:
    rows = [*flat(20, 2), *flat(15, 2)]
    script = {1: [buy(1, if_touched=4), buy(1, limit=4, on_close=True, tif="gtc")]}
    result = play(rows, script, sources=paying((2, 5.0)))
    assert orders(result) == [("cancelled", "a dividend above its price", 0)] * 2


def test_what_is_left_of_a_touched_order_has_no_price_to_lower() -> None:
    names = ("open", "high", "low", "close", "volume")
    rows = [(20, 20, 20, 20, 100.0), (20, 20, 3, 20, 6.0), (15, 15, 15, 15, 100.0)]
    policy = ExecutionPolicy(participation=1.0)
    script = {0: buy(10, if_touched=4)}
    result = play(rows, script, names=names, execution=policy, sources=paying((2, 5.0)))
    assert fills(result) == [(1, "A", 6, 4), (2, "A", 4, 15)]
    assert asked(result) == [(None, 4)]


def test_a_split_divides_a_touch_and_a_limit_on_close() -> None:
    rows = [*flat(20, 2), *flat(10, 1), (10, 10, 9, 9)]
    script = {1: [buy(1, if_touched=18), buy(1, limit=18, on_close=True, tif="gtc")]}
    result = play(rows, script, sources=paying((2, 2.0), kinds="split"))
    assert fills(result) == [(3, "A", 2, 9), (3, "A", 2, 9)]
    assert asked(result) == [(None, 9), (9, None)]
    same = by_hand.play(
        rows,
        {1: [by_hand.buy(1, touch=18), by_hand.buy(1, limit=18, on_close=True, tif="gtc")]},
        actions=[reference.Action("A", day(2), "split", 2.0)],
    )
    assert by_hand.fills(same) == fills(result)


def test_a_touch_is_on_ticks_away_from_the_market() -> None:
    terms = {"assets": {"asset_id": ["A"], "tick_size": [0.25]}}
    script = {0: [buy(1, if_touched=9.1), sell(1, if_touched=10.9)]}
    result = play([TEN, TEN], script, sources=terms, account=MARGIN)
    assert asked(result) == [(None, 9), (None, 11)]


# -- from a loop written by hand ---------------------------------------------------------------


def loop(make: Callable[[SimulationBroker], LoopOrder], *rows: Row | float) -> list[LoopFill]:
    """Hold 5 of A from day 0 at 10, send an order, and go through later bars, or closes."""
    broker = SimulationBroker(10_000, **FREE)
    bought(broker, "A", 5)
    broker.on_market_event(bar(0, (10, 10, 10, 10)))
    broker.submit_order(make(broker))
    found = []
    for t, row in enumerate(rows, start=1):
        event = close(t, row) if isinstance(row, (int, float)) else bar(t, row or ())
        found += broker.on_market_event(event)
    return found


def touched(quantity: float, price: float) -> Callable[[SimulationBroker], LoopOrder]:
    return lambda broker: broker.market_if_touched_order("A", quantity, price)


def on_close(quantity: float, limit: float) -> Callable[[SimulationBroker], LoopOrder]:
    return lambda broker: broker.limit_on_close_order("A", quantity, limit)


@pytest.mark.parametrize(
    ("make", "rows", "found"),
    [
        (touched(1, 9), [(8, 10, 7, 9)], [(1, 8, False)]),
        # Inside the bar nothing of it is known to belong to what was bought.
        (touched(1, 9), [(10, 10, 8, 9.5)], [(1, 9, True)]),
        (touched(1, 9), [TEN, (10, 10, 9, 10)], [(1, 9, True)]),
        (touched(1, 9), [(10, 11, 9.01, 10)], []),
        (touched(-2, 11), [(10, 12, 9, 9)], [(-2, 11, True)]),
        (touched(-9, 11), [(12, 12, 9, 9)], [(-5, 12, False)]),
        # An event of a close alone touches what its close is beyond.
        (touched(1, 9), [10, 8], [(1, 8, False)]),
        (on_close(1, 9), [(8, 10, 7, 9.5), (10, 11, 8, 8.5)], [(1, 8.5, True)]),
        (on_close(1, 9), [9], [(1, 9, True)]),
        (on_close(-2, 11), [(10, 12, 9, 10), (10, 12, 9, 11.5)], [(-2, 11.5, True)]),
    ],
)
def test_what_a_hand_loop_fills(
    make: Callable[[SimulationBroker], LoopOrder],
    rows: list[Row | float],
    found: list[tuple[float, float, bool]],
) -> None:
    assert [(x.quantity, x.price, x.at_close) for x in loop(make, *rows)] == found


def test_nothing_of_the_bar_at_which_it_was_decided_touches_or_fills_an_order() -> None:
    broker = SimulationBroker(10_000, **FREE)
    broker.submit_order(broker.market_if_touched_order("A", 1, 9, decided_at=day(0)))
    broker.submit_order(broker.limit_on_close_order("A", 1, 9, decided_at=day(0)))
    assert broker.on_market_event(bar(0, (8, 8, 8, 8))) == []
    later = broker.on_market_event(bar(1, (8, 9, 8, 9)))
    assert [(x.order_id, x.price) for x in later] == [(1, 8), (2, 9)]


def test_of_several_orders_a_hand_loop_fills_first_what_the_bar_met_first() -> None:
    broker = SimulationBroker(152, **FREE)
    bought(broker, "A", 5)
    broker.on_market_event(bar(0, (10, 10, 10, 10)))
    for quantity, price in ((10, 9), (10, 9.8), (-5, 12), (-3, 11)):
        broker.submit_order(broker.market_if_touched_order("A", quantity, price))
    # A falling price is at 9.8 before it is at 9, and the rest of the cash buys what comes second;
    # what sells frees cash for what is left of it. At 12 it sells what was surely held before.
    fills = broker.on_market_event(bar(1, (10, 12, 9, 10)))
    found = [(round(x.quantity, 6), x.price) for x in fills]
    assert found == [(10, 9.8), (0.444444, 9), (-3, 11), (-2, 12), (6.333333, 9)]
    left = [(x.quantity, x.filled_quantity) for x in broker.open_orders() if x.quantity < 0]
    assert left == [(-5, -2)]


def by_both(
    rows: list[Row], *orders: tuple[float, float], held: int = 5
) -> tuple[list[Any], list[Any]]:
    """Fills (bar, shares, price) of touched orders from bar 1 on: of a hand loop, of the engine."""
    broker = SimulationBroker(10_000, **FREE)
    bought(broker, "A", held)
    broker.on_market_event(bar(0, TEN))
    for quantity, price in orders:
        broker.submit_order(broker.market_if_touched_order("A", quantity, price))
    found = [
        (t, round(x.quantity, 9), x.price)
        for t, row in enumerate(rows, start=1)
        for x in broker.on_market_event(bar(t, row or ()))
    ]
    sent = [
        buy(size, if_touched=price) if size > 0 else sell(-size, if_touched=price)
        for size, price in orders
    ]
    result = play([TEN, TEN, *rows], {0: buy(held), 1: sent})
    return found, [(t - 1, round(size, 9), price) for t, _, size, price in fills(result)[1:]]


@pytest.mark.parametrize(
    ("row", "found"),
    [
        # The close is beyond the sale: the bar was at 9, and then at 11.
        ((10, 12, 8, 11.5), [(3, 9), (-8, 11)]),
        # Which came first is not known: what was held before is sold, the rest later.
        ((10, 12, 8, 10), [(3, 9), (-5, 11)]),
        ((10, 10.5, 8, 10), [(3, 9)]),
    ],
)
def test_touched_on_both_sides_of_a_bar_a_hand_loop_fills_both(
    row: Row, found: list[tuple[float, float]]
) -> None:
    ours, engines = by_both([row, (10, 10, 10, 10)], (3, 9), (-8, 11))
    assert ours == engines == [(1, *one) for one in found]


@pytest.mark.parametrize("seed", range(4))
def test_a_hand_loop_walks_a_bar_with_all_its_orders_as_the_engine_does(seed: int) -> None:
    pick = np.random.default_rng(seed)
    rows: list[Row] = []
    for _ in range(8):
        low, high = 10.25 - pick.choice([0.5, 1, 2]), 10.25 + pick.choice([0.5, 1, 2])
        rows.append((10.25, high, low, pick.choice([low, 10, 10.5, high])))
    # None is met at an open, where a hand loop sells before it buys, and something is left of the
    # position, whose end would end the engine's exits.
    bids, offers = pick.permutation(np.arange(8, 10.5, 0.5)), pick.permutation([10.5, 11, 11.5, 12])
    orders = [
        (size, float(price))
        for bid, offer in zip(bids, offers, strict=False)
        for size, price in (
            (float(pick.choice([3, 5])), bid),
            (float(pick.choice([-4, -7])), offer),
        )
    ]
    ours, engines = by_both(rows, *orders, held=25)
    assert ours == engines
    assert len(ours) > 2


def test_what_is_sold_at_a_close_buys_nothing_inside_the_bar_before() -> None:
    broker = SimulationBroker(50, **FREE)
    bought(broker, "A", 5)
    broker.on_market_event(bar(0, (10, 10, 10, 10)))
    broker.submit_order(broker.limit_on_close_order("A", -5, 10))
    inside = broker.submit_order(broker.market_if_touched_order("B", 1, 9))
    at_close = broker.submit_order(broker.limit_on_close_order("C", 1, 10))
    row = (10, 10, 9, 10)
    found = [broker.on_market_event(bar(1, row, asset)) for asset in ("A", "B", "C")]
    assert [[(x.quantity, x.price) for x in fills] for fills in found] == [
        [(-5, 10)],
        [],
        [(1, 10)],
    ]
    broker.on_market_event(bar(2, row))
    assert (inside.status, inside.reason) == ("rejected", "insufficient cash")
    assert at_close.status == "filled"


def test_slippage_in_a_hand_loop_goes_past_a_touch_and_not_past_a_limit() -> None:
    broker = SimulationBroker(
        10_000, commission=FREE["commission"], slippage=BasisPointSlippage(100)
    )
    broker.submit_order(broker.market_if_touched_order("A", 1, 9))
    broker.submit_order(broker.limit_on_close_order("A", 1, 9))
    fills = broker.on_market_event(bar(0, (10, 10, 8, 8.95)))
    assert [round(x.price, 10) for x in fills] == [9.09, 9]


def test_a_hand_loop_fills_as_the_engine_does() -> None:
    rows: list[Row] = [TEN, (10, 11, 9, 9.5), (9.5, 10, 8, 8), (7.5, 12, 7, 11.5), TEN]
    for make, terms, quantity in (
        (touched(1, 8.5), {"if_touched": 8.5}, 1),
        (touched(1, 7.6), {"if_touched": 7.6}, 1),
        (touched(-2, 11), {"if_touched": 11}, -2),
        (on_close(1, 8), {"limit": 8, "on_close": True, "tif": "gtc"}, 1),
        (on_close(-2, 11), {"limit": 11, "on_close": True, "tif": "gtc"}, -2),
    ):
        order = buy(quantity, **terms) if quantity > 0 else sell(-quantity, **terms)
        result = play([TEN, *rows], {0: buy(5), 1: order})
        ours = [((x.timestamp - day(0)).days + 1, x.quantity, x.price)
                for x in loop(make, *rows[1:])]  # fmt: skip
        assert len(ours) == 1
        assert ours == [(t, size, price) for t, _, size, price in fills(result)[1:]]


@pytest.mark.parametrize("price", [0, -1, float("nan"), float("inf"), "9"])
def test_a_price_of_a_hand_loop_is_a_number_above_zero(price: Any) -> None:
    with pytest.raises(ConfigError, match="price must be a number above 0"):
        SimulationBroker().market_if_touched_order("A", 1, price)
    with pytest.raises(ConfigError, match="limit must be a number above 0"):
        SimulationBroker().limit_on_close_order("A", 1, price)
