"""Gathered: rows that are not a part of one event, made of all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.journal import AccountAtClose, Decision, value_of
from ml4t.backtest.core.stretch import before

# Of positions: a few arrays of 1 MB, however long a run is.
ROWS_AT_ONCE: Final = 1 << 17


class EquityCurve(NamedTuple):
    """What an account was worth at each close; every vector has one entry per bar."""

    t: Ints
    cash: Floats
    equity: Floats
    gross_exposure: Floats
    net_exposure: Floats
    n_positions: Ints


class HeldRows:
    """The rows of positions of some closes, bar after bar, and which bars they are of.

    Attributes
    ----------
    bars : int array
        Each bar that closed.
    n_held : int array
        How many assets were held at each of them.
    """

    def __init__(self, closes: Sequence[AccountAtClose]) -> None:
        n_bars = np.array([one.n_bars for one in closes], dtype=np.int64)
        n_held = np.array([len(one.held) for one in closes], dtype=np.int64)
        first_t = np.array([one.t for one in closes], dtype=np.int64)
        first_bar, first_asset = _starts(n_bars), _starts(n_held)
        self._closes, self._n_bars = closes, n_bars
        self.bars = np.arange(n_bars.sum()) + np.repeat(first_t - first_bar, n_bars)
        self.n_held = np.repeat(n_held, n_bars)
        # Of stretches in which positions were closed: which were held, and the bars.
        self._held = {
            i: before(one.ends, one.n_bars)
            for i, one in enumerate(closes) if one.ends is not None
        }  # fmt: skip
        self._bars_of = {i: slice(first_bar[i], first_bar[i] + n_bars[i]) for i in self._held}
        for i, is_held in self._held.items():
            self.n_held[self._bars_of[i]] = np.add.reduce(is_held, axis=1)
        first_row = _starts(self.n_held)
        # Where in the assets of all closes those of a bar begin, seen from its first row.
        begins = np.repeat(first_asset, n_bars) - first_row
        self._at = np.arange(self.n_held.sum()) + np.repeat(begins, self.n_held)
        for i, is_held in self._held.items():
            places, start = is_held.nonzero()[1], first_row[first_bar[i]]
            self._at[start : start + len(places)] = first_asset[i] + places

    def of_bars(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return what is said of each bar at each of its rows."""
        return np.repeat(values, self.n_held)

    @property
    def cash(self) -> Floats:
        """Account currency, at each bar."""
        own = [np.nan if isinstance(one.cash, np.ndarray) else one.cash for one in self._closes]
        cash = np.repeat(np.array(own, dtype=np.float64), self._n_bars)
        for i, bars in self._bars_of.items():
            cash[bars] = self._closes[i].cash
        return cash

    def of_assets(self, name: str) -> NDArray[Any]:
        """Return what is said of each asset of a close at each of its rows."""
        joined = np.concatenate([getattr(one, name) for one in self._closes])
        at_rows: NDArray[Any] = joined[self._at]
        return at_rows

    def own(self, name: str) -> NDArray[Any]:
        """Return what is said of each row by itself."""
        each = [getattr(one, name) for one in self._closes]
        for i, is_held in self._held.items():
            each[i] = each[i][is_held]
        return np.concatenate(each, axis=None)

    def value(self, quantity: Floats, mark: Floats) -> Floats:
        """Return what each row is worth, as `AccountAtClose.value` does close by close."""
        has_multipliers = self._closes[0].multiplier is not None
        return value_of(quantity, mark, self.of_assets("multiplier") if has_multipliers else None)


def _starts(sizes: Ints) -> Ints:
    """Return where each of some stretches begins that follow upon each other."""
    return np.cumsum(sizes) - sizes


class PositionRows(NamedTuple):
    """What was held at each close; every vector has one entry per bar and asset."""

    t: Ints
    held: Ints
    quantity: Floats
    mark: Floats
    value: Floats
    unrealized: Floats
    stale: NDArray[np.bool_]


def few_rows(closes: Sequence[AccountAtClose]) -> Iterator[Sequence[AccountAtClose]]:
    """Yield closes that have so many positions together as are joined at once."""
    n_rows = np.array([len(one.held) * one.n_bars for one in closes], dtype=np.int64)
    ends = np.flatnonzero(np.diff(np.cumsum(n_rows) // ROWS_AT_ONCE)) + 1
    for first, end in pairwise([0, *ends.tolist(), len(closes)]):
        yield closes[first:end]


def position_rows(closes: Sequence[AccountAtClose]) -> list[PositionRows]:
    """Join the positions of every close."""
    if not closes:
        return []
    rows = HeldRows(closes)
    quantity, mark = rows.of_assets("quantity"), rows.own("mark")
    value = rows.value(quantity, mark)
    return [
        PositionRows(
            t=rows.of_bars(rows.bars),
            held=rows.of_assets("held"),
            quantity=quantity,
            mark=mark,
            value=value,
            unrealized=value - rows.of_assets("cost"),
            stale=rows.own("stale"),
        )
    ]


def equity_curve(closes: Sequence[AccountAtClose]) -> list[EquityCurve]:
    """Add up the positions of many closes at once: one by one it would cost more than the rest."""
    return [_added(few) for few in few_rows(closes)] if closes else []


def _added(closes: Sequence[AccountAtClose]) -> EquityCurve:
    rows = HeldRows(closes)
    n_bars, value = len(rows.bars), rows.value(rows.of_assets("quantity"), rows.own("mark"))
    row = rows.of_bars(np.arange(n_bars))
    # Without any position bincount would count in integers.
    net = np.bincount(row, weights=value, minlength=n_bars).astype(np.float64)
    gross = np.bincount(row, weights=np.abs(value), minlength=n_bars).astype(np.float64)
    cash, worth = rows.cash, net
    if closes[0].is_margined is not None:
        own = np.where(rows.of_assets("is_margined"), 0.0, value)
        worth = np.bincount(row, weights=own, minlength=n_bars).astype(np.float64)
    return EquityCurve(
        t=rows.bars,
        cash=cash,
        equity=cash + worth,
        gross_exposure=gross,
        net_exposure=net,
        n_positions=rows.n_held,
    )


class HeldAtCloses(NamedTuple):
    """What was held at each close, added up as ``report.holdings`` is; one entry per such bar."""

    t: Ints
    n_long: Ints
    n_short: Ints
    long_value: Floats
    short_value: Floats
    largest_value: Floats
    largest_asset: Ints
    squares: Floats


def held_at_closes(closes: Sequence[AccountAtClose]) -> list[HeldAtCloses]:
    """Add up the positions of many closes, without a row for each of them."""
    return [_held(few) for few in few_rows(closes)] if closes else []


def _held(closes: Sequence[AccountAtClose]) -> HeldAtCloses:
    rows = HeldRows(closes)
    value = rows.value(rows.of_assets("quantity"), rows.own("mark"))
    is_held = rows.n_held > 0
    n_bars = int(np.count_nonzero(is_held))
    row = np.repeat(np.arange(n_bars), rows.n_held[is_held])
    sides = []
    for of_side in (value > 0, value < 0):
        n = np.bincount(row[of_side], minlength=n_bars)
        total = np.bincount(row[of_side], weights=value[of_side], minlength=n_bars)
        sides.append((n, np.where(n > 0, total, np.nan)))
    (n_long, longs), (n_short, shorts) = sides
    size, starts = np.abs(value), _starts(rows.n_held[is_held])
    largest = np.maximum.reduceat(size, starts) if n_bars else np.empty(0)
    # Of equal ones the first asset.
    (at,) = np.nonzero(size == largest[row])
    firsts = at[np.unique(row[at], return_index=True)[1]]
    return HeldAtCloses(
        t=rows.bars[is_held],
        n_long=n_long,
        n_short=n_short,
        long_value=longs,
        short_value=shorts,
        largest_value=largest,
        largest_asset=rows.of_assets("held")[firsts],
        squares=np.bincount(row, weights=value * value, minlength=n_bars).astype(np.float64),
    )


class LargestHeld(NamedTuple):
    """The largest |quantity| of each asset at any of some closes, shares."""

    held: Ints
    quantity: Floats


def largest_held(closes: Sequence[AccountAtClose]) -> list[LargestHeld]:
    """Return what was the largest position of each asset that was held at a close."""
    if not closes:
        return []
    is_there = [slice(None) if one.ends is None else one.ends > 0 for one in closes]
    held = np.concatenate([one.held[kept] for one, kept in zip(closes, is_there, strict=True)])
    quantity = np.concatenate(
        [np.abs(one.quantity[kept]) for one, kept in zip(closes, is_there, strict=True)]
    )
    largest = np.full(int(held.max(initial=-1)) + 1, -1.0)
    np.maximum.at(largest, held, quantity)
    (assets,) = np.nonzero(largest >= 0)
    return [LargestHeld(assets, largest[assets])]


class SeenFeature(NamedTuple):
    """A value that a rule saw when it decided; `decision` counts decisions from 0."""

    decision: int
    name: str
    value: float


def seen_features(decisions: Sequence[Decision]) -> list[SeenFeature]:
    """Return what each decision saw, one by one."""
    return [
        SeenFeature(decision=i, name=name, value=value)
        for i, decision in enumerate(decisions)
        for name, value in decision.features.items()
    ]


class Evidence(NamedTuple):
    """What was known where orders were decided; one entry per value, sid -1: market-wide."""

    t: Ints
    sid: Ints
    name: NDArray[np.object_]
    value: Floats
    value_text: NDArray[np.object_]
