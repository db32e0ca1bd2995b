"""What comparing the engine with the reference has found, each once, with numbers by hand."""

from __future__ import annotations

import pytest

from ml4t.backtest import (
    ExecutionPolicy,
    MarginAccount,
    NextClose,
    ThisClose,
    VolumeShareSlippage,
)
from ml4t.backtest.risk import (
    MaxDrawdown,
    ScaledExit,
    StopLoss,
    TakeProfit,
    TimeBasedExit,
    TrailingStop,
)
from scripted import NAMES, Row, cash, day, fills, flat, held, orders, play, trades

ON_CLOSE = ExecutionPolicy(timing=NextClose())
DAYS: list[Row] = [(10, 10, 10, 10, 100)] * 4


# -- when an order is over ---------------------------------------------------------------------


def test_a_day_order_is_over_before_the_next_decision() -> None:
    script = {0: lambda s: s.buy("A", 15), 1: lambda s: s.order_target("A", 15)}
    result = play(DAYS, script, execution=ExecutionPolicy(participation=0.1))
    # The five that the volume left of the first order are not on their way any more.
    assert fills(result) == [(1, "A", 10, 10), (2, "A", 5, 10)]


def test_an_order_good_till_a_date_before_the_next_bar_never_fills() -> None:
    result = play(DAYS, {0: lambda s: s.buy("A", 1, tif="gtd", good_till=day(0))})
    assert orders(result) == [("expired", "good till date", 0)]


def test_what_is_left_of_a_stop_goes_at_the_next_open_whatever_the_timing() -> None:
    rows: list[Row] = [*DAYS[:2], (10, 10, 8, 9, 4), (11, 12, 11, 12, 100)]
    script = {0: lambda s: s.buy("A", 10), 1: lambda s: s.sell("A", 10, stop=9)}
    policy = ExecutionPolicy(timing=NextClose(), participation=1.0)
    result = play(rows, script, execution=policy)
    assert fills(result)[1:] == [(2, "A", -4, 9), (3, "A", -6, 11)]


def test_exits_of_a_position_do_not_wait_for_the_next_one() -> None:
    rows: list[Row] = [*flat(10, 2), (10, 10, 8, 10), *flat(10, 1)]
    script = {0: lambda s: s.buy("A", 1, stop_loss=9), 1: lambda s: s.buy("A", 1)}
    result = play(rows, script, TimeBasedExit(1))
    # The rule sells at the open of day 2 and the order buys there: the stop at 9 was the first's.
    assert fills(result)[1:3] == [(2, "A", -1, 10), (2, "A", 1, 10)]
    assert held(result)[1] == (2, "A", 1)


# -- what comes first --------------------------------------------------------------------------


def test_an_order_for_more_than_is_held_frees_cash_for_purchases() -> None:
    assets = {"A": flat(100, 3), "B": flat(100, 3)}
    script = {
        0: lambda s: s.buy("A", 100),
        1: [lambda s: s.buy("B", 100), lambda s: s.sell("A", 150)],
    }
    result = play(assets, script)
    assert fills(result)[1:] == [(2, "A", -100, 100), (2, "B", 100, 100)]


def test_an_order_is_a_reduction_as_long_as_there_is_something_to_reduce() -> None:
    orders_of_day_1 = [
        lambda s: s.buy("A", 5), lambda s: s.sell("A", 10), lambda s: s.sell("A", 5)
    ]  # fmt: skip
    result = play(flat(10, 3), {0: lambda s: s.buy("A", 10), 1: orders_of_day_1})
    # The last one finds nothing to sell until the first has bought.
    assert [row[2] for row in fills(result)] == [10, -10, 5, -5]


def test_orders_for_the_close_and_closing_orders_meet() -> None:
    assets = {"A": flat(100, 3), "B": flat(100, 3)}
    script = {
        0: lambda s: s.buy("A", 100),
        1: [lambda s: s.buy("B", 100), lambda s: s.sell("A", 100, on_close=True)],
    }
    result = play(assets, script, execution=ON_CLOSE)
    assert fills(result)[1:] == [(2, "A", -100, 100), (2, "B", 100, 100)]


def test_a_partial_exit_does_not_keep_the_strategy_from_selling_the_rest() -> None:
    rows = [*flat(100, 2), *flat(80, 2)]
    script = {0: lambda s: s.buy("A", 60), 2: lambda s: s.order_target_weights({})}
    result = play(rows, script, limits=[MaxDrawdown(0.1, "reduce")])
    assert fills(result)[1:] == [(3, "A", -30, 80), (3, "A", -30, 80)]


def test_at_this_close_an_exit_that_is_on_its_way_denies_the_target() -> None:
    script = {t: lambda s: s.order_target_weights({"A": 0.5}) for t in (0, 1)}
    policy = ExecutionPolicy(timing=ThisClose())
    result = play(flat(100, 3), script, TimeBasedExit(1), execution=policy)
    assert fills(result) == [(0, "A", 50, 100), (2, "A", -50, 100)]
    assert ("denied", "risk exit pending", 0) in orders(result)


# -- inside the bar ----------------------------------------------------------------------------


def test_a_target_that_the_entry_is_beyond_fills_at_the_entry() -> None:
    rows: list[Row] = [*flat(10, 1), (12, 13, 11.8, 12.5)]
    result = play(rows, {0: lambda s: s.buy("A", 1, stop=11, take_profit=11.5)})
    assert fills(result) == [(1, "A", 1, 12), (1, "A", -1, 12)]  # the bar never traded at 11.5


def test_of_what_protects_an_addition_at_the_open_the_stop_is_first() -> None:
    rows: list[Row] = [*flat(10, 2), (12, 12, 8, 9)]
    script = {
        0: lambda s: s.buy("A", 1),
        1: lambda s: s.buy("A", 1, take_profit=11, stop_loss=8.5),
    }
    assert fills(play(rows, script))[1:] == [(2, "A", 1, 12), (2, "A", -1, 8.5)]


def test_a_position_opened_again_at_the_open_is_protected_again() -> None:
    rows: list[Row] = [*flat(100, 2), (80, 81, 70, 75)]
    script = {0: lambda s: s.buy("A", 1), 1: lambda s: s.buy("A", 1, limit=85)}
    result = play(rows, script, StopLoss(0.1))
    assert fills(result)[1:] == [(2, "A", -1, 80), (2, "A", 1, 80), (2, "A", -1, 72)]


STEPS = ScaledExit(((0.02, 0.5), (0.04, 0.5)))


def test_an_open_beyond_stop_and_target_is_the_stop() -> None:
    rows: list[Row] = [*flat(100, 1), (100, 130, 100, 129), (120, 121, 119, 120)]
    result = play(rows, {0: lambda s: s.buy("A", 2)}, STEPS, TrailingStop(0.01))
    # Day 1: half at 102. Then the stop is 128.70 and the next target 104.
    assert fills(result)[1:] == [(1, "A", -1, 102), (2, "A", -1, 120)]
    assert [row[0] for row in trades(result)] == ["ScaledExit", "TrailingStop"]


def test_a_stop_closes_what_a_target_met_at_the_open_has_left() -> None:
    rows: list[Row] = [*flat(100, 2), (115, 116, 85, 90)]
    result = play(rows, {0: lambda s: s.buy("A", 2)}, ScaledExit(((0.1, 0.5),)), StopLoss(0.1))
    assert fills(result)[1:] == [(2, "A", -1, 115), (2, "A", -1, 90)]


def test_two_rules_with_parts_take_the_nearer_target() -> None:
    rows: list[Row] = [*flat(100, 2), (100, 111, 100, 111)]
    rules = (ScaledExit(((0.2, 0.5),)), ScaledExit(((0.1, 0.25),)))
    assert fills(play(rows, {0: lambda s: s.buy("A", 4)}, *rules))[1:] == [(2, "A", -1, 110)]


def test_a_price_limit_holds_back_what_protects_an_entry_inside_the_bar() -> None:
    rows: list[Row] = [(10, 10, 10, 10, 9, 0), (10, 12, 9, 10, 9, 1)]
    script = {0: lambda s: s.sell("A", 1, limit=11, stop_loss=11.5)}
    names = (*NAMES, "limit_up")
    result = play(rows, script, names=names, account=MarginAccount())
    assert fills(result) == [(1, "A", -1, 11)]


# -- sizes, ticks, dust ------------------------------------------------------------------------


def test_a_trailing_stop_rests_on_a_tick() -> None:
    rows: list[Row] = [*flat(10, 1), (10, 10, 9.6, 10), (10, 10, 9.5, 10)]
    sources = {"assets": {"asset_id": ["A"], "tick_size": [0.5]}}
    script = {0: lambda s: s.sell("A", 1, trail_fraction=0.03)}
    result = play(rows, script, sources=sources, account=MarginAccount())
    assert fills(result) == [(2, "A", -1, 9.5)]  # 9.70 rounds away from the market


def test_a_price_on_a_tick_is_that_decimal() -> None:
    assert 113 * 0.01 > 1.13
    rows: list[Row] = [*flat(1, 2), (1, 1.13, 1, 1)]
    sources = {"assets": {"asset_id": ["A"], "tick_size": [0.01]}}
    script = {0: lambda s: s.buy("A", 1), 1: lambda s: s.sell("A", 1, limit=1.13)}
    assert fills(play(rows, script, sources=sources))[1:] == [(2, "A", -1, 1.13)]


def test_rounding_leaves_nothing_to_trade() -> None:
    rows: list[Row] = [(10, 10, 10, 10, 3)] * 2
    script = {0: [lambda s, n=n: s.buy("A", n) for n in (0.1, 0.2, 1)]}
    result = play(rows, script, execution=ExecutionPolicy(participation=0.1))
    assert [row[2] for row in fills(result)] == [0.1, 0.2]  # 3 * 0.1 - 0.1 - 0.2 is not quite 0


def test_rounding_leaves_no_lot() -> None:
    script = {t: lambda s, n=n: s.buy("A", n) for t, n in enumerate((0.1, 0.2, 1))}
    script |= {3: lambda s: s.sell("A", 0.3), 4: lambda s: s.sell("A", 1)}
    result = play(flat(10, 6), script)
    assert [row[1] for row in trades(result)] == [0.1, 0.2, 1]


def test_a_step_below_a_lot_is_there_once_the_position_has_grown() -> None:
    rows: list[Row] = [*flat(100, 3), (100, 102, 100, 101)]
    script = {0: lambda s: s.buy("A", 1), 1: lambda s: s.buy("A", 9)}
    rule = ScaledExit(((0.02, 0.3),))
    result = play(rows, script, rule, execution=ExecutionPolicy(whole_shares=True))
    assert fills(result)[2:] == [(3, "A", -3, 102)]


def test_impact_leaves_no_cash_idle() -> None:
    rows: list[Row] = [(100, 100, 100, 100, 1_000)] * 2
    result = play(
        rows, {0: lambda s: s.order_target_weights({"A": 1.0})}, impact=VolumeShareSlippage(0.1)
    )
    # q * 100 * (1 + 0.1 * (q / 1,000) ** 2) = 10,000: about 99.9 shares.
    assert fills(result)[0][2] == pytest.approx(99.9003, abs=1e-4)
    assert cash(result)[1] == pytest.approx(0, abs=1e-6)


# -- what is known -----------------------------------------------------------------------------


def test_a_bar_without_volume_has_a_close_to_size_by() -> None:
    a: list[Row] = [*flat(100, 2, 9), (200, 200, 200, 200, 0)]
    script = {
        0: lambda s: s.buy("A", 50),
        1: lambda s: s.order_target_weights({"A": 0.5, "B": 0.5}),
    }
    account = MarginAccount(initial_margin=0.1, maintenance_margin=0.1)
    result = play({"A": a, "B": flat(100, 3, 9)}, script, execution=ON_CLOSE, account=account)
    # 5,000 in cash and 50 shares at 200.
    assert fills(result)[1:] == [(2, "B", 75, 100)]


def test_what_is_known_of_borrowing_stays_known_where_there_is_no_bar() -> None:
    assets = {"A": [*flat(100, 1), None, *flat(100, 1)], "B": flat(1, 3)}
    borrow = {"timestamp": [day(0)], "asset_id": ["A"], "fee": [0.0]}
    script = {1: [lambda s: s.sell("A", 1), lambda s: s.sell("B", 1)]}
    result = play(assets, script, sources={"borrow": borrow}, account=MarginAccount())
    assert orders(result) == [("filled", "", -1), ("rejected", "not available to borrow", 0)]


def test_a_touched_level_counts_for_the_position_that_it_closed() -> None:
    rows: list[Row] = [*flat(100, 2), (100, 106, 90, 95), (95, 95, 90, 92)]
    script = {0: lambda s: s.buy("A", 2), 1: lambda s: s.sell("A", 4, limit=105)}
    result = play(rows, script, STEPS, TakeProfit(0.5), account=MarginAccount())
    # Day 2: half of two at 102; then three are sold at 105, two of them short. Their own first
    # step, at 102.90, is behind the close; day 3 opens beyond the second.
    assert fills(result)[1:3] == [(2, "A", -1, 102), (2, "A", -3, 105)]
    assert fills(result)[3:] == [(2, "A", 1, 102.9), (3, "A", 1, 95)]
