"""Random panels of every kind of table that a query may read, whole and without their future."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import duckdb

from ml4t.backtest.data.causality.binding import KnownTable

Row = tuple[Any, ...]
ASSETS = ("A", "B", "C", "D")
TABLES = {
    "prices": KnownTable(
        {"timestamp": "TIMESTAMP", "asset_id": "VARCHAR", "open": "DOUBLE", "close": "DOUBLE",
         "volume": "BIGINT"}, "timestamp",
    ),
    "features": KnownTable(
        {"timestamp": "TIMESTAMP", "asset_id": "VARCHAR", "score": "DOUBLE", "grade": "INTEGER",
         "path": "DOUBLE[]"}, "timestamp",
    ),
    "vix": KnownTable({"timestamp": "TIMESTAMP", "vix": "DOUBLE"}, "timestamp"),
    "reports": KnownTable(
        {"timestamp": "TIMESTAMP", "asset_id": "VARCHAR", "available_at": "TIMESTAMP",
         "eps": "DOUBLE"}, "available_at",
    ),
    "flows": KnownTable(
        {"timestamp": "TIMESTAMP", "asset_id": "VARCHAR", "flow": "DOUBLE"},
        "timestamp + interval '1 day'",
    ),
    "daily": KnownTable({"day": "DATE", "asset_id": "VARCHAR", "ret": "DOUBLE"}, "day"),
    "zoned": KnownTable(
        {"stamp": "TIMESTAMP WITH TIME ZONE", "asset_id": "VARCHAR", "px": "DOUBLE"}, "stamp"
    ),
    "members": KnownTable(
        {"asset_id": "VARCHAR", "start_at": "TIMESTAMP", "end_at": "TIMESTAMP"},
        "start_at", "end_at",
    ),
    "assets": KnownTable({"asset_id": "VARCHAR", "sector": "VARCHAR"}),
    "outside": KnownTable(
        {"timestamp": "TIMESTAMP", "asset_id": "VARCHAR", "y": "DOUBLE"}, "timestamp",
        why_unknown="is computed by a program",
    ),
}  # fmt: skip


class Panel(NamedTuple):
    """One panel in one database, in a schema for each of its forms.

    Attributes
    ----------
    connection : DuckDBPyConnection
    cuts : list of datetime
        Schema ``until_0`` has what is known at the first of them, and ``at_0`` the rows that are
        known since just then; ``whole`` has all.
    """

    connection: duckdb.DuckDBPyConnection
    cuts: list[datetime]


def make_panel(seed: int, n_cuts: int = 3) -> Panel:
    """Return a panel: daily where the seed is odd, some bars a day where it is even.

    Assets begin at different bars, halt, and have NULLs; rows lie in no order.
    """
    draw = random.Random(seed)
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'; set threads = 1")
    rows = {name: list(_rows(name, draw, _bars(draw, seed))) for name in TABLES}
    _write(connection, "whole", rows)
    times = sorted({row[0] for row in _clocks(connection)})
    cuts = sorted(draw.sample(times[len(times) // 5 : -len(times) // 5], n_cuts))
    for i, cut in enumerate(cuts):
        for schema, sign in ((f"until_{i}", "<="), (f"at_{i}", "=")):
            connection.execute(f"create schema {schema}")
            for name, table in TABLES.items():
                known = (
                    f"({table.clock})::timestamp {sign} $cut" if table.clock else "$cut > 'epoch'"
                )
                ends = (
                    f"* replace (case when {table.end} <= $cut then {table.end} end as {table.end})"
                )
                connection.execute(
                    f"create table {schema}.{name} as select {ends if table.end else '*'} "
                    f"from whole.{name} where {known}",
                    {"cut": cut},
                )
    return Panel(connection, cuts)


def _bars(draw: random.Random, seed: int) -> list[datetime]:
    hours = [0] if seed % 2 else [10, 14, 16]
    first = datetime(2024, 2, 19) + timedelta(days=draw.randrange(7))
    stamps = [first + timedelta(days=i, hours=hour) for i in range(24) for hour in hours]
    return sorted(draw.sample([one for one in stamps if one.weekday() < 5], 13))


def _rows(name: str, draw: random.Random, bars: list[datetime]) -> Iterator[Row]:
    if name == "assets":
        yield from ((asset, draw.choice(["tech", "food"])) for asset in ASSETS)
    elif name == "vix":
        yield from ((bar, _number(draw)) for bar in draw.sample(bars, 11))
    elif name == "members":
        for asset in ASSETS:
            for spell in range(0, 12, 6):
                start, end = sorted(draw.sample(bars[spell : spell + 7], 2))
                yield asset, start, None if draw.random() < 0.2 else end
    else:
        for asset in ASSETS:
            of_asset = bars[draw.randrange(5) :]
            for bar in draw.sample(of_asset, len(of_asset) - draw.randrange(3)):
                yield from _of_asset(name, draw, bar, asset)


def _of_asset(name: str, draw: random.Random, bar: datetime, asset: str) -> Iterator[Row]:
    if name == "prices":
        yield bar, asset, _number(draw), _number(draw), draw.choice([None, *range(1, 9)])
    elif name == "features":
        path = [_number(draw) for _ in range(draw.randrange(4))]
        yield bar, asset, _number(draw), draw.randrange(3), path
    elif name == "reports":
        # Now and then it is revised.
        for _ in range(draw.choice([1, 1, 2])):
            yield bar, asset, bar + timedelta(hours=12 * draw.randrange(10)), _number(draw)
    elif name == "daily":
        yield date(bar.year, bar.month, bar.day), asset, _number(draw)
    elif name == "zoned":
        yield f"{bar}+00", asset, _number(draw)
    else:
        yield bar, asset, _number(draw)


def _number(draw: random.Random) -> float | None:
    """Return a multiple of a quarter, of which sums are exact."""
    return None if draw.random() < 0.12 else draw.randrange(-20, 60) / 4


def _write(connection: duckdb.DuckDBPyConnection, schema: str, rows: dict[str, list[Row]]) -> None:
    connection.execute(f"create schema {schema}")
    for name, table in TABLES.items():
        columns = ", ".join(f"{column} {kind}" for column, kind in table.columns.items())
        connection.execute(f"create table {schema}.{name} ({columns})")
        marks = ", ".join("?" * len(table.columns))
        connection.executemany(f"insert into {schema}.{name} values ({marks})", rows[name])


def _clocks(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    clocks = [f"select ({table.clock})::timestamp from whole.{name}"
              for name, table in TABLES.items() if table.clock]  # fmt: skip
    return connection.execute(" union ".join(clocks)).fetchall()
