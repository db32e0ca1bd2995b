"""Shaping: whatever data in memory is, a long table of its role, or a refusal with a way out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml4t.backtest.data.sources.shapes import pandas_frames
from ml4t.backtest.data.sources.shapes.arrays import of_arrays
from ml4t.backtest.data.sources.shapes.keyed import is_frame, of_frames
from ml4t.backtest.data.sources.shapes.membership import of_matrix, of_snapshots
from ml4t.backtest.data.sources.shapes.said import Said, Shaped, first_of
from ml4t.backtest.data.sources.shapes.wide import Sheet, is_wide, of_table, stacked
from ml4t.backtest.data.sources.source import scannable
from ml4t.backtest.errors import ConfigError


def shaped(given: Any, said: Said) -> Shaped:
    """Return a source as what can be attached, with what was made of it.

    Raises
    ------
    ConfigError
        An axis or a field is given of what has none.
    DataError
        The shape may be several things.
    """
    kind = type(given).__module__.partition(".")[0]
    if kind == "xarray":
        # Dimensions are names: the levels of an index that they become have them.
        given = given.to_dataframe() if hasattr(given, "data_vars") else given.to_series()
        kind = "pandas"
    is_keyed = isinstance(given, Mapping) and bool(given) and all(map(is_frame, given.values()))
    is_arrays = kind == "numpy" or (isinstance(given, Mapping) and said.timestamps is not None)
    said.require_axes_of_use(is_arrays=is_arrays, is_keyed=is_keyed)
    found: Shaped | Sheet | None = None
    if is_arrays:
        found = of_arrays(given, said)
    elif is_keyed:
        found = of_frames(given, said)
    elif kind == "pandas" and hasattr(given, "to_frame") and not hasattr(given, "columns"):
        is_universe = said.spec.name == "universe"
        found = (pandas_frames.unstacked if is_universe else pandas_frames.of_series)(given, said)
    elif kind == "pandas" and hasattr(given, "columns"):
        found = pandas_frames.of_frame(given, said)
    if isinstance(found, Shaped) and said.spec.name != "universe":
        return found
    return _from(found, given, said)


def _from(found: Shaped | Sheet | None, given: Any, said: Said) -> Shaped:
    """Return what a table, or a sheet of one value, says."""
    before = found.changes if isinstance(found, Shaped) else ()
    rows: Any = found.rows if isinstance(found, Shaped) else given
    if not isinstance(found, Sheet):
        rows = scannable(said.name, rows)
        is_pandas = type(rows).__module__.startswith("pandas")
        table = _arrow(rows) if said.spec.name == "universe" and is_pandas else rows
        if hasattr(table, "column_names") and hasattr(table, "combine_chunks"):
            if said.spec.name == "universe":
                snapshots = of_snapshots(table, said)
                if snapshots is not None:
                    return snapshots._replace(changes=(*before, *snapshots.changes))
            found = _sheet(table, said)
    if isinstance(found, Sheet):
        if said.spec.name == "universe":
            return of_matrix(found, said)
        if is_wide(found, said):
            return stacked(found, said)
    if said.fields is not None and not isinstance(given, (str, Path, list, tuple)):
        names = getattr(rows, "column_names", ())
        if names and not any(said.is_called(name, "timestamp") for name in names):
            raise said.refusal(
                f"has columns {first_of(names)}, of which none is its times; say which: "
                "columns={'timestamp': '...'}, or leave field= out"
            )
        raise ConfigError(
            f"field={said.fields!r} names the values of a wide frame, a Series or an array, and "
            f"source {said.name!r} has columns of its own; leave it out"
        )
    return Shaped(rows, before)


def _sheet(table: Any, said: Said) -> Sheet | None:
    """Return the sheet that a table without an index is, where its role has such."""
    if said.spec.name == "universe":
        is_table = any(
            said.is_called(name, ours) for name in table.column_names for ours in said.spec.times
        )
        return None if is_table else of_table(table, said)
    return of_table(table, said) if said.is_grid else None


def _arrow(frame: Any) -> Any:
    import pyarrow as pa

    return pa.Table.from_pandas(frame, preserve_index=False)
