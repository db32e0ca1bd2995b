"""Panel: what one scan of each source has read, on the run's grid of bars and assets.

1. The checks have `Panel.scan` read each source once: where its rows belong on the grid, how many
   of them may offend, and the columns that a run is likely to read at every bar.
2. A run takes those columns with `Panel.take`, which reads what is not there. Chunks are views of
   them; what does not fit into memory is in a temporary file, for all runs of the catalog.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Bools
from ml4t.backtest.data.database import Arrays, Database
from ml4t.backtest.data.spilled import KeptColumns, SpilledColumns
from ml4t.backtest.data.sql_files import Sql, quote, render

# Bytes of all columns that are kept: five of 500 assets over ten years of days.
KEPT_BYTES: Final = 1 << 26
# A column of prices that the table of fills alone has, or prices would be read once more for it: it
# is kept as long as there is room.
SPARE: Final = "volume"
# Above this many places for a row none are marked, and rows are compared by their keys.
MOST_CELLS: Final = 1 << 30
# Up to here a place has a byte, which is quicker to mark than a bit.
CELLS_OF_BYTES: Final = 1 << 26
BYTES_AT_ONCE: Final = 1 << 20
# What a scan returns beside columns, none of which may be called so.
COUNTS, HAS_HALTS, HAS_ROW, IS_HALTED = "__counts", "__has_halts", "__has_row", "__is_halted"
# What a row's flags say: some check may refuse it; nothing traded in its bar.
SUSPECT, HALTED = 1, 2


class ScanCounts(NamedTuple):
    """What a scan of a source has counted.

    Attributes
    ----------
    n_rows, n_suspect : int
        All rows, and those that some check of the role may refuse.
    n_on_grid, n_cells : int
        Rows at a bar and an asset of prices, and how many such places they take: fewer where two
        rows have one key.
    n_missed : int
        Places with a bar and without a row of the source; -1: not known.
    has_halts : bool array
        ``[bars]``, where some asset has no volume.
    """

    n_rows: int
    n_suspect: int
    n_on_grid: int
    n_cells: int
    n_missed: int
    has_halts: Bools

    @property
    def is_suspicious(self) -> bool:
        """Whether a row may offend: by what it says, by its key, or as the second of its key."""
        return bool(self.n_suspect) or self.n_cells < self.n_on_grid or self.n_on_grid < self.n_rows


class OnGrid(NamedTuple):
    """How a source is scanned.

    Attributes
    ----------
    source : str
    items : mapping of str to str
        How each column is read that may be kept, by name.
    judged : Sql or None
        Its rows with the column ``__flags``: what checks of single rows say of each.
    is_exact : bool
        A row is known at the bar of its key.
    """

    source: str
    items: Mapping[str, str]
    judged: Sql | None
    is_exact: bool


@dataclass(slots=True, kw_only=True)
class Panel:
    """The scans of a catalog's sources, each made once.

    Attributes
    ----------
    n_bars, n_assets : int
    readable : dict of str to OnGrid
        By source; the others are not on the grid.
    scans : dict of str to ScanCounts
    kept : dict of str to KeptColumns
        Until a run takes it.
    spilled : dict of str to SpilledColumns
        What did not fit into memory.
    likely : collection of str
        Columns that will be read at every bar, in lower case.
    """

    n_bars: int
    n_assets: int
    readable: dict[str, OnGrid] = field(default_factory=dict)
    scans: dict[str, ScanCounts] = field(default_factory=dict)
    kept: dict[str, KeptColumns] = field(default_factory=dict)
    spilled: dict[str, SpilledColumns] = field(default_factory=dict)
    likely: Collection[str] = ()
    _bars: NDArray[np.uint8] | None = None

    def has_all(self, source: str) -> bool:
        """Say whether a source is known to have a row at each bar, which counts from it on."""
        counts = self.scans.get(source)
        return counts is not None and counts.n_missed == 0 and self.readable[source].is_exact

    def has_no_other(self, source: str) -> bool:
        """Say whether a source is known to have a row at each bar, and none anywhere between."""
        return self.has_all(source) and self.scans[source].n_cells == self.scans["prices"].n_cells

    def scan(self, readable: OnGrid, database: Database) -> ScanCounts | None:
        """Read a source for its checks; None: its grid is too large to mark its rows."""
        source = readable.source
        self.readable[source] = readable
        if source not in self.scans and self.n_bars * self.n_assets <= MOST_CELLS:
            self._read(source, self.likely, database)
        return self.scans.get(source)

    def take(
        self, source: str, names: Collection[str], database: Database
    ) -> KeptColumns | SpilledColumns | None:
        """Return columns of a source by bar and asset; None where there are none.

        Those in memory are the caller's from now on: all that are numbers or flags. A file has
        those that were likely when it was made.
        """
        if source in self.spilled:
            return self.spilled[source]
        kept = self.kept.pop(source, None)
        readable = self.readable.get(source)
        wanted = set(names).intersection(() if readable is None else readable.items)
        if not wanted or (kept is not None and kept.columns.keys() >= wanted):
            return kept
        if source not in self.scans or not self._has_room(len(wanted)):
            return None
        self._read(source, {name.lower() for name in wanted}, database)
        return self.kept.pop(source, None)

    def _has_room(self, n_columns: int) -> bool:
        """Say whether so many columns can be kept beside those that are."""
        n_kept = n_columns + sum(len(kept.columns) for kept in self.kept.values())
        n_bytes = self.n_bars * self.n_assets * np.dtype(np.float64).itemsize
        return n_kept * n_bytes <= KEPT_BYTES

    def _drop_spare(self) -> None:
        """Let go of what no bar of the loop reads."""
        prices = self.kept.get("prices")
        if prices is not None and SPARE not in self.likely:
            columns = {name: one for name, one in prices.columns.items() if name != SPARE}
            self.kept["prices"] = prices._replace(columns=columns)

    def _chosen(
        self, source: str, likely: Collection[str]
    ) -> tuple[dict[str, str], SpilledColumns | None]:
        """Choose the columns to keep in memory; where it has no room for them, a file for them."""
        items = self.readable[source].items
        wanted = {name: item for name, item in items.items() if name.lower() in likely}
        if not self._has_room(len(wanted)):
            self._drop_spare()
        if self._has_room(len(wanted)):
            if wanted and source == "prices" and self._has_room(len(wanted) + 1):
                wanted |= {name: item for name, item in items.items() if name == SPARE}
            return wanted, None
        # Of a source that was scanned the loop reads its bars, which may be a few of them.
        is_first = source not in self.scans
        n_places = self.n_bars * self.n_assets
        with suppress(OSError):  # there may be no folder for temporary files
            if is_first and SpilledColumns.has_room(len(wanted), n_places):
                return {}, SpilledColumns(list(wanted), self.n_bars, self.n_assets)
        return {}, None

    def _read(self, source: str, likely: Collection[str], database: Database) -> None:
        readable, known = self.readable[source], self.scans.get(source)
        wanted, spilled = self._chosen(source, likely)
        if known is not None and not wanted:
            return
        # Once it is known that nothing halted, bars need not be judged again.
        is_judged = readable.judged is not None and (known is None or bool(known.has_halts.any()))

        def make(names: list[str]) -> Arrays:
            read = [name for name in names if name in wanted]
            more = read if spilled is None else spilled.names
            items = "".join(f", {readable.items[name]} as {quote(name)}" for name in more)
            query = render(
                "panel/scan",
                source=f"({readable.judged})" if is_judged else f"main.{quote(source)}",
                n_assets=str(self.n_assets),
                flags="source.__flags" if is_judged else "0",
                more=items,
            )
            shape = (self.n_bars, self.n_assets)
            rows = _Rows(shape, read, spilled, is_kept=bool(wanted))
            for part in database.stream(query):
                rows.take(part)
            if readable.judged is not None:
                self._bars = rows.marks.packed()
            if rows.spilled is not None:
                self.spilled[source] = rows.spilled
            return rows.arrays(self._bars)

        needed = [COUNTS, HAS_HALTS, *((HAS_ROW, IS_HALTED) if wanted else ()), *wanted]
        grid = (self.n_bars, self.n_assets, bool(wanted), is_judged)
        about = {n: (n, "panel", source, wanted.get(n), readable.judged, *grid) for n in needed}
        found = database.columns(about, make)
        if known is None:
            n_rows, n_suspect, n_on_grid, n_cells, n_missed = found[COUNTS].tolist()
            self.scans[source] = ScanCounts(
                n_rows=n_rows, n_suspect=n_suspect, n_on_grid=n_on_grid, n_cells=n_cells,
                n_missed=n_missed, has_halts=found[HAS_HALTS],
            )  # fmt: skip
        if wanted:
            columns = {name: found[name] for name in wanted}
            for column in columns.values():
                column.setflags(write=False)  # a run's chunks are views of it
            self.kept[source] = KeptColumns(
                columns=columns, has_row=found[HAS_ROW], is_halted=found[IS_HALTED]
            )


class _Rows:
    """Takes the rows of a source in any order, and puts each where it belongs."""

    def __init__(
        self,
        shape: tuple[int, int],
        names: Sequence[str],
        spilled: SpilledColumns | None,
        *,
        is_kept: bool,
    ) -> None:
        self._shape, n_places = shape, shape[0] * shape[1]
        self._columns = {name: np.full(n_places, np.nan) for name in names}
        self.spilled = spilled
        self.marks = _Marks(n_places, has_bytes=is_kept or n_places <= CELLS_OF_BYTES)
        self._n_rows = self._n_suspect = self._n_on_grid = 0
        self._has_halts = np.zeros(shape[0], dtype=bool)
        self._is_halted = np.zeros(n_places, dtype=bool) if is_kept else None

    def take(self, part: Mapping[str, NDArray[Any]]) -> None:
        """Take some rows: where each belongs, or -1, its flags and its columns."""
        cells, flags = part["__cell"], part["__flags"]
        self._n_rows += len(cells)
        is_on_grid: slice | Bools = cells >= 0 if cells.min(initial=0) < 0 else slice(None)
        cells = cells[is_on_grid]
        is_halted = None
        if flags.any():
            self._n_suspect += int(np.count_nonzero(flags & SUSPECT))
            is_halted = (flags[is_on_grid] & HALTED).astype(bool)
            halted = cells[is_halted]
            self._has_halts[halted // self._shape[1]] = True
            if self._is_halted is not None:
                self._is_halted[halted] = True
        self._n_on_grid += len(cells)
        self.marks.add(cells)
        for name, column in self._columns.items():
            column[cells] = part[name][is_on_grid]
        if self.spilled is not None:
            columns = {name: part[name][is_on_grid] for name in self.spilled.names}
            try:
                self.spilled.put(cells, columns, is_halted)
            except OSError:  # others have filled the disk: chunks are read from the source
                self.spilled.close()
                self.spilled = None

    def arrays(self, bars: NDArray[np.uint8] | None) -> Arrays:
        """Return what was found.

        Parameters
        ----------
        bars : uint8 array or None
            The marks of prices, packed.
        """
        marks = self.marks.packed()
        n_missed = -1 if bars is None else _count(bars & ~marks)
        n_cells = _count(marks)
        counts = (self._n_rows, self._n_suspect, self._n_on_grid, n_cells, n_missed)
        found = {COUNTS: np.array(counts), HAS_HALTS: self._has_halts}
        if self._is_halted is not None:
            found[HAS_ROW] = self.marks.places.view(bool).reshape(self._shape)
            found[IS_HALTED] = self._is_halted.reshape(self._shape)
        columns = {name: column.reshape(self._shape) for name, column in self._columns.items()}
        return found | columns


class _Marks:
    """Marks places, and counts those that are marked."""

    def __init__(self, n_places: int, *, has_bytes: bool) -> None:
        self._has_bytes = has_bytes
        self.places = np.zeros(n_places if has_bytes else (n_places + 7) // 8, dtype=np.uint8)

    def add(self, cells: NDArray[Any]) -> None:
        if self._has_bytes:
            self.places[cells] = 1
        else:
            bits = np.left_shift(np.uint8(1), (cells & 7).astype(np.uint8))
            np.bitwise_or.at(self.places, cells >> 3, bits)

    def packed(self) -> NDArray[np.uint8]:
        """Return a bit for each place."""
        return np.packbits(self.places, bitorder="little") if self._has_bytes else self.places


def _count(packed: NDArray[np.uint8]) -> int:
    """Return how many bits are set."""
    parts = range(0, len(packed), BYTES_AT_ONCE)
    return sum(
        int(np.count_nonzero(np.unpackbits(packed[at : at + BYTES_AT_ONCE]))) for at in parts
    )
