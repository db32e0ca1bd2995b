"""Stamps: bars that are stamped at their open become bars that are stamped at their end.

A bar's timestamp is the time at which it is complete: by it other sources are joined, and a
decision at it sees the whole bar. One that is stamped at its open would be seen a bar too early.
"""

from __future__ import annotations

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import Sql, count_of, literal, quote, render, rows_of
from ml4t.backtest.errors import ConfigError, DataError

HALF_DAY = 12 * 3_600 * 1_000_000


def require_stamp(role: str, stamp: object) -> bool:
    """Say whether timestamps are those of the opens of bars.

    Raises
    ------
    ConfigError
        `stamp` is neither, or the source has no bars.
    """
    if not isinstance(stamp, str) or stamp not in ("close", "open"):
        raise ConfigError(f"stamp must be 'close' or 'open', was {stamp!r}")
    if stamp == "open" and role != "prices":
        raise ConfigError(
            f"stamp is for bars, {role} have none; what was computed from a bar and is stamped at "
            "its open is known a bar later: pass lag='5 minutes' for bars of 5 minutes"
        )
    return stamp == "open"


def moved_to_end(source: Source, kind: str, database: Database) -> Source:
    """Return prices that are stamped at their open as such that are moved to their end.

    Raises
    ------
    DataError
        They do not say how long a bar is.
    """
    relation = f"main.{quote(source.name)}"
    length = bar_length(kind, relation, database)
    n_rows = database.rows(count_of(rows_of(relation)))[0][0]
    text = f"timestamp: bars of {length} stamped at their open, moved to their end"
    return source._replace(stamp_shift=length, changes=(*source.changes, Change(text, n_rows)))


def at_end(select: str, length: str, database: Database) -> Sql:
    """Return the query of prices whose bars end where those of another query begin."""
    kind = database.schema(select)["timestamp"]
    return render("register/moved", rows=select, length=literal(length), kind=kind)


def bar_length(kind: str, relation: str, database: Database) -> str:
    """Return how long the bars of prices are, as an interval.

    Raises
    ------
    DataError
        They are daily, of unequal length, or there is but one.
    """
    if kind == "DATE":
        _refuse_daily()
    found = database.rows(render("register/bar_length", source=relation))
    length, n_uneven, shown = found[0] if found else (None, 0, "")
    if length is None:
        raise DataError(
            "prices", "stamp", "has bars at one time only, which does not say how long a bar is; "
            "store the end of each bar as timestamp",
        )  # fmt: skip
    if length >= HALF_DAY:
        _refuse_daily()
    if n_uneven:
        raise DataError(
            "prices", "stamp", f"has bars of unequal length: times within a day that are no "
            f"multiple of {shown} apart, the least; store the end of each bar as timestamp",
            n_rows=n_uneven,
        )  # fmt: skip
    return str(shown)


def _refuse_daily() -> None:
    raise DataError(
        "prices", "stamp", "has daily bars, whose date names the session that they are of: they "
        "are complete at its close, and what is known on that day is joined to them; leave out "
        "stamp='open'",
    )  # fmt: skip
