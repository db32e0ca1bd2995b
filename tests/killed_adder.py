"""A process that adds runs to a store, or kills itself between two steps of it.

`python killed_adder.py STORE STEP RUN...`: opens each RUN and adds it. Before line number STEP of
what the store does the process kills itself; with a STEP of -1 it goes through and prints how many
lines there were, and the ids.
"""

from __future__ import annotations

import sys
from pathlib import Path

from killing import killed_before
from ml4t.backtest import BacktestResult, RunStore
from ml4t.backtest.results import run_store


def main(store: str, step: int, *runs: str) -> None:
    results = [BacktestResult.open(run) for run in runs]
    with killed_before(step, Path(run_store.__file__).parent) as steps:
        ids = [RunStore(store).add(result, tags=["added"]) for result in results]
    print(steps.done, *ids)  # noqa: T201 - to the process that waits


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
