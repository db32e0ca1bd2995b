"""Financing: what time costs, interest on cash and fees on borrowed shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml4t.backtest.core.batch import Floats
from ml4t.backtest.core.fractions import RATE, Span, require_fraction
from ml4t.backtest.errors import CostError

# Actual/365: calendar days over a year of 365. Some brokers divide by 360 for US dollars; a rate
# quoted that way is passed as rate * 365 / 360.
DAYS_PER_YEAR = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class Financing:
    """Simple interest between two bars, actual/365: ``amount * rate * days / 365``.

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
    """

    credit_rate: float = 0.0
    debit_rate: float = 0.0
    borrow_rate: float = 0.0

    def __post_init__(self) -> None:
        # 1 is 100% a year: what is not below was meant as percent.
        require_fraction("credit_rate", self.credit_rate, Span(-1, 1))
        require_fraction("debit_rate", self.debit_rate, RATE)
        require_fraction("borrow_rate", self.borrow_rate, RATE)

    @property
    def is_charged(self) -> bool:
        """Whether any rate is not zero."""
        return bool(self.credit_rate or self.debit_rate or self.borrow_rate)

    def interest(self, cash: float, days: float) -> float:
        """Return ``cash * rate * days / 365`` in account currency, positive = received.

        The rate is `credit_rate` for cash above zero and `debit_rate` below.
        """
        rate = self.credit_rate if cash > 0 else self.debit_rate
        return cash * rate * days / DAYS_PER_YEAR

    def borrow_fee(self, value: Floats, rate: Floats | None, days: float) -> Floats:
        """Return ``|value| * rate * days / 365`` per short, account currency, positive = cost.

        Parameters
        ----------
        value : float array
            ``quantity * price * multiplier`` of each short; its sign does not matter.
        rate : float array or None
            Annual fractions, as long as `value`; None = `borrow_rate` for all.
        days : float
            Calendar days.

        Raises
        ------
        CostError
            A rate was NaN, infinite or negative. NaN forbids new shorts alone: a short that
            stands goes on paying the last rate known, which the caller keeps.
        """
        if rate is None:
            return np.abs(value) * self.borrow_rate * days / DAYS_PER_YEAR
        is_rate = (rate >= 0) & (rate < np.inf)
        if not is_rate.all():
            bad = ~is_rate
            raise CostError(
                f"borrow_fee must be an annual fraction >= 0, was {float(rate[bad][0])!r} for "
                f"{bad.sum()} of {len(rate)} shorts; mend the 'borrow' source"
            )
        return np.abs(value) * rate * days / DAYS_PER_YEAR
