"""Timezones: which names of zones a run may take."""

from __future__ import annotations

from ml4t.backtest.data.database import UTC, Database
from ml4t.backtest.data.sql_files import rows_of
from ml4t.backtest.errors import ConfigError


def require_timezone(name: object) -> str:
    """Return the name of a zone that is known everywhere; one of a machine alone is none.

    Raises
    ------
    ConfigError
        It is neither UTC nor an IANA name of region and place.
    """
    if isinstance(name, str) and name == UTC:
        return UTC
    rows = Database().rows(rows_of("pg_timezone_names()", "name"))
    known = [one for (one,) in rows if "/" in one]
    if not isinstance(name, str) or name not in known:
        from difflib import get_close_matches

        # People say the place; a list of all six hundred says nothing.
        places = {one.rpartition("/")[2].replace("_", " "): one for one in known}
        near = get_close_matches(str(name).title(), [*places, *known], n=1, cutoff=0.75)
        hint = f"; did you mean '{places.get(near[0], near[0])}'?" if near else ""
        raise ConfigError(
            f"timezone must be 'UTC' or an IANA name such as 'America/New_York', was {name!r}{hint}"
        )
    return name
