"""Variation margin: what contracts gain and lose goes through cash at every close."""

from __future__ import annotations

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats, Ints
from ml4t.backtest.core.journal import CashFlow, Journal

VARIATION_MARGIN = "variation_margin"


class VariationMargin:
    """The daily settlement of contracts: their notional is neither paid nor received.

    At each close, of each contract that is held or traded since the last one:
    ``amount = value now - value at the last close - value of the fills since``, where a value is
    ``quantity * price * multiplier``. Added up it is the P&L of the contract before costs.

    Parameters
    ----------
    is_margined : bool array, by sid
        Assets that are contracts.
    """

    def __init__(self, is_margined: Bools) -> None:
        self.is_margined = is_margined
        self._settled: Floats = np.zeros(len(is_margined))  # values at the last close
        self._filled: Floats = np.zeros(len(is_margined))  # values of the fills since
        self._traded = set[int]()

    @property
    def carried(self) -> float:
        """What contracts are worth that nobody has paid: at the last close, and as they filled."""
        return float((self._settled + self._filled).sum())

    def note(self, sids: Ints, value: Floats) -> None:
        """Take note of fills, of what each is worth: bought above 0."""
        (at,) = self.is_margined[sids].nonzero()
        if len(at):
            np.add.at(self._filled, sids[at], value[at])
            self._traded.update(sids[at].tolist())

    def move(self, old: int, new: int) -> None:
        """Let one asset stand for another: a position went from one to the other."""
        for values in (self._settled, self._filled):
            values[new] += values[old]
            values[old] = 0.0
        self._traded.add(new)

    def pay(self, t: int, held: Ints, value: Floats, journal: Journal) -> list[tuple[int, float]]:
        """Settle at a close; return what was paid of which contract.

        Parameters
        ----------
        held : int array
            Assets with a position, ascending.
        value : float array
            Of each at the mark, account currency.
        """
        paid: list[tuple[int, float]] = []
        of_held = self.is_margined[held]
        now = dict(zip(held[of_held].tolist(), value[of_held].tolist(), strict=True))
        for sid in sorted({*now, *self._traded}):
            worth = now.get(sid, 0.0)
            amount = worth - self._settled.item(sid) - self._filled.item(sid)
            self._settled[sid], self._filled[sid] = worth, 0.0
            paid.append((sid, amount))
            # One of nothing too: the flows say which assets are settled daily.
            journal.record(
                CashFlow(t=t, sid=sid, kind=VARIATION_MARGIN, amount=amount, in_trades=True)
            )
        self._traded.clear()
        return paid
