"""Writes the sources that W3 needs beside a generated market: sectors and borrow fees.

    python benchmarks/extras.py FOLDER

`assets.parquet` puts every asset into one of eleven sectors; `borrow.parquet` has a fee for every
asset on every 21st bar, from 0.25% to 5% a year.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

ASSETS = """
    select asset_id, 'S' || printf('%02d', row_number() over (order by asset_id) % 11) as sector
    from (select distinct asset_id from prices)
"""
BORROW = """
    select timestamp, asset_id, 0.0025 + 0.0475 * (hash(asset_id, timestamp) % 1000) / 1000 as fee
    from prices
    qualify (dense_rank() over (order by timestamp) - 1) % 21 = 0
"""


def main() -> None:
    folder = Path(sys.argv[1])
    with duckdb.connect() as database:
        database.read_parquet(str(folder / "prices.parquet")).create_view("prices")
        for name, query in (("assets", ASSETS), ("borrow", BORROW)):
            database.sql(query).write_parquet(str(folder / f"{name}.parquet"))


if __name__ == "__main__":
    main()
