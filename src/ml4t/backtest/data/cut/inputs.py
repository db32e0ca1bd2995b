"""Inputs: what a query reads beside the sources of its catalog, without the rows of later times.

DuckDB's own parser says where files stand in the text. Each is put into brackets there, with the
condition that its rows are of the bar or earlier, and all else stays as it was written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.cut.places import ReadPlace, places_in, taken_apart, with_others
from ml4t.backtest.data.database import Database, EngineError
from ml4t.backtest.data.sources.naming import AVAILABLE_AT, USUAL, key_of
from ml4t.backtest.data.sql_files import Sql, quote, rows_of

# Functions of which no rows can be left out from without, and why.
_WHOLE = {
    "query": "its text is SQL by itself, which is not taken apart",
    "read_text": "its times are those of files, and not of what they hold",
    "read_blob": "its times are those of files, and not of what they hold",
}
# Columns that a file has where they are named, and that ``*`` leaves out.
_UNLISTED = ("filename", "file_row_number", "file_index")
_TIMES = ("DATE", "TIMESTAMP")


class Input(NamedTuple):
    """What a query reads, and how it was cut.

    Attributes
    ----------
    text : str
        As it stands in the query.
    clock : str
        Column whose later rows are left out, ``::date`` where rows of the day of the bar stay;
        empty: there is none.
    why : str
        Why nothing of it was left out; empty where something was.
    """

    text: str
    clock: str
    why: str = ""


# Returns the query of items of a relation, given its columns with their types and the expression
# of its time, as they were known at a bar.
RowsUntil = Callable[[str, Mapping[str, str], str, str], Sql]
# Returns the query of all rows of a relation.
WholeRows = Callable[[str], Sql]


class CutQuery(NamedTuple):
    """A query over what was known at a bar, and what was cut for it."""

    text: str
    inputs: tuple[Input, ...]


def up_to(bar: CutBar) -> RowsUntil:
    """Return what leaves out the rows of later times."""
    return lambda relation, _, time, items: rows_of(relation, items, where=bar.keeps(time))


def cut_query(
    query: str,
    bar: CutBar,
    names: Collection[str],
    database: Database,
    until: RowsUntil | None = None,
    whole: WholeRows | None = None,
) -> CutQuery:
    """Return a query with its files cut at a bar.

    Parameters
    ----------
    query : str
    names : collection of str
        Of the sources and views of the catalog, which are cut by themselves.
    database : Database
        A session that can read the files.
    until : RowsUntil, optional
        Makes the rows of a file that are known; leaves out later ones by default.
    whole : WholeRows, optional
        Makes the rows of one of which nobody knows when; reads them as they stand by default.
    """
    make = up_to(bar) if until is None else until
    tree = taken_apart(query, database)
    if tree["error"]:
        return CutQuery(query, (Input(query, "", "DuckDB does not take such a query apart"),))
    inputs, instead = list[Input](), dict[ReadPlace, str]()
    for place in places_in(query, tree, names):
        if place.start is None:
            # As after TABLE, DESCRIBE and SUMMARIZE.
            none = "DuckDB does not say where it stands in the query"
            inputs.append(Input(place.written, "", none))
            continue
        columns = database.schema(rows_of(place.written))
        clock, why = clock_of(columns), _WHOLE.get(place.function, "")
        if why or not clock:
            none = "no column of it is a time by its name, or the only one by its type"
            inputs.append(Input(place.written, "", why or f"{none}: {', '.join(columns)}"))
            if whole is not None:
                instead[place] = f"({whole(place.written)}) as {quote(place.name)}"
            continue
        items = ", ".join(("*", *unlisted(place.written, query, columns, database)))
        time = time_of(clock, columns, bar)
        known = make(place.written, columns, time, items)
        instead[place] = f"({known}) as {quote(place.name)}"
        inputs.append(Input(place.written, clock + time.removeprefix(quote(clock))))
    return CutQuery(with_others(query, instead), tuple(inputs))


def time_of(clock: str, columns: Mapping[str, str], bar: CutBar) -> str:
    """Return the expression of the time by which rows of a file go, given its clock."""
    # Or a bar of a day would be made of nothing that traded in it.
    is_of_day = bar.is_day and key_of(clock) != AVAILABLE_AT and columns[clock] != "DATE"
    return f"{quote(clock)}::date" if is_of_day else quote(clock)


def unlisted(
    written: str, query: str, columns: Collection[str], database: Database
) -> Iterator[str]:
    """Yield the columns of a file that are not among its own, as far as a query names them."""
    for name in _UNLISTED:
        if name in query.lower() and name not in columns:
            with suppress(EngineError):
                database.schema(rows_of(written, name))
                yield name


def clock_of(columns: Mapping[str, str]) -> str:
    """Return the column that says since when a row is known; empty: nobody knows."""
    by_key = {key_of(name): name for name, kind in columns.items() if kind.startswith(_TIMES)}
    for name in (AVAILABLE_AT, "timestamp", *USUAL["timestamp"]):
        if name in by_key:
            return by_key[name]
    return next(iter(by_key.values())) if len(by_key) == 1 else ""
