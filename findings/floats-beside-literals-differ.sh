#!/usr/bin/env bash
# DuckDB 2.0.1, PySpark 4.3.0: a FLOAT of 0.1 is not above 0.1 in DuckDB, and is above it in Spark.
#
# Guess:    a filter on a column of 32 bits, such as x > 0.1, keeps the same rows in both.
# Expected: one answer.
# Seen:     DuckDB makes 0.1 a FLOAT, and the two are equal; Spark makes the column a double, which
#           is 0.10000000149. PostgreSQL's rule is Spark's. So it is with = and <=.
# Matters:  a condition at a round threshold keeps other rows once a query moves to another engine;
#           no transpiler sees it, since both texts are the same.
# Product:  writes out the type in which DuckDB compares: x > cast(0.1 as float).
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyspark==4.3.0 duckdb==2.0.1
venv/bin/python - <<'PYTHON' 2>spark.log
import duckdb
from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
text = "select x > 0.1, x = 0.1, x > cast(0.1 as float) from (select cast(0.1 as float) as x)"
of_spark = tuple(spark.sql(text).collect()[0])
of_duckdb = duckdb.sql(text).fetchall()[0]
print("Spark", of_spark, "DuckDB", of_duckdb)
if of_spark != (True, False, False) or of_duckdb != (False, True, False):
    raise SystemExit("changed")
PYTHON
