"""Volumes: what everybody traded in the bars of a run's fills, looked up after the run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml4t.backtest.core.orders import Fills
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.sql_files import render
from ml4t.backtest.data.stream.period import Period

_FILLED = "filled_bars"


def add_volumes(fills: Sequence[Fills], prepared: Prepared, period: Period) -> None:
    """Write the volume of its bar into each fill, where prices have one.

    Parameters
    ----------
    fills : sequence of Fills
        Their bars are counted from the first of the run.
    """
    if "volume" not in prepared.price_columns or not fills:
        return
    sizes = [len(one.sids) for one in fills]
    bars = np.repeat(np.array([one.t for one in fills], dtype=np.int64), sizes)
    filled = {
        "fill": np.arange(len(bars)),
        "t": bars + period.first_t,
        "sid": np.concatenate([one.sids for one in fills]),
    }
    session = prepared.database.cursor()  # a frame of its own, unseen by other runs
    session.register(_FILLED, filled)
    found = session.numpy(render("batches/volumes", filled=_FILLED))["volume"].astype(np.float64)
    session.unregister(_FILLED)
    for one, volume in zip(fills, np.split(found, np.cumsum(sizes)[:-1]), strict=True):
        one.volume = volume
