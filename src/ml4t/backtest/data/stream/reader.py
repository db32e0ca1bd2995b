"""Reader: reads the chunks of a run in time order, each column into a dense array."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from ml4t.backtest.core.batch import Bools, Chunk, Considered, Floats, Selection
from ml4t.backtest.core.computing import ComputedColumn, Computing
from ml4t.backtest.core.values import Columns
from ml4t.backtest.data.asof.bar_tables import bars_at, every_bar, market_rows
from ml4t.backtest.data.asof.known_at import at_bars
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.asof.views import Known
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.selection.conditions import Conditions, SqlCondition
from ml4t.backtest.data.selection.selecting import SelectionPlan, select
from ml4t.backtest.data.selection.witness import Witness
from ml4t.backtest.data.sources.schema import as_read, without_keys
from ml4t.backtest.data.sql_files import first_bars, literal, quote, read, render, rows_of, unless
from ml4t.backtest.data.stream.dense import (
    ColumnValues,
    as_column,
    cells,
    membership,
    scatter,
)
from ml4t.backtest.data.stream.feature_columns import FeatureColumn
from ml4t.backtest.data.stream.period import Period
from ml4t.backtest.data.stream.previous_bar import PreviousBar, values_before

# Chunks that are ranked by one query; only the bars at decisions pass through it.
CHUNKS_PER_RANKING = 8
# Prices at which something could be bought or sold; a bar without volume has none of them.
TRADED = ("open", "high", "low")
# The closes of bars with volume, which say what traded where there is no open to say it.
TRADED_CLOSE = "__traded_close"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """What the loop reads at every bar.

    Attributes
    ----------
    price_columns : tuple of str
        ``close``, ``open`` where there is one, ``high`` and ``low`` where somebody reads them.
    features : mapping of str to (view, column)
        Columns of ``signals`` or ``market``, numbers or flags, by the names that ask for them.
    conditions : tuple of SqlCondition
        Delivered beside the features, under their texts.
    likely : frozenset of str
        Columns of ``signals`` to read ahead, since somebody may ask for them.
    computed : tuple of str
        Features that no source has, of which a provider is asked.
    context : frozenset of str
        Columns of ``market`` that are delivered beside those of the features.
    has_events : bool
        Rows become events.
    has_shorts : bool
        Shares may be borrowed.
    """

    price_columns: tuple[str, ...]
    features: Mapping[str, FeatureColumn]
    conditions: tuple[SqlCondition, ...] = ()
    likely: frozenset[str] = frozenset()
    computed: tuple[str, ...] = ()
    context: frozenset[str] = frozenset()
    has_events: bool = False
    has_shorts: bool = False


class Reader:
    """Reads chunks in time order, and ranks several of them ahead in one query.

    Parameters
    ----------
    period : Period
        The bars of the run. Here they have their numbers in the sources, in chunks those in the
        run.
    thread : ThreadPoolExecutor
        The one thread that reads; what is asked for in between waits for its turn.
    computing : Computing, optional
        Has what no source has.
    """

    def __init__(
        self,
        plan: BatchPlan,
        ranking: SelectionPlan | None,
        prepared: Prepared,
        period: Period,
        bars_per_chunk: int,
        database: Database,
        thread: ThreadPoolExecutor,
        computing: Computing | None = None,
    ) -> None:
        self.bars_per_chunk = bars_per_chunk
        self._plan, self._ranking = plan, ranking
        self._prepared, self._period = prepared, period
        self._database, self._thread, self._computing = database, thread, computing
        self._market_rows = market_rows(self._database)
        starts = range(period.first_t, period.last_t + 1, bars_per_chunk)
        ends = [min(t + bars_per_chunk - 1, period.last_t) for t in starts]
        times = self._database.rows(read("batches/span"), {"bars": [*starts, *ends]})
        kind = prepared.timestamp_type
        self._times = {t: f"{literal(text)}::{kind}" for t, text in times}
        self._selections: dict[int, Selection] = {}
        self._ranked_to = 0
        kinds = without_keys(prepared.signal_columns)
        self._witness = Witness(kinds, prepared.n_assets, database)
        self._signal_kinds = kinds
        self._market_kinds = without_keys(prepared.market_columns)
        dense = [name for c in plan.conditions if c.is_dense for name in c.columns]
        # Grows with what is asked for on the way.
        named = [name for c in plan.conditions for name in c.columns]
        self._previous = PreviousBar(named, prepared.n_assets)
        if period.first_t and self._previous.names:
            first, wanted = self._times[period.first_t], sorted(self._previous.names)
            self._previous.begin_with(values_before(first, wanted, prepared, database))
        known = [column for view, column in plan.features.values() if view == "signals"]
        self._reads = set(known).union(dense, plan.likely, self._previous.names)
        self._conditions = Conditions(plan.conditions, prepared, self._market_rows, self._database)
        self._halted = {t for (t,) in self._database.rows(read("batches/halted_bars"))}
        # What is charged for shares borrowed is the matter of that one role.
        lenders = [known for known in prepared.per_asset if known.source == "borrow"]
        self._lenders = lenders[0] if lenders and plan.has_shorts else None
        self._members: list[tuple[int, int, int]] | None = None
        planned = {column for view, column in plan.features.values() if view == "market"}
        self._market = {n: self._market_column(n) for n in sorted(planned | plan.context)}

    def load(self, first_t: int) -> Chunk:
        """Read the chunk that starts at bar `first_t`."""
        last_t = min(first_t + self.bars_per_chunk - 1, self._period.last_t)
        if self._ranking is not None and last_t >= self._ranked_to:
            ranked_to = min(
                first_t + CHUNKS_PER_RANKING * self.bars_per_chunk, self._period.last_t + 1
            )
            self._selections = select(
                self._ranking, self._market_rows, self._database, first_t, ranked_to - 1,
                self._witness,
            )  # fmt: skip
            self._ranked_to = ranked_to
        shape = (last_t - first_t + 1, self._prepared.n_assets)
        names = [name for name in self._prepared.price_columns if name in self._reads]
        is_halted = not self._halted.isdisjoint(range(first_t, last_t + 1))
        prices, signals = self._prices(names, first_t, shape, is_halted=is_halted)
        traded_close = signals.pop(TRADED_CLOSE, prices["close"])
        # As they are in the source, where the broker sees them so too.
        signals |= {
            name: values for name, values in prices.items() if name not in TRADED or not is_halted
        }
        has_bar = ~np.isnan(prices["close"])
        signals |= self._known(self._reads, first_t, has_bar)
        earlier = self._previous.of(signals, has_bar)
        holds = self._conditions.hold(signals | earlier, has_bar, first_t)
        bars, begin_t = slice(first_t, last_t + 1), self._period.first_t
        features = {
            name: signals[column]
            if view == "signals"
            # One value for all assets, without a copy.
            else np.broadcast_to(self._market[column][bars, None], shape)
            for name, (view, column) in self._plan.features.items()
        }
        computing = self._computing
        if computing is not None:
            # Reads like an array where rules read it: at what is held.
            features |= {
                name: cast("Floats", ComputedColumn(computing, name, first_t - begin_t))
                for name in self._plan.computed
            }
        return Chunk(
            first_t=first_t - begin_t,
            prices=prices,
            features=features | holds,
            computed=None if computing is None else computing.of,
            market_computed=None if computing is None else computing.market,
            selections={
                t - begin_t: s for t, s in self._selections.items() if first_t <= t <= last_t
            },
            lending=self._lending(self._lenders, first_t, shape) if self._lenders else {},
            signals=self._on_demand(
                self._signal_kinds, signals, lambda name: self._signal(name, first_t, has_bar)
            ),
            market=self._on_demand(
                self._market_kinds,
                {name: values[bars] for name, values in self._market.items()},
                lambda name: self._market_of(name)[bars],
            ),
            traded_close=None if "open" in prices else traded_close,
            considered=self._considered(),
        )

    def _considered(self) -> Considered:
        """Return what was read of the bars that were ranked last, in the numbers of the run."""
        taken, begin_t = self._witness.considered, self._period.first_t
        return replace(taken, ts=taken.ts - begin_t) if begin_t else taken

    def _on_demand(
        self,
        kinds: Mapping[str, str],
        columns: Mapping[str, ColumnValues],
        column: Callable[[str], ColumnValues],
    ) -> Columns:
        """Return columns of which more are read, by the thread that reads, when asked for."""

        def load(name: str) -> ColumnValues:
            try:
                asked = self._thread.submit(column, name)
            except RuntimeError:
                return column(name)  # the run is over, and with it the thread
            return asked.result()

        found = Columns(kinds, load)
        found.update(columns)
        return found

    def _signal(self, name: str, first_t: int, has_bar: Bools) -> ColumnValues:
        """Read one column of ``signals``, now and with every later chunk."""
        self._reads.add(name)
        if name in self._prepared.price_columns:
            return self._price_columns({name: self._item("prices", name)}, first_t, has_bar.shape)[
                name
            ]
        return self._known({name}, first_t, has_bar)[name]

    def _known(
        self, names: Collection[str], first_t: int, has_bar: Bools
    ) -> dict[str, ColumnValues]:
        """Read what the features sources and the universe say of the bars."""
        found: dict[str, ColumnValues] = {}
        for source in self._prepared.per_asset:
            wanted = tuple(name for name in source.columns if name in names)
            if wanted:
                found |= self._features(source, wanted, first_t, has_bar)
        if self._prepared.has_universe and "is_member" in names:
            if self._members is None:
                self._members = self._intervals()
            found["is_member"] = membership(self._members, first_t, has_bar)
        return found

    def _prices(
        self, columns: Sequence[str], first_t: int, shape: tuple[int, ...], *, is_halted: bool
    ) -> tuple[dict[str, Floats], dict[str, ColumnValues]]:
        """Read the bars as the broker sees them, and columns of prices that are signals."""
        items = {name: self._item("prices", name) for name in columns}
        names = {name: name for name in self._plan.price_columns}
        if is_halted:
            names |= {name: f"__{name}" for name in names if name in TRADED}
        for name, alias in names.items():
            item = self._item("prices", name)
            items[alias] = item if alias == name else unless("prices.volume = 0", item)
        if is_halted and "open" not in names:
            items[TRADED_CLOSE] = unless("prices.volume = 0", self._item("prices", "close"))
        arrays = self._price_columns(items, first_t, shape)
        return {name: arrays[alias] for name, alias in names.items()}, arrays

    def _price_columns(
        self, items: Mapping[str, str], first_t: int, shape: tuple[int, ...]
    ) -> dict[str, ColumnValues]:
        """Read select items over the rows of prices of a chunk."""

        def make(names: list[str]) -> dict[str, ColumnValues]:
            query = render(
                "batches/prices",
                columns=", ".join(f"{items[name]} as {quote(name)}" for name in names),
                first=self._times[first_t],
                last=self._times[first_t + shape[0] - 1],
            )
            return scatter(self._database.numpy(query), names, first_t, shape, self._signal_kinds)

        about = {name: ("prices", name, item, first_t, shape) for name, item in items.items()}
        return self._database.columns(about, make)

    def _intervals(self) -> list[tuple[int, int, int]]:
        bars = first_bars("main.universe", "start_date", "end_date")
        found = self._database.rows(render("batches/membership", first_bars=bars))
        n_bars = self._prepared.n_bars
        return [(sid, start, n_bars if end is None else end) for sid, start, end in found]

    def _market_of(self, name: str) -> ColumnValues:
        """Return a column of ``market``, all bars of it; read once."""
        if name not in self._market:
            self._market[name] = self._market_column(name)
        return self._market[name]

    def _market_column(self, name: str) -> ColumnValues:
        """Read a column of ``market``, one value per bar."""
        item = as_read(quote(name), self._market_kinds[name])
        columns = f"{item} as {quote(name)}"
        query = render("batches/market", market=self._market_rows, columns=columns)
        found = self._database.numpy(query)
        return as_column(found[name], self._market_kinds[name])

    def _item(self, table: str, name: str) -> str:
        return as_read(f"{table}.{quote(name)}", self._signal_kinds[name])

    def _features(
        self, source: Known, wanted: Collection[str], first_t: int, has_bar: Bools
    ) -> dict[str, ColumnValues]:
        """Read a source's known values at every bar of a chunk."""
        about = {name: (source.relation, name, first_t, has_bar.shape) for name in wanted}
        return self._database.columns(
            about, lambda names: self._known_values(source, tuple(names), first_t, has_bar)
        )

    def _known_values(
        self, source: Known, names: tuple[str, ...], first_t: int, has_bar: Bools
    ) -> dict[str, ColumnValues]:
        shape = has_bar.shape
        last_t = first_t + shape[0] - 1
        if not source.has_clock:
            found = self._as_of(source, names, first_t, last_t)
            return scatter(found, list(names), first_t, shape, self._signal_kinds)
        items = ", ".join(f"{self._item('known', name)} as {quote(name)}" for name in names)
        query = render(
            "batches/exact_features",
            known=source.relation,
            columns=items,
            first=self._times[first_t],
            last=self._times[last_t],
        )
        found = self._database.numpy(query)
        is_known = np.zeros(shape, dtype=bool)
        is_known.reshape(-1)[cells(found, first_t, shape)] = True
        if (has_bar & ~is_known).any():
            found = self._as_of(source, names, first_t, last_t)
        arrays = scatter(found, list(names), first_t, shape, self._signal_kinds)
        # There is no signal without a bar, whatever became known at its time.
        for values in arrays.values() if (is_known & ~has_bar).any() else ():
            values[~has_bar] = np.nan if values.dtype == np.float64 else None
        return arrays

    def _lending(
        self, known: Known, first_t: int, shape: tuple[int, ...]
    ) -> dict[str, ColumnValues]:
        """Read what lenders said since the bar before each; at the run's first all they did."""
        items = {"fee": "borrow_fee"}
        if "borrow_available" in known.columns:
            items["available"] = "borrow_available"
        until = f"known.available_at <= {self._times[first_t + shape[0] - 1]}"
        since = "true"
        if first_t > self._period.first_t:
            since = f"known.available_at > {self._times[first_t - 1]}"
        query = render(
            "batches/lending",
            known=known.relation,
            columns=", ".join(
                f"{self._item('known', name)} as {alias}" for alias, name in items.items()
            ),
            since=f"{since} and {until}",
            is_fresh=known.is_fresh("timeline.timestamp", "known.available_at"),
            first_bars=first_bars(
                f"{known.relation} as known", "known.available_at", where=f"{since} and {until}"
            ),
        )
        found = self._database.numpy(query, {"first_t": first_t})
        return scatter(found, list(items), first_t, shape, {})

    def _as_of(
        self, source: Known, names: tuple[str, ...], first_t: int, last_t: int
    ) -> dict[str, np.ndarray]:
        database = self._database
        at = bars_at(every_bar(database, first_t, last_t), database)
        clock = self._prepared.timestamp_type
        known = at_bars(source, names, at, database, name="at_bars", clock=clock)
        items = ", ".join(
            f"{as_read(quote(name), self._signal_kinds[name])} as {quote(name)}" for name in names
        )
        return database.numpy(rows_of(known, f"t, sid, {items}"))
