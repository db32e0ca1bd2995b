"""Lots: what a fill opens, first in, first out, and the trades that an opposite fill makes of them.

A vector of lots is a matrix with a row per field, so that what is true of all costs is said once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats, Ints
from ml4t.backtest.core.orders import Fills, Tags, tag_of, tags_at
from ml4t.backtest.core.trades import Trade, Trades


class Lot(NamedTuple):
    """Shares bought (or sold short) in one fill; costs are per share, in account currency.

    `borrowed` is what borrowing one share had cost since the run began when the lot was opened:
    the difference to today's sum is what this lot has paid. `earned` is the same of the dividends
    of one share, in units of price. `fill` counts the run's fills from 0; -1: it is of none.

    Where assets have currencies of their own, `rate` is what one unit of price cost at the fill,
    account currency; `income` is as `earned`, at the rates of the ex-dates; and `revalued` is as
    both, of what was settled at earlier rates: a lot has cost ``price * rate - revalued``.
    """

    quantity: float
    price: float
    commission: float
    tax: float
    fee: float
    slippage: float
    impact: float
    borrowed: float = 0.0
    earned: float = 0.0
    income: float = 0.0
    revalued: float = 0.0
    rate: float = 1.0
    t: int = -1
    fill: int = -1

    @property
    def cost(self) -> float:
        """What one unit has cost in account currency, per unit of multiplier."""
        return self.price * self.rate - self.revalued

    @property
    def charge(self) -> float:
        """Commission, tax and fee of one share."""
        return self.commission + self.tax + self.fee


# Rows of a matrix of lots: the numbers of a `Lot`.
QUANTITY, PRICE, COMMISSION, TAX, FEE, SLIPPAGE, IMPACT, BORROWED, EARNED, INCOME = range(10)
REVALUED, FX_RATE, N_NUMBERS = 10, 11, 12
COST_ROWS = slice(COMMISSION, IMPACT + 1)
# What is per share, and of that what is counted since the run began.
PER_SHARE, SUMS, N_SUMS = slice(PRICE, FX_RATE), slice(BORROWED, FX_RATE), FX_RATE - BORROWED
LEVY_ROWS = slice(TAX, FEE + 1)
# Up to so many fills of a moment are faster one by one than as vectors.
FEW = 4


class Lots(NamedTuple):
    """Fills as lots, one per asset.

    Attributes
    ----------
    sids : int array
    numbers : float array
        ``[number, lot]``, in the order of `QUANTITY` to `FX_RATE`.
    t : int or int array
        Bar of the fill, or of each.
    reason : Tags
    fill : int array
    """

    sids: Ints
    numbers: Floats
    t: int | Ints
    reason: Tags
    fill: Ints

    def at(self, chosen: Ints | Bools | slice) -> Lots:
        """Return the lots at some places, or those that a mask keeps."""
        return Lots(
            self.sids[chosen], self.numbers[:, chosen],
            self.t if isinstance(self.t, int) else self.t[chosen],
            tags_at(self.reason, chosen), self.fill[chosen],
        )  # fmt: skip

    def rows(self) -> Iterator[tuple[int, Lot, str]]:
        """Yield asset, lot and reason of each; all are of one bar."""
        assert isinstance(self.t, int)
        of_each = zip(self.sids.tolist(), self.numbers.T.tolist(), self.fill.tolist(), strict=True)
        for i, (sid, numbers, number) in enumerate(of_each):
            lot = Lot._make((*numbers, self.t, number))
            yield sid, lot, tag_of(self.reason, i)


def lots_of(fills: Fills, number: int) -> Lots:
    """Return fills as the lots that they open, the first of them fill `number` of the run.

    What holding an asset has cost and brought so far is for `Positions` to say.
    """
    sids, size = fills.sids, np.abs(fills.quantity)
    numbers = np.empty((N_NUMBERS, len(sids)))
    numbers[QUANTITY], numbers[PRICE] = fills.quantity, fills.price
    np.divide(fills.commission, size, out=numbers[COMMISSION])
    if fills.levies is None:
        numbers[LEVY_ROWS] = 0.0
    else:
        np.divide(fills.levies, size, out=numbers[LEVY_ROWS])
    np.divide(fills.slippage, size, out=numbers[SLIPPAGE])
    np.divide(fills.impact, size, out=numbers[IMPACT])
    numbers[SUMS], numbers[FX_RATE] = 0.0, 1.0
    return Lots(sids, numbers, fills.t, fills.reason, np.arange(number, number + len(sids)))


class OpenLots(NamedTuple):
    """Open lots of some assets, as an opposite fill finds them: numbers, entry bars and fills."""

    numbers: Floats
    t: Ints
    fill: Ints


def charge_of(numbers: Floats, *, has_levies: bool) -> Floats:
    """Return commission, tax and fee per share of lots; `has_levies`: there may be the last two."""
    charge: Floats = numbers[COMMISSION]
    return charge + numbers[TAX] + numbers[FEE] if has_levies else charge


def cost_of(numbers: Floats) -> Floats:
    """Return what one unit of lots has cost, as `Lot.cost` of each."""
    cost: Floats = numbers[PRICE] * numbers[FX_RATE] - numbers[REVALUED]
    return cost


def closed(
    lots: OpenLots,
    part: Floats,
    fills: Lots,
    multiplier: Floats | None,
    *,
    has_carried: bool,
    has_levies: bool,
    has_rates: bool,
) -> Trades:
    """Return the trades of parts of lots, each closed by the fill at its place.

    Parameters
    ----------
    part : float array
        Shares, signed like the lots.
    multiplier : float array or None
        None: that of every asset is 1.
    has_carried : bool
        Whether holding anything has ever cost a fee or brought a dividend.
    has_levies : bool
        Whether any fill has ever paid a tax or a fee.
    has_rates : bool
        Whether assets have currencies of their own; `multiplier` is then in those.
    """
    size, own, now = np.abs(part), lots.numbers, fills.numbers
    costs = size * (own[COST_ROWS] + now[COST_ROWS])
    pnl, rates = part * (now[PRICE] - own[PRICE]), None
    if has_rates:
        of_price = pnl * now[FX_RATE]
        pnl = part * (cost_of(now) - cost_of(own))
        rates = np.array([own[FX_RATE], now[FX_RATE], pnl - of_price])
        if multiplier is not None:
            rates[2] *= multiplier
    if multiplier is not None:
        pnl *= multiplier
    pnl -= costs[0] + costs[1] + costs[2] if has_levies else costs[0]
    borrow, dividends = np.zeros(len(part)), part * 0.0
    if has_carried:
        borrow = size * (now[BORROWED] - own[BORROWED])
        earned = INCOME if has_rates else EARNED
        dividends = part * (now[earned] - own[earned])
        if multiplier is not None:
            dividends *= multiplier
        pnl = pnl - borrow + dividends
    return Trades(
        sid=fills.sids,
        quantity=part,
        entry_t=lots.t,
        entry_price=own[PRICE],
        exit_t=fills.t,
        exit_price=now[PRICE],
        pnl=pnl,
        commission=costs[0],
        slippage=costs[3],
        impact=costs[4],
        borrow=borrow,
        dividends=dividends,
        reason=fills.reason,
        entry_fill=lots.fill,
        exit_fill=fills.fill,
        levies=costs[1:3] if has_levies else None,
        rates=rates,
    )


def closed_one(
    sid: int, lot: Lot, part: float, fill: Lot, reason: str, multiplier: float, *, has_rates: bool
) -> Trade:
    """Return the trade of a part of one lot."""
    size = abs(part)
    commission = size * (lot.commission + fill.commission)
    tax, fee = size * (lot.tax + fill.tax), size * (lot.fee + fill.fee)
    borrow = size * (fill.borrowed - lot.borrowed)
    dividends = part * (fill.earned - lot.earned) * multiplier
    pnl, by_rates = part * (fill.price - lot.price) * multiplier, 0.0
    if has_rates:
        dividends = part * (fill.income - lot.income) * multiplier
        of_price = pnl * fill.rate
        pnl = part * (fill.cost - lot.cost) * multiplier
        by_rates = pnl - of_price
    pnl = pnl - (commission + tax + fee) - borrow + dividends
    # By position: there is one for every closed lot part of a run.
    return Trade(
        sid, part, lot.t, lot.price, fill.t, fill.price, pnl, commission,
        size * (lot.slippage + fill.slippage), size * (lot.impact + fill.impact), borrow,
        dividends, reason, lot.fill, fill.fill, tax, fee, lot.rate, fill.rate, by_rates,
    )  # fmt: skip


def open_part(sid: int, lot: Lot, at_mark: Lot, multiplier: float, *, has_rates: bool) -> Trade:
    """Return an open lot as a trade without an exit, its P&L as if `at_mark` closed it."""
    whole = closed_one(sid, lot, lot.quantity, at_mark, "", multiplier, has_rates=has_rates)
    return whole._replace(exit_price=float("nan"), reason=None)
