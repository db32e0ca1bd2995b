"""Files of vendors that nobody can read: which file, and why, whatever reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ml4t.backtest import DataError, vendors

ADAPTERS = (vendors.binance_klines, vendors.crsp, vendors.firstrate, vendors.sharadar,
            vendors.yfinance)  # fmt: skip


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda one: one.__name__)
@pytest.mark.parametrize(
    ("name", "content"),
    [("bars.csv", b""), ("bars.csv", b"\x80\x81\xff\n" * 3), ("bars.zip", b"none"),
     ("bars.csv.gz", b"none"), ("bars.csv.gz", b"\x1f\x8b\x08\0")],
)  # fmt: skip
def test_a_file_that_nobody_can_read_is_named(
    adapter: Callable[[Path], Any], name: str, content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError):
        adapter(path)


def test_parquet_is_no_saved_frame_of_yfinance(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1.5]}).write_parquet(tmp_path / "bars.parquet")
    with pytest.raises(DataError, match=r"cannot read '.*bars\.parquet'"):
        vendors.yfinance(tmp_path / "bars.parquet")
