"""Shrinking: the least piece of the sources over which something still differs.

1. It is looked for in pieces around the bar, each twice as large as the one before, so that little
   is read where a leak is near.
2. What was found is cut from both sides by halves, then loses parts of it, ever smaller ones, as
   long as it still differs: assets, bars, sources, columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.cut.piece import Grid, Piece
from ml4t.backtest.data.cut.piece_catalog import is_made

Loose = TypeVar("Loose")

# Beyond so many pieces what was found by then is taken.
MOST_PIECES = 300
# Into so many runs items are parted at most: a look 252 bars ahead needs each bar between, and to
# try them one by one takes longest to say so.
MOST_RUNS_OF_ITEMS = 64
# Columns without which no source goes.
_KEPT = frozenset({"timestamp", "asset_id", "available_at", "open", "close"})


class Differs:
    """Says whether something still differs over a piece, and asks that once of each.

    Parameters
    ----------
    over : callable of Piece
        Whether it does.

    Attributes
    ----------
    n_tries : int
        Pieces that were asked about.
    """

    def __init__(self, over: Callable[[Piece], bool]) -> None:
        self._over, self._known = over, dict[Piece, bool]()

    @property
    def n_tries(self) -> int:
        """Pieces that were asked about."""
        return len(self._known)

    def __call__(self, piece: Piece) -> bool:
        """Say whether it differs over a piece; of one too many that it does not."""
        if piece not in self._known:
            if self.n_tries >= MOST_PIECES:
                return False
            self._known[piece] = self._over(piece)
        return self._known[piece]


def first_piece(
    differs: Differs, grid: Grid, span: tuple[int, int], assets: Sequence[str]
) -> Piece | None:
    """Return the first of ever larger pieces over which something differs; None: over none.

    Parameters
    ----------
    span : tuple of int
        The first and the last bar of the smallest, but for one bar behind.
    assets : sequence of str
        All of them, in the order in which they are taken.
    """
    first, last = span
    n, most = 1, max(len(grid.slots), len(grid.assets))
    while True:
        slots = tuple(range(max(first - n + 1, 0), min(last + n, len(grid.bars)) + 1))
        piece = Piece(slots, tuple(sorted(assets[:n])))
        if differs(piece):
            return piece
        if n >= most:
            return None
        n *= 2


def shrunk(differs: Differs, piece: Piece, catalog: Catalog, kept: tuple[str, str]) -> Piece:
    """Return the least part of a piece that was found over which something differs.

    Parameters
    ----------
    kept : tuple of str
        Source and column that are never left out.
    """
    before = None
    while before != piece:
        before = piece
        # Bars first, by halves: of few bars many assets are soon tried.
        piece = _shorter(differs, piece)
        piece = _fewer_assets(differs, piece)
        piece = _fewer_slots(differs, _shorter(differs, piece))
        piece = _fewer_sources(differs, piece, catalog, kept[0])
    return _fewer_columns(differs, piece, catalog, kept)


def fewest(
    items: Sequence[Loose], differs: Callable[[tuple[Loose, ...]], bool]
) -> tuple[Loose, ...]:
    """Return a part of items none of which can be left out: runs of ever fewer are tried.

    Where more than `MOST_RUNS_OF_ITEMS` are needed some single ones may be left that are not.
    """
    found, size = tuple(items), len(items)
    while size and len(found) <= size * MOST_RUNS_OF_ITEMS:
        start = 0
        while start < len(found):
            rest = found[:start] + found[start + size :]
            if differs(rest):
                found = rest
            else:
                start += size
        size = min(size // 2, len(found))
    return found


def _bisected(n: int, differs: Callable[[int], bool]) -> int:
    """Return how many of n can be left out at one end, by halves."""
    least, most = 0, n - 1
    while least < most:
        middle = (least + most + 1) // 2
        if differs(middle):
            least = middle
        else:
            most = middle - 1
    return least


def _fewer_assets(differs: Differs, piece: Piece) -> Piece:
    assets = fewest(piece.assets, lambda some: differs(piece._replace(assets=some)))
    return piece._replace(assets=assets)


def _shorter(differs: Differs, piece: Piece) -> Piece:
    slots = piece.slots
    n = _bisected(len(slots), lambda n: differs(piece._replace(slots=slots[: len(slots) - n])))
    slots = slots[: len(slots) - n]
    n = _bisected(len(slots), lambda n: differs(piece._replace(slots=slots[n:])))
    return piece._replace(slots=slots[n:])


def _fewer_slots(differs: Differs, piece: Piece) -> Piece:
    slots = fewest(piece.slots, lambda some: differs(piece._replace(slots=some)))
    return piece._replace(slots=slots)


def _fewer_sources(differs: Differs, piece: Piece, catalog: Catalog, kept: str) -> Piece:
    names = [
        one.name for one in catalog.sources() if one.name not in (*piece.without, "prices", kept)
    ]
    gone = piece.without

    def without(some: tuple[str, ...]) -> Piece:
        return piece._replace(without=gone | (set(names) - set(some)))

    return without(fewest(names, lambda some: differs(without(some))))


def _fewer_columns(
    differs: Differs, piece: Piece, catalog: Catalog, kept: tuple[str, str]
) -> Piece:
    cells = [
        (source.name, column)
        for source in catalog.sources()
        # Of prices all stay: a query that is mended in the script may ask for others.
        if source.name not in {"prices", *piece.without} and not is_made(source)
        for column in catalog.registered(source.name)[0]
        if column not in _KEPT and (source.name, column) != kept
    ]

    def lacking(some: tuple[tuple[str, str], ...]) -> Piece:
        return piece._replace(lacks=frozenset(set(cells) - set(some)))

    return lacking(fewest(cells, lambda some: differs(lacking(some))))
