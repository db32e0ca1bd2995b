"""Pricing: what a fill pays, from a base price to the price paid and its commission.

Slippage and impact move the price against the trader, ticks round it against him, a limit caps
it; commission comes on top.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Batch, Floats, Ints
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.errors import CostError
from ml4t.backtest.execution.costs.contract import (
    Commission,
    Quote,
    Slippage,
    one_each,
    prices_each,
)
from ml4t.backtest.execution.orders.ticks import on_ticks
from ml4t.backtest.execution.price_limits import PriceLimits

NO_COLUMNS: Mapping[str, Floats] = {}


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

    def at(self, places: slice) -> Priced:
        """Return what some of the orders pay."""
        slipped = self.slipped[places]
        paid = slipped if self.paid is self.slipped else self.paid[places]
        return Priced(self.quantity[places], slipped, paid, self.charge[places])

    def then(self, other: Priced) -> Priced:
        """Return what these orders pay, and then others."""
        slipped = np.concatenate((self.slipped, other.slipped))
        is_both = self.paid is self.slipped and other.paid is other.slipped
        paid = slipped if is_both else np.concatenate((self.paid, other.paid))
        quantity = np.concatenate((self.quantity, other.quantity))
        return Priced(quantity, slipped, paid, np.concatenate((self.charge, other.charge)))


class Pricing:
    """Asks the cost models of a run what fills pay.

    Parameters
    ----------
    commission, slippage, impact
        Cost models; `impact` may be None.
    terms : Instruments
    price_limits : PriceLimits
        What the price limits of the bars mean.
    within_range : bool
        No price is outside the range of its bar.
    """

    def __init__(
        self,
        commission: Commission,
        slippage: Slippage,
        impact: Slippage | None,
        terms: Instruments,
        price_limits: PriceLimits,
        *,
        within_range: bool,
    ) -> None:
        self._commission, self._slippage, self._impact = commission, slippage, impact
        self._terms, self._price_limits, self.within_range = terms, price_limits, within_range
        self.has_ticks = bool((terms.tick_size > 0).any())
        # Whether anything but a limit of its own bounds the price of a fill.
        self._is_bounded = bool(self.has_ticks or within_range or price_limits.priced)
        models = [model for model in (commission, slippage, impact) if model is not None]
        self.spans_bars = all(map(prices_each, models))
        self.columns = tuple(dict.fromkeys(name for model in models for name in model.features))

    def priced(
        self,
        batch: Batch,
        sids: Ints,
        quantity: Floats,
        base: Floats,
        limit: Floats | None = None,
        *,
        is_maker: bool = False,
        slips: bool = True,
    ) -> Priced:
        """Return what orders pay at a base price; never past a limit, NaN = none."""
        slipped = paid = base
        if slips:
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
        return on_ticks(price, self._terms.tick_size[sids], up)

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
            multiplier=self._terms.multiplier[sids],
            market=market,
            is_maker=is_maker,
        )

    def _capped(
        self, batch: Batch, sids: Ints, quantity: Floats, price: Floats, limit: Floats | None
    ) -> Floats:
        if limit is None and not self._is_bounded:
            return price
        price = self.round_price(sids, price, up=quantity)
        bounds = self._price_limits.bounds(batch, sids, quantity)
        bounds += [] if limit is None else [limit]
        if self.within_range and batch.high is not None and batch.low is not None:
            bounds.append(np.where(quantity > 0, batch.high[sids], batch.low[sids]))
        for bound in bounds:
            # fmin and fmax ignore NaN: no limit.
            price = np.where(quantity > 0, np.fmin(price, bound), np.fmax(price, bound))
        return price


def _filled_at(quote: Quote, model: Slippage) -> Floats:
    return one_each(model.fill_price(quote), quote, model, "fill_price")
