"""KnownSources: what a function of `Catalog.register` reads."""

from __future__ import annotations

from collections.abc import Mapping

from ml4t.backtest.data.cut.places import places_in, taken_apart
from ml4t.backtest.data.database import Database, EngineError, Relation
from ml4t.backtest.data.sql_files import quote, rows_of
from ml4t.backtest.errors import ConfigError, did_you_mean, require_text

_OVER = "is over when the function returns; return what it reads, and keep nothing of it"


class KnownSources:
    """The sources that were registered before one that a function makes, to be read.

    In an audit they end at a cut, and the function is called anew.

    Parameters
    ----------
    name : str
        Of the source that is made.
    columns : mapping
        Columns of each source that is there, with types.
    database : Database

    Examples
    --------
    Inside the function ``sources.prices.pl()``, ``sources["prices"].df()`` and
    ``sources.sql("select ... from prices")`` are the same rows.
    """

    def __init__(
        self, name: str, columns: Mapping[str, Mapping[str, str]], database: Database
    ) -> None:
        self.timezone = database.timezone
        self._name, self._columns = name, columns
        self._reader: Database | None = database.reader()

    @property
    def names(self) -> list[str]:
        """Names of the sources, in the order in which they were registered."""
        return list(self._columns)

    def columns(self, name: str) -> dict[str, str]:
        """Return the columns of a source, with the types that DuckDB has for them."""
        self[name]
        return dict(self._columns[name])

    def __getitem__(self, name: str) -> Relation:
        """Return the rows of a source under our names, sorted by all its columns from the left."""
        if name not in self._columns:
            raise ConfigError(
                f"source {self._name!r} is made of those registered before it, and {name!r} is "
                f"none of them{did_you_mean(name, self._columns)}"
            )
        return self._session().sql(f"{rows_of(f'main.{quote(name)}')} order by all")

    def __getattr__(self, name: str) -> Relation:
        if name.startswith("_"):  # what Python itself looks for
            raise AttributeError(name)
        try:
            return self[name]
        except ConfigError as error:
            raise AttributeError(str(error)) from error

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._columns]

    def __repr__(self) -> str:
        return f"KnownSources({', '.join(self._columns)})"

    def sql(self, query: str) -> Relation:
        """Query the sources.

        Parameters
        ----------
        query : str
            One query in DuckDB SQL. It reads the sources by their names, and no file.

        Returns
        -------
        duckdb.DuckDBPyRelation
            Lazy. Its rows have the order that the query says, or none.

        Raises
        ------
        ConfigError
            `query` is something else, reads something else, or may read more than can be told.
        """
        session = self._session()
        self._require_own(query, session)
        return session.sql(query)

    def _require_own(self, query: str, session: Database) -> None:
        """Refuse a query that reads anything but the sources."""
        require_text("query", query)
        tree = taken_apart(query, session)
        if tree["error"]:
            if len(session.statements(query)) == 1 and "pivot" in query.lower():
                raise ConfigError(
                    "a PIVOT without the values of its columns takes them from rows of every time; "
                    "say them: pivot ... on x in (...)"
                )
            try:
                session.require_query(query)
            except EngineError as error:
                raise ConfigError(str(error).splitlines()[0]) from error
            raise ConfigError(f"what a query reads cannot be told: {tree['error_message']}")
        beside = [place.written for place in places_in(query, tree, self._columns)]
        if beside:
            raise ConfigError(
                f"a function reads the sources that were registered before it, "
                f"{', '.join(self._columns)}, and its query reads {beside[0]}, of which an audit "
                "could not leave out what came later; register that as a source first"
            )
        try:
            session.require_query(query)
        except EngineError as error:
            raise ConfigError(str(error).splitlines()[0]) from error

    def close(self) -> None:
        """Let nobody read any more."""
        self._reader = None

    def _session(self) -> Database:
        if self._reader is None:
            raise ConfigError(f"what the function of source {self._name!r} was given {_OVER}")
        return self._reader
