"""Engines: where the rounds of a sweep are made: here, in processes, or on a cluster.

joblib hands them out to processes. Its backends of clusters do not serve: that of Dask waits for
ever for a round that Dask has given up, since its workers were killed, that of Ray tells nothing
before all is done, and gives up with the first process that dies. So there Dask's futures and Ray's
tasks do the same.

Where a process is killed, loky loses all that is at work, and others give a round up. What is in
the store by then stays. The rest is handed out again once everything else is done: in smaller
rounds, and at last trial by trial, until one that takes its process with it is alone with that.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from functools import cache, cached_property
from itertools import islice
from multiprocessing import parent_process
from secrets import token_hex
from threading import Thread
from time import sleep
from typing import Any, NamedTuple, Self

from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.catalog_recipe import recipe_of
from ml4t.backtest.data.packages import package
from ml4t.backtest.errors import ConfigError, require_choice, require_whole
from ml4t.backtest.sweep.trial_store import TrialStore
from ml4t.backtest.sweep.work import Job, Outcome, Trial, WorkerSources, packed, work

ENGINES = ("local", "dask", "ray")
# Trials that walk side by side at the most: each keeps what happened until its last bar.
MOST_IN_ROUND = 16
# The same of trials that were at work when a process was killed: once before, and more often.
MOST_SUSPECTED = (MOST_IN_ROUND, 4, 1)
# Bars of all trials of a round together.
MOST_BARS_IN_ROUND = 128_000
KILLED = (
    "WorkerKilled: its process was killed, alone with this trial; the system does that where "
    "memory runs out"
)

Rounds = Iterable[Sequence[Trial]]
RoundsMade = Generator[list[Outcome], None, None]


class _Pool(NamedTuple):
    """Processes that work.

    Attributes
    ----------
    n_jobs : int
    made : callable
        Has rounds made, so many at a time; yields how they ended, in any order.
    losses : tuple of exception types
        What that raises where a process was killed.
    """

    n_jobs: int
    made: Callable[[Job, Rounds, int], RoundsMade]
    losses: tuple[type[Exception], ...]


class Workers:
    """The processes of a run of a sweep: there from the first that is handed out on, to its end.

    Parameters
    ----------
    engine : str
    n_jobs : int
    """

    def __init__(self, engine: str, n_jobs: int) -> None:
        self.is_here = engine == "local" and n_jobs == 1
        self._engine, self._n_jobs, self._stack = engine, n_jobs, ExitStack()
        self._sources: WorkerSources | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def sources_of(self, catalog: Catalog, store: TrialStore) -> WorkerSources:
        """Return how workers open a catalog, always the same one; prepared once, in a store."""
        if self._sources is None:
            place = self._stack.enter_context(store.workplace())
            recipe = recipe_of(catalog, place, place / "prepared")
            opened = recipe.open()
            opened.validate()
            opened.keep_prepared()
            self._sources = WorkerSources(token_hex(8), recipe)
        return self._sources

    @cached_property
    def pool(self) -> _Pool:
        """The processes."""
        return self._stack.enter_context(_POOLS[self._engine](self._n_jobs))


def require_engine(engine: object, n_jobs: object) -> tuple[str, int]:
    """Return the name of an engine, and how many rounds it gets at a time; -1: as it has cores.

    Raises
    ------
    ConfigError
        There is none of the name, or of `n_jobs` 0.
    """
    name = require_choice("engine", engine, ENGINES)
    with suppress(ConfigError):
        number = require_whole("n_jobs", n_jobs, least=-1)
        if number:
            return name, number
    raise ConfigError(f"n_jobs must be a number of processes, or -1 for all cores, was {n_jobs!r}")


def rounds_of(trials: Sequence[Trial], n_bars: int, n_jobs: int, most: int) -> list[list[Trial]]:
    """Cut trials into rounds of neighbours, which mostly share a ranking."""
    step = max(1, min(most, MOST_BARS_IN_ROUND // n_bars, -(-len(trials) // n_jobs)))
    return [list(trials[at : at + step]) for at in range(0, len(trials), step)]


def hand_out(
    job: Job,
    trials: Sequence[Trial],
    n_bars: int,
    workers: Workers,
    is_kept: Callable[[Trial], bool],
) -> RoundsMade:
    """Have trials made by an engine; yield how they ended, round by round, in any order.

    Parameters
    ----------
    is_kept : callable
        Says whether a trial is in the store: of one whose process died nothing else is known.
    """
    left, n_losses, pool = list(trials), Counter[int](), workers.pool
    while left:
        least = min(n_losses[one.number] for one in left)
        now = [one for one in left if n_losses[one.number] == least]
        rounds = rounds_of(now, n_bars, pool.n_jobs, MOST_SUSPECTED[least])
        is_alone = least == len(MOST_SUSPECTED) - 1
        begun, ended = list[Trial](), set[int]()
        try:
            handed = _noted(rounds, begun)
            with closing(pool.made(job, handed, 1 if is_alone else pool.n_jobs)) as made:
                for outcomes in made:
                    ended.update(one.number for one in outcomes)
                    yield outcomes
        except pool.losses:
            if not begun:
                raise  # there is no process that works
            lost = [one for one in begun if one.number not in ended]
            found = [Outcome(one.number, 0.0) for one in lost if is_kept(one)]
            there = {one.number for one in found}
            died = [one.number for one in lost if one.number not in there]
            if is_alone:
                found += [Outcome(number, 0.0, KILLED) for number in died]
            n_losses.update(died)
            ended.update(one.number for one in found)
            yield found
        left = [one for one in left if one.number not in ended]


def _noted(rounds: Rounds, begun: list[Trial]) -> Iterator[Sequence[Trial]]:
    """Hand on rounds; the trials of those that are taken are noted in `begun`."""
    for one in rounds:
        begun.extend(one)
        yield one


def _by_joblib(job: Job, rounds: Rounds, n_at_once: int) -> RoundsMade:
    joblib = package("joblib", extra="sweep")
    # Of fewer than two processes joblib makes none, and a killed one would be this.
    with joblib.parallel_config("loky", n_jobs=max(2, n_at_once)):
        # Arrays go as they are: in a file of joblib's they could not be written to.
        parallel = joblib.Parallel(
            batch_size=1, pre_dispatch=n_at_once, max_nbytes=None,
            return_as="generator_unordered",
        )  # fmt: skip
        yield from parallel(joblib.delayed(_work_for_parent)(job, packed(one)) for one in rounds)


def _work_for_parent(job: Job, trials: bytes) -> list[Outcome]:
    """Work in a process of loky's."""
    _end_with_parent()
    return work(job, trials)


@cache
def _end_with_parent() -> None:
    """End this process soon after the one that made it; loky's would wait five minutes for work."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        while os.getppid() == parent.pid:
            sleep(0.5)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


@contextmanager
def _loky(n_jobs: int) -> Iterator[_Pool]:
    joblib = package("joblib", extra="sweep")
    loky: Any = package("joblib.externals.loky", extra="sweep")
    errors: Any = package("joblib.externals.loky.process_executor", extra="sweep")
    n_jobs = joblib.cpu_count() if n_jobs == -1 else n_jobs
    try:
        yield _Pool(n_jobs, _by_joblib, (errors.TerminatedWorkerError,))
    finally:
        # joblib would keep them for five minutes, with the last job open in each.
        loky.get_reusable_executor(reuse=True).shutdown(wait=True)


@contextmanager
def _dask(n_jobs: int) -> Iterator[_Pool]:
    distributed = package("distributed", extra="dask")

    def made(job: Job, rounds: Rounds, n_at_once: int) -> RoundsMade:
        waiting = iter(rounds)

        def begun(n: int) -> list[Any]:
            some = islice(waiting, n)
            return [client.submit(work, job, packed(one), pure=False) for one in some]

        running = begun(n_at_once)
        try:
            while running:
                ended, _ = distributed.wait(running, return_when="FIRST_COMPLETED")
                running = [one for one in running if one not in ended]
                for one in ended:
                    outcomes = one.result()
                    one.release()  # else Dask makes it again where its worker is killed later
                    yield outcomes
                running += begun(len(ended))
        finally:
            client.cancel(running)

    with _dask_client(distributed, n_jobs) as client:
        n_cores = sum(client.ncores().values())
        losses = (distributed.KilledWorker,)
        yield _Pool(n_cores if n_jobs == -1 else n_jobs, made, losses)


@contextmanager
def _dask_client(distributed: Any, n_jobs: int) -> Iterator[Any]:
    """Return the client that this process is, or one of a cluster of this machine."""
    try:
        client = distributed.get_client()
    except ValueError:
        # Who is killed is suspected here; Dask would hand him out three times more.
        said = {"distributed.scheduler.allowed-failures": 0}
        with (
            package("dask", extra="dask").config.set(said),
            _dask_cluster(distributed, n_jobs) as cluster,
            distributed.Client(cluster) as client,
        ):  # fmt: skip
            yield client
    else:
        yield client


def _dask_cluster(distributed: Any, n_jobs: int) -> Any:
    """Return a cluster of this machine.

    Raises
    ------
    ConfigError
        No process could be started, most likely since each runs the script anew.
    """
    try:
        return distributed.LocalCluster(
            n_workers=None if n_jobs == -1 else n_jobs, threads_per_worker=1,
            # Any free port: without an address Dask warns where its own, 8787, is taken.
            dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False},
        )  # fmt: skip
    except RuntimeError as error:
        raise ConfigError(
            "engine='dask' could start no processes: they import the script that starts them, so "
            "it must be a file, with the sweep below if __name__ == '__main__':, or a notebook; "
            "or make a dask.distributed.Client first, of a cluster that runs"
        ) from error


@contextmanager
def _ray(n_jobs: int) -> Iterator[_Pool]:
    ray = package("ray", extra="ray")
    is_ours = not ray.is_initialized()
    if is_ours:
        n_cores = None if n_jobs == -1 else n_jobs
        # As processes that Python starts have it; Ray's own know the folder of the script alone.
        path = {"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}}
        ray.init(num_cpus=n_cores, include_dashboard=False, log_to_driver=False, runtime_env=path)

    def made(job: Job, rounds: Rounds, n_at_once: int) -> RoundsMade:
        task, waiting = ray.remote(max_retries=0)(work), iter(rounds)
        running = [task.remote(job, packed(one)) for one in islice(waiting, n_at_once)]
        try:
            while running:
                (ended, *_), running = ray.wait(running)
                try:
                    outcomes = ray.get(ended)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from None  # what the worker raised
                yield outcomes
                running += [task.remote(job, packed(one)) for one in islice(waiting, 1)]
        finally:
            for one in running:
                ray.cancel(one, force=True)

    try:
        n_cores = int(ray.cluster_resources()["CPU"])
        losses = (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError)
        yield _Pool(n_cores if n_jobs == -1 else n_jobs, made, losses)
    finally:
        if is_ours:
            ray.shutdown()


_POOLS: dict[str, Callable[[int], AbstractContextManager[_Pool]]] = {
    "local": _loky,
    "dask": _dask,
    "ray": _ray,
}
