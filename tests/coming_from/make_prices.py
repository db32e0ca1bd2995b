"""Write the price file that all pages of docs/coming-from use: ``python make_prices.py``.

Five made-up shares over the sessions of XNYS in 2023. Prices have two decimals, as zipline's
bundles keep three and others floats; volumes are so large that no bound on them is met.
"""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import numpy as np

FILE = Path(__file__).resolve().parents[2] / "docs" / "coming-from" / "prices.csv"
HOLIDAYS = {
    date(2023, 1, 2), date(2023, 1, 16), date(2023, 2, 20), date(2023, 4, 7), date(2023, 5, 29),
    date(2023, 6, 19), date(2023, 7, 4), date(2023, 9, 4), date(2023, 11, 23), date(2023, 12, 25),
}  # fmt: skip
ASSETS = {"ABLE": 40.0, "BAKER": 85.0, "CHARLIE": 120.0, "DOG": 25.0, "EASY": 60.0}
SEED = 7


def sessions() -> list[date]:
    """Return the sessions of 2023."""
    days = (date(2023, 1, 1) + timedelta(days=i) for i in range(365))
    return [day for day in days if day.weekday() < 5 and day not in HOLIDAYS]


def rows() -> list[tuple[object, ...]]:
    """Return date, asset_id, open, high, low, close, volume, by date and asset."""
    random = np.random.default_rng(SEED)
    days = sessions()
    found: list[tuple[object, ...]] = []
    for asset, start in ASSETS.items():
        drift = np.repeat(random.normal(0, 0.0025, 13), 20)[: len(days)]
        closes = start * np.exp(np.cumsum(drift + random.normal(0, 0.014, len(days))))
        before = np.concatenate([[start], closes[:-1]])
        opens = before * np.exp(random.normal(0, 0.005, len(days)))
        highs = np.maximum(opens, closes) * (1 + np.abs(random.normal(0, 0.006, len(days))))
        lows = np.minimum(opens, closes) * (1 - np.abs(random.normal(0, 0.006, len(days))))
        bars = np.round([opens, highs, lows, closes], 2).T.tolist()
        found += [(day, asset, *bar, 100_000_000) for day, bar in zip(days, bars, strict=True)]
    return sorted(found, key=lambda row: row[:2])  # type: ignore[arg-type,return-value]


def main() -> None:
    """Write the file."""
    with FILE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["date", "asset_id", "open", "high", "low", "close", "volume"])
        writer.writerows(rows())


if __name__ == "__main__":
    main()
