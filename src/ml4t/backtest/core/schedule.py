"""Schedule: decision bars in words, such as ``month_end`` or ``3 weeks``, before any is looked up.

Three forms: the start of a period and sessions after it, its end and sessions before it, and every
so many periods. Which bars that are is known from the bars for starts, from a calendar for ends.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from ml4t.backtest.errors import ConfigError, did_you_mean, require_whole

Unit = Literal["session", "week", "month", "quarter", "year"]
UNITS: tuple[Unit, ...] = ("session", "week", "month", "quarter", "year")
# Sessions of each, at the most: further away from its end none is in it.
MOST_SESSIONS = {"session": 0, "week": 6, "month": 30, "quarter": 91, "year": 365}
STARTS: dict[str, Unit] = {"session_open": "session", **{f"{u}_start": u for u in UNITS[1:]}}
ENDS: dict[str, Unit] = {"session_close": "session", **{f"{u}_end": u for u in UNITS[1:]}}
EDGES = (*ENDS, *STARTS)
_EDGE = re.compile(r"([a-z_]+?)\s*(?:([+-])\s*(\d{1,4}))?")
_COUNTED = re.compile(r"(\d{1,4})\s+([a-z]+?)s?")
_HELP = (
    "write a number of bars, or a text such as 'month_end', 'month_end-2' (two sessions before "
    "it), 'week_start', 'month_start+2', 'quarter_end', 'year_end', 'session_close', '3 weeks'"
)


class Schedule(NamedTuple):
    """Which bars decide.

    Attributes
    ----------
    text : str
        As the user wrote it.
    unit : {"session", "week", "month", "quarter", "year"}
    at_end : bool
        Counted from the last session of the period, which a calendar knows in advance.
    sessions : int
        Sessions after the first of the period, or before its last.
    every : int
        Every so many periods, counted from that of the run's first bar.
    """

    text: str
    unit: Unit
    at_end: bool
    sessions: int = 0
    every: int = 1


def schedule_of(text: str) -> Schedule:
    """Read a schedule in words.

    Raises
    ------
    ConfigError
        It is none; the message shows what can be written.
    """
    words = text.strip().lower()
    counted = _COUNTED.fullmatch(words)
    if counted is not None:
        return _counted(text, int(counted[1]), counted[2])
    edge = _EDGE.fullmatch(words)
    name = words if edge is None else edge[1]
    if edge is None or name not in EDGES:
        raise ConfigError(f"every was {text!r}{did_you_mean(name, EDGES)}; {_HELP}")
    at_end = name in ENDS
    unit = (ENDS if at_end else STARTS)[name]
    sign, n = edge[2], int(edge[3] or 0)
    if sign is not None and sign != ("-" if at_end else "+"):
        way = f"{name}-{n}" if at_end else f"{name}+{n}"
        raise ConfigError(
            f"every was {text!r}: sessions are counted back from an end and on from a start; "
            f"write '{way}'"
        )
    if n > MOST_SESSIONS[unit]:
        raise ConfigError(
            f"every was {text!r}: no {unit} has {n + 1} sessions, at most "
            f"{MOST_SESSIONS[unit]} can stand behind '{name}'"
        )
    return Schedule(text=text, unit=unit, at_end=at_end, sessions=n)


def require_every(every: object, offset: object) -> tuple[int | str, int]:
    """Return how often a strategy decides, as it is kept: a number of bars, or words.

    Raises
    ------
    ConfigError
        One of the two is outside what it may be.
    """
    if isinstance(every, str):
        schedule = schedule_of(every)
        if schedule.every == 1 and offset != 0:
            raise ConfigError(
                f"offset must be 0 with every={every!r}, was {offset!r}; count sessions in the "
                "words, such as 'month_end-2' or 'month_start+2'"
            )
        return every, require_whole("offset", offset, least=0, most=schedule.every - 1)
    bars = require_whole("every", every, least=1)
    return bars, require_whole("offset", offset, least=0, most=bars - 1)


def _counted(text: str, n: int, unit: str) -> Schedule:
    for known in UNITS[1:]:
        if unit == known and n > 0:
            return Schedule(text=text, unit=known, at_end=False, every=n)
    why = "counts from 1" if n == 0 else "counts weeks, months, quarters or years"
    raise ConfigError(f"every was {text!r}, which {why}; {_HELP}")
