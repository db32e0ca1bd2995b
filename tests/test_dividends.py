"""Dividends: what they do to levels, to resting orders and to the P&L of trades; by hand."""

from __future__ import annotations

from typing import Any

import pytest

from ml4t.backtest import (
    ActionPolicy,
    BacktestConfig,
    BacktestResult,
    ConfigError,
    LevelPolicy,
    MarginAccount,
)
from ml4t.backtest.risk import (
    BreakevenStop,
    DynamicTrailingStop,
    RiskRule,
    ScaledExit,
    StopLoss,
    TakeProfit,
    TrailingStop,
    VolatilityScaledStopLoss,
    VolatilityTrailingStop,
)
from ml4t.backtest.strategies import HybridStrategy, PercentSizer, Rule, SignalStrategy
from scripted import Action, Row, day, equity, fills, flat, flows, orders, play, trades

MARGIN = MarginAccount(initial_margin=0.5, maintenance_margin=0.0)
UNMOVED = ActionPolicy(dividends_move_levels=False)


def buy(quantity: float, **terms: Any) -> Action:
    return lambda strategy: strategy.buy("A", quantity, **terms)


def sell(quantity: float, **terms: Any) -> Action:
    return lambda strategy: strategy.sell("A", quantity, **terms)


def paying(*rows: tuple[Any, ...], kinds: str = "dividend") -> dict[str, Any]:
    """Actions of A: (bar, value), or (bar, value, bar of payment)."""
    table: dict[str, Any] = {
        "asset_id": ["A"] * len(rows),
        "ex_date": [day(row[0]) for row in rows],
        "kind": kinds.split(),
        "value": [row[1] for row in rows],
    }
    if any(len(row) > 2 for row in rows):
        table["pay_date"] = [day(row[2]) if len(row) > 2 else None for row in rows]
    table["kind"] = (table["kind"] * len(rows))[: len(rows)]
    return {"actions": table}


def asked(result: BacktestResult) -> list[tuple[Any, ...]]:
    """(limit, stop) of every order, by number."""
    query = "select round(limit_price, 9), round(stop_price, 9) from orders order by order_id"
    return result.sql(query).fetchall()


# -- levels of rules --------------------------------------------------------------------------

# 20 until the ex-date of a dividend of 5 on day 2, then 15.
WENT_EX = [*flat(20, 2), *flat(15, 2)]
ATR = {
    "features": {
        "timestamp": [day(t) for t in range(6)], "asset_id": ["A"] * 6, "atr": [1.0] * 6,
    }
}  # fmt: skip


def test_a_special_dividend_closes_nothing_at_a_stop_that_lost_nothing() -> None:
    rows = [*WENT_EX, *flat(18, 1), *flat(20, 1)]
    moved = play(rows, {0: buy(100)}, StopLoss(0.1), sources=paying((2, 5.0)))
    assert fills(moved) == [(1, "A", 100, 20)]
    assert equity(moved) == [10_000] * 4 + [10_300, 10_500]
    unmoved = play(rows, {0: buy(100)}, StopLoss(0.1), sources=paying((2, 5.0)), actions=UNMOVED)
    assert fills(unmoved)[1:] == [(2, "A", -100, 15)]


@pytest.mark.parametrize(
    ("rule", "level"),
    [
        # Price and dividend together are 10% below the entry of 20.
        (StopLoss(0.1), 13.0),
        (TrailingStop(0.1), 13.0),
        (TrailingStop(amount=2.5), 12.5),
        (DynamicTrailingStop(0.1), 13.0),
        (VolatilityScaledStopLoss(2.5), 12.5),
        (VolatilityTrailingStop(2.5), 12.5),
    ],
)
def test_every_stop_falls_by_the_dividend_on_its_ex_date_and_stays_there(
    rule: RiskRule, level: float
) -> None:
    left, held = (15, 15, level - 0.5, 15), (15, 15, level + 1e-6, 15)
    before, after = flat(20, 2), flat(15, 2)
    markets = {
        "at once": [*before, left, *after],  # on the ex-date itself
        "held at once": [*before, held, *after],
        "later": [*before, *after, left],  # from what was set after it
        "held later": [*before, *after, held],
    }
    paid, known = paying((2, 5.0))["actions"], ATR["features"]
    sources = {
        "actions": {name: values * 4 for name, values in paid.items()}
        | {"asset_id": list(markets)},
        "features": {name: values * 4 for name, values in known.items()}
        | {"asset_id": [name for name in markets for _ in known["atr"]]},
    }
    everything = [lambda own, name=name: own.buy(name, 100) for name in markets]
    result = play(markets, {0: everything}, rule, sources=sources)
    assert fills(result)[4:] == [(2, "at once", -100, level), (4, "later", -100, level)]
    acted = "select asset_id, action, level from decisions order by timestamp"
    assert result.sql(acted).fetchall() == [
        ("at once", "stop", pytest.approx(level)), ("later", "stop", pytest.approx(level)),
    ]  # fmt: skip


def test_targets_fall_too() -> None:
    rows = [*flat(20, 2), (15, 17.5, 15, 17), (17, 19, 16, 19)]
    for rule in (TakeProfit(0.1), ScaledExit(((0.1, 1.0),))):
        result = play(rows, {0: buy(100)}, rule, sources=paying((2, 5.0)))
        # 22 is 17: the dividend of 5 is part of the profit of 2 a share.
        assert fills(result)[1:] == [(2, "A", -100, 17)]
        assert trades(result) == [(rule.name, 100, 200)]


def test_a_short_owes_the_dividend_and_its_levels_fall_by_it() -> None:
    rows = [*flat(20, 2), (15, 16.9, 13.1, 15), (15, 17, 14, 16)]
    rules = StopLoss(0.1), TakeProfit(0.1)
    result = play(rows, {0: sell(100)}, *rules, sources=paying((2, 5.0)), account=MARGIN)
    # Stop at 22 - 5, target at 18 - 5: neither before day 3.
    assert fills(result)[1:] == [(3, "A", 100, 17)]
    assert trades(result) == [("StopLoss", -100, -200)]


def test_a_profit_counts_dividends_where_a_stop_goes_to_the_entry() -> None:
    # Price 19 and dividend 5 are a profit of 20%; break-even is at 15.
    rows = [*flat(20, 2), *flat(19, 1), (16, 16, 14, 14)]
    result = play(rows, {0: buy(100)}, BreakevenStop(0.19), sources=paying((2, 5.0)))
    assert fills(result)[1:] == [(3, "A", -100, 15)]
    assert trades(result) == [("BreakevenStop", 100, 0)]


def test_of_several_lots_the_average_dividend_counts() -> None:
    # 100 at 20 with the dividend of 5, 100 at 15 without: 3,500 less 10% is 3,150, less 500 is
    # 2,650 for 200 shares.
    rows = [*flat(20, 2), *flat(15, 2), (15, 15, 13, 13)]
    script = {0: buy(100), 2: buy(100)}
    result = play(rows, script, StopLoss(0.1), sources=paying((2, 5.0)))
    assert fills(result)[2:] == [(4, "A", -200, 13.25)]
    assert sum(row[2] for row in trades(result)) == pytest.approx(-350)


def test_what_is_bought_on_the_ex_date_has_levels_without_the_dividend() -> None:
    rows = [*flat(20, 2), *flat(15, 1), (15, 15, 13, 13)]
    result = play(rows, {1: buy(100)}, StopLoss(0.1), sources=paying((2, 5.0)))
    assert fills(result) == [(2, "A", 100, 15), (3, "A", -100, 13.5)]
    assert flows(result) == []


def test_two_dividends_and_a_split_of_one_day_move_a_level_by_all_of_them() -> None:
    # 18 less 1 and 5 is 12 of an old share, 6 of a new one.
    actions = paying((2, 1.0), (2, 5.0), (2, 2.0), kinds="dividend dividend split")
    rows = [*flat(20, 2), (7, 7, 6.1, 7), (7, 7, 5.5, 6)]
    result = play(rows, {0: buy(100)}, StopLoss(0.1), sources=actions)
    assert fills(result)[1:] == [(3, "A", -200, 6)]
    assert sorted(row[3] for row in flows(result)) == [100, 500]


def test_a_level_touched_at_a_close_leaves_later_and_counts_dividends_too() -> None:
    settings = {"levels": LevelPolicy(trigger="next_open"), "sources": paying((2, 5.0))}
    calm = play([*WENT_EX, *flat(15, 1)], {0: buy(100)}, StopLoss(0.1), **settings)
    assert len(fills(calm)) == 1
    rows = [*flat(20, 2), (15, 15, 12.9, 14), *flat(14, 1)]
    touched = play(rows, {0: buy(100)}, StopLoss(0.1), **settings)
    assert fills(touched)[1:] == [(3, "A", -100, 14)]


def test_a_rule_of_ones_own_sees_prices_as_they_are_and_the_dividends_beside_them() -> None:
    seen = []

    class Watch(RiskRule):
        def stop(self, held: Any) -> Any:
            row = (held.entry_price, held.water_mark, held.close, held.dividends)
            seen.append(tuple(float(values[0]) for values in row))
            return held.at_profit(-0.1)

    play([*flat(20, 2), (15, 16, 15, 15)], {0: buy(100)}, Watch(), sources=paying((2, 5.0)))
    # As it is opened, at the close of that bar, and at the close of the ex-date.
    assert seen == [(20, 20, 20, 0), (20, 20, 20, 0), (20, 16, 15, 5)]


# -- resting orders: FINRA rule 5330 ------------------------------------------------------------


def test_a_resting_buy_limit_is_reduced_by_the_dividend() -> None:
    rows = [*WENT_EX, *flat(18, 1), *flat(20, 1)]
    result = play(rows, {0: buy(100, limit=16)}, sources=paying((2, 5.0)))
    assert fills(result) == []
    assert asked(result) == [(11, None)]
    assert orders(result) == [("expired", "end of data", 0)]
    unmoved = play(rows, {0: buy(100, limit=16)}, sources=paying((2, 5.0)), actions=UNMOVED)
    assert fills(unmoved) == [(2, "A", 100, 15)]


def test_sell_stops_are_reduced_and_sell_limits_and_buy_stops_are_not() -> None:
    script = {
        0: buy(100),
        1: [
            buy(1, limit=19),
            sell(1, stop=18),
            sell(1, stop=18, limit=17),
            sell(1, limit=24),
            buy(1, stop=24),
            buy(1, stop=24, limit=25),
        ],
    }
    result = play([*flat(20, 2), *flat(15, 2)], script, sources=paying((2, 5.0)))
    assert asked(result)[1:] == [
        (14, None), (None, 13), (12, 13), (24, None), (None, 24), (25, 24),
    ]  # fmt: skip
    assert len(fills(result)) == 1


@pytest.mark.parametrize(
    ("trail", "level"), [({"trail": 2.0}, 13), ({"trail_fraction": 0.1}, 13.5)]
)
def test_a_trailing_sell_starts_again_from_its_best_price_less_the_dividend(
    trail: dict[str, float], level: float
) -> None:
    rows = [*flat(20, 2), *flat(15, 1), (15, 15, 13, 13)]
    result = play(rows, {0: buy(100), 1: sell(100, **trail)}, sources=paying((2, 5.0)))
    assert fills(result)[1:] == [(3, "A", -100, level)]


def test_a_stop_limit_to_buy_is_a_limit_once_its_stop_was_met() -> None:
    # Met at 22 on day 1, beyond its limit of 21; the dividend of 5 makes that 16.
    rows = [*flat(20, 1), *flat(22, 1), *flat(17, 2)]
    result = play(rows, {0: buy(100, stop=21, limit=21)}, sources=paying((2, 5.0)))
    assert fills(result) == []
    assert asked(result) == [(16, 21)]


def test_the_children_of_a_bracket_follow_their_own_kind() -> None:
    script = {0: buy(100, limit=16, take_profit=20, stop_loss=14)}
    rows = [*flat(20, 2), (15, 15, 11, 12), *flat(12, 1)]
    result = play(rows, script, sources=paying((2, 5.0)))
    # Bought at 11, its stop at 9 and not at 14, where it would leave at once.
    assert fills(result) == [(2, "A", 100, 11)]
    assert asked(result) == [(11, None), (20, None), (None, 9)]
    live = play(WENT_EX, {0: buy(100, take_profit=24, stop_loss=18)}, sources=paying((2, 5.0)))
    assert asked(live) == [(None, None), (24, None), (None, 13)]


def test_reduced_prices_are_on_ticks_the_lower_one() -> None:
    terms = {"assets": {"asset_id": ["A"], "tick_size": [0.25]}}
    script = {0: buy(10), 1: [buy(1, limit=19), sell(1, stop=18)]}
    result = play(WENT_EX, script, sources={**paying((2, 4.9)), **terms})
    assert asked(result)[1:] == [(14, None), (None, 13)]


def test_an_order_below_its_dividend_ends() -> None:
    script = {0: [buy(100, limit=4), buy(1, limit=6, stop_loss=4)]}
    result = play(WENT_EX, script, sources=paying((2, 5.0)))
    above = "a dividend above its price"
    assert orders(result) == [
        ("cancelled", above, 0), ("expired", "end of data", 0), ("cancelled", above, 0),
    ]  # fmt: skip


# -- trades -----------------------------------------------------------------------------------


def test_a_short_that_earned_what_it_owed_has_earned_nothing() -> None:
    rows = [*flat(100, 2), *flat(95, 4)]
    script = {0: sell(50), 3: buy(50)}
    result = play(rows, script, sources=paying((2, 5.0)), account=MARGIN)
    assert trades(result) == [("order", -50, 0)]
    assert (result["total_return"], result["hit_rate"], result["n_trades"]) == (0, None, 1)
    row = 'select dividends, pnl, "return" from trades'
    assert result.sql(row).fetchall() == [(-250, 0, 0)]
    assert flows(result) == [(2, "A", "dividend", -250)]


def test_each_lot_has_the_dividends_of_its_own_time() -> None:
    rows = flat(100, 7)
    script = {0: buy(10), 2: buy(10), 3: sell(15), 5: sell(5)}
    result = play(rows, script, sources=paying((2, 1.0), (4, 2.0), (6, 3.0)))
    # 10 have had 1 and 2 by day 4, the other 10 only 2: they are sold at its open, day 4 is theirs.
    assert trades(result) == [("order", 10, 30), ("order", 5, 10), ("order", 5, 25)]
    assert [row[3] for row in flows(result)] == [10, 40, 15]


def test_a_trade_between_ex_date_and_pay_date_has_the_dividend_that_is_due() -> None:
    rows = flat(100, 5)
    result = play(rows, {0: buy(10), 2: sell(10)}, sources=paying((2, 1.0, 4), (2, 2.0, 9)))
    assert trades(result) == [("order", 10, 30)]
    # 20 are due after the last bar: in no equity yet.
    assert flows(result) == [(4, "A", "dividend", 10)]
    assert equity(result)[-1] == 10_010


def test_open_lots_and_positions_show_dividends_in_their_pnl() -> None:
    result = play(WENT_EX, {0: buy(100)}, sources=paying((2, 4.0)))
    open_lot = "select pnl, dividends from trades where exit_timestamp is null"
    assert result.sql(open_lot).fetchall() == [(-100, 400)]
    marked = "select unrealized_pnl from positions order by timestamp"
    assert result.sql(marked).fetchall() == [(0,), (-100,), (-100,)]


def test_a_strategy_sees_dividends_in_the_pnl_of_a_position() -> None:
    seen = []

    def look(strategy: Any) -> None:
        position = strategy.broker.get_position("A")
        seen.append(
            (strategy.get_unrealized_pnl("A"), strategy.get_unrealized_pnl_pct("A"),
             position.dividends, position.entry_price)
        )  # fmt: skip

    sources = {**paying((2, 4.0)), "assets": {"asset_id": ["A"], "multiplier": [2.0]}}
    play(WENT_EX, {0: buy(100), 1: look, 2: look}, sources=sources)
    assert seen == [(0, 0, 0, 20), (-200, -0.05, 800, 20)]


def rotation_rows() -> list[Row]:
    return [*flat(20, 2), *flat(15, 2), *flat(14, 2)]


class Exits(HybridStrategy):
    """Buys on the first bar, leaves at a loss of 4%."""

    @staticmethod
    def evaluate_entry(close: float, position: float) -> int:
        return 1 if position == 0 and close == 20 else 0

    @staticmethod
    def evaluate_exit(pnl_pct: float) -> int:
        return -1 if pnl_pct < -0.04 else 0


@pytest.mark.parametrize("form", ["rules", "functions", "trailing"])
def test_rules_on_closes_count_dividends(form: str) -> None:
    from ml4t.backtest import BacktestEngine, Catalog
    from scripted import FREE, NAMES, price_table

    exits = Rule.trailing_stop(0.04) if form == "trailing" else Rule.stop_loss(0.04)
    strategy = Exits(PercentSizer(0.5)) if form == "functions" else SignalStrategy(
        entry_rules=[Rule.signal_above("close", 19.0), Rule.not_in_position()],
        exit_rules=[exits], position_sizer=PercentSizer(0.5),
    )  # fmt: skip
    times = [day(t) for t in range(6)]
    catalog = Catalog(threads=1).register(
        "prices", price_table({"A": rotation_rows()}, NAMES, times)
    )
    catalog.register("actions", paying((2, 5.0))["actions"])
    result = BacktestEngine(catalog, strategy, config=BacktestConfig(**FREE)).run()
    # At 15 nothing was lost, at 14 a share has lost 1 of 20.
    assert [(row[0], row[3]) for row in fills(result)] == [(1, 20), (5, 14)]


# -- the switch -------------------------------------------------------------------------------


def test_presets_of_other_engines_move_nothing_and_the_others_do() -> None:
    moves = {
        name: BacktestConfig.preset(name).actions.dividends_move_levels
        for name in ("default", "realistic", "vectorbt", "backtrader", "zipline")
    }
    assert moves == {
        "default": True, "realistic": True, "vectorbt": False, "backtrader": False,
        "zipline": False,
    }  # fmt: skip
    with pytest.raises(ConfigError, match="dividends_move_levels must be True or False"):
        ActionPolicy(dividends_move_levels=1)  # type: ignore[arg-type]


def test_without_the_switch_trades_have_their_dividends_and_no_price_moves() -> None:
    script = {0: buy(100), 1: [buy(1, limit=14), sell(1, stop=12)]}
    rules = TrailingStop(0.4), BreakevenStop(0.2)
    rows = [*WENT_EX, *flat(19, 2)]
    result = play(rows, script, *rules, sources=paying((2, 5.0)), actions=UNMOVED)
    assert asked(result)[1:] == [(14, None), (None, 12)]
    assert result.sql("select sum(pnl), sum(dividends) from trades").fetchall() == [(400, 500)]


# -- where nothing trades on the ex-date ------------------------------------------------------

OTHER = flat(10, 6)  # an asset that trades on every day


def trade(quantity: float) -> Action:
    return buy(quantity) if quantity > 0 else sell(-quantity)


@pytest.mark.parametrize("side", [1, -1])
def test_a_dividend_of_an_asset_without_a_bar_is_in_its_mark_no_more(side: int) -> None:
    # 20 paid on day 3, without a bar until day 5.
    rows = {"A": [*flat(100, 3), None, None, *flat(80, 1)], "B": OTHER}
    result = play(rows, {0: trade(side * 50)}, sources=paying((3, 20.0)), account=MARGIN)
    assert equity(result) == [10_000] * 6
    marked = "select price, is_stale, unrealized_pnl from positions order by timestamp"
    assert result.sql(marked).fetchall() == [
        (100, False, 0), (100, False, 0), (80, True, 0), (80, True, 0), (80, False, 0),
    ]  # fmt: skip
    assert result.metrics["max_drawdown"] == 0


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("ex_day", [3, 4])
def test_a_delisting_pays_what_the_last_mark_is_without_the_dividend(
    side: int, ex_day: int
) -> None:
    # 90 of 100 paid before the end, or on the day of it.
    ends = paying((ex_day, 90.0), (4, None), kinds="dividend delisting")
    rows = {"A": [*flat(100, 3), None, None, None], "B": OTHER}
    result = play(rows, {0: trade(side * 50)}, sources=ends, account=MARGIN)
    assert equity(result) == [10_000] * 6
    assert sorted(flows(result)) == sorted(
        [(ex_day, "A", "dividend", side * 4500), (4, "A", "delisting", side * 500)]
    )
    assert result.sql("select pnl, dividends, exit_price from trades").fetchall() == [
        (0, side * 4500, 10)
    ]


def test_weights_sized_at_a_halt_count_a_dividend_once() -> None:
    # 50 of A at 100 pay 20 each: of 10,000, not of 11,000, half is 500 of B.
    rows = {"A": [*flat(100, 3), None, None, *flat(80, 1)], "B": OTHER}
    script = {0: buy(50), 3: lambda strategy: strategy.order_target_percent("B", 0.5)}
    result = play(rows, script, sources=paying((3, 20.0)))
    assert fills(result) == [(1, "A", 50, 100), (4, "B", 500, 10)]


def test_several_dividends_and_a_split_of_one_halt_leave_the_value_as_it_was() -> None:
    sources = paying((3, 20.0), (4, 30.0), (4, 2.0), kinds="dividend dividend split")
    rows = {"A": [*flat(100, 3), None, None, *flat(25, 1)], "B": OTHER}
    result = play(rows, {0: buy(50)}, sources=sources)
    assert equity(result) == [10_000] * 6
    assert result.sql("select price from positions order by timestamp").fetchall() == [
        (100,), (100,), (80,), (25,), (25,),
    ]  # fmt: skip


def test_a_short_pays_for_the_night_before_its_delisting_on_the_price_of_that_night() -> None:
    # A fee of 0.365 a year is a thousandth a day, of 50 at 100 each night.
    sources = paying((2, 20.0), (3, None), kinds="dividend delisting")
    sources["borrow"] = {"timestamp": [day(0)], "asset_id": ["A"], "fee": [0.365],
                         "available": [True]}  # fmt: skip
    rows = {"A": [*flat(100, 2), *flat(80, 1), None, None, None], "B": OTHER}
    result = play(rows, {0: trade(-50)}, sources=sources, account=MARGIN)
    assert flows(result) == [
        (2, "A", "borrow", -5), (2, "A", "dividend", -1000),
        (3, "A", "borrow", -4), (3, "A", "delisting", -4000),
    ]  # fmt: skip


def test_what_dividends_have_taken_all_of_has_no_price_to_size_by() -> None:
    # 0.9 less 0.2 less 0.7 is 0, though 0.2 and 0.7 are less than 0.9.
    bars: dict[str, list[Row]] = {"A": [*flat(0.9, 2), None, None], "B": flat(10, 4)}
    script: dict[int, Any] = {
        0: lambda s: s.buy("A", 10),
        3: lambda s: s.order_target_percent("A", 0.5),
    }
    result = play(bars, script, sources=paying((2, 0.2), (3, 0.7)))
    assert equity(result) == [10_000] * 4
    assert orders(result) == [("filled", "", 10), ("rejected", "no bar", 0)]
