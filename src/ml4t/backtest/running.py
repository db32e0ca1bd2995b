"""Running: a run of an engine, from the first bar of its period to the tables of its result.

An engine loads this with its first run: all that a run is made of comes with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ml4t.backtest.config import BacktestConfig
from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.batch import Chunk
from ml4t.backtest.core.computing import Computing
from ml4t.backtest.core.journal import CashFlow, Compared
from ml4t.backtest.core.terms import Action
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.benchmark import RunBars, compared
from ml4t.backtest.data.calendars.years import year_facts
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.selection.selecting import SelectionPlan
from ml4t.backtest.data.selection.shortage import rule_facts, selection_facts
from ml4t.backtest.data.sources.checks import texts_of
from ml4t.backtest.data.stream.batches import batches, reported
from ml4t.backtest.data.stream.jumps import JumpWatch
from ml4t.backtest.data.stream.period import Bound, Period, count_assets, find_period
from ml4t.backtest.data.stream.price_limits import priced_limits
from ml4t.backtest.data.stream.reader import BatchPlan
from ml4t.backtest.data.stream.volumes import volumes
from ml4t.backtest.errors import CostError
from ml4t.backtest.planning import likely, plan_run, preload
from ml4t.backtest.progress import Progress
from ml4t.backtest.results.evidence.witnessed import Witnessed
from ml4t.backtest.results.late import Late
from ml4t.backtest.results.recorder import Recorder
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.run_facts import RunFacts
from ml4t.backtest.results.store import open_store
from ml4t.backtest.results.tables import FILLS
from ml4t.backtest.risk.manager import RiskManager
from ml4t.backtest.session import Market, Session
from ml4t.backtest.settings import every_setting
from ml4t.backtest.strategy.base import Strategy
from ml4t.backtest.strategy.handlers import require_fresh
from ml4t.backtest.strategy.run import StrategyRun
from ml4t.backtest.version import versions
from ml4t.backtest.visit import Visit
from ml4t.backtest.walk import walk_of

if TYPE_CHECKING:
    from ml4t.backtest.data.feature_provider import CallableFeatureProvider


class RunSetup(Protocol):
    """What an engine was given for its runs: the attributes of `BacktestEngine`."""

    strategy: Strategy
    risk_manager: RiskManager
    config: BacktestConfig
    catalog: Catalog
    computing_provider: CallableFeatureProvider | None
    initial_capital: float
    periods_per_year: float | None
    sessions_per_year: float | str | None
    benchmark: str | None
    risk_free: float | None
    evidence: tuple[str, ...]


def run_once(
    setup: RunSetup,
    progress: Progress | None = None,
    start: Bound | None = None,
    end: Bound | None = None,
) -> BacktestResult:
    """Run from the first bar of a period to its last, and keep what happened for its tables."""
    require_fresh(setup.strategy)
    # What a strategy keeps while it runs is not in it.
    configuration = every_setting(
        setup.strategy, setup.risk_manager, setup.config, setup.computing_provider, (start, end),
        timezone=setup.catalog.timezone, periods_per_year=setup.periods_per_year,
        sessions_per_year=setup.sessions_per_year, benchmark=setup.benchmark,
        risk_free=setup.risk_free, evidence=list(setup.evidence),
    )  # fmt: skip
    started_at = datetime.now(UTC)
    with ThreadPoolExecutor(max_workers=1) as aside:
        # Beside the checks, which leave the interpreter to others.
        aside.submit(preload, setup.strategy, setup.risk_manager)
        opening = aside.submit(open_store, setup.catalog.timezone)
        words = likely(setup.strategy, setup.risk_manager, setup.config)
        prepared = setup.catalog.validate(words)
    period = find_period(start, end, prepared)
    plan, ranking = planned(setup, prepared, period)
    walked = _walked(setup, plan, ranking, prepared, period, progress)
    recorder, witnessed = walked.recorder, walked.witnessed
    facts = RunFacts(
        started_at=started_at,
        finished_at=datetime.now(UTC),
        initial_capital=setup.initial_capital,
        fill_policy=setup.config.fill_policy,
        configuration=configuration,
        sources=setup.catalog.fingerprints(),
        rows_dropped=prepared.dropped,
        drop_rules=texts_of(prepared.dropped),
        versions=versions(),
        activity=walked.activity,
        misses=walked.misses,
        selection=selection_facts(ranking, recorder.chosen(), prepared, period)
        | rule_facts(setup.strategy, recorder.n_orders, prepared, (start, end)),
        periods_per_year=setup.periods_per_year,
        warnings=[*prepared.warnings, *setup.catalog.jumps(walked.jumped, period)],
        n_assets=count_assets(period, prepared),
        n_bars=len(walked.market.axes.timestamps),
        excursions_from=witnessed.measures,
        **year_facts(setup.sessions_per_year, prepared),
    )
    recorder.record(facts)
    if not witnessed.has_volume:
        # Now, while the sources are those that the run has read.
        fills = recorder.columns_of(FILLS)
        recorder.add(FILLS, volume=volumes(fills, prepared, period))
    setup.catalog.keep_prepared()
    tables = opening.result()
    tables.lock()
    late = Late(witnessed.parts_of, walked.market.axes, walked.market.terms, facts)
    return BacktestResult(tables, late)


class Walked(NamedTuple):
    """What is left of a run once its last bar is done.

    Attributes
    ----------
    market : Market
    recorder : Recorder
    witnessed : Witnessed
    activity, misses : list of dict
        How often rules and limits were asked, and what the strategy asked for in vain.
    jumped : set of int
        Assets whose prices jump as they do at splits.
    """

    market: Market
    recorder: Recorder
    witnessed: Witnessed
    activity: list[dict[str, object]]
    misses: list[dict[str, object]]
    jumped: set[int]


def _walked(
    setup: RunSetup,
    plan: BatchPlan,
    ranking: SelectionPlan | None,
    prepared: Prepared,
    period: Period,
    progress: Progress | None,
) -> Walked:
    """Walk the bars of a period, and keep what happened."""
    axes, provider = setup.catalog.axes(period), setup.computing_provider
    computing = None if provider is None else Computing(provider, axes)
    with batches(plan, ranking, prepared, period=period, computing=computing) as chunks:
        market = Market(
            axes=axes,
            terms=setup.catalog.instruments(),
            actions=setup.catalog.actions(period),
            priced_limits=priced_limits(prepared),
        )
        jumps = JumpWatch(prepared, period)
        looked_at = jumps.watched(chunks) if setup.catalog.may_lack_actions else chunks
        recorder = Recorder()
        witnessed = Witnessed(
            recorder, prepared.n_assets, setup.evidence, market.actions, period.n_bars
        )
        beside = compared_to(setup, prepared, period, axes, market.actions)
        if beside is not None:
            recorder.record(beside)
        session = Session(setup.config, setup.risk_manager, market, setup.initial_capital, recorder)
        try:
            with computing.recorded(recorder.computed) if computing else nullcontext():
                passed_on = reported(witnessed.watched(looked_at), period.n_bars, progress)
                misses = _loop(setup.strategy, passed_on, session, recorder, period.n_bars)
        except CostError as error:
            error.locate(axes.time(session.t), axes.asset_ids.tolist())
            raise
    return Walked(
        market=market, recorder=recorder, witnessed=witnessed, activity=session.activity(),
        misses=misses, jumped=jumps.sids,
    )  # fmt: skip


def planned(
    setup: RunSetup, prepared: Prepared, period: Period
) -> tuple[BatchPlan, SelectionPlan | None]:
    """Check what strategy, rules, limits and costs read, and plan how to read it."""
    return plan_run(
        setup.strategy, setup.risk_manager, setup.config, prepared, period,
        terms=setup.catalog.instruments, computes=setup.computing_provider is not None,
        evidence=setup.evidence,
    )  # fmt: skip


def compared_to(
    setup: RunSetup, prepared: Prepared, period: Period, axes: Axes, actions: Sequence[Action]
) -> Compared | None:
    """Return what the run is compared with; None: with nothing."""
    bars = RunBars(
        prepared=prepared, period=period, axes=axes, actions=actions,
        delisting_return=setup.config.actions.delisting_return,
    )  # fmt: skip
    return compared(setup.benchmark, setup.risk_free, bars, setup.initial_capital)


def _loop(
    strategy: Strategy,
    chunks: Iterable[Chunk],
    session: Session,
    recorder: Recorder,
    n_bars: int,
) -> list[dict[str, object]]:
    """Walk through the bars, and end what is left; return what the strategy asked for in vain."""
    cash = session.portfolio.cash
    recorder.record(CashFlow(t=0, sid=-1, kind="deposit", amount=cash, in_trades=False))
    with StrategyRun(strategy, session.strategy) as handler:
        recorder.on_fills = handler.listener
        walk = walk_of(Visit(session, handler, recorder), n_bars)
        for chunk in chunks:
            walk.through(chunk)
        handler.finish()
    recorder.on_fills = None
    session.broker.expire()
    for lot in session.portfolio.open_trades():
        recorder.record(lot)
    return handler.misses
