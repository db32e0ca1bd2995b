"""Batches: the ordered stream of chunks, bounded in memory, read one ahead of the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ml4t.backtest.core.batch import Bools, Chunk, Floats, Ints, Selection
from ml4t.backtest.data.asof import Known
from ml4t.backtest.data.columns import is_number
from ml4t.backtest.data.conditions import Condition, Conditions, plan_conditions
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.known_at import at_bars
from ml4t.backtest.data.prepared import Prepared
from ml4t.backtest.data.queries import first_bars, literal, quote, read, render
from ml4t.backtest.data.ranking import RankingPlan, rank
from ml4t.backtest.errors import ConfigError, did_you_mean

# Cells per dense array: 2 MB a column, whatever the length of the run.
CHUNK_CELLS = 1 << 18
# Chunks that are ranked by one query; only the bars at decisions pass through it.
CHUNKS_PER_RANKING = 8
# Prices at which something could be bought or sold; a bar without volume has none of them.
TRADED = ("open", "high", "low")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """What the loop reads at every bar.

    Attributes
    ----------
    price_columns : tuple of str
        ``open`` and ``close``, and ``high`` and ``low`` where somebody reads them.
    features : tuple of str
        Columns of ``signals`` or ``market``, numbers or flags.
    conditions : tuple of Condition
        Delivered beside the features, under their texts.
    """

    price_columns: tuple[str, ...]
    features: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()


def plan_batches(
    prepared: Prepared,
    *,
    has_levels: bool,
    features: tuple[str, ...],
    has_rules: bool = False,
    optional_features: tuple[str, ...] = (),
    conditions: tuple[str, ...] = (),
) -> BatchPlan:
    """Decide which columns the loop needs, and refuse what is not there.

    Parameters
    ----------
    has_levels : bool
        Levels or resting orders act inside the bar, so that it needs a high and a low.
    features : tuple of str
        Columns of ``signals`` or ``market`` that somebody reads; where both have the name, that
        of ``signals``. With a universe, ``is_member`` is one of them.
    has_rules : bool
        Water marks follow highs and lows, where there are any.
    optional_features : tuple of str
        Features that are left out where no source has them.
    conditions : tuple of str
        Boolean SQL over the columns of ``signals`` and ``market``.

    Raises
    ------
    ConfigError
        A feature is unknown or no number, or a price column is missing.
    ExpressionError
        A condition is no boolean expression over one row, or looks ahead.
    """
    needed = ["open", "close"] + (["high", "low"] if has_levels else [])
    for name in needed:
        if name not in prepared.price_columns:
            why = "orders fill at the next open" if name == "open" else "levels act inside the bar"
            raise ConfigError(f"source 'prices' has no column '{name}', and {why}; add the column")
    if has_rules and not has_levels:
        needed += [name for name in ("high", "low") if name in prepared.price_columns]
    readable = {**prepared.market_columns, **prepared.signal_columns}
    del readable["timestamp"], readable["asset_id"]
    present = [name for name in optional_features if name in readable]
    for name in (*features, *present):
        if name not in readable:
            raise ConfigError(f"no source has the feature '{name}'{did_you_mean(name, readable)}")
        if not is_number(readable[name]):
            raise ConfigError(f"feature '{name}' is of type {readable[name]}, not a number")
    return BatchPlan(
        price_columns=tuple(needed),
        features=tuple(dict.fromkeys([*features, *present])),
        conditions=plan_conditions(conditions, prepared),
    )


def batches(
    plan: BatchPlan,
    ranking: RankingPlan | None,
    prepared: Prepared,
    *,
    chunk_cells: int = CHUNK_CELLS,
) -> Iterator[Chunk]:
    """Yield the run's chunks in time order; the next one is read while the loop works.

    Parameters
    ----------
    ranking : RankingPlan or None
        None: no bar has a selection.
    chunk_cells : int
        Upper bound of bars times assets in a chunk (one bar at least).
    """
    bars_per_chunk = max(1, chunk_cells // max(prepared.n_assets, 1))
    starts = range(0, prepared.n_bars, bars_per_chunk)
    # A session of its own: the caller goes on with the other.
    database = prepared.database.cursor()
    # DuckDB and NumPy release the interpreter, so that reading and the loop share two cores. The
    # first chunk is begun now, not when it is asked for.
    thread = ThreadPoolExecutor(max_workers=1)
    opened = thread.submit(_Reader, plan, ranking, prepared, bars_per_chunk, database)

    def load(first_t: int) -> Chunk:
        return opened.result().load(first_t)

    first = thread.submit(load, starts[0]) if starts else None
    return _following(thread, load, starts, first)


def _following(
    reader: ThreadPoolExecutor,
    load: Callable[[int], Chunk],
    starts: range,
    following: Future[Chunk] | None,
) -> Iterator[Chunk]:
    with reader:
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
        self,
        plan: BatchPlan,
        ranking: RankingPlan | None,
        prepared: Prepared,
        bars_per_chunk: int,
        database: Database,
    ) -> None:
        self.bars_per_chunk = bars_per_chunk
        self._plan, self._ranking, self._prepared = plan, ranking, prepared
        self._database = database
        self._database.execute(read("signals/market_rows"))
        starts = range(0, prepared.n_bars, bars_per_chunk)
        ends = [min(t + bars_per_chunk, prepared.n_bars) - 1 for t in starts]
        times = self._database.rows(read("batches/span"), {"bars": [*starts, *ends]})
        kind = prepared.timestamp_type
        self._times = {t: f"{literal(text)}::{kind}" for t, text in times}
        self._selections: dict[int, Selection] = {}
        self._ranked_to = 0
        dense = [name for c in plan.conditions if c.is_dense for name in c.columns]
        reads = set(plan.features).union(dense)
        self._in_prices = [name for name in prepared.price_columns if name in reads]
        self._known = [
            (source, names)
            for source in prepared.per_asset
            if (names := tuple(name for name in source.columns if name in reads))
        ]
        self._conditions = Conditions(plan.conditions, prepared, self._database)
        self._halted = {t for (t,) in self._database.rows(read("batches/halted_bars"))}
        has_members = prepared.has_universe and "is_member" in reads
        self._members = self._intervals() if has_members else None
        self._market = self._market_rows()

    def load(self, first_t: int) -> Chunk:
        """Read the chunk that starts at bar `first_t`."""
        last_t = min(first_t + self.bars_per_chunk, self._prepared.n_bars) - 1
        if self._ranking is not None and last_t >= self._ranked_to:
            ranked_to = min(
                first_t + CHUNKS_PER_RANKING * self.bars_per_chunk, self._prepared.n_bars
            )
            self._selections = rank(self._ranking, self._database, first_t, ranked_to - 1)
            self._ranked_to = ranked_to
        shape = (last_t - first_t + 1, self._prepared.n_assets)
        prices, arrays = self._prices(first_t, shape)
        has_bar = ~np.isnan(prices["close"])
        for source, names in self._known:
            arrays |= self._features(source, names, first_t, has_bar)
        if self._members is not None:
            arrays["is_member"] = _membership(self._members, first_t, has_bar)
        holds = self._conditions.hold(arrays, has_bar, first_t)
        for name, values in self._market.items():
            # One value for all assets, without a copy.
            arrays[name] = np.broadcast_to(values[first_t : last_t + 1, None], shape)
        return Chunk(
            first_t=first_t,
            prices=prices,
            features={name: arrays[name] for name in self._plan.features} | holds,
            selections={t: s for t, s in self._selections.items() if first_t <= t <= last_t},
        )

    def _prices(
        self, first_t: int, shape: tuple[int, int]
    ) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """Read the bars as the broker sees them, and the columns of prices that are features."""
        last_t = first_t + shape[0] - 1
        items = {name: f"prices.{quote(name)}" for name in self._in_prices}
        traded = dict.fromkeys(self._plan.price_columns)
        names = {name: name for name in traded}
        if not self._halted.isdisjoint(range(first_t, last_t + 1)):
            names |= {name: f"__{name}" for name in traded if name in TRADED}
        for name, alias in names.items():
            item = f"prices.{quote(name)}"
            items[alias] = (
                item if alias == name else f"case when prices.volume = 0 then null else {item} end"
            )
        query = render(
            "batches/prices",
            columns=", ".join(f"({v})::double as {quote(k)}" for k, v in items.items()),
            first=self._times[first_t],
            last=self._times[last_t],
        )
        arrays = _scatter(self._database.numpy(query), list(items), first_t, shape)
        return {name: arrays[alias] for name, alias in names.items()}, arrays

    def _intervals(self) -> list[tuple[int, int, int]]:
        bars = first_bars("main.universe", "start_date", "end_date")
        found = self._database.rows(render("batches/membership", first_bars=bars))
        n_bars = self._prepared.n_bars
        return [(sid, start, n_bars if end is None else end) for sid, start, end in found]

    def _market_rows(self) -> dict[str, Floats]:
        """Read the market columns that are features, one value per bar."""
        names = [name for name in self._plan.features if name not in self._prepared.signal_columns]
        if not names:
            return {}
        items = ", ".join(f"{quote(name)}::double as {quote(name)}" for name in names)
        return self._database.numpy(render("batches/market", columns=items))

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


def _membership(intervals: list[tuple[int, int, int]], first_t: int, has_bar: Bools) -> Floats:
    """Return 1 where an asset is in the universe, 0 where it is not, NaN where it has no bar."""
    members = np.where(has_bar, 0.0, np.nan)
    for sid, start, end in intervals:
        members[max(start - first_t, 0) : max(end - first_t, 0), sid] += 1.0
    return np.minimum(members, 1.0)


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
