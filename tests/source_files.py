"""The package as text: its modules and its SQL, read once by who asks, not by who collects."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "ml4t" / "backtest"


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the package by its name, such as ``data.database``."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(
            path.read_text(encoding="utf-8"), str(path)
        )
        for path in sorted(PACKAGE.rglob("*.py"))
    }


@cache
def sql_files() -> dict[str, str]:
    """The text of every file of `sql`, such as ``results/runs``."""
    return {
        path.relative_to(ROOT / "sql").with_suffix("").as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "sql").rglob("*.sql"))
    }


def statement(text: str) -> str:
    """Return the text of an SQL file without its comments."""
    return re.sub(r"--[^\n]*", "", text).strip()
