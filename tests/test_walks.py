"""Bars at which nothing can happen are passed over, and no table shows it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from effort import some
from ml4t.backtest import BacktestEngine, Catalog, Strategy, TopN, walk
from ml4t.backtest.core.batch import Batch, Chunk
from ml4t.backtest.core.stretch import carried, quiet_before, total
from ml4t.backtest.strategy.broker import StrategyBroker
from ml4t.backtest.walk import EventWalk, visiting_every_bar
from money import engine_run
from universes import Universe, make_universe
from walks import tables_of, walk_case

NAN = float("nan")
SEEDS = (2, 5, 8, 11, 13, 14, 17, 21, 24, 26)


@pytest.mark.parametrize("seed", some(SEEDS, 4))
def test_both_walks_leave_the_same_tables(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "FEWEST", 1)
    (universe, options), strategy = walk_case(seed)
    by_events = tables_of(engine_run(universe, options, strategy))
    with visiting_every_bar():
        by_bars = tables_of(engine_run(universe, options, walk_case(seed)[1]))
    assert by_events == by_bars


@pytest.fixture(scope="module")
def calm() -> Universe:
    return make_universe(3, n_assets=3, n_bars=30, p_hole=0.1)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bars that a run by events visits."""
    ts: list[int] = []
    bars = EventWalk.bars

    def noted(self: EventWalk, chunk: Chunk) -> Iterator[Batch]:
        for batch in bars(self, chunk):
            ts.append(batch.t)
            yield batch

    monkeypatch.setattr(EventWalk, "bars", noted)
    return ts


def run(universe: Universe, strategy: Strategy) -> None:
    catalog = Catalog()
    catalog.register("prices", universe.prices)
    catalog.register("features", universe.features)
    BacktestEngine(catalog, strategy).run()


def test_decisions_fills_and_both_ends_are_visited(calm: Universe, seen: list[int]) -> None:
    run(calm, TopN(2, by="score", every=10, offset=4))  # 3, 13, 23
    assert seen == [0, 1, 2, 3, 4, 13, 14, 23, 24, 29]  # two quiet bars are not worth it


class Watching(TopN):
    """Looks at every bar."""

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        assert batch.t >= 0
        super().decide(batch, broker)


def test_a_strategy_of_ones_own_sees_every_bar(calm: Universe, seen: list[int]) -> None:
    strategy = Watching(2, by="score", every=10)
    run(calm, strategy)
    assert seen == []  # not by events


def test_a_row_of_a_stretch_adds_up_as_its_bar_does() -> None:
    random = np.random.default_rng(7)
    for n in (0, 1, 2, 7, 8, 9, 25, 127, 128, 129, 300, 1000):
        values = random.normal(size=(5, n)) * 1e6
        assert total(values).tolist() == [float(total(row.copy())) for row in values]


def test_what_is_not_known_at_a_bar_is_carried_on() -> None:
    values = np.array([[NAN, 2.0], [3.0, NAN], [NAN, NAN]])
    found = carried(np.array([1.0, 9.0]), values, ~np.isnan(values))
    assert found.tolist() == [[1.0, 2.0], [3.0, 2.0], [3.0, 2.0]]


def test_quiet_ends_before_the_first_bar_that_stirs() -> None:
    assert quiet_before(np.array([False, False, True, False, True])) == 2
    assert quiet_before(np.zeros(3, dtype=bool)) == 3
