"""CutCatalog: the sources of another catalog, as they were known at a bar, or as of one."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from ml4t.backtest.data.catalog import Catalog
from ml4t.backtest.data.cut.clocks import WHOLE_ROLES, known_since, lagged
from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.cut.inputs import Input, RowsUntil, WholeRows, cut_query, up_to
from ml4t.backtest.data.registry import SourceRegistry
from ml4t.backtest.data.sources.naming import AVAILABLE_AT
from ml4t.backtest.data.sources.roles.terms import ASSETS_ROLE
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import Sql, only_if, parquet_of, quote, render, rows_of

_OF_ROWS = ("asset_id", AVAILABLE_AT)
# Roles of which rows hold beyond their time, so that none are history that a cut takes.
_LASTING = ("universe", "actions", "assets")


class CutSource(NamedTuple):
    """How a source was cut.

    Attributes
    ----------
    name : str
    clock : str
        Expression whose later rows were left out; empty: none were.
    why : str
        Why none were.
    inputs : tuple of Input
        What its query reads; nothing where it is none.
    """

    name: str
    clock: str
    why: str
    inputs: tuple[Input, ...]


class CutCatalog(Catalog):
    """A catalog over what another knew at a bar.

    Queries are computed anew, over files and sources that end there. Rows that were given are left
    out by their clock; what they were computed from is not seen here. Of a bar that `is_first` what
    came before it is left out instead, but for memberships and actions.

    Parameters
    ----------
    base : Catalog
    bar : CutBar
    """

    def leaks(self) -> list[dict[str, object]]:
        """Return nothing: it is the queries of its base, of which that is asked."""
        return []

    def __init__(self, base: Catalog, bar: CutBar) -> None:
        self._base, self._bar, self._inputs = base, bar, dict[str, tuple[Input, ...]]()
        SourceRegistry.__init__(
            self, threads=base._threads, memory_limit=base._memory_limit, timezone=base.timezone
        )
        self.take_over(base.sources())

    @property
    def cut_sources(self) -> list[CutSource]:
        """How each source was cut, in the order in which they were registered."""
        return [
            CutSource(
                name=source.name, clock=clock, why="" if clock else WHOLE_ROLES[source.role],
                inputs=self._inputs.get(source.name, ()),
            )
            for source in self.sources()
            for clock in [known_since(source)]
        ]  # fmt: skip

    def known_of(self, file: str) -> str:
        """Return the query of the rows of a file that were known, given as in a query."""
        text = rows_of(file)
        return cut_query(text, self._bar, (), self._database, self._until()).text

    def write(self, query: str, path: Path) -> None:
        """Write the rows of a query to a file of Parquet; before anything is prepared."""
        self._database.execute(parquet_of(query, path))

    def _fresh(self, source: Source) -> Source:
        function = source.function
        if source.checked is not None:
            self._inputs[source.name] = (Input(f"record {source.checked}", ""),)
        if function is None:
            return source
        with self._base.calling(function.name):
            made, _ = self._made(function)
        self._inputs[source.name] = (Input(f"function {function.name}", ""),)
        return source._replace(given=made.rows)

    def _attach(self, source: Source) -> dict[str, str]:
        given = source.given
        if isinstance(given, str) and not source.is_files:
            cut = cut_query(
                given, self._bar, self._sources, self._database, self._until(), self._whole()
            )
            self._inputs[source.name] = cut.inputs
            source = source._replace(given=cut.text)
        return super()._attach(source)

    def _until(self) -> RowsUntil:
        """Return what makes the rows of a file that are known at the bar."""
        return up_to(self._bar)

    def _whole(self) -> WholeRows | None:
        """Return what makes the rows of a file that has no time; None: it is read as it stands."""
        return None

    def _known(self, source: Source, select: Sql, columns: Collection[str]) -> Sql:
        clock, until = known_since(source), self._bar.sql
        if not clock or (self._bar.is_first and source.role in _LASTING):
            return select
        if source.role == "assets":
            # Terms count from the first bar on; what is told of an asset later has no text yet.
            told = [name for name in columns if name not in (*ASSETS_ROLE.optional, *_OF_ROWS)]
            later = ", ".join(
                f"{only_if(f'{clock} <= {until}', quote(name))} as {quote(name)}" for name in told
            )
            return render(
                "signals/first_or_known", source=f"({select})", clock=clock, until=until,
                items=f"* replace ({later})" if later else "*",
            )  # fmt: skip
        items = "*"
        if source.role == "universe" and source.available_at is None:
            # That a membership ends later was not known.
            end = lagged("end_date", source)
            items = f"* replace ({only_if(f'{end} <= {until}', 'end_date')} as end_date)"
        keeps = self._bar.knows if source.role in _LASTING else self._bar.keeps
        return rows_of(f"({select})", items, where=keeps(clock))
