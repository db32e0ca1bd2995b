"""PendingChanges: what was decided at a close and fills at one price of a bar."""

from __future__ import annotations

import numpy as np

from ml4t.backtest.core.batch import Batch, Floats, Ints, Selection
from ml4t.backtest.core.orders import OrderStatus
from ml4t.backtest.core.sids import NO_SIDS, union, without
from ml4t.backtest.execution.executor import Executor
from ml4t.backtest.execution.orders.market_orders import MarketOrderLedger, unsized
from ml4t.backtest.execution.pending.no_trade_band import NoTradeBand
from ml4t.backtest.execution.pending.rebalance import REBALANCE, Rebalance, sized
from ml4t.backtest.execution.policy import SizedAt

END_OF_DATA = "end of data"
MADE = NoTradeBand()  # every change is made
Exits = dict[int, tuple[str, float]]


class PendingChanges:
    """The queue of target weights and exits between a decision and its fill.

    Parameters
    ----------
    executor : Executor
    ledger : MarketOrderLedger
        Records what ends in the queue.

    Attributes
    ----------
    pending : dict of int to (str, float)
        Queued exits: the rule, and the share of the position that it closes.
    gone : set of int
        Assets whose positions rules closed inside this bar.
    closed : dict of int to float
        Shares that exits of rules closed in this bar, signed like the exits.
    """

    def __init__(self, executor: Executor, ledger: MarketOrderLedger) -> None:
        self._executor, self._portfolio, self._ledger = executor, executor.portfolio, ledger
        self.pending: Exits = {}
        self.gone: set[int] = set()
        self.closed: dict[int, float] = {}
        self._rebalance: Rebalance | None = None
        self._left_t = -1

    # -- queueing ---------------------------------------------------------------------

    def targets(
        self,
        batch: Batch,
        selection: Selection,
        untouched: Ints = NO_SIDS,
        no_trade_band: NoTradeBand = MADE,
    ) -> None:
        """Queue target weights, zero for all else held; the newest wish counts."""
        executor, quantity = self._executor, None
        if executor.policy.sized_at is SizedAt.DECISION:
            close = batch.close[selection.sids]
            equity = self._portfolio.equity_at(batch.close)
            quantity = sized(executor, selection.sids, selection.weights, close, equity)
        self._rebalance = Rebalance(
            t=batch.t,
            targets=selection,
            untouched=untouched,
            quantity=quantity,
            no_trade_band=no_trade_band,
        )

    def exits(self, sids: Ints, rules: tuple[str, ...], parts: Floats | None = None) -> None:
        """Queue exits, of all or of parts of the peak quantity; of two the larger stands."""
        live = np.abs(self._portfolio.quantity[sids])
        share = np.ones(len(sids))
        if parts is not None:
            peak = self._portfolio.peak_quantity[sids]
            share = np.minimum(parts * peak / np.where(live > 0, live, 1.0), 1.0)
        for sid, rule, size, part in zip(
            sids.tolist(), rules, live.tolist(), share.tolist(), strict=True
        ):
            if size and part > self.pending.get(sid, ("", 0.0))[1]:
                self.pending[sid] = (rule, part)

    def scale_down(self, rule: str, factor: float) -> None:
        """Queue the reduction of every position to `factor` of what it is."""
        for sid in self._portfolio.held.tolist():
            if 1 - factor > self.pending.get(sid, ("", 0.0))[1]:
                self.pending[sid] = (rule, 1 - factor)

    def leaving(self) -> list[int]:
        """Return the assets of which an exit of all is queued."""
        return [sid for sid, (_, share) in self.pending.items() if share >= 1]

    def note_closed(self, sids: Ints, done: Floats) -> None:
        """Take note of what exits of rules closed in this bar."""
        for sid, shares in zip(sids.tolist(), done.tolist(), strict=True):
            self.closed[sid] = self.closed.get(sid, 0.0) + shares

    def closed_inside(self, sids: Ints) -> None:
        """Take note of positions that rules may have closed inside this bar."""
        flat = sids[self._portfolio.quantity[sids] == 0]
        self.gone.update(flat.tolist())

    def expire(self) -> None:
        """End what is still queued after the last bar."""
        tags = tuple(tag for _, (tag, _) in sorted(self.pending.items()))
        sids = np.array(sorted(self.pending), dtype=np.int64)
        self._ledger.created_t = self._left_t
        self._ledger.end(unsized(sids, tags), OrderStatus.EXPIRED, END_OF_DATA)
        if self._rebalance is not None:
            self._ledger.created_t = self._rebalance.t
            targets = self._rebalance.targets
            wanted = without(union(self._portfolio.held, targets.sids), sids)
            wanted = without(wanted, self._rebalance.untouched)
            self._ledger.end(unsized(wanted, REBALANCE), OrderStatus.EXPIRED, END_OF_DATA)

    @property
    def waiting_rebalance(self) -> Rebalance | None:
        """The target weights that wait."""
        return self._rebalance

    @property
    def waits(self) -> bool:
        """Whether anything is queued."""
        return bool(self.pending) or self._rebalance is not None

    # -- taking -----------------------------------------------------------------------

    def start_bar(self) -> None:
        """Forget what rules closed in the bar before."""
        self.gone.clear()
        self.closed.clear()

    def take_exits(self, t: int) -> Exits:
        """Return the exits to fill at the open of bar `t`, and forget them."""
        self._left_t = t
        exits, self.pending = self.pending, {}
        return exits

    def put_back(self, exits: Exits) -> None:
        """Queue again what could not leave at an open."""
        self.pending.update(exits)

    def take_rebalance(self) -> Rebalance | None:
        """Return the target weights to fill at this moment, and forget them."""
        rebalance, self._rebalance = self._rebalance, None
        return rebalance

    # -- corporate actions ------------------------------------------------------------

    def drop_exit(self, sid: int, reason: str) -> None:
        """Cancel the queued exit of a position that is gone, whatever comes after it."""
        if sid in self.pending:
            tag, created_t = self.pending.pop(sid)[0], self._ledger.created_t
            self._ledger.created_t = self._left_t
            self._ledger.end(unsized(np.array([sid]), tag), OrderStatus.CANCELLED, reason)
            self._ledger.created_t = created_t

    def drop(self, sid: int, reason: str) -> None:
        """Cancel the queued exit and the target of an asset that is gone."""
        self.drop_exit(sid, reason)
        rebalance = self._rebalance
        if rebalance is not None and sid in rebalance.targets.sids:
            self._ledger.created_t = rebalance.t
            self._rebalance = rebalance.without(np.array([sid]))
            self._ledger.end(unsized(np.array([sid]), REBALANCE), OrderStatus.CANCELLED, reason)

    def rename(self, old: int, new: int) -> None:
        """Move what is queued to the asset that the old one became."""
        if old in self.pending:
            both = (self.pending.pop(old), self.pending.get(new, ("", 0.0)))
            self.pending[new] = max(both, key=lambda one: one[1])
        if self._rebalance is not None:
            self._rebalance = self._rebalance.rename(old, new)

    def split(self, sid: int, ratio: float) -> None:
        """Restate targets that are shares already."""
        if self._rebalance is not None:
            self._rebalance = self._rebalance.split(sid, ratio, self._executor)
