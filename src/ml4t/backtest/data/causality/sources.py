"""Sources: what can be said of each column of a catalog, before anything runs.

A column of a query is proved or not. One of a file or a frame is *given*: it was computed where
nobody looks. One that a function or a model of the user makes is *computed* in Python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ml4t.backtest.data.causality.binding import KnownTable
from ml4t.backtest.data.causality.relation import Problem
from ml4t.backtest.data.causality.verdicts import CAUSAL, LEAKS, UNPROVED, Verdict, of_bars, prove
from ml4t.backtest.data.cut.clocks import known_since
from ml4t.backtest.data.cut.inputs import clock_of
from ml4t.backtest.data.cut.places import ReadPlace, places_in, taken_apart, with_others
from ml4t.backtest.data.database import Database, EngineError
from ml4t.backtest.data.sources.naming import AVAILABLE_AT
from ml4t.backtest.data.sources.schema import KEYS
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import literal, quote, rows_of

GIVEN, BY_PYTHON = "given", "computed"
# Recursion over lists is beyond the proof: they are held to what runs instead, bit by bit.
_OWN = "an indicator of this package, which is the same where later bars are left out"
_Columns = Mapping[str, Mapping[str, str]]


class ColumnVerdict(NamedTuple):
    """What can be said of a column of a source.

    Attributes
    ----------
    source : str
    column : str
    verdict : str
        ``local``, ``causal``, ``leaks``, ``unproved``, ``given`` or ``computed``.
    what, why, instead : str
        As of `Verdict`.
    """

    source: str
    column: str
    verdict: str
    what: str = ""
    why: str = ""
    instead: str = ""


def source_verdicts(
    sources: Sequence[Source], found: _Columns, database: Database, *, are_days: bool
) -> list[ColumnVerdict]:
    """Return what can be said of every column beside the keys.

    Parameters
    ----------
    sources : sequence of Source
        In the order in which they were registered: each reads those before it.
    found : mapping
        Columns of the view of each, with types.
    database : Database
        A session that can read the files of their queries.
    are_days : bool
        Every bar stands for its day.
    """
    verdicts: list[ColumnVerdict] = []
    tables: dict[str, KnownTable] = {}
    for source in sources:
        columns = found[source.name]
        keys = {*KEYS, *source.spec.times, AVAILABLE_AT}
        names = [name for name in columns if name not in keys] or list(columns)
        of_source = _of_source(source, names, tables, database, are_days=are_days)
        is_told = source.available_at is not None  # an end too
        end = "end_date" if source.role == "universe" and not is_told else ""
        tables[source.name] = KnownTable(
            columns, clock=AVAILABLE_AT if is_told else known_since(source), end=end,
            problems={one.column: _inherited(one) for one in of_source
                      if one.verdict in (LEAKS, UNPROVED)},
        )  # fmt: skip
        verdicts += of_source
    return verdicts


def _inherited(verdict: ColumnVerdict) -> Problem:
    """Return what is wrong with all that is made of a column."""
    is_leak = verdict.verdict == LEAKS
    what = f"{verdict.source}.{verdict.column}"
    return Problem(is_leak, what, "leaks by itself" if is_leak else "is unproved by itself")


def _of_source(
    source: Source,
    names: Sequence[str],
    tables: Mapping[str, KnownTable],
    database: Database,
    *,
    are_days: bool,
) -> list[ColumnVerdict]:
    if source.function is not None:
        why = f"by {source.function.name}, which an audit calls anew over what was known"
        return [ColumnVerdict(source.name, name, BY_PYTHON, why=why) for name in names]
    if source.is_files or not isinstance(source.given, str):
        why = f"record {source.checked}" if source.checked is not None else ""
        return [ColumnVerdict(source.name, name, GIVEN, why=why) for name in names]
    if source.is_indicator and not any(table.problems for table in tables.values()):
        return [ColumnVerdict(source.name, name, CAUSAL, why=_OWN) for name in names]
    try:
        found = _of_query(source, tables, database, are_days=are_days)
    except EngineError as error:
        why = f"DuckDB does not bind what it reads: {str(error).splitlines()[0]}"
        found = [Verdict("*", UNPROVED, why=why)]
    proved = {one.column.lower(): one for one in found}
    rest = proved.get("*", Verdict("*", UNPROVED, why="is no column of the query by its name"))
    by_ours = {name: source.columns.get(name, name).lower() for name in names}
    has_assets = "asset_id" in source.spec.key
    return [
        ColumnVerdict(source.name, name, *(one if has_assets else of_bars(one))[1:])
        for name, theirs in by_ours.items()
        for one in [proved.get(theirs, rest)]
    ]


def _of_query(
    source: Source, tables: Mapping[str, KnownTable], database: Database, *, are_days: bool
) -> list[Verdict]:
    query = str(source.given)
    tree = taken_apart(query, database)
    if tree["error"]:
        return [Verdict("*", UNPROVED, why="DuckDB does not take such a query apart")]
    known, instead = dict(tables), dict[ReadPlace, str]()
    for i, place in enumerate(places_in(query, tree, tables)):
        if place.start is None:
            why = "DuckDB does not say where it stands in the query"
            return [Verdict("*", UNPROVED, place.written, why)]
        name, columns = f"__input_{i}", database.schema(rows_of(place.written))
        clock = clock_of(columns)
        none = f"{place.written} has no column that says since when its rows are known"
        known[name] = KnownTable(
            columns, clock=quote(clock) if clock else "", why_unknown="" if clock else none
        )
        instead[place] = f"{quote(name)} as {quote(place.name)}"
    return prove(with_others(query, instead), known, _clock_in(source), are_days=are_days)


def _clock_in(source: Source) -> str:
    """Return the expression that says since when a row is known, by the names of the query."""
    if source.available_at is not None:
        return quote(source.available_at)
    if not known_since(source):
        return ""
    ours = source.spec.times[0]
    theirs = quote(source.columns.get(ours, ours))
    return theirs if source.lag is None else f"{theirs} + {literal(source.lag)}::interval"
