"""Exchange: the sessions of an exchange by its code, from `exchange_calendars`, with corrections.

1. The package is asked for the years of the bars, as far as it knows them.
2. `corrections.csv` puts right what it is known to have wrong, and says which closures nobody
   could know in advance.
"""

from __future__ import annotations

import csv
import warnings
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

CORRECTIONS = Path(__file__).with_name("corrections.csv")
EXTRA = (
    "a calendar by its code needs exchange_calendars; pip install "
    "'ml4t-backtest-duckdb[calendars]', or register a table of sessions with "
    "catalog.register('calendar', sessions)"
)
# is_open, opens, closes, known_at
SessionRow = tuple[bool, datetime | None, datetime | None, date | None]
# So that the weeks of the first and the last day are whole.
WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """One session that a calendar has wrong, as `corrections.csv` says it.

    Attributes
    ----------
    session : date
    is_open : bool
        False: what would be a session was none.
    opens, closes : datetime or None
        The exchange's own time; None: as the calendar has it.
    known_at : date or None
        From when it was known; None: in advance.
    source : str
        What happened, and which package has it otherwise.
    """

    session: date
    is_open: bool
    opens: datetime | None
    closes: datetime | None
    known_at: date | None
    source: str


@cache
def corrections_of(code: str) -> tuple[Correction, ...]:
    """Return our corrections of a calendar, in the order of its sessions."""
    with CORRECTIONS.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["calendar"] == code]
    return tuple(
        Correction(
            session=date.fromisoformat(row["session"]),
            is_open=row["is_open"] == "true",
            opens=datetime.fromisoformat(row["opens"]) if row["opens"] else None,
            closes=datetime.fromisoformat(row["closes"]) if row["closes"] else None,
            known_at=date.fromisoformat(row["known_at"]) if row["known_at"] else None,
            source=row["source"],
        )
        for row in rows
    )


def exchange_sessions(
    code: str, first: date, last: date, *, has_zone: bool
) -> tuple[pa.Table, tuple[Change, ...]]:
    """Return the sessions of the years of the bars, and what was put right.

    Parameters
    ----------
    code : str
        Such as ``"XNYS"``; aliases of `exchange_calendars` too.
    first, last : date
        Of the bars.
    has_zone : bool
        Opens and closes are moments (UTC), as the bars are; else in the exchange's own time.

    Raises
    ------
    ConfigError
        The package is not installed, knows no such code, or cannot make its calendar.
    """
    calendar, code = _calendar(code, first, last)
    zone = ZoneInfo(str(calendar.tz))
    hours = calendar.schedule
    known = {
        day.date(): (_local(opens, zone), _local(closes, zone))
        for day, opens, closes in zip(hours.index, hours["open"], hours["close"], strict=True)
    }
    begins, ends = min(known), max(known)
    changes = [Change(f"sessions of {code} as exchange_calendars {_version()} has them")]
    if begins > first + WEEK or ends < last - WEEK:
        changes.append(Change(f"{code} is known from {begins} to {ends}, not for every bar"))
    rows: dict[date, SessionRow] = {day: (True, *both, None) for day, both in known.items()}
    n_unforeseen = 0
    for one in corrections_of(code):
        if not begins <= one.session <= ends:
            continue
        rows[one.session] = (one.is_open, one.opens, one.closes, one.known_at)
        n_unforeseen += not one.is_open
        was_open = one.session in known
        if one.is_open != was_open or (was_open and known[one.session] != (one.opens, one.closes)):
            word = "open" if one.is_open else "closed"
            changes.append(Change(f"{one.session} corrected to {word}: {one.source}", 1))
    if n_unforeseen:
        changes.append(Change("closures that were not known in advance, with when", n_unforeseen))
    for day in (_span(first, last)[0], _span(first, last)[1]):
        # Up to where the calendar speaks: that there is no session is something it knows.
        if _is_covered(calendar, day):
            rows.setdefault(day, (False, None, None, None))
    return _table(dict(sorted(rows.items())), zone if has_zone else None), tuple(changes)


def _span(first: date, last: date) -> tuple[date, date]:
    """Return the years of the bars, with the weeks that their ends are in."""
    return date(first.year, 1, 1) - WEEK, date(last.year, 12, 31) + WEEK


def _calendar(code: str, first: date, last: date) -> tuple[Any, str]:
    """Return the package's calendar of the years of the bars, and its own code."""
    if not isinstance(code, str):
        raise ConfigError(
            f"calendar takes the code of an exchange, such as 'XNYS', was a "
            f"{type(code).__name__}; register a table of sessions with "
            "catalog.register('calendar', table)"
        )
    try:
        import exchange_calendars
    except ModuleNotFoundError as error:
        raise ConfigError(EXTRA) from error
    names = exchange_calendars.get_calendar_names()
    if code not in names:
        raise ConfigError(
            f"exchange_calendars has no calendar {code!r}{_near(code, names)}; its codes are those "
            "of ISO 10383, such as 'XNYS'; register a table of sessions with "
            "catalog.register('calendar', table)"
        )
    code = str(exchange_calendars.resolve_alias(code))
    start, end = _span(first, last)
    try:
        try:
            return _made(code, start=start, end=end), code
        except ValueError:
            # Some are recorded for some years only.
            least, most = (_bound(code, side) for side in ("bound_min", "bound_max"))
            start, end = max(start, least or start), min(end, most or end)
            return _made(code, start=start, end=end), code
    except ValueError as error:
        raise ConfigError(
            f"exchange_calendars cannot make the calendar {code!r} from {start} to {end}: "
            f"{str(error).splitlines()[0][:120]}; register a table of sessions with "
            "catalog.register('calendar', table)"
        ) from error


def _made(code: str, **limits: date) -> Any:
    """Return a calendar of the package."""
    import exchange_calendars

    with warnings.catch_warnings():
        # exchange_calendars 4.13.2 uses what pandas 3.1 deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        return exchange_calendars.get_calendar(code, **limits)


def _bound(code: str, side: str) -> date | None:
    """Return the first or the last day that the package can say of a calendar."""
    found = getattr(_made(code), side)()
    return None if found is None else found.date()


def _near(code: str, names: list[str]) -> str:
    """Suggest a code; all of them would fill a page."""
    hint = did_you_mean(code, names)
    return hint if "did you mean" in hint else ""


def _is_covered(calendar: Any, day: date) -> bool:
    """Say whether the package speaks of a day."""
    least, most = calendar.bound_min(), calendar.bound_max()
    return (least is None or least.date() <= day) and (most is None or day <= most.date())


def _version() -> str:
    from importlib.metadata import version

    return version("exchange_calendars")


def _local(moment: Any, zone: ZoneInfo) -> datetime | None:
    """Return a moment (UTC) in the exchange's own time; NaT is none."""
    if moment != moment:
        return None
    local: datetime = moment.to_pydatetime().astimezone(zone).replace(tzinfo=None)
    return local


def _table(rows: dict[date, SessionRow], zone: ZoneInfo | None) -> pa.Table:
    """Return the rows of the role; with the exchange's zone opens and closes are moments."""
    import pyarrow as pa

    def times(local: list[datetime | None]) -> pa.Array:
        if zone is None:
            return pa.array(local, pa.timestamp("us"))
        found = [time and time.replace(tzinfo=zone) for time in local]
        return pa.array(found, pa.timestamp("us", "UTC"))

    return pa.table(
        {
            "session": pa.array(list(rows), pa.date32()),
            "is_open": pa.array([row[0] for row in rows.values()], pa.bool_()),
            "opens": times([row[1] for row in rows.values()]),
            "closes": times([row[2] for row in rows.values()]),
            "known_at": pa.array([row[3] for row in rows.values()], pa.date32()),
        }
    )
