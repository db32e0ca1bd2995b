"""View: the declaration of a view of the schema ``report``, one file under ``sql/report``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ml4t.backtest.data.sql_files import Sql, comment, comment_on, read, table_of, view_of

SCHEMA = "report"
IS_NAMED = re.compile(rf"\b{SCHEMA}\b", re.IGNORECASE)
# A view as a query names it.
NAMED = re.compile(rf'\b{SCHEMA}"?\s*\.\s*"?(\w+)', re.IGNORECASE)


class View(NamedTuple):
    """A view of the schema ``report``.

    It takes no parameter, reads the tables as ``main.equity`` and other views as ``report.x``, and
    uses nothing that DuckDB 1.2 lacks: any client of a saved file runs it.

    Attributes
    ----------
    name : str
        Of the view, and of its file under ``sql/report``; no table has it.
    comment : str
        What it shows, in one line; written into the view.
    columns : mapping of str to str
        What columns mean, with unit and sign, where their name does not say it.
    is_kept : bool
        In memory it is a table: there it cannot change, and DuckDB would plan and compute it again
        wherever another view reads it. For what has one row, or one per bar at the most.
    """

    name: str
    comment: str
    is_kept: bool = False
    columns: Mapping[str, str] = {}

    @property
    def place(self) -> str:
        """The name by which SQL reads it."""
        return f"{SCHEMA}.{self.name}"

    @property
    def query(self) -> Sql:
        """The query that it stands for."""
        return read(f"report/{self.name}")

    def statement(self, *, in_memory: bool = False) -> Sql:
        """Return the statement that makes it."""
        make = table_of if in_memory and self.is_kept else view_of
        return make(self.place, self.query)

    def comments(self, *, in_memory: bool = False) -> list[str]:
        """Return the statements that write what it and its columns mean into it.

        In a file all of it stands in the view's own comment: one for each column would take as
        long as to save a small run.
        """
        if in_memory:
            kind = "table" if self.is_kept else "view"
            return [
                comment_on(kind, self.name, self.comment, schema=SCHEMA),
                *(
                    comment(self.name, name, text, schema=SCHEMA)
                    for name, text in self.columns.items()
                ),
            ]
        means = (f"{name}: {text}" for name, text in self.columns.items())
        return [comment_on("view", self.name, "\n".join([self.comment, *means]), schema=SCHEMA)]

    @property
    def reads(self) -> tuple[str, ...]:
        """Other views that it reads, each once."""
        return tuple(dict.fromkeys(NAMED.findall(self.query)))
