"""The two walks on one case: every bar visited, and only those at which something can happen."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from ml4t.backtest import BacktestResult, Ranking, Strategy, TopN
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.results.tables import TABLES
from ml4t.backtest.strategy.broker import StrategyBroker
from ml4t.backtest.strategy.handlers import on_selections
from money import Case, Scripted, money_case

Tables = dict[str, list[tuple[Any, ...]]]


class AtSelections(Scripted):
    """Carries out a script at decision bars alone, what was to be done since the last one too."""

    def __init__(self, script: Mapping[int, Any], every: int) -> None:
        super().__init__(script)
        self._every, self._done_t = every, -1

    def ranking(self) -> Ranking:
        return Ranking(n=1, by="score", every=self._every)

    @on_selections
    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        if batch.selection is None:
            return
        last, self._done_t = self._done_t, batch.t
        for t in range(last + 1, batch.t + 1):
            self._carry_out(self._script.get(t, ()), broker)


def walk_case(seed: int) -> tuple[Case, Strategy]:  # a strategy runs once
    """Return a mixed case with a strategy that decides now and then."""
    universe, options = money_case(seed)
    pick = random.Random(f"walk {seed}")
    every, n = pick.choice([5, 9, 13]), pick.randint(1, 4)
    if pick.random() < 0.5:
        return (universe, options), AtSelections(options["script"], every)
    return (universe, options), TopN(n, by="score", every=every)


def tables_of(result: BacktestResult) -> Tables:
    """Return every row of every table of a run, and what its rules and limits were asked.

    But for times of the wall clock, and what depends on the folder in which sources are.
    """
    left_out = {"runs": "run_id, started_at, finished_at, sources"}
    return {
        name: result.sql(
            f"select * exclude ({left_out.get(name, 'run_id')}) from {name}"
        ).fetchall()
        for name in TABLES
    }
