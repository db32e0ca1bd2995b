"""The books: lots, positions, cash, and the rows that follow from every change of them.

The ledger does what it is told; whether a fill may happen is settled elsewhere. The identities at
the end tie its rows to one another.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from reference_exchange import Exchange
from reference_rules import Memory, Rule
from reference_types import (
    REINVESTMENT,
    Asset,
    Bar,
    FillRow,
    FlowRow,
    OpenLotRow,
    ReferenceResult,
    Timestamp,
    TradeRow,
)

# How a lot, or a position, came about within its first bar.
AT_OPEN, BY_STOP, BY_LIMIT, AT_CLOSE = "at open", "by stop", "by limit", "at close"


@dataclass
class Lot:
    t: int
    entered: str
    timestamp: Timestamp
    bought: float  # signed quantity at entry
    quantity: float  # signed quantity left
    price: float
    commission: float  # these five on the whole entry
    slippage: float
    impact: float
    tax: float
    fee: float
    borrow: float = 0.0  # paid so far for what is left
    dividends: float = 0.0  # money, entitled to so far by what is left; a short's are negative
    cost: float = 0.0  # money per share at the entry, less capital that came back
    settled: float = 0.0  # of a future: the price to which its gains have been paid
    made: float = 0.0  # and those gains, of what is left
    earned: float = 0.0  # dividends per share, own currency
    paid: float | None = None  # the price but for returns of capital; None: there was none
    seen: list[float] = field(default_factory=list)  # prices while it was held, after its fill

    def saw(self, t: int, bar: Bar) -> list[float]:
        """Return the prices of a bar that came after the lot's fill."""
        if self.t == t and self.entered == AT_CLOSE:
            return []
        if (self.t == t and self.entered == BY_LIMIT) or bar.volume == 0:
            return [bar.close]
        return [bar.high, bar.low, bar.close]

    def excursions(self, *last: float) -> tuple[float, float]:
        """Return the worst and the best that it went, as fractions of its entry price."""
        side = 1 if self.quantity > 0 else -1
        paid = self.price if self.paid is None else self.paid
        moves = [side * (price - paid) / paid for price in (*self.seen, *last)]
        return min([0.0, *moves]), max([0.0, *moves])


@dataclass(frozen=True)
class Level:
    price: float
    rule: Rule
    part: float | None = None  # of the peak quantity to sell there, None: all
    part_path: tuple[int, ...] = ()


@dataclass
class Position:
    entry_t: int
    entered: str
    side: int
    water_mark: float
    lots: deque[Lot] = field(default_factory=deque)
    peak: float = 0.0
    splits: float = 1.0  # shares that one share at the entry has become
    stop: Level | None = None
    target: Level | None = None
    memory: Memory = field(default_factory=Memory)
    locked_t: int = -1  # the last bar at which the exchange locked out a level of it

    @property
    def quantity(self) -> float:
        return math.fsum(lot.quantity for lot in self.lots)

    @property
    def average_price(self) -> float:
        if len(self.lots) == 1:  # the same number, without the rounding of q * p / q
            return self.lots[0].price
        return math.fsum(lot.quantity * lot.price for lot in self.lots) / self.quantity

    def sellable(self, t: int, close: float, level: float) -> float:
        """Return the |quantity| of which it is certain that it was held when `level` was met.

        A lot bought by a limit inside this bar was met afterwards only if the close is there yet.
        """
        is_certain = self.side * close >= self.side * level
        return math.fsum(
            abs(lot.quantity)
            for lot in self.lots
            if is_certain or lot.t != t or lot.entered != BY_LIMIT
        )


@dataclass(frozen=True)
class Paid:
    """One fill as the books see it: price with slippage, costs in money."""

    quantity: float
    price: float
    commission: float
    slippage: float
    impact: float
    tax: float = 0.0
    fee: float = 0.0
    conversion: float = 0.0  # part of the fee

    @property
    def charged(self) -> float:
        return self.commission + self.tax + self.fee

    @property
    def costs(self) -> tuple[float, ...]:
        return self.commission, self.slippage, self.impact, self.tax, self.fee

    def part(self, quantity: float) -> Paid:
        """Return a part of the fill with its share of the costs."""
        share = quantity / self.quantity
        return Paid(quantity, self.price, *(share * cost for cost in self.costs))


@dataclass
class Ledger:
    timeline: list[Timestamp]
    sessions: list[int]
    multipliers: dict[Asset, float]  # money per unit of price and quantity, now
    initial: float
    settlement: int  # sessions until the proceeds of a sale are spendable
    result: ReferenceResult
    cash: float = 0.0
    positions: dict[Asset, Position] = field(default_factory=dict)
    marks: dict[Asset, float] = field(default_factory=dict)
    # Futures by asset: at what value they are carried. It has been paid for by nobody: what a
    # position is worth beyond it is what the next close pays.
    carried: dict[Asset, float] = field(default_factory=dict)
    unsettled: list[tuple[int, float]] = field(default_factory=list)  # (first session, amount)
    bars: Mapping[Asset, Bar] = field(default_factory=dict)  # of now
    is_over: bool = False  # the bar, but for what fills at its close
    exchange: Exchange | None = None  # None: all is in one currency
    own: dict[Asset, float] = field(default_factory=dict)  # multipliers in own currencies
    cash_at_close: float = 0.0  # of the account's own currency
    purses_at_close: dict[str, float] = field(default_factory=dict)

    # -- currencies

    def rate(self, asset: Asset) -> float:
        """Return what one unit of the asset's currency costs now."""
        return 1.0 if self.exchange is None else self.exchange.rate(asset)

    def convert(self) -> None:
        """Have the multipliers be in account currency, at the rates of now."""
        self.own = self.own or dict(self.multipliers)
        for asset, multiplier in self.own.items():
            self.multipliers[asset] = multiplier * self.rate(asset)

    def exchange_at(self, t: int) -> None:
        """Take the rates of a close; what futures have been paid stays what it was."""
        if self.exchange is None:
            return
        gained = self.exchange.move(self.timeline[t])
        before = dict(self.multipliers)
        self.convert()
        for asset in self.carried:  # at the price of before, now at the rate of now
            change = self.multipliers[asset] - before[asset]
            for lot in self.positions[asset].lots if asset in self.positions else ():
                self.carried[asset] += lot.quantity * lot.settled * change
        if gained:
            self.cash += gained
            self.result.cash_flows.append(FlowRow(self.timeline[t], None, "fx_revaluation", gained))

    def move(self, asset: Asset | None, amount: float) -> None:
        """Put cash into the account, and into the purse of its currency."""
        self.cash += amount
        if self.exchange is not None:
            self.exchange.pay(asset, amount)

    def with_conversion(self, asset: Asset, paid: Paid, *, is_now: bool = False) -> Paid:
        """Return a fill with what converting it costs: as expected, or as it is now."""
        if self.exchange is None:
            return paid
        paid = replace(paid, fee=paid.fee - paid.conversion, conversion=0.0)
        value = 0.0 if asset in self.carried else paid.quantity * paid.price
        amount = -value * self.multipliers[asset] - paid.charged
        exchange = self.exchange
        converted = (
            exchange.would_convert(asset, amount)
            if is_now
            else exchange.expects_to_convert(asset, amount, self.positions)
        )
        cost = converted * exchange.fx.cost
        return replace(paid, fee=paid.fee + cost, conversion=cost)

    def days_per_year(self, asset: Asset, of_account: int) -> int:
        if self.exchange is None:
            return of_account
        found = self.exchange.fx.interest.get(self.exchange.of(asset))
        return of_account if found is None else found[2]

    def end_of_bar(self) -> None:
        """Remember what interest is paid on."""
        self.cash_at_close = self.cash
        if self.exchange is not None:
            self.cash_at_close = self.exchange.purses[self.exchange.fx.account]
            self.purses_at_close = dict(self.exchange.purses)
            total = sum(n * self.exchange.now[name] for name, n in self.exchange.purses.items())
            assert abs(total - self.cash) <= 1e-9 * self.initial, (total, self.cash)

    def pay_other_interest(self, t: int, days: float) -> None:
        """Pay interest on each other currency into its purse."""
        for name, cash in self.purses_at_close.items():
            exchange = self.exchange
            assert exchange is not None
            credit, debit, year = exchange.fx.interest.get(name, (0.0, 0.0, 365))
            amount = cash * (credit if cash > 0 else debit) * days / year
            if amount and name != exchange.fx.account:
                exchange.purses[name] += amount
                worth = amount * exchange.now[name]
                self.cash += worth
                self.result.cash_flows.append(FlowRow(self.timeline[t], None, "interest", worth))

    def live(self, asset: Asset) -> float:
        return self.positions[asset].quantity if asset in self.positions else 0.0

    def settled_cash(self, t: int) -> float:
        waiting = [amount for session, amount in self.unsettled if session > self.sessions[t]]
        return self.cash - math.fsum(waiting)

    def value(self, asset: Asset, price: float) -> float:
        return self.live(asset) * price * self.multipliers[asset]

    def equity(self, prices: Mapping[Asset, float]) -> float:
        worth = [self.value(a, prices[a]) for a in self.positions]
        return self.cash + math.fsum([*worth, *(-value for value in self.carried.values())])

    def made_since_close(self, prices: Mapping[Asset, float]) -> float:
        """Return what futures have made since they were settled."""
        worth = [self.value(a, prices[a]) for a in self.positions if a in self.carried]
        return math.fsum([*worth, *(-value for value in self.carried.values())])

    def settle(self, t: int) -> None:
        """Pay what futures have made until this close."""
        for asset in sorted(self.carried):
            value = self.value(asset, self.marks[asset]) if asset in self.positions else 0.0
            self.flow(t, asset, "variation_margin", value - self.carried[asset])
            self.carried[asset] = value
            for lot in self.positions[asset].lots if asset in self.positions else ():
                gain = lot.quantity * (self.marks[asset] - lot.settled)
                lot.made += gain * self.multipliers[asset]
                lot.settled = self.marks[asset]

    # -- flows

    def flow(self, t: int, asset: Asset | None, kind: str, amount: float) -> None:
        self.move(asset, amount)
        self.result.cash_flows.append(FlowRow(self.timeline[t], asset, kind, amount))

    def charge_borrow(self, t: int, asset: Asset, fee: float) -> None:
        """Charge the fee (money, positive) to the lots, by quantity."""
        self.flow(t, asset, "borrow", -fee)
        quantity = self.live(asset)
        for lot in self.positions[asset].lots:
            lot.borrow += fee * lot.quantity / quantity

    def go_ex(self, asset: Asset, value: float) -> float:
        """Credit each lot with a dividend per share, and return the money in all."""
        amounts = []
        for lot in self.positions[asset].lots if asset in self.positions else ():
            amounts.append(lot.quantity * value * self.multipliers[asset])
            lot.dividends += amounts[-1]
            lot.earned += value
        return math.fsum(amounts)

    def carry(self, asset: Asset, value: float) -> float:
        """Pay each lot cash per share that its price does not follow; below 0 it is charged."""
        amounts = []
        for lot in self.positions[asset].lots if asset in self.positions else ():
            amounts.append(lot.quantity * value * self.multipliers[asset])
            lot.borrow -= amounts[-1]
        return math.fsum(amounts)

    def return_capital(self, asset: Asset, value: float) -> float:
        """Take cash per share off what each lot has cost; what is more than that is earned."""
        amounts = []
        for lot in self.positions[asset].lots if asset in self.positions else ():
            lot.paid = lot.price if lot.paid is None else lot.paid
            cut = min(lot.price, value)
            lot.price -= cut
            lot.cost -= cut * self.multipliers[asset]
            lot.dividends += lot.quantity * (value - cut) * self.multipliers[asset]
            lot.earned += value - cut
            amounts.append(lot.quantity * value * self.multipliers[asset])
        return math.fsum(amounts)

    def dividends_per_share(self, asset: Asset) -> float:
        """Return what the lots of a position have earned, per share of them."""
        lots = self.positions[asset].lots
        return math.fsum(lot.quantity * lot.earned for lot in lots) / self.live(asset)

    def close_at_terms(self, t: int, asset: Asset, qty: float, price: float, kind: str) -> None:
        """Close without an order or a cost, as a flow: a delisting, cash in lieu of a fraction."""
        if asset in self.carried:  # the close pays
            self.carried[asset] += qty * price * self.multipliers[asset]
        else:
            self.flow(t, asset, kind, -qty * price * self.multipliers[asset])
        self.consume(t, asset, Paid(qty, price, 0.0, 0.0, 0.0), kind)

    # -- fills

    def fill(self, t: int, asset: Asset, paid: Paid, entered: str, order: int, why: str) -> None:
        """Book a fill; one that goes through zero closes the position, and opens another."""
        timestamp = self.timeline[t]
        if why != REINVESTMENT:  # what is bought for a dividend is of its currency
            paid = self.with_conversion(asset, paid, is_now=True)
        value = paid.quantity * paid.price * self.multipliers[asset]
        if asset in self.carried:
            self.carried[asset] += value
            value = 0.0
        amount = -value - paid.charged
        self.move(asset, amount)
        if paid.quantity < 0 and amount > 0 and self.settlement > 0:
            self.unsettled.append((self.sessions[t] + self.settlement, amount))
        *costs, tax, fee = paid.costs
        worth = paid.quantity * paid.price * self.multipliers[asset]
        row = FillRow(
            timestamp, asset, paid.quantity, paid.price, *costs, order, why, tax, fee, worth
        )
        self.result.fills.append(row)
        live = self.live(asset)
        if live * paid.quantity < 0:
            if abs(paid.quantity) <= abs(live):
                self.look(t, asset)
                self.consume(t, asset, paid, why)
                return
            self.look(t, asset)
            self.consume(t, asset, paid.part(-live), why)
            paid = paid.part(paid.quantity + live)
        lot = Lot(t, entered, timestamp, paid.quantity, paid.quantity, paid.price, *paid.costs)
        lot.cost, lot.settled = paid.price * self.multipliers[asset], paid.price
        if asset not in self.positions:
            side = 1 if paid.quantity > 0 else -1
            self.positions[asset] = Position(t, entered, side, paid.price)
            self.marks[asset] = paid.price  # until the close
        position = self.positions[asset]
        position.lots.append(lot)  # levels stay those set at the last close
        position.peak = max(position.peak, abs(position.quantity))

    def look(self, t: int, asset: Asset) -> None:
        """Have the lots see what of this bar is past for certain: its open, or all of it."""
        if asset not in self.bars:
            return
        bar = self.bars[asset]
        for lot in self.positions[asset].lots:
            if self.is_over:
                lot.seen += lot.saw(t, bar)
            elif lot.t < t and bar.volume != 0:
                lot.seen.append(bar.open)

    def end_bar(self, t: int) -> None:
        """Have every lot see the bar."""
        for asset, position in self.positions.items():
            for lot in position.lots if asset in self.bars else ():
                lot.seen += lot.saw(t, self.bars[asset])

    def consume(self, t: int, asset: Asset, paid: Paid, why: str) -> None:
        """Close lots from the oldest; each part closed is a trade."""
        timestamp = self.timeline[t]
        lots = self.positions[asset].lots
        everything = paid.quantity == -self.live(asset)
        left = abs(paid.quantity)
        assert everything or left <= abs(self.live(asset)) * (1 + 1e-9)
        dust = 1e-12 * left  # of a lot: no trade of its own
        while lots and (everything or left > dust):
            lot = lots[0]
            size = abs(lot.quantity)
            part = size if everything or left >= size - dust else left
            signed = math.copysign(part, lot.quantity)
            entry_share, exit_share = signed / lot.bought, part / abs(paid.quantity)
            commission = lot.commission * entry_share + paid.commission * exit_share
            slippage = lot.slippage * entry_share + paid.slippage * exit_share
            impact = lot.impact * entry_share + paid.impact * exit_share
            tax = lot.tax * entry_share + paid.tax * exit_share
            fee = lot.fee * entry_share + paid.fee * exit_share
            borrow = lot.borrow * part / size
            dividends = lot.dividends * part / size
            made = lot.made * part / size
            pnl = made + signed * self.gain(asset, lot, paid.price) - borrow + dividends
            pnl -= commission + tax + fee
            entry, exit_ = (lot.timestamp, lot.price), (timestamp, paid.price)
            results = (pnl, commission, slippage, t - lot.t, why, impact, borrow, dividends)
            went = lot.excursions(paid.price)
            row = TradeRow(asset, signed, *entry, *exit_, *results, *went, tax, fee)
            self.result.trades.append(row)
            left -= part
            if part == size:
                lots.popleft()
            else:
                lot.quantity -= signed
                lot.borrow -= borrow
                lot.dividends -= dividends
                lot.made -= made
        if not lots:
            del self.positions[asset]  # exactly flat: everything about the position is forgotten

    def gain(self, asset: Asset, lot: Lot, price: float) -> float:
        """Return what one share has made until a price, of a future since it was last paid."""
        if asset in self.carried:
            return (price - lot.settled) * self.multipliers[asset]
        return price * self.multipliers[asset] - lot.cost

    # -- the end

    def report_open_lots(self) -> None:
        for asset in sorted(self.positions):
            mark = self.marks[asset]
            for lot in self.positions[asset].lots:
                left = lot.quantity / lot.bought
                costs = (lot.commission * left, lot.slippage * left, lot.impact * left)
                gain = lot.quantity * self.gain(asset, lot, mark) + lot.made + lot.dividends
                levies = (lot.tax * left, lot.fee * left)
                pnl = gain - costs[0] - sum(levies) - lot.borrow
                entry = (lot.timestamp, lot.price)
                row = OpenLotRow(
                    asset, lot.quantity, *entry, *costs, lot.borrow, lot.dividends, pnl,
                    *lot.excursions(), *levies,
                )  # fmt: skip
                self.result.open_lots.append(row)

    def check_identities(self, due: float) -> None:
        """Assert that the rows tell one story: cash at every bar, profit at the end.

        due: dividends of lots of this run that are paid after it.
        """
        result = self.result
        scale = 1e-9 * max([self.initial, *(abs(row.equity) for row in result.equity)])
        moves: dict[Timestamp, list[float]] = {timestamp: [] for timestamp in self.timeline}
        for fill in result.fills:
            is_paid = fill.asset not in self.carried
            amount = -fill.value * is_paid
            moves[fill.timestamp] += [amount, -fill.commission, -fill.tax, -fill.fee]
        for flow in result.cash_flows:
            moves[flow.timestamp].append(flow.amount)  # the deposit stands for the initial cash
        values: dict[Timestamp, list[float]] = {timestamp: [] for timestamp in self.timeline}
        for held in result.positions:
            is_paid = held.asset not in self.carried
            value = held.value * is_paid
            values[held.timestamp].append(value)
        cash = 0.0
        for row in result.equity:
            cash = math.fsum([cash, *moves[row.timestamp]])
            assert abs(row.cash - cash) <= scale
            assert abs(row.equity - row.cash - math.fsum(values[row.timestamp])) <= scale
        profit = [row.pnl for row in result.trades] + [row.pnl for row in result.open_lots]
        in_trades = {
            "borrow", "delisting", "cash in lieu", "dividend", "return_of_capital", "cash",
            "withholding", "variation_margin", "funding",
        }  # fmt: skip
        flows = [row.amount for row in result.cash_flows if row.kind not in in_trades]
        assert abs(math.fsum([*profit, *flows, -due]) - result.equity[-1].equity) <= scale
