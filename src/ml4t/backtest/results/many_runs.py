"""ManyRuns: the metrics of many runs, by one statement for each view instead of one for each run.

To plan the views takes longer than to compute them of one run. Each is joined here as it stands to
every run, so that no metric is defined twice; only what would need a row for every position at
every close is added up before it becomes one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ml4t.backtest.core.journal import AccountAtClose
from ml4t.backtest.data.database import UTC, Database
from ml4t.backtest.data.sql_each import by_run, for_each
from ml4t.backtest.data.sql_files import read, render, rows_of, schema_of, table_of
from ml4t.backtest.results.gathered import held_at_closes, largest_held
from ml4t.backtest.results.recorder import Recorder
from ml4t.backtest.results.report.metric_views import METRIC_VIEWS
from ml4t.backtest.results.report.view import SCHEMA
from ml4t.backtest.results.report.views import VIEWS, views_in
from ml4t.backtest.results.run_facts import RunFacts
from ml4t.backtest.results.staging import Array, Reading, staged
from ml4t.backtest.results.store import STAGED_ROWS, cast_held
from ml4t.backtest.results.table import ASSET, BAR, COUNT, NUMBER, ROW, Column, Table
from ml4t.backtest.results.tables import FILLS, POSITIONS, TABLES

if TYPE_CHECKING:
    from pyarrow import Table as ArrowTable

_METRICS = VIEWS["metrics"]
_EVERY_METRIC = by_run({view.name: view.columns for view in METRIC_VIEWS})
_WORD = re.compile(r"\w+")
# Of runs that are asked for metrics alone: `positions` has the largest of each asset, of which
# ``report.liquidity`` reads no more, and what ``report.holdings`` makes of it is made before.
_LARGEST = Table(
    name="positions",
    events=(AccountAtClose,),
    counted="held",
    gathered=largest_held,
    columns=(Column("asset_id", ASSET, "", "held"), Column("quantity", NUMBER, "")),
)
_HOLDINGS = Table(
    name="holdings",
    events=(AccountAtClose,),
    counted="t",
    gathered=held_at_closes,
    columns=(
        Column("timestamp", BAR, "", "t"),
        *(Column(name, COUNT, "") for name in ("n_long", "n_short", "largest_asset")),
        *(
            Column(name, NUMBER, "")
            for name in ("long_value", "short_value", "largest_value", "squares")
        ),
    ),
)


class EndedRun(NamedTuple):
    """What is asked of a run that has ended."""

    facts: RunFacts
    recorder: Recorder


class ManyRuns:
    """Runs over the same bars, of which metrics and returns are asked.

    Parameters
    ----------
    runs : sequence of EndedRun
        One or more; their fills have volumes.
    reading : Reading
        What the numbers of bars stand for.
    timezone : str
        That of the catalog.
    """

    def __init__(self, runs: Sequence[EndedRun], reading: Reading, timezone: str = UTC) -> None:
        # A float sum over the tables must not depend on how many threads or runs there are.
        self._database = Database(
            threads=1, timezone=timezone, has_plain_text=True, joins_as_written=True
        )
        self._runs, self._reading = runs, reading
        self._database.execute(schema_of(SCHEMA))
        given = {
            "number": np.arange(len(runs)),
            "initial_capital": np.array([one.facts.initial_capital for one in runs]),
        }
        self._keep("every_run", given, rows_of(STAGED_ROWS))
        for table in _tables():
            self._write(table, "main")
        self._write(_HOLDINGS, SCHEMA)
        for view in views_in(_METRICS.query):
            if view.name not in (_HOLDINGS.name, _METRICS.name):
                self._database.execute(table_of(view.place, for_each(view.query)))

    def metrics(self) -> ArrowTable:
        """Return ``report.metrics`` of each run, a row, in the order in which they were given."""
        return self._database.arrow(_EVERY_METRIC).drop_columns("run_number")

    def metrics_and_returns(self) -> ArrowTable:
        """Return the same with ``report.bar_returns`` as lists, bar after bar."""
        query = render("many_runs/rows", metrics=_EVERY_METRIC, returns=read("many_runs/returns"))
        return self._database.arrow(query).drop_columns("run_number")

    def _write(self, table: Table, schema: str) -> None:
        """Write the rows of a table of all runs."""
        parts = [_rows(table, one.recorder) for one in self._runs]
        rows = {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}
        rows = self._reading.read(table, rows)
        rows["run_number"] = np.repeat(np.arange(len(parts)), [len(one[ROW]) for one in parts])
        held = (cast_held(column, self._reading) for column in table.held)
        text = read(table.statement).replace("$initial_capital", "run.initial_capital")
        text = text.replace(":held", ", ".join(held))
        query = for_each(text.replace(":staged", f"main.{STAGED_ROWS}"))
        self._keep(f"{schema}.{table.name}", rows, query)

    def _keep(self, target: str, rows: dict[str, Array], query: str) -> None:
        self._database.register(STAGED_ROWS, rows)
        self._database.execute(table_of(target, query))
        self._database.unregister(STAGED_ROWS)


def _rows(table: Table, recorder: Recorder) -> dict[str, Array]:
    """Return the rows of a table of one run, of which some columns may be asked."""
    if table.name != FILLS.name:
        return staged(table, recorder.told(table.events[0]))
    found = recorder.columns_of(FILLS)  # volumes were added to them
    return {name: found[name] for name in (ROW, *(one.name for one in table.held))}


@cache
def _tables() -> tuple[Table, ...]:
    """Return the tables that metrics read, with the columns that they read of them."""
    views = views_in(_METRICS.query)
    words = set(_WORD.findall(" ".join(one.query for one in views)))
    found = []
    for table in TABLES.values():
        if table.name == POSITIONS.name:
            table = _LARGEST
        elif table.name not in words:
            continue
        read_here = set(_WORD.findall(read(table.statement))) | words
        kept = tuple(one for one in table.columns if one.name in read_here)
        helpers = tuple(one for one in table.helpers if one.name in read_here)
        found.append(
            table._replace(columns=tuple(map(_by_number, kept)), helpers=helpers, order=())
        )
    return tuple(found)


def _by_number(column: Column) -> Column:
    """Return a column whose assets are their numbers: they sort as their ids do."""
    return replace(column, kind=COUNT) if column.kind is ASSET else column
