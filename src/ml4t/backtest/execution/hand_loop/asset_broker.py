"""AssetBroker: the engine's own broker, with one asset for a universe and one event for a chunk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import numpy as np

from ml4t.backtest.core.axes import EPOCH
from ml4t.backtest.core.batch import Batch, Ints
from ml4t.backtest.core.event import PRICES, MarketEvent
from ml4t.backtest.core.levels import LevelPolicy
from ml4t.backtest.core.orders import Fills
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.core.tolerances import NO_CHANGE
from ml4t.backtest.core.trades import Trade, Trades
from ml4t.backtest.errors import CostError
from ml4t.backtest.execution.account.rules import CashAccount, Shortfall
from ml4t.backtest.execution.broker import BarBroker
from ml4t.backtest.execution.costs.contract import Commission, MonthToDate, Slippage
from ml4t.backtest.execution.executor import Executor
from ml4t.backtest.execution.hand_loop.order import LoopFill, When, bar_of
from ml4t.backtest.execution.orders.order import Order
from ml4t.backtest.execution.policy import ExecutionPolicy
from ml4t.backtest.execution.price_limits import PriceLimits
from ml4t.backtest.portfolio.lots import Lot
from ml4t.backtest.portfolio.portfolio import Portfolio
from ml4t.backtest.portfolio.settlement import Settlement

# Every asset is number 0 of its own universe, every event bar 0 of its own chunk.
SIDS, BARS = np.zeros(1, dtype=np.int64), np.zeros(2, dtype=np.int64)
PLAIN_SHARES = Instruments.plain(1)
# What cash does not carry of a purchase is cut off, and may be asked for again.
ACCOUNT = CashAccount(shortfall=Shortfall.IN_TURN)
EXECUTION, LEVELS = ExecutionPolicy(), LevelPolicy()
NO_LIMITS = PriceLimits(are_known=False)
NOT_MET = "the bar did not meet its price"


class HasCash(Protocol):
    """The account of a loop: one for all its assets."""

    cash: float


class LateProceeds(Settlement):
    """What sales of one timestamp brought at each moment: it pays for nothing at an earlier one.

    The next asset's open is filled later, and was earlier.

    Attributes
    ----------
    moment : When
        The one that fills now.
    """

    def __init__(self) -> None:
        super().__init__(0, BARS, PLAIN_SHARES.multiplier)
        self.moment, self._amounts = When.OPEN, dict.fromkeys(When, 0.0)

    def start(self) -> None:
        """Begin a timestamp: what the one before brought pays for anything."""
        self._amounts = dict.fromkeys(When, 0.0)

    def sold(self, fills: Fills) -> None:
        """Note what sales brought in, net of what they are charged; buys are passed over."""
        cost = fills.quantity * fills.price + fills.charge
        self._amounts[self.moment] -= float(cost[fills.quantity < 0].sum())

    def unsettled(self, t: int) -> float:  # noqa: ARG002 - it is over with the timestamp
        """Return what cannot be spent at the moment that fills now, account currency."""
        return sum(amount for when, amount in self._amounts.items() if when > self.moment)


class LoopJournal:
    """Keeps the fills of a moment with their P&L: a loop is told of all else by its orders.

    Attributes
    ----------
    filled : list of tuple of Fills and float
        Each fill alone, in the order in which cash moved, and what it realised: account currency,
        net of costs; 0 where nothing was closed.
    """

    def __init__(self) -> None:
        self.filled: list[tuple[Fills, float]] = []

    def new_ids(self, n: int) -> Ints:
        """Refuse: an order of a loop has its number."""
        raise NotImplementedError

    def record(self, event: object) -> None:
        """Keep a fill, or add what it closed."""
        if isinstance(event, Fills):
            self.filled.append((event, 0.0))
        elif isinstance(event, (Trade, Trades)):
            fills, pnl = self.filled[-1]
            self.filled[-1] = fills, pnl + float(np.sum(event.pnl))


class AssetPortfolio(Portfolio):
    """One asset's lots and mark; its cash is the account's."""

    def __init__(self, account: HasCash, journal: LoopJournal) -> None:
        self._account = account
        super().__init__(1, account.cash, journal)

    @property
    def cash(self) -> float:
        """Account currency."""
        return self._account.cash

    @cash.setter
    def cash(self, cash: float) -> None:
        self._account.cash = cash

    @property
    def lots(self) -> list[Lot]:
        """The open lots, oldest first."""
        return self._positions.lots_of(0)


class AssetBroker:
    """Fills the orders of one asset, each in the bar of one event, and holds its lots.

    Parameters
    ----------
    account : HasCash
    late : LateProceeds
    month : MonthToDate
        One for all assets of a loop, as `late` is.
    commission, slippage
        Cost models.
    """

    def __init__(
        self,
        account: HasCash,
        late: LateProceeds,
        month: MonthToDate,
        commission: Commission,
        slippage: Slippage,
    ) -> None:
        self._journal, self._late = LoopJournal(), late
        self._portfolio = AssetPortfolio(account, self._journal)
        self._dates = np.zeros(1, dtype=np.int64)  # of the event that fills now
        executor = Executor(
            self._portfolio, self._journal, commission=commission, slippage=slippage, impact=None,
            terms=PLAIN_SHARES, policy=EXECUTION, levels=LEVELS, settlement=late,
            price_limits=NO_LIMITS, dates=self._dates, month=month,
        )  # fmt: skip
        self._broker = BarBroker(executor, account=ACCOUNT, levels=LEVELS, sessions=BARS)
        self._columns = (*commission.features, *slippage.features)
        self.opened_at: datetime | None = None

    @property
    def quantity(self) -> float:
        """Shares held."""
        return float(self._portfolio.quantity[0])

    @property
    def entry_price(self) -> float:
        """Average fill price of the open lots; NaN when flat."""
        return self._portfolio.entry_price_of(0)

    @property
    def price(self) -> float:
        """Last known close, the fill price until the first one; NaN when flat."""
        return float(self._portfolio.mark[0])

    @property
    def lots(self) -> list[Lot]:
        """The open lots, oldest first."""
        return self._portfolio.lots

    def mark(self, close: float) -> None:
        """Take a close; a missing one leaves the mark as it was."""
        self._portfolio.remark(np.array([close]))

    def fill(self, orders: Sequence[Order], event: MarketEvent, when: When) -> list[LoopFill]:
        """Let orders meet one moment of an event's bar; what is left of them is cancelled.

        Inside the bar they are met together, in the order in which the bar meets them.

        Raises
        ------
        CostError
            A cost model could not tell what a fill costs.
        """
        batch, held, journal = self._batch(event), self.quantity, self._journal
        journal.filled, self._late.moment = [], when
        for order in orders:
            self._broker.submit(order)
        try:
            if when is When.OPEN:
                for _ in self._broker.start_bar(batch):
                    raise AssertionError("a loop sets no levels")
                self._broker.fill_open(batch)
            elif when is When.INSIDE:
                for _ in self._broker.fill_inside(batch):
                    raise AssertionError("a loop sets no levels")
            else:
                self._broker.fill_close(batch)
        except CostError as error:
            error.locate(str(event.timestamp), (orders[0].asset,))
            raise
        finally:
            for order in orders:
                self._broker.cancel(order, NOT_MET)
        by_id, fills = {order.order_id: order for order in orders}, []
        for filled, pnl in journal.filled:
            fill = _fill_of(by_id[int(filled.ids[0])], filled, pnl, event, when)
            if abs(held) <= NO_CHANGE * abs(fill.quantity):
                self.opened_at = event.timestamp
            held += fill.quantity
            fills.append(fill)
        return fills

    def _batch(self, event: MarketEvent) -> Batch:
        bar = bar_of(event)
        self._dates[0] = event.timestamp.toordinal() - EPOCH.toordinal()
        return Batch(
            t=0,
            open=np.array([bar.open]),
            high=np.array([bar.high]),
            low=np.array([bar.low]),
            close=np.array([bar.close]),
            features={name: np.array([_value(event, name)]) for name in self._columns},
            selection=None,
        )


def _fill_of(order: Order, filled: Fills, pnl: float, event: MarketEvent, when: When) -> LoopFill:
    return LoopFill(
        order_id=order.order_id,
        timestamp=event.timestamp,
        asset_id=order.asset,
        quantity=float(filled.quantity[0]),
        price=float(filled.price[0]),
        commission=float(filled.commission[0]),
        tax=float(filled.tax[0]),
        fee=float(filled.fee[0]),
        slippage=float(filled.slippage[0]),
        pnl=pnl,
        tag=order.tag,
        at_close=when is When.CLOSE or (when is When.INSIDE and not order.is_exit),
    )


def _value(event: MarketEvent, name: str) -> float:
    """Return a column that a cost model reads, NaN where it is missing."""
    view, _, column = name.partition(".")
    if view == "market" and name not in event.signals and column in event.context:
        return float(event.context[column])
    if view == "signals" and name not in event.signals:
        name = column
    if name in PRICES:
        return float(getattr(event, name))
    return float(event.signals.get(name, event.context.get(name, float("nan"))))
