"""Qlib's binary columns, written by its own dump_bin.py; see tests/vendors."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from ml4t.backtest import Catalog, vendors
from ml4t.backtest.errors import DataError
from vendor_files import run_of, unpacked


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return unpacked("qlib/qlib.zip", tmp_path) / "cn_data"


def closes_of(adapted: object, asset_id: str, column: str = "close") -> dict[date, float]:
    return {
        row["timestamp"]: row[column]
        for row in adapted["prices"].to_pylist()  # type: ignore[index]
        if row["asset_id"] == asset_id
    }


def test_prices_are_adjusted_and_the_factor_undoes_it(folder: Path) -> None:
    adapted = vendors.qlib_bin(folder)
    closes = closes_of(adapted, "SH600000")
    # 20.02 and 20.00 before two for one, 10.01 after.
    assert [round(one, 5) for one in closes.values()] == [10.01, 10.0, 10.01, 10.0]
    catalog = Catalog().register_all(adapted)
    raw = catalog.sql(
        "select close / factor, volume * factor from prices where asset_id = 'SH600000' "
        "order by timestamp"
    ).fetchall()
    assert [(round(one, 5), volume) for one, volume in raw] == [
        (20.02, 1_000), (20.0, 1_000), (10.01, 1_000), (10.0, 1_000),
    ]  # fmt: skip


def test_no_actions_come_with_adjusted_prices(folder: Path) -> None:
    adapted = vendors.qlib_bin(folder)
    assert [one.role for one in adapted] == ["prices", "universe"]
    assert "adjusted by factor, as they are in the file (11 rows)" in repr(adapted)


def test_float32_keeps_seven_digits(folder: Path) -> None:
    assert closes_of(vendors.qlib_bin(folder), "SH600000")[date(2024, 1, 2)] == float(
        np.float32(10.01)
    )


def test_a_suspended_day_has_no_bar(folder: Path) -> None:
    adapted = vendors.qlib_bin(folder)
    assert date(2024, 1, 4) not in closes_of(adapted, "SH600000")
    assert "days without a close, as when suspended, left out (1 rows)" in repr(adapted)


def test_the_first_number_is_the_place_in_the_calendar(folder: Path) -> None:
    closes = closes_of(vendors.qlib_bin(folder), "SZ000001")
    assert closes == {date(2024, 1, 4): 5.0, date(2024, 1, 5): 5.5}


def test_a_name_that_is_a_device_is_found_in_its_other_folder(folder: Path) -> None:
    assert len(closes_of(vendors.qlib_bin(folder), "CON")) == 5


def test_the_last_day_of_a_membership_is_in_it(folder: Path) -> None:
    index = "SZ000001\t2024-01-04\t2024-01-05\nGONE\t2024-01-02\t2024-01-03\n"
    (folder / "instruments" / "csi300.txt").write_text(index)
    adapted = vendors.qlib_bin(folder, market="csi300")
    assert adapted["universe"].to_pylist() == [
        {"asset_id": "SZ000001", "start_date": date(2024, 1, 4), "end_date": date(2024, 1, 6)}
    ]
    assert "instruments of csi300.txt without files, left out: GONE (1 rows)" in repr(adapted)
    members = Catalog().register_all(adapted).sql(
        "select timestamp from signals where is_member order by timestamp"
    ).fetchall()  # fmt: skip
    assert [one for (one,) in members] == [date(2024, 1, 4), date(2024, 1, 5)]


def test_a_field_of_its_own_is_a_column(folder: Path) -> None:
    np.array([3, 1.5], dtype="<f4").tofile(folder / "features" / "sz000001" / "pe.day.bin")
    pe = closes_of(vendors.qlib_bin(folder), "SZ000001", "pe")
    assert pe == {date(2024, 1, 4): None, date(2024, 1, 5): 1.5}


def test_another_layout_says_what_was_found(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no calendars/day\.txt in .*pass the folder.*qlib_bin"):
        vendors.qlib_bin(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"no instruments/csi500\.txt"):
        vendors.qlib_bin(folder, market="csi500")
    with (folder / "features" / "sz000001" / "close.day.bin").open("ab") as file:
        np.ones(9, dtype="<f4").tofile(file)
    with pytest.raises(DataError, match=r"close of 'SZ000001' until day 13 of a calendar of 5"):
        vendors.qlib_bin(folder)


def test_two_lines_are_a_run(folder: Path) -> None:
    catalog = Catalog()
    result = run_of(catalog.register_all(vendors.qlib_bin(folder)))
    assert len(result.fills.fetchall()) > 1
