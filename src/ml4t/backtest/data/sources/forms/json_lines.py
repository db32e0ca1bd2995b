"""JSON lines: one object a line, or a file that is a list of objects.

DuckDB's own detection would read 01-02-2024 as a day of February, and types of a sample. Here each
name becomes a column; where all its values are strings it is text, else its texts are decided like
those of CSV (`values`), so that a string 000001 is none of a number's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ml4t.backtest.data.database import Database, EngineError
from ml4t.backtest.data.sources.files import folder_keys
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
from ml4t.backtest.data.sources.text_items import json_text
from ml4t.backtest.data.sql_files import file_literal, literal, quote, render, rows_of
from ml4t.backtest.errors import DataError

_NESTED = ("OBJECT", "ARRAY")


def scan_json(source: Source, files: Sequence[Path], database: Database) -> Scan:
    """Return the query that reads JSON lines, each name in one type.

    Raises
    ------
    DataError
        A line is no object; a value of a name is an object or a list; see `typed`.
    """
    try:
        return _scan(source, files, database)
    except EngineError as error:
        raise DataError(source.name, "readable", _in_words(error)) from error


def _scan(source: Source, files: Sequence[Path], database: Database) -> Scan:
    listed = f"[{', '.join(file_literal(str(file)) for file in files)}]"
    objects = f"read_json_objects({listed}, format = 'auto', filename = {literal(FILE)})"
    ((n_others,),) = database.rows(render("register/json_others", source=objects))
    if n_others:
        raise DataError(
            source.name, "readable", "could not be read: each line of JSON must be an object, such "
            'as {"timestamp": "2024-01-02", "close": 1.5}; write it so',
            n_rows=n_others,
        )  # fmt: skip
    rows = database.rows(render("register/json_names", source=objects, file=quote(FILE)))
    kinds: dict[str, Counter[str]] = {}
    in_file: dict[str, set[str]] = {str(file): set() for file in files}
    n_rows: dict[str, int] = {}
    for file, name, kind, n_values, n_here in rows:
        n_rows[file] = n_here
        if name is not None:
            in_file[file].add(name)
            kinds.setdefault(name, Counter())[kind] += n_values
    _require_plain(source, kinds)
    keys = {key for file in files for key in folder_keys(str(file))}
    named = [([Path(file)], (*names, *folder_keys(file))) for file, names in in_file.items()]
    require_in_every_file(source, named)
    if source.reading.by_file:
        require_no_asset_id(source, [*kinds, *keys], str(files[0]))
    items = [f"{json_text(name)} as {quote(name)}" for name in kinds]
    items += [quote(key) for key in sorted(keys)]
    columns = [*kinds, *sorted(keys)]
    if source.reading.by_file:
        items.append(asset_of_file(source, quote(FILE)))
        columns.append("asset_id")
    options = "format = 'auto', hive_partitioning = {}, hive_types_autocast = false, filename = {}"
    scan = f"read_json_objects({listed}, {options.format(str(bool(keys)).lower(), literal(FILE))})"
    texts = [name for name, found in kinds.items() if set(found) <= {"VARCHAR", "NULL"}]
    query, changes = typed(source, rows_of(scan, ", ".join(items)), columns, database, kept=texts)
    lacking = {name: [f for f, names in in_file.items() if name not in names] for name in kinds}
    gone = missing_columns(
        {name: name for name in kinds},
        {name: len(files) - len(without) for name, without in lacking.items()},
        len(files),
        {name: sum(n_rows.get(file, 0) for file in without) for name, without in lacking.items()},
    )
    return Scan(query=query, changes=(*changes, *gone))


def _require_plain(source: Source, kinds: dict[str, Counter[str]]) -> None:
    spelled: dict[str, str] = {}
    for name, found in kinds.items():
        other = spelled.setdefault(name.lower(), name)
        if other != name:
            raise DataError(
                source.name, "columns", f"has columns '{other}' and '{name}', which are one to "
                "SQL; rename one of them",
            )  # fmt: skip
        nested = next((kind for kind in found if kind in _NESTED), None)
        if nested is not None:
            raise DataError(
                source.name, "types", f"has column '{name}' with a value that is "
                f"{'an object' if nested == 'OBJECT' else 'a list'}; flatten it, or register the "
                'SQL text that does, such as "select ... from read_json(\'file.jsonl\')"',
                n_rows=found[nested],
            )  # fmt: skip


def _in_words(error: EngineError) -> str:
    text = str(error).splitlines()[0]
    file = re.search(r'file "([^"]+)"', text)
    line = re.search(r"in (?:line|record/value) (\d+)", text)
    what = text.rpartition(": ")[2].split(".")[0]
    if file is None:
        return f"could not be read: {text}"
    where = f", line {line[1]}" if line else ""
    return f"could not be read: {file[1]}{where}: {what}; mend that line"
