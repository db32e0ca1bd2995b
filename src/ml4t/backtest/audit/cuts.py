"""Cuts: bars at which a run is likely to show what it should not know.

Each reason has bars of its own, found in the tables of the whole run; of each in turn one is drawn.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.cut.piece import is_day
from ml4t.backtest.data.sql_files import read
from ml4t.backtest.data.stream.period import Period
from ml4t.backtest.results.result import BacktestResult

# What a bar is chosen for, and the statement under ``sql/`` that finds such bars in a run.
REASONS = {
    "first decision": "audit_cuts/first_decision",
    "orders wait": "audit_cuts/waiting",
    "an asset has no bar": "audit_cuts/halts",
    "an order was sent": "audit_cuts/orders",
    "a position was closed": "audit_cuts/exits",
    "an action or a fee": "audit_cuts/flows",
    "any bar": "audit_cuts/bars",
}


class CutPoint(NamedTuple):
    """A bar at which the sources are cut, and why it is that one."""

    bar: CutBar
    reason: str


def choose_cuts(
    result: BacktestResult, prepared: Prepared, period: Period, n: int, seed: int
) -> list[CutPoint]:
    """Return so many different bars between the first and the last of a run, in time order.

    Fewer where there are fewer bars.
    """
    pick = random.Random(seed)
    ticks = prepared.database.rows(read("audit/moments"))
    inner = range(period.first_t + 1, period.last_t)
    places = {text: t for t, text in ticks if t in inner}
    left = {reason: _drawn(result, query, places, pick) for reason, query in REASONS.items()}
    chosen: dict[int, str] = {}
    while len(chosen) < min(n, len(places)):
        for reason, ts in left.items():
            while ts and ts[-1] in chosen:
                ts.pop()
            if ts and len(chosen) < n:
                chosen[ts.pop()] = reason
    return _points(chosen, dict(ticks), prepared.timestamp_type)


def spread_cuts(prepared: Prepared, n: int, seed: int) -> list[CutPoint]:
    """Return so many different bars but the first and the last, one drawn of each stretch.

    Fewer where there are fewer bars.
    """
    pick, ticks = random.Random(seed), prepared.database.rows(read("audit/moments"))
    inner = [t for t, _ in ticks[1:-1]]
    n = min(n, len(inner))
    ends = [len(inner) * i // n for i in range(n + 1)] if n else []
    drawn = [pick.choice(inner[start:end]) for start, end in pairwise(ends)]
    return _points(dict.fromkeys(drawn, "any bar"), dict(ticks), prepared.timestamp_type)


def _points(chosen: Mapping[int, str], texts: Mapping[int, str], kind: str) -> list[CutPoint]:
    """Return bars by their numbers, with reasons, as cuts in time order."""
    are_days = all(map(is_day, texts.values()))
    return [CutPoint(CutBar(t, texts[t], kind, are_days), chosen[t]) for t in sorted(chosen)]


def left_ends(prepared: Prepared) -> list[CutBar]:
    """Return every bar in time order, each as the first of what is left."""
    ticks = prepared.database.rows(read("audit/moments"))
    kind, are_days = prepared.timestamp_type, all(is_day(text) for _, text in ticks)
    return [CutBar(t, text, kind, are_days, is_first=True) for t, text in ticks]


def last_bar(prepared: Prepared) -> CutBar:
    """Return the last bar of all: after it there is nothing to cut."""
    return left_ends(prepared)[-1]._replace(is_first=False)


def _drawn(
    result: BacktestResult, query: str, places: dict[str, int], pick: random.Random
) -> list[int]:
    """Return the bars that a statement finds, in an order of chance."""
    found: Sequence[tuple[str]] = result.sql(read(query)).fetchall()
    ts = [places[text] for (text,) in found if text in places]
    pick.shuffle(ts)
    return ts
