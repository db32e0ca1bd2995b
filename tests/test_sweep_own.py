"""Sweeps: what a trial keeps is its own; where it cannot be, no trial stands that others moved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from many_trials import metrics_of, metrics_of_trial
from ml4t.backtest import BacktestEngine, Catalog, Strategy, Sweep
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.strategy.broker import StrategyBroker
from universes import make_universe

UNIVERSE = make_universe(5, n_bars=24)
TRIALS = [1, 2, 3]


class Counts:
    """Buys at every seventh bar that it has counted: of a list that goes on it is another bar."""

    k: int
    seen: list[int]

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        self.seen.append(batch.t)
        if len(self.seen) % 7 == 0:
            broker.order_target_weights({broker.assets[len(self.seen) * self.k % 6]: 0.5})


@dataclass(eq=False)
class InADataclass(Counts, Strategy):
    k: int
    seen: list[int] = field(default_factory=list)


class InAParameter(Counts, Strategy):
    def __init__(self, k: int, seen: list[int]) -> None:
        self.k, self.seen = k, seen


class InTheClass(Counts, Strategy):
    seen: list[int] = []  # noqa: RUF012 - a mistake that is made

    def __init__(self, k: int) -> None:
        self.k = k


class InADefault(Counts, Strategy):
    def __init__(self, k: int, seen: list[int] = []) -> None:  # noqa: B006 - as above
        self.k, self.seen = k, seen


def catalog() -> Catalog:
    return Catalog(threads=1).register("prices", UNIVERSE.prices)


@pytest.mark.parametrize(
    ("strategy", "others"), [(InADataclass(0), {}), (InAParameter, {"seen": [[0]]})]
)
def test_what_is_given_to_all_trials_is_a_copy_in_each(strategy: Any, others: Any) -> None:
    result = Sweep(catalog(), strategy, {"k": TRIALS, **others}).run()
    kind = strategy if isinstance(strategy, type) else type(strategy)
    for k in TRIALS:
        alone = BacktestEngine(catalog(), kind(k, [0] * len(others))).run()
        assert metrics_of_trial(result, k) == metrics_of(alone)
        assert result.parameters(k) == {"k": k, **({"seen": [0]} if others else {})}


def closed_over() -> Callable[[int], Strategy]:
    seen: list[int] = []
    return lambda k: InAParameter(k, seen)


@pytest.mark.parametrize("make", [InTheClass, InADefault, closed_over()])
def test_trials_that_keep_one_thing_together_say_so_and_are_not_kept(make: Any) -> None:
    with pytest.warns(UserWarning, match="3 of 3 trials failed"):
        result = Sweep(catalog(), make, {"k": TRIALS}).run()
    assert all("a trial changed what others read too" in error for _, error in result.failed)
    assert not result.trial_returns.fetchall()
