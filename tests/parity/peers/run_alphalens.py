"""Runs alphalens-reloaded over closes and a factor: ``run_alphalens.py given.csv folder``."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pandas as pd

warnings.filterwarnings("ignore")

from alphalens import performance, utils  # noqa: E402

HORIZONS = (1, 5)


def main(given: str, taken: str) -> None:
    rows = pd.read_csv(given, parse_dates=["timestamp"])
    closes = rows.pivot(index="timestamp", columns="asset_id", values="close")
    factor = rows.dropna().set_index(["timestamp", "asset_id"])["factor"]
    clean = utils.get_clean_factor_and_forward_returns(
        factor, closes, quantiles=5, periods=HORIZONS, max_loss=1
    )
    found = {
        "ic": performance.factor_information_coefficient(clean),
        "quantile_returns": performance.mean_return_by_quantile(
            clean, by_date=True, demeaned=False
        )[0],
    }
    for name, table in found.items():
        table.columns = list(HORIZONS)
        found[name] = table.stack()
    for quantile in (1, 5):
        found[f"turnover_{quantile}"] = performance.quantile_turnover(
            clean["factor_quantile"], quantile
        )
    found["autocorrelation"] = performance.factor_rank_autocorrelation(clean)
    for name, series in found.items():
        series.dropna().to_csv(Path(taken) / f"{name}.csv", header=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
