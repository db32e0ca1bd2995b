"""Spilled: columns of a source in a temporary file, where memory has no room for them.

1. Rows are written as a scan has them, part by part. A part is cut into pieces by the stretches of
   bars that its rows belong to, so that a source may be sorted by time, by asset or not at all.
2. A stretch is put onto the grid when its bars are asked for: each row is written once, and in a
   run read once.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from threading import Lock
from typing import IO, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Bools, Floats, Ints

# Places of a stretch: 2 MB a column, and the chunks of a long run are as large.
STRETCH_CELLS: Final = 1 << 18
# What the folder for temporary files has free is for others, too.
MOST_OF_FREE: Final = 0.5
# Beside the columns the file has of a part, where it needs them: the place of each row in its
# stretch, and whether it is halted.
_PLACES, _HALTS = "__places", "__halts"
_PLACE: Final = np.dtype(np.int32)


class KeptColumns(NamedTuple):
    """Columns of a source, ``[bars, assets]``.

    Attributes
    ----------
    columns : mapping of str to float array
        As the source has them: numbers and flags, NaN where missing. Not to be written.
    has_row : bool array
        Where the source has a row.
    is_halted : bool array
        Where the row has no volume.
    """

    columns: Mapping[str, Floats]
    has_row: Bools
    is_halted: Bools

    def cut(self, names: Sequence[str], bars: slice) -> KeptColumns:
        """Return columns at some bars, without a copy."""
        return KeptColumns(
            columns={name: self.columns[name][bars] for name in names},
            has_row=self.has_row[bars],
            is_halted=self.is_halted[bars],
        )


class _Part(NamedTuple):
    """Rows that were written together, those of one stretch after those of another.

    Attributes
    ----------
    stretch : int
        The first of its stretches.
    bounds : int array
        The first row of each stretch from that one on, and the number of rows.
    cell : int
        Of the first row, where each is at the cell after the one before; -1: the file has places.
    begins : mapping of str to int
        Where in the file each of its arrays begins.
    """

    stretch: int
    bounds: Ints
    cell: int
    begins: Mapping[str, int]


class SpilledColumns:
    """Columns of a source in a file without a name, which is gone with this object or process.

    Parameters
    ----------
    names : sequence of str
    n_bars, n_assets : int
    """

    def __init__(self, names: Sequence[str], n_bars: int, n_assets: int) -> None:
        self.names = tuple(names)
        self._n_bars, self._n_assets = n_bars, n_assets
        self._step = max(1, STRETCH_CELLS // max(n_assets, 1))
        self._parts: list[list[_Part]] = [[] for _ in range(0, n_bars, self._step)]
        # Open for as long as somebody has it: it has no name by which it could be opened again.
        self._file = tempfile.TemporaryFile(prefix="ml4t-backtest-", buffering=0)  # noqa: SIM115
        self.close = weakref.finalize(self, _close, self._file)
        self._end, self._turn = 0, Lock()
        # The stretch that was read last, of which the next bars may be too.
        self._last: tuple[int, tuple[str, ...], KeptColumns] | None = None

    @staticmethod
    def has_room(n_columns: int, n_places: int) -> bool:
        """Say whether there is room for so many columns, should each place have a row."""
        n_bytes = n_places * (n_columns * np.dtype(np.float64).itemsize + _PLACE.itemsize)
        return n_bytes <= MOST_OF_FREE * shutil.disk_usage(tempfile.gettempdir()).free

    # -- writing ----------------------------------------------------------------------

    def put(self, cells: Ints, columns: Mapping[str, Floats], is_halted: Bools | None) -> None:
        """Write some rows.

        Parameters
        ----------
        cells : int array
            Bar times assets, plus the asset.
        is_halted : bool array or None
            None: no row is.

        Raises
        ------
        OSError
            There is no room for them.
        """
        if not len(cells):
            return
        size = self._step * self._n_assets
        written: dict[str, NDArray[Any]] = {name: columns[name] for name in self.names}
        if is_halted is not None:
            written[_HALTS] = is_halted
        is_run = bool((np.diff(cells) == 1).all())
        if is_run:
            first, last = int(cells[0]) // size, int(cells[-1]) // size
            bounds = np.searchsorted(cells, np.arange(first, last + 2) * size)
        else:
            stretches, places = np.divmod(cells, size)
            written[_PLACES] = places.astype(_PLACE)
            if (stretches[1:] < stretches[:-1]).any():
                order = np.argsort(stretches, kind="stable")
                stretches = stretches[order]
                written = {name: values[order] for name, values in written.items()}
            first, last = int(stretches[0]), int(stretches[-1])
            bounds = np.searchsorted(stretches, np.arange(first, last + 2))
        begins = {name: self._write(values) for name, values in written.items()}
        part = _Part(first, bounds, int(cells[0]) if is_run else -1, begins)
        for stretch in (np.flatnonzero(np.diff(bounds)) + first).tolist():
            self._parts[stretch].append(part)

    def _write(self, values: NDArray[Any]) -> int:
        """Write an array behind all others; return where it begins."""
        begin, data = self._end, np.ascontiguousarray(values).data.cast("B")
        self._file.seek(begin)
        while len(data):
            data = data[self._file.write(data) :]
        self._end = self._file.tell()
        return begin

    # -- reading ----------------------------------------------------------------------

    def cut(self, names: Sequence[str], bars: slice) -> KeptColumns:
        """Read columns at some bars that follow one another."""
        with self._turn:
            found, step = [], self._step
            for i in range(bars.start // step, -(-bars.stop // step)):
                inside = slice(max(bars.start - i * step, 0), min(bars.stop - i * step, step))
                found.append(self._stretch(i, tuple(names)).cut(names, inside))
            if bars.stop % step == 0 or bars.stop == self._n_bars:
                self._last = None
        if len(found) == 1:
            return found[0]
        return KeptColumns(
            columns={n: np.concatenate([one.columns[n] for one in found]) for n in names},
            has_row=np.concatenate([one.has_row for one in found]),
            is_halted=np.concatenate([one.is_halted for one in found]),
        )

    def _stretch(self, i: int, names: tuple[str, ...]) -> KeptColumns:
        """Return columns of a stretch."""
        if self._last is not None and self._last[:2] == (i, names):
            return self._last[2]
        n_bars = min(self._step, self._n_bars - i * self._step)
        n_places = n_bars * self._n_assets
        has_row, is_halted = np.zeros(n_places, dtype=bool), np.zeros(n_places, dtype=bool)
        columns: dict[str, NDArray[Any]] = {name: np.full(n_places, np.nan) for name in names}
        for part in self._parts[i]:
            first, end = part.bounds[i - part.stretch : i - part.stretch + 2].tolist()
            begin = part.cell + first - i * self._step * self._n_assets
            places: Any = slice(begin, begin + end - first)
            if _PLACES in part.begins:
                places = self._read(part, _PLACES, first, np.empty(end - first, _PLACE))
            has_row[places] = True
            for name, column in {**columns, _HALTS: is_halted}.items():
                if name not in part.begins:
                    continue
                if isinstance(places, slice):
                    self._read(part, name, first, column[places])
                else:
                    rows = np.empty(end - first, column.dtype)
                    column[places] = self._read(part, name, first, rows)
        for column in columns.values():
            column.setflags(write=False)  # a run's chunks are views of it
        found = KeptColumns(
            columns={name: column.reshape(n_bars, -1) for name, column in columns.items()},
            has_row=has_row.reshape(n_bars, -1),
            is_halted=is_halted.reshape(n_bars, -1),
        )
        self._last = (i, names, found)
        return found

    def _read(self, part: _Part, name: str, first: int, into: NDArray[Any]) -> NDArray[Any]:
        """Fill an array with one of a part's, from a row of it on."""
        place = part.begins[name] + first * into.itemsize
        if _read_at(self._file, place, into.data.cast("B")) != into.nbytes:
            raise OSError("a temporary file of columns is shorter than what was written to it")
        return into


def _read_at(file: Any, place: int, into: memoryview) -> int:
    """Read from a place on; return how many bytes.

    Where the file stands at is left alone: a fork of this process stands there too, and moves it.
    """
    if sys.platform != "win32":  # nor are there forks
        return os.preadv(file.fileno(), [into], place)
    file.seek(place)
    n_bytes: int = file.readinto(into)
    return n_bytes


def _close(file: IO[bytes]) -> None:
    with suppress(OSError):  # what it had no room for it still has no room for
        file.close()
