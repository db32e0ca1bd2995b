"""BacktestResult: the tables of a run, its metrics, and how to keep them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ml4t.backtest.data.database import Database, EngineError, Relation
from ml4t.backtest.data.queries import literal, read
from ml4t.backtest.errors import ResultError, did_you_mean
from ml4t.backtest.results.columns import COLUMNS, comments
from ml4t.backtest.results.store import TABLES, open_store
from ml4t.backtest.results.summary import summary_text

METRICS = ("returns", "drawdown", "trading", "trades")


class BacktestResult(Mapping[str, Any]):
    """A finished run. As a mapping it holds the metrics; `sql` reads its tables.

    The tables ``runs orders fills trades positions equity decisions selections cash_flows
    signals`` are attributes too, as lazy relations: ``result.trades.pl()``, ``.df()``,
    ``.to_arrow_table()``.

    Examples
    --------
    >>> result["total_return"]                                        # doctest: +SKIP
    >>> result.sql("select exit_rule, sum(pnl) from trades group by 1")  # doctest: +SKIP
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._metrics: dict[str, Any] | None = None

    def sql(self, query: str) -> Relation:
        """Query the result tables.

        Returns
        -------
        duckdb.DuckDBPyRelation
            Lazy; ``.fetchall()``, ``.pl()``, ``.df()``, ``.to_arrow_table()`` run it.
        """
        return self._database.cursor().sql(query)

    def __getattr__(self, name: str) -> Relation:
        if name in TABLES:
            return self.sql(f"select * from {name}")
        raise AttributeError(f"a result has no {name!r}{did_you_mean(name, TABLES)}")

    @property
    def metrics(self) -> dict[str, Any]:
        """Metrics of the run; each is defined in a file of ``sql/metrics``."""
        if self._metrics is None:
            self._metrics = {
                name: value
                for part in METRICS
                for name, value in self._database.records(read(f"metrics/{part}"))[0].items()
            }
        return dict(self._metrics)

    @property
    def exits(self) -> Relation:
        """P&L and count of closed trades by exit rule."""
        return self.sql(read("metrics/exits"))

    def __getitem__(self, name: str) -> Any:
        try:
            return self.metrics[name]
        except KeyError:
            raise KeyError(f"unknown metric {name!r}{did_you_mean(name, self.metrics)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.metrics)

    def __len__(self) -> int:
        return len(self.metrics)

    def __repr__(self) -> str:
        m = self.metrics
        return (
            f"<BacktestResult {m['first_timestamp']} to {m['last_timestamp']}, "
            f"final value {m['final_value']:,.2f}, {m['n_trades']:,} trades>"
        )

    def summary(self) -> str:
        """Return the metrics, the P&L by exit rule and the fill policy as readable text."""
        return summary_text(self)

    def save(self, path: str | Path) -> Path:
        """Write the tables to a DuckDB file, or as Parquet into a folder.

        Parameters
        ----------
        path : str or Path
            A name that ends in ``.duckdb`` or ``.db`` makes a file; any other a folder with one
            Parquet file per table. What stood there is replaced once the new one is complete.

        Returns
        -------
        Path
            Where it was written.

        Raises
        ------
        ResultError
            Something else than a saved run stands at `path`; it is left alone.
        """
        target = Path(path)
        _require_replaceable(target)
        partial = target.with_name(f".{target.name}.partial")
        _remove(partial)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if target.suffix in (".duckdb", ".db"):
                self._save_file(partial)
            else:
                partial.mkdir()
                for table in TABLES:
                    file = literal(str(partial / f"{table}.parquet"))
                    self._database.execute(f"copy {table} to {file} (format parquet)")
        except BaseException:
            _remove(partial)
            raise
        _remove(target)
        partial.rename(target)
        return target

    def _save_file(self, path: Path) -> None:
        database = self._database.cursor()
        database.execute(f"attach {literal(str(path))} as saved")
        try:
            for table in TABLES:
                database.execute(f"create table saved.{table} as select * from {table}")
            database.execute("use saved")
            database.execute(comments())
        finally:
            database.execute("use memory")
            database.execute("detach saved")

    @classmethod
    def open(cls, path: str | Path) -> BacktestResult:
        """Open a run that `save` wrote.

        Raises
        ------
        ResultError
            There is no run at `path`, or it is not one of ours.
        """
        source = Path(path)
        if not source.exists():
            raise ResultError(f"there is no run at '{source}'")
        try:
            if source.is_dir():
                database = open_store()
                for table in TABLES:
                    file = literal(str(source / f"{table}.parquet"))
                    database.execute(f"create table {table} as select * from read_parquet({file})")
            else:
                database = open_store()
                database.execute(f"attach {literal(str(source))} as run (read_only)")
                for table in TABLES:
                    database.execute(f"create view {table} as select * from run.{table}")
            for table, columns in COLUMNS.items():
                present = database.schema(f"select * from {table}")
                missing = sorted(set(columns) - set(present))
                if missing:
                    raise ResultError(f"'{source}' has no column {table}.{missing[0]}")
        except EngineError as error:
            first = str(error).splitlines()[0]
            raise ResultError(f"'{source}' is no saved run: {first}") from error
        return cls(database)


def _require_replaceable(target: Path) -> None:
    """Refuse to write over what is no saved run."""
    if target.is_dir():
        others = {item.name for item in target.iterdir()} - {f"{name}.parquet" for name in TABLES}
        if others:
            raise ResultError(f"'{target}' holds '{min(others)}', which no run wrote; pick another")
    elif target.exists() and target.stat().st_size and not _is_a_run(target):
        raise ResultError(f"'{target}' exists and is no saved run; pick another")


def _is_a_run(path: Path) -> bool:
    """Return whether a file is a run, of this version or of an earlier one."""
    database = open_store()
    try:
        database.execute(f"attach {literal(str(path))} as run (read_only)")
        database.schema("select run_id from run.runs")
    except EngineError:
        return False
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
