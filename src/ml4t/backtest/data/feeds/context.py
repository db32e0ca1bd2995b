"""Context: values by timestamp, as an engine is given them, made into columns."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from datetime import datetime

from ml4t.backtest.errors import ConfigError


def context_columns(context: Mapping[datetime, Mapping[str, object]]) -> dict[str, list[object]]:
    """Turn ``{timestamp: {name: value}}`` into columns; a value that is absent is None."""
    rows = context.values() if isinstance(context, Mapping) else ()
    if not rows or not all(isinstance(row, Mapping) for row in rows):
        raise ConfigError(
            "context_data must be a mapping of timestamp to {name: value} with at least one, was "
            f"{reprlib.repr(context)}"
        )
    # In an order of their own: the columns are part of a run's identity, how a dict was filled not.
    names = sorted({name for row in context.values() for name in row}, key=str)
    columns: dict[str, list[object]] = {"timestamp": list(context)}
    for name in names:
        columns[name] = [row.get(name) for row in context.values()]
    return columns
