"""Financing: what time costs, interest on cash and fees on borrowed shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml4t.backtest.core.batch import Floats
from ml4t.backtest.core.fractions import RATE, Span, require_fraction
from ml4t.backtest.core.orders import Word, parse_choice
from ml4t.backtest.errors import CostError


class DayCount(Word):
    """Days that a year has where interest is counted by calendar days.

    ISDA Definitions 2006, section 4.16: dollars, euros and francs by 360, pounds, Hong Kong
    dollars and rupees by 365.
    """

    ACTUAL_365 = "actual/365"
    ACTUAL_360 = "actual/360"


class Accrual(Word):
    """Which time counts.

    OVERNIGHT: from one date to the next, on what was held at the last close before; a position
    that is closed on the date of its entry pays nothing, as at a broker of shares. ELAPSED: from
    each bar to the next, hours of one date too, as where a market never closes.
    """

    OVERNIGHT = "overnight"
    ELAPSED = "elapsed"


_DAYS_OF = {DayCount.ACTUAL_365: 365, DayCount.ACTUAL_360: 360}


def days_of(day_count: DayCount) -> int:
    """Return the days that a year has."""
    return _DAYS_OF[day_count]


@dataclass(frozen=True, slots=True, kw_only=True)
class Financing:
    """Simple interest between two bars: ``amount * rate * days / days of a year``.

    Attributes
    ----------
    credit_rate : float
        Annual fraction (0.04 = 4%) received on cash above zero; between -1 and 1, negative where
        the account pays for its deposits.
    debit_rate : float
        Annual fraction paid on cash below zero, from 0 to below 1.
    borrow_rate : float
        Annual fraction of its value paid for any share sold short, from 0 to below 1, where no
        ``borrow`` source is registered. With one, its ``borrow_fee`` column is used instead, NaN
        = cannot be borrowed.
    day_count : DayCount
        ``"actual/365"`` or ``"actual/360"``: the days of a year, of interest and borrow fees.
    accrual : Accrual
        ``"overnight"`` or ``"elapsed"``: whether hours inside of a date count.
    """

    credit_rate: float = 0.0
    debit_rate: float = 0.0
    borrow_rate: float = 0.0
    day_count: DayCount = DayCount.ACTUAL_365
    accrual: Accrual = Accrual.OVERNIGHT

    def __post_init__(self) -> None:
        for name, kind in (("day_count", DayCount), ("accrual", Accrual)):
            object.__setattr__(self, name, parse_choice(kind, name, getattr(self, name)))
        # 1 is 100% a year: what is not below was meant as percent.
        require_fraction("credit_rate", self.credit_rate, Span(-1, 1))
        require_fraction("debit_rate", self.debit_rate, RATE)
        require_fraction("borrow_rate", self.borrow_rate, RATE)

    @property
    def is_charged(self) -> bool:
        """Whether any rate is not zero."""
        return bool(self.credit_rate or self.debit_rate or self.borrow_rate)

    @property
    def days_per_year(self) -> int:
        """Days that a year has."""
        return days_of(self.day_count)

    @property
    def counts_hours(self) -> bool:
        """Whether time inside of a date counts."""
        return self.accrual is Accrual.ELAPSED

    def interest(self, cash: float, days: float) -> float:
        """Return ``cash * rate * days / days of a year``, account currency, positive = received.

        The rate is `credit_rate` for cash above zero and `debit_rate` below.
        """
        rate = self.credit_rate if cash > 0 else self.debit_rate
        return cash * rate * days / self.days_per_year

    def borrow_fee(self, value: Floats, rate: Floats | None, days: float) -> Floats:
        """Return ``|value| * rate * days / days of a year`` of each short, positive = cost.

        Parameters
        ----------
        value : float array
            ``quantity * price * multiplier`` of each short; its sign does not matter.
        rate : float array or None
            Annual fractions, as long as `value`; None = `borrow_rate` for all.
        days : float
            Days of time.

        Raises
        ------
        CostError
            A rate was NaN, infinite or negative. NaN forbids new shorts alone: a short that
            stands goes on paying the last rate known, which the caller keeps.
        """
        if rate is None:
            return np.abs(value) * self.borrow_rate * days / self.days_per_year
        is_rate = (rate >= 0) & (rate < np.inf)
        if not is_rate.all():
            bad = ~is_rate
            raise CostError(
                f"borrow_fee must be an annual fraction >= 0, was {float(rate[bad][0])!r} for "
                f"{bad.sum()} of {len(rate)} shorts; mend the 'borrow' source"
            )
        return np.abs(value) * rate * days / self.days_per_year
