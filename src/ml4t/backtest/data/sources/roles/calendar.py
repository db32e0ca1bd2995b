"""Calendar: the sessions of an exchange, and corrections of them, which go before it.

Rows that cannot be right are refused. Where bars and calendar differ the bars are used as they
are, and that is a warning: halts, gaps of a file and errors of calendars look alike.
"""

from __future__ import annotations

from ml4t.backtest.data.sources.roles.check import DUPLICATE_KEYS, INFINITE_TIME, Check, has
from ml4t.backtest.data.sources.roles.spec import RoleSpec

_ROWS = (
    Check(
        rule="null_session",
        text="has rows without a session, or with one that has a time of day; a session is a date",
    ),
    Check(
        rule="closes_not_after_opens",
        text="has sessions that do not close after they open; mend them",
        applies=has("opens", "closes"),
    ),
    INFINITE_TIME,
    DUPLICATE_KEYS,
)
_AGAINST_BARS = (
    Check(
        rule="bar_off_session",
        text="has no session on days with bars; the bars are used, and each such day counts as a "
        "session; where the calendar is wrong register the session as calendar_corrections",
        severity="warning",
        shows_rows=True,
    ),
    Check(
        rule="session_without_bar",
        text="has sessions without a bar of any asset; a decision that is due on one is made at "
        "the next bar; where the exchange was closed register is_open = false as "
        "calendar_corrections",
        severity="warning",
        shows_rows=True,
    ),
    Check(
        rule="asset_without_bar",
        text="has sessions on which an asset has no bar between its first and its last, while "
        "others have; nothing fills in it then",
        severity="warning",
        shows_rows=True,
    ),
    Check(
        rule="bar_outside_hours",
        text="has other hours than bars: they end before a session opens or after it closes; times "
        "without a zone are in the exchange's own time, and bars stamped at their open are "
        "registered with stamp='open'",
        severity="warning",
        applies=has("opens", "closes"),
        shows_rows=True,
    ),
)
CALENDAR_ROLE = RoleSpec(
    name="calendar",
    required=("session",),
    optional=("is_open", "opens", "closes", "known_at"),
    times=("session", "opens", "closes", "known_at"),
    open_times=("opens", "closes", "known_at"),
    dates=("session",),
    flags=("is_open",),
    key=("session",),
    checks=(*_ROWS, *_AGAINST_BARS),
    is_single=True,
    clock=None,
)
CORRECTIONS_ROLE = CALENDAR_ROLE._replace(
    name="calendar_corrections", checks=_ROWS, may_be_quiet=True
)
