"""The views of the schema `report`: in memory, in a saved file, and against plain Python."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ml4t.backtest import BacktestResult
from ml4t.backtest.results.report.views import LISTS, VIEWS, views_in
from test_results import make_run


@pytest.fixture(scope="module")
def run() -> BacktestResult:
    return make_run(1, volume=True)  # of which every view has rows


@pytest.fixture(scope="module")
def saved(run: BacktestResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run.save(tmp_path_factory.mktemp("saved") / "run.duckdb")


@pytest.fixture(scope="module")
def opened(saved: Path) -> BacktestResult:
    return BacktestResult.open(saved)


@pytest.fixture
def file(saved: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The saved run, in a DuckDB that knows nothing of this package."""
    with duckdb.connect(str(saved), read_only=True) as connection:
        yield connection


def rows(relation: Any) -> tuple[list[str], list[str], list[Any]]:
    return relation.columns, [str(one) for one in relation.types], relation.fetchall()


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_the_same_in_memory_and_in_a_saved_file(
    name: str, run: BacktestResult, opened: BacktestResult, file: duckdb.DuckDBPyConnection
) -> None:
    expected = (
        rows(getattr(run, name)) if name != "metrics" else rows(run.sql("from report.metrics"))
    )
    assert rows(run.sql(f"from report.{name}")) == expected
    assert rows(file.sql(f"from report.{name}")) == expected
    assert rows(opened.sql(f"from report.{name}")) == expected
    assert expected[2]


def test_a_file_that_is_attached_under_any_name_reads_its_own_tables(
    run: BacktestResult, saved: Path
) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{saved}' as other (read_only)")
        # Of the same name, in the database that is the caller's.
        connection.execute("create table equity as select 1 as equity")
        connection.execute("create table runs as select 1 as run_id")
        for name in VIEWS:
            found = connection.sql(f"from other.report.{name}")
            assert rows(found) == rows(run.sql(f"from report.{name}"))


def test_metrics_are_one_row_of_the_view_of_that_name(run: BacktestResult) -> None:
    names, _, found = rows(run.sql("from report.metrics"))
    assert [dict(zip(names, row, strict=True)) for row in found] == [run.metrics]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("select * from trades", set()),
        ("from report.calendar", {"calendar"}),
        ('from "report"."Calendar"', {"calendar"}),
        ("from memory.report.exits", {"exits"}),
        ("from report.trading_metrics", {"calendar", "trading_metrics"}),
        ("set search_path = 'report'", set(VIEWS)),
        ("from report.no_such_view", set(VIEWS)),
        ("show all tables", set(VIEWS)),
        ("select view_name from duckdb_views()", set(VIEWS)),
    ],
)
def test_a_query_has_the_views_made_that_it_may_read(query: str, names: set[str]) -> None:
    assert {view.name for view in views_in(query)} == names


def test_views_and_their_columns_say_what_they_are(
    run: BacktestResult, file: duckdb.DuckDBPyConnection
) -> None:
    listed = """
        select name, comment from (
            select view_name as name, schema_name, comment from duckdb_views()
            union all select table_name, schema_name, comment from duckdb_tables()
        ) where schema_name = 'report'
    """
    assert set(run.sql(listed).fetchall()) == {(n, view.comment) for n, view in VIEWS.items()}
    means = {n: [f"{one}: {text}" for one, text in v.columns.items()] for n, v in VIEWS.items()}
    assert set(file.sql(listed).fetchall()) == {
        (name, "\n".join([view.comment, *means[name]])) for name, view in VIEWS.items()
    }
    columns = """
        select table_name, column_name, comment from duckdb_columns()
        where schema_name = 'report' and comment is not null
    """
    said = {(name, *one) for name, view in VIEWS.items() for one in view.columns.items()}
    assert set(run.sql(columns).fetchall()) == said
    assert file.sql(columns).fetchall() == []  # they are in the comment of their view
    assert LISTS.search(listed)


# -- against plain Python -------------------------------------------------------------------


def curve(run: BacktestResult) -> list[tuple[datetime, date, float, float]]:
    query = "select timestamp, session, equity, drawdown from equity order by timestamp"
    return run.sql(query).fetchall()


@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("period", ["month", "year"])
def test_returns_by_month_and_year_compound_to_the_total_return(period: str, seed: int) -> None:
    run = make_run(seed)
    last: dict[Any, float] = {}
    count: dict[Any, int] = {}
    for _, session, equity, _ in curve(run):
        key = session.year if period == "year" else session.replace(day=1)
        last[key], count[key] = equity, count.get(key, 0) + 1
    ends = [run["initial_capital"], *last.values()]
    expected = [
        (key, after / before - 1, after, count[key])
        for key, (before, after) in zip(last, pairwise(ends), strict=True)
    ]
    found = run.sql(f"from report.{period}ly_returns").fetchall()
    assert found == [(key, pytest.approx(made), *more) for key, made, *more in expected]
    total = math.prod(1 + row[1] for row in found) - 1
    assert total == pytest.approx(run["total_return"])


@pytest.mark.parametrize("seed", range(1, 9))
def test_drawdowns_are_the_times_below_a_peak(seed: int) -> None:
    run = make_run(seed)
    expected: list[list[Any]] = []
    peak: tuple[datetime, date] | None = None
    below: list[tuple[datetime, date, float, float]] = []

    def end(recovery: tuple[datetime, date] | None) -> None:
        if below:
            deepest = min(below, key=lambda bar: bar[3])
            first = peak[1] if peak else below[0][1]
            last = recovery[1] if recovery else below[-1][1]
            expected.append([
                peak and peak[0], deepest[0], recovery and recovery[0], deepest[3], len(below),
                (last - first).days,
            ])  # fmt: skip
            below.clear()

    for bar in curve(run):
        if bar[3] == 0:
            end(bar[:2])
            peak = bar[:2]
        else:
            below.append(bar)
    end(None)
    expected.sort(key=lambda one: (one[3], one[1]))
    found = run.sql("from report.drawdowns").fetchall()
    assert found == [(i, *one) for i, one in enumerate(expected, 1)]
    assert found[0][4] == run["max_drawdown"]
    assert found[0][1:4] == tuple(run[f"max_drawdown_{at}"] for at in ("start", "bottom", "end"))
