"""Fills: what one costs, whether it fits the account, and the orders that fill at one price.

A discrete order through zero is one fill; a rebalance through zero is two orders.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from reference_ledger import AT_OPEN, Level, Paid
from reference_orders import (
    LiveOrder,
    cancel_orphans,
    make_children,
    one_cancels_other,
    to_tick,
)
from reference_protect import levels_at_entry
from reference_types import (
    CUT_TO_HELD,
    MIN_HOLDING,
    NO_BORROW,
    NO_BUYING_POWER,
    NO_CASH,
    NO_SHORTS,
    POSITION_CLOSED,
    VOLUME_LIMIT,
    Asset,
    Charged,
    Trade,
)
from reference_world import NEXT_CLOSE, THIS_CLOSE, World


class Plan(NamedTuple):
    """A fill that is not made yet."""

    asset: Asset
    base: float
    paid: Paid


def plan(
    world: World, asset: Asset, quantity: float, base: float, limit: float | None = None
) -> Plan:
    """Work out the price paid and the costs of `quantity` at the base price."""
    terms, side = world.terms(asset), 1 if quantity > 0 else -1
    bar = world.bars[asset]
    volume = bar.volume
    own = world.own_terms(asset).multiplier
    trade = Trade(asset, world.t, quantity, base, own, volume, world.today)

    def moved(start: float, fraction: float) -> float:
        price = to_tick(start * (1 + side * fraction), terms.tick, up=side > 0)
        price = bar.capped(side, price)
        if world.setup.within_range:
            price = min(price, bar.high) if side > 0 else max(price, bar.low)
        return limit if limit is not None and side * price > side * limit else price

    slipped = moved(base, world.setup.slippage(trade))
    price = moved(slipped, world.setup.impact(trade._replace(price=slipped)))
    amount = abs(quantity) * terms.multiplier
    charged = world.setup.commission(trade._replace(price=price))
    charged = charged if isinstance(charged, Charged) else Charged(charged)
    charged = Charged(*(world.ledger.rate(asset) * each for each in charged))
    slippage, impact = abs(slipped - base) * amount, abs(price - slipped) * amount
    paid = Paid(quantity, price, charged.commission, slippage, impact, *charged[1:])
    return Plan(asset, base, world.ledger.with_conversion(asset, paid))


def fits(world: World, plans: Sequence[Plan], *, is_strict: bool = False) -> bool:
    """Say whether the account can carry these fills, all of which open or increase."""
    setup, ledger = world.setup, world.ledger
    tolerance = 0.0 if is_strict else 1e-9
    if setup.margin is None:
        cost = math.fsum(taken(world, one) for one in plans)
        now = {**world.prices, **{asset: base for asset, base, _ in plans}}
        left = ledger.settled_cash(world.t) + setup.overdraft - cost
        left += ledger.made_since_close(now)
        left -= math.fsum(
            ledger.live(a) * own_margin(world, a, now[a])
            for a in ledger.positions
            if a in ledger.carried
        )
        return left >= -tolerance * abs(cost)
    cash = ledger.cash - math.fsum(ledger.carried.values())
    prices = dict(world.prices)
    quantities = {asset: ledger.live(asset) for asset in ledger.positions}
    for asset, base, paid in plans:
        cash -= paid.quantity * paid.price * world.terms(asset).multiplier + paid.charged
        prices[asset] = base
        quantities[asset] = quantities.get(asset, 0.0) + paid.quantity
    values = {a: q * prices[a] * world.terms(a).multiplier for a, q in quantities.items()}
    for asset in ledger.positions.keys() - {asset for asset, _, _ in plans}:
        values[asset] += bought_for_less(world, asset, prices[asset])
    required = math.fsum(tied_up(world, a, quantities[a], v) for a, v in values.items())
    return cash + math.fsum(values.values()) >= required * (1 - tolerance)


def taken(world: World, one: Plan) -> float:
    """Return what a fill takes of a cash account; of a future its margin at the base price."""
    asset, base, paid = one
    multiplier = world.terms(asset).multiplier
    if asset not in world.ledger.carried:
        return paid.quantity * paid.price * multiplier + paid.charged
    slipped = paid.quantity * multiplier * (paid.price - base)
    return paid.quantity * own_margin(world, asset, base) + slipped + paid.charged


def own_margin(world: World, asset: Asset, price: float) -> float:
    """Return what a cash account needs for a contract: money, else a fraction, else all of it."""
    terms = world.terms(asset)
    if terms.contract_initial is not None:
        return terms.contract_initial
    return price * terms.multiplier * (1.0 if terms.initial is None else terms.initial)


def tied_up(world: World, asset: Asset, quantity: float, value: float) -> float:
    """Return the initial margin of a position in a margin account."""
    own = world.terms(asset).contract_initial
    return initial_rate(world, asset, value) * abs(value) if own is None else abs(quantity) * own


def bought_for_less(world: World, asset: Asset, price: float) -> float:
    """Return what lots of this bar are worth at their base prices, less what they are at `price`.

    At the close all there is is worth its close.
    """
    if world.moment in (NEXT_CLOSE, THIS_CLOSE):
        return 0.0
    multiplier, gaps = world.terms(asset).multiplier, []
    for lot in world.ledger.positions[asset].lots:
        if lot.t == world.t:
            moved = (lot.slippage + lot.impact) / (abs(lot.bought) * multiplier)
            base = lot.price - math.copysign(moved, lot.quantity)
            gaps.append(lot.quantity * (base - price) * multiplier)
    return math.fsum(gaps)


def common_factor(
    world: World, wanted: Sequence[tuple[Asset, float]], *, one_by_one: bool
) -> float:
    """Return the largest factor in [0, 1] with which all of them fit, by bisection.

    One by one: the account carries what it holds after each of them, not at the end alone.
    """
    stops = range(1 if one_by_one else len(wanted), len(wanted) + 1)

    def is_carried(factor: float) -> bool:
        plans = [plan(world, a, q * factor, world.prices[a]) for a, q in wanted]
        return all(fits(world, plans[:stop], is_strict=True) for stop in stops)

    return largest(is_carried, 0.0)


def largest(is_carried: Callable[[float], bool], low: float) -> float:
    """Return the largest factor up to 1 that is carried, where all below it down to `low` are."""
    high = 1.0
    if is_carried(high):
        return high
    for _ in range(100):
        middle = (low + high) / 2
        if is_carried(middle):
            low = middle
        else:
            high = middle
    return low


def factor_beyond(
    world: World, asset: Asset, quantity: float, base: float, limit: float | None
) -> float:
    """Return the factor by which one order fits, or 0 where nothing of what it opens does.

    What closes sets margin free: whatever a part of it needs, all of it needs no more.
    """
    live = world.ledger.live(asset)
    closing = abs(live / quantity) if live * quantity < 0 else 0.0

    def is_carried(factor: float) -> bool:
        return fits(world, [plan(world, asset, quantity * factor, base, limit)], is_strict=True)

    factor = largest(is_carried, closing)
    # Less than a millionth is what rounding has left of the account.
    return factor if (factor - closing) / (1 - closing) >= 1e-6 else 0.0


def fit_fractions(world: World, due: Sequence[LiveOrder]) -> None:
    """Cut fractions that open or add at this moment by one factor, so that all of them fit."""
    together = []
    for order in due:
        order.fitting = math.inf
        is_adding = world.ledger.live(order.asset) * order.side >= 0 and not order.is_exit
        is_able = world.blocked(order.asset, order.side) is None
        is_able = is_able and refusal(world, order.asset, order.side, order.remaining) is None
        if order.status == "open" and order.is_fraction and is_adding and is_able:
            together.append(order)
    if len(together) < 2 or not world.setup.reserve_costs:
        return
    wanted: list[tuple[LiveOrder, float]] = []
    for order in together:
        taken = math.fsum(abs(q) for one, q in wanted if one.asset == order.asset)
        shares = min(order.remaining, order.opening, world.capacity(order.asset, taken))
        if shares > 0:  # else it is the volume that leaves nothing of it
            wanted.append((order, order.side * shares))
    pairs = [(one.asset, quantity) for one, quantity in wanted]
    factor = common_factor(world, pairs, one_by_one=True)
    if factor < 1:
        for one, quantity in wanted:
            # Less than a millionth is what rounding has left of the account.
            most = world.to_lot(one.asset, abs(quantity) * factor)
            one.fitting = most if factor >= 1e-6 else 0.0


def initial_rate(world: World, asset: Asset, side: float) -> float:
    """Return the part of a position that equity must cover to open it, by its side."""
    terms, margin = world.terms(asset), world.setup.margin
    assert margin is not None
    of_short = [terms.short_initial, terms.initial, margin.short_initial]
    of_long = [terms.initial]
    return first_known(of_short if side < 0 else of_long, margin.initial)


def maintenance_rate(world: World, asset: Asset, side: float) -> float:
    """Return the part of a position that equity must cover to hold it, by its side."""
    terms, margin = world.terms(asset), world.setup.margin
    assert margin is not None
    if side < 0:
        own = [terms.short_maintenance, terms.maintenance]
        general = first_known([margin.short_maintenance], margin.maintenance)
    else:
        own, general = [terms.maintenance], margin.maintenance
    return first_known(own, min(general, initial_rate(world, asset, side)))


def first_known(values: Sequence[float | None], general: float) -> float:
    return next((value for value in values if value is not None), general)


def refusal(world: World, asset: Asset, side: int, opening: float) -> str | None:
    """Return why the account may not open so many shares on this side at all."""
    if side > 0:
        return None
    if world.setup.margin is None:
        return NO_SHORTS
    if world.setup.borrow is None or asset in world.ledger.carried:
        return None
    borrow = world.borrow_known(world.t if world.is_after_protect else world.t - 1, asset)
    if borrow is None or not borrow.available:
        return NO_BORROW
    short = max(0.0, -world.ledger.live(asset)) + opening
    if borrow.shares is not None and short > borrow.shares * (1 + 1e-9):
        return NO_BORROW
    return None


def not_enough(world: World) -> str:
    return NO_CASH if world.setup.margin is None else NO_BUYING_POWER


def book(world: World, what: Plan, entered: str, order: int, why: str) -> None:
    """Make the fill; a position it opens gets its levels."""
    asset, _, paid = what
    before = world.ledger.positions.get(asset)
    world.ledger.fill(world.t, asset, paid, entered, order, why)
    world.traded[asset] = world.traded.get(asset, 0.0) + abs(paid.quantity)
    position = world.ledger.positions.get(asset)
    if position is before:
        return
    if asset in world.exits:  # asked for of a position that is no more
        gone = world.new_order(asset, 0.0, world.exits.pop(asset).rule)
        world.finish(gone, "cancelled", POSITION_CLOSED)
    if position is not None:
        levels_at_entry(world, asset, position)


def check_leverage(world: World, asset: Asset, base: float) -> None:
    """Assert that the account carries what it holds after an increase at `base`.

    Its own asset is worth `base`, what else was bought in this bar what was paid for it, and all
    other lots the price of the moment.
    """
    if world.setup.margin is None:
        return
    is_close = world.moment in (NEXT_CLOSE, THIS_CLOSE)
    equity, needed = [world.ledger.cash - math.fsum(world.ledger.carried.values())], []
    for name, position in world.ledger.positions.items():
        worth = []
        for lot in position.lots:
            moved = (lot.slippage + lot.impact) / abs(lot.bought * world.terms(name).multiplier)
            paid = lot.price - position.side * moved
            is_new = lot.t == world.t and not is_close
            price = base if name == asset else paid if is_new else world.prices[name]
            worth.append(lot.quantity * price * world.terms(name).multiplier)
        equity += worth
        of_side = abs(math.fsum(worth)) * position.side
        needed.append(tied_up(world, name, position.quantity, of_side))
    assert math.fsum(equity) >= math.fsum(needed) * (1 - 1e-8) - 1e-6, (world.t, asset)


def reduce(
    world: World, asset: Asset, shares: float, base: float, limit: float | None,
    order: LiveOrder,
) -> float:  # fmt: skip
    """Close up to `shares` of the position, as far as the volume goes; return how much."""
    live = world.ledger.live(asset)
    if shares >= abs(live) * (1 - 1e-9):
        shares = abs(live)  # what dust were left would be no position
    shares = fillable(world, order, shares)
    if shares <= 0:
        return 0.0
    quantity = -math.copysign(shares, live)
    book(world, plan(world, asset, quantity, base, limit), AT_OPEN, order.id, order.why)
    order.filled += quantity
    return shares


def fillable(world: World, order: LiveOrder, shares: float) -> float:
    """Return how many shares the market lets an order fill, and note on it what keeps the rest."""
    free = shares if order.side > 0 else world.free(order.asset, shares)
    filled = min(free, world.capacity(order.asset))
    order.cut_by = MIN_HOLDING if filled == free < shares else VOLUME_LIMIT
    return filled


def is_reduction(world: World, order: LiveOrder) -> bool:
    """Say whether an order can only close; in a cash account no other part of it would fill."""
    live = world.ledger.live(order.asset)
    is_within = order.remaining <= abs(live) * (1 + 1e-9)
    is_within |= order.is_exit or world.setup.margin is None
    return live * order.side < 0 and is_within


def cut_to_opening(world: World, order: LiveOrder) -> None:
    """Cut an order that was to turn a position over to what it still closes, and was to open."""
    live = world.ledger.live(order.asset)
    most = order.opening + (abs(live) if live * order.side < 0 else 0.0)
    if order.status == "open" and not order.is_exit and order.remaining > most * (1 + 1e-12):
        order.quantity = order.filled + order.side * most


def fill_order(
    world: World, order: LiveOrder, base: float, entered: str, *, sellable: float = math.inf
) -> None:
    """Fill what can be filled of a discrete order; what goes through zero is one fill.

    Where the account cannot carry what is beyond zero, the closing part fills and the rest is
    rejected.
    """
    asset = order.asset
    live = world.ledger.live(asset)
    if is_reduction(world, order):
        shares = min(order.remaining, abs(live), sellable)
        closed = reduce(world, asset, shares, base, order.limit, order)
        is_flat = world.ledger.live(asset) == 0
        if order.remaining == 0:
            world.finish(order, "filled")
        elif order.is_exit and is_flat:  # cut to what was live
            world.finish(order, "filled", CUT_TO_HELD)
        after_fill(world, order, closed)
        if order.status == "open" and is_flat:
            world.finish(order, "rejected", NO_SHORTS)
        return
    if order.is_exit:
        return
    if world.setup.margin is None and order.side < 0:
        world.finish(order, "rejected", NO_SHORTS)
        return
    shares = fillable(world, order, order.remaining)
    opened = shares if live * order.side >= 0 else max(0.0, shares - abs(live))
    if shares <= 0:
        return
    what = plan(world, asset, order.side * shares, base, order.limit)
    reason = refusal(world, asset, order.side, opened) if opened > 0 else None
    is_cut = False
    if reason is None and order.is_fraction and opened > 0 and world.setup.reserve_costs:
        is_cut = shares > order.fitting or not fits(world, [what])
        shares = min(shares, order.fitting)
        if is_cut and shares > 0:
            if live * order.side >= 0 or shares > abs(live):
                part = factor_beyond(world, asset, order.side * shares, base, order.limit)
                shares = world.to_lot(asset, shares * part)
            opened = shares if live * order.side >= 0 else max(0.0, shares - abs(live))
            what = plan(world, asset, order.side * shares, base, order.limit) if shares else what
    if is_cut and shares == 0:
        reason = not_enough(world)
    if reason is None and opened > 0 and not fits(world, [what]):
        reason = not_enough(world)
    if reason is not None:
        closed = 0.0
        if live * order.side < 0:
            closed = reduce(world, asset, abs(live), base, order.limit, order)
            after_fill(world, order, closed)
        world.finish(order, "rejected", reason)
        return
    book(world, what, entered, order.id, order.why)
    if opened > 0:
        check_leverage(world, asset, base)
    order.filled += what.paid.quantity
    if order.remaining == 0 or is_cut:
        world.finish(order, "filled", "cut" if is_cut else "")
    after_fill(world, order, shares)
    if opened > 0:
        make_children(world, order, opened, what.paid.price, entered)


def after_fill(world: World, order: LiveOrder, shares: float) -> None:
    if shares > 0:
        one_cancels_other(world, order, shares)
    cancel_orphans(world, order.asset)


def finish_now(world: World, order: LiveOrder) -> None:
    """End an order that has one moment: what it did not get, the volume kept."""
    if order.remaining == 0:
        world.finish(order, "filled")
    else:
        world.finish(order, "expired", order.cut_by)


def step_left(world: World, asset: Asset, level: Level) -> float:
    """Return the |shares| that a level closes: all, or what is left of a part of the peak."""
    position = world.ledger.positions[asset]
    live = abs(position.quantity)
    if level.part is None:
        return live
    # A split may leave no whole lots of what was sold so far.
    left = level.part * position.peak - position.memory.sold[level.part_path]
    return min(world.to_lot(asset, left), live)


def fire_level(
    world: World, asset: Asset, level: Level, base: float, *,
    is_stop: bool, sellable: float = math.inf,
) -> None:  # fmt: skip
    """Leave at a level of a rule; what the volume leaves of a stop is an exit at the next open."""
    live = world.ledger.live(asset)
    left = step_left(world, asset, level)
    wanted = min(left, sellable)
    if wanted <= 0:
        return
    order = world.new_order(asset, -math.copysign(wanted, live), level.rule.name)
    shares = reduce(world, asset, wanted, base, None if is_stop else level.price, order)
    world.closed[asset] = world.closed.get(asset, 0.0) + order.side * shares
    finish_now(world, order)
    position = world.ledger.positions.get(asset)
    if level.part is not None and position is not None:
        memory, path = position.memory, level.part_path
        memory.sold[path] += shares
        if shares >= left * (1 - 1e-9):
            memory.steps_done[path] += 1
            memory.sold[path] = 0.0
    if not is_stop and position is not None:
        position.target = None  # once a bar; the next is set at the close
    if is_stop and order.remaining > 0:
        world.queue_exit(asset, level.rule.name)
        if position is not None:
            position.stop = position.target = None  # all of it is an exit now
    if position is None:
        world.closed_inside.add(asset)
    cancel_orphans(world, asset)
