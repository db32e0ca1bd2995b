"""Smelling: looks for all smells of a catalog's sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.diagnostics.tables import Tables
from ml4t.backtest.data.smells.lag_profile import lag_profile, smells_of_profile
from ml4t.backtest.data.smells.smell import OF_CHECKS, FoundSmell
from ml4t.backtest.data.smells.source_smells import SmelledSource, smells_of_source
from ml4t.backtest.data.sources.adjusting import jumps_like_splits
from ml4t.backtest.data.sources.checks import as_record
from ml4t.backtest.data.sources.source import Source

SMELL_TABLES = {
    "smells": "what looks as if it knew the future, or left out who did badly, and what to do",
    "lag_profile": "how each column goes with the moves of the bars before, at and after it",
}


class Smells(Tables):
    """What smells of the sources of a catalog.

    Attributes
    ----------
    found : tuple of FoundSmell
        The rows of the table ``smells``.

    Its tables are relations:

    - ``smells``: one row per smell, source and column, with how many rows show it, a value, a
      sample in words, and what to do.
    - ``lag_profile``: mean rank IC of each column with the return, and of its change with the
      changes of volume and range, from three bars before to three after; `lag` 1 is the next bar.
    """

    def __init__(self, database: Database, found: Sequence[FoundSmell]) -> None:
        self.found = tuple(found)
        n = len(found)
        title = f"{n} smell{'' if n == 1 else 's'}" if n else "no smell"
        super().__init__(database, SMELL_TABLES, title)


def find_smells(
    sources: Mapping[str, Source],
    columns: Mapping[str, Mapping[str, str]],
    prepared: Prepared,
) -> Smells:
    """Return what smells of the sources of a catalog, once validated.

    Parameters
    ----------
    columns : mapping
        Columns of each source, with types.
    """
    database = prepared.database.cursor()
    hours = {"opens", "closes"}
    has_hours = prepared.has_calendar and any(
        hours <= columns[name].keys() for name in ("calendar", "calendar_corrections")
        if name in columns
    )  # fmt: skip
    found = [_of_warning(one) for one in prepared.warnings if one["rule"] in OF_CHECKS]
    found += [
        _of_warning(as_record(one))
        for one in jumps_like_splits(sources, columns["prices"], database)
    ]
    for name, source in sources.items():
        found += smells_of_source(SmelledSource(source, columns[name], prepared, has_hours))
    found += smells_of_profile(lag_profile(prepared, database), database)
    database.register("__found_smells", _arrow(found))
    database.make_table("smells", "smells/table", found="__found_smells")
    database.unregister("__found_smells")
    return Smells(database, found)


def _of_warning(record: Mapping[str, Any]) -> FoundSmell:
    text, _, sample = str(record["text"]).partition("; such as ")
    return FoundSmell(
        str(record["rule"]), str(record["source"]), "", int(record["rows"]), None, sample, text
    )


def _arrow(found: Sequence[FoundSmell]) -> Any:
    import pyarrow as pa

    kinds = {"n_rows": pa.int64(), "value": pa.float64()}
    each = list(zip(*found, strict=True)) or [()] * len(FoundSmell._fields)
    return pa.table({
        name: pa.array(values, kinds.get(name, pa.string()))
        for name, values in zip(FoundSmell._fields, each, strict=True)
    })  # fmt: skip
