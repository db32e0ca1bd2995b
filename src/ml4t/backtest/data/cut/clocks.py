"""Clocks: since when a row of a source is known."""

from __future__ import annotations

from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import literal

# Roles without a clock: what they say counts from the first bar on, and is published ahead.
WHOLE_ROLES = {
    "assets": "has no clock: what it says counts from the first bar on",
    "calendar": "sessions are published ahead",
    "calendar_corrections": "sessions are published ahead",
}


def known_since(source: Source) -> str:
    """Return the expression that says since when a row of a source is known; empty: always."""
    if source.role in WHOLE_ROLES:
        return ""
    if source.available_at is not None:
        return "available_at"
    if source.lag is not None:
        return f"timestamp + {literal(source.lag)}::interval"
    return source.spec.times[0]
