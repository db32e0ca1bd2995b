"""Given: the sources of a run from what an engine is given, which mostly is a catalog."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from ml4t.backtest.data.catalog import Catalog

if TYPE_CHECKING:
    from ml4t.backtest.data.feature_provider import CallableFeatureProvider
    from ml4t.backtest.data.feeds.feed import Feeds


def sources_of(
    data_feed: Feeds,
    feature_provider: object = None,
    context: Mapping[datetime, Mapping[str, object]] | None = None,
) -> tuple[Catalog, CallableFeatureProvider | None]:
    """Return the catalog of a run, and the provider that computes values while it goes on.

    Raises
    ------
    ConfigError, DataError
        See `as_catalog`, `computing_provider` and `context_columns`.
    """
    if isinstance(data_feed, Catalog) and feature_provider is None:
        catalog, computing = data_feed, None
    else:
        from ml4t.backtest.data.feeds.feed import as_catalog, computing_provider

        catalog = as_catalog(data_feed, feature_provider)
        computing = computing_provider(data_feed, feature_provider)
    if context is not None:
        from ml4t.backtest.data.feeds.context import context_columns

        catalog = catalog.with_context(context_columns(context))
    return catalog, computing
