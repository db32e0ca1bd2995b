"""A bundle of Zipline, by its own writers; see tests/vendors."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml4t.backtest import BacktestEngine, Catalog, TopN, vendors
from ml4t.backtest.data.sources.adapted import Adapted
from ml4t.backtest.errors import ConfigError, DataError
from ml4t.backtest.vendors.bcolz import column_of
from vendor_files import run_of, unpacked

FOURTH, EIGHTH, NINTH = date(2024, 1, 4), date(2024, 1, 8), date(2024, 1, 9)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    pytest.importorskip("blosc")
    return unpacked("zipline/zipline_bundle.zip", tmp_path) / "made"


def closes_of(adapted: Adapted, asset_id: str, column: str = "close") -> dict[date, float]:
    return {
        row["timestamp"]: row[column]
        for row in adapted["prices"].to_pylist()
        if row["asset_id"] == asset_id
    }


def test_prices_are_thousandths(bundle: Path) -> None:
    adapted = vendors.zipline_bundle(bundle)
    # 10.1234 was rounded; 10.623 is not 10.623000000000001, as by a reciprocal.
    assert list(closes_of(adapted, "NEW").values())[-3:] == [10.623, 10.123, 10.0]
    assert closes_of(adapted, "NEW", "high")[date(2024, 1, 11)] == 10.623
    assert closes_of(adapted, "BRK")[FOURTH] == 600_000.0
    assert "open, high, low, close: divided by 1000 (23 rows)" in repr(adapted)


def test_a_price_of_0_is_no_bar(bundle: Path) -> None:
    adapted = vendors.zipline_bundle(bundle)
    assert EIGHTH not in closes_of(adapted, "BRK")
    assert "bars with a price of 0, left out (1 rows)" in repr(adapted)


def test_a_volume_beyond_32_bits_is_no_halt(bundle: Path) -> None:
    adapted = vendors.zipline_bundle(bundle)
    assert list(closes_of(adapted, "BRK", "volume").values())[:2] == [None, 10]
    assert "as of one too large for 32 bits, set to NULL (1 rows)" in repr(adapted)


def test_actions_are_those_of_prices_as_traded_each_once(bundle: Path) -> None:
    adapted = vendors.zipline_bundle(bundle)
    assert [tuple(row.values()) for row in adapted["actions"].to_pylist()] == [
        ("NEW", EIGHTH, "split", 7.0, None),
        ("NEW", date(2024, 1, 11), "split", 1.05, None),
        ("BRK", FOURTH, "dividend", 1.5, None),
        ("BRK", NINTH, "dividend", 2.5, date(2024, 1, 11)),
        ("OLD", date(2024, 1, 10), "delisting", None, None),
    ]
    said = repr(adapted)
    assert "mergers, which are of past prices alone, left out (1 rows)" in said
    assert "stock dividends in another asset, left out (1 rows)" in said
    assert "dividend without pay_date: paid on its ex_date (1 rows)" in said


def test_a_split_moves_the_shares_and_not_the_equity(bundle: Path) -> None:
    catalog = Catalog().register_all(vendors.zipline_bundle(bundle))
    strategy = TopN(1, by="-close", where="asset_id = 'NEW'", when="timestamp = '2024-01-02'")
    result = BacktestEngine(catalog, strategy, initial_capital=100_000.0).run()
    held = dict(result.positions.project("timestamp::date, quantity").fetchall())
    assert held[EIGHTH] == pytest.approx(7 * held[date(2024, 1, 5)], abs=7)
    equity = dict(result.equity.project("timestamp::date, equity").fetchall())
    assert equity[EIGHTH] == pytest.approx(equity[date(2024, 1, 5)], rel=1e-3)


def test_a_symbol_that_several_had_gets_its_number(bundle: Path) -> None:
    import sqlite3

    (file,) = bundle.glob("*/assets-*.sqlite")
    with sqlite3.connect(file) as connection:
        connection.execute("update equity_symbol_mappings set symbol = 'NEW' where sid = 3")
    connection.close()
    adapted = vendors.zipline_bundle(bundle)
    assert set(adapted["prices"]["asset_id"].to_pylist()) == {"NEW.1", "BRK", "NEW.3"}
    assert "2 with its number, of symbols that several had" in repr(adapted)


def test_the_newest_ingestion_is_taken_and_named(bundle: Path) -> None:
    (first,) = bundle.iterdir()
    shutil.copytree(first, bundle / "2020-01-01T00;00;00")
    assert f"ingestion {first.name}, the newest of 2" in repr(vendors.zipline_bundle(bundle))
    assert vendors.zipline_bundle(first)["prices"].num_rows == 23


def test_a_column_of_several_chunks_is_read_whole(tmp_path: Path) -> None:
    blosc = pytest.importorskip("blosc")
    values = np.arange(10, dtype="<u4")
    (tmp_path / "meta").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "meta" / "storage").write_text(json.dumps({"dtype": "uint32", "chunklen": 1}))
    (tmp_path / "meta" / "sizes").write_text(json.dumps({"shape": [11]}))
    for i in range(11):
        # Filled up to its length, as bcolz does with the last one.
        chunk = np.full(1, i, "<u4").tobytes()
        content = b"blpk\x01\x00\x00\x00" + (1).to_bytes(8, "little")
        content += blosc.compress(chunk, typesize=4, cname="blosclz")
        (tmp_path / "data" / f"__{i}.blp").write_bytes(content)
    assert column_of("zipline_bundle", tmp_path).tolist() == [*values, 10]
    (tmp_path / "data" / "__10.blp").unlink()
    with pytest.raises(DataError, match="10 of 11 values"):
        column_of("zipline_bundle", tmp_path)


def test_another_folder_says_what_was_found(bundle: Path, monkeypatch: Any) -> None:
    with pytest.raises(DataError, match=r"finds no daily_equities\.bcolz in .*zipline/data/quandl"):
        vendors.zipline_bundle(bundle.parent / "elsewhere")
    (ingestion,) = bundle.iterdir()
    monkeypatch.setitem(sys.modules, "blosc", None)
    with pytest.raises(ConfigError, match=r"needs blosc: pip install .*\[zipline\]"):
        vendors.zipline_bundle(bundle)
    monkeypatch.undo()
    (ingestion / "adjustments.sqlite").unlink()
    with pytest.raises(DataError, match=r"could not read splits of .*adjustments\.sqlite"):
        vendors.zipline_bundle(bundle)


def test_two_lines_are_a_run_of_a_bundle(bundle: Path) -> None:
    result = run_of(Catalog().register_all(vendors.zipline_bundle(bundle)), 2)
    assert len(result.fills.fetchall()) > 2
