"""The tables of an audit: what each says, and its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pyarrow import Table as ArrowTable

# In place of types of Arrow's: that of the bars, and that of when something was known.
OF_BARS, OF_CLOCKS = "bar", "clock"


class AuditTable(NamedTuple):
    """One table of an audit.

    Attributes
    ----------
    about : str
        What its rows are, in one line.
    fields : mapping of str to str
        Name of each column, and its type in Arrow's words; `OF_BARS` for times of the bars, which
        are given as text in rows, and `OF_CLOCKS` for times at which something became known.
    is_long : bool
        It grows with the decisions of the run: kept with it, and not printed.
    """

    about: str
    fields: Mapping[str, str]
    is_long: bool = False


class AuditPart(NamedTuple):
    """What one part of an audit found.

    Attributes
    ----------
    rows : mapping of str to sequence of tuple
        Rows of each of its tables, their cells in the order of the fields.
    said : str
        For the title; empty: nothing that a title has.
    is_clean : bool
        Nothing is proved wrong.
    many : mapping of str to Arrow table
        The long ones among its tables.
    """

    rows: Mapping[str, Sequence[tuple[object, ...]]]
    said: str = ""
    is_clean: bool = True
    many: Mapping[str, ArrowTable] = {}


AUDIT_TABLES = {
    "differences": AuditTable(
        "what is different at a bar up to a cut: it was read from the future",
        {
            "cut": OF_BARS, "place": "string", "column": "string", "n_rows": "int64",
            "bar": OF_BARS, "asset_id": "string", "whole_value": "string", "cut_value": "string",
            "source": "string",
        },
    ),
    "cuts": AuditTable(
        "the bars at which the sources were cut, and why there",
        {"cut": OF_BARS, "reason": "string", "n_places": "int64", "problem": "string"},
    ),
    "exhaustive": AuditTable(
        "at how many bars each column of SQL is something else than was known at them",
        {
            "place": "string", "column": "string", "source": "string", "n_bars": "int64",
            "n_bars_differ": "int64", "n_rows": "int64", "bar": OF_BARS, "asset_id": "string",
            "whole_value": "string", "known_value": "string", "how": "string", "why": "string",
        },
    ),
    "delays": AuditTable(
        "what is left of the run where one source is known later, or as it stands today",
        {
            "source": "string", "delay": "string", "n_signals": "int64",
            "n_signals_changed": "int64", "share_selections_kept": "float64",
            "share_orders_kept": "float64", "n_trades": "int64", "total_return": "float64",
            "sharpe": "float64", "final_value": "float64", "n_trades_change": "int64",
            "total_return_change": "float64", "sharpe_change": "float64",
            "final_value_change": "float64", "why": "string",
        },
    ),
    "sources": AuditTable(
        "how each source was cut, and of which nothing was",
        {"source": "string", "input": "string", "clock": "string", "why": "string"},
    ),
    "poisoned": AuditTable(
        "what is different at a bar up to a cut behind which all rows lie: it was read from them",
        {
            "cut": OF_BARS, "place": "string", "column": "string", "n_rows": "int64",
            "bar": OF_BARS, "asset_id": "string", "whole_value": "string",
            "poisoned_value": "string", "source": "string", "problem": "string",
        },
    ),
    "fill_checks": AuditTable(
        "what must hold of all fills, and the first row that offends",
        {
            "check": "string", "says": "string", "n_checked": "int64", "n_failed": "int64",
            "bar": OF_BARS, "asset_id": "string", "what": "string", "unchecked": "string",
        },
    ),
    "inputs": AuditTable(
        "how old what decisions read of each source was, in days",
        {
            "source": "string", "n_inputs": "int64", "n_missing": "int64", "n_not_known": "int64",
            "min_age_days": "double", "median_age_days": "double", "max_age_days": "double",
        },
    ),
    "decision_inputs": AuditTable(
        "since when what a decision read of each source was known",
        {
            "source": "string", "bar": OF_BARS, "asset_id": "string", "available_at": OF_CLOCKS,
            "age_days": "double", "is_known": "bool",
        },
        is_long=True,
    ),
    "smells": AuditTable(
        "what looks as if it knew the future, or left out who did badly, and what to do",
        {
            "smell": "string", "source": "string", "column": "string", "n_rows": "int64",
            "value": "float64", "sample": "string", "what_to_do": "string",
        },
    ),
    "warm_up": AuditTable(
        "from how many bars on a column is what it is with all history, where the sources begin "
        "later",
        {
            "history": "int64", "cut": OF_BARS, "place": "string", "column": "string",
            "n_bars": "int64", "n_bars_seen": "int64", "n_rows": "int64",
            "largest_difference": "double", "first_decision": OF_BARS, "is_warm": "bool",
            "why": "string",
        },
    ),
    "policies": AuditTable(
        "what the run comes to under other answers to what bars do not tell",
        {
            "setting": "string", "is_own": "bool", "final_equity": "double",
            "total_return": "double", "max_drawdown": "double", "n_trades": "int64",
            "moved": "double", "differs_in_sign": "bool", "why": "string",
        },
    ),
    "columns": AuditTable(
        "what is proved of each column, given with it, or computed in Python",
        {
            "source": "string", "column": "string", "verdict": "string", "what": "string",
            "why": "string", "instead": "string",
        },
    ),
}  # fmt: skip
