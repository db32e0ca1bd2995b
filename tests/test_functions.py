"""What the analyser decides by a function's name, held against every function that DuckDB has.

A new DuckDB brings new functions and gives old ones other stabilities. Each form of each function
is run over a table and over its first bars alone: what it says of a bar must not depend on the bars
after it, or no expression may call it. `make functions` runs it twice and with several threads too,
with more constants, in queries also, on the newest DuckDB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, cast

import pytest
from sqlglot import parse_one

from effort import EFFORT, long
from ml4t.backtest.data.database import Database, EngineError
from ml4t.backtest.data.sql_files import read
from ml4t.backtest.data.user_sql.expressions import analyse, in_total_order
from ml4t.backtest.data.user_sql.functions import (
    _BY_NAME,
    _MACROS,
    called,
    refuse_functions,
)
from ml4t.backtest.data.user_sql.names import Names
from ml4t.backtest.data.user_sql.queries import prove_local
from ml4t.backtest.data.user_sql.stability import REFUSED, REFUSED_FORMS
from ml4t.backtest.errors import ExpressionError

N_BARS, KEPT = 8, 5
# Columns by the type that a function asks for; the bars after `KEPT` hold other, larger values.
COLUMNS = {
    "DOUBLE": "(case when t < 5 then 1.5 + asset + t else 1e6 + asset end)::double",
    "BIGINT": "(case when t < 5 then 1 + asset + t % 3 else 40 + asset end)::bigint",
    "VARCHAR": "case when t < 5 then 'a' || asset else 'zz' || asset end",
    "BOOLEAN": "t % 2 = asset % 2",
    "TIMESTAMP": "timestamp '2024-01-01 10:00:00' + interval (t * t) day",
    "TIMESTAMP WITH TIME ZONE": "timestamptz '2024-01-01 10:00:00+00' + interval (t * t) day",
    "DATE": "date '2024-01-01' + (t * t)::integer",
    "TIME": "time '10:00:00' + interval (t) minute",
    "INTERVAL": "to_days((t + 1)::integer)",
    "BIT": "case when t < 5 then '0101'::bit else '1111'::bit end",
    "BLOB": "case when t < 5 then 'ab'::blob else 'zz'::blob end",
    "UUID": "'7d1dc7a7-8f6f-4f2f-9f0e-000000000001'::uuid",
    "JSON": "'{\"a\": 1}'",
    "STRUCT": "{'a': t, 'b': asset}",
    "MAP": "map {'a': t}",
}
CONSTANTS = ("1", "'day'", "0.5", "'a'", "lambda x: x", "lambda x, y: x")[: 2 if EFFORT == 1 else 6]
SAME = ("T", "ANY", "K", "V")
# Arguments that no type tells.
BY_HAND: dict[str, Sequence[str]] = {
    "aggregate": ["[c0, 2.0], 'sum'"],
    "array_to_json": ["[c0]"],
    "create_sort_key": ["c0, 'asc nulls last'"],
    "parse_formatted_bytes": ["c1 || 'KB'"],
    "array_prepend": ["c0, [c0]"],
    "array_slice": ["[c0, 1], 1, 2"],
    "array_value": ["c0, c0"],
    "bitstring": ["'0101', 8"],
    "cardinality": ["c14"],
    "date_trunc": ["'month', c4", "'month', c5", "'month', c6", "'hour', c8"],
    "date_part": ["'month', c4", "'hour', c5", "['month', 'day'], c6", "'hour', c7", "'epoch', c8"],
    "date_diff": ["'day', c4, c4 + c8", "'hour', c5, c5 + c8", "'day', c6, c6"],
    "date_sub": ["'day', c4, c4 + c8", "'hour', c5, c5 + c8", "'day', c6, c6"],
    "from_base64": ["to_base64(c10)"],
    "from_binary": ["'0101'"],
    "from_json": ["c12, '{\"a\": \"BIGINT\"}'"],
    "json_quote": ["c0"],
    "lag": ["c0", "c0, 1", "c0, 1, 0"],
    "list_prepend": ["c0, [c0]"],
    "list_slice": ["[c0, 1], 1, 2"],
    "list_zip": ["[c0], [c1]"],
    "map_concat": ["c14, c14"],
    "map_contains_entry": ["c14, 'a', c1"],
    "map_contains_value": ["c14, c1"],
    "map_from_entries": ["[{'k': c1, 'v': c0}]"],
    "nth_value": ["c0, 2"],
    "ntile": ["2"],
    "row_to_json": ["c13"],
    "strptime": ["'2024-01-0' || c1 % 9, '%Y-%m-%d'"],
    "struct_concat": ["c13, {'c': c0}"],
    "struct_contains": ["row(c0), c0"],
    "struct_position": ["row(c0), c0"],
    "struct_insert": ["c13, c := c0"],
    "struct_update": ["c13, a := c0"],
    "struct_keys": ["c13"],
    "to_base": ["c1, 2"],
    "to_json": ["c0"],
    "unbin": ["'0101'"],
    "union_tag": ["union_value(a := c0)"],
    "union_extract": ["union_value(a := c0), 'a'"],
    "union_value": ["a := c0"],
    "uuid_extract_timestamp": ["'01890a5d-ac96-774b-bcce-b302099a8057'::uuid"],
    **dict.fromkeys(("list_bit_and", "list_bit_or", "list_bit_xor"), ("[c1, 3]",)),
    **dict.fromkeys(("list_bool_and", "list_bool_or"), ("[c3, true]",)),
    **dict.fromkeys(
        ("array_cosine_distance", "array_cosine_similarity", "array_cross_product",
         "array_distance", "array_dot_product", "array_inner_product",
         "array_negative_dot_product", "array_negative_inner_product"),
        ("array_value(c0, 1.0, 2.0), array_value(1.0, c0, 3.0)",),
    ),
}  # fmt: skip
ALIASES = {
    "date_diff": ["datediff"], "date_part": ["datepart"], "date_sub": ["datesub"],
    "date_trunc": ["datetrunc"], "list_zip": ["array_zip"], "lag": ["first_value", "last_value"],
    "aggregate": ["array_aggr", "array_aggregate", "list_aggr", "list_aggregate"],
    "from_json": ["from_json_strict", "json_transform",
    "json_transform_strict"], "struct_contains": ["struct_has"],
    "struct_position": ["struct_indexof"],
}  # fmt: skip
BY_HAND |= {alias: BY_HAND[name] for name, aliases in ALIASES.items() for alias in aliases}
# What is not run with columns in any form, and why.
NOT_RUN = {
    "combine": "of states of aggregates, which no column holds",
    "combine_aggr": "of states of aggregates",
    "finalize": "of states of aggregates",
    "to_aggregate_state": "of states of aggregates",
    "currval": "refused, of a sequence",
    "current_schemas": "refused, of the session",
    "current_setting": "refused, of the session",
    "getvariable": "refused, of the session",
    "json_deserialize_sql": "of a query as a text",
    "json_serialize_plan": "of a query as a text",
    "json_serialize_sql": "of a query as a text",
    "parse_duckdb_log_message": "of the log",
    "make_type": "makes a type",
    "constant_or_null": "of DuckDB's own plans",
    "switch": "of DuckDB's own plans, as a CASE",
    "lttb": "takes lists of points for a chart",
}
# Of DuckDB itself, and of types that no source has.
NOT_RUN_STARTS = ("__", "st_", "enum_", "vertex_", "variant_", "timetz_", "index_key", "remap_")


# Never called here, for what they do; no expression may call them.
NOT_CALLED = {
    "error": "ends the query",
    "getenv": "reads the environment",
    "nextval": "counts a sequence on",
    "setseed": "changes what is drawn after it",
    "setval": "sets a sequence",
    "sleep_ms": "waits",
    "write_log": "writes",
}


class Asked(Database):
    """A database that lists its functions once: it takes as long as a thousand small queries."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads=threads)
        if threads > 1:  # a small table would have one thread alone
            self.execute("pragma verify_parallelism")
        every = super().rows("select distinct function_name from duckdb_functions()")
        self._functions = super().rows(
            read("user_sql/functions"), {"names": [name for (name,) in every]}
        )

    def rows(
        self, query: str, parameters: Mapping[str, object] | None = None
    ) -> list[tuple[Any, ...]]:
        if query == read("user_sql/functions") and parameters is not None:
            names = cast("list[str]", parameters["names"])
            return [row for row in self._functions if row[0] in names]
        return super().rows(query, parameters)


def filled(threads: int) -> Database:
    database = Asked(threads)
    columns = ", ".join(f"{sql} as c{i}" for i, sql in enumerate(COLUMNS.values()))
    database.execute(
        f"create table whole as select t as timestamp, asset as sid, {columns} "
        f"from range({N_BARS}) bars (t), range(3) assets (asset) order by all"
    )
    database.execute(f"create table past as select * from whole where timestamp < {KEPT}")
    return database


@pytest.fixture(scope="module")
def database() -> Database:
    return filled(threads=1)


@pytest.fixture(scope="module")
def parallel() -> Database:
    return filled(threads=4)


def argument(kind: str) -> str | None:
    """A column (or a list of one) that an argument of this type takes."""
    if kind.endswith("[]"):
        inner = argument(kind[:-2])
        return None if inner is None else f"[{inner}, {inner}]"
    if kind.startswith(("MAP", "STRUCT")):
        kind = kind.split("(")[0]
    if kind in SAME:
        kind = "DOUBLE"
    names = list(COLUMNS)
    if kind in names:
        return f"c{names.index(kind)}"
    if kind in ("UNION", "TUPLE"):
        return None
    if kind == "LAMBDA":
        return "lambda x: x"
    base = "BIGINT" if "INT" in kind else "TIMESTAMP" if "TIMESTAMP" in kind else "DOUBLE"
    return f"c{names.index(base)}::{kind}"


def forms(name: str, kinds: tuple[str, ...], *, constants: bool) -> Iterator[str]:
    """Calls of one overload: with columns, or with constants behind the first argument."""
    for given in BY_HAND.get(name, ()):
        yield f'"{name}"({given})'
    arguments = [argument(kind) for kind in kinds]
    if None in arguments:
        return
    columns = [one for one in arguments if one is not None]
    yield f'"{name}"({", ".join(columns)})'
    if constants and len(columns) in (2, 3):
        for rest in product(CONSTANTS, repeat=len(columns) - 1):
            yield f'"{name}"({", ".join([columns[0], *rest])})'


def is_allowed(name: str, numbers: set[int], database: Database) -> bool:
    """Say whether an expression may call a function with some number of arguments."""
    try:
        refuse_functions(f"{name}()", {name: numbers}, database)
    except ExpressionError:
        return False
    return True


def functions(database: Database) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """Every function of values, with the kind and types of its overloads."""
    found: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for name, kind, types in database.rows(
        "select distinct function_name, function_type, parameter_types from duckdb_functions() "
        "where function_type in ('scalar', 'aggregate', 'window') order by all"
    ):
        if name.isidentifier() and name not in NOT_CALLED:
            found.setdefault(name, []).append((kind, tuple(map(str, types))))
    macros = database.rows(
        "select distinct function_name, len(parameters) from duckdb_functions() where internal "
        "and function_type = 'macro' and list_contains($names, function_name) order by all",
        {"names": sorted(_MACROS)},
    )
    for name, n_parameters in macros:
        for kind in ("DOUBLE", "DOUBLE[]", "DATE", "VARCHAR"):
            found.setdefault(name, []).append(("scalar", (kind,) * n_parameters))
    return found


def answers(database: Database, table: str, call: str) -> list[tuple[object, ...]]:
    return database.rows(
        f"select * from (select timestamp, sid, ({in_total_order(call)})::varchar as value "
        f"from {table} as signals) where timestamp < {KEPT} order by timestamp, sid"
    )


def grouped(database: Database, table: str, call: str) -> list[tuple[object, ...]]:
    """The answers of an aggregate of a query, as it would be run."""
    query = f"select timestamp, {call} as value from signals group by timestamp"
    names = ("timestamp", "sid", *(f"c{i}" for i in range(len(COLUMNS))))
    proved = prove_local(query, {"signals": names}, database).text
    return database.rows(
        f"with signals as (from {table}), asked as ({proved}) select timestamp, value::varchar "
        f"from asked where timestamp < {KEPT} order by timestamp"
    )


def may_be_said(call: str, database: Database) -> bool:
    names = Names(signals=["timestamp", *(f"c{i}" for i in range(len(COLUMNS)))], market=[])
    try:
        analyse(call, names, database)
    except ExpressionError:
        return False
    return True


def calls(database: Database) -> Iterator[tuple[str, str]]:
    """One call of every overload, and of the first ones of a name with constants too; its kind."""
    for name, overloads in functions(database).items():
        for i, (kind, kinds) in enumerate(overloads):
            for call in dict.fromkeys(forms(name, kinds, constants=i < 3 * EFFORT)):
                yield call, kind


@long
def test_no_form_that_may_be_called_depends_on_more_than_its_rows(
    database: Database, parallel: Database
) -> None:
    n_forms, differing = 0, list[str]()
    run = set[str]()
    for call, kind in calls(database):
        order = " order by c0" if kind == "window" else ""
        call = call if kind == "scalar" else f"{call} over (partition by timestamp{order})"
        try:
            past = answers(database, "past", call)
        except (EngineError, ExpressionError):
            continue  # the arguments do not fit, or nothing says in which order
        n_forms += 1
        run.add(call.split('"')[1])
        is_other = answers(database, "whole", call) != past
        if EFFORT > 1 and not is_other:
            is_other = past != answers(database, "past", call)
            is_other |= past != answers(parallel, "past", call)
        differing += [call] * is_other
    assert [call for call in differing if may_be_said(call, database)] == []
    # What is refused by name or by DuckDB's word, of that which shows on so few rows.
    assert {"random", "uuid", "bitstring_agg"} <= {call.split('"')[1] for call in differing}
    assert n_forms > 1_000
    if EFFORT > 1:
        missing = {name for name in {*functions(database)} - run - {*NOT_RUN}
                   if not name.startswith(NOT_RUN_STARTS)}  # fmt: skip
        assert missing == set()


@pytest.mark.skipif(EFFORT == 1, reason="make functions: a query of every aggregate")
def test_no_aggregate_of_a_query_depends_on_more_than_its_rows(
    database: Database, parallel: Database
) -> None:
    n_forms, differing = 0, []
    for call, kind in calls(database):
        if kind != "aggregate":
            continue
        try:
            past = grouped(database, "past", call)
        except (EngineError, ExpressionError):
            continue
        n_forms += 1
        others = (
            grouped(database, "whole", call), grouped(database, "past", call),
            grouped(parallel, "past", call),
        )  # fmt: skip
        differing += [call] * any(other != past for other in others)
    assert differing == []
    assert n_forms > 300


def test_what_is_never_called_here_may_not_be_called(database: Database) -> None:
    for name in NOT_CALLED:
        assert not is_allowed(name, {0, 1, 2}, database), name


@pytest.mark.parametrize(
    ("call", "is_said"),
    [
        ("age(c4, c4)", True),
        ("age(c4)", False),
        ("c4.age()", False),
        ("month(c5)", True),
        ("date_add(c6, c8)", True),
        ("list_sum([c0, c0])", True),
        ("len(range(3))", True),
        ("list_aggregate([c0, c0], 'sum')", True),
        ("list_aggregate([c0, c0], 'reservoir_quantile', 0.5)", False),
        ("list_aggregate([c0, c0], 'approx_' || 'quantile', 0.5)", False),
        ("[c0, c0].list_aggr('reservoir_quantile', 0.5)", False),
        ("wavg(c0, c1)", False),
        ("version()", False),
    ],
)
def test_a_function_is_judged_by_the_form_that_is_called(
    call: str, *, is_said: bool, database: Database
) -> None:
    assert may_be_said(call, database) == is_said


def test_words_of_a_query_before_a_bracket_are_no_functions() -> None:
    query = """
        with late(a, b) as (select age(a, b), avg(a) over (order by b) from signals s(a, b))
        select * from late join (select avg(a) from late) as v(z) on true limit (3)
    """
    assert called(query, ["select"], parse_one(query, read="duckdb")) == {"age": {2}, "avg": {1}}


def test_functions_of_lists_take_no_aggregate_by_another_name(database: Database) -> None:
    """Whatever DuckDB gives the function as an alias takes the name of an aggregate, too."""
    aliases = database.rows(
        "select distinct function_name from duckdb_functions() "
        "where 'list_aggregate' in (function_name, alias_of)"
    )
    assert {name for (name,) in aliases} == _BY_NAME


def test_the_aggregate_that_reads_statistics_would_be_found(database: Database) -> None:
    call = "bitstring_agg(c1) over (partition by timestamp)"
    assert answers(database, "whole", call) != answers(database, "past", call)
    with pytest.raises(ExpressionError, match=r"looks ahead.*bitstring_agg\(column, lowest"):
        analyse(call, Names(signals=["timestamp", "c1"], market=[]), database)
    bounded = "bitstring_agg(c1, 0, 63) over (partition by timestamp)"
    assert may_be_said(bounded, database)
    assert answers(database, "whole", bounded) == answers(database, "past", bounded)


def test_functions_of_a_query_or_a_draw_are_refused_and_those_of_a_zone_are_not(
    database: Database,
) -> None:
    """The zone of a session is set, so that what reads it alone is a value of the row."""
    zoned = {"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS", "TIME WITH TIME ZONE"}
    refused = set()
    for name, stability, types, returned in database.rows(
        "select function_name, stability, parameter_types, return_type from duckdb_functions() "
        "where function_type in ('scalar', 'aggregate') and stability <> 'CONSISTENT'"
    ):
        if not name.isidentifier():
            continue
        by_zone = stability == "CONSISTENT_WITHIN_QUERY" and types and zoned & {*types, returned}
        if is_allowed(name, {len(types)}, database):
            assert by_zone, (name, stability, types)
        else:
            refused.add(name)
    assert {"random", "now", "current_date", "nextval", "uuid", "current_setting"} <= refused
    for name in ("month", "date_trunc", "dayofweek", "strftime", "date_diff", "hour"):
        assert is_allowed(name, {1, 2, 3}, database)


def test_every_name_that_is_decided_here_is_one_of_duckdb(database: Database) -> None:
    known = {name for (name,) in database.rows("select function_name from duckdb_functions()")}
    decided = {*REFUSED, *_MACROS, *_BY_NAME, *(name for name, _ in REFUSED_FORMS)}
    assert decided - known == set()


def test_every_macro_that_is_allowed_is_arithmetic_of_its_arguments(database: Database) -> None:
    bodies = database.rows(
        "select function_name, macro_definition from duckdb_functions() "
        "where function_type = 'macro' and internal and list_contains($names, function_name)",
        {"names": sorted(_MACROS)},
    )
    assert {name for name, _ in bodies} <= _MACROS
    assert bodies
    for name, body in bodies:
        assert "select" not in body.lower(), name
