"""BacktestResult: the tables of a run, its metrics, and how to open one that was saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml4t.backtest.data.database import Database, EngineError, Relation
from ml4t.backtest.data.sql_files import rows_of
from ml4t.backtest.errors import ResultError, did_you_mean, require_whole
from ml4t.backtest.results.interchange import Interchange
from ml4t.backtest.results.late import Late
from ml4t.backtest.results.report.making import Report
from ml4t.backtest.results.report.metric_views import METRICS
from ml4t.backtest.results.report.views import VIEWS
from ml4t.backtest.results.tables import RUN_ID, TABLES
from ml4t.backtest.results.writing import Writing, usable

if TYPE_CHECKING:
    from pyarrow import Table as ArrowTable

    from ml4t.backtest.results.keeping.run_tables import RunTables
    from ml4t.backtest.results.plot.plots import Plots
    from ml4t.backtest.results.story import Story

# Kinds of statements that are queries; PIVOT is MULTI, for it makes a type on its way.
READS = ("SELECT", "EXPLAIN", "MULTI")


class BacktestResult(Interchange, Writing, Mapping[str, Any]):
    """A finished run. As a mapping it holds the metrics; `sql` reads its tables.

    The tables ``runs orders fills trades positions equity decisions selections cash_flows
    signals evidence benchmark waiting`` and the views of `results.report` are attributes too,
    as lazy relations: ``result.trades.pl()``, ``.df()``, ``.to_arrow_table()``.

    Examples
    --------
    >>> result["total_return"]                                        # doctest: +SKIP
    >>> result.sql("select exit_rule, sum(pnl) from trades group by 1")  # doctest: +SKIP
    """

    def __init__(self, database: Database, late: Late | None = None) -> None:
        self._tables = database
        self._rows: dict[str, dict[str, Any]] = {}
        self._report = Report(database, late)

    @property
    def _database(self) -> Database:
        """All the tables."""
        self._report.complete()
        return self._tables

    def sql(self, query: str) -> Relation:
        """Query the result tables.

        Parameters
        ----------
        query : str
            One query in DuckDB SQL. It can read the tables of the run and nothing else, and
            change nothing. ``from duckdb_columns()`` says in `comment` what each column means.

        Returns
        -------
        duckdb.DuckDBPyRelation
            Lazy; ``.fetchall()``, ``.pl()``, ``.df()``, ``.to_arrow_table()`` run it. Tables that
            only its own methods name, as in ``.query(...)``, may not be there: name them here.

        Raises
        ------
        ResultError
            `query` is something else than one query, or would change the result.
        """
        reader = self.reader_of(query)
        try:
            return reader.sql(query)
        except EngineError as error:
            if "read-only mode" in str(error):
                raise ResultError("a query cannot change a result; select from it") from error
            if "Table with name" in str(error):
                if self._report.complete():
                    return self.sql(query)  # DuckDB says which is the nearest of all
                names = ", ".join(TABLES)
                error.add_note(f"a result has the tables {names}; sources: catalog.sql")
            raise

    def reader_of(self, query: str) -> Database:
        """Return a session that answers a query and writes nothing; `sql` says what it takes."""
        reader = self._tables.reader()
        kinds = reader.statements(query)
        if len(kinds) != 1 or kinds[0] not in READS:
            what = kinds[0] if len(kinds) == 1 else f"{len(kinds)} statements"
            raise ResultError(
                f"a result takes one query, was {what}; work on a copy: save the run to a .duckdb "
                "file and open that with duckdb"
            )
        if self._report.make(query):
            reader = self._tables.reader()  # the first one sees what there was before
        return reader

    def __getattr__(self, name: str) -> Relation:
        if name in TABLES:
            return self.sql(rows_of(name))
        if name in VIEWS:
            return self.sql(rows_of(VIEWS[name].place))
        raise AttributeError(f"a result has no {name!r}{did_you_mean(name, [*TABLES, *VIEWS])}")

    @property
    def run_id(self) -> str:
        """What equal runs have in common: made of code, parameters, data and versions."""
        (found,) = self._records(rows_of("runs", RUN_ID.name))
        return str(found[RUN_ID.name])

    @property
    def metrics(self) -> dict[str, Any]:
        """Metrics of the run; what each means, and which view has it, is in docs/metrics.md."""
        return dict(self._row("metrics"))

    @property
    def measured(self) -> ArrowTable:
        """The row of ``report.metrics`` as an Arrow table."""
        return self.sql(rows_of(VIEWS["metrics"].place)).to_arrow_table()

    @property
    def run_tables(self) -> RunTables:
        """The tables on their way to files: those that nobody asked for are in no database."""
        from ml4t.backtest.results.keeping.run_tables import MadeTables

        return self._report.fresh() or MadeTables(self._database.cursor())

    def _row(self, view: str) -> dict[str, Any]:
        """Return the row of a view that has one, read once."""
        if view not in self._rows:
            (self._rows[view],) = self._records(rows_of(VIEWS[view].place))
        return self._rows[view]

    def _records(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a query of ours."""
        self._report.make(query)
        return self._tables.records(query)

    def deflated_sharpe(self, n_trials: int, variance: float) -> float | None:
        """Return how likely the true Sharpe ratio is above what the best of many has by luck.

        Bailey and Lopez de Prado (2014), see `ml4t.backtest.results.deflated`; of one trial it is
        the metric ``probabilistic_sharpe``.

        Parameters
        ----------
        n_trials : int
            How many strategies were tried, independent of each other; 1 or more.
        variance : float
            Of their annual Sharpe ratios, over n - 1; 0 or above.

        Returns
        -------
        float or None
            A share of 1; None where the run has no Sharpe ratio, or fewer than 4 returns.

        Raises
        ------
        ConfigError
            `n_trials` or `variance` is outside what it may be.

        Examples
        --------
        >>> result.deflated_sharpe(len(sharpes), variance(sharpes))  # doctest: +SKIP
        """
        from ml4t.backtest.results.deflated import deflated_sharpe

        moments = self._row("sharpe_moments")
        return deflated_sharpe(moments, self["bars_per_year"], n_trials, variance)

    @property
    def exits(self) -> Relation:
        """P&L and count of closed trades by exit rule."""
        return self.sql(rows_of(VIEWS["exits"].place))

    @property
    def plot(self) -> Plots:
        """Charts of Altair, one per figure of the page: ``result.plot.equity()``."""
        from ml4t.backtest.results.plot.plots import Plots

        return Plots(self)

    def explain_trade(self, trade_id: int) -> Story:
        """Return one trade's story: what was known, who decided, how it filled, what it made.

        Parameters
        ----------
        trade_id : int
            As in the table `trades`.

        Returns
        -------
        Story
            A text; a notebook shows it as it is.

        Raises
        ------
        ResultError
            There is no such trade.
        """
        from ml4t.backtest.results.story import story

        number = require_whole("trade_id", trade_id)
        found = self._records(
            rows_of(VIEWS["trades_explained"].place, where=f"trade_id = {number}")
        )
        if not found:
            last = self.metrics["n_trades"] + self.metrics["n_open_lots"] - 1
            raise ResultError(f"there is no trade {trade_id}; the last of the run is {last}")
        return story(found[0])

    def __getitem__(self, name: str) -> Any:
        view = METRICS.get(name)
        if view is None:
            raise KeyError(f"unknown metric {name!r}{did_you_mean(name, METRICS)}")
        return self._row(view)[name]  # others may take longer, and nobody asks for them

    def __iter__(self) -> Iterator[str]:
        return iter(METRICS)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *TABLES, *VIEWS})

    def _ipython_key_completions_(self) -> list[str]:
        """Complete ``result["`` in a notebook or shell."""
        return list(self)

    def __len__(self) -> int:
        return len(METRICS)

    def __repr__(self) -> str:
        m = self
        return (
            f"<BacktestResult {m['first_timestamp']} to {m['last_timestamp']}, "
            f"final value {m['final_value']:,.2f}, {m['n_trades']:,} trades{_left_open(m)}>"
        )

    def _repr_html_(self) -> str:
        """Show the summary as a notebook does tables."""
        from ml4t.backtest.results.summary import summary_html

        return summary_html(self)

    def summary(self) -> str:
        """Return the metrics, the P&L by exit rule and the fill policy as readable text."""
        from ml4t.backtest.results.summary import summary_text

        return summary_text(self)

    @property
    def timezone(self) -> str:
        """The zone in which times with a zone have a date and an hour."""
        return self._tables.timezone

    @classmethod
    def open(cls, path: str | Path) -> BacktestResult:
        """Open a run that `save` wrote: its tables are copied into memory, the file is free again.

        Raises
        ------
        ResultError
            There is no run at `path`, or it is damaged, of another version, or not one of ours.
        """
        from ml4t.backtest.results.keeping.opening import load
        from ml4t.backtest.results.summary import facts_lines, run_facts

        source = usable(path)
        result = cls(load(source))
        try:
            facts_lines(run_facts(result))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ResultError(
                f"'{source}' is no saved run: its configuration cannot be read, "
                f"{type(error).__name__} {error}; another version of the package may have written "
                "it: run it again with this one"
            ) from error
        return result


def _left_open(metrics: Mapping[str, Any]) -> str:
    n_lots = metrics["n_open_lots"]
    return f", {n_lots:,} open lot{'s' if n_lots > 1 else ''}" if n_lots else ""
