"""Funding: what longs of perpetual contracts pay shorts, or get from them, at its times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml4t.backtest.core.terms import Funding
from ml4t.backtest.portfolio.portfolio import Portfolio

FUNDING = "funding"


class FundingPayments:
    """Pays ``-quantity * multiplier * rate * mark`` (or ``cash`` for ``rate * mark``).

    What is due at the time of a bar is paid at its close on what is held then, at that close; what
    is due between two bars before the second, on what was held at the close of the first and at
    that close. A payment that says a mark of its own is at that one.

    Parameters
    ----------
    payments : sequence of Funding
        In the order of their times.
    portfolio : Portfolio
    """

    def __init__(self, payments: Sequence[Funding], portfolio: Portfolio) -> None:
        self._portfolio = portfolio
        self._due: dict[tuple[int, bool], list[Funding]] = {}
        for one in payments:
            self._due.setdefault((one.t, one.at_close), []).append(one)

    def before_open(self, t: int) -> None:
        """Pay what was due since the bar before."""
        self._pay(t, at_close=False)

    def at_close(self, t: int) -> None:
        """Pay what is due at the time of this bar, once it is marked."""
        self._pay(t, at_close=True)

    def _pay(self, t: int, *, at_close: bool) -> None:
        portfolio = self._portfolio
        for one in self._due.get((t, at_close), ()):
            if not portfolio.quantity[one.sid]:
                continue
            mark = portfolio.mark.item(one.sid) if np.isnan(one.mark) else one.mark
            per_unit = one.rate * mark if np.isnan(one.cash) else one.cash
            amount = portfolio.carry(one.sid, -per_unit)
            portfolio.receive(t, one.sid, FUNDING, amount, in_trades=True)
