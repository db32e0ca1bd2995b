"""One set of bars in every kind of file that a catalog reads."""

from __future__ import annotations

import csv
import gzip
import json
import math
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

# Names of assets that a reader would take for a flag, a number, infinity or nothing.
TICKERS = ("000001", "TRUE", "NA", "1E5", "INF", "NULL", "BRK.B")
COLUMNS = ("timestamp", "asset_id", "open", "high", "low", "close", "volume", "score")
Row = tuple[Any, ...]


def bars() -> list[Row]:
    """Forty days of seven assets, of doubles that need all of their digits."""
    rows = []
    for i, asset in enumerate(TICKERS):
        for day in range(40):
            close = 20.0 + 5.0 * math.sin(day / 5.0 + i) + day / 7.0
            opening = close * (1.0 + 0.003 * math.sin(3.0 * day + i))
            high, low = max(opening, close) * 1.01, min(opening, close) / 1.01
            score = math.cos(day / 3.0 + 2.0 * i)
            rows.append((date(2024, 1, 1) + timedelta(days=day), asset, opening, high, low, close,
                         100_000 + 1_000 * day + i, score))  # fmt: skip
    return rows


def table(rows: Sequence[Row] | None = None, columns: Sequence[str] = COLUMNS) -> pa.Table:
    """The bars as Arrow."""
    cells = zip(*(bars() if rows is None else rows), strict=True)
    return pa.table(dict(zip(columns, map(list, cells), strict=True)))


def write_text(
    path: Path,
    rows: Iterable[Row],
    columns: Sequence[str] = COLUMNS,
    *,
    comma: str = ".",
    **options: Any,
) -> Path:
    """Write a text file with a header; None is an empty field."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write = gzip.open if path.suffix == ".gz" else open
    with write(path, "wt", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n", **options)
        writer.writerow(columns)
        for row in rows:
            writer.writerow(
                [repr(cell).replace(".", comma) if isinstance(cell, float) else cell
                 for cell in row]
            )  # fmt: skip
    return path


def _json(path: Path, rows: Iterable[Row]) -> Path:
    lines = [json.dumps(dict(zip(COLUMNS, map(_plain, row), strict=True))) for row in rows]
    is_list = path.suffix == ".json"
    path.write_text(f"[{','.join(lines)}]" if is_list else "\n".join(lines), encoding="utf-8")
    return path


def _plain(cell: object) -> object:
    return str(cell) if isinstance(cell, date) else cell


def write_duckdb(path: Path, rows: pa.Table) -> Path:
    """A file with a table and a view of it."""
    with closing(duckdb.connect(str(path))) as connection:
        connection.register("given", rows)
        connection.execute("create table prices as select * from given")
        connection.execute("create view bars as select * from prices")
    return path


def write_sqlite(path: Path, rows: Iterable[Row], kinds: str = "") -> Path:
    """A file with one table, whose dates are text as SQLite has them."""
    declared = kinds or "timestamp text, asset_id text, " + ", ".join(
        f"{c} real" for c in COLUMNS[2:]
    )
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"create table prices ({declared})")
        for row in rows:
            places = ", ".join("?" * len(row))
            connection.execute(f"insert into prices values ({places})", tuple(map(_plain, row)))
    return path


def _each(write: Callable[[Path, list[Row]], object], ending: str, name: str = "{}") -> Any:
    """Have a folder of one file per asset; in it there is no column of the asset."""

    def made(folder: Path) -> Path:
        for asset in TICKERS:
            path = folder / "each" / f"{name.format(asset)}{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, [(row[0], *row[2:]) for row in bars() if row[1] == asset])
        return folder / "each"

    return made


_REST = (COLUMNS[0], *COLUMNS[2:])


def _zst(folder: Path) -> Path:
    path = folder / "p.csv.zst"
    plain = write_text(folder / "z.csv", bars())
    with pa.CompressedOutputStream(str(path), "zstd") as stream:
        stream.write(plain.read_bytes())
    plain.unlink()
    return path


def _feather(path: Path, rows: pa.Table) -> Path:
    feather.write_feather(rows, path)
    return path


# Each writes the bars and returns what is registered, with what is said of it.
FORMS: dict[str, tuple[Callable[[Path], Path], dict[str, Any]]] = {
    "CSV": (lambda f: write_text(f / "p.csv", bars()), {}),
    "CSV with every field quoted": (
        lambda f: write_text(f / "p.csv", bars(), quoting=csv.QUOTE_ALL), {},
    ),
    "CSV, gzip": (lambda f: write_text(f / "p.csv.gz", bars()), {}),
    "CSV, zstd": (_zst, {}),
    "TSV": (lambda f: write_text(f / "p.tsv", bars(), delimiter="\t"), {}),
    "text with bars": (lambda f: write_text(f / "p.txt", bars(), delimiter="|"), {}),
    "semicolons and decimal commas": (
        lambda f: write_text(f / "p.csv", bars(), delimiter=";", comma=","), {},
    ),
    "JSON lines": (lambda f: _json(f / "p.jsonl", bars()), {}),
    "a list of JSON": (lambda f: _json(f / "p.json", bars()), {}),
    "Feather": (lambda f: _feather(f / "p.feather", table()), {}),
    "DuckDB": (lambda f: write_duckdb(f / "p.duckdb", table()), {"table": "prices"}),
    "a view of DuckDB": (lambda f: write_duckdb(f / "p.db", table()), {"table": "bars"}),
    "SQLite": (lambda f: write_sqlite(f / "p.sqlite", bars()), {}),
    "SQLite called db": (lambda f: write_sqlite(f / "p.db", bars()), {"table": "PRICES"}),
    "a CSV of each asset": (
        _each(lambda p, rows: write_text(p, rows, _REST), ".csv"), {"asset_id": "filename"},
    ),
    "a Parquet of each asset": (
        _each(lambda p, rows: pq.write_table(table(rows, _REST), p), ".parquet"),
        {"asset_id": "filename"},
    ),
    "a Feather of each asset": (
        _each(lambda p, rows: _feather(p, table(rows, _REST)), ".feather"),
        {"asset_id": "filename"},
    ),
    "folders of assets, Parquet": (
        _each(lambda p, rows: pq.write_table(table(rows, _REST), p), ".parquet", "asset_id={}/0"),
        {},
    ),
    "folders of tickers, CSV": (
        _each(lambda p, rows: write_text(p, rows, _REST), ".csv", "Ticker={}/0"), {},
    ),
    "folders of tickers, Feather": (
        _each(lambda p, rows: _feather(p, table(rows, _REST)), ".feather", "Ticker={}/0"), {},
    ),
}  # fmt: skip


def write_excel(path: Path, rows: Sequence[Row] | None = None, sheet: str = "Sheet") -> Path:
    """A workbook with one sheet; what has no value is an empty cell."""
    import openpyxl

    book = openpyxl.Workbook()
    page = book.active
    page.title = sheet
    page.append(COLUMNS)
    for row in bars() if rows is None else rows:
        page.append(row)
    book.save(path)
    return path


def write_delta(path: Path) -> Path:
    """A table of two commits and a row that was deleted by a third."""
    import deltalake

    late = table([(date(2024, 1, 1), "GONE", *[1.0] * 4, 1, 9.0)])
    deltalake.write_deltalake(str(path), table().slice(0, 100))
    deltalake.write_deltalake(
        str(path), pa.concat_tables([table().slice(100), late]), mode="append"
    )
    deltalake.DeltaTable(str(path)).delete("asset_id = 'GONE'")
    return path


def write_iceberg(path: Path) -> Path:
    """A table of two snapshots."""
    from pyiceberg.catalog.sql import SqlCatalog

    catalog = SqlCatalog("made", uri="sqlite:///:memory:", warehouse=path.parent.as_uri())
    catalog.create_namespace("made")
    made = catalog.create_table("made.prices", schema=table().schema, location=path.as_uri())
    made.append(table().slice(0, 100))
    made.append(table().slice(100))
    return path
