"""Orders at one price of a bar: the risk exits of the open, market orders, the rebalance.

The order is: risk exits; reductions of the rebalance, then of discrete orders by id; increases of
the rebalance, all by one factor, then of discrete orders by id.
"""

from __future__ import annotations

import math

from reference_fills import (
    book,
    common_factor,
    cut_to_opening,
    fill_order,
    fillable,
    finish_now,
    fit_fractions,
    fits,
    is_reduction,
    not_enough,
    plan,
    reduce,
    refusal,
)
from reference_ledger import AT_CLOSE, AT_OPEN
from reference_orders import DAY, IOC, LiveOrder, cancel_orphans
from reference_types import (
    BELOW_LOT,
    EXIT_PENDING,
    IMMEDIATE_OR_CANCEL,
    MIN_HOLDING,
    NO_SHORTS,
    POSITION_CLOSED,
    REBALANCE,
    Asset,
    DecisionRow,
    RejectionRow,
)
from reference_world import NEXT_CLOSE, NEXT_OPEN, THIS_CLOSE, World


def fill_exits(world: World) -> None:
    """Fill the risk exits queued at the last close, at this open."""
    exits, world.exits, world.closed = world.exits, {}, {}
    waits: set[Asset] = set()
    for asset in sorted(exits):
        live, rule, part = world.ledger.live(asset), exits[asset].rule, exits[asset].part
        if live == 0:
            order = world.new_order(asset, 0.0, rule)
            world.finish(order, "cancelled", POSITION_CLOSED)
            continue
        # In whole lots upward: a reduction that was asked for is not undercut.
        rest = abs(live) * part
        lot = world.terms(asset).lot
        wanted = min(abs(live), math.ceil(rest / lot - 1e-9) * lot) if lot else rest
        if wanted == 0:
            continue
        if world.blocked(asset, -math.copysign(1.0, live)) is not None:
            world.exits[asset] = exits[asset]  # at the first open at which it trades
            continue
        if world.free(asset, wanted) == 0:
            world.exits[asset] = exits[asset]
            waits.add(asset)
            if asset not in world.waits:
                row = DecisionRow(world.now, asset, rule, "wait", None, None)
                world.result.decisions.append(row)
            continue
        order = world.new_order(asset, -math.copysign(wanted, live), rule)
        order.tag = rule
        reduce(world, asset, wanted, world.prices[asset], None, order)
        world.closed[asset] = order.side * (abs(order.quantity) - order.remaining)
        if order.remaining > 0:
            rest = order.remaining / abs(world.ledger.live(asset))
            world.queue_exit(asset, rule, rest if rest < 1 - 1e-9 else 1.0)
        finish_now(world, order)
        cancel_orphans(world, asset)
    world.waits = waits


def is_due(world: World, order: LiveOrder, moment: str) -> bool:
    """Say whether this is the moment at which a market order, or one on the close, fills."""
    if order.on_close and order.limit is not None:
        is_now = moment == NEXT_CLOSE and order.born_t < world.t
        has_price = is_now and world.blocked(order.asset, 0) is None
        return has_price and order.side * (world.prices[order.asset] - order.limit) <= 0
    if not order.is_market:
        return False
    if order.triggered_t is not None:  # the rest of a stop
        return moment == NEXT_OPEN and order.triggered_t < world.t
    mine = NEXT_CLOSE if order.on_close else world.setup.timing
    return mine == moment and (order.born_t < world.t or mine == THIS_CLOSE)


def fill_moment(world: World, moment: str) -> None:
    """Fill what fills at this moment of the bar: reductions first, so that cash is free."""
    entered = AT_OPEN if moment == NEXT_OPEN else AT_CLOSE
    due = [order for order in world.book if is_due(world, order, moment)]
    changes = Changes(world) if moment == world.setup.timing else None
    if changes is not None:
        changes.reduce()
    for order in due:
        take_off_closed(world, order)
        cut_to_opening(world, order)
        if order.status == "open" and is_reduction(world, order):
            try_order(world, order, entered)
    if changes is not None:
        changes.increase(entered)
    fit_fractions(world, due)
    for order in due:
        if order.status == "open":
            cut_to_opening(world, order)
            try_order(world, order, entered)
        if order.status == "open" and order.tif == IOC:
            world.finish(order, "cancelled", IMMEDIATE_OR_CANCEL)
    for order in world.book if moment == NEXT_CLOSE else ():
        # That close was the chance of a limit on it too.
        if order.on_close and order.tif == IOC and order.born_t < world.t and order.limit:
            world.finish(order, "cancelled", IMMEDIATE_OR_CANCEL)


def take_off_closed(world: World, order: LiveOrder) -> None:
    """Take off an order that only reduces what exits of rules have closed in this bar."""
    closed = world.closed.get(order.asset, 0.0)
    is_market = order.is_market and order.triggered_t is None
    if not order.is_exit or not is_market or order.born_t == world.t or closed * order.side <= 0:
        return
    taken = min(abs(closed), order.remaining)
    world.closed[order.asset] = closed - order.side * taken
    if order.remaining - taken <= 1e-9 * order.remaining:
        world.finish(order, "cancelled", POSITION_CLOSED)
    else:
        order.quantity -= order.side * taken


def try_order(world: World, order: LiveOrder, entered: str) -> None:
    """Fill an order; a market order on a halted bar is rejected, unless it may wait."""
    reason = world.blocked(order.asset, order.side)
    is_held_back = reason is None and world.is_held_back(order.asset, order.side)
    if reason is None and not is_held_back:
        fill_order(world, order, world.prices[order.asset], entered)
        is_held_back = order.status == "open" and world.is_held_back(order.asset, order.side)
    if is_held_back:
        reason = MIN_HOLDING
    if reason is not None and order.tif in (DAY, IOC) and order.limit is None:
        world.finish(order, "rejected", reason)


class Changes:
    """What the queued weights ask of every asset at this moment's prices, signed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.reductions: dict[Asset, float] = {}
        self.increases: dict[Asset, float] = {}
        queued, world.targets = world.targets, None
        if queued is None:
            return
        self.min_trade, self.band = queued.min_trade, queued.band
        for asset in sorted({*world.ledger.positions, *queued.weights}):
            weight = queued.weights.get(asset, 0.0)
            if asset in queued.untouched:
                continue
            reason = world.blocked(asset, 0)
            is_leaving = asset in queued.pending or (
                asset in world.closed_inside and not world.is_after_protect
            )
            if is_leaving and weight != 0:
                world.finish(world.new_order(asset, 0.0, REBALANCE), "denied", EXIT_PENDING)
                world.result.rejections.append(RejectionRow(world.now, asset, EXIT_PENDING))
            elif reason is not None:  # no quantity: there is no price
                world.finish(world.new_order(asset, 0.0, REBALANCE), "rejected", reason)
            else:
                if weight < 0 and world.setup.margin is None:
                    order = world.new_order(asset, 0.0, REBALANCE)
                    world.finish(order, "rejected", NO_SHORTS)
                self.add(asset, weight if world.setup.margin is not None else max(0.0, weight))

    def add(self, asset: Asset, weight: float) -> None:
        """Split the change of one asset into the part that reduces and the part that opens."""
        world = self.world
        live = world.ledger.live(asset)
        price = world.prices[asset] * world.terms(asset).multiplier
        target = world.to_lot(asset, weight * world.sizing_equity / price)
        if target == 0 and live == 0 and weight != 0 and world.sizing_equity > 0:
            world.finish(world.new_order(asset, 0.0, REBALANCE), "rejected", BELOW_LOT)
            return
        change = target - live
        if abs(change) <= 1e-9 * max(abs(target), abs(live)):
            return
        is_exit, is_drift = target == 0, live * target > 0
        value = abs(change) * price
        if value < self.min_trade and not is_exit:
            return
        if is_drift and value <= self.band * world.sizing_equity:
            return
        reason = world.blocked(asset, 1 if change > 0 else -1)
        if reason is not None:
            for part in (-live, target) if live * target < 0 else (change,):
                world.finish(world.new_order(asset, part, REBALANCE), "rejected", reason)
        elif live * target < 0:
            self.reductions[asset], self.increases[asset] = -live, target
        elif live * change < 0:
            self.reductions[asset] = change
        else:
            self.increases[asset] = change

    def reduce(self) -> None:
        world = self.world
        for asset, change in self.reductions.items():  # by asset
            order = world.new_order(asset, change, REBALANCE)
            reduce(world, asset, abs(change), world.prices[asset], None, order)
            finish_now(world, order)
            cancel_orphans(world, asset)

    def increase(self, entered: str) -> None:
        world = self.world
        orders, wanted = [], {}
        for asset, change in self.increases.items():
            order = world.new_order(asset, change, REBALANCE)
            reason = refusal(world, asset, order.side, abs(change))
            if reason is not None:
                world.finish(order, "rejected", reason)
                continue
            shares = fillable(world, order, abs(change))
            if world.ledger.live(asset) * change < 0 or shares <= 0:
                finish_now(world, order)  # the closing part did not get done
            else:
                orders.append(order)
                wanted[asset] = math.copysign(shares, change)
        factor = 1.0
        if world.setup.reserve_costs:
            factor = common_factor(world, list(wanted.items()), one_by_one=False)
        for order in orders:
            asset = order.asset
            quantity = wanted[asset]
            is_short_of_volume = abs(quantity) < abs(order.quantity) * (1 - 1e-9)
            if factor < 1:
                quantity = world.to_lot(asset, quantity * factor)
            is_nothing = quantity == 0 or factor < 1e-6
            what = None if is_nothing else plan(world, asset, quantity, world.prices[asset])
            is_affordable = world.setup.reserve_costs or (what is not None and fits(world, [what]))
            if what is None or not is_affordable:
                world.finish(order, "rejected", not_enough(world))
                continue
            book(world, what, entered, order.id, order.why)
            order.filled = quantity
            if is_short_of_volume or order.remaining == 0:
                finish_now(world, order)
            else:
                world.finish(order, "filled", "cut")
