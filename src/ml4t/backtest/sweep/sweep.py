"""Sweep: many trials of a strategy over one catalog."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import partial
from itertools import chain, groupby
from typing import Any

from ml4t.backtest.core.orders import parse_choice
from ml4t.backtest.data.calendars.years import year_facts
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.stream.period import DateLike, bound_of, find_period
from ml4t.backtest.engine import BacktestEngine
from ml4t.backtest.errors import ConfigError, briefly, require_path
from ml4t.backtest.progress import Progress, ShownProgress, progress_of
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.run_store.store import RunStore
from ml4t.backtest.strategy.base import Strategy
from ml4t.backtest.sweep.continued import WalkStage, continued, require_in_turn
from ml4t.backtest.sweep.engines import MOST_IN_ROUND, Workers, hand_out, require_engine, rounds_of
from ml4t.backtest.sweep.folds import BarSpan
from ml4t.backtest.sweep.parameters import Parameters, set_key
from ml4t.backtest.sweep.planned import PlannedTrial, plan_trials, to_make, warn_of_equal
from ml4t.backtest.sweep.recipe import Recipe, require_settings
from ml4t.backtest.sweep.result import SweepResult, require_metric, require_own_columns
from ml4t.backtest.sweep.rounds import Detail, Ground
from ml4t.backtest.sweep.search import OptunaSearch, trials_of_grid
from ml4t.backtest.sweep.splits import Splits
from ml4t.backtest.sweep.timeline import timeline_of
from ml4t.backtest.sweep.trial_store import TrialStore
from ml4t.backtest.sweep.walk import WalkedFold, WalkResult, walk_of_folds, walk_through
from ml4t.backtest.sweep.work import Job, Outcome, Trial, packed, try_all

PREPARED = "prepared"


class Sweep:
    """Trials of a strategy, one for each set of parameters, over one catalog.

    Every trial is the run that `BacktestEngine` would make of the same arguments, to the last bit,
    whatever makes it and in whatever order. Trials that differ in how many assets they keep and
    when they decide share one ranking.

    Parameters
    ----------
    catalog : Catalog
    strategy : Strategy or callable
        A strategy of which the parameters replace arguments, such as ``TopN(25, by="score")``; or
        what is called with the parameters and returns a strategy, or a mapping of arguments of
        `BacktestEngine` that has one. With workers it is sent to them by `cloudpickle`.
    grid : mapping of str to list, list of mapping, RandomSample, LatinHypercube or OptunaSearch
        Of lists by name every combination is tried. A name is that of an argument, and of no
        column of the table of trials (``commission``, ``exposure``, ...).
    store : str, Path or RunStore, optional
        The folder of a store of runs in which trials are kept, each as it ends: what is there is
        not made again, whoever made it and however he ended. None: a folder that goes with the
        result.
    detail : {"returns", "metrics", "tables"}
        What is kept of a trial: its metrics, its returns bar by bar too, or all of its tables, as a
        run in the store.
    start, end : date, datetime or str, optional
        The period of every trial, see `BacktestEngine.run`.
    **settings
        Arguments of `BacktestEngine` for every trial: ``initial_capital``, ``config``,
        ``risk_manager``, ``benchmark`` and so on.

    Raises
    ------
    ConfigError
        An argument is outside what it may be, or there is no set of parameters.
    ResultError
        `store` is none.

    Examples
    --------
    >>> from ml4t.backtest import Sweep, TopN
    >>> sweep = Sweep(catalog, TopN(25, by="ml_score"), {"n": [10, 25], "every": [5, 21]})
    ... # doctest: +SKIP
    >>> result = sweep.run(n_jobs=2, progress=True)                       # doctest: +SKIP
    >>> result.trials.order("sharpe desc").limit(5)                       # doctest: +SKIP
    """

    def __init__(
        self,
        catalog: Catalog,
        strategy: Strategy | Callable[..., object],
        grid: object,
        *,
        store: object = None,
        detail: str = "returns",
        start: DateLike = None,
        end: DateLike = None,
        **settings: Any,
    ) -> None:
        if not isinstance(catalog, Catalog):
            raise ConfigError(f"a sweep runs over a Catalog, was {briefly(catalog)}")
        if not isinstance(strategy, Strategy) and not callable(strategy):
            raise ConfigError(
                f"strategy must be a Strategy, or what makes one of parameters, was "
                f"{briefly(strategy)}"
            )
        require_settings(settings)
        self._grid = trials_of_grid(grid)
        require_own_columns(self._grid.names)
        self.detail = parse_choice(Detail, "detail", detail)
        if self.detail is Detail.TABLES and store is None:
            raise ConfigError("detail='tables' keeps runs; name their store: store='my_runs'")
        given = store.path if isinstance(store, RunStore) else store
        self._store = None if given is None else require_path("store", given, "that of a store")
        self._bounds = bound_of("start", start), bound_of("end", end)
        self._catalog = catalog
        self._recipe = Recipe(strategy, {**settings, "start": start, "end": end})

    def __len__(self) -> int:
        """Return how many trials there are; of a search, how many are asked for."""
        return self._grid.n

    def __repr__(self) -> str:
        strategy = self._recipe.strategy
        # A function would print where it lies in memory.
        of = getattr(strategy, "__qualname__", None) or briefly(strategy)
        return f"<Sweep of {len(self):,} trials of {of}>"

    def run(
        self,
        *,
        engine: str = "local",
        n_jobs: int = 1,
        progress: Progress | bool | None = None,
    ) -> SweepResult:
        """Make the trials that are not in the store yet, and return all of them.

        Parameters
        ----------
        engine : {"local", "dask", "ray"}
            Processes of this machine (more than one need the extra ``sweep``), or the cluster of
            Dask or Ray that this process is a client of; without one a cluster of this machine is
            started, and stopped afterwards. Workers get parameters and paths: sources and `store`
            are where all of them reach them. A script that has one started for it runs the sweep
            below ``if __name__ == "__main__":``, as its processes import it.
        n_jobs : int, default 1
            Processes that are at work at a time; -1: as many as there are cores, in this machine
            or in the cluster.
        progress : callable or bool, optional
            Called as ``progress(trials_done, trials_in_all)``; True shows it with the time left.

        Returns
        -------
        SweepResult
            Also of trials that failed: their rows have an error.

        Raises
        ------
        ConfigError
            `engine` or `n_jobs` is none, or a package of an extra is missing.
        DataError
            A source breaks its contract; nothing was run.
        ResultError
            A trial could not be written.
        Exception
            What the first trial raised, where none could be made.

        Warns
        -----
        UserWarning
            Trials of different parameters are one run, or trials failed.
        """
        with Workers(*require_engine(engine, n_jobs)) as workers:
            return self._run_by(workers, progress)

    def _run_by(self, workers: Workers, progress: Progress | bool | None = None) -> SweepResult:
        """Run the sweep by processes that stay for others."""
        told = progress_of(progress, "trials")
        ground = Ground(self._catalog, self._bounds)
        ground.prepare()
        store = TrialStore(self._store)
        store.remove_left()  # workers alone make one, and would remove it
        planned, outcomes = list[PlannedTrial](), dict[int, Outcome]()

        def result_of_some(some: Sequence[PlannedTrial]) -> SweepResult:
            zone = self._catalog.timezone
            return SweepResult(some, outcomes, store, self._of_trial, self.detail, zone)

        searching = self._grid.begin()
        while (sets := searching.ask()) is not None:
            new = plan_trials(self._recipe, ground, sets, first=len(planned) + 1)
            if new and not planned and all(one.error is not None for one in new):
                raise new[0].error or AssertionError
            planned += new
            left = self._left(new, store)
            n_there = len(planned) - len(left)
            if isinstance(told, ShownProgress):
                told.n_there += len(new) - len(left)
                told.n_failed += sum(one.error is not None for one in new)
            # What an error leaves open is closed at once, not when somebody forgets the error.
            with closing(self._made(left, ground, store, workers)) as made:
                for each in chain([()], made):
                    outcomes.update({one.number: one for one in each})
                    if isinstance(told, ShownProgress):
                        told.n_failed += sum(bool(one.error) for one in each)
                    if told is not None:
                        told(n_there + sum(one.number in outcomes for one in left), len(self))
            searching.tell(result_of_some(new).scores)
        warn_of_equal(planned)
        result = result_of_some(planned)
        result.warn_of_failed()
        return result

    def walk(
        self,
        splits: Splits,
        *,
        by: str = "sharpe",
        lowest: bool = False,
        engine: str = "local",
        n_jobs: int = 1,
        progress: Progress | bool | None = None,
    ) -> WalkResult:
        """Choose parameters on the train part of each fold, and try them on its test part.

        Folds are cut from the bars of the sweep, from its `start` to its `end`.

        The trials of a train part are runs over its bars alone (of several spans, a run of each);
        the chosen one is run over the test part, its warm-up before it, each time with the initial
        capital. What the test parts made is stitched: ``metrics`` are those of the returns one
        after the other, compounded. To change over from the portfolio of one fold to that of the
        next costs what its run pays to begin: nothing of that is in the test part where the warm-up
        has built it.

        Parameters
        ----------
        splits : WalkForward or CombinatorialPurged
        by : str, default "sharpe"
            The metric that chooses; over several spans its mean by bars. The first of equal ones.
        lowest : bool, default False
            The lowest is the best.
        engine, n_jobs
            Of the trials of the train parts, as of `run`.
        progress : callable or bool, optional
            Called as ``progress(folds_done, folds_in_all)``.

        Returns
        -------
        WalkResult
            ``metrics``, a row per path (of a walk one); ``folds``, with what was chosen, its score
            in sample and its metrics of the test part; ``returns``; ``trials``. Failed trials are
            rows with their error, and are never chosen. ``walk.result`` is the run of one account
            through all test parts.

        Raises
        ------
        ConfigError
            There is no such metric, the sweep keeps no returns, or a fold cannot be cut.
        ResultError
            No trial of a train part has the metric, or the one that was chosen failed afterwards.
        """
        if isinstance(self._grid, OptunaSearch) and self._grid.study is not None:
            raise ConfigError("a walk searches in each fold by itself; leave out the study")
        if not self.detail.has_returns:
            raise ConfigError("a walk stitches returns; make the sweep with detail='returns'")
        if not isinstance(splits, Splits):
            raise ConfigError(
                f"a walk takes splits, such as WalkForward(train=..., test=...), was "
                f"{briefly(splits)}"
            )
        if not isinstance(lowest, bool):
            raise ConfigError(f"lowest must be True or False, was {lowest!r}")
        by = require_metric(by)
        period = find_period(*self._bounds, self._catalog.prepare())
        folds = splits.folds(timeline_of(self._catalog).within(period))
        told, store = progress_of(progress, "folds"), TrialStore(self._store)

        def try_over(sets: Sequence[Parameters] | None, start: Any, end: Any) -> SweepResult:
            one = Sweep(
                self._catalog, self._recipe.strategy, sets or self._grid,
                store=store.path, detail=self.detail.value, start=start, end=end,
                **{name: value for name, value in self._recipe.settings.items()
                   if name not in ("start", "end")},
            )  # fmt: skip
            return one._run_by(Workers("local", 1) if sets else workers)

        walked: list[WalkedFold] = []
        with Workers(*require_engine(engine, n_jobs)) as workers:
            for done, fold in enumerate(folds, start=1):
                walked.append(walk_through(fold, try_over, by, lowest=lowest))
                if told is not None:
                    told(done, len(folds))
        engine_of_all = self._recipe.engine(self._catalog, walked[0].parameters)
        facts = {
            "initial_capital": engine_of_all.initial_capital,
            "periods_per_year": engine_of_all.periods_per_year,
            **year_facts(engine_of_all.sessions_per_year, self._catalog.prepare()),
        }
        return walk_of_folds(walked, facts, self._catalog.timezone, partial(self._run_on, walked))

    def _run_on(self, walked: Sequence[WalkedFold]) -> BacktestResult:
        """Run one account through the test parts of a walk."""
        require_in_turn([one.fold for one in walked])
        stages = []
        for _, alike in groupby(walked, key=lambda one: set_key(one.parameters)):
            some = list(alike)
            (first,), (last,) = some[0].fold.test, some[-1].fold.test
            span = BarSpan(first.first_t, last.last_t, first.start, last.end)
            stages.append(WalkStage(span, self._recipe.engine(self._catalog, some[0].parameters)))
        bounds = bound_of("start", stages[0].span.start), bound_of("end", stages[-1].span.end)
        return continued(Ground(self._catalog, bounds), stages)

    def _left(self, planned: Sequence[PlannedTrial], store: TrialStore) -> list[Trial]:
        """Return the trials that are not in the store yet."""
        return [one for one in to_make(planned) if not self._is_kept(one, store)]

    def _is_kept(self, trial: Trial, store: TrialStore) -> bool:
        """Say whether a trial is in the store, with all that is to be kept of it."""
        return bool(store.found([trial.run_id], with_returns=self.detail.has_returns)) and (
            self.detail is not Detail.TABLES or RunStore(store.path).has_whole(trial.run_id)
        )

    def _made(
        self, trials: Sequence[Trial], ground: Ground, store: TrialStore, workers: Workers
    ) -> Generator[list[Outcome], None, None]:
        """Have trials made; yield how they ended."""
        if not trials:
            return
        n_bars = ground.period.n_bars
        if workers.is_here:
            for each in rounds_of(trials, n_bars, 1, MOST_IN_ROUND):
                yield try_all(ground, self._recipe, each, self.detail, store.path)
            return
        recipe = packed(self._recipe)
        sources = workers.sources_of(self._catalog, store)
        job = Job(sources, recipe, self._bounds, self.detail, store.path)

        def is_kept(trial: Trial) -> bool:
            return self._is_kept(trial, store)

        yield from hand_out(job, trials, n_bars, workers, is_kept)

    def _of_trial(self, planned: PlannedTrial) -> BacktestEngine:
        """Return the engine of a trial by itself."""
        return self._recipe.engine(self._catalog, planned.parameters)
