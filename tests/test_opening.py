"""Opening what is damaged or somebody else's, and what SQL over a result may do."""

from __future__ import annotations

import random
import re
from pathlib import Path

import duckdb
import pytest

from effort import examples, some
from ml4t.backtest import BacktestResult, ResultError
from ml4t.backtest.results.keeping.checksums import CHECKSUMS
from ml4t.backtest.results.report.views import VIEWS
from ml4t.backtest.results.tables import TABLES
from test_results import make_run, tables


@pytest.fixture(scope="module")
def run() -> BacktestResult:
    return make_run(1)


@pytest.fixture(scope="module")
def saved(run: BacktestResult, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a saved run."""
    return run.save(tmp_path_factory.mktemp("saved") / "run.duckdb").read_bytes()


def opens(path: Path, run: BacktestResult) -> bool:
    """Whether a file opens, then it holds the run; else it is refused as what it is."""
    try:
        opened = BacktestResult.open(path)
    except ResultError:
        return False
    assert tables(opened) == tables(run)
    assert opened.summary() == run.summary()
    return True


# -- damaged --------------------------------------------------------------------------------


@pytest.mark.parametrize("part", some([0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99], 5))
def test_a_file_that_was_cut_short_is_refused(
    part: float, run: BacktestResult, saved: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "cut.duckdb"
    path.write_bytes(saved[: int(len(saved) * part)])
    assert not opens(path, run)


def test_a_file_with_a_bit_that_fell_over_is_refused_or_the_bit_was_of_no_row(
    run: BacktestResult, saved: bytes, tmp_path: Path
) -> None:
    """DuckDB sums its blocks; what is opened is read to its end, so that a wrong sum is seen."""
    pick = random.Random(1)
    refused = 0
    n_files = examples(10)
    for i in range(n_files):
        damaged = bytearray(saved)
        damaged[pick.randrange(len(damaged))] ^= 1 << pick.randrange(8)
        path = tmp_path / f"{i}.duckdb"
        path.write_bytes(damaged)
        refused += not opens(path, run)
    assert refused > n_files // 2


@pytest.mark.parametrize("table", ["positions", "runs"])
def test_a_folder_with_a_file_cut_short_or_gone_is_refused(
    table: str, run: BacktestResult, tmp_path: Path
) -> None:
    path = run.save(tmp_path / "run")
    file = path / f"{table}.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    assert not opens(path, run)
    file.unlink()
    assert not opens(path, run)


def test_a_folder_with_a_bit_that_fell_over_is_refused_until_its_checksums_are_gone(
    run: BacktestResult, tmp_path: Path
) -> None:
    """Parquet has no sums of its own: the bit would be another number."""
    path, pick = run.save(tmp_path / "run"), random.Random(1)
    files = sorted(one for one in path.iterdir() if one.name != CHECKSUMS)
    for file in files:
        whole = file.read_bytes()
        damaged = bytearray(whole)
        damaged[pick.randrange(len(damaged))] ^= 1 << pick.randrange(8)
        file.write_bytes(damaged)
        with pytest.raises(ResultError, match=f"its '{file.name}' is not what was written"):
            BacktestResult.open(path)
        file.write_bytes(whole)
    assert opens(path, run)
    # Who wrote a table anew on purpose says so by deleting what says otherwise.
    statement = "copy (from 'runs.parquet') to 'runs.parquet' (compression zstd)"
    duckdb.sql(statement.replace("'runs", f"'{path}/runs"))
    assert not opens(path, run)
    (path / CHECKSUMS).write_text("{")
    with pytest.raises(ResultError, match=f"its '{CHECKSUMS}' cannot be read"):
        BacktestResult.open(path)
    (path / CHECKSUMS).unlink()
    assert opens(path, run)


# -- foreign --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("drop table signals", "it has no table 'signals'; another version of the package may have "
         'written it ({"duckdb":'),
        ("drop table runs", "it has no table 'runs'; another version of the package may have"),
        ("alter table runs drop column misses", "it has no column runs.misses; another version"),
        ("update runs set format = 3", "it is of format 3, and this version reads up to 2; a"),
        ("alter table equity alter column equity type varchar",
         "equity.equity is of type VARCHAR, not DOUBLE"),
        ("alter table fills alter column timestamp type date", "fills has times of another type"),
        ("insert into runs from runs", "it holds 2 runs and 30 bars"),
        ("delete from equity", "it holds 1 runs and 0 bars"),
        ("insert into equity from equity", "equity has 60 rows with 30 times and 60 values; a run"),
        ("update equity set equity = null", "equity has 30 rows with 30 times and 0 values; a run"),
        ("update trades set run_id = 'x' where trade_id = 3", "trades has rows of another run"),
        ("update runs set configuration = '{}'", "its configuration cannot be read, KeyError"),
        ("update runs set configuration = 'TopN'", "its configuration cannot be read, JSON"),
        ("update runs set activity = '[{}]'", "its configuration cannot be read, "),
        ("update runs set misses = '7'", "its configuration cannot be read, TypeError"),
    ],
)  # fmt: skip
def test_what_is_not_a_whole_run_of_this_version_is_refused_with_the_reason(
    change: str, why: str, saved: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "run.duckdb"
    path.write_bytes(saved)
    with duckdb.connect(str(path)) as connection:
        connection.execute(change)
    with pytest.raises(ResultError, match=re.escape(f"'{path}' is no saved run: {why}")):
        BacktestResult.open(path)


# What the tables were before a file said its format: a column and a table less at a time.
LATER = [
    f"alter table {name} drop column {column.name}"
    for name, table in TABLES.items() for column in table.columns if column.is_later
] + [f"drop table {name}" for name, table in TABLES.items() if table.is_later]  # fmt: skip


@pytest.mark.parametrize("name", ["run.duckdb", "run"])
def test_a_run_that_an_earlier_version_saved_opens_with_nulls_for_what_it_did_not_know(
    name: str, run: BacktestResult, tmp_path: Path
) -> None:
    path = run.save(tmp_path / "run.duckdb")
    assert len(LATER) >= 5
    with duckdb.connect(str(path)) as connection:
        for statement in LATER:
            connection.execute(statement)
        if name == "run":
            path = tmp_path / name
            path.mkdir()
            for (table,) in connection.execute("select table_name from duckdb_tables()").fetchall():
                connection.execute(f"copy {table} to '{path / table}.parquet' (format parquet)")
    opened = BacktestResult.open(path)
    assert opened.sql("select format from runs").fetchall() == [(None,)]
    expected = tables(run)
    for table, found in tables(opened).items():
        names, types, rows = expected[table]
        assert found[:2] == (names, types)
        later = {column.name for column in TABLES[table].columns if column.is_later}
        if table != "runs":
            known = [] if TABLES[table].is_later else rows
            assert found[2] == [
                tuple(
                    None if name in later else value for name, value in zip(names, row, strict=True)
                )
                for row in known
            ]
    assert dict(opened) == dict(run)
    assert tables(BacktestResult.open(opened.save(tmp_path / "again.duckdb"))) == tables(opened)


def test_a_view_of_our_name_in_a_foreign_file_is_made_anew_and_never_run(
    run: BacktestResult, tmp_path: Path
) -> None:
    path = run.save(tmp_path / "run.duckdb")
    with duckdb.connect(str(path)) as connection:
        connection.execute("drop view report.exits")
        connection.execute("create view report.exits as select error('somebody ran it') as pnl")
    opened = BacktestResult.open(path)
    assert opened.exits.fetchall() == run.exits.fetchall()
    assert BacktestResult.open(run.save(path)).exits.fetchall() == run.exits.fetchall()
    with duckdb.connect(str(path)) as connection:
        assert connection.sql("from report.exits").fetchall() == run.exits.fetchall()


def test_a_view_in_the_place_of_a_table_is_not_run(run: BacktestResult, tmp_path: Path) -> None:
    path = run.save(tmp_path / "run.duckdb")
    with duckdb.connect(str(path)) as connection:
        connection.execute("alter table trades rename to kept")
        connection.execute("create view trades as select * from kept")
    with pytest.raises(ResultError, match="it has no table 'trades'"):
        BacktestResult.open(path)


def test_nothing_but_the_tables_of_the_run_is_copied(run: BacktestResult, tmp_path: Path) -> None:
    path = run.save(tmp_path / "run.duckdb")
    with duckdb.connect(str(path)) as connection:
        connection.execute("create view best as select max(pnl) as pnl from trades")
        connection.execute("create table notes as select 'good' as note")
        connection.execute("create macro twice(x) as 2 * x")
        connection.execute("alter table trades add column note varchar")
    opened = BacktestResult.open(path)
    assert tables(opened) == tables(run)
    assert {row[:3] for row in opened.sql("show all tables").fetchall()} == {
        *(("memory", "main", name) for name in TABLES),
        *(("memory", "report", name) for name in VIEWS),
    }
    functions = "select count(*) from duckdb_functions() where not internal"
    assert opened.sql(functions).fetchall() == [(0,)]


def test_an_opened_file_is_free_for_others(run: BacktestResult, tmp_path: Path) -> None:
    path = run.save(tmp_path / "run.duckdb")
    opened = BacktestResult.open(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("drop table trades")
    path.unlink()
    assert tables(opened) == tables(run)


def test_the_type_of_every_column_is_what_a_run_writes(run: BacktestResult) -> None:
    for name, table in TABLES.items():
        found = dict(
            zip(*(getattr(getattr(run, name), what) for what in ("columns", "types")), strict=True)
        )
        for column in table.columns:
            kind = str(found[column.name])
            assert kind in (column.kind.types or (kind,)), f"{name}.{column.name}"


# -- SQL over a result ----------------------------------------------------------------------


@pytest.fixture(scope="module", params=["fresh", "run.duckdb", "run"])
def result(
    request: pytest.FixtureRequest, run: BacktestResult, tmp_path_factory: pytest.TempPathFactory
) -> BacktestResult:
    if request.param == "fresh":
        return run
    return BacktestResult.open(run.save(tmp_path_factory.mktemp("opened") / request.param))


@pytest.mark.parametrize(
    "query",
    [
        "select * from trades where pnl > 0 order by pnl desc",
        "with won as (from trades where pnl > 0) select count(*) from won",
        "pivot (select exit_rule, pnl from trades) on exit_rule using sum(pnl)",
        "describe trades",
        "summarize equity",
        "show tables",
        "explain select * from trades",
        "values (1)",
    ],
)
def test_a_query_over_a_result_is_answered(query: str, result: BacktestResult) -> None:
    assert result.sql(query).fetchall()


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("delete from trades", "DELETE"),
        ("insert into runs from runs", "INSERT"),
        ("update equity set equity = 0", "UPDATE"),
        ("drop table equity", "DROP"),
        ("create table t as select 1", "CREATE"),
        ("create or replace view trades as select 1", "CREATE"),
        ("create temp table t as select 1", "CREATE"),
        ("attach ':memory:' as m", "ATTACH"),
        ("set threads = 2", "SET"),
        ("copy trades to 'trades.csv'", "COPY"),
        ("install json", "LOAD"),
        ("rollback", "TRANSACTION"),
        ("select 1; select 2", "2 statements"),
        ("-- nothing", "0 statements"),
    ],
)
def test_what_is_no_query_is_refused(
    statement: str, kind: str, result: BacktestResult, run: BacktestResult
) -> None:
    with pytest.raises(ResultError, match=f"a result takes one query, was {kind};"):
        result.sql(statement)
    assert tables(result) == tables(run)


def test_a_query_that_would_change_a_result_is_refused(
    result: BacktestResult, run: BacktestResult
) -> None:
    with pytest.raises(ResultError, match="a query cannot change a result"):
        result.sql("with gone as (delete from trades returning *) select count(*) from gone")
    assert tables(result) == tables(run)


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('{file}')",
        "select * from '{file}'",
        "select * from glob('{folder}/*')",
        "select content from read_text('{file}')",
    ],
)
def test_a_query_over_a_result_reads_no_file(
    query: str, result: BacktestResult, tmp_path: Path
) -> None:
    (tmp_path / "public.csv").write_text("a,b\n1,2\n")
    text = query.format(file=tmp_path / "public.csv", folder=tmp_path)
    with pytest.raises((duckdb.PermissionException, duckdb.CatalogException)):
        result.sql(text).fetchall()


def test_a_result_sees_no_variable_of_its_caller(result: BacktestResult) -> None:
    frame = {"a": [1]}
    with pytest.raises(duckdb.CatalogException, match="frame"):
        result.sql("select * from frame")
    assert frame
