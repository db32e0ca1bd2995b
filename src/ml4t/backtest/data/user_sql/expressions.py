"""What a user's SQL expression may say: known columns, one cross-section, no future.

A plain expression (`plain`) is read here. All else is for `parsed` and `total_order`, whose parser
takes a tenth of a second to load and does so for the first expression that needs it.
"""

from __future__ import annotations

from collections.abc import Iterable

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.user_sql.names import Names, resolved
from ml4t.backtest.data.user_sql.plain import read_plain
from ml4t.backtest.errors import ExpressionError


def analyse(text: str, names: Names, database: Database, *, one_row: bool = False) -> set[str]:
    """Check one expression and return the ``signals`` columns that it reads.

    Parameters
    ----------
    text : str
        An SQL expression, as the user wrote it.
    names : Names
    database : Database
        Asked whether a function is deterministic.
    one_row : bool
        The expression may not read other assets of its timestamp either: no window.

    Raises
    ------
    ExpressionError
        It does not parse, is more than one expression, names an unknown or ambiguous column,
        looks ahead or leaves its timestamp, or holds a subquery, a statement, or a function
        whose value depends on more than its arguments.
    """
    said = read_plain(text)
    if said is not None:
        try:
            return resolved(text, said.columns, names)
        except ExpressionError:
            pass  # of several that are unknown the parser's order says which is named
    from ml4t.backtest.data.user_sql.parsed import analyse_parsed

    return analyse_parsed(text, names, database, one_row=one_row)


def conjuncts(text: str) -> list[str]:
    """Return the conditions that a condition joins by AND, as the user wrote them."""
    said = read_plain(text)
    if said is not None:
        return list(said.conjuncts)
    from ml4t.backtest.data.user_sql.parsed import conjuncts_parsed

    return conjuncts_parsed(text)


def in_total_order(text: str) -> str:
    """Return an expression whose windows answer the same whatever other rows there are.

    Raises
    ------
    ExpressionError
        A ranking function has a window without an order, or a frame has an EXCLUDE.
    """
    if read_plain(text) is not None:
        return text
    from ml4t.backtest.data.user_sql.total_order import windows_in_total_order

    return windows_in_total_order(text)


def preload_parser(texts: Iterable[str | None]) -> None:
    """Load the parser if one of some texts is more than a plain expression."""
    if all(text is None or read_plain(text) is not None for text in texts):
        return
    from ml4t.backtest.data.user_sql.parsed import load_grammar

    load_grammar()
