"""Text: CSV and its relatives, with a header.

1. `heads` reads the layout of each file; those of one layout are one scan, all of it text.
2. Columns go together by name; one that a file lacks is NULL there, which is said.
3. `values` decides the types from every text of a column.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ml4t.backtest.data.database import Database, EngineError
from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.data.sources.files import folder_keys
from ml4t.backtest.data.sources.forms.heads import Head, head_of
from ml4t.backtest.data.sources.forms.scan import (
    FILE,
    Scan,
    asset_of_file,
    missing_columns,
    require_in_every_file,
    require_no_asset_id,
)
from ml4t.backtest.data.sources.forms.values import typed
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import (
    all_of,
    count_of,
    file_literal,
    literal,
    quote,
    render,
    rows_of,
)
from ml4t.backtest.errors import DataError

Layout = tuple[Head, tuple[str, ...]]


def scan_text(source: Source, files: Sequence[Path], database: Database) -> Scan:
    """Return the query that reads text files with a header, each column in one type.

    Raises
    ------
    DataError
        See `head_of` and `typed`; or a row has another number of columns than the header.
    """
    layouts: dict[Layout, list[Path]] = {}
    for file in files:
        layouts.setdefault((head_of(source, file), folder_keys(str(file))), []).append(file)
    named = [(having, (*head.columns, *keys)) for (head, keys), having in layouts.items()]
    names: dict[str, str] = {}
    for having, columns in named:
        names |= {name.lower(): name for name in columns if name.lower() not in names}
        if source.reading.by_file:
            require_no_asset_id(source, columns, str(having[0]))
    require_in_every_file(source, named)
    try:
        return _scan(source, layouts, names, database)
    except EngineError as error:
        raise DataError(source.name, "readable", _in_words(error)) from error


def _scan(
    source: Source, layouts: dict[Layout, list[Path]], names: dict[str, str], database: Database
) -> Scan:
    queries = {layout: _query(source, layout, files) for layout, files in layouts.items()}
    texts = all_of(queries.values(), by_name=True)
    columns = list(names.values())
    if source.reading.by_file:
        columns.append("asset_id")
    unnamed, changes = _row_numbers(texts, columns, database)
    columns = [name for name in columns if name not in unnamed]
    query, read_as = typed(
        source, texts, columns, database,
        has_decimal_commas=all(head.delimiter != "," for head, _ in layouts),
    )  # fmt: skip
    lacking = _missing(layouts, queries, names, database)
    n_ends = sum(_empty_ends(head, files, database) for (head, _), files in layouts.items())
    if n_ends:
        changes = (*changes, Change("empty fields beyond those of the header left out", n_ends))
    skipped = sum(head.n_skipped * len(files) for (head, _), files in layouts.items())
    if skipped:
        changes = (*changes, Change("lines above the header left out", skipped))
    return Scan(query=query, changes=(*changes, *read_as, *lacking))


def _query(source: Source, layout: Layout, files: Sequence[Path]) -> str:
    """Return the scan of files of one layout, every column as text."""
    head, keys = layout
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in head.columns)
    options = {
        "columns": f"{{{columns}}}", "auto_detect": "false", "header": "true",
        "delim": literal(head.delimiter), "quote": "'\"'", "escape": "'\"'",
        "skip": str(head.n_skipped), "strict_mode": "true", "null_padding": "false",
        "hive_partitioning": str(bool(keys)).lower(), "hive_types_autocast": "false",
        "filename": literal(FILE),
    }  # fmt: skip
    said = ", ".join(f"{key} = {value}" for key, value in options.items())
    items = [quote(name) for name in (*head.columns, *keys)]
    if source.reading.by_file:
        items.append(asset_of_file(source, quote(FILE)))
    return rows_of(f"read_csv([{_listed(files)}], {said})", ", ".join(items))


def _empty_ends(head: Head, files: Sequence[Path], database: Database) -> int:
    """Return how many rows have empty fields beyond those of the header."""
    # A line is one value where nothing that parts or quotes is in it.
    lines = (
        f"read_csv([{_listed(files)}], columns = {{'line': 'VARCHAR'}}, auto_detect = false, "
        f"header = true, delim = '\x01', quote = '', escape = '', skip = {head.n_skipped}, "
        "strict_mode = false)"
    )
    values: dict[str, object] = {"delimiter": head.delimiter, "n_columns": len(head.columns)}
    return int(database.rows(render("register/empty_ends", source=lines), values)[0][0])


def _listed(files: Sequence[Path]) -> str:
    return ", ".join(file_literal(str(file)) for file in files)


def _row_numbers(
    texts: str, columns: Sequence[str], database: Database
) -> tuple[set[str], tuple[Change, ...]]:
    """Find the first column where it has no name and counts rows, as pandas writes its index."""
    if columns[0] != "column0":
        return set(), ()
    query = render("register/row_numbers", source=f"({texts})")
    n_rows, are_numbers = database.rows(query)[0]
    if not are_numbers:
        return set(), ()
    return {columns[0]}, (Change("a column of row numbers without a name left out", n_rows),)


def _missing(
    layouts: dict[Layout, list[Path]],
    queries: dict[Layout, str],
    names: dict[str, str],
    database: Database,
) -> tuple[Change, ...]:
    """Say of which columns there are none in some files, and in how many rows."""
    lower = {
        layout: {name.lower() for name in (*layout[0].columns, *layout[1])} for layout in layouts
    }
    having: Counter[str] = Counter()
    n_rows: Counter[str] = Counter()
    for layout, files in layouts.items():
        having.update(dict.fromkeys(lower[layout], len(files)))
        lacking = [name for name in names if name not in lower[layout]]
        if lacking:
            n_here = database.rows(count_of(queries[layout]))[0][0]
            n_rows.update(dict.fromkeys(lacking, n_here))
    return missing_columns(names, having, sum(map(len, layouts.values())), n_rows)


def _in_words(error: EngineError) -> str:
    """Return what DuckDB says of a line that it cannot read, and the way out."""
    text = str(error)
    line = re.search(r"CSV Error on Line: (\d+)", text)
    shown = re.search(r"Original Line: ?(.*)", text)
    file = re.search(r"file ?= ?(\S+)", text)
    numbers = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    if line is None:
        first = "lines that end in several ways, or quotes that do not end"
        if "state machine" not in text:
            first = text.splitlines()[0]
        return f"could not be read: {first}; save it again as one kind of CSV"
    where = f"line {line[1]}" + (f" of {file[1]}" if file else "")
    what = f", {shown[1][:80]!r}," if shown else ""
    if numbers is not None:
        return (
            f"could not be read: {where}{what} has {numbers[2]} columns and the header has "
            f"{numbers[1]}; mend that line, or leave it out"
        )
    if "unicode" in text:
        return f"could not be read: {where} is not UTF-8; save the file as UTF-8"
    rest = "has a quote that does not end" if "unterminated" in text else "is no CSV"
    return f"could not be read: {where}{what} {rest}; mend that line"
