"""PostTrade: what follows a fill at once, before anything else of the bar happens."""

from __future__ import annotations

from typing import Protocol

from ml4t.backtest.core.batch import Ints
from ml4t.backtest.execution.executor import Booked
from ml4t.backtest.execution.pending.protective_orders import ProtectiveOrders


class EntryRules(Protocol):
    """What is asked of rules when positions are opened or turned over."""

    def guard_entries(self, t: int, opened: Ints, *, at_close: bool = False) -> None:
        """Set their first levels at bar `t`; `at_close`: nothing of this bar can touch them."""
        ...


class PostTrade:
    """Tells protective orders and rules what a fill has closed and opened; every filler has it.

    Parameters
    ----------
    protective : ProtectiveOrders
    rules : EntryRules, optional
        By default there are none.
    """

    def __init__(self, protective: ProtectiveOrders, rules: EntryRules | None = None) -> None:
        self.protective, self._rules = protective, rules

    def process(self, booked: Booked) -> None:
        """Forget what protected positions that are closed, and protect those that are new."""
        if len(booked.closed):
            self.protective.forget(booked.closed)
        if len(booked.opened):
            # Of a position that was turned over nothing counts for the new one.
            self.protective.forget(booked.opened)
            if self._rules is not None:
                self._rules.guard_entries(booked.t, booked.opened, at_close=booked.at_close)
