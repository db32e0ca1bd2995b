"""Interrupting: Ctrl-C, and what a source says of itself, are in Python what they are there."""

from __future__ import annotations

import re
from contextlib import ContextDecorator

from ml4t.backtest.errors import DataError

# How an error of DuckDB ends, or a line of it, that was a Ctrl-C in what it called of Python's.
_INTERRUPTED = re.compile(r"(^|: )KeyboardInterrupt:?\s*$", re.MULTILINE)
# The same of a source that could not be read on: its name, and what there is to say.
_FAILED = re.compile(r"(?:^|[: .])DataError: source '([^']*)' (.+?)\s*$", re.MULTILINE)


class Interruptible(ContextDecorator):
    """Has Ctrl-C be a KeyboardInterrupt, and an error of a source a DataError.

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
        failed = _FAILED.search(str(error)) if isinstance(error, self._own) else None
        if failed is not None:
            rule = "unchanged" if failed[2].endswith("run again") else "readable"
            raise DataError(failed[1], rule, failed[2]) from None
