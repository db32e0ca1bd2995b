"""docs/interchange.md: its code runs, and what it tells of names and versions is so."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "interchange.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    known: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(code, "docs/interchange.md", "exec"), known)
    assert {path.name for path in tmp_path.iterdir()} == {"run.xlsx", "trades.xlsx"}
    waiting = known["orders"].project("kind, created_at").fetchall()
    assert set(waiting) == {("target", date(2024, 2, 29))}
    frames = [known[name] for name in ("returns", "positions", "transactions", "scores")]
    assert all(len(frame) > 0 for frame in frames)


def test_the_versions_of_the_page_are_those_that_are_installed() -> None:
    versions = re.findall(r"\| ([\w-]+) (\d[\d.]+) \|$", PAGE, re.MULTILINE)
    assert len(versions) == 4
    for package, version in versions:
        assert f"{package}=={version}" in MAKEFILE
