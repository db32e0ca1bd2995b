"""Universe: from when to when an asset may be chosen."""

from __future__ import annotations

from ml4t.backtest.data.sources.roles.check import NULL_AVAILABLE_AT, Check
from ml4t.backtest.data.sources.roles.spec import RoleSpec

UNIVERSE_ROLE = RoleSpec(
    name="universe",
    required=("asset_id", "start_date", "end_date"),
    times=("start_date", "end_date"),
    open_times=("end_date",),
    # Of infinite times too; and intervals of one asset may overlap.
    checks=(
        Check(
            rule="interval_not_valid",
            text="has membership intervals without a start, or that end before it",
        ),
        NULL_AVAILABLE_AT,
        Check(
            rule="told_at_once",
            text="has rows of one asset and start_date that were told at once; keep the one that "
            "was meant",
            severity="contradiction",
            applies=lambda rows: rows.has_clock,
        ),
    ),
    key=("asset_id", "start_date"),
    is_single=True,
    may_tell=("available_at", "lag"),
    clock="start_date",
)
