"""Time sweeps as whole processes in turn, ours and vectorbt's, and print a table.

    python benchmarks/sweep.py --trials 1000 --jobs 2 --data out/bench

The ten trials of W1 are asked of both; the others are of ours alone: sets of parameters drawn from
the space in `our_sweep.py`. Core seconds are those of a process and all that it started, memory is
the most that they had together at any fifth of a second. vectorbt lives in an environment of its
own (benchmarks/peers/setup.sh vectorbt).
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from entrants import PEERS_HOME, SIZES  # noqa: E402

PSS = re.compile(r"^Pss:\s+(\d+)", re.MULTILINE)
SECONDS_BETWEEN = 0.2


class Taken(NamedTuple):
    cpu: float
    wall: float
    megabytes: float
    facts: dict[str, object]


def family(pid: int) -> list[int]:
    """Return a process and all that it started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += family(int(child))
    return found


def kilobytes_of(pid: int) -> int:
    """Return what a family has in memory; of what several share each counts its part."""
    total = 0
    for one in family(pid):
        try:
            found = PSS.search(Path(f"/proc/{one}/smaps_rollup").read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += int(found[1]) if found is not None else 0
    return total


def taken(command: list[str]) -> Taken:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        most = [0]

        def watch() -> None:
            while process.poll() is None:
                try:
                    most[0] = max(most[0], kilobytes_of(process.pid))
                except FileNotFoundError:
                    continue
                time.sleep(SECONDS_BETWEEN)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        assert process.stdout is not None
        out = process.stdout.read()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    facts = json.loads(out.strip().splitlines()[-1])
    return Taken(cpu, time.perf_counter() - start, most[0] / 1024, facts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--tables", type=int, default=100, help="trials whose tables are kept")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3, help="of the ten trials of W1")
    parser.add_argument("--data", type=Path, default=Path("out/bench"))
    options = parser.parse_args()
    data = options.data / "B"
    if not (data / "context.parquet").exists():
        from ml4t.backtest.synthetic import make_market

        make_market(data, n_assets=SIZES["B"].n_assets, n_bars=SIZES["B"].n_bars)
    ours = [sys.executable, str(HERE / "our_sweep.py"), str(data)]
    jobs = ["--jobs", str(options.jobs)]
    commands = {"ten of W1": ours}
    peer = PEERS_HOME / "vectorbt" / "bin" / "python"
    if peer.exists():
        commands["ten of W1, vectorbt"] = [
            str(peer), str(HERE / "peers" / "sweep_vectorbt.py"), str(data),
        ]  # fmt: skip
    print("| sweep, 500 x 2,520 | core s a trial | wall s | MB in all | mean final value |")
    print("|---|---|---|---|---|")
    rounds = [commands] * options.runs
    rounds.append({
        f"{options.trials:,} trials, metrics": [*ours, "--trials", str(options.trials), *jobs],
        f"{options.tables:,} trials, tables": [
            *ours, "--trials", str(options.tables), *jobs, "--detail", "tables",
        ],
    })  # fmt: skip
    for turn in rounds:
        for name, command in turn.items():
            one = taken(command)
            trials = one.facts["trials"]
            assert isinstance(trials, int)
            print(
                f"| {name} | {one.cpu / trials:.3f} | {one.wall:.1f} | {one.megabytes:,.0f} "
                f"| {one.facts['mean_final_value']:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
