"""Make qlib.zip: three instruments of five days, by Qlib's own scripts/dump_bin.py.

Run it with pyqlib, pandas below 3 and that script in the folder: python make_qlib.py
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pandas as pd
from dump_bin import DumpDataAll

DAYS = pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08"])
NONE = float("nan")


def written(name: str, days: pd.DatetimeIndex, closes: list[float], factors: list[float]) -> None:
    """Write the CSV of an instrument: adjusted prices around raw closes, 1,000 raw shares."""
    factor = pd.Series(factors, index=days)
    close = pd.Series(closes, index=days) * factor
    frame = pd.DataFrame(
        {
            "symbol": name, "date": days.strftime("%Y-%m-%d"), "open": close, "high": close + 0.25,
            "low": close - 0.25, "close": close, "volume": 1_000 / factor + 0 * close,
            "factor": factor,
        }
    )  # fmt: skip
    frame.to_csv(f"csv/{name}.csv", index=False)


def main() -> None:
    """Write CSV files, dump them, and pack the dump."""
    for folder in ("csv", "dump"):
        shutil.rmtree(folder, ignore_errors=True)
        Path(folder).mkdir()
    # Two for one on the fourth day; suspended on the third.
    written("SH600000", DAYS, [20.02, 20.0, NONE, 10.01, 10.0], [0.5, 0.5, NONE, 1.0, 1.0])
    written("SZ000001", DAYS[2:4], [5.0, 5.5], [1.0, 1.0])
    written("CON", DAYS, [7.0, 7.0, 7.0, 7.0, 7.0], [1.0] * 5)
    DumpDataAll(data_path="csv", qlib_dir="dump", max_workers=1, exclude_fields="symbol,date")()
    with zipfile.ZipFile("qlib.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for file in sorted(Path("dump").rglob("*")):
            if file.is_file():
                out.write(file, f"cn_data/{file.relative_to('dump').as_posix()}")


if __name__ == "__main__":
    main()
