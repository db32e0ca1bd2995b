"""Profile: what the columns of every source hold, and when a strategy knew them.

1. Each source with values is scanned once, into rows by the bar at which they became known.
2. These are matched as-of with the bars of the assets, as ``signals`` does, or of the market.
3. Files under ``sql/profile`` make of the two what `PROFILE_TABLES` lists, a part per column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.asof.views import Known
from ml4t.backtest.data.database import Database, TempTable
from ml4t.backtest.data.diagnostics.tables import Tables
from ml4t.backtest.data.sources.schema import is_numeric
from ml4t.backtest.data.sql_files import (
    Sql,
    all_of,
    columns,
    drop_of,
    first_bars,
    literal,
    only_if,
    quote,
    render,
    rows_of,
)
from ml4t.backtest.errors import require_choice

PROFILE_PERIODS = ("month", "quarter", "year")
PROFILE_TABLES = {
    "columns": "missing values and distribution of every column",
    "coverage": "share of bars at which a column was known, by period",
    "staleness": "age of what was known at a bar, by period",
    "drift": "distribution by period, and its PSI from the period before",
    "dispersion": "spread among the assets of a bar, by period",
    "gaps": "bars without a row, by asset; asset_id is NULL for the market",
}
# What orders each table.
_ORDER = {
    "columns": "source asc, column_name asc",
    "coverage": "source asc, column_name asc, period asc",
    "staleness": "source asc, period asc nulls first",
    "drift": "source asc, column_name asc, period asc",
    "dispersion": "source asc, column_name asc, period asc",
    "gaps": "source asc, asset_id asc",
}


# How the rows of a source find their asset; those of the whole market are of one, number 0.
_PER_ASSET = ("assets.sid", "known.asset_id = assets.asset_id")
_MARKET = ("0::integer", "false")


def profile(prepared: Prepared, found: Mapping[str, Mapping[str, str]], period: str) -> Tables:
    """Return the profile of all sources with values.

    Parameters
    ----------
    found : mapping
        Columns of each source, with types.
    period : str
        One of `PROFILE_PERIODS`.

    Raises
    ------
    ConfigError
        It is none of them.
    """
    require_choice("period", period, PROFILE_PERIODS)
    database = prepared.database.cursor()
    parts = TableParts({name: [] for name in PROFILE_TABLES}, literal(period))
    bars = _prices(prepared, parts, database)
    for i, known in enumerate(prepared.per_asset):
        if known.has_clock:
            kinds = {name: prepared.signal_columns[name] for name in known.columns}
            _known(known, f"profile_{i}", kinds, bars, parts, database)
    if prepared.market:
        bars = database.make_table("profile_market_bars", "profile/market_bars")
        parts.scanned.append(bars)
    for i, known in enumerate(prepared.market):
        kinds = {name: prepared.market_columns[name] for name in known.columns}
        _known(known, f"profile_market_{i}", kinds, bars, parts, database, is_market=True)
    told = {"prices", *(one.source for one in (*prepared.per_asset, *prepared.market)
                        if one.has_clock)}  # fmt: skip
    for source, theirs in found.items():
        if source not in told:
            parts.add_columns(f"main.{quote(source)}", source, theirs, clock="null")
    for table, order in _ORDER.items():
        made = all_of(f"({query})" for query in parts.of[table])
        database.make_table(table, "profile/table", parts=made, sorted_by=order)
    for scanned in parts.scanned:
        database.execute(drop_of("table", scanned))
    return Tables(database, PROFILE_TABLES, f"profile by {period}")


@dataclass(frozen=True, slots=True)
class TableParts:
    """The queries whose rows make the tables, the period in SQL, and what the queries read."""

    of: dict[str, list[Sql]]
    period: str
    scanned: list[TempTable] = field(default_factory=list)

    def add_columns(self, rows: str, source: str, kinds: Mapping[str, str], *, clock: str) -> None:
        """Add what the columns of the rows of a source hold."""
        for name, kind in kinds.items():
            places = {
                "source": literal(source),
                "column_name": literal(name),
                "kind": literal(kind),
            }
            number = quote(name) if is_numeric(kind) else "null"
            value = {"value": quote(name), "number": number}
            self.of["columns"].append(
                render("profile/column", rows=rows, clock=clock, **places, **value)
            )

    def add_bars(self, at_bars: TempTable, source: str, kinds: Mapping[str, str]) -> None:
        """Add what the columns of a source are at the bars."""
        for name, kind in kinds.items():
            places = {"at_bars": at_bars, "source": literal(source), "column_name": literal(name),
                      "value": quote(name), "period": self.period}  # fmt: skip
            self.of["coverage"].append(render("profile/coverage", **places))
            if is_numeric(kind):
                self.of["drift"].append(render("profile/drift", **places))
                self.of["dispersion"].append(render("profile/dispersion", **places))

    def add_gaps(self, rows: TempTable, source: str, asset_id: str = "assets.asset_id") -> None:
        """Add the gaps of the assets of a source, or those of a source of the whole market."""
        places = {"rows": rows, "source": literal(source), "asset_id": asset_id}
        self.of["gaps"].append(render("profile/gaps", **places))

    def add_ages(self, at_bars: str, source: str) -> None:
        """Add how old the rows of a source were at the bars."""
        places = {"at_bars": at_bars, "source": literal(source), "period": self.period}
        self.of["staleness"].append(render("profile/staleness", **places))


def _prices(prepared: Prepared, parts: TableParts, database: Database) -> TempTable:
    """Add the parts of prices; return the bars at which all else is looked at."""
    kinds = prepared.price_columns
    rows = database.make_table("profile_prices", "profile/prices", columns=columns(kinds))
    parts.scanned.append(rows)
    parts.add_columns(rows, "prices", kinds, clock="timestamp")
    parts.add_bars(rows, "prices", kinds)
    parts.add_gaps(rows, "prices")
    # No rows, for the columns of the table: prices are never stale.
    ages = "true as is_matched, true as is_fresh, 0 as age_bars, 0.0 as age_days"
    parts.add_ages(f"({rows_of(rows, f'*, {ages}', where='false')})", "prices")
    return rows


def _known(
    known: Known,
    rows_name: str,
    kinds: Mapping[str, str],
    bars: TempTable,
    parts: TableParts,
    database: Database,
    *,
    is_market: bool = False,
) -> None:
    """Add the parts of a source whose rows become known, at the bars of assets or of the market."""
    sid, same_asset = _MARKET if is_market else _PER_ASSET
    rows = database.make_table(
        rows_name, "profile/known", known=known.relation,
        columns=columns(kinds), sid=sid, same_asset=same_asset,
        first_bars=first_bars("known", "available_at"),
    )  # fmt: skip
    at_bars = database.make_table(
        f"{rows_name}_at", "profile/at_bars", rows=rows, bars=bars,
        columns=", ".join(f"{only_if('is_fresh', quote(one))} as {quote(one)}" for one in kinds),
        is_fresh=known.is_fresh("bars.timestamp", "known.available_at"),
    )  # fmt: skip
    parts.scanned.extend([rows, at_bars])
    parts.add_columns(rows, known.source, kinds, clock="available_at")
    parts.add_bars(at_bars, known.source, kinds)
    # The number 0 is that of the first asset, too.
    parts.add_gaps(rows, known.source, "null" if is_market else "assets.asset_id")
    parts.add_ages(at_bars, known.source)
