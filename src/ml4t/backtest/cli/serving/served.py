"""Served: one saved run, or a store of them, behind ids; nothing of it is written."""

from __future__ import annotations

from pathlib import Path

from ml4t.backtest.data.database import Database
from ml4t.backtest.errors import ResultError, did_you_mean
from ml4t.backtest.results.keeping.paths import is_store
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.run_store.entry import id_of
from ml4t.backtest.results.run_store.store import RunStore

# Runs that are open at a time, each with all of its tables in memory.
MOST_OPEN = 8


class Served:
    """What is served.

    Parameters
    ----------
    path : Path
        A saved run, or a store.

    Raises
    ------
    ResultError
        There is neither at `path`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = RunStore(path) if is_store(path) else None
        self._open: dict[str, BacktestResult] = {}
        self._own: str | None = None
        if self.store is None:
            self._own = self.keep(BacktestResult.open(path))

    def ids(self) -> list[str]:
        """Return the ids of all runs: those at the path, then those that were made since."""
        stored = []
        if self.store is not None:
            listed = self.store.runs()
            if "run_id" in listed.columns:
                stored = [str(row[0]) for row in listed.project("run_id").fetchall()]
        return list(dict.fromkeys([*stored, *self._open]))

    def run(self, run_id: str | None = None) -> BacktestResult:
        """Return a run by its id, or the beginning of it; without one the run at the path.

        Raises
        ------
        ResultError
            There is no such run, or a store is served and none is named.
        """
        run_id = run_id or self._own
        if run_id is None:
            raise ResultError(f"'{self.path}' is a store of runs; say run_id, one of {self._few()}")
        begun = [one for one in self._open if one.startswith(run_id)]
        if len(begun) == 1:
            return self._open[begun[0]]
        if self.store is None:
            raise ResultError(f"there is no run {run_id!r}{did_you_mean(run_id, self.ids())}")
        result = self.store.open(run_id)
        self.keep(result)
        return result

    def keep(self, result: BacktestResult) -> str:
        """Have a run among those that are open; the one that was opened first goes."""
        run_id = id_of(result)
        self._open[run_id] = result
        for one in [one for one in self._open if one != self._own][:-MOST_OPEN]:
            del self._open[one]
        return run_id

    def reader_of(self, query: str, run_id: str | None) -> Database:
        """Return what answers a query: of a store, without an id, over all of its runs."""
        if run_id is None and self.store is not None:
            return self.store.reader_of(query)
        return self.run(run_id).reader_of(query)

    def _few(self) -> str:
        ids = self.ids()
        return ", ".join(ids[:5]) + (f" and {len(ids) - 5:,} more" if len(ids) > 5 else "")
