"""Membership: snapshots and 0/1 matrices become the intervals of a universe.

Who is a member at one date is one until the next date that there is; at the last date the end is
open. An interval's end is exclusive: the first date at which the asset is no member.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.data.sources.shapes.said import Said, Shaped, times_of
from ml4t.backtest.data.sources.shapes.stacking import require_asset_ids
from ml4t.backtest.data.sources.shapes.wide import Sheet

if TYPE_CHECKING:
    import pyarrow as pa


def of_matrix(sheet: Sheet, said: Said) -> Shaped:
    """Return the intervals of a sheet of 0 and 1.

    Raises
    ------
    DataError
        A value is something else, or a time is there twice.
    """
    import numpy as np

    require_asset_ids(sheet.labels, said)
    n_empty = 0
    members = np.zeros((len(sheet.times), len(sheet.labels)), dtype=bool)
    for i, array in enumerate(sheet.arrays):
        members[:, i], n = _flags(array, sheet.labels[i], said)
        n_empty += n
    what = Change(f"matrix of members: {len(sheet.times):,} dates, {len(sheet.labels):,} assets")
    empty = [Change("empty cells: no members", n_empty)] if n_empty else []
    return _intervals(sheet.times, sheet.labels, members, said, (what, *empty))


def of_snapshots(table: pa.Table, said: Said) -> Shaped | None:
    """Return the intervals of rows (timestamp, asset_id); None where a table has no such columns.

    Raises
    ------
    DataError
        A column may say that a row is no member.
    """
    import numpy as np
    import pyarrow.compute as pc

    names = table.column_names
    time = [name for name in names if said.is_called(name, "timestamp")]
    asset = [name for name in names if said.is_called(name, "asset_id")]
    own = [name for name in names for ours in said.spec.times if said.is_called(name, ours)]
    if len(time) != 1 or len(asset) != 1 or own:
        return None
    others = [name for name in names if name not in (*time, *asset)]
    table, flagged = _flagged(table, others, said)
    times = times_of(table[time[0]], said, f"a column {time[0]!r}")
    ids = table[asset[0]].combine_chunks()
    if times is None or times.null_count or ids.null_count:
        raise said.refusal(
            f"has snapshots whose {time[0]!r} or {asset[0]!r} is not there in "
            "every row, or no time; text is "
            "read in the form 2024-01-31",
            "types",
        )
    dates, assets = pc.unique(times), pc.unique(ids)
    members = np.zeros((len(dates), len(assets)), dtype=bool)
    rows = pc.index_in(times, value_set=dates).to_numpy(), pc.index_in(ids, assets).to_numpy()
    is_member = np.ones(len(table), dtype=bool) if flagged is None else flagged
    members[rows[0][is_member], rows[1][is_member]] = True
    n_repeated = int(is_member.sum() - members.sum())
    changes = [Change(f"snapshots of members: {len(dates):,} dates", len(table))]
    if n_repeated:
        changes.append(Change("rows of one date and asset that are there again: one", n_repeated))
    if left_out := [name for name in others if name not in (said.fields or ())]:
        changes.append(Change(f"columns that say nothing of members: {', '.join(left_out)}"))
    return _intervals(dates, assets.to_pylist(), members, said, tuple(changes))


def _flagged(table: pa.Table, others: list[str], said: Said) -> tuple[pa.Table, Any]:
    """Return which rows of snapshots are members, where a column says it."""
    import pyarrow as pa

    if said.fields is not None:
        (field,) = said.fields if len(said.fields) == 1 else ("",)
        if field not in others:
            raise said.refusal(f"has no column {field!r} that says who is a member")
        return table, _flags(table[field].combine_chunks(), field, said)[0]
    for name in others:
        if pa.types.is_boolean(table[name].type):
            raise said.refusal(
                f"has snapshots with a flag {name!r}; if it says who is a member, "
                f"say so: field={name!r}, else leave it out"
            )
    return table, None


def _flags(array: pa.Array, label: object, said: Said) -> tuple[Any, int]:
    """Return whether each value is 1, and how many are missing."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    missing = pc.is_null(array, nan_is_null=True).to_numpy(zero_copy_only=False)
    if pa.types.is_null(array.type):
        return np.zeros(len(array), dtype=bool), len(array)
    if pa.types.is_boolean(array.type):
        return pc.fill_null(array, False).to_numpy(zero_copy_only=False), int(missing.sum())
    try:
        values = np.where(missing, 0.0, pc.cast(array, pa.float64()).to_numpy(zero_copy_only=False))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        values = np.full(len(array), np.nan)
    is_other = (values != 0) & (values != 1)
    if is_other.any():
        raise said.refusal(
            f"has {label!r} of other values than 0 and 1, such as "
            f"{array[int(is_other.argmax())].as_py()!r}; say who is a member: "
            "frame > 0",
            "types",
        )
    return values == 1, int(missing.sum())


def _intervals(
    times: pa.Array, assets: Sequence[object], members: Any, said: Said, changes: tuple[Change, ...]
) -> Shaped:
    """Return start and end of each run of dates at which an asset is a member."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(pc.unique(times)) < len(times) or times.null_count:
        raise said.refusal("has a date twice, or none; keep one row per date", "duplicate_keys")
    order = pc.sort_indices(times).to_numpy()
    times, members = times.take(pa.array(order)), members[order]
    edges = np.diff(members.astype(np.int8), axis=0, prepend=0, append=0).T
    # By asset, then by date: starts and ends come in pairs.
    sids, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    is_open = ends == len(times)
    rows = pa.table(
        {
            "asset_id": pa.array(list(assets)).take(pa.array(sids)),
            "start_date": times.take(pa.array(starts)),
            "end_date": times.take(pa.array(np.where(is_open, 0, ends), mask=is_open)),
        }
    )
    return Shaped(
        rows, (*changes, Change("intervals of members made of them", len(rows))), are_ours=True
    )
