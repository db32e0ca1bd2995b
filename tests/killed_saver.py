"""A saver in a process of its own, that kills itself between two steps or waits to be killed.

`python killed_saver.py RUN TARGET STEP [aside]`: opens RUN and saves it to TARGET. Before line
number STEP of what `save` does (counted over all modules of the package that it enters) the process
kills itself; with a STEP of -1 it goes through and prints how many lines there were. With `aside`
the system has no way to exchange two paths.

With a comma between steps it does so once for each, `{}` in TARGET being the step, in forks of a
process that has imported everything and opened nothing; it prints how each of them ended. A first
fork goes through: each step is a share of its lines, or, below 0, a line counted from the last.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from killing import killed_before
from ml4t.backtest import BacktestResult
from ml4t.backtest.core import workplace
from ml4t.backtest.results.keeping import paths as places


def main(run: str, target: str, step: int, *, aside: bool) -> int:
    result = BacktestResult.open(run)
    if aside:
        places.exchange = lambda one, other: False  # type: ignore[assignment]
    print("saving", flush=True)  # noqa: T201 - to the process that waits
    within = Path(places.__file__).parent.parent, Path(workplace.__file__)
    with killed_before(step, *within) as steps:
        result.save(target)
    print(steps.done, flush=True)  # noqa: T201
    return steps.done


def main_of_each(run: str, target: str, steps: list[str], *, aside: bool) -> None:
    counted, counting = os.pipe()
    if not os.fork():
        n_lines = main(run, target.format("count"), -1, aside=aside)
        os.write(counting, str(n_lines).encode())
        os._exit(0)
    os.wait()
    n_steps = int(os.read(counted, 20))
    for step in steps:
        share = float(step)
        child = os.fork()
        if not child:
            line = round(share * (n_steps - 1)) if share >= 0 else n_steps + int(share)
            main(run, target.format(step), line, aside=aside)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


if __name__ == "__main__":
    saved, place, chosen, *words = sys.argv[1:]
    if "," in chosen:
        main_of_each(saved, place, chosen.split(","), aside="aside" in words)
    else:
        main(saved, place, int(chosen), aside="aside" in words)
