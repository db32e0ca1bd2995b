"""Lengths: how long a part of a fold is, in bars, sessions, time that passes or calendar words."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.errors import ConfigError, require_whole

Days = NDArray[np.datetime64]
SizeUnit = Literal["bar", "session", "microsecond", "day", "week", "month", "quarter", "year"]
# Words of a calendar that begin at a date of their own, each with the months that it has.
MONTHS_OF = {"month": 1, "quarter": 3, "year": 12}
PERIODS = ("week", *MONTHS_OF)
DATED = ("day", *PERIODS)
_PASSING = {"second": 1, "minute": 60, "hour": 3_600}
_WORDS = re.compile(r"(\d{1,7})\s+([a-z]+?)s?")
_HELP = (
    "write a number of bars, a text such as '20 sessions', '10 days', '26 weeks', '6 months', "
    "'2 years' or '90 minutes', or a timedelta"
)


class Length(NamedTuple):
    """How long something is.

    Attributes
    ----------
    n : int
        How many of `unit`.
    unit : str
        Of bars and sessions those that are there are counted; days and what is longer are dates of
        the calendar, ``microsecond`` is time that passes.
    text : str
        As the user wrote it.
    """

    n: int
    unit: SizeUnit
    text: str

    def times(self, n: int) -> Length:
        """Return it `n` times."""
        return self._replace(n=self.n * n)


def length_of(name: str, given: object, *, least: int = 0) -> Length:
    """Read a length; `least` is the smallest that it may be, in its own unit.

    Raises
    ------
    ConfigError
        It is none, or too small; the message shows what can be written.
    """
    if isinstance(given, timedelta):
        micros = given // timedelta(microseconds=1)
        if micros < least:
            raise ConfigError(f"{name} must not be negative or nothing, was {given!r}")
        return Length(micros, "microsecond", str(given))
    if not isinstance(given, str):
        n = require_whole(name, given, least=least)
        return Length(n, "bar", f"{n} {'bar' if n == 1 else 'bars'}")
    found = _WORDS.fullmatch(given.strip().lower())
    if found is None:
        raise ConfigError(f"{name} was {given!r}; {_HELP}")
    n = int(found[1])
    if n < least:
        raise ConfigError(f"{name} was {given!r}, and counts from {least}; {_HELP}")
    if found[2] in _PASSING:
        return Length(n * _PASSING[found[2]] * 1_000_000, "microsecond", given)
    for unit in ("bar", "session", "day", "week", "month", "quarter", "year"):
        if found[2] == unit:
            return Length(n, unit, given)
    raise ConfigError(f"{name} was {given!r}, of no unit that is known; {_HELP}")


def shifted(days: Days, length: Length, sign: int = 1) -> Days:
    """Return dates some calendar days, weeks, months, quarters or years on (`sign` -1: back).

    A month later is the same day of the month, or its last where it is shorter.
    """
    n = sign * length.n
    if length.unit not in MONTHS_OF:
        return days + np.timedelta64(n * (7 if length.unit == "week" else 1), "D")
    months = days.astype("datetime64[M]")
    target = months + np.timedelta64(n * MONTHS_OF[length.unit], "M")
    last = (target + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
    same: Days = target.astype("datetime64[D]") + (days - months.astype("datetime64[D]"))
    return np.minimum(same, last)


def period_starts(unit: str, first: np.datetime64, last: np.datetime64, week: int) -> Days:
    """Return the first dates of all periods from that of `first` to that of `last`.

    Parameters
    ----------
    week : int
        Days by which a week begins before its Monday: 1 where it begins on Sunday.
    """
    if unit == "week":
        # 1970-01-01 was a Thursday.
        since = (first.astype(np.int64) + 3 + week) % 7
        return np.arange(first - since, last + 1, 7)
    step = MONTHS_OF[unit]
    begin = first.astype("datetime64[M]").astype(np.int64) // step * step
    end = last.astype("datetime64[M]").astype(np.int64)
    months: Days = np.arange(begin, end + 1, step).astype("datetime64[M]")
    return months.astype("datetime64[D]")
