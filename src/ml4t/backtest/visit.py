"""Visit: what happens at a bar that the loop sees, part by part in ledger order."""

from __future__ import annotations

from ml4t.backtest.core.batch import Batch
from ml4t.backtest.core.journal import Journal, Selected
from ml4t.backtest.session import Session
from ml4t.backtest.strategy.run import StrategyRun


class Visit:
    """The parts of a bar: its open, then all that trades up to its close, then what is decided.

    Parameters
    ----------
    session : Session
    strategy : StrategyRun
    journal : Journal
        Told of what was selected.

    Attributes
    ----------
    also_seen : frozenset of int
        Bars that are visited whole, whatever happens at them.
    """

    also_seen: frozenset[int] = frozenset()

    def __init__(self, session: Session, strategy: StrategyRun, journal: Journal) -> None:
        self.session, self.strategy = session, strategy
        self._journal = journal

    def open(self, batch: Batch) -> None:
        """Begin a bar, up to its open and with it."""
        session = self.session
        session.t = batch.t
        # Before the open: what time has cost, then splits, dividends and the like.
        session.accruals.charge(batch.t)
        session.expiries.before_open(batch.t)
        session.funding.before_open(batch.t)
        session.actions.apply(batch.t)
        # Levels, where they act before the orders of the open.
        for touched in session.broker.start_bar(batch):
            session.rules.report(batch.t, touched)
        # Open: what was decided at the last close fills.
        session.broker.fill_open(batch)

    def trade(self, batch: Batch) -> None:
        """Have levels and orders meet the rest of a bar, and protect what is held at its close."""
        session = self.session
        # Inside the bar: levels and orders that rest.
        for touched in session.broker.fill_inside(batch):
            session.rules.report(batch.t, touched)
        # Close: the rates that are known with it, what trades at it, then mark.
        session.portfolio.exchange_at(batch.t)
        session.broker.fill_close(batch)
        session.actions.at_close(batch)
        session.portfolio.mark_to_close(batch)
        session.funding.at_close(batch.t)
        session.expiries.at_close(batch.t)
        # Protect with what is known now.
        session.protect(batch)

    def decide(self, batch: Batch) -> None:
        """Have the strategy decide with what is known at a close."""
        if batch.selection is not None:
            self._journal.record(Selected(t=batch.t, selection=batch.selection))
        self.strategy.decide(batch)
        self.session.rolls.decide(batch.t)

    def settle(self, batch: Batch) -> None:
        """End a bar, and record the account at its close."""
        self.session.settle(batch)
