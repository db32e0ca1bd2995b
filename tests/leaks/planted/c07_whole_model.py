"""What a regression of the next return says that was fitted to all bars."""

import pandas as pd
from sklearn.linear_model import LinearRegression


def inputs(raw):
    """What a model may know at each bar."""
    return pd.DataFrame({"one": raw["close"].pct_change(), "five": raw["close"].pct_change(5)})


def feature(raw):
    known = inputs(raw).fillna(0.0)
    target = (raw["close"].shift(-1) / raw["close"] - 1).fillna(0.0)
    model = LinearRegression().fit(known, target)
    return pd.Series(model.predict(known), index=raw.index)


def signal(raw):
    value = feature(raw)
    return (value > 0).astype(float)
