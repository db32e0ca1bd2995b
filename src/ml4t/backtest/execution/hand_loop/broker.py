"""SimulationBroker: the broker of loops written by hand, and settings for an engine.

What fills when, in the bar of one event (`LoopOrder.met`): an order decided at an earlier
timestamp at its open, or at its close where it has no open; one with a price of its own where a
later bar touches that, or at a later close that is no worse than it; an exit whose level the event
itself has passed at the level, or at the open where that is beyond it already; an exit or order
that asks for it at the close of the event at which it was decided. Nothing else fills at the time
at which it was decided. Slippage moves each of these prices, commission comes on top.

The account is a cash account: it never shorts, and cash never falls below zero. A purchase is
cut to what cash carries; the rest waits for what other assets' sales of the same moment bring,
and ends with the timestamp.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from ml4t.backtest.core.event import MarketEvent
from ml4t.backtest.core.orders import OrderStatus
from ml4t.backtest.core.tolerances import NO_CHANGE
from ml4t.backtest.errors import ConfigError, as_float, require_number
from ml4t.backtest.execution.account.buying_power import share_that_fits
from ml4t.backtest.execution.costs.commission import BasisPointCommission
from ml4t.backtest.execution.costs.contract import Commission, Slippage
from ml4t.backtest.execution.costs.slippage import BasisPointSlippage
from ml4t.backtest.execution.hand_loop.costs import LoopCosts
from ml4t.backtest.execution.hand_loop.order import LoopFill, LoopOrder, When, amend_loop
from ml4t.backtest.execution.hand_loop.portfolio import LoopPortfolio, LoopPosition
from ml4t.backtest.execution.orders.book import BY_STRATEGY, POSITION_CLOSED
from ml4t.backtest.execution.orders.types import LIMIT_ON_CLOSE, MARKET_IF_TOUCHED
from ml4t.backtest.execution.pending.order_filler import CANNOT_SHORT, CUT_TO_HELD

NO_CASH = "insufficient cash"
Met = tuple[When, float]


class SimulationBroker:
    """Fills orders against events, one at a time.

    As the third argument of an engine only its three settings count.

    Parameters
    ----------
    initial_cash : float
        Account currency, above 0.
    commission : Commission, optional
        10 basis points of the traded value by default.
    slippage : Slippage, optional
        5 basis points of the price by default.

    Attributes
    ----------
    portfolio : LoopPortfolio
        With `positions`, `cash` and `equity`.

    Examples
    --------
    >>> from datetime import datetime
    >>> from ml4t.backtest.core.event import MarketEvent
    >>> from ml4t.backtest.execution import SimulationBroker
    >>> broker = SimulationBroker(10_000)
    >>> _ = broker.submit_order(broker.market_order("AAPL", 10))
    >>> event = MarketEvent(timestamp=datetime(2024, 1, 2), asset_id="AAPL", close=200.0)
    >>> [(fill.quantity, round(fill.price, 2)) for fill in broker.on_market_event(event)]
    [(10.0, 200.1)]
    """

    def __init__(
        self,
        initial_cash: float = 100_000,
        *,
        commission: Commission | None = None,
        slippage: Slippage | None = None,
    ) -> None:
        require_number("initial_cash", initial_cash, above=0, below=float("inf"))
        self.initial_cash = float(initial_cash)
        self.commission = BasisPointCommission(10) if commission is None else commission
        self.slippage = BasisPointSlippage(5) if slippage is None else slippage
        self.portfolio = LoopPortfolio(self.initial_cash)
        self._costs = LoopCosts(self.commission, self.slippage)
        self._now: datetime | None = None
        self._n_orders = 0
        self._pending: dict[object, list[LoopOrder]] = {}
        # Of this timestamp: purchases that cash did not carry whole, and where they fill.
        self._short_of_cash: list[tuple[LoopOrder, MarketEvent, Met]] = []
        # Proceeds of this timestamp that came after its opens: they pay for nothing there.
        self._late_proceeds = 0.0

    is_shown_whole = False

    def __repr__(self) -> str:
        """Show the account as it stands, and what waits."""
        held = {asset: one.quantity for asset, one in self.positions.items()}
        n_open = sum(map(len, self._pending.values()))
        return (
            f"SimulationBroker(cash={self.get_cash():,.2f}, equity={self.portfolio.equity:,.2f}, "
            f"positions={reprlib.repr(held)}, open_orders={n_open}, "
            f"commission={self.commission!r}, slippage={self.slippage!r})"
        )

    # -- reading ----------------------------------------------------------------------

    @property
    def positions(self) -> Mapping[object, LoopPosition]:
        """What is held, by asset; read-only."""
        return self.portfolio.positions

    def get_position(self, asset_id: object) -> LoopPosition:
        """Return the position in an asset; one with quantity 0 where there is none."""
        return self.portfolio.position(asset_id)

    def get_cash(self) -> float:
        """Return the cash, account currency."""
        return self.portfolio.cash

    def open_orders(self, asset_id: object = None) -> list[LoopOrder]:
        """Return the open orders, of one asset or of all, by number."""
        of = self._pending.values() if asset_id is None else [self._pending.get(asset_id, [])]
        return sorted((one for orders in of for one in orders), key=lambda one: one.order_id)

    # -- orders -----------------------------------------------------------------------

    def market_order(
        self,
        asset_id: object,
        quantity: float,
        *,
        decided_at: datetime | None = None,
        at_close: bool = False,
        tag: str = "order",
    ) -> LoopOrder:
        """Make a market order; `submit_order` sends it.

        Parameters
        ----------
        quantity : float
            Shares, positive buys, negative sells; not 0.
        decided_at : datetime, optional
            Timestamp of the newest event that the decision has seen; by default the newest one
            that the broker has. Name it where an event is decided on before the broker has it:
            else the order would fill at that event's open, which was over when it was decided.
        at_close : bool
            Fill at the close of the event at which it was decided, which is optimistic, where
            that event is still to come to the broker.
        tag : str
            Shown by its fills.
        """
        _require_quantity(quantity)
        return LoopOrder(
            order_id=self._next_id(), asset_id=asset_id, quantity=float(quantity), tag=tag,
            decided_at=self._now if decided_at is None else decided_at, at_close=at_close,
        )  # fmt: skip

    def market_if_touched_order(
        self,
        asset_id: object,
        quantity: float,
        price: float,
        *,
        decided_at: datetime | None = None,
        tag: str = "order",
    ) -> LoopOrder:
        """Make an order that waits for a price on the better side of the market.

        Below it to buy, above it to sell. A later event whose bar touches the price fills it there,
        or at the open where that is better; slippage goes past it. Until then it stands.

        Parameters
        ----------
        price : float
            Per share, above 0.
        quantity, decided_at, tag
            As of `market_order`.
        """
        order = self.market_order(asset_id, quantity, decided_at=decided_at, tag=tag)
        return replace(order, order_type=MARKET_IF_TOUCHED, stop=_above_zero("price", price))

    def limit_on_close_order(
        self,
        asset_id: object,
        quantity: float,
        limit: float,
        *,
        decided_at: datetime | None = None,
        tag: str = "order",
    ) -> LoopOrder:
        """Make an order that fills at the first later close that is no worse than its limit.

        Slippage never goes past the limit. Until it fills it stands.

        Parameters
        ----------
        limit : float
            Per share, above 0.
        quantity, decided_at, tag
            As of `market_order`.
        """
        order = self.market_order(asset_id, quantity, decided_at=decided_at, tag=tag)
        return replace(order, order_type=LIMIT_ON_CLOSE, limit=_above_zero("limit", limit))

    def exit_order(
        self,
        asset_id: object,
        quantity: float,
        *,
        decided_at: datetime,
        tag: str,
        stop: float | None = None,
        limit: float | None = None,
    ) -> LoopOrder:
        """Make an order that leaves a position, or a part of it; risk managers call this.

        Parameters
        ----------
        quantity : float
            Signed against the position; cut to what is held when it fills.
        decided_at : datetime
            Timestamp of the event at which it was decided. Where that event is still to come to
            the broker, it fills in its bar: at the level, or at the close without one.
        tag : str
            Name of the rule.
        stop, limit : float, optional
            The level, per share, that this event has passed.
        """
        _require_quantity(quantity)
        return LoopOrder(
            order_id=self._next_id(), asset_id=asset_id, quantity=float(quantity), tag=tag,
            is_exit=True, decided_at=decided_at, at_close=True, stop=stop, limit=limit,
        )  # fmt: skip

    def submit_order(self, order: LoopOrder) -> LoopOrder:
        """Take an order; it is filled by events of its asset, and waits where there is none.

        Raises
        ------
        ConfigError
            It was not made by a broker's methods, or was submitted before.
        """
        if not isinstance(order, LoopOrder):
            raise ConfigError(f"order must be made by market_order() or the like, was {order!r}")
        if order in self._pending.get(order.asset_id, ()) or not order.is_open:
            raise ConfigError(f"order {order.order_id} was submitted before")
        self._pending.setdefault(order.asset_id, []).append(order)
        return order

    def cancel_order(self, order: LoopOrder) -> None:
        """Cancel an open order; one that has ended stays as it ended."""
        if order.is_open:
            self._end(order, OrderStatus.CANCELLED, BY_STRATEGY)

    # -- events -----------------------------------------------------------------------

    def on_market_event(self, event: MarketEvent) -> list[LoopFill]:
        """Fill what this event's bar fills, then mark the position at its close.

        Returns
        -------
        list of LoopFill
            In the order in which cash moved. A purchase of another asset may be among them that
            waited for what a sale of this timestamp brought.

        Raises
        ------
        ConfigError
            The event is older than one before it.
        CostError
            A cost model could not tell what a fill costs.
        """
        self._begin(event.timestamp)
        fills: list[LoopFill] = []
        met = [(order, order.met(event)) for order in self._pending.get(event.asset_id, ())]
        due = [(order, when) for order, when in met if when is not None]
        # By moment; at one moment what leaves comes before what sells, before what buys.
        due.sort(key=lambda one: (one[1][0], not one[0].is_exit, one[0].quantity > 0,
                                  one[0].order_id))  # fmt: skip
        for order, when in due:
            if order.quantity < 0:
                fills += self._sell(order, event, when)
            else:
                fills += self._buy(order, event, when)
        self.portfolio.mark(event.asset_id, event.close)
        return fills

    # -- inside -----------------------------------------------------------------------

    def _next_id(self) -> int:
        self._n_orders += 1
        return self._n_orders

    def _begin(self, timestamp: datetime) -> None:
        """End what a timestamp that is over has left, where a new one begins."""
        if self._now is not None and timestamp < self._now:
            raise ConfigError(
                f"events must come in order of time: one at {timestamp} came after {self._now}"
            )
        if timestamp == self._now:
            return
        self._now, self._late_proceeds = timestamp, 0.0
        for order, _, _ in self._short_of_cash:
            if order.is_open and order.filled_quantity:
                self._end(order, OrderStatus.FILLED, f"cut: {NO_CASH}")
            elif order.is_open:
                self._end(order, OrderStatus.REJECTED, NO_CASH)
        self._short_of_cash.clear()

    def _sell(self, order: LoopOrder, event: MarketEvent, met: Met) -> list[LoopFill]:
        held = self.portfolio.quantity(order.asset_id)
        if not held:
            if order.is_exit:
                self._end(order, OrderStatus.CANCELLED, POSITION_CLOSED)
            else:
                self._end(order, OrderStatus.REJECTED, CANNOT_SHORT)
            return []
        asked = order.left
        fills = [self._fill(order, event, met, max(asked, -held))]
        if asked >= -held:
            self._end(order, OrderStatus.FILLED)
        elif order.is_exit:
            self._end(order, OrderStatus.FILLED, CUT_TO_HELD)
        else:
            # What was held is sold, the rest is refused.
            self._end(order, OrderStatus.REJECTED, CANNOT_SHORT)
        if met[0] is not When.OPEN:
            self._late_proceeds -= fills[0].quantity * fills[0].price + fills[0].commission
        for waiting, at, when in list(self._short_of_cash):
            if waiting.is_open:
                fills += self._buy(waiting, at, when)
                self.portfolio.mark(waiting.asset_id, at.close)
        return fills

    def _buy(self, order: LoopOrder, event: MarketEvent, met: Met) -> list[LoopFill]:
        """Buy as much as cash carries; the rest waits for sales of this timestamp."""
        if order.is_exit:
            self._end(order, OrderStatus.CANCELLED, POSITION_CLOSED)  # there is no short to cover
            return []
        room = self.portfolio.cash - (self._late_proceeds if met[0] is When.OPEN else 0.0)

        def required(share: float) -> float:
            size = order.left * share
            price, charge = self._costs.of(order, event, met[1], size)
            return size * price + charge

        share = share_that_fits(required, room) if room > 0 else 0.0
        size = order.left * share
        fills = [self._fill(order, event, met, size)] if size and required(share) <= room else []
        if order.left <= NO_CHANGE * order.quantity:
            self._end(order, OrderStatus.FILLED)
        elif all(order is not one for one, _, _ in self._short_of_cash):
            self._short_of_cash.append((order, event, met))
        return fills

    def _fill(self, order: LoopOrder, event: MarketEvent, met: Met, quantity: float) -> LoopFill:
        """Book a fill of `quantity`, signed, at a base price, costs on top."""
        price, charge = self._costs.of(order, event, met[1], quantity)
        pnl = 0.0
        if quantity < 0:
            pnl = self.portfolio.sell(order.asset_id, quantity, price, charge)
        fill = LoopFill(
            order_id=order.order_id,
            timestamp=event.timestamp,
            asset_id=order.asset_id,
            quantity=quantity,
            price=price,
            commission=charge,
            slippage=abs(quantity) * abs(price - met[1]),
            pnl=pnl,
            tag=order.tag,
            at_close=met[0] is When.CLOSE or (met[0] is When.INSIDE and not order.is_exit),
        )
        if quantity > 0:
            self.portfolio.buy(fill)
        amend_loop(order, filled_quantity=order.filled_quantity + quantity)
        return fill

    def _end(self, order: LoopOrder, status: OrderStatus, reason: str = "") -> None:
        amend_loop(order, status=status, reason=reason)
        orders = [one for one in self._pending.get(order.asset_id, ()) if one is not order]
        if orders:
            self._pending[order.asset_id] = orders
        else:
            self._pending.pop(order.asset_id, None)


def _above_zero(name: str, price: float) -> float:
    require_number(name, price, above=0, below=float("inf"))
    return float(price)


def _require_quantity(quantity: object) -> None:
    if not 0 < abs(as_float(quantity)) < float("inf"):
        raise ConfigError(f"quantity must be a number other than 0, was {quantity!r}")
