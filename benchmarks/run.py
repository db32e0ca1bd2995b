"""Time whole processes, ours and the peers', in turn, and print one table a workload.

    python benchmarks/run.py --sizes A B C --workloads W1 W2 --runs 5
    python benchmarks/run.py --against ../checkout-of-last-month --only --targets
    python benchmarks/run.py --everything --against CHECKOUT --readme

From interpreter start to exit: seconds of the processor (user and system) and of the clock, and
peak memory as the operating system accounts it. The processes of one table run in turn, so that all
see the same machine; figures are medians over the runs after one warm-up. Peers live in
environments of their own (benchmarks/peers/setup.sh); one that is not installed is left out and
named. With another checkout of ours, its processes run in the same turns.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from entrants import PEERS, SIZES, entrants
from measure import Figures, in_turn
from tables import table
from targets import Group, besides, target_table

HERE = Path(__file__).resolve().parent
WORKLOADS = ("W1", "W2", "W3")
README = HERE / "README.md"
BEGIN, END = "<!-- tables: made by run.py --readme -->", "<!-- end of the tables -->"
#: What the tables of the README have: sizes with their workloads.
EVERYTHING = [
    *(("A", w) for w in ("W1", "W2")), *(("B", w) for w in WORKLOADS), ("C", "W1"),
    ("M", "W1"), ("M", "W2"), ("L2", "W1"), ("L", "W1"),
]  # fmt: skip


def make_data(data: Path, size: str, workload: str) -> Path:
    """Make the market where it is missing, each file set in a process of its own."""
    market, folder = SIZES[size], data / size
    if not (folder / "context.parquet").exists():
        if market.unit == "minutes":
            sessions = str(market.n_bars // 390)
            made = [str(HERE / "minute_market.py"), str(folder), "--sessions", sessions]
        else:
            arguments = f"{str(folder)!r}, n_assets={market.n_assets}, n_bars={market.n_bars}"
            made = ["-c", f"from ml4t.backtest.synthetic import make_market as m; m({arguments})"]
        subprocess.run([sys.executable, *made], check=True)
    if workload == "W3" and not (folder / "borrow.parquet").exists():
        subprocess.run([sys.executable, str(HERE / "extras.py"), str(folder)], check=True)
    return folder


def machine() -> str:
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {len(os.sched_getaffinity(0))} cores, Python "
        f"{platform.python_version()}, load average {load}"
    )


def write_between_markers(text: str) -> None:
    page = README.read_text(encoding="utf-8")
    before, found, rest = page.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise SystemExit(f"{README} has not both of the lines {BEGIN} and {END}")
    README.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=["A", "B"])
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--everything", action="store_true", help="what the README has")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="names of peers; none: ours alone")
    parser.add_argument("--against", type=Path, help="another checkout of ours")
    parser.add_argument("--data", type=Path, default=Path("out/bench"))
    parser.add_argument("--targets", action="store_true", help="and the table of the targets")
    parser.add_argument("--readme", action="store_true", help="write the tables into README.md")
    options = parser.parse_args()
    if options.against is not None and not (options.against / "src/ml4t/backtest").is_dir():
        parser.error(f"--against: '{options.against}' is no checkout")
    if unknown := set(options.only or ()) - PEERS.keys():
        parser.error(
            f"--only: no peer is called {', '.join(unknown)}; there are {', '.join(PEERS)}"
        )
    asked = [(size, workload) for size in options.sizes for workload in options.workloads]
    only = None if options.only is None else set(options.only)
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        print(text, flush=True)

    say(f"{machine()}; medians of {options.runs} runs.\n")
    groups: dict[Group, dict[str, Figures]] = {}
    for size, workload in EVERYTHING if options.everything else asked:
        data = make_data(options.data, size, workload)
        found = entrants(size, workload, data, only=only, against=options.against)
        groups[size, workload] = in_turn(found, options.runs)
        say(table(size, workload, groups[size, workload]))
    if options.targets or options.everything:
        for name, found in besides(options.data, options.against).items():
            groups[name, ""] = in_turn(found, options.runs)
            for process, figures in groups[name, ""].items():
                if figures.failure:
                    say(f"{name}, {process}: failed: {figures.failure}\n")
        say(target_table(groups))
    say(f"At the end: {machine()}.")
    if options.readme:
        write_between_markers("\n".join(said))


if __name__ == "__main__":
    main()
