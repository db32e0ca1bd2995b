"""Engines: where the rounds of a sweep are made: here, in processes, or on a cluster.

joblib hands them out. Of its engines loky loses all work when one process is killed: what is in the
store by then stays, and the rest is handed out again in smaller rounds, until a trial that takes
its process with it is alone with that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from os import sched_getaffinity
from typing import Any

from ml4t.backtest.data.packages import package
from ml4t.backtest.errors import ConfigError, did_you_mean
from ml4t.backtest.sweep.work import Job, Outcome, Trial, work

ENGINES = ("local", "dask", "ray")
# Trials that walk side by side at the most: each keeps what happened until its last bar.
MOST_IN_ROUND = 16
# Bars of all trials of a round together.
MOST_BARS_IN_ROUND = 128_000
# Rounds for each process, so that the last of them ends soon after the others.
ROUNDS_EACH = 4
KILLED = (
    "WorkerKilled: its process was killed, alone with this trial; the system does that where "
    "memory runs out"
)


def require_engine(engine: object, n_jobs: object) -> tuple[str, int]:
    """Return the name of an engine, and how many processes it gets.

    Raises
    ------
    ConfigError
        There is none of the name, or of `n_jobs` 0.
    """
    if engine not in ENGINES:
        raise ConfigError(
            f"engine must be one of {', '.join(ENGINES)}, was {engine!r}"
            f"{did_you_mean(str(engine), ENGINES)}"
        )
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or not (n_jobs > 0 or n_jobs == -1):
        raise ConfigError(
            f"n_jobs must be a number of processes, or -1 for all cores, was {n_jobs!r}"
        )
    return str(engine), n_jobs if n_jobs > 0 else len(sched_getaffinity(0))


def rounds_of(trials: Sequence[Trial], n_bars: int, n_jobs: int, most: int) -> list[list[Trial]]:
    """Cut trials into rounds of neighbours, which mostly share a ranking."""
    n_rounds = n_jobs * ROUNDS_EACH if n_jobs > 1 else 1
    step = max(1, min(most, MOST_BARS_IN_ROUND // n_bars, -(-len(trials) // n_rounds)))
    return [list(trials[at : at + step]) for at in range(0, len(trials), step)]


def hand_out(
    job: Job,
    trials: Sequence[Trial],
    n_bars: int,
    engine: str,
    n_jobs: int,
    is_kept: Callable[[Trial], bool],
) -> Iterator[list[Outcome]]:
    """Have trials made by an engine; yield how they ended, round by round, in any order.

    Parameters
    ----------
    is_kept : callable
        Says whether a trial is in the store: of one whose process died nothing else is known.
    """
    left, most = list(trials), MOST_IN_ROUND
    while left:
        ended = set[int]()
        try:
            for outcomes in _in_parallel(
                job, rounds_of(left, n_bars, n_jobs, most), engine, n_jobs
            ):
                ended.update(one.number for one in outcomes)
                yield outcomes
            return
        except _pool_losses():
            lost = [one for one in left if one.number not in ended and is_kept(one)]
            yield [Outcome(one.number, 0.0) for one in lost]
            ended.update(one.number for one in lost)
            if not ended and most == n_jobs == 1:
                # Nobody else was at work: it is this trial that takes its process with it.
                ended.add(left[0].number)
                yield [Outcome(left[0].number, 0.0, KILLED)]
            elif not ended and most == 1:
                n_jobs = 1
            most = max(1, most // 4)
        left = [one for one in left if one.number not in ended]


def _in_parallel(
    job: Job, rounds: Sequence[Sequence[Trial]], engine: str, n_jobs: int
) -> Iterator[list[Outcome]]:
    joblib = package("joblib", extra="sweep")
    backend = {"local": "loky"}.get(engine, engine)
    with _cluster(engine, n_jobs), joblib.parallel_config(backend, n_jobs=n_jobs):
        parallel = joblib.Parallel(batch_size=1, return_as="generator_unordered")
        yield from parallel(joblib.delayed(work)(job, one) for one in rounds)


def _cluster(engine: str, n_jobs: int) -> AbstractContextManager[object]:
    """Return what has the cluster of an engine: the one that is there, or one of this machine."""
    return {"dask": _dask, "ray": _ray}[engine](n_jobs) if engine != "local" else nullcontext()


@contextmanager
def _dask(n_jobs: int) -> Iterator[None]:
    distributed = package("distributed", extra="dask")
    try:
        distributed.get_client()
    except ValueError:
        with (
            distributed.LocalCluster(
                n_workers=n_jobs, threads_per_worker=1, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster),
        ):
            yield
    else:
        yield


@contextmanager
def _ray(n_jobs: int) -> Iterator[None]:
    ray = package("ray", extra="ray")
    from importlib import import_module

    import_module("ray.util.joblib").register_ray()
    is_ours = not ray.is_initialized()
    if is_ours:
        ray.init(num_cpus=n_jobs, include_dashboard=False, log_to_driver=False)
    try:
        yield
    finally:
        if is_ours:
            ray.shutdown()


def _pool_losses() -> tuple[type[BaseException], ...]:
    """Return what joblib raises where a process of a pool was killed."""
    from concurrent.futures.process import BrokenProcessPool

    loky: Any = package("joblib.externals.loky.process_executor", extra="sweep")
    return BrokenProcessPool, loky.TerminatedWorkerError
