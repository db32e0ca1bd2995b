"""Excursions: how far a trade went against and for it while it was held (MAE and MFE).

    excursion = side * (price - entry_price) / entry_price

The worst of a trade is its `mae`, 0 or below, the best its `mfe`, 0 or above: fractions of the
entry price, before what costs come on top of it, dividends not counted. What counts is what
happened after the entry fill and before the exit fill, with the exit price itself:

- of the bars between them the high and the low, of a bar without a range the close;
- of the entry bar all of it after a fill at the open or by a stop inside, the close alone after a
  fill by a limit inside, nothing after a fill at the close;
- of the exit bar all of it before a fill at the close, else its open.

Where highs and lows were not read, a bar is its close. Splits restate the prices before them, and
a renamed asset goes on under its new name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.orders import Moment
from ml4t.backtest.core.terms import Action
from ml4t.backtest.results.evidence.prices import HeldPrices
from ml4t.backtest.results.staging import Array


class _Spans(NamedTuple):
    """Bars of one asset that are wholly a trade's; `factor` restates prices as at its exit."""

    trade: Ints
    sid: Ints
    first: Ints
    last: Ints
    factor: Floats


def excursions_of(
    trades: Mapping[str, Array],
    fills: Mapping[str, Array],
    held: HeldPrices,
    actions: Sequence[Action],
    n_bars: int,
) -> dict[str, Floats]:
    """Return `mae` and `mfe` of staged trades.

    Parameters
    ----------
    trades, fills : mapping of str to array
        As they are staged.
    held : HeldPrices
    actions : sequence of Action
        Of the run, in the order in which they apply.
    """
    bars = _Bars(held, n_bars)
    entry, leave = trades["entry_fill_id"], trades["exit_fill_id"]
    entry_t, is_open = trades["entry_t"], trades["exit_t"] < 0
    exit_t = np.where(is_open, n_bars, trades["exit_t"])
    moment = fills["moment"][entry]
    # What ends without a fill ends before its bar begins.
    by_close = (leave >= 0) & (fills["moment"][leave] == Moment.CLOSE)
    spans = _Spans(
        trade=np.arange(len(entry)),
        sid=trades["asset_id"],
        first=entry_t + (moment != Moment.EARLY),
        last=exit_t - ~by_close,
        factor=np.ones(len(entry)),
    )
    high, low = bars.extremes(_restated(spans, trades, fills, actions), len(entry))
    # A limit inside the entry bar saw its close, an exit inside a bar its open.
    saw_close = (moment == Moment.LIMIT) & (spans.last >= entry_t)
    saw_open = ~is_open & (leave >= 0) & ~by_close & (exit_t > entry_t)
    paid = trades["entry_price"]
    seen = [
        np.where(saw_close, bars.at("close", fills["asset_id"][entry], entry_t), np.nan)
        * (paid / fills["price"][entry]),
        np.where(saw_open, bars.at("open", trades["asset_id"], exit_t), np.nan),
        trades["exit_price"],
    ]
    for price in seen:
        high, low = np.fmax(high, price), np.fmin(low, price)
    up, down = (high - paid) / paid, (low - paid) / paid
    is_long = trades["quantity"] > 0
    # fmax and fmin ignore NaN: a trade that saw no price went nowhere.
    return {
        "mae": np.fmin(np.where(is_long, down, -up), 0.0) + 0.0,
        "mfe": np.fmax(np.where(is_long, up, -down), 0.0) + 0.0,
    }


class _Bars:
    """The prices of what was held, asset by asset."""

    def __init__(self, held: HeldPrices, n_bars: int) -> None:
        t, sid = np.divmod(held.cells, held.n_assets)
        # Places ascend by bar: what is sorted by asset alone is by bar too, and faster.
        by = np.uint16 if held.n_assets <= np.iinfo(np.uint16).max else np.int64
        order = np.argsort(sid.astype(by), kind="stable")
        self._n_bars = n_bars
        self._keys = (sid * n_bars + t)[order]
        self._prices = {name: held.price(name)[order] for name in ("open", "close")}
        close = self._prices["close"]
        self._high = self._low = close
        if held.has_range:
            self._high = np.fmax(held.price("high")[order], close)
            self._low = np.fmin(held.price("low")[order], close)

    def at(self, name: str, sid: Ints, t: Ints) -> Floats:
        """Return a price of assets at bars, NaN where it is not there."""
        if not len(self._keys):
            return np.full(len(sid), np.nan)
        key = sid * self._n_bars + t
        place = np.minimum(np.searchsorted(self._keys, key), len(self._keys) - 1)
        return np.where(self._keys[place] == key, self._prices[name][place], np.nan)

    def extremes(self, spans: _Spans, n_trades: int) -> tuple[Floats, Floats]:
        """Return the highest and the lowest price of each trade's spans, NaN where none is.

        A span of n bars is two of 2 ** k, the largest that fit, one at each end. Those of one k
        are one vector, and that of the next k is made of it.
        """
        start = np.searchsorted(self._keys, spans.sid * self._n_bars + spans.first)
        end = np.searchsorted(self._keys, spans.sid * self._n_bars + spans.last, side="right")
        size = np.where(spans.last >= spans.first, end - start, 0)
        highest, lowest = np.full(len(size), np.nan), np.full(len(size), np.nan)
        high, low = self._high, self._low
        width, longest = 1, int(size.max(initial=0))
        while width <= longest:
            of = np.flatnonzero((size >= width) & (size < 2 * width))
            ends = start[of], end[of] - width
            highest[of] = np.fmax(*(high[at] for at in ends)) * spans.factor[of]
            lowest[of] = np.fmin(*(low[at] for at in ends)) * spans.factor[of]
            if 2 * width <= longest:
                high = np.fmax(high[:-width], high[width:])
                low = np.fmin(low[:-width], low[width:])
            width *= 2
        if len(size) == n_trades:  # one span each
            return highest, lowest
        found = np.full(n_trades, np.nan), np.full(n_trades, np.nan)
        np.fmax.at(found[0], spans.trade, highest)
        np.fmin.at(found[1], spans.trade, lowest)
        return found


def _restated(
    spans: _Spans, trades: Mapping[str, Array], fills: Mapping[str, Array],
    actions: Sequence[Action],
) -> _Spans:  # fmt: skip
    """Return the spans; of a lot that was split or renamed one for each stretch between."""
    entry = trades["entry_fill_id"]
    moved = (fills["asset_id"][entry] != trades["asset_id"]) | (
        fills["price"][entry] != trades["entry_price"]
    )
    if not moved.any():
        return spans
    of: dict[int, list[tuple[int, Action]]] = {}
    for i, action in enumerate(actions):
        if action.kind in ("split", "rename"):
            of.setdefault(action.sid, []).append((i, action))
    rows: list[tuple[int, int, int, int, float]] = []
    for i in np.flatnonzero(moved).tolist():
        first, last = int(spans.first[i]), int(spans.last[i])
        stretches = _stretches(int(fills["asset_id"][entry[i]]), int(trades["entry_t"][i]),
                               max(int(trades["exit_t"][i]), last), of)  # fmt: skip
        rows += [
            (i, sid, max(start, first), min(end, last), factor)
            for sid, start, end, factor in stretches
        ]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    still = ~moved
    both = [
        np.concatenate([own[still], more])
        for own, more in zip(
            (spans.trade, spans.sid, spans.first, spans.last, spans.factor), columns, strict=True
        )
    ]
    return _Spans(trade=both[0], sid=both[1], first=both[2], last=both[3], factor=both[4])


def _stretches(
    sid: int, entry_t: int, exit_t: int, actions: Mapping[int, Sequence[tuple[int, Action]]]
) -> list[tuple[int, int, int, float]]:
    """Return asset, first and last bar of each stretch of a lot, and what restates its prices."""
    found: list[tuple[int, int, int, float]] = []
    start, done = entry_t, -1
    while True:
        following = [
            (i, action)
            for i, action in actions.get(sid, ())
            if i > done and entry_t < action.t <= exit_t
        ]
        if not following:
            return [*found, (sid, start, exit_t, 1.0)]
        done, action = following[0]
        ratio = action.value if action.kind == "split" else 1.0
        found = [(one, first, last, by / ratio) for one, first, last, by in found]
        found.append((sid, start, action.t - 1, 1.0 / ratio))
        sid, start = action.new_sid if action.kind == "rename" else sid, action.t
