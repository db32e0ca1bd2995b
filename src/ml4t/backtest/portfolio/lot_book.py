"""LotBook: the open lots of every asset, as vectors where a position is one lot.

Most positions are bought whole and sold whole. Those are opened and closed for many assets at
once; an asset with several lots has them in a queue, oldest first.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats, Ints
from ml4t.backtest.core.trades import Trades
from ml4t.backtest.portfolio.lots import Lot, Lots


class LotBook:
    """Open lots by `sid`; costs are per share, as in `Lot`."""

    def __init__(self, n_assets: int) -> None:
        self._is_single = np.zeros(n_assets, dtype=bool)
        self._quantity = np.zeros(n_assets)
        self._price = np.zeros(n_assets)
        self._commission = np.zeros(n_assets)
        self._slippage = np.zeros(n_assets)
        self._impact = np.zeros(n_assets)
        self._borrowed = np.zeros(n_assets)
        self._earned = np.zeros(n_assets)
        self._t = np.zeros(n_assets, dtype=np.int64)
        self._fill = np.zeros(n_assets, dtype=np.int64)
        self._many: dict[int, deque[Lot]] = {}

    def is_single(self, sids: Ints) -> Bools:
        """Say which positions are one lot."""
        return self._is_single[sids]

    def of(self, sid: int) -> deque[Lot]:
        """Return the lots of one asset, oldest first; an edited queue goes back by `put`."""
        if not self._is_single[sid]:
            return self._many.get(sid, deque())
        lot = Lot(
            float(self._quantity[sid]), float(self._price[sid]), float(self._commission[sid]),
            float(self._slippage[sid]), float(self._impact[sid]), int(self._t[sid]),
            float(self._borrowed[sid]), float(self._earned[sid]), int(self._fill[sid]),
        )  # fmt: skip
        return deque((lot,))

    def put(self, sid: int, lots: deque[Lot]) -> None:
        """Replace the lots of one asset."""
        self._many.pop(sid, None)
        self._is_single[sid] = len(lots) == 1
        if len(lots) == 1:
            (
                self._quantity[sid], self._price[sid], self._commission[sid], self._slippage[sid],
                self._impact[sid], self._t[sid], self._borrowed[sid], self._earned[sid],
                self._fill[sid],
            ) = lots[0]  # fmt: skip
        elif lots:
            self._many[sid] = lots

    def open(self, lots: Lots) -> None:
        """Open lots for assets that have none."""
        sids = lots.sids
        self._is_single[sids] = True
        self._quantity[sids], self._price[sids] = lots.quantity, lots.price
        self._commission[sids], self._slippage[sids] = lots.commission, lots.slippage
        self._impact[sids], self._borrowed[sids] = lots.impact, lots.borrowed
        self._t[sids], self._earned[sids] = lots.t, lots.earned
        self._fill[sids] = lots.fill

    def close(self, fills: Lots, is_whole: Bools, multiplier: Floats) -> Trades:
        """Close positions of one lot each by `fills`, whole or in part; return their trades."""
        sids = fills.sids
        quantity, entry_price = self._quantity[sids], self._price[sids]
        part = np.where(is_whole, quantity, -fills.quantity)
        self._quantity[sids] = quantity - part
        self._is_single[sids] = ~is_whole
        size = np.abs(part)
        commission = size * (self._commission[sids] + fills.commission)
        borrow = np.where(part < 0, size * (fills.borrowed - self._borrowed[sids]), 0.0)
        dividends = part * (fills.earned - self._earned[sids]) * multiplier
        gain = part * (fills.price - entry_price) * multiplier
        return Trades(
            sid=sids,
            quantity=part,
            entry_t=self._t[sids],
            entry_price=entry_price,
            exit_t=fills.t,
            exit_price=fills.price,
            pnl=gain - commission - borrow + dividends,
            commission=commission,
            slippage=size * (self._slippage[sids] + fills.slippage),
            impact=size * (self._impact[sids] + fills.impact),
            borrow=borrow,
            dividends=dividends,
            reason=fills.reason,
            entry_fill=self._fill[sids],
            exit_fill=fills.fill,
        )
