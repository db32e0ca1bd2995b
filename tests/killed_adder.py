"""A process that adds runs to a store, or kills itself between two steps of it.

`python killed_adder.py STORE STEP RUN...`: opens each RUN and adds it. Before line number STEP of
what the store does the process kills itself; with a STEP of -1 it goes through and prints how many
lines there were, and the ids.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from ml4t.backtest import BacktestResult, RunStore
from ml4t.backtest.results import run_store

PLACE = str(Path(run_store.__file__).parent)


def main(store: str, step: int, *runs: str) -> None:
    results = [BacktestResult.open(run) for run in runs]
    done = 0

    def line(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal done
        if event == "line":
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)
            done += 1
        return line

    def call(frame: FrameType, _event: str, _argument: Any) -> Any:
        return line if frame.f_code.co_filename.startswith(PLACE) else None

    sys.settrace(call)
    ids = [RunStore(store).add(result, tags=["added"]) for result in results]
    sys.settrace(None)
    print(done, *ids)  # noqa: T201 - to the process that waits


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
