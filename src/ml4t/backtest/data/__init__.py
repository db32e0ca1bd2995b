"""The SQL side: sources, checks, as-of joins, ranking, batches; feeds and feature providers."""

from typing import TYPE_CHECKING

from ml4t.backtest.lazy import names_of

if TYPE_CHECKING:
    from ml4t.backtest.data.catalog import Catalog
    from ml4t.backtest.data.feeds.feed import (
        DataFeed,
        HistoricalDataFeed,
        ParquetDataFeed,
        PolarsDataFeed,
    )
    from ml4t.backtest.data.futures import continuous_prices, roll_schedule

__all__ = [
    "Catalog",
    "DataFeed",
    "HistoricalDataFeed",
    "ParquetDataFeed",
    "PolarsDataFeed",
    "continuous_prices",
    "roll_schedule",
]

__getattr__, __dir__ = names_of(
    __name__,
    {
        "catalog": ("Catalog",),
        "futures": ("continuous_prices", "roll_schedule"),
        "feeds.feed": ("DataFeed", "HistoricalDataFeed", "ParquetDataFeed", "PolarsDataFeed"),
    },
)
