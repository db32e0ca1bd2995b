"""Predictions out of fold, where the folds are drawn among all bars."""

import pandas as pd
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, cross_val_predict


def inputs(raw):
    """What a model may know at each bar."""
    return pd.DataFrame({"one": raw["close"].pct_change(), "five": raw["close"].pct_change(5)})


def feature(raw):
    known = inputs(raw).fillna(0.0)
    target = (raw["close"].shift(-1) / raw["close"] - 1).fillna(0.0)
    if len(known) < 5:
        return pd.Series(0.0, index=raw.index)
    folds = KFold(5, shuffle=True, random_state=0)
    found = cross_val_predict(LinearRegression(), known, target, cv=folds)
    return pd.Series(found, index=raw.index)


def signal(raw):
    value = feature(raw)
    return (value > 0).astype(float)
