"""A sweep of which a process is killed: a worker, this one, or what a trial of its own kills.

`python killed_sweep.py STORE ENGINE N_TRIALS SECONDS` makes trials with two workers over what
stands in the folder `data` beside STORE, and kills itself so many seconds after the first ended.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from random import Random
from typing import Any

import polars as pl

from ml4t.backtest import BacktestConfig, BasisPointCommission, Catalog, Sweep, TopN
from universes import make_universe

# What workers of loky, Dask and Ray are called.
WORKERS = (b"loky", b"spawn_main", b"ray::work")


class Deadly:
    """A commission that takes its process with it, anywhere but where the sweep was planned."""

    features = ()

    def __init__(self, home: int) -> None:
        self.home = home

    def charge(self, quote: Any) -> Any:
        if os.getpid() != self.home:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0.0 * quote.value


def write_universe(folder: Path) -> Path:
    """Write the prices and the features of all these sweeps."""
    universe = make_universe(1, n_assets=10, n_bars=30)
    folder.mkdir(exist_ok=True)
    for name in ("prices", "features"):
        rows: pl.DataFrame = getattr(universe, name)
        rows.write_parquet(folder / f"{name}.parquet")
    return folder


def catalog_of(folder: Path) -> Catalog:
    catalog = Catalog()
    for name in ("prices", "features"):
        catalog.register(name, folder / f"{name}.parquet")
    return catalog


def sweep_of(folder: Path, n_trials: int, store: Path | None = None) -> Sweep:
    """A sweep of so many trials over them, a multiple of ten."""
    return Sweep(catalog_of(folder), TopN(2, by="score"), _grid(n_trials), store=store)


def _grid(n_trials: int) -> dict[str, list[int]]:
    return {"n": list(range(1, 11)), "every": list(range(1, n_trials // 10 + 1))}


def deadly_sweep_of(folder: Path, n_trials: int, deadly: Collection[int]) -> Sweep:
    """The same, of which those with such an `n` kill their process."""
    home = os.getpid()

    def make(n: int, every: int) -> dict[str, Any]:
        commission = Deadly(home) if n in deadly else BasisPointCommission(10)
        return {
            "strategy": TopN(n, by="score", every=every),
            "config": BacktestConfig(commission=commission),
        }

    return Sweep(catalog_of(folder), make, _grid(n_trials))


def workers_of(process: int) -> list[int]:
    """The workers among the descendants of a process."""
    parents = dict[int, int]()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
            except OSError:
                continue  # it has ended
            parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    family, found = {process}, list[int]()
    while grown := {one for one, parent in parents.items() if parent in family} - family:
        family |= grown
    for one in family - {process}:
        try:
            line = Path(f"/proc/{one}/cmdline").read_bytes()
        except OSError:
            continue
        if any(word in line for word in WORKERS) and b"resource_tracker" not in line:
            found.append(one)
    return sorted(found)


def killer(who: str, seconds: float, killed: list[int]) -> Callable[[int, int], None]:
    """What kills somebody so many seconds after it was told of trials for the first time."""
    begun = threading.Event()

    def kill() -> None:
        time.sleep(seconds)
        victims = workers_of(os.getpid()) if who == "worker" else [os.getpid()]
        if victims:
            victim = Random(seconds).choice(victims)
            killed.append(victim)
            os.kill(victim, signal.SIGKILL)

    def told(done: int, in_all: int) -> None:
        if 0 < done < in_all and not begun.is_set():
            begun.set()
            threading.Thread(target=kill, daemon=True).start()

    return told


def main(store: str, engine: str, n_trials: int, seconds: float) -> None:
    data = Path(store).with_name("data")
    sweep_of(data, n_trials, Path(store)).run(
        engine=engine, n_jobs=2, progress=killer("self", seconds, [])
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
