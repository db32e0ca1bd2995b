"""Text bars of Kibot and FirstRate: no header, no zone, stamps where bars open."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ml4t.backtest import Catalog, vendors
from ml4t.backtest.errors import ConfigError, DataError
from vendor_files import MINUTE, SESSION, run_of, text_bars, write_firstrate, write_kibot, zipped

DAY = timedelta(days=1)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_minute_is_stamped_where_it_ends(tmp_path: Path) -> None:
    write_kibot(tmp_path)
    adapted = vendors.kibot(tmp_path / "kibot", adjusted=True)
    prices = adapted["prices"].to_pylist()
    # Kibot: "a time stamp of 10:00 AM is for a period between 10:00 AM and 10:01 AM".
    assert prices[0] == {
        "timestamp": SESSION + MINUTE, "asset_id": "MSFT", "open": 405.5, "high": 407.0,
        "low": 405.0, "close": 406.0, "volume": 100.0,
    }  # fmt: skip
    assert {row["asset_id"] for row in prices} == {"MSFT", "WMT"}
    assert repr(adapted).splitlines()[1:] == [
        "  prices: adjusted for splits and dividends; no actions belong to them",
        "  volume: adjusted too, for dividends as well; no count of shares",
        "  timestamp: Eastern time without a zone, as in the file (10 rows)",
        "  timestamp: moved by 0:01:00 from the bar's open to its end (10 rows)",
    ]


def test_a_gap_longer_than_a_bar_makes_no_bar_early(tmp_path: Path) -> None:
    text = text_bars(SESSION, [10.0, 11.0, 12.0], "%m/%d/%Y,%H:%M", 5 * MINUTE)
    path = write(tmp_path / "THIN.txt", text)
    first = vendors.kibot(path, adjusted=True)["prices"]["timestamp"][0].as_py()
    assert first == SESSION + 5 * MINUTE
    first = vendors.kibot(path, adjusted=True, bar="1min")["prices"]["timestamp"][0].as_py()
    assert first == SESSION + MINUTE
    alone = write(tmp_path / "ONE.txt", text.splitlines()[0])
    with pytest.raises(ConfigError, match=r"one bar of each asset; pass it: .*bar='1min'"):
        vendors.kibot(alone, adjusted=True)
    with pytest.raises(ConfigError, match=r"bar must be a length such as '5min'.* was 'fast'"):
        vendors.kibot(path, adjusted=True, bar="fast")


@pytest.mark.parametrize(("layout", "name"), [("%m/%d/%Y", "MSFT.txt"), ("%Y-%m-%d", "MSFT.csv")])
def test_a_daily_bar_keeps_its_date(tmp_path: Path, layout: str, name: str) -> None:
    path = write(tmp_path / name, text_bars(datetime(2024, 3, 7), [10.0, 11.0], layout, DAY))
    adapted = (
        vendors.kibot(path, adjusted=False) if name.endswith("txt")
        else vendors.firstrate(path, adjusted=False)
    )  # fmt: skip
    assert adapted["prices"]["timestamp"].to_pylist() == [date(2024, 3, 7), date(2024, 3, 8)]
    assert repr(adapted).splitlines()[1:] == [
        "  prices: as traded; register splits and dividends as actions"
    ]


def test_a_header_is_no_bar_and_a_bom_no_digit(tmp_path: Path) -> None:
    text = text_bars(SESSION, [10.0, 11.0], "%Y-%m-%d %H:%M:%S")
    header = "timestamp,open,high,low,close,volume\n"
    for i, content in enumerate((header + text, "\ufeff" + text, text.replace("\n", "\r\n"))):
        path = write(tmp_path / f"A{i}_1min_adjsplit.csv", content)
        assert vendors.firstrate(path)["prices"]["close"].to_pylist() == [10.0, 11.0]
    packed = tmp_path / "B_1min_adjsplit.csv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert vendors.firstrate(packed)["prices"]["asset_id"].to_pylist() == ["B", "B"]


def test_stamps_get_the_zone_that_is_named(tmp_path: Path) -> None:
    write_firstrate(tmp_path)
    path = tmp_path / "stock_A_full_1min_adjsplitdiv.zip"
    zoned = vendors.firstrate(path, timezone="America/New_York")
    # 9:31 in New York is 14:31 UTC until the clocks go forward on 10 March 2024.
    assert zoned["prices"]["timestamp"][0].as_py() == datetime(2024, 3, 8, 14, 31, tzinfo=UTC)
    catalog = Catalog(timezone="America/New_York").register_all(zoned)
    assert catalog.sql("select distinct hour(timestamp) from signals").fetchall() == [(9,)]
    assert "taken as of America/New_York (10 rows)" in repr(zoned)

    night = text_bars(datetime(2024, 3, 10, 1, 59), [10.0, 11.0], "%Y-%m-%d %H:%M:%S")
    with pytest.raises(DataError, match=r"no time of America/New_York.*leave timezone out"):
        vendors.firstrate(
            write(tmp_path / "BTC_full_1min_UNADJUSTED.txt", night), timezone="America/New_York"
        )


def test_a_name_tells_what_the_prices_are(tmp_path: Path) -> None:
    text = text_bars(SESSION, [10.0, 11.0], "%Y-%m-%d %H:%M:%S", 60 * MINUTE)
    said = {
        "AAPL_full_1hour_adjsplitdiv": "adjusted for splits and dividends; no actions",
        "AAPL_full_1hour_adjsplit": "adjusted for splits; register dividends alone",
        "AAPL_full_1hour_UNADJUSTED": "as traded; register splits and dividends as actions",
        "ES_full_1hour_continuous_UNadjusted": "each roll is a step that counts",
        "ES_full_1hour_continuous_adjusted": "adjusted for the steps between contracts",
    }
    for name, words in said.items():
        zipped(tmp_path / f"{name}.zip", text.splitlines(), ".txt")
        adapted = vendors.firstrate(tmp_path / f"{name}.zip")
        assert words in repr(adapted)
        assert "moved by 1:00:00" in repr(adapted)
    with pytest.raises(DataError, match=r"prices of several kinds: adjsplit, adjsplitdiv, unadj"):
        vendors.firstrate(str(tmp_path / "AAPL*"))
    contract = write(tmp_path / "ESZ23.txt", text)
    with pytest.raises(DataError, match=r"was 'ESZ23'; .*AAPL_full_1min_adjsplitdiv\.txt, or pass"):
        vendors.firstrate(contract)
    assert "as traded" in repr(vendors.firstrate(contract, adjusted=False))


def test_layouts_without_volume_and_with_open_interest(tmp_path: Path) -> None:
    index = write(tmp_path / "SPX_1day_UNADJUSTED.txt", "2024-03-07,1,2,0.5,1.5\n")
    assert vendors.firstrate(index)["prices"].column_names == [
        "timestamp", "asset_id", "open", "high", "low", "close",
    ]  # fmt: skip
    future = write(tmp_path / "NQ_1day_UNADJUSTED.txt", "2024-03-07 00:00:00,1,2,0.5,1.5,9,12\n")
    assert vendors.firstrate(future)["prices"]["open_interest"].to_pylist() == [12.0]


def test_what_is_no_such_file_says_so(tmp_path: Path) -> None:
    text = text_bars(SESSION, [10.0, 11.0], "%Y-%m-%d %H:%M:%S")
    with pytest.raises(DataError, match=r"has 2 stamps that are no %m/%d/%Y with hh:mm"):
        vendors.kibot(write(tmp_path / "MSFT.txt", text), adjusted=True)
    with pytest.raises(DataError, match=r"has 2 columns in X, where there are 7: date, time, open"):
        vendors.kibot(write(tmp_path / "X.txt", "01/02/2024,1\n"), adjusted=True)
    with pytest.raises(ConfigError, match="adjusted must be True or False, was 'yes'"):
        vendors.kibot(tmp_path, adjusted="yes")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="adjusted must be True, False or None, was 1"):
        vendors.firstrate(tmp_path, adjusted=1)
    zipped(tmp_path / "empty.zip", [], ".pdf")
    with pytest.raises(DataError, match=r"finds no \.txt or \.csv in .*empty\.zip"):
        vendors.firstrate(tmp_path / "empty.zip")


@pytest.mark.parametrize("vendor", ["kibot", "firstrate"])
def test_a_run_equals_that_of_the_same_bars_registered_by_hand(tmp_path: Path, vendor: str) -> None:
    if vendor == "kibot":
        write_kibot(tmp_path)
        adapted, first = vendors.kibot(tmp_path / "kibot", adjusted=True), {"MSFT": 406, "WMT": 60}
    else:
        write_firstrate(tmp_path)
        adapted, first = vendors.firstrate(tmp_path), {"AAPL": 170, "AMZN": 176}
    by_hand = [(SESSION + i * MINUTE, name, close + i - 0.5, float(close + i))
               for name, close in first.items() for i in range(5)]  # fmt: skip
    columns = ("timestamp", "asset_id", "open", "close")
    hand = Catalog().register("prices", dict(zip(columns, zip(*by_hand, strict=True), strict=True)))
    results = [run_of(Catalog().register_all(adapted)), run_of(hand)]
    assert results[0].metrics["n_fills"] == results[1].metrics["n_fills"] > 0
    assert results[0].metrics["final_value"] == results[1].metrics["final_value"]
