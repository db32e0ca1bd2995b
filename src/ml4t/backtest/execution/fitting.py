"""Fitting: how far increases of one bar go in the account, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ml4t.backtest.core.batch import Batch, Floats, Ints
from ml4t.backtest.execution.account import Account, Increase, Shortfall
from ml4t.backtest.execution.executor import Executor

# What scaled increases leave of the room, so that rounding cannot take cash below zero.
MARGIN = 1e-14
# Room for less than this share of what is needed is no room: dust is not worth an order.
SMALLEST_SHARE = 1e-6
# Room that is left below this share of it is used up.
NO_ROOM = 1e-12
# Cuts in proportion; and steps in which the share between two others must have been found.
FEW_STEPS, MOST_STEPS = 4, 60


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
) -> Floats:
    """Return the quantities that the account can carry, 0 where nothing of an order fits.

    Parameters
    ----------
    prices : float array, by sid
        At which positions are valued and the orders fill, before costs.
    sids, quantity
        Increases, in the order in which they are served. What closes a position on the other side
        sets margin free.
    unsettled : float
        Sale proceeds that cannot be spent yet.
    limit : float, optional
        Price past which a single order does not fill.
    shortfall : Shortfall, optional
        The account's own by default.
    one_by_one : bool
        What is scaled fills one after the other, several of one asset among them: the account
        must carry what is held after each of them, not what is left at the end alone.
    """
    shortfall = account.shortfall if shortfall is None else shortfall
    if shortfall is Shortfall.NONE:
        return quantity
    cap = None if limit is None else np.array([limit])
    # An asset that trades now is worth the price at which it does, whatever was paid before; one
    # of which the bar's volume has left nothing does not trade.
    trading = sids[quantity != 0]
    bought = {sid: lots for sid, lots in executor.bought.items() if sid not in trading}
    room = account.room(executor.portfolio, prices, executor.terms, unsettled, bought)

    live = executor.portfolio.quantity[sids]
    before = _before(sids, quantity) if one_by_one else None

    def need(index: slice, share: float) -> Floats:
        asked = quantity[index] * share
        held = live[index] if before is None else live[index] + before[index] * share
        base = prices[sids[index]]
        price = executor.price(batch, sids[index], asked, base, cap)[1]
        charge = executor.charge(batch, sids[index], asked, price)
        return account.need(
            Increase(
                sids=sids[index],
                quantity=asked,
                closing=_closing(asked, held),
                base=base,
                price=price,
                charge=charge,
            ),
            executor.terms,
        )

    if shortfall is Shortfall.SCALE:
        # One factor for all, so that no asset is starved because of its name.
        asks = partial(_highest if one_by_one else _total, need, slice(None))
        share = share_that_fits(asks, room)
        return quantity if share == 1.0 else executor.whole(sids, quantity * share)
    fitted = np.zeros(len(sids))
    in_turn = shortfall is Shortfall.IN_TURN
    value = quantity * prices[sids] * executor.terms.multiplier[sids]
    order = _smallest_first(value, account) if in_turn else np.arange(len(sids))
    for i in order.tolist():
        if not quantity[i]:
            continue  # the bar's volume has left nothing of it
        one = slice(i, i + 1)
        share = 1.0
        if in_turn:
            # What closes sets margin free: only what is beyond zero is cut to the room.
            closing = float(_closing(quantity[one], live[one])[0]) if account.is_margin else 0.0
            kept = closing / float(quantity[i])
            share = _share_beyond(partial(_total, need, one), room, kept)
        part = quantity[one] if share == 1.0 else executor.whole(sids[one], quantity[one] * share)
        cost = _total(need, one, float(part[0] / quantity[i]))
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


def _total(need: Callable[[slice, float], Floats], index: slice, share: float) -> float:
    return float(need(index, share).sum())


def _highest(need: Callable[[slice, float], Floats], index: slice, share: float) -> float:
    """Return the most that is needed on the way, where each order fills after the one before."""
    return float(np.cumsum(need(index, share)).max())


def _before(sids: Ints, quantity: Floats) -> Floats:
    """Return what the orders before each one change in its asset."""
    changed = dict.fromkeys(sids.tolist(), 0.0)
    before = np.empty(len(sids))
    for i, (sid, change) in enumerate(zip(sids.tolist(), quantity.tolist(), strict=True)):
        before[i] = changed[sid]
        changed[sid] += change
    return before


def _closing(quantity: Floats, held: Floats) -> Floats:
    """Return the part of each order that only closes what is held on the other side, signed."""
    most = np.maximum(-held, np.minimum(quantity, 0.0))
    closing: Floats = np.minimum(most, np.maximum(quantity, 0.0))
    return closing


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
        share = max(share * room * (1 - MARGIN) / asked, SMALLEST_SHARE)
    else:
        share = SMALLEST_SHARE
        left = room - required(share)
        if left < 0:
            return 0.0  # the charges alone eat the room
    weight = left
    for _ in range(MOST_STEPS):
        if share == 1.0 or left <= NO_ROOM * room:
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
