#!/usr/bin/env bash
# PySpark 4.3.0: 24 hours after a timestamp are 23 or 25 where the clocks of the session change.
#
# Guess:    ts + INTERVAL '24' HOUR is 86,400 seconds later, and INTERVAL '1' DAY a calendar day, as
#           in DuckDB and PostgreSQL.
# Expected: 24 hours after 20:00 in New York on the day before clocks go forward it is 21:00.
# Seen:     20:00, 23 hours later: an interval of hours is kept as days and a rest, and the days are
#           those of spark.sql.session.timeZone. 23 hours and 60 minutes are the same; 23 hours are
#           23 hours. DuckDB says 21:00 of 24 hours and 20:00 of one day.
# Matters:  what is known as of a lag or younger than an age in hours depends on the session's zone.
# Product:  writes timestamp_micros(unix_micros(ts) + n), which no zone touches; refuses days and
#           months next to bars with a zone (tests/test_portable.py; make spark runs in New York).
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyspark==4.3.0 duckdb==2.0.1 pytz==2026.6
venv/bin/python - <<'PYTHON' 2>spark.log
import duckdb
from pyspark.sql import SparkSession

ZONE = "America/New_York"
spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.session.timeZone", ZONE)
    .getOrCreate()
)


def seconds(interval: str) -> int:
    ts = "timestamp '2024-03-09 20:00:00'"
    (row,) = spark.sql(f"select unix_seconds({ts} + {interval}) - unix_seconds({ts})").collect()
    return row[0]


def seconds_of_duckdb(interval: str) -> int:
    duckdb.execute(f"set timezone = '{ZONE}'")
    ts = "timestamptz '2024-03-09 20:00:00'"
    (row,) = duckdb.sql(f"select epoch({ts} + {interval})::int - epoch({ts})::int").fetchall()
    return row[0]


found = {text: seconds(text) for text in
         ("interval '24' hour", "interval '23' hour", "interval '1440' minute", "interval '1' day")}
other = {text: seconds_of_duckdb(text) for text in ("interval '24' hour", "interval '1' day")}
print("Spark", found)
print("DuckDB", other)
if list(found.values()) != [82800, 82800, 82800, 82800] or list(other.values()) != [86400, 82800]:
    raise SystemExit("changed")
PYTHON
