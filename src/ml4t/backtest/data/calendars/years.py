"""Years: how many sessions a year has, and bars a session, as far as somebody says it."""

from __future__ import annotations

from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.sql_files import read
from ml4t.backtest.errors import ConfigError, did_you_mean, require_number

# Sessions of a year. Currencies trade on weekdays without Christmas and New Year.
ASSET_CLASSES = {"equities": 252.0, "futures": 252.0, "currencies": 259.0, "crypto": 365.25}


def require_sessions_per_year(given: object) -> float | str | None:
    """Return sessions of a year as they are kept: a number, an asset class, or None.

    Raises
    ------
    ConfigError
        It is none of these.
    """
    if given is None:
        return None
    if isinstance(given, str):
        if given not in ASSET_CLASSES:
            raise ConfigError(
                f"sessions_per_year was {given!r}{did_you_mean(given, ASSET_CLASSES)}; write an "
                "asset class, or a number such as 252"
            )
        return given
    require_number("sessions_per_year", given, above=0, below=float("inf"))
    return float(given)  # type: ignore[arg-type]


def year_facts(given: float | str | None, prepared: Prepared) -> dict[str, float | str | None]:
    """Return what the `runs` table keeps: sessions of a year, bars of a session, and whence."""
    facts: dict[str, float | str | None] = {
        "sessions_per_year": None, "bars_per_session": None, "sessions_from": None,
    }  # fmt: skip
    if prepared.has_calendar:
        found = prepared.database.rows(read("calendar/year"))
        if found and found[0][0] is not None:
            facts["sessions_per_year"], facts["bars_per_session"] = found[0]
            facts["sessions_from"] = "calendar"
    if isinstance(given, str):
        return facts | {"sessions_per_year": ASSET_CLASSES[given], "sessions_from": "asset class"}
    if given is not None:
        return facts | {"sessions_per_year": given, "sessions_from": "stated sessions"}
    return facts
