"""EachCatalog: the sources of another catalog as queries of what was known at any of its bars."""

from __future__ import annotations

from collections.abc import Mapping

from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.cut.cut_bar import CutBar, EachBar
from ml4t.backtest.data.cut.cut_catalog import CutCatalog
from ml4t.backtest.data.cut.definitions import Definitions, MadeName
from ml4t.backtest.data.cut.inputs import Input, RowsUntil, WholeRows, up_to
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.registry import SourceRegistry
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import Sql, quote, rows_of, table_of


class EachCatalog(CutCatalog):
    """A catalog over what another knew at its last bar, and the queries of any bar before it.

    Every query of a source stands in those of the columns that are made of it, with the condition
    that what it reads was known: one statement says what columns were at many bars. What functions
    made stays as it is, cut by its clock.

    Parameters
    ----------
    base : Catalog
    last : CutBar
        The last bar of all.
    """

    def __init__(self, base: Catalog, last: CutBar) -> None:
        self._base, self._bar, self._inputs = base, EachBar(*last), dict[str, tuple[Input, ...]]()
        self._definitions, self._n_kept = Definitions(self._instead), 0
        SourceRegistry.__init__(
            self, threads=base._threads, memory_limit=base._memory_limit, timezone=base.timezone,
            listener=self._definitions,
        )  # fmt: skip
        self.take_over(base.sources())

    @property
    def base(self) -> Catalog:
        """The catalog of everything."""
        return self._base

    @property
    def bar(self) -> EachBar:
        """The bar that is in the queries."""
        assert isinstance(self._bar, EachBar)
        return self._bar

    def at_bar(self, query: str) -> str:
        """Return a query over relations of this catalog as one of what was known at a bar.

        Raises
        ------
        ConfigError
            DuckDB does not say where in it, or in the query of a source, a relation stands.
        """
        return self._definitions.written_out(query, self._database)

    def not_computed(self, source: Source) -> str:
        """Return why the query of a source is not in those of its columns; empty: it is."""
        if source.function is None:
            return ""
        return f"function {source.function.name} makes it, and is called at the cuts alone"

    @property
    def dropped(self) -> set[str]:
        """The sources whose queries are not in those of their columns, for rows were dropped."""
        return {one.name for one in self.sources() if one.drop_bad_rows and _is_query(one)}

    def _connect(self) -> Database:
        database = super()._connect()
        for statement in self.bar.telling(self._bar.text, self._bar.text):
            database.execute(statement)
        return database

    def _fresh(self, source: Source) -> Source:
        return source

    def _until(self) -> RowsUntil:
        def rows(relation: str, kinds: Mapping[str, str], time: str, items: str) -> Sql:
            # Kept: it is read once for all bars, and no file is once the session is locked.
            return up_to(self._bar)(self._kept(relation, items), kinds, time, "*")

        return rows

    def _whole(self) -> WholeRows:
        return lambda relation: rows_of(self._kept(relation, "*"))

    def _kept(self, relation: str, items: str) -> str:
        self._n_kept += 1
        target = f"raw.{quote(f'__input {self._n_kept}')}"
        self._database.execute(table_of(target, rows_of(relation, items)))
        return target

    def _instead(self, target: MadeName) -> str | None:
        """Return the query of what is not made of anything that is cut; see `Definitions`."""
        schema, name = target
        own = {source.name.lower(): source for source in self.sources()}
        if schema == "raw":
            return None if name in own and _is_query(own[name]) else ""
        kept = own.get(name.removesuffix(" kept"))
        if schema == "stage" and name.endswith(" kept") and kept is not None:
            rows = rows_of(f"stage.{quote(f'{kept.name} kept')}")
            return self._known(kept, rows, self._found[kept.name])
        return None


def _is_query(source: Source) -> bool:
    return isinstance(source.given, str) and not source.is_files
