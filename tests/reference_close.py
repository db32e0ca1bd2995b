"""CLOSE: mark, let the water marks follow, reinvest, call for margin; at last, record the bar."""

from __future__ import annotations

import math

from reference_actions import expire_contracts, pay_funding
from reference_fills import initial_rate, maintenance_rate
from reference_ledger import AT_CLOSE, BY_LIMIT, Paid
from reference_orders import expire, ratchet
from reference_types import (
    MARGIN_CALL,
    REINVESTMENT,
    DecisionRow,
    EquityRow,
    PositionRow,
)
from reference_world import World


def step_close(world: World) -> None:
    reinvest(world)
    for asset, bar in world.bars.items():
        world.ledger.marks[asset] = bar.close
    follow(world)
    ratchet(world)
    expire(world)
    pay_funding(world, at_close=True)
    expire_contracts(world)
    if world.setup.margin is not None:
        call_margin(world)


def reinvest(world: World) -> None:
    """Buy shares for the dividends paid at this bar, at the close, without costs."""
    ledger = world.ledger
    if not world.setup.reinvest_dividends:
        return
    for asset, amount in world.reinvest:
        available = ledger.settled_cash(world.t) + world.setup.overdraft
        is_covered = world.setup.margin is not None or available >= amount * (1 - 1e-9)
        is_held = ledger.live(asset) > 0 and world.blocked(asset, 0) is None
        if amount <= 0 or not is_held or not is_covered:
            continue
        close = world.bars[asset].close
        quantity = world.to_lot(asset, amount / (close * world.terms(asset).multiplier))
        if quantity > 0:
            order = world.new_order(asset, quantity, REINVESTMENT)
            order.tag, order.filled = REINVESTMENT, quantity
            paid = Paid(quantity, close, 0.0, 0.0, 0.0)
            ledger.fill(world.t, asset, paid, AT_CLOSE, order.id, REINVESTMENT)
            world.finish(order, "filled")


def follow(world: World) -> None:
    """Move the water marks to the best price seen while the position was held."""
    for asset, position in world.ledger.positions.items():
        if world.blocked(asset, 0) is not None:
            continue
        bar = world.bars[asset]
        extreme = bar.high if position.side > 0 else bar.low
        if position.entry_t == world.t:
            if position.entered == AT_CLOSE:
                continue
            if position.entered == BY_LIMIT:  # the extreme may have been before the entry
                extreme = bar.close
        if position.side > 0:
            position.water_mark = max(position.water_mark, extreme)
        else:
            position.water_mark = min(position.water_mark, extreme)


def call_margin(world: World) -> None:
    """Below the maintenance margin, cut every position to what the equity can open."""
    ledger = world.ledger
    equity = ledger.equity(ledger.marks)
    values = {a: abs(ledger.value(a, ledger.marks[a])) for a in sorted(ledger.positions)}
    maintenance, initial = [], []
    for asset, value in values.items():
        side = ledger.live(asset)
        terms = world.terms(asset)
        least, own = terms.contract_maintenance, terms.contract_initial
        of_value = value * maintenance_rate(world, asset, side)
        maintenance.append(of_value if least is None else abs(side) * least)
        of_value = value * initial_rate(world, asset, side)
        initial.append(of_value if own is None else abs(side) * own)
    if not values or equity >= math.fsum(maintenance):
        return
    kept_fraction = max(0.0, equity) / (math.fsum(initial) or 1.0)
    for asset in values:
        live = abs(ledger.live(asset))
        kept = world.to_lot(asset, live * min(1.0, kept_fraction))
        world.queue_exit(asset, MARGIN_CALL, 1 - min(1.0, kept_fraction))
        row = DecisionRow(world.now, asset, MARGIN_CALL, "liquidate", live, kept)
        world.result.decisions.append(row)


def record(world: World) -> None:
    """Write the account as it is after the last fill of the bar."""
    ledger, result = world.ledger, world.result
    for asset, bar in world.bars.items():
        ledger.marks[asset] = bar.close
    ledger.settle(world.t)
    worth, weight = [], []
    for asset in sorted(ledger.positions):
        mark = ledger.marks[asset]
        value = ledger.value(asset, mark)
        worth.append(0.0 if asset in ledger.carried else value)
        weight.append(abs(value))
        is_stale = asset not in world.bars
        row = PositionRow(world.now, asset, ledger.live(asset), mark, is_stale, value)
        result.positions.append(row)
    equity = ledger.cash + math.fsum(worth)
    result.equity.append(EquityRow(world.now, equity, ledger.cash))
    world.gross = math.fsum(weight) / equity if equity > 0 else 0.0
    ledger.end_of_bar()
