"""Dense: rows by `(t, sid)` scattered into arrays ``[bars, assets]``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Bools, Floats, Ints

# Numbers and flags as float, NaN where missing; all else as objects, None where missing.
ColumnValues = NDArray[Any]


def membership(intervals: list[tuple[int, int, int]], first_t: int, has_bar: Bools) -> Floats:
    """Return 1 where an asset is in the universe, 0 where it is not, NaN where it has no bar."""
    members = np.where(has_bar, 0.0, np.nan)
    for sid, start, end in intervals:
        members[max(start - first_t, 0) : max(end - first_t, 0), sid] += 1.0
    return np.minimum(members, 1.0)


def cells(found: dict[str, np.ndarray], first_t: int, shape: tuple[int, ...]) -> Ints:
    """Return the place of each row in a flat array."""
    places: Ints = (found["t"].astype(np.int64) - first_t) * shape[1] + found["sid"]
    return places


def scatter(
    found: dict[str, ColumnValues],
    names: list[str],
    first_t: int,
    shape: tuple[int, ...],
    kinds: Mapping[str, str],
) -> dict[str, ColumnValues]:
    """Write rows by (t, sid) into dense arrays, missing where there is no row; empties `found`."""
    cell = cells(found, first_t, shape)
    arrays = {}
    for name in names:
        values = as_column(found.pop(name), kinds.get(name, "DOUBLE"))  # it is let go
        dense = np.full(shape[0] * shape[1], missing(values), dtype=values.dtype)
        dense[cell] = values
        arrays[name] = dense.reshape(shape)
    return arrays


def missing(values: ColumnValues) -> Any:
    """Return what stands for no value in a column."""
    return np.nan if values.dtype == np.float64 else None


def as_column(values: ColumnValues, kind: str) -> ColumnValues:
    """Return numbers as they are, all else as Python's own objects, None where missing."""
    if values.dtype.kind in "mM":
        unit = "D" if kind == "DATE" else "us"
        missing = np.isnat(values)
        moments = values.astype(f"{values.dtype.kind}8[{unit}]").astype(object)
        if "ZONE" in kind:
            moments = np.array(
                [None if moment is None else moment.replace(tzinfo=UTC) for moment in moments],
                dtype=object,
            )
        moments[missing] = None
        return moments
    if values.dtype == np.float64:
        return values
    found = np.empty(len(values), dtype=object)
    found[:] = [value.tolist() if isinstance(value, np.ndarray) else value for value in values]
    return found
