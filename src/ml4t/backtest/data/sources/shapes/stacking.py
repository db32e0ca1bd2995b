"""Stacking: one column of values per asset becomes one row per (timestamp, asset_id).

A cell without a value is no bar of prices. Of what becomes known at a time it is a value that is
missing from then on, as a NULL of a long table is: left out, the last one before would go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.data.sources.shapes.said import Said, Shaped, first_of

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class AssetColumns:
    """The values of one asset, by field, at some times."""

    asset_id: object
    times: pa.Array
    values: Mapping[str, pa.Array]


@dataclass(slots=True)
class _Missing:
    """Cells without a value: between an asset's values, and before the first or after the last."""

    n_inside: int = 0
    n_outside: int = 0


def stack(parts: Sequence[AssetColumns], said: Said, what: str) -> Shaped:
    """Return the long table of some assets; `what` says in `describe` what it was.

    Raises
    ------
    DataError
        Two parts are of one asset, or types do not go together.
    """
    import pyarrow as pa

    require_asset_ids([part.asset_id for part in parts], said)
    missing, empty, tables = _Missing(), [], []
    for part in parts:
        table, has_values = _rows(part, said, missing)
        if not has_values:
            empty.append(part.asset_id)
        tables.append(table)
    try:
        rows = pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        first = str(error).splitlines()[0]
        fact = f"has columns whose types do not go together: {first}; cast them to one"
        raise said.refusal(fact, "types") from error
    return Shaped(rows, (Change(what), *_changes(missing, empty, said)), are_ours=True)


def require_asset_ids(labels: Sequence[object], said: Said) -> None:
    """Refuse what names no asset, several kinds of names, or one name twice."""
    kinds = {type(label) for label in labels}
    if not kinds:
        raise said.refusal("has no column of an asset")
    if any(label is None or label != label for label in labels):
        raise said.refusal(
            "has a column without a name, which is no asset; name it or leave it out"
        )
    if any(hasattr(label, "year") for label in labels):
        raise said.refusal("has times as columns; turn it round: frame.T")
    if len(kinds) > 1 or not issubclass(next(iter(kinds)), (str, int)):
        shown = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise said.refusal(
            f"has columns named by {shown}, and assets are named by text or by "
            "whole numbers; rename them: frame.columns.astype(str)"
        )
    seen: set[object] = set()
    for label in labels:
        if label in seen:
            raise said.refusal(f"has two columns {label!r}; keep one of them")
        seen.add(label)


def missing_of(values: Mapping[str, pa.Array]) -> pa.Array:
    """Return where no field has a value; NaN is none."""
    import pyarrow.compute as pc

    found = [pc.is_null(array, nan_is_null=True) for array in values.values()]
    every = found[0]
    for one in found[1:]:
        every = pc.and_(every, one)
    return every


def _rows(part: AssetColumns, said: Said, missing: _Missing) -> tuple[pa.Table, bool]:
    """Return the rows of an asset, and whether it has any value."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    table = pa.table({"timestamp": part.times, **part.values})
    order = None
    if len(table) > 1 and not pc.all(pc.less_equal(part.times[:-1], part.times[1:])).as_py():
        order = pc.sort_indices(part.times)
        table = table.take(order)
    is_there = ~missing_of({name: table[name] for name in part.values}).to_numpy()
    places = np.flatnonzero(is_there)
    n_inside = int(places[-1] - places[0] + 1 - len(places)) if len(places) else 0
    missing.n_inside += n_inside
    missing.n_outside += len(table) - len(places) - n_inside
    if said.spec.makes_bars or not len(places):
        table = table.filter(pa.array(is_there))
    else:
        table = table.slice(places[0])
    ids = pa.repeat(pa.scalar(part.asset_id), len(table))
    return table.add_column(1, "asset_id", ids), bool(len(places))


def _changes(missing: _Missing, empty: Sequence[object], said: Said) -> list[Change]:
    are = "no bars" if said.spec.makes_bars else "missing from then on, none before the first"
    changes = []
    if missing.n_inside:
        changes.append(Change(f"empty cells between values of an asset: {are}", missing.n_inside))
    if missing.n_outside:
        changes.append(
            Change(
                f"empty cells before the first or after the last value of an asset: {are}",
                missing.n_outside,
            )
        )
    if empty:
        changes.append(Change(f"assets without any value: {first_of(empty)}"))
    return changes
