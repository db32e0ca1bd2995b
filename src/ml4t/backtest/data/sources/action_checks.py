"""Action checks: which apply to corporate actions, and what each says.

Three kinds: rows that cannot be right are refused, and may be dropped; rows that contradict each
other are refused, and none can be dropped for the other; rows that may be right are a warning, in
``catalog.checks()``, the summary and ``runs.warnings``, and are used as they are.
"""

from __future__ import annotations

from collections.abc import Mapping

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import render

CONTRADICTIONS = frozenset({"ends_twice", "renamed_twice_a_day"})
# Of a source of which a run may use nothing: hints where its spelling looks wrong.
QUIET = ("asset_spelled_otherwise", "no_common_asset")
WARNINGS = frozenset(
    {
        "split_may_not_be", "dividend_without_fall", "delisting_above_price",
        "traded_after_delisting", "traded_after_rename", "rename_may_not_be", "renamed_into_one",
        "dividend_repeated", *QUIET,
    }
)  # fmt: skip
ACTION_WAYS_OUT = {
    "null_ex_date": "has actions without an ex_date; fill it or remove them",
    "kind_unknown": "has actions of a kind other than split, dividend, rename or delisting; "
    "spell it so or remove them",
    "split_not_valid": "has splits whose value is no number above 0; value is the new shares per "
    "old share, 4 for a 4-for-1",
    "dividend_not_valid": "has dividends whose value is no number of at least 0; value is cash per "
    "share",
    "delisting_not_valid": "has delistings at a negative, NaN or infinite price; use NULL where it "
    "is unknown",
    "rename_not_valid": "has renames without a new_asset_id, or to the same one; name the asset_id "
    "under which prices go on",
    "rename_to_unknown": "has renames of assets in prices to a new_asset_id that prices do not "
    "have; compare the spelling of both",
    "pay_date_before_ex_date": "has dividends paid before their ex_date; use NULL where cash moved "
    "first",
    "duplicate_rows": "has rows that are there more than once; keep one of each, and make one row "
    "of two equal dividends",
    "ends_twice": "has more than one delisting or rename of an asset without a bar of it between "
    "them; keep one",
    "dividend_of_all": "has dividends of the last close or more, alone or with others since that "
    "bar; compare value and ex_date with the prices, and let a last payment be the value of a "
    "delisting",
    "renamed_twice_a_day": "has renames on one ex_date to an asset_id that is renamed itself; name "
    "the last one, or give the second a later date",
    "split_without_jump": "has splits at which the price stayed where it was; leave them out where "
    "prices are adjusted for splits, else mend their value or date",
    "rename_to_another": "has renames to an asset_id that traded before at a price of its own; one "
    "share becomes one share, so take another new_asset_id or leave them out",
    "split_may_not_be": "has splits that the price does not follow; compare value and ex_date with "
    "the prices",
    "dividend_without_fall": "has dividends that are a fifth of the last close or more between two "
    "bars, and that the price does not follow; compare value and ex_date with the prices",
    "delisting_above_price": "has delistings at more than three times the last close; compare "
    "value with the prices",
    "traded_after_delisting": "has delistings of assets with bars at or after the ex_date; holders "
    "are paid out, and it can be bought again",
    "traded_after_rename": "has renames of assets with bars at or after the ex_date; holders have "
    "the new one, and the old one can be bought again",
    "rename_may_not_be": "has renames to an asset_id with bars before the ex_date, or at half or "
    "twice the old price; compare both",
    "renamed_into_one": "has renames of several assets to one; each of their shares becomes one",
    "dividend_repeated": "has dividends of one asset, ex_date and value that other columns tell "
    "apart; all of them are paid",
    "asset_spelled_otherwise": "has an asset_id that prices spell otherwise, and does nothing; "
    "compare the spelling of both",
    "no_common_asset": "has no asset_id in common with prices, and does nothing; compare the "
    "spelling of both, unless nothing happened",
}


def action_rules(columns: Mapping[str, str]) -> list[str]:
    """Return the checks of an ``actions`` source, in the order in which they are reported."""
    renames = ("renamed_twice_a_day", "rename_to_another", "rename_may_not_be", "renamed_into_one",
               "traded_after_rename")  # fmt: skip
    return [
        "null_asset_id", "null_ex_date", "kind_unknown", "split_not_valid",
        "dividend_not_valid", "delisting_not_valid", "rename_not_valid",
        *(["rename_to_unknown"] if "new_asset_id" in columns else []),
        *(["pay_date_before_ex_date"] if "pay_date" in columns else []),
        "duplicate_rows", "ends_twice", "dividend_of_all", "dividend_without_fall",
        "delisting_above_price", "split_without_jump", "split_may_not_be",
        *(renames if "new_asset_id" in columns else ()),
        "traded_after_delisting", "dividend_repeated", *QUIET,
    ]  # fmt: skip


def find_action_prices(
    columns: Mapping[str, str], price_columns: Mapping[str, str], database: Database
) -> None:
    """Make the table of the prices around actions, which checks read."""
    new_asset_id = "actions.new_asset_id" if "new_asset_id" in columns else "null"
    first_price = "open" if "open" in price_columns else "close"
    database.execute(
        render("validate/action_prices", new_asset_id=new_asset_id, first_price=first_price)
    )
