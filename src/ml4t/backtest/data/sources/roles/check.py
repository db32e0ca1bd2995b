"""Check: what rows of a source must not be, and what a user is told of those that are.

A check is a file that selects offending rows and a `Check` in the spec of each role that it is of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from ml4t.backtest.data.sql_files import quote, render

# Rows that cannot be right are refused, and may be dropped; rows that contradict each other are
# refused, and none can be dropped for the other; rows that may be right are a warning, in
# ``catalog.checks()``, the summary and ``runs.warnings``, and are used as they are.
Severity = Literal["refusal", "contradiction", "warning"]


class CheckedRows(NamedTuple):
    """The rows that a check looks at.

    Attributes
    ----------
    relation : str
    columns : mapping
        Those that are there, with types; not the number that a copy gives to its rows.
    key : tuple of str
        What tells rows apart, of a source with a clock its column too.
    times : tuple of str
        The columns that hold times.
    has_clock : bool
        Whether a column says when each row became known.
    """

    relation: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    times: tuple[str, ...]
    has_clock: bool

    def value_of(self, *names: str, nothing: str = "null::double") -> str:
        """Return the expression of the first of some columns that has a value.

        `nothing` stands for it where none of them is there.
        """
        there = [name for name in names if name in self.columns]
        return f"coalesce({', '.join(there)})" if there else nothing


class Check(NamedTuple):
    """One check, of one role or of several.

    Attributes
    ----------
    rule : str
        Its name, and that of its file in ``sql/checks``.
    text : str
        What is wrong with the rows that it selects, and the way out.
    severity : {"refusal", "contradiction", "warning"}
    shows_rows : bool
        Whether a warning names the first of its rows.
    applies : callable
        Whether it can be asked of rows; of all where none is given.
    places : callable
        The places of its file beside ``:source``, by name.
    """

    rule: str
    text: str
    severity: Severity = "refusal"
    shows_rows: bool = False
    applies: Callable[[CheckedRows], bool] = lambda _: True
    places: Callable[[CheckedRows], dict[str, str]] = lambda _: {}

    def query(self, rows: CheckedRows) -> str:
        """Return the SQL that selects the offending ones of `rows`."""
        return render(f"checks/{self.rule}", source=rows.relation, **self.places(rows))


class Agreement(NamedTuple):
    """What rows of two sources must not be beside each other.

    Attributes
    ----------
    rule, text : str
        As of a check.
    statement : str
        Its file under ``sql``; it names both sources, of whose roles a run has one each.
    reads : tuple of (str, str)
        The roles and columns that it reads; without one of them there is nothing to agree on.
    """

    rule: str
    text: str
    statement: str
    reads: tuple[tuple[str, str], ...]


def has(*columns: str) -> Callable[[CheckedRows], bool]:
    """Say of rows whether they have all of the columns."""
    return lambda rows: rows.columns.keys() >= set(columns)


NULL_TIMESTAMP = Check(rule="null_timestamp", text="has rows without a timestamp; remove them")
NULL_ASSET_ID = Check(rule="null_asset_id", text="has rows without an asset_id; remove them")
NULL_AVAILABLE_AT = Check(
    rule="null_available_at",
    text="has rows that say never when they became known; fill available_at",
    applies=lambda rows: rows.has_clock,
)
INFINITE_TIME = Check(
    rule="infinite_time",
    text="has rows at an infinite time (in Python the first or last date that there is); remove "
    "them",
    applies=lambda rows: bool(rows.times),
    places=lambda rows: {
        "is_infinite": " or ".join(f"not isfinite({name})" for name in rows.times)
    },
)
DUPLICATE_ROWS = Check(
    rule="duplicate_rows",
    text="has rows that are there more than once; keep one of each, and make one row of two equal "
    "dividends",
    places=lambda rows: {
        "keys": ", ".join(rows.key), "every_column": ", ".join(map(quote, rows.columns))
    },
)  # fmt: skip
DUPLICATE_KEYS = Check(
    rule="duplicate_keys",
    text="has more than one row for a key; keep one row per key",
    places=lambda rows: {"keys": ", ".join(rows.key)},
)
# What becomes known at a time, in the order of the report.
CLOCKED = (NULL_AVAILABLE_AT, INFINITE_TIME, DUPLICATE_KEYS)
# Of a source of which a run may use nothing: hints where its spelling looks wrong.
QUIET = (
    Check(
        rule="asset_spelled_otherwise",
        text="has an asset_id that prices spell otherwise, and does nothing; compare the spelling "
        "of both",
        severity="warning",
    ),
    Check(
        rule="no_common_asset",
        text="has no asset_id in common with prices, and does nothing; compare the spelling of "
        "both, unless nothing happened",
        severity="warning",
    ),
)
