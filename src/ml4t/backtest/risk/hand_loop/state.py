"""What a risk manager asks of a loop written by hand: broker, portfolio, features, fills."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from ml4t.backtest.core.event import MarketEvent
from ml4t.backtest.core.values import Value, is_missing


class FeatureSource(Protocol):
    """Gives features by asset and time, and market-wide ones by time."""

    # Any: ids are spelled as the user's data spells them.
    def get_features(self, asset_id: Any, timestamp: datetime) -> Mapping[str, Value]:
        """Return an asset's own values as known at a time."""
        ...

    def get_market_features(self, timestamp: datetime) -> Mapping[str, Value]:
        """Return the market-wide values as known at a time."""
        ...


class HeldPosition(Protocol):
    """What is held of one asset.

    Where it says so, `opened_at` is the timestamp of the event that opened it: by it a position
    that was closed and opened again between two events is known from the one before.
    """

    @property
    def quantity(self) -> float:
        """Shares, positive long, negative short; 0 where nothing is held."""
        ...

    @property
    def entry_price(self) -> float:
        """Average fill price of the open lots, per share."""
        ...


class LoopAccount(Protocol):
    """The account that holds the positions."""

    @property
    def equity(self) -> float:
        """Cash plus positions, account currency."""
        ...


class LoopBroker(Protocol):
    """The broker of a loop: `SimulationBroker`, or anything that does the same."""

    def get_position(self, asset_id: Any) -> HeldPosition:
        """Return what is held of an asset, a quantity of 0 where nothing is."""
        ...

    def exit_order(
        self,
        asset_id: Any,
        quantity: float,
        *,
        decided_at: datetime,
        tag: str,
        stop: float | None = None,
        limit: float | None = None,
    ) -> Any:
        """Return an order that leaves a position; the loop submits it.

        `quantity` is signed against the position, `stop` or `limit` the level that the event at
        `decided_at` has passed; without either it is a market order.
        """
        ...


class RecordedFill(Protocol):
    """A fill as a loop reports it."""

    @property
    def asset_id(self) -> Any: ...  # noqa: D102 - named as in Fill
    @property
    def quantity(self) -> float:
        """Shares, positive buys, negative sells."""
        ...

    @property
    def price(self) -> float:
        """Per share, slippage included."""
        ...


def features_of(event: MarketEvent, provider: FeatureSource | None) -> dict[str, Value]:
    """Return every feature that has a value, each from the first place that has it.

    In this order: the event's signals, the provider's features of the asset, the event's context,
    the provider's market features.
    """
    features = dict(event.signals)
    if provider is not None:
        _add(features, provider.get_features(event.asset_id, event.timestamp))
    _add(features, event.context)
    if provider is not None:
        _add(features, provider.get_market_features(event.timestamp))
    return features


def best_price(mark: float, quantity: float, event: MarketEvent) -> float:
    """Return the water mark after an event: of a long the highest price, of a short the lowest."""
    is_long = quantity >= 0
    extreme = event.high if is_long else event.low
    for price in (extreme, event.close):
        if price == price:
            return max(mark, price) if is_long else min(mark, price)
    return mark


def _add(features: dict[str, Value], more: Mapping[str, Value]) -> None:
    for name, value in more.items():
        if name not in features and not is_missing(value):
            features[name] = value
