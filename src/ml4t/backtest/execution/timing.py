"""Fill timings: when, and at which price, orders without a price of their own fill.

Each is one class that gives its prices at one of three moments of a bar, and None at the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ml4t.backtest.core.batch import Batch, Floats
from ml4t.backtest.core.tolerances import AVERAGE_IN_RANGE
from ml4t.backtest.errors import ConfigError, require_column


@dataclass(frozen=True, slots=True)
class FillTiming:
    """When and at which price orders without a price of their own fill; use a subclass.

    Prices are arrays by `sid`, NaN where an asset cannot trade.

    Attributes
    ----------
    is_closing : bool
        Whether their price is the close before anything is decided at it, so that on-close orders
        fill beside them.
    """

    is_closing: ClassVar[bool] = False

    @property
    def fills_decided(self) -> bool:
        """Whether orders fill at the very close at which they are decided: it has prices then."""
        return type(self).after_decision is not FillTiming.after_decision

    @property
    def fills_at_open(self) -> bool:
        """Whether orders fill at the open of a bar, so that prices need one."""
        return type(self).at_open is not FillTiming.at_open

    @property
    def column(self) -> str:
        """The price column of the bar that the fill is based on."""
        raise NotImplementedError

    @property
    def features(self) -> tuple[str, ...]:
        """Columns that it reads beside the bar's own prices."""
        return ()

    @property
    def description(self) -> str:
        """One line for the summary."""
        raise NotImplementedError

    def at_open(self, batch: Batch) -> Floats | None:  # noqa: ARG002 - most fill later
        """Return the prices at which waiting orders fill before all else of a bar."""
        return None

    def at_close(self, batch: Batch) -> Floats | None:  # noqa: ARG002 - most fill earlier
        """Return the prices at which they fill by a close, before it is decided on."""
        return None

    def after_decision(self, batch: Batch) -> Floats | None:  # noqa: ARG002 - most fill at a later bar
        """Return the prices at which they fill at the close at which they are decided."""
        return None


class NextOpen(FillTiming):
    """Decided at a close, filled at the next bar's open: the default."""

    __slots__ = ()

    @property
    def column(self) -> str:
        """``open``."""
        return "open"

    @property
    def description(self) -> str:
        """One line for the summary."""
        return "orders decided at a close fill at the next open"

    def at_open(self, batch: Batch) -> Floats | None:
        """Return the opens."""
        return batch.open


class ThisClose(FillTiming):
    """Decided at a close and filled at that very close.

    Optimistic: the price is known when the order is decided. For comparisons with engines that
    trade so.
    """

    __slots__ = ()

    @property
    def column(self) -> str:
        """``close``."""
        return "close"

    @property
    def description(self) -> str:
        """One line for the summary."""
        return "orders decided at a close fill at that same close, which is optimistic"

    def after_decision(self, batch: Batch) -> Floats | None:
        """Return the closes."""
        return traded(batch)


class NextClose(FillTiming):
    """Decided at a close, filled at the next bar's close."""

    __slots__ = ()

    is_closing: ClassVar[bool] = True

    @property
    def column(self) -> str:
        """``close``."""
        return "close"

    @property
    def description(self) -> str:
        """One line for the summary."""
        return "orders decided at a close fill at the next close"

    def at_close(self, batch: Batch) -> Floats | None:
        """Return the closes."""
        return traded(batch)


@dataclass(frozen=True, slots=True)
class VolumeWeighted(FillTiming):
    """Decided at a close, filled at the next bar's volume-weighted price.

    Attributes
    ----------
    vwap : str
        The column of ``prices`` that holds it. The fill counts as made by the end of the bar, so
        that no level acts on the entry bar.
    """

    vwap: str = "vwap"

    def __post_init__(self) -> None:
        require_column("vwap", self.vwap)
        if self.vwap in ("open", "high", "low", "close"):
            raise ConfigError(f"vwap must be a column of its own, was {self.vwap!r}")

    @property
    def column(self) -> str:
        """The column named by `vwap`."""
        return self.vwap

    @property
    def features(self) -> tuple[str, ...]:
        """The column named by `vwap`."""
        return (self.vwap,)

    @property
    def description(self) -> str:
        """One line for the summary."""
        return f"orders decided at a close fill at the next bar's {self.vwap}"

    def at_close(self, batch: Batch) -> Floats | None:
        """Return the averages, NaN where one cannot be one of the bar's trades."""
        price = batch.features[self.vwap]
        if batch.high is not None and batch.low is not None:
            # An average of trades lies between their extremes, but for its own rounding.
            inside = np.clip(price, batch.low, batch.high)
            price = np.where(np.abs(price - inside) <= AVERAGE_IN_RANGE * inside, inside, np.nan)
        return np.where(np.isnan(batch.traded) | ~(price > 0), np.nan, price)


def traded(batch: Batch) -> Floats:
    """Return the closes of assets that traded; nothing does in a bar without volume."""
    return np.where(np.isnan(batch.traded), np.nan, batch.close)
