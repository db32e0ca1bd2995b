"""FX paths: by which pairs one currency is converted into another."""

from __future__ import annotations

import numpy as np

from ml4t.backtest.core.batch import Floats
from ml4t.backtest.core.terms import FxRates
from ml4t.backtest.errors import DataError

# Units in which exchanges quote that are a part of a currency: London in pence, Johannesburg in
# cents, Tel Aviv in agorot. Vendors tell the pence of GBp from the pounds of GBP by case alone.
MINOR_UNITS = {"GBp": ("GBP", 0.01), "GBX": ("GBP", 0.01), "ZAc": ("ZAR", 0.01),
               "ZAC": ("ZAR", 0.01), "ILA": ("ILS", 0.01)}  # fmt: skip


def rate_of(base: str, quote: str, fx: FxRates) -> tuple[Floats, Floats]:
    """Return what one unit of `base` is worth in `quote` at each close, and of which day that is.

    By the pair itself, by its inverse, or by the one currency of which pairs with both are there;
    of two rates the older day counts.

    Raises
    ------
    DataError
        There are no such pairs, or several currencies to go by.
    """
    direct = _between(base, quote, fx)
    if direct is not None:
        return direct
    others = sorted({name for pair in fx.pairs for name in pair} - {base, quote})
    by = [
        (name, first, second)
        for name in others
        if (first := _between(base, name, fx)) is not None
        and (second := _between(name, quote, fx)) is not None
    ]
    if len(by) == 1:
        ((_, first, second),) = by
        return first[0] * second[0], np.minimum(first[1], second[1])
    pairs = ", ".join("/".join(pair) for pair in fx.pairs)
    what = (
        "no pairs that lead"
        if not by
        else (f"several ways ({', '.join(name for name, *_ in by)}) that lead")
    )
    raise DataError(
        "fx", "pair_missing", f"has {what} from {base} to {quote}; add rows of {base}/{quote}: it "
        f"has {pairs or 'none'}", n_rows=0, sample=[],
    )  # fmt: skip


def _between(base: str, quote: str, fx: FxRates) -> tuple[Floats, Floats] | None:
    """Return rates of a pair that is there, or the other way round."""
    for pair in ((base, quote), (quote, base)):
        if pair in fx.pairs:
            i = fx.pairs.index(pair)
            rate = fx.rate[:, i] if pair == (base, quote) else 1 / fx.rate[:, i]
            return rate, fx.day[:, i]
    return None
