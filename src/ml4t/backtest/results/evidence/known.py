"""Known: what strategy and rules could see of an asset where it was ordered, as rows.

A missing value has no row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.results.gathered import Evidence

KnownValues = NDArray[Any]
NO_TEXT = None


class KnownInChunk(NamedTuple):
    """What was known in a chunk.

    Attributes
    ----------
    signals : mapping of str to (int array, array)
        By name, at some places: bar times assets, plus the asset, ascending; and the values there.
    market : mapping of str to (int, array)
        By name, a bar and the market-wide values from it on.
    """

    signals: Mapping[str, tuple[Ints, KnownValues]]
    market: Mapping[str, tuple[int, KnownValues]]


def evidence_of(
    created_t: Ints, sids: Ints, n_assets: int, known: Sequence[KnownInChunk]
) -> Evidence:
    """Pick the places at which something was ordered.

    Parameters
    ----------
    created_t, sids : int array
        Of orders; -1: of no bar.
    known : sequence of KnownInChunk
        In time order; one may lack a name that a later one has.
    """
    is_of_bar = created_t >= 0
    ordered = np.unique(created_t[is_of_bar] * n_assets + sids[is_of_bar])
    bars = np.unique(ordered // n_assets) if len(ordered) else ordered
    own = {name for chunk in known for name in chunk.signals}
    parts: list[tuple[Ints, Ints, str, KnownValues]] = []
    for chunk in known:
        for name, (cells, values) in sorted(chunk.signals.items()):
            here = np.flatnonzero(_is_in(cells, ordered))
            t, sid = np.divmod(cells[here], n_assets)
            parts.append((t, sid, name, values[here]))
        for name, (first_t, column) in sorted(chunk.market.items()):
            t = bars[(bars >= first_t) & (bars < first_t + len(column))]
            called = f"market.{name}" if name in own else name  # as in a rule's feature
            parts.append((t, np.full(len(t), -1), called, column[t - first_t]))
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
