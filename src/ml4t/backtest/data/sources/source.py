"""Sources: what was registered, which files that is, and what identifies its content.

A path, a glob, a folder, a list of paths or a URL is files, of the kind that `forms.kinds` tells by
their suffix; SQL text is a query; all else is a frame. How they are read is `attaching`'s matter.
"""

from __future__ import annotations

import glob
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ml4t.backtest.data.computed.check_record import CheckRecord
from ml4t.backtest.data.computed.source_function import SourceFunction
from ml4t.backtest.data.database import Database, EngineError, is_relation
from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.data.sources.forms.kinds import (
    PARQUET,
    UNREAD,
    FileKind,
    is_found,
    kind_of,
    suffix_of,
    table_kind,
)
from ml4t.backtest.data.sources.forms.reading import PLAINLY, FileReading
from ml4t.backtest.data.sources.roles import ROLES, Role
from ml4t.backtest.data.sources.roles.spec import RoleSpec
from ml4t.backtest.data.sql_files import Sql, quote, render
from ml4t.backtest.errors import ConfigError, DataError, require_path

if TYPE_CHECKING:
    from ml4t.backtest.data.objects.listing import StoredObject

# How a query begins. A path may begin with the name of a folder of such a word, so some want more.
_SQL = re.compile(
    r"(\s|\(|--[^\n]*\n|/\*.*?\*/)*"
    r"((select|with|from)\s|values\s*\(|(un)?pivot\s.*\son\s)",
    re.IGNORECASE | re.DOTALL,
)
_URL = re.compile(r"[a-z0-9]+://", re.IGNORECASE)
# Views and temporary tables of a run; a source of that name would stand in for them.
TAKEN = re.compile(r"market|signals|timeline|raw|stage|bars|decisions|at_\w+|__.*")


class TypedRows(NamedTuple):
    """Rows in memory that get back the types which their form has no word for.

    Attributes
    ----------
    rows : Arrow table
    types : mapping of str to str
        Type of each column, as DuckDB calls it.
    """

    rows: object
    types: Mapping[str, str]


class Source(NamedTuple):
    """One registered source.

    Attributes
    ----------
    role : str
    name : str
        View name; the role's own name unless several features sources are registered.
    given : object
        What the user passed.
    available_at : str or None
        Column that says when a row became known.
    lag, max_age : str or None
        Intervals such as ``"1 day"``.
    drop_bad_rows : bool
    columns : mapping of str to str
        Columns of the source by our name, where they have another.
    date_format : str or None
        How dates and times are written that are text.
    adjusted : bool, str or None
        Whether prices have splits and dividends in them; a column by which they get them.
    reading : FileReading
        How its files are read, where their kind leaves it open.
    changes : tuple of Change
        What was changed between the user's data and the view.
    stamp_shift : str or None
        Length of bars that are stamped at their open, such as ``"00:05:00"``.
    function : SourceFunction or None
        That made what was given.
    delay : str or None
        How much later rows are known than they say, of a catalog that audits make.
    checked : CheckRecord or None
        Of a check of its files.
    """

    role: Role
    name: str
    given: object
    available_at: str | None = None
    lag: str | None = None
    max_age: str | None = None
    drop_bad_rows: bool = False
    columns: Mapping[str, str] = {}
    date_format: str | None = None
    adjusted: bool | str | None = None
    reading: FileReading = PLAINLY
    changes: tuple[Change, ...] = ()
    stamp_shift: str | None = None
    function: SourceFunction | None = None
    delay: str | None = None
    checked: CheckRecord | None = None

    @property
    def spec(self) -> RoleSpec:
        """What its role says of it."""
        return ROLES[self.role]

    @property
    def is_indicator(self) -> bool:
        """Whether it is an indicator of this package: a query of ours, over prices or a feature."""
        return isinstance(self.given, Sql) and self.given.file.startswith("indicators/")

    @property
    def is_known_as_of(self) -> bool:
        """Whether its columns are known at a time of their own, and joined to bars as of then."""
        spec = self.spec
        return spec.is_clocked or (spec.is_per_asset and self.available_at is not None)

    @property
    def is_adjusted(self) -> bool:
        """Whether its prices have splits and dividends in them."""
        return self.adjusted is True or isinstance(self.adjusted, str)

    @property
    def is_files(self) -> bool:
        """Whether the source is files that DuckDB reads by itself."""
        return _paths(self.given) is not None

    def paths(self) -> list[str]:
        """Return the files or globs of a file source, absolute; empty for a frame."""
        return [
            path if is_remote(path) else str(Path(*_head_and_pattern(path)))
            for path in _paths(self.given) or []
        ]

    @property
    def urls(self) -> list[str]:
        """Those of its paths that are URLs."""
        return [path for path in _paths(self.given) or [] if is_remote(path)]

    def kind(self) -> FileKind:
        """Return the kind of its files; of URLs too, which go by their names.

        Raises
        ------
        DataError
            They are of several kinds, or of one that cannot be read.
        """
        found = self.found()
        folders = {kind for path in found if (kind := table_kind(Path(path))) is not None}
        files = [str(file) for path in found if table_kind(Path(path)) is None
                 for file in found[path]]  # fmt: skip
        files += self.urls
        by_kind: dict[str, tuple[FileKind, list[str]]] = {kind.name: (kind, []) for kind in folders}
        for file in sorted(files):
            way_out = UNREAD.get(suffix_of(file))
            if way_out is not None:
                raise DataError(
                    self.name, "readable", f"cannot be read: {file} is no kind of file that is "
                    f"read here; {way_out}",
                )  # fmt: skip
            kind = kind_of(file)
            by_kind.setdefault(kind.name, (kind, []))[1].append(file)
        if len(by_kind) > 1:
            counts = " and ".join(
                f"{len(few) or 1:,} of {name}" + (f" ({few[0]})" if few else "")
                for name, (_, few) in by_kind.items()
            )
            one = next(few[0] for _, few in by_kind.values() if few)
            raise DataError(
                self.name, "readable", f"has files of several kinds: {counts}; register those of "
                f"one, such as {str(Path(one).parent / ('*' + Path(one).suffix))!r}",
            )  # fmt: skip
        return next((kind for kind, _ in by_kind.values()), PARQUET)

    def scanned(self) -> list[Path]:
        """Return the local files that DuckDB scans by itself."""
        return self.files() if self.is_files and self.kind().is_scanned else []

    def objects(self) -> list[StoredObject]:
        """Return what its URLs stand for now, sorted, each once."""
        return remote_objects(self.name, self.urls)

    def files(self) -> list[Path]:
        """Return the local files behind the source, sorted, each once; of URLs and frames none."""
        return sorted({file for files in self.found().values() for file in files})

    def found(self) -> dict[str, list[Path]]:
        """Return the local files behind each path that is no URL.

        Raises
        ------
        DataError
            A folder or a file may not be looked at.
        """
        local = [path for path in _paths(self.given) or [] if not is_remote(path)]
        try:
            places = [_head_and_pattern(path) for path in local]
            return {str(Path(*place)): _files_at(*place) for place in places}
        except OSError as error:
            raise DataError(self.name, "readable", f"could not be read: {error}") from error


def is_sql(text: str) -> bool:
    """Say whether a text is a query, and not a path."""
    return _SQL.match(text) is not None


def is_remote(path: str) -> bool:
    """Say whether a path is a URL."""
    return _URL.match(path) is not None


def remote_objects(name: str, urls: Sequence[str]) -> list[StoredObject]:
    """Return the objects of Parquet that URLs of a source stand for; their stores are asked.

    Raises
    ------
    ConfigError, DataError
        As of `objects_of`.
    """
    if not urls:
        return []
    from ml4t.backtest.data.objects.listing import objects_of

    return objects_of(name, urls, PARQUET.suffixes)


def files_of(path: str) -> list[Path]:
    """Return the local files that a path, a folder or a glob stands for; hidden ones are left."""
    return _files_at(*_head_and_pattern(path))


def _files_at(head: Path, pattern: str) -> list[Path]:
    if not pattern and not head.is_dir():
        return [head] if head.is_file() else []
    # Path.glob would return hidden files too.
    found = glob.glob(pattern or "**/*", root_dir=head, recursive=True)  # noqa: PTH207
    # A folder may hold a readme beside its data, a table of Delta's or Iceberg's is all its files.
    is_any = bool(pattern) or table_kind(head) is not None
    return [head / file for file in found if (is_any or is_found(file)) and (head / file).is_file()]


def _head_and_pattern(path: str) -> tuple[Path, str]:
    """Return how far a local path is there as it is spelled, and the rest, which is a pattern.

    Brackets and stars in the name of what is there, the working folder's too, match nothing else.
    """
    whole = Path.cwd() / Path(path).expanduser()
    if is_there(whole):
        return whole.resolve(), ""
    top, *rest = whole.parts
    head = Path(top)
    while is_there(head / rest[0]):
        head /= rest.pop(0)
    return head.resolve(), "/".join(rest)


def is_there(path: Path) -> bool:
    """Say whether there is a file or folder at a path, as far as one may look."""
    try:
        return path.exists()
    except OSError:  # a name too long, a folder that may not be entered
        return False


def scannable(name: str, given: object) -> object:
    """Return what DuckDB can scan again and again: paths and SQL as they are, frames as Arrow.

    Raises
    ------
    ConfigError
        `given` is none of the kinds that can be registered.
    DataError
        Its columns do not make a table.
    """
    if isinstance(given, str) and not given.strip():
        raise ConfigError(f"source '{name}' must be a path, SQL or a frame, was {given!r}")
    for path in _paths(given) or ():
        if path.startswith("~"):
            require_path(f"the path of source '{name}'", path, "one of files")
    if _paths(given) is not None or isinstance(given, str):
        return given
    try:
        return _frame(name, given)
    except EngineError as error:
        # A relation says what is wrong with its query, and with the data, when it is read.
        first = str(error).splitlines()[0]
        raise DataError(name, "readable", f"could not be read: {first}") from error
    except (ValueError, TypeError) as error:
        if isinstance(error, ConfigError):
            raise
        shown = reprlib.repr(given)
        raise DataError(
            name,
            "readable",
            f"could not be read: {error}; it must be columns of values, was {shown}",
        ) from error


def of_lazy(name: str, ask: Callable[[], Any]) -> Any:
    """Return what a lazy frame answers; what is wrong with its plan shows only then.

    Raises
    ------
    DataError
        The plan names a column that is not there, or a file that cannot be read.
    """
    import polars as pl

    try:
        return ask()
    except (pl.exceptions.PolarsError, OSError) as error:
        first = str(error).splitlines()[0]
        raise DataError(name, "readable", f"could not be collected: {first}") from error


def file_facts(source: Source) -> list[dict[str, object]]:
    """Return path, size and modification time of the files behind a source; [] for frames.

    Of an object it is the tag of its version, where its store has such, and no time.
    """
    local: list[dict[str, object]] = [
        {"path": str(path), "bytes": facts.st_size, "modified_ns": facts.st_mtime_ns}
        for path in source.files()
        for facts in [path.stat()]
    ]
    return local + [one.facts() for one in source.objects()]


def fingerprint(
    source: Source, columns: Mapping[str, str], database: Database
) -> dict[str, object]:
    """Return what identifies a source's content: files, or for a frame a hash of its rows."""
    facts: dict[str, object] = {
        "role": source.role,
        "name": source.name,
        # A list: the order of the columns is part of the content.
        "columns": [list(item) for item in columns.items()],
    }
    if source.is_files:
        facts["files"] = file_facts(source)
    else:
        relation = f"raw.{quote(source.name)}"
        query = render("register/content_hash", source=relation)
        n_rows, content = database.rows(query)[0]
        facts |= {"rows": n_rows, "content_hash": str(content)}
    for name in ("available_at", "lag", "max_age", "stamp_shift", "delay"):
        if getattr(source, name) is not None:
            facts[name] = getattr(source, name)
    if source.adjusted is not None:
        facts["adjusted"] = source.adjusted
    if source.date_format is not None:
        facts["date_format"] = source.date_format
    facts |= source.reading.facts()
    if source.function is not None:
        facts["function"] = source.function.facts()
    if source.checked is not None:
        facts["checked_by"] = source.checked.facts()
    if source.columns:
        # Two columns that change their names are another content under the same names.
        facts["named"] = sorted(map(list, source.columns.items()))
    return facts


def _paths(given: object) -> list[str] | None:
    if isinstance(given, Path):
        return [str(given)]
    if isinstance(given, str):
        return None if is_sql(given) else [given]
    if (
        isinstance(given, (list, tuple))
        and given
        and all(isinstance(p, (str, Path)) for p in given)
    ):
        return [str(path) for path in given]
    return None


def _frame(name: str, given: object) -> object:
    if is_relation(given):
        return given.to_arrow_table()  # type: ignore[attr-defined]
    kind = f"{type(given).__module__}.{type(given).__name__}"
    if kind.startswith("pyarrow") and hasattr(given, "read_all"):
        return given.read_all()  # a reader can be read once, a run reads its sources often
    if kind.startswith("polars") and hasattr(given, "collect"):
        return of_lazy(name, given.collect).to_arrow()
    if kind.startswith("polars") and hasattr(given, "columns"):  # one column alone has none
        return given.to_arrow()  # type: ignore[attr-defined]
    if kind.startswith("pandas") and hasattr(given, "columns"):
        named = [name for name in given.index.names if name is not None]  # type: ignore[attr-defined]
        # A copy: a frame edited later must not change what was checked.
        return given.reset_index() if named else given.copy()  # type: ignore[attr-defined]
    if kind.startswith("pyarrow"):
        return given
    if isinstance(given, Mapping):
        import pyarrow as pa

        return pa.table(dict(given))
    if hasattr(given, "to_frame"):
        add = "with_columns" if kind.startswith("polars") else "assign"
        raise ConfigError(
            f"source '{name}' is a Series without times; say when its values are, and of what: "
            f"series.to_frame('close').{add}(timestamp=times, asset_id=ids)"
        )
    if isinstance(given, (list, tuple)) and given:
        raise ConfigError(
            f"source '{name}' is a {type(given).__name__} of {type(given[0]).__name__}; make a "
            "table of it: pandas.DataFrame(rows), with columns= where rows are no dicts"
        )
    raise ConfigError(
        f"source '{name}' is a {type(given).__name__}; pass a path, a glob, a list of "
        "paths, a URL, SQL text, a relation, or an Arrow, Polars or pandas frame"
    )
