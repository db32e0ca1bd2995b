"""Zipline: folders of CSV files, and the bundles that it makes of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml4t.backtest.core.tolerances import SPLIT_INVERTED
from ml4t.backtest.data.sources.adapted import Adapted, AdaptedSource, Change
from ml4t.backtest.data.sql_files import rows_of
from ml4t.backtest.errors import DataError
from ml4t.backtest.vendors.bcolz import column_of
from ml4t.backtest.vendors.ratios import simple_ratio
from ml4t.backtest.vendors.reading import in_units, source_of

if TYPE_CHECKING:
    import polars as pl

_PRICES = ["open", "high", "low", "close"]
_BARS, _ADJUSTMENTS = "daily_equities.bcolz", "adjustments.sqlite"
_PRICE_UNITS = 1_000
# What NaT becomes as a number.
_NO_TIME = -(2**63)


def zipline_bundle(folder: str | Path) -> Adapted:
    """Read the daily bars of a Zipline bundle: prices, as traded, and their actions. Needs `blosc`.

    Layout: ``daily_equities.bcolz`` (columns open, high, low, close, volume, day, id),
    ``adjustments.sqlite`` (splits, mergers, dividends, dividend_payouts, stock_dividend_payouts)
    and ``assets-7.sqlite`` (equities, equity_symbol_mappings), in a folder per ingestion.

    - Prices are whole numbers of 1/1000 in 32 bits. 0 is no price: such bars are left out, and so
      are prices below 0.0005, which were rounded to it.
    - Volume has 32 bits; what was larger than 4,294,967,295 the writer set to 0. 0 of a bar whose
      price moved becomes NULL (nobody counted), else it would be a halt.
    - A split's ratio is old shares per new; ours is the inverse.
    - ``dividends`` has ratios made of ``dividend_payouts``, which alone are read: with both, every
      dividend would count twice.
    - A dividend without a pay date (every one that came by csvdir) is paid on its ex-date here.
    - Mergers change past prices alone, and stock dividends in another asset are not known here:
      both are left out. Those in the asset itself are splits.
    - Where an asset ends before the bundle does, Zipline closes positions at the last price on its
      ``auto_close_date``: a ``delisting`` without a price.
    - An asset is its newest symbol, whatever it was called before; where several had that one,
      with its number behind it.

    Parameters
    ----------
    folder : path
        Of an ingestion, or of a bundle, whose newest is taken: ``~/.zipline/data/quandl``.

    Returns
    -------
    Adapted
        ``prices`` and, where there are any, ``actions``.

    Raises
    ------
    ConfigError
        ``blosc`` is not installed.
    DataError
        The folder has another layout.

    Notes
    -----
    Source: bcolz_daily_bars.py, adjustments.py and asset_db_schema.py of
    github.com/stefan-jansen/zipline-reloaded 3.0.4, November 2025; tested on a bundle that
    zipline-reloaded 3.2.1 with bcolz-zipline 1.13.0 wrote.
    """
    root, chosen = _ingestion(Path(folder))
    names, named = _names(root)
    bars, changes = _bars(root, names)
    prices = source_of("prices", bars, (chosen, named, *changes))
    actions = _actions(root, names, bars)
    return Adapted(prices, actions) if actions is not None else Adapted(prices)


def _ingestion(folder: Path) -> tuple[Path, Change | None]:
    """Return the folder that has the bars, of several ingestions the newest."""
    folder = folder.expanduser()
    if (folder / _BARS).is_dir():
        return folder, None
    found = sorted(path.parent for path in folder.glob(f"*/{_BARS}"))
    if not found:
        raise DataError(
            "zipline_bundle", "layout", f"finds no {_BARS} in {folder}; pass the folder of a "
            "bundle: vendors.zipline_bundle('~/.zipline/data/quandl')",
        )  # fmt: skip
    return found[-1], Change(f"ingestion {found[-1].name}, the newest of {len(found)}")


def _records(file: Path, table: str, columns: str) -> list[tuple[Any, ...]]:
    """Return the rows of a table of an SQLite file."""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute(rows_of(table, columns)).fetchall()
    except sqlite3.Error as error:
        raise DataError(
            "zipline_bundle", "layout", f"could not read {table} of {file}: {error}"
        ) from error


def _assets_file(root: Path) -> Path:
    found = sorted(root.glob("assets-*.sqlite"))
    if not found:
        raise DataError("zipline_bundle", "layout", f"finds no assets-*.sqlite in {root}")
    return found[-1]


def _names(root: Path) -> tuple[dict[int, str], Change]:
    """Return the newest symbol of every asset, told apart where several had it."""
    rows = _records(_assets_file(root), "equity_symbol_mappings", "sid, symbol, end_date")
    newest = {sid: symbol for sid, symbol, _ in sorted(rows, key=lambda row: row[2])}
    held = list(newest.values())
    names = {
        sid: symbol if held.count(symbol) == 1 else f"{symbol}.{sid}"
        for sid, symbol in newest.items()
    }
    n_shared = sum(names[sid] != newest[sid] for sid in names)
    shared = f"; {n_shared} with its number, of symbols that several had" if n_shared else ""
    return names, Change(f"asset_id: the newest symbol of id{shared}")


def _bars(root: Path, names: dict[int, str]) -> tuple[pl.DataFrame, list[Change]]:
    """Return the bars in prices and dates."""
    import polars as pl

    table = pl.DataFrame({
        name: column_of("zipline_bundle", root / _BARS / name)
        for name in (*_PRICES, "volume", "day", "id")
    })  # fmt: skip
    known = pl.DataFrame(
        {"id": list(names), "asset_id": list(names.values())},
        schema={"id": pl.UInt32, "asset_id": pl.String},
    )
    priced = table.filter(pl.all_horizontal(pl.col(_PRICES) > 0))
    # An inner join would drop assets in silence; Zipline cannot trade what has no symbol either.
    named = priced.join(known, on="id")
    is_lost = (pl.col("volume") == 0) & (pl.col("high") > pl.col("low"))
    n_lost = named.select(is_lost.sum()).item()
    bars = named.select(
        (pl.col("day").cast(pl.Int64) * 1_000_000).cast(pl.Datetime("us")).dt.date()
        .alias("timestamp"),
        "asset_id",
        *_PRICES,
        pl.when(is_lost).then(None).otherwise("volume").alias("volume"),
    )  # fmt: skip
    return in_units(bars, _PRICES, _PRICE_UNITS), [
        Change("open, high, low, close: divided by 1000", len(bars)),
        Change("bars with a price of 0, left out", len(table) - len(priced)),
        Change("bars of assets without a symbol, left out", len(priced) - len(named)),
        Change("volume: 0 of a bar whose price moved, as of one too large for 32 bits, set to NULL",
               n_lost),
    ]  # fmt: skip


def _actions(root: Path, names: dict[int, str], bars: pl.DataFrame) -> AdaptedSource | None:
    """Return splits, dividends and delistings; None where there are none."""
    import polars as pl

    file = root / _ADJUSTMENTS
    splits = _records(file, "splits", "sid, effective_date, ratio")
    paid = _records(file, "dividend_payouts", "sid, ex_date, amount, pay_date")
    stock = _records(file, "stock_dividend_payouts", "sid, ex_date, ratio, payment_sid")
    n_mergers = len(_records(file, "mergers", "sid"))
    closed = _records(_assets_file(root), "equities", "sid, auto_close_date")
    own = [(sid, day, 1 + ratio) for sid, day, ratio, other in stock if other == sid]
    rows = [
        *((sid, day, "split", simple_ratio(1 / ratio, SPLIT_INVERTED), None)
          for sid, day, ratio in splits),
        *((sid, day, "split", value, None) for sid, day, value in own),
        *((sid, day, "dividend", amount, None if pay == _NO_TIME else pay)
          for sid, day, amount, pay in paid),
        *((sid, close // 1_000_000_000, "delisting", None, None)
          for sid, close in closed if close not in (None, _NO_TIME)),
    ]  # fmt: skip
    kinds = {"sid": pl.Int64, "ex_date": pl.Int64, "kind": pl.String, "value": pl.Float64,
             "pay_date": pl.Int64}  # fmt: skip
    days = (pl.col("ex_date", "pay_date") * 1_000_000).cast(pl.Datetime("us")).dt.date()
    last_day = bars["timestamp"].max()
    table = pl.DataFrame(rows, schema=kinds, orient="row").with_columns(days).with_columns(
        pl.col("sid").replace_strict(names, default=None, return_dtype=pl.String).alias("asset_id")
    )  # fmt: skip
    known = table.filter(pl.col("asset_id").is_not_null())
    # Those of assets that live are the day after the bundle's last.
    counted = known.filter((pl.col("kind") != "delisting") | (pl.col("ex_date") <= last_day))
    if counted.is_empty() and not (stock or n_mergers):
        return None
    n_unpaid = counted.filter((pl.col("kind") == "dividend") & pl.col("pay_date").is_null()).height
    return source_of("actions", counted.drop("sid").select("asset_id", pl.exclude("asset_id")), (
        Change("split: new shares per old, the inverse of ratio", len(splits)),
        Change("split: of a stock dividend in the asset itself", len(own)),
        Change("stock dividends in another asset, left out", len(stock) - len(own)),
        Change("mergers, which are of past prices alone, left out", n_mergers),
        Change("dividend without pay_date: paid on its ex_date", n_unpaid),
        Change("delisting: auto_close_date, at a price that is not known",
               counted.filter(pl.col("kind") == "delisting").height),
        Change("actions of assets without a symbol, left out", len(table) - len(known)),
    ))  # fmt: skip
