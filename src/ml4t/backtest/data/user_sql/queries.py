"""Locality: a query whose rows at one timestamp come from rows of that timestamp alone.

What it proves, by walking the tree of the query, is that every SELECT

1. reads ``signals``, ``market``, ``ranked`` or a CTE, and joins them on their timestamps,
2. keeps to one timestamp in every window and every GROUP BY,
3. yields that timestamp, unchanged, under its own name.

So the answer at a bar is the same whatever other bars are there: a query can neither look ahead,
nor does it matter how many bars it is asked about at once. What is not on the list is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import quote
from ml4t.backtest.data.user_sql.functions import called, refuse_functions
from ml4t.backtest.data.user_sql.parsed import require_plain
from ml4t.backtest.data.user_sql.scopes import CLOCK, Member, Readable, Scope
from ml4t.backtest.data.user_sql.total_order import query_in_total_order
from ml4t.backtest.errors import ExpressionError, did_you_mean

_SELECT = frozenset({
    "distinct", "expressions", "from_", "group", "having", "joins", "order", "qualify",
    "where", "with_",
})  # fmt: skip
_SET = frozenset({"distinct", "expression", "order", "this", "with_"})
# Words of a query that may stand before a bracket without being a function.
_SYNTAX = frozenset({
    "all", "cube", "except", "exclude", "exists", "grouping sets", "having", "intersect", "lateral",
    "materialized", "on", "qualify", "rollup", "select", "sets", "union", "values",
})  # fmt: skip
_OTHER_WAYS = {
    "limit": "keep the first rows of a timestamp with qualify row_number() over (partition by "
    "timestamp order by ...) <= 10",
    "offset": "use qualify row_number() over (partition by timestamp order by ...)",
    "windows": "write the window where it is used, as over (partition by timestamp)",
    "sample": "a run could not be repeated",
    "by_name": "list the columns in the same order",
}
_Node = exp.Expr
_Relations = Mapping[str, Readable]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalQuery:
    """A query that has passed.

    Attributes
    ----------
    text : str
        The query, its windows and aggregates in a total order.
    columns : tuple of str
        What it yields, in lower case.
    reads : dict of str to set of str
        Columns of each relation given that it names.
    """

    text: str
    columns: tuple[str, ...]
    reads: dict[str, set[str]]


def prove_local(text: str, given: Mapping[str, Sequence[str]], database: Database) -> LocalQuery:
    """Check that a query is of one timestamp, and find what it reads.

    Parameters
    ----------
    text : str
        As the user wrote it.
    given : mapping of str to sequence of str
        Columns of each relation that can be named; all have a ``timestamp``. ``market`` has one
        row per timestamp, the others one per asset.
    database : Database
        Asked whether a function is deterministic.

    Raises
    ------
    ExpressionError
        It does not parse, is no single SELECT, names an unknown relation or column, or something
        in it could mix timestamps or depends on more than the data.
    """
    text, tree = _parse(text)
    kinds = refuse_functions(text, called(text, _SYNTAX, tree), database)
    aggregates = {name for name, found in kinds.items() if "aggregate" in found} | {"list"}
    proof = _Proof(text, aggregates)
    relations = {
        name: Readable(
            columns=tuple(column.lower() for column in columns),
            key=() if name == "market" else ("asset_id",),
            base=name,
        )
        for name, columns in given.items()
    }
    found = proof.query(tree, relations, named=True)
    return LocalQuery(
        text=query_in_total_order(text, proof.ties, aggregates),
        columns=tuple(name for name in found.columns if name is not None),
        reads={
            name: {column for column in columns if column.lower() in proof.reads[name]}
            for name, columns in given.items()
            if name in proof.reads
        },
    )


def _parse(text: str) -> tuple[str, _Node]:
    """Return the query without a semicolon at its end, and its tree."""
    require_plain(text)
    try:
        statements = [one for one in sqlglot.parse(f"{text}\n", read="duckdb") if one is not None]
        statements = [one for one in statements if not isinstance(one, exp.Semicolon)]
        tokens = sqlglot.tokenize(text, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise ExpressionError(text, f"does not parse: {str(error).splitlines()[0]}") from error
    if len(statements) != 1 or not isinstance(_bare(statements[0]), (exp.Select, exp.SetOperation)):
        raise ExpressionError(text, "must be a single SELECT")
    ends = [token.start for token in tokens if token.token_type == sqlglot.TokenType.SEMICOLON]
    return text[: ends[0]] if ends else text, statements[0]


def _bare(node: _Node) -> _Node:
    """Return a query without the brackets around it."""
    while isinstance(node, exp.Subquery) and {k for k, v in node.args.items() if v} <= {"this"}:
        node = node.this
    return node


class _Proof:
    """Walks a query from its CTEs to its end.

    Attributes
    ----------
    ties : list of str
        For every SELECT, in the order of the text, what tells its rows apart.
    reads : dict of str to set of str
    """

    def __init__(self, text: str, aggregates: set[str]) -> None:
        self.text, self._aggregates = text, aggregates
        self.ties: list[str] = []
        self.reads: dict[str, set[str]] = {}

    def query(self, node: _Node, relations: _Relations, *, named: bool) -> Readable:
        """Check a query and return what it yields.

        Parameters
        ----------
        named : bool
            Every column needs a name.
        """
        node = _bare(node)
        if not isinstance(node, (exp.Select, exp.SetOperation)):
            raise self.refuse(f"may not hold {node.sql('duckdb')}; write it as a SELECT")
        self._require_known_parts(node)
        relations = self._with(node, relations)
        if isinstance(node, exp.Select):
            return self._select(node, relations, named=named)
        return self._set(node, relations, named=named)

    def refuse(self, message: str) -> ExpressionError:
        return ExpressionError(self.text, message)

    def _require_known_parts(self, node: _Node) -> None:
        allowed = _SELECT if isinstance(node, exp.Select) else _SET
        for name, value in node.args.items():
            if value and name not in allowed:
                word = name.strip("_")
                way = _OTHER_WAYS.get(name)
                raise self.refuse(f"may not have {word}" + (f"; {way}" if way else ""))
        distinct = node.args.get("distinct")
        if isinstance(distinct, exp.Distinct) and distinct.args.get("on"):
            raise self.refuse(
                "may not have distinct on; use qualify row_number() over (partition by "
                "timestamp, ... order by ...) = 1"
            )
        order = node.args.get("order")
        for ordered in order.expressions if order else ():
            if not isinstance(ordered.this, (exp.Column, exp.Literal, exp.Var)):
                raise self.refuse(
                    f"orders by {ordered.this.sql('duckdb')}; the order of the rows says nothing "
                    "here, leave it out"
                )

    def _with(self, node: _Node, relations: _Relations) -> _Relations:
        clause = node.args.get("with_")
        if clause is None:
            return relations
        if clause.args.get("recursive"):
            raise self.refuse("may not be recursive")
        known = dict(relations)
        for cte in clause.expressions:
            name = cte.alias.lower()
            if {k for k, v in cte.args.items() if v} - {"this", "alias", "materialized"} or (
                cte.args["alias"].args.get("columns")
            ):
                raise self.refuse(f"renames the columns of {name}; name them in its SELECT")
            if name == CLOCK or (name in known and known[name].base):
                raise self.refuse(f"has a CTE '{cte.alias}', a name that is taken")
            known[name] = self.query(cte.this, known, named=True)
        return known

    def _set(self, node: exp.SetOperation, relations: _Relations, *, named: bool) -> Readable:
        left = self.query(node.left, relations, named=named)
        right = self.query(node.right, relations, named=False)
        if left.columns.index(CLOCK) != right.columns.index(CLOCK):
            raise self.refuse(f"yields timestamp in different places of a {node.key}")
        return Readable(columns=left.columns, key=None)

    def _select(self, node: exp.Select, relations: _Relations, *, named: bool) -> Readable:
        scope = Scope(self.text, self.reads, self._aggregates)
        source = node.args.get("from_")
        if source is None:
            raise self.refuse("has a SELECT without from; read signals, market, ranked or a CTE")
        scope.add(self._member(source.this, relations))
        for join in node.args.get("joins") or ():
            scope.join(join, self._member(join.this, relations))
        scope.aliases = {one.alias.lower() for one in node.expressions if one.alias}
        scope.check_clauses(node)
        self.ties.append(scope.ties(node))
        return scope.yields(node, named=named)

    def _member(self, table: _Node, relations: _Relations) -> Member:
        """Return a relation of FROM or JOIN under its name there."""
        if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
            raise self.refuse(
                f"reads {table.sql('duckdb')}; it can read signals, market, ranked and its own "
                "CTEs: write a subquery as with name as (select ...)"
            )
        alias = table.args.get("alias")
        extra = {k for k, v in table.args.items() if v} - {"this", "alias"}
        if extra or (alias is not None and alias.args.get("columns")):
            raise self.refuse(f"reads {table.sql('duckdb')}; name the relation alone")
        name = table.name.lower()
        if name not in relations:
            raise self.refuse(_unknown_relation(table.name, relations))
        relation = relations[name]
        if relation.base:
            self.reads.setdefault(relation.base, set()).add(CLOCK)
        known_as = table.alias_or_name
        return Member(name=known_as, relation=relation, select=quote(known_as))


def _unknown_relation(name: str, relations: _Relations) -> str:
    if name.lower() == "ranked":
        return f"reads '{name}', which needs SQLStrategy(query, ranking=Ranking(...))"
    return f"reads '{name}'{did_you_mean(name, relations)}"
