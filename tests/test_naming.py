"""Columns by name: what is found without a word, what is said of it, and what is refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from ml4t.backtest import BacktestEngine, Catalog, TopN
from ml4t.backtest.data.feeds.feed import DataFeed, PolarsDataFeed, as_catalog
from ml4t.backtest.errors import ConfigError, DataError
from ml4t.backtest.runfile import engine_of

DAYS = [date(2024, 1, day) for day in (2, 3, 4, 5)]
OURS = {
    "timestamp": [day for day in DAYS for _ in "AB"],
    "asset_id": ["A", "B"] * 4,
    "open": [10.0, 20.0, 10.5, 19.5, 11.0, 19.0, 11.5, 18.5],
    "high": [10.6, 20.5, 11.1, 20.0, 11.6, 19.5, 12.0, 19.0],
    "low": [9.9, 19.4, 10.4, 18.9, 10.9, 18.4, 11.4, 18.0],
    "close": [10.5, 19.5, 11.0, 19.0, 11.5, 18.5, 11.9, 18.2],
    "volume": [100, 200, 110, 210, 120, 220, 130, 230],
    "score": [1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0, 1.0],
}


def called(**names: str) -> pl.DataFrame:
    return pl.DataFrame(OURS).rename(names)


def final(catalog: Catalog) -> float:
    result = BacktestEngine(catalog, TopN(1, by="score"), initial_capital=10_000).run()
    return float(result.sql("select last(equity order by timestamp) from equity").fetchall()[0][0])


def changes(catalog: Catalog, name: str = "prices") -> Any:
    return next(one["changes"] for one in catalog.describe() if one["source"] == name)


EXPECTED = final(Catalog().register("prices", pl.DataFrame(OURS)))


def test_our_own_names_are_taken_in_silence_in_any_case() -> None:
    catalog = Catalog().register("prices", called(timestamp="Timestamp", close="CLOSE"))
    assert final(catalog) == EXPECTED
    assert changes(catalog) == []


@pytest.mark.parametrize(
    "names",
    [
        {"timestamp": "Date", "asset_id": "Ticker", "open": "Open", "volume": "Volume"},
        {"timestamp": "date", "asset_id": "symbol", "volume": "PX_VOLUME"},
        {"timestamp": "Trade Date", "asset_id": "PERMNO", "close": "PX_LAST"},
        {"timestamp": "caldt", "asset_id": "secid", "open": "px-open", "high": "PX.HIGH"},
    ],
)
def test_the_usual_names_are_found_and_said(names: dict[str, str]) -> None:
    catalog = Catalog().register("prices", called(**names))
    assert final(catalog) == EXPECTED
    other = {ours: theirs for ours, theirs in names.items() if theirs.lower() != ours}
    assert set(changes(catalog)) == {
        f"{ours} is the column {theirs!r}" for ours, theirs in other.items()
    }


def test_any_name_goes_that_is_said() -> None:
    frame = called(timestamp="wann", asset_id="was", close="Letzter")
    said = {"timestamp": "wann", "asset_id": "WAS", "close": "Letzter"}
    catalog = Catalog().register("prices", frame, columns=said)
    assert final(catalog) == EXPECTED
    assert "asset_id is the column 'was'" in changes(catalog)


def test_what_is_said_beats_what_is_usual() -> None:
    frame = called(asset_id="isin_code").with_columns(ticker=pl.lit("same"))
    catalog = Catalog().register("prices", frame, columns={"asset_id": "isin_code"})
    assert final(catalog) == EXPECTED
    # The other stays what it is: a column like any.
    assert catalog.sql("select distinct ticker from signals").fetchall() == [("same",)]


def test_our_own_name_beats_a_usual_one_and_leaves_it_a_signal() -> None:
    frame = pl.DataFrame(OURS).with_columns(date=pl.lit(7.0))
    catalog = Catalog().register("prices", frame)
    assert final(catalog) == EXPECTED
    assert catalog.sql("select distinct date from signals").fetchall() == [(7.0,)]


@pytest.mark.parametrize(
    "register",
    [
        lambda frame: Catalog().register("prices", frame),
        lambda frame: as_catalog(DataFeed(frame)).describe(),
    ],
    ids=["catalog", "feed"],
)
def test_two_candidates_are_refused_with_the_line_to_write(register: Any) -> None:
    frame = called(asset_id="ticker").with_columns(permno=pl.lit(1))
    with pytest.raises(DataError) as error:
        register(frame)
    assert "'ticker' and 'permno' may each be it" in str(error.value)
    assert "columns={'asset_id': 'ticker'}" in str(error.value)


def test_two_candidates_for_an_optional_column_are_refused_too() -> None:
    frame = called(volume="px_volume").with_columns(dlyvol=pl.lit(1))
    with pytest.raises(DataError, match=r"no column 'volume', and 'px_volume' and 'dlyvol'"):
        Catalog().register("prices", frame)


def test_vol_is_a_volatility_as_often_as_a_volume() -> None:
    catalog = Catalog().register("prices", called(volume="vol"))
    assert "vol" in catalog.sql("select * from signals").columns
    assert changes(catalog) == []


def test_an_adjusted_close_is_not_taken_for_the_close() -> None:
    frame = called(close="Adj Close")
    with pytest.raises(DataError, match=r"Then say so: columns=\{'close': 'Adj Close'\}"):
        Catalog().register("prices", frame)
    catalog = Catalog().register("prices", frame, columns={"close": "Adj Close"})
    assert final(catalog) == EXPECTED


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ({"time": "Date"}, "names 'time', which is no column of prices"),
        ({"Date": "timestamp"}, r"our name comes first: columns=\{'timestamp': 'Date'\}"),
        ({"timestamp": 3}, "must be the name of a column, was 3"),
        ("Date", "columns must be a mapping of our names"),
        ({"open": "close", "close": "close"}, "names 'close' for 'open' and for 'close'"),
    ],
)
def test_what_is_no_mapping_of_columns_is_refused(columns: Any, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        Catalog().register("prices", pl.DataFrame(OURS), columns=columns)


def test_a_named_column_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(DataError, match="no column 'closse', which columns= names for 'close'; "
                                        "did you mean 'close'"):  # fmt: skip
        Catalog().register("prices", pl.DataFrame(OURS), columns={"close": "closse"})


def test_a_named_column_beside_our_own_of_that_name_is_refused() -> None:
    frame = pl.DataFrame(OURS).with_columns(adj=pl.col("close"))
    with pytest.raises(
        DataError, match="has a column 'close' beside 'adj', which is to be 'close'"
    ):
        Catalog().register("prices", frame, columns={"close": "adj"})


def test_open_and_close_changed_over_are_another_run() -> None:
    frame = pl.DataFrame(OURS).rename({"open": "a", "close": "b"})
    ids = set()
    for one, other in (("a", "b"), ("b", "a")):
        catalog = Catalog().register("prices", frame.drop("high", "low"),
                                     columns={"open": one, "close": other})  # fmt: skip
        result = BacktestEngine(catalog, TopN(1, by="score")).run()
        ids |= {row[0] for row in result.sql("select run_id from runs").fetchall()}
    assert len(ids) == 2


def test_files_of_other_names_go_the_same_way(tmp_path: Path) -> None:
    frame = called(timestamp="Date", asset_id="Ticker")
    frame.filter(pl.col("Ticker") == "A").write_parquet(tmp_path / "a.parquet")
    frame.filter(pl.col("Ticker") == "B").write_parquet(tmp_path / "b.parquet")
    catalog = Catalog().register("prices", tmp_path)
    assert final(catalog) == EXPECTED
    assert "timestamp is the column 'Date'" in changes(catalog)


def test_a_file_that_lacks_the_column_is_named(tmp_path: Path) -> None:
    frame = called(timestamp="Date", asset_id="Ticker")
    frame.write_parquet(tmp_path / "a.parquet")
    frame.rename({"Date": "Day"}).write_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"has no column 'date' in .*b\.parquet"):
        Catalog().register("prices", tmp_path)


@pytest.mark.parametrize("kind", ["pandas", "polars", "path"])
def test_feeds_go_by_the_same_rule(kind: str, tmp_path: Path) -> None:
    frame = called(timestamp="Date", asset_id="Ticker", volume="PX Volume")
    given: Any = frame
    if kind == "pandas":
        given = frame.to_pandas()
    if kind == "path":
        given = tmp_path / "prices.parquet"
        frame.write_parquet(given)
    catalog = as_catalog(DataFeed(given))
    assert final(catalog) == EXPECTED
    assert set(changes(catalog)) == {
        "timestamp is the column 'Date'", "asset_id is the column 'Ticker'",
        "volume is the column 'PX Volume'",
    }  # fmt: skip


def test_a_feed_takes_columns() -> None:
    frame = called(timestamp="wann", close="Letzter")
    feed = PolarsDataFeed(frame, columns={"timestamp": "wann", "close": "Letzter"})
    assert final(as_catalog(feed)) == EXPECTED
    with pytest.raises(ConfigError, match="no column of prices"):
        PolarsDataFeed(frame, columns={"last": "Letzter"})


def test_a_frame_of_one_asset_with_an_index_of_dates_takes_its_names() -> None:
    frame = pd.DataFrame(OURS).query("asset_id == 'A'").drop(columns="asset_id")
    frame = frame.set_index(pd.DatetimeIndex(frame.pop("timestamp"), name="Date"))
    catalog = as_catalog(DataFeed(frame.rename(columns=str.title)))
    assert catalog.sql("select distinct asset_id from signals").fetchall() == [("asset",)]


def test_a_clock_can_be_named_among_the_columns() -> None:
    features = {"timestamp": DAYS[:1], "asset_id": ["A"], "out": [DAYS[2]], "x": [1.0]}
    catalog = Catalog().register("prices", pl.DataFrame(OURS))
    catalog.register("features", features, columns={"available_at": "out"})
    seen = catalog.sql("select timestamp::date from signals where x = 1 order by 1").fetchall()
    assert seen == [(DAYS[2],), (DAYS[3],)]
    with pytest.raises(ConfigError, match="keep one"):
        Catalog().register("features", features, columns={"available_at": "out"},
                           available_at="out")  # fmt: skip


def test_a_wrong_type_names_the_column_as_it_is_called() -> None:
    with pytest.raises(DataError, match=r"has column 'Date' \(for timestamp\) of type VARCHAR"):
        Catalog().register("prices", called(timestamp="Date").with_columns(Date=pl.lit("soon")))


def test_a_run_file_names_columns(tmp_path: Path) -> None:
    called(timestamp="wann", asset_id="Ticker").write_parquet(tmp_path / "p.parquet")
    (tmp_path / "run.toml").write_text(
        '[sources.prices]\npath = "p.parquet"\ncolumns = { timestamp = "wann" }\n'
        '[strategy]\nkind = "TopN"\nn = 1\nby = "score"\n[run]\ninitial_capital = 10000\n'
    )
    result = engine_of(tmp_path / "run.toml").run()
    found = result.sql("select last(equity order by timestamp) from equity").fetchall()
    assert found == [(EXPECTED,)]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        # A column that is the time already is suggested for nothing else.
        (("DATE", "DTB3"), "if one of them is it, say so: columns={'rate': 'DTB3'}"),
        (("DATE", "rates"), "did you mean 'rates'? Then say so: columns={'rate': 'rates'}"),
        (("DATE", "x", "y"), "if one of them is it, say so: columns={'rate': '...'}"),
    ],
)  # fmt: skip
def test_what_may_be_a_missing_column_is_said(columns: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError) as refused:
        Catalog().register("risk_free", dict.fromkeys(columns, DAYS[:1]))
    assert message in str(refused.value)
