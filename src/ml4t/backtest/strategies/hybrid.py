"""HybridStrategy: entry and exit as functions of numbers, called over whole batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from inspect import Parameter, signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Batch, Floats, Ints
from ml4t.backtest.core.by_value import ByValue
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.strategies.sizers import Entry, PercentSizer, Sizer, require_sizer
from ml4t.backtest.strategy.base import Strategy
from ml4t.backtest.strategy.broker import StrategyBroker
from ml4t.backtest.strategy.portfolio_view import PositionArrays

# Names of parameters that are no signals.
OF_POSITION = {"position": "quantity", "pnl_pct": "pnl", "bars_held": "bars_held"}
Function = Callable[..., Any]


class HybridStrategy(ByValue, Strategy):
    """Two functions decide: ``evaluate_entry`` 1 enters, ``evaluate_exit`` -1 leaves, 0 waits.

    A subclass gives them as static methods. Their parameters are named after signals or columns of
    ``market``, or ``position`` (shares, negative short), ``pnl_pct`` (fraction of the entry value,
    NaN when flat) and ``bars_held`` (NaN when flat); all are float. Entries are asked of every
    asset with a bar and a value of all that is named and the sizer reads; exits of what is held.
    A function under ``numba.njit`` is compiled once more, over arrays, and called once per close;
    a plain one is called for each asset. Both give the same trades, but for what Python refuses:
    a division by 0 or the root of a negative number raises in a plain function, and is infinite or
    NaN in a compiled one.

    Parameters
    ----------
    position_sizer : Sizer
        95% of the portfolio's value by default.

    Raises
    ------
    ConfigError
        A function is missing, or takes more than plain parameters; the sizer is none. During a
        run: a function returned something else.

    Examples
    --------
    >>> from ml4t.backtest.strategies import HybridStrategy
    >>> class Threshold(HybridStrategy):
    ...     @staticmethod
    ...     def evaluate_entry(ml_pred, position):
    ...         return 1 if position == 0 and ml_pred > 0.8 else 0
    ...
    ...     @staticmethod
    ...     def evaluate_exit(ml_pred, pnl_pct):
    ...         return -1 if pnl_pct < -0.05 or ml_pred < 0.4 else 0
    """

    evaluate_entry: Function
    evaluate_exit: Function

    position_sizer: Sizer = PercentSizer(0.95)

    def __init__(self, position_sizer: Sizer | None = None) -> None:
        if position_sizer is not None:
            self.position_sizer = position_sizer
        require_sizer(self.position_sizer)
        self._functions  # noqa: B018 - what is wrong with them is said now

    @cached_property
    def _functions(self) -> tuple[_Evaluated, _Evaluated]:
        """Entry and exit; found when first asked for, so that no subclass need call __init__."""
        # What cannot be sized is not entered, and may leave.
        sized = self.position_sizer.features
        return (
            _Evaluated(self, "evaluate_entry", 1, sized=sized),
            _Evaluated(self, "evaluate_exit", -1),
        )

    @property
    def needs_range(self) -> bool:
        """Bars need no high and low."""
        return False

    @property
    def features(self) -> tuple[str, ...]:  # type: ignore[override]
        """The signals that the functions and the sizer name."""
        return tuple(dict.fromkeys(name for one in self._functions for name in one.needed))

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        """Send exits and entries of a close, in asset order; what leaves does not enter."""
        enter, leave = self._functions
        entering = enter.at(np.flatnonzero(~np.isnan(batch.close)), batch, broker)
        held = broker.held_sids
        leaving = leave.at(held[~np.isnan(batch.close[held])], batch, broker)
        for sid in sorted({*entering, *leaving}):
            if sid in leaving:
                self.close_position(broker.asset_id(sid))
            else:
                self.position_sizer.enter(Entry.at(self, sid, batch, self.position_sizer))

    def _settings(self) -> tuple[object, ...]:
        return (self.position_sizer,)


class _Evaluated:
    """One of the two functions, by the names of its parameters; it acts where it says `answer`."""

    def __init__(
        self, strategy: HybridStrategy, name: str, answer: int, *, sized: tuple[str, ...] = ()
    ) -> None:
        kind, function = type(strategy).__name__, getattr(strategy, name, None)
        if not callable(function):
            raise ConfigError(f"{kind} has no {name}; write it as a static method")
        self._name, self._answer = f"{kind}.{name}", answer
        plain = getattr(function, "py_func", function)
        parameters = signature(plain).parameters
        for one in parameters.values():
            if one.kind not in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD):
                raise ConfigError(
                    f"{self._name} takes {str(one)!r}; it must name each value that it reads"
                )
        self._parameters = tuple(parameters)
        signals = (one for one in self._parameters if one not in OF_POSITION)
        self.needed = tuple(dict.fromkeys((*signals, *sized)))
        self._over = _over_each(function) if plain is function else _compiled(plain)

    def at(self, sids: Ints, batch: Batch, broker: StrategyBroker) -> set[int]:
        """Return the assets for which the function says to act."""
        for name in self.needed:
            sids = sids[~np.isnan(batch.features[name][sids])]
        if not len(sids):
            return set()
        positions = broker.positions_at(sids)
        columns = [self._column(name, sids, batch, positions) for name in self._parameters]
        answers = self._over(columns, len(sids))
        acts = answers == self._answer
        wrong = ~acts & (answers != 0)
        if wrong.any():
            asset, found = broker.asset_id(sids[wrong].item(0)), answers[wrong].tolist()[0]
            raise ConfigError(
                f"{self._name} must return {self._answer} or 0, was {found!r} for {asset!r}"
            )
        return set(sids[acts].tolist())

    @staticmethod
    def _column(name: str, sids: Ints, batch: Batch, positions: PositionArrays) -> Floats:
        if name in OF_POSITION:
            values: Floats = getattr(positions, OF_POSITION[name])
            return values
        return batch.features[name][sids]


def _over_each(function: Function) -> Callable[[Sequence[Floats], int], NDArray[Any]]:
    """Return a plain function over arrays: it is called for each asset."""

    def over(columns: Sequence[Floats], n: int) -> NDArray[Any]:
        rows = zip(*(column.tolist() for column in columns), strict=True) if columns else ((),) * n
        # As objects: what is no number stays what it is, and is refused by its own name.
        return np.fromiter((function(*row) for row in rows), dtype=object, count=n)

    return over


# Another instance of the class, for another run, compiles nothing.
@lru_cache(maxsize=64)
def _compiled(plain: Function) -> Callable[[Sequence[Floats], int], NDArray[Any]]:
    """Return a function that numba compiles over arrays; its user has numba."""
    import numba  # type: ignore[import-untyped,import-not-found,unused-ignore]

    ufunc: Function = numba.vectorize(nopython=True)(plain)  # type: ignore[no-untyped-call]

    def over(columns: Sequence[Floats], n: int) -> NDArray[Any]:
        if not columns:
            return np.full(n, plain())
        try:
            found: NDArray[Any] = ufunc(*columns)
        except (TypeError, numba.core.errors.NumbaError) as error:
            raise ConfigError(
                f"numba cannot compile {plain.__qualname__} over arrays; it must return a number "
                "on every path, or go without njit"
            ) from error
        return found

    return over
