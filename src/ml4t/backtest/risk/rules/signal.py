"""Exit on a signal: a condition in SQL, or a function over the held positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats
from ml4t.backtest.core.by_value import keep_plain
from ml4t.backtest.core.identity import identity
from ml4t.backtest.errors import BacktestError, ConfigError, require_columns
from ml4t.backtest.risk.rules.held import Held
from ml4t.backtest.risk.rules.rule import RiskRule, require_priority

Condition = Callable[[Mapping[str, Floats]], Bools]


@dataclass(frozen=True, slots=True, repr=False)
class SignalExit(RiskRule):
    """Leave at the next open where a condition is true at a close; NULL and NaN are not true.

    Attributes
    ----------
    condition : str or callable
        SQL over the columns of ``signals``, such as ``"score < 0 or rsi > 80"``, or a function
        ``condition({name: float array}) -> bool array`` with one entry per held position.
    features : sequence of str
        Columns that a function is given, NaN where missing; with SQL, columns to show in the
        decisions table beside the exit.

    Examples
    --------
    >>> from ml4t.backtest.risk import RiskContext, SignalExit
    >>> rule = SignalExit(lambda held: held["rsi"] > 80, features=("rsi",))
    >>> context = RiskContext(
    ...     quantity=1.0, entry_price=9.0, water_mark=9.5, close=9.1, bars_held=3,
    ...     features={"rsi": 85.0},
    ... )
    >>> rule.evaluate(context).should_exit
    True
    """

    condition: str | Condition
    features: tuple[str, ...] = ()
    priority: int = 100

    def __post_init__(self) -> None:
        features = require_columns("features of SignalExit", self.features)
        if not callable(self.condition) and not (
            isinstance(self.condition, str) and self.condition.strip()
        ):
            raise ConfigError(
                f"condition must be an SQL expression or a function, was {self.condition!r}"
            )
        if callable(self.condition) and not self.features:
            raise ConfigError(
                f"features must name the columns that {_shown(self.condition)} reads, was empty"
            )
        require_priority(self.priority)
        keep_plain(self)
        object.__setattr__(self, "features", features)

    def __repr__(self) -> str:
        """Show a function by its name and a hash of its code, the same in every process."""
        return (
            f"SignalExit(condition={_shown(self.condition)}, features={self.features!r}, "
            f"priority={self.priority!r})"
        )

    @property
    def conditions(self) -> tuple[str, ...]:  # type: ignore[override]
        """The SQL condition; none where the condition is a function."""
        return (self.condition,) if isinstance(self.condition, str) else ()

    @property
    def spans_bars(self) -> bool:  # type: ignore[override]
        """Whether the condition is SQL; a function may count its calls."""
        return isinstance(self.condition, str)

    @property
    def needs_range(self) -> bool:  # type: ignore[override]
        """False: it reads no level and no water mark."""
        return False

    @property
    def reason(self) -> str:
        """One line on what the rule does, for the decisions table."""
        text = self.condition if isinstance(self.condition, str) else _shown(self.condition)
        return f"signal: {text}"

    def exits(self, held: Held) -> Bools:
        """Return where the condition is true.

        Raises
        ------
        BacktestError
            The function did not return one boolean per position.
        """
        if isinstance(self.condition, str):
            is_true: Bools = held.features[self.condition] == 1
            return is_true
        answer: object = self.condition({name: held.features[name] for name in self.features})
        n = len(held.side)
        if isinstance(answer, np.ndarray) and answer.dtype == np.bool_ and answer.shape == (n,):
            return answer
        was = type(answer).__name__
        if isinstance(answer, np.ndarray):
            was = f"{answer.dtype} array of shape {answer.shape}"
        raise BacktestError(
            f"rule {self!r} must return a boolean array of shape ({n},), one entry per held "
            f"position, was {was}"
        )


def _shown(condition: object) -> str:
    return repr(condition) if isinstance(condition, str) else identity(condition)
