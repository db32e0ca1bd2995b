"""A saver in a process of its own, that kills itself between two steps or waits to be killed.

`python killed_saver.py RUN TARGET STEP [aside]`: opens RUN and saves it to TARGET. Before line
number STEP of what `save` does (counted over all modules of the package that it enters) the process
kills itself; with a STEP of -1 it goes through and prints how many lines there were. With `aside`
the system has no way to exchange two paths.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from ml4t.backtest import BacktestResult
from ml4t.backtest.results.keeping import paths as places

RESULTS = str(Path(places.__file__).parent.parent)


def main(run: str, target: str, step: int, *, aside: bool) -> None:
    result = BacktestResult.open(run)
    if aside:
        places.exchange = lambda one, other: False  # type: ignore[assignment]
    done = 0

    def line(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal done
        if event == "line":
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)
            done += 1
        return line

    def call(frame: FrameType, _event: str, _argument: Any) -> Any:
        return line if frame.f_code.co_filename.startswith(RESULTS) else None

    print("saving", flush=True)  # noqa: T201 - to the process that waits
    sys.settrace(call)
    result.save(target)
    sys.settrace(None)
    print(done, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), aside="aside" in sys.argv[4:])
