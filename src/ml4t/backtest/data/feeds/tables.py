"""Tables: which data of a feed is a table of bars as it is, and where its times are.

A feed may be of one asset that nothing names, which `Catalog.register` refuses: a frame with a
close is taken as it is. Of all else the rule of shapes holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml4t.backtest.data.sources.shapes.keyed import is_frame
from ml4t.backtest.data.sources.shapes.said import Said, times_of
from ml4t.backtest.data.sources.source import of_lazy


def is_one_table(given: Any, said: Said) -> bool:
    """Say whether data has one column for each value of a bar, as far as its names say."""
    if said.timestamps is not None or said.asset_ids is not None:
        return False
    kind = type(given).__module__.partition(".")[0]
    if kind in ("numpy", "xarray"):
        return False
    if isinstance(given, Mapping):
        return not all(map(is_frame, given.values())) or not given
    if kind not in ("pandas", "polars", "pyarrow"):
        return True
    if said.fields is not None:
        return False
    if kind == "pandas":
        if not hasattr(given, "columns") or max(given.columns.nlevels, given.index.nlevels) > 1:
            return False
        labels = [*given.columns, given.index.name]
    elif kind == "polars" and hasattr(given, "collect_schema"):
        labels = of_lazy(said.name, given.collect_schema).names()
    else:
        schema = getattr(given, "schema", None)
        if schema is None:
            return True  # a column alone, which is refused where tables are read
        labels = list(getattr(given, "column_names", None) or schema.names)
    keys = [one for one in labels if said.is_called(one, "timestamp")]
    has_keys = any(said.is_called(one, "asset_id") for one in labels)
    return has_keys or any(map(said.is_value, labels)) or len(labels) - len(keys) < 2


def timed(given: Any, said: Said) -> Any:
    """Return a frame whose times are a column: pandas may keep them in its index."""
    if not type(given).__module__.startswith("pandas") or not hasattr(given, "columns"):
        return given
    if times_of(given.index, said, "an index") is None:
        return given
    if any(str(column).lower() == "timestamp" for column in given.columns):
        return given.reset_index(drop=True)
    return given.rename_axis("timestamp").reset_index()
