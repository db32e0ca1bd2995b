"""What other packages make of a run; `make test-interchange` installs those it is proven with.

Where a package is not there its test is skipped.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    Catalog,
    ExecutionPolicy,
    MarginAccount,
    Strategy,
)
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.strategies import TopN
from ml4t.backtest.strategy.broker import StrategyBroker
from scripted import FREE

ASSETS = ["A", "B", "C", "D"]
# They warn of what pandas and NumPy will change, and of a figure that is not shown.
pytestmark = pytest.mark.filterwarnings("ignore")


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not importlib.util.find_spec(package), reason=f"needs {package}")


def bars(n_sessions: int, per_session: int = 1) -> pd.DataFrame:
    """Bars of four assets at random; the last of several a day is past midnight in UTC."""
    pick = np.random.default_rng(7)
    days = pd.bdate_range("2023-01-02", periods=n_sessions)
    times = [
        (day + pd.Timedelta(hours=21 + 2 * i)).tz_localize("UTC")
        for day in days
        for i in range(per_session)
    ]
    closes = 100 * np.exp(np.cumsum(pick.normal(0.0005, 0.02, (len(times), 4)), axis=0))
    opens = np.vstack([np.full((1, 4), 100.0), closes[:-1]])
    index = pd.MultiIndex.from_product([times, ASSETS], names=["timestamp", "asset_id"])
    frame = pd.DataFrame({"open": opens.ravel(), "close": closes.ravel()}, index=index)
    frame["high"], frame["low"] = frame.max(axis=1), frame.min(axis=1)
    return frame.reset_index()


class LongShort(Strategy):
    """Long of one asset and short of another, others every five bars."""

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        if batch.t % 5 == 0:
            long, short = np.random.default_rng(batch.t).permutation(ASSETS)[:2]
            broker.order_target_weights({str(long): 0.6, str(short): -0.3})


def run(prices: pd.DataFrame, strategy: Strategy) -> BacktestResult:
    catalog = Catalog(threads=1, timezone="America/New_York").register("prices", prices)
    # Whole shares: pyfolio's round trips leave out what a trade has beside them.
    execution = ExecutionPolicy(whole_shares=True)
    config = BacktestConfig(**FREE, account=MarginAccount(), execution=execution)
    return BacktestEngine(catalog, strategy, initial_capital=100_000, config=config).run()


@pytest.fixture(scope="module")
def daily() -> BacktestResult:
    return run(bars(260), LongShort())


@pytest.fixture(scope="module")
def intraday() -> BacktestResult:
    return run(bars(60, per_session=3), LongShort())


def value(result: BacktestResult, query: str) -> Any:
    return result.sql(query).fetchall()[0][0]


@needs("pyfolio")
@pytest.mark.parametrize("name", ["daily", "intraday"])
def test_pyfolio_makes_of_it_what_the_run_was(name: str, request: pytest.FixtureRequest) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import pyfolio

    result: BacktestResult = request.getfixturevalue(name)
    returns, positions = result.returns(), result.positions_frame()
    transactions = result.transactions()
    stats = pyfolio.timeseries.perf_stats(returns, positions=positions, transactions=transactions)
    assert stats["Cumulative returns"] == pytest.approx(result["total_return"])
    # Of values at the end of each session, the cash among them.
    gross = value(result, """
        select avg(gross_exposure / equity) from (
            select arg_max(gross_exposure, timestamp) as gross_exposure,
                arg_max(equity, timestamp) as equity
            from equity group by session
        )
    """)  # fmt: skip
    assert stats["Gross leverage"] == pytest.approx(gross)
    allocated = pyfolio.pos.get_percent_alloc(positions)
    assert allocated.sum(axis=1).tolist() == pytest.approx([1] * len(positions))
    volume = pyfolio.txn.get_txn_vol(transactions)
    assert volume["txn_volume"].sum() == pytest.approx(
        value(result, "select sum(abs(value)) from fills")
    )
    assert set(volume.index) <= set(returns.index)
    trips = pyfolio.round_trips.extract_round_trips(transactions)
    closed = "select sum(pnl) from trades where exit_timestamp is not null"
    assert trips["pnl"].sum() == pytest.approx(value(result, closed))
    pyfolio.create_full_tear_sheet(returns, positions, transactions, round_trips=True)


@needs("quantstats")
@pytest.mark.parametrize("name", ["daily", "intraday"])
def test_quantstats_makes_of_it_what_the_run_was(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    import quantstats

    result: BacktestResult = request.getfixturevalue(name)
    returns = result.returns()
    assert quantstats.stats.comp(returns) == pytest.approx(result["total_return"])
    if name == "daily":
        assert quantstats.stats.max_drawdown(returns) == pytest.approx(result["max_drawdown"])
    report = tmp_path / "report.html"
    quantstats.reports.html(returns, output=str(report))
    assert "Cumulative Return" in report.read_text()


@needs("skfolio")
def test_skfolio_makes_of_it_what_the_run_was(daily: BacktestResult) -> None:
    from skfolio import Portfolio
    from skfolio.portfolio import BasePortfolio

    returns = daily.returns()
    portfolio = BasePortfolio(
        returns=returns.to_numpy(), observations=returns.index.to_numpy(), compounded=True
    )
    assert portfolio.cumulative_returns[-1] - 1 == pytest.approx(daily["total_return"])
    assert portfolio.max_drawdown == pytest.approx(-daily["max_drawdown"])
    whole = Portfolio(X=returns.to_frame(), weights=[1.0])
    assert whole.mean == pytest.approx(returns.mean())
    assert list(whole.returns_df.index) == list(returns.index)


@needs("alphalens")
def test_alphalens_finds_the_scores_beside_prices_by_session() -> None:
    import alphalens

    prices = bars(60)
    result = run(prices, TopN(4, by="close"))
    scores = result.scores()
    wide = prices.pivot(index="timestamp", columns="asset_id", values="close")
    wide.index = result.returns().index
    found = alphalens.utils.get_clean_factor_and_forward_returns(
        scores, wide, periods=(1, 5), quantiles=2, max_loss=0.5
    )
    assert found["factor"].tolist() == scores.loc[found.index].tolist()
    assert len(found) == (60 - 5) * 4
    # The rank correlation by hand, on the first session.
    one = found.loc[found.index.get_level_values("date")[0]]
    by_hand = one["factor"].rank().corr(one["1D"].rank())
    coefficients = alphalens.performance.factor_information_coefficient(found)
    assert coefficients["1D"].iloc[0] == pytest.approx(by_hand)
    alphalens.performance.factor_alpha_beta(found, returns=None)
