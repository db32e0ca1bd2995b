#!/usr/bin/env bash
# yfinance 1.7.0: repair=True loses a fund whose capital gains are more than its dividends.
#
# Guess:    download(..., repair=True) leaves alone what it cannot repair.
# Expected: the four rows that repair=False returns.
# Seen:     an empty frame, "ZeroDivisionError('division by zero')" in the log: the repair of gains
#           that are counted twice skips those above the dividend of their day, then divides by the
#           number of the others, which is 0.
# Matters:  funds that distribute gains drop out of a download, and out of a universe, in silence
#           but for a line of log; without the repair they are there.
# Product:  vendors.yfinance names assets that came without any price; it counts gains itself.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check yfinance==1.7.0 pandas==3.1.1 numpy==2.4.6 scipy==1.17.1
cat > answers.py <<'PYTHON'
"""Answers yfinance's requests from here: Yahoo is not asked."""
import json

from yfinance.base import TickerBase
from yfinance.data import YfData

DAYS = [1717421400 + i * 86400 for i in range(4)]  # 3 to 6 June 2024, 9:30 in New York


class Answer:
    status_code = 200

    def __init__(self, content):
        self.text = json.dumps(content)

    def json(self):
        return json.loads(self.text)


def chart(closes, adjusted, kind, events):
    period = {"timezone": "EDT", "start": DAYS[0], "end": DAYS[-1], "gmtoffset": -14400}
    meta = {"currency": "USD", "instrumentType": kind, "exchangeTimezoneName": "America/New_York",
            "regularMarketTime": DAYS[-1], "regularMarketPrice": closes[-1], "firstTradeDate": 0,
            "gmtoffset": -14400, "timezone": "EDT", "priceHint": 2, "dataGranularity": "1d",
            "validRanges": ["1d", "max"],
            "currentTradingPeriod": dict.fromkeys(("pre", "regular", "post"), period)}
    quote = {name: closes for name in ("open", "high", "low", "close")} | {"volume": [1000] * 4}
    result = {"meta": meta, "timestamp": DAYS, "events": events, "indicators": {
        "quote": [quote], "adjclose": [{"adjclose": adjusted}]}}
    return {"chart": {"result": [result], "error": None}}


def answer_with(charts):
    def get(self, url, **_):
        return Answer(charts[url.rsplit("/", 1)[1]])

    YfData.get = YfData.cache_get = get
    TickerBase._get_ticker_tz = lambda self, timeout=None: "America/New_York"
PYTHON
venv/bin/python -W ignore - 2>/dev/null <<'PYTHON'
import yfinance
from answers import DAYS, answer_with, chart

paid = {"dividends": {str(DAYS[2]): {"amount": 0.5, "date": DAYS[2]}},
        "capitalGains": {str(DAYS[2]): {"amount": 6.0, "date": DAYS[2]}}}
answer_with({"FUND": chart([50.0, 50.1, 43.6, 43.7], [43.5, 43.6, 43.6, 43.7], "MUTUALFUND", paid)})
rows = {}
for repair in (False, True):
    frame = yfinance.download("FUND", start="2024-06-03", end="2024-06-08", repair=repair,
                              auto_adjust=False, actions=True, progress=False, threads=False)
    rows[repair] = len(frame)
    print(f"repair={repair}: {len(frame)} rows")
try:
    yfinance.config.debug.hide_exceptions = False
    yfinance.Ticker("FUND").history(start="2024-06-03", end="2024-06-08", repair=True)
    seen = "none"
except ZeroDivisionError as error:
    seen = repr(error)
print("exception:", seen)
if rows != {False: 4, True: 0} or seen != "ZeroDivisionError('division by zero')":
    raise SystemExit("changed: the fund is there, or fails otherwise")
PYTHON
