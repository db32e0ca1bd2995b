"""A slow reference backtest: one plain loop over bars, written to be checked by reading.

Long only, cash account, fractional shares. Bars are visited in time order, t = 0, 1, 2, ... and
each bar has five steps, in this order:

    OPEN      orders queued at t-1 fill at this bar's open
    INTRABAR  stops and targets in force are tested against this bar's range
    CLOSE     positions are marked, equity is struck
    PROTECT   the risk rules set the levels, and may queue an exit for the next open
    DECIDE    the strategy may queue target weights for the next open

Prices are taken to be finite and positive, with low <= open, close <= high. Nothing here is shared
with the engine it is compared to.
"""

from __future__ import annotations

import math
from collections import deque, namedtuple
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

Timestamp = datetime
Asset = str
Signals = Mapping[str, float | None]
Predicate = Callable[[Signals], bool]

REBALANCE = "rebalance"
NO_BAR = "no bar"
NO_CASH = "insufficient cash"
EXIT_PENDING = "risk exit pending"


class Bar(NamedTuple):
    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True)
class TopN:
    """Hold the n best assets by one signal, 1/n of equity each."""

    n: int
    by: str
    where: Predicate = lambda _: True
    when: Predicate = lambda _: True
    every: int = 1
    offset: int = 0
    ascending: bool = False


# Output rows. Quantities are signed: a sell fill is negative, a trade (long only) positive.
EquityRow = namedtuple("EquityRow", "timestamp equity cash")
PositionRow = namedtuple("PositionRow", "timestamp asset quantity price is_stale")
FillRow = namedtuple("FillRow", "timestamp asset quantity price commission slippage")
TradeRow = namedtuple(  # a closed part of a lot
    "TradeRow",
    "asset quantity entry_timestamp entry_price exit_timestamp exit_price "
    "pnl commission slippage bars_held exit_rule",
)
OpenLotRow = namedtuple(  # what is left of a lot after the last bar, with its share of the costs
    "OpenLotRow", "asset quantity entry_timestamp entry_price commission slippage"
)
SelectionRow = namedtuple("SelectionRow", "timestamp asset rank score weight")
RejectionRow = namedtuple("RejectionRow", "timestamp asset reason")  # of the fill that was not
StopRow = namedtuple("StopRow", "timestamp asset stop target")  # one per held asset, levels or not


@dataclass
class ReferenceResult:
    equity: list[EquityRow] = field(default_factory=list)
    positions: list[PositionRow] = field(default_factory=list)
    fills: list[FillRow] = field(default_factory=list)
    trades: list[TradeRow] = field(default_factory=list)
    open_lots: list[OpenLotRow] = field(default_factory=list)
    selections: list[SelectionRow] = field(default_factory=list)
    rejections: list[RejectionRow] = field(default_factory=list)
    stops: list[StopRow] = field(default_factory=list)


# ------------------------------------------------------------------------------------ risk rules


class View(NamedTuple):
    """What a rule sees of a position."""

    entry: float  # average entry price
    water_mark: float
    bars_held: int
    signals: Signals
    last_stop: float | None  # the last stop this same rule gave for this same position


@dataclass(frozen=True)
class Verdict:
    exit: bool = False
    stop: float | None = None
    target: float | None = None


@dataclass(frozen=True, kw_only=True)
class Rule:
    priority: int = 100

    @property
    def name(self) -> str:
        return type(self).__name__

    def judge(self, view: View) -> Verdict:
        raise NotImplementedError


@dataclass(frozen=True)
class StopLoss(Rule):
    fraction: float

    def judge(self, view: View) -> Verdict:
        return Verdict(stop=view.entry * (1 - self.fraction))


@dataclass(frozen=True)
class TakeProfit(Rule):
    fraction: float

    def judge(self, view: View) -> Verdict:
        return Verdict(target=view.entry * (1 + self.fraction))


@dataclass(frozen=True)
class VolatilityScaledStopLoss(Rule):
    multiplier: float
    key: str = "atr"

    def judge(self, view: View) -> Verdict:
        volatility = known(view.signals, self.key)
        if volatility is None:
            return Verdict(stop=view.last_stop)
        return Verdict(stop=view.entry - self.multiplier * volatility)


@dataclass(frozen=True)
class DynamicTrailingStop(Rule):
    initial: float
    schedule: Sequence[tuple[float, float]] = ()  # (profit, trail)

    def judge(self, view: View) -> Verdict:
        best_profit = view.water_mark / view.entry - 1
        earned = [trail for profit, trail in self.schedule if profit <= best_profit]
        stop = view.water_mark * (1 - min([self.initial, *earned]))
        return Verdict(stop=stop if view.last_stop is None else max(stop, view.last_stop))


@dataclass(frozen=True)
class TimeBasedExit(Rule):
    max_bars: int

    def judge(self, view: View) -> Verdict:
        return Verdict(exit=view.bars_held >= self.max_bars)


def known(signals: Signals, name: str) -> float | None:
    """Return the signal, or None where it is absent, None, NaN or infinite."""
    value = signals.get(name)
    return value if value is not None and math.isfinite(value) else None


# ---------------------------------------------------------------------------------------- state


@dataclass
class Lot:
    t: int
    timestamp: Timestamp
    bought: float  # quantity at purchase
    quantity: float  # quantity left
    price: float
    commission: float  # on the whole purchase
    slippage: float  # on the whole purchase


@dataclass(frozen=True)
class Level:
    price: float
    rule: Rule


@dataclass
class Position:
    entry_t: int
    water_mark: float
    lots: deque[Lot] = field(default_factory=deque)
    stop: Level | None = None
    target: Level | None = None
    last_stops: dict[int, float] = field(default_factory=dict)  # by place of the rule in the list

    @property
    def quantity(self) -> float:
        return math.fsum(lot.quantity for lot in self.lots)

    @property
    def average_price(self) -> float:
        if len(self.lots) == 1:  # the same number, without the rounding of q * p / q
            return self.lots[0].price
        return math.fsum(lot.quantity * lot.price for lot in self.lots) / self.quantity


@dataclass
class Loop:
    """The account, the queue for the next open, and the five steps of a bar."""

    bars: Mapping[Timestamp, Mapping[Asset, Bar]]
    signals: Mapping[tuple[Timestamp, Asset], Signals]
    market: Mapping[Timestamp, Signals]
    strategy: TopN
    members: Set[tuple[Timestamp, Asset]] | None
    rules: Sequence[Rule]
    c: float  # commission, a fraction of the amount traded
    s: float  # slippage, a fraction of the price
    cash: float
    reserve_costs: bool
    overdraft: float
    timeline: list[Timestamp] = field(default_factory=list)
    positions: dict[Asset, Position] = field(default_factory=dict)
    last_close: dict[Asset, float] = field(default_factory=dict)
    queued_exits: dict[Asset, str] = field(default_factory=dict)  # asset -> name of the rule
    queued_targets: dict[Asset, float] | None = None  # None: no rebalance is queued
    result: ReferenceResult = field(default_factory=ReferenceResult)

    def run(self) -> ReferenceResult:
        self.timeline = sorted(self.bars)
        for t, timestamp in enumerate(self.timeline):
            bars = self.bars[timestamp]
            self.step_open(t, bars)
            self.step_intrabar(t, bars)
            self.step_close(timestamp, bars)
            self.step_protect(t, bars)
            self.step_decide(t, bars)
        for asset in sorted(self.positions):
            for lot in self.positions[asset].lots:
                left = lot.quantity / lot.bought
                costs = (lot.commission * left, lot.slippage * left)
                row = OpenLotRow(asset, lot.quantity, lot.timestamp, lot.price, *costs)
                self.result.open_lots.append(row)
        return self.result

    # 1. OPEN

    def step_open(self, t: int, bars: Mapping[Asset, Bar]) -> None:
        exits, self.queued_exits = self.queued_exits, {}
        targets, self.queued_targets = self.queued_targets, None
        equity = self.cash + math.fsum(
            position.quantity * (bars[asset].open if asset in bars else self.last_close[asset])
            for asset, position in self.positions.items()
        )
        concerned = sorted({*self.positions, *(targets or {})})  # before any fill of this bar
        for asset in sorted(exits):
            if asset in bars:
                self.sell_at_open(t, asset, self.live(asset), bars[asset].open, exits[asset])
            else:
                self.reject(t, asset, NO_BAR)
        if targets is None:
            return

        sells: dict[Asset, float] = {}
        buys: dict[Asset, float] = {}
        for asset in concerned:
            if asset in exits:
                self.reject(t, asset, EXIT_PENDING)
            elif asset not in bars:
                self.reject(t, asset, NO_BAR)
            else:
                live = self.live(asset)
                # Long only: were equity negative (an overdraft lost), the target would be zero.
                target = max(targets.get(asset, 0.0) * equity / bars[asset].open, 0.0)
                delta = target - live
                if abs(delta) <= 1e-9 * max(abs(target), abs(live)):
                    continue
                if delta < 0:
                    sells[asset] = -delta
                else:
                    buys[asset] = delta
        for asset, quantity in sells.items():  # in asset order, as `concerned` is
            self.sell_at_open(t, asset, quantity, bars[asset].open, REBALANCE)
        self.fill_buys(t, buys, bars)

    def fill_buys(self, t: int, buys: dict[Asset, float], bars: Mapping[Asset, Bar]) -> None:
        def cost(asset: Asset) -> float:
            return buys[asset] * bars[asset].open * (1 + self.s) * (1 + self.c)

        phi = 1.0
        if self.reserve_costs:
            required = math.fsum(cost(asset) for asset in buys)
            available = self.cash + self.overdraft
            if required > available:
                phi = available * (1 - 1e-14) / required
        for asset, quantity in buys.items():
            cash_after = self.cash - cost(asset)
            affordable = phi >= 1e-6 if self.reserve_costs else cash_after >= -self.overdraft
            if affordable:
                self.buy_at_open(t, asset, quantity * phi, bars[asset].open)
            else:
                self.reject(t, asset, NO_CASH)

    def buy_at_open(self, t: int, asset: Asset, quantity: float, open_: float) -> None:
        timestamp = self.timeline[t]
        price = open_ * (1 + self.s)
        commission = quantity * price * self.c
        slippage = quantity * abs(price - open_)
        self.cash -= quantity * price + commission
        self.result.fills.append(FillRow(timestamp, asset, quantity, price, commission, slippage))
        lot = Lot(t, timestamp, quantity, quantity, price, commission, slippage)
        if asset in self.positions:
            self.positions[asset].lots.append(lot)  # levels stay those set at the close of t-1
        else:
            self.positions[asset] = Position(t, price, deque([lot]))
            known_then = self.signals.get((self.timeline[t - 1], asset), {})
            self.set_levels(asset, 0, known_then)  # an exit is ignored here

    def sell_at_open(self, t: int, asset: Asset, qty: float, open_: float, why: str) -> None:
        price = open_ * (1 - self.s)
        self.sell(t, asset, qty, price, qty * abs(price - open_), why)

    def sell(self, t: int, asset: Asset, qty: float, price: float, slip: float, why: str) -> None:
        """Sell, and consume lots from the oldest; each part consumed is a trade."""
        timestamp = self.timeline[t]
        commission = qty * price * self.c
        self.cash += qty * price - commission
        self.result.fills.append(FillRow(timestamp, asset, -qty, price, commission, slip))
        lots = self.positions[asset].lots
        everything = qty == self.live(asset)
        left = qty
        while lots and (everything or left > 0):
            lot = lots[0]
            part = lot.quantity if everything else min(lot.quantity, left)
            entry_share, exit_share = part / lot.bought, part / qty
            paid = lot.commission * entry_share + commission * exit_share
            slipped = lot.slippage * entry_share + slip * exit_share
            pnl = part * (price - lot.price) - paid
            entry, exit_ = (lot.timestamp, lot.price), (timestamp, price)
            results = (pnl, paid, slipped, t - lot.t, why)
            self.result.trades.append(TradeRow(asset, part, *entry, *exit_, *results))
            left -= part
            if part == lot.quantity:
                lots.popleft()
            else:
                lot.quantity -= part
        if not lots:
            del self.positions[asset]  # exactly flat: everything about the position is forgotten

    def live(self, asset: Asset) -> float:
        return self.positions[asset].quantity if asset in self.positions else 0.0

    def reject(self, t: int, asset: Asset, reason: str) -> None:
        self.result.rejections.append(RejectionRow(self.timeline[t], asset, reason))

    # 2. INTRABAR

    def step_intrabar(self, t: int, bars: Mapping[Asset, Bar]) -> None:
        for asset in sorted(self.positions):
            if asset not in bars:
                continue
            bar, position = bars[asset], self.positions[asset]
            stop, target = position.stop, position.target
            is_entry_bar = position.entry_t == t
            if not is_entry_bar and target and bar.open >= target.price:
                level, trigger = target, bar.open
                fill = max(target.price, bar.open * (1 - self.s))
            elif not is_entry_bar and stop and bar.open <= stop.price:
                level, trigger = stop, bar.open
                fill = trigger * (1 - self.s)
            elif stop and bar.low <= stop.price:
                # The minimum differs from the stop on the entry bar only: bought below the stop.
                level, trigger = stop, min(stop.price, bar.open)
                fill = trigger * (1 - self.s)
            elif target and bar.high >= target.price:
                level, trigger = target, max(target.price, bar.open)
                fill = target.price  # a limit: no slippage
                if target.price < bar.open:  # on the entry bar only: bought above the target
                    fill = max(target.price, bar.open * (1 - self.s))
            else:
                continue
            quantity = position.quantity
            self.sell(t, asset, quantity, fill, quantity * (trigger - fill), level.rule.name)

    # 3. CLOSE

    def step_close(self, timestamp: Timestamp, bars: Mapping[Asset, Bar]) -> None:
        for asset, bar in bars.items():
            self.last_close[asset] = bar.close
        worth = []
        for asset in sorted(self.positions):
            position, mark = self.positions[asset], self.last_close[asset]
            if asset in bars:
                position.water_mark = max(position.water_mark, bars[asset].high)
            worth.append(position.quantity * mark)
            row = PositionRow(timestamp, asset, position.quantity, mark, asset not in bars)
            self.result.positions.append(row)
        self.result.equity.append(EquityRow(timestamp, self.cash + math.fsum(worth), self.cash))

    # 4. PROTECT

    def step_protect(self, t: int, bars: Mapping[Asset, Bar]) -> None:
        timestamp = self.timeline[t]
        for asset in sorted(self.positions):
            position = self.positions[asset]
            if asset in bars:
                known_now = self.signals.get((timestamp, asset), {})
                exit_rule = self.set_levels(asset, t - position.entry_t + 1, known_now)
                if exit_rule is not None:
                    self.queued_exits[asset] = exit_rule.name
            stop = position.stop.price if position.stop else None
            target = position.target.price if position.target else None
            self.result.stops.append(StopRow(timestamp, asset, stop, target))

    def set_levels(self, asset: Asset, bars_held: int, signals: Signals) -> Rule | None:
        """Evaluate and merge the rules, set both levels, and return the rule whose exit stands.

        Higher priority wins a field; then the higher stop, the lower target; then the earlier rule.
        """
        position = self.positions[asset]
        stop: Level | None = None
        target: Level | None = None
        exit_rule: Rule | None = None
        for place, rule in enumerate(self.rules):
            entry, last_stop = position.average_price, position.last_stops.get(place)
            view = View(entry, position.water_mark, bars_held, signals, last_stop)
            verdict = rule.judge(view)
            if verdict.exit and (exit_rule is None or rule.priority > exit_rule.priority):
                exit_rule = rule
            if verdict.stop is not None:
                position.last_stops[place] = verdict.stop
                rank = (rule.priority, verdict.stop)
                if stop is None or rank > (stop.rule.priority, stop.price):
                    stop = Level(verdict.stop, rule)
            if verdict.target is not None:
                rank = (rule.priority, -verdict.target)
                if target is None or rank > (target.rule.priority, -target.price):
                    target = Level(verdict.target, rule)
        position.stop, position.target = stop, target
        if exit_rule is not None:
            for level in (stop, target):
                if level is not None and level.rule.priority > exit_rule.priority:
                    return None
        return exit_rule

    # 5. DECIDE

    def step_decide(self, t: int, bars: Mapping[Asset, Bar]) -> None:
        timestamp, strategy = self.timeline[t], self.strategy
        if (t + 1 - strategy.offset) % strategy.every != 0:
            return
        if not strategy.when(self.market.get(timestamp, {})):
            return
        scores: dict[Asset, float] = {}
        for asset in bars:
            signals = self.signals.get((timestamp, asset), {})
            score = known(signals, strategy.by)
            is_member = self.members is None or (timestamp, asset) in self.members
            if is_member and score is not None and strategy.where(signals):
                scores[asset] = score
        sign = 1 if strategy.ascending else -1
        chosen = sorted(scores, key=lambda asset: (sign * scores[asset], asset))[: strategy.n]
        weight = 1 / strategy.n
        for rank, asset in enumerate(chosen, start=1):
            row = SelectionRow(timestamp, asset, rank, scores[asset], weight)
            self.result.selections.append(row)
        self.queued_targets = dict.fromkeys(chosen, weight)  # empty: sell everything


def run(
    bars: Mapping[Timestamp, Mapping[Asset, Bar]],
    signals: Mapping[tuple[Timestamp, Asset], Signals],
    market: Mapping[Timestamp, Signals],
    strategy: TopN,
    *,
    members: Set[tuple[Timestamp, Asset]] | None = None,
    rules: Sequence[Rule] = (),
    commission_bps: float = 10.0,
    slippage_bps: float = 5.0,
    initial_capital: float = 1_000_000.0,
    reserve_costs: bool = True,
    overdraft: float = 0.0,
) -> ReferenceResult:
    c, s = commission_bps / 1e4, slippage_bps / 1e4
    account = (initial_capital, reserve_costs, overdraft)
    return Loop(bars, signals, market, strategy, members, rules, c, s, *account).run()
