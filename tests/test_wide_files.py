"""Files and feeds whose columns are assets: the long table, by the rule of wide frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ml4t.backtest import Catalog
from ml4t.backtest.data.feeds.feed import (
    DataFeed,
    HistoricalDataFeed,
    ParquetDataFeed,
    PolarsDataFeed,
    as_catalog,
)
from ml4t.backtest.errors import ConfigError, DataError

DAYS = pd.bdate_range("2024-01-25", periods=8)  # of two months: texts of another order
CLOSES = pd.DataFrame(
    np.arange(24, dtype=float).reshape(8, 3) + 10, index=DAYS, columns=["AAPL", "IBM", "MSFT"]
)
CLOSES.loc[DAYS[0], "IBM"] = CLOSES.loc[DAYS[4], "MSFT"] = np.nan
NAMED = CLOSES.rename_axis("Date")
EUROPEAN = NAMED.set_axis(DAYS.strftime("%d/%m/%Y")).rename_axis("Date")
LONG = NAMED.stack().dropna().rename("close").reset_index()
LONG.columns = pd.Index(["timestamp", "asset_id", "close"])
BARS = [(str(day)[:10], asset, close) for day, asset, close in LONG.itertuples(index=False)]
LOW = {"IBM": "LOW"}


def bars(catalog: Catalog) -> list[tuple[Any, ...]]:
    catalog.prepare()
    query = "select timestamp::date::varchar, asset_id, close from prices order by all"
    return [tuple(row) for row in catalog.sql(query).fetchall()]


def changes(catalog: Catalog) -> Any:
    return catalog.describe()[0]["changes"]


def write(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".feather":
        frame.reset_index().to_feather(path)
    elif path.suffix == ".xlsx":
        pytest.importorskip("openpyxl")
        frame.to_excel(path)
    else:
        frame.to_csv(path)
    return path


@pytest.mark.parametrize(
    ("frame", "name", "options"),
    [
        (NAMED, "closes.csv", {}),
        (CLOSES, "closes.csv", {}),
        (NAMED, "closes.csv.gz", {"field": "close"}),
        (NAMED, "closes.parquet", {}),
        (CLOSES, "closes.parquet", {}),
        (NAMED, "closes.feather", {}),
        (NAMED, "closes.xlsx", {}),
        (EUROPEAN, "closes.csv", {"date_format": "%d/%m/%Y"}),
        (EUROPEAN, "closes.parquet", {"field": "close", "date_format": "%d/%m/%Y"}),
        (NAMED.rename_axis("When"), "closes.csv", {"columns": {"timestamp": "When"}}),
    ],
)
def test_a_file_of_columns_of_assets_is_the_long_table(
    frame: pd.DataFrame, name: str, options: dict[str, Any], tmp_path: Path
) -> None:
    catalog = Catalog().register("prices", write(frame, tmp_path / name), **options)
    assert bars(catalog) == BARS
    assert "wide frame: its 3 columns are assets, of close" in changes(catalog)
    assert "empty cells between values of an asset: no bars (1 rows)" in changes(catalog)


def test_a_query_and_a_source_of_features_may_have_columns_of_assets(tmp_path: Path) -> None:
    path = write(NAMED, tmp_path / "closes.csv")
    catalog = Catalog().register("prices", f"select * from read_csv('{path}')")
    catalog.register("features", path, field="score")
    assert bars(catalog) == BARS
    rows = catalog.sql("select count(*), count(score) from features").fetchall()
    assert rows == [(23, 22)]  # what is missing in between is so from then on


def test_a_file_may_be_snapshots_or_a_matrix_of_members(tmp_path: Path) -> None:
    snapshots = LONG[["timestamp", "asset_id"]].rename(columns={"timestamp": "date"})
    snapshots.to_csv(tmp_path / "snapshots.csv", index=False)
    CLOSES.notna().rename_axis("date").to_csv(tmp_path / "matrix.csv")
    found = []
    for source in (snapshots, tmp_path / "snapshots.csv", tmp_path / "matrix.csv"):
        catalog = Catalog().register("prices", CLOSES).register("universe", source)
        catalog.prepare()
        query = "select asset_id, start_date::date, end_date::date from universe order by all"
        found.append(catalog.sql(query).fetchall())
    assert len(found[0]) == 4
    assert found[1] == found[2] == found[0]


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (NAMED.rename(columns=LOW), {}, "no column 'asset_id'; known: AAPL, Date, LOW, MSFT; if it "
         "is of one asset, say of which: asset_id='filename', or 'folder'; if its columns are "
         "assets, say what of them: field='close'"),
        (NAMED[["AAPL"]], {}, "say what of them: field='close'"),
        (EUROPEAN, {}, r"a column 'Date' whose values, such as '25/01/2024', are no times; say how "
         r"they are written: date_format='%d/%m/%Y'"),
        (EUROPEAN, {"date_format": "%m/%d/%Y"}, "'25/01/2024', which is not written"),
        (LONG.set_index("timestamp"), {"field": "close"}, "of which one is its assets"),
        (NAMED.rename_axis("When"), {"field": "close"}, "of which none is its times"),
    ],
)  # fmt: skip
def test_a_wide_file_that_may_be_two_things_is_refused_with_the_line_to_write(
    frame: pd.DataFrame, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = write(frame, tmp_path / "closes.csv")
    with pytest.raises((DataError, ConfigError), match=message):
        Catalog().register("prices", path, **options)


def test_a_wide_frame_whose_dates_are_text_goes_by_its_format() -> None:
    catalog = Catalog().register("prices", EUROPEAN, field="close", date_format="%d/%m/%Y")
    assert bars(catalog) == BARS
    assert changes(catalog)[-1] == "times: read as %d/%m/%Y (8 rows)"
    numbers = CLOSES.set_axis(DAYS.strftime("%Y%m%d").astype(int))
    assert bars(Catalog().register("prices", numbers, field="close", date_format="%Y%m%d")) == BARS


PANEL = pd.concat({"open": CLOSES, "close": CLOSES}, axis=1)
WIDE_PL = pl.from_pandas(NAMED.reset_index())


@pytest.mark.parametrize(
    "make",
    [
        lambda _: HistoricalDataFeed(CLOSES),
        lambda _: HistoricalDataFeed(NAMED.rename(columns=LOW), field="close"),
        lambda _: HistoricalDataFeed(PANEL),
        lambda _: HistoricalDataFeed(NAMED.stack()),
        lambda _: HistoricalDataFeed({a: CLOSES[[a]].rename(columns={a: "close"}) for a in CLOSES}),
        lambda _: HistoricalDataFeed(CLOSES.to_numpy(), timestamps=DAYS, asset_ids=list(CLOSES)),
        lambda _: HistoricalDataFeed(EUROPEAN, field="close", date_format="%d/%m/%Y"),
        lambda _: HistoricalDataFeed(LONG.assign(timestamp=LONG.timestamp.dt.strftime("%Y%m%d")),
                                     date_format="%Y%m%d"),
        lambda _: HistoricalDataFeed(
            NAMED.rename_axis("When").reset_index(), columns={"timestamp": "When"}, field="close"),
        lambda _: PolarsDataFeed(WIDE_PL, field="close"),
        lambda _: PolarsDataFeed(WIDE_PL.lazy()),
        lambda folder: PolarsDataFeed(write(NAMED, folder / "closes.parquet")),
        lambda folder: ParquetDataFeed(write(CLOSES, folder / "closes.parquet"), field="close"),
        lambda folder: ParquetDataFeed(write(EUROPEAN, folder / "closes.csv"),
                                       date_format="%d/%m/%Y"),
    ],
)  # fmt: skip
def test_a_feed_takes_every_shape_that_register_takes(make: Any, tmp_path: Path) -> None:
    catalog = as_catalog(make(tmp_path))
    found = [
        (day, "IBM" if asset == "LOW" else asset, close) for day, asset, close in bars(catalog)
    ]
    assert sorted(found) == BARS


def test_arrays_of_xarray_go_in_as_they_are() -> None:
    xarray = pytest.importorskip("xarray")
    axes = {"time": DAYS, "asset": list(CLOSES)}
    array = xarray.DataArray(CLOSES.to_numpy(), coords=axes, dims=tuple(axes))
    assert bars(Catalog().register("prices", array)) == BARS
    assert bars(Catalog().register("prices", array.T, field="close")) == BARS
    dataset = xarray.Dataset({"close": array.fillna(1.0), "open": array.fillna(1.0)})
    assert len(bars(Catalog().register("prices", dataset))) == CLOSES.size
    assert len(bars(as_catalog(HistoricalDataFeed(dataset)))) == CLOSES.size


def test_the_changes_of_feeds_are_said() -> None:
    own = EUROPEAN[["AAPL"]].rename(columns={"AAPL": "Close"})
    feeds: dict[str | int, DataFeed] = {
        "AAPL": HistoricalDataFeed(own, date_format="%d/%m/%Y"),
        "IBM": PolarsDataFeed(WIDE_PL, field="close"),
    }
    catalog = as_catalog(feeds)
    assert bars(catalog) == [row for row in BARS if row[1] != "MSFT"]
    assert changes(catalog)[0] == "timestamp: read as %d/%m/%Y (8 rows)"
    assert "wide frame: its 3 columns are assets, of close" in changes(catalog)


def test_a_format_for_times_that_are_no_text_is_refused_of_feeds_too() -> None:
    catalog = as_catalog(HistoricalDataFeed(LONG, date_format="%Y"))
    with pytest.raises(DataError, match="no text already; leave date_format='%Y' out"):
        catalog.prepare()
