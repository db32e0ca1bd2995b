"""Listening: who hears of what a database is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

Ask = Callable[..., list[tuple[Any, ...]]]


class Listener(Protocol):
    """Hears of what a database is told, before it does it."""

    def statement(self, text: str, parameters: Mapping[str, object] | None, ask: Ask) -> None:
        """Hear of a statement; `ask` runs another one, which nobody hears of."""

    def frame(self, name: str, ask: Ask) -> None:
        """Hear that rows of Python's can be read under a name."""
