"""Writes tests/vendors/yfinance/*.csv: frames that yfinance itself makes of made-up answers.

Run by hand where yfinance is (`pip install yfinance==1.7.0`): the tests read what it wrote. Yahoo
is not asked; each answer has the form that yfinance 1.7.0 parses (`scrapers/history.py`).
"""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "vendors" / "yfinance"
NEW_YORK = "America/New_York"


def answer(
    closes: list[float | None], adjusted: list[float | None], *, first: datetime,
    step: timedelta = timedelta(days=1), kind: str = "EQUITY", volume: int = 1_000, **events: Any,
) -> dict[str, Any]:  # fmt: skip
    """What the chart API says of one ticker; events as {kind: {bar: amounts}}."""
    days = [first + i * step for i in range(len(closes) + 2)]
    stamps = [int(one.timestamp()) for one in days if one.weekday() < 5][: len(closes)]
    period = {"timezone": "EDT", "start": stamps[0], "end": stamps[-1], "gmtoffset": -14400}
    meta = {
        "currency": "USD", "symbol": "", "exchangeName": "NMS", "instrumentType": kind,
        "firstTradeDate": 0, "regularMarketTime": stamps[-1], "gmtoffset": -14400,
        "timezone": "EDT", "exchangeTimezoneName": NEW_YORK, "priceHint": 2,
        "regularMarketPrice": closes[-1], "dataGranularity": "1d", "range": "",
        "validRanges": ["1d", "max"],
        "currentTradingPeriod": dict.fromkeys(("pre", "regular", "post"), period),
    }  # fmt: skip
    quote = {
        "open": [one and one - 0.5 for one in closes], "high": [one and one + 1 for one in closes],
        "low": [one and one - 1 for one in closes], "close": closes,
        "volume": [one and volume for one in closes],
    }  # fmt: skip
    happened = {
        name: {str(stamps[t]): {"date": stamps[t], **amounts} for t, amounts in found.items()}
        for name, found in events.items()
    }
    result = {
        "meta": meta, "timestamp": stamps, "events": happened,
        "indicators": {"quote": [quote], "adjclose": [{"adjclose": adjusted}]},
    }  # fmt: skip
    return {"chart": {"result": [result], "error": None}}


MONDAY = datetime(2024, 6, 3, 13, 30, tzinfo=UTC)
ANSWERS = {
    # 10 for 1 before Wednesday's open; $0.25 on Thursday; no price on Friday.
    "NVDA": answer([115.0, 116.0, 122.0, 121.0, None, 122.0],
                   [114.5, 115.5, 121.5, 121.0, None, 122.0], first=MONDAY,
                   splits={2: {"numerator": 10, "denominator": 1, "splitRatio": "10:1"}},
                   dividends={3: {"amount": 0.25}}),
    "MSFT": answer([413.0, 416.0, 424.0, 424.5, 423.5, 427.0],
                   [412.0, 415.0, 423.0, 423.5, 423.5, 427.0], first=MONDAY,
                   dividends={4: {"amount": 0.75}}),
    # As VWILX on 2025-12-17 (yfinance issue 2666): the gain is within the dividend.
    "FUND": answer([50.0, 50.1, 42.2, 42.3], [40.0, 40.1, 42.2, 42.3], first=MONDAY,
                   kind="MUTUALFUND", dividends={2: {"amount": 7.86}},
                   capitalGains={2: {"amount": 6.42}}),
    "EURUSD=X": answer([1.08, 1.09, 1.085], [1.08, 1.09, 1.085], first=MONDAY, volume=0),
    "GONE": {"chart": {"result": None, "error": {
        "code": "Not Found", "description": "No data found, symbol may be delisted"}}},
    "HOUR": answer([10.0, 11.0, 12.0], [10.0, 11.0, 12.0], first=MONDAY, step=timedelta(hours=1)),
    "WEEK": answer([10.0, 11.0, 12.0], [10.0, 11.0, 12.0], first=MONDAY, step=timedelta(days=7)),
}  # fmt: skip
DOWNLOADS: dict[str, dict[str, Any]] = {
    "adjusted": {"tickers": ["MSFT", "NVDA"]},
    "one_failed": {"tickers": ["MSFT", "GONE"], "actions": True},
    "by_field": {"tickers": ["MSFT", "NVDA"], "auto_adjust": False, "actions": True},
    "by_ticker": {"tickers": ["MSFT", "NVDA"], "auto_adjust": False, "actions": True,
                  "group_by": "ticker"},
    "without_actions": {"tickers": ["MSFT"], "auto_adjust": False},
    "back_adjusted": {"tickers": ["MSFT"], "auto_adjust": False, "back_adjust": True},
    "fund": {"tickers": ["FUND"], "auto_adjust": False, "actions": True},
    "fx": {"tickers": ["EURUSD=X"], "auto_adjust": False},
    "hours": {"tickers": ["HOUR"], "auto_adjust": False, "interval": "1h", "prepost": True},
    "weeks": {"tickers": ["WEEK"], "auto_adjust": False, "interval": "1wk"},
}  # fmt: skip


class Answer:
    """What yfinance reads of an answer by HTTP."""

    status_code = 200

    def __init__(self, content: dict[str, Any]) -> None:
        self.content, self.text = content, json.dumps(content)

    def json(self) -> dict[str, Any]:
        return copy.deepcopy(self.content)


def main() -> None:
    import yfinance
    from yfinance.base import TickerBase
    from yfinance.data import YfData

    def get(self: object, url: str, **_: object) -> Answer:
        return Answer(ANSWERS[url.rsplit("/", 1)[1]])

    YfData.get = YfData.cache_get = get
    TickerBase._get_ticker_tz = lambda self, timeout=None: NEW_YORK
    FOLDER.mkdir(parents=True, exist_ok=True)
    days = {"start": "2024-06-03", "end": "2024-06-30", "progress": False, "threads": False}
    for name, arguments in DOWNLOADS.items():
        frame = yfinance.download(**arguments, **days)
        if "tickers" in arguments and len(arguments["tickers"]) > 1:
            frame = frame.sort_index(axis=1)  # yfinance puts tickers into a set
        frame.to_csv(FOLDER / f"{name}.csv")
    history = yfinance.Ticker("NVDA").history(
        start="2024-06-03", end="2024-06-30", auto_adjust=False
    )
    history.to_csv(FOLDER / "history.csv")


if __name__ == "__main__":
    main()
