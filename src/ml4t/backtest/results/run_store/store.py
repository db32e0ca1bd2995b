"""RunStore: a folder of runs, to add to, to list, to compare and to query."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import variance

from ml4t.backtest.data.database import Database, Relation
from ml4t.backtest.data.sql_files import render, rows_of, runs_parquet, table_of, view_of
from ml4t.backtest.errors import (
    ConfigError,
    ResultError,
    did_you_mean,
    require_path,
)
from ml4t.backtest.results.page.comparing import report_runs
from ml4t.backtest.results.page.embedding import require_one_run
from ml4t.backtest.results.page.trust import Trials
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.run_store.comparison import Comparison, differing
from ml4t.backtest.results.run_store.difference import Difference
from ml4t.backtest.results.run_store.entry import Keepable, id_of, write_run
from ml4t.backtest.results.run_store.folder import (
    Stored,
    StoreFolder,
    remove_tags,
    require_tags,
    write_tags,
)
from ml4t.backtest.results.run_store.index import LIST, list_runs, problem_of
from ml4t.backtest.results.run_store.pruning import prunable
from ml4t.backtest.results.tables import TABLES

# A table of a store is made where a query has its name in it, as whatever.
_WORD = re.compile(r"\w+")


class RunStore:
    """A folder of runs, each under its `run_id`; an equal run is kept once.

    Many processes may use one at a time: a run is in it whole or not at all, and no writer waits
    for another. Any DuckDB reads it: ``read_parquet('FOLDER/runs/*/trades.parquet')``.

    Parameters
    ----------
    folder : str or Path
        Made where it is not there, or empty.

    Raises
    ------
    ResultError
        Something else than a store of runs stands there.

    Examples
    --------
    >>> store = RunStore("runs")                                          # doctest: +SKIP
    >>> store.add(engine.run(), tags=["sweep"])                           # doctest: +SKIP
    >>> store.runs().order("sharpe desc").limit(10)                       # doctest: +SKIP
    >>> store.sql("select run_id, sum(pnl) from trades group by all")     # doctest: +SKIP
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            path = require_path("folder", folder, "that of a store of runs")
        except ConfigError as error:
            raise ResultError(str(error)) from error
        self._folder = StoreFolder(path)

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._folder.path

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        n_runs = len(self)
        return f"<RunStore {self.path}, {n_runs:,} run{'s' * (n_runs != 1)}>"

    def __len__(self) -> int:
        """Return how many runs there are, damaged ones too."""
        return len(self._folder.stored())

    def __contains__(self, run_id: object) -> bool:
        return isinstance(run_id, str) and self._folder.one(run_id) is not None

    def add(self, result: BacktestResult, *, tags: Iterable[str] = ()) -> str:
        """Keep a run; of one that is there already only the tags are new.

        Parameters
        ----------
        result : BacktestResult
        tags : list of str, optional
            Words by which it is found again.

        Returns
        -------
        str
            Its `run_id`: equal for runs of equal inputs, in whatever process.

        Raises
        ------
        ResultError
            It cannot be written (no space, no permission); the store is as it was.
        """
        id_of(result)
        return self.keep(result, require_tags(tags))

    def keep(self, run: Keepable, words: Sequence[str], writer: Database | None = None) -> str:
        """Keep a run as `add` does; a `writer` may write others too."""
        run_id, before = run.run_id, self._folder.one(run.run_id)
        with self._folder.changing(run_id, "added to"):
            is_kept = _is_whole(before)
            if not is_kept:
                tags = [*words, *(before.tags if before else ())]
                write = partial(write_run, run, writer, tags=tags)
                is_kept = not self._folder.commit(run_id, write, is_replacing=before is not None)
            if is_kept and words:
                write_tags(self._folder.place(run_id), words)
        return run_id

    def has_whole(self, run_id: str) -> bool:
        """Say whether a run is there, and no file of it is damaged."""
        return _is_whole(self._folder.one(run_id))

    def runs(self) -> Relation:
        """Return a row per run, the oldest first: id, when added, tags, parameters, metrics.

        Returns
        -------
        duckdb.DuckDBPyRelation
            Lazy, of the moment: ``.df()``, ``.pl()``, ``.filter("sharpe > 1")``,
            ``.order("cagr desc")``. `parameters` is a map of all that the id is made of, such as
            ``parameters['strategy.every']``; `problem` says of a damaged run what is wrong, and
            is NULL of any other.
        """
        listing = list_runs(self._folder)
        listing.database.lock()
        return listing.database.reader().sql(rows_of(LIST))

    def open(self, run_id: str) -> BacktestResult:
        """Return a run, all of its tables in memory.

        Parameters
        ----------
        run_id : str
            Or its beginning, where no other run begins so.

        Raises
        ------
        ResultError
            There is none, or it is damaged.
        """
        return BacktestResult.open(self._one(run_id).path)

    def compare(self, run_ids: Iterable[str] | None = None) -> Comparison:
        """Return the metrics of runs side by side, and in which parameters they differ.

        Parameters
        ----------
        run_ids : list of str, optional
            All by default.

        Raises
        ------
        ResultError
            There is none of an id, or fewer than two are asked for.
        """
        listing = list_runs(self._folder)
        if run_ids is None:
            ids = [one.run_id for one in listing.whole]
        else:
            ids = [self._one(one).run_id for one in _ids(run_ids)]
        ids = list(dict.fromkeys(ids))
        if len(ids) < 2:
            raise ResultError(f"compare takes two runs or more, was {ids}")
        database = listing.database
        database.execute(
            table_of("compared", render("run_store/compared", runs=LIST)), {"run_ids": ids}
        )
        rows = database.rows(rows_of("compared", "run_id, parameters"))
        database.lock()
        return Comparison(
            metrics=database.reader().sql(rows_of("compared")),
            run_ids=tuple(ids),
            parameters=differing({run_id: parameters or {} for run_id, parameters in rows}),
        )

    def diff(self, one: str, other: str) -> Difference:
        """Return which orders, fills, trades and bars of two runs differ, and from when on.

        Raises
        ------
        ResultError
            There is none of an id, or both are one.
        """
        ids = [self._one(run_id).run_id for run_id in (one, other)]
        return Difference({run_id: self.open(run_id) for run_id in ids})

    def report(self, path: str | Path, *run_ids: str, with_sql: bool = False) -> Path:
        """Write the page of a run, or of several beside each other; all of them by default.

        The page of one run says how many others the store has, and how likely its Sharpe ratio is
        above what the best of so many has by luck (`BacktestResult.deflated_sharpe`).

        Parameters
        ----------
        path : str or Path
            As in `BacktestResult.report`, as is `with_sql`.

        Returns
        -------
        Path
            The page.

        Raises
        ------
        ConfigError
            `with_sql` of several runs, or without its package.
        ResultError
            There is none of an id, or the page cannot be written.
        """
        listed = self.runs().filter("problem is null")
        ids = [self._one(one).run_id for one in run_ids]
        ids = ids or [run_id for (run_id,) in listed.project("run_id").fetchall()]
        if len(ids) != 1:
            require_one_run(with_sql)
            if not ids:
                raise ResultError(f"the store '{self.path}' holds no run yet")
            return report_runs({run_id: self.open(run_id) for run_id in ids}, path)
        run = self.open(ids[0])
        sharpes = [one for (one,) in listed.project("sharpe").fetchall() if one is not None]
        deflated = run.deflated_sharpe(len(sharpes), variance(sharpes)) if sharpes[1:] else None
        return run.report(path, trials=Trials(len(self), deflated), with_sql=with_sql)

    def tag(self, run_id: str, *tags: str) -> None:
        """Give a run tags; those that it has stay."""
        one, words = self._one(run_id), require_tags(tags)
        with self._folder.changing(one.run_id, "tagged in"):
            write_tags(one.path, words)

    def untag(self, run_id: str, *tags: str) -> None:
        """Take tags from a run."""
        one, words = self._one(run_id), require_tags(tags)
        with self._folder.changing(one.run_id, "untagged in"):
            remove_tags(one.path, words)

    def delete(self, *run_ids: str) -> None:
        """Remove runs, damaged ones too.

        Raises
        ------
        ResultError
            There is none of an id, and none was removed; or one cannot be (no permission), and
            those before it are gone.
        """
        self._take_away([self._one(run_id).run_id for run_id in run_ids])

    def export(self, run_id: str, path: str | Path) -> Path:
        """Write a run to a DuckDB file or a folder of Parquet, as `BacktestResult.save` does."""
        return self.open(run_id).save(path)

    def prune(
        self,
        *,
        keep_best: int | None = None,
        by: str = "sharpe",
        lowest: bool = False,
        older_than: datetime | timedelta | None = None,
        untagged: bool = False,
        dry_run: bool = False,
    ) -> list[str]:
        """Remove the runs for which all holds that is asked.

        Parameters
        ----------
        keep_best : int, optional
            It is not among as many of the best of all runs.
        by : str, default "sharpe"
            The metric by which runs are the best; a run without it comes last.
        lowest : bool, default False
            The best are those of the lowest value.
        older_than : timedelta or datetime, optional
            It was added before that moment, or longer ago.
        untagged : bool, default False
            It has no tag.
        dry_run : bool, default False
            Remove none; say only which would go.

        Returns
        -------
        list of str
            Which they are. A damaged run is none of them.

        Raises
        ------
        ConfigError
            Nothing is asked, or a metric that runs do not have.
        ResultError
            A run cannot be removed (no permission); those before it are gone.
        """
        gone = prunable(
            list_runs(self._folder).database,
            keep_best=keep_best, by=by, lowest=lowest, older_than=older_than, untagged=untagged,
        )  # fmt: skip
        self._take_away([] if dry_run else gone)
        return gone

    def sql(self, query: str) -> Relation:
        """Query the tables of all runs, each row with its `run_id`, and `metrics`, their list.

        Of ``where run_id = '...'`` only the files of that run are read. Where the tables of runs
        differ in columns or types, they have all columns, in the type that takes all.

        Parameters
        ----------
        query : str
            One query in DuckDB SQL; it can read the tables of the store and nothing else, and
            change nothing.

        Returns
        -------
        duckdb.DuckDBPyRelation
            Lazy: it reads the files when it is fetched. A run that is deleted before is an error
            of DuckDB's.

        Warns
        -----
        UserWarning
            Damaged runs were left out; the warning names them.

        Raises
        ------
        ResultError
            `query` is something else than one query that reads.
        """
        return self._reader_of(query).sql(query)

    def reader_of(self, query: str) -> Database:
        """Return a session that answers a query and writes nothing; `sql` says what it takes."""
        return self._reader_of(query)

    def _reader_of(self, query: str) -> Database:
        listing = list_runs(self._folder)
        for run_id, problem in listing.problems.items():
            warnings.warn(f"run '{run_id}' is left out: {problem}", stacklevel=3)
        database, files = listing.database, list[Path]()
        words = {word.lower() for word in _WORD.findall(query if isinstance(query, str) else "")}
        asked = [table for table in TABLES if table in words]
        if not asked and LIST not in words:
            asked = list(TABLES)  # it may ask which there are
        for table in asked:
            found = [one.path / f"{table}.parquet" for one in listing.whole]
            if found:
                rows = rows_of(runs_parquet(found, by_name=not listing.is_alike))
                database.execute(view_of(table, rows))
                files += found
        database.lock([str(file) for file in files])
        reader = database.reader()
        try:
            reader.require_query(query)
        except ConfigError as error:
            raise ResultError(f"of a store {error}") from error
        return reader

    def _take_away(self, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            with self._folder.changing(run_id, "removed from"):
                self._folder.take_away(run_id)

    def _one(self, run_id: str) -> Stored:
        """Return the run of an id, or of the beginning of one.

        Raises
        ------
        ResultError
            There is none, or more than one.
        """
        found = self._folder.one(run_id) if isinstance(run_id, str) and run_id else None
        if found is not None:
            return found
        ids = [one.run_id for one in self._folder.stored()]
        begun = [
            one for one in ids if isinstance(run_id, str) and run_id and one.startswith(run_id)
        ]
        if len(begun) == 1:
            (found,) = (one for one in self._folder.stored() if one.run_id == begun[0])
            return found
        if begun:
            raise ResultError(
                f"{len(begun)} runs begin with {run_id!r}: {', '.join(begun[:5])}; write more of it"
            )
        near = did_you_mean(str(run_id), ids) if len(ids) < 20 else ""
        raise ResultError(f"there is no run {run_id!r} in '{self.path}'{near}")


def _ids(run_ids: Iterable[str]) -> list[str]:
    if isinstance(run_ids, str):
        raise ConfigError(f"run_ids must be a list of ids, was {run_ids!r}")
    return list(run_ids)


def _is_whole(found: Stored | None) -> bool:
    return found is not None and problem_of(found) is None
