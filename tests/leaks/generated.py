"""Strategies drawn at random of what is causal by its making: an audit of them finds nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ml4t.backtest import BacktestConfig, BacktestEngine, Catalog, ExecutionPolicy, Strategy, TopN
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.execution.timing import NextClose, NextOpen
from ml4t.backtest.risk import RiskManager, StopLoss, TakeProfit, TimeBasedExit
from ml4t.backtest.strategy.broker import StrategyBroker

Draw = np.random.Generator
OF_ASSET = "partition by asset_id order by timestamp"
FUNCTIONS = ("avg", "min", "max", "stddev", "median", "sum", "first", "count")


def _column(draw: Draw) -> str:
    return str(draw.choice(["open", "high", "low", "close", "volume"]))


def _history(draw: Draw) -> str:
    """A value of an asset's past."""
    column, n = _column(draw), int(draw.integers(1, 12))
    if draw.random() < 0.4:
        return f"lag({column}, {n}) over ({OF_ASSET})"
    start = "unbounded" if draw.random() < 0.3 else str(n)
    function = draw.choice(FUNCTIONS)
    return f"{function}({column}) over ({OF_ASSET} rows between {start} preceding and current row)"


def _feature(draw: Draw) -> str:
    one, other = (_history(draw) if draw.random() < 0.7 else _column(draw) for _ in range(2))
    forms = (
        f"{one} / nullif({other}, 0) - 1",
        f"{one} - {other}",
        f"case when {one} > {other} then close else {one} end",
        f"coalesce({one}, {other})",
        f"ln(1 + abs({one}))",
    )
    return str(draw.choice(forms))


def _query(draw: Draw) -> str:
    """A source of two columns, the second of them of the bar's assets beside each other."""
    ranked = draw.choice(["rank()", "percent_rank()", "ntile(3)"])
    return f"""
        with own as (select timestamp, asset_id, {_feature(draw)} as f from prices)
        select timestamp, asset_id, f,
            {ranked} over (partition by timestamp order by f, asset_id) as g
        from own
    """


def _function(draw: Draw) -> Callable[[Any], pl.DataFrame]:
    """The same as a function of the sources."""
    n, weight = int(draw.integers(2, 12)), float(draw.uniform(0.1, 0.9))

    def made(sources: Any) -> pl.DataFrame:
        close = pl.col("close")
        smooth = weight * close + (1 - weight) * close.rolling_mean(n)
        rows = sources.prices.pl().sort("timestamp", "asset_id")
        rows = rows.with_columns(f=smooth.over("asset_id", order_by="timestamp"))
        rank = pl.col("f").rank().over("timestamp")
        return rows.select("timestamp", "asset_id", "f", g=rank)

    return made


class Remembers(Strategy):
    """Holds what has risen most since it last looked, by what it has seen itself."""

    def __init__(self, n: int, every: int) -> None:
        self._n, self._every = n, every
        self._seen = dict[str, float]()

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        if batch.t % self._every:
            return
        closes = dict(zip(broker.assets, batch.close.tolist(), strict=True))
        risen = {one: close / self._seen.get(one, close) for one, close in closes.items()}
        best = sorted(risen, key=lambda one: (-risen[one], one))[: self._n]
        broker.order_target_weights(dict.fromkeys(best, 0.9 / self._n))
        self._seen = closes


def generated(market: Path, seed: int) -> BacktestEngine:
    """Return a run that reads nothing of the future.

    Parameters
    ----------
    market : Path
        Folder of ``prices.parquet`` and ``context.parquet``.
    """
    draw = np.random.default_rng(seed)
    catalog = Catalog().register("prices", market / "prices.parquet")
    source = _query(draw) if draw.random() < 0.7 else _function(draw)
    catalog.register("features", source, name="own")
    if draw.random() < 0.5:
        catalog.register("context", market / "context.parquet")
    every, n = int(draw.integers(1, 8)), int(draw.integers(1, 5))
    by = str(draw.choice(["f", "g", "f * g", "f + close", "-f"]))
    strategy = TopN(n, by=by, every=every) if draw.random() < 0.7 else Remembers(n, every)
    rules = [StopLoss(0.03), TakeProfit(0.05), TimeBasedExit(4)]
    manager = RiskManager([one for one in rules if draw.random() < 0.3])
    timing = NextOpen() if draw.random() < 0.7 else NextClose()
    config = BacktestConfig(execution=ExecutionPolicy(timing=timing))
    return BacktestEngine(catalog, strategy, config=config, risk_manager=manager)
