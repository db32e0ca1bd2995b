"""Excursions: how far a trade went against and for it while it was held (MAE and MFE).

    excursion = side * (price - entry_price) / entry_price

The worst of a trade is its `mae`, 0 or below, the best its `mfe`, 0 or above: fractions of the
entry price, before what costs come on top of it, dividends not counted. What counts is what
happened after the entry fill and before the exit fill, with the exit price itself:

- of the bars between them the high and the low, of a bar without a range the close;
- of the entry bar all of it after a fill at the open or by a stop inside, the close alone after a
  fill by a limit inside, nothing after a fill at the close;
- of the exit bar all of it before a fill at the close or an expiry, else its open.

Where highs and lows were not read, a bar is its close. Splits restate the prices before them, and
a renamed asset goes on under its new name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.orders import Moment
from ml4t.backtest.core.terms import EXPIRY, Action
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
    entry, leave = trades["entry_fill_id"], trades["exit_fill_id"]
    entry_t, is_open = trades["entry_t"], trades["exit_t"] < 0
    exit_t = np.where(is_open, n_bars, trades["exit_t"])
    moment = fills["moment"][entry]
    # What ends without a fill ends before its bar begins, but a contract with its last close.
    expired = (leave < 0) & (trades["exit_rule"] == EXPIRY)
    by_close = expired | ((leave >= 0) & (fills["moment"][leave] == Moment.CLOSE))
    spans = _Spans(
        trade=np.arange(len(entry)),
        sid=trades["asset_id"],
        first=entry_t + (moment != Moment.EARLY),
        last=exit_t - ~by_close,
        factor=np.ones(len(entry)),
    )
    stretches, paid = _restated(spans, trades, fills, actions)
    high, low = _extremes(stretches, held, n_bars, len(entry))
    # A limit inside the entry bar saw its close, an exit inside a bar its open.
    saw_close = (moment == Moment.LIMIT) & (spans.last >= entry_t)
    saw_open = ~is_open & (leave >= 0) & ~by_close & (exit_t > entry_t)
    seen = [
        np.where(saw_close, held.at_fills("close", entry_t, fills["asset_id"][entry]), np.nan)
        * (paid / fills["price"][entry]),
        np.where(saw_open, held.at_fills("open", exit_t, trades["asset_id"]), np.nan),
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


def _extremes(spans: _Spans, held: HeldPrices, n_bars: int, n_trades: int) -> tuple[Floats, Floats]:
    """Return the highest and the lowest price of each trade's spans, NaN where none is."""
    size = len(spans.trade)
    highest, lowest = np.full(size, np.nan), np.full(size, np.nan)
    for bars in held.by_asset():
        of = np.flatnonzero((spans.sid >= bars.first_sid) & (spans.sid < bars.end_sid))
        keys = bars.sid * n_bars + bars.t
        start = np.searchsorted(keys, spans.sid[of] * n_bars + spans.first[of])
        end = np.searchsorted(keys, spans.sid[of] * n_bars + spans.last[of], side="right")
        length = np.where(spans.last[of] >= spans.first[of], end - start, 0)
        highest[of], lowest[of] = _within(bars.high, bars.low, start, length)
    highest, lowest = highest * spans.factor, lowest * spans.factor
    if size == n_trades:  # one span each
        return highest, lowest
    found = np.full(n_trades, np.nan), np.full(n_trades, np.nan)
    np.fmax.at(found[0], spans.trade, highest)
    np.fmin.at(found[1], spans.trade, lowest)
    return found


def _within(high: Floats, low: Floats, start: Ints, length: Ints) -> tuple[Floats, Floats]:
    """Return the highest and the lowest of each stretch of bars, NaN where there is none.

    A stretch of n bars is two of 2 ** k, the largest that fit, one at each end. Those of one k are
    one vector, and that of the next k is made of it.
    """
    highest, lowest = np.full(len(start), np.nan), np.full(len(start), np.nan)
    width, longest = 1, int(length.max(initial=0))
    while width <= longest:
        of = np.flatnonzero((length >= width) & (length < 2 * width))
        ends = start[of], start[of] + length[of] - width
        highest[of] = np.fmax(*(high[at] for at in ends))
        lowest[of] = np.fmin(*(low[at] for at in ends))
        if 2 * width <= longest:
            high = np.fmax(high[:-width], high[width:])
            low = np.fmin(low[:-width], low[width:])
        width *= 2
    return highest, lowest


def _restated(
    spans: _Spans, trades: Mapping[str, Array], fills: Mapping[str, Array],
    actions: Sequence[Action],
) -> tuple[_Spans, Floats]:  # fmt: skip
    """Return the spans, of a lot that was split or renamed one for each stretch between.

    And what was paid for a share of each, as splits since have left it: a return of capital or a
    spin-off changes what it has cost, and not what was paid. What was spun off begins as it is.
    """
    entry = trades["entry_fill_id"]
    moved = (fills["asset_id"][entry] != trades["asset_id"]) | (
        fills["price"][entry] != trades["entry_price"]
    )
    paid: Floats = fills["price"][entry].copy()
    if not moved.any():
        return spans, paid
    of: dict[int, list[tuple[int, Action]]] = {}
    for i, action in enumerate(actions):
        if action.kind in ("split", "rename", "merger"):
            of.setdefault(action.sid, []).append((i, action))
    rows: list[tuple[int, int, int, int, float]] = []
    for i in np.flatnonzero(moved).tolist():
        first, last = int(spans.first[i]), int(spans.last[i])
        stretches = _stretches(int(fills["asset_id"][entry[i]]), int(trades["entry_t"][i]),
                               max(int(trades["exit_t"][i]), last), of)  # fmt: skip
        asset = int(trades["asset_id"][i])
        if asset not in [one[0] for one in stretches]:  # it was spun off
            stretches, paid[i] = [(asset, first, last, 1.0)], trades["entry_price"][i]
        paid[i] *= stretches[0][3]
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
    in_turn = np.argsort(both[0], kind="stable")
    trade, sid, first_t, last_t, factor = (column[in_turn] for column in both)
    return _Spans(trade=trade, sid=sid, first=first_t, last=last_t, factor=factor), paid


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
        ratio = 1.0 if action.kind == "rename" else action.value / (1 - action.share)
        found = [(one, first, last, by / ratio) for one, first, last, by in found]
        found.append((sid, start, action.t - 1, 1.0 / ratio))
        sid, start = sid if action.kind == "split" else action.new_sid, action.t
