"""Timeline: the bars that folds are cut from, one per timestamp, and how far a length reaches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.axes import EPOCH
from ml4t.backtest.core.batch import Ints
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.sql_files import read, render, rows_of
from ml4t.backtest.data.stream.period import Period
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.sweep.lengths import DATED, Days, Length, period_starts, shifted
from ml4t.backtest.sweep.times import Times, read_times

# Days that a period may lack at either side and count as whole: a holiday and a weekend.
SLACK = {"day": 3, "week": 3, "month": 7, "quarter": 7, "year": 7}
Time = date | datetime | np.datetime64


class Border(NamedTuple):
    """A place between two bars.

    Attributes
    ----------
    t : int
        The first bar at or after it; the number of bars where there is none.
    day : datetime64[D]
        Its date, from which calendar words count.
    tick : int
        Its moment, from which time that passes counts.
    """

    t: int
    day: np.datetime64
    tick: int


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The bars in order of time.

    Attributes
    ----------
    times : Times
        Strictly ascending.
    sessions : datetime64[D] array
        The date of each bar's session.
    first_t : int
        Number of the first bar in what the bars are a part of.
    """

    times: Times
    sessions: Days
    first_t: int = 0

    @property
    def n_bars(self) -> int:
        """How many bars there are."""
        return len(self.sessions)

    @property
    def ticks(self) -> Ints:
        """Each bar's time since 1970, in the unit of `times`."""
        return self.times.ticks

    def within(self, period: Period) -> Timeline:
        """Return the bars of a period."""
        return Timeline(
            times=self.times.at(period.bars), sessions=self.sessions[period.bars],
            first_t=self.first_t + period.first_t,
        )  # fmt: skip

    def time(self, t: int) -> Time:
        """Return a bar's time, as a run takes it for its ``start`` and ``end``."""
        tick = self.ticks.item(t)
        if self.times.kind == "DATE":
            return (EPOCH + timedelta(microseconds=tick)).date()
        if self.times.per_microsecond > 1:  # Python's own times have no nanoseconds
            return np.datetime64(tick, "ns")
        moment = EPOCH + timedelta(microseconds=tick)
        return moment.replace(tzinfo=UTC) if "ZONE" in self.times.kind else moment

    def reach(self, length: Length) -> Ints:
        """Return the last bar that lies within a length after each bar; at most the last of all."""
        bars = np.arange(self.n_bars)
        if length.unit == "bar" or not length.n:
            found = bars + length.n
        elif length.unit == "session":
            found = self._stops[np.minimum(self._number + length.n, len(self._starts) - 1)] - 1
        elif length.unit == "microsecond":
            found = self.last_at(self.ticks + self._span(length))
        else:
            found = np.searchsorted(self.sessions, shifted(self.sessions, length), "right") - 1
        return np.minimum(found, self.n_bars - 1)

    def last_at(self, ticks: Ints) -> Ints:
        """Return the last bar at or before each moment."""
        return np.searchsorted(self.ticks, ticks, "right") - 1

    # -- borders ----------------------------------------------------------------------

    def at(self, t: int) -> Border:
        """Return the border before a bar."""
        if t < self.n_bars:
            return Border(t, self.sessions[t], self.ticks.item(t))
        return Border(self.n_bars, self.sessions[-1] + 1, self.ticks.item(-1) + 1)

    def on_day(self, day: np.datetime64) -> Border:
        """Return the border at the begin of a date."""
        here = self.at(int(np.searchsorted(self.sessions, day)))
        return here._replace(day=day)

    def on(self, border: Border, length: Length) -> Border:
        """Return the border a length after another."""
        if length.unit == "bar":
            return self.at(border.t + length.n)
        if length.unit == "session":
            number = self._session_of(border) + length.n
            return self.at(int(self._starts[number]) if number < len(self._starts) else self.n_bars)
        if length.unit == "microsecond":
            tick = border.tick + self._span(length)
            return self.at(int(np.searchsorted(self.ticks, tick)))._replace(tick=tick)
        return self.on_day(_shifted(border.day, length))

    def back(self, border: Border, length: Length) -> int:
        """Return the first bar of a length before a border."""
        if length.unit == "bar":
            return max(border.t - length.n, 0)
        if length.unit == "session":
            return int(self._starts[max(self._session_of(border) - length.n, 0)])
        if length.unit == "microsecond":
            return int(np.searchsorted(self.ticks, border.tick - self._span(length)))
        return int(np.searchsorted(self.sessions, _shifted(border.day, length, -1)))

    def has_before(self, border: Border, length: Length) -> bool:
        """Say whether the bars go back a whole length before a border."""
        if length.unit == "bar":
            return border.t >= length.n
        if length.unit == "session":
            return self._session_of(border) >= length.n
        if length.unit == "microsecond":
            return self.ticks.item(0) <= border.tick - self._span(length)
        missing = self.sessions[0] - _shifted(border.day, length, -1)
        return bool(missing <= SLACK[length.unit])

    def has_after(self, border: Border, length: Length) -> bool:
        """Say whether the bars go on for a whole length after a border."""
        if length.unit == "bar":
            return border.t + length.n <= self.n_bars
        if length.unit == "session":
            return self._session_of(border) + length.n <= len(self._starts)
        if length.unit == "microsecond":
            # The last bar stands for the time up to where the next would be.
            usual = int(np.median(np.diff(self.ticks))) if self.n_bars > 1 else 0
            return self.ticks.item(-1) + usual >= border.tick + self._span(length)
        missing = _shifted(border.day, length) - 1 - self.sessions[-1]
        return bool(missing <= SLACK[length.unit])

    def session_start(self, border: Border) -> Border:
        """Return the border, or that of the next session where it is inside of one."""
        number = self._session_of(border)
        if number == len(self._starts) or self._starts[number] == border.t:
            return border
        number += 1
        return self.at(int(self._starts[number]) if number < len(self._starts) else self.n_bars)

    def period_starts(self, unit: str) -> Days:
        """Return the first dates of the weeks, months, quarters or years of the bars."""
        weekdays = set(((self.sessions.astype(np.int64) + 3) % 7).tolist())
        # As schedules have it: a week begins on Sunday where there are no Saturdays.
        begins_on_sunday = 6 in weekdays and 5 not in weekdays
        return period_starts(unit, self.sessions[0], self.sessions[-1], int(begins_on_sunday))

    # -- sessions ---------------------------------------------------------------------

    @cached_property
    def _starts(self) -> Ints:
        """The first bar of each session."""
        is_first = np.diff(self.sessions, prepend=self.sessions[0] - 1) > np.timedelta64(0)
        return is_first.nonzero()[0]

    @cached_property
    def _stops(self) -> Ints:
        """The bar behind the last of each session."""
        return np.append(self._starts[1:], self.n_bars)

    @cached_property
    def _number(self) -> Ints:
        """The number of each bar's session."""
        return np.searchsorted(self._starts, np.arange(self.n_bars), "right") - 1

    def _session_of(self, border: Border) -> int:
        return int(self._number[border.t]) if border.t < self.n_bars else len(self._starts)

    def _span(self, length: Length) -> int:
        return length.n * self.times.per_microsecond


def timeline_of(bars: object, sessions: object = None) -> Timeline:
    """Return the timeline of a catalog, or of timestamps in ascending order.

    Parameters
    ----------
    bars : Catalog, Timeline, or array, list, Series or Arrow array of dates or times
    sessions : array of dates, optional
        The session of each bar; by default its date, in the zone of the timestamps where they have
        one. Those of a catalog are its calendar's, or dates in its zone.

    Raises
    ------
    ConfigError
        There are no bars, they are not in order or a timestamp is there twice.
    """
    if isinstance(bars, Timeline):
        return bars
    if isinstance(bars, Catalog):
        return _of_catalog(bars)
    times = read_times("timestamps", bars)
    if not len(times.ticks):
        raise ConfigError("timestamps are empty; folds are cut from the times of bars")
    steps = np.diff(times.ticks)
    if len(places := (steps <= 0).nonzero()[0]):
        at = int(places[0])
        here, before = times.text(at + 1), times.text(at)
        if here == before:
            raise ConfigError(
                f"timestamps have {here} twice, at places {at} and {at + 1}; folds are cut from "
                "bars, one per timestamp: give np.unique(timestamps), or the rows of a panel to "
                "split(X, groups=timestamps)"
            )
        raise ConfigError(
            f"timestamps are not ascending: {here} at place {at + 1} follows {before}; sort them"
        )
    days = times.days if sessions is None else read_times("sessions", sessions).days
    if len(days) != len(times.ticks):
        raise ConfigError(
            f"sessions must be one per timestamp: {len(days):,} of {len(times.ticks):,} were given"
        )
    if (np.diff(days) < np.timedelta64(0)).any():
        raise ConfigError("sessions must not go back in time; give the date of each bar's session")
    return Timeline(times=times, sessions=days)


def _of_catalog(catalog: Catalog) -> Timeline:
    prepared, axes = catalog.prepare(), catalog.axes()
    if not prepared.n_bars:
        raise ConfigError("the prices of the catalog have no rows; there is nothing to cut")
    of = rows_of("stage.bar_sessions") if prepared.has_calendar else read("calendar/bar_dates")
    found = prepared.database.numpy(render("sweep/sessions", bar_sessions=of))
    days = found["session"].astype("datetime64[D]")
    unit = 1_000 if axes.timestamp_type == "TIMESTAMP_NS" else 1
    kind = axes.timestamp_type
    times = Times(ticks=axes.timestamps, kind=kind, per_microsecond=unit, days=days)
    return Timeline(times=times, sessions=days)


def _shifted(day: np.datetime64, length: Length, sign: int = 1) -> np.datetime64:
    assert length.unit in DATED
    moved: np.datetime64 = shifted(np.array([day]), length, sign)[0]
    return moved
