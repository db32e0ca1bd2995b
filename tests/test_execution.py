"""Execution: when orders fill, how much the market takes, what cannot trade, and on which steps."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from effort import each_value
from ml4t.backtest import (
    ActionPolicy,
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    BasisPointCommission,
    BasisPointSlippage,
    CashAccount,
    Catalog,
    ConfigError,
    DataError,
    ExecutionPolicy,
    LevelPolicy,
    MarginAccount,
    NextClose,
    NextOpen,
    SQLStrategy,
    ThisClose,
    TopN,
    VolumeWeighted,
)
from ml4t.backtest.core.levels import LevelBase, TrailBy, TrailStart, Trigger
from ml4t.backtest.core.orders import TimeInForce
from ml4t.backtest.execution import Shortfall, SizedAt
from ml4t.backtest.risk import (
    MaxDailyLoss,
    MaxDrawdown,
    RiskManager,
    SignalExit,
    StopLoss,
    TakeProfit,
    TimeBasedExit,
)
from scripted import (
    FREE,
    Row,
    Scripted,
    cash,
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
VWAP = ("open", "high", "low", "close", "vwap")
FLAGS = ("open", "high", "low", "close", "limit_up", "limit_down")
WHOLE = ExecutionPolicy(whole_shares=True)


def timed(timing: Any, **more: Any) -> ExecutionPolicy:
    return ExecutionPolicy(timing=timing, **more)


def share_of(volume: float, **more: Any) -> ExecutionPolicy:
    return ExecutionPolicy(participation=volume, **more)


def rebalance(
    bars: dict[str, Sequence[Row]],
    weights: dict[int, dict[str, float]],
    *rules: Any,
    names: Sequence[str] = VWAP[:4],
    sources: dict[str, Any] | None = None,
    **settings: Any,
) -> BacktestResult:
    """Give target weights on some days, of 10,000, without costs."""
    n_bars = max(len(rows) for rows in bars.values())
    table = price_table(bars, names, [day(t) for t in range(n_bars)])
    # A target without a row of its own cannot be ranked: weights come with the bars.
    table["share"] = [
        float(weights.get((time - day(0)).days, {}).get(asset, float("nan")))
        for time, asset in zip(table["timestamp"], table["asset_id"], strict=True)
    ]
    catalog = Catalog(threads=1).register("prices", table)
    catalog.register(
        "context",
        {
            "timestamp": [day(t) for t in range(n_bars)],
            "now": [t in weights for t in range(n_bars)],
        },
    )
    for role, source in (sources or {}).items():
        catalog.register(role, source)  # type: ignore[arg-type]
    return BacktestEngine(
        catalog,
        TopN(100, by="share", weight="share", when="now"),
        risk_manager=RiskManager(rules),
        initial_capital=10_000,
        config=BacktestConfig(**{**FREE, **settings}),
    ).run()


# -- timing ----------------------------------------------------------------------------------

TIMINGS = [
    (NextOpen(), (1, 11), "orders decided at a close fill at the next open"),
    (ThisClose(), (0, 10), "fill at that same close, which is optimistic"),
    (NextClose(), (1, 12), "orders decided at a close fill at the next close"),
    (VolumeWeighted(), (1, 11.5), "orders decided at a close fill at the next bar's vwap"),
]


@pytest.mark.parametrize(("timing", "fill", "words"), TIMINGS)
def test_an_order_and_a_target_fill_when_the_timing_says(
    timing: Any, fill: tuple[int, float], words: str
) -> None:
    bars: list[Row] = [(10, 10, 10, 10, 10), (11, 14, 9, 12, 11.5), (12, 12, 12, 12, 12)]
    script = {0: [lambda s: s.buy("A", 100), lambda s: s.sell("B", 100)]}
    result = play(
        {"A": bars, "B": bars}, script, names=VWAP, account=MarginAccount(),
        execution=timed(timing),
    )  # fmt: skip
    t, price = fill
    assert fills(result) == [(t, "A", 100, price), (t, "B", -100, price)]
    assert words in result.summary()
    target = rebalance({"A": bars}, {0: {"A": 0.5}}, names=VWAP, execution=timed(timing))
    # Half of 10,000 at the price of the fill.
    assert fills(target) == [(t, "A", pytest.approx(5_000 / price), price)]


def test_sizes_of_the_decision_keep_its_price_and_equity() -> None:
    bars: list[Row] = [TEN, (12.5, 12.5, 12.5, 12.5), (12.5, 12.5, 12.5, 12.5)]
    result = rebalance({"A": bars}, {0: {"A": 0.5}}, execution=ExecutionPolicy(sized_at="decision"))
    assert fills(result) == [(1, "A", 500, 12.5)]
    assert "sized at the deciding close" in result.summary()


def test_sells_come_before_buys_at_a_close_too() -> None:
    script = {
        0: lambda s: s.buy("A", 1_000),
        1: [lambda s: s.buy("B", 1_000), lambda s: s.sell("A", 1_000)],
        2: [
            lambda s: s.buy("A", 1_000, on_close=True),
            lambda s: s.sell("B", 1_000, on_close=True),
        ],
    }
    result = play(
        {"A": flat(10, 4), "B": flat(10, 4)}, script, execution=timed(NextClose())
    )  # fmt: skip
    assert fills(result) == [
        (1, "A", 1_000, 10), (2, "A", -1_000, 10), (2, "B", 1_000, 10),
        (3, "B", -1_000, 10), (3, "A", 1_000, 10),
    ]  # fmt: skip


@pytest.mark.parametrize("timing", [ThisClose(), NextClose()])
def test_exits_of_rules_fill_at_the_next_open_whatever_the_timing(timing: Any) -> None:
    bars: list[Row] = [TEN, (10, 11, 9, 10), (12, 12, 11, 11), (13, 13, 13, 13)]
    script = {0: lambda s: s.buy("A", 1)}
    result = play(bars, script, TimeBasedExit(1), execution=timed(timing))
    assert result.sql("select exit_price from trades").fetchall() == [
        (12 if isinstance(timing, ThisClose) else 13,)
    ]


def test_a_bar_without_a_weighted_price_or_with_one_outside_its_range_fills_nothing() -> None:
    bars: list[Row] = [(10, 10, 10, 10, 10), (10, 12, 9, 11, None), (10, 12, 9, 11, 12.5),
                       (10, 12, 9, 11, 0), (10, 12, 9, 11, 11.25)]  # fmt: skip
    script = {t: lambda s: s.buy("A", 1) for t in range(3)} | {
        3: lambda s: s.buy("A", 1, tif="gtc")
    }
    result = play(bars, script, names=VWAP, execution=timed(VolumeWeighted()))
    assert orders(result) == [("rejected", "no price", 0)] * 3 + [("filled", "", 1)]
    assert fills(result) == [(4, "A", 1, 11.25)]
    target = rebalance(
        {"A": bars[:2]}, {0: {"A": 0.5}}, names=VWAP, execution=timed(VolumeWeighted())
    )
    assert orders(target) == [("rejected", "no price", 0)]


def test_a_target_alone_does_not_fill_at_a_weighted_price_outside_its_bar() -> None:
    """No rule and no order reads the range; the timing does."""
    bars: list[Row] = [(10, 10, 10, 10, 10), (10, 12, 9, 11, 12.5), (10, 12, 9, 11, 11)]
    timing = timed(VolumeWeighted())
    result = rebalance({"A": bars}, {0: {"A": 0.5}}, names=VWAP, execution=timing)
    assert orders(result) == [("rejected", "no price", 0)]


WITHIN = {"slippage": BasisPointSlippage(50), "execution": ExecutionPolicy(within_range=True)}


@pytest.mark.parametrize("rules", [[], [StopLoss(0.9)]])
def test_slippage_stays_within_the_range_of_a_bar_that_nothing_else_reads(rules: list[Any]) -> None:
    bars: list[Row] = [(100, 100, 99, 100)] * 3
    result = rebalance({"A": bars}, {0: {"A": 0.5}}, *rules, **WITHIN)
    assert fills(result) == [(1, "A", 50, 100)]  # without the range: at 100.5
    table = price_table({"A": bars}, VWAP[:4], [day(t) for t in range(3)])
    query = "select timestamp, asset_id, 0.5 as weight from signals where close > 0"
    strategy = SQLStrategy(query)
    engine = BacktestEngine(
        Catalog(threads=1).register("prices", table), strategy, risk_manager=RiskManager(rules),
        initial_capital=10_000, config=BacktestConfig(**{**FREE, **WITHIN}),
    )  # fmt: skip
    assert fills(engine.run())[0] == (1, "A", 50, 100)


def test_a_range_that_the_prices_do_not_have_cannot_hold_a_fill() -> None:
    with pytest.raises(ConfigError, match="no column 'high', and within_range=True"):
        rebalance({"A": [(100, 100)] * 3}, {0: {"A": 0.5}}, names=("open", "close"), **WITHIN)


def test_rounding_of_a_weighted_price_does_not_take_it_out_of_its_bar() -> None:
    bars: list[Row] = [(10, 10, 10, 10, 10), (10, 10, 10, 10, 10.000000001)]
    script = {0: lambda s: s.buy("A", 1)}
    result = play(bars, script, names=VWAP, execution=timed(VolumeWeighted()))
    assert result.sql("select price from fills").fetchall() == [(10,)]


def test_a_weighted_price_that_no_source_has_is_refused_before_the_run() -> None:
    with pytest.raises(ConfigError, match="no source has the feature 'vwpa'; did you mean 'vwap'"):
        play(
            [(10, 10, 10, 10, 10)] * 2, {0: lambda s: s.buy("A", 1)}, names=VWAP,
            execution=timed(VolumeWeighted("vwpa")),
        )  # fmt: skip


# -- stops: a price that the bar traded ------------------------------------------------------


@each_value
@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("bar", "price"),
    [
        ((10, 11, 8, 11), 9),  # inside the range: the level
        ((10, 10, 9, 10), 9),  # touched exactly
        ((7, 9.5, 6, 9), 7),  # gap: the open
        ((9, 9.5, 9, 9.5), 9),  # open at the level
        ((10, 11, 9.01, 10), None),
    ],
)
def test_a_stop_fills_at_a_price_that_the_bar_traded(
    side: int, bar: tuple[float, ...], price: float | None
) -> None:
    row = bar if side > 0 else tuple(20 - bar[i] for i in (0, 2, 1, 3))

    def enter(s: Scripted) -> None:
        (s.buy if side > 0 else s.sell)("A", 1)

    result = play([TEN, TEN, row], {0: enter}, StopLoss(0.1), account=MarginAccount())
    at_price = None if price is None else price if side > 0 else 20 - price
    assert [row[3] for row in fills(result)[1:]] == ([] if at_price is None else [at_price])


@pytest.mark.parametrize("side", [1, -1])
def test_a_stop_acts_on_the_entry_bar(side: int) -> None:
    def enter(s: Scripted) -> None:
        (s.buy if side > 0 else s.sell)("A", 1)

    bar: Row = (10, 10.5, 8.5, 10) if side > 0 else (10, 11.5, 9.5, 10)
    result = play([TEN, bar, TEN], {0: enter}, StopLoss(0.1), account=MarginAccount())
    assert fills(result)[1:] == [(1, "A", -side, 10 - side)]


def test_a_stop_does_not_act_on_the_bar_of_an_entry_at_its_close() -> None:
    bars: list[Row] = [(10, 12, 6, 10), (10, 12, 9.5, 10), (10, 10, 8, 8)]
    result = play(bars, {0: lambda s: s.buy("A", 1)}, StopLoss(0.1), execution=timed(ThisClose()))
    assert fills(result)[1:] == [(2, "A", -1, 9)]
    later = play(
        [TEN, (10, 12, 6, 10), (10, 10, 8, 8)],
        {0: lambda s: s.buy("A", 1)},
        StopLoss(0.1),
        execution=timed(NextClose()),
    )
    assert fills(later)[1:] == [(2, "A", -1, 9)]


def test_a_target_is_a_limit_and_a_stop_slips() -> None:
    bars = {"A": [TEN, TEN, (10, 11, 10, 11)], "B": [TEN, TEN, (10, 10, 9, 9)]}
    script = {0: [lambda s: s.buy("A", 1), lambda s: s.buy("B", 1)]}
    slips = {"slippage": BasisPointSlippage(100)}
    result = play(bars, script, TakeProfit(0.05), StopLoss(0.05), **slips)
    # Bought at 10.1: the target is 10.605, the stop 9.595, sold 1% below it.
    assert fills(result)[2:] == [(2, "B", -1, 9.49905), (2, "A", -1, 10.605)]


# -- two reasons to leave --------------------------------------------------------------------


@pytest.mark.parametrize("side", [1, -1])
def test_a_strategy_exit_a_rule_exit_and_a_stop_on_one_bar_leave_exactly_flat(side: int) -> None:
    def enter(s: Scripted) -> None:
        (s.buy if side > 0 else s.sell)("A", 10)

    def leave(s: Scripted) -> None:
        (s.sell if side > 0 else s.buy)("A", 10)

    bar: Row = (10, 10, 7, 7) if side > 0 else (10, 13, 10, 13)
    by_stop = play(
        [TEN, TEN, bar, TEN], {0: enter, 1: leave}, StopLoss(0.2), account=MarginAccount()
    )
    assert fills(by_stop)[1:] == [(2, "A", -10 * side, 10)]
    assert held(by_stop) == [(1, "A", 10 * side)]


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("asked", "left", "end"),
    [
        (-4, 0, ("cancelled", "position closed", 0)),  # a trim: the exit does more
        (-10, 0, ("cancelled", "position closed", 0)),  # all of it: the exit has done so
        (3, 3, ("filled", "", 3)),  # the other way: a new position
    ],
)
def test_a_rule_and_the_strategy_that_leave_at_one_open_do_not_leave_twice(
    side: int, asked: int, left: int, end: tuple[str, str, float]
) -> None:
    script = {
        0: lambda s: s.order_target("A", 10 * side),
        1: lambda s: s.order_target("A", (10 + asked) * side),
    }
    result = play(flat(10, 3), script, TimeBasedExit(1), account=MarginAccount())
    status, reason, filled = end
    assert orders(result)[1] == (status, reason, filled * side)
    assert [row for row in held(result) if row[0] == 2] == ([(2, "A", left * side)] if left else [])


@pytest.mark.parametrize("side", [1, -1])
def test_a_stop_of_the_strategy_and_its_exit_on_one_bar_leave_exactly_flat(side: int) -> None:
    def send(s: Scripted, quantity: float, **terms: Any) -> None:
        (s.buy if quantity > 0 else s.sell)("A", abs(quantity), **terms)

    bar: Row = (10, 10, 8, 8) if side > 0 else (10, 12, 10, 12)
    script = {
        0: lambda s: send(s, 10 * side),
        1: [lambda s: send(s, -10 * side, stop=10 - side), lambda s: send(s, -10 * side)],
    }
    result = play([TEN, TEN, bar], script, account=MarginAccount())
    # Each only reduces what is held when it is sent: neither opens the other side.
    assert [row[2] for row in fills(result)] == [10 * side, -10 * side]
    assert orders(result)[1] == ("cancelled", "position closed", 0)


def test_a_stop_sent_beside_its_entry_waits_for_it() -> None:
    entries: dict[str, dict[str, Any]] = {"A": {}, "B": {"limit": 10}, "C": {"tif": "gtc"}}
    bars = {name: [TEN, TEN, (10, 10, 8, 8)] for name in entries}
    script = {
        0: [
            act
            for name, terms in entries.items()
            for act in (
                lambda s, n=name, x=terms: s.buy(n, 10, **x),
                lambda s, n=name: s.sell(n, 10, stop=9),
            )
        ]
    }
    result = play(bars, script, account=MarginAccount())
    assert fills(result)[3:] == [(2, name, -10, 9) for name in entries]


def test_a_trim_by_target_weights_and_a_stop_on_one_bar_sell_what_there_is() -> None:
    bars: dict[str, Sequence[Row]] = {"A": [TEN, TEN, (10, 10, 7, 8), TEN]}
    result = rebalance(bars, {0: {"A": 1.0}, 1: {"A": 0.3}}, StopLoss(0.2))
    assert fills(result) == [(1, "A", 1_000, 10), (2, "A", -700, 10), (2, "A", -300, 8)]
    assert held(result) == [(1, "A", 1_000)]


# -- volume ----------------------------------------------------------------------------------


def test_all_fills_of_a_bar_share_its_volume() -> None:
    script = {
        0: [
            lambda s: s.buy("A", 15, tif="gtc"),
            lambda s: s.buy("A", 3, tif="ioc"),
            lambda s: s.buy("A", 3),
            lambda s: s.buy("A", 1, limit=10),
        ],
    }
    # A tenth of 105 in whole shares is 10.
    result = play(flat(10, 4, 105), script, execution=share_of(0.1, whole_shares=True))
    assert fills(result) == [(1, "A", 10, 10), (2, "A", 5, 10), (2, "A", 1, 10)]
    assert orders(result) == [
        ("filled", "", 15), ("cancelled", "immediate or cancel", 0),
        ("expired", "end of day", 0), ("filled", "", 1),
    ]  # fmt: skip
    assert "at most 10.00% of a bar's volume" in result.summary()


def test_buys_and_sells_of_a_bar_share_its_volume() -> None:
    script = {
        0: lambda s: s.buy("A", 6),
        1: [lambda s: s.buy("A", 9), lambda s: s.sell("A", 6)],
    }
    result = play(flat(10, 4, 10), script, execution=share_of(1.0))
    # The sell comes first and takes 6 of 10.
    assert fills(result) == [(1, "A", 6, 10), (2, "A", -6, 10), (2, "A", 4, 10)]


def test_what_the_volume_leaves_is_carried_or_cancelled_by_its_time_in_force() -> None:
    bars = {name: flat(10, 4, 4) for name in "ABCDE"}
    script = {
        0: [
            lambda s: s.buy("A", 10, tif="gtc"),
            lambda s: s.buy("B", 10, tif="day"),
            lambda s: s.buy("C", 10, tif="ioc"),
            lambda s: s.buy("D", 10, tif="gtd", good_till=day(2)),
            lambda s: s.buy("E", 10, limit=10),
        ],
    }
    result = play(bars, script, execution=share_of(1.0))
    assert orders(result) == [
        ("filled", "", 10), ("partial", "end of day", 4), ("partial", "immediate or cancel", 4),
        ("partial", "good till date", 8), ("filled", "", 10),
    ]  # fmt: skip


def test_partial_fills_make_lots() -> None:
    bars: list[Row] = [(10, 10, 10, 10, 4), (10, 10, 10, 10, 4), (11, 11, 11, 11, 4),
                       (12, 12, 12, 12, 4), (15, 15, 15, 15, 9), (16, 16, 16, 16, 9)]  # fmt: skip
    script = {0: lambda s: s.buy("A", 10, tif="gtc"), 3: lambda s: s.sell("A", 10, tif="gtc")}
    result = play(bars, script, execution=share_of(1.0))
    assert fills(result) == [
        (1, "A", 4, 10), (2, "A", 4, 11), (3, "A", 2, 12), (4, "A", -9, 15), (5, "A", -1, 16)
    ]  # fmt: skip
    # First in, first out: 9 at 15 close the first two lots and one share of the third.
    assert result.sql(
        """
        select quantity, entry_price, exit_price, pnl, bars_held from trades order by trade_id
        """
    ).fetchall() == [
        (4, 10, 15, 20, 3), (4, 11, 15, 16, 2), (1, 12, 15, 3, 1), (1, 12, 16, 4, 2)
    ]  # fmt: skip


@pytest.mark.parametrize("side", [1, -1])
def test_an_exit_that_the_volume_limits_never_oversells(side: int) -> None:
    def enter(s: Scripted) -> None:
        (s.buy if side > 0 else s.sell)("A", 10)

    def leave(s: Scripted) -> None:
        (s.sell if side > 0 else s.buy)("A", 10, tif="gtc")

    bars: list[Row] = [(10, 10, 10, 10, 99)] * 2 + flat(10, 4, 4)
    result = play(bars, {0: enter, 1: leave}, account=MarginAccount(), execution=share_of(1.0))
    assert [row[2] * side for row in fills(result)] == [10, -4, -4, -2]
    assert held(result)[-1] == (3, "A", 2 * side)


def test_a_cash_account_that_sells_more_than_it_holds_sells_it_within_the_volume() -> None:
    script = {0: lambda s: s.buy("A", 10), 1: lambda s: s.sell("A", 15, tif="gtc")}
    bars: list[Row] = [(10, 10, 10, 10, 99)] * 2 + flat(10, 3, 6)
    result = play(bars, script, execution=share_of(1.0))
    assert [row[2] for row in fills(result)] == [10, -6, -4]
    assert orders(result)[1] == ("partial", "cash account cannot short", -10)


def test_what_the_volume_leaves_of_a_rules_stop_follows_at_the_next_open() -> None:
    bars: list[Row] = [(10, 10, 10, 10, 99)] * 2 + [
        (10, 10, 8, 9, 4), (11, 11, 11, 11, 5), (12, 12, 12, 12, 99)
    ]  # fmt: skip
    result = play(bars, {0: lambda s: s.buy("A", 10)}, StopLoss(0.1), execution=share_of(1.0))
    assert fills(result)[1:] == [(2, "A", -4, 9), (3, "A", -5, 11), (4, "A", -1, 12)]
    assert trades(result) == [("StopLoss", 4, -4), ("StopLoss", 5, 5), ("StopLoss", 1, 2)]
    rests = [row[:2] for row in orders(result)[1:]]
    assert rests[0] == ("partial", "volume limit: the rest follows at the next open")
    assert rests[1] == ("partial", "volume limit: the rest follows")
    assert rests[2] == ("filled", "")


def test_what_the_volume_leaves_of_a_time_exit_follows_at_the_next_open() -> None:
    bars: list[Row] = [(10, 10, 10, 10, 99)] * 2 + flat(10, 3, 4)
    result = play(bars, {0: lambda s: s.buy("A", 10)}, TimeBasedExit(1), execution=share_of(1.0))
    assert [row[2] for row in fills(result)] == [10, -4, -4, -2]
    assert {row[0] for row in trades(result)} == {"TimeBasedExit"}


@pytest.mark.parametrize("account", [CashAccount(), MarginAccount()])
def test_a_strategy_sell_beside_the_rest_of_a_stop_does_not_oversell(account: Any) -> None:
    script = {0: lambda s: s.buy("A", 10), 2: lambda s: s.order_target("A", 0)}
    bars: list[Row] = [(10, 10, 10, 10, 99)] * 2 + [(10, 10, 8, 9, 4), *flat(11, 3, 99)]
    result = play(bars, script, StopLoss(0.1), execution=share_of(1.0), account=account)
    assert [row[2] for row in fills(result)] == [10, -4, -6]
    assert held(result)[-1] == (2, "A", 6)


def test_targets_keep_nothing_for_later() -> None:
    bars: dict[str, Sequence[Row]] = {"A": flat(10, 3, 100)}
    names = ("open", "high", "low", "close", "volume")
    result = rebalance(bars, {0: {"A": 1.0}}, names=names, execution=share_of(1.0))
    assert orders(result) == [("partial", "volume limit: the rest expired", 100)]
    assert held(result)[-1] == (2, "A", 100)


def test_a_bar_that_nobody_counted_trades_nothing_where_the_volume_limits() -> None:
    bars: list[Row] = [(10, 10, 10, 10, 9), (10, 10, 10, 10, None), (10, 10, 10, 10, 9)]
    result = play(bars, {0: lambda s: s.buy("A", 5, tif="gtc")}, execution=share_of(1.0))
    assert fills(result) == [(2, "A", 5, 10)]
    unlimited = play(bars, {0: lambda s: s.buy("A", 5)})
    assert fills(unlimited) == [(1, "A", 5, 10)]


def test_a_share_of_the_volume_needs_a_volume() -> None:
    with pytest.raises(ConfigError, match="no source has the feature 'volume'"):
        play([TEN, TEN], {}, execution=share_of(0.1))


# -- halts and price limits ------------------------------------------------------------------


def test_nothing_fills_without_a_bar_or_without_volume() -> None:
    bars: list[Row] = [(10, 10, 10, 10, 9), (10, 12, 8, 10, 0), None, (12, 12, 12, 12, 9)]
    script = {
        0: [
            lambda s: s.buy("A", 1),
            lambda s: s.buy("A", 2, tif="gtc"),
            lambda s: s.buy("A", 3, limit=8.5),
            lambda s: s.buy("A", 4, stop=11.5),
            lambda s: s.buy("A", 5, on_close=True),
            lambda s: s.buy("A", 6, tif="ioc"),
            lambda s: s.buy("A", 7, limit=20, tif="ioc"),
        ],
        1: [lambda s: s.buy("A", 8), lambda s: s.buy("A", 9, on_close=True)],
    }
    result = play({"A": bars, "B": flat(1, 4, 9)}, script)
    assert fills(result) == [(3, "A", 2, 12), (3, "A", 4, 12)]
    assert orders(result) == [
        ("rejected", "no volume", 0), ("filled", "", 2), ("expired", "end of data", 0),
        ("filled", "", 4), ("rejected", "no volume", 0), ("rejected", "no volume", 0),
        ("cancelled", "immediate or cancel", 0), ("rejected", "no bar", 0),
        ("rejected", "no bar", 0),
    ]  # fmt: skip


def test_a_bar_without_volume_marks_and_one_that_is_missing_leaves_a_stale_mark() -> None:
    bars: list[Row] = [(10, 10, 10, 10, 9)] * 2 + [(8, 8, 8, 8, 0), None, (9, 9, 9, 9, 9)]
    result = play({"A": bars, "B": flat(1, 5, 9)}, {0: lambda s: s.buy("A", 100)})
    assert equity(result) == [10_000, 10_000, 9_800, 9_800, 9_900]
    assert result.sql("select is_stale from positions order by timestamp").fetchall() == [
        (False,), (False,), (True,), (False,)
    ]  # fmt: skip


def test_levels_and_exits_of_rules_wait_out_a_halt() -> None:
    bars: list[Row] = [(10, 10, 10, 10, 9)] * 2 + [
        (10, 10, 5, 10, 0), None, (8, 9, 7, 8, 9), (6, 6, 6, 6, 9)
    ]  # fmt: skip
    both = {"A": bars, "B": flat(1, 6, 9)}
    by_level = play(both, {0: lambda s: s.buy("A", 1)}, StopLoss(0.1))
    assert fills(by_level)[1:] == [(4, "A", -1, 8)]
    by_time = play(both, {0: lambda s: s.buy("A", 1)}, TimeBasedExit(1))
    # Asked at the close of day 1; day 4 is the first that trades.
    assert orders(by_time)[1:] == [("filled", "", -1)]
    assert fills(by_time)[1:] == [(4, "A", -1, 8)]


def test_an_exit_stands_until_it_trades_whatever_its_rule_says_later() -> None:
    columns = {"mood": [0.0, 1, 0, 0, 0, 0]}
    bars: list[Row] = [(10, 10, 10, 10, 9)] * 2 + [None, (10, 10, 10, 10, 0), (8, 9, 7, 8, 9)]
    bars.append((10, 10, 10, 10, 9))
    result = play(
        {"A": [None if bar is None else (*bar, columns["mood"][t]) for t, bar in enumerate(bars)],
         "B": [(1, 1, 1, 1, 9, 0.0)] * 6},
        {0: lambda s: s.buy("A", 1)},
        SignalExit("mood = 1"),
        names=("open", "high", "low", "close", "volume", "mood"),
    )  # fmt: skip
    assert fills(result)[1:] == [(4, "A", -1, 8)]
    to_the_end = play(
        {"A": flat(10, 2, 9) + [(10, 10, 10, 10, 0)] * 2, "B": flat(1, 4, 9)},
        {0: lambda s: s.buy("A", 1)}, TimeBasedExit(1),
    )  # fmt: skip
    assert orders(to_the_end)[1:] == [("expired", "end of data", 0)]


def test_targets_of_a_halted_asset_are_rejected_and_the_others_filled() -> None:
    bars: dict[str, Sequence[Row]] = {
        "A": [(10, 10, 10, 10, 9), (10, 10, 10, 10, 0)], "B": flat(10, 2, 9),
        "C": [(10, 10, 10, 10, 9), None],
    }  # fmt: skip
    names = ("open", "high", "low", "close", "volume")
    result = rebalance(bars, {0: {"A": 0.3, "B": 0.3, "C": 0.3}}, names=names)
    assert fills(result) == [(1, "B", 300, 10)]
    assert sorted(orders(result)) == [
        ("filled", "", 300), ("rejected", "no bar", 0), ("rejected", "no volume", 0)
    ]  # fmt: skip


def test_limit_up_locks_buyers_out_and_limit_down_sellers() -> None:
    up: Row = (10, 12, 8, 10, True, False)
    down: Row = (10, 12, 8, 10, False, True)
    free: Row = (10, 10, 10, 10, False, None)
    bars = {"A": [free, free, up, free], "B": [free, free, down, free]}

    def send(s: Scripted) -> None:
        for asset in ("A", "B"):
            s.buy(asset, 1)
            s.sell(asset, 1)
            s.buy(asset, 2, limit=9)
            s.sell(asset, 2, limit=11)
            s.sell(asset, 3, stop=9.5)
            s.buy(asset, 3, on_close=True)
            s.sell(asset, 3, on_close=True)

    result = play(
        bars,
        {0: [lambda s: s.buy("A", 99), lambda s: s.buy("B", 99)], 1: send},
        names=FLAGS,
        account=MarginAccount(),
    )
    by_asset = {
        asset: result.sql(
            f"select status, reason from orders where asset_id = '{asset}' order by order_id"
        ).fetchall()[1:]
        for asset in ("A", "B")
    }
    done, up_is, down_is = ("filled", ""), ("rejected", "limit up"), ("rejected", "limit down")
    waits = ("expired", "end of data")
    assert by_asset == {
        "A": [up_is, done, waits, done, done, up_is, done],
        "B": [done, down_is, done, waits, waits, done, down_is],
    }


# Four bars around limits of 11 and 9: free, opens at limit up, comes off it, locked at limit down.
LIMITED: list[Row] = [
    (10, 10, 10, 10, 11, 9), (11, 11, 10.4, 10.5, 11, 9), (10.5, 11, 10.2, 11, 11, 9),
    (9, 9, 9, 9, 11, 9), (9.5, 9.8, 9, 9.6, 11, 9),
]  # fmt: skip


@pytest.mark.parametrize("as_type", [float, Decimal])
def test_a_price_limit_locks_what_would_trade_at_it(as_type: Any) -> None:
    bars: list[Row] = [(*bar[:4], as_type(bar[4]), as_type(bar[5])) for bar in LIMITED]
    script = {
        0: [lambda s: s.buy("A", 1), lambda s: s.buy("A", 2, limit=10.4)],
        1: [lambda s: s.buy("A", 3), lambda s: s.buy("A", 4, on_close=True)],
        2: [lambda s: s.sell("A", 5), lambda s: s.sell("A", 5, stop=9.5, tif="gtc")],
        3: lambda s: s.buy("A", 6, limit=9),
    }
    result = play(bars, script, names=FLAGS)
    up, down, done = ("rejected", "limit up", 0), ("rejected", "limit down", 0), ("filled", "")
    # At the open at the limit; off it, later in that bar; at an open below it; at a close at it.
    # Locked at limit down: a market order is rejected, a stop waits. A purchase there is free.
    assert orders(result) == [up, (*done, 2), (*done, 3), up, down, (*done, -5), (*done, 6)]
    assert fills(result) == [
        (1, "A", 2, 10.4), (2, "A", 3, 10.5), (4, "A", -5, 9.5), (4, "A", 6, 9),
    ]  # fmt: skip


def test_slippage_takes_no_fill_beyond_a_price_limit() -> None:
    bars: list[Row] = [(10, 10, 10, 10, 11, 9), (10.95, 10.95, 10.95, 10.95, 11, 9)]
    result = play(bars, {0: lambda s: s.buy("A", 1)}, names=FLAGS, slippage=BasisPointSlippage(100))
    assert fills(result) == [(1, "A", 1, 11)]


@pytest.mark.parametrize(
    ("limits", "n_fills"),
    [
        # (limit up, limit down) of the two bars at 0.95, and whether a purchase fills.
        ([(True, False), (True, False)], 0),
        ([(False, False), (False, True)], 1),
        ([(1, 0), (1, 0)], 0),  # whole numbers are flags
        ([(Decimal("1.00"), None), (Decimal("1.00"), None)], 1),  # a DECIMAL is a price
        ([(Decimal("1.00"), None), (Decimal("0.95"), None)], 0),
        ([(1.01, 0.9), (0.95, 0.9)], 0),  # a price that is reached
        ([(None, None), (None, None)], 1),
        ([(1.1, None), (None, None)], 1),  # no limit on that day
        ([(float("nan"), None), (1.02, 0.9)], 1),
    ],
)
def test_flags_and_prices_are_told_apart_by_type_and_distance(
    limits: list[tuple[Any, Any]], n_fills: int
) -> None:
    bars: list[Row] = [(0.95, 0.95, 0.95, 0.95, *one) for one in limits]
    result = play(bars, {0: lambda s: s.buy("A", 1)}, names=FLAGS)
    assert len(fills(result)) == n_fills


def test_fractional_flags_are_flags_where_they_can_be_no_price() -> None:
    """At 10 a limit of 1.00 is none, whatever another asset has later."""
    bars: list[Row] = [(10, 10, 10, 10, limit, None) for limit in (0.0, 1.0)]
    assert orders(play(bars, {0: lambda s: s.buy("A", 1)}, names=FLAGS)) == [
        ("rejected", "limit up", 0)
    ]


def test_a_whole_1_is_a_flag_and_refused_beside_prices() -> None:
    """A 1 at a close near it locks its bar; no price of another asset makes one of it later."""
    near: list[Row] = [(0.95, 0.95, 0.95, 0.95, limit, None) for limit in (None, 1, None, None)]
    assert orders(play(near, {0: lambda s: s.buy("A", 1)}, names=FLAGS)) == [
        ("rejected", "limit up", 0)
    ]
    far: list[Row] = [(10, 10, 10, 10, limit, None) for limit in (None, None, None, 11)]
    with pytest.raises(DataError, match="to DECIMAL if it holds prices") as caught:
        play({"A": near, "B": far}, {}, names=FLAGS)
    assert (caught.value.n_rows, caught.value.rule) == (1, "price_limit_not_valid")


@pytest.mark.parametrize("later", [None, 1.0, 11.0])
def test_what_may_be_a_flag_or_a_price_is_refused_whatever_comes_later(later: Any) -> None:
    near: list[Row] = [(0.95, 0.95, 0.95, 0.95, limit, None) for limit in (None, 1.0, None, None)]
    far: list[Row] = [(10, 10, 10, 10, limit, None) for limit in (None, None, None, later)]
    message = "cast the column to BOOLEAN if it marks locked bars, to DECIMAL if it holds prices"
    other = "is neither a flag"  # of both kinds at once
    with pytest.raises(DataError, match=f"{message}|{other}") as caught:
        play({"A": near, "B": far}, {}, names=FLAGS)
    assert (caught.value.n_rows, caught.value.rule) == (1, "price_limit_not_valid")


@pytest.mark.parametrize(
    ("limits", "n_rows"),
    [
        ([11.0, 0.0, 1.0], 2),  # prices and flags in one column
        ([11.0, 99_999.0, 11.0], 1),  # a number that stands for none
        ([9.0, 9.0, 9.0], 3),  # below the close: the other limit
        ([-1.0, 11.0, 11.0], 1),
        ([2, 2, 1], 3),
    ],
)
def test_what_is_neither_flag_nor_price_limit_is_refused_with_its_rows(
    limits: list[float], n_rows: int
) -> None:
    bars: list[Row] = [(10, 10, 10, 10, limit, None) for limit in limits]
    with pytest.raises(DataError, match="'prices' has a limit_up that is neither") as caught:
        play(bars, {}, names=FLAGS)
    assert caught.value.n_rows == n_rows
    assert caught.value.sample[0]["price_limit"] == next(x for x in limits if not 9.9 <= x <= 30)


def test_price_limits_of_a_features_source_are_read_too() -> None:
    limits = {"timestamp": [day(0), day(1)], "asset_id": ["A", "A"], "limit_up": [11.0, 11.0]}
    bars: list[Row] = [TEN, (11, 11, 11, 11)]
    result = play(bars, {0: lambda s: s.buy("A", 1)}, sources={"features": limits})
    assert orders(result) == [("rejected", "limit up", 0)]
    market = {"timestamp": [day(0), day(1)], "limit_up": [11.0, 11.0]}
    with pytest.raises(DataError, match="market-wide limit_up that is no flag"):
        play(bars, {}, sources={"context": market})


def test_behind_a_stop_that_is_locked_in_comes_no_target() -> None:
    """Down to the limit and up again in one bar: the stop was first, and could not sell."""
    bars: list[Row] = [(10, 10, 10, 10, 11, 9)] * 2 + [
        (10, 11, 9, 10, 11, 9),
        (8.8, 9, 8.5, 9, 10, 8),
    ]
    for more in ([], [lambda s: s.buy("A", 1, limit=1)]):  # as a vector, and as a walk
        script = {0: [lambda s: s.buy("A", 1), *more]}
        result = play(bars, script, StopLoss(0.1), TakeProfit(0.05), names=FLAGS)
        assert fills(result)[1:] == [(3, "A", -1, 8.8)]


def test_a_stop_that_is_locked_out_waits_for_a_bar_on_which_it_can_sell() -> None:
    bars: list[Row] = [(10, 10, 10, 10, 0, 0)] * 2 + [(8, 8, 8, 8, 0, 1), (7, 7, 7, 7, 0, 0)]
    script = {0: [lambda s: s.buy("A", 1), lambda s: s.buy("B", 1, stop_loss=9)]}
    result = play({"A": bars, "B": bars}, script, StopLoss(0.2), names=FLAGS)
    assert fills(result)[2:] == [(3, "A", -1, 7), (3, "B", -1, 7)]


def test_an_exit_that_is_locked_out_waits_and_a_target_is_rejected() -> None:
    bars: dict[str, Sequence[Row]] = {
        "A": [(10, 10, 10, 10, 0, 0)] * 2 + [(9, 9, 9, 9, 0, 1), (8, 8, 8, 8, 0, 0)]
    }
    result = play(bars, {0: lambda s: s.buy("A", 1)}, TimeBasedExit(1), names=FLAGS)
    assert orders(result)[1:] == [("filled", "", -1)]
    assert fills(result)[1:] == [(3, "A", -1, 8)]
    up: dict[str, Sequence[Row]] = {"A": [(10, 10, 10, 10, 0, 0), (11, 11, 11, 11, 1, 0)]}
    target = rebalance(up, {0: {"A": 0.5}}, names=FLAGS)
    assert orders(target) == [("rejected", "limit up", 0)]


def test_orders_of_an_asset_without_later_bars_wait_as_in_a_halt() -> None:
    bars = {"A": flat(10, 3), "B": flat(10, 6)}
    script = {
        0: [lambda s: s.buy("A", 1, limit=5), lambda s: s.buy("A", 1, stop_loss=5)],
        2: [
            lambda s: s.buy("A", 1),
            lambda s: s.buy("A", 1, tif="gtc"),
            lambda s: s.buy("A", 1, on_close=True),
        ],
        4: [lambda s: s.sell("A", 1), lambda s: s.buy("A", 1, limit=5)],
    }
    result = play(bars, script)
    waits, no_bar = ("expired", "end of data", 0), ("rejected", "no bar", 0)
    # The limit, the bracket and its stop; then market, market until cancelled, on close.
    assert orders(result) == [
        waits, ("filled", "", 1), waits, no_bar, waits, no_bar, no_bar, waits
    ]  # fmt: skip
    # What is held is held, at its last price, and says so.
    assert held(result)[-1] == (5, "A", 1)
    assert result.sql("select count(*) from positions where is_stale").fetchall() == [(3,)]


# -- lots and ticks --------------------------------------------------------------------------


def assets(**columns: Any) -> dict[str, Any]:
    return {"assets": {"asset_id": ["A"], **{name: [value] for name, value in columns.items()}}}


def test_quantities_are_cut_toward_zero_to_the_lot() -> None:
    script = {
        0: [
            lambda s: s.buy("A", 19),
            lambda s: s.buy("A", 9),
            lambda s: s.sell("A", 39),
            lambda s: s.order_target("A", 57),
        ],
    }
    result = play(flat(10, 3), script, sources=assets(lot_size=10), account=MarginAccount())
    assert orders(result) == [
        ("filled", "", 10), ("rejected", "below one lot", 0), ("filled", "", -30),
        ("filled", "", 70),
    ]  # fmt: skip
    assert held(result)[-1] == (2, "A", 50)


def test_what_closes_all_of_a_position_may_be_an_odd_lot() -> None:
    # A split of 10 into 15 leaves 5 beyond the lot of 10.
    split = {"asset_id": ["A"], "ex_date": [day(2)], "kind": ["split"], "value": [1.5]}
    bars: list[Row] = [TEN, TEN, *flat(10 / 1.5, 3)]
    script = {0: lambda s: s.buy("A", 10), 2: lambda s: s.sell("A", 15)}
    for terms in ({}, assets(lot_size=10)):
        result = play(bars, script, sources={"actions": split, **terms})
        # The odd 5 stay, and are sold with the whole; nothing is paid for them in lieu.
        assert fills(result)[-1][:3] == (3, "A", -15)
        assert result.sql("select kind from cash_flows").fetchall() == [("deposit",)]


def test_whole_shares_are_shares_and_targets_round_toward_zero() -> None:
    bars: dict[str, Sequence[Row]] = {"A": flat(30, 3)}
    long = rebalance(bars, {0: {"A": 0.5}, 1: {}}, execution=WHOLE)
    assert [row[2] for row in fills(long)] == [166, -166]
    short = rebalance(bars, {0: {"A": -0.5}, 1: {}}, execution=WHOLE, account=MarginAccount())
    assert [row[2] for row in fills(short)] == [-166, 166]
    assert "whole shares" in long.summary()


def test_lots_of_an_asset_stand_beside_whole_shares_of_the_rest() -> None:
    bars = {"A": flat(10, 2), "B": flat(10, 2)}
    script = {0: [lambda s: s.buy("A", 29.5), lambda s: s.buy("B", 29.5)]}
    result = play(bars, script, sources=assets(lot_size=10), execution=WHOLE)
    assert fills(result) == [(1, "A", 20, 10), (1, "B", 29, 10)]


def test_purchases_that_are_cut_to_the_cash_stay_in_whole_lots() -> None:
    bars: dict[str, Sequence[Row]] = {"A": flat(10, 2), "B": flat(30, 2)}
    result = rebalance(
        bars, {0: {"A": 0.5, "B": 0.5}}, execution=WHOLE, commission=BasisPointCommission(100)
    )
    # 500 and 166 cost 9,980 and 99.8 more: both times 10,000 / 10,079.8, 496.04 and 164.68.
    assert [row[2] for row in fills(result)] == [496, 164]
    # The one lacks 0.8% of what was asked, the other 1.2%.
    assert [row[:2] for row in orders(result)] == [
        ("filled", "trimmed to fit the account"), ("partial", "cut: insufficient cash")
    ]  # fmt: skip


def test_prices_are_on_ticks_never_to_the_traders_favour() -> None:
    script = {
        0: [
            lambda s: s.buy("A", 1, limit=9.83),  # 9.80
            lambda s: s.sell("A", 1, limit=10.22),  # 10.25
            lambda s: s.buy("A", 1, stop=10.31),  # 10.35
            lambda s: s.sell("A", 1, stop=9.74),  # 9.70
        ],
    }
    bars: list[Row] = [TEN, (10, 10.5, 9.5, 10), TEN]
    result = play(bars, script, sources=assets(tick_size=0.05), account=MarginAccount())
    # By phase and distance: the stops, then the limits.
    assert fills(result) == [
        (1, "A", -1, 9.7), (1, "A", 1, 10.35), (1, "A", 1, 9.8), (1, "A", -1, 10.25)
    ]  # fmt: skip
    prices = result.sql("select limit_price, stop_price from orders order by order_id").fetchall()
    assert prices == [
        (pytest.approx(9.8), None), (pytest.approx(10.25), None),
        (None, pytest.approx(10.35)), (None, pytest.approx(9.7)),
    ]  # fmt: skip


def test_a_fill_off_the_tick_is_rounded_against_the_trader_as_slippage() -> None:
    bars: list[Row] = [TEN, (10.01, 10.02, 9.99, 10), TEN]
    script = {0: [lambda s: s.buy("A", 2), lambda s: s.sell("A", 3)]}
    result = play(bars, script, sources=assets(tick_size=0.05), account=MarginAccount())
    assert result.sql(
        "select round(price, 8), round(slippage, 8) from fills order by fill_id"
    ).fetchall() == [(10.05, 0.08), (10, 0.03)]


def test_a_limit_is_never_filled_beyond_it_by_ticks_and_slippage_together() -> None:
    bars: list[Row] = [TEN, (9.8, 10, 9, 10), TEN]
    script = {0: lambda s: s.buy("A", 1, limit=9.84)}
    result = play(
        bars, script, sources=assets(tick_size=0.05), slippage=BasisPointSlippage(100)
    )  # fmt: skip
    # 9.8 * 1.01 is 9.898, on the tick 9.9: the limit is 9.8.
    assert fills(result) == [(1, "A", 1, 9.8)]


def test_levels_of_rules_and_trailing_stops_fill_on_ticks() -> None:
    bars: list[Row] = [TEN, TEN, (10, 10, 9, 9), TEN]
    script = {0: [lambda s: s.buy("A", 1), lambda s: s.buy("A", 1)], 1: [
        lambda s: s.sell("A", 1, trail=0.42)
    ]}  # fmt: skip
    result = play(bars, script, StopLoss(0.0333), sources=assets(tick_size=0.05))
    # The trail is at 9.58 and the rule's stop at 9.667, on the tick 9.65.
    assert fills(result)[2:] == [(2, "A", -2, 9.65)]
    trailed = play(bars, script, sources=assets(tick_size=0.05))
    assert fills(trailed)[2:] == [(2, "A", -1, 9.55)]


# -- contract multiplier ---------------------------------------------------------------------


def test_a_multiplier_counts_in_value_cash_profit_costs_and_exposure() -> None:
    bars: list[Row] = [(100, 100, 100, 100), (100, 100, 100, 100), (110, 110, 110, 110)]
    script = {0: lambda s: s.buy("A", 10), 1: lambda s: s.sell("A", 4)}
    result = play(
        bars, script, sources=assets(multiplier=5.0, initial_margin=0.1, maintenance_margin=0.1),
        account=MarginAccount(), commission=BasisPointCommission(100),
        slippage=BasisPointSlippage(100),
    )  # fmt: skip
    # Bought 10 * 5 at 101 (5,050; commission 50.5), sold 4 * 5 at 108.9 (2,178; 21.78).
    assert result.sql(
        "select price, round(commission, 8), round(slippage, 8) from fills order by fill_id"
    ).fetchall() == [(101, 50.5, 50), (pytest.approx(108.9), 21.78, 22)]
    assert cash(result) == [10_000, 4_899.5, 7_055.72]
    assert result.sql(
        "select equity, gross_exposure, net_exposure from equity order by timestamp"
    ).fetchall()[1:] == [
        (pytest.approx(9_899.5), 5_000, 5_000), (pytest.approx(10_355.72), 3_300, 3_300)
    ]  # fmt: skip
    # 4 of the lot of 10: 4 * 5 * 7.9 less its share of both commissions.
    assert trades(result) == [("order", 4, round(20 * 7.9 - 20.2 - 21.78, 8))]
    assert result.sql("select value, price from positions order by timestamp").fetchall() == [
        (5_000, 100), (3_300, 110)
    ]  # fmt: skip


def test_a_multiplier_counts_in_sizes_and_buying_power() -> None:
    bars: dict[str, Sequence[Row]] = {"A": flat(100, 3)}
    source = assets(multiplier=5.0)
    result = rebalance(bars, {0: {"A": 0.5}}, sources=source)
    assert fills(result) == [(1, "A", 10, 100)]  # 5,000 of 500 each
    script = {0: [lambda s: s.order_target_percent("A", 2.0), lambda s: s.buy("A", 1)]}
    bought = play(bars, script, sources=source, account=MarginAccount())
    assert orders(bought) == [("filled", "", 40), ("rejected", "insufficient buying power", 0)]


# -- what is refused -------------------------------------------------------------------------


@each_value
@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0, None])
def test_a_price_that_is_none_stops_the_run_and_shows_its_row(name: str, value: Any) -> None:
    bars = price_table({"A": flat(10, 3), "B": flat(10, 3)}, VWAP[:4], [day(t) for t in range(3)])
    bars[name][4] = value
    catalog = Catalog(threads=1).register("prices", bars)
    engine = BacktestEngine(catalog, Scripted({0: lambda s: s.buy("A", 1)}))
    with pytest.raises(DataError, match=r"2024-01-02.*B|B.*2024-01-02") as error:
        engine.run()
    assert error.value.source == "prices"
    assert error.value.n_rows >= 1
    assert error.value.sample[0]["asset_id"] == "B"


CHOICES: list[tuple[Any, str, Any]] = [
    (ExecutionPolicy, "sized_at", SizedAt),
    (CashAccount, "shortfall", Shortfall),
    (MarginAccount, "shortfall", Shortfall),
    (LevelPolicy, "base", LevelBase),
    (LevelPolicy, "trail_start", TrailStart),
    (LevelPolicy, "trail_by", TrailBy),
    (LevelPolicy, "trigger", Trigger),
]


@pytest.mark.parametrize(("kind", "name", "choice"), CHOICES)
def test_a_word_that_no_setting_knows_is_an_error(kind: Any, name: str, choice: Any) -> None:
    for member in choice:
        assert getattr(kind(**{name: str(member)}), name) is member
    for word in (f"{next(iter(choice))}x", "", "None", next(iter(choice)).upper(), None, 1):
        with pytest.raises(ConfigError, match=f"{name} must be one of"):
            kind(**{name: word})


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: MaxDrawdown(0.1, action="liquidat"), "did you mean 'liquidate'"),
        (lambda: MaxDailyLoss(0.1, action="stop"), "action must be one of"),
        (lambda: BacktestConfig.preset("backtrade"), "did you mean 'backtrader'"),
        (lambda: BacktestConfig.preset("default", comission=None), "did you mean 'commission'"),
        (lambda: ExecutionPolicy(timing="next_open"), "timing must be one of NextOpen"),
        (lambda: ExecutionPolicy(timing=NextOpen), "timing must be one of NextOpen"),
        (lambda: ExecutionPolicy(participation="all"), "participation must be a number"),
        (lambda: ExecutionPolicy(participation=1.5), "participation must be a number"),
        (lambda: ExecutionPolicy(whole_shares="no"), "whole_shares must be True or False"),
        (lambda: LevelPolicy(slips="no"), "slips must be True or False"),
        (lambda: CashAccount(shorting="no"), "shorting must be True or False"),
        (lambda: CashAccount(settlement=1.5), "settlement must be a whole number"),
        (lambda: CashAccount(settlement="T+1"), "settlement must be a whole number"),
        (lambda: ActionPolicy(reinvest_dividends=1), "reinvest_dividends must be True or False"),
        (lambda: BacktestConfig(account="margin"), "account must be of CashAccount or Margin"),
        (lambda: BacktestConfig(execution="next_close"), "execution must be of ExecutionPolicy"),
        (lambda: BacktestConfig(commission=0.001), r"charge\(\), was 0.001; BasisPointCommission"),
        (lambda: BacktestConfig(slippage=None), r"slippage must have a method fill_price\(\)"),
        (lambda: Catalog().register("price", {}), "unknown role 'price'; did you mean 'prices'"),
        (lambda: Catalog().register("prices", {}, on_bad_rows="ignore"), "on_bad_rows must be"),
    ],
)
def test_a_setting_that_means_nothing_is_an_error(build: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build()


def test_every_time_in_force_is_known_by_its_word_alone() -> None:
    assert [str(force) for force in TimeInForce] == ["gtc", "day", "gtd", "ioc"]


def test_an_exit_that_is_the_bars_share_but_for_rounding_leaves_nothing() -> None:
    """0.3 * 174 is 52.199999999999996, and what that leaves of 52.2 is no position."""
    rows: list[Row] = [(100, 101, 99, 100, 1_000)] * 3 + [(100, 101, 99, 100, 174)] * 3
    script = {0: lambda s: s.buy("A", 52.2)}
    result = play(rows, script, TimeBasedExit(2), execution=share_of(0.3))
    assert fills(result) == [(1, "A", 52.2, 100), (3, "A", -52.2, 100)]
    assert [row[0] for row in orders(result)] == ["filled", "filled"]


def test_an_exit_inside_a_bar_was_created_at_the_close_that_decided_its_level() -> None:
    on_entry: list[Row] = [TEN, (10, 10, 8, 9)]
    later: list[Row] = [TEN, TEN, TEN, (10, 10, 8, 9)]
    for bars, t in ((on_entry, 0), (later, 2)):
        result = play(bars, {0: lambda s: s.buy("A", 1)}, StopLoss(0.1))
        rows = result.sql("select tag, created_at from orders order by order_id").fetchall()
        assert rows == [("order", day(0)), ("StopLoss", day(t))]
