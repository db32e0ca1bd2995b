"""Account rules: what increases of positions may use, and what they need of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.fractions import INITIAL, ORDER, require_fraction
from ml4t.backtest.core.orders import parse_choice
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.errors import (
    ConfigError,
    require_flags,
    require_whole,
    require_within,
)
from ml4t.backtest.portfolio.portfolio import Portfolio

# By asset: signed shares that opened or added to a position in this bar, each with the price
# before costs that was paid for it.
Bought = Mapping[int, Sequence[tuple[float, float]]]


INITIAL_OF, MAINTENANCE_OF = "contract_initial_margin", "contract_maintenance_margin"


class Shortfall(StrEnum):
    """What happens to increases of one bar that do not fit into the account together.

    SCALE shrinks all of them by one factor; IN_TURN fills each as far as what the ones before it
    left goes; REJECT rejects each whole that does not fit in turn; NONE does not look.
    """

    SCALE = "scale"
    IN_TURN = "in_turn"
    REJECT = "reject"
    NONE = "none"


class Increase(NamedTuple):
    """Orders that open or add to positions; every array has one entry per order.

    Attributes
    ----------
    sids : int array
    quantity : float array
        Signed: negative opens or adds to a short.
    held : float array
        What is held of each asset when it fills.
    base, price : float array
        Per share, before and after slippage and impact.
    charge : float array
        Commission, account currency.
    """

    sids: Ints
    quantity: Floats
    held: Floats
    base: Floats
    price: Floats
    charge: Floats

    @property
    def closing(self) -> Floats:
        """The part of `quantity` that only closes what is held on the other side."""
        return closing_part(self.quantity, self.held)


def closing_part(quantity: Floats, held: Floats) -> Floats:
    """Return the part of each order that only closes what is held on the other side, signed."""
    most = np.maximum(-held, np.minimum(quantity, 0.0))
    closing: Floats = np.minimum(most, np.maximum(quantity, 0.0))
    return closing


@dataclass(frozen=True, slots=True, kw_only=True)
class CashAccount:
    """An account in which cash pays for everything; by default it never borrows or shorts.

    Attributes
    ----------
    shortfall : Shortfall
        Buys and their costs fit into the cash left after the sells; this says how.
    overdraft : float
        Account currency that cash may fall below zero; 0 by default.
    shorting : bool
        Whether more can be sold than is held. The proceeds are cash like any other and nothing
        is held back for the return of the shares, as in some vectorized engines; a broker asks
        for a `MarginAccount`.
    checks_submission : bool
        Before the fills of a bar, its orders must fit one after the other at the closes at which
        they were decided; the first that does not ends all that follow.
    settlement : int
        Sessions after which the proceeds of a sale can be spent; 0: at once, 1: T+1.
    """

    shortfall: Shortfall = Shortfall.SCALE
    overdraft: float = 0.0
    shorting: bool = False
    checks_submission: bool = False
    settlement: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "shortfall", parse_choice(Shortfall, "shortfall", self.shortfall))
        require_flags(self, "shorting", "checks_submission")
        require_within("overdraft", self.overdraft)
        object.__setattr__(
            self, "settlement", require_whole("settlement", self.settlement, least=0)
        )

    @property
    def can_short(self) -> bool:
        """Whether more can be sold than is held."""
        return self.shorting

    @property
    def is_margin(self) -> bool:
        """No: cash pays for everything."""
        return False

    @property
    def lacks(self) -> str:
        """Why an order that does not fit is rejected."""
        return "insufficient cash"

    def room(
        self,
        portfolio: Portfolio,
        prices: Floats,
        terms: Instruments,
        unsettled: float,
        bought: Bought,  # noqa: ARG002
    ) -> float:
        """Return what buys may cost: settled cash and the overdraft, account currency.

        With what the contracts that are held have made until now, and less their initial margin: a
        ``contract_initial_margin``, else the ``initial_margin`` of their notional, else all of it.
        """
        left = portfolio.cash - unsettled + self.overdraft
        if not portfolio.settles_daily:
            return left
        is_margined = portfolio.margined(portfolio.held)
        held, values = portfolio.held[is_margined], portfolio.value_at(prices)[is_margined]
        quantity = portfolio.quantity[held]
        fraction = _own_fraction(held, quantity, terms)
        tied = margin_of(held, quantity, values, fraction, INITIAL_OF, terms)
        return left + float(values.sum() - tied.sum())

    def need(self, asked: Increase, terms: Instruments) -> Floats:
        """Return ``quantity * price * multiplier + commission``; below 0 where a sale brings it."""
        units = terms.multiplier[asked.sids]
        cost: Floats = asked.quantity * asked.price * units + asked.charge
        is_margined = terms.margined(asked.sids)
        if np.count_nonzero(is_margined):
            fraction = _own_fraction(asked.sids, asked.quantity, terms)
            one = np.ones(len(asked.sids))
            margin = margin_of(asked.sids, one, asked.base * units, fraction, INITIAL_OF, terms)
            size = np.abs(asked.quantity)
            slipped = size * units * np.abs(asked.price - asked.base)
            tied = (size - 2 * np.abs(asked.closing)) * margin + slipped + asked.charge
            cost = np.where(is_margined, tied, cost)
        return cost


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginAccount:
    """An account that may short and borrow against what it holds.

    Exposure is ``|quantity| * price * multiplier``. Opening or adding is allowed while
    equity covers ``initial_margin`` of all exposure; a close at which equity does not cover
    ``maintenance_margin`` of it is a margin call: at the next open every position is reduced by
    one and the same fraction, so that equity is back at the initial margin (at the marks of the
    call). Margins of the ``assets`` source take precedence, per asset.

    Attributes
    ----------
    initial_margin, maintenance_margin : float
        Fractions of exposure. Regulation T asks for 0.5, FINRA Rule 4210 for 0.25 (longs). The
        initial one may be above 1 and is below 10: 2 lets exposure be half of equity. 0 for
        maintenance: never a margin call.
    short_initial_margin, short_maintenance_margin : float or None
        The same of short positions; None: as of long ones. Rule 4210 asks for 0.30 of shorts.
    shortfall : Shortfall
        What happens to increases of one bar that the account cannot carry.
    """

    initial_margin: float = 0.5
    maintenance_margin: float = 0.25
    shortfall: Shortfall = Shortfall.SCALE
    short_initial_margin: float | None = None
    short_maintenance_margin: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "shortfall", parse_choice(Shortfall, "shortfall", self.shortfall))
        require_fraction("initial_margin", self.initial_margin, INITIAL)
        require_fraction("maintenance_margin", self.maintenance_margin, ORDER)
        if self.short_initial_margin is not None:
            require_fraction("short_initial_margin", self.short_initial_margin, INITIAL)
        if self.short_maintenance_margin is not None:
            require_fraction("short_maintenance_margin", self.short_maintenance_margin, ORDER)
        self._require_order("maintenance_margin", "initial_margin")
        self._require_order(
            *(
                name if getattr(self, f"short_{name}") is None else f"short_{name}"
                for name in ("maintenance_margin", "initial_margin")
            )
        )

    def _require_order(self, maintenance: str, initial: str) -> None:
        """Raise where every entry would be a margin call."""
        if getattr(self, maintenance) > getattr(self, initial):
            raise ConfigError(
                f"{maintenance} must be from 0 to {initial} = {getattr(self, initial)}, was "
                f"{getattr(self, maintenance)!r}"
            )

    @property
    def can_short(self) -> bool:
        """Yes."""
        return True

    @property
    def overdraft(self) -> float:
        """Cash has no floor of its own: equity must cover the margin instead."""
        return float("inf")

    @property
    def checks_submission(self) -> bool:
        """No: what counts is the margin at the fill."""
        return False

    @property
    def settlement(self) -> int:
        """Sale proceeds count at once: the broker lends them."""
        return 0

    @property
    def is_margin(self) -> bool:
        """Yes: equity covers a part of exposure."""
        return True

    @property
    def lacks(self) -> str:
        """Why an order that does not fit is rejected."""
        return "insufficient buying power"

    def initial(self, sids: Ints, quantity: Floats, terms: Instruments) -> Floats:
        """Return the initial margin of each position, a fraction of exposure.

        Parameters
        ----------
        quantity : float array
            Below 0 where a position is short.
        """
        own = terms.own_margin("initial_margin", sids, quantity)
        general = _by_side(quantity, self.initial_margin, self.short_initial_margin)
        found: Floats = np.where(np.isnan(own), general, own)
        return found

    def may_call(self, terms: Instruments) -> bool:
        """Whether any position needs a maintenance margin, so that there may be a margin call."""
        of_assets = (
            terms.maintenance_margin, terms.short_maintenance_margin,
            terms.contract_maintenance_margin,
        )  # fmt: skip
        own = (self.maintenance_margin, self.short_maintenance_margin)
        return any(own) or any(bool((one > 0).any()) for one in of_assets)

    def maintenance(self, sids: Ints, quantity: Floats, terms: Instruments) -> Floats:
        """Return the maintenance margin of each position, a fraction of exposure."""
        own = terms.own_margin("maintenance_margin", sids, quantity)
        general = _by_side(quantity, self.maintenance_margin, self.short_maintenance_margin)
        # An asset with a lower initial margin than the account's maintenance keeps no more.
        general = np.minimum(general, self.initial(sids, quantity, terms))
        return np.where(np.isnan(own), general, own)

    def room(
        self,
        portfolio: Portfolio,
        prices: Floats,
        terms: Instruments,
        unsettled: float,  # noqa: ARG002 - the broker lends what has not settled
        bought: Bought,
    ) -> float:
        """Return the equity that no exposure ties up, account currency.

        Exposure is at `prices`, and at what was paid where `bought` says so: else what a limit
        bought below the open would be a gain that carries the next purchase.
        """
        values = portfolio.value_at(prices)
        for sid, lots in bought.items():
            place = int(np.searchsorted(portfolio.held, sid))
            if place == len(portfolio.held) or portfolio.held[place] != sid:
                continue
            live = float(portfolio.quantity[sid])
            now = values[place] / (live * terms.multiplier[sid])
            left = abs(live)
            for quantity, price in reversed(lots):  # first in, first out: these are the last
                part = min(abs(quantity), left) if quantity * live > 0 else 0.0
                values[place] += math.copysign(part, live) * (price - now) * terms.multiplier[sid]
                left -= part
        held = portfolio.held
        fraction = self.initial(held, values, terms)
        tied = margin_of(held, portfolio.quantity[held], values, fraction, INITIAL_OF, terms)
        return portfolio.cash + float(values.sum()) - float(tied.sum())

    def need(self, asked: Increase, terms: Instruments) -> Floats:
        """Return the margin that each order ties up, and what its costs take off equity."""
        units = terms.multiplier[asked.sids]
        costs = np.abs(asked.quantity) * units * np.abs(asked.price - asked.base) + asked.charge
        # What it opens ties margin up, what it closes sets it free, which is of the other side.
        of_side = self.initial(asked.sids, asked.quantity, terms)
        of_other = self.initial(asked.sids, -asked.quantity, terms)
        closing = np.abs(asked.closing)
        tied = (np.abs(asked.quantity) - 2 * closing) * units * asked.base * of_side
        if np.count_nonzero(of_side != of_other):
            opened = (np.abs(asked.quantity) - closing) * of_side
            tied = (opened - closing * of_other) * units * asked.base
        money = terms.contract_initial_margin[asked.sids]
        if np.count_nonzero(is_money := ~np.isnan(money)):
            contracts = (np.abs(asked.quantity) - 2 * closing) * money
            tied = np.where(is_money, contracts, tied)
        needed: Floats = tied + costs
        return needed


def margin_of(
    sids: Ints, quantity: Floats, values: Floats, fraction: Floats, kind: str, terms: Instruments
) -> Floats:
    """Return the margin of positions in money.

    Parameters
    ----------
    values : float array
        Of each, or ``[bars, positions]``, account currency.
    fraction : float array
        Of the value, where there is no margin per contract.
    kind : {"contract_initial_margin", "contract_maintenance_margin"}
    """
    of_values: Floats = np.abs(values) * fraction
    money = getattr(terms, kind)[sids]
    is_money = ~np.isnan(money)
    if not np.count_nonzero(is_money):
        return of_values
    return np.where(is_money, np.abs(quantity) * money, of_values)


def _own_fraction(sids: Ints, quantity: Floats, terms: Instruments) -> Floats:
    """Return the initial margin of contracts, a fraction of the notional; by default all of it."""
    own = terms.own_margin("initial_margin", sids, quantity)
    fraction: Floats = np.where(np.isnan(own), 1.0, own)
    return fraction


def _by_side(quantity: Floats, of_long: float, of_short: float | None) -> Floats | float:
    """Return a margin of an account for each position."""
    return of_long if of_short is None else np.where(quantity < 0, of_short, of_long)


Account = CashAccount | MarginAccount
