"""Drawing: one function per kind of figure, from its declaration and rows to a chart of Altair."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml4t.backtest.results.page.figure import Channel, Encoding, Figure, FigureKind, Format
from ml4t.backtest.results.page.shown import text_of
from ml4t.backtest.results.plot.thinning import FigureRow, thinned_lines, thinned_points

FORMATS = {
    Format.PERCENT: ".2%",
    Format.MONEY: ",.2f",
    Format.PRICE: ",.4~f",
    Format.NUMBER: ",.4~g",
    Format.COUNT: ",d",
}
AXES = {**FORMATS, Format.PERCENT: "~%", Format.MONEY: "~s", Format.NUMBER: "~g"}
FIRST, SECOND, LOSS, GAIN = "#2f6fde", "#98a2b3", "#d1453b", "#2a9d6f"
COLORS = [FIRST, SECOND, "#e08e2b", GAIN]
TABLE_ROWS = 30
LINE = 17  # pixels of a line of text
FEW_LABELS = 12  # labels of an axis that stand beside each other
# Columns of a chart whose series are below each other; no query has such names.
SERIES, VALUE = "series_", "value_"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart, and how many rows of its figure are in it."""

    chart: Any
    n_rows: int


@dataclass(frozen=True, slots=True)
class ChartOptions:
    """What the caller wants of a chart."""

    is_log: bool
    most: int


def draw(alt: Any, figure: Figure, rows: Sequence[FigureRow], asked: ChartOptions) -> Drawn:
    """Return the chart of a figure; where it has nothing to show, that in words."""
    if not rows:
        return Drawn(_words(alt, "This run has nothing to show here."), 0)
    return _DRAWN_BY[figure.kind](alt, figure, rows, asked)


def _lines(alt: Any, figure: Figure, rows: Sequence[FigureRow], asked: ChartOptions) -> Drawn:
    (x,), series = figure.on(Channel.X), _with_values(figure.on(Channel.Y), rows)
    if not series:
        return Drawn(_words(alt, "This run has nothing to show here."), 0)
    kept = thinned_lines(rows, [one.column for one in series], asked.most)
    long = [
        {"x": row[x.column], SERIES: one.label, VALUE: row[one.column]}
        for row in kept
        for one in series
    ]
    scale = alt.Scale(type="log") if asked.is_log else alt.Scale(zero=False)
    unit = series[0].format
    base = alt.Chart(alt.InlineData(values=long)).encode(
        x=_axis(alt, alt.X, "x", x),
        y=alt.Y(f"{VALUE}:Q", title=None, axis=alt.Axis(format=AXES[unit]), scale=scale),
        color=_colors(alt, [one.label for one in series]),
        tooltip=[
            _tooltip(alt, "x", x), alt.Tooltip(f"{SERIES}:N", title="Series"),
            alt.Tooltip(f"{VALUE}:Q", title="Value", format=FORMATS[unit]),
        ],
    )  # fmt: skip
    if figure.kind is FigureKind.AREA:
        base = base.mark_area(opacity=0.35, line=True, clip=True)
        base = base.encode(y=base.encoding.y.stack(None))
    else:
        base = base.mark_line(strokeWidth=1.5, clip=True)
    return Drawn(base.interactive(bind_y=False), len(kept))


def _bars(alt: Any, figure: Figure, rows: Sequence[FigureRow], asked: ChartOptions) -> Drawn:
    (x,), series = figure.on(Channel.X), _with_values(figure.on(Channel.Y), rows)
    kept = list(rows[: asked.most])
    long = [{**row, SERIES: one.label, VALUE: row[one.column]} for row in kept for one in series]
    unit = series[0].format
    end = _end_of(figure, x)
    chart = alt.Chart(alt.InlineData(values=long)).mark_bar()
    if end is not None:
        across = {
            "x": alt.X(f"{x.column}:Q", bin="binned", title=x.label,
                       axis=alt.Axis(format=AXES[x.format])),
            "x2": f"{end.column}:Q",
        }  # fmt: skip
    elif x.format is Format.TIME:
        across = {"x": alt.X(f"{x.column}:T", timeUnit="yearmonth", title=x.label)}
    else:
        angle = 0 if len(kept) <= FEW_LABELS else -45
        axis = alt.Axis(labelAngle=angle)
        across = {"x": alt.X(f"{x.column}:O", sort=None, title=x.label, axis=axis)}
    if len(series) > 1:
        across |= {"xOffset": alt.XOffset(f"{SERIES}:N", sort=None)}
        color = _colors(alt, [one.label for one in series])
    else:
        is_loss = alt.datum[VALUE] < 0
        color = alt.condition(is_loss, alt.value(LOSS), alt.value(FIRST))
    shown = [one for one in figure.columns if one not in series]
    chart = chart.encode(
        y=alt.Y(f"{VALUE}:Q", title=series[0].label if len(series) == 1 else None,
                axis=alt.Axis(format=AXES[unit])),
        color=color,
        tooltip=[*(_tooltip(alt, one.column, one) for one in shown),
                 alt.Tooltip(f"{SERIES}:N", title="Series"),
                 alt.Tooltip(f"{VALUE}:Q", title="Value", format=FORMATS[unit])],
        **across,
    )  # fmt: skip
    for split in figure.on(Channel.SPLIT):
        parts = list(dict.fromkeys(row[split.column] for row in rows))
        choice = alt.param(
            name=split.column, value=parts[0],
            bind=alt.binding_select(options=parts, name=f"{split.label} "),
        )  # fmt: skip
        chart = chart.add_params(choice).transform_filter(alt.datum[split.column] == choice)
    return Drawn(chart, len(kept))


def _heat(alt: Any, figure: Figure, rows: Sequence[FigureRow], asked: ChartOptions) -> Drawn:
    (x,), (y,), (color,) = (figure.on(one) for one in (Channel.X, Channel.Y, Channel.COLOR))
    kept = list(rows[: asked.most])
    base = alt.Chart(alt.InlineData(values=kept)).encode(
        x=alt.X(f"{x.column}:O", title=x.label, axis=alt.Axis(labelAngle=0)),
        y=alt.Y(f"{y.column}:O", title=y.label),
    )
    scale = alt.Scale(domainMid=0, range=[LOSS, "#f7f7f5", GAIN], interpolate="rgb")
    cells = base.mark_rect().encode(
        color=alt.Color(f"{color.column}:Q", scale=scale, legend=None),
        tooltip=[_tooltip(alt, one.column, one) for one in figure.columns],
    )
    texts = base.mark_text(fontSize=10, color="#1f2937").encode(
        text=alt.Text(f"{color.column}:Q", format=".1%")
    )
    return Drawn(alt.layer(cells, texts), len(kept))


def _scatter(alt: Any, figure: Figure, rows: Sequence[FigureRow], asked: ChartOptions) -> Drawn:
    (x,), (y,) = figure.on(Channel.X), figure.on(Channel.Y)
    kept = thinned_points(rows, y.column, asked.most)
    is_loss = alt.datum[y.column] < 0
    chart = alt.Chart(alt.InlineData(values=kept)).mark_circle(opacity=0.55, size=28)
    chart = chart.encode(
        x=_axis(alt, alt.X, x.column, x),
        y=_axis(alt, alt.Y, y.column, y),
        color=alt.condition(is_loss, alt.value(LOSS), alt.value(FIRST)),
        tooltip=[_tooltip(alt, one.column, one) for one in figure.columns],
    )
    return Drawn(chart.interactive(), len(kept))


def _trade(alt: Any, figure: Figure, rows: Sequence[FigureRow], asked: ChartOptions) -> Drawn:
    """Draw the closes as a line, what has a price as a point on it, what has none as an upright."""
    (x,), (y,), (color,) = (figure.on(one) for one in (Channel.X, Channel.Y, Channel.COLOR))
    kept = list(rows[: asked.most])
    closes = [row for row in kept if row[color.column] == "close"]
    points = [row for row in kept if row[color.column] != "close" and row[y.column] is not None]
    others = [row for row in kept if row[y.column] is None]
    across = _axis(alt, alt.X, x.column, x)
    up = _axis(alt, alt.Y, y.column, y)
    tooltip = [_tooltip(alt, one.column, one) for one in figure.columns]
    colors = alt.Color(
        f"{color.column}:N", title=color.label,
        scale=alt.Scale(domain=["close", "entry", "exit", "level", "decision", "selection"],
                        range=[SECOND, GAIN, LOSS, "#e08e2b", "#8b5cf6", FIRST]),
    )  # fmt: skip
    said = alt.Chart(alt.InlineData(values=others)).mark_rule(strokeDash=[3, 3], opacity=0.7)
    line = alt.Chart(alt.InlineData(values=closes)).mark_line(strokeWidth=1.5)
    marks = alt.Chart(alt.InlineData(values=points)).mark_point(size=90, filled=True, opacity=1)
    layers = [
        said.encode(x=across, color=colors, tooltip=tooltip),
        line.encode(x=across, y=up, color=colors),
        marks.encode(
            x=across, y=up, color=colors, tooltip=tooltip,
            shape=alt.Shape(f"{color.column}:N", legend=None),
        ),
    ]  # fmt: skip
    return Drawn(alt.layer(*layers), len(kept))


def _table(alt: Any, figure: Figure, rows: Sequence[FigureRow], asked: ChartOptions) -> Drawn:
    kept = list(rows[: min(TABLE_ROWS, asked.most)])
    cells = [
        {"row": i, "column": one.label, "text": _cell(row[one.column], one.format)}
        for i, row in enumerate(kept)
        for one in figure.columns
    ]
    chart = alt.Chart(alt.InlineData(values=cells)).mark_text(fontSize=11)
    chart = chart.encode(
        x=alt.X("column:N", sort=None, title=None,
                axis=alt.Axis(orient="top", labelAngle=0, domain=False, ticks=False)),
        y=alt.Y("row:O", title=None, axis=None),
        text="text:N",
    )  # fmt: skip
    size = {"width": 100 * len(figure.columns), "height": LINE * len(kept)}
    chart = chart.properties(view=alt.ViewBackground(stroke=None), **size)
    return Drawn(chart, len(kept))


def _facts(alt: Any, figure: Figure, rows: Sequence[FigureRow], _: ChartOptions) -> Drawn:
    facts = [
        {"row": i, "label": one.label, "text": _cell(rows[0][one.column], one.format)}
        for i, one in enumerate(figure.columns)
    ]
    base = alt.Chart(alt.InlineData(values=facts)).encode(y=alt.Y("row:O", axis=None))
    labels = base.mark_text(align="left", color="#6b7280").encode(text="label:N", x=alt.value(0))
    texts = base.mark_text(align="right").encode(text="text:N", x=alt.value(360))
    chart = alt.layer(labels, texts).properties(
        width=360, height=LINE * len(facts), view=alt.ViewBackground(stroke=None)
    )
    return Drawn(chart, len(rows))


_DRAWN_BY: Mapping[
    FigureKind, Callable[[Any, Figure, Sequence[FigureRow], ChartOptions], Drawn]
] = {
    FigureKind.LINES: _lines,
    FigureKind.AREA: _lines,
    FigureKind.BARS: _bars,
    FigureKind.HEAT: _heat,
    FigureKind.SCATTER: _scatter,
    FigureKind.TRADE: _trade,
    FigureKind.TABLE: _table,
    FigureKind.FACTS: _facts,
}


def _cell(value: Any, form: Format) -> str:
    # As JSON writes midnight.
    return text_of(value, form).removesuffix("T00:00:00")


def _with_values(series: Sequence[Encoding], rows: Sequence[FigureRow]) -> list[Encoding]:
    """Return the columns that are not NULL from end to end, as a benchmark that the run has not."""
    return [one for one in series if any(row[one.column] is not None for row in rows)]


def _end_of(figure: Figure, x: Encoding) -> Encoding | None:
    """Return where a class that begins at x ends: the column beside it, of the same format."""
    after = figure.columns[figure.columns.index(x) + 1]
    is_class = x.format is Format.PERCENT and after.channel is Channel.TEXT
    return after if is_class and after.format is x.format else None


def _axis(alt: Any, channel: Any, column: str, shown: Encoding) -> Any:
    if shown.format is Format.TIME:
        return channel(f"{column}:T", title=None)
    axis = alt.Axis(format=AXES[shown.format])
    return channel(f"{column}:Q", title=shown.label, axis=axis, scale=alt.Scale(zero=False))


def _tooltip(alt: Any, column: str, shown: Encoding) -> Any:
    if shown.format is Format.TIME:
        return alt.Tooltip(f"{column}:T", title=shown.label, format="%Y-%m-%d %H:%M")
    if shown.format in FORMATS:
        return alt.Tooltip(f"{column}:Q", title=shown.label, format=FORMATS[shown.format])
    return alt.Tooltip(f"{column}:N", title=shown.label)


def _colors(alt: Any, labels: Sequence[str]) -> Any:
    legend = alt.Legend(orient="top", title=None) if len(labels) > 1 else None
    scale = alt.Scale(domain=list(labels), range=COLORS[: len(labels)])
    return alt.Color(f"{SERIES}:N", scale=scale, legend=legend, sort=None)


def _words(alt: Any, text: str) -> Any:
    data = alt.InlineData(values=[{"text": text}])
    return alt.Chart(data).mark_text(color="#6b7280", fontSize=13).encode(text="text:N")
