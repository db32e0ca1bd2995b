"""Work: what a worker does with the trials that it is handed: parameters and paths, no data.

Each trial is in the store before its worker says so: whoever dies, of workers and of those that
hand out work, what is there need not be done again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from io import BytesIO
from pathlib import Path
from threading import local
from time import perf_counter
from typing import Any, NamedTuple

from ml4t.backtest.core.identity import state_identity
from ml4t.backtest.data.catalog_recipe import CatalogRecipe
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.packages import package
from ml4t.backtest.data.sql_files import read, rows_of
from ml4t.backtest.engine import BacktestEngine
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.results.run_store.store import RunStore
from ml4t.backtest.results.store import open_store
from ml4t.backtest.sweep.parameters import Parameters
from ml4t.backtest.sweep.recipe import Recipe
from ml4t.backtest.sweep.rounds import Bounds, Detail, Ground, Round, Tried
from ml4t.backtest.sweep.trial_store import TrialStore


class Trial(NamedTuple):
    """A trial that is to be made.

    Attributes
    ----------
    number : int
        From 1, in the order of the grid.
    parameters : dict
    run_id : str
        Of the run that it is.
    """

    number: int
    parameters: Parameters
    run_id: str


class Outcome(NamedTuple):
    """How a trial ended; `error` is empty where it ended well, and stands in the store."""

    number: int
    seconds: float
    error: str = ""


class WorkerSources(NamedTuple):
    """How a catalog is opened, with a key that no other has."""

    key: str
    catalog: CatalogRecipe


class Job(NamedTuple):
    """What all workers of a sweep are told.

    Attributes
    ----------
    sources : WorkerSources
    recipe : bytes
        As `packed` returns them.
    bounds : pair of Bound or None
    detail : Detail
    store : Path
    """

    sources: WorkerSources
    recipe: bytes
    bounds: Bounds
    detail: Detail
    store: Path


class _LastJob(local):
    """The last job of a thread, whose sources stay open from one round to the next.

    A worker of Dask may have several threads, and a catalog is of one.
    """

    key = ""
    ground: Ground


_last = _LastJob()


def packed(what: object) -> bytes:
    """Return what makes trials, or trials, as they are sent to workers.

    Raises
    ------
    ConfigError
        It cannot be sent.
    """
    kind, sent = _pickler(), BytesIO()
    try:
        kind(sent).dump(what)
    except Exception as error:
        raise ConfigError(
            f"what makes trials cannot be sent to workers: {type(error).__name__}: {error}; have "
            "it hold no connection, lock or open file, but open that where a trial needs it"
        ) from error
    return sent.getvalue()


@cache
def _pickler() -> Any:
    class Pickler(package("cloudpickle", extra="sweep").Pickler):  # type: ignore[misc]
        """Sends the whole name of a class too, which is part of the identity of a run.

        cloudpickle 3.1 makes of `make.<locals>.Mine` a class that is called `Mine`.
        """

        def reducer_override(self, one: object) -> object:
            reduced = super().reducer_override(one)
            if isinstance(one, type) and isinstance(reduced, tuple) and len(reduced) == 6:
                own, _ = reduced[2]
                own["__qualname__"] = one.__qualname__
            return reduced

    return Pickler


def unpacked(sent: bytes) -> Any:
    """Return what was packed.

    Raises
    ------
    ConfigError
        A worker has not what it needs.
    """
    loads = package("cloudpickle", extra="sweep").loads
    try:
        return loads(sent)
    except Exception as error:
        raise ConfigError(
            f"a worker cannot read what makes trials: {type(error).__name__}: {error}; what it "
            "imports has to be installed where workers are, what a script or a notebook defines "
            "is sent along"
        ) from error


def work(job: Job, trials: bytes) -> list[Outcome]:
    """Make trials that were packed, and keep them in the store of the sweep.

    Raises
    ------
    ConfigError
        A package is missing where the worker is.
    ResultError
        A trial cannot be written.
    """
    if job.sources.key != _last.key:
        _last.key = ""
        # A worker has a core; the result does not depend on it.
        _last.ground = Ground(job.sources.catalog.open(threads=1), job.bounds)
        _last.key = job.sources.key
    elif job.bounds != _last.ground.bounds:  # the next fold of a walk
        _last.ground = Ground(_last.ground.catalog, job.bounds)
    recipe: Recipe = unpacked(job.recipe)
    return try_all(_last.ground, recipe, unpacked(trials), job.detail, job.store)


def try_all(
    ground: Ground, recipe: Recipe, trials: Sequence[Trial], detail: Detail, store: Path
) -> list[Outcome]:
    """Make trials over a ground, side by side where they can be, and keep them in a store."""
    return _try_all(ground, recipe, trials, detail, _Keeper(store, detail))


def _try_all(
    ground: Ground, recipe: Recipe, trials: Sequence[Trial], detail: Detail, keeper: _Keeper
) -> list[Outcome]:
    by_number = {one.number: one for one in trials}
    engines, tried = dict[int, BacktestEngine](), list[Tried]()
    for number, one in by_number.items():
        try:
            engines[number] = recipe.engine(ground.catalog, one.parameters)
        except Exception as error:
            tried.append(Tried(number, error=error))
    # What computes in a run, or brings sources of its own, reads by itself.
    together = {
        number: engine
        for number, engine in engines.items()
        if engine.catalog is ground.catalog and engine.computing_provider is None
    }
    if alone := [n for n in engines if n not in together]:
        shared = _shared(recipe, trials)
        tried += [_alone(n, engines[n], detail) for n in alone]
        _refuse_changed(tried, shared, recipe, trials)
    outcomes = [keeper.keep(one, by_number[one.number]) for one in tried]
    if together:
        outcomes += _side_by_side(ground, recipe, by_number, together, detail, keeper)
    return outcomes


def _side_by_side(
    ground: Ground,
    recipe: Recipe,
    trials: Mapping[int, Trial],
    engines: Mapping[int, BacktestEngine],
    detail: Detail,
    keeper: _Keeper,
) -> list[Outcome]:
    """Make trials in a round; where what they share fails, each by itself."""
    of_round = [trials[n] for n in engines]
    shared = _shared(recipe, of_round)
    try:
        tried = Round(ground, engines, detail).run()
    except Exception as error:
        if len(engines) > 1:
            alone = (_try_all(ground, recipe, [trials[n]], detail, keeper) for n in engines)
            return [outcome for outcomes in alone for outcome in outcomes]
        tried = [Tried(number, error=error) for number in engines]
    _refuse_changed(tried, shared, recipe, of_round)
    return [keeper.keep(one, trials[one.number]) for one in tried]


def _shared(recipe: Recipe, trials: Sequence[Trial]) -> str:
    """Return a hash of what trials are made of, with what the code of all of them reads."""
    return state_identity(recipe.strategy, recipe.settings, [one.parameters for one in trials])


def _refuse_changed(
    tried: Sequence[Tried], shared: str, recipe: Recipe, trials: Sequence[Trial]
) -> None:
    """Have no trial stand whose neighbours may have changed what it reads."""
    ended = [one for one in tried if one.error is None]
    if ended and _shared(recipe, trials) != shared:
        for one in ended:
            one.error = ConfigError(
                "a trial changed what others read too, such as a list of a class, a default or a "
                "model that a function holds; have each make its own, in __init__ or in the "
                "function that makes trials"
            )


def _alone(number: int, engine: BacktestEngine, detail: Detail) -> Tried:
    """Make a trial that reads by itself."""
    tried, began = Tried(number), perf_counter()
    try:
        result = engine.run()
    except Exception as error:
        tried.error = error
    else:
        query = read("many_runs/alone") if detail.has_returns else rows_of("report.metrics")
        tried.run_id, tried.row = result.run_id, result.sql(query).to_arrow_table()
        tried.kept = result if detail is Detail.TABLES else None
    tried.seconds = perf_counter() - began
    return tried


class _Keeper:
    """Keeps trials in a store.

    Parameters
    ----------
    store : Path
    detail : Detail
    """

    def __init__(self, store: Path, detail: Detail) -> None:
        self._store, self._detail, self._trials = store, detail, TrialStore(store)

    @cached_property
    def _runs(self) -> tuple[RunStore, Database]:
        """Where whole runs go, and what writes them."""
        return RunStore(self._store), open_store()

    def keep(self, tried: Tried, trial: Trial) -> Outcome:
        """Keep a trial, if it ended well; say how it ended."""
        if tried.error is not None:
            return Outcome(tried.number, tried.seconds, error_text(tried.error))
        assert tried.row is not None
        if tried.run_id != trial.run_id:
            return Outcome(
                tried.number, tried.seconds,
                f"the run that was made, {tried.run_id}, is not the one that was planned, "
                f"{trial.run_id}: what makes trials must not depend on chance or on the process",
            )  # fmt: skip
        if tried.kept is not None:
            runs, writer = self._runs
            runs.keep(tried.kept, (), writer)
        import pyarrow as pa

        own = {"run_id": trial.run_id, "seconds": tried.seconds}
        row = pa.table({name: [value] for name, value in own.items()})
        for name in tried.row.column_names:
            row = row.append_column(name, tried.row[name])
        self._trials.commit(trial.run_id, row, has_returns=self._detail.has_returns)
        return Outcome(tried.number, tried.seconds)


def error_text(error: Exception) -> str:
    """Return an error as the table of trials has it: its class, what it says, and where."""
    return "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
