"""LoopPortfolio: cash and positions of a loop written by hand, each with lots of the engine's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from ml4t.backtest.core.event import NAN
from ml4t.backtest.core.position import Position
from ml4t.backtest.execution.hand_loop.asset_broker import AssetBroker


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopPosition(Position):
    """What a loop written by hand holds of one asset at one moment.

    ``float(position)`` is its quantity, and it is true where anything is held.

    Attributes
    ----------
    opened_at : datetime or None
        Timestamp of the event in which it was opened from flat; None when flat.
    """

    opened_at: datetime | None = None

    def __float__(self) -> float:
        return self.quantity

    def __bool__(self) -> bool:
        return self.quantity != 0


class LoopPortfolio:
    """Cash and long positions. Equity = cash + sum(quantity * price).

    Parameters
    ----------
    cash : float
        Account currency.

    Attributes
    ----------
    cash : float
    positions : mapping of asset to LoopPosition
        What is held now; each position is made when it is asked for.
    """

    def __init__(self, cash: float) -> None:
        self.cash = cash
        self._held: dict[object, AssetBroker] = {}
        self._last_price: dict[object, float] = {}
        self.positions: Mapping[object, LoopPosition] = LoopPositions(self, self._held)

    @property
    def equity(self) -> float:
        """Account currency, at the last closes that the broker has seen."""
        return self.cash + sum(one.quantity * one.price for one in self._held.values())

    def position(self, asset_id: object) -> LoopPosition:
        """Return the position in an asset; one with quantity 0 where there is none."""
        held = self._held.get(asset_id)
        if held is None:
            price = self._last_price.get(asset_id, NAN)
            return LoopPosition(asset_id=asset_id, quantity=0.0, entry_price=NAN, price=price)
        return LoopPosition(
            asset_id=asset_id, quantity=held.quantity, entry_price=held.entry_price,
            price=held.price, opened_at=held.opened_at,
        )  # fmt: skip

    # -- what the broker calls --------------------------------------------------------

    def holder(self, asset_id: object) -> AssetBroker | None:
        """Return what fills and holds an asset, None where nothing of it is held."""
        return self._held.get(asset_id)

    def keep(self, asset_id: object, held: AssetBroker) -> None:
        """Note whether anything of an asset is held after a fill."""
        if held.quantity:
            self._held[asset_id] = held
        else:
            self._held.pop(asset_id, None)

    def mark(self, asset_id: object, close: float) -> None:
        """Take an asset's close; a missing one leaves the mark as it was."""
        if close == close:
            self._last_price[asset_id] = float(close)
            if asset_id in self._held:
                self._held[asset_id].mark(close)


class LoopPositions(Mapping[object, LoopPosition]):
    """Open positions by asset, in the order in which they were opened."""

    def __init__(self, portfolio: LoopPortfolio, held: Mapping[object, AssetBroker]) -> None:
        self._portfolio, self._held = portfolio, held

    def __getitem__(self, asset_id: object) -> LoopPosition:
        if asset_id not in self._held:
            raise KeyError(asset_id)
        return self._portfolio.position(asset_id)

    def __iter__(self) -> Iterator[object]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self)})"
