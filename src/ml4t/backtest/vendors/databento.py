"""Databento: DBN files of bars."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml4t.backtest.data.packages import package
from ml4t.backtest.data.sources.adapted import Adapted, Change
from ml4t.backtest.errors import ConfigError, DataError
from ml4t.backtest.vendors.reading import Paths, files_in, in_units, source_of

if TYPE_CHECKING:
    import polars as pl

_BAR = np.dtype([
    ("length", "u1"), ("rtype", "u1"), ("publisher_id", "<u2"), ("instrument_id", "<u4"),
    ("ts_event", "<u8"), ("open", "<i8"), ("high", "<i8"), ("low", "<i8"), ("close", "<i8"),
    ("volume", "<u8"),
])  # fmt: skip
_SENT = [("ts_out", "<u8")]
_PRICES = ["open", "high", "low", "close"]
_PRICE_UNITS = 1_000_000_000
_UNDEFINED = np.iinfo(np.int64).max
_LENGTHS = {
    "ohlcv-1s": timedelta(seconds=1),
    "ohlcv-1m": timedelta(minutes=1),
    "ohlcv-1h": timedelta(hours=1),
    "ohlcv-1d": None,
    "ohlcv-eod": None,
}
_ZSTD = b"\x28\xb5\x2f\xfd"
# A record says its length in words of four bytes; what comes first in the file are 8 bytes of
# magic, version and the length of the metadata.
_WORD, _N_PROLOGUE = 4, 8


def databento_dbn(
    paths: Paths, *, publisher_id: int | None = None, rolls: str | None = None
) -> Adapted:
    """Read bars of Databento's DBN files: prices, as traded. Needs ``databento-dbn``.

    Layout: metadata (schema, symbols, which instrument id stood for which symbol on which days),
    then one record of 56 bytes per bar; the whole may be compressed by Zstandard.

    - Prices are whole numbers of 1e-9; the largest one means that there is none: such bars are
      left out.
    - ``ts_event`` is the bar's open, in UTC. We take its end. Bars of a day are days of UTC, which
      are no sessions: an evening session of a future is in two of them. They get that date.
    - Instrument ids are given out anew, on some venues every day: an asset is the symbol that its
      id had on that day (of UTC; the end of an interval is exclusive). What has none is called by
      its id.
    - A symbol of a continuous contract (``ES.c.0``) is several contracts, one after the other,
      without adjustment: a position held across a roll would earn the gap between two prices.
    - A consolidated dataset has a bar of each publisher: pass the one that you mean.
    - Seconds and minutes without a trade have no bar.
    - Nothing is adjusted, and there are no splits and dividends in DBN: register ``actions`` of
      your own beside it.

    Parameters
    ----------
    paths : path, glob, folder or list of paths
        To ``.dbn`` or ``.dbn.zst`` files of one ``ohlcv`` schema.
    publisher_id : int, optional
        Keep the bars of this publisher alone.
    rolls : {"spliced"}, optional
        Take continuous contracts as they are.

    Returns
    -------
    Adapted
        ``prices``.

    Raises
    ------
    ConfigError
        ``databento-dbn`` is not installed, or an argument is outside what it may be.
    DataError
        A file is no DBN, has no bars, or needs one of the arguments.

    Notes
    -----
    Source: rust/dbn of github.com/databento/dbn 0.54 (record.rs, symbol_map.rs), April 2026; tested
    on files of databento-dbn 0.72.0.
    """
    if rolls not in (None, "spliced"):
        raise ConfigError(f"databento_dbn: rolls must be 'spliced' or left out, was {rolls!r}")
    decode = package("databento_dbn", extra="databento").Metadata.decode
    frames: list[pl.DataFrame] = []
    schemas: dict[str, Path] = {}
    for file in files_in("databento_dbn", paths, (".dbn", ".dbn.zst")):
        metadata, records = _read(file, decode)
        schemas.setdefault(str(metadata.schema), file)
        frames.append(_named(records, metadata))
    if len(schemas) > 1:
        raise DataError(
            "databento_dbn", "layout", f"has bars of several lengths: {', '.join(schemas)}; pass "
            f"files of one: vendors.databento_dbn('data/*.{next(iter(schemas))}.dbn.zst')",
        )  # fmt: skip
    import polars as pl

    bars, changes = _of_publisher(pl.concat(frames), publisher_id)
    changes += _rolled(bars, rolls)
    bars, priced = _priced(bars)
    bars, stamped = _stamped(bars, _LENGTHS[next(iter(schemas))])
    n_unnamed = bars.select((~pl.col("is_named")).sum()).item()
    prices = bars.select("timestamp", "asset_id", *_PRICES, "volume")
    return Adapted(
        source_of("prices", prices, (
            *changes, *priced, stamped,
            Change("asset_id: the symbol of instrument_id on that day", len(prices) - n_unnamed),
            Change("asset_id: the instrument_id, which the file has no symbol for", n_unnamed),
        ), adjusted=False)
    )  # fmt: skip


def _read(file: Path, decode: Any) -> tuple[Any, np.ndarray[Any, Any]]:
    """Return metadata and bars of a file."""
    import pyarrow as pa

    content = file.read_bytes()
    if content[:4] == _ZSTD:
        content = pa.input_stream(pa.BufferReader(content), compression="zstd").read()
    if content[:3] != b"DBN":
        raise DataError(
            "databento_dbn", "layout", f"finds no DBN in {file}, which begins with "
            f"{bytes(content[:8])!r}; of CSV register the file itself: "
            "catalog.register('prices', ...)",
        )  # fmt: skip
    metadata = decode(content)
    if str(metadata.schema) not in _LENGTHS:
        what = "a recorded live stream" if metadata.schema is None else str(metadata.schema)
        raise DataError(
            "databento_dbn", "layout", f"has {what} in {file.name}, which are no bars; ask for a "
            f"schema of {', '.join(_LENGTHS)}",
        )  # fmt: skip
    body = memoryview(content)[_N_PROLOGUE + int.from_bytes(content[4:8], "little") :]
    kind = np.dtype(_BAR.descr + _SENT) if metadata.ts_out else _BAR
    if len(body) % kind.itemsize:
        raise _mixed(file)
    records = np.frombuffer(body, kind)
    if (records["length"] != kind.itemsize // _WORD).any():
        raise _mixed(file)
    return metadata, records


def _mixed(file: Path) -> DataError:
    return DataError(
        "databento_dbn", "layout", f"has other records beside bars in {file.name}, or is cut off; "
        "download it again",
    )  # fmt: skip


def _named(records: np.ndarray[Any, Any], metadata: Any) -> pl.DataFrame:
    """Return bars with the symbol that each id had on the day of the bar."""
    import polars as pl

    columns = ["publisher_id", "instrument_id", "ts_event", *_PRICES, "volume"]
    bars = pl.DataFrame({name: np.ascontiguousarray(records[name]) for name in columns})
    bars = bars.with_columns(
        pl.col("ts_event").cast(pl.Int64).cast(pl.Datetime("ns")).dt.date().alias("day"),
        pl.lit(str(metadata.stype_in) == "continuous").alias("is_continuous"),
    )
    names = pl.DataFrame(
        list(_intervals(metadata)),
        schema={"instrument_id": pl.UInt32, "symbol": pl.String, "start": pl.Date, "end": pl.Date},
        orient="row",
    )
    on_day = (
        bars.select("instrument_id", "day")
        .unique()
        .join(names, on="instrument_id")
        .filter(pl.col("day") >= pl.col("start"), pl.col("day") < pl.col("end"))
        .unique(["instrument_id", "day"], keep="first", maintain_order=True)
        .select("instrument_id", "day", "symbol")
    )
    return bars.join(on_day, on=["instrument_id", "day"], how="left").select(
        pl.exclude("symbol"),
        pl.col("symbol").is_not_null().alias("is_named"),
        pl.coalesce("symbol", pl.col("instrument_id").cast(pl.String)).alias("asset_id"),
    )


def _intervals(metadata: Any) -> Iterable[tuple[int, str, date, date]]:
    """Yield which id stood for which symbol from when until before when."""
    for key, intervals in metadata.mappings.items():
        for one in intervals:
            if not one["symbol"]:
                continue  # a day on which the symbol stood for nothing
            if str(metadata.stype_out) == "instrument_id":
                yield int(one["symbol"]), key, one["start_date"], one["end_date"]
            elif str(metadata.stype_in) == "instrument_id":
                yield int(key), one["symbol"], one["start_date"], one["end_date"]


def _of_publisher(
    bars: pl.DataFrame, publisher_id: int | None
) -> tuple[pl.DataFrame, list[Change]]:
    """Keep one publisher's bars, or refuse an asset that has those of several."""
    import polars as pl

    if publisher_id is not None:
        kept = bars.filter(pl.col("publisher_id") == publisher_id)
        if kept.is_empty():
            known = sorted(bars["publisher_id"].unique().to_list())
            raise ConfigError(f"databento_dbn: publisher_id must be of {known}, was {publisher_id}")
        what = f"bars of other publishers than {publisher_id}, left out"
        return kept, [Change(what, len(bars) - len(kept))]
    several = (
        bars.group_by("asset_id").agg(pl.col("publisher_id").unique().sort())
        .filter(pl.col("publisher_id").list.len() > 1).sort("asset_id")
    )  # fmt: skip
    if not several.is_empty():
        asset_id, found = several.row(0)
        raise DataError(
            "databento_dbn", "layout", f"has bars of publishers {found} of one asset ({asset_id!r})"
            f"; choose one: vendors.databento_dbn(..., publisher_id={found[0]})",
        )  # fmt: skip
    return bars, []


def _rolled(bars: pl.DataFrame, rolls: str | None) -> list[Change]:
    """Say how often continuous contracts roll, or refuse them."""
    import polars as pl

    ordered = bars.filter("is_continuous").sort("asset_id", "ts_event")
    is_roll = pl.col("instrument_id") != pl.col("instrument_id").shift(1).over("asset_id")
    found = ordered.filter(is_roll)
    if not found.is_empty() and rolls is None:
        first = found.row(0, named=True)
        raise DataError(
            "databento_dbn", "rolls", f"has {first['asset_id']!r} of several contracts, the second "
            f"from {first['day']} on: a position held across a roll would earn the gap between "
            "their prices; ask for the contracts themselves (stype_in='parent'), or pass "
            "rolls='spliced'",
        )  # fmt: skip
    return [Change("rolls of continuous contracts, spliced without adjustment", len(found))]


def _priced(bars: pl.DataFrame) -> tuple[pl.DataFrame, list[Change]]:
    """Turn whole numbers of 1e-9 into prices; leave out bars without them."""
    import polars as pl

    is_priced = pl.all_horizontal(pl.col(_PRICES) != _UNDEFINED)
    kept = bars.filter(is_priced)
    return in_units(kept, _PRICES, _PRICE_UNITS), [
        Change("open, high, low, close: divided by 1e9", len(kept)),
        Change("bars with an undefined price, left out", len(bars) - len(kept)),
    ]


def _stamped(bars: pl.DataFrame, length: timedelta | None) -> tuple[pl.DataFrame, Change]:
    """Give every bar the time at which it ends; bars of a day their date."""
    import polars as pl

    if length is None:
        what = "timestamp: the UTC date of ts_event"
        return bars.with_columns(pl.col("day").alias("timestamp")), Change(what, len(bars))
    opened = (pl.col("ts_event").cast(pl.Int64) // 1_000).cast(pl.Datetime("us", "UTC"))
    what = f"timestamp: ts_event moved by {length} from the bar's open to its end"
    return bars.with_columns((opened + length).alias("timestamp")), Change(what, len(bars))
