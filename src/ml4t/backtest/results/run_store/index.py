"""The index of a store: the entries of all runs in one file, so that a list reads no more.

It says nothing that the folders do not, and no writer waits for it: whoever lists runs reads what
it lacks from their folders, and writes it anew. Missing, damaged or of another version it is made
again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml4t.backtest.core.workplace import sync
from ml4t.backtest.data.database import Database, EngineError
from ml4t.backtest.data.sql_files import (
    all_of,
    drop_of,
    parquet_of,
    plain_parquet,
    read,
    render,
    rows_of,
    runs_parquet,
    table_of,
)
from ml4t.backtest.results.keeping.checksums import damage_in
from ml4t.backtest.results.run_store.folder import ENTRY, Stored, StoreFolder
from ml4t.backtest.results.store import open_store

LIST = "metrics"
_SEEN, _FOUND, _TAGGED = "seen", "found", "tagged"
_KEPT, _FRESH, _ENTRIES = "kept", "fresh", "entries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The runs of a store at one moment.

    Attributes
    ----------
    database : Database
        Its one table, ``metrics``, has a line of each; it can read files still.
    whole : list of Stored
        The runs whose tables can be read.
    problems : dict of str to str
        Of the others, why not.
    is_alike : bool
        The tables of all have the same columns and types.
    """

    database: Database
    whole: list[Stored]
    problems: dict[str, str]
    is_alike: bool


def list_runs(folder: StoreFolder) -> Listing:
    """Return the runs of a store; write its index where that lacked some."""
    stored = folder.stored()
    problems = {one.run_id: one.problem for one in stored if one.problem is not None}
    database = open_store()
    entries = [one for one in stored if one.written_ns]
    database.register(
        _SEEN,
        {
            "run_id": np.array([one.run_id for one in entries], dtype=object),
            "written_ns": np.array([one.written_ns for one in entries], dtype=np.int64),
        },
    )
    kept = _keep(database, folder.index)
    fresh, unread = _read(database, [one for one in entries if one.run_id not in kept])
    problems = unread | problems
    parts = [_KEPT] * bool(kept) + [_FRESH] * bool(fresh)
    rows = all_of(map(rows_of, parts), by_name=True) if parts else read("run_store/nothing")
    database.execute(table_of(_ENTRIES, rows))
    if fresh:
        _write(database, folder)
    found = {one.run_id: one for one in stored}
    layouts = set()
    for run_id, sizes, layout in database.rows(rows_of(_ENTRIES, "run_id, bytes, layout")):
        damage = _damage(found[run_id], sizes)
        if damage is not None:
            problems.setdefault(run_id, damage)
        if run_id not in problems:
            layouts.add(layout)
    _make_list(database, stored, problems)
    whole = [one for one in stored if one.run_id not in problems]
    return Listing(database=database, whole=whole, problems=problems, is_alike=len(layouts) < 2)


def problem_of(stored: Stored) -> str | None:
    """Return why a run cannot be read, None where it can: by its own entry, without the others."""
    if stored.problem is not None:
        return stored.problem
    entry = rows_of(runs_parquet([stored.path / ENTRY]), "bytes")
    try:
        ((sizes,),) = open_store().rows(entry)
    except EngineError as error:
        return _unreadable(error)
    return _damage(stored, sizes) or damage_in(stored.path)


def _keep(database: Database, index: Path) -> set[str]:
    """Make a table of the lines of the index that are still right; return the ids."""
    if not index.exists():
        return set()
    source = plain_parquet(str(index))
    try:
        database.execute(table_of(_KEPT, render("run_store/kept", index=source, seen=_SEEN)))
        asked = database.schema(read("run_store/nothing"))
        has_all = asked.items() <= database.schema(rows_of(_KEPT)).items()
        return {run_id for (run_id,) in database.rows(rows_of(_KEPT, "run_id")) if has_all}
    except EngineError:
        return set()  # it is made of nothing but the entries


def _read(database: Database, stored: Sequence[Stored]) -> tuple[list[Stored], dict[str, str]]:
    """Make a table of entries as their folders have them; return whose, and why not the others'."""
    problems = {}
    if stored and _is_read(database, stored) is not None:
        for one in stored:
            problem = _is_read(database, [one])
            if problem is not None:
                problems[one.run_id] = problem
    good = [one for one in stored if one.run_id not in problems]
    if problems and good:
        _is_read(database, good)
    return good, problems


def _is_read(database: Database, stored: Sequence[Stored]) -> str | None:
    """Make a table of some entries; return why they cannot be read, None where they can."""
    files = runs_parquet((one.path / ENTRY for one in stored), by_name=True)
    try:
        database.execute(table_of(_FRESH, render("run_store/fresh", entries=files, seen=_SEEN)))
    except EngineError as error:
        return _unreadable(error)
    return None


def _unreadable(error: EngineError) -> str:
    return f"its '{ENTRY}' cannot be read: {str(error).splitlines()[0]}"


def _write(database: Database, folder: StoreFolder) -> None:
    # Who may only read lists runs without.
    with suppress(OSError, EngineError), folder.workplace() as place:
        made = place / folder.index.name
        database.execute(parquet_of(rows_of(_ENTRIES), made))
        sync(made)
        made.replace(folder.index)


def _damage(stored: Stored, sizes: dict[str, int]) -> str | None:
    """Return what the sizes of files say is wrong with a run."""
    for name, size in sizes.items():
        now = stored.sizes.get(name)
        if now is not None and now != size:
            return f"its '{name}' has {now:,} bytes, and was written with {size:,}"
    return None


def _make_list(database: Database, stored: Sequence[Stored], problems: dict[str, str]) -> None:
    tagged = [(one.run_id, tag) for one in stored for tag in one.tags]
    run_ids, tags = zip(*tagged, strict=True) if tagged else ((), ())
    ids = [one.run_id for one in stored]
    given: dict[str, dict[str, Sequence[object]]] = {
        _FOUND: {"run_id": ids, "problem": [problems.get(run_id) for run_id in ids]},
        _TAGGED: {"run_id": run_ids, "tag": tags},
    }
    for name, held in given.items():
        database.register(name, {key: np.array(one, dtype=object) for key, one in held.items()})
    places = {"found": _FOUND, "entries": _ENTRIES, "tagged": _TAGGED}
    database.execute(render("run_store/listed", target=LIST, **places))
    for name in (*given, _SEEN):
        database.unregister(name)
    for table in (_KEPT, _FRESH, _ENTRIES):
        database.execute(drop_of("table if exists", table))
