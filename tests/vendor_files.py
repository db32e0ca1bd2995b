"""Files of vendors in their documented layouts, by the adapter that reads them."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, TopN

MINUTE = timedelta(minutes=1)


def kline(opened: datetime, close: float, *, per_second: int = 1_000, length: timedelta = MINUTE,
          volume: float = 2.0) -> str:  # fmt: skip
    """A line as Binance writes it: times in milliseconds (or microseconds), eight decimals."""
    first = round(opened.timestamp() * per_second)
    last = first + round(length.total_seconds() * per_second) - 1
    prices = ",".join(f"{one:.8f}" for one in (close - 0.5, close + 1, close - 1, close, volume))
    return f"{first},{prices},{last},{close * volume:.8f},7,1.00000000,{close:.8f},0"


KLINES_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    "taker_buy_quote_volume,ignore"
)


def zipped(path: Path, lines: Iterable[str], ending: str = ".csv") -> Path:
    """Write lines as one file of the same name within a zip, as Binance and FirstRate do."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(path.with_suffix(ending).name, "\n".join(lines) + "\n")
    return path


def write_klines(folder: Path) -> None:
    """The last minutes of 2024, and the first of 2025, of one pair."""
    (folder / "klines").mkdir()
    new_year = datetime(2025, 1, 1, tzinfo=UTC)
    for name, first, unit in (
        ("2024-12", new_year - 5 * MINUTE, 1_000), ("2025-01", new_year, 1_000_000),
    ):  # fmt: skip
        lines = [kline(first + i * MINUTE, 90_000 + 10 * i, per_second=unit) for i in range(5)]
        zipped(folder / "klines" / f"BTCUSDT-1m-{name}.zip", lines)


def text_bars(
    first: datetime, closes: Iterable[float], stamp: str, step: timedelta = MINUTE
) -> str:
    """Lines as Kibot and FirstRate write them: stamps where bars open, no header."""
    lines = [
        f"{(first + i * step).strftime(stamp)},{close - 0.5},{close + 1},{close - 1},{close},100"
        for i, close in enumerate(closes)
    ]
    return "\n".join(lines) + "\n"


SESSION = datetime(2024, 3, 8, 9, 30)  # of New York; two days before its clocks go forward


def write_kibot(folder: Path) -> None:
    """Minutes of two shares from the open of New York."""
    (folder / "kibot").mkdir()
    for name, close in (("MSFT", 406.0), ("WMT", 60.0)):
        text = text_bars(SESSION, [close + i for i in range(5)], "%m/%d/%Y,%H:%M")
        (folder / "kibot" / f"{name}.txt").write_text(text, encoding="utf-8")


def write_firstrate(folder: Path) -> None:
    """The same in one archive, as FirstRate packs the names of a letter."""
    with zipfile.ZipFile(folder / "stock_A_full_1min_adjsplitdiv.zip", "w") as archive:
        for name, close in (("AAPL", 170.0), ("AMZN", 176.0)):
            text = text_bars(SESSION, [close + i for i in range(5)], "%Y-%m-%d %H:%M:%S")
            archive.writestr(f"{name}_full_1min_adjsplitdiv.txt", text)


YFINANCE = Path(__file__).resolve().parent / "vendors" / "yfinance"  # of yahoo_frames.py


def write_yfinance(folder: Path) -> None:
    """What yfinance 1.7.0 made of an answer, saved by to_csv."""
    shutil.copy(YFINANCE / "by_field.csv", folder / "yahoo.csv")


def run_of(catalog: Catalog, n: int = 1) -> BacktestResult:
    """A run that buys and sells: at each bar the cheapest."""
    return BacktestEngine(catalog, TopN(n, by="-close"), initial_capital=1_000_000.0).run()


WRITERS: dict[str, Callable[[Path], None]] = {
    "binance_klines": write_klines,
    "firstrate": write_firstrate,
    "kibot": write_kibot,
    "yfinance": write_yfinance,
}
