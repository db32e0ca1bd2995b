"""Limited: a query with an end, in rows and in seconds, for who asks on behalf of others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

from ml4t.backtest.data.database import Database, EngineError
from ml4t.backtest.errors import ResultError

# A query that has just begun forgets that it was interrupted: it is told until it ends.
SECONDS_BETWEEN_INTERRUPTS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitedRows:
    """The first rows of a query.

    Attributes
    ----------
    types : tuple of str
        As DuckDB calls them.
    has_more : bool
        There are rows beyond these.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    has_more: bool


def limited_rows(reader: Database, query: str, *, most: int, seconds: float) -> LimitedRows:
    """Return at most `most` rows of a query.

    Raises
    ------
    ResultError
        It took longer than `seconds`, and was stopped.
    """
    with _stopped_after(reader, seconds) as is_late:
        try:
            relation = reader.sql(query)
            # A limit over an ordered query keeps its order: DuckDB makes one Top N of the two.
            rows = relation.limit(most + 1).fetchall()
        except (EngineError, RuntimeError) as error:
            if not is_late.is_set():
                raise
            raise ResultError(
                f"the query took longer than {seconds:g} seconds and was stopped; "
                "ask for less of it, such as one run, or fewer bars"
            ) from error
    return LimitedRows(
        columns=tuple(relation.columns),
        types=tuple(str(kind) for kind in relation.types),
        rows=rows[:most],
        has_more=len(rows) > most,
    )


@contextmanager
def _stopped_after(reader: Database, seconds: float) -> Iterator[Event]:
    """Stop what a session computes inside after a while; the event says whether it came to that."""
    is_done, is_late = Event(), Event()

    def watch() -> None:
        if is_done.wait(seconds):
            return
        is_late.set()
        while not is_done.is_set():
            reader.interrupt()
            is_done.wait(SECONDS_BETWEEN_INTERRUPTS)

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield is_late
    finally:
        is_done.set()
        watcher.join()
