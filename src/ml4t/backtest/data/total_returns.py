"""Total returns: what holding each asset from bar to bar made, with what actions gave for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.terms import Action


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
    """What has become of a share since its last bar: so many shares, and so much cash."""

    shares: float = 1.0
    cash: float = 0.0


def total_returns(
    closes: Closes, actions: Sequence[Action], *, delisting_return: float = 0.0
) -> Returns:
    """Return each asset's total return since its own bar before.

    ``(shares * close + cash) / close before - 1``, with the shares that splits have made of one,
    and the dividends on them, which count from their ex-date whenever they are paid. A rename
    carries over to the new name's first bar; a delisting pays its value, or
    ``close before * (1 + delisting_return)``.

    Parameters
    ----------
    actions : sequence of Action
        In the order in which they apply.
    """
    became: dict[
        int, _Share
    ] = {}  # by the row of the first bar at or after, or the end of an asset
    left: dict[
        int, tuple[int, _Share]
    ] = {}  # what is due after an asset's last bar: when, and what
    more: list[tuple[int, int, float]] = []
    moved: list[tuple[int, int, _Share, int]] = []
    for action in actions:
        first, end = closes.of(action.sid)
        row = first + int(np.searchsorted(closes.t[first:end], action.t))
        is_last = row == end
        share = (
            left.get(action.sid, (0, _Share()))[1] if is_last else became.setdefault(row, _Share())
        )
        if action.kind == "dividend":
            share.cash += share.shares * action.value
        elif action.kind == "split":
            share.shares *= action.value
        if action.kind in ("dividend", "split"):
            if is_last:
                left[action.sid] = (action.t, share)
            continue
        left.pop(action.sid, None)
        if row == first:  # nobody held it in the run
            continue
        before = float(closes.close[row - 1])
        if action.kind == "rename":
            new_first, new_end = closes.of(action.new_sid)
            new_row = new_first + int(np.searchsorted(closes.t[new_first:new_end], action.t))
            if new_row < new_end:
                moved.append((new_row, action.sid, share, row - 1))
            continue
        price = action.value
        paid = before * (1 + delisting_return) if np.isnan(price) else share.shares * price
        more.append((action.t, action.sid, (paid + share.cash) / before - 1))
    for new_row, sid, share, row in moved:
        new = became.get(new_row, _Share())
        worth = share.shares * (new.shares * closes.close[new_row] + new.cash) + share.cash
        more.append((int(closes.t[new_row]), sid, float(worth / closes.close[row]) - 1))
    for sid, (t, share) in left.items():
        first, end = closes.of(sid)
        if end > first:
            more.append((t, sid, share.cash / float(closes.close[end - 1])))
    return _joined(closes, became, more)


def _joined(
    closes: Closes, became: dict[int, _Share], more: list[tuple[int, int, float]]
) -> Returns:
    """Return the returns from bar to bar, and those that end without a bar of the asset's own."""
    shares, cash = np.ones(len(closes.t)), np.zeros(len(closes.t))
    for row, share in became.items():
        shares[row], cash[row] = share.shares, share.cash
    is_own = np.flatnonzero(closes.sid[1:] == closes.sid[:-1]) + 1
    own = (shares * closes.close + cash)[is_own] / closes.close[is_own - 1] - 1
    t = np.concatenate([closes.t[is_own], np.array([one[0] for one in more], dtype=np.int64)])
    sid = np.concatenate([closes.sid[is_own], np.array([one[1] for one in more], dtype=np.int64)])
    value = np.concatenate([own, np.array([one[2] for one in more])])
    order = np.lexsort((t, sid))
    return Returns(t=t[order], sid=sid[order], value=value[order])
