#!/usr/bin/env bash
# pandas_market_calendars 5.5.0 and exchange_calendars 4.13.2: two calendars of one exchange.
#
# Guess:    HKEX of the one and XHKG of the other agree on half days (no lunch break) and sessions.
# Expected: the half day of 24 December 2024 ends at noon (04:00 UTC) in both; both have one set of
#           sessions.
# Seen:     HKEX closes at 16:00 on every half day, lunch break included; XHKG at noon. Each holds
#           sessions that the other does not. XHKG of the same pandas_market_calendars has noon.
# Matters:  bars expected after noon count as missing, a close is looked for four hours late, and
#           bars per year differ by the calendar's name.
# Product:  asks no calendar: sessions, half days and bars per session are those of the prices.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    pandas_market_calendars==5.5.0 exchange_calendars==4.13.2 pandas==3.1.1 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import exchange_calendars
import pandas_market_calendars

START, END = "2018-01-01", "2025-12-31"
hkex = pandas_market_calendars.get_calendar("HKEX").schedule(START, END)
mirror = pandas_market_calendars.get_calendar("XHKG").schedule(START, END)
xhkg = exchange_calendars.get_calendar("XHKG", start=START, end=END).schedule

closes = [c.loc["2024-12-24", name].strftime("%H:%M") for c, name in (
    (hkex, "market_close"), (mirror, "market_close"), (xhkg, "close"))]
print("close of 2024-12-24 in UTC: HKEX, its XHKG, exchange_calendars' XHKG:", closes)
both = hkex.index.intersection(xhkg.index)
later = int((hkex.loc[both, "market_close"] != xhkg.loc[both, "close"]).sum())
only_hkex = [str(d.date()) for d in hkex.index.difference(xhkg.index)]
only_xhkg = [str(d.date()) for d in xhkg.index.difference(hkex.index)]
print("other closes:", later, "only HKEX:", only_hkex, "only XHKG:", only_xhkg)
if closes != ["08:00", "04:00", "04:00"] or later == 0:
    raise SystemExit("changed: other closes")
if not only_hkex or not only_xhkg:
    raise SystemExit("changed: the sessions of one are among those of the other")
PYTHON
