"""Delays: rows of a source that become known at another time than they say, for audits.

A delay is a text: so many bars, an interval, or one of two that take the rows as they stand today.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.contracts import require_interval
from ml4t.backtest.data.sql_files import (
    Sql,
    columns,
    first_bars,
    literal,
    quote,
    read,
    render,
    rows_of,
)
from ml4t.backtest.errors import ConfigError

# The last revision of every period, known since its first, or since the period itself.
AS_KNOWN_NOW = "as known now"
AT_ITS_PERIOD = "as known now, at its period"
_BARS = re.compile(r"([1-9][0-9]*) bars?")


class DelayedClock(NamedTuple):
    """How the rows of a delayed source say when they are known.

    Attributes
    ----------
    relation : str
        The rows.
    available : str
        Since when each is known.
    told : str
        Since when it says itself: of rows that are known at once the last that was told counts.
    """

    relation: str
    available: str
    told: str


def require_delay(delay: str, database: Database) -> None:
    """Refuse what is neither a number of bars nor an interval of fixed length.

    Raises
    ------
    ConfigError
    """
    if isinstance(delay, str) and _BARS.fullmatch(delay):
        return
    require_interval("a delay that is no number of bars, such as '1 bar',", delay, database)
    if has_months(delay, database):
        raise ConfigError(
            f"a delay in months has no length of its own, was {delay!r}; count bars or days"
        )


def has_months(interval: str, database: Database) -> bool:
    """Say whether an interval is counted in months, so that two times may become one."""
    return bool(database.rows(read("signals/lag_months"), {"lag": interval})[0][0])


def delayed(
    relation: str, clock: str, delay: str, names: Sequence[str], *, period: str = "timestamp"
) -> DelayedClock:
    """Return the rows of a source with another clock.

    Parameters
    ----------
    relation : str
        ``(asset_id, period, names...)``, with what `clock` reads.
    clock : str
        Since when a row says that it is known.
    names : sequence of str
        Columns to keep.
    """
    kept = columns(dict.fromkeys((period, *names)))
    if delay in (AS_KNOWN_NOW, AT_ITS_PERIOD):
        first = f"min(available_at) over (partition by asset_id, {quote(period)})"
        known_from = first if delay == AS_KNOWN_NOW else quote(period)
        rows = render(
            "signals/known_now", source=relation, columns=kept, period=quote(period),
            known_from=known_from,
        )  # fmt: skip
        return DelayedClock(f"({rows})", "available_at", "available_at")
    if (bars := _BARS.fullmatch(delay)) is None:
        return DelayedClock(relation, later(clock, delay), clock)
    items = f"asset_id, {kept}, {clock} as available_at, {clock} as __told"
    rows = later_bars(f"({rows_of(relation, items)})", "available_at", int(bars[1]))
    return DelayedClock(f"({rows})", "available_at", "__told")


def moved(relation: str, times: Sequence[str], delay: str) -> Sql:
    """Return rows with some of their own times later by bars or an interval."""
    if (bars := _BARS.fullmatch(delay)) is None:
        items = ", ".join(f"{later(time, delay)} as {quote(time)}" for time in times)
        return rows_of(relation, f"* replace ({items})")
    query = rows_of(relation)
    for time in times:
        query = later_bars(f"({query})", time, int(bars[1]))
    return query


def later(time: str, interval: str) -> str:
    """Return a time that is later by an interval, in SQL."""
    return f"{time} + {literal(interval)}::interval"


def later_bars(relation: str, time: str, n_bars: int) -> Sql:
    """Return rows with a time later by bars; NULL where there are no more."""
    return render(
        "signals/later_bars", source=relation, time=quote(time), n_bars=str(n_bars),
        first_bars=first_bars(f"{relation} as moved", f"moved.{quote(time)}"),
    )  # fmt: skip
