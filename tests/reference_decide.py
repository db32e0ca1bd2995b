"""DECIDE: the limits that watch the equity, the strategy or the script, the limits' edits."""

from __future__ import annotations

import math

from reference_limits import LIQUIDATE, REDUCE, Limit, Watch, Weights, Wish
from reference_one_order import TINY, leave
from reference_orders import cancel, on_the_way, place, prepare, replace
from reference_rules import known
from reference_types import (
    NO_BAR,
    Asset,
    Cancel,
    DecisionRow,
    Order,
    OrderTarget,
    OrderTargetPercent,
    Replace,
    SelectionRow,
    Targets,
    TopN,
)
from reference_world import QueuedTargets, World

LIMITS = "limits"  # what no one limit in particular denied


def step_decide(world: World) -> None:
    equity = world.ledger.equity(world.ledger.marks)
    world.intended = {}
    note_return(world, equity)
    watch(world, equity)
    if world.setup.strategy is not None:
        choose(world)
    for instruction in world.setup.script.get(world.t, ()):
        if isinstance(instruction, Order):
            submit(world, instruction)
        elif isinstance(instruction, Cancel):
            cancel(world, instruction.ref)
        elif isinstance(instruction, Replace):
            replace(world, instruction, allow)
        elif isinstance(instruction, Targets):
            rebalance(world, dict(instruction.weights), instruction)
        else:
            order_target(world, instruction, equity)


# -- the strategy's wishes


def choose(world: World) -> None:
    strategy = world.setup.strategy
    assert strategy is not None
    if (world.t + 1 - strategy.offset) % strategy.every != 0:
        return
    if not strategy.when(world.setup.market.get(world.now, {})):
        return
    members = world.setup.members
    scores: dict[Asset, float] = {}
    for asset in world.bars:
        signals = world.signals_at(world.t, asset)
        score = known(signals, strategy.by)
        is_member = members is None or (world.now, asset) in members
        if is_member and score is not None and strategy.where(signals):
            scores[asset] = score
    sign = 1 if strategy.ascending else -1
    chosen = sorted(scores, key=lambda asset: (sign * scores[asset], asset))[: strategy.n]
    weight = 1 / strategy.n
    for rank, asset in enumerate(chosen, start=1):
        row = SelectionRow(world.now, asset, rank, scores[asset], weight)
        world.result.selections.append(row)
    rebalance(world, dict.fromkeys(chosen, weight), strategy)  # empty: sell everything


def order_target(world: World, wanted: OrderTarget | OrderTargetPercent, equity: float) -> None:
    """Order the difference to the target, less what open market orders still add."""
    asset, ledger = wanted.asset, world.ledger
    if isinstance(wanted, OrderTarget):
        target = wanted.quantity
    elif (price := world.price_now(asset)) is not None:
        target = wanted.fraction * max(0.0, equity) / (price * world.terms(asset).multiplier)
    else:
        world.reject(asset, wanted.fraction, wanted.tag or "order", NO_BAR)
        return
    raw, target = target, world.to_lot(asset, target)
    live = ledger.live(asset)
    coming = on_the_way(world, asset)
    if target == 0 and live == 0 and not coming:
        target = raw  # below one lot, if it is not nothing
    change = target - live - sum(coming)
    if abs(change) > 1e-9 * max(map(abs, (target, live, *coming))):
        is_fraction = isinstance(wanted, OrderTargetPercent)
        order = Order(asset=asset, quantity=change, tag=wanted.tag, is_fraction=is_fraction)
        submit(world, order)


# -- the limits


def weights_now(world: World) -> Weights:
    ledger = world.ledger
    equity = ledger.equity(ledger.marks)
    if equity <= 0:
        return dict.fromkeys(ledger.positions, 0.0)
    return {a: ledger.value(a, ledger.marks[a]) / equity for a in ledger.positions}


def rebalance(world: World, weights: Weights, asked: Targets | TopN) -> None:
    """Queue the weights that the limits leave."""
    current = weights_now(world)
    wanted = {asset: weights.get(asset, 0.0) for asset in sorted({*weights, *current})}
    ranks = {asset: place for place, asset in enumerate(weights, start=1)}
    rows: list[DecisionRow] = []
    if world.setup.limits and world.ledger.equity(world.ledger.marks) <= 0:
        allowed, untouched = dict.fromkeys(wanted, 0.0), set[Asset]()
        rows = [
            DecisionRow(world.now, asset, LIMITS, "deny", weight, 0.0)
            for asset, weight in wanted.items()
            if weight != 0
        ]
    else:
        allowed, untouched = edit(world, wanted, current, ranks, rows)
        world.intended = dict(allowed)
    world.result.decisions += rows
    named = {a: weight for a, weight in allowed.items() if weight != 0 or a in weights}
    world.targets = QueuedTargets(named, set(world.exits), untouched, asked.min_trade, asked.band)


def edit(
    world: World, weights: Weights, current: Weights, ranks: dict[Asset, int],
    rows: list[DecisionRow],
) -> tuple[Weights, set[Asset]]:  # fmt: skip
    """Pass the weights through the limits, and write down who changed what."""
    untouched: set[Asset] = set()
    groups = {asset: world.terms(asset).group for asset in weights}
    watches = {id(watch.limit): watch for watch in world.watches}
    for limit in world.setup.limits:
        wish = Wish(weights, current, ranks, groups, world.returns)
        after = watches[id(limit)].edit(wish) if id(limit) in watches else limit.edit(wish)
        for asset, old in weights.items():
            new = after[asset]
            if abs(new - old) > 1e-12:
                untouched.discard(asset)
                action = "deny" if new in (0, current.get(asset, 0.0)) else "edit"
                rows.append(DecisionRow(world.now, asset, limit.name, action, old, new))
        untouched |= wish.untouched
        weights = after
    return weights, untouched


def allow(world: World, asset: Asset, quantity: float) -> tuple[float, str]:
    """Return what the limits leave of a discrete order, and the last one that cut it."""
    ledger = world.ledger
    equity = ledger.equity(ledger.marks)
    if not world.setup.limits:
        return quantity, ""
    if equity <= 0:  # what closes is let through
        live = ledger.live(asset)
        closing = min(abs(quantity), abs(live)) if live * quantity < 0 else 0.0
        if closing < abs(quantity):
            row = DecisionRow(world.now, asset, LIMITS, "edit", quantity, closing)
            world.result.decisions.append(row)
        return math.copysign(closing, quantity) if closing else 0.0, LIMITS
    price = world.price_now(asset)
    if price is None:
        row = DecisionRow(world.now, asset, LIMITS, "deny", quantity, 0.0)
        world.result.decisions.append(row)
        return 0.0, LIMITS
    effect = quantity * price * world.terms(asset).multiplier / equity
    current = weights_now(world)
    weights = {**current, **world.intended}
    before = weights.get(asset, 0.0)
    wanted, cut_by = before + effect, ""
    for limit in world.setup.limits:
        groups = {name: world.terms(name).group for name in {*weights, asset}}
        wish = Wish({**weights, asset: wanted}, current, {}, groups, world.returns)
        left = leave(limit, wish, asset, is_in_force=is_in_force(world, limit))
        left = min(max(left, min(before, wanted)), max(before, wanted))
        if abs(left - wanted) > 1e-12:
            cut_by = limit.name
            action = "deny" if left == before else "edit"
            row = DecisionRow(world.now, asset, cut_by, action, wanted, left)
            world.result.decisions.append(row)
            wanted = left
    part = (wanted - before) / effect if cut_by else 1.0
    left_over = quantity
    if part <= TINY:
        left_over = 0.0
    elif part < 1 - TINY:
        left_over = world.to_lot(asset, quantity * part)
    weight = before + effect * (left_over / quantity)
    world.intended[asset] = weight if abs(weight) > 1e-12 else 0.0
    return left_over, cut_by


def submit(world: World, wanted: Order) -> None:
    """Place an order, cut to what the limits allow of it."""
    order = prepare(world, wanted)
    if order is None:
        return
    quantity, cut_by = allow(world, order.asset, order.quantity)
    if quantity == 0:
        world.finish(order, "denied", cut_by)
        return
    order.quantity = quantity
    place(world, order)


# -- drawdown and daily loss


def note_return(world: World, equity: float) -> None:
    """Keep the equity's return per unit of exposure."""
    if world.t > 0 and world.gross > 0:
        before = world.result.equity[-1].equity
        world.returns.append((equity / before - 1) / world.gross)


def watch(world: World, equity: float) -> None:
    """Let each watching limit fire or resume; what it fires is an exit at the next open."""
    ledger = world.ledger
    previous = world.result.equity[-1].equity if world.t > 0 else None
    is_new = world.t == 0 or ledger.sessions[world.t] != ledger.sessions[world.t - 1]
    for one in world.watches:
        for event in one.observe(world.t, equity, previous, is_new):
            row = DecisionRow(world.now, None, one.limit.name, event, one.reference, equity)
            world.result.decisions.append(row)
            if event == REDUCE:
                reduce_all(world, one)
        if one.in_force and one.limit.action == LIQUIDATE:
            for asset in sorted(ledger.positions):
                world.queue_exit(asset, one.limit.name)
    braking = [
        limit.name
        for limit in world.setup.limits
        if is_in_force(world, limit) and getattr(limit, "action", REDUCE) != REDUCE
    ]
    if braking:  # what rests from earlier bars would increase positions behind the limit's back
        for order in world.book:
            if not order.is_exit:
                world.finish(order, "cancelled", f"cancelled by {braking[0]}")


def is_in_force(world: World, limit: Limit) -> bool:
    return any(one.limit is limit and one.in_force for one in world.watches)


def reduce_all(world: World, one: Watch) -> None:
    for asset in sorted(world.ledger.positions):
        world.queue_exit(asset, one.limit.name, 1 - one.limit.scale)
