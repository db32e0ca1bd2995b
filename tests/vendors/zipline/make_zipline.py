"""Make zipline_bundle.zip: three assets of nine sessions, each with a trap of the layout.

Run it with zipline-reloaded in an empty folder: python make_zipline.py
"""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

os.environ["ZIPLINE_ROOT"] = str(Path("root").resolve())

import pandas as pd
from zipline.data.bundles import ingest, register
from zipline.utils.calendar_utils import get_calendar

SESSIONS = get_calendar("NYSE").sessions_in_range("2024-01-02", "2024-01-12")


def bars(closes: list[float], volumes: list[int]) -> pd.DataFrame:
    """Bars of the first sessions, half a dollar around their close."""
    close = pd.Series(closes, index=SESSIONS[: len(closes)])
    volume = pd.Series(volumes, index=close.index)
    return pd.DataFrame(
        {"open": close, "high": close + 0.5, "low": close - 0.5, "close": close, "volume": volume}
    )


def fill(environ, assets, minutes, daily, adjustments, calendar, start, end, *_) -> None:
    """Write seven for one in sid 1, a volume beyond 32 bits in 2, an end in 3, a zero in 2."""
    large = bars([600_000.0] * 9, [5_000_000_000] + [10] * 8)
    large.iloc[4] = 0
    frames = {
        1: bars([70.0] * 4 + [10.0, 10.0, 10.623, 10.1234, 10.0], [100] * 9),
        2: large,
        3: bars([5.0] * 6, [100] * 6),
    }
    daily.write(frames.items())
    equities = pd.DataFrame(
        {
            "symbol": ["NEW", "BRK", "NEW"],
            "start_date": [frame.index[0] for frame in frames.values()],
            "end_date": [frame.index[-1] for frame in frames.values()],
            "auto_close_date": [
                frame.index[-1] + pd.Timedelta(days=1) for frame in frames.values()
            ],
            "exchange": "X",
        },
        index=list(frames),
    )
    equities.loc[3, "symbol"] = "OLD"
    assets.write(equities=equities)
    day = pd.Timestamp
    split = {"sid": [1], "effective_date": [day("2024-01-08")], "ratio": [1 / 7]}
    merger = {"sid": [3], "effective_date": [day("2024-01-05")], "ratio": [0.5]}
    paid = {
        "sid": [2, 2],
        "amount": [1.5, 2.5],
        "ex_date": [day("2024-01-04"), day("2024-01-09")],
        "record_date": [pd.NaT, day("2024-01-10")],
        "declared_date": [pd.NaT, day("2024-01-03")],
        "pay_date": [pd.NaT, day("2024-01-11")],
    }
    stock = {
        "sid": [1, 2],
        "payment_sid": [1, 3],
        "ratio": [0.05, 0.1],
        "ex_date": [day("2024-01-11")] * 2,
        "record_date": [day("2024-01-11")] * 2,
        "declared_date": [day("2024-01-11")] * 2,
        "pay_date": [day("2024-01-11")] * 2,
    }
    adjustments.write(
        splits=pd.DataFrame(split),
        mergers=pd.DataFrame(merger),
        dividends=pd.DataFrame(paid),
        stock_dividends=pd.DataFrame(stock),
    )


def main() -> None:
    """Ingest the bundle, and pack what is read of it."""
    shutil.rmtree("root", ignore_errors=True)
    register("made", fill, calendar_name="NYSE", start_session=SESSIONS[0],
             end_session=SESSIONS[-1])  # fmt: skip
    ingest("made")
    (ingestion,) = (one for one in Path("root/data/made").iterdir() if one.name[0] != ".")
    with zipfile.ZipFile("zipline_bundle.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for file in sorted(ingestion.rglob("*")):
            if file.is_file() and "minute" not in str(file):
                out.write(file, f"made/{file.relative_to(ingestion.parent).as_posix()}")


if __name__ == "__main__":
    main()
