"""Recipe: how a trial is made of its parameters, in whatever process."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import copy, deepcopy
from typing import Any, NamedTuple

from ml4t.backtest.core.owners import FRAMES, top_of
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.engine import BacktestEngine
from ml4t.backtest.errors import ConfigError, briefly, did_you_mean
from ml4t.backtest.risk.manager import RiskManager
from ml4t.backtest.strategy.base import Strategy
from ml4t.backtest.strategy.handlers import keeps_nothing
from ml4t.backtest.sweep.parameters import Parameters

# What a sweep says of all its trials.
OF_THE_SWEEP = frozenset({"data_feed", "context_data", "store", "tags", "start", "end"})
_MADE = (
    "a function that makes trials returns a strategy, or a mapping that has one, such as "
    "{'strategy': TopN(25, by='score'), 'risk_manager': RiskManager([...])}"
)
ENGINE_SETTINGS = frozenset(inspect.signature(BacktestEngine).parameters) - OF_THE_SWEEP


class Recipe(NamedTuple):
    """What makes the engine of a trial.

    Attributes
    ----------
    strategy : Strategy or callable
        One of which parameters replace arguments, or what returns one, or a mapping of arguments
        of `BacktestEngine`, when it is called with the parameters.
    settings : mapping of str to object
        Arguments of `BacktestEngine` of every trial; those that `strategy` returns go before them.
    """

    strategy: Strategy | Callable[..., object]
    settings: Mapping[str, Any]

    def engine(self, catalog: Catalog, parameters: Parameters) -> BacktestEngine:
        """Return the engine of a trial, which shares with no other what may change in a run.

        Raises
        ------
        Exception
            Whatever the user's own code raises; a `ConfigError` where it returns what is none.
        """
        own = dict(self.settings)
        given = own_copies(parameters)
        if isinstance(self.strategy, Strategy):
            # What it keeps, such as a list of a dataclass, would be that of all trials.
            own["strategy"] = replaced(own_copies({"strategy": self.strategy})["strategy"], given)
        else:
            made = self.strategy(**given)
            if not isinstance(made, Mapping | Strategy):
                raise ConfigError(f"{_MADE}, was {briefly(made)}")
            arguments = made if isinstance(made, Mapping) else {"strategy": made}
            require_settings(arguments)
            own |= arguments
        if "strategy" not in own:
            raise ConfigError(f"{_MADE}, was a mapping without")
        if isinstance(own["strategy"], Strategy) and keeps_nothing(own["strategy"]):
            own["strategy"] = copy(own["strategy"])  # one may be given for many trials
        manager = own.get("risk_manager")
        if isinstance(manager, RiskManager):
            own["risk_manager"] = RiskManager(
                deepcopy(manager.rules), deepcopy(manager.limits),
                feature_provider=manager.feature_provider,
            )  # fmt: skip
        if "config" in own:
            own["config"] = deepcopy(own["config"])
        return BacktestEngine(catalog, **own)


def require_settings(settings: Mapping[str, object]) -> None:
    """Refuse arguments that are none of an engine's, or those of the sweep as a whole."""
    for name in settings:
        if name in OF_THE_SWEEP:
            raise ConfigError(f"{name} is that of all trials: give it to the sweep")
        if name not in ENGINE_SETTINGS:
            raise ConfigError(
                f"BacktestEngine has no argument {name!r}{did_you_mean(name, ENGINE_SETTINGS)}"
            )


def own_copies(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as copies that a trial may change.

    Arrays and frames, which may be large, and what cannot be copied are shared:
    `ml4t.backtest.sweep.work` refuses trials that change them.
    """
    copies, memo = dict(values), dict[int, Any]()
    for name, one in values.items():
        if top_of(type(one).__module__) not in ("numpy", *FRAMES):
            with suppress(Exception):  # whatever the user's own objects raise
                copies[name] = deepcopy(one, memo)
    return copies


def replaced(strategy: Strategy, changes: Parameters) -> Strategy:
    """Return a strategy like another, with other arguments.

    Raises
    ------
    ConfigError
        Its class does not say how, or has no such argument.
    """
    kind = type(strategy)
    known = [name for name in inspect.signature(kind).parameters if name != "self"]
    for name in changes:
        if name not in known:
            raise ConfigError(
                f"{kind.__name__} has no argument {name!r}{did_you_mean(name, known)}"
            )
    if hasattr(strategy, "__replace__"):
        made: Strategy = strategy.__replace__(**changes)
        return made
    if dataclasses.is_dataclass(strategy):
        return dataclasses.replace(strategy, **changes)
    raise ConfigError(
        f"{kind.__name__} does not say how to make one with other arguments; give the sweep the "
        f"class itself, or a function: lambda **parameters: {kind.__name__}(**parameters)"
    )
