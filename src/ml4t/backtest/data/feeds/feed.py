"""Feeds: thin ways to fill a catalog, one per asset or one for all.

`as_catalog` turns a feed, a list or a dict of feeds into a catalog, and `computing_provider` says
which of their providers computes its values during a run. A feed can also be walked by hand:
``for event in feed``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from pathlib import Path

from ml4t.backtest.core.event import MarketEvent
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.feature_provider import (
    CallableFeatureProvider,
    FeatureProvider,
    PrecomputedFeatureProvider,
)
from ml4t.backtest.data.feeds.catalog import FeedCatalog
from ml4t.backtest.data.feeds.events import events_of
from ml4t.backtest.data.feeds.rows import AssetId, FeedRows
from ml4t.backtest.data.sources.dates import require_date_format
from ml4t.backtest.data.sources.naming import require_mapping
from ml4t.backtest.data.sources.roles.prices import PRICES_ROLE
from ml4t.backtest.data.sources.shapes.said import fields_of
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.errors import ConfigError, DataError, require_columns


class DataFeed:
    """Bars of one asset, or of several, with signals beside them.

    Columns are found as `Catalog.register` finds them: by our name, by a usual one such as
    ``Date`` or ``ticker``, or as `columns` says. The time may be the DatetimeIndex of a pandas
    frame, the asset an argument. A frame that names no asset, with one row a time, is of the one
    asset ``"asset"``.

    Parameters
    ----------
    data
        A path, or data of any kind and shape that a catalog registers.
    asset_id : str or int, optional
        The feed's one asset. Of a frame with a column ``asset_id`` it takes that asset's rows.
    signal_columns : sequence of str, optional
        Columns beyond keys, open, high, low, close and volume that are taken; all when None.
    signals : sequence of str, optional
        The same, as earlier versions spelled it.
    feature_provider : FeatureProvider, optional
        Its values stand beside the bars. Where `data` has a column of the same name, the
        provider's is taken, unless `signal_columns` names it too, which is an error.
    columns : mapping of str to str, optional
        Columns that have other names than ours, ours first: ``{"close": "Last"}``.
    date_format, field, timestamps, asset_ids
        How dates are written that are text, and what values and axes of a wide frame or of arrays
        are, as `Catalog.register` takes them.

    Raises
    ------
    ConfigError
        An argument is outside what it may be. Columns are looked at by `as_catalog`, rows by a
        run.
    """

    def __init__(
        self,
        data: object,
        *,
        asset_id: AssetId | None = None,
        signal_columns: Sequence[str] | None = None,
        signals: Sequence[str] | None = None,
        feature_provider: FeatureProvider | None = None,
        columns: Mapping[str, str] | None = None,
        date_format: str | None = None,
        field: str | Sequence[str] | None = None,
        timestamps: object = None,
        asset_ids: object = None,
    ) -> None:
        require_date_format(date_format)
        if data is None:
            raise ConfigError(f"data of {type(self).__name__} must be a frame or a path, was None")
        if signal_columns is not None and signals is not None:
            raise ConfigError("signals is another word for signal_columns; pass one of them")
        if asset_id is not None:
            asset_id = _asset("asset_id", asset_id)
        if feature_provider is not None:
            _require_provider(feature_provider)
        if hasattr(data, "read_all"):  # an Arrow reader can be read once, a feed often
            data = data.read_all()
        named = signals if signal_columns is None else signal_columns
        self.feature_provider = feature_provider
        self.rows = FeedRows(
            given=data, asset_id=asset_id, signal_columns=_names(named),
            columns=require_mapping(PRICES_ROLE, columns), date_format=date_format,
            fields=fields_of(field), timestamps=timestamps, asset_ids=asset_ids,
        )  # fmt: skip

    def __iter__(self) -> Iterator[MarketEvent]:
        """Yield every bar as an event, in time order and then by asset, for a loop by hand."""
        return events_of(as_catalog(self), computing_provider(self))

    def __repr__(self) -> str:
        asset = "" if self.rows.asset_id is None else f", asset_id={self.rows.asset_id!r}"
        given = self.rows.given
        shown = repr(given) if isinstance(given, (str, Path)) else type(given).__name__
        return f"{type(self).__name__}({shown}{asset})"


class ParquetDataFeed(DataFeed):
    """Bars from Parquet: a path, a glob, a folder, a list of paths or a URL.

    Files of many assets, with columns ``timestamp`` and ``asset_id``, are streamed; of others
    the rows are read once, at the start of a run.

    Parameters
    ----------
    path : str, Path or list of them
    asset_id, signal_columns, signals, feature_provider, columns, date_format, field
        See `DataFeed`.
    """

    def __init__(
        self,
        path: str | Path | Sequence[str | Path],
        *,
        asset_id: AssetId | None = None,
        signal_columns: Sequence[str] | None = None,
        signals: Sequence[str] | None = None,
        feature_provider: FeatureProvider | None = None,
        columns: Mapping[str, str] | None = None,
        date_format: str | None = None,
        field: str | Sequence[str] | None = None,
    ) -> None:
        if not Source(role="prices", name="prices", given=path).is_files:
            raise ConfigError(f"path must be a path to Parquet or a list of paths, was {path!r}")
        super().__init__(
            path, asset_id=asset_id, signal_columns=signal_columns, signals=signals,
            feature_provider=feature_provider, columns=columns, date_format=date_format,
            field=field,
        )  # fmt: skip


class PolarsDataFeed(DataFeed):
    """Bars from a Polars frame or from Parquet; nothing is read or collected before a run.

    Parameters
    ----------
    price_path : str, Path, polars.DataFrame or polars.LazyFrame
    asset_id, signal_columns, signals, feature_provider, columns, date_format, field
        See `DataFeed`.
    """

    def __init__(
        self,
        price_path: object,
        *,
        asset_id: AssetId | None = None,
        signal_columns: Sequence[str] | None = None,
        signals: Sequence[str] | None = None,
        feature_provider: FeatureProvider | None = None,
        columns: Mapping[str, str] | None = None,
        date_format: str | None = None,
        field: str | Sequence[str] | None = None,
    ) -> None:
        if isinstance(price_path, str) and not price_path.strip():
            raise ConfigError(f"data of PolarsDataFeed must be a path, was {price_path!r}")
        if isinstance(price_path, str):
            price_path = Path(price_path)  # a path is a path, and never read as SQL
        super().__init__(
            price_path, asset_id=asset_id, signal_columns=signal_columns, signals=signals,
            feature_provider=feature_provider, columns=columns, date_format=date_format,
            field=field,
        )  # fmt: skip


class HistoricalDataFeed(DataFeed):
    """Bars from a pandas frame, or a frame of another kind.

    Parameters
    ----------
    data : pandas.DataFrame
        It is read at the start of a run; changes before that are seen.
    asset_id, signal_columns, signals, feature_provider, columns, date_format, field
        See `DataFeed`, as all else.
    """


Feeds = Catalog | DataFeed | Sequence[DataFeed] | Mapping[AssetId, DataFeed]
Given = tuple[FeedRows, FeatureProvider | None]


def as_catalog(data_feed: Feeds, feature_provider: object = None) -> Catalog:
    """Return the catalog that feeds fill; a catalog is returned as it is.

    Only schemas are read now; rows are read when a query or a run first needs them.

    Parameters
    ----------
    data_feed : Catalog, DataFeed, sequence of DataFeed, or mapping of asset_id to DataFeed
        Several feeds are a universe. A key is the asset of its feed.
    feature_provider : FeatureProvider, optional
        One that rules use. A `PrecomputedFeatureProvider` that neither a feed nor the catalog
        has is registered as ``features`` beside the rest (in a copy of the catalog).

    Returns
    -------
    Catalog

    Raises
    ------
    ConfigError
        `data_feed` is none of these, or holds none, or a feed contradicts its key.
    DataError
        Two feeds have one asset, or a feed lacks a column.
    """
    given = _given(data_feed)
    precomputed = [
        provider
        for provider in _providers(given, feature_provider)
        if isinstance(provider, PrecomputedFeatureProvider)
    ]
    if isinstance(data_feed, Catalog):
        return FeedCatalog((), precomputed, data_feed) if precomputed else data_feed
    return FeedCatalog([rows for rows, _ in given], precomputed)


def computing_provider(
    data_feed: Feeds, feature_provider: object = None
) -> CallableFeatureProvider | None:
    """Return the provider that computes its values during a run; None where none does.

    A provider of the user's own class is wrapped, so that its values too are computed once.

    Raises
    ------
    ConfigError
        Two different providers compute.
    """
    found = [
        provider
        for provider in _providers(_given(data_feed), feature_provider)
        if not isinstance(provider, PrecomputedFeatureProvider)
    ]
    if len(found) > 1:
        raise ConfigError("two feature providers compute values; share one between feeds and rules")
    for provider in found:
        if isinstance(provider, CallableFeatureProvider):
            return provider
        return CallableFeatureProvider(provider.get_features, provider.get_market_features)
    return None


def _given(data_feed: Feeds) -> list[Given]:
    """Return the rows of each feed under a name, and its provider; none for a catalog."""
    if isinstance(data_feed, Catalog):
        return []
    if isinstance(data_feed, DataFeed):
        return [(data_feed.rows, data_feed.feature_provider)]
    if not isinstance(data_feed, (Mapping, list, tuple)):
        raise ConfigError(
            "data_feed must be a Catalog, a feed, or a list or dict of feeds, was "
            f"{type(data_feed).__name__}; wrap a frame in PolarsDataFeed or HistoricalDataFeed, "
            "a path in ParquetDataFeed"
        )
    keyed = data_feed.items() if isinstance(data_feed, Mapping) else enumerate(data_feed)
    given: list[Given] = []
    for key, feed in keyed:
        if not isinstance(feed, DataFeed):
            raise ConfigError(
                f"data_feed[{key!r}] must be a feed, was {type(feed).__name__}; wrap it in "
                "PolarsDataFeed or HistoricalDataFeed"
            )
        rows = feed.rows
        if isinstance(data_feed, Mapping):
            asset_id = _asset("a key of data_feed", key)
            if rows.asset_id is not None and str(rows.asset_id) != str(asset_id):
                raise ConfigError(f"data_feed[{key!r}] is a feed of asset {rows.asset_id!r}")
            rows = replace(rows, asset_id=asset_id)
        number = f"feed {len(given) + 1}"
        of = number if rows.asset_id is None else str(rows.asset_id)
        given.append((replace(rows, name=f"prices of {of}"), feed.feature_provider))
    if not given:
        raise ConfigError(f"data_feed must hold at least one feed, was {data_feed!r}")
    _require_own_assets([rows for rows, _ in given])
    return given


def _providers(given: Sequence[Given], feature_provider: object) -> list[FeatureProvider]:
    """Return each provider once, in the order in which they are named."""
    named = [*(provider for _, provider in given), feature_provider]
    found: dict[int, FeatureProvider] = {}
    for provider in named:
        if provider is not None:
            found.setdefault(id(provider), _require_provider(provider))
    return list(found.values())


def _require_own_assets(feeds: Sequence[FeedRows]) -> None:
    seen = set()
    for rows in feeds:
        if rows.asset_id is not None and str(rows.asset_id) in seen:
            raise DataError(
                "prices", "duplicate_keys", f"has two feeds of asset {rows.asset_id!r}; keep one, "
                "or put their rows into one frame",
            )  # fmt: skip
        seen.add(str(rows.asset_id))


def _require_provider(provider: object) -> FeatureProvider:
    """Return a provider; an object that has its methods is as good as one."""
    if isinstance(provider, FeatureProvider):
        return provider
    get_features = getattr(provider, "get_features", None)
    if not callable(get_features):
        raise ConfigError(f"feature_provider must be a FeatureProvider, was {provider!r}")
    return CallableFeatureProvider(get_features, getattr(provider, "get_market_features", None))


def _asset(label: str, asset_id: object) -> AssetId:
    """Return an asset's name, or its number, which may be of numpy's kinds."""
    if isinstance(asset_id, str) and asset_id:
        return asset_id
    if isinstance(asset_id, Integral) and not isinstance(asset_id, bool):
        return int(asset_id)
    raise ConfigError(f"{label} must be an asset's name or number, was {asset_id!r}")


def _names(columns: Sequence[str] | None) -> tuple[str, ...] | None:
    if columns is None:
        return None
    return require_columns("signal_columns", columns)
