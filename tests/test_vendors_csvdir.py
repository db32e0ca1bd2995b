"""CSV files of Zipline's csvdir: splits and dividends in columns of the prices."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ml4t.backtest import Catalog, vendors
from ml4t.backtest.errors import ConfigError, DataError
from vendor_files import run_of


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


HEADER = "date,open,high,low,close,volume,dividend,split"


def test_split_is_new_shares_per_old_and_0_is_none(tmp_path: Path) -> None:
    write(
        tmp_path / "daily" / "AAPL.csv", HEADER,
        "2014-06-05,646,649,643,647,100,0.0,1.0", "2014-06-06,650,652,645,645,100,3.29,0.0",
        "2014-06-09,93,94,92,93.7,700,0.0,7.0", "2014-06-10,94,95,93,94.2,700,,",
    )  # fmt: skip
    adapted = vendors.zipline_csvdir(tmp_path)
    assert [tuple(row.values()) for row in adapted["actions"].to_pylist()] == [
        ("AAPL", date(2014, 6, 9), "split", 7.0), ("AAPL", date(2014, 6, 6), "dividend", 3.29),
    ]  # fmt: skip
    assert "split: 0 or missing, taken for none (2 rows)" in repr(adapted)
    result = run_of(Catalog().register_all(adapted))
    equity = dict(result.equity.project("timestamp::date, equity").fetchall())
    assert equity[date(2014, 6, 9)] / equity[date(2014, 6, 6)] > 0.9


def test_splits_of_prices_that_have_them_already_are_refused(tmp_path: Path) -> None:
    write(
        tmp_path / "daily" / "AAPL.csv", HEADER, "2014-06-06,92.9,93,92,92.1,700,0.0,1.0",
        "2014-06-09,93,94,92,93.7,700,0.0,7.0",
    )  # fmt: skip
    with pytest.raises(DataError, match="splits at which the price stayed where it was"):
        Catalog().register_all(vendors.zipline_csvdir(tmp_path)).validate()


def test_files_without_actions_give_none_and_other_columns_are_named(tmp_path: Path) -> None:
    write(tmp_path / "daily" / "BRK.B.csv", ",Open,High,Low,Close,Volume,Adj Close",
          "2024-01-02 00:00:00,1,2,1,2,10,1.9")  # fmt: skip
    adapted = vendors.zipline_csvdir(tmp_path)
    assert [one.role for one in adapted] == ["prices"]
    assert adapted["prices"].to_pylist() == [
        {"timestamp": date(2024, 1, 2), "asset_id": "BRK.B", "open": 1.0, "high": 2.0, "low": 1.0,
         "close": 2.0, "volume": 10.0}
    ]  # fmt: skip
    assert "columns left out, as Zipline does: adj close" in repr(adapted)


def test_minutes_are_utc(tmp_path: Path) -> None:
    write(tmp_path / "minute" / "A.csv", "date,open,high,low,close,volume",
          "2024-01-02 14:31:00,1,2,1,2,10", "2024-01-02 14:32:00+00:00,1,2,1,2,10")  # fmt: skip
    prices = vendors.zipline_csvdir(tmp_path, frequency="minute")["prices"]
    assert prices["timestamp"].to_pylist() == [
        datetime(2024, 1, 2, 14, minute, tzinfo=UTC) for minute in (31, 32)
    ]


def test_another_layout_of_csvdir_says_what_was_found(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder 'daily' in .*vendors\.zipline_csvdir"):
        vendors.zipline_csvdir(tmp_path)
    with pytest.raises(ConfigError, match="must be 'daily' or 'minute': 'hour'"):
        vendors.zipline_csvdir(tmp_path, frequency="hour")  # type: ignore[arg-type]
    write(tmp_path / "daily" / "A.csv", "date,close", "2024-01-02,1")
    with pytest.raises(DataError, match=r"no open, high, low, volume in A\.csv.*date|timestamp"):
        vendors.zipline_csvdir(tmp_path)
    write(tmp_path / "daily" / "A.csv", HEADER, "2024-01-02,1,2,1,n/a,1,0,1")
    with pytest.raises(DataError, match=r"could not read A\.csv"):
        vendors.zipline_csvdir(tmp_path)
