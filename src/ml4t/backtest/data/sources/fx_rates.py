"""FX rates: the ``fx`` source, as it is known at the bars of a run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ml4t.backtest.core.batch import Floats
from ml4t.backtest.core.terms import FxRates
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.naming import AVAILABLE_AT
from ml4t.backtest.data.sql_files import first_bars, read, render


def read_fx(
    found: Mapping[str, str], database: Database, n_assets: int, *, first_t: int, last_t: int
) -> FxRates:
    """Read the ``fx`` source as it is known at each bar from `first_t` to `last_t`.

    Parameters
    ----------
    found : mapping
        Its columns, with types.
    """
    known_at = "fx.available_at" if AVAILABLE_AT in found else "fx.timestamp"
    rows = database.numpy(
        render(
            "terms/fx_rates", first_bars=first_bars("main.fx as fx", known_at), known_at=known_at
        ),
        {"first_t": first_t, "last_t": last_t},
    )
    of_rows = list(zip(rows["base"].tolist(), rows["quote"].tolist(), strict=True))
    pairs = tuple(sorted(set(of_rows)))
    places = {pair: i for i, pair in enumerate(pairs)}
    n_bars = last_t - first_t + 1
    known, at = np.full((2, n_bars, len(pairs)), np.nan), [places[pair] for pair in of_rows]
    known[0, rows["t"], at], known[1, rows["t"], at] = rows["rate"], rows["day"]
    bars = database.numpy(read("terms/first_priced"), {"first_t": first_t, "last_t": last_t})
    first_priced = np.full(n_assets, -1)
    first_priced[bars["sid"]] = bars["t"]
    rate, day = map(_carried, known)
    return FxRates(pairs, rate, day, first_priced)


def _carried(values: Floats) -> Floats:
    """Return values by bar, each with the last one known where there is none."""
    row = np.where(np.isnan(values), 0, np.arange(len(values))[:, np.newaxis])
    newest = np.maximum.accumulate(row, axis=0)
    return np.take_along_axis(values, newest, axis=0)
