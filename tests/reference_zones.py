"""What dates are next to bars with a time zone: of a bar its local date, of a date its midnight."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from reference_types import Action, Asset, Timestamp

Interval = tuple[Asset, "date | Timestamp", "date | Timestamp | None"]  # the end is exclusive


def local_date(moment: Timestamp, timezone: str | None) -> date:
    """Return the calendar date that a bar is of; None: bars have no zone."""
    return moment.date() if timezone is None else moment.astimezone(ZoneInfo(timezone)).date()


def moment_of(when: date | Timestamp, timezone: str | None) -> Timestamp:
    """Return the moment at which a date begins (UTC where bars have a zone); a moment is itself."""
    if isinstance(when, datetime):
        return when
    if timezone is None:
        return datetime.combine(when, time())
    return datetime.combine(when, time(), ZoneInfo(timezone)).astimezone(UTC)


def in_moments(action: Action, timezone: str | None) -> Action:
    """Return an action whose dates are moments."""
    pays = None if action.pay_date is None else moment_of(action.pay_date, timezone)
    return replace(action, ex_date=moment_of(action.ex_date, timezone), pay_date=pays)


def members_of(
    intervals: Iterable[Interval], timeline: Sequence[Timestamp], timezone: str | None
) -> set[tuple[Timestamp, Asset]]:
    """Return who is a member at which bar."""
    found = set()
    for asset, start, end in intervals:
        first = moment_of(start, timezone)
        last = None if end is None else moment_of(end, timezone)
        found |= {(t, asset) for t in timeline if t >= first and (last is None or t < last)}
    return found


def known_at(
    dated: Iterable[date], moment: Timestamp, timezone: str | None, *, days_late: int = 0
) -> date | None:
    """Return the latest date that has begun, so many days late; None: none has."""
    late = timedelta(days=days_late)
    return max((day for day in dated if moment_of(day + late, timezone) <= moment), default=None)
