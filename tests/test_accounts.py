"""Accounts: what cash and margin carry, what time costs, and that every cent is somewhere.

The last part drives random orders over random bars; the ledger's identities are checked after
every run of every test, see ``conftest``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from effort import examples
from ml4t.backtest import (
    BacktestResult,
    BasisPointCommission,
    BasisPointSlippage,
    CashAccount,
    DataError,
    ExecutionPolicy,
    Financing,
    MarginAccount,
    NextClose,
    NextOpen,
    PerShareCommission,
    ThisClose,
    VolumeWeighted,
)
from ml4t.backtest.execution.account.buying_power import share_that_fits
from ml4t.backtest.risk import StopLoss, TakeProfit, TrailingStop
from scripted import (
    Action,
    Row,
    Scripted,
    at,
    cash,
    day,
    equity,
    fills,
    flat,
    flows,
    held,
    orders,
    play,
    trades,
)
from test_execution import rebalance

TEN: Row = (10, 10, 10, 10)


def terms(**columns: Any) -> dict[str, Any]:
    """Terms of asset A."""
    return {"assets": {"asset_id": ["A"], **{name: [value] for name, value in columns.items()}}}


def borrow(rows: Sequence[tuple[int, str, float, bool | None]]) -> dict[str, Any]:
    """Rows of (day, asset, annual fee, available)."""
    names = ("timestamp", "asset_id", "fee", "available")
    table = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    if not any(table["available"]):
        del table["available"]
    return {"borrow": {**table, "timestamp": [day(row[0]) for row in rows]}}


# -- cash ------------------------------------------------------------------------------------


def test_a_cash_account_rejects_what_it_cannot_pay_and_takes_what_it_can() -> None:
    script = {0: [lambda s: s.buy("A", 1_001), lambda s: s.buy("A", 999), lambda s: s.buy("A", 1)]}
    result = play(flat(10, 2), script)
    assert orders(result) == [
        ("rejected", "insufficient cash", 0), ("filled", "", 999), ("filled", "", 1)
    ]  # fmt: skip
    assert cash(result) == [10_000, 0]


def test_buying_power_reserves_the_costs() -> None:
    script = {0: [lambda s: s.buy("A", 100), lambda s: s.buy("A", 98)]}
    costs = {"commission": BasisPointCommission(100), "slippage": BasisPointSlippage(100)}
    # 100 shares at 101 and 1% of it are 10,201; 98 are 9,996.98.
    result = play(flat(100, 2), script, **costs)
    assert orders(result) == [("rejected", "insufficient cash", 0), ("filled", "", 98)]
    assert cash(result) == [10_000, 3.02]
    twice = {0: [lambda s: s.buy("A", 200), lambda s: s.buy("A", 190)]}
    # 200 tie up 10,000 and cost 200 and 202; 190 tie up 9,500 and cost 190 and 191.9.
    on_margin = play(flat(100, 2), twice, account=MarginAccount(), **costs)
    assert orders(on_margin) == [("rejected", "insufficient buying power", 0), ("filled", "", 190)]


def test_an_order_inside_the_bar_pays_from_what_is_left_then() -> None:
    script = {
        0: [lambda s: s.buy("A", 600), lambda s: s.buy("A", 500, limit=9), lambda s: s.buy("B", 1)],
        1: lambda s: s.buy("A", 300, limit=8),
    }
    bars = {"A": [TEN, (10, 10, 9, 9), (9, 9, 8, 8)], "B": flat(10, 3)}
    result = play(bars, script)
    # 6,010 spent: 500 at 9 are 4,500, too much; 300 at 8 are 2,400.
    assert orders(result) == [
        ("filled", "", 600), ("rejected", "insufficient cash", 0), ("filled", "", 1),
        ("filled", "", 300),
    ]  # fmt: skip


def test_a_cash_account_sells_what_it_holds_and_never_goes_short() -> None:
    script = {
        0: lambda s: s.buy("A", 10),
        1: [lambda s: s.sell("A", 15), lambda s: s.sell("A", 1, stop=9, tag="stop")],
        2: [lambda s: s.order_target("A", -5), lambda s: s.order_target_percent("A", -0.1)],
    }
    result = play([TEN, TEN, TEN, (10, 10, 8, 8)], script)
    refused = "cash account cannot short"
    assert orders(result) == [
        ("filled", "", 10), ("partial", refused, -10), ("rejected", refused, 0),
        ("rejected", refused, 0), ("rejected", refused, 0),
    ]  # fmt: skip
    assert held(result) == [(1, "A", 10)]


def test_a_negative_target_weight_needs_an_account_that_may_go_short() -> None:
    bars: dict[str, Sequence[Row]] = {"A": flat(10, 3)}
    weights = {0: {"A": 0.5}, 1: {"A": -0.5}}
    with pytest.raises(DataError, match="gave a negative weight; a cash account holds weights"):
        rebalance(bars, weights)
    for account in (CashAccount(shorting=True), MarginAccount()):
        result = rebalance(bars, weights, account=account)
        # Through zero in two orders: one closes, one opens.
        assert [row[2] for row in fills(result)] == [500, -500, -500]


def test_the_cash_of_a_sale_can_be_spent_at_the_same_open() -> None:
    script = {0: lambda s: s.buy("A", 1_000), 1: [
        lambda s: s.buy("B", 1_000), lambda s: s.sell("A", 1_000)
    ]}  # fmt: skip
    result = play({"A": flat(10, 3), "B": flat(10, 3)}, script)
    assert fills(result)[1:] == [(2, "A", -1_000, 10), (2, "B", 1_000, 10)]


# -- settlement ------------------------------------------------------------------------------


@pytest.mark.parametrize(("delay", "bought"), [(0, 2), (1, 3), (2, 4)])
def test_proceeds_can_be_spent_once_they_have_settled(delay: int, bought: int) -> None:
    script: dict[int, Any] = {0: lambda s: s.buy("A", 1_000), 1: lambda s: s.sell("A", 1_000)}
    script |= {t: lambda s: s.order_target("B", 100) for t in (2, 3, 4)}
    script[1] = [script[1], lambda s: s.buy("B", 100)]
    bars = {"A": flat(10, 6), "B": flat(10, 6)}
    result = play(bars, script, account=CashAccount(settlement=delay))
    # Sold at the open of day 2.
    assert [row[0] for row in fills(result) if row[1] == "B"] == [bought]
    rejected = orders(result).count(("rejected", "insufficient cash", 0))
    assert rejected == bought - 2
    assert cash(result)[2] == (9_000 if delay == 0 else 10_000)


def test_settlement_counts_sessions_not_bars_and_not_calendar_days() -> None:
    # Friday 2024-01-05 at 10 and 16, then Monday.
    times = [at(10, 4), at(13, 4), at(16, 4), at(10, 7), at(16, 7)]
    script: dict[int, Any] = {0: lambda s: s.buy("A", 1_000), 1: lambda s: s.sell("A", 1_000)}
    script[2] = lambda s: s.buy("A", 1)
    late = play(flat(10, 5), script, times=times, account=CashAccount(settlement=1))
    assert orders(late)[2] == ("filled", "", 1)  # sold on Friday, spent on Monday
    script = {0: lambda s: s.buy("A", 1_000), 1: [
        lambda s: s.sell("A", 1_000, limit=10), lambda s: s.buy("A", 1, limit=10)
    ]}  # fmt: skip
    same_day = play(flat(10, 5), script, times=times, account=CashAccount(settlement=1))
    assert orders(same_day)[2] == ("rejected", "insufficient cash", 0)


def test_target_weights_spend_settled_cash_alone() -> None:
    bars: dict[str, Sequence[Row]] = {"A": flat(10, 4), "B": flat(10, 4)}
    weights = {0: {"A": 0.6}, 1: {"B": 0.8}, 2: {"B": 0.8}}
    result = rebalance(bars, weights, account=CashAccount(settlement=1))
    # Day 2: 6,000 of A have not settled, 4,000 buy 400 of 800; day 3 the rest.
    assert fills(result)[1:] == [(2, "A", -600, 10), (2, "B", 400, 10), (3, "B", 400, 10)]
    assert orders(result)[2] == ("partial", "cut: insufficient cash", 400)


def test_settlement_leaves_equity_alone() -> None:
    script = {0: lambda s: s.buy("A", 500), 1: lambda s: s.sell("A", 500)}
    result = play(flat(10, 4), script, account=CashAccount(settlement=2))
    assert equity(result) == [10_000] * 4


# -- margin ----------------------------------------------------------------------------------


def test_buying_power_is_equity_over_the_initial_margin_long_and_short_together() -> None:
    script = {
        0: [
            lambda s: s.buy("A", 1_200),
            lambda s: s.sell("B", 800),
            lambda s: s.buy("A", 1),
            lambda s: s.sell("B", 1),
        ],
        1: [lambda s: s.sell("A", 200), lambda s: s.sell("B", 200), lambda s: s.buy("A", 1)],
    }
    result = play({"A": flat(10, 3), "B": flat(10, 3)}, script, account=MarginAccount())
    refused = ("rejected", "insufficient buying power", 0)
    assert orders(result) == [
        ("filled", "", 1_200), ("filled", "", -800), refused, refused,
        ("filled", "", -200), ("filled", "", -200), refused,
    ]  # fmt: skip
    assert cash(result) == [10_000, 6_000, 10_000]
    assert result.sql(
        "select gross_exposure, net_exposure from equity order by timestamp"
    ).fetchall() == [(0, 0), (20_000, 4_000), (20_000, 0)]


def test_margins_of_an_asset_take_precedence() -> None:
    source = terms(initial_margin=1.0, maintenance_margin=0.9)
    script = {0: [
        lambda s: s.buy("A", 500), lambda s: s.buy("B", 1_001), lambda s: s.buy("B", 1_000)
    ]}  # fmt: skip
    bars = {"A": [TEN, TEN, (9, 9, 9, 9), (9, 9, 9, 9)], "B": flat(10, 4)}
    result = play(bars, script, sources=source, account=MarginAccount())
    assert [row[:2] for row in orders(result)[:3]] == [
        ("filled", ""), ("rejected", "insufficient buying power"), ("filled", "")
    ]  # fmt: skip
    # Day 2: equity 9,500; needed 0.9 * 4,500 + 0.25 * 10,000 = 6,550: no call.
    assert result.sql("select count(*) from decisions").fetchall() == [(0,)]


def test_targets_beyond_the_buying_power_shrink_by_one_factor() -> None:
    bars: dict[str, Sequence[Row]] = {"A": flat(100, 2), "B": flat(50, 2)}
    result = rebalance(bars, {0: {"A": 1.6, "B": 0.8}}, account=MarginAccount())
    # 160 and 160 shares are 24,000 of 20,000: five sixths.
    assert [row[2] for row in fills(result)] == [
        pytest.approx(160 * 5 / 6), pytest.approx(160 * 5 / 6)
    ]  # fmt: skip
    assert {row[:2] for row in orders(result)} == {("partial", "cut: insufficient buying power")}
    asked = result.sql("select quantity from orders order by order_id").fetchall()
    assert asked == [(160,), (160,)]
    both = rebalance(bars, {0: {"A": 1.2, "B": -1.2}}, account=MarginAccount())
    assert [row[2] for row in fills(both)] == [pytest.approx(100), pytest.approx(-200)]


def test_targets_in_whole_shares_shrink_to_whole_shares() -> None:
    bars: dict[str, Sequence[Row]] = {"A": flat(100, 2), "B": flat(50, 2)}
    result = rebalance(
        bars, {0: {"A": 1.61, "B": 0.8}}, account=MarginAccount(),
        execution=ExecutionPolicy(whole_shares=True),
    )  # fmt: skip
    # 161 and 160 are 24,100: 133.6 and 132.8.
    assert [row[2] for row in fills(result)] == [133, 132]


def test_closing_needs_no_buying_power_and_frees_it_first() -> None:
    bars: list[Row] = [TEN, TEN, (6, 6, 6, 6), (6, 6, 6, 6)]
    script = {
        0: lambda s: s.buy("A", 2_000),
        # At 6 equity is 2,000 on 12,000: below any margin; all of it may still be sold.
        1: lambda s: s.sell("A", 2_000),
    }
    result = play(bars, script, account=MarginAccount())
    assert fills(result)[1:] == [(2, "A", -2_000, 6)]
    assert equity(result) == [10_000, 10_000, 2_000, 2_000]


@pytest.mark.parametrize("side", [1, -1])
def test_an_order_through_zero_that_does_not_fit_closes_what_is_held(side: int) -> None:
    def enter(s: Scripted) -> None:
        (s.buy if side > 0 else s.sell)("A", 100)

    def turn(s: Scripted) -> None:
        (s.sell if side > 0 else s.buy)("A", 2_101)

    result = play(flat(10, 3), {0: enter, 1: turn}, account=MarginAccount())
    assert fills(result)[1:] == [(2, "A", -100 * side, 10)]
    assert orders(result)[1] == ("partial", "insufficient buying power", -100 * side)


@pytest.mark.parametrize("side", [1, -1])
def test_an_order_through_zero_turns_the_position_and_makes_a_trade_of_the_old(side: int) -> None:
    def enter(s: Scripted) -> None:
        (s.buy if side > 0 else s.sell)("A", 100)

    def turn(s: Scripted) -> None:
        (s.sell if side > 0 else s.buy)("A", 250)

    bars: list[Row] = [TEN, TEN, (12, 12, 12, 12), (11, 11, 11, 11)]
    result = play(bars, {0: enter, 1: turn}, account=MarginAccount())
    assert trades(result) == [("order", 100 * side, 200 * side)]
    assert held(result)[-1] == (3, "A", -150 * side)
    # 100 from 10 to 12, then 150 the other way from 12 to 11.
    assert equity(result) == [10_000, 10_000, 10_000 + 200 * side, 10_000 + 350 * side]


def test_a_margin_call_cuts_every_position_by_the_same_share() -> None:
    bars = {"A": [*flat(100, 2), *flat(40, 3)], "B": flat(50, 5)}
    script = {0: [lambda s: s.buy("A", 120), lambda s: s.sell("B", 160)]}
    result = play(bars, script, account=MarginAccount())
    # Day 2: equity 2,800, exposure 4,800 + 8,000; a quarter of it is 3,200: called. The initial
    # margin of all would be 6,400: 7/16 of each is kept, 9/16 sold at the next open.
    assert fills(result)[2:] == [(3, "A", -67.5, 40), (3, "B", 90, 50)]
    assert trades(result) == [("margin_call", 67.5, -4_050), ("margin_call", -90, 0)]
    assert result.sql(
        """
        select (timestamp - date '2024-01-01')::integer, asset_id, rule, action, level, reason,
            features['equity'], features['required']
        from decisions order by all
        """
    ).fetchall() == [
        (2, asset, "margin_call", "liquidate", 7 / 16, "equity below the maintenance margin",
         2_800, 3_200)
        for asset in ("A", "B")
    ]  # fmt: skip
    # Then 52.5 and -70 are 5,600, twice the equity.
    assert result.sql("select gross_exposure / equity from equity").fetchall()[-1] == (2,)


@pytest.mark.parametrize(("price", "is_called"), [(80, False), (79.99, True)])
def test_a_margin_call_comes_below_the_maintenance_margin_not_at_it(
    price: float, is_called: bool
) -> None:
    # 300 at 100 on 10,000 with a third as initial margin; at 80 equity is 4,000 and a sixth of
    # 24,000 is 4,000.
    account = MarginAccount(initial_margin=1 / 3, maintenance_margin=1 / 6)
    bars: list[Row] = [*flat(100, 2), *flat(price, 2)]
    result = play(bars, {0: lambda s: s.buy("A", 300)}, account=account)
    assert (result.sql("select count(*) from decisions").fetchall()[0][0] > 0) == is_called


def test_without_any_equity_a_margin_call_takes_everything() -> None:
    bars = {"A": [*flat(100, 2), *flat(10, 2)], "B": flat(50, 4)}
    script = {0: [lambda s: s.buy("A", 120), lambda s: s.sell("B", 160)]}
    result = play(bars, script, account=MarginAccount())
    assert fills(result)[2:] == [(3, "A", -120, 10), (3, "B", 160, 50)]
    assert equity(result) == [10_000, 10_000, -800, -800]
    assert held(result)[-1][0] == 2


def test_a_margin_call_keeps_whole_shares_and_cuts_the_rest() -> None:
    bars = {"A": [*flat(100, 2), *flat(40, 2)], "B": flat(50, 4)}
    script = {0: [lambda s: s.buy("A", 120), lambda s: s.sell("B", 159)]}
    result = play(
        bars, script, account=MarginAccount(), execution=ExecutionPolicy(whole_shares=True)
    )
    # 2,800 / 6,375 of 120 and 159: 52.7 and 69.8 are kept as 52 and 69.
    assert [row[2] for row in fills(result)[2:]] == [-68, 90]


def test_a_margin_call_and_a_strategy_exit_at_one_open_leave_exactly_flat() -> None:
    bars: list[Row] = [*flat(100, 2), *flat(60, 2)]
    script = {0: lambda s: s.buy("A", 200), 2: lambda s: s.order_target("A", 0)}
    result = play(bars, script, account=MarginAccount())
    # Day 2: equity 2,000 on 12,000: two thirds are sold. Of the 200 that the strategy sells the
    # call has sold those already.
    assert fills(result)[1:] == [
        (3, "A", pytest.approx(-400 / 3), 60), (3, "A", pytest.approx(-200 / 3), 60)
    ]  # fmt: skip
    assert orders(result)[1][:2] == ("filled", "cut to what is held")
    assert held(result)[-1][0] == 2


def test_the_buying_power_of_a_halted_position_counts_at_its_last_mark() -> None:
    bars = {"A": [TEN, TEN, None], "B": [TEN, TEN, TEN]}
    script = {0: lambda s: s.buy("A", 1_000), 1: [
        lambda s: s.buy("B", 1_001), lambda s: s.buy("B", 1_000)
    ]}  # fmt: skip
    result = play(bars, script, account=MarginAccount())
    assert orders(result)[1:] == [
        ("rejected", "insufficient buying power", 0), ("filled", "", 1_000)
    ]  # fmt: skip


# -- borrowing shares ------------------------------------------------------------------------


def test_a_short_pays_for_borrowing_by_calendar_days() -> None:
    # Wednesday to Friday, then Monday: 1, 1 and 3 days.
    times = [day(2), day(3), day(4), day(7), day(8)]
    bars: list[Row] = [TEN, TEN, (12, 12, 12, 12), TEN, TEN]
    script = {0: lambda s: s.sell("A", 365), 3: lambda s: s.buy("A", 365)}
    result = play(
        bars, script, times=times, account=MarginAccount(), financing=Financing(borrow_rate=0.1)
    )
    # 365 shares at 10 and 10% a year are 1 a day; at Friday's close of 12 it is 1.2.
    assert flows(result) == [
        (2, "A", "borrow", -1.0), (3, "A", "borrow", -3.6), (4, "A", "borrow", -1.0)
    ]  # fmt: skip
    assert trades(result) == [("order", -365, -5.6)]
    assert result.sql("select borrow from trades").fetchall() == [(pytest.approx(5.6),)]
    assert equity(result)[-1] == 10_000 - 5.6


def test_the_fee_of_a_source_is_the_one_known_at_the_close_before() -> None:
    fees = borrow([(0, "A", 0.1, None), (2, "A", 0.2, None), (3, "A", 0.4, None)])
    script = {0: [lambda s: s.sell("A", 365), lambda s: s.buy("B", 365)]}
    bars = {"A": flat(10, 5), "B": flat(10, 5)}
    result = play(bars, script, account=MarginAccount(), sources=fees)
    # From day 1 to 2 at 10%, then 20%, then 40%. The long pays nothing.
    assert flows(result) == [
        (2, "A", "borrow", -1), (3, "A", "borrow", -2), (4, "A", "borrow", -4)
    ]  # fmt: skip


def test_a_short_that_does_not_trade_pays_the_fee_that_changes_meanwhile() -> None:
    fees = borrow([(0, "A", 0.1, None), (3, "A", 0.2, None), (6, "A", 0.4, None)])
    times = [day(t) for t in (0, 1, 2, 4, 7, 8)]  # no bar on days 3 and 6
    bars = {"A": [TEN, TEN, TEN, None, None, TEN], "B": flat(10, 6)}
    script = {0: lambda s: s.sell("A", 365)}
    result = play(bars, script, times=times, account=MarginAccount(), sources=fees)
    assert [row[3] for row in flows(result)] == [-1, -2, -6, -4]


def test_what_becomes_known_of_lending_without_a_bar_holds_at_the_next() -> None:
    # Until day 1, at which nothing trades, A was lent and B was not.
    fees = borrow([(0, "A", 0.1, True), (1, "A", 0.1, False), (1, "B", 0.1, True)])
    times = [day(t) for t in (0, 2, 3)]
    bars = {"A": [TEN, None, TEN], "B": [TEN, None, TEN], "C": flat(10, 3)}
    script = {1: [lambda s: s.sell("A", 10), lambda s: s.sell("B", 10)]}
    result = play(bars, script, times=times, account=MarginAccount(), sources=fees)
    assert orders(result) == [("rejected", "not available to borrow", 0), ("filled", "", -10)]


def test_a_new_name_with_a_fee_of_its_own_keeps_it_though_it_is_none() -> None:
    bars = {"A": [TEN, TEN, None, None], "N": [None, None, TEN, TEN], "B": flat(10, 4)}
    renamed = {
        "asset_id": ["A"], "ex_date": [day(2)], "kind": ["rename"], "value": [None],
        "new_asset_id": ["N"],
    }  # fmt: skip
    script = {0: lambda s: s.sell("A", 365)}
    own: list[tuple[int, str, float, bool | None]] = [(0, "A", 0.1, None), (1, "N", 0.0, None)]
    late = [own[0], (2, "A", 0.5, None)]  # of a name that is gone, or somebody else's by now
    # The night before it is renamed is one of the old name.
    for rows, paid in ((own[:1], [-1, -1]), (own, [-1]), (late, [-1, -1])):
        result = play(
            bars, script, account=MarginAccount(), sources={**borrow(rows), "actions": renamed}
        )
        assert [row[3] for row in flows(result)] == paid, rows


def test_a_renaming_at_the_second_bar_takes_the_fee_along() -> None:
    bars = {"A": [TEN, None, None], "N": [None, TEN, TEN], "B": flat(10, 3)}
    renamed = {
        "asset_id": ["A"], "ex_date": [day(1)], "kind": ["rename"], "value": [None],
        "new_asset_id": ["N"],
    }  # fmt: skip
    result = play(
        bars, {0: lambda s: s.sell("A", 365)}, account=MarginAccount(),
        sources={**borrow([(0, "A", 0.1, None)]), "actions": renamed},
    )  # fmt: skip
    assert flows(result) == [(2, "N", "borrow", -1)]


def test_bars_of_one_day_charge_nothing_among_themselves() -> None:
    times = [at(10), at(12), at(16), at(10, 1), at(12, 1)]
    result = play(
        flat(10, 5), {0: lambda s: s.sell("A", 365)}, times=times, account=MarginAccount(),
        financing=Financing(borrow_rate=0.1, credit_rate=0.1),
    )  # fmt: skip
    # 13,650 in cash at 10% earn 3.73972603 over the one night.
    assert flows(result) == [(3, "A", "borrow", -1), (3, None, "interest", 3.73972603)]


def test_a_partial_cover_pays_for_its_own_shares_alone() -> None:
    script = {0: lambda s: s.sell("A", 730), 2: lambda s: s.buy("A", 365)}
    result = play(
        flat(10, 6), script, account=MarginAccount(), financing=Financing(borrow_rate=0.1)
    )
    # 2 a day until half is covered on day 3, 1 a day from then on.
    assert [row[3] for row in flows(result)] == [-2, -2, -1, -1]
    assert result.sql("select quantity, pnl, borrow from trades order by trade_id").fetchall() == [
        (-365, pytest.approx(-2), pytest.approx(2)), (-365, pytest.approx(-4), pytest.approx(4))
    ]  # fmt: skip


def test_what_cannot_be_borrowed_is_not_sold_short_and_what_is_short_stays() -> None:
    fees = borrow(
        [(0, "A", 0.1, True), (1, "A", 0.1, False), (3, "A", 0.1, True), (0, "B", 0.1, None)]
    )
    script = {
        0: lambda s: s.sell("A", 10),
        1: lambda s: s.sell("A", 10),
        2: [lambda s: s.sell("A", 10, limit=10), lambda s: s.buy("A", 5)],
        3: [lambda s: s.sell("A", 10), lambda s: s.sell("B", 10), lambda s: s.sell("C", 10)],
    }
    bars = {name: flat(10, 5) for name in "ABC"}
    result = play(bars, script, account=MarginAccount(), sources=fees)
    refused = ("rejected", "not available to borrow", 0)
    assert orders(result) == [
        ("filled", "", -10), refused, refused, ("filled", "", 5),
        # B says nothing of availability, C nothing at all: nobody is known to lend it.
        ("filled", "", -10), ("filled", "", -10), refused,
    ]  # fmt: skip


def test_an_order_through_zero_that_cannot_borrow_closes_what_is_held() -> None:
    fees = borrow([(0, "A", 0.1, False), (0, "Z", 0.1, True)])
    script = {0: lambda s: s.buy("A", 10), 1: lambda s: s.sell("A", 15)}
    result = play(flat(10, 3), script, account=MarginAccount(), sources=fees)
    assert fills(result)[1:] == [(2, "A", -10, 10)]
    assert orders(result)[1] == ("partial", "not available to borrow", -10)


def test_target_weights_that_cannot_borrow_close_what_is_held() -> None:
    fees = borrow([(0, "A", 0.1, False), (0, "Z", 0.1, True)])
    bars: dict[str, Sequence[Row]] = {"A": flat(10, 3)}
    result = rebalance(
        bars, {0: {"A": 0.5}, 1: {"A": -0.5}}, account=MarginAccount(), sources=fees
    )  # fmt: skip
    assert [row[2] for row in fills(result)] == [500, -500]
    assert orders(result)[2] == ("rejected", "not available to borrow", 0)


# -- interest --------------------------------------------------------------------------------


def test_cash_earns_and_debt_pays_by_calendar_days() -> None:
    times = [day(2), day(3), day(4), day(7)]
    script = {0: lambda s: s.buy("A", 1_730), 1: lambda s: s.sell("A", 1_730)}
    result = play(
        flat(10, 4), script, times=times, account=MarginAccount(),
        financing=Financing(credit_rate=0.0365, debit_rate=0.073),
    )  # fmt: skip
    # 10,000 earn 1 a day; the debt of 7,299 pays 1.4598; then 9,999.5402 earn for a weekend.
    assert flows(result) == [
        (1, None, "interest", 1), (2, None, "interest", -1.4598),
        (3, None, "interest", 2.99986206),
    ]  # fmt: skip
    assert cash(result) == [10_000, -7_299, 9_999.5402, 10_002.54006206]


def test_interest_is_of_the_cash_of_the_close_before() -> None:
    dividend = {"asset_id": ["A"], "ex_date": [day(2)], "kind": ["dividend"], "value": [5.0]}
    script = {0: [lambda s: s.buy("A", 365), lambda s: s.sell("B", 365)]}
    result = play(
        {"A": flat(10, 3), "B": flat(10, 3)}, script, account=MarginAccount(),
        financing=Financing(credit_rate=0.0365, borrow_rate=0.1), sources={"actions": dividend},
    )  # fmt: skip
    # Neither the dividend of day 2 nor its borrow fee was there over night.
    assert flows(result) == [
        (1, None, "interest", 1),
        (2, "A", "dividend", 1_825), (2, "B", "borrow", -1), (2, None, "interest", 1.0001),
    ]  # fmt: skip


def test_a_cash_account_may_pay_for_its_deposits() -> None:
    result = play(flat(10, 3), {}, financing=Financing(credit_rate=-0.0365))
    assert [row[3] for row in flows(result)] == [-1, -0.9999]


# -- every cent ------------------------------------------------------------------------------


def accounted(result: BacktestResult) -> float:
    """Change of equity that trades and the flows outside of them explain."""
    [(pnl, flow)] = result.sql(
        """
        select (select sum(pnl) from trades),
            (select sum(amount) from cash_flows where not in_trades and kind <> 'deposit')
        """
    ).fetchall()
    return pnl + (flow or 0.0)


def test_trades_and_flows_are_the_change_of_equity_after_partial_exits_flips_and_borrow() -> None:
    prices = [10, 11, 13, 12, 9, 8, 10, 14]
    bars: list[Row] = [(p, p, p, p) for p in prices]
    script: dict[int, Action] = {
        0: lambda s: s.buy("A", 100),  # at 11
        1: lambda s: s.sell("A", 40),  # at 13
        2: lambda s: s.buy("A", 20),  # at 12
        3: lambda s: s.sell("A", 130),  # at 9: 80 close, 50 go short
        4: lambda s: s.sell("A", 30),  # at 8
        5: lambda s: s.buy("A", 60),  # at 10: of the 50 at 9 all, of the 30 at 8 ten
        6: lambda s: s.buy("A", 45),  # at 14: 20 close, 25 go long
    }
    result = play(
        bars, script, account=MarginAccount(), commission=PerShareCommission(0.01),
        financing=Financing(borrow_rate=0.365, credit_rate=0.01, debit_rate=0.05),
    )  # fmt: skip
    gross = result.sql(
        """
        select quantity, entry_price, exit_price,
            round(quantity * (coalesce(exit_price, 14) - entry_price), 8)
        from trades order by trade_id
        """
    ).fetchall()
    assert gross == [
        (40, 11, 13, 80), (60, 11, 9, -120), (20, 12, 9, -60), (-50, 9, 10, -50),
        (-10, 8, 10, -20), (-20, 8, 14, -120), (25, 14, None, 0),
    ]  # fmt: skip
    # 0.001 a day of the short's value: 50 at 9, 80 at 8, 20 at 10.
    assert [row[3] for row in flows(result) if row[2] == "borrow"] == [-0.45, -0.64, -0.2]
    assert result.sql("select sum(borrow), sum(commission) from trades").fetchall() == [
        (pytest.approx(1.29), pytest.approx(4.25))
    ]
    assert accounted(result) == pytest.approx(result["final_value"] - 10_000, abs=1e-9)
    interest = sum(row[3] for row in flows(result) if row[2] == "interest")
    assert result["final_value"] == pytest.approx(10_000 - 290 - 1.29 - 4.25 + interest, abs=1e-6)


# -- random orders on random bars ------------------------------------------------------------

PRICES = st.floats(4, 16).map(lambda x: round(x, 2))
N_BARS = 8


@st.composite
def bars_of_one_asset(draw: st.DrawFn) -> list[Row]:
    """Bars of any shape; some are missing, have no volume, or are locked on one side."""
    rows: list[Row] = []
    for _ in range(N_BARS):
        kind = draw(st.integers(0, 11))
        opens, close, *more = draw(st.tuples(PRICES, PRICES, PRICES, PRICES))
        low, high = min(opens, close, *more), max(opens, close, *more)
        volume = 0 if kind == 1 else draw(st.integers(1, 300))
        rows.append(None if kind == 0 else (opens, high, low, close, volume, kind == 2, kind == 3))
    # An asset without any bar would not be known.
    return rows if any(rows) else [(10, 10, 10, 10, 100, False, False)]


ASSETS = st.sampled_from("ABC")
QUANTITIES = st.integers(1, 400).map(lambda n: n / 2)
TIFS = st.sampled_from(["gtc", "day", "ioc", None])


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that a strategy can do; shows itself when a run fails."""

    kind: str
    asset: str
    is_buy: bool
    quantity: float
    price: float
    other: float
    trail: float
    more: dict[str, Any]

    def __call__(self, s: Scripted) -> None:
        send = s.buy if self.is_buy else s.sell
        waiting = s.open_orders()
        if self.kind in PRICED:
            own = {name: getattr(self, value) for name, value in PRICED[self.kind].items()}
            send(self.asset, self.quantity, **own, **self.more)
        elif self.kind == "target":
            s.order_target(self.asset, self.quantity if self.is_buy else 0)
        elif self.kind == "percent":
            s.order_target_percent(self.asset, self.trail / 3)
        elif self.kind == "group":
            s.one_cancels_other(
                send(self.asset, self.quantity, limit=self.price),
                send(self.asset, 5, stop=self.other),
            )
        elif waiting:
            order = waiting[int(self.quantity) % len(waiting)]
            if self.kind == "cancel":
                s.cancel(order)
            else:
                # Of a part that has filled the table shows no limit but the last.
                limit = self.price if order.limit and not order.filled_quantity else None
                s.replace(order, quantity=order.side * self.quantity, limit=limit)


PRICED = {
    "market": {}, "close": {"on_close": "is_buy"}, "limit": {"limit": "price"},
    "stop": {"stop": "price"}, "stop_limit": {"stop": "price", "limit": "other"},
    "trail": {"trail": "trail"},
}  # fmt: skip
KINDS = [*PRICED, "target", "percent", "group", "cancel", "replace"]


@st.composite
def steps(draw: st.DrawFn) -> Step:
    price, is_buy, tif = draw(PRICES), draw(st.booleans()), draw(TIFS)
    more: dict[str, Any] = {} if tif is None else {"tif": tif}
    if draw(st.booleans()):
        levels = sorted((price * 0.95, price * 1.05), reverse=is_buy)
        more |= dict(zip(("take_profit", "stop_loss"), levels, strict=True))
    return Step(
        kind=draw(st.sampled_from(KINDS)), asset=draw(ASSETS), is_buy=is_buy,
        quantity=draw(QUANTITIES), price=price, other=draw(PRICES),
        trail=draw(st.floats(0.1, 3)), more=more,
    )  # fmt: skip


RULES: dict[str, Callable[[], list[Any]]] = {
    "none": list,
    "levels": lambda: [StopLoss(0.05), TakeProfit(0.06)],
    "trail": lambda: [TrailingStop(0.04)],
}


@settings(
    max_examples=examples(6), deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    bars=st.fixed_dictionaries({name: bars_of_one_asset() for name in "ABC"}),
    script=st.dictionaries(
        st.integers(0, N_BARS - 1), st.lists(steps(), min_size=1, max_size=4), max_size=N_BARS
    ),
    is_cash=st.booleans(),
    participation=st.sampled_from([None, 0.1, 1.0]),
    timing=st.sampled_from([NextOpen(), NextOpen(), NextClose(), ThisClose()]),
    rules=st.sampled_from(sorted(RULES)),
    whole=st.booleans(),
    cost=st.sampled_from([0, 20]),
    settlement=st.sampled_from([0, 1]),
    is_contract=st.booleans(),
)
def test_no_script_does_what_the_account_or_the_market_does_not_allow(
    bars: dict[str, list[Row]],
    script: dict[int, list[Step]],
    is_cash: bool,
    participation: float | None,
    timing: Any,
    rules: str,
    whole: bool,
    cost: float,
    settlement: int,
    is_contract: bool,
) -> None:
    rates = Financing(credit_rate=0.02, debit_rate=0.06, borrow_rate=0.05)
    result = play(
        {**bars, "clock": flat(1, N_BARS, 1, False, False)},  # every day has some bar
        script,
        *RULES[rules](),
        names=("open", "high", "low", "close", "volume", "limit_up", "limit_down"),
        sources=terms(tick_size=0.05, multiplier=2.0 if is_contract else 1.0),
        capital=2_000,
        account=CashAccount(settlement=settlement) if is_cash else MarginAccount(),
        execution=ExecutionPolicy(timing=timing, participation=participation, whole_shares=whole),
        commission=BasisPointCommission(cost),
        slippage=BasisPointSlippage(cost),
        financing=Financing() if is_contract else rates,
    )
    multiplier = 2 if is_contract else 1
    check_fills(result, bars, participation, whole=whole, multiplier=multiplier)
    if is_cash:
        assert min(cash(result)) >= -1e-6
        assert all(quantity > 0 for _, _, quantity in held(result))
    # What has not ended cannot be there; what the rows say the fills say too: see conftest.
    assert {status for status, _, _ in orders(result)} <= {
        "filled", "partial", "cancelled", "expired", "denied", "rejected"
    }  # fmt: skip


def check_fills(
    result: BacktestResult,
    bars: dict[str, list[Row]],
    participation: float | None,
    *,
    whole: bool,
    multiplier: int,
) -> None:
    """Assert that the market could do every fill: its range before costs, and its volume."""
    traded: Counter[tuple[int, str]] = Counter()
    for t, asset, quantity, price, cost in result.sql(
        f"""
        select (timestamp - date '2024-01-01')::integer, asset_id, quantity, price,
            slippage / abs(quantity) / case when asset_id = 'A' then {multiplier} else 1 end
        from fills
        """
    ).fetchall():
        row = bars[asset][t]
        assert row is not None
        assert row[4]
        assert not row[5 if quantity > 0 else 6]
        assert asset != "A" or round(price / 0.05, 6) == round(price / 0.05)
        base = price - cost if quantity > 0 else price + cost
        assert row[2] - 1e-9 <= base <= row[1] + 1e-9
        assert not whole or quantity == round(quantity)
        traded[t, asset] += abs(quantity)
    if participation is not None:
        for (t, asset), quantity in traded.items():
            assert quantity <= participation * bars[asset][t][4] * (1 + 1e-12)


# -- margin inside a bar ---------------------------------------------------------------------

FALL: list[Row] = [(100, 100, 100, 100), (100, 101, 49, 50), (50, 51, 49, 50)]
RISE: list[Row] = [(100, 100, 100, 100), (100, 151, 99, 150), (150, 151, 149, 150)]
CROWD = [f"S{i:02d}" for i in range(20)]


def leverage(result: BacktestResult) -> float:
    query = "select max(gross_exposure / equity) from equity"
    return float(result.sql(query).fetchall()[0][0])


@pytest.mark.parametrize(
    ("bars", "order"),
    [
        (FALL, lambda s, a: s.buy(a, 200, limit=50)),
        (RISE, lambda s, a: s.sell(a, 66, limit=150)),
        (RISE, lambda s, a: s.buy(a, 66, stop=150)),
        (FALL, lambda s, a: s.sell(a, 200, stop=50)),
    ],
    ids=["buy limits", "sell limits", "buy stops", "sell stops"],
)
def test_what_rests_in_many_assets_fills_as_far_as_the_account_carries_it_together(
    bars: list[Row], order: Callable[[Scripted, str], object]
) -> None:
    """Equity of 10,000 at 50% carries two of 10,000, or of 9,900, and not twenty."""
    script = {0: [lambda s, a=a: order(s, a) for a in CROWD]}
    result = play(dict.fromkeys(CROWD, bars), script, account=MarginAccount())
    ends = Counter(row[:2] for row in orders(result))
    assert ends == {("filled", ""): 2, ("rejected", "insufficient buying power"): 18}
    assert 1.97 < leverage(result) <= 2.0 + 1e-9


def test_an_average_price_makes_no_gain_of_what_was_bought_below_it_in_its_bar() -> None:
    """200 at 50 are 10,000, not 15,000 at the average of 75; 134 more of B at 75 would need it."""
    both: list[Row] = [(100, 100, 100, 100, 100), (100, 101, 49, 75, 75), (75, 76, 74, 75, 75)]
    script: dict[int, Any] = {0: [lambda s: s.buy("A", 200, limit=50), lambda s: s.buy("B", 134)]}
    names = ("open", "high", "low", "close", "vwap")
    settings: dict[str, Any] = {
        "account": MarginAccount(), "execution": ExecutionPolicy(timing=VolumeWeighted())
    }  # fmt: skip
    result = play({"A": both, "B": both}, script, names=names, **settings)
    # Without the phantom gain of 5,000 equity of 10,000 carries 20,000: 134 * 75 are 10,050.
    assert orders(result) == [("filled", "", 200), ("rejected", "insufficient buying power", 0)]
    script = {0: [lambda s: s.buy("A", 200, limit=50), lambda s: s.buy("B", 133)]}
    result = play({"A": both, "B": both}, script, names=names, **settings)
    assert orders(result) == [("filled", "", 200), ("filled", "", 133)]


def test_what_the_volume_leaves_nothing_of_makes_no_gain_for_the_others_either() -> None:
    """100 of A at 50, all of its volume, tie up 2,500: 7,500 carry 200 of B, not 233 at 75."""
    bars: list[Row] = [(100, 100, 100, 100, n, 100) for n in (100,)]
    a: list[Row] = [*bars, (100, 101, 49, 75, 100, 75)]
    b: list[Row] = [*bars, (100, 101, 49, 75, 1_000, 75)]
    script: dict[int, Any] = {
        0: [
            lambda s: s.buy("A", 100, limit=50),
            lambda s: s.order_target_weights({"A": 1.0, "B": 1.4}),
        ]
    }
    result = play(
        {"A": a, "B": b}, script, names=("open", "high", "low", "close", "volume", "vwap"),
        account=MarginAccount(),
        execution=ExecutionPolicy(timing=VolumeWeighted(), participation=1.0),
    )  # fmt: skip
    assert fills(result) == [(1, "A", 100, 50), (1, "B", pytest.approx(200, rel=1e-9), 75)]


def test_at_the_close_everything_is_worth_its_close() -> None:
    """Bought at 50, and the close is 60: 12,000 of equity carry 24,000, 12,000 of it are held."""
    bars: list[Row] = [(100, 100, 100, 100), (100, 101, 49, 60), (60, 60, 60, 60)]
    timing = ExecutionPolicy(timing=NextClose())
    for shares, end in ((200, "filled"), (201, "rejected")):
        script = {0: [lambda s: s.buy("A", 200, limit=50), lambda s, n=shares: s.buy("B", n)]}
        result = play({"A": bars, "B": bars}, script, account=MarginAccount(), execution=timing)
        assert [row[0] for row in orders(result)] == ["filled", end]
        assert leverage(result) <= 2.0 + 1e-9


@pytest.mark.parametrize("brings", [-50.0, 0.0])
def test_orders_that_need_nothing_are_not_scaled_where_there_is_no_room(brings: float) -> None:
    """Twice as much would need less than nothing: neither more is sold, nor divided by zero."""
    assert share_that_fits(lambda share: share * brings, -100.0) == 1.0


# -- orders of a fraction --------------------------------------------------------------------

TEN_BPS: dict[str, Any] = {"commission": BasisPointCommission(10)}
ALL_OF_IT = 10_000 / 1.001 / 100  # shares whose value and commission are the cash


@pytest.mark.parametrize(
    "order",
    [
        lambda s: s.buy_percent("A", 1.0),
        lambda s: s.order_target_percent("A", 1.0),
        lambda s: s.set_position_percent("A", 1.0),
        lambda s: s.size_by_confidence("A", 1.0, 1.0),
        lambda s: s.rebalance_to_weights({"A": 1.0}),
        lambda s: s.rebalance_to_weights({"A": 1.0}, {"A": 100.0}),
    ],
    ids=["buy", "target", "position", "confidence", "weights", "weights at prices"],
)
def test_a_fraction_is_cut_to_what_the_account_pays_for_as_a_weight_is(order: Action) -> None:
    result = play(flat(100, 3), {0: order}, **TEN_BPS)
    assert fills(result) == [(1, "A", pytest.approx(ALL_OF_IT, rel=1e-9), 100)]
    assert [row[:2] for row in orders(result)] == [("filled", "trimmed to fit the account")]


def test_an_order_of_shares_fills_whole_or_not_at_all() -> None:
    result = play(flat(100, 3), {0: lambda s: s.buy("A", 100)}, **TEN_BPS)
    assert orders(result) == [("rejected", "insufficient cash", 0)]


def test_four_quarters_share_what_a_gap_has_left_of_them() -> None:
    """Each asks for 25 shares at 101: 10,100. One factor cuts all four, and none is lost."""
    bars = {key: [*flat(100, 1), *flat(101, 2)] for key in "ABCD"}
    script = {0: [lambda s, a=a: s.buy_percent(a, 0.25) for a in "ABCD"]}
    result = play(bars, script)
    quarter = pytest.approx(2_500 / 101, rel=1e-9)
    assert fills(result) == [(1, a, quarter, 101) for a in "ABCD"]
    whole = play(bars, script, execution=ExecutionPolicy(whole_shares=True))
    assert fills(whole) == [(1, a, 24, 101) for a in "ABCD"]
    short = {0: [lambda s, a=a: s.sell_percent(a, 0.5) for a in "ABCD"]}
    down = {key: [*flat(100, 1), *flat(101, 2)] for key in "ABCD"}
    result = play(down, short, account=MarginAccount())
    assert [row[2] for row in fills(result)] == [pytest.approx(-5_000 / 101, rel=1e-9)] * 4


DOUBLED: list[Row] = [*flat(100, 1), *flat(200, 2)]
NO_LEVERAGE = MarginAccount(initial_margin=1.0, maintenance_margin=0.0)


@pytest.mark.parametrize("side", [1, -1])
def test_two_fractions_of_one_asset_need_what_is_held_between_them_and_at_the_end(
    side: int,
) -> None:
    """50 to one side, 140 to the other: 90 at 200 are left, of which 10,000 carry 50."""
    script = {
        0: [
            lambda s: s.order_target_percent("A", -0.5 * side),
            lambda s: s.order_target_percent("A", 0.9 * side),
        ]
    }
    result = play(DOUBLED, script, account=NO_LEVERAGE)
    first, second = (pytest.approx(n * side * 50 / 90, rel=1e-9) for n in (-50, 140))
    assert fills(result) == [(1, "A", first, 200), (1, "A", second, 200)]


def test_the_first_of_two_fractions_of_one_asset_is_carried_too() -> None:
    """90 at 200 at first, 10 at the end."""
    script = {
        0: [
            lambda s: s.order_target_percent("A", 0.9),
            lambda s: s.order_target_percent("A", 0.1),
        ]
    }
    result = play(DOUBLED, script, account=NO_LEVERAGE)
    first, second = (pytest.approx(n * 50 / 90, rel=1e-9) for n in (90, -80))
    assert fills(result) == [(1, "A", first, 200), (1, "A", second, 200)]


def test_two_fractions_of_one_asset_share_its_volume() -> None:
    """60 a bar: the first takes 50 of it, so that C, and not the second, has the room."""
    bars: list[Row] = [*flat(100, 1, 60), *flat(200, 1, 60)]
    script = {0: [lambda s: s.buy_percent("A", 0.5), lambda s: s.buy_percent("A", 0.5)]}
    execution = ExecutionPolicy(participation=1.0)
    result = play(bars, script, account=NO_LEVERAGE, execution=execution)
    # 60 at 200 are 12,000: both are cut by 10 / 12.
    parts = [pytest.approx(n * 10 / 12, rel=1e-9) for n in (50, 10)]
    assert [row[2] for row in fills(result)] == parts


def test_a_fraction_that_only_closes_by_its_turn_is_not_cut() -> None:
    """A is bought in between; 30 of it go, though B can have but a part of what it asks for."""
    script = {
        0: [
            lambda s: s.buy("A", 40),
            lambda s: s.order_target_percent("A", 0.1),
            lambda s: s.buy_percent("B", 2.0),
        ]
    }
    bars = {"A": flat(100, 2), "B": flat(100, 2)}
    result = play(bars, script, account=NO_LEVERAGE)
    # What A and B would open, 30 and 200, shares the 100 that the account carries.
    b = pytest.approx(200 * 100 / 230, rel=1e-9)
    assert fills(result) == [(1, "A", 40, 100), (1, "A", -30, 100), (1, "B", b, 100)]


def test_a_fraction_that_reverses_a_position_has_the_margin_that_it_sets_free() -> None:
    """200 at 90 tie up 9,000 of 8,000. Once they are sold, 8,000 carry a short of 16,000."""
    bars: list[Row] = [*flat(100, 2), *flat(90, 2)]
    script = {
        0: lambda s: s.buy("A", 200),
        2: lambda s: s.order_target_percent("A", -3.0),
    }
    result = play(bars, script, account=MarginAccount())
    assert fills(result)[1:] == [(3, "A", pytest.approx(-200 - 16_000 / 90, rel=1e-9), 90)]
    assert [row[:2] for row in orders(result)][1:] == [
        ("partial", "cut: insufficient buying power")
    ]


def test_a_strict_account_takes_no_part_of_a_fraction() -> None:
    account = CashAccount(shortfall="reject")
    result = play(flat(100, 3), {0: lambda s: s.buy_percent("A", 1.0)}, account=account, **TEN_BPS)
    assert orders(result) == [("rejected", "insufficient cash", 0)]


@pytest.mark.parametrize(
    "order",
    [
        lambda s: s.rebalance_to_weights({"A": 0.5}),
        lambda s: s.order_target_percent("A", 0.5),
        lambda s: s.buy_percent("A", 0.5),
        lambda s: s.order_target("A", 0.3),
    ],
    ids=["weight", "target of a fraction", "fraction", "target of shares"],
)
def test_what_is_no_lot_is_an_order_that_says_so(order: Action) -> None:
    """Half of 10,000 buys no share at 100,000."""
    policy = ExecutionPolicy(whole_shares=True)
    result = play(flat(100_000, 3), {0: order}, execution=policy)
    assert orders(result) == [("rejected", "below one lot", 0)]
