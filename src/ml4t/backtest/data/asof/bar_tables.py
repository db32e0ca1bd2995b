"""Bar tables: the bars that are asked about, as temporary tables of a session."""

from __future__ import annotations

from typing import NamedTuple

from ml4t.backtest.data.database import Database, TempTable


class BarTables(NamedTuple):
    """Some bars, and the rows of prices at them.

    Attributes
    ----------
    times : TempTable
        ``(t, timestamp)``, one row per bar.
    bars : TempTable
        ``(t, sid, timestamp, columns...)``, one row per bar and asset.
    source : str
        Whose columns are in it; of another than prices it has all that are read there.
    """

    times: TempTable
    bars: TempTable
    source: str = "prices"


def market_rows(database: Database) -> TempTable:
    """Make a table of ``market`` by bar number, ``(t, columns...)``, for the whole session."""
    return database.make_table("market", "signals/market_rows")


def every_bar(database: Database, first_t: int, last_t: int) -> TempTable:
    """Make a table ``(t, timestamp)`` of the bars from `first_t` to `last_t`."""
    return database.make_table(
        "bar_times", "ranking/all_bars", {"first_t": first_t, "last_t": last_t}
    )


def bars_at(
    times: TempTable, database: Database, *, columns: str = "", membership: str = "true"
) -> BarTables:
    """Make a table of the rows of prices at some times.

    Parameters
    ----------
    times : TempTable
        ``(t, timestamp)``
    columns : str
        Further columns of it, each led by a comma.
    membership : str
        Condition on a row of prices.
    """
    bars = database.make_table(
        "bars", "ranking/bars", times=times, columns=columns, membership=membership
    )
    return BarTables(times=times, bars=bars)
