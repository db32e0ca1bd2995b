"""Yahoo: the frames of the package yfinance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml4t.backtest.core.tolerances import IN_RANGE
from ml4t.backtest.data.sources.adapted import Adapted, Change
from ml4t.backtest.errors import ConfigError, DataError
from ml4t.backtest.vendors.reading import (
    at_bar_end,
    bar_from,
    lines_of,
    reading,
    smallest_gap,
    source_of,
)

if TYPE_CHECKING:
    import polars as pl

_PRICES = ("Open", "High", "Low", "Close")
_AMOUNTS = ("Dividends", "Stock Splits", "Capital Gains")
_FIELDS = {*_PRICES, "Adj Close", "Volume", *_AMOUNTS, "Repaired?"}
_WEEK, _MONTH = timedelta(days=5), timedelta(days=28)
# Of back_adjust=True many closes before a dividend lie above their high; of Yahoo's errors few do.
_MOST_ABOVE = 0.05


def yfinance(
    frame: Any, *, asset_id: str | None = None, bar: str | timedelta | None = None
) -> Adapted:
    """Read what yfinance downloads: prices, and the dividends that belong to them.

    Layout: ``yfinance.download(...)``, columns by field and ticker in either order; or
    ``Ticker(...).history(...)``, one asset; or either saved with ``to_csv``.

    - By default (``auto_adjust=True``) prices are adjusted for splits and dividends: no actions
      belong to them, and there are none. Yahoo counts capital gains of funds twice in them.
    - With ``auto_adjust=False, actions=True`` prices, volumes and dividends are adjusted for
      splits only: dividends are the actions, splits are left out, and so is ``Adj Close``. Where
      Yahoo has a fund's capital gains within ``Dividends`` (the fall of the price tells) they
      count once.
    - ``back_adjust=True`` leaves ``Close`` as it was next to adjusted others: refused.
    - Days of other exchanges, and tickers that failed, are rows without prices: left out. One that
      failed has an empty ``Adj Close``, among adjusted ones too.
    - FX and some indices have a volume of 0 throughout, which would halt them: missing instead.
    - Daily stamps are midnights, of an exchange's zone with ``history``: dates. Intraday bars are
      named by their open, weekly and monthly ones by their first day: we stamp them at their end.
    - The last bar may still be under way when it is downloaded; nothing in it says so.

    Parameters
    ----------
    frame : pandas.DataFrame, mapping of str to pandas.DataFrame, or path
        What was downloaded, several ``history`` frames by ticker, or a CSV of one.
    asset_id : str, optional
        The ticker of a frame that does not name it.
    bar : str or timedelta, optional
        Length of an intraday bar. By default the smallest gap between two.

    Returns
    -------
    Adapted
        ``prices``, and ``actions`` where there are dividends beside prices without them.

    Raises
    ------
    DataError
        It is no such frame, or back-adjusted.

    Notes
    -----
    Sources: yfinance 1.7.0 (``utils.auto_adjust``, ``back_adjust``, ``multi.download``), its page
    "Price adjustment" and its issues 687 and 2666, read in November 2026. Tested on frames that
    yfinance 1.7.0 made of made-up answers.
    """
    import polars as pl

    parts = [_asset(name, one) for name, one in _frames(frame, asset_id)]
    if len({str(one.schema["timestamp"]) for one in parts}) > 1:
        raise DataError("yfinance", "layout", "has days of some tickers and times of others, or "
                        "times with a zone and without; download all of one interval")  # fmt: skip
    table = pl.concat(parts, how="diagonal").with_columns(
        pl.col(pl.Float64).fill_nan(None)  # pandas has no other word for a missing number
    )
    _require_one_adjustment(table)
    table, stamps = _at_end(table, bar_from("yfinance", bar))
    # A ticker that failed has an empty Adj Close, even among adjusted ones.
    is_adjusted = not table["Adj Close"].count()
    actions, said = _dividends(table, is_adjusted=is_adjusted)
    if not is_adjusted:
        said.append(Change("Adj Close: left out; it is Close less later dividends"))
    has_price = pl.any_horizontal(pl.col(name).is_not_null() for name in _PRICES)
    priced = table.filter(has_price)
    empty = Change("rows without a price, left out", len(table) - len(priced))
    failed = sorted(set(table["asset_id"]) - set(priced["asset_id"]))
    if not len(priced):
        raise DataError("yfinance", "layout", f"has no price at all, of {', '.join(failed)}")
    if failed:
        said.append(Change(f"assets without any price, left out: {', '.join(failed)}"))
    priced, uncounted = _counted_volume(priced)
    prices = priced.select(
        "timestamp", "asset_id", pl.col(*_PRICES, "Volume").name.to_lowercase()
    )  # fmt: skip
    # Adjusted for splits alone is neither: its dividends are actions.
    is_said = {"adjusted": True} if is_adjusted else {}
    sources = [source_of("prices", prices, (*said, *stamps, empty, uncounted), **is_said)]
    if len(actions):
        what = Change("actions: Dividends, adjusted for splits as the prices are", len(actions))
        sources.append(source_of("actions", actions, (what,)))
    return Adapted(*sources)


def _frames(frame: Any, asset_id: str | None) -> Iterator[tuple[str, Any]]:
    """Yield each ticker with its frame of fields."""
    if isinstance(frame, Mapping):
        for name, one in frame.items():
            yield from _frames(one, str(name))
        return
    if isinstance(frame, str | Path):
        frame = _saved(Path(frame))
    if not hasattr(frame, "columns") or not hasattr(frame, "index"):
        raise ConfigError(
            f"yfinance takes the pandas frame of yfinance.download, was a {type(frame).__name__}: "
            "vendors.yfinance(yfinance.download('AAPL MSFT', auto_adjust=False, actions=True))"
        )
    if frame.columns.nlevels == 1:
        if asset_id is None:
            raise ConfigError(
                "yfinance: the frame names no ticker; name it: "
                "vendors.yfinance(frame, asset_id='AAPL')"
            )
        yield asset_id, frame
        return
    levels = [set(frame.columns.get_level_values(i)) for i in range(frame.columns.nlevels)]
    fields = [i for i, found in enumerate(levels) if "Close" in found and found <= _FIELDS]
    if len(levels) != 2 or len(fields) != 1:
        raise DataError("yfinance", "layout", "has columns of two levels, neither of which is "
                        f"{', '.join(_PRICES)}; the first was {frame.columns[0]!r}")  # fmt: skip
    for name in dict.fromkeys(frame.columns.get_level_values(1 - fields[0])):
        yield str(name), frame.xs(name, axis=1, level=1 - fields[0])


def _saved(path: Path) -> Any:
    """Read what `to_csv` of a frame wrote."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ConfigError(
            "yfinance: reading a saved frame needs pandas: "
            "pip install 'ml4t-backtest-duckdb[pandas]'"
        ) from error
    if not path.is_file():
        raise DataError("yfinance", "readable", f"finds no file at {path}")
    has_levels = "".join(lines_of("yfinance", path)[:1]).startswith(("Price,", "Ticker,"))
    with reading("yfinance", path):
        frame = pd.read_csv(path, header=[0, 1] if has_levels else 0, index_col=0)
    texts = frame.index.astype(str)
    if set(texts.str[11:19]) <= {"", "00:00:00"}:  # days, whatever the offset of their zone
        frame.index = pd.DatetimeIndex(texts.str[:10], name="Date")
    else:
        has_zone = bool(texts.str.contains(r"[+-]\d\d:?\d\d$").all())
        frame.index = pd.DatetimeIndex(pd.to_datetime(texts, utc=has_zone), name="Datetime")
    return frame


def _asset(name: str, frame: Any) -> pl.DataFrame:
    """Return the rows of one ticker, its stamps as they are: dates, or times."""
    import polars as pl

    lacking = [one for one in (*_PRICES, "Volume") if one not in frame.columns]
    if lacking or not hasattr(frame.index, "tz"):
        what = f"lacks {', '.join(lacking)}" if lacking else "has no dates in its index"
        raise DataError("yfinance", "layout", f"{what} for {name}; its columns are "
                        f"{', '.join(map(str, frame.columns))}")  # fmt: skip
    local = frame.index.tz_localize(None)
    if frame.index.name == "Date" or bool((local == local.normalize()).all()):
        stamps = pl.Series("timestamp", list(local.date), dtype=pl.Date)
    else:
        utc = frame.index if frame.index.tz is None else frame.index.tz_convert("UTC")
        stamps = pl.Series("timestamp", utc.tz_localize(None).to_numpy().astype("M8[us]"))
        stamps = stamps.dt.replace_time_zone(None if frame.index.tz is None else "UTC")
    columns = [one for one in frame.columns if one in _FIELDS - {"Repaired?"}]
    values = {one: frame[one].to_numpy(dtype=float) for one in columns}
    values.setdefault("Adj Close", np.full(len(stamps), np.nan))
    return pl.DataFrame({"timestamp": stamps, "asset_id": [name] * len(stamps), **values})


def _require_one_adjustment(table: pl.DataFrame) -> None:
    """Refuse closes as they were next to highs that are adjusted, and assets of both kinds."""
    import polars as pl

    priced = table.drop_nulls("Close")
    kinds = priced.group_by("asset_id").agg(pl.col("Adj Close").is_null().all().alias("adjusted"))
    if kinds["adjusted"].n_unique() > 1:
        raise DataError(
            "yfinance", "layout", "has some tickers with Adj Close and some without; download all "
            "with auto_adjust=False, actions=True",
        )  # fmt: skip
    above = priced.select((pl.col("Close") > pl.col("High") * (1 + IN_RANGE)).mean()).item() or 0.0
    if kinds["adjusted"].all() and above > _MOST_ABOVE:
        raise DataError(
            "yfinance", "back_adjusted", f"has a Close above its High in {above:.0%} of the rows, "
            "as back_adjust=True makes them; download with auto_adjust=False, actions=True, or "
            "with auto_adjust=True",
        )  # fmt: skip


def _at_end(table: pl.DataFrame, bar: timedelta | None) -> tuple[pl.DataFrame, list[Change]]:
    """Stamp each bar when it was complete."""
    import polars as pl

    stamp = pl.col("timestamp")
    if table.schema["timestamp"] != pl.Date:
        moved, change = at_bar_end("yfinance", table, bar)
        return moved, [change]
    # A row of a day without prices shortens no gap between weeks.
    gap = bar or smallest_gap(table.drop_nulls("Close")) or timedelta(days=1)
    if gap < _WEEK:
        return table, []
    if gap < _MONTH:
        end = stamp + gap - timedelta(days=1)
    else:
        end = stamp.dt.offset_by(f"{round(gap / _MONTH)}mo") - timedelta(days=1)
    change = Change(f"timestamp: the last day of bars of {gap.days} days", len(table))
    return table.with_columns(end), [change]


def _dividends(
    table: pl.DataFrame, *, is_adjusted: bool
) -> tuple[pl.DataFrame, list[Change]]:  # fmt: skip
    """Return the cash that belongs to the prices as actions, and what was left out of it."""
    import polars as pl

    absent = [pl.lit(0.0).alias(name) for name in _AMOUNTS if name not in table.columns]
    cash, splits, gains = (pl.col(name).fill_null(0.0) for name in _AMOUNTS)
    before = pl.col("Close").forward_fill().shift().over("asset_id")
    fall = before - pl.col("Close")
    # Yahoo's Dividends have the gains in them, or not: what the price fell by is nearer to one.
    is_beside = (fall - cash - gains).abs() < (fall - cash).abs()
    is_within = (cash >= gains) & ~is_beside.fill_null(False)
    rows = table.sort("asset_id", "timestamp").with_columns(absent).with_columns(
        (splits > 0).alias("is_split"),
        ((gains > 0) & is_within).alias("has_gains_within"),
        ((gains > 0) & ~is_within).alias("has_gains_beside"),
        pl.when(is_within).then(cash).otherwise(cash + gains).alias("value"),
    )  # fmt: skip
    paid = rows.filter(pl.col("value") > 0)
    splits_in = Change("Stock Splits: left out, they are in the prices", _n(rows, "is_split"))
    if is_adjusted:
        return paid.clear(), [
            Change("prices: adjusted for splits and dividends; no actions belong to them"),
            Change("Dividends: left out, they are in the prices", len(paid)),
            splits_in,
        ]
    said = [
        Change("prices: adjusted for splits, not for dividends"),
        splits_in,
        Change("Capital Gains: within Dividends already", _n(rows, "has_gains_within")),
        Change("Capital Gains: added to Dividends", _n(rows, "has_gains_beside")),
    ]
    if "Dividends" not in table.columns:
        said.append(Change("dividends: there are none; download with actions=True to have them"))
    kind = pl.lit("dividend").alias("kind")
    return paid.select("asset_id", pl.col("timestamp").alias("ex_date"), kind, "value"), said


def _n(rows: pl.DataFrame, flag: str) -> int:
    return int(rows[flag].sum())


def _counted_volume(priced: pl.DataFrame) -> tuple[pl.DataFrame, Change]:
    """Take a volume of 0 throughout an asset for one that nobody counted."""
    import polars as pl

    is_counted = (pl.col("Volume") != 0).any().over("asset_id")
    counted = priced.with_columns(pl.when(is_counted).then("Volume").alias("Volume"))
    n_rows = counted["Volume"].null_count() - priced["Volume"].null_count()
    return counted, Change("volume: 0 throughout an asset, taken as missing", n_rows)
