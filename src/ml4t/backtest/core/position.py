"""Position: what is held of one asset, as strategies and hand-written loops read it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What is held of one asset at one moment.

    Attributes
    ----------
    asset_id : object
    quantity : float
        Shares, positive long, negative short, 0 flat.
    entry_price : float
        Average fill price of the open lots, without commission; NaN when flat.
    price : float
        Last known close, per share; NaN where none is known.
    multiplier : float
        Account currency per unit of price and quantity; 1 for shares.
    dividends : float
        Account currency, what the open lots were entitled to; negative where a short owes it.
    """

    asset_id: object
    quantity: float
    entry_price: float
    price: float
    multiplier: float = 1.0
    dividends: float = 0.0

    @property
    def avg_price(self) -> float:
        """`entry_price` under the name that the guides use."""
        return self.entry_price

    @property
    def current_price(self) -> float:
        """`price` under the name that the guides use."""
        return self.price

    @property
    def value(self) -> float:
        """Account currency, negative short: ``quantity * price * multiplier``."""
        return self.quantity * self.price * self.multiplier if self.quantity else 0.0

    @property
    def unrealized_pnl(self) -> float:
        """Account currency, before costs, dividends included.

        ``quantity * (price - entry_price) * multiplier + dividends``
        """
        if not self.quantity:
            return 0.0
        return self.quantity * (self.price - self.entry_price) * self.multiplier + self.dividends

    @property
    def unrealized_pnl_pct(self) -> float | None:
        """P&L as a fraction of the entry value, positive = gain; None when flat.

        ``side * (price + dividends per share - entry_price) / entry_price`` with side +1 long,
        -1 short.
        """
        if not self.quantity:
            return None
        # Not price / entry_price - 1, which misses 15% by a digit where a price has risen by it.
        gain = self.price - self.entry_price
        if self.dividends:
            gain += self.dividends / (self.quantity * self.multiplier)
        move = gain / self.entry_price
        return move if self.quantity > 0 else -move
