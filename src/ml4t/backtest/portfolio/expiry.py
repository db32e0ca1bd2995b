"""Expiry: contracts are settled in cash at the close of their last session."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ml4t.backtest.core.batch import Ints
from ml4t.backtest.core.journal import Expired, Journal
from ml4t.backtest.core.terms import EXPIRY, Instruments
from ml4t.backtest.portfolio.portfolio import Portfolio

Forget = Callable[[int], None]


class Expiries:
    """Settles what is held of a contract when its last session is over.

    That is at the close of the last bar of the session of its expiry. Where that date has no bar
    it is before anything else at the first bar after it, at the last mark.

    Parameters
    ----------
    terms : Instruments
    sessions : int array
        Date of each bar, as days since 1970.
    portfolio : Portfolio
    forget : sequence of callable
        Told of each contract that has expired: who holds orders, levels or what rules said of it.
    journal : Journal
        Told of what was held.
    """

    def __init__(
        self,
        terms: Instruments,
        sessions: Ints,
        portfolio: Portfolio,
        forget: Sequence[Forget],
        journal: Journal,
    ) -> None:
        self._portfolio, self._forget, self._journal = portfolio, forget, journal
        self._prices = terms.final_settlement
        self._at_close: dict[int, list[int]] = {}
        self._after: dict[int, list[int]] = {}
        if terms.expiry is None:
            return
        for sid in (~np.isnan(terms.expiry)).nonzero()[0].tolist():
            day = int(terms.expiry[sid])
            over = int(np.searchsorted(sessions, day, "right"))
            if over and sessions[over - 1] == day:
                self._at_close.setdefault(over - 1, []).append(sid)
            elif over < len(sessions):
                self._after.setdefault(over, []).append(sid)

    def before_open(self, t: int) -> None:
        """Settle what expired on a date without a bar."""
        self._settle(t, self._after.get(t, ()))

    def at_close(self, t: int) -> None:
        """Settle what expires with this bar, once it is marked."""
        self._settle(t, self._at_close.get(t, ()))

    def _settle(self, t: int, sids: Sequence[int]) -> None:
        portfolio = self._portfolio
        for sid in sids:
            for forget in self._forget:
                forget(sid)
            price = float("nan") if self._prices is None else float(self._prices[sid])
            if np.isnan(price):
                price = float(portfolio.mark[sid])
            if portfolio.quantity[sid]:
                self._journal.record(Expired(t=t, sids=(sid,)))
            portfolio.close_out(t, sid, float(portfolio.quantity[sid]), price, EXPIRY)
