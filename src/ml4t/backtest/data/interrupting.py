"""Interrupting: Ctrl-C is what it is in Python, whatever a database was doing."""

from __future__ import annotations

import re
from contextlib import ContextDecorator

# How an error of DuckDB ends, or a line of it, that was a Ctrl-C in what it called of Python's.
_INTERRUPTED = re.compile(r"(^|: )KeyboardInterrupt:?\s*$", re.MULTILINE)


class Interruptible(ContextDecorator):
    """Has Ctrl-C be a KeyboardInterrupt.

    DuckDB raises a RuntimeError where a query ends, and wraps what it called of Python's, such as
    the rows of a stream or of an array of objects, in an error of its own.

    Parameters
    ----------
    own : type
        The class of the database's errors.
    """

    def __init__(self, own: type[Exception]) -> None:
        self._own = own

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        is_query = isinstance(error, RuntimeError) and str(error) == "Query interrupted"
        if is_query or (isinstance(error, self._own) and _INTERRUPTED.search(str(error))):
            raise KeyboardInterrupt from None
