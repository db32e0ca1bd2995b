"""ProtectiveOrders: what closes positions on the word of a rule, at its price or at an open."""

from __future__ import annotations

from ml4t.backtest.core.batch import Bools, Floats, Ints
from ml4t.backtest.core.levels import LevelPolicy, Levels
from ml4t.backtest.core.stretch import Stretch
from ml4t.backtest.execution.executor import Executor
from ml4t.backtest.execution.orders.book import POSITION_CLOSED
from ml4t.backtest.execution.orders.level_book import LevelBook
from ml4t.backtest.execution.orders.market_orders import MarketOrderLedger
from ml4t.backtest.execution.pending.changes import PendingChanges


class ProtectiveOrders:
    """Levels in force, and exits that wait for an open; made before the rules that order them.

    Parameters
    ----------
    executor : Executor
    policy : LevelPolicy

    Attributes
    ----------
    levels : LevelBook
    ledger : MarketOrderLedger
        Records what ends unfilled.
    pending : PendingChanges
        Holds the exits, beside target weights.
    no_reentry : set of int
        Assets that a rule closed in this bar and that cannot be ordered in it, where the policy
        says so.
    """

    def __init__(self, executor: Executor, policy: LevelPolicy) -> None:
        round_price = executor.pricing.round_price if executor.pricing.has_ticks else None
        self.levels = LevelBook(executor.portfolio, policy, round_price)
        self.ledger = MarketOrderLedger(executor.journal)
        self.pending = PendingChanges(executor, self.ledger)
        self.no_reentry: set[int] = set()
        self._reentry = executor.policy.reentry

    def set_levels(self, levels: Levels) -> None:
        """Replace the protective levels of `levels.sids`."""
        self.levels.set(levels)

    def touched_over(self, stretch: Stretch, levels: Levels, asked: Bools) -> Bools:
        """Say at which bars a level is touched, see `LevelBook.touched_over`."""
        return self.levels.touched_over(stretch, levels, asked)

    def order_exits(
        self,
        t: int,  # noqa: ARG002 - the rules say when; the queue knows
        sids: Ints,
        rules: tuple[str, ...],
        parts: Floats | None = None,
    ) -> None:
        """Queue exits at the next open; `rules` names why, per asset.

        `parts` are shares of the peak quantity, None: all of it. Of two exits of one asset the
        larger stands, so that no position is sold twice.
        """
        self.pending.exits(sids, rules, parts)
        self.note_closed(sids)

    def note_closed(self, sids: Ints) -> None:
        """Take note of what a rule has closed in this bar, or leaves at the next open."""
        if not self._reentry:
            self.no_reentry.update(sids.tolist())

    def forget(self, sids: Ints) -> None:
        """Forget levels and queued exits of positions that are closed or turned over."""
        self.levels.drop(sids)
        for sid in sids.tolist() if self.pending.pending else ():
            self.pending.drop_exit(sid, POSITION_CLOSED)
