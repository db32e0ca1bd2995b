"""Runs the audit and six packages over the planted classes, and writes docs/look-ahead.md.

    python tests/leaks/compare.py [--packages nullcheck,nullius] [--again] [--runs DIR] [--out FILE]

The packages run in environments of their own, made by ``peers/setup.sh`` where they are missing.
What was found stays in ``--runs`` (out/leaks), and is used again unless ``--again`` is given. Exit
status 1: fewer than 26 classes are found, or something clean is not clean.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))

from leaks.at_work import AT_WORK, World, make_world  # noqa: E402 - what stands beside the tests
from leaks.ours import Finding, at_work, of_file, of_finished_file  # noqa: E402
from leaks.page import page  # noqa: E402
from leaks.panel import write_panel  # noqa: E402
from leaks.raw_table import BARS, columns_read, planted_files, raw_table  # noqa: E402

PEERS = Path(os.environ.get("PEERS_HOME", Path.home() / ".cache" / "ml4t-backtest-leaks"))
PACKAGES = (
    "nullcheck", "nullius", "monte-neo", "lookahead-lint", "lookahead-free", "backtest-audit",
)  # fmt: skip
LEAST = 26
Document = dict[str, Any]


def of_package(package: str, folder: Path, *, again: bool) -> Document:
    """Return what a package says of each file; run it where that is not done."""
    out = folder / f"{package}.json"
    if again or not out.exists():
        runner = HERE / "peers" / "run_peer.py"
        python = PEERS / package / "bin" / "python"
        subprocess.run([python, runner, package, folder / "tables", out], check=True)
    found: Document = json.loads(out.read_text(encoding="utf-8"))
    return found


def write_tables(panel: Path, folder: Path) -> None:
    """Write what each file reads as CSV."""
    import pandas as pd

    folder.mkdir(parents=True, exist_ok=True)
    parts = [pd.read_parquet(panel / f"{name}.parquet") for name in ("prices", "reports")]
    table = raw_table(*parts, "S0000")
    for file in planted_files():
        table[[*BARS, *columns_read(file)]].to_csv(folder / f"{file.stem}.csv")


@cache
def world_of(folder: Path) -> World:
    """Make the markets of the classes at work once in a process."""
    return make_world(folder / f"world-{os.getpid()}")


def judged(name: str, folder: Path) -> list[Finding]:
    """Audit one of the runs: a file as function or as table, or a class at work."""
    kind, _, which = name.partition(" ")
    if kind in ("function", "table"):
        (file,) = [one for one in planted_files() if one.stem == which]
        audit = of_file if kind == "function" else of_finished_file
        return audit(file, folder / "panel")
    return at_work(AT_WORK[int(which)], world_of(folder), honest=kind == "honest")


def ours(folder: Path, *, again: bool) -> dict[str, list[Finding]]:
    """Return what the audit finds in each run; what was found is written down as it comes."""
    out = folder / "ours.json"
    names = [f"{kind} {one}" for one in AT_WORK for kind in ("leak", "honest")]
    for file in planted_files():
        if file.stem[0] == "k" or int(file.stem[1:3]) < min(AT_WORK):
            names += [f"function {file.stem}", f"table {file.stem}"]
    found: Document = {}
    if out.exists() and not again:
        found = json.loads(out.read_text(encoding="utf-8"))
    missing = [name for name in names if name not in found]
    # Not forked: a process that has run queries has threads.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        asked = {pool.submit(judged, name, folder): name for name in missing}
        for done in as_completed(asked):
            found[asked[done]] = done.result()
            sys.stdout.write(f"{asked[done]}: {', '.join(one.by for one in done.result())}\n")
            out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return {name: [Finding(*one) for one in found[name]] for name in names}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packages", default=",".join(PACKAGES))
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--runs", type=Path, default=ROOT / "out" / "leaks")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "look-ahead.md")
    asked = parser.parse_args()
    panel = asked.runs / "panel"
    panel.mkdir(parents=True, exist_ok=True)
    write_tables(write_panel(panel), asked.runs / "tables")
    subprocess.run(["bash", HERE / "peers" / "setup.sh", PEERS], check=True)
    theirs = [of_package(one, asked.runs, again=asked.again) for one in asked.packages.split(",")]
    text, n_found, alarms = page(ours(asked.runs, again=asked.again), theirs)
    asked.out.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{n_found} of 30 found; not clean though they are: {alarms or 'none'}\n")
    return int(n_found < LEAST or bool(alarms))


if __name__ == "__main__":
    raise SystemExit(main())
