"""The wheel by itself: installed with no checkout in sight, it completes a run."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RUN = """
import json, sys
from datetime import date
from pathlib import Path

target, dependencies = sys.argv[1:3]
# The dependencies come from this folder alone, the package from the target: no .pth file is
# read, so that no editable install can stand in for the wheel.
sys.path = [p for p in sys.path if "site-packages" not in p] + [target, dependencies]
sys.meta_path = [f for f in sys.meta_path if "editable" not in repr(f).lower()]

import ml4t.backtest
from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, TopN
from ml4t.backtest.risk import RiskManager, StopLoss, TimeBasedExit

days = [date(2024, 1, n) for n in range(1, 11)]
catalog = Catalog()
catalog.register("prices", {
    "timestamp": days, "asset_id": ["A"] * 10, "open": [10.0] * 10, "high": [11.0] * 10,
    "low": [9.0] * 10, "close": [10.0] * 10,
})
catalog.register("features", {"timestamp": days, "asset_id": ["A"] * 10, "score": [1.0] * 10})
rules = RiskManager([StopLoss(0.5), TimeBasedExit(2)])
result = BacktestEngine(catalog, TopN(1, by="score", every=3), risk_manager=rules).run()
opened = BacktestResult.open(result.save("run.duckdb"))
print(json.dumps({
    "file": ml4t.backtest.__file__,
    "modules": sorted({
        str(Path(module.__file__).resolve())
        for name, module in sys.modules.items()
        if name.startswith("ml4t.backtest") and getattr(module, "__file__", None)
    }),
    "n_fills": opened["n_fills"],
    "exits": [row[0] for row in opened.exits.fetchall()],
    "versions": opened.sql("select versions from runs").fetchall()[0][0],
    "summary": opened.summary(),
}))
"""


def command(*arguments: str | Path, cwd: Path) -> str:
    """Run a command and return its output; a failure shows what it said."""
    done = subprocess.run(
        [str(argument) for argument in arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command(
        sys.executable, "-m", "pip", "wheel", ROOT, "--no-deps", "--quiet",
        "--disable-pip-version-check", "-w", folder, cwd=folder,
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_ships_every_sql_file_and_module_and_nothing_of_the_checkout(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {name for name in names if ".dist-info/" not in name}
    sql = {
        f"ml4t/backtest/sql/{path.relative_to(ROOT / 'sql').as_posix()}"
        for path in (ROOT / "sql").rglob("*.sql")
    }
    modules = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src" / "ml4t").rglob("*.py")
        if "__pycache__" not in path.parts
    }
    data = {"ml4t/backtest/py.typed", "ml4t/backtest/data/calendars/corrections.csv"}
    data |= {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src/ml4t/backtest/results/page/assets").rglob("*")
        if path.is_file()
    }
    assert sql
    assert shipped == sql | modules | data
    assert "ml4t/__init__.py" not in names
    assert any(name.endswith("entry_points.txt") for name in names)


def test_the_installed_wheel_completes_a_run_with_no_checkout_in_sight(
    wheel: Path, tmp_path: Path
) -> None:
    target, elsewhere = tmp_path / "target", tmp_path / "elsewhere"
    elsewhere.mkdir()
    command(
        sys.executable, "-m", "pip", "install", wheel, "--no-deps", "--no-index", "--quiet",
        "--disable-pip-version-check", "--target", target, cwd=elsewhere,
    )  # fmt: skip
    # -I: no PYTHONPATH and no current folder; -S: no .pth file, so no editable install.
    facts = json.loads(
        command(
            sys.executable,
            "-I",
            "-S",
            "-c",
            RUN,
            target,
            sysconfig.get_paths()["purelib"],
            cwd=elsewhere,
        )
    )
    assert Path(facts["file"]).resolve().is_relative_to(target.resolve())
    assert facts["modules"]
    for module in facts["modules"]:
        assert Path(module).is_relative_to(target.resolve())
    assert (target / "ml4t" / "backtest" / "sql" / "results" / "trades.sql").is_file()
    assert facts["n_fills"] >= 2
    assert facts["exits"] == ["TimeBasedExit"]
    assert "unknown" not in facts["versions"]
    assert "Total return" in facts["summary"]
    assert (elsewhere / "run.duckdb").is_file()
