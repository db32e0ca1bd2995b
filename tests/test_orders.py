"""Orders: at which price and when each kind fills, for how long it stands, how it ends.

Most cases are one asset of a run with many: day 0 at 10, the order, then the bars that matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest

from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BasisPointSlippage,
    Catalog,
    ConfigError,
    ExecutionPolicy,
    MarginAccount,
    Order,
    Ranking,
    ThisClose,
    TopN,
)
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.risk import MaxWeight, StopLoss, TakeProfit
from ml4t.backtest.strategy.broker import StrategyBroker
from scripted import (
    FREE,
    NAMES,
    Row,
    Scripted,
    at,
    day,
    equity,
    fills,
    flat,
    held,
    orders,
    play,
    price_table,
    trades,
)

TEN: Row = (10, 10, 10, 10)
Case = tuple[float, dict[str, Any], Sequence[Row], list[tuple[int, float]]]


def send(s: Scripted, asset: str, quantity: float, **terms: Any) -> Order:
    """Buy what is above zero, sell what is below."""
    return s.buy(asset, quantity, **terms) if quantity > 0 else s.sell(asset, -quantity, **terms)


def outcomes(cases: Mapping[str, Case], **settings: Any) -> dict[str, list[tuple[int, float]]]:
    """(bar, price) of every fill by case; each is sent at the close of day 0, which is at 10."""
    names = {f"{n:02d} {name}": case for n, (name, case) in enumerate(cases.items())}
    width = max(len(case[2]) for case in names.values())
    result = play(
        {name: [TEN, *case[2], *[TEN] * (width - len(case[2]))] for name, case in names.items()},
        {0: [lambda s, n=name, c=case: send(s, n, c[0], **c[1]) for name, case in names.items()]},
        account=MarginAccount(),
        capital=1_000_000,
        **settings,
    )
    found: dict[str, list[tuple[int, float]]] = {name: [] for name in cases}
    for t, asset, quantity, price in fills(result):
        name = asset[3:]
        assert quantity == cases[name][0]
        if t <= len(cases[name][2]):  # the bars after are there because other cases have them
            found[name].append((t, price))
    return found


def expected(cases: Mapping[str, Case]) -> dict[str, list[tuple[int, float]]]:
    return {name: case[3] for name, case in cases.items()}


# -- where an order fills --------------------------------------------------------------------


def test_a_market_order_fills_at_the_next_open_and_at_no_price_of_its_own_bar() -> None:
    bars: list[Row] = [(10, 12, 8, 9), (11, 13, 7, 12), (12, 12, 12, 12)]
    result = play(
        {"A": bars, "B": bars},
        {0: [lambda s: s.buy("A", 100), lambda s: s.sell("B", 100)]},
        account=MarginAccount(),
    )
    assert fills(result) == [(1, "A", 100, 11), (1, "B", -100, 11)]
    assert orders(result) == [("filled", "", 100), ("filled", "", -100)]
    # Long 100 from 11 to 12, short 100 from 11 to 12.
    assert equity(result) == [10_000, 10_000, 10_000]


def test_an_order_of_the_last_bar_fills_nowhere_and_says_so() -> None:
    result = play([TEN, TEN], {1: [lambda s: s.buy("A", 1), lambda s: s.buy("A", 1, limit=9)]})
    assert orders(result) == [("expired", "end of data", 0)] * 2


def test_where_a_limit_fills() -> None:
    cases: dict[str, Case] = {
        "buy, open beyond": (1, {"limit": 9}, [(8, 10, 7, 9)], [(1, 8)]),
        "buy, open at it": (1, {"limit": 9}, [(9, 10, 9, 10)], [(1, 9)]),
        "buy, touched": (1, {"limit": 9}, [(10, 10, 8, 9.5)], [(1, 9)]),
        "buy, low exactly at it": (1, {"limit": 9}, [(10, 10, 9, 10)], [(1, 9)]),
        "buy, not reached": (1, {"limit": 9}, [(10, 11, 9.01, 10)], []),
        "buy, reached a bar later": (1, {"limit": 9}, [TEN, (10, 10, 9, 10)], [(2, 9)]),
        "sell, open beyond": (-1, {"limit": 11}, [(12, 13, 9, 9)], [(1, 12)]),
        "sell, open at it": (-1, {"limit": 11}, [(11, 11, 9, 9)], [(1, 11)]),
        "sell, touched": (-1, {"limit": 11}, [(10, 12, 9, 9)], [(1, 11)]),
        "sell, high exactly at it": (-1, {"limit": 11}, [(10, 11, 9, 9)], [(1, 11)]),
        "sell, not reached": (-1, {"limit": 11}, [(10, 10.99, 9, 9)], []),
    }
    assert outcomes(cases) == expected(cases)


def test_where_a_stop_fills() -> None:
    cases: dict[str, Case] = {
        "buy, open beyond": (1, {"stop": 11}, [(12, 13, 9, 9)], [(1, 12)]),
        "buy, touched": (1, {"stop": 11}, [(10, 13, 9, 9)], [(1, 11)]),
        "buy, high exactly at it": (1, {"stop": 11}, [(10, 11, 9, 9)], [(1, 11)]),
        "buy, not reached": (1, {"stop": 11}, [(10, 10.99, 9, 9)], []),
        "sell, open beyond": (-1, {"stop": 9}, [(8, 13, 7, 12)], [(1, 8)]),
        "sell, touched": (-1, {"stop": 9}, [(10, 13, 7, 12)], [(1, 9)]),
        "sell, low exactly at it": (-1, {"stop": 9}, [(10, 10, 9, 10)], [(1, 9)]),
        "sell, not reached": (-1, {"stop": 9}, [(10, 10, 9.01, 10)], []),
        "sell, reached a bar later": (-1, {"stop": 9}, [TEN, (10, 10, 8, 8)], [(2, 9)]),
    }
    assert outcomes(cases) == expected(cases)


def test_where_a_stop_limit_fills() -> None:
    buy, sell, dip = {"stop": 11, "limit": 12}, {"stop": 9, "limit": 8}, {"stop": 11, "limit": 10}
    cases: dict[str, Case] = {
        "buy, triggered at the open": (1, buy, [(11.5, 13, 11, 13)], [(1, 11.5)]),
        "buy, triggered inside": (1, buy, [(10, 13, 9, 13)], [(1, 11)]),
        "buy, not triggered": (1, buy, [(10, 10.9, 9, 10)], []),
        # A gap past the limit: all of the bar is still to come.
        "buy, gap past the limit": (1, buy, [(12.5, 13, 12.1, 12.5)], []),
        "buy, gap past it, touched later": (1, buy, [(12.5, 13, 11, 12.5)], [(1, 12)]),
        "buy, gap past it, low at it": (1, buy, [(12.5, 13, 12, 12.5)], [(1, 12)]),
        "sell, gap past it, touched later": (-1, sell, [(7.5, 8.5, 7, 7.5)], [(1, 8)]),
        "buy, its only chance is the open": (
            1, {**buy, "tif": "ioc"}, [(12.5, 13, 11, 12.5)], [],
        ),
        # Triggered inside the bar: certain only if the close is back within it.
        "buy, gap past it and back": (1, buy, [(12.5, 13, 11, 12)], [(1, 12)]),
        "buy, a limit from then on": (1, buy, [(12.5, 13, 12.1, 13), (11, 14, 11, 14)], [(2, 11)]),
        "buy, limit below the stop": (1, dip, [(10.5, 12, 9, 9.5)], [(1, 10)]),
        "buy, no close below it": (1, dip, [(10.5, 12, 9, 10.4)], []),
        "sell, triggered at the open": (-1, sell, [(8.5, 9, 7, 7)], [(1, 8.5)]),
        "sell, triggered inside": (-1, sell, [(10, 11, 7, 7)], [(1, 9)]),
        "sell, gap past the limit": (-1, sell, [(7.5, 7.9, 7, 7.5)], []),
        "sell, gap past it and back": (-1, sell, [(7.5, 9, 7, 8.5)], [(1, 8)]),
        "sell, a limit from then on": (-1, sell, [(7.5, 7.9, 7, 7), (9, 9, 6, 6)], [(2, 9)]),
    }  # fmt: skip
    assert outcomes(cases) == expected(cases)


def test_where_a_trailing_stop_fills() -> None:
    cases: dict[str, Case] = {
        # It starts from the close at which it was sent, 10.
        "sell, amount": (-1, {"trail": 1}, [(10, 10, 8.5, 10)], [(1, 9)]),
        "sell, fraction": (-1, {"trail_fraction": 0.2}, [(10, 10, 8, 10)], [(1, 8)]),
        "sell, gap": (-1, {"trail_fraction": 0.2}, [(7, 8, 7, 7)], [(1, 7)]),
        # A bar's high counts from the next bar on: was it before or after the low?
        "sell, own high": (-1, {"trail": 1}, [(10, 20, 9.5, 10)], []),
        "sell, ratchet": (-1, {"trail": 2}, [(11, 15, 10, 14), (14, 14, 12, 13)], [(2, 13)]),
        "sell, no loosening": (
            -1, {"trail": 2}, [(11, 15, 10, 14), (14, 14.5, 13.1, 14), (14, 14, 12, 12)], [(3, 13)]
        ),
        "buy, amount": (1, {"trail": 1}, [(10, 11.5, 10, 10)], [(1, 11)]),
        "buy, fraction": (1, {"trail_fraction": 0.2}, [(10, 12, 10, 10)], [(1, 12)]),
        "buy, gap": (1, {"trail_fraction": 0.2}, [(13, 14, 11, 11)], [(1, 13)]),
        "buy, own low": (1, {"trail": 1}, [(10, 10.5, 5, 10)], []),
        "buy, ratchet": (1, {"trail": 2}, [(9, 10, 5, 6), (6, 8, 6, 7)], [(2, 7)]),
        "buy, no loosening": (
            1, {"trail": 2}, [(9, 10, 5, 6), (6, 6.9, 5.5, 6), (6, 8, 6, 8)], [(3, 7)]
        ),
    }  # fmt: skip
    assert outcomes(cases) == expected(cases)


def test_a_market_on_close_order_fills_at_the_next_close() -> None:
    cases: dict[str, Case] = {
        "buy": (1, {"on_close": True}, [(11, 14, 9, 12)], [(1, 12)]),
        "sell": (-1, {"on_close": True}, [(11, 14, 9, 12)], [(1, 12)]),
    }
    assert outcomes(cases) == expected(cases)
    # Where everything else fills at the close of its decision, it still waits for the next.
    now = outcomes(
        {**cases, "market": (1, {}, [(11, 14, 9, 12)], [(0, 10)])},
        execution=ExecutionPolicy(timing=ThisClose()),
    )
    assert now == {"buy": [(1, 12)], "sell": [(1, 12)], "market": [(0, 10)]}


def test_a_stop_slips_and_a_limit_is_never_filled_worse_than_its_limit() -> None:
    touched, gap_down, gap_up = (10, 11, 9, 10), (8.95, 11, 8, 10), (11.05, 12, 9, 10)
    cases: dict[str, Case] = {
        "market buy": (1, {}, [touched], [(1, 10.1)]),
        "market sell": (-1, {}, [touched], [(1, 9.9)]),
        "stop buy": (1, {"stop": 11}, [touched], [(1, 11.11)]),
        "stop sell": (-1, {"stop": 9}, [touched], [(1, 8.91)]),
        "limit buy": (1, {"limit": 9}, [touched], [(1, 9)]),
        "limit sell": (-1, {"limit": 11}, [touched], [(1, 11)]),
        "limit buy, gap": (1, {"limit": 9}, [(8, 11, 8, 10)], [(1, 8.08)]),
        "limit sell, gap": (-1, {"limit": 11}, [(12, 12, 9, 10)], [(1, 11.88)]),
        # 8.95 * 1.01 and 11.05 * 0.99 are beyond the limits.
        "limit buy, small gap": (1, {"limit": 9}, [gap_down], [(1, 9)]),
        "limit sell, small gap": (-1, {"limit": 11}, [gap_up], [(1, 11)]),
        "stop-limit buy": (1, {"stop": 10.5, "limit": 10.55}, [touched], [(1, 10.55)]),
        "stop-limit sell": (-1, {"stop": 9.5, "limit": 9.45}, [touched], [(1, 9.45)]),
        "on close": (1, {"on_close": True}, [touched], [(1, 10.1)]),
    }
    assert outcomes(cases, slippage=BasisPointSlippage(100)) == expected(cases)


# -- which of several comes first ------------------------------------------------------------


def closing(bar: Row, *waiting: tuple[str, float], side: int = 1) -> list[tuple[str, float]]:
    """Hold a share per order, bought (or sold short) at 10, and close one by each of them."""
    result = play(
        [TEN, TEN, bar],
        {
            0: lambda s: send(s, "A", side * len(waiting)),
            1: [
                lambda s, kind=kind, price=price: send(
                    s, "A", -side, tag=f"{kind} {price:g}", **{kind: price}
                )
                for kind, price in waiting
            ],
        },
        account=MarginAccount(),
    )
    return result.sql(
        """
        select tag, price from fills join orders using (order_id)
        where fill_id > 0 order by fill_id
        """
    ).fetchall()


def test_stops_come_before_limits_and_the_nearest_to_the_open_first() -> None:
    sells = closing(
        (10, 12, 7, 10), ("limit", 11), ("stop", 8), ("limit", 10.5), ("stop", 9)
    )  # fmt: skip
    assert sells == [("stop 9", 9), ("stop 8", 8), ("limit 10.5", 10.5), ("limit 11", 11)]
    buys = closing(
        (10, 13, 8, 10), ("limit", 9), ("stop", 12), ("limit", 9.5), ("stop", 11), side=-1
    )
    assert buys == [("stop 11", 11), ("stop 12", 12), ("limit 9.5", 9.5), ("limit 9", 9)]


def test_what_the_open_is_beyond_already_comes_first_stops_before_limits_then_by_number() -> None:
    gap = closing((12, 12, 7, 10), ("stop", 9), ("limit", 11), ("limit", 10.5))
    assert gap == [("limit 11", 12), ("limit 10.5", 12), ("stop 9", 9)]
    crossed = closing((10, 12, 7, 10), ("limit", 9.5), ("stop", 10.5), ("stop", 11))
    assert crossed == [("stop 10.5", 10), ("stop 11", 10), ("limit 9.5", 10)]


def test_orders_equally_far_away_fill_by_number() -> None:
    script = {0: [lambda s: s.buy("A", 1, limit=9, tag="a"), lambda s: s.buy("A", 2, limit=9)]}
    assert fills(play([TEN, (10, 10, 9, 10)], script)) == [(1, "A", 1, 9), (1, "A", 2, 9)]


def test_levels_of_rules_come_before_orders_at_the_same_price() -> None:
    # The rule's stop at 9 closes all of it; nothing is left for the order.
    result = play(
        [TEN, TEN, (10, 10, 8.5, 9), TEN],
        {0: lambda s: s.buy("A", 5), 1: lambda s: s.sell("A", 1, stop=9)},
        StopLoss(0.1),
    )
    assert trades(result) == [("StopLoss", 5, -5)]
    assert orders(result)[1:] == [("cancelled", "position closed", 0), ("filled", "", -5)]


def test_a_rule_and_an_order_that_share_a_bar_leave_the_position_flat_not_short() -> None:
    result = play(
        [TEN, TEN, (10, 12, 8, 9), TEN],
        {0: lambda s: s.buy("A", 5), 1: lambda s: s.sell("A", 5, limit=12)},
        StopLoss(0.1),
        TakeProfit(0.15),
    )
    assert fills(result) == [(1, "A", 5, 10), (2, "A", -5, 9)]
    assert held(result) == [(1, "A", 5)]


# -- time in force ---------------------------------------------------------------------------


def test_how_long_an_order_stands() -> None:
    bars: list[Row] = [TEN, TEN, TEN, (10, 10, 8, 9), TEN]
    cases: list[tuple[dict[str, Any], tuple[str, str, float]]] = [
        ({"limit": 9}, ("filled", "", 1)),  # good till cancelled without a word
        ({"limit": 9, "tif": "gtc"}, ("filled", "", 1)),
        ({"limit": 7, "tif": "gtc"}, ("expired", "end of data", 0)),
        ({"limit": 9, "tif": "day"}, ("expired", "end of day", 0)),
        ({"limit": 9, "tif": "gtd", "good_till": day(2)}, ("expired", "good till date", 0)),
        ({"limit": 9, "tif": "gtd", "good_till": day(3)}, ("filled", "", 1)),
        ({"limit": 7, "tif": "gtd", "good_till": day(99)}, ("expired", "end of data", 0)),
        ({"limit": 9, "tif": "gtd", "good_till": datetime(2024, 1, 4, 23)}, ("filled", "", 1)),
        ({"limit": 9, "tif": "gtd", "good_till": day(0)}, ("expired", "good till date", 0)),
        ({"limit": 9, "tif": "ioc"}, ("cancelled", "immediate or cancel", 0)),
        ({"limit": 11, "tif": "ioc"}, ("filled", "", 1)),  # marketable at the open
        ({"stop": 11, "tif": "ioc"}, ("cancelled", "immediate or cancel", 0)),
        ({"tif": "ioc"}, ("filled", "", 1)),
        ({"tif": "gtd", "good_till": day(0)}, ("expired", "good till date", 0)),
        ({"stop": 9.5, "limit": 9.5, "tif": "day"}, ("expired", "end of day", 0)),
        ({"trail": 3, "tif": "day"}, ("expired", "end of day", 0)),
    ]
    result = play(bars, {0: [lambda s, x=terms: s.buy("A", 1, **x) for terms, _ in cases]})
    assert orders(result) == [end for _, end in cases]


def test_an_ioc_limit_that_the_bar_only_touches_later_is_cancelled() -> None:
    result = play([TEN, (10, 10, 8, 9), TEN], {0: lambda s: s.buy("A", 1, limit=9, tif="ioc")})
    assert orders(result) == [("cancelled", "immediate or cancel", 0)]


def test_a_day_order_on_intraday_bars_lives_through_its_session() -> None:
    times = [at(10), at(12), at(16), at(10, 1), at(16, 1), at(10, 2)]
    bars: list[Row] = [TEN, TEN, (10, 10, 9, 9), TEN, (10, 10, 8, 8), (10, 10, 7, 7)]

    def today(limit: float) -> Any:
        return lambda s: s.buy("A", 1, limit=limit, tif="day")

    # Sent after the session's last bar, an order is of the next session.
    result = play(bars, {0: [today(9), today(8)], 2: [today(8), today(7)]}, times=times)
    assert orders(result) == [
        ("filled", "", 1), ("expired", "end of day", 0),
        ("filled", "", 1), ("expired", "end of day", 0),
    ]  # fmt: skip
    assert fills(result) == [(2, "A", 1, 9), (4, "A", 1, 8)]


def test_a_good_till_date_on_intraday_bars_includes_its_last_bar() -> None:
    times = [at(10), at(16), at(10, 3), at(16, 3), at(10, 4)]
    bars: list[Row] = [TEN, TEN, TEN, (10, 10, 9, 9), (10, 10, 8, 8)]

    def till(n: int, limit: float) -> Any:
        return lambda s: s.buy("A", 1, limit=limit, tif="gtd", good_till=day(n))

    # Day 1 has no bar: nothing can fill after the last bar of day 0.
    result = play(bars, {0: [till(0, 9), till(1, 9), till(3, 9), till(3, 8)]}, times=times)
    assert orders(result) == [
        ("expired", "good till date", 0), ("expired", "good till date", 0),
        ("filled", "", 1), ("expired", "good till date", 0),
    ]  # fmt: skip
    assert fills(result) == [(3, "A", 1, 9)]


def test_a_date_that_is_over_ends_an_order_at_its_placement() -> None:
    times = [at(10), at(10, 1), at(12, 1), at(14, 1)]
    script = {1: lambda s: s.buy("A", 1, limit=11, tif="gtd", good_till=day(0))}
    result = play([TEN, TEN, TEN, TEN], script, times=times)
    assert orders(result) == [("expired", "good till date", 0)]


def test_orders_end_in_time_on_prices_without_high_and_low() -> None:
    script = {0: [lambda s: s.buy("A", 10), lambda s: s.buy("A", 10, tif="ioc")]}
    result = play(
        [(10, 10, 4), (10, 10, 6), (10, 10, 100)], script, names=("open", "close", "volume"),
        execution=ExecutionPolicy(participation=1.0),
    )  # fmt: skip
    assert orders(result) == [
        ("partial", "end of day", 6), ("cancelled", "immediate or cancel", 0)
    ]  # fmt: skip


def test_at_this_close_the_session_of_an_order_is_that_of_its_decision() -> None:
    script = {0: [lambda s: s.buy("A", 10, tif="ioc"), lambda s: s.buy("A", 10)]}
    result = play(
        flat(10, 3, 4), script, execution=ExecutionPolicy(timing=ThisClose(), participation=1.0)
    )
    assert fills(result) == [(0, "A", 4, 10)]
    assert orders(result) == [
        ("partial", "immediate or cancel", 4), ("expired", "end of day", 0)
    ]  # fmt: skip


# -- cancel and replace ----------------------------------------------------------------------


def test_a_cancelled_order_fills_no_more_and_one_that_ended_stays_as_it_is() -> None:
    def cancel_all(s: Scripted) -> None:
        for order in s.orders.values():
            s.cancel(order)

    def place(s: Scripted) -> None:
        s.orders["waits"] = s.buy("A", 1, limit=9)
        s.orders["fills"] = s.buy("A", 2)

    result = play([TEN, TEN, (10, 10, 8, 8)], {0: place, 1: cancel_all})
    assert orders(result) == [("cancelled", "cancelled by the strategy", 0), ("filled", "", 2)]


def test_an_order_cancelled_at_its_own_close_never_reaches_the_market() -> None:
    result = play([TEN, TEN], {0: lambda s: s.cancel(s.buy("A", 1))})
    assert orders(result) == [("cancelled", "cancelled by the strategy", 0)]
    assert fills(result) == []


def test_a_cancelled_order_keeps_what_it_had_filled() -> None:
    script = {
        0: lambda s: s.orders.update(a=s.buy("A", 10, tif="gtc")),
        1: lambda s: s.cancel(s.orders["a"]),
    }
    result = play(flat(10, 4, 4), script, execution=ExecutionPolicy(participation=1.0))
    assert orders(result) == [("partial", "cancelled by the strategy", 4)]
    assert held(result)[-1] == (3, "A", 4)


def test_a_replaced_order_keeps_its_number_and_fills_on_its_new_terms() -> None:
    script = {
        0: lambda s: s.orders.update(
            limit=s.buy("A", 1, limit=9), stop=s.buy("A", 1, stop=11), both=s.sell("A", 5, limit=12)
        ),
        1: [
            lambda s: s.replace(s.orders["limit"], quantity=3, limit=8),
            lambda s: s.replace(s.orders["stop"], stop=10.5),
            lambda s: s.replace(s.orders["both"], quantity=-4, limit=10.8),
        ],
    }
    bars: list[Row] = [TEN, TEN, (10, 10.6, 8.5, 9), (9, 11, 8, 8)]
    result = play(bars, script, account=MarginAccount())
    assert fills(result) == [(2, "A", 1, 10.5), (3, "A", 3, 8), (3, "A", -4, 10.8)]
    assert result.sql(
        "select quantity, limit_price, stop_price from orders order by order_id"
    ).fetchall() == [(3, 8, None), (1, None, 10.5), (-4, 10.8, None)]


def test_a_replaced_quantity_counts_what_has_filled_already() -> None:
    script = {
        0: lambda s: s.orders.update(a=s.buy("A", 10, tif="gtc"), b=s.buy("B", 10, tif="gtc")),
        1: [
            lambda s: s.replace(s.orders["a"], quantity=6),
            lambda s: s.replace(s.orders["b"], quantity=3),
        ],
    }
    bars = flat(10, 4, 4)
    result = play({"A": bars, "B": bars}, script, execution=ExecutionPolicy(participation=1.0))
    assert [row for row in fills(result) if row[1] == "A"] == [(1, "A", 4, 10), (2, "A", 2, 10)]
    # 4 are more than 3 already: nothing is left to do.
    assert orders(result) == [("filled", "", 6), ("partial", "cancelled by the strategy", 4)]
    assert result.sql("select quantity from orders order by order_id").fetchall() == [(6,), (4,)]


def test_a_new_stop_arms_a_triggered_stop_limit_again() -> None:
    script = {
        0: lambda s: s.orders.update(a=s.buy("A", 1, stop=11, limit=11.5)),
        1: lambda s: s.replace(s.orders["a"], stop=13, limit=14),
    }
    bars: list[Row] = [TEN, (12, 12, 12, 12), (11, 12, 11, 12), (12, 13.5, 12, 13)]
    assert fills(play(bars, script)) == [(3, "A", 1, 13)]


def test_what_cannot_be_replaced_is_refused() -> None:
    refused: list[str] = []

    def attempt(s: Scripted, name: str, **terms: Any) -> None:
        with pytest.raises(ConfigError) as error:
            s.replace(s.orders[name], **terms)
        refused.append(str(error.value))

    script = {
        0: lambda s: s.orders.update(
            done=s.buy("A", 1), limit=s.buy("A", 1, limit=9), trail=s.sell("A", 1, trail=5)
        ),
        1: [
            lambda s: attempt(s, "done", quantity=2),
            lambda s: attempt(s, "limit", quantity=-1),
            lambda s: attempt(s, "limit", quantity=0),
            lambda s: attempt(s, "limit", quantity=1e300),
            lambda s: attempt(s, "limit", limit=float("nan")),
            lambda s: attempt(s, "limit", limit=-9),
            lambda s: attempt(s, "limit", stop=9),
            lambda s: attempt(s, "trail", stop=9),
        ],
    }
    play([TEN, TEN, TEN], script)
    assert refused == [
        "order 0 is filled and cannot be replaced",
        "quantity must keep the order's side, was -1",
        "quantity must keep the order's side, was 0",
        "quantity must be below 1e+100, was 1e+300",
        "limit must be a number above 0, was nan",
        "limit must be a number above 0, was -9",
        "a limit order has no stop to replace",
        "a trailing_stop order has no stop to replace",
    ]


def test_a_replaced_quantity_is_cut_to_whole_lots() -> None:
    script = {0: lambda s: s.replace(s.buy("A", 1, limit=10), quantity=2.9)}
    result = play([TEN, TEN], script, execution=ExecutionPolicy(whole_shares=True))
    assert orders(result) == [("filled", "", 2)]


# -- targets and open orders -----------------------------------------------------------------


def test_a_target_orders_what_is_missing() -> None:
    script = {
        0: lambda s: s.order_target("A", 10),
        1: lambda s: s.order_target("A", 25),
        2: lambda s: s.order_target("A", 5),
        3: lambda s: s.order_target("A", -5),
        4: lambda s: s.order_target("A", 0),
    }
    result = play(flat(10, 6), script, account=MarginAccount())
    assert [row[2] for row in fills(result)] == [10, 15, -20, -10, 5]
    assert [row[2] for row in held(result)] == [10, 25, 5, -5]


def test_a_target_counts_the_market_orders_that_are_on_their_way() -> None:
    script = {
        0: [
            lambda s: s.buy("A", 10),
            lambda s: s.buy("A", 5, on_close=True),
            lambda s: s.buy("A", 100, limit=5),  # may never fill: does not count
            lambda s: s.order_target("A", 20),
            lambda s: s.order_target("A", 20),
        ],
    }
    result = play(flat(10, 3), script)
    assert [row[2] for row in fills(result)] == [10, 5, 5]
    assert held(result)[-1] == (2, "A", 20)


def test_a_target_counts_what_a_stop_could_not_sell_yet() -> None:
    script = {
        0: lambda s: s.buy("A", 10),
        1: lambda s: s.sell("A", 10, stop=9),
        2: lambda s: s.order_target("A", 0),
    }
    bars: list[Row] = [(10, 10, 10, 10, 100)] * 2 + [(10, 10, 8, 9, 4), (9, 9, 9, 9, 100)]
    result = play(
        bars, script, account=MarginAccount(), execution=ExecutionPolicy(participation=1.0)
    )
    assert fills(result) == [(1, "A", 10, 10), (2, "A", -4, 9), (3, "A", -6, 9)]
    assert held(result)[-1] == (2, "A", 6)


def test_a_target_that_is_met_makes_no_order() -> None:
    seen: list[Order | None] = []
    script = {
        0: lambda s: seen.append(s.order_target("A", 10)),
        1: [
            lambda s: seen.append(s.order_target("A", 10)),
            lambda s: seen.append(s.order_target_percent("A", 0.01)),
            lambda s: seen.append(s.order_target("B", 0)),
        ],
    }
    result = play({"A": flat(10, 3), "B": flat(10, 3)}, script)
    assert [order is None for order in seen] == [False, True, True, True]
    assert len(orders(result)) == 1


def test_a_percentage_is_of_equity_and_of_the_price_at_the_decision() -> None:
    bars: list[Row] = [TEN, (20, 20, 20, 20), (25, 25, 25, 25), (25, 25, 25, 25)]
    script = {
        0: lambda s: s.order_target_percent("A", 0.5),  # 5,000 at 10: 500
        1: lambda s: s.order_target_percent("A", -0.25),  # 10,000 at 20: -125
    }
    result = play(bars, script, account=MarginAccount())
    # Filled at 20 and 25, whatever was expected.
    assert fills(result) == [(1, "A", 500, 20), (2, "A", -625, 25)]


def test_a_percentage_of_an_asset_without_a_price_is_rejected() -> None:
    seen: list[Order | None] = []
    result = play(
        {"A": [None, TEN, TEN], "B": flat(10, 3)},
        {0: lambda s: seen.append(s.order_target_percent("A", 0.5))},
    )
    assert orders(result) == [("rejected", "no bar", 0)]
    assert result.sql("select quantity from orders").fetchall() == [(None,)]
    assert [order.status for order in seen if order is not None] == ["rejected"]


def test_a_trailing_stop_of_an_asset_without_a_price_is_rejected() -> None:
    bars = {"A": [None, TEN, TEN], "B": flat(10, 3)}
    result = play(bars, {0: lambda s: s.sell("A", 1, trail=1)}, account=MarginAccount())
    assert orders(result) == [("rejected", "no bar", 0)]


def test_open_orders_are_those_that_can_still_fill() -> None:
    seen: list[list[tuple[str, float]]] = []

    def look(s: Scripted, asset: str | None = None) -> None:
        seen.append([(order.asset, order.left) for order in s.open_orders(asset)])

    bars = {"A": flat(10, 4, 4), "B": flat(10, 4, 4)}
    script = {
        0: [
            look,
            lambda s: s.buy("A", 10, tif="gtc"),
            lambda s: s.buy("B", 3, limit=9),
            lambda s: s.buy("B", 2),
            look,
        ],
        1: [look, lambda s: look(s, "B"), lambda s: s.cancel(s.open_orders("B")[0])],
        2: [look, lambda s: look(s, "B")],
    }
    play(bars, script, execution=ExecutionPolicy(participation=1.0))
    assert seen == [
        [], [("A", 10), ("B", 3), ("B", 2)],
        [("A", 6), ("B", 3)], [("B", 3)],
        [("A", 2)], [],
    ]  # fmt: skip


# -- how orders end --------------------------------------------------------------------------


def test_every_order_ends_and_says_why() -> None:
    bars = {"A": flat(10, 3), "B": flat(10, 3), "C": [TEN, TEN, None]}
    script = {
        0: [
            lambda s: s.buy("A", 100),
            lambda s: s.cancel(s.buy("A", 1, limit=9)),
            lambda s: s.buy("A", 1, limit=9, tif="day"),
            lambda s: s.buy("A", 1, limit=9),
            lambda s: s.buy("A", 2_000),
            lambda s: s.buy("A", 1),
            lambda s: s.sell("B", 1),
            lambda s: s.buy("C", 1, limit=5),
        ],
    }
    # Of 10,000 at most 500 shares; the three that rest count when they are sent.
    result = play(bars, script, limits=[MaxWeight(0.5)])
    assert orders(result) == [
        ("filled", "", 100),
        ("cancelled", "cancelled by the strategy", 0),
        ("expired", "end of day", 0),
        ("expired", "end of data", 0),
        ("filled", "cut by MaxWeight", 397),
        ("denied", "MaxWeight", 0),
        ("rejected", "cash account cannot short", 0),
        ("expired", "end of data", 0),
    ]


def test_an_order_says_where_it_stands() -> None:
    seen: list[tuple[str, float, str]] = []

    def look(s: Scripted) -> None:
        seen.extend((str(o.status), o.filled_quantity, o.reason) for o in s.orders.values())

    def place(s: Scripted) -> None:
        s.orders["fills"] = s.buy("A", 10, tif="gtc")
        s.orders["short"] = s.sell("B", 1)
        look(s)

    bars = {"A": flat(10, 4, 6), "B": flat(10, 4, 6)}
    play(bars, {0: place, 1: look, 2: look}, execution=ExecutionPolicy(participation=1.0))
    rejected = ("rejected", 0, "cash account cannot short")
    assert seen == [
        ("open", 0, ""), ("open", 0, ""), ("open", 6, ""), rejected, ("filled", 10, ""), rejected
    ]  # fmt: skip


def test_an_order_table_row_says_what_was_asked() -> None:
    script = {
        0: [
            lambda s: s.buy("A", 1, stop=11, limit=12, tif="day", tag="breakout"),
            lambda s: s.sell("A", 2, trail_fraction=0.1),
            lambda s: s.buy("A", 3, on_close=True),
        ],
    }
    result = play([TEN, TEN], script, account=MarginAccount())
    assert result.sql(
        """
        select quantity, order_type, limit_price, stop_price, time_in_force, tag
        from orders order by order_id
        """
    ).fetchall() == [
        (1, "stop_limit", 12, 11, "day", "breakout"),
        (-2, "trailing_stop", None, 9, "gtc", "order"),
        (3, "market_on_close", None, None, "day", "order"),
    ]


# -- what means nothing is refused -----------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"tif": "dya"}, "tif must be one of .*did you mean 'day'"),
        ({"tif": "GTC"}, "tif must be one of"),
        ({"tif": ""}, "tif must be one of"),
        ({"tif": "gtd"}, "good_till goes with"),
        ({"tif": "day", "good_till": day(1)}, "good_till goes with"),
        ({"limt": 9}, "no 'limt'; did you mean 'limit'"),
        ({"limit": 0}, "limit must be a number above 0"),
        ({"limit": "9"}, "limit must be a number above 0"),
        ({"stop": float("nan")}, "stop must be a number above 0"),
        ({"trail": -1}, "trail must be a number above 0"),
        ({"trail_fraction": 1}, "trail_fraction must be below 1"),
        ({"take_profit": float("inf")}, "take_profit must be a number above 0"),
        ({"stop_loss": True}, "stop_loss must be a number above 0"),
        ({"trail": 1, "trail_fraction": 0.1}, "trail and trail_fraction together"),
        ({"stop": 9, "trail": 1}, "stop and trail together"),
        ({"on_close": True, "stop": 9}, "stop and on_close together"),
    ],
)
def test_terms_that_mean_nothing_are_refused(terms: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        play([TEN, TEN], {0: lambda s: s.buy("A", 1, **terms)})


@pytest.mark.parametrize("quantity", [0, -1, float("nan"), float("inf"), True])
def test_a_quantity_that_is_none_is_refused(quantity: float) -> None:
    with pytest.raises(ConfigError, match="quantity must be"):
        play([TEN, TEN], {0: lambda s: s.sell("A", quantity)})


def test_an_asset_that_is_not_in_prices_is_refused() -> None:
    with pytest.raises(ConfigError, match="no asset 'AAPK' in prices; did you mean 'AAPL'"):
        play({"AAPL": [TEN, TEN]}, {0: lambda s: s.buy("AAPK", 1)})


def test_orders_outside_of_a_run_are_refused() -> None:
    with pytest.raises(ConfigError, match="Broker not initialized"):
        Scripted({}).buy("A", 1)


@pytest.mark.parametrize("terms", [{"limit": 9}, {"take_profit": 12}, {"stop_loss": 8}])
def test_orders_with_a_price_need_a_high_and_a_low(terms: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="needs prices with columns 'high' and 'low'"):
        play([(10, 10), (10, 10)], {0: lambda s: s.buy("A", 1, **terms)}, names=("open", "close"))


class Ranked(Scripted):
    def ranking(self) -> Ranking:
        return Ranking(n=1, by="close")


class Hybrid(TopN):
    """A ready-made strategy that puts a stop under what it holds."""

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        super().decide(batch, broker)
        if batch.t == 1:
            self.sell("A", 1, stop=9)


@pytest.mark.parametrize(
    "strategy",
    [
        Ranked({0: lambda s: s.buy("A", 1), 1: lambda s: s.sell("A", 1, stop=9)}),
        Hybrid(1, by="close", when="is_first"),
    ],
)
def test_a_strategy_that_ranks_can_send_orders_with_a_price(strategy: Any) -> None:
    bars = price_table({"A": [TEN, TEN, (10, 10, 8, 8)]}, NAMES, [day(t) for t in range(3)])
    catalog = Catalog(threads=1).register("prices", bars)
    catalog.register(
        "context", {"timestamp": [day(0), day(1), day(2)], "is_first": [True, False, False]}
    )
    result = BacktestEngine(
        catalog, strategy, initial_capital=1_000, config=BacktestConfig(**FREE)
    ).run()
    assert fills(result)[-1] == (2, "A", -1, 9)
