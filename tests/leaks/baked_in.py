"""Fifteen ways in which a feature knows the future, as they are found in notebooks."""

from __future__ import annotations

import numpy as np
import polars as pl

from leaks.panel import (
    KEYS,
    PERIOD,
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

N_GROUPS, N_FOLDS = 8, 5


def next_return(sources: Sources) -> pl.DataFrame:
    """The return of the next bar, by ``shift(-1)``."""
    close = pl.col("close")
    ahead = (close.shift(-1) / close - 1.0).over("asset_id", order_by="timestamp")
    return prices_of(sources).select(*KEYS, next_return=ahead)


def centred_mean(sources: Sources) -> pl.DataFrame:
    """A rolling mean whose window has the bar in its middle."""
    mean = pl.col("close").rolling_mean(5, center=True).over("asset_id", order_by="timestamp")
    return prices_of(sources).select(*KEYS, centred_mean=mean)


def filled_back(sources: Sources) -> pl.DataFrame:
    """Earnings at the ends of periods, filled backward into the bars before."""
    filled = pl.col("earnings").backward_fill().over("asset_id", order_by="timestamp")
    return _at_period_ends(sources).select(*KEYS, filled_back=filled)


def whole_z_score(sources: Sources) -> pl.DataFrame:
    """A z-score by the mean and deviation of the whole sample of an asset."""
    close = pl.col("close")
    score = (close - close.mean().over("asset_id")) / close.std().over("asset_id")
    return prices_of(sources).select(*KEYS, whole_z_score=score)


def whole_quantile(sources: Sources) -> pl.DataFrame:
    """The rank of a close among all closes of its asset, later ones too."""
    close = pl.col("close")
    rank = (close.rank() / close.len()).over("asset_id")
    return prices_of(sources).select(*KEYS, whole_quantile=rank)


def whole_scaler(sources: Sources) -> pl.DataFrame:
    """A scaler to 0 and 1, fitted to the least and the largest of the whole sample."""
    close = pl.col("close")
    least, most = close.min().over("asset_id"), close.max().over("asset_id")
    return prices_of(sources).select(*KEYS, whole_scaler=(close - least) / (most - least))


def whole_model(sources: Sources) -> pl.DataFrame:
    """What a regression of the next return says that was fitted to all bars."""
    keys, closes = grid(sources)
    inputs = past_inputs(closes)
    weights = fitted(inputs, returns(closes, ahead=1))
    return feature(keys, "whole_model", predicted(weights, inputs))


def target_encoding(sources: Sources) -> pl.DataFrame:
    """The mean of the next return in a group of assets, over all bars."""
    keys, closes = grid(sources)
    target = returns(closes, ahead=1)
    groups = np.arange(closes.shape[1]) % N_GROUPS
    means = np.array([np.nanmean(target[:, groups == one]) for one in range(N_GROUPS)])
    return feature(keys, "target_encoding", np.broadcast_to(means[groups], closes.shape).copy())


def shuffled_folds(sources: Sources) -> pl.DataFrame:
    """Predictions out of fold, where the folds are drawn among all bars."""
    keys, closes = grid(sources)
    inputs, target = past_inputs(closes), returns(closes, ahead=1)
    # By the number of the bar, so that the folds of earlier bars are the same on less data.
    folds = np.array([np.random.default_rng(t).integers(N_FOLDS) for t in range(len(closes))])
    found = np.full_like(closes, np.nan)
    for fold in range(N_FOLDS):
        own = folds == fold
        weights = fitted(inputs[:, ~own], target[~own])
        found[own] = predicted(weights, inputs[:, own])
    return feature(keys, "shuffled_folds", found)


def weekly_close(sources: Sources) -> pl.DataFrame:
    """The close of the week, on each of its days."""
    week = pl.col("timestamp").dt.truncate("1w")
    last = pl.col("close").last().over("asset_id", week, order_by="timestamp")
    return prices_of(sources).select(*KEYS, weekly_close=last)


def forward_as_of(sources: Sources) -> pl.DataFrame:
    """Earnings joined as of a bar from the next period's end, not the last one."""
    ends = _at_period_ends(sources).drop_nulls("earnings")
    prices = prices_of(sources).select(KEYS)
    found = prices.join_asof(
        ends.sort("timestamp"), on="timestamp", by="asset_id", strategy="forward",
        check_sortedness=False,
    )  # fmt: skip
    return found.select(*KEYS, forward_as_of="earnings")


def interpolated(sources: Sources) -> pl.DataFrame:
    """Earnings on a straight line from the end of one period to that of the next."""
    line = pl.col("earnings").interpolate().over("asset_id", order_by="timestamp")
    return _at_period_ends(sources).select(*KEYS, interpolated=line)


def low_frequencies(sources: Sources) -> pl.DataFrame:
    """Log closes without their fast waves, by a Fourier transform of the whole sample."""
    keys, closes = grid(sources)
    waves = np.fft.rfft(np.log(closes), axis=0)
    waves[10:] = 0.0
    smooth = np.fft.irfft(waves, n=len(closes), axis=0)
    return feature(keys, "low_frequencies", smooth)


def highest_to_come(sources: Sources) -> pl.DataFrame:
    """A cumulative maximum from the last bar back: how high the close will go."""
    most = pl.col("close").cum_max(reverse=True).over("asset_id", order_by="timestamp")
    return prices_of(sources).select(*KEYS, highest_to_come=most / pl.col("close"))


def swing_high(sources: Sources) -> pl.DataFrame:
    """Whether a high is above those of two bars before and two bars after it."""
    high = pl.col("high")
    others = [high.shift(lag) for lag in (-2, -1, 1, 2)]
    is_above = (high > pl.max_horizontal(others)).over("asset_id", order_by="timestamp")
    return prices_of(sources).select(*KEYS, swing_high=is_above.cast(pl.Float64))


def _at_period_ends(sources: Sources) -> pl.DataFrame:
    """Return all bars with the first reports of the periods that end at them."""
    reports = sources.reports.pl().sort("available_at").unique(KEYS, keep="first")
    bars = prices_of(sources)
    found = bars.join(reports.select(*KEYS, "earnings"), on=KEYS, how="left")
    assert found["earnings"].count() <= len(bars) // PERIOD + len(reports)
    return found


# The classes of the table, by their numbers.
BAKED_IN: dict[int, Feature] = dict(
    enumerate(
        (
            next_return, centred_mean, filled_back, whole_z_score, whole_quantile, whole_scaler,
            whole_model, target_encoding, shuffled_folds, weekly_close, forward_as_of,
            interpolated, low_frequencies, highest_to_come, swing_high,
        ),
        start=1,
    )
)  # fmt: skip
