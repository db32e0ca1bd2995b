"""AccountReader: what a strategy reads of its account at the close at which it decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.batch import Batch, Ints
from ml4t.backtest.errors import ConfigError, did_you_mean
from ml4t.backtest.portfolio.portfolio import Portfolio
from ml4t.backtest.strategy.order_entry import OrderEntry
from ml4t.backtest.strategy.portfolio_view import PortfolioView, PositionArrays

if TYPE_CHECKING:
    from ml4t.backtest.core.position import Position


class AccountReader:
    """Cash, positions and their assets, by id or by number.

    Parameters
    ----------
    portfolio : Portfolio
    order_entry : OrderEntry
        Knows the bar and its prices.
    axes : Axes
        What the integers of the run stand for.
    """

    def __init__(self, portfolio: Portfolio, order_entry: OrderEntry, axes: Axes) -> None:
        self._portfolio, self._order_entry, self._axes = portfolio, order_entry, axes
        self._asset_ids = axes.ids
        self._sids = {asset_id: sid for sid, asset_id in enumerate(self._asset_ids)}
        self._equity: float | None = None

    def begin(self, batch: Batch) -> None:
        """Take the bar at whose close the next orders are decided."""
        self._order_entry.batch = batch
        # Nothing fills while a strategy decides: what the account is worth is counted once.
        self._equity = None

    def end(self) -> None:
        """Take no more orders: the run is over."""
        self._order_entry.batch = None

    @property
    def axes(self) -> Axes:
        """What the integers of the run stand for."""
        return self._axes

    @property
    def cash(self) -> float:
        """Account currency."""
        return self._portfolio.settled_cash

    @property
    def equity(self) -> float:
        """Cash plus positions at their marks, account currency."""
        if self._equity is None:
            self._equity = self._portfolio.equity_at(self._portfolio.mark)
        return self._equity

    @property
    def portfolio(self) -> PortfolioView:
        """The account, to be read."""
        return PortfolioView(self)

    @property
    def assets(self) -> list[object]:
        """Every asset of the run, by `sid`: the index into the arrays of a batch."""
        return list(self._asset_ids)

    @property
    def held(self) -> list[object]:
        """The assets with a position, in asset order."""
        return [self._asset_ids[sid] for sid in self._portfolio.held.tolist()]

    def is_held(self, asset: object) -> bool:
        """Return whether there is a position; an asset that is not in prices has none."""
        sid = self._sids.get(asset)
        return sid is not None and self._portfolio.quantity.item(sid) != 0

    def asset_id(self, sid: int) -> object:
        """Return the id of an asset by its number."""
        return self._asset_ids[sid]

    def sid(self, asset: object) -> int:
        """Return the number of an asset, the index into the arrays of a batch."""
        try:
            return self._sids[asset]
        except (KeyError, TypeError):
            known = [str(name) for name in self._asset_ids[:10_000]]
            raise ConfigError(
                f"there is no asset {asset!r} in prices{did_you_mean(str(asset), known)}"
            ) from None

    def position(self, asset: object) -> float:
        """Return the shares held, negative short."""
        return self._portfolio.quantity.item(self.sid(asset))

    def get_position(self, asset: object) -> Position:
        """Return what is held of an asset, flat or not, with entry price and last close."""
        # Loaded by strategies that ask for one.
        from ml4t.backtest.core.position import Position

        sid = self.sid(asset)
        return Position(
            asset_id=asset,
            quantity=self._portfolio.quantity.item(sid),
            entry_price=self._portfolio.entry_price_of(sid),
            price=self._order_entry.price(sid),
            multiplier=self._portfolio.multiplier.item(sid),
            dividends=self._portfolio.received_of(sid),
        )

    @property
    def held_sids(self) -> Ints:
        """The numbers of the assets with a position, ascending."""
        return self._portfolio.held

    def positions_at(self, sids: Ints) -> PositionArrays:
        """Return the positions of some assets as arrays; the same figures as `get_position`."""
        return PositionArrays(self._portfolio, sids, self._order_entry.now.t)

    def unrealized_pnl_pct(self, asset: object) -> float | None:
        """Return the P&L as a fraction of the entry value, positive = gain; None when flat."""
        if not self._portfolio.quantity.item(self.sid(asset)):
            return None
        return self.get_position(asset).unrealized_pnl_pct
