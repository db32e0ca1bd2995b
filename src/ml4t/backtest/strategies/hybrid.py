"""HybridStrategy: entry and exit as functions of numbers, called over whole batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Batch, Floats, Ints
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.strategies.sizers import Entry, PercentSizer, Sizer
from ml4t.backtest.strategy.base import Strategy
from ml4t.backtest.strategy.broker import StrategyBroker
from ml4t.backtest.strategy.portfolio_view import PositionArrays

# Names of parameters that are no signals.
OF_POSITION = {"position": "quantity", "pnl_pct": "pnl", "bars_held": "bars_held"}
Function = Callable[..., Any]


class HybridStrategy(Strategy):
    """Two functions decide: ``evaluate_entry`` 1 enters, ``evaluate_exit`` -1 leaves, 0 waits.

    A subclass gives them as static methods. Their parameters are named after signals, or
    ``position`` (shares, negative short), ``pnl_pct`` (fraction of the entry value, NaN when flat)
    and ``bars_held`` (NaN when flat); all are float. Entries are asked of every asset with a bar
    and all the signals named; exits of what is held. A function under ``numba.njit`` is compiled
    once more, over arrays, and called once per close; a plain one is called for each asset. Both
    give the same trades.

    Parameters
    ----------
    position_sizer : Sizer
        95% of the portfolio's value by default.

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

    def __init__(self, position_sizer: Sizer | None = None) -> None:
        self.position_sizer = PercentSizer(0.95) if position_sizer is None else position_sizer
        if not isinstance(self.position_sizer, Sizer):
            raise ConfigError(f"position_sizer must be a Sizer, was {position_sizer!r}")
        self._entry = _Evaluated(self, "evaluate_entry", enters=1)
        self._exit = _Evaluated(self, "evaluate_exit", enters=-1)

    @property
    def needs_range(self) -> bool:
        """Bars need no high and low."""
        return False

    @property
    def features(self) -> tuple[str, ...]:  # type: ignore[override]
        """The signals that the functions and the sizer name."""
        names = (*self._entry.signals, *self._exit.signals, *self.position_sizer.features)
        return tuple(dict.fromkeys(names))

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        """Send entries and exits of a close, in asset order; an entry comes before an exit."""
        entering = self._entry.at(np.flatnonzero(~np.isnan(batch.close)), batch, broker)
        held = broker.held_sids
        leaving = self._exit.at(held[~np.isnan(batch.close[held])], batch, broker)
        for sid in sorted({*entering, *leaving}):
            if sid not in entering:
                self.close_position(broker.asset_id(sid))
                continue
            entry = Entry.at(self, sid, batch, self.position_sizer)
            if not any(value != value for value in entry.values.values()):
                self.position_sizer.enter(entry)


class _Evaluated:
    """One of the two functions, by the names of its parameters."""

    def __init__(self, strategy: HybridStrategy, name: str, *, enters: int) -> None:
        function = getattr(strategy, name, None)
        if function is None:
            raise ConfigError(
                f"{type(strategy).__name__} has no {name}; write it as a static method"
            )
        self._name, self._enters = f"{type(strategy).__name__}.{name}", enters
        plain = getattr(function, "py_func", function)
        self._parameters = tuple(signature(plain).parameters)
        self.signals = tuple(one for one in self._parameters if one not in OF_POSITION)
        self._over = _over_each(function) if plain is function else _compiled(plain)

    def at(self, sids: Ints, batch: Batch, broker: StrategyBroker) -> set[int]:
        """Return the assets for which the function says to act."""
        for name in self.signals:
            sids = sids[~np.isnan(batch.features[name][sids])]
        if not len(sids):
            return set()
        positions = broker.positions_at(sids)
        columns = [self._column(name, sids, batch, positions) for name in self._parameters]
        answers = self._over(columns, len(sids))
        acts = answers == self._enters
        if not (acts | (answers == 0)).all():
            wrong = answers[~acts & (answers != 0)][0]
            raise ConfigError(f"{self._name} must return {self._enters} or 0, was {wrong!r}")
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
        if not columns:
            return np.full(n, function())
        return np.array(
            [function(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]
        )

    return over


def _compiled(plain: Function) -> Callable[[Sequence[Floats], int], NDArray[Any]]:
    """Return a function that numba compiles over arrays; its user has numba."""
    import numba  # type: ignore[import-untyped,import-not-found,unused-ignore]

    ufunc: Function = numba.vectorize(nopython=True)(plain)  # type: ignore[no-untyped-call]

    def over(columns: Sequence[Floats], n: int) -> NDArray[Any]:
        if not columns:
            return np.full(n, plain())
        found: NDArray[Any] = ufunc(*columns)
        return found

    return over
