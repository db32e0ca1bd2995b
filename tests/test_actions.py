"""Corporate actions and the universe: what they do to money, orders and levels; by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from effort import each_value
from ml4t.backtest import (
    ActionPolicy,
    BacktestResult,
    BasisPointCommission,
    CashAccount,
    ExecutionPolicy,
    Financing,
    MarginAccount,
)
from ml4t.backtest.core.batch import Selection
from ml4t.backtest.risk import (
    AllOf,
    AnyOf,
    BreakevenStop,
    DynamicTrailingStop,
    MaxDrawdown,
    RiskRule,
    ScaledExit,
    StopLoss,
    TakeProfit,
    TimeBasedExit,
    TrailingStop,
    VolatilityScaledStopLoss,
    VolatilityTrailingStop,
)
from scripted import Action, Row, at, cash, day, equity, fills, flat, flows, held, orders, trades
from scripted import play as play_script

MARGIN = MarginAccount(initial_margin=0.5, maintenance_margin=0.0)
WHOLE = ExecutionPolicy(whole_shares=True)
REINVEST = ActionPolicy(reinvest_dividends=True)
Act = dict[str, Any]


def act(kind: str, when: int | datetime, value: float | None = None, **more: Any) -> Act:
    """One action of A; `when` is its day. `pay` is the day of payment, `to` the new name."""
    pay = more.get("pay")
    return {
        "asset_id": more.get("asset", "A"),
        "ex_date": day(when) if isinstance(when, int) else when,
        "kind": kind,
        "value": value,
        "pay_date": None if pay is None else day(pay),
        "new_asset_id": more.get("to"),
    }


def source(actions: Sequence[Act]) -> dict[str, list[Any]]:
    """Actions as columns, the optional ones only where they say something."""
    table = {name: [action[name] for action in actions] for name in actions[0]}
    return {name: column for name, column in table.items() if name == "value" or any(column)}


def play(
    assets: dict[str, list[Row]] | list[Row],
    script: dict[int, Action | list[Action]],
    happened: Sequence[Act],
    *rules: RiskRule,
    sources: dict[str, Any] | None = None,
    **settings: Any,
) -> BacktestResult:
    """Run a script with actions on 10,000; a list of rows is asset A."""
    own = {"actions": source(happened)} if happened else {}
    return play_script(assets, script, *rules, sources={**own, **(sources or {})}, **settings)


def buy(quantity: float, asset: str = "A", **terms: Any) -> Action:
    return lambda strategy: strategy.buy(asset, quantity, **terms)


def sell(quantity: float, asset: str = "A", **terms: Any) -> Action:
    return lambda strategy: strategy.sell(asset, quantity, **terms)


def weigh(**weights: float) -> Action:
    """Order target weights."""

    def order(strategy: Any) -> None:
        sids = np.array([strategy.broker.sid(asset) for asset in weights])
        share = np.array(list(weights.values()))
        strategy.broker.order_targets(Selection(sids=sids, scores=share, weights=share))

    return order


def asked(result: BacktestResult) -> list[tuple[Any, ...]]:
    """(tag, quantity, limit, stop) of every order, by number, to ten digits."""
    return result.sql(
        """
        select tag, round(quantity, 10), round(limit_price, 10), round(stop_price, 10)
        from orders order by order_id
        """
    ).fetchall()


def lots(result: BacktestResult) -> list[tuple[Any, ...]]:
    """(asset, quantity, entry price) of every trade, closed ones first, to ten digits."""
    return result.sql(
        """
        select asset_id, round(quantity, 10), round(entry_price, 10)
        from trades order by trade_id
        """
    ).fetchall()


# -- splits: positions ------------------------------------------------------------------------


def test_a_split_changes_shares_and_lots_and_no_value() -> None:
    assets = {"A": [*flat(100, 2), *flat(25, 2)], "B": [*flat(40, 2), *flat(80, 2)]}
    script = {0: [buy(10), sell(10, "B")], 2: [sell(30), buy(5, "B")]}
    splits = [act("split", 2, 4.0), act("split", 2, 0.5, asset="B")]
    result = play(assets, script, splits, account=MARGIN)
    assert equity(result) == [10_000] * 4
    assert held(result) == [
        (1, "A", 10), (1, "B", -10), (2, "A", 40), (2, "B", -5), (3, "A", 10),
    ]  # fmt: skip
    assert trades(result) == [("order", 30, 0), ("order", -5, 0)]
    assert lots(result) == [("A", 30, 25), ("B", -5, 80), ("A", 10, 25)]
    assert flows(result) == []


def test_commission_paid_on_lots_before_a_split_is_not_lost() -> None:
    rows = [*flat(100, 2), *flat(25, 2)]
    result = play(
        rows, {0: buy(10), 2: sell(40)}, [act("split", 2, 4.0)],
        commission=BasisPointCommission(10),
    )  # fmt: skip
    # 10 x 100 and 40 x 25 at ten basis points: 1 each.
    assert trades(result) == [("order", 40, -2)]
    assert equity(result) == [10_000, 9_999, 9_999, 9_998]


# Thursday, Friday and, day 4, Monday: an ex-date of 2 or 3 has no bar.
WEEKEND = [day(-1), day(0), day(4), day(5)]


@pytest.mark.parametrize("when", [1, 3, 4])
def test_a_split_counts_from_the_first_bar_after_it(when: int) -> None:
    rows = [*flat(100, 2), *flat(50, 2)]
    result = play(rows, {0: buy(10)}, [act("split", when, 2.0)], times=WEEKEND)
    assert held(result) == [(1, "A", 10), (2, "A", 20), (3, "A", 20)]
    assert equity(result) == [10_000] * 4


def test_a_split_counts_on_a_day_on_which_the_asset_has_no_bar() -> None:
    assets = {"A": [*flat(100, 2), None, *flat(50, 1)], "B": flat(1, 4)}
    result = play(assets, {0: buy(10)}, [act("split", 2, 2.0)])
    assert held(result) == [(1, "A", 10), (2, "A", 20), (3, "A", 20)]
    assert equity(result) == [10_000] * 4


def test_a_queued_market_order_is_of_new_shares() -> None:
    rows = [*flat(100, 2), *flat(50, 2)]
    script = {0: buy(10), 1: buy(5), 2: lambda s: s.order_target("A", 10)}
    result = play(rows, script, [act("split", 2, 2.0)])
    assert fills(result) == [(1, "A", 10, 100), (2, "A", 10, 50), (3, "A", -20, 50)]


@pytest.mark.parametrize("sized_at", ["fill", "decision"])
@pytest.mark.parametrize("whole", [False, True])
def test_queued_target_weights_are_of_new_shares(sized_at: str, whole: bool) -> None:
    rows = [*flat(100, 2), *flat(40, 1)]
    policy = ExecutionPolicy(sized_at=sized_at, whole_shares=whole)  # type: ignore[arg-type]
    result = play(rows, {1: weigh(A=0.13)}, [act("split", 2, 2.5)], execution=policy)
    # 1,300 buy 13 shares at 100, or 32.5 at 40.
    assert fills(result) == [(2, "A", 32 if whole else 32.5, 40)]


def test_a_queued_exit_sells_the_new_shares() -> None:
    rows = [*flat(100, 2), *flat(50, 1)]
    for side in (buy, sell):
        result = play(rows, {0: side(10)}, [act("split", 2, 2.0)], TimeBasedExit(1), account=MARGIN)
        assert [row[2] for row in fills(result)] in ([10, -20], [-10, 20])
        assert equity(result) == [10_000] * 3


def test_the_rest_of_an_exit_that_volume_held_back_is_of_new_shares() -> None:
    rows = [*flat(100, 2, 40), *flat(100, 1, 8), *flat(50, 2, 40)]
    policy = ExecutionPolicy(participation=0.5)
    split = [act("split", 3, 2.0)]
    result = play(rows, {0: buy(10)}, split, TimeBasedExit(1), execution=policy)
    # 4 of 10 at the first open; the 6 left are 12.
    assert fills(result)[1:] == [(2, "A", -4, 100), (3, "A", -12, 50)]


def test_what_a_short_has_paid_for_borrowing_goes_through_a_split_and_a_rename() -> None:
    assets = {"A": [*flat(100, 2), *flat(50, 1)], "B": [None, None, None, *flat(50, 2)]}
    happened = [act("split", 2, 2.0), act("rename", 3, to="B")]
    result = play(
        assets, {0: sell(10), 3: buy(20, "B")}, happened, account=MARGIN,
        financing=Financing(borrow_rate=0.365),
    )  # fmt: skip
    # A thousandth of 1,000 a day, from the close of day 1 to that of day 3; a day more to day 4.
    assert [row[2:] for row in flows(result)] == [("borrow", -1)] * 3
    assert trades(result) == [("order", -20, -3)]
    assert result.sql("select round(sum(borrow), 9) from trades").fetchall() == [(3,)]


# -- splits: open orders ----------------------------------------------------------------------


def test_prices_and_quantities_of_open_orders_are_restated() -> None:
    rows = [*flat(100, 3), *flat(50, 1)]
    script = {
        0: buy(10),
        1: [
            buy(4, limit=92, take_profit=110, stop_loss=84),
            sell(3, stop=88),
            buy(2, stop=120, limit=124),
            sell(3, limit=130),
        ],
    }
    result = play(rows, script, [act("split", 3, 2.0)])
    assert asked(result) == [
        ("order", 10, None, None),
        ("order", 8, 46, None),
        ("take_profit", -8, 55, None),
        ("stop_loss", -8, None, 42),
        ("order", -6, None, 44),
        ("order", 4, 62, 60),
        ("order", -6, 65, None),
    ]


def test_restated_orders_fill_at_their_new_prices() -> None:
    rows = [*flat(100, 2), (50, 51, 45.5, 47), (47, 56, 46.5, 55)]
    script = {0: buy(10), 1: [buy(4, limit=92, take_profit=110, stop_loss=84), sell(3, stop=91)]}
    result = play(rows, script, [act("split", 2, 2.0)])
    # Stops before limits in one bar: 6 at 45.5, then 8 at 46, which leave at 55.
    assert fills(result)[1:] == [(2, "A", -6, 45.5), (2, "A", 8, 46), (3, "A", -8, 55)]
    assert trades(result) == [("order", 6, -27), ("take_profit", 8, 40)]


def test_restated_orders_of_a_short_fill_at_their_new_prices() -> None:
    rows = [*flat(100, 2), (50, 54.5, 49, 53), (53, 53.5, 44, 45)]
    script = {0: sell(10), 1: [sell(4, limit=108, take_profit=90, stop_loss=116), buy(3, stop=109)]}
    result = play(rows, script, [act("split", 2, 2.0)], account=MARGIN)
    assert fills(result)[1:] == [(2, "A", 6, 54.5), (2, "A", -8, 54), (3, "A", 8, 45)]
    assert trades(result) == [("order", -6, -27), ("take_profit", -8, 40)]


@pytest.mark.parametrize(
    ("order", "rows"),
    [
        (buy(10, take_profit=120, stop_loss=90), [(50, 52, 46, 50), (50, 52, 44, 44)]),
        (sell(10, take_profit=80, stop_loss=110), [(50, 54, 48, 50), (50, 56, 48, 56)]),
    ],
)
def test_the_live_legs_of_a_bracket_close_the_new_shares(order: Action, rows: list[Row]) -> None:
    result = play([*flat(100, 2), *rows], {0: order}, [act("split", 2, 2.0)], account=MARGIN)
    assert [(row[0], row[1], row[2] * row[3]) for row in fills(result)[1:]] in (
        [(3, "A", -20 * 45)], [(3, "A", 20 * 55)],
    )  # fmt: skip
    assert [row[:2] for row in orders(result)[1:]] == [
        ("cancelled", "one cancels other"), ("filled", ""),
    ]  # fmt: skip
    assert [row[0] for row in trades(result)] == ["stop_loss"]


@pytest.mark.parametrize("trail", [{"trail": 1.0}, {"trail_fraction": 0.1}])
def test_a_trailing_order_goes_through_a_reverse_split(trail: dict[str, float]) -> None:
    rows = [*flat(10, 2), (100, 120, 95, 115), (115, 118, 107, 110)]
    result = play(rows, {0: buy(10), 1: sell(10, **trail)}, [act("split", 2, 0.1)])
    # The best price of 10 is 100: a level of 90. After the bar it is 120: 110, or 108.
    price = 110 if "trail" in trail else 108
    assert fills(result)[1:] == [(3, "A", -1, price)]


# -- splits: whole shares and ticks -----------------------------------------------------------


@pytest.mark.parametrize(("side", "sign"), [(buy, 1), (sell, -1)])
def test_the_fraction_of_a_share_is_paid_in_cash(side: Any, sign: int) -> None:
    rows = [(30, 30, 30, 30), (30, 36, 30, 36), *flat(24, 1)]
    result = play(rows, {0: side(11)}, [act("split", 2, 1.5)], execution=WHOLE, account=MARGIN)
    # 16.5 shares; the half is worth 36 / 1.5 = 24, and was entered at 30 / 1.5 = 20.
    assert flows(result) == [(2, "A", "cash in lieu", sign * 12)]
    assert trades(result) == [("cash in lieu", sign * 0.5, sign * 2)]
    assert held(result)[-1] == (2, "A", sign * 16)
    assert equity(result) == [10_000, 10_000 + sign * 66, 10_000 + sign * 66]


def test_cash_in_lieu_comes_from_the_oldest_lot() -> None:
    rows = [*flat(30, 1), *flat(30, 1), *flat(33, 1), *flat(22, 1)]
    script = {0: buy(3), 1: buy(4)}
    result = play(rows, script, [act("split", 3, 1.5)], execution=WHOLE)
    # 4.5 at 20 and 6 at 22: the half comes from the first.
    assert lots(result) == [("A", 0.5, 20), ("A", 4, 20), ("A", 6, 22)]
    assert trades(result) == [("cash in lieu", 0.5, 1)]


def test_a_position_below_one_share_is_paid_out_and_its_exits_end() -> None:
    rows = [*flat(10, 2), *flat(100, 2)]
    script = {0: buy(1, take_profit=12, stop_loss=8), 2: buy(1)}
    result = play(rows, script, [act("split", 2, 0.1)], StopLoss(0.5), execution=WHOLE)
    assert flows(result) == [(2, "A", "cash in lieu", 10)]
    assert held(result) == [(1, "A", 1), (3, "A", 1)]
    assert orders(result)[1:3] == [("cancelled", "split", 0)] * 2


def test_open_orders_of_whole_shares_are_cut_and_below_one_share_end() -> None:
    rows = flat(30, 3)
    script = {0: buy(20), 1: [sell(5, limit=60), sell(1, limit=60)]}
    more = play(rows, script, [act("split", 2, 1.5)], execution=WHOLE)
    assert asked(more)[1:] == [("order", -7, 40, None), ("order", -1, 40, None)]
    less = play(rows, script, [act("split", 2, 0.5)], execution=WHOLE)
    assert asked(less)[1][1:3] == (-2, 120)
    assert orders(less)[2] == ("cancelled", "split", 0)


def test_a_split_leaves_an_odd_lot_and_cash_for_a_part_of_a_share() -> None:
    rows = [*flat(30, 2), *flat(20, 1)]
    terms = {"assets": {"asset_id": ["A"], "lot_size": [10.0]}}
    result = play(rows, {0: buy(10)}, [act("split", 2, 1.55)], sources=terms)
    # 10 * 1.55 = 15.5 at 30 / 1.55: half a share is 9.677419 of cash, 15 a lot and an odd one.
    assert flows(result) == [(2, "A", "cash in lieu", pytest.approx(0.5 * 30 / 1.55))]
    assert held(result)[-1] == (2, "A", 15)


def test_restated_prices_are_on_ticks() -> None:
    rows = [*flat(100, 2), *flat(33, 2)]
    script = {0: buy(3), 1: [buy(1, limit=50), sell(1, limit=110), sell(1, stop=80)]}
    terms = {"assets": {"asset_id": ["A"], "tick_size": [0.25]}}
    result = play(rows, script, [act("split", 2, 3.0)], sources=terms)
    # 16.67 buys at 16.50 at most, 36.67 sells at 36.75 at least; the stop of 26.67 is at 26.50.
    assert asked(result)[1:] == [
        ("order", 3, 16.5, None), ("order", -3, 36.75, None), ("order", -3, None, 26.5),
    ]  # fmt: skip


# -- splits: levels of rules ------------------------------------------------------------------


def test_a_stop_and_a_target_in_force_are_divided_before_the_open() -> None:
    rules = (StopLoss(0.1), TakeProfit(0.2))
    split = [act("split", 2, 2.0)]
    calm = [*flat(100, 2), (50, 59.9, 45.1, 50)]
    assert len(fills(play(calm, {0: buy(10)}, split, *rules))) == 1
    down = [*flat(100, 2), (50, 59.9, 44.9, 50)]
    assert fills(play(down, {0: buy(10)}, split, *rules))[1:] == [(2, "A", -20, 45)]
    up = [*flat(100, 2), (50, 60.1, 45.1, 50)]
    result = play(up, {0: buy(10)}, split, *rules)
    assert fills(result)[1:] == [(2, "A", -20, 60)]
    acted = "select rule, action, level from decisions"
    assert result.sql(acted).fetchall() == [("TakeProfit", "target", 60)]


def test_the_levels_of_a_short_in_force_are_divided_before_the_open() -> None:
    rules = (StopLoss(0.1), TakeProfit(0.2))
    rows = [*flat(100, 2), (50, 54.9, 40.1, 50), (50, 55.1, 45, 50)]
    result = play(rows, {0: sell(10)}, [act("split", 2, 2.0)], *rules, account=MARGIN)
    assert fills(result)[1:] == [(3, "A", 20, 55)]


def test_a_water_mark_from_before_a_split_is_divided() -> None:
    rows = [*flat(100, 1), (100, 140, 100, 130), (65, 66, 64, 65), (65, 65, 62, 62)]
    result = play(rows, {0: buy(10)}, [act("split", 2, 2.0)], TrailingStop(0.1))
    # 140 is 70: the level is 63 on both days.
    assert fills(result)[1:] == [(3, "A", -20, 63)]


@pytest.mark.parametrize(("ratio", "level"), [(2.0, 48), (0.5, 192)])
def test_a_trail_in_units_of_price_is_divided_by_a_split(ratio: float, level: float) -> None:
    price = 100 / ratio
    rows = [*flat(100, 2), (price, price, price - 1, price - 1), (price, price, level - 2, level)]
    result = play(rows, {0: buy(10)}, [act("split", 2, ratio)], TrailingStop(amount=4.0))
    # 4 below 100 is 2 below 50, and 8 below 200.
    assert fills(result)[1:] == [(3, "A", -10 * ratio, level)]
    # After the split a distance is one of new shares.
    rows = [*flat(100, 2), *flat(price, 2), (price, price, price - 4, price)]
    later = play(rows, {2: buy(10)}, [act("split", 2, ratio)], TrailingStop(amount=4.0))
    assert fills(later)[1:] == [(4, "A", -10, price - 4)]


def test_a_volatility_known_before_a_split_is_divided_for_the_entry_bar() -> None:
    rows = [*flat(100, 1), (50, 50, 47, 50)]
    features = {"timestamp": [day(0)], "asset_id": ["A"], "atr": [4.0]}
    result = play(
        rows, {0: buy(10)}, [act("split", 1, 2.0)], VolatilityScaledStopLoss(1.0),
        sources={"features": features},
    )  # fmt: skip
    assert fills(result) == [(1, "A", 20, 50), (1, "A", -20, 48)]


RULES = (
    StopLoss(0.06),
    TakeProfit(0.11),
    TrailingStop(0.08),
    DynamicTrailingStop(0.09),
    VolatilityScaledStopLoss(1.5),
    VolatilityTrailingStop(2.0),
    BreakevenStop(0.05, 0.01),
    ScaledExit(((0.03, 0.25), (0.08, 0.5))),
    AnyOf((StopLoss(0.07), TrailingStop(0.09))),
    AllOf((StopLoss(0.02), TimeBasedExit(2))),
)


@each_value
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize(("side", "ratio"), [(1, 2.0), (-1, 0.125)])
def test_a_split_changes_no_exit_of_a_rule(rule: RiskRule, side: int, ratio: float) -> None:
    """The run with a split at bar 4 is the run without it, in other shares."""
    path = [100 + side * move for move in (0, 0, 2, 5, 9, 12, 4, -6, -9)]
    rows = [(p, p + 1.5, p - 1.5, p + 0.5 * side) for p in path]
    runs = []
    for actions in ([], [act("split", 4, ratio)]):
        # How many of the first shares one share is; exact, since ratios are powers of two.
        part = [1 / ratio if actions and t >= 4 else 1.0 for t in range(len(path))]
        atr = {"timestamp": [day(t) for t in range(9)], "asset_id": ["A"] * 9}
        atr["atr"] = [3.0 * n for n in part]
        bars: list[Row] = [
            tuple(price * n for price in row) for row, n in zip(rows, part, strict=True)
        ]
        order = buy(16) if side > 0 else sell(16)
        sources = {"features": atr}
        runs.append(play(bars, {0: order}, actions, rule, sources=sources, account=MARGIN))
    plain, split = runs
    assert fills(plain)[-1][0] >= 4
    assert equity(split) == equity(plain)
    assert trades_in_money(split) == trades_in_money(plain)
    acted = "select timestamp, rule, action from decisions order by all"
    assert split.sql(acted).fetchall() == plain.sql(acted).fetchall()


def trades_in_money(result: BacktestResult) -> list[tuple[Any, ...]]:
    """What of a trade is in no unit of shares."""
    return result.sql(
        """
        select exit_timestamp, exit_rule, bars_held, round(quantity * entry_price, 9),
            round(quantity * exit_price, 9), round(pnl, 9)
        from trades order by trade_id
        """
    ).fetchall()


# -- dividends --------------------------------------------------------------------------------


def test_what_is_held_before_the_ex_date_is_entitled() -> None:
    assets = {"A": flat(100, 3), "B": flat(100, 3)}
    script = {0: buy(10), 1: [sell(10), buy(10, "B")]}
    dividends = [act("dividend", 2, 1.5), act("dividend", 2, 2.5, asset="B")]
    result = play(assets, script, dividends)
    # A is sold, and B bought, at the open of the ex-date.
    assert flows(result) == [(2, "A", "dividend", 15)]
    assert equity(result) == [10_000, 10_000, 10_015]


def test_an_exit_inside_the_ex_date_keeps_the_dividend_and_a_trim_does_too() -> None:
    rows = [*flat(100, 2), (98, 99, 90, 95)]
    result = play(rows, {0: buy(10), 1: sell(4)}, [act("dividend", 2, 2.0)], StopLoss(0.08))
    assert flows(result) == [(2, "A", "dividend", 20)]
    # The stop of 92 is at 90 without the dividend.
    assert fills(result)[1:] == [(2, "A", -4, 98), (2, "A", -6, 90)]
    assert equity(result)[-1] == 10_000 + 20 - 4 * 2 - 6 * 10


def test_a_short_pays_the_dividend() -> None:
    rows = [*flat(100, 2), *flat(97, 1)]
    terms = {"assets": {"asset_id": ["A"], "multiplier": [10.0]}}
    result = play(rows, {0: sell(3)}, [act("dividend", 2, 3.0)], sources=terms, account=MARGIN)
    # The price falls by the dividend: 3 x 3 x 10 are gained and paid.
    assert flows(result) == [(2, "A", "dividend", -90)]
    assert equity(result) == [10_000] * 3


def test_cash_comes_on_the_pay_date_to_whoever_was_entitled() -> None:
    rows = flat(100, 6)
    script = {0: buy(10), 2: sell(10), 3: buy(20)}
    result = play(rows, script, [act("dividend", 2, 1.0, pay=4)])
    assert flows(result) == [(4, "A", "dividend", 10)]
    assert cash(result) == [10_000, 9_000, 9_000, 10_000, 8_010, 8_010]


def test_a_pay_date_without_a_bar_is_the_next_one() -> None:
    rows = flat(100, 4)
    result = play(rows, {0: buy(10)}, [act("dividend", 1, 1.0, pay=2)], times=WEEKEND)
    assert flows(result) == [(2, "A", "dividend", 10)]


def test_a_dividend_is_paid_where_the_asset_has_no_bar() -> None:
    assets = {"A": [*flat(100, 3), None, None], "B": flat(1, 5)}
    result = play(assets, {0: buy(10)}, [act("dividend", 2, 1.0, pay=3)])
    assert flows(result) == [(3, "A", "dividend", 10)]


def test_a_pay_date_after_the_last_bar_is_not_paid() -> None:
    rows = [*flat(100, 2), *flat(98, 1)]
    result = play(rows, {0: buy(10)}, [act("dividend", 2, 2.0, pay=9)])
    assert flows(result) == []
    assert equity(result) == [10_000, 10_000, 9_980]


def test_a_dividend_of_a_split_day_is_per_share_before_the_split() -> None:
    rows = [*flat(100, 2), *flat(48.5, 1)]
    for order in (buy, sell):
        sign = 1 if order is buy else -1
        result = play(
            rows, {0: order(10)}, [act("split", 2, 2.0), act("dividend", 2, 3.0)], account=MARGIN
        )
        assert flows(result) == [(2, "A", "dividend", sign * 30)]
        assert equity(result) == [10_000] * 3


def test_a_dividend_after_a_split_between_two_bars_is_per_new_share() -> None:
    rows = [*flat(100, 2), *flat(47, 2)]
    actions = [act("split", 2, 2.0), act("dividend", 3, 3.0)]
    result = play(rows, {0: buy(10)}, actions, times=WEEKEND)
    assert flows(result) == [(2, "A", "dividend", 60)]
    assert equity(result) == [10_000] * 4


def test_a_split_between_ex_date_and_pay_date_changes_no_dividend() -> None:
    rows = [*flat(100, 3), *flat(50, 2)]
    actions = [act("dividend", 2, 1.0, pay=4), act("split", 3, 2.0)]
    result = play(rows, {0: buy(10)}, actions)
    assert flows(result) == [(4, "A", "dividend", 10)]


def test_dividends_and_cash_in_lieu_are_part_of_trades() -> None:
    rows = [*flat(100, 2), *flat(39.6, 2)]
    actions = [act("dividend", 2, 1.0), act("split", 2, 2.5)]
    result = play(rows, {0: buy(11)}, actions, execution=WHOLE)
    kinds = "select kind, round(amount, 9), in_trades from cash_flows order by kind"
    # Half a new share, at what 100 less the dividend is of one: the dividend is paid already.
    assert result.sql(kinds).fetchall() == [
        ("cash in lieu", 19.8, True), ("deposit", 10_000, False), ("dividend", 11, True),
    ]  # fmt: skip
    gained = "select round(sum(pnl), 9), round(sum(dividends), 9) from trades"
    assert result.sql(gained).fetchall() == [(0, 11)]


def test_interest_is_on_the_cash_of_the_previous_close_without_the_dividend_of_today() -> None:
    result = play(
        flat(100, 3), {0: buy(10)}, [act("dividend", 2, 73.0)],
        financing=Financing(credit_rate=0.365),
    )  # fmt: skip
    # A thousandth a day: of 10,000, then of the 9,010 that 10 shares at 100 leave.
    assert flows(result) == [
        (1, None, "interest", 10), (2, "A", "dividend", 730), (2, None, "interest", 9.01),
    ]  # fmt: skip


# -- reinvestment -----------------------------------------------------------------------------


def test_a_dividend_buys_shares_at_the_close_of_its_pay_date_without_costs() -> None:
    rows = [*flat(100, 2), *flat(96, 1), (100, 100, 50, 50), *flat(60, 1)]
    result = play(
        rows, {0: buy(10), 3: sell(10.8)}, [act("dividend", 2, 4.0, pay=3)],
        actions=REINVEST, commission=BasisPointCommission(10),
    )  # fmt: skip
    assert fills(result) == [(1, "A", 10, 100), (3, "A", 0.8, 50), (4, "A", -10.8, 60)]
    row = "select created_at, quantity, order_type, status from orders where tag = 'reinvestment'"
    assert result.sql(row).fetchall() == [(day(3), 0.8, "market", "filled")]
    assert result.sql("select commission from fills order by fill_id").fetchall() == [
        (1,), (0,), (pytest.approx(0.648),),
    ]  # fmt: skip
    # 10 x (60 - 100 + 4) less 1 and 0.6, and 0.8 x (60 - 50) less 0.048.
    assert trades(result) == [("order", 10, -361.6), ("order", 0.8, 7.952)]
    assert cash(result)[1:4] == [8_999, 8_999, 8_999]


def test_reinvestment_in_whole_shares_leaves_the_rest_as_cash() -> None:
    rows = flat(100, 3)
    some = play(rows, {0: buy(10)}, [act("dividend", 2, 25.0)], actions=REINVEST, execution=WHOLE)
    assert held(some)[-1] == (2, "A", 12)
    assert cash(some) == [10_000, 9_000, 9_050]
    none = play(rows, {0: buy(10)}, [act("dividend", 2, 9.0)], actions=REINVEST, execution=WHOLE)
    assert held(none)[-1] == (2, "A", 10)
    assert cash(none)[-1] == 9_090


def test_a_short_and_what_was_sold_before_the_close_reinvest_nothing() -> None:
    dividend = [act("dividend", 2, 5.0)]
    short = play(flat(100, 3), {0: sell(10)}, dividend, account=MARGIN, actions=REINVEST)
    assert held(short)[-1] == (2, "A", -10)
    assert cash(short)[-1] == 11_000 - 50
    sold = play(flat(100, 3), {0: buy(10), 1: sell(10)}, dividend, actions=REINVEST)
    assert len(fills(sold)) == 2
    assert cash(sold)[-1] == 10_050


def test_a_halted_pay_date_reinvests_nothing() -> None:
    rows = [*flat(100, 2, 1), *flat(100, 1, 0), *flat(100, 1, 1)]
    result = play(rows, {0: buy(10)}, [act("dividend", 2, 5.0)], actions=REINVEST)
    assert held(result)[-1] == (3, "A", 10)
    assert flows(result) == [(2, "A", "dividend", 50)]


def test_rounding_keeps_no_dividend_from_being_reinvested() -> None:
    """All of the cash but 50 * 0.003 has not settled, and 5,000 + 0.15 - 5,000 is not quite it."""
    script = {0: [buy(50), buy(50, "B")], 1: sell(50, "B")}
    result = play(
        {"A": flat(100, 3), "B": flat(100, 3)}, script, [act("dividend", 2, 0.003)],
        actions=REINVEST, account=CashAccount(settlement=2),
    )  # fmt: skip
    assert fills(result)[3:] == [(2, "A", 0.0015, 100)]


def test_reinvested_shares_are_guarded_by_the_levels_of_the_position() -> None:
    rows = [*flat(100, 3), (100, 100, 80, 85)]
    result = play(rows, {0: buy(10)}, [act("dividend", 2, 10.0)], StopLoss(0.1), actions=REINVEST)
    # 11 shares at 100 have earned 100: at 80.909 they have lost 10% of 1,100.
    assert fills(result)[1:] == [(2, "A", 1, 100), (3, "A", -11, 80.9090909091)]


# -- delistings -------------------------------------------------------------------------------


@each_value
@pytest.mark.parametrize(
    ("terms", "lost", "price"),
    [(80.0, 0.0, 80), (None, 0.0, 95), (None, -0.3, 66.5), (0.0, 0.0, 0)],
)
@pytest.mark.parametrize(("side", "sign"), [(buy, 1), (sell, -1)])
def test_a_delisting_pays_its_terms_or_the_last_close_or_a_stated_part_of_it(
    terms: float | None, lost: float, price: float, side: Any, sign: int
) -> None:
    assets = {"A": [(100, 100, 100, 100), (100, 100, 95, 95)], "B": flat(1, 4)}
    result = play(
        assets, {0: side(10)}, [act("delisting", 2, terms)], account=MARGIN,
        actions=ActionPolicy(delisting_return=lost), commission=BasisPointCommission(10),
    )  # fmt: skip
    assert flows(result) == [(2, "A", "delisting", sign * 10 * price)]
    # Commission for the entry alone.
    assert trades(result) == [("delisting", sign * 10, sign * 10 * (price - 100) - 1)]
    assert equity(result)[-1] == 10_000 + sign * 10 * (price - 100) - 1
    assert held(result) == [(1, "A", sign * 10)]


def test_a_delisting_cancels_open_orders_and_what_is_queued() -> None:
    assets = {"A": flat(100, 4), "B": flat(1, 4)}
    script = {
        0: [buy(10), buy(2, limit=90, take_profit=110, stop_loss=80)],
        1: [sell(5, limit=120), buy(3), weigh(A=0.5, B=0.1)],
    }
    result = play(assets, script, [act("delisting", 2, 100.0)])
    ended = "select tag, status, reason from orders where asset_id = 'A' order by order_id"
    by_order = sorted(result.sql(ended).fetchall())
    assert by_order == sorted(
        [
            ("order", "filled", ""),
            *[("order", "cancelled", "delisted")] * 3,
            ("take_profit", "cancelled", "its parent was cancelled"),
            ("stop_loss", "cancelled", "its parent was cancelled"),
            ("rebalance", "cancelled", "delisted"),
        ]
    )
    # The bars after the delisting are there, and nothing is bought on them.
    assert fills(result) == [(1, "A", 10, 100), (2, "B", 1_000, 1)]


def test_a_queued_exit_and_the_levels_of_a_delisted_asset_are_gone() -> None:
    assets = {"A": [*flat(100, 2), *flat(50, 2)], "B": flat(1, 4)}
    rules = (StopLoss(0.1), TimeBasedExit(1))
    result = play(assets, {0: buy(10)}, [act("delisting", 2, 70.0)], *rules)
    assert [row[:2] for row in trades(result)] == [("delisting", 10)]
    # The exit that the rule had asked for has an end of its own.
    assert orders(result) == [("filled", "", 10), ("cancelled", "delisted", 0)]


def test_what_is_ordered_after_a_delisting_is_rejected() -> None:
    assets = {"A": flat(100, 2), "B": flat(1, 5)}
    script = {2: [buy(1), buy(1, limit=90)], 3: lambda s: s.order_target("A", 5)}
    result = play(assets, script, [act("delisting", 2, 70.0)])
    assert orders(result) == [("rejected", "delisted", 0)] * 3


def test_a_dividend_that_is_due_is_paid_after_the_delisting() -> None:
    assets = {"A": flat(100, 3), "B": flat(1, 5)}
    actions = [act("dividend", 2, 1.0, pay=4), act("delisting", 3, 100.0)]
    result = play(assets, {0: buy(10)}, actions)
    assert flows(result) == [(3, "A", "delisting", 1_000), (4, "A", "dividend", 10)]


def test_dividend_split_and_delisting_of_one_day_come_in_this_order() -> None:
    assets = {"A": flat(100, 2), "B": flat(1, 3)}
    actions = [act("delisting", 2, 45.0), act("split", 2, 2.0), act("dividend", 2, 3.0)]
    result = play(assets, {0: buy(10)}, actions)
    assert flows(result) == [(2, "A", "delisting", 900), (2, "A", "dividend", 30)]
    assert trades(result) == [("delisting", 20, -70)]


# -- renames ----------------------------------------------------------------------------------


def renamed(*rows: Row) -> dict[str, list[Row]]:
    """A for two days at 10, then B."""
    return {"A": flat(10, 2), "B": [None, None, *rows]}


RENAME = act("rename", 2, to="B")


@pytest.mark.parametrize(("side", "back", "sign"), [(buy, sell, 1), (sell, buy, -1)])
def test_a_rename_moves_position_and_lots(side: Any, back: Any, sign: int) -> None:
    assets = renamed((11, 11, 11, 11), (12, 12, 12, 12))
    result = play(assets, {0: side(10), 2: back(4, "B")}, [RENAME], account=MARGIN)
    assert held(result) == [(1, "A", sign * 10), (2, "B", sign * 10), (3, "B", sign * 6)]
    assert trades(result) == [("order", sign * 4, sign * 8)]
    assert lots(result) == [("B", sign * 4, 10), ("B", sign * 6, 10)]
    assert equity(result) == [10_000, 10_000, 10_000 + sign * 10, 10_000 + sign * 20]


def test_a_rename_moves_open_orders() -> None:
    assets = renamed((11, 11.5, 11, 11), (11, 11, 8.5, 9))
    script = {
        0: buy(10),
        1: [sell(3, limit=11.5), sell(5, stop=9), sell(1, trail=2.25), sell(1)],
        2: lambda s: s.orders.update(open=len(s.open_orders("B"))),
    }
    result = play(assets, script, [RENAME])
    # The market order at the open, the limit; then the stops, the nearest to the open first.
    assert fills(result)[1:] == [
        (2, "B", -1, 11), (2, "B", -3, 11.5), (3, "B", -1, 9.25), (3, "B", -5, 9),
    ]  # fmt: skip


def test_a_rename_moves_a_bracket() -> None:
    assets = renamed((11, 11, 9.5, 10), (10, 12.5, 10, 12))
    script = {1: buy(5, limit=9.5, take_profit=12, stop_loss=8)}
    result = play(assets, script, [RENAME])
    assert fills(result) == [(2, "B", 5, 9.5), (3, "B", -5, 12)]
    assert [row[1] for row in orders(result)] == ["", "", "one cancels other"]


def test_a_rename_moves_levels_and_water_marks() -> None:
    assets = {"A": [*flat(10, 1), (10, 14, 10, 13)], "B": [None, None, *flat(13, 1), *flat(12, 1)]}
    result = play(assets, {0: buy(10)}, [RENAME], TrailingStop(0.1))
    assert fills(result)[1:] == [(3, "B", -10, 12)]
    stop = "select asset_id, level from decisions"
    assert result.sql(stop).fetchall() == [("B", pytest.approx(12.6))]
    at_once = {"A": assets["A"], "B": [None, None, (13, 13, 12, 12)]}
    assert fills(play(at_once, {0: buy(10)}, [RENAME], TrailingStop(0.1)))[1:] == [
        (2, "B", -10, 12.6)
    ]


def test_a_rename_moves_what_is_queued() -> None:
    assets = renamed((11, 11, 11, 11), (11, 11, 11, 11))
    bought = play(assets, {1: buy(10)}, [RENAME])
    assert fills(bought) == [(2, "B", 10, 11)]
    weighed = play(assets, {1: weigh(A=0.11)}, [RENAME])
    assert fills(weighed) == [(2, "B", 100, 11)]
    left = play(assets, {0: buy(10)}, [RENAME], TimeBasedExit(1))
    assert fills(left) == [(1, "A", 10, 10), (2, "B", -10, 11)]


def test_a_rename_moves_what_a_limit_keeps_from_trading() -> None:
    assets = {"A": [*flat(10, 2), *flat(8, 1)], "B": [None, None, None, *flat(9, 2)]}
    script = {0: weigh(A=0.5), 2: weigh(A=0.9)}
    halt = MaxDrawdown(0.05, action="halt")
    result = play(assets, script, [act("rename", 3, to="B")], limits=[halt])
    # 500 shares have lost 1,000: none is added, and none is sold to keep their share of equity
    # when the price has moved.
    assert fills(result) == [(1, "A", 500, 10)]
    assert held(result)[-1] == (4, "B", 500)


def test_bars_held_go_on_through_a_rename() -> None:
    assets = renamed(*flat(10, 4))
    result = play(assets, {0: buy(10)}, [RENAME], TimeBasedExit(3))
    # Bars 1, 2 and 3 are held; the exit of the third close is at the fourth open.
    assert fills(result)[1:] == [(4, "B", -10, 10)]


def test_a_dividend_that_is_due_follows_a_rename() -> None:
    assets = renamed((11, 11, 11, 11), (10, 10, 10, 10))
    actions = [act("dividend", 2, 1.0, pay=3), RENAME]
    result = play(assets, {0: buy(10)}, actions, actions=REINVEST)
    assert [(row[0], row[2], row[3]) for row in flows(result)] == [(3, "dividend", 10)]
    assert held(result)[-1] == (3, "B", 11)


@each_value
@pytest.mark.parametrize(("side", "sign"), [(buy, 1), (sell, -1)])
@pytest.mark.parametrize(
    ("renamed_on", "name", "ex_date"),
    [(2, "B", 3), (2, "B", 2), (3, "B", 3), (2, "A", 2), (3, "A", 2), (2, "A", 3)],
)
def test_what_comes_beside_a_rename_is_of_the_shares_that_are_held(
    renamed_on: int, name: str, ex_date: int, side: Any, sign: int
) -> None:
    """On one bar: each date after the one before, and under either name on the rename's own."""
    rename = act("rename", renamed_on, to="B")

    assets = renamed(*flat(8, 2))
    dividend = act("dividend", ex_date, 2.0, asset=name)
    paid = play(assets, {0: side(10)}, [rename, dividend], times=WEEKEND, account=MARGIN)
    assert [row[2:] for row in flows(paid)] == [("dividend", 20 * sign)]
    assert equity(paid) == [10_000] * 4

    assets = renamed(*flat(5, 2))
    split = act("split", ex_date, 2.0, asset=name)
    halved = play(assets, {0: side(10)}, [rename, split], times=WEEKEND, account=MARGIN)
    assert held(halved)[-1] == (3, "B", 20 * sign)
    assert equity(halved) == [10_000] * 4


def test_nothing_is_paid_twice_where_a_delisting_comes_before_a_split() -> None:
    rows = [*flat(10, 2), None, None]
    actions = [act("delisting", 2, 8.0), act("split", 3, 2.0)]
    result = play({"A": rows, "B": flat(1, 4)}, {0: buy(10)}, actions, times=WEEKEND)
    assert equity(result)[-1] == 10_000 - 20


def test_lots_of_both_names_become_one_position() -> None:
    assets = {"A": flat(10, 2), "B": [*flat(12, 2), *flat(13, 2)]}
    script = {0: [buy(10), buy(5, "B")], 2: sell(12, "B")}
    result = play(assets, script, [RENAME])
    assert held(result)[2:] == [(2, "B", 15), (3, "B", 3)]
    assert trades(result) == [("order", 10, 30), ("order", 2, 2)]
    assert equity(result)[2] == 10_000 + 30 + 5


@pytest.mark.parametrize("holds_a", [False, True])
def test_what_is_held_under_the_new_name_keeps_its_levels(holds_a: bool) -> None:
    """Of two positions those of the older one stand, until the next close."""
    assets = {"A": flat(10, 3), "B": [*flat(10, 2), (10, 15, 10, 12), (12, 12, 11.9, 12)]}
    script = {0: buy(10, "B"), 1: buy(10)} if holds_a else {0: buy(10, "B")}
    result = play(assets, script, [act("rename", 3, to="B")], TrailingStop(0.2))
    # From 15 of B; the 10 of A would be 8.
    assert fills(result)[-1] == (3, "B", -20 if holds_a else -10, 12)


def test_what_was_held_longer_under_the_old_name_keeps_its_levels() -> None:
    assets = {"A": [*flat(10, 2), (10, 15, 10, 12)], "B": [*flat(10, 3), (12, 12, 11.9, 12)]}
    result = play(
        assets, {0: buy(10), 1: buy(10, "B")}, [act("rename", 3, to="B")], TrailingStop(0.2)
    )
    assert fills(result)[-1] == (3, "B", -20, 12)


def test_bars_held_of_the_older_position_count_for_both() -> None:
    assets = {"A": flat(10, 3), "B": flat(10, 7)}
    rename = [act("rename", 3, to="B")]
    for first, second in (("A", "B"), ("B", "A")):
        script = {0: buy(10, first), 1: buy(10, second)}
        result = play(assets, script, rename, TimeBasedExit(4))
        assert fills(result)[-1] == (5, "B", -20, 10)
    alone = play(assets, {0: buy(10, "B")}, rename, TimeBasedExit(4))
    assert fills(alone)[-1] == (5, "B", -10, 10)


def test_a_rename_closes_a_long_and_a_short_against_each_other() -> None:
    # Long 10 of what becomes B, short 5 of B: five of each close at B's mark of 12.
    assets = {"A": flat(10, 2), "B": flat(12, 3)}
    result = play(assets, {0: [buy(10), sell(5, "B")]}, [RENAME], account=MARGIN)
    assert trades(result)[:2] == [("rename", 5, 10), ("rename", -5, 0)]
    assert [row[1:] for row in held(result) if row[0] == 2] == [("B", 5)]


# -- the run's edges, and intraday bars -------------------------------------------------------


def test_actions_before_the_first_bar_and_after_the_last_are_ignored() -> None:
    actions = [
        act("split", -3, 2.0), act("dividend", -1, 1.0), act("dividend", 3, 1.0),
        act("split", 5, 2.0), act("delisting", 9, 0.0),
    ]  # fmt: skip
    result = play(flat(100, 3), {0: buy(10)}, actions)
    assert flows(result) == []
    assert held(result) == [(1, "A", 10), (2, "A", 10)]


def test_actions_of_the_first_bar_find_nothing_held() -> None:
    actions = [act("split", 0, 2.0), act("dividend", 0, 1.0)]
    result = play(flat(100, 2), {0: buy(10)}, actions)
    assert flows(result) == []
    assert held(result) == [(1, "A", 10)]


def test_on_intraday_bars_an_action_counts_from_the_first_bar_of_its_date() -> None:
    times = [at(10), at(15), at(10, 1), at(15, 1), at(10, 2)]
    rows = [*flat(100, 2), *flat(50, 3)]
    script = {0: buy(10), 1: sell(2), 3: sell(4)}
    actions = [act("dividend", 1, 1.0, pay=2), act("split", 1, 2.0)]
    result = play(rows, script, actions, times=times)
    assert flows(result) == [(4, "A", "dividend", 10)]
    assert held(result) == [(1, "A", 10), (2, "A", 16), (3, "A", 16), (4, "A", 12)]


def test_on_intraday_bars_an_action_with_a_time_counts_from_the_first_bar_at_or_after_it() -> None:
    times = [at(10), at(12), at(14), at(16)]
    split = act("split", at(13), 2.0)
    result = play([*flat(100, 2), *flat(50, 2)], {0: buy(10)}, [split], times=times)
    assert held(result) == [(1, "A", 10), (2, "A", 20), (3, "A", 20)]
    assert equity(result) == [10_000] * 4


# -- the universe -----------------------------------------------------------------------------

MEMBERS = {
    "asset_id": ["A", "B"], "start_date": [day(0), day(0)], "end_date": [day(2), day(9)],
}  # fmt: skip
EXIT = ActionPolicy(exit_on_membership_end=True)


@pytest.mark.parametrize("side", [buy, sell])
def test_what_is_no_member_any_more_is_held_unless_it_is_to_be_sold(side: Any) -> None:
    assets = {"A": flat(100, 5), "B": flat(100, 5)}
    script = {0: [side(10), side(5, "B")]}
    more: dict[str, Any] = {"sources": {"universe": MEMBERS}, "account": MARGIN}
    assert len(fills(play(assets, script, [], **more))) == 2
    result = play(assets, script, [], actions=EXIT, **more)
    # Day 2 is the first without it: known at its close, sold at the next open.
    assert [row[:2] for row in fills(result)[2:]] == [(3, "A")]
    assert [row[0] for row in trades(result)] == ["membership"]
    assert [row[1] for row in held(result) if row[0] >= 3] == ["B", "B"]


def test_a_membership_exit_of_a_halted_asset_waits_for_its_next_trade() -> None:
    rows = [*flat(100, 3, 1), *flat(100, 1, 0), *flat(90, 2, 1)]
    result = play(rows, {0: buy(10)}, [], sources={"universe": MEMBERS}, actions=EXIT)
    assert orders(result)[1:] == [("filled", "", -10)]
    assert fills(result)[1:] == [(4, "A", -10, 90)]
    said = result.sql("select rule, action, reason from decisions").fetchall()
    assert said == [("membership", "exit", "left the universe")]


def test_an_asset_that_was_never_a_member_is_sold_too() -> None:
    members = {"asset_id": ["B"], "start_date": [day(0)], "end_date": [day(9)]}
    assets = {"A": flat(100, 4), "B": flat(100, 4)}
    result = play(assets, {0: buy(10)}, [], sources={"universe": members}, actions=EXIT)
    assert fills(result)[1:] == [(2, "A", -10, 100)]


def test_what_an_order_may_open_is_whole_after_a_split_too() -> None:
    """10 covered and 11 opened are 5 and 5 after a split of 0.5: 5 are bought, not 5.5."""
    rows = [(100, 100, 100, 100)] * 2 + [(200, 200, 200, 200)] * 2 + [(200, 200, 150, 160)] * 2
    script = {
        0: lambda s: s.sell("A", 10),
        1: lambda s: s.buy("A", 21, limit=85, tif="gtc"),
        2: lambda s: s.buy("A", 5),
    }
    policy = ExecutionPolicy(whole_shares=True)
    result = play(rows, script, [act("split", 2, 0.5)], account=MARGIN, execution=policy)
    assert fills(result) == [(1, "A", -10, 100), (3, "A", 5, 200), (4, "A", 5, 170)]
