"""StrategyBroker: what a strategy may ask of the broker. Limits come in between.

What it reads of the account is in `account_reader`. One order is made, checked and sent in
`order_entry`; what may be said of it is in `order_terms`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Unpack

import numpy as np

from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.batch import Selection
from ml4t.backtest.core.fractions import SIGNED, require_fraction
from ml4t.backtest.core.orders import require_size
from ml4t.backtest.core.tolerances import NO_CHANGE
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.execution.broker import BarBroker
from ml4t.backtest.execution.orders.order import Order, amend
from ml4t.backtest.execution.pending.no_trade_band import NoTradeBand
from ml4t.backtest.portfolio.portfolio import Portfolio
from ml4t.backtest.risk.limits.engine import LimitEngine
from ml4t.backtest.strategy.account_reader import AccountReader
from ml4t.backtest.strategy.amounts import ORDER_TAG, is_number, require_weight
from ml4t.backtest.strategy.order_entry import OrderEntry, is_coming
from ml4t.backtest.strategy.order_terms import OrderTerms, require_terms


class StrategyBroker(AccountReader):
    """The orders of one run's strategy, and the account that it reads.

    Parameters
    ----------
    broker : BarBroker
    portfolio : Portfolio
    limits : LimitEngine
        Asked before every order.
    axes : Axes
        What the integers of the run stand for.
    """

    def __init__(
        self,
        broker: BarBroker,
        portfolio: Portfolio,
        limits: LimitEngine,
        axes: Axes,
    ) -> None:
        super().__init__(portfolio, OrderEntry(broker, portfolio, limits), axes)
        self._broker, self._limits = broker, limits

    def open_orders(self, asset: object = None) -> list[Order]:
        """Return the open orders, of one asset or of all, by number."""
        return self._broker.open_orders(None if asset is None else self.sid(asset))

    # -- target weights ---------------------------------------------------------------

    def order_targets(
        self, selection: Selection, *, min_trade: float = 0.0, band: float = 0.0
    ) -> None:
        """Order target weights for all assets: what is held and not named is closed.

        Parameters
        ----------
        min_trade, band : float
            Changes that are not made, see `Ranking`.

        Raises
        ------
        ConfigError
            A weight is not finite, or an asset is named twice or does not exist.
        """
        n_assets = len(self._portfolio.quantity)
        sids = selection.sids
        weights = selection.weights
        if np.count_nonzero(np.isfinite(weights)) < len(weights):
            raise ConfigError(f"target weights must be finite, were {selection.weights!r}")
        # A set is ten times faster than numpy's unique, and this is asked at every decision.
        named = set(sids.tolist())
        if len(named) < len(sids) or (named and not 0 <= min(named) <= max(named) < n_assets):
            raise ConfigError(f"targets must name known assets, each once, were {sids!r}")
        now = self._order_entry.now
        selection = self._limits.edit_targets(now.t, selection)
        patience = NoTradeBand(min_trade, band)
        self._broker.order_targets(now, selection, self._limits.untouched, patience)

    def is_worth(self, asset: object, quantity: float, min_trade: float, band: float) -> bool:
        """Return whether a change to `quantity` is to be made at this close, see `Ranking`."""
        patience = NoTradeBand(min_trade, band)
        if not patience:
            return True
        held = self.get_position(asset)
        change = quantity - held.quantity
        is_worth = self._broker.passed_over.allows(
            patience, np.array([quantity]), np.array([held.quantity]),
            np.array([abs(change) * held.price * held.multiplier]), self.equity,
        )  # fmt: skip
        return bool(is_worth[0])

    def order_target_weights(
        self, weights: Mapping[object, float], *, min_trade: float = 0.0, band: float = 0.0
    ) -> None:
        """Order target weights by asset, fractions of equity; what is not named is closed.

        A weight is from -10 to 10.
        """
        if not isinstance(weights, Mapping):
            raise ConfigError(
                f"target weights must be a mapping of asset to number, was {weights!r}"
            )
        for asset, weight in weights.items():
            require_weight(asset, weight)
        sids = np.array([self.sid(asset) for asset in weights], dtype=np.int64)
        shares = np.array([float(weight) for weight in weights.values()])
        self.order_targets(
            Selection(sids=sids, scores=np.full(len(sids), np.nan), weights=shares),
            min_trade=min_trade,
            band=band,
        )

    # -- discrete orders --------------------------------------------------------------

    def order(
        self,
        asset: object,
        quantity: float,
        **terms: Unpack[OrderTerms],
    ) -> Order:
        """Send an order; see `Strategy.buy` for what the terms mean.

        Parameters
        ----------
        quantity : float
            Shares, positive buys, negative sells; not 0.
        """
        return self._order(asset, quantity, terms)

    def _order(
        self, asset: object, quantity: float, terms: OrderTerms, *, is_fraction: bool = False
    ) -> Order:
        """Send an order; a fraction is cut to what the account carries when it fills."""
        if not is_number(quantity) or quantity == 0:
            raise ConfigError(f"quantity must be a number other than 0, was {quantity!r}")
        require_size(quantity)
        kind, force = require_terms(terms)
        sid = self.sid(asset)
        order = self._order_entry.make(
            asset, sid=sid, quantity=float(quantity), kind=kind, force=force, terms=terms
        )
        amend(order, is_fraction=is_fraction)
        self._order_entry.place(order)
        return order

    def order_target(self, asset: object, quantity: float, *, tag: str = ORDER_TAG) -> Order | None:
        """Order what is missing to `quantity`, open market orders counted; None: nothing is.

        Where nothing is held and `quantity` is no lot, the order is rejected and says so.
        """
        return self._order_target(asset, quantity, tag)

    def _order_target(
        self, asset: object, quantity: float, tag: str, *, is_fraction: bool = False
    ) -> Order | None:
        """Order what is missing to `quantity`; see `_order`."""
        if not is_number(quantity):
            raise ConfigError(f"quantity must be a number, was {quantity!r}")
        require_size(quantity)
        sid = self.sid(asset)
        target = float(self._broker.executor.whole(np.array([sid]), np.array([quantity]))[0])
        live, coming = float(self._portfolio.quantity[sid]), self._order_entry.coming(sid)
        if not (target or live or coming):
            target = float(quantity)  # no lot: the order says so
        change = target - live - sum(coming)
        # Measured against what it is the difference of: their rounding is no order.
        if abs(change) <= NO_CHANGE * max(map(abs, (target, live, *coming))):
            return None
        return self._order(asset, change, {"tag": tag}, is_fraction=is_fraction)

    def order_target_percent(
        self, asset: object, fraction: float, *, price: float | None = None, tag: str = ORDER_TAG
    ) -> Order | None:
        """Order what is missing to `fraction` of equity, both at this close unless priced.

        `fraction` is from -10 to 10, negative short.
        """
        quantity = self._worth(asset, fraction, price)
        if quantity is None:
            return self._order_entry.refuse_unsized(asset, sid=self.sid(asset), tag=tag)
        return self._order_target(asset, quantity, tag, is_fraction=True)

    def set_position_percent(
        self, asset: object, fraction: float, *, price: float | None = None, tag: str = ORDER_TAG
    ) -> Order | None:
        """Order what is missing to `fraction` of equity, and take back what would be too much.

        Other than `order_target_percent` it never sells what is only on its way: sales fill before
        purchases, so that what they bought would stay.
        """
        quantity, sid = self._worth(asset, fraction, price), self.sid(asset)
        if quantity is None:
            return self._order_entry.refuse_unsized(asset, sid=sid, tag=tag)
        live = self._portfolio.quantity.item(sid)
        change = quantity - live - sum(self._order_entry.coming(sid))
        if change * live < 0 and abs(change) > abs(live):
            self._cancel_additions(sid)
        return self._order_target(asset, quantity, tag, is_fraction=True)

    def order_percent(
        self, asset: object, fraction: float, *, price: float | None = None, tag: str = ORDER_TAG
    ) -> Order | None:
        """Buy (above 0) or sell shares for `fraction` of equity; None: there is no equity."""
        quantity = self._worth(asset, fraction, price)
        if quantity is None:
            return self._order_entry.refuse_unsized(asset, sid=self.sid(asset), tag=tag)
        if not quantity:
            return None
        return self._order(asset, quantity, {"tag": tag}, is_fraction=True)

    def _worth(self, asset: object, fraction: float, price: float | None) -> float | None:
        """Return the shares that are worth `fraction` of equity; None: no price is known."""
        require_fraction("fraction", fraction, SIGNED)
        sid = self.sid(asset)
        if price is None:
            price = self._order_entry.price(sid)
        elif not is_number(price) or not price > 0:
            raise ConfigError(f"price must be a number above 0, was {price!r}")
        if not price > 0:  # dividends may have taken all of a mark
            return None
        unit = price * self._portfolio.multiplier.item(sid)
        return fraction * max(self.equity, 0.0) / unit

    def close_position(self, asset: object, *, tag: str = ORDER_TAG) -> Order | None:
        """Sell, or buy back, all that is held; None: nothing is, or it is on its way out.

        Market orders that would open or add to it are cancelled first: sales fill before
        purchases, so that what they bought would stay.
        """
        sid = self.sid(asset)
        self._cancel_additions(sid)
        if not self._portfolio.quantity.item(sid):
            return None
        return self.order_target(asset, 0.0, tag=tag)

    def reduce_position(self, asset: object, part: float, *, tag: str = ORDER_TAG) -> Order | None:
        """Close a part of a position, at most what no other order closes; None: nothing is left."""
        sid = self.sid(asset)
        live = self._portfolio.quantity.item(sid)
        leaving = sum(left for left in self._order_entry.coming(sid) if left * live < 0)
        left = live + leaving
        if left * live <= 0 or abs(left) <= NO_CHANGE * abs(live):
            return None
        closing = min(abs(live) * part, abs(left))
        return self.order(asset, -math.copysign(closing, live), tag=tag) if closing else None

    def cancel_coming(self) -> None:
        """Cancel every market order that waits, whatever its asset."""
        for order in self._broker.open_orders(None):
            if is_coming(order):
                self._broker.cancel(order)

    def _cancel_additions(self, sid: int) -> None:
        """Cancel the market orders that would open a position, or add to it."""
        live = self._portfolio.quantity.item(sid)
        for order in self._order_entry.coming_orders(sid):
            if not live or order.left * live > 0:
                self._broker.cancel(order)

    def cancel(self, order: Order) -> None:
        """Cancel an open order and what lives only through it; one that ended stays as it is."""
        self._broker.cancel(_require_order(order))

    def replace(
        self,
        order: Order,
        *,
        quantity: float | None = None,
        limit: float | None = None,
        stop: float | None = None,
    ) -> None:
        """Change an open order in place; `quantity` counts what has filled already."""
        self._order_entry.replace(_require_order(order), quantity=quantity, limit=limit, stop=stop)

    def one_cancels_other(self, orders: Sequence[Order]) -> None:
        """Tie orders together: the first that fills cancels the others; ended ones are left out."""
        group = tuple(order for order in orders if _require_order(order).is_open)
        for order in group:
            if order.group:
                raise ConfigError(f"order {order.order_id} is in a group already")
        for order in group:
            amend(order, group=group)


def _require_order(order: object) -> Order:
    if not isinstance(order, Order):
        raise ConfigError(f"order must be an Order that buy() or sell() returned, was {order!r}")
    return order
