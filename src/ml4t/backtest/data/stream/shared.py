"""Shared: chunks that are read once for runs that each see of them what they would read alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from ml4t.backtest.core.batch import NOTHING_CONSIDERED, Chunk, Considered, Selection
from ml4t.backtest.core.values import Columns
from ml4t.backtest.data.asof.bar_tables import market_rows
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.selection.ranking import RankingPlan, go_together
from ml4t.backtest.data.selection.selecting import SelectionPlan
from ml4t.backtest.data.selection.selector import Selector
from ml4t.backtest.data.stream.batches import bars_of_chunk
from ml4t.backtest.data.stream.period import Period
from ml4t.backtest.data.stream.reader import CHUNKS_PER_RANKING, BatchPlan, Reader

# Bars times assets times columns that stay in memory from one round to the next: 128 MB.
MOST_HELD: Final = 1 << 24


class AskedOfChunks(NamedTuple):
    """What one run asks of the chunks; `ranking` is None where it selects nothing."""

    plan: BatchPlan
    ranking: SelectionPlan | None


class BarReading:
    """Reads the bars of a period time and again; what fits stays in memory from one to the next.

    Parameters
    ----------
    prepared : Prepared
    period : Period
    """

    def __init__(self, prepared: Prepared, period: Period) -> None:
        self.prepared, self.period = prepared, period
        self._plan: BatchPlan | None = None
        self._held: list[Chunk] = []

    def chunks(self, plan: BatchPlan) -> Iterator[Chunk]:
        """Yield chunks that have what a plan reads, in time order."""
        if self._plan is not None and union_of([self._plan, plan]) == self._plan:
            yield from self._held
            return
        if self._plan is not None:
            plan = union_of([self._plan, plan])
        n_columns = len(plan.price_columns) + len(plan.signal_names) + 1
        n_cells = self.period.n_bars * self.prepared.n_assets
        is_held = n_cells * n_columns <= MOST_HELD
        self._plan, self._held = None, []
        for chunk in self._read(plan):
            if is_held:
                self._held.append(chunk)
            yield chunk
        self._plan = plan if is_held else None

    def _read(self, plan: BatchPlan) -> Iterator[Chunk]:
        prepared, period = self.prepared, self.period
        step = bars_of_chunk(plan, prepared, period)
        # Nothing is read ahead: of sweeps that share a machine each has a core of its own.
        with ThreadPoolExecutor(max_workers=1) as thread:
            database = prepared.database.cursor()
            reader = Reader(plan, None, prepared, period, step, database, thread)
            for first_t in range(period.first_t, period.last_t + 1, step):
                yield thread.submit(reader.load, first_t).result()


class SharedChunks:
    """The chunks of some runs over the same bars, read and ranked once for all of them.

    Parameters
    ----------
    asked : sequence of AskedOfChunks
        One for each run; nothing of it is computed by a provider.
    reading : BarReading
    tells_considered : bool
        Chunks say what was read at decision bars: for evidence.
    """

    def __init__(
        self, asked: Sequence[AskedOfChunks], reading: BarReading, *, tells_considered: bool
    ) -> None:
        self._reading, self._tells_considered = reading, tells_considered
        self._plan = union_of([one.plan for one in asked])
        self._plans = [one.plan for one in asked]
        self._groups = groups_of([one.ranking for one in asked])
        prepared, period = reading.prepared, reading.period
        database = prepared.database.cursor()
        market = market_rows(database)
        step = bars_of_chunk(self._plan, prepared, period)
        self._selectors = [
            Selector(group.plans, market, prepared, period, CHUNKS_PER_RANKING * step, database)
            for group in self._groups
        ]

    def __iter__(self) -> Iterator[tuple[Chunk, list[Chunk]]]:
        """Yield every chunk, and what each of the runs sees of it, in time order."""
        for chunk in self._reading.chunks(self._plan):
            each = zip(self._plans, self._offered(chunk), strict=True)
            yield chunk, [own_view(chunk, plan, offered) for plan, offered in each]

    def _offered(self, chunk: Chunk) -> list[Offered]:
        first_t = chunk.first_t + self._reading.period.first_t
        offered = [Offered({}, NOTHING_CONSIDERED) for _ in self._plans]
        for selector, group in zip(self._selectors, self._groups, strict=True):
            chosen = selector.at(first_t, first_t + chunk.n_bars - 1)
            for places, selections in zip(group.places, chosen, strict=True):
                considered = NOTHING_CONSIDERED
                if self._tells_considered:
                    is_shared = len(group.plans) > 1
                    considered = selector.considered
                    considered = _at(considered, selections) if is_shared else considered
                for place in places:
                    offered[place] = Offered(selections, considered)
        return offered


class Offered(NamedTuple):
    """What one run may choose from in a chunk, and what was read for it."""

    selections: Mapping[int, Selection]
    considered: Considered


def own_view(chunk: Chunk, plan: BatchPlan, offered: Offered) -> Chunk:
    """Return what a run would have read itself of a chunk that has what others read too."""
    features = (*plan.features, *(one.text for one in plan.conditions))
    return replace(
        chunk,
        prices={name: chunk.prices[name] for name in plan.price_columns},
        features={name: chunk.features[name] for name in features},
        selections=offered.selections,
        lending=chunk.lending if plan.has_shorts else {},
        signals=_some(chunk.signals, plan.signal_names),
        market=_some(chunk.market, plan.market_names),
        considered=offered.considered,
    )


def _at(considered: Considered, bars: Iterable[int]) -> Considered:
    """Return what was read at some bars."""
    is_there = np.isin(considered.ts, np.fromiter(bars, dtype=np.int64))
    columns = {name: values[is_there] for name, values in considered.columns.items()}
    return Considered(considered.ts[is_there], columns)


def _some(columns: Columns, names: Iterable[str]) -> Columns:
    """Return columns of which some are there, and all others when they are asked for."""
    found = Columns(columns.names, columns.__getitem__)
    found.update({name: columns[name] for name in names if name in columns.names})
    return found


def union_of(plans: Sequence[BatchPlan]) -> BatchPlan:
    """Return the plan of what any of some plans reads."""
    prices = dict.fromkeys(name for one in plans for name in one.price_columns)
    conditions = {one.text: one for plan in plans for one in plan.conditions}
    return BatchPlan(
        price_columns=tuple(prices),
        features={name: place for one in plans for name, place in one.features.items()},
        conditions=tuple(conditions.values()),
        likely=frozenset().union(*(one.likely for one in plans)),
        context=frozenset().union(*(one.context for one in plans)),
        has_events=any(one.has_events for one in plans),
        has_shorts=any(one.has_shorts for one in plans),
    )


class Group(NamedTuple):
    """Plans that one ranking does for, and of each the places of the runs that have it."""

    plans: list[SelectionPlan]
    places: list[list[int]]


def groups_of(rankings: Sequence[SelectionPlan | None]) -> list[Group]:
    """Return what is ranked once each."""
    groups: list[Group] = []
    for place, plan in enumerate(rankings):
        if plan is None:
            continue
        for group in groups:
            if plan in group.plans:
                group.places[group.plans.index(plan)].append(place)
                break
            first = group.plans[0]
            if (
                isinstance(plan, RankingPlan)
                and isinstance(first, RankingPlan)
                and go_together(plan, first)
            ):
                group.plans.append(plan)
                group.places.append([place])
                break
        else:
            groups.append(Group([plan], [[place]]))
    return groups
