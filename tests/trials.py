"""Sweeps that never ran: trials with returns or metrics that a test names."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.data.database import Database, Relation

Returns = NDArray[np.float64]
FIRST = datetime(2020, 1, 1)


def sweep_of(
    returns: Returns, errors: dict[int, str] | None = None, *, threads: int = 2
) -> Database:
    """A sweep whose trials, columns from 1, have returns; NaN: none at the bar."""
    n_bars, n_trials = returns.shape
    database = Database(threads=threads)
    database.execute("create table trials (trial integer, error varchar)")
    database.register(
        "given",
        {
            "trial": np.repeat(np.arange(1, n_trials + 1), n_bars),
            "bar": np.tile(np.arange(n_bars), n_trials),
            "excess": returns.T.ravel(),
        },
    )
    database.execute(
        "create table trial_returns as select trial::integer as trial, "
        "timestamp '2020-01-01' + interval (bar) day as timestamp, "
        "case when not isnan(excess) then excess end as excess from given"
    )
    for trial in range(1, n_trials + 1):
        error = (errors or {}).get(trial)
        database.execute(
            "insert into trials values ($trial, $error)", {"trial": trial, "error": error}
        )
    return database


def metrics_of(sharpes: list[float | None], **facts: Any) -> Database:
    """A sweep that kept metrics alone: Sharpe ratios of its trials, None: none."""
    database = Database()
    database.execute(
        "create table trials (trial integer, sharpe double, bars_per_year double, n_bars integer, "
        "skew double, kurtosis double, error varchar)"
    )
    row = {"bars_per_year": 250.0, "n_bars": 1250, "skew": -3.0, "kurtosis": 7.0, "error": None}
    for trial, sharpe in enumerate(sharpes, start=1):
        values = {"trial": trial, "sharpe": sharpe, **row, **facts}
        database.execute(
            "insert into trials values "
            "($trial, $sharpe, $bars_per_year, $n_bars, $skew, $kurtosis, $error)",
            values,
        )
    return database


def records(relation: Relation) -> list[dict[str, Any]]:
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def row(relation: Relation) -> dict[str, Any]:
    (found,) = records(relation)
    return found


def noise(seed: int, n_bars: int, n_trials: int) -> Returns:
    return np.random.default_rng(seed).normal(0.0003, 0.01, (n_bars, n_trials))
