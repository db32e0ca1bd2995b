"""DelayedCatalog: the sources of another catalog, one of which is known at another time."""

from __future__ import annotations

from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.registry import SourceRegistry


class DelayedCatalog(Catalog):
    """A catalog over the sources of another, one of them with a delay.

    What a query computed from that source is a source of its own, and stays as it is.

    Parameters
    ----------
    base : Catalog
    name : str
        Of the source.
    delay : str
        As of `asof.delays`.
    """

    def __init__(self, base: Catalog, name: str, delay: str) -> None:
        SourceRegistry.__init__(
            self, threads=base._threads, memory_limit=base._memory_limit, timezone=base.timezone
        )
        self.take_over(
            one._replace(delay=delay) if one.name == name else one for one in base.sources()
        )
