"""Time a store of runs: an append as it grows; list, comparison, opened run and query over all.

    python benchmarks/run_store.py --runs 1000 --store out/bench/store

The runs are of W1 at size A: a few different ones, and copies of those under ids of their own, with
every file that a run has. A store that is there is filled up, and measured again.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb

from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, RunStore, TopN
from ml4t.backtest.synthetic import make_market

N_BASES = 4
AROUND = (1, 100, 1_000)
TURNS = 5


def bases(data: Path) -> list[BacktestResult]:
    if not (data / "context.parquet").exists():
        make_market(data, n_assets=500, n_bars=252)
    catalog = Catalog()
    for role in ("prices", "features", "context"):
        catalog.register(role, data / f"{role}.parquet")
    strategies = [TopN(25, by="ml_score", every=5 + i, when="vix <= 30") for i in range(N_BASES)]
    return [
        BacktestEngine(catalog, strategy, initial_capital=1_000_000).run()
        for strategy in strategies
    ]


def copy_of(saved: Path, number: int, folder: Path) -> BacktestResult:
    """A run under another id: all its rows have it."""
    run_id = hashlib.sha256(str(number).encode()).hexdigest()[:12]
    with duckdb.connect() as connection:
        for file in saved.glob("*.parquet"):
            connection.execute(
                f"copy (select '{run_id}' as run_id, * exclude (run_id) "
                f"from read_parquet('{file}')) to '{folder / file.name}'"
            )
    return BacktestResult.open(folder)


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the clock, and of this process."""
    begun, used = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - begun, time.process_time() - used


def fill(store: RunStore, n_runs: int, data: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        saved = [run.save(Path(folder) / f"base_{i}") for i, run in enumerate(bases(data))]
        found: list[tuple[float, float]] = []
        for number in range(len(store), n_runs):
            place = Path(folder) / f"copy_{number}"
            place.mkdir()
            run = copy_of(saved[number % N_BASES], number, place)
            found.append(timed(partial(store.add, run, tags=[f"base {number % N_BASES}"])))
            if number + 1 in AROUND or number + 1 == n_runs:
                near = found[-10:]
                print(
                    f"append up to number {number + 1:,}: median of {len(near)} "
                    f"{statistics.median(one for one, _ in near):.3f} s, "
                    f"{statistics.median(one for _, one in near):.3f} s of the processor",
                    flush=True,
                )


def measure(store: RunStore) -> None:
    ids = [run_id for (run_id,) in store.runs().project("run_id").fetchall()]
    asked: dict[str, Callable[[], object]] = {
        "list": lambda: store.runs().fetchall(),
        "list, the index is gone": lambda: ((store.path / "index.parquet").unlink(), store.runs()),
        "compare two": lambda: store.compare(ids[:2]).metrics.fetchall(),
        "compare all": lambda: store.compare().metrics.fetchall(),
        "open": lambda: store.open(ids[len(ids) // 2]),
        "diff": lambda: store.diff(ids[0], ids[1]).fills.fetchall(),
        "sql, one run": lambda: store.sql(
            f"select sum(pnl) from trades where run_id = '{ids[-1]}'"
        ).fetchall(),
        "sql, trades of all": lambda: store.sql(
            "select run_id, sum(pnl) from trades group by all"
        ).fetchall(),
        "any DuckDB, trades of all": lambda: duckdb.connect().execute(
            "select run_id, sum(pnl) from "
            f"read_parquet('{store.path}/runs/*/trades.parquet') group by all"
        ).fetchall(),
    }  # fmt: skip
    size = sum(file.stat().st_size for file in store.path.rglob("*.parquet"))
    print(
        f"\n{len(ids):,} runs, {size / 1e6:,.0f} MB\n\n| what | wall s (min to max) | processor s |"
    )
    print("|---|---|---|")
    for word, act in asked.items():
        found = [timed(act) for _ in range(TURNS)]
        walls, used = zip(*found, strict=True)
        print(
            f"| {word} | {statistics.median(walls):.2f} ({min(walls):.2f} to {max(walls):.2f}) "
            f"| {statistics.median(used):.2f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--data", type=Path, default=Path("out/bench/A"))
    parser.add_argument("--store", type=Path, default=Path("out/bench/store"))
    options = parser.parse_args()
    store = RunStore(options.store)
    fill(store, options.runs, options.data)
    measure(store)


if __name__ == "__main__":
    main()
