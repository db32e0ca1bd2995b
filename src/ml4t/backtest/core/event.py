"""Events: one asset at the close of one bar, as callbacks see it.

An event is two references, to its bar and its place in it. What it shows is read when it is asked
for, so that an event costs what is read of it. `Events` are those of one timestamp.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import overload

from ml4t.backtest.core.context import Context
from ml4t.backtest.core.values import Columns, Value, Values

PRICES = ("open", "high", "low", "close", "volume")
NAN = float("nan")


class Signals(Values):
    """Per-asset values at one bar: predictions, indicators, any column beyond the prices.

    Raises
    ------
    SignalError
        On access by ``signals[name]``: there is no such column, or no value now. It is a KeyError.
    """

    __slots__ = ()
    kind = "signal"


class Bar:
    """What the events of one timestamp share.

    Attributes
    ----------
    timestamp : datetime
        When the bar is complete (UTC where bars have a zone).
    asset_ids : sequence
        By place.
    prices, signals : Columns
        By place; prices are NaN where the source has none.
    context : Context
    """

    __slots__ = ("asset_ids", "context", "prices", "signals", "timestamp")

    def __init__(
        self,
        timestamp: datetime,
        asset_ids: Sequence[object],
        *,
        prices: Columns,
        signals: Columns,
        context: Context,
    ) -> None:
        self.timestamp, self.asset_ids = timestamp, asset_ids
        self.prices, self.signals, self.context = prices, signals, context


class MarketEvent:
    """One asset at the close of one bar.

    In a run the engine makes them; by hand all is given by keyword.

    Parameters
    ----------
    timestamp : datetime
    asset_id : object
    open, high, low, close : float, optional
        Per share; NaN where not given, or given as None, as rows of a database have it.
    volume : float, optional
        Shares.
    signals : mapping of str to value, optional
        This asset's own values.
    context : mapping of str to value, optional
        Market-wide values.

    Examples
    --------
    >>> from datetime import datetime
    >>> from ml4t.backtest.core.event import MarketEvent
    >>> event = MarketEvent(
    ...     timestamp=datetime(2024, 1, 2), asset_id="AAPL", close=185.6,
    ...     signals={"ml_score": 0.85, "atr": None}, context={"vix": 18.5},
    ... )
    >>> event.signals["ml_score"], event.signals.get("atr"), event.context["vix"]
    (0.85, None, 18.5)
    """

    __slots__ = ("_at", "_bar")

    def __init__(
        self,
        *,
        timestamp: datetime,
        asset_id: object,
        open: float | None = NAN,  # noqa: A002 - the field's word
        high: float | None = NAN,
        low: float | None = NAN,
        close: float | None = NAN,
        volume: float | None = NAN,
        signals: Mapping[str, Value] | None = None,
        context: Mapping[str, Value] | None = None,
    ) -> None:
        given = zip(PRICES, (open, high, low, close, volume), strict=True)
        prices = {name: NAN if price is None else price for name, price in given}
        self._at = 0
        self._bar = Bar(
            timestamp,
            (asset_id,),
            prices=Columns.of(prices),
            signals=Columns.of(signals or {}),
            context=context if isinstance(context, Context) else Context(context),
        )

    @property
    def timestamp(self) -> datetime:
        """When the bar is complete (UTC where bars have a zone)."""
        return self._bar.timestamp

    @property
    def asset_id(self) -> object:
        """The asset, as prices spell it."""
        return self._bar.asset_ids[self._at]

    @property
    def signals(self) -> Signals:
        """The asset's own values, without the missing ones."""
        return Signals(self._bar.signals, self._at)

    @property
    def context(self) -> Context:
        """Market-wide values, one mapping for all events of the timestamp."""
        return self._bar.context

    @property
    def data(self) -> MarketEvent:
        """The event itself: ``event.data.signals`` is ``event.signals``."""
        return self

    @property
    def open(self) -> float:
        """First price of the bar, per share; NaN where there is none."""
        return self._price("open")

    @property
    def high(self) -> float:
        """Highest price of the bar, per share."""
        return self._price("high")

    @property
    def low(self) -> float:
        """Lowest price of the bar, per share."""
        return self._price("low")

    @property
    def close(self) -> float:
        """Last price of the bar, per share."""
        return self._price("close")

    @property
    def volume(self) -> float:
        """Shares traded in the bar."""
        return self._price("volume")

    def _price(self, name: str) -> float:
        price: float = self._bar.prices[name][self._at]
        return price

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.asset_id!r} at {self.timestamp}, close {self.close})"


MarketData = MarketEvent


class BarEvent(MarketEvent):
    """An event of a run: a bar, and a place in it."""

    __slots__ = ()

    def __init__(self, bar: Bar, at: int) -> None:
        self._bar, self._at = bar, at

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BarEvent):
            return NotImplemented
        return self._bar is other._bar and self._at == other._at

    def __hash__(self) -> int:
        return hash((id(self._bar), self._at))


class Events(Sequence[MarketEvent]):
    """The events of one timestamp in asset order; each is made when it is asked for."""

    __slots__ = ("_bar", "_places")

    def __init__(self, bar: Bar, places: Sequence[int]) -> None:
        self._bar, self._places = bar, places

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[MarketEvent]:
        bar = self._bar
        return (BarEvent(bar, at) for at in self._places)

    @overload
    def __getitem__(self, index: int) -> MarketEvent: ...
    @overload
    def __getitem__(self, index: slice) -> list[MarketEvent]: ...
    def __getitem__(self, index: int | slice) -> MarketEvent | list[MarketEvent]:
        if isinstance(index, slice):
            return [BarEvent(self._bar, at) for at in self._places[index]]
        return BarEvent(self._bar, self._places[index])


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """An order, or a part of it, done.

    Attributes
    ----------
    timestamp : datetime
        Close of the bar in which it filled.
    asset_id : object
    quantity : float
        Shares, positive buys, negative sells.
    price : float
        Per share, slippage and impact included.
    commission, tax, fee, slippage, impact : float
        Account currency, positive = cost; the last two are already inside `price`.
    order_id : int
    tag : str
        Who asked: the strategy's own word, or the name of a rule.
    """

    timestamp: datetime
    asset_id: object
    quantity: float
    price: float
    commission: float
    tax: float = 0.0
    fee: float = 0.0
    slippage: float
    impact: float = 0.0
    order_id: int
    tag: str
