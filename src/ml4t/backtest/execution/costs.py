"""What a fill costs: commission on top of the price, slippage inside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ml4t.backtest.core.batch import Floats
from ml4t.backtest.errors import ConfigError


class Commission(Protocol):
    """Charges for fills, in account currency."""

    def charge(self, quantity: Floats, price: Floats) -> Floats:
        """Return the charge of each fill, positive = cost."""
        ...


class Slippage(Protocol):
    """Moves the price of a market fill against the trader."""

    def fill_price(self, price: Floats, side: Floats | float) -> Floats:
        """Return the price paid; `side` is +1 for buys and -1 for sells."""
        ...


@dataclass(frozen=True, slots=True)
class BasisPointCommission:
    """A share of the traded value: ``|quantity| * price * basis_points / 10,000``."""

    basis_points: float

    def __post_init__(self) -> None:
        _require_rate("commission", self.basis_points)

    def charge(self, quantity: Floats, price: Floats) -> Floats:
        """Return ``|quantity| * price * basis_points / 10,000`` per fill."""
        return np.abs(quantity) * price * (self.basis_points / 10_000)


@dataclass(frozen=True, slots=True)
class BasisPointSlippage:
    """A share of the price: ``price * (1 + side * basis_points / 10,000)``."""

    basis_points: float

    def __post_init__(self) -> None:
        _require_rate("slippage", self.basis_points)

    def fill_price(self, price: Floats, side: Floats | float) -> Floats:
        """Return ``price * (1 + side * basis_points / 10,000)``; buys pay more, sells get less."""
        return price * (1 + side * (self.basis_points / 10_000))


def _require_rate(name: str, basis_points: float) -> None:
    if not isinstance(basis_points, (int, float)) or not 0 <= basis_points < 10_000:
        raise ConfigError(f"{name} must be from 0 to 10,000 basis points, was {basis_points!r}")
