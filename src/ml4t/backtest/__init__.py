"""ml4t.backtest: an SQL-native backtester.

Parquet in, ranked batches through one loop, DuckDB tables out. The names below are in the
order in which a run uses them.
"""

from typing import TYPE_CHECKING

from ml4t.backtest.lazy import names_of
from ml4t.backtest.version import own_version

if TYPE_CHECKING:
    from ml4t.backtest.audit.fill_checks import check_fills
    from ml4t.backtest.config import BacktestConfig
    from ml4t.backtest.core.batch import Batch, Selection
    from ml4t.backtest.core.levels import LevelBase, LevelPolicy, TrailBy, TrailStart, Trigger
    from ml4t.backtest.core.ranking import Ranking
    from ml4t.backtest.data.catalog import Catalog
    from ml4t.backtest.data.prepared_store.store import PreparedStore
    from ml4t.backtest.data.selection import recipes
    from ml4t.backtest.engine import BacktestEngine, Engine
    from ml4t.backtest.errors import (
        BacktestError,
        ConfigError,
        CostError,
        DataError,
        ExpressionError,
        ResultError,
        SignalError,
        SmellError,
    )
    from ml4t.backtest.execution import (
        Accrual,
        ActionPolicy,
        BasisPointCommission,
        BasisPointSlippage,
        CashAccount,
        CommissionByCurrency,
        Currencies,
        CurrencyRates,
        DayCount,
        ExecutionPolicy,
        Fee,
        FeeSchedule,
        Financing,
        FixedSlippage,
        ForeignCash,
        MakerTakerCommission,
        MarginAccount,
        MarketRules,
        MonthlyTieredCommission,
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
        WorstPriceSlippage,
        fee_schedule,
    )
    from ml4t.backtest.results.page.comparing import report_runs
    from ml4t.backtest.results.page.profiling import report_profile
    from ml4t.backtest.results.result import BacktestResult
    from ml4t.backtest.results.run_store.store import RunStore
    from ml4t.backtest.strategies.sql import SQLStrategy
    from ml4t.backtest.strategies.top_n import TopN
    from ml4t.backtest.strategy.base import Strategy
    from ml4t.backtest.sweep.combinatorial import CombinatorialPurged
    from ml4t.backtest.sweep.parameters import Between, LatinHypercube, RandomSample
    from ml4t.backtest.sweep.result import SweepResult
    from ml4t.backtest.sweep.search import OptunaSearch
    from ml4t.backtest.sweep.sweep import Sweep
    from ml4t.backtest.sweep.walk_forward import WalkForward

__all__ = [
    "Catalog",
    "PreparedStore",
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
    "MonthlyTieredCommission",
    "Fee",
    "FeeSchedule",
    "fee_schedule",
    "BasisPointSlippage",
    "FixedSlippage",
    "SpreadSlippage",
    "VolumeShareSlippage",
    "SquareRootImpact",
    "WorstPriceSlippage",
    "CommissionByCurrency",
    "Currencies",
    "CurrencyRates",
    "Financing",
    "ForeignCash",
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
    "Accrual",
    "DayCount",
    "ActionPolicy",
    "MarketRules",
    "Batch",
    "Selection",
    "Order",
    "BacktestEngine",
    "Engine",
    "BacktestResult",
    "RunStore",
    "Sweep",
    "SweepResult",
    "Between",
    "RandomSample",
    "LatinHypercube",
    "OptunaSearch",
    "WalkForward",
    "CombinatorialPurged",
    "check_fills",
    "report_profile",
    "report_runs",
    "BacktestError",
    "ConfigError",
    "CostError",
    "DataError",
    "ExpressionError",
    "ResultError",
    "SignalError",
    "SmellError",
]

# Loaded when used: a run has few of them.
_named, __dir__ = names_of(
    __name__,
    {
        "audit.fill_checks": ("check_fills",),
        "config": ("BacktestConfig",),
        "core.batch": ("Batch", "Selection"),
        "core.levels": ("LevelBase", "LevelPolicy", "TrailBy", "TrailStart", "Trigger"),
        "core.ranking": ("Ranking",),
        "data.catalog": ("Catalog",),
        "data.prepared_store.store": ("PreparedStore",),
        "data.selection.recipes": (),
        "engine": ("BacktestEngine", "Engine"),
        "errors": (
            "BacktestError",
            "ConfigError",
            "CostError",
            "DataError",
            "ExpressionError",
            "ResultError",
            "SignalError",
            "SmellError",
        ),
        "execution.account.rules": ("CashAccount", "MarginAccount", "Shortfall"),
        "execution.costs.basis_points": ("BasisPointCommission", "BasisPointSlippage"),
        "execution.costs.commission": (
            "MakerTakerCommission",
            "PerOrderCommission",
            "PerShareCommission",
            "TieredCommission",
        ),
        "execution.costs.by_currency": ("CommissionByCurrency",),
        "execution.account.currencies": ("Currencies", "CurrencyRates", "ForeignCash"),
        "execution.costs.financing": ("Accrual", "DayCount", "Financing"),
        "execution.costs.fees": ("Fee", "MonthlyTieredCommission"),
        "execution.costs.schedule": ("FeeSchedule",),
        "execution.costs.schedules": ("fee_schedule",),
        "execution.costs.slippage": (
            "FixedSlippage",
            "SpreadSlippage",
            "SquareRootImpact",
            "VolumeShareSlippage",
            "WorstPriceSlippage",
        ),
        "execution.market_rules": ("MarketRules",),
        "execution.orders.order": ("Order",),
        "execution.policy": ("ActionPolicy", "ExecutionPolicy", "SizedAt"),
        "execution.timing": ("NextClose", "NextOpen", "ThisClose", "VolumeWeighted"),
        "results.page.comparing": ("report_runs",),
        "results.page.profiling": ("report_profile",),
        "results.result": ("BacktestResult",),
        "results.run_store.store": ("RunStore",),
        "strategies.sql": ("SQLStrategy",),
        "strategies.top_n": ("TopN",),
        "strategy.base": ("Strategy",),
        "sweep.combinatorial": ("CombinatorialPurged",),
        "sweep.parameters": ("Between", "LatinHypercube", "RandomSample"),
        "sweep.result": ("SweepResult",),
        "sweep.search": ("OptunaSearch",),
        "sweep.sweep": ("Sweep",),
        "sweep.walk_forward": ("WalkForward",),
    },
)


def __getattr__(name: str) -> object:
    """Return a name of the package, or ``__version__``, which is looked up when it is asked for."""
    return own_version() if name == "__version__" else _named(name)
