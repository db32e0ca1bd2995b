"""Pytest fixtures for users' strategies: made-up bars with scores, and the context beside them.

A pytest plugin that is asked for by name, in the topmost ``conftest.py`` or in a test module::

    pytest_plugins = ["ml4t.backtest.testing"]

    def test_my_strategy(ml_signal_data, context_data):
        catalog = Catalog()
        catalog.register("prices", ml_signal_data)
        result = BacktestEngine(catalog, MyStrategy(), context_data=context_data).run()
        assert result["n_trades"] > 0

``pytest -p ml4t.backtest.testing`` does the same, and so does importing the fixtures that are
used: ``from ml4t.backtest.testing import ml_signal_data, context_data``.

The nine fixtures:

======================== ==========================================================================
`ml_signal_data`         polars frame, one asset ``S0000``: timestamp, asset_id, open, high, low,
                         close, volume, prediction, confidence
`context_data`           ``{timestamp: {"VIX": ..., "SPY": ..., "regime": "bull"}}`` beside it
`bull_market_data`       +20% a year, VIX 15 on average, 80% of the predictions right
`bear_market_data`       -7.5% a year, VIX 28 on average, 65% right
`high_volatility_data`   VIX above 30 on every bar, 60% right
`low_volatility_data`    VIX below 15 on every bar, 85% right
`trending_market_data`   moves go on, 82% right
`mean_reverting_data`    moves are taken back, 68% right
`ml_data_scenario`       each of the six in turn: the test runs six times
======================== ==========================================================================

and one more, `multi_asset_data`: the frame of `ml_signal_data` for ten assets, ``S0000`` to
``S0009``; `context_data` goes with it too.

The seven scenario fixtures give a `Scenario`: ``data`` (a frame as above), ``context``, ``stated``
(the figures, see `Figures`) and ``name``. All have 252 bars, business days from 2024-01-02, and
the seed 42; `make_scenario` makes them with others. Prices are in account currency, volume in
shares, VIX in percent a year; a prediction above 0.5 says that the next close is higher. Every
test gets data of its own, so that it may change them.

PYTEST_DONT_REWRITE: pytest would warn where a module was imported before it became a plugin, as a
``conftest.py`` does that imports `make_scenario` from here. No assertion is in here to rewrite.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from ml4t.backtest.scenarios import SCENARIOS, Figures, Scenario, make_scenario

if TYPE_CHECKING:
    import polars as pl

N_ASSETS = 10

__all__ = [
    "ml_signal_data",
    "context_data",
    "bull_market_data",
    "bear_market_data",
    "high_volatility_data",
    "low_volatility_data",
    "trending_market_data",
    "mean_reverting_data",
    "ml_data_scenario",
    "multi_asset_data",
    "make_scenario",
    "Scenario",
    "Figures",
    "SCENARIOS",
]


@pytest.fixture
def ml_signal_data() -> pl.DataFrame:
    """Give bars, prediction and confidence of one asset in an ordinary year: +8%, 70% right."""
    return make_scenario("neutral").data


@pytest.fixture
def context_data() -> dict[datetime, dict[str, float | str]]:
    """Give VIX (mean 20, highest 33), SPY and regime at the timestamps of `ml_signal_data`.

    The regime is ``'bull'`` in the first and last third of the year, ``'bear'`` in between.
    """
    return make_scenario("neutral").context


@pytest.fixture
def multi_asset_data() -> pl.DataFrame:
    """Give bars, prediction and confidence of ten assets in an ordinary year."""
    return make_scenario("neutral", n_assets=N_ASSETS).data


@pytest.fixture
def bull_market_data() -> Scenario:
    """Give a year of +20%, VIX 15 on average (11 to 19), 80% of the predictions right."""
    return make_scenario("bull")


@pytest.fixture
def bear_market_data() -> Scenario:
    """Give a year of -7.5%, VIX 28 on average (20 to 36), 65% of the predictions right."""
    return make_scenario("bear")


@pytest.fixture
def high_volatility_data() -> Scenario:
    """Give a year without drift, VIX above 30 on every bar (31 to 45), 60% of predictions right."""
    return make_scenario("high_volatility")


@pytest.fixture
def low_volatility_data() -> Scenario:
    """Give a year of +6%, VIX below 15 on every bar (9.5 to 14.5), 85% of the predictions right."""
    return make_scenario("low_volatility")


@pytest.fixture
def trending_market_data() -> Scenario:
    """Give a year of +30% in which moves go on, VIX 17 on average, 82% of the predictions right."""
    return make_scenario("trending")


@pytest.fixture
def mean_reverting_data() -> Scenario:
    """Give a year around one price, VIX 20 on average, 68% of the predictions right."""
    return make_scenario("mean_reverting")


@pytest.fixture(params=list(SCENARIOS))
def ml_data_scenario(request: pytest.FixtureRequest) -> Scenario:
    """Give each of the six scenarios in turn."""
    return make_scenario(request.param)
