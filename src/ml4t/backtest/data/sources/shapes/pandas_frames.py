"""pandas: frames and Series whose times, assets or fields are in an index.

1. A level of times and one of assets in the index: a long table.
2. Columns of two levels, (field, asset) or (asset, field): one table per asset.
3. An index of times alone: a long table where a column is assets, else a sheet.
"""

from __future__ import annotations

from typing import Any

from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.data.sources.shapes.said import Said, Shaped, as_arrow, times_of
from ml4t.backtest.data.sources.shapes.stacking import AssetColumns, missing_of, stack
from ml4t.backtest.data.sources.shapes.wide import Sheet


def of_frame(frame: Any, said: Said) -> Shaped | Sheet | None:
    """Return a frame as a long table or a sheet; None: it is a table as it is.

    Raises
    ------
    DataError
        It may be several things.
    """
    if frame.columns.nlevels > 1:
        return _of_levels(frame, said)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise said.refusal(
            f"has two columns {twice[0]!r}; keep one of each: "
            "frame.loc[:, ~frame.columns.duplicated()]"
        )
    if frame.index.nlevels > 1:
        return _long(frame, said)
    return _of_index(frame, said)


def of_series(series: Any, said: Said) -> Shaped | None:
    """Return the long table of a Series by (timestamp, asset_id), of context by timestamp.

    None: it has no times.

    Raises
    ------
    DataError
        It is one asset's, and does not say which; or nothing says what its values are.
    """
    import pyarrow as pa

    if series.index.nlevels == 1 and times_of(series.index, said, "an index") is None:
        return None
    field = said.value_name(series.name)
    if series.index.nlevels == 1:
        if said.spec.has_assets:
            raise said.refusal(
                "is a Series of one asset that does not say which; say it: "
                f"series.to_frame('AAPL'), field={field!r}"
            )
        return _named(series.to_frame(field), said) or Shaped(series.to_frame(field).reset_index())
    names = _levels(series.index, said)
    values = as_arrow(series.reset_index(drop=True))
    levels = {name: as_arrow(series.index.get_level_values(i)) for i, name in enumerate(names)}
    table = pa.table({**levels, field: values})
    changes = [Change(f"stacked Series of {field}")]
    if said.spec.makes_bars:
        is_missing = missing_of({field: values})
        n_missing = is_missing.true_count
        if n_missing:
            table = table.filter(pa.compute.invert(is_missing))
            changes.append(Change("empty values: no bars", n_missing))
    return Shaped(table, tuple(changes), are_ours=True)


def unstacked(series: Any, said: Said) -> Sheet | None:
    """Return the sheet of a Series of 0 and 1 by (timestamp, asset_id).

    Raises
    ------
    DataError
    """
    names = _levels(series.index, said)
    return sheet_of(series.unstack(names.index("asset_id")), said)


def sheet_of(frame: Any, said: Said) -> Sheet | None:
    """Return the columns of a frame at its times; None where neither index nor column is such."""
    found = [name for name in frame.columns if said.is_called(name, "timestamp")]
    times = times_of(frame.index, said, "an index") if frame.index.nlevels == 1 else None
    if times is None and len(found) == 1:
        times = times_of(frame[found[0]], said, f"a column {found[0]!r}")
        frame = frame.drop(columns=found)
    if times is None:
        return None
    labels = [label.item() if hasattr(label, "item") else label for label in frame.columns]
    arrays = [as_arrow(frame.iloc[:, i].reset_index(drop=True)) for i in range(len(labels))]
    are_assets = said.is_called(frame.columns.name, "asset_id")
    return Sheet(times=times, labels=labels, arrays=arrays, are_assets=are_assets)


def _of_index(frame: Any, said: Said) -> Shaped | Sheet | None:
    is_long = any(said.is_called(name, "asset_id") for name in (*frame.columns, frame.index.name))
    if is_long or not (said.is_grid or said.spec.name == "universe"):
        return _named(frame, said)
    if said.spec.name == "universe" and any(said.is_value(label) for label in frame.columns):
        return None
    sheet = sheet_of(frame, said)
    has_times = any(said.is_called(name, "timestamp") for name in frame.columns)
    if sheet is None and not has_times and times_of(frame.columns, said, "columns") is not None:
        raise said.refusal("has times as columns; turn it round: frame.T")
    is_sheet = said.fields is not None or not (has_times or any(map(said.is_value, frame.columns)))
    is_nameless = frame.index.name is None or said.is_called(frame.index.name, "timestamp")
    if sheet is None and is_sheet and is_nameless:
        raise said.refusal(
            "has no times: neither its index nor one column is such; text of another form than "
            "2024-01-31 is read by date_format='%d/%m/%Y'",
            "types",
        )
    return sheet


def _named(frame: Any, said: Said) -> Shaped | None:
    """Return a frame whose index of times has no name, with the column that it is."""
    if frame.index.name is not None or any(
        said.is_called(name, "timestamp") for name in frame.columns
    ):
        return None
    is_snapshots = said.spec.name == "universe" and not any(map(said.is_value, frame.columns))
    if "timestamp" not in said.spec.required and not is_snapshots:
        return None
    if times_of(frame.index, said, "an index") is None:
        return None
    change = Change("timestamp is the index, which has no name")
    return Shaped(frame.rename_axis("timestamp").reset_index(), (change,))


def _long(frame: Any, said: Said) -> Shaped | None:
    """Return a frame whose index is (timestamp, asset_id) in either order as one of columns."""
    if not said.is_grid or None not in frame.index.names:
        return None
    names = _levels(frame.index, said)
    kept = [old or new for old, new in zip(frame.index.names, names, strict=True)]
    change = Change(f"{' and '.join(names)} are the levels of the index, which have no names")
    return Shaped(frame.rename_axis(index=kept).reset_index(), (change,))


def _levels(index: Any, said: Said) -> list[str]:
    """Return what the two levels of an index are.

    Raises
    ------
    DataError
    """
    if index.nlevels == 2:
        for time, asset in ((0, 1), (1, 0)):
            if said.is_called(index.names[time], "timestamp") or said.is_called(
                index.names[asset], "asset_id"
            ):
                return ["timestamp", "asset_id"] if time == 0 else ["asset_id", "timestamp"]
        are_times = [times_of(index.levels[i], said, "a level") is not None for i in range(2)]
        if are_times == [True, False]:
            return ["timestamp", "asset_id"]
        if are_times == [False, True]:
            return ["asset_id", "timestamp"]
    raise said.refusal(
        f"has an index of {index.nlevels} levels that do not say which are times "
        "and assets; name them: "
        "rename_axis(index=['timestamp', 'asset_id'])"
    )


def _of_levels(frame: Any, said: Said) -> Shaped:
    """Return the long table of a frame with columns of (field, asset) or (asset, field)."""
    if not said.is_grid or frame.columns.nlevels > 2:
        raise said.refusal(
            f"has columns of {frame.columns.nlevels} levels; make one table of "
            "them: frame.stack().reset_index()"
        )
    i_asset = _asset_level(frame.columns, said)
    times = times_of(frame.index, said, "an index") if frame.index.nlevels == 1 else None
    if times is None:
        raise said.refusal(
            "has columns of two levels and no index of times; frame.set_index('Date')"
        )
    values: dict[object, dict[str, Any]] = {}
    for i, label in enumerate(frame.columns):
        asset, field = label[i_asset], label[1 - i_asset]
        asset = asset.item() if hasattr(asset, "item") else asset
        if field in values.setdefault(asset, {}):
            raise said.refusal(f"has two columns {label!r}; keep one of them")
        values[asset][str(field)] = as_arrow(frame.iloc[:, i].reset_index(drop=True))
    parts = [AssetColumns(asset, times, fields) for asset, fields in values.items()]
    order = "(asset, field)" if i_asset == 0 else "(field, asset)"
    return stack(parts, said, f"columns of {order}: {len(parts):,} assets")


def _asset_level(columns: Any, said: Said) -> int:
    """Return which of two levels of columns is the assets.

    Raises
    ------
    DataError
    """
    called = [
        said.is_called(columns.names[i], "asset_id") or said.is_field_level(columns.names[1 - i])
        for i in range(2)
    ]
    if called[0] != called[1]:
        return called.index(True)
    # No values stand in the level of assets: the one with what the role must have is the other.
    needed = [name for name in said.own_values if name in said.spec.required]
    has = [
        any(said.is_called(label, name) for label in columns.levels[i] for name in needed)
        for i in range(2)
    ]
    if has[0] != has[1]:
        return has.index(False)
    raise said.refusal(
        "has columns of two levels that do not say which are assets; name them: "
        "frame.columns.set_names(['field', 'asset_id'])"
    )
