"""Volumes: what everybody traded in the bars of a run's fills, looked up after the run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.sql_files import render
from ml4t.backtest.data.stream.period import Period

_FILLED = "filled_bars"


def volumes(fills: Mapping[str, Ints], prepared: Prepared, period: Period) -> Floats:
    """Return what traded in the bar of each of the staged fills; NaN where prices do not say."""
    t, sids = fills["timestamp"], fills["asset_id"]
    if "volume" not in prepared.price_columns or not len(t):
        return np.full(len(t), np.nan)
    filled = {"fill": np.arange(len(t)), "t": t + period.first_t, "sid": sids}
    session = prepared.database.cursor()  # a frame of its own, unseen by other runs
    session.register(_FILLED, filled)
    found = session.numpy(render("batches/volumes", filled=_FILLED))["volume"].astype(np.float64)
    session.unregister(_FILLED)
    return found
