"""Compares one run of ours with the same run of a package, and says why they differ.

A reason is not a label on a scenario: it is a condition on the first trade that differs, checked
against the path, the orders and the cash of that moment. What no condition explains is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import paths

Run = dict[str, Any]
Row = Sequence[float | None]

TOLERANCE = 1e-6
UNKNOWN = "unknown"

SALE_BELOW_LOW = (
    "backtrader sells below the bar's low: where a bar opens beyond the limit of a sale, "
    "`BackBroker._try_exec_limit` computes `pmin = max(low, limit)` but hands on the limit, so "
    "that slippage is not held to the bar's range as it is for every other order. Ours is"
)
CHILDREN_COUNT = (
    "backtrader tests an entry together with its stop and its target, as if both filled, and "
    "rejects it where the cash does not cover them. Our rules are no orders and need no cash "
    "beforehand"
)
EXIT_REFUSED = (
    "backtrader rejects the trailing stop of a short position because the cash does not cover "
    "it, and the position stays unprotected. Our exits always fill"
)
COVER_IN_PART = (
    "vectorbt covers a short position only as far as the cash goes when a stop is met, and keeps "
    "the rest. Our exits close all of it and leave the account in debt"
)
DUST_KEPT = (
    "vectorbt drops a sale that brings in less than its commission. We trim the position as the "
    "weights say"
)


def difference(ours: Run, theirs: Run) -> str:
    """Return which of trades, fills and final value differ, empty where all are equal.

    Compared is what both runs hold. The fills of one bar are compared asset by asset.
    """
    different = []
    for name in ("trades", "fills"):
        if name in ours and name in theirs:
            mine, other = ours[name], theirs[name]
            if name == "fills":
                mine, other = (sorted(rows, key=lambda row: row[:2]) for rows in (mine, other))
            if first_different(mine, other) is not None:
                different.append(name)
    if not is_close(ours["final_value"], theirs["final_value"]):
        different.append("final value")
    return ", ".join(different)


def first_different(ours: Sequence[Row], theirs: Sequence[Row]) -> int | None:
    """Return the place of the first row that differs, None where there is none."""
    for i, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
        if not all(is_close(one, two) for one, two in zip(mine, other, strict=True)):
            return i
    return None if len(ours) == len(theirs) else min(len(ours), len(theirs))


def is_close(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= TOLERANCE


def reason(package: str, name: str, seed: int, ours: Run, theirs: Run) -> str:
    """Return why two runs that differ do so, as far as it can be shown; else `UNKNOWN`."""
    if name not in paths.SCENARIOS:
        is_dust = package == "vectorbt" and is_dust_sale(ours, theirs)
        return DUST_KEPT if is_dust else UNKNOWN
    place = first_different(ours["trades"], theirs["trades"])
    if place is None:
        return UNKNOWN
    case = Case(name, seed, ours["trades"], theirs["trades"], place)
    if package == "backtrader":
        if case.is_sale_below_low():
            return SALE_BELOW_LOW
        if case.is_entry_too_dear():
            return CHILDREN_COUNT
        if case.is_exit_too_dear():
            return EXIT_REFUSED
    if package == "vectorbt" and case.is_cover_too_dear():
        return COVER_IN_PART
    return UNKNOWN


def is_dust_sale(ours: Run, theirs: Run) -> bool:
    """In the first bar that differs they left out a sale for less than its commission."""
    mine, other = (sorted(run["fills"], key=lambda row: row[:2]) for run in (ours, theirs))
    place = first_different(mine, other)
    if place is None or place >= len(mine):
        return False
    done = [row[:2] for row in other]
    return any(
        quantity < 0 and -quantity * price < commission and [bar, asset] not in done
        for bar, asset, quantity, price, commission in mine
        if bar == mine[place][0]
    )


class Case:
    """The first trade that differs, and what was known of the account then."""

    def __init__(
        self, name: str, seed: int, ours: Sequence[Row], theirs: Sequence[Row], place: int
    ) -> None:
        self.scenario = paths.SCENARIOS[name]
        self.path = paths.make_path(seed)
        self.before = ours[:place]
        self.mine = ours[place] if place < len(ours) else None
        self.other = theirs[place] if place < len(theirs) else None

    def is_same(self, n: int) -> bool:
        """Both have the trade, and its first `n` columns are equal."""
        if self.mine is None or self.other is None:
            return False
        return all(map(is_close, self.mine[:n], self.other[:n]))

    def is_sale_below_low(self) -> bool:
        """Same trade, but the package sold outside the range of the bar."""
        if not self.is_same(3):
            return False
        bar, price = self.other[1], self.other[3]
        return price is not None and price < self.path["low"][bar] <= self.mine[3]

    def is_entry_too_dear(self) -> bool:
        """We entered, and the entry with its stop and target was more than the cash."""
        if self.mine is None or not (self.scenario["stop"] or self.scenario["target"]):
            return False
        bar, size = self.mine[0], self.mine[4]
        if self.other is not None and self.other[0] == bar:
            return False
        close, side = self.path["close"][bar - 1], 1 if size > 0 else -1
        cash = self.cash(bar)
        closed = [trade for trade in self.before if trade[1] == bar]
        orders = [(-trade[4], close) for trade in closed] + [(size, close)]
        for distance, sign in ((self.scenario["stop"], -1), (self.scenario["target"], 1)):
            if distance:
                orders.append((-size, close * (1 + sign * side * distance)))
        for quantity, price in orders:
            cash -= quantity * price + self.fee(quantity, price)
            if cash < 0:
                return True
        return False

    def is_exit_too_dear(self) -> bool:
        """A short position's trailing stop was more than the cash at its entry bar's close."""
        trail = self.scenario["trail"]
        if not trail or not self.is_same(1):
            return False
        bar, size, price = self.mine[0], self.mine[4], self.mine[2]
        cash = self.cash(bar + 1) - size * price - self.fee(size, price)
        stop = self.path["close"][bar] * (1 + trail)
        return size < 0 and cash + size * stop - self.fee(size, stop) < 0

    def is_cover_too_dear(self) -> bool:
        """We bought a short position back, and that was more than the cash."""
        if not self.is_same(1) or self.mine[3] is None or self.mine[4] > 0:
            return False
        _, bar, entry_price, exit_price, size = self.mine
        cash = self.cash(bar) - size * entry_price - self.fee(size, entry_price)
        return cash + size * exit_price - self.fee(size, exit_price) < 0

    def cash(self, bar: int) -> float:
        """Return the cash before a bar, after the trades before the one that differs."""
        cash = self.scenario["cash"]
        for entry_bar, exit_bar, entry_price, exit_price, size in self.before:
            if entry_bar < bar:
                cash -= size * entry_price + self.fee(size, entry_price)
            if exit_price is not None and exit_bar < bar:
                cash += size * exit_price - self.fee(size, exit_price)
        return cash

    def fee(self, quantity: float, price: float) -> float:
        """Return the commission of a fill."""
        commission = self.scenario["commission"]
        if commission is None:
            return 0.0
        per = {"percent": abs(quantity) * price, "fixed": 1.0, "per_share": abs(quantity)}
        return per[commission["kind"]] * commission["value"]
