"""Brackets and one-cancels-other groups: what protects a position, and what it never does.

A bracket buys at about 10 with a target of 12 and a stop of 8; a short one is its mirror image
around 10. Of one bar's prices only the open is known to come first; what comes after is taken
for the worse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from effort import each_value
from ml4t.backtest import (
    BacktestResult,
    BasisPointSlippage,
    ConfigError,
    ExecutionPolicy,
    MarginAccount,
    NextClose,
    NextOpen,
    ThisClose,
)
from ml4t.backtest.risk import StopLoss, TakeProfit, TimeBasedExit
from scripted import Row, Scripted, day, fills, flat, held, orders, play, trades

TEN: Row = (10, 10, 10, 10)
VOLUME = ExecutionPolicy(participation=1.0)
CANCELLED = ("cancelled", "one cancels other", 0)
Case = tuple[dict[str, Any], Sequence[Row], list[tuple[str, int, float]]]


def mirror(row: Row) -> Row:
    """A bar around 10, upside down."""
    assert row is not None
    opens, high, low, close = (20 - x for x in row if x is not None)
    return (opens, low, high, close)


def brackets(cases: Mapping[str, Case], **settings: Any) -> dict[str, list[tuple[str, int, float]]]:
    """(exit rule, bar, price) of the exits by case, long; the mirrored shorts must do the same.

    Each case is the entry's own terms and the bars after day 0, which is at 10.
    """
    names = {f"{n:02d} {name}": case for n, (name, case) in enumerate(cases.items())}
    bars: dict[str, Sequence[Row]] = {}
    width = max(len(case[1]) for case in cases.values())
    for name, (_, rows, _) in names.items():
        bars[name] = [TEN, *rows, *[TEN] * (width - len(rows))]
        bars[f"{name} short"] = [mirror(row) for row in bars[name]]

    def enter(s: Scripted) -> None:
        for name, (terms, _, _) in names.items():
            s.buy(name, 1, take_profit=12, stop_loss=8, **terms)
            around = {kind: 20 - price for kind, price in terms.items() if kind != "on_close"}
            same = {kind: on for kind, on in terms.items() if kind == "on_close"}
            s.sell(f"{name} short", 1, take_profit=8, stop_loss=12, **around, **same)

    result = play(bars, {0: enter}, account=MarginAccount(), capital=1_000_000, **settings)
    found: dict[str, list[tuple[str, int, float]]] = {}
    for name, case in names.items():
        found[name[3:]] = exits_of(result, name, len(case[1]))
        mirrored = exits_of(result, f"{name} short", len(case[1]))
        assert [(why, t, 20 - price) for why, t, price in mirrored] == found[name[3:]], name
    return found


def exits_of(result: BacktestResult, asset: str, last_bar: int) -> list[tuple[str, int, float]]:
    return result.sql(
        f"""
        select exit_rule, (exit_timestamp - date '2024-01-01')::integer as t, exit_price
        from trades where asset_id = '{asset}' and t <= {last_bar} order by trade_id
        """
    ).fetchall()


def expected(cases: Mapping[str, Case]) -> dict[str, list[tuple[str, int, float]]]:
    return {name: case[2] for name, case in cases.items()}


# -- which leg fills, and where --------------------------------------------------------------


def test_a_bracket_entered_at_the_open_has_the_whole_bar_ahead() -> None:
    cases: dict[str, Case] = {
        "nothing touched": ({}, [(10, 11.9, 8.1, 10)], []),
        "target": ({}, [(10, 12, 9, 11)], [("take_profit", 1, 12)]),
        "stop": ({}, [(10, 11, 8, 11)], [("stop_loss", 1, 8)]),
        "both: the stop": ({}, [(10, 12, 8, 11)], [("stop_loss", 1, 8)]),
        "entered below the stop": ({}, [(7, 12, 7, 11)], [("stop_loss", 1, 7)]),
        "entered above the target": ({}, [(13, 13, 9, 11)], [("take_profit", 1, 13)]),
        "entered above the target, stop later": ({}, [(13, 13, 7, 8)], [("stop_loss", 1, 8)]),
    }
    assert brackets(cases) == expected(cases)


def test_a_bracket_of_an_earlier_bar_knows_that_the_open_comes_first() -> None:
    cases: dict[str, Case] = {
        "target": ({}, [TEN, (10, 12, 9, 11)], [("take_profit", 2, 12)]),
        "stop": ({}, [TEN, (10, 11, 8, 11)], [("stop_loss", 2, 8)]),
        "both: the stop": ({}, [TEN, (10, 13, 7, 12)], [("stop_loss", 2, 8)]),
        "gap past the stop": ({}, [TEN, (7, 13, 6, 12)], [("stop_loss", 2, 7)]),
        "gap past the target, stop later": ({}, [TEN, (13, 14, 7, 8)], [("take_profit", 2, 13)]),
    }
    assert brackets(cases) == expected(cases)


def test_an_entry_by_a_limit_inside_the_bar_takes_the_worse_of_what_may_have_happened() -> None:
    limit = {"limit": 9.5}
    cases: dict[str, Case] = {
        # The high may have come before the dip to 9.5.
        "high beyond the target": (limit, [(10, 13, 9, 11)], []),
        "close beyond the target": (limit, [(10, 13, 9, 12.5)], [("take_profit", 1, 12)]),
        "close at the target": (limit, [(10, 13, 9, 12)], [("take_profit", 1, 12)]),
        "low at the stop": (limit, [(10, 11, 8, 10)], [("stop_loss", 1, 8)]),
        "both: the stop": (limit, [(10, 13, 8, 12.5)], [("stop_loss", 1, 8)]),
        # The open is beyond the limit: entered there, the whole bar is ahead.
        "entered at the open": (limit, [(9, 12, 9, 10)], [("take_profit", 1, 12)]),
        "entered at the open, below the stop": (limit, [(7, 9, 6, 9)], [("stop_loss", 1, 7)]),
    }
    assert brackets(cases) == expected(cases)


def test_an_entry_by_a_stop_inside_the_bar_takes_the_worse_of_what_may_have_happened() -> None:
    stop = {"stop": 10.5}
    cases: dict[str, Case] = {
        # The move through 10.5 went on to the high: the target is certain.
        "high at the target": (stop, [(10, 12, 9, 9)], [("take_profit", 1, 12)]),
        "high below the target": (stop, [(10, 11.9, 9, 9)], []),
        "low at the stop": (stop, [(10, 11, 8, 10)], [("stop_loss", 1, 8)]),
        "both: the stop": (stop, [(10, 13, 8, 12)], [("stop_loss", 1, 8)]),
        "entered at the open": (stop, [(11, 12, 9, 9)], [("take_profit", 1, 12)]),
    }
    assert brackets(cases) == expected(cases)


def test_an_entry_beyond_its_own_stop_leaves_at_the_price_of_the_entry() -> None:
    # Bought at an open of 9.5 with a stop at 9.7: never at 9.7, where the market was not.
    result = play(
        [TEN, (9.5, 9.6, 9, 9.6), TEN], {0: lambda s: s.buy("A", 1, limit=9.8, stop_loss=9.7)}
    )
    assert fills(result) == [(1, "A", 1, 9.5), (1, "A", -1, 9.5)]


def test_a_bracket_entered_at_a_close_has_nothing_of_its_bar() -> None:
    cases: dict[str, Case] = {
        "range before the entry": ({}, [(10, 13, 7, 10)], []),
        "from the next bar on": ({}, [TEN, (10, 12, 9, 10)], [("take_profit", 2, 12)]),
        "gap at the next open": ({}, [TEN, (7, 9, 7, 8)], [("stop_loss", 2, 7)]),
    }
    assert brackets(cases, execution=ExecutionPolicy(timing=NextClose())) == expected(cases)
    decided_and_filled_on_day_0: dict[str, Case] = {
        "from the next bar on": ({}, [(10, 13, 7, 10)], [("stop_loss", 1, 8)]),
        "gap at the next open": ({}, [(13, 13, 7, 10)], [("take_profit", 1, 13)]),
    }
    at_once = ExecutionPolicy(timing=ThisClose())
    assert brackets(decided_and_filled_on_day_0, execution=at_once) == expected(
        decided_and_filled_on_day_0
    )


def test_a_bracket_of_a_market_on_close_order_acts_from_the_next_bar_on() -> None:
    cases: dict[str, Case] = {
        "its own bar": ({"on_close": True}, [(10, 13, 7, 10)], []),
        "the next": ({"on_close": True}, [TEN, (10, 12, 7, 10)], [("stop_loss", 2, 8)]),
    }
    assert brackets(cases) == expected(cases)


def test_the_stop_of_a_bracket_slips_and_its_target_does_not() -> None:
    cases: dict[str, Case] = {
        "stop": ({}, [TEN, (10, 10, 8, 8)], [("stop_loss", 2, 7.92)]),
        "target": ({}, [TEN, (10, 12, 10, 12)], [("take_profit", 2, 12)]),
    }
    bars = {name: [TEN, *case[1]] for name, case in cases.items()}
    script = {0: [lambda s, n=name: s.buy(n, 1, take_profit=12, stop_loss=8) for name in bars]}
    result = play(bars, script, slippage=BasisPointSlippage(100))
    for name, case in cases.items():
        [(why, t, price)] = exits_of(result, name, 2)
        assert (why, t, round(price, 10)) == case[2][0]


def ruled(bar: Row, **terms: Any) -> list[tuple[str, float]]:
    """(rule, price) of the exit of an entry at about 10: a stop 20% below it, a target above."""
    result = play([TEN, bar], {0: lambda s: s.buy("A", 1, **terms)}, StopLoss(0.2), TakeProfit(0.2))
    return result.sql("select exit_rule, round(exit_price, 10) from trades").fetchall()


def test_rules_act_on_the_entry_bar_as_brackets_do() -> None:
    assert ruled((10, 12, 9, 10)) == [("TakeProfit", 12)]
    assert ruled((10, 12, 8, 12)) == [("StopLoss", 8)]
    # Bought inside at 9: the stop is 7.2, the target 10.8.
    assert ruled((10, 13, 8, 10.7), limit=9) == [(None, None)]
    assert ruled((10, 13, 8, 10.8), limit=9) == [("TakeProfit", 10.8)]
    assert ruled((10, 13, 7.2, 10.8), limit=9) == [("StopLoss", 7.2)]
    # Bought inside at 11 on the way up: 8.8 and 13.2.
    assert ruled((10, 13.2, 9, 10), stop=11) == [("TakeProfit", 13.2)]
    assert ruled((10, 13.2, 8.8, 13), stop=11) == [("StopLoss", 8.8)]


# -- when the legs live ----------------------------------------------------------------------


def test_the_legs_live_only_after_the_entry_has_filled() -> None:
    # The target at 12 and the stop at 8 trade on day 1; the entry at 7.5 fills on day 2.
    bars: list[Row] = [TEN, (10, 12, 8, 10), (8, 8, 7.5, 7.9), (8, 12, 8, 12)]
    result = play(
        bars,
        {0: lambda s: s.buy("A", 1, limit=7.5, take_profit=12, stop_loss=7)},
    )
    assert fills(result) == [(2, "A", 1, 7.5), (3, "A", -1, 12)]
    assert orders(result) == [
        ("filled", "", 1), ("filled", "", -1), ("cancelled", "one cancels other", 0)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("terms", "script", "reason"),
    [
        ({"limit": 5}, {1: lambda s: s.cancel(s.open_orders()[0])}, "its parent was cancelled"),
        ({"limit": 5, "tif": "day"}, {}, "its parent was expired"),
        ({"limit": 2_000}, {}, "its parent was rejected"),
    ],
)
def test_the_legs_end_with_an_entry_that_never_filled(
    terms: dict[str, Any], script: dict[int, Any], reason: str
) -> None:
    enter = {0: lambda s: s.buy("A", 1_001, take_profit=3_000, stop_loss=1, **terms)}
    result = play(flat(10, 4), {**enter, **script})
    assert orders(result)[1:] == [("cancelled", reason, 0)] * 2
    assert result.sql("select parent_id from orders order by order_id").fetchall() == [
        (None,), (0,), (0,)
    ]  # fmt: skip


def test_cancelling_one_leg_leaves_the_other() -> None:
    script = {
        0: lambda s: s.buy("A", 1, take_profit=12, stop_loss=8),
        1: lambda s: s.cancel(s.open_orders()[1]),
    }
    result = play([TEN, TEN, (10, 12, 8, 8)], script)
    assert fills(result)[1:] == [(2, "A", -1, 12)]
    assert orders(result)[1:] == [
        ("filled", "", -1), ("cancelled", "cancelled by the strategy", 0)
    ]  # fmt: skip


def test_a_leg_alone_is_enough() -> None:
    script = {0: [lambda s: s.buy("A", 1, stop_loss=8), lambda s: s.buy("B", 1, take_profit=12)]}
    bars = [TEN, TEN, (10, 12, 8, 8)]
    assert fills(play({"A": bars, "B": bars}, script))[2:] == [
        (2, "A", -1, 8), (2, "B", -1, 12)
    ]  # fmt: skip


def test_an_order_that_only_closes_has_nothing_to_protect() -> None:
    script = {0: lambda s: s.buy("A", 5), 1: lambda s: s.sell("A", 5, take_profit=8, stop_loss=12)}
    result = play([TEN, TEN, TEN, (10, 12, 8, 10)], script, account=MarginAccount())
    assert orders(result)[2:] == [("cancelled", "its parent was filled", 0)] * 2
    assert held(result) == [(1, "A", 5)]


def test_an_order_through_zero_protects_what_it_opens_and_no_more() -> None:
    script = {0: lambda s: s.buy("A", 5), 1: lambda s: s.sell("A", 8, take_profit=8, stop_loss=12)}
    result = play([TEN, TEN, TEN, (10, 12, 9, 10)], script, account=MarginAccount())
    assert fills(result) == [(1, "A", 5, 10), (2, "A", -8, 10), (3, "A", 3, 12)]


def test_two_brackets_of_one_asset_close_their_own_shares() -> None:
    script = {
        0: lambda s: s.buy("A", 3, take_profit=12, stop_loss=8),
        1: lambda s: s.buy("A", 4, take_profit=11, stop_loss=9),
    }
    result = play([TEN, TEN, TEN, (10, 11, 10, 11), (10, 10, 8, 8)], script)
    assert fills(result) == [
        (1, "A", 3, 10), (2, "A", 4, 10), (3, "A", -4, 11), (4, "A", -3, 8)
    ]  # fmt: skip


# -- exits never sell more than there is -----------------------------------------------------


@pytest.mark.parametrize("side", [1, -1])
def test_a_strategy_exit_and_a_stop_on_one_bar_leave_exactly_flat(side: int) -> None:
    def send(s: Scripted, quantity: float, **terms: Any) -> None:
        (s.buy if side > 0 else s.sell)("A", quantity, **terms)

    def leave(s: Scripted) -> None:
        (s.sell if side > 0 else s.buy)("A", 10)

    bar: Row = (10, 10, 7, 7) if side > 0 else (10, 13, 10, 13)
    result = play(
        [TEN, TEN, bar, bar],
        {0: lambda s: send(s, 10, stop_loss=10 - 2 * side), 1: leave},
        account=MarginAccount(),
    )
    assert fills(result) == [(1, "A", 10 * side, 10), (2, "A", -10 * side, 10)]
    assert orders(result)[1] == ("cancelled", "position closed", 0)
    assert held(result) == [(1, "A", 10 * side)]


@pytest.mark.parametrize("side", [1, -1])
def test_a_trim_and_a_stop_on_one_bar_close_the_position_once(side: int) -> None:
    def enter(s: Scripted) -> None:
        (s.buy if side > 0 else s.sell)("A", 10, stop_loss=10 - 2 * side)

    def trim(s: Scripted) -> None:
        (s.sell if side > 0 else s.buy)("A", 4)

    bar: Row = (10, 10, 7, 7) if side > 0 else (10, 13, 10, 13)
    result = play([TEN, TEN, bar, TEN], {0: enter, 1: trim}, account=MarginAccount())
    stop = 10 - 2 * side
    assert fills(result)[1:] == [(2, "A", -4 * side, 10), (2, "A", -6 * side, stop)]
    assert orders(result)[1] == ("partial", "cut to what is held", -6 * side)
    assert held(result) == [(1, "A", 10 * side)]


@each_value
@pytest.mark.parametrize(("timing", "bar"), [(NextOpen(), 1), (NextClose(), 2)])
@pytest.mark.parametrize("target", [-5, -2, 0, 4])
def test_a_change_and_a_time_exit_of_one_close_leave_flat_or_the_turned_size(
    timing: NextOpen | NextClose, bar: int, target: int
) -> None:
    result = play(
        flat(10, 5),
        {0: lambda s: s.buy("A", 10), bar: lambda s: s.order_target("A", target)},
        TimeBasedExit(1), account=MarginAccount(), execution=ExecutionPolicy(timing=timing),
    )  # fmt: skip
    assert next(sold for t, _, sold, _ in fills(result) if t == bar + 1) == -10
    after = [quantity for t, _, quantity in held(result) if t == bar + 1]
    assert after == ([target] if target < 0 else [])


def test_a_trim_and_a_stop_of_a_part_leave_exactly_the_trimmed_size() -> None:
    script = {
        0: [lambda s: s.buy("A", 10), lambda s: s.buy("A", 5, stop_loss=8)],
        1: lambda s: s.sell("A", 4),
    }
    result = play([TEN, TEN, (10, 10, 7, 7), TEN], script, account=MarginAccount())
    assert fills(result)[2:] == [(2, "A", -4, 10), (2, "A", -5, 8)]
    assert held(result)[-1] == (3, "A", 6)


def test_the_legs_end_with_the_position_and_do_not_close_the_next_one() -> None:
    script = {
        0: lambda s: s.buy("A", 2, take_profit=12, stop_loss=8),
        1: lambda s: s.sell("A", 2),
        2: lambda s: s.buy("A", 2),
    }
    result = play([TEN, TEN, TEN, TEN, (10, 12, 8, 10)], script)
    assert orders(result)[1:3] == [("cancelled", "position closed", 0)] * 2
    assert held(result)[-1] == (4, "A", 2)


def test_a_rule_that_closes_the_position_ends_its_bracket_in_the_same_bar() -> None:
    # The rule's stop at 9; then the limit at 11 opens the short that it was to open beyond the
    # position, which the old target must not add to.
    script = {
        0: lambda s: s.buy("A", 10, take_profit=11.5),
        1: lambda s: s.sell("A", 14, limit=11),
    }
    result = play(
        [TEN, TEN, (10, 12, 8.5, 10), TEN], script, StopLoss(0.1), account=MarginAccount()
    )
    assert fills(result) == [(1, "A", 10, 10), (2, "A", -10, 9), (2, "A", -4, 11)]
    assert orders(result)[1] == ("cancelled", "position closed", 0)
    assert held(result)[-1] == (3, "A", -4)


def test_a_time_exit_at_the_open_ends_the_bracket() -> None:
    result = play(
        [TEN, TEN, (10, 12, 8, 10), TEN],
        {0: lambda s: s.buy("A", 10, take_profit=12, stop_loss=8)},
        TimeBasedExit(1),
        account=MarginAccount(),
    )
    assert trades(result) == [("TimeBasedExit", 10, 0)]
    assert orders(result)[1:3] == [("cancelled", "position closed", 0)] * 2


def test_what_a_limit_bought_inside_a_bar_is_not_sold_at_a_target_met_before_it() -> None:
    def day_2(close: float, limit: float) -> list[tuple[Any, ...]]:
        bars: list[Row] = [(100, 100, 100, 100)] * 2 + [(100, 105, 95, close)]
        script = {0: lambda s: s.buy("A", 1), 1: lambda s: s.buy("A", 50, limit=limit)}
        return fills(play(bars, script, TakeProfit(0.05)))[1:]

    # As far from the open as the limit, the target is first; else the limit is.
    assert day_2(96, 95) == [(2, "A", -1, 105), (2, "A", 50, 95)]
    assert day_2(96, 95.5) == [(2, "A", 50, 95.5), (2, "A", -1, 105)]
    assert day_2(105, 95.5) == [(2, "A", 50, 95.5), (2, "A", -51, 105)]


def test_a_target_that_finds_only_fresh_shares_waits() -> None:
    bars: list[Row] = [(100, 100, 100, 100)] * 2 + [(100, 106, 95, 96), (106, 106, 106, 106)]
    script = {
        0: lambda s: s.buy("A", 10),
        1: [lambda s: s.buy("A", 10, limit=97), lambda s: s.sell("A", 10, limit=104)],
    }
    result = play(bars, script, TakeProfit(0.05))
    # Ten old shares go at 104. The target, 5% above the average of what is left, is 105 at day 2
    # (not certain) and 101.85 afterwards.
    assert fills(result)[1:] == [
        (2, "A", 10, 97), (2, "A", -10, 104), (3, "A", -10, 106)
    ]  # fmt: skip


def test_a_sell_limit_of_a_cash_account_keeps_what_it_could_not_sell_for_certain() -> None:
    bars: list[Row] = [(100, 100, 100, 100)] * 2 + [(100, 106, 95, 96), (106, 106, 106, 106)]
    script = {
        0: lambda s: s.buy("A", 10),
        1: [lambda s: s.buy("A", 10, limit=97), lambda s: s.sell("A", 20, limit=104)],
    }
    result = play(bars, script)
    assert fills(result)[1:] == [(2, "A", 10, 97), (2, "A", -10, 104), (3, "A", -10, 106)]
    assert orders(result)[2] == ("filled", "", -20)


# -- partial fills ---------------------------------------------------------------------------


def test_the_legs_grow_with_the_fills_of_the_entry() -> None:
    bars: list[Row] = [(10, 10, 10, 10, 4)] * 3 + [(10, 10, 7, 7, 100)]
    result = play(
        bars,
        {0: lambda s: s.buy("A", 10, limit=10, take_profit=12, stop_loss=8)},
        execution=VOLUME,
    )
    # 4, 4 and the last 2 at the open of the bar whose low sells all of it.
    assert fills(result) == [(1, "A", 4, 10), (2, "A", 4, 10), (3, "A", 2, 10), (3, "A", -10, 8)]


def test_a_partial_fill_of_one_leg_leaves_the_other_the_rest() -> None:
    bars: list[Row] = [(10, 10, 10, 10, 100)] * 2 + [(12, 12, 12, 12, 4), (9, 9, 7, 7, 100)]
    result = play(
        bars, {0: lambda s: s.buy("A", 10, take_profit=12, stop_loss=8)}, execution=VOLUME
    )
    assert fills(result)[1:] == [(2, "A", -4, 12), (3, "A", -6, 8)]
    assert orders(result)[1:] == [("partial", "one cancels other", -4), ("filled", "", -6)]
    assert trades(result) == [("take_profit", 4, 8), ("stop_loss", 6, -12)]


def test_a_stop_that_the_volume_cut_is_a_market_order_for_the_rest() -> None:
    bars: list[Row] = [(10, 10, 10, 10, 100)] * 2 + [(10, 10, 8, 9, 4), (11, 13, 11, 11, 100)]
    result = play(
        bars, {0: lambda s: s.buy("A", 10, take_profit=12, stop_loss=8)}, execution=VOLUME
    )
    # Not back at the target: the stop was met, what is left goes at the next open.
    assert fills(result)[1:] == [(2, "A", -4, 8), (3, "A", -6, 11)]


def test_a_stop_of_more_than_is_held_that_the_volume_cuts_still_sells_all_of_it() -> None:
    bars: list[Row] = [(10, 10, 10, 10, 100)] * 3 + [(10, 10, 7, 7, 2), (7, 7, 7, 7, 100)]
    script = {0: lambda s: s.buy("A", 10, stop_loss=8), 1: lambda s: s.sell("A", 5)}
    result = play(bars, script, execution=VOLUME)
    assert fills(result)[1:] == [(2, "A", -5, 10), (3, "A", -2, 8), (4, "A", -3, 7)]
    assert orders(result)[1] == ("partial", "cut to what is held", -5)


def test_an_entry_that_goes_on_filling_after_its_exits_is_protected_anew() -> None:
    bars: list[Row] = [
        (10, 10, 10, 10, 4),
        (10, 10, 9.5, 10, 4),  # buys 4 of 10 at 9.5
        (12, 12, 9, 10, 8),  # sells them at the open, 12, and buys 4 more at 9.5
        (10, 10, 8, 8, 8),  # sells those at 8, buys 2 at 9.5, and sells them at 8 as well
        (10, 12, 7, 10, 8),
    ]
    result = play(
        bars,
        {0: lambda s: s.buy("A", 10, limit=9.5, take_profit=12, stop_loss=8)},
        execution=VOLUME,
    )
    assert fills(result) == [
        (1, "A", 4, 9.5), (2, "A", -4, 12), (2, "A", 4, 9.5),
        (3, "A", -4, 8), (3, "A", 2, 9.5), (3, "A", -2, 8),
    ]  # fmt: skip
    assert orders(result) == [
        ("filled", "", 10),
        ("filled", "", -4), CANCELLED,
        CANCELLED, ("filled", "", -4),
        CANCELLED, ("filled", "", -2),
    ]  # fmt: skip
    assert held(result) == [(1, "A", 4), (2, "A", 4)]


def test_exits_that_the_strategy_cancelled_do_not_come_back() -> None:
    def cancel_exits(s: Scripted) -> None:
        for order in s.open_orders()[1:]:
            s.cancel(order)

    bars: list[Row] = [(10, 10, 10, 10, 4)] * 3 + [(10, 10, 7, 7, 100)]
    script = {
        0: lambda s: s.buy("A", 8, limit=10, take_profit=12, stop_loss=8), 1: cancel_exits
    }  # fmt: skip
    result = play(bars, script, execution=VOLUME)
    assert fills(result) == [(1, "A", 4, 10), (2, "A", 4, 10)]
    assert orders(result)[1:] == [("cancelled", "cancelled by the strategy", 0)] * 2


# -- one cancels other -----------------------------------------------------------------------


def grouped(bars: Sequence[Row], *terms: tuple[float, dict[str, Any]], **settings: Any) -> Any:
    """Fills and ends of orders that cancel each other, sent at 10; margin account."""

    def send(s: Scripted) -> None:
        s.one_cancels_other(
            *(
                s.buy("A", quantity, **one) if quantity > 0 else s.sell("A", -quantity, **one)
                for quantity, one in terms
            )
        )

    result = play([TEN, *bars], {0: send}, account=MarginAccount(), **settings)
    return fills(result), orders(result)


def test_the_first_of_a_group_that_fills_cancels_the_others() -> None:
    found = grouped(
        [TEN, (10, 10, 9, 10), (8, 12, 7, 10)],
        (1, {"limit": 8}), (2, {"limit": 9}), (-3, {"limit": 12}),
    )  # fmt: skip
    assert found == ([(2, "A", 2, 9)], [CANCELLED, ("filled", "", 2), CANCELLED])


@pytest.mark.parametrize("turned", [1, -1])
def test_of_a_group_touched_twice_in_one_bar_one_fills(turned: int) -> None:
    breakout = [(turned, {"stop": 10 + turned}), (-turned, {"stop": 10 - turned})]
    # Both are as far from the open: the one sent first.
    found = grouped([(10, 12, 8, 10)], *breakout)
    assert found == ([(1, "A", turned, 10 + turned)], [("filled", "", turned), CANCELLED])
    # Stops come before limits, the nearest comes first.
    found = grouped([(10, 12, 8, 10)], (1, {"limit": 9.5}), (1, {"stop": 11}))
    assert found == ([(1, "A", 1, 11)], [CANCELLED, ("filled", "", 1)])
    found = grouped([(10, 12, 8, 10)], (1, {"limit": 9}), (1, {"limit": 9.5}))
    assert found == ([(1, "A", 1, 9.5)], [CANCELLED, ("filled", "", 1)])


def test_market_orders_of_a_group_cancel_each_other_too() -> None:
    assert grouped([TEN], (1, {}), (2, {})) == ([(1, "A", 1, 10)], [("filled", "", 1), CANCELLED])
    at_close = grouped([TEN], (1, {"on_close": True}), (2, {"on_close": True}))
    assert at_close == ([(1, "A", 1, 10)], [("filled", "", 1), CANCELLED])


@pytest.mark.parametrize("on_close", [False, True])
def test_of_two_exits_in_a_group_one_sells(on_close: bool) -> None:
    def leave(s: Scripted) -> None:
        s.one_cancels_other(
            s.sell("A", 10, on_close=on_close), s.sell("A", 10, on_close=on_close)
        )  # fmt: skip

    result = play(flat(10, 3), {0: lambda s: s.buy("A", 10), 1: leave}, account=MarginAccount())
    assert fills(result) == [(1, "A", 10, 10), (2, "A", -10, 10)]
    assert orders(result)[1:] == [("filled", "", -10), CANCELLED]


def test_a_partial_fill_takes_as_much_off_the_others_of_its_group() -> None:
    bars: list[Row] = [(9, 9, 9, 9, 4), (11, 11, 11, 11, 3), (9, 9, 9, 9, 100)]

    def send(s: Scripted) -> None:
        s.one_cancels_other(
            s.buy("A", 10, limit=9), s.buy("A", 10, stop=11), s.buy("A", 3, limit=5)
        )  # fmt: skip

    result = play(
        [(10, 10, 10, 10, 100), *bars], {0: send}, account=MarginAccount(), execution=VOLUME
    )
    # 4 by the limit leave 6 to the stop and end the smallest; the stop was met on day 2, so that
    # its last 3 go at the open of day 3, before the limit.
    assert fills(result) == [(1, "A", 4, 9), (2, "A", 3, 11), (3, "A", 3, 9)]
    assert orders(result) == [
        ("partial", "one cancels other", 4), ("filled", "", 6), CANCELLED
    ]  # fmt: skip


def test_a_partial_fill_leaves_whole_lots_to_the_others_of_its_group() -> None:
    a: list[Row] = [(10, 10, 10, 10, 100), (9, 9, 9, 9, 4), (10, 10, 10, 10, 100)]
    b: list[Row] = [(10, 10, 10, 10, 100), (10, 10, 10, 10, 100), (5, 5, 5, 5, 100)]
    lots = {"assets": {"asset_id": ["B"], "lot_size": [5.0]}}

    def send(s: Scripted) -> None:
        s.one_cancels_other(s.buy("A", 10, limit=9), s.buy("B", 10, limit=5))

    result = play({"A": a, "B": b}, {0: send}, sources=lots, execution=VOLUME)
    # 4 of A leave 6 of B, which are one lot of 5.
    assert fills(result) == [(1, "A", 4, 9), (2, "B", 5, 5)]
    assert orders(result) == [("partial", "one cancels other", 4), ("filled", "", 5)]

    a[1] = (9, 9, 9, 9, 7)  # leaves 3, which are none
    assert orders(play({"A": a, "B": b}, {0: send}, sources=lots, execution=VOLUME))[1] == CANCELLED


@pytest.mark.parametrize(
    ("change", "last", "expected"),
    [
        # The stop of 7.5 has sold the first 4; what protects the rest is of the new name.
        (
            {"kind": "rename", "value": None, "new_asset_id": "B"},
            12,
            [(3, "B", 6, 8), (4, "B", -6, 12)],
        ),
        # Limit and stop fall by the dividend, to 8 and 6.5.
        ({"kind": "dividend", "value": 1.0}, 7, [(3, "A", 6, 8)]),
    ],
)
def test_exits_that_are_used_up_follow_what_becomes_of_their_asset(
    change: dict[str, Any], last: float, expected: list[tuple[Any, ...]]
) -> None:
    first: list[Row] = [(10, 10, 10, 10, 100), (8, 8, 8, 8, 4), (7.5, 7.5, 7.5, 7.5, 4)]
    after: list[Row] = [(8, 8, 8, 8, 6), (last, last, last, last, 100)]
    bars: dict[str, list[Row]] = {"A": [*first, *after]}
    if change["kind"] == "rename":
        bars = {"A": first, "B": [None, None, None, *after]}
    action = {"asset_id": "A", "ex_date": day(3), **change}
    result = play(
        bars,
        {0: lambda s: s.buy("A", 10, limit=9, take_profit=12, stop_loss=7.5)},
        sources={"actions": {name: [value] for name, value in action.items()}},
        execution=VOLUME,
    )
    assert fills(result) == [(1, "A", 4, 8), (2, "A", -4, 7.5), *expected]


def test_an_exit_that_still_leaves_when_the_dividend_comes_is_renewed_below_it() -> None:
    """The stop of 7.5 was met without volume; its rest sells at the open, 6 more are bought."""
    bars: list[Row] = [
        (10, 10, 10, 10, 100), (8, 8, 7, 7.2, 4), (7.2, 7.2, 7.2, 7.2, 10), (7, 7, 7, 7, 100)
    ]  # fmt: skip
    action = {"asset_id": ["A"], "ex_date": [day(2)], "kind": ["dividend"], "value": [1.0]}
    result = play(
        bars,
        {0: lambda s: s.buy("A", 10, limit=9, stop_loss=7.5)},
        sources={"actions": action},
        execution=VOLUME,
    )
    assert fills(result) == [(1, "A", 4, 8), (2, "A", -4, 7.2), (2, "A", 6, 7.2)]


def test_rounding_leaves_nothing_of_the_others_of_a_group() -> None:
    bars: list[Row] = [(10, 10, 10, 10, n) for n in (1, 0.1, 0.7, 100)]

    def send(s: Scripted) -> None:
        s.one_cancels_other(s.buy("A", 2, limit=10), s.buy("A", 0.8, limit=5))

    result = play(bars[:3], {0: send}, execution=VOLUME)  # 0.8 - 0.1 - 0.7 is not quite 0
    assert orders(result)[1] == CANCELLED


def test_an_immediate_order_in_a_halt_is_over_before_the_close() -> None:
    """B has no volume at the one open of its order; the other of the group fills at the close."""
    bars: dict[str, list[Row]] = {"A": flat(10, 2, 9), "B": [*flat(10, 1, 9), (10, 10, 10, 10, 0)]}

    def send(s: Scripted) -> None:
        s.one_cancels_other(s.buy("B", 1, stop=10, tif="ioc"), s.buy("A", 1, on_close=True))

    assert orders(play(bars, {0: send})) == [
        ("cancelled", "immediate or cancel", 0), ("filled", "", 1)
    ]  # fmt: skip


@pytest.mark.parametrize("other", ["A", "C"])
@pytest.mark.parametrize(
    "bar", [(10, 10, 10, 10, 0), (10, 10, 8, 10, 9)], ids=["halted", "not met at the open"]
)
def test_what_fills_after_the_open_did_not_cancel_an_immediate_order(other: str, bar: Row) -> None:
    """Whichever of the two assets is first by name: the chance of B's order is over by then."""
    bars: dict[str, list[Row]] = {
        other: [*flat(10, 1, 9), (10, 12, 10, 12, 9)], "B": [*flat(10, 1, 9), bar]
    }  # fmt: skip

    def send(s: Scripted) -> None:
        s.one_cancels_other(s.buy("B", 1, limit=9, tif="ioc"), s.buy(other, 1, stop=11))

    result = play(bars, {0: send})
    assert orders(result) == [("cancelled", "immediate or cancel", 0), ("filled", "", 1)]
    assert fills(result) == [(1, other, 1, 11)]


@pytest.mark.parametrize("tif", ["ioc", "gtc", "day"])
@pytest.mark.parametrize("other", ["A", "C"])
def test_of_a_group_over_assets_the_open_of_one_is_before_the_range_of_another(
    other: str, tif: str
) -> None:
    bars: dict[str, list[Row]] = {
        other: [TEN, (10, 12, 10, 12)], "B": [TEN, (9, 10, 9, 10)]
    }  # fmt: skip

    def send(s: Scripted) -> None:
        s.one_cancels_other(s.buy("B", 1, limit=9.5, tif=tif), s.buy(other, 1, stop=11))

    result = play(bars, {0: send})
    assert fills(result) == [(1, "B", 1, 9)]
    assert orders(result) == [("filled", "", 1), CANCELLED]


@pytest.mark.parametrize("tif", ["day", "gtc"])
@pytest.mark.parametrize("other", ["A", "C"])
def test_what_fills_in_its_last_bar_cancels_an_order_before_its_day_is_over(
    other: str, tif: str
) -> None:
    bars: dict[str, list[Row]] = {other: [TEN, (10, 12, 10, 12)], "B": [TEN, TEN]}

    def send(s: Scripted) -> None:
        s.one_cancels_other(s.buy("B", 1, limit=9, tif=tif), s.buy(other, 1, stop=11))

    assert orders(play(bars, {0: send})) == [CANCELLED, ("filled", "", 1)]


@pytest.mark.parametrize("is_order", [False, True], ids=["level", "order"])
@pytest.mark.parametrize(
    ("bar", "expected"),
    [
        ((10, 10, 8, 8), [(2, "A", -10, 9.8)]),
        ((9.5, 10, 8, 8), [(2, "A", -10, 9.5), (2, "B", 10, 9)]),
    ],
    ids=["inside", "at the open"],
)
def test_what_is_sold_inside_a_bar_pays_for_nothing_at_its_open(
    bar: Row, expected: list[tuple[Any, ...]], is_order: bool
) -> None:
    """The cash is for one of two: A is sold in the bar that opens below the limit of B."""
    bars: dict[str, list[Row]] = {"A": [TEN, TEN, bar], "B": [TEN, TEN, (9, 10, 9, 10)]}
    guard = {"stop_loss": 9.8} if is_order else {}
    script = {0: lambda s: s.buy("A", 10, **guard), 1: lambda s: s.buy("B", 10, limit=9.5)}
    rules = [] if is_order else [StopLoss(0.02)]
    assert fills(play(bars, script, *rules, capital=100)) == [(1, "A", 10, 10), *expected]


def test_what_ends_without_a_fill_leaves_the_others_of_its_group() -> None:
    ended: list[tuple[dict[str, Any], tuple[str, str, float]]] = [
        ({"limit": 5, "tif": "day"}, ("expired", "end of day", 0)),
        ({"limit": 5, "tif": "ioc"}, ("cancelled", "immediate or cancel", 0)),
    ]
    for terms, end in ended:
        found = grouped([TEN, (10, 10, 9, 9)], (1, terms), (1, {"limit": 9}))
        assert found == ([(2, "A", 1, 9)], [end, ("filled", "", 1)])
    rejected = grouped([TEN, (10, 10, 9, 9)], (1e6, {}), (1, {"limit": 9}))
    assert rejected[1] == [("rejected", "insufficient buying power", 0), ("filled", "", 1)]


def test_a_group_may_span_assets() -> None:
    def send(s: Scripted) -> None:
        s.one_cancels_other(s.buy("A", 1, limit=9), s.buy("B", 1, limit=9))

    both: Row = (10, 10, 9, 9)
    result = play({"A": [TEN, TEN, both], "B": [TEN, TEN, both]}, {0: send})
    assert fills(result) == [(2, "A", 1, 9)]
    assert orders(result) == [("filled", "", 1), CANCELLED]


def test_an_entry_of_a_group_brings_its_own_bracket() -> None:
    def send(s: Scripted) -> None:
        s.one_cancels_other(
            s.buy("A", 1, stop=11, take_profit=12, stop_loss=10.5),
            s.sell("A", 1, stop=9, take_profit=8, stop_loss=9.5),
        )

    bars: list[Row] = [TEN, (10, 10.2, 8.8, 9), (9, 9, 8, 8)]
    result = play(bars, {0: send}, account=MarginAccount())
    # The low may have come before 9.5, but 9.5 was met: the worse of the two.
    assert fills(result) == [(1, "A", -1, 9), (1, "A", 1, 9.5)]
    assert [row[1] for row in orders(result)[:3]] == [
        "one cancels other", "its parent was cancelled", "its parent was cancelled"
    ]  # fmt: skip


def test_an_order_that_was_refused_when_it_was_sent_leaves_the_others_of_its_group() -> None:
    def send(s: Scripted) -> None:
        s.one_cancels_other(
            s.buy("A", 0.5, limit=9), s.buy("A", 1, limit=9), s.buy("A", 2, limit=8)
        )  # fmt: skip

    result = play(
        [TEN, (10, 10, 7, 7)], {0: send}, execution=ExecutionPolicy(whole_shares=True)
    )  # fmt: skip
    assert orders(result) == [("rejected", "below one lot", 0), ("filled", "", 1), CANCELLED]


def test_an_order_cannot_be_in_two_groups() -> None:
    def group(s: Scripted) -> None:
        first, second, third = (s.buy("A", 1, limit=n) for n in (7, 8, 9))
        s.one_cancels_other(first, second)
        with pytest.raises(ConfigError, match="order 0 is in a group already"):
            s.one_cancels_other(first, third)

    result = play([TEN, (10, 10, 9, 9), (9, 9, 8, 8)], {0: group})
    assert fills(result) == [(1, "A", 1, 9), (2, "A", 1, 8)]


# -- on the wrong side -------------------------------------------------------------------------


@each_value
@pytest.mark.parametrize("is_long", [True, False])
@pytest.mark.parametrize(
    ("terms", "is_denied"),
    [
        ({"take_profit": 9.5}, True),
        ({"take_profit": 10}, False),
        ({"limit": 9, "take_profit": 8.5}, True),
        ({"limit": 9, "take_profit": 9.5}, False),  # below the market, above the entry
        ({"limit": 11, "take_profit": 10.5}, False),  # opens at 10
        ({"limit": 9, "take_profit": 8.5, "on_close": True}, True),
        ({"if_touched": 9, "take_profit": 9.5}, False),
        ({"trail": 1, "take_profit": 9.5}, True),
        ({"stop": 11, "take_profit": 10.5}, True),  # above the market, below the entry
        ({"stop": 9, "take_profit": 9.5}, True),  # met at once, at the market
        ({"stop": 11, "limit": 12, "take_profit": 12}, False),
        ({"stop_loss": 10.5}, True),
        ({"stop_loss": 10}, False),
        ({"limit": 9, "stop_loss": 9.5}, True),
        ({"limit": 11, "stop_loss": 10.5}, True),  # fills at the market, which is at 10
        ({"limit": 9, "stop_loss": 9.5, "on_close": True}, True),
        ({"if_touched": 9, "stop_loss": 9.5}, True),
        ({"trail": 1, "stop_loss": 10.5}, True),
        ({"stop": 11, "stop_loss": 10.5}, False),
        ({"stop": 9, "stop_loss": 9.5}, False),  # met at once, at the market
        ({"stop": 11, "limit": 12, "stop_loss": 11.5}, True),
    ],
)
def test_an_order_that_its_own_exit_would_close_at_once_is_denied(
    terms: dict[str, Any], is_denied: bool, is_long: bool
) -> None:
    if not is_long:
        prices = ("take_profit", "stop_loss", "limit", "if_touched", "stop")
        terms = {name: 20 - x if name in prices else x for name, x in terms.items()}

    def enter(s: Scripted) -> None:
        (s.buy if is_long else s.sell)("A", 1, **terms)

    result = play(flat(10, 3), {0: enter}, account=MarginAccount())
    ends = orders(result)
    if is_denied:
        leg = "stop_loss" if "stop_loss" in terms else "take_profit"
        denied = ("denied", f"{leg} on the wrong side of the price", 0)
        assert ends == [denied, ("cancelled", "its parent was denied", 0)]
    else:
        assert {status for status, _, _ in ends} & {"denied"} == set()


def test_a_stop_that_a_gap_or_an_exit_leaves_behind_is_no_mistake() -> None:
    """Bought at an open of 7, below its stop of 8; and a sale that opens nothing needs no stop."""
    gap = play([TEN, (7, 7, 7, 7), TEN], {0: lambda s: s.buy("A", 1, stop_loss=8)})
    assert fills(gap) == [(1, "A", 1, 7), (1, "A", -1, 7)]
    script = {0: lambda s: s.buy("A", 1), 1: lambda s: s.sell("A", 1, stop_loss=9)}
    assert fills(play(flat(10, 3), script))[1:] == [(2, "A", -1, 10)]
