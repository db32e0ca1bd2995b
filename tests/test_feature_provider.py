"""Feature providers: a frame answers what the catalog answers, a function is asked once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from effort import examples
from ml4t.backtest import Catalog, ConfigError, DataError
from ml4t.backtest.data.feature_provider import (
    CallableFeatureProvider,
    FeatureProvider,
    PrecomputedFeatureProvider,
)

DAY_1, DAY_2, DAY_3 = (datetime(2024, 1, day) for day in (2, 3, 4))
# The documents' own frame: an asset of None is the market.
FRAME = pl.DataFrame(
    {
        "timestamp": [DAY_1, DAY_1, DAY_2, DAY_2, DAY_1, DAY_2],
        "asset_id": ["AAPL", "MSFT", "AAPL", "MSFT", None, None],
        "ml_score": [0.85, 0.75, 0.90, None, None, None],
        "atr": [2.5, 3.1, float("nan"), 3.2, None, None],
        "vix": [None, None, None, None, 18.5, 19.2],
    }
)


# -- precomputed: what it answers -----------------------------------------------------------


def test_an_asset_has_its_own_values_and_the_market_has_the_others() -> None:
    provider = PrecomputedFeatureProvider(
        features_df=FRAME, timestamp_col="timestamp", asset_col="asset_id"
    )
    assert provider.get_features("AAPL", DAY_1) == {"ml_score": 0.85, "atr": 2.5}
    assert provider.get_market_features(DAY_1) == {"vix": 18.5}


def test_null_and_nan_are_absent() -> None:
    provider = PrecomputedFeatureProvider(FRAME)
    assert provider.get_features("AAPL", DAY_2) == {"ml_score": 0.90}
    assert provider.get_features("MSFT", DAY_2) == {"atr": 3.2}


def test_a_row_counts_until_the_next_one() -> None:
    provider = PrecomputedFeatureProvider(FRAME)
    before, between = DAY_1 - timedelta(hours=1), DAY_1 + timedelta(hours=1)
    assert provider.get_features("AAPL", before) == {}
    assert provider.get_features("AAPL", between) == {"ml_score": 0.85, "atr": 2.5}
    assert provider.get_market_features(before) == {}
    assert provider.get_market_features(DAY_3) == {"vix": 19.2}


def test_an_asset_that_the_frame_does_not_have_has_no_values() -> None:
    assert PrecomputedFeatureProvider(FRAME).get_features("TSLA", DAY_2) == {}


def test_a_fill_value_gives_every_column_of_a_row() -> None:
    provider = PrecomputedFeatureProvider(FRAME, fill_value=0.0)
    assert provider.get_features("AAPL", DAY_1) == {"ml_score": 0.85, "atr": 2.5, "vix": 0.0}
    assert provider.get_features("AAPL", DAY_2) == {"ml_score": 0.90, "atr": 0.0, "vix": 0.0}
    assert provider.get_market_features(DAY_1) == {"ml_score": 0.0, "atr": 0.0, "vix": 18.5}
    assert provider.get_features("TSLA", DAY_1) == {}


def test_numbers_and_flags_are_floats_and_text_is_text() -> None:
    frame = {"timestamp": [DAY_1, DAY_2], "asset_id": ["A", "A"], "n": [3, 4], "up": [True, None],
             "regime": ["bull", None]}  # fmt: skip
    provider = PrecomputedFeatureProvider(frame)
    first = provider.get_features("A", DAY_1)
    assert first == {"n": 3.0, "up": 1.0, "regime": "bull"}
    assert [type(value) for value in first.values()] == [float, float, str]
    assert provider.get_features("A", DAY_2) == {"n": 4.0}


def test_an_answer_can_be_changed_without_changing_the_next_one() -> None:
    provider = PrecomputedFeatureProvider(FRAME)
    provider.get_features("AAPL", DAY_1)["atr"] = 0.0
    assert provider.get_features("AAPL", DAY_1)["atr"] == 2.5


def test_assets_may_be_numbers() -> None:
    frame = {"timestamp": [DAY_1], "asset_id": [7], "atr": [2.5]}
    assert PrecomputedFeatureProvider(frame).get_features(7, DAY_1) == {"atr": 2.5}


def test_keys_may_have_names_of_their_own() -> None:
    renamed = FRAME.rename({"timestamp": "date", "asset_id": "symbol"})
    provider = PrecomputedFeatureProvider(renamed, timestamp_col="date", asset_col="symbol")
    assert provider.get_features("AAPL", DAY_1) == {"ml_score": 0.85, "atr": 2.5}
    assert provider.get_market_features(DAY_2) == {"vix": 19.2}
    assert provider.columns == ("ml_score", "atr", "vix")


# -- precomputed: kinds of frames and times --------------------------------------------------

FRAMES: dict[str, Callable[[Path], object]] = {
    "polars": lambda _: FRAME,
    "polars lazy": lambda _: FRAME.lazy(),
    "pandas": lambda _: FRAME.to_pandas(),
    "Arrow": lambda _: FRAME.to_arrow(),
    "dict": lambda _: FRAME.to_dict(as_series=False),
    "path": lambda folder: folder / "features.parquet",
    "path as text": lambda folder: str(folder / "features.parquet"),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_a_frame_of_any_kind_answers_alike(kind: str, tmp_path: Path) -> None:
    pq.write_table(FRAME.to_arrow(), tmp_path / "features.parquet")
    provider = PrecomputedFeatureProvider(FRAMES[kind](tmp_path))
    assert provider.get_features("MSFT", DAY_1) == {"ml_score": 0.75, "atr": 3.1}
    assert provider.get_market_features(DAY_2) == {"vix": 19.2}


@pytest.mark.parametrize("kind", ["polars lazy", "dict", "path"])
def test_what_is_no_frame_is_shown_as_a_polars_frame(kind: str, tmp_path: Path) -> None:
    pq.write_table(FRAME.to_arrow(), tmp_path / "features.parquet")
    shown: Any = PrecomputedFeatureProvider(FRAMES[kind](tmp_path)).features_df
    found = shown.filter((pl.col("timestamp") == DAY_1) & (pl.col("asset_id") == "AAPL"))
    assert found["atr"].to_list() == [2.5]


def test_a_frame_is_shown_as_it_was_given() -> None:
    frame = FRAME.to_pandas()
    assert PrecomputedFeatureProvider(FRAME).features_df is FRAME
    assert PrecomputedFeatureProvider(frame).features_df is frame


@pytest.mark.parametrize(
    "moment", [DAY_1, DAY_1.date(), pd.Timestamp(DAY_1), np.datetime64(DAY_1, "ns")]
)
def test_a_time_of_any_kind_is_understood(moment: Any) -> None:
    assert PrecomputedFeatureProvider(FRAME).get_market_features(moment) == {"vix": 18.5}


def test_dates_are_midnights() -> None:
    frame = {"timestamp": [date(2024, 1, 2)], "asset_id": ["A"], "atr": [2.5]}
    provider = PrecomputedFeatureProvider(frame)
    assert provider.get_features("A", DAY_1) == {"atr": 2.5}
    assert provider.get_features("A", DAY_1 - timedelta(microseconds=1)) == {}


def test_what_became_known_between_two_microseconds_is_not_known_at_the_first() -> None:
    at = pd.Timestamp("2024-01-02 00:00:00.000001500")
    provider = PrecomputedFeatureProvider(
        pd.DataFrame({"timestamp": [at], "asset_id": ["A"], "atr": [2.5]})
    )
    assert provider.get_features("A", datetime(2024, 1, 2, microsecond=1)) == {}
    assert provider.get_features("A", datetime(2024, 1, 2, microsecond=2)) == {"atr": 2.5}


def test_a_zone_is_compared_as_utc_and_never_guessed() -> None:
    zoned = FRAME.with_columns(pl.col("timestamp").dt.replace_time_zone("America/New_York"))
    provider = PrecomputedFeatureProvider(zoned)
    assert provider.get_market_features(datetime(2024, 1, 2, 5, tzinfo=UTC)) == {"vix": 18.5}
    assert provider.get_market_features(datetime(2024, 1, 2, 4, tzinfo=UTC)) == {}
    with pytest.raises(ConfigError, match="no clock in common"):
        provider.get_market_features(DAY_1)
    with pytest.raises(ConfigError, match="no clock in common"):
        PrecomputedFeatureProvider(FRAME).get_market_features(DAY_1.replace(tzinfo=UTC))


@pytest.mark.parametrize("moment", [None, "2024-01-02", 20240102])
def test_what_is_no_time_is_refused(moment: Any) -> None:
    with pytest.raises(ConfigError, match="must be a datetime or a date"):
        PrecomputedFeatureProvider(FRAME).get_market_features(moment)


# -- precomputed: the same answer as the catalog ---------------------------------------------

moments = st.integers(0, 8)
values = st.one_of(st.none(), st.sampled_from([float("nan"), 0.0, 1.5, -2.0]))


@settings(
    max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.data_too_large]
)
@given(
    rows=st.lists(
        st.tuples(moments, st.sampled_from(["A", "B", None]), moments, values, values, values),
        min_size=1, max_size=25, unique_by=lambda row: row[:3],
    ),
    is_revised=st.booleans(), wide=st.sets(st.sampled_from([3, 4, 5])),
)  # fmt: skip
def test_a_provider_answers_what_the_catalog_shows(
    rows: list[tuple[int, str | None, int, Any, Any, Any]], is_revised: bool, wide: set[int]
) -> None:
    # A column has values of assets, or of the market.
    rows = [
        (*row[:3], *(row[i] if (row[1] is None) == (i in wide) else None for i in (3, 4, 5)))
        for row in rows
    ]
    if not is_revised:
        rows = list({row[:2]: row for row in rows}.values())
    start = datetime(2024, 1, 1, 0, 10)  # a frame of midnights would be refused on these bars
    frame = pl.DataFrame(
        {
            "timestamp": [start + timedelta(hours=row[0]) for row in rows],
            "asset_id": [row[1] for row in rows],
            # Known no earlier than the period that it is about.
            "available_at": [start + timedelta(hours=row[0] + row[2]) for row in rows],
            **{name: [row[i] for row in rows] for i, name in ((3, "x"), (4, "y"), (5, "z"))},
        },
        schema_overrides={"asset_id": pl.String, "x": pl.Float64, "y": pl.Float64,
                          "z": pl.Float64},
    )  # fmt: skip
    if not is_revised:
        frame = frame.drop("available_at")
    provider = PrecomputedFeatureProvider(frame)
    bars = [start + timedelta(minutes=30 * i) for i in range(40)]
    catalog = Catalog(threads=1).register(
        "prices",
        {"timestamp": [t for t in bars for _ in "AB"], "asset_id": ["A", "B"] * len(bars),
         "close": [1.0] * 2 * len(bars)},
    ).register("features", provider.source)  # fmt: skip
    signals = rows_of(catalog, "signals", ("timestamp", "asset_id", "close"))
    assert [provider.get_features(row["asset_id"], row["timestamp"]) for row, _ in signals] == [
        known for _, known in signals
    ]
    market = rows_of(catalog, "market", ("timestamp",))
    assert [provider.get_market_features(row["timestamp"]) for row, _ in market] == [
        known for _, known in market
    ]


def rows_of(
    catalog: Catalog, view: str, keys: tuple[str, ...]
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each row of a view: its keys, and its other values without the missing ones."""
    rows = catalog.sql(f"select * from {view}").to_arrow_table().to_pylist()
    assert rows
    return [
        (
            {name: row[name] for name in keys},
            {k: v for k, v in row.items() if k not in keys and v is not None and v == v},
        )
        for row in rows
    ]


# -- precomputed: what is refused ------------------------------------------------------------


def test_a_key_column_that_is_not_there_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(DataError, match=r"no column 'asset_id'; did you mean 'asset'\?"):
        PrecomputedFeatureProvider(FRAME.rename({"asset_id": "asset"})).get_features("A", DAY_1)
    with pytest.raises(DataError, match=r"no column 'symbl'; did you mean 'symbol'\?"):
        PrecomputedFeatureProvider(
            FRAME.rename({"asset_id": "symbol"}), asset_col="symbl"
        ).get_features("A", DAY_1)


def test_two_columns_for_one_key_are_refused() -> None:
    frame = FRAME.with_columns(pl.col("timestamp").alias("date"))
    with pytest.raises(DataError, match="has 'date' for a key, and a column 'timestamp' as well"):
        PrecomputedFeatureProvider(frame, timestamp_col="date").get_features("A", DAY_1)


def test_two_rows_of_one_key_are_refused() -> None:
    frame = pl.concat([FRAME, FRAME.head(1)])
    with pytest.raises(DataError, match="more than one row for a key") as caught:
        PrecomputedFeatureProvider(frame).get_features("AAPL", DAY_1)
    assert (caught.value.rule, caught.value.sample[0]["asset_id"]) == ("duplicate_keys", "AAPL")


def test_no_frame_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be a frame or a path, was None"):
        PrecomputedFeatureProvider(None)
    with pytest.raises(ConfigError, match="timestamp_col must be the name of a column"):
        PrecomputedFeatureProvider(FRAME, timestamp_col=0)  # type: ignore[arg-type]


def test_a_lazy_frame_is_collected_when_it_is_first_asked_for_and_only_once() -> None:
    n_collected = []

    def seen(frame: pl.DataFrame) -> pl.DataFrame:
        n_collected.append(len(frame))
        return frame

    provider = PrecomputedFeatureProvider(FRAME.lazy().map_batches(seen))
    assert n_collected == []
    provider.get_features("AAPL", DAY_1)
    provider.get_market_features(DAY_2)
    assert n_collected == [6]


# -- callable ---------------------------------------------------------------------------------


class Counted:
    """Feature functions that count their calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def asset(self, asset_id: str, timestamp: datetime) -> dict[str, Any]:
        self.calls.append((asset_id, timestamp))
        return {"n": len(asset_id), "day": timestamp.day, "kind": "stock", "gap": None}

    def market(self, timestamp: datetime) -> dict[str, Any]:
        self.calls.append((timestamp,))
        return {"vix": np.float32(18.5), "is_open": np.True_, "gap": float("nan")}


def test_a_function_answers_and_is_asked_once_for_each_asset_and_time() -> None:
    counted = Counted()
    provider = CallableFeatureProvider(compute_fn=counted.asset, compute_market_fn=counted.market)
    for _ in range(3):
        assert provider.get_features("AAPL", DAY_1) == {"n": 4.0, "day": 2.0, "kind": "stock"}
        assert provider.get_features("GE", DAY_1)["n"] == 2.0
        assert provider.get_market_features(DAY_1) == {"vix": 18.5, "is_open": 1.0}
    assert counted.calls == [("AAPL", DAY_1), ("GE", DAY_1), (DAY_1,)]


def test_without_a_market_function_there_are_no_market_wide_values() -> None:
    assert CallableFeatureProvider(Counted().asset).get_market_features(DAY_1) == {}


def test_a_computed_answer_can_be_changed_without_changing_the_next_one() -> None:
    provider = CallableFeatureProvider(Counted().asset)
    provider.get_features("AAPL", DAY_1)["n"] = 0.0
    assert provider.get_features("AAPL", DAY_1)["n"] == 4.0


def test_nothing_grows_with_the_length_of_a_run() -> None:
    counted = Counted()
    provider = CallableFeatureProvider(counted.asset, counted.market)
    for i in range(1_000):
        provider.get_features("AAPL", DAY_1 + i * timedelta(days=1))
        provider.get_market_features(DAY_1 + i * timedelta(days=1))
    assert len(counted.calls) == 2_000
    assert sum(len(assets) for assets in provider._remembered.values()) == 4
    assert len(provider.computed()) == 0


def test_an_exception_says_for_which_asset_and_time_it_was_raised() -> None:
    def broken(asset_id: str, _timestamp: datetime) -> dict[str, float]:
        raise ZeroDivisionError(f"no volume of {asset_id}")

    def closed(_timestamp: datetime) -> dict[str, float]:
        raise OSError("the server is away")

    provider = CallableFeatureProvider(broken, closed)
    with pytest.raises(ZeroDivisionError, match="no volume of AAPL") as caught:
        provider.get_features("AAPL", DAY_1)
    (note,) = caught.value.__notes__
    assert note.startswith("raised by the feature function ")
    assert note.endswith("broken for asset 'AAPL' at 2024-01-02 00:00:00")
    with pytest.raises(OSError, match="away") as away:
        provider.get_market_features(DAY_1)
    assert away.value.__notes__[0].endswith("closed at 2024-01-02 00:00:00")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([1.0], r"returned \[1.0\] for asset 'AAPL' at 2024-01-02 00:00:00; it must return a map"),
        (None, "returned None for asset 'AAPL'"),
        ({1: 2.0}, "returned the name 1 for asset 'AAPL' at 2024-01-02"),
        ({"x": [1.0]}, r"returned x=\[1.0\] for asset 'AAPL' at 2024-01-02"),
        ({"x": np.zeros(2)}, "returned x=array.* a value must be a number, text or None"),
        ({"x": date(2024, 1, 2)}, "a value must be a number, text or None"),
    ],
)
def test_a_result_of_another_kind_is_refused(found: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        CallableFeatureProvider(lambda _asset, _timestamp: found).get_features("AAPL", DAY_1)


def test_a_function_must_be_callable() -> None:
    with pytest.raises(ConfigError, match="compute_fn must be callable, was 3"):
        CallableFeatureProvider(3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="compute_market_fn must be callable, was 3"):
        CallableFeatureProvider(Counted().asset, 3)  # type: ignore[arg-type]


def test_what_was_computed_is_handed_over_once_as_columns() -> None:
    provider = CallableFeatureProvider(Counted().asset, Counted().market)
    provider.get_features("GE", DAY_1)
    provider.begin()
    provider.get_market_features(DAY_1)
    provider.get_features("GE", DAY_1)
    provider.get_features("GE", DAY_1)
    found = provider.computed()
    assert list(zip(found.asset_ids, found.timestamps, found.names, found.values, strict=True)) == [
        (None, DAY_1, "vix", 18.5),
        (None, DAY_1, "is_open", 1.0),
        ("GE", DAY_1, "n", 2.0),
        ("GE", DAY_1, "day", 2.0),
        ("GE", DAY_1, "kind", "stock"),
    ]
    assert len(provider.computed()) == 0
    provider.end()
    provider.get_features("GE", DAY_2)
    assert len(provider.computed()) == 0


def test_a_run_begins_afresh() -> None:
    counted = Counted()
    provider = CallableFeatureProvider(counted.asset)
    for _ in range(2):
        provider.begin()
        provider.get_features("GE", DAY_1)
    assert counted.calls == [("GE", DAY_1)] * 2
    assert len(provider.computed()) == 3


def test_a_provider_is_an_interface() -> None:
    with pytest.raises(TypeError, match="abstract"):
        FeatureProvider()  # type: ignore[abstract]
    assert issubclass(PrecomputedFeatureProvider, FeatureProvider)
    assert issubclass(CallableFeatureProvider, FeatureProvider)
