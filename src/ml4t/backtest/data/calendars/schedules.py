"""Schedules: the bars on which a schedule in words decides.

Every bar is told what was known at it: sessions behind it from bars and calendar, sessions ahead
of it from the calendar alone. So no row after a bar changes whether it decides.
"""

from __future__ import annotations

from typing import NoReturn

from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.core.schedule import Schedule, schedule_of
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import read, render, rows_of
from ml4t.backtest.errors import ConfigError

# Numbers of bars in order; None where bars are counted.
Due = tuple[int, ...] | None


def due_bars(
    ranking: Ranking, prepared: Prepared, *, begin_t: int = 0, end_t: int | None = None
) -> Due:
    """Return the numbers of the bars that decide, in order; None where bars are counted.

    Parameters
    ----------
    begin_t : int
        The first bar of the run: from it periods are counted, and what was due before it is not
        made up for. Where a period begins and ends all bars say.
    end_t : int, optional
        The last bar of the run. Of the bars beyond both a calendar need not know anything.

    Raises
    ------
    ConfigError
        The schedule needs a calendar, its hours, or more of it than there is.
    """
    if not isinstance(ranking.every, str):
        return None
    schedule = schedule_of(ranking.every)
    database, has_calendar = prepared.database, prepared.has_calendar
    is_intraday = prepared.is_intraday
    # Daily bars are sessions.
    if schedule.at_end and not has_calendar and (is_intraday or schedule.unit != "session"):
        _refuse_without_calendar(schedule)
    bar_sessions = rows_of("stage.bar_sessions") if has_calendar else read("calendar/bar_dates")
    unit = "day" if schedule.unit == "session" else schedule.unit
    shift = 0
    if unit == "week" and has_calendar:
        shift = database.rows(read("calendar/week"))[0][0]
    values: dict[str, object] = {"unit": unit, "shift": shift}
    of_run: dict[str, object] = {"begin_t": begin_t, "end_t": end_t}
    if schedule.every > 1:
        states = render("calendar/counted", bar_sessions=bar_sessions)
        values |= {"every": schedule.every, "offset": ranking.offset}
    elif schedule.at_end and has_calendar:
        has_hours = is_intraday and _require_hours(schedule, of_run, database)
        _require_covered(schedule, values | of_run, database)
        states = render("calendar/ends", has_hours=str(has_hours).lower())
        values["n"] = schedule.sessions
    else:
        sessions = read("calendar/open_sessions") if has_calendar else bar_sessions
        states = render("calendar/starts", bar_sessions=bar_sessions, sessions=sessions)
        values["n"] = schedule.sessions
    values["begin_t"] = begin_t
    found = database.rows(render("calendar/due", states=states), values)
    return tuple(int(row[0]) for row in found)


def _refuse_without_calendar(schedule: Schedule) -> NoReturn:
    causal = {"session": "'session_open'"}.get(schedule.unit, f"'{schedule.unit}_start'")
    raise ConfigError(
        f"every={schedule.text!r} needs a calendar: that a {schedule.unit} ends with a bar is "
        "known from the bar after it, which is too late; call catalog.calendar('XNYS') with the "
        f"code of the exchange, or catalog.register('calendar', sessions); or decide at "
        f"every={causal}, which the bars show"
    )


def _require_hours(schedule: Schedule, of_run: dict[str, object], database: Database) -> bool:
    """Refuse intraday bars of sessions of which nobody said when they close."""
    missing = database.rows(read("calendar/without_hours"), of_run)
    if missing:
        raise ConfigError(
            f"every={schedule.text!r} on intraday bars decides at the close of a session, and the "
            f"calendar has no closes for {missing[0][0]}; register it with the columns opens and "
            "closes, or decide at a start"
        )
    return True


def _require_covered(schedule: Schedule, values: dict[str, object], database: Database) -> None:
    """Refuse bars in a period whose end the calendar does not know."""
    found = database.rows(read("calendar/uncovered"), values)
    if not found:
        return
    first_bar, last_bar, first, last = found[-1]
    raise ConfigError(
        f"every={schedule.text!r} needs every session of each {schedule.unit}, and the calendar, "
        f"from {first} to {last}, does not have all of the {schedule.unit} of the bars from "
        f"{first_bar} to {last_bar}; register the sessions until its end, a last day without a "
        "session as is_open = false"
    )
