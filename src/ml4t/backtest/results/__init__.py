"""What a run leaves behind: tables, metrics, a result to query."""

from typing import TYPE_CHECKING

from ml4t.backtest.lazy import names_of

if TYPE_CHECKING:
    from ml4t.backtest.results.result import BacktestResult

__all__ = ["BacktestResult"]

__getattr__, __dir__ = names_of(__name__, {"result": ("BacktestResult",)})
