"""Worth: what each asset was worth at each bar, with what splits and dividends made of it.

1. `total_returns` says what actions made of one held from close to close.
2. Where that is no plain quotient of closes, an adjustment begins; where an asset ends without a
   bar, what it was paid out with is its last price.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml4t.backtest.core.terms import Action
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.database import Arrays, Database, TempTable
from ml4t.backtest.data.sql_files import read
from ml4t.backtest.data.total_returns import Closes, Returns, total_returns

# Under these names the session reads what actions made.
_ADJUSTMENTS, _ENDS = "worth_adjustments", "worth_ends"


def worth(
    price: str, actions: Sequence[Action], prepared: Prepared, database: Database
) -> TempTable:
    """Make a table ``(t, sid, price, close, adjustment, is_bar)`` of all bars.

    Parameters
    ----------
    price : str
        Column of prices at which a return begins and ends.
    """
    adjustments, ends = _of_actions(actions, prepared, database)
    database.register(_ADJUSTMENTS, adjustments)
    database.register(_ENDS, ends)
    made = database.make_table(
        "worth",
        "factor/prices",
        price=f"prices.{price}",
        adjustments=_ADJUSTMENTS,
        ends=_ENDS,
    )
    database.unregister(_ADJUSTMENTS)
    database.unregister(_ENDS)
    return made


def _of_actions(
    actions: Sequence[Action], prepared: Prepared, database: Database
) -> tuple[Arrays, Arrays]:
    """Return from where on which adjustment counts, and what became of assets that ended."""
    rows: list[tuple[int, int, float]] = []
    ends: list[tuple[int, int, float, float]] = []
    if actions:
        sids = sorted({sid for one in actions for sid in (one.sid, one.new_sid) if sid >= 0})
        bars = {"first_t": 0, "last_t": prepared.n_bars - 1, "sids": sids}
        found = database.numpy(read("benchmark/closes"), bars)
        # As 64 bits: NumPy would make them so again at every search.
        t, sid = found["t"].astype(np.int64), found["sid"].astype(np.int64)
        closes = Closes(t=t, sid=sid, close=found["close"])
        rows, ends = _segments(closes, total_returns(closes, actions))
    return _arrays(rows, "t", "sid", "adjustment"), _arrays(ends, "t", "sid", "worth", "adjustment")


def _segments(
    closes: Closes, returns: Returns
) -> tuple[list[tuple[int, int, float]], list[tuple[int, int, float, float]]]:
    """Return the adjustments by (t, sid), and the last worths of those without a bar there."""
    n = int(max(closes.t.max(), returns.t.max())) + 1
    keys = closes.sid * n + closes.t
    wanted = returns.sid * n + returns.t
    row = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    before = np.maximum(np.searchsorted(keys, wanted) - 1, 0)
    # Two returns at one bar: the second is what the asset was paid out with.
    is_second = np.append(False, wanted[1:] == wanted[:-1])
    is_own = (keys[row] == wanted) & (closes.sid[before] == returns.sid) & ~is_second
    # The very quotient of `total_returns`, so that without actions the two are equal.
    plain = closes.close[row] / closes.close[before] - 1
    rows: list[tuple[int, int, float]] = []
    ends: dict[int, tuple[int, int, float, float]] = {}
    adjustments: dict[int, float] = {}
    for i in np.flatnonzero(~is_own | (returns.value != plain)).tolist():
        t, sid, grown = int(returns.t[i]), int(returns.sid[i]), 1 + float(returns.value[i])
        last, adjustment = float(closes.close[before[i]]), adjustments.get(sid, 1.0)
        if sid in ends:
            continue
        if is_own[i]:
            adjustments[sid] = adjustment * grown * last / float(closes.close[row[i]])
            rows.append((t, sid, adjustments[sid]))
        else:
            ends[sid] = (t, sid, last * grown, adjustment)
    return rows, list(ends.values())


def _arrays(rows: Sequence[tuple[float, ...]], *names: str) -> Arrays:
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return {
        name: np.array(list(values), dtype=np.int32 if name in ("t", "sid") else np.float64)
        for name, values in zip(names, columns, strict=True)
    }
