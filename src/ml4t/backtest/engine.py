"""BacktestEngine: the loop over timestamps, from ranked batches to a result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ml4t.backtest.config import BacktestConfig, run_settings
from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.batch import Chunk
from ml4t.backtest.core.computing import Computing
from ml4t.backtest.core.journal import CashFlow, Compared, Selected
from ml4t.backtest.core.terms import Action
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.benchmark import (
    RunBars,
    compared,
    require_benchmark,
    require_risk_free,
)
from ml4t.backtest.data.calendars.years import require_sessions_per_year, year_facts
from ml4t.backtest.data.feeds.given import sources_of
from ml4t.backtest.data.selection.selecting import SelectionPlan
from ml4t.backtest.data.selection.shortage import rule_facts, selection_facts
from ml4t.backtest.data.sources.checks import texts_of
from ml4t.backtest.data.stream.batches import batches, reported
from ml4t.backtest.data.stream.jumps import JumpWatch
from ml4t.backtest.data.stream.period import (
    Bound,
    DateLike,
    Period,
    bound_of,
    count_assets,
    find_period,
)
from ml4t.backtest.data.stream.price_limits import priced_limits
from ml4t.backtest.data.stream.reader import BatchPlan
from ml4t.backtest.data.stream.volumes import volumes
from ml4t.backtest.errors import ConfigError, CostError, require_number
from ml4t.backtest.interpreter import two_threads
from ml4t.backtest.planning import EvidenceColumns, likely, plan_run, preload, require_evidence
from ml4t.backtest.progress import Progress, progress_of
from ml4t.backtest.results.evidence.witnessed import Witnessed
from ml4t.backtest.results.late import Late
from ml4t.backtest.results.recorder import Recorder
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.run_facts import RunFacts
from ml4t.backtest.results.run_store.storing import Storing
from ml4t.backtest.results.store import open_store, write_tables
from ml4t.backtest.results.tables import FILLS
from ml4t.backtest.results.trade_tables import EVIDENCE
from ml4t.backtest.risk.manager import RiskManager
from ml4t.backtest.session import Market, Session
from ml4t.backtest.settings import every_setting
from ml4t.backtest.strategy.base import Strategy
from ml4t.backtest.strategy.handlers import require_fresh, require_handler
from ml4t.backtest.strategy.run import StrategyRun
from ml4t.backtest.version import versions
from ml4t.backtest.walk import walk_of

if TYPE_CHECKING:
    from ml4t.backtest.config import Broker
    from ml4t.backtest.data.explaining import Explanation
    from ml4t.backtest.data.feeds.feed import Feeds
    from ml4t.backtest.results.run_store.storing import StoreLike


class BacktestEngine:
    """Runs one strategy over the sources of a catalog.

    Parameters
    ----------
    data_feed : Catalog, DataFeed, list of DataFeed, or dict of asset_id to DataFeed
        The registered sources; feeds are made into a catalog, and read when a run begins.
    strategy : Strategy
    broker : SimulationBroker, optional
        Its initial cash, commission and slippage are the run's; nothing else of it is used.
    context_data : mapping of timestamp to mapping, optional
        Market-wide values, registered as the catalog's context.
    initial_capital : float, optional
        Account currency, above 0; that of `config`, else 100,000, by default.
    risk_manager : RiskManager, optional
        Rules that protect positions; none by default. The frame of its feature provider is
        registered as ``features``, unless it is already.
    config : BacktestConfig, optional
        Costs and account rules.
    periods_per_year : float, optional
        Bars of a year, by which volatility, Sharpe, Sortino and turnover are annual: 252 of daily
        bars of shares, ``252 * 78`` of their 5-minute bars, ``365.25 * 24`` of hours that never
        close. Left out it is bars per session times sessions per year: of the calendar, else
        counted or assumed; see the metric ``annualised_by``.
    sessions_per_year : float or str, optional
        Sessions of a year, where they are not the calendar's: a number, or an asset class:
        ``"equities"``, ``"futures"``, ``"currencies"``, ``"crypto"``.
    start, end : date, datetime or str, optional
        The period of a run that names none itself, see `run`.
    benchmark : str or int, optional
        What metrics and the table `benchmark` compare with: an asset_id, bought at the first close
        and held; ``"equal_weight"``, every asset with a bar, or ``"universe"``, its members, again
        at each close: `ml4t.backtest.data.benchmark`. The source ``benchmark`` by default.
    risk_free : float, optional
        A year's fraction (0.02 is 2%): Sharpe, Sortino, alpha and beta are of what is above it.
        The source ``risk_free`` by default, else 0.
    evidence : sequence of str or "all", optional
        Columns of ``signals`` and ``market`` that the table `evidence` has of every bar at which
        something was ordered, beside those that strategy, rules and limits read anyway. With
        ``high`` and ``low`` excursions are measured by them, and by closes without.
    store, tags : optional
        Those of a run that names none itself, see `run`.

    Raises
    ------
    ConfigError
        A setting is outside what it may be.
    DataError
        A feed lacks a column, or two have one asset.
    """

    def __init__(
        self,
        data_feed: Feeds,
        strategy: Strategy,
        broker: Broker | None = None,
        *,
        context_data: Mapping[datetime, Mapping[str, object]] | None = None,
        initial_capital: float | None = None,
        risk_manager: RiskManager | None = None,
        config: BacktestConfig | None = None,
        periods_per_year: float | None = None,
        sessions_per_year: float | str | None = None,
        start: DateLike = None,
        end: DateLike = None,
        benchmark: str | int | None = None,
        risk_free: float | None = None,
        evidence: EvidenceColumns = (),
        store: StoreLike | None = None,
        tags: Iterable[str] | None = None,
    ) -> None:
        require_handler(strategy)
        if periods_per_year is not None:
            require_number("periods_per_year", periods_per_year, above=0, below=float("inf"))
            periods_per_year = float(periods_per_year)
        self.periods_per_year = periods_per_year
        self.sessions_per_year = require_sessions_per_year(sessions_per_year)
        self.start, self.end = bound_of("start", start), bound_of("end", end)
        self.benchmark = require_benchmark(benchmark)
        self.risk_free = require_risk_free(risk_free)
        self.evidence = require_evidence(evidence)
        self.storing = Storing(store, tags)
        self.strategy = strategy
        self.initial_capital, self.config = run_settings(broker, initial_capital, config)
        self.risk_manager = risk_manager if risk_manager is not None else RiskManager()
        if not isinstance(self.risk_manager, RiskManager):
            raise ConfigError(
                f"risk_manager must be a RiskManager, was {risk_manager!r}; "
                "write RiskManager([...])"
            )
        provider = self.risk_manager.feature_provider
        # A provider that computes is asked during a run; what a frame holds is in the catalog.
        self.catalog, self.computing_provider = sources_of(data_feed, provider, context_data)

    is_shown_whole = False

    def __repr__(self) -> str:
        """Show sources, strategy and capital; rules and limits where there are any."""
        manager = self.risk_manager
        risk = f", risk_manager={manager!r}" if manager.rules or manager.limits else ""
        return (
            f"BacktestEngine({self.catalog!r}, {self.strategy!r}, "
            f"initial_capital={self.initial_capital:,.2f}{risk})"
        )

    def run(
        self,
        progress: Progress | bool | None = None,
        *,
        start: DateLike = None,
        end: DateLike = None,
        store: StoreLike | None = None,
        tags: Iterable[str] | None = None,
        tunes_interpreter: bool = True,
    ) -> BacktestResult:
        """Run from the first bar to the last, or over a period of them.

        Parameters
        ----------
        progress : callable or bool, optional
            Called as ``progress(bars_done, bars_in_all)`` after each chunk of bars. True shows
            how far the run is: a line in a terminal, an output of a notebook's cell, or lines of a
            log at every tenth.
        start : date, datetime or str, optional
            The run begins at the first bar at or after it: there the account is opened and the
            strategy decides for the first time, from there bars are counted (`every`), and tables
            and metrics begin. Data before it warms what looks back: indicators, as-of values, the
            bar before of a condition. What happened before it, such as a split, did not happen to
            the account. All data by default; a date is all of its day, in the catalog's zone.
        end : date, datetime or str, optional
            The run ends with the last bar at or before it, and reads none after it.
        store : RunStore, str or Path, optional
            Where the run is added once it has ended; a folder is made one, before the run, where
            it is none. Not part of what the run is: its `run_id` is the same without.
        tags : list of str, optional
            Words by which it is found again in the store.
        tunes_interpreter : bool, default True
            Whether the run may set the switch interval (50 microseconds) and the thresholds of
            the cycle collector of the whole process until it ends. False leaves both to a program
            that has threads of its own; the run is slower and its result the same.

        Returns
        -------
        BacktestResult

        Raises
        ------
        ConfigError
            There is no bar from `start` to `end`.
        DataError
            A source breaks its contract; nothing was run.
        ExpressionError
            An expression of the strategy cannot be used; nothing was run.
        CostError
            A cost model could not tell what a fill costs; the error names bar and assets.
        ResultError
            `store` is none, and nothing was run; or the run could not be added to it, and is the
            attribute `result` of the error.
        """
        if progress is not None and not isinstance(progress, bool) and not callable(progress):
            raise ConfigError(
                f"progress must be True or a function of (bars_done, bars), was {progress!r}"
            )
        bounds, add = self._bounds(start, end), self.storing.adder(store, tags)
        with two_threads if tunes_interpreter else nullcontext():
            result = self._run(progress_of(progress), *bounds)
        if add is not None:
            add(result)
        return result

    def explain(
        self, *, start: DateLike = None, end: DateLike = None, plan: bool = False
    ) -> Explanation:
        """Return the statements that a run sends to DuckDB, in order; see `Catalog.explain`.

        Those that read: what the loop asks for on the way, and what a result is written by, are
        not among them.
        """
        from ml4t.backtest.data.explaining import explain

        bounds = self._bounds(start, end)
        words = likely(self.strategy, self.risk_manager, self.config)
        return explain(self.catalog, self._plan, self._compared, words, bounds=bounds, plan=plan)

    def _compared(
        self, prepared: Prepared, period: Period, axes: Axes, actions: Sequence[Action]
    ) -> Compared | None:
        """Return what the run is compared with; None: with nothing."""
        bars = RunBars(
            prepared=prepared, period=period, axes=axes, actions=actions,
            delisting_return=self.config.actions.delisting_return,
        )  # fmt: skip
        return compared(self.benchmark, self.risk_free, bars, self.initial_capital)

    def _bounds(self, start: DateLike, end: DateLike) -> tuple[Bound | None, Bound | None]:
        """Return the sides of a run's period: its own, else the engine's."""
        return bound_of("start", start) or self.start, bound_of("end", end) or self.end

    def _run(
        self, progress: Progress | None, start: Bound | None = None, end: Bound | None = None
    ) -> BacktestResult:
        require_fresh(self.strategy)
        # What a strategy keeps while it runs is not in it.
        configuration = self._configuration(start, end)
        started_at = datetime.now(UTC)
        with ThreadPoolExecutor(max_workers=1) as aside:
            # Beside the checks, which leave the interpreter to others.
            aside.submit(preload, self.strategy, self.risk_manager)
            opening = aside.submit(open_store, self.catalog.timezone)
            prepared = self.catalog.validate(likely(self.strategy, self.risk_manager, self.config))
        period = find_period(start, end, prepared)
        plan, ranking = self._plan(prepared, period)
        axes, provider = self.catalog.axes(period), self.computing_provider
        computing = None if provider is None else Computing(provider, axes)
        with batches(plan, ranking, prepared, period=period, computing=computing) as chunks:
            market = Market(
                axes=axes,
                terms=self.catalog.instruments(),
                actions=self.catalog.actions(period),
                priced_limits=priced_limits(prepared),
            )
            jumps = JumpWatch(prepared.n_assets)
            looked_at = jumps.watched(chunks) if self.catalog.may_lack_actions else chunks
            recorder = Recorder()
            witnessed = Witnessed(recorder, prepared.n_assets, self.evidence)
            beside = self._compared(prepared, period, axes, market.actions)
            if beside is not None:
                recorder.record(beside)
            session = Session(
                self.config, self.risk_manager, market, self.initial_capital, recorder
            )
            try:
                with computing.recorded(recorder.computed) if computing else nullcontext():
                    passed_on = reported(witnessed.watched(looked_at), period.n_bars, progress)
                    misses = self._loop(passed_on, session, recorder, period.n_bars)
            except CostError as error:
                error.locate(axes.time(session.t), axes.asset_ids.tolist())
                raise
        facts = RunFacts(
            started_at=started_at,
            finished_at=datetime.now(UTC),
            initial_capital=self.initial_capital,
            fill_policy=self.config.fill_policy,
            configuration=configuration,
            sources=self.catalog.fingerprints(),
            rows_dropped=prepared.dropped,
            drop_rules=texts_of(prepared.dropped),
            versions=versions(),
            activity=session.activity(),
            misses=misses,
            selection=selection_facts(ranking, recorder.chosen(), prepared, period)
            | rule_facts(self.strategy, recorder.n_orders, prepared, (start, end)),
            periods_per_year=self.periods_per_year,
            warnings=[*prepared.warnings, *self.catalog.jumps(jumps.sids, period)],
            n_assets=count_assets(period, prepared),
            n_bars=len(axes.timestamps),
            excursions_from=witnessed.measures,
            **year_facts(self.sessions_per_year, prepared.database),
        )
        tables = opening.result()
        recorder.record(facts)
        recorder.add(FILLS, volume=volumes(recorder.columns_of(FILLS), prepared, period))
        witnessed.add_excursions(market.actions, facts.n_bars)
        write_tables(recorder.staged(), axes, market.terms, facts, tables)
        self.catalog.keep_prepared()
        known = Late(EVIDENCE, witnessed.evidence(), axes, market.terms, facts)
        return BacktestResult(tables, known)

    def _plan(self, prepared: Prepared, period: Period) -> tuple[BatchPlan, SelectionPlan | None]:
        """Check what strategy, rules, limits and costs read, and plan how to read it."""
        return plan_run(
            self.strategy, self.risk_manager, self.config, prepared, period,
            terms=self.catalog.instruments, computes=self.computing_provider is not None,
            evidence=self.evidence,
        )  # fmt: skip

    def _loop(
        self, chunks: Iterable[Chunk], session: Session, recorder: Recorder, n_bars: int
    ) -> list[dict[str, object]]:
        """Visit the bars at which something can happen, each in ledger order.

        Returns what the strategy asked for in vain.
        """
        broker, portfolio = session.broker, session.portfolio
        recorder.record(
            CashFlow(t=0, sid=-1, kind="deposit", amount=portfolio.cash, in_trades=False)
        )
        with StrategyRun(self.strategy, session.strategy) as strategy:
            recorder.on_fills = strategy.listener
            walk = walk_of(session, strategy, n_bars)
            for chunk in chunks:
                for batch in walk.bars(chunk):
                    session.t = batch.t
                    # Before the open: what time has cost, then splits, dividends and the like.
                    session.accruals.charge(batch.t)
                    session.actions.apply(batch.t)
                    # Open: what was decided at the last close fills.
                    broker.fill_open(batch)
                    # Inside the bar: levels and orders that rest.
                    for touched in broker.fill_inside(batch):
                        session.rules.report(batch.t, touched)
                    # Close: what trades at it, then mark.
                    broker.fill_close(batch)
                    session.actions.at_close(batch)
                    portfolio.mark_to_close(batch)
                    # Protect and decide with what is known now.
                    session.protect(batch)
                    if batch.selection is not None:
                        recorder.record(Selected(t=batch.t, selection=batch.selection))
                    strategy.decide(batch)
                    session.settle(batch)
            strategy.finish()
        broker.expire()
        for lot in portfolio.open_trades():
            recorder.record(lot)
        return strategy.misses

    def _configuration(self, *period: Bound | None) -> dict[str, object]:
        """Return every setting, and a hash of all code and state that a user has given."""
        return every_setting(
            self.strategy, self.risk_manager, self.config, self.computing_provider, period,
            timezone=self.catalog.timezone, periods_per_year=self.periods_per_year,
            sessions_per_year=self.sessions_per_year, benchmark=self.benchmark,
            risk_free=self.risk_free, evidence=list(self.evidence),
        )  # fmt: skip


Engine = BacktestEngine
