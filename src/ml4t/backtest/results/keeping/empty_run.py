"""Empty run: the tables, views and comments of a run's file without rows, made once a process.

To make them takes longer than to write the rows of most runs: every view is planned, every comment
changes a table. Copied from one database into another they are neither.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import empty_table_of
from ml4t.backtest.results.report.views import comments, statements
from ml4t.backtest.results.store import open_store

# Those that nobody uses now, the last ones: one for each mixture of types that prices can have
# would be too many. Of this process alone: after a fork two would write into one memory.
_idle: deque[tuple[int, str, Database]] = deque(maxlen=4)


@contextmanager
def empty_run(kinds: Mapping[str, Mapping[str, str]]) -> Iterator[Database]:
    """Lend a database whose memory holds a run without rows, and is to be left so.

    It is nobody else's meanwhile, and after an error nobody's any more: a full disk ends all that
    a database can do.

    Parameters
    ----------
    kinds : mapping of str to mapping
        The columns of each table, with their types.
    """
    tables = [empty_table_of(table, columns) for table, columns in kinds.items()]
    process, form = os.getpid(), ";".join(tables)
    database = _taken(process, form)
    if database is None:
        database = open_store()
        with database.transaction():
            database.execute(";".join([*tables, *statements(), *comments()]))
    yield database
    _idle.append((process, form, database))


def _taken(process: int, form: str) -> Database | None:
    """Return an idle database of a form, which is idle no longer; None: there is none."""
    for _ in range(len(_idle)):
        try:
            one = _idle.popleft()
        except IndexError:  # another thread has taken the last one
            return None
        if one[:2] == (process, form):
            return one[2]
        _idle.append(one)
    return None
