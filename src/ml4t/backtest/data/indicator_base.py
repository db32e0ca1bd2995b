"""Indicator base: how an indicator becomes a source, whatever it computes.

1. The numbers and the name that it is asked with are checked: `n_bars`, `named`.
2. `IndicatorBase._add` registers its query as a features source, so that calls chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeVar

from ml4t.backtest.data.indicator_rows import KEYS_AND_CLOCK, Rows
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.errors import ConfigError, require_column, require_whole

# Longer than any history; beyond it numbers would outgrow their type in SQL.
_MOST_BARS = 1_000_000


class Registers(Protocol):
    """A catalog: what takes a query as a source."""

    def register(self, role: Any, source: object, *, name: str | None = None) -> object:
        """Register a source under a role and a name."""


# The catalog that asked, whatever its class, so that calls chain.
AnyCatalog = TypeVar("AnyCatalog", bound=Registers)


class IndicatorBase(Generic[AnyCatalog]):
    """Knows the rows that indicators are made of, and the catalog that takes them.

    Parameters
    ----------
    catalog : AnyCatalog
        Has prices; takes the results.
    sources, found : mapping
        Its sources by name, and their columns with types.
    """

    def __init__(
        self,
        catalog: AnyCatalog,
        sources: Mapping[str, Source],
        found: Mapping[str, Mapping[str, str]],
    ) -> None:
        self._catalog, self._rows = catalog, Rows(sources, found)

    def _add(self, name: str, query: str, made: tuple[str, ...] | None = None) -> AnyCatalog:
        """Register the query of an indicator, unless a column of its name is there already."""
        for column in made or (name,):
            if column.lower() in KEYS_AND_CLOCK:
                raise ConfigError(f"an indicator cannot be named {column!r}, the name of a key")
            for source, theirs in self._rows.found.items():
                if column.lower() in {other.lower() for other in theirs}:
                    raise ConfigError(
                        f"source {source!r} has a column {column!r} already; pass name="
                    )
        self._catalog.register("features", query, name=name)
        return self._catalog


def named(name: str | None, usual: str) -> str:
    """Return the name of an indicator, the usual one where none is given."""
    if name is None:
        return usual
    require_column("name", name)
    return name


def n_bars(label: str, n: object, *, least: int = 1) -> int:
    """Return a whole number of bars, of numpy's kinds too, and refuse what is none."""
    return require_whole(label, n, least=least, most=_MOST_BARS)


def require_cross(column: object, by: object) -> None:
    """Refuse what cannot name the column of a cross-section, or the one that groups it."""
    require_column("column", column)
    if by is not None:
        require_column("by", by)
