"""Said: what a user says of a source's shape, and what names of its role say of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.data.sources.naming import USUAL, key_of
from ml4t.backtest.data.sources.roles.spec import RoleSpec
from ml4t.backtest.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pyarrow as pa

# What the level of fields is called by those that write such frames.
_FIELD_LEVELS = ("field", "fields", "price", "feature", "features", "attribute", "attributes")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?")


class Shaped(NamedTuple):
    """A source as one long table, what was made of it, and whether its keys have our names."""

    rows: Any
    changes: tuple[Change, ...] = ()
    are_ours: bool = False

    def columns(self, said: Mapping[str, str]) -> dict[str, str]:
        """Return what was said of columns, but for keys that have our names by now."""
        names = self.rows.column_names if self.are_ours else ()
        return {ours: theirs for ours, theirs in said.items() if ours not in names}


class Said(NamedTuple):
    """What a user says of a source's shape.

    Attributes
    ----------
    name : str
        The source's name.
    spec : RoleSpec
    columns : mapping of str to str
        Columns of the source by our name.
    fields : tuple of str or None
        What the values are called where the shape itself does not say it.
    timestamps, asset_ids : object
        The axes of arrays.
    date_format : str or None
        How times are written that are text or whole numbers.
    n_read : list of int
        How many were read so, of each axis.
    """

    name: str
    spec: RoleSpec
    columns: Mapping[str, str]
    n_read: list[int]
    fields: tuple[str, ...] | None = None
    timestamps: Any = None
    asset_ids: Any = None
    date_format: str | None = None

    def written(self, made: Shaped) -> tuple[Change, ...]:
        """Return what `describe` says of times that the format has read; empty: it is to read them.

        A shape whose times stay a column as it was is read by it like every other table.
        """
        if not self.n_read or not made.are_ours:
            return ()
        import pyarrow as pa

        kinds = [made.rows.schema.field(name).type for name in self.spec.times]
        if not all(pa.types.is_temporal(kind) or pa.types.is_null(kind) for kind in kinds):
            return ()
        return (Change(f"times: read as {self.date_format}", sum(self.n_read)),)

    @property
    def is_grid(self) -> bool:
        """Whether the role has values at (timestamp, asset_id)."""
        return {"timestamp", "asset_id"} <= set(self.spec.required)

    @property
    def own_values(self) -> tuple[str, ...]:
        """Columns that the role itself names, beyond its keys."""
        keys = ("timestamp", "asset_id")
        return tuple(
            name for name in (*self.spec.required, *self.spec.optional) if name not in keys
        )

    def is_called(self, label: object, ours: str) -> bool:
        """Say whether a label is one of our columns by its name, a usual one or as is said."""
        if not isinstance(label, str):
            return False
        if ours in self.columns:
            return label.lower() == self.columns[ours].lower()
        return label.lower() == ours or key_of(label) in USUAL.get(ours, ())

    def is_value(self, label: object) -> bool:
        """Say whether a label is a value of the role, or one that prices usually come with."""
        if not isinstance(label, str):
            return False
        usual = self.is_money_column(label)
        return usual or any(self.is_called(label, ours) for ours in self.own_values)

    def is_money_column(self, label: str) -> bool:
        """Say whether a label is one that stands beside prices and is no asset."""
        key = key_of(label)
        return self.spec.makes_bars and (
            key.startswith(("adj", "dividend", "split", "stock_split")) or key in ("factor", "ret")
        )

    def is_field_level(self, label: object) -> bool:
        """Say whether a level of columns has a name of the one that holds fields."""
        return isinstance(label, str) and key_of(label) in _FIELD_LEVELS

    def require_axes_of_use(self, *, is_arrays: bool = False, is_keyed: bool = False) -> None:
        """Refuse axes that are given of what has its own.

        Raises
        ------
        ConfigError
        """
        if self.timestamps is not None and not is_arrays:
            raise ConfigError(
                f"timestamps= is an axis of arrays, and source {self.name!r} is none; leave it out"
            )
        if self.asset_ids is not None and not is_arrays and not is_keyed:
            raise ConfigError(
                f"asset_ids= is an axis of arrays, or the keys of a dict of frames, and source "
                f"{self.name!r} is neither; leave it out"
            )

    def value_name(self, given: object = None) -> str:
        """Return what the one value of a shape is called.

        Raises
        ------
        DataError
            Nothing says it.
        """
        if self.fields is not None and len(self.fields) == 1:
            return self.fields[0]
        if isinstance(given, str) and given:
            return given
        needed = [name for name in self.own_values if name in self.spec.required]
        if len(needed) == 1:
            return needed[0]
        if self.name != self.spec.name:
            return self.name
        raise self.refusal("has values without a name; say it: field='score'")

    def refusal(self, fact: str, rule: str = "columns") -> DataError:
        """Return the error of a shape that is none, or could be two."""
        return DataError(self.name, rule, fact)


def fields_of(field: object) -> tuple[str, ...] | None:
    """Return the names of values that a user gives, one or several.

    Raises
    ------
    ConfigError
    """
    if field is None:
        return None
    names = (field,) if isinstance(field, str) else field
    if (
        not isinstance(names, Sequence)
        or not names
        or not all(isinstance(name, str) and name for name in names)
        or len(set(names)) < len(names)
    ):
        raise ConfigError(
            f"field must be the name of what the values are, or a list of such, was {field!r}"
        )
    return tuple(names)


def times_of(given: Any, said: Said, what: str) -> pa.Array | None:
    """Return an axis as Arrow where it is times, text of the ISO form or of a format; else None.

    Raises
    ------
    DataError
        It is periods, which have no time of their own.
    """
    import numpy as np
    import pyarrow as pa

    if type(given).__name__ == "PeriodIndex":
        raise said.refusal(
            f"has {what} of periods; say which time: frame.index = frame.index."
            "to_timestamp(how='end').normalize()",
            "types",
        )
    if hasattr(given, "to_arrow"):  # polars
        given = given.to_arrow()
    if isinstance(given, np.ndarray) and given.dtype.kind == "M":
        unit = np.datetime_data(given.dtype)[0]
        given = given.astype("datetime64[s]") if unit in ("h", "m") else given
    try:
        axis = given if isinstance(given, (pa.Array, pa.ChunkedArray)) else as_arrow(given)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, ValueError):
        return None
    if isinstance(axis, pa.ChunkedArray):
        axis = axis.combine_chunks()
    if pa.types.is_dictionary(axis.type):
        axis = axis.cast(axis.type.value_type)
    is_text = pa.types.is_string(axis.type) or pa.types.is_large_string(axis.type)
    if (
        is_text
        and len(axis)
        and all(text is not None and _ISO.fullmatch(text) for text in axis.to_pylist())
    ):
        return axis
    is_written = is_text or (
        pa.types.is_integer(axis.type) and type(given).__name__ != "RangeIndex"
    )
    if is_written and said.date_format is not None:
        from ml4t.backtest.data.sources.shapes.written import read_axis

        said.n_read.append(len(axis))
        return read_axis(axis, said.date_format, what, said.refusal)
    is_time = pa.types.is_date(axis.type) or pa.types.is_timestamp(axis.type)
    return axis if is_time else None


def as_arrow(values: Any) -> pa.Array:
    """Return values as one Arrow array, what pandas takes for missing as NULL."""
    import pyarrow as pa

    array = pa.array(values, from_pandas=True)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return array.cast(array.type.value_type) if pa.types.is_dictionary(array.type) else array


def first_of(labels: Iterable[object], n: int = 3) -> str:
    """Return the first few labels as a message shows them."""
    every = list(labels)
    return ", ".join(map(repr, every[:n])) + (", ..." if len(every) > n else "")
