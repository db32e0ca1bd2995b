"""Journal: where the loop writes what happened. The results side implements it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.fills import Fills, Orders


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A rule or limit that acted, with what it saw.

    Attributes
    ----------
    action : str
        ``"stop"``, ``"target"`` (a level was touched) or ``"exit"`` (asked at a close).
    level : float
        Price of the level; NaN for a close rule.
    features : mapping of str to float
        Feature values that the rule saw when it decided.
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

    def order(self, orders: Orders, fills: Fills | None = None) -> None:
        """Record orders that ended; `fills` holds one entry per order when they filled."""
        ...

    def decision(self, decision: Decision) -> None:
        """Record a rule or limit that acted."""
        ...

    def trade(self, row: Sequence[float | str]) -> None:
        """Record a closed lot part: the fields of `portfolio.lots.Trade`."""
        ...

    def close(
        self, t: int, cash: float, held: Ints, quantity: Floats, mark: Floats,
        unrealized: Floats, stale: Floats,
    ) -> None:  # fmt: skip
        """Record the account at the close of bar `t`, one entry per held asset."""
        ...
