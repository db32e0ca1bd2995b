"""Rules, limits, cost models, sizers and feature functions of a user; `test_identity` edits them.

Run as a script it prints the id and configuration of one run with all of them.
"""

import sys
from datetime import date, timedelta
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from ml4t.backtest import BacktestConfig, BacktestEngine
from ml4t.backtest.data import PolarsDataFeed
from ml4t.backtest.data.feature_provider import CallableFeatureProvider
from ml4t.backtest.risk import Limit, RiskManager, RiskRule
from ml4t.backtest.strategies import PercentSizer, Rule, SignalStrategy

DAYS = [date(2024, 1, 2) + timedelta(days=i) for i in range(8)]
CLOSES = [10.5, 11.5, 12.5, 11.5, 13.5, 14.5, 13.5, 15.5]
PRICES = {"timestamp": DAYS, "asset_id": ["A"] * 8, "open": CLOSES, "high": CLOSES, "low": CLOSES,
          "close": CLOSES}  # fmt: skip
LEVEL = 12.0
SCALE = {"fee": 1.0}


class Fee:
    """A cost model with a private parameter, a slot, an array and a reference to itself."""

    features = ()
    __slots__ = ("__weekend", "_bp", "kinds", "me", "weights")

    def __init__(self, bp: float = 1.0) -> None:
        self._bp, self.kinds, self.me = bp, {"b", "a", "c"}, self
        self.weights, self.__weekend = np.array([1.0, 2.0]), 0.0

    def charge(self, quote: Any) -> Any:
        return quote.value * self._bp * SCALE["fee"] / 10_000 + self.__weekend


class Spread:
    features = ()

    def __init__(self, of: Any) -> None:
        self.of = of

    def fill_price(self, quote: Any) -> Any:
        return self.of(quote.price)


class Leaves(RiskRule):
    needs_range = False

    def __init__(self, bars: int = 3) -> None:
        self._bars = bars

    def exits(self, held: Any) -> Any:
        return held.bars_held >= self._bars


class Half(Limit):
    def edit(self, wish: Any) -> Any:
        return np.minimum(wish.wanted, 0.5)


class Fixed(PercentSizer):
    def enter(self, entry: Any) -> Any:
        return entry.helpers.buy(entry.asset_id, 10.0)


def hold(price: Any, factor: float) -> Any:
    return price * factor


def hotter(asset_id: object, timestamp: object) -> dict[str, float]:
    return {"heat": LEVEL}


def run(**changed: Any) -> Any:
    """Run with all of them, some of them changed."""
    parts = {
        "fee": Fee(), "spread": partial(hold, factor=1.0), "rule": Leaves(), "limit": Half(),
        "sizer": Fixed(0.5), "function": hotter,
    } | changed  # fmt: skip
    strategy = SignalStrategy(
        [Rule.signal_above("close", 11.0), Rule.not_in_position()],
        [Rule.stop_loss(0.5)],
        position_sizer=parts["sizer"],
    )
    feed = PolarsDataFeed(
        pl.DataFrame(PRICES), feature_provider=CallableFeatureProvider(parts["function"])
    )
    config = BacktestConfig(commission=parts["fee"], slippage=Spread(parts["spread"]))
    manager = RiskManager([parts["rule"]], [parts["limit"]])
    return BacktestEngine(feed, strategy, risk_manager=manager, config=config).run()


def told(result: Any) -> tuple[str, str]:
    return result.sql("select run_id, configuration from runs").fetchall()[0]


if __name__ == "__main__":
    sys.stdout.write("\n".join(told(run())) + "\n")
