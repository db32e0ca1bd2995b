"""Witnessed: what a run saw of the assets that it held or ordered, taken chunk by chunk.

Nothing is asked of a source for it: the arrays of a chunk are there anyway, and are read once more
when the loop is through with them, at the few places that matter.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ml4t.backtest.core.batch import Chunk, Ints
from ml4t.backtest.core.journal import AccountAtClose, Expired, Ordered
from ml4t.backtest.core.orders import Fills
from ml4t.backtest.core.terms import Action
from ml4t.backtest.core.values import Columns
from ml4t.backtest.results.evidence.excursions import excursions_of
from ml4t.backtest.results.evidence.known import KnownInChunk, KnownValues, evidence_of
from ml4t.backtest.results.evidence.prices import BAR_PRICES, HeldPrices
from ml4t.backtest.results.gathered import HeldRows
from ml4t.backtest.results.recorder import Recorder
from ml4t.backtest.results.staging import Array
from ml4t.backtest.results.table import Table
from ml4t.backtest.results.tables import FILLS, ORDERS
from ml4t.backtest.results.trade_tables import EVIDENCE, TRADES

# Events that say which assets matter at a bar.
MATTERS = (AccountAtClose, Expired, Fills, Ordered)


class Witnessed:
    """Looks at chunks once the loop is through with them.

    Parameters
    ----------
    recorder : Recorder
        Knows what was held, filled and ordered.
    n_assets : int
    asked : collection of str
        Prices that are evidence; a bar's own are read by every run, and are none by themselves.
    actions : sequence of Action
    n_bars : int
        Of the run.
    """

    def __init__(
        self,
        recorder: Recorder,
        n_assets: int,
        asked: Collection[str],
        actions: Sequence[Action],
        n_bars: int,
    ) -> None:
        self._recorder, self.n_assets = recorder, n_assets
        self._actions, self._n_bars = actions, n_bars
        self._left_out = set(BAR_PRICES) - set(BAR_PRICES if "all" in asked else asked)
        self._told: dict[type, int] = dict.fromkeys(MATTERS, 0)
        self._prices = HeldPrices(n_assets, asks_range=not {"high", "low"} & self._left_out)
        self._known: list[KnownInChunk] = []
        # Columns that were asked for on the way: of all bars from there on, whatever chunks are.
        self._asked: dict[str, set[str]] = {"signals": set(), "market": set()}
        # Not bound: a run that nobody asks for tables goes with its last name, without a cycle.
        self._adds: dict[str, Callable[[Witnessed], None]] = {
            FILLS.name: Witnessed._add_volume,
            TRADES.name: Witnessed._add_excursions,
            EVIDENCE.name: Witnessed._add_evidence,
        }

    def watched(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Hand on chunks; each is looked at when the next one is asked for."""
        for chunk in chunks:
            yield chunk
            self.look(chunk)

    @property
    def measures(self) -> str:
        """What excursions are made of."""
        return "high and low" if self._prices.has_range else "close"

    @property
    def has_volume(self) -> bool:
        """Whether the loop was told what traded in the bars of its fills."""
        return self._prices.has_volume

    def parts_of(self, table: Table) -> Iterator[dict[str, Array]]:
        """Return the rows of a table once the run is over, with what was seen for them."""
        if table.name in self._adds:
            self._adds[table.name](self)
            del self._adds[table.name]
        return self._recorder.parts(table)

    def _add_volume(self) -> None:
        if self.has_volume:
            fills = self._recorder.columns_of(FILLS)
            volume = self._prices.at_fills("volume", fills["timestamp"], fills["asset_id"])
            self._recorder.add(FILLS, volume=volume)

    def _add_excursions(self) -> None:
        trades, fills = self._recorder.columns_of(TRADES), self._recorder.columns_of(FILLS)
        found = excursions_of(trades, fills, self._prices, self._actions, self._n_bars)
        self._recorder.add(TRADES, **found)

    def _add_evidence(self) -> None:
        orders = self._recorder.columns_of(ORDERS)
        found = evidence_of(orders["created_at"], orders["asset_id"], self.n_assets, self._known)
        self._recorder.record(found)

    def look(self, chunk: Chunk) -> None:
        """Look at a chunk that the loop is through with."""
        shape = chunk.prices["close"].shape
        matters, is_filled = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        for kind, t, sids in self._new():
            matters[t - chunk.first_t, sids] = True
            if kind is Fills:
                is_filled[t - chunk.first_t, sids] = True
        at = np.flatnonzero(matters)
        self._prices.add(chunk, at, np.flatnonzero(is_filled))
        cells = at + chunk.first_t * self.n_assets
        rows, sids = np.divmod(at, self.n_assets)
        signals = {}
        for name, since in self._known_since("signals", chunk.signals).items():
            first = np.searchsorted(rows, since)
            values = chunk.signals[name][rows[first:], sids[first:]]
            signals[name] = (cells[first:], values)
        market = {
            name: (chunk.first_t + since, chunk.market[name][since:])
            for name, since in self._known_since("market", chunk.market).items()
        }
        considered = _considered(chunk, rows, sids, cells)
        self._known.append(KnownInChunk(considered | signals, market))

    def _known_since(self, view: str, columns: Columns) -> dict[str, int]:
        """Return from which row of a chunk on its columns were known to who read them."""
        asked = self._asked[view]
        for name in asked:
            columns[name]  # a chunk that was read ahead may lack it
        since = {
            name: 0 if name in asked else columns.since.get(name, 0)
            for name in columns
            if view == "market" or name not in self._left_out
        }
        asked.update(columns.since.keys() & since.keys())
        return since

    def _new(self) -> Iterator[tuple[type, Ints, Ints]]:
        """Yield bars and assets of what was recorded since the chunk before."""
        for kind, start in self._told.items():
            events: Sequence[Any] = self._recorder.told(kind)[start:]
            self._told[kind] = start + len(events)
            if not events:
                continue
            if kind is AccountAtClose:
                rows = HeldRows(events)
                yield kind, rows.of_bars(rows.bars), rows.of_assets("held")
            else:
                sids = [event.sids for event in events]
                ts = [
                    event.t if isinstance(event.t, np.ndarray) else np.full(len(each), event.t)
                    for event, each in zip(events, sids, strict=True)
                ]
                yield kind, np.concatenate(ts), np.concatenate(sids)


def _considered(
    chunk: Chunk, rows: Ints, sids: Ints, cells: Ints
) -> dict[str, tuple[Ints, KnownValues]]:
    """Return what a strategy that chooses in SQL read at those places that it looked at."""
    ts = chunk.considered.ts
    if not len(ts):
        return {}
    bars = np.arange(len(chunk.prices["close"])) + chunk.first_t
    place_of = np.minimum(np.searchsorted(ts, bars), len(ts) - 1)
    is_there = np.flatnonzero((ts[place_of] == bars)[rows])
    rows, sids, cells = place_of[rows[is_there]], sids[is_there], cells[is_there]
    return {name: (cells, column[rows, sids]) for name, column in chunk.considered.columns.items()}
