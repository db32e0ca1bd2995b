"""Planned: the trials of a sweep before one is made, each known by the run that it is."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ml4t.backtest.core.selecting import asked_of
from ml4t.backtest.engine import BacktestEngine
from ml4t.backtest.results.run_facts import run_id_of
from ml4t.backtest.running import configuration_of
from ml4t.backtest.strategy.handlers import keeps_nothing, require_fresh
from ml4t.backtest.sweep.parameters import Parameters
from ml4t.backtest.sweep.recipe import Recipe
from ml4t.backtest.sweep.rounds import Ground
from ml4t.backtest.sweep.work import Trial
from ml4t.backtest.version import versions


class PlannedTrial(NamedTuple):
    """A trial as it is known before it is made.

    Attributes
    ----------
    number : int
        From 1, in the order of the grid.
    parameters : dict
    run_id : str or None
        Of the run that it is; None where it cannot be made.
    error : Exception or None
        Why not.
    shares : str
        Equal in trials that share a ranking.
    """

    number: int
    parameters: Parameters
    run_id: str | None = None
    error: Exception | None = None
    shares: str = ""


def plan_trials(
    recipe: Recipe, ground: Ground, sets: Sequence[Parameters], first: int = 1
) -> list[PlannedTrial]:
    """Make every trial once, to know which run it is; what one raises is its own error."""
    planned = []
    sources = ground.catalog.fingerprints()
    for number, parameters in enumerate(sets, start=first):
        try:
            engine = recipe.engine(ground.catalog, parameters)
            run_id = _id_of(engine, ground, sources)
        except Exception as error:
            planned.append(PlannedTrial(number, parameters, error=error))
        else:
            planned.append(PlannedTrial(number, parameters, run_id, shares=_shares(engine)))
    return planned


def to_make(planned: Sequence[PlannedTrial]) -> list[Trial]:
    """Return the different runs among trials, those beside each other that share a ranking."""
    first: dict[str, PlannedTrial] = {}
    for one in planned:
        if one.run_id is not None:
            first.setdefault(one.run_id, one)
    in_order = sorted(first.values(), key=lambda one: one.shares)
    return [Trial(one.number, one.parameters, str(one.run_id)) for one in in_order]


def _id_of(engine: BacktestEngine, ground: Ground, sources: list[dict[str, object]]) -> str:
    require_fresh(engine.strategy)
    if engine.catalog is not ground.catalog:
        engine.catalog.validate()
        sources = engine.catalog.fingerprints()
    configuration = configuration_of(engine, ground.bounds)
    return run_id_of(engine.initial_capital, configuration, sources, versions())


def _shares(engine: BacktestEngine) -> str:
    if not keeps_nothing(engine.strategy):
        return ""  # what a strategy keeps may be asked for once
    ranking, query, _ = asked_of(engine.strategy)
    if query is not None:
        return repr(query)
    if ranking is None:
        return ""
    return repr(replace(ranking, n=1, every=1, offset=0, min_trade=0.0, band=0.0))


def warn_of_equal(planned: Sequence[PlannedTrial]) -> None:
    """Say where parameters change nothing."""
    of_run: dict[str, list[int]] = {}
    for one in planned:
        if one.run_id is not None:
            of_run.setdefault(one.run_id, []).append(one.number)
    equal = [numbers for numbers in of_run.values() if len(numbers) > 1]
    if equal:
        numbers = ", ".join(map(str, equal[0][:3]))
        warnings.warn(
            f"{sum(map(len, equal)):,} trials are {len(equal):,} runs, such as trials {numbers}: "
            "some parameter changes nothing of them, and they count as trials all the same",
            stacklevel=4,
        )
