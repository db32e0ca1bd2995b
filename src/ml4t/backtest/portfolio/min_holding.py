"""MinHolding: what of a position may be sold, where a market holds back what was bought lately."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats, Ints
from ml4t.backtest.core.tolerances import DUST
from ml4t.backtest.portfolio.portfolio import Portfolio


class MinHolding:
    """Sessions for which what was bought cannot be sold, lot by lot, the oldest first.

    A sale that would also turn the position over is one of what is held first. Purchases that
    cover a short, and short sales, are free.

    Parameters
    ----------
    portfolio : Portfolio
        Its lots know when they were bought; splits and renames leave that.
    n_sessions : float array, by sid
        0: free at once; 1: not before the next session (T+1).
    sessions : int array
        Date of each bar, as days since 1970; a session is a date with a bar.

    Attributes
    ----------
    is_on : bool
        Whether any asset is held back at all.
    """

    def __init__(self, portfolio: Portfolio, n_sessions: Floats, sessions: Ints) -> None:
        self._portfolio, self._n_sessions = portfolio, n_sessions
        self.is_on = bool((n_sessions > 0).any())
        if self.is_on:
            starts = np.diff(sessions, prepend=sessions[:1] - 1) > 0
            self._number, self._first_t = np.cumsum(starts) - 1, np.flatnonzero(starts)

    def free(self, t: int, sid: int) -> float:
        """Return the shares of a long position that may be sold at bar `t`, inf: all, and more."""
        # The first session whose purchases are held back at bar `t`.
        number = self._number.item(t) - int(self._n_sessions[sid]) + 1
        since = self._first_t.item(max(number, 0))
        free, live = self._portfolio.held_before(sid, since), self._portfolio.quantity.item(sid)
        return free if free < live * (1 - DUST) else np.inf

    def cut(
        self, t: int, sids: Ints, quantity: Floats, whole: Callable[[Ints, Floats], Floats]
    ) -> Floats:
        """Return orders cut to what may be sold at bar `t`; the very array where all of it may.

        Parameters
        ----------
        whole : callable
            Cuts quantities by asset to whole lots: a part is sold in those.
        """
        cut = quantity
        for i in np.flatnonzero(self._sells(sids, quantity)).tolist():
            free = self.free(t, int(sids[i]))
            if free < -quantity[i] * (1 - DUST):
                cut = cut.copy() if cut is quantity else cut
                cut[i] = whole(sids[[i]], np.array([-free]))[0]
        return cut

    def _sells(self, sids: Ints, quantity: Floats) -> Bools:
        """Say which orders sell of what is held of assets that are held back."""
        sells: Bools = (quantity < 0) & (self._portfolio.quantity[sids] > 0)
        return sells & (self._n_sessions[sids] > 0)
