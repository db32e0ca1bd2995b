"""The README is a promise: its code runs as written, its figures come from a run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from conftest import SHARED_DATA
from ml4t.backtest.results.tables import COLUMNS
from ml4t.backtest.synthetic import make_market

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_of_the_readme_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_market(tmp_path / "data", n_assets=60, n_bars=200)
    (tmp_path / "prices").mkdir()
    (data / "prices.parquet").rename(tmp_path / "prices" / "2020.parquet")
    (data / "context.parquet").rename(tmp_path / "vix.parquet")
    duckdb.sql(
        f"copy (select *, timestamp + interval 1 hour as published_at from "
        f"'{data}/features.parquet') to '{tmp_path}/features.parquet' (format parquet)"
    )
    monkeypatch.chdir(tmp_path)

    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(compile(code, "README.md", "exec"), names)

    saved = duckdb.connect(str(tmp_path / "run.duckdb"), read_only=True)
    assert saved.sql("select count(*) from fills").fetchall()[0][0] > 100
    saved.close()
    printed = capsys.readouterr().out
    assert "MaxDrawdown" in printed
    assert "take_profit" in printed


def test_the_readme_names_every_result_table() -> None:
    assert " ".join(COLUMNS) in " ".join(README.split())


def test_the_commands_of_the_readme_exist() -> None:
    commands = set(re.findall(r"^ml4t-backtest (\w+)", README, re.MULTILINE))
    shown = subprocess.run(
        [sys.executable, "-m", "ml4t.backtest.cli", "--help"],
        capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "200"},
    ).stdout  # fmt: skip
    assert commands == {
        "demo", "run", "explain", "inspect", "query", "summary", "preset", "init", "sql", "compare",
        "export",
    }  # fmt: skip
    assert all(command in shown for command in commands)


def test_the_figures_of_the_real_run_are_those_of_the_example(tmp_path: Path) -> None:
    if not SHARED_DATA.is_dir():
        pytest.skip("the real market data is not next to this checkout")
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        import readme_figures
    finally:
        sys.path.pop(0)
    assert readme_figures.section(tmp_path) in README
