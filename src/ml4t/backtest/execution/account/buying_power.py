"""Fitting: how far increases of one bar go in the account, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Batch, Floats, Ints
from ml4t.backtest.core.tolerances import CASH_KEPT, LEAST_SHARE, USED_UP
from ml4t.backtest.execution.account.rules import Account, Increase, Shortfall, closing_part
from ml4t.backtest.execution.executor import Executor
from ml4t.backtest.execution.pricing import Priced

# Cuts in proportion; and steps in which the share between two others must have been found.
FEW_STEPS, MOST_STEPS = 4, 60
EACH = slice(None)


class Fitted(NamedTuple):
    """What an account can carry of some orders.

    Attributes
    ----------
    quantity : float array
        The very array that was asked for, where all of it.
    priced : Priced or None
        What they pay, where it is known by now.
    """

    quantity: Floats
    priced: Priced | None = None


def fit(
    account: Account,
    executor: Executor,
    batch: Batch,
    prices: Floats,
    sids: Ints,
    quantity: Floats,
    unsettled: float,
    *,
    limit: float | None = None,
    shortfall: Shortfall | None = None,
    one_by_one: bool = False,
    priced: Priced | None = None,
) -> Fitted:
    """Return the quantities that the account can carry, 0 where nothing of an order fits.

    Parameters
    ----------
    prices : float array, by sid
        At which positions are valued and the orders fill, before costs.
    sids, quantity
        Increases, in the order in which they are served. What closes a position on the other side
        sets margin free.
    unsettled : float
        Sale proceeds that cannot be spent yet; below 0: that are not booked, and can be.
    limit : float, optional
        Price past which a single order does not fill.
    shortfall : Shortfall, optional
        The account's own by default.
    one_by_one : bool
        What is scaled fills one after the other, several of one asset among them: the account
        must carry what is held after each of them, not what is left at the end alone.
    priced : Priced, optional
        What the orders pay, where somebody has asked before.
    """
    shortfall = account.shortfall if shortfall is None else shortfall
    if shortfall is Shortfall.NONE:
        return Fitted(quantity)
    # An asset that trades now is worth the price at which it does, whatever was paid before; one
    # of which the bar's volume has left nothing does not trade.
    bought = executor.bought
    if bought:
        trading = sids[quantity != 0]
        bought = {sid: lots for sid, lots in bought.items() if sid not in trading}
    room = account.room(executor.portfolio, prices, executor.terms, unsettled, bought)
    asked = _Asked(
        account=account,
        executor=executor,
        batch=batch,
        prices=prices,
        sids=sids,
        quantity=quantity,
        live=executor.portfolio.quantity[sids],
        before=_before(sids, quantity) if one_by_one else None,
        cap=None if limit is None else np.array([limit]),
        priced=priced,
    )
    if shortfall is Shortfall.SCALE:
        # One factor for all, so that no asset is starved because of its name.
        share = share_that_fits(asked.highest if one_by_one else asked.total, room)
        cut = quantity if share == 1.0 else executor.whole(sids, asked.scaled(share))
        last = asked.priced
        return Fitted(cut, last if last is not None and last.quantity is cut else None)
    return Fitted(_fit_each(asked, room, in_turn=shortfall is Shortfall.IN_TURN))


@dataclass(slots=True, kw_only=True)  # hot: freezing costs a call per field
class _Asked:
    """Orders, and what the account needs for a share of them."""

    account: Account
    executor: Executor
    batch: Batch
    prices: Floats  # by sid
    sids: Ints
    quantity: Floats
    live: Floats  # what is held of each now
    before: Floats | None  # what the orders before each one change in its asset
    cap: Floats | None
    share: float = 1.0  # the last one of which was asked what it needs
    priced: Priced | None = None  # what it pays

    def scaled(self, share: float) -> Floats:
        """Return a share of every order."""
        if self.priced is not None and share == self.share:
            return self.priced.quantity
        return self.quantity * share

    def needs(self, index: slice, share: float) -> Floats:
        """Return what a share of each order needs; of what closes margin comes free."""
        sids, asked, held = self.sids[index], self.quantity[index], self.live[index]
        if share != 1.0:
            asked = asked * share
        if self.before is not None:
            held = held + self.before[index] * share
        base = self.prices[sids]
        priced = self.priced
        if priced is None or share != self.share or index != EACH:
            priced = self.executor.pricing.priced(self.batch, sids, asked, base, self.cap)
            self.share, self.priced = share, priced
        increase = Increase(
            sids=sids, quantity=asked, held=held, base=base, price=priced.paid,
            charge=priced.charge,
        )  # fmt: skip
        return self.account.need(increase, self.executor.terms)

    def total(self, share: float, index: slice = EACH) -> float:
        """Return what they need together."""
        return float(self.needs(index, share).sum())

    def highest(self, share: float) -> float:
        """Return the most that is needed on the way, where each fills after the one before."""
        return float(np.cumsum(self.needs(EACH, share)).max())


def _fit_each(asked: _Asked, room: float, *, in_turn: bool) -> Floats:
    """Serve orders one by one, each whole or not at all; in turn, each as far as the room goes."""
    account, executor, sids, quantity = asked.account, asked.executor, asked.sids, asked.quantity
    fitted = np.zeros(len(sids))
    value = quantity * asked.prices[sids] * executor.terms.multiplier[sids]
    order = _smallest_first(value, account) if in_turn else np.arange(len(sids))
    for i in order.tolist():
        if not quantity[i]:
            continue  # the bar's volume has left nothing of it
        one = slice(i, i + 1)
        share = 1.0
        if in_turn:
            # What closes sets margin free: only what is beyond zero is cut to the room.
            is_margin = account.is_margin
            closing = float(closing_part(quantity[one], asked.live[one])[0]) if is_margin else 0.0
            required = partial(asked.total, index=one)
            share = _share_beyond(required, room, closing / float(quantity[i]))
        part = quantity[one] if share == 1.0 else executor.whole(sids[one], quantity[one] * share)
        cost = asked.total(float(part[0] / quantity[i]), one)
        if part[0] and cost <= room:
            fitted[i] = part[0]
            room -= cost
    return fitted


def _smallest_first(value: Floats, account: Account) -> Ints:
    """Return the order in which orders of these values, signed, are served.

    The smallest first, so that one large order does not starve many; short sales, which bring
    cash, before all. Equal weights differ in their last digits once they are shares: such orders
    keep the order of the assets.
    """
    size = np.abs(value)
    ranked = np.round((size if account.is_margin else value) / (size.max() or 1.0), 9)
    return np.argsort(ranked, kind="stable")


def _before(sids: Ints, quantity: Floats) -> Floats:
    """Return what the orders before each one change in its asset."""
    changed = dict.fromkeys(sids.tolist(), 0.0)
    before = np.empty(len(sids))
    for i, (sid, change) in enumerate(zip(sids.tolist(), quantity.tolist(), strict=True)):
        before[i] = changed[sid]
        changed[sid] += change
    return before


def _share_beyond(required: Callable[[float], float], room: float, kept: float) -> float:
    """Return the largest share that the room carries and that is more than `kept`, or 0."""
    if not kept:
        return share_that_fits(required, room)
    freed, rest = required(kept), 1.0 - kept
    beyond = share_that_fits(lambda part: required(kept + rest * part) - freed, room - freed)
    return kept + rest * beyond if beyond else 0.0


def share_that_fits(required: Callable[[float], float], room: float) -> float:
    """Return the largest share of the orders that the room carries.

    The last digits are given away so that rounding cannot take cash below zero. One cut is enough
    where costs are proportional. Minimum charges take more, and where costs grow faster than the
    orders, as impact does, a cut leaves room: then the share lies between the last ones that were
    too small and too large.
    """
    share, too_large, excess = 1.0, 1.0, 0.0
    for _ in range(FEW_STEPS):
        asked = required(share)
        left = room - asked
        if left >= 0 or asked <= 0:  # what frees money or margin is no smaller for being cut
            break
        too_large, excess = share, -left
        share = max(share * room * (1 - CASH_KEPT) / asked, LEAST_SHARE)
    else:
        share = LEAST_SHARE
        left = room - required(share)
        if left < 0:
            return 0.0  # the charges alone eat the room
    weight = left
    for _ in range(MOST_STEPS):
        if share == 1.0 or left <= USED_UP * room:
            break
        # By false position; what one end weighs is halved when the other has moved.
        middle = share + (too_large - share) * weight / (weight + excess)
        if not share < middle < too_large:
            middle = (share + too_large) / 2
        left_then = room - required(middle)
        if left_then >= 0:
            share, left, weight, excess = middle, left_then, left_then, excess / 2
        else:
            too_large, excess, weight = middle, -left_then, weight / 2
    return share
