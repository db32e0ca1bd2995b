"""Columns: those of the sources at the bars of a chunk, from the panel or read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats
from ml4t.backtest.data.asof.bar_tables import bars_at, every_bar
from ml4t.backtest.data.asof.known_at import at_bars
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.asof.views import Known
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.panel import SPARE
from ml4t.backtest.data.sources.schema import as_filled
from ml4t.backtest.data.spilled import KeptColumns, SpilledColumns
from ml4t.backtest.data.sql_files import quote, render, rows_of
from ml4t.backtest.data.stream.dense import ColumnValues, cells, missing, scatter

# Where a bar has no volume, under the name by which it is read beside columns of prices.
UNTRADED = "__is_untraded"


class ChunkColumns:
    """Returns columns of sources ``[bars, assets]``, numbers NaN and others None where missing.

    Parameters
    ----------
    names : collection of str
        Columns of ``signals`` that are read at every bar.
    times : mapping of int to str
        The first and the last bar of each chunk as SQL.
    last_t : int
        The last bar of the run.
    """

    def __init__(
        self,
        names: Collection[str],
        kinds: Mapping[str, str],
        times: Mapping[int, str],
        last_t: int,
        prepared: Prepared,
        database: Database,
    ) -> None:
        self._kinds, self._times, self._last_t = kinds, times, last_t
        self._database, self._clock = database, prepared.timestamp_type
        sources = ["prices", *(known.source for known in prepared.per_asset if known.has_clock)]
        panel = prepared.panel
        self._kept: dict[str, KeptColumns] = {}
        self._spilled: dict[str, SpilledColumns] = {}
        for name in sources:
            taken = panel.take(name, names, database)
            if isinstance(taken, KeptColumns):
                self._kept[name] = taken
            elif taken is not None:
                self._spilled[name] = taken

    def let_go(self) -> None:
        """Keep nothing any more; what is asked for yet is read."""
        self._kept = {}

    def volume(self, first_t: int, n_bars: int) -> Floats | None:
        """Return the volume of each bar where it was kept; it is not read for its own sake."""
        kept = self._kept.get("prices")
        found = None if kept is None else kept.columns.get(SPARE)
        return None if found is None else self._cut(found, slice(first_t, first_t + n_bars))

    def prices(
        self, names: Iterable[str], first_t: int, shape: tuple[int, ...]
    ) -> dict[str, ColumnValues]:
        """Return columns of prices; `UNTRADED` is one of them."""
        kept = self._kept.get("prices")
        at_hand = {} if kept is None else {**kept.columns, UNTRADED: kept.is_halted}
        bars = slice(first_t, first_t + shape[0])
        found = {name: self._cut(at_hand[name], bars) for name in names if name in at_hand}
        items = {name: self._price_item(name) for name in names if name not in at_hand}
        if not items:
            return found

        def make(names: list[str]) -> dict[str, ColumnValues]:
            spilled = self._spilled_prices(names, bars)
            names = [name for name in names if name not in spilled]
            if not names:
                return spilled
            query = render(
                "batches/prices",
                columns=", ".join(f"{items[name]} as {quote(name)}" for name in names),
                first=self._times[first_t],
                last=self._times[bars.stop - 1],
            )
            rows = self._database.numpy(query)
            return spilled | scatter(rows, names, first_t, shape, self._kinds)

        about = {name: ("prices", name, item, first_t, shape) for name, item in items.items()}
        return found | self._database.columns(about, make)

    def _spilled_prices(self, names: Iterable[str], bars: slice) -> dict[str, ColumnValues]:
        """Return those columns of prices that are in a file."""
        spilled = self._spilled.get("prices")
        if spilled is None:
            return {}
        cut = spilled.cut([name for name in names if name in spilled.names], bars)
        at_hand = {**cut.columns, UNTRADED: cut.is_halted}
        return {name: at_hand[name] for name in names if name in at_hand}

    def known(
        self, source: Known, names: tuple[str, ...], first_t: int, has_bar: Bools
    ) -> dict[str, ColumnValues]:
        """Return a source's known values at every bar."""
        kept, shape = self._kept.get(source.source), has_bar.shape
        if kept is not None and kept.columns.keys() >= set(names):
            bars = slice(first_t, first_t + shape[0])
            is_known = kept.has_row[bars]
            if not (has_bar & ~is_known).any():
                found = {name: self._cut(kept.columns[name], bars) for name in names}
                return _at_bars(found, is_known, has_bar)
        about = {name: (source.relation, name, first_t, shape) for name in names}
        return self._database.columns(
            about, lambda names: self._read(source, names, first_t, has_bar)
        )

    def _read(
        self, source: Known, names: list[str], first_t: int, has_bar: Bools
    ) -> dict[str, ColumnValues]:
        shape = has_bar.shape
        spilled = self._spilled.get(source.source)
        if spilled is not None and set(spilled.names) >= set(names):
            cut = spilled.cut(names, slice(first_t, first_t + shape[0]))
            if not (has_bar & ~cut.has_row).any():
                return _at_bars(dict(cut.columns), cut.has_row, has_bar)
        if not source.has_clock:
            return self._as_of(source, names, first_t, shape)
        query = render(
            "batches/exact_features",
            known=source.relation,
            columns=", ".join(f"{self._item('known', name)} as {quote(name)}" for name in names),
            first=self._times[first_t],
            last=self._times[first_t + shape[0] - 1],
        )
        rows = self._database.numpy(query)
        is_known = np.zeros(shape, dtype=bool)
        is_known.reshape(-1)[cells(rows, first_t, shape)] = True
        if (has_bar & ~is_known).any():
            found = self._as_of(source, names, first_t, shape)
        else:
            found = scatter(rows, names, first_t, shape, self._kinds)
        return _at_bars(found, is_known, has_bar)

    def _as_of(
        self, source: Known, names: Sequence[str], first_t: int, shape: tuple[int, ...]
    ) -> dict[str, ColumnValues]:
        """Read what was the newest known at the bars of a chunk."""
        database = self._database
        at = bars_at(every_bar(database, first_t, first_t + shape[0] - 1), database)
        known = at_bars(source, tuple(names), at, database, name="at_bars", clock=self._clock)
        items = [f"{as_filled(quote(name), self._kinds[name])} as {quote(name)}" for name in names]
        rows = database.numpy(rows_of(known, ", ".join(["t", "sid", *items])))
        return scatter(rows, list(names), first_t, shape, self._kinds)

    def _cut(self, column: ColumnValues, bars: slice) -> ColumnValues:
        """Return some bars of a column; of the last, which somebody may keep, without the rest."""
        return column[bars].copy() if bars.stop > self._last_t else column[bars]

    def _item(self, table: str, name: str) -> str:
        return as_filled(f"{table}.{quote(name)}", self._kinds[name])

    def _price_item(self, name: str) -> str:
        return "(prices.volume = 0)::double" if name == UNTRADED else self._item("prices", name)


def _at_bars(
    found: dict[str, ColumnValues], is_known: Bools, has_bar: Bools
) -> dict[str, ColumnValues]:
    """Return columns without what became known where there is no bar: there is no signal."""
    if not (is_known & ~has_bar).any():
        return found
    return {name: np.where(has_bar, values, missing(values)) for name, values in found.items()}
