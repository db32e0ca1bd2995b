"""Inside the bar: what happens after the open, to protective levels and resting orders.

Where nothing rests, levels go through it as vectors. An asset with resting orders is walked through
its bar one event at a time, because what fills first decides what can fill at all, and so is what
has its levels touched beside it. All are walked through their opens before any goes on: an open is
the one moment in it that assets share, and nothing later pays for it or cancels what fills there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ml4t.backtest.core.batch import Batch
from ml4t.backtest.core.levels import Touched
from ml4t.backtest.core.orders import TimeInForce
from ml4t.backtest.core.sids import without
from ml4t.backtest.execution.intrabar.level_filler import LevelFiller
from ml4t.backtest.execution.orders.book import OrderBook
from ml4t.backtest.execution.orders.level_book import (
    STOP_LEVEL,
    TARGET,
    TRAIL,
    LevelBook,
    LevelFills,
    Protection,
)
from ml4t.backtest.execution.orders.order import Order
from ml4t.backtest.execution.orders.touch import (
    AssetBar,
    EntryFill,
    InBar,
    Phase,
    Touch,
    limit_after_entry,
    stop_after_entry,
    touch_limit,
    touch_stop,
)
from ml4t.backtest.execution.pending.order_filler import OrderFiller
from ml4t.backtest.execution.price_limits import PriceLimits
from ml4t.backtest.portfolio.portfolio import Portfolio
from ml4t.backtest.portfolio.water_marks import Seen

Event = tuple[Touch, int, "Order | Protection"]
# The numbers that levels have among the orders of a walk.
LEVEL_TIES = {Protection(kind, 0.0, -1).tie for kind in (STOP_LEVEL, TARGET, TRAIL)}


class InsideBar:
    """Fills levels and resting orders against a bar's range.

    Parameters
    ----------
    portfolio : Portfolio
    levels : LevelBook
    filler : LevelFiller
    book : OrderBook
    order_filler : OrderFiller
    can_short : bool
        Whether the account may sell what it does not hold.
    price_limits : PriceLimits
    levels_first : bool
        Levels act before what waits for the open, and so have had their bar after it.
    """

    def __init__(
        self,
        portfolio: Portfolio,
        levels: LevelBook,
        filler: LevelFiller,
        book: OrderBook,
        order_filler: OrderFiller,
        *,
        can_short: bool,
        price_limits: PriceLimits,
        levels_first: bool,
    ) -> None:
        self._portfolio, self._levels, self._filler = portfolio, levels, filler
        self._book, self._order_filler, self._can_short = book, order_filler, can_short
        self._limits, self._levels_first = price_limits, levels_first

    def fill_first(self, batch: Batch) -> Iterator[Touched]:
        """Fill the levels that the bar touched, where they act before orders; yield them."""
        if not self._levels_first or batch.low is None or self._levels.is_empty:
            return
        sids = self._filler.without_pending(self._portfolio.held)
        fills = self._levels.touched(batch, sids)
        if fills is not None:
            yield from self._fill_levels(batch, fills)

    def fill(self, batch: Batch) -> Iterator[Touched]:
        """Fill what the bar touched; yield the levels among it, each before anything else fills."""
        if batch.low is None or batch.high is None:
            return
        resting = [sid for sid in self._book.sids() if self._resting(sid)] if self._book else []
        fills = None
        if not self._levels.is_empty and not self._levels_first:
            sids = self._filler.without_pending(without(self._portfolio.held, resting))
            fills = self._levels.touched(batch, sids)
        if resting:
            touched = [] if fills is None else fills.sids.tolist()
            yield from self._walk_all(batch, [*touched, *resting])
        elif fills is not None:
            yield from self._fill_levels(batch, fills)

    def _fill_levels(self, batch: Batch, fills: LevelFills) -> Iterator[Touched]:
        """Fill levels; a stop closes what a target has left that the open was beyond."""
        first = self._filler.fill(batch, fills)
        yield first
        rest = first.sids[~first.is_stop]
        rest = rest[self._portfolio.quantity[rest] != 0]
        again = self._levels.touched(batch, rest) if len(rest) else None
        if again is not None:
            yield self._filler.fill(batch, again)

    # -- resting orders ---------------------------------------------------------------

    def _resting(self, sid: int) -> list[Order]:
        orders = self._book.of(sid)
        return [one for one in orders if one.is_alive and one.order_type.acts_inside]

    def _walk_all(self, batch: Batch, sids: list[int]) -> Iterator[Touched]:
        """Walk assets through their opens, then through the rest of their bars, each in turn."""
        entry_t = self._portfolio.entry_t
        walks = [
            _Walk(sid=sid, bar=_bar(batch, sid), is_entry=int(entry_t[sid]) == batch.t)
            for sid in sids
        ]
        for walk in walks:
            yield from self._walk(batch, walk, last=Phase.OPEN)
        for walk in walks:
            self._book.end_immediate(walk.sid)  # in a halt too: that was the chance
        for walk in walks:
            if not walk.is_over:
                yield from self._walk(batch, walk, last=Phase.LIMIT)

    def _walk(self, batch: Batch, walk: _Walk, *, last: Phase) -> Iterator[Touched]:
        """Walk an asset on, event by event, until its bar touches no more up to a last phase."""
        sid = walk.sid
        while events := self._events(batch, sid, walk):
            touch, _, what = min(events, key=_when)
            if touch.phase > last:
                return
            found: list[Touched] = []
            before = float(self._portfolio.quantity[sid])
            self._meet(batch, sid, walk, what, touch, found)
            live = float(self._portfolio.quantity[sid])
            if isinstance(what, Order) and abs(live) > abs(before) * (before * live > 0):
                is_new = before * live <= 0
                self._after_entry(batch, sid, walk, what, touch, found, is_new=is_new)
            yield from found
        walk.is_over = True

    def _events(self, batch: Batch, sid: int, walk: _Walk) -> list[Event]:
        """Return what could fill next, with the number that breaks ties: levels come first."""
        events: list[Event] = []
        if walk.bar.open != walk.bar.open:
            return events  # a halt
        plain = InBar(walk.bar)  # hot: as most orders meet it
        for order in self._resting(sid):
            is_open = order.is_alive and order.created_t < batch.t
            if not is_open or order.order_id in walk.done:
                continue
            is_entry = order.parent is not None and order.live_t == batch.t
            met_inside = order.order_id in walk.met_inside
            at = InBar(walk.bar, is_entry, met_inside) if is_entry or met_inside else plain
            touch = order.order_type.touch(order, at)
            is_late = order.time_in_force is TimeInForce.IOC and touch and touch.phase > Phase.OPEN
            if touch is None or is_late:
                continue
            if not self._limits.why(batch, sid, order.side, touch.price):
                events.append((touch, order.order_id, order))
        live = float(self._portfolio.quantity[sid])
        is_held = live != 0 and len(self._filler.without_pending(np.array([sid]))) > 0
        is_held = is_held and not self._levels_first
        side, levels = -1.0 if live > 0 else 1.0, list[Event]()
        for level in self._levels.acting(batch, sid) if is_held else ():
            if level.tie in walk.done:
                continue
            test = touch_limit if level.kind == TARGET else touch_stop
            touch = test(walk.bar, level.level, side, is_entry=walk.is_entry)
            if touch is not None:
                levels.append((touch, level.tie, level))
        # The first that the bar met decides: behind a stop that is locked in comes no target.
        first = min(levels, key=_when, default=None)
        if first is not None and not self._limits.why(batch, sid, side, first[0].price):
            events += levels
        return events

    def _meet(
        self,
        batch: Batch,
        sid: int,
        walk: _Walk,
        what: Order | Protection,
        touch: Touch,
        found: list[Touched],
    ) -> None:
        """Fill what the bar met, as far as it can."""
        if isinstance(what, Protection):
            # Behind a stop all of the position is an exit.
            walk.done |= {what.tie} if what.kind == TARGET else LEVEL_TIES
            found += self._fill_protection(batch, sid, walk, what, touch)
            self._book.close_exits(sid, float(self._portfolio.quantity[sid]))
            return
        if not what.order_type.meet(what, touch):
            if touch.phase is not Phase.OPEN:
                walk.met_inside.add(what.order_id)
            return
        walk.done.add(what.order_id)
        self._fill_order(batch, walk, what, touch)

    def _after_entry(
        self,
        batch: Batch,
        sid: int,
        walk: _Walk,
        order: Order,
        touch: Touch,
        found: list[Touched],
        *,
        is_new: bool,
    ) -> None:
        """Test at once what protects a position that was opened or grew inside the bar."""
        if touch.phase is Phase.OPEN:
            if is_new:
                # The whole bar is ahead, as after any entry at the open; its levels are new ones.
                walk.is_entry = True
                walk.done -= LEVEL_TIES
            return
        by_stop = touch.phase is Phase.STOP
        entry = EntryFill(walk.bar, touch.price, by_stop)
        side = -order.side
        guards: list[Event] = []
        for child in order.children:
            is_new_child = child.is_alive and child.live_t == batch.t
            if is_new_child and child.order_id not in walk.done:
                walk.done.add(child.order_id)
                met = child.order_type.touch_after_entry(child, entry)
                guards += [(met, child.order_id, child)] if met else []
        for level in list(self._levels.of(sid)) if is_new and not self._levels_first else ():
            walk.done.add(level.tie)
            met = (
                limit_after_entry(walk.bar, level.level, side, touch.price, by_stop=by_stop)
                if level.kind == TARGET
                else stop_after_entry(walk.bar, level.level, side, touch.price)
            )
            guards += [(met, level.tie, level)] if met else []
        is_leaving = False
        for met, _, what in sorted(guards, key=_when):
            if self._limits.why(batch, sid, side, met.price):
                continue
            is_open = what.is_open if isinstance(what, Order) else not is_leaving
            if self._portfolio.quantity[sid] and is_open:
                self._meet(batch, sid, walk, what, met, found)
                is_leaving |= isinstance(what, Protection) and what.kind != TARGET

    def _fill_protection(
        self, batch: Batch, sid: int, walk: _Walk, level: Protection, touch: Touch
    ) -> list[Touched]:
        quantity = step = self._levels.closing(sid, level.kind)
        if level.kind == TARGET and touch.phase is Phase.LIMIT:
            quantity = walk.certain(quantity, float(self._portfolio.quantity[sid]), level.level)
        if not quantity:
            return []
        fills = LevelFills(
            sids=np.array([sid]),
            kind=np.array([level.kind]),
            level=np.array([level.level]),
            base=np.array([touch.price]),
            rule=np.array([level.rule]),
            set_t=np.array([self._levels.set_t(sid)]),
            quantity=np.array([quantity]),
        )
        return [self._filler.fill(batch, fills, np.array([step]))]

    def _fill_order(self, batch: Batch, walk: _Walk, order: Order, touch: Touch) -> None:
        sid, is_limit = order.sid, touch.phase is Phase.LIMIT
        self._order_filler.cut_to_opening(order)
        live = float(self._portfolio.quantity[sid])
        quantity = asked = self._order_filler.cut_to_held(order)
        if is_limit and live * quantity < 0 and (order.is_exit or not self._can_short):
            level = order.limit if order.limit is not None else order.stop_level()
            assert level is not None
            quantity = walk.certain(quantity, live, level)
            if not quantity:
                return
        prices = batch.open.copy()
        prices[sid] = touch.price
        seen = Seen.CLOSE if is_limit else Seen.ALL
        filled = self._order_filler.fill(
            batch, prices, order, quantity, limit=order.limit, seen=seen
        )
        if quantity == asked:
            # Else it is not certain that it was met when it had anything to close.
            order.order_type.rest(order)
        if is_limit and (live == 0 or live * filled > 0):
            walk.fresh += filled


@dataclass(slots=True, kw_only=True)
class _Walk:
    """Where one asset's walk through a bar stands.

    Attributes
    ----------
    sid : int
    bar : AssetBar
    is_entry : bool
        The position was opened at this bar's open, so that the open is past.
    fresh : float
        Shares that a limit bought (or sold short) inside this bar.
    done : set of int
        Orders and levels that had their chance.
    met_inside : set of int
        Orders that were met after the open, and did not fill there.
    is_over : bool
        The bar touches nothing more.
    """

    sid: int
    bar: AssetBar
    is_entry: bool
    fresh: float = 0.0
    done: set[int] = field(default_factory=set)
    met_inside: set[int] = field(default_factory=set)
    is_over: bool = False

    def certain(self, quantity: float, live: float, level: float) -> float:
        """Return what a limit inside the bar may close: not what came in by a limit before it.

        Which of two limits the bar met first is not known; both count only where the close is
        beyond the second one.
        """
        side = 1.0 if quantity > 0 else -1.0
        if not self.fresh or side * (self.bar.close - level) <= 0:
            return quantity
        return side * min(abs(quantity), max(abs(live) - abs(self.fresh), 0.0))


def _when(event: Event) -> tuple[Phase, float, int]:
    """Return when in the bar something happens; ties by number, whatever the price."""
    return event[0].phase, event[0].distance, event[1]


def _bar(batch: Batch, sid: int) -> AssetBar:
    assert batch.low is not None
    assert batch.high is not None
    return AssetBar(
        float(batch.open[sid]), float(batch.high[sid]), float(batch.low[sid]),
        float(batch.close[sid]),
    )  # fmt: skip
