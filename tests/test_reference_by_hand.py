"""The reference itself against cases worked out by hand: orders, accounts, volume, halts."""

from __future__ import annotations

from datetime import datetime

import pytest

import reference
from by_hand import (
    MARGIN,
    WHOLE,
    buy,
    day,
    ends,
    equity,
    exits,
    fills,
    flat,
    play,
    sell,
    weights,
)
from reference import Bar, Borrow, Cancel, OrderTarget, OrderTargetPercent, Replace, Terms

# -- market orders ------------------------------------------------------------------------


def test_a_market_order_fills_at_the_next_open() -> None:
    result = play([(10, 10, 10, 10), (11, 12, 9, 10)], {0: buy(100)})
    assert fills(result) == [(1, "A", 100, 11)]
    assert equity(result) == [10_000, 9_900]
    assert ends(result) == [("filled", "", 100)]


def test_slippage_impact_and_commission_are_costs_of_the_fill() -> None:
    result = play(
        flat(100, 3), {0: buy(10), 1: sell(10)}, slippage_bps=100, commission_bps=10,
        impact=lambda _: 0.02,
    )  # fmt: skip
    first = result.fills[0]
    # 101 with slippage, and 2% on it; 99 less 2% of it.
    assert (first.price, first.commission) == pytest.approx((103.02, 1.0302))
    assert (first.slippage, first.impact) == pytest.approx((10, 20.2))
    assert result.trades[0].pnl == pytest.approx(10 * (97.02 - 103.02) - 1.0302 - 0.9702)


def test_an_unaffordable_order_is_rejected_whole() -> None:
    result = play(flat(100, 2), {0: [buy(101), buy(99)]})
    assert ends(result) == [("rejected", "insufficient cash", 0), ("filled", "", 99)]


def test_reductions_come_before_increases_whatever_their_ids() -> None:
    assets = {"A": flat(100, 3), "B": flat(100, 3)}
    result = play(assets, {0: buy(100), 1: [buy(100, "B"), sell(100, "A")]})
    assert fills(result)[1:] == [(2, "A", -100, 100), (2, "B", 100, 100)]


def test_a_cash_account_closes_but_does_not_go_short() -> None:
    result = play(flat(100, 4), {0: buy(10), 1: sell(15), 2: sell(1)})
    assert ends(result)[1:] == [
        ("partial", "cash account cannot short", -10), ("rejected", "cash account cannot short", 0)
    ]  # fmt: skip


def test_market_orders_on_a_halted_bar_wait_only_when_good_till_cancelled() -> None:
    rows = [(10, 10, 10, 10, 100), (10, 10, 10, 10, 0), None, (12, 12, 12, 12, 100)]
    result = play({"A": rows, "B": flat(1, 4)}, {0: [buy(1), buy(2, tif="gtc")], 1: buy(4)})
    assert fills(result) == [(3, "A", 2, 12)]
    assert ends(result) == [
        ("rejected", "no volume", 0), ("filled", "", 2), ("rejected", "no bar", 0)
    ]  # fmt: skip


def test_limit_up_stops_buys_and_limit_down_sells() -> None:
    up, down = (10, 10, 10, 10, 5, True), (9, 9, 9, 9, 5, False, True)
    result = play([(9, 9, 9, 9), up, down], {0: buy(1), 1: buy(1)})
    assert ends(result) == [("rejected", "limit up", 0), ("filled", "", 1)]
    result = play([(9, 9, 9, 9), (9, 9, 9, 9), down], {0: buy(2), 1: [sell(1), sell(1, stop=9.5)]})
    assert ends(result)[1:] == [("rejected", "limit down", 0), ("expired", "end of data", 0)]


def test_an_order_of_an_asset_without_later_bars_waits_until_the_end() -> None:
    assets = {"A": flat(10, 2), "B": flat(10, 4)}
    result = play(assets, {1: [buy(1), buy(1, limit=9)]})
    assert ends(result) == [("rejected", "no bar", 0), ("expired", "end of data", 0)]


# -- limits and stops ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "bar", "price"),
    [
        (buy(1, limit=9), (8, 10, 7, 9), 8),  # beyond at the open: the open
        (buy(1, limit=9), (10, 10, 8, 9), 9),  # touched: the limit
        (buy(1, limit=9), (10, 11, 9.5, 10), None),
        (sell(1, limit=11), (12, 13, 9, 9), 12),
        (sell(1, limit=11), (10, 11, 9, 9), 11),
        (buy(1, stop=11), (12, 13, 9, 9), 12),
        (buy(1, stop=11), (10, 13, 9, 9), 11),
        (buy(1, stop=11), (10, 10.5, 9, 9), None),
        (sell(1, stop=9), (8, 13, 7, 9), 8),
        (sell(1, stop=9), (10, 13, 7, 9), 9),
        # stop-limits: after a gap beyond the limit all of the bar may come back to it, after a stop
        # inside the bar only the close is known to be later
        (buy(1, stop=11, limit=12), (11.5, 13, 11, 13), 11.5),
        (buy(1, stop=11, limit=12), (10, 13, 9, 13), 11),
        (buy(1, stop=11, limit=12), (12.5, 13, 12.1, 12.5), None),
        (buy(1, stop=11, limit=12), (12.5, 13, 11, 12.5), 12),
        (buy(1, stop=11, limit=12), (12.5, 13, 11, 12), 12),
        (buy(1, stop=11, limit=10), (10.5, 12, 9, 10.4), None),
        (buy(1, stop=11, limit=10), (10.5, 12, 9, 9.5), 10),
        (sell(1, stop=9, limit=8), (7.5, 9, 7, 8.5), 8),
        # trailing stops start at the close of the placement, 10
        (sell(1, trail_amount=1), (10, 20, 9.5, 10), None),
        (sell(1, trail_amount=1), (10, 20, 8.5, 10), 9),
        (sell(1, trail_fraction=0.2), (7, 8, 7, 7), 7),
        (buy(1, trail_fraction=0.2), (11, 12, 11, 11), 12),
    ],
)
def test_where_a_resting_order_fills(order: object, bar: tuple[float, ...], price: float) -> None:
    result = play([(10, 10, 10, 10), bar], {0: order}, margin=MARGIN)
    assert [row[3] for row in fills(result)] == ([] if price is None else [price])


def test_a_stop_slips_and_a_limit_does_not() -> None:
    rows = [(10, 10, 10, 10), (10, 11, 9, 10)]
    result = play(rows, {0: [buy(1, stop=11), buy(1, limit=9)]}, slippage_bps=100)
    assert [row[3] for row in fills(result)] == [11.11, 9]
    gap = play([(10, 10, 10, 10), (8.95, 11, 8, 10)], {0: buy(1, limit=9)}, slippage_bps=100)
    assert fills(gap) == [(1, "A", 1, 9)]  # 8.95 * 1.01 is beyond the limit


def test_a_triggered_stop_limit_is_a_limit_afterwards() -> None:
    rows = [(10, 10, 10, 10), (12.5, 13, 12.1, 13), (11, 14, 11, 13)]
    assert fills(play(rows, {0: buy(1, stop=11, limit=12)})) == [(2, "A", 1, 11)]


def test_a_trailing_stop_ratchets_after_the_bar_and_never_loosens() -> None:
    rows = [(10, 10, 10, 10), (11, 15, 10, 14), (14, 14.5, 13.9, 14), (14, 14, 12, 13)]
    result = play(rows, {0: [buy(1), sell(1, trail_amount=2)]})
    assert fills(result) == [(1, "A", 1, 11), (3, "A", -1, 13)]  # 15 - 2


def test_stops_before_limits_and_the_nearest_first() -> None:
    orders = [sell(1, limit=11, tag="target"), sell(1, stop=8, tag="far"), sell(1, stop=9)]
    rows = [(10, 10, 10, 10), (10, 10, 10, 10), (10, 11, 8, 10)]
    result = play(rows, {0: buy(3), 1: orders})
    assert [x.exit_rule for x in result.trades] == ["order", "far", "target"]


def test_prices_and_quantities_are_on_their_steps() -> None:
    terms = Terms(lot=10, tick=0.5)
    rows = [(10, 10, 10, 10), (10.3, 10.4, 9, 10)]
    orders = [buy(19), buy(10, limit=9.8), buy(10, stop=10.1), buy(5), buy(10, limit=10.4)]
    result = play(rows, {0: orders}, default_terms=terms)
    assert [(o.limit, o.stop) for o in result.orders[1:3]] == [(9.5, None), (None, 10.5)]
    assert [(o.status, o.reason) for o in result.orders[2:4]] == [
        ("expired", "end of data"), ("rejected", "below one lot")
    ]  # fmt: skip
    # 10.3 rounds up to 10.5; the limit 10.4 is 10 and is met inside the bar.
    assert fills(result) == [(1, "A", 10, 10.5), (1, "A", 10, 10), (1, "A", 10, 9.5)]


# -- time in force --------------------------------------------------------------------------


def test_times_in_force() -> None:
    rows = [(10, 10, 10, 10)] * 3 + [(10, 10, 8, 9)]
    orders = [
        buy(1, limit=9, tif="ioc"), buy(1, limit=9, tif="day"), buy(1, limit=9),
        buy(1, limit=9, tif="gtd", good_till=day(2).date()),
        buy(1, limit=9, tif="gtd", good_till=day(3).date()),
        buy(1, limit=11, tif="ioc"),
    ]  # fmt: skip
    result = play(rows, {0: orders})
    assert [(o.status, o.reason, o.ended and o.ended.day - 1) for o in result.orders] == [
        ("cancelled", "immediate or cancel", 1), ("expired", "end of day", 1), ("filled", "", 3),
        ("expired", "good till date", 2), ("filled", "", 3), ("filled", "", 1),
    ]  # fmt: skip


def test_a_day_order_lives_through_its_session() -> None:
    times = [datetime(2024, 1, 2, hour) for hour in (10, 12, 14)] + [datetime(2024, 1, 3, 10)]
    bars = {time: {"A": Bar(10, 10, 10, 10)} for time in times}
    bars[times[2]] = {"A": Bar(10, 10, 9, 9)}
    script = {0: [buy(1, limit=9, tif="day"), buy(1, limit=8, tif="day")]}
    result = reference.run(bars, script=script)
    assert [(o.status, o.ended) for o in result.orders] == [
        ("filled", times[2]), ("expired", times[2])
    ]  # fmt: skip


def test_cancel_and_replace() -> None:
    rows = [(10, 10, 10, 10)] * 2 + [(10, 10, 7, 9)]
    script = {
        0: [buy(1, limit=9, tag="a"), buy(1, limit=9, tag="b")],
        1: [Cancel("a"), Replace("b", quantity=3, limit=8), Cancel("nothing")],
    }
    result = play(rows, script)
    assert ends(result) == [("cancelled", "cancelled by the strategy", 0), ("filled", "", 3)]
    assert fills(result) == [(2, "A", 3, 8)]


# -- brackets and one cancels other ----------------------------------------------------------


def bracket(rows: list[tuple[float, ...]], **entry: float) -> list[tuple[str, float]]:
    """Return the trades of a bracket with target 12 and stop 8, bought at about 10."""
    result = play([(10, 10, 10, 10), *rows], {0: buy(1, take_profit=12, stop_loss=8, **entry)})
    return [(x.exit_rule, x.exit_price) for x in result.trades]


def test_bracket_of_an_entry_at_the_open() -> None:
    assert bracket([(10, 12, 9, 11)]) == [("take_profit", 12)]
    assert bracket([(10, 12, 8, 11)]) == [("stop_loss", 8)]  # both touched: the stop
    assert bracket([(7, 12, 7, 11)]) == [("stop_loss", 7)]  # entered beyond it: the open
    assert bracket([(13, 13, 9, 11)]) == [("take_profit", 13)]
    assert bracket([(10, 11, 9, 10), (13, 14, 7, 8)]) == [("take_profit", 13)]  # gap


def test_bracket_of_an_entry_inside_the_bar_is_pessimistic() -> None:
    assert bracket([(10, 13, 9, 11)], limit=9.5) == []  # the high may have come first
    assert bracket([(10, 13, 9, 12.5)], limit=9.5) == [("take_profit", 12)]
    assert bracket([(10, 13, 8, 12.5)], limit=9.5) == [("stop_loss", 8)]
    assert bracket([(10, 13, 9, 9)], stop=10.5) == [("take_profit", 12)]  # 12 is after 10.5
    assert bracket([(10, 13, 8, 9)], stop=10.5) == [("stop_loss", 8)]


def test_the_leg_that_fills_cancels_the_other() -> None:
    rows = [(10, 10, 10, 10), (10, 10, 10, 10), (10, 12, 10, 12)]
    result = play(rows, {0: buy(1, take_profit=12, stop_loss=8)})
    assert ends(result)[1:] == [("filled", "", -1), ("cancelled", "one cancels other", 0)]
    breakout = [buy(1, stop=11, group="g"), sell(1, stop=9, group="g")]
    result = play([(10, 10, 10, 10), (10, 12, 8, 12)], {0: breakout}, margin=MARGIN)
    assert ends(result) == [("filled", "", 1), ("cancelled", "one cancels other", 0)]


def test_children_end_with_the_position() -> None:
    result = play(flat(10, 4), {0: buy(2, take_profit=12, stop_loss=8), 1: sell(2)})
    assert ends(result)[1:3] == [("cancelled", "position closed", 0)] * 2


def test_children_are_cut_to_what_is_live() -> None:
    rows = [(10, 10, 10, 10)] * 3 + [(10, 10, 7, 7)]
    result = play(rows, {0: buy(3, stop_loss=8), 1: sell(1)})
    assert fills(result)[-1] == (3, "A", -2, 8)
    assert (result.orders[1].status, result.orders[1].filled) == ("partial", -2)


def test_a_trailing_child_starts_at_the_parents_fill() -> None:
    rows = [(10, 10, 10, 10), (11, 14, 10, 13), (13, 13, 11, 12)]
    entry = buy(1, stop_loss_trail_amount=2)
    assert fills(play(rows, {0: entry}))[-1] == (2, "A", -1, 12)
    # Entered by a limit the bar's high may be from before: 13, its close, counts.
    entry = buy(1, limit=10.5, stop_loss_trail_amount=2)
    assert fills(play(rows, {0: entry})) == [(1, "A", 1, 10.5), (2, "A", -1, 11)]


def test_what_was_bought_inside_the_bar_is_not_sold_at_a_target_before_it() -> None:
    rows = [(100, 100, 100, 100), (100, 100, 100, 100), (100, 105, 95, 96)]
    rule = reference.TakeProfit(0.05)
    result = play(rows, {0: buy(1), 1: buy(50, limit=95)}, rules=[rule])
    # 105 and 95 are as near to the open: the rule first. 95.5 is nearer, bought before the target.
    assert fills(result)[1:] == [(2, "A", -1, 105), (2, "A", 50, 95)]
    result = play(rows, {0: buy(1), 1: buy(50, limit=95.5)}, rules=[rule])
    assert fills(result)[1:] == [(2, "A", 50, 95.5), (2, "A", -1, 105)]
    rows[2] = (100, 105, 95, 105)
    result = play(rows, {0: buy(1), 1: buy(50, limit=95.5)}, rules=[rule])
    assert fills(result)[1:] == [(2, "A", 50, 95.5), (2, "A", -51, 105)]


# -- closing orders, targets -----------------------------------------------------------------


def test_closing_orders_and_timings() -> None:
    rows = [(10, 10, 10, 10), (11, 14, 9, 12, None, False, False, 11.5)]
    assert fills(play(rows, {0: buy(1, on_close=True)})) == [(1, "A", 1, 12)]
    for timing, fill in {
        "next_open": (1, "A", 1, 11), "next_close": (1, "A", 1, 12), "vwap": (1, "A", 1, 11.5),
        "this_close": (0, "A", 1, 10),
    }.items():  # fmt: skip
        assert fills(play(rows, {0: buy(1)}, timing=timing)) == [fill]
        half = play(rows, {0: weights(A=0.5)}, timing=timing)
        assert half.fills[0].quantity == pytest.approx(5_000 / fill[3])


def test_order_targets_count_what_is_coming() -> None:
    script = {
        0: [buy(10), OrderTarget("A", 30)],
        1: [OrderTarget("A", 30), OrderTargetPercent("A", 0.4)],
    }
    result = play(flat(100, 3), script)
    assert [row[:3] for row in fills(result)] == [(1, "A", 10), (1, "A", 20), (2, "A", 10)]


# -- volume ----------------------------------------------------------------------------------


def test_volume_limits_all_fills_of_a_bar_together() -> None:
    rows = [(10, 10, 10, 10, 105)] * 4
    orders = [buy(15, tif="gtc"), buy(3, tif="ioc"), buy(3), buy(1, limit=10)]
    result = play(rows, {0: orders}, participation=0.1, default_terms=WHOLE)
    assert fills(result) == [(1, "A", 10, 10), (2, "A", 5, 10), (2, "A", 1, 10)]
    assert ends(result) == [
        ("filled", "", 15), ("cancelled", "immediate or cancel", 0), ("expired", "end of day", 0),
        ("filled", "", 1),
    ]  # fmt: skip


def test_a_partial_fill_of_one_leg_reduces_the_other() -> None:
    rows = [(10, 10, 10, 10, 100)] * 2 + [(12, 12, 12, 12, 4), (9, 9, 7, 7, 100)]
    result = play(rows, {0: buy(10, take_profit=12, stop_loss=8)}, participation=1.0)
    assert fills(result)[1:] == [(2, "A", -4, 12), (3, "A", -6, 8)]
    assert ends(result)[1:] == [("partial", "one cancels other", -4), ("filled", "", -6)]


def test_the_rest_of_a_triggered_stop_goes_at_the_next_open() -> None:
    rows = [(10, 10, 10, 10, 100)] * 2 + [(10, 10, 8, 9, 4), (11, 11, 11, 11, 100)]
    result = play(rows, {0: buy(10), 1: sell(10, stop=9)}, participation=1.0)
    assert fills(result)[1:] == [(2, "A", -4, 9), (3, "A", -6, 11)]
    ruled = play(rows, {0: buy(10)}, participation=1.0, rules=[reference.StopLoss(0.1)])
    assert fills(ruled)[1:] == [(2, "A", -4, 9), (3, "A", -6, 11)]
    assert [x.exit_rule for x in ruled.trades] == ["StopLoss", "StopLoss"]


def test_a_rebalance_keeps_nothing_for_later() -> None:
    rows = [(10, 10, 10, 10, 100)] * 3
    result = play(rows, {0: weights(A=1.0)}, participation=1.0)
    assert ends(result) == [("partial", "volume limit", 100)]


# -- accounts --------------------------------------------------------------------------------


def test_a_rebalance_that_does_not_fit_is_scaled_by_one_factor() -> None:
    assets = {"A": flat(100, 2), "B": flat(50, 2)}
    result = play(assets, {0: weights(A=0.8, B=0.8)})
    assert fills(result) == [(1, "A", 50, 100), (1, "B", 100, 50)]  # 80 and 160, times 5/8
    result = play(assets, {0: weights(A=1.2, B=-1.2)}, margin=MARGIN)
    assert fills(result) == [(1, "A", 100, 100), (1, "B", -200, 50)]  # gross 2.4 of 2
    whole = play(assets, {0: weights(A=0.807, B=0.8)}, default_terms=WHOLE)
    assert [row[2] for row in fills(whole)] == [50, 100]


def test_whole_shares_round_targets_toward_zero() -> None:
    result = play(
        flat(30, 3), {0: weights(A=-0.5), 1: weights()}, margin=MARGIN, default_terms=WHOLE
    )
    assert [row[2] for row in fills(result)] == [-166, 166]


def test_buying_power_is_equity_over_the_initial_rate() -> None:
    result = play(flat(100, 3), {0: [buy(200), buy(1)], 1: sell(201)}, margin=MARGIN)
    assert ends(result) == [
        ("filled", "", 200), ("rejected", "insufficient buying power", 0), ("filled", "", -201)
    ]  # fmt: skip
    strict = play(flat(100, 2), {0: buy(200)}, margin=MARGIN, commission_bps=1)
    assert ends(strict) == [("rejected", "insufficient buying power", 0)]


def test_an_order_through_zero_is_one_fill_and_a_rebalance_two_orders() -> None:
    rows = [(10, 10, 10, 10), (10, 10, 10, 10), (8, 8, 8, 8)]
    result = play(rows, {0: sell(100), 1: buy(150)}, margin=MARGIN)
    assert fills(result) == [(1, "A", -100, 10), (2, "A", 150, 8)]
    assert exits(result) == [("order", -100, 200)]
    assert [(lot.quantity, lot.entry_price) for lot in result.open_lots] == [(50, 8)]
    flipped = play(rows, {0: weights(A=-0.5), 1: weights(A=0.5)}, margin=MARGIN)
    assert [o.quantity for o in flipped.orders] == pytest.approx([-500, 500, 687.5])


def test_a_margin_call_cuts_every_position_alike() -> None:
    assets = {"A": flat(100, 2) + [(70, 70, 70, 70)] * 2, "B": flat(50, 4)}
    result = play(assets, {0: [buy(120), sell(160, "B")]}, margin=MARGIN)
    # Day 2: equity 10,000 - 3,600 = 6,400, values 8,400 + 8,000, maintenance 4,100: no call.
    assert not result.decisions
    assets["A"] = [*flat(100, 2), *[(40, 40, 40, 40)] * 2]
    result = play(assets, {0: [buy(120), sell(160, "B")]}, margin=MARGIN)
    # Day 2: equity 2,800 < (4,800 + 8,000) / 4; 2,800 carries 5,600 of 12,800: 7/16.
    assert fills(result)[2:] == [(3, "A", -67.5, 40), (3, "B", 90, 50)]
    assert [(d.rule, d.action) for d in result.decisions] == [("margin_call", "liquidate")] * 2
    assets["A"] = [*flat(100, 2), *[(10, 10, 10, 10)] * 2]
    result = play(assets, {0: [buy(120), sell(160, "B")]}, margin=MARGIN)
    assert [row[2] for row in fills(result)[2:]] == [-120, 160]  # equity below 0: all of it


def test_settlement_holds_the_proceeds_back() -> None:
    script = {0: buy(100), 1: sell(100), 2: buy(50), 3: buy(50)}
    result = play(flat(100, 5), script, settlement=2)
    assert ends(result)[2:] == [("rejected", "insufficient cash", 0), ("filled", "", 50)]


def test_a_share_that_cannot_be_borrowed_is_not_sold_short() -> None:
    borrow = {(day(1), "A"): Borrow(0.1, available=False), (day(2), "A"): Borrow(0.1)}
    script = {t: sell(1) for t in range(4)}
    result = play(flat(100, 5), script, margin=MARGIN, borrow=borrow)
    # Not known on day 0, not to be had on day 1; what is missing on day 3 is as it was.
    no, yes = ("rejected", "not available to borrow", 0), ("filled", "", -1)
    assert ends(result) == [no, no, yes, yes]


def test_multipliers_count_in_value_cash_and_profit() -> None:
    rows = [(100, 100, 100, 100), (100, 100, 100, 100), (110, 110, 110, 110)]
    terms = {"A": Terms(multiplier=5, initial=0.1, maintenance=0.1)}
    result = play(rows, {0: buy(100), 1: sell(40)}, terms=terms, margin=MARGIN)
    assert exits(result) == [("order", 40, 2_000)]
    assert equity(result) == [10_000, 10_000, 15_000]
    assert result.equity[1].cash == -40_000
