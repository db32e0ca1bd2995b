"""DBN files of Databento, written by its own encoder."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from ml4t.backtest import Catalog, vendors
from ml4t.backtest.errors import ConfigError, DataError
from vendor_files import run_of

dbn = pytest.importorskip("databento_dbn")

OPENED = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RTYPES = {"ohlcv-1s": 0x20, "ohlcv-1m": 0x21, "ohlcv-1h": 0x22, "ohlcv-1d": 0x23}


def bar(instrument_id: int, opened: datetime, close: float, *, schema: str = "ohlcv-1m",
        publisher_id: int = 2, price: int | None = None) -> bytes:  # fmt: skip
    """A record; `price` is its close as a whole number."""
    units = round(close * 1e9)
    return bytes(
        dbn.OHLCVMsg(
            rtype=RTYPES[schema], publisher_id=publisher_id, instrument_id=instrument_id,
            ts_event=round(opened.timestamp()) * 1_000_000_000, open=units, high=units + 10**9,
            low=units - 10**9, close=units if price is None else price, volume=7,
        )
    )  # fmt: skip


def metadata(mappings: dict[str, list[tuple[date, date, str]]], *, schema: str = "ohlcv-1m",
             stype_in: str = "raw_symbol", version: int = 3) -> bytes:  # fmt: skip
    found = [
        SimpleNamespace(raw_symbol=symbol, intervals=[
            SimpleNamespace(start_date=first, end_date=end, symbol=one)
            for first, end, one in intervals
        ])
        for symbol, intervals in mappings.items()
    ]  # fmt: skip
    return bytes(
        dbn.Metadata(
            dataset="XNAS.ITCH", start=0, stype_in=dbn.SType.from_str(stype_in),
            stype_out=dbn.SType.INSTRUMENT_ID, schema=dbn.Schema.from_str(schema),
            symbols=list(mappings), mappings=found, version=version,
        )
    )  # fmt: skip


def written(path: Path, *parts: bytes) -> Path:
    path.write_bytes(b"".join(parts))
    return path


ALWAYS = (date(2024, 1, 1), date(2025, 1, 1))
AAPL = {"AAPL": [(*ALWAYS, "5")]}


def test_prices_are_of_1e9_and_stamps_of_the_bar_s_end(tmp_path: Path) -> None:
    path = written(tmp_path / "a.dbn", metadata(AAPL), bar(5, OPENED, 185.63),
                   bar(5, OPENED + MINUTE, 0.0101))  # fmt: skip
    adapted = vendors.databento_dbn(path)
    first, second = adapted["prices"].to_pylist()
    assert first == {"timestamp": OPENED + MINUTE, "asset_id": "AAPL", "open": 185.63,
                     "high": 186.63, "low": 184.63, "close": 185.63, "volume": 7}  # fmt: skip
    assert second["close"] == 0.0101
    assert "ts_event moved by 0:01:00 from the bar's open to its end (2 rows)" in repr(adapted)


def test_records_are_those_of_databento_s_own_decoder(tmp_path: Path) -> None:
    parts = (metadata(AAPL), *(bar(5, OPENED + i * MINUTE, 100 + i / 7) for i in range(50)))
    decoder = dbn.DBNDecoder()
    decoder.write(b"".join(parts))
    expected = [one.close / 1e9 for one in decoder.decode() if isinstance(one, dbn.OHLCVMsg)]
    prices = vendors.databento_dbn(written(tmp_path / "a.dbn", *parts))["prices"]
    assert prices["close"].to_pylist() == expected


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_version_is_read_also_compressed_and_in_several_frames(
    tmp_path: Path, version: int
) -> None:
    zstd = pa.Codec("zstd")
    parts = [metadata(AAPL, version=version), bar(5, OPENED, 10.0) + bar(5, OPENED + MINUTE, 11.0)]
    path = written(tmp_path / "a.dbn.zst",
                   *(zstd.compress(part, asbytes=True) for part in parts))  # fmt: skip
    assert vendors.databento_dbn(path)["prices"]["close"].to_pylist() == [10.0, 11.0]


def test_a_bar_without_a_price_is_left_out_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "a.dbn", metadata(AAPL), bar(5, OPENED, 10.0),
                   bar(5, OPENED + MINUTE, 10.0, price=dbn.UNDEF_PRICE))  # fmt: skip
    adapted = vendors.databento_dbn(path)
    assert adapted["prices"].num_rows == 1
    assert "bars with an undefined price, left out (1 rows)" in repr(adapted)


def test_an_id_is_the_symbol_that_it_had_that_day(tmp_path: Path) -> None:
    third = date(2024, 1, 3)
    swapped = {
        "AAA": [(ALWAYS[0], third, "1"), (third, ALWAYS[1], "2")],
        "BBB": [(ALWAYS[0], third, "2"), (third, ALWAYS[1], "1")],
    }
    days = [datetime(2024, 1, day, tzinfo=UTC) for day in (2, 3)]
    path = written(
        tmp_path / "a.dbn", metadata(swapped, schema="ohlcv-1d"),
        *(bar(one, day, 10.0 * one, schema="ohlcv-1d") for day in days for one in (1, 2, 9)),
    )  # fmt: skip
    adapted = vendors.databento_dbn(path)
    rows = {(row["timestamp"], row["asset_id"]): row["close"]
            for row in adapted["prices"].to_pylist()}  # fmt: skip
    second = date(2024, 1, 2)
    assert rows == {(second, "AAA"): 10.0, (second, "BBB"): 20.0, (second, "9"): 90.0,
                    (third, "AAA"): 20.0, (third, "BBB"): 10.0, (third, "9"): 90.0}  # fmt: skip
    assert "asset_id: the instrument_id, which the file has no symbol for (2 rows)" in repr(adapted)


def test_a_contract_that_rolls_is_refused_unless_spliced(tmp_path: Path) -> None:
    third = date(2024, 1, 3)
    rolling = {"ES.c.0": [(ALWAYS[0], third, "1"), (third, ALWAYS[1], "2")]}
    path = written(
        tmp_path / "a.dbn", metadata(rolling, stype_in="continuous"), bar(1, OPENED, 4_700.0),
        bar(2, OPENED + timedelta(days=1), 4_750.0),
    )  # fmt: skip
    with pytest.raises(DataError, match=r"'ES\.c\.0' .*from 2024-01-03.*rolls='spliced'"):
        vendors.databento_dbn(path)
    adapted = vendors.databento_dbn(path, rolls="spliced")
    assert adapted["prices"]["asset_id"].to_pylist() == ["ES.c.0"] * 2
    assert "spliced without adjustment (1 rows)" in repr(adapted)
    with pytest.raises(ConfigError, match="rolls must be 'spliced'"):
        vendors.databento_dbn(path, rolls="back-adjusted")


def test_bars_of_several_publishers_ask_for_one(tmp_path: Path) -> None:
    path = written(tmp_path / "a.dbn", metadata(AAPL), bar(5, OPENED, 10.0, publisher_id=39),
                   bar(5, OPENED, 10.5, publisher_id=40))  # fmt: skip
    with pytest.raises(DataError, match=r"publishers \[39, 40\].*publisher_id=39"):
        vendors.databento_dbn(path)
    assert vendors.databento_dbn(path, publisher_id=40)["prices"]["close"].to_pylist() == [10.5]
    with pytest.raises(ConfigError, match=r"publisher_id must be of \[39, 40\], was 3"):
        vendors.databento_dbn(path, publisher_id=3)


def test_another_layout_says_what_was_found(tmp_path: Path, monkeypatch: Any) -> None:
    with pytest.raises(DataError, match=r"no DBN in .*begins with b'ts_event'.*register"):
        vendors.databento_dbn(written(tmp_path / "text.dbn", b"ts_event,open"))
    trades = written(tmp_path / "trades.dbn", metadata(AAPL, schema="trades"))
    with pytest.raises(DataError, match=r"has trades in trades\.dbn.*ohlcv-1m"):
        vendors.databento_dbn(trades)
    cut = written(tmp_path / "cut.dbn", metadata(AAPL), bar(5, OPENED, 10.0)[:-8])
    with pytest.raises(DataError, match=r"cut\.dbn, or is cut off"):
        vendors.databento_dbn(cut)
    whole = written(tmp_path / "a.dbn", metadata(AAPL), bar(5, OPENED, 10.0))
    hours = written(tmp_path / "h.dbn", metadata(AAPL, schema="ohlcv-1h"),
                    bar(5, OPENED, 10.0, schema="ohlcv-1h"))  # fmt: skip
    with pytest.raises(DataError, match="several lengths: ohlcv-1m, ohlcv-1h"):
        vendors.databento_dbn([whole, hours])
    monkeypatch.setitem(sys.modules, "databento_dbn", None)
    with pytest.raises(ConfigError, match=r"pip install 'ml4t-backtest-duckdb\[databento\]'"):
        vendors.databento_dbn(whole)


def test_two_lines_are_a_run(tmp_path: Path) -> None:
    both = {**AAPL, "MSFT": [(*ALWAYS, "6")]}
    bars = [bar(one, OPENED + i * MINUTE, close + (-1) ** (i + one) * i) for i in range(8)
            for one, close in ((5, 100.0), (6, 100.5))]  # fmt: skip
    written(tmp_path / "xnas-itch.ohlcv-1m.dbn", metadata(both), *bars)
    catalog = Catalog(timezone="America/New_York")
    result = run_of(catalog.register_all(vendors.databento_dbn(tmp_path)))
    assert len(result.fills.fetchall()) > 2
    hours = catalog.sql("select distinct hour(timestamp), minute(timestamp) from prices").fetchall()
    assert (9, 31) in hours
    assert (9, 30) not in hours
