"""Hideable: a name of the base class that a strategy may take for something of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class Hideable(Generic[T]):
    """A property that ``self.name = ...`` may hide, which a property would refuse.

    The package itself reads what is behind it, so that nothing depends on the name: a strategy
    that keeps ``self.broker = broker`` in its handler is everyday code.

    Parameters
    ----------
    read : callable
        Returns the value for an instance.
    """

    def __init__(self, read: Callable[[Any], T]) -> None:
        self._read, self.__doc__ = read, read.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | T:
        """Return the value of an instance."""
        return self if instance is None else self._read(instance)
