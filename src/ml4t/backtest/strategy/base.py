"""Strategy: what to rank, and what to do with the ranked batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from ml4t.backtest.core.batch import Batch
from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.execution.order import Order
from ml4t.backtest.strategy.broker import StrategyBroker
from ml4t.backtest.strategy.order_terms import OrderTerms


class Strategy:
    """Base of all strategies: a ranking done in SQL, and a decision per batch.

    Attributes
    ----------
    features : tuple of str
        Columns of ``signals`` or ``market`` that `decide` reads from ``batch.features``; an
        unknown one is refused before the run.
    """

    features: tuple[str, ...] = ()
    _broker: StrategyBroker | None = None

    def __repr__(self) -> str:
        """Show the strategy by its values, so that equal ones give runs of equal identity."""
        values = ", ".join(
            f"{name}={value!r}"
            for name, value in sorted(vars(self).items())
            if not name.startswith("_")
        )
        return f"{type(self).__name__}({values})"

    @property
    def needs_range(self) -> bool:
        """Whether it may send limits, stops or brackets, so that bars need a high and a low."""
        return True

    def ranking(self) -> Ranking | None:
        """Return what to rank, evaluated in SQL over the whole period, once; None: nothing."""
        return None

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        """Send orders at the close of a bar; by default they wait for the next open."""
        raise NotImplementedError(f"{type(self).__name__} has no decide()")

    # -- orders, from inside `decide` -------------------------------------------------

    def bind(self, broker: StrategyBroker | None) -> None:
        """Take the broker of a run that begins, None when it is over; the engine calls this."""
        self._broker = broker

    @property
    def broker(self) -> StrategyBroker:
        """The broker of the run that is going on."""
        if self._broker is None:
            raise ConfigError("orders can be sent from decide() only, while a run goes on")
        return self._broker

    def buy(self, asset: object, quantity: float, **terms: Unpack[OrderTerms]) -> Order:
        """Buy `quantity` shares; without any price at the next open.

        Parameters
        ----------
        asset : object
            Its ``asset_id``.
        quantity : float
            Shares, above 0.
        limit, stop : float, optional
            Prices per share: a limit, a stop, or with both a stop that becomes a limit.
        trail, trail_fraction : float, optional
            A trailing stop, this many units of price, or this fraction, from the best price
            since it was sent.
        take_profit, stop_loss : float, optional
            Prices of a bracket: exits that live once this order has filled, one cancelling the
            other.
        on_close : bool, optional
            Fill at the next bar's close.
        tif : {"gtc", "day", "gtd", "ioc"}, optional
            ``day`` for orders without a price, else ``gtc``. ``gtd`` takes `good_till`.
        good_till : date, optional
        tag : str, optional
            Shown in `orders`, and as `exit_rule` of the trades that the order closes.

        Returns
        -------
        Order
            Says where it stands: `status`, `filled_quantity`, `reason`.

        Raises
        ------
        ConfigError
            A word, number or combination that means nothing; an asset that is not in prices.
        """
        return self.broker.order(asset, _above_zero(quantity), **terms)

    def sell(self, asset: object, quantity: float, **terms: Unpack[OrderTerms]) -> Order:
        """Sell `quantity` shares, above 0; see `buy`."""
        return self.broker.order(asset, -_above_zero(quantity), **terms)

    def order_target(self, asset: object, quantity: float, *, tag: str = "order") -> Order | None:
        """Order what is missing to hold `quantity` shares, open market orders counted."""
        return self.broker.order_target(asset, quantity, tag=tag)

    def order_target_percent(
        self, asset: object, fraction: float, *, tag: str = "order"
    ) -> Order | None:
        """Order what is missing to hold `fraction` of equity, both at this close."""
        return self.broker.order_target_percent(asset, fraction, tag=tag)

    def order_target_weights(self, weights: Mapping[object, float]) -> None:
        """Order target weights, fractions of equity; what is held and not named is closed."""
        self.broker.order_target_weights(weights)

    def cancel(self, order: Order) -> None:
        """Cancel an open order."""
        self.broker.cancel(order)

    def replace(
        self,
        order: Order,
        *,
        quantity: float | None = None,
        limit: float | None = None,
        stop: float | None = None,
    ) -> None:
        """Change an open order, which keeps its number.

        `quantity` is signed like the order's own and counts what has filled already.
        """
        self.broker.replace(order, quantity=quantity, limit=limit, stop=stop)

    def one_cancels_other(self, *orders: Order) -> None:
        """Tie orders together: the first that fills cancels the others."""
        self.broker.one_cancels_other(orders)

    def open_orders(self, asset: object = None) -> list[Order]:
        """Return the open orders, of one asset or of all."""
        return self.broker.open_orders(asset)

    def position(self, asset: object) -> float:
        """Return the shares held, negative short."""
        return self.broker.position(asset)


def _above_zero(quantity: float) -> float:
    if isinstance(quantity, bool) or not quantity > 0:
        raise ConfigError(f"quantity must be above 0, was {quantity!r}; the other side has a name")
    return quantity
