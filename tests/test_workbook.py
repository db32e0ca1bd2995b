"""A run as a workbook of Excel: what its cells say, and what stands there afterwards."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, ConfigError, ResultError, TopN
from ml4t.backtest.results.keeping import workbook
from ml4t.backtest.results.tables import COLUMNS, TABLES
from scripted import flat, play


@pytest.fixture(scope="module")
def run() -> BacktestResult:
    """Of an asset whose name a reader of cells would take for a formula."""
    times = [
        datetime(2024, 3, 4, 14, 30, 0, 250_000, tzinfo=UTC),
        datetime(2024, 3, 5, 15, tzinfo=UTC),
    ]
    prices = {
        "timestamp": times * 2, "asset_id": ["=A1+1", "=A1+1", "#N/A", "#N/A"],
        **{name: [10.0, 11.0, 20.0, 21.0] for name in ("open", "high", "low", "close")},
    }  # fmt: skip
    catalog = Catalog(threads=1, timezone="America/New_York").register("prices", prices)
    return BacktestEngine(catalog, TopN(2, by="close"), initial_capital=1_000).run()


def cells(path: Path, sheet: str) -> list[tuple[Any, ...]]:
    book = openpyxl.load_workbook(path, read_only=True)
    rows = [tuple(row) for row in book[sheet].iter_rows(values_only=True)]
    book.close()
    return rows


def test_a_sheet_has_the_rows_of_its_table_and_metrics_stand_first(
    run: BacktestResult, tmp_path: Path
) -> None:
    path = run.to_excel(tmp_path / "run.xlsx")
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["metrics", "columns", *TABLES]
    header, *rows = cells(path, "fills")
    assert header == tuple(COLUMNS["fills"])
    fills = run.fills.fetchall()
    assert [row[:3] + row[4:5] for row in rows] == [row[:3] + row[4:5] for row in fills]
    # A cell has 16 digits.
    assert [row[5:8] for row in rows] == [pytest.approx(row[5:8], rel=1e-15) for row in fills]
    assert {cell.data_type for cell in book["fills"]["E"]} == {"s"}  # no formula, no error
    assert [one.value for one in book["fills"]["E"]] == ["asset_id", "#N/A", "=A1+1"]
    assert ("final_value", pytest.approx(run["final_value"])) in cells(path, "metrics")
    # The clock of New York, and a sheet that says so.
    assert cells(path, "equity")[1][1] == datetime(2024, 3, 4, 9, 30, 0, 250_000)
    assert (
        "equity",
        "timestamp",
        "timestamp with time zone, clock of America/New_York",
        "bar",
    ) in (cells(path, "columns"))


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, None), (True, True), (1.5, 1.5), (float("inf"), "inf"), (float("nan"), "nan"),
        (123, 123), (2**60, str(2**60)), (date(2024, 1, 2), date(2024, 1, 2)),
        (date(1896, 5, 26), "1896-05-26"), (datetime(1896, 5, 26, 9), "1896-05-26 09:00:00"),
        ({"a": 1.5}, '{"a": 1.5}'), ("a\x01b", "a\\x01b"), ("plain", "plain"),
    ],
)  # fmt: skip
def test_a_cell_says_what_a_value_is(value: object, cell: object) -> None:
    assert workbook._cell(value, None, None) == cell


def test_a_text_that_no_cell_takes_ends_in_how_long_it_is() -> None:
    text = workbook._cell("x" * 40_000, None, None)
    assert isinstance(text, str)
    assert len(text) == workbook.MOST_CHARACTERS
    assert text.endswith("xx... [cut: 40,000 characters, all of them in what save() writes]")


def test_more_rows_than_a_sheet_takes_are_refused_with_the_line_that_leaves_them_out(
    run: BacktestResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "ROWS_OF_A_SHEET", 1)
    with pytest.raises(
        ResultError, match=r"'orders' has 4 rows, and a sheet of Excel takes 1: leav"
    ):
        run.to_excel(tmp_path / "run.xlsx", ["runs", "orders"])
    with pytest.raises(ResultError, match=r"tables=\['runs'\]\), or write all of it by save\(\)"):
        run.to_excel(tmp_path / "run.xlsx", ["runs", "orders"])
    assert list(tmp_path.iterdir()) == []
    run.to_excel(tmp_path / "run.xlsx", ["runs"])
    book = openpyxl.load_workbook(tmp_path / "run.xlsx")
    assert book.sheetnames == ["metrics", "columns", "runs"]


def test_a_workbook_of_a_run_is_replaced_and_any_other_file_stays(
    run: BacktestResult, tmp_path: Path
) -> None:
    path = tmp_path / "run.xlsx"
    run.to_excel(path, ["fills"])
    play(flat(10, 2), {}).to_excel(path, ["fills"])
    assert len(cells(path, "fills")) == 1
    book = openpyxl.Workbook()
    book.save(tmp_path / "mine.xlsx")
    with pytest.raises(ResultError, match="holds a sheet 'Sheet', which no run wrote"):
        run.to_excel(tmp_path / "mine.xlsx")
    (tmp_path / "text.xlsx").write_text("no workbook")
    with pytest.raises(ResultError, match="exists and is no workbook"):
        run.to_excel(tmp_path / "text.xlsx")
    (tmp_path / "folder.xlsx").mkdir()
    with pytest.raises(ResultError, match="is no file"):
        run.to_excel(tmp_path / "folder.xlsx")
    assert (tmp_path / "text.xlsx").read_text() == "no workbook"
    assert len(list(tmp_path.iterdir())) == 4  # nothing is left beside them


def test_what_stood_there_is_whole_when_writing_fails(
    run: BacktestResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = run.to_excel(tmp_path / "run.xlsx", ["fills"])
    before = path.read_bytes()

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(workbook, "sync", no_space)
    with pytest.raises(ResultError, match=r"could not be written: .*No space.*is as it was"):
        run.to_excel(path, ["fills"])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_names_are_checked_and_without_openpyxl_the_error_has_the_line_that_installs_it(
    run: BacktestResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ResultError, match=r"a workbook ends in \.xlsx"):
        run.to_excel(tmp_path / "run.xls")
    with pytest.raises(ResultError, match="no table 'fill'; did you mean 'fills'"):
        run.to_excel(tmp_path / "run.xlsx", ["fill"])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ConfigError, match=r"pip install 'ml4t-backtest-duckdb\[excel\]'"):
        run.to_excel(tmp_path / "run.xlsx")
