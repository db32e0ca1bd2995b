"""What every peer script shares: the workload's numbers, the data, the JSON line.

The panel is read into (bar, asset) matrices with pyarrow and NumPy, so a peer whose
natural input is a matrix does not pay for a pivot. The panel must be complete: one row
per bar and asset in both prices.parquet and features.parquet.
"""

import argparse
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

INITIAL_CASH = 1_000_000.0
TOP_N = 25
EVERY = 5
MAX_VIX = 30.0
SLIPPAGE = 0.0005
COMMISSION = 0.001
ATR_MULTIPLE = 2.0
TRAIL = 0.05
MAX_BARS = 60
#: Cash lent to peers that refuse an overdraft; it is never part of the equity.
CREDIT = 1_000_000.0


@dataclass(frozen=True)
class Panel:
    """The three files as matrices, bars in time order and assets in name order."""

    timestamps: np.ndarray
    assets: list[str]
    prices: dict[str, np.ndarray]
    score: np.ndarray
    atr: np.ndarray
    vix: np.ndarray

    def targets(self) -> dict[int, np.ndarray]:
        """Map each decision bar (0-based) to its target columns, best score first."""
        bars = np.arange(EVERY - 1, len(self.timestamps), EVERY)
        bars = bars[self.vix[bars] <= MAX_VIX]
        keys = np.where(np.isnan(self.atr[bars]), np.nan, -self.score[bars])
        order = np.argsort(keys, axis=1, kind="stable")[:, :TOP_N]
        counts = np.minimum((~np.isnan(keys)).sum(axis=1), TOP_N)
        return {int(bar): row[:count] for bar, row, count in zip(bars, order, counts, strict=True)}


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


def arguments(*workloads: str, engines: tuple[str, ...] = ()) -> argparse.Namespace:
    """Parse DATA_DIR, --workload and (where there is a choice) --engine."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--workload", choices=workloads, default=workloads[0])
    if engines:
        parser.add_argument("--engine", choices=engines, default=engines[0])
    return parser.parse_args()


def report(peer: str, package: str, workload: str, equity: float, fills: int) -> None:
    """Print the one JSON line that ends every peer."""
    line = {
        "peer": peer,
        "version": version(package),
        "workload": workload,
        "final_equity": float(equity),
        "fills": int(fills),
    }
    print(json.dumps(line))
