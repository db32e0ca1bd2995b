"""Feeds: every documented form fills a catalog with the same rows; what cannot is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ml4t.backtest import BacktestEngine, Catalog, ConfigError, DataError, TopN
from ml4t.backtest.data import (
    DataFeed,
    HistoricalDataFeed,
    ParquetDataFeed,
    PolarsDataFeed,
)
from ml4t.backtest.data.feature_provider import (
    CallableFeatureProvider,
    FeatureProvider,
    PrecomputedFeatureProvider,
)
from ml4t.backtest.data.feeds.feed import as_catalog, computing_provider
from ml4t.backtest.risk import RiskManager, VolatilityScaledStopLoss

DAYS = [datetime(2024, 1, day) for day in (2, 3, 4, 5)]


def bars(first: float = 10.0, **columns: list[Any]) -> pl.DataFrame:
    """Four bars of one asset that has no name, with two signals and what else is given."""
    return pl.DataFrame(
        {
            "timestamp": DAYS,
            "open": [first + i for i in range(4)],
            "high": [first + i + 1 for i in range(4)],
            "low": [first + i - 1 for i in range(4)],
            "close": [first + i + 0.5 for i in range(4)],
            "volume": [1_000] * 4,
            "prediction": [0.7, 0.4, None, 0.9],
            "confidence": [0.8, 0.6, 0.9, 0.5],
            **columns,
        }
    )


AAPL, MSFT = bars(), bars(20.0)
UNIVERSE = pl.concat(
    [
        AAPL.with_columns(pl.lit("AAPL").alias("asset_id")),
        MSFT.with_columns(pl.lit("MSFT").alias("asset_id")),
    ]
)
COLUMNS = ["open", "high", "low", "close", "volume", "prediction", "confidence"]


def rows(catalog: Catalog, columns: list[str] | None = None) -> list[tuple[Any, ...]]:
    """The rows of ``signals`` in time order: timestamp, asset, and the columns."""
    names = ", ".join(["timestamp", "asset_id", *(COLUMNS if columns is None else columns)])
    return catalog.sql(f"select {names} from signals order by timestamp, asset_id").fetchall()


def taken(catalog: Catalog) -> list[str]:
    """Columns of ``signals`` beyond keys and prices."""
    ours = {"timestamp", "asset_id", *COLUMNS[:5]}
    return [name for name in catalog.sql("select * from signals").columns if name not in ours]


def registered(frame: pl.DataFrame) -> Catalog:
    """The rows in a catalog of their own, which the feeds are held against."""
    return Catalog().register("prices", frame)


ONE = rows(registered(UNIVERSE.filter(pl.col("asset_id") == "AAPL")))
BOTH = rows(registered(UNIVERSE))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a file of one asset and a file of two."""
    monkeypatch.chdir(tmp_path)
    AAPL.write_parquet("ml_data.parquet")
    UNIVERSE.write_parquet("universe.parquet")
    return tmp_path


# -- one asset -------------------------------------------------------------------------------

ONE_ASSET: dict[str, Callable[[], DataFeed]] = {
    "Parquet with its asset": lambda: ParquetDataFeed(
        path="ml_data.parquet", asset_id="AAPL", signal_columns=["prediction", "confidence"]
    ),
    "Parquet of several assets": lambda: ParquetDataFeed(Path("universe.parquet"), asset_id="AAPL"),
    "Polars path": lambda: PolarsDataFeed(price_path="ml_data.parquet", asset_id="AAPL"),
    "Polars frame": lambda: PolarsDataFeed(AAPL, asset_id="AAPL"),
    "Polars lazy": lambda: PolarsDataFeed(AAPL.lazy(), asset_id="AAPL"),
    "Polars scan": lambda: PolarsDataFeed(pl.scan_parquet("ml_data.parquet"), asset_id="AAPL"),
    "pandas": lambda: HistoricalDataFeed(AAPL.to_pandas(), asset_id="AAPL"),
    "pandas with an asset column": lambda: HistoricalDataFeed(
        AAPL.to_pandas().assign(asset_id="AAPL")
    ),
    "pandas with two levels": lambda: HistoricalDataFeed(
        AAPL.to_pandas().assign(asset_id="AAPL").set_index(["timestamp", "asset_id"])
    ),
    "pandas with a time index": lambda: HistoricalDataFeed(
        AAPL.to_pandas().set_index("timestamp"), asset_id="AAPL"
    ),
    "pandas with a nameless time index": lambda: HistoricalDataFeed(
        AAPL.to_pandas().set_index("timestamp").rename_axis(None), asset_id="AAPL"
    ),
    "pandas with a time index of another name": lambda: HistoricalDataFeed(
        AAPL.to_pandas().set_index("timestamp").rename_axis("Bar"), asset_id="AAPL"
    ),
    "pandas with a column date": lambda: HistoricalDataFeed(
        AAPL.to_pandas().rename(columns={"timestamp": "date"}), asset_id="AAPL"
    ),
    "pandas as Yahoo spells it": lambda: HistoricalDataFeed(
        AAPL.to_pandas()
        .rename(columns={name: name.title() for name in COLUMNS[:5]})
        .set_index("timestamp")
        .rename_axis("Date"),
        asset_id="AAPL",
    ),
    "Arrow with a column datetime": lambda: HistoricalDataFeed(
        AAPL.rename({"timestamp": "datetime"}).to_arrow(), asset_id="AAPL"
    ),
    "Arrow reader": lambda: HistoricalDataFeed(
        pa.RecordBatchReader.from_batches(AAPL.to_arrow().schema, AAPL.to_arrow().to_batches()),
        asset_id="AAPL",
    ),
    "dict": lambda: HistoricalDataFeed(AAPL.to_dict(as_series=False), asset_id="AAPL"),
}


@pytest.mark.parametrize("form", ONE_ASSET)
@pytest.mark.usefixtures("folder")
def test_a_feed_of_one_asset_holds_its_rows(form: str) -> None:
    found = rows(as_catalog(ONE_ASSET[form]()))
    assert found == ONE


def test_a_frame_without_an_asset_is_of_one_asset_called_asset() -> None:
    df = AAPL.to_pandas().rename(columns={"prediction": "ml_pred"})
    catalog = as_catalog(HistoricalDataFeed(df, signal_columns=["ml_pred", "confidence"]))
    assert rows(catalog, ["close", "ml_pred"])[:2] == [
        (DAYS[0], "asset", 10.5, 0.7),
        (DAYS[1], "asset", 11.5, 0.4),
    ]


def test_an_asset_may_be_a_number_of_numpys() -> None:
    given = {np.int64(3): PolarsDataFeed(AAPL), 4: PolarsDataFeed(MSFT, asset_id=np.int32(4))}
    catalog = as_catalog(given)  # type: ignore[arg-type]

    assert catalog.sql("select distinct asset_id from prices order by 1").fetchall() == [(3,), (4,)]


def test_an_asset_may_be_a_number() -> None:
    catalog = as_catalog({7: HistoricalDataFeed(AAPL), 8: HistoricalDataFeed(MSFT)})
    assert [asset for _, asset, _ in rows(catalog, ["close"])][:2] == [7, 8]


# -- signal columns --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "expected"),
    [(None, ["prediction", "confidence"]), (["confidence"], ["confidence"]), ([], [])],
)
@pytest.mark.usefixtures("folder")
def test_signal_columns_say_what_is_taken_beyond_prices(
    named: list[str] | None, expected: list[str]
) -> None:
    feeds: list[DataFeed] = [
        ParquetDataFeed("ml_data.parquet", asset_id="AAPL", signal_columns=named),
        ParquetDataFeed("universe.parquet", signal_columns=named),
        PolarsDataFeed(AAPL, asset_id="AAPL", signal_columns=named),
        HistoricalDataFeed(AAPL.to_pandas(), signals=named),
    ]
    assert [taken(as_catalog(feed)) for feed in feeds] == [expected] * 4


@pytest.mark.usefixtures("folder")
def test_an_unknown_signal_column_is_refused_before_the_run_with_the_nearest_name() -> None:
    for feed in (
        ParquetDataFeed("ml_data.parquet", asset_id="AAPL", signal_columns=["predicton"]),
        PolarsDataFeed(AAPL.lazy(), signal_columns=["predicton"]),
        HistoricalDataFeed(AAPL.to_pandas(), signals=["predicton"]),
    ):
        with pytest.raises(DataError, match=r"'predicton'; did you mean 'prediction'\?"):
            BacktestEngine(feed, TopN(1, by="prediction"))


@pytest.mark.parametrize(
    ("theirs", "kind"),
    [(["1", "2", "3", "4"], "VARCHAR"), (DAYS, "TIMESTAMP"), ([[1.0]] * 4, r"DOUBLE\[\]")],
)
def test_a_column_of_two_kinds_is_refused_with_both_feeds(theirs: list[Any], kind: str) -> None:
    catalog = as_catalog({
        "AAPL": PolarsDataFeed(AAPL), "MSFT": PolarsDataFeed(bars(20.0, Prediction=theirs).drop(
            "prediction")),
    })  # fmt: skip
    with pytest.raises(
        DataError,
        match=rf"column 'Prediction' of type DOUBLE in 'prices of AAPL' and {kind}.* in "
        "'prices of MSFT'; cast one",
    ):
        catalog.prepare()


def test_numbers_of_two_types_and_missing_ones_stand_under_each_other() -> None:
    catalog = as_catalog({
        "AAPL": PolarsDataFeed(AAPL), "MSFT": PolarsDataFeed(bars(20.0, prediction=[1, 2, 3, 4])),
        "TSLA": PolarsDataFeed(bars(30.0, prediction=[None] * 4)),
    })  # fmt: skip
    found = catalog.sql(
        "select asset_id, sum(prediction) from signals group by asset_id order by asset_id"
    ).fetchall()
    assert found == [("AAPL", 2.0), ("MSFT", 10.0), ("TSLA", None)]


# -- universes -------------------------------------------------------------------------------

TWO_ASSETS: dict[str, Callable[[], Any]] = {
    "one file": lambda: ParquetDataFeed("universe.parquet"),
    "one frame": lambda: PolarsDataFeed(UNIVERSE),
    "a dict of pandas feeds": lambda: {
        "AAPL": HistoricalDataFeed(AAPL.to_pandas(), signals=["prediction", "confidence"]),
        "MSFT": HistoricalDataFeed(MSFT.to_pandas(), signals=["prediction", "confidence"]),
    },
    "a list": lambda: [
        PolarsDataFeed(AAPL.lazy(), asset_id="AAPL"),
        PolarsDataFeed(MSFT, asset_id="MSFT"),
    ],
    "kinds mixed": lambda: (
        ParquetDataFeed("ml_data.parquet", asset_id="AAPL"),
        HistoricalDataFeed(MSFT.to_pandas().set_index("timestamp"), asset_id="MSFT"),
    ),
    "a dict over one file": lambda: {
        asset: ParquetDataFeed("universe.parquet") for asset in ("AAPL", "MSFT")
    },
}


@pytest.mark.parametrize("form", TWO_ASSETS)
@pytest.mark.usefixtures("folder")
def test_several_feeds_are_a_universe(form: str) -> None:
    assert rows(as_catalog(TWO_ASSETS[form]())) == BOTH


def test_a_column_that_one_feed_lacks_is_missing_there() -> None:
    catalog = as_catalog(
        {
            "AAPL": HistoricalDataFeed(AAPL, signals=["prediction"]),
            "MSFT": HistoricalDataFeed(MSFT, signals=["confidence"]),
        }
    )
    assert rows(catalog, ["prediction", "confidence"])[:2] == [
        (DAYS[0], "AAPL", 0.7, None),
        (DAYS[0], "MSFT", None, 0.8),
    ]


def test_a_catalog_is_returned_as_it_is() -> None:
    catalog = registered(UNIVERSE)
    assert as_catalog(catalog) is catalog


@pytest.mark.usefixtures("folder")
def test_files_of_many_assets_stay_files() -> None:
    catalog = as_catalog(ParquetDataFeed("universe.parquet", signal_columns=["prediction"]))
    catalog.prepare()
    (facts,) = catalog.fingerprints()
    assert [Path(str(file["path"])).name for file in facts["files"]] == ["universe.parquet"]  # type: ignore[attr-defined]
    assert taken(catalog) == ["prediction"]


# -- a run -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", TWO_ASSETS)
@pytest.mark.usefixtures("folder")
def test_a_run_over_feeds_is_the_run_over_their_catalog(form: str) -> None:
    strategy = TopN(1, by="confidence + close / 1000")
    expected = BacktestEngine(registered(UNIVERSE), strategy).run()
    engine = BacktestEngine(TWO_ASSETS[form](), strategy)
    for _ in range(2):  # a feed serves any number of runs
        result = engine.run()
        assert result["final_value"] == expected["final_value"]
        assert result["n_fills"] == expected["n_fills"] > 0


@pytest.mark.usefixtures("folder")
def test_context_data_stands_beside_a_feed() -> None:
    feed = ParquetDataFeed(path="ml_data.parquet", asset_id="AAPL")
    context = {day: {"VIX": 15.0 + 10 * i, "regime": "bull"} for i, day in enumerate(DAYS)}
    engine = BacktestEngine(
        data_feed=feed, strategy=TopN(1, by="confidence", when="VIX < 20"), context_data=context
    )
    assert engine.run().sql("select distinct timestamp from selections").fetchall() == [(DAYS[0],)]
    again = BacktestEngine(feed, TopN(1, by="confidence"))
    assert "VIX" not in again.catalog.prepare().market_columns


def test_nothing_is_collected_before_the_run() -> None:
    n_collected = []

    def seen(frame: pl.DataFrame) -> pl.DataFrame:
        n_collected.append(len(frame))
        return frame

    lazy = AAPL.lazy().map_batches(seen)
    features = pl.LazyFrame(
        {"timestamp": DAYS, "asset_id": ["AAPL"] * 4, "atr": [1.0] * 4}
    ).map_batches(seen)
    provider = PrecomputedFeatureProvider(features)
    feed = PolarsDataFeed(lazy, asset_id="AAPL", feature_provider=provider)
    engine = BacktestEngine(
        feed, TopN(1, by="confidence"), context_data={DAYS[0]: {"vix": 15.0}},
        risk_manager=RiskManager(feature_provider=provider),
    )  # fmt: skip
    assert n_collected == []
    engine.run()
    assert n_collected == [4, 4]
    engine.run()
    assert n_collected == [4, 4]


def test_indicators_are_made_of_the_rows_of_a_feed() -> None:
    catalog = as_catalog(PolarsDataFeed(UNIVERSE)).indicators.atr(2)
    engine = BacktestEngine(catalog, TopN(1, by="atr_2"), context_data={DAYS[0]: {"vix": 15.0}})
    expected = registered(UNIVERSE).indicators.atr(2)
    assert rows(engine.catalog, ["atr_2"]) == rows(expected, ["atr_2"])


def test_a_feed_leaves_a_frame_as_it_was() -> None:
    df = AAPL.to_pandas().set_index("timestamp")
    before = df.copy()
    rows(as_catalog(HistoricalDataFeed(df)))
    pd.testing.assert_frame_equal(df, before)


# -- feature providers -----------------------------------------------------------------------

FEATURES = pl.DataFrame(
    {
        "timestamp": [*DAYS[:2], DAYS[0], DAYS[2]],
        "asset_id": ["AAPL", "AAPL", None, None],
        "atr": [0.5, None, None, None],
        "score": [1.0, 2.0, None, None],
        "vix": [None, None, 18.5, 31.0],
    }
)


def test_a_provider_answers_what_signals_and_market_show(folder: Path) -> None:
    price_path = folder / "ml_data.parquet"
    provider = PrecomputedFeatureProvider(FEATURES)
    feed = PolarsDataFeed(price_path=price_path, asset_id="AAPL", feature_provider=provider)
    catalog = as_catalog(feed)
    shown = rows(catalog, ["atr", "score"])
    assert [dict(zip(("atr", "score"), row[2:], strict=True)) for row in shown] == [
        {"atr": None, "score": None} | provider.get_features("AAPL", day) for day in DAYS
    ]
    market = catalog.sql("select vix from market order by timestamp").fetchall()
    assert [{"vix": vix} for (vix,) in market] == [
        provider.get_market_features(day) for day in DAYS
    ]


def test_a_provider_that_several_share_is_registered_once() -> None:
    provider = PrecomputedFeatureProvider(FEATURES)
    feeds = {
        "AAPL": PolarsDataFeed(AAPL, feature_provider=provider),
        "MSFT": PolarsDataFeed(MSFT, feature_provider=provider),
    }
    engine = BacktestEngine(
        feeds, TopN(1, by="score"), risk_manager=RiskManager(feature_provider=provider)
    )
    found = [record["source"] for record in engine.catalog.describe()]
    assert found == ["prices", "features"]


@pytest.mark.parametrize("has_run", [False, True])
def test_the_catalog_of_a_feed_takes_a_provider_and_a_context_like_any_other(
    has_run: bool,
) -> None:
    provider = PrecomputedFeatureProvider(FEATURES)
    given = as_catalog(PolarsDataFeed(UNIVERSE))
    if has_run:
        given.prepare()
    catalog = as_catalog(as_catalog(given, provider), provider)
    context: dict[str, list[object]] = {"timestamp": [DAYS[0]], "spy": [470.0]}
    for copy in (catalog.with_context(context), catalog.with_context(context)):
        assert rows(copy, ["atr", "prediction"])[0] == (DAYS[0], "AAPL", 0.5, 0.7)
        assert copy.sql("select vix, spy from market limit 1").fetchall() == [(18.5, 470.0)]
    assert [record["source"] for record in given.describe()] == ["prices"]


def test_a_column_of_prices_that_the_provider_has_too_is_the_providers() -> None:
    provider = PrecomputedFeatureProvider(FEATURES)
    prices = AAPL.with_columns(pl.lit(-1.0).alias("atr"))
    feed = PolarsDataFeed(prices, asset_id="AAPL", feature_provider=provider)
    assert rows(as_catalog(feed), ["atr"])[0] == (DAYS[0], "AAPL", 0.5)
    named = PolarsDataFeed(
        prices, asset_id="AAPL", signal_columns=["atr"], feature_provider=provider
    )
    with pytest.raises(DataError, match="has a column 'atr', and so has 'prices'"):
        as_catalog(named).prepare()


@pytest.mark.usefixtures("folder")
def test_a_streamed_file_leaves_out_the_providers_columns_too() -> None:
    UNIVERSE.with_columns(pl.lit(-1.0).alias("atr")).write_parquet("with_atr.parquet")
    feed = ParquetDataFeed(
        "with_atr.parquet", feature_provider=PrecomputedFeatureProvider(FEATURES)
    )
    catalog = as_catalog(feed)
    assert rows(catalog, ["atr", "prediction"])[:2] == [
        (DAYS[0], "AAPL", 0.5, 0.7),
        (DAYS[0], "MSFT", None, 0.7),
    ]


def test_two_providers_stand_beside_each_other_unless_they_have_one_column() -> None:
    one = PrecomputedFeatureProvider(FEATURES.select("timestamp", "asset_id", "score"))
    other = PrecomputedFeatureProvider(FEATURES.select("timestamp", "asset_id", "atr", "vix"))
    feed = PolarsDataFeed(AAPL, asset_id="AAPL", feature_provider=one)
    assert rows(as_catalog(feed, other), ["score", "atr"])[0] == (DAYS[0], "AAPL", 1.0, 0.5)
    both = PrecomputedFeatureProvider(FEATURES)
    with pytest.raises(ConfigError, match="two feature providers have a column 'score'"):
        as_catalog(feed, both).prepare()


@pytest.mark.parametrize("kind", ["frame", "path"])
def test_a_provider_of_what_the_catalog_has_already_is_not_registered_again(
    kind: str, folder: Path
) -> None:
    features = FEATURES.with_columns(pl.col("atr").fill_null(float("nan")))
    features.write_parquet(folder / "features.parquet")
    given: Any = features if kind == "frame" else folder / "features.parquet"
    catalog = registered(UNIVERSE).register("features", given)
    engine = BacktestEngine(
        catalog,
        TopN(1, by="score"),
        risk_manager=RiskManager(feature_provider=PrecomputedFeatureProvider(given)),
    )
    assert [record["source"] for record in engine.catalog.describe()] == ["prices", "features"]


def test_strategy_and_rule_read_one_truth_and_the_catalog_stays_as_it_was() -> None:
    provider = PrecomputedFeatureProvider(FEATURES)
    falling = UNIVERSE.with_columns(pl.lit(9.0).alias("open")).filter(pl.col("asset_id") == "AAPL")
    falling = falling.with_columns(
        close=pl.Series([10.5, 11.5, 9.6, 9.6]), high=pl.lit(20.0), low=pl.lit(8.0)
    )
    catalog = registered(falling)
    risk = RiskManager(feature_provider=provider).add_rule(
        VolatilityScaledStopLoss(atr_multiplier=0.5)
    )
    result = BacktestEngine(catalog, TopN(1, by="score"), risk_manager=risk).run()
    scores = result.sql("select timestamp, score from selections order by timestamp").fetchall()
    assert scores == [(day, provider.get_features("AAPL", day)["score"]) for day in DAYS]
    assert result.sql("select count(*) from trades where exit_rule <> ''").fetchall() != [(0,)]
    assert [record["source"] for record in catalog.describe()] == ["prices"]


def test_the_provider_that_computes_is_named() -> None:
    class Own(FeatureProvider):
        def get_features(self, asset_id: object, timestamp: datetime) -> dict[str, Any]:
            return {"n": len(str(asset_id)), "day": timestamp.day}

        def get_market_features(self, timestamp: datetime) -> dict[str, Any]:
            return {"day": timestamp.day}

    called = CallableFeatureProvider(lambda _asset, _timestamp: {})
    precomputed = PrecomputedFeatureProvider(FEATURES)
    assert computing_provider(HistoricalDataFeed(AAPL, feature_provider=precomputed)) is None
    assert computing_provider(HistoricalDataFeed(AAPL, feature_provider=called)) is called
    assert computing_provider(registered(UNIVERSE), called) is called
    own = computing_provider(registered(UNIVERSE), Own())
    assert own is not None
    assert own.get_features("GE", DAYS[0]) == {"n": 2.0, "day": 2.0}
    with pytest.raises(ConfigError, match="two feature providers compute values"):
        computing_provider(HistoricalDataFeed(AAPL, feature_provider=called), Own())


# -- by hand ---------------------------------------------------------------------------------


def test_a_feed_yields_events_in_time_order_and_then_by_asset() -> None:
    shuffled = UNIVERSE.sample(fraction=1.0, shuffle=True, seed=7)
    feed = PolarsDataFeed(shuffled, feature_provider=PrecomputedFeatureProvider(FEATURES))
    events = list(feed)
    assert [(e.timestamp, e.asset_id) for e in events] == [(t, a) for t, a, *_ in BOTH]
    assert [(e.open, e.high, e.low, e.close, e.volume) for e in events] == [
        tuple(map(float, row[2:7])) for row in BOTH
    ]
    assert dict(events[0].signals) == {
        "prediction": 0.7, "confidence": 0.8, "atr": 0.5, "score": 1.0,
    }  # fmt: skip
    assert dict(events[5].signals) == {"confidence": 0.9}
    assert [event.context["vix"] for event in events[::2]] == [18.5, 18.5, 31.0, 31.0]
    assert events[0].context is events[1].context
    assert len(list(feed)) == 8  # it begins again


def test_an_event_has_nan_where_the_feed_has_no_price_and_text_where_it_has_text() -> None:
    frame = pl.DataFrame(
        {"date": [date(2024, 1, 2)], "close": [10], "up": [True], "regime": ["bull"]}
    )
    (event,) = HistoricalDataFeed(frame)
    assert (event.timestamp, event.asset_id) == (datetime(2024, 1, 2), "asset")
    assert (event.close, event.open != event.open) == (10.0, True)
    assert dict(event.signals) == {"up": 1.0, "regime": "bull"}
    assert dict(event.context) == {}


@pytest.mark.parametrize("unit", ["us", "ns"])
def test_the_time_of_an_event_has_the_zone_of_the_bars(unit: str) -> None:
    zoned = AAPL.with_columns(
        pl.col("timestamp").dt.replace_time_zone("America/New_York").dt.cast_time_unit(unit)  # type: ignore[arg-type]
    )
    first = next(iter(PolarsDataFeed(zoned)))
    assert first.timestamp == datetime(2024, 1, 2, 5, tzinfo=UTC)
    assert first.timestamp.utcoffset() == timedelta(0)


def test_a_computing_provider_is_asked_for_every_event_of_a_loop() -> None:
    calls = []

    def compute(asset_id: str, timestamp: datetime) -> dict[str, float]:
        calls.append((asset_id, timestamp))
        return {"n": len(asset_id), "confidence": 0.0}

    provider = CallableFeatureProvider(compute, lambda timestamp: {"day": timestamp.day})
    events = list(PolarsDataFeed(UNIVERSE, feature_provider=provider))
    assert calls == [(asset, timestamp) for timestamp, asset, *_ in BOTH]
    assert dict(events[0].signals) == {"prediction": 0.7, "confidence": 0.0, "n": 4.0}
    assert [event.context["day"] for event in events[::2]] == [2.0, 3.0, 4.0, 5.0]


def test_bad_rows_are_refused_before_the_first_event() -> None:
    frame = AAPL.with_columns(pl.Series("close", [10.5, -1.0, 12.5, 13.5]))
    with pytest.raises(DataError, match=r"zero or less in 'close'.* add a constant"):
        next(iter(HistoricalDataFeed(frame)))


# -- what is refused -------------------------------------------------------------------------

REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "two feeds of one asset": (
        lambda: [PolarsDataFeed(AAPL, asset_id="AAPL"), PolarsDataFeed(MSFT, asset_id="AAPL")],
        DataError, "two feeds of asset 'AAPL'",
    ),
    "two frames with one asset": (
        lambda: [PolarsDataFeed(UNIVERSE), PolarsDataFeed(MSFT, asset_id="MSFT")],
        DataError, "two feeds of asset 'MSFT', 'prices of feed 1' and 'prices of MSFT'",
    ),
    "an asset that the frame does not have": (
        lambda: PolarsDataFeed(UNIVERSE, asset_id="TSLA"),
        DataError, "has no rows of asset 'TSLA'",
    ),
    "several rows a time and no asset": (
        lambda: HistoricalDataFeed(UNIVERSE.drop("asset_id")),
        DataError, "no column 'asset_id' and several rows at 2024-01-02 00:00:00",
    ),
    "no time": (
        lambda: HistoricalDataFeed(AAPL.rename({"timestamp": "time_stamp"})),
        DataError, r"no column 'timestamp'; did you mean 'time_stamp'\?",
    ),
    "no close": (
        lambda: {"AAPL": HistoricalDataFeed(AAPL.rename({"close": "closed"}))},
        DataError, r"'prices of AAPL' has no column 'close'; did you mean 'closed'\?",
    ),
    "columns of two levels": (
        lambda: HistoricalDataFeed(pd.DataFrame([[1.0]], columns=[["AAPL"], ["close"]])),
        DataError, "columns of two levels and no index of times",
    ),
    "no such file": (
        lambda: ParquetDataFeed("nowhere.parquet"), DataError, "matches no file",
    ),
    "mixed time zones": (
        lambda: {
            "AAPL": PolarsDataFeed(AAPL),
            "MSFT": PolarsDataFeed(
                MSFT.with_columns(pl.col("timestamp").dt.replace_time_zone("UTC"))
            ),
        },
        DataError, "feeds with and without a time zone",
    ),
    "a key against its feed": (
        lambda: {"AAPL": PolarsDataFeed(AAPL, asset_id="MSFT")},
        ConfigError, r"data_feed\['AAPL'\] is a feed of asset 'MSFT'",
    ),
    "a frame for a feed": (
        lambda: {"AAPL": AAPL}, ConfigError, r"data_feed\['AAPL'\] must be a feed, was DataFrame",
    ),
    "a bare frame": (lambda: AAPL, ConfigError, "was DataFrame; wrap a frame in PolarsDataFeed"),
    "no feeds": (dict, ConfigError, "must hold at least one feed, was {}"),
    "two words": (
        lambda: HistoricalDataFeed(AAPL, signals=["x"], signal_columns=["x"]),
        ConfigError, "another word for signal_columns",
    ),
    "a text for a list": (
        lambda: HistoricalDataFeed(AAPL, signal_columns="prediction"),
        ConfigError, "must be a list of column names, was 'prediction'",
    ),
    "a number for a list": (
        lambda: HistoricalDataFeed(AAPL, signal_columns=5),  # type: ignore[arg-type]
        ConfigError, "must be a list of column names, was 5",
    ),
    "a lazy frame that names what is not there": (
        lambda: PolarsDataFeed(AAPL.lazy().select("close", "momentm"), asset_id="AAPL"),
        DataError, "'prices' could not be collected: .*momentm",
    ),
    "a frame for a path": (
        lambda: ParquetDataFeed(AAPL),  # type: ignore[arg-type]
        ConfigError, "path must be a path to Parquet",
    ),
    "nothing": (lambda: PolarsDataFeed(None), ConfigError, "must be a frame or a path, was None"),
    "an asset that is no name": (
        lambda: PolarsDataFeed(AAPL, asset_id=True), ConfigError, "asset_id must be an asset's",
    ),
    "a provider that is none": (
        lambda: PolarsDataFeed(AAPL, feature_provider=FEATURES),  # type: ignore[arg-type]
        ConfigError, "must be a FeatureProvider",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_serve_is_refused(case: str) -> None:
    make, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        BacktestEngine(make(), TopN(1, by="close")).run()


def test_a_refused_feed_is_refused_alike_when_it_is_asked_again() -> None:
    catalog = as_catalog(HistoricalDataFeed(UNIVERSE.drop("asset_id")))
    for _ in range(2):
        with pytest.raises(DataError, match="several rows at"):
            catalog.prepare()
