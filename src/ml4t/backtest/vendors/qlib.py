"""Qlib: its folder of binary columns, one file per instrument and field."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ml4t.backtest.data.sources.adapted import Adapted, Change
from ml4t.backtest.errors import DataError
from ml4t.backtest.vendors.reading import lines_of, source_of

if TYPE_CHECKING:
    import polars as pl

_PRICES = ("open", "high", "low", "close")
_ENDING = ".day.bin"
# Names that are devices to Windows get this in front, as folders.
_DEVICE = "_qlib_"
Membership = tuple[str, date, date]


def qlib_bin(folder: str | Path, *, market: str = "all") -> Adapted:
    """Read Qlib's daily binary files: prices, adjusted, and a universe.

    Layout: ``calendars/day.txt`` (one date a line), ``instruments/<market>.txt`` (instrument, first
    and last day, by tabs; several lines where it left and came back) and
    ``features/<instrument in lower case>/<field>.day.bin``: float32, little endian, of which the
    first is the place of the second in the calendar.

    - Prices are adjusted: ``price = raw price * factor``, ``volume = raw volume / factor``, and so
      ``close / factor`` is what was paid. The factor holds splits and dividends alike, and does not
      tell them apart. We leave prices adjusted and give no actions: with both, every split and
      dividend would count twice. ``factor`` is a column of ``prices``, so that lots of 100 and
      limits of raw prices can be told.
    - float32 has seven digits: 10.01 comes back as 10.0100002.
    - Days on which an instrument was suspended are NaN: they have no bar.
    - Days of membership are inclusive in the file; the end of ``universe`` is the day after.
    - ``all.txt`` has indices too, which nobody can buy; they are bars like others.

    Parameters
    ----------
    folder : path
        What Qlib calls ``provider_uri``.
    market : str, default "all"
        Name of the file of instruments, such as ``"csi300"``.

    Returns
    -------
    Adapted
        ``prices`` with every field that is there, and ``universe``; ``asset_id`` is the name in the
        file of instruments.

    Raises
    ------
    DataError
        The folder has another layout, or a field is longer than the calendar.

    Notes
    -----
    Source: scripts/dump_bin.py and qlib/data/storage/file_storage.py of github.com/microsoft/qlib
    0.9.7, April 2026; tested on files of dump_bin.py.
    """
    import polars as pl

    root = Path(folder)
    days = [date.fromisoformat(line) for line in _lines(root / "calendars" / "day.txt")]
    spans = _spans(root, market)
    frames, lacking = [], []
    for name in dict.fromkeys(name for name, _, _ in spans):
        fields = _fields(root, name)
        frames += [_bars(name, fields, days)] if fields else []
        lacking += [] if fields else [name]
    if not frames:
        raise _other(root, f"no features/<instrument>/*{_ENDING} of any instrument of {market}.txt")
    table = pl.concat(frames, how="diagonal").with_columns(pl.selectors.float().fill_nan(None))
    prices = table.filter(pl.col("close").is_not_null())
    return Adapted(
        source_of("prices", prices, (
            Change("open, high, low, close, volume: adjusted by factor, as they are in the file",
                   len(prices)),
            Change("days without a close, as when suspended, left out", len(table) - len(prices)),
            Change(f"instruments of {market}.txt without files, left out: {', '.join(lacking)}",
                   len(lacking)),
        ), adjusted=True),
        source_of("universe", _universe(spans, set(lacking)), (
            Change("end_date: the day after the last one in the file", len(spans)),
        )),
    )  # fmt: skip


def _other(root: Path, what: str) -> DataError:
    return DataError(
        "qlib_bin", "layout", f"finds {what} in {root}; pass the folder that has calendars, "
        "features and instruments in it: vendors.qlib_bin('~/.qlib/qlib_data/cn_data')",
    )  # fmt: skip


def _lines(file: Path) -> list[str]:
    """Return the lines of a text file that are not empty."""
    if not file.is_file():
        raise _other(file.parent.parent, f"no {file.parent.name}/{file.name}")
    return lines_of("qlib_bin", file)


def _spans(root: Path, market: str) -> list[Membership]:
    """Return instruments with the first and the last day of each membership."""
    file = root / "instruments" / f"{market.lower()}.txt"
    found = [line.split("\t") for line in _lines(file)]
    if not found or min(map(len, found)) < 3:
        raise _other(root, f"no lines of instrument, first and last day in {file.name}")
    return [
        (name, date.fromisoformat(first[:10]), date.fromisoformat(last[:10]))
        for name, first, last, *_ in found
    ]


def _fields(root: Path, name: str) -> dict[str, Path]:
    """Return the files of an instrument by field."""
    for folder in (name.lower(), f"{_DEVICE}{name.lower()}"):
        found = sorted((root / "features" / folder).glob(f"*{_ENDING}"))
        if found:
            return {file.name.removesuffix(_ENDING): file for file in found}
    return {}


def _bars(name: str, fields: dict[str, Path], days: list[date]) -> pl.DataFrame:
    """Return the bars of an instrument; a field that begins late or ends early is NULL there."""
    import polars as pl

    lacking = [field for field in _PRICES if field not in fields]
    if lacking:
        raise DataError("qlib_bin", "layout", f"has no {', '.join(lacking)} of {name!r}")
    columns, begins, ends = {}, len(days), 0
    for field, file in fields.items():
        values = np.fromfile(file, dtype="<f4")
        start, n = (int(values[0]), len(values) - 1) if len(values) else (0, 0)
        if start + n > len(days):
            raise DataError(
                "qlib_bin", "layout", f"has {field} of {name!r} until day {start + n:,} of a "
                f"calendar of {len(days):,}; it was dumped with another calendars/day.txt",
            )  # fmt: skip
        column = np.full(len(days), np.nan)
        column[start : start + n] = values[1:]
        columns[field] = column
        begins, ends = min(begins, start), max(ends, start + n)
    frame = pl.DataFrame({"timestamp": days, "asset_id": [name] * len(days), **columns})
    return frame.slice(begins, ends - begins)


def _universe(spans: list[Membership], lacking: set[str]) -> pl.DataFrame:
    """Return the memberships of instruments that have bars."""
    import polars as pl

    rows = [
        (name, first, last + timedelta(days=1))
        for name, first, last in spans
        if name not in lacking
    ]
    kinds = {"asset_id": pl.String, "start_date": pl.Date, "end_date": pl.Date}
    return pl.DataFrame(rows, schema=kinds, orient="row")
