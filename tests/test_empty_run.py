"""Empty run: what a process makes once is in every file that it saves, lent to one at a time."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, TopN
from ml4t.backtest.results.keeping.empty_run import empty_run
from ml4t.backtest.results.report.views import VIEWS
from ml4t.backtest.results.tables import TABLES

CONTENTS = (
    "select view_name, sql, comment from duckdb_views() where not internal",
    "select table_name, column_name, data_type, comment from duckdb_columns() where not internal",
)


def make_run(first: date, asset: object) -> BacktestResult:
    rows = {
        "timestamp": [first + timedelta(days=i) for i in range(4)],
        "asset_id": [asset] * 4,
        "open": [10.0, 11.0, 12.0, 13.0],
        "close": [10.0, 11.0, 12.0, 13.0],
    }
    catalog = Catalog(threads=1).register("prices", pl.DataFrame(rows))
    return BacktestEngine(catalog, TopN(1, by="close")).run()


@pytest.fixture(scope="module")
def run() -> BacktestResult:
    return make_run(date(2024, 1, 1), "A")


def kinds_of(run: BacktestResult) -> dict[str, dict[str, str]]:
    found = {table: getattr(run, table) for table in TABLES}
    return {
        table: dict(zip(rows.columns, map(str, rows.types), strict=True))
        for table, rows in found.items()
    }


def contents(path: Path) -> list[list[tuple[object, ...]]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return [sorted(connection.execute(query).fetchall(), key=str) for query in CONTENTS]


def test_a_later_file_has_all_that_the_first_one_has(run: BacktestResult, tmp_path: Path) -> None:
    files = [run.save(tmp_path / f"{i}.duckdb") for i in range(2)]
    first, later = map(contents, files)
    assert first == later
    assert {name for name, *_ in first[0]} == set(VIEWS)
    assert BacktestResult.open(files[1]).equity.fetchall() == run.equity.fetchall()


def test_files_of_one_process_have_the_types_of_their_own_prices(
    run: BacktestResult, tmp_path: Path
) -> None:
    others = [run, make_run(datetime(2024, 1, 1), 7), run]
    for i, one in enumerate(others):
        saved = one.save(tmp_path / f"{i}.duckdb")
        assert kinds_of(BacktestResult.open(saved)) == kinds_of(one)
        with duckdb.connect(str(saved), read_only=True) as connection:
            rows = connection.execute("select * from report.exposures").fetchall()
        assert rows == one.exposures.fetchall()
    assert kinds_of(others[0])["orders"] != kinds_of(others[1])["orders"]


def test_nobody_is_lent_what_another_uses_or_has_broken(run: BacktestResult) -> None:
    kinds = kinds_of(run)
    with empty_run(kinds) as one, empty_run(kinds) as other:
        assert one is not other
    with empty_run(kinds) as again:
        assert again in (one, other)
    with pytest.raises(ZeroDivisionError), empty_run(kinds) as broken:
        raise ZeroDivisionError
    with empty_run(kinds) as one, empty_run(kinds) as other:
        assert broken not in (one, other)
