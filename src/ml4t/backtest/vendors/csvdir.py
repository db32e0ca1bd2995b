"""Zipline's csvdir: one CSV file per asset, with its splits and dividends in columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ml4t.backtest.data.sources.adapted import Adapted, Change
from ml4t.backtest.errors import ConfigError, DataError
from ml4t.backtest.vendors.reading import as_days, source_of, texts_in

if TYPE_CHECKING:
    import polars as pl

_NUMBERS = ("open", "high", "low", "close", "volume")
_ACTIONS = ("split", "dividend")


def zipline_csvdir(
    folder: str | Path, *, frequency: Literal["daily", "minute"] = "daily"
) -> Adapted:
    """Read a folder as Zipline's csvdir has it: prices, as traded, and their actions.

    Layout: ``daily/AAPL.csv`` or ``minute/AAPL.csv`` (or ``.csv.gz``), named by the symbol; the
    first column is the date, the others are open, high, low, close, volume and, where there are
    any, dividend and split.

    - ``split`` is new shares per old, on the first day of the new ones; 1 is none. 0, and nothing
      at all, are none here too (Zipline divides by it).
    - ``dividend`` is cash per share on its ex-date. There is no pay date: it is paid that day here.
    - Prices must be as traded. Those of a download that are adjusted for splits already would
      count each split twice: splits of more than 4 that the price does not follow are refused,
      smaller ones are a warning.
    - Minutes are stamped in UTC, at the end of the bar.

    Parameters
    ----------
    folder : path
        That has the folder ``daily`` or ``minute`` in it.
    frequency : {"daily", "minute"}

    Returns
    -------
    Adapted
        ``prices`` and, where files have their columns, ``actions``.

    Raises
    ------
    ConfigError
        Another frequency.
    DataError
        A file has another layout.

    Notes
    -----
    Source: data/bundles/csvdir.py of github.com/stefan-jansen/zipline-reloaded 3.0.4, November
    2025; tested on files that csvdir of zipline-reloaded 3.2.1 took.
    """
    import polars as pl

    if frequency not in ("daily", "minute"):
        raise ConfigError(f"zipline_csvdir: frequency must be 'daily' or 'minute': {frequency!r}")
    here = Path(folder).expanduser() / frequency
    if not here.is_dir():
        raise DataError(
            "zipline_csvdir", "layout", f"finds no folder {frequency!r} in {here.parent}; pass the "
            "one above it: vendors.zipline_csvdir('csvdir')",
        )  # fmt: skip
    table = pl.concat(
        [_table(name, text, frequency) for name, text in
         texts_in("zipline_csvdir", here, (".csv",))],
        how="diagonal",
    )  # fmt: skip
    others = [name for name in table.columns
              if name not in ("timestamp", "asset_id", *_NUMBERS, *_ACTIONS)]  # fmt: skip
    left_out = Change(f"columns left out, as Zipline does: {', '.join(others)}")
    prices = source_of("prices", table.drop(*others, *_ACTIONS, strict=False), (
        Change("timestamp: the first column"),
        left_out if others else None,
    ))  # fmt: skip
    if not set(_ACTIONS) & set(table.columns):
        return Adapted(prices)
    actions, n_none = _actions(table)
    return Adapted(prices, source_of("actions", actions, (
        Change("ex_date: the first column"),
        Change("split: 0 or missing, taken for none", n_none),
    )))  # fmt: skip


def _table(name: str, text: bytes, frequency: str) -> pl.DataFrame:
    """Return the rows of a file under our names and types."""
    import polars as pl

    frame = pl.read_csv(text, infer_schema=False, null_values=[""])
    stamp, *others = frame.columns
    frame = frame.rename({stamp: "timestamp"} | {one: one.strip().lower() for one in others})
    lacking = [one for one in _NUMBERS if one not in frame.columns]
    if lacking:
        raise DataError(
            "zipline_csvdir", "layout", f"has no {', '.join(lacking)} in {name}.csv, whose columns "
            f"are {', '.join(frame.columns)}",
        )  # fmt: skip
    times = pl.col("timestamp").str.replace(r"(Z|\+00:00)$", "")
    kind = as_days("timestamp") if frequency == "daily" else times.str.to_datetime(
        time_unit="us", time_zone="UTC"
    )  # fmt: skip
    present = [one for one in (*_NUMBERS, *_ACTIONS) if one in frame.columns]
    try:
        return frame.with_columns(
            kind, pl.col(present).cast(pl.Float64), pl.lit(name).alias("asset_id")
        ).select("timestamp", "asset_id", pl.exclude("timestamp", "asset_id"))
    except pl.exceptions.PolarsError as error:
        what = str(error).splitlines()[0]
        raise DataError(
            "zipline_csvdir", "readable", f"could not read {name}.csv: {what}"
        ) from error


def _actions(table: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Return splits and dividends, and how many rows say of a split that there is none oddly."""
    import polars as pl

    missing = [pl.lit(None, pl.Float64).alias(one) for one in _ACTIONS if one not in table.columns]
    rows = table.with_columns(missing)
    is_odd = pl.col("split").is_null() | pl.col("split").is_nan() | (pl.col("split") == 0)
    n_odd = rows.select(is_odd.sum()).item() if "split" in table.columns else 0
    is_paid = pl.col("dividend").is_not_null() & pl.col("dividend").is_not_nan()
    found = [
        rows.filter(~is_odd & (pl.col("split") != 1)).select(_as_action("split")),
        rows.filter(is_paid & (pl.col("dividend") != 0)).select(_as_action("dividend")),
    ]
    return pl.concat(found), n_odd


def _as_action(kind: str) -> list[pl.Expr]:
    import polars as pl

    return [
        pl.col("asset_id"),
        pl.col("timestamp").dt.date().alias("ex_date"),
        pl.lit(kind).alias("kind"),
        pl.col(kind).alias("value"),
    ]
