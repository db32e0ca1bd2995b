"""Total returns: what holding each asset from bar to bar made, with what actions gave for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.terms import PAID, Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Closes:
    """Closes in the order of assets, and of bars within an asset; every vector has one a bar."""

    t: Ints
    sid: Ints
    close: Floats

    def of(self, sid: int) -> tuple[int, int]:
        """Return the first row of an asset, and that after its last."""
        first, end = np.searchsorted(self.sid, [sid, sid + 1])
        return int(first), int(end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """What was made of one held at its bar before, by bar; in the order of `sid` and `t`.

    Attributes
    ----------
    sid : int array
        The asset that was held, by the name it had at its bar before.
    value : float array
        Fractions.
    """

    t: Ints
    sid: Ints
    value: Floats


@dataclass(slots=True)
class _Share:
    """What has become of a share since its last bar: so many shares, and so much cash.

    Of the cash, `counted` was a return already, at the bars of its ex-dates.
    """

    shares: float = 1.0
    cash: float = 0.0
    counted: float = 0.0


def total_returns(
    closes: Closes, actions: Sequence[Action], *, delisting_return: float = 0.0
) -> Returns:
    """Return each asset's total return since its own bar before.

    ``(shares * close + cash) / close before - 1``, with the shares that splits have made of one,
    and the dividends on them, which count from their ex-date whenever they are paid: where an asset
    has no bar there by themselves, since nobody knows then whether it will ever have one again. A
    rename carries over to the new name's first bar; a delisting pays its value, or
    ``close before * (1 + delisting_return)``.

    Parameters
    ----------
    actions : sequence of Action
        In the order in which they apply.
    """
    became: dict[int, _Share] = {}  # by the row of the first bar at or after, or behind the last
    more: list[tuple[int, int, float]] = []
    moved: list[tuple[int, int, _Share, int]] = []
    for action in actions:
        first, end = closes.of(action.sid)
        row = first + int(np.searchsorted(closes.t[first:end], action.t))
        # Behind the last row of an asset stands the first of the next.
        share = became.setdefault(row if row < end else -1 - action.sid, _Share())
        before = float(closes.close[row - 1]) if row > first else float("nan")
        if action.kind == "split":
            share.shares *= action.value
        elif action.kind in (*PAID, "spinoff"):
            # Shares that are spun off count as what they are worth on their first day.
            given = action.value if action.kind != "spinoff" else before * action.share
            amount = share.shares * given
            share.cash += amount
            has_bar = row < end and closes.t[row] == action.t
            if row > first and not has_bar:
                more.append((action.t, action.sid, amount / (before + share.counted)))
                share.counted += amount
        elif row > first:  # else nobody held it in the run
            if action.kind == "rename" or (action.kind == "merger" and action.share < 1):
                share.cash += share.shares * action.cash
                share.shares *= 1.0 if action.kind == "rename" else action.value
                new_first, new_end = closes.of(action.new_sid)
                new_row = new_first + int(np.searchsorted(closes.t[new_first:new_end], action.t))
                if new_row < new_end:
                    moved.append((new_row, action.sid, share, row - 1))
                continue
            price = action.cash if action.kind == "merger" else action.value
            paid = before * (1 + delisting_return) if np.isnan(price) else share.shares * price
            worth = (paid + share.cash) / (before + share.counted)
            more.append((action.t, action.sid, worth - 1))
    for new_row, sid, share, row in moved:
        new = became.get(new_row, _Share())
        worth = share.shares * (new.shares * closes.close[new_row] + new.cash) + share.cash
        base = closes.close[row] + share.counted
        more.append((int(closes.t[new_row]), sid, float(worth / base) - 1))
    return _joined(closes, became, more)


def _joined(
    closes: Closes, became: dict[int, _Share], more: list[tuple[int, int, float]]
) -> Returns:
    """Return the returns from bar to bar, and those that end without a bar of the asset's own."""
    shares, cash, counted = np.ones(len(closes.t)), np.zeros(len(closes.t)), np.zeros(len(closes.t))
    for row, share in became.items():
        if row >= 0:
            shares[row], cash[row], counted[row] = share.shares, share.cash, share.counted
    is_own = np.flatnonzero(closes.sid[1:] == closes.sid[:-1]) + 1
    base = closes.close[is_own - 1] + counted[is_own]
    own = (shares * closes.close + cash)[is_own] / base - 1
    t = np.concatenate([closes.t[is_own], np.array([one[0] for one in more], dtype=np.int64)])
    sid = np.concatenate([closes.sid[is_own], np.array([one[1] for one in more], dtype=np.int64)])
    value = np.concatenate([own, np.array([one[2] for one in more])])
    order = np.lexsort((t, sid))
    return Returns(t=t[order], sid=sid[order], value=value[order])
