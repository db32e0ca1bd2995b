"""Spans: lengths of time that are written out, and which is the longer one, whatever the day."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ml4t.backtest.data.causality.nodes import PlanNode, constant, type_of

# Months, days and microseconds of what a time is rounded down to. A day is no number of hours:
# where clocks are put forward and back it has 23 or 25.
SPANS = {
    "microsecond": (0, 0, 1), "millisecond": (0, 0, 1_000), "second": (0, 0, 1_000_000),
    "minute": (0, 0, 60_000_000), "hour": (0, 0, 3_600_000_000), "day": (0, 1, 0),
    "week": (0, 7, 0), "month": (1, 0, 0), "quarter": (3, 0, 0), "year": (12, 0, 0),
    "decade": (120, 0, 0), "century": (1_200, 0, 0),
}  # fmt: skip
_SHORTEST_MONTH, _SHORTEST_DAY = 28, 23 * SPANS["hour"][2]
_WRITTEN = re.compile(r"\s*(\d+)\s*([a-z]+?)s?\s*", re.IGNORECASE)


class TimeSpan(NamedTuple):
    """A span of time."""

    months: int = 0
    days: int = 0
    micros: int = 0

    def __neg__(self) -> TimeSpan:
        return TimeSpan(*(-part for part in self))

    def __add__(self, other: TimeSpan) -> TimeSpan:  # type: ignore[override]
        return TimeSpan(*(one + two for one, two in zip(self, other, strict=True)))

    def __sub__(self, other: TimeSpan) -> TimeSpan:
        return self + -other

    @property
    def is_ahead(self) -> bool:
        """No part of it goes back."""
        return min(self) >= 0

    def covers(self, other: TimeSpan) -> bool:
        """Say whether it is at least as long as another of one part, whatever the day."""
        if not self.is_ahead:
            return False
        days = self.days + self.months * _SHORTEST_MONTH
        if other.months:
            return self.months >= other.months
        if other.days:
            return days >= other.days
        return self.micros + days * _SHORTEST_DAY >= other.micros


def span_of(node: PlanNode) -> TimeSpan | None:
    """Return the span that a node is, if it is written out; whole numbers are days of a date."""
    found = constant(node)
    if isinstance(found, Mapping) and "micros" in found:
        return TimeSpan(found["months"], found["days"], found["micros"])
    if isinstance(found, int) and _is_whole(node):
        return TimeSpan(days=found)
    written = _WRITTEN.fullmatch(found) if isinstance(found, str) else None
    if written is None or written[2].lower() not in SPANS:
        return None
    return TimeSpan(*(int(written[1]) * part for part in SPANS[written[2].lower()]))


def _is_whole(node: PlanNode) -> bool:
    """Say whether a constant is a number: times of the day and dates are counted, too."""
    while node["type"] == "OPERATOR_CAST":
        node = node["children"][0]
    return type_of(node) in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
