"""What the examples of markets share: made-up daily bars, and a summary of what a run paid.

Not an example itself. The prices are a random walk: what a run earns on them says nothing.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import polars as pl

from ml4t.backtest import BacktestResult


def make_bars(
    first: str, *, n_assets: int = 8, n_bars: int = 60, tick: float = 0.01, limit: float = 0.2,
    price: float = 40.0, seed: int = 7,
) -> pl.DataFrame:  # fmt: skip
    """Return bars of weekdays, on ticks, no close beyond `limit` of the one before."""
    random = np.random.default_rng(seed)
    start = np.datetime64(first, "D")
    days = np.busday_offset(start, np.arange(n_bars), roll="forward").astype("datetime64[us]")
    frames = []
    for number in range(n_assets):
        moves = np.clip(random.normal(0, 0.03, n_bars), -limit, limit)
        close = np.round(price * (1 + number / 10) * np.cumprod(1 + moves) / tick) * tick
        before = np.concatenate((close[:1], close[:-1]))
        opening = np.round((before + close) / 2 / tick) * tick
        frames.append(
            pl.DataFrame(
                {
                    "timestamp": days, "asset_id": f"S{number}",
                    "open": opening, "high": np.maximum(opening, close),
                    "low": np.minimum(opening, close), "close": close, "prev_close": before,
                    "score": random.normal(size=n_bars),
                }
            )
        )  # fmt: skip
    return pl.concat(frames)


def show(result: BacktestResult) -> None:
    """Print what a run paid, by column, and its first fills."""
    print(
        f"{result['n_trades']} trades; commission {result['commission']:.2f}, "
        f"tax {result['tax']:.2f}, fee {result['fee']:.2f}"
    )
    print(
        result.sql(
            "select timestamp::date as day, asset_id, quantity, price, commission, tax, fee "
            "from fills order by fill_id limit 6"
        ).pl()
    )


def cents(amount: float) -> float:
    """Return an amount to the cent, halves up, as bills have it."""
    return float(Decimal(repr(round(amount, 8))).quantize(Decimal("0.01"), ROUND_HALF_UP))


def require(found: float, expected: float) -> None:
    """Raise unless an amount is what the arithmetic beside it says."""
    if abs(found - expected) > 1e-6:
        raise AssertionError(f"{found} is not {expected}")
