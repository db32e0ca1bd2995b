"""FX rates: the ``fx`` source, as it is known at the bars of a run."""

from __future__ import annotations

import numpy as np

from ml4t.backtest.core.batch import Floats
from ml4t.backtest.core.terms import FxRates
from ml4t.backtest.data.asof.delays import AS_KNOWN_NOW, AT_ITS_PERIOD, later, moved
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import first_bars, read, render, rows_of


def read_fx(
    source: Source, database: Database, n_assets: int, *, first_t: int, last_t: int
) -> FxRates:
    """Read the ``fx`` source as it is known at each bar from `first_t` to `last_t`."""
    known = _known(source)
    rows = database.numpy(
        render("terms/fx_rates", rows=known, first_bars=first_bars(f"({known}) as fx", "known_at")),
        {"first_t": first_t, "last_t": last_t},
    )
    of_rows = list(zip(rows["base"].tolist(), rows["quote"].tolist(), strict=True))
    pairs = tuple(sorted(set(of_rows)))
    places = {pair: i for i, pair in enumerate(pairs)}
    n_bars = last_t - first_t + 1
    found, at = np.full((2, n_bars, len(pairs)), np.nan), [places[pair] for pair in of_rows]
    found[0, rows["t"], at], found[1, rows["t"], at] = rows["rate"], rows["day"]
    bars = database.numpy(read("terms/first_priced"), {"first_t": first_t, "last_t": last_t})
    first_priced = np.full(n_assets, -1)
    first_priced[bars["sid"]] = bars["t"]
    rate, day = map(_carried, found)
    return FxRates(pairs, rate, day, first_priced)


def _known(source: Source) -> str:
    """Return the query of the rates with the time at which each is known, ``known_at``."""
    known_at = "timestamp" if source.available_at is None else "available_at"
    if source.delay in (AS_KNOWN_NOW, AT_ITS_PERIOD):
        known_at = "timestamp"
    elif source.lag is not None:
        known_at = later(known_at, source.lag)
    rows = rows_of("main.fx", f"*, {known_at} as known_at")
    if source.delay in (None, AS_KNOWN_NOW, AT_ITS_PERIOD):
        return rows
    return moved(f"({rows})", ["known_at"], str(source.delay))


def _carried(values: Floats) -> Floats:
    """Return values by bar, each with the last one known where there is none."""
    row = np.where(np.isnan(values), 0, np.arange(len(values))[:, np.newaxis])
    newest = np.maximum.accumulate(row, axis=0)
    return np.take_along_axis(values, newest, axis=0)
