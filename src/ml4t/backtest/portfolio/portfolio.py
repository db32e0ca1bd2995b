"""Portfolio: the books of an account, and what moves them without a fill.

That is what an account pays and receives, and what corporate actions do to what it holds.
"""

from __future__ import annotations

import numpy as np

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.sids import NO_SIDS
from ml4t.backtest.core.terms import Action
from ml4t.backtest.portfolio.books import Books
from ml4t.backtest.portfolio.exchange import FX_REVALUATION


class Portfolio(Books):
    """What the account holds; see `Books` for its parameters and attributes."""

    def receive_due(self, t: int, sid: int, kind: str, amount: float, rate: float) -> None:
        """Receive what was owed to trades since its currency cost `rate`."""
        self.receive(t, sid, kind, amount, in_trades=True)
        gain = amount * (self.rate_of(sid) / rate - 1)
        if gain:
            self.receive(t, sid, FX_REVALUATION, gain)

    def charge_borrow(self, t: int, sids: Ints, fee: Floats) -> None:
        """Pay what borrowing short positions cost; `fee` in account currency, positive."""
        self._positions.has_carried = True
        self._positions.borrowed[sids] += fee / np.abs(self.quantity[sids])
        self._positions.paid[sids] += fee
        for sid, amount in zip(sids.tolist(), fee.tolist(), strict=True):
            self.receive(t, sid, "borrow", -amount, in_trades=True)

    def entitle(self, sid: int, value: float) -> float:
        """Entitle a position to a dividend per share; return its amount, negative where owed.

        It is part of the P&L of the open lots from now on, whenever it is paid, and of the mark no
        more: where nothing trades on the ex-date both would count it.
        """
        if not self.quantity[sid]:
            return 0.0
        self.has_dividends = True
        self._fall(sid, value)
        return self._positions.entitle(sid, value)

    def return_capital(self, sid: int, value: float) -> float:
        """Do the same by taking cash per share off what the lots have cost.

        What is more than that is gained, as a dividend is.
        """
        if not self.quantity[sid]:
            return 0.0
        self._fall(sid, value)
        self.has_dividends |= self._positions.return_capital(sid, value)
        return self._money(sid, value)

    def carry(self, sid: int, value: float) -> float:
        """Pay cash per share that the price does not follow, as fees, taxes and funding are.

        It is what holding the position costs, or brings; return its amount, negative where owed.
        """
        if not self.quantity[sid]:
            return 0.0
        amount = self._money(sid, value)
        self._positions.carry(sid, -amount)
        return amount

    def spin_off(self, t: int, action: Action) -> None:
        """Give shares of a new asset for those held, which take a part of value and cost along."""
        sid, new, share = action.sid, action.new_sid, action.share
        if not self.quantity[sid]:
            return
        value, was_flat = float(self.mark[sid]) * share, not self.quantity[new]
        lots = self._positions.lots_of(sid)
        self._positions.reprice(sid, 1 - share)
        self._fall(sid, value)
        for lot in lots:
            price = lot.price * share / action.value
            given = self._positions.closing(new, -lot.quantity * action.value, price)
            carried = given._replace(
                rate=lot.rate, revalued=lot.revalued * share / action.value, t=lot.t, fill=lot.fill
            )
            self._positions.fill_one(new, carried, "spinoff")
        is_held = bool(self.quantity[new])
        if was_flat:
            self.mark[new] = self.water_mark[new] = value / action.value
            self._positions.first_t[new] = t
        self._moved(
            np.array([new]) if was_flat and is_held else NO_SIDS,
            NO_SIDS if was_flat or is_held else np.array([new]),
        )

    def split(self, sid: int, ratio: float) -> None:
        """Turn each share into `ratio` shares; what the position is worth stays."""
        self._positions.split(sid, ratio)

    def rename(self, t: int, old: int, new: int) -> bool:
        """Move a position to the asset that the old one became; lots of both are one position.

        A long and a short of what is one asset now close each other at the new one's mark.

        Returns
        -------
        bool
            Whether its levels go with it: of two positions those of the older one stand.
        """
        if self.quantity[old] * self.quantity[new] < 0:
            self._net(t, old, new)
        if not self.quantity[old]:
            return False
        is_new = not self.quantity[new]
        if self._variation is not None:
            self._variation.move(old, new)
        with_levels = self._positions.rename(old, new)
        self._moved(np.array([new]) if is_new else NO_SIDS, np.array([old]))
        return with_levels

    def close_out(self, t: int, sid: int, quantity: float, price: float, kind: str) -> None:
        """Exchange shares for cash at `price` without an order or costs: a flow inside a trade.

        Parameters
        ----------
        quantity : float
            Signed like the position, at most all of it.
        """
        if quantity:
            closing = self._positions.closing(sid, quantity, price)
            self._positions.fill_one(sid, closing._replace(t=t), kind)
            amount = quantity * price * float(self.multiplier[sid])
            if self._variation is not None and self._variation.is_margined[sid]:
                self.cash += amount  # no flow of its own: the close settles it
                self._variation.note(np.array([sid]), np.array([-amount]))
            else:
                self.receive(t, sid, kind, amount, in_trades=True)
            self._moved(NO_SIDS, np.array([sid]))

    def _net(self, t: int, old: int, new: int) -> None:
        """Close a long and a short against each other, as far as the smaller goes."""
        size = min(abs(float(self.quantity[old])), abs(float(self.quantity[new])))
        price = float(self.mark[new])
        for sid in (old, new):
            side = 1.0 if self.quantity[sid] > 0 else -1.0
            self.close_out(t, sid, side * size, price, "rename")

    # -- inside -----------------------------------------------------------------------

    def _fall(self, sid: int, value: float) -> None:
        """Take what goes ex off the mark, and off the water mark where levels follow."""
        self.mark[sid] = max(self.mark[sid] - value, 0.0)
        if self._moves_levels:
            self.water_mark[sid] -= value

    def _money(self, sid: int, value: float) -> float:
        """Return what an amount per share is of a position, account currency."""
        return float(self.quantity[sid]) * value * float(self.multiplier[sid])
