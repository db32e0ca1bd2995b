"""Files of vendors in their documented layouts, by the adapter that reads them."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

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


# One share that split 2 for 1 on 4 January, paid a dividend before and after, and was delisted.
# close is in shares of today, closeunadj as traded; dividends are per share of today.
SEP = """ticker,date,open,high,low,close,volume,closeadj,closeunadj,lastupdated
OLD,2024-01-02,49,51,48,50,2000,49.2,100,2024-02-01
OLD,2024-01-03,50,52,49,51,2200,50.4,102,2024-02-01
OLD,2024-01-04,51,53,50,52,1500,51.4,52,2024-02-01
OLD,2024-01-05,52,54,51,53,1600,53,53,2024-02-01
NEW,2024-01-02,19,21,18,20,900,20,20,2024-02-01
NEW,2024-01-03,20,22,19,21,900,21,21,2024-02-01
NEW,2024-01-04,21,23,20,22,900,22,22,2024-02-01
NEW,2024-01-05,22,24,21,23,900,23,23,2024-02-01
NEW,2024-01-08,23,25,22,24,900,24,24,2024-02-01
"""
ACTIONS = """date,action,ticker,name,value,contraticker,contraname
2024-01-03,dividend,OLD,Old Inc,0.2,N/A,N/A
2024-01-04,split,OLD,Old Inc,2,N/A,N/A
2024-01-05,dividend,OLD,Old Inc,0.4,N/A,N/A
2024-01-05,delisted,OLD,Old Inc,1234.5,N/A,N/A
2024-01-05,acquisitionby,OLD,Old Inc,1234.5,NEW,New Inc
2024-01-03,tickerchangefrom,NEW,New Inc,,WAS,New Inc
2024-01-03,tickerchangeto,NEW,New Inc,,NEW,New Inc
2024-01-03,dividend,ELSE,Else Inc,1,N/A,N/A
"""
TICKERS = """table,permaticker,ticker,name,exchange,isdelisted,category,sector,industry
SF1,100,OLD,Old Inc,NYSE,Y,Domestic Common Stock,Energy,Oil
SEP,100,OLD,Old Inc,NYSE,Y,Domestic Common Stock,Energy,Oil
SEP,200,NEW,New Inc,NASDAQ,N,Domestic Common Stock,Technology,Software
SEP,300,ELSE,Else Inc,NASDAQ,N,Domestic Common Stock,Technology,Software
"""


def write_sharadar(folder: Path) -> None:
    """The three tables, as bulk exports."""
    for name, text in (("SEP", SEP), ("ACTIONS", ACTIONS), ("TICKERS", TICKERS)):
        (folder / f"SHARADAR_{name}.csv").write_text(text, encoding="utf-8")


def unpacked(name: str, folder: Path) -> Path:
    """Unpack what a vendor's own writer made; see tests/vendors."""
    with zipfile.ZipFile(Path(__file__).parent / "vendors" / name) as archive:
        archive.extractall(folder)
    return folder


def write_lean(folder: Path) -> None:
    """Three days of one ticker in LEAN's folder."""
    daily = folder / "Data" / "equity" / "usa" / "daily"
    daily.mkdir(parents=True)
    days = (f"2024010{i} 00:00,100000,105000,95000,{100_000 + i},700" for i in (2, 3, 4))
    zipped(daily / "spy.zip", days)


def write_csvdir(folder: Path) -> None:
    """Three days of one symbol as Zipline's csvdir has them."""
    (folder / "csvdir" / "daily").mkdir(parents=True)
    lines = [f"2024-01-0{i},10,11,9,10,700,0,1" for i in (2, 3, 4)]
    head = "date,open,high,low,close,volume,dividend,split"
    (folder / "csvdir" / "daily" / "SPY.csv").write_text("\n".join([head, *lines]) + "\n")


def write_qlib(folder: Path) -> None:
    """What dump_bin.py wrote."""
    unpacked("qlib/qlib.zip", folder)


def write_bundle(folder: Path) -> None:
    """What zipline-reloaded wrote."""
    pytest.importorskip("blosc")
    unpacked("zipline/zipline_bundle.zip", folder)


def write_dbn(folder: Path) -> None:
    """Three days of one instrument, by Databento's own encoder."""
    dbn = pytest.importorskip("databento_dbn")
    metadata = dbn.Metadata(
        dataset="XNAS.ITCH", start=0, stype_in=dbn.SType.RAW_SYMBOL,
        stype_out=dbn.SType.INSTRUMENT_ID, schema=dbn.Schema.OHLCV_1D, symbols=["SPY"],
    )  # fmt: skip
    units, days = 10**9, [datetime(2024, 1, i, tzinfo=UTC).timestamp() for i in (2, 3, 4)]
    bars = [
        dbn.OHLCVMsg(rtype=0x23, publisher_id=2, instrument_id=5, ts_event=round(day) * units,
                     open=units, high=units, low=units, close=units, volume=7)
        for day in days
    ]  # fmt: skip
    content = b"".join(map(bytes, (metadata, *bars)))
    (folder / "dbn").mkdir()
    file = folder / "dbn" / "xnas-itch.ohlcv-1d.dbn.zst"
    file.write_bytes(pa.Codec("zstd").compress(content, asbytes=True))


# Permno 10001: 2 for 1 on the 4th, a dividend of 0.40 on the 5th, delisted at -30% after the 8th.
# 10002: no trade on the 4th (average of bid and ask), no price on the 5th, a code in ret.
DSF = """PERMNO,date,PRC,OPENPRC,ASKHI,BIDLO,VOL,RET,CFACPR,CFACSHR
10001,2024-01-02,100.00,99,101,98,1000,C,2.0,2.0
10001,2024-01-03,102.00,100,103,99,1100,0.020000,2.0,2.0
10001,2024-01-04,52.00,51,53,50,2500,0.019608,1.0,1.0
10001,2024-01-05,51.60,52,53,51,2400,0.000000,1.0,1.0
10001,2024-01-08,50.00,51,52,49,2300,-0.031008,1.0,1.0
10002,2024-01-02,20.00,20,21,19,900,0.010000,1.0,1.0
10002,2024-01-03,21.00,20,22,19,900,0.050000,1.0,1.0
10002,2024-01-04,-20.50,,20.75,20.25,0,-0.023810,1.0,1.0
10002,2024-01-05,,,,,-99,B,1.0,1.0
10002,2024-01-08,22.00,21,22.5,20.5,950,-66.0,1.0,1.0
10002,2024-01-09,23.00,22,23.5,21.5,950,0.045455,1.0,1.0
"""
DSEDELIST = """permno,dlstdt,dlstcd,dlret
10001,2024-01-08,570,-0.30
10002,2024-01-09,100,
"""
DSF_V2 = """permno,dlycaldt,dlyprc,dlyprcflg,dlyopen,dlyhigh,dlylow,dlyvol,dlyret,\
dlycumfacpr,dlycumfacshr,dlydelflg
10001,2024-01-02,100.00,TR,99,101,98,1000,,2.0,2.0,N
10001,2024-01-03,102.00,TR,100,103,99,1100,0.020000,2.0,2.0,N
10001,2024-01-04,52.00,TR,51,53,50,2500,0.019608,1.0,1.0,N
10001,2024-01-05,51.60,TR,52,53,51,2400,0.000000,1.0,1.0,N
10001,2024-01-08,50.00,TR,51,52,49,2300,-0.031008,1.0,1.0,N
10001,2024-01-09,35.00,DP,,,,,-0.300000,1.0,1.0,Y
10002,2024-01-02,20.00,TR,20,21,19,900,0.010000,1.0,1.0,N
10002,2024-01-03,21.00,TR,20,22,19,900,0.050000,1.0,1.0,N
10002,2024-01-04,20.50,BA,,20.75,20.25,0,-0.023810,1.0,1.0,N
10002,2024-01-05,,MP,,,,,,1.0,1.0,N
10002,2024-01-08,22.00,TR,21,22.5,20.5,950,,1.0,1.0,N
10002,2024-01-09,23.00,TR,22,23.5,21.5,950,0.045455,1.0,1.0,N
"""


def write_crsp(folder: Path) -> None:
    """The daily file in both layouts."""
    for name, text in (("dsf", DSF), ("dsedelist", DSEDELIST), ("dsf_v2", DSF_V2)):
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")


def run_of(catalog: Catalog, n: int = 1) -> BacktestResult:
    """A run that buys and sells: at each bar the cheapest."""
    return BacktestEngine(catalog, TopN(n, by="-close"), initial_capital=1_000_000.0).run()


WRITERS: dict[str, Callable[[Path], None]] = {
    "databento_dbn": write_dbn,
    "lean_zip": write_lean,
    "qlib_bin": write_qlib,
    "zipline_bundle": write_bundle,
    "zipline_csvdir": write_csvdir,
    "binance_klines": write_klines,
    "crsp": write_crsp,
    "firstrate": write_firstrate,
    "kibot": write_kibot,
    "sharadar": write_sharadar,
    "yfinance": write_yfinance,
}
