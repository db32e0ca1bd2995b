"""What goes into the reference and what comes out of it: bars, terms, instructions, result rows.

Quantities are signed everywhere: positive buys or is long, negative sells or is short.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

Timestamp = datetime
Asset = str
Signals = Mapping[str, float | None]
Predicate = Callable[[Signals], bool]

REBALANCE = "rebalance"
MARGIN_CALL = "margin_call"
MEMBERSHIP = "membership"
REINVESTMENT = "reinvestment"

NO_BAR = "no bar"
NO_VOLUME = "no volume"
NO_PRICE = "no price"
LIMIT_UP = "limit up"
LIMIT_DOWN = "limit down"
DELISTED, RENAMED, EXPIRED = "delisted", "renamed", "expired"
NO_CASH = "insufficient cash"
NO_BUYING_POWER = "insufficient buying power"
NO_SHORTS = "cash account cannot short"
ABOVE_MAX = "above the maximum order size"
NO_BORROW = "not available to borrow"
MIN_HOLDING = "minimum holding"
EXIT_PENDING = "risk exit pending"
BELOW_LOT = "below one lot"
VOLUME_LIMIT = "volume limit"
POSITION_CLOSED = "position closed"
CUT_TO_HELD = "cut to what is held"
TARGET_BEYOND = "take_profit on the wrong side of the price"
STOP_BEYOND = "stop_loss on the wrong side of the price"
ONE_CANCELS_OTHER = "one cancels other"
IMMEDIATE_OR_CANCEL = "immediate or cancel"
END_OF_DAY = "end of day"
GOOD_TILL_DATE = "good till date"
ABOVE_PRICE = "a dividend above its price"
BY_STRATEGY = "cancelled by the strategy"
END_OF_DATA = "end of data"


class Bar(NamedTuple):
    open: float
    high: float
    low: float
    close: float
    volume: float | None = None  # None: the prices carry no volume
    # True: nobody sells (buys) in all of the bar. A price: nobody does at it; None: no limit.
    limit_up: bool | float | None = False
    limit_down: bool | float | None = False
    vwap: float | None = None

    def is_locked(self, side: int, price: float | None) -> bool:
        """Say whether a fill of that side at that price is locked out by the exchange."""
        limit = self.limit_up if side > 0 else self.limit_down
        if limit is None or isinstance(limit, bool) or price is None:
            return bool(limit)
        return side * (price - limit) >= -1e-9 * limit

    def capped(self, side: int, price: float) -> float:
        """Return a price that is not beyond the exchange's limit."""
        limit = self.limit_up if side > 0 else self.limit_down
        if limit is None or isinstance(limit, bool):
            return price
        return min(price, limit) if side > 0 else max(price, limit)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What an asset is traded by; a step of 0 means no rounding."""

    multiplier: float = 1.0
    lot: float = 0.0  # 1: whole shares
    tick: float = 0.0
    initial: float | None = None  # margin rates, None: those of the account
    maintenance: float | None = None
    short_initial: float | None = None  # of shorts, None: as of both sides
    short_maintenance: float | None = None
    group: str | None = None  # the sector
    max_order: float | None = None  # shares of one discrete order; None: any
    min_holding: int | None = None  # sessions before what was bought is sold; None: the market's
    is_future: bool = False  # settled at each close
    contract_initial: float | None = None  # money per contract, None: a fraction of the notional
    contract_maintenance: float | None = None
    is_perpetual: bool = False  # a future without an end, of which funding is paid
    expiry: date | None = None  # the last session
    final_settlement: float | None = None  # None: the last close


@dataclass(frozen=True, kw_only=True)
class Margin:
    """A margin account; without one the account is a cash account."""

    initial: float = 0.5  # equity needed to open, a fraction of |value|
    maintenance: float = 0.25  # equity needed to hold
    short_initial: float | None = None  # of shorts, None: as of longs
    short_maintenance: float | None = None


class Trade(NamedTuple):
    """What a cost model sees of one fill."""

    asset: Asset
    t: int
    quantity: float  # signed
    price: float  # slippage: the base price; impact: after slippage; commission: the price paid
    multiplier: float
    volume: float | None  # of the bar
    date: date  # trading date of the bar


class Charged(NamedTuple):
    """What a fill is charged, where not all of it is commission; money."""

    commission: float
    tax: float = 0.0
    fee: float = 0.0


# Commission: money or `Charged`; slippage, impact: a fraction of the price.
Cost = Callable[[Trade], Any]


class Borrow(NamedTuple):
    fee: float  # a year, a fraction of the value
    available: bool = True
    shares: float | None = None  # that can be borrowed in all


@dataclass(frozen=True)
class Action:
    asset: Asset
    ex_date: Timestamp
    kind: str  # dividend, return_of_capital, cash, split, rename, delisting
    value: float | None = None  # cash per share (the first three); ratio; -; price
    pay_date: Timestamp | None = None
    new_asset: Asset | None = None
    delisting_return: float | None = None
    withholding: float = 0.0


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
    min_trade: float = 0.0
    band: float = 0.0


# ---------------------------------------------------------------------------------- instructions


@dataclass(frozen=True, kw_only=True)
class Order:
    """A market order, unless it has a limit, a stop, both (stop-limit), a trail or a touch.

    On close with a limit: a close that is no worse than it.
    """

    asset: Asset
    quantity: float
    limit: float | None = None
    stop: float | None = None
    touch: float | None = None  # a market order once the price is as good as this
    trail_amount: float | None = None
    trail_fraction: float | None = None
    take_profit: float | None = None  # bracket children: prices,
    stop_loss: float | None = None
    stop_loss_trail_amount: float | None = None  # or a trailing stop from the parent's fill
    stop_loss_trail_fraction: float | None = None
    tif: str | None = None  # day, gtc, gtd, ioc; None: day for market orders, else gtc
    good_till: date | None = None
    group: str | None = None  # orders of one name: one cancels the others
    tag: str = ""
    on_close: bool = False
    is_fraction: bool = False


@dataclass(frozen=True)
class Cancel:
    """`ref` is the tag of the order, of its children `tag.take_profit`, `tag.stop_loss`."""

    ref: str


@dataclass(frozen=True)
class Replace:
    """What is None stays."""

    ref: str
    quantity: float | None = None  # the new total
    limit: float | None = None
    stop: float | None = None
    trail_amount: float | None = None
    trail_fraction: float | None = None


@dataclass(frozen=True)
class OrderTarget:
    asset: Asset
    quantity: float
    tag: str = ""


@dataclass(frozen=True)
class OrderTargetPercent:
    asset: Asset
    fraction: float
    tag: str = ""


@dataclass(frozen=True)
class Targets:
    """Weights of equity, the best rank first; whatever is held and not named is sold."""

    weights: Mapping[Asset, float]
    min_trade: float = 0.0  # money: a smaller change is not made
    band: float = 0.0  # of equity: nor is one of what is held on the same side


Instruction = Order | Cancel | Replace | OrderTarget | OrderTargetPercent | Targets


# ----------------------------------------------------------------------------------- result rows

EquityRow = namedtuple("EquityRow", "timestamp equity cash")
PositionRow = namedtuple(
    "PositionRow", "timestamp asset quantity price is_stale value", defaults=(0.0,)
)
FillRow = namedtuple(
    "FillRow",
    "timestamp asset quantity price commission slippage impact order_id reason tax fee value",
    defaults=(0.0, 0, "", 0.0, 0.0, 0.0),  # reason: what would be the exit_rule of a trade
)
TradeRow = namedtuple(  # a closed part of a lot
    "TradeRow",
    "asset quantity entry_timestamp entry_price exit_timestamp exit_price "
    "pnl commission slippage bars_held exit_rule impact borrow dividends mae mfe tax fee",
    defaults=(0.0, 0.0, 0.0, None, None, 0.0, 0.0),
)
OpenLotRow = namedtuple(  # what is left of a lot after the last bar, with its share of the costs
    "OpenLotRow",  # pnl: at the last mark, with these dividends, net of costs
    "asset quantity entry_timestamp entry_price commission slippage impact borrow dividends pnl "
    "mae mfe tax fee",
    defaults=(0.0, 0.0, 0.0, 0.0, None, None, 0.0, 0.0),
)
OrderRow = namedtuple(  # quantity: after splits and edits; price: as it last rested
    "OrderRow",
    "order_id asset created quantity limit stop tif status reason filled tag ended why",
)
FlowRow = namedtuple("FlowRow", "timestamp asset kind amount")
DecisionRow = namedtuple("DecisionRow", "timestamp asset rule action before after")
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
    orders: list[OrderRow] = field(default_factory=list)
    cash_flows: list[FlowRow] = field(default_factory=list)
    decisions: list[DecisionRow] = field(default_factory=list)
    selections: list[SelectionRow] = field(default_factory=list)
    rejections: list[RejectionRow] = field(default_factory=list)
    stops: list[StopRow] = field(default_factory=list)
