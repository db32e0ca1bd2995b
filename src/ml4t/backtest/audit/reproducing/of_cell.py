"""A cell of a view: the least piece over which it is another than what was known at its bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

from ml4t.backtest.audit.comparing import different_rows
from ml4t.backtest.audit.reproducing.cells import FLOAT_KINDS, ViewCell, is_same, values_at
from ml4t.backtest.audit.reproducing.files import (
    KNOWN_FOLDER,
    WHOLE_FOLDER,
    catalog_over,
    write_known,
    write_whole,
)
from ml4t.backtest.audit.reproducing.reproducer import Audited, Leak, Reproducer, counted
from ml4t.backtest.audit.reproducing.scripts import SCRIPT, cell_script
from ml4t.backtest.audit.reproducing.shrinking import Differs, first_piece, shrunk
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.cut.clocks import known_since
from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.cut.cut_catalog import CutCatalog
from ml4t.backtest.data.cut.piece import Grid, Piece, grid_of
from ml4t.backtest.data.cut.piece_catalog import PieceCatalog, PoisonedPiece, WholePiece, is_made
from ml4t.backtest.data.cut.poisoned_catalog import PoisonedCatalog
from ml4t.backtest.data.sql_files import count_of, literal, quote, rows_of
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.results.store import open_store


class _Case(NamedTuple):
    """A cell that differs, and how the catalogs are made in which it does.

    Attributes
    ----------
    catalog : Catalog
    grid : Grid
    cell : ViewCell
    known_of : callable of Catalog
        Returns the catalog of what was known at the bar, or of lies.
    piece_of : callable of Piece
        The same over a piece of the catalog.
    """

    catalog: Catalog
    grid: Grid
    cell: ViewCell
    known_of: Callable[[Catalog], CutCatalog]
    piece_of: Callable[[Piece], PieceCatalog]

    def whole_of(self, piece: Piece) -> WholePiece:
        """Return all rows of a piece."""
        return WholePiece(self.catalog, self.cell.bar, self.grid, piece)

    def differs(self, piece: Piece) -> bool:
        """Say whether the cell is another over what was known of a piece."""
        try:
            whole, largest = values_at(self.cell, self.whole_of(piece))
            known, _ = values_at(self.cell, self.piece_of(piece))
        except Exception:  # whatever sources, or functions of the user's, make of so few rows
            return False
        return not is_same(whole, known, largest)


def reproduce_cell(audited: Audited, leak: Leak, folder: Path) -> Reproducer:
    """Write the least piece over which a cell differs, and the script that computes it."""
    case, differs, piece = _found(audited, leak)
    column = case.cell.column
    source = leak.found.source or "prices"
    piece = shrunk(differs, piece, case.catalog, (source, column))
    folders = folder / WHOLE_FOLDER, folder / KNOWN_FOLDER
    written = write_whole(case.whole_of(piece), folders[0])
    timezone = case.catalog.timezone
    whole = catalog_over(written, folders[0], timezone)
    write_known(case.known_of(whole), written, folders)
    known = catalog_over(written, folders[1], timezone)
    values, largest = values_at(case.cell, whole)
    known_values, _ = values_at(case.cell, known)
    if is_same(values, known_values, largest):
        raise ConfigError(
            f"{case.cell.view}.{column} differs over the sources, and not over files with the same "
            "rows, which a script could read; it may depend on their names or their order"
        )
    cut = case.known_of(whole)
    prepared, database = whole.prepare(), open_store()
    files = map(str, sorted(folders[0].iterdir()))
    counts = [database.rows(count_of(rows_of(literal(one))))[0][0] for one in files]
    found = Reproducer(
        script=folder / SCRIPT, place=case.cell.view, column=column, bar=case.cell.bar.text,
        asset_id=case.cell.asset_id if case.cell.view == "signals" else None,
        whole=_shown(values), known=_shown(known_values),
        cause=_cause(whole, cut, case.cell.bar) or source,
        sources=tuple(one.name for one in written),
        n_bars=prepared.n_bars, n_assets=prepared.n_assets, n_rows=sum(counts),
        n_tries=differs.n_tries,
    )  # fmt: skip
    found.script.write_text(
        cell_script(_says(found), case.cell, written, timezone, largest), encoding="utf-8"
    )
    return found


def _found(audited: Audited, leak: Leak) -> tuple[_Case, Differs, Piece]:
    """Return the first piece over which a cell differs, cut at its own bar if it does so then."""
    catalog, found = audited.setup.catalog, leak.found
    prepared = catalog.prepare()
    grid = grid_of(prepared)
    here, cut = (_number(text, catalog, grid) for text in (found.bar, leak.cut))
    columns = prepared.signal_columns if found.place == "signals" else prepared.market_columns
    is_number = columns[found.column] in FLOAT_KINDS
    cell = ViewCell(found.place, found.column, grid.bar(here), found.asset_id, is_number)
    assets = _assets_first(catalog, cell, grid)
    for t in dict.fromkeys((here, cut)):
        at = grid.bar(t)
        known_of: Callable[[Catalog], CutCatalog] = partial(CutCatalog, bar=at)
        piece_of: Callable[[Piece], PieceCatalog] = partial(PieceCatalog, catalog, at, grid)
        if leak.is_poisoned:
            known_of = partial(PoisonedCatalog, bar=at, seed=audited.seed)
            piece_of = partial(PoisonedPiece, catalog, at, grid, seed=audited.seed)
        case = _Case(catalog, grid, cell, known_of, piece_of)
        differs = Differs(case.differs)
        piece = first_piece(differs, grid, (here, t), assets)
        if piece is not None:
            return case, differs, piece
    raise ConfigError(
        f"{found.place}.{found.column} differed at {found.bar} and does not when it is asked for "
        "again; a source may draw by chance, or may have changed since"
    )


def _number(text: str, catalog: Catalog, grid: Grid) -> int:
    """Return the number of a bar, however its time is written."""
    bar = CutBar(0, text, grid.kind)
    query = rows_of("stage.timeline", "t", where=f"timestamp = {bar.sql}")
    ((t,),) = catalog.prepare().database.rows(query)
    return int(t)


def _assets_first(catalog: Catalog, cell: ViewCell, grid: Grid) -> list[str]:
    """Return all assets: that of the cell, those with a bar there, the others."""
    query = rows_of("signals", "asset_id::varchar", where=f"timestamp = {cell.bar.sql}")
    there = sorted(name for (name,) in catalog.prepare().database.rows(query))
    own = [] if cell.asset_id is None else [cell.asset_id]
    return list(dict.fromkeys([*own, *there, *grid.assets]))


def _cause(whole: Catalog, cut: Catalog, bar: CutBar) -> str | None:
    """Return the first source of which what was known at a bar differs; None: none does."""
    sides = [one.prepare().database for one in (whole, cut)]
    for source in whole.sources():
        if not is_made(source):
            continue
        columns = whole.registered(source.name)[0]
        keys = [name for name in (source.spec.times[0], "asset_id") if name in columns]
        clock = known_since(source)
        database = open_store(whole.timezone)
        for side, each in zip(("whole", "cut"), sides, strict=True):
            known = rows_of(f"main.{quote(source.name)}", where=bar.keeps(clock) if clock else None)
            database.register(side, each.sql(known).to_arrow_table())
        rows = [rows_of(side) for side in ("whole", "cut")]
        if any(different_rows(database, source.name, keys, rows)):
            return source.name
    return None


def _shown(values: Sequence[object]) -> str | None:
    return str(values[0]) if values and values[0] is not None else None


def _says(found: Reproducer) -> str:
    """Return what the script says of itself."""
    where = f" of {found.asset_id}" if found.asset_id else ""
    about = (
        f"`{WHOLE_FOLDER}/` has the fewest rows over which that shows: {found.n_rows:,}, of "
        f"{counted(found.n_bars, 'bar')} and {counted(found.n_assets, 'asset')}. "
        f"`{KNOWN_FOLDER}/` has those of them that were known at the bar. The column is computed "
        "over both, and as long as its values differ this script exits with 1. "
        f"Needed are {', '.join(found.sources)}; "
        f"the first of them that says something else of what was known is {found.cause}."
    )
    head = f"{found.place}.{found.column} at {found.bar}{where} is read from later rows."
    return f"{head}\n\n{fill(about, 96)}\n"
