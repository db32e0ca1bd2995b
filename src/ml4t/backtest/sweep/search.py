"""Search: parameters that Optuna chooses, round by round, by what the trials before made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import chain
from typing import Any

import numpy as np

from ml4t.backtest.core.batch import Floats
from ml4t.backtest.data.packages import package
from ml4t.backtest.errors import ConfigError, require_flags, require_whole
from ml4t.backtest.sweep.parameters import (
    Between,
    Parameters,
    Space,
    as_plain,
    parameter_sets,
    require_space,
    set_key,
)
from ml4t.backtest.sweep.result import require_metric


@dataclass(frozen=True)
class OptunaSearch:
    """Trials whose parameters Optuna chooses (the extra ``optuna``).

    Every trial counts for what is left of the best one: a search finds overfitting faster, too.

    Attributes
    ----------
    space : mapping of str to sequence or Between
        Values to choose from, or a range, by the name of the parameter.
    n : int
        Trials that Optuna asks for. One of parameters that were tried before is not made again,
        and is no row of its own.
    by : str, default "sharpe"
        The metric that it is told; of a failed trial it is told that it failed.
    lowest : bool, default False
        The lowest is the best.
    batch : int, default 16
        Trials that are asked for at a time, which walk side by side. Optuna knows nothing of those
        of the same batch: 1 tells it of each before the next, and shares nothing.
    seed : int, default 0
        Of its sampler, the tree-structured Parzen estimator; equal seeds choose equal parameters.
    study : optuna.Study, optional
        One with a sampler and a direction of its own; `seed` and `lowest` are not asked then. It
        goes on where it was.
    """

    space: Space
    n: int
    _: KW_ONLY
    by: str = "sharpe"
    lowest: bool = False
    batch: int = 16
    seed: int = 0
    study: Any = None

    def __post_init__(self) -> None:
        require_space(self.space)
        require_metric(self.by)
        require_flags(self, "lowest")
        for name, least in (("n", 1), ("batch", 1), ("seed", 0)):
            object.__setattr__(self, name, require_whole(name, getattr(self, name), least=least))
        plain: dict[str, Sequence[Any] | Between] = {
            name: values if isinstance(values, Between) else list(map(as_plain, values))
            for name, values in self.space.items()
        }
        object.__setattr__(self, "space", plain)
        for name, values in plain.items():
            if not isinstance(values, Between):
                _require_plain(name, values)

    @property
    def names(self) -> Iterable[str]:
        """Of the parameters."""
        return self.space

    def begin(self) -> Searching:
        """Return the search before its first trial."""
        optuna = package("optuna", extra="optuna")
        study = self.study
        if study is None:
            # Its logger prints a line for every trial.
            optuna.logging.set_verbosity(optuna.logging.WARNING)
            study = optuna.create_study(
                sampler=optuna.samplers.TPESampler(seed=self.seed),
                direction="minimize" if self.lowest else "maximize",
            )
        kinds = {name: _distribution(optuna, values) for name, values in self.space.items()}
        return Searching(self, study, kinds, optuna.trial.TrialState.FAIL)


class GivenSets:
    """Sets of parameters that are there from the first; asked for as a search is.

    Attributes
    ----------
    sets : list of dict
    """

    def __init__(self, sets: list[Parameters]) -> None:
        self.sets, self.n = sets, len(sets)

    @property
    def names(self) -> Iterable[str]:
        """Of the parameters."""
        return dict.fromkeys(chain.from_iterable(self.sets))

    def begin(self) -> GivenSets:
        """Return them before they are asked for."""
        return GivenSets(self.sets)

    def ask(self) -> list[Parameters] | None:
        """Return all of them, once."""
        sets, self.sets = self.sets, []
        return sets or None

    def tell(self, scores_by: Callable[[str], Floats]) -> None:
        """Learn nothing."""


def trials_of_grid(grid: object) -> GivenSets | OptunaSearch:
    """Return what a grid, a list, a sample or a search asks for.

    Raises
    ------
    ConfigError
        It is none of these.
    """
    if isinstance(grid, GivenSets | OptunaSearch):
        return grid
    return GivenSets(parameter_sets(grid))


class Searching:
    """A search on its way.

    Parameters
    ----------
    asked : OptunaSearch
    study : optuna.Study
    kinds : dict
        Optuna's distribution of each parameter.
    failed : optuna.trial.TrialState
        What it is told of a trial without a score.
    """

    def __init__(self, asked: OptunaSearch, study: Any, kinds: dict[str, Any], failed: Any) -> None:
        self._asked, self._study, self._kinds, self._failed = asked, study, kinds, failed
        self._n_asked = 0
        self._waiting: list[tuple[Any, tuple[Any, ...]]] = []
        self._scores: dict[tuple[Any, ...], float] = {}

    def ask(self) -> list[Parameters] | None:
        """Return the sets of parameters that are new in the next batch; None: it is over."""
        n = min(self._asked.batch, self._asked.n - self._n_asked)
        if not n:
            return None
        self._n_asked += n
        new: dict[tuple[Any, ...], Parameters] = {}
        for _ in range(n):
            trial = self._study.ask(self._kinds)
            key = set_key(trial.params)
            self._waiting.append((trial, key))
            if key not in self._scores:
                new[key] = dict(trial.params)
        self._new = list(new)
        return list(new.values())

    def tell(self, scores_by: Callable[[str], Floats]) -> None:
        """Tell what the sets made that `ask` returned last.

        Parameters
        ----------
        scores_by : callable
            Returns a metric of each of them; NaN: it has none.
        """
        scores = scores_by(self._asked.by).tolist() if self._new else []
        self._scores.update(zip(self._new, scores, strict=True))
        for trial, key in self._waiting:
            score = self._scores[key]
            if np.isnan(score):
                self._study.tell(trial, state=self._failed)
            else:
                self._study.tell(trial, score)
        self._waiting = []


def _require_plain(name: str, values: Sequence[Any]) -> None:
    for one in values:
        if not isinstance(one, bool | int | float | str | None):
            raise ConfigError(
                f"Optuna chooses among numbers, flags, texts and None, and {name!r} has {one!r}; "
                "search among names, and make the object of a name in the function that makes "
                "trials"
            )


def _distribution(optuna: Any, values: Sequence[Any] | Between) -> Any:
    of = optuna.distributions
    if not isinstance(values, Between):
        return of.CategoricalDistribution(list(values))
    kind = of.IntDistribution if values.is_whole else of.FloatDistribution
    return kind(values.low, values.high, log=values.is_log)
