"""The market and its picks as polars frames, for the peers that take one.

Prices are the opens, at which these peers trade, with one more timestamp for the last closes,
which mark the end. As the panel of the matrices, nothing is taken for sorted.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import polars as pl
from _common import EVERY, MAX_VIX, TOP_N

KEYS = ["timestamp", "asset_id"]


@dataclass(frozen=True)
class Frames:
    """``prices``: timestamp, asset_id, price, sorted; ``decisions``: decided, filled; ``picks``:
    decided, asset_id, weight."""

    prices: pl.DataFrame
    decisions: pl.DataFrame
    picks: pl.DataFrame


def read_frames(data_dir: Path, *, after: timedelta, every: int = EVERY) -> Frames:
    """Read the files; the last closes stand `after` the last timestamp."""
    raw = pl.read_parquet(data_dir / "prices.parquet", columns=[*KEYS, "open", "close"])
    at_end = raw.filter(pl.col("timestamp") == pl.col("timestamp").max())
    prices = pl.concat([
        raw.select(*KEYS, price="open"),
        at_end.select(pl.col("timestamp") + after, "asset_id", price="close"),
    ]).sort(KEYS)  # fmt: skip
    decisions = (
        pl.read_parquet(data_dir / "context.parquet", columns=["timestamp", "vix"])
        .sort("timestamp")
        .select("vix", decided="timestamp", filled=pl.col("timestamp").shift(-1))
        .gather_every(every, every - 1)
        .filter(pl.col("vix") <= MAX_VIX)
        .drop("vix")
    )
    columns = [*KEYS, "ml_score", "atr"]
    picks = (
        pl.read_parquet(data_dir / "features.parquet", columns=columns)
        .join(decisions, left_on="timestamp", right_on="decided", how="semi")
        .filter(pl.col("atr").is_not_null())
        .filter(pl.col("ml_score").rank("ordinal", descending=True).over("timestamp") <= TOP_N)
        .select("asset_id", decided="timestamp", weight=pl.lit(1.0 / TOP_N))
    )
    return Frames(prices, decisions, picks)
