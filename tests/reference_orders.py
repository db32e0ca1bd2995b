"""Discrete orders: their state, their prices on the tick, what happens to them without a fill."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from reference_ledger import AT_CLOSE, BY_LIMIT
from reference_types import (
    ABOVE_MAX,
    BELOW_LOT,
    BY_STRATEGY,
    END_OF_DAY,
    GOOD_TILL_DATE,
    NO_BAR,
    ONE_CANCELS_OTHER,
    POSITION_CLOSED,
    STOP_BEYOND,
    TARGET_BEYOND,
    VOLUME_LIMIT,
    Asset,
    Order,
    Replace,
    Timestamp,
)

if TYPE_CHECKING:
    from reference_world import World

Allow = Callable[["World", Asset, float], tuple[float, str]]
DAY, GTC, GTD, IOC = "day", "gtc", "gtd", "ioc"


def to_tick(price: float, tick: float, *, up: bool) -> float:
    """Round to a multiple of the tick, to the nearest one if it is 1e-9 ticks away."""
    if tick == 0:
        return price
    n = price / tick
    if abs(n - round(n)) <= 1e-9:
        return round(round(n) * tick, 10)
    return round((math.ceil(n) if up else math.floor(n)) * tick, 10)


@dataclass(kw_only=True)
class LiveOrder:
    id: int
    rank: tuple[int, int]  # its place among the orders: a first child comes with its parent
    asset: Asset
    quantity: float  # signed, all of it
    why: str  # the exit_rule of the trades it closes
    created: Timestamp
    born_t: int
    born: str = AT_CLOSE  # of a child: how the parent filled, in bar born_t
    filled: float = 0.0
    limit: float | None = None
    stop: float | None = None
    touch: float | None = None
    cut_by: str = VOLUME_LIMIT  # what kept the last part of it from filling
    trail_amount: float | None = None
    trail_fraction: float | None = None
    best: float = 0.0  # the trailing stop's reference
    take_profit: float | None = None
    stop_loss: float | None = None
    child_trail_amount: float | None = None
    child_trail_fraction: float | None = None
    tif: str = DAY
    last_date: date | None = None
    group: str | None = None
    tag: str = ""
    on_close: bool = False
    is_exit: bool = False  # may only reduce
    opening: float = math.inf  # |shares| beyond the position that it met when it was sent
    is_fraction: bool = False  # of equity: cut to what the account carries
    fitting: float = math.inf  # |shares| of it, beside the other fractions of its moment
    triggered_t: int | None = None
    triggered_at: str = ""  # how: the open was beyond the stop, or the bar's range reached it
    children: list[LiveOrder] = field(default_factory=list)  # the pair made last
    parent: LiveOrder | None = None
    has_covered: bool = False  # a pair was made before
    status: str = ""
    reason: str = ""
    ended: Timestamp | None = None

    @property
    def side(self) -> int:
        return 1 if self.quantity > 0 else -1

    @property
    def remaining(self) -> float:
        """|shares| that are not filled; dust counts as nothing."""
        left = abs(self.quantity) - abs(self.filled)
        return left if left > 1e-9 * abs(self.quantity) else 0.0

    @property
    def is_trailing(self) -> bool:
        return self.trail_amount is not None or self.trail_fraction is not None

    @property
    def is_stop(self) -> bool:
        """It waits for its stop."""
        return self.triggered_t is None and (self.stop is not None or self.is_trailing)

    @property
    def is_touch(self) -> bool:
        """It waits for its touch."""
        return self.triggered_t is None and self.touch is not None

    @property
    def is_market(self) -> bool:
        return self.limit is None and not self.is_stop and not self.is_touch

    @property
    def is_resting(self) -> bool:
        """It has a price, or had one, for which bars are searched from the open on."""
        has_price = any((self.limit, self.stop, self.touch))
        return has_price and not self.on_close

    def put_on_ticks(self, tick: float) -> None:
        """Limits round away from the trader, stops toward later; a trailing level follows."""
        up = self.side > 0
        if self.trail_amount is not None:
            self.stop = to_tick(self.best + self.side * self.trail_amount, tick, up=up)
        elif self.trail_fraction is not None:
            self.stop = to_tick(self.best * (1 + self.side * self.trail_fraction), tick, up=up)
        elif self.stop is not None:
            self.stop = to_tick(self.stop, tick, up=up)
        if self.limit is not None:
            self.limit = to_tick(self.limit, tick, up=not up)
        if self.touch is not None:
            self.touch = to_tick(self.touch, tick, up=not up)
        if self.take_profit is not None:  # the children are on the other side
            self.take_profit = to_tick(self.take_profit, tick, up=up)
        if self.stop_loss is not None:
            self.stop_loss = to_tick(self.stop_loss, tick, up=not up)


def next_date(world: World) -> date | None:
    return world.date_of(world.t + 1) if world.t + 1 < len(world.timeline) else None


def on_the_way(world: World, asset: Asset) -> list[float]:
    """Return what the open market orders of an asset are still to trade, signed."""
    return [o.side * o.remaining for o in world.book if o.asset == asset and o.is_market]


def prepare(world: World, wanted: Order) -> LiveOrder | None:
    """Make an order of an instruction, at this close; None: it was rejected."""
    asset, quantity = wanted.asset, wanted.quantity
    order = world.new_order(asset, quantity, wanted.tag or "order")
    order.limit, order.stop, order.touch = wanted.limit, wanted.stop, wanted.touch
    order.trail_amount, order.trail_fraction = wanted.trail_amount, wanted.trail_fraction
    order.take_profit, order.stop_loss = wanted.take_profit, wanted.stop_loss
    order.child_trail_amount = wanted.stop_loss_trail_amount
    order.child_trail_fraction = wanted.stop_loss_trail_fraction
    order.group, order.tag, order.on_close = wanted.group, wanted.tag, wanted.on_close
    assert not (order.on_close and order.is_stop), "on_close goes with market and limit orders"
    order.is_fraction = wanted.is_fraction
    order.tif = wanted.tif or (DAY if order.is_market or order.on_close else GTC)
    if order.tif == GTD:
        order.last_date = wanted.good_till
    if abs(quantity) != abs(world.ledger.live(asset)) or quantity * world.ledger.live(asset) > 0:
        order.quantity = world.to_lot(asset, quantity)
    if order.quantity == 0:
        order.quantity = quantity
        world.finish(order, "rejected", BELOW_LOT)
        return None
    if abs(order.quantity) > (world.terms(asset).max_order or math.inf):
        world.finish(order, "rejected", ABOVE_MAX)
        return None
    if order.is_trailing and world.price_now(asset) is None:
        world.finish(order, "rejected", NO_BAR)
        return None
    # What only reduces the position now never opens the other side, whatever closes it first.
    live = world.ledger.live(asset)
    coming = math.fsum(left for left in on_the_way(world, asset) if left * live < 0)
    held = live + coming
    if live * order.side < 0 and held * order.side < 0:
        order.is_exit = abs(order.quantity) <= abs(held) * (1 + 1e-9)
        order.opening = max(0.0, abs(order.quantity) - abs(held))
    expected = None if order.is_exit else expected_price(world, order)
    if expected is not None:
        target, stop = order.take_profit, order.stop_loss
        if target is not None and order.side * (target - expected) < 0:
            world.finish(order, "denied", TARGET_BEYOND)
            return None
        if stop is not None and order.side * (stop - expected) > 0:
            world.finish(order, "denied", STOP_BEYOND)
            return None
    return order


def expected_price(world: World, order: LiveOrder) -> float | None:
    """Return about where an order fills: its own price or the last, None: not known."""
    own = order.stop or order.limit or order.touch
    price = world.price_now(order.asset)
    if own is None or price is None:
        return own if price is None else price
    is_higher = (order.stop is not None) == (order.side > 0)
    return max(own, price) if is_higher else min(own, price)


def place(world: World, order: LiveOrder) -> None:
    """Put the order in the book."""
    next_ = next_date(world)
    fills_now = world.setup.timing == "this_close" and order.is_market and not order.on_close
    if order.tif == DAY:
        order.last_date = world.today if fills_now else next_
    order.best = world.price_now(order.asset) or 0.0
    order.put_on_ticks(world.terms(order.asset).tick)
    order.status = "open"
    if not fills_now and order.tif == GTD and is_over(world, order):
        world.finish(order, "expired", GOOD_TILL_DATE)


def make_children(world: World, parent: LiveOrder, shares: float, price: float, born: str) -> None:
    """Cover what the parent opened: enlarge what is there of its pair, or make a new one.

    What the strategy has cancelled is not made again.
    """
    for child in parent.children:
        if child.reason == BY_STRATEGY and child.limit is not None:
            parent.take_profit = None
        elif child.reason == BY_STRATEGY:
            parent.stop_loss = parent.child_trail_amount = parent.child_trail_fraction = None
    is_trailing = parent.child_trail_amount is not None or parent.child_trail_fraction is not None
    if parent.take_profit is None and parent.stop_loss is None and not is_trailing:
        return
    working = [child for child in parent.children if child.status == "open"]
    for child in working:
        child.quantity -= parent.side * shares
    if working:
        return
    is_first = not parent.has_covered
    parent.children, parent.has_covered = [], True
    names = ["take_profit"] if parent.take_profit is not None else []
    names += ["stop_loss"] if parent.stop_loss is not None or is_trailing else []
    for place, name in enumerate(names, start=1):
        child = world.new_order(parent.asset, -parent.side * shares, name)
        child.rank = (parent.id, place) if is_first else child.rank
        child.tag = f"{parent.tag}.{name}"
        child.group = f"children of {parent.id}, {world.t}"
        child.tif, child.is_exit, child.born, child.best = GTC, True, born, price
        child.status, child.parent = "open", parent
        if name == "take_profit":
            child.limit = parent.take_profit
        elif parent.stop_loss is not None:
            child.stop = parent.stop_loss
        else:
            child.trail_amount = parent.child_trail_amount
            child.trail_fraction = parent.child_trail_fraction
        child.put_on_ticks(world.terms(child.asset).tick)
        parent.children.append(child)


def one_cancels_other(world: World, order: LiveOrder, shares: float) -> None:
    """Take what this leg filled off the other legs; a leg that is done cancels them."""
    if order.group is None:
        return
    for other in world.book:
        if other.group != order.group or other is order:
            continue
        left = 0.0
        if order.status == "open" and other.remaining > shares * (1 + 1e-9):
            left = world.to_lot(other.asset, other.remaining - shares)
        if left > 0:
            other.quantity = other.filled + other.side * left
        else:
            world.finish(other, "cancelled", ONE_CANCELS_OTHER)


def cancel_orphans(world: World, asset: Asset) -> None:
    """Cancel the exits of a position that is no more."""
    live = world.ledger.live(asset)
    for order in world.book:
        if order.asset == asset and order.is_exit and live * order.side >= 0:
            world.finish(order, "cancelled", POSITION_CLOSED)


def find(world: World, ref: str) -> LiveOrder | None:
    """Return the newest working order of that tag."""
    named = [order for order in world.book if order.tag == ref]
    return named[-1] if named else None


def cancel(world: World, ref: str) -> None:
    order = find(world, ref)
    if order is not None:
        world.finish(order, "cancelled", BY_STRATEGY)


def replace(world: World, change: Replace, allow: Allow) -> None:
    """Change quantity and prices; a price that the order does not have is ignored.

    allow: what the limits leave of an order; asked where the quantity grows.
    """
    order = find(world, change.ref)
    if order is None:
        return
    if change.quantity is not None:
        left = (change.quantity - order.filled) * order.side
        left = world.to_lot(order.asset, left)
        if left <= 0:
            world.finish(order, "cancelled", BY_STRATEGY)
            return
        more = order.filled + order.side * left - order.quantity
        if abs(order.quantity + more) > (world.terms(order.asset).max_order or math.inf):
            more = 0.0  # the market takes no such change
        if more * order.side > 0:
            more, _ = allow(world, order.asset, more)
        order.quantity += more
        if not order.is_exit:
            order.opening += max(0.0, more * order.side)
    if change.limit is not None and order.limit is not None:
        order.limit = change.limit
    if change.stop is not None and order.stop is not None and not order.is_trailing:
        order.stop, order.triggered_t = change.stop, None
    if change.stop is not None and order.touch is not None:
        order.touch, order.triggered_t = change.stop, None
    if change.trail_amount is not None and order.is_trailing:
        order.trail_amount, order.trail_fraction = change.trail_amount, None
    if change.trail_fraction is not None and order.is_trailing:
        order.trail_amount, order.trail_fraction = None, change.trail_fraction
    order.put_on_ticks(world.terms(order.asset).tick)
    if order.parent is not None and order.limit is not None:
        order.parent.take_profit = order.limit
    elif order.parent is not None and not order.is_trailing:
        order.parent.stop_loss = order.stop


def ratchet(world: World) -> None:
    """Let the trailing stops follow this bar, as far as they were live during it."""
    for order in world.book:
        if not order.is_trailing or world.blocked(order.asset, 0) is not None:
            continue
        bar = world.bars[order.asset]
        extreme = bar.low if order.side > 0 else bar.high
        if order.born_t == world.t:
            if order.born == AT_CLOSE:
                continue
            if order.born == BY_LIMIT:  # the extreme may have been before the entry
                extreme = bar.close
        if order.side > 0:
            order.best = min(order.best, extreme)
        else:
            order.best = max(order.best, extreme)
        order.put_on_ticks(world.terms(order.asset).tick)


def is_over(world: World, order: LiveOrder) -> bool:
    """Say whether the last session of an order has had its last bar."""
    next_, today, last = next_date(world), world.today, order.last_date
    assert last is not None
    return last < today or (last == today and (next_ is None or next_ > today))


def expire(world: World) -> None:
    """End the orders whose last session is over, but those with another chance at this bar."""
    for order in world.book:
        last = order.last_date
        is_decided = order.is_market and not order.on_close and order.triggered_t is None
        has_a_chance = world.setup.timing == "this_close" and not world.is_after_protect
        if last is None or (has_a_chance and is_decided):
            continue
        if is_over(world, order):
            world.finish(order, "expired", END_OF_DAY if order.tif == DAY else GOOD_TILL_DATE)


def drop_past(world: World) -> None:
    """End the orders whose date is past, and those sent for what trades no more."""
    for order in world.book:
        if order.last_date is not None and order.last_date < world.today:
            world.finish(order, "expired", GOOD_TILL_DATE)
        elif order.asset in world.gone and order.asset not in world.bars:
            world.finish(order, "rejected", world.gone[order.asset])
