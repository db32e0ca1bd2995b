"""Comparing: the page of two runs or more, over each other, with what differs between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ml4t.backtest.data.database import interruptible
from ml4t.backtest.errors import ResultError
from ml4t.backtest.results.keeping.paths import usable_path
from ml4t.backtest.results.page.binding import bind_page
from ml4t.backtest.results.page.figure import Channel, Encoding, Figure, FigureKind, Format
from ml4t.backtest.results.page.figures import FIGURES
from ml4t.backtest.results.page.gathering import Gathered, gather_figure
from ml4t.backtest.results.page.laying import figure_html
from ml4t.backtest.results.page.metric_formats import metrics_shown
from ml4t.backtest.results.page.return_figures import HEADLINE
from ml4t.backtest.results.page.shown import compared_html, plain_table
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.run_store.comparison import differing
from ml4t.backtest.results.run_store.difference import Difference
from ml4t.backtest.results.run_store.entry import parameters_of

RunsByName = Mapping[str, BacktestResult]
# Lines in one picture, and metrics side by side: as many as there are colours.
MOST_LINES = 8
OVERLAID = ("equity", "drawdown", "rolling_sharpe")
ALL_RUNS = Figure(
    name="metrics",
    section="Runs",
    title="All runs",
    meaning="A row per run; a heading sorts.",
    kind=FigureKind.TABLE,
    columns=(Encoding("run", "Run", Format.TEXT), *metrics_shown(HEADLINE)),
)


@interruptible
def report_runs(runs: RunsByName, path: str | Path) -> Path:
    """Write one offline page of runs: over each other, side by side, and where they differ.

    Parameters
    ----------
    runs : mapping of str to BacktestResult
        Two or more, under the names that the page gives them. Of more than 8 the lines and the
        metrics side by side are those with the highest Sharpe ratios; a table has all.
    path : str or Path
        As in `BacktestResult.report`.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ResultError
        They are no runs by name, or fewer than two, or the page cannot be written.

    Examples
    --------
    >>> report_runs({"weekly": weekly, "monthly": monthly}, "compared.html")   # doctest: +SKIP
    """
    target = usable_path(path, "that of a page")
    _require_runs(runs)
    if len(runs) < 2:
        raise ResultError(f"a comparison is of two runs or more, was of {len(runs)}")
    drawn = _best(runs)
    figures = [_overlaid(name, drawn) for name in OVERLAID]
    if len(runs) > MOST_LINES:
        figures.append(_listed(runs))
    sections: dict[str, list[str]] = {"Differences": _differences(runs)}
    for one in figures:
        sections.setdefault(one.figure.section, []).append(figure_html(one, one.note))
    sections["Metrics"] = [compared_html({name: run.metrics for name, run in drawn.items()})]
    bind_page(
        target,
        sections,
        figures,
        title="Runs compared",
        heading=" and ".join(runs) if len(runs) < 4 else f"{len(runs)} runs compared",
        period=_period(runs),
        made="Made from the tables of the runs.",
    )
    return target


def _require_runs(runs: object) -> None:
    """Refuse what is no mapping of names to runs."""
    way_out = 'write report_runs({"one": one, "other": other}, ...)'
    if not isinstance(runs, Mapping):
        raise ResultError(f"runs must be a mapping of names to runs, was {runs!r}; {way_out}")
    for name, run in runs.items():
        if not isinstance(name, str) or not name.strip():
            raise ResultError(f"the name of a run must be a text, was {name!r}; {way_out}")
        if not isinstance(run, BacktestResult):
            raise ResultError(f"{name!r} must be a BacktestResult, was {run!r}; {way_out}")


def _best(runs: RunsByName) -> RunsByName:
    """Return the runs that are drawn, in the order in which they were given."""
    if len(runs) <= MOST_LINES:
        return runs
    sharpes = {name: run["sharpe"] for name, run in runs.items()}
    ranked = sorted(runs, key=lambda name: (sharpes[name] is None, -(sharpes[name] or 0.0)))
    kept = set(ranked[:MOST_LINES])
    return {name: run for name, run in runs.items() if name in kept}


def _overlaid(name: str, runs: RunsByName) -> Gathered:
    """Return the first line of a figure of every run, at the bars of all of them."""
    figure = FIGURES[name]
    x, y = figure.on(Channel.X)[0], figure.on(Channel.Y)[0]
    found = {label: gather_figure(run, figure, run.timezone).columns for label, run in runs.items()}
    times = [np.ma.getdata(one[x.column]).astype("datetime64[us]") for one in found.values()]
    bars = np.unique(np.concatenate(times))
    columns: dict[str, Any] = {x.column: bars}
    # A run may be called as any column is: its own has a name that is no column's.
    lines = {label: f"run {i}" for i, label in enumerate(runs)}
    for (label, one), at in zip(found.items(), times, strict=True):
        values = np.full(len(bars), np.nan)
        values[np.searchsorted(bars, at)] = np.ma.filled(one[y.column].astype(float), np.nan)
        columns[lines[label]] = values
    shown = replace(
        figure,
        section="Returns",
        meaning=f"{figure.title} of each run; the query is that of one of them.",
        columns=(x, *(Encoding(one, label, y.format, Channel.Y) for label, one in lines.items())),
    )
    return Gathered(shown, columns, len(bars), "")


def _listed(runs: RunsByName) -> Gathered:
    """Return the headline metrics of all runs, a row each."""
    columns: dict[str, Any] = {"run": np.array(list(runs), dtype=object)}
    for name in HEADLINE:
        values = [run[name] for run in runs.values()]
        columns[name] = np.array([np.nan if one is None else float(one) for one in values])
    return Gathered(ALL_RUNS, columns, len(runs), "")


def _differences(runs: RunsByName) -> list[str]:
    """Return in which settings runs differ, and from which bar on where they are two."""
    settings = differing({name: parameters_of(run) for name, run in runs.items()})
    parts = [
        plain_table("Settings, versions and data that differ", ("Setting", *runs), settings)
        if settings
        else '<p class="nothing">Settings, versions and data are the same.</p>'
    ]
    if len(runs) == 2:
        parts.insert(0, _first_difference(Difference(runs)))
    return parts


def _first_difference(found: Difference) -> str:
    if found.is_equal:
        return '<p class="first">Every row of both runs is the same.</p>'
    said = f"The first bar at which anything differs is {_bar(found.first_bar)}"
    if found.first_equity is not None:
        said += f"; the equity differs from {_bar(found.first_equity)} on"
    rows = [row for row in found.tables.fetchall() if row[1] or row[2]]
    head = ("Table", f"Rows only {found.one} has", f"Only {found.other}", "From")
    return f'<p class="first">{escape(said)}.</p>{plain_table("Rows that differ", head, rows)}'


def _bar(moment: object) -> str:
    return str(moment).removesuffix(" 00:00:00")


def _period(runs: RunsByName) -> str:
    ends: Sequence[tuple[str, str]] = [
        (_bar(run["first_timestamp"]), _bar(run["last_timestamp"])) for run in runs.values()
    ]
    return f"{min(first for first, _ in ends)} to {max(last for _, last in ends)}"
