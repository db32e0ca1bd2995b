"""What a user's SQL expression may say: known columns, one cross-section, no future.

`analyse` parses an expression, refuses what reads outside the row's own timestamp or depends
on more than its data, and returns the columns that it names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.queries import read
from ml4t.backtest.errors import ExpressionError, did_you_mean

_STATEMENTS = (exp.Subquery, exp.Select, exp.SetOperation, exp.Insert, exp.Update, exp.Delete,
               exp.Create, exp.Drop, exp.Copy, exp.Command, exp.Table, exp.Star,
               exp.Placeholder, exp.Parameter)  # fmt: skip
# Deterministic to sqlglot's classes, or so common that a look-up would be waste.
_PLAIN = (exp.Connector, exp.Cast, exp.TryCast, exp.Case, exp.If, exp.Coalesce, exp.Abs, exp.Ln,
          exp.Exp, exp.Sqrt, exp.Round, exp.Greatest, exp.Least, exp.Nullif, exp.Sign)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Names:
    """Columns an expression may name.

    Attributes
    ----------
    signals, market : collection of str
        Columns per (timestamp, asset_id), and per timestamp.
    extra : collection of str
        Names that exist at this place only, such as ``score`` in a weight.
    """

    signals: Collection[str]
    market: Collection[str]
    extra: Collection[str] = ()


def analyse(text: str, names: Names, database: Database) -> set[str]:
    """Check one expression and return the ``signals`` columns that it reads.

    Parameters
    ----------
    text : str
        An SQL expression, as the user wrote it.
    names : Names
    database : Database
        Asked whether a function is deterministic.

    Raises
    ------
    ExpressionError
        It does not parse, is more than one expression, names an unknown or ambiguous column,
        looks ahead or leaves its timestamp, or holds a subquery, a statement, or a function
        whose value depends on more than its arguments.
    """
    tree = _parse(text)
    for node in tree.walk():
        _refuse_node(text, node)
    functions = {_function_name(node) for node in tree.find_all(exp.Func) if _is_to_look_up(node)}
    if functions:
        _refuse_functions(text, functions, database)
    return _resolve(text, tree, names)


def _parse(text: str) -> exp.Expression:
    try:
        statements = sqlglot.parse(f"select {text}\n", read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        first = str(error).splitlines()[0]
        raise ExpressionError(text, f"does not parse: {first}") from error
    select = statements[0] if len(statements) == 1 else None
    if not isinstance(select, exp.Select) or len(select.expressions) != 1:
        raise ExpressionError(text, "must be a single SQL expression")
    present = {name for name, value in select.args.items() if value and name != "expressions"}
    if present:
        raise ExpressionError(text, f"must be a single SQL expression, without {min(present)}")
    expression: exp.Expression = select.expressions[0]
    if isinstance(expression, exp.Alias):
        raise ExpressionError(text, "must be an expression without a name of its own")
    return expression


def _refuse_node(text: str, node: exp.Expression) -> None:
    if isinstance(node, _STATEMENTS):
        raise ExpressionError(text, "may not hold a subquery, a statement, a star or a parameter")
    if isinstance(node, exp.Lead):
        raise ExpressionError(text, "looks ahead: lead() reads a later row")
    if isinstance(node, exp.WindowSpec) and "FOLLOWING" in (
        node.args.get("start_side"), node.args.get("end_side"),
    ):  # fmt: skip
        raise ExpressionError(text, "looks ahead: its window frame reaches following rows")
    if isinstance(node, exp.Window):
        partition = {
            column.name.lower()
            for part in node.args.get("partition_by") or []
            for column in part.find_all(exp.Column)
        }
        if isinstance(node.this, exp.Lag) and any(
            ordered.args.get("desc") for ordered in node.find_all(exp.Ordered)
        ):
            raise ExpressionError(text, "looks ahead: lag() over a descending order is a lead()")
        if "timestamp" not in partition:
            raise ExpressionError(
                text,
                "has a window that leaves its timestamp; write partition by timestamp, and "
                "compute what needs history as a feature",
            )
    if isinstance(node, exp.AggFunc) and not _in_window(node):
        raise ExpressionError(
            text,
            f"aggregates over all timestamps; write {node.key}(...) over (partition by timestamp)",
        )


def _in_window(node: exp.Expression) -> bool:
    parent = node.parent
    while isinstance(parent, (exp.Filter, exp.IgnoreNulls, exp.RespectNulls)):
        parent = parent.parent
    return isinstance(parent, exp.Window)


def _is_to_look_up(node: exp.Func) -> bool:
    return not isinstance(node, _PLAIN)


def _function_name(node: exp.Func) -> str:
    return (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()


def _refuse_functions(text: str, functions: set[str], database: Database) -> None:
    """Refuse functions that DuckDB does not call consistent, and all table functions."""
    found = database.rows(read("sources/functions"), {"names": sorted(functions)})
    for name, kind, stability in found:
        if kind in ("table", "pragma", "table_macro"):
            raise ExpressionError(text, f"calls {name}(), which reads outside the row")
        if stability != "CONSISTENT":
            raise ExpressionError(
                text, f"calls {name}(), which is not deterministic: a run could not be repeated"
            )
    if any(kind == "aggregate" for _, kind, _ in found):
        for node in _parse(text).find_all(exp.Anonymous):
            aggregate = (node.name.lower(), "aggregate") in {(n, k) for n, k, _ in found}
            if aggregate and not _in_window(node):
                raise ExpressionError(
                    text,
                    f"aggregates over all timestamps; write {node.name}(...) over "
                    "(partition by timestamp)",
                )


def _resolve(text: str, tree: exp.Expression, names: Names) -> set[str]:
    signals = {name.lower(): name for name in names.signals}
    market = {name.lower(): name for name in names.market}
    extra = {name.lower() for name in names.extra}
    tables: Mapping[str, Mapping[str, str]] = {"signals": signals, "market": market}
    used = set()
    for column in tree.find_all(exp.Column):
        name, table = column.name.lower(), column.table.lower()
        if table and table not in tables:
            raise ExpressionError(
                text, f"names table '{column.table}'; only signals and market can be named here"
            )
        if table:
            known: Collection[str] = set(tables[table]) | (extra if table == "signals" else set())
        else:
            known = {*signals, *market, *extra}
        if name not in known:
            raise ExpressionError(
                text, f"names unknown column '{column.name}'{did_you_mean(column.name, known)}"
            )
        if not table and name in signals and name in market and name != "timestamp":
            raise ExpressionError(
                text, f"names '{column.name}', which is in both signals and market; "
                f"write signals.{column.name} or market.{column.name}",
            )  # fmt: skip
        if name in signals and table != "market":
            used.add(signals[name])
    return used
