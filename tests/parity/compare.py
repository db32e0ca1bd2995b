"""Runs the real packages and our presets over the same paths, writes docs/parity.md.

    python tests/parity/compare.py [--seeds 0:200] [--packages vectorbt,zipline]
                                   [--only long_stop,top] [--runs DIR] [--out FILE]

The packages run in environments of their own, made by ``benchmarks/peers/setup.sh`` where they
are missing. What they did stays in ``--runs`` (out/parity), one JSON per package, and is used
again until the scenarios or the runner change. Exit status 1: some run differs, and no known
reason explains it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import matching
import ours
import paths
from page import Count, page

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SETUP = ROOT / "benchmarks" / "peers" / "setup.sh"
PEERS = Path(os.environ.get("PEERS_HOME", Path.home() / ".cache" / "ml4t-backtest-peers"))
PACKAGES = ("vectorbt", "backtrader", "zipline")
Run = dict[str, Any]
Runs = dict[str, dict[str, Run]]  # scenario -> seed -> run


def runs_of(package: str, seeds: range, folder: Path, n_jobs: int) -> tuple[str, Runs]:
    """Return version and runs of a package; run it where that is not done or outdated."""
    target, runner = folder / f"{package}.json", HERE / "peers" / f"run_{package}.py"
    sources = [HERE / "paths.py", HERE / "peers" / "_shared.py", runner]
    newest = max(source.stat().st_mtime for source in sources)
    if target.exists() and target.stat().st_mtime >= newest:
        version, runs = read(target)
        if all(str(seed) in next(iter(runs.values())) for seed in seeds):
            return version, runs
    say(f"{package}: running the package")
    subprocess.run(["bash", SETUP, package], check=True)
    folder.mkdir(parents=True, exist_ok=True)
    # vectorbt takes all seeds in one call; the others are split among the processors.
    n_parts = 1 if package == "vectorbt" else n_jobs
    bounds = [seeds.start + len(seeds) * i // n_parts for i in range(n_parts + 1)]
    parts = [folder / f"{package}.{i}.part" for i in range(n_parts)]
    processes = []
    for part, (start, stop) in zip(parts, pairwise(bounds), strict=True):
        out = [part] if package == "vectorbt" else ["--out", part]
        command = [PEERS / package / "bin" / "python", runner, *out, "--seeds", f"{start}:{stop}"]
        processes.append(subprocess.Popen(command))
    statuses = [process.wait() for process in processes]
    if any(statuses):
        raise SystemExit(f"{package}: its runner failed")
    documents = [json.loads(part.read_text(encoding="utf-8")) for part in parts]
    for document in documents[1:]:
        for name, runs in document["scenarios"].items():
            documents[0]["scenarios"][name].update(runs)
    target.write_text(json.dumps(documents[0], separators=(",", ":")) + "\n", encoding="utf-8")
    for part in parts:
        part.unlink()
    return read(target)


def read(file: Path) -> tuple[str, Runs]:
    """Return version and runs of a runner's file."""
    document = json.loads(file.read_text(encoding="utf-8"))
    return document["version"], document["scenarios"] | document.get("universe", {})


def compare(package: str, seeds: range, theirs: Runs, n_jobs: int) -> dict[str, Count]:
    """Run ours on every scenario and seed that the package ran, and compare."""
    counts = {name: Count() for name in theirs}
    work = [(seed, {name: runs[str(seed)] for name, runs in theirs.items()}) for seed in seeds]
    with ProcessPoolExecutor(n_jobs) as pool:
        found = pool.map(partial(compare_seed, package), work)
        for (seed, given), differences in zip(work, found, strict=True):
            for name, run in given.items():
                count = counts[name]
                count.runs += 1
                count.rows += len(run["trades"] if "trades" in run else run["fills"])
                if name in differences:
                    count.different.append((seed, differences[name]))
    return counts


def compare_seed(package: str, work: tuple[int, dict[str, Run]]) -> dict[str, str]:
    """Return the reason of each scenario that differs on one seed."""
    seed, theirs = work
    differences = {}
    for name, run in theirs.items():
        mine = ours.run(package, name, seed)
        if matching.difference(mine, run):
            differences[name] = matching.reason(package, name, seed, mine, run)
    return differences


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default=f"{paths.SEEDS.start}:{paths.SEEDS.stop}")
    parser.add_argument("--packages", default=",".join(PACKAGES))
    parser.add_argument("--only", help="names of scenarios, separated by commas")
    parser.add_argument("--runs", type=Path, default=ROOT / "out" / "parity")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "parity.md")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args(arguments)

    seeds = range(*map(int, args.seeds.split(":")))
    names = args.only.split(",") if args.only else [*paths.SCENARIOS, *paths.UNIVERSE_SCENARIOS]
    results = {}
    for package in args.packages.split(","):
        version, theirs = runs_of(package, seeds, args.runs, args.jobs)
        theirs = {name: theirs[name] for name in names if name in theirs}
        counts = compare(package, seeds, theirs, args.jobs)
        results[package, version] = counts
        equal, runs = (
            sum(getattr(one, name) for one in counts.values()) for name in ("equal", "runs")
        )
        say(f"{package} {version}: {equal:,} of {runs:,} runs are equal")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(page(results, len(seeds)), encoding="utf-8")
    reasons = {
        why for counts in results.values() for one in counts.values() for _, why in one.different
    }
    return int(matching.UNKNOWN in reasons)


if __name__ == "__main__":
    sys.exit(main())
