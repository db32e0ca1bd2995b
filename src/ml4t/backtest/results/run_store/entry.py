"""The entry of a run in a store: one row that a list shows, beside the tables of the run."""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ml4t.backtest.core.workplace import sync
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import columns, parquet_of, render
from ml4t.backtest.errors import ResultError
from ml4t.backtest.results.keeping.run_tables import RunTables
from ml4t.backtest.results.keeping.saving import save_folder
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.run_facts import as_json
from ml4t.backtest.results.run_store.folder import ENTRY, write_tags
from ml4t.backtest.results.store import open_store
from ml4t.backtest.results.tables import TABLES

if TYPE_CHECKING:
    from pyarrow import Table as ArrowTable

# Longer ones, such as the files of a source, are shown by a hash.
MOST_SHOWN = 200
_METRICS_OF_RUN = "metrics_of_run"


class Keepable(Protocol):
    """A run that a store keeps: a `BacktestResult`, or what a sweep has of a trial."""

    @property
    def run_id(self) -> str:
        """Of the run."""
        ...

    @property
    def measured(self) -> ArrowTable:
        """Its metrics, one row."""
        ...

    @property
    def run_tables(self) -> RunTables:
        """Its tables."""
        ...


def id_of(result: object) -> str:
    """Return the id of a run.

    Raises
    ------
    ResultError
        It is no result.
    """
    if not isinstance(result, BacktestResult):
        raise ResultError(f"a store keeps results of runs, was given {result!r}")
    return result.run_id


def parameters_of(run: Keepable) -> dict[str, str]:
    """Return all that a run's id is made of, each leaf under a name with dots.

    Of ``strategy`` the arguments are named too, where it prints as a call: ``strategy.every``;
    those without a name by their place, ``strategy.0``.
    """
    configuration, capital, versions, sources = run.run_tables.facts(
        ("configuration", "initial_capital", "versions", "sources")
    )
    settings = json.loads(configuration)
    facts = {
        **settings,
        "initial_capital": capital,
        "versions": json.loads(versions),
        "sources": {one["name"]: one for one in json.loads(sources)},
    }
    found = dict(_leaves(facts))
    return found | {f"strategy.{name}": text for name, text in _arguments(settings["strategy"])}


def write_run(run: Keepable, writer: Database | None, folder: Path, tags: list[str]) -> None:
    """Write the tables of a run, its entry and its tags into a folder that is not there yet."""
    tables, writer = run.run_tables, writer or open_store()
    save_folder(tables, folder, writer)
    _write_entry(run, tables, writer, folder)
    write_tags(folder, tags)


def _write_entry(run: Keepable, tables: RunTables, writer: Database, folder: Path) -> None:
    metrics = run.measured
    writer.register(_METRICS_OF_RUN, metrics)
    parameters = parameters_of(run)
    layout = [[table, list(kinds), list(kinds.values())]
              for table in TABLES for kinds in [tables.kinds(table)]]  # fmt: skip
    files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    entry = render(
        "run_store/entry",
        columns=columns(metrics.column_names, _METRICS_OF_RUN),
        source=_METRICS_OF_RUN,
    )
    writer.execute(
        parquet_of(entry, folder / ENTRY),
        {
            "run_id": run.run_id,
            "created_at": datetime.now(UTC),
            "strategy": parameters["strategy"],
            "names": list(parameters),
            "texts": list(parameters.values()),
            "files": list(files),
            "bytes": list(files.values()),
            "layout": _hash(as_json(layout)),
        },
    )
    writer.unregister(_METRICS_OF_RUN)
    sync(folder / ENTRY)


def _leaves(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield every setting under a name with dots."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _leaves(one, f"{name}.{key}" if name else str(key))
        return
    text = value if isinstance(value, str) else as_json(value)
    yield name, text if len(text) <= MOST_SHOWN or name == "strategy" else f"#{_hash(text)}"


def _arguments(strategy: str) -> Iterator[tuple[str, str]]:
    """Yield the arguments of what prints as a call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what a text might mean as code; it is not run
        try:
            call: Any = ast.parse(strategy, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return
    if isinstance(call, ast.Call):
        for place, one in enumerate(call.args):
            yield str(place), ast.unparse(one)
        for named in call.keywords:
            if named.arg is not None:
                yield named.arg, ast.unparse(named.value)


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]
