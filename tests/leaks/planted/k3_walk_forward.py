"""Clean: a model that is fitted anew to bars whose next return is known."""

import numpy as np
import pandas as pd


def inputs(raw):
    """What a model may know at each bar."""
    return pd.DataFrame({"one": raw["close"].pct_change(), "five": raw["close"].pct_change(5)})


def feature(raw):
    known = inputs(raw).fillna(0.0).to_numpy()
    target = raw["close"].pct_change().fillna(0.0).to_numpy()
    found = np.full(len(raw), np.nan)
    for t in range(40, len(raw), 20):
        # The return that follows bar t - 1 is that of bar t, and known at it.
        weights = np.linalg.lstsq(known[:t], target[1 : t + 1], rcond=None)[0]
        found[t : t + 20] = known[t : t + 20] @ weights
    return pd.Series(found, index=raw.index)


def signal(raw):
    value = feature(raw)
    return (value > 0).astype(float)
