"""SimulationBroker: the broker of loops written by hand, and settings for an engine.

What fills when, in the bar of one event (`LoopOrder.in_bar`): an order decided at an earlier
timestamp at its open, or at its close where it has no open; one with a price of its own where a
later bar touches that, or at a later close that is no worse than it; an exit whose level the event
itself has passed at the level, or at the open where that is beyond it already; an exit or order
that asks for it at the close of the event at which it was decided. Nothing else fills at the time
at which it was decided. Slippage moves each of these prices, commission comes on top.

The account is a cash account: it never shorts, and cash never falls below zero. A purchase is
cut to what cash carries; the rest waits for what other assets' sales of the same moment bring,
and ends with the timestamp.

What an order does in a bar, fits, costs and books is the engine's (`AssetBroker`). When it does is
not: a run walks the moments of a bar for all assets together, a loop hands over one asset after
the other and is owed the fills at once, so that what a purchase lacks may still come from a later
event, and what came after one asset's open pays for no open of a later event. And each order has a
moment of its own, by the event at which it was decided, where a run has one fill timing.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from itertools import groupby

from ml4t.backtest.core.event import MarketEvent
from ml4t.backtest.core.orders import OrderStatus
from ml4t.backtest.core.tolerances import NO_CHANGE
from ml4t.backtest.errors import ConfigError, require_number
from ml4t.backtest.execution.costs.basis_points import BasisPointCommission, BasisPointSlippage
from ml4t.backtest.execution.costs.contract import Commission, MonthToDate, Slippage
from ml4t.backtest.execution.hand_loop.asset_broker import (
    NOT_MET,
    AssetBroker,
    LateProceeds,
)
from ml4t.backtest.execution.hand_loop.order import LoopFill, LoopOrder, Met, When
from ml4t.backtest.execution.hand_loop.order_maker import OrderMaker
from ml4t.backtest.execution.hand_loop.portfolio import LoopPortfolio, LoopPosition
from ml4t.backtest.execution.orders.book import BY_STRATEGY, POSITION_CLOSED
from ml4t.backtest.execution.orders.ending import ends_as, why_cut
from ml4t.backtest.execution.orders.order import Order, amend

NO_CASH = "insufficient cash"


class SimulationBroker(OrderMaker):
    """Fills orders against events, one event at a time.

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
        super().__init__()
        require_number("initial_cash", initial_cash, above=0, below=float("inf"))
        self.initial_cash = float(initial_cash)
        self.commission = BasisPointCommission(10) if commission is None else commission
        self.slippage = BasisPointSlippage(5) if slippage is None else slippage
        self.portfolio = LoopPortfolio(self.initial_cash)
        for name, model, method in (
            ("commission", self.commission, "charge"), ("slippage", self.slippage, "fill_price"),
        ):  # fmt: skip
            if not callable(getattr(model, method, None)) or isinstance(model, type):
                raise ConfigError(f"{name} must have a method {method}(), was {model!r}")
        self._pending: dict[object, list[LoopOrder]] = {}
        # Of this timestamp: purchases that cash did not carry whole, and where they fill.
        self._short_of_cash: list[tuple[LoopOrder, MarketEvent]] = []
        self._late = LateProceeds()
        self._new_holder = partial(
            AssetBroker, self.portfolio, self._late, MonthToDate(), self.commission, self.slippage
        )

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
        due = [
            (order, met)
            for order in self._pending.get(event.asset_id, ())
            if (met := order.in_bar(event)) is not None
        ]
        for together in _in_turn(due):
            fills += self._fill(together, event)
            if any(order.quantity < 0 for order in together):
                fills += self._retry()
        self.portfolio.mark(event.asset_id, event.close)
        return fills

    # -- inside -----------------------------------------------------------------------

    def _begin(self, timestamp: datetime) -> None:
        """End what a timestamp that is over has left, where a new one begins."""
        if self._now is not None and timestamp < self._now:
            raise ConfigError(
                f"events must come in order of time: one at {timestamp} came after {self._now}"
            )
        if timestamp == self._now:
            return
        self._now = timestamp
        self._late.start()
        for order, _ in self._short_of_cash:
            if order.is_open and order.filled_quantity:
                reason = why_cut(order.quantity, order.filled_quantity, NO_CASH)
                self._end(order, OrderStatus.FILLED, reason)
            elif order.is_open:
                self._end(order, OrderStatus.REJECTED, NO_CASH)
        self._short_of_cash.clear()

    def _retry(self) -> list[LoopFill]:
        """Let the purchases of this timestamp that wait for cash use what a sale brought."""
        fills = []
        for order, event in list(self._short_of_cash):
            fills += self._fill([order], event)
            self.portfolio.mark(order.asset_id, event.close)
        return fills

    def _fill(self, orders: list[LoopOrder], event: MarketEvent) -> list[LoopFill]:
        """Let the engine's broker fill orders of one moment, and note what came of each."""
        held = self.portfolio.holder(event.asset_id) or self._new_holder()
        due: list[tuple[LoopOrder, Met]] = []
        for order in orders:
            met = order.in_bar(event)
            if met is None or not order.is_open:
                continue
            if order.is_exit and held.quantity * order.side >= 0:
                self._end(order, OrderStatus.CANCELLED, POSITION_CLOSED)
                continue
            due.append((order, met))
        if not due:
            return []
        fills = held.fill([met.order for _, met in due], event, due[0][1].when)
        self.portfolio.keep(event.asset_id, held)
        for order, met in due:
            self._note(order, met.order, event)
        return fills

    def _note(self, order: LoopOrder, single: Order, event: MarketEvent) -> None:
        """Note what came of an order at a moment."""
        amend(order, filled_quantity=order.filled_quantity + single.filled_quantity)
        if single.reason == NOT_MET:
            return
        if order.quantity < 0:
            self._end(order, single.status, single.reason)
        elif order.left <= NO_CHANGE * order.quantity:
            self._end(order, OrderStatus.FILLED)
        elif all(order is not one for one, _ in self._short_of_cash):
            self._short_of_cash.append((order, event))

    def _end(self, order: LoopOrder, status: OrderStatus, reason: str = "") -> None:
        amend(order, status=ends_as(status, order), reason=reason)
        orders = [one for one in self._pending.get(order.asset_id, ()) if one is not order]
        if orders:
            self._pending[order.asset_id] = orders
        else:
            self._pending.pop(order.asset_id, None)


def _in_turn(due: list[tuple[LoopOrder, Met]]) -> Iterator[list[LoopOrder]]:
    """Yield the orders that a bar may fill, moment by moment.

    Inside the bar all together: what it meets first decides what can fill at all. At its open and
    close one by one, what sells before what buys, and of these what leaves a position first.
    """
    for when, of_moment in groupby(sorted(due, key=_turn), key=lambda one: one[1].when):
        orders = [order for order, _ in of_moment]
        yield from [orders] if when is When.INSIDE else ([order] for order in orders)


def _turn(due: tuple[LoopOrder, Met]) -> tuple[When, bool, bool, int]:
    order, met = due
    return met.when, order.quantity > 0, not order.is_exit, order.order_id
