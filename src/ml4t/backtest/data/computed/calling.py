"""Calling: what a function makes of the sources before it, and what may be such a function."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from hashlib import sha256
from pathlib import Path
from textwrap import dedent
from typing import Any

from ml4t.backtest.core.identity import identity
from ml4t.backtest.data.computed.known_sources import KnownSources
from ml4t.backtest.data.computed.source_function import SourceFunction
from ml4t.backtest.data.database import Database, is_relation
from ml4t.backtest.data.sources.shapes.in_files import taken
from ml4t.backtest.data.sources.shapes.said import Said, Shaped
from ml4t.backtest.data.sources.source import is_sql
from ml4t.backtest.errors import ConfigError, DataError

MADE_OF = "an Arrow table, a Polars or pandas frame, a relation, a dict of columns or SQL text"


def made_by(
    function: SourceFunction, columns: Mapping[str, Mapping[str, str]], database: Database
) -> Shaped:
    """Call a function, and return what it made as what can be attached.

    Parameters
    ----------
    columns : mapping
        Columns of each source that is there by now, with types.
    database : Database
        That has them as ``main.<name>``.

    Raises
    ------
    DataError
        It raised an error, or returned what is no source, or what was not made of sources.
    """
    if function.call is None or function.said is None:
        raise ConfigError(f"source made by {function.name} came from another process as rows alone")
    name = function.said.name
    sources = KnownSources(name, columns, database)
    try:
        made = function.call(sources)
        if isinstance(made, str) and is_sql(made):
            made = sources.sql(made)
        if is_relation(made):  # while there is a session that it can ask
            made = made.to_arrow_table()  # type: ignore[attr-defined]
        _require_rows(made, name, function)
    except DataError:
        raise
    except Exception as error:  # whatever the user's own code raises
        raise DataError(
            name, "computed", f"could not be made by {function.name}: "
            f"{type(error).__name__}: {_first_line(error)}",
        ) from error  # fmt: skip
    finally:
        sources.close()
    return taken(made, function.said._replace(n_read=[]))


def _require_rows(made: object, name: str, function: SourceFunction) -> None:
    """Refuse what a function cannot have made of sources."""
    returned = f"was made by {function.name}, which returned"
    listed = made if isinstance(made, (list, tuple)) and made else [made]
    if all(isinstance(one, (str, Path)) for one in listed):
        raise DataError(
            name, "computed", f"{returned} the path {listed[0]!r}; what is in a file was not "
            f"made of the sources that it was given: return {MADE_OF}",
        )  # fmt: skip
    if not _may_be_rows(made):
        raise DataError(name, "computed", f"{returned} {_kind_of(made)}; return {MADE_OF}")


def making_function(source: object, said: Said, before: Collection[str]) -> SourceFunction | None:
    """Return a source as the function that makes it; None where it is rows, files or SQL.

    Raises
    ------
    ConfigError
        It can be called, and not as such a function; or there are no sources `before` it.
    """
    if not callable(source) or isinstance(source, type):
        return None
    name = said.name
    if not before:
        raise ConfigError(
            f"source {name!r} is made by {getattr(source, '__name__', type(source).__name__)} of "
            "the sources before it, and there is none yet; register prices first"
        )
    inner = inspect.unwrap(source)
    if inspect.iscoroutinefunction(inner) or inspect.isgeneratorfunction(inner):
        raise ConfigError(
            f"source {name!r} is a coroutine or a generator function; write one that returns rows"
        )
    try:
        inspect.signature(source).bind(object())
    except TypeError as error:
        raise ConfigError(
            f"source {name!r} is made by a function of one argument, the sources before it, as "
            f"in def {name}(sources): ...; this one does not take it: {error}"
        ) from error
    except ValueError:  # of C, and says nothing of its arguments
        pass
    return SourceFunction(identity(source), _text_hash(inner), source, said)


def _text_hash(function: Any) -> str | None:
    while hasattr(function, "func"):  # a partial
        function = function.func
    is_code = inspect.isfunction(function) or inspect.ismethod(function)
    try:
        text = inspect.getsource(function if is_code else type(function))
    except (OSError, TypeError):
        return None
    return sha256(dedent(text).encode()).hexdigest()


def _may_be_rows(made: object) -> bool:
    plain = (str, bytes, int, float, complex, type(None), type)
    return not (
        isinstance(made, plain)
        or callable(made)
        or inspect.isgenerator(made)
        or inspect.isawaitable(made)
    )


def _kind_of(made: object) -> str:
    return "nothing" if made is None else f"a {type(made).__name__}"


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else "no message"
