"""Futures: when contracts are rolled, and one series of all of them for signals.

`roll_schedule` makes the rows of a source ``rolls``, by which a run trades what it holds of one
contract for the next; `continuous_prices` makes a feature of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import render
from ml4t.backtest.errors import ConfigError, DataError, require_whole

if TYPE_CHECKING:
    import pyarrow as pa

ROLL_RULES = ("expiry", "open_interest")
ADJUSTMENTS = ("difference", "ratio")


def roll_schedule(contracts: Any, *, by: str = "expiry", days: int = 5) -> pa.Table:
    """Return when each contract is rolled into which: a source of the role ``rolls``.

    Parameters
    ----------
    contracts : Arrow table or frame
        Bars of contracts: timestamp, asset_id, root (what they are contracts of), expiry; with
        ``by="open_interest"`` open_interest too.
    by : {"expiry", "open_interest"}
        The first: at the first bar `days` before the expiry, into the contract that expires next.
        The second: at the bar after one at which a later contract had more open interest, into
        the one that had most; at the latest by the first rule.
    days : int, default 5
        Calendar days before the expiry, 0 or more.

    Returns
    -------
    Arrow table
        timestamp, asset_id, new_asset_id. A contract beside which no later one trades is not
        rolled: it expires.

    Raises
    ------
    ConfigError
        `by` or `days` is none of these.
    DataError
        A column is missing.
    """
    if by not in ROLL_RULES:
        raise ConfigError(f"by must be 'expiry' or 'open_interest', was {by!r}")
    days = require_whole("days", days, least=0)
    needed: tuple[str, ...] = ("timestamp", "asset_id", "root", "expiry")
    interest = {"old_interest": "null::double", "new_interest": "null::double"}
    if by == "open_interest":
        needed = (*needed, by)
        interest = {f"{one}_interest": f"{one}.open_interest::double" for one in ("old", "new")}
    found = _columns(contracts, needed)
    return found.arrow(render("futures/rolls", contracts="contracts", days=str(days), **interest))


def continuous_prices(contracts: Any, rolls: Any, *, method: str = "difference") -> pa.Table:
    """Return one series of all contracts of a root, for signals and not to trade.

    ``close - sum(new - old)`` or ``close / product(new / old)`` over the rolls up to each bar,
    where new and old are the closes of both contracts at the bar of the roll. The first contract is
    as it was, so that no value changes by a later roll: the series that is adjusted backward from
    the last contract, as charts have it, is this one and a constant, or times one, which is known
    only at its end.

    Parameters
    ----------
    contracts : Arrow table or frame
        Bars of contracts: timestamp, asset_id, root, expiry, close.
    rolls : Arrow table or frame
        As of `roll_schedule`: timestamp, asset_id, new_asset_id.
    method : {"difference", "ratio"}
        What stays as it is: differences of prices, or returns, of prices above 0.

    Returns
    -------
    Arrow table
        timestamp, root, asset_id of the contract to hold from the next open on, and `continuous`:
        as a source ``features`` it is there for that contract alone.

    Raises
    ------
    ConfigError
        `method` is none of these.
    DataError
        A column is missing.
    """
    if method not in ADJUSTMENTS:
        raise ConfigError(f"method must be 'difference' or 'ratio', was {method!r}")
    found = _columns(contracts, ("timestamp", "asset_id", "root", "expiry", "close"))
    found.register("rolls", _required("rolls", rolls, ("timestamp", "asset_id", "new_asset_id")))
    query = render(
        "futures/continuous", contracts="contracts", rolls="rolls",
        is_ratio=str(method == "ratio").lower(),
    )  # fmt: skip
    return found.arrow(query)


def _columns(contracts: Any, needed: tuple[str, ...]) -> Database:
    """Return a session with the table of contracts."""
    found = Database()
    found.register("contracts", _required("contracts", contracts, needed))
    return found


def _required(name: str, rows: Any, needed: tuple[str, ...]) -> Any:
    """Return rows as DuckDB reads them, with all columns that are needed."""
    if isinstance(rows, dict):
        import pyarrow as pa

        rows = pa.table(rows)
    names = getattr(rows, "column_names", None) or list(rows.columns)
    for column in needed:
        if column not in names:
            raise DataError(name, "columns", f"has no column '{column}'")
    return rows
