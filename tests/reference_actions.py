"""ACTIONS: before the open what time has cost, then corporate actions and the dividends due."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from reference_ledger import Level, Position
from reference_orders import cancel_orphans
from reference_protect import put_on_ticks
from reference_rules import to_lot
from reference_types import (
    ABOVE_PRICE,
    DELISTED,
    EXPIRED,
    POSITION_CLOSED,
    REBALANCE,
    RENAMED,
    Action,
    Asset,
)
from reference_world import World

KINDS = ("dividend", "return_of_capital", "cash", "split", "rename", "delisting")
PAID = KINDS[:3]


def step_actions(world: World) -> None:
    charge_borrow(world)  # of the night before, so that of what is delisted now too
    pay_interest(world)
    expire_contracts(world, is_over=True)
    pay_funding(world)
    today = [action for action in world.setup.actions if first_bar(world, action) == world.t]
    for action in in_order(today):
        if action.kind in PAID:
            distribute(world, action)
        elif action.kind == "split":
            assert action.value is not None
            split(world, action.asset, action.value)
        elif action.kind == "rename":
            assert action.new_asset is not None
            rename(world, action.asset, action.new_asset)
        else:
            delist(world, action)
    pay_dividends(world)


def in_order(today: list[Action]) -> list[Action]:
    """Return a bar's actions date by date, those of one date by kind; dividends by size.

    What a rename's date says of the new name comes behind it, what later dates of the same bar
    say of the old name before it. A delisting is the last of its date.
    """
    rank = {action: (action.ex_date, KINDS.index(action.kind)) for action in today}
    for rename_ in (action for action in today if action.kind == "rename"):
        for other in today:
            if other.kind not in (*PAID, "split"):
                continue
            if other.asset == rename_.asset:
                rank[other] = min(rank[other], (rename_.ex_date, KINDS.index(other.kind)))
            elif other.asset == rename_.new_asset and other.ex_date == rename_.ex_date:
                rank[other] = (
                    other.ex_date,
                    KINDS.index("rename") + 0.5 + KINDS.index(other.kind) / 100,
                )
    return sorted(today, key=lambda one: (*rank[one], one.asset, one.ex_date, one.value or 0.0))


def first_bar(world: World, action: Action) -> int | None:
    """Return the bar at which the action applies; None: before or after the run."""
    if action.ex_date < world.timeline[0]:
        return None
    for t, timestamp in enumerate(world.timeline):
        if timestamp >= action.ex_date:
            return t
    return None


def days(world: World) -> float:
    """Count the calendar days since the previous bar, or the time where hours count."""
    if world.t == 0:
        return 0
    if world.setup.counts_hours:
        now, before = (world.timeline[t] for t in (world.t, world.t - 1))
        return (seconds(now) - seconds(before)) / 86_400
    return (world.today - world.date_of(world.t - 1)).days


def seconds(time: datetime) -> float:
    """Return the time since 1970; that of a bar without a zone as if it were UTC."""
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


# -- dividends


def distribute(world: World, action: Action) -> None:
    """Note what is due, and lower prices: what was held before the bar is entitled, a short owes.

    Nothing has filled yet; a split of the same ex-date comes after.
    """
    assert action.value is not None
    value = action.value
    if action.kind == "return_of_capital":
        amount = world.ledger.return_capital(action.asset, value)
    elif action.kind == "cash":
        amount = world.ledger.carry(action.asset, value)
    else:
        amount = world.ledger.go_ex(action.asset, value)
    pay_date, rate = action.pay_date or world.now, world.ledger.rate(action.asset)
    if amount != 0:
        world.due.append((pay_date, action.asset, action.kind, amount, rate))
    if amount > 0 and action.withholding:
        tax = world.ledger.carry(action.asset, -value * action.withholding)
        world.due.append((pay_date, action.asset, "withholding", tax, rate))
    if action.kind == "cash":  # no price follows a fee
        return
    if action.asset in world.ledger.marks:  # who buys now has no part in it
        world.ledger.marks[action.asset] = max(0.0, world.ledger.marks[action.asset] - value)
    if world.setup.dividends_move_levels:
        lower_orders(world, action.asset, value)
        if action.asset in world.ledger.positions:
            lower_levels(world.ledger.positions[action.asset], value)
            put_on_ticks(world.ledger.positions[action.asset], world.terms(action.asset).tick)


def lower_levels(position: Position, value: float) -> None:
    """Take a dividend off all that speaks of the profit of a position."""
    position.water_mark -= value
    memory = position.memory
    memory.stops = {path: price - value for path, price in memory.stops.items()}
    stop, target = position.stop, position.target
    if stop is not None:
        position.stop = Level(stop.price - value, stop.rule)
    if target is not None:
        price = target.price - value
        position.target = Level(price, target.rule, target.part, target.part_path)


def lower_orders(world: World, asset: Asset, value: float) -> None:
    """Take a dividend off limits to buy and stops to sell; what has no price left ends.

    A stop-limit is one order until its stop is met, then it is a limit.
    """
    for order in world.book:
        if order.asset != asset:
            continue
        prices: list[float | None] = []
        if order.side > 0 and not order.is_stop and order.limit is not None:
            order.limit -= value
            prices = [order.limit]
        if order.side > 0 and order.is_touch and order.touch is not None:  # no stop
            order.touch -= value
            prices = [order.touch]
        if order.side < 0 and order.is_stop:
            order.limit = None if order.limit is None else order.limit - value
            if order.is_trailing:
                order.best -= value
            elif order.stop is not None:
                order.stop -= value
            prices = [order.limit, order.best if order.is_trailing else order.stop]
        if order.side > 0 and order.stop_loss is not None:  # a stop to sell, once it has bought
            order.stop_loss -= value
        if order.side < 0 and order.take_profit is not None:  # a limit to buy
            order.take_profit -= value
        order.put_on_ticks(world.terms(asset).tick)
        if any(price is not None and price <= 0 for price in prices):
            world.finish(order, "cancelled", ABOVE_PRICE)
        for name in ("stop_loss", "take_profit"):
            if (getattr(order, name) or 1.0) <= 0:
                setattr(order, name, None)


def pay_dividends(world: World) -> None:
    waiting, reinvested = [], dict[Asset, float]()
    for pay_date, asset, kind, amount, rate in world.due:
        if pay_date <= world.now:
            world.ledger.flow(world.t, asset, kind, amount)
            gained = amount / rate * world.ledger.rate(asset) - amount
            if gained:
                world.ledger.flow(world.t, asset, "fx_revaluation", gained)
            if kind in ("dividend", "withholding"):
                reinvested[asset] = reinvested.get(asset, 0.0) + amount
        else:
            waiting.append((pay_date, asset, kind, amount, rate))
    world.reinvest += reinvested.items()
    world.due = waiting


def pay_funding(world: World, *, at_close: bool = False) -> None:
    """Have longs pay a rate of their notional at the last close, and shorts receive it.

    What is due at the time of a bar is paid at its close, what is due before it since the last one
    before anything else.
    """
    for time, asset, rate in sorted(world.setup.funding):
        is_now = time == world.now
        is_since = world.t > 0 and world.timeline[world.t - 1] < time < world.now
        if not (is_now if at_close else is_since) or asset not in world.ledger.positions:
            continue
        amount = world.ledger.carry(asset, -rate * world.ledger.marks[asset])
        world.ledger.flow(world.t, asset, "funding", amount)


# -- splits


def split(world: World, asset: Asset, ratio: float) -> None:
    """Multiply every quantity and divide every price of the asset by the ratio."""
    ledger, terms = world.ledger, world.terms(asset)
    world.ratios[asset] = world.ratios.get(asset, 1.0) * ratio
    if asset in ledger.marks:
        ledger.marks[asset] /= ratio
    if asset in ledger.positions:
        split_position(ledger.positions[asset], ratio, terms.tick)
    for order in world.book:
        if order.asset != asset:
            continue
        order.quantity = order.filled + (order.quantity - order.filled) * ratio
        order.opening *= ratio
        order.best /= ratio
        for name in (
            "limit", "stop", "touch", "trail_amount", "take_profit", "stop_loss",
            "child_trail_amount",
        ):  # fmt: skip
            price = getattr(order, name)
            setattr(order, name, None if price is None else price / ratio)
        order.put_on_ticks(terms.tick)
        if terms.lot:
            left = world.to_lot(asset, order.remaining)
            if order.opening < math.inf:
                order.opening = world.to_lot(asset, order.opening)
            order.quantity = order.filled + order.side * left
            if left == 0:
                world.finish(order, "cancelled", "split")
    if terms.lot and asset in ledger.positions:
        pay_fraction(world, asset)


def split_position(position: Position, ratio: float, tick: float) -> None:
    for lot in position.lots:
        lot.bought *= ratio
        lot.quantity *= ratio
        lot.price /= ratio
        lot.cost /= ratio
        lot.settled /= ratio
        lot.paid = None if lot.paid is None else lot.paid / ratio
        lot.seen = [price / ratio for price in lot.seen]
    position.water_mark /= ratio
    position.peak *= ratio
    position.splits *= ratio
    memory = position.memory
    memory.stops = {path: price / ratio for path, price in memory.stops.items()}
    memory.sold = {path: shares * ratio for path, shares in memory.sold.items()}
    stop, target = position.stop, position.target
    if stop is not None:
        position.stop = Level(stop.price / ratio, stop.rule)
    if target is not None:
        price = target.price / ratio
        position.target = Level(price, target.rule, target.part, target.part_path)
    put_on_ticks(position, tick)


def pay_fraction(world: World, asset: Asset) -> None:
    """Pay the fraction of a share that a split left in cash, at the mark."""
    live = world.ledger.live(asset)
    # An odd lot is kept; of a lot that is a part of a share no part of it.
    fraction = live - to_lot(live, min(world.terms(asset).lot, 1.0))
    if abs(fraction) > 1e-9 * abs(live):
        mark = world.ledger.marks[asset]
        world.ledger.close_at_terms(world.t, asset, -fraction, mark, "cash in lieu")
        cancel_orphans(world, asset)


# -- the end of a name


def rename(world: World, old: Asset, new: Asset) -> None:
    ledger = world.ledger
    world.names[new] = (old, world.t)
    if old in ledger.marks:
        ledger.marks.setdefault(new, ledger.marks[old])
    if old in world.ratios:
        world.ratios.setdefault(new, world.ratios[old])
    is_younger = False
    if old in ledger.positions:
        moved = ledger.positions.pop(old)
        there = ledger.positions.get(new)
        if there is None:
            ledger.positions[new] = moved
        else:
            assert there.side == moved.side, "a rename onto the opposite side is undefined"
            is_younger = there.entry_t <= moved.entry_t
            kept = there if is_younger else moved
            lots = sorted([*there.lots, *moved.lots], key=lambda lot: lot.t)
            kept.lots.clear()
            kept.lots.extend(lots)
            kept.peak = max(there.peak + moved.peak, abs(kept.quantity))
            ledger.positions[new] = kept
    if old in world.exits:
        queued = world.exits.pop(old)
        if is_younger:  # a part of an older position now
            world.finish(world.new_order(old, 0.0, queued.rule), "cancelled", POSITION_CLOSED)
        else:
            world.queue_exit(new, queued.rule, queued.part)
    if world.targets is not None:
        for names in (world.targets.pending, world.targets.untouched):
            if old in names:
                names.remove(old)
                names.add(new)
        if old in world.targets.weights:
            world.targets.weights[new] = world.targets.weights.pop(old)
    for order in world.book:
        if order.asset == old:
            order.asset = new
    world.gone[old] = RENAMED
    world.due = [(day, new if asset == old else asset, *rest) for day, asset, *rest in world.due]


def delist(world: World, action: Action) -> None:
    """Close the position at the terms given, and forget whatever was queued."""
    price = action.value
    if price is None and action.asset in world.ledger.positions:
        price = world.ledger.marks[action.asset] * (1 + (action.delisting_return or 0.0))
    end(world, action.asset, price or 0.0, "delisting", DELISTED)


def expire_contracts(world: World, *, is_over: bool = False) -> None:
    """Settle futures in cash: at the last close of their session, or else once it is over."""
    for asset, terms in sorted(world.setup.terms.items()):
        if terms.expiry is None or asset in world.gone:
            continue
        is_last = world.t + 1 == len(world.timeline) or world.date_of(world.t + 1) > world.today
        ends_now = terms.expiry == world.today and is_last and not is_over
        if ends_now or (is_over and terms.expiry < world.today):
            price = terms.final_settlement
            if price is None:
                price = world.ledger.marks.get(asset, 0.0)
            if not is_over and asset in world.ledger.positions:
                world.ledger.look(world.t, asset)
            end(world, asset, price, "expiry", EXPIRED)


def end(world: World, asset: Asset, price: float, kind: str, reason: str) -> None:
    """Close what is held of an asset at a price, without costs, and cancel what waits."""
    ledger = world.ledger
    world.gone[asset] = reason
    if asset in ledger.positions:
        ledger.close_at_terms(world.t, asset, -ledger.live(asset), price, kind)
    for order in world.book:
        if order.asset == asset:
            world.finish(order, "cancelled", reason)
    if asset in world.exits:
        order = world.new_order(asset, 0.0, world.exits.pop(asset).rule)
        world.finish(order, "cancelled", reason)
    if world.targets is not None and asset in world.targets.weights:
        del world.targets.weights[asset]
        world.finish(world.new_order(asset, 0.0, REBALANCE), "cancelled", reason)


# -- the cost of time


def charge_borrow(world: World) -> None:
    """Charge the shorts held over the interval, at the fee and the mark of the previous close."""
    ledger = world.ledger
    for asset in sorted(ledger.positions):
        quantity = ledger.live(asset)
        if quantity < 0 and world.t > 0 and asset not in ledger.carried:
            borrow = world.borrow_known(world.t - 1, asset)
            share = days(world) / world.ledger.days_per_year(asset, world.setup.days_per_year)
            if borrow is not None and borrow.fee * share != 0:
                value = -quantity * ledger.marks[asset] * world.terms(asset).multiplier
                ledger.charge_borrow(world.t, asset, borrow.fee * value * share)


def pay_interest(world: World) -> None:
    """Pay or charge interest on the cash of the previous close."""
    if world.t == 0:
        return
    cash = world.ledger.cash_at_close
    rate = world.setup.credit_rate if cash > 0 else world.setup.debit_rate
    amount = cash * rate * days(world) / world.setup.days_per_year
    if amount != 0:
        world.ledger.flow(world.t, None, "interest", amount)
    world.ledger.pay_other_interest(world.t, days(world))
