"""Money: what fills, at which price, in which order, and what every lot made; sums by hand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    BasisPointCommission,
    BasisPointSlippage,
    CashAccount,
    Catalog,
    ConfigError,
    TopN,
)
from ml4t.backtest.core.batch import Batch, Selection
from ml4t.backtest.core.levels import LevelPolicy, Levels, Touched
from ml4t.backtest.core.orders import Fills
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.execution import ExecutionPolicy
from ml4t.backtest.execution.broker import BarBroker
from ml4t.backtest.execution.executor import Executor
from ml4t.backtest.portfolio import Portfolio
from ml4t.backtest.portfolio.settlement import Settlement
from ml4t.backtest.results.recorder import Recorder
from ml4t.backtest.results.trade_tables import TRADES
from ml4t.backtest.risk import RiskManager, RiskRule, StopLoss, TakeProfit, TimeBasedExit

COLUMNS = ("timestamp", "asset_id", "open", "high", "low", "close", "share")
Row = tuple[int, str, float, float, float, float, float | None]


def config(commission: float = 0, slippage: float = 0, **account: Any) -> BacktestConfig:
    """Costs in basis points, none by default."""
    return BacktestConfig(
        commission=BasisPointCommission(commission),
        slippage=BasisPointSlippage(slippage),
        account=CashAccount(**account),
    )


def day(n: int) -> date:
    """Day 0 is the first bar."""
    return date(2024, 1, 1) + timedelta(days=n)


def run(
    rows: list[Row],
    *rules: RiskRule,
    decide: tuple[int, ...] = (0,),
    capital: float = 1_000,
    settings: BacktestConfig | None = None,
) -> BacktestResult:
    """Hold, from the open after each day of `decide`, the `share` that its rows ask for."""
    days = sorted({row[0] for row in rows})
    catalog = Catalog(threads=1)
    prices: dict[str, list[Any]] = {
        name: [row[i] for row in rows] for i, name in enumerate(COLUMNS)
    }
    prices["timestamp"] = [day(n) for n in prices["timestamp"]]
    # A literal with no share at all would be a column without a type.
    prices["share"] = [float("nan") if share is None else share for share in prices["share"]]
    catalog.register("prices", prices)
    catalog.register(
        "context",
        {"timestamp": [day(n) for n in days], "is_decision": [n in decide for n in days]},
    )
    return BacktestEngine(
        catalog,
        TopN(100, by="share", weight="share", when="is_decision"),
        risk_manager=RiskManager(rules),
        initial_capital=capital,
        config=settings if settings is not None else config(),
    ).run()


def fills(result: BacktestResult) -> list[tuple[Any, ...]]:
    """(day, asset, quantity, price, why) in the order in which cash moved."""
    return result.sql(
        """
        select (timestamp - date '2024-01-01')::integer, fills.asset_id, fills.quantity, price, tag
        from fills join orders using (order_id) order by fill_id
        """
    ).fetchall()


def unfilled(result: BacktestResult) -> list[tuple[Any, ...]]:
    """(asset, status, reason, who asked) of orders that ended without a fill."""
    return result.sql(
        """
        select asset_id, status, reason, tag from orders
        where status <> 'filled' order by order_id
        """
    ).fetchall()


def position(result: BacktestResult) -> list[tuple[Any, ...]]:
    """(day, quantity, price) of everything held at a close."""
    return result.sql(
        """
        select (timestamp - date '2024-01-01')::integer, quantity, price
        from positions order by all
        """
    ).fetchall()


# -- sizing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("gap", [1.0, 1.07, 0.93])
def test_25_targets_of_4_percent_all_fill_with_costs_on_and_cash_stays_at_zero_or_above(
    gap: float,
) -> None:
    rows: list[Row] = [
        (n, f"A{i:02d}", p, p, p, p, 0.04)
        for n, scale in ((0, 1.0), (1, gap))
        for i in range(25)
        for p in [(10.0 + 7 * i) * scale]
    ]
    result = run(rows, capital=1_000_000, settings=config(10, 5))
    assert len(fills(result)) == 25
    assert unfilled(result) == []
    cash = result.sql("select cash from equity order by timestamp").fetchall()[-1][0]
    assert 0 <= cash < 1e-3
    # One factor shrinks all of them: 1.0005 * price plus 0.1% of that must fit into the cash.
    traded = 1_000_000 / 25 / (1.0005 * 1.001)
    quantities = {asset: quantity for _, asset, quantity, _, _ in fills(result)}
    assert quantities == {
        f"A{i:02d}": pytest.approx(traded / ((10.0 + 7 * i) * gap), rel=1e-9) for i in range(25)
    }


def test_a_target_below_all_of_the_cash_is_not_shrunk() -> None:
    rows: list[Row] = [(0, "A", 10, 10, 10, 10, 0.5), (1, "A", 10, 10, 10, 10, None)]
    result = run(rows, settings=config(100, 0))
    assert fills(result) == [(1, "A", 50.0, 10.0, "rebalance")]
    assert result["commission"] == pytest.approx(5.0)  # 1% of 500
    assert result["final_value"] == pytest.approx(995.0)


def test_a_sell_pays_for_a_buy_at_the_same_open() -> None:
    rows: list[Row] = [
        (0, "A", 10, 10, 10, 10, None), (0, "B", 10, 10, 10, 10, 1.0),
        (1, "A", 10, 10, 10, 10, 1.0), (1, "B", 10, 10, 10, 10, None),
        (2, "A", 10, 10, 10, 10, None), (2, "B", 20, 20, 20, 20, None),
    ]  # fmt: skip
    result = run(rows, decide=(0, 1))
    assert fills(result) == [
        (1, "B", 100.0, 10.0, "rebalance"),
        (2, "B", -100.0, 20.0, "rebalance"),
        (2, "A", pytest.approx(200.0), 10.0, "rebalance"),
    ]


def test_without_reserved_costs_a_buy_that_does_not_fit_is_rejected_whole() -> None:
    rows: list[Row] = [
        (0, "A", 10, 10, 10, 10, 0.5), (0, "B", 10, 10, 10, 10, 0.5),
        (1, "A", 10, 10, 10, 10, None), (1, "B", 10, 10, 10, 10, None),
    ]  # fmt: skip
    result = run(rows, settings=config(100, 0, shortfall="reject"))
    assert fills(result) == [(1, "A", 50.0, 10.0, "rebalance")]
    assert unfilled(result) == [("B", "rejected", "insufficient cash", "rebalance")]
    assert result.sql("select quantity from orders where status = 'rejected'").fetchall() == [
        (50.0,)
    ]


def test_an_overdraft_lets_cash_fall_that_far_and_no_further() -> None:
    rows: list[Row] = [
        (0, "A", 10, 10, 10, 10, 0.5), (0, "B", 10, 10, 10, 10, 0.5),
        (1, "A", 10, 10, 10, 10, None), (1, "B", 10, 10, 10, 10, None),
    ]  # fmt: skip
    enough = run(rows, settings=config(100, 0, shortfall="reject", overdraft=10.0))
    assert [row[1] for row in fills(enough)] == ["A", "B"]
    assert enough.sql("select min(cash) from equity").fetchall() == [(-10.0,)]
    short = run(rows, settings=config(100, 0, shortfall="reject", overdraft=9.0))
    assert [row[1] for row in fills(short)] == ["A"]


def test_costs_are_charged_on_both_sides_and_slippage_is_inside_the_price() -> None:
    rows: list[Row] = [
        (0, "A", 10, 10, 10, 10, 0.5),
        (1, "A", 10, 10, 10, 10, None),
        (2, "A", 20, 20, 20, 20, None),
    ]
    result = run(rows, decide=(0, 1), settings=config(100, 1_000))
    # Bought 50 at 11, sold at 18: 350 before commissions of 5.5 and 9.
    assert result.sql(
        "select quantity, price, commission, slippage from fills order by fill_id"
    ).fetchall() == [
        (50.0, pytest.approx(11.0), pytest.approx(5.5), pytest.approx(50.0)),
        (-50.0, pytest.approx(18.0), pytest.approx(9.0), pytest.approx(100.0)),
    ]
    assert result.sql('select pnl, "return", commission, slippage from trades').fetchall() == [
        (pytest.approx(335.5), pytest.approx(335.5 / 550), pytest.approx(14.5),
         pytest.approx(150.0))
    ]  # fmt: skip
    assert result["final_value"] == pytest.approx(1_335.5)


# -- two reasons to leave -------------------------------------------------------------------


def test_a_strategy_sell_plus_a_stop_on_one_bar_leaves_exactly_flat() -> None:
    rows: list[Row] = [
        (0, "A", 10, 10, 10, 10, 1.0),
        (1, "A", 10, 10, 10, 10, 0.3),
        (2, "A", 10, 10, 7, 8, None),
    ]
    result = run(rows, StopLoss(0.2), decide=(0, 1))
    assert fills(result) == [
        (1, "A", 100.0, 10.0, "rebalance"),
        (2, "A", -70.0, 10.0, "rebalance"),
        (2, "A", -30.0, 8.0, "StopLoss"),
    ]
    assert result.sql("select sum(quantity) from fills").fetchall() == [(0.0,)]
    assert position(result) == [(1, 100.0, 10.0)]
    assert result["final_value"] == 940.0  # 30 shares lost 2 each


@pytest.mark.parametrize("third", [1 / 3, 0.1, 1 / 7])
def test_flat_is_exactly_flat_after_partial_sells_that_do_not_divide(third: float) -> None:
    rows: list[Row] = [
        (0, "A", 9.7, 9.7, 9.7, 9.7, 0.9),
        (1, "A", 9.7, 9.7, 9.7, 9.7, third),
        (2, "A", 9.9, 9.9, 9.9, 9.9, 2 * third),
        (3, "A", 9.1, 9.1, 9.1, 9.1, None),
        (4, "A", 9.3, 9.3, 9.3, 9.3, None),
    ]
    result = run(rows, decide=(0, 1, 2, 3), settings=config(10, 5))
    assert [row[0] for row in position(result)] == [1, 2, 3]
    assert result["n_open_lots"] == 0
    cash, equity = result.sql("select cash, equity from equity order by timestamp").fetchall()[-1]
    assert cash == equity


def test_a_time_exit_and_a_rebalance_out_on_one_bar_make_one_sell() -> None:
    rows: list[Row] = [
        (0, "A", 10, 10, 10, 10, 1.0),
        (1, "A", 10, 10, 10, 10, None),
        (2, "A", 10, 10, 10, 10, None),
        (3, "A", 10, 10, 10, 10, None),
    ]
    result = run(rows, TimeBasedExit(1), decide=(0, 1))
    assert fills(result) == [
        (1, "A", 100.0, 10.0, "rebalance"),
        (2, "A", -100.0, 10.0, "TimeBasedExit"),
    ]
    assert position(result) == [(1, 100.0, 10.0)]


def test_a_risk_exit_denies_the_target_that_would_buy_the_asset_back_at_the_same_open() -> None:
    rows: list[Row] = [
        (0, "A", 10, 10, 10, 10, 1.0),
        (1, "A", 10, 10, 10, 10, 0.5),
        (2, "A", 10, 10, 10, 10, None),
    ]
    result = run(rows, TimeBasedExit(1), decide=(0, 1))
    assert fills(result)[-1] == (2, "A", -100.0, 10.0, "TimeBasedExit")
    assert unfilled(result) == [("A", "denied", "risk exit pending", "rebalance")]


def test_a_stopped_position_is_not_exited_again_by_the_time_rule() -> None:
    rows: list[Row] = [
        (0, "A", 10, 10, 10, 10, 1.0),
        (1, "A", 10, 10, 8, 8, None),
        (2, "A", 8, 8, 8, 8, None),
    ]
    result = run(rows, StopLoss(0.1), TimeBasedExit(1))
    assert [row[4] for row in fills(result)] == ["rebalance", "StopLoss"]
    assert result.sql("select rule from decisions").fetchall() == [("StopLoss",)]


# -- levels ---------------------------------------------------------------------------------

BOUGHT: list[Row] = [(0, "A", 10, 10, 10, 10, 1.0), (1, "A", 10, 10, 10, 10, None)]


def last_fill(bar: tuple[float, float, float, float], *rules: RiskRule, **costs: float) -> Any:
    """Buy at 10, see `bar` as the second bar held; the (day, price, why) of the last fill."""
    result = run([*BOUGHT, (2, "A", *bar, None)], *rules, settings=config(**costs))
    when, _, _, price, why = fills(result)[-1]
    return when, price, why


def test_a_stop_that_trades_inside_the_bar_fills_at_its_level() -> None:
    assert last_fill((10, 11, 8, 11), StopLoss(0.1)) == (2, 9.0, "StopLoss")


def test_a_low_exactly_at_the_stop_touches_it_and_one_above_does_not() -> None:
    assert last_fill((10, 10, 9.0, 10), StopLoss(0.1)) == (2, 9.0, "StopLoss")
    assert last_fill((10, 10, 9.01, 10), StopLoss(0.1)) == (1, 10.0, "rebalance")


def test_a_stop_and_a_target_in_one_bar_take_the_stop() -> None:
    assert last_fill((10, 12, 8, 12), StopLoss(0.1), TakeProfit(0.1)) == (2, 9.0, "StopLoss")
    assert last_fill((10, 12, 8, 12), TakeProfit(0.1), StopLoss(0.1)) == (2, 9.0, "StopLoss")


def test_an_open_beyond_the_target_fills_there_before_the_rest_of_the_bar_meets_the_stop() -> None:
    assert last_fill((12, 12, 8, 8), StopLoss(0.1), TakeProfit(0.1)) == (2, 12.0, "TakeProfit")


def test_a_gap_through_the_stop_fills_at_the_open() -> None:
    assert last_fill((7, 9.5, 6, 9), StopLoss(0.1)) == (2, 7.0, "StopLoss")


def test_a_stop_pays_slippage_below_its_level() -> None:
    when, price, why = last_fill((10, 10, 8, 10), StopLoss(0.1), slippage=100)
    assert (when, why) == (2, "StopLoss")
    assert price == pytest.approx(10.1 * 0.9 * 0.99)  # bought at 10.1


@pytest.mark.parametrize(("opens", "filled"), [(10.0, 11.0), (11.05, 11.0), (12.0, 11.88)])
def test_a_target_never_fills_below_its_level(opens: float, filled: float) -> None:
    when, price, why = last_fill((opens, 12, 10, 11), TakeProfit(0.1), slippage=100)
    # Bought at 10.1 with slippage: the level is 11.11.
    assert (when, why) == (2, "TakeProfit")
    assert price == pytest.approx(max(11.11, filled))
    assert price >= 10.1 * 1.1


def test_a_stop_acts_on_the_entry_bar() -> None:
    rows: list[Row] = [(0, "A", 10, 10, 10, 10, 1.0), (1, "A", 10, 10, 8, 10, None)]
    result = run(rows, StopLoss(0.1))
    assert fills(result) == [(1, "A", 100.0, 10.0, "rebalance"), (1, "A", -100.0, 9.0, "StopLoss")]
    assert position(result) == []
    assert result.sql("select bars_held, pnl, exit_rule from trades").fetchall() == [
        (0, -100.0, "StopLoss")
    ]


def test_a_target_acts_on_the_entry_bar() -> None:
    rows: list[Row] = [(0, "A", 10, 10, 10, 10, 1.0), (1, "A", 10, 12, 10, 12, None)]
    assert fills(run(rows, TakeProfit(0.1)))[-1] == (1, "A", -100.0, 11.0, "TakeProfit")


def test_the_low_of_the_decision_bar_does_not_stop_a_position_bought_at_the_next_open() -> None:
    rows: list[Row] = [(0, "A", 10, 10, 1, 10, 1.0), (1, "A", 10, 10, 10, 10, None)]
    assert len(fills(run(rows, StopLoss(0.1)))) == 1


def test_a_level_of_a_position_that_is_gone_does_not_act_on_the_next_one() -> None:
    rows: list[Row] = [
        (0, "A", 10, 10, 10, 10, 1.0),
        (1, "A", 10, 10, 10, 10, None),
        (2, "A", 5, 5, 5, 5, 1.0),  # gaps through 9: stopped at 5
        (3, "A", 5, 5, 5, 5, None),  # bought again at 5, the stop is 4.5
        (4, "A", 5, 5, 4.6, 5, None),
    ]
    result = run(rows, StopLoss(0.1), decide=(0, 2))
    assert fills(result) == [
        (1, "A", 100.0, 10.0, "rebalance"),
        (2, "A", -100.0, 5.0, "StopLoss"),
        (3, "A", 100.0, 5.0, "rebalance"),
    ]


# -- the order of events --------------------------------------------------------------------


def test_a_queued_sell_fills_at_the_open_before_a_stop_that_the_bar_would_touch() -> None:
    rows: list[Row] = [*BOUGHT, (2, "A", 9.5, 10, 8, 9, None)]
    result = run(rows, StopLoss(0.1), decide=(0, 1))
    assert fills(result)[-1] == (2, "A", -100.0, 9.5, "rebalance")


def test_a_queued_sell_wins_even_where_the_open_is_beyond_the_stop() -> None:
    rows: list[Row] = [*BOUGHT, (2, "A", 7, 7, 7, 7, None)]
    result = run(rows, StopLoss(0.1), decide=(0, 1))
    assert fills(result)[-1] == (2, "A", -100.0, 7.0, "rebalance")


def test_a_decision_at_a_close_never_fills_in_its_own_bar() -> None:
    rows: list[Row] = [(0, "A", 10, 20, 10, 20, 1.0), (1, "A", 30, 40, 30, 40, None)]
    assert fills(run(rows)) == [(1, "A", pytest.approx(1_000 / 30), 30.0, "rebalance")]


def test_risk_exits_fill_before_sells_and_sells_before_buys() -> None:
    flat = (10.0, 10.0, 10.0, 10.0)
    rows: list[Row] = [
        (0, "A", *flat, None), (0, "B", *flat, 0.5), (0, "C", *flat, None),
        (1, "A", *flat, None), (1, "B", *flat, 0.5), (1, "C", *flat, 0.5),
        (2, "A", *flat, 0.9), (2, "B", *flat, None), (2, "C", *flat, None),
        (3, "A", *flat, None), (3, "B", *flat, None), (3, "C", *flat, None),
    ]  # fmt: skip
    result = run(rows, TimeBasedExit(2), decide=(0, 1, 2))
    # At close 2 B is two bars old and leaves, C is ranked out, A comes in.
    assert [(asset, why) for when, asset, _, _, why in fills(result) if when == 3] == [
        ("B", "TimeBasedExit"), ("C", "rebalance"), ("A", "rebalance"),
    ]  # fmt: skip


# -- holes in the data ----------------------------------------------------------------------


def test_a_buy_without_a_bar_is_rejected() -> None:
    rows: list[Row] = [
        (0, "A", 10, 10, 10, 10, 0.5), (0, "B", 10, 10, 10, 10, 0.5),
        (1, "B", 10, 10, 10, 10, None),
        (2, "A", 10, 10, 10, 10, None), (2, "B", 10, 10, 10, 10, None),
    ]  # fmt: skip
    result = run(rows)
    assert fills(result) == [(1, "B", 50.0, 10.0, "rebalance")]
    assert unfilled(result) == [("A", "rejected", "no bar", "rebalance")]


def test_a_position_without_a_bar_is_marked_at_its_last_close_and_stale() -> None:
    rows: list[Row] = [
        (0, "A", 10, 10, 10, 10, 0.5), (0, "B", 10, 10, 10, 10, None),
        (1, "A", 10, 12, 10, 12, None), (1, "B", 10, 10, 10, 10, None),
        (2, "B", 10, 10, 10, 10, None),
        (3, "A", 14, 14, 14, 14, None), (3, "B", 10, 10, 10, 10, None),
    ]  # fmt: skip
    result = run(rows)
    assert result.sql(
        "select price, value, is_stale from positions order by timestamp"
    ).fetchall() == [(12.0, 600.0, False), (12.0, 600.0, True), (14.0, 700.0, False)]
    assert result.sql("select equity from equity order by timestamp").fetchall() == [
        (1_000.0,), (1_100.0,), (1_100.0,), (1_200.0,),
    ]  # fmt: skip


def test_a_sell_without_a_bar_is_rejected_and_the_position_stays() -> None:
    rows: list[Row] = [
        (0, "A", 10, 10, 10, 10, 1.0), (0, "B", 10, 10, 10, 10, None),
        (1, "A", 10, 10, 10, 10, None), (1, "B", 10, 10, 10, 10, None),
        (2, "B", 10, 10, 10, 10, None),
    ]  # fmt: skip
    result = run(rows, decide=(0, 1))
    assert unfilled(result) == [("A", "rejected", "no bar", "rebalance")]
    assert position(result)[-1] == (2, 100.0, 10.0)


def test_a_risk_exit_without_a_bar_waits_for_the_next_one() -> None:
    rows: list[Row] = [
        (0, "A", 10, 10, 10, 10, 1.0), (0, "B", 10, 10, 10, 10, None),
        (1, "A", 10, 10, 10, 10, None), (1, "B", 10, 10, 10, 10, None),
        (2, "B", 10, 10, 10, 10, None),
        (3, "A", 11, 11, 11, 11, None), (3, "B", 10, 10, 10, 10, None),
        (4, "A", 12, 12, 12, 12, None), (4, "B", 10, 10, 10, 10, None),
    ]  # fmt: skip
    result = run(rows, TimeBasedExit(1))
    assert unfilled(result) == []
    assert fills(result)[-1] == (3, "A", -100.0, 11.0, "TimeBasedExit")


def test_orders_still_queued_after_the_last_bar_expire() -> None:
    rows: list[Row] = [(0, "A", 10, 10, 10, 10, 1.0), (1, "A", 10, 10, 10, 10, 1.0)]
    result = run(rows, decide=(0, 1))
    assert unfilled(result) == [("A", "expired", "end of data", "rebalance")]
    exits = run(rows, TimeBasedExit(1))
    assert unfilled(exits) == [("A", "expired", "end of data", "TimeBasedExit")]
    assert position(exits) == [(1, 100.0, 10.0)]


def test_a_risk_exit_and_a_target_that_both_wait_at_the_end_expire_once() -> None:
    rows: list[Row] = [(0, "A", 10, 10, 10, 10, 1.0), (1, "A", 10, 10, 10, 10, None)]
    result = run(rows, TimeBasedExit(1), decide=(0, 1))
    # On any other bar the exit takes the place of the target; at the end of data, too.
    assert unfilled(result) == [("A", "expired", "end of data", "TimeBasedExit")]


def test_an_open_position_is_reported_open_and_carries_its_marked_pnl() -> None:
    rows: list[Row] = [(0, "A", 10, 10, 10, 10, 1.0), (1, "A", 10, 13, 10, 13, None)]
    result = run(rows)
    assert result.sql(
        "select quantity, entry_price, exit_timestamp, exit_price, exit_rule, bars_held, pnl "
        "from trades"
    ).fetchall() == [(100.0, 10.0, None, None, None, None, 300.0)]
    assert (result["n_trades"], result["n_open_lots"]) == (0, 1)


# -- lots -----------------------------------------------------------------------------------


def test_a_partial_exit_closes_the_oldest_lot_first() -> None:
    rows: list[Row] = [
        (0, "A", 10, 10, 10, 10, 0.5),
        (1, "A", 10, 10, 10, 10, 1.0),  # 50 bought at 10
        (2, "A", 20, 20, 20, 20, 0.2),  # equity 1,500: 75 wanted, 25 bought at 20
        (3, "A", 40, 40, 40, 40, None),  # equity 3,000: 15 wanted, 60 sold at 40
    ]
    result = run(rows, decide=(0, 1, 2))
    assert [row[:4] for row in fills(result)] == [
        (1, "A", 50.0, 10.0), (2, "A", 25.0, 20.0), (3, "A", -60.0, 40.0),
    ]  # fmt: skip
    trades = result.sql(
        "select quantity, entry_price, exit_price, pnl, bars_held from trades order by trade_id"
    ).fetchall()
    assert trades == [
        (50.0, 10.0, 40.0, 1_500.0, 2),
        (10.0, 20.0, 40.0, 200.0, 1),
        (15.0, 20.0, None, 300.0, None),
    ]
    assert result["final_value"] == 3_000.0


def test_unrealized_pnl_is_net_of_what_the_open_lots_paid_also_after_a_partial_exit() -> None:
    rows: list[Row] = [
        (0, "A", 10, 10, 10, 10, 0.5),
        (1, "A", 10, 12, 10, 12, 0.24),  # 50 bought at 10 for 5; equity 1,495 at the open of 20
        (2, "A", 20, 20, 20, 20, None),
    ]
    result = run(rows, decide=(0, 1), settings=config(100, 0))
    left = 0.24 * (495 + 50 * 20) / 20
    assert result.sql(
        "select quantity, unrealized_pnl from positions order by timestamp"
    ).fetchall() == [
        (50.0, pytest.approx(50 * 2 - 5)),
        (pytest.approx(left), pytest.approx(left * 10 - left * 0.1)),
    ]


# -- the money side by itself ---------------------------------------------------------------

NAN = float("nan")
ints = lambda *values: np.array(values, dtype=np.int64)  # noqa: E731
floats = lambda *values: np.array(values, dtype=np.float64)  # noqa: E731


def fill(t: int, sid: int, quantity: float, price: float, *, cost: float = 0.0) -> Fills:
    """One fill with a commission of `cost`."""
    return Fills(
        t=t, ids=ints(0), sids=ints(sid), quantity=floats(quantity), price=floats(price),
        commission=floats(cost), slippage=floats(0), impact=floats(0), reason=("test",),
    )  # fmt: skip


def batch(t: int, *bars: tuple[float, float, float, float]) -> Batch:
    """One bar (open, high, low, close) per asset; NaN where there is none."""
    opens, high, low, close = (floats(*column) for column in zip(*bars, strict=True))
    return Batch(t=t, open=opens, high=high, low=low, close=close, features={}, selection=None)


def trades_of(recorder: Recorder) -> list[tuple[float, ...]]:
    """(quantity, entry price, exit price, P&L, commission) of closed lot parts."""
    table = recorder.columns_of(TRADES)
    names = ("quantity", "entry_price", "exit_price", "pnl", "commission")
    return list(zip(*(table[name].tolist() for name in names), strict=True))


def test_a_lot_pays_its_share_of_both_commissions() -> None:
    recorder = Recorder()
    portfolio = Portfolio(1, 10_000.0, recorder)
    portfolio.apply(fill(0, 0, 100, 10, cost=5))  # 0.05 a share
    portfolio.apply(fill(1, 0, 50, 20, cost=10))  # 0.20 a share
    portfolio.apply(fill(2, 0, -120, 30, cost=12))  # 0.10 a share
    assert trades_of(recorder) == [
        (100.0, 10.0, 30.0, pytest.approx(1_985.0), pytest.approx(15.0)),
        (20.0, 20.0, 30.0, pytest.approx(194.0), pytest.approx(6.0)),
    ]
    assert portfolio.cash == 10_000 - 1_005 - 1_010 + 3_588
    assert portfolio.quantity.tolist() == [30.0]
    assert portfolio.entry_price(ints(0)).tolist() == [20.0]
    (rest,) = portfolio.open_trades()
    assert (rest.quantity, rest.entry_price) == (30.0, 20.0)
    assert rest.commission == pytest.approx(6.0)


def test_only_an_opening_fill_starts_the_clock_and_the_water_mark() -> None:
    portfolio = Portfolio(2, 10_000.0, Recorder())
    assert portfolio.apply(fill(3, 1, 10, 50)).opened.tolist() == [1]
    portfolio.mark_to_close(batch(3, (NAN,) * 4, (50, 60, 40, 55)))
    assert portfolio.apply(fill(4, 1, 10, 52)).opened.tolist() == []
    assert portfolio.entry_t.tolist() == [-1, 3]
    assert portfolio.water_mark[1] == 60.0
    assert portfolio.held.tolist() == [1]
    portfolio.apply(fill(5, 1, -20, 70))
    assert portfolio.held.tolist() == []
    assert portfolio.apply(fill(6, 1, 1, 45)).opened.tolist() == [1]
    assert (portfolio.entry_t[1], portfolio.water_mark[1]) == (6, 45.0)


def test_equity_uses_the_mark_where_a_price_is_missing() -> None:
    portfolio = Portfolio(2, 1_000.0, Recorder())
    portfolio.apply(fill(0, 0, 10, 10))
    portfolio.apply(fill(0, 1, 10, 20))
    assert portfolio.equity_at(floats(11, NAN)) == 700 + 110 + 200


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 2),
            st.floats(0.01, 1.0),
            st.booleans(),
            st.floats(1.0, 500.0),
            st.floats(0.0, 10.0),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_lots_of_any_fills_add_up_to_the_change_of_equity(
    steps: list[tuple[int, float, bool, float, float]],
) -> None:
    recorder = Recorder()
    portfolio = Portfolio(3, 1_000_000.0, recorder)
    last = floats(1, 1, 1)
    for t, (sid, fraction, is_buy, price, cost) in enumerate(steps):
        held = float(portfolio.quantity[sid])
        quantity = fraction * 100 if is_buy or held == 0 else -held * fraction
        portfolio.apply(fill(t, sid, quantity, price, cost=cost))
        last[sid] = price
        portfolio.mark_to_close(batch(t, *((p, p, p, p) for p in last)))
    closed = sum(row[3] for row in trades_of(recorder))
    opened = sum(trade.pnl for trade in portfolio.open_trades())
    assert closed + opened == pytest.approx(portfolio.equity_at(last) - 1_000_000, abs=1e-6)
    lots: dict[int, float] = {}
    for trade in portfolio.open_trades():
        lots[trade.sid] = lots.get(trade.sid, 0.0) + trade.quantity
    for sid in range(3):
        assert lots.get(sid, 0.0) == pytest.approx(portfolio.quantity[sid], rel=1e-9)
        assert (sid in portfolio.held.tolist()) == (portfolio.quantity[sid] != 0)


def broker_with(quantity: float, *, cash: float = 1_000.0) -> tuple[BarBroker, Portfolio]:
    """A broker without costs; asset 0 was bought at 10 on bar 0, asset 1 is not held."""
    recorder = Recorder()
    portfolio = Portfolio(2, cash, recorder)
    sessions = np.arange(10)
    terms = Instruments.plain(2)
    executor = Executor(
        portfolio, recorder, commission=BasisPointCommission(0), slippage=BasisPointSlippage(0),
        impact=None, terms=terms, policy=ExecutionPolicy(), levels=LevelPolicy(),
        settlement=Settlement(0, sessions, terms.multiplier), dates=sessions,
    )  # fmt: skip
    broker = BarBroker(
        executor, account=CashAccount(), levels=LevelPolicy(), sessions=sessions,
        rule_names=("Stop", "Target"),
    )  # fmt: skip
    portfolio.apply(fill(0, 0, quantity, 10))
    return broker, portfolio


def levels(stop: float, target: float) -> Levels:
    """Levels of asset 0, set at bar 0."""
    return Levels(
        set_t=0, sids=ints(0), stop=floats(stop), target=floats(target),
        stop_rule=ints(0), target_rule=ints(1),
    )  # fmt: skip


def touch(broker: BarBroker, bar: Batch) -> Touched | None:
    """The levels that a bar touched; at most one set of them here."""
    touched = list(broker.fill_inside(bar))
    assert len(touched) <= 1
    return touched[0] if touched else None


def test_a_broker_without_orders_does_nothing() -> None:
    broker, portfolio = broker_with(10)
    bar = batch(1, (10, 11, 9, 10), (5, 5, 5, 5))
    broker.fill_open(bar)
    assert touch(broker, bar) is None
    assert portfolio.cash == 900.0


def test_a_broker_keeps_an_exit_until_it_was_filled_and_no_longer() -> None:
    broker, portfolio = broker_with(10)
    broker.order_exits(0, ints(0), ("Stop",))
    broker.fill_open(batch(1, (NAN,) * 4, (5, 5, 5, 5)))
    assert portfolio.quantity.tolist() == [10.0, 0.0]
    broker.fill_open(batch(2, (12, 12, 12, 12), (5, 5, 5, 5)))
    assert portfolio.quantity.tolist() == [0.0, 0.0]
    portfolio.apply(fill(2, 0, 10, 12))
    broker.fill_open(batch(3, (12, 12, 12, 12), (5, 5, 5, 5)))
    assert portfolio.quantity.tolist() == [10.0, 0.0]


def test_new_levels_replace_the_old_ones() -> None:
    broker, _ = broker_with(10)
    broker.set_levels(levels(9, 11))
    broker.set_levels(levels(8, NAN))
    assert touch(broker, batch(1, (10, 12, 8.5, 10), (5, 5, 5, 5))) is None
    touched = touch(broker, batch(2, (10, 12, 8, 10), (5, 5, 5, 5)))
    assert touched is not None
    assert (touched.sids.tolist(), touched.level.tolist()) == ([0], [8.0])


def test_a_level_goes_with_its_position() -> None:
    broker, portfolio = broker_with(10)
    broker.set_levels(levels(9, 11))
    assert touch(broker, batch(1, (10, 10, 9, 9), (5, 5, 5, 5))) is not None
    portfolio.apply(fill(2, 0, 10, 10))
    assert touch(broker, batch(2, (10, 12, 8, 10), (5, 5, 5, 5))) is None
    assert portfolio.quantity[0] == 10.0


def test_on_the_entry_bar_an_open_beyond_the_target_is_past_and_the_stop_comes_first() -> None:
    broker, portfolio = broker_with(10)  # bought at the open of bar 0
    broker.set_levels(levels(9, 9.5))
    touched = touch(broker, batch(0, (10, 10, 8.5, 9), (5, 5, 5, 5)))
    assert touched is not None
    assert touched.is_stop.tolist() == [True]
    assert portfolio.cash == 1_000 - 100 + 90


def test_targets_are_shares_of_equity_before_any_fill_of_the_bar() -> None:
    broker, portfolio = broker_with(100)  # all of the cash
    broker.order_targets(
        batch(0, (10, 10, 10, 10), (5, 5, 5, 5)),
        Selection(sids=ints(0, 1), scores=floats(1, 1), weights=floats(0.25, 0.5)),
    )
    broker.fill_open(batch(1, (20, 20, 20, 20), (5, 5, 5, 5)))
    assert portfolio.entry_t.tolist() == [0, 1]
    # Equity at this open is 2,000: 500 / 20 and 1,000 / 5.
    assert portfolio.quantity.tolist() == [25.0, 200.0]
    assert portfolio.cash == 500.0


def test_a_target_that_is_held_already_makes_no_order() -> None:
    broker, portfolio = broker_with(50)
    half = Selection(sids=ints(0), scores=floats(1), weights=floats(0.5))
    broker.order_targets(batch(0, (10, 10, 10, 10), (5, 5, 5, 5)), half)
    broker.fill_open(batch(1, (10, 10, 10, 10), (5, 5, 5, 5)))
    assert (portfolio.quantity[0], portfolio.cash) == (50.0, 500.0)


@pytest.mark.parametrize("rate", [-1, 10_000, float("nan"), float("inf")])
def test_costs_outside_what_they_may_be_are_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match="basis_points"):
        BasisPointCommission(rate)
    with pytest.raises(ConfigError, match="basis_points"):
        BasisPointSlippage(rate)


@pytest.mark.parametrize("overdraft", [-1.0, float("nan"), float("inf")])
def test_an_overdraft_that_is_no_amount_is_refused(overdraft: float) -> None:
    with pytest.raises(ConfigError, match="overdraft"):
        CashAccount(overdraft=overdraft)
