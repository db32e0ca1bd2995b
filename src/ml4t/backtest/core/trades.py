"""Trades: closed lot parts, as they travel from the portfolio to the journal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.orders import Tags


class Trade(NamedTuple):
    """A part of a lot that was closed, or an open lot at its mark.

    `pnl` is ``quantity * (exit_price - entry_price) * multiplier - commission - tax - fee - borrow
    + dividends``, in account currency; `commission` to `impact` are this part's share of both
    fills' costs, `borrow` what its short shares cost to borrow, `dividends` what it was
    entitled to while it was held, negative where a short owes them. An open lot has exit bar -1,
    no exit price and no reason. `entry_fill` and `exit_fill` count the run's fills from 0; -1: it
    is open, or ended without one.

    Where assets have currencies of their own prices are in those, and `entry_rate` and `exit_rate`
    (of now where it is open) are what one unit of them cost. `pnl` is then
    ``quantity * (exit_price * exit_rate - entry_price * entry_rate) * multiplier`` less and plus
    the same, and `pnl_currency` what is left of that without
    ``quantity * (exit_price - entry_price) * multiplier * exit_rate``. Of a contract that settles
    daily each day's part counts at the rate of its day.
    """

    sid: int
    quantity: float
    entry_t: int
    entry_price: float
    exit_t: int
    exit_price: float
    pnl: float
    commission: float
    slippage: float
    impact: float
    borrow: float
    dividends: float
    reason: str | None
    entry_fill: int = -1
    exit_fill: int = -1
    tax: float = 0.0
    fee: float = 0.0
    entry_rate: float = 1.0
    exit_rate: float = 1.0
    pnl_currency: float = 0.0

    @property
    def charge(self) -> float:
        """Commission, tax and fee."""
        return self.commission + self.tax + self.fee


class Trades(NamedTuple):
    """Lots that were closed at one moment, or each at a bar of its own.

    The fields are those of `Trade`, as vectors; `levies` are tax and fee, ``[2, trade]``, None
    where there are none; `rates` are entry rate, exit rate and P&L of the currency,
    ``[3, trade]``, None where all is in that of the account.
    """

    sid: Ints
    quantity: Floats
    entry_t: Ints
    entry_price: Floats
    exit_t: int | Ints
    exit_price: Floats
    pnl: Floats
    commission: Floats
    slippage: Floats
    impact: Floats
    borrow: Floats
    dividends: Floats
    reason: Tags
    entry_fill: Ints
    exit_fill: Ints
    levies: Floats | None = None
    rates: Floats | None = None

    @property
    def entry_rate(self) -> Floats | float:
        """Account currency per unit of price at the entry."""
        return 1.0 if self.rates is None else self.rates[0]

    @property
    def exit_rate(self) -> Floats | float:
        """Account currency per unit of price at the exit."""
        return 1.0 if self.rates is None else self.rates[1]

    @property
    def pnl_currency(self) -> Floats | float:
        """Account currency, the part of the P&L that rates made."""
        return 0.0 if self.rates is None else self.rates[2]

    @property
    def tax(self) -> Floats:
        """Account currency, positive = cost."""
        return np.zeros(len(self.sid)) if self.levies is None else self.levies[0]

    @property
    def fee(self) -> Floats:
        """What the broker passes on, account currency, positive = cost."""
        return np.zeros(len(self.sid)) if self.levies is None else self.levies[1]

    @property
    def charge(self) -> Floats:
        """Commission, tax and fee."""
        return self.commission if self.levies is None else self.commission + self.tax + self.fee
