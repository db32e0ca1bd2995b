"""Helpers: what the callbacks of a strategy ask of their broker, in one line each.

Fractions are of the portfolio's value (equity at this close) unless the name says otherwise.
Orders that they send wait for the next open, as all do. A fraction is the account's to size: what
it cannot carry of one is cut off when it fills, of several of one decision by one factor; what an
order of shares opens fills whole or not at all, what it closes of a position always.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ml4t.backtest.core.fractions import ANY_PART, ORDER, SIGNED, require_fraction
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.strategy.amounts import ORDER_TAG, require_weight
from ml4t.backtest.strategy.hideable import Hideable

if TYPE_CHECKING:
    from ml4t.backtest.execution.orders.order import Order
    from ml4t.backtest.strategy.broker import StrategyBroker


class Helpers:
    """Reading the account, and orders in fractions; only while a run goes on.

    Raises
    ------
    ConfigError
        Outside of a run; an asset that is not in prices; a fraction that is none. It is a
        ValueError.
    """

    _broker: StrategyBroker | None = None

    def running(self) -> StrategyBroker:
        """Return the broker of the run that is going on."""
        if self._broker is None:
            raise ConfigError(
                "Broker not initialized. Helper methods only available during backtest."
            )
        return self._broker

    # A handler may keep the broker that it is given under the same name.
    broker = Hideable(running)

    # -- reading ----------------------------------------------------------------------

    def get_position(self, asset_id: object) -> float:
        """Return the shares held, negative short, 0.0 flat."""
        return self.running().position(asset_id)

    def get_positions(self) -> dict[object, float]:
        """Return the shares of every open position by asset, in asset order."""
        broker = self.running()
        return {asset_id: broker.position(asset_id) for asset_id in broker.held}

    def get_position_value(self, asset_id: object) -> float:
        """Return what a position is worth at the last close, account currency, negative short."""
        return self.running().get_position(asset_id).value

    def get_cash(self) -> float:
        """Return the cash, account currency."""
        return self.running().cash

    def get_portfolio_value(self) -> float:
        """Return equity: cash plus positions at the last close, account currency."""
        return self.running().equity

    def get_unrealized_pnl(self, asset_id: object) -> float:
        """Return the P&L of a position before costs, account currency; 0.0 when flat."""
        return self.running().get_position(asset_id).unrealized_pnl

    def get_unrealized_pnl_pct(self, asset_id: object) -> float | None:
        """Return the P&L as a fraction of the entry value, positive = gain; None when flat.

        ``side * (close + dividends per share - entry_price) / entry_price`` with side +1 long,
        -1 short, before costs.
        """
        return self.running().unrealized_pnl_pct(asset_id)

    # -- orders -----------------------------------------------------------------------

    def buy_percent(
        self, asset_id: object, percent: float, price: float | None = None, *, tag: str = ORDER_TAG
    ) -> Order | None:
        """Buy shares for a fraction of the portfolio's value.

        Parameters
        ----------
        percent : float
            Fraction of equity, 0.1 = 10%, at most 10; 0: no order.
        price : float, optional
            Per share, to count shares with; the last close by default.

        Returns
        -------
        Order or None
            Rejected where no price is known.
        """
        return self._order_part(asset_id, require_fraction("percent", percent, ORDER), price, tag)

    def sell_percent(
        self, asset_id: object, percent: float, price: float | None = None, *, tag: str = ORDER_TAG
    ) -> Order | None:
        """Sell shares for a fraction of the portfolio's value; see `buy_percent`."""
        return self._order_part(asset_id, -require_fraction("percent", percent, ORDER), price, tag)

    def close_position(self, asset_id: object, *, tag: str = ORDER_TAG) -> Order | None:
        """Close a position; None where there is nothing to close, or it is being closed.

        Market orders that would add to it and have not filled are cancelled.
        """
        return self.running().close_position(asset_id, tag=tag)

    def reduce_position(
        self, asset_id: object, percent: float, *, tag: str = ORDER_TAG
    ) -> Order | None:
        """Close a fraction of the position itself, long or short; None when flat.

        Of what other orders are closing already nothing is closed twice.
        """
        part = require_fraction("percent", percent, ANY_PART)
        if part == 1.0:
            return self.close_position(asset_id, tag=tag)
        return self.running().reduce_position(asset_id, part, tag=tag)

    def set_position_percent(
        self, asset_id: object, percent: float, price: float | None = None, *, tag: str = ORDER_TAG
    ) -> Order | None:
        """Order what is missing to hold a fraction of the value at this close, negative short.

        `percent` is from -10 to 10, 0.1 = 10%.
        """
        require_fraction("percent", percent, SIGNED)
        return self.running().set_position_percent(asset_id, percent, price=price, tag=tag)

    def size_by_confidence(
        self,
        asset_id: object,
        confidence: float,
        max_percent: float,
        price: float | None = None,
        *,
        tag: str = ORDER_TAG,
    ) -> Order | None:
        """Hold ``max_percent * confidence`` of the portfolio's value, so never above the most.

        Parameters
        ----------
        confidence : float
            From 0 to 1.
        max_percent : float
            Fraction of equity at full confidence, at most 10.
        """
        part = require_fraction("confidence", confidence, ANY_PART)
        most = require_fraction("max_percent", max_percent, ORDER)
        return self.set_position_percent(asset_id, most * part, price, tag=tag)

    def rebalance_to_weights(
        self,
        target_weights: Mapping[object, float],
        current_prices: Mapping[object, float] | None = None,
    ) -> None:
        """Order target weights, fractions of equity; what is held and not named is closed.

        Market orders that wait are cancelled: the weights are the whole portfolio.

        Parameters
        ----------
        target_weights : mapping of asset to float
        current_prices : mapping of asset to float, optional
            Per share, to count the shares of every target with, now. Without them a target is a
            share of equity at the next open, which costs are reserved from: the more exact form.
        """
        broker = self.running()
        if not isinstance(target_weights, Mapping):
            raise ConfigError(f"target_weights must be a mapping, was {target_weights!r}")
        for asset_id, weight in target_weights.items():
            broker.sid(asset_id)
            require_weight(asset_id, weight)
        broker.cancel_coming()
        if current_prices is None:
            broker.order_target_weights(target_weights)
            return
        if not isinstance(current_prices, Mapping):
            raise ConfigError(f"current_prices must be a mapping, was {current_prices!r}")
        for asset_id in target_weights:
            if asset_id not in current_prices:
                priced = ", ".join(map(str, current_prices)) or "nothing"
                raise ConfigError(
                    f"current_prices has no price of {asset_id!r}; add it (it prices {priced})"
                )
        for asset_id in broker.held:
            if asset_id not in target_weights:
                broker.order_target(asset_id, 0.0)
        for asset_id, weight in target_weights.items():
            broker.order_target_percent(asset_id, weight, price=current_prices[asset_id])

    def _order_part(
        self, asset_id: object, part: float, price: float | None, tag: str
    ) -> Order | None:
        """Order shares for a signed fraction of equity."""
        if not part:
            return None
        return self.running().order_percent(asset_id, part, price=price, tag=tag)
