"""Split files: one table in several Parquet files whose types differ and still go together.

A file's columns take any type that holds the file's own values; a column without a value may be of
Arrow's type null, or not be there. Read by one rule, the files say what the table says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

# Columns that every file has.
KEYS = ("timestamp", "asset_id", "known", "open", "high", "low", "close", "fee", "vix")
# Picks one of some things, at random.
Choose = Callable[[Sequence[Any]], Any]


def split_files(table: pa.Table, folder: Path, choose: Choose, *, has_dates: bool = True) -> Any:
    """Write a table as one to three files, and return a way to name them all.

    has_dates: midnights may become dates.
    """
    n_files = min(choose((1, 2, 2, 3)), max(table.num_rows, 1))
    owner = [choose(range(n_files)) for _ in range(table.num_rows)]
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    midnights = {
        column: all(
            moment is None or (moment.hour, moment.minute, moment.second) == (0, 0, 0)
            for moment in table[column].to_pylist()
        )
        for column in table.column_names
        if pa.types.is_timestamp(table[column].type)
    }
    for i in range(n_files):
        part = table.filter(pa.array([number == i for number in owner], pa.bool_()))
        columns: dict[str, pa.Array] = {}
        for name in part.column_names:
            types = [*fitting(part[name], is_date=has_dates and midnights.get(name, False))]
            if i and part[name].null_count == part.num_rows:
                # No type, or no such column; the first file has all with a type.
                types += [pa.null()] if name in KEYS else [pa.null(), None]
            kind = choose(types)
            if kind == pa.null():
                columns[name] = pa.nulls(part.num_rows)
            elif kind is not None:
                columns[name] = part[name].combine_chunks().cast(kind)
        files.append(folder / f"{i}.parquet")
        pq.write_table(pa.table(columns), files[-1])
    return choose((str(folder / "*.parquet"), folder, files, files[::-1], f"{folder}/**/*.parquet"))


def fitting(values: pa.ChunkedArray, *, is_date: bool) -> list[pa.DataType]:
    """Types into which a column can be cast without a loss, and that others can stand beside."""
    kind, found = values.type, [values.type]
    known = [value for value in values.to_pylist() if value is not None]
    is_whole = pa.types.is_floating(kind) and all(
        math.isfinite(value) and value == int(value) for value in known
    )
    if is_whole and all(abs(value) < 2**15 for value in known):
        found += [pa.int16(), pa.int32(), pa.float32()]
    if is_whole and all(0 <= value < 2**15 for value in known):
        found += [pa.uint16(), pa.uint64()]
    if is_whole and all(abs(value) <= 2**53 for value in known):
        found.append(pa.int64())
    if pa.types.is_timestamp(kind) and kind.tz is None:
        found += [pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("ms")]
        found += [pa.date32()] if is_date else []
        if any(moment != moment.replace(microsecond=0) for moment in known):
            found = [kind]
    if pa.types.is_string(kind):
        found.append(pa.dictionary(pa.int32(), pa.string()))
    return found
