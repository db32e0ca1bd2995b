"""Sealed orders: a strategy holds the engine's own order, reads it, and cannot write to it.

A copy for the strategy would cost one at every fill; what is sealed refuses in words instead, and
the engine writes past that with `object.__setattr__`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar

from ml4t.backtest.errors import ConfigError

Record = TypeVar("Record")


def sealed(ways: Mapping[str, str], other: str) -> Callable[[type[Record]], type[Record]]:
    """Return a decorator for a frozen dataclass with `order_id`: writes are refused in words.

    Parameters
    ----------
    ways : mapping of str to str
        What to call instead, by attribute.
    other : str
        What to do instead of writing to any other attribute.
    """

    def refuse(order: object, name: str, *_: object) -> NoReturn:
        number = getattr(order, "order_id", "")
        raise ConfigError(
            f"{name} of order {number} cannot be written, orders are read only; "
            f"{ways.get(name, other)}"
        )

    def seal(kind: type[Record]) -> type[Record]:
        kind.__setattr__ = kind.__delattr__ = refuse  # type: ignore[method-assign]
        return kind

    return seal
