"""Prices as traded or adjusted: nothing counts twice, and what nothing applies is said."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from conftest import SHARED_DATA
from ml4t.backtest import BacktestEngine, Catalog, TopN
from ml4t.backtest.errors import ConfigError, DataError
from ml4t.backtest.runfile import catalog_of

DAY = date(2014, 6, 2)
N_DAYS = 8
# As AAPL across its split: seven new shares per old one before the fifth bar, and nothing else.
CLOSES = [630.0, 637.0, 644.0, 651.0, 94.0, 94.5, 93.0, 92.0]
FACTORS = [1 / 7] * 4 + [1.0] * 4


def prices(**more: Any) -> pl.DataFrame:
    opens = [close * 1.001 for close in CLOSES]
    return pl.DataFrame({
        "timestamp": [DAY + timedelta(days=i) for i in range(N_DAYS)],
        "asset_id": ["AAPL"] * N_DAYS,
        "open": opens, "high": [one * 1.01 for one in opens], "low": [one * 0.99 for one in opens],
        "close": CLOSES, "volume": [100] * 4 + [700] * 4, **more,
    })  # fmt: skip


ADJUSTED = [close * factor for close, factor in zip(CLOSES, FACTORS, strict=True)]
SPLIT = {"asset_id": ["AAPL"], "ex_date": [DAY + timedelta(days=4)], "kind": ["split"],
         "value": [7.0]}  # fmt: skip


def run(catalog: Catalog) -> Any:
    return BacktestEngine(catalog, TopN(1, by="close"), initial_capital=10_000).run()


def equity(catalog: Catalog) -> float:
    query = "select last(equity order by timestamp) from equity"
    return float(run(catalog).sql(query).fetchall()[0][0])


def warned(catalog: Catalog) -> dict[str, int]:
    return {one.rule: one.n_rows for one in catalog.checks() if one.is_warning and not one.passed}


def test_a_split_that_nothing_applies_is_said_everywhere() -> None:
    catalog = Catalog().register("prices", prices())
    assert warned(catalog) == {"jump_like_split": 1}
    assert "opens at the ratio of a split" in catalog.describe()[0]["warnings"][0]  # type: ignore[index]
    result = run(catalog)
    (text,) = [one for one in result.summary().splitlines() if "ratio of a split" in one]
    assert "AAPL 2014-06-06" in text
    assert equity(catalog) < 2_000


def test_actions_or_a_word_silence_it() -> None:
    catalog = Catalog().register("prices", prices()).register("actions", SPLIT)
    assert warned(catalog) == {}
    assert 9_500 < equity(catalog) < 10_500
    assert warned(Catalog().register("prices", prices(), adjusted=True)) == {}
    assert warned(Catalog().register("prices", prices(), adjusted=False)) == {"jump_like_split": 1}


@pytest.mark.parametrize(
    ("column", "values", "rule", "n_rows"),
    [
        ("Stock Splits", [0.0] * 4 + [7.0] + [0.0] * 3, "splits_unapplied", 1),
        ("split", [1.0] * 4 + [7.0] + [1.0] * 3, "splits_unapplied", 1),
        ("Dividends", [0.0, 0.47, 0.0, 0.0, 0.0, 0.0, 0.1, 0.0], "dividends_unapplied", 2),
        ("Adj Close", ADJUSTED, "adjustment_unapplied", 4),
    ],
)
def test_columns_that_nothing_applies_are_said(
    column: str, values: list[float], rule: str, n_rows: int
) -> None:
    catalog = Catalog().register("prices", prices(**{column: values}))
    assert warned(catalog) == {rule: n_rows, "jump_like_split": 1}
    with_actions = Catalog().register("prices", prices(**{column: values}))
    assert warned(with_actions.register("actions", SPLIT)) == {}


def test_columns_without_anything_to_apply_are_silent() -> None:
    flat = {"split": [1.0] * N_DAYS, "Dividends": [0.0] * N_DAYS, "adj_close": ADJUSTED}
    frame = prices(**flat).with_columns(
        pl.col("open", "high", "low") * pl.Series(FACTORS), close=pl.col("adj_close")
    )
    assert warned(Catalog().register("prices", frame)) == {}


@pytest.mark.parametrize("more", [{"volume": None}, {"open": None}])
def test_it_is_seen_without_volume_or_open_too(more: dict[str, None]) -> None:
    catalog = Catalog().register("prices", prices().drop(list(more)))
    assert warned(catalog) == {"jump_like_split": 1}


@pytest.mark.parametrize("ratio", [1.5, 2, 3, 4, 5, 7, 10, 20, 1 / 2, 1 / 10])
def test_every_usual_ratio_is_seen_either_way(ratio: float) -> None:
    frame = prices().with_columns(
        pl.when(pl.int_range(pl.len()) < 4)
        .then(pl.col("open", "high", "low", "close") / 7 * ratio)
        .otherwise(pl.col("open", "high", "low", "close"))
    )
    frame = frame.with_columns(volume=pl.Series([100] * 4 + [int(100 * ratio)] * 4))
    assert warned(Catalog().register("prices", frame)) == {"jump_like_split": 1}


def test_a_crash_is_no_split() -> None:
    # Halved in the open, then ten times the volume and a range of a quarter.
    frame = prices().with_columns(
        open=pl.Series([100.0] * 4 + [50.0] * 4), close=pl.Series([100.0] * 4 + [45.0] * 4),
        high=pl.Series([101.0] * 4 + [55.0] * 4), low=pl.Series([99.0] * 4 + [43.0] * 4),
        volume=pl.Series([100] * 4 + [2_000] * 4),
    )  # fmt: skip
    assert warned(Catalog().register("prices", frame)) == {}


# -- adjusted --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "action",
    [SPLIT, SPLIT | {"kind": ["dividend"], "value": [0.47]}],
)
def test_adjusted_prices_and_their_actions_are_refused(action: dict[str, Any]) -> None:
    for options in ({"adjusted": True}, {"adjusted": "adj_close"}):
        catalog = Catalog().register("prices", prices(adj_close=ADJUSTED), **options)  # type: ignore[arg-type]
        catalog.register("actions", action)
        with pytest.raises(DataError, match="money would count twice") as error:
            run(catalog)
        assert error.value.rule == "counted_twice"
        assert error.value.n_rows == 1


def test_adjusted_prices_go_with_delistings_and_with_actions_outside_of_the_bars() -> None:
    dates = [DAY - timedelta(days=9), DAY + timedelta(days=99)]
    late = {"asset_id": ["AAPL"] * 2, "ex_date": dates,
            "kind": ["split", "dividend"], "value": [2.0, 1.0]}  # fmt: skip
    end = SPLIT | {"ex_date": [DAY + timedelta(days=9)], "kind": ["delisting"], "value": [92.0]}
    for actions in (late, end):
        catalog = Catalog().register("prices", prices(), adjusted=True).register("actions", actions)
        assert catalog.validate().is_validated


def test_an_adjusted_close_scales_the_other_prices_and_is_counted() -> None:
    catalog = Catalog().register("prices", prices(adj_close=ADJUSTED), adjusted="Adj_Close")
    rows = catalog.sql(
        "select open, high, low, close, volume from prices order by timestamp"
    ).fetchall()
    expected = prices()
    for row, given, factor, close in zip(
        rows, expected.iter_rows(named=True), FACTORS, ADJUSTED, strict=True
    ):
        assert row[3] == close  # as it is given, to the last digit
        names = ("open", "high", "low")
        assert row[:3] == pytest.approx([given[name] * factor for name in names], rel=1e-15)
        assert row[4] == pytest.approx(given["volume"] / factor, rel=1e-15)
    assert catalog.describe()[0]["changes"] == [
        "prices: times adj_close / close, volume divided by it (4 rows)"
    ]
    assert warned(catalog) == {}
    assert 9_500 < equity(catalog) < 10_500


def test_an_adjusted_close_that_is_missing_is_refused_as_a_close_is() -> None:
    frame = prices(adj_close=[None, *ADJUSTED[1:]])
    with pytest.raises(DataError, match="bars without 'open'"):
        run(Catalog().register("prices", frame, adjusted="adj_close"))


@pytest.mark.parametrize(
    ("role", "adjusted", "says"),
    [
        ("prices", 1.5, "must be True, False or the name"),
        ("prices", "", "must be True, False or the name"),
        ("features", True, "adjusted is for prices"),
    ],
)
def test_what_says_nothing_of_adjustment_is_refused(role: Any, adjusted: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Catalog().register(role, prices(), adjusted=adjusted)


@pytest.mark.parametrize("column", ["adjclose", "asset_id", "close"])
def test_a_column_that_is_no_adjusted_close_is_refused(column: str) -> None:
    with pytest.raises(DataError, match="adjusted= names one"):
        Catalog().register("prices", prices(adj_close=ADJUSTED), adjusted=column)


def test_a_run_file_says_it_too(tmp_path: Path) -> None:
    prices(adj_close=ADJUSTED).write_parquet(tmp_path / "prices.parquet")
    run_file = tmp_path / "run.toml"
    for text, warnings in (("true", {}), ("false", {"adjustment_unapplied": 4,
                                                    "jump_like_split": 1})):  # fmt: skip
        run_file.write_text(f"[sources.prices]\npath = 'prices.parquet'\nadjusted = {text}\n")
        assert warned(catalog_of(run_file)) == warnings
    run_file.write_text("[sources.prices]\npath = 'prices.parquet'\nadjusted = 'adj_close'\n")
    assert "adj_close" in str(catalog_of(run_file).describe()[0]["changes"])


# -- real prices -----------------------------------------------------------------------------------


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the real market data is not next to this")
def test_sixteen_years_of_real_prices_show_splits_and_no_crash() -> None:
    path = SHARED_DATA / "sp500_daily.parquet"
    catalog = Catalog().register("prices", (
        "select timestamp, asset_id, open, high, low, close, volume from "
        f"read_parquet('{path}')"
    ))  # fmt: skip
    (jumps,) = [one for one in catalog.checks() if one.rule == "jump_like_split"]
    found = catalog.prepare().database.rows(f"select asset_id, timestamp from ({jumps.query})")
    known = duckdb.sql(f"select asset_id, timestamp from '{path}' where split <> 1").fetchall()
    assert len(known) == 427
    assert len(set(found) & set(known)) == 376
    # What the source lacks or has as a dividend: splits and spin-offs, none of them a crash.
    assert {asset for asset, _ in set(found) - set(known)} == {
        "JCI", "GOOGL", "DISCA", "WST", "IRM", "ABT", "ANTM", "TRMB", "MDLZ", "CMCSA", "DISCK"
    }  # fmt: skip
