#!/usr/bin/env bash
# fastparquet 2026.9.0 with pandas 3.1.1: times with a zone arrive without one.
#
# Guess:    a TIMESTAMP WITH TIME ZONE that DuckDB wrote is read with a zone (UTC).
# Expected: datetime64[us, UTC], as pyarrow reads the same file.
# Seen:     datetime64[us] without a zone, holding the UTC clock: 09:30 in New York is a naive 14:30.
#           A file of polars is read so too.
#           Parquet's isAdjustedToUTC is not looked at; the zone is known only from the metadata
#           that pandas itself writes.
# Matters:  joined as-of to bars in exchange time, every row moves by hours, in silence; a session
#           filter keeps the wrong half of the day.
# Product:  reads files by DuckDB, which keeps the zone; bars with a zone next to features without
#           one are refused, so a frame that was read this way does not join zoned prices.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    fastparquet==2026.9.0 pandas==3.1.1 numpy==2.4.6 duckdb==2.0.1 polars==2.1.0 pyarrow==26.0.1
venv/bin/python - <<'PYTHON'
import duckdb
import fastparquet
import pandas as pd
import polars as pl

frame = pd.DataFrame({"t": pd.to_datetime(["2024-01-02 09:30"]).tz_localize("America/New_York")})
duckdb.execute("copy (select * from frame) to 'duckdb.parquet'")
pl.from_pandas(frame).write_parquet("polars.parquet")
frame.to_parquet("pandas.parquet", engine="pyarrow")

for name, zoned in (("duckdb", False), ("polars", False), ("pandas", True)):
    by_fastparquet = fastparquet.ParquetFile(f"{name}.parquet").to_pandas()["t"]
    by_pyarrow = pd.read_parquet(f"{name}.parquet", engine="pyarrow")["t"]
    print(name, "fastparquet:", by_fastparquet[0], by_fastparquet.dtype)
    print(name, "pyarrow:    ", by_pyarrow[0], by_pyarrow.dtype)
    if by_pyarrow.dt.tz is None or (by_fastparquet.dt.tz is not None) != zoned:
        raise SystemExit("changed: another reader keeps or loses the zone")
    if not zoned and by_fastparquet[0] != pd.Timestamp("2024-01-02 14:30"):
        raise SystemExit("changed: another clock")
PYTHON
