"""Five features that read the past alone, beside those of `baked_in` that do not."""

from __future__ import annotations

import numpy as np
import polars as pl

from leaks.panel import (
    KEYS,
    Feature,
    Sources,
    feature,
    fitted,
    grid,
    past_inputs,
    predicted,
    prices_of,
    returns,
)

# Bars from one fit of a model to the next, and those that the first one is fitted to.
EVERY, FIRST = 20, 40


def trailing_mean(sources: Sources) -> pl.DataFrame:
    """The mean of the last five closes."""
    mean = pl.col("close").rolling_mean(5).over("asset_id", order_by="timestamp")
    return prices_of(sources).select(*KEYS, trailing_mean=mean)


def expanding_z_score(sources: Sources) -> pl.DataFrame:
    """A z-score by the mean and deviation of the closes so far."""
    keys, closes = grid(sources)
    n = np.arange(1, len(closes) + 1)[:, None]
    mean = closes.cumsum(axis=0) / n
    variance = np.maximum((closes**2).cumsum(axis=0) / n - mean**2, 1e-12)
    score = (closes - mean) / np.sqrt(variance)
    score[0] = np.nan
    return feature(keys, "expanding_z_score", score)


def walk_forward(sources: Sources) -> pl.DataFrame:
    """What a regression says that is fitted anew, to bars whose next return is known."""
    keys, closes = grid(sources)
    inputs, target = past_inputs(closes), returns(closes, ahead=1)
    found = np.full_like(closes, np.nan)
    for t in range(FIRST, len(closes), EVERY):
        # The next return of bar t - 1 is that of bar t, and known at it.
        weights = fitted(inputs[:, :t], target[:t])
        found[t : t + EVERY] = predicted(weights, inputs[:, t : t + EVERY])
    return feature(keys, "walk_forward", found)


def rank_of_day(sources: Sources) -> pl.DataFrame:
    """The rank of a return among those of all assets at the bar."""
    keys, closes = grid(sources)
    change = feature(keys, "change", np.nan_to_num(returns(closes)))
    rank = pl.col("change").rank().over("timestamp")
    return change.select(*KEYS, rank_of_day=rank)


def known_earnings(sources: Sources) -> pl.DataFrame:
    """The newest earnings, at their newest revision, of what was reported by a bar."""
    rows = sources.sql("""
        select prices.timestamp, prices.asset_id,
            arg_max(reports.earnings, (reports.timestamp, reports.available_at)) as known_earnings
        from prices
        left join reports
            on prices.asset_id = reports.asset_id
            and reports.available_at <= prices.timestamp
        group by all
        order by all
    """)
    return rows.pl()


CLEAN: tuple[Feature, ...] = (
    trailing_mean, expanding_z_score, walk_forward, rank_of_day, known_earnings,
)  # fmt: skip
