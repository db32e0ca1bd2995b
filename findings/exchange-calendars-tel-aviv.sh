#!/usr/bin/env bash
# exchange_calendars 4.13.2: the calendar of Tel Aviv cannot be made.
#
# Guess:    get_calendar("XTAE") has Sunday to Thursday before 2026, Monday to Friday since.
# Expected: a calendar, with its default range and for all of 2025.
# Seen:     ValueError (special dates that are not sessions) for every range with a Sunday before
#           2026; only a start in 2026 works. The week of today was given to all years.
# Matters:  a history of an exchange is cut where its week changed, or its Sundays are taken for
#           errors of the data.
# Product:  refuses the calendar "XTAE" with the line that registers a table of sessions.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    exchange_calendars==4.13.2 pandas==3.1.1 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import exchange_calendars

def weekdays(**limits: str) -> str:
    try:
        calendar = exchange_calendars.get_calendar("XTAE", **limits)
    except ValueError as error:
        return f"ValueError: {str(error)[:60]}... {str(error)[-20:]}"
    return ",".join(sorted({day.strftime("%a") for day in calendar.sessions}))

whole = weekdays()
year = weekdays(start="2025-01-01", end="2025-12-30")
since = weekdays(start="2026-01-06", end="2026-02-27")
print("default range:", whole)
print("2025:", year)
print("January and February 2026:", since)
if not (whole.startswith("ValueError") and year.startswith("ValueError")):
    raise SystemExit("changed: the calendar can be made")
if since != "Fri,Mon,Thu,Tue,Wed":
    raise SystemExit("changed: another week in 2026")
PYTHON
