"""Running: a run of an engine, from the first bar of its period to the tables of its result.

An engine loads this with its first run: all that a run is made of comes with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ml4t.backtest.core.computing import Computing
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.calendars.years import year_facts
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.selection.selecting import SelectionPlan
from ml4t.backtest.data.selection.shortage import rule_facts, selection_facts
from ml4t.backtest.data.sources.checks import texts_of
from ml4t.backtest.data.stream.batches import batches, reported
from ml4t.backtest.data.stream.jumps import JumpWatch
from ml4t.backtest.data.stream.period import Bound, Period, count_assets, find_period
from ml4t.backtest.data.stream.reader import BatchPlan
from ml4t.backtest.data.stream.volumes import volumes
from ml4t.backtest.pauses import EndOfRunError, Pauses
from ml4t.backtest.planning import likely, plan_run, preload
from ml4t.backtest.progress import Progress
from ml4t.backtest.results.late import Late
from ml4t.backtest.results.recorder import Recorder
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.run_facts import RunFacts
from ml4t.backtest.results.store import open_store
from ml4t.backtest.results.tables import FILLS
from ml4t.backtest.settings import every_setting
from ml4t.backtest.strategy.handlers import require_fresh
from ml4t.backtest.version import versions
from ml4t.backtest.walking import RunSetup, Walked, Walking, market_of

if TYPE_CHECKING:
    pass


def run_once(
    setup: RunSetup,
    progress: Progress | None = None,
    start: Bound | None = None,
    end: Bound | None = None,
    pauses: Pauses | None = None,
) -> BacktestResult:
    """Run from the first bar of a period to its last, and keep what happened for its tables."""
    require_fresh(setup.strategy)
    # What a strategy keeps while it runs is not in it.
    configuration = configuration_of(setup, (start, end))
    started_at = datetime.now(UTC)
    with ThreadPoolExecutor(max_workers=1) as aside:
        # Beside the checks, which leave the interpreter to others.
        aside.submit(preload, setup.strategy, setup.risk_manager)
        opening = aside.submit(open_store, setup.catalog.timezone)
        words = likely(setup.strategy, setup.risk_manager, setup.config)
        prepared = setup.catalog.validate(words)
    period = find_period(start, end, prepared)
    plan, ranking = planned(setup, prepared, period)
    walked = _walked(setup, plan, ranking, prepared, period, progress, pauses)
    ran = Ran(configuration, started_at, datetime.now(UTC), walked)
    of_all = facts_of_all(setup, prepared, period, walked.jumped)
    selection = selected_facts(setup, walked, ranking, prepared, period, (start, end))
    facts = record_facts(setup, ran, selection, of_all)
    add_volumes(walked, prepared, period)
    setup.catalog.keep_prepared()
    return result_of(walked, facts, opening.result())


def configuration_of(
    setup: RunSetup, bounds: tuple[Bound | None, Bound | None]
) -> dict[str, object]:
    """Return every setting of a run, as its identity has it."""
    return every_setting(
        setup.strategy, setup.risk_manager, setup.config, setup.computing_provider, bounds,
        timezone=setup.catalog.timezone, periods_per_year=setup.periods_per_year,
        sessions_per_year=setup.sessions_per_year, benchmark=setup.benchmark,
        risk_free=setup.risk_free, evidence=list(setup.evidence),
    )  # fmt: skip


class Ran(NamedTuple):
    """A run that has ended.

    Attributes
    ----------
    configuration : dict
        As of before its first bar.
    started_at, finished_at : datetime
    walked : Walked
    """

    configuration: dict[str, object]
    started_at: datetime
    finished_at: datetime
    walked: Walked


def facts_of_all(
    setup: RunSetup, prepared: Prepared, period: Period, jumped: set[int]
) -> dict[str, Any]:
    """Return the facts of `RunFacts` that all runs over the same bars of a catalog share."""
    return {
        "sources": setup.catalog.fingerprints(),
        "rows_dropped": prepared.dropped,
        "drop_rules": texts_of(prepared.dropped),
        "versions": versions(),
        "warnings": [
            *prepared.warnings,
            *setup.catalog.leaks(),
            *setup.catalog.jumps(jumped, period),
        ],
        "n_assets": count_assets(period, prepared),
        "n_bars": period.n_bars,
        **year_facts(setup.sessions_per_year, prepared),
    }


def selected_facts(
    setup: RunSetup,
    walked: Walked,
    ranking: SelectionPlan | None,
    prepared: Prepared,
    period: Period,
    bounds: tuple[Bound | None, Bound | None],
) -> dict[str, object]:
    """Return what the run says of what its strategy had to choose from."""
    recorder = walked.recorder
    return selection_facts(ranking, recorder.chosen(), prepared, period) | rule_facts(
        setup.strategy, recorder.n_orders, prepared, bounds
    )


def record_facts(
    setup: RunSetup, ran: Ran, selection: dict[str, object], of_all: dict[str, Any]
) -> RunFacts:
    """Record and return the facts of a run; `of_all` are those of `facts_of_all`."""
    walked = ran.walked
    facts = RunFacts(
        started_at=ran.started_at,
        finished_at=ran.finished_at,
        initial_capital=setup.initial_capital,
        fill_policy=setup.config.fill_policy,
        configuration=ran.configuration,
        activity=walked.activity,
        misses=walked.misses,
        selection=selection,
        periods_per_year=setup.periods_per_year,
        excursions_from=walked.witnessed.measures,
        **of_all,
    )
    walked.recorder.record(facts)
    return facts


def add_volumes(walked: Walked, prepared: Prepared, period: Period) -> None:
    """Add what traded in the bars of the fills, where the loop was not told."""
    if not walked.witnessed.has_volume:
        # Now, while the sources are those that the run has read.
        add_volumes_of([walked.recorder], prepared, period)


def add_volumes_of(recorders: Sequence[Recorder], prepared: Prepared, period: Period) -> None:
    """Add what traded in the bars of the fills of some runs, looked up for all at once."""
    fills = [one.columns_of(FILLS) for one in recorders]
    joined = {
        name: np.concatenate([one[name] for one in fills]) for name in ("timestamp", "asset_id")
    }
    volume = volumes(joined, prepared, period)
    ends = np.cumsum([len(one["timestamp"]) for one in fills])
    for recorder, own in zip(recorders, np.split(volume, ends[:-1]), strict=True):
        recorder.add(FILLS, volume=own)


def result_of(walked: Walked, facts: RunFacts, tables: Database) -> BacktestResult:
    """Return the result of a run, in an empty database."""
    tables.lock()
    return BacktestResult(tables, late_of(walked, facts))


def late_of(walked: Walked, facts: RunFacts) -> Late:
    """Return the tables of a run, none of which is written."""
    return Late(walked.witnessed.parts_of, walked.market.axes, walked.market.terms, facts)


def _walked(
    setup: RunSetup,
    plan: BatchPlan,
    ranking: SelectionPlan | None,
    prepared: Prepared,
    period: Period,
    progress: Progress | None,
    pauses: Pauses | None,
) -> Walked:
    """Walk the bars of a period, and keep what happened."""
    axes, provider = setup.catalog.axes(period), setup.computing_provider
    computing = None if provider is None else Computing(provider, axes)
    with batches(plan, ranking, prepared, period=period, computing=computing) as chunks:
        market = market_of(setup.catalog, axes, prepared, period)
        jumps = JumpWatch(prepared, period)
        looked_at = jumps.watched(chunks) if setup.catalog.may_lack_actions else chunks
        walking = Walking(setup, market, prepared, period, pauses)
        recorder = walking.recorder
        with walking, computing.recorded(recorder.computed) if computing else nullcontext():
            watched = walking.witnessed.watched(looked_at)
            for chunk in reported(watched, period.n_bars, progress):
                with suppress(EndOfRunError):
                    walking.through(chunk)
                    continue
                walking.witnessed.look(chunk)  # the next one is not asked for
                break
            walking.finish()
    return walking.walked(jumps.sids)


def planned(
    setup: RunSetup, prepared: Prepared, period: Period
) -> tuple[BatchPlan, SelectionPlan | None]:
    """Check what strategy, rules, limits and costs read, and plan how to read it."""
    return plan_run(
        setup.strategy, setup.risk_manager, setup.config, prepared, period,
        terms=setup.catalog.instruments, computes=setup.computing_provider is not None,
        evidence=setup.evidence,
    )  # fmt: skip
