"""Contracts: what sources must agree on with each other, beyond their own rows.

One clock, one spelling of assets, some overlap; and what an interval may be.
"""

from __future__ import annotations

from collections.abc import Mapping

from ml4t.backtest.data.database import Database, EngineError
from ml4t.backtest.data.queries import literal, quote, read, render
from ml4t.backtest.data.sources import Source
from ml4t.backtest.errors import ConfigError, DataError

Sources = Mapping[str, Source]
Columns = Mapping[str, Mapping[str, str]]
# Roles whose rows become known at a time of their own.
CLOCKED = ("features", "context")


def require_interval(label: str, interval: str, database: Database) -> None:
    """Refuse a text that is no interval, or one of which a part is negative."""
    try:
        # Each part by itself: a month less thirty days may run either way.
        is_backwards = database.rows(
            "select least(datepart('year', i), datepart('month', i), datepart('day', i), "
            f"epoch_us(i - to_days(datepart('day', i)::integer))) < 0 "
            f"from (select {literal(interval)}::interval as i)"
        )[0][0]
    except EngineError as error:
        raise ConfigError(
            f"{label} must be an interval such as '1 day', was {interval!r}"
        ) from error
    if is_backwards:
        raise ConfigError(f"{label} must not be negative, was {interval!r}")


def require_one_spelling(sources: Sources, found: Columns) -> None:
    """Refuse asset_ids of another kind than those of prices: none would match."""
    ours = found["prices"]["asset_id"]
    for source in sources.values():
        theirs = found[source.name].get("asset_id", ours)
        if (ours == "VARCHAR") != (theirs == "VARCHAR"):
            raise DataError(
                source.name, "types", f"has asset_id of type {theirs} next to prices with "
                f"{ours}; cast one of them",
            )  # fmt: skip


def require_one_clock(sources: Sources, found: Columns, database: Database) -> None:
    """Refuse mixed time zones, and dates next to intraday bars without a lag."""
    bars = found["prices"]["timestamp"]
    is_intraday = bars != "DATE" and database.rows(read("sources/intraday"))[0][0]
    clocks = ("timestamp", "available_at", "start_date", "end_date")
    for source in sources.values():
        columns = found[source.name]
        for column in (name for name in clocks if columns.get(name, "DATE") != "DATE"):
            if ("ZONE" in columns[column]) != ("ZONE" in bars):
                raise DataError(
                    source.name, "mixed_time_zones", f"has {column} of type {columns[column]} "
                    f"next to prices of type {bars}; store both with a time zone, or both "
                    "without",
                )  # fmt: skip
        if not is_intraday or source.role not in CLOCKED or source.lag is not None:
            continue
        if columns.get("available_at", columns["timestamp"]) == "DATE" or (
            source.available_at is None and _is_daily(source, database)
        ):
            raise DataError(
                source.name, "date_on_intraday_bars", "has dates next to intraday bars: a "
                "date compares as midnight, before the day could be known; pass lag= or "
                "available_at= with a time",
            )  # fmt: skip


def require_overlap(source: Source, database: Database) -> None:
    """Refuse a source of which no bar could ever see a row."""
    has_assets = source.role in ("features", "universe")
    relation = f"main.{quote(source.name)}"
    if source.role == "features" and not database.rows(
        f"select 1 from {relation} where asset_id is not null limit 1"
    ):
        has_assets = False
    clock = "start_date" if source.role == "universe" else "timestamp"
    if source.available_at is not None:
        clock = "available_at"
    elif source.lag is not None:
        clock += f" + {literal(source.lag)}::interval"
    query = render(
        "sources/overlap", source=relation, clock=clock, has_assets=str(has_assets).lower()
    )
    if not has_assets:
        query = query.replace("source.asset_id", "null")
    has_common_asset, is_known_in_time = database.rows(query)[0]
    if not has_common_asset:
        raise DataError(source.name, "overlap", "has no asset_id in common with prices; "
                        "compare the spelling of both")  # fmt: skip
    if not is_known_in_time:
        raise DataError(source.name, "overlap", "becomes known only after the last bar of "
                        "prices, or is empty; nothing of it would ever be seen")  # fmt: skip


def _is_daily(source: Source, database: Database) -> bool:
    """Say whether every time of a source is a midnight, as in a frame without dates."""
    query = render("sources/daily", source=f"main.{quote(source.name)}")
    return bool(database.rows(query)[0][0])
