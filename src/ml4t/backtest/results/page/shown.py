"""Shown: what of a page is text, as HTML that needs no script: numbers, tables, the heat map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import groupby
from operator import attrgetter
from typing import Any

from ml4t.backtest.results.page.figure import Encoding, Figure, Format
from ml4t.backtest.results.page.metric_formats import METRIC_FORMATS, metric_label
from ml4t.backtest.results.page.trust import STANDINGS, Claim, SourceShown, Standing
from ml4t.backtest.results.report.metric_views import METRIC_VIEWS

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# Shades of the heat map on each side of 0; the strongest from so much of the largest move on.
SHADES, FULL_SHADE = 5, 0.8
NOTHING = "–"
# Smaller numbers have three digits instead of two decimals.
LEAST_WITH_DECIMALS = 0.01
RIGHT_ALIGNED = {Format.PERCENT, Format.MONEY, Format.PRICE, Format.NUMBER, Format.COUNT}


def text_of(value: Any, format_: Format) -> str:
    """Return a value as it is read."""
    if value is None:
        return NOTHING
    if format_ is Format.PERCENT:
        return f"{value:.2%}"
    if format_ is Format.COUNT:
        return f"{value:,.0f}"
    if format_ is Format.FLAG:
        return "yes" if value else "no"
    if format_ in (Format.MONEY, Format.PRICE, Format.NUMBER) and not isinstance(value, str):
        is_tiny = value != 0 and abs(value) < LEAST_WITH_DECIMALS
        return f"{value:.3g}" if is_tiny else f"{value:,.2f}"
    return str(value).removesuffix(" 00:00:00")


def facts_html(figure: Figure, row: Sequence[Any]) -> str:
    """Return one row as a list of names and numbers; what does not exist is left out."""
    meanings = metric_meanings()
    items = [
        f'<div data-metric="{one.column}"><dt title="{escape(meanings.get(one.column, ""))}">'
        f"{escape(one.label)}</dt><dd>{escape(text_of(value, one.format))}</dd></div>"
        for one, value in zip(figure.columns, row, strict=True)
        if value is not None
    ]
    return f'<dl class="facts">{"".join(items)}</dl>'


def table_html(figure: Figure, rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as a table."""
    head = "".join(_head(one) for one in figure.columns)
    body = "".join(
        f"<tr>{''.join(_cell(value, one) for one, value in zip(figure.columns, row, strict=True))}"
        "</tr>"
        for row in rows
    )
    return _table(figure.title, f"<tr>{head}</tr>", f"<tbody>{body}</tbody>")


def heat_html(figure: Figure, rows: Sequence[Sequence[Any]]) -> str:
    """Return the returns of months as a table of years, shaded by how much each made."""
    most = max((abs(made) for _, _, made in rows if made is not None), default=0.0)
    years: dict[int, dict[int, float | None]] = {}
    for year, month, made in rows:
        years.setdefault(year, {})[month] = made
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Year", *MONTHS, "Total"))
    body = []
    for year, months in years.items():
        total = 1.0
        for made in months.values():
            total *= 1 + (made or 0.0)
        cells = "".join(_shaded(months.get(month), most) for month in range(1, 13))
        body.append(
            f'<tr><th scope="row">{year}</th>{cells}<td class="total">{total - 1:.1%}</td></tr>'
        )
    return _table(figure.title, f"<tr>{head}</tr>", f"<tbody>{''.join(body)}</tbody>", "heat")


def metrics_html(figure: Figure, row: Sequence[Any]) -> str:
    """Return every metric with what it means, in the groups of their views."""
    values = dict(zip((one.column for one in figure.columns), row, strict=True))
    groups = []
    for view in METRIC_VIEWS:
        title = view.comment.removeprefix("metrics of ").removeprefix("metrics ")
        lines = "".join(
            f'<tr data-metric="{name}"><th scope="row">{escape(metric_label(name))}'
            f"<code>{name}</code></th>"
            f'<td class="number">{escape(text_of(values[name], METRIC_FORMATS[name]))}</td>'
            f"<td>{escape(meaning)}</td></tr>"
            for name, meaning in view.columns.items()
        )
        groups.append(
            f'<tbody><tr class="group"><th scope="colgroup" colspan="3">'
            f"{escape(title[:1].upper() + title[1:])}</th></tr>{lines}</tbody>"
        )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Metric", "Value", "Meaning"))
    return _table(figure.title, f"<tr>{head}</tr>", "".join(groups), "metrics")


def compared_html(runs: Mapping[str, Mapping[str, Any]]) -> str:
    """Return every metric of some runs side by side; those that differ stand out."""
    groups = []
    for view in METRIC_VIEWS:
        lines = []
        for name in view.columns:
            texts = [text_of(metrics[name], METRIC_FORMATS[name]) for metrics in runs.values()]
            cells = "".join(f'<td class="number">{escape(text)}</td>' for text in texts)
            kind = "same" if len(set(texts)) == 1 else "differs"
            lines.append(
                f'<tr class="{kind}" data-metric="{name}"><th scope="row">'
                f"{escape(metric_label(name))}</th>{cells}</tr>"
            )
        groups.append(f"<tbody>{''.join(lines)}</tbody>")
    head = "".join(f'<th scope="col" class="number">{escape(name)}</th>' for name in runs)
    return _table(
        "Metrics side by side",
        f'<tr><th scope="col">Metric</th>{head}</tr>',
        "".join(groups),
        "compared",
    )


def plain_table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return texts as a table under a title."""
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        "<tr>"
        + "".join(f'<td class="path">{escape(text_of(one, Format.TEXT))}</td>' for one in row)
        + "</tr>"
        for row in rows
    )
    return f"<h3>{escape(title)}</h3>{_table(title, f'<tr>{names}</tr>', f'<tbody>{body}</tbody>')}"


def trust_html(found: Iterable[Claim], sources: Iterable[SourceShown], audits: str) -> list[str]:
    """Return what opens the page: claims by standing, and what they rest on."""
    return [
        f'<div class="trust">{_claims_html(found)}<details class="basis"><summary>Sources of the '
        f"run, and checks of its tables</summary>{_sources_html(sources)}{audits}</details></div>"
    ]


def _claims_html(found: Iterable[Claim]) -> str:
    """Return claims in a column per standing; failed checks stand above all of them."""
    alarms, columns = [], []
    for standing, group in groupby(
        sorted(found, key=lambda one: STANDINGS.index(one.standing)),
        attrgetter("standing"),
    ):
        claims = list(group)
        alarms += [one for one in claims if one.is_alarm]
        items = "".join(_claim(one) for one in claims)
        slug = standing.lower().replace(" ", "-")
        columns.append(
            f'<section class="standing {slug}" aria-label="{standing}"><h3>{standing} '
            f'<span class="n">{len(claims)}</span></h3><ul>{items}</ul></section>'
        )
    said = "".join(f"<li>{escape(one.text)}: {escape(one.detail)}</li>" for one in alarms)
    alarm = f'<ul class="alarm" role="alert">{said}</ul>' if alarms else ""
    return f'{alarm}<div class="standings">{"".join(columns)}</div>'


def _sources_html(sources: Iterable[SourceShown]) -> str:
    """Return the sources of a run as a table."""
    names = ("Source", "Role", "Known at", "Content", "Read with")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    body = "".join(
        f'<tr><th scope="row">{escape(one.name)}</th><td>{escape(one.role)}</td>'
        f'<td>{escape(one.clock)}</td><td class="path">{escape(one.content)}</td>'
        f"<td>{escape(one.reading or NOTHING)}</td></tr>"
        for one in sources
    )
    return _table("Sources", f"<tr>{head}</tr>", f"<tbody>{body}</tbody>")


def metric_meanings() -> Mapping[str, str]:
    """Return what each metric means."""
    return {name: text for view in METRIC_VIEWS for name, text in view.columns.items()}


def _claim(claim: Claim) -> str:
    if not claim.detail:
        return f"<li>{escape(claim.text)}</li>"
    said = ""
    if claim.standing is Standing.ASSUMED:  # whose texts are names of settings
        said = f'<span class="short">{escape(claim.detail)}</span>'
    return (
        f"<li><details><summary>{escape(claim.text)}{said}</summary>"
        f"<p>{escape(claim.detail)}</p></details></li>"
    )


def _table(title: str, head: str, body: str, kind: str = "") -> str:
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(title)}">'
        f'<table class="{kind}"><caption class="unseen">{escape(title)}</caption>'
        f"<thead>{head}</thead>{body}</table></div>"
    )


def _head(one: Encoding) -> str:
    kind = ' class="number"' if one.format in RIGHT_ALIGNED else ""
    return f'<th scope="col"{kind}>{escape(one.label)}</th>'


def _cell(value: Any, one: Encoding) -> str:
    kind = ' class="number"' if one.format in RIGHT_ALIGNED else ""
    if one.format is Format.TIME:
        kind = ' class="when"'
    return f"<td{kind}>{escape(text_of(value, one.format))}</td>"


def _shaded(made: float | None, most: float) -> str:
    if made is None:
        return "<td></td>"
    share = min(abs(made) / (FULL_SHADE * most), 1.0) if most else 0.0
    shade = round(share * SHADES)
    kind = f"{'gain' if made > 0 else 'loss'}-{shade}" if shade else "flat"
    return f'<td class="{kind}">{made * 100:.1f}</td>'
