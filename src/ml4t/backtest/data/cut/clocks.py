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
    if source.available_at is not None:
        # At its ex-date an action applies, whoever knew.
        return "least(ex_date, available_at)" if source.role == "actions" else "available_at"
    return "" if source.role in WHOLE_ROLES else lagged(source.spec.times[0], source)


def lagged(time: str, source: Source) -> str:
    """Return a time of a source later by its lag, in SQL."""
    return time if source.lag is None else f"{time} + {literal(source.lag)}::interval"
