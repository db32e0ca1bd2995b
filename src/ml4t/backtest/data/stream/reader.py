"""Reader: reads the chunks of a run in time order, each column into a dense array."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, cast

import numpy as np

from ml4t.backtest.core.batch import NOTHING_CONSIDERED, Bools, Chunk, Floats
from ml4t.backtest.core.computing import ComputedColumn, Computing
from ml4t.backtest.core.values import Columns
from ml4t.backtest.data.asof.bar_tables import market_rows
from ml4t.backtest.data.asof.memberships import MEMBERSHIPS
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.selection.conditions import Conditions, SqlCondition
from ml4t.backtest.data.selection.selecting import SelectionPlan
from ml4t.backtest.data.selection.selector import Selector
from ml4t.backtest.data.sources.schema import as_filled, without_keys
from ml4t.backtest.data.sql_files import first_bars, literal, quote, read, render
from ml4t.backtest.data.stream.columns import UNTRADED, ChunkColumns
from ml4t.backtest.data.stream.dense import (
    ColumnValues,
    as_column,
    membership,
    scatter,
)
from ml4t.backtest.data.stream.feature_columns import FeatureColumn
from ml4t.backtest.data.stream.lending import FEES, lent
from ml4t.backtest.data.stream.period import Period
from ml4t.backtest.data.stream.previous_bar import PreviousBar, previous_names, values_before

# Chunks that are ranked by one query; only the bars at decisions pass through it.
CHUNKS_PER_RANKING = 8
# Prices at which something could be bought or sold; a bar without volume has none of them.
TRADED = ("open", "high", "low")


class BatchPlan(NamedTuple):
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

    @property
    def signal_names(self) -> frozenset[str]:
        """Columns of ``signals`` that are read for it, those of the bar before too."""
        known = {column for view, column in self.features.values() if view == "signals"}
        dense = (name for one in self.conditions if one.is_dense for name in one.columns)
        return frozenset(known.union(dense, self.likely, previous_names(self.named)))

    @property
    def named(self) -> list[str]:
        """What the conditions read, those of the bar before with the prefix that says so."""
        return [name for one in self.conditions for name in one.columns]

    @property
    def market_names(self) -> frozenset[str]:
        """Columns of ``market`` that are read for it."""
        planned = {column for view, column in self.features.values() if view == "market"}
        return frozenset(planned | self.context)


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

    Attributes
    ----------
    market_rows : TempTable
        ``market`` by the numbers of bars, in the session of the reader.
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
        self._plan = plan
        self._prepared, self._period = prepared, period
        self._database, self._thread, self._computing = database, thread, computing
        self.market_rows = market_rows(self._database)
        starts = range(period.first_t, period.last_t + 1, bars_per_chunk)
        ends = [min(t + bars_per_chunk - 1, period.last_t) for t in starts]
        times = self._database.rows(read("batches/span"), {"bars": [*starts, *ends]})
        kind = prepared.timestamp_type
        self._times = {t: f"{literal(text)}::{kind}" for t, text in times}
        kinds = without_keys(prepared.signal_columns)
        ahead = CHUNKS_PER_RANKING * bars_per_chunk
        self._selector = (
            None
            if ranking is None
            else Selector([ranking], self.market_rows, prepared, period, ahead, database)
        )
        self._signal_kinds = kinds
        self._market_kinds = without_keys(prepared.market_columns)
        self._previous = PreviousBar(plan.named, prepared.n_assets)
        if period.first_t and self._previous.names:
            first, wanted = self._times[period.first_t], sorted(self._previous.names)
            self._previous.begin_with(values_before(first, wanted, prepared, database))
        # Grows with what is asked for on the way.
        self._reads = set(plan.signal_names)
        every = {*plan.price_columns, *self._reads}
        self._columns = ChunkColumns(every, kinds, self._times, period.last_t, prepared, database)
        self._conditions = Conditions(plan.conditions, prepared, self.market_rows, self._database)
        self._has_halts = self._bars_with_halts()
        # What is charged for shares borrowed is the matter of that one role.
        lenders = [known for known in prepared.per_asset if known.source == "borrow"]
        self._lenders = lenders[0] if lenders and plan.has_shorts else None
        self._members: list[tuple[int, int, int]] | None = None
        self._market = {name: self._market_column(name) for name in sorted(plan.market_names)}

    def load(self, first_t: int) -> Chunk:
        """Read the chunk that starts at bar `first_t`."""
        last_t = min(first_t + self.bars_per_chunk - 1, self._period.last_t)
        selector = self._selector
        selections = {} if selector is None else selector.at(first_t, last_t)[0]
        shape = (last_t - first_t + 1, self._prepared.n_assets)
        names = [name for name in self._prepared.price_columns if name in self._reads]
        prices, signals, traded_close = self._prices(names, first_t, shape)
        volume = self._columns.volume(first_t, shape[0])
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
        if last_t == self._period.last_t:
            self._columns.let_go()
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
            selections=selections,
            lending=self._lending(first_t, shape),
            signals=self._on_demand(
                self._signal_kinds, signals, lambda name: self._signal(name, first_t, has_bar)
            ),
            market=self._on_demand(
                self._market_kinds,
                {name: values[bars] for name, values in self._market.items()},
                lambda name: self._market_of(name)[bars],
            ),
            traded_close=None if "open" in prices else traded_close,
            volume=volume,
            considered=NOTHING_CONSIDERED if selector is None else selector.considered,
        )

    def _bars_with_halts(self) -> Bools:
        """Return at which bars some asset has no volume."""
        scan = self._prepared.panel.scans.get("prices")
        if scan is not None:
            return scan.has_halts
        has_halts = np.zeros(self._prepared.n_bars, dtype=bool)
        if "volume" in self._prepared.price_columns:
            has_halts[[t for (t,) in self._database.rows(read("batches/halted_bars"))]] = True
        return has_halts

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
            return self._columns.prices([name], first_t, has_bar.shape)[name]
        return self._known({name}, first_t, has_bar)[name]

    def _known(
        self, names: Collection[str], first_t: int, has_bar: Bools
    ) -> dict[str, ColumnValues]:
        """Read what the features sources and the universe say of the bars."""
        found: dict[str, ColumnValues] = {}
        for source in self._prepared.per_asset:
            wanted = tuple(name for name in source.columns if name in names)
            if wanted:
                found |= self._columns.known(source, wanted, first_t, has_bar)
        if self._prepared.has_universe and "is_member" in names:
            if self._members is None:
                self._members = self._intervals()
            found["is_member"] = membership(self._members, first_t, has_bar)
        return found

    def _prices(
        self, columns: Collection[str], first_t: int, shape: tuple[int, ...]
    ) -> tuple[dict[str, Floats], dict[str, ColumnValues], Floats]:
        """Return the bars as the broker sees them, as the source has them, and what closes traded.

        Parameters
        ----------
        columns : collection of str
            Columns of prices to read beside those of the plan.
        """
        names = dict.fromkeys((*self._plan.price_columns, *columns))
        if not self._has_halts[first_t : first_t + shape[0]].any():
            found = self._columns.prices(names, first_t, shape)
            return {name: found[name] for name in self._plan.price_columns}, found, found["close"]
        found = self._columns.prices([*names, UNTRADED], first_t, shape)
        is_untraded = found.pop(UNTRADED) == 1

        def traded(name: str) -> Floats:
            return np.where(is_untraded, np.nan, found[name])

        prices = {n: traded(n) if n in TRADED else found[n] for n in self._plan.price_columns}
        return prices, found, traded("close")

    def _intervals(self) -> list[tuple[int, int, int]]:
        bars = first_bars(MEMBERSHIPS, "start_date", "end_date")
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
        item = as_filled(quote(name), self._market_kinds[name])
        columns = f"{item} as {quote(name)}"
        query = render("batches/market", market=self.market_rows, columns=columns)
        found = self._database.numpy(query)
        return as_column(found[name], self._market_kinds[name])

    def _lending(self, first_t: int, shape: tuple[int, ...]) -> dict[str, ColumnValues]:
        """Read what lenders said since the bar before each; at the run's first all they did."""
        if self._lenders is None:
            return {}
        until = self._times[first_t + shape[0] - 1]
        since = self._times[first_t - 1] if first_t > self._period.first_t else None
        query = lent(self._lenders, self._signal_kinds, since=since, until=until)
        found = self._database.numpy(query, {"first_t": first_t})
        return scatter(found, [name for name in found if name in FEES], first_t, shape, {})
