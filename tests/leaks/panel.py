"""The market over which leaks are planted, and the shapes in which a feature is computed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml4t.backtest import Catalog
from ml4t.backtest.synthetic import make_market

Floats = NDArray[np.float64]
# What a function of `register` is given: a relation for each source, and `sql`.
Sources = Any
Feature = Callable[[Sources], pl.DataFrame]

KEYS = ("timestamp", "asset_id")
# Bars from one end of a period to the next, and days until a report of it and its revision.
PERIOD, REPORTED, REVISED = 21, 9, 40


def write_panel(folder: Path, n_assets: int = 30, n_bars: int = 150) -> Path:
    """Write ``prices.parquet`` and ``reports.parquet`` and return the folder.

    Reports are of the end of each period, with ``available_at``; each is revised later, so that a
    period has two rows.
    """
    make_market(folder, n_assets=n_assets, n_bars=n_bars, seed=11)
    prices = pl.read_parquet(folder / "prices.parquet")
    ends = prices["timestamp"].unique().sort()[PERIOD - 1 :: PERIOD]
    draw = np.random.default_rng(12)
    first = prices.filter(pl.col("timestamp").is_in(ends.implode())).select(KEYS)
    first = first.with_columns(
        (pl.col("timestamp") + timedelta(days=REPORTED)).alias("available_at"),
        pl.Series("earnings", draw.normal(2.0, 1.0, len(first))),
    )
    revised = first.with_columns(
        (pl.col("timestamp") + timedelta(days=REVISED)).alias("available_at"),
        pl.col("earnings") + draw.normal(0.0, 0.5, len(first)),
    )
    reports = pl.concat([first, revised]).sort("available_at", *KEYS)
    reports.write_parquet(folder / "reports.parquet")
    return folder


def panel_catalog(folder: Path, feature: object = None) -> Catalog:
    """Return a catalog of a panel, with a feature over its prices and reports."""
    catalog = Catalog().register("prices", folder / "prices.parquet")
    catalog.register("features", folder / "reports.parquet", name="reports")
    return catalog if feature is None else catalog.register("features", feature, name="planted")


def together(features: Iterable[Feature]) -> Feature:
    """Return features as one, with a column for each."""

    def joined(sources: Sources) -> pl.DataFrame:
        frames = [one(sources) for one in features]
        return functools.reduce(lambda left, right: left.join(right, on=KEYS), frames)

    return joined


def prices_of(sources: Sources) -> pl.DataFrame:
    """Return the prices, by time and asset."""
    return sources.prices.pl().sort(KEYS)


def grid(sources: Sources, column: str = "close") -> tuple[pl.DataFrame, Floats]:
    """Return the keys of the prices, and a column of them as bars x assets."""
    prices = prices_of(sources)
    n_assets = prices["asset_id"].n_unique()
    return prices.select(KEYS), prices[column].to_numpy().reshape(-1, n_assets)


def feature(keys: pl.DataFrame, name: str, values: Floats) -> pl.DataFrame:
    """Return values, bars x assets, as the rows of a feature."""
    return keys.with_columns(pl.Series(name, values.reshape(-1), nan_to_null=True))


def returns(closes: Floats, ahead: int = 0) -> Floats:
    """Return the change of each close since the one before, so many bars later; NaN at the ends."""
    found = np.full_like(closes, np.nan)
    found[1:] = closes[1:] / closes[:-1] - 1.0
    if ahead:
        found = np.vstack([found[ahead:], np.full((ahead, closes.shape[1]), np.nan)])
    return found


def fitted(inputs: Floats, target: Floats) -> Floats:
    """Return the least squares of a target on a constant and some inputs, each of them flat."""
    known = np.isfinite(target) & np.isfinite(inputs).all(axis=0)
    design = np.column_stack([np.ones(known.sum()), *(one[known] for one in inputs)])
    weights, *_ = np.linalg.lstsq(design, target[known], rcond=None)
    return np.asarray(weights)


def predicted(weights: Floats, inputs: Floats) -> Floats:
    """Return what a fit says for inputs."""
    return np.asarray(weights[0] + np.tensordot(weights[1:], inputs, axes=1))


def past_inputs(closes: Floats) -> Floats:
    """Return what a model may know at each bar: the last return, and that of five bars."""
    five = np.full_like(closes, np.nan)
    five[5:] = closes[5:] / closes[:-5] - 1.0
    return np.stack([returns(closes), five])
