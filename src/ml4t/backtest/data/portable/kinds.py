"""Kinds: what a value is, as far as it decides how an engine computes with it."""

from __future__ import annotations

import re

# The engines that a query is written for.
TO_DUCKDB, TO_SPARK, TO_SNOWFLAKE = "duckdb", "spark", "snowflake"
DIALECTS = (TO_DUCKDB, TO_SPARK, TO_SNOWFLAKE)
# Kinds of values; DEC is a decimal, INT a whole number of whatever width.
BOOLEAN, INT, DEC, FLOAT, DOUBLE, STRING, NULL = (
    "BOOLEAN", "INT", "DEC", "FLOAT", "DOUBLE", "STRING", "NULL",
)  # fmt: skip
DATE, NAIVE, TIMESTAMPTZ = "DATE", "TIMESTAMP", "TIMESTAMPTZ"
NUMERIC_KINDS = (INT, DEC, FLOAT, DOUBLE)
TIME_KINDS = (DATE, NAIVE, TIMESTAMPTZ)
# Beyond these digits a decimal is not the quotient of two doubles: the nearest double is a matter
# of how an engine divides.
MOST_DIGITS = 15
_KINDS = {
    "BOOLEAN": BOOLEAN, "FLOAT": FLOAT, "DOUBLE": DOUBLE, "VARCHAR": STRING, "DATE": DATE,
    "TIMESTAMP": NAIVE, "TIMESTAMP WITH TIME ZONE": TIMESTAMPTZ,
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT"), INT),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER"), INT),
}  # fmt: skip
_DECIMAL = re.compile(r"DECIMAL\((\d+),\d+\)")


def kind_of_type(name: str) -> str | None:
    """Return the kind of a DuckDB type; None: other engines have none that is the same."""
    found = _DECIMAL.fullmatch(name)
    if found is not None:
        return DEC if int(found[1]) <= MOST_DIGITS else None
    return _KINDS.get(name)
