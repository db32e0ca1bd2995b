"""Heads: what the first lines of a text file say of its layout.

DuckDB's sniffer is not asked: of a sample it guesses where the header is, which dates are day
first, and that a ticker TRUE is a flag. Here the header is the first line that is no comment, and
a file without one is refused.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NoReturn, TextIO

from ml4t.backtest.data.sources.forms.kinds import beginning
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.errors import DataError

_DELIMITERS = ",;\t|"
_COMMENT = "#"
# What Excel writes above the header to say what parts the columns.
_SEPARATOR = re.compile(r"sep=(.)\s*$", re.IGNORECASE)
# What stands in a row of values, not of names: a number, a date, a time, or nothing.
_VALUE = re.compile(r"\s*([+-]?[\d.,:/ ]*\d[\d.,:/TZ+-]*([eE][+-]?\d+)?|nan|n/?a|null)?\s*$", re.I)
_N_SHOWN = 60
# Lines above the header that are looked at.
_MOST_LINES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The layout of a text file.

    Attributes
    ----------
    delimiter : str
    n_skipped : int
        Lines above the header.
    columns : tuple of str
        In the order of the file; one that has no name is called `column` and its place, from 0.
    """

    delimiter: str
    n_skipped: int
    columns: tuple[str, ...]


def head_of(source: Source, file: Path) -> Head:
    """Return the layout of a text file.

    Raises
    ------
    DataError
        It is empty, has no header, names a column twice, or is not UTF-8.
    """
    try:
        with _opened(file) as lines:
            return _head(source, file, lines)
    except UnicodeDecodeError as error:
        raise DataError(
            source.name, "readable", f"could not be read: {file} {_no_text(file)}",
        ) from error  # fmt: skip
    except (OSError, EOFError, csv.Error) as error:
        raise DataError(
            source.name, "readable", f"could not be read: {file}: {str(error).splitlines()[0]}"
        ) from error


def _opened(file: Path) -> TextIO:
    # Lines end as they do in the file: the header may hold a line break in quotes.
    if file.suffix.lower() == ".gz":
        return gzip.open(file, "rt", encoding="utf-8-sig", newline="")
    if file.suffix.lower() == ".zst":
        import io

        import pyarrow as pa

        stream = pa.input_stream(str(file), compression="zstd")
        return io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    return file.open(encoding="utf-8-sig", newline="")


def _head(source: Source, file: Path, lines: TextIO) -> Head:
    n_skipped, separator = 0, None
    for line in lines:
        said = _SEPARATOR.match(line)
        if said is not None and not n_skipped:
            separator = said[1]
        elif line.strip() and not line.startswith(_COMMENT):
            break
        n_skipped += 1
        if n_skipped > _MOST_LINES:
            _refuse(source, file, f"has no header in its first {_MOST_LINES} lines")
    else:
        _refuse(source, file, "is empty, or has nothing but comments")
    delimiter = separator or _delimiter(line)
    reader = csv.reader(chain([line], lines), delimiter=delimiter, strict=True)
    names = [name.strip() for name in next(reader)]
    second: list[str] = []
    with suppress(StopIteration, csv.Error):  # the scan says what is wrong with a later line
        second = next(reader)
    _require_names(source, file, names, second, line)
    columns = [name or f"column{i}" for i, name in enumerate(names)]
    _require_one_header(source, file, names, second)
    _require_once(source, file, columns)
    return Head(delimiter=delimiter, n_skipped=n_skipped, columns=tuple(columns))


def _no_text(file: Path) -> str:
    """Say what a file is that is no UTF-8."""
    if beginning(file).startswith(b"PAR1"):
        return "is Parquet; give it the suffix .parquet"
    return "is not UTF-8; save it as UTF-8"


def _delimiter(line: str) -> str:
    """Return what parts the names of a header: the most frequent outside of quotes."""
    bare = re.sub(r'"[^"]*"', "", line)
    return max(_DELIMITERS, key=bare.count)


def _require_names(
    source: Source, file: Path, names: list[str], second: list[str], line: str
) -> None:
    """Refuse a first row that is one of values."""
    n_values = sum(_VALUE.match(name) is not None for name in names)
    if 2 * n_values <= len(names) and not _VALUE.match(names[0] or "x"):
        return
    # A wide table has assets for names, which may be numbers such as 600519, beside its dates.
    if second and names[0] and not _VALUE.match(names[0]) and _VALUE.match(second[0]):
        return
    list_of_names = "['timestamp', 'asset_id', 'close']"
    _refuse(
        source, file, f"has no header: its first line is {line.strip()[:_N_SHOWN]!r}; write the "
        "names of the columns above it, name them in SQL that you register instead, \"select * "
        f"from read_csv('{file.name}', header=false, names={list_of_names})\", or see "
        "ml4t.backtest.vendors for the files of a vendor",
    )  # fmt: skip


def _require_one_header(source: Source, file: Path, names: list[str], second: list[str]) -> None:
    """Refuse the rows of names that pandas writes of columns of levels, (field, asset)."""
    are_repeated = len(set(names)) < len(names)
    if are_repeated and len(second) > 1 and not any(map(_VALUE.match, second[1:])):
        _refuse(
            source, file, f"has several rows of names, {', '.join(names[:3])} above "
            f"{', '.join(second[:3])}, as pandas writes columns of two levels; register the frame "
            f"of it: pandas.read_csv({str(file)!r}, header=[0, 1], index_col=0, parse_dates=True)",
        )  # fmt: skip


def _require_once(source: Source, file: Path, columns: Iterable[str]) -> None:
    spelled: dict[str, str] = {}
    for name in columns:
        other = spelled.setdefault(name.lower(), name)
        if other is not name:
            both = f"'{name}' twice" if other == name else f"'{other}' and '{name}'"
            raise DataError(
                source.name, "columns", f"has columns {both} in {file}, which are one to SQL; "
                "rename one of them",
            )  # fmt: skip


def _refuse(source: Source, file: Path, what: str) -> NoReturn:
    raise DataError(source.name, "readable", f"could not be read: {file} {what}")
