"""Slippage and market impact: how far a fill's price is from the price quoted.

`side` is +1 for buys and -1 for sells: buys pay more, sells get less, and both by the same, but
for the worst price of a bar. What a model cannot price it refuses with a `CostError`: a column
that is missing where an order fills, and a sale at a price of 0 or less, which is an order too
large for the model. To floor that price would invent one.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from ml4t.backtest.core.aliases import takes_words
from ml4t.backtest.core.batch import Floats
from ml4t.backtest.core.fractions import ORDER, require_fraction
from ml4t.backtest.errors import require_column, require_within
from ml4t.backtest.execution.costs.contract import Quote


@dataclass(frozen=True, slots=True)
class FixedSlippage:
    """An amount per share: ``price + side * amount``.

    Parameters
    ----------
    amount : float
        In the unit of the price; below every price at which the run sells.
    """

    amount: float
    features: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        require_within("amount", self.amount)

    def fill_price(self, quote: Quote) -> Floats:
        """Return ``price + side * amount``."""
        return quote.require_price(quote.price + quote.side * self.amount)


@dataclass(frozen=True, slots=True)
class SpreadSlippage:
    """A share of the quoted spread: ``price + side * share * spread``.

    Parameters
    ----------
    column : str, default "spread"
        Column of ``signals`` with the whole spread, ask less bid, in the unit of the price.
    share : float, default 0.5
        From 0 to 10; a half of the spread lies between the middle and either quote.
    """

    column: str = "spread"
    _: KW_ONLY
    share: float = 0.5

    def __post_init__(self) -> None:
        require_fraction("share", self.share, ORDER)
        require_column("column", self.column)

    @property
    def features(self) -> tuple[str, ...]:
        """Columns of ``signals`` that the model reads."""
        return (self.column,)

    def fill_price(self, quote: Quote) -> Floats:
        """Return ``price + side * share * spread``."""
        spread = quote.known(self.column)
        return quote.require_price(quote.price + quote.side * (self.share * spread))


@dataclass(frozen=True, slots=True)
class WorstPriceSlippage:
    """The worst price of the fill's bar: its high for buys, its low for sells.

    Prices need both. No fill of that bar can be worse, but for `impact` on top: it is a bound of
    what any slippage may take, and no estimate.
    """

    features: ClassVar[tuple[str, ...]] = ("high", "low")

    def fill_price(self, quote: Quote) -> Floats:
        """Return ``max(price, high)`` for buys, ``min(price, low)`` for sells."""
        highest = np.maximum(quote.price, quote.known("high", positive=True))
        lowest = np.minimum(quote.price, quote.known("low", positive=True))
        bought = np.where(quote.side > 0, highest, quote.price)
        return quote.require_price(np.where(quote.side < 0, lowest, bought))


@takes_words
@dataclass(frozen=True, slots=True)
class VolumeShareSlippage:
    """Grows with the square of the share of the volume.

    ``price * (1 + side * price_impact * (|quantity| / volume) ** 2)``

    Parameters
    ----------
    price_impact : float, default 0.1
        Fraction of the price that an order as large as the volume moves it.
    volume_key : str, default "volume"
        Column of ``signals`` with the bar's volume, in shares.

    Notes
    -----
    Source: zipline, ``zipline.finance.slippage.VolumeShareSlippage``, and its default of 0.1.
    Zipline also limits each order to a share of the volume; here that is the broker's matter.
    """

    price_impact: float = 0.1
    _: KW_ONLY
    volume_key: str = "volume"

    def __post_init__(self) -> None:
        require_within("price_impact", self.price_impact)
        require_column("volume_key", self.volume_key)

    @property
    def features(self) -> tuple[str, ...]:
        """Columns of ``signals`` that the model reads."""
        return (self.volume_key,)

    def fill_price(self, quote: Quote) -> Floats:
        """Return ``price * (1 + side * price_impact * (|quantity| / volume) ** 2)``."""
        share = quote.quantity / quote.known(self.volume_key, positive=True)
        moved = quote.side * (self.price_impact * (share * share))
        return quote.require_price(quote.price * (1 + moved))


@takes_words
@dataclass(frozen=True, slots=True)
class SquareRootImpact:
    """Volatility times the root of the share of the volume.

    ``price * (1 + side * coefficient * volatility * sqrt(|quantity| / volume))``

    Parameters
    ----------
    coefficient : float, default 1.0
        Without unit. 1: to trade a whole day's volume costs one day's volatility.
    volatility_key : str, default "volatility"
        Column of ``signals`` with the standard deviation of returns, a fraction, over the period
        of the volume: of daily returns, not annual, where the volume is a day's.
    volume_key : str, default "volume"
        Column of ``signals`` with the volume of that period, in shares; an average of past days
        is steadier than the bar's own.

    Notes
    -----
    Source: R. Grinold and R. Kahn, Active Portfolio Management, 2nd ed. (2000), ch. 16, the
    inventory risk model that Barra used, with a coefficient of order 1. R. Almgren, C. Thum, E.
    Hauptmann and H. Li, Direct Estimation of Equity Market Impact (2005), fit a power of 3/5.
    """

    coefficient: float = 1.0
    _: KW_ONLY
    volatility_key: str = "volatility"
    volume_key: str = "volume"

    def __post_init__(self) -> None:
        require_within("coefficient", self.coefficient)
        require_column("volatility_key", self.volatility_key)
        require_column("volume_key", self.volume_key)

    @property
    def features(self) -> tuple[str, ...]:
        """Columns of ``signals`` that the model reads."""
        return (self.volatility_key, self.volume_key)

    def fill_price(self, quote: Quote) -> Floats:
        """Return ``price * (1 + side * coefficient * volatility * sqrt(|quantity| / volume))``."""
        volatility = quote.known(self.volatility_key)
        share = np.abs(quote.quantity) / quote.known(self.volume_key, positive=True)
        moved = quote.side * (self.coefficient * volatility * np.sqrt(share))
        return quote.require_price(quote.price * (1 + moved))
