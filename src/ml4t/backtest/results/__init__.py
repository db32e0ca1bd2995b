"""What a run leaves behind: tables, metrics, a result to query."""

from ml4t.backtest.results.result import BacktestResult

__all__ = ["BacktestResult"]
