"""Time the ways to write a strategy, each as whole processes in turn, and print two tables.

    python benchmarks/strategies.py --runs 5 --data out/bench

The forms are in `forms.py`, W1 as SQL in `ours.py`; the public ml4t-backtest walks the same rows
with a strategy that does nothing where its environment is installed (benchmarks/peers/setup.sh).
Medians over the runs after one warm-up; events per second are those of the loop.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from entrants import PEERS_HOME, SIZES  # noqa: E402

WHOLE = ("topn", "sql", "sql-signals", "batch", "rules", "callback", "hybrid", "compiled")
LOOP = ("nothing", "reads", "helpers")


@dataclass
class Timed:
    """What the runs of one form gave."""

    command: list[str]
    seconds: list[float] = field(default_factory=list)
    loop_seconds: list[float] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def run(self, *, counts: bool) -> None:
        start = time.perf_counter()
        done = subprocess.run(self.command, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - start
        self.facts = json.loads(done.stdout.strip().splitlines()[-1])
        if counts:
            self.seconds.append(seconds)
            self.loop_seconds.append(self.facts.get("loop_seconds", float("nan")))


def command(form: str, data: Path) -> list[str]:
    if form.startswith("sql"):
        return [sys.executable, str(HERE / "ours.py"), str(data), "--as", form]
    return [sys.executable, str(HERE / "forms.py"), str(data), form]


def timed(commands: dict[str, list[str]], runs: int) -> dict[str, Timed]:
    found = {name: Timed(one) for name, one in commands.items()}
    for turn in range(runs + 1):
        for one in found.values():
            one.run(counts=turn > 0)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--data", type=Path, default=Path("out/bench"))
    options = parser.parse_args()
    for size in "AB":
        data = options.data / size
        if not (data / "context.parquet").exists():
            n_assets, n_bars = SIZES[size].n_assets, SIZES[size].n_bars
            arguments = f"{str(data)!r}, n_assets={n_assets}, n_bars={n_bars}"
            make = f"from ml4t.backtest.synthetic import make_market; make_market({arguments})"
            subprocess.run([sys.executable, "-c", make], check=True)
    whole = timed({form: command(form, options.data / "B") for form in WHOLE}, options.runs)
    print("| form, 500 x 2,520 | wall s (min to max) | loop s | bars/s | final equity | fills |")
    print("|---|---|---|---|---|---|")
    for form, one in whole.items():
        median = statistics.median(one.seconds)
        print(
            f"| {form} | {median:.2f} ({min(one.seconds):.2f} to {max(one.seconds):.2f}) "
            f"| {statistics.median(one.loop_seconds):.2f} | {1_260_000 / median:,.0f} "
            f"| {one.facts['final_equity']:,.6f} | {one.facts['fills']:,} |"
        )
    commands = {form: command(form, options.data / "A") for form in LOOP}
    peer = PEERS_HOME / "ml4t-backtest" / "bin" / "python"
    if peer.exists():
        script = str(HERE / "peers" / "walk_ml4t_backtest.py")
        commands["ml4t-backtest, nothing"] = [str(peer), script, str(options.data / "A")]
    print("\n| callback, 500 x 252 | events/s in the loop (min to max) |")
    print("|---|---|")
    for form, one in timed(commands, options.runs).items():
        rates = sorted(one.facts["n_events"] / seconds for seconds in one.loop_seconds)
        print(f"| {form} | {statistics.median(rates):,.0f} ({rates[0]:,.0f} to {rates[-1]:,.0f}) |")
    memory = Timed(command("memory", options.data / "A"))
    memory.run(counts=True)
    peaks = memory.facts["peak_megabytes"]
    print("\n| context columns, 500 x 252 events | peak traced MB |\n|---|---|")
    for n_columns, peak in peaks.items():
        print(f"| {n_columns} | {peak:.2f} |")


if __name__ == "__main__":
    main()
