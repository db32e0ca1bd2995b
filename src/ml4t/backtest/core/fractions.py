"""Fractions: what each fraction argument may be, so that a percentage given by mistake is refused.

`TakeProfit(15)` was meant as 15% and would be a target at sixteen times the entry price. Every
fraction that a user gives is checked by `require_fraction` against one of the `Span` below. Some
ends are natural (nothing loses more than all of itself); the others are a decision: as high as any
sensible value, as low as percentages allow.

=============== ============== =====================================================================
span            of             why it ends there
=============== ============== =====================================================================
`SHARE`         losses, trails nothing falls by all of itself: a stop at -100% is at a price of zero
`PART`          volume, steps  of something: all of it is the most
`RATE`          interest, band a rate of 100% a year, a band as wide as equity: meant as percent
`PROFIT`        targets        +900%, ten times the entry price, passes; 10, 15, 20 are percent
`TRIGGER`       breakeven      a stop goes to the entry price early: 2 (+200%) passes, 3 is percent
`WEIGHT`        one asset      four times equity in one asset or group, or net: bond futures; not 5
`EXPOSURE`      the book       gross of ten times equity, which no broker's portfolio margin exceeds
`TURNOVER`      one decision   turning a book of gross 4 over trades 8 times equity
`VOLATILITY`    a year, VaR    coins move by 1 a year, so 2 still passes; 3 and 10 are percent
`ORDER`         one order      as `EXPOSURE`: one order may set the whole book; `SIGNED` sells too
`INITIAL`       exposure       2 lets exposure be half of equity; from 10 on it is a percentage
`DELISTING`     last close     all is lost at -1; beyond +400% it is a percentage
=============== ============== =====================================================================

What is no fraction is not held to any of this: basis points, multiples of volatility, impact
coefficients, prices. Nor are weights that a query or an array yields: they are data.
"""

from __future__ import annotations

from typing import NamedTuple

from ml4t.backtest.core import tolerances
from ml4t.backtest.errors import ConfigError, as_float

HINT = "fractions: 0.15 is 15%"


class Span(NamedTuple):
    """Numbers between two ends.

    Attributes
    ----------
    low, high : float
    has_low, has_high : bool
        Whether the ends belong to it.
    """

    low: float
    high: float
    has_low: bool = False
    has_high: bool = False

    def holds(self, number: float) -> bool:
        """Return whether a number is in it; NaN never is."""
        is_above = self.low <= number if self.has_low else self.low < number
        return is_above and (number <= self.high if self.has_high else number < self.high)

    def said(self, number: float) -> str:
        """Return in words what a number outside had to be; a decided ceiling where it is over."""
        if self.has_low:
            return f"from {self.low:g} to {'' if self.has_high else 'below '}{self.high:g}"
        ceiling = f" and {'at most' if self.has_high else 'below'} {self.high:g}"
        return f"above {self.low:g}{ceiling if self.high <= 1 or number >= self.high else ''}"


SHARE = Span(0, 1)
PART = Span(0, 1 + tolerances.WHOLE_PART, has_high=True)
RATE = Span(0, 1, has_low=True)
ANY_PART = Span(0, 1, has_low=True, has_high=True)
PROFIT = Span(0, 10)
TRIGGER = Span(0, 3)
WEIGHT = Span(0, 5)
NET = Span(0, 5, has_low=True)
EXPOSURE = Span(0, 10, has_high=True)
TURNOVER = Span(0, 10)
VOLATILITY = Span(0, 3)
ORDER = Span(0, 10, has_low=True, has_high=True)
SIGNED = Span(-10, 10, has_low=True, has_high=True)
INITIAL = Span(0, 10)
DELISTING = Span(-1, 5, has_low=True)


def require_fraction(name: str, value: object, within: Span) -> float:
    """Return a fraction as float.

    Raises
    ------
    ConfigError
        It is no number, or outside of its span; beyond an end it says that it is a fraction.
    """
    number = as_float(value)
    if within.holds(number):
        return number
    is_percent = max(within.high, 1) <= abs(number) < float("inf")
    hint = f"; {HINT}" if is_percent else ""
    raise ConfigError(f"{name} must be a number {within.said(number)}, was {value!r}{hint}")
