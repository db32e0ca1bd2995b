"""Journal: where the loop writes what happened. The results side implements it.

What is written are events, each of a class of its own: those of this module, `Ended` and `Fills`
of `core.orders`, `Trade` and `Trades` of `core.trades`. Which result table an event belongs to is
declared beside that table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Floats, Ints, Selection


def value_of(quantity: Floats, price: Floats, multiplier: Floats | None) -> Floats:
    """Return what positions or fills are worth, account currency, in the one order of factors."""
    value: Floats = quantity * price
    return value if multiplier is None else value * multiplier


class Decision(NamedTuple):
    """A rule or limit that acted, with what it saw.

    Attributes
    ----------
    sid : int
        -1 where it acted on the whole account.
    action : str
        ``"stop"``, ``"target"`` (a level was touched), ``"exit"`` (asked at a close), ``"wait"``
        (an exit may not sell yet what was bought too lately, at the first such open), ``"edit"``
        or ``"deny"`` (a limit changed what the strategy wanted), ``"reduce"``, ``"liquidate"``,
        ``"halt"`` or ``"resume"`` (a limit acted on the account).
    level : float
        Price of the level, or the weight that a limit left; NaN for a close rule.
    features : mapping of str to float
        Values that the rule saw when it decided.
    """

    t: int
    sid: int
    rule: str
    action: str
    level: float
    reason: str
    features: Mapping[str, float]


class Compared(NamedTuple):
    """What a run is compared with; every vector has one entry per bar.

    Attributes
    ----------
    value : float array
        The initial capital in the benchmark at each close, account currency; NaN: there is none.
    risk_free_rate : float array
        Annual fraction at which money was lent over each bar; NaN: nobody said one.
    """

    t: Ints
    value: Floats
    risk_free_rate: Floats


class CashFlow(NamedTuple):
    """Cash that moved without a fill.

    Attributes
    ----------
    sid : int
        -1 where it is the account's own.
    kind : str
        Such as ``"deposit"`` or ``"dividend"``.
    amount : float
        Account currency, positive = received.
    in_trades : bool
        The amount is part of the P&L of a trade too.
    """

    t: int
    sid: int
    kind: str
    amount: float
    in_trades: bool


class CashAtClose(NamedTuple):
    """Cash by currency at the close of bar `t`; one entry per currency, the account's own first.

    Attributes
    ----------
    currencies : tuple of str
    cash : float array
        In the currency itself; below 0 where it is lent.
    rate : float array
        Account currency per unit; NaN where none is known yet.
    """

    t: int
    currencies: tuple[str, ...]
    cash: Floats
    rate: Floats


class Ordered(NamedTuple):
    """Assets of which something was ordered at the close of bar `t`, filled or not."""

    t: int
    sids: Ints | tuple[int, ...]


class Expired(NamedTuple):
    """Contracts that were held until the close of bar `t`, at which they were settled."""

    t: int
    sids: Ints | tuple[int, ...]


class AccountAtClose(NamedTuple):
    """The account at the close of bar `t`, or at those of a stretch of bars in which nothing moved.

    Attributes
    ----------
    t : int
        The first bar of the stretch.
    held : int array
        Assets, ascending.
    quantity : float array
        Shares of each.
    cost : float array
        What each cost, account currency: with commission and borrow, less dividends.
    mark : float array
        Price of the mark: of each held asset, bar after bar, ``[held]`` or ``[bars, held]``.
    stale : bool array
        The mark is an older close; shaped alike.
    multiplier : float array or None
        Account currency per unit of price and quantity, of each; None: 1.
    is_margined : bool array or None
        Which are contracts: what they are worth is no money beside `cash`, which has been paid
        what they made; None: the account has none.
    n_bars : int
        How many bars the stretch has, all of one chunk.
    ends : int array or None
        Row of the bar inside which each position was closed, and from which on it is none; None:
        all are held at every close. `cash` is then that at each.
    """

    t: int
    cash: float | Floats
    held: Ints
    quantity: Floats
    cost: Floats
    mark: Floats
    stale: NDArray[np.bool_]
    multiplier: Floats | None = None
    n_bars: int = 1
    ends: Ints | None = None
    is_margined: NDArray[np.bool_] | None = None

    # Not kept: of minutes they would be most of what a run keeps.

    @property
    def value(self) -> Floats:
        """Account currency, at the marks."""
        return value_of(self.quantity, self.mark, self.multiplier)


class Selected(NamedTuple):
    """What the ranking put forward at the close of bar `t`, best first."""

    t: int
    selection: Selection

    @property
    def sids(self) -> Ints:
        """Assets."""
        return self.selection.sids

    @property
    def rank(self) -> Ints:
        """Places from 1."""
        return np.arange(1, len(self.selection.sids) + 1)

    @property
    def score(self) -> Floats:
        """Values of the ranking expression, NaN where a query gave none."""
        return self.selection.scores

    @property
    def weight(self) -> Floats:
        """Fractions of equity, NaN where shares or signals were asked for."""
        return self.selection.weights


class Computed(NamedTuple):
    """A value that a feature provider computed in the run; sid -1: it is market-wide."""

    t: int
    sid: int
    name: str
    said: float | str

    @property
    def value(self) -> float:
        """The number, NaN where it is text."""
        return float("nan") if isinstance(self.said, str) else self.said

    @property
    def value_text(self) -> str | None:
        """The text, None where it is a number."""
        return self.said if isinstance(self.said, str) else None


class Journal(Protocol):
    """Receives the ledger of a run in the order in which it happens."""

    def new_ids(self, n: int) -> Ints:
        """Return the numbers of the next `n` orders."""
        ...

    def record(self, event: object) -> None:
        """Keep what happened: an event of a class that a result table is declared of.

        Its vectors are not written to any more.
        """
        ...
