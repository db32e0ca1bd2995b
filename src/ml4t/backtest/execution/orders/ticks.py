"""Ticks: prices on the multiples at which an asset trades."""

from __future__ import annotations

import numpy as np

from ml4t.backtest.core.batch import Floats
from ml4t.backtest.core.tolerances import WHOLE

# Digits after the point that a tick may have. 2961 * 0.01 is not quite 29.61, and a bar whose
# high is 29.61 would not touch it.
DIGITS = 10


def on_ticks(price: Floats, tick: Floats, up: Floats) -> Floats:
    """Return prices rounded to multiples of `tick`: up where `up` > 0, else down; tick 0: as is."""
    safe = np.where(tick > 0, tick, 1.0)
    steps = price / safe
    whole = np.where(up > 0, np.ceil(steps - WHOLE), np.floor(steps + WHOLE))
    return np.where(tick > 0, np.round(whole * safe, DIGITS), price)


def half_up(price: Floats, tick: Floats) -> Floats:
    """Return prices rounded to the nearest multiple of `tick`, halves up; tick 0: as is.

    A half is one but for what binary fractions leave of it: 10.05 * 1.1 is 11.06 on cents.
    """
    safe = np.where(tick > 0, tick, 1.0)
    whole = np.floor(price / safe + 0.5 + WHOLE)
    return np.where(tick > 0, np.round(whole * safe, DIGITS), price)
