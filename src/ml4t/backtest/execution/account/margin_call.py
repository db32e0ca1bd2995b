"""Margin calls: what happens when equity does not cover the maintenance margin at a close."""

from __future__ import annotations

from typing import Protocol

from ml4t.backtest.core.batch import Batch, Floats
from ml4t.backtest.core.journal import Decision, Journal
from ml4t.backtest.core.stretch import Stretch, quiet_before, total
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.execution.account.rules import (
    INITIAL_OF,
    MAINTENANCE_OF,
    Account,
    MarginAccount,
    margin_of,
)
from ml4t.backtest.portfolio.portfolio import Portfolio

MARGIN_CALL = "margin_call"


class Liquidator(Protocol):
    """What a margin call asks of the broker."""

    def scale_down(self, rule: str, factor: float) -> None:
        """Reduce every position to `factor` of what it is, at the next open."""
        ...


class MarginWatch:
    """Checks the maintenance margin at every close, and orders the liquidation.

    Every position is reduced at the next open by one and the same fraction, so that equity
    is back at the initial margin at the marks of the call; without any equity all of it goes.
    """

    def __init__(
        self,
        account: Account,
        portfolio: Portfolio,
        broker: Liquidator,
        terms: Instruments,
        journal: Journal,
    ) -> None:
        self._account = account if isinstance(account, MarginAccount) else None
        self._portfolio, self._broker, self._journal = portfolio, broker, journal
        self._terms = terms

    @property
    def watches(self) -> bool:
        """Whether there may be a margin call."""
        return self._account is not None

    def quiet_bars(self, stretch: Stretch) -> int:
        """Return how many bars pass before the first margin call."""
        if self._account is None or not len(stretch.held):
            return stretch.n_bars
        equity, required = self._covered(stretch.value)
        return quiet_before(~(equity >= required))

    def at_close(self, batch: Batch) -> None:
        """Call for margin where equity is below what the positions need."""
        account, portfolio, terms = self._account, self._portfolio, self._terms
        if account is None or not len(portfolio.held):
            return
        values = portfolio.value_at(portfolio.mark)
        equity, required = map(float, self._covered(values))
        if equity >= required:
            return
        held = portfolio.held
        fraction = account.initial(held, values, terms)
        initial = float(
            total(margin_of(held, portfolio.quantity[held], values, fraction, INITIAL_OF, terms))
        )
        factor = max(equity, 0.0) / initial
        self._broker.scale_down(MARGIN_CALL, factor)
        for sid in portfolio.held.tolist():
            self._journal.record(
                Decision(
                    t=batch.t,
                    sid=sid,
                    rule=MARGIN_CALL,
                    action="liquidate",
                    level=factor,
                    reason="equity below the maintenance margin",
                    features={"equity": equity, "required": required},
                )
            )

    def _covered(self, values: Floats) -> tuple[Floats, Floats]:
        """Return equity and the maintenance margin that positions of these values need."""
        assert self._account is not None
        held, terms = self._portfolio.held, self._terms
        quantity = self._portfolio.quantity[held]
        rate = self._account.maintenance(held, quantity, terms)
        needed = margin_of(held, quantity, values, rate, MAINTENANCE_OF, terms)
        return self._portfolio.cash + total(values), total(needed)
