"""Journal: where the loop writes what happened. The results side implements it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.orders import Ended, Fills


@dataclass(slots=True, kw_only=True)  # hot: freezing costs a call per field
class Decision:
    """A rule or limit that acted, with what it saw.

    Attributes
    ----------
    sid : int
        -1 where it acted on the whole account.
    action : str
        ``"stop"``, ``"target"`` (a level was touched), ``"exit"`` (asked at a close), ``"edit"``
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


class Journal(Protocol):
    """Receives the ledger of a run in the order in which it happens."""

    def new_ids(self, n: int) -> Ints:
        """Return the numbers of the next `n` orders."""
        ...

    def ended(self, orders: Ended) -> None:
        """Record orders that ended."""
        ...

    def filled(self, fills: Fills) -> None:
        """Record fills."""
        ...

    def decision(self, decision: Decision) -> None:
        """Record a rule or limit that acted."""
        ...

    def trade(self, row: Sequence[float | str]) -> None:
        """Record a closed lot part: the fields of `portfolio.lots.Trade`."""
        ...

    def trades(self, rows: Sequence[object]) -> None:
        """Record lots closed whole at one moment: the fields of `portfolio.lots.Trades`."""
        ...

    def cash_flow(self, t: int, sid: int, kind: str, amount: float, *, in_trades: bool) -> None:
        """Record cash that moved without a fill, positive = received; sid -1: the account's.

        `in_trades`: the amount is part of the P&L of a trade too.
        """
        ...

    def close(
        self, t: int, cash: float, held: Ints, quantity: Floats, mark: Floats, value: Floats,
        unrealized: Floats, stale: NDArray[np.bool_],
    ) -> None:  # fmt: skip
        """Record the account at the close of bar `t`, one entry per held asset."""
        ...
