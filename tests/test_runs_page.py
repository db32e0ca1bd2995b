"""docs/runs.md: its code runs, from the first line to the last; its commands are there."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from ml4t.backtest import RunStore
from ml4t.backtest.cli import app

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "runs.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)


def test_the_code_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    known: dict[str, object] = {}
    found = []
    for language, code in BLOCKS:
        if language == "python":
            exec(compile(code, "docs/runs.md", "exec"), known)
        elif language == "sql":
            found = duckdb.sql(code).fetchall()
    store = known["store"]

    assert isinstance(store, RunStore)
    assert len(store) == 2  # three were added, one was deleted
    assert len(found) == 3
    assert "sharpe" in capsys.readouterr().out
    assert (tmp_path / "best.duckdb").is_file()
    for line in re.findall(r"^\| `([\w.]+?)/?` \|", PAGE, re.MULTILINE):
        assert (store.path / line).exists(), line
    call_the_commands(store)


def call_the_commands(store: RunStore) -> None:
    run_ids = [run_id for (run_id,) in store.runs().project("run_id").fetchall()]
    (commands,) = (code for language, code in BLOCKS if language == "bash")
    asked = [line.split()[1:] for line in commands.splitlines() if " run " not in line]
    assert [words[0] for words in asked] == ["runs", "summary", "compare", "diff", "query"]
    places = {"my_runs": str(store.path), "3ca744": run_ids[0][:8], "a3b001": run_ids[1]}
    places["my_runs/3ca744"] = str(store.path / run_ids[0][:8])

    def printed(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, [places.get(word, word) for word in words])
        assert done.exit_code == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    assert run_ids[0] in printed("runs", "my_runs", "--by", "sharpe", "--json")
    assert run_ids[1] not in printed("runs", "my_runs", "--tag", "keep", "--json")
    assert run_ids[0] in printed(*asked[1], "--json")
    assert "strategy.every" in printed(*asked[2])
    assert "from 2024-01-0" in printed(*asked[3])
    assert '"first_bar": "2024-01-0' in printed(*asked[3], "--json")
    query = ["query", "my_runs", "--sql", "select count(*) as n from metrics", "--json"]
    assert '"rows": [\n    [\n      2\n    ]\n  ]' in printed(*query)
    assert "is no store of runs" in printed("runs", str(store.path / "runs"), code=1)
    assert "did you mean 'sharpe'" in printed("runs", "my_runs", "--by", "sharp", code=1)
    assert "by their ids" in printed("compare", "my_runs", code=1)
