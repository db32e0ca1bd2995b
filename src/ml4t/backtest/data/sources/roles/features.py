"""Features and context: what is known of assets and of the market, as of a time."""

from __future__ import annotations

from ml4t.backtest.data.sources.roles.check import CLOCKED, NULL_TIMESTAMP
from ml4t.backtest.data.sources.roles.spec import RoleSpec

FEATURES_ROLE = RoleSpec(
    name="features",
    required=("timestamp", "asset_id"),
    counted=(NULL_TIMESTAMP, *CLOCKED),
    is_clocked=True,
    has_signals=True,
    has_values=True,
    has_groups=True,
    may_lack_asset=True,
)
CONTEXT_ROLE = RoleSpec(
    name="context", required=("timestamp",), key=("timestamp",), is_clocked=True, has_signals=True
)
