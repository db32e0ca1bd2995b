"""The SQL side: sources, checks, as-of joins, ranking, batches."""

from ml4t.backtest.data.catalog import Catalog

__all__ = ["Catalog"]
