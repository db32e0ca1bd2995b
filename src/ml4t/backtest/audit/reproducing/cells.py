"""Cells: one value of a view, in two catalogs."""

from __future__ import annotations

from math import isclose, isnan
from typing import Any, NamedTuple

from ml4t.backtest.core.tolerances import SAME_IN_COLUMN, SAME_NUMBER
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.sql_files import Sql, literal, only_if, quote, render

FLOAT_KINDS = ("DOUBLE", "FLOAT")


class ViewCell(NamedTuple):
    """Where a value stands.

    Attributes
    ----------
    view : str
        ``signals`` or ``market``.
    column : str
    bar : CutBar
    asset_id : str or None
        As text; None in ``market``.
    is_number : bool
        Its values are floats.
    """

    view: str
    column: str
    bar: CutBar
    asset_id: str | None
    is_number: bool

    @property
    def sql(self) -> Sql:
        """The query of its value, and of the largest number of the column up to its bar."""
        keys = f"timestamp = {self.bar.sql}"
        if self.asset_id is not None:
            keys += f" and asset_id::varchar = {literal(self.asset_id)}"
        column = quote(self.column)
        number = only_if(f"isfinite({column})", column) if self.is_number else "0"
        return render(
            "audit/cell", view=self.view, item=column, magnitude=number, keys=keys,
            known=self.bar.keeps("timestamp"),
        )  # fmt: skip


def values_at(cell: ViewCell, catalog: Catalog) -> tuple[list[Any], float]:
    """Return the values at a cell, none where it has no such row, and the largest number."""
    rows = catalog.prepare().database.rows(cell.sql)
    return [value for value, _ in rows], max((largest or 0.0 for _, largest in rows), default=0.0)


def is_same(one: list[Any], other: list[Any], largest: float) -> bool:
    """Say whether two values count as the same, as everywhere in an audit."""
    return len(one) == len(other) and all(map(_is_same, one, other, [largest] * len(one)))


def _is_same(one: Any, other: Any, largest: float) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return (isnan(one) and isnan(other)) or isclose(
            one, other, rel_tol=SAME_NUMBER, abs_tol=SAME_IN_COLUMN * largest
        )
    return bool(one == other)
