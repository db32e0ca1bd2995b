"""Text bars: Kibot and FirstRate, one file of comma-separated bars per asset, without a header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ml4t.backtest.data.sources.adapted import Adapted, Change
from ml4t.backtest.errors import ConfigError, DataError
from ml4t.backtest.vendors.reading import (
    Paths,
    at_bar_end,
    bar_from,
    headless,
    source_of,
    texts_in,
    without_repeats,
)

if TYPE_CHECKING:
    import polars as pl

_OHLC = ("open", "high", "low", "close")
_ENDINGS = (".txt", ".csv")
_KIBOT = (("date", "time", *_OHLC, "volume"), ("date", *_OHLC, "volume"))
_FIRSTRATE = (
    ("date", *_OHLC, "volume"),
    ("date", *_OHLC, "volume", "open_interest"),
    ("date", *_OHLC),
)
_PRICES_ARE = {
    "adjsplitdiv": "adjusted for splits and dividends; no actions belong to them",
    "adjsplit": "adjusted for splits; register dividends alone, adjusted likewise, as actions",
    "unadjusted": "as traded; register splits and dividends as actions",
    "adjusted": "adjusted for the steps between contracts",
}
_BAR = re.compile(r"\d+(min|hour|day)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """What a file's name says: its asset, the length of a bar, what its prices are."""

    asset_id: str
    bar: str | None = None
    prices_are: str | None = None
    is_continuous: bool = False


def kibot(
    paths: Paths,
    *,
    adjusted: bool,
    bar: str | timedelta | None = None,
    timezone: str | None = None,
) -> Adapted:
    """Read text files of Kibot: prices.

    Layout: one file per asset, ``MSFT.txt``, without a header: date (``mm/dd/yyyy``), time
    (``hh:mm``; not in daily files), open, high, low, close, volume.

    - Files do not say whether they are adjusted: Kibot's are, for splits and dividends, unless
      asked for otherwise. You say it; `adjusted` decides only what `describe` tells.
    - Volume of adjusted files is adjusted too, for dividends as well: it is no count of shares.
    - Stamps are where a bar opens; we move them to its end. Daily bars keep their date.
    - Stamps are Eastern time without a zone (the API can give UTC); minutes without a trade are
      missing; hours before and after the session are in.

    Parameters
    ----------
    paths : path, glob, folder or list of paths
        To ``.txt`` or ``.csv`` files, also in a ``.gz`` or ``.zip``.
    adjusted : bool
        Whether they were downloaded adjusted for splits and dividends.
    bar : str or timedelta, optional
        Length of a bar, such as ``"5min"``. By default the smallest gap between two bars, which
        is longer where every gap is.
    timezone : str, optional
        Zone of the stamps, ``"America/New_York"``: bars get it, for a catalog with the same.
        None: they stay without a zone, as features then must.

    Returns
    -------
    Adapted
        ``prices``.

    Raises
    ------
    DataError
        A file has another layout.

    Notes
    -----
    Source: www.kibot.com, "Data format" and "Download historical data", read in November 2026.
    """
    if not isinstance(adjusted, bool):
        raise ConfigError(f"kibot: adjusted must be True or False, was {adjusted!r}")
    kind = "adjsplitdiv" if adjusted else "unadjusted"
    frames = []
    for name, text in texts_in("kibot", paths, _ENDINGS):
        # Samples are called IBM_unadjusted.txt.
        named = _File(asset_id=re.sub(r"(?i)_(un)?adjusted$", "", name), prices_are=kind)
        frames.append((named, headless("kibot", name, text, *_KIBOT, texts=("date", "time"))))
    return _adapted("kibot", frames, "%m/%d/%Y", bar, timezone)


def firstrate(
    paths: Paths,
    *,
    adjusted: bool | None = None,
    bar: str | timedelta | None = None,
    timezone: str | None = None,
) -> Adapted:
    """Read text files of FirstRate Data: prices.

    Layout: one file per asset, ``AAPL_full_1min_adjsplitdiv.txt``, mostly many in a zip, without a
    header: stamp (``yyyy-mm-dd hh:mm:ss``; a date in daily files), open, high, low, close, volume
    (not of indices), open interest (daily futures).

    - The name alone says whether prices are adjusted for splits and dividends (``adjsplitdiv``),
      for splits (``adjsplit``), or not (``UNADJUSTED``); two of them together are refused, and so
      is a name without, unless you say `adjusted` (single contracts, ``ESZ23.txt``: False).
    - Stamps are where a bar opens; we move them to its end, by the length in the name. Daily bars
      keep their date.
    - Stamps are Eastern time without a zone; bars without a trade are missing.
    - Continuous futures that are not adjusted step at each roll, which counts as profit or loss.

    Parameters
    ----------
    paths : path, glob, folder or list of paths
        To ``.txt`` or ``.csv`` files, also in a ``.gz`` or ``.zip``.
    adjusted : bool, optional
        Whether prices are adjusted for splits and dividends, where the name does not say it.
    bar : str or timedelta, optional
        Length of a bar, such as ``"5min"``, where the name does not say it.
    timezone : str, optional
        Zone of the stamps, ``"America/New_York"`` (crypto: ``"UTC"``): bars get it, for a catalog
        with the same. None: they stay without a zone, as features then must.

    Returns
    -------
    Adapted
        ``prices``.

    Raises
    ------
    DataError
        A file has another layout or name, or files of several kinds are together.

    Notes
    -----
    Source: readme files within FirstRate's data sets (ES 2022, SPY and NQ 2023), read in November
    2026.
    """
    if adjusted is not None and not isinstance(adjusted, bool):
        raise ConfigError(f"firstrate: adjusted must be True, False or None, was {adjusted!r}")
    frames = []
    for name, text in texts_in("firstrate", paths, _ENDINGS):
        named = _file_of(name, adjusted)
        frames.append((named, headless("firstrate", name, text, *_FIRSTRATE, texts=("date",))))
    return _adapted("firstrate", frames, "%Y-%m-%d", bar, timezone)


def _file_of(name: str, adjusted: bool | None) -> _File:
    """Read the name of a file of FirstRate."""
    asset_id, *words = name.split("_")
    lower = [word.lower() for word in words]
    said = None if adjusted is None else "adjsplitdiv" if adjusted else "unadjusted"
    kind = next((word for word in lower if word in _PRICES_ARE), said)
    if kind is None:
        raise DataError(
            "firstrate", "layout", f"tells by the name whether prices are adjusted, was {name!r}; "
            "name it as FirstRate does, AAPL_full_1min_adjsplitdiv.txt, or pass adjusted=",
        )  # fmt: skip
    bar = next((word for word in lower if _BAR.fullmatch(word)), None)
    return _File(
        asset_id=asset_id, bar=bar, prices_are=kind, is_continuous="continuous" in lower
    )  # fmt: skip


def _adapted(
    vendor: str,
    frames: Sequence[tuple[_File, pl.DataFrame]],
    date_format: str,
    bar: str | timedelta | None,
    timezone: str | None,
) -> Adapted:
    """Put the files together under our names."""
    import polars as pl

    files = [named for named, _ in frames]
    kind = _one(vendor, "prices", {named.prices_are for named in files})
    length = bar_from(vendor, bar) or bar_from(vendor, _one(vendor, "bars", {f.bar for f in files}))
    bars = pl.concat(
        [
            frame.select(
                _stamp(frame, date_format).alias("timestamp"),
                pl.lit(named.asset_id).alias("asset_id"),
                pl.exclude("date", "time"),
            )
            for named, frame in frames
        ],
        how="diagonal",
    )
    n_unread = bars["timestamp"].null_count()
    if n_unread:
        raise DataError(vendor, "layout", f"has {n_unread:,} stamps that are no {date_format} with "
                        "hh:mm behind it, or none")  # fmt: skip
    bars, repeats = without_repeats(bars)
    bars, stamps = _clocked(vendor, bars, length, timezone)
    said = [Change(f"prices: {_PRICES_ARE[str(kind)]}")]
    if kind == "unadjusted" and any(named.is_continuous for named in files):
        said = [Change("prices: continuous contracts as traded; each roll is a step that counts")]
    if vendor == "kibot" and kind == "adjsplitdiv":
        said.append(Change("volume: adjusted too, for dividends as well; no count of shares"))
    # Adjusted for splits alone is neither: its dividends may be actions.
    known = {"adjsplitdiv": True, "adjusted": True, "unadjusted": False}
    is_said = {"adjusted": known[kind]} if kind in known else {}
    return Adapted(source_of("prices", bars, (*said, *stamps, repeats), **is_said))


def _one(vendor: str, what: str, found: set[str | None]) -> str | None:
    """Return what all files have in common, or refuse them."""
    if len(found) > 1:
        shown = ", ".join(sorted(map(str, found)))
        raise DataError(
            vendor, "layout", f"has {what} of several kinds: {shown}; pass those of one: "
            f"vendors.{vendor}('data/*_{sorted(map(str, found))[0]}*')",
        )  # fmt: skip
    return next(iter(found))


def _stamp(frame: pl.DataFrame, date_format: str) -> pl.Expr:
    """Return the stamps of a file: with the time in a column of its own, behind it, or none."""
    import polars as pl

    text = pl.col("date").str.strip_chars()
    if "time" in frame.columns:
        text = pl.concat_str([text, pl.col("time").str.strip_chars()], separator=" ")
    stamps = [text.str.to_datetime(f"{date_format}{clock}", strict=False, time_unit="us")
              for clock in (" %H:%M:%S", " %H:%M", "")]  # fmt: skip
    return pl.coalesce(stamps)


def _clocked(
    vendor: str, bars: pl.DataFrame, length: timedelta | None, timezone: str | None
) -> tuple[pl.DataFrame, list[Change]]:
    """Give daily bars their date, all others the end of the bar, in a zone where one is named."""
    import polars as pl

    stamp = pl.col("timestamp")
    if bars.select((stamp == stamp.dt.truncate("1d")).all()).item():
        return bars.with_columns(stamp.dt.date()), []
    zone = Change("timestamp: Eastern time without a zone, as in the file", len(bars))
    if timezone is not None:
        try:
            bars = bars.with_columns(stamp.dt.replace_time_zone(timezone))
        except pl.exceptions.PolarsError as error:
            raise DataError(
                vendor, "zone", f"has stamps that are no time of {timezone}, or two: "
                f"{str(error).splitlines()[0]}; name their own zone, or leave timezone out",
            ) from error  # fmt: skip
        zone = Change(f"timestamp: taken as of {timezone}", len(bars))
    moved, ends = at_bar_end(vendor, bars, length)
    return moved, [zone, ends]
