"""Orders: what may be asked of the broker, in the field's words. Quantities are signed.

Positive buys, negative sells.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from math import isnan
from typing import NamedTuple, TypeVar

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats, Ints
from ml4t.backtest.core.event import NAN
from ml4t.backtest.core.tolerances import LARGEST
from ml4t.backtest.errors import ConfigError, require_choice

Choice = TypeVar("Choice", bound=StrEnum)
# A word of each of some orders, or one word of all of them.
Tags = str | tuple[str, ...]


class OrderStatus(StrEnum):
    """Where an order stands; every order ends in one of the last six.

    FILLED but for less than 1% at the most; PARTIAL where less of it was done, whatever ended the
    rest. In the other four nothing of it was done.
    """

    OPEN = "open"
    FILLED = "filled"
    PARTIAL = "partial"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DENIED = "denied"
    REJECTED = "rejected"


class TimeInForce(StrEnum):
    """How long an order stands.

    GTC until it fills or is cancelled; DAY through the session of the first bar at which it can
    fill; GTD through a date; IOC at its first chance only.
    """

    GTC = "gtc"
    DAY = "day"
    GTD = "gtd"
    IOC = "ioc"


class Word(StrEnum):
    """A word that prints as a user writes it, so that what has one can be made of its print."""

    def __repr__(self) -> str:
        return repr(self.value)


def parse_choice(kind: type[Choice], name: str, value: str) -> Choice:
    """Return the member of `kind` that `value` spells.

    Raises
    ------
    ConfigError
        There is no such member; an unknown word never means a default.
    """
    return kind(require_choice(name, value, map(str, kind)))


class Ended(NamedTuple):
    """Orders that met one fate together; the rows of the `orders` table.

    Every array has one entry per order.

    Attributes
    ----------
    ids : int array
        Numbers that the journal gave them.
    created_t : int or int array
        Bar at whose close they were decided (a level on its entry bar: the one before).
    sids : int array
    quantity, filled : float array
        Shares asked and shares done, signed; NaN where a target could not be sized.
    order_type : str
        Name of the type.
    time_in_force : TimeInForce
    status : OrderStatus
    reason : str
        Why it ended so; empty where it filled whole.
    tag : Tags
        Who asked: ``"rebalance"``, the name of a rule, or the strategy's own word.
    limit, stop : float array or None
        Prices, per share.
    parent : int array or None
        Number of the order after whose fill this one came alive, -1 where none.
    """

    ids: Ints
    created_t: int | Ints
    sids: Ints
    quantity: Floats
    filled: Floats
    order_type: str
    time_in_force: TimeInForce
    status: OrderStatus
    reason: str
    tag: Tags
    limit: Floats | None = None
    stop: Floats | None = None
    parent: Ints | None = None


class Waiting(NamedTuple):
    """One order that the bar after the last would have met; a row of the `waiting` table.

    Attributes
    ----------
    kind : str
        ``"exit"``, ``"target"``, ``"order"`` or ``"level"``.
    order_id, parent_id : int
        -1 where it gets a number when it fills; where there is no parent.
    created_t : int
        Bar at whose close it was decided.
    quantity, held : float
        Shares still to do and shares held, signed; NaN where no price is known to size it by.
    weight : float
        Target weight, NaN where it has none.
    price : float
        The last close known, NaN where none is.
    price_t : int
        Bar of that close, -1 where it is older than the last bar.
    """

    kind: str
    sid: int
    created_t: int
    quantity: float
    order_type: str
    time_in_force: TimeInForce
    tag: str
    order_id: int = -1
    parent_id: int = -1
    limit: float | None = None
    stop: float | None = None
    weight: float = NAN
    held: float = 0.0
    price: float = NAN
    price_t: int = -1

    @property
    def side(self) -> str:
        """``"buy"`` or ``"sell"``."""
        shares = self.weight if isnan(self.quantity) else self.quantity
        return "buy" if shares > 0 else "sell"


class Moment(IntEnum):
    """When in its bar a fill was made: what of the bar came after it."""

    EARLY = 0  # all of it, as of a fill at the open, or by a move that went on
    LIMIT = 1  # of a limit inside nothing is certain but the close
    CLOSE = 2  # nothing; all of it came before


class Fills(NamedTuple):
    """Fills of one moment, in the order in which cash moved; one entry per fill.

    Attributes
    ----------
    t : int or int array
        Bar of the fill; of fills that close positions in several bars that of each.
    ids : int array
        The orders' numbers.
    sids : int array
    quantity : float array
        Shares, positive buys, negative sells.
    price : float array
        Per share, slippage and impact included.
    commission, slippage, impact : float array
        Account currency, positive = cost; the last two are already inside `price`.
    reason : Tags
        Why each order was sent; the `exit_rule` of the trades that it closes.
    moment : Moment
        When in the bar.
    levies : float array or None
        ``[2, fill]``: tax and fee, account currency, positive = cost; None: there are none.
    rate : float or float array
        Account currency per unit of price.
    """

    t: int | Ints
    ids: Ints
    sids: Ints
    quantity: Floats
    price: Floats
    commission: Floats
    slippage: Floats
    impact: Floats
    reason: Tags
    moment: Moment = Moment.EARLY
    levies: Floats | None = None
    rate: Floats | float = 1.0

    @property
    def tax(self) -> Floats:
        """Account currency, positive = cost."""
        return np.zeros(len(self.sids)) if self.levies is None else self.levies[0]

    @property
    def fee(self) -> Floats:
        """What the broker passes on, account currency, positive = cost."""
        return np.zeros(len(self.sids)) if self.levies is None else self.levies[1]

    @property
    def charge(self) -> Floats:
        """Commission, tax and fee: what is paid beside the price."""
        return self.commission if self.levies is None else self.commission + self.tax + self.fee


def tag_of(tags: Tags, place: int) -> str:
    """Return the word of one order."""
    return tags if isinstance(tags, str) else tags[place]


def tags_at(tags: Tags, chosen: Ints | Bools | slice) -> Tags:
    """Return the words of orders at some places, or of those that a mask keeps."""
    if isinstance(tags, str):
        return tags
    if isinstance(chosen, slice):
        return tags[chosen]
    places = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
    return tuple(tags[place] for place in places.tolist())


def require_size(quantity: float) -> None:
    """Raise a `ConfigError` for a quantity so large that what it is worth would overflow."""
    # A short number of NumPy would take the bound for infinite.
    if abs(float(quantity)) >= LARGEST:
        raise ConfigError(f"quantity must be below {LARGEST:g}, was {quantity!r}")
