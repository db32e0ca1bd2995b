"""CatalogRecipe: how a catalog is opened again, in another process: paths, and no rows."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import quote, rows_of


class TableFile(NamedTuple):
    """An Arrow file with the rows of a source that was in memory."""

    path: Path


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
        Gets the rows of sources in memory.
    cache : Path or None
        Of a store of prepared data.
    """
    database = catalog.prepare().database
    sources = tuple(_written(one, folder, database) for one in catalog.sources())
    return CatalogRecipe(sources, catalog.timezone, catalog.memory_limit, cache)


def _written(source: Source, folder: Path, database: Database) -> Source:
    if source.is_files:
        return source._replace(given=source.paths())  # absolute: a worker may stand elsewhere
    if isinstance(source.given, str):
        return source
    from pyarrow import ipc

    rows = database.arrow(rows_of(f"raw.{quote(source.name)}"))
    path = folder / f"{source.name}.arrow"
    with ipc.new_file(str(path), rows.schema) as writer:
        writer.write_table(rows)
    return source._replace(given=TableFile(path))


def _opened(source: Source) -> Source:
    if not isinstance(source.given, TableFile):
        return source
    import pyarrow as pa

    rows = pa.ipc.open_file(pa.memory_map(str(source.given.path))).read_all()
    return source._replace(given=rows)
