"""LEAN's data folder: scaled prices, tickers that were several companies, factors."""

from __future__ import annotations

import zipfile
from datetime import date, datetime
from pathlib import Path

import pytest

from ml4t.backtest import BacktestEngine, Catalog, TopN, vendors
from ml4t.backtest.data.sources.adapted import Adapted
from ml4t.backtest.errors import ConfigError, DataError
from vendor_files import run_of


def archive(folder: Path, name: str, *lines: str, member: str | None = None) -> None:
    path = folder / "equity" / "usa" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(member or f"{path.stem}.csv", "\n".join(lines) + "\n")


def text(folder: Path, name: str, *lines: str) -> None:
    path = folder / "equity" / "usa" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def day(stamp: str, close: float, volume: int = 100) -> str:
    units = round(close * 10_000)
    return f"{stamp} 00:00,{units},{units + 5_000},{units - 5_000},{units},{volume}"


def actions_of(adapted: Adapted) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in adapted["actions"].to_pylist()]


def test_prices_are_ten_thousandths_and_days_are_dates(tmp_path: Path) -> None:
    archive(tmp_path, "daily/aapl.zip", "20131001 00:00,4780000,4890000,4780000,4879600,11000000")
    adapted = vendors.lean_zip(tmp_path)
    assert adapted["prices"].to_pylist() == [
        {"timestamp": date(2013, 10, 1), "asset_id": "AAPL", "open": 478.0, "high": 489.0,
         "low": 478.0, "close": 487.96, "volume": 11_000_000.0}
    ]  # fmt: skip
    assert "open, high, low, close: divided by 10,000 (1 rows)" in repr(adapted)


def test_minutes_are_since_midnight_of_the_exchange_and_stamped_at_their_end(
    tmp_path: Path,
) -> None:
    for name in ("trade", "quote"):
        archive(tmp_path, f"minute/aapl/20131007_{name}.zip", "34200000,1,1,1,1,5",
                "57540000,2,2,2,2,5", member=f"20131007_aapl_minute_{name}.csv")  # fmt: skip
    prices = vendors.lean_zip(tmp_path, resolution="minute")["prices"]
    assert prices["timestamp"].to_pylist() == [
        datetime(2013, 10, 7, 9, 31), datetime(2013, 10, 7, 16, 0),
    ]  # fmt: skip


def test_hours_are_stamped_at_their_end(tmp_path: Path) -> None:
    archive(tmp_path, "hour/aapl.zip", "20131001 09:00,1,1,1,1,5", "20131001 15:00,1,1,1,1,5")
    prices = vendors.lean_zip(tmp_path, resolution="hour")["prices"]
    assert prices["timestamp"].to_pylist() == [
        datetime(2013, 10, 1, 10), datetime(2013, 10, 1, 16),
    ]  # fmt: skip


def test_a_ticker_that_was_two_companies_is_two_assets(tmp_path: Path) -> None:
    # As in LEAN's own folder: AOL took over the ticker of the company that it bought.
    text(tmp_path, "map_files/twx.csv", "19980102,aol", "20031015,aol", "20501231,twx")
    text(tmp_path, "map_files/twx.1.csv", "19980102,twx,N", "20010111,twx,N")
    archive(tmp_path, "daily/aol.zip", day("20010110", 40), day("20031015", 15))
    archive(tmp_path, "daily/twx.zip", day("20010111", 70), day("20020102", 1),
            day("20031016", 16))  # fmt: skip
    archive(tmp_path, "daily/spy.zip", day("20010111", 130))
    adapted = vendors.lean_zip(tmp_path)
    rows = sorted((row["asset_id"], row["timestamp"], row["close"])
                  for row in adapted["prices"].to_pylist())  # fmt: skip
    assert rows == [
        ("SPY", date(2001, 1, 11), 130.0),
        ("TWX", date(2001, 1, 10), 40.0),
        ("TWX", date(2003, 10, 15), 15.0),
        ("TWX", date(2003, 10, 16), 16.0),
        ("TWX.1", date(2001, 1, 11), 70.0),
    ]
    said = repr(adapted)
    assert "bars of days that no map file of their ticker has, left out (1 rows)" in said
    assert "the company that had the ticker that day (3 rows)" in said
    assert actions_of(adapted) == [("TWX.1", date(2001, 1, 12), "delisting", None)]


def test_splits_and_dividends_are_quotients_of_factors(tmp_path: Path) -> None:
    # As in LEAN's aapl.csv, with a reference price in one line and without in the other.
    text(tmp_path, "factor_files/aapl.csv", "19980102,0.9687481,0.142857",
         "20140507,0.9687481,0.142857", "20140606,0.9741588,0.142857", "20140806,0.9741588,1,94.96",
         "20501231,0.9790044,1,0")  # fmt: skip
    archive(tmp_path, "daily/aapl.zip", day("20140507", 592.33), day("20140508", 588.0),
            day("20140606", 645.57), day("20140609", 93.7), day("20140806", 94.96),
            day("20140807", 94.5))  # fmt: skip
    adapted = vendors.lean_zip(tmp_path)
    assert actions_of(adapted) == [
        ("AAPL", date(2014, 5, 8), "dividend", 3.2899),
        ("AAPL", date(2014, 6, 7), "split", 7.0),
        ("AAPL", date(2014, 8, 7), "dividend", 0.47),
    ]
    assert "split: rounded to a ratio of small whole numbers (1 rows)" in repr(adapted)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [("0.75001904", "1.49993008", 2.0), ("1.49993008", "3.0003", 2.0), ("3", "1", 1 / 3),
     ("1000", "256.41", 10 / 39), ("1", "1.0222", 1.0222)],
)  # fmt: skip
def test_a_split_is_rounded_within_the_digits_of_the_file_alone(
    tmp_path: Path, before: str, after: str, expected: float
) -> None:
    text(tmp_path, "factor_files/a.csv", f"20240102,1,{before},10", f"20501231,1,{after},0")
    archive(tmp_path, "daily/a.zip", day("20240102", 10), day("20240103", 10))
    assert actions_of(vendors.lean_zip(tmp_path))[0][3] == pytest.approx(expected, rel=1e-12)


def test_infinite_factors_and_days_without_a_price_are_counted(tmp_path: Path) -> None:
    text(tmp_path, "factor_files/a.csv", "20230102,1,inf,1", "20230103,1,1.6e+6,1",
         "20230104,0.9,1", "20501231,1,1,0")  # fmt: skip
    archive(tmp_path, "daily/a.zip", day("20240102", 10), day("20240103", 10))
    adapted = vendors.lean_zip(tmp_path)
    assert [one.role for one in adapted] == ["prices"]
    said = repr(adapted)
    assert "lines of infinite or zero factors, left out (2 rows)" in said
    assert "dividends on days without a price, left out (1 rows)" in said


def test_a_split_moves_the_shares_and_not_the_equity(tmp_path: Path) -> None:
    text(tmp_path, "factor_files/a.csv", "20240104,1,0.142857,70", "20501231,1,1,0")
    archive(tmp_path, "daily/a.zip", *(day(f"2024010{i}", close) for i, close in
            ((2, 70), (3, 70), (4, 70), (5, 10), (8, 10))))  # fmt: skip
    catalog = Catalog().register_all(vendors.lean_zip(tmp_path))
    strategy = TopN(1, by="close", when="timestamp = '2024-01-02'")
    result = BacktestEngine(catalog, strategy, initial_capital=70_000.0).run()
    quantity = dict(result.positions.project("timestamp::date, quantity").fetchall())
    assert quantity[date(2024, 1, 5)] == 7 * quantity[date(2024, 1, 4)]
    equity = [one for (one,) in result.equity.order("timestamp").project("equity").fetchall()]
    assert equity[-1] == pytest.approx(equity[1])


def test_another_layout_says_what_was_found(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no archives of bars in .*daily; .*lean_zip\('Data'"):
        vendors.lean_zip(tmp_path)
    with pytest.raises(ConfigError, match="resolution must be of minute, hour, daily, was 'tick'"):
        vendors.lean_zip(tmp_path, resolution="tick")  # type: ignore[arg-type]
    archive(tmp_path, "daily/a.zip", "20240102 00:00,1,1,1,1")
    with pytest.raises(DataError, match=r"5 columns in a\.zip, where there are 6: time, open"):
        vendors.lean_zip(tmp_path)
    (tmp_path / "equity" / "usa" / "daily" / "a.zip").write_bytes(b"not a zip")
    with pytest.raises(DataError, match=r"no archive of one file in .*a\.zip"):
        vendors.lean_zip(tmp_path)


def test_two_lines_are_a_run(tmp_path: Path) -> None:
    for name, close in (("a", 10.0), ("b", 10.5)):
        archive(tmp_path, f"daily/{name}.zip", *(
            day(f"2024010{i}", close + (-1) ** (i + len(name)) * (i if name == "a" else 0))
            for i in range(2, 6)
        ))  # fmt: skip
    result = run_of(Catalog().register_all(vendors.lean_zip(tmp_path)))
    assert len(result.fills.fetchall()) > 1
