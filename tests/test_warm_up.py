"""History cut on the left says how many bars a column needs, and no more."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from conftest import SHARED_DATA
from effort import long, some
from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    Catalog,
    ConfigError,
    ExecutionPolicy,
    NextClose,
    TopN,
)
from ml4t.backtest.audit.audit import Audit
from ml4t.backtest.cli import app

OF_ASSET = "partition by asset_id order by timestamp"
# Features by their expression, and the bars of history that the last of them must have.
MEMORY: dict[str, tuple[str, int | None]] = {
    "own_close": ("close", 0),
    "before": (f"lag(close, 20) over ({OF_ASSET})", 20),
    "mean": (f"avg(close) over ({OF_ASSET} rows 19 preceding)", 19),
    "spread": (f"stddev_samp(close) over ({OF_ASSET} rows 9 preceding)", 9),
    "highest": (f"max(high) over ({OF_ASSET} rows 4 preceding)", 4),
    "expanding": (f"avg(close) over ({OF_ASSET})", None),
    "summed": (f"sum(volume) over ({OF_ASSET})", None),
    "rank_of_day": ("rank() over (partition by timestamp order by close)", 0),
    "of_rank": (
        f"lag(close, 3) over ({OF_ASSET}) > avg(close) over ({OF_ASSET} rows 6 preceding)", 6,
    ),
}  # fmt: skip


def market(seed: int, n_assets: int, n_bars: int) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    days = [dt.datetime(2020, 1, 1) + dt.timedelta(days=t) for t in range(n_bars)]
    close = 50 * np.exp(np.cumsum(draw.normal(0, 0.03, (n_bars, n_assets)), axis=0))
    wide = np.exp(np.abs(draw.normal(0, 0.01, (n_bars, n_assets))))
    return pl.DataFrame({
        "timestamp": [day for day in days for _ in range(n_assets)],
        "asset_id": [f"A{i}" for i in range(n_assets)] * n_bars,
        "open": close.ravel(), "high": (close * wide).ravel(), "low": (close / wide).ravel(),
        "close": close.ravel(), "volume": draw.uniform(1e3, 1e4, n_assets * n_bars),
    })  # fmt: skip


def catalog(rows: pl.DataFrame, features: Mapping[str, str]) -> Catalog:
    items = ", ".join(f"{text} as {name}" for name, text in features.items())
    return (
        Catalog()
        .register("prices", rows)
        .register("features", f"select timestamp, asset_id, {items} from prices", name="own")
    )


def found(audit: Audit, history: int) -> dict[str, tuple[Any, ...]]:
    """n_bars, n_rows, largest_difference, is_warm by column."""
    rows = audit.sql(
        'select "column", n_bars, n_rows, largest_difference, is_warm from warm_up '
        f"where history = {history}"
    ).fetchall()
    return {name: tuple(rest) for name, *rest in rows}


# -- known memories -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", some(range(20), 2))
def test_a_column_needs_the_bars_that_its_window_has(seed: int) -> None:
    draw = np.random.default_rng(seed)
    rows = market(seed, 4, 90)
    engine = BacktestEngine(
        catalog(rows, {name: text for name, (text, _) in MEMORY.items()}), TopN(2, by="close")
    )
    asked = tuple(int(n) for n in draw.integers(5, 40, 2))
    audit = engine.audit(1, warm_up=asked)
    for n in asked:
        by_column = found(audit, n)
        for name, (_, must) in MEMORY.items():
            n_bars, n_rows, largest, is_warm = by_column[name]
            if name in ("highest", "of_rank"):  # whose window may be short by chance
                assert n_bars is not None
                assert n_bars <= (must or 0)
                continue
            assert (name, n_bars) == (name, must)
            assert (n_rows > 0) is (must is None or must > n)
            assert is_warm is (must == 0)  # the run decides at its first bar
            if name == "before":
                assert largest is None  # there is no value yet


def reference(rows: pl.DataFrame, first: int, feature: Any) -> tuple[int | None, list[float]]:
    """Return by plain Python from how many bars on a feature agrees, and by how much it is off."""
    days = sorted(set(rows["timestamp"]))
    last, off = -1, [0.0] * len(days)
    for asset in sorted(set(rows["asset_id"])):
        closes = rows.filter(pl.col("asset_id") == asset).sort("timestamp")["close"].to_list()
        whole, cut = feature(closes), feature(closes[first:])
        for t in range(first, len(days)):
            one, other = whole[t], cut[t - first]
            gap = abs(one - other) / max(abs(one), abs(other))
            if gap > 1e-9:
                last, off[t] = max(last, t), max(off[t], gap)
    return None if last == len(days) - 1 else last + 1 - first if last >= 0 else 0, off


def ewm(closes: list[float]) -> list[float]:
    value, values = closes[0], []
    for close in closes:
        value = 0.7 * value + 0.3 * close
        values.append(value)
    return values


def expanding(closes: list[float]) -> list[float]:
    return [math.fsum(closes[: t + 1]) / (t + 1) for t in range(len(closes))]


def ewm_rows(rows: pl.DataFrame) -> pl.DataFrame:
    parts = [
        one.sort("timestamp").with_columns(
            pl.Series("own_ewm", ewm(one.sort("timestamp")["close"].to_list()))
        )
        for one in rows.partition_by("asset_id")
    ]
    return pl.concat(parts).select("timestamp", "asset_id", "own_ewm")


@pytest.mark.parametrize("seed", some(range(30, 40), 1))
def test_the_rows_and_the_differences_are_those_of_plain_python(seed: int) -> None:
    rows = market(seed, 3, 120)
    found_by = catalog(rows, {"own_mean": f"avg(close) over ({OF_ASSET})"})

    def computes(prices: Any) -> pl.DataFrame:
        return ewm_rows(pl.from_arrow(prices.sql("from prices").to_arrow_table()))

    found_by.register("features", computes, name="by_function")
    engine = BacktestEngine(found_by, TopN(2, by="close"), start=dt.date(2020, 2, 10))
    audit = engine.audit(1, warm_up=[10, 25])
    for n in (10, 25):
        first = 40 - n  # the run's first bar is the 41st
        for name, feature in (("own_ewm", ewm), ("own_mean", expanding)):
            n_bars, off = reference(rows, first, feature)
            is_off = [gap for gap in off[40:] if gap]
            got = found(audit, n)[name]
            assert got[0] == n_bars
            assert got[2] == (pytest.approx(max(is_off), rel=1e-6) if is_off else None)
            assert got[3] is (n_bars is not None and n_bars <= 40)
    bars = audit.sql("select distinct cut, first_decision from warm_up order by 1").fetchall()
    assert bars == [
        (dt.datetime(2020, 1, 16), dt.datetime(2020, 2, 10)),
        (dt.datetime(2020, 1, 31), dt.datetime(2020, 2, 10)),
    ]


# -- what is said -------------------------------------------------------------------------


def test_the_first_decision_counts_from_the_first_order() -> None:
    features = {"momentum": f"close / lag(close, 20) over ({OF_ASSET}) - 1",
                "slow": f"avg(close) over ({OF_ASSET} rows 29 preceding)"}  # fmt: skip
    audit = BacktestEngine(catalog(market(1, 3, 90), features), TopN(2, by="momentum")).audit(
        1, warm_up=[30]
    )
    # Without momentum nothing is ranked: the first order waits for bar 20, and slow needs 29.
    assert found(audit, 30)["momentum"] == (20, 0, None, True)
    assert found(audit, 30)["slow"] == (29, 0, None, False)
    told = "warm-up: columns need up to 29 bars; not warm at the first decision: slow;"
    assert told in audit.title
    assert audit.is_clean


def test_what_came_as_it_is_says_nothing_of_its_history() -> None:
    rows = market(2, 3, 60)
    given = rows.select(
        "timestamp", "asset_id", pl.col("close").rolling_mean(20).over("asset_id").alias("mean")
    )
    found_in = Catalog().register("prices", rows).register("features", given)
    audit = BacktestEngine(found_in, TopN(2, by="close")).audit(1, warm_up=[20])
    why = dict(audit.sql('select "column", why from warm_up where n_bars = 0').fetchall())
    assert why == dict.fromkeys(
        ["open", "high", "low", "close", "volume", "mean"],
        "came as it is: what it was computed from was not cut",
    )
    assert {row[3] for row in found(audit, 20).values()} == {None}


@long
def test_reports_that_come_seldom_are_history_too() -> None:
    rows = market(3, 2, 60)
    days = sorted(set(rows["timestamp"]))
    reports = pl.DataFrame({
        "timestamp": [days[t] for t in (0, 15, 32, 50)] * 2,
        "asset_id": ["A0"] * 4 + ["A1"] * 4, "earnings": [float(i) for i in range(8)],
    })  # fmt: skip
    found_in = Catalog().register("prices", rows).register("features", reports)
    audit = BacktestEngine(found_in, TopN(2, by="close")).audit(1, warm_up=[20])
    # Cut at bar 20: the report of bar 15 is gone, and the next one is of bar 32.
    assert found(audit, 20)["earnings"] == (12, 0, None, False)


def test_memberships_and_actions_are_no_history() -> None:
    rows = market(4, 2, 60)
    first = rows["timestamp"][0].date()
    assets = ["A0", "A1"]
    universe = pl.DataFrame(
        {"asset_id": assets, "start_date": [first] * 2, "end_date": [None] * 2},
        schema_overrides={"end_date": pl.Date},
    )
    found_in = Catalog().register("prices", rows).register("universe", universe)
    audit = BacktestEngine(found_in, TopN(2, by="close")).audit(1, warm_up=[20])
    assert found(audit, 20)["is_member"][0] == 0


def test_more_history_than_there_is_is_told() -> None:
    engine = BacktestEngine(catalog(market(5, 2, 30), {"x": "close"}), TopN(1, by="x"))
    audit = engine.audit(1, warm_up=True)
    rows = audit.sql('select history, cut, why from warm_up where "column" is null').fetchall()
    told = "there are 30 bars, so that none has as many before it and one behind it"
    assert rows == [(60, None, told), (252, None, told)]
    assert found(audit, 20)["x"][0] == 0
    none = engine.audit(1, warm_up=[40])
    assert "warm-up: nothing could be compared" in none.title


def test_a_query_that_fails_without_history_is_told() -> None:
    feature = {"x": "if((select count(*) from prices) < 100, error('too few'), 1.0)"}
    engine = BacktestEngine(catalog(market(6, 2, 60), feature), TopN(1, by="close"))
    ((why,),) = engine.audit(1, seed=3, warm_up=[30]).sql("select why from warm_up").fetchall()
    assert "too few" in why


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([0], "warm_up must be a whole number of at least 1, was 0"),
        ([2.5], "warm_up must be a whole number"),
        ("20", "warm_up must be True or numbers of bars, was '20'"),
        (20, "warm_up must be a list of numbers of bars"),
    ],
)
def test_what_is_no_number_of_bars_is_refused(value: Any, message: str) -> None:
    engine = BacktestEngine(catalog(market(7, 2, 20), {"x": "close"}), TopN(1, by="x"))
    with pytest.raises(ConfigError, match=message):
        engine.audit(1, warm_up=value)


def test_the_command_shows_it(tmp_path: Path) -> None:
    market(8, 2, 40).write_parquet(tmp_path / "prices.parquet")
    (tmp_path / "run.toml").write_text(
        f'[sources.prices]\npath = "{tmp_path}/prices.parquet"\n'
        '[strategy]\nkind = "TopN"\nn = 1\nby = "close"\n'
    )
    command = ["audit", str(tmp_path / "run.toml"), "--cuts", "1", "--warm-up", "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)["warm_up"]
    columns = {row[document["columns"].index("column")] for row in document["rows"]}
    assert columns == {"open", "high", "low", "close", "volume", None}


def test_files_that_a_query_reads_are_cut_too(tmp_path: Path) -> None:
    rows, file = market(9, 2, 60), tmp_path / "rows.parquet"
    rows.write_parquet(file)
    query = (
        f"select timestamp, asset_id, avg(close) over ({OF_ASSET}) as since_ever, "
        f"lag(close, 5) over ({OF_ASSET}) as before from '{file}'"
    )
    found_in = Catalog().register("prices", rows).register("features", query)
    audit = BacktestEngine(found_in, TopN(1, by="close")).audit(1, warm_up=[20])
    assert found(audit, 20)["since_ever"][0] is None
    assert found(audit, 20)["before"][0] == 5


@long
@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the real market data is not next to this")
def test_real_prices_need_what_their_windows_have() -> None:
    prices = f"""
        select timestamp, asset_id, adjusted_close as close from '{SHARED_DATA}/sp500_daily.parquet'
        where asset_id in ('AAPL', 'IBM', 'XOM') and timestamp between '2007-01-01' and '2008-12-31'
    """
    config = BacktestConfig(execution=ExecutionPolicy(timing=NextClose()))
    features = f"""
        select timestamp, asset_id, close / lag(close, 20) over ({OF_ASSET}) as momentum,
            avg(close) over ({OF_ASSET} rows 49 preceding) as mean,
            sum(ln(close)) over ({OF_ASSET}) as since_ever
        from prices
    """
    found_in = Catalog().register("prices", prices).register("features", features)
    engine = BacktestEngine(
        found_in, TopN(1, by="momentum"), config=config, start=dt.date(2007, 6, 1)
    )
    audit = engine.audit(1, warm_up=[30])
    assert {name: row[0] for name, row in found(audit, 30).items()} == {
        "close": 0, "momentum": 20, "mean": 49, "since_ever": None,
    }  # fmt: skip
