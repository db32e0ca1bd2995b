"""Making: the views and comments of a result in memory, for the first query that needs them.

They take as long as to store a small run, and most results nobody asks for them.
"""

from __future__ import annotations

import re
from threading import Lock

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import schema_of
from ml4t.backtest.results.late import Late
from ml4t.backtest.results.report.view import SCHEMA
from ml4t.backtest.results.report.views import LISTS, comments, views_in
from ml4t.backtest.results.tables import TABLES

# Names a table that is written late, or puts the name of a table together.
LATE = re.compile(
    "|".join([*(table.name for table in TABLES.values() if table.is_on_demand), "query_table"]),
    re.IGNORECASE,
)


class Report:
    """The schema ``report`` of a result in memory, as far as anything has asked for it.

    Parameters
    ----------
    database : Database
    late : Late, optional
        Writes the table that the run has left out.
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
        is_wider = False
        if lists or LATE.search(query) or any(LATE.search(one.query) for one in wanted):
            is_wider = self.complete()
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

    def complete(self) -> bool:
        """Write the tables that the run has left out; return whether there was one."""
        return self._late is not None and self._late.write(self._database)
