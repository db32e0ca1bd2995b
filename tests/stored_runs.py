"""Small runs, and a store of them, for the tests of stores."""

from __future__ import annotations

import shutil
from pathlib import Path

from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, RunStore, TopN
from universes import make_universe


def run_of(seed: int = 1, *, every: int = 2, n_bars: int = 8) -> BacktestResult:
    universe = make_universe(seed, n_bars=n_bars)
    catalog = Catalog()
    catalog.register("prices", universe.prices).register("features", universe.features)
    return BacktestEngine(catalog, TopN(2, by="score", every=every)).run()


def id_of_run(run: BacktestResult) -> str:
    return str(run.sql("select run_id from runs").fetchall()[0][0])


def store_of(folder: Path, runs: list[BacktestResult]) -> RunStore:
    """A store of runs, each tagged with its number."""
    store = RunStore(folder)
    for number, run in enumerate(runs):
        store.add(run, tags=[f"number {number}"])
    return store


def copy_of(store: RunStore, folder: Path) -> RunStore:
    """The same store in another folder, for a test that changes it."""
    shutil.copytree(store.path, folder)
    return RunStore(folder)


def listed_ids(store: RunStore) -> list[str]:
    return [run_id for (run_id,) in store.runs().project("run_id").fetchall()]
