"""Smell: what there is to find, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ml4t.backtest.errors import SmellError


class FoundSmell(NamedTuple):
    """Something that smells.

    Attributes
    ----------
    smell : str
        One of `SMELLS`, or the rule of a check.
    source : str
        ``config`` where it is a setting.
    column : str
    n_rows : int
        Rows that show it; of a correlation bars.
    value : float or None
        Their share, a correlation, or what else `sample` says in words.
    sample : str
    what_to_do : str
    """

    smell: str
    source: str
    column: str
    n_rows: int
    value: float | None
    sample: str
    what_to_do: str


def found_smell(smell: str, source: str, row: Sequence[Any]) -> FoundSmell:
    """Return a row of a statement as what it found."""
    column, n_rows, value, sample = row
    return FoundSmell(smell, source, column, int(n_rows), float(value), sample, SMELLS[smell])


SMELLS = {
    "available_before_period": "a value is known before the time that it speaks of; compare the "
    "two columns, unless it is a forecast",
    "known_at_period_end": "reports of months or quarters are known on the day that they are "
    "stamped with; say when they were published: available_at= or lag=",
    "one_revision": "no period was ever restated, so that its first date may stand beside its last "
    "value; take data with every revision, or the values as first published",
    "no_asset_leaves": "assets come in and none goes, so that those that failed are missing; "
    "add the prices of assets that were delisted, with their delistings as actions",
    "no_member_leaves": "members come in and none leaves, so that they are those of today; "
    "register the memberships of the time, ended ones with their end_date",
    "member_without_price": "members of the time have no prices, and cannot be chosen; add the "
    "prices of assets that were delisted or renamed",
    "stamped_at_open": "a bar is stamped with the time at which it begins, so that it would be "
    "known before it happened; register prices with stamp='open'",
    "hours_shifted": "times are in another zone than the hours of the market; give them the "
    "zone that they are in, or convert them to that of the bars",
    "midnights": "dates stand among times of day, and count as midnight, before their day was "
    "over; store the time at which a row was known, or register them with lag=",
    "splits_in_prices": "prices do not follow the splits that are registered, as if they had them "
    "in them already; leave the splits out, or register prices as traded",
    "dividends_in_prices": "prices do not fall at the dividends that are registered, as if they "
    "had them in them already; leave the dividends out, or register prices as traded",
    "ahead_of_last": "the column goes with the next return more than with the last one, as a "
    "shifted or centred column does; look at how it is made, and at lag_profile",
    "implausible_ic": "no forecast of the next return is as good; look at how the column is "
    "made, and at lag_profile",
    "known_too_early": "the column is the volume or range of the next bar; stamp it with the end "
    "of the bar that it is of",
    "volume_of_fill_bar": "an order at the open is cut or priced by what the bar's whole day says, "
    "which nobody knows at its open; take a column that was known before, such as the mean volume "
    "of past bars, or fill at the close",
}
"""Each smell, with what it may mean and what to do."""

# Rules of checks of which the like is said: they are warnings of the sources already.
OF_CHECKS = (
    "splits_unapplied",
    "dividends_unapplied",
    "adjustment_unapplied",
    "jump_like_split",
    "bar_outside_hours",
)


def require_no_smell(found: Sequence[FoundSmell]) -> None:
    """Raise for what smells.

    Raises
    ------
    SmellError
        It names all.
    """
    if found:
        raise SmellError(
            [f"{one.smell} of {one.source}, {one.column}: {one.sample}; {one.what_to_do}"
             for one in found]
        )  # fmt: skip
