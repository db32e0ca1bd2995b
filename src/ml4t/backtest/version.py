"""Versions of the package and of what decides its numbers."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "ml4t-backtest-duckdb"


@cache
def versions() -> dict[str, str]:
    """Return the versions that go into every run."""
    found = {}
    for name in (DISTRIBUTION, "duckdb", "numpy", "sqlglot"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
