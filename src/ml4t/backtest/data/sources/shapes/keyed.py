"""Keyed: a dict of frames, by asset or by field.

Which of both the keys are is told by the values of prices alone, and said by the user of all else:
features of one asset and a feature of some assets look alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.data.sources.shapes.pandas_frames import sheet_of
from ml4t.backtest.data.sources.shapes.said import Said, Shaped, first_of
from ml4t.backtest.data.sources.shapes.stacking import AssetColumns, stack
from ml4t.backtest.data.sources.shapes.wide import Sheet, of_table


def is_frame(value: object) -> bool:
    """Say whether a value is a frame of pandas, polars or Arrow."""
    kind = type(value).__module__.partition(".")[0]
    return kind in ("pandas", "polars", "pyarrow") and hasattr(type(value), "columns")


def of_frames(frames: Mapping[Any, Any], said: Said) -> Shaped:
    """Return the long table of a dict of frames.

    Raises
    ------
    DataError
        A frame has no times, or nothing says what the keys are.
    """
    if not said.is_grid:
        raise said.refusal(f"is a dict of frames, and {said.spec.name} take one frame")
    sheets = {key: _sheet(key, frame, said) for key, frame in frames.items()}
    if _are_fields(sheets, said):
        return _by_field(sheets, said)
    parts = [
        AssetColumns(key, sheet.times, dict(zip(map(str, sheet.labels), sheet.arrays, strict=True)))
        for key, sheet in sheets.items()
    ]
    shaped = stack(parts, said, f"dict of frames: its {len(parts):,} keys are assets")
    every = dict.fromkeys(name for part in parts for name in part.values)
    n_lacking = {name: sum(name not in part.values for part in parts) for name in every}
    lacking = tuple(
        Change(f"{name}: NULL of {n:,} of {len(parts):,} assets, whose frames lack it")
        for name, n in n_lacking.items()
        if n
    )
    return Shaped(shaped.rows, (*shaped.changes, *lacking))


def _sheet(key: object, frame: Any, said: Said) -> Sheet:
    if type(frame).__module__.startswith("pandas"):
        named = [name for name in frame.columns if said.is_called(name, "asset_id")]
        sheet = None if named or frame.columns.nlevels > 1 else sheet_of(frame, said)
    else:
        table = frame if hasattr(frame, "column_names") else frame.lazy().collect().to_arrow()
        named = [name for name in table.column_names if said.is_called(name, "asset_id")]
        sheet = of_table(table, said)
    if named:
        raise said.refusal(
            f"is a dict of frames, of which that of {key!r} has a column "
            f"{named[0]!r}; put them into one: "
            "pandas.concat(frames.values())"
        )
    if sheet is None:
        raise said.refusal(
            f"is a dict of frames, of which that of {key!r} has no times; give it a "
            "column 'timestamp' or an index of times",
            "types",
        )
    return sheet


def _are_fields(sheets: Mapping[Any, Sheet], said: Said) -> bool:
    """Say whether the keys are fields; else they are assets."""
    keys = list(sheets)
    if said.fields is not None and set(said.fields) == set(keys):
        return True
    if said.asset_ids is not None and list(said.asset_ids) == keys:
        return False
    needed = [name for name in said.own_values if name in said.spec.required]
    if needed and said.fields is None and said.asset_ids is None:
        close = needed[0]
        in_keys = any(said.is_called(key, close) for key in keys)
        inside = [any(said.is_called(one, close) for one in s.labels) for s in sheets.values()]
        if in_keys and all(map(said.is_value, keys)) and not any(inside):
            return True
        if all(inside) and not in_keys:
            return False
    raise said.refusal(
        f"is a dict of frames whose keys ({first_of(keys)}) may be assets or fields; say it: "
        "asset_ids=list(frames) or field=list(frames)"
    )


def _by_field(sheets: Mapping[Any, Sheet], said: Said) -> Shaped:
    """Return the long table of wide frames, one of each field, which may differ in times."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        every = pc.unique(pa.chunked_array([sheet.times for sheet in sheets.values()]))
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError) as error:
        fact = "is a dict of frames whose times are of several types; cast them to one"
        raise said.refusal(fact, "types") from error
    values: dict[object, dict[str, Any]] = {}
    for field, sheet in sheets.items():
        if len(pc.unique(sheet.times)) < len(sheet.times):
            raise said.refusal(
                f"has a time twice in the frame of {field!r}; keep one row per time",
                "duplicate_keys",
            )
        places = pc.index_in(every, value_set=sheet.times)
        for label, array in zip(sheet.labels, sheet.arrays, strict=True):
            values.setdefault(label, {})[str(field)] = array.take(places)
    parts = [AssetColumns(asset, every, fields) for asset, fields in values.items()]
    return stack(parts, said, f"dict of wide frames: its keys are {', '.join(map(str, sheets))}")
