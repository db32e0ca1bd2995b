"""Order and OrderType: one single order, from its request to its end, and what its type answers.

Strategies hold on to orders and read them; the engine alone writes, by the functions at the end. A
type is its name, as the `orders` table has it, and holds nothing of any order; they are in `types`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, TypedDict, Unpack

from ml4t.backtest.core.orders import OrderStatus, TimeInForce
from ml4t.backtest.execution.orders.read_only import sealed
from ml4t.backtest.execution.orders.touch import EntryFill, InBar, Touch

WAYS = {
    "quantity": "call replace(order, quantity=...)",
    "limit": "call replace(order, limit=...)",
    "stop": "call replace(order, stop=...)",
    "status": "call cancel(order) to end it",
    "group": "call one_cancels_other(...)",
}
OTHERWISE = "call cancel(order) and send a new one"


class Chance(Enum):
    """When in a bar the orders of a type can fill: each type has one."""

    TIMED = "when the fill timing of the run says"
    INSIDE = "from the open on, where the bar touches their prices"
    CLOSE = "at the close, before anything is decided at it"


class OrderType(str):
    """How an order is priced, and when it acts. A text: its name.

    What a bar does to an order of the type follows in this order: `touch` says where it would
    fill, `meet` what the order makes of that, `rest` what is left of it after the fill, `follow`
    what the whole bar does to it.

    Attributes
    ----------
    asked_by : tuple of frozenset of str
        The words of `Strategy.buy` that ask for it, in each way in which they can.
    chance : Chance
    stands : TimeInForce
        Unless an order says another.
    is_priced : bool
        Whether a price of its own decides; an order without one fills at its next chance.
    starts_at_market : bool
        Whether its level counts from the last price, so that there must be one.
    stop_rounds : float
        Whether the price that triggers it rounds up (+1) or down (-1) to a tick where it buys: away
        from the market, so that it is met no sooner.
    """

    __slots__ = ()
    asked_by: ClassVar[tuple[frozenset[str], ...]] = ()
    chance: ClassVar[Chance] = Chance.INSIDE
    stands: ClassVar[TimeInForce] = TimeInForce.GTC
    is_priced: ClassVar[bool] = True
    starts_at_market: ClassVar[bool] = False
    stop_rounds: ClassVar[float] = 1.0

    @property
    def acts_inside(self) -> bool:
        """Whether it rests in the book until the range of a bar meets it."""
        return self.chance is Chance.INSIDE

    def start(self, order: Order, price: float) -> None:
        """Let an order begin, sent at a last price or alive since a fill at it."""

    def expected(self, order: Order, price: float) -> float:  # noqa: ARG002 - most at the last price
        """Return about where an order will fill, sent at a last price; NaN: not known."""
        return price

    def stop_level(self, order: Order) -> float | None:
        """Return the price at which an order triggers, from what was known before this bar."""
        return order.stop

    def fills_at(self, order: Order, price: float) -> bool:  # noqa: ARG002 - most at any price
        """Return whether an order fills at a price of its moment, NaN where there is none.

        An order that fills at any price is told of there being none, and may end of it.
        """
        return True

    def touch(self, order: Order, at: InBar) -> Touch | None:
        """Return where an order would fill in a bar, None where it would not."""
        raise NotImplementedError

    def touch_after_entry(self, order: Order, entry: EntryFill) -> Touch | None:
        """Return where an exit fills of what was entered inside a bar, None: not in it."""
        raise NotImplementedError

    def meet(self, order: Order, touch: Touch) -> bool:  # noqa: ARG002 - of most types any fills
        """Note that the bar has met an order; return whether it fills there."""
        return True

    def rest(self, order: Order) -> None:
        """Note what is left of an order that was met and had its fill."""

    def follow(self, order: Order, high: float, low: float) -> None:
        """Move the level of an order by the range of a bar that is over."""

    def lowered_by_dividends(self, order: Order) -> tuple[str, ...]:
        """Return the names of the prices that a dividend is taken off, as FINRA rule 5330 has it.

        Off those of buys, but buys that wait for their stop; off sells that wait for theirs.
        """
        return ("limit",) if order.quantity > 0 else ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BaseOrder:
    """What an order asks for and what became of it, whether a run or a loop written by hand has it.

    Attributes
    ----------
    order_id : int
    quantity : float
        Shares, positive buys, negative sells.
    limit, stop : float or None
        Prices per share: never worse than the one, waiting for the other. A stop-limit has both.
    is_exit : bool
        Cut to what is held when it fills, so that it never opens anything.
    tag : str
        Who asked; the trades that it closes show it as their `exit_rule`.
    status : OrderStatus
    filled_quantity : float
        Shares done, signed.
    reason : str
        Why it ended so; empty where it filled whole.
    """

    order_id: int
    quantity: float
    limit: float | None = None
    stop: float | None = None
    is_exit: bool = False
    tag: str = ""
    status: OrderStatus = OrderStatus.OPEN
    filled_quantity: float = 0.0
    reason: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it can still fill."""
        return self.status is OrderStatus.OPEN

    @property
    def left(self) -> float:
        """Shares still to do, signed."""
        return self.quantity - self.filled_quantity

    @property
    def side(self) -> float:
        """+1 buys, -1 sells."""
        return 1.0 if self.quantity > 0 else -1.0


@sealed(WAYS, OTHERWISE)
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Order(BaseOrder):
    """An order of a strategy; what the broker makes of it is shown by it. Read only.

    Attributes
    ----------
    sid, created_t : int
    asset : object
        The asset's id, as the user spells it.
    order_type : OrderType
        A text, such as ``"limit"``, that knows when it can act and what a bar does to it.
    trail_amount, trail_fraction : float or None
        Distance of a trailing stop from the best price: price units, or a fraction of it.
    time_in_force : TimeInForce
    good_till : int or None
        Last session (days since 1970) of a GTD order.
    parent : Order or None
        Alive only once this one has filled.
    children : tuple of Order
        The exits of its bracket, alive once it has filled.
    group : tuple of Order
        One cancels the others; all of them have the same.
    opening : float
        Shares, without sign, beyond the position that it met when it was sent: whatever closes
        that position before it fills, it opens no more. Infinite where it met none.
    is_fraction : bool
        It says a fraction of equity: what the account cannot carry of it is cut off, as target
        weights are cut. What an order of shares opens fills whole or
        not at all; what it closes of a position is done either way.
    """

    sid: int
    asset: object
    order_type: OrderType
    created_t: int
    trail_amount: float | None = None
    trail_fraction: float | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    good_till: int | None = None
    parent: Order | None = None
    children: tuple[Order, ...] = ()
    group: tuple[Order, ...] = ()
    opening: float = math.inf
    is_fraction: bool = False
    # The broker's own notes.
    fitting: float = math.inf  # |shares| of a fraction that fit beside those of its moment
    tick: float = 0.0  # of the asset; 0: any price
    best_price: float | None = None  # of a trailing stop, since it came alive
    is_triggered: bool = False  # its stop was met: a limit or market order now
    live_t: int = -1  # bar at which a child came alive

    @property
    def is_alive(self) -> bool:
        """Whether it can fill now: open, and its parent, if any, has filled."""
        return self.is_open and (self.parent is None or self.live_t >= 0)

    @property
    def has_prices(self) -> bool:
        """Whether every price that it has is above 0."""
        prices = (self.limit, self.stop, self.best_price)
        return all(price is None or price > 0 for price in prices)

    def stop_level(self) -> float | None:
        """Return the price at which it triggers, from what was known before this bar."""
        return self.order_type.stop_level(self)


class Changes(TypedDict, total=False):
    """What the engine writes into an order after it was made."""

    sid: int
    quantity: float
    limit: float | None
    stop: float | None
    trail_amount: float | None
    children: tuple[Order, ...]
    group: tuple[Order, ...]
    is_exit: bool
    opening: float
    is_fraction: bool
    status: OrderStatus
    filled_quantity: float
    reason: str
    fitting: float
    tick: float
    best_price: float | None
    is_triggered: bool
    live_t: int


def amend(order: BaseOrder, **changes: Unpack[Changes]) -> None:
    """Write into an order: for broker, order book and desks, the only ones that may."""
    for name, value in changes.items():
        object.__setattr__(order, name, value)


def used_up(order: Order) -> list[Order]:
    """Return the exits of an order that have ended.

    The next fill of the order renews them, so that what happens to its asset happens to them.
    """
    return [child for child in order.children if not child.is_open]


def go_ex(order: Order, value: float) -> None:
    """Take a dividend off the prices of an order that its type lowers."""
    for name in order.order_type.lowered_by_dividends(order):
        price = getattr(order, name)
        if price is not None:
            object.__setattr__(order, name, price - value)


def split(order: Order, ratio: float) -> None:
    """Restate what is left and the prices after a split of `ratio` new shares per old one.

    What has filled stays as it was: its fills are history.
    """
    amend(
        order,
        quantity=order.filled_quantity + order.left * ratio,
        opening=order.opening * ratio,
    )
    for name in ("limit", "stop", "trail_amount", "best_price"):
        value = getattr(order, name)
        if value is not None:
            object.__setattr__(order, name, value / ratio)
