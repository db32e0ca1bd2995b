"""Sizers: how much a declarative strategy buys of an asset that it enters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ml4t.backtest.core.aliases import takes_words
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.core.by_value import ByValue
from ml4t.backtest.core.fractions import EXPOSURE, SHARE, require_fraction
from ml4t.backtest.core.parts import attributes
from ml4t.backtest.core.shown import shown_attributes
from ml4t.backtest.errors import ConfigError, require_column, require_columns, require_number
from ml4t.backtest.execution.orders.order import Order
from ml4t.backtest.strategy.helpers import Helpers


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An asset that is to be entered at a close.

    Attributes
    ----------
    helpers : Helpers
        To read the account, and to send the order.
    asset_id : object
    close : float
        Per share.
    values : mapping of str to float
        What the sizer named in its features, NaN where missing.
    """

    helpers: Helpers
    asset_id: object
    close: float
    values: Mapping[str, float]

    @classmethod
    def at(cls, helpers: Helpers, sid: int, batch: Batch, sizer: Sizer) -> Entry:
        """Return the entry of an asset at the close of a batch."""
        return cls(
            helpers=helpers,
            asset_id=helpers.running().asset_id(sid),
            close=batch.close.item(sid),
            values={name: batch.features[name].item(sid) for name in sizer.features},
        )


class Sizer(ByValue):
    """Base of all sizers; equal ones buy alike.

    Attributes
    ----------
    features : tuple of str
        Columns of ``signals`` or ``market`` that it reads; where one is missing nothing is
        entered. One that is in both is ``signals.x`` or ``market.x``.
    """

    features: tuple[str, ...] = ()

    def enter(self, entry: Entry) -> Order | None:
        """Send the order that enters an asset."""
        raise NotImplementedError

    def _settings(self) -> tuple[object, ...]:
        return tuple(attributes(self).items())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({shown_attributes(self)})"


@takes_words
class PercentSizer(Sizer):
    """Buys for a fraction of the portfolio's value.

    Parameters
    ----------
    percent : float
        Fraction of equity, 0.95 = 95%; at most 10.
    """

    def __init__(self, percent: float) -> None:
        self.percent = require_fraction("percent", percent, EXPOSURE)

    def enter(self, entry: Entry) -> Order | None:
        """Buy; see `Sizer.enter`."""
        return entry.helpers.buy_percent(entry.asset_id, self.percent)


@takes_words
class ConfidenceSizer(Sizer):
    """Holds ``max_percent * confidence`` of the portfolio's value.

    Parameters
    ----------
    max_percent : float
        Fraction of equity at full confidence; at most 10.
    column : str
        Signal from 0 to 1; what lies outside counts as the nearer end.
    """

    def __init__(self, max_percent: float, *, column: str = "confidence") -> None:
        self.max_percent = require_fraction("max_percent", max_percent, EXPOSURE)
        self.column = _column(column)

    @property
    def features(self) -> tuple[str, ...]:  # type: ignore[override]
        """The confidence."""
        return (self.column,)

    def enter(self, entry: Entry) -> Order | None:
        """Order what is missing; see `Sizer.enter`."""
        confidence = min(max(entry.values[self.column], 0.0), 1.0)
        return entry.helpers.size_by_confidence(entry.asset_id, confidence, self.max_percent)


@takes_words
class VolatilitySizer(Sizer):
    """Buys so many shares that a move by the volatility costs a fraction of the portfolio's value.

    ``shares = risk * equity / (multiple * volatility)``, at most `max_percent` of equity.

    Parameters
    ----------
    risk : float
        Fraction of equity, 0.01 = 1%; below 1.
    column : str
        Signal in units of price, such as an ATR; where it is not above 0 nothing is entered.
    multiple : float
    max_percent : float
        Fraction of equity; at most 10.
    """

    def __init__(
        self,
        risk: float,
        *,
        column: str = "atr",
        multiple: float = 1.0,
        max_percent: float = 1.0,
    ) -> None:
        self.risk = require_fraction("risk", risk, SHARE)
        require_number("multiple", multiple, above=0, below=float("inf"))
        self.max_percent = require_fraction("max_percent", max_percent, EXPOSURE)
        self.column, self.multiple = _column(column), float(multiple)

    @property
    def features(self) -> tuple[str, ...]:  # type: ignore[override]
        """The volatility."""
        return (self.column,)

    def enter(self, entry: Entry) -> Order | None:
        """Buy; see `Sizer.enter`."""
        distance = self.multiple * entry.values[self.column]
        if not distance > 0:
            return None
        percent = min(self.risk * entry.close / distance, self.max_percent)
        return entry.helpers.buy_percent(entry.asset_id, percent)


class FixedSizer(Sizer):
    """Buys a number of shares.

    Parameters
    ----------
    quantity : float
        Shares, above 0.
    """

    def __init__(self, quantity: float) -> None:
        require_number("quantity", quantity, above=0, below=float("inf"))
        self.quantity = float(quantity)

    def enter(self, entry: Entry) -> Order | None:
        """Buy; see `Sizer.enter`."""
        return entry.helpers.running().order(entry.asset_id, self.quantity)


def require_sizer(sizer: object) -> Sizer:
    """Return a sizer whose features are column names.

    Raises
    ------
    ConfigError
        It is none.
    """
    if not isinstance(sizer, Sizer):
        raise ConfigError(f"position_sizer must be a Sizer, was {sizer!r}")
    require_columns(f"features of {type(sizer).__name__}", sizer.features)
    return sizer


def _column(name: str) -> str:
    require_column("column", name)
    return name
