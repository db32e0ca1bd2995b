"""Continued: one account through the test parts of a walk, one after the other.

At the first bar of each test part the strategy and the rules chosen for it take over; positions,
orders and levels go on. A level that an earlier rule has set rests until the close of that bar.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from ml4t.backtest.core.identity import user_identity
from ml4t.backtest.core.shown import shown
from ml4t.backtest.data.stream.shared import AskedOfChunks, SharedChunks
from ml4t.backtest.engine import BacktestEngine
from ml4t.backtest.errors import ResultError
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.store import open_store
from ml4t.backtest.risk.manager import RiskManager
from ml4t.backtest.running import (
    Ran,
    add_volumes,
    configuration_of,
    planned,
    record_facts,
    result_of,
)
from ml4t.backtest.sweep.folds import BarSpan, Fold
from ml4t.backtest.sweep.rounds import Ground
from ml4t.backtest.walking import Walking


class WalkStage(NamedTuple):
    """A test part and the engine of what was chosen for it."""

    span: BarSpan
    engine: BacktestEngine


class RulesInTurn(RiskManager):
    """The rules of all stages, each by its own name; of each stage some are asked."""

    def __init__(self, stages: Sequence[WalkStage]) -> None:
        managers = [one.engine.risk_manager for one in stages]
        super().__init__([rule for one in managers for rule in one.rules], managers[0].limits)
        self._told = tuple(name for one in managers for name in one.rule_names)
        ends = [sum(len(one.rules) for one in managers[:n]) for n in range(len(managers) + 1)]
        self.places = [range(*pair) for pair in pairwise(ends)]

    @property
    def rule_names(self) -> tuple[str, ...]:
        """Names in rule order, told apart within a stage alone."""
        return self._told


def continued(ground: Ground, stages: Sequence[WalkStage]) -> BacktestResult:
    """Run one account through stages that follow one another.

    Parameters
    ----------
    ground : Ground
        Its period is from the first bar of the first stage to the last bar of the last.

    Raises
    ------
    ResultError
        The stages have accounts that one cannot go on as.
    """
    require_one_account(ground, stages)
    first = stages[0].engine
    manager = RulesInTurn(stages)
    for one in stages:
        one.engine.risk_manager = manager
    prepared = ground.prepare([one.engine for one in stages])
    period, started_at = ground.period, datetime.now(UTC)
    configuration = configuration_of(first, ground.bounds) | {
        "walk": [
            {"from": str(one.span.start), **_chosen(one.engine)} for one in stages
        ],
    }  # fmt: skip
    asked = [AskedOfChunks(*planned(one.engine, prepared, period)) for one in stages]
    walking = Walking(first, ground.market, prepared, period)
    with walking:
        stage = -1
        chunks = SharedChunks(asked, ground.reading, tells_considered=True)
        for each in ground.looked_at(chunks):
            chunk = each[0]
            bars = range(chunk.first_t, chunk.first_t + chunk.n_bars)
            for place, one in enumerate(stages):
                begin = one.span.first_t - period.first_t
                at = range(max(begin, bars.start), min(begin + one.span.n_bars, bars.stop))
                if not at:
                    continue
                if place != stage:
                    walking.change(one.engine.strategy, manager.places[place])
                    stage = place
                part = each[place].part(at.start - bars.start, at.stop - bars.start)
                walking.through(part)
                walking.witnessed.look(part)
        walking.finish()
    walked = walking.walked(ground.jumped)
    add_volumes(walked, prepared, period)
    ran = Ran(configuration, started_at, datetime.now(UTC), walked)
    facts = record_facts(first, ran, {}, ground.of_all(first))
    return result_of(walked, facts, open_store(ground.catalog.timezone))


def require_in_turn(folds: Sequence[Fold]) -> None:
    """Refuse folds through whose test parts no one account goes.

    Raises
    ------
    ResultError
        Bars lie between them, or a fold has several.
    """
    if any(len(one.test) > 1 for one in folds):
        raise ResultError(
            "combinatorial splits test on several parts, and train on what comes after them: no "
            "account could have gone through; the returns are stitched by path"
        )
    for before, after in pairwise(one.test[0] for one in folds):
        if after.first_t != before.last_t + 1:
            raise ResultError(
                f"one account goes through test parts that follow one another, and between "
                f"{before.end} and {after.start} nothing was tested; walk with step as long as test"
            )


def require_one_account(ground: Ground, stages: Sequence[WalkStage]) -> None:
    """Refuse stages that are not those of one account.

    Raises
    ------
    ResultError
        The message says what differs, and where.
    """
    first = stages[0]
    for one in stages:
        if one.engine.catalog is not ground.catalog or one.engine.computing_provider is not None:
            raise ResultError(
                "one account reads one catalog, and a trial brought a feature provider of its own"
            )
        for name in ("config", "initial_capital", "benchmark", "risk_free", "evidence"):
            if getattr(one.engine, name) != getattr(first.engine, name):
                raise ResultError(
                    f"one account has one {name}, and those chosen for {first.span} and "
                    f"{one.span} differ in it; choose among strategies and rules"
                )
        limits = [repr(limit) for limit in one.engine.risk_manager.limits]
        if limits != [repr(limit) for limit in first.engine.risk_manager.limits]:
            raise ResultError(
                f"one account has one set of limits, and those chosen for {first.span} and "
                f"{one.span} differ in them; choose among strategies and rules"
            )


def _chosen(engine: BacktestEngine) -> dict[str, object]:
    """Return what the record says of what was chosen for a stage."""
    strategy = engine.strategy
    return {"strategy": shown(strategy), "strategy_code": user_identity(strategy)}
