"""Executor: one way for every fill, from a base price to the ledger.

What it pays says `pricing`; the bar's volume bounds the size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Batch, Bools, Floats, Ints
from ml4t.backtest.core.journal import Journal
from ml4t.backtest.core.levels import LevelBase, LevelPolicy, TrailStart
from ml4t.backtest.core.orders import Fills, Moment, Tags
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.core.tolerances import WHOLE
from ml4t.backtest.execution.costs.contract import (
    Commission,
    MonthToDate,
    Slippage,
)
from ml4t.backtest.execution.policy import ExecutionPolicy
from ml4t.backtest.execution.price_limits import PriceLimits
from ml4t.backtest.execution.pricing import Priced, Pricing
from ml4t.backtest.portfolio.min_holding import MinHolding
from ml4t.backtest.portfolio.portfolio import Portfolio
from ml4t.backtest.portfolio.settlement import Settlement
from ml4t.backtest.portfolio.water_marks import Seen


class Booked(NamedTuple):
    """What fills have done to positions; see `PostTrade` for what follows.

    Attributes
    ----------
    t : int
    opened, closed : int array
        Assets whose position was opened or turned over, and those that are flat now.
    at_close : bool
        Nothing of this bar's range belongs to what was opened.
    """

    t: int
    opened: Ints
    closed: Ints
    at_close: bool


class Fillable(NamedTuple):
    """What of orders can fill at a moment.

    Attributes
    ----------
    quantity : float array
        The very array that was asked for where nothing is cut.
    waits : bool array or None
        Cut because of what was bought too lately to be sold, and by nothing else; None: none is.
    """

    quantity: Floats
    waits: Bools | None = None


class Executor:
    """Prices fills, charges for them and books them.

    Parameters
    ----------
    portfolio, journal
        Moved by every fill, and told of it.
    commission, slippage, impact
        Cost models; `impact` may be None.
    terms : Instruments
    policy : ExecutionPolicy
    levels : LevelPolicy
        Where levels of new positions count from.
    settlement : Settlement
        Told of every sale.
    dates : int array
        Trading date of each bar, as days since 1970.
    price_limits : PriceLimits
        What the price limits of the bars mean; flags by default.
    month : MonthToDate, optional
        What the account has filled in the month, where executors share it.
    holding : MinHolding
        Knows what was bought too lately to be sold; by default nothing is.

    Attributes
    ----------
    decided_close : float array, by sid
        The closes at which the orders of this bar were decided.
    pricing : Pricing
        What fills pay.
    bought : dict of int to list of (float, float)
        What orders have opened or added in this bar, signed, and the price before costs of each;
        empty once everything is valued at the close.
    is_at_close : bool
        The bar is over but for what fills at its close.
    """

    def __init__(
        self,
        portfolio: Portfolio,
        journal: Journal,
        *,
        commission: Commission,
        slippage: Slippage,
        impact: Slippage | None,
        terms: Instruments,
        policy: ExecutionPolicy,
        levels: LevelPolicy,
        settlement: Settlement,
        dates: Ints,
        price_limits: PriceLimits | None = None,
        holding: MinHolding | None = None,
        month: MonthToDate | None = None,
    ) -> None:
        self.portfolio, self.journal, self.terms, self.policy = portfolio, journal, terms, policy
        self._levels, self.settlement = levels, settlement
        self.holding = holding if holding is not None and holding.is_on else None
        self._t = -1
        self.price_limits = PriceLimits() if price_limits is None else price_limits
        self.lot_size = np.maximum(terms.lot_size, 1.0) if policy.whole_shares else terms.lot_size
        self.has_lots = bool((self.lot_size > 0).any())
        self._exchange = portfolio.exchange
        self._has_multipliers = bool((terms.multiplier != 1).any()) or self._exchange is not None
        self.pricing = Pricing(
            commission, slippage, impact, terms, self.price_limits,
            within_range=policy.within_range, dates=dates, month=month, exchange=portfolio.exchange,
        )  # fmt: skip
        self._volume = np.empty(0)  # of this bar, as far as this account may trade it
        self._volume_left: Floats | None = None
        self.decided_close = np.full(len(portfolio.quantity), np.nan)
        self._owns_close = True
        self.bought: dict[int, list[tuple[float, float]]] = {}
        self.is_at_close = False

    def start_bar(self, batch: Batch) -> None:
        """Begin a bar: its volume is untouched, and nothing was bought in it."""
        self.bought.clear()
        self.is_at_close, self._t = False, batch.t
        if self.policy.participation is not None:
            self._volume = np.nan_to_num(batch.features["volume"]) * self.policy.participation
            self._volume_left = self._volume.copy()

    def end_bar(self, batch: Batch) -> None:
        """Remember the closes: orders of the next bar were decided at them."""
        self.decided_close, self._owns_close = batch.close, False

    def pass_over(self, last: Batch) -> None:
        """End bars of which everything is valued at the close."""
        self.bought.clear()
        self.end_bar(last)

    def split(self, sid: int, ratio: float) -> None:
        """Restate the last close of an asset after a split."""
        self._own_close()[sid] /= ratio

    def go_ex(self, sid: int, value: float) -> None:
        """Take a dividend off the last close of an asset."""
        self._own_close()[sid] -= value

    def _own_close(self) -> Floats:
        """Return the last closes as an array of the executor's own; a bar's is the feed's."""
        if not self._owns_close:
            self.decided_close, self._owns_close = self.decided_close.copy(), True
        return self.decided_close

    # -- sizes ------------------------------------------------------------------------

    def whole(self, sids: Ints, quantity: Floats) -> Floats:
        """Return quantities cut toward zero to whole lots, where lots there are."""
        return self._cut(quantity, self.lot_size[sids]) if self.has_lots else quantity

    def whole_shares(self, sids: Ints, quantity: Floats) -> Floats:
        """Return quantities cut toward zero to whole shares, or to a lot that is a part of one.

        A split may leave an odd lot; of a share that is no whole one it leaves cash.
        """
        if not self.has_lots:
            return quantity
        return self._cut(quantity, np.minimum(self.lot_size[sids], 1.0))

    def _cut(self, quantity: Floats, lots: Floats) -> Floats:
        safe = np.where(lots > 0, lots, 1.0)
        steps = np.floor(np.abs(quantity) / safe + self.policy.whole_tolerance)
        cut = np.sign(quantity) * steps * safe
        return np.where(lots > 0, cut, quantity)

    def fillable(self, sids: Ints, quantity: Floats) -> Fillable:
        """Return orders cut to what may be sold, and to what is left of the bar's volume."""
        if self.holding is None:
            return Fillable(self.within_volume(sids, quantity))
        free = self.free(sids, quantity)
        done = self.within_volume(sids, free)
        return Fillable(done, None if free is quantity else (free != quantity) & (done == free))

    def is_held_back(self, sid: int, side: float) -> bool:
        """Whether an order sells of an asset of which all was bought too lately to be sold."""
        live = self.portfolio.quantity.item(sid)
        if self.holding is None or side > 0 or live <= 0:
            return False
        return not self.free(np.array([sid]), np.array([-live]))[0]

    def free(self, sids: Ints, quantity: Floats) -> Floats:
        """Return orders cut to what was not bought too lately to be sold."""
        if self.holding is None:
            return quantity
        return self.holding.cut(self._t, sids, quantity, self.whole)

    def within_volume(self, sids: Ints, quantity: Floats, taken: float = 0.0) -> Floats:
        """Return quantities cut to what is left of the bar's volume for this account.

        taken: shares of it that other orders will have had.
        """
        if self._volume_left is None:
            return quantity
        left = self._volume_left[sids] - taken
        # What rounding leaves of a volume that is used up is no share to trade.
        left = np.where(left > WHOLE * self._volume[sids], left, 0.0)
        # An order that is the bar's share but for rounding, 52.2 of 0.3 * 174, is all done: what is
        # left of it is no order, and what is left of its position no position.
        is_cut = np.abs(quantity) > left * (1 + WHOLE)
        cut = self.whole(sids, np.sign(quantity) * left)
        return np.where(is_cut, cut, quantity)

    def in_turn_within_volume(self, sids: Ints, quantity: Floats) -> Floats:
        """Return quantities cut to the volume that those before of the same asset leave."""
        if self._volume_left is None:
            return quantity
        taken = dict.fromkeys(sids.tolist(), 0.0)
        cut = np.empty(len(sids))
        for i, sid in enumerate(sids.tolist()):
            cut[i] = self.within_volume(sids[[i]], quantity[[i]], taken[sid])[0]
            taken[sid] += abs(float(cut[i]))
        return cut

    # -- fills ------------------------------------------------------------------------

    def fill(
        self,
        batch: Batch,
        ids: Ints,
        sids: Ints,
        quantity: Floats,
        base: Floats,
        reason: Tags,
        *,
        limit: Floats | None = None,
        is_maker: bool = False,
        slips: bool = True,
        seen: Seen = Seen.ALL,
        priced: Priced | None = None,
        n_closing: int = 0,
    ) -> Booked:
        """Book fills at a base price, costs on top; return what they opened and closed.

        Parameters
        ----------
        priced : Priced, optional
            What these very orders pay, where somebody has asked before.
        n_closing : int
            See `Portfolio.apply`.
        """
        if priced is None:
            priced = self.pricing.priced(
                batch, sids, quantity, base, limit, is_maker=is_maker, slips=slips
            )
        if self.pricing.charges_late:
            priced = self.pricing.charged_now(
                batch, sids, priced, self.portfolio.booked_cash, is_maker=is_maker
            )
        fills = self._fills(batch.t, ids, sids, base, reason, priced, seen)
        moved = self.portfolio.apply(fills, seen, n_closing)
        self.settlement.sold(fills)
        if self._volume_left is not None:
            np.subtract.at(self._volume_left, sids, np.abs(quantity))
        at_close = seen is Seen.NOTHING
        if len(moved.opened):
            self._base_levels(batch, sids, base, moved.opened, at_close=at_close)
        return Booked(batch.t, moved.opened, moved.gone, at_close)

    @property
    def fills_over_bars(self) -> bool:
        """Whether positions can be closed at once that are closed in several bars."""
        return self.pricing.spans_bars and not self.settlement.is_late

    def close_over(
        self,
        t: int | Ints,
        ids: Ints,
        sids: Ints,
        base: Floats,
        reason: Tags,
        priced: Priced,
        starts: Sequence[int],
    ) -> list[float]:
        """Book fills that close positions whole; return cash after each moment.

        Parameters
        ----------
        t : int or int array
            Bar of all fills, or of each.
        starts : sequence of int
            Places of the fills with which a moment begins.
        """
        fills = self._fills(t, ids, sids, base, reason, priced, Seen.ALL)
        cash = self.portfolio.close_over(fills, starts)
        self.settlement.sold(fills)
        return cash

    def _fills(
        self,
        t: int | Ints,
        ids: Ints,
        sids: Ints,
        base: Floats,
        reason: Tags,
        priced: Priced,
        seen: Seen,
    ) -> Fills:
        """Tell the journal of fills, and return them."""
        slipped, paid, units = priced.slipped, priced.paid, np.abs(priced.quantity)
        if self._has_multipliers:
            units = units * self.terms.multiplier[sids]
        fills = Fills(
            t=t,
            ids=ids,
            sids=sids,
            quantity=priced.quantity,
            price=paid,
            commission=priced.commission,
            slippage=units * np.abs(slipped - base),
            impact=np.zeros(len(sids)) if paid is slipped else units * np.abs(paid - slipped),
            reason=reason,
            moment=self._moment(seen),
            levies=priced.levies,
            rate=1.0 if self._exchange is None else self._exchange.rate[sids],
        )
        self.journal.record(fills)
        return fills

    def fill_free(
        self, t: int, ids: Ints, sids: Ints, quantity: Floats, price: Floats, tags: Tags
    ) -> None:
        """Book fills that add to positions without any costs."""
        nothing = np.zeros(len(sids))
        fills = Fills(
            t=t, ids=ids, sids=sids, quantity=quantity, price=price, commission=nothing,
            slippage=nothing, impact=nothing, reason=tags, moment=self._moment(Seen.ALL),
            rate=1.0 if self._exchange is None else self._exchange.rate[sids],
        )  # fmt: skip
        self.journal.record(fills)
        self.portfolio.apply(fills)

    def _moment(self, seen: Seen) -> Moment:
        """Return when in the bar a fill of now is made, by what of it a new position will see."""
        if self.is_at_close:
            return Moment.CLOSE
        return Moment.LIMIT if seen is Seen.CLOSE else Moment.EARLY

    def _base_levels(
        self, batch: Batch, sids: Ints, base: Floats, opened: Ints, *, at_close: bool
    ) -> None:
        """Tell the portfolio where the levels of new positions count from.

        Before the close of the entry bar is known, a trail that starts at it starts at the fill.
        """
        levels = self._levels
        is_plain = levels.base is LevelBase.FILL and levels.trail_start is TrailStart.FILL
        if is_plain:
            return
        decided_now = at_close and self.policy.timing.fills_decided
        decided = batch.close[opened] if decided_now else self.decided_close[opened]
        quoted = base[[int(np.flatnonzero(sids == sid)[-1]) for sid in opened.tolist()]]
        bases = {LevelBase.QUOTE: quoted, LevelBase.DECISION_CLOSE: decided}
        starts = {TrailStart.DECISION_CLOSE: decided}
        if at_close:
            starts[TrailStart.ENTRY_CLOSE] = batch.close[opened]
        self.portfolio.rebase(opened, bases.get(levels.base), starts.get(levels.trail_start))
