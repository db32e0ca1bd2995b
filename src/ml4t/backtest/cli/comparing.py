"""Comparing: what saved runs made, side by side, and in which settings and rows they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml4t.backtest.cli.output import rows_json
from ml4t.backtest.data.database import Relation
from ml4t.backtest.data.sql_files import highest_first, holds
from ml4t.backtest.errors import ResultError, did_you_mean
from ml4t.backtest.results.keeping.paths import is_store
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.run_store.comparison import differing
from ml4t.backtest.results.run_store.difference import Difference
from ml4t.backtest.results.run_store.entry import id_of, parameters_of
from ml4t.backtest.results.run_store.store import RunStore
from ml4t.backtest.results.summary import summary_rows

Runs = Mapping[str, BacktestResult]
SHOWN_OF_RUNS = ("run_id", "created_at", "tags", "strategy", "total_return", "sharpe",
                 "max_drawdown", "n_trades")  # fmt: skip


def opened_runs(paths: Sequence[Path]) -> dict[str, BacktestResult]:
    """Open saved runs under the shortest names that tell them apart, or those of a store.

    Of a store, which is the first path, the others are the ids.

    Raises
    ------
    ResultError
        Fewer than two are given, one twice, or one cannot be opened.
    """
    if paths and is_store(paths[0]):
        store = RunStore(paths[0])
        runs = [store.open(str(run_id)) for run_id in paths[1:]]
        if len(runs) < 2:
            raise ResultError(f"of the store '{paths[0]}' two runs or more are taken, by their ids")
        return {id_of(run): run for run in runs}
    if len(paths) < 2:
        raise ResultError("compare takes two saved runs or more")
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    if len(set(names)) < len(names):
        raise ResultError("compare was given one run twice")
    return {name: BacktestResult.open(path) for name, path in zip(names, paths, strict=True)}


def metric_rows(runs: Runs) -> list[tuple[str, ...]]:
    """Return each line of the summary with the text of every run."""
    columns = [summary_rows(run) for run in runs.values()]
    # Those with a benchmark have more lines, after all that every run has.
    longest = max(columns, key=len)
    return [
        (label, *(column[i][1] if i < len(column) else "-" for column in columns))
        for i, (label, _) in enumerate(longest)
    ]


def setting_rows(runs: Runs) -> list[tuple[str, ...]]:
    """Return the settings, versions and data in which runs differ, with the text of each."""
    rows = differing({name: parameters_of(run) for name, run in runs.items()})
    return [tuple("-" if text is None else text for text in row) for row in rows]


def existing_store(path: Path) -> RunStore:
    """Return the store of a folder; none is made.

    Raises
    ------
    ResultError
        There is none.
    """
    if not is_store(path):
        raise ResultError(f"'{path}' is no store of runs; RunStore({str(path)!r}) makes one")
    return RunStore(path)


def ranked_runs(store: RunStore, by: str, tag: str | None) -> Relation:
    """Return the list of a store by a metric, the highest first; those of a tag alone.

    Raises
    ------
    ResultError
        There are no runs, or they have no such metric.
    """
    found = store.runs()
    missing = [name for name in (*SHOWN_OF_RUNS, by) if name not in found.columns]
    if missing:
        raise ResultError(
            f"the store '{store.path}' has no metric {missing[0]!r}"
            f"{did_you_mean(missing[0], found.columns)}"
            if len(store)
            else f"the store '{store.path}' holds no run yet"
        )
    if tag is not None:
        found = found.filter(holds("tags", tag))
    return found.order(highest_first(by, "run_id"))


def difference_json(found: Difference, table: str | None) -> dict[str, Any]:
    """Return what differs between two runs, and the rows of a table, for a JSON document."""
    return {
        "runs": [found.one, found.other],
        "first_bar": found.first_bar,
        "first_equity": found.first_equity,
        "settings": {name: texts for name, *texts in found.parameters},
        "tables": rows_json(found.tables),
        "table": table,
        "differing": rows_json(getattr(found, table)) if table else None,
    }


def comparison(runs: Runs) -> dict[str, Any]:
    """Return metrics by run, and the settings that differ, for a JSON document."""
    return {
        "metrics": {name: dict(run) for name, run in runs.items()},
        "settings": {
            row[0]: dict(zip(runs, row[1:], strict=True)) for row in setting_rows(runs)
        },
    }  # fmt: skip
