#!/usr/bin/env bash
# yfinance 1.7.0: a ticker that failed puts "Adj Close" among prices that are adjusted.
#
# Guess:    download(..., auto_adjust=True), the default, has no column "Adj Close": its page says so.
# Expected: of one good and one failed ticker: Open, High, Low, Close, Volume of both.
# Seen:     ("Adj Close", failed ticker), empty, beside the good ticker's adjusted Close.
# Matters:  "Adj Close" is how code tells prices that still lack their dividends from those that have
#           them; with actions=True such code pays every dividend a second time.
# Product:  vendors.yfinance takes an empty column for none.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check yfinance==1.7.0 pandas==3.1.1 numpy==2.4.6
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

paid = {"dividends": {str(DAYS[2]): {"amount": 0.5, "date": DAYS[2]}}}
answer_with({
    "GOOD": chart([50.0, 50.5, 50.0, 50.5], [49.5, 50.0, 50.0, 50.5], "EQUITY", paid),
    "GONE": {"chart": {"result": None, "error": {"code": "Not Found", "description": "delisted"}}},
})
frame = yfinance.download(["GOOD", "GONE"], start="2024-06-03", end="2024-06-08", actions=True,
                          progress=False, threads=False)
fields = {ticker: sorted(frame.xs(ticker, axis=1, level=1).columns) for ticker in ("GOOD", "GONE")}
for ticker, names in fields.items():
    print(f"{ticker}: {', '.join(names)}")
first = frame[("Close", "GOOD")].iloc[0]
print(f"first close of GOOD, 50 without adjustment: {first}")
if "Adj Close" in fields["GOOD"] or first != 49.5:
    raise SystemExit("changed: the good ticker is not adjusted")
if "Adj Close" not in fields["GONE"] or frame[("Adj Close", "GONE")].notna().any():
    raise SystemExit("changed: the failed ticker has no empty Adj Close")
PYTHON
