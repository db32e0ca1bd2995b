"""The files of a reproducer: a piece of the sources, whole, and as it was known at a bar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.computed.source_function import SourceFunction
from ml4t.backtest.data.cut.cut_catalog import CutCatalog
from ml4t.backtest.data.cut.piece_catalog import WholePiece, is_made, is_query
from ml4t.backtest.data.cut.places import with_others
from ml4t.backtest.data.sources.roles import Role
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import literal, quote, rows_of

# What stands in a query for the folder of its files.
FOLDER_PLACE = "{folder}"
WHOLE_FOLDER, KNOWN_FOLDER = "all", "known"
_ENDING = ".parquet"


class WrittenSource(NamedTuple):
    """A source of a reproducer.

    Attributes
    ----------
    role, name : str
    options : mapping
        Further arguments of `Catalog.register`.
    file : str
        With its rows; empty where it is made of others.
    query : str
        That makes it, with `FOLDER_PLACE` in place of the folder of its files; empty: none does.
    function : SourceFunction or None
        That makes it.
    files : tuple of str
        Of those that the query reads.
    """

    role: Role
    name: str
    options: Mapping[str, object]
    file: str = ""
    query: str = ""
    function: SourceFunction | None = None
    files: tuple[str, ...] = ()


def write_whole(piece: WholePiece, folder: Path) -> list[WrittenSource]:
    """Write the rows of a piece that were given, and what its queries read beside sources."""
    folder.mkdir(parents=True)
    return [_written(one, piece, folder) for one in piece.sources()]


def write_known(
    cut: CutCatalog, sources: Sequence[WrittenSource], folders: tuple[Path, Path]
) -> None:
    """Write the rows of each file that a catalog over the first of two folders leaves."""
    whole, known = folders
    known.mkdir()
    for source in sources:
        if source.file:
            cut.write(rows_of(f"main.{quote(source.name)}"), known / source.file)
        for file in source.files:
            cut.write(cut.known_of(literal(str(whole / file))), known / file)


def catalog_over(sources: Sequence[WrittenSource], folder: Path, timezone: str) -> Catalog:
    """Return a catalog over the files of a folder, as the script has it."""
    catalog = Catalog(timezone=timezone)
    for one in sources:
        given: object = folder / one.file
        if one.query:
            given = over(one.query, folder)
        elif one.function is not None:
            given = one.function.call
        catalog.register(one.role, given, name=one.name, **one.options)  # type: ignore[arg-type]
    return catalog


def over(query: str, folder: Path) -> str:
    """Return a query over the files of a folder."""
    return query.replace(FOLDER_PLACE, literal(str(folder))[1:-1])


def _written(source: Source, piece: WholePiece, folder: Path) -> WrittenSource:
    options = {name: value for name, value in _options(source) if value is not None}
    written = WrittenSource(source.role, source.name, options)
    if source.function is not None:
        return written._replace(function=source.function)
    if not is_query(source):
        file = source.name + _ENDING
        piece.write(f"{rows_of(f'main.{quote(source.name)}')} order by all", folder / file)
        return written._replace(file=file)
    places, files = piece.places(source), dict[str, str]()
    for place, rows in places.items():
        if place.written in files:
            continue
        stem = "".join(letter if letter.isalnum() else "_" for letter in place.name)
        file = f"{source.name}_{stem}{_ENDING}"
        file = file if file not in files.values() else f"{source.name}_{len(files)}{_ENDING}"
        piece.write(f"{rows} order by all", folder / file)
        files[place.written] = file
    instead = {one: f"'{FOLDER_PLACE}/{files[one.written]}' as {quote(one.name)}" for one in places}
    query = with_others(str(source.given), instead)
    return written._replace(query=query, files=tuple(files.values()))


def _options(source: Source) -> Iterator[tuple[str, object]]:
    """Yield the arguments by which a source is registered again."""
    yield "lag", source.lag
    yield "max_age", source.max_age
    yield "on_bad_rows", "drop" if source.drop_bad_rows else None
    if is_made(source):
        yield "columns", dict(source.columns) or None
        yield "available_at", source.available_at
        yield "date_format", source.date_format
        yield "stamp", None if source.stamp_shift is None else "open"
        yield "adjusted", source.adjusted
    else:
        yield "adjusted", True if isinstance(source.adjusted, str) else source.adjusted
