"""Returns at which packages may differ, without anything but the standard library.

Each is a mapping: `returns` per bar, the `times` of the bars, `periods` (bars of a year),
`benchmark` (returns per bar, or None), `trades` (returns of closed trades, of 1,000 each),
`weights` (of what was held at the end).
"""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from typing import Any

Series = dict[str, Any]


def drawn(seed: int, n: int, mean: float, deviation: float) -> list[float]:
    """Returns per bar, of a normal distribution."""
    pick = random.Random(seed)
    return [pick.gauss(mean, deviation) for _ in range(n)]


def days(n: int) -> list[str]:
    """Weekdays from 2023-12-27 on, so that months and a year end within."""
    every = (date(2023, 12, 27) + timedelta(days=i) for i in range(2 * n + 7))
    return [day.isoformat() for day in every if day.weekday() < 5][:n]


def daily(returns: list[float], **more: Any) -> Series:
    """A series of daily bars."""
    return {"returns": returns, "times": days(len(returns)), "periods": 252.0,
            "benchmark": None, "trades": [], "weights": [], **more}  # fmt: skip


def five_minutes(n_days: int, bars: int) -> list[str]:
    """Bars of five minutes from 9:35."""
    return [
        (datetime.fromisoformat(day) + timedelta(hours=9, minutes=35 + 5 * i)).isoformat()
        for day in days(n_days)
        for i in range(bars)
    ]


SERIES: dict[str, Series] = {
    "random": daily(
        drawn(1, 400, 0.0006, 0.01),
        benchmark=drawn(2, 400, 0.0004, 0.009),
        trades=drawn(3, 60, 0.01, 0.05),
        weights=[0.5, 0.3, 0.15, 0.05],
    ),
    "first loss": daily([-0.2, 0.1, 0.05, -0.03, 0.02, 0.04], trades=[-0.1, 0.05, 0.05]),
    "no volatility": daily([0.0] * 6, trades=[0.0, 0.0]),
    "all alike": daily([0.01] * 6, trades=[0.02, 0.02]),
    "constant losses": daily([-0.01] * 6, trades=[-0.01, -0.01, -0.01]),
    "wiped out": daily([0.1, -1.2, 0.5, 0.1], trades=[0.1, -1.2]),
    "one bar": daily([0.05], trades=[0.05]),
    "ties": daily([-0.02, -0.02, 0.01, -0.02, 0.0, 0.01] * 8, trades=[0.01, -0.02, 0.0, 0.01]),
    "twenty-one": daily(drawn(4, 21, 0.0, 0.01)),
    "intraday": {
        **daily(drawn(5, 240, 0.0, 0.001)),
        "times": five_minutes(20, 12),
        "periods": 12 * 252.0,
    },
}
