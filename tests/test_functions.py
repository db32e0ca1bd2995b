"""What the analyser decides by a function's name, held against every function that DuckDB has.

A new DuckDB brings new functions and gives old ones other stabilities. Each form of each function
that an expression may call is run over a table and over its first bars alone: what it says of a
bar must not depend on the bars after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, cast

import pytest

from ml4t.backtest.data.database import Database, EngineError
from ml4t.backtest.data.sql_files import read
from ml4t.backtest.data.user_sql.expressions import analyse
from ml4t.backtest.data.user_sql.names import Names
from ml4t.backtest.data.user_sql.parsed import _MACROS, _REFUSED, refuse_functions
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
CONSTANTS = ("1", "'day'")
SAME = ("T", "ANY", "K", "V")


class Asked(Database):
    """A database that lists its functions once: it takes as long as a thousand small queries."""

    def __init__(self) -> None:
        super().__init__(threads=1)
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


@pytest.fixture(scope="module")
def database() -> Database:
    database = Asked()
    columns = ", ".join(f"{sql} as c{i}" for i, sql in enumerate(COLUMNS.values()))
    database.execute(
        f"create table whole as select t as timestamp, asset, {columns} "
        f"from range({N_BARS}) bars (t), range(3) assets (asset) order by all"
    )
    database.execute(f"create table past as select * from whole where timestamp < {KEPT}")
    return database


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
    if kind in ("LAMBDA", "UNION", "TUPLE"):
        return None
    base = "BIGINT" if "INT" in kind else "TIMESTAMP" if "TIMESTAMP" in kind else "DOUBLE"
    return f"c{names.index(base)}::{kind}"


def forms(name: str, kinds: tuple[str, ...], *, constants: bool) -> Iterator[str]:
    """Calls of one overload: with columns, or with constants behind the first argument."""
    arguments = [argument(kind) for kind in kinds]
    if None in arguments:
        return
    columns = [one for one in arguments if one is not None]
    yield f'"{name}"({", ".join(columns)})'
    if constants and len(columns) in (2, 3):
        for rest in product(CONSTANTS, repeat=len(columns) - 1):
            yield f'"{name}"({", ".join([columns[0], *rest])})'


def is_allowed(name: str, database: Database) -> bool:
    try:
        refuse_functions(f"{name}()", {name}, database)
    except ExpressionError:
        return False
    return True


def allowed(database: Database) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """Every function that an expression may call, with the kind and types of its overloads."""
    found: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for name, kind, types in database.rows(
        "select distinct function_name, function_type, parameter_types from duckdb_functions() "
        "where function_type in ('scalar', 'aggregate', 'window') order by all"
    ):
        if name.isidentifier():
            found.setdefault(name, []).append((kind, tuple(map(str, types))))
    return {name: each for name, each in found.items() if is_allowed(name, database)}


def answers(database: Database, table: str, call: str) -> list[tuple[object, ...]]:
    return database.rows(
        f"select * from (select timestamp, asset, ({call})::varchar as value from {table}) "
        f"where timestamp < {KEPT} order by timestamp, asset"
    )


def may_be_said(call: str, database: Database) -> bool:
    names = Names(signals=["timestamp", *(f"c{i}" for i in range(len(COLUMNS)))], market=[])
    try:
        analyse(call, names, database)
    except ExpressionError:
        return False
    return True


def calls(database: Database) -> Iterator[str]:
    """One call of every overload, and of the first ones of a name with constants too."""
    for name, overloads in allowed(database).items():
        for i, (kind, kinds) in enumerate(overloads):
            for call in forms(name, kinds, constants=i < 3):
                yield call if kind == "scalar" else f"{call} over (partition by timestamp)"


def test_no_form_of_an_allowed_function_depends_on_later_bars(database: Database) -> None:
    n_forms, ahead = 0, []
    for call in calls(database):
        try:
            past = answers(database, "past", call)
        except EngineError:
            continue  # the arguments do not fit
        n_forms += 1
        if answers(database, "whole", call) != past and may_be_said(call, database):
            ahead.append(call)
    assert ahead == []
    assert n_forms > 1_000


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
        if is_allowed(name, database):
            assert by_zone, (name, stability, types)
        else:
            refused.add(name)
    assert {"random", "now", "current_date", "nextval", "uuid", "current_setting"} <= refused
    for name in ("month", "date_trunc", "dayofweek", "strftime", "date_diff", "hour"):
        assert is_allowed(name, database)


def test_every_name_that_is_decided_here_is_one_of_duckdb(database: Database) -> None:
    known = {name for (name,) in database.rows("select function_name from duckdb_functions()")}
    assert ({*_REFUSED} | _MACROS) - known == set()


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
