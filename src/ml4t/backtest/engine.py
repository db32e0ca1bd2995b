"""BacktestEngine: what a run is asked for; `running` runs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from ml4t.backtest.config import BacktestConfig, run_settings
from ml4t.backtest.data.benchmark import require_benchmark, require_risk_free
from ml4t.backtest.data.calendars.years import require_sessions_per_year
from ml4t.backtest.data.feeds.given import sources_of
from ml4t.backtest.data.stream.period import Bound, DateLike, bound_of
from ml4t.backtest.errors import ConfigError, require_flag, require_number, require_whole
from ml4t.backtest.interpreter import two_threads
from ml4t.backtest.progress import Progress, progress_of
from ml4t.backtest.results.run_store.storing import Storing
from ml4t.backtest.risk.manager import RiskManager
from ml4t.backtest.settings import EvidenceColumns, require_evidence
from ml4t.backtest.strategy.base import Strategy
from ml4t.backtest.strategy.handlers import require_handler

if TYPE_CHECKING:
    from ml4t.backtest.audit.audit import Audit
    from ml4t.backtest.config import Broker
    from ml4t.backtest.data.explaining import Explanation
    from ml4t.backtest.data.feeds.feed import Feeds
    from ml4t.backtest.results.result import BacktestResult
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
        told = progress_of(progress)
        bounds, add = self._bounds(start, end), self.storing.adder(store, tags)
        with two_threads if tunes_interpreter else nullcontext():
            from ml4t.backtest.running import run_once

            result = run_once(self, told, *bounds)
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
        from ml4t.backtest.planning import likely
        from ml4t.backtest.running import planned
        from ml4t.backtest.walking import compared_to

        plans, compares = partial(planned, self), partial(compared_to, self)
        bounds = self._bounds(start, end)
        words = likely(self.strategy, self.risk_manager, self.config)
        return explain(self.catalog, plans, compares, words, bounds=bounds, plan=plan)

    def audit(
        self,
        cuts: int = 5,
        *,
        poison: bool = False,
        delays: bool | Sequence[str] = (),
        strict: bool = False,
        warm_up: bool | Sequence[int] = (),
        policies: bool = False,
        exhaustive: bool = False,
        seed: int = 0,
        start: DateLike = None,
        end: DateLike = None,
        progress: Progress | bool | None = None,
    ) -> Audit:
        """Run over everything, and again over what was known at some bars; compare what they say.

        At each cut the sources lose the rows that became known later, by their clocks, and the
        files that queries read lose those of later times; everything is computed anew and run with
        strategy, rules, limits and providers as they are. Up to the cut every value of ``signals``
        and ``market``, every order, fill, decision, position and the equity must be the same.

        What a file or a frame brings was computed elsewhere, and is not computed anew:
        `Audit.sources` says what was cut how. `Audit.smells` says what looks wrong in the sources,
        see `Catalog.smells`, and in how orders fill.

        Parameters
        ----------
        cuts : int, default 5
            How many, and so many runs besides the first: at the first decision, while orders wait,
            where an asset has no bar, at orders, exits and cash flows, and anywhere.
        poison : bool, default False
            At each cut a run more, over sources whose later rows stay and lie: of values of other
            rows, times a number. It ends with the bar of the cut.
        delays : sequence of str, or bool
            How much later each source is known, one source and one delay to a run: ``"1 bar"``,
            an interval such as ``"1 day"``, or ``"usual lag"``, by which its rows are mostly known
            after their period. True: one bar, five bars (a day, of bars within it), and the usual
            lag. Of a source with ``available_at`` two runs more, as its values are known now.
        strict : bool, default False
            Refuse a run of which anything smells.
        warm_up : sequence of int, or bool
            Numbers of bars of history before the run: the sources begin so many bars before its
            first one, and each column is compared with that of all history. True: 20, 60 and 252.
        policies : bool, default False
            Run under every other answer to what bars do not tell too, such as which of a stop and
            a target came first: `ml4t.backtest.audit.policies`.
        exhaustive : bool, default False
            Compare every bar as a cut, too, for all that SQL computes: columns of sources that are
            queries, indicators, as-of joins, windows of a ranking or a query. It runs nothing; of
            a mean since ever it reads the rows known at each bar, added up over all bars. To
            `progress` each of its statements is a run.
        seed : int, default 0
            Of the draw among the bars of each kind.
        start, end
            As of `run`.
        progress : callable or bool, optional
            Called as ``progress(runs_done, runs_in_all)``.

        Returns
        -------
        Audit

        Raises
        ------
        ConfigError
            `cuts` or `seed` is no whole number; the strategy has run before and keeps what it saw,
            or cannot be copied.
        SmellError
            With `strict`: something smells; it names all.
        Exception
            What a run over everything raises.
        """
        from ml4t.backtest.audit.auditing import AuditRequest, audited
        from ml4t.backtest.audit.delays import require_delays
        from ml4t.backtest.audit.warm_up import require_history

        require_flag("strict", strict)
        require_flag("policies", policies)
        require_flag("poison", poison)
        require_flag("exhaustive", exhaustive)
        request = AuditRequest(
            cuts=require_whole("cuts", cuts, least=1), seed=require_whole("seed", seed, least=0),
            poison=poison, delays=require_delays(delays, self.catalog), strict=strict,
            warm_up=require_history(warm_up),
            policies=policies, exhaustive=exhaustive,
        )  # fmt: skip
        with two_threads:
            return audited(self, self._bounds(start, end), request, progress_of(progress, "runs"))

    def _bounds(self, start: DateLike, end: DateLike) -> tuple[Bound | None, Bound | None]:
        """Return the sides of a run's period: its own, else the engine's."""
        return bound_of("start", start) or self.start, bound_of("end", end) or self.end


Engine = BacktestEngine
