"""Earnings joined as of a bar from the end of the next period, not of the last one."""

import pandas as pd


def feature(raw):
    ends = raw[["earnings"]].dropna()
    bars = raw[["close"]]
    found = pd.merge_asof(
        bars, ends, left_index=True, right_index=True, direction="forward", allow_exact_matches=True
    )
    return found["earnings"].astype(float)


def signal(raw):
    value = feature(raw)
    return (value > 2).astype(float)
