"""Pruning: which runs of a store go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import quote, render, rows_of
from ml4t.backtest.errors import ConfigError, did_you_mean, require_whole
from ml4t.backtest.results.run_store.index import LIST

NUMERIC = ("DOUBLE", "FLOAT", "BIGINT", "INTEGER")


def prunable(
    database: Database,
    *,
    keep_best: int | None,
    by: str,
    lowest: bool,
    older_than: datetime | timedelta | None,
    untagged: bool,
) -> list[str]:
    """Return the ids of the runs that go; see `RunStore.prune`.

    Raises
    ------
    ConfigError
        Nothing is asked, or what no list of runs has.
    """
    if keep_best is None and older_than is None and not untagged:
        raise ConfigError(
            "prune takes what may go: keep_best=n, older_than=timedelta(days=n) or untagged=True; "
            "delete takes runs by their ids"
        )
    if keep_best is not None:
        keep_best = require_whole("keep_best", keep_best, least=0)
    if not isinstance(older_than, datetime | timedelta | None):
        raise ConfigError(f"older_than must be a timedelta or a datetime, was {older_than!r}")
    if isinstance(older_than, timedelta):
        older_than = datetime.now(UTC) - older_than
    elif older_than is not None and older_than.tzinfo is None:
        raise ConfigError(f"older_than has no zone, was {older_than!r}; write tzinfo=UTC")
    kinds = database.schema(rows_of(LIST))
    known = {name for name, kind in kinds.items() if kind in NUMERIC}
    if keep_best is not None and known and by not in known:
        raise ConfigError(f"runs have no metric {by!r} of numbers{did_you_mean(by, known)}")
    statement = render(
        "run_store/prunable",
        runs=LIST,
        metric=f"{quote(by)}::double" if by in known else "null::double",
        direction="asc" if lowest else "desc",
    )
    asked = {"n": keep_best, "before": older_than, "untagged": bool(untagged)}
    return [run_id for (run_id,) in database.rows(statement, asked)]
