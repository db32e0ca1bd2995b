"""The reference of the API: which names stand on which page; mkdocstrings writes the rest."""

from __future__ import annotations

import importlib
from types import ModuleType

PACKAGE = "ml4t.backtest"
# Title, what the page is about, and its names; a name with a dot is of that module, and a module
# with a star is all of its `__all__`.
PAGES: dict[str, tuple[str, str, str]] = {
    "1-catalog": ("Catalog", "Sources, and what was known when.", "Catalog PreparedStore data.*"),
    "2-strategies": (
        "Strategies",
        "What decides: a ranking, a query, rules, or code.",
        "TopN SQLStrategy Ranking Strategy recipes Batch Selection strategies.*",
    ),
    "2a-events": (
        "Events and providers",
        "What callbacks are given, and features that a function computes.",
        "core.event.MarketEvent core.context.Context "
        "data.feature_provider.FeatureProvider data.feature_provider.PrecomputedFeatureProvider "
        "data.feature_provider.CallableFeatureProvider execution.SimulationBroker "
        "data.computed.known_sources.KnownSources",
    ),
    "3-engine": ("Engine", "A run and its settings.", "BacktestEngine BacktestConfig"),
    "3a-audit": ("Audit", "Whether a run, or a file, knew what it could not know.", "audit.*"),
    "4-execution": (
        "Execution",
        "When and at which price orders fill.",
        "ExecutionPolicy NextOpen NextClose ThisClose VolumeWeighted LevelPolicy LevelBase "
        "TrailStart TrailBy Trigger Shortfall SizedAt ActionPolicy MarketRules Order",
    ),
    "5-costs": (
        "Costs and accounts",
        "What trading costs, and what an account may carry.",
        "BasisPointCommission PerShareCommission PerOrderCommission TieredCommission "
        "MakerTakerCommission MonthlyTieredCommission Fee FeeSchedule fee_schedule "
        "CommissionByCurrency "
        "BasisPointSlippage FixedSlippage SpreadSlippage VolumeShareSlippage "
        "SquareRootImpact WorstPriceSlippage Financing DayCount Accrual CashAccount MarginAccount "
        "Currencies CurrencyRates ForeignCash",
    ),
    "6-risk": ("Risk", "Rules that protect a position, limits on a portfolio.", "risk.*"),
    "7-results": (
        "Results",
        "A run, and folders of runs.",
        "BacktestResult RunStore check_fills report_runs report_profile",
    ),
    "7a-sweeps": (
        "Sweeps",
        "Many runs over one catalog, folds to choose and try them on, and what the best is worth.",
        "Sweep SweepResult Between RandomSample LatinHypercube OptunaSearch WalkForward "
        "CombinatorialPurged sweep.walk.WalkResult sweep.deflation.deflate "
        "sweep.overfitting.overfitting sweep.overfitting.rank_out_of_sample",
    ),
    "8-vendors": ("Vendors", "From the files of a vendor to our roles.", "vendors.*"),
    "9-errors": (
        "Errors",
        "What the package raises on purpose; which checks stand behind it is in the "
        "[index](../errors.md).",
        "BacktestError ConfigError CostError DataError ExpressionError ResultError SignalError "
        "SmellError",
    ),
}


def api_pages() -> dict[str, str]:
    """Return the pages, by path on the site."""
    shown = set(addresses().values())
    pages: dict[str, str] = {}
    for stem, (title, about, _) in PAGES.items():
        here = (f"{PACKAGE}.{name}" for name in names_of(stem))
        blocks = (f"::: {address}\n" for address in here if address in shown)
        pages[f"reference/api/{stem}.md"] = "\n".join([f"# {title}\n", f"{about}\n", *blocks])
    return pages


def addresses() -> dict[str, str]:
    """Return under which name each class or function is documented; of two the first."""
    found: dict[str, str] = {}
    for stem in PAGES:
        for name in names_of(stem):
            found.setdefault(name.rpartition(".")[2], f"{PACKAGE}.{name}")
    return found


def names_of(stem: str) -> list[str]:
    """Return the names of a page, under the package."""
    found: list[str] = []
    for name in PAGES[stem][2].split():
        if name.endswith(".*"):
            module = name.removesuffix(".*")
            found += [f"{module}.{one}" for one in _module(module).__all__]
        else:
            found.append(name)
    return found


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{PACKAGE}.{name}")
