"""Contracts: what a registration may say, and what sources must agree on with each other.

One name each, one clock, one spelling of assets, some overlap; and what an interval may be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from ml4t.backtest.data.database import UTC, Database, EngineError
from ml4t.backtest.data.panel import Panel
from ml4t.backtest.data.sources.files import dated_columns
from ml4t.backtest.data.sources.roles import ROLES
from ml4t.backtest.data.sources.roles.spec import CLOCKS
from ml4t.backtest.data.sources.schema import UNTYPED
from ml4t.backtest.data.sources.source import TAKEN, Source
from ml4t.backtest.data.sql_files import count_of, literal, quote, read, render, rows_of, sample_of
from ml4t.backtest.errors import ConfigError, DataError, did_you_mean, require_column

RegisteredSources = Mapping[str, Source]
SourceColumns = Mapping[str, Mapping[str, str]]


def require_registrable(source: Source, registered: RegisteredSources, database: Database) -> None:
    """Refuse a role, a name or a clock that a source cannot have.

    Raises
    ------
    ConfigError
    """
    role, name = source.role, source.name
    if not isinstance(role, str) or role not in ROLES:
        shown = repr(role) if isinstance(role, str) else f"of type {type(role).__name__}"
        raise ConfigError(f"unknown role {shown}{did_you_mean(str(role), ROLES)}")
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"name must be a text that names the source, was {name!r}")
    if source.available_at is not None:
        require_column("available_at", source.available_at)
    lower = name.lower()
    if TAKEN.fullmatch(lower) or (lower in ROLES and name != role):
        raise ConfigError(f"a source cannot be named {name!r}, a name kept by the engine")
    if lower in {other.lower() for other in registered}:
        raise ConfigError(f"a source named {name!r} is registered already; pass name=")
    if source.spec.is_single and (name != role or any(s.role == role for s in registered.values())):
        raise ConfigError(f"there is one {role} source, under its own name")
    takes = source.spec.takes
    if any(getattr(source, name) is not None for name in CLOCKS if name not in takes):
        *few, last = (name for name in CLOCKS if name not in takes)
        named = f"{', '.join(few)} or {last}" if few else last
        raise ConfigError(f"{role} take{'s' * (role == 'universe')} no {named}")
    if source.available_at is not None and source.lag is not None:
        raise ConfigError(f"source {name!r} takes available_at or lag, not both")
    if source.available_at is not None and source.available_at.lower() in ("timestamp", "asset_id"):
        raise ConfigError(f"available_at must be a column of its own, was {source.available_at!r}")
    for label, interval in (("lag", source.lag), ("max_age", source.max_age)):
        if interval is not None:
            require_interval(label, interval, database)


def interval_text(interval: str | timedelta | None) -> str | None:
    """Return an interval as DuckDB reads it; what is neither is refused by `require_interval`."""
    if not isinstance(interval, timedelta):
        return interval
    parts = ((interval.days, "days"), (interval.seconds, "seconds"),
             (interval.microseconds, "microseconds"))  # fmt: skip
    return " ".join(f"{n} {unit}" for n, unit in parts if n) or "0 days"


def require_interval(label: str, interval: str, database: Database) -> None:
    """Refuse a text that is no interval, or one of which a part is negative."""
    must = f"{label} must be an interval such as '1 day', was {interval!r}"
    # A bare number would be seconds to DuckDB.
    if not isinstance(interval, str) or not re.search(r"[A-Za-z:]", interval):
        raise ConfigError(must)
    try:
        is_backwards = database.rows(read("register/interval"), {"interval": interval})[0][0]
    except EngineError as error:
        raise ConfigError(must) from error
    if is_backwards:
        raise ConfigError(f"{label} must not be negative, was {interval!r}")


def require_one_spelling(sources: RegisteredSources, found: SourceColumns) -> None:
    """Refuse asset_ids of another kind than those of prices: none would match."""
    ours = found["prices"]["asset_id"]
    for source in sources.values():
        for name in ("asset_id", "new_asset_id"):
            theirs = found[source.name].get(name, ours)
            if (ours == "VARCHAR") != (theirs == "VARCHAR") and theirs != UNTYPED:
                raise DataError(
                    source.name, "types", f"has {name} of type {theirs} next to prices with "
                    f"{ours}; cast one of them",
                )  # fmt: skip


def require_one_clock(
    sources: RegisteredSources, found: SourceColumns, database: Database, *, is_intraday: bool
) -> None:
    """Refuse mixed time zones, and dates next to intraday bars (or times next to daily ones)."""
    bars = found["prices"]["timestamp"]
    if database.timezone != UTC:
        _require_times_in_zone(bars, database)
    if is_intraday and "timestamp" in dated_columns(sources["prices"], database):
        raise DataError(
            "prices", "date_on_intraday_bars", "has dates in some files and times of day in "
            "others: a date compares as midnight, before its bar could be complete; store the "
            "time in all of them",
        )  # fmt: skip
    for source in sources.values():
        columns = found[source.name]
        clocks = (*source.spec.times, "available_at")
        for column in (name for name in clocks if columns.get(name, "DATE") != "DATE"):
            if ("ZONE" in columns[column]) != ("ZONE" in bars):
                raise DataError(
                    source.name, "mixed_time_zones", f"has {column} of type {columns[column]} "
                    f"next to prices of type {bars}; store both with a time zone, or both "
                    "without",
                )  # fmt: skip
        day = source.spec.day
        if day is not None and not is_intraday and columns[day] != "DATE":
            _require_dates(source, day, database)
        # Whether a membership or a sector is known is asked at each bar too, an action is not.
        spec = source.spec
        is_asked = spec.is_clocked or spec.is_asked_at_bars or source.available_at is not None
        is_asked = is_asked and source.role != "actions"
        if not is_intraday or not is_asked or source.lag is not None:
            continue
        clock = "timestamp" if source.available_at is None else "available_at"
        if (
            columns[clock] == "DATE"
            or (source.available_at or clock).lower() in dated_columns(source, database)
            or (source.available_at is None and _is_daily(source, database))
        ):
            raise DataError(
                source.name, "date_on_intraday_bars", "has dates next to intraday bars: a "
                "date compares as midnight, before the day could be known; pass lag= or "
                "available_at= with a time",
            )  # fmt: skip


def _require_times_in_zone(bars: str, database: Database) -> None:
    """Refuse a zone next to bars without one, or next to days that were stamped in UTC."""
    if "ZONE" not in bars:
        raise ConfigError(
            f"timezone={database.timezone!r} needs bars with a zone, and prices have timestamp of "
            f"type {bars}; leave it out: such bars are in the exchange's time as they are"
        )
    if database.rows(read("validate/utc_midnights"))[0][0]:
        raise DataError(
            "prices", "utc_midnights", f"has midnights of UTC alone next to timezone="
            f"{database.timezone!r}, in which they are of another hour; store dates, or leave "
            "timezone out",
        )  # fmt: skip


def require_overlap(source: Source, panel: Panel, database: Database) -> list[dict[str, object]]:
    """Refuse a source that no bar could ever see a row of, unless its rows may be of a later time.

    A row at a bar of its asset, which the scan of the source has counted, is seen there.

    Returns
    -------
    list of dict
        A warning, as the `runs` table keeps it, of features and context that are not known yet.

    Raises
    ------
    DataError
        No asset is in prices, or a universe begins after the last bar.
    """
    counts = panel.scans.get(source.name)
    if counts is not None and counts.n_on_grid and source.lag is None:
        return []
    relation = f"main.{quote(source.name)}"
    has_assets = source.spec.has_assets
    if source.spec.may_lack_asset and not database.rows(
        sample_of(rows_of(relation, "1", where="asset_id is not null"), 1)
    ):
        has_assets = False
    clock = next(iter(source.spec.times), "null")
    if source.available_at is not None:
        # A membership counts once it has begun, too.
        own = [] if source.spec.is_clocked else list(source.spec.times[:1])
        clock = f"greatest({', '.join(['available_at', *own])})"
    elif source.lag is not None:
        clock += f" + {literal(source.lag)}::interval"
    query = render(
        "validate/overlap", source=relation, clock=clock, has_assets=str(has_assets).lower(),
        asset_id="source.asset_id" if has_assets else "null",
    )  # fmt: skip
    has_common_asset, is_known_in_time = database.rows(query)[0]
    if not has_common_asset:
        raise DataError(source.name, "overlap", "has no asset_id in common with prices; "
                        "compare the spelling of both")  # fmt: skip
    if not source.spec.times or is_known_in_time:
        return []
    fact = (
        "becomes known only after the last bar of prices, or is empty; nothing of it is ever seen"
    )
    if not source.spec.is_clocked:
        raise DataError(source.name, "overlap", fact)
    # A run that ends before it began to be kept is what it was at that time.
    n_rows = database.rows(count_of(rows_of(relation)))[0][0]
    return [{"source": source.name, "rule": "overlap", "rows": n_rows, "text": fact}]


def require_agreements(
    sources: RegisteredSources, found: SourceColumns, database: Database
) -> None:
    """Refuse rows of a source that cannot be beside those of another role."""
    for source in sources.values():
        for agreement in source.spec.agreements:
            if not all(column in found.get(role, {}) for role, column in agreement.reads):
                continue
            bad = database.records(read(agreement.statement))
            if bad:
                raise DataError(
                    source.name, agreement.rule, agreement.text, n_rows=len(bad), sample=bad[:3]
                )


def _require_dates(source: Source, day: str, database: Database) -> None:
    """Refuse a time of day in a day next to daily bars: each would count a bar late."""
    relation = f"main.{quote(source.name)}"
    in_a_day = rows_of(relation, "1", where=f"{day} <> date_trunc('day', {day})")
    if database.rows(sample_of(in_a_day, 1)):
        article = "an" if day[0] in "aeiou" else "a"
        raise DataError(
            source.name, "time_on_daily_bars", f"has {article} {day} with a time of day next to "
            "daily bars, which are midnights: it would count from the next bar; cast "
            f"{day} to DATE",
        )  # fmt: skip


def _is_daily(source: Source, database: Database) -> bool:
    """Say whether every time of a source is a midnight, as in a frame without dates."""
    query = render("validate/daily", source=f"main.{quote(source.name)}")
    return bool(database.rows(query)[0][0])
