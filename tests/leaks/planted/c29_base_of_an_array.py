"""A strategy reaches past the bar through the array that its view is of."""

import pandas as pd


def feature(raw):
    closes = raw["close"].to_numpy().copy()
    found = []
    for t in range(len(closes)):
        view = closes[: t + 1]
        base = view.base if view.base is not None else view
        found.append(base[min(t + 1, len(base) - 1)])
    return pd.Series(found, index=raw.index)


def signal(raw):
    value = feature(raw)
    return (value > raw["close"]).astype(float)
