"""Funding: what holders of perpetual contracts pay each other, at times inside the day."""

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

_COLUMNS = ("rate", "cash", "mark")
FUNDING_ROLE = RoleSpec(
    name="funding",
    required=("timestamp", "asset_id"),
    optional=_COLUMNS,
    doubles=_COLUMNS,
    checks=(
        NULL_TIMESTAMP,
        NULL_ASSET_ID,
        Check(
            rule="funding_not_valid",
            text="has rows without exactly one of rate (a fraction of the notional) and cash (per "
            "contract and unit of multiplier), or with one that is NaN, infinite or a rate beyond "
            "1, or a mark that is no price above 0; longs pay what is above 0",
            places=lambda rows: {name: rows.value_of(name) for name in _COLUMNS},
        ),
        INFINITE_TIME,
        DUPLICATE_KEYS,
        *QUIET,
    ),
    is_single=True,
    is_money=True,
    may_be_quiet=True,
)
