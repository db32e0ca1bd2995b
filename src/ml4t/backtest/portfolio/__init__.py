"""Positions, FIFO lots and cash."""

from ml4t.backtest.portfolio.portfolio import Portfolio

__all__ = ["Portfolio"]
