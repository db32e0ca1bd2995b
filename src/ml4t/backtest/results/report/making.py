"""Making: tables, views and comments of a result in memory, for the first query that needs them.

They take as long as a small run, and of most results few are asked for.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from threading import Lock

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import schema_of
from ml4t.backtest.results.late import FreshTables, Late
from ml4t.backtest.results.report.view import SCHEMA
from ml4t.backtest.results.report.views import LISTS, comments, views_in
from ml4t.backtest.results.tables import TABLES

_TABLE = re.compile(rf"\b({'|'.join(TABLES)})\b", re.IGNORECASE)
# What puts the name of a table together, so that it stands nowhere.
_PUTS_TOGETHER = re.compile(r"\bquery(_table)?\b|json_execute_serialized_sql", re.IGNORECASE)


def tables_in(text: str) -> set[str]:
    """Return the tables that a query may read; all of them where it lists what there is."""
    if LISTS.search(text) or _PUTS_TOGETHER.search(text):
        return set(TABLES)
    return {name.lower() for name in _TABLE.findall(text)}


class Report:
    """The schema ``report`` of a result in memory, as far as anything has asked for it.

    Parameters
    ----------
    database : Database
    late : Late, optional
        Writes the tables; without it they are all there.
    """

    def __init__(self, database: Database, late: Late | None = None) -> None:
        self._database, self._late = database, late
        self._making = Lock()
        self._made: set[str] = set()
        self._has_comments = False

    def make(self, query: str) -> bool:
        """Make what a query reads of it; return whether it was not there before.

        What was asked before reads on: it sees the tables as they were.
        """
        wanted = views_in(query)
        lists = bool(LISTS.search(query))
        is_wider = self._write(tables_in(query).union(*(tables_in(one.query) for one in wanted)))
        with self._making:
            new = [one for one in wanted if one.name not in self._made]
            statements: list[str] = [one.statement(in_memory=True) for one in new]
            if new and not self._made:
                statements = [schema_of(SCHEMA), *statements]
            if lists and not self._has_comments:
                statements += comments(in_memory=True)
            if statements:
                session = self._database.cursor()
                with session.transaction():
                    session.execute(";".join(statements))
            self._made |= {one.name for one in wanted}
            self._has_comments |= lists
        return bool(statements) or is_wider

    def fresh(self) -> FreshTables | None:
        """Return the tables as the loop kept them, if nobody has asked for them all."""
        return None if self._late is None else self._late.fresh()

    def complete(self) -> bool:
        """Write the tables that nothing has asked for; return whether there was one."""
        return self._write(TABLES)

    def _write(self, names: Collection[str]) -> bool:
        """Write those of some tables that are not there; return whether there was one."""
        return self._late is not None and self._late.write(names, self._database)
