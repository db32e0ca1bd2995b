"""Truncation: runs over what was known at some bars, beside the run over everything.

A run that reads nothing of the future says the same of all bars up to a cut, whatever comes after
it. Strategy, rules, limits, callbacks and providers alike go through it as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy, deepcopy
from functools import partial
from typing import NamedTuple

from ml4t.backtest.audit.comparing import ComparedRun, Found, compare_views
from ml4t.backtest.audit.cuts import CutPoint, choose_cuts, last_bar
from ml4t.backtest.audit.steps import Steps
from ml4t.backtest.audit.unlike import Hashes, part_hashes
from ml4t.backtest.audit.waiting import Waited, compare_waiting, waited
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.cut.cut_catalog import CutCatalog, CutSource
from ml4t.backtest.data.stream.period import Bound, find_period
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.pauses import Pauses
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.running import run_once
from ml4t.backtest.walking import RunSetup

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


class WholeRun(NamedTuple):
    """A run over everything, beside which others are put.

    Attributes
    ----------
    setup : RunSetup
        As it was before the run.
    start : Bound or None
        Where the run begins.
    first_t : int
        Number of its first bar in the sources.
    result : BacktestResult
    compared : ComparedRun
    prepared : Prepared
    cuts : list of CutPoint
    hashes : mapping of int to mapping
        What the views are made of up to each cut, by the number of its bar in the sources.
    waiting : mapping of int to list of Waited
        What waited after each cut, by the number of its bar in the sources.
    is_same_again : bool
        A second run over everything says the same.
    """

    setup: RunSetup
    start: Bound | None
    first_t: int
    result: BacktestResult
    compared: ComparedRun
    prepared: Prepared
    cuts: list[CutPoint]
    hashes: Mapping[int, Hashes]
    waiting: Mapping[int, list[Waited]]
    is_same_again: bool


def run_whole(
    setup: RunSetup,
    bounds: tuple[Bound | None, Bound | None],
    n_cuts: int,
    seed: int,
    steps: Steps,
) -> WholeRun:
    """Run twice over everything, the second time with a look at what waits at the cuts."""
    fresh = own_setup(setup)
    whole = run_once(own_setup(fresh), None, *bounds)
    prepared, compared = setup.catalog.prepare(), ComparedRun(whole)
    period = find_period(*bounds, prepared)
    cuts = choose_cuts(whole, prepared, period, n_cuts, seed)
    steps.expect(2)
    steps.done()
    pauses = Pauses(cut.bar.t - period.first_t for cut in cuts)
    again = run_once(own_setup(fresh), None, *bounds, pauses)
    steps.done()
    ids = setup.catalog.axes().asset_ids.tolist()
    hashes = part_hashes(prepared, [cut.bar for cut in cuts])
    return WholeRun(
        setup=fresh, start=bounds[0], first_t=period.first_t, result=whole, compared=compared,
        prepared=prepared, cuts=cuts,
        hashes={cut.bar.t: one for cut, one in zip(cuts, hashes, strict=True)},
        waiting={t + period.first_t: waited(each, t, ids) for t, each in pauses.waiting.items()},
        is_same_again=not any(compared.differences(again, last_bar(prepared))),
    )  # fmt: skip


def run_to_cuts(whole: WholeRun, steps: Steps) -> list[CutRun]:
    """Run over what was known at each cut, and return what differs up to it."""
    steps.expect(len(whole.cuts))
    runs: list[CutRun] = []
    for cut in whole.cuts:
        setup = own_setup(whole.setup)
        runs.append(run_beside(whole, cut, setup, partial(CutCatalog, setup.catalog, cut.bar)))
        steps.done()
    return runs


def run_beside(
    whole: WholeRun,
    cut: CutPoint,
    setup: RunSetup,
    catalog_of: Callable[[], CutCatalog],
    *,
    ends: bool = False,
) -> CutRun:
    """Run over a catalog that says of the time up to a cut what was known then.

    Parameters
    ----------
    ends : bool
        The run ends with the bar of the cut, with later ones in memory.
    """
    found, sources, n_of_views = list[Found](), list[CutSource](), 0
    t = cut.bar.t - whole.first_t
    try:
        setup.catalog = catalog = catalog_of()
        sources = catalog.cut_sources
        found += compare_views(whole.prepared, whole.hashes[cut.bar.t], catalog.validate(), cut.bar)
        n_of_views, pauses = len(found), Pauses((t,), ends=ends)
        run = run_once(setup, None, whole.start, None, pauses)
        found += whole.compared.differences(run, cut.bar)
        waits = waited(pauses.waiting[t], t, catalog.axes().asset_ids.tolist())
        found += compare_waiting(whole.waiting[cut.bar.t], waits, cut.bar.text)
    except Exception as error:  # whatever the user's own objects raise, over other data
        # What names an asset that has no bar yet is right over everything, and cannot be run then.
        return CutRun(cut, found, sources, f"{type(error).__name__}: {error}")
    if len(found) > n_of_views and not whole.is_same_again:
        # It may differ for another reason than the cut.
        return CutRun(cut, found[:n_of_views], sources, CHANCE, n_of_views)
    return CutRun(cut, found, sources, n_of_views=n_of_views)


def outcome_of(runs: Sequence[CutRun]) -> tuple[int, str, bool]:
    """Return how many runs could be compared, what they come to in words, and if all is clean."""
    n_run = sum(not one.problem for one in runs)
    n_places = sum(len(one.found) for one in runs)
    said = f"{n_places:,} differences" if n_places else "no difference"
    said = said if n_run or n_places else "nothing could be compared"
    return n_run, said, n_run > 0 and not n_places


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
