"""Made-up minute bars: python benchmarks/minute_market.py FOLDER --sessions 63.

The three files of `ml4t.backtest.synthetic`, in sessions of 390 minutes from 09:30 on business
days. Prices are in cents; scores know nothing of what follows. Each session is one row group,
made from a stream of its own, so that memory does not follow the number of sessions and a short
market is the beginning of a longer one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

MINUTES = 390
ATR_BARS = 20
FIRST_DAY = "2020-01-02"
KEYS = [("timestamp", pa.timestamp("us")), ("asset_id", pa.string())]
PRICES = ("open", "high", "low", "close", "volume")
FEATURES = ("ml_score", "atr")

Floats = NDArray[np.float64]


def schema(names: tuple[str, ...]) -> pa.Schema:
    return pa.schema([*KEYS, *((name, pa.float64()) for name in names)])


def sessions(n_assets: int, n_sessions: int, seed: int) -> Iterator[dict[str, Floats]]:
    """Yield each session's columns as [minute, asset]; closes and true ranges are carried over."""
    start = np.random.default_rng([seed, 0])
    volatility = start.uniform(0.008, 0.025, n_assets) / np.sqrt(MINUTES)
    close = start.uniform(20.0, 200.0, n_assets).round(2)
    ranges = np.full((ATR_BARS, n_assets), np.nan)
    shape = (MINUTES, n_assets)
    for session in range(n_sessions):
        stream = np.random.default_rng([seed, 1, session])
        market = 0.0003 * stream.standard_normal((MINUTES, 1))
        steps = market + volatility * stream.standard_normal(shape)
        # A price that has fallen below 5 rises again: cents stay small beside it.
        steps += np.where(close < 5.0, 0.002, 0.0)
        closes = (close * np.exp(np.cumsum(steps, axis=0))).round(2)
        before = np.concatenate([close[None], closes[:-1]])
        opens = (before * np.exp(0.2 * volatility * stream.standard_normal(shape))).round(2)
        up, down = 0.4 * volatility * np.abs(stream.standard_normal((2, *shape)))
        highs = (np.maximum(opens, closes) * np.exp(up)).round(2)
        lows = (np.minimum(opens, closes) * np.exp(-down)).round(2)
        known = np.concatenate([ranges, np.maximum(highs, before) - np.minimum(lows, before)])
        sums = np.cumsum(np.nan_to_num(known), axis=0)
        atr = (sums[ATR_BARS:] - sums[:-ATR_BARS]) / ATR_BARS
        if session == 0:
            atr[: ATR_BARS - 1] = np.nan
        yield {
            "open": opens,
            "high": highs,
            "low": lows,
            "close": closes,
            "volume": np.floor(1e4 * stream.random(shape)) + 100.0,
            "ml_score": stream.random(shape),
            "atr": atr,
        }
        close, ranges = closes[-1], known[-ATR_BARS:]


def make(folder: Path, *, n_assets: int = 500, n_sessions: int = 63, seed: int = 42) -> None:
    """Write prices, features and context; the last file written is the context."""
    folder.mkdir(parents=True, exist_ok=True)
    days = np.busday_offset(FIRST_DAY, np.arange(n_sessions), roll="forward")
    opening = days.astype("datetime64[us]") + np.timedelta64(9 * 60 + 30, "m")
    minutes = np.arange(MINUTES).astype("timedelta64[m]")
    ids = pa.array(np.tile([f"S{i:04d}" for i in range(n_assets)], MINUTES).tolist(), pa.string())
    kinds = {"prices": PRICES, "features": FEATURES}
    files = {kind: pq.ParquetWriter(folder / f"{kind}.parquet", schema(names))
             for kind, names in kinds.items()}  # fmt: skip
    for start, columns in zip(opening, sessions(n_assets, n_sessions, seed), strict=True):
        stamps = np.repeat(start + minutes, n_assets)
        for kind, names in kinds.items():
            arrays = [pa.array(columns[name].ravel(), from_pandas=True) for name in names]
            files[kind].write_table(pa.table([stamps, ids, *arrays], schema=schema(names)))
    for file in files.values():
        file.close()
    stamps = (opening[:, None] + minutes).ravel()
    vix = 18.0 + 8.0 * np.random.default_rng([seed, 2]).standard_normal(n_sessions)
    daily = np.repeat(vix.round(2), MINUTES)
    pq.write_table(pa.table({"timestamp": stamps, "vix": daily}), folder / "context.parquet")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--assets", type=int, default=500)
    parser.add_argument("--sessions", type=int, default=63)
    options = parser.parse_args()
    make(options.folder, n_assets=options.assets, n_sessions=options.sessions)


if __name__ == "__main__":
    main()
