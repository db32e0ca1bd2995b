"""Dialects: what a query in DuckDB's words is in those of another engine.

sqlglot writes the other language and lets what it does not know pass as it is; so what these
queries hold that the other engine does not have is rewritten here first, node by node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import sqlglot
from sqlglot import exp

from ml4t.backtest.data.database import UTC, Database
from ml4t.backtest.data.portable.kinds import TIMESTAMPTZ, TO_DUCKDB, TO_SNOWFLAKE, TO_SPARK
from ml4t.backtest.data.sql_files import read
from ml4t.backtest.errors import ConfigError

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND


class Target(NamedTuple):
    """Where a query is to run.

    Attributes
    ----------
    dialect : str
    clock : str
        Kind of the bars' times.
    timezone : str
        That of the catalog.
    database : Database
        Asked what an interval is made of.
    """

    dialect: str
    clock: str
    timezone: str
    database: Database


def rewritten(query: str, target: Target, relations: Mapping[str, exp.Expr]) -> exp.Expr:
    """Return a query as a tree that an engine takes.

    Parameters
    ----------
    relations : mapping
        What stands for the rows of the sources, by the name that does so in the query.

    Raises
    ------
    ConfigError
        A lag or an age is counted in days or months, which have no length of their own in a zone.
    """
    tree = sqlglot.parse_one(query, read=TO_DUCKDB)
    for table in list(tree.find_all(exp.Table)):
        if table.name in relations:
            found = relations[table.name].copy()
            if table.alias:
                found = exp.alias_(found, table.alias, table=True)
            table.replace(found)
        elif table.db == "main":
            table.replace(exp.to_table(f"__{table.name}", alias=table.alias_or_name))
    # Rows are a set: who wants an order says so outside.
    for ordered in list(tree.find_all(exp.Select)):
        ordered.set("order", None)
    for node in list(tree.find_all(exp.Add)):
        if isinstance(node.expression, exp.Cast) and node.expression.is_type("interval"):
            node.replace(_later(node, target))
    if target.dialect != TO_DUCKDB:
        _write_out_finite(tree)
    if target.dialect == TO_SPARK:
        _without_qualify(tree)
        _count_sets(tree)
    if target.dialect == TO_SNOWFLAKE:
        _match_conditions(tree)
    return tree


def numbered(ranked: str) -> str:
    """Return a ranking whose ranks are those of `selections`: one group's after the other's."""
    tree = sqlglot.parse_one(ranked, read=TO_DUCKDB)
    bar, *within_bar = (one.copy() for one in tree.args["order"].expressions)
    window = exp.Window(
        this=exp.RowNumber(), partition_by=[bar.this], order=exp.Order(expressions=within_bar)
    )
    for item in tree.expressions:
        if item.alias_or_name == "rank":
            item.replace(exp.alias_(window, "rank"))
    return tree.sql(TO_DUCKDB)


def relation_of(files: Sequence[str], columns: Sequence[str], dialect: str) -> exp.Expr:
    """Return the rows of files, with the columns that are read."""
    names = [exp.column(name, quoted=True) for name in columns]
    if dialect == TO_DUCKDB:
        literals = exp.Array(expressions=[exp.Literal.string(file) for file in files])
        scan = exp.Anonymous(this="read_parquet", expressions=[literals])
        return exp.Subquery(this=exp.select(*names).from_(exp.Table(this=scan)))
    parts = [
        exp.select(*[one.copy() for one in names]).from_(
            exp.Table(this=exp.to_identifier(file, quoted=True), db=exp.to_identifier("parquet"))
        )
        for file in files
    ]
    whole: exp.Expr = parts[0]
    for part in parts[1:]:
        whole = exp.Union(this=whole, expression=part, distinct=False)
    return exp.Subquery(this=whole)


def table_of_name(name: str, dialect: str) -> exp.Expr:
    """Return a table by its name in the words of an engine.

    Raises
    ------
    ConfigError
        It is no name of a table.
    """
    try:
        return sqlglot.parse_one(name, read=dialect, into=exp.Table)
    except sqlglot.errors.SqlglotError as error:
        raise ConfigError(
            f"tables has {name!r}, which is no name of a table in {dialect}"
        ) from error


def _later(node: exp.Add, target: Target) -> exp.Expr:
    """Return a time that is later by an interval, the same whatever the zone of a session."""
    text = node.expression.this.name
    months, days, microseconds = target.database.rows(
        read("portable/interval"), {"interval": text}
    )[0]
    if target.dialect == TO_DUCKDB:
        return node.copy()
    if target.clock == TIMESTAMPTZ:
        if months or (days and target.timezone != UTC):
            raise ConfigError(
                f"an interval of {text!r} has no length of its own where times have a zone, and in "
                f"{target.dialect} it would be that of the session; say it in hours, or register a "
                "column available_at"
            )
        return _later_by(node.this, days * _DAY + microseconds, target.dialect)
    made: exp.Expr = exp.cast(node.this.copy(), "TIMESTAMP", dialect=TO_DUCKDB)
    seconds = f"{microseconds // _SECOND}.{microseconds % _SECOND:06d}"
    for amount, unit in ((months, "MONTH"), (days, "DAY"), (seconds, "SECOND")):
        if amount and float(amount):
            interval = exp.Interval(this=exp.Literal.string(str(amount)), unit=exp.var(unit))
            made = exp.Add(this=made, expression=interval)
    return exp.Paren(this=made)


def _later_by(time: exp.Expr, microseconds: int, dialect: str) -> exp.Expr:
    """Return a time with a zone that is later by a number of microseconds."""
    amount = exp.Literal.number(microseconds)
    if dialect == TO_SNOWFLAKE:
        unit = exp.var("microsecond")
        return exp.Anonymous(this="timestampadd", expressions=[unit, amount, time.copy()])
    # Of Spark's 24 hours a session with a zone makes a day: 23 or 25 where clocks change.
    ticks = exp.Anonymous(this="unix_micros", expressions=[time.copy()])
    later = exp.Add(this=ticks, expression=amount)
    return exp.Anonymous(this="timestamp_micros", expressions=[later])


def _write_out_finite(tree: exp.Expr) -> None:
    """Say finite by comparisons: in every engine here NaN is above all, and itself."""
    low, high = (exp.cast(exp.Literal.string(name), "DOUBLE") for name in ("-inf", "inf"))
    for node in list(tree.find_all(exp.Anonymous)):
        if node.name.lower() == "isfinite":
            (one,) = node.expressions
            above = exp.GT(this=one.copy(), expression=low.copy())
            below = exp.LT(this=one.copy(), expression=high.copy())
            node.replace(exp.Paren(this=exp.And(this=above, expression=below)))
    for infinite in list(tree.find_all(exp.IsInf)):
        ends = [low.copy(), high.copy()]
        infinite.replace(exp.Paren(this=exp.In(this=infinite.this.copy(), expressions=ends)))


def _without_qualify(tree: exp.Expr) -> None:
    """Turn QUALIFY into a condition on a subquery; sqlglot's own loses columns behind a star."""
    for select in list(tree.find_all(exp.Select)):
        qualify = select.args.get("qualify")
        if qualify is None:
            continue
        condition = qualify.this.copy()
        inner = select.copy()
        inner.set("qualify", None)
        windows = list(condition.find_all(exp.Window))
        names = [f"__window_{i}" for i in range(len(windows))]
        for name, window in zip(names, windows, strict=True):
            inner = inner.select(exp.alias_(window.copy(), name))
            window.replace(exp.column(name))
        star = exp.Star(except_=[exp.to_identifier(name) for name in names] or None)
        select.replace(exp.select(star).from_(inner.subquery("qualified")).where(condition))


def _count_sets(tree: exp.Expr) -> None:
    """Count distinct values over a window by the set of them."""
    for window in list(tree.find_all(exp.Window)):
        count = window.this
        if isinstance(count, exp.Count) and isinstance(count.this, exp.Distinct):
            (of,) = count.this.expressions
            made = window.copy()
            made.set("this", exp.Anonymous(this="collect_set", expressions=[of.copy()]))
            window.replace(exp.Anonymous(this="array_size", expressions=[made]))


def _match_conditions(tree: exp.Expr) -> None:
    """Take the comparison of times out of the condition of as-of joins."""
    for join in list(tree.find_all(exp.Join)):
        if join.method != "ASOF":
            continue
        parts = list(join.args["on"].flatten()) if isinstance(join.args["on"], exp.And) else [
            join.args["on"]
        ]  # fmt: skip
        (times,) = [part for part in parts if isinstance(part, exp.GTE)]
        same = [part.copy() for part in parts if part is not times]
        join.set("match_condition", times.copy())
        join.set("on", exp.and_(*same) if same else None)
        # It keeps every row on the left; there is no word for that.
        join.set("side", None)
