"""Excel: one sheet with a header in its first row that has anything.

openpyxl says of each cell what it is; readers that look at the first thousand rows make NULL of
what does not fit after them. A sheet has a million rows at the most: it is read whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.packages import package
from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.data.sources.forms.cells import table_of_cells
from ml4t.backtest.data.sources.forms.scan import (
    Scan,
    asset_at,
    require_in_every_file,
    require_no_asset_id,
    theirs,
)
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.errors import DataError, did_you_mean

# Cells in which Excel says that there is no value.
_ERRORS = ("#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!")
_PADDED = re.compile(r"0{2,}")


def scan_excel(source: Source, files: Sequence[Path], database: Database) -> Scan:  # noqa: ARG001
    """Return the rows of a sheet of each file.

    Raises
    ------
    ConfigError
        openpyxl is not installed.
    DataError
        There are several sheets and none is named; a column has cells of several kinds.
    """
    openpyxl = package("openpyxl", extra="excel")
    sheets = [(file, *_sheet(source, file, openpyxl)) for file in files]
    if source.reading.by_file:
        require_no_asset_id(source, sheets[0][2], str(files[0]))
    require_in_every_file(source, [([file], names) for file, _, names, _ in sheets])
    columns: dict[str, list[object]] = {}
    n_rows = 0
    for file, _, names, rows in sheets:
        for name, cells in zip(names, zip(*rows, strict=True) if rows else [()] * len(names),
                               strict=True):  # fmt: skip
            spelled = next((one for one in columns if one.lower() == name.lower()), name)
            columns.setdefault(spelled, [None] * n_rows).extend(cells)
        if source.reading.by_file:
            columns.setdefault("asset_id", []).extend([asset_at(source, file)] * len(rows))
        n_rows += len(rows)
        for known in columns.values():
            known.extend([None] * (n_rows - len(known)))
    where = f"{files[0]}, sheet '{sheets[0][1]}'"
    table, changes = table_of_cells(source, columns, where)
    return Scan(rows=table, changes=(*changes, *_missing(sheets, list(columns), source)))


def _missing(sheets: Sequence[Any], columns: Sequence[str], source: Source) -> Iterator[Change]:
    for name in columns:
        lacking = [rows for _, _, names, rows in sheets
                   if name.lower() not in {one.lower() for one in names}]  # fmt: skip
        if lacking and not (source.reading.by_file and name == "asset_id"):
            yield Change(
                f"{name} is in {len(sheets) - len(lacking):,} of {len(sheets):,} files, missing in "
                "the others", sum(map(len, lacking)), is_warning=True,
            )  # fmt: skip


def _sheet(source: Source, file: Path, openpyxl: Any) -> tuple[str, list[str], list[list[object]]]:
    """Return the name of a sheet, its columns and its rows."""
    # openpyxl lets go of a file that it opened itself only when all rows were read.
    with file.open("rb") as opened:
        try:
            book = openpyxl.load_workbook(opened, read_only=True, data_only=True)
        except (BadZipFile, KeyError, OSError, ValueError) as error:
            raise DataError(
                source.name, "readable", f"could not be read: {file} is no Excel file "
                f"({str(error).splitlines()[0]}); save it as .xlsx",
            ) from error  # fmt: skip
        name = _name(source, file, list(book.sheetnames))
        sheet = book[name]
        # What a writer says of a sheet's size may be wrong, and rows behind it would be lost.
        sheet.reset_dimensions()
        return name, *_rows(source, f"{file}, sheet '{name}'", map(list, sheet.iter_rows()))


def _name(source: Source, file: Path, names: Sequence[str]) -> str:
    table = source.reading.table
    shown = ", ".join(map(repr, names))
    if table is None and len(names) == 1:
        return names[0]
    if table is None:
        raise DataError(
            source.name, "readable", f"has {len(names)} sheets in {file}: {shown}; say which: "
            f"table={names[0]!r}",
        )  # fmt: skip
    if table not in names:
        raise DataError(
            source.name, "readable", f"has no sheet {table!r} in {file}"
            f"{did_you_mean(table, names)}; it has {shown}",
        )  # fmt: skip
    return table


def _rows(
    source: Source, where: str, rows: Iterator[list[Any]]
) -> tuple[list[str], list[list[object]]]:
    header = next((row for row in rows if any(cell.value is not None for cell in row)), None)
    names = [] if header is None else [cell.value for cell in header]
    while names and names[-1] is None:
        names.pop()
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        first = next((name for name in names if not isinstance(name, str)), None)
        raise DataError(
            source.name, "readable", f"could not be read: {where} has {first!r} where a name of a "
            "column should be; write the names into its first row, alone",
        )  # fmt: skip
    names = [name.strip() for name in names]
    twice = next((n for n in names if [o.lower() for o in names].count(n.lower()) > 1), None)
    if twice is not None:
        raise DataError(
            source.name, "columns", f"has two columns '{twice}' in {where}; rename one of them"
        )
    assets = theirs(source, names, ("asset_id", "new_asset_id"))
    found = []
    for row in rows:
        cells = [_value(source, where, name, cell, is_asset=name.lower() in assets)
                 for name, cell in zip(names, row, strict=False)]  # fmt: skip
        beyond = next((cell for cell in row[len(names) :] if cell.value is not None), None)
        if beyond is not None:
            raise DataError(
                source.name, "readable", f"could not be read: {where} has {beyond.value!r} in cell "
                f"{beyond.coordinate}, beside the columns that have a name; name it, or delete it",
            )  # fmt: skip
        cells += [None] * (len(names) - len(cells))
        if any(cell is not None for cell in cells):
            found.append(cells)
    return names, found


def _value(source: Source, where: str, name: str, cell: Any, *, is_asset: bool) -> object:
    value = cell.value
    if value is None or value == "":
        return None
    if isinstance(value, str) and value in _ERRORS and value not in source.reading.null_values:
        raise DataError(
            source.name, "types", f"has column '{name}' in {where} with {value} in cell "
            f"{cell.coordinate}; mend the formula, or say that it means missing: "
            f"null_values=[{value!r}]",
        )  # fmt: skip
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_asset and is_number and _PADDED.fullmatch(str(cell.number_format)):
        raise DataError(
            source.name, "types", f"has column '{name}' of assets in {where} with the number "
            f"{value} in cell {cell.coordinate}, shown as {value:0{len(cell.number_format)}}; "
            "store it as a text",
        )  # fmt: skip
    return value
