"""What users' SQL may do to a catalog: read it, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest

from effort import each_value
from ml4t.backtest import BacktestEngine, Catalog, TopN
from ml4t.backtest.data import PolarsDataFeed
from ml4t.backtest.errors import BacktestError, ConfigError, DataError
from ml4t.backtest.runfile import catalog_of

PRICES = pl.DataFrame(
    {
        "timestamp": [date(2024, 1, day) for day in (2, 3, 4)],
        "asset_id": ["A"] * 3,
        "open": [10.0, 11.0, 12.0],
        "close": [10.0, 11.0, 12.0],
    }
)
# By kind of statement; each is harmless, and would write where it were run.
STATEMENTS = {
    "rows of a table of the engine": "update stage.timeline set t = t",
    "rows taken away": "delete from stage.assets where false",
    "rows put in": "insert into stage.assets select * from stage.assets where false",
    "rows changed inside a query":
        "with changed as (update stage.timeline set t = t returning t) select * from changed",
    "a table": "create table notes as select 1 as a",
    "a table for the session": "create temp table notes as select 1 as a",
    "a view in place of ours": "create or replace view signals as select * from prices",
    "a macro": "create macro one() as 1",
    "a schema": "create schema mine",
    "a variable": "set variable one = 1",
    "two queries": "select 1; select 2",
}  # fmt: skip


@pytest.mark.parametrize("case", STATEMENTS)
def test_nothing_but_one_query_that_reads_is_taken(case: str) -> None:
    catalog = Catalog().register("prices", PRICES)
    before = catalog.sql("select * from signals order by all").fetchall()

    with pytest.raises(ConfigError, match="one query that only reads is taken, was "):
        catalog.sql(STATEMENTS[case])

    assert catalog.sql("select * from signals order by all").fetchall() == before
    tables = "select count(*) from duckdb_tables() where table_name = 'notes'"
    assert catalog.sql(tables).fetchall() == [(0,)]


@pytest.mark.parametrize(
    "query",
    [
        "copy (select 1 as a) to '{file}'",
        "with written as (copy (select 1 as a) to '{file}') select * from written",
        "export database '{file}'",
        "explain analyze copy (select 1 as a) to '{file}'",
    ],
)
def test_no_file_is_written_into_a_registered_folder(tmp_path: Path, query: str) -> None:
    PRICES.write_parquet(tmp_path / "prices.parquet")
    catalog = Catalog().register("prices", tmp_path / "prices.parquet")

    for name in ("written.parquet", "prices.parquet"):
        with pytest.raises(
            (ConfigError, duckdb.PermissionException),
            match=r"one query that only reads|file system",
        ):
            catalog.sql(query.format(file=tmp_path / name))

    assert [path.name for path in tmp_path.iterdir()] == ["prices.parquet"]
    assert BacktestEngine(catalog, TopN(1, by="close")).run()["n_fills"] == 1


# The last: a folder of partitions is never put in the place of a file.
REFUSED = (duckdb.PermissionException, duckdb.TransactionException, duckdb.IOException)
# What writes of a relation, given the relation and a file.
WRITERS: dict[str, Callable[[duckdb.DuckDBPyRelation, str], object]] = {
    "to_parquet": lambda one, file: one.to_parquet(file),
    "write_parquet": lambda one, file: one.write_parquet(file, overwrite=True),
    "to_csv": lambda one, file: one.to_csv(file),
    "write_csv": lambda one, file: one.write_csv(file, overwrite=True),
    "partitions": lambda one, file: one.to_parquet(file, partition_by=["close"]),
    "of what is made of it": lambda one, file: one.filter("close > 1").limit(1).to_parquet(file),
    "a query": lambda one, file: one.query("it", f"copy it to '{file}' (format parquet)"),
    "rows": lambda one, _: one.query("it", "insert into stage.assets from stage.assets"),
    "a table": lambda one, _: one.to_table("notes"),
    "a view": lambda one, _: one.to_view("signals"),
}


@each_value
@pytest.mark.parametrize("view", ["signals", "range(3) as r(close)"])
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("source", ["prices.parquet", ".", "*.parquet"])
def test_a_relation_of_a_catalog_writes_nothing(
    source: str, writer: str, view: str, tmp_path: Path
) -> None:
    PRICES.write_parquet(tmp_path / "prices.parquet")
    catalog = Catalog().register("prices", tmp_path / source)
    before = (tmp_path / "prices.parquet").read_bytes()

    for name in ("written.parquet", "prices.parquet", "deeper/written.parquet"):
        relation = catalog.sql(f"select close, 1 as one from {view}")
        with pytest.raises(REFUSED):
            WRITERS[writer](relation, str(tmp_path / name))

    assert [path.name for path in tmp_path.iterdir()] == ["prices.parquet"]
    assert (tmp_path / "prices.parquet").read_bytes() == before
    assert catalog.sql("select close from signals order by all").fetchall() == [
        (10.0,), (11.0,), (12.0,)
    ]  # fmt: skip
    assert BacktestEngine(catalog, TopN(1, by="close")).run()["n_fills"] == 1


def test_a_relation_of_a_preview_writes_nothing(tmp_path: Path) -> None:
    PRICES.write_parquet(tmp_path / "prices.parquet")
    catalog = Catalog().register("prices", tmp_path)
    relation = catalog.preview(TopN(1, by="close"), "2024-01-03")

    with pytest.raises(duckdb.PermissionException):
        relation.to_parquet(str(tmp_path / "written.parquet"))

    assert [path.name for path in tmp_path.iterdir()] == ["prices.parquet"]


def test_what_a_relation_answers_is_written_by_who_took_it(tmp_path: Path) -> None:
    PRICES.write_parquet(tmp_path / "prices.parquet")
    catalog = Catalog().register("prices", tmp_path / "prices.parquet")
    (tmp_path / "out").mkdir()

    catalog.sql("select close from prices").pl().write_parquet(tmp_path / "out" / "c.parquet")

    assert pl.read_parquet(tmp_path / "out" / "c.parquet")["close"].to_list() == [10.0, 11.0, 12.0]


@pytest.mark.parametrize(
    ("query", "n_rows"),
    [
        ("select * from signals -- a comment", 3),
        ("from signals", 3),
        ("with last as (select max(timestamp) as t from prices) select t from last;", 1),
        ("select 'INSERT' as \"name\", 'COPY_TO_FILE' as copy_to from signals", 3),
        ("pivot prices on asset_id using sum(close) group by timestamp", 3),
        ("describe prices", 4),
        ("summarize prices", 4),
        ("values (1), (2)", 2),
        ("select unnest(range(5))", 5),
    ],
)
def test_whatever_only_reads_is_answered(query: str, n_rows: int) -> None:
    catalog = Catalog().register("prices", PRICES)

    assert len(catalog.sql(query).fetchall()) == n_rows
    assert "scan" in catalog.sql("select * from prices").explain().lower()


def test_a_relation_goes_on_as_it_was_while_the_catalog_runs() -> None:
    catalog = Catalog().register("prices", PRICES)
    relation = catalog.sql("select count(*) from signals")
    result = BacktestEngine(catalog, TopN(1, by="close")).run()

    assert relation.fetchall() == [(3,)]
    assert result["n_bars"] == 3


def test_a_query_source_only_reads(tmp_path: Path) -> None:
    file = tmp_path / "written.parquet"
    catalog = Catalog()

    for query in (
        f"with written as (copy (select 1 as a) to '{file}') select * from written",
        "select 1 as a; select 2 as a",
    ):
        with pytest.raises(DataError, match="source 'prices' must be a query: one query that"):
            catalog.register("prices", query)

    assert list(tmp_path.iterdir()) == []
    catalog.register("prices", "select timestamp '2024-01-02' as timestamp, 'A' as asset_id, "
                     "1.0 as open, 1.0 as close")  # fmt: skip
    assert catalog.sql("from signals").fetchall()


# -- paths are paths --------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["select 1 as a", "select 'x://y' as a", "from range(3) -- a://b"])
def test_a_path_of_a_run_file_is_no_sql(tmp_path: Path, path: str) -> None:
    for written in (f'"{path}"', f'["{path}"]'):
        run_file = tmp_path / "run.toml"
        run_file.write_text(f"[sources.prices]\npath = {written}\n", encoding="utf-8")

        with pytest.raises(BacktestError, match="matches no file"):
            catalog_of(run_file)


def test_a_path_of_a_run_file_may_look_like_sql(tmp_path: Path) -> None:
    folder = tmp_path / "select one"
    folder.mkdir()
    PRICES.write_parquet(folder / "prices.parquet")
    run_file = tmp_path / "run.toml"
    run_file.write_text('[sources.prices]\npath = "select one/*.parquet"\n', encoding="utf-8")

    assert len(catalog_of(run_file).sql("from prices").fetchall()) == 3


def test_a_path_of_a_feed_is_no_sql() -> None:
    with pytest.raises(DataError, match="matches no file"):
        PolarsDataFeed("select 1 as close").rows.attach(_database())


def _database():
    from ml4t.backtest.data.database import Database

    database = Database()
    database.execute("create schema raw")
    return database


def test_a_broken_query_says_what_duckdb_says() -> None:
    with pytest.raises(duckdb.ParserException):
        Catalog().register("prices", PRICES).sql("selec 1")
