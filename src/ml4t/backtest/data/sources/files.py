"""Files: however they were named, all files of a source are read by one rule.

1. `listed` resolves paths, globs, folders and lists into files, and refuses those of a table
   format, whose files alone say neither what was deleted nor what was replaced.
2. The footers tell which schemas there are. Columns go together by name; where a file lacks one
   it is NULL.
3. Each column gets the type that all its files have in common (`common_types`); where there is
   none, or a value does not fit, the files are refused.
4. `scan_of` writes the query: one scan where files agree, else one per group of files that do.

Files of other kinds than Parquet are read by a form of their own, in `forms`.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.data.sources.common_types import (
    clash,
    common_type,
    is_exact,
    require_none_inexact,
)
from ml4t.backtest.data.sources.forms.kinds import FILE_KINDS, PARQUET
from ml4t.backtest.data.sources.forms.scan import (
    FILE,
    Scan,
    asset_of_file,
    missing_columns,
    require_in_every_file,
    require_names_differ,
    require_no_asset_id,
    theirs,
)
from ml4t.backtest.data.sources.schema import UNTYPED
from ml4t.backtest.data.sources.source import Source, is_remote, is_there
from ml4t.backtest.data.sql_files import all_of, file_literal, literal, quote, read, render, rows_of
from ml4t.backtest.errors import DataError

# What stands in a folder that is a table of a format with a log of its own, and what reads it.
_TABLES = {
    "_delta_log": (
        "a Delta table",
        "{path!r}, or deltalake.DeltaTable({path!r}).to_pyarrow_table()",
    ),
    "metadata": (
        "an Iceberg table",
        "{path!r}, or polars.scan_iceberg(...) of its newest metadata",
    ),
    ".hoodie": ("a Hudi table", "the frame that a Hudi reader returns"),
}
_ICEBERG = "metadata"
# What `Path` makes of a URL.
_URL_IN_PATH = re.compile(r"/[a-z0-9]{2,}:/", re.IGNORECASE)


@dataclass(slots=True, kw_only=True)
class Part:
    """Files of one schema below folders of the same keys.

    Attributes
    ----------
    files : list of str
    keys : tuple of str
        Of the folders called ``key=value`` above the files.
    names : dict of str to str
        Columns as they are spelled, by lower-case name.
    kinds : dict of str to str
        Types of the columns, by lower-case name.
    """

    files: list[str]
    keys: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)


def listed(source: Source, database: Database) -> list[str]:
    """Return the files and objects of a source, each as an SQL string; DuckDB can read them now.

    Raises
    ------
    DataError
        A path matches no file, or the files are those of a Delta, Iceberg or Hudi table; or see
        `objects_of`.
    """
    local = source.found()
    files = {file for found in local.values() for file in found}
    _require_no_table(source, {Path(path) for path in local} | {file.parent for file in files})
    for path, found in local.items():
        if not found:
            raise DataError(
                source.name,
                "readable",
                f"matches no file: {path}; pass a path{_searched(path)}, or in Python a SELECT",
            )
    objects = source.objects()
    if objects:
        database.serve(objects)
    return _quoted([*sorted(map(str, files)), *(one.url for one in objects)])


def _searched(path: str) -> str:
    """Say what a folder without data was searched for, and how a URL is written."""
    if _URL_IN_PATH.search(path):
        return ", a URL as a text and no Path"
    if not is_there(Path(path)):
        return ""
    found = ", ".join(suffix for kind in FILE_KINDS if kind.is_found for suffix in kind.suffixes)
    return f" or a pattern such as '*.txt' (a folder is searched for {found})"


def scan_of(source: Source, database: Database) -> Scan:
    """Return the query that reads the files of a source, each column in one type.

    Raises
    ------
    DataError
        See `listed`; a column of the role's contract is not in every file; a column has types
        that have none in common, or values that do not fit into it.
    """
    files = listed(source, database)
    is_plain = not source.reading.by_file
    if len(files) == 1 and is_plain and not folder_keys(files[0]):
        return Scan(query=rows_of(f"read_parquet({files[0]})"))
    parts = _parts(source, files, database)
    if not is_plain:
        for part in parts:
            require_no_asset_id(source, part.names, part.files[0])
        require_names_differ(source, [file for part in parts for file in part.files])
    named = [(part.files, tuple(part.names)) for part in parts]
    require_in_every_file(source, named)
    lacking = _missing(parts, database)
    _require_keys_of_one_kind(source, parts, database)
    columns = _common_columns(source, parts)
    groups = _groups(parts, columns)
    if len(groups) == 1 and is_plain and not parts[0].keys:
        return Scan(query=rows_of(_read(*parts)), changes=lacking)
    names = _names(parts)
    _require_exact(source, groups, columns, names, database)
    branches = (_branch(source, group, columns, names) for group in groups)
    return Scan(query=all_of(branches), changes=lacking)


def dated_columns(source: Source, database: Database) -> set[str]:
    """Return columns (lower case) that are a DATE in some files and have a time in others."""
    files = listed(source, database) if source.is_files and source.kind() is PARQUET else []
    if len(files) <= 1:
        return set()
    kinds = _kinds(_parts(source, files, database))
    return {
        name
        for name, owners in kinds.items()
        if "DATE" in owners and any(kind.startswith("TIMESTAMP") for kind in owners)
    }


def _require_no_table(source: Source, folders: Iterable[Path]) -> None:
    """Refuse folders in which, or above which, a table format keeps its log."""
    for folder in sorted({above for path in folders for above in (path, *path.parents)}):
        for mark, (what, reader) in _TABLES.items():
            # As a text: paths, of all folders above a source, took a fourth of registering it.
            has_log = os.path.isdir(f"{folder}/{mark}")  # noqa: PTH112
            # Many a folder is called metadata.
            if has_log and (mark != _ICEBERG or any((folder / mark).glob("*.metadata.json"))):
                raise DataError(
                    source.name, "readable", f"is {what}, {folder}, whose files also hold rows "
                    "that were deleted or replaced; register its current rows instead: "
                    f"{reader.format(path=str(folder))}",
                )  # fmt: skip


def _parts(source: Source, files: Sequence[str], database: Database) -> list[Part]:
    """Return files by schema and by the keys of their folders, with names and types."""
    found: dict[tuple[int, tuple[str, ...]], Part] = {}
    for i, (paths,) in enumerate(database.rows(render("register/schemas", files=_list(files)))):
        for path in paths:
            keys = folder_keys(path)
            found.setdefault((i, keys), Part(files=[], keys=keys)).files.append(path)
    parts = sorted(found.values(), key=lambda part: part.files)
    of_keys: dict[tuple[str, ...], dict[str, str]] = {(): {}}
    for part in parts:
        if part.keys not in of_keys:
            # What a key's values are is told by all folders, not by those of one schema.
            alike = _read(*(other for other in parts if other.keys == part.keys))
            kinds = database.schema(rows_of(alike))
            # A ticker 000001 or 600519 is a name, whatever the other folders are called.
            names = theirs(source, kinds, ("asset_id",))
            of_keys[part.keys] = {
                key: "VARCHAR" if key.lower() in names else kinds[key] for key in part.keys
            }
        first = Part(files=part.files[:1])
        own = database.schema(rows_of(_read(first, hive_partitioning="false")))
        columns = own | of_keys[part.keys]
        part.names = {name.lower(): name for name in columns}
        part.kinds = {name.lower(): kind for name, kind in columns.items()}
    return parts


def folder_keys(path: str) -> tuple[str, ...]:
    """Return the keys of the folders ``key=value`` above a file."""
    return tuple(sorted(folder_values(path)))


def folder_values(path: str) -> dict[str, str]:
    """Return what the folders ``key=value`` above a file say, by key."""
    folders = re.split(r"[/\\]", path)[:-1]
    said = [folder.split("=") for folder in folders if folder.count("=") == 1]
    return {key: unquote(value) for key, value in said if key}


def _require_keys_of_one_kind(source: Source, parts: Sequence[Part], database: Database) -> None:
    """Refuse a key that is a number or a date in some folders and another text in others.

    One such folder makes all of them text, and those of later days would say what 9 means. Names
    of assets mean nothing but themselves.
    """
    texts = [part for part in parts if "VARCHAR" in {part.kinds[key.lower()] for key in part.keys}]
    names = theirs(source, _names(parts).values(), ("asset_id",))
    said: dict[str, dict[str, str]] = {}
    for path in (file for part in texts for file in part.files):
        for key, value in folder_values(path).items():
            if key.lower() in names:
                continue
            said.setdefault(key, {}).setdefault(value, path)
    for key, paths in said.items():
        rows = database.rows(read("register/key_values"), {"key_values": list(paths)})
        kinds = {is_typed: value for value, is_typed in rows}
        if len(kinds) == 2:
            raise DataError(
                source.name, "types", f"has folders with {key} a number or a date, "
                f"{paths[kinds[True]]}, and with {key} a text, {paths[kinds[False]]}; give all of "
                "them one kind, or pass SQL text that reads them with hive_types",
            )  # fmt: skip


def _kinds(parts: Iterable[Part]) -> dict[str, dict[str, Part]]:
    """Return the first part of each type of each column."""
    found: dict[str, dict[str, Part]] = {}
    for part in parts:
        for name, kind in part.kinds.items():
            found.setdefault(name, {}).setdefault(kind, part)
    return found


def _names(parts: Iterable[Part]) -> dict[str, str]:
    """Return the columns as the first file that has them spells them, by lower-case name."""
    names: dict[str, str] = {}
    for part in parts:
        names = part.names | names
    return names


def _missing(parts: Sequence[Part], database: Database) -> tuple[Change, ...]:
    """Say of which columns there are none in some files, and in how many rows."""
    names = _names(parts)
    having: Counter[str] = Counter()
    n_rows: Counter[str] = Counter()
    for part in parts:
        having.update(dict.fromkeys(part.names, len(part.files)))
        lacking = [name for name in names if name not in part.names]
        if lacking:
            query = render("register/file_rows", files=_list(_quoted(part.files)))
            n_rows.update(dict.fromkeys(lacking, database.rows(query)[0][0]))
    return missing_columns(names, having, sum(len(part.files) for part in parts), n_rows)


def _common_columns(source: Source, parts: Sequence[Part]) -> dict[str, str]:
    """Return the type of every column; refuse one whose files have none in common."""
    columns = {}
    for name, owners in _kinds(parts).items():
        kinds = clash(owners)
        if kinds is not None:
            _refuse_types(source, _names(parts)[name], {kind: owners[kind] for kind in kinds})
        columns[name] = common_type(owners) or UNTYPED
    return columns


def _refuse_types(source: Source, name: str, owners: Mapping[str, Part]) -> NoReturn:
    (one, first), (other, second) = owners.items()
    rule, way_out = "types", "store it in one type"
    if all(kind.startswith(("DATE", "TIMESTAMP")) for kind in (one, other)):
        rule, way_out = "mixed_time_zones", "store both with a time zone, or both without"
    raise DataError(
        source.name, rule, f"has column '{name}' of type {one} in {first.files[0]} and {other} in "
        f"{second.files[0]}; {way_out}",
    )  # fmt: skip


def _groups(parts: Sequence[Part], columns: Mapping[str, str]) -> list[list[Part]]:
    """Return parts that one scan reads together: same keys, and same types where types differ."""
    differ = [name for name, owners in _kinds(parts).items() if len(owners) > 1]
    found: dict[object, list[Part]] = {}
    for part in parts:
        kinds = tuple(part.kinds.get(name, columns[name]) for name in differ)
        found.setdefault((part.keys, kinds), []).append(part)
    return list(found.values())


def _require_exact(
    source: Source,
    groups: Sequence[Sequence[Part]],
    columns: Mapping[str, str],
    names: Mapping[str, str],
    database: Database,
) -> None:
    """Refuse values that the common type of their column cannot hold."""
    for group in groups:
        for name, kind in _group_kinds(group).items():
            common = columns[name]
            if is_exact(kind, common):
                continue
            having = [part for part in group if name in part.kinds]
            query = render(
                "register/inexact",
                source=_read(*having),
                item=quote(names[name]),
                kind=kind,
                common=common,
            )
            shown = f"{kind} in {having[0].files[0]}"
            require_none_inexact(source.name, names[name], shown, common, query, database)


def _branch(
    source: Source, group: Sequence[Part], columns: Mapping[str, str], names: Mapping[str, str]
) -> str:
    """Return the query of a group's files, in the common types."""
    kinds = _group_kinds(group)
    items = []
    for name, common in columns.items():
        shown = quote(names[name])
        value = shown if name in kinds else "null"
        is_cast = common not in (UNTYPED, kinds.get(name))
        items.append(f"{value}::{common} as {shown}" if is_cast else f"{value} as {shown}")
    keys = group[0].keys
    options = {"hive_partitioning": str(bool(keys)).lower()}
    if keys:
        types = ", ".join(f"{literal(key)}: {literal(kinds[key.lower()])}" for key in keys)
        options["hive_types"] = f"{{{types}}}"
    if source.reading.by_file:
        options["filename"] = literal(FILE)
        items.append(asset_of_file(source, quote(FILE)))
    return rows_of(_read(*group, **options), ", ".join(items))


def _group_kinds(group: Sequence[Part]) -> dict[str, str]:
    return {name: kind for part in group for name, kind in part.kinds.items()}


def _read(*parts: Part, **options: str) -> str:
    """Return the scan of all files of some parts."""
    files = _list(_quoted(sorted(file for part in parts for file in part.files)))
    settings = {"union_by_name": str(len(parts) > 1).lower()} | options
    return f"read_parquet({files}, {', '.join(f'{k} = {v}' for k, v in settings.items())})"


def _quoted(files: Iterable[str]) -> list[str]:
    """Return files as SQL strings; an object is read as it is spelled."""
    return [literal(file) if is_remote(file) else file_literal(file) for file in files]


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(texts)}]"
