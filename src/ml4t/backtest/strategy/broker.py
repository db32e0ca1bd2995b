"""StrategyBroker: what a strategy may ask of the broker. Limits come in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Batch, Selection
from ml4t.backtest.core.orders import OrderStatus, OrderType, TimeInForce, parse_choice
from ml4t.backtest.errors import ConfigError, did_you_mean
from ml4t.backtest.execution.broker import SimulationBroker
from ml4t.backtest.execution.order import Order
from ml4t.backtest.execution.order_book import MARKET_TYPES
from ml4t.backtest.portfolio.portfolio import Portfolio
from ml4t.backtest.risk.limit_desk import LimitDesk

ORDER_TAG, TAKE_PROFIT, STOP_LOSS = "order", "take_profit", "stop_loss"
# A change below this share of the position is rounding, not a decision.
SMALLEST_CHANGE = 1e-9
EPOCH = date(1970, 1, 1)


class OrderTerms(TypedDict, total=False):
    """What may be said of an order besides asset and quantity; see `Strategy.buy`."""

    limit: float | None
    stop: float | None
    trail: float | None
    trail_fraction: float | None
    take_profit: float | None
    stop_loss: float | None
    on_close: bool
    tif: str | None
    good_till: date | datetime | None
    tag: str


class StrategyBroker:
    """The orders of one run's strategy.

    Parameters
    ----------
    broker : SimulationBroker
    portfolio : Portfolio
    limits : LimitDesk
        Asked before every order.
    asset_ids : array
        By `sid`.
    """

    def __init__(
        self,
        broker: SimulationBroker,
        portfolio: Portfolio,
        limits: LimitDesk,
        asset_ids: NDArray[np.object_],
    ) -> None:
        self._broker, self._portfolio, self._limits = broker, portfolio, limits
        self._asset_ids = asset_ids
        self._sids: dict[object, int] = {}
        self._batch: Batch | None = None

    def begin(self, batch: Batch) -> None:
        """Take the bar at whose close the next orders are decided."""
        self._batch = batch

    # -- reading ----------------------------------------------------------------------

    @property
    def cash(self) -> float:
        """Account currency."""
        return self._portfolio.cash

    @property
    def equity(self) -> float:
        """Cash plus positions at their marks, account currency."""
        return self._portfolio.equity_at(self._portfolio.mark)

    @property
    def assets(self) -> list[object]:
        """Every asset of the run, by `sid`: the index into the arrays of a batch."""
        return list(self._asset_ids)

    def sid(self, asset: object) -> int:
        """Return the number of an asset, the index into the arrays of a batch."""
        if not self._sids:
            self._sids = {name: sid for sid, name in enumerate(self._asset_ids.tolist())}
        if asset not in self._sids:
            known = [str(name) for name in self._sids]
            raise ConfigError(f"there is no asset {asset!r} in prices"
                              f"{did_you_mean(str(asset), known[:10_000])}")  # fmt: skip
        return self._sids[asset]

    def position(self, asset: object) -> float:
        """Return the shares held, negative short."""
        return float(self._portfolio.quantity[self.sid(asset)])

    def open_orders(self, asset: object = None) -> list[Order]:
        """Return the open orders, of one asset or of all, by number."""
        return self._broker.open_orders(None if asset is None else self.sid(asset))

    # -- target weights ---------------------------------------------------------------

    def order_targets(self, selection: Selection) -> None:
        """Order target weights for all assets: what is held and not named is closed.

        Raises
        ------
        ConfigError
            A weight is not finite, or an asset is named twice or does not exist.
        """
        n_assets = len(self._portfolio.quantity)
        sids = selection.sids
        if not np.isfinite(selection.weights).all():
            raise ConfigError(f"target weights must be finite, were {selection.weights!r}")
        # A set is ten times faster than numpy's unique, and this is asked at every decision.
        named = set(sids.tolist())
        if len(named) < len(sids) or (named and not 0 <= min(named) <= max(named) < n_assets):
            raise ConfigError(f"targets must name known assets, each once, were {sids!r}")
        selection = self._limits.edit_targets(self._now.t, selection)
        self._broker.order_targets(self._now, selection, self._limits.untouched)

    def order_target_weights(self, weights: Mapping[object, float]) -> None:
        """Order target weights by asset, fractions of equity; what is not named is closed."""
        sids = np.array([self.sid(asset) for asset in weights], dtype=np.int64)
        shares = np.array([float(weight) for weight in weights.values()])
        self.order_targets(Selection(sids=sids, scores=np.full(len(sids), np.nan), weights=shares))

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
        if not _is_number(quantity) or quantity == 0:
            raise ConfigError(f"quantity must be a number other than 0, was {quantity!r}")
        kind, force = _require_terms(terms)
        good_till = terms.get("good_till")
        sid = self.sid(asset)
        order = Order(
            order_id=self._broker.new_id(),
            sid=sid,
            asset=asset,
            quantity=float(quantity),
            order_type=kind,
            created_t=self._now.t,
            limit=terms.get("limit"),
            stop=terms.get("stop"),
            trail_amount=terms.get("trail"),
            trail_fraction=terms.get("trail_fraction"),
            time_in_force=force,
            good_till=None if good_till is None else _days(good_till),
            tag=terms.get("tag", ORDER_TAG),
        )
        self._add_children(order, terms.get("take_profit"), terms.get("stop_loss"))
        self._require_range(order)
        self._place(order)
        return order

    def order_target(self, asset: object, quantity: float, *, tag: str = ORDER_TAG) -> Order | None:
        """Order what is missing to `quantity`, open market orders counted; None: nothing is."""
        sid = self.sid(asset)
        target = float(self._broker.executor.whole(np.array([sid]), np.array([quantity]))[0])
        live, coming = float(self._portfolio.quantity[sid]), self._coming(sid)
        change = target - live - sum(coming)
        # Measured against what it is the difference of: their rounding is no order.
        if abs(change) <= SMALLEST_CHANGE * max(map(abs, (target, live, *coming))):
            return None
        return self.order(asset, change, tag=tag)

    def order_target_percent(
        self, asset: object, fraction: float, *, tag: str = ORDER_TAG
    ) -> Order | None:
        """Order what is missing to `fraction` of equity, both at this close."""
        if not _is_number(fraction):
            raise ConfigError(f"fraction must be a number, was {fraction!r}")
        sid = self.sid(asset)
        price = self._price(sid) * float(self._portfolio.multiplier[sid])
        if price != price:
            return self._unsized(asset, tag)
        return self.order_target(asset, fraction * max(self.equity, 0.0) / price, tag=tag)

    def cancel(self, order: Order) -> None:
        """Cancel an open order and what lives only through it; one that ended stays as it is."""
        self._broker.cancel(order)

    def replace(
        self,
        order: Order,
        *,
        quantity: float | None = None,
        limit: float | None = None,
        stop: float | None = None,
    ) -> None:
        """Change an open order in place; `quantity` counts what has filled already."""
        if not order.is_open:
            raise ConfigError(f"order {order.order_id} is {order.status} and cannot be replaced")
        if quantity is not None:
            if not _is_number(quantity) or quantity * order.quantity <= 0:
                raise ConfigError(f"quantity must keep the order's side, was {quantity!r}")
            order.quantity += self._allowed_more(order, self._whole(order, float(quantity)))
        for name, value in (("limit", limit), ("stop", stop)):
            if value is None:
                continue
            if getattr(order, name) is None:
                raise ConfigError(f"a {order.order_type} order has no {name} to replace")
            if not _is_number(value) or not value > 0:
                raise ConfigError(f"{name} must be a number above 0, was {value!r}")
            setattr(order, name, float(value))
            order.is_triggered = order.is_triggered and name != "stop"
        self._broker.round_prices(order)
        if abs(order.left) <= SMALLEST_CHANGE * abs(order.quantity) or order.left * order.side < 0:
            if order.filled_quantity:
                order.quantity = order.filled_quantity
            self._broker.cancel(order)

    def _allowed_more(self, order: Order, quantity: float) -> float:
        """Return the change of an order's quantity that the limits leave; less is always fine."""
        more = quantity - order.quantity
        if more * order.side <= 0:
            return more
        allowed = self._limits.allow(self._now.t, order.sid, more, self._price(order.sid))
        if allowed != more:
            order.reason = f"cut by {self._limits.denied_by}"
        return allowed

    def one_cancels_other(self, orders: Sequence[Order]) -> None:
        """Tie orders together: the first that fills cancels the others; ended ones are left out."""
        group = [order for order in orders if order.is_open]
        for order in group:
            if order.group:
                raise ConfigError(f"order {order.order_id} is in a group already")
        for order in group:
            order.group = group

    # -- inside -----------------------------------------------------------------------

    @property
    def _now(self) -> Batch:
        if self._batch is None:
            raise ConfigError("orders can be sent from decide() only, at the close of a bar")
        return self._batch

    def _price(self, sid: int) -> float:
        close = float(self._now.close[sid])
        return close if close == close else float(self._portfolio.mark[sid])

    def _coming(self, sid: int) -> list[float]:
        """Return what open market orders of an asset are still to trade, signed."""
        return [
            order.left
            for order in self._broker.open_orders(sid)
            if order.is_alive
            and (order.order_type in MARKET_TYPES or (order.is_triggered and order.limit is None))
        ]

    def _place(self, order: Order) -> None:
        """Round to lots and ticks, ask the limits, and submit."""
        whole = self._whole(order, order.quantity)
        if whole == 0:
            self._broker.refuse(order, OrderStatus.REJECTED, "below one lot")
            return
        order.quantity = whole
        # What only reduces a position when it is sent never opens the other side, whatever has
        # closed the position by the time it fills.
        # A position that is only on its way does not count: until it is there, nothing is held that
        # an exit could close, and it would end.
        live = float(self._portfolio.quantity[order.sid])
        held = live + sum(left for left in self._coming(order.sid) if left * live < 0)
        is_within = abs(whole) <= abs(held) * (1 + SMALLEST_CHANGE)
        order.is_exit = live * whole < 0 and held * whole < 0 and is_within
        price = self._price(order.sid)
        if order.order_type is OrderType.TRAILING_STOP:
            if price != price:
                self._broker.refuse(order, OrderStatus.REJECTED, "no bar")
                return
            order.best_price = price
        left = self._limits.allow(self._now.t, order.sid, order.quantity, price)
        if left == 0:
            self._broker.refuse(order, OrderStatus.DENIED, self._limits.denied_by)
            return
        if left != order.quantity:
            order.reason, order.quantity = f"cut by {self._limits.denied_by}", left
        self._broker.submit(order)

    def _whole(self, order: Order, quantity: float) -> float:
        """Return a quantity cut to whole lots, unless it closes exactly what is held."""
        if quantity - order.filled_quantity == -float(self._portfolio.quantity[order.sid]):
            return quantity
        whole = self._broker.executor.whole(np.array([order.sid]), np.array([quantity]))
        return float(whole[0])

    def _unsized(self, asset: object, tag: str) -> Order:
        """Refuse an order for an asset whose price is not known, so that it has no quantity."""
        order = Order(
            order_id=self._broker.new_id(),
            sid=self.sid(asset),
            asset=asset,
            quantity=float("nan"),
            order_type=OrderType.MARKET,
            created_t=self._now.t,
            time_in_force=TimeInForce.DAY,
            tag=tag,
        )
        self._broker.refuse(order, OrderStatus.REJECTED, "no bar")
        return order

    def _add_children(
        self, parent: Order, take_profit: float | None, stop_loss: float | None
    ) -> None:
        """Give an order the exits that come alive when it fills, one cancelling the other."""
        for price, tag in ((take_profit, TAKE_PROFIT), (stop_loss, STOP_LOSS)):
            if price is None:
                continue
            is_limit = tag == TAKE_PROFIT
            child = Order(
                order_id=self._broker.new_id(),
                sid=parent.sid,
                asset=parent.asset,
                quantity=-parent.quantity,
                order_type=OrderType.LIMIT if is_limit else OrderType.STOP,
                created_t=parent.created_t,
                limit=price if is_limit else None,
                stop=None if is_limit else price,
                tag=tag,
                parent=parent,
                is_exit=True,
            )
            parent.children.append(child)
        if len(parent.children) > 1:
            for child in parent.children:
                child.group = parent.children

    def _require_range(self, order: Order) -> None:
        if self._now.high is not None and self._now.low is not None:
            return
        for one in (order, *order.children):
            if one.order_type not in MARKET_TYPES:
                raise ConfigError(
                    f"a {one.order_type} order needs prices with columns 'high' and 'low'; "
                    "add them to the source"
                )


PRICES = ("limit", "stop", "trail", "trail_fraction", "take_profit", "stop_loss")
KINDS = {
    (): OrderType.MARKET,
    ("on_close",): OrderType.MARKET_ON_CLOSE,
    ("limit",): OrderType.LIMIT,
    ("stop",): OrderType.STOP,
    ("limit", "stop"): OrderType.STOP_LIMIT,
    ("trail",): OrderType.TRAILING_STOP,
    ("trail_fraction",): OrderType.TRAILING_STOP,
}


def _require_terms(terms: OrderTerms) -> tuple[OrderType, TimeInForce]:
    """Return type and time in force of an order, or refuse terms that mean nothing."""
    given: dict[str, object] = {name: value for name, value in terms.items() if value is not None}
    unknown = set(given) - set(OrderTerms.__annotations__)
    if unknown:
        name = sorted(unknown)[0]
        raise ConfigError(
            f"an order has no {name!r}{did_you_mean(name, OrderTerms.__annotations__)}"
        )
    for name in PRICES:
        value = given.get(name, 1.0)
        if not _is_number(value) or not float(value) > 0:  # type: ignore[arg-type]
            raise ConfigError(f"{name} must be a number above 0, was {value!r}")
    if terms.get("trail_fraction") is not None and not float(terms["trail_fraction"] or 0) < 1:
        raise ConfigError(f"trail_fraction must be below 1, was {terms['trail_fraction']!r}")
    own = [name for name in PRICES[:4] if name in given]
    own += ["on_close"] if terms.get("on_close") else []
    if tuple(own) not in KINDS:
        raise ConfigError(f"an order cannot have {' and '.join(own)} together")
    kind = KINDS[tuple(own)]
    is_market = kind in (OrderType.MARKET, OrderType.MARKET_ON_CLOSE)
    default = TimeInForce.DAY if is_market else TimeInForce.GTC
    tif = terms.get("tif")
    force = default if tif is None else parse_choice(TimeInForce, "tif", tif)
    if (force is TimeInForce.GTD) != ("good_till" in given):
        raise ConfigError("good_till goes with tif='gtd', and the other way round")
    return kind, force


def _is_number(value: object) -> bool:
    return (
        isinstance(value, (int, float, np.integer, np.floating))
        and not isinstance(value, bool)
        and bool(np.isfinite(value))
    )


def _days(when: date | datetime) -> int:
    day = when.date() if isinstance(when, datetime) else when
    return (day - EPOCH).days
