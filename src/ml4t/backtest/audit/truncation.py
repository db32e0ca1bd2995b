"""Truncation: runs over what was known at some bars, beside the run over everything.

A run that reads nothing of the future says the same of all bars up to a cut, whatever comes after
it. Strategy, rules, limits, callbacks and providers alike go through it as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy, deepcopy
from typing import TYPE_CHECKING, NamedTuple

from ml4t.backtest.audit.comparing import Found, compare_runs, compare_views, compared_tables
from ml4t.backtest.audit.cuts import CutPoint, choose_cuts, last_bar
from ml4t.backtest.audit.steps import Steps
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.cut.cut_catalog import CutCatalog, CutSource
from ml4t.backtest.data.stream.period import Bound, find_period
from ml4t.backtest.errors import BacktestError, ConfigError
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.running import run_once
from ml4t.backtest.walking import RunSetup

if TYPE_CHECKING:
    from pyarrow import Table as ArrowTable

# Where a run differs from itself.
CHANCE = (
    "two runs over everything differ too: the strategy, a rule or a model draws by chance, or "
    "keeps something outside of itself; have it draw by a seed of its own, and keep it in self"
)


class CutRun(NamedTuple):
    """What was found at a cut.

    Attributes
    ----------
    cut : CutPoint
    found : list of Found
    sources : list of CutSource
    problem : str
        Why nothing could be run over what was known then; empty where it was.
    n_of_views : int
        How many of `found`, the first, are of the views and not of the run.
    """

    cut: CutPoint
    found: list[Found]
    sources: list[CutSource]
    problem: str = ""
    n_of_views: int = 0


def run_to_cuts(
    setup: RunSetup,
    bounds: tuple[Bound | None, Bound | None],
    n_cuts: int,
    seed: int,
    steps: Steps,
) -> tuple[BacktestResult, list[CutRun]]:
    """Run once over everything and once to each cut; return the one, and what differs in others."""
    fresh = own_setup(setup)
    whole = run_once(own_setup(fresh), None, *bounds)
    prepared, tables = setup.catalog.prepare(), compared_tables(whole)
    cuts = choose_cuts(whole, prepared, find_period(*bounds, prepared), n_cuts, seed)
    steps.expect(len(cuts) + 1)
    steps.done()
    runs: list[CutRun] = []
    for cut in cuts:
        runs.append(_run_to(cut, own_setup(fresh), bounds[0], tables, prepared))
        steps.done()
    if any(len(run.found) > run.n_of_views for run in runs):
        again = run_once(own_setup(fresh), None, *bounds)
        if any(compare_runs(tables, again, last_bar(prepared))):
            runs = [_by_chance(run) for run in runs]
    return whole, runs


def _by_chance(run: CutRun) -> CutRun:
    """Return a run to a cut without what may differ for another reason than the cut."""
    found = run.found[: run.n_of_views]
    return run if len(found) == len(run.found) else run._replace(found=found, problem=CHANCE)


def _run_to(
    cut: CutPoint,
    setup: RunSetup,
    start: Bound | None,
    whole: Mapping[str, ArrowTable],
    prepared: Prepared,
) -> CutRun:
    found, sources, n_of_views = list[Found](), list[CutSource](), 0
    try:
        setup.catalog = catalog = CutCatalog(setup.catalog, cut.bar)
        sources = catalog.cut_sources
        found += compare_views(prepared, catalog.validate(), cut.bar)
        n_of_views = len(found)
        found += compare_runs(whole, run_once(setup, None, start, None), cut.bar)
    except BacktestError as error:
        # What names an asset that has no bar yet is right over everything, and cannot be run then.
        return CutRun(cut, found, sources, f"{type(error).__name__}: {error}")
    return CutRun(cut, found, sources, n_of_views=n_of_views)


def own_setup(setup: RunSetup) -> RunSetup:
    """Return the same settings, with a strategy, rules and a provider of their own."""
    other = copy(setup)
    parts = {
        "strategy": setup.strategy, "risk_manager": setup.risk_manager,
        "config": setup.config, "computing_provider": setup.computing_provider,
    }  # fmt: skip
    try:
        own = deepcopy(parts)
    except Exception as error:  # whatever the user's own objects raise
        raise ConfigError(
            f"an audit runs copies of strategy, rules, models and provider, and one cannot be "
            f"copied: {error}; open locks, files and connections when a run starts, in on_start"
        ) from error
    vars(other).update(own)
    return other
