"""Rolls: at a close, ask for what is held of a contract to be traded for the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ml4t.backtest.core.orders import TimeInForce
from ml4t.backtest.core.terms import Roll
from ml4t.backtest.execution.orders.order import Order
from ml4t.backtest.execution.orders.types import MARKET
from ml4t.backtest.portfolio.portfolio import Portfolio

ROLL = "roll"


class Takes(Protocol):
    """Takes orders, as the broker of the bars does."""

    @property
    def rebalances(self) -> bool:
        """Whether target weights wait, which say of everything how much is held."""
        ...

    def leaving(self) -> list[int]:
        """Return the assets of which an exit of all waits for an open."""
        ...

    def new_id(self) -> int:
        """Return the number of the next single order."""
        ...

    def submit(self, order: Order) -> None:
        """Take a single order."""
        ...


class Rolls:
    """Orders two trades for each roll: out of the old contract, into as many of the new one.

    Both are market orders of what is held at the close of the decision, tagged ``roll``: the exit
    is the first, so that its margin is free for the other. Where target weights were set at that
    close those decide, and what a rule leaves is not rolled.

    Parameters
    ----------
    rolls : sequence of Roll
        Sorted by bar.
    portfolio : Portfolio
    broker : Takes
    assets : sequence
        The ids of all assets.
    """

    def __init__(
        self, rolls: Sequence[Roll], portfolio: Portfolio, broker: Takes, assets: Sequence[object]
    ) -> None:
        self._portfolio, self._broker, self._assets = portfolio, broker, assets
        self._due: dict[int, list[Roll]] = {}
        for roll in rolls:
            self._due.setdefault(roll.t, []).append(roll)

    def decide(self, t: int) -> None:
        """Order what is rolled by the decision at a close."""
        due = self._due.get(t, ())
        if not due or self._broker.rebalances:
            return
        leaving = self._broker.leaving()
        for roll in due:
            if roll.sid in leaving:
                continue
            quantity = float(self._portfolio.quantity[roll.sid])
            if quantity:
                self._order(t, roll.sid, -quantity, is_exit=True)
                self._order(t, roll.new_sid, quantity, is_exit=False)

    def _order(self, t: int, sid: int, quantity: float, *, is_exit: bool) -> None:
        self._broker.submit(
            Order(
                order_id=self._broker.new_id(), sid=sid, asset=self._assets[sid],
                quantity=quantity, order_type=MARKET, created_t=t,
                time_in_force=TimeInForce.DAY, tag=ROLL, is_exit=is_exit,
            )
        )  # fmt: skip
