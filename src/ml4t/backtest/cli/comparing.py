"""Comparing: what saved runs made, side by side, and in which settings they differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ml4t.backtest.errors import ResultError
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.summary import run_facts, summary_rows

Runs = Mapping[str, BacktestResult]


def opened_runs(paths: Sequence[Path]) -> dict[str, BacktestResult]:
    """Open saved runs under the shortest names that tell them apart.

    Raises
    ------
    ResultError
        Fewer than two are given, one twice, or one cannot be opened_runs.
    """
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
    """Return the settings in which runs differ, with the value of each."""
    flat = [dict(_leaves(run_facts(run)["configuration"])) for run in runs.values()]
    names = list(dict.fromkeys(name for one in flat for name in one))
    rows = [(name, *(one.get(name, "-") for one in flat)) for name in names]
    return [row for row in rows if len(set(row[1:])) > 1]


def comparison(runs: Runs) -> dict[str, Any]:
    """Return metrics by run, and the settings that differ, for a JSON document."""
    return {
        "metrics": {name: dict(run) for name, run in runs.items()},
        "settings": {
            row[0]: dict(zip(runs, row[1:], strict=True)) for row in setting_rows(runs)
        },
    }  # fmt: skip


def _leaves(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield every setting under a name with dots."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _leaves(one, f"{name}.{key}" if name else str(key))
    else:
        yield name, value if isinstance(value, str) else json.dumps(value)
