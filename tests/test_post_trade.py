"""What follows a fill at once: positions it closed are forgotten, those it opened are protected."""

from __future__ import annotations

import numpy as np
import pytest

from ml4t.backtest import BasisPointCommission, BasisPointSlippage
from ml4t.backtest.core.batch import Batch, Ints
from ml4t.backtest.core.levels import LevelPolicy, Levels
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.execution import ExecutionPolicy
from ml4t.backtest.execution.executor import Booked, Executor
from ml4t.backtest.execution.pending.post_trade import PostTrade
from ml4t.backtest.execution.pending.protective_orders import ProtectiveOrders
from ml4t.backtest.portfolio.portfolio import Portfolio
from ml4t.backtest.portfolio.settlement import Settlement
from ml4t.backtest.portfolio.water_marks import Seen
from ml4t.backtest.results.recorder import Recorder

FIRST = np.array([0])
TEN = np.full(2, 10.0)
BAR = Batch(t=3, open=TEN, high=TEN, low=TEN, close=TEN, selection=None, features={})


class StopAtNine:
    """Rules that give every new position a stop, and remember when they were asked."""

    def __init__(self, protective: ProtectiveOrders) -> None:
        self._protective = protective
        self.asked: list[tuple[int, list[int], bool, list[float]]] = []

    def guard_entries(self, t: int, opened: Ints, *, at_close: bool = False) -> None:
        """Set the stop; take note of the levels that were still in force."""
        found = [
            level.level for sid in opened.tolist() for level in self._protective.levels.of(sid)
        ]
        self.asked.append((t, opened.tolist(), at_close, found))
        nothing, nine = np.full(len(opened), np.nan), np.full(len(opened), 9.0)
        none, stop = np.full(len(opened), -1), np.zeros(len(opened), dtype=np.int64)
        self._protective.set_levels(
            Levels(
                set_t=t, sids=opened, stop=nine, target=nothing, stop_rule=stop, target_rule=none
            )
        )


def executor_of(recorder: Recorder) -> Executor:
    terms = Instruments.plain(2)
    return Executor(
        Portfolio(2, 10_000.0, recorder), recorder, commission=BasisPointCommission(0),
        slippage=BasisPointSlippage(0), impact=None, terms=terms, policy=ExecutionPolicy(),
        levels=LevelPolicy(), dates=np.arange(5),
        settlement=Settlement(0, np.arange(5), terms.multiplier),
    )  # fmt: skip


def fill(executor: Executor, quantity: float, seen: Seen = Seen.ALL) -> Booked:
    ids = executor.journal.new_ids(1)
    return executor.fill(BAR, ids, FIRST, np.array([quantity]), TEN[:1], ("order",), seen=seen)


def said(booked: Booked) -> tuple[int, list[int], list[int], bool]:
    return booked.t, booked.opened.tolist(), booked.closed.tolist(), booked.at_close


@pytest.mark.parametrize(
    ("quantities", "opened", "closed"),
    [
        ((5,), [0], []), ((5, 5), [], []), ((5, -2), [], []), ((5, -5), [], [0]),
        ((5, -8), [0], []), ((5, -5, -1), [0], []),
    ],
)  # fmt: skip
def test_a_fill_says_what_it_opened_turned_over_and_closed(
    quantities: tuple[float, ...], opened: list[int], closed: list[int]
) -> None:
    executor = executor_of(Recorder())
    *_, last = [fill(executor, quantity) for quantity in quantities]
    assert said(last) == (3, opened, closed, False)
    assert said(fill(executor_of(Recorder()), 5, Seen.NOTHING)) == (3, [0], [], True)


def test_a_new_position_is_protected_once_what_protected_the_old_one_is_forgotten() -> None:
    recorder = Recorder()
    executor = executor_of(recorder)
    protective = ProtectiveOrders(executor, LevelPolicy())
    rules = StopAtNine(protective)
    post_trade = PostTrade(protective, rules)
    post_trade.process(fill(executor, 5))
    assert [level.level for level in protective.levels.of(0)] == [9.0]
    protective.order_exits(3, FIRST, ("Stop",))
    post_trade.process(fill(executor, -8, Seen.NOTHING))
    assert rules.asked == [(3, [0], False, []), (3, [0], True, [])]
    assert [level.level for level in protective.levels.of(0)] == [9.0]
    assert protective.pending.leaving() == []
    post_trade.process(fill(executor, 3))
    assert list(protective.levels.of(0)) == []
    assert len(rules.asked) == 2


def test_without_rules_a_new_position_has_no_levels() -> None:
    executor = executor_of(Recorder())
    protective = ProtectiveOrders(executor, LevelPolicy())
    PostTrade(protective).process(fill(executor, 5))
    assert protective.levels.is_empty
