"""Calendars: sessions as a source, what differs from the bars, and schedules in words."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from effort import EFFORT, each_value, long, some
from ml4t.backtest import BacktestEngine, Catalog, ConfigError, DataError, SQLStrategy, TopN
from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.core.schedule import EDGES, schedule_of
from ml4t.backtest.data.calendars.exchange import CORRECTIONS, corrections_of
from ml4t.backtest.runfile import engine_of

xcals = pytest.importorskip("exchange_calendars")
ENDS = ["month_end", "month_end-2", "week_end", "week_end-1", "quarter_end", "year_end"]
STARTS = ["month_start", "month_start+2", "week_start", "quarter_start", "year_start", "3 weeks"]
PERIODS = {"week": "1w", "month": "1mo", "quarter": "1q", "year": "1y"}


def prices(times: Iterable[Any], assets: str = "AB") -> pl.DataFrame:
    rows = [(time, asset, 10.0 + (i + k) % 3) for i, time in enumerate(times)
            for k, asset in enumerate(assets)]  # fmt: skip
    frame = pl.DataFrame(rows, schema=["timestamp", "asset_id", "close"], orient="row")
    return frame.with_columns(open=pl.col("close"))


def weekdays(first: date, last: date) -> list[date]:
    days = (first + timedelta(days=i) for i in range((last - first).days + 1))
    return [day for day in days if day.weekday() < 5]


def package_calendar(code: str, first: date, last: date) -> Any:
    with warnings.catch_warnings():
        # 4.13.2 uses what pandas 3.1 deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        return xcals.get_calendar(code, start=first, end=last)


def sessions_of(code: str, first: date, last: date) -> list[date]:
    """What the package says, in one line."""
    return [day.date() for day in package_calendar(code, first, last).sessions]


def decided(catalog: Catalog, every: int | str, offset: int = 0) -> list[Any]:
    result = BacktestEngine(catalog, TopN(1, by="close", every=every, offset=offset)).run()
    query = "select distinct timestamp from selections order by timestamp"
    return [row[0] for row in result.sql(query).fetchall()]


def month_end_query() -> SQLStrategy:
    text = "select timestamp, asset_id, 0.5 as weight from ranked"
    return SQLStrategy(text, ranking=Ranking(n=1, by="close", every="month_end"))


def on(days: Iterable[Any], code: str | None = "XNYS", **sources: Any) -> Catalog:
    catalog = Catalog(threads=1).register("prices", prices(days))
    if code is not None:
        catalog.calendar(code)
    for name, source in sources.items():
        catalog.register(name, source)  # type: ignore[arg-type]
    return catalog


def grouped(days: list[date], every: str) -> list[date]:
    """The same days by polars: group by the period and take one."""
    edge, _, n = every.replace("+", "-").partition("-")
    unit, side = edge.split("_")
    place = int(n or 0)
    groups = (
        pl.DataFrame({"day": days})
        .group_by(pl.col("day").dt.truncate(PERIODS[unit]).alias("period"))
        .agg(pl.col("day"))
        .sort("period")["day"]
    )
    if side == "end":  # a week of fewer sessions has its first
        return [group[-min(place + 1, len(group))] for group in groups]
    return [group[place] for group in groups if place < len(group)]


# -- schedules against a few lines of polars ----------------------------------------------


@each_value
@pytest.mark.parametrize("every", [*ENDS, *STARTS[:-1]])
@pytest.mark.parametrize("code", ["XNYS", "XLON", "XTKS"])
def test_a_schedule_decides_where_grouping_the_calendar_by_hand_says(code: str, every: str) -> None:
    first, last = date(2013, 10, 1), date(2017, 1, 6)
    days = [day for day in sessions_of(code, first, last) if date(2014, 1, 6) <= day]
    days = [day for day in days if day.year < 2017]
    wanted = [day for day in grouped(sessions_of(code, first, last), every) if day in days]
    assert decided(on(days, code), every) == wanted


@pytest.mark.parametrize(
    "every", some(["month_end", "quarter_end", "month_start", "week_start"], 2)
)
def test_a_schedule_of_real_prices_decides_where_grouping_by_hand_says(every: str) -> None:
    file = Path(__file__).parents[2] / "shared" / "data" / "sp500_daily.parquet"
    if not file.exists():
        pytest.skip(f"no real prices at {file}")
    few = pl.read_parquet(file, columns=["timestamp", "asset_id", "open", "close"])
    few = few.filter(pl.col("asset_id").is_in(["AAPL", "IBM", "XOM"]))
    days = few["timestamp"].unique().sort().to_list()
    wanted = grouped(sessions_of("XNYS", date(1999, 10, 25), date(2016, 1, 7)), every)
    catalog = Catalog().register("prices", few).calendar("XNYS")
    assert decided(catalog, every) == [day for day in wanted if days[0] <= day <= days[-1]]


def test_starts_are_known_from_the_bars_alone() -> None:
    days = sessions_of("XNYS", date(2023, 12, 28), date(2024, 12, 31))
    for every in some(STARTS, 3):
        # Weeks are counted from the first bar, which is the same.
        with_calendar, alone = decided(on(days), every), decided(on(days, None), every)
        # Without a calendar the first bar of the run counts as the first session of its period.
        assert [day for day in alone if day.year == 2024] == [
            day for day in with_calendar if day.year == 2024
        ]
    assert decided(on(days, None), "month_start")[0] == date(2023, 12, 28)
    assert decided(on(days), "month_start")[0] == date(2024, 1, 2)


def test_every_third_week_counts_from_the_week_of_the_first_bar() -> None:
    days = weekdays(date(2024, 1, 3), date(2024, 3, 1))
    assert decided(on(days, None), "3 weeks") == [
        date(2024, 1, 3), date(2024, 1, 22), date(2024, 2, 12),
    ]  # fmt: skip
    assert decided(on(days, None), "3 weeks", offset=1) == [
        date(2024, 1, 8), date(2024, 1, 29), date(2024, 2, 19),
    ]  # fmt: skip
    assert decided(on(days, None), "1 month") == decided(on(days, None), "month_start")


def test_a_week_begins_on_sunday_where_sundays_trade_and_saturdays_do_not() -> None:
    days = sessions_of("XSAU", date(2024, 1, 7), date(2024, 2, 3))
    assert {day.isoweekday() for day in days} == {7, 1, 2, 3, 4}
    ends = decided(on(days, "XSAU"), "week_end")
    assert [day.isoweekday() for day in ends] == [4, 4, 4, 4]


def test_every_strategy_that_takes_every_takes_words() -> None:
    days = sessions_of("XNYS", date(2024, 1, 2), date(2024, 6, 28))
    catalog, wanted = on(days), grouped(days, "month_end")
    query = "select timestamp, asset_id, 0.5 as weight from signals"
    ranked = "select timestamp, asset_id, weight from ranked"
    for strategy in (
        SQLStrategy(query, every="month_end"),
        SQLStrategy(ranked, ranking=Ranking(n=1, by="close", every="month_end")),
        TopN(1, by="close", every="month_end", when="true"),
    ):
        result = BacktestEngine(catalog, strategy).run()
        found = result.sql("select distinct timestamp from selections order by 1").fetchall()
        assert [row[0] for row in found] == wanted
    preview = catalog.preview(TopN(1, by="close", every="month_end"), date(2024, 1, 30))
    assert {row[0] for row in preview.select("reason").fetchall()} == {"no decision bar"}
    preview = catalog.preview(TopN(1, by="close", every="month_end"), date(2024, 1, 31))
    assert preview.filter("is_held").fetchall()
    # A calendar that ends with its month is enough, whatever bars come after.
    early = Catalog().register("prices", catalog.sql("select * from prices"))
    early.register("calendar", {"session": [day for day in days if day.month == 1]})
    preview = early.preview(TopN(1, by="close", every="month_end"), date(2024, 1, 31))
    assert preview.filter("is_held").fetchall()
    script = str(catalog.explain(TopN(1, by="close", every="month_end")))
    assert "list_contains" in script


# -- nothing that comes later ---------------------------------------------------------------


def cuts(times: list[Any], decisions: list[Any]) -> list[int]:
    """Numbers of bars to stop after: before the first decision, and in the middle.

    `make audits` stops after every one.
    """
    if EFFORT > 1:
        return list(range(1, len(times) + 1))
    return sorted({max(times.index(decisions[0]), 1), len(times) // 2})


@pytest.mark.parametrize("every", some([*ENDS, *STARTS], 3))
def test_deleting_the_rows_after_any_session_changes_no_decision_until_then(every: str) -> None:
    # With days on which nothing traded, one of them the last of its month.
    days = [day for day in sessions_of("XNYS", date(2001, 8, 20), date(2001, 10, 10))
            if day not in (date(2001, 8, 31), date(2001, 9, 20))]  # fmt: skip
    whole = decided(on(days), every)
    for n in cuts(days, whole):
        assert decided(on(days[:n]), every) == [day for day in whole if day <= days[n - 1]]


@pytest.mark.parametrize("every", some(STARTS, 3))
def test_deleting_rows_changes_no_start_without_a_calendar(every: str) -> None:
    days = weekdays(date(2024, 1, 10), date(2024, 3, 20))
    whole = decided(on(days, None), every)
    for n in cuts(days, whole):
        assert decided(on(days[:n], None), every) == [day for day in whole if day <= days[n - 1]]


def test_a_closure_that_nobody_foresaw_is_no_reason_to_decide_before_it() -> None:
    """On Monday, 10 September 2001, Friday was the last session of the week."""
    days = sessions_of("XNYS", date(2001, 9, 4), date(2001, 9, 21))
    assert decided(on(days), "week_end") == [
        date(2001, 9, 7), date(2001, 9, 17), date(2001, 9, 21),
    ]  # fmt: skip


def test_a_closure_that_was_announced_in_the_week_moves_its_end() -> None:
    """President Reagan's funeral was on Friday, 11 June 2004."""
    days = sessions_of("XNYS", date(2004, 6, 1), date(2004, 6, 18))
    assert decided(on(days), "week_end") == [date(2004, 6, 4), date(2004, 6, 10), date(2004, 6, 18)]


def test_a_session_that_is_announced_counts_from_then() -> None:
    """The Saturday becomes the end of the week for who knows of it by Friday."""
    days = [*weekdays(date(2024, 1, 8), date(2024, 1, 19)), date(2024, 1, 20)]
    own = {"session": weekdays(date(2024, 1, 1), date(2024, 2, 2))}
    for known_at, wanted in ((date(2024, 1, 18), 20), (date(2024, 1, 20), 19)):
        extra = {"session": [date(2024, 1, 20)], "known_at": [known_at]}
        catalog = on(days, None, calendar=own, calendar_corrections=extra)
        assert decided(catalog, "week_end") == [date(2024, 1, 12), date(2024, 1, wanted)]


def test_a_decision_that_is_due_on_a_day_without_bars_is_made_at_the_next_bar() -> None:
    days = [day for day in sessions_of("XNYS", date(2024, 1, 2), date(2024, 3, 28))
            if day != date(2024, 2, 29)]  # fmt: skip
    assert decided(on(days), "month_end") == [
        date(2024, 1, 31), date(2024, 3, 1), date(2024, 3, 28),
    ]  # fmt: skip


# -- intraday -------------------------------------------------------------------------------


def half_hours(day: date, n: int = 13) -> list[datetime]:
    """Bars of half an hour of New York, the first complete at 10:00."""
    return [datetime(day.year, day.month, day.day, 10) + timedelta(minutes=30 * i)
            for i in range(n)]  # fmt: skip


def test_the_close_of_a_session_is_known_from_the_calendar_early_ones_too() -> None:
    bars = [*half_hours(date(2024, 7, 2)), *half_hours(date(2024, 7, 3), 7),
            *half_hours(date(2024, 7, 5))]  # fmt: skip
    closes = [datetime(2024, 7, 2, 16), datetime(2024, 7, 3, 13), datetime(2024, 7, 5, 16)]
    assert decided(on(bars), "session_close") == closes
    assert decided(on(bars), "week_end") == closes[2:]
    assert decided(on(bars, None), "session_open") == [half_hours(day.date())[0] for day in closes]
    zoned = [time.astimezone() for time in pl.Series(bars).dt.replace_time_zone("America/New_York")]
    catalog = Catalog(timezone="America/New_York").register("prices", prices(zoned))
    found = decided(catalog.calendar("XNYS"), "session_close")
    assert [time.replace(tzinfo=None) for time in found] == closes


@long
def test_deleting_rows_changes_no_intraday_decision() -> None:
    days = [date(2024, 6, 27), date(2024, 6, 28), date(2024, 7, 1)]
    bars = [time for day in days for time in half_hours(day)]
    for every in ("session_close", "month_end", "month_start", "session_open"):
        whole = decided(on(bars), every)
        for n in cuts(bars, whole):
            assert decided(on(bars[:n]), every) == [time for time in whole if time <= bars[n - 1]]


def test_a_session_that_opens_on_the_evening_before_is_the_one_of_the_calendar() -> None:
    """Chicago's session of 1 July 2024 opens on Sunday, 30 June, at 17:00."""
    start = datetime(2024, 6, 27, 17)
    bars = [start + timedelta(hours=i) for i in range(1, 24)]  # Friday the 28th
    bars += [datetime(2024, 6, 30, 17) + timedelta(hours=i) for i in range(1, 24)]
    catalog = on(bars, "CMES")
    assert decided(catalog, "month_start") == [datetime(2024, 6, 30, 18)]
    assert decided(catalog, "month_end") == [datetime(2024, 6, 30, 18)]


# -- what differs ---------------------------------------------------------------------------


def warnings_of(catalog: Catalog) -> dict[str, tuple[int, str]]:
    summary = BacktestEngine(catalog, TopN(1, by="close")).run()
    found = catalog.checks()
    texts = {one.rule: one for one in found if one.is_warning and one.n_rows}
    shown = summary.summary()
    return {
        rule: (one.n_rows, next(line for line in shown.splitlines() if f"(rule {rule}," in line))
        for rule, one in texts.items()
    }


def test_gaps_and_extra_bars_are_warnings_with_counts_and_a_sample() -> None:
    days = sessions_of("XNYS", date(2024, 7, 1), date(2024, 7, 31))
    days = [day for day in days if day not in (date(2024, 7, 9), date(2024, 7, 10))]
    frame = prices(sorted([*days, date(2024, 7, 4), date(2024, 7, 13)]))
    halt = (pl.col("asset_id") == "B") & (pl.col("timestamp") == date(2024, 7, 16))
    catalog = Catalog(threads=1).register("prices", frame.filter(~halt)).calendar("XNYS")
    found = warnings_of(catalog)
    assert {rule: n for rule, (n, _) in found.items()} == {
        "bar_off_session": 2, "session_without_bar": 2, "asset_without_bar": 1,
    }  # fmt: skip
    assert "such as 2024-07-04, 2024-07-13" in found["bar_off_session"][1]
    assert "such as 2024-07-09, 2024-07-10" in found["session_without_bar"][1]
    assert "such as B 2024-07-16" in found["asset_without_bar"][1]


def test_bars_beyond_an_early_close_and_of_another_zone_are_a_warning() -> None:
    bars = [*half_hours(date(2024, 7, 2)), *half_hours(date(2024, 7, 3), 9)]
    n_rows, text = warnings_of(on(bars))["bar_outside_hours"]
    assert (n_rows, "2024-07-03 13:30:00" in text) == (2, True)
    assert warnings_of(on(half_hours(date(2024, 7, 2)))) == {}


def test_the_bars_of_a_day_that_the_calendar_lacks_are_used() -> None:
    days = sorted([*weekdays(date(2025, 1, 27), date(2025, 2, 5)), date(2025, 2, 1)])
    own = {"session": weekdays(date(2025, 1, 1), date(2025, 2, 28))}
    catalog = on(days, None, calendar=own)
    assert decided(catalog, "month_start") == [date(2025, 2, 1)]
    assert decided(catalog, "week_end") == [date(2025, 1, 31)]
    assert warnings_of(catalog)["bar_off_session"][0] == 1


# -- corrections ----------------------------------------------------------------------------


def test_our_corrections_are_counted_and_the_users_own_go_before_them() -> None:
    days = sorted([*sessions_of("XBOM", date(2025, 1, 27), date(2025, 2, 5)), date(2025, 2, 1)])
    catalog = on(days, "XBOM")
    changes = catalog.describe()[1]["changes"]
    assert any("2025-02-01 corrected to open: Saturday of the Union Budget" in one
               for one in changes)  # type: ignore[attr-defined]  # fmt: skip
    assert warnings_of(catalog) == {}
    assert decided(catalog, "week_end") == [date(2025, 2, 1)]
    own = {"session": [date(2025, 2, 1)], "is_open": [False]}
    catalog = on(days, "XBOM", calendar_corrections=own)
    assert warnings_of(catalog)["bar_off_session"][0] == 1
    assert decided(catalog, "week_end") == [date(2025, 1, 31)]


@pytest.mark.parametrize("code", ["XNYS", "CMES", "XBOM"])
def test_each_correction_says_something_that_the_package_does_not(code: str) -> None:
    found = corrections_of(code)
    calendar = package_calendar(code, date(1998, 1, 1), date(2026, 6, 30))
    found = tuple(one for one in found if one.session.year >= 1998)
    assert found
    for one in found:
        assert one.source
        # An opening that it lacks; or a closure that it has, as if it had been foreseen. Nobody
        # knew of a closure before it was announced, nor of a session out of turn.
        assert not calendar.is_session(one.session.isoformat())
        assert one.is_open or one.known_at is not None
        assert one.known_at is None or one.known_at <= one.session
        assert not one.is_open or (one.opens is not None and one.closes is not None)
    text = CORRECTIONS.read_text(encoding="utf-8")
    assert text.count(f"\n{code},") == len(corrections_of(code))


def test_the_sessions_that_packages_lack_are_there_from_catalog_to_schedule() -> None:
    """Budget and other Saturdays and Diwali hours of BSE, the short session of CME."""
    extra = [date(2024, 1, 20), date(2025, 2, 1), date(2024, 11, 1), date(2025, 10, 21)]
    days = sorted([*sessions_of("XBOM", date(2024, 1, 15), date(2025, 10, 31)), *extra])
    assert set(extra).isdisjoint(sessions_of("XBOM", date(2024, 1, 1), date(2025, 12, 31)))
    catalog = on(days, "XBOM")
    # Saturdays from the second site, of which these bars are none.
    assert warnings_of(catalog)["session_without_bar"][0] == 2
    ends = decided(catalog, "week_end")
    assert {date(2024, 1, 20), date(2025, 2, 1), date(2024, 11, 1)} < set(ends)
    # On Friday the 19th the Saturday was known, the holiday on Monday the 22nd was not.
    assert decided(catalog, "month_end")[0] == date(2024, 1, 31)

    eve = datetime(2025, 1, 8, 17)
    bars = [eve + timedelta(minutes=30 * i) for i in range(1, 32)]  # until 8:30
    catalog = on(bars, "CMES")
    assert decided(catalog, "session_close") == [datetime(2025, 1, 9, 8, 30)]
    catalog = on([*bars, datetime(2025, 1, 9, 9)], "CMES")
    assert warnings_of(catalog)["bar_outside_hours"][0] == 1


def test_a_correction_changes_the_hours_of_a_session_and_leaves_what_it_does_not_say() -> None:
    early = {"session": [date(2024, 7, 2)], "closes": [datetime(2024, 7, 2, 12)]}
    bars = [*half_hours(date(2024, 7, 1)), *half_hours(date(2024, 7, 2), 5)]
    assert decided(on(bars, calendar_corrections=early), "session_close") == [
        datetime(2024, 7, 1, 16), datetime(2024, 7, 2, 12),
    ]  # fmt: skip


# -- refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "must"),
    [
        ("month", "did you mean 'month_end'|did you mean 'month_start'"),
        ("monthend", "did you mean 'month_end'"),
        ("month_end+2", "write 'month_end-2'"),
        ("month_start-1", "write 'month_start\\+1'"),
        ("week_end-9", "no week has 10 sessions"),
        ("5 days", "counts weeks, months, quarters or years"),
        ("0 weeks", "counts from 1"),
        ("", "write a number of bars, or a text such as 'month_end'"),
        (0, "every must be a whole number of at least 1"),
        (1.5, "every must be a whole number"),
    ],
)
def test_a_schedule_that_is_none_is_refused_with_what_to_write(every: Any, must: str) -> None:
    with pytest.raises(ConfigError, match=must):
        TopN(1, by="close", every=every)


def test_an_offset_of_bars_does_not_go_with_words() -> None:
    with pytest.raises(ConfigError, match="count sessions in the words, such as 'month_end-2'"):
        TopN(1, by="close", every="month_end", offset=1)
    with pytest.raises(ConfigError, match="offset must be a whole number from 0 to 2"):
        TopN(1, by="close", every="3 weeks", offset=3)


@pytest.mark.parametrize("every", ["month_end", "week_end-1", "year_end"])
def test_an_end_without_a_calendar_is_refused_with_the_lines_to_write(every: str) -> None:
    with pytest.raises(ConfigError, match=r"catalog\.calendar\('XNYS'\).*every='\w+_start'"):
        decided(on(weekdays(date(2024, 1, 2), date(2024, 2, 2)), None), every)


def test_a_close_of_daily_bars_is_every_bar_and_of_intraday_ones_needs_hours() -> None:
    days = weekdays(date(2024, 1, 2), date(2024, 1, 5))
    assert decided(on(days, None), "session_close") == days
    bars = half_hours(date(2024, 7, 2))
    with pytest.raises(ConfigError, match="needs a calendar"):
        decided(on(bars, None), "session_close")
    own = {"session": weekdays(date(2024, 7, 1), date(2024, 7, 31))}
    with pytest.raises(ConfigError, match="no closes for 2024-07-02; register it with the columns"):
        decided(on(bars, None, calendar=own), "session_close")


def test_a_calendar_that_ends_within_the_period_of_the_bars_is_refused() -> None:
    days = weekdays(date(2024, 1, 2), date(2024, 2, 9))
    for last, is_known in ((date(2024, 2, 28), False), (date(2024, 2, 29), True)):
        catalog = on(days, None, calendar={"session": weekdays(date(2024, 1, 1), last)})
        if is_known:
            assert decided(catalog, "month_end") == [date(2024, 1, 31)]
            continue
        with pytest.raises(ConfigError, match="does not have all of the month of the bars"):
            decided(catalog, "month_end")
    # Of bars outside the run's period it need not know anything.
    days = weekdays(date(2024, 1, 2), date(2024, 3, 8))
    catalog = on(days, None, calendar={"session": weekdays(date(2024, 1, 29), date(2024, 2, 29))})
    for strategy in (TopN(1, by="close", every="month_end"), month_end_query()):
        engine = BacktestEngine(catalog, strategy)
        result = engine.run(start="2024-02-01", end="2024-02-29")
        assert result.sql("select distinct timestamp::varchar from selections").fetchall() == [
            ("2024-02-29",)
        ]
        with pytest.raises(ConfigError, match="of the bars from 2024-03-01"):
            engine.run(start="2024-02-01", end="2024-03-01")
    # Of XSAU the package knows nothing before 2021.
    catalog = on(weekdays(date(2020, 11, 2), date(2021, 3, 5)), "XSAU")
    assert any("is known from 2021" in one for one in catalog.describe()[1]["changes"])  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="does not have all of the month"):
        decided(catalog, "month_end")


def test_what_is_no_calendar_is_refused_with_what_to_write() -> None:
    days = weekdays(date(2024, 1, 2), date(2024, 1, 31))
    with pytest.raises(ConfigError, match=r"before catalog\.calendar\('XNYS'\)"):
        Catalog().calendar("XNYS")
    with pytest.raises(ConfigError, match=r"no calendar 'XNYZ'; did you mean 'X"):
        on(days, "XNYZ")
    with pytest.raises(ConfigError, match=r"catalog\.register\('calendar', table\)"):
        on(days, None).calendar({"session": days})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cannot make the calendar 'XTAE'"):
        on(days, "XTAE")
    with pytest.raises(ConfigError, match="none is registered; call"):
        on(days, None, calendar_corrections={"session": days}).validate()
    times = [datetime(2024, 1, 2, 9, 30)]
    with pytest.raises(DataError, match="a session is a date"):
        on(days, None, calendar={"session": times}).validate()
    hours = {"session": days[:1], "opens": [datetime(2024, 1, 2, 16)],
             "closes": [datetime(2024, 1, 2, 9)]}  # fmt: skip
    with pytest.raises(DataError, match="do not close after they open"):
        on(days, None, calendar=hours).validate()
    with pytest.raises(DataError, match="has no column 'session'"):
        on(days, None, calendar={"day": days})


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "exchange_calendars", None)
    with pytest.raises(ConfigError, match=r"pip install 'ml4t-backtest-duckdb\[calendars\]'"):
        on(weekdays(date(2024, 1, 2), date(2024, 1, 31)))


def test_a_run_file_takes_the_code_of_an_exchange_and_words(tmp_path: Path) -> None:
    days = sessions_of("XNYS", date(2024, 1, 2), date(2024, 6, 28))
    prices(days).write_parquet(tmp_path / "p.parquet")
    run_file = tmp_path / "run.toml"
    run_file.write_text(
        '[sources.calendar]\nexchange = "XNYS"\n[sources.prices]\npath = "p.parquet"\n'
        '[strategy]\nkind = "TopN"\nn = 1\nby = "close"\nevery = "month_end"\n'
    )
    result = engine_of(run_file).run()
    found = result.sql("select distinct timestamp from selections order by 1").fetchall()
    assert [row[0] for row in found] == grouped(days, "month_end")
    text = run_file.read_text()
    run_file.write_text(text.replace('exchange = "XNYS"', ""))
    with pytest.raises(ConfigError, match='has no path; write path, or exchange = "XNYS"'):
        engine_of(run_file)
    run_file.write_text(text.replace('path = "p.parquet"', 'path = "p.parquet"\nexchange = "X"'))
    with pytest.raises(ConfigError, match="exchange, 'X', is for"):
        engine_of(run_file)


def test_the_page_on_calendars_runs_as_written(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[1] / "docs" / "calendars.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(code, "calendars.md", "exec"), names)
    said = capsys.readouterr().out
    assert "sessions of XNYS as exchange_calendars" in said
    assert "bar_off_session" in said
    words = re.findall(r"`(\w+_(?:start|end|open|close)[+-]?\d?)`", page)
    assert {schedule_of(word).text for word in words if word in EDGES} == set(EDGES)
