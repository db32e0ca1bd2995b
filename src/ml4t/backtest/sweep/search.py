"""Search: parameters that Optuna chooses, round by round, by what the trials before made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from ml4t.backtest.core.batch import Floats
from ml4t.backtest.data.packages import package
from ml4t.backtest.errors import ConfigError, require_flags, require_whole
from ml4t.backtest.sweep.parameters import Between, Parameters, Space, require_space, set_key


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
        require_flags(self, "lowest")
        for name, least in (("n", 1), ("batch", 1), ("seed", 0)):
            object.__setattr__(self, name, require_whole(name, getattr(self, name), least=least))
        for name, values in self.space.items():
            if not isinstance(values, Between):
                _require_plain(name, values)

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

    def tell(self, scores: Floats) -> None:
        """Tell what the sets made that `ask` returned last; NaN: they have no score."""
        self._scores.update(zip(self._new, scores.tolist(), strict=True))
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
