"""Kinds: which suffix is which kind of file, in one table.

A path goes by its suffix; what has none of these is taken for Parquet. `.db` is DuckDB's or
SQLite's, as its first bytes say, and a folder is a table of Delta's or Iceberg's where it has the
log of one.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

# Of text alone: DuckDB unpacks these two on its way.
PACKED = (".gz", ".zst")
_SQLITE_MAGIC = b"SQLite format 3\0"
_N_SHOWN = 40


class FileKind(NamedTuple):
    """A kind of file.

    Attributes
    ----------
    name : str
        As messages say it.
    suffixes : tuple of str
        In lower case.
    is_scanned : bool
        DuckDB scans the files themselves, so that SQL may read them; else a session of their own.
    is_found : bool
        A folder is searched for them; what else may lie in a folder, such as a readme, is not.
    has_tables : bool
        ``table=`` names one of several in a file.
    has_texts : bool
        Its cells may be a word that stands for a missing number: ``null_values=`` says which.
    """

    name: str
    suffixes: tuple[str, ...] = ()
    is_scanned: bool = True
    is_found: bool = True
    has_tables: bool = False
    has_texts: bool = False


PARQUET = FileKind(name="Parquet", suffixes=(".parquet", ".parq", ".pq"))
DELIMITED = FileKind(name="CSV", suffixes=(".csv", ".tsv", ".tab", ".psv"), has_texts=True)
# A text beside data is most often a readme: it is read where it is named.
NAMED_TEXT = FileKind(name="CSV", suffixes=(".txt",), has_texts=True, is_found=False)
JSON_LINES = FileKind(name="JSON lines", suffixes=(".jsonl", ".ndjson"), has_texts=True)
NAMED_JSON = FileKind(name="JSON lines", suffixes=(".json",), has_texts=True, is_found=False)
ARROW = FileKind(name="Arrow", suffixes=(".feather", ".arrow", ".ipc"), is_scanned=False)
EXCEL = FileKind(name="Excel", suffixes=(".xlsx", ".xlsm"), is_scanned=False, has_tables=True,
             has_texts=True)  # fmt: skip
DUCKDB = FileKind(name="DuckDB", suffixes=(".duckdb", ".ddb"), is_scanned=False, is_found=False,
              has_tables=True)  # fmt: skip
SQLITE = FileKind(name="SQLite", suffixes=(".sqlite", ".sqlite3", ".db3"), is_scanned=False,
              is_found=False, has_tables=True, has_texts=True)  # fmt: skip
DELTA = FileKind(name="Delta table", is_scanned=False)
ICEBERG = FileKind(name="Iceberg table", is_scanned=False)
FILE_KINDS = (PARQUET, DELIMITED, NAMED_TEXT, JSON_LINES, NAMED_JSON, ARROW, EXCEL, DUCKDB, SQLITE)
_BY_SUFFIX = {suffix: kind for kind in FILE_KINDS for suffix in kind.suffixes}
ENDINGS = (*_BY_SUFFIX, ".db")
# What cannot be read, and what to do about it.
UNREAD = {
    ".zip": "unpack it", ".bz2": "unpack it, or pack it with gzip", ".xz": "unpack it, or pack it "
    "with gzip", ".7z": "unpack it", ".rar": "unpack it", ".tar": "unpack it", ".tgz": "unpack it",
    ".xls": "save it as .xlsx", ".xlsb": "save it as .xlsx", ".ods": "save it as .xlsx",
    ".pkl": "register the frame that pandas.read_pickle returns",
    ".pickle": "register the frame that pandas.read_pickle returns",
    ".h5": "register the frame that pandas.read_hdf returns",
    ".hdf5": "register the frame that pandas.read_hdf returns",
    ".orc": "register the table that pyarrow.orc.read_table returns",
    ".avro": "register the frame that polars.read_avro returns",
    ".npz": "register the arrays as a dict of columns",
    ".npy": "register the arrays as a dict of columns",
    ".arrows": "register the table that pyarrow.ipc.open_stream(...).read_all() returns",
}  # fmt: skip


def suffix_of(path: str | Path) -> str:
    """Return the suffix that says what a file is: of ``x.csv.gz`` it is ``.csv``."""
    suffixes = [one.lower() for one in Path(path).suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def stem_of(path: str | Path) -> str:
    """Return the name of a file without what says its kind: of ``BRK.B.csv.gz`` it is ``BRK.B``."""
    name = Path(path).name
    if Path(name).suffix.lower() in PACKED:
        name = Path(name).stem
    return Path(name).stem if Path(name).suffix.lower() in ENDINGS else name


def kind_of(path: str | Path) -> FileKind:
    """Return the kind of a file by its name; of a ``.db`` here by its first bytes."""
    suffix = suffix_of(path)
    if suffix == ".db" and "://" not in str(path):
        return SQLITE if beginning(path).startswith(_SQLITE_MAGIC) else DUCKDB
    return DUCKDB if suffix == ".db" else _BY_SUFFIX.get(suffix, PARQUET)


def is_found(path: str | Path) -> bool:
    """Say whether a folder that holds a file is a folder of such."""
    kind = _BY_SUFFIX.get(suffix_of(path))
    return kind is not None and kind.is_found


def table_kind(folder: Path) -> FileKind | None:
    """Return the kind of table that a folder is, if it is one."""
    try:
        if (folder / "_delta_log").is_dir():
            return DELTA
        # Many a folder is called metadata.
        return ICEBERG if any((folder / "metadata").glob("*.metadata.json")) else None
    except (OSError, ValueError):  # a name too long, a folder that may not be entered
        return None


def beginning(path: str | Path) -> bytes:
    """Return the first bytes of a file."""
    with Path(path).open("rb") as file:
        return file.read(_N_SHOWN)
