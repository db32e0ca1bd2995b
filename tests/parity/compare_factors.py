"""Runs alphalens-reloaded and ours over the same factor of real prices, and says what differs.

    python tests/parity/compare_factors.py [--data DIR]

The package runs in an environment of its own, made by ``benchmarks/peers/setup.sh factors``. Exit
status 1: a figure differs by more than `APART`, or is not there.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
from pathlib import Path

from compare import HERE, PEERS, ROOT, SETUP, say

from ml4t.backtest import Catalog

APART = 1e-12
PRICES = """
    select timestamp, asset_id, adjusted_close as close, adjusted_close / lag(adjusted_close, 20)
        over (partition by asset_id order by timestamp) - 1 as factor
    from read_parquet('{file}')
    where timestamp >= '2013-01-01'
"""
# Key and value of each table, in the order of the package's.
QUERIES = {
    "ic": "select timestamp, horizon, rank_ic from ic",
    "quantile_returns": ("select quantile, timestamp, horizon, mean_return from quantile_returns"),
    "turnover_1": "select timestamp, turnover from turnover where quantile = 1",
    "turnover_5": "select timestamp, turnover from turnover where quantile = 5",
    "autocorrelation": "select timestamp, rank_autocorrelation from autocorrelation",
}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    file = parser.parse_args().data / "sp500_daily.parquet"
    catalog = Catalog().register("prices", PRICES.format(file=file), adjusted=True)
    found = catalog.factor("factor", horizons=(1, 5), price="close")
    subprocess.run(["bash", SETUP, "factors"], check=True)
    n_bad = 0
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "given.csv"
        rows = catalog.sql("select timestamp, asset_id, close, factor from signals")
        rows.df().to_csv(given, index=False)
        python = PEERS / "factors" / "bin" / "python"
        subprocess.run([python, HERE / "peers" / "run_alphalens.py", given, folder], check=True)
        for name, query in QUERIES.items():
            ours = {tuple(map(str, key)): value for *key, value in found.sql(query).fetchall()}
            with (Path(folder) / f"{name}.csv").open(encoding="utf-8") as lines:
                theirs = {tuple(key): float(value) for *key, value in csv.reader(lines)}
            apart = [abs(ours.get(key, float("inf")) - value) for key, value in theirs.items()]
            say(f"{name}: {len(apart)} figures, at most {max(apart):.1e} apart")
            n_bad += sum(one > APART for one in apart)
    return int(n_bad > 0)


if __name__ == "__main__":
    sys.exit(main())
