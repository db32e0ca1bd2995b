"""INTRABAR: the levels of positions and the resting orders are tested against the bar's range.

Three phases; in each assets without orders first, then those with some, each ascending. All are
through the open before any goes on; of the rest of its bar each goes through ii and iii in turn:

    i    what is beyond its level at the open: stops, then limits, at the open
    ii   stops that the range touches, the nearest to the open first
    iii  limits that the range touches, the nearest to the open first

At equal rank a rule's level comes before an order, orders go by id. A position or an order that
came about at this bar's open takes part in ii and iii; one that came about inside the bar was
tested right then (`try_entry`), by the pessimistic rule, and is out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from reference_fills import cut_to_opening, fill_order, fire_level
from reference_ledger import AT_OPEN, BY_LIMIT, BY_STOP, Level, Position
from reference_orders import IOC, LiveOrder
from reference_types import IMMEDIATE_OR_CANCEL, Asset
from reference_world import World


@dataclass
class Candidate:
    """A level of a position, or an order with a stop or a limit."""

    side: int  # of the fill
    price: float
    is_stop: bool
    position: Position | None = None
    level: Level | None = None
    order: LiveOrder | None = None

    def base(self, at: float) -> float:
        """Return the price it would fill at: its own, or where the price is when beyond it.

        For a stop that is the worse of the two, for a limit the better.
        """
        is_buy = self.side > 0
        return max(self.price, at) if is_buy == self.is_stop else min(self.price, at)

    def is_touched(self, low: float, high: float) -> bool:
        """Say whether the range reaches the price, from below for a buy stop or a sell limit."""
        is_buy = self.side > 0
        return high >= self.price if is_buy == self.is_stop else low <= self.price


def step_intrabar(world: World) -> None:
    ordered = {order.asset for order in world.book if order.is_resting}
    alone = [asset for asset in sorted(world.ledger.positions) if asset not in ordered]
    assets = [*alone, *sorted(ordered)]
    trading = [asset for asset in assets if world.blocked(asset, 0) is None]
    for asset in trading:
        try_open(world, asset, is_stop=True)
        try_open(world, asset, is_stop=False)
    for asset in assets:
        cancel_immediate(world, asset)  # of halted assets too
    for asset in trading:
        try_range(world, asset, is_stop=True)
        try_range(world, asset, is_stop=False)


def cancel_immediate(world: World, asset: Asset) -> None:
    for order in world.book:
        has_own_moment = (order.is_market and order.triggered_t is None) or order.on_close
        is_immediate = order.tif == IOC and order.born_t < world.t
        if order.asset == asset and is_immediate and not has_own_moment:
            world.finish(order, "cancelled", IMMEDIATE_OR_CANCEL)


def candidates(world: World, asset: Asset, *, is_stop: bool, is_open: bool) -> list[Candidate]:
    """Return the stops, or the limits, that may fill in this phase: rule levels, orders by id."""
    found: list[Candidate] = []
    position = world.ledger.positions.get(asset)
    if position is not None:
        is_new = position.entry_t == world.t
        level = position.stop if is_stop else position.target
        if asset in world.exits and world.exits[asset].part >= 1:
            level = None  # the volume has left of an exit what goes at the next open
        if position.locked_t == world.t:
            level = None  # of two levels the first decides, also where the exchange locks it out
        if level is not None and not (is_new and (is_open or position.entered != AT_OPEN)):
            found.append(Candidate(-position.side, level.price, is_stop, position, level))
    for order in world.book:
        if order.asset != asset or order.is_stop != is_stop or order.is_market or order.on_close:
            continue
        is_child_of_today = order.born_t == world.t
        if is_child_of_today and (is_open or order.born != AT_OPEN):
            continue
        if is_open and order.triggered_t == world.t:  # a stop-limit beyond its limit
            continue
        price = order.stop if is_stop else order.limit or order.touch
        assert price is not None
        found.append(Candidate(order.side, price, is_stop, order=order))
    return found


def try_open(world: World, asset: Asset, *, is_stop: bool) -> None:
    """Phase i: what is beyond its level at the open fills at the open."""
    open_ = world.bars[asset].open
    for item in candidates(world, asset, is_stop=is_stop, is_open=True):
        if item.is_touched(open_, open_):
            fire(world, asset, item, open_, AT_OPEN)


def try_range(world: World, asset: Asset, *, is_stop: bool) -> None:
    """Phases ii and iii: what the range touches fills at its level."""
    bar = world.bars[asset]
    touched: list[tuple[float, int, float, Candidate]] = []
    found = candidates(world, asset, is_stop=is_stop, is_open=False)
    for place, item in enumerate(found):
        base = item.base(bar.open)
        is_touched = item.is_touched(bar.low, bar.high)
        order = item.order
        if not is_stop and order is not None and order.triggered_t == world.t:
            if order.triggered_at == AT_OPEN:  # beyond both: all of the bar came later
                touched += [(abs(base - bar.open), place, base, item)] if is_touched else []
                continue
            # A stop-limit that its trigger price did not fill: it came back, if the close says so.
            base, is_touched = item.price, item.is_touched(bar.close, bar.close)
        if is_touched:
            touched.append((abs(base - bar.open), place, base, item))
    for _, _, base, item in sorted(touched, key=lambda row: row[:2]):
        fire(world, asset, item, base, BY_STOP if is_stop else BY_LIMIT)


def fire(world: World, asset: Asset, item: Candidate, base: float, entered: str) -> None:
    """Fill the candidate at the base price, if it is still there."""
    position = world.ledger.positions.get(asset)
    order = item.order
    is_cash_sale = world.setup.margin is None and item.side < 0
    may_only_reduce = order is None or order.is_exit or is_cash_sale
    sellable = math.inf
    if entered == BY_LIMIT and position is not None and may_only_reduce:
        sellable = position.sellable(world.t, world.bars[asset].close, item.price)
    if world.blocked(asset, item.side, base) is not None:
        if order is None and position is not None:
            position.locked_t = world.t
        return
    if order is None:
        assert item.level is not None
        if position is item.position:
            fire_level(world, asset, item.level, base, is_stop=item.is_stop, sellable=sellable)
        return
    if order.status != "open":
        return
    if item.is_stop:
        order.triggered_t, order.triggered_at = world.t, entered
        if order.limit is not None and order.side * (base - order.limit) > 0:
            return  # a limit from now on
    known = len(world.orders)
    cut_to_opening(world, order)
    live = world.ledger.live(asset)
    is_sure = live * order.side >= 0 or sellable >= min(order.remaining, abs(live))
    if order.is_touch and is_sure:
        order.triggered_t, order.triggered_at = world.t, entered
    fill_order(world, order, base, entered, sellable=sellable)
    if entered != AT_OPEN:
        after = world.ledger.positions.get(asset)
        opened = None if after is position else after
        try_entry(world, asset, base, entered, world.orders[known:], opened)


def try_entry(
    world: World, asset: Asset, entry: float, entered: str,
    children: list[LiveOrder], opened: Position | None,
) -> None:  # fmt: skip
    """Test what protects an entry made inside the bar: stops if touched, targets if certain."""
    bar = world.bars[asset]
    for is_stop in (True, False):
        items: list[Candidate] = []
        level = None
        if opened is not None:
            level = opened.stop if is_stop else opened.target
        if opened is not None and level is not None:
            items.append(Candidate(-opened.side, level.price, is_stop, opened, level))
        for child in children:
            price = child.stop if is_stop else child.limit
            if price is not None:
                items.append(Candidate(child.side, price, is_stop, order=child))
        for item in sorted(items, key=lambda item: abs(item.price - entry)):  # stable
            low, high = bar.low, bar.high
            if not is_stop and entered == BY_LIMIT:
                low = high = bar.close  # the extremes may have been before the entry
            base = item.base(entry)  # a target that the entry is beyond: the entry's own price
            if item.is_touched(low, high):
                fire(world, asset, item, base, AT_OPEN)  # an exit: it enters nothing
