"""Context: the market-wide values of one timestamp, shared by all its events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ml4t.backtest.core.values import Columns, Value, Values
from ml4t.backtest.errors import require_whole


class Context(Values):
    """A read-only mapping of name to value; a missing value has no key.

    Numbers arrive as float, text as str. In a run a column is read when it is first asked for, so
    that columns which nobody reads cost nothing.

    Parameters
    ----------
    values : mapping of str to value, optional

    Raises
    ------
    SignalError
        On access by ``context[name]``: there is no such column, or no value now. It is a KeyError.

    Examples
    --------
    >>> from ml4t.backtest.core.context import Context
    >>> context = Context({"vix": 18.5, "regime": "bull", "spy": None})
    >>> context["vix"], context.get("spy", 0.0), "spy" in context
    (18.5, 0.0, False)
    """

    __slots__ = ()
    kind = "context value"

    def __init__(self, values: Mapping[str, Value] | None = None) -> None:
        super().__init__(Columns.of(values or {}), 0)

    @classmethod
    def at(cls, columns: Columns) -> Context:
        """Return the context of columns of one row."""
        context = cls.__new__(cls)
        context._columns, context._at = columns, 0
        return context

    def __bool__(self) -> bool:
        """Return whether there is any market-wide column; none is read to say so."""
        return bool(self._columns.names) or self._columns.computed is not None


class ContextCache:
    """Gives the events of one timestamp one shared `Context`, in loops written by hand.

    A run of the engine needs none: it has one context per timestamp anyway.

    Parameters
    ----------
    max_size : int
        Timestamps kept; the oldest makes room, so that nothing grows with the length of a run.

    Examples
    --------
    >>> from datetime import datetime
    >>> from ml4t.backtest.core.context import ContextCache
    >>> cache, moment = ContextCache(), datetime(2024, 1, 2)
    >>> cache.get_or_create(moment, {"vix": 18.5}) is cache.get_or_create(moment, {"vix": 18.5})
    True
    """

    def __init__(self, max_size: int = 256) -> None:
        max_size = require_whole("max_size", max_size, least=1)
        self._max_size = max_size
        self._contexts: dict[datetime, Context] = {}

    def get_or_create(self, timestamp: datetime, values: Mapping[str, Value]) -> Context:
        """Return the context of a timestamp; `values` are read where it is not there yet."""
        context = self._contexts.get(timestamp)
        if context is None:
            if len(self._contexts) >= self._max_size:
                del self._contexts[next(iter(self._contexts))]
            context = self._contexts[timestamp] = Context(values)
        return context

    def clear(self, before_timestamp: datetime | None = None) -> None:
        """Forget all contexts, or those before a time."""
        for moment in list(self._contexts):
            if before_timestamp is None or moment < before_timestamp:
                del self._contexts[moment]

    def __len__(self) -> int:
        return len(self._contexts)
