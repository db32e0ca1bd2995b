"""The close of the week, on each of its days."""

import pandas as pd


def feature(raw):
    days = pd.DatetimeIndex(raw.get("timestamp", raw.index))
    weekly = pd.Series(raw["close"].to_numpy(), days).resample("W-FRI").last()
    return pd.Series(weekly.reindex(days, method="bfill").to_numpy(), raw.index)


def signal(raw):
    value = feature(raw)
    return (value > raw["close"]).astype(float)
