"""Cells: values that have types of their own, cell by cell, made into columns of one type each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.data.sources.forms.scan import theirs
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.errors import DataError

_NAMES = {bool: "true or false", int: "a number", float: "a number", str: "a text",
          bytes: "bytes", datetime: "a date", date: "a date"}  # fmt: skip
# Whole numbers beyond this are none of a double's.
_EXACT = 2**53


def table_of_cells(
    source: Source, columns: Mapping[str, Sequence[object]], where: str
) -> tuple[Any, tuple[Change, ...]]:
    """Return an Arrow table of columns of cells, and what was changed.

    Parameters
    ----------
    columns : mapping
        Cells by name; None where there is none.
    where : str
        File and table, as messages name them.

    Raises
    ------
    DataError
        A column has cells of several kinds, or a name that is no text or number.
    """
    import pyarrow as pa

    assets = theirs(source, columns, ("asset_id", "new_asset_id"))
    made, changes = {}, []
    for name, given in columns.items():
        cells, n_missing = list(given), 0
        if name.lower() not in assets:
            words = set(source.reading.null_values)
            cells = [None if isinstance(cell, str) and cell in words else cell for cell in cells]
            n_missing = sum(map(_differs, given, cells))
        made[name] = pa.array(*_typed(source, name, cells, where, is_asset=name.lower() in assets))
        if n_missing:
            shown = ", ".join(map(repr, source.reading.null_values))
            changes.append(Change(f"{name}: {shown} read as missing", n_missing))
    return pa.table(made), tuple(changes)


def _differs(one: object, other: object) -> bool:
    return one is not None and other is None


def _typed(
    source: Source, name: str, cells: list[Any], where: str, *, is_asset: bool
) -> tuple[list[Any], Any]:
    """Return the cells of a column, and their Arrow type."""
    import pyarrow as pa

    kinds = {type(cell) for cell in cells if cell is not None}
    if is_asset and kinds - {str} and kinds != {int}:
        _refuse_asset(source, name, cells, where)
    if kinds <= {datetime, date} and kinds:
        moments = [datetime.combine(cell, time()) if type(cell) is date else cell for cell in cells]
        if all(moment is None or moment.time() == time() for moment in moments):
            return [None if one is None else one.date() for one in moments], pa.date32()
        return moments, pa.timestamp("us")
    if len({_NAMES.get(kind, kind.__name__) for kind in kinds}) > 1:
        _refuse_mixed(source, name, cells, where)
    if kinds <= {int, float} and kinds:
        if kinds == {int}:
            return cells, pa.int64()
        large = next((one for one in cells if isinstance(one, int) and abs(one) > _EXACT), None)
        if large is not None:
            raise DataError(
                source.name, "types", f"has column '{name}' in {where} with {large}, which is none "
                "of a double's, among numbers with a fraction; store it in a column of its own",
            )  # fmt: skip
        return [None if cell is None else float(cell) for cell in cells], pa.float64()
    kind = next(iter(kinds), None)
    known = {None: pa.null(), bool: pa.bool_(), str: pa.string(), bytes: pa.binary()}
    if kind not in known:
        raise DataError(
            source.name, "types", f"has column '{name}' in {where} with a value of type "
            f"{getattr(kind, '__name__', kind)}; store it as a number, a text or a date",
        )  # fmt: skip
    return cells, known[kind]


def _refuse_mixed(source: Source, name: str, cells: Sequence[object], where: str) -> None:
    first: dict[str, object] = {}
    counts: Counter[str] = Counter()
    for cell in cells:
        if cell is not None:
            kind = _NAMES.get(type(cell), type(cell).__name__)
            first.setdefault(kind, cell)
            counts[kind] += 1
    shown = " and ".join(f"{n:,} of {kind} ({first[kind]!r})" for kind, n in counts.items())
    words = sorted({cell for cell in cells if isinstance(cell, str)})
    way_out = "make all of them one kind"
    if 0 < len(words) <= 3:
        known = [*source.reading.null_values, *words]
        way_out = f"if a text means missing, say so: null_values={known}; else {way_out}"
    raise DataError(source.name, "types", f"has column '{name}' in {where} with {shown}; {way_out}")


def _refuse_asset(source: Source, name: str, cells: Sequence[object], where: str) -> None:
    cell = next(one for one in cells if one is not None and type(one) is not str)
    raise DataError(
        source.name, "types", f"has column '{name}' of assets in {where} with "
        f"{_NAMES.get(type(cell), 'a value')}, {cell!r}; store all of them as texts, so that a "
        "ticker such as 000001, TRUE or MAR1 stays what it is",
    )  # fmt: skip
