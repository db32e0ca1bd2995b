"""Period: the bars of the sources that are those of a run.

What is before its first bar is known at it: indicators, as-of values and bars before are warm, and
nothing is decided, traded or measured. What is after its last bar is not read.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Final, NamedTuple

import numpy as np

from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.database import EngineError
from ml4t.backtest.data.sql_files import literal, read, render
from ml4t.backtest.errors import ConfigError

DateLike = date | datetime | str | np.datetime64 | None
# A month or a year is no day: which of its days would depend on the side.
TIME_UNITS: Final = ("D", "h", "m", "s", "ms", "us", "ns")


class Period(NamedTuple):
    """Bars of the sources by number, from `first_t` to `last_t`; a run counts them from 0."""

    first_t: int
    last_t: int

    @property
    def n_bars(self) -> int:
        """How many bars it has."""
        return self.last_t - self.first_t + 1

    @property
    def bars(self) -> slice:
        """Its bars, in an array over those of the sources."""
        return slice(self.first_t, self.last_t + 1)


class Bound(NamedTuple):
    """A side of a period as it was said.

    Attributes
    ----------
    name : str
        ``start`` or ``end``.
    text : str
        In ISO 8601.
    is_day : bool
        It has no time of day: all of the day is in the period.
    has_zone : bool
    """

    name: str
    text: str
    is_day: bool = False
    has_zone: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.text}"

    def condition(self, kind: str) -> str:
        """Return the condition on a bar's time, of the type `kind`, by which it is inside."""
        if self.is_day:
            # Midnight in the session's zone; the end of a day is before the next one.
            day = f"{literal(self.text)}::date"
            side = f">= ({day})" if self.name == "start" else f"< ({day} + 1)"
            return f"timestamp {side}::{kind}"
        # A date is compared with a time as its midnight.
        moment = f"{literal(self.text)}::{'timestamp' if kind == 'DATE' else kind}"
        return f"timestamp {'>=' if self.name == 'start' else '<='} {moment}"


def bound_of(name: str, given: DateLike) -> Bound | None:
    """Return a side of a period; None: there is none.

    Raises
    ------
    ConfigError
        It is no date or time.
    """
    if given is None:
        return None
    found: object = given
    if isinstance(given, np.datetime64):
        unit = np.datetime_data(given)[0]
        if not np.isnat(given) and unit in TIME_UNITS:
            text = str(given).replace("T", " ")
            return Bound(name=name, text=text, is_day=unit == "D")
    elif isinstance(given, str):
        found = _read(given.strip())
    # pandas' NaT is a datetime that is not itself.
    if not isinstance(found, date) or found != found:
        raise ConfigError(f"{name} must be a date or a time such as '2020-01-31', was {given!r}")
    if not isinstance(found, datetime):
        return Bound(name=name, text=found.isoformat(), is_day=True)
    return Bound(name=name, text=found.isoformat(sep=" "), has_zone=found.tzinfo is not None)


def _read(text: str) -> date | None:
    for kind in (date, datetime):
        try:
            return kind.fromisoformat(text)
        except ValueError:
            continue
    return None


def find_period(start: Bound | None, end: Bound | None, prepared: Prepared) -> Period:
    """Return the bars from the first at or after `start` to the last at or before `end`.

    Raises
    ------
    ConfigError
        There is no such bar, or one of two clocks has a zone and the other none; the message has
        the first and the last bar of the sources.
    """
    if start is None and end is None:
        return Period(first_t=0, last_t=prepared.n_bars - 1)
    kind = prepared.timestamp_type
    first_bar, last_bar = prepared.database.rows(read("timeline/ends"))[0]
    theirs = f"prices have bars from {first_bar} to {last_bar}"
    for bound in (start, end):
        if bound is not None and not bound.is_day and bound.has_zone != ("ZONE" in kind):
            way = "with one, or a date" if "ZONE" in kind else "without one"
            has = "a zone" if bound.has_zone else "no zone"
            raise ConfigError(f"{bound} has {has}, and {theirs}; give a time {way}")
    conditions = ["true" if bound is None else bound.condition(kind) for bound in (start, end)]
    query = render("timeline/period", starts=conditions[0], ends=conditions[1])
    try:
        first_t, last_t = prepared.database.rows(query)[0]
    except EngineError as error:
        said = " and ".join(str(bound) for bound in (start, end) if bound is not None)
        raise ConfigError(f"{said} cannot be compared with bars; {theirs}") from error
    if first_t is None:
        raise ConfigError(f"{start} is after the last bar; {theirs}")
    if last_t is None:
        raise ConfigError(f"{end} is before the first bar; {theirs}")
    if first_t > last_t:
        raise ConfigError(f"there is no bar from {start} to {end}; {theirs}")
    return Period(first_t=first_t, last_t=last_t)


def count_assets(period: Period, prepared: Prepared) -> int:
    """Return how many assets have a bar in a period."""
    if period.n_bars == prepared.n_bars:
        return prepared.n_assets
    bars = {"first_t": period.first_t, "last_t": period.last_t}
    found: int = prepared.database.rows(read("timeline/traded_assets"), bars)[0][0]
    return found
