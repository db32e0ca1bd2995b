"""Memberships: the intervals of a universe, as far as they were known."""

from __future__ import annotations

from ml4t.backtest.data.asof.delays import DelayedClock, delayed, moved
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import columns, render, rows_of, view_of

# What every reader of membership reads, and its condition on a row of prices.
MEMBERSHIPS = "stage.memberships"
IS_MEMBER = render("signals/is_member", universe=MEMBERSHIPS)
_DATES = ("start_date", "end_date")


def make_memberships(source: Source, database: Database) -> None:
    """Make `MEMBERSHIPS`, ``(asset_id, start_date, end_date)``, of a source.

    With ``available_at`` a row counts from then on, and is a revision of the earlier ones of its
    asset and start. Without, start and end are known when they come, or a lag after.
    """
    universe = "main.universe"
    if source.available_at is None:
        for delay in (source.lag, source.delay):
            if delay is not None:
                universe = f"({moved(universe, _DATES, delay)})"
        items = columns(("asset_id", *_DATES))
        database.execute(view_of(MEMBERSHIPS, rows_of(universe, items)))
        return
    told = DelayedClock(universe, "available_at", told="available_at")
    if source.delay is not None:
        told = delayed(universe, told.available, source.delay, _DATES, period="start_date")
    database.execute(
        render(
            "signals/memberships", universe=told.relation, available=told.available, told=told.told
        )
    )
