"""Settlement: sale proceeds of a cash account that cannot be spent yet."""

from __future__ import annotations

from collections import deque

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats, Ints
from ml4t.backtest.core.orders import Fills


class Settlement:
    """Proceeds by the session in which they settle.

    Parameters
    ----------
    delay : int
        Sessions after the sale's: 0 settles at once, 1 is T+1.
    sessions : int array
        Date of each bar, as days since 1970; a session is a date with a bar.
    multiplier : float array, by sid
    is_margined : bool array, by sid, or None
        Contracts, whose sales bring nothing.
    """

    def __init__(
        self, delay: int, sessions: Ints, multiplier: Floats, is_margined: Bools | None = None
    ) -> None:
        self._multiplier, self._is_margined = multiplier, is_margined
        self._delay = delay
        self._number = np.cumsum(np.diff(sessions, prepend=sessions[:1]) > 0) if delay else sessions
        self._pending: deque[tuple[int, float]] = deque()

    @property
    def is_late(self) -> bool:
        """Whether proceeds wait at all."""
        return self._delay > 0

    def sold(self, fills: Fills) -> None:
        """Note what sales brought in, net of what they are charged; buys are passed over."""
        if self._delay:
            assert isinstance(fills.t, int)
            value = -fills.quantity * fills.price * self._multiplier[fills.sids]
            if self._is_margined is not None:
                value = value * ~self._is_margined[fills.sids]
            # A sale that its charges eat up cost cash at once.
            proceeds = float(np.maximum(value - fills.charge, 0)[fills.quantity < 0].sum())
            if proceeds > 0:
                self._pending.append((int(self._number[fills.t]) + self._delay, proceeds))

    def unsettled(self, t: int) -> float:
        """Return what cannot be spent at bar `t`, account currency."""
        if not self._pending:
            return 0.0
        now = int(self._number[t])
        while self._pending and self._pending[0][0] <= now:
            self._pending.popleft()
        return sum(amount for _, amount in self._pending)
