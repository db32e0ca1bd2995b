"""What currencies cost at the bars of a run, for checks of its tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ml4t.backtest import Catalog
from ml4t.backtest.data.stream.period import Period

Rate = Callable[[int, int], float]
IN_POUNDS = {"GBp": ("GBP", 0.01), "GBX": ("GBP", 0.01)}


def rate_before(read: Callable[[str], list[Any]], catalog: Catalog, period: Period) -> Rate:
    """Say of bar and asset what one unit of its price cost at the close before, by the tables.

    Parameters
    ----------
    read : callable
        Gives the rows of a query over the run.
    """
    currency = catalog.instruments().currency
    rows = read("select timestamp, currency, rate from currencies") if currency else []
    if not rows:
        return lambda _t, _sid: 1.0
    times = sorted({time for time, *_ in rows})
    known = {(time, name): rate for time, name, rate in rows}

    def rate(t: int, sid: int) -> float:
        name, unit = IN_POUNDS.get(str(currency[sid]), (currency[sid], 1.0))
        return unit * known[times[max(t - 1, 0)], name] if name else unit

    return rate
