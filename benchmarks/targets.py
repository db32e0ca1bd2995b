"""What this engine is to reach, and what was seen: one table of the groups of a run.

A ratio is the median over the rounds of the ratio within a round, of whole processes.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from entrants import BEFORE, FLOOR, HERE, OURS, PEERS, SIZES, entrants
from measure import Command, Figures

Group = tuple[str, str]
Groups = dict[Group, dict[str, Figures]]
LIBRARIES = "import numpy, duckdb"
# `import ml4t.backtest` alone loads what its names need when they are used.
IMPORTS = {
    "import": "import ml4t.backtest",
    "names of a run": "from ml4t.backtest import BacktestEngine, Catalog, TopN",
}
AGAIN = {"B again": 0.35, "M again": 0.20}
"""Runs on prepared data, with the most that their wall may be of the older checkout's."""


def besides(data: Path, against: Path | None) -> dict[str, dict[str, Command]]:
    """Return what is measured for the targets alone, by name.

    The untimed round prepares the data of the runs that are measured.
    """
    source = HERE.parent / "src"
    libraries = Command([sys.executable, "-c", LIBRARIES])
    found = {
        name: {LIBRARIES: libraries, OURS: Command([sys.executable, "-c", code], source)}
        for name, code in IMPORTS.items()
    }
    for name in AGAIN if against is not None else ():
        size = name[0]
        folder = data / size / "prepared"
        shutil.rmtree(folder, ignore_errors=True)
        plain = entrants(size, "W1", data / size, only=set(), against=against)
        asked = [*plain[OURS].arguments, "--cache", str(folder)]
        found[name] = {BEFORE: plain[BEFORE], OURS: Command(asked, source)}
    return found


@dataclass(frozen=True)
class Target:
    """A figure with the most it may be; `least` where more is better."""

    what: str
    bound: float
    seen: float
    unit: str = ""
    least: bool = False

    def row(self) -> str:
        met = self.seen >= self.bound if self.least else self.seen <= self.bound
        limit = "at least" if self.least else "at most"
        verdict = "met" if met else "missed"
        return f"| {self.what} | {limit} {self.bound:g}{self.unit} | {self.seen:.2f} | {verdict} |"


def ratios(groups: Groups, group: Group, other: str, kinds: dict[str, float]) -> Iterator[Target]:
    """Compare ours with another process of the group, where both were measured."""
    measured = groups.get(group, {})
    if other not in measured or measured[other].failure or measured[OURS].failure:
        return
    for kind, bound in kinds.items():
        seen = measured[OURS].ratio(measured[other], kind)
        yield Target(f"{' '.join(group).strip()}: {kind} over {other}", bound, seen)


def minutes(groups: Groups) -> Iterator[Target]:
    """Say whether time follows the number of minute bars, and how fast the longest run is."""
    for half, whole in pairwise(["M", "L2", "L"]):
        if (half, "W1") in groups and (whole, "W1") in groups:
            short, long = groups[half, "W1"][OURS], groups[whole, "W1"][OURS]
            seen = long.median("cpu") / (2.0 * short.median("cpu"))
            yield Target(f"{whole} W1: cpu over twice that of {half}", 1.05, seen)
    if ("L", "W1") in groups:
        ours, market = groups["L", "W1"][OURS], SIZES["L"]
        rate = market.n_assets * market.n_bars / ours.median("wall") / 1e6
        yield Target("L W1: million bars a second", 7.0, rate, least=True)
        yield Target("L W1: peak memory", 400.0, max(ours.megabytes), unit=" MB")


def targets(groups: Groups) -> Iterator[Target]:
    for workload in ("W1", "W2"):
        yield from ratios(groups, ("B", workload), BEFORE, {"cpu": 0.60, "wall": 0.60})
    yield from ratios(groups, ("B", "W1"), FLOOR, {"cpu": 2.0})
    for peer in ("phasor-trader", "polars_backtest"):
        yield from ratios(groups, ("B", "W1"), peer, {"cpu": 1.0})
    yield from ratios(groups, ("A", "W1"), "ml4t-backtest 0.1.0b5", {"wall": 0.60})
    yield from ratios(groups, ("C", "W1"), BEFORE, {"cpu": 0.60, "wall": 0.60})
    for peer in PEERS:
        if peer != FLOOR:
            yield from ratios(groups, ("C", "W1"), peer, {"cpu": 1.0, "megabytes": 1.0})
    yield from ratios(groups, ("M", "W1"), BEFORE, {"cpu": 0.60})
    yield from ratios(groups, ("M", "W2"), BEFORE, {"cpu": 0.40})
    yield from minutes(groups)
    for name, bound in AGAIN.items():
        yield from ratios(groups, (name, ""), BEFORE, {"wall": bound})
    for name in IMPORTS:
        yield from ratios(groups, (name, ""), LIBRARIES, {"cpu": 1.6, "wall": 1.6})


def target_table(groups: Groups) -> str:
    head = ["### Targets", "", "| figure | target | seen | |", "|---|---|---|---|"]
    return "\n".join([*head, *(target.row() for target in targets(groups))]) + "\n"
