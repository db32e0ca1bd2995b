"""Batches: the ordered stream of chunks, bounded in memory, read one ahead of the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Chunk, Floats, Ints, Selection
from ml4t.backtest.data.asof import Known
from ml4t.backtest.data.catalog import Prepared
from ml4t.backtest.data.known_at import at_bars
from ml4t.backtest.data.queries import literal, quote, read, render
from ml4t.backtest.data.ranking import RankingPlan, rank
from ml4t.backtest.data.sources import NUMBERS
from ml4t.backtest.errors import ConfigError, did_you_mean

Bools = NDArray[np.bool_]
# Cells per dense array: 2 MB a column, whatever the length of the run.
CHUNK_CELLS = 1 << 18
# Chunks that are ranked by one query; only the bars at decisions pass through it.
CHUNKS_PER_RANKING = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """What the loop reads at every bar.

    Attributes
    ----------
    price_columns : tuple of str
        ``open`` and ``close``, and ``high`` and ``low`` where levels act inside the bar.
    features : tuple of str
        Columns of ``signals`` that the risk rules read.
    """

    price_columns: tuple[str, ...]
    features: tuple[str, ...]


def plan_batches(
    prepared: Prepared, *, has_levels: bool, features: tuple[str, ...], has_rules: bool = False
) -> BatchPlan:
    """Decide which columns the loop needs, and refuse what is not there.

    Raises
    ------
    ConfigError
        A rule reads a feature that is unknown or no number, or a price column is missing.
    """
    needed = ["open", "close"] + (["high", "low"] if has_levels else [])
    for name in needed:
        if name not in prepared.price_columns:
            why = "orders fill at the next open" if name == "open" else "levels act inside the bar"
            raise ConfigError(f"source 'prices' has no column '{name}', and {why}; add the column")
    if has_rules and not has_levels and "high" in prepared.price_columns:
        needed.append("high")  # the water mark follows the highs, where there are any
    in_sources = {name for source in prepared.per_asset for name in source.columns}
    readable = {*prepared.price_columns, *in_sources}
    for name in features:
        if name not in readable:
            raise ConfigError(
                f"a risk rule reads feature '{name}', which no source has"
                f"{did_you_mean(name, readable)}"
            )
        kind = prepared.signal_columns[name]
        if not kind.startswith((*NUMBERS, "BOOLEAN")):
            raise ConfigError(f"a risk rule reads feature '{name}' of type {kind}, not a number")
    return BatchPlan(price_columns=tuple(needed), features=features)


def batches(
    plan: BatchPlan, ranking: RankingPlan, prepared: Prepared, *, chunk_cells: int = CHUNK_CELLS
) -> Iterator[Chunk]:
    """Yield the run's chunks in time order; the next one is read while the loop works.

    Parameters
    ----------
    chunk_cells : int
        Upper bound of bars times assets in a chunk (one bar at least).
    """
    reader = _Reader(plan, ranking, prepared, max(1, chunk_cells // max(prepared.n_assets, 1)))
    yield from _one_ahead(reader.load, range(0, prepared.n_bars, reader.bars_per_chunk))


def _one_ahead(load: Callable[[int], Chunk], starts: range) -> Iterator[Chunk]:
    # DuckDB and NumPy release the interpreter, so that reading and the loop share two cores.
    with ThreadPoolExecutor(max_workers=1) as reader:
        following = reader.submit(load, starts[0]) if starts else None
        for start in starts:
            assert following is not None
            chunk = following.result()
            following = (
                reader.submit(load, start + starts.step)
                if start + starts.step < starts.stop
                else None
            )
            yield chunk


class _Reader:
    """Reads chunks in time order, and ranks several of them ahead in one query."""

    def __init__(
        self, plan: BatchPlan, ranking: RankingPlan, prepared: Prepared, bars_per_chunk: int
    ) -> None:
        self.bars_per_chunk = bars_per_chunk
        self._plan, self._ranking, self._prepared = plan, ranking, prepared
        self._database = prepared.database.cursor()
        self._database.execute(read("signals/market_rows"))
        starts = range(0, prepared.n_bars, bars_per_chunk)
        ends = [min(t + bars_per_chunk, prepared.n_bars) - 1 for t in starts]
        times = self._database.rows(read("batches/span"), {"bars": [*starts, *ends]})
        kind = prepared.timestamp_type
        self._times = {t: f"{literal(text)}::{kind}" for t, text in times}
        self._selections: dict[int, Selection] = {}
        self._ranked_to = 0
        self._known = [
            (source, names)
            for source in prepared.per_asset
            if (names := tuple(name for name in source.columns if name in plan.features))
        ]
        self._in_prices = [name for name in plan.features if name in prepared.price_columns]

    def load(self, first_t: int) -> Chunk:
        """Read the chunk that starts at bar `first_t`."""
        last_t = min(first_t + self.bars_per_chunk, self._prepared.n_bars) - 1
        if last_t >= self._ranked_to:
            ranked_to = min(
                first_t + CHUNKS_PER_RANKING * self.bars_per_chunk, self._prepared.n_bars
            )
            self._selections = rank(self._ranking, self._database, first_t, ranked_to - 1)
            self._ranked_to = ranked_to
        shape = (last_t - first_t + 1, self._prepared.n_assets)
        wanted = list(dict.fromkeys([*self._plan.price_columns, *self._in_prices]))
        items = (f"prices.{quote(name)}::double as {quote(name)}" for name in wanted)
        query = render(
            "batches/prices",
            columns=", ".join(items),
            first=self._times[first_t],
            last=self._times[last_t],
        )
        found = self._database.numpy(query)
        arrays = _scatter(found, wanted, first_t, shape)
        features = {name: arrays[name] for name in self._in_prices}
        has_bar = ~np.isnan(arrays["close"])
        for source, names in self._known:
            features |= self._features(source, names, first_t, has_bar)
        return Chunk(
            first_t=first_t,
            prices={name: arrays[name] for name in self._plan.price_columns},
            features=features,
            selections={t: s for t, s in self._selections.items() if first_t <= t <= last_t},
        )

    def _features(
        self, source: Known, names: tuple[str, ...], first_t: int, has_bar: Bools
    ) -> dict[str, Floats]:
        """Read a source's known values at every bar of a chunk."""
        shape = has_bar.shape
        last_t = first_t + shape[0] - 1
        items = ", ".join(f"known.{quote(name)}::double as {quote(name)}" for name in names)
        query = render(
            "batches/exact_features",
            known=source.relation,
            columns=items,
            first=self._times[first_t],
            last=self._times[last_t],
        )
        found = self._database.numpy(query)
        is_known = np.zeros(shape, dtype=bool)
        is_known.reshape(-1)[_cells(found, first_t, shape)] = True
        if (has_bar & ~is_known).any():
            found = self._as_of(source, names, first_t, last_t)
        return _scatter(found, list(names), first_t, shape)

    def _as_of(
        self, source: Known, names: tuple[str, ...], first_t: int, last_t: int
    ) -> dict[str, np.ndarray]:
        database = self._database
        database.execute(read("ranking/all_bars"), {"first_t": first_t, "last_t": last_t})
        database.execute(render("ranking/bars", columns="", membership="true"))
        table = at_bars(source, names, "at_risk", self._prepared.timestamp_type, database)
        items = ", ".join(f"{quote(name)}::double as {quote(name)}" for name in names)
        return database.numpy(render("batches/features", target=f"temp.{table}", columns=items))


def _cells(found: dict[str, np.ndarray], first_t: int, shape: tuple[int, ...]) -> Ints:
    cells: Ints = (found["t"].astype(np.int64) - first_t) * shape[1] + found["sid"]
    return cells


def _scatter(
    found: dict[str, np.ndarray], names: list[str], first_t: int, shape: tuple[int, ...]
) -> dict[str, Floats]:
    """Write rows by (t, sid) into dense arrays, NaN where there is no row."""
    cell = _cells(found, first_t, shape)
    arrays = {}
    for name in names:
        dense = np.full(shape[0] * shape[1], np.nan)
        dense[cell] = found[name]
        arrays[name] = dense.reshape(shape)
    return arrays
