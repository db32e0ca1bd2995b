"""Amounts: how much a strategy may say that it wants."""

from __future__ import annotations

import math

from ml4t.backtest.core.fractions import SIGNED, require_fraction
from ml4t.backtest.errors import NUMBERS, as_float

# The tag of an order of which nothing else is said.
ORDER_TAG = "order"


def is_number(value: object) -> bool:
    """Return whether `value` is a finite number; True and False are none."""
    if type(value) is float:  # hot: most are
        return math.isfinite(value)
    if not isinstance(value, NUMBERS):
        return False
    return math.isfinite(as_float(value))


def require_weight(asset: object, weight: object) -> float:
    """Return a target weight of an asset, a fraction of equity from -10 to 10.

    Raises
    ------
    ConfigError
        It is no number, or a percentage.
    """
    # The name is made where it is read alone: every decision asks for every weight.
    if type(weight) is float and -1 <= weight <= 1:
        return weight
    return require_fraction(f"the weight of {asset!r}", weight, SIGNED)
