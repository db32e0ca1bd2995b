"""Sides: a catalog as it is and as it was known at a bar, by pieces, and the least that differs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from ml4t.backtest.audit.reproducing.files import WrittenSource, catalog_over, write_whole
from ml4t.backtest.audit.reproducing.shrinking import Differs, first_piece, shrunk
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.cut.cut_catalog import CutCatalog
from ml4t.backtest.data.cut.piece import Grid, Piece, grid_of
from ml4t.backtest.data.cut.piece_catalog import PieceCatalog, PoisonedPiece, WholePiece
from ml4t.backtest.data.cut.poisoned_catalog import PoisonedCatalog
from ml4t.backtest.data.sql_files import count_of, literal, rows_of
from ml4t.backtest.results.store import open_store


class Sides(NamedTuple):
    """A catalog as it is, and as it was known at a bar.

    Attributes
    ----------
    catalog : Catalog
    grid : Grid
        Of all its bars and assets.
    at : CutBar
        At which it is cut.
    seed : int or None
        Later rows lie, drawn by this seed; None: they are left out.
    """

    catalog: Catalog
    grid: Grid
    at: CutBar
    seed: int | None

    def whole(self, piece: Piece) -> WholePiece:
        """Return all rows of a piece."""
        return WholePiece(self.catalog, self.at, self.grid, piece)

    def known(self, piece: Piece) -> PieceCatalog:
        """Return what was known of a piece."""
        if self.seed is None:
            return PieceCatalog(self.catalog, self.at, self.grid, piece)
        return PoisonedPiece(self.catalog, self.at, self.grid, piece, self.seed)

    def over(self, catalog: Catalog) -> Sides:
        """Return the same of a catalog that has some of the rows of this one."""
        grid = grid_of(catalog.prepare())
        return self._replace(
            catalog=catalog, grid=grid, at=grid.bar(bar_number(self.at.text, catalog, grid))
        )


def known_of(catalog: Catalog, at: CutBar, seed: int | None) -> CutCatalog:
    """Return what was known of a catalog at a bar; with a seed later rows lie."""
    return CutCatalog(catalog, at) if seed is None else PoisonedCatalog(catalog, at, seed)


# Says whether something differs over a piece.
Over = Callable[[Sides, Piece], bool]


class Least(NamedTuple):
    """The least piece over which something differs.

    Attributes
    ----------
    at : CutBar
    sources : list of WrittenSource
        As they were written.
    n_tries : int
        Pieces that were tried.
    """

    at: CutBar
    sources: list[WrittenSource]
    n_tries: int


def least_piece(
    sides: Sides,
    over: Over,
    settled: Callable[[Sides, Piece], Over],
    first: tuple[int, Sequence[str]],
    kept: tuple[str, str],
    folder: Path,
) -> Least | None:
    """Write the least piece over which something differs, to a folder; None: over none.

    Parameters
    ----------
    over : callable
        Whether it differs over a piece; an error of sources, or of the user's own objects, over so
        few rows counts as no.
    settled : callable
        Given the first piece over which it does, returns what is asked from then on.
    first : tuple of int and sequence of str
        The first bar of the smallest piece, and all assets in the order in which they are taken.
    kept : tuple of str
        Source and column that are never left out.
    """

    def asked(of: Sides, over: Over) -> Differs:
        def differs(piece: Piece) -> bool:
            try:
                return over(of, piece)
            except Exception:  # whatever the user's own objects raise
                return False

        return Differs(differs)

    differs = asked(sides, over)
    piece = first_piece(differs, sides.grid, (first[0], sides.at.t), first[1])
    if piece is None:
        return None
    n_tries, over = differs.n_tries, settled(sides, piece)
    differs = asked(sides, over)
    with TemporaryDirectory() as place:
        # From here on each try reads those few rows, and not all files anew.
        rows = Path(place) / "rows"
        few = write_whole(sides.whole(piece), rows)
        small = sides.over(catalog_over(few, rows, sides.catalog.timezone))
        every, asked_small = Piece(small.grid.slots, small.grid.assets), asked(small, over)
        if asked_small(every):
            sides, piece, differs = small, every, asked_small
        piece = shrunk(differs, piece, sides.catalog, kept)
        written = write_whole(sides.whole(piece), folder)
    return Least(sides.at, written, n_tries + differs.n_tries)


def bar_number(text: str, catalog: Catalog, grid: Grid) -> int:
    """Return the number of a bar, however its time is written."""
    bar = CutBar(0, text, grid.kind)
    query = rows_of("stage.timeline", "t", where=f"timestamp = {bar.sql}")
    ((t,),) = catalog.prepare().database.rows(query)
    return int(t)


def assets_first(sides: Sides, own: str | None) -> list[str]:
    """Return all assets: one's own, those with a bar at the cut, the others."""
    query = rows_of("signals", "asset_id::varchar", where=f"timestamp = {sides.at.sql}")
    there = sorted(name for (name,) in sides.catalog.prepare().database.rows(query))
    return list(dict.fromkeys([*([] if own is None else [own]), *there, *sides.grid.assets]))


def rows_in(folder: Path) -> int:
    """Return how many rows the files of a folder have."""
    database = open_store()
    files = map(str, sorted(folder.iterdir()))
    counts = [database.rows(count_of(rows_of(literal(one))))[0][0] for one in files]
    return sum(counts)
