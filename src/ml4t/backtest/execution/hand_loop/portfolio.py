"""LoopPortfolio: cash and positions of a loop written by hand, with the lots of the engine's."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ml4t.backtest.core.event import NAN
from ml4t.backtest.core.position import Position
from ml4t.backtest.core.tolerances import DUST
from ml4t.backtest.execution.hand_loop.order import LoopFill
from ml4t.backtest.portfolio.lots import Lot, close_lots


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


@dataclass(slots=True, kw_only=True)
class HeldLots:
    """The ledger of one position: `basis` is the sum of ``quantity * price`` over its lots."""

    opened_at: datetime
    price: float
    quantity: float = 0.0
    basis: float = 0.0
    lots: deque[Lot] = field(default_factory=deque)


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
        self._held: dict[object, HeldLots] = {}
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
            asset_id=asset_id, quantity=held.quantity, entry_price=held.basis / held.quantity,
            price=held.price, opened_at=held.opened_at,
        )  # fmt: skip

    # -- what the broker calls --------------------------------------------------------

    def quantity(self, asset_id: object) -> float:
        """Return the shares held."""
        held = self._held.get(asset_id)
        return 0.0 if held is None else held.quantity

    def mark(self, asset_id: object, close: float) -> None:
        """Take an asset's close; a missing one leaves the mark as it was."""
        if close == close:
            self._last_price[asset_id] = float(close)
            if asset_id in self._held:
                self._held[asset_id].price = float(close)

    def buy(self, fill: LoopFill) -> None:
        """Book a fill that opens a position, or adds to it."""
        size = fill.quantity
        self.cash -= size * fill.price + fill.commission
        held = self._held.get(fill.asset_id)
        if held is None:
            held = self._held[fill.asset_id] = HeldLots(opened_at=fill.timestamp, price=fill.price)
        lot = Lot(size, fill.price, fill.commission / size, fill.slippage / size, 0.0, 0)
        held.lots.append(lot)
        held.quantity += size
        held.basis += size * fill.price

    def sell(self, asset_id: object, quantity: float, price: float, commission: float) -> float:
        """Book a sale of at most what is held; return what it realised, net of commission.

        Parameters
        ----------
        quantity : float
            Signed: below 0.
        price : float
            Per share, slippage included.
        commission : float
            Account currency, positive = cost.
        """
        self.cash -= quantity * price + commission
        held = self._held[asset_id]
        after = held.quantity + quantity
        is_flat = abs(after) <= DUST * abs(held.quantity)
        sale = Lot(quantity, price, commission / abs(quantity), 0.0, 0.0, 0)
        trades = close_lots(held.lots, 0, sale, "", is_flat=is_flat)
        if is_flat:
            del self._held[asset_id]
        else:
            held.quantity = after
            held.basis -= sum(trade.quantity * trade.entry_price for trade in trades)
        return sum(trade.pnl for trade in trades)


class LoopPositions(Mapping[object, LoopPosition]):
    """Open positions by asset, in the order in which they were opened."""

    def __init__(self, portfolio: LoopPortfolio, held: Mapping[object, HeldLots]) -> None:
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
