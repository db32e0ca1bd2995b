"""Ready-made strategies."""

from ml4t.backtest.strategies.top_n import TopN

__all__ = ["TopN"]
