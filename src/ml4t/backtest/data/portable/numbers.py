"""Numbers: columns, constants and arithmetic as another engine computes them to the last bit.

Where engines would turn operands into different types the one that DuckDB takes is written out, and
so is a quotient by zero, which is infinite in DuckDB and an error elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, NoReturn

from sqlglot import exp

from ml4t.backtest.data.portable.kinds import (
    BOOLEAN,
    DEC,
    DOUBLE,
    FLOAT,
    INT,
    MOST_DIGITS,
    NULL,
    NUMERIC_KINDS,
    STRING,
    TO_DUCKDB,
    TO_SNOWFLAKE,
    kind_of_type,
)
from ml4t.backtest.data.user_sql.parsed import Node
from ml4t.backtest.errors import ExpressionError

Rewrite = Callable[..., tuple[Node, str]]
NOT_SHOWN = "nobody has shown that it is the same there"
_LAST_BIT = "its last bit is another there"
# Why a function is not carried, where there is more to say than that nobody has compared it.
WHY = {
    **dict.fromkeys(
        ("ln", "log", "log2", "log10", "exp", "pow", "power", "sin", "cos", "tan", "atan", "tanh",
         "cbrt", "stddev", "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop", "corr",
         "stddevpop", "stddevsamp", "variancepop", "covar_samp", "covar_pop"),
        _LAST_BIT,
    ),
    "round": "half a digit is another there",
    "floor": "it is a whole number there, and no double",
    "ceil": "it is a whole number there, and no double",
    "intdiv": "it is cut off otherwise there",
    "dayofweek": "a week begins with another number there",
}  # fmt: skip


class Nameable(NamedTuple):
    """What an expression may name, and for which engine it is written.

    Attributes
    ----------
    signals, market : mapping of str to str
        Columns with DuckDB types.
    dialect : str
    """

    signals: Mapping[str, str]
    market: Mapping[str, str]
    dialect: str


class Numbers:
    """Rewrites what an expression computes; `of` returns a node with its kind."""

    def __init__(self, text: str, nameable: Nameable) -> None:
        self.text, self.nameable = text, nameable
        self.market: set[str] = set()
        self._by_type = self.rewrites()

    def rewrites(self) -> dict[type, Rewrite]:
        """Return what rewrites the nodes of each type."""
        return {
            exp.Paren: self._paren, exp.Column: self._column, exp.Literal: self._literal,
            exp.Boolean: lambda node: (node, BOOLEAN), exp.Null: lambda node: (node, NULL),
            exp.Neg: self._neg, exp.Div: self._div, exp.Mod: self._mod, exp.Abs: self._abs,
            exp.Sqrt: self._sqrt, exp.Cast: self._cast,
            **dict.fromkeys((exp.Add, exp.Sub, exp.Mul), self._arithmetic),
            **dict.fromkeys((exp.Greatest, exp.Least), self._extreme),
        }  # fmt: skip

    def of(self, node: Node) -> tuple[Node, str]:
        """Return a node as it is written for the engine, and its kind."""
        rewrite = self._by_type.get(type(node))
        if rewrite is None:
            self.refuse(node, WHY.get(function_name(node), NOT_SHOWN))
        return rewrite(node)

    def cast(self, node: Node, kind: str, to: str) -> Node:
        """Return a value as one of a kind of numbers, or as a BOOLEAN."""
        if kind == to:
            return node
        if kind == BOOLEAN and to == DOUBLE:
            # Snowflake has no such cast.
            yes = exp.If(this=node.copy(), true=double("1"))
            no = exp.If(this=exp.Not(this=bracketed(node)), true=double("0"))
            return exp.Case(ifs=[yes, no])
        if kind not in (*NUMERIC_KINDS, NULL) or to not in (FLOAT, DOUBLE):
            if kind == NULL:
                return node
            self.refuse(node, f"it is of the kind {kind}, and {to} is needed")
        if to == FLOAT and self.nameable.dialect == TO_SNOWFLAKE:
            self.refuse(node, "there is no FLOAT of 32 bits; cast its columns to double")
        return exp.cast(node, to)

    def refuse(self, node: Node, why: str) -> NoReturn:
        """Refuse a node of the expression.

        Raises
        ------
        ExpressionError
        """
        raise ExpressionError(
            self.text,
            f"holds {node.sql(TO_DUCKDB)}, which is not carried to {self.nameable.dialect}: {why}; "
            "cast it, or compute it as a column of a source",
        )

    # -- leaves ---------------------------------------------------------------------------

    def _paren(self, node: exp.Paren) -> tuple[Node, str]:
        inner, kind = self.of(node.this)
        return exp.Paren(this=inner), kind

    def _column(self, node: exp.Column) -> tuple[Node, str]:
        signals = {name.lower(): name for name in self.nameable.signals}
        name, table = node.name.lower(), node.table.lower()
        if table == "" and name in signals:
            table = "signals"
        table = table or "market"
        if table == "signals" and name == "sid":  # of a window in total order
            return exp.column("sid", table="signals"), INT
        columns = self.nameable.signals if table == "signals" else self.nameable.market
        own = next(one for one in columns if one.lower() == name)
        kind = kind_of_type(columns[own])
        if kind is None:
            self.refuse(node, f"its type {columns[own]} is another there")
        if table == "market":
            self.market.add(own)
        return exp.column(own, table=table, quoted=True), kind

    def _literal(self, node: exp.Literal) -> tuple[Node, str]:
        if node.is_string:
            return node, STRING
        number = node.name.lower()
        if "e" in number:
            return double(number), DOUBLE
        if len(number.replace(".", "").lstrip("0")) > MOST_DIGITS:
            self.refuse(node, f"it has more than {MOST_DIGITS} digits")
        return node, DEC if "." in number else INT

    # -- numbers --------------------------------------------------------------------------

    def numbers(self, node: Node, *parts: Node, mixes: bool = False) -> tuple[list[Node], str]:
        """Return operands in the type in which DuckDB computes with them.

        Parameters
        ----------
        mixes : bool
            A decimal may stand beside a whole number: they are compared, or divided as doubles.
        """
        found = [self.of(part) for part in parts]
        for _, kind in found:
            if kind not in (*NUMERIC_KINDS, NULL):
                self.refuse(node, f"it computes with what is no number but {kind}")
        kinds = {kind for _, kind in found} - {NULL}
        common = next((kind for kind in (DOUBLE, FLOAT, DEC, INT) if kind in kinds), NULL)
        if common in (DOUBLE, FLOAT):
            return [self.cast(one, kind, common) for one, kind in found], common
        if (
            common == DEC
            and len(kinds) > 1
            and not mixes
            and not all(is_constant(one) for one, _ in found)
        ):
            self.refuse(node, "a decimal and a whole number have another width there")
        return [one for one, _ in found], common

    def _arithmetic(self, node: exp.Binary) -> tuple[Node, str]:
        (left, right), kind = self.numbers(node, node.this, node.expression)
        if kind == DEC:
            self.refuse(node, "it is computed in decimals, whose widths are others there")
        return type(node)(this=left, expression=right), kind

    def _div(self, node: exp.Div) -> tuple[Node, str]:
        (left, right), kind = self.numbers(node, node.this, node.expression, mixes=True)
        above, below = (
            bracketed(self.cast(one, INT if kind == NULL else kind, DOUBLE))
            for one in (left, right)
        )
        quotient: Node = exp.Div(this=above, expression=below)
        if self.nameable.dialect != TO_DUCKDB and not is_constant(node.expression, but_zero=True):
            # Other engines raise an error where a double is divided by zero.
            is_zero = exp.EQ(this=below.copy(), expression=double("0"))
            beyond = _over_zero(above, below, self.nameable.dialect)
            quotient = exp.Case(ifs=[exp.If(this=is_zero, true=beyond)], default=quotient)
        # A quotient of two floats is the nearest one, by way of a double too.
        return (self.cast(quotient, DOUBLE, FLOAT), FLOAT) if kind == FLOAT else (quotient, DOUBLE)

    def _mod(self, node: exp.Mod) -> tuple[Node, str]:
        (left, right), kind = self.numbers(node, node.this, node.expression)
        if kind != INT:
            self.refuse(node, "nobody has shown that remainders of fractions are the same there")
        return exp.Mod(this=left, expression=right), INT

    def _neg(self, node: exp.Neg) -> tuple[Node, str]:
        (one,), kind = self.numbers(node, node.this)
        return exp.Neg(this=one), kind

    def _abs(self, node: exp.Abs) -> tuple[Node, str]:
        (one,), kind = self.numbers(node, node.this)
        if kind == DEC:
            self.refuse(node, "it is computed in decimals, whose widths are others there")
        return exp.Abs(this=one), kind

    def _sqrt(self, node: exp.Sqrt) -> tuple[Node, str]:
        (one,), kind = self.numbers(node, node.this)
        return exp.Sqrt(this=self.cast(one, kind, DOUBLE)), DOUBLE

    def _extreme(self, node: exp.Func) -> tuple[Node, str]:
        parts, kind = self.numbers(node, node.this, *node.expressions)
        if kind not in (INT, DOUBLE):
            self.refuse(node, "it is computed in another type there")
        made: Node = type(node)(this=parts[0], expressions=parts[1:])
        made.set("ignore_nulls", node.args.get("ignore_nulls"))
        return made, kind

    def _cast(self, node: exp.Cast) -> tuple[Node, str]:
        one, kind = self.of(node.this)
        if not node.is_type("double"):
            self.refuse(node, "only casts to double are known to round in the same way")
        if kind not in (*NUMERIC_KINDS, BOOLEAN, NULL):
            self.refuse(node, "a text that is no number is no error there, or another one")
        return exp.cast(one, DOUBLE) if kind == NULL else self.cast(one, kind, DOUBLE), DOUBLE


def function_name(node: Node) -> str:
    """Return what a function is called."""
    if isinstance(node, exp.Anonymous):
        return node.name.lower()
    return node.sql_name().lower() if isinstance(node, exp.Func) else node.key


def double(number: str) -> Node:
    """Return a number as a double."""
    return exp.cast(exp.Literal.number(number), DOUBLE)


def bracketed(node: Node) -> Node:
    """Return a node in brackets where it is more than one value."""
    is_one = isinstance(node, (exp.Column, exp.Literal, exp.Paren, exp.Func, exp.Case))
    return node.copy() if is_one else exp.Paren(this=node.copy())


def is_constant(node: Node, *, but_zero: bool = False) -> bool:
    """Say whether a node is a number as it is written, whatever its sign."""
    while isinstance(node, (exp.Paren, exp.Neg)):
        node = node.this
    is_number = isinstance(node, exp.Literal) and not node.is_string
    return is_number and not (but_zero and float(node.name) == 0)


def _over_zero(above: Node, below: Node, dialect: str) -> Node:
    """Return a number over zero: infinite, of the sign of both, or NaN."""
    if dialect != TO_SNOWFLAKE:
        # 1 / -0.0 is below all numbers; power keeps the sign, and raises no error.
        sign = exp.Pow(this=below.copy(), expression=exp.Neg(this=exp.Literal.number(1)))
        return exp.Mul(this=above.copy(), expression=sign)
    infinite = {
        sign: exp.cast(exp.Literal.string(name), DOUBLE)
        for sign, name in ((-1, "-inf"), (0, "nan"), (1, "inf"))
    }
    zero = double("0")
    is_none = exp.In(this=above.copy(), expressions=[zero, infinite[0]])  # NaN is NaN there
    is_below = exp.LT(this=above.copy(), expression=zero.copy())
    is_above = exp.GT(this=above.copy(), expression=zero.copy())
    return exp.Case(ifs=[
        exp.If(this=is_none, true=infinite[0].copy()),
        exp.If(this=is_below, true=infinite[-1]),
        exp.If(this=is_above, true=infinite[1]),
    ])  # fmt: skip
