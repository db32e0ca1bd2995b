"""The demo: the reference rotation on a made-up market, saved, and three questions to it.

Steps of `run_demo`: `make_market` -> catalog -> engine -> save -> the queries of ``sql/demo``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.sql_files import read
from ml4t.backtest.engine import BacktestEngine
from ml4t.backtest.progress import Progress
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.risk import (
    DynamicTrailingStop,
    RiskManager,
    TimeBasedExit,
    VolatilityScaledStopLoss,
)
from ml4t.backtest.strategies.top_n import TopN
from ml4t.backtest.synthetic import make_market

FOLDER = Path("out") / "demo"
INITIAL_CAPITAL = 1_000_000.0
QUESTIONS = {
    "P&L by exit rule": "demo/exits_by_rule",
    "Equity by month": "demo/equity_by_month",
    "Assets that made most": "demo/top_assets",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What a demo leaves behind.

    Attributes
    ----------
    folder : Path
        With ``prices.parquet``, ``features.parquet`` and ``context.parquet``.
    saved_to : Path
        The run as a DuckDB file.
    result : BacktestResult
    questions : dict of str to str
        SQL over the result, by title.
    """

    folder: Path
    saved_to: Path
    result: BacktestResult
    questions: dict[str, str]


def demo_engine(folder: str | Path) -> BacktestEngine:
    """Return the reference rotation over a folder that `make_market` wrote.

    Top 25 by `ml_score` among assets with an ATR, 4% each, every fifth bar, not while the VIX
    is above 30; exits at 2 ATR, at 5% below the best price and after 60 bars.
    """
    catalog = Catalog()
    catalog.register("prices", Path(folder) / "prices.parquet")
    catalog.register("features", Path(folder) / "features.parquet")
    catalog.register("context", Path(folder) / "context.parquet")
    return BacktestEngine(
        catalog,
        TopN(25, by="ml_score", where="atr is not null", when="vix <= 30", every=5),
        risk_manager=RiskManager(
            [VolatilityScaledStopLoss(2.0), DynamicTrailingStop(0.05), TimeBasedExit(60)]
        ),
        initial_capital=INITIAL_CAPITAL,
    )


def run_demo(folder: str | Path = FOLDER, *, progress: Progress | None = None) -> Demo:
    """Make the data set (500 assets, 252 bars), run the reference rotation, save ``run.duckdb``.

    Parameters
    ----------
    folder : str or Path
        Made where it is missing; files of an earlier demo are replaced.
    progress : callable, optional
        As in `BacktestEngine.run`.

    Returns
    -------
    Demo
    """
    target = make_market(folder)
    result = demo_engine(target).run(progress)
    return Demo(
        folder=target,
        saved_to=result.save(target / "run.duckdb"),
        result=result,
        questions={title: read(name) for title, name in QUESTIONS.items()},
    )
