"""ml4t.backtest: an SQL-native backtester.

Parquet in, ranked batches through one loop, DuckDB tables out. The names below are in the
order in which a run uses them.
"""

from ml4t.backtest.config import BacktestConfig
from ml4t.backtest.core.batch import Batch, Selection
from ml4t.backtest.core.levels import LevelBase, LevelPolicy, TrailBy, TrailStart, Trigger
from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.selection import recipes
from ml4t.backtest.engine import BacktestEngine
from ml4t.backtest.errors import (
    BacktestError,
    ConfigError,
    CostError,
    DataError,
    ExpressionError,
    ResultError,
    SignalError,
)
from ml4t.backtest.execution import (
    ActionPolicy,
    BasisPointCommission,
    BasisPointSlippage,
    CashAccount,
    ExecutionPolicy,
    Financing,
    FixedSlippage,
    MakerTakerCommission,
    MarginAccount,
    NextClose,
    NextOpen,
    Order,
    PerOrderCommission,
    PerShareCommission,
    Shortfall,
    SizedAt,
    SpreadSlippage,
    SquareRootImpact,
    ThisClose,
    TieredCommission,
    VolumeShareSlippage,
    VolumeWeighted,
)
from ml4t.backtest.results.page.comparing import report_runs
from ml4t.backtest.results.page.profiling import report_profile
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.run_store.store import RunStore
from ml4t.backtest.strategies.sql import SQLStrategy
from ml4t.backtest.strategies.top_n import TopN
from ml4t.backtest.strategy.base import Strategy
from ml4t.backtest.version import own_version

Engine = BacktestEngine

__all__ = [
    "Catalog",
    "Strategy",
    "TopN",
    "SQLStrategy",
    "recipes",
    "Ranking",
    "BacktestConfig",
    "BasisPointCommission",
    "PerShareCommission",
    "PerOrderCommission",
    "TieredCommission",
    "MakerTakerCommission",
    "BasisPointSlippage",
    "FixedSlippage",
    "SpreadSlippage",
    "VolumeShareSlippage",
    "SquareRootImpact",
    "Financing",
    "CashAccount",
    "MarginAccount",
    "ExecutionPolicy",
    "NextOpen",
    "NextClose",
    "ThisClose",
    "VolumeWeighted",
    "LevelPolicy",
    "LevelBase",
    "TrailStart",
    "TrailBy",
    "Trigger",
    "Shortfall",
    "SizedAt",
    "ActionPolicy",
    "Batch",
    "Selection",
    "Order",
    "BacktestEngine",
    "Engine",
    "BacktestResult",
    "RunStore",
    "report_profile",
    "report_runs",
    "BacktestError",
    "ConfigError",
    "CostError",
    "DataError",
    "ExpressionError",
    "ResultError",
    "SignalError",
]


def __getattr__(name: str) -> str:
    """Return ``__version__``, which is looked up in the installed files when it is asked for."""
    if name == "__version__":
        return own_version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
