"""docs/factors.md: its code runs as written, and its tables have the names that there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ml4t.backtest.data.diagnostics import factor, profile

PAGE = (Path(__file__).parents[1] / "docs" / "factors.md").read_text(encoding="utf-8")


def test_the_page_on_factors_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(code, "factors.md", "exec"), names)
    said = capsys.readouterr().out
    assert "mean_ic" in said
    assert "n_events" in said
    assert "n_rows" in said or "n_null" in said


def test_the_page_names_every_table_and_price() -> None:
    cells = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    named = set(re.findall(r"`\"?(\w+)\"?`", " ".join(cells)))
    assert named == {*factor.FACTOR_TABLES, *factor.RETURN_PRICES, *profile.PROFILE_TABLES}
