"""CatalogRecipe: how a catalog is opened again, in another process: paths, and no rows."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.source import Source, TypedRows
from ml4t.backtest.data.sql_files import quote, rows_of


class TableFile(NamedTuple):
    """An Arrow file with the rows of a source that was in memory, or a query.

    Attributes
    ----------
    path : Path
    types : dict
        Types of its columns, of which Arrow has no word for some: whole numbers of 128 bits, as
        sums are, and choices.
    """

    path: Path
    types: dict[str, str]


class CatalogRecipe(NamedTuple):
    """What a catalog is made of.

    Attributes
    ----------
    sources : tuple of Source
        Each of files, or of a `TableFile`.
    timezone : str
    memory_limit : str or None
    cache : Path or None
        Of a store of prepared data.
    """

    sources: tuple[Source, ...]
    timezone: str
    memory_limit: str | None
    cache: Path | None

    def open(self, threads: int | None = None) -> Catalog:
        """Return a catalog of its own over the same sources; the rows of a file are mapped."""
        catalog = Catalog(
            threads=threads, memory_limit=self.memory_limit, timezone=self.timezone,
            cache=self.cache,
        )  # fmt: skip
        catalog.take_over(map(_opened, self.sources))
        return catalog


def recipe_of(catalog: Catalog, folder: Path, cache: Path | None) -> CatalogRecipe:
    """Return how a catalog is opened again.

    Parameters
    ----------
    folder : Path
        Gets the rows of sources that are no files: those in memory, and of queries.
    cache : Path or None
        Of a store of prepared data.
    """
    database = catalog.prepare().database
    sources = tuple(_written(one, folder, database) for one in catalog.sources())
    return CatalogRecipe(sources, catalog.timezone, catalog.memory_limit, cache)


def _written(source: Source, folder: Path, database: Database) -> Source:
    if source.is_files:
        return source._replace(given=source.paths())  # absolute: a worker may stand elsewhere
    from pyarrow import ipc

    query = rows_of(f"raw.{quote(source.name)}")
    rows = database.sql(query).to_arrow_reader()
    path = folder / f"{source.name}.arrow"
    with ipc.new_file(str(path), rows.schema) as writer:
        for batch in rows:
            writer.write_batch(batch)
    function = source.function
    return source._replace(
        given=TableFile(path, database.schema(query)),
        # What it closes over may not go to another process; its rows do.
        function=function and function.as_recorded(),
    )


def _opened(source: Source) -> Source:
    if not isinstance(source.given, TableFile):
        return source
    import pyarrow as pa

    rows = pa.ipc.open_file(pa.memory_map(str(source.given.path))).read_all()
    return source._replace(given=TypedRows(rows, source.given.types))
