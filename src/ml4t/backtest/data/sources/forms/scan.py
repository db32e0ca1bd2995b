"""Scan: what a form makes of the files of a source."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.data.sources.forms.kinds import ENDINGS, stem_of
from ml4t.backtest.data.sources.forms.reading import BY_FOLDER, FILENAME
from ml4t.backtest.data.sources.naming import AVAILABLE_AT, column_names
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sources.text_items import file_stem
from ml4t.backtest.data.sql_files import literal
from ml4t.backtest.errors import DataError

# The column in which a scan says where a row stands.
FILE = "__file"
# A path, of which the first group is the folder of its file.
_IN_FOLDER = r"([^/\\]+)[/\\][^/\\]*$"


class Scan(NamedTuple):
    """What DuckDB scans of a source's files: a query, or rows of Arrow.

    Attributes
    ----------
    query : str or None
    rows : object or None
        An Arrow table or dataset, where there is no query.
    changes : tuple of Change
        What differs from the files.
    """

    query: str | None = None
    rows: object | None = None
    changes: tuple[Change, ...] = ()


def theirs(source: Source, found: Collection[str], ours: Iterable[str]) -> set[str]:
    """Return what columns of ours are called in a source, in lower case."""
    spec = source.spec
    names = column_names(source.name, spec, found, source.columns, may_lack=spec.required)
    return {names.get(name, name).lower() for name in ours}


def asset_of_file(source: Source, item: str) -> str:
    """Return the asset of a row by the path of the file that it stands in, as SQL."""
    if source.reading.asset_by == BY_FOLDER:
        return f"regexp_extract({item}, {literal(_IN_FOLDER)}, 1) as asset_id"
    return f"{file_stem(item, ENDINGS)} as asset_id"


def asset_at(source: Source, file: Path) -> str:
    """Return the asset of a file by its path."""
    return file.absolute().parent.name if source.reading.asset_by == BY_FOLDER else stem_of(file)


def require_names_differ(source: Source, files: Sequence[str | Path]) -> None:
    """Refuse files of many folders that have one name, where their names are to be the assets.

    Raises
    ------
    DataError
    """
    if source.reading.asset_by != FILENAME or len({Path(file).parent for file in files}) < 2:
        return
    stems = {stem_of(file) for file in files}
    if len(stems) == 1:
        raise DataError(
            source.name, "columns", f"has {len(files):,} files, all called '{stems.pop()}', such "
            f"as {files[0]}, and asset_id='filename' makes them one asset; if each folder is one, "
            "say asset_id='folder'",
        )  # fmt: skip


def require_no_asset_id(source: Source, found: Collection[str], file: str) -> None:
    """Refuse files that name their assets where the names of the files are to be those.

    Raises
    ------
    DataError
    """
    theirs = source.columns.get("asset_id", "asset_id").lower()
    if theirs in {name.lower() for name in found}:
        raise DataError(
            source.name, "columns", f"has a column '{theirs}' in {file}, and asset_id="
            f"{source.reading.asset_by!r} names its assets by their files; leave one of them out",
        )  # fmt: skip


def missing_columns(
    names: Mapping[str, str], having: Mapping[str, int], n_files: int, n_rows: Mapping[str, int]
) -> tuple[Change, ...]:
    """Return a warning for each column that some files lack.

    Parameters
    ----------
    names : mapping
        Columns as they are spelled, by lower-case name.
    having : mapping
        In how many files each is, by lower-case name.
    n_files : int
    n_rows : mapping
        Rows of the files that lack it.
    """
    return tuple(
        Change(
            f"{names[name]} is in {having[name]:,} of {n_files:,} files, missing in the others",
            n_rows[name],
            is_warning=True,
        )
        for name in names
        if having[name] < n_files
    )


def require_in_every_file(
    source: Source, named: Sequence[tuple[Sequence[str | Path], Collection[str]]]
) -> None:
    """Refuse a file without a column that says what a row is: NULL would not be missing there.

    Parameters
    ----------
    source : Source
    named : sequence of pairs
        Files of one layout, and the names of their columns.

    Raises
    ------
    DataError
    """
    spec = source.spec
    ours = [name for name in spec.required if name != "asset_id" or not source.reading.by_file]
    # What a column is called is told by all files: one of another name is another column.
    every = list(dict.fromkeys(name for _, columns in named for name in columns))
    names = column_names(source.name, spec, every, source.columns, may_lack=spec.required)
    needed = [names.get(name, name).lower() for name in ours]
    if AVAILABLE_AT in spec.takes:
        needed.append((source.available_at or AVAILABLE_AT).lower())
    for name in needed:
        having: list[str | Path] = []
        lacking: list[str | Path] = []
        for files, columns in named:
            is_there = name in {column.lower() for column in columns}
            (having if is_there else lacking).append(files[0])
        if having and lacking:
            raise DataError(
                source.name, "columns", f"has no column '{name}' in {lacking[0]}, and has it in "
                f"{having[0]}; add it there, or leave the file out",
            )  # fmt: skip
