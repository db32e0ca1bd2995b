"""SourceFunction: a function that makes a source of those before it, and which one it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ml4t.backtest.data.computed.known_sources import KnownSources
from ml4t.backtest.data.sources.shapes.said import Said


class SourceFunction(NamedTuple):
    """A function that makes a source.

    Attributes
    ----------
    name : str
        Its qualified name and a hash of what it does, with what it closes over, its defaults and
        the functions of the user's that it calls.
    text_sha256 : str or None
        Of its source text; None where Python has none, as of what was typed into a prompt.
    call : callable or None
        None in another process, to which its rows went without it.
    said : Said or None
        What was said of the shape that it returns.
    read : mapping
        Facts of the files that it read, when it was called.
    """

    name: str
    text_sha256: str | None
    call: Callable[[KnownSources], object] | None = None
    said: Said | None = None
    read: Mapping[str, object] = {}

    def facts(self) -> dict[str, object]:
        """Return what a run says of it."""
        return {"name": self.name, "text_sha256": self.text_sha256}

    def as_recorded(self) -> SourceFunction:
        """Return it for another process: what is known of it."""
        return self._replace(call=None, said=None, read={})
