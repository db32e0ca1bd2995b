"""The reference against itself: what a mirror, a split and a new name must not change.

Prices are multiples of 1/64, so that mirroring and halving them is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

import reference as r
from effort import examples
from test_reference_invariants import random_case
from universes import Universe, make_script, make_universe

STEP = 1 / 64
FREE: dict[str, Any] = {
    "margin": r.Margin(), "commission_bps": 0.0, "slippage_bps": 0.0, "initial_capital": 1e9
}  # fmt: skip
RULES: list[r.Rule] = [
    r.TrailingStop(amount=4.0), r.VolatilityScaledStopLoss(2.0), r.VolatilityTrailingStop(3.0),
    r.TimeBasedExit(7), r.AllOf([r.TrailingStop(amount=2.0), r.TimeBasedExit(3)]),
]  # fmt: skip


def exact_case(seed: int) -> tuple[Universe, dict[int, list[r.Instruction]]]:
    """Return a universe without actions, and orders of all sorts with prices on steps."""
    universe = make_universe(
        seed, tick=STEP, volume=True, p_limit_flag=0.03, vwap=False, bars_per_day=1 + seed % 2
    )
    for row in universe.signals.values():
        row["atr"] = None if row["atr"] is None else on_step(row["atr"])
    script = make_script(seed, universe, per_bar=2.0, kinds=("order", "order", "change"))
    return universe, {t: [with_prices(each, on_step) for each in row] for t, row in script.items()}


def on_step(price: float) -> float:
    return max(STEP, round(price / STEP) * STEP)


def with_prices(each: r.Instruction, level: Callable[[float], float]) -> Any:
    """Change the prices of an order; trails as fractions become amounts."""
    if isinstance(each, r.Replace):
        changes = {"limit": each.limit, "stop": each.stop}
    elif isinstance(each, r.Order):
        if each.trail_fraction is not None:
            each = replace(each, trail_fraction=None, trail_amount=50 * each.trail_fraction)
        if each.stop_loss_trail_fraction is not None:
            amount = on_step(50 * each.stop_loss_trail_fraction)
            each = replace(each, stop_loss_trail_fraction=None, stop_loss_trail_amount=amount)
        if each.trail_amount is not None:
            each = replace(each, trail_amount=on_step(each.trail_amount))
        names = ("limit", "stop", "take_profit", "stop_loss")
        changes = {name: getattr(each, name) for name in names}
    else:
        return each
    return replace(each, **{k: None if p is None else level(p) for k, p in changes.items()})


def rows_of(result: r.ReferenceResult, mirror: float | None = None) -> list[tuple[Any, ...]]:
    sign = 1 if mirror is None else -1
    return [
        (f.timestamp, f.asset, sign * f.quantity, f.price if mirror is None else mirror - f.price)
        for f in result.fills
    ]


@pytest.mark.parametrize("seed", range(examples(12)))
def test_a_short_is_a_long_in_the_mirror(seed: int) -> None:
    universe, script = exact_case(seed)
    rules = RULES[seed % 6 : seed % 6 + 2]
    options = {**FREE, "participation": 0.3, "default_terms": r.Terms(initial=0.0, maintenance=0.0)}
    plain = r.run(universe.bars, universe.signals, script=script, rules=rules, **options)

    mirror = 4096.0
    bars = {
        time: {
            asset: bar._replace(
                open=mirror - bar.open, high=mirror - bar.low, low=mirror - bar.high,
                close=mirror - bar.close, limit_up=bar.limit_down, limit_down=bar.limit_up,
            )
            for asset, bar in row.items()
        }
        for time, row in universe.bars.items()
    }  # fmt: skip

    def turned(each: r.Instruction) -> Any:
        each = with_prices(each, lambda price: mirror - price)
        if isinstance(each, r.Order):
            return replace(each, quantity=-each.quantity)
        if isinstance(each, r.Replace) and each.quantity is not None:
            return replace(each, quantity=-each.quantity)
        return each

    mirrored = {t: [turned(each) for each in row] for t, row in script.items()}
    result = r.run(bars, universe.signals, script=mirrored, rules=rules, **options)
    assert [row[:2] for row in rows_of(result, mirror)] == [row[:2] for row in rows_of(plain)]
    for mine, other in zip(rows_of(result, mirror), rows_of(plain), strict=True):
        assert mine[2:] == pytest.approx(other[2:])
    swapped = {"limit up": "limit down", "limit down": "limit up"}
    assert [(o.status, o.reason) for o in result.orders] == [
        (o.status, swapped.get(o.reason, o.reason)) for o in plain.orders
    ]
    assert [row.equity for row in result.equity] == pytest.approx([x.equity for x in plain.equity])


@pytest.mark.parametrize("seed", range(examples(12)))
def test_a_split_changes_no_money(seed: int) -> None:
    universe, script = exact_case(seed)
    fractions: list[r.Rule] = [
        r.StopLoss(0.0625), r.ScaledExit(((0.0625, 0.5),)), r.TrailingStop(0.0625),
        r.BreakevenStop(0.03125), *RULES[1:4],
    ]  # fmt: skip
    rules = fractions[seed % 6 : seed % 6 + 3]
    times = sorted(universe.bars)
    at, asset = times[len(times) // 3], universe.assets[seed % 6]
    since = [time for time in times if time >= at]
    bars = {time: dict(row) for time, row in universe.bars.items()}
    signals = dict(universe.signals)
    for time in since:
        if asset in bars[time]:
            bar = bars[time][asset]
            prices = [price / 2 for price in bar[:4]]
            bars[time][asset] = r.Bar(*prices, *bar[4:])
        row = signals[time, asset]
        signals[time, asset] = {**row, "atr": None if row["atr"] is None else row["atr"] / 2}

    # Orders that name the asset are given in new shares; a Replace names none: leave them out.
    def adjusted(each: r.Instruction, time: datetime) -> Any:
        if not isinstance(each, r.Order) or each.asset != asset or time < at:
            return each
        each = with_prices(each, lambda price: price / 2)
        amounts = ("trail_amount", "stop_loss_trail_amount")
        old = {name: getattr(each, name) for name in amounts}
        new = {name: None if amount is None else amount / 2 for name, amount in old.items()}
        return replace(each, quantity=each.quantity * 2, **new)

    split_script = {
        t: [adjusted(each, times[t]) for each in row if not isinstance(each, r.Replace)]
        for t, row in script.items()
    }
    plain_script = {
        t: [each for each in row if not isinstance(each, r.Replace)] for t, row in script.items()
    }
    plain = r.run(universe.bars, universe.signals, script=plain_script, rules=rules, **FREE)
    actions = [r.Action(asset, at, "split", 2.0)]
    result = r.run(bars, signals, script=split_script, rules=rules, actions=actions, **FREE)
    assert len(result.fills) == len(plain.fills)
    assert [row.equity for row in result.equity] == pytest.approx(
        [row.equity for row in plain.equity], rel=1e-12
    )


@pytest.mark.parametrize("seed", range(examples(12)))
def test_a_new_name_changes_no_money(seed: int) -> None:
    universe, options = random_case(seed)
    if universe.actions:
        return
    options |= {"margin": r.Margin(initial=0.0, maintenance=0.0), "initial_capital": 1e9}
    options |= {"members": None, "borrow": {}, "timing": "next_open", "limits": []}
    plain = r.run(universe.bars, universe.signals, **options)
    times = sorted(universe.bars)
    at, asset = times[len(times) // 2], universe.assets[seed % 6]
    if not any(asset in universe.bars[time] for time in times if time >= at):
        return
    # The features of the new name are known from its first bar on, so its entry that bar is blind:
    # give it the old one's.
    before = times[len(times) // 2 - 1]
    signals = {
        (time, "B" if name == asset and time >= at else name): row
        for (time, name), row in universe.signals.items()
    }
    signals[before, "B"] = universe.signals[before, asset]
    bars = {
        time: {"B" if name == asset and time >= at else name: bar for name, bar in row.items()}
        for time, row in universe.bars.items()
    }

    def renamed(each: Any) -> Any:
        if isinstance(each, r.Targets):
            return r.Targets({"B" if a == asset else a: w for a, w in each.weights.items()})
        return replace(each, asset="B") if getattr(each, "asset", None) == asset else each

    options["script"] = {
        t: [renamed(each) if times[t] >= at else each for each in row]
        for t, row in options["script"].items()
    }
    options["terms"] = {**options["terms"], "B": options["terms"][asset]}
    options["actions"] = [r.Action(asset, at, "rename", new_asset="B")]
    result = r.run(bars, signals, **options)
    assert len(result.fills) == len(plain.fills)
    assert [row.equity for row in result.equity] == pytest.approx(
        [row.equity for row in plain.equity], rel=1e-12
    )
