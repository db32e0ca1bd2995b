"""A query over whole tables, and over what was known of them: in which columns it differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from causality.panels import Panel

_SELECT = "select *, ({clock})::timestamp as __known_at from ({query}\n) as rows_of_query"


class Differing(NamedTuple):
    """Columns that differ: without later rows, and without any but those of their own time."""

    without_future: set[str]
    without_history: set[str]


def differing(query: str, clock: str, panel: Panel) -> Differing:
    """Return the columns of a query that differ at or before a cut, in any of a panel.

    Of a query without a clock every row is compared.
    """
    text = _SELECT.format(query=query, clock=clock or "null")
    names, whole = _run(text, "whole", panel)
    found = Differing(set(), set())
    for i, cut in enumerate(panel.cuts):
        _, until = _run(text, f"until_{i}", panel)
        _, at = _run(text, f"at_{i}", panel)
        for schema, at_once, into in ((until, False, found[0]), (at, True, found[1])):
            sides = [
                _counted(rows, len(names), cut if clock else None, at_once)
                for rows in (whole, schema)
            ]
            into |= {name for name, *pair in zip(names, *sides, strict=True)
                     if pair[0] != pair[1]}  # fmt: skip
    return found


def _run(text: str, schema: str, panel: Panel) -> tuple[list[str], list[tuple[Any, ...]]]:
    panel.connection.execute(f"use memory.{schema}")
    cursor = panel.connection.execute(text)
    return [one[0] for one in cursor.description][:-1], cursor.fetchall()


def _counted(
    rows: Sequence[tuple[Any, ...]], n: int, cut: datetime | None, at_once: bool
) -> list[Counter[Any]]:
    """Return how often each value of each column stands in the rows that are known at a cut."""
    if cut is not None:
        rows = [row for row in rows if row[-1] is not None
                and (row[-1] == cut if at_once else row[-1] <= cut)]  # fmt: skip
    return [Counter((row[-1], _plain(row[i])) for row in rows) for i in range(n)]


def _plain(value: object) -> object:
    """Return what can be counted, and is the same where floats were added in another order."""
    if isinstance(value, float):
        return f"{value + 0.0:.9g}"
    return value if isinstance(value, int | str | datetime) else repr(value)
