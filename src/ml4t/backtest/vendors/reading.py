"""Reading: files and frames of a vendor as Polars frames, for every adapter alike.

`texts_in` finds files and opens archives; `headless` reads text without names, `table_at` a table
that has them; `at_bar_end` moves stamps from a bar's open to its end; `source_of` makes a source.
"""

from __future__ import annotations

import gzip
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml4t.backtest.data.sources.adapted import AdaptedSource, Change
from ml4t.backtest.data.sources.roles import Role
from ml4t.backtest.errors import ConfigError, DataError

if TYPE_CHECKING:
    import polars as pl

Paths = str | Path | Sequence[str | Path]
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_ZIP, _GZIP = ".zip", ".gz"


def texts_in(vendor: str, paths: Paths, endings: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Yield the name without its ending, and the content, of every text file of a vendor.

    Parameters
    ----------
    vendor : str
        The adapter, as messages name it.
    paths : path, glob, folder or sequence of paths
        Of a folder, the files in it that end so.
    endings : tuple of str
        Such as ``(".csv",)``; each may also be in a ``.zip``, or be followed by ``.gz``.
    """
    for file in files_in(vendor, paths, (*endings, *(f"{one}{_GZIP}" for one in endings), _ZIP)):
        if file.suffix.lower() != _ZIP:
            content = file.read_bytes()
            if file.suffix.lower() == _GZIP:
                with reading(vendor, file):
                    content = gzip.decompress(content)
            yield _stem(file.name), content
            continue
        with reading(vendor, file):
            archive = zipfile.ZipFile(file)
        with archive:
            members = [one for one in archive.namelist() if one.lower().endswith(endings)]
            if not members:
                raise DataError(vendor, "readable", f"finds no {' or '.join(endings)} in {file}")
            for member in members:
                with reading(vendor, file):
                    content = archive.read(member)
                yield _stem(Path(member).name), content


@contextmanager
def reading(vendor: str, file: object) -> Iterator[None]:
    """Say of a file that cannot be read which it is, whoever reads it.

    Raises
    ------
    DataError
        It is another kind of file than its reader takes, cut off or empty.
    """
    import polars as pl

    # Of pandas and of texts: errors of values.
    broken = (zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, ValueError,
              pl.exceptions.PolarsError)  # fmt: skip
    try:
        yield
    except DataError:
        raise
    except broken as error:
        raise DataError(vendor, "readable", f"cannot read '{file}': {error}") from error


def lines_of(vendor: str, file: Path) -> list[str]:
    """Return the lines of a text file that are not empty."""
    with reading(vendor, file):
        text = file.read_text(encoding="utf-8-sig")
    return [line for line in text.splitlines() if line.strip()]


def files_in(vendor: str, paths: Paths, endings: tuple[str, ...]) -> list[Path]:
    """Return the files behind paths that end so, in order of their names."""
    given = [paths] if isinstance(paths, str | Path) else paths
    if not isinstance(given, Sequence) or not all(isinstance(one, str | Path) for one in given):
        raise ConfigError(
            f"{vendor} takes a path, a glob, a folder or a list of paths, was a "
            f"{type(paths).__name__}: vendors.{vendor}('data/*{endings[0]}')"
        )
    found: set[Path] = set()
    for one in map(Path, given):
        here = [one] if one.is_file() else _within(one, endings)
        if not here:
            raise DataError(
                vendor, "readable",
                f"finds no file that ends in {', '.join(endings)} at {one}; pass one, a folder or "
                f"a glob: vendors.{vendor}('data/*{endings[0]}')",
            )  # fmt: skip
        found.update(here)
    return sorted(found)


def _within(path: Path, endings: tuple[str, ...]) -> list[Path]:
    """Return what is in a folder, or what a glob matches, and ends so."""
    if path.is_dir():
        candidates: Iterable[Path] = path.iterdir()
    else:
        root = Path(path.anchor)
        candidates = root.glob(str(path.relative_to(root)))
    return [one for one in candidates if one.name.lower().endswith(endings)]


def _stem(name: str) -> str:
    return re.sub(r"(\.(csv|txt|gz|zip))+$", "", name, flags=re.IGNORECASE)


def headless(
    vendor: str, name: str, text: bytes, *layouts: Sequence[str], texts: Iterable[str] = ()
) -> pl.DataFrame:
    """Read comma-separated text by the places of its columns, whether it names them or not.

    Parameters
    ----------
    name : str
        Of the file, for messages.
    layouts : sequence of str
        What its columns are called by us, in order; the one of as many columns is taken.
    texts : iterable of str
        Columns that are read as text; the others are numbers.

    Raises
    ------
    DataError
        Another number of columns, or what is no number.
    """
    import polars as pl

    first = text.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].decode(errors="replace").strip()
    n_columns = len(first.split(","))
    columns = next((one for one in layouts if len(one) == n_columns), None)
    if columns is None:
        known = " or ".join(f"{len(one)}: {', '.join(one)}" for one in layouts)
        raise DataError(
            vendor, "layout", f"has {n_columns} columns in {name}, where there are {known}; the "
            f"first line was {first[:80]!r}",
        )  # fmt: skip
    try:
        return pl.read_csv(
            BytesIO(text), has_header=not first[:1].isdigit(), new_columns=list(columns),
            schema_overrides=[pl.String if one in texts else pl.Float64 for one in columns],
        )  # fmt: skip
    except pl.exceptions.PolarsError as error:
        what = str(error).splitlines()[0]
        raise DataError(vendor, "readable", f"could not read {name}: {what}") from error


def table_at(vendor: str, role: str, given: Any) -> pl.DataFrame:
    """Return a table with a header, its names in lower case.

    Parameters
    ----------
    role : str
        What the table is, as messages name it.
    given : path, glob, folder, list of paths, frame or Arrow table
        Files are CSV, also in a ``.zip`` or ``.gz``, or Parquet.
    """
    import polars as pl

    if isinstance(given, pl.LazyFrame):
        frame = given.collect()
    elif isinstance(given, str | Path | list | tuple):
        frame = _tables_in(vendor, given)
    elif hasattr(given, "columns") or isinstance(given, Mapping):
        frame = pl.DataFrame(given)
    else:
        raise ConfigError(
            f"{vendor}: {role} must be a path or a frame, was a {type(given).__name__}"
        )
    names = [name.lower() for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(vendor, "layout", f"has two columns {twice[0]!r} in {role}")
    return frame.rename(dict(zip(frame.columns, names, strict=True)))


def _tables_in(vendor: str, given: Any) -> pl.DataFrame:
    import polars as pl

    if isinstance(given, str | Path) and str(given).lower().endswith(".parquet"):
        with reading(vendor, given):
            return pl.read_parquet(given)
    frames = []
    for name, text in texts_in(vendor, given, (".csv",)):
        with reading(vendor, f"{name}.csv"):
            # As text: a permno, a date and a code of letters are no floats.
            frames.append(pl.read_csv(BytesIO(text), infer_schema=False, null_values=[""]))
    return pl.concat(frames, how="diagonal")


def require_layout(vendor: str, role: str, frame: pl.DataFrame, names: Iterable[str]) -> None:
    """Refuse a table that lacks columns of its layout."""
    lacking = [name for name in names if name not in frame.columns]
    if lacking:
        raise DataError(
            vendor, "layout", f"lacks {', '.join(lacking)} in {role}; its columns are "
            f"{', '.join(frame.columns)}",
        )  # fmt: skip


def as_days(column: str) -> pl.Expr:
    """Return an expression for a column of days: dates, stamps, ``20240105``, ``2024-01-05``."""
    import polars as pl

    # 20240105 may have come as a float, and a day with a midnight behind it.
    digits = pl.col(column).cast(pl.String).str.replace_all("-", "").str.slice(0, 8)
    return digits.str.to_date("%Y%m%d").alias(column)


def as_numbers(*columns: str) -> list[pl.Expr]:
    """Return expressions for columns of numbers; what is none, such as a code, is missing."""
    import polars as pl

    return [pl.col(name).cast(pl.Float64, strict=False).fill_nan(None) for name in columns]


def bar_from(vendor: str, bar: str | timedelta | None) -> timedelta | None:
    """Return the length of a bar that a user or a file's name gives, such as ``"5min"``."""
    if bar is None or isinstance(bar, timedelta):
        return bar
    match = re.fullmatch(r"(\d+) ?(s|m|h|d)\w*", bar.strip().lower())
    if match is None or not int(match[1]):
        raise ConfigError(f"{vendor}: bar must be a length such as '5min' or '1hour', was {bar!r}")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def smallest_gap(frame: pl.DataFrame) -> timedelta | None:
    """Return the smallest time between two bars of an asset: the length of a bar, or more."""
    import polars as pl

    ordered = frame.sort("asset_id", "timestamp")
    gaps = ordered.select(pl.col("timestamp").diff().over("asset_id").alias("gap"))
    found = gaps.filter(pl.col("gap") > timedelta(0))["gap"].min()
    return found if isinstance(found, timedelta) else None


def at_bar_end(
    vendor: str, frame: pl.DataFrame, bar: timedelta | None
) -> tuple[pl.DataFrame, Change]:
    """Move stamps from where a bar opens to where it ends, when its prices are known.

    Without `bar` the smallest gap between bars of an asset is taken; gaps that are all longer than
    a bar make stamps late, never early.
    """
    import polars as pl

    length = bar or smallest_gap(frame)
    if length is None:
        raise ConfigError(
            f"{vendor} cannot tell the length of a bar from one bar of each asset; pass it: "
            f"vendors.{vendor}(..., bar='1min')"
        )
    moved = frame.with_columns(pl.col("timestamp") + length)
    return moved, Change(f"timestamp: moved by {length} from the bar's open to its end", len(frame))


def source_of(
    role: Role, frame: pl.DataFrame, changes: Iterable[Change | None], **options: object
) -> AdaptedSource:
    """Return a source, with the changes that concern a row."""
    import polars as pl

    kept = tuple(one for one in changes if one is not None and one.n_rows != 0)
    rows = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    return AdaptedSource(role=role, rows=rows, changes=kept, options=options)


def without_repeats(frame: pl.DataFrame) -> tuple[pl.DataFrame, Change]:
    """Leave out rows that are there more than once, as where archives overlap."""
    once = frame.unique(maintain_order=True)
    return once, Change("rows that were there before, left out", len(frame) - len(once))


def in_units(frame: pl.DataFrame, columns: Sequence[str], per_unit: int) -> pl.DataFrame:
    """Turn columns of whole numbers, such as 1,000 to the dollar, into prices.

    Without NULL in them.
    """
    import polars as pl

    # Polars 2.1.0 multiplies by the reciprocal of a constant: 10623 / 1000 would be
    # 10.623000000000001, and a price off its tick.
    return frame.with_columns(
        pl.Series(name, frame[name].cast(pl.Float64).to_numpy() / per_unit) for name in columns
    )
