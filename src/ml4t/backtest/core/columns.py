"""Columns: what frames, series and long lists of plain values hold, as few long values.

Equal frames may lie in memory in other ways (chunks, slices, what stands under a null), so that
they are read as: the places of nulls, and all other values.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from ml4t.backtest.core.graphs import hashed
from ml4t.backtest.core.owners import FRAMES, top_of

PLAIN = (bool, int, float, complex, str, bytes, type(None))
PLAIN_KINDS = frozenset(PLAIN)
# A longer number is written in base 16: Python refuses to write it in base 10.
BEYOND_FLOATS = 10**400
# How polars marks a function of Python in a plan that it writes.
PYTHON_IN_A_PLAN = b"PLPYFN"


def plain(value: Any) -> bytes:
    """Return a plain value as text that no other has."""
    if type(value) is int and not -BEYOND_FLOATS < value < BEYOND_FLOATS:
        return hex(value).encode()
    return repr(value).encode("utf-8", "surrogatepass")


def flat(items: Sequence[Any]) -> bytes | None:
    """Return one text of all items, made fast; None where an item is more than a plain value."""
    kinds = set(map(type, items))
    if kinds == {float}:
        return b"floats" + array("d", items).tobytes()
    if kinds <= PLAIN_KINDS:
        try:
            return repr(list(items)).encode("utf-8", "surrogatepass")
        except ValueError:  # a number that is too long to be written
            return b"[" + b",".join(map(plain, items)) + b"]"
    if len(kinds) > 1:
        return None
    kind = kinds.pop()
    if kind in (tuple, list):
        return _rows(items)
    if kind is date or (issubclass(kind, datetime) and (kind is datetime or _is_stamp(kind))):
        return _times(kind, items)
    if issubclass(kind, np.generic) and np.dtype(kind).kind in "biufc":
        values = np.array(items)
        return f"{values.dtype.str}".encode() + values.tobytes()
    return None


def _rows(items: Sequence[Any]) -> bytes | None:
    """Return rows of plain values column by column."""
    if len(set(map(len, items))) > 1 or not items[0]:
        return None
    # Rows of rows are left to whom it may concern: what is shared in them could be met for ever.
    if any(isinstance(one, (tuple, list)) for one in items[0]):
        return None
    columns = []
    for column in zip(*items, strict=True):
        if {tuple, list} & set(map(type, column)) or (text := flat(column)) is None:
            return None
        columns.append(f"{len(text)}:".encode() + text)
    return type(items[0]).__name__.encode() + b"rows" + b"".join(columns)


def _is_stamp(kind: type) -> bool:
    return kind.__name__ == "Timestamp" and top_of(kind.__module__) == "pandas"


def _times(kind: type, items: Sequence[Any]) -> bytes | None:
    name = f"{kind.__name__}s".encode()
    zones = [None] if kind is date else {id(one.tzinfo): one.tzinfo for one in items}.values()
    if all(zone is None or zone is UTC for zone in zones):
        texts = {one: one.isoformat() for one in dict.fromkeys(items)}
        return name + ",".join(map(texts.__getitem__, items)).encode()
    from zoneinfo import ZoneInfo

    if all(type(zone) is ZoneInfo and zone.key for zone in zones):
        return name + ",".join([f"{one.isoformat()}{one.tzinfo}" for one in items]).encode()
    return None


def array_parts(value: np.ndarray[Any, Any]) -> tuple[bytes, Sequence[object]]:
    """Return the values of an array as text, or what they are as objects."""
    shape = f"{value.shape}"
    if value.dtype.names is not None:
        # Between the fields of a structure may lie anything.
        names = value.dtype.names
        return f"fields{names}{shape}".encode(), [value[name] for name in names]
    if value.dtype.hasobject or value.dtype.kind not in "biufcmMSUV":
        return f"objects{shape}".encode(), [value.tolist()]
    raw = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
    return f"{value.dtype.str}{shape}".encode() + hashed(raw.data), ()


def frame_parts(value: Any) -> list[object] | None:
    """Return names, kinds and values of a frame, series or index; None for anything else."""
    top = next((top_of(kind.__module__) for kind in type(value).__mro__
                if top_of(kind.__module__) in FRAMES), "")  # fmt: skip
    if top == "pandas":
        return _pandas(value)
    if top == "polars" and hasattr(value, "to_arrow"):
        if hasattr(value, "get_columns"):
            return [value.columns, *(_polars(one) for one in value.get_columns())]
        return [value.name, _polars(value)]
    if top == "polars" and (hasattr(value, "explain") or hasattr(value, "meta")):
        return [_plan(value)]
    if top == "pyarrow" and hasattr(value, "column_names"):
        return [value.column_names, *(_arrow(one) for one in value.itercolumns())]
    if top == "pyarrow" and hasattr(value, "drop_null"):
        return [_arrow(value)]
    return None


def _pandas(value: Any) -> list[object] | None:
    said = [getattr(value, name, None) for name in getattr(type(value), "_metadata", ())]
    if hasattr(type(value), "iterrows"):
        columns = [_pandas_values(one) for _, one in value.items()]
        return [value.columns, value.index, columns, value.attrs, said]
    if hasattr(type(value), "get_level_values") and value.nlevels > 1:
        levels = [value.get_level_values(i) for i in range(value.nlevels)]
        return [list(value.names), [_pandas_values(one) for one in levels]]
    if hasattr(type(value), "get_indexer"):
        return [value.name, _pandas_values(value)]
    if hasattr(type(value), "iloc") and hasattr(type(value), "index"):
        return [value.name, value.index, _pandas_values(value), value.attrs, said]
    return None


def _pandas_values(column: Any) -> list[object]:
    values = column.array
    if hasattr(values, "asi8"):
        return [column.dtype, values.asi8]
    if isinstance(column.dtype, np.dtype):
        return [column.dtype, np.asarray(column)]
    return [column.dtype, values.tolist()]


def _polars(series: Any) -> list[object]:
    kind = series.dtype
    stored = series.to_physical() if kind.is_temporal() else series
    is_number = stored.dtype.is_numeric() and not str(stored.dtype).startswith(("Dec", "Int128"))
    if not is_number and str(kind) != "Boolean":
        return [kind, series.to_list()]
    return [kind, series.is_null().arg_true().to_numpy(), stored.drop_nulls().to_numpy()]


def _plan(value: Any) -> bytes | str:
    """Return what a lazy frame or expression would do; of Python functions in it not the code."""
    try:
        plan: bytes = value.__getstate__()
    except Exception:
        plan = PYTHON_IN_A_PLAN
    if PYTHON_IN_A_PLAN not in plan:
        return plan
    # With a function its file and what it met in this process would be told.
    return str(value.explain(optimized=False) if hasattr(value, "explain") else value)


def _arrow(column: Any) -> list[object]:
    kind = column.type
    if not sys.modules["pyarrow"].types.is_primitive(kind):
        return [str(kind), column.to_pylist()]
    nulls = np.flatnonzero(np.asarray(column.is_null()))
    return [str(kind), nulls, column.drop_null().to_numpy(zero_copy_only=False)]
