"""Versions of the package and of what decides its numbers."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "ml4t-backtest-duckdb"


def own_version() -> str:
    """Return the version of the package, ``"unknown"`` where it is not installed."""
    return _version(DISTRIBUTION)


@cache
def versions() -> dict[str, str]:
    """Return the versions that go into every run."""
    return {name: _version(name) for name in (DISTRIBUTION, "duckdb", "numpy", "sqlglot")}


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
