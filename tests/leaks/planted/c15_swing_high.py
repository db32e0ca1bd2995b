"""Whether a high is above those of two bars before and two bars after it."""

import pandas as pd


def feature(raw):
    high = raw["high"]
    others = pd.concat([high.shift(lag) for lag in (-2, -1, 1, 2)], axis=1).max(axis=1)
    return (high > others).astype(float)


def signal(raw):
    value = feature(raw)
    return (value < 1).astype(float)
