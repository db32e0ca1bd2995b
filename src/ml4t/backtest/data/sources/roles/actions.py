"""Actions: splits, dividends, renames and delistings, checked beside each other and prices."""

from __future__ import annotations

from collections.abc import Mapping

from ml4t.backtest.core.tolerances import AT_RATIO
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.roles.check import (
    DUPLICATE_ROWS,
    INFINITE_TIME,
    NULL_ASSET_ID,
    NULL_AVAILABLE_AT,
    QUIET,
    Check,
    has,
)
from ml4t.backtest.data.sources.roles.spec import RoleSpec
from ml4t.backtest.data.sql_files import render

_CHECKS = (
    NULL_ASSET_ID,
    Check(
        rule="null_ex_date",
        text="has actions without an ex_date; fill it or remove them",
    ),
    Check(
        rule="kind_unknown",
        text="has actions of a kind other than dividend, return_of_capital, cash, rights, spinoff, "
        "split, rename, merger or delisting; spell it so or remove them",
    ),
    Check(
        rule="split_not_valid",
        text="has splits whose value is no number above 0; value is the new shares per old share, "
        "4 for a 4-for-1",
    ),
    Check(
        rule="dividend_not_valid",
        text="has dividends whose value is no number of at least 0; value is cash per share",
    ),
    Check(
        rule="paid_not_valid",
        text="has a return_of_capital that is no number of at least 0, or a cash that is none; "
        "value is per share, of cash below 0 where it is charged",
    ),
    Check(
        rule="rights_not_valid",
        text="has rights whose value is no number above 0, or without a subscription price in the "
        "column cash; value is new shares per old share",
        places=lambda rows: {"amount": rows.value_of("cash")},
    ),
    Check(
        rule="withholding_not_valid",
        text="has a withholding outside [0, 1); it is the fraction of a dividend that tax takes",
        applies=has("withholding"),
    ),
    Check(
        rule="basis_not_known",
        text="has a basis other than 'old' (a dividend is per share held before that day's split, "
        "or NULL) and 'new' (per share held after it)",
        applies=has("basis"),
    ),
    Check(
        rule="merger_not_valid",
        text="has mergers whose value (shares of new_asset_id per old share, 0 for cash alone) or "
        "cash per share is below 0 or no number, both 0, or a value above 0 without a "
        "new_asset_id that prices have",
        places=lambda rows: {
            "new_asset_id": rows.value_of("new_asset_id", nothing="null"),
            "amount": rows.value_of("cash"),
        },
    ),
    Check(
        rule="spinoff_not_valid",
        text="has spin-offs whose value (shares of new_asset_id per share) is no number above 0, "
        "that have no new_asset_id of prices, or a basis_share outside (0, 1)",
        places=lambda rows: {
            "new_asset_id": rows.value_of("new_asset_id", nothing="null"),
            "basis_share": rows.value_of("basis_share"),
        },
    ),
    Check(
        rule="delisting_not_valid",
        text="has delistings at a negative, NaN or infinite price; use NULL where it is unknown",
    ),
    Check(
        rule="rename_not_valid",
        text="has renames without a new_asset_id, or to the same one; name the asset_id under "
        "which prices go on",
        places=lambda rows: {"new_asset_id": rows.value_of("new_asset_id", nothing="null")},
    ),
    Check(
        rule="rename_to_unknown",
        text="has renames of assets in prices to a new_asset_id that prices do not have; compare "
        "the spelling of both",
        applies=has("new_asset_id"),
    ),
    Check(
        rule="pay_date_before_ex_date",
        text="has dividends paid before their ex_date; use NULL where cash moved first",
        applies=has("pay_date"),
    ),
    DUPLICATE_ROWS,
    Check(
        rule="ends_twice",
        text="has more than one delisting or rename of an asset without a bar of it between them; "
        "keep one",
        severity="contradiction",
    ),
    Check(
        rule="dividend_of_all",
        text="has dividends of the last close or more, alone or with others since that bar; "
        "compare value and ex_date with the prices, and let a last payment be the value of a "
        "delisting",
    ),
    Check(
        rule="dividend_without_fall",
        text="has dividends that are a fifth of the last close or more between two bars, and that "
        "the price does not follow; compare value and ex_date with the prices",
        severity="warning",
    ),
    Check(
        rule="dividend_of_other_basis",
        text="has dividends on the date of a split that the price follows better per share on the "
        "other side of it; say by the column basis, 'old' or 'new', what they are per share of",
        severity="warning",
    ),
    Check(
        rule="delisting_above_price",
        text="has delistings at more than three times the last close; compare value with the "
        "prices",
        severity="warning",
    ),
    Check(
        rule="split_without_jump",
        text="has splits at which the price stayed where it was; leave them out where prices are "
        "adjusted for splits, else mend their value or date",
        places=lambda _: {"at_ratio": repr(AT_RATIO)},
    ),
    Check(
        rule="split_may_not_be",
        text="has splits that the price does not follow; compare value and ex_date with the prices",
        severity="warning",
    ),
    Check(
        rule="renamed_twice_a_day",
        text="has renames on one ex_date to an asset_id that is renamed itself; name the last "
        "one, or give the second a later date",
        severity="contradiction",
        applies=has("new_asset_id"),
    ),
    Check(
        rule="rename_to_another",
        text="has renames to an asset_id that traded before at a price of its own; one share "
        "becomes one share, so take another new_asset_id or leave them out",
        applies=has("new_asset_id"),
    ),
    Check(
        rule="rename_may_not_be",
        text="has renames to an asset_id with bars before the ex_date, or at half or twice the "
        "old price; compare both",
        severity="warning",
        applies=has("new_asset_id"),
    ),
    Check(
        rule="renamed_into_one",
        text="has renames of several assets to one; each of their shares becomes one",
        severity="warning",
        applies=has("new_asset_id"),
    ),
    Check(
        rule="traded_after_rename",
        text="has renames of assets with bars at or after the ex_date; holders have the new one, "
        "and the old one can be bought again",
        severity="warning",
        applies=has("new_asset_id"),
    ),
    Check(
        rule="traded_after_delisting",
        text="has delistings of assets with bars at or after the ex_date; holders are paid out, "
        "and it can be bought again",
        severity="warning",
    ),
    Check(
        rule="dividend_repeated",
        text="has dividends of one asset, ex_date and value that other columns tell apart; all of "
        "them are paid",
        severity="warning",
    ),
    Check(
        rule="known_after_ex_date",
        text="has actions that became known after their ex_date; they apply at it all the same, as "
        "the prices do; where available_at is the day of a payment or of a download, leave it out",
        severity="warning",
        applies=lambda rows: rows.has_clock,
    ),
    NULL_AVAILABLE_AT,
    *QUIET,
    INFINITE_TIME,
)


def find_action_prices(
    columns: Mapping[str, str], price_columns: Mapping[str, str], database: Database
) -> None:
    """Make the table of the prices around actions, which checks read."""
    new_asset_id = "actions.new_asset_id" if "new_asset_id" in columns else "null"
    first_price = "open" if "open" in price_columns else "close"
    database.execute(
        render(
            "validate/action_prices",
            new_asset_id=new_asset_id,
            first_price=first_price,
            basis="coalesce(basis, 'old')" if "basis" in columns else "'old'",
        )
    )


ACTIONS_ROLE = RoleSpec(
    name="actions",
    required=("asset_id", "ex_date", "kind", "value"),
    optional=("pay_date", "new_asset_id", "cash", "withholding", "basis_share", "basis"),
    times=("ex_date", "pay_date"),
    open_times=("pay_date",),
    day="ex_date",
    doubles=("value", "cash", "withholding", "basis_share"),
    texts=("kind", "basis"),
    key=("asset_id", "ex_date", "kind"),
    checks=_CHECKS,  # keys may repeat: dividends and splits of a day add up
    stage=find_action_prices,
    is_single=True,
    is_money=True,
    may_be_quiet=True,
    may_tell=("available_at",),
    enums_as_text=True,
    clock="ex_date",
)
