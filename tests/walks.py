"""The two walks on one case: every bar visited, and only those at which something can happen."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from ml4t.backtest import BacktestResult, Ranking, SQLStrategy, Strategy, TopN, risk
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.core.levels import LevelBase, LevelPolicy, TrailBy, TrailStart, Trigger
from ml4t.backtest.data import panel, spilled
from ml4t.backtest.data.stream import batches
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
    """Return a mixed case with a strategy that decides now and then.

    Half of the cases have what no reference knows: rules in any combination, and policies.
    """
    universe, options = money_case(seed)
    pick = random.Random(f"walk {seed}")
    every, n = pick.choice([5, 9, 13]), pick.randint(1, 4)
    decides = pick.random()
    if pick.random() < 0.5:
        options["own_rules"] = [draw_rule(pick, 2) for _ in range(pick.randint(1, 3))]
        options["levels"] = draw_levels(pick)
        options["execution"] = {
            "sized_at": pick.choice(["fill", "decision"]), "whole_shares": pick.random() < 0.5,
            "reentry": pick.random() < 0.5, "rounds_change": pick.random() < 0.2,
        }  # fmt: skip
    if decides < 0.4:
        return (universe, options), AtSelections(options["script"], every)
    if decides < 0.6:
        ranking = Ranking(n=n, by="abs(score)", every=every)
        side = "case when score > 0.3 or not $shorts then 1 else -0.7 end"
        has_shorts = "true" if options["margin"] is not None else "false"
        query = f"select timestamp, asset_id, {side} * 0.25 as weight from ranked"
        strategy = SQLStrategy(query.replace("$shorts", has_shorts), ranking=ranking)
        return (universe, options), strategy
    return (universe, options), TopN(n, by="score", every=every)


def draw_rule(pick: random.Random, depth: int) -> risk.RiskRule:
    """Draw a rule, or a tree of some."""
    priority = pick.choice([100, 100, 60, 140])
    if depth and pick.random() < 0.3:
        kind = pick.choice([risk.AnyOf, risk.AllOf])
        return kind([draw_rule(pick, depth - 1) for _ in range(pick.randint(1, 3))], priority)
    some = pick.choice([0.002, 0.01, 0.03, 0.08])
    return pick.choice(
        [
            risk.StopLoss(some, priority), risk.TakeProfit(some, priority),
            risk.TrailingStop(some, priority=priority),
            risk.TrailingStop(amount=100 * some, priority=priority),
            risk.BreakevenStop(some, pick.choice([-some, 0.0, some / 2]), priority),
            risk.DynamicTrailingStop(2 * some, ((-some / 2, 1.5 * some), (some, some)), priority),
            risk.ScaledExit(((some / 2, 0.001), (some, 0.3), (2 * some, 0.4)), priority),
            risk.TimeBasedExit(pick.choice([1, 2, 7, 30]), priority),
            risk.VolatilityScaledStopLoss(pick.choice([0.5, 2, 6]), priority=priority),
            risk.VolatilityTrailingStop(pick.choice([0.5, 2, 6]), priority=priority),
            risk.SignalExit(pick.choice(["score > 1.9", "atr is null"]), priority=priority),
            risk.SignalExit("score > 2.4", ("atr", "score"), priority),
        ]
    )  # fmt: skip


def draw_levels(pick: random.Random) -> LevelPolicy:
    flags = (
        "stop_from_entry", "trail_from_entry", "in_rule_order", "open_first", "slips",
        "trail_replaces_stop", "target_first", "before_orders",
    )  # fmt: skip
    return LevelPolicy(
        base=pick.choice([*LevelBase]), trail_start=pick.choice([*TrailStart]),
        trail_by=pick.choice([*TrailBy]), trigger=pick.choice([*Trigger, Trigger.LEVEL]),
        **{flag: pick.random() < 0.5 for flag in flags},
    )  # fmt: skip


@contextmanager
def read_in_parts(seed: int) -> Iterator[None]:
    """Have runs read their bars in few or many chunks, from memory, a file or the sources."""
    pick = random.Random(f"read {seed}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "CHUNK_CELLS", pick.choice([20, 70, 1 << 18]))
        patch.setattr(panel, "KEPT_BYTES", pick.choice([0, 4_000, 1 << 26]))
        patch.setattr(spilled, "STRETCH_CELLS", pick.choice([1, 40, 1 << 18]))
        patch.setattr(spilled, "MOST_OF_FREE", pick.choice([0.0, 0.5]))
        yield


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
