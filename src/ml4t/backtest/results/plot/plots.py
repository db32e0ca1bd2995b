"""Plots: `result.plot`, a chart per figure of the page, each of the figure's own query."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any, Protocol

from ml4t.backtest.data.database import Relation
from ml4t.backtest.data.packages import package
from ml4t.backtest.errors import ConfigError, ResultError, did_you_mean, require_whole
from ml4t.backtest.results.page.figure import Figure, FigureKind
from ml4t.backtest.results.page.figures import FIGURES
from ml4t.backtest.results.plot.drawing import ChartOptions, draw
from ml4t.backtest.results.plot.thinning import FigureRow, shown_of

# What Altair itself takes before it warns of the size of a notebook.
MOST_DRAWN = 5_000
OWN_SIZE = (FigureKind.FACTS, FigureKind.TABLE)


class Plotted(Protocol):
    """What a chart reads."""

    def sql(self, query: str) -> Relation:
        """Query the tables of a run."""
        ...


class Plot:
    """One figure: called, it is a chart of Altair."""

    def __init__(self, run: Plotted, figure: Figure) -> None:
        self._run, self.figure = run, figure
        self.__doc__ = f"{figure.title}: {figure.meaning}"

    def __repr__(self) -> str:
        of = "trade_id" if self.figure.is_picked else ""
        return f"<result.plot.{self.figure.name}({of}): {self.figure.meaning}>"

    def __call__(
        self,
        trade_id: int | None = None,
        *,
        width: int = 720,
        height: int = 280,
        log: bool = False,
        max_rows: int = MOST_DRAWN,
    ) -> Any:
        """Return the chart.

        Parameters
        ----------
        trade_id : int, optional
            Of the figure `trade` alone, which needs it.
        width, height : int
            Pixels of the plot; a table and facts have a size of their own.
        log : bool
            A logarithmic axis, where the figure has one.
        max_rows : int, default 5,000
            Of more rows a line keeps the edges of each stretch, points the extremes and every
            n-th, and the chart says how many of them it draws. A table draws 30.

        Returns
        -------
        altair.Chart or altair.LayerChart
            Its data are in it: it is shown, saved and sent without the run.

        Raises
        ------
        ConfigError
            Altair is not installed, or an argument is none of the figure's.
        """
        figure = self.figure
        if figure.is_picked != (trade_id is not None):
            how = "takes the number of a trade: result.plot.trade(7)" if figure.is_picked else (
                f"is of all trades; result.plot.trade({trade_id}) is of one")  # fmt: skip
            raise ConfigError(f"result.plot.{figure.name} {how}")
        if log and not figure.has_log:
            raise ConfigError(f"result.plot.{figure.name} has no logarithmic axis; leave log out")
        most = require_whole("max_rows", max_rows, least=20)
        for name, given in (("width", width), ("height", height)):
            require_whole(name, given, least=1)
        alt = package("altair", extra="plot")
        rows = self._rows(trade_id)
        drawn = draw(alt, figure, rows, ChartOptions(is_log=log, most=most))
        chart = drawn.chart
        if figure.kind not in OWN_SIZE or not rows:
            chart = chart.properties(width=width, height=height)
        cut = shown_of(drawn.n_rows, len(rows)) if drawn.n_rows else None
        title = alt.TitleParams(
            figure.title, anchor="start", subtitle=[figure.meaning, *([cut] if cut else [])]
        )
        return chart.properties(title=title)

    def _rows(self, trade_id: int | None) -> list[FigureRow]:
        query = self.figure.query
        if trade_id is not None:
            query = self.figure.query_of(require_whole("trade_id", trade_id, least=0))
        relation = self._run.sql(query)
        names = [one.column for one in self.figure.columns]
        rows: list[FigureRow] = [
            dict(zip(names, map(_json, row), strict=True)) for row in relation.fetchall()
        ]
        if trade_id is not None and not rows:
            raise ResultError(f"there is no trade {trade_id}; result.trades has all of them")
        return rows


class Plots:
    """The figures of a run: ``result.plot.equity()``, ``result.plot.trade(7)``, ...

    As a list it has their names, in the order of the page.
    """

    def __init__(self, run: Plotted) -> None:
        self._run = run

    def __getattr__(self, name: str) -> Plot:
        if name.startswith("__") or name not in FIGURES:
            raise AttributeError(f"there is no figure {name!r}{did_you_mean(name, FIGURES)}")
        return Plot(self._run, FIGURES[name])

    def __dir__(self) -> list[str]:
        return [*FIGURES]

    def __iter__(self) -> Any:
        return iter(FIGURES)

    def __repr__(self) -> str:
        return "\n".join(repr(getattr(self, name)) for name in FIGURES)


def _json(value: object) -> object:
    """Return a value as Vega reads it.

    Times are the clock of the run's zone: with an offset a browser would show them in its own, and
    a date alone it would take for midnight in UTC.
    """
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat()
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00"
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value if isinstance(value, bool | int | str) or value is None else str(value)
