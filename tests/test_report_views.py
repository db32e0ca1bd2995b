"""The views over time, by side and by volume against plain Python, and the deflated Sharpe."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import groupby
from statistics import NormalDist, mean, stdev, variance
from typing import Any

import numpy as np
import pytest

from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, ConfigError, TopN
from ml4t.backtest.results.report.metric_views import METRIC_VIEWS, METRICS
from ml4t.backtest.results.report.views import VIEWS
from plain_metrics import returns_of, rows
from test_metrics import path_run
from test_results import make_run


@pytest.fixture(scope="module")
def run() -> BacktestResult:
    return make_run(2, volume=True)


def test_metrics_are_the_columns_that_say_what_they_mean(run: BacktestResult) -> None:
    assert run.sql("from report.metrics").columns == list(METRICS) == list(run.metrics)
    for view in METRIC_VIEWS[1:]:
        assert run.sql(f"from report.{view.name}").columns == list(view.columns)
    assert {name: run[name] for name in run} == run.metrics


def test_a_metric_asks_for_no_view_but_its_own() -> None:
    run = make_run(2)
    assert run["hit_rate"] is not None
    made = run._database.rows("select table_name from duckdb_tables() where schema_name = 'report'")
    assert made == [("trade_metrics",)]


def test_every_view_that_says_what_its_columns_mean_has_them(run: BacktestResult) -> None:
    for view in VIEWS.values():
        assert set(view.columns) <= set(run.sql(f"from report.{view.name}").columns)


# -- over time ------------------------------------------------------------------------------


def priced(n: int, **more: Any) -> BacktestResult:
    """All of the account in one asset that wanders, beside itself, a year of so few bars."""
    pick = np.random.default_rng(n)
    closes = (10 * np.cumprod(1 + pick.normal(0, 0.02, n))).round(4).tolist()
    return path_run(closes, **more)


def test_rolling_figures_are_those_of_half_a_year_of_bars() -> None:
    run = priced(190, start=date(2023, 1, 2))
    per_year = run["bars_per_year"]
    window = round(per_year / 2)
    returns = rows(run, "report.bar_returns", "timestamp")
    found = rows(run, "report.rolling", "timestamp")
    assert {one["n_window"] for one in found} == {window}
    for i, one in enumerate(found):
        last = [bar["bar_return"] for bar in returns[max(0, i + 1 - window) : i + 1]]
        if i + 1 < window:
            assert (one["volatility"], one["sharpe"], one["beta"]) == (None, None, None)
        else:
            deviation = stdev(last)
            assert one["volatility"] == pytest.approx(deviation * per_year**0.5)
            assert one["sharpe"] == pytest.approx(mean(last) / deviation * per_year**0.5)
            assert one["beta"] is None  # nothing to compare with
    assert found[-1]["sharpe"] is not None


def test_a_run_shorter_than_the_window_has_no_rolling_figures() -> None:
    assert {one[2:] for one in path_run([10]).rolling.fetchall()} == {(None, None, None)}


def test_nothing_rolls_where_nothing_moves() -> None:
    run = path_run([10.0] * 200, step=timedelta(days=1))
    last = rows(run, "report.rolling", "timestamp")[-1]
    assert (last["volatility"], last["sharpe"]) == (0, None)


def test_returns_of_days_are_between_their_last_bars(run: BacktestResult) -> None:
    bars = rows(run, "equity", "timestamp")
    ends = {bar["session"]: bar["equity"] for bar in bars}
    capital = run["initial_capital"]
    assert [(one["session"], one["return"]) for one in rows(run, "report.daily_returns", "session")
        ] == [(day, pytest.approx(made)) for day, made in
              zip(ends, returns_of(list(ends.values()), capital), strict=True)]  # fmt: skip


def test_exposures_of_a_bar_are_those_of_its_positions(run: BacktestResult) -> None:
    held = {
        time: list(some)
        for time, some in groupby(
            rows(run, "positions", "timestamp, asset_id"), lambda one: one["timestamp"]
        )
    }
    worth = {one["timestamp"]: one["equity"] for one in rows(run, "equity", "timestamp")}
    assert held
    for one in rows(run, "report.exposures", "timestamp"):
        mine = held.get(one["timestamp"], [])
        values = [position["value"] for position in mine]
        assert one["n_long"] == len(values)
        assert one["long_exposure"] == pytest.approx(sum(values) / worth[one["timestamp"]])
        if not mine:
            assert (one["concentration"], one["largest_asset"]) == (None, None)
            continue
        largest = max(mine, key=lambda position: position["value"])
        assert one["largest_asset"] == largest["asset_id"]
        assert one["largest_weight"] == pytest.approx(max(values) / worth[one["timestamp"]])
        squares = sum((value / sum(values)) ** 2 for value in values)
        assert one["concentration"] == pytest.approx(squares)
        assert one["effective_positions"] == pytest.approx(1 / squares)


def test_months_of_trading_add_up_to_the_run(run: BacktestResult) -> None:
    months = rows(run, "report.monthly_trading", "month")
    for name in ("commission", "tax", "fee", "slippage", "impact", "borrow", "costs", "n_fills"):
        assert sum(one[name] for one in months) == pytest.approx(run[name])
    for one in months:
        assert one["turnover"] == pytest.approx(one["traded_value"] / one["mean_equity"])
        assert one["cost_drag"] == pytest.approx(one["costs"] / one["mean_equity"])


# -- sides and volume -----------------------------------------------------------------------


def test_sides_add_up_to_the_trades(run: BacktestResult) -> None:
    long, short = rows(run, "report.sides", "side")
    assert (long["side"], short["side"]) == ("long", "short")
    assert long["n_trades"] + short["n_trades"] == run["n_trades"]
    assert long["pnl"] + short["pnl"] == pytest.approx(sum(
        one["pnl"] for one in rows(run, "trades", "trade_id")
    ))  # fmt: skip
    assert (short["hit_rate"], short["average_return"], short["exposure"]) == (None, None, 0)


def test_a_fill_knows_the_volume_of_its_bar(run: BacktestResult) -> None:
    fills = rows(run, "fills", "fill_id")
    assert all(one["volume"] >= 50 for one in fills)
    shares = [one["volume_share"] for one in rows(run, "report.volume_shares", "fill_id")]
    assert shares == [pytest.approx(abs(one["quantity"]) / one["volume"]) for one in fills]
    assert run["max_volume_share"] == max(shares)


def test_fills_without_volume_have_none_and_no_capacity() -> None:
    run = make_run(2)
    assert run.sql("select count(volume), count(*) > 0 from fills").fetchall() == [(0, True)]
    assert (run["mean_volume_share"], run["days_to_liquidate"]) == (None, None)
    assert run.liquidity.fetchall() == []


def test_the_volume_of_a_fill_is_that_of_its_own_bar_in_a_period_too() -> None:
    times = [date(2024, 1, 1) + timedelta(days=i) for i in range(8)]
    prices = {
        "timestamp": times * 2,
        "asset_id": ["A"] * 8 + ["B"] * 8,
        "open": [10.0] * 16,
        "close": [10.0 + i % 3 for i in range(16)],
        "volume": [100 + i for i in range(8)] + [None if i == 5 else 200 + i for i in range(8)],
    }
    engine = BacktestEngine(Catalog().register("prices", prices), TopN(2, by="close"))
    for start, first in ((None, 1), (times[3], 4)):
        fills = rows(engine.run(start=start), "fills", "fill_id")
        assert min(one["timestamp"] for one in fills) == times[first]
        for one in fills:
            row = times.index(one["timestamp"]) + 8 * (one["asset_id"] == "B")
            assert one["volume"] == prices["volume"][row]


# -- the deflated Sharpe --------------------------------------------------------------------


def test_of_one_trial_the_deflated_sharpe_is_the_probabilistic_one(run: BacktestResult) -> None:
    assert run.deflated_sharpe(1, 0.5) == pytest.approx(run["probabilistic_sharpe"], abs=1e-12)


def test_more_trials_and_wider_ones_deflate_more(run: BacktestResult) -> None:
    tried = [run.deflated_sharpe(n, 1.0) for n in (1, 2, 10, 1_000, 10**12)]
    assert tried == sorted(tried, reverse=True)
    assert len(set(tried)) == len(tried)
    assert run.deflated_sharpe(10, 4.0) < run.deflated_sharpe(10, 1.0)
    assert run.deflated_sharpe(10, 0) == run.deflated_sharpe(1, 0)


def test_what_has_no_sharpe_has_no_deflated_one() -> None:
    assert path_run([10, 10, 10, 10]).deflated_sharpe(10, 1.0) is None
    assert path_run([10]).deflated_sharpe(10, 1.0) is None


@pytest.mark.parametrize(
    ("n_trials", "spread", "said"),
    [
        (0, 1.0, "n_trials must be"),
        (2.5, 1.0, "n_trials must be"),
        (10, -1.0, "variance must be a number, 0 or above, was -1.0"),
        (10, float("nan"), "variance must be"),
    ],
)
def test_trials_that_cannot_be_are_refused(
    n_trials: Any, spread: float, said: str, run: BacktestResult
) -> None:
    with pytest.raises(ConfigError, match=said):
        run.deflated_sharpe(n_trials, spread)


def test_the_variance_is_that_of_annual_sharpe_ratios(run: BacktestResult) -> None:
    """By the formula of the paper, per bar."""
    sharpes = [0.3, 1.4, -0.2]
    normal, euler = NormalDist(), 0.5772156649015329
    luck = (variance(sharpes) / run["bars_per_year"]) ** 0.5 * (
        (1 - euler) * normal.inv_cdf(1 - 1 / 3) + euler * normal.inv_cdf(1 - 1 / (3 * np.e))
    )
    (n, sharpe, skew, kurtosis) = run.sharpe_moments.fetchall()[0]
    spread = 1 - skew * sharpe + (kurtosis + 2) / 4 * sharpe**2
    expected = normal.cdf((sharpe - luck) * ((n - 1) / spread) ** 0.5)
    assert run.deflated_sharpe(3, variance(sharpes)) == pytest.approx(expected)
