"""Common types: the one type in which the values of two others stand without a loss.

Files of one source, and feeds of one universe, need not agree in the types of their columns.
DuckDB would read all files of a glob in the types of the first, and casts whole numbers to
FLOAT; what is said here decides instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import combinations, pairwise

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.schema import UNTYPED
from ml4t.backtest.data.sql_files import count_of, sample_of
from ml4t.backtest.errors import DataError

N_SAMPLE = 3

# Bits of the whole numbers, and the decimal digits that they may have.
_SIGNED = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
_UNSIGNED = {
    "UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64, "UHUGEINT": 128,
}  # fmt: skip
_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20, 128: 39}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_FLOATING = ("FLOAT", "DOUBLE")
_MAX_DIGITS = 38
# Whole numbers of more bits than this may be none of a DOUBLE's, which holds 53.
_EXACT_BITS = 32
# Times without a zone, the coarsest first; a finer one reaches less far from 1970.
_TIMES = ("DATE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP", "TIMESTAMP_NS")
# Of nanoseconds with a zone the microseconds are read, wherever they stand.
ZONED = ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS")


def common_type(kinds: Iterable[str]) -> str | None:
    """Return the type that holds the values of all `kinds`; None where there is none.

    Numbers become a whole number, a DECIMAL or a DOUBLE that is wide enough, a date the midnight
    of a timestamp, a list the list of what its items become. Numbers, flags, text, times with a
    zone and times without one never stand under each other. `is_exact` says where a value may be
    too large for the common type.
    """
    found = UNTYPED
    for kind in kinds:
        both = _of_two(found, kind)
        if both is None:
            return None
        found = both
    return found


def clash(kinds: Iterable[str]) -> tuple[str, str] | None:
    """Return the first two types that have none in common."""
    pairs = combinations(kinds, 2)
    return next((pair for pair in pairs if common_type(pair) is None), None)


def is_exact(kind: str, common: str) -> bool:
    """Say whether every value of a type is one of the common type, whatever it is."""
    if kind.endswith("[]") and common.endswith("[]"):
        return is_exact(kind[:-2], common[:-2])
    if kind in (common, UNTYPED) or common == "VARCHAR" or common in ZONED:
        return True
    if kind in _TIMES:
        return common == "TIMESTAMP" and kind == "DATE"
    if kind in (*_SIGNED, *_UNSIGNED):
        bits = (_SIGNED | _UNSIGNED)[kind]
        if common in _SIGNED:
            return bits < _SIGNED[common] or kind in _SIGNED
        return common in _UNSIGNED or common.startswith("DECIMAL") or bits <= _EXACT_BITS
    return kind == "FLOAT" or common.startswith("DECIMAL")


def require_none_inexact(
    source: str, column: str, kind: str, common: str, query: str, database: Database
) -> None:
    """Refuse values, which `query` selects, that the common type of their column cannot hold."""
    n_rows = database.rows(count_of(query))[0][0]
    if n_rows:
        raise DataError(
            source, "types", f"has column '{column}' of type {kind} next to others with which it "
            f"has {common} in common, and values that do not fit into that; store it in one type",
            n_rows=n_rows,
            sample=database.records(sample_of(query, N_SAMPLE)),
            query=query,
        )  # fmt: skip


def _of_two(one: str, other: str) -> str | None:
    if UNTYPED in (one, other) or one == other:
        return other if one == UNTYPED else one
    if one.endswith("[]") and other.endswith("[]"):
        items = _of_two(one[:-2], other[:-2])
        return None if items is None else f"{items}[]"
    if one in _TIMES and other in _TIMES:
        return max(one, other, key=_TIMES.index)
    if one in ZONED and other in ZONED:
        return ZONED[0]
    if _is_text(one) and _is_text(other):
        return "VARCHAR"
    return _of_two_numbers(one, other)


def _is_text(kind: str) -> bool:
    return not kind.endswith("]") and kind.startswith(("VARCHAR", "ENUM", "JSON"))


def _of_two_numbers(one: str, other: str) -> str | None:
    scales = [_digits(kind) for kind in (one, other)]
    if None in scales and not (one in _FLOATING or other in _FLOATING):
        return None
    if one in _FLOATING or other in _FLOATING:
        rest = other if one in _FLOATING else one
        return "DOUBLE" if rest in _FLOATING or _digits(rest) else None
    whole = _SIGNED | _UNSIGNED
    if one in whole and other in whole:
        return _of_two_whole(one, other)
    before = max(digits for digits, _ in filter(None, scales))
    after = max(scale for _, scale in filter(None, scales))
    fits = before + after <= _MAX_DIGITS
    return f"DECIMAL({before + after},{after})" if fits else "DOUBLE"


def _digits(kind: str) -> tuple[int, int] | None:
    """Return the digits before and after the point of a number that is not floating."""
    bits = (_SIGNED | _UNSIGNED).get(kind)
    if bits is not None:
        return _DIGITS[bits], 0
    match = _DECIMAL.fullmatch(kind)
    return None if match is None else (int(match[1]) - int(match[2]), int(match[2]))


def _of_two_whole(one: str, other: str) -> str:
    """Return the smallest whole number for both; BIGINT for 64 bits with and without a sign."""
    for kinds in (_SIGNED, _UNSIGNED):
        if one in kinds and other in kinds:
            return max(one, other, key=kinds.__getitem__)
    signed, unsigned = (one, other) if one in _SIGNED else (other, one)
    for kind, following in pairwise(_SIGNED):
        if _SIGNED[kind] == _UNSIGNED[unsigned]:
            # What Python, NumPy and pandas call an integer; a value beyond it is refused.
            wider = kind if kind == "BIGINT" else following
            return max(signed, wider, key=_SIGNED.__getitem__)
    return "HUGEINT"
