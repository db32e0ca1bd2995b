"""The market as (bar, asset) matrices, read with pyarrow and NumPy.

A peer whose natural input is a matrix does not pay for a pivot. The panel must be complete: one
row per bar and asset in both prices.parquet and features.parquet.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from _common import EVERY, MAX_VIX, TOP_N


@dataclass(frozen=True)
class Panel:
    """The three files as matrices, bars in time order and assets in name order."""

    timestamps: np.ndarray
    assets: list[str]
    prices: dict[str, np.ndarray]
    score: np.ndarray
    atr: np.ndarray
    vix: np.ndarray

    def targets(self, every: int = EVERY, n: int = TOP_N) -> dict[int, np.ndarray]:
        """Map each decision bar (0-based) to its target columns, best score first."""
        bars = np.arange(every - 1, len(self.timestamps), every)
        bars = bars[self.vix[bars] <= MAX_VIX]
        keys = np.where(np.isnan(self.atr[bars]), np.nan, -self.score[bars])
        order = np.argsort(keys, axis=1, kind="stable")[:, :n]
        counts = np.minimum((~np.isnan(keys)).sum(axis=1), n)
        return {int(bar): row[:count] for bar, row, count in zip(bars, order, counts, strict=True)}

    def weights_at_fills(self, every: int = EVERY, n: int = TOP_N) -> np.ndarray:
        """On fill bars 1 / n for the picks and 0 for what the last target held; else NaN."""
        weights = np.full((len(self.timestamps), len(self.assets)), np.nan)
        held = np.empty(0, dtype=np.int64)
        for bar, picks in self.targets(every, n).items():
            if bar + 1 < len(weights):
                weights[bar + 1, held] = 0.0
                weights[bar + 1, picks] = 1.0 / n
                held = picks
        return weights

    def weights_in_force(self) -> np.ndarray:
        """On each bar the weights of the latest decision, that bar's own among them; else 0."""
        weights = np.zeros((len(self.timestamps), len(self.assets)))
        targets = self.targets()
        for (bar, picks), until in zip(targets.items(), [*list(targets)[1:], None], strict=True):
            weights[bar:until, picks] = 1.0 / TOP_N
        return weights


def read_wide(path: Path, columns: list[str]) -> tuple[np.ndarray, list[str], dict]:
    """Read a long Parquet file into one (bar, asset) matrix per column."""
    table = pq.read_table(
        path,
        columns=["timestamp", "asset_id", *columns],
        read_dictionary=["asset_id"],
    )
    stamps, row = np.unique(table["timestamp"].to_numpy(), return_inverse=True)
    encoded = table["asset_id"].unify_dictionaries().combine_chunks()
    names = np.array(encoded.dictionary.to_pylist())
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.argsort(names)] = np.arange(len(names))
    flat = row * len(names) + rank[encoded.indices.to_numpy()]
    wide = {}
    for column in columns:
        matrix = np.full(len(stamps) * len(names), np.nan)
        matrix[flat] = table[column].to_numpy()
        wide[column] = matrix.reshape(len(stamps), len(names))
    return stamps, sorted(names.tolist()), wide


def read_panel(data_dir: Path, price_columns: list[str]) -> Panel:
    """Read the prices a peer needs, both features and the vix."""
    stamps, assets, prices = read_wide(data_dir / "prices.parquet", price_columns)
    _, _, features = read_wide(data_dir / "features.parquet", ["ml_score", "atr"])
    context = pq.read_table(data_dir / "context.parquet").sort_by("timestamp")
    return Panel(
        timestamps=stamps,
        assets=assets,
        prices=prices,
        score=features["ml_score"],
        atr=features["atr"],
        vix=context["vix"].to_numpy(),
    )
