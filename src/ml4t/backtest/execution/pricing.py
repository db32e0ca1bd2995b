"""Pricing: what a fill pays, from a base price to the price paid and its charges.

Slippage and impact move the price against the trader, ticks round it against him, a limit caps
it; commission, taxes and fees come on top.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Batch, Bools, Floats, Ints
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.errors import CostError
from ml4t.backtest.execution.costs.contract import (
    Charges,
    Commission,
    MonthToDate,
    Quote,
    Slippage,
    one_each,
    prices_each,
)
from ml4t.backtest.execution.orders.ticks import on_ticks
from ml4t.backtest.execution.price_limits import PriceLimits
from ml4t.backtest.portfolio.exchange import Exchange

NO_COLUMNS: Mapping[str, Floats] = {}


class Priced(NamedTuple):
    """What orders of these quantities pay where they fill, costs included.

    Attributes
    ----------
    quantity : float array
    slipped, paid : float array
        Price per share before and after impact.
    charge : float array
        Commission, tax and fee, account currency.
    parts : float array or None
        ``[3, order]``: commission, tax and fee; None: all of `charge` is commission.
    """

    quantity: Floats
    slipped: Floats
    paid: Floats
    charge: Floats
    parts: Floats | None = None

    @property
    def commission(self) -> Floats:
        """Account currency."""
        return self.charge if self.parts is None else self.parts[0]

    @property
    def levies(self) -> Floats | None:
        """``[2, order]``: tax and fee; None: there are none."""
        return None if self.parts is None else self.parts[1:]

    def at(self, places: slice) -> Priced:
        """Return what some of the orders pay."""
        slipped = self.slipped[places]
        paid = slipped if self.paid is self.slipped else self.paid[places]
        parts = None if self.parts is None else self.parts[:, places]
        return Priced(self.quantity[places], slipped, paid, self.charge[places], parts)

    def then(self, other: Priced) -> Priced:
        """Return what these orders pay, and then others."""
        slipped = np.concatenate((self.slipped, other.slipped))
        is_both = self.paid is self.slipped and other.paid is other.slipped
        paid = slipped if is_both else np.concatenate((self.paid, other.paid))
        quantity = np.concatenate((self.quantity, other.quantity))
        charge, parts = np.concatenate((self.charge, other.charge)), None
        if self.parts is not None or other.parts is not None:
            parts = np.concatenate((_parts(self), _parts(other)), axis=1)
        return Priced(quantity, slipped, paid, charge, parts)


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
    dates : int array
        Trading date of each bar, as days since 1970.
    month : MonthToDate, optional
        What the account has filled in the month; one of its own by default.
    exchange : Exchange, optional
        Converts charges, which are in the currency of the asset, and what fills pay.

    Attributes
    ----------
    charges_late : bool
        What a fill is charged depends on what filled before it.
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
        dates: Ints,
        month: MonthToDate | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        self._commission, self._slippage, self._impact = commission, slippage, impact
        self._terms, self._price_limits, self.within_range = terms, price_limits, within_range
        self.has_ticks = bool((terms.tick_size > 0).any())
        # Whether anything but a limit of its own bounds the price of a fill.
        self._is_bounded = bool(self.has_ticks or within_range or price_limits.priced)
        models = [model for model in (commission, slippage, impact) if model is not None]
        self.spans_bars = all(map(prices_each, models))
        # Models of this package say whether they ask for dates; one of the user's may.
        self._dates = None if self.spans_bars else dates
        self._counts_month = bool(getattr(commission, "counts_month", False))
        self._exchange = exchange
        self.charges_late = self._counts_month or bool(exchange and exchange.charges_late)
        self._month = MonthToDate() if month is None else month
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
        charge, parts = self._charged(batch, sids, quantity, paid, is_maker=is_maker)
        return Priced(quantity, slipped, paid, charge, parts)

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
        """Return what each fill is charged: commission, tax and fee, account currency."""
        return self._charged(batch, sids, quantity, price, is_maker=is_maker)[0]

    def _charged(
        self,
        batch: Batch,
        sids: Ints,
        quantity: Floats,
        price: Floats,
        *,
        is_maker: bool,
        cash: float | None = None,
    ) -> tuple[Floats, Floats | None]:
        """Return what each fill is charged, and commission, tax and fee of it apart.

        None: all of it is commission. `cash` is what there is before them, where they fill now.
        """
        charged, parts = self._said(batch, sids, quantity, price, is_maker=is_maker)
        exchange = self._exchange
        if exchange is None:
            return charged, parts
        nothing = np.zeros(len(sids))
        own = np.array([charged, nothing, nothing]) if parts is None else parts
        parts = own * exchange.rate[sids]
        value = np.where(
            self._terms.margined(sids), 0.0, quantity * price * self._terms.multiplier[sids]
        )
        parts[2] += exchange.costs(sids, value + parts.sum(axis=0), cash)
        return parts[0] + parts[1] + parts[2], parts

    def _said(
        self, batch: Batch, sids: Ints, quantity: Floats, price: Floats, *, is_maker: bool
    ) -> tuple[Floats, Floats | None]:
        """Return what the model of commission says of fills, in the currency of each asset."""
        model = self._commission
        quote = self._quote(batch, sids, quantity, price, model, is_maker=is_maker)
        found = model.charge(quote)
        parts = None
        if isinstance(found, Charges):
            each = (found.commission, found.tax, found.fee)
            parts = np.array([one_each(one, quote, model, "charge") for one in each])
            charged: Floats = parts[0] + parts[1] + parts[2]
        else:
            charged = one_each(found, quote, model, "charge")
        if np.count_nonzero(np.isfinite(charged)) < len(charged):
            raise CostError(
                f"{model!r} charged {charged[~np.isfinite(charged)][0]} for a fill; a "
                "commission is a finite number",
                sids=sids[~np.isfinite(charged)],
            )
        return charged, parts

    def charged_now(
        self, batch: Batch, sids: Ints, priced: Priced, cash: float, *, is_maker: bool
    ) -> Priced:
        """Return what fills pay at the moment they are booked, and count them to their month.

        `cash` is what there is before them, account currency.
        """
        charge, parts = self._charged(
            batch, sids, priced.quantity, priced.paid, is_maker=is_maker, cash=cash
        )
        if not self._counts_month:
            return priced._replace(charge=charge, parts=parts)
        size = np.abs(priced.quantity)
        value = size * priced.paid * self._terms.multiplier[sids]
        self._month.add(self._date(batch.t), float(size.sum()), float(value.sum()))
        return priced._replace(charge=charge, parts=parts)

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
        quote = Quote(
            sids=sids,
            quantity=quantity,
            price=price,
            multiplier=self._terms.own_multiplier[sids],
            market=market,
            is_maker=is_maker,
        )
        if self._exchange is not None:
            quote.currencies = self._exchange.said_of(sids)
        if self._dates is not None:
            quote.date = self._date(batch.t)
            if self._counts_month:
                quote.month_shares, quote.month_value = self._month.at(quote.date)
        return quote

    def _date(self, t: int) -> np.datetime64:
        assert self._dates is not None
        return np.datetime64(self._dates.item(t), "D")

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


def _parts(priced: Priced) -> Floats:
    """Return commission, tax and fee of orders, ``[3, order]``."""
    if priced.parts is not None:
        return priced.parts
    nothing = np.zeros(len(priced.charge))
    return np.array([priced.charge, nothing, nothing])


def put_together(each: Sequence[Priced], places: Sequence[Bools]) -> Priced:
    """Join what orders of several kinds pay, each where they stand."""
    quantity, slipped, paid, charge = np.empty((4, len(places[0])))
    parts = np.empty((3, len(charge))) if any(one.parts is not None for one in each) else None
    for one, where in zip(each, places, strict=True):
        quantity[where], slipped[where] = one.quantity, one.slipped
        paid[where], charge[where] = one.paid, one.charge
        if parts is not None:
            parts[:, where] = _parts(one)
    return Priced(quantity, slipped, paid, charge, parts)


def _filled_at(quote: Quote, model: Slippage) -> Floats:
    return one_each(model.fill_price(quote), quote, model, "fill_price")
