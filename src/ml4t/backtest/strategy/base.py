"""Strategy: what to rank, and what to do at each close.

A subclass overrides one handler. Per asset: ``on_market_event(event, context)``, also under its
other name ``on_market_data``. Per timestamp: ``on_timestamp_batch(events, broker, portfolio)``, or
``decide(batch, broker)``, which works on arrays. `StrategyRun` calls it.
"""

from __future__ import annotations

from collections.abc import Mapping
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Unpack

from ml4t.backtest.core.ranking import Ranking
from ml4t.backtest.core.shown import shown_attributes
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.strategy.amounts import is_number
from ml4t.backtest.strategy.helpers import Helpers
from ml4t.backtest.strategy.hideable import Hideable

if TYPE_CHECKING:
    from ml4t.backtest.core.batch import Batch
    from ml4t.backtest.core.context import Context
    from ml4t.backtest.core.event import Events, Fill, MarketEvent
    from ml4t.backtest.core.selecting import Query, RuleQuery
    from ml4t.backtest.execution.orders.order import Order
    from ml4t.backtest.strategy.broker import StrategyBroker
    from ml4t.backtest.strategy.order_terms import OrderTerms
    from ml4t.backtest.strategy.portfolio_view import PortfolioView


class Strategy(Helpers):
    """Base of all strategies: a handler for each close, and the helpers that it calls.

    What a handler keeps on ``self`` lives as long as the instance, so one instance runs once; for
    another run make another.

    Attributes
    ----------
    features : tuple of str
        Columns of ``signals`` or ``market`` that `decide` reads from ``batch.features``; an
        unknown one is refused before the run. Events read any column without being told.
    conditions : tuple of str
        SQL conditions over ``signals`` and ``market`` that `decide` reads as features: 1 true,
        0 false, NaN NULL.
    expressions : tuple of str
        SQL inside of those conditions that is checked on its own.
    is_reusable : bool
        Whether instances keep nothing between bars and may run again; a class says so for itself,
        its subclasses for themselves.
    has_run : bool
        Whether a run of this instance has begun.

    Notes
    -----
    On ``self`` a handler may keep anything under ``broker``, ``has_run``, ``is_running``,
    ``ranking``, ``query``, ``rules`` and ``bind``: the engine does not read these of an instance.

    Examples
    --------
    >>> from ml4t.backtest import Strategy
    >>> class Threshold(Strategy):
    ...     def on_market_event(self, event, context=None):
    ...         if event.signals["ml_score"] > 0.8 and self.get_position(event.asset_id) == 0:
    ...             self.buy_percent(event.asset_id, 0.1)
    """

    features: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    expressions: tuple[str, ...] = ()
    is_reusable = False
    _has_run = False

    @recursive_repr("...")
    def __repr__(self) -> str:
        """Show the strategy by its values, so that equal ones give runs of equal identity."""
        return f"{type(self).__name__}({shown_attributes(self)})"

    @Hideable
    def has_run(self) -> bool:
        """Whether a run of this instance has begun."""
        return self._has_run

    @Hideable
    def is_running(self) -> bool:
        """Whether a run of this instance is going on."""
        return self._broker is not None

    @property
    def needs_range(self) -> bool:
        """Whether it may send limits, stops or brackets, so that bars need a high and a low."""
        return True

    def ranking(self) -> Ranking | None:
        """Return what to rank, evaluated in SQL over the whole period, once; None: nothing."""
        return None

    def query(self) -> Query | None:
        """Return an SQL query that says what to hold; None: the ranking says it."""
        return None

    def rules(self) -> RuleQuery | None:
        """Return what declarative rules ask of signals and context; None: there are none."""
        return None

    # -- handlers: a subclass overrides one -------------------------------------------

    def on_market_event(self, event: MarketEvent, context: Context | None = None) -> None:
        """Act on one asset at a close; called for every asset with a bar, in asset order."""
        raise NotImplementedError

    def on_market_data(self, event: MarketEvent, context: Context | None = None) -> None:
        """Act on one asset at a close; another name of `on_market_event`."""
        raise NotImplementedError

    def on_event(self, event: MarketEvent) -> None:
        """Act on one asset at a close; the oldest name, which may stand beside another handler.

        It is called first.
        """
        raise NotImplementedError

    def on_timestamp_batch(
        self, events: Events, broker: StrategyBroker, portfolio: PortfolioView
    ) -> None:
        """Act on all assets of a close at once; `events` are in asset order."""
        raise NotImplementedError

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        """Act on the arrays of a close; orders wait for the next open by default."""
        raise NotImplementedError

    # -- beside the handler -----------------------------------------------------------

    def on_start(self) -> None:
        """Prepare, before the first bar; helpers that read the account work."""

    def on_fill(self, fill: Fill) -> None:
        """Hear of a fill at the close of its bar, before the handler of that close."""

    def on_end(self) -> None:
        """Finish, after the last bar; orders sent here expire."""

    # -- orders, from inside a handler -------------------------------------------------

    def bind(self, broker: StrategyBroker | None) -> None:
        """Take the broker of a run that begins, None when it is over; the engine calls this."""
        object.__setattr__(self, "_broker", broker)  # a frozen one too

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
        if_touched : float, optional
            Price per share on the better side of the market, below it to buy: once the bar touches
            it, a market order. Its `stop`, for `replace`.
        trail, trail_fraction : float, optional
            A trailing stop, this many units of price, or this fraction, below 1, from the best
            price since it was sent.
        take_profit, stop_loss : float, optional
            Prices of a bracket: exits that live once this order has filled, one cancelling the
            other. With either on the wrong side of the price at which it should open (above it
            the stop_loss of a purchase, below it its take_profit), the order is denied.
        on_close : bool, optional
            Fill at the next bar's close; with `limit` at a close that is no worse than it.
        tif : {"gtc", "day", "gtd", "ioc"}, optional
            ``day`` for orders without a price and on close, else ``gtc``. ``gtd`` takes
            `good_till`.
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
        return self.running().order(asset, _above_zero(quantity), **terms)

    def sell(self, asset: object, quantity: float, **terms: Unpack[OrderTerms]) -> Order:
        """Sell `quantity` shares, above 0; see `buy`."""
        return self.running().order(asset, -_above_zero(quantity), **terms)

    def order_target(self, asset: object, quantity: float, *, tag: str = "order") -> Order | None:
        """Order what is missing to hold `quantity` shares, open market orders counted."""
        return self.running().order_target(asset, quantity, tag=tag)

    def order_target_percent(
        self, asset: object, fraction: float, *, tag: str = "order"
    ) -> Order | None:
        """Order what is missing to hold `fraction` of equity, both at this close.

        `fraction` is from -10 to 10, 0.5 = 50%, negative short.
        """
        return self.running().order_target_percent(asset, fraction, tag=tag)

    def order_target_weights(
        self, weights: Mapping[object, float], *, min_trade: float = 0.0, band: float = 0.0
    ) -> None:
        """Order target weights, fractions of equity; what is held and not named is closed.

        Parameters
        ----------
        min_trade : float
            Trades below this value, account currency, are not made, but for exits.
        band : float
            What is held stays while it is within this fraction of equity of its target.
        """
        self.running().order_target_weights(weights, min_trade=min_trade, band=band)

    def cancel(self, order: Order) -> None:
        """Cancel an open order."""
        self.running().cancel(order)

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
        self.running().replace(order, quantity=quantity, limit=limit, stop=stop)

    def one_cancels_other(self, *orders: Order) -> None:
        """Tie orders together: the first that fills cancels the others."""
        self.running().one_cancels_other(orders)

    def open_orders(self, asset: object = None) -> list[Order]:
        """Return the open orders, of one asset or of all."""
        return self.running().open_orders(asset)


def _above_zero(quantity: float) -> float:
    if not is_number(quantity) or not quantity > 0:
        raise ConfigError(f"quantity must be above 0, was {quantity!r}; the other side has a name")
    return quantity
