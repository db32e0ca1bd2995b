"""Prices: the bars of a run, and the checks of a bar."""

from __future__ import annotations

from collections.abc import Mapping

from ml4t.backtest.core.tolerances import IN_RANGE
from ml4t.backtest.data.sources.roles.check import (
    CLOCKED,
    NULL_ASSET_ID,
    NULL_TIMESTAMP,
    Check,
    CheckedRows,
    has,
)
from ml4t.backtest.data.sources.roles.spec import RoleSpec
from ml4t.backtest.data.sql_files import Sql, render

PRICE_COLUMNS = ("open", "high", "low", "close")


_PRICE_CHECKS = tuple(
    Check(rule=f"{column}_{kind}", text=text.format(column=column), applies=has(column))
    for kind, text in {
        "missing": "has bars without '{column}'; leave out bars that did not trade",
        "not_finite": "has NaN or infinite values in '{column}'; leave out bars that did not trade",
        "not_positive": "has prices of zero or less in '{column}'; mend or remove them; where they "
        "are right, as of spreads and back-adjusted futures, add a constant to all prices of the "
        "asset and order numbers of contracts, no weights",
    }.items()
    for column in PRICE_COLUMNS
)

# Of whatever else has a close.
CLOSE_CHECKS = tuple(check for check in _PRICE_CHECKS if check.rule.startswith("close_"))


def _range_check(column: str, text: str) -> Check:
    """Return the check of an open or a close that may lie outside of the bar."""

    def places(rows: CheckedRows) -> dict[str, str]:
        # A side that is not there is stood in for by the price itself, which cannot offend.
        sides = {side: side if side in rows.columns else column for side in ("low", "high")}
        return {**sides, "tolerance": repr(IN_RANGE)}

    return Check(
        rule=f"{column}_outside_range",
        text=text,
        applies=lambda rows: column in rows.columns and bool({"high", "low"} & set(rows.columns)),
        places=places,
    )


# What `judged_bars` says of a row. A check of prices that it does not count
# stands in `checks` alone.
_COUNTED = (
    NULL_TIMESTAMP,
    NULL_ASSET_ID,
    *_PRICE_CHECKS,
    Check(
        rule="high_below_low",
        text="has bars with high below low; mend or remove them",
        applies=has("high", "low"),
        places=lambda _: {"tolerance": repr(IN_RANGE)},
    ),
    _range_check("open", "has bars that open outside [low, high]; mend or remove them"),
    _range_check("close", "has bars that close outside [low, high]; mend or remove them"),
    Check(
        rule="volume_not_valid",
        text="has a negative, NaN or infinite volume; use NULL where it is unknown",
        applies=has("volume"),
    ),
    *CLOCKED,
)


def judged_bars(columns: Mapping[str, str]) -> Sql:
    """Return the query of the rows of prices, with what their checks say of each."""
    # A missing column is stood in for by a value that its checks cannot refuse.
    price = {name: name for name in (*PRICE_COLUMNS, "volume") if name in columns}
    first = price.get("open", "close")
    stand_in = {
        "open": first, "high": f"greatest({first}, close)", "low": f"least({first}, close)",
        "volume": "1",
    }  # fmt: skip
    return render("panel/judged_bars", **(stand_in | price), tolerance=repr(IN_RANGE))


PRICES_ROLE = RoleSpec(
    name="prices",
    required=("timestamp", "asset_id", "close"),
    optional=(
        "open",
        "high",
        "low",
        "volume",
        "vwap",
        "limit_up",
        "limit_down",
        "limit_rate",
        "prev_close",
    ),
    doubles=PRICE_COLUMNS,
    numbers=("volume",),
    nouns=dict.fromkeys(PRICE_COLUMNS, "a price") | {"volume": "a volume"},
    checks=_COUNTED,
    counted=_COUNTED,
    makes_bars=True,
    is_single=True,
    is_money=True,
    has_signals=True,
    has_values=True,
    has_groups=True,
)
