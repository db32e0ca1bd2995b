"""Strategy: what to rank, and what to do with the ranked batch."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ml4t.backtest.core.batch import Batch
from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.execution.broker import SimulationBroker


class Strategy(ABC):
    """Base of all strategies: a ranking done in SQL, and a decision per batch."""

    @abstractmethod
    def ranking(self) -> Ranking:
        """Return what to rank; evaluated in SQL over the whole period, once."""

    @abstractmethod
    def decide(self, batch: Batch, broker: SimulationBroker) -> None:
        """Send orders at the close of a bar; they wait for the next open."""
