"""The contract between a strategy and the engine."""

from ml4t.backtest.strategy.base import Strategy

__all__ = ["Strategy"]
