"""PortfolioView: the account as a strategy reads it at a close."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.portfolio.portfolio import Portfolio

if TYPE_CHECKING:
    from ml4t.backtest.core.position import Position


class ReadableAccount(Protocol):
    """The account of which this is a view."""

    @property
    def cash(self) -> float:
        """Account currency."""

    @property
    def equity(self) -> float:
        """Cash plus positions at their marks, account currency."""

    @property
    def held(self) -> list[object]:
        """The assets with a position, in asset order."""

    def is_held(self, asset: object) -> bool:
        """Return whether there is a position."""

    def get_position(self, asset: object) -> Position:
        """Return what is held of an asset, flat or not."""


class PortfolioView:
    """Cash, equity and positions at the close at which a strategy decides; read only.

    Parameters
    ----------
    account : ReadableAccount
    """

    def __init__(self, account: ReadableAccount) -> None:
        self._account = account
        self.positions: Mapping[object, Position] = OpenPositions(account)

    @property
    def cash(self) -> float:
        """Account currency."""
        return self._account.cash

    @property
    def equity(self) -> float:
        """Cash plus positions at their marks, account currency."""
        return self._account.equity


class OpenPositions(Mapping[object, "Position"]):
    """Open positions by asset, in asset order; each is made when it is asked for."""

    def __init__(self, account: ReadableAccount) -> None:
        self._account = account

    def __getitem__(self, asset_id: object) -> Position:
        if not self._account.is_held(asset_id):
            raise KeyError(asset_id)
        return self._account.get_position(asset_id)

    def __iter__(self) -> Iterator[object]:
        return iter(self._account.held)

    def __len__(self) -> int:
        return len(self._account.held)


class PositionArrays:
    """Positions of some assets at a close; every array has one entry per asset.

    What is asked for is counted then: the same figures as those of `Position`.

    Parameters
    ----------
    portfolio : Portfolio
    sids : int array
    t : int
        The bar.
    """

    def __init__(self, portfolio: Portfolio, sids: Ints, t: int) -> None:
        self._portfolio, self._sids, self._t = portfolio, sids, t

    @cached_property
    def quantity(self) -> Floats:
        """Shares, negative short, 0 flat."""
        shares: Floats = self._portfolio.quantity[self._sids]
        return shares

    @cached_property
    def pnl(self) -> Floats:
        """P&L as a fraction of the entry value, dividends included; NaN when flat."""
        with np.errstate(invalid="ignore"):
            entry = self._portfolio.entry_price(self._sids)
            gain = self._mark - entry
            if self._portfolio.has_dividends:
                gain = gain + self._portfolio.dividends(self._sids)
        return self._side * (gain / entry)

    @cached_property
    def drop(self) -> Floats:
        """How far the close is on the losing side of the best price since entry.

        As a fraction of that price, dividends since included; NaN when flat.
        """
        best = self._portfolio.water_mark[self._sids]
        with np.errstate(invalid="ignore"):
            shift = self._portfolio.level_shift(self._sids)
        if shift is None:
            drop: Floats = self._side * (1.0 - self._mark / best)
            return drop
        return self._side * ((best - self._mark) / (best + shift))

    @cached_property
    def bars_held(self) -> Floats:
        """Bars through which the position was held, NaN when flat.

        The entry bar's included, unless it was opened at its close.
        """
        held: Floats = np.abs(self._side) * (self._t - self._portfolio.first_t[self._sids] + 1)
        return held

    @cached_property
    def _side(self) -> Floats:
        """+1 long, -1 short, NaN flat."""
        return np.sign(np.where(self.quantity == 0, np.nan, self.quantity))

    @cached_property
    def _mark(self) -> Floats:
        mark: Floats = self._portfolio.mark[self._sids]
        return mark
