"""Executor: one way for every fill, from a base price to the ledger.

Slippage and impact move the price against the trader, ticks round it against him, a limit caps
it; commission comes on top; the bar's volume bounds the size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Batch, Floats, Ints
from ml4t.backtest.core.journal import Journal
from ml4t.backtest.core.levels import LevelBase, LevelPolicy, TrailStart
from ml4t.backtest.core.orders import Fills, Moment, Tags
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.core.tolerances import WHOLE
from ml4t.backtest.errors import CostError
from ml4t.backtest.execution.costs.contract import Commission, Quote, Slippage, one_each
from ml4t.backtest.execution.orders.ticks import on_ticks
from ml4t.backtest.execution.policy import ExecutionPolicy
from ml4t.backtest.execution.price_limits import PriceLimits
from ml4t.backtest.portfolio.portfolio import Portfolio, Seen
from ml4t.backtest.portfolio.settlement import Settlement

NO_COLUMNS: Mapping[str, Floats] = {}


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


class Priced(NamedTuple):
    """What orders of these quantities pay where they fill, costs included.

    Attributes
    ----------
    quantity : float array
    slipped, paid : float array
        Price per share before and after impact.
    charge : float array
        Commission, account currency.
    """

    quantity: Floats
    slipped: Floats
    paid: Floats
    charge: Floats


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
    price_limits : PriceLimits
        What the price limits of the bars mean; flags by default.

    Attributes
    ----------
    decided_close : float array, by sid
        The closes at which the orders of this bar were decided.
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
        price_limits: PriceLimits | None = None,
    ) -> None:
        self.portfolio, self.journal, self.terms, self.policy = portfolio, journal, terms, policy
        self._commission, self._slippage, self._impact = commission, slippage, impact
        self._levels, self.settlement = levels, settlement
        self.price_limits = PriceLimits() if price_limits is None else price_limits
        self.lot_size = np.maximum(terms.lot_size, 1.0) if policy.whole_shares else terms.lot_size
        self.has_lots = bool((self.lot_size > 0).any())
        self.has_ticks = bool((terms.tick_size > 0).any())
        self._has_multipliers = bool((terms.multiplier != 1).any())
        # Whether anything but a limit of its own bounds the price of a fill.
        self._is_bounded = bool(
            self.has_ticks or policy.within_range or self.price_limits.priced
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
        self.is_at_close = False
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
        if not self.has_lots:
            return quantity
        lots = self.lot_size[sids]
        safe = np.where(lots > 0, lots, 1.0)
        steps = np.floor(np.abs(quantity) / safe + self.policy.whole_tolerance)
        cut = np.sign(quantity) * steps * safe
        return np.where(lots > 0, cut, quantity)

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

    # -- prices -----------------------------------------------------------------------

    def priced(
        self,
        batch: Batch,
        sids: Ints,
        quantity: Floats,
        base: Floats,
        limit: Floats | None = None,
        *,
        is_maker: bool = False,
    ) -> Priced:
        """Return what orders pay at a base price; never past a limit, NaN = none."""
        slipped, paid = self._price(batch, sids, quantity, base, limit)
        charge = self.charge(batch, sids, quantity, paid, is_maker=is_maker)
        return Priced(quantity, slipped, paid, charge)

    def _price(
        self, batch: Batch, sids: Ints, quantity: Floats, base: Floats, limit: Floats | None
    ) -> tuple[Floats, Floats]:
        """Return the price per share before and after impact."""
        quote = self._quote(batch, sids, quantity, base, self._slippage)
        slipped = self._capped(batch, sids, quantity, _filled_at(quote, self._slippage), limit)
        quote.require_price(slipped)  # a model of the user's may return anything
        if self._impact is None:
            return slipped, slipped
        quote = self._quote(batch, sids, quantity, slipped, self._impact)
        paid = self._capped(batch, sids, quantity, _filled_at(quote, self._impact), limit)
        return slipped, quote.require_price(paid)

    def charge(
        self, batch: Batch, sids: Ints, quantity: Floats, price: Floats, *, is_maker: bool = False
    ) -> Floats:
        """Return the commission of each fill, account currency."""
        quote = self._quote(batch, sids, quantity, price, self._commission, is_maker=is_maker)
        charged = one_each(self._commission.charge(quote), quote, self._commission, "charge")
        if np.count_nonzero(np.isfinite(charged)) < len(charged):
            raise CostError(
                f"{self._commission!r} charged {charged[~np.isfinite(charged)][0]} for a fill; a "
                "commission is a finite number",
                sids=sids[~np.isfinite(charged)],
            )
        return charged

    def round_price(self, sids: Ints, price: Floats, *, up: Floats) -> Floats:
        """Return prices on their assets' ticks; rounded up where `up` > 0, else down."""
        if not self.has_ticks:
            return price
        return on_ticks(price, self.terms.tick_size[sids], up)

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
    ) -> Booked:
        """Book fills at a base price, costs on top; return what they opened and closed.

        `priced`: what these very orders pay, where somebody has asked before.
        """
        if not slips:
            charge = self.charge(batch, sids, quantity, base, is_maker=is_maker)
            priced = Priced(quantity, base, base, charge)
        elif priced is None:
            priced = self.priced(batch, sids, quantity, base, limit, is_maker=is_maker)
        slipped, paid, units = priced.slipped, priced.paid, np.abs(quantity)
        if self._has_multipliers:
            units = units * self.terms.multiplier[sids]
        fills = Fills(
            t=batch.t,
            ids=ids,
            sids=sids,
            quantity=quantity,
            price=paid,
            commission=priced.charge,
            slippage=units * np.abs(slipped - base),
            impact=np.zeros(len(sids)) if paid is slipped else units * np.abs(paid - slipped),
            reason=reason,
            moment=self._moment(seen),
        )
        self.journal.record(fills)
        moved = self.portfolio.apply(fills, seen)
        self.settlement.sold(fills)
        if self._volume_left is not None:
            np.subtract.at(self._volume_left, sids, np.abs(quantity))
        at_close = seen is Seen.NOTHING
        if len(moved.opened):
            self._base_levels(batch, sids, base, moved.opened, at_close=at_close)
        return Booked(batch.t, moved.opened, moved.gone, at_close)

    def fill_free(
        self, t: int, ids: Ints, sids: Ints, quantity: Floats, price: Floats, tags: Tags
    ) -> None:
        """Book fills that add to positions without any costs."""
        nothing = np.zeros(len(sids))
        fills = Fills(
            t=t, ids=ids, sids=sids, quantity=quantity, price=price, commission=nothing,
            slippage=nothing, impact=nothing, reason=tags, moment=self._moment(Seen.ALL),
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

    def _quote(
        self,
        batch: Batch,
        sids: Ints,
        quantity: Floats,
        price: Floats,
        model: Commission | Slippage,
        *,
        is_maker: bool = False,
    ) -> Quote:
        names = model.features
        market = {name: batch.features[name][sids] for name in names} if names else NO_COLUMNS
        return Quote(
            sids=sids,
            quantity=quantity,
            price=price,
            multiplier=self.terms.multiplier[sids],
            market=market,
            is_maker=is_maker,
        )

    def _capped(
        self, batch: Batch, sids: Ints, quantity: Floats, price: Floats, limit: Floats | None
    ) -> Floats:
        if limit is None and not self._is_bounded:
            return price
        price = self.round_price(sids, price, up=quantity)
        bounds = self.price_limits.bounds(batch, sids, quantity)
        bounds += [] if limit is None else [limit]
        if self.policy.within_range and batch.high is not None and batch.low is not None:
            bounds.append(np.where(quantity > 0, batch.high[sids], batch.low[sids]))
        for bound in bounds:
            # fmin and fmax ignore NaN: no limit.
            price = np.where(quantity > 0, np.fmin(price, bound), np.fmax(price, bound))
        return price


def _filled_at(quote: Quote, model: Slippage) -> Floats:
    return one_each(model.fill_price(quote), quote, model, "fill_price")
