"""The loop alone, per timestamp, with 50 and with 5,000 assets: it must not see the universe.

Chunks are made in memory beforehand, so that only fills, marks, rules and records are timed.
Equal work is asked of both: 25 positions, rebalanced every fifth bar, three risk rules.
"""

from __future__ import annotations

import json
import time

import numpy as np

from ml4t.backtest import BacktestConfig, TopN
from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.batch import Chunk, Selection
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.results.recorder import Recorder
from ml4t.backtest.risk import (
    DynamicTrailingStop,
    RiskManager,
    TimeBasedExit,
    VolatilityScaledStopLoss,
)
from ml4t.backtest.session import Market, Session
from ml4t.backtest.strategy.run import StrategyRun
from ml4t.backtest.visit import Visit
from ml4t.backtest.walk import walk_of

N_BARS, N_HELD, ROUNDS = 1_000, 25, 7


def chunk_of(n_assets: int) -> Chunk:
    """Draw prices for 50 assets and spread them over the universe, so both runs trade alike."""
    random = np.random.default_rng(11)
    shape = (N_BARS, 50)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, shape), axis=0))
    opens = close * np.exp(random.normal(0, 0.003, shape))
    high, low = np.maximum(opens, close) * 1.003, np.minimum(opens, close) * 0.997
    traded = np.linspace(0, n_assets - 1, 50).astype(np.int64)

    def spread(values: np.ndarray) -> np.ndarray:
        dense = np.full((N_BARS, n_assets), 50.0)
        dense[:, traded] = values
        return dense

    selections = {
        t: Selection(
            sids=traded[np.sort(random.permutation(50)[:N_HELD])],
            scores=np.ones(N_HELD),
            weights=np.full(N_HELD, 1 / N_HELD),
        )
        for t in range(4, N_BARS, 5)
    }
    prices = {"open": opens, "high": high, "low": low, "close": close}
    return Chunk(
        first_t=0,
        prices={name: spread(values) for name, values in prices.items()},
        features={"atr": spread(close * 0.02)},
        selections=selections,
    )


def seconds_per_bar(n_assets: int) -> float:
    rules = RiskManager(
        [VolatilityScaledStopLoss(2.0), DynamicTrailingStop(0.05), TimeBasedExit(60)]
    )
    strategy = TopN(N_HELD, by="score")
    chunk, best = chunk_of(n_assets), float("inf")
    market = Market(
        axes=Axes(
            timestamps=np.arange(N_BARS), timestamp_type="TIMESTAMP", sessions=np.arange(N_BARS),
            asset_ids=np.arange(n_assets).astype(object), asset_type="BIGINT",
        ),
        terms=Instruments.plain(n_assets),
        actions=[],
    )  # fmt: skip
    for _ in range(ROUNDS):
        recorder = Recorder()
        session = Session(BacktestConfig(), rules, market, 1_000_000.0, recorder)
        start = time.perf_counter()
        with StrategyRun(strategy, session.strategy) as handler:
            walk_of(Visit(session, handler, recorder), N_BARS).through(chunk)
        best = min(best, time.perf_counter() - start)
    return best / N_BARS


def main() -> None:
    small, large = seconds_per_bar(50), seconds_per_bar(5_000)
    print(
        json.dumps(
            {
                "microseconds_per_bar_50_assets": round(small * 1e6, 1),
                "microseconds_per_bar_5000_assets": round(large * 1e6, 1),
                "ratio": round(large / small, 3),
            }
        )
    )


if __name__ == "__main__":
    main()
