"""Workbook: the tables of a run as sheets of Excel.

A sheet holds less than a table may: rows and characters are counted before anything is cut, and
times, infinities and long numbers go as what Excel shows of them without losing what they are.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from ml4t.backtest.core.workplace import sync
from ml4t.backtest.data.database import Database, interruptible
from ml4t.backtest.data.packages import package
from ml4t.backtest.data.sql_files import count_of, rows_of
from ml4t.backtest.errors import ResultError, did_you_mean
from ml4t.backtest.results.keeping.saving import write_beside
from ml4t.backtest.results.tables import COLUMNS, TABLES

XLSX = ".xlsx"
METRICS_SHEET, ABOUT = "metrics", "columns"
# What a sheet takes below its header, what a cell takes, and from where Excel loses digits.
ROWS_OF_A_SHEET = 1_048_575
MOST_CHARACTERS = 32_767
EXACT = 10**15
# Days before it Excel counts wrong, or not at all.
FIRST_EXCEL_DAY = date(1900, 3, 1)
# What no cell can hold, and what a reader would take for a formula or an error.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_MEANS_MORE = ("=", "#")


def save_workbook(
    database: Database, path: Path, tables: Sequence[str], metrics: Mapping[str, object]
) -> None:
    """Write tables of a run to a workbook at `path`; see `BacktestResult.to_excel`.

    Raises
    ------
    ConfigError
        openpyxl is not installed.
    ResultError
        Something else than such a workbook stands there, a table has more rows than a sheet takes,
        or it could not be written.
    """
    openpyxl = package("openpyxl", extra="excel")
    if path.suffix.lower() != XLSX:
        raise ResultError(f"a workbook ends in {XLSX}, was '{path}'")
    _require_tables(database, tables)

    def write(made: Path) -> None:
        book, rows = openpyxl.Workbook(write_only=True), database.cursor()
        _fill(book.create_sheet(METRICS_SHEET), ("metric", "value"), metrics.items())
        _fill(book.create_sheet(ABOUT), ("table", "column", "type", "meaning"), _about(database))
        for table in tables:
            names = tuple(database.schema(rows_of(table)))
            _fill(book.create_sheet(table), names, rows.rows(rows_of(table)))
        # In memory: sheets that a full disk leaves open are finished, and fail once more, when
        # Python collects them.
        whole = BytesIO()
        book.save(whole)
        made.write_bytes(whole.getbuffer())
        sync(made)
        sync(made.parent)

    def require_ours(target: Path) -> None:
        _require_replaceable(target, openpyxl)

    write_beside(path, write, "written", require=require_ours)


def _require_tables(database: Database, tables: Sequence[str]) -> None:
    """Refuse names of no table, and tables that no sheet takes."""
    for table in tables:
        if table not in TABLES:
            raise ResultError(f"a result has no table {table!r}{did_you_mean(str(table), TABLES)}")
        ((n_rows,),) = database.rows(count_of(rows_of(table)))
        if n_rows > ROWS_OF_A_SHEET:
            others = [one for one in tables if one != table]
            raise ResultError(
                f"table '{table}' has {n_rows:,} rows, and a sheet of Excel takes "
                f"{ROWS_OF_A_SHEET:,}: leave it out, to_excel(path, tables={others}), or write all "
                "of it by save() or to_csv()"
            )


def _require_replaceable(target: Path, openpyxl: Any) -> None:
    """Refuse to write over what is no workbook of ours."""
    if not target.exists():
        return
    if not target.is_file():
        raise ResultError(f"'{target}' is no file; pick another path")
    try:
        with target.open("rb") as file:
            book = openpyxl.load_workbook(file, read_only=True)
            sheets = list(book.sheetnames)
            book.close()
    except (BadZipFile, KeyError, ValueError, OSError) as error:
        raise ResultError(f"'{target}' exists and is no workbook; pick another path") from error
    strangers = [name for name in sheets if name not in (METRICS_SHEET, ABOUT, *TABLES)]
    if strangers or sheets[:2] != [METRICS_SHEET, ABOUT]:
        what = f"a sheet '{(strangers or sheets)[0]}'"
        raise ResultError(f"'{target}' holds {what}, which no run wrote; pick another path")


def _about(database: Database) -> Iterable[tuple[str, str, str, str]]:
    """Yield what each column means; of times with a zone, of which zone their clock is."""
    for table, columns in COLUMNS.items():
        for column, kind in database.schema(rows_of(table)).items():
            clock = f", clock of {database.timezone}" if kind.endswith("TIME ZONE") else ""
            yield table, column, f"{kind.lower()}{clock}", columns[column]


@interruptible
def _fill(sheet: Any, names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    cell = package("openpyxl.cell", extra="excel").WriteOnlyCell
    sheet.freeze_panes = "A2"
    sheet.append(list(names))
    for row in rows:
        sheet.append([_cell(value, sheet, cell) for value in row])


def _cell(value: object, sheet: Any, make: Any) -> object:
    """Return what goes into a cell, as what Excel takes it for."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return value if abs(value) < EXACT else str(value)
    if isinstance(value, datetime):
        # Excel has no zones: the clock of the run's zone, which is that of the session.
        plain = value.replace(tzinfo=None)
        return plain if plain.date() >= FIRST_EXCEL_DAY else plain.isoformat(" ")
    if isinstance(value, date):
        return value if value >= FIRST_EXCEL_DAY else value.isoformat()
    if isinstance(value, Mapping):
        value = json.dumps(value)
    text = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", str(value))
    if len(text) > MOST_CHARACTERS:
        end = f"... [cut: {len(text):,} characters, all of them in what save() writes]"
        text = text[: MOST_CHARACTERS - len(end)] + end
    if not text.startswith(_MEANS_MORE):
        return text
    one = make(sheet, value=text)
    one.data_type = "s"
    return one
