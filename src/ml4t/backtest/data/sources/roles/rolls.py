"""Rolls: when what is held of one contract is traded for the next."""

from __future__ import annotations

from ml4t.backtest.data.sources.roles.check import (
    DUPLICATE_KEYS,
    INFINITE_TIME,
    NULL_ASSET_ID,
    NULL_TIMESTAMP,
    QUIET,
    Check,
)
from ml4t.backtest.data.sources.roles.spec import RoleSpec

ROLLS_ROLE = RoleSpec(
    name="rolls",
    required=("timestamp", "asset_id", "new_asset_id"),
    checks=(
        NULL_TIMESTAMP,
        NULL_ASSET_ID,
        Check(
            rule="roll_not_valid",
            text="has rolls without a new_asset_id, or to the same one; name the contract that is "
            "bought for the old one",
        ),
        *QUIET,
        INFINITE_TIME,
        DUPLICATE_KEYS,
    ),
    is_single=True,
    is_money=True,
    may_be_quiet=True,
    enums_as_text=True,
)
