"""By how many bars a year what is annual is annual, and when there is no annual return."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from effort import EFFORT, examples
from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, ConfigError, TopN
from ml4t.backtest.runfile import engine_of
from test_metrics import assert_metrics

HOLIDAYS = {
    date(2024, 1, 1), date(2024, 1, 15), date(2024, 2, 19), date(2024, 3, 29), date(2024, 5, 27),
    date(2024, 6, 19), date(2024, 7, 4), date(2024, 9, 2), date(2024, 11, 28), date(2024, 12, 25),
}  # fmt: skip
Times = list[Any]


def sessions(n: int, start: date = date(2024, 1, 2)) -> list[date]:
    """The first days on which New York traded."""
    days = (start + timedelta(days=i) for i in range(2 * n + 20))
    return [day for day in days if day.weekday() < 5 and day not in HOLIDAYS][:n]


def five_minutes(days: list[date], n: int = 78) -> Times:
    """Bars of five minutes, the first complete at 09:35."""
    return [
        datetime.combine(day, time(9, 35)) + timedelta(minutes=5 * i)
        for day in days
        for i in range(n)
    ]


def hours(n: int, start: datetime) -> Times:
    """Bars of an hour of a market that never closes."""
    return [start + timedelta(hours=i) for i in range(n)]


def weeks(n: int) -> Times:
    """Bars of a week, at its Friday."""
    return [date(2024, 1, 5) + timedelta(weeks=i) for i in range(n)]


def futures(n: int) -> Times:
    """Bars of an hour from Sunday 18:00 to Friday 17:00, with an hour's break each day."""
    evenings = [datetime(2024, 1, 7, 18) + timedelta(days=7 * i + j)
                for i in range(n) for j in range(5)]  # fmt: skip
    return [evening + timedelta(hours=i) for evening in evenings for i in range(1, 24)]


def run(times: Times, **changes: Any) -> BacktestResult:
    """Hold one asset whose price wanders; a tenth of the account is sold and bought again."""
    pick = random.Random(len(times))
    closes = [100.0]
    for _ in times[1:]:
        closes.append(closes[-1] * (1 + pick.gauss(0.0001, 0.002)))
    prices = {"timestamp": times, "asset_id": ["A"] * len(times), "open": closes, "close": closes}
    catalog = Catalog(threads=1).register("prices", prices)
    return BacktestEngine(catalog, TopN(1, by="close"), **changes).run()


@pytest.mark.parametrize(
    ("times", "per_session", "per_year", "how"),
    [
        # The case that was wrong: 105,192 bars a year, and a Sharpe 2.31 times too high.
        (five_minutes(sessions(1)), 78, 252, "assumed"),
        (five_minutes(sessions(5)), 78, 252, "assumed"),
        (five_minutes(sessions(20)), 78, 252, "assumed"),  # with a holiday
        # From January to May, 95 sessions after the first in 136 days.
        (five_minutes(sessions(96)), 78, 95 / 136 * 365.25, "counted"),
        # The first and the last session are cut, as a file that starts at noon is.
        (five_minutes(sessions(20))[40:-30], 78, 252, "assumed"),
        # A short session the day before a holiday counts as what it is.
        (five_minutes(sessions(4)) + five_minutes(sessions(5)[4:], 42)
         + five_minutes(sessions(6)[5:]), (3 * 78 + 42) / 4, 252, "assumed"),
        (sessions(2), 1, 252, "assumed"),
        (sessions(10), 1, 252, "assumed"),
        (sessions(252), 1, 251 / 364 * 365.25, "counted"),
        (weeks(8), 1, 365.25 / 7, "counted"),
        (weeks(60), 1, 365.25 / 7, "counted"),
        ([date(2024, 1 + i, 28) for i in range(12)], 1, 11 / 335 * 365.25, "counted"),
        # A market that never closes: a weekend shows it, three days in the week do not.
        (hours(72, datetime(2024, 1, 5)), 24, 365.25, "assumed"),
        (hours(72, datetime(2024, 1, 9)), 24, 252, "assumed"),
        (hours(24 * 10, datetime(2024, 1, 9)), 24, 365.25, "assumed"),
        (hours(24 * 100, datetime(2024, 1, 9)), 24, 365.25, "counted"),
        (hours(60, datetime(2024, 1, 5, 18)), 24, 365.25, "assumed"),
        ([date(2024, 1, 1) + timedelta(days=i) for i in range(30)], 1, 365.25, "assumed"),
        # Sunday to Friday, as daily bars of currencies in UTC: those of Sundays are of Monday's
        # session, of the two that are whole and have one there are 9 bars in 8 sessions.
        ([day for day in (date(2024, 1, 7) + timedelta(days=i) for i in range(13))
          if day.weekday() != 5], 9 / 8, 252, "assumed"),
        # 18:00 to 17:00, Sunday evening to Friday, as futures trade in New York: one week, three.
        (futures(1), 23, 252, "assumed"),
        (futures(3), 23, 252, "assumed"),
        (futures(3)[23:], 23, 252, "assumed"),
        # A long run is counted by days, of which six a week trade.
        (futures(20), 23 * 5 / 6, 119 / 138 * 365.25, "counted"),
        # The first hours of a Monday in Sydney are a Sunday in UTC.
        ([datetime(2024, 1, 7, 23) + timedelta(days=7 * i + j, hours=hour)
          for i in range(2) for j in range(5) for hour in range(7)], 7, 252, "assumed"),
        # Saturdays and Sundays are free there, Fridays and Saturdays here: Sunday is a weekday.
        ([day for day in (date(2024, 1, 1) + timedelta(days=i) for i in range(30))
          if day.weekday() not in (4, 5)], 1, 252, "assumed"),
        # A market that never closes, from a Sunday on, before a Saturday was seen.
        (hours(24 * 5, datetime(2024, 1, 7)), 24, 365.25, "assumed"),
        # Six days a week with Saturdays: weekends trade, but not all of them.
        ([day for day in (date(2024, 1, 1) + timedelta(days=i) for i in range(27))
          if day.weekday() != 6], 1, 23 / 26 * 365.25, "counted"),
        # Monday, Wednesday, Friday.
        ([date(2024, 1, 1) + timedelta(days=7 * i + j) for i in range(4) for j in (0, 2, 4)],
         1, 11 / 25 * 365.25, "counted"),
        (sessions(5, date(1969, 1, 6)), 1, 252, "assumed"),
    ],
)  # fmt: skip
def test_bars_per_year_are_bars_per_session_times_sessions_per_year(
    times: Times, per_session: float, per_year: float, how: str
) -> None:
    result = run(times)
    assert result["bars_per_session"] == pytest.approx(per_session)
    assert result["sessions_per_year"] == pytest.approx(per_year)
    assert result["bars_per_year"] == pytest.approx(per_session * per_year)
    assert result["annualised_by"] == how
    if EFFORT > 1 or len(times) < 100:  # bar by bar in Python
        assert_metrics(result)


@pytest.mark.parametrize("seed", range(examples(7)))
def test_any_calendar_has_the_bars_per_year_that_counting_day_by_day_gives(seed: int) -> None:
    """Days missing at random, weekends or none, sessions of many lengths, around 1970 too."""
    pick = random.Random(seed)
    start = date(pick.choice([1968, 1999, 2024]), pick.randint(1, 12), pick.randint(1, 28))
    share, n_days = pick.choice([0.2, 0.7, 0.8, 0.97, 1.0]), pick.choice([3, 12, 40, 89, 91, 200])
    last_weekday = pick.choice([4, 5, 6])
    days = [start + timedelta(days=i) for i in range(n_days)]
    days = [day for day in days if day.weekday() <= last_weekday and pick.random() < share]
    longest = pick.choice([1, 3, 7])
    times = [
        time for day in days or [start] for time in five_minutes([day], pick.randint(1, longest))
    ]
    assert_metrics(run(times, periods_per_year=pick.choice([None, None, None, 1_000])))


@pytest.mark.parametrize(
    "times", [five_minutes(sessions(1)), five_minutes(sessions(20)), sessions(252), weeks(60)]
)
def test_what_is_annual_is_what_numpy_makes_of_the_equity(times: Times) -> None:
    result = run(times)
    equity = np.array([row[0] for row in result.sql("select equity from equity").fetchall()])
    returns = equity / np.array([100_000, *equity[:-1]]) - 1
    n = result["bars_per_year"]
    assert result["volatility"] == pytest.approx(returns.std(ddof=1) * np.sqrt(n))
    assert result["sharpe"] == pytest.approx(returns.mean() / returns.std(ddof=1) * np.sqrt(n))
    downside = np.sqrt((np.minimum(returns, 0) ** 2).mean())
    assert result["sortino"] == pytest.approx(returns.mean() / downside * np.sqrt(n))
    traded = sum(abs(row[0]) for row in result.sql("select value from fills").fetchall())
    assert result["turnover"] == pytest.approx(traded / equity.mean() * n / (len(times) - 1))


def test_the_sharpe_of_a_year_does_not_depend_on_what_a_bar_is() -> None:
    """Daily closes of 5-minute bars give the Sharpe of daily bars where days have one move each."""
    days = sessions(252)
    closes = np.cumprod(1 + np.random.default_rng(1).normal(0.003, 0.01, len(days))) * 100
    daily = {"timestamp": days, "asset_id": ["A"] * 252, "open": closes, "close": closes}
    fine = {
        "timestamp": five_minutes(days, 13),
        "asset_id": ["A"] * 252 * 13,
        "open": np.repeat(closes, 13),
        "close": np.repeat(closes, 13),
    }
    sharpes = [
        BacktestEngine(Catalog(threads=1).register("prices", one), TopN(1, by="close")).run()[
            "sharpe"
        ]
        for one in (daily, fine)
    ]
    assert sharpes[1] == pytest.approx(sharpes[0], rel=0.05)


# -- stated ---------------------------------------------------------------------------------


def test_the_user_can_state_it_and_it_is_kept_with_the_run(tmp_path: Path) -> None:
    times = hours(72, datetime(2024, 1, 9))
    counted, stated = run(times), run(times, periods_per_year=365.25 * 24)
    assert (stated["annualised_by"], stated["bars_per_year"]) == ("stated", 8_766)
    assert stated["sharpe"] == pytest.approx(counted["sharpe"] * (365.25 / 252) ** 0.5)
    assert_metrics(stated)
    facts = "select periods_per_year, configuration::json ->> '$.periods_per_year' from runs"
    assert stated.sql(facts).fetchall() == [(8_766.0, "8766.0")]
    assert counted.sql(facts).fetchall() == [(None, None)]
    for name in ("run.duckdb", "run"):
        assert dict(BacktestResult.open(stated.save(tmp_path / name))) == dict(stated)
    ids = {one.sql("select run_id from runs").fetchall()[0] for one in (counted, stated)}
    assert len(ids) == 2


@pytest.mark.parametrize("value", [0, -252, float("nan"), float("inf"), "252", True])
def test_periods_per_year_must_be_a_number_above_zero(value: Any) -> None:
    with pytest.raises(ConfigError, match="periods_per_year must be a number above 0"):
        run(sessions(2), periods_per_year=value)


def test_a_run_file_can_state_it(tmp_path: Path) -> None:
    run_file = tmp_path / "run.toml"
    run_file.write_text(
        '[sources.prices]\npath = "p.parquet"\n[strategy]\nkind = "TopN"\nn = 1\nby = "close"\n'
        "[run]\nperiods_per_year = 252\n"
    )
    run(sessions(3)).sql(
        "select timestamp, 'A' as asset_id, equity as open, equity as close from equity"
    ).pl().write_parquet(tmp_path / "p.parquet")
    assert engine_of(run_file).run()["annualised_by"] == "stated"


# -- annual return --------------------------------------------------------------------------


@pytest.mark.parametrize(("n_days", "has"), [(5, False), (90, False), (91, True), (400, True)])
def test_a_run_of_less_than_90_days_has_no_annual_return(n_days: int, *, has: bool) -> None:
    result = run([date(2024, 1, 1) + timedelta(days=i) for i in range(n_days)])
    assert (result["cagr"] is not None, result["calmar"] is not None) == (has, has)
    if has:
        years = (n_days - 1) / 365.25
        growth = result["final_value"] / result["initial_capital"]
        assert result["cagr"] == pytest.approx(growth ** (1 / years) - 1)
        assert result["calmar"] == pytest.approx(result["cagr"] / -result["max_drawdown"])


def test_the_summary_says_what_annual_figures_rest_on_and_why_there_is_no_cagr() -> None:
    text = run(five_minutes(sessions(5))).summary()
    assert (
        "Annual figures: 19,656 bars a year, assumed, 78 a session and 252 sessions a year; "
        "state periods_per_year if it has others"
    ) in text
    assert "No CAGR and no Calmar: the bars span 6.267 days, less than 90" in text
    text = run(sessions(252), periods_per_year=252).summary()
    assert "Annual figures: 252 bars a year, stated" in text
    assert "No CAGR" not in text
    assert "Annual figures: 52.1786 bars a year, counted, 1 a session" in run(weeks(60)).summary()


# -- said by calendar or asset class --------------------------------------------------------


def run_on(times: Times, calendar: list[date] | None = None, **changes: Any) -> BacktestResult:
    closes = [100.0 + i % 7 for i in range(len(times))]
    prices = {"timestamp": times, "asset_id": ["A"] * len(times), "open": closes, "close": closes}
    catalog = Catalog(threads=1).register("prices", prices)
    if calendar is not None:
        catalog.register("calendar", {"session": calendar})
    return BacktestEngine(catalog, TopN(1, by="close"), **changes).run()


@pytest.mark.parametrize(
    ("times", "per_session", "per_year"),
    [
        (five_minutes(sessions(1)), 78, 252),
        (five_minutes(sessions(20))[40:-30], 78, 252),
        (five_minutes(sessions(96)), 78, 252),
        (sessions(2), 1, 252),
        (sessions(252), 1, 252),
        # Bars of weeks have a share of a bar in each session.
        (weeks(50), 49 / 236, 252),
    ],
)
def test_the_sessions_of_a_year_are_those_of_the_calendar(
    times: Times, per_session: float, per_year: float
) -> None:
    result = run_on(times, sessions(252))
    assert result["annualised_by"] == "calendar"
    assert result["bars_per_session"] == pytest.approx(per_session, rel=0.02)
    assert result["sessions_per_year"] == pytest.approx(per_year, rel=0.002)
    assert result["bars_per_year"] == pytest.approx(
        result["bars_per_session"] * result["sessions_per_year"]
    )
    assert "bars a year, calendar, " in result.summary()


def test_bars_of_weeks_are_52_of_a_year_by_a_calendar_too() -> None:
    assert run_on(weeks(50), sessions(252))["bars_per_year"] == pytest.approx(52.2, rel=0.01)


def test_an_asset_class_or_a_number_says_how_many_sessions_a_year_has() -> None:
    times = hours(72, datetime(2024, 1, 9))  # three days in the week: 252 would be assumed
    crypto = run_on(times, sessions_per_year="crypto")
    assert (crypto["annualised_by"], crypto["bars_per_year"]) == ("asset class", 24 * 365.25)
    stated = run_on(times, sessions(252), sessions_per_year=250)
    assert (stated["annualised_by"], stated["sessions_per_year"]) == ("stated sessions", 250)
    both = run_on(times, sessions_per_year="crypto", periods_per_year=100)
    assert (both["annualised_by"], both["bars_per_year"]) == ("stated", 100)
    with pytest.raises(ConfigError, match="did you mean 'crypto'"):
        run_on(times, sessions_per_year="cripto")
    with pytest.raises(ConfigError, match="sessions_per_year must be a number above 0"):
        run_on(times, sessions_per_year=0)


@pytest.mark.parametrize(
    ("times", "said", "per_year"),
    [
        # The case that was wrong: 252 bars a year of bars of months, a Sharpe 4.58 times too high.
        ([date(2024, 1 + i, 28) for i in range(12)], "equities", 12),
        ([date(2024, 1 + i, 28) for i in range(3)], "equities", 12),
        (weeks(8), 252, 365.25 / 7),
        (weeks(60), "crypto", 365.25 / 7),
        (weeks(60), 52, 52),
        # Daily bars have one in each session, whatever the run's own days would say.
        (sessions(2), "equities", 252),
        ([date(2024, 1, 5), date(2024, 1, 8)], 252, 252),  # Friday, Monday
        (sessions(252), 250, 250),
        (five_minutes(sessions(20)), "equities", 19_656),
    ],
)
def test_bars_longer_than_a_session_are_a_share_of_the_sessions_that_are_said(
    times: Times, said: float | str, per_year: float
) -> None:
    result = run_on(times, sessions_per_year=said)
    assert result["bars_per_year"] == pytest.approx(per_year, rel=0.02)
    assert result["bars_per_year"] == pytest.approx(
        result["bars_per_session"] * result["sessions_per_year"]
    )
