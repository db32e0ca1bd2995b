"""Arrays: NumPy values with axes that the user gives, timestamps by assets by fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml4t.backtest.data.sources.shapes.said import Said, Shaped, as_arrow, times_of
from ml4t.backtest.data.sources.shapes.stacking import AssetColumns, stack
from ml4t.backtest.data.sources.shapes.wide import Sheet


def of_arrays(given: Any, said: Said) -> Shaped | Sheet:
    """Return the long table of arrays by (timestamp, asset), of universe a sheet.

    Raises
    ------
    DataError
        An axis is not given, or not as long as the array is.
    """
    if getattr(given, "ndim", 1) == 0:  # a number of NumPy
        raise said.refusal(f"must be rows or an array with axes, was {given!r}")
    if said.timestamps is None or said.asset_ids is None:
        raise said.refusal(
            f"is an array, {type(given).__name__}, which does not say its times and assets; "
            "say them: timestamps=, asset_ids="
        )
    times = times_of(_axis(said.timestamps), said, "timestamps=")
    if times is None:
        raise said.refusal("has timestamps= that are no times; pass dates or datetimes", "types")
    assets = [one.item() if hasattr(one, "item") else one for one in said.asset_ids]
    fields = {
        name: _of_shape(name, array, (len(times), len(assets)), said)
        for name, array in _fields(given, said).items()
    }
    columns = {name: _columns(array) for name, array in fields.items()}
    if said.spec.name == "universe":
        return Sheet(times=times, labels=assets, arrays=next(iter(columns.values())))
    parts = [
        AssetColumns(asset, times, {name: arrays[i] for name, arrays in columns.items()})
        for i, asset in enumerate(assets)
    ]
    return stack(
        parts,
        said,
        f"array of {' x '.join(map(str, fields[next(iter(fields))].shape))}: "
        f"timestamps x assets, of {', '.join(columns)}",
    )


def _axis(given: Any) -> Any:
    return list(given) if isinstance(given, (range, tuple)) else given


def _fields(given: Any, said: Said) -> dict[str, Any]:
    """Return the fields of arrays by name, each of timestamps by assets."""
    if isinstance(given, Mapping):
        return {str(name): array for name, array in given.items()}
    if given.dtype.names:
        return {name: given[name] for name in given.dtype.names}
    if given.ndim == 3:
        if said.fields is None or len(said.fields) != given.shape[2]:
            shape = " x ".join(map(str, given.shape))
            raise said.refusal(
                f"is an array of {shape}: timestamps x assets x fields; "
                "name the fields: field=['open', 'close']"
            )
        return {name: given[:, :, i] for i, name in enumerate(said.fields)}
    if said.spec.name == "universe":
        return {"member": given}
    if said.fields is not None and len(said.fields) > 1:
        raise said.refusal(f"has one value per cell, and field= names {len(said.fields)}; name one")
    return {said.value_name(): given}


def _of_shape(name: str, array: Any, shape: tuple[int, int], said: Said) -> Any:
    import numpy as np

    array = array if isinstance(array, np.ndarray) else np.asarray(array)
    if array.shape == shape:
        return array
    found = " x ".join(map(str, array.shape))
    way_out = "; turn it round: array.T"
    if array.shape != shape[::-1]:
        way_out = "; timestamps= names each of its rows and asset_ids= each of its columns"
    raise said.refusal(
        f"has an array of {found} for {name!r} and axes of {shape[0]} timestamps x "
        f"{shape[1]} assets{way_out}"
    )


def _columns(array: Any) -> list[Any]:
    """Return the columns of an array; what is masked, or NaN, is missing."""
    import numpy as np
    import pyarrow as pa

    if isinstance(array, np.ma.MaskedArray):
        masks = np.ma.getmaskarray(array)
        return [
            pa.array(np.ascontiguousarray(array.data[:, i]), mask=masks[:, i], from_pandas=True)
            for i in range(array.shape[1])
        ]
    return [as_arrow(np.ascontiguousarray(array[:, i])) for i in range(array.shape[1])]
