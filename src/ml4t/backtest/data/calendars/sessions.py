"""Sessions: the calendar of a run, and in which session each of its bars is.

``stage.sessions`` is what calendar and corrections say together, ``stage.bar_sessions`` has the
bars. Both are there where a calendar is registered.
"""

from __future__ import annotations

from collections.abc import Mapping

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import all_of, quote, render
from ml4t.backtest.errors import ConfigError

# In the order in which the later goes before the earlier.
SOURCES = ("calendar", "calendar_corrections")
OPTIONAL = ("is_open", "opens", "closes", "known_at")


def build_sessions(
    sources: Mapping[str, Source],
    found: Mapping[str, Mapping[str, str]],
    database: Database,
    *,
    is_intraday: bool,
) -> bool:
    """Build the tables of sessions from the sources; say whether there is a calendar.

    Raises
    ------
    ConfigError
        There are corrections of no calendar.
    """
    if "calendar" not in sources:
        if "calendar_corrections" in sources:
            raise ConfigError(
                "calendar_corrections correct a calendar, and none is registered; call "
                "catalog.calendar('XNYS') or catalog.register('calendar', sessions)"
            )
        return False
    bars = found["prices"]["timestamp"]
    moment = "timestamptz" if "ZONE" in bars else "timestamp"
    stated = []
    for place, name in enumerate(SOURCES):
        if name in sources:
            columns = {one: one if one in found[name] else "null" for one in OPTIONAL}
            stated.append(
                render(
                    "calendar/stated",
                    source=f"main.{quote(name)}",
                    place=str(place),
                    moment=moment,
                    **columns,
                )
            )
    database.execute(render("calendar/sessions", stated=all_of(stated)))
    database.execute(render("calendar/bar_sessions", is_intraday=str(is_intraday).lower()))
    return True
