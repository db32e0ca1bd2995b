"""A strategy looks into a table of all bars that it has kept for itself."""

import os
from pathlib import Path

import pandas as pd

BARS = pd.read_csv(Path(os.environ["ALL_BARS"]), index_col=0, parse_dates=True)


def feature(raw):
    ahead = BARS["close"].to_numpy()[1 : len(raw) + 1]
    return pd.Series(ahead[: len(raw)], index=raw.index[: len(ahead)]).reindex(raw.index)


def signal(raw):
    value = feature(raw)
    return (value > raw["close"]).astype(float)
