"""Exchange: what currencies cost now, and the cash that an account keeps in each of them.

Prices, levels and quantities are in the currency of their asset all the way; what they are worth
is money of the account, at the rate of now. A rate changes at the closes alone: what fills at an
open or inside a bar is converted at the rate of the close before, the last one that was known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.journal import CashAtClose
from ml4t.backtest.core.sids import NO_SIDS
from ml4t.backtest.core.terms import Instruments

# Number of the account's own currency.
OF_ACCOUNT = 0
# What rates made of cash, and of what was owed until it was paid.
FX_REVALUATION = "fx_revaluation"


class CashRules(NamedTuple):
    """What an account does with money of other currencies.

    Attributes
    ----------
    keeps : bool
        What comes in stays in its currency; else it is converted at once.
    lends : bool
        A currency of which more is spent than there is stands below zero; else what is missing is
        bought with others.
    cost : float
        Of what is converted, as a fraction.
    """

    keeps: bool
    lends: bool
    cost: float


class CurrencyInterest(NamedTuple):
    """Annual fractions on what is kept in a currency, above zero and below, and days of its year.

    `days_per_year` None: as those of the account.
    """

    credit: float
    debit: float
    days_per_year: int | None


class Exchange:
    """Converts, and knows how much of each currency there is.

    Parameters
    ----------
    names : sequence of str
        Currencies, that of the account first.
    rates : float array
        ``[bar, currency]``: account currency per unit, at each close; NaN while none is known.
    of_asset : int array, by sid
        Number of each asset's currency.
    unit : float array, by sid
        Units of that currency in one of prices: 0.01 where they are in pence.
    rules : CashRules
    interest : sequence of CurrencyInterest
        Of each currency, those of the account's own unused.
    said : sequence of str
        What each asset calls its currency, pence apart from pounds.

    Attributes
    ----------
    rate : float array, by sid
        Account currency per unit of price, now; written in place.
    units : float array, by sid
        Currency of the asset per unit of price and quantity.
    now : float array
        Account currency per unit of each currency.
    held : int array
        Assets with a position.
    said : sequence of str, by sid
        What each asset calls its currency.
    """

    def __init__(
        self,
        names: Sequence[str],
        rates: Floats,
        of_asset: Ints,
        unit: Floats,
        rules: CashRules,
        interest: Sequence[CurrencyInterest],
        said: Sequence[str],
    ) -> None:
        self.names, self.rules, self.interest = tuple(names), rules, tuple(interest)
        self._rates, self._of_asset, self._unit, self.said = rates, of_asset, unit, said
        self.now: Floats = rates[0].copy()
        self.rate: Floats = unit * self.now[of_asset]
        self._cash: Floats = np.zeros(len(self.names))  # each in its own; that of the account's: 0
        self.held: Ints = NO_SIDS
        self._terms: Instruments | None = None
        self._own = (self.rate, self.rate, self.rate)
        self.units: Floats = self.rate

    @property
    def charges_late(self) -> bool:
        """Whether what a fill is charged depends on what there is of its currency."""
        return self.rules.keeps and not self.rules.lends and self.rules.cost > 0

    def said_of(self, sids: Ints) -> tuple[str, ...]:
        """Return what assets call their currencies."""
        return tuple(self.said[sid] for sid in sids.tolist())

    def at_closes(self) -> Floats:
        """Return the rate of each asset at each close, ``[bar, sid]``."""
        rates: Floats = self._unit * self._rates[:, self._of_asset]
        return rates

    def of(self, terms: Instruments) -> Instruments:
        """Return terms whose multipliers and margins follow the rates, in place."""
        own = (terms.multiplier, terms.contract_initial_margin, terms.contract_maintenance_margin)
        self._own, self.units = own, own[0]
        self._terms = terms._replace(
            units=terms.multiplier, multiplier=own[0] * self.rate,
            contract_initial_margin=own[1] * self.rate,
            contract_maintenance_margin=own[2] * self.rate,
        )  # fmt: skip
        return self._terms

    def restate(self) -> None:
        """Have the terms follow what rates, and margins in assets' own currencies, are now."""
        terms = self._terms
        assert terms is not None
        live = (terms.multiplier, terms.contract_initial_margin, terms.contract_maintenance_margin)
        for values, own in zip(live, self._own, strict=True):
            np.multiply(own, self.rate, out=values)

    def move(self, t: int) -> float:
        """Take the rates of the close of bar `t`; return what cash gained, account currency."""
        before, self.now = self.now, self._rates[t]
        kept = self._cash != 0  # of others the rate may not be known yet
        np.multiply(self._unit, self.now[self._of_asset], out=self.rate)
        self.restate()
        return float((self._cash[kept] * (self.now[kept] - before[kept])).sum())

    # -- cash by currency --------------------------------------------------------------

    def receive(self, sid: int, amount: float, total: float) -> None:
        """Take note of cash that came in for an asset, or went out, at no cost.

        Parameters
        ----------
        amount : float
            Account currency.
        total : float
            Account currency, all cash there is then.
        """
        if self.rules.keeps:
            code = self._of_asset.item(sid)
            self._cash = self._after(self._cash, code, amount, total)[0]

    def spend(self, sids: Ints, spent: Floats, total: float) -> None:
        """Take note of what fills took from cash, in their order; `total`: all that is left."""
        if self.rules.keeps:
            left = total + float(spent.sum())
            for sid, amount in zip(sids.tolist(), spent.tolist(), strict=True):
                left -= amount
                self._cash = self._after(self._cash, self._of_asset.item(sid), -amount, left)[0]

    def costs(self, sids: Ints, spent: Floats, total: float | None) -> Floats:
        """Return what it costs to convert what fills take from cash, or bring.

        Parameters
        ----------
        spent : float array
            Account currency, without this cost.
        total : float or None
            Account currency, all cash there is before; None: it is not known yet what of each
            currency there will be, and whatever is spent is taken to be converted.
        """
        rules, cost = self.rules, np.zeros(len(sids))
        if not rules.cost or rules.lends:
            return cost
        is_foreign = self._of_asset[sids] != OF_ACCOUNT
        if not rules.keeps:
            return np.where(is_foreign, np.abs(spent) * rules.cost, 0.0)
        if total is None:
            # What is sold at the same moment may be drawn from too.
            has_others = bool((self._cash > 0).any() or self._of_asset[self.held].any())
            may_draw = is_foreign | has_others
            return np.where(may_draw, np.maximum(spent, 0.0) * rules.cost, 0.0)
        cash = self._cash
        for i, (sid, amount) in enumerate(zip(sids.tolist(), spent.tolist(), strict=True)):
            code = self._of_asset.item(sid)
            cost[i] = self._after(cash, code, -amount, total - amount)[1] * rules.cost
            paid = amount + cost.item(i)
            total -= paid
            cash = self._after(cash, code, -paid, total)[0]
        return cost

    @property
    def bears_interest(self) -> bool:
        """Whether any currency but that of the account has a rate."""
        return any(one.credit or one.debit for one in self.interest)

    def year_of(self, sids: Ints, days_per_year: int) -> Floats:
        """Return the days of the account's year over those of the years of assets' currencies."""
        years = [days_per_year / (one.days_per_year or days_per_year) for one in self.interest]
        return np.array(years)[self._of_asset[sids]]

    def accrue(self, kept: Floats, days: float, days_per_year: int) -> list[float]:
        """Add interest on what was kept of each currency at the last close, in that currency.

        Returns what it is worth, account currency.
        """
        found: list[float] = []
        for code in kept.nonzero()[0].tolist():
            one, cash = self.interest[code], kept.item(code)
            rate = one.credit if cash > 0 else one.debit
            amount = cash * rate * days / (one.days_per_year or days_per_year)
            if amount:
                self._cash = self._cash.copy()
                self._cash[code] += amount
                found.append(amount * self.now.item(code))
        return found

    def kept(self) -> Floats:
        """Return what there is of each currency but the account's own, in it; never written to."""
        return self._cash

    def in_account(self, total: float) -> float:
        """Return how much of all cash is of the account's own currency."""
        return total - self._foreign(self._cash)

    def at_close(self, t: int, total: float) -> CashAtClose:
        """Return what there is of each currency; `total`: all cash, account currency."""
        cash = self._cash.copy()
        cash[OF_ACCOUNT] = self.in_account(total)
        return CashAtClose(t=t, currencies=self.names, cash=cash, rate=self.now)

    # -- inside ------------------------------------------------------------------------

    def _foreign(self, cash: Floats) -> float:
        (kept,) = cash.nonzero()
        return float((cash[kept] * self.now[kept]).sum())

    def _after(self, cash: Floats, code: int, amount: float, total: float) -> tuple[Floats, float]:
        """Return what is kept once cash has moved, and how much of it was converted.

        What a currency lacks is bought with that of the account, and what that lacks with others
        that there are, in the order of their names.

        Parameters
        ----------
        amount : float
            Account currency, positive = received; `total` has it in already.
        """
        cash, converted = cash.copy(), 0.0
        if code != OF_ACCOUNT:
            cash[code] += amount / self.now.item(code)
        if self.rules.lends:
            return cash, 0.0
        if cash[code] < 0:
            converted = -float(cash[code] * self.now[code])
            cash[code] = 0.0
        lacking = self._foreign(cash) - total
        for other in (cash > 0).nonzero()[0].tolist() if lacking > 0 else ():
            drawn = min(lacking, float(cash[other] * self.now[other]))
            cash[other] = max(cash.item(other) - drawn / self.now.item(other), 0.0)
            lacking -= drawn
            converted += drawn if code == OF_ACCOUNT else 0.0  # else it was counted above
        return cash, converted
