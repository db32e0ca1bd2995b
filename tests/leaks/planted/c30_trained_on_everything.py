"""A provider of predictions fits its model to all bars when it starts."""

import numpy as np
import pandas as pd


def inputs(raw):
    """What a model may know at each bar."""
    return pd.DataFrame({"one": raw["close"].pct_change(), "five": raw["close"].pct_change(5)})


class Model:
    """Learns from all that it is given, and is asked bar by bar."""

    def __init__(self, raw):
        self.known = inputs(raw).fillna(0.0).to_numpy()
        target = (raw["close"].shift(-1) / raw["close"] - 1).fillna(0.0).to_numpy()
        self.weights = np.linalg.lstsq(self.known, target, rcond=None)[0]

    def at(self, t):
        """Return the prediction at a bar."""
        return float(self.known[t] @ self.weights)


def feature(raw):
    model = Model(raw)
    return pd.Series([model.at(t) for t in range(len(raw))], index=raw.index)


def signal(raw):
    value = feature(raw)
    return (value > 0).astype(float)
