"""Figures of returns, risk and exposure."""

from __future__ import annotations

from ml4t.backtest.results.page.figure import Channel, Encoding, Figure, FigureKind, Format
from ml4t.backtest.results.page.metric_formats import metrics_shown

_X, _Y, _COLOR = Channel.X, Channel.Y, Channel.COLOR
_BAR = Encoding("timestamp", "Bar", Format.TIME, _X)
HEADLINE = (
    "total_return", "cagr", "volatility", "sharpe", "sortino", "max_drawdown", "calmar",
    "excess_return", "beta", "final_value", "costs", "turnover", "exposure", "n_trades",
    "hit_rate", "profit_factor",
)  # fmt: skip
RETURN_FIGURES = (
    Figure(
        name="audits",
        section="Trust",
        title="Checks of the tables",
        meaning="Whether the tables of the run agree with each other, asked when this was shown.",
        kind=FigureKind.TABLE,
        columns=(
            Encoding("audit", "Check", Format.TEXT),
            Encoding("gap", "Largest gap, or rows that are wrong", Format.NUMBER),
            Encoding("holds", "Holds", Format.FLAG),
        ),
    ),
    Figure(
        name="headline",
        section="Summary",
        title="In short",
        meaning="What a reader asks first; what each means stands with all metrics.",
        kind=FigureKind.FACTS,
        columns=metrics_shown(HEADLINE),
    ),
    Figure(
        name="equity",
        section="Returns",
        title="Equity",
        meaning="What the account was worth at each close, and the same capital in the benchmark, "
        "where the run has one.",
        kind=FigureKind.LINES,
        columns=(
            _BAR,
            Encoding("equity", "Equity", Format.MONEY, _Y),
            Encoding("benchmark", "Benchmark", Format.MONEY, _Y),
        ),
        has_log=True,
    ),
    Figure(
        name="drawdown",
        section="Returns",
        title="Drawdown",
        meaning="How far below its highest value it was, the initial capital counted.",
        kind=FigureKind.AREA,
        columns=(
            _BAR,
            Encoding("drawdown", "Drawdown", Format.PERCENT, _Y),
            Encoding("benchmark_drawdown", "Benchmark", Format.PERCENT, _Y),
        ),
    ),
    Figure(
        name="drawdowns",
        section="Returns",
        title="Deepest drawdowns",
        meaning="From peak to recovery; without a recovery it lasts.",
        kind=FigureKind.TABLE,
        columns=(
            Encoding("rank", "Rank", Format.COUNT),
            Encoding("start", "Peak", Format.TIME),
            Encoding("bottom", "Bottom", Format.TIME),
            Encoding("recovery", "Recovery", Format.TIME),
            Encoding("drawdown", "Depth", Format.PERCENT),
            Encoding("n_bars", "Bars below the peak", Format.COUNT),
            Encoding("n_days", "Days", Format.COUNT),
        ),
    ),
    Figure(
        name="monthly_returns",
        section="Returns",
        title="Monthly returns",
        meaning="What each calendar month made; all of them compound to the total return.",
        kind=FigureKind.HEAT,
        columns=(
            Encoding("year", "Year", Format.TEXT, _Y),
            Encoding("month", "Month", Format.TEXT, _X),
            Encoding("return", "Return", Format.PERCENT, _COLOR),
        ),
    ),
    Figure(
        name="yearly_returns",
        section="Returns",
        title="Yearly returns",
        meaning="What each calendar year made, and the benchmark, where the run has one.",
        kind=FigureKind.BARS,
        columns=(
            Encoding("year", "Year", Format.TEXT, _X),
            Encoding("return", "Return", Format.PERCENT, _Y),
            Encoding("benchmark_return", "Benchmark", Format.PERCENT, _Y),
        ),
    ),
    Figure(
        name="return_distribution",
        section="Returns",
        title="Distribution of returns",
        meaning="How many bars made how much.",
        kind=FigureKind.BARS,
        columns=(
            Encoding("return_from", "Return per bar from", Format.PERCENT, _X),
            Encoding("return_to", "to below", Format.PERCENT),
            Encoding("n_bars", "Bars", Format.COUNT, _Y),
        ),
    ),
)
ROLLING_FIGURES = tuple(
    Figure(
        name=f"rolling_{column}",
        section="Rolling",
        title=title,
        meaning=meaning,
        kind=FigureKind.LINES,
        columns=(_BAR, Encoding(column, title.removeprefix("Rolling ").capitalize(), format_, _Y)),
    )
    for column, title, meaning, format_ in (
        ("volatility", "Rolling volatility", "Annual, over the half year up to each bar.",
         Format.PERCENT),
        ("sharpe", "Rolling Sharpe ratio", "Annual, over the half year up to each bar.",
         Format.NUMBER),
        ("beta", "Rolling beta", "To the benchmark, over the half year up to each bar.",
         Format.NUMBER),
    )
)  # fmt: skip
EXPOSURE_FIGURES = (
    Figure(
        name="exposures",
        section="Exposure",
        title="Exposure",
        meaning="Long, short and net value at each close, as fractions of equity.",
        kind=FigureKind.LINES,
        columns=(
            _BAR,
            Encoding("long_exposure", "Long", Format.PERCENT, _Y),
            Encoding("short_exposure", "Short", Format.PERCENT, _Y),
            Encoding("net_exposure", "Net", Format.PERCENT, _Y),
        ),
    ),
    Figure(
        name="positions_held",
        section="Exposure",
        title="Positions",
        meaning="Assets held at each close, and how many of equal size would be as concentrated.",
        kind=FigureKind.LINES,
        columns=(
            _BAR,
            Encoding("n_positions", "Held", Format.COUNT, _Y),
            Encoding("effective_positions", "Effective", Format.NUMBER, _Y),
        ),
    ),
    Figure(
        name="largest_weight",
        section="Exposure",
        title="Largest position",
        meaning="The largest position at each close, as a fraction of equity.",
        kind=FigureKind.LINES,
        columns=(
            _BAR,
            Encoding("largest_weight", "Largest weight", Format.PERCENT, _Y),
            Encoding("largest_asset", "Asset", Format.TEXT),
        ),
    ),
)
