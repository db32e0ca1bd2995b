"""The one place where SQL text is read and composed.

Every statement that makes or reads rows is a file under ``sql/``; what sets up a session stands
beside the connection. In a file ``$name`` is a value that DuckDB binds,
``:name`` a place for an identifier or a list of columns that `render` fills in; what is filled
in has been through `quote`, or is a user expression that the analyser has let pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from ml4t.backtest.core.tolerances import WHOLE

ASOF_VIEWS = ("signals", "market")
_PLACE = re.compile(r"(?<![:\w]):([a-z_]+)(?![:\w])")
# The line by which the query of one trade says of which it is.
OF_TRADE = "where trade_id = {}"
# What makes a pattern of a path.
WILD = re.compile(r"[*?\[]")
# Of a comment that is alone in its line, the line goes too.
_COMMENT = re.compile(r"^[ \t]*--[^\n]*\n|--[^\n]*(?=\n)", re.MULTILINE)


class Sql(str):
    """The text of a statement that knows the file it comes from.

    Attributes
    ----------
    file : str
        Such as ``ranking/ranked.sql``, under ``sql/``.
    inside : tuple of str
        Files whose statements fill its places.
    """

    __slots__ = ("file", "inside")
    file: str
    inside: tuple[str, ...]

    @classmethod
    def of(cls, text: str, file: str, inside: Iterable[str] = ()) -> Sql:
        """Return `text` as that of a file."""
        named = cls(text)
        named.file, named.inside = file, tuple(inside)
        return named


@cache
def _roots() -> tuple[Path, Path]:
    """Return where ``sql/`` may be: inside the installed package, or at the checkout's top."""
    package = Path(__file__).resolve().parent.parent
    return package / "sql", package.parents[2] / "sql"


@cache
def read(name: str) -> Sql:
    """Return the SQL of ``sql/<name>.sql``, comments removed.

    The wheel ships the folder inside the package; an editable install reads the checkout's.
    """
    return Sql.of(_COMMENT.sub("", _file(name)).strip(), f"{name}.sql")


def grain(name: str) -> str:
    """Return what a row of ``sql/<name>.sql`` is, as its head says."""
    first = _file(name).partition("\n")[0]
    return first.removeprefix("-- grain:").strip()


def _file(name: str) -> str:
    for root in _roots():
        path = root / f"{name}.sql"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError(f"sql/{name}.sql is not part of this installation")


def names(folder: str) -> tuple[str, ...]:
    """Return the statements under ``sql/<folder>``, sorted."""
    for root in _roots():
        if (root / folder).is_dir():
            return tuple(sorted(path.stem for path in (root / folder).glob("*.sql")))
    raise FileNotFoundError(f"sql/{folder} is not part of this installation")


def render(name: str, **places: str) -> Sql:
    """Return a statement with its ``:name`` places filled in; a missing one is a KeyError."""
    text = read(name)
    inside = (place for place in places.values() if isinstance(place, Sql))
    return Sql.of(
        _PLACE.sub(lambda match: places[match.group(1)], text),
        text.file,
        (file for place in inside for file in (place.file, *place.inside)),
    )


def quote(identifier: str) -> str:
    """Return `identifier` as a quoted SQL name."""
    return '"' + identifier.replace('"', '""') + '"'


def split_view(name: str) -> tuple[str | None, str]:
    """Return the view that a name begins with, if it does, and the column."""
    view, _, column = name.partition(".")
    return (view, column) if view in ASOF_VIEWS and column else (None, name)


def quote_feature(name: str) -> str:
    """Return a feature as SQL: ``market.x`` is column x of ``market``."""
    view, column = split_view(name)
    return quote(column) if view is None else f"{view}.{quote(column)}"


def literal(text: str) -> str:
    """Return `text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def file_literal(path: str) -> str:
    """Return a local file's path as an SQL string; its own brackets and stars are no pattern."""
    return literal(WILD.sub(r"[\g<0>]", path))


def columns(names: Iterable[str], table: str | None = None) -> str:
    """Return quoted column names, comma-separated, each led by its table when one is given."""
    lead = f"{table}." if table else ""
    return ", ".join(lead + quote(str(name)) for name in names)


def rows_of(relation: str, items: str = "*", *, where: str | None = None) -> Sql:
    """Return the query of select items of a relation, of the rows alone for which a test holds."""
    only = "" if where is None else f"where {where}"
    return render("relations/rows", relation=relation, columns=items, only=only)


def picked(query: Sql, trade_id: int) -> Sql:
    """Return the query of one trade as that of another; as it stands it is of trade 0."""
    assert query.count(OF_TRADE.format(0)) == 1
    text = query.replace(OF_TRADE.format(0), OF_TRADE.format(trade_id))
    return Sql.of(text, query.file, query.inside)


def count_of(query: str) -> Sql:
    """Return the query of how many rows a query has."""
    return render("relations/count", query=query)


def sample_of(query: str, n: int, *, by: str | None = None) -> Sql:
    """Return the query of the first rows of a query, or of any without an order."""
    ordering = "" if by is None else f"order by {by}"
    return render("relations/sample", query=query, ordering=ordering, n=str(n))


def columns_of(query: str) -> str:
    """Return the query of the columns of a query, with their types."""
    return f"describe {query}"


def plan_of(statement: str) -> str:
    """Return the query of how DuckDB would run a statement."""
    return f"explain {statement}"


def schema_of(name: str) -> Sql:
    """Return the statement that makes a schema."""
    return render("relations/schema", schema=name)


def view_of(target: str, query: str) -> Sql:
    """Return the statement that gives a query a name."""
    return render("relations/view", target=target, query=query)


def table_of(target: str, query: str) -> Sql:
    """Return the statement that keeps the rows of a query under a name."""
    return render("relations/table", target=target, query=query)


def empty_table_of(
    name: str, columns: Mapping[str, str], same: Mapping[str, str] | None = None
) -> str:
    """Return the statement that makes a table without rows, of columns with their types.

    Parameters
    ----------
    same : mapping of str to str, optional
        Texts of columns that say the same in every row, and are not kept for each.
    """
    given = [
        f"{quote(column)} {kind}"
        + (f" generated always as ({literal(same[column])})" if same and column in same else "")
        for column, kind in columns.items()
    ]
    return f"create table {name} ({', '.join(given)})"


def insert_of(target: str, query: str) -> str:
    """Return the statement that adds the rows of a query to a table."""
    return f"insert into {target} {query}"


def drop_of(kind: str, target: str) -> Sql:
    """Return the statement that takes a view or a table away."""
    return render("relations/drop", kind=kind, target=target)


def attach_of(
    path: Path, name: str, *, is_read_only: bool = False, options: Mapping[str, str] | None = None
) -> str:
    """Return the statement that gives a file of DuckDB a name; options are those of a new file."""
    said = ["type duckdb", *(["read_only"] if is_read_only else [])]
    said += [f"{option} {literal(value)}" for option, value in (options or {}).items()]
    return f"attach {literal(str(path.absolute()))} as {name} ({', '.join(said)})"


def detach_of(name: str) -> str:
    """Return the statement that lets go of a file; one that was written keeps no log."""
    return f"detach {name}"


def copied_form_of(target: str) -> str:
    """Return the statement that makes all that the memory holds in a file, but no rows."""
    return f"copy from database memory to {target} (schema)"


def parquet_of(query: str, path: Path) -> str:
    """Return the statement that writes the rows of a query to a file of Parquet."""
    return f"copy ({query}) to {literal(str(path.absolute()))} (format parquet)"


def plain_parquet(file: str) -> str:
    """Return a file of Parquet as a relation of what is in it, whatever its folders say."""
    return f"read_parquet({file_literal(file)}, hive_partitioning = false)"


def runs_parquet(files: Iterable[Path], *, by_name: bool = False) -> str:
    """Return files of Parquet as one relation, whose folders say of which run they are.

    Of ``where run_id = 'x'`` DuckDB opens only the files of x then.

    Parameters
    ----------
    by_name : bool
        They may differ in columns and types: all columns, in the type that takes all.
    """
    paths = [str(file.absolute()) for file in files]
    # Any folder above them that looks like a key would be a column, too.
    has_keys = not any(path.count("=") > 1 for path in paths)
    keys = "hive_partitioning = true, hive_types = {'run_id': varchar}"
    settings = [keys if has_keys else "hive_partitioning = false"]
    settings += ["union_by_name = true"] if by_name else []
    return f"read_parquet([{', '.join(map(file_literal, paths))}], {', '.join(settings)})"


def files_parquet(files: Iterable[Path], *, are_alike: bool) -> str:
    """Return files of Parquet as one relation; where they are not alike, by names of columns.

    For that DuckDB holds what it knows of every file, 0.3 MB each, until the last is read.
    """
    paths = ", ".join(file_literal(str(one)) for one in files)
    by_name = str(not are_alike).lower()
    return f"read_parquet([{paths}], union_by_name = {by_name}, hive_partitioning = false)"


def csv_of(query: str, path: Path) -> str:
    """Return the statement that writes the rows of a query to a file of CSV, with a header."""
    return f"copy ({query}) to {literal(str(path.absolute()))} (format csv, header)"


def all_of(queries: Iterable[str], *, by_name: bool = False) -> str:
    """Return the query of the rows of several, their columns together by place or by name."""
    return f" union all{' by name' if by_name else ''} ".join(queries)


def join(kind: str, relation: str, alias: str, on: str) -> str:
    """Return a join of a relation under an alias, such as of the kind ``asof left``."""
    return f"{kind} join {relation} as {alias} on {on}"


def join_numbers(relation: str, alias: str, left: str) -> str:
    """Return the left join of a relation under an alias, at a row's bar and asset."""
    return join("left", relation, alias, f"{left}.t = {alias}.t and {left}.sid = {alias}.sid")


def every_bars(every: int, offset: int) -> str:
    """Return the condition on the number of a bar, from 1, that it decides."""
    return f"(bar_number - {offset}) % {every} = 0"


def one_of(column: str, values: Iterable[str]) -> str:
    """Return the condition that a column is one of some values; of none it never holds."""
    return f"{column} in ({', '.join(values) or 'null'})"


def with_steps(steps: Iterable[tuple[str, str]], last: str) -> str:
    """Return a query whose steps have names, each of which later ones can read."""
    named = ", ".join(f"{name} as ({query})" for name, query in steps)
    return f"with {named} {last}"


def only_if(condition: str, item: str) -> str:
    """Return an item where a condition holds, else NULL."""
    return f"case when {condition} then {item} end"


def unless(condition: str, item: str) -> str:
    """Return NULL where a condition holds, else an item."""
    return f"case when {condition} then null else {item} end"


def first_failing(conditions: Iterable[tuple[str, str]]) -> str:
    """Return the label of the first condition that is not true, NULL where all are."""
    cases = " ".join(
        f"when not coalesce(({condition}), false) then {literal(label)}"
        for label, condition in conditions
    )
    return f"case {cases} end" if cases else "null::varchar"


def holds_any(item: str, relation: str, column: str) -> str:
    """Return the condition that a column of a relation holds an item."""
    return f"{item} in (select {column} from {relation})"


def is_true(condition: str) -> str:
    """Return whether a condition is true, false where it is NULL."""
    return f"coalesce(({condition}), false)"


def holds(column: str, text: str) -> str:
    """Return whether a text is in a column of lists."""
    return f"list_contains({quote(column)}, {literal(text)})"


def highest_first(column: str, then: str) -> str:
    """Return an order: the highest value of a column first, those without one last."""
    return f"{quote(column)} desc nulls last, {quote(then)} asc"


def times_true(conditions: Iterable[str]) -> str:
    """Return the counts of the rows for which each condition is true."""
    return ", ".join(f"count(*) filter (where {one})" for one in conditions)


def previous_of(name: str, alias: str) -> str:
    """Return a column of signals at the bar before, which is the asset's own; names unquoted."""
    window = "partition by signals.asset_id order by signals.timestamp asc"
    return f"lag(signals.{quote(name)}) over ({window}) as {quote(alias)}"


def number_kept(n: float | str, group: str) -> str:
    """Return how many of a group of rows a ranking keeps: a number, a share of them, or all."""
    if isinstance(n, int):
        return str(n)
    n_rows = f"count(*) over (partition by {group})"
    if isinstance(n, str):
        return n_rows
    # 0.29 * 100 is 28.999999999999996 in floats.
    return f"greatest(1, floor({n!r}::double * {n_rows} + {WHOLE!r}::double)::bigint)"


def equal_weight(n: float | str, *, is_grouped: bool) -> str:
    """Return a share for each of n wanted, in each group that has any; fewer leave cash."""
    if not isinstance(n, int):
        return "1.0::double / count(*) over (partition by signals.t)"
    groups = "count(distinct signals.__group) over (partition by signals.t)"
    return f"1.0::double / ({n} * {groups})" if is_grouped else f"1.0::double / {n}"


def inverse_of(size: str) -> str:
    """Return 1 / size, 0 where it is none; NaN is above every number in DuckDB."""
    return f"case when isfinite({size}) and {size} > 0 then 1 / {size} else 0 end"


def cast(table: str, column: str, kind: str, *, none: int | None = None) -> str:
    """Return a column of a table in a type, under its own name; `none` stands for NULL in it."""
    place = f"{table}.{quote(column)}"
    if none is not None:
        place = f"nullif({place}, {none})"
    # Python's arrays know no zone: a cast would take their times for those of the session's.
    moment = f"timezone('UTC', {place})" if kind == "TIMESTAMP WITH TIME ZONE" else place
    return f"cast({moment} as {kind}) as {quote(column)}"


def cast_columns(
    kinds: Mapping[str, str], table: str, *, same: Mapping[str, str] | None = None
) -> str:
    """Return columns of a table in their types, and those that say the same text in every row."""
    said = {} if same is None else same
    items = [
        f"{literal(said[name])} as {quote(name)}"
        if name in said
        else f"cast({table}.{quote(name)} as {kind}) as {quote(name)}"
        for name, kind in kinds.items()
    ]
    return ", ".join(items)


def null_of(kind: str, column: str) -> str:
    """Return a NULL of a type under a column's name."""
    return f"null::{kind} as {column}"


def ratio_of(above: str, below: str, *, times: str) -> str:
    """Return a number times the quotient of two others, as doubles; none where below is 0."""
    return f"{times}::double * ({above}::double / nullif({below}::double, 0))"


def comment(table: str, column: str, text: str, *, schema: str = "main") -> str:
    """Return the statement that writes what a column means into its table or view."""
    place = f"{quote(schema)}.{quote(table)}.{quote(column)}"
    return f"comment on column {place} is {literal(text)}"


def comment_on(kind: str, name: str, text: str, *, schema: str) -> str:
    """Return the statement that writes what a table or view shows into it."""
    return f"comment on {kind} {quote(schema)}.{quote(name)} is {literal(text)}"


def first_bars(table: str, *times: str, where: str | None = None) -> str:
    """Return the query of the first bar at or after each of some times of a table."""
    moments = (rows_of(table, f"{time} as moment", where=where) for time in times)
    return render("timeline/first_bars", moments=all_of(moments))
