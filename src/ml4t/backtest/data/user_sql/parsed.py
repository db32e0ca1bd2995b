"""Parsed expressions: what one may say that is not plain.

`analyse_parsed` parses an expression, refuses what reads outside the row's own timestamp or depends
on more than its data, and returns the columns that it names. What holds for an expression inside
a query too (`locality`) has a name of its own: `refuse_ahead`, `in_window`, and all of `functions`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import NoReturn

import sqlglot
from sqlglot import exp

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.user_sql.functions import called, refuse_functions
from ml4t.backtest.data.user_sql.names import Names, resolved
from ml4t.backtest.errors import ExpressionError

_STATEMENTS = (exp.Subquery, exp.Select, exp.SetOperation, exp.Insert, exp.Update, exp.Delete,
               exp.Create, exp.Drop, exp.Copy, exp.Command, exp.Table, exp.Placeholder,
               exp.Parameter, exp.PositionalColumn, exp.Lambda, exp.Comprehension)  # fmt: skip
_CLOCKS = (exp.Rand, exp.CurrentTimestamp, exp.CurrentTime, exp.CurrentDate, exp.CurrentDatetime,
           exp.Localtime, exp.Localtimestamp, exp.Unnest, exp.Explode)  # fmt: skip
# By what another row is read, in the parser's names.
_OF_ROWS = frozenset(["lag", "first", "last", "firstvalue", "lastvalue", "nthvalue"])
Node = exp.Expr


def load_grammar() -> None:
    """Load DuckDB's grammar, which the parser does for the first expression."""
    sqlglot.parse_one("select 1", read="duckdb")


def analyse_parsed(
    text: str, names: Names, database: Database, *, one_row: bool = False
) -> set[str]:
    """Check one expression and return the ``signals`` columns that it reads; see `expressions`."""
    tree = _parse(text)
    for node in tree.walk():
        if one_row:
            _refuse_other_rows(text, node)
        _refuse_node(text, node)
    calls = called(text)
    if calls:
        kinds = refuse_functions(text, calls, database)
        for call in tree.find_all(exp.Anonymous):
            if "aggregate" in kinds.get(call.name.lower(), ()) and not in_window(call):
                _refuse_aggregate(text, call.name)
    columns = ((column.table, column.name) for column in tree.find_all(exp.Column))
    return resolved(text, columns, names)


def require_plain(text: str) -> None:
    """Refuse characters that DuckDB and the parser here could read in two ways.

    What one of them takes for a space, or for a comment, the other may take for a name: what was
    checked would not be what runs.
    """
    for character in text:
        is_space = character in " \t\r\n"
        if not is_space and unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp"):
            name = unicodedata.name(character, f"U+{ord(character):04X}")
            raise ExpressionError(
                text, f"holds the character {name}; write plain spaces and line breaks"
            )
    for brackets in ("{#", "{%", "{{"):
        if brackets in text:
            raise ExpressionError(text, f"holds {brackets!r}; put a space between the two")


def _parse(text: str) -> Node:
    require_plain(text)
    try:
        statements = sqlglot.parse(f"select {text}\n", read="duckdb")
        tokens = sqlglot.tokenize(text, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        first = str(error).splitlines()[0]
        raise ExpressionError(text, f"does not parse: {first}") from error
    if any(token.token_type == sqlglot.TokenType.SEMICOLON for token in tokens):
        raise ExpressionError(text, "must be a single SQL expression, without a semicolon")
    select = statements[0] if len(statements) == 1 else None
    if not isinstance(select, exp.Select) or len(select.expressions) != 1:
        raise ExpressionError(text, "must be a single SQL expression")
    present = {name for name, value in select.args.items() if value and name != "expressions"}
    if present:
        raise ExpressionError(text, f"must be a single SQL expression, without {min(present)}")
    expression: Node = select.expressions[0]
    if isinstance(expression, exp.Alias):
        raise ExpressionError(text, "must be an expression without a name of its own")
    return expression


def _refuse_other_rows(text: str, node: Node) -> None:
    if isinstance(node, (exp.Window, exp.AggFunc)):
        what = "window" if isinstance(node, exp.Window) else "aggregate"
        raise ExpressionError(
            text,
            f"has the {what} {node.sql('duckdb')}; a condition is about one asset at one bar: "
            "compute what needs other rows as a feature",
        )


def _refuse_node(text: str, node: Node) -> None:
    if isinstance(node, _STATEMENTS) or (
        isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count)
    ):
        raise ExpressionError(
            text,
            f"may not hold {node.sql('duckdb')}: no subquery, statement, star, parameter, "
            "column by position or lambda, whose names could mislead a window",
        )
    refuse_ahead(text, node, _is_clock)


def _is_clock(column: exp.Column) -> bool:
    return column.name.lower() == "timestamp" and column.table.lower() in ("", "signals")


def refuse_ahead(
    text: str, node: Node, is_clock: Callable[[exp.Column], bool], *, may_aggregate: bool = False
) -> None:
    """Refuse a node that reads another timestamp, or what is no value of the data.

    Parameters
    ----------
    is_clock : callable
        Says whether a column is the timestamp of the row.
    may_aggregate : bool
        Aggregates are of one timestamp each, windows or not.
    """
    if isinstance(node, _CLOCKS):
        raise ExpressionError(
            text, f"uses {node.sql('duckdb')}, which is not a value of the row: a run could not "
            "be repeated",
        )  # fmt: skip
    if isinstance(node, exp.Lead):
        raise ExpressionError(text, "looks ahead: lead() reads a later row")
    if isinstance(node, exp.Anonymous) and node.name.lower() == "bitstring_agg":
        _refuse_statistics(text, node)
    if isinstance(node, exp.WindowSpec) and "FOLLOWING" in (
        node.args.get("start_side"), node.args.get("end_side"),
    ):  # fmt: skip
        raise ExpressionError(text, "looks ahead: its window frame reaches following rows")
    if isinstance(node, exp.Window):
        _refuse_window(text, node, is_clock)
    if isinstance(node, exp.AggFunc) and not may_aggregate and not in_window(node):
        _refuse_aggregate(text, node.key)


def _refuse_statistics(text: str, call: exp.Anonymous) -> None:
    """Refuse a length that DuckDB takes from the statistics of the whole column."""
    if len(call.expressions) < 3:
        raise ExpressionError(
            text,
            f"looks ahead: {call.name}() of a column alone is as long as the column's range in all "
            f"bars, later ones too; write {call.name}(column, lowest, highest)",
        )


def _refuse_aggregate(text: str, name: str) -> NoReturn:
    if name in _OF_ROWS:
        raise ExpressionError(
            text,
            f"reads other rows by {name}(), and an expression has those of its timestamp alone; "
            "compute what needs history as a feature, as catalog.indicators does",
        )
    raise ExpressionError(
        text, f"aggregates over all timestamps; write {name}(...) over (partition by timestamp)"
    )


def _refuse_window(text: str, window: exp.Window, is_clock: Callable[[exp.Column], bool]) -> None:
    if isinstance(window.this, exp.Lag) and any(
        ordered.args.get("desc") for ordered in window.find_all(exp.Ordered)
    ):
        raise ExpressionError(text, "looks ahead: lag() over a descending order is a lead()")
    # The bare column alone: `partition by timestamp is null` would span the whole run.
    parts = [part.unnest() for part in window.args.get("partition_by") or []]
    if not any(isinstance(part, exp.Column) and is_clock(part) for part in parts):
        raise ExpressionError(
            text,
            "has a window that leaves its timestamp; write partition by timestamp, or, in rankings "
            "and over signals, partition by asset_id order by timestamp; else register a feature",
        )


def in_window(node: Node) -> bool:
    """Say whether a function is computed over a window."""
    parent = node.parent
    while isinstance(parent, (exp.Filter, exp.IgnoreNulls, exp.RespectNulls, exp.WithinGroup)):
        parent = parent.parent
    return isinstance(parent, exp.Window)


def conjuncts_parsed(text: str) -> list[str]:
    """Return the conditions that a condition joins by AND, as the user wrote them."""
    tree = _parse(text)
    n_parts = len(list(tree.flatten())) if isinstance(tree, exp.And) else 1
    tokens = sqlglot.tokenize(text, read="duckdb")
    parts: list[list[sqlglot.Token]] = [[]]
    depth = n_between = 0
    for token in tokens:
        word = token.text.lower() if token.token_type != sqlglot.TokenType.STRING else ""
        depth += (word in ("(", "[", "{", "case")) - (word in (")", "]", "}", "end"))
        n_between += depth == 0 and word == "between"
        if depth == 0 and word == "and" and not n_between:
            parts.append([])
            continue
        n_between -= depth == 0 and word == "and"
        parts[-1].append(token)
    if len(parts) != n_parts or not all(parts):
        return [text]  # a word of the language as a name: better whole than wrong
    return [text[part[0].start : part[-1].end + 1] for part in parts]
