"""Strategy: what to rank, and what to do with the ranked batch."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ml4t.backtest.core.batch import Batch
from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.execution.broker import SimulationBroker


class Strategy(ABC):
    """Base of all strategies: a ranking done in SQL, and a decision per batch."""

    def __repr__(self) -> str:
        """Show the strategy by its values, so that equal ones give runs of equal identity."""
        values = ", ".join(f"{name}={value!r}" for name, value in sorted(vars(self).items()))
        return f"{type(self).__name__}({values})"

    @abstractmethod
    def ranking(self) -> Ranking:
        """Return what to rank; evaluated in SQL over the whole period, once."""

    @abstractmethod
    def decide(self, batch: Batch, broker: SimulationBroker) -> None:
        """Send orders at the close of a bar; they wait for the next open."""
