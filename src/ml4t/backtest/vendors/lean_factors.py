"""LEAN's factor files: the splits and dividends that its factors are made of."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ml4t.backtest.core.tolerances import SPLIT_OF_FACTORS
from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.vendors.ratios import simple_ratio
from ml4t.backtest.vendors.reading import lines_of

if TYPE_CHECKING:
    import polars as pl

# Asset, ex_date, kind and value, as `actions` has them.
ActionRow = tuple[str, date, str, float | None]
_DIVIDEND_DIGITS = 4


class _Factors(NamedTuple):
    """A line of a factor file: it holds for days up to its own, which is included."""

    day: date
    price: float
    split: float
    reference: float


def actions_from(folder: Path, closes: pl.DataFrame) -> tuple[list[ActionRow], list[Change]]:
    """Return the splits and dividends of the assets that have bars.

    Parameters
    ----------
    folder : Path
        Of the factor files.
    closes : polars.DataFrame
        ``asset_id``, ``day``, ``close``: the reference prices of files that have none.
    """
    close_on = {(asset_id, day): close for asset_id, day, close in closes.iter_rows()}
    traded = {asset_id for asset_id, _ in close_on}
    actions: list[ActionRow] = []
    n_rounded = n_skipped = n_priceless = 0
    for file in sorted(folder.glob("*.csv")):
        asset_id = file.stem.upper()
        if asset_id not in traded:
            continue
        rows, skipped = _factors_in(file)
        n_skipped += skipped
        for row, after in pairwise(rows):
            ex_date = row.day + timedelta(days=1)
            if row.split != after.split:
                exact = after.split / row.split
                ratio = simple_ratio(exact, SPLIT_OF_FACTORS)
                n_rounded += ratio != exact
                actions.append((asset_id, ex_date, "split", ratio))
            if row.price != after.price:
                reference = row.reference or close_on.get((asset_id, row.day))
                if reference is None:
                    n_priceless += 1
                    continue
                amount = round(reference * (1 - row.price / after.price), _DIVIDEND_DIGITS)
                actions.append((asset_id, ex_date, "dividend", amount))
    kinds = [kind for _, _, kind, _ in actions]
    return actions, [
        Change("split: the quotient of two split factors", kinds.count("split")),
        Change("split: rounded to a ratio of small whole numbers", n_rounded),
        Change("dividend: of the reference price and two price factors", kinds.count("dividend")),
        Change("dividends on days without a price, left out", n_priceless),
        Change("lines of infinite or zero factors, left out", n_skipped),
    ]


def _factors_in(file: Path) -> tuple[list[_Factors], int]:
    """Return the lines of a factor file in order of time, and how many are none."""
    lines = lines_of("lean_zip", file)
    rows = []
    for line in lines:
        # LEAN skips these: a factor of 1.6e+6 has lost its digits.
        if "inf" in line or "e+" in line:
            continue
        day, price, split, *reference = line.split(",")
        row = _Factors(
            datetime.strptime(day, "%Y%m%d").date(), float(price), float(split),
            float(reference[0]) if reference and reference[0] else 0.0,
        )  # fmt: skip
        if row.price * row.split > 0:
            rows.append(row)
    return sorted(rows), len(lines) - len(rows)
