"""Accruals: interest on cash and fees on borrowed shares, charged at the start of each bar."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.batch import Batch, Chunk, Floats, Ints
from ml4t.backtest.portfolio.portfolio import Portfolio


class Rates(Protocol):
    """What money and shares cost, per year."""

    @property
    def is_charged(self) -> bool:
        """Whether any rate is not zero."""
        ...

    @property
    def counts_hours(self) -> bool:
        """Whether time inside of a date counts."""
        ...

    @property
    def days_per_year(self) -> int:
        """Days that a year has."""
        ...

    def interest(self, cash: float, days: float) -> float:
        """Return the interest on cash, positive = received."""
        ...

    def borrow_fee(self, value: Floats, rate: Floats | None, days: float) -> Floats:
        """Return the fees on borrowed value, positive = cost; no rate: the flat one."""
        ...


class Accruals:
    """Charges what passed between two closes.

    Parameters
    ----------
    portfolio : Portfolio
    rates : Rates
    axes : Axes
        The bars; those of one date accrue among themselves where the rates count hours.
    """

    def __init__(self, portfolio: Portfolio, rates: Rates, axes: Axes) -> None:
        self._portfolio, self._rates = portfolio, rates
        dates = np.diff(axes.sessions, prepend=axes.sessions[:1])
        self._passed = axes.elapsed_days if rates.counts_hours else dates
        self._days = self._passed.tolist()
        self._fee: Floats | None = None  # by sid; NaN where nothing was ever known
        self._cash = portfolio.cash  # at the previous close
        self._exchange = portfolio.exchange
        self._kept: Floats = np.empty(0)  # of other currencies, as of `cash`
        self._is_charged = rates.is_charged or bool(
            self._exchange and self._exchange.bears_interest
        )

    def charge(self, t: int) -> None:
        """Charge fees and interest since the previous close, on what was held at it."""
        portfolio, days = self._portfolio, float(self._days[t])
        if not days or not (self._is_charged or self._fee is not None):
            return
        if portfolio.has_shorts:
            held = portfolio.held
            short = held[portfolio.quantity[held] < 0]
            short = short[~portfolio.margined(short)]  # nobody borrows a contract
            value = np.abs(portfolio.quantity[short]) * portfolio.mark[short]
            rate = None if self._fee is None else _or_free(self._fee[short])
            fee = self._rates.borrow_fee(value * portfolio.multiplier[short], rate, days)
            if self._exchange is not None:
                fee = fee * self._exchange.year_of(short, self._rates.days_per_year)
            charged = fee > 0
            if charged.any():
                portfolio.charge_borrow(t, short[charged], fee[charged])
        interest = self._rates.interest(self._cash, days)
        if interest:
            portfolio.receive(t, -1, "interest", interest)
        if self._exchange is not None:
            for amount in self._exchange.accrue(self._kept, days, self._rates.days_per_year):
                portfolio.receive(t, -1, "interest", amount)

    def bars(self, chunk: Chunk) -> Ints:
        """Return the bars of a chunk at which something may be charged, or becomes known."""
        ts = np.arange(chunk.first_t, chunk.first_t + chunk.n_bars)
        fee = chunk.lending.get("fee")
        acts = np.zeros(len(ts), dtype=bool)
        if self._is_charged or self._fee is not None or fee is not None:
            acts |= self._passed[ts] != 0
        if fee is not None:
            acts |= ~np.isnan(fee).all(axis=1)
        return ts[acts]

    def split(self, sid: int, ratio: float) -> None:
        """Nothing to restate: fees are fractions of value."""

    def go_ex(self, sid: int, value: float) -> None:
        """Nothing to take off: fees are fractions of value."""

    def rename(
        self,
        old_sid: int,
        new_sid: int,
        *,
        with_levels: bool = True,  # noqa: ARG002 - a fee is no level
    ) -> None:
        """Let the fee known of an asset stand for what it became, until that has its own."""
        if self._fee is not None and np.isnan(self._fee[new_sid]):
            self._fee[new_sid] = self._fee[old_sid]

    def delist(self, sid: int) -> None:
        """Nothing to forget: what is not held pays nothing."""

    def end_bar(self, batch: Batch) -> None:
        """Remember cash and the fees known at this close; a missing fee stays what it was."""
        self._cash = self._portfolio.settled_cash
        if self._exchange is not None:
            self._cash = self._exchange.in_account(self._cash)
            self._kept = self._exchange.kept()
        fee = batch.lending.get("fee")
        if fee is not None:
            # An array of our own, also at first: that of the bar can only be read.
            known = fee if self._fee is None else self._fee
            self._fee = np.where(np.isnan(fee), known, fee)


def _or_free(fee: Floats) -> Floats:
    """Return fees, 0 where none is known."""
    return np.where(np.isnan(fee), 0.0, fee)
