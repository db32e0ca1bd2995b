"""Universe: from when to when an asset may be chosen."""

from __future__ import annotations

from ml4t.backtest.data.sources.roles.check import Check
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
    ),
    is_single=True,
)
