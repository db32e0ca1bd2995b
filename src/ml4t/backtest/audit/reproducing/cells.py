"""Cells: one value of a view, in two catalogs."""

from __future__ import annotations

from math import isclose, isnan
from typing import Any, NamedTuple

from ml4t.backtest.core.tolerances import SAME_IN_COLUMN, SAME_NUMBER
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.sql_files import Sql, literal, only_if, quote, render

FLOAT_KINDS = ("DOUBLE", "FLOAT")


class CellValues(NamedTuple):
    """Values of a column at a bar.

    Attributes
    ----------
    by_asset : dict
        By asset, as text; in ``market`` by None.
    largest : float
        The largest number of the column up to the bar.
    """

    by_asset: dict[str | None, Any]
    largest: float


class ViewCell(NamedTuple):
    """Where a value stands.

    Attributes
    ----------
    view : str
        ``signals`` or ``market``.
    column : str
    bar : CutBar
    asset_id : str or None
        As text; None: of any asset, or in ``market``.
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
        """The query of asset and value, and of the largest number of the column up to its bar."""
        keys = f"timestamp = {self.bar.sql}"
        if self.asset_id is not None:
            keys += f" and asset_id::varchar = {literal(self.asset_id)}"
        asset_id = "null" if self.view == "market" else "asset_id::varchar"
        column = quote(self.column)
        number = only_if(f"isfinite({column})", column) if self.is_number else "0"
        return render(
            "audit/cell", view=self.view, item=column, asset_id=asset_id, magnitude=number,
            keys=keys, known=self.bar.keeps("timestamp"),
        )  # fmt: skip


def values_at(cell: ViewCell, catalog: Catalog) -> CellValues:
    """Return the values at a cell, none where it has no such row."""
    rows = catalog.prepare().database.rows(cell.sql)
    largest = max((largest or 0.0 for *_, largest in rows), default=0.0)
    return CellValues({asset_id: value for asset_id, value, _ in rows}, largest)


def unlike(one: CellValues, other: CellValues) -> list[str | None]:
    """Return the assets of which two sides have other values, as everywhere in an audit; sorted."""
    mine, theirs = one.by_asset, other.by_asset
    return [
        asset_id
        for asset_id in sorted({*mine, *theirs}, key=str)
        if (asset_id in mine) != (asset_id in theirs)
        or (asset_id in mine and not _is_same(mine[asset_id], theirs[asset_id], one.largest))
    ]


def _is_same(one: Any, other: Any, largest: float) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return (isnan(one) and isnan(other)) or isclose(
            one, other, rel_tol=SAME_NUMBER, abs_tol=SAME_IN_COLUMN * largest
        )
    return bool(one == other)
