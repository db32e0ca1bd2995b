"""Everything the steps of a bar read and change: the inputs, the books, the queues."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date

from reference_exchange import Exchange, Fx
from reference_ledger import Ledger
from reference_limits import Limit, MaxDailyLoss, MaxDrawdown, Watch, sessions_of
from reference_orders import LiveOrder
from reference_rules import Rule, to_lot
from reference_types import (
    END_OF_DATA,
    EXPIRED,
    LIMIT_DOWN,
    LIMIT_UP,
    NO_BAR,
    NO_PRICE,
    NO_VOLUME,
    Action,
    Asset,
    Bar,
    Borrow,
    Cost,
    Instruction,
    Margin,
    OrderRow,
    ReferenceResult,
    RejectionRow,
    Signals,
    Terms,
    Timestamp,
    TopN,
)
from reference_zones import local_date

NEXT_OPEN, VWAP, NEXT_CLOSE, THIS_CLOSE = "next_open", "vwap", "next_close", "this_close"


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The inputs; `reference.run` says what each is."""

    bars: Mapping[Timestamp, Mapping[Asset, Bar]]
    signals: Mapping[tuple[Timestamp, Asset], Signals]
    market: Mapping[Timestamp, Signals]
    strategy: TopN | None
    script: Mapping[int, Sequence[Instruction]]
    members: Set[tuple[Timestamp, Asset]] | None
    membership_end: str
    rules: Sequence[Rule]
    limits: Sequence[Limit]
    actions: Sequence[Action]
    funding: Sequence[tuple[Timestamp, Asset, float]]  # a rate of the notional, longs pay
    reinvest_dividends: bool
    dividends_move_levels: bool
    borrow: Mapping[tuple[Timestamp, Asset], Borrow] | None  # None: no such source
    commission: Cost
    slippage: Cost
    impact: Cost
    initial_capital: float
    reserve_costs: bool
    overdraft: float
    margin: Margin | None  # None: a cash account
    settlement: int
    credit_rate: float
    debit_rate: float
    days_per_year: int
    counts_hours: bool
    terms: Mapping[Asset, Terms]
    default_terms: Terms
    participation: float | None
    min_holding: int
    within_range: bool
    timing: str
    timezone: str | None
    fx: Fx | None = None  # None: all is in one currency


@dataclass
class Exit:
    """A risk exit waiting for the next open."""

    rule: str
    part: float  # of what is held when it fills


@dataclass
class QueuedTargets:
    weights: dict[Asset, float]
    pending: set[Asset]  # a risk exit was queued when this was decided
    untouched: set[Asset]  # a halt denied the increase: no order
    min_trade: float = 0.0
    band: float = 0.0


@dataclass
class World:
    setup: Setup
    timeline: list[Timestamp]
    ledger: Ledger
    result: ReferenceResult
    watches: list[Watch]
    gone: dict[Asset, str] = field(default_factory=dict)  # what trades no more, and why
    t: int = 0
    moment: str = ""
    prices: dict[Asset, float] = field(default_factory=dict)  # at this moment of the bar
    sizing_equity: float = 0.0  # at the start of this moment, never below 0
    orders: list[LiveOrder] = field(default_factory=list)  # all there ever were, by id
    exits: dict[Asset, Exit] = field(default_factory=dict)
    waits: set[Asset] = field(default_factory=set)  # exits that may not sell, at this open
    closed: dict[Asset, float] = field(default_factory=dict)  # by exits at this open, signed
    targets: QueuedTargets | None = None
    # Kind, amount, and what the asset's currency cost then.
    due: list[tuple[Timestamp, Asset, str, float, float]] = field(default_factory=list)
    reinvest: list[tuple[Asset, float]] = field(default_factory=list)  # paid at this bar
    ratios: dict[Asset, float] = field(default_factory=dict)  # of this bar's splits
    traded: dict[Asset, float] = field(default_factory=dict)  # |quantity| filled at this bar
    returns: list[float] = field(default_factory=list)  # unlevered
    gross: float = 0.0  # gross weight at the last recorded close
    closed_inside: set[Asset] = field(default_factory=set)  # by a rule, inside this bar
    is_after_protect: bool = False
    names: dict[Asset, tuple[Asset, int]] = field(default_factory=dict)  # old name, bar of renaming
    intended: dict[Asset, float] = field(default_factory=dict)  # weights, by this bar's orders

    @property
    def now(self) -> Timestamp:
        return self.timeline[self.t]

    @property
    def today(self) -> date:
        return self.date_of(self.t)

    def date_of(self, t: int) -> date:
        """Return the session of a bar: the date of the bar's moment, in the run's zone."""
        return local_date(self.timeline[t], self.setup.timezone)

    @property
    def bars(self) -> Mapping[Asset, Bar]:
        return self.setup.bars[self.now]

    @property
    def book(self) -> list[LiveOrder]:
        """The discrete orders that are working, by rank."""
        working = [order for order in self.orders if order.status == "open"]
        return sorted(working, key=lambda order: order.rank)

    def own_terms(self, asset: Asset) -> Terms:
        """Return the terms of an asset in its own currency."""
        return self.setup.terms.get(asset, self.setup.default_terms)

    def terms(self, asset: Asset) -> Terms:
        """Return its terms with all that is money in that of the account, as of now."""
        own, rate = self.own_terms(asset), self.ledger.rate(asset)
        if rate == 1:
            return own
        first, least = own.contract_initial, own.contract_maintenance
        return replace(
            own, multiplier=own.multiplier * rate,
            contract_initial=None if first is None else first * rate,
            contract_maintenance=None if least is None else least * rate,
        )  # fmt: skip

    def to_lot(self, asset: Asset, quantity: float) -> float:
        return to_lot(quantity, self.terms(asset).lot)

    def borrow_known(self, t: int, asset: Asset) -> Borrow | None:
        """Return what was known of borrowing at bar t; what is missing later stays as it was."""
        source = self.setup.borrow or {}
        for timestamp in reversed(self.timeline[: t + 1]):
            if (timestamp, asset) in source:
                return source[timestamp, asset]
        if asset not in self.names:
            return None
        # Of a new name what was known of the old one, until there is one of its own; what is said
        # of the old one later is of nothing that is held.
        old, renamed_t = self.names[asset]
        return self.borrow_known(min(t, renamed_t - 1), old)

    def signals_at(self, t: int, asset: Asset) -> Signals:
        """Return what is known of an asset at its bar; without one nothing is signalled."""
        has_bar = asset in self.setup.bars[self.timeline[t]]
        return self.setup.signals.get((self.timeline[t], asset), {}) if has_bar else {}

    def blocked(self, asset: Asset, side: int, at: float | None = None) -> str | None:
        """Return why nothing of the asset fills on that side; None: it may.

        at: the price before costs, inside the bar; None: that of this moment.
        """
        if self.gone.get(asset) == EXPIRED:
            return EXPIRED
        if asset not in self.bars:
            return NO_BAR
        bar = self.bars[asset]
        if bar.volume == 0:
            return NO_VOLUME
        price = self.price(asset, self.moment) if at is None else at
        if price is None:
            return NO_PRICE
        if side and bar.is_locked(side, price):
            return LIMIT_UP if side > 0 else LIMIT_DOWN
        return None

    def capacity(self, asset: Asset, taken: float = 0.0) -> float:
        """Return how much more may trade at this bar, once others have taken a part."""
        volume = self.bars[asset].volume
        if self.setup.participation is None or volume is None:
            return math.inf
        most = self.setup.participation * volume
        left = most - self.traded.get(asset, 0.0) - taken
        return self.to_lot(asset, left) if left > 1e-9 * most else 0.0

    def free(self, asset: Asset, shares: float) -> float:
        """Return how many of these shares may be sold: lots of late sessions are held back."""
        own = self.terms(asset).min_holding
        n = self.setup.min_holding if own is None else own
        position = self.ledger.positions.get(asset)
        if n == 0 or position is None or position.side < 0:
            return shares
        first = self.ledger.sessions[self.t] - n  # the last session that may be sold
        free = math.fsum(
            lot.quantity for lot in position.lots if self.ledger.sessions[lot.t] <= first
        )
        if all(self.ledger.sessions[lot.t] <= first for lot in position.lots):
            return shares
        return shares if shares <= free * (1 + 1e-12) else self.to_lot(asset, free)

    def is_held_back(self, asset: Asset, side: int) -> bool:
        """Say whether a sale would be of a position of which nothing may be sold yet."""
        live = self.ledger.live(asset)
        return side < 0 and live > 0 and self.free(asset, live) == 0

    def price(self, asset: Asset, moment: str) -> float | None:
        """Return the asset's price at this bar's open, vwap or close; None: a vwap not given."""
        bar = self.bars[asset]
        if moment == NEXT_OPEN:
            return bar.open
        return bar.vwap if moment == VWAP else bar.close

    def move_to(self, moment: str) -> None:
        """Value everything at this moment of the bar; the last mark where the asset is halted."""
        self.moment = moment
        self.prices = dict(self.ledger.marks)
        for asset, bar in self.bars.items():
            price = self.price(asset, moment)
            if price is not None and (bar.volume != 0 or moment in (NEXT_CLOSE, THIS_CLOSE)):
                self.prices[asset] = price
        self.sizing_equity = max(0.0, self.ledger.equity(self.prices))

    def queue_exit(self, asset: Asset, rule: str, part: float = 1.0) -> None:
        """Queue a risk exit; of two the larger stands, of equals the first."""
        queued = self.exits.get(asset)
        if part > (queued.part if queued is not None else 0.0):
            self.exits[asset] = Exit(rule, part)

    def price_now(self, asset: Asset) -> float | None:
        """Return this bar's close or, of what is held, the last mark; None: none is known.

        A mark that dividends have taken all of is no price.
        """
        if asset in self.bars:
            return self.bars[asset].close
        return self.ledger.marks[asset] or None if asset in self.ledger.positions else None

    def new_order(self, asset: Asset, quantity: float, why: str) -> LiveOrder:
        """Give an order its id; it does not work in the book unless its status is set to open."""
        order = LiveOrder(
            id=len(self.orders) + 1, rank=(len(self.orders) + 1, 0), asset=asset,
            quantity=quantity, why=why, created=self.now, born_t=self.t,
        )  # fmt: skip
        self.orders.append(order)
        return order

    def finish(self, order: LiveOrder, status: str, reason: str = "") -> None:
        done = abs(order.filled)
        if done and (status != "filled" or order.remaining >= 0.01 * abs(order.quantity)):
            status = "partial"
        order.status, order.reason, order.ended = status, reason, self.now
        if status == "rejected":
            self.result.rejections.append(RejectionRow(self.now, order.asset, reason))

    def reject(self, asset: Asset, quantity: float, why: str, reason: str) -> None:
        self.finish(self.new_order(asset, quantity, why), "rejected", reason)

    def report_orders(self) -> None:
        for order in self.book:
            self.finish(order, "expired", END_OF_DATA)
        self.result.orders = [
            OrderRow(
                order.id, order.asset, order.created, order.quantity, order.limit,
                order.stop if order.touch is None else order.touch, order.tif, order.status,
                order.reason, order.filled, order.tag, order.ended, order.why,
            )
            for order in self.orders
        ]  # fmt: skip


def make_world(setup: Setup) -> World:
    timeline = sorted(setup.bars)
    result = ReferenceResult()
    named = {asset for row in setup.bars.values() for asset in row}
    named |= {*(action.asset for action in setup.actions)}
    named |= {action.new_asset for action in setup.actions if action.new_asset is not None}
    multipliers = {a: setup.terms.get(a, setup.default_terms).multiplier for a in named}
    dates = [local_date(moment, setup.timezone) for moment in timeline]
    ledger = Ledger(
        timeline, sessions_of(dates), multipliers, setup.initial_capital,
        setup.settlement if setup.margin is None else 0, result,
    )  # fmt: skip
    if setup.fx is not None:
        ledger.exchange = Exchange(setup.fx)
        ledger.exchange.move(timeline[0])
        ledger.convert()
    ledger.carried = {asset: 0.0 for asset, one in setup.terms.items() if one.is_future}
    watches = [
        Watch(limit, setup.initial_capital)
        for limit in setup.limits
        if isinstance(limit, MaxDrawdown | MaxDailyLoss)
    ]
    return World(setup, timeline, ledger, result, watches)
