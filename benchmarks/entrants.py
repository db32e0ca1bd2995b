"""The processes that are measured: ours, an older checkout of ours, and the peers."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from measure import Command

HERE = Path(__file__).resolve().parent
PEERS_HOME = Path(os.environ.get("PEERS_HOME", Path.home() / ".cache" / "ml4t-backtest-peers"))
OURS, OVERDRAFT, BEFORE = "this engine", "this engine, overdraft", "this engine before"
FLOOR = "numpy, no accounting"
PATIENCE = 10.0
"""Seconds; a peer that takes longer is timed once a table."""


@dataclass(frozen=True)
class Size:
    """A made-up market: `every` is the number of bars between two decisions."""

    n_assets: int
    n_bars: int
    every: int = 5
    unit: str = "days"


SIZES = {
    "A": Size(500, 252),
    "B": Size(500, 2_520),
    "C": Size(3_000, 2_520),
    "M": Size(500, 24_570, every=390, unit="minutes"),
    "L2": Size(500, 49_140, every=390, unit="minutes"),
    "L": Size(500, 98_280, every=390, unit="minutes"),
}


@dataclass(frozen=True)
class Peer:
    """A script of ``peers/`` in an environment of its own, and what it cannot be asked."""

    place: str
    script: str
    cannot: str
    extra: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ("W1",)
    sizes: tuple[str, ...] = ("A", "B", "C")


MATRICES = "dense matrices in; no ranking, as-of joins, checks"
PEERS = {
    FLOOR: Peer(
        "numpy", "numpy_w1.py", "no ledger, orders, tables, joins, checks: the rule alone",
        sizes=("A", "B", "C", "M"),
    ),
    "phasor-trader": Peer(
        "phasor", "peer_phasor.py", f"{MATRICES}, lots, stops with targets",
        sizes=("A", "B", "C", "M"),
    ),
    "phasor-trader, margin": Peer(
        "phasor", "peer_phasor.py", f"{MATRICES}, lots, stops with targets",
        ("--engine", "margin"), sizes=("A", "B", "C", "M"),
    ),
    "polars_backtest": Peer(
        "polars-backtest", "peer_polars_backtest.py",
        "weights in; no fills, cash, lots, shorts, slippage, minutes, as-of joins, checks",
    ),
    "polars_bt": Peer(
        "polars-bt", "peer_polars_bt.py",
        "weights in; no prices, fills, trades, lots, shorts, stops, overdraft, joins, checks",
        sizes=("A", "B", "C", "M"),
    ),
    "pitbacktest": Peer(
        "pitbacktest", "peer_pitbacktest.py",
        "weights in, held by daily trades; no fills, cash, lots, stops, as-of joins",
    ),
    "wbt": Peer(
        "wbt", "peer_wbt.py",
        "weights in, held by daily trades; no fills, cash, lots, stops, compounding, joins",
    ),
    "ml4t-backtest 0.1.0b5": Peer(
        "ml4t-backtest", "peer_ml4t_backtest.py",
        "no ranking, as-of joins, lots; stops before the fills of the open",
        workloads=("W1", "W2"),
    ),
    "ml4t-backtest 0.2.0": Peer(
        "ml4t-backtest-0.2", "peer_ml4t_backtest.py",
        "no ranking, as-of joins, lots; stops before the fills of the open",
        workloads=("W1", "W2"),
    ),
    "vectorbt": Peer(
        "vectorbt", "peer_vectorbt.py", f"{MATRICES}, lots, overdraft, stops with targets",
        workloads=("W1", "W2"),
    ),
    "vectorbt (Rust)": Peer(
        "vectorbt", "peer_vectorbt.py", f"{MATRICES}, lots, overdraft, stops with targets",
        ("--engine", "rust"),
    ),
    "bt": Peer(
        "bt", "peer_bt.py", "matrices in, one price a bar; no stops, as-of joins, checks",
        sizes=("A", "B"),
    ),
    "pybroker": Peer(
        "pybroker", "peer_pybroker.py", "sizes at the close of the decision; no as-of joins",
        workloads=("W1", "W2"), sizes=("A", "B"),
    ),
    "zipline-reloaded": Peer(
        "zipline", "peer_zipline.py", "sizes at the close of the decision, whole shares",
        sizes=("A", "B"),
    ),
    "nautilus": Peer(
        "nautilus", "peer_nautilus.py", "whole shares; no ranking", sizes=("A", "B"),
    ),
    "backtrader": Peer(
        "backtrader", "peer_backtrader.py", f"{MATRICES}, overdraft",
        workloads=("W1", "W2"), sizes=("A", "B"),
    ),
}  # fmt: skip


def entrants(
    size: str, workload: str, data: Path, *, only: set[str] | None, against: Path | None
) -> dict[str, Command]:
    """Return what runs in turn; a peer that is not installed is left out and named.

    The older checkout is measured by the script of this one.
    """
    every = ("--every", str(SIZES[size].every))
    ours = [sys.executable, str(HERE / "ours.py"), str(data), "--workload", workload, *every]
    source = HERE.parent / "src"
    found = {OURS: Command(ours, source)}
    if against is not None:
        found[BEFORE] = Command(ours, against.resolve() / "src")
    if workload == "W1" and SIZES[size].unit == "days":
        found[OVERDRAFT] = Command([*ours, "--overdraft"], source)
    for name, peer in PEERS.items():
        if workload not in peer.workloads or size not in peer.sizes:
            continue
        if only is not None and name not in only:
            continue
        place = PEERS_HOME / peer.place
        if not (place / ".complete").exists():
            print(f"left out, not installed: {name}", file=sys.stderr)
            continue
        script = str(HERE / "peers" / peer.script)
        asked = [
            str(place / "bin" / "python"),
            script,
            str(data),
            "--workload",
            workload,
            *peer.extra,
        ]
        asked = [*asked, *every] if SIZES[size].unit == "minutes" else asked
        found[name] = Command(asked, patience=PATIENCE)
    return found
