"""Interpreter: how Python is set up while runs go on."""

from __future__ import annotations

import gc
import sys
from threading import Lock

# New containers between two collections; the ledger makes no cycles, a strategy might.
MOST_OBJECTS = (50_000, 50, 50)
SWITCH_SECONDS = 0.00005


class _TwoThreads:
    """Sets the interpreter up for a loop and a reader beside it, while any run goes on.

    The reader is between two calls of DuckDB most of the time it needs the interpreter: by
    default the loop would let it wait 5 ms at each. The cycle collector would walk the growing
    ledger time and again.
    """

    def __init__(self) -> None:
        self._lock, self._n_runs = Lock(), 0
        self._before: tuple[tuple[int, int, int], float] = ((0, 0, 0), 0.0)

    def __enter__(self) -> None:
        with self._lock:
            if not self._n_runs:
                self._before = gc.get_threshold(), sys.getswitchinterval()
                gc.set_threshold(*MOST_OBJECTS)
                sys.setswitchinterval(SWITCH_SECONDS)
            self._n_runs += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._n_runs -= 1
            if not self._n_runs:
                gc.set_threshold(*self._before[0])
                sys.setswitchinterval(self._before[1])


two_threads = _TwoThreads()
