"""ByValue: objects that are equal where they were made of equal settings."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from ml4t.backtest.core.identity import state_identity
from ml4t.backtest.core.owners import is_users

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class ByValue:
    """Base of what a user makes of settings and the package does not change afterwards.

    Of a user's own subclass all code and state count, as they do for the identity of a run: what
    it adds is not known here.
    """

    __slots__ = ()

    def _settings(self) -> tuple[object, ...]:
        """Return the settings that the object was made of, each hashable."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other):
            return NotImplemented
        assert isinstance(other, ByValue)
        if is_users(type(self)):
            return state_identity(self) == state_identity(other)
        return self._settings() == other._settings()

    def __hash__(self) -> int:
        kind = type(self)
        return hash(kind) if is_users(kind) else hash((kind, self._settings()))


def keep_plain(settings: DataclassInstance) -> None:
    """Keep the numbers of a frozen dataclass as what their fields declare.

    A 1 or a number of NumPy that is given for a float becomes one, so that equal settings print
    alike: what they print is part of a run's identity.
    """
    for one in fields(settings):
        value = getattr(settings, one.name)
        if value is not None and one.type in ("float", "float | None"):
            object.__setattr__(settings, one.name, float(value))
        elif one.type == "int":
            object.__setattr__(settings, one.name, int(value))
