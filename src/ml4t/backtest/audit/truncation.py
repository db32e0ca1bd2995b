"""Truncation: runs over what was known at some bars, beside the run over everything.

A run that reads nothing of the future says the same of all bars up to a cut, whatever comes after
it. Strategy, rules, limits, callbacks and providers alike go through it as they are.
"""

from __future__ import annotations

from copy import copy, deepcopy
from typing import NamedTuple

from ml4t.backtest.audit.comparing import Found, compare_runs, compare_views
from ml4t.backtest.audit.cuts import CutPoint, choose_cuts
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.cut.cut_catalog import CutCatalog, CutSource
from ml4t.backtest.data.stream.period import Bound, find_period
from ml4t.backtest.errors import BacktestError
from ml4t.backtest.progress import Progress
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.running import run_once
from ml4t.backtest.walking import RunSetup


class CutRun(NamedTuple):
    """What was found at a cut.

    Attributes
    ----------
    cut : CutPoint
    found : list of Found
    sources : list of CutSource
    problem : str
        Why nothing could be run over what was known then; empty where it was.
    """

    cut: CutPoint
    found: list[Found]
    sources: list[CutSource]
    problem: str = ""


def run_to_cuts(
    setup: RunSetup,
    bounds: tuple[Bound | None, Bound | None],
    n_cuts: int,
    seed: int,
    progress: Progress | None,
) -> tuple[BacktestResult, list[CutRun]]:
    """Run once over everything and once to each cut; return the one, and what differs in others."""
    fresh = _own(setup)
    whole = run_once(_own(fresh), None, *bounds)
    prepared = setup.catalog.prepare()
    cuts = choose_cuts(whole, prepared, find_period(*bounds, prepared), n_cuts, seed)
    runs: list[CutRun] = []
    for cut in cuts:
        if progress is not None:
            progress(len(runs) + 1, len(cuts) + 1)
        runs.append(_run_to(cut, _own(fresh), bounds[0], whole, prepared))
    if progress is not None:
        progress(len(cuts) + 1, len(cuts) + 1)
    return whole, runs


def _run_to(
    cut: CutPoint,
    setup: RunSetup,
    start: Bound | None,
    whole: BacktestResult,
    prepared: Prepared,
) -> CutRun:
    found, sources = list[Found](), list[CutSource]()
    try:
        setup.catalog = catalog = CutCatalog(setup.catalog, cut.bar)
        sources = catalog.cut_sources
        found += compare_views(prepared, catalog.validate(), cut.bar)
        found += compare_runs(whole, run_once(setup, None, start, None), cut.bar)
    except BacktestError as error:
        # What names an asset that has no bar yet is right over everything, and cannot be run then.
        return CutRun(cut, found, sources, f"{type(error).__name__}: {error}")
    return CutRun(cut, found, sources)


def _own(setup: RunSetup) -> RunSetup:
    """Return the same settings, with a strategy, rules and a provider of their own."""
    other = copy(setup)
    own = deepcopy({
        "strategy": setup.strategy, "risk_manager": setup.risk_manager,
        "config": setup.config, "computing_provider": setup.computing_provider,
    })  # fmt: skip
    vars(other).update(own)
    return other
