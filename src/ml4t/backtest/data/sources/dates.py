"""Dates: times that a source holds as text, and by which one rule they are read.

Text of the strict ISO form is read as the date or time that it says, and said in `describe`. All
other text may be several dates, 01/02/2024 the second of January or the first of February: the
source is refused with the argument to write.
"""

from __future__ import annotations

from collections.abc import Mapping

from ml4t.backtest.data.database import Database, EngineError
from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sources.text_items import parsed_time
from ml4t.backtest.data.sql_files import literal, quote, render
from ml4t.backtest.errors import ConfigError, DataError

# Kinds of columns whose values a format may say; a whole number such as 20240102 too.
_WRITTEN = ("VARCHAR", "ENUM", "INTEGER", "BIGINT", "UINTEGER", "UBIGINT")
_TEXTS = ("VARCHAR", "ENUM")
_ISO = {"DATE": "date", "TIMESTAMP": "time", "TIMESTAMP WITH TIME ZONE": "time with an offset"}
# Of strptime's directives those of a time of day.
_TIME_OF_DAY = ("%H", "%I", "%M", "%S", "%f", "%T", "%X", "%c", "%n", "%g", "%-H", "%-I", "%-M",
                "%-S")  # fmt: skip


def require_date_format(date_format: object) -> None:
    """Refuse what is no format of a date.

    Raises
    ------
    ConfigError
    """
    if date_format is not None and (not isinstance(date_format, str) or "%" not in date_format):
        raise ConfigError(f"date_format must be a format such as '%d/%m/%Y', was {date_format!r}")


def time_texts(
    source: Source, found: Mapping[str, str], database: Database
) -> tuple[dict[str, str], tuple[Change, ...]]:
    """Return how the times of a source that are text are read, by column, and what that changes.

    Parameters
    ----------
    source : Source
        Attached, with its columns by our names.
    found : mapping
        Columns of ``raw.<name>``, with types.

    Raises
    ------
    DataError
        A text is no ISO date, or has not the format that is given.
    """
    by_lower = {name.lower(): name for name in found}
    items: dict[str, str] = {}
    changes: list[Change] = []
    for ours in dict.fromkeys((*source.spec.times, "available_at")):
        spelled = source.columns.get(ours, ours)
        if ours == "available_at":
            spelled = source.available_at or ""
        column = by_lower.get(spelled.lower())
        if column is None:
            continue
        if source.date_format is not None and found[column].startswith(_WRITTEN):
            items[column], change = _by_format(source, column, source.date_format, database)
        elif found[column].startswith(_TEXTS):
            if ours in source.spec.open_times and _is_empty(source, column, database):
                items[column] = f"{quote(column)}::date"
                continue
            items[column], change = _by_iso(source, column, database)
        else:
            continue
        changes.append(change)
    if source.date_format is not None and not items:
        raise DataError(
            source.name, "types", "has dates and times that are no text already; leave "
            f"date_format={source.date_format!r} out",
        )  # fmt: skip
    return items, tuple(changes)


def _is_empty(source: Source, column: str, database: Database) -> bool:
    """Say whether a column has no text at all, as an end that is known of nobody yet."""
    query = render("register/time_texts", source=f"raw.{quote(source.name)}", item=quote(column))
    n_texts: int = database.rows(query)[0][0]
    return n_texts == 0


def _by_iso(source: Source, column: str, database: Database) -> tuple[str, Change]:
    query = render("register/time_texts", source=f"raw.{quote(source.name)}", item=quote(column))
    n_texts, n_dates, n_times, n_zoned, other, lowest = database.rows(query)[0]
    kinds = dict(zip(_ISO, (n_dates, n_times, n_zoned), strict=True))
    for kind, n_rows in kinds.items():
        if n_rows == n_texts and n_texts:
            what = f"{column}: text in ISO form, read as {kind}"
            return f"{quote(column)}::varchar::{kind}", Change(what, n_rows)
    if other is None and n_texts:
        there = " and of a ".join(_ISO[kind] for kind, n_rows in kinds.items() if n_rows)
        fact = f"with texts of a {there} in one; write all of them alike"
    else:
        shown = "" if other is None else f" ({(other or lowest)!r} is no ISO date)"
        fact = (
            f"it must be a DATE or TIMESTAMP{shown}; say how it is written, such as "
            "date_format='%d/%m/%Y', or cast it before you register the source"
        )
    ours = next((name for name, theirs in source.columns.items() if theirs == column), None)
    column = f"'{column}'" if ours is None else f"'{column}' (for {ours})"
    raise DataError(source.name, "types", f"has column {column} of type VARCHAR; {fact}")


def _by_format(
    source: Source, column: str, date_format: str, database: Database
) -> tuple[str, Change]:
    query = render(
        "register/unread_texts", source=f"raw.{quote(source.name)}", item=quote(column),
        format=literal(date_format),
    )  # fmt: skip
    try:
        n_texts, n_unread, other = database.rows(query)[0]
    except EngineError as error:
        first = str(error).splitlines()[0]
        raise ConfigError(f"date_format {date_format!r} cannot be used: {first}") from error
    if n_unread:
        raise DataError(
            source.name, "types", f"has column '{column}' with {other!r}, which is not written as "
            f"date_format={date_format!r} says",
            n_rows=n_unread,
        )  # fmt: skip
    has_time = any(part in date_format for part in _TIME_OF_DAY)
    what = f"{column}: read as {date_format}"
    return parsed_time(quote(column), date_format, has_time=has_time), Change(what, n_texts)
