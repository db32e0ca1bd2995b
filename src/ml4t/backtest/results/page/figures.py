"""The figures of a run, in the order of the page: what pages, plots, apps and programs show.

To add one, write its query to ``sql/page`` and declare it in `return_figures` or `trade_figures`.
"""

from __future__ import annotations

from ml4t.backtest.results.page.figure import Figure, FigureKind
from ml4t.backtest.results.page.metric_formats import METRIC_FORMATS, metrics_shown
from ml4t.backtest.results.page.return_figures import (
    EXPOSURE_FIGURES,
    RETURN_FIGURES,
    ROLLING_FIGURES,
)
from ml4t.backtest.results.page.trade_figures import (
    ATTRIBUTION_FIGURES,
    COST_FIGURES,
    TRADE_FIGURES,
)

ALL_METRICS = Figure(
    name="metrics",
    section="Metrics",
    title="All metrics",
    meaning="Every metric of the run, with what it means.",
    kind=FigureKind.FACTS,
    columns=metrics_shown(METRIC_FORMATS),
)
FIGURES = {
    figure.name: figure
    for figure in (
        *RETURN_FIGURES,
        *ROLLING_FIGURES,
        *EXPOSURE_FIGURES,
        *ATTRIBUTION_FIGURES,
        *TRADE_FIGURES,
        *COST_FIGURES,
        ALL_METRICS,
    )
}
