"""Packages: those of the extras, imported when something needs them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ml4t.backtest.errors import ConfigError


def package(name: str, *, extra: str) -> Any:
    """Import a package of an extra.

    Raises
    ------
    ConfigError
        It is not installed; the message has the line that installs it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"this needs {name.partition('.')[0].replace('_', '-')}: "
            f"pip install 'ml4t-backtest-duckdb[{extra}]'"
        ) from error
