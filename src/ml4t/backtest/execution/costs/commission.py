"""Commission: what brokers and venues charge for a fill, on top of its price.

All charges are in the asset's currency, positive = cost, and count per fill: `|q|` is the quantity
without sign, `value` is ``|q| * price * multiplier`` at the price paid. A fill of nothing costs
nothing.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from ml4t.backtest.core.batch import Floats
from ml4t.backtest.core.fractions import SHARE, require_fraction
from ml4t.backtest.errors import ConfigError, require_list, require_number, require_within
from ml4t.backtest.execution.costs.contract import Quote
from ml4t.backtest.execution.costs.schedule import Adds


@dataclass(frozen=True, slots=True, kw_only=True)
class MakerTakerCommission(Adds):
    """A share of the traded value that depends on who waited: ``value * basis_points / 10,000``.

    Limits that rested in the book pay the maker's rate, all other fills the taker's.

    Parameters
    ----------
    maker_basis_points : float
        Above -10,000 and below 10,000; negative = a rebate, which the account receives.
    taker_basis_points : float
        From 0 to below 10,000.

    Notes
    -----
    Source: the maker-taker price lists of venues, under which an order that adds liquidity is
    paid a part of what the order that takes it is charged (SEC Rule 610(c) caps the latter).
    """

    maker_basis_points: float
    taker_basis_points: float
    features: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        require_number("maker_basis_points", self.maker_basis_points, above=-10_000, below=10_000)
        require_within("taker_basis_points", self.taker_basis_points, below=10_000)

    def charge(self, quote: Quote) -> Floats:
        """Return ``value * basis_points / 10,000`` per fill, negative = a rebate."""
        basis_points = self.maker_basis_points if quote.is_maker else self.taker_basis_points
        return quote.value * (basis_points / 10_000)


@dataclass(frozen=True, slots=True)
class PerShareCommission(Adds):
    """An amount per share: ``min(max(|q| * per_share, minimum), cap * value)``.

    Parameters
    ----------
    per_share : float
        Asset's currency per share or contract; the multiplier does not enter.
    minimum : float, default 0
        Asset's currency per fill.
    cap : float or None, default None
        Fraction of the traded value, above 0 and below 1; None = no cap. It goes before the
        minimum: it is there for small trades in low-priced shares.

    Notes
    -----
    Source: Interactive Brokers, fixed pricing for US stocks: 0.005 per share, minimum 1.00, at
    most 1% of the trade value. What is left of an order on the next bar pays the minimum again,
    as an order does there that stands overnight.
    """

    per_share: float
    _: KW_ONLY
    minimum: float = 0.0
    cap: float | None = None
    features: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        require_within("per_share", self.per_share)
        require_within("minimum", self.minimum)
        if self.cap is not None:
            require_fraction("cap", self.cap, SHARE)

    def charge(self, quote: Quote) -> Floats:
        """Return ``min(max(|q| * per_share, minimum), cap * value)`` per fill."""
        quantity = np.abs(quote.quantity)
        charge = np.maximum(quantity * self.per_share, self.minimum)
        if self.cap is not None:
            charge = np.minimum(charge, self.cap * quote.value)
        return np.where(quantity > 0, charge, 0.0)


@dataclass(frozen=True, slots=True)
class PerOrderCommission(Adds):
    """One amount per fill, whatever its size: ``amount`` where ``|q| > 0``.

    What is left of an order on the next bar pays again, as a ticket charge per day does.

    Parameters
    ----------
    amount : float
        Asset's currency.
    """

    amount: float
    features: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        require_within("amount", self.amount)

    def charge(self, quote: Quote) -> Floats:
        """Return `amount` per fill."""
        return np.where(quote.quantity != 0, float(self.amount), 0.0)


@dataclass(frozen=True, slots=True)
class TieredCommission(Adds):
    """Basis points by the value of the fill, marginal, as in a tax table.

    ``sum over tiers k: clip(value - start_k, 0, start_{k+1} - start_k) * basis_points_k / 10,000``

    Each tier's rate counts for the part of the value inside it, so that the charge is continuous
    and a larger trade never costs less than a smaller one.

    Parameters
    ----------
    tiers : tuple of (start, basis_points)
        `start`: value in the asset's currency from which the rate counts, ascending from 0.
        `basis_points`: from 0 to below 10,000.

    Notes
    -----
    Source: Interactive Brokers states that volume tiers "are applied on a marginal basis". Its
    tiers count the shares of a calendar month; ours the value of one fill, as sliding scales do.
    """

    tiers: tuple[tuple[float, float], ...]
    features: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        tiers = require_tiers(self.tiers, "basis_points", below=10_000)
        object.__setattr__(self, "tiers", tiers)

    def charge(self, quote: Quote) -> Floats:
        """Return the sum over the tiers of the value inside each times its rate, per fill."""
        rates = tuple((start, basis_points / 10_000) for start, basis_points in self.tiers)
        return marginal(rates, 0.0, quote.value)


def require_tiers(
    tiers: object, amount: str, *, below: float = math.inf
) -> tuple[tuple[float, float], ...]:
    """Return tiers as pairs of numbers; `amount` is what the second one is called.

    Raises
    ------
    ConfigError
        They are no pairs, an amount is outside of its range, or starts do not ascend from 0.
    """
    pairs = []
    for tier in require_list("tiers", tiers, f"(start, {amount}) pairs"):
        if not isinstance(tier, (list, tuple)) or len(tier) != 2:
            raise ConfigError(f"a tier must be a (start, {amount}) pair, was {tier!r}")
        require_within("start of a tier", tier[0])
        require_within(f"{amount} of a tier", tier[1], below=below)
        pairs.append((float(tier[0]), float(tier[1])))
    starts = [start for start, _ in pairs]
    if not starts or starts[0] != 0 or starts != sorted(set(starts)):
        raise ConfigError(f"tiers must start at 0 and ascend, their starts were {starts!r}")
    return tuple(pairs)


def marginal(
    tiers: tuple[tuple[float, float], ...], before: Floats | float, after: Floats
) -> Floats:
    """Return the sum over the tiers of what lies inside each, between two sizes, times its amount.

    Parameters
    ----------
    tiers : tuple of (start, amount)
        As of `require_tiers`.
    before, after : float array
        Where each part begins and ends.
    """
    charge = np.zeros(len(after))
    ends = [*(start for start, _ in tiers[1:]), np.inf]
    for (start, amount), end in zip(tiers, ends, strict=True):
        charge += (np.clip(after, start, end) - np.clip(before, start, end)) * amount
    return charge
