"""Every metric of sql/report against plain Python over the tables."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from effort import some
from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    BasisPointCommission,
    BasisPointSlippage,
    CashAccount,
    Catalog,
    Financing,
    FixedSlippage,
    MarginAccount,
    PerShareCommission,
    Strategy,
    TopN,
)
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.results.summary import COMPARED_LINES
from ml4t.backtest.risk import DynamicTrailingStop, RiskManager, RiskRule, TakeProfit, TimeBasedExit
from ml4t.backtest.strategy.broker import StrategyBroker
from plain_metrics import plain_metrics
from universes import make_universe

YEAR_SECONDS = 365.25 * 86_400
FREE = BacktestConfig(commission=BasisPointCommission(0), slippage=BasisPointSlippage(0))


def naive_year(times: list[Any], stated: float | None = None) -> dict[str, Any]:
    """How many bars a year has, day by day."""
    bars: dict[date, int] = {}
    for time in times:
        day = time.date() if isinstance(time, datetime) else time
        bars[day] = bars.get(day, 0) + 1
    days = sorted(bars)
    span = (days[-1] - days[0]).days
    all_week = has_weekends(bars)
    if span < 90 and not all_week:
        bars = with_evenings_of_sundays(bars)
        days = sorted(bars)
        span = (days[-1] - days[0]).days
    between = [days[0] + timedelta(days=i) for i in range(span + 1)]
    week = [day for day in between if day.weekday() < 5]
    whole = [bars[day] for day in days[1:-1]]
    per_session = np.mean(whole) if whole else max(bars.values())
    how = "assumed"
    if span >= 90:
        how, per_session = "counted", len(times) / len(days)
        per_year = (len(days) - 1) / span * 365.25
    elif not all_week and len(days) >= 0.75 * len(week):
        per_year = 252.0
    elif all_week and len(days) >= 0.95 * len(between):
        per_year = 365.25
    else:
        how, per_year = "counted", (len(days) - 1) / span * 365.25
    return {
        "n_sessions": len(days),
        "bars_per_session": per_session,
        "sessions_per_year": per_year,
        "bars_per_year": per_session * per_year if stated is None else stated,
        "annualised_by": how if stated is None else "stated",
    }


def seen(bars: dict[date, int]) -> set[int]:
    """The days of the week, Monday is 0, between the first and the last day with a bar."""
    n = (max(bars) - min(bars)).days + 1
    return {(min(bars) + timedelta(days=i)).weekday() for i in range(n)}


def has_weekends(bars: dict[date, int]) -> bool:
    """Whether Saturdays trade; where none was seen, whether a Sunday traded as other days do."""
    sundays = [n for day, n in bars.items() if day.weekday() == 6]
    if 5 in seen(bars):
        return any(day.weekday() == 5 for day in bars)
    return bool(sundays) and np.mean(sundays) >= max(bars.values()) / 2


def with_evenings_of_sundays(bars: dict[date, int]) -> dict[date, int]:
    """Give the bars of Sundays to Mondays, unless the weekend was seen to be Friday, Saturday."""
    if 5 in seen(bars) and not any(day.weekday() == 4 for day in bars):
        return bars
    found: dict[date, int] = {}
    for day, n in bars.items():
        session = day + timedelta(days=1) if day.weekday() == 6 else day
        found[session] = found.get(session, 0) + n
    return found


def naive(result: BacktestResult, multiplier: float) -> dict[str, Any]:
    """All metrics, from the rows of the other tables; None where there is none."""
    capital, stated = result.sql("select initial_capital, periods_per_year from runs").fetchall()[0]
    rows = result.sql(
        "select timestamp, equity, gross_exposure, n_positions, net_exposure from equity"
    ).fetchall()
    rows.sort()
    times, equity = [row[0] for row in rows], np.array([row[1] for row in rows])
    returns = equity / np.array([capital, *equity[:-1]]) - 1
    years = (times[-1] - times[0]).total_seconds() / YEAR_SECONDS
    year = naive_year(times, stated)
    per_year = year["bars_per_year"]
    is_long = (times[-1] - times[0]).total_seconds() >= 90 * 86_400
    traded_years = (len(rows) - 1) / per_year
    volatility = float(np.std(returns, ddof=1)) if len(rows) > 1 else None
    downside = float(np.sqrt(np.mean(np.minimum(returns, 0) ** 2)))
    total = equity[-1] / capital - 1
    cagr = (1 + total) ** (1 / years) - 1 if is_long else None
    peaks = np.maximum.accumulate(np.array([capital, *equity]))[1:]
    drawdown = equity / peaks - 1
    bottom = int(np.argmin(drawdown))
    fell = drawdown[bottom] < 0
    at_peak = np.flatnonzero(drawdown == 0)
    back = at_peak[at_peak > bottom]

    fills = result.sql(
        "select quantity, price, commission, slippage, impact, tax, fee from fills"
    ).fetchall()
    orders = result.sql("select status, quantity, filled_quantity from orders").fetchall()
    traded = sum(abs(row[0]) * row[1] * multiplier for row in fills)
    commission, slippage, impact, tax, fee = (sum(row[i] for row in fills) for i in range(2, 7))
    flows = result.sql("select kind, amount from cash_flows").fetchall()
    flow = lambda kind: sum(amount for one, amount in flows if one == kind)  # noqa: E731

    trades = result.sql("select pnl, bars_held, exit_timestamp from trades").fetchall()
    closed = [(pnl, bars) for pnl, bars, left in trades if left is not None]
    wins = [pnl for pnl, _ in closed if pnl > 0]
    losses = [pnl for pnl, _ in closed if pnl < 0]
    mean = lambda values: sum(values) / len(values) if values else None  # noqa: E731
    return {
        "first_timestamp": times[0],
        "last_timestamp": times[-1],
        "n_bars": len(rows),
        "years": years,
        "initial_capital": capital,
        "final_value": equity[-1],
        "total_return": total,
        "cagr": cagr,
        "calmar": cagr / -drawdown[bottom] if fell and cagr is not None else None,
        "volatility": volatility * per_year**0.5 if volatility is not None else None,
        "sharpe": returns.mean() / volatility * per_year**0.5 if volatility else None,
        "sortino": returns.mean() / downside * per_year**0.5 if downside and years else None,
        **year,
        "max_drawdown": drawdown[bottom],
        "max_drawdown_start": times[at_peak[at_peak < bottom][-1]] if fell else None,
        "max_drawdown_bottom": times[bottom] if fell else None,
        "max_drawdown_end": times[back[0]] if fell and len(back) else None,
        "turnover": traded / equity.mean() / traded_years if years else None,
        "exposure": np.mean([row[2] / row[1] for row in rows]),
        "net_exposure": np.mean([row[4] / row[1] for row in rows]),
        "mean_positions": mean([row[3] for row in rows]),
        "n_orders": len(orders),
        "n_trimmed": sum(s == "filled" and abs(f) < abs(q) * (1 - 1e-9) for s, q, f in orders),
        "n_partial": sum(status == "partial" for status, _, _ in orders),
        "n_unfilled": sum(status not in ("filled", "partial") for status, _, _ in orders),
        "n_fills": len(fills),
        "commission": commission,
        "tax": tax,
        "fee": fee,
        "slippage": slippage,
        "impact": impact,
        "borrow": -flow("borrow"),
        "costs": commission + tax + fee + slippage + impact - flow("borrow"),
        "dividends": flow("dividend"),
        "interest": flow("interest"),
        "n_trades": len(closed),
        "n_open_lots": len(trades) - len(closed),
        "hit_rate": len(wins) / (len(wins) + len(losses)) if wins or losses else None,
        "profit_factor": sum(wins) / -sum(losses) if losses else None,
        "average_win": mean(wins),
        "average_loss": mean(losses),
        "average_bars_held": mean([bars for _, bars in closed]),
    }


def assert_metrics(result: BacktestResult, multiplier: float = 1.0) -> None:
    """Every metric there is equals its plain computation, and there is no other."""
    compared = {name: None for name, _, _ in COMPARED_LINES}  # see tests/test_benchmark.py
    expected = {**naive(result, multiplier), **compared, **plain_metrics(result)}
    assert set(result) == set(expected)
    for name, value in expected.items():
        is_number = isinstance(value, (float, np.floating))
        assert result[name] == (
            pytest.approx(value, rel=1e-9, abs=1e-12) if is_number else value
        ), name


def path_run(
    closes: list[float],
    *rules: RiskRule,
    score: float = 1.0,
    step: timedelta = timedelta(days=1),
    start: date | datetime = date(2024, 1, 1),
) -> BacktestResult:
    """Buy one asset with all of 1,000 at the second bar; every bar is flat at its close."""
    catalog = Catalog(threads=1)
    n = len(closes)
    catalog.register(
        "prices",
        {
            "timestamp": [start + step * i for i in range(n)],
            "asset_id": ["A"] * n,
            **dict.fromkeys(("open", "high", "low", "close"), closes),
            "score": [score] + [float("nan")] * (n - 1),
        },
    )
    catalog.register(
        "context",
        {"timestamp": [start + step * i for i in range(n)], "is_first": [i == 0 for i in range(n)]},
    )
    return BacktestEngine(
        catalog,
        TopN(1, by="score", when="is_first"),
        risk_manager=RiskManager(rules),
        initial_capital=1_000,
        config=FREE,
    ).run()


# -- random universes -----------------------------------------------------------------------


def universe_run(seed: int, **changes: Any) -> BacktestResult:
    universe = make_universe(seed, **changes)
    catalog = Catalog()
    catalog.register("prices", universe.prices)
    catalog.register("features", universe.features)
    rules = [TakeProfit(0.04), DynamicTrailingStop(0.05), TimeBasedExit(6)]
    return BacktestEngine(
        catalog, TopN(3, by="score", every=4), risk_manager=RiskManager(rules)
    ).run()


@pytest.mark.parametrize("seed", some(range(6), 2))
def test_every_metric_equals_its_plain_computation_on_a_random_universe(seed: int) -> None:
    result = universe_run(seed, n_bars=60, volatility=0.02 + 0.01 * seed)
    assert result["n_trades"] > 10
    assert result["max_drawdown"] < 0
    assert_metrics(result)


def test_exits_by_rule_count_and_sum_the_closed_trades() -> None:
    result = universe_run(3, n_bars=80)
    rows = result.sql(
        'select exit_rule, pnl, "return", bars_held from trades where exit_timestamp is not null'
    ).fetchall()
    expected = {}
    for rule in {row[0] for row in rows}:
        mine = [row for row in rows if row[0] == rule]
        expected[rule] = (
            len(mine),
            pytest.approx(sum(row[1] for row in mine)),
            pytest.approx(float(np.mean([row[2] for row in mine]))),
            pytest.approx(float(np.mean([row[3] for row in mine]))),
        )
    assert len(expected) >= 3
    assert result.exits.columns == [
        "exit_rule", "n_trades", "pnl", "average_return", "average_bars_held",
    ]  # fmt: skip
    found = result.exits.fetchall()
    assert {row[0]: row[1:] for row in found} == expected
    assert [row[1] for row in found] == sorted((row[1] for row in found), reverse=True)


# -- edges ----------------------------------------------------------------------------------


def test_a_run_without_trades_has_no_ratios() -> None:
    result = path_run([10, 11, 12, 13], score=float("nan"))
    assert_metrics(result)
    assert (result["total_return"], result["volatility"]) == (0, 0)
    assert (result["turnover"], result["exposure"], result["costs"]) == (0, 0, 0)
    for name in ("cagr", "sharpe", "sortino", "calmar", "hit_rate", "profit_factor", "average_win",
                 "average_loss", "average_bars_held", "max_drawdown_start"):  # fmt: skip
        assert result[name] is None, name
    assert result.exits.fetchall() == []


def test_a_run_of_one_bar_has_a_value_and_no_rates() -> None:
    result = path_run([10])
    assert_metrics(result)
    assert (result["n_bars"], result["final_value"], result["total_return"]) == (1, 1_000, 0)
    for name in ("cagr", "volatility", "sharpe", "sortino", "calmar", "turnover"):
        assert result[name] is None, name


def test_wins_alone_have_no_profit_factor() -> None:
    result = path_run([10, 10, 12, 12], TakeProfit(0.1))
    assert_metrics(result)
    assert (result["hit_rate"], result["profit_factor"]) == (1.0, None)
    assert (result["average_win"], result["average_loss"]) == (pytest.approx(200.0), None)


def test_losses_alone_have_a_profit_factor_of_zero() -> None:
    result = path_run([10, 10, 8, 8], TimeBasedExit(1))
    assert_metrics(result)
    assert (result["hit_rate"], result["profit_factor"], result["average_win"]) == (0.0, 0.0, None)


def test_a_trade_of_zero_is_neither_win_nor_loss() -> None:
    result = path_run([10, 10, 10, 10], TimeBasedExit(1))
    assert_metrics(result)
    assert (result["n_trades"], result["hit_rate"], result["profit_factor"]) == (1, None, None)


def test_zero_volatility_has_no_sharpe() -> None:
    result = path_run([10, 10, 10, 10])
    assert_metrics(result)
    assert result["exposure"] == pytest.approx(0.75)
    assert (result["volatility"], result["sharpe"], result["sortino"]) == (0, None, None)


def test_no_losing_bar_has_a_sharpe_and_no_sortino_and_no_calmar() -> None:
    result = path_run([10, 10, 11, 13])
    assert_metrics(result)
    assert result["sharpe"] > 0
    assert (result["sortino"], result["calmar"], result["max_drawdown"]) == (None, None, 0)


# -- shorts, multipliers, flows -------------------------------------------------------------


class Scripted(Strategy):
    """Trades quantities of asset A at the open after given bars."""

    def __init__(self, quantities: dict[int, float]) -> None:
        self.quantities = quantities

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        if batch.t in self.quantities:
            broker.order("A", self.quantities[batch.t])


def scripted_run(
    closes: list[float],
    quantities: dict[int, float],
    config: BacktestConfig,
    *,
    initial_capital: float = 10_000,
    **sources: dict[str, list[object]],
) -> BacktestResult:
    """Run daily bars of one asset that are flat at their close."""
    catalog = Catalog(threads=1)
    n = len(closes)
    catalog.register(
        "prices",
        {
            "timestamp": [date(2024, 1, 1) + timedelta(days=i) for i in range(n)],
            "asset_id": ["A"] * n,
            **dict.fromkeys(("open", "high", "low", "close"), closes),
        },
    )
    for role, columns in sources.items():
        catalog.register(role, columns)
    return BacktestEngine(
        catalog, Scripted(quantities), config=config, initial_capital=initial_capital
    ).run()


def test_a_short_with_every_cost_and_flow() -> None:
    """5 contracts of 10 units sold at 100 and bought back at 90, each 1 worse by impact.

    Borrow: 5,000 and then 4,500 at 0.1% a day. Dividend: 0.2 a unit, which the short pays.
    """
    config = BacktestConfig(
        commission=PerShareCommission(0.01),
        slippage=BasisPointSlippage(0),
        impact=FixedSlippage(1),
        financing=Financing(borrow_rate=0.365),
        account=MarginAccount(),
    )
    result = scripted_run(
        [100, 100, 90, 90], {0: -50, 2: 50}, config,
        actions={"asset_id": ["A"], "ex_date": [date(2024, 1, 3)], "kind": ["dividend"],
                 "value": [0.2]},
    )  # fmt: skip
    equity = [10_000, 10_000 - 50 - 0.5, 9_949.5 + 500 - 5 - 10, 10_434.5 - 4.5 - 50 - 0.5]
    assert [row[0] for row in result.sql("select equity from equity").fetchall()] == (
        pytest.approx(equity)
    )
    expected = {
        "commission": 1.0,
        "tax": 0.0,
        "fee": 0.0,
        "slippage": 0.0,
        "impact": 100.0,
        "borrow": 9.5,
        "costs": 110.5,
        "dividends": -10.0,
        "interest": 0.0,
        "turnover": (5 * 99 * 10 + 5 * 91 * 10) / (sum(equity) / 4) / (3 / 252),
        "exposure": (5_000 / 9_949.5 + 4_500 / 10_434.5) / 4,
        "net_exposure": -(5_000 / 9_949.5 + 4_500 / 10_434.5) / 4,
        "hit_rate": 1.0,
        "average_win": 5 * 10 * (99 - 91) - 1 - 9.5 - 10,
    }
    assert {name: result[name] for name in expected} == pytest.approx(expected)
    assert_metrics(result)


def test_interest_is_what_cash_earned() -> None:
    """0.01% a day on 10,000, paid daily and so compounding."""
    config = BacktestConfig(financing=Financing(credit_rate=0.0365))
    result = scripted_run([10] * 4, {}, config)
    assert result["interest"] == pytest.approx(10_000 * (1.0001**3 - 1))
    assert result["costs"] == 0
    assert_metrics(result)


def test_equity_below_zero_leaves_no_ratio_infinite() -> None:
    """100 short at 10 with 1,000: at 20 nothing is left, at 30 less than that, at 8 it is back."""
    config = BacktestConfig(
        commission=BasisPointCommission(0),
        slippage=BasisPointSlippage(0),
        account=CashAccount(shortfall="none", shorting=True),
    )
    result = scripted_run([10, 10, 20, 30, 8, 10], {0: -100}, config, initial_capital=1_000)
    equity = [row[0] for row in result.sql("select equity from equity").fetchall()]
    assert equity == pytest.approx([1_000, 1_000, 0, -1_000, 1_200, 1_000])
    returns = [0, 0, -1, 1_000 / 1_200 - 1]  # none at the bars after 0 and -1,000
    assert result["volatility"] == pytest.approx(
        np.std(returns, ddof=1) * 365.25**0.5
    )  # from Monday to Saturday
    downside = np.sqrt(np.mean(np.minimum(returns, 0) ** 2))
    assert result["sortino"] == pytest.approx(np.mean(returns) / downside * 365.25**0.5)
    assert result["exposure"] == pytest.approx((0 + 1 + 800 / 1_200 + 1) / 4)
    assert result["max_drawdown"] == pytest.approx(-2)
    ruined = scripted_run([10, 10, 30], {0: -100}, config, initial_capital=1_000)
    assert (ruined["final_value"], ruined["cagr"]) == (pytest.approx(-1_000), None)


def test_bars_without_a_return_are_no_bars_without_a_loss() -> None:
    """9,000 short at 10 with 100,000: from the price of 30 on there is no equity, 7 returns in all.

    They are 0, 0, -9%, 9,000 / 91,000, -18%, 9,000 / 82,000 and the one that ends it.
    """
    closes = [10.0, 10, 11, 10, 12, 11, 30, 60, 60, 60, 60, 60]
    config = BacktestConfig(
        commission=BasisPointCommission(0),
        slippage=BasisPointSlippage(0),
        account=CashAccount(shortfall="none", shorting=True),
    )
    result = scripted_run(closes, {0: -9_000}, config, initial_capital=100_000)
    equity = np.array([100, 100, 91, 100, 82, 91, -80]) * 1_000
    returns = equity / np.array([100_000, *equity[:-1]]) - 1
    downside = np.sqrt(np.mean(np.minimum(returns, 0) ** 2))
    assert result["sortino"] == pytest.approx(returns.mean() / downside * 365.25**0.5)
    assert result["sortino"] == pytest.approx(-7.417, abs=5e-4)


# -- dates ----------------------------------------------------------------------------------


def test_a_year_is_365_and_a_quarter_days() -> None:
    result = path_run([10, 10, 20, 20, 40], step=timedelta(days=365.25), start=datetime(2020, 1, 1))
    assert result["years"] == pytest.approx(4.0)
    assert result["total_return"] == pytest.approx(3.0)
    assert result["cagr"] == pytest.approx(4 ** (1 / 4) - 1)
    assert result["bars_per_year"] == pytest.approx(1.0)


def test_the_drawdown_dates_are_the_last_peak_the_bottom_and_the_recovery() -> None:
    #                  0   1   2   3   4  5   6   7   8
    result = path_run([10, 10, 12, 12, 9, 6, 11, 12, 13])
    assert_metrics(result)
    assert result["max_drawdown"] == pytest.approx(-0.5)
    assert result["max_drawdown_start"] == date(2024, 1, 4)
    assert result["max_drawdown_bottom"] == date(2024, 1, 6)
    assert result["max_drawdown_end"] == date(2024, 1, 8)


def test_a_drawdown_that_was_not_recovered_has_no_end() -> None:
    result = path_run([10, 10, 20, 15, 19])
    assert_metrics(result)
    assert result["max_drawdown_start"] == date(2024, 1, 3)
    assert result["max_drawdown_end"] is None


def test_the_first_of_two_equal_bottoms_is_the_bottom() -> None:
    result = path_run([16, 16, 8, 16, 8, 16])
    assert_metrics(result)
    assert result["max_drawdown_bottom"] == date(2024, 1, 3)
    assert result["max_drawdown_end"] == date(2024, 1, 4)


def test_bars_less_than_a_second_apart_have_a_length_in_years() -> None:
    result = path_run(
        [10, 10, 10.1, 9.9], step=timedelta(milliseconds=250), start=datetime(2024, 1, 2, 9, 30)
    )
    assert result["years"] == pytest.approx(0.75 / YEAR_SECONDS)
    assert (result["n_sessions"], result["bars_per_year"]) == (1, 4 * 252)


ELSEWHERE = """
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sys import argv
from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, TopN

times = [datetime(2024, 3, 8, 12, tzinfo=UTC) + timedelta(days=i) for i in range(6)]
catalog = Catalog().register(
    "prices", {"timestamp": times, "asset_id": ["A"] * 6, "open": [1.0] * 6, "close": [1.0] * 6}
)
result = BacktestEngine(catalog, TopN(1, by="close")).run()
for saved in (None, "run.duckdb", "run"):
    one = result if saved is None else BacktestResult.open(result.save(Path(argv[1]) / saved))
    print(one["years"] * 365.25, one["last_timestamp"].isoformat())
"""


def test_metrics_of_zoned_bars_do_not_depend_on_the_zone_of_the_machine(tmp_path: Path) -> None:
    """Clocks went forward in New York on 10 March 2024: its local time has an hour more."""
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(tmp_path)],
        env=os.environ | {"TZ": "America/New_York"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["5.0 2024-03-13T12:00:00+00:00"] * 3
