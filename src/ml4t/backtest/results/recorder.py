"""Recorder: the journal of a run, kept as it was told until the end.

Nothing is written while a run goes on, so a run that fails leaves nothing behind. Which events
make the rows of which table is declared in `tables`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ml4t.backtest.core.batch import Ints, Selection
from ml4t.backtest.core.journal import Computed, Expired, Ordered, Selected
from ml4t.backtest.core.orders import Fills
from ml4t.backtest.results.staging import Array, staged
from ml4t.backtest.results.table import ROW, Table
from ml4t.backtest.results.tables import STAGED

# What makes no row of its own.
HEARD = (Expired, Ordered)


class Recorder:
    """Implements `ml4t.backtest.core.journal.Journal` in memory.

    Attributes
    ----------
    on_fills : callable or None
        Told of fills as they happen.
    """

    def __init__(self) -> None:
        self.on_fills: Callable[[Fills], None] | None = None
        # Events that make rows of one table share a list: they stay in order.
        self._events: dict[type, list[Any]] = {}
        for table in STAGED:
            kept = self._events.setdefault(table.events[0], [])
            self._events.update(dict.fromkeys(table.events, kept))
        for kind in HEARD:
            self._events[kind] = []
        self._staged: dict[str, dict[str, Array]] = {}
        self._n_orders = 0

    def new_ids(self, n: int) -> Ints:
        """Return the numbers of the next `n` orders."""
        ids = np.arange(self._n_orders, self._n_orders + n)
        self._n_orders += n
        return ids

    def record(self, event: object) -> None:
        """Keep what happened."""
        self._events[type(event)].append(event)
        if self.on_fills is not None and isinstance(event, Fills):
            self.on_fills(event)

    def computed(self, values: Iterable[tuple[tuple[int, int] | None, str, float | str]]) -> None:
        """Keep values that a provider computed: ((t, sid), name, value), sid -1 market-wide.

        What has no place in the run is left out. A value that was asked for again after it was
        forgotten is the one that was there first.
        """
        first: dict[tuple[int, int, str], float | str] = {}
        for place, name, value in values:
            if place is not None:
                first.setdefault((*place, name), value)
        for (t, sid, name), value in first.items():
            self.record(Computed(t=t, sid=sid, name=name, said=value))

    def told(self, kind: type) -> list[Any]:
        """Return what was recorded of a class so far, in order."""
        return self._events[kind]

    def chosen(self) -> dict[int, Selection]:
        """Return what was chosen at each bar that had a selection."""
        return {one.t: one.selection for one in self._events[Selected]}

    @property
    def n_orders(self) -> int:
        """How many orders there were."""
        return self._n_orders

    def add(self, table: Table, **columns: Array) -> None:
        """Keep what was found out of all rows of a table, now that they are there."""
        self.columns_of(table).update(columns)

    def columns_of(self, table: Table) -> dict[str, Array]:
        """Join what was kept of one table, once it is all there."""
        if table.name not in self._staged:
            self._staged[table.name] = staged(table, self._events[table.events[0]])
        return self._staged[table.name]

    def parts(self, table: Table) -> Iterator[dict[str, Array]]:
        """Yield the rows of a table part by part: many of them are not joined at once."""
        if table.parted is None:
            yield self.columns_of(table)
            return
        n_rows = 0
        for events in table.parted(self._events[table.events[0]]):
            columns = staged(table, events, n_rows)
            n_rows += len(columns[ROW])
            yield columns
