"""FeedCatalog: a catalog that reads its feeds when a query or a run first needs their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.database import UTC, Database
from ml4t.backtest.data.feature_provider import PrecomputedFeatureProvider
from ml4t.backtest.data.feeds.rows import TAKEN_COLUMNS, AttachedFeed, FeedRows, gather
from ml4t.backtest.data.indicators import Indicators
from ml4t.backtest.data.listening import Listener
from ml4t.backtest.data.registry import SourceRegistry
from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import schema_of
from ml4t.backtest.errors import ConfigError

if TYPE_CHECKING:
    from ml4t.backtest.data.prepared_store.store import PreparedStore


class FeedCatalog(Catalog):
    """A catalog whose prices are those of feeds, and whose features those of providers.

    Parameters
    ----------
    feeds : sequence of FeedRows
        None given: the prices are those of `base`.
    providers : sequence of PrecomputedFeatureProvider
        Each becomes a source ``features`` (the second ``features_2``), unless `base` has it.
    base : Catalog, optional
        Its sources are taken over, of a `FeedCatalog` feeds and providers too; it stays as it is.
    listener : Listener, optional
        Hears of the statements.

    Raises
    ------
    DataError
        A feed lacks a column, or cannot be read.
    """

    def __init__(
        self,
        feeds: Sequence[FeedRows] = (),
        providers: Sequence[PrecomputedFeatureProvider] = (),
        base: Catalog | None = None,
        listener: Listener | None = None,
    ) -> None:
        SourceRegistry.__init__(
            self,
            threads=None if base is None else base._threads,
            memory_limit=None if base is None else base._memory_limit,
            timezone=UTC if base is None else base.timezone,
            listener=listener,
            keeper=None if base is None else base.another_keeper(listener),
        )
        copied = base if isinstance(base, FeedCatalog) else None
        self._feeds: tuple[FeedRows, ...] = tuple(feeds) if copied is None else copied._feeds
        ours = [] if copied is None else copied._providers
        self._providers: list[PrecomputedFeatureProvider]
        self._providers = list(dict.fromkeys([*ours, *providers]))
        self._schemas: list[AttachedFeed]
        self._schemas = _read_schemas(self._feeds) if copied is None else copied._schemas
        self._is_filled = False
        # Columns of streamed files that another source answers for; None: nothing is streamed.
        self._left_out: frozenset[str] | None = None if copied is None else copied._left_out
        if base is not None:
            self.take_over(base._sources.values())

    def again(self, listener: Listener | None = None) -> Catalog:
        """Return a catalog with the same feeds; see `Catalog.again`."""
        return FeedCatalog(base=self, listener=listener)

    def prepare(self, cache: str | Path | PreparedStore | None = None) -> Prepared:
        """Read the feeds, once; then as every catalog."""
        self._fill()
        return super().prepare(cache)

    @property
    def indicators(self) -> Indicators[Self]:
        """Indicators over the prices, which are read for them; see `Catalog.indicators`."""
        self._fill()
        return super().indicators

    def _fill(self) -> None:
        """Read feeds and providers into sources, once."""
        if self._is_filled:
            return
        providers = [provider for provider in self._providers if not self._has(provider)]
        _require_own_columns(providers)
        if self._feeds and "prices" not in self._sources:
            # Where a provider has a column as well, it is the one source of it.
            theirs = {name.lower() for provider in providers for name in provider.columns}
            self.register("prices", self._prices(frozenset(theirs - set(TAKEN_COLUMNS))))
        for provider in providers:
            taken = {name.lower() for name in self._sources}
            name, n = "features", 1
            while name in taken:
                n += 1
                name = f"features_{n}"
            self.register("features", provider.source, name=name)
        self._is_filled = True

    def _prices(self, left_out: frozenset[str]) -> object:
        """Return files as they are where a catalog can stream them, else a table of all rows."""
        feed, found = self._feeds[0], self._schemas[0]
        if len(self._feeds) == 1 and feed.is_streamable(found.columns) and not found.is_shaped:
            self._left_out = left_out
            return feed.given
        database = Database(threads=self._threads, memory_limit=self._memory_limit)
        return gather(self._feeds, left_out, database)

    def _view(self, source: Source, raw: Mapping[str, str]) -> tuple[Change, ...]:
        """Create a source's view; of files only over the columns that their feed takes."""
        if source.name == "prices" and self._left_out is not None:
            taken = {name.lower() for name in self._feeds[0].items(raw, self._left_out)}
            raw = {name: kind for name, kind in raw.items() if name.lower() in taken}
        return super()._view(source, raw)

    def _has(self, provider: PrecomputedFeatureProvider) -> bool:
        """Say whether a provider's rows are registered already, as what `_fill` makes of them."""
        features = [source for source in self._sources.values() if source.role == "features"]
        return any(_are_same(source.given, provider.source) for source in features)


def _read_schemas(feeds: Sequence[FeedRows]) -> list[AttachedFeed]:
    """Return the columns of each feed, and refuse a feed that lacks one; no rows are read."""
    if not feeds:
        return []
    database = Database(threads=1)
    database.execute(schema_of("raw"))
    schemas = [feed.attach(database, schema_only=True) for feed in feeds]
    for found in schemas:
        found.feed.items(found.columns)
    return schemas


def _are_same(one: object, other: object) -> bool:
    """Say whether two sources are one: the same path, or frames with the same rows."""
    if isinstance(one, (str, Path)) and isinstance(other, (str, Path)):
        return str(one) == str(other)
    if one is other or type(one) is not type(other):
        return one is other
    if hasattr(one, "column_names"):
        import polars as pl

        # To Arrow a NaN is not itself.
        one, other = pl.from_arrow(one), pl.from_arrow(other)
    equals = getattr(one, "equals", None)
    return callable(equals) and bool(equals(other))


def _require_own_columns(providers: Sequence[PrecomputedFeatureProvider]) -> None:
    owner: dict[str, PrecomputedFeatureProvider] = {}
    for provider in providers:
        for name in provider.columns:
            if owner.setdefault(name.lower(), provider) is not provider:
                raise ConfigError(
                    f"two feature providers have a column '{name}'; share one provider, or put "
                    "both frames into one"
                )
