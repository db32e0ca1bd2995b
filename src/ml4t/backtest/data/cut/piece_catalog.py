"""PieceCatalog: a piece of the sources of another catalog, whole, cut at a bar, or poisoned.

What is given, rows and files, is taken in part; what queries and functions make of it is computed
anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.cut.clocks import known_since
from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.cut.cut_catalog import CutCatalog
from ml4t.backtest.data.cut.inputs import RowsUntil, clock_of, time_of, unlisted
from ml4t.backtest.data.cut.piece import Grid, Piece
from ml4t.backtest.data.cut.places import ReadPlace, places_in, taken_apart, with_others
from ml4t.backtest.data.cut.poisoned_catalog import ASSET_KEYS, PoisonedCatalog
from ml4t.backtest.data.sources.naming import key_of
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import Sql, quote, rows_of

# Roles of which a row holds beyond its time: it is of every bar.
_LASTING = frozenset({"universe", "actions", "assets", "calendar", "calendar_corrections"})


class PieceCatalog(CutCatalog):
    """A piece of the sources of another catalog, as they were known at a bar.

    Parameters
    ----------
    base : Catalog
    bar : CutBar
    grid : Grid
    piece : Piece
    """

    def __init__(self, base: Catalog, bar: CutBar, grid: Grid, piece: Piece) -> None:
        self._grid, self._piece = grid, piece
        CutCatalog.__init__(self, base, bar)  # a poisoned one takes a seed besides

    def take_over(self, sources: Iterable[Source]) -> None:
        """Take over those sources that the piece has."""
        super().take_over(one for one in sources if one.name not in self._piece.without)

    def places(self, source: Source) -> dict[ReadPlace, Sql]:
        """Return what a query reads beside sources, each with the rows of it that are taken."""
        query = source.given
        assert isinstance(query, str)
        tree = taken_apart(query, self._database)
        if tree["error"]:
            return {}
        found = places_in(query, tree, {one.name for one in self._base.sources()})
        return {one: self._of_place(one, query) for one in found if one.start is not None}

    def _of_place(self, place: ReadPlace, query: str) -> Sql:
        kinds = self._database.schema(rows_of(place.written))
        clock = clock_of(kinds)
        time = time_of(clock, kinds, self._bar) if clock else ""
        asset_id = next((name for name in kinds if key_of(name) in ASSET_KEYS), "")
        items = ", ".join(("*", *unlisted(place.written, query, kinds, self._database)))
        keeps = self._piece.keeps(self._grid, time, quote(asset_id) if asset_id else "")
        return rows_of(place.written, items, where=keeps)

    def _attach(self, source: Source) -> dict[str, str]:
        if is_query(source):
            places = self.places(source)
            instead = {one: f"({rows}) as {quote(one.name)}" for one, rows in places.items()}
            query = str(source.given)
            return super()._attach(source._replace(given=with_others(query, instead)))
        raw = super()._attach(source)
        lacks = {
            source.columns.get(column, column)
            for name, column in self._piece.lacks
            if name == source.name
        }
        return {name: kind for name, kind in raw.items() if name not in lacks}

    def _known(self, source: Source, select: Sql, columns: Collection[str]) -> Sql:
        if not is_made(source):
            time = "" if source.role in _LASTING else known_since(source)
            asset_id = "asset_id" if "asset_id" in columns else ""
            keeps = self._piece.keeps(self._grid, time, asset_id)
            select = rows_of(f"({select})", where=keeps) if keeps else select
        return super()._known(source, select, columns)


class _UncutCatalog(CutCatalog):
    """All rows of another catalog, of which functions are called anew."""

    def _until(self) -> RowsUntil:
        return _all_rows

    def _known(self, source: Source, select: Sql, columns: Collection[str]) -> Sql:  # noqa: ARG002
        return select


class WholePiece(PieceCatalog, _UncutCatalog):
    """A piece of the sources of another catalog, of all times."""


class PoisonedPiece(PieceCatalog, PoisonedCatalog):
    """A piece of the sources of another catalog, whose rows after a bar lie.

    Parameters
    ----------
    base, bar, grid, piece
        As of `PieceCatalog`.
    seed : int
        Of the draw.
    """

    def __init__(self, base: Catalog, bar: CutBar, grid: Grid, piece: Piece, seed: int) -> None:
        self._seed = seed
        super().__init__(base, bar, grid, piece)


def is_made(source: Source) -> bool:
    """Say whether a source is made of others or of files, by SQL or by a function."""
    return is_query(source) or source.function is not None


def is_query(source: Source) -> bool:
    """Say whether a source is SQL text."""
    return isinstance(source.given, str) and not source.is_files and source.function is None


def _all_rows(relation: str, kinds: Mapping[str, str], time: str, items: str) -> Sql:  # noqa: ARG001
    return rows_of(relation, items)
