"""Account rules: how far cash may go, and what a buy may count on."""

from __future__ import annotations

from dataclasses import dataclass

from ml4t.backtest.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class CashAccount:
    """An account that never shorts and, by default, never borrows.

    Attributes
    ----------
    reserve_costs : bool
        Size the buys of one bar so that they and their costs fit into the cash left after
        the sells: when they do not, all of them shrink by one common factor. Without it a buy
        that does not fit is rejected whole.
    overdraft : float
        Account currency that cash may fall below zero; 0 by default.
    """

    reserve_costs: bool = True
    overdraft: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.overdraft < float("inf"):
            raise ConfigError(f"overdraft must be a finite amount >= 0, was {self.overdraft!r}")
