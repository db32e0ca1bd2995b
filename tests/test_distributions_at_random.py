"""Random corporate actions of all kinds against quantities and cash in plain Python.

Lots are not in it: that trades and flows add up to the same equity every run of the suite is held
to, and the reference loop has lots for the kinds that it knows.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from effort import EFFORT
from ml4t.backtest import MarginAccount
from scripted import Row, cash, day, equity, play

ORDER = (
    "dividend", "return_of_capital", "cash", "rights", "spinoff", "split", "merger", "delisting",
)  # fmt: skip
N_BARS = 24


@dataclass
class Drawn:
    """A world: bars by asset, actions by bar, orders by bar."""

    bars: dict[str, list[Row]] = field(default_factory=dict)
    actions: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    orders: dict[int, list[tuple[str, float]]] = field(default_factory=dict)


def draw(seed: int) -> Drawn:
    """Draw prices, orders and actions: A spins off B and merges into C at last."""
    pick = random.Random(seed)
    world = Drawn()
    for asset, first in (("A", 100.0), ("B", 30.0), ("C", 60.0)):
        price, rows = first, list[Row]()
        for _ in range(N_BARS):
            opens = price * pick.uniform(0.97, 1.03)
            price = opens * pick.uniform(0.97, 1.03)
            rows.append((opens, max(opens, price), min(opens, price), price))
        world.bars[asset] = rows
    spins, merges = pick.randint(4, 10), pick.randint(14, 20)
    world.bars["B"][:spins] = [None] * spins
    world.bars["A"][merges:] = [None] * (N_BARS - merges)
    for t in range(2, merges):
        for kind in ("dividend", "return_of_capital", "cash", "rights", "split"):
            if pick.random() < 0.08:
                world.actions.setdefault(t, []).append(one_of(pick, kind))
    told = pick.choice([None, 0.15])
    spun = {"kind": "spinoff", "value": pick.choice([0.5, 1.5]), "new_asset_id": "B",
            "basis_share": told}  # fmt: skip
    world.actions.setdefault(spins, []).append(spun)
    paid = pick.choice([0.0, 20.0])
    world.actions[merges] = [
        {"kind": "merger", "value": pick.choice([0.5, 2.0]), "new_asset_id": "C", "cash": paid}
    ]
    for t in range(N_BARS - 1):
        for asset in "ABC":
            if pick.random() < 0.25 and world.bars[asset][t] and world.bars[asset][t + 1]:
                world.orders.setdefault(t, []).append((asset, float(pick.randint(-20, 30)) or 1.0))
    return world


def one_of(pick: random.Random, kind: str) -> dict[str, Any]:
    """Draw an action of A."""
    if kind == "split":
        return {"kind": kind, "value": pick.choice([2.0, 0.5, 3.0])}
    if kind == "rights":
        return {"kind": kind, "value": pick.choice([0.1, 0.5]), "cash": pick.uniform(5, 150)}
    taxed = {"withholding": pick.choice([None, 0.25])} if kind == "dividend" else {}
    sign = -1 if kind == "cash" and pick.random() < 0.5 else 1
    return {"kind": kind, "value": sign * pick.uniform(0.05, 2.0), **taxed}


def by_hand(world: Drawn, capital: float) -> tuple[list[float], list[float]]:
    """Return cash and equity at each close."""
    money, held = capital, dict.fromkeys("ABC", 0.0)
    mark = dict.fromkeys("ABC", 0.0)
    found: tuple[list[float], list[float]] = ([], [])
    for t in range(N_BARS):
        today = sorted(world.actions.get(t, ()), key=lambda one: ORDER.index(one["kind"]))
        split = 1.0
        for one in today:
            split *= one["value"] if one["kind"] == "split" else 1.0
        for one in today:
            money += happen(world, t, one, held, mark["A"], split)
        for asset, quantity in world.orders.get(t - 1, ()):
            row = world.bars[asset][t]
            assert row is not None
            assert row[0] is not None
            held[asset] += quantity
            money -= quantity * row[0]
        for asset in "ABC":
            row = world.bars[asset][t]
            if row is not None and row[3] is not None:
                mark[asset] = row[3]
        found[0].append(money)
        found[1].append(money + sum(held[asset] * mark[asset] for asset in "ABC"))
    return found


def happen(
    world: Drawn, t: int, one: dict[str, Any], held: dict[str, float], last: float, split: float
) -> float:
    """Apply an action of A, and return what it pays; `last`: the close before."""
    kind, value, shares = one["kind"], one["value"], held["A"]
    if kind == "rights":  # what is above the theoretical ex-rights price
        value = max(last - (last + one["value"] * one["cash"]) / (1 + one["value"]), 0.0)
    if kind == "split":
        held["A"] *= value
    elif kind == "spinoff":
        held["B"] += shares * value
    elif kind == "merger":
        held["A"] = 0.0
        held["C"] += shares * value
        return shares * one["cash"]
    else:
        tax = (one.get("withholding") or 0.0) if shares > 0 else 0.0
        return shares * value * (1 - tax)
    return 0.0


@pytest.mark.parametrize("seed", range(6 * EFFORT))
def test_quantities_and_cash_are_those_of_plain_python(seed: int) -> None:
    world = draw(seed)
    rows = [(t, one) for t, ones in world.actions.items() for one in ones]
    names = ("kind", "value", "new_asset_id", "cash", "withholding", "basis_share")
    actions = {
        "asset_id": ["A"] * len(rows), "ex_date": [day(t) for t, _ in rows],
        **{name: [one.get(name) for _, one in rows] for name in names},
    }  # fmt: skip
    script = {
        t: [lambda s, asset=asset, n=n: (s.buy if n > 0 else s.sell)(asset, abs(n))
            for asset, n in ones]
        for t, ones in world.orders.items()
    }  # fmt: skip
    result = play(
        world.bars, script, capital=1_000_000, names=("open", "high", "low", "close"),
        account=MarginAccount(shortfall="none", maintenance_margin=0.0),
        sources={"actions": actions},
    )  # fmt: skip
    money, worth = by_hand(world, 1_000_000.0)
    assert cash(result) == pytest.approx(money, rel=1e-12)
    assert equity(result) == pytest.approx(worth, rel=1e-12)
