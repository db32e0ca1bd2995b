"""TrialStore: the trials in a store of runs, a file each, by the id of the run.

    trials/metrics/<run_id>.parquet       its metrics, a row
    trials/returns/<run_id>.parquet       with its returns too, as lists, bar after bar

A trial is written beside its place, synced and moved there by one rename: whoever is killed leaves
no half of one, and who comes after him finds what is done. Equal trials write equal rows. One that
was damaged since is made again, as if it were not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import TYPE_CHECKING
from weakref import finalize

from ml4t.backtest.core.own_folder import WRITING
from ml4t.backtest.core.workplace import place_beside, remove_left, sync
from ml4t.backtest.errors import ResultError
from ml4t.backtest.results.keeping.paths import RUN_STORE
from ml4t.backtest.results.keeping.saving import NOT_WRITTEN, reason_of
from ml4t.backtest.sweep.sealed import is_whole, sealed_file

if TYPE_CHECKING:
    from pyarrow import Table as ArrowTable

_TRIALS = "trials"
_METRICS, _RETURNS = "metrics", "returns"
_SUFFIX = ".parquet"


class TrialStore:
    """The trials in a store of runs; the folder is made one where there is none.

    Parameters
    ----------
    path : Path or None
        None: a folder that goes with the last who keeps this object.

    Raises
    ------
    ResultError
        Something else stands there, or it cannot be made.
    """

    def __init__(self, path: Path | None) -> None:
        if path is None:
            path = Path(mkdtemp(prefix="ml4t-sweep-"))
            finalize(self, rmtree, path, ignore_errors=True)
        self.path = path.absolute()
        self._trials = self.path / _TRIALS
        self._workplace = self.path / WRITING / "sweep"
        RUN_STORE.require(self.path)
        try:
            RUN_STORE.make(self.path)
            for kind in (_METRICS, _RETURNS):
                (self._trials / kind).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RUN_STORE.unusable(self.path, error) from error

    def found(self, run_ids: Iterable[str], *, with_returns: bool) -> dict[str, Path]:
        """Return the files of some trials, as far as they are there and what was written."""
        kinds = [_RETURNS] if with_returns else [_METRICS, _RETURNS]
        places = (
            (one, self._trials / kind / f"{one}{_SUFFIX}") for one in run_ids for kind in kinds
        )
        return {run_id: path for run_id, path in places if is_whole(path, run_id)}

    def commit(self, run_id: str, row: ArrowTable, *, has_returns: bool) -> None:
        """Write a trial by one rename; an equal one that is there goes.

        Parameters
        ----------
        run_id : str
            Of its run.
        row : Arrow table
            One row.

        Raises
        ------
        ResultError
            It cannot be written (no space, no permission); the others are as they were.
        """
        target = self._trials / (_RETURNS if has_returns else _METRICS)
        place = self.path / WRITING
        try:
            place.mkdir(exist_ok=True)
            with place_beside(place / _TRIALS) as folder:
                made = folder / f"{run_id}{_SUFFIX}"
                made.write_bytes(sealed_file(row, run_id))
                sync(made)
                made.replace(target / made.name)
            sync(target)
        except NOT_WRITTEN as error:
            raise ResultError(
                f"trial '{run_id}' could not be added to '{self.path}': {reason_of(error)}; the "
                "trials in it are as they were"
            ) from error

    @contextmanager
    def workplace(self) -> Iterator[Path]:
        """Make a folder for what a sweep needs while it goes on."""
        self._workplace.parent.mkdir(exist_ok=True)
        with place_beside(self._workplace) as folder:
            yield folder

    def remove_left(self) -> None:
        """Remove the folders of sweeps that were killed."""
        remove_left(self._workplace)
