"""Expressions: a user's expression so that another engine computes the same to the last bit.

The tree is walked once, from the leaves; every value has a kind. `numbers` has what is computed;
here are conditions, choices, times and windows. A node that is not named is refused: of what it
would be elsewhere nothing is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlglot import exp

from ml4t.backtest.data.portable.kinds import (
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    NAIVE,
    NULL,
    NUMERIC_KINDS,
    STRING,
    TIME_KINDS,
    TIMESTAMPTZ,
    TO_DUCKDB,
)
from ml4t.backtest.data.portable.numbers import (
    NOT_SHOWN,
    WHY,
    Nameable,
    Numbers,
    Rewrite,
    function_name,
)
from ml4t.backtest.data.user_sql.expressions import in_total_order
from ml4t.backtest.data.user_sql.parsed import Node

_RANKS = {"row_number": INT, "rank": INT, "dense_rank": INT, "ntile": INT, "percent_rank": DOUBLE,
          "cume_dist": DOUBLE}  # fmt: skip
_PARTS = {"year": TIME_KINDS, "month": TIME_KINDS, "day": TIME_KINDS, "quarter": TIME_KINDS,
          "hour": (NAIVE,), "minute": (NAIVE,)}  # fmt: skip
_WHOLE = ("UNBOUNDED", "PRECEDING", "UNBOUNDED", "FOLLOWING")


class Ported(NamedTuple):
    """An expression as another engine is to compute it.

    Attributes
    ----------
    sql : str
        In DuckDB's words, each column led by its table.
    kind : str
    market : frozenset of str
        Columns of ``market`` that it reads.
    """

    sql: str
    kind: str
    market: frozenset[str]


def ported(text: str, nameable: Nameable, *, must: str | None = None) -> Ported:
    """Rewrite an expression that a run has let pass.

    Parameters
    ----------
    must : str, optional
        The kind that it is turned into.

    Raises
    ------
    ExpressionError
        Something in it is not the same in the engine, or nobody knows whether it is.
    """
    tree = exp.select(in_total_order(text) + "\n", dialect=TO_DUCKDB).expressions[0]
    walk = _Walk(text, nameable)
    node, kind = walk.of(tree)
    if must is not None:
        node, kind = walk.cast(node, kind, must), must
    return Ported(node.sql(TO_DUCKDB), kind, frozenset(walk.market))


class _Walk(Numbers):
    """Rewrites one expression."""

    def rewrites(self) -> dict[type, Rewrite]:
        """Return what rewrites the nodes of each type."""
        return {
            **super().rewrites(),
            exp.Not: self._not, exp.Is: self._is, exp.Between: self._between, exp.In: self._in,
            exp.Like: self._like, exp.Case: self._case, exp.Coalesce: self._first,
            exp.Nullif: self._nullif, exp.Window: self._window, exp.Extract: self._extract,
            **dict.fromkeys((exp.And, exp.Or), self._junction),
            **dict.fromkeys((exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE), self._compare),
            **dict.fromkeys((exp.Year, exp.Month, exp.Day, exp.Quarter, exp.Hour, exp.Minute),
                            self._part),
        }  # fmt: skip

    # -- truth ----------------------------------------------------------------------------

    def _truth(self, node: Node) -> Node:
        one, kind = self.of(node)
        if kind not in (BOOLEAN, NULL):
            self.refuse(node, f"it stands for true or false, and is {kind}")
        return one

    def _junction(self, node: exp.Connector) -> tuple[Node, str]:
        left, right = self._truth(node.this), self._truth(node.expression)
        return type(node)(this=left, expression=right), BOOLEAN

    def _not(self, node: exp.Not) -> tuple[Node, str]:
        return exp.Not(this=self._truth(node.this)), BOOLEAN

    def _is(self, node: exp.Is) -> tuple[Node, str]:
        if not isinstance(node.expression, (exp.Null, exp.Boolean)):
            self.refuse(node, NOT_SHOWN)
        is_null = isinstance(node.expression, exp.Null)
        one = self.of(node.this)[0] if is_null else self._truth(node.this)
        return exp.Is(this=one, expression=node.expression), BOOLEAN

    def _alike(
        self, node: Node, parts: Sequence[Node], *, mixes: bool = True
    ) -> tuple[list[Node], str]:
        """Return values of one kind, as they are compared with each other."""
        found = [self.of(part) for part in parts]
        kinds = {kind for _, kind in found} - {NULL}
        if kinds <= {*NUMERIC_KINDS}:
            return self.numbers(node, *parts, mixes=mixes)
        clock = next((kind for kind in TIME_KINDS if kind in kinds), None)
        if clock is not None and kinds == {clock, STRING}:
            if clock == TIMESTAMPTZ:
                self.refuse(node, "a time without a zone would be one of the session's there")
            return [self._as_time(one, kind, clock) for one, kind in found], clock
        if len(kinds) > 1:
            self.refuse(node, f"it has values of the kinds {', '.join(sorted(kinds))}")
        return [one for one, _ in found], next(iter(kinds), NULL)

    def _as_time(self, node: Node, kind: str, clock: str) -> Node:
        """Return a time, of a text that is written out the time that it says."""
        if kind != STRING:
            return node
        if not isinstance(node, exp.Literal):
            self.refuse(node, "it is a text that is compared with a time")
        return exp.cast(node, clock, dialect=TO_DUCKDB)

    def _compare(self, node: exp.Binary) -> tuple[Node, str]:
        (left, right), _ = self._alike(node, (node.this, node.expression))
        return type(node)(this=left, expression=right), BOOLEAN

    def _between(self, node: exp.Between) -> tuple[Node, str]:
        (one, low, high), _ = self._alike(node, (node.this, node.args["low"], node.args["high"]))
        return exp.Between(this=one, low=low, high=high), BOOLEAN

    def _in(self, node: exp.In) -> tuple[Node, str]:
        (one, *others), _ = self._alike(node, (node.this, *node.expressions))
        return exp.In(this=one, expressions=others), BOOLEAN

    def _like(self, node: exp.Like) -> tuple[Node, str]:
        one, kind = self.of(node.this)
        pattern = node.expression
        if kind != STRING or not isinstance(pattern, exp.Literal) or "\\" in pattern.name:
            self.refuse(node, "a backslash escapes there")
        return exp.Like(this=one, expression=pattern), BOOLEAN

    # -- choices --------------------------------------------------------------------------

    def _case(self, node: exp.Case) -> tuple[Node, str]:
        if node.this is not None:
            self.refuse(node, "its comparisons are not written out; write CASE WHEN x = 1 THEN")
        default = node.args.get("default")
        given = [one.args["true"] for one in node.args["ifs"]]
        values, kind = self._alike(
            node, [*given, *([default] if default is not None else [])], mixes=False
        )
        ifs = [
            exp.If(this=self._truth(one.this), true=value)
            for one, value in zip(node.args["ifs"], values, strict=False)
        ]
        return exp.Case(ifs=ifs, default=values[-1] if default is not None else None), kind

    def _first(self, node: exp.Coalesce) -> tuple[Node, str]:
        (one, *others), kind = self._alike(node, (node.this, *node.expressions), mixes=False)
        return exp.Coalesce(this=one, expressions=others), kind

    def _nullif(self, node: exp.Nullif) -> tuple[Node, str]:
        (left, right), _ = self._alike(node, (node.this, node.expression))
        one, kind = self.of(node.this)
        is_same = exp.EQ(this=left, expression=right)
        return exp.Case(ifs=[exp.If(this=is_same, true=exp.Null())], default=one), kind

    # -- times and windows ----------------------------------------------------------------

    def _part(self, node: exp.Func) -> tuple[Node, str]:
        return self._time_part(node, function_name(node), node.this)

    def _extract(self, node: exp.Extract) -> tuple[Node, str]:
        return self._time_part(node, node.name.lower(), node.expression)

    def _time_part(self, node: Node, name: str, of: Node) -> tuple[Node, str]:
        while isinstance(of, (exp.TsOrDsToDate, exp.Paren)):
            of = of.this
        time, kind = self.of(of)
        if kind == TIMESTAMPTZ:
            self.refuse(node, "it is that of the session's zone there")
        if name not in _PARTS or kind not in _PARTS[name] or kind not in (DATE, NAIVE):
            self.refuse(node, NOT_SHOWN)
        return exp.cast(exp.Extract(this=exp.var(name), expression=time), "BIGINT"), INT

    def _window(self, node: exp.Window) -> tuple[Node, str]:
        function, name = node.this, function_name(node.this)
        if name in _RANKS:
            kind = _RANKS[name]
            inner = function.copy()
        elif isinstance(function, (exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Count)):
            inner, kind = self._aggregate(node, function)
        else:
            self.refuse(node, WHY.get(name, NOT_SHOWN))
        made = exp.Window(
            this=inner,
            partition_by=[self.of(part)[0] for part in node.args.get("partition_by") or []],
            over=node.args.get("over"),
        )
        order, spec = node.args.get("order"), node.args.get("spec")
        if order is not None:
            made.set("order", exp.Order(expressions=[
                exp.Ordered(this=self.of(one.this)[0], desc=one.args.get("desc"),
                            nulls_first=one.args.get("nulls_first"))
                for one in order.expressions
            ]))  # fmt: skip
        if spec is not None:
            if not _is_whole(spec):
                self.refuse(node, "nobody has shown that such a frame adds up the same there")
            made.set("spec", spec.copy())
        # Spark numbers rows in 32 bits.
        return (exp.cast(made, "BIGINT"), INT) if kind == INT else (made, kind)

    def _aggregate(self, node: exp.Window, function: exp.AggFunc) -> tuple[Node, str]:
        of = function.this
        if isinstance(of, exp.Distinct):
            self.refuse(node, "windows of distinct values are not known there")
        if isinstance(function, exp.Count):
            inner = of if isinstance(of, exp.Star) or of is None else self.of(of)[0]
            return exp.Count(this=inner, big_int=function.args.get("big_int")), INT
        one, kind = self.of(of)
        if isinstance(function, (exp.Min, exp.Max)):
            return type(function)(this=one), kind
        if kind not in (FLOAT, DOUBLE):
            self.refuse(node, "it adds up whole numbers or decimals, in another type there")
        spec = node.args.get("spec")
        if spec is None or not _is_whole(spec):
            self.refuse(node, "a running sum of doubles is added up in another order there")
        return type(function)(this=self.cast(one, kind, DOUBLE)), DOUBLE


def _is_whole(spec: Node) -> bool:
    found = (spec.args.get(name) for name in ("start", "start_side", "end", "end_side"))
    return tuple(str(one).upper() for one in found) == _WHOLE
