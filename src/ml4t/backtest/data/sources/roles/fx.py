"""FX: what one currency costs in another."""

from __future__ import annotations

from ml4t.backtest.data.sources.roles.check import CLOCKED, NULL_TIMESTAMP, Check
from ml4t.backtest.data.sources.roles.spec import RoleSpec

FX_ROLE = RoleSpec(
    name="fx",
    required=("timestamp", "base", "quote", "rate"),
    doubles=("rate",),
    texts=("base", "quote"),
    nouns={"rate": "a rate"},
    key=("base", "quote", "timestamp"),
    checks=(
        NULL_TIMESTAMP,
        Check(
            rule="fx_rate_not_valid",
            text="has rows without two currencies, or with a rate that is no number above 0; one "
            "unit of base is worth rate units of quote",
        ),
        Check(
            rule="fx_both_ways",
            text="has a pair in both directions, of which only one can count; keep one, its "
            "inverse is computed",
            severity="contradiction",
        ),
        *CLOCKED,
    ),
    is_single=True,
    is_money=True,
    may_tell=("available_at", "lag"),
    is_asked_at_bars=True,
    enums_as_text=True,
)
