"""Indicators against TA-Lib and pandas, and against themselves on fewer rows."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import SHARED_DATA
from effort import examples, some
from invariants import check_invariants
from ml4t.backtest import BacktestEngine, Catalog, ConfigError, DataError, TopN
from ml4t.backtest.data.indicators import Indicators
from ml4t.backtest.risk import RiskManager, VolatilityScaledStopLoss

DAILY = f"read_parquet('{SHARED_DATA}/sp500_daily.parquet')"
NEEDS_DATA = pytest.mark.skipif(
    not SHARED_DATA.is_dir(), reason="the real market data is not next to this checkout"
)
N_BARS = 300
START = date(2020, 1, 1)
SECTORS = ("tech", "energy", None)
Array = np.ndarray[Any, np.dtype[np.float64]]
Series = dict[str, Array]

# Every indicator of one asset: how it is asked for, and the same from TA-Lib or pandas.
CASES: dict[str, tuple[Callable[[Indicators], Catalog], Callable[[Series], Series]]] = {
    "returns": (lambda i: i.returns(), lambda p: {"returns_1": talib.ROCP(p["close"], 1)}),
    "momentum": (
        lambda i: i.momentum(20), lambda p: {"momentum_20": talib.ROCP(p["close"], 20)},
    ),
    "volatility": (
        lambda i: i.volatility(20),
        lambda p: {
            "volatility_20": pd.Series(p["close"]).pct_change().rolling(20).std().to_numpy()
        },
    ),
    "sma": (lambda i: i.sma(50), lambda p: {"sma_50": talib.SMA(p["close"], 50)}),
    "ema": (lambda i: i.ema(20), lambda p: {"ema_20": talib.EMA(p["close"], 20)}),
    "zscore": (
        lambda i: i.zscore(20),
        lambda p: {
            "zscore_20": (p["close"] - talib.SMA(p["close"], 20)) / talib.STDDEV(p["close"], 20)
        },
    ),
    "bollinger": (
        lambda i: i.bollinger(20, k=1.9),
        lambda p: dict(
            zip(
                ("bb_upper", "bb_middle", "bb_lower"),
                talib.BBANDS(p["close"], 20, 1.9, 1.9),
                strict=True,
            )
        ),
    ),
    "macd": (
        lambda i: i.macd(),
        lambda p: dict(
            zip(("macd", "macd_signal", "macd_hist"), talib.MACD(p["close"]), strict=True)
        ),
    ),
    "rsi": (lambda i: i.rsi(14), lambda p: {"rsi_14": talib.RSI(p["close"], 14)}),
    "atr": (
        lambda i: i.atr(14),
        lambda p: {"atr_14": talib.ATR(p["high"], p["low"], p["close"], 14)},
    ),
}  # fmt: skip


def walks(n_assets: int = 5, n_bars: int = N_BARS, seed: int = 1) -> pl.DataFrame:
    """Random prices; assets begin on different days and have days without a bar."""
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (n_assets, n_bars)), axis=1))
    opened = close * np.exp(rng.normal(0, 0.01, close.shape))
    spread = np.exp(rng.exponential(0.01, close.shape))
    is_there = rng.random(close.shape) > 0.03
    for i in range(n_assets):
        is_there[i, : 7 * i] = False
    frame = pl.DataFrame(
        {
            "timestamp": [START + timedelta(days=t) for t in range(n_bars)] * n_assets,
            "asset_id": np.repeat([f"A{i}" for i in range(n_assets)], n_bars),
            "open": opened.ravel(),
            "high": (np.maximum(opened, close) * spread).ravel(),
            "low": (np.minimum(opened, close) / spread).ravel(),
            "close": close.ravel(),
            "volume": rng.integers(1, 1_000, close.size),
        }
    )
    return frame.filter(pl.Series(is_there.ravel()))


def read(catalog: Catalog, *names: str) -> dict[str, Series]:
    """Columns of signals per asset, in the order of time; NULL is NaN."""
    items = ", ".join(f'"{name}"::double as "{name}"' for name in names)
    frame = catalog.sql(f"select asset_id, {items} from signals order by asset_id, timestamp").pl()
    return {
        str(asset): {name: rows[name].to_numpy() for name in names}
        for (asset,), rows in frame.group_by("asset_id", maintain_order=True)
    }


def every_indicator(catalog: Catalog) -> list[str]:
    """Add each indicator; return their columns."""
    before = set(catalog.prepare().signal_columns)
    for ask, _ in CASES.values():
        ask(catalog.indicators)
    catalog.indicators.cross_rank("momentum_20").indicators.cross_zscore("returns_1")
    return sorted(set(catalog.prepare().signal_columns) - before)


# -- against other libraries ----------------------------------------------------------------


@pytest.fixture(scope="module")
def random_catalog() -> Catalog:
    catalog = Catalog().register("prices", walks())
    for ask, _ in CASES.values():
        ask(catalog.indicators)
    return catalog


@pytest.mark.parametrize("case", CASES)
def test_each_value_is_talibs_and_each_warm_up_row_is_null(
    case: str, random_catalog: Catalog
) -> None:
    compare(case, random_catalog)


@pytest.fixture(scope="module")
def real_catalog() -> Catalog:
    prices = (
        f"select timestamp, asset_id, open, high, low, close from {DAILY} "
        "where asset_id in ('AAPL', 'GE', 'KO', 'MSFT', 'XOM')"
    )
    catalog = Catalog().register("prices", prices)
    for ask, _ in CASES.values():
        ask(catalog.indicators)
    return catalog


@NEEDS_DATA
@pytest.mark.parametrize("case", some(CASES, 3))
def test_each_value_is_talibs_on_sixteen_years_of_real_prices(
    case: str, real_catalog: Catalog
) -> None:
    compare(case, real_catalog)


def compare(case: str, catalog: Catalog) -> None:
    prices = read(catalog, "high", "low", "close")
    names = list(CASES[case][1](prices[min(prices)]))
    found = read(catalog, *names)
    assert len(found) == 5
    for asset, ours in found.items():
        for name, theirs in CASES[case][1](prices[asset]).items():
            assert np.isfinite(theirs).sum() > 200
            # What TA-Lib's running sums lose is more than what ours do.
            np.testing.assert_allclose(
                ours[name], theirs, rtol=1e-9, atol=1e-10, err_msg=f"{name} of {asset}"
            )


@pytest.mark.parametrize(
    ("ask", "theirs"),
    [
        (lambda i: i.ema(3, name="x"), lambda p: talib.EMA(p["close"], 3)),
        (lambda i: i.ema(1, name="x"), lambda p: p["close"]),
        (lambda i: i.sma(1, name="x"), lambda p: p["close"]),
        (lambda i: i.sma(2, name="x"), lambda p: talib.SMA(p["close"], 2)),
        (lambda i: i.sma(252, name="x"), lambda p: talib.SMA(p["close"], 252)),
        (lambda i: i.rsi(2, name="x"), lambda p: talib.RSI(p["close"], 2)),
        (lambda i: i.atr(1, name="x"), lambda p: talib.TRANGE(p["high"], p["low"], p["close"])),
        (lambda i: i.macd(3, 10, 4, name="x"), lambda p: talib.MACD(p["close"], 3, 10, 4)[0]),
        (
            lambda i: i.momentum(252, skip=21, name="x"),
            lambda p: pd.Series(p["close"]).pct_change(231).shift(21).to_numpy(),
        ),
    ],
)  # fmt: skip
def test_other_lengths_too(
    ask: Callable[[Indicators], Catalog], theirs: Callable[[Series], Array]
) -> None:
    catalog = ask(Catalog().register("prices", walks()).indicators)
    prices = read(catalog, "high", "low", "close")
    for asset, ours in read(catalog, "x").items():
        np.testing.assert_allclose(ours["x"], theirs(prices[asset]), rtol=1e-9, atol=1e-10)


@settings(max_examples=examples(6), deadline=None)
@given(n=st.integers(2, 40), closes=st.lists(st.floats(0.01, 1e6), min_size=1, max_size=60))
def test_rolling_moments_are_those_of_numpy_for_any_length_and_scale(
    n: int, closes: list[float]
) -> None:
    days = [START + timedelta(days=t) for t in range(len(closes))]
    rows = {"timestamp": days, "asset_id": ["A"] * len(closes), "close": closes}
    catalog = Catalog(threads=1).register("prices", rows).indicators.bollinger(n, k=1)
    found = read(catalog, "bb_middle", "bb_upper")["A"]
    for t in range(len(closes)):
        window = closes[t + 1 - n : t + 1]
        if t + 1 < n:
            assert np.isnan(found["bb_middle"][t])
        else:
            # Relative to the window: one price of a million among cents has few digits for them.
            scale = 1e-13 * max(window)
            assert found["bb_middle"][t] == pytest.approx(np.mean(window), rel=1e-13)
            above = found["bb_upper"][t] - found["bb_middle"][t]
            assert above == pytest.approx(np.std(window), rel=1e-9, abs=scale)


# -- causal, and the same bytes every time --------------------------------------------------


def test_no_value_changes_in_any_bit_when_later_bars_or_other_assets_are_left_out() -> None:
    frame = walks()
    last = START + timedelta(days=170)
    whole, past, alone = (
        Catalog().register("prices", rows)
        for rows in (
            frame,
            frame.filter(pl.col("timestamp") <= last),
            frame.filter(pl.col("asset_id") == "A3"),
        )
    )
    names = every_indicator(whole)
    assert len(names) == 16
    assert every_indicator(past) == every_indicator(alone) == names
    one_asset = [name for name in names if "rank" not in name and "1_zscore" not in name]
    for smaller, columns in ((past, names), (alone, one_asset)):
        items = ", ".join(columns)
        query = f"select asset_id, timestamp, {items} from signals order by asset_id, timestamp"
        rows = smaller.sql(query).fetchall()
        keys = {row[:2] for row in rows}
        assert len(rows) > 150
        assert rows == [row for row in whole.sql(query).fetchall() if row[:2] in keys]


def test_one_thread_and_several_make_the_same_bytes() -> None:
    frame = walks(n_assets=60, n_bars=120, seed=2)
    found = []
    for threads in (1, 2, 4):
        catalog = Catalog(threads=threads).register("prices", frame)
        names = ", ".join(every_indicator(catalog))
        found.append(
            catalog.sql(f"select {names} from signals order by asset_id, timestamp").fetchall()
        )
    assert found[0] == found[1] == found[2]


# -- the cross-section ----------------------------------------------------------------------


def cross_frame() -> pl.DataFrame:
    """Prices with a score that has ties, NULL, NaN and infinities, and a group per row."""
    rng = np.random.default_rng(3)
    frame = walks(n_assets=30, n_bars=230, seed=3)
    odd = [None, float("nan"), float("inf"), float("-inf"), -0.0, 0.0]
    scores = [
        odd[k] if k < len(odd) else float(k) for k in rng.integers(0, 14, frame.height).tolist()
    ]
    groups = [SECTORS[k] for k in rng.integers(0, 3, frame.height).tolist()]
    return frame.with_columns(
        pl.Series("score", scores, dtype=pl.Float64), pl.Series("sector", groups)
    )


@pytest.mark.parametrize("by", [None, "sector"])
def test_ranks_and_z_scores_are_those_of_pandas(by: str | None) -> None:
    frame = cross_frame()
    catalog = Catalog().register("prices", frame)
    catalog.indicators.cross_rank("score", by=by, name="r")
    catalog.indicators.cross_zscore("score", by=by, name="z")
    ours = catalog.sql("select r, z from signals order by timestamp, asset_id").df()
    theirs = frame.sort("timestamp", "asset_id").to_pandas()
    theirs["score"] = theirs["score"].astype(float).where(np.isfinite(theirs["score"]))
    if by is not None:
        theirs.loc[theirs["sector"].isna(), "score"] = np.nan
    groups = theirs.groupby(["timestamp", *([by] if by else [])])["score"]
    z = (theirs["score"] - groups.transform("mean")) / groups.transform("std", ddof=0)
    assert theirs["score"].isna().sum() > 100
    assert ours["z"].notna().sum() > 200
    np.testing.assert_allclose(ours["r"], groups.rank(pct=True), rtol=1e-15)
    np.testing.assert_allclose(ours["z"], z.where(np.isfinite(z)), rtol=1e-12, atol=1e-14)


def test_values_that_are_all_the_same_have_no_spread() -> None:
    rows = {"timestamp": [START] * 3, "asset_id": ["A", "B", "C"], "close": [0.1] * 3}
    catalog = Catalog().register("prices", rows)
    catalog.indicators.cross_rank("close").indicators.cross_zscore("close")
    found = catalog.sql("select close_rank, close_zscore from signals").fetchall()
    assert found == [(2 / 3, None)] * 3


@pytest.mark.parametrize(
    "clock",
    [
        {}, {"lag": "2 days"}, {"lag": "1 month"}, {"max_age": "3 days"},
        {"available_at": "published", "max_age": "5 days"},
    ],
)  # fmt: skip
def test_a_feature_is_ranked_as_it_was_known_at_the_bar(clock: dict[str, str]) -> None:
    rng = np.random.default_rng(4)
    prices = walks(n_assets=8, n_bars=80, seed=4)
    features = prices.select("timestamp", "asset_id").sample(fraction=0.3, seed=4)
    features = features.with_columns(
        pl.Series("score", rng.normal(size=features.height)),
        pl.Series("kind", [SECTORS[k] for k in rng.integers(0, 3, features.height)]),
    )
    if "available_at" in clock:
        delays = pl.Series(rng.integers(0, 9, features.height) * 86_400_000_000)
        features = features.with_columns(
            (pl.col("timestamp").cast(pl.Datetime("us")) + delays.cast(pl.Duration("us")))
            .alias("published")
        )  # fmt: skip
    catalog = Catalog().register("prices", prices).register("features", features, **clock)  # type: ignore[arg-type]
    catalog.indicators.cross_rank("score").indicators.cross_rank("score", by="kind")
    rows = catalog.sql("select * from signals order by timestamp, asset_id").df()
    assert rows["score_rank"].notna().sum() > 100
    expected = rows.groupby("timestamp")["score"].rank(pct=True)
    np.testing.assert_allclose(rows["score_rank"], expected)
    expected = rows.groupby(["timestamp", "kind"])["score"].rank(pct=True)
    np.testing.assert_allclose(rows["score_rank_by_kind"], expected)


def test_sectors_of_the_assets_group_an_indicator() -> None:
    frame = walks()
    assets = {"asset_id": ["A0", "A1", "A2", "A3"], "sector": ["tech", "tech", "energy", None]}
    catalog = Catalog().register("prices", frame).register("assets", assets)
    catalog.indicators.momentum(5).indicators.cross_rank("momentum_5", by="sector")
    found = catalog.sql(
        "select asset_id, list_sort(list(distinct momentum_5_rank_by_sector)) from signals "
        "where momentum_5_rank_by_sector is not null group by all order by 1"
    )
    # A day on which only one of the two has a bar, or enough bars, has one asset to rank.
    assert found.fetchall() == [("A0", [0.5, 1.0]), ("A1", [0.5, 1.0]), ("A2", [1.0])]


# -- in a catalog and a run -----------------------------------------------------------------


def test_calls_chain_and_the_columns_are_in_signals() -> None:
    catalog = Catalog().register("prices", walks()).indicators.atr(20).indicators.rsi(14)
    catalog.indicators.bollinger(name="wide", k=3.0).indicators.macd(name="m")
    assert {
        "atr_20", "rsi_14", "wide_upper", "wide_middle", "wide_lower", "m", "m_signal", "m_hist",
    } <= set(catalog.prepare().signal_columns)  # fmt: skip
    # Also after the views stand: the sources are attached again.
    catalog.indicators.sma(7, name='sma "7"')
    assert catalog.sql('select count("sma ""7""") > 0, count(atr_20) > 0 from signals').fetchall()


def test_a_run_ranks_by_an_indicator_and_stops_by_another() -> None:
    catalog = Catalog().register("prices", walks()).indicators.momentum(20).indicators.atr(14)
    catalog.indicators.cross_rank("momentum_20")
    rules = RiskManager([VolatilityScaledStopLoss(volatility_key="atr_14", atr_multiplier=2.0)])
    strategy = TopN(2, by="momentum_20", where="momentum_20_rank > 0.5", every=5)
    result = BacktestEngine(catalog, strategy, risk_manager=rules, initial_capital=1e5).run()
    check_invariants(result)
    known = catalog.sql(
        "select timestamp, asset_id, momentum_20 from signals where momentum_20_rank > 0.5"
    )
    scores = {(timestamp, asset): value for timestamp, asset, value in known.fetchall()}
    selected = result.sql("select timestamp, asset_id, score from selections").fetchall()
    assert len(selected) > 50
    assert all(scores[timestamp, asset] == score for timestamp, asset, score in selected)
    stopped = result.sql("select count(*) from trades where exit_rule = 'VolatilityScaledStopLoss'")
    assert stopped.fetchall()[0][0] > 0


def test_the_context_of_a_run_leaves_the_indicators_as_they_are() -> None:
    catalog = Catalog().register("prices", walks()).indicators.sma(5)
    other = catalog.with_context({"timestamp": [START], "vix": [20.0]})
    query = "select sma_5 from signals order by asset_id, timestamp"
    assert other.sql(query).fetchall() == catalog.sql(query).fetchall()


def test_files_that_are_replaced_make_the_indicators_anew(tmp_path: Any) -> None:
    path = tmp_path / "prices.parquet"
    walks(seed=5).write_parquet(path)
    catalog = Catalog().register("prices", path).indicators.ema(5)
    catalog.validate()
    newer = walks(seed=6)
    newer.write_parquet(path)
    catalog.validate()
    expected = Catalog().register("prices", newer).indicators.ema(5)
    assert read(catalog, "ema_5").keys() == read(expected, "ema_5").keys()
    for asset, ours in read(catalog, "ema_5").items():
        np.testing.assert_array_equal(ours["ema_5"], read(expected, "ema_5")[asset]["ema_5"])


def test_rows_that_are_dropped_are_no_part_of_an_indicator() -> None:
    good = walks(n_assets=3, n_bars=60)
    bad = good.head(4).with_columns(
        pl.Series("close", [float("nan"), -1.0, 0.0, 1e9]), timestamp=pl.lit(date(2020, 3, 15))
    )
    twins = good.tail(1).with_columns(timestamp=pl.lit(date(2021, 1, 1)))
    others = twins.with_columns(close=pl.col("close") * 1.01)
    rows = pl.concat([good, bad, twins, others])
    catalog = Catalog().register("prices", rows, on_bad_rows="drop")
    expected = Catalog().register("prices", good)
    names = every_indicator(catalog)
    assert every_indicator(expected) == names
    # The run: dropped rows are counted, and the indicators' sources are as clean as the prices.
    catalog.validate()
    query = f"select {', '.join(names)} from signals order by asset_id, timestamp"
    n_dropped = rows.height - good.filter(pl.col("timestamp") != date(2020, 3, 15)).height
    assert n_dropped >= 6
    assert catalog.sql(query).fetchall() == expected.sql(query).fetchall()


def test_of_rows_that_are_equal_one_is_part_of_an_indicator() -> None:
    good = walks(n_assets=2, n_bars=12)
    catalog = Catalog().register("prices", pl.concat([good, good[5:8]]), on_bad_rows="drop")
    ours = catalog.indicators.sma(3)
    expected = Catalog().register("prices", good).indicators.sma(3)

    assert catalog.validate().dropped["prices"] == {"duplicate_rows": 3}
    query = "select sma_3 from signals order by asset_id, timestamp"
    assert ours.sql(query).fetchall() == expected.sql(query).fetchall()


@pytest.mark.parametrize("close", [None, float("nan"), float("inf"), 0.0, -1.0])
def test_a_bad_price_is_refused_by_its_own_check_and_breaks_no_query(close: float | None) -> None:
    frame = walks(n_assets=2, n_bars=60)
    bad = frame.with_columns(
        close=pl.when(pl.int_range(pl.len()) == 40).then(pl.lit(close)).otherwise("close")
    )
    catalog = Catalog().register("prices", bad)
    assert every_indicator(catalog)
    with pytest.raises(DataError, match="source 'prices'"):
        catalog.validate()
    # Nothing is skipped: what depends on the price that is not there is not there either.
    if close is None:
        after = catalog.sql("select count(ema_20) from signals where asset_id = 'A0' and timestamp "
                            "> (select timestamp from prices where close is null)")  # fmt: skip
        assert after.fetchall() == [(0,)]


def test_a_close_that_never_moves_has_no_strength_and_no_spread() -> None:
    days = [START + timedelta(days=t) for t in range(30)]
    rows = {"timestamp": days, "asset_id": ["A"] * 30, "close": [0.1] * 30}
    catalog = Catalog().register("prices", rows)
    catalog.indicators.rsi(5).indicators.zscore(7).indicators.volatility(6).indicators.bollinger(11)
    catalog.indicators.ema(3).indicators.sma(13)
    found = catalog.sql(
        "select rsi_5, zscore_7, volatility_6, bb_upper, bb_lower, ema_3, sma_13 "
        "from signals order by timestamp desc limit 10"
    )
    assert found.fetchall() == [(None, None, 0.0, 0.1, 0.1, 0.1, 0.1)] * 10


def test_fewer_bars_than_an_indicator_needs_are_null_and_not_missing() -> None:
    catalog = Catalog().register("prices", walks(n_assets=2, n_bars=10))
    names = every_indicator(catalog)
    late = [name for name in names if name not in ("returns_1", "returns_1_zscore")]
    counts = ", ".join(f"count({name})" for name in late)
    n_rows = catalog.sql("select count(*) from signals").fetchall()
    assert catalog.sql("select count(*) from atr_14").fetchall() == n_rows
    assert set(catalog.sql(f"select {counts} from signals").fetchall()[0]) == {0}


def test_a_length_may_be_a_number_of_numpys() -> None:
    theirs, ours = (
        Catalog().register("prices", walks()).indicators.ema(n).sql("select * from signals")
        for n in (np.int8(127), 127)
    )
    assert theirs.columns == ours.columns
    assert sorted(theirs.fetchall(), key=repr) == sorted(ours.fetchall(), key=repr)


# -- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda i: i.sma(0), "n must be a whole number from 1 to 1,000,000, was 0"),
        (lambda i: i.ema(2.5), "n must be a whole number from 1 to 1,000,000, was 2.5"),
        (lambda i: i.rsi(True), "n must be a whole number from 1 to 1,000,000, was True"),
        (lambda i: i.volatility(1), "n must be a whole number from 2 to 1,000,000, was 1"),
        (lambda i: i.zscore(1), "n must be a whole number from 2 to 1,000,000, was 1"),
        (lambda i: i.sma(10**9), "n must be a whole number from 1 to 1,000,000, was 10"),
        (lambda i: i.sma(np.int64(0)), r"whole number from 1 to 1,000,000, was .*0"),
        (lambda i: i.sma(3, name=5), "name must be the name of a column, was 5"),
        (lambda i: i.cross_rank("close", name=5), "name must be the name of a column, was 5"),
        (lambda i: i.momentum(5, skip=5), "skip must be below n, was 5 with n=5"),
        (lambda i: i.momentum(5, skip=-1), "skip must be a whole number from 0 to"),
        (lambda i: i.bollinger(k=float("nan")), "k must be a number from 0 to below infinity"),
        (lambda i: i.macd(26, 12), "fast must be below slow, was 26 with slow=12"),
        (lambda i: i.macd(signal=0), "signal must be a whole number from 1 to"),
        (lambda i: i.sma(5, name="close"), "source 'prices' has a column 'close' already; pass"),
        (lambda i: i.sma(5, name="Timestamp"), "cannot be named 'Timestamp', the name of a key"),
        (lambda i: i.sma(5, name="signals"), "a source cannot be named 'signals'"),
        (lambda i: i.sma(5).indicators.sma(5), "source 'sma_5' has a column 'sma_5' already"),
        (lambda i: i.cross_rank("closs"), "no source of prices or .* did you mean 'close'"),
        (lambda i: i.cross_rank("close", by="sektor"), "column 'sektor'; did you mean 'sector'"),
        (lambda i: i.cross_zscore("sector"), "column 'sector' of 'prices' is VARCHAR; it must be"),
        (lambda i: i.cross_rank("timestamp"), "no source .* has a column 'timestamp'"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(
    ask: Callable[[Indicators], Catalog], message: str
) -> None:
    catalog = Catalog().register("prices", cross_frame())
    with pytest.raises(ConfigError, match=message):
        ask(catalog.indicators)


def test_an_indicator_needs_prices_and_the_average_range_needs_high_and_low() -> None:
    with pytest.raises(ConfigError, match="no prices are registered"):
        Catalog().indicators.cross_rank("close")
    catalog = Catalog().register("prices", walks().drop("low"))
    with pytest.raises(DataError, match="has no column 'low', which atr needs"):
        catalog.indicators.atr()


def test_every_indicator_is_compared_with_another_library() -> None:
    made = {name for name, _ in inspect.getmembers(Indicators, inspect.isfunction)}
    public = {name for name in made if not name.startswith("_")}
    assert public == set(CASES) | {"cross_rank", "cross_zscore"}
