"""A sweep of our engine on a generated market, as one process: python our_sweep.py FOLDER."""

from __future__ import annotations

import argparse
import json
import tempfile

import ml4t.backtest.risk as r
from ml4t.backtest import Catalog, RandomSample, RunStore, Sweep, TopN

#: Of W1's kind: 1,200 sets of parameters, of which so many are drawn as are asked for.
SPACE = {
    "n": [5, 10, 15, 20, 25, 30, 35, 40, 45, 50],
    "by": ["ml_score", "-ml_score", "atr", "-atr", "ml_score / atr"],
    "where": ["atr is not null", "atr is not null and ml_score is not null"],
    "every": [5, 10, 20, 60],
    "stop": [None, 0.1, 0.2],
}
ROLES = ("prices", "features", "context")


def make(n: int, by: str, where: str, every: int, stop: float | None) -> dict[str, object]:
    strategy = TopN(n, by=by, where=where, when="vix <= 30", every=every)
    rules = [] if stop is None else [r.StopLoss(stop)]
    return {"strategy": strategy, "risk_manager": r.RiskManager(rules)}


def ten_of_w1() -> list[dict[str, object]]:
    """Ten rankings of W1 itself, without stops: what vectorbt is asked beside."""
    sizes = (5, 10, 15, 20, 25, 30, 35, 40, 45, 50)
    shared = {"by": "ml_score", "where": "atr is not null", "every": 5, "stop": None}
    return [{"n": n, **shared} for n in sizes]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--trials", type=int, default=0, help="0: ten of W1 itself")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--detail", default="metrics")
    options = parser.parse_args()
    catalog = Catalog()
    for role in ROLES:
        catalog.register(role, f"{options.data}/{role}.parquet")
    grid: object = RandomSample(SPACE, options.trials) if options.trials else ten_of_w1()
    with tempfile.TemporaryDirectory() as folder:
        sweep = Sweep(
            catalog, make, grid, store=folder, detail=options.detail, initial_capital=1_000_000
        )
        result = sweep.run(n_jobs=options.jobs)
        best, mean = result.sql("select max(sharpe), avg(final_value) from trials").fetchall()[0]
        facts = {
            "trials": len(result),
            "failed": len(result.failed),
            "best_sharpe": best,
            "mean_final_value": mean,
            "runs_kept": len(RunStore(folder)),
        }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
