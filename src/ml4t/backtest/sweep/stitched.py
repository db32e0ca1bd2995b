"""Stitched: the metrics of returns that several runs made one after the other.

They are those of ``report.metrics`` that are made of returns alone, by the same views.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_each import by_run, for_each
from ml4t.backtest.data.sql_files import read, render, rows_of, schema_of, table_of
from ml4t.backtest.results.report.view import SCHEMA
from ml4t.backtest.results.report.views import VIEWS, views_in

if TYPE_CHECKING:
    from pyarrow import Table as ArrowTable

# Views of metrics that are made of returns alone.
_OF_RETURNS = (
    "calendar", "return_metrics", "drawdown_metrics", "tail_metrics", "period_metrics",
    "pain_metrics",
)  # fmt: skip
_SERIES = "series"


def metrics_of_returns(
    returns: ArrowTable, facts: Mapping[str, object], timezone: str
) -> ArrowTable:
    """Return the metrics of series of returns, a row each.

    Parameters
    ----------
    returns : Arrow table
        ``run_number``, ``timestamp``, ``session``, ``bar_return``, ``excess``.
    facts : mapping
        ``initial_capital``, ``periods_per_year``, ``sessions_per_year``, ``bars_per_session`` and
        ``sessions_from``, as the table `runs` has them.
    timezone : str
        Of the clock.
    """
    # A float sum must not depend on how many threads or series there are.
    database = Database(threads=1, timezone=timezone, joins_as_written=True)
    database.execute(schema_of(SCHEMA))
    database.register(_SERIES, returns)
    numbers = rows_of(_SERIES, "distinct run_number as number")
    database.execute(table_of("main.every_run", numbers))
    equity = render("sweep/stitched_equity", returns=_SERIES)
    capital = {"initial_capital": facts["initial_capital"]}
    database.execute(table_of("main.equity", equity), capital)
    database.execute(table_of("main.runs", read("sweep/stitched_runs")), dict(facts))
    wanted = by_run({name: VIEWS[name].columns for name in _OF_RETURNS})
    for view in views_in(wanted):
        is_made = view.name == "bar_returns"
        query = read("sweep/stitched_returns") if is_made else for_each(view.query)
        database.execute(table_of(view.place, query))
    return database.arrow(wanted)
