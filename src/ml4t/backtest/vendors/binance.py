"""Binance: the archives of data.binance.vision."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ml4t.backtest.data.sources.adapted import Adapted, Change
from ml4t.backtest.errors import DataError
from ml4t.backtest.vendors.reading import Paths, headless, source_of, texts_in, without_repeats

if TYPE_CHECKING:
    import polars as pl

_COLUMNS = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume",
    "n_trades", "taker_buy_volume", "taker_buy_quote_volume", "ignore",
)  # fmt: skip
_NAME = re.compile(r"(?P<symbol>.+?)-(?P<interval>\d+(?:s|m|h|d|w|mo|M))-\d{4}-\d{2}(?:-\d{2})?")
# Contracts that pay in the coin: BTCUSD_PERP, BTCUSD_240628.
_COIN_MARGINED = re.compile(r".+USD_(PERP|\d{6})")
# As milliseconds this is the year 5138, as microseconds 1973.
_FIRST_MICROSECOND = 100_000_000_000_000
_US_PER_MS = 1_000


def binance_klines(paths: Paths) -> Adapted:
    """Read klines of Binance's archives: prices, as traded.

    Layout: 12 columns (open time, OHLC, volume, close time, volume in quote, trades, volumes of
    takers, and one to ignore); files of spot markets have no header, those of futures have one
    since 2022. ``BTCUSDT-1m-2024-01.csv``, alone or in its zip: symbol and interval are in the
    name only.

    - Stamps are milliseconds, in spot files from 2025-01-01 on microseconds: each is told by its
      size.
    - A bar is named by its open. We take its close time, the last millisecond of the bar, in UTC;
      bars of a day or more get the date (in UTC) of their last day.
    - Monthly and daily archives overlap: rows that are the same in both are taken once.
    - Volume of contracts on coins (``BTCUSD_PERP``) counts contracts of 100 or 10 USD: ``volume``
      is the coins instead, ``contracts`` the count. They pay in coin, which no run here does.
    - Minutes without a trade have a volume of 0, and nothing fills there; those of an outage of
      the exchange are missing.

    Parameters
    ----------
    paths : path, glob, folder or list of paths
        To ``.csv``, ``.csv.gz`` or ``.zip`` files of one interval.

    Returns
    -------
    Adapted
        ``prices`` with ``quote_volume``, ``n_trades``, ``taker_buy_volume`` and
        ``taker_buy_quote_volume``; ``asset_id`` is the symbol.

    Raises
    ------
    DataError
        A file has another layout or name, or there are several intervals.

    Notes
    -----
    Sources: README of github.com/binance/binance-public-data and its issues 246 (header of
    futures), 283 (none of spot) and 386 (microseconds), read in November 2026.
    """
    import polars as pl

    intervals: dict[str, str] = {}
    frames = []
    for name, text in texts_in("binance_klines", paths, (".csv",)):
        match = _NAME.fullmatch(name)
        if match is None:
            raise DataError(
                "binance_klines", "layout", f"tells symbol and interval by the name, was {name!r}; "
                "name it as Binance does: BTCUSDT-1m-2024-01.csv",
            )  # fmt: skip
        intervals.setdefault(match["interval"], name)
        # Sixteen digits of a time are more than a double is sure of.
        frame = headless("binance_klines", name, text, _COLUMNS, texts=("open_time", "close_time"))
        frames.append(frame.with_columns(pl.lit(match["symbol"]).alias("asset_id")))
    if len(intervals) > 1:
        raise DataError(
            "binance_klines", "layout", f"has bars of several lengths: {', '.join(intervals)}; "
            f"pass those of one: vendors.binance_klines('klines/*-{next(iter(intervals))}-*.zip')",
        )  # fmt: skip
    klines, repeats = without_repeats(pl.concat(frames))
    klines, stamps = _stamped(klines, is_daily=next(iter(intervals))[-1] not in "smh")
    klines, coins = _in_coins(klines)
    prices = klines.drop("open_time", "close_time", "ignore")
    left_out = Change("open_time, ignore: left out")
    return Adapted(source_of("prices", prices, (*stamps, *coins, repeats, left_out)))


def _stamped(klines: pl.DataFrame, *, is_daily: bool) -> tuple[pl.DataFrame, list[Change]]:
    """Give every bar the time at which it closed, or its last day."""
    import polars as pl

    ticks = pl.col("close_time").cast(pl.Int64)
    in_us = pl.when(ticks < _FIRST_MICROSECOND).then(ticks * _US_PER_MS).otherwise(ticks)
    # To the millisecond for all: .999 and .999999 of one minute would be two bars.
    closed = (in_us // _US_PER_MS * _US_PER_MS).cast(pl.Datetime("us", "UTC"))
    n_us = klines.select((ticks >= _FIRST_MICROSECOND).sum()).item()
    stamped = klines.select(
        (closed.dt.date() if is_daily else closed).alias("timestamp"),
        "asset_id",
        pl.exclude("asset_id"),
    )
    what = "the UTC date of close_time" if is_daily else "close_time in UTC"
    return stamped, [
        Change(f"timestamp: {what}, not the open that names a bar", len(klines)),
        Change("open_time, close_time: read as microseconds", n_us),
    ]


def _in_coins(klines: pl.DataFrame) -> tuple[pl.DataFrame, list[Change]]:
    """Count the volume of contracts on coins in coins, as that of all others."""
    import polars as pl

    is_coin = pl.col("asset_id").str.contains(f"^{_COIN_MARGINED.pattern}$")
    n_rows = klines.select(is_coin.sum()).item()
    if not n_rows:
        return klines, []
    counted = klines.with_columns(
        pl.when(is_coin).then("volume").alias("contracts"),
        pl.when(is_coin).then("quote_volume").otherwise("volume").alias("volume"),
        pl.when(is_coin).then(None).otherwise("quote_volume").alias("quote_volume"),
    )
    return counted, [
        Change("volume: coins, from quote_volume; contracts: the volume of the file", n_rows),
        Change("contracts pay in coin; a run books them as if they paid in USD", n_rows),
    ]
