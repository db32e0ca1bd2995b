"""Thinning: fewer points where there are more than a chart carries, and a word on how many.

A line keeps of each stretch of time its first, last, lowest and highest point of every series, so
that what is drawn has the same edges; points keep the highest and lowest, then every n-th.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

FigureRow = Mapping[str, Any]


def thinned_lines(rows: Sequence[FigureRow], values: Sequence[str], most: int) -> list[FigureRow]:
    """Return at most about `most` rows of a line, in their order."""
    if len(rows) <= most:
        return list(rows)
    per_stretch = 2 + 2 * len(values)
    n_stretches = max(1, most // per_stretch)
    kept: set[int] = set()
    for i in range(n_stretches):
        begin, end = (len(rows) * j // n_stretches for j in (i, i + 1))
        kept |= {begin, end - 1}
        for value in values:
            known = [j for j in range(begin, end) if rows[j][value] is not None]
            if known:
                kept |= {pick(known, key=_of(rows, value)) for pick in (min, max)}
    return _those(rows, kept)


def thinned_points(rows: Sequence[FigureRow], value: str, most: int) -> list[FigureRow]:
    """Return at most `most` rows of a scatter, in their order: half of them are its extremes."""
    if len(rows) <= most:
        return list(rows)
    known = sorted(
        (j for j in range(len(rows)) if rows[j][value] is not None), key=_of(rows, value)
    )
    a_quarter = most // 4
    kept = {*known[:a_quarter], *known[len(known) - a_quarter :]}
    others = [j for j in range(len(rows)) if j not in kept]
    n_others = most - len(kept)
    kept |= {others[len(others) * i // n_others] for i in range(n_others)}
    return _those(rows, kept)


def shown_of(n_shown: int, n_rows: int) -> str | None:
    """Return how many of the rows are drawn, in words; None: all of them."""
    return None if n_shown == n_rows else f"{n_shown:,} of {n_rows:,} rows are drawn"


def _of(rows: Sequence[FigureRow], value: str) -> Any:
    return lambda j: (rows[j][value], j)


def _those(rows: Sequence[FigureRow], kept: Iterable[int]) -> list[FigureRow]:
    return [rows[j] for j in sorted(kept)]
