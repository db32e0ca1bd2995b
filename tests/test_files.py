"""Files: all files of a source are read by one rule, however they were named.

The reference reads each file with pyarrow and puts the values under each other by hand.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from effort import each_value, examples
from ml4t.backtest import BacktestEngine, Catalog, DataError, TopN
from ml4t.backtest.data import DataFeed, ParquetDataFeed
from ml4t.backtest.data.feature_provider import PrecomputedFeatureProvider
from ml4t.backtest.data.feeds.feed import as_catalog
from ml4t.backtest.runfile import catalog_of as catalog_of_run_file

DAYS = [datetime(2024, 1, day) for day in range(1, 9)]
PRICES = pa.table(
    {
        "timestamp": pa.array(DAYS * 2, pa.timestamp("us")),
        "asset_id": ["A"] * 8 + ["B"] * 8,
        "open": [10.0] * 16,
        "close": [10.0] * 16,
    }
)

# Every way in which several files can be named.
WAYS: dict[str, Callable[[Path], Any]] = {
    "glob": lambda folder: str(folder / "*.parquet"),
    "folder": lambda folder: folder,
    "recursive glob": lambda folder: f"{folder}/**/*.parquet",
    "list": lambda folder: sorted(folder.glob("*.parquet")),
    "list, backwards": lambda folder: sorted(folder.glob("*.parquet"))[::-1],
    "list of globs": lambda folder: [f"{folder}/0*", f"{folder}/1*"],
}


def every_way(test: Callable[..., None]) -> Callable[..., None]:
    return each_value(pytest.mark.parametrize("way", WAYS)(test))


def write(folder: Path, *files: dict[str, Any]) -> Path:
    """Write one Parquet file for each dict of columns."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, columns in enumerate(files):
        pq.write_table(pa.table(columns), folder / f"{i}.parquet")
    return folder


def feature(when: Any, asset: object, **columns: Any) -> dict[str, Any]:
    """Columns of a file with one row of features."""
    return {"timestamp": [when], "asset_id": [asset], **{k: [v] for k, v in columns.items()}}


def feed_of(columns: dict[str, Any]) -> DataFeed:
    return DataFeed(pa.table(columns))


def catalog_with(source: object, **options: Any) -> Catalog:
    return Catalog().register("prices", PRICES).register("features", source, **options)


def first_bought(catalog: Catalog, asset: str, by: str = "score") -> object:
    """The first day on which an asset is bought."""
    run = BacktestEngine(catalog, TopN(1, by=by), initial_capital=1000).run()
    query = f"select min(timestamp) from fills where asset_id = '{asset}'"
    return run.sql(query).fetchall()[0][0]


def refused(source: object, **options: Any) -> DataError:
    with pytest.raises(DataError) as error:
        catalog_with(source, **options).validate()
    return error.value


# -- the first file decides nothing ----------------------------------------------------------


@every_way
def test_a_time_of_day_beside_dates_is_not_seen_before_its_hour(way: str, tmp_path: Path) -> None:
    folder = write(
        tmp_path / "f",
        feature(date(2024, 1, 1), "A", score=0.1),
        feature(datetime(2024, 1, 3, 16), "B", score=0.9),
    )
    catalog = catalog_with(WAYS[way](folder))

    # 16:00 of day 3 is known at the bar of day 4, which is bought at the open of day 5.
    assert first_bought(catalog, "B") == DAYS[4]


@every_way
def test_a_clock_that_is_a_date_in_one_file_keeps_its_hour_in_another(
    way: str, tmp_path: Path
) -> None:
    folder = write(
        tmp_path / "f",
        feature(date(2024, 1, 1), "A", score=0.1, available_at=date(2024, 1, 1)),
        feature(date(2024, 1, 1), "B", score=0.9, available_at=datetime(2024, 1, 3, 16)),
    )
    catalog = catalog_with(WAYS[way](folder))

    known = "select min(timestamp) from signals where asset_id = 'B' and score is not null"
    assert catalog.sql(known).fetchall() == [(DAYS[3],)]


NUMBERS: dict[str, tuple[pa.Array, pa.Array, list[object]]] = {
    "whole, then not": (pa.array([10]), pa.array([10.25]), [10.0, 10.25]),
    "not, then whole": (pa.array([10.25]), pa.array([10]), [10.25, 10.0]),
    "float, then double": (
        pa.array([1.5], pa.float32()), pa.array([612000.55]), [1.5, 612000.55],
    ),
    "a float beside a whole number that it cannot hold": (
        pa.array([1.5], pa.float32()), pa.array([16_777_217], pa.int32()), [1.5, 16_777_217.0],
    ),
    "with and without a sign": (
        pa.array([4_000_000_000], pa.uint32()), pa.array([-1], pa.int32()), [4_000_000_000, -1],
    ),
    "64 bits with and without a sign": (
        pa.array([2**63 - 1], pa.uint64()), pa.array([-(2**63)]), [2**63 - 1, -(2**63)],
    ),
    "decimals of two scales": (
        pa.array([Decimal("1.25")], pa.decimal128(10, 2)),
        pa.array([Decimal("123456789.1")], pa.decimal128(10, 1)),
        [Decimal("1.25"), Decimal("123456789.10")],
    ),
    "a decimal and a whole number": (
        pa.array([Decimal("1.25")], pa.decimal128(5, 2)), pa.array([7]),
        [Decimal("1.25"), Decimal("7.00")],
    ),
    "a decimal and a double": (
        pa.array([Decimal("1.25")], pa.decimal128(5, 2)), pa.array([0.1]), [1.25, 0.1],
    ),
    "no value, then numbers": (pa.nulls(1), pa.array([0.5]), [None, 0.5]),
    "no value, then flags": (pa.nulls(1), pa.array([True]), [None, True]),
    "no value, then text": (pa.nulls(1), pa.array(["x"]), [None, "x"]),
    "a dictionary and text": (pa.array(["x"]).dictionary_encode(), pa.array(["y"]), ["x", "y"]),
    "lists of numbers": (pa.array([[1, 2]]), pa.array([[0.5]]), [[1.0, 2.0], [0.5]]),
    "2 to the power of 53 as a double": (pa.array([2**53]), pa.array([0.5]), [2.0**53, 0.5]),
    "dates and times": (
        pa.array([date(2024, 1, 1)]), pa.array([datetime(2024, 1, 1, 16)]),
        [DAYS[0], datetime(2024, 1, 1, 16)],
    ),
    "microseconds and nanoseconds": (
        pa.array([datetime(2024, 1, 1, 16)]),
        pa.array([1_704_153_600_000_000_000], pa.timestamp("ns")),
        [datetime(2024, 1, 1, 16), DAYS[1]],
    ),
}  # fmt: skip


@every_way
@pytest.mark.parametrize("case", NUMBERS)
def test_a_column_gets_the_type_that_loses_nothing(case: str, way: str, tmp_path: Path) -> None:
    one, other, expected = NUMBERS[case]
    folder = write(
        tmp_path / "f",
        {"timestamp": DAYS[:1], "asset_id": ["A"], "x": one},
        {"timestamp": DAYS[1:2], "asset_id": ["A"], "x": other},
    )
    catalog = catalog_with(WAYS[way](folder))

    found = catalog.sql("select x from features order by timestamp").fetchall()
    assert [value for (value,) in found] == expected
    assert [type(value) for (value,) in found] == [type(value) for value in expected]


def test_nanoseconds_of_a_later_file_are_kept(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "f",
        {"timestamp": pa.array([0], pa.timestamp("us")), "asset_id": ["A"], "x": [1.0]},
        {"timestamp": pa.array([1001], pa.timestamp("ns")), "asset_id": ["A"], "x": [2.0]},
    )

    found = catalog_with(folder).sql("select epoch_ns(timestamp), x from features order by x")
    assert found.fetchall() == [(0, 1.0), (1001, 2.0)]


@pytest.mark.parametrize("feed", [False, True])
@every_way
def test_whole_prices_in_the_first_year_do_not_round_those_of_the_second(
    way: str, feed: bool, tmp_path: Path
) -> None:
    folder = write(
        tmp_path / "f",
        {"timestamp": DAYS[:2], "asset_id": ["A"] * 2, "open": [10, 10], "close": [10, 10]},
        {"timestamp": DAYS[2:5], "asset_id": ["A"] * 3, "open": [10.25, 10.75, 11.25],
         "close": [10.25, 10.75, 11.25]},
    )  # fmt: skip
    source = WAYS[way](folder)
    catalog = as_catalog(ParquetDataFeed(source)) if feed else Catalog().register("prices", source)

    closes = catalog.sql("select close from prices order by timestamp").fetchall()
    assert closes == [(10.0,), (10.0,), (10.25,), (10.75,), (11.25,)]


@every_way
def test_files_of_one_feed_each_go_by_the_same_rule(way: str, tmp_path: Path) -> None:
    # No column asset_id: the rows are gathered, not streamed.
    folder = write(
        tmp_path / "f",
        {"timestamp": DAYS[:1], "open": [10], "close": [10]},
        {"timestamp": DAYS[1:2], "open": [10.5], "close": [10.25], "volume": [7]},
    )
    catalog = as_catalog(ParquetDataFeed(WAYS[way](folder), asset_id="A"))

    rows = catalog.sql("select asset_id, close, volume from prices order by timestamp")
    assert rows.fetchall() == [("A", 10.0, None), ("A", 10.25, 7)]


# -- columns that some files lack ------------------------------------------------------------


@pytest.mark.parametrize("later", [True, False])
@every_way
def test_a_column_that_a_file_lacks_is_missing_there(way: str, later: bool, tmp_path: Path) -> None:
    files = [feature(DAYS[0], "A", x=1.0), feature(DAYS[1], "A", x=2.0, veto="yes")]
    folder = write(tmp_path / "f", *(files if later else files[::-1]))
    catalog = catalog_with(WAYS[way](folder))

    found = catalog.sql("select x, veto from features order by x").fetchall()
    assert found == [(1.0, None), (2.0, "yes")]
    assert first_bought(catalog, "A", "case when veto = 'yes' then x end") == DAYS[2]


def test_names_go_together_whatever_their_case_and_place(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "f",
        {"Score": [1], "timestamp": DAYS[:1], "asset_id": ["A"]},
        {"ASSET_ID": ["A"], "extra": [5.0], "score": [2.5], "TIMESTAMP": DAYS[1:2]},
    )
    found = catalog_with(folder).sql("select timestamp, asset_id, score, extra from features")

    assert sorted(found.fetchall()) == [
        (DAYS[0], "A", 1.0, None), (DAYS[1], "A", 2.5, 5.0),
    ]  # fmt: skip


@pytest.mark.parametrize("lacking", ["timestamp", "asset_id", "available_at"])
@every_way
def test_a_file_without_a_key_is_refused(way: str, lacking: str, tmp_path: Path) -> None:
    # Its rows would be market-wide, or of no time: that is not missing, it means something else.
    whole = feature(DAYS[0], "A", x=1.0, available_at=DAYS[0])
    folder = write(tmp_path / "f", whole, {k: v for k, v in whole.items() if k != lacking})

    error = refused(WAYS[way](folder))
    assert error.rule == "columns"
    assert f"has no column '{lacking}' in {folder}/1.parquet, and has it in" in str(error)


def test_a_file_of_prices_without_a_close_is_refused(tmp_path: Path) -> None:
    bars = {"timestamp": DAYS[:1], "asset_id": ["A"], "open": [1.0]}
    folder = write(tmp_path / "f", bars | {"close": [1.0]}, bars)

    with pytest.raises(DataError, match=r"no column 'close' in .*1\.parquet"):
        Catalog().register("prices", folder)


# -- refusals ----------------------------------------------------------------------------------

CLASHES: dict[str, tuple[pa.Array, pa.Array, str, str]] = {
    "number and text": (pa.array([1]), pa.array(["1"]), "BIGINT", "VARCHAR"),
    "flag and number": (pa.array([True]), pa.array([0.4]), "BOOLEAN", "DOUBLE"),
    "flag and text": (pa.array([True]), pa.array(["true"]), "BOOLEAN", "VARCHAR"),
    "time and number": (pa.array(DAYS[:1]), pa.array([1]), "TIMESTAMP", "BIGINT"),
    "date and text": (pa.array([date(2024, 1, 1)]), pa.array(["2024-01-01"]), "DATE", "VARCHAR"),
    "list and number": (pa.array([[1.0]]), pa.array([1.0]), "DOUBLE[]", "DOUBLE"),
    "lists of two kinds": (pa.array([[1.0]]), pa.array([["1"]]), "DOUBLE[]", "VARCHAR[]"),
    "bytes and text": (pa.array([b"1"]), pa.array(["1"]), "BLOB", "VARCHAR"),
    "two structs": (pa.array([{"a": 1}]), pa.array([{"b": 1}]), "STRUCT(a BIGINT)",
                    "STRUCT(b BIGINT)"),
}  # fmt: skip


@every_way
@pytest.mark.parametrize("case", CLASHES)
def test_types_with_nothing_in_common_are_refused_with_file_column_and_both(
    case: str, way: str, tmp_path: Path
) -> None:
    one, other, kind, other_kind = CLASHES[case]
    folder = write(
        tmp_path / "f",
        {"timestamp": DAYS[:1], "asset_id": ["A"], "x": one},
        {"timestamp": DAYS[1:2], "asset_id": ["A"], "x": other},
    )

    error = refused(WAYS[way](folder))
    assert error.rule == "types"
    assert f"column 'x' of type {kind} in {folder}/0.parquet and {other_kind} in " in str(error)
    assert f"{folder}/1.parquet; store it in one type" in str(error)


def test_types_apart_are_found_behind_a_column_without_values(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "f",
        feature(DAYS[0], "A") | {"x": pa.nulls(1)},
        feature(DAYS[1], "A", x=1),
        feature(DAYS[2], "A", x=True),
    )

    assert f"BIGINT in {folder}/1.parquet and BOOLEAN in {folder}/2.parquet" in str(refused(folder))
    catalog = as_catalog([
        feed_of({"timestamp": DAYS[:1], "asset_id": [asset], "close": [1.0], "x": values})
        for asset, values in (("A", pa.nulls(1)), ("B", [1]), ("C", [True]))
    ])  # fmt: skip
    with pytest.raises(DataError, match="BIGINT in 'prices of feed 2' and BOOLEAN in 'prices of"):
        catalog.prepare()


def test_asset_ids_that_are_numbers_in_one_file_and_text_in_another_are_refused(
    tmp_path: Path,
) -> None:
    folder = write(tmp_path / "f", feature(DAYS[0], 1, x=1.0), feature(DAYS[1], "1", x=2.0))

    assert "column 'asset_id' of type BIGINT in" in str(refused(folder))


TOO_LARGE: dict[str, tuple[pa.Array, pa.Array, object]] = {
    "a whole number beyond 2 to the power of 53 beside a double": (
        pa.array([2**53 + 1]), pa.array([0.5]), 2**53 + 1,
    ),
    "a whole number that only 64 bits without a sign hold": (
        pa.array([2**64 - 1], pa.uint64()), pa.array([-1]), 2**64 - 1,
    ),
    "a decimal of more digits than a double has": (
        pa.array([Decimal("12345678901234567.89")], pa.decimal128(38, 2)), pa.array([0.5]),
        Decimal("12345678901234567.89"),
    ),
    "a year that nanoseconds do not reach": (
        pa.array([datetime(9999, 12, 31)]), pa.array([1], pa.timestamp("ns")),
        datetime(9999, 12, 31),
    ),
    "in a list": (pa.array([[2**53 + 1]]), pa.array([[0.5]]), [2**53 + 1]),
}  # fmt: skip


@every_way
@pytest.mark.parametrize("case", TOO_LARGE)
def test_a_value_that_does_not_fit_into_the_common_type_is_refused(
    case: str, way: str, tmp_path: Path
) -> None:
    one, other, value = TOO_LARGE[case]
    folder = write(
        tmp_path / "f",
        {"timestamp": DAYS[:1], "asset_id": ["A"], "x": one},
        {"timestamp": DAYS[1:2], "asset_id": ["A"], "x": other},
    )

    error = refused(WAYS[way](folder))
    assert (error.rule, error.n_rows, error.sample) == ("types", 1, ({"value": value},))
    assert f"in {folder}/0.parquet next to others" in str(error)


@pytest.mark.parametrize("day", [DAYS[0], date(2024, 1, 1)])
@every_way
def test_a_zone_in_a_later_file_is_refused(way: str, day: date, tmp_path: Path) -> None:
    folder = write(
        tmp_path / "f",
        feature(day, "A", x=1.0),
        feature(datetime(2024, 1, 3, 20, tzinfo=UTC), "A", x=2.0),
    )

    error = refused(WAYS[way](folder))
    assert error.rule == "mixed_time_zones"
    assert "has column 'timestamp' of type" in str(error)
    assert "store both with a time zone, or both without" in str(error)


@every_way
def test_a_zone_in_a_later_clock_is_refused(way: str, tmp_path: Path) -> None:
    zoned = datetime(2024, 1, 3, 20, tzinfo=UTC)
    folder = write(
        tmp_path / "f",
        feature(DAYS[0], "A", x=1.0, known=DAYS[0]),
        feature(DAYS[1], "A", x=2.0, known=zoned),
    )

    error = refused(WAYS[way](folder), available_at="known")
    assert (error.rule, "column 'known'" in str(error)) == ("mixed_time_zones", True)


INTRADAY = {
    "timestamp": [day + timedelta(hours=h) for day in DAYS[:3] for h in (10, 16)],
    "asset_id": ["A"] * 6,
    "close": [1.0] * 6,
}


@pytest.mark.parametrize("clock", ["timestamp", "available_at"])
@every_way
def test_dates_of_some_files_next_to_intraday_bars_are_refused_without_a_lag(
    way: str, clock: str, tmp_path: Path
) -> None:
    rows = [feature(DAYS[0], "A", x=1.0), feature(DAYS[1] + timedelta(hours=3), "A", x=2.0)]
    if clock == "available_at":
        rows = [row | {"available_at": row["timestamp"]} for row in rows]
    rows[0][clock] = [date(2024, 1, 1)]
    folder = write(tmp_path / "f", *rows)
    catalog = Catalog().register("prices", INTRADAY).register("features", WAYS[way](folder))

    with pytest.raises(DataError) as error:
        catalog.validate()
    assert error.value.rule == "date_on_intraday_bars"


def test_dates_of_some_files_next_to_intraday_bars_take_a_lag(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "f",
        feature(date(2024, 1, 1), "A", x=1.0),
        feature(datetime(2024, 1, 2, 3), "A", x=2.0),
    )
    catalog = Catalog().register("prices", INTRADAY)
    catalog.register("features", folder, lag="12 hours")

    seen = catalog.sql("select x from signals order by timestamp").fetchall()
    assert seen == [(None,), (1.0,), (1.0,), (2.0,), (2.0,), (2.0,)]


@every_way
def test_bars_that_are_dates_in_one_file_and_times_of_day_in_another_are_refused(
    way: str, tmp_path: Path
) -> None:
    # The close of a day would be known at its midnight, before the day's other bars.
    folder = write(
        tmp_path / "f",
        {"timestamp": [date(2024, 1, 2)], "asset_id": ["A"], "close": [1.0]},
        {"timestamp": [datetime(2024, 1, 2, 16)], "asset_id": ["B"], "close": [1.0]},
    )
    with pytest.raises(DataError) as error:
        Catalog().register("prices", WAYS[way](folder)).validate()
    assert error.value.rule == "date_on_intraday_bars"


def test_feeds_of_dates_and_times_of_day_are_refused_as_files_are() -> None:
    catalog = as_catalog(
        {
            "A": feed_of({"timestamp": [date(2024, 1, 2)], "close": [1.0]}),
            "B": feed_of({"timestamp": [datetime(2024, 1, 2, 16)], "close": [1.0]}),
        }
    )
    with pytest.raises(DataError, match="'prices of A' has dates next to feeds with times of day"):
        catalog.prepare()


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        ([True], [0.4], "of type BOOLEAN in 'prices of A' and DOUBLE in 'prices of B'"),
        ([2**53 + 1], [0.5], "'prices of A' has column 'x' of type BIGINT next to others"),
    ],
)
def test_feeds_go_together_as_files_do(one: list[Any], other: list[Any], says: str) -> None:
    bars = {"timestamp": DAYS[:1], "close": [1.0]}
    catalog = as_catalog({"A": feed_of(bars | {"x": one}), "B": feed_of(bars | {"x": other})})
    with pytest.raises(DataError, match=says):
        catalog.prepare()


def test_whole_numbers_of_one_feed_do_not_become_floats_of_another() -> None:
    bars = {"timestamp": DAYS[:1], "close": [1.0]}
    one = pa.array([1.5], pa.float32())
    other = pa.array([16_777_217], pa.int32())
    catalog = as_catalog({"A": feed_of(bars | {"x": one}), "B": feed_of(bars | {"x": other})})
    found = catalog.sql("select x from prices order by asset_id").fetchall()
    assert found == [(1.5,), (16_777_217.0,)]


@every_way
def test_a_provider_reads_files_by_the_same_rule(way: str, tmp_path: Path) -> None:
    folder = write(
        tmp_path / "f",
        feature(date(2024, 1, 1), "A", score=1),
        feature(datetime(2024, 1, 3, 16), "A", score=2.5),
    )
    provider = PrecomputedFeatureProvider(WAYS[way](folder))

    seen = [provider.get_features("A", day)["score"] for day in DAYS[:4]]
    assert seen == [1.0, 1.0, 1.0, 2.5]


DATASETS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a time of day behind a date": (
        feature(date(2024, 1, 1), "A", x=1.0), feature(datetime(2024, 1, 3, 16), "A", x=2.0),
        "column 'timestamp' of type TIMESTAMP in {folder}/1.parquet, read as DATE",
    ),
    "a zone": (
        feature(DAYS[0], "A", x=1.0), feature(datetime(2024, 1, 3, tzinfo=UTC), "A", x=2.0),
        "column 'timestamp' of type TIMESTAMP WITH TIME ZONE in {folder}/1.parquet, read as",
    ),
    "a number behind a flag": (
        feature(DAYS[0], "A", x=True), feature(DAYS[1], "A", x=0.4),
        "column 'x' of type DOUBLE in {folder}/1.parquet, read as BOOLEAN",
    ),
    "a number behind whole numbers": (
        feature(DAYS[0], "A", x=10), feature(DAYS[1], "A", x=10.25),
        "column 'x' of type DOUBLE in {folder}/1.parquet, read as BIGINT",
    ),
    "a column of later files": (
        feature(DAYS[0], "A", x=1.0), feature(DAYS[1], "A", x=2.0, veto="yes"),
        "column 'veto' in {folder}/1.parquet, and the first file has not",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DATASETS)
def test_an_arrow_dataset_that_loses_something_of_a_file_is_refused(
    case: str, tmp_path: Path
) -> None:
    *files, says = DATASETS[case]
    folder = write(tmp_path / "f", *files)  # type: ignore[arg-type]

    error = refused(ds.dataset(folder))
    assert says.format(folder=folder) in str(error)
    assert "register the paths themselves" in str(error)
    with pytest.raises(DataError, match="is a dataset with column"):
        as_catalog(DataFeed(ds.dataset(folder)))


def test_an_arrow_dataset_that_holds_all_of_its_files_is_read(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "f", feature(DAYS[0], "A", x=1), feature(DAYS[1], "A", x=2.5, veto="yes")
    )
    whole = pa.schema({"timestamp": pa.timestamp("us"), "asset_id": pa.string(), "x": pa.float64()})

    # A schema of one's own may leave a column out.
    for schema in (whole, whole.append(pa.field("veto", pa.string()))):
        catalog = catalog_with(ds.dataset(folder, schema=schema))
        assert catalog.sql("select x from features order by x").fetchall() == [(1.0,), (2.5,)]


WRITERS: dict[str, Callable[[Any, Path], object]] = {
    "pyarrow": pq.write_table,
    "polars": lambda table, path: pl.from_arrow(table).write_parquet(path),
    "duckdb": lambda table, path: duckdb.from_arrow(table).write_parquet(str(path)),
}


@each_value
@pytest.mark.parametrize("n_files", [1, 2])
@pytest.mark.parametrize("kind", [pa.float32(), pa.float64()])
@pytest.mark.parametrize("library", WRITERS)
def test_a_nan_in_a_file_is_missing(
    library: str, kind: pa.DataType, n_files: int, tmp_path: Path
) -> None:
    # Beside other numbers: in the statistics of the file there is no NaN.
    table = pa.table({
        "timestamp": DAYS[:2] * 2, "asset_id": ["A", "A", "B", "B"],
        "score": pa.array([1.0, math.nan, 0.5, 0.5], kind),
    })  # fmt: skip
    for i in range(n_files):
        part = table.slice(2 * i, 2) if n_files == 2 else table
        WRITERS[library](part, tmp_path / f"{i}.parquet")
    catalog = catalog_with(tmp_path)

    query = "select score from signals where asset_id = 'A' order by timestamp limit 2"
    assert catalog.sql(query).fetchall() == [(1.0,), (None,)]
    run = BacktestEngine(catalog, TopN(1, by="score", where="score > 0.7")).run()
    assert run.sql("select timestamp, asset_id from selections").fetchall() == [(DAYS[0], "A")]


BARS = {
    "timestamp": DAYS[:3], "asset_id": ["A"] * 3, "open": [2.0, 2.5, 3.0], "high": [4.0, 4.5, 5.0],
    "low": [1.0, 1.5, 2.0], "close": [2.0, 2.5, 3.0], "volume": [5.0, 6.0, 7.0],
}  # fmt: skip
SHARES = [0.25, 0.5, 0.75]
NUMBERED: dict[tuple[str, str, str], dict[str, list[Any]]] = {
    **{("prices", name, f"{name}_not_finite"): BARS for name in ("open", "high", "low", "close")},
    ("prices", "volume", "volume_not_valid"): BARS,
    **{
        ("assets", name, f"{name}_not_valid"): {"asset_id": ["A", "B", "C"], name: SHARES}
        for name in ("lot_size", "tick_size", "multiplier", "initial_margin", "maintenance_margin",
                     "short_initial_margin", "short_maintenance_margin")
    },
    **{
        ("actions", "value", f"{kind}_not_valid"): {
            "asset_id": ["A"] * 3, "ex_date": DAYS[:3], "kind": [kind] * 3, "value": SHARES,
        }
        for kind in ("split", "dividend", "delisting")
    },
    ("borrow", "fee", "fee_not_valid"): {"timestamp": DAYS[:3], "asset_id": ["A"] * 3,
                                         "fee": SHARES},
}  # fmt: skip


@each_value
@pytest.mark.parametrize("is_constant", [False, True])
@pytest.mark.parametrize("case", NUMBERED)
@pytest.mark.parametrize("library", WRITERS)
def test_a_nan_in_a_file_is_refused_as_in_a_frame(
    library: str, case: tuple[str, str, str], is_constant: bool, tmp_path: Path
) -> None:
    """Also where all other values are one: a file's statistics then say that each is that one."""
    role, column, rule = case
    values = NUMBERED[case]
    if is_constant:
        values = {
            name: each[:1] * 3 if isinstance(each[0], float) else each
            for name, each in values.items()
        }
    table = pa.table(values | {column: [*values[column][:2], math.nan]})
    WRITERS[library](table, tmp_path / "0.parquet")
    catalog = Catalog()
    if role != "prices":
        catalog.register("prices", PRICES)
    catalog.register(role, tmp_path / "0.parquet")  # type: ignore[arg-type]

    with pytest.raises(DataError) as error:
        catalog.validate()
    assert (error.value.rule, error.value.n_rows) == (rule, 1)


# -- which files -------------------------------------------------------------------------------


def test_a_path_of_a_list_that_matches_nothing_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", feature(DAYS[0], "A", x=1.0))

    error = refused([folder / "0.parquet", folder / "2024*.parquet"])
    assert f"matches no file: {folder}/2024*.parquet" in str(error)


def test_a_file_that_two_paths_name_is_read_once(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", feature(DAYS[0], "A", x=1.0), feature(DAYS[1], "A", x=2))

    catalog = catalog_with([folder / "0.parquet", folder, f"{folder}/*.parquet"])
    assert catalog.sql("select x from features order by x").fetchall() == [(1.0,), (2.0,)]


def test_hidden_files_are_neither_read_nor_fingerprinted(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", feature(DAYS[0], "A", x=1.0), feature(DAYS[1], "A", x=2.0))
    write(folder / ".trash", feature(DAYS[2], "A", x=3.0))
    os.rename(folder / ".trash" / "0.parquet", folder / ".0.parquet")  # noqa: PTH104

    catalog = catalog_with(folder)
    assert catalog.sql("select x from features order by x").fetchall() == [(1.0,), (2.0,)]
    assert len(catalog.fingerprints()[1]["files"]) == 2  # type: ignore[arg-type]


@each_value
@pytest.mark.parametrize("name", ["a[1]", "b*", "c?", "[d]", "{e,f}"])
@pytest.mark.parametrize("n_files", [1, 2])
def test_brackets_and_stars_in_the_name_of_a_file_are_no_pattern(
    name: str, n_files: int, tmp_path: Path
) -> None:
    # Beside it stand files that the name would match if it were a pattern.
    for other in ("a1", "bb", "cc", "d", "e", name):
        x = 1.0 if other == name else 2.0
        pq.write_table(pa.table(feature(DAYS[0], "A", x=x)), tmp_path / f"{other}.parquet")
    write(tmp_path / name, feature(DAYS[1], "A", x=3))
    source: Any = [tmp_path / f"{name}.parquet", tmp_path / name][:n_files]

    catalog = catalog_with(source)
    found = catalog.sql("select x from features order by timestamp").fetchall()
    assert found == [(1.0,), (3.0,)][:n_files]


@each_value
@pytest.mark.parametrize("name", ["a[1]", "b*", "c?", "[d]", "{e,f}"])
@pytest.mark.parametrize("source", ["{}", "{}/0.parquet", "{}/*.parquet", "{}/**/[0-9].parquet"])
@pytest.mark.parametrize("way", ["absolute", "relative", "below the working folder", "run file"])
def test_brackets_and_stars_in_the_name_of_a_folder_are_no_pattern(
    name: str, source: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in ("a1", "bb", "cc", "d", "e", name):
        write(tmp_path / other, feature(DAYS[0], "A", close=1.0 if other == name else 2.0))
    absolute = source.format(tmp_path / name)
    inside = source.format(".")
    run_file = tmp_path / name / "run.toml"
    run_file.write_text(f'[sources.prices]\npath = "{inside}"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path / name if way == "below the working folder" else tmp_path)
    path = {"relative": source.format(name), "below the working folder": inside}.get(way, absolute)

    catalog = (
        catalog_of_run_file(run_file) if way == "run file" else Catalog().register("prices", path)
    )
    assert catalog.sql("select close from prices").fetchall() == [(1.0,)]
    assert [Path(one["path"]) for one in catalog.fingerprints()[0]["files"]] == [  # type: ignore
        tmp_path / name / "0.parquet"
    ]
    with pytest.raises(duckdb.PermissionException):
        catalog.sql(f"from read_parquet('{tmp_path}/e/0.parquet')").fetchall()


def test_a_pattern_below_a_folder_with_brackets_is_one(tmp_path: Path) -> None:
    for name, x in (("a1", 1.0), ("a2", 2.0), ("b1", 3.0)):
        write(tmp_path / "[f]" / name, feature(DAYS[0], name, x=x))

    catalog = catalog_with(tmp_path / "[f]" / "a[0-9]" / "*.parquet")
    found = catalog.sql("select x from features order by x").fetchall()
    assert found == [(1.0,), (2.0,)]


def test_a_linked_folder_is_read_where_it_leads_to(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", feature(DAYS[0], "A", x=1))
    write(tmp_path / "elsewhere" / "deep", feature(DAYS[1], "A", x=2.5))
    (folder / "link").symlink_to(tmp_path / "elsewhere")

    catalog = catalog_with(folder)
    assert catalog.sql("select x from features order by x").fetchall() == [(1.0,), (2.5,)]


def test_a_folder_called_like_a_file_is_no_file(tmp_path: Path) -> None:
    # Spark and Dask write folders of this name.
    write(tmp_path / "x.parquet", feature(DAYS[0], "A", x=1.0), feature(DAYS[1], "A", x=2.5))

    catalog = catalog_with(tmp_path)
    assert catalog.sql("select x from features order by x").fetchall() == [(1.0,), (2.5,)]


def test_a_file_that_comes_after_the_registration_is_held_to_the_rule(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", feature(date(2024, 1, 1), "A", score=0))
    catalog = catalog_with(folder)
    pq.write_table(
        pa.table(feature(datetime(2024, 1, 3, 16), "B", score=0.9, veto="no")),
        folder / "later.parquet",
    )

    assert catalog.sql("select score, veto from features order by 1").fetchall() == [
        (0.0, None), (0.9, "no"),
    ]  # fmt: skip
    assert first_bought(catalog, "B") == DAYS[4]
    pq.write_table(pa.table(feature(DAYS[4], "B", score="high")), folder / "text.parquet")
    with pytest.raises(DataError, match="column 'score' of type BIGINT in"):
        catalog.validate()


def test_a_file_that_comes_before_the_run_of_a_feed_is_held_to_the_rule(tmp_path: Path) -> None:
    bars = {"timestamp": DAYS[:1], "asset_id": ["A"], "open": [10], "close": [10]}
    catalog = as_catalog(ParquetDataFeed(write(tmp_path / "f", bars)))
    later = {"timestamp": DAYS[1:2], "asset_id": ["A"], "open": [10.5], "close": [10.25],
             "x": ["new"]}  # fmt: skip
    pq.write_table(pa.table(later), tmp_path / "f" / "later.parquet")

    assert catalog.sql("select close, x from prices order by 1").fetchall() == [
        (10.0, None), (10.25, "new"),
    ]  # fmt: skip


# -- folders of keys ---------------------------------------------------------------------------


def keyed(root: Path, files: dict[str, dict[str, Any]]) -> Path:
    for folder, columns in files.items():
        write(root / folder, columns)
    return root


def test_folders_of_keys_are_columns_whatever_differs_in_the_files(tmp_path: Path) -> None:
    row = {"timestamp": DAYS[:1], "x": [1]}
    root = keyed(
        tmp_path / "h",
        {"asset_id=1": row, "asset_id=002": row | {"x": [2.5]}, "asset_id=A": row | {"y": ["z"]}},
    )
    prices = {"timestamp": DAYS[:1], "asset_id": ["1"], "open": [1.0], "close": [1.0]}
    catalog = Catalog().register("prices", prices).register("features", root)

    # 002 and A make all of them text, in the scan of each schema too.
    found = catalog.sql("select asset_id, x, y from features order by x, asset_id").fetchall()
    assert found == [("1", 1.0, None), ("A", 1.0, "z"), ("002", 2.5, None)]


def test_a_key_that_some_files_lack_is_missing_there(tmp_path: Path) -> None:
    root = keyed(
        tmp_path / "h",
        {"year=2023": feature(DAYS[0], "A", x=1.0), "": feature(DAYS[1], "A", x=2.0)},
    )

    found = catalog_with(root).sql("select x, year from features order by x").fetchall()
    assert found == [(1.0, 2023), (2.0, None)]


def test_a_file_without_the_folder_that_names_its_asset_is_refused(tmp_path: Path) -> None:
    row = {"timestamp": DAYS[:1], "x": [1.0]}
    root = keyed(tmp_path / "h", {"asset_id=A": row, "": row})

    assert "has no column 'asset_id' in" in str(refused(root))


def below(folder: Path, *values: str) -> Path:
    """Write a file of one row below a folder ``k=value`` for each of some values."""
    rows = {f"k={value}": feature(DAYS[i], "A", x=float(i)) for i, value in enumerate(values)}
    return keyed(folder, rows)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (("9", "10", "11"), [9, 10, 11]),
        (("x", "y1", "11b"), ["x", "y1", "11b"]),
        (("9", "10", "__HIVE_DEFAULT_PARTITION__"), [9, 10, None]),
        (("009", "010"), ["009", "010"]),
        (("01", "02", "12"), ["01", "02", "12"]),  # months
        (("2024-01-02", "2024-02-01"), [date(2024, 1, 2), date(2024, 2, 1)]),
        (("a%20b", "c"), ["a b", "c"]),
    ],
)
def test_a_key_of_folders_has_one_type(
    values: tuple[str, ...], found: list[Any], tmp_path: Path
) -> None:
    catalog = catalog_with(below(tmp_path, *values))
    assert catalog.sql("select k from features order by timestamp").fetchall() == [
        (value,) for value in found
    ]


@pytest.mark.parametrize("later", ["x", "2.5", "011"])
@pytest.mark.parametrize("first", [("9", "10"), ("2024-01-02", "2024-02-01")])
def test_a_later_folder_does_not_make_a_text_of_numbers_or_dates(
    first: tuple[str, ...], later: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="folders with k a number or a date") as caught:
        catalog_with(below(tmp_path, *first, later))
    assert f"k={later}/0.parquet" in str(caught.value)
    # As they stand, what the first of them say is another thing with the later one.
    query = f"select * from read_parquet('{tmp_path}/**/*.parquet', hive_types = {{k: varchar}})"
    catalog = catalog_with(query)
    assert catalog.sql("select typeof(k) from features limit 1").fetchall() == [("VARCHAR",)]


# -- tables of other formats ---------------------------------------------------------------------

MARKS = {
    "a Delta table": ("_delta_log/00000000000000000000.json", r"deltalake\.DeltaTable"),
    "an Iceberg table": ("metadata/v1.metadata.json", r"polars\.scan_iceberg"),
    "a Hudi table": (".hoodie/hoodie.properties", "Hudi reader"),
}


@pytest.mark.parametrize("what", MARKS)
@every_way
def test_a_folder_that_is_a_table_is_refused_with_the_way(
    what: str, way: str, tmp_path: Path
) -> None:
    mark, reader = MARKS[what]
    # Whatever way leads to its files, and however deep below the log they lie.
    folder = write(tmp_path / "t" / "data" / "year=2024", feature(DAYS[0], "A", x=1.0),
                   feature(DAYS[1], "A", x=2.0))  # fmt: skip
    (tmp_path / "t" / mark).parent.mkdir()
    (tmp_path / "t" / mark).write_text("{}")

    error = refused(WAYS[way](folder))
    assert f"is {what}, {tmp_path}/t, whose files also hold rows that were deleted" in str(error)
    with pytest.raises(DataError, match=reader):
        as_catalog(ParquetDataFeed(folder / "0.parquet"))


def test_a_folder_of_metadata_is_no_table(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", feature(DAYS[0], "A", x=1.0))
    write(folder / "metadata", feature(DAYS[1], "A", x=2.0))

    assert catalog_with(folder).sql("select count(*) from features").fetchall() == [(2,)]


# -- columns whose values have types of their own ------------------------------------------------

SELF_TYPED = {
    "a variant": "case when asset_id = 'A' then 10::variant else 9.5::double::variant end",
    "a union": "case when asset_id = 'A' then 10::union(n integer, x double) else 9.5::double end",
    "a list of variants": "[10::variant]",
    "a struct of variants": "{'a': 10::variant}",
}


@pytest.mark.parametrize("kind", SELF_TYPED)
def test_a_column_of_values_with_types_of_their_own_is_refused(kind: str) -> None:
    source = (
        f"select date '2024-01-01' as timestamp, asset_id, {SELF_TYPED[kind]} as score "
        "from (values ('A'), ('B')) as assets(asset_id)"
    )
    error = refused(source)
    assert error.rule == "types"
    assert "cast it" in str(error)


@pytest.mark.parametrize("n_files", [1, 2])
def test_a_variant_in_files_is_refused_and_its_cast_is_read(n_files: int, tmp_path: Path) -> None:
    query = (
        "select timestamp '2024-01-01' as timestamp, asset_id, {} as open, 10.0 as close, "
        f"{SELF_TYPED['a variant']} as score from (values ('A'), ('B')) as assets(asset_id)"
    )
    for i in range(n_files):
        part = query.format(i) + (f" where asset_id = '{'AB'[i]}'" if n_files == 2 else "")
        duckdb.sql(f"copy ({part}) to '{tmp_path}/{i}.parquet'")

    assert "of type VARIANT" in str(refused(tmp_path))
    with pytest.raises(DataError, match="of type VARIANT"):
        as_catalog(ParquetDataFeed(tmp_path)).prepare()
    cast = f"select * replace (score::double as score) from '{tmp_path}/*.parquet'"
    found = Catalog().register("prices", cast).sql("from prices where score > 9.9")
    assert found.select("asset_id").fetchall() == [("A",)]
    bars = as_catalog(ParquetDataFeed(tmp_path, signal_columns=[]))
    assert bars.sql("select count(*) from prices").fetchall() == [(2,)]


# -- random files --------------------------------------------------------------------------------

SMALL = st.integers(-100, 100)
# The whole numbers around which a FLOAT and a DOUBLE begin to leave some out.
EDGES = [2**24, 2**24 + 1, 2**31 - 1]
EDGES_64 = [*EDGES, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1]
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "int8": SMALL, "int16": SMALL, "int32": st.sampled_from([-1, 7, *EDGES]),
    "int64": st.sampled_from([-1, 7, *EDGES_64]), "uint8": st.integers(0, 255),
    "uint32": st.sampled_from([0, 2**32 - 1, *EDGES]),
    "uint64": st.sampled_from([0, *EDGES, 2**63, 2**64 - 1]),
    "float": st.floats(width=32, allow_nan=True), "double": st.floats(allow_nan=True),
    "decimal128(9, 2)": st.decimals(-9999999, 9999999, places=2),
    "decimal128(20, 5)": st.decimals(-(10**14), 10**14, places=5),
    "bool_": st.booleans(), "string": st.text("abc", max_size=3),
    "dictionary": st.text("abc", max_size=3), "binary": st.binary(max_size=2),
    "date32": st.dates(date(1900, 1, 1), date(2200, 1, 1)),
    "timestamp[ms]": st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(
        lambda moment: moment.replace(microsecond=0)
    ),
    "timestamp[us]": st.datetimes(datetime(1000, 1, 1), datetime(9999, 1, 1)),
    "timestamp[ns]": st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
    "timestamp[us, UTC]": st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
    "null": st.none(), "list int64": st.lists(SMALL, max_size=2),
    "list double": st.lists(st.floats(-9, 9), max_size=2),
}  # fmt: skip
FAMILIES = {
    "number": ("int", "uint", "float", "double", "decimal"), "text": ("string", "dictionary"),
    "time": ("date", "timestamp[ms]", "timestamp[us]", "timestamp[ns]"),
    "moment": ("timestamp[us, UTC]",), "flag": ("bool",), "bytes": ("binary",),
    "list": ("list",), "nothing": ("null",),
}  # fmt: skip
WIDE = ("int64", "uint64", "float", "double", "decimal128(20")
ARROW = {
    "dictionary": pa.dictionary(pa.int32(), pa.string()), "date32": pa.date32(),
    "timestamp[ms]": pa.timestamp("ms"), "timestamp[us]": pa.timestamp("us"),
    "timestamp[ns]": pa.timestamp("ns"), "timestamp[us, UTC]": pa.timestamp("us", "UTC"),
    "decimal128(9, 2)": pa.decimal128(9, 2), "decimal128(20, 5)": pa.decimal128(20, 5),
    "list int64": pa.list_(pa.int64()), "list double": pa.list_(pa.float64()),
    "float": pa.float32(), "double": pa.float64(),
}  # fmt: skip


@st.composite
def file_columns(draw: st.DrawFn) -> list[tuple[str, list[Any]] | None]:
    """The type and the values of column x in each file; None where the file lacks it."""
    # Mostly of one family: what is refused at sight teaches little.
    family = draw(st.sampled_from([*FAMILIES, "wide", "wide", "time", "any"]))
    prefixes = FAMILIES.get(family, WIDE if family == "wide" else ("",))
    names = [name for name in COLUMNS if name == "null" or name.startswith(prefixes)]
    files: list[tuple[str, list[Any]] | None] = []
    for _ in range(draw(st.integers(2, 4))):
        kind = draw(st.sampled_from(names))
        values = draw(st.lists(st.none() | COLUMNS[kind], min_size=1, max_size=3))
        files.append(draw(st.sampled_from([(kind, values)] * 5 + [None])))
    return files


def family_of(kind: str) -> str:
    """The longest prefix wins: a time with a zone is none without."""
    found = [
        (prefix, family)
        for family, prefixes in FAMILIES.items()
        for prefix in prefixes
        if kind.startswith(prefix)
    ]
    return max(found)[1]


def by_hand(files: list[tuple[str, list[Any]] | None]) -> list[Any] | None:
    """The values of all files in order, as one column holds them; None: they do not go together."""
    given = [file for file in files if file is not None]
    families = {family_of(kind) for kind, _ in given} - {"nothing"}
    if len(families) > 1:
        return None
    kinds = {kind for kind, _ in given}
    rows: list[tuple[str, Any]] = []
    for file in files:
        rows += [("null", None)] if file is None else [(file[0], value) for value in file[1]]
    values = [together(kind, value, kinds) for kind, value in rows]
    return None if REFUSED in values else values


REFUSED = object()


def together(kind: str, value: Any, kinds: set[str]) -> Any:
    """One value as a column of these kinds holds it; `REFUSED` where it would change."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None  # in features a NaN is missing
    has_floats = bool({"float", "double", "list double"} & kinds)
    if isinstance(value, list):
        return [float(item) for item in value] if has_floats else value
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool) and has_floats:
        held, digits = float(value), -Decimal(value).as_tuple().exponent  # type: ignore[operator]
        return held if round(Decimal(held), digits) == value else REFUSED
    if kind == "uint64" and any(k.startswith("int") for k in kinds):
        # Whole numbers alone are BIGINT; a decimal holds the larger ones as well.
        has_decimals = any(k.startswith("decimal") for k in kinds)
        return value if has_decimals or value < 2**63 else REFUSED
    if kind == "date32" and any(k.startswith("timestamp") for k in kinds):
        return datetime(value.year, value.month, value.day)
    if kind == "timestamp[us]" and "timestamp[ns]" in kinds:
        return value if datetime(1678, 1, 1) <= value < datetime(2262, 1, 1) else REFUSED
    return value.replace(tzinfo=UTC) if kind == "timestamp[us, UTC]" else value


@settings(
    max_examples=examples(12), deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(files=file_columns(), way=st.sampled_from(sorted(WAYS)))
def test_random_files_say_what_they_say_by_hand_or_are_refused(
    files: list[tuple[str, list[Any]] | None], way: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("files")
    row = 0
    for i, file in enumerate(files):
        n_rows = 1 if file is None else len(file[1])
        columns: dict[str, Any] = {
            "timestamp": [DAYS[0] + timedelta(seconds=row + n) for n in range(n_rows)],
            "asset_id": ["A"] * n_rows,
        }
        if file is not None:
            kind, values = file
            arrow = ARROW[kind] if kind in ARROW else getattr(pa, kind)()
            columns["x"] = pa.array(values, arrow)
        # Half of the names sort before what is there, so that any file may be the first.
        pq.write_table(pa.table(columns), folder / f"{i % 2}{9 - i}.parquet")
        row += n_rows
    expected = by_hand(files)
    try:
        catalog = catalog_with(WAYS[way](folder))
        if all(file is None for file in files):
            return
        found = catalog.sql("select x from features order by timestamp").fetchall()
    except DataError as error:
        refusal = str(error)
    else:
        assert [value for (value,) in found] == expected
        return
    assert expected is None, refusal
    assert "'x'" in refusal


def test_a_thousand_files_are_read_about_as_fast_as_one_scan_of_them(tmp_path: Path) -> None:
    for i in range(1000):
        x = pa.array([i]) if i % 2 else pa.array([i + 0.5])
        pq.write_table(
            pa.table({"timestamp": DAYS[:1], "asset_id": [f"A{i:03}"], "x": x}),
            tmp_path / f"{i:03}.parquet",
        )
    prices = {"timestamp": DAYS[:1], "asset_id": ["A000"], "open": [1.0], "close": [1.0]}
    catalog = Catalog().register("prices", prices).register("features", tmp_path)

    found = catalog.sql("select count(*), sum(x) from features").fetchall()
    assert found == [(1000, 999 * 500 + 250.0)]
    # Two scans, of whole numbers and of others, and not one for each file.
    plan = catalog.sql("select x from features").explain()
    assert plan.count("READ_PARQUET") == 2
