"""LevelFiller: books the protective levels that a bar has touched."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml4t.backtest.core.batch import Batch, Bools, Floats, Ints
from ml4t.backtest.core.levels import LevelPolicy, Touched
from ml4t.backtest.core.orders import Ended, OrderStatus, TimeInForce
from ml4t.backtest.core.sids import NO_SIDS, without
from ml4t.backtest.execution.executor import Booked, Executor
from ml4t.backtest.execution.orders.level_book import ORDER_TYPES, TARGET, LevelFills
from ml4t.backtest.execution.pending.market_filler import VOLUME_LIMIT
from ml4t.backtest.execution.pending.post_trade import PostTrade
from ml4t.backtest.execution.pending.tradability import MIN_HOLDING
from ml4t.backtest.execution.pricing import Priced, put_together

CARRIED = "the rest follows at the next open"
STAYS = "the rest stays its target"


class LevelFiller:
    """Fills touched levels as far as the bar's volume goes.

    Parameters
    ----------
    executor : Executor
    post_trade : PostTrade
        Told of every fill. Of its protective orders the levels are told of parts of targets that
        were closed, and what a stop could not close is queued.
    policy : LevelPolicy
    rule_names : tuple of str
        Names behind the rule indices of levels.
    """

    def __init__(
        self,
        executor: Executor,
        post_trade: PostTrade,
        policy: LevelPolicy,
        rule_names: tuple[str, ...],
    ) -> None:
        protective = post_trade.protective
        self._executor, self._portfolio, self._post_trade = executor, executor.portfolio, post_trade
        self._levels, self._pending = protective.levels, protective.pending
        self._slips, self._rule_names = policy.slips, rule_names

    def without_pending(self, sids: Ints) -> Ints:
        """Return the assets of which no exit is on its way already."""
        return without(sids, self._pending.leaving())

    def fill(self, batch: Batch, fills: LevelFills, step: Floats | None = None) -> Touched:
        """Fill levels and return those that no price limit of the exchange held back.

        `step` is what targets close in all, where `fills` may close only a part of that now.
        """
        limits = self._executor.price_limits
        for name in limits.named(batch):
            is_locked = limits.locked(batch, name, fills.sids, fills.quantity, fills.base)
            fills = fills.where(~is_locked)
        if self._executor.has_lots:
            # A part below one lot is passed over; the rule says so at the close.
            is_some = self._whole_parts(fills.sids, fills.quantity) != 0
            fills = fills.where((fills.kind != TARGET) | is_some)
        kinds = set(fills.kind.tolist())
        if len(kinds) == 1:  # most of the time
            is_done = self._fill_kind(batch, fills, kinds.pop(), step)
        else:
            is_done = np.ones(len(fills.sids), dtype=bool)
            for kind in kinds:
                of_kind = fills.kind == kind
                is_done[of_kind] = self._fill_kind(batch, fills.where(of_kind), kind, step)
        self._pending.closed_inside(fills.sids)
        return fills.touched(is_done)

    def close_over(
        self, batch: Batch, t: int | Ints, fills: LevelFills, starts: Sequence[int]
    ) -> list[float]:
        """Fill levels that close positions whole; return cash after each moment.

        Parameters
        ----------
        t : int or int array
            Bar of all fills, or of each; `batch` is that bar, or has each asset at its own.
        starts : sequence of int
            Places of the fills with which a moment begins: fills of one kind in one bar.
        """
        executor, sids = self._executor, fills.sids
        ids = executor.journal.new_ids(len(sids))
        tags = tuple(map(self._rule_names.__getitem__, fills.rule.tolist()))
        if fills.is_of_one_kind:
            kind = fills.kind.item(0)
            priced = self._priced(batch, fills, is_target=kind == TARGET)
            cash = executor.close_over(t, ids, sids, fills.base, tags, priced, starts)
            self._post_trade.process(Booked(batch.t, NO_SIDS, sids, at_close=False))
            self._record_filled(ids, fills, tags, kind)
            return cash
        kinds = sorted(set(fills.kind.tolist()))
        of_kinds = [fills.kind == kind for kind in kinds]
        parts = list(zip(kinds, of_kinds, map(fills.at, of_kinds), strict=True))
        each = [self._priced(batch, part, is_target=kind == TARGET) for kind, _, part in parts]
        paid = put_together(each, of_kinds)
        cash = executor.close_over(t, ids, sids, fills.base, tags, paid, starts)
        self._post_trade.process(Booked(batch.t, NO_SIDS, sids, at_close=False))
        for kind, which, part in parts:
            self._record_filled(ids[which], part, _chosen(tags, which), kind)
        return cash

    def _priced(self, batch: Batch, fills: LevelFills, *, is_target: bool) -> Priced:
        return self._executor.pricing.priced(
            batch, fills.sids, fills.quantity, fills.base, fills.level if is_target else None,
            is_maker=is_target, slips=self._slips,
        )  # fmt: skip

    def _fill_kind(self, batch: Batch, fills: LevelFills, kind: int, step: Floats | None) -> Bools:
        """Fill levels of one kind; return which are done."""
        executor, sids, is_target = self._executor, fills.sids, kind == TARGET
        asked = self._whole_parts(sids, fills.quantity) if is_target else fills.quantity
        step = asked if step is None else self._whole_parts(sids, step)
        done, waits = executor.fillable(sids, asked)
        ids = executor.journal.new_ids(len(sids))
        tags = tuple(self._rule_names[i] for i in fills.rule.tolist())
        self._pending.note_closed(sids, done)
        some = done != 0
        if done is fills.quantity or some.all():
            self._book(batch, ids, fills, done, tags, is_target=is_target)
        elif some.any():
            self._book(
                batch, ids[some], fills.where(some), done[some], _chosen(tags, some),
                is_target=is_target,
            )  # fmt: skip
        if done is asked:
            self._record(ids, fills, asked, done, tags, kind, OrderStatus.FILLED, "")
            if is_target:
                return self._levels.sold(sids, step, done)
            return np.ones(len(sids), dtype=bool)
        is_cut, rest = done != asked, STAYS if is_target else CARRIED
        held = np.zeros(len(sids), dtype=bool) if waits is None else waits
        for which, status, reason in (
            (~is_cut, OrderStatus.FILLED, ""),
            (is_cut & some & ~held, OrderStatus.PARTIAL, f"{VOLUME_LIMIT}: {rest}"),
            (is_cut & ~some & ~held, OrderStatus.EXPIRED, f"{VOLUME_LIMIT}: {rest}"),
            (is_cut & some & held, OrderStatus.PARTIAL, f"{MIN_HOLDING}: {rest}"),
            (is_cut & ~some & held, OrderStatus.EXPIRED, f"{MIN_HOLDING}: {rest}"),
        ):
            if which.any():
                self._record(
                    ids[which], fills.where(which), asked[which], done[which],
                    _chosen(tags, which), kind, status, reason,
                )  # fmt: skip
        if is_target:
            return self._levels.sold(sids, step, done)
        if is_cut.any():
            # A stop that was met is a market order for all of it: the rest leaves at the open.
            self._pending.exits(sids[is_cut], _chosen(tags, is_cut))
        is_whole: Bools = ~is_cut
        return is_whole

    def _book(
        self,
        batch: Batch,
        ids: Ints,
        fills: LevelFills,
        quantity: Floats,
        tags: tuple[str, ...],
        *,
        is_target: bool,
    ) -> None:
        booked = self._executor.fill(
            batch, ids, fills.sids, quantity, fills.base, tags,
            limit=fills.level if is_target else None, is_maker=is_target, slips=self._slips,
        )  # fmt: skip
        self._post_trade.process(booked)

    def _record_filled(
        self, ids: Ints, fills: LevelFills, tags: tuple[str, ...], kind: int
    ) -> None:
        quantity = fills.quantity
        self._record(ids, fills, quantity, quantity, tags, kind, OrderStatus.FILLED, "")

    def _record(
        self,
        ids: Ints,
        fills: LevelFills,
        asked: Floats,
        done: Floats,
        tags: tuple[str, ...],
        kind: int,
        status: OrderStatus,
        reason: str,
    ) -> None:
        self._executor.journal.record(
            Ended(
                ids=ids,
                created_t=fills.set_t,
                sids=fills.sids,
                quantity=asked,
                filled=done,
                order_type=ORDER_TYPES[kind],
                time_in_force=TimeInForce.GTC,
                status=status,
                reason=reason,
                tag=tags,
                limit=fills.level if kind == TARGET else None,
                stop=None if kind == TARGET else fills.level,
            )
        )

    def _whole_parts(self, sids: Ints, asked: Floats) -> Floats:
        """Return parts in whole lots; what closes all of a position is not cut."""
        if not self._executor.has_lots:
            return asked
        live = self._portfolio.quantity[sids]
        return np.where(asked == -live, asked, self._executor.whole(sids, asked))


def _chosen(tags: tuple[str, ...], which: Bools) -> tuple[str, ...]:
    return tuple(tag for tag, ok in zip(tags, which.tolist(), strict=True) if ok)
