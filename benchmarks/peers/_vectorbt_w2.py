"""W2 for vectorbt: a flexible Numba order function (see peer_vectorbt)."""

import numpy as np
import pandas as pd
import vectorbt as vbt
from _common import ATR_MULTIPLE, COMMISSION, CREDIT, INITIAL_CASH, MAX_BARS, SLIPPAGE, TOP_N, TRAIL
from _panel import Panel
from numba import njit
from vectorbt.portfolio.enums import SizeType
from vectorbt.portfolio.nb import order_nb, order_nothing_nb


@njit
def plan_bar_nb(c, opens, highs, lows, atr, picks, counts, state, column, target, price):
    """Plan the bar's orders in execution order and return how many they are."""
    i, credit = c.i, c.to_col - 1
    entry, stop, peak, since = state
    for col in range(credit):
        c.last_val_price[col] = opens[i, col]
        if i > 0 and c.last_position[col] > 0.0:
            peak[col] = max(peak[col], highs[i - 1, col])
    c.last_val_price[credit] = 1.0
    n = 0
    if i == 0:
        column[n], target[n], price[n] = credit, -CREDIT, 1.0
        return (n + 1,)
    after = c.last_position[:credit].copy()
    if counts[i - 1] >= 0:
        equity = c.last_cash[c.group] - CREDIT + np.sum(after * opens[i])
        after[:] = 0.0
        for col in picks[i - 1, : counts[i - 1]]:
            after[col] = equity / TOP_N / opens[i, col]
            if c.last_position[col] == 0.0:
                entry[col] = peak[col] = opens[i, col] * (1.0 + SLIPPAGE)
                stop[col] = entry[col] - ATR_MULTIPLE * atr[i - 1, col]
                since[col] = i
    else:
        for col in range(credit):
            if after[col] > 0.0 and i - since[col] >= MAX_BARS:
                after[col] = 0.0
    for buying in (False, True):
        for col in range(credit):
            held = c.last_position[col]
            if after[col] != held and (after[col] > held) == buying:
                column[n], target[n], price[n] = col, after[col], opens[i, col]
                n += 1
    for col in range(credit):
        level = max(stop[col], peak[col] * (1.0 - TRAIL))
        if after[col] > 0.0 and lows[i, col] <= level:
            column[n], target[n], price[n] = col, 0.0, min(opens[i, col], level)
            n += 1
    return (n,)


@njit
def next_order_nb(c, n, column, target, price):
    """Return the planned orders one by one; -1 ends the bar."""
    k = c.call_idx
    if k >= n:
        return -1, order_nothing_nb()
    free = column[k] == c.to_col - 1
    return column[k], order_nb(
        size=target[k],
        price=price[k],
        size_type=SizeType.TargetAmount,
        fees=0.0 if free else COMMISSION,
        slippage=0.0 if free else SLIPPAGE,
    )


def run(panel: Panel, close: pd.DataFrame) -> vbt.Portfolio:
    """Simulate W2 on the panel; the last column of close is the credit."""
    n_bars, n_assets = panel.atr.shape
    picks = np.zeros((n_bars, TOP_N), dtype=np.int64)
    counts = np.full(n_bars, -1)
    for bar, columns in panel.targets().items():
        picks[bar, : len(columns)], counts[bar] = columns, len(columns)
    state = (*np.zeros((3, n_assets)), np.zeros(n_assets, dtype=np.int64))
    plan = (np.zeros(4 * TOP_N, dtype=np.int64), *np.zeros((2, 4 * TOP_N)))
    bars = (panel.prices["open"], panel.prices["high"], panel.prices["low"])
    return vbt.Portfolio.from_order_func(
        close,
        next_order_nb,
        *plan,
        pre_segment_func_nb=plan_bar_nb,
        pre_segment_args=(*bars, panel.atr, picks, counts, state, *plan),
        flexible=True,
        init_cash=INITIAL_CASH,
        cash_sharing=True,
        group_by=True,
        max_orders=3 * TOP_N * int((counts >= 0).sum()) + 1,
    )
