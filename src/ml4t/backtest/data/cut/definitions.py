"""Definitions: the queries behind tables and views of a database, put into one another.

A view that was made of views, and of tables that are queries kept, becomes one query over what
nobody made. Statements are heard as they are made, and DuckDB's own parser says where in the text
of each the others stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ml4t.backtest.data.cut.places import ReadPlace, places_in, taken_apart, with_others
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.listening import Ask, Listener
from ml4t.backtest.data.sql_files import columns, quote
from ml4t.backtest.errors import ConfigError

_NAME = r'(?:"(?:""|[^"])*"|\w+)'
# What a statement makes, and of which query.
_MADE = rf"\s*create (?:or replace )?(?:table|view) (?P<target>{_NAME}(?:\.{_NAME})?) as\s"
MadeName = tuple[str, str]


class Definition(NamedTuple):
    """What a table or a view was made of.

    Attributes
    ----------
    target : tuple of str
        Its schema and its name, in lower case.
    query : str
    """

    target: MadeName
    query: str


class Definitions(Listener):
    """Hears of the tables and views that a database makes, and writes out what is behind them.

    Parameters
    ----------
    instead : callable
        Returns the query of a relation where it is not what it was made of, else None. Where it is
        empty, the relation stays as it is.
    """

    def __init__(self, instead: Callable[[MadeName], str | None]) -> None:
        self._instead = instead
        self._made: list[Definition] = []
        self._written: dict[int, str] = {}

    def statement(
        self,
        text: str,
        parameters: Mapping[str, object] | None,  # noqa: ARG002 - a table of ours takes none
        ask: Ask,  # noqa: ARG002 - the text says all
    ) -> None:
        """Keep what makes a table or a view."""
        made = re.match(_MADE, text, re.IGNORECASE)
        if made is not None:
            query = text[made.end() :].strip().rstrip(";")
            *schema, name = map(_unquoted, re.findall(_NAME, made["target"]))
            self._made.append(Definition(_target(schema[0] if schema else "", name), query))

    def frame(self, name: str, ask: Ask) -> None:
        """Rows that Python hands over are made of nothing."""

    def written_out(self, query: str, database: Database) -> str:
        """Return a query over relations that nobody made.

        Parameters
        ----------
        query : str
        database : Database
            Of which this heard.

        Raises
        ------
        ConfigError
            DuckDB does not say where in a query a relation stands.
        """
        return self._with(query, len(self._made), database)

    def _with(self, query: str, until: int, database: Database) -> str:
        """Return a query in which what was made before a number of others is written out."""
        tree, said = taken_apart(query, database), dict[ReadPlace, str]()
        if tree["error"]:
            raise ConfigError("DuckDB does not take such a query apart")
        for place in places_in(query, tree, ()):
            behind = "" if place.function else self._behind(_target(*place.target), until, database)
            if place.start is None or (behind and place.is_sampled):
                raise ConfigError(f"DuckDB does not say how {place.written} stands in the query")
            if behind:
                names = f"({columns(place.columns)})" if place.columns else ""
                # The end on a line of its own: a query of the user's may end with a comment.
                said[place] = f"({behind}\n) as {quote(place.name)}{names}"
        return with_others(query, said)

    def _behind(self, target: MadeName, until: int, database: Database) -> str:
        """Return the query of what was last made under a name; empty: nobody made it."""
        told = self._instead(target)
        if told is not None:
            return told
        for i in range(until - 1, -1, -1):
            if self._made[i].target == target:
                if i not in self._written:
                    self._written[i] = self._with(self._made[i].query, i, database)
                return self._written[i]
        return ""


def _target(schema: str, name: str) -> MadeName:
    return (schema or "main").lower(), name.lower()


def _unquoted(name: str) -> str:
    return name.strip('"').replace('""', '"')
