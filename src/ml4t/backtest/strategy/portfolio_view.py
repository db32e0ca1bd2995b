"""PortfolioView: the account as a strategy reads it at a close."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml4t.backtest.core.batch import Floats
from ml4t.backtest.core.position import Position

if TYPE_CHECKING:
    from ml4t.backtest.strategy.broker import StrategyBroker


class PortfolioView:
    """Cash, equity and positions at the close at which a strategy decides; read only.

    Parameters
    ----------
    broker : StrategyBroker
    """

    def __init__(self, broker: StrategyBroker) -> None:
        self._broker = broker
        self.positions: Mapping[object, Position] = OpenPositions(broker)

    @property
    def cash(self) -> float:
        """Account currency."""
        return self._broker.cash

    @property
    def equity(self) -> float:
        """Cash plus positions at their marks, account currency."""
        return self._broker.equity


class OpenPositions(Mapping[object, Position]):
    """Open positions by asset, in asset order; each is made when it is asked for."""

    def __init__(self, broker: StrategyBroker) -> None:
        self._broker = broker

    def __getitem__(self, asset_id: object) -> Position:
        position = self._broker.get_position(asset_id)
        if not position.quantity:
            raise KeyError(asset_id)
        return position

    def __iter__(self) -> Iterator[object]:
        return iter(self._broker.held)

    def __len__(self) -> int:
        return len(self._broker.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionArrays:
    """Positions of some assets at a close; every array has one entry per asset.

    Attributes
    ----------
    quantity : float array
        Shares, negative short, 0 flat.
    pnl : float array
        P&L as a fraction of the entry value, positive = gain; NaN when flat.
    drop : float array
        How far the close is on the losing side of the best price since entry, as a fraction of
        it; NaN when flat.
    bars_held : float array
        Bars through which the position was held, the entry bar's included unless it was opened
        at its close; NaN when flat.
    """

    quantity: Floats
    pnl: Floats
    drop: Floats
    bars_held: Floats
