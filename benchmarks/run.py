"""Time whole processes, ours and the peers', in turn, and print one table.

    python benchmarks/run.py --sizes A B C --workloads W1 W2 --runs 3

From interpreter start to exit, wall clock; peak memory as the operating system accounts it. The
processes of one size and workload run in turn, so that all see the same machine. Peers live in
environments of their own (benchmarks/peers/setup.sh); one that is not installed is left out and
named. Figures are medians over the runs after one warm-up.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
PEERS_HOME = Path(os.environ.get("PEERS_HOME", Path.home() / ".cache" / "ml4t-backtest-peers"))
SIZES = {"A": (500, 252), "B": (500, 2_520), "C": (3_000, 2_520)}
WORKLOADS = ("W1", "W2", "W3")
# name -> (environment, script, extra arguments, workloads, sizes)
PEERS = {
    "numpy, no accounting": ("numpy", "numpy_w1.py", (), ("W1",), "ABC"),
    "ml4t-backtest": ("ml4t-backtest", "peer_ml4t_backtest.py", (), ("W1", "W2"), "ABC"),
    "vectorbt": ("vectorbt", "peer_vectorbt.py", (), ("W1", "W2"), "ABC"),
    "vectorbt (Rust)": ("vectorbt", "peer_vectorbt.py", ("--engine", "rust"), ("W1",), "ABC"),
    "bt": ("bt", "peer_bt.py", (), ("W1",), "ABC"),
    "pybroker": ("pybroker", "peer_pybroker.py", (), ("W1", "W2"), "ABC"),
    "zipline-reloaded": ("zipline", "peer_zipline.py", (), ("W1",), "AB"),
    "nautilus": ("nautilus", "peer_nautilus.py", (), ("W1",), "AB"),
    "backtrader": ("backtrader", "peer_backtrader.py", (), ("W1", "W2"), "AB"),
}


@dataclass
class Figures:
    """What the runs of one process gave."""

    seconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    final_equity: float = float("nan")
    fills: int = 0
    failure: str = ""


def run_once(command: list[str], figures: Figures, *, counts: bool) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    start = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        out, err = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        figures.failure = (err.strip().splitlines() or ["failed"])[-1][:100]
        return
    if counts:
        figures.seconds.append(seconds)
        figures.megabytes.append(usage.ru_maxrss / 1024)
    facts = json.loads(out.strip().splitlines()[-1])
    figures.final_equity, figures.fills = facts["final_equity"], facts["fills"]


def commands(size: str, workload: str, data: Path, only: set[str]) -> dict[str, list[str]]:
    ours = [sys.executable, str(HERE / "ours.py"), str(data), "--workload", workload]
    found = {"this engine": ours}
    if workload == "W1":
        found["this engine, overdraft"] = [*ours, "--overdraft"]
    for name, (place, script, extra, workloads, sizes) in PEERS.items():
        python = PEERS_HOME / place / "bin" / "python"
        if workload not in workloads or size not in sizes or (only and name not in only):
            continue
        if not python.exists():
            print(f"left out, not installed: {name}", file=sys.stderr)
            continue
        path = str(HERE / "peers" / script)
        found[name] = [str(python), path, str(data), "--workload", workload, *extra]
    return found


def table(size: str, workload: str, measured: dict[str, Figures]) -> str:
    n_assets, n_bars = SIZES[size]
    lines = [
        f"### {workload}, {size}: {n_assets:,} assets x {n_bars:,} days",
        "",
        "| process | wall s (min to max) | peak MB | final equity | fills | times ours |",
        "|---|---|---|---|---|---|",
    ]
    ours = statistics.median(measured["this engine"].seconds)
    for name, one in measured.items():
        if one.failure:
            lines.append(f"| {name} | failed: {one.failure} | | | | |")
            continue
        median = statistics.median(one.seconds)
        spread = f"{min(one.seconds):.2f} to {max(one.seconds):.2f}"
        lines.append(
            f"| {name} | {median:.2f} ({spread}) | {max(one.megabytes):.0f} "
            f"| {one.final_equity:,.6f} | {one.fills:,} | {median / ours:.2f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=["A", "B"])
    parser.add_argument("--workloads", nargs="+", choices=list(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[], help="names of peers")
    parser.add_argument("--data", type=Path, default=Path("out/bench"))
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    print(f"{datetime.now(UTC):%Y-%m-%d}, {cores} cores, Python {platform.python_version()}\n")
    for size in options.sizes:
        n_assets, n_bars = SIZES[size]
        data = options.data / size
        if not (data / "context.parquet").exists():
            # In a process of its own: a child's peak memory never reads below its parent's.
            arguments = f"{str(data)!r}, n_assets={n_assets}, n_bars={n_bars}"
            make = f"from ml4t.backtest.synthetic import make_market; make_market({arguments})"
            subprocess.run([sys.executable, "-c", make], check=True)
        if "W3" in options.workloads and not (data / "borrow.parquet").exists():
            subprocess.run([sys.executable, str(HERE / "extras.py"), str(data)], check=True)
        for workload in options.workloads:
            found = commands(size, workload, data, set(options.only))
            measured = {name: Figures() for name in found}
            for turn in range(options.runs + 1):
                for name, command in found.items():
                    if not measured[name].failure:
                        run_once(command, measured[name], counts=turn > 0)
            print(table(size, workload, measured), flush=True)


if __name__ == "__main__":
    main()
