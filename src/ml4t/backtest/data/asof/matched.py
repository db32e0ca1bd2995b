"""Matched: what a run reads of each source at some bars, with since when each row is known.

1. Rows of assets are found as runs find them, by `at_bars`; the market's stand in ``market``.
2. Memberships hold from one time to another: known since the one that holds began.

A run asks for none of this: it is for who wants to know why a value is there.
"""

from __future__ import annotations

from typing import NamedTuple

from ml4t.backtest.data.asof.bar_tables import BarTables
from ml4t.backtest.data.asof.known_at import at_bars
from ml4t.backtest.data.asof.memberships import MEMBERSHIPS
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.asof.views import Known
from ml4t.backtest.data.database import Database, TempTable
from ml4t.backtest.data.sql_files import columns, only_if, quote, rows_of

# The clock of the row that was taken, beside the columns of a source.
KNOWN_AT = "__known_at"


class Matched(NamedTuple):
    """What was read of a source.

    Attributes
    ----------
    source : str
    rows : TempTable
        ``(timestamp, asset_id, __known_at, columns...)``, one row per bar and asset; ``asset_id``
        is NULL in rows of the market, ``__known_at`` where nothing is known.
    columns : tuple of str
    has_assets : bool
    """

    source: str
    rows: TempTable
    columns: tuple[str, ...]
    has_assets: bool = True


def matched_rows(decided: str, prepared: Prepared, database: Database) -> list[Matched]:
    """Make a table of what a run reads of each source with a clock at some bars.

    Parameters
    ----------
    decided : str
        Relation ``(timestamp, asset_id)``, each once; an asset needs no price at the bar.
    database : Database
        A session on the database of `prepared`.
    """
    times = database.make_table("decided_times", "decision_inputs/times", decided=decided)
    bars = database.make_table("decided_bars", "decision_inputs/bars", decided=decided)
    at = BarTables(times=times, bars=bars)
    found = [
        _of_assets(i, known, at, prepared, database)
        for i, known in enumerate(prepared.per_asset)
        if known.has_clock
    ]
    found += [_of_market(i, known, times, database) for i, known in enumerate(prepared.market)]
    if prepared.has_universe:
        rows = database.make_table(
            "universe_read", "decision_inputs/of_universe", bars=at.bars, memberships=MEMBERSHIPS
        )
        found.append(Matched("universe", rows, ()))
    return found


def clock_type_of(bar_type: str) -> str:
    """Return the type of times at which rows become known: days have a time of day, too."""
    return "TIMESTAMP" if bar_type == "DATE" else bar_type


def _of_assets(
    i: int, known: Known, at: BarTables, prepared: Prepared, database: Database
) -> Matched:
    with_clock = f"({rows_of(known.relation, f'*, available_at as {KNOWN_AT}')})"
    names = (KNOWN_AT, *known.columns)
    table = at_bars(
        known._replace(relation=with_clock), names, at, database, name=f"matched_{i}",
        clock=prepared.timestamp_type, has_all=prepared.panel.has_all(known.source),
    )  # fmt: skip
    rows = database.make_table(
        f"read_{i}", "decision_inputs/of_assets", bars=at.bars, matched=table,
        columns=columns(names, "matched"),
    )  # fmt: skip
    return Matched(known.source, rows, known.columns)


def _of_market(i: int, known: Known, times: TempTable, database: Database) -> Matched:
    is_fresh = known.is_fresh("times.timestamp", "known.available_at")
    clock = f"{only_if(is_fresh, 'known.available_at')} as {KNOWN_AT}"
    rows = database.make_table(
        f"market_read_{i}", "decision_inputs/of_market", times=times, known=known.relation,
        columns=", ".join((clock, *(f"market.{quote(name)}" for name in known.columns))),
    )  # fmt: skip
    return Matched(known.source, rows, known.columns, has_assets=False)
