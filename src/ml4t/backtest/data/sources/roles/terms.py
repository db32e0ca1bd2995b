"""Assets and borrow: the terms of contracts, and what it costs to borrow a share."""

from __future__ import annotations

from ml4t.backtest.data.sources.roles.check import (
    CLOCKED,
    DUPLICATE_KEYS,
    INFINITE_TIME,
    NULL_ASSET_ID,
    NULL_AVAILABLE_AT,
    NULL_TIMESTAMP,
    QUIET,
    Agreement,
    Check,
    has,
)
from ml4t.backtest.data.sources.roles.spec import RoleSpec

_TERM_CHECKS = tuple(
    Check(rule=f"{column}_not_valid", text=text, applies=has(column))
    for column, text in {
        "lot_size": "has a negative, NaN or infinite lot_size; use NULL for any fraction",
        "tick_size": "has a negative, NaN or infinite tick_size; use NULL for any price",
        "multiplier": "has a multiplier that is no number above 0; use NULL for 1",
        "initial_margin": "has an initial_margin outside (0, 1]; it is a fraction, use NULL for "
        "the account's own",
        "max_order": "has a max_order that is no number above 0; use NULL for any size",
        "min_holding": "has a min_holding that is no whole number of sessions from 0 on; use NULL "
        "for the market's own",
        "short_initial_margin": "has a short_initial_margin outside (0, 1]; it is a fraction, use "
        "NULL for what positions of both sides need",
    }.items()
)
_MAINTENANCE_MARGIN = Check(
    rule="maintenance_margin_not_valid",
    text="has a maintenance_margin outside (0, 1] or above the initial one; it is a fraction, use "
    "NULL for the account's own",
    applies=has("maintenance_margin"),
    places=lambda rows: {"initial": rows.value_of("initial_margin")},
)
_SHORT_MAINTENANCE_MARGIN = Check(
    rule="short_maintenance_margin_not_valid",
    text="has a short_maintenance_margin outside (0, 1] or above the initial one of shorts; it is "
    "a fraction, use NULL for what positions of both sides need",
    applies=lambda rows: bool(
        {"short_initial_margin", "short_maintenance_margin"} & set(rows.columns)
    ),
    places=lambda rows: {
        "own": rows.value_of("short_maintenance_margin"),
        "own_initial": rows.value_of("short_initial_margin"),
        "needed": rows.value_of("short_maintenance_margin", "maintenance_margin"),
        "initial": rows.value_of("short_initial_margin", "initial_margin"),
    },
)
_FEE = Check(
    rule="fee_not_valid",
    text="has borrow fees that are missing, NaN, infinite or negative; fee is an annual fraction, "
    "0.003 for 30 basis points",
)
TERMS = (
    "lot_size", "tick_size", "multiplier", "initial_margin", "maintenance_margin", "min_holding",
    "short_initial_margin", "short_maintenance_margin", "max_order", "contract_initial_margin",
    "contract_maintenance_margin",
)  # fmt: skip
_INSTRUMENT = Check(
    rule="instrument_not_known",
    text="has an instrument other than 'share', 'future' or 'perpetual', or NULL for a share; of "
    "options exercise and margin are not modelled, of bonds accrued interest and redemption: "
    "leave such assets out",
    applies=has("instrument"),
)
_CONTRACT_MARGIN = Check(
    rule="contract_margin_not_valid",
    text="has a contract_initial_margin or contract_maintenance_margin that is no amount above 0, "
    "a maintenance margin above the initial one, or one of an asset that is no future or "
    "perpetual; they are account currency per contract, use NULL where fractions apply",
    applies=lambda rows: bool(
        {"contract_initial_margin", "contract_maintenance_margin"} & set(rows.columns)
    ),
    places=lambda rows: {
        "initial": rows.value_of("contract_initial_margin"),
        "maintenance": rows.value_of("contract_maintenance_margin"),
        "said": "instrument::varchar" if "instrument" in rows.columns else "'share'",
    },
)
_EXPIRY = Check(
    rule="expiry_not_valid",
    text="has an expiry of what is no future or that is infinite, or a final_settlement that is no "
    "number or without an expiry; expiry is the date of the last session, use NULL where a "
    "contract has none",
    applies=lambda rows: bool({"expiry", "final_settlement"} & set(rows.columns)),
    places=lambda rows: {
        "day": "expiry" if "expiry" in rows.columns else "null::date",
        "price": rows.value_of("final_settlement"),
        "said": "instrument::varchar" if "instrument" in rows.columns else "null::varchar",
    },
)
_CURRENCY = Check(
    rule="currency_not_valid",
    text="has a currency that is no code such as USD; use NULL for that of the account",
    applies=has("currency"),
)
# What may change: it counts from the close of the first bar at or after available_at.
DATED_MARGINS = ("contract_initial_margin", "contract_maintenance_margin")
_FIXED = tuple(name for name in TERMS if name not in DATED_MARGINS)
_NAMED = ("instrument", "expiry", "final_settlement", "currency")
_ONE_TERM = Check(
    rule="terms_changed",
    text="has rows of one asset with other terms; of terms an asset has one, which counts from the "
    "first bar on: what available_at is for are texts, such as its sector, and margins of "
    "contracts",
    applies=lambda rows: rows.has_clock and bool({*_FIXED, *_NAMED} & set(rows.columns)),
    places=lambda rows: {
        "terms": ", ".join(name for name in (*_FIXED, *_NAMED) if name in rows.columns)
    },
    severity="contradiction",
)
ASSETS_ROLE = RoleSpec(
    name="assets",
    required=("asset_id",),
    optional=(*TERMS, *_NAMED),
    times=(),
    days=("expiry",),
    doubles=(*TERMS, "final_settlement"),
    texts=("instrument", "currency"),
    key=("asset_id",),
    checks=(
        NULL_ASSET_ID,
        *_TERM_CHECKS,
        _MAINTENANCE_MARGIN,
        _SHORT_MAINTENANCE_MARGIN,
        _INSTRUMENT,
        _CONTRACT_MARGIN,
        _EXPIRY,
        _CURRENCY,
        NULL_AVAILABLE_AT,
        INFINITE_TIME,
        DUPLICATE_KEYS,
        _ONE_TERM,
    ),
    agreements=(
        Agreement(
            rule="bars_after_expiry",
            text="has contracts with bars after their expiry, at which nothing of them is left to "
            "trade; leave those bars out, or give the date of the last session",
            statement="validate/bars_after_expiry",
            reads=(("assets", "expiry"),),
        ),
    ),
    is_single=True,
    is_money=True,
    has_groups=True,
    may_tell=("available_at",),
    clock=None,
)
_LOCATED = Check(
    rule="shares_not_valid",
    text="has shares to borrow that are negative, NaN or infinite; shares is how many can be "
    "borrowed in all, NULL any number",
    applies=has("shares"),
)
BORROW_ROLE = RoleSpec(
    name="borrow",
    required=("timestamp", "asset_id", "fee"),
    optional=("available", "shares"),
    doubles=("fee", "shares"),
    flags=("available",),
    checks=(NULL_TIMESTAMP, NULL_ASSET_ID, _FEE, _LOCATED, *QUIET, *CLOCKED),
    agreements=(
        # Nobody borrows a contract, and its notional is not owed.
        Agreement(
            rule="fee_of_contract",
            text="has fees on assets of a multiplier other than 1, which nobody borrows; leave "
            "them out",
            statement="validate/contracts_borrowed",
            reads=(("borrow", "fee"), ("assets", "multiplier")),
        ),
    ),
    counted=(NULL_TIMESTAMP, *QUIET, *CLOCKED),
    is_single=True,
    is_clocked=True,
    is_money=True,
    has_signals=True,
    may_be_quiet=True,
    prefix="borrow_",
)
