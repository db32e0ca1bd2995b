"""Laying: where figures stand on a page, with their captions, data and queries."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from ml4t.backtest.results.page.figure import Channel, Figure, FigureKind
from ml4t.backtest.results.page.gathering import Gathered
from ml4t.backtest.results.page.shown import facts_html, heat_html, metrics_html, table_html

# The saved run, as the commands below a figure name it.
RUN_FILE = "run.duckdb"
HOW_OF_RUN = (
    f"Run it on the saved run: <code>duckdb {RUN_FILE}</code> and paste it, "
    f'<code>ml4t-backtest query {RUN_FILE} --sql "..."</code>, or '
    f'<code>BacktestResult.open("{RUN_FILE}").sql("...").df()</code>.'
)
# Longer tables are drawn by a script, row by row as they are scrolled to.
MOST_STATIC = 60
# As `assets/js/marks.js` and `figures.js` have it: more bars stand, and what is shown first.
MOST_LYING, FIRST_SPLIT = 12, "exit_rule"
WIDE = {"audits", "headline", "equity", "drawdown", "drawdowns", "monthly_returns", "attribution",
        "trades", "trade", "metrics", "profiled_columns", "column_coverage", "distributions",
        "asset_gaps", "null_shares", "column_dispersion", "widest_gaps"}  # fmt: skip
# Three of them stand side by side.
THIRD = {"Rolling", "Exposure"}


def section_html(name: str, parts: Iterable[str]) -> str:
    """Return the figures of a section under its heading."""
    slug = f"section-{name.lower()}"
    return (
        f'<section class="part" id="{slug}" aria-labelledby="{slug}-heading">'
        f'<h2 id="{slug}-heading">{escape(name)}</h2>'
        f'<div class="figures">{"".join(parts)}</div></section>'
    )


def navigation_html(names: Iterable[str]) -> str:
    """Return the links to sections."""
    return "".join(
        f'<li><a href="#section-{name.lower()}">{escape(name)}</a></li>' for name in names
    )


def figure_html(one: Gathered, note: str, how: str = HOW_OF_RUN) -> str:
    """Return a figure: caption, picture or table, its query, and how a reader runs it, as HTML."""
    figure = one.figure
    width = "wide" if figure.name in WIDE else "half"
    if figure.section in THIRD or figure.kind is FigureKind.SCATTER:
        width = "third"
    said = f'<p class="note">{escape(note)}</p>' if note and not one.is_empty else ""
    return (
        f'<figure class="figure {width} of-{figure.kind}" id="{figure.name}" '
        f'data-figure="{figure.name}"><figcaption><h3>{escape(figure.title)}</h3>'
        f"<p>{escape(figure.meaning)}</p></figcaption>{_body(one)}{said}"
        f"{_query_html(figure, how)}</figure>"
    )


def _body(one: Gathered) -> str:
    figure = one.figure
    if one.is_empty:
        return '<p class="nothing">Nothing to show: there are no such rows.</p>'
    if figure.kind is FigureKind.FACTS:
        make = metrics_html if figure.name == "metrics" else facts_html
        return make(figure, one.rows()[0])
    if figure.kind is FigureKind.HEAT:
        return heat_html(figure, one.rows())
    if figure.kind is FigureKind.TABLE:
        if one.n_rows <= MOST_STATIC and figure.name != "trades":
            return table_html(figure, one.rows())
        return '<div class="grid" data-grid></div>'
    return (
        f'<div class="tools"></div><div class="chart {_height(one)}"></div><p class="readout"></p>'
    )


def _height(one: Gathered) -> str:
    """Return the class of a picture of few bars that lie, which is as high as they need."""
    x = one.figure.on(Channel.X)[0].column
    if one.figure.kind is not FigureKind.BARS or one.columns[x].dtype.kind not in "OU":
        return ""
    split = one.figure.on(Channel.SPLIT)
    parts = [row[0] for row in one.rows()] if split else []
    n_bars = one.n_rows
    if split:
        n_bars = parts.count(FIRST_SPLIT if FIRST_SPLIT in parts else parts[0])
    return f"rows-{n_bars}" if n_bars <= MOST_LYING else ""


def _query_html(figure: Figure, how: str) -> str:
    query, grain = escape(figure.query), escape(figure.grain)
    return (
        f'<details class="sql"><summary>Show SQL<span class="unseen"> and data of '
        f"{escape(figure.title)}</span></summary>"
        f'<div class="code"><button type="button" class="quiet copy">Copy</button>'
        f'<pre tabindex="0"><code>{query}</code></pre></div>'
        f'<p class="how">{grain[:1].upper()}{grain[1:]}. {how}</p>'
        f'<div class="result"></div></details>'
    )
