"""Values: named columns that are read when they are asked for, and one row of them.

A missing value (NULL, NaN) has no key in a row: ``.get("atr")`` is None, and
``.get("rsi", 50.0)`` is 50.0. It never becomes 0.0 by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from ml4t.backtest.errors import SignalError

# Numbers and flags arrive as float, text as str, times as datetime, dates as date.
Value = Any
# Leads the name of a column's value at the asset's bar before; no source has names that begin so.
PREVIOUS = "__previous_"


class Columns(dict[str, Any]):
    """Columns by name; `load` reads one when it is first asked for.

    Parameters
    ----------
    names : collection of str
        Every column that there is.
    load : callable
        Returns the values of a column: a list, or an array.
    computed : callable, optional
        Returns more values of one row, computed when they are asked for.
    missed : dict, optional
        Takes how often a name was asked for that is not there, and a default was given.

    Attributes
    ----------
    since : dict of str to int
        The row for which `at` read a column that was not there yet.
    """

    __slots__ = ("computed", "load", "missed", "names", "since")

    def __init__(
        self,
        names: Collection[str],
        load: Callable[[str], Any],
        computed: Callable[[int], Mapping[str, Value]] | None = None,
        missed: dict[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.names, self.load, self.computed, self.missed = names, load, computed, missed
        self.since: dict[str, int] = {}

    @classmethod
    def of(cls, values: Mapping[str, Value]) -> Columns:
        """Return columns of one row each."""
        return cls(tuple(values), lambda name: (values[name],))

    def __missing__(self, name: str) -> Any:
        if name not in self.names:
            raise KeyError(name)
        column = self[name] = self.load(name)
        return column

    def at(self, name: str, row: int) -> Any:
        """Return a row of a column; of one that was not there yet, remember which."""
        if name not in self:
            self[name]
            self.since[name] = row
        return self[name][row]


def is_missing(value: Value) -> bool:
    """Return whether a value is NULL or NaN; a list or an array is neither."""
    return value is None or (isinstance(value, float) and value != value)


class Values(Mapping[str, Value]):
    """One row of columns as a read-only mapping without its missing values."""

    __slots__ = ("_at", "_columns")
    kind = "value"

    def __init__(self, columns: Columns, at: int) -> None:
        self._columns, self._at = columns, at

    def __getitem__(self, name: str) -> Value:
        try:
            value = self._columns[name][self._at]
        except KeyError:
            value = self._computed().get(name)
            if value is None:
                raise SignalError(self.kind, name, self.names) from None
        if type(value) is float and value == value:  # hot: most are
            return value
        if is_missing(value):
            raise SignalError(self.kind, name)
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value, or `default` where it is missing or there is no such column."""
        try:
            value = self._columns[name][self._at]
        except KeyError:
            return self._other(name, default)
        if type(value) is float and value == value:  # hot: most are
            return value
        return default if is_missing(value) else value

    @property
    def names(self) -> tuple[str, ...]:
        """Every column, whether or not it has a value here, and what is computed here."""
        return tuple(dict.fromkeys((*self._columns.names, *self._computed())))

    def _other(self, name: str, default: Any) -> Any:
        """Return what is computed under a name that is no column, or the default."""
        found = self._computed()
        missed = self._columns.missed
        if name not in found and missed is not None:
            missed[name] = missed.get(name, 0) + 1
        return found.get(name, default)

    def _computed(self) -> Mapping[str, Value]:
        computed = self._columns.computed
        return {} if computed is None else computed(self._at)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.names if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self)})"
