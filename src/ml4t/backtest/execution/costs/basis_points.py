"""Basis points: commission and slippage as shares of what is traded, which a run has by default.

What either means is said with the other models, which load when one of them is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ml4t.backtest.core.batch import Floats
from ml4t.backtest.errors import require_within
from ml4t.backtest.execution.costs.contract import Quote
from ml4t.backtest.execution.costs.schedule import Adds


@dataclass(frozen=True, slots=True)
class BasisPointCommission(Adds):
    """A share of the traded value: ``value * basis_points / 10,000``.

    Parameters
    ----------
    basis_points : float
        From 0 to below 10,000; 0 trades free of charge.
    """

    basis_points: float
    features: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        require_within("commission basis_points", self.basis_points, below=10_000)

    def charge(self, quote: Quote) -> Floats:
        """Return ``|q| * price * multiplier * basis_points / 10,000`` per fill."""
        return quote.value * (self.basis_points / 10_000)


@dataclass(frozen=True, slots=True)
class BasisPointSlippage:
    """A share of the price: ``price * (1 + side * basis_points / 10,000)``.

    Parameters
    ----------
    basis_points : float
        From 0 to below 10,000; 0 fills at the price quoted.
    """

    basis_points: float
    features: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        require_within("slippage basis_points", self.basis_points, below=10_000)

    def fill_price(self, quote: Quote) -> Floats:
        """Return ``price * (1 + side * basis_points / 10,000)``."""
        return quote.price * (1 + quote.side * (self.basis_points / 10_000))
