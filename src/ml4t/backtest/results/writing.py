"""Writing: a run as files, to open again, to hand on or to read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ml4t.backtest.data.database import Database, Relation
from ml4t.backtest.results.tables import TABLES

if TYPE_CHECKING:
    from ml4t.backtest.results.keeping.run_tables import RunTables
    from ml4t.backtest.results.keeping.saving import WriteMore
    from ml4t.backtest.results.page.trust import Trials


class Written(Protocol):
    """What is written of a run: its tables, and its metrics."""

    @property
    def _database(self) -> Database:
        """All the tables."""

    @property
    def run_tables(self) -> RunTables:
        """The same on their way to files."""

    def __getitem__(self, name: str) -> Any:
        """Return a metric by its name."""

    @property
    def metrics(self) -> Mapping[str, Any]:
        """All of them."""

    @property
    def exits(self) -> Relation:
        """P&L and count of closed trades by exit rule."""

    def sql(self, query: str) -> Relation:
        """Run one query over the tables."""


class Writing:
    """What `BacktestResult` writes to disk."""

    def save(self: Written, path: str | Path) -> Path:
        """Write the tables to a DuckDB file, or as Parquet into a folder.

        Parameters
        ----------
        path : str or Path
            A name that ends in ``.duckdb`` or ``.db`` makes a file; any other a folder with one
            Parquet file per table, and their checksums. A saved run that stood there is replaced
            in one step, once the new one is complete and on the disk; until then it is whole. A
            store is added to: `RunStore.add`.

        Returns
        -------
        Path
            Where it was written.

        Raises
        ------
        ResultError
            Something else than a saved run stands at `path`, or more than one, or it cannot be
            written (no space, no permission); what stood there is as it was.
        """
        from ml4t.backtest.results.keeping.saving import FILE_SUFFIXES, save_file, save_folder

        target = usable(path)
        if target.suffix in FILE_SUFFIXES:
            save_file(self._database, target)
        else:
            save_folder(self.run_tables, target)
        return target

    def save_with(self: Written, path: str | Path, write: WriteMore) -> Path:
        """Write the tables to a DuckDB file as `save` does, and what `write` makes there.

        Parameters
        ----------
        write : callable
            Called last with the session that writes, and the name of the file in it.

        Returns
        -------
        Path
            Where it was written.

        Raises
        ------
        ResultError
            As of `save`.
        """
        from ml4t.backtest.results.keeping.saving import save_file

        target = usable(path)
        save_file(self._database, target, write)
        return target

    def to_csv(self: Written, folder: str | Path) -> Path:
        """Write every table to a file of CSV in a folder, with a header and times in ISO 8601.

        What is NULL is an empty field; numbers have all their digits. CSV keeps no types: a run
        that is to be opened again is saved, see `save`.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        ResultError
            Something else than such tables stands there, or it cannot be written.
        """
        from ml4t.backtest.results.keeping.saving import export_csv

        target = usable(folder)
        export_csv(self.run_tables, target)
        return target

    def to_excel(self: Written, path: str | Path, tables: Sequence[str] = tuple(TABLES)) -> Path:
        """Write tables to a workbook of Excel, a sheet each, after the metrics.

        Excel has no zones: times are the clock of the catalog's zone, to the millisecond, and the
        sheet ``columns`` says which zone that is, beside what each column means. Numbers have 16
        digits, of which Excel shows 15; whole numbers of 16 digits and more, infinities and days
        before March 1900 are texts. A text longer than a cell takes (32,767 characters; the
        configuration of a run may be) ends in how long it is. What is NULL is an empty cell.

        Parameters
        ----------
        path : str or Path
            Ends in ``.xlsx``. A workbook of a run that stood there is replaced in one step, see
            `save`.
        tables : sequence of str
            All by default.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ConfigError
            openpyxl is not installed: ``pip install 'ml4t-backtest-duckdb[excel]'``.
        ResultError
            A table has more rows than a sheet takes (1,048,575): nothing is written. Something else
            than a run's workbook stands there, or it cannot be written.
        """
        from ml4t.backtest.results.keeping.workbook import save_workbook

        target = usable(path)
        save_workbook(self._database, target, tables, self.metrics)
        return target

    def report(
        self: Written, path: str | Path, *, trials: Trials | None = None, with_sql: bool = False
    ) -> Path:
        """Write the run as one page of HTML that needs no network, and no program but a browser.

        It opens with what was proved, checked, assumed and not verified, and shows equity and
        drawdown, returns by month, exposures, what made the money, every trade and one on its
        price, costs and all metrics. Under each figure stand its query, what the query gives, and
        how to run it. `report_runs` writes the page of several runs, `RunStore.report` one that
        knows how many others there are.

        A page holds of lines longer than 12,000 bars the lowest and highest of each stretch, 50,000
        trades and 120,000 closes, and says what it leaves out. Columns of more than 6,000 rows are
        rounded: money to the cent, fractions to a millionth.

        Parameters
        ----------
        path : str or Path
            Such as ``report.html``. A page of ours that stood there is replaced in one step.
        trials : Trials, optional
            How many runs it is one of, which `RunStore.report` knows.
        with_sql : bool, default False
            Whether the page is a database too: the run and DuckDB for browsers are in it (about
            11 MB more), and each query can be edited and run there, without a network.

        Returns
        -------
        Path
            The page.

        Raises
        ------
        ConfigError
            `with_sql` without its package: ``pip install 'ml4t-backtest-duckdb[page-sql]'``.
        ResultError
            Something else stands there, or it cannot be written.

        Examples
        --------
        >>> result.report("report.html")                                  # doctest: +SKIP
        """
        from ml4t.backtest.results.page.writing import write_page

        target = usable(path)
        write_page(self, self._database, target, trials=trials, with_sql=with_sql)
        return target


def usable(path: object) -> Path:
    """Return the path of a saved run as a `Path`; a `ResultError` says that it cannot be one."""
    from ml4t.backtest.results.keeping.paths import usable_path

    given = os.fspath(path) if isinstance(path, os.PathLike) else path  # a store has one, too
    return usable_path(given, "that of a saved run")
