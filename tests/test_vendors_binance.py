"""Klines of Binance: two units of time, bars named by their open, contracts on coins."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ml4t.backtest import Catalog, vendors
from ml4t.backtest.errors import ConfigError, DataError
from vendor_files import KLINES_HEADER, MINUTE, kline, run_of, write_klines, zipped

NEW_YEAR = datetime(2025, 1, 1, tzinfo=UTC)


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_bar_is_stamped_with_the_millisecond_at_which_it_closed(tmp_path: Path) -> None:
    write(tmp_path / "DOGEUSDT-1m-2024-12-31.csv", kline(NEW_YEAR - MINUTE, 90.0))
    # As in binance-public-data issue 386.
    write(tmp_path / "DOGEUSDT-1m-2025-01-01.csv",
          "1735689600000000,0.31600000,0.31600000,0.31600000,0.31600000,27.00000000,"
          "1735689659999999,8.53200000,1,0.00000000,0.00000000,0")  # fmt: skip
    adapted = vendors.binance_klines(tmp_path)
    last = timedelta(milliseconds=1)
    assert adapted["prices"]["timestamp"].to_pylist() == [NEW_YEAR - last, NEW_YEAR + MINUTE - last]
    assert "open_time, close_time: read as microseconds (1 rows)" in repr(adapted)


def test_spot_in_microseconds_and_futures_in_milliseconds_share_their_bars(tmp_path: Path) -> None:
    write(tmp_path / "BTCUSDT-1m-2025-01-01.csv", kline(NEW_YEAR, 90.0, per_second=1_000_000))
    write(tmp_path / "ETHUSDT-1m-2025-01-01.csv", KLINES_HEADER, kline(NEW_YEAR, 30.0))
    prices = vendors.binance_klines(tmp_path)["prices"]
    assert prices["asset_id"].to_pylist() == ["BTCUSDT", "ETHUSDT"]
    assert len(set(prices["timestamp"].to_pylist())) == 1


@pytest.mark.parametrize(
    ("interval", "opened", "days", "expected"),
    [("1d", NEW_YEAR, 1, date(2025, 1, 1)), ("1w", datetime(2025, 1, 6, tzinfo=UTC), 7,
     date(2025, 1, 12)), ("1mo", NEW_YEAR, 31, date(2025, 1, 31))],
)  # fmt: skip
def test_a_bar_of_days_has_the_date_of_its_last_day(
    tmp_path: Path, interval: str, opened: datetime, days: int, expected: date
) -> None:
    line = kline(opened, 90.0, length=timedelta(days=days))
    path = write(tmp_path / f"BTCUSDT-{interval}-2025-01.csv", line)
    assert vendors.binance_klines(path)["prices"]["timestamp"].to_pylist() == [expected]


def test_archives_that_overlap_count_once(tmp_path: Path) -> None:
    day = [kline(NEW_YEAR + i * MINUTE, 90.0 + i) for i in range(3)]
    zipped(tmp_path / "BTCUSDT-1m-2025-01.zip", day)
    zipped(tmp_path / "BTCUSDT-1m-2025-01-01.zip", day[:2])
    (tmp_path / "BTCUSDT-1m-2025-01-01.zip.CHECKSUM").write_text("0", encoding="utf-8")
    adapted = vendors.binance_klines(tmp_path)
    assert adapted["prices"].num_rows == 3
    assert "rows that were there before, left out (2 rows)" in repr(adapted)


def test_contracts_on_coins_have_their_volume_in_coins(tmp_path: Path) -> None:
    # As in binance-public-data issue 283: 409,953 contracts of 100 USD at 34,000 are 1,202 coins.
    write(tmp_path / "BTCUSD_PERP-1h-2023-10-27.csv", KLINES_HEADER,
          "1698364800000,34161.6,34182.5,33977.4,34024.2,409953,1698368399999,1202.97118037,15095,"
          "192220,564.12041453,0")  # fmt: skip
    adapted = vendors.binance_klines(tmp_path)
    row = adapted["prices"].to_pylist()[0]
    assert (row["volume"], row["contracts"], row["quote_volume"]) == (1202.97118037, 409953, None)
    assert "contracts pay in coin" in repr(adapted)


def test_another_layout_says_what_was_found_and_the_line_to_write(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"finds no file that ends in \.csv.*klines.*glob"):
        vendors.binance_klines(tmp_path / "klines")
    write(tmp_path / "prices.csv", "date,close", "2024-01-02,1.0")
    with pytest.raises(DataError, match=r"was 'prices'; name it .*BTCUSDT-1m-2024-01\.csv"):
        vendors.binance_klines(tmp_path / "prices.csv")
    short = write(tmp_path / "BTCUSDT-1m-2024-01.csv", "1,2,3")
    with pytest.raises(DataError, match=r"has 3 columns in BTCUSDT-1m-2024-01, where there are 12"):
        vendors.binance_klines(short)
    write(short, kline(NEW_YEAR, 90.0).replace("90.00000000", "none"))
    with pytest.raises(DataError, match="could not read BTCUSDT-1m-2024-01"):
        vendors.binance_klines(short)
    write(short, kline(NEW_YEAR, 90.0))
    hour = write(tmp_path / "BTCUSDT-1h-2024-01.csv", kline(NEW_YEAR, 90.0))
    with pytest.raises(DataError, match=r"several lengths: 1h, 1m; .*\*-1h-\*\.zip"):
        vendors.binance_klines([short, hour])
    with pytest.raises(ConfigError, match=r"takes a path, .* was a int: vendors\.binance_klines\("):
        vendors.binance_klines(7)  # type: ignore[arg-type]


def test_a_run_equals_that_of_the_same_bars_registered_by_hand(tmp_path: Path) -> None:
    write_klines(tmp_path)
    first = NEW_YEAR - timedelta(minutes=5)
    closes = [90_000 + 10 * (i % 5) for i in range(10)]
    by_hand = {
        "timestamp": [first + i * MINUTE for i in range(10)],
        "asset_id": ["BTCUSDT"] * 10,
        "open": [close - 0.5 for close in closes],
        "close": [float(close) for close in closes],
    }
    results = [
        run_of(catalog)
        for catalog in (
            Catalog().register_all(vendors.binance_klines(tmp_path / "klines")),
            Catalog().register("prices", by_hand),
        )
    ]
    assert results[0].metrics["n_fills"] == results[1].metrics["n_fills"] > 0
    assert results[0].metrics["final_value"] == results[1].metrics["final_value"]
