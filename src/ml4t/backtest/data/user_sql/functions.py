"""Functions in users' SQL: which are called, and whether DuckDB calls them consistent.

`called` finds them by their brackets, in the text itself, for what the parser takes for something
else DuckDB may call; `refuse_functions` asks the catalog of the overloads that may be meant.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise

import sqlglot
from sqlglot import exp

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.user_sql.stability import (
    Calls,
    Overload,
    fitting_of,
    overloads_of,
    why_unstable,
)
from ml4t.backtest.errors import ExpressionError

# Words that may stand before a bracket without being a function of DuckDB's catalog.
_SYNTAX = frozenset({
    "and", "any", "array", "as", "between", "by", "case", "cast", "coalesce", "decimal",
    "distinct", "else", "end", "extract", "filter", "from", "group", "ifnull", "ilike", "in",
    "interval", "is", "like", "list", "map", "not", "numeric", "or", "over", "struct", "then",
    "try_cast", "using", "varchar", "when", "where", "within",
})  # fmt: skip
# The same of a query, where a relation or a number may stand in brackets.
_OF_QUERIES = frozenset({
    "anti", "asof", "cross", "fetch", "full", "inner", "join", "lateral", "limit", "natural",
    "offset", "outer", "pivot", "positional", "returning", "semi", "tablesample", "unpivot",
    "window", "with",
})  # fmt: skip
# DuckDB's own macros that are plain arithmetic; all others may hide a query.
_MACROS = frozenset(
    """
    array_append array_pop_back array_pop_front array_prepend array_push_back array_push_front
    array_reverse array_to_string array_to_string_comma_default date_add days_in_month fdiv fmod
    if list_any_value list_append list_avg list_bit_and list_bit_or list_bit_xor list_bool_and
    list_bool_or list_count list_entropy list_first list_histogram list_kurtosis
    list_kurtosis_pop list_last list_mad list_max list_median list_min list_mode list_prepend
    list_product list_reverse list_sem list_skewness list_stddev_pop list_stddev_samp
    list_string_agg list_sum list_var_pop list_var_samp map_contains_entry map_contains_value
    nullif split_part
    """.split()  # noqa: SIM905 - one a line would be fifty lines
)
# Take the name of an aggregate as a text.
_BY_NAME = frozenset(["aggregate", "array_aggr", "array_aggregate", "list_aggr", "list_aggregate"])
_OPENING = (sqlglot.TokenType.L_PAREN, sqlglot.TokenType.L_BRACKET, sqlglot.TokenType.L_BRACE)
_CLOSING = (sqlglot.TokenType.R_PAREN, sqlglot.TokenType.R_BRACKET, sqlglot.TokenType.R_BRACE)


def called(text: str, syntax: Collection[str] = (), tree: exp.Expr | None = None) -> Calls:
    """Return every word that stands before a bracket but for syntax, and its numbers of arguments.

    Parameters
    ----------
    text : str
        As the user wrote it.
    syntax : collection of str
        Words that are no function, in lower case.
    tree : Node, optional
        Of a query, as parsed: there words of a join, and names of relations before a list of
        columns, are no functions.
    """
    tokens = sqlglot.tokenize(text, read="duckdb")
    skipped = _SYNTAX | {*syntax} | {"partition by", "order by", "within group"}
    named = set[int]()
    if tree is not None:
        skipped |= _OF_QUERIES
        lists = (one for one in tree.find_all(exp.TableAlias) if one.this is not None)
        named = {one.this.meta.get("start", -1) for one in lists}
    calls: dict[str, set[int]] = {}
    for i, (token, following) in enumerate(pairwise(tokens)):
        name = token.text.lower()
        is_name = token.token_type == sqlglot.TokenType.IDENTIFIER or name[:1].isalpha()
        if (
            following.token_type != sqlglot.TokenType.L_PAREN
            or not (is_name or name[:1] == "_")
            or name in skipped
            or token.start in named
        ):
            continue
        arguments = _arguments(tokens, i + 2)
        found = calls.setdefault(name, set())
        found.add(len(arguments))
        is_dotted = i > 0 and tokens[i - 1].token_type == sqlglot.TokenType.DOT
        if is_dotted:  # of a schema, or of what stands before the dot
            found.add(len(arguments) + 1)
        if name in _BY_NAME:
            aggregate = _aggregate(text, name, arguments, place=0 if is_dotted else 1)
            calls.setdefault(aggregate, set()).add(1)
    return calls


def _arguments(tokens: list[sqlglot.Token], start: int) -> list[list[sqlglot.Token]]:
    """Return the arguments from a call's opening bracket on, without an order of theirs."""
    parts: list[list[sqlglot.Token]] = [[]]
    depth = 1
    for token in tokens[start:]:
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        if depth == 0 or (depth == 1 and token.token_type == sqlglot.TokenType.ORDER_BY):
            break
        if depth == 1 and token.token_type == sqlglot.TokenType.COMMA:
            parts.append([])
        else:
            parts[-1].append(token)
    return [] if parts == [[]] else parts


def _aggregate(text: str, name: str, arguments: list[list[sqlglot.Token]], *, place: int) -> str:
    """Return the aggregate that a function of lists takes as a text."""
    given = arguments[place] if place < len(arguments) else []
    if len(given) != 1 or given[0].token_type != sqlglot.TokenType.STRING:
        raise ExpressionError(
            text, f"calls {name}() with an aggregate that is not written as a text, as 'sum' is"
        )
    return given[0].text.lower()


def refuse_functions(text: str, calls: Calls, database: Database) -> dict[str, set[str]]:
    """Refuse all but the functions that DuckDB's own catalog calls consistent.

    Asked is of those overloads that take so many arguments; of all where none does.

    Parameters
    ----------
    text : str
        For messages.
    calls : Calls
        As from `called`.
    database : Database

    Returns
    -------
    dict of str to set of str
        The kinds of each: scalar, aggregate, macro.
    """
    overloads = overloads_of(calls, database)
    for name, numbers in calls.items():
        if name in overloads:
            for number in sorted(numbers):
                _refuse_form(text, name, number, overloads[name])
        else:
            raise ExpressionError(text, f"calls {name}(), which DuckDB does not know")
    return {name: {one.kind for one in found} for name, found in overloads.items()}


def _refuse_form(text: str, name: str, number: int, overloads: list[Overload]) -> None:
    # In an expression none of a table's functions can stand, where there is one of values too.
    is_of_values = any(one.kind in ("scalar", "aggregate", "window") for one in overloads)
    fitting = fitting_of(number, overloads)
    of_tables = ("table", "pragma", "table_macro")
    if not is_of_values and any(one.kind in of_tables for one in fitting):
        raise ExpressionError(text, f"calls {name}(), which reads outside the row")
    why = why_unstable(name, number, fitting)
    if why is not None:
        raise ExpressionError(
            text,
            f"calls {name}(), which {why} and is not a value of the row: a run could not be "
            "repeated",
        )
    # A macro takes a name whole, whatever its number of arguments.
    if any(one.kind == "macro" and not (one.is_internal and name in _MACROS) for one in overloads):
        raise ExpressionError(text, f"calls the macro {name}(), which may hide a query")
