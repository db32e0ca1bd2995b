#!/usr/bin/env bash
# deltalake 1.6.6: a table as of a time before it existed is its first version.
#
# Guess:    DeltaTable.load_as_version(a time before the first commit) raises.
# Expected: an error: at that time there was no such table.
# Seen:     version 0, without a word, for 1970 too. A time between two versions gives the earlier.
# Matters:  "what did we know on that day" is answered with data that was written later: look-ahead
#           for every date before the table was set up.
# Product:  reads the newest version of a Delta table alone; a row counts from its own available_at,
#           so keep the time of writing as a column.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    deltalake==1.6.6 pyarrow==26.0.1
venv/bin/python - <<'PYTHON'
from datetime import UTC, datetime, timedelta

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

write_deltalake("table", pa.table({"x": [1]}))
created = datetime.fromtimestamp(DeltaTable("table").history()[0]["timestamp"] / 1000, UTC)

for name, moment in (
    ("at the first commit", created),
    ("a millisecond before it", created - timedelta(milliseconds=1)),
    ("in 1970", datetime(1970, 1, 1, tzinfo=UTC)),
):
    table = DeltaTable("table")
    table.load_as_version(moment)
    rows = table.to_pyarrow_table().to_pylist()
    print(f"{name}: version {table.version()}, {rows}")
    if table.version() != 0 or rows != [{"x": 1}]:
        raise SystemExit("changed: another version")
PYTHON
