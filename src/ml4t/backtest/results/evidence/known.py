"""Known: what strategy and rules could see of an asset where it was ordered, as rows.

A missing value has no row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.results.gathered import Evidence

KnownValues = NDArray[Any]
NO_TEXT = None


def evidence_of(
    created_t: Ints,
    sids: Ints,
    n_assets: int,
    *,
    cells: Sequence[Ints],
    signals: Sequence[Mapping[str, KnownValues]],
    market: Sequence[tuple[int, Mapping[str, KnownValues]]],
) -> Evidence:
    """Pick the places at which something was ordered.

    Parameters
    ----------
    created_t, sids : int array
        Of orders; -1: of no bar.
    cells : sequence of int array
        Bar times `n_assets` plus the asset of each place that was looked at, chunk by chunk.
    signals : sequence of mapping
        KnownValues at those places, by name; a chunk may lack a name that a later one has.
    market : sequence of (int, mapping)
        First bar of each chunk, and market-wide values at its bars.
    """
    is_of_bar = created_t >= 0
    ordered = np.unique(created_t[is_of_bar] * n_assets + sids[is_of_bar])
    bars = np.unique(ordered // n_assets) if len(ordered) else ordered
    own = {name for values in signals for name in values}
    parts: list[tuple[Ints, Ints, str, KnownValues]] = []
    for (first_t, columns), at, values in zip(market, cells, signals, strict=True):
        here = np.flatnonzero(_is_in(at, ordered))
        t, sid = np.divmod(at[here], n_assets)
        parts += [(t, sid, name, values[name][here]) for name in sorted(values)]
        for name in sorted(columns):
            t = bars[(bars >= first_t) & (bars < first_t + len(columns[name]))]
            called = f"market.{name}" if name in own else name  # as in a rule's feature
            parts.append((t, np.full(len(t), -1), called, columns[name][t - first_t]))
    return _joined(parts, n_assets)


def _is_in(values: Ints, known: Ints) -> NDArray[np.bool_]:
    """Say which values are known; both ascend."""
    if not len(known):
        return np.zeros(len(values), dtype=bool)
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    found: NDArray[np.bool_] = known[place] == values
    return found


def _joined(parts: Sequence[tuple[Ints, Ints, str, KnownValues]], n_assets: int) -> Evidence:
    """Return the values that are there, by bar, what is market-wide first."""
    names = sorted({name for _, _, name, _ in parts})
    place_of = {name: i for i, name in enumerate(names)}
    kept = []
    for t, sid, name, values in parts:
        number, text = _told(values)
        is_there = np.flatnonzero(~np.isnan(number) if text is None else text != np.array(None))
        nothing = np.full(len(is_there), NO_TEXT, dtype=object)
        kept.append(
            (
                t[is_there], sid[is_there], np.full(len(is_there), place_of[name]),
                number[is_there], nothing if text is None else text[is_there],
            )
        )  # fmt: skip
    columns = [np.concatenate(column) for column in zip(*kept, strict=True)]
    if not columns:
        columns = [np.empty(0, dtype=np.int64)] * 3 + [np.empty(0), np.empty(0, dtype=object)]
    t, sid, place, value, value_text = columns
    order = np.argsort(t * (n_assets + 1) + sid, kind="stable")
    return Evidence(
        t=t[order],
        sid=sid[order],
        name=np.array(names, dtype=object)[place[order]],
        value=value[order],
        value_text=value_text[order],
    )


def _told(values: KnownValues) -> tuple[Floats, KnownValues | None]:
    """Return values as numbers, or as NaN and texts."""
    if values.dtype == np.float64:
        return values, None
    texts = np.empty(len(values), dtype=object)
    texts[:] = [NO_TEXT if one is None else str(one) for one in values.tolist()]
    return np.full(len(values), np.nan), texts
