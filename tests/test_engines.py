"""Engines of a sweep: they make what one process makes, and lose nothing with one that is killed.

`make test-engines` has Dask and Ray too, and kills at more moments; `make test` kills once.
"""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from effort import long
from killed_sweep import (
    catalog_of,
    deadly_sweep_of,
    killer,
    sweep_of,
    workers_of,
    write_universe,
)
from ml4t.backtest import Catalog, ConfigError, Sweep, SweepResult, TopN
from ml4t.backtest.errors import BacktestError, CostError, DataError, ResultError, SignalError
from ml4t.backtest.sweep.engines import KILLED, Workers, hand_out
from ml4t.backtest.sweep.work import Job, Outcome, Trial

SCRIPT = Path(__file__).parent / "killed_sweep.py"
# `make test-engines` asks for more.
N_KILLS = int(os.environ.get("ML4T_KILLS", "0"))
PACKAGES = {"local": "joblib", "dask": "distributed", "ray": "ray"}
ENGINES = ["local", *(["dask", "ray"] if N_KILLS else [])]
# Clusters leave sockets to the collector of garbage, and warn of what is to come.
clusters = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_universe(tmp_path_factory.mktemp("engines") / "data")


def rows(result: SweepResult) -> tuple[list[Any], list[Any]]:
    """All that trials say, but how long they took."""
    trials = result.sql("select * exclude (seconds) from trials order by trial").fetchall()
    returns = result.sql("from trial_returns order by trial, timestamp").fetchall()
    return list(map(repr, trials)), list(map(repr, returns))  # NaN is no other NaN


# -- what is made does not depend on who makes it -------------------------------------------


def mixed_catalog(folder: Path) -> Catalog:
    """Files, choices of pandas, and a query with a sum of 128 bits and a path from here."""
    prices = pl.read_parquet(folder / "prices.parquet").to_pandas()
    prices["asset_id"] = prices["asset_id"].astype("category")
    features = os.path.relpath(folder / "features.parquet")
    query = f"select *, sum(1) over (partition by timestamp) as n_seen from '{features}'"
    catalog = Catalog().register("prices", prices).register("features", query)
    catalog.register(
        "context", duckdb.sql(f"select distinct timestamp, 1.0 as calm from '{features}'")
    )
    return catalog.indicators.sma(3)


@clusters
@pytest.mark.parametrize("engine", ENGINES)
def test_workers_make_what_one_process_makes(folder: Path, engine: str) -> None:
    pytest.importorskip(PACKAGES[engine])
    shift = 1  # a closure, and a class that no worker can import

    class Shifted(TopN):
        pass

    def make(n: int) -> TopN:
        return Shifted(n + shift, by="score * n_seen + sma_3 + calm")

    sweep = Sweep(mixed_catalog(folder), make, {"n": [1, 2, 3]})
    here = sweep.run()

    assert not here.failed
    assert rows(sweep.run(engine=engine, n_jobs=2)) == rows(here)
    assert not workers_of(os.getpid())


UNGUARDED = """
from pathlib import Path

from killed_sweep import catalog_of
from ml4t.backtest import Sweep, TopN

sweep = Sweep(catalog_of(Path({folder!r})), TopN(1, by="score"), {{"n": [1, 2]}})
sweep.run(engine="dask", n_jobs=2)
"""


@pytest.mark.skipif(not N_KILLS, reason="make test-engines")
@pytest.mark.parametrize("is_file", [True, False])
def test_a_script_that_dask_cannot_import_is_told_so(
    folder: Path, tmp_path: Path, *, is_file: bool
) -> None:
    pytest.importorskip("distributed")
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED.format(folder=str(folder)))
    done = subprocess.run(
        [sys.executable, str(script) if is_file else "-"], input=script.read_text(),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "ConfigError: engine='dask' could start no processes" in last
    assert "below if __name__ == '__main__':" in last


def test_what_cannot_be_sent_or_read_is_refused(folder: Path) -> None:
    handle = (folder / "prices.parquet").open("rb")
    with handle:
        sweep = Sweep(
            catalog_of(folder), lambda n: TopN(n + 0 * handle.tell(), by="score"), {"n": [1]}
        )
        with pytest.raises(ConfigError, match=r"cannot be sent to workers.*BufferedReader"):
            sweep.run(n_jobs=2)


@pytest.mark.parametrize(
    "error",
    [
        DataError("prices", "positive", "has rows", n_rows=2, sample=[{"close": -1.0}]),
        SignalError("feature", "mom", ["momentum"]),
        CostError("unknown", sids=[3]),
        ResultError("not kept", result=open),
    ],
)
def test_errors_go_to_another_process_with_their_facts(error: BacktestError) -> None:
    error.add_note("at bar 3")
    again = pickle.loads(pickle.dumps(error))

    assert (type(again), str(again), again.__notes__) == (type(error), str(error), ["at bar 3"])
    facts = {name: one for name, one in vars(error).items() if name != "_result"}
    assert vars(again) == facts
    assert getattr(again, "result", None) is None


# -- handing out, without processes ---------------------------------------------------------


class LostError(Exception):
    pass


class Fake:
    """Processes of which some trials, and some moments, kill one; and with it the pool."""

    def __init__(self, deadly: set[int], n_kills: int, seed: int) -> None:
        self.deadly, self.n_kills, self.random = deadly, n_kills, random.Random(seed)
        self.kept, self.made_of, self.n_losses = set[str](), Counter[int](), 0
        self.n_jobs, self.losses = 3, (LostError,)

    def made(
        self, _: Job, rounds: Iterable[list[Trial]], n_at_once: int
    ) -> Iterator[list[Outcome]]:
        waiting = iter(rounds)
        running = list(islice(waiting, n_at_once))
        while running:
            one = running.pop(self.random.randrange(len(running)))
            for trial in one:
                is_killed = self.n_kills > 0 and self.random.random() < 0.1
                self.n_kills -= is_killed
                if trial.number in self.deadly or is_killed:
                    self.n_losses += 1
                    raise LostError
                self.kept.add(trial.run_id)
                self.made_of[trial.number] += 1
            yield [Outcome(trial.number, 1.0) for trial in one]
            running += islice(waiting, 1)


@given(
    st.integers(1, 150), st.sets(st.integers(1, 150), max_size=3), st.integers(0, 2), st.randoms()
)
def test_every_trial_ends_once_whoever_is_killed(
    n: int, deadly: set[int], n_kills: int, chance: random.Random
) -> None:
    fake, workers = Fake(deadly, n_kills, chance.randrange(2**32)), Workers("local", 3)
    workers.__dict__["pool"] = fake
    trials = [Trial(number, {}, str(number)) for number in range(1, n + 1)]
    outcomes = [
        one
        for each in hand_out(
            cast(Job, None), trials, 30, workers, lambda one: one.run_id in fake.kept
        )
        for one in each
    ]

    assert sorted(one.number for one in outcomes) == list(range(1, n + 1))
    died = deadly & set(range(1, n + 1))
    failed = {one.number for one in outcomes if one.error}
    # Who is killed by chance, alone, after deadly ones were killed beside it, is taken for one.
    assert died <= failed
    assert len(failed - died) <= (n_kills if died else 0)
    assert {one.error for one in outcomes if one.error} <= {KILLED}
    assert fake.n_losses <= 3 * len(died) + 2
    # What ended is not made again, but for rounds that were not told of.
    assert max(fake.made_of.values(), default=0) <= 1 + fake.n_losses


# -- killing --------------------------------------------------------------------------------


def kept_in(store: Path) -> dict[str, int]:
    """The trials in a store, and when each was written."""
    files = (store / "trials" / "returns").glob("*.parquet")
    return {one.stem: one.stat().st_mtime_ns for one in files}


def orphans_of(mark: str) -> list[int]:
    """The workers with something in their environment, which they have of who made them."""
    found = list[int]()
    for one in workers_of(1):
        with suppress(OSError):  # it has ended
            found += [one] if mark.encode() in Path(f"/proc/{one}/environ").read_bytes() else []
    return found


def while_orphans_work(mark: str) -> None:
    """Wait until the workers of a process that was killed have ended, as they do by themselves."""
    until = time.monotonic() + 30
    while found := orphans_of(mark):
        assert time.monotonic() < until, found
        time.sleep(0.2)


def moments(n: int, most: float) -> Iterator[float]:
    """Random moments, the same at each run."""
    chance = random.Random(16)
    return (round(chance.uniform(0.0, most), 2) for _ in range(n))


@long
@clusters
@pytest.mark.parametrize("engine", ENGINES)
def test_a_killed_worker_takes_no_trial_with_it(tmp_path: Path, engine: str) -> None:
    pytest.importorskip(PACKAGES[engine])
    n_trials = 200 if N_KILLS else 20
    data, victims = write_universe(tmp_path / "data"), list[int]()
    here = rows(sweep_of(data, n_trials).run())
    for number, seconds in enumerate(moments(max(1, N_KILLS), 4.0 if N_KILLS else 0.1)):
        store = tmp_path / f"store-{number}"
        progress = killer("worker", seconds, victims)
        result = sweep_of(data, n_trials, store).run(engine=engine, n_jobs=2, progress=progress)
        assert rows(result) == here
        assert len(kept_in(store)) == n_trials
        assert not workers_of(os.getpid())
    assert len(victims) >= max(1, N_KILLS // 2)  # a late one finds no worker any more


@clusters
@pytest.mark.skipif(not N_KILLS, reason="make test-engines kills more")
@pytest.mark.parametrize("engine", ENGINES)
def test_a_sweep_whose_own_process_was_killed_goes_on_where_it_was(
    tmp_path: Path, engine: str
) -> None:
    pytest.importorskip(PACKAGES[engine])
    n_trials = 100
    data = write_universe(tmp_path / "data")
    here = rows(sweep_of(data, n_trials).run())
    for number, seconds in enumerate(moments(N_KILLS // 3, 1.0)):
        store, done = tmp_path / f"store-{number}", list[int]()
        told = [str(store), engine, str(n_trials), str(seconds)]
        marked = {**os.environ, "ML4T_KILLED": str(store)}
        ended = subprocess.run(
            [sys.executable, str(SCRIPT), *told], check=False, timeout=300, env=marked
        )
        assert ended.returncode == -signal.SIGKILL
        while_orphans_work(str(store))
        before = kept_in(store)
        assert 0 < len(before) < n_trials

        again = sweep_of(data, n_trials, store)
        said = partial(again.run, progress=lambda n, _, done=done: done.append(n))
        assert rows(said(engine=engine, n_jobs=2) if number % 2 else said()) == here
        assert done[0] == len(before)
        after = kept_in(store)
        assert len(after) == n_trials
        assert before.items() <= after.items()  # none is written again
        assert not list((store / "writing").glob(".sweep.*"))


@clusters
@pytest.mark.skipif(not N_KILLS, reason="make test-engines kills more")
@pytest.mark.parametrize("engine", ENGINES)
def test_a_trial_that_kills_its_process_is_a_row_with_an_error(folder: Path, engine: str) -> None:
    pytest.importorskip(PACKAGES[engine])
    began = time.monotonic()
    with pytest.warns(UserWarning, match=r"2 of 20 trials failed.*WorkerKilled"):
        result = deadly_sweep_of(folder, 20, deadly={4}).run(engine=engine, n_jobs=2)
    whole = deadly_sweep_of(folder, 20, deadly=()).run()

    assert time.monotonic() - began < 180
    assert [error for _, error in result.failed] == [KILLED, KILLED]
    query = "select * exclude (run_id, seconds) from trials where n <> 4 order by trial"
    assert list(map(repr, result.sql(query).fetchall())) == list(
        map(repr, whole.sql(query).fetchall())
    )
