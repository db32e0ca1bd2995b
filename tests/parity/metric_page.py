"""Writes docs/metrics.md: what every metric means, and what packages say of the same returns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from metric_reasons import GOES_ON, SOMETIMES

from ml4t.backtest.results.report.views import VIEWS

TEXT = """# Metrics

`result.metrics` has every metric of a run, `result["sharpe"]` one of them. Each is a column of a
view in the schema `report`, in memory and in every saved `.duckdb` file, so that any DuckDB from
1.2 on says the same numbers; formula, day count, sign and source stand at the head of its file in
`sql/report`. What has no meaning for a run is NULL (`None`), never infinite: a ratio over nothing,
a return of an account of which nothing was left.

{meanings}

`result.deflated_sharpe(n_trials, variance)` needs to be told how many strategies were tried and how
far apart their annual Sharpe ratios were (their variance): it says how likely the true Sharpe ratio
is above that which the best of so many has by luck.

## Tables

{tables}

## What packages say

Written by `make parity-metrics` on {day} (UTC): {packages},
in an environment of their own, over the returns of a run on real prices (sixty companies of the
S&P 500, 2005 to 2010, 252 bars a year), and over {n_series} odd series: a loss on the first bar, no
volatility, a wipe-out below zero, one bar, bars of five minutes, ties. Equal is to 1e-9. Of
{n_rows} comparisons {n_equal} are equal; of the others {n_explained} have a reason.

{real}

A package with a word after its name was called so: `quantstats of trades` was given the returns of
the closed trades, `ffn of closes` no price before the first bar.

Of odd series alone differ:

{odd}
"""


@dataclass(frozen=True)
class Row:
    """One number of a package beside ours."""

    series: str
    metric: str
    package: str
    ours: Any
    theirs: Any
    is_equal: bool
    reason: str | None


def page(rows: list[Row], real: str, versions: dict[str, str]) -> str:
    """Return the text of the page."""
    return TEXT.format(
        day=datetime.now(UTC).date(),
        packages=", ".join(f"{name} {said}" for name, said in versions.items()),
        n_series=len({row.series for row in rows}) - 1,
        n_rows=len(rows),
        n_equal=sum(row.is_equal for row in rows),
        n_explained=sum(not row.is_equal and row.reason is not None for row in rows),
        meanings=meanings(),
        tables=tables(),
        real=table(("metric", "ours", "package", "says", ""), compared(rows, real)),
        odd=odd(),
    )  # fmt: skip


def is_of_metrics(view: str) -> bool:
    return view in ("calendar", "metrics") or view.endswith("_metrics")


def meanings() -> str:
    """Return a table of every metric that a view explains, in the order of the views."""
    rows = [
        (f"`{name}`", text, f"`{view.name}`")
        for view in VIEWS.values()
        if is_of_metrics(view.name)
        for name, text in view.columns.items()
    ]
    return table(("metric", "means", "view"), rows)


def tables() -> str:
    """Return a table of the other views."""
    rows = [
        (f"`report.{one.name}`", one.comment)
        for one in VIEWS.values()
        if not is_of_metrics(one.name)
    ]
    return table(("view", "shows"), rows)


def compared(rows: list[Row], series: str) -> list[tuple[str, ...]]:
    return [
        (f"`{row.metric}`", shown(row.ours), row.package, shown(row.theirs),
         "equal" if row.is_equal else str(row.reason))
        for row in rows
        if row.series == series
    ]  # fmt: skip


def odd() -> str:
    """Return a table of the reasons that hold for one series alone."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for series, reasons in SOMETIMES.items():
        for (metric, package), why in reasons.items():
            found.setdefault((series, package, why), []).append(f"`{metric}`")
    lines = [(*key[:2], ", ".join(metrics), key[2]) for key, metrics in found.items()]
    lines.append(("wiped out", "all", "of returns", GOES_ON))
    return table(("series", "package", "metrics", "why"), lines)


def shown(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} last, {shown(value[-1])}" if value else "none"
    if value is None or isinstance(value, str):
        return "NULL" if value is None else value
    return f"{value:.6g}"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a table of Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)
