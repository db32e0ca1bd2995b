"""Wide: a sheet of times by assets, told from a table whose columns are values.

Nothing is guessed. A sheet is one of assets where the user says what its values are, where its
columns are called assets, or, of prices, where none of several columns of numbers is called as a
value of prices is. All else is refused with the two lines of which one is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml4t.backtest.data.sources.shapes.said import Said, Shaped, first_of, times_of
from ml4t.backtest.data.sources.shapes.stacking import AssetColumns, stack

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Columns at times.

    Attributes
    ----------
    times : pyarrow.Array
    labels : list
        Names of the columns, the times left out.
    arrays : list of pyarrow.Array
        The columns.
    are_assets : bool
        Whether the axis of the columns is called as assets are.
    """

    times: pa.Array
    labels: Sequence[Any]
    arrays: Sequence[pa.Array]
    are_assets: bool = False


def of_table(table: pa.Table, said: Said) -> Sheet | None:
    """Return the sheet of a table in which one column is times and none is assets."""
    names = table.column_names
    if len(set(names)) < len(names) or any(said.is_called(name, "asset_id") for name in names):
        return None
    found = [name for name in names if said.is_called(name, "timestamp")]
    if len(found) != 1:
        return None
    times = times_of(table[found[0]], said, f"a column {found[0]!r}")
    if times is None:
        if said.fields is None:
            return None
        first = next((value for value in table[found[0]].to_pylist() if value is not None), None)
        raise said.refusal(
            f"has a column {found[0]!r} whose values, such as {first!r}, are no times; say how "
            "they are written: date_format='%d/%m/%Y'",
            "types",
        )
    labels = [name for name in names if name != found[0]]
    arrays = [table[name].combine_chunks() for name in labels]
    return Sheet(times=times, labels=labels, arrays=arrays)


def is_wide(sheet: Sheet, said: Said) -> bool:
    """Say whether the columns of a sheet are assets.

    Raises
    ------
    DataError
        They may be, or may be the values of one asset.
    """
    if sheet.are_assets or said.fields is not None:
        return True
    values = [
        label
        for label in sheet.labels
        if said.is_value(label) or said.is_called(label, "timestamp")
    ]
    if said.spec.makes_bars and not values and len(sheet.labels) > 1 and _are_numbers(sheet):
        return True
    shown = f"columns {first_of(values or sheet.labels)}" if sheet.labels else "no other column"
    texts = [
        label
        for label, array in zip(sheet.labels, sheet.arrays, strict=True)
        if _is_text(array) and isinstance(label, str)
    ]
    is_it = f" (if {texts[0]!r} is it: columns={{'asset_id': {texts[0]!r}}})" if texts else ""
    needed = [name for name in said.own_values if name in said.spec.required]
    field = needed[0] if needed else "score"
    raise said.refusal(
        f"has no column 'asset_id'{is_it}, and {shown}: if they are values of one asset, say of "
        f"which: register({said.spec.name!r}, {{'AAPL': frame}}); if they are assets, say what "
        f"of them: field={field!r}"
    )


def stacked(sheet: Sheet, said: Said) -> Shaped:
    """Return the long table of a sheet of one value."""
    if said.fields is not None and len(said.fields) > 1:
        raise said.refusal(f"has one value per cell, and field= names {len(said.fields)}; name one")
    field = said.value_name()
    parts = [
        AssetColumns(label, sheet.times, {field: array})
        for label, array in zip(sheet.labels, sheet.arrays, strict=True)
    ]
    return stack(parts, said, f"wide frame: its {len(parts):,} columns are assets, of {field}")


def _are_numbers(sheet: Sheet) -> bool:
    import pyarrow as pa

    types = pa.types
    return all(
        types.is_integer(array.type)
        or types.is_floating(array.type)
        or types.is_decimal(array.type)
        or types.is_null(array.type)
        for array in sheet.arrays
    )


def _is_text(array: pa.Array) -> bool:
    import pyarrow as pa

    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )
