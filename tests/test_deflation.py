"""The deflated Sharpe ratio of a sweep's trials: the published example, and single results."""

from __future__ import annotations

from datetime import date, timedelta
from math import sqrt
from statistics import NormalDist, variance

import numpy as np
import pytest

from ml4t.backtest import BacktestEngine, Catalog, TopN
from ml4t.backtest.data.database import Database
from ml4t.backtest.results.deflated import deflated_sharpe, expected_maximum
from ml4t.backtest.sweep.deflation import deflate, independent
from trials import Returns, metrics_of, noise, records, row, sweep_of


def sharpes_with(best: float, n: int, spread: float) -> list[float | None]:
    """Sharpe ratios of n trials of a variance, the first of them the best."""
    others = np.linspace(-1.0, 1.0, n - 1)
    # The variance of [best, scale * others] is a square in the scale.
    squares = np.sum(others**2)
    scale = sqrt((spread * (n - 1) - best**2 * (1 - 1 / n)) / squares)
    return [best, *(scale * others)]


@pytest.mark.parametrize(("n_trials", "published"), [(100, 0.9004), (46, 0.9505)])
def test_the_example_of_bailey_and_lopez_de_prado(n_trials: int, published: float) -> None:
    """An annual Sharpe of 2.5 over 1250 days of 250 a year, skew -3, kurtosis 10, variance 1/2."""
    sharpes = sharpes_with(2.5, n_trials, 0.5)
    best = records(deflate(metrics_of(sharpes)).deflated)[0]
    assert (best["trial"], best["n_trials"]) == (1, n_trials)
    assert best["variance"] == pytest.approx(0.5, abs=1e-12)
    assert best["deflated_sharpe"] == pytest.approx(published, abs=5e-5)
    if n_trials == 100:
        assert best["expected_maximum_per_bar"] == pytest.approx(0.1132, abs=5e-5)
    assert best["expected_maximum"] == pytest.approx(best["expected_maximum_per_bar"] * sqrt(250))


def test_each_trial_has_what_it_would_have_as_a_result_of_its_own() -> None:
    sharpes = [0.8, -0.3, 1.7, 0.2]
    for one in records(deflate(metrics_of([*sharpes], bars_per_year=252.0)).deflated):
        moments = {**one, "sharpe_per_bar": one["sharpe"] / sqrt(252)}
        expected = deflated_sharpe(moments, 252.0, 4, float(np.var(sharpes, ddof=1)))
        assert one["deflated_sharpe"] == pytest.approx(expected, abs=1e-15)
        assert one["sharpe"] == sharpes[one["trial"] - 1]
        assert one["deflated_sharpe_independent"] is one["n_independent"] is None


def test_a_trial_that_failed_is_told_apart_and_one_without_trades_counts() -> None:
    database = metrics_of([1.0, 0.5, None, None])
    database.execute("update trials set error = 'no such column' where trial = 4")
    rows = records(deflate(database).deflated)
    assert [one["trial"] for one in rows] == [1, 2, 3, 4]
    counts = ("n_tried", "n_failed", "n_without_sharpe", "n_trials", "variance")
    assert {tuple(one[name] for name in counts) for one in rows} == {(4, 1, 1, 3, 0.125)}
    assert [*rows[0]][:3] == ["trial", "sharpe", "deflated_sharpe"]  # what a terminal shows
    assert [one["is_failed"] for one in rows] == [False, False, False, True]
    assert [one["deflated_sharpe"] is None for one in rows] == [False, False, True, True]
    assert rows[0]["expected_maximum"] == pytest.approx(sqrt(0.125) * expected_maximum(3))


def test_one_trial_is_not_deflated_and_one_of_two_without_a_sharpe_has_nothing_to_be_above() -> (
    None
):
    alone = row(deflate(metrics_of([1.0])).deflated)
    moments = {**alone, "sharpe_per_bar": 1 / sqrt(250)}
    assert alone["deflated_sharpe"] == pytest.approx(deflated_sharpe(moments, 250.0, 1, 0.0))
    assert (alone["expected_maximum"], alone["n_trials"]) == (0.0, 1)
    first, _ = records(deflate(metrics_of([1.0, None])).deflated)
    assert first["deflated_sharpe"] is first["expected_maximum"] is None


def test_the_largest_of_less_than_two_is_never_below_none() -> None:
    found = [expected_maximum(n) for n in (1, 1.01, 1.2, 1.5, 2, 46.5, 100)]
    assert found == sorted(found)
    assert found[:3] == [0.0] * 3
    assert found[4] == pytest.approx(0.520, abs=5e-4)
    assert found[6] == pytest.approx(2.531, abs=5e-4)


def add_metrics(database: Database, returns: Returns) -> None:
    """Give trials their metrics, which `deflate` reads."""
    for name in ("sharpe", "bars_per_year", "n_bars", "skew", "kurtosis"):
        database.execute(f"alter table trials add column {name} double")
    database.execute("update trials set bars_per_year = 252, n_bars = 60, skew = 0, kurtosis = 0")
    for trial, own in enumerate(returns.T, start=1):
        own = own[~np.isnan(own)]
        values = {"trial": trial, "sharpe": np.mean(own) / np.std(own, ddof=1) * sqrt(252)}
        database.execute("update trials set sharpe = $sharpe where trial = $trial", values)


@pytest.mark.parametrize("n_idle", [0, 4])
def test_trials_that_are_alike_are_worth_fewer(n_idle: int) -> None:
    returns = noise(7, 60, 6)
    returns += 2 * returns[:, :1]
    database = sweep_of(np.hstack([returns, np.zeros((60, n_idle))]))
    add_metrics(database, returns)
    best = records(deflate(database).deflated)[0]
    correlations = np.corrcoef(returns.T)[np.triu_indices(6, 1)]
    assert best["mean_correlation"] == pytest.approx(np.mean(correlations), abs=1e-13)
    # Who never traded could have been chosen too.
    assert best["n_trials"] == 6 + n_idle
    n_independent = np.mean(correlations) + (1 - np.mean(correlations)) * (6 + n_idle)
    assert best["n_independent"] == pytest.approx(n_independent, abs=1e-12)
    moments = {**best, "sharpe_per_bar": best["sharpe"] / sqrt(252)}
    luck = sqrt(best["variance"]) * expected_maximum(n_independent)
    assert best["expected_maximum_independent"] == pytest.approx(luck)
    spread = 1 + moments["sharpe_per_bar"] ** 2 / 2
    above = (best["sharpe"] - luck) / sqrt(252) * sqrt(59 / spread)
    assert best["deflated_sharpe_independent"] == pytest.approx(NormalDist().cdf(above))
    assert best["deflated_sharpe_independent"] > best["deflated_sharpe"]


@pytest.mark.parametrize(
    ("n_trials", "correlation", "worth"),
    [(100, 1.0, 1.0), (100, 0.0, 100.0), (2, -1.0, 2.0), (11, 0.5, 6.0), (0, None, None)],
)
def test_independent_trials_go_from_one_to_all(
    n_trials: int, correlation: float | None, worth: float | None
) -> None:
    assert independent(n_trials, correlation) == worth


def test_a_missing_return_counts_as_the_mean_of_its_trial_in_the_correlation() -> None:
    returns = noise(8, 60, 3)
    returns[10:20, 1] = np.nan
    database = sweep_of(returns)
    add_metrics(database, returns)
    filled = np.where(np.isnan(returns), np.nanmean(returns, axis=0), returns)
    expected = np.mean(np.corrcoef(filled.T)[np.triu_indices(3, 1)])
    assert records(deflate(database).deflated)[0]["mean_correlation"] == pytest.approx(expected)


def test_trials_have_the_deflated_sharpe_of_the_results_that_they_were() -> None:
    """Of the metrics of each, as a sweep that keeps no returns has them."""
    walk = np.cumprod(1 + noise(9, 120, 4), axis=0)
    bars = [(day, asset) for day in range(120) for asset in range(4)]
    catalog = Catalog().register(
        "prices",
        {
            "timestamp": [date(2024, 1, 1) + timedelta(days=day) for day, _ in bars],
            "asset_id": ["ABCD"[asset] for _, asset in bars],
            "open": [100 * walk[day, asset] for day, asset in bars],
            "close": [100 * walk[day, asset] for day, asset in bars],
            "score": [float((3 * day + 7 * asset) % 5) for day, asset in bars],
        },
    )
    results = [
        BacktestEngine(catalog, TopN(n, by="score", every=every)).run()
        for n, every in ((1, 5), (2, 3), (3, 10))
    ]
    names = ("sharpe", "bars_per_year", "n_bars", "skew", "kurtosis")
    database = metrics_of([None] * 3)
    for trial, result in enumerate(results, start=1):
        for name in names:
            values = {"value": result[name], "trial": trial}
            database.execute(f"update trials set {name} = $value where trial = $trial", values)
    spread = variance([result["sharpe"] for result in results])
    found = {one["trial"]: one["deflated_sharpe"] for one in records(deflate(database).deflated)}
    assert found == pytest.approx(
        {n: result.deflated_sharpe(3, spread) for n, result in enumerate(results, start=1)},
        abs=1e-13,
    )
