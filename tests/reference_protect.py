"""PROTECT: the rules set the levels of every position, or queue its exit at the next open."""

from __future__ import annotations

from reference_ledger import AT_CLOSE, Level, Position
from reference_orders import to_tick
from reference_rules import Rule, View, evaluate
from reference_types import MEMBERSHIP, Asset, Signals, StopRow
from reference_world import World


def step_protect(world: World) -> None:
    ledger, members = world.ledger, world.setup.members
    for asset in sorted(ledger.positions):
        position = ledger.positions[asset]
        if asset in world.bars:
            held = bars_held(world, position)
            signals = world.signals_at(world.t, asset)
            exit_rule = set_levels(world, asset, position, held, signals)
            if exit_rule is not None:
                world.queue_exit(asset, exit_rule.name)
            is_member = members is None or (world.now, asset) in members
            if world.setup.membership_end == "exit" and not is_member:
                world.queue_exit(asset, MEMBERSHIP)
        stop = position.stop.price if position.stop else None
        target = position.target.price if position.target else None
        world.result.stops.append(StopRow(world.now, asset, stop, target))
    world.is_after_protect = True


def bars_held(world: World, position: Position) -> int:
    """Count the bars through which it was held, the entry's own too unless it was at the close."""
    return world.t - position.entry_t + (0 if position.entered == AT_CLOSE else 1)


def levels_at_entry(world: World, asset: Asset, position: Position) -> None:
    """Set the levels of a new position from what was known when its order was decided."""
    if position.entered != AT_CLOSE:
        ratio = world.ratios.get(asset, 1.0)
        set_levels(
            world, asset, position, 0, world.signals_at(world.t - 1, asset), ratio, is_entry=True
        )
    elif world.is_after_protect:
        set_levels(world, asset, position, 0, world.signals_at(world.t, asset), is_entry=True)
    # Else PROTECT of this same bar is still to come.


def set_levels(
    world: World, asset: Asset, position: Position, held: int, signals: Signals,
    ratio: float = 1.0, is_entry: bool = False,
) -> Rule | None:  # fmt: skip
    """Evaluate and merge the rules, set both levels, and return the rule whose exit stands.

    Higher priority wins a field; then the tighter stop, the nearer target; then the earlier rule.
    """
    side, terms = position.side, world.terms(asset)
    close = world.bars[asset].close
    stop: Level | None = None
    target: Level | None = None
    exit_rule: Rule | None = None
    moves = world.setup.dividends_move_levels
    dividends = world.ledger.dividends_per_share(asset) if moves else 0.0
    for place, rule in enumerate(world.setup.rules):
        view = View(
            side, position.average_price, position.water_mark, close, held, position.peak,
            terms.lot, signals, ratio, position.splits, dividends, position.memory, (place,),
            is_entry,
        )  # fmt: skip
        verdict = evaluate(rule, view)
        if verdict.exit and (exit_rule is None or rule.priority > exit_rule.priority):
            exit_rule = rule
        if verdict.stop is not None:
            rank = (rule.priority, side * verdict.stop)
            if stop is None or rank > (stop.rule.priority, side * stop.price):
                stop = Level(verdict.stop, rule)
        if verdict.target is not None:
            rank = (rule.priority, -side * verdict.target)
            if target is None or rank > (target.rule.priority, -side * target.price):
                target = Level(verdict.target, rule, verdict.part, verdict.part_path)
    position.stop, position.target = stop, target
    put_on_ticks(position, terms.tick)
    if exit_rule is not None:
        for level in (stop, target):
            if level is not None and level.rule.priority > exit_rule.priority:
                return None
    return exit_rule


def put_on_ticks(position: Position, tick: float) -> None:
    """A long's stop rounds down and its target up: both later. A short's the other way."""
    stop, target, is_long = position.stop, position.target, position.side > 0
    if stop is not None:
        price = to_tick(stop.price, tick, up=not is_long)
        position.stop = Level(price, stop.rule)
    if target is not None:
        price = to_tick(target.price, tick, up=is_long)
        position.target = Level(price, target.rule, target.part, target.part_path)
