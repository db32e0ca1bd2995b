"""The reference itself against cases worked out by hand: actions, dividends, borrow, interest."""

from __future__ import annotations

from typing import Any

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
    flows,
    play,
    sell,
    weights,
)
from reference import Action, Borrow, Terms


def act(kind: str, t: float, asset: str = "A", **more: Any) -> Action:
    return Action(asset, day(0) + (day(1) - day(0)) * t, kind, **more)


# -- splits ----------------------------------------------------------------------------------


def test_a_split_changes_no_value() -> None:
    rows = [*flat(100, 2), *flat(25, 2)]
    result = play(rows, {0: buy(10), 2: sell(40)}, actions=[act("split", 2, value=4)])
    assert equity(result) == [10_000] * 4
    assert exits(result) == [("order", 40, 0)]
    assert result.trades[0].entry_price == 25


def test_a_split_moves_orders_and_levels() -> None:
    rows = [*flat(100, 2), (50, 51, 46, 50), (50, 50, 44.5, 45)]
    orders = [buy(2, limit=92, take_profit=110, stop_loss=89), buy(10)]
    result = play(
        rows, {0: [buy(10)], 1: orders}, actions=[act("split", 2, value=2)],
        rules=[reference.StopLoss(0.1)],
    )  # fmt: skip
    # The limit is 46 for 4, its children 55 and 44.5; the rule's stop 45 is not met on day 2.
    assert fills(result)[:3] == [(1, "A", 10, 100), (2, "A", 20, 50), (2, "A", 4, 46)]
    children = [(o.limit, o.stop) for o in result.orders if o.tag.startswith(".")]
    assert children == [(55, None), (None, 44.5)]
    assert [row.stop for row in result.stops][:2] == [90, pytest.approx(0.9 * (2_000 + 184) / 44)]


def test_the_levels_of_a_position_are_divided_before_the_open() -> None:
    rows = [*flat(100, 2), (50, 50, 45.5, 50), (50, 50, 44, 45)]
    actions = [act("split", 2, value=2)]
    result = play(rows, {0: buy(10)}, actions=actions, rules=[reference.StopLoss(0.1)])
    assert fills(result)[1:] == [(3, "A", -20, 45)]


def test_a_trailing_stop_survives_a_reverse_split() -> None:
    rows = [*flat(10, 2), (100, 120, 95, 110), (110, 110, 90, 95)]
    script = {0: buy(10), 1: sell(10, trail_amount=1)}
    result = play(rows, script, actions=[act("split", 2, value=0.1)])
    # Reference 100, trail 10 on day 2: 90 is not met; then 120 - 10.
    assert fills(result)[1:] == [(3, "A", -1, 110)]


def test_whole_shares_are_paid_the_fraction() -> None:
    rows = [*flat(30, 2), *flat(20, 2)]
    script = {0: buy(11), 1: [sell(5, limit=60), sell(1, limit=60)]}
    actions = [act("split", 2, value=1.5)]
    result = play(rows, script, actions=actions, default_terms=WHOLE)
    assert flows(result) == [(2, "A", "cash in lieu", 10)]
    assert exits(result) == [("cash in lieu", 0.5, 0)]
    assert result.positions[-1].quantity == 16
    assert [(o.quantity, o.limit) for o in result.orders[1:]] == [(-7, 40), (-1, 40)]
    tiny = play(rows, script, actions=[act("split", 2, value=0.5)], default_terms=WHOLE)
    assert ends(tiny)[2] == ("cancelled", "split", 0)


def test_an_atr_from_before_the_split_is_divided() -> None:
    rows = [*flat(100, 1), (50, 50, 47, 50)]
    signals = {(day(0), "A"): {"atr": 4.0}}
    result = reference.run(
        {day(t): {"A": reference.Bar(*row)} for t, row in enumerate(rows)},
        signals, script={0: [buy(10)]}, rules=[reference.VolatilityScaledStopLoss(1.0)],
        actions=[act("split", 1, value=2)], slippage_bps=0,
    )  # fmt: skip
    assert fills(result)[1:] == [(1, "A", -20, 48)]  # 50 - 4 / 2


# -- dividends -------------------------------------------------------------------------------


def test_dividends_go_to_the_holders_before_the_ex_date() -> None:
    actions = [act("dividend", 1, value=1.0), act("dividend", 2, value=2.0)]
    result = play(flat(100, 3), {0: buy(10)}, actions=actions)
    assert flows(result) == [(2, "A", "dividend", 20)]
    assert equity(result) == [10_000, 10_000, 10_020]


def test_a_dividend_waits_for_its_pay_date_and_for_a_bar() -> None:
    actions = [act("dividend", 1.5, value=1.0, pay_date=day(3)), act("dividend", 9, value=5.0)]
    result = play([*flat(100, 2), None, *flat(100, 1)], {0: buy(10), 1: sell(10)}, actions=actions)
    assert flows(result) == [(3, "A", "dividend", 10)]


def test_a_short_pays_the_dividend_and_the_split_comes_after_it() -> None:
    actions = [act("split", 2, value=2), act("dividend", 2, value=3.0)]
    rows = [*flat(100, 2), *flat(50, 1)]
    terms = {"A": Terms(multiplier=10)}
    result = play(rows, {0: sell(1)}, actions=actions, margin=MARGIN, terms=terms)
    assert flows(result) == [(2, "A", "dividend", -30)]


def test_reinvestment_buys_at_the_close_without_costs() -> None:
    rows = [*flat(100, 2), (100, 100, 50, 50)]
    options: dict[str, Any] = {"actions": [act("dividend", 2, value=3.0)], "commission_bps": 10}
    result = play(rows, {0: buy(10)}, reinvest_dividends=True, **options)
    assert fills(result)[1:] == [(2, "A", 0.6, 50)]
    assert result.orders[-1].tag == "reinvestment"
    assert result.fills[-1].commission == 0
    whole = play(rows, {0: buy(10)}, reinvest_dividends=True, default_terms=WHOLE, **options)
    assert len(whole.fills) == 1


def test_a_dividend_without_a_bar_leaves_the_mark_and_is_not_paid_twice() -> None:
    assets = {"A": [*flat(100, 2), None, None, None], "B": flat(10, 5)}
    actions = [act("dividend", 2, value=90.0), act("delisting", 4)]
    for script in ({0: buy(10)}, {0: sell(10)}):
        result = play(assets, script, actions=actions, margin=MARGIN)
        assert equity(result) == [10_000] * 5
        assert [row.price for row in result.positions] == [100, 10, 10]
        assert [row.exit_price for row in result.trades] == [10]


# -- renames and delistings ------------------------------------------------------------------


def test_a_rename_moves_the_position_and_its_orders() -> None:
    assets = {"A": flat(10, 2), "B": [None, None, (11, 11, 11, 11), (9, 9, 8, 8)]}
    script = {0: buy(10), 1: [sell(5, limit=11), sell(5, stop=9)]}
    result = play(assets, script, actions=[act("rename", 2, new_asset="B")])
    assert fills(result)[1:] == [(2, "B", -5, 11), (3, "B", -5, 9)]
    assert [x.entry_price for x in result.trades] == [10, 10]


def test_a_rename_moves_what_is_queued() -> None:
    assets = {"A": flat(10, 2), "B": [None, None, (11, 11, 11, 11), (9, 9, 8, 8)]}
    result = play(assets, {1: weights(A=0.5)}, actions=[act("rename", 2, new_asset="B")])
    assert fills(result) == [(2, "B", pytest.approx(5_000 / 11), 11)]


def test_a_delisting_closes_at_the_terms_given() -> None:
    assets = {"A": flat(100, 2), "B": flat(1, 4)}
    script = {0: buy(10), 1: [sell(10, limit=120), weights(A=0.5)]}
    for terms, price in (
        ({"value": 80.0}, 80), ({"delisting_return": -0.3}, 70), ({}, 100)
    ):  # fmt: skip
        result = play(assets, script, actions=[act("delisting", 2, **terms)], commission_bps=10)
        assert flows(result) == [(2, "A", "delisting", 10 * price)]
        assert exits(result) == [("delisting", 10, 10 * (price - 100) - 1)]
        assert ends(result)[1:] == [("cancelled", "delisted", 0)] * 2


def test_a_delisted_short_is_bought_back() -> None:
    assets = {"A": flat(100, 2), "B": flat(1, 3)}
    actions = [act("delisting", 2, value=0.0)]
    result = play(assets, {0: sell(10)}, actions=actions, margin=MARGIN)
    assert equity(result)[-1] == 11_000


# -- the cost of time ------------------------------------------------------------------------


def test_borrow_is_charged_on_the_last_close_and_paid_by_the_lots() -> None:
    assets = {"A": [*flat(100, 1), (100, 100, 73, 73), None, (80, 80, 80, 80)]}
    borrow = {(day(t), "A"): Borrow(fee) for t, fee in enumerate([0.0, 0.1, 0.0])}
    bars = play(assets, {0: sell(10), 1: buy(5)}, margin=MARGIN, borrow=borrow)
    assert flows(bars) == [(2, "A", "borrow", -0.2)]  # 10 * 73 * 0.1 / 365
    assert exits(bars) == []  # day 2 has no bar
    script = {0: sell(10), 2: buy(5)}
    result = play(assets, script, margin=MARGIN, borrow=borrow)
    assert exits(result) == [("order", -5, 99.9)]
    assert result.open_lots[0].borrow == pytest.approx(0.1)


def test_interest_is_paid_on_the_cash_of_the_previous_close() -> None:
    rows: list[Any] = [*flat(100, 2), None, None, *flat(100, 1)]
    script = {0: buy(150)}
    assets = {"A": rows, "B": flat(1, 5)}
    result = play(assets, script, margin=MARGIN, credit_rate=0.0365, debit_rate=0.073)
    # 10,000 earn 1; then -5,000 + 1 cost 1 less 0.0002, ...
    assert flows(result)[:2] == [(1, None, "interest", 1), (2, None, "interest", -0.9998)]
    assert flows(result)[2][3] == pytest.approx(-(5_000 - 1 + 0.9998) * 0.073 / 365)


def test_days_are_calendar_days() -> None:
    bars = {day(t): {"A": reference.Bar(1, 1, 1, 1)} for t in (0, 3, 4)}
    result = reference.run(bars, initial_capital=36_500.0, credit_rate=0.01)
    assert [row[3] for row in flows(result)] == [3, pytest.approx(1.0001, abs=1e-4)]
