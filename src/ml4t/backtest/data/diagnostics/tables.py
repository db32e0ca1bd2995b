"""Tables: what a diagnosis found, as tables of a session that writes nothing any more."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from ml4t.backtest.data.database import Database, Relation
from ml4t.backtest.data.sql_files import quote, rows_of
from ml4t.backtest.errors import did_you_mean

# Rows of the table that a notebook shows.
N_ROWS_SHOWN = 20


class Tables:
    """Tables of a session, each an attribute: a lazy relation.

    Parameters
    ----------
    database : Database
        The session in which they are temporary tables.
    tables : mapping of str to str
        What each shows, in one line. The first is the one that a notebook shows.
    title : str
    """

    def __init__(self, database: Database, tables: Mapping[str, str], title: str) -> None:
        self._database, self.tables, self.title = database.only_reads(), dict(tables), title

    @property
    def timezone(self) -> str:
        """The zone of the catalog, whose clock shows times with a zone."""
        return self._database.timezone

    def __getattr__(self, name: str) -> Relation:
        """Return a table; ``.pl()``, ``.df()``, ``.fetchall()`` read it."""
        if name.startswith("_") or name not in self.tables:
            kind = type(self).__name__
            hint = did_you_mean(name, self.tables) if "tables" in self.__dict__ else ""
            raise AttributeError(f"a {kind} has no table {name!r}{hint}")
        return self._database.sql(rows_of(f"temp.{quote(name)}"))

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.tables})

    def sql(self, query: str) -> Relation:
        """Query the tables, and the catalog's sources and views beside them.

        Parameters
        ----------
        query : str
            One query in DuckDB SQL, which only reads.

        Raises
        ------
        ConfigError
            It is something else, or would write.
        """
        self._database.only_reads().require_query(query)
        return self._database.sql(query)

    def __repr__(self) -> str:
        lines = (f"  {name}: {text}" for name, text in self.tables.items())
        return "\n".join([f"<{self.title}>", *lines])

    def _repr_html_(self) -> str:
        """Show the first table as a notebook does tables, and name the others."""
        first, *others = self.tables
        rows = getattr(self, first)
        named = f"<p>also {escape(', '.join(others))}</p>" if others else ""
        return f"<p><b>{escape(self.title)}</b>: {escape(first)}</p>{rows_html(rows)}{named}"


def rows_html(rows: Relation) -> str:
    """Return the first rows of a relation as a notebook shows tables."""
    head = "".join(f"<th>{escape(str(name))}</th>" for name in rows.columns)
    found = rows.limit(N_ROWS_SHOWN + 1).fetchall()
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(_shown(value))}</td>' for value in row)}</tr>"
        for row in found[:N_ROWS_SHOWN]
    )
    more = f"<p>the first {N_ROWS_SHOWN} rows</p>" if len(found) > N_ROWS_SHOWN else ""
    return f"<table><tr>{head}</tr>{body}</table>{more}"


def _shown(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
