"""Events, bars and orders for tests of loops written by hand; bars are days from 2024-01-01."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from ml4t.backtest.core.event import MarketEvent
from ml4t.backtest.execution import (
    BasisPointCommission,
    BasisPointSlippage,
    LoopOrder,
    SimulationBroker,
)

FREE = {"commission": BasisPointCommission(0), "slippage": BasisPointSlippage(0)}
NAN = float("nan")
Bar = tuple[float, float, float, float]


def day(t: int) -> datetime:
    return datetime(2024, 1, 1) + timedelta(days=t)


def close(t: int, price: float, asset: str = "A", **values: Any) -> MarketEvent:
    """An event with a close alone, as the guide's loop makes them."""
    return MarketEvent(timestamp=day(t), asset_id=asset, close=price, **values)


def bar(t: int, row: Sequence[float], asset: str = "A", **values: Any) -> MarketEvent:
    prices = dict(zip(("open", "high", "low", "close"), row, strict=True))
    return MarketEvent(timestamp=day(t), asset_id=asset, **prices, **values)


def bought(broker: SimulationBroker, asset: str, quantity: float) -> LoopOrder:
    return broker.submit_order(broker.market_order(asset, quantity))


def walk(rng: np.random.Generator, n: int) -> list[Bar]:
    """Bars of a random walk with gaps; every price is inside its bar."""
    rows, price = [], 100.0
    for _ in range(n):
        opened = price * np.exp(rng.normal(0, 0.01))
        closed = opened * np.exp(rng.normal(0, 0.02))
        high = max(opened, closed) * (1 + abs(rng.normal(0, 0.01)))
        low = min(opened, closed) * (1 - abs(rng.normal(0, 0.01)))
        rows.append((round(opened, 4), round(high + 1e-4, 4), round(low - 1e-4, 4),
                     round(closed, 4)))  # fmt: skip
        price = closed
    return rows
