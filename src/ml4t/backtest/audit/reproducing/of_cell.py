"""A cell of a view: the least piece over which it is another than what was known at its bar."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

from ml4t.backtest.audit.comparing import different_rows
from ml4t.backtest.audit.reproducing.cells import (
    FLOAT_KINDS,
    CellValues,
    ViewCell,
    unlike,
    values_at,
)
from ml4t.backtest.audit.reproducing.files import (
    KNOWN_FOLDER,
    WHOLE_FOLDER,
    catalog_over,
    write_known,
)
from ml4t.backtest.audit.reproducing.reproducer import Audited, Leak, Reproducer, counted
from ml4t.backtest.audit.reproducing.scripts import SCRIPT, cell_script
from ml4t.backtest.audit.reproducing.sides import (
    Least,
    Over,
    Sides,
    assets_first,
    bar_number,
    known_of,
    least_piece,
    rows_in,
)
from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.cut.clocks import known_since
from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.cut.piece import Piece, grid_of
from ml4t.backtest.data.cut.piece_catalog import is_made
from ml4t.backtest.data.sql_files import quote, rows_of
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.results.store import open_store


def reproduce_cell(audited: Audited, leak: Leak, folder: Path) -> Reproducer:
    """Write the least piece over which a cell differs, and the script that computes it."""
    folders = folder / WHOLE_FOLDER, folder / KNOWN_FOLDER
    cell, seed, least = _found(audited, leak, folders[0])
    written, timezone = least.sources, audited.setup.catalog.timezone
    whole = catalog_over(written, folders[0], timezone)
    write_known(known_of(whole, least.at, seed), written, folders)
    known = catalog_over(written, folders[1], timezone)
    values, known_values = values_at(cell, whole), values_at(cell, known)
    if not unlike(values, known_values):
        raise ConfigError(
            f"{cell.view}.{cell.column} differs over the sources, and not over files with the same "
            "rows, which a script could read; it may depend on their names or their order"
        )
    prepared = whole.prepare()
    found = Reproducer(
        script=folder / SCRIPT, place=cell.view, column=cell.column, bar=cell.bar.text,
        asset_id=cell.asset_id, whole=_shown(values), known=_shown(known_values),
        cause=_cause(whole, known_of(whole, least.at, seed), cell.bar) or _source(leak),
        sources=tuple(one.name for one in written),
        n_bars=prepared.n_bars, n_assets=prepared.n_assets, n_rows=rows_in(folders[0]),
        n_tries=least.n_tries,
    )  # fmt: skip
    text = cell_script(_says(found), cell, written, timezone, values.largest)
    found.script.write_text(text, encoding="utf-8")
    return found


def _found(audited: Audited, leak: Leak, folder: Path) -> tuple[ViewCell, int | None, Least]:
    """Write the least piece over which a cell differs, cut at its own bar if it does so then."""
    catalog, found = audited.setup.catalog, leak.found
    prepared = catalog.prepare()
    grid, seed = grid_of(prepared), audited.seed if leak.is_poisoned else None
    here, cut = (bar_number(text, catalog, grid) for text in (found.bar, leak.cut))
    columns = prepared.signal_columns if found.place == "signals" else prepared.market_columns
    # Where one side alone has the row, it has its time.
    column = found.column or "timestamp"
    is_number = columns.get(column) in FLOAT_KINDS
    cell = ViewCell(found.place, column, grid.bar(here), None, is_number)

    def found_in(sides: Sides, piece: Piece) -> list[str | None]:
        whole, known = values_at(cell, sides.whole(piece)), values_at(cell, sides.known(piece))
        return unlike(whole, known)

    def settled(sides: Sides, piece: Piece) -> Over:
        # Of a few assets another may differ, as where a rank of all moves one alone.
        nonlocal cell
        there = found_in(sides, piece)
        own = found.asset_id if found.asset_id in there else there[0]
        cell = cell._replace(asset_id=own)
        return differs

    def differs(sides: Sides, piece: Piece) -> bool:
        return bool(found_in(sides, piece))

    for t in dict.fromkeys((here, cut)):
        sides = Sides(catalog, grid, grid.bar(t), seed)
        first = here, assets_first(sides._replace(at=cell.bar), found.asset_id)
        kept = (_source(leak), column)
        least = least_piece(sides, differs, settled, first, kept, folder)
        if least is not None:
            return cell, seed, least
    raise ConfigError(
        f"{found.place}.{found.column} differed at {found.bar} and does not when it is asked for "
        "again; a source may draw by chance, or may have changed since"
    )


def _source(leak: Leak) -> str:
    """Return the source that has the column of a difference."""
    return leak.found.source or "prices"


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


def _shown(values: CellValues) -> str | None:
    value = next(iter(values.by_asset.values()), None)
    return None if value is None else str(value)


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
