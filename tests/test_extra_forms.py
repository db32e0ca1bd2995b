"""Forms that need a package of an extra; `make test-extras` installs all of them."""

from __future__ import annotations

import builtins
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

import file_forms as made
from ml4t.backtest import Catalog, ConfigError, DataError


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        Catalog().register("prices", path, **options).validate()
    return str(caught.value)


@pytest.mark.parametrize(
    ("extra", "package"),
    [("excel", "openpyxl"), ("delta", "deltalake"), ("iceberg", "pyiceberg")],
)
def test_a_package_that_is_missing_is_named_with_its_extra(
    extra: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p"
    if extra == "excel":
        path = tmp_path / "p.xlsx"
        path.write_bytes(b"PK")
    elif extra == "delta":
        (path / "_delta_log").mkdir(parents=True)
    else:
        (path / "metadata").mkdir(parents=True)
        (path / "metadata" / "v1.metadata.json").write_text("{}")
    plain = builtins.__import__

    def missing(name: str, *given: Any, **more: Any) -> Any:
        if name.split(".")[0] == package:
            raise ImportError(name)
        return plain(name, *given, **more)

    for name in [one for one in sys.modules if one.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ConfigError, match=rf"needs {package}: pip install '.*\[{extra}\]'"):
        Catalog().register("prices", path)


# -- Excel -------------------------------------------------------------------------------------


@pytest.fixture
def openpyxl() -> Any:
    return pytest.importorskip("openpyxl")


def one_row(**cells: Any) -> made.Row:
    row = dict(zip(made.COLUMNS, made.bars()[0], strict=True)) | cells
    return tuple(row.values())


def test_a_sheet_is_named_where_there_are_several(openpyxl: Any, tmp_path: Path) -> None:
    path = made.write_excel(tmp_path / "p.xlsx", sheet="Daily")
    book = openpyxl.load_workbook(path)
    book.create_sheet("Notes")
    book.save(path)
    assert "has 2 sheets" in (said := refused(path))
    assert "'Daily', 'Notes'; say which: table='Daily'" in said
    assert "has no sheet 'daily'" in refused(path, table="daily")
    assert Catalog().register("prices", path, table="Daily").validate().n_bars == 40


EXCEL_CELLS = {
    "a ticker that became a flag": ({"asset_id": True}, "true or false, True; store all of them"),
    "a ticker that became a number": ({"asset_id": 1}, "a number, 1; store all of them as texts"),
    "a ticker that became a date": (
        {"asset_id": datetime(2024, 3, 1)}, "a date, datetime.datetime(2024, 3, 1, 0, 0); store",
    ),
    "a word among numbers": ({"score": "n/a"}, "null_values=['n/a']"),
    "a formula that failed": ({"score": "#N/A"}, "with #N/A in cell H282; mend the formula, or"),
    "a flag among numbers": ({"score": True}, "1 of true or false (True); make all of them one"),
}  # fmt: skip


@pytest.mark.parametrize("case", EXCEL_CELLS)
def test_a_cell_that_excel_changed_is_refused(case: str, openpyxl: Any, tmp_path: Path) -> None:
    cells, says = EXCEL_CELLS[case]
    last = one_row(**({"timestamp": date(2024, 5, 1)} | cells))
    assert says in refused(made.write_excel(tmp_path / "p.xlsx", [*made.bars(), last]))


def test_zeros_that_a_format_alone_shows_are_refused(openpyxl: Any, tmp_path: Path) -> None:
    path = made.write_excel(tmp_path / "p.xlsx", [one_row(asset_id=1)])
    book = openpyxl.load_workbook(path)
    book.active["B2"].number_format = "000000"
    book.save(path)
    assert "the number 1 in cell B2, shown as 000001; store it as a text" in refused(path)


def test_a_word_far_below_is_not_read_as_missing(openpyxl: Any, tmp_path: Path) -> None:
    rows = [one_row(asset_id=f"A{i}", score=i / 7) for i in range(3_000)]
    path = made.write_excel(tmp_path / "p.xlsx", [*rows, one_row(asset_id="Z", score="x")])
    assert "1 of a text ('x')" in refused(path)
    catalog = Catalog().register("prices", path, null_values=["x"])
    assert catalog.sql("select count(*), count(score) from prices").fetchall() == [(3_001, 3_000)]
    assert catalog.describe()[0]["changes"] == ["score: 'x' read as missing (1 rows)"]


def test_a_title_above_the_header_is_refused(openpyxl: Any, tmp_path: Path) -> None:
    path = made.write_excel(tmp_path / "p.xlsx")
    book = openpyxl.load_workbook(path)
    book.active.insert_rows(1)
    book.active["A1"] = "Prices"
    book.active["B1"] = 2024
    book.save(path)
    assert "has 2024 where a name of a column should be" in refused(path)


def test_a_workbook_per_asset(openpyxl: Any, tmp_path: Path) -> None:
    for asset in ("000001", "TRUE"):
        path = made.write_excel(tmp_path / f"{asset}.xlsx",
                                [row for row in made.bars() if row[1] == asset])  # fmt: skip
        book = openpyxl.load_workbook(path)
        book.active.delete_cols(2)
        book.save(path)
    catalog = Catalog().register("prices", tmp_path, asset_id="filename")
    found = catalog.sql("select asset_id, count(*) from prices group by 1 order by 1").fetchall()
    assert found == [("000001", 40), ("TRUE", 40)]


# -- tables with a log -------------------------------------------------------------------------


def test_a_commit_after_the_registration_is_read(tmp_path: Path) -> None:
    deltalake = pytest.importorskip("deltalake")
    path = made.write_delta(tmp_path / "delta")
    catalog = Catalog().register("prices", path)
    assert catalog.validate().n_bars == 40
    late = made.table([one_row(timestamp=date(2024, 5, 1))])
    deltalake.write_deltalake(str(path), late, mode="append")
    assert catalog.validate().n_bars == 41


def test_files_of_a_delta_table_are_not_read_by_queries(tmp_path: Path) -> None:
    pytest.importorskip("deltalake")
    path = made.write_delta(tmp_path / "delta")
    catalog = Catalog().register("prices", path)
    file = next(path.glob("*.parquet"))
    with pytest.raises(Exception, match="disabled"):
        catalog.sql(f"select * from read_parquet('{file}')").fetchall()


def test_a_log_of_delta_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("deltalake")
    (tmp_path / "d" / "_delta_log").mkdir(parents=True)
    assert "could not be read" in refused(tmp_path / "d")


def test_a_snapshot_that_is_not_known_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyiceberg.catalog.sql")
    path = made.write_iceberg(tmp_path / "iceberg")
    newest = max((path / "metadata").glob("*.metadata.json"))
    (newest.parent / f"{newest.name[:6]}other.metadata.json").write_bytes(newest.read_bytes())
    assert "has 2 metadata files of number 2" in refused(path)
    (newest.parent / "version-hint.text").write_text(newest.name.removesuffix(".metadata.json"))
    assert Catalog().register("prices", path).validate().n_bars == 40


def test_what_is_no_workbook_is_refused(openpyxl: Any, tmp_path: Path) -> None:
    (tmp_path / "p.xlsx").write_text("timestamp,asset_id,close\n")
    assert "is no Excel file" in refused(tmp_path / "p.xlsx")
