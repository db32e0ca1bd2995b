"""Asks one package of the planted files; runs in an environment of that package.

    python run_peer.py PACKAGE FOLDER OUT.json

FOLDER has ``<file>.csv`` for each planted file: its bars, and what else it reads. OUT has the
version and, for each file, a verdict (``found``, ``passed``, ``not judged``) with what was said.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from raw_table import PLANTED, imported

Verdict = tuple[str, str]


def bars(table: Path) -> Any:
    import pandas as pd

    return pd.read_csv(table, index_col=0, parse_dates=True)


def command(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command of the package."""
    tool = Path(sys.executable).parent / name
    return subprocess.run(
        [str(tool), *map(str, arguments)], capture_output=True, text=True, check=False, timeout=600
    )


def nullcheck(file: Path, table: Path) -> Verdict:
    import nullcheck as package

    result = package.check(imported(file).feature, bars(table))
    if result.status == "DIVERGENCE_OBSERVED":
        first = result.divergences[0] if result.divergences else {}
        return "found", f"{first.get('channel', '')} at row {first.get('row', '')}"
    if result.status == "NO_DIVERGENCE_OBSERVED":
        return "passed", ""
    return "not judged", str(result.reason)


def nullius(file: Path, table: Path) -> Verdict:
    import nullius as package

    raw = bars(table)
    feature = imported(file).feature
    data = raw.rename_axis("time").reset_index()

    def pipeline(rows: Any) -> Any:
        values = feature(rows.set_index("time"))
        return values.rename("value").rename_axis("time").reset_index()

    found = package.check_prefix_invariance(pipeline, data)
    if found.passed:
        return "passed", ""
    return "found", f"{found.severity}: {len(found.evidence)} rows changed"


def monte_neo(file: Path, table: Path) -> Verdict:
    ran = command(
        "monte-neo-verify", "--ohlcv", table, "--strategy", f"{file}:signal", "--format", "json",
        "--jobs", 1,
    )  # fmt: skip
    if not ran.stdout.strip().startswith("{"):
        return "not judged", (ran.stderr or ran.stdout).strip().splitlines()[-1][:200]
    # Its other checks are of costs, of trials and of returns.
    checks = [one for one in json.loads(ran.stdout)["checks"] if one["category"] == "lookahead"]
    failed = [one["id"] for one in checks if one["status"] == "fail"]
    return ("found", ", ".join(failed)) if failed else ("passed", "")


def lookahead_lint(file: Path, table: Path) -> Verdict:
    found = json.loads(command("lookahead-lint", file, "--format", "json").stdout)["findings"]
    codes = sorted({f"{one['code']} {one['name']}" for one in found})
    return ("found", ", ".join(codes)) if codes else ("passed", "")


def lookahead_free(file: Path, table: Path) -> Verdict:
    ran = command("lf", "scan", "--source", file, "--json")
    found = json.loads(ran.stdout)
    return "found" if ran.returncode else "passed", json.dumps(found)[:2000]


def backtest_audit(file: Path, table: Path) -> Verdict:
    found = json.loads(command("backtest-audit", "check", file, "--format", "json").stdout)
    # Its rules STAT... are of Sharpe ratios and costs.
    codes = {
        one["code"] for each in found.values() for one in each if not one["code"].startswith("STAT")
    }
    return ("found", ", ".join(sorted(codes))) if codes else ("passed", "")


PACKAGES: dict[str, Callable[[Path, Path], Verdict]] = {
    "nullcheck": nullcheck,
    "nullius": nullius,
    "monte-neo": monte_neo,
    "lookahead-lint": lookahead_lint,
    "lookahead-free": lookahead_free,
    "backtest-audit": backtest_audit,
}


def main() -> None:
    package, folder, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    found = dict[str, Verdict]()
    for table in sorted(folder.glob("*.csv")):
        os.environ["ALL_BARS"] = str(table)
        file = PLANTED / f"{table.stem}.py"
        try:
            found[file.stem] = PACKAGES[package](file, table)
        except Exception as error:  # whatever a package raises, the others are asked
            found[file.stem] = ("not judged", f"{type(error).__name__}: {error}"[:200])
        sys.stdout.write(f"{package} {file.stem} {found[file.stem][0]}\n")
    version = importlib.metadata.version(package)
    text = json.dumps({"package": package, "version": version, "files": found}, indent=1)
    out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
