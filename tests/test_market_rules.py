"""What an exchange lets be traded, with every amount by hand: minimum holding, price limits, sizes.

`tests/test_money.py` holds the same rules to the reference in random worlds.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from ml4t.backtest import (
    BasisPointSlippage,
    CashAccount,
    Catalog,
    ConfigError,
    DataError,
    ExecutionPolicy,
    MarginAccount,
    MarketRules,
    NextClose,
    PerShareCommission,
)
from ml4t.backtest.risk import StopLoss, TakeProfit, TimeBasedExit
from money import differences, engine_run, holding_case, rates_case, reference_run
from scripted import Row, at, cash, day, equity, fills, flat, held, orders, play, trades

T1 = MarketRules(min_holding=1)
TEN: list[Row] = [(10, 10, 10, 10)]


def waits(result: Any) -> list[tuple[Any, ...]]:
    """(bar, rule, reason) of exits that began to wait."""
    bars = "(select timestamp, row_number() over (order by timestamp) - 1 as t from equity)"
    return result.sql(
        f"select t, rule, reason from decisions join {bars} using (timestamp) "
        "where action = 'wait' order by t"
    ).fetchall()


# -- what was bought is held -------------------------------------------------------------------


def test_a_stop_in_the_session_of_the_purchase_leaves_at_the_next_open() -> None:
    rows: list[Row] = [*TEN, (10, 10, 8, 9), (8.5, 9, 8, 9), *flat(9, 1)]
    free = play(rows, {0: lambda s: s.buy("A", 100)}, StopLoss(0.05))
    result = play(rows, {0: lambda s: s.buy("A", 100)}, StopLoss(0.05), market=T1)
    # Without the rule: sold at the level, 100 * (9.50 - 10.00) = -50.00.
    assert trades(free) == [("StopLoss", 100, -50)]
    # With it: sold at the open of the next session, 100 * (8.50 - 10.00) = -150.00.
    assert fills(result) == [(1, "A", 100, 10), (2, "A", -100, 8.5)]
    assert trades(result) == [("StopLoss", 100, -150)]
    assert orders(result)[1] == (
        "expired", "minimum holding: the rest follows at the next open", 0
    )  # fmt: skip
    # 10,000 - 1,000 + 100 * 9.00 at the close; then cash alone.
    assert equity(result) == [10_000, 9_900, 9_850, 9_850]


def test_shares_bought_earlier_are_sold_at_once_the_oldest_first() -> None:
    rows = [*TEN, *TEN, *flat(12, 1), *flat(11, 2)]
    script = {
        0: lambda s: s.buy("A", 100),
        1: [lambda s: s.buy("A", 50), lambda s: s.sell("A", 130, on_close=True)],
    }
    result = play(rows, script, market=T1, commission=PerShareCommission(0.01))
    # Of 150 at the close of bar 2 the 100 of bar 1 are free, and 30 of the 50 of bar 2 are not:
    # 100 * (12 - 10) = 200.00, less 100 * 0.01 twice = 198.00.
    assert fills(result) == [(1, "A", 100, 10), (2, "A", 50, 12), (2, "A", -100, 12)]
    assert trades(result) == [("order", 100, 198)]
    assert orders(result)[2] == ("partial", "minimum holding", -100)
    # 10,000 - 1,001.00 - 600.50 + 1,199.00
    assert cash(result)[2] == 9_597.50


def test_an_order_that_may_wait_waits_for_the_next_session_and_says_so() -> None:
    times = [at(hour, of_day) for of_day in range(3) for hour in (10, 14)]
    rows: list[Row] = [(price,) * 4 for price in (10, 10, 11, 12, 13, 14)]
    script = {
        1: lambda s: s.buy("A", 100),  # bought at 10 h of day 1 at 11
        2: [lambda s: s.sell("A", 40), lambda s: s.sell("A", 60, tif="gtc")],
    }
    result = play(rows, script, times=times, market=T1)
    # At 14 h of day 1 nothing is free: the day order is refused, the other fills at 10 h of day 2.
    assert fills(result) == [(2, "A", 100, 11), (4, "A", -60, 13)]
    assert orders(result)[1:] == [
        ("rejected", "minimum holding", 0), ("filled", "minimum holding: it waited", -60)
    ]  # fmt: skip
    assert trades(result) == [("order", 60, 120)]  # 60 * (13 - 11)


def test_the_exit_of_a_rule_waits_and_says_so_once() -> None:
    times = [at(hour, of_day) for of_day in range(2) for hour in (10, 11, 12, 13)]
    rows: list[Row] = [(price,) * 4 for price in (10, 10, 11, 12, 13, 14, 15, 16)]
    result = play(rows, {0: lambda s: s.buy("A", 10)}, TimeBasedExit(1), times=times, market=T1)
    # Bought at 11 h, to leave at 12 h after one bar; the first open of day 1 is bar 4, at 13.
    assert waits(result) == [(2, "TimeBasedExit", "minimum holding")]
    assert trades(result) == [("TimeBasedExit", 10, 30)]
    assert [row[0] for row in fills(result)] == [1, 4]


def test_a_target_weight_sells_what_is_free() -> None:
    times = [at(hour, of_day) for of_day in range(3) for hour in (10, 14)]
    script = {
        0: lambda s: s.order_target_weights({"A": 0.2}),
        1: lambda s: s.order_target_weights({"A": 0.5}),
        2: lambda s: s.order_target_weights({}),
        3: lambda s: s.order_target_weights({}),
    }
    result = play(flat(10, 6), script, times=times, market=T1)
    # 200 at 14 h of day 0, 300 more at 10 h of day 1; at 14 h the 200, the rest on day 2.
    assert fills(result) == [
        (1, "A", 200, 10), (2, "A", 300, 10), (3, "A", -200, 10), (4, "A", -300, 10)
    ]  # fmt: skip
    assert orders(result)[2] == ("partial", "minimum holding: the rest expired", -200)


def test_a_target_that_is_met_too_early_stays_a_target() -> None:
    rows: list[Row] = [*TEN, (10, 12, 10, 11), (10, 10.5, 10, 10), (10.5, 11.5, 10.5, 11)]
    result = play(rows, {0: lambda s: s.buy("A", 10)}, TakeProfit(0.1), market=T1)
    # 11.00 is met on bar 1, where nothing may be sold, and again on bar 3.
    assert fills(result)[1:] == [(3, "A", -10, 11)]
    assert orders(result)[1] == ("expired", "minimum holding: the rest stays its target", 0)


def test_a_split_leaves_when_a_lot_was_bought() -> None:
    rows = [*TEN, *TEN, *flat(5, 3)]
    actions = {"asset_id": ["A"], "ex_date": [day(2)], "kind": ["split"], "value": [2.0]}
    script = {
        0: lambda s: s.buy("A", 100),
        1: [lambda s: s.buy("A", 40), lambda s: s.sell("A", 240, on_close=True)],
    }
    result = play(rows, script, sources={"actions": actions}, market=T1)
    # 100 are 200 before the open of bar 2; the order of 40 is one of 80 then, and those wait.
    assert held(result)[1] == (2, "A", 80)
    assert trades(result) == [("order", 200, 0)]  # 200 * (5 - 10 / 2)


def test_short_sales_and_what_covers_them_are_free() -> None:
    script = {0: lambda s: s.sell("A", 10), 1: [lambda s: s.buy("A", 10, on_close=True)]}
    rows = [*TEN, *TEN, *flat(9, 2)]
    account = CashAccount(shorting=True)
    result = play(rows, script, account=account, market=MarketRules(min_holding=2))
    assert trades(result) == [("order", -10, 10)]  # -10 * (9 - 10), two sessions would be bar 3
    # A sale that turns the position over sells what is held first, and that waits.
    script = {0: lambda s: s.buy("A", 10), 1: [lambda s: s.sell("A", 30, tif="gtc")]}
    result = play(flat(10, 5), script, account=account, market=MarketRules(min_holding=2))
    assert fills(result) == [(1, "A", 10, 10), (3, "A", -30, 10)]


def test_an_asset_may_have_a_rule_of_its_own() -> None:
    bars = {"A": flat(10, 4), "B": flat(10, 4), "C": flat(10, 4)}
    assets = {"asset_id": ["A", "B", "C"], "min_holding": [0, None, 2]}
    script = {
        0: [lambda s, name=name: s.buy(name, 10) for name in "ABC"],
        1: [lambda s, name=name: s.sell(name, 10) for name in "ABC"],
    }
    policy = ExecutionPolicy(timing=NextClose())
    result = play(bars, script, sources={"assets": assets}, market=T1, execution=policy)
    # Bought at the close of bar 1, to be sold at that of bar 2: C may be sold on bar 3.
    assert [(t, name) for t, name, quantity, _ in fills(result) if quantity < 0] == [
        (2, "A"), (2, "B")
    ]  # fmt: skip
    assert orders(result)[-1] == ("rejected", "minimum holding", 0)


# -- price limits as rates of the previous close -----------------------------------------------

RATED = ("open", "high", "low", "close", "prev_close", "limit_rate")
CENTS = {"assets": {"asset_id": ["A"], "tick_size": [0.01]}}


def opens(before: float, rate: float | None, price: float, **more: Any) -> str:
    """Say what becomes of a buy that meets an open at a price, or of a sale of what is held."""
    calm: Row = (before, before, before, before, before, 0.1)
    bar: Row = (price, price, price, price, before, rate)
    script = {0: lambda s: s.buy("A", 1), 1: [lambda s: s.buy("A", 1), lambda s: s.sell("A", 1)]}
    result = play([calm, calm, bar], script, names=RATED, **{"sources": CENTS, **more})
    return " ".join(reason for _, reason, _ in orders(result)[1:] if reason) or "both fill"


@pytest.mark.parametrize(
    ("before", "rate", "price", "expected"),
    [
        # Main board, 10%: 10.05 * 1.1 = 11.055, half up 11.06; 10.05 * 0.9 = 9.045, half up 9.05.
        (10.05, 0.1, 11.05, "both fill"),
        (10.05, 0.1, 11.06, "limit up"),
        (10.05, 0.1, 9.06, "both fill"),
        (10.05, 0.1, 9.05, "limit down"),
        # 10.04 * 1.1 = 11.044, which is 11.04.
        (10.04, 0.1, 11.03, "both fill"),
        (10.04, 0.1, 11.04, "limit up"),
        # ST, 5%: 3.30 * 1.05 = 3.465, half up 3.47; 3.30 * 0.95 = 3.135, half up 3.14.
        (3.30, 0.05, 3.46, "both fill"),
        (3.30, 0.05, 3.47, "limit up"),
        (3.30, 0.05, 3.14, "limit down"),
        # 0.05 * 1.05 = 0.0525 is 0.05, no tick from it: the limit is one tick away, 0.06.
        (0.05, 0.05, 0.06, "limit up"),
        (0.05, 0.05, 0.05, "both fill"),
        # The first days of an asset have no limit.
        (10.0, None, 14.0, "both fill"),
    ],
)
def test_a_limit_is_a_rate_of_the_previous_close_on_ticks(
    before: float, rate: float | None, price: float, expected: str
) -> None:
    assert opens(before, rate, price) == expected


def test_limits_round_toward_the_previous_close_where_the_market_does() -> None:
    # 9,990 * 1.3 = 12,987: on ticks of 10 that is 12,990, or 12,980 inward.
    tens = {"assets": {"asset_id": ["A"], "tick_size": [10.0]}}
    inward = MarketRules(limit_rounding="inward")  # type: ignore[arg-type]
    assert opens(9_990, 0.3, 12_980, sources=tens, capital=100_000) == "both fill"
    assert opens(9_990, 0.3, 12_980, sources=tens, capital=100_000, market=inward) == "limit up"


def test_the_rate_of_a_board_may_change_on_a_date() -> None:
    """ChiNext had 10% until 2020-08-21, a Friday, and has 20% since Monday 2020-08-24."""
    days = [date(2020, 8, 20), date(2020, 8, 21), date(2020, 8, 24), date(2020, 8, 25)]
    rows = [(10, 10, 10, 10, 10, 0.1), (11, 11, 11, 11, 10, 0.1), (12.1, 12.1, 12.1, 12.1, 11, 0.2)]
    script = {t: lambda s: s.buy("A", 10) for t in (0, 1)}
    result = play([*rows, (14.52, 14.52, 14.52, 14.52, 12.1, 0.2)], script, names=RATED,
                  times=days, sources=CENTS)  # fmt: skip
    # 10.00 * 1.1 = 11.00 locks buyers out on Friday; 11.00 * 1.2 = 13.20 is beyond 12.10.
    assert orders(result) == [("rejected", "limit up", 0), ("filled", "", 10)]
    assert fills(result) == [(2, "A", 10, 12.1)]
    # 10,000 - 10 * 12.10, then marked at 14.52.
    assert equity(result)[2:] == [10_000, 10_024.2]


def test_slippage_takes_no_fill_beyond_a_limit_that_is_a_rate() -> None:
    rows: list[Row] = [(10, 10, 10, 10, 10, 0.1), (10.98, 10.98, 10.98, 10.98, 10, 0.1)]
    costs = {"slippage": BasisPointSlippage(100)}
    result = play(rows, {0: lambda s: s.buy("A", 1)}, names=RATED, sources=CENTS, **costs)
    # 10.98 * 1.01 = 11.0898, but nobody sells above 11.00.
    assert fills(result) == [(1, "A", 1, 11)]


# -- sizes -------------------------------------------------------------------------------------


def test_an_order_above_the_maximum_is_rejected_and_a_change_to_one_is_not_made() -> None:
    assets = {"assets": {"asset_id": ["A", "B"], "max_order": [100, None]}}
    script = {
        0: [
            lambda s: s.buy("A", 101),
            lambda s: s.buy("A", 100),
            lambda s: s.buy("B", 101),
            lambda s: s.orders.update(limit=s.buy("A", 60, limit=9)),
        ],
        1: lambda s: s.replace(s.orders["limit"], quantity=150),
        2: lambda s: s.order_target_weights({}),
    }
    rows: list[Row] = [*flat(10, 2), (9, 9, 9, 9), *flat(9, 1)]
    result = play({"A": rows, "B": flat(10, 4)}, script, sources=assets)
    assert orders(result)[:2] == [
        ("rejected", "above the maximum order size", 0), ("filled", "", 100)
    ]  # fmt: skip
    # 100 of A and 101 of B at 10.00, the 60 at 9.00; target weights are as many orders as it takes.
    assert fills(result) == [
        (1, "A", 100, 10), (1, "B", 101, 10), (2, "A", 60, 9), (3, "A", -160, 9), (3, "B", -101, 10)
    ]  # fmt: skip
    # 10,000 - 1,000 - 1,010 - 540 + 1,440 + 1,010
    assert cash(result)[-1] == 9_900


def test_an_odd_lot_is_sold_with_all_of_its_position_alone() -> None:
    assets = {"asset_id": ["A"], "lot_size": [100]}
    actions = {"asset_id": ["A"], "ex_date": [day(2)], "kind": ["split"], "value": [1.3]}
    sources = {"assets": assets, "actions": actions}
    rows: list[Row] = [*flat(13, 2), *flat(10, 3)]

    def sold(*ways: Any) -> list[tuple[Any, ...]]:
        result = play(rows, {0: lambda s: s.buy("A", 100), 2: list(ways)}, sources=sources)
        return [row[2:] for row in fills(result)[1:]]

    # 100 are 130 after the split; all of them are sold whole, a part in lots of 100.
    assert sold(lambda s: s.sell("A", 130)) == [(-130, 10)]
    assert sold(lambda s: s.order_target("A", 0)) == [(-130, 10)]
    assert sold(lambda s: s.order_target_weights({})) == [(-130, 10)]
    assert sold(lambda s: s.sell("A", 120)) == [(-100, 10)]
    assert sold(lambda s: s.sell("A", 30)) == []


# -- what is refused before the run ------------------------------------------------------------


def test_bars_of_a_week_say_no_sessions() -> None:
    times = [day(0) + timedelta(weeks=week) for week in range(4)]
    with pytest.raises(ConfigError, match=r"most bars are 7 days apart.*use bars of a day or less"):
        play(flat(10, 4), {}, times=times, market=T1)
    assert play(flat(10, 4), {}, times=times).metrics["n_trades"] == 0


@pytest.mark.parametrize("value", [-1, 0.5, float("nan"), float("inf")])
def test_a_min_holding_that_counts_no_sessions_is_refused(value: float) -> None:
    catalog = Catalog().register("assets", {"asset_id": ["A"], "min_holding": [float(value)]})
    catalog.register("prices", {"timestamp": [day(0)], "asset_id": ["A"], "close": [10.0]})
    with pytest.raises(DataError, match="no whole number of sessions"):
        catalog.validate()
    with pytest.raises(ConfigError, match="min_holding must be a whole number of at least 0"):
        MarketRules(min_holding=value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "row", "said"),
    [
        (RATED[:4] + RATED[5:], (10, 10, 10, 10, 0.1), "there is no number prev_close"),
        ((*RATED, "limit_up"), (10, 10, 10, 10, 10, 0.1, 11), "there is a limit_up too"),
        (RATED, (10, 10, 10, 10, 10, 10.0), "is no fraction above 0 and below 1"),
        (RATED, (10, 10, 10, 10, None, 0.1), "has no prev_close above 0"),
        (RATED, (10, 10, 10, 10, 20, 0.1), "that the close is beyond; use NULL"),
    ],
)
def test_rates_that_say_no_limit_are_refused(
    names: tuple[str, ...], row: tuple[float | None, ...], said: str
) -> None:
    calm: Row = (10, 10, 10, 10, 10, 0.1, 11)[: len(row)] if "prev_close" in names else row
    with pytest.raises(DataError, match=said) as caught:
        play([calm, row], {}, names=names)
    assert caught.value.rule == "limit_rate_not_valid"


def test_no_more_shares_are_sold_short_than_were_located() -> None:
    days = [day(t) for t in range(6)]
    borrow = {
        "timestamp": days, "asset_id": ["A"] * 6, "fee": [0.0] * 6,
        "shares": [100.0, 100.0, 100.0, 250.0, None, None],
    }  # fmt: skip
    script = {
        0: [lambda s: s.sell("A", 101)],  # more than there are
        1: [lambda s: s.sell("A", 100)],
        2: [lambda s: s.sell("A", 1)],  # none is left
        3: [lambda s: s.sell("A", 150)],  # 100 and 150 are 250
        4: [lambda s: s.sell("A", 1_000)],  # any number
    }
    result = play(
        flat(10, 6), script, capital=1_000_000, account=MarginAccount(), sources={"borrow": borrow}
    )
    assert [row[0::2][:2] for row in fills(result)] == [(2, -100.0), (4, -150.0), (5, -1_000.0)]
    reasons = result.sql("select reason from orders where reason <> ''").fetchall()
    assert reasons == [("not available to borrow",)] * 2


# -- random worlds -----------------------------------------------------------------------------


def test_random_cases_with_limit_rates_equal_the_reference() -> None:
    ends = set[Any]()
    for seed in (4,):
        case = rates_case(seed)
        result = engine_run(*case)
        assert differences(result, reference_run(*case)) == [], seed
        ends |= set(result.sql("select reason from orders").fetchall())
    assert {("limit up",), ("limit down",)} <= ends


def test_random_cases_with_a_minimum_holding_equal_the_reference() -> None:
    ends, n_waits = set[Any](), 0
    for seed in (8, 12):
        case = holding_case(seed)
        result = engine_run(*case)
        assert differences(result, reference_run(*case)) == [], seed
        ends |= set(result.sql("select status, split_part(reason, ':', 1) from orders").fetchall())
        n_waits += len(waits(result))
    # They would prove little if what they are about never happened.
    assert n_waits
    assert {(status, "minimum holding") for status in ("expired", "partial", "rejected")} <= ends
