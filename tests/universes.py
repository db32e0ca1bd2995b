"""Random universes for differential tests: bars with holes, features with gaps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

import reference


@dataclass
class Universe:
    """The same rows twice: as the reference wants them, and as frames."""

    bars: dict[datetime, dict[str, reference.Bar]]
    signals: dict[tuple[datetime, str], dict[str, float | None]]
    market: dict[datetime, dict[str, float | None]]
    prices: pl.DataFrame
    features: pl.DataFrame
    context: pl.DataFrame


def make_universe(
    seed: int,
    *,
    n_assets: int = 6,
    n_bars: int = 40,
    volatility: float = 0.03,
    p_hole: float = 0.05,
    p_gap: float = 0.05,
    tied_scores: bool = False,
) -> Universe:
    """Draw a universe; `p_hole` bars and `p_gap` feature values are missing."""
    random = np.random.default_rng(seed)
    assets = [f"A{i:02d}" for i in range(n_assets)]
    times = [datetime(2024, 1, 1) + timedelta(days=i) for i in range(n_bars)]
    bars: dict[datetime, dict[str, reference.Bar]] = {}
    signals: dict[tuple[datetime, str], dict[str, float | None]] = {}
    last = {asset: float(random.uniform(20, 200)) for asset in assets}
    for time in times:
        bars[time] = {}
        for asset in assets:
            opens = last[asset] * float(np.exp(random.normal(0, volatility / 2)))
            close = opens * float(np.exp(random.normal(0, volatility)))
            high = max(opens, close) * (1 + abs(float(random.normal(0, volatility / 2))))
            low = min(opens, close) * (1 - min(abs(float(random.normal(0, volatility / 2))), 0.9))
            last[asset] = close
            if random.random() >= p_hole:
                bars[time][asset] = reference.Bar(opens, high, low, close)
            score = float(random.integers(0, 4)) if tied_scores else float(random.normal())
            atr = close * volatility * float(random.uniform(0.5, 2.0))
            signals[time, asset] = {
                "score": None if random.random() < p_gap else score,
                "atr": None if random.random() < p_gap else atr,
            }
        if not bars[time]:
            bars[time][assets[0]] = reference.Bar(close, close, close, close)
    market: dict[datetime, dict[str, float | None]] = {
        time: {"vix": float(random.uniform(10, 35))} for time in times
    }
    prices = pl.DataFrame(
        [
            {"timestamp": time, "asset_id": asset, **bar._asdict()}
            for time, row in bars.items()
            for asset, bar in row.items()
        ]
    )
    features = pl.DataFrame(
        [
            {"timestamp": time, "asset_id": asset, **values}
            for (time, asset), values in signals.items()
        ],
        schema_overrides={"score": pl.Float64, "atr": pl.Float64},
    )
    context = pl.DataFrame([{"timestamp": time, **row} for time, row in market.items()])
    return Universe(bars, signals, market, prices, features, context)
