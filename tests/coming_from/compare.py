"""Runs the other packages' code of docs/coming-from, holds it to what is recorded.

    python tests/coming_from/compare.py [--packages bt,zipline] [--write]

Environments are made by ``benchmarks/peers/setup.sh`` where they are missing. ``--write`` records
what the packages did; `tests/test_coming_from.py` holds ours to that in every run of the tests.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SETUP = ROOT / "benchmarks" / "peers" / "setup.sh"
PEERS = Path(os.environ.get("PEERS_HOME", Path.home() / ".cache" / "ml4t-backtest-peers"))
PACKAGES = ("bt", "vectorbt", "backtrader", "zipline", "freqtrade")
RECORDED = HERE / "recorded.json"
TOLERANCE = 1e-6  # absolute, as in the comparison of the presets


def run(package: str) -> dict[str, Any]:
    """Run one package in its environment."""
    subprocess.run(["bash", SETUP, package], check=True)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "done.json"
        command = [PEERS / package / "bin" / "python", HERE / "theirs.py", package, out]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{package}: its code failed\n{done.stdout}{done.stderr}")
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return found


def difference(found: dict[str, Any], known: dict[str, Any]) -> str:
    """Say how two runs of a package differ; empty: they do not."""
    if len(found["fills"]) != len(known["fills"]):
        return f"{len(found['fills'])} fills, {len(known['fills'])} are recorded"
    if abs(found["final_value"] - known["final_value"]) > TOLERANCE:
        return f"{found['final_value']} at the end, {known['final_value']} is recorded"
    for one, other in zip(found["fills"], known["fills"], strict=True):
        gaps = [abs(a - b) for a, b in zip(one[2:], other[2:], strict=True)]
        if one[:2] != other[:2] or max(gaps) > TOLERANCE:
            return f"the fill {one}, {other} is recorded"
    return ""


def main() -> int:
    """Run, compare, and write where it is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--packages", default=",".join(PACKAGES))
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    known = json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.exists() else {}
    failed = False
    for package in args.packages.split(","):
        found = run(package)
        if args.write:
            known[package] = found
        said = difference(found, known[package])
        failed = failed or bool(said)
        sys.stderr.write(f"{package} {found['version']}: {said or 'as recorded'}\n")
    if args.write:
        lines = (f"{json.dumps(one)}: {json.dumps(known[one])}" for one in sorted(known))
        RECORDED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
