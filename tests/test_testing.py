"""The fixtures for users and the scenarios behind them: what they state, measured."""

from __future__ import annotations

import doctest
import json
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from textwrap import dedent

import numpy as np
import polars as pl
import pytest

from effort import each_value
from ml4t.backtest import BacktestEngine, Catalog, ConfigError, TopN, scenarios, testing
from ml4t.backtest.scenarios import NEUTRAL, SCENARIOS, Figures, Scenario, make_scenario

ALL = {"neutral": NEUTRAL, **SCENARIOS}
NAMED_LIKE_ELSEWHERE = {
    "bull": "bull_market_data",
    "bear": "bear_market_data",
    "high_volatility": "high_volatility_data",
    "low_volatility": "low_volatility_data",
    "trending": "trending_market_data",
    "mean_reverting": "mean_reverting_data",
}
NINE = {"ml_signal_data", "context_data", "ml_data_scenario", *NAMED_LIKE_ELSEWHERE.values()}

every_scenario = pytest.mark.parametrize("name", ALL)
every_size = pytest.mark.parametrize(
    ("n_bars", "seed"), [(252, 42), (252, 7), (3, 0), (61, 1), (1000, 2), (5040, 3)]
)


def column(scenario: Scenario, name: str, asset: str = "S0000") -> np.ndarray:
    return scenario.data.filter(pl.col("asset_id") == asset)[name].to_numpy()


def context_column(scenario: Scenario, name: str) -> np.ndarray:
    return np.array([row[name] for row in scenario.context.values()])


def drift(closes: np.ndarray) -> float:
    return float((closes[-1] / closes[0]) ** (252 / (len(closes) - 1)) - 1)


def variance_ratio(closes: np.ndarray, n_bars: int) -> float:
    """Variance of moves over n bars to n times that of moves over one; 1 without memory."""
    path = np.log(closes)
    return float(np.var(path[n_bars:] - path[:-n_bars]) / np.var(np.diff(path)) / n_bars)


# -- what the scenarios state ---------------------------------------------------------------


def test_the_six_scenarios_state_the_documented_figures():
    documented = ("drift", "vix", "accuracy")
    stated = {
        name: tuple(getattr(figures, field) for field in documented)
        for name, figures in SCENARIOS.items()
    }
    assert stated["bull"] == (0.20, 15.0, 0.80)
    assert stated["bear"] == (-0.075, 28.0, 0.65)
    assert [stated[name][2] for name in SCENARIOS] == [0.80, 0.65, 0.60, 0.85, 0.82, 0.68]
    assert list(SCENARIOS) == list(NAMED_LIKE_ELSEWHERE)


@every_size
@every_scenario
def test_drift_is_the_stated_one_for_assets_and_spy(name, n_bars, seed):
    scenario = make_scenario(name, n_bars=n_bars, seed=seed)
    # Four decimals of a price: over two bars the rounding itself is annualised, 126 times.
    tolerance = 1e-5 if n_bars > 60 else 1e-3
    assert drift(column(scenario, "close")) == pytest.approx(ALL[name].drift, abs=tolerance)
    assert drift(context_column(scenario, "SPY")) == pytest.approx(ALL[name].drift, abs=tolerance)


def test_a_bull_year_of_252_steps_goes_from_100_to_120():
    closes = column(make_scenario("bull", n_bars=253), "close")
    assert (closes[0], closes[-1]) == (100.0, 120.0)


@every_size
@every_scenario
def test_realised_volatility_is_the_mean_of_vix(name, n_bars, seed):
    scenario = make_scenario(name, n_bars=n_bars, seed=seed)
    for closes in (column(scenario, "close"), context_column(scenario, "SPY")):
        realised = 100 * np.diff(np.log(closes)).std() * np.sqrt(252)
        assert realised == pytest.approx(ALL[name].vix, abs=0.01)


@every_size
@every_scenario
def test_vix_has_the_stated_mean_and_range(name, n_bars, seed):
    vix = context_column(make_scenario(name, n_bars=n_bars, seed=seed), "VIX")
    stated = ALL[name]
    assert vix.mean() == pytest.approx(stated.vix, abs=0.005)
    assert vix.max() == stated.vix + stated.vix_spread
    assert vix.min() >= stated.vix - stated.vix_spread


@pytest.mark.parametrize("seed", range(20))
def test_vix_is_above_30_on_every_volatile_bar_and_below_15_on_every_calm_one(seed):
    assert context_column(make_scenario("high_volatility", seed=seed), "VIX").min() > 30
    assert context_column(make_scenario("low_volatility", seed=seed), "VIX").max() < 15


@every_size
@every_scenario
def test_accuracy_is_the_stated_one_to_half_a_bar(name, n_bars, seed):
    scenario = make_scenario(name, n_bars=n_bars, n_assets=3, seed=seed)
    for asset in ("S0000", "S0001", "S0002"):
        closes = column(scenario, "close", asset)
        predicted_up = column(scenario, "prediction", asset)[:-1] > 0.5
        n_right = int((predicted_up == (closes[1:] > closes[:-1])).sum())
        assert abs(n_right - ALL[name].accuracy * (n_bars - 1)) <= 0.5 + 1e-9


@every_scenario
def test_the_default_year_has_no_bar_without_a_direction(name):
    closes = column(make_scenario(name), "close")
    assert (np.diff(closes) != 0).all()


@pytest.mark.parametrize("seed", [42, *range(10)])
def test_moves_go_on_in_a_trend_and_are_taken_back_in_a_reversion(seed):
    five, twenty = (
        {
            name: variance_ratio(column(make_scenario(name, seed=seed), "close"), n)
            for name in ("trending", "bull", "mean_reverting")
        }
        for n in (5, 20)
    )
    assert five["trending"] > 1.3
    assert twenty["mean_reverting"] < 0.5
    assert five["trending"] > five["bull"] > five["mean_reverting"]


def test_regimes_are_those_of_the_scenario_in_equal_spells():
    found = {name: context_column(make_scenario(name), "regime").tolist() for name in ALL}
    assert {name: set(found[name]) for name in ("bull", "low_volatility", "trending")} == {
        name: {"bull"} for name in ("bull", "low_volatility", "trending")
    }
    assert set(found["bear"]) == set(found["high_volatility"]) == {"bear"}
    assert found["neutral"] == ["bull"] * 84 + ["bear"] * 84 + ["bull"] * 84
    assert found["mean_reverting"] == (["bull"] * 63 + ["bear"] * 63) * 2


# -- the shape of the data ------------------------------------------------------------------


def test_a_frame_has_the_documented_columns_types_and_rows():
    data = make_scenario("bull", n_bars=5, n_assets=2).data
    prices = ("open", "high", "low", "close")
    assert data.schema == {
        "timestamp": pl.Datetime("us"),
        "asset_id": pl.String,
        **dict.fromkeys(prices, pl.Float64),
        "volume": pl.Int64,
        "prediction": pl.Float64,
        "confidence": pl.Float64,
    }
    days = [datetime(2024, 1, day) for day in (2, 3, 4, 5, 8)]
    assert data.select("timestamp", "asset_id").rows() == [
        (day, asset) for day in days for asset in ("S0000", "S0001")
    ]
    assert list(make_scenario("bull", n_bars=5).context) == days


@each_value
@every_size
@every_scenario
def test_every_data_check_passes(name, n_bars, seed):
    scenario = make_scenario(name, n_bars=n_bars, n_assets=2, seed=seed)
    columns = {
        key: [row[key] for row in scenario.context.values()] for key in ("VIX", "SPY", "regime")
    }
    catalog = Catalog()
    catalog.register("prices", scenario.data)
    catalog.register("context", {"timestamp": list(scenario.context), **columns})
    assert {check.rule: check.n_rows for check in catalog.checks() if check.n_rows} == {}


@every_scenario
def test_scores_keep_their_documented_range(name):
    data = make_scenario(name, n_bars=1000, n_assets=5).data
    prediction, confidence = data["prediction"].to_numpy(), data["confidence"].to_numpy()
    assert 0.05 <= prediction.min() < 0.1 < 0.9 < prediction.max() <= 0.95
    assert np.abs(prediction - 0.5).min() >= 0.01 - 1e-12
    assert 0.5 == confidence.min() < 0.8 < confidence.max() == 0.95
    assert np.corrcoef(np.abs(prediction - 0.5), confidence)[0, 1] > 0.8


def test_context_values_are_what_the_engine_takes():
    row = next(iter(make_scenario("bull").context.values()))
    assert {key: type(value) for key, value in row.items()} == {
        "VIX": float,
        "SPY": float,
        "regime": str,
    }


# -- seeds ----------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_scenario_and_another_seed_does_not():
    first, again, other = (make_scenario("bear", n_assets=3, seed=seed) for seed in (1, 1, 2))
    assert first.data.equals(again.data)
    assert first.context == again.context
    assert not first.data.equals(other.data)
    assert first.context != other.context


def test_more_assets_leave_the_first_ones_as_they_are():
    few, many = (make_scenario("neutral", n_assets=n) for n in (2, 10))
    assert many.data.filter(pl.col("asset_id") <= "S0001").equals(few.data)
    assert many.context == few.context


def test_scenarios_share_no_random_numbers():
    moves = [np.diff(np.log(column(make_scenario(name), "close"))) for name in ALL]
    together = np.corrcoef(moves) - np.eye(len(moves))
    assert np.abs(together).max() < 0.3


def test_numbers_are_those_of_the_first_release():
    # Users' tests rest on them: whatever changes these rows goes into the changelog.
    scenario = make_scenario("bull")
    row = (100.0458, 100.4723, 99.2021, 99.2926, 1446628, 0.7043, 0.779)
    assert scenario.data.row(1) == (datetime(2024, 1, 3), "S0000", *row)
    context = {"VIX": 16.07, "SPY": 398.976, "regime": "bull"}
    assert scenario.context[datetime(2024, 1, 3)] == context


# -- errors ---------------------------------------------------------------------------------


def test_an_unknown_scenario_is_an_error_that_names_a_near_one():
    with pytest.raises(ConfigError, match="no scenario 'bul'; did you mean 'bull'"):
        make_scenario("bul")


@pytest.mark.parametrize(
    "setting",
    [{"n_bars": 2}, {"n_bars": 5041}, {"n_bars": 10.0}, {"n_assets": 0}, {"n_assets": 1001},
     {"n_assets": True}, {"seed": -1}, {"seed": None}],
)  # fmt: skip
def test_a_number_outside_its_range_is_refused(setting):
    (name,) = setting
    with pytest.raises(ConfigError, match=f"{name} must be a whole number"):
        make_scenario("bull", **setting)


# -- runs -----------------------------------------------------------------------------------


@every_scenario
def test_a_scenario_runs(name):
    scenario = make_scenario(name, n_assets=4)
    catalog = Catalog()
    catalog.register("prices", scenario.data)
    strategy = TopN(2, by="prediction", where="prediction > 0.5", when="VIX <= 30")
    result = BacktestEngine(catalog, strategy, context_data=scenario.context).run()
    calm = sum(row["VIX"] <= 30 for row in scenario.context.values())
    assert result.sql("select count(*) from equity").fetchall() == [(252,)]
    assert bool(result["n_fills"]) == bool(calm)
    bars = result.sql("select count(distinct timestamp) from selections").fetchall()[0][0]
    assert bars <= calm


# -- the plugin -----------------------------------------------------------------------------

CONFTEST = 'pytest_plugins = ["ml4t.backtest.testing"]\n'
USER_TESTS = """
import polars as pl
import pytest
from ml4t.backtest import BacktestEngine, Catalog, TopN

SIX = ["bull_market_data", "bear_market_data", "high_volatility_data", "low_volatility_data",
       "trending_market_data", "mean_reverting_data"]

def run(data, context):
    catalog = Catalog()
    catalog.register("prices", data)
    strategy = TopN(1, by="prediction", where="prediction > 0.5")
    return BacktestEngine(catalog, strategy, context_data=context).run()

def test_my_strategy(ml_signal_data, context_data):
    assert isinstance(ml_signal_data, pl.DataFrame)
    assert ml_signal_data["timestamp"].to_list() == list(context_data)
    assert set(ml_signal_data["asset_id"]) == {"S0000"}
    assert run(ml_signal_data, context_data)["n_fills"] > 0

def test_many_assets(multi_asset_data, ml_signal_data, context_data):
    assert multi_asset_data["asset_id"].n_unique() == 10
    assert multi_asset_data.filter(pl.col("asset_id") == "S0000").equals(ml_signal_data)
    assert run(multi_asset_data, context_data)["n_fills"] > 0

@pytest.mark.parametrize("fixture", SIX)
def test_one_scenario(fixture, request):
    scenario = request.getfixturevalue(fixture)
    assert fixture.startswith(scenario.name)
    assert run(scenario.data, scenario.context)["n_fills"] > 0

SEEN = []

def test_each_scenario(ml_data_scenario):
    SEEN.append(ml_data_scenario.name)
    assert ml_data_scenario.stated.accuracy >= 0.6

def test_each_was_seen():
    assert [fixture.startswith(name) for fixture, name in zip(SIX, SEEN, strict=True)] == [True] * 6

def test_a_change_stays_in_its_test(context_data, bull_market_data):
    context_data.clear()
    bull_market_data.context.clear()

def test_the_next_test_has_its_own(context_data, bull_market_data):
    assert len(context_data) == len(bull_market_data.context) == 252
"""
IMPORTED = """
from ml4t.backtest.testing import context_data, ml_signal_data

def test_my_strategy(ml_signal_data, context_data):
    assert len(ml_signal_data) == len(context_data)
"""


def pytest_in(folder: Path, *arguments: str) -> str:
    """Run pytest on a project of a user's, warnings as errors, and return what it said."""
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "pytest",
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def project(folder: Path, **files: str) -> Path:
    """Write a project whose own settings keep pytest from looking further up."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_the_fixtures_work_in_a_project_of_a_users(tmp_path):
    said = pytest_in(project(tmp_path, conftest=CONFTEST, test_mine=USER_TESTS), "-q")
    assert "17 passed" in said


def test_the_plugin_may_be_asked_for_on_the_command_line(tmp_path):
    one = IMPORTED.replace("from ml4t.backtest.testing import context_data, ml_signal_data\n", "")
    assert "1 passed" in pytest_in(project(tmp_path, test_mine=one), "-p", "ml4t.backtest.testing")


def test_a_test_module_may_import_the_fixtures_that_it_uses(tmp_path):
    assert "1 passed" in pytest_in(project(tmp_path, test_mine=IMPORTED))


def test_a_conftest_may_import_from_the_plugin_that_it_asks_for(tmp_path):
    conftest = f"from ml4t.backtest.testing import make_scenario\n{CONFTEST}"
    one = "def test_a(bull_market_data): pass\n"
    assert "1 passed" in pytest_in(project(tmp_path, conftest=conftest, test_mine=one))


def test_the_docstrings_example_runs(tmp_path):
    block = testing.__doc__.split("::\n\n")[1].split("\n\n``pytest -p")[0]
    mine = "from ml4t.backtest import BacktestEngine, Catalog, TopN\n" + dedent(block).replace(
        "MyStrategy()", "TopN(1, by='prediction', where='prediction > 0.5')"
    )
    assert "1 passed" in pytest_in(project(tmp_path, test_mine=mine))


def test_nobody_gets_the_fixtures_unasked(tmp_path):
    said = pytest_in(project(tmp_path, test_mine="def test_a(): pass\n"), "--fixtures")
    assert "ml_signal_data" not in said


def test_pytest_lists_the_nine_fixtures_and_one_more_each_with_its_sentence(tmp_path):
    said = pytest_in(project(tmp_path, conftest=CONFTEST), "--fixtures", "--collect-only", "-v")
    listed = re.findall(r"^(\w+) -- \S*ml4t/backtest/testing\.py:\d+\n    (.*)$", said, re.M)
    assert {name for name, _ in listed} == NINE | {"multi_asset_data"}
    assert all(sentence.startswith("Give ") for _, sentence in listed)


def test_the_docstring_names_every_fixture_and_its_figures():
    text = testing.__doc__
    for fixture in NINE | {"multi_asset_data"}:
        assert f"`{fixture}`" in text
    for name, fixture in NAMED_LIKE_ELSEWHERE.items():
        line = next(line for line in text.splitlines() if line.startswith(f"`{fixture}`"))
        assert f"{SCENARIOS[name].accuracy:.0%}" in line


def test_a_fixtures_own_sentence_has_the_figures_of_its_scenario():
    for name, fixture in NAMED_LIKE_ELSEWHERE.items():
        sentence = getattr(testing, fixture).__doc__
        stated: Figures = SCENARIOS[name]
        assert f"{stated.accuracy:.0%}" in sentence
        if stated.drift:
            assert f"{stated.drift:+.3g}"[0] + f"{abs(100 * stated.drift):g}%" in sentence
        if "(" in sentence:
            low, high = stated.vix - stated.vix_spread, stated.vix + stated.vix_spread
            assert f"({low:g} to {high:g})" in sentence


def test_examples_in_docstrings_run():
    assert doctest.testmod(scenarios).attempted == 4
    assert doctest.testmod(scenarios).failed == 0


def test_the_package_and_the_scenarios_load_neither_pytest_nor_polars():
    code = (
        "import json, sys, ml4t.backtest, ml4t.backtest.scenarios; "
        "print(json.dumps(sorted({'pytest', '_pytest', 'polars', 'ml4t.backtest.testing'} "
        "& set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
