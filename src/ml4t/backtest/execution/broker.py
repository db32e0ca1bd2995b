"""BarBroker: what strategies and rules order, and when in a bar it fills.

The order inside a bar is fixed (see docs/guide/clock.md): what waits fills at the open;
then levels and resting orders, inside the bar; then what trades at the close. Every exit is
checked against the live quantity, so two reasons to leave one position never make a short.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ml4t.backtest.core.batch import Batch, Chunk, Floats, Ints, Selection
from ml4t.backtest.core.journal import Ordered
from ml4t.backtest.core.levels import LevelPolicy, Levels, Touched
from ml4t.backtest.core.orders import OrderStatus, Waiting
from ml4t.backtest.core.owners import OURS
from ml4t.backtest.core.sids import NO_SIDS
from ml4t.backtest.core.stretch import Stretch
from ml4t.backtest.core.tolerances import WHOLE
from ml4t.backtest.execution.account.rules import Account
from ml4t.backtest.execution.executor import Executor
from ml4t.backtest.execution.intrabar.inside_bar import InsideBar
from ml4t.backtest.execution.intrabar.level_filler import LevelFiller
from ml4t.backtest.execution.orders.book import (
    BY_STRATEGY,
    DELISTED,
    EXPIRED,
    POSITION_CLOSED,
    WENT_EX,
    OrderBook,
)
from ml4t.backtest.execution.orders.level_book import LevelFills
from ml4t.backtest.execution.orders.market_orders import MarketOrders, unsized
from ml4t.backtest.execution.orders.order import Chance, Order, amend, go_ex, used_up
from ml4t.backtest.execution.pending.changes import MADE
from ml4t.backtest.execution.pending.exits import ExitFiller
from ml4t.backtest.execution.pending.filler import PendingFiller
from ml4t.backtest.execution.pending.market_filler import MarketOrderFiller
from ml4t.backtest.execution.pending.no_trade_band import NoTradeBand, PassedOver
from ml4t.backtest.execution.pending.order_filler import OrderFiller
from ml4t.backtest.execution.pending.post_trade import PostTrade
from ml4t.backtest.execution.pending.protective_orders import ProtectiveOrders
from ml4t.backtest.execution.pending.rebalance import REBALANCE
from ml4t.backtest.execution.pending.rebalancer import Rebalancer
from ml4t.backtest.execution.pending.tradability import Tradability
from ml4t.backtest.execution.pending.waiting import WaitingOrders
from ml4t.backtest.execution.timing import traded

REINVESTMENT = "reinvestment"
CLOSED_INSIDE = "a rule closed it in this bar"


class BarBroker:
    """Fills orders and protective levels against the bars of a chunk.

    Parameters
    ----------
    executor : Executor
        Prices fills and books them.
    account : Account
    levels : LevelPolicy
    sessions : int array
        Date of each bar, as days since 1970.
    rule_names : tuple of str
        Names behind the rule indices of `Levels`.
    post_trade : PostTrade, optional
        Told of every fill, with the protective orders that its rules set; by default those of a
        run without rules.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        account: Account,
        levels: LevelPolicy,
        sessions: Ints,
        rule_names: tuple[str, ...] = (),
        post_trade: PostTrade | None = None,
    ) -> None:
        self.executor, self.account = executor, account
        self._portfolio, self._journal = executor.portfolio, executor.journal
        self._timing = timing = executor.policy.timing
        self._has_own_timing = type(timing).__module__.startswith(OURS)
        self._book = OrderBook(executor.journal, sessions, executor.whole)
        if post_trade is None:
            post_trade = PostTrade(ProtectiveOrders(executor, levels))
        self._protective = protective = post_trade.protective
        self._levels, self._ledger = protective.levels, protective.ledger
        self._pending = pending = protective.pending
        self._tradability = tradability = Tradability(executor, self._ledger)
        order_filler = OrderFiller(executor, self._book, account, tradability, post_trade)
        self._market_filler = market_filler = MarketOrderFiller(executor, post_trade)
        self._exits = ExitFiller(executor, pending, self._book, tradability, market_filler)
        self.passed_over = PassedOver()
        rebalancer = Rebalancer(
            executor, self._book, account, tradability, market_filler, self.passed_over
        )
        self._filler = PendingFiller(
            executor, pending, self._exits, rebalancer, self._book, order_filler
        )
        self._last: Batch | None = None
        self._waiting = WaitingOrders(
            executor, account=account, protective=protective, book=self._book,
            rule_names=rule_names,
        )  # fmt: skip
        self._level_filler = filler = LevelFiller(executor, post_trade, levels, rule_names)
        self._inside = InsideBar(
            executor.portfolio, self._levels, filler, self._book, order_filler,
            can_short=account.can_short, price_limits=executor.price_limits,
            levels_first=levels.before_orders,
        )  # fmt: skip

    # -- orders, decided at the close -------------------------------------------------

    def order_targets(
        self,
        batch: Batch,
        selection: Selection,
        untouched: Ints = NO_SIDS,
        no_trade_band: NoTradeBand = MADE,
    ) -> None:
        """Queue a rebalance: target weights, zero for all else held but what is `untouched`."""
        if self._protective.no_reentry:
            selection = self._without(batch.t, selection)
        self._journal.record(Ordered(t=batch.t, sids=selection.sids))
        self._pending.targets(batch, selection, untouched, no_trade_band)

    def order_exits(
        self,
        t: int,
        sids: Ints,
        rules: tuple[str, ...],
        parts: Floats | None = None,
    ) -> None:
        """Queue exits at the next open, see `ProtectiveOrders.order_exits`."""
        self._protective.order_exits(t, sids, rules, parts)

    def leaving(self) -> list[int]:
        """Return the assets of which an exit of all waits for an open."""
        return self._pending.leaving()

    def scale_down(self, rule: str, factor: float) -> None:
        """Queue the reduction of every position to `factor` of what it is, at the next open."""
        self._pending.scale_down(rule, factor)

    def set_levels(self, levels: Levels) -> None:
        """Replace the protective levels of `levels.sids`."""
        self._protective.set_levels(levels)

    def submit(self, order: Order) -> None:
        """Take a single order and its children; from now on each ends in one of five ways."""
        for one in (order, *order.children):
            self.round_prices(one)
            self._book.add(one)
        self._journal.record(Ordered(t=order.created_t, sids=(order.sid,)))
        if order.sid in self._protective.no_reentry:
            self._book.end(order, OrderStatus.DENIED, CLOSED_INSIDE)
        if not (self._timing.fills_decided and order.order_type.chance is Chance.TIMED):
            self._book.end_late(order)

    def refuse(self, order: Order, status: OrderStatus, reason: str) -> None:
        """End an order that never reaches the market, and record it."""
        for one in (order, *order.children):
            self._book.add(one)
        self._journal.record(Ordered(t=order.created_t, sids=(order.sid,)))
        self._book.end(order, status, reason)

    def round_prices(self, order: Order) -> None:
        """Put the prices of an order on ticks: limits never worse, triggers never nearer."""

        def on_tick(price: float | None, up: float) -> float | None:
            if price is None:
                return None
            sids, given = np.array([order.sid]), np.array([price])
            return float(self.executor.pricing.round_price(sids, given, up=np.array([up]))[0])

        amend(
            order,
            tick=float(self.executor.terms.tick_size[order.sid]),
            limit=on_tick(order.limit, -order.side),
            stop=on_tick(order.stop, order.side * order.order_type.stop_rounds),
        )

    def cancel(self, order: Order, reason: str = BY_STRATEGY) -> None:
        """Cancel an open order; one that has ended stays as it ended."""
        self._book.end(order, OrderStatus.CANCELLED, reason)

    def cancel_entries(self, reason: str) -> None:
        """Cancel the open orders that are no exits."""
        for order in self._book.all() if self._book else ():
            if not order.is_exit and order.is_open:
                self._book.end(order, OrderStatus.CANCELLED, reason)

    def open_orders(self, sid: int | None = None) -> list[Order]:
        """Return the open orders, of one asset or of all, by number."""
        return self._book.all() if sid is None else self._book.of(sid)

    def new_id(self) -> int:
        """Return the number of the next single order."""
        return int(self._journal.new_ids(1)[0])

    # -- the bar ----------------------------------------------------------------------

    def start_bar(self, batch: Batch) -> Iterator[Touched]:
        """Begin a bar; yield the levels that it touched, where they act before all orders."""
        self._protective.no_reentry.clear()
        self._pending.start_bar()
        self.executor.start_bar(batch)
        yield from self._noted(self._inside.fill_first(batch))

    def fill_open(self, batch: Batch) -> None:
        """Fill at the open of a bar what waited for it."""
        if self._book:
            self._book.start_bar(batch)
            # A split or delisting may have closed a position.
            self._book.close_orphans(self._portfolio)
        self._exits.leave(batch)
        prices = self._timing.at_open(self._told(batch))
        if prices is not None:
            self._filler.fill(batch, prices, at_open=True)
        elif self._book:
            self._filler.fill_rests(batch)
        self._book.close_orphans(self._portfolio)

    def fill_inside(self, batch: Batch) -> Iterator[Touched]:
        """Fill the levels and resting orders that the bar touched; yield the levels.

        Each is yielded before anything else fills: what follows may be another position.
        """
        yield from self._noted(self._inside.fill(batch))

    def fill_close(self, batch: Batch) -> None:
        """Fill what waited for this close, before anything is decided at it."""
        self.executor.is_at_close = True
        if self._book:
            # Exits of positions that levels have closed inside the bar.
            self._book.close_orphans(self._portfolio)
        prices = self._timing.at_close(self._told(batch))
        if prices is not None:
            # At the close itself all of them meet, so that sales free cash for any purchase.
            chances: tuple[Chance, ...] = (Chance.TIMED,)
            if self._timing.is_closing:
                chances = (Chance.TIMED, Chance.CLOSE)
                # A bar without volume has a close to be valued at, though nothing trades there.
                self._portfolio.remark(batch.close)
                self.executor.bought.clear()
            self._filler.fill(batch, prices, at_open=False, chances=chances)
            self._book.close_orphans(self._portfolio)
        if self._book:
            self._portfolio.remark(batch.close)
            self.executor.bought.clear()
            self._filler.fill_on_close(batch, traded(batch))
            self._book.close_orphans(self._portfolio)
            self._book.end_bar(batch, fills_decided=self._timing.fills_decided)
        self._tradability.learn(batch)

    def fill_decided(self, batch: Batch) -> None:
        """Fill at this close what was decided at it, where the timing says so."""
        prices = self._timing.after_decision(self._told(batch))
        if prices is not None:
            self.executor.bought.clear()
            prices = self._tradability.without_expired(prices)
            self._filler.fill(batch, prices, at_open=False)
            self._book.close_orphans(self._portfolio)

    def end_bar(self, batch: Batch) -> None:
        """End what was decided at this close and is over with it."""
        if self._book and self._timing.fills_decided:
            self._book.end_decided(batch.t)
        self.executor.end_bar(batch)
        self._last = batch

    @property
    def has_orders(self) -> bool:
        """Whether any single order is open."""
        return bool(self._book)

    @property
    def waits(self) -> bool:
        """Whether anything waits that the next bar may fill or end."""
        return bool(self._book) or self._pending.waits

    @property
    def rebalances(self) -> bool:
        """Whether target weights wait, which say of everything how much is held."""
        return self._pending.waiting_rebalance is not None

    def closes_whole(self, chunk: Chunk) -> bool:
        """Whether a level that a bar of a chunk touches closes all of its position, at any size."""
        executor = self.executor
        is_cut = (
            executor.policy.participation is not None
            or executor.holding is not None
            or executor.price_limits.named(chunk)
        )
        return not is_cut and self._levels.closes_whole

    def touched_at(self, stretch: Stretch, rows: Ints, places: Ints) -> LevelFills:
        """Return the levels that positions of a stretch touch, see `LevelBook.touched_at`."""
        return self._levels.touched_at(stretch, rows, places)

    def close_over(
        self, batch: Batch, t: int | Ints, fills: LevelFills, starts: Sequence[int]
    ) -> list[float]:
        """Fill levels of bars in which nothing else happens, see `LevelFiller.close_over`."""
        self.executor.start_bar(batch)
        return self._level_filler.close_over(batch, t, fills, starts)

    def pass_over(self, last: Batch, closed: Ints) -> None:
        """End bars at which nothing waited; of the last one rules have closed some assets."""
        self.executor.pass_over(last)
        self._protective.no_reentry.clear()
        self._protective.note_closed(closed)

    def waiting(self, last: Batch) -> list[Waiting]:
        """Return what waits after a bar, the last so far."""
        return self._waiting.after(last)

    def expire(self) -> None:
        """Note what waits after the last bar, and end it."""
        for one in self.waiting(self._last) if self._last is not None else ():
            self._journal.record(one)
        self._pending.expire()
        for order in self._book.all():
            self._book.end(order, OrderStatus.EXPIRED, "end of data")

    # -- corporate actions ------------------------------------------------------------

    def split(self, sid: int, ratio: float) -> None:
        """Restate orders and levels of an asset after a split."""
        self._levels.split(sid, ratio)
        self._book.split(sid, ratio)
        for order in self._book.of(sid):
            self._restate(order)
            for child in order.children:
                self.round_prices(child)
        self._pending.split(sid, ratio)
        self.executor.split(sid, ratio)

    def go_ex(self, sid: int, value: float) -> None:
        """Take a dividend off levels and those prices of resting orders that it lowers."""
        self._levels.go_ex(sid, value)
        for order in self._book.of(sid):
            for one in (order, *used_up(order)) if order.is_open else ():
                go_ex(one, value)
                self.round_prices(one)
                if not one.has_prices:
                    self.cancel(one, WENT_EX)
        self.executor.go_ex(sid, value)

    def rename(self, old_sid: int, new_sid: int, *, with_levels: bool = True) -> None:
        """Move orders and levels to the asset that the old one became."""
        if with_levels:
            self._levels.rename(old_sid, new_sid)
        else:
            self._levels.drop(np.array([old_sid]))
        self._book.rename(old_sid, new_sid)
        if not with_levels:
            # It was netted, or is part of an older position now: not the one that was to be left.
            self._pending.drop_exit(old_sid, POSITION_CLOSED)
        self._pending.rename(old_sid, new_sid)
        self._tradability.rename(old_sid, new_sid)

    def delist(self, sid: int) -> None:
        """Cancel every order and forget every level of an asset that trades no more."""
        self._end(sid, DELISTED)

    def end_contract(self, sid: int) -> None:
        """Do the same for a contract that has expired; targets of it are refused from now on."""
        self._end(sid, EXPIRED)
        self._tradability.end_contract(sid)

    def _end(self, sid: int, reason: str) -> None:
        self._levels.drop(np.array([sid]))
        self._book.delist(sid, reason)
        self._pending.drop(sid, reason)

    def reinvest(self, batch: Batch, sid: int, amount: float) -> None:
        """Buy at the close, without costs, what a dividend pays for."""
        price = float(batch.close[sid])
        is_halted = np.isnan(batch.traded[sid]) or np.isnan(price)
        if amount <= 0 or is_halted or self._portfolio.quantity[sid] <= 0:
            return
        sids = np.array([sid])
        unit = price * float(self.executor.terms.multiplier[sid])
        quantity = self.executor.whole(sids, np.array([amount / unit]))
        unsettled = self.executor.settlement.unsettled(batch.t)
        left = self._portfolio.settled_cash - unsettled + self.account.overdraft
        # In an account that has spent all the rest, cash is the dividend but for rounding.
        if quantity[0] and left >= amount * (1 - WHOLE):
            market_orders = MarketOrders(sids, quantity, REINVESTMENT)
            self._market_filler.fill_free(batch, market_orders, np.array([price]))

    # -- inside -----------------------------------------------------------------------

    def _told(self, batch: Batch) -> Batch:
        """Return a bar as the timing may see it: to one of the user's no later bar is handed."""
        return batch if self._has_own_timing else batch.alone()

    def _noted(self, levels: Iterator[Touched]) -> Iterator[Touched]:
        """Yield levels once it is noted which assets they closed."""
        for touched in levels:
            self._protective.note_closed(touched.sids)
            if len(touched.sids):
                yield touched

    def _restate(self, order: Order) -> None:
        """Put an order that a split has moved back on ticks and whole lots."""
        self.round_prices(order)
        left = float(self.executor.whole(np.array([order.sid]), np.array([order.left]))[0])
        if left == 0:
            self.cancel(order, "split")
        elif left != order.left:
            amend(order, quantity=order.filled_quantity + left)
        # What it may open is a part of it, and as whole: 11 are 5 after a split of 0.5.
        opening = self.executor.whole(np.array([order.sid]), np.array([order.opening]))
        amend(order, opening=float(opening[0]))

    def _without(self, t: int, selection: Selection) -> Selection:
        """Deny targets for what a rule closed in this bar."""
        denied = np.isin(selection.sids, sorted(self._protective.no_reentry))
        self._ledger.created_t = t
        self._ledger.end(
            unsized(selection.sids[denied], REBALANCE), OrderStatus.DENIED, CLOSED_INSIDE
        )
        return selection.where(~denied)
