"""docs/explore.md: its code runs, and it names the tabs of the app; `make test-explore`."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "explore.md").read_text(encoding="utf-8")


@pytest.mark.skipif(not importlib.util.find_spec("altair"), reason="needs altair")
def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    known: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(code, "docs/explore.md", "exec"), known)
    assert (tmp_path / "monthly_returns.json").stat().st_size < 10_000


def test_the_page_names_the_tabs_of_the_app() -> None:
    app = (ROOT / "src/ml4t/backtest/cli/exploring/app.py").read_text(encoding="utf-8")
    tabs = re.findall(r'^ +"(\w+)": ', app.split("mo.ui.tabs(")[1], re.MULTILINE)
    assert re.findall(r"^\| (\w+) \| (?!shows)", PAGE, re.MULTILINE)[-6:] == tabs
