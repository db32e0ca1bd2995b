"""The one place where SQL text is read and composed.

Every statement is a file under ``sql/``. In a file ``$name`` is a value that DuckDB binds,
``:name`` a place for an identifier or a list of columns that `render` fills in; what is filled
in has been through `quote`, or is a user expression that the analyser has let pass.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

VIEWS = ("signals", "market")
_PLACE = re.compile(r"(?<![:\w]):([a-z_]+)(?![:\w])")
# What makes a pattern of a path.
WILD = re.compile(r"[*?\[]")
# Of a comment that is alone in its line, the line goes too.
_COMMENT = re.compile(r"^[ \t]*--[^\n]*\n|--[^\n]*(?=\n)", re.MULTILINE)


class Sql(str):
    """The text of a statement that knows the file it comes from.

    Attributes
    ----------
    file : str
        Such as ``ranking/ranked.sql``, under ``sql/``.
    """

    __slots__ = ("file",)
    file: str

    @classmethod
    def of(cls, text: str, file: str) -> Sql:
        """Return `text` as that of a file."""
        named = cls(text)
        named.file = file
        return named


def _roots() -> tuple[Path, Path]:
    """Return where ``sql/`` may be: inside the installed package, or at the checkout's top."""
    package = Path(__file__).resolve().parent.parent
    return package / "sql", package.parents[2] / "sql"


@cache
def read(name: str) -> Sql:
    """Return the SQL of ``sql/<name>.sql``, comments removed.

    The wheel ships the folder inside the package; an editable install reads the checkout's.
    """
    return Sql.of(_COMMENT.sub("", _file(name)).strip(), f"{name}.sql")


def grain(name: str) -> str:
    """Return what a row of ``sql/<name>.sql`` is, as its head says."""
    first = _file(name).partition("\n")[0]
    return first.removeprefix("-- grain:").strip()


def _file(name: str) -> str:
    for root in _roots():
        path = root / f"{name}.sql"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError(f"sql/{name}.sql is not part of this installation")


def names(folder: str) -> tuple[str, ...]:
    """Return the statements under ``sql/<folder>``, sorted."""
    for root in _roots():
        if (root / folder).is_dir():
            return tuple(sorted(path.stem for path in (root / folder).glob("*.sql")))
    raise FileNotFoundError(f"sql/{folder} is not part of this installation")


def render(name: str, **places: str) -> Sql:
    """Return a statement with its ``:name`` places filled in; a missing one is a KeyError."""
    text = read(name)
    return Sql.of(_PLACE.sub(lambda match: places[match.group(1)], text), text.file)


def quote(identifier: str) -> str:
    """Return `identifier` as a quoted SQL name."""
    return '"' + identifier.replace('"', '""') + '"'


def split_view(name: str) -> tuple[str | None, str]:
    """Return the view that a name begins with, if it does, and the column."""
    view, _, column = name.partition(".")
    return (view, column) if view in VIEWS and column else (None, name)


def quote_feature(name: str) -> str:
    """Return a feature as SQL: ``market.x`` is column x of ``market``."""
    view, column = split_view(name)
    return quote(column) if view is None else f"{view}.{quote(column)}"


def literal(text: str) -> str:
    """Return `text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def file_literal(path: str) -> str:
    """Return a local file's path as an SQL string; its own brackets and stars are no pattern."""
    return literal(WILD.sub(r"[\g<0>]", path))


def columns(names: object, table: str | None = None) -> str:
    """Return quoted column names, comma-separated, each led by its table when one is given."""
    lead = f"{table}." if table else ""
    return ", ".join(lead + quote(str(name)) for name in names)  # type: ignore[attr-defined]


def first_bars(table: str, *times: str) -> str:
    """Return the query of the first bar at or after each of some times of a table."""
    moments = (f"select {time} as moment from {table}" for time in times)
    return render("sources/first_bars", moments=" union all ".join(moments))
