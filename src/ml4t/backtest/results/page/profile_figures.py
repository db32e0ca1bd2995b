"""Figures of a profile: what the columns of the sources hold, and when they were known."""

from __future__ import annotations

from functools import partial

from ml4t.backtest.results.page.figure import Channel, Encoding, Figure, FigureKind, Format

# Where their queries are: under ``sql/``.
PROFILE_FOLDER = "profile_page"
_figure = partial(Figure, folder=PROFILE_FOLDER)
_X, _Y, _SPLIT = Channel.X, Channel.Y, Channel.SPLIT
_SOURCE = Encoding("source", "Source", Format.TEXT)
_COLUMN = Encoding("column_name", "Column", Format.TEXT)
_ASSET = Encoding("asset_id", "Asset", Format.TEXT)
_OF_SOURCE = Encoding("source", "Source", Format.TEXT, _SPLIT)
_OF_COLUMN = Encoding("feature", "Column", Format.TEXT, _SPLIT)
_PERIOD = Encoding("period", "Period", Format.TIME, _X)
_ROWS = Encoding("n_rows", "Rows", Format.COUNT)
_BARS = Encoding("n_bars", "Bars", Format.COUNT)
_MISSING = Encoding("n_missing", "Bars missing", Format.COUNT)
_GAP_AFTER = Encoding("gap_after", "After", Format.TIME)
_COLUMN_FIGURES = (
    _figure(
        name="profiled_columns",
        section="Columns",
        title="All columns",
        meaning="What is missing, and the worst period of each; a column that is alike among all "
        "assets of a bar cannot rank there.",
        kind=FigureKind.TABLE,
        columns=(
            _SOURCE,
            _COLUMN,
            Encoding("column_type", "Type", Format.TEXT),
            _ROWS,
            Encoding("null_share", "NULL", Format.PERCENT),
            Encoding("n_not_finite", "Not finite", Format.COUNT),
            Encoding("n_distinct", "Distinct", Format.COUNT),
            Encoding("lowest_coverage", "Lowest coverage", Format.PERCENT),
            Encoding("largest_psi", "Largest PSI", Format.NUMBER),
            Encoding("alike_share", "Bars alike", Format.PERCENT),
            Encoding("first_known", "First known", Format.TEXT),
            Encoding("last_known", "Last known", Format.TEXT),
        ),
    ),
    _figure(
        name="null_shares",
        section="Columns",
        title="NULL share",
        meaning="Rows of the source in which the column is NULL.",
        kind=FigureKind.BARS,
        columns=(
            _OF_SOURCE,
            Encoding("column_name", "Column", Format.TEXT, _X),
            Encoding("null_share", "NULL", Format.PERCENT, _Y),
            Encoding("n_null", "Rows", Format.COUNT),
            Encoding("n_rows", "Rows in all", Format.COUNT),
        ),
    ),
)
_CLOCK_FIGURES = (
    _figure(
        name="column_coverage",
        section="Clock",
        title="Coverage",
        meaning="Share of the bars of the assets at which the column was known and not NULL.",
        kind=FigureKind.BARS,
        columns=(
            _OF_COLUMN,
            _PERIOD,
            Encoding("coverage", "Coverage", Format.PERCENT, _Y),
            Encoding("n_known", "Known", Format.COUNT),
            _BARS,
        ),
    ),
    _figure(
        name="match_ages",
        section="Clock",
        title="Staleness of the as-of match",
        meaning="Days from when a row became known to the bar that used it: the middle match, and "
        "the age that 5 % exceed. Prices are known at their own bars.",
        kind=FigureKind.BARS,
        columns=(
            _OF_SOURCE,
            _PERIOD,
            Encoding("median_age_days", "Median, days", Format.NUMBER, _Y),
            Encoding("q95_age_days", "95 %, days", Format.NUMBER, _Y),
            Encoding("max_age_days", "Oldest, days", Format.NUMBER),
            Encoding("median_age_bars", "Median, bars", Format.COUNT),
            Encoding("max_age_bars", "Oldest, bars", Format.COUNT),
        ),
    ),
    _figure(
        name="unmatched_bars",
        section="Clock",
        title="Bars without a match",
        meaning="Share of the bars before any row, and of those whose row is past max_age.",
        kind=FigureKind.BARS,
        columns=(
            _OF_SOURCE,
            _PERIOD,
            Encoding("unmatched_share", "Before any row", Format.PERCENT, _Y),
            Encoding("too_old_share", "Too old", Format.PERCENT, _Y),
            _BARS,
        ),
    ),
)
_VALUE_FIGURES = (
    _figure(
        name="quantiles",
        section="Values",
        title="Distribution",
        meaning="Quantiles of the finite values, all rows of the source.",
        kind=FigureKind.BARS,
        columns=(
            _OF_COLUMN,
            Encoding("quantile", "Quantile", Format.TEXT, _X),
            Encoding("value", "Value", Format.NUMBER, _Y),
        ),
    ),
    _figure(
        name="column_drift",
        section="Values",
        title="Drift",
        meaning="PSI from the period before: below 0.1 little has moved, above 0.25 much.",
        kind=FigureKind.BARS,
        columns=(
            _OF_COLUMN,
            _PERIOD,
            Encoding("psi", "PSI", Format.NUMBER, _Y),
            Encoding("mean", "Mean", Format.NUMBER),
            Encoding("std", "Deviation", Format.NUMBER),
            Encoding("median", "Median", Format.NUMBER),
            Encoding("n_values", "Values", Format.COUNT),
        ),
    ),
    _figure(
        name="column_dispersion",
        section="Values",
        title="Dispersion among assets",
        meaning="Standard deviation among the assets of a bar, mean over the bars; lowest at one.",
        kind=FigureKind.BARS,
        columns=(
            _OF_COLUMN,
            _PERIOD,
            Encoding("mean_std", "Deviation", Format.NUMBER, _Y),
            Encoding("min_std", "Lowest", Format.NUMBER),
            Encoding("mean_of_means", "Mean", Format.NUMBER),
            _BARS,
            Encoding("n_bars_alike", "Bars alike", Format.COUNT),
        ),
    ),
    _figure(
        name="distributions",
        section="Values",
        title="All distributions",
        meaning="Finite numbers alone.",
        kind=FigureKind.TABLE,
        columns=(
            _SOURCE,
            _COLUMN,
            Encoding("min", "Min", Format.NUMBER),
            Encoding("q05", "5 %", Format.NUMBER),
            Encoding("q25", "25 %", Format.NUMBER),
            Encoding("median", "Median", Format.NUMBER),
            Encoding("q75", "75 %", Format.NUMBER),
            Encoding("q95", "95 %", Format.NUMBER),
            Encoding("max", "Max", Format.NUMBER),
            Encoding("mean", "Mean", Format.NUMBER),
            Encoding("std", "Deviation", Format.NUMBER),
        ),
    ),
)
_GAP_FIGURES = (
    _figure(
        name="widest_gaps",
        section="Gaps",
        title="Longest gaps",
        meaning="Bars of the market in a row without a row of the asset.",
        kind=FigureKind.BARS,
        columns=(
            _OF_SOURCE,
            Encoding("asset_id", "Asset", Format.TEXT, _X),
            Encoding("longest_gap", "Longest gap, bars", Format.COUNT, _Y),
            _MISSING,
            _GAP_AFTER,
        ),
    ),
    _figure(
        name="asset_gaps",
        section="Gaps",
        title="Gaps of all assets",
        meaning="From the first row of the asset to its last.",
        kind=FigureKind.TABLE,
        columns=(
            _SOURCE,
            _ASSET,
            Encoding("first_bar", "First bar", Format.TIME),
            Encoding("last_bar", "Last bar", Format.TIME),
            _BARS,
            _MISSING,
            Encoding("n_gaps", "Gaps", Format.COUNT),
            Encoding("longest_gap", "Longest, bars", Format.COUNT),
            _GAP_AFTER,
        ),
    ),
)
PROFILE_FIGURES = {
    figure.name: figure
    for figure in (*_COLUMN_FIGURES, *_CLOCK_FIGURES, *_VALUE_FIGURES, *_GAP_FIGURES)
}
