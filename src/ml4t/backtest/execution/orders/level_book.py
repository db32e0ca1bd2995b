"""LevelBook: the protective levels in force, as vectors by `sid`, and what a bar does to them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

import numpy as np

from ml4t.backtest.core.batch import Batch, Bools, Floats, Ints
from ml4t.backtest.core.levels import LevelPolicy, Levels, Touched
from ml4t.backtest.core.stretch import Stretch, behind, carried
from ml4t.backtest.execution.orders import types
from ml4t.backtest.portfolio.portfolio import Portfolio


class Rounding(Protocol):
    """Puts prices on their assets' ticks."""

    def __call__(self, sids: Ints, price: Floats, *, up: Floats) -> Floats:
        """Return the prices, rounded up where `up` > 0, else down."""
        ...


STOP_LEVEL, TARGET, TRAIL = 0, 1, 2
ORDER_TYPES = (types.STOP, types.LIMIT, types.TRAILING_STOP)


class LevelFills(NamedTuple):
    """Levels that a bar touched, before costs; every array has one entry per position.

    Attributes
    ----------
    sids : int array
    kind : int array
        STOP_LEVEL, TARGET or TRAIL.
    level, base : float array
        The level, and the price at which it fills before slippage.
    rule, set_t : int array
        Who gave the level, and when.
    quantity : float array
        Shares to trade, signed: against the position.
    """

    sids: Ints
    kind: Ints
    level: Floats
    base: Floats
    rule: Ints
    set_t: Ints
    quantity: Floats

    @property
    def is_of_one_kind(self) -> bool:
        """Whether all are of one kind, as they are most of the time."""
        is_one: bool = np.count_nonzero(self.kind == self.kind[0]) == len(self.kind)
        return is_one

    def touched(self, is_done: Bools) -> Touched:
        """Return the levels as those of positions, with whether each is done with."""
        return Touched(
            sids=self.sids,
            is_stop=self.kind != TARGET,
            rule=self.rule,
            level=self.level,
            is_done=is_done,
        )

    def where(self, chosen: Bools) -> LevelFills:
        """Return the levels that a mask keeps."""
        is_all = np.count_nonzero(chosen) == len(chosen)  # most of the time
        return self if is_all else self.at(chosen)

    def at(self, chosen: Ints | Bools | slice) -> LevelFills:
        """Return the levels at some places."""
        return LevelFills(
            sids=self.sids[chosen],
            kind=self.kind[chosen],
            level=self.level[chosen],
            base=self.base[chosen],
            rule=self.rule[chosen],
            set_t=self.set_t[chosen],
            quantity=self.quantity[chosen],
        )


class Protection(NamedTuple):
    """One level of one asset, for the walk through a single bar."""

    kind: int
    level: float
    rule: int

    @property
    def tie(self) -> int:
        """The number that breaks ties: below every order's, stops first."""
        return self.kind - 3


class LevelBook:
    """Protective levels by `sid`; NaN where there is none.

    Parameters
    ----------
    portfolio : Portfolio
        Read for what is held and on which side.
    policy : LevelPolicy
    round_price : callable or None
        ``round_price(sids, price, up=side)`` puts prices on ticks; None: there are no ticks.
    """

    def __init__(
        self, portfolio: Portfolio, policy: LevelPolicy, round_price: Rounding | None
    ) -> None:
        n_assets = len(portfolio.quantity)
        self._portfolio, self._policy, self._round = portfolio, policy, round_price
        self._level = np.full((3, n_assets), np.nan)
        self._rule = np.full((3, n_assets), -1, dtype=np.int64)
        self._part = np.full(n_assets, np.nan)  # of the peak that a target closes; NaN: all
        self._sold = np.zeros(n_assets)  # of the part that a target closes, so far
        self._set_t = np.full(n_assets, -1, dtype=np.int64)
        self._has = [False, False, False]
        self._has_parts = False

    @property
    def is_empty(self) -> bool:
        """Whether no level was ever set."""
        return not any(self._has)

    @property
    def closes_whole(self) -> bool:
        """Whether every level closes all of its position."""
        return not self._has_parts

    def set(self, levels: Levels) -> None:
        """Replace the levels of `levels.sids`."""
        sids = levels.sids
        self._set_t[sids] = levels.set_t
        self._put(STOP_LEVEL, sids, levels.stop, levels.stop_rule)
        # Until a rule gives a target, none has to be taken back.
        if self._has[TARGET] or (levels.target_rule >= 0).any():
            self._put(TARGET, sids, levels.target, levels.target_rule)
        if levels.trail is not None and levels.trail_rule is not None:
            self._put(TRAIL, sids, levels.trail, levels.trail_rule)
        if levels.target_part is not None:
            self._part[sids] = levels.target_part
            self._has_parts = True

    def _put(self, kind: int, sids: Ints, level: Floats, rule: Ints) -> None:
        self._level[kind][sids], self._rule[kind][sids] = self._rounded(kind, sids, level), rule
        self._has[kind] = True

    def _rounded(self, kind: int, sids: Ints, level: Floats) -> Floats:
        """Return levels on ticks: a stop never nearer than asked, a target never worse."""
        if self._round is None:
            return level
        side = self._portfolio.quantity[sids]
        return self._round(sids, level, up=side if kind == TARGET else -side)

    def drop(self, sids: Ints) -> None:
        """Forget the levels of assets."""
        for kind in (STOP_LEVEL, TARGET, TRAIL):
            if self._has[kind]:
                self._level[kind][sids] = np.nan
        if self._has_parts:
            self._part[sids] = np.nan
            self._sold[sids] = 0.0

    def split(self, sid: int, ratio: float) -> None:
        """Restate levels after a split of `ratio` new shares per old one."""
        sids = np.array([sid])
        for kind in (STOP_LEVEL, TARGET, TRAIL):
            if self._has[kind]:
                self._put(kind, sids, self._level[kind][sids] / ratio, self._rule[kind][sids])
        self._sold[sid] *= ratio

    def go_ex(self, sid: int, value: float) -> None:
        """Take a dividend off the levels of an asset."""
        sids = np.array([sid])
        for kind in (STOP_LEVEL, TARGET, TRAIL):
            if not np.isnan(self._level[kind, sid]):
                self._put(kind, sids, self._level[kind][sids] - value, self._rule[kind][sids])

    def rename(self, old: int, new: int) -> None:
        """Move levels to the asset that the old one became."""
        for table in (self._level, self._rule):
            table[:, new] = table[:, old]
        for vector in (self._part, self._set_t, self._sold):
            vector[new] = vector[old]
        self.drop(np.array([old]))

    def of(self, sid: int) -> Iterable[Protection]:
        """Yield the levels of one asset."""
        for kind in (STOP_LEVEL, TARGET, TRAIL):
            level = float(self._level[kind, sid])
            if level == level:
                yield Protection(kind, level, int(self._rule[kind, sid]))

    def acting(self, batch: Batch, sid: int) -> Iterable[Protection]:
        """Yield the levels of one asset that may act in this bar.

        Where the policy settles several by their rules' order or for the target, only the one that
        it picks: what rests in the book beside them must not change which of them fills.
        """
        policy = self._policy
        if policy.open_first and not (policy.in_rule_order or policy.target_first):
            yield from self.of(sid)
            return
        fills = self.touched(batch, np.array([sid]))
        if fills is not None:
            yield from (level for level in self.of(sid) if level.kind == fills.kind[0])

    def closing(self, sid: int, kind: int) -> float:
        """Return what a touched level of one asset trades, signed against the position."""
        sids = np.array([sid])
        return float(self._quantity(sids, np.array([kind]))[0])

    def set_t(self, sid: int) -> int:
        """Return the bar at which the levels of an asset were set."""
        return int(self._set_t[sid])

    def sold(self, sids: Ints, asked: Floats, done: Floats) -> Bools:
        """Note what targets closed; return which of them are done, none of its part left."""
        is_done = np.abs(done) >= np.abs(asked)
        # One step a bar: the next target is set at the close.
        self._level[TARGET][sids] = np.nan
        if self._has_parts:
            sold = self._sold[sids]
            # What a target of all of it closed is no part of a step.
            is_step = self._part[sids] < 1
            self._sold[sids] = np.where(is_step & is_done, 0.0, sold + is_step * np.abs(done))
        return is_done

    # -- a bar ------------------------------------------------------------------------

    def touched(self, batch: Batch, sids: Ints) -> LevelFills | None:
        """Return which levels of held assets the bar touched, one per position, or None.

        A stop and a target in one bar: the stop, the worse of the two, unless the bar opened
        beyond the target. An open beyond a level fills at the open; on the entry bar the open
        is past, so only the rest of the bar can touch a level.
        """
        assert batch.low is not None
        assert batch.high is not None
        side = np.sign(self._portfolio.quantity[sids]) if self._portfolio.has_shorts else None
        low, high = batch.low[sids], batch.high[sids]
        worst, best = _mirrored(side, low, high)
        levels = [
            self._side_level(kind, sids, side) if self._has[kind] or kind == STOP_LEVEL else None
            for kind in (STOP_LEVEL, TARGET, TRAIL)
        ]
        (at,) = _hits(worst, best, *levels).nonzero()
        if not len(at):
            return None
        sids, side = sids[at], None if side is None else side[at]
        return self._fills(batch.t, sids, batch.open[sids], worst[at], best[at], side)

    def touched_over(self, stretch: Stretch, levels: Levels, asked: Bools) -> Bools:
        """Say at which bars a level in force of each position is touched.

        Parameters
        ----------
        levels : Levels
            What the rules say at each bar, in force from the next one on.
        asked : bool array
            ``[bars, held]``: whether they say it; where not, the levels before stay. One row more
            than bars: the first is what they said before the first bar.
        """
        if stretch.low is None or stretch.high is None:
            return np.zeros(stretch.close.shape, dtype=bool)
        sids = stretch.held
        side = np.sign(self._portfolio.quantity[sids]) if self._portfolio.has_shorts else None
        worst, best = _mirrored(side, stretch.low, stretch.high)
        force: list[Floats | None] = []
        for kind, level in enumerate((levels.stop, levels.target, levels.trail)):
            if level is None or not (self._has[kind] or (level == level).any()):
                force.append(None)
                continue
            before, said = self._level[kind][sids], self._rounded(kind, sids, level)
            own = carried(before, said, asked)[:-1]
            own = own if len(asked) > stretch.n_bars else behind(before, own)
            force.append(own if side is None else side * own)
        return _hits(worst, best, *force)

    def touched_at(self, stretch: Stretch, rows: Ints, places: Ints) -> LevelFills:
        """Return which levels some positions of a stretch touch, each at a bar of its own.

        They are those that the book holds now.
        """
        assert stretch.low is not None
        assert stretch.high is not None
        sids = stretch.held[places]
        side = np.sign(self._portfolio.quantity[sids]) if self._portfolio.has_shorts else None
        low, high = stretch.low[rows, places], stretch.high[rows, places]
        opens = stretch.chunk.opens_at(stretch.row + rows, sids)
        return self._fills(stretch.first_t + rows, sids, opens, *_mirrored(side, low, high), side)

    def _fills(
        self,
        t: int | Ints,
        sids: Ints,
        opens: Floats,
        worst: Floats,
        best: Floats,
        side: Floats | None,
    ) -> LevelFills:
        opens = opens if side is None else side * opens
        stop = self._side_level(STOP_LEVEL, sids, side)
        if self._has[TARGET] or self._has[TRAIL]:
            kind, level = self._first_touched(t, sids, worst, best, stop, opens, side)
            rule = self._rule[kind, sids]
            # The level, or the open where the bar opened beyond it.
            base = np.where(kind == TARGET, np.fmax(opens, level), np.fmin(opens, level))
        else:
            kind, level = np.zeros(len(sids), dtype=np.int64), stop
            rule = self._rule[STOP_LEVEL][sids]
            base = np.fmin(opens, stop)
        if side is not None:
            level, base = side * level, side * base
        return LevelFills(
            sids=sids,
            kind=kind,
            level=level,
            base=base,
            rule=rule,
            set_t=self._set_t[sids],
            quantity=self._quantity(sids, kind),
        )

    def _first_touched(
        self,
        t: int | Ints,
        sids: Ints,
        worst: Floats,
        best: Floats,
        stop: Floats,
        opens: Floats,
        side: Floats | None,
    ) -> tuple[Ints, Floats]:
        """Return which level of each position acts, mirrored for shorts, and its price."""
        target, trail = self._side_level(TARGET, sids, side), self._side_level(TRAIL, sids, side)
        at_stop = worst <= stop
        if self._policy.open_first:
            is_entry = self._portfolio.entry_t[sids] == t
            # Beyond both at the open: the stop, the worse of the two.
            at_stop &= is_entry | (opens <= stop) | ~(opens >= target)
        if self._policy.target_first:
            # Not where the bar opened beyond the stop: that open came before all else of it.
            at_stop &= (opens <= stop) | ~(best >= target)
        kind = np.where(at_stop, STOP_LEVEL, TARGET)
        if self._has[TRAIL]:
            kind = np.where(~at_stop & ~(best >= target), TRAIL, kind)
        level = np.where(kind == STOP_LEVEL, stop, np.where(kind == TARGET, target, trail))
        return kind, level

    def _side_level(self, kind: int, sids: Ints, side: Floats | None) -> Floats:
        level: Floats = self._level[kind][sids]
        return level if side is None else side * level

    def _quantity(self, sids: Ints, kind: Ints) -> Floats:
        live = self._portfolio.quantity[sids]
        if not self._has_parts:
            return -live
        part = self._part[sids] * self._portfolio.peak_quantity[sids] - self._sold[sids]
        is_part = (kind == TARGET) & (part < np.abs(live))
        return np.where(is_part, -np.sign(live) * part, -live)


def _mirrored(side: Floats | None, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return a bar's worst and best prices; of shorts mirrored: worst <= stop, best >= target."""
    if side is None:
        return low, high
    return np.where(side > 0, low, -high), np.where(side > 0, high, -low)


def _hits(
    worst: Floats, best: Floats, stop: Floats | None, target: Floats | None, trail: Floats | None
) -> Bools:
    """Say where a level is touched, all of them mirrored for shorts; None: there is no such one."""
    # NaN compares false: no bar or no level, no touch.
    hit = np.zeros(worst.shape, dtype=bool) if stop is None else worst <= stop
    if target is not None:
        hit |= best >= target
    if trail is not None:
        hit |= worst <= trail
    return hit
