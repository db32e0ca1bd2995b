"""Panels: what the app shows, each made of marimo's elements; no SQL that stands elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import marimo as mo

from ml4t.backtest.cli.comparing import comparison
from ml4t.backtest.cli.serving.run_tools import RunTools, ToolAnswer
from ml4t.backtest.cli.serving.served import Served
from ml4t.backtest.data.database import EngineError
from ml4t.backtest.errors import BacktestError
from ml4t.backtest.results.page.figure import Figure, FigureKind
from ml4t.backtest.results.page.figures import FIGURES
from ml4t.backtest.results.page.metric_formats import METRIC_FORMATS
from ml4t.backtest.results.page.shown import text_of
from ml4t.backtest.results.result import BacktestResult

OVERVIEW = ("equity", "drawdown", "monthly_returns")
PAGE_ROWS = 15
OF_RUNS = ("run_id", "strategy", "total_return", "sharpe", "max_drawdown", "n_trades", "tags")


def run_names(served: Served) -> dict[str, str]:
    """Return the ids of all runs under what a person reads of them."""
    if served.store is None:
        return {f"{one} · {served.path.name}": one for one in served.ids()}
    listed = {str(row["run_id"]): row for row in records(served.store.runs())}
    return {
        f"{one} · {listed[one]['strategy']}" if one in listed else one: one for one in served.ids()
    }


def records(relation: Any) -> list[dict[str, Any]]:
    """Return rows as mappings."""
    names = list(relation.columns)
    return [dict(zip(names, row, strict=True)) for row in relation.fetchall()]


def runs_table(served: Served) -> Any:
    """Return the list of a store, of which runs are picked to be compared."""
    assert served.store is not None
    rows = [{name: row.get(name) for name in OF_RUNS} for row in records(served.store.runs())]
    formats = {
        name: partial(text_of, format_=METRIC_FORMATS[name])
        for name in OF_RUNS
        if name in METRIC_FORMATS
    }
    return mo.ui.table(
        rows, selection="multi", page_size=PAGE_ROWS, initial_selection=[], show_data_types=False,
        format_mapping=formats,
    )  # fmt: skip


def overview(run: BacktestResult) -> Any:
    """Return what a reader asks first: the headline, and three charts."""
    figure = FIGURES["headline"]
    (row,) = records(run.sql(figure.query))
    cards = [
        mo.stat(label=one.label, value=text_of(row[one.column], one.format), bordered=True)
        for one in figure.columns
    ]
    charts = [getattr(run.plot, name)(width=900) for name in OVERVIEW]
    return mo.vstack([mo.hstack(cards, wrap=True, justify="start", gap=0.5), *charts], gap=1.5)


def figure_panel(run: BacktestResult, name: str) -> Any:
    """Return a figure with its query and its rows."""
    figure = FIGURES[name]
    rows = figure_table(figure, records(run.sql(figure.query)))
    sql = {"Show SQL": mo.md(f"```sql\n{figure.query}\n```")}
    if figure.kind is FigureKind.TABLE:
        return mo.vstack([_head(figure), rows, mo.accordion(sql)], gap=1)
    if figure.kind is FigureKind.FACTS:
        return mo.vstack([_head(figure), _facts_table(run, figure), mo.accordion(sql)], gap=1)
    chart = getattr(run.plot, name)(width=900)
    return mo.vstack([chart, mo.accordion({**sql, "Rows": rows})], gap=1)


def figure_table(figure: Figure, rows: list[dict[str, Any]], **options: Any) -> Any:
    """Return rows under their labels; they are sorted by their values, and shown as a person reads.

    Parameters
    ----------
    options : object
        Of ``mo.ui.table``.
    """
    shown = [{one.label: row[one.column] for one in figure.columns} for row in rows]
    formats = {one.label: partial(text_of, format_=one.format) for one in figure.columns}
    return mo.ui.table(
        shown, page_size=PAGE_ROWS, show_data_types=False, format_mapping=formats,
        **{"selection": None, **options},
    )  # fmt: skip


def trades_table(run: BacktestResult) -> Any:
    """Return all trades, of which one is picked."""
    rows = records(run.sql(FIGURES["trades"].query))
    first = [0] if rows else []
    return figure_table(FIGURES["trades"], rows, selection="single", initial_selection=first)


def trade_panel(run: BacktestResult, picked: list[Mapping[str, Any]]) -> Any:
    """Return a trade on its price, and its story."""
    if not picked:
        return mo.md("*Pick a trade.*")
    trade_id = picked[0][FIGURES["trades"].columns[0].label]
    chart = run.plot.trade(trade_id, width=900)
    return mo.vstack([chart, mo.plain_text(str(run.explain_trade(trade_id)))], gap=1)


def compare_panel(served: Served, picked: list[Mapping[str, Any]]) -> Any:
    """Return the metrics and the settings of runs side by side."""
    if len(picked) < 2:
        return mo.md("*Pick two runs or more.*")
    found = comparison({str(row["run_id"]): served.run(str(row["run_id"])) for row in picked})
    metrics = [
        {"metric": one.label, **{
            run_id: text_of(made[one.column], one.format)
            for run_id, made in found["metrics"].items()
        }}
        for one in FIGURES["metrics"].columns
    ]  # fmt: skip
    settings = [{"setting": name, **texts} for name, texts in found["settings"].items()]
    return mo.vstack([
        mo.md("**Settings that differ**"),
        _plain_table(settings),
        mo.md("**Metrics**"),
        _plain_table(metrics),
    ])  # fmt: skip


def answered(ask: Any) -> Any:
    """Return the rows of an answer, or what was wrong with the question."""
    try:
        found: ToolAnswer = ask()
    except (BacktestError, EngineError, OSError) as error:
        return mo.callout(mo.plain_text(str(error)), kind="danger")
    rows = [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]
    more = "the first " if found["has_more"] else ""
    return mo.vstack([
        mo.md(f"{more}{len(rows):,} row{'s' * (len(rows) != 1)}"),
        _plain_table(rows),
    ])  # fmt: skip


def run_files(tools: RunTools) -> list[str]:
    """Return the run files of the folder, by their paths in it."""
    return [str(one) for one in tools.describe()["run_files"]]


def first_query() -> str:
    """Return what stands in the editor at first."""
    return str(FIGURES["exits"].query)  # its own kind of text is none for the editor


def _head(figure: Figure) -> Any:
    return mo.md(f"**{figure.title}**  \n{figure.meaning}")


def _facts_table(run: BacktestResult, figure: Figure) -> Any:
    (row,) = records(run.sql(figure.query))
    return _plain_table([
        {"What": one.label, "Value": text_of(row[one.column], one.format)}
        for one in figure.columns
    ])  # fmt: skip


def _plain_table(rows: list[dict[str, Any]]) -> Any:
    return mo.ui.table(rows, selection=None, page_size=PAGE_ROWS, show_data_types=False)
