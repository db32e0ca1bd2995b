"""Small markets for the strategies of the documents, and runs over them that cost nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from hand_events import bought, close, day
from ml4t.backtest import BacktestConfig, BacktestEngine, BacktestResult, Catalog, Strategy
from ml4t.backtest.core.event import MarketEvent
from ml4t.backtest.execution import SimulationBroker
from ml4t.backtest.risk import RiskManager
from scripted import FREE

CAPITAL = 100_000


def bars(closes: Sequence[float], asset: str = "AAPL", **columns: Any) -> pl.DataFrame:
    """One asset that stands still inside each day; a column is a list, or one value for all."""
    values = [float(close) for close in closes]
    return pl.DataFrame(
        {
            "timestamp": [day(t) for t in range(len(values))],
            "asset_id": [asset] * len(values),
            **dict.fromkeys(("open", "high", "low", "close"), values),
            "volume": [1_000_000] * len(values),
            **{
                name: column if isinstance(column, list) else [column] * len(values)
                for name, column in columns.items()
            },
        }
    )


def features(asset: str = "AAPL", **columns: list[Any]) -> pl.DataFrame:
    """Rows of an asset, one a day, in the schema of a feature provider."""
    n = len(next(iter(columns.values())))
    keys = {"timestamp": [day(t) for t in range(n)], "asset_id": [asset] * n}
    return pl.DataFrame({**keys, **columns})


def market(**columns: list[Any]) -> pl.DataFrame:
    """Market-wide rows, one a day: their asset is NULL."""
    n = len(next(iter(columns.values())))
    keys = {"timestamp": [day(t) for t in range(n)], "asset_id": pl.Series([None] * n, dtype=str)}
    return pl.DataFrame({**keys, **columns})


def context(**columns: Sequence[Any]) -> dict[datetime, dict[str, Any]]:
    """``{timestamp: {name: value}}`` of columns."""
    rows = zip(*columns.values(), strict=True)
    return {day(t): dict(zip(columns, row, strict=True)) for t, row in enumerate(rows)}


def run(
    strategy: Strategy,
    prices: pl.DataFrame,
    *,
    context_data: Mapping[datetime, Mapping[str, Any]] | None = None,
    risk_manager: RiskManager | None = None,
    **settings: Any,
) -> BacktestResult:
    """Run 100,000 without costs, so that sizes are round; `settings` are the configuration's."""
    return BacktestEngine(
        Catalog(threads=1).register("prices", prices),
        strategy,
        context_data=context_data,
        risk_manager=risk_manager,
        initial_capital=CAPITAL,
        config=BacktestConfig(**{**FREE, **settings}),
    ).run()


def holding(asset: str = "AAPL", price: float = 100.0) -> SimulationBroker:
    """A broker that has bought 10 shares on day 0."""
    broker = SimulationBroker(10_000, **FREE)
    bought(broker, asset, 10)
    broker.on_market_event(close(0, price, asset))
    return broker


class AtBar(Strategy):
    """Calls functions with itself at given bars, inside the handler of an event."""

    def __init__(self, script: Mapping[int, Callable[[AtBar], object]]) -> None:
        self._script = {day(t): act for t, act in script.items()}
        self._done: set[datetime] = set()

    def on_market_event(self, event: MarketEvent, context: object = None) -> None:
        if event.timestamp in self._script and event.timestamp not in self._done:
            self._done.add(event.timestamp)
            self._script[event.timestamp](self)


class BuyOnce(Strategy):
    """Buys a tenth of its equity of every asset at its first bar."""

    def __init__(self) -> None:
        self._bought: set[object] = set()

    def on_market_event(self, event: MarketEvent, context: object = None) -> None:
        if event.asset_id not in self._bought:
            self._bought.add(event.asset_id)
            self.buy_percent(event.asset_id, 0.1)
