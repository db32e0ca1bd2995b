"""The examples as they are, each run of theirs audited: ``python tests/leaks/audited_examples.py``.

A script is run with `BacktestEngine.run` in other words: an audit of one cut, whose whole run it
goes on with. Exit status 1: one is not clean. Smells are no reason: a made-up prediction is made of
the return that it predicts.
"""

from __future__ import annotations

import contextlib
import io
import os
import runpy
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ml4t.backtest import BacktestEngine, BacktestResult

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# Those that run on data that is in the repository, or that they make.
SCRIPTS = (
    "a1_a3_equal.py", "ml_strategy_example.py", "walk_forward_ml.py",
    "integrated/top25_ml_strategy_complete.py",
    *(f"patterns/{path.name}" for path in sorted((EXAMPLES / "patterns").glob("*.py"))
      if path.name not in ("shared.py", "vectorbt_preprocessing.py")),
)  # fmt: skip


def audited(script: str) -> tuple[int, list[str], set[str]]:
    """Run a script and return how many runs were audited, what was found in them, and smells."""
    found, smells, n_runs, plain = list[str](), set[str](), 0, BacktestEngine.run

    def run(self: BacktestEngine, *given: Any, **options: Any) -> BacktestResult:
        nonlocal n_runs
        bounds = {name: options[name] for name in ("start", "end") if name in options}
        with patch.object(BacktestEngine, "run", plain):
            audit = self.audit(1, **bounds)
            n_runs += 1
            smells.update(f"{one[0]} of {one[1]}.{one[2]}" for one in audit.smells.fetchall())
            if not audit.is_clean:
                found.append(audit.title)
            return self.run(*given, **options)

    script_path = EXAMPLES / script
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        sys.argv = [script, folder] if script.startswith("integrated") else [script]
        sys.path.insert(0, str(script_path.parent))
        with patch.object(BacktestEngine, "run", run), contextlib.redirect_stdout(io.StringIO()):
            try:
                runpy.run_path(str(script_path), run_name="__main__")
            except SystemExit as ended:
                if ended.code:
                    found.append(f"ended with {ended.code}")
        sys.path.remove(str(script_path.parent))
        sys.modules.pop("shared", None)
    return n_runs, found, smells


def main() -> int:
    n_bad = 0
    for script in SCRIPTS:
        n_runs, found, smells = audited(script)
        n_bad += bool(found)
        says = f"{found or 'clean'}; smells: {', '.join(sorted(smells)) or 'none'}"
        sys.stdout.write(f"{script}: {n_runs} runs audited, {says}{os.linesep}")
        sys.stdout.flush()
    return int(n_bad > 0)


if __name__ == "__main__":
    raise SystemExit(main())
