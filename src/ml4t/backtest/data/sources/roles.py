"""Roles: what the rows of a source are; one spec says all that the data side asks of a role.

To add a role: its spec in `ROLES`, its name in `Role`. To add a check: its file in ``sql/checks``,
its name in the `rules` of the roles that are held to it (in their `gate_rules` too, where the gate
would not see it), and its way out in `ROLE_WAYS_OUT`. Those of actions are in `action_checks`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from ml4t.backtest.data.sources.action_checks import QUIET, action_rules

Role = Literal["prices", "features", "context", "universe", "actions", "assets", "borrow"]
Rules = Callable[[Mapping[str, str]], list[str]]
PRICE_COLUMNS = ("open", "high", "low", "close")
# What to do about the rows that a check of a role selects.
ROLE_WAYS_OUT = {
    "null_timestamp": "has rows without a timestamp; remove them",
    "null_asset_id": "has rows without an asset_id; remove them",
    "high_below_low": "has bars with high below low; mend or remove them",
    "open_outside_range": "has bars that open outside [low, high]; mend or remove them",
    "close_outside_range": "has bars that close outside [low, high]; mend or remove them",
    "volume_not_valid": "has a negative, NaN or infinite volume; use NULL where it is unknown",
    "interval_not_valid": "has membership intervals without a start, or that end before it",
    "lot_size_not_valid": "has a negative, NaN or infinite lot_size; use NULL for any fraction",
    "tick_size_not_valid": "has a negative, NaN or infinite tick_size; use NULL for any price",
    "multiplier_not_valid": "has a multiplier that is no number above 0; use NULL for 1",
    "initial_margin_not_valid": "has an initial_margin outside (0, 1]; it is a fraction, use NULL "
    "for the account's own",
    "maintenance_margin_not_valid": "has a maintenance_margin outside (0, 1] or above the initial "
    "one; it is a fraction, use NULL for the account's own",
    "fee_not_valid": "has borrow fees that are missing, NaN, infinite or negative; fee is an "
    "annual fraction, 0.003 for 30 basis points",
} | {
    f"{column}_{kind}": text.format(column=column)
    for column in PRICE_COLUMNS
    for kind, text in {
        "missing": "has bars without '{column}'; leave out bars that did not trade",
        "not_finite": "has NaN or infinite values in '{column}'; leave out bars that did not trade",
        "not_positive": "has prices of zero or less in '{column}'; mend or remove them",
    }.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSpec:
    """What a source of one role has, how it is read, and which checks it is held to.

    Attributes
    ----------
    name : str
    required, optional : tuple of str
        Columns; they mean the same in every source of the role, whatever their case.
    times : tuple of str
        Columns whose rows tell a time; the first is what `describe` shows.
    doubles, numbers, flags, texts : tuple of str
        Columns read as double, and those that must be a number, a BOOLEAN or a text.
    key : tuple of str
        What tells its rows apart.
    rules : callable
        The checks of its own for the columns that are there, in the order of their report.
    has_unique_keys, checks_times : bool
        Whether keys that repeat, and infinite times, are refused by the checks of all roles.
    is_single : bool
        A run has one source of it; else any number, each under a name of its own.
    is_clocked : bool
        Its rows become known at a time of their own, and are joined to bars as of then.
    is_money : bool
        Its rows are prices and amounts, or the terms of what has them.
    has_signals : bool
        It has columns that are signals or context: a NaN in them is missing.
    may_lack_asset : bool
        A row without an asset_id is one of the market.
    may_be_quiet : bool
        Its rows may be of another time and of other assets: nothing happened in the run.
    enums_as_text : bool
        Its ENUM columns are read as texts, so that ties break by name.
    gate_rules : tuple of str or None
        Checks that the gate runs before it counts keys; None: no gate, every check is run.
    prefix : str
        What its columns are called by in ``signals`` before their own name.
    clock : str or None
        From when a row counts, as `describe` says it.
    """

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    times: tuple[str, ...] = ("timestamp",)
    doubles: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    key: tuple[str, ...] = ("asset_id", "timestamp")
    rules: Rules = lambda _: ["null_timestamp"]
    has_unique_keys: bool = True
    checks_times: bool = True
    is_single: bool = False
    is_clocked: bool = False
    is_money: bool = False
    has_signals: bool = False
    may_lack_asset: bool = False
    may_be_quiet: bool = False
    enums_as_text: bool = False
    gate_rules: tuple[str, ...] | None = None
    prefix: str = ""
    clock: str | None = "timestamp"

    @property
    def has_assets(self) -> bool:
        """Whether its rows are of assets."""
        return "asset_id" in self.required


def _price_rules(columns: Mapping[str, str]) -> list[str]:
    present = [name for name in PRICE_COLUMNS if name in columns]
    rules = ["null_timestamp", "null_asset_id"] + [
        f"{name}_{kind}" for kind in ("missing", "not_finite", "not_positive") for name in present
    ]
    if {"high", "low"} <= set(present):
        rules.append("high_below_low")
    if {"high", "low"} & set(present):
        rules += [f"{name}_outside_range" for name in ("open", "close") if name in present]
    return [*rules, "volume_not_valid"] if "volume" in columns else rules


PRICES_ROLE = RoleSpec(
    name="prices",
    required=("timestamp", "asset_id", "close"),
    optional=("open", "high", "low", "volume", "vwap", "limit_up", "limit_down"),
    doubles=PRICE_COLUMNS,
    numbers=("volume",),
    rules=_price_rules,
    is_single=True,
    is_money=True,
    has_signals=True,
    gate_rules=(),
)
FEATURES_ROLE = RoleSpec(
    name="features",
    required=("timestamp", "asset_id"),
    is_clocked=True,
    has_signals=True,
    may_lack_asset=True,
    gate_rules=(),
)
CONTEXT_ROLE = RoleSpec(
    name="context", required=("timestamp",), key=("timestamp",), is_clocked=True, has_signals=True
)
UNIVERSE_ROLE = RoleSpec(
    name="universe",
    required=("asset_id", "start_date", "end_date"),
    times=("start_date", "end_date"),
    rules=lambda _: ["interval_not_valid"],
    has_unique_keys=False,
    checks_times=False,  # the one rule of intervals does
    is_single=True,
)
ACTIONS_ROLE = RoleSpec(
    name="actions",
    required=("asset_id", "ex_date", "kind", "value"),
    optional=("pay_date", "new_asset_id"),
    times=("ex_date", "pay_date"),
    doubles=("value",),
    texts=("kind",),
    key=("asset_id", "ex_date", "kind"),
    rules=action_rules,
    has_unique_keys=False,  # dividends and splits of a day add up
    is_single=True,
    is_money=True,
    may_be_quiet=True,
    enums_as_text=True,
    clock="ex_date",
)
TERMS = ("lot_size", "tick_size", "multiplier", "initial_margin", "maintenance_margin")
ASSETS_ROLE = RoleSpec(
    name="assets",
    required=("asset_id",),
    optional=TERMS,
    times=(),
    doubles=TERMS,
    key=("asset_id",),
    rules=lambda columns: [
        "null_asset_id", *(f"{name}_not_valid" for name in TERMS if name in columns)
    ],
    is_single=True,
    is_money=True,
    clock=None,
)  # fmt: skip
BORROW_ROLE = RoleSpec(
    name="borrow",
    required=("timestamp", "asset_id", "fee"),
    optional=("available",),
    doubles=("fee",),
    flags=("available",),
    rules=lambda _: ["null_timestamp", "null_asset_id", "fee_not_valid", *QUIET],
    is_single=True,
    is_clocked=True,
    is_money=True,
    has_signals=True,
    may_be_quiet=True,
    gate_rules=("null_asset_id", "fee_not_valid"),  # what the keys cannot show
    prefix="borrow_",
)
ROLES: dict[str, RoleSpec] = {
    spec.name: spec
    for spec in (
        PRICES_ROLE,
        FEATURES_ROLE,
        CONTEXT_ROLE,
        UNIVERSE_ROLE,
        ACTIONS_ROLE,
        ASSETS_ROLE,
        BORROW_ROLE,
    )
}
