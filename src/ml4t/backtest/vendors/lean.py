"""LEAN: QuantConnect's data folder of US and other equities."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ml4t.backtest.data.sources.adapted import Adapted, Change
from ml4t.backtest.errors import ConfigError, DataError
from ml4t.backtest.vendors.lean_factors import ActionRow, actions_from
from ml4t.backtest.vendors.reading import in_units, lines_of, source_of

if TYPE_CHECKING:
    import polars as pl

_COLUMNS = ["time", "open", "high", "low", "close", "volume"]
_PRICES = ["open", "high", "low", "close"]
_PRICE_UNITS = 10_000
_LENGTHS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "daily": None}
# Of an asset that trades on, files name a day far ahead.
_FAR_AHEAD = date(2050, 1, 1)
# An asset, what it was called, and the days of that name, both inclusive.
Named = tuple[str, str, date, date]


def lean_zip(
    folder: str | Path,
    *,
    resolution: Literal["daily", "hour", "minute"] = "daily",
    market: str = "usa",
) -> Adapted:
    """Read equities of LEAN's data folder: prices, as traded, and their actions.

    Layout: below ``equity/<market>``, ``daily/spy.zip`` and ``hour/spy.zip`` with one CSV of all
    bars (``20131001 09:00``, OHLC, volume), ``minute/spy/20131001_trade.zip`` with one of a day
    (milliseconds since midnight, OHLC, volume); ``factor_files/spy.csv`` and ``map_files/spy.csv``.

    - Prices are whole numbers of 1/10,000.
    - Times are those of the exchange, without a zone, and of the bar's open. We take its end, in
      the same time; bars of a day get their date.
    - Files of bars go by the ticker of the day, and a ticker may have been several companies. A map
      file is one company: each line has the last day of a ticker. ``asset_id`` is the name of the
      map file (``TWX.1``), or the ticker where there is none; bars of days that no map file has
      are left out.
    - A map file that ends before 2050 ends in a delisting, at a price that is not known: the day
      after its last.
    - A line of a factor file has the factors of all days up to its date, that included; they change
      on the day after, which is our ex_date. A split is the quotient of two split factors; they are
      rounded, so that 6.99999 becomes 7 (within 0.03%). A dividend is the reference price, or the
      close of that day where the file has none, times one less the quotient of two price factors,
      to 4 digits. It is paid on its ex-date: there is no pay date. Spin-offs are dividends in them.
    - Bars without a trade are missing; quotes, and lines of factors that are infinite, are not
      read.

    Parameters
    ----------
    folder : path
        The data folder, that has ``equity`` in it.
    resolution : {"daily", "hour", "minute"}
    market : str, default "usa"

    Returns
    -------
    Adapted
        ``prices`` and, where there are any, ``actions``.

    Raises
    ------
    ConfigError
        Another resolution.
    DataError
        The folder has another layout.

    Notes
    -----
    Sources: Data/equity/readme.md, Common/Data/Auxiliary/CorporateFactorRow.cs and MapFile.cs of
    github.com/QuantConnect/Lean, and sample files of its folder Data, read in November 2026.
    """
    import polars as pl

    if resolution not in _LENGTHS:
        raise ConfigError(
            f"lean_zip: resolution must be of {', '.join(_LENGTHS)}, was {resolution!r}"
        )
    root = Path(folder).expanduser() / "equity" / market
    frames = [_bars(ticker, archives, _LENGTHS[resolution])
              for ticker, archives in _archives(root, resolution)]  # fmt: skip
    table = pl.concat(frames)
    spans = list(_spans(root / "map_files"))
    named, changes = _named(table, spans)
    prices = named.drop("ticker", "day")
    length = _LENGTHS[resolution]
    stamped = "its date" if length is None else f"moved by {length} from the bar's open to its end"
    closes = named.group_by("asset_id", "day").agg(pl.col("close").sort_by("timestamp").last())
    found, told = actions_from(root / "factor_files", closes)
    ended = _delistings(spans, set(prices["asset_id"].unique()))
    has_actions = bool(found or ended)
    source = source_of("prices", prices, (
        Change("open, high, low, close: divided by 10,000", len(prices)),
        Change(f"timestamp: {stamped}, in the exchange's time", len(prices)),
        *changes, *(() if has_actions else told),
    ))  # fmt: skip
    if not has_actions:
        return Adapted(source)
    kinds = {"asset_id": pl.String, "ex_date": pl.Date, "kind": pl.String, "value": pl.Float64}
    actions = pl.DataFrame([*found, *ended], schema=kinds, orient="row")
    return Adapted(source, source_of("actions", actions, (
        *told, Change("delisting: the day after a map file's last, at a price that is not known",
                      len(ended)),
    )))  # fmt: skip


def _archives(root: Path, resolution: str) -> list[tuple[str, list[Path]]]:
    """Return tickers with their archives."""
    here = root / resolution
    if resolution == "minute":
        found = [(one.name, sorted(one.glob("*_trade.zip"))) for one in sorted(here.glob("*/"))]
    else:
        found = [(one.stem, [one]) for one in sorted(here.glob("*.zip"))]
    found = [(ticker.upper(), archives) for ticker, archives in found if archives]
    if not found:
        raise DataError(
            "lean_zip", "layout", f"finds no archives of bars in {here}; pass the data folder, and "
            "what there is of it: vendors.lean_zip('Data', resolution='minute', market='usa')",
        )  # fmt: skip
    return found


def _bars(ticker: str, archives: list[Path], length: timedelta | None) -> pl.DataFrame:
    """Return the bars of a ticker, with the day of their exchange."""
    import polars as pl

    frames = []
    for archive in archives:
        frame = _text_of(archive)
        if archive.stem.endswith("_trade"):
            midnight = datetime.strptime(archive.stem[:8], "%Y%m%d")
            opened = pl.lit(midnight) + pl.duration(milliseconds=pl.col("time").cast(pl.Int64))
        else:
            opened = pl.col("time").str.to_datetime("%Y%m%d %H:%M", time_unit="us")
        frames.append(frame.with_columns(opened.dt.cast_time_unit("us").alias("opened")))
    day = pl.col("opened").dt.date()
    bars = pl.concat(frames).select(
        (day if length is None else pl.col("opened") + length).alias("timestamp"),
        pl.lit(ticker).alias("asset_id"),
        pl.col(_PRICES).cast(pl.Float64),
        pl.col("volume").cast(pl.Float64),
        pl.lit(ticker).alias("ticker"),
        day.alias("day"),
    )
    return in_units(bars, _PRICES, _PRICE_UNITS)


def _text_of(archive: Path) -> pl.DataFrame:
    """Return the rows of the one CSV file of an archive, as texts."""
    import polars as pl

    try:
        with zipfile.ZipFile(archive) as opened:
            (member,) = opened.namelist()
            content = opened.read(member)
    except (ValueError, zipfile.BadZipFile) as error:
        raise DataError(
            "lean_zip", "layout", f"finds no archive of one file in {archive}"
        ) from error
    frame = pl.read_csv(BytesIO(content), has_header=False, infer_schema=False)
    if frame.width != len(_COLUMNS):
        raise DataError(
            "lean_zip", "layout", f"has {frame.width} columns in {archive.name}, where there are "
            f"{len(_COLUMNS)}: {', '.join(_COLUMNS)}",
        )  # fmt: skip
    return frame.rename(dict(zip(frame.columns, _COLUMNS, strict=True)))


def _spans(folder: Path) -> Iterable[Named]:
    """Yield what each company was called from when until when."""
    for file in sorted(folder.glob("*.csv")):
        lines = [line.split(",") for line in lines_of("lean_zip", file)]
        rows = sorted((datetime.strptime(day, "%Y%m%d").date(), ticker.upper())
                      for day, ticker, *_ in lines)  # fmt: skip
        for i, ((before, _), (last, ticker)) in enumerate(pairwise(rows)):
            first = before if i == 0 else before + timedelta(days=1)
            yield file.stem.upper(), ticker, first, last


def _named(table: pl.DataFrame, spans: list[Named]) -> tuple[pl.DataFrame, list[Change]]:
    """Give bars of a ticker to the company that had it on that day."""
    import polars as pl

    kinds = {"company": pl.String, "ticker": pl.String, "first": pl.Date, "last": pl.Date}
    held = pl.DataFrame(spans, schema=kinds, orient="row")
    is_mapped = pl.col("ticker").is_in(held["ticker"].unique().to_list())
    named = (
        table.filter(is_mapped)
        .join(held, on="ticker")
        .filter(pl.col("day").is_between("first", "last"))
        .with_columns(pl.col("company").alias("asset_id"))
        .select(table.columns)
    )
    others = table.filter(~is_mapped)
    n_renamed = named.filter(pl.col("asset_id") != pl.col("ticker")).height
    return pl.concat([named, others]), [
        Change("asset_id: the map file of the company that had the ticker that day", n_renamed),
        Change("bars of days that no map file of their ticker has, left out",
               len(table) - len(named) - len(others)),
    ]  # fmt: skip


def _delistings(spans: list[Named], traded: set[str]) -> list[ActionRow]:
    """Return the ends of companies that have bars."""
    last_days: dict[str, date] = {}
    for company, _, _, last in spans:
        last_days[company] = max(last, last_days.get(company, last))
    return [
        (company, last + timedelta(days=1), "delisting", None)
        for company, last in last_days.items()
        if last < _FAR_AHEAD and company in traded
    ]
