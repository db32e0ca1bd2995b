"""Runs over two files, with and without a store of prepared data.

`python prepared_runs.py DATA STORE STEP...`: makes a run for each STEP, one after the other, in
forks of a process that has imported everything and opened nothing, and prints of each how it ended,
how many lines of the store it went through, its id, and whether it opened a source. Before line
number STEP the fork kills itself; with a STEP of -1 it goes through. `{}` in STORE is the step.
With `at-once` before the steps they are made at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from killing import killed_before
from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, TopN
from ml4t.backtest.core import workplace
from ml4t.backtest.data import prepared_store
from ml4t.backtest.data.prepared_store.remembering import RememberingDatabase


def catalog_on(folder: Path, cache: Any = None, **settings: Any) -> Catalog:
    catalog = Catalog(cache=cache, **settings)
    for role in ("prices", "features"):
        catalog.register(role, folder / f"{role}.parquet")
    return catalog


def run_of_catalog(catalog: Catalog, n: int = 2) -> BacktestResult:
    return BacktestEngine(catalog, TopN(n, by="score", every=2)).run()


def run_on(folder: Path, cache: Any = None, n: int = 2, **settings: Any) -> BacktestResult:
    return run_of_catalog(catalog_on(folder, cache, **settings), n)


def asks_duckdb(catalog: Catalog) -> bool:
    """Whether the sources were opened."""
    database = catalog._database
    return not isinstance(database, RememberingDatabase) or database._database is not None


def main(data: str, store: str, step: int) -> None:
    within = Path(prepared_store.__file__).parent, Path(workplace.__file__)
    with killed_before(step, *within) as steps:
        catalog = catalog_on(Path(data), store)
        run = run_of_catalog(catalog)
    # In one piece: others print at the same time.
    sys.stdout.write(f"0 {steps.done} {run.run_id} {asks_duckdb(catalog)}\n")
    sys.stdout.flush()


def main_of_each(data: str, store: str, steps: list[int], *, at_once: bool) -> None:
    children = []
    for step in steps:
        child = os.fork()
        if not child:
            main(data, store.format(step), step)
            os._exit(0)
        children.append(child)
        while children and not at_once:
            wait_for(children)
    while children:
        wait_for(children)


def wait_for(children: list[int]) -> None:
    code = os.waitstatus_to_exitcode(os.waitpid(children.pop(), 0)[1])
    if code:
        print(code, flush=True)  # noqa: T201


if __name__ == "__main__":
    source, place, *words = sys.argv[1:]
    chosen = [int(word) for word in words if word != "at-once"]
    main_of_each(source, place, chosen, at_once="at-once" in words)
