"""Kinds: what a value is, as far as it decides how an engine computes with it."""

from __future__ import annotations

import re

# The engines that a query is written for.
DUCKDB, SPARK, SNOWFLAKE = "duckdb", "spark", "snowflake"
DIALECTS = (DUCKDB, SPARK, SNOWFLAKE)
# Kinds of values; DEC is a decimal, INT a whole number of whatever width.
BOOLEAN, INT, DEC, FLOAT, DOUBLE, TEXT, NULL = (
    "BOOLEAN", "INT", "DEC", "FLOAT", "DOUBLE", "TEXT", "NULL",
)  # fmt: skip
DATE, TIMESTAMP, ZONED = "DATE", "TIMESTAMP", "TIMESTAMPTZ"
NUMBERS = (INT, DEC, FLOAT, DOUBLE)
TIMES = (DATE, TIMESTAMP, ZONED)
# Beyond these digits a decimal is not the quotient of two doubles: the nearest double is a matter
# of how an engine divides.
MOST_DIGITS = 15
_KINDS = {
    "BOOLEAN": BOOLEAN, "FLOAT": FLOAT, "DOUBLE": DOUBLE, "VARCHAR": TEXT, "DATE": DATE,
    "TIMESTAMP": TIMESTAMP, "TIMESTAMP WITH TIME ZONE": ZONED,
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
