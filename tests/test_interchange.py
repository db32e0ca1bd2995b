"""A run as frames of pandas, in the shapes that pyfolio, quantstats, alphalens and skfolio take.

What these packages make of them is tested beside the packages, by ``make test-interchange``.
"""

from __future__ import annotations

import sys
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd
import polars as pl
import pytest

from ml4t.backtest import (
    BacktestEngine,
    BacktestResult,
    Catalog,
    ConfigError,
    MarginAccount,
    ResultError,
    TopN,
)
from scripted import NAMES, day, flat, play

SHAPES = ["returns", "positions_frame", "transactions", "scores"]


def bought() -> BacktestResult:
    """Long of A and short of B over a date without a bar; nothing costs anything."""
    bars = {"A": [(p, p, p, p) for p in (10, 10, 12, 9)], "B": flat(20, 4)}
    script = {0: [lambda s: s.buy("A", 100), lambda s: s.sell("B", 10)], 2: lambda s: s.buy("A", 5)}
    times = [day(0), day(1), day(4), day(5)]
    return play(bars, script, times=times, capital=1_000, account=MarginAccount())


def intraday() -> BacktestResult:
    """Three bars a day in New York, of which the last is past midnight in UTC."""
    starts = [datetime(2024, 3, 4, 14, 30), datetime(2024, 3, 5, 0, 30), datetime(2024, 3, 5, 2, 0)]
    times = [
        pd.Timestamp(start + timedelta(days=i), tz="UTC") for i in range(2) for start in starts
    ]
    prices = pd.DataFrame({"timestamp": times, "asset_id": 7, "close": [10, 11, 12.0, 6, 9, 18]})
    prices[["open", "high", "low"]] = prices[["close"] * 3].to_numpy()
    catalog = Catalog(threads=1, timezone="America/New_York").register("prices", prices)
    return BacktestEngine(catalog, TopN(1, by="close"), initial_capital=1_000).run()


def midnights(*days: date) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(days, name="session").as_unit("ns").tz_localize("UTC")


def test_returns_are_those_of_sessions_and_a_date_without_a_bar_is_no_zero() -> None:
    result = bought()
    sessions = midnights(day(0), day(1), day(4), day(5))
    expected = pd.Series([0.0, 0.0, 0.2, -0.25], index=sessions, name="returns")
    pd.testing.assert_series_equal(result.returns(), expected)


def test_bars_of_a_day_compound_into_one_return_by_trading_date() -> None:
    result = intraday()
    last = "select arg_max(equity, timestamp) from equity group by session order by session"
    ((first,), (second,)) = result.sql(last).fetchall()
    assert result.returns().tolist() == pytest.approx([first / 1_000 - 1, second / first - 1])
    assert list(result.returns().index) == list(midnights(date(2024, 3, 4), date(2024, 3, 5)))
    assert (1 + result.returns()).prod() - 1 == pytest.approx(result["total_return"])


def test_returns_after_an_account_is_lost_are_none() -> None:
    bars = [(10, 10, 10, 10), (10, 10, 10, 10), (40, 40, 40, 40), (40, 40, 40, 40)]
    result = play(bars, {0: lambda s: s.sell("A", 50)}, capital=1_000, account=MarginAccount())
    assert result.returns().isna().tolist() == [False, False, False, True]


def test_positions_are_values_by_asset_beside_cash_and_add_up_to_the_equity() -> None:
    result = bought()
    frame = result.positions_frame()
    assert frame.columns.tolist() == ["A", "B", "cash"]
    assert frame.index.equals(result.returns().index)
    assert frame.to_numpy().tolist() == [
        [0, 0, 1_000], [1_000, -200, 200], [1_200, -200, 200], [945, -200, 155]
    ]  # fmt: skip
    equity = result.sql("select equity from equity order by timestamp").fetchall()
    assert frame.sum(axis=1).tolist() == pytest.approx([one for (one,) in equity])


def test_whole_numbers_as_ids_stay_whole_and_a_run_that_holds_nothing_has_its_cash() -> None:
    assert intraday().positions_frame().columns.tolist() == [7, "cash"]
    idle = play(flat(10, 2), {})
    assert idle.positions_frame().columns.tolist() == ["cash"]
    assert idle.positions_frame()["cash"].tolist() == [10_000, 10_000]
    assert idle.transactions().empty
    assert idle.scores().empty


def test_an_asset_that_is_called_cash_is_refused() -> None:
    result = play({"cash": flat(10, 3)}, {0: lambda s: s.buy("cash", 1)})
    with pytest.raises(ResultError, match=r"an asset is called 'cash'.*rename it in the sources"):
        result.positions_frame()


def test_transactions_are_the_fills_by_trading_date_with_the_time_beside() -> None:
    result = bought()
    frame = result.transactions()
    assert frame.index.equals(midnights(day(1), day(1), day(5)))
    assert frame.drop(columns=["timestamp", "sid"]).to_numpy().tolist() == [
        [100, 10, "A", 0, 0, 0, 0, -1_000], [-10, 20, "B", 1, 0, 0, 0, 200],
        [5, 9, "A", 2, 0, 0, 0, -45],
    ]  # fmt: skip
    assert frame.columns.tolist() == [
        "amount", "price", "symbol", "sid", "order_id", "commission", "tax", "fee", "txn_dollars",
        "timestamp",
    ]  # fmt: skip
    late = intraday().transactions()
    assert late.index[0] == pd.Timestamp("2024-03-04", tz="UTC")  # of which UTC makes the fifth
    assert late["timestamp"].iloc[0] == pd.Timestamp("2024-03-05 00:30", tz="UTC")


def test_scores_are_those_of_what_was_chosen_by_date_and_asset() -> None:
    rows = {"timestamp": [day(t) for t in range(2) for _ in "AB"], "asset_id": [*"ABAB"]}
    prices = pl.DataFrame(rows | {name: [1.0, 2.0, 4.0, 3.0] for name in NAMES[:4]})
    result = BacktestEngine(
        Catalog(threads=1).register("prices", prices), TopN(1, by="close")
    ).run()
    first, second = midnights(day(0), day(1))
    assert result.scores().to_dict() == {(first, "B"): 2.0, (second, "A"): 4.0}
    assert result.scores().index.names == ["date", "asset"]
    assert intraday().scores().tolist() == [12, 18]  # the last of each session


@pytest.mark.parametrize("shape", SHAPES)
def test_without_pandas_the_error_has_the_line_that_installs_it(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result: Any = play(flat(10, 2), {})
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigError, match=r"pip install 'ml4t-backtest-duckdb\[pandas\]'"):
        getattr(result, shape)()
