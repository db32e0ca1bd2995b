"""Corporate actions: what splits, distributions, mergers and the like do to an account.

They come before anything else of a bar. Whatever holds a price or a quantity of the asset is
told: the portfolio first, then everyone in `followers`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from ml4t.backtest.core.batch import Batch, Floats, Ints
from ml4t.backtest.core.stretch import NEVER
from ml4t.backtest.core.terms import PAID, Action
from ml4t.backtest.core.tolerances import NO_FRACTION
from ml4t.backtest.portfolio.portfolio import Portfolio


class Follower(Protocol):
    """Holds prices or quantities of assets, and restates them."""

    def split(self, sid: int, ratio: float) -> None:
        """Restate after a split of `ratio` new shares per old one."""
        ...

    def go_ex(self, sid: int, value: float) -> None:
        """Take a dividend of `value` per share off prices that it lowers."""
        ...

    def rename(self, old_sid: int, new_sid: int, *, with_levels: bool = True) -> None:
        """Move what belongs to an asset to the one that it became.

        Without levels those of a position under the new name stand, the old one's are gone.
        """
        ...

    def delist(self, sid: int) -> None:
        """Forget an asset that trades no more."""
        ...


WITHHOLDING = "withholding"
Reinvest = Callable[[Batch, int, float], None]


class Owed(NamedTuple):
    """A payment that is owed: account currency at `rate`, what the asset's currency cost then."""

    sid: int
    kind: str
    amount: float
    rate: float


class CorporateActions:
    """Applies the actions of a run, bar by bar.

    Parameters
    ----------
    actions : sequence of Action
        Sorted by bar.
    portfolio : Portfolio
    followers : sequence of Follower
        Told after the portfolio: broker and risk.
    whole : callable
        ``whole(sids, quantity)`` cuts quantities toward zero to whole shares.
    dividends_move_levels : bool
        Whether the followers are told of dividends.
    delisting_return : float
        Where a delisting names no terms, ``last mark * (1 + delisting_return)`` is paid.
    reinvest : callable or None
        ``reinvest(batch, sid, amount)`` buys for a dividend at the close; None: it stays cash.
    """

    def __init__(
        self,
        actions: Sequence[Action],
        portfolio: Portfolio,
        followers: Sequence[Follower],
        *,
        whole: Callable[[Ints, Floats], Floats],
        dividends_move_levels: bool,
        delisting_return: float,
        reinvest: Reinvest | None,
    ) -> None:
        self._actions, self._next = actions, 0
        self._portfolio, self._followers = portfolio, followers
        self._whole, self._delisting_return = whole, delisting_return
        self._reinvest, self._moves_levels = reinvest, dividends_move_levels
        # What is no dividend.
        self._pays = {"return_of_capital": portfolio.return_capital, "cash": portfolio.carry}
        self._due: dict[int, list[Owed]] = {}
        self._paid: dict[int, float] = {}

    def apply(self, t: int) -> None:
        """Apply what counts from bar `t` on, then pay the dividends that are due."""
        while self._next < len(self._actions) and self._actions[self._next].t <= t:
            action = self._actions[self._next]
            self._next += 1
            if action.kind in PAID:
                self._go_ex(action)
            elif action.kind == "split":
                self._split(t, action.sid, action.value)
            elif action.kind == "spinoff":
                self._spin_off(t, action)
            elif action.kind == "rename":
                self._rename(t, action)
            elif action.kind == "merger":
                self._merge(t, action)
            else:
                assert action.kind == "delisting", action
                self._delist(t, action)
        for sid, kind, amount, rate in self._due.pop(t, ()):
            self._portfolio.receive_due(t, sid, kind, amount, rate)
            if kind in ("dividend", WITHHOLDING):
                self._paid[sid] = self._paid.get(sid, 0.0) + amount

    @property
    def next_t(self) -> int:
        """The next bar at which something counts or is paid; `NEVER`: there is none."""
        action = self._actions[self._next].t if self._next < len(self._actions) else NEVER
        return min(action, min(self._due, default=NEVER))

    def at_close(self, batch: Batch) -> None:
        """Reinvest the dividends paid at this bar."""
        if self._paid and self._reinvest is not None:
            for sid, amount in self._paid.items():
                self._reinvest(batch, sid, amount)
        self._paid = {}

    def _go_ex(self, action: Action) -> None:
        sid, kind, value = action.sid, action.kind, action.value
        amount = self._pays.get(kind, self._portfolio.entitle)(sid, value)
        rate = self._portfolio.rate_of(sid)
        due = [Owed(sid, kind, amount, rate)]
        if action.withholding and amount > 0:  # who is short pays all of it
            tax = self._portfolio.carry(sid, -value * action.withholding)
            due.append(Owed(sid, WITHHOLDING, tax, rate))
        if amount:
            self._due.setdefault(max(action.pay_t, action.t), []).extend(due)
        # A fee is nothing that the price follows.
        if self._moves_levels and value and kind != "cash":
            for follower in self._followers:
                follower.go_ex(sid, value)

    def _split(self, t: int, sid: int, ratio: float) -> None:
        self._portfolio.split(sid, ratio)
        for follower in self._followers:
            follower.split(sid, ratio)
        self._pay_fraction(t, sid)

    def _pay_fraction(self, t: int, sid: int) -> None:
        """Pay the part of a share that whole shares leave in cash."""
        portfolio = self._portfolio
        quantity = float(portfolio.quantity[sid])
        fraction = quantity - float(self._whole(np.array([sid]), np.array([quantity]))[0])
        if abs(fraction) > NO_FRACTION * abs(quantity):
            portfolio.close_out(t, sid, fraction, float(portfolio.mark[sid]), "cash in lieu")

    def _spin_off(self, t: int, action: Action) -> None:
        sid, portfolio = action.sid, self._portfolio
        value = float(portfolio.mark[sid]) * action.share
        portfolio.spin_off(t, action)
        for follower in self._followers if self._moves_levels and value > 0 else ():
            follower.go_ex(sid, value)
        self._pay_fraction(t, action.new_sid)

    def _merge(self, t: int, action: Action) -> None:
        """Close the part of each share that is paid in cash; the rest becomes the new asset."""
        sid, portfolio, part = action.sid, self._portfolio, action.share
        if part == 1:  # all of it, at terms: as when it is delisted
            self._delist(t, action._replace(value=action.cash), kind="merger")
            return
        if part:
            closed = float(portfolio.quantity[sid]) * part
            portfolio.close_out(t, sid, closed, action.cash / part, "merger")
        ratio = action.value / (1 - part)
        portfolio.split(sid, ratio)
        for follower in self._followers:
            follower.split(sid, ratio)
        self._rename(t, action)
        self._pay_fraction(t, action.new_sid)

    def _rename(self, t: int, action: Action) -> None:
        old, new = action.sid, action.new_sid
        with_levels = self._portfolio.rename(t, old, new)
        for follower in self._followers:
            follower.rename(old, new, with_levels=with_levels)
        self._due = {
            t: [one._replace(sid=new) if one.sid == old else one for one in due]
            for t, due in self._due.items()
        }

    def _delist(self, t: int, action: Action, kind: str = "delisting") -> None:
        sid, portfolio = action.sid, self._portfolio
        price = action.value
        if np.isnan(price):
            price = float(portfolio.mark[sid]) * (1 + self._delisting_return)
        for follower in self._followers:
            follower.delist(sid)
        portfolio.close_out(t, sid, float(portfolio.quantity[sid]), price, kind)
