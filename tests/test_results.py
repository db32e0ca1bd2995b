"""What a run leaves behind: its tables, their columns, saving and opening them."""

from __future__ import annotations

import gc
import re
import weakref
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from effort import each_value
from ml4t.backtest import (
    BacktestEngine,
    BacktestResult,
    Catalog,
    ExpressionError,
    Ranking,
    ResultError,
    Strategy,
    TopN,
)
from ml4t.backtest.results.report.views import LISTS
from ml4t.backtest.results.tables import COLUMNS, TABLES
from ml4t.backtest.risk import (
    DynamicTrailingStop,
    RiskManager,
    TakeProfit,
    TimeBasedExit,
    VolatilityScaledStopLoss,
)
from ml4t.backtest.running import run_once
from universes import make_universe

# The contract: run_id, then these, in this order; more may follow.
CONTRACT = {
    "orders": "order_id asset_id created_at quantity order_type limit_price stop_price "
    "time_in_force status reason filled_quantity",
    "fills": "fill_id order_id timestamp asset_id quantity price commission tax fee slippage",
    "trades": "trade_id asset_id quantity entry_timestamp entry_price exit_timestamp exit_price "
    "pnl return bars_held exit_rule commission tax fee slippage",
    "positions": "timestamp asset_id quantity price value unrealized_pnl is_stale",
    "equity": "timestamp equity cash gross_exposure net_exposure n_positions drawdown",
    "decisions": "timestamp asset_id rule action level reason features",
    "selections": "timestamp asset_id rank score weight",
    "cash_flows": "timestamp asset_id kind amount",
}
GRAIN = {
    "runs": "run_id",
    "orders": "order_id",
    "fills": "fill_id",
    "trades": "trade_id",
    "positions": "timestamp, asset_id",
    "equity": "timestamp",
    "selections": "timestamp, asset_id",
}


def make_run(seed: int = 1, **changes: Any) -> BacktestResult:
    """A run of which every table has rows."""
    universe = make_universe(seed, n_bars=30, **changes)
    catalog = Catalog()
    catalog.register("prices", universe.prices)
    catalog.register("features", universe.features)
    rules = [
        VolatilityScaledStopLoss(1.5),
        TakeProfit(0.06),
        DynamicTrailingStop(0.05),
        TimeBasedExit(3),
    ]
    return BacktestEngine(
        catalog, TopN(3, by="score", every=2), risk_manager=RiskManager(rules)
    ).run()


def test_a_run_leaves_nothing_to_the_cycle_collector() -> None:
    """Many runs in one process must not wait for it to give back sources and ledgers."""
    catalog = Catalog()
    catalog.register("prices", make_universe(1, n_bars=10).prices)
    gc.collect()
    gc.disable()
    try:
        engine = BacktestEngine(
            catalog, TopN(3, by="close"), risk_manager=RiskManager([TakeProfit(0.06)])
        )
        engine.run()
        gone = weakref.ref(catalog)
        del catalog, engine
        assert gone() is None
    finally:
        gc.enable()


@pytest.fixture(scope="module")
def run() -> BacktestResult:
    return make_run()


def tables(result: BacktestResult, *, facts: bool = True) -> dict[str, Any]:
    """Column names, types and rows of every table; without the wall clock unless `facts`."""
    found = {}
    for name in TABLES:
        relation = getattr(result, name)
        if name == "runs" and not facts:
            relation = result.sql("select * exclude (started_at, finished_at) from runs")
        found[name] = (
            relation.columns,
            [str(kind) for kind in relation.types],
            relation.fetchall(),
        )
    return found


# -- tables ---------------------------------------------------------------------------------


@pytest.mark.parametrize("table", CONTRACT)
def test_a_table_has_run_id_and_the_columns_of_its_contract_in_order(
    run: BacktestResult, table: str
) -> None:
    expected = ["run_id", *CONTRACT[table].split()]
    assert getattr(run, table).columns[: len(expected)] == expected


def test_runs_say_what_was_run_on_what_with_which_versions(run: BacktestResult) -> None:
    assert run.runs.columns[0] == "run_id"
    assert set(run.runs.columns) >= {
        "configuration", "sources", "versions", "started_at", "finished_at", "rows_dropped",
        "fill_policy",
    }  # fmt: skip
    parsed = run.sql(
        """
        select
            configuration::json ->> '$.strategy',
            json_array_length(configuration::json -> '$.risk_rules'),
            json_array_length(sources::json),
            versions::json ->> '$.duckdb' is not null,
            finished_at >= started_at,
            rows_dropped::json
        from runs
        """
    ).fetchall()
    assert parsed == [("TopN(3, by='score', every=2)", 4, 2, True, True, "{}")]


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_described_and_nothing_else_is(run: BacktestResult, table: str) -> None:
    assert getattr(run, table).columns == list(COLUMNS[table])
    assert all(text.strip() for text in COLUMNS[table].values())


# Only a run that a provider computes for has signals of its own, only one that is compared a
# benchmark, and only one with assets of other currencies a row for each; see test_computed.py,
# test_benchmark.py and test_currencies.py.
@pytest.mark.parametrize(
    "table", [one for one in TABLES if one not in ("signals", "benchmark", "currencies")]
)
def test_every_table_has_rows_of_one_run(run: BacktestResult, table: str) -> None:
    assert run.sql(f"select count(*) > 0, count(distinct run_id) from {table}").fetchall() == [
        (True, 1)
    ]


@pytest.mark.parametrize("table", GRAIN)
def test_a_table_has_one_row_per_grain(run: BacktestResult, table: str) -> None:
    query = f"select count(*) - count(distinct ({GRAIN[table]})) from {table}"
    assert run.sql(query).fetchall() == [(0,)]


def test_ids_count_from_zero_in_table_order(run: BacktestResult) -> None:
    for table, column in (("orders", "order_id"), ("fills", "fill_id"), ("trades", "trade_id")):
        ids = [row[0] for row in run.sql(f"select {column} from {table}").fetchall()]
        assert ids == list(range(len(ids)))


def test_an_open_lot_has_no_exit_and_a_closed_one_has_all_of_it(run: BacktestResult) -> None:
    exits = ("exit_timestamp", "exit_price", "bars_held", "exit_rule")
    empty = " + ".join(f"({name} is null)::integer" for name in exits)
    found = run.sql(f"select distinct {empty} as n from trades order by n").fetchall()
    assert found == [(0,), (4,)]


def test_the_capital_is_a_deposit_on_the_first_bar(run: BacktestResult) -> None:
    assert run.sql("select timestamp, asset_id, kind, amount from cash_flows").fetchall() == [
        (datetime(2024, 1, 1), None, "deposit", 100_000.0)
    ]


def test_a_selection_holds_the_ranked_rows_best_first(run: BacktestResult) -> None:
    rows = run.sql("select timestamp, rank, score, weight from selections").fetchall()
    assert rows == sorted(rows, key=lambda row: (row[0], row[1]))
    by_time: dict[datetime, list[Any]] = {}
    for row in rows:
        by_time.setdefault(row[0], []).append(row)
    for ranked in by_time.values():
        assert [row[1] for row in ranked] == list(range(1, len(ranked) + 1))
        assert [row[2] for row in ranked] == sorted((row[2] for row in ranked), reverse=True)
        assert {row[3] for row in ranked} == {1 / 3}


# -- decisions ------------------------------------------------------------------------------


def test_a_decision_carries_rule_action_level_reason_and_what_the_rule_saw() -> None:
    days = [date(2024, 1, n) for n in range(1, 6)]
    catalog = Catalog(threads=1)
    catalog.register(
        "prices",
        {
            "timestamp": days * 2,
            "asset_id": ["A"] * 5 + ["B"] * 5,
            "open": [10.0] * 10,
            "high": [10.0] * 10,
            "low": [10.0, 10.0, 7.5, 10.0, 10.0] + [10.0] * 5,
            "close": [10.0] * 10,
            "atr": [1.0, 1.25, 3.0, 3.0, 3.0] + [None] * 5,
        },
    )
    rules = [VolatilityScaledStopLoss(2), TimeBasedExit(2)]
    result = BacktestEngine(
        catalog, TopN(2, by="1", every=5, offset=1), risk_manager=RiskManager(rules)
    ).run()
    found = result.sql(
        "select timestamp, asset_id, rule, action, level, reason, features from decisions"
    ).fetchall()
    entry = result.sql("select min(price) from fills where quantity > 0").fetchall()[0][0]
    assert found == [
        # Set at the close of day 2 from its ATR of 1.25, touched on day 3.
        (days[2], "A", "VolatilityScaledStopLoss", "stop", pytest.approx(entry - 2.5),
         "2 x atr from the entry price", {"atr": 1.25}),
        (days[2], "B", "TimeBasedExit", "exit", None, "held for 2 bars", None),
    ]  # fmt: skip


def test_a_rule_that_sees_nothing_of_its_feature_has_no_such_key(run: BacktestResult) -> None:
    rows = run.sql("select rule, action, level, features from decisions").fetchall()
    assert {row[0] for row in rows} >= {"VolatilityScaledStopLoss", "TimeBasedExit"}
    for rule, action, level, features in rows:
        assert (level is None) == (action == "exit")
        assert set(features or {}) <= ({"atr"} if rule == "VolatilityScaledStopLoss" else set())


def test_every_exit_by_a_rule_is_a_decision_and_the_other_way_round(run: BacktestResult) -> None:
    levels = run.sql(
        "select timestamp, asset_id, rule from decisions where action <> 'exit' order by all"
    ).fetchall()
    filled = run.sql(
        """
        select distinct fills.timestamp, fills.asset_id, orders.tag
        from fills join orders using (order_id) where order_type <> 'market' order by all
        """
    ).fetchall()
    assert levels == filled
    exits = run.sql(
        "select timestamp, asset_id, rule from decisions where action = 'exit' order by all"
    ).fetchall()
    asked = run.sql(
        """
        select created_at, asset_id, tag from orders
        where order_type = 'market' and tag <> 'rebalance' order by all
        """
    ).fetchall()
    assert exits == asked
    assert levels
    assert exits


# -- timestamps and asset ids ---------------------------------------------------------------


def typed_run(kind: str, *, asset: str = "'A'", step: str = "1 day") -> BacktestResult:
    """Six bars of one asset, `timestamp` cast to `kind`; a stop fills every table."""
    start = (
        "timestamptz '2024-03-08 14:30:00+00'" if "TZ" in kind else "timestamp '2024-03-08 14:30'"
    )
    catalog = Catalog(threads=1)
    catalog.register(
        "prices",
        f"""
        select
            ({start} + i * interval '{step}')::{kind} as timestamp, {asset} as asset_id,
            10.0 as open, 10.0 as high, 10.0 - 0.8 * i as low, 10.0 as close
        from range(6) as bars(i)
        """,
    )
    rules = RiskManager([DynamicTrailingStop(0.25)])
    return BacktestEngine(catalog, TopN(1, by="close", every=3), risk_manager=rules).run()


TIMES = {
    "orders": "created_at",
    "fills": "timestamp",
    "trades": "entry_timestamp",
    "positions": "timestamp",
    "equity": "timestamp",
    "decisions": "timestamp",
    "selections": "timestamp",
    "cash_flows": "timestamp",
}


@each_value
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("DATE", "DATE"),
        ("TIMESTAMP", "TIMESTAMP"),
        ("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"),
        ("TIMESTAMP_NS", "TIMESTAMP_NS"),
    ],
)
@pytest.mark.parametrize("saved_as", ["run.duckdb", "run"])
def test_timestamps_keep_the_type_of_the_bars_also_when_saved(
    kind: str, name: str, saved_as: str, tmp_path: Path
) -> None:
    result = typed_run(kind)
    opened = BacktestResult.open(result.save(tmp_path / saved_as))
    for one in (result, opened):
        for table, column in TIMES.items():
            query = f"select distinct typeof({column}) from {table}"
            assert one.sql(query).fetchall() == [(name,)], table
        assert one.sql("select typeof(exit_timestamp) from trades limit 1").fetchall() == [(name,)]
    first, last = result.sql(
        "select min(timestamp)::varchar, max(timestamp)::varchar from equity"
    ).fetchall()[0]
    clock = "" if kind == "DATE" else " 14:30:00" + ("+00" if kind == "TIMESTAMPTZ" else "")
    assert (first, last) == (f"2024-03-08{clock}", f"2024-03-13{clock}")


def test_nanoseconds_survive() -> None:
    catalog = Catalog(threads=1)
    catalog.register(
        "prices",
        """
        select make_timestamp_ns(1709908200000000001 + i) as timestamp, 'A' as asset_id,
            10.0 as open, 10.0 as close
        from range(4) as bars(i)
        """,
    )
    result = BacktestEngine(catalog, TopN(1, by="close")).run()
    assert result.sql("select epoch_ns(timestamp) from equity order by timestamp").fetchall() == [
        (1709908200000000001 + i,) for i in range(4)
    ]


def test_microseconds_survive() -> None:
    result = typed_run("TIMESTAMP", step="1 microsecond")
    assert result.sql("select epoch_us(max(timestamp)) % 1000 from equity").fetchall() == [(5,)]


@pytest.mark.parametrize(
    ("asset", "kind"),
    [("'A'", "VARCHAR"), ("7", "INTEGER"), ("8::bigint", "BIGINT"), ("'A'::enum('A')", "VARCHAR")],
)
def test_asset_ids_keep_their_type(asset: str, kind: str) -> None:
    result = typed_run("DATE", asset=asset)
    for table in ("orders", "fills", "trades", "positions", "decisions", "selections"):
        assert result.sql(f"select distinct typeof(asset_id) from {table}").fetchall() == [(kind,)]
    assert result.sql("select typeof(asset_id) from cash_flows").fetchall() == [(kind,)]


def test_ids_beyond_64_bits_are_saved_as_they_are(tmp_path: Path) -> None:
    result = typed_run("DATE", asset="170141183460469231731687303715884105726::hugeint")
    opened = BacktestResult.open(result.save(tmp_path / "run.duckdb"))
    assert tables(opened) == tables(result)
    assert opened.sql("select distinct asset_id from fills").fetchall() == [(2**127 - 2,)]


# -- save and open --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["run.duckdb", "run.db", "run", "it's here.duckdb", "it's here"])
def test_a_saved_run_opens_with_identical_tables_and_metrics(
    run: BacktestResult, name: str, tmp_path: Path
) -> None:
    path = run.save(tmp_path / "a" / "new folder" / name)
    assert path == tmp_path / "a" / "new folder" / name
    opened = BacktestResult.open(path)
    assert tables(opened) == tables(run)
    assert dict(opened) == dict(run)
    assert repr(opened) == repr(run)
    # Nothing but the run is left in the folder.
    assert [child.name for child in path.parent.iterdir()] == [name]


def test_a_folder_holds_one_parquet_file_per_table_and_what_they_are(
    run: BacktestResult, tmp_path: Path
) -> None:
    path = run.save(tmp_path / "run")
    assert {child.name for child in path.iterdir()} == {
        *(f"{table}.parquet" for table in TABLES),
        "checksums.json",
    }


def test_the_file_carries_the_description_of_every_column(
    run: BacktestResult, tmp_path: Path
) -> None:
    path = run.save(tmp_path / "run.duckdb")
    found: dict[str, dict[str, str]] = {}
    with duckdb.connect(str(path), read_only=True) as connection:
        for table, column, comment in connection.execute(
            "select table_name, column_name, comment from duckdb_columns() where not internal"
        ).fetchall():
            found.setdefault(table, {})[column] = comment
    assert {table: found[table] for table in COLUMNS} == COLUMNS


WAYS_TO_COMMENTS = {
    "function": "select table_name, column_name, comment from duckdb_columns() where not internal",
    "shouted": 'SELECT table_name, column_name, comment FROM "DuckDB_Columns" WHERE NOT internal',
    "standard": "select table_name, column_name, column_comment from information_schema.columns",
    "postgres": """
        select pg_class.relname, pg_attribute.attname, pg_description.description
        from pg_catalog.pg_description
        inner join pg_catalog.pg_class on pg_description.objoid = pg_class.oid
        inner join pg_catalog.pg_attribute
            on pg_class.oid = pg_attribute.attrelid
            and pg_description.objsubid = pg_attribute.attnum
        """,
}


@each_value
@pytest.mark.parametrize("name", [None, "run.duckdb", "run"])
@pytest.mark.parametrize("way", WAYS_TO_COMMENTS)
def test_a_result_in_memory_carries_the_description_of_every_column(
    way: str, name: str | None, tmp_path: Path
) -> None:
    result = make_run(1)
    if name is not None:
        result = BacktestResult.open(result.save(tmp_path / name))
    earlier = result.sql("select count(*) from trades")
    before = tables(result)
    found: dict[str, dict[str, str]] = {}
    for table, column, comment in result.sql(WAYS_TO_COMMENTS[way]).fetchall():
        found.setdefault(table, {})[column] = comment
    assert {table: found[table] for table in COLUMNS} == COLUMNS
    # Who asked before reads on, and who asks later reads the same.
    assert earlier.fetchall() == [(len(before["trades"][2]),)]
    assert tables(result) == before
    with pytest.raises(ResultError, match="takes one query"):
        result.sql("comment on column trades.pnl is 'mine'").fetchall()


def test_a_query_over_a_source_says_what_a_result_has() -> None:
    with pytest.raises(duckdb.CatalogException, match="prices does not exist") as refused:
        make_run(1).sql("select * from prices")
    (note,) = refused.value.__notes__
    assert "tables runs, orders, fills, trades" in note
    assert "catalog.sql" in note


def test_a_misspelt_table_is_told_the_nearest_of_those_that_nobody_asked_for_too() -> None:
    catalog = Catalog().register("prices", make_universe(1, n_bars=10).prices)
    result = run_once(BacktestEngine(catalog, TopN(3, by="close")))
    with pytest.raises(duckdb.CatalogException, match='Did you mean "positions"'):
        result.sql("from positons")


def test_a_table_is_written_for_the_first_query_that_may_read_it() -> None:
    catalog = Catalog().register("prices", make_universe(1, n_bars=10).prices)
    result = run_once(BacktestEngine(catalog, TopN(3, by="close")))
    there = set[str]()
    for query, names in (
        ("select count(*) from Fills", {"fills"}),
        ('select sum(pnl) from "trades" join main.runs using (run_id)', {"trades", "runs"}),
        ("select count(*) from query('from equ' || 'ity')", set(TABLES)),
    ):
        assert result.sql(query).fetchall()
        there |= names
        found = result._tables.rows("select table_name from duckdb_tables()")
        assert {name for (name,) in found} == there


def test_whatever_shows_a_comment_has_it_written_first() -> None:
    with duckdb.connect() as connection:
        connection.execute("create table trades (pnl double)")
        connection.execute("comment on column trades.pnl is 'a comment of mine'")
        functions = connection.execute(
            """
            select distinct function_name || '()' from duckdb_functions()
            where function_type = 'table' and regexp_matches(function_name, '^(duckdb|pragma)_')
            """
        ).fetchall()
        views = connection.execute(
            "select schema_name || '.' || view_name from duckdb_views() where internal"
        ).fetchall()
        shown = set()
        for (name,) in [*functions, *views]:
            try:
                rows = connection.execute(f"select * from {name}").fetchall()
            except duckdb.Error:  # it needs an argument
                continue
            if "a comment of mine" in repr(rows):
                shown.add(name)
        for word in ("describe", "summarize", "show"):
            rows = connection.execute(f"{word} trades").fetchall()
            assert "a comment of mine" not in repr(rows)
    assert shown == {"duckdb_columns()", "main.duckdb_columns", "information_schema.columns",
                     "pg_catalog.pg_description"}  # fmt: skip
    assert all(LISTS.search(name) for name in shown)


@pytest.mark.parametrize("name", ["run.duckdb", "run"])
def test_saving_over_a_run_replaces_it(name: str, tmp_path: Path) -> None:
    first, second = make_run(1), make_run(2)
    path = tmp_path / name
    first.save(path)
    second.save(path)
    assert tables(BacktestResult.open(path)) == tables(second)
    assert tables(second) != tables(first)
    assert [child.name for child in tmp_path.iterdir()] == [name]


def test_a_file_can_take_the_place_of_a_folder_and_the_other_way_round(
    run: BacktestResult, tmp_path: Path
) -> None:
    path = tmp_path / "run.duckdb"
    run.save(tmp_path / "folder").rename(path)
    assert run.save(path).is_file()
    plain = tmp_path / "run"
    run.save(tmp_path / "file.duckdb").rename(plain)
    assert run.save(plain).is_dir()
    assert tables(BacktestResult.open(plain)) == tables(BacktestResult.open(path))


@pytest.mark.parametrize("name", ["mine", "mine.duckdb"])
def test_what_no_run_wrote_is_left_alone(run: BacktestResult, name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    (tmp_path / "notes.duckdb").write_text("no database")
    with pytest.raises(ResultError, match=r"thesis\.tex"):
        run.save(folder)
    with pytest.raises(ResultError, match="is no saved run"):
        run.save(tmp_path / "notes.duckdb")
    assert (folder / "thesis.tex").read_text() == "years of work"
    assert (tmp_path / "notes.duckdb").read_text() == "no database"


@each_value
@pytest.mark.parametrize("first", ["one.duckdb", "one"])
@pytest.mark.parametrize("second", ["two.duckdb", "two", "one.duckdb", "one"])
def test_an_opened_run_can_be_saved_again(
    run: BacktestResult, first: str, second: str, tmp_path: Path
) -> None:
    opened = BacktestResult.open(run.save(tmp_path / first))
    opened.save(tmp_path / second)
    assert tables(BacktestResult.open(tmp_path / second)) == tables(run)


def test_a_run_can_be_queried_and_saved_after_it_was_saved(
    run: BacktestResult, tmp_path: Path
) -> None:
    before = tables(run)
    run.save(tmp_path / "one.duckdb")
    run.save(tmp_path / "two.duckdb")
    assert tables(run) == before
    assert tables(BacktestResult.open(tmp_path / "two.duckdb")) == before


def test_a_save_that_fails_leaves_the_earlier_run_and_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.duckdb"
    first, second = make_run(1), make_run(2)
    first.save(path)
    with monkeypatch.context() as patch:
        wrong = "ml4t.backtest.results.keeping.saving.insert_of"
        patch.setattr(wrong, lambda _table, query: f"no such statement {query}")
        with pytest.raises(ResultError, match="syntax"):
            second.save(path)
    assert tables(BacktestResult.open(path)) == tables(first)
    second.save(path)
    assert tables(BacktestResult.open(path)) == tables(second)


def junk(folder: Path, kind: str) -> Path:
    """Something at a path that is no saved run."""
    path = folder / "junk.duckdb"
    if kind == "text":
        path.write_text("no database " * 1000)
    elif kind == "empty file":
        path.write_bytes(b"")
    elif kind == "other database":
        with duckdb.connect(str(path)) as connection:
            connection.execute("create table t (i integer)")
    elif kind == "empty folder":
        path.mkdir()
    elif kind == "folder of text":
        path.mkdir()
        for table in TABLES:
            (path / f"{table}.parquet").write_text("no Parquet file")
    return path


@pytest.mark.parametrize(
    "kind",
    ["nothing", "text", "empty file", "other database", "empty folder", "folder of text"],
)
def test_opening_junk_is_a_result_error_that_names_the_path(kind: str, tmp_path: Path) -> None:
    path = junk(tmp_path, kind)
    with pytest.raises(ResultError, match=re.escape(str(path))):
        BacktestResult.open(path)
    assert path.exists() == (kind != "nothing")


@pytest.mark.parametrize("as_folder", [True, False])
def test_opening_a_run_with_columns_missing_is_a_result_error(
    run: BacktestResult, as_folder: bool, tmp_path: Path
) -> None:
    path = run.save(tmp_path / ("run" if as_folder else "run.duckdb"))
    if as_folder:
        run.sql("select run_id from equity").pl().write_parquet(path / "equity.parquet")
    else:
        with duckdb.connect(str(path)) as connection:
            connection.execute("create or replace table equity as select run_id from equity")
    with pytest.raises(ResultError, match="equity"):
        BacktestResult.open(path)


# -- runs that fail -------------------------------------------------------------------------


class Failing(Strategy):
    """Raises at the third bar."""

    def ranking(self) -> Ranking:
        return Ranking(n=1, by="close")

    def decide(self, batch: Any, broker: Any) -> None:
        if batch.t == 2:
            raise RuntimeError("no more")
        broker.order_targets(batch.selection)


@pytest.mark.parametrize("name", ["run.duckdb", "run"])
@pytest.mark.parametrize(
    ("strategy", "error"),
    [(Failing, RuntimeError), (lambda: TopN(1, by="no_such_column"), ExpressionError)],
)
def test_a_run_that_raises_leaves_nothing_and_keeps_an_earlier_run(
    strategy: Callable[[], Strategy], error: type[Exception], name: str, tmp_path: Path
) -> None:
    universe = make_universe(1, n_bars=6)
    catalog = Catalog().register("prices", universe.prices)
    path = tmp_path / "new" / name
    with pytest.raises(error):
        BacktestEngine(catalog, strategy()).run().save(path)
    assert list(tmp_path.iterdir()) == []
    good = BacktestEngine(catalog, TopN(1, by="close")).run()
    good.save(path)
    with pytest.raises(error):
        BacktestEngine(catalog, strategy()).run().save(path)
    assert tables(BacktestResult.open(path)) == tables(good)


# -- the mapping ----------------------------------------------------------------------------


def test_a_result_is_a_mapping_of_its_metrics(run: BacktestResult) -> None:
    assert run["total_return"] == run["final_value"] / run["initial_capital"] - 1
    assert len(run) == len(list(run)) == len(run.metrics)
    assert "sharpe" in run
    assert "sharp" not in run
    assert run.get("sharp", 7) == 7
    assert dict(run.items()) == run.metrics


def test_an_unknown_metric_is_a_key_error_that_suggests_the_nearest(run: BacktestResult) -> None:
    with pytest.raises(
        KeyError, match="unknown metric 'total_retrun'; did you mean 'total_return'"
    ):
        run["total_retrun"]


def test_an_unknown_table_is_an_attribute_error_that_suggests_the_nearest(
    run: BacktestResult,
) -> None:
    with pytest.raises(AttributeError, match="did you mean 'trades'"):
        _ = run.trade


def test_changing_the_metrics_handed_out_does_not_change_the_result(run: BacktestResult) -> None:
    before = run["total_return"]
    run.metrics["total_return"] = before + 1
    try:
        assert run["total_return"] == before
    finally:
        run.metrics["total_return"] = before


def test_the_summary_tells_costs_policy_and_every_exit_rule(run: BacktestResult) -> None:
    text = run.summary()
    rules = [row[0] for row in run.exits.fetchall()]
    costs, strategy = "BasisPointCommission(basis_points=10)", "TopN(3, by='score', every=2)"
    for word in ("Total return", "next open", costs, strategy, *rules):
        assert word in text


# -- repeatable -----------------------------------------------------------------------------


def test_the_same_run_twice_gives_the_same_tables_and_the_same_id() -> None:
    first, second = make_run(5), make_run(5)
    assert tables(first, facts=False) == tables(second, facts=False)
    assert (
        first.sql("select run_id from runs").fetchall()
        == second.sql("select run_id from runs").fetchall()
    )


def test_rows_of_a_large_table_keep_their_order_whatever_the_threads(tmp_path: Path) -> None:
    """More rows than DuckDB keeps in one row group, so that several threads write them."""
    catalog = Catalog().register(
        "prices",
        """
        select date '2020-01-01' + t::integer as timestamp, a as asset_id,
            10.0 as open, 10.0 + (7 * a + t) % 3 as close
        from range(200) as bars(t), range(1300) as assets(a)
        """,
    )
    result = BacktestEngine(catalog, TopN(1300, by="close", every=200, offset=1)).run()
    saved = [result.save(tmp_path / name) for name in ("run.duckdb", "one", "two")]
    for one in (result, *map(BacktestResult.open, saved)):
        ids = one.sql("select asset_id from positions").fetchnumpy()["asset_id"]
        is_in_order = ids.tolist() == list(range(1300)) * 199
        assert is_in_order
    first, second = ((folder / "positions.parquet").read_bytes() for folder in saved[1:])
    assert first == second


def test_one_engine_can_run_twice() -> None:
    universe = make_universe(4, n_bars=20)
    catalog = Catalog().register("prices", universe.prices)
    engine = BacktestEngine(
        catalog, TopN(2, by="close"), risk_manager=RiskManager([DynamicTrailingStop(0.03)])
    )
    assert tables(engine.run(), facts=False) == tables(engine.run(), facts=False)


def test_other_inputs_give_another_id() -> None:
    ids = {make_run(seed).sql("select run_id from runs").fetchall()[0][0] for seed in (1, 2)} | {
        make_run(1, volatility=0.02).sql("select run_id from runs").fetchall()[0][0]
    }
    assert len(ids) == 3
    assert all(re.fullmatch("[0-9a-f]{12}", one) for one in ids)


def test_a_run_of_an_earlier_version_may_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "run.duckdb"
    with duckdb.connect(str(path)) as older:
        older.execute("create table runs as select 'abc' as run_id")
    result = BacktestEngine(
        Catalog().register("prices", make_universe(1, n_bars=6).prices), TopN(1, by="close")
    ).run()
    assert tables(BacktestResult.open(result.save(path))) == tables(result)
