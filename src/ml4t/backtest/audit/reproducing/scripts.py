"""The script of a reproducer: what it says, and what it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import dedent

from ml4t.backtest.audit.reproducing.cells import ViewCell
from ml4t.backtest.audit.reproducing.files import (
    FOLDER_PLACE,
    KNOWN_FOLDER,
    WHOLE_FOLDER,
    WrittenSource,
)
from ml4t.backtest.core.tolerances import SAME_IN_COLUMN, SAME_NUMBER
from ml4t.backtest.data.sql_files import literal, quote, rows_of

SCRIPT = "reproduce.py"
_CELL = '''\
"""{says}"""

import sys
from math import isclose
from pathlib import Path

from ml4t.backtest import Catalog

HERE = Path(__file__).resolve().parent
{queries}
CELL = {cell}


def over(query, folder):
    """Return a query over the files of a folder."""
    return query.replace("{folder}", str(folder).replace("'", "''"))


def value(folder):
    """Return the value of the cell over the files of a folder."""
    catalog = Catalog(timezone={timezone!r})
{registers}
    rows = catalog.sql(CELL).fetchall()
    return rows[0][0] if rows else "no row"


def is_same(one, other):
    if isinstance(one, float) and isinstance(other, float):
        is_near = isclose(one, other, rel_tol={same_number}, abs_tol={same_in_column})
        return is_near or (one != one and other != other)
    return one == other


whole, known = value(HERE / {all!r}), value(HERE / {known!r})
print({where!r})
print("  with all rows:        ", whole)
print("  with what was known:  ", known)
if is_same(whole, known):
    print("the same: nothing of it was read from later rows")
else:
    print("it differs: it was read from later rows")
    sys.exit(1)
'''


def cell_script(
    says: str, cell: ViewCell, sources: Sequence[WrittenSource], timezone: str, largest: float
) -> str:
    """Return the script that computes a cell over all rows, and over those known at its bar."""
    where = f"{cell.view}.{cell.column} at {cell.bar.text}"
    where += "" if cell.asset_id is None else f" of {cell.asset_id}"
    keys = f"timestamp = {cell.bar.sql}"
    keys += "" if cell.asset_id is None else f" and asset_id::varchar = {literal(cell.asset_id)}"
    return _CELL.format(
        says=says, queries="".join(_queries(sources)), folder=FOLDER_PLACE, timezone=timezone,
        registers="\n".join(_registers(sources)), where=where, all=WHOLE_FOLDER, known=KNOWN_FOLDER,
        cell=_text(rows_of(cell.view, quote(cell.column), where=keys)),
        same_number=SAME_NUMBER, same_in_column=SAME_IN_COLUMN * largest,
    )  # fmt: skip


def _queries(sources: Sequence[WrittenSource]) -> Iterator[str]:
    for one in sources:
        if one.query:
            yield f"\n{constant_of(one.name)} = {_text(one.query)}\n"


def _registers(sources: Sequence[WrittenSource]) -> Iterator[str]:
    for one in sources:
        given = f"folder / {one.file!r}"
        if one.query:
            given = f"over({constant_of(one.name)}, folder)"
        options = dict(one.options)
        if one.name != one.role:
            options = {"name": one.name, **options}
        said = "".join(f", {name}={value!r}" for name, value in options.items())
        yield f"    catalog.register({one.role!r}, {given}{said})"


def constant_of(name: str) -> str:
    """Return the name of a source as that of a constant."""
    text = "".join(letter if letter.isalnum() else "_" for letter in name.upper())
    return text if text.isidentifier() else f"SOURCE_{text}"


def _text(query: str) -> str:
    """Return a query as a literal of Python, over several lines where it can be."""
    return repr(query) if '"""' in query else f'r"""\n{dedent(query).strip()}\n"""'
