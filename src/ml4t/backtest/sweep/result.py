"""SweepResult: what the trials of a sweep say, as tables that anyone can query."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from ml4t.backtest.core.batch import Floats
from ml4t.backtest.data.database import UTC, Database, Relation
from ml4t.backtest.data.diagnostics.tables import Tables, rows_html
from ml4t.backtest.data.sql_files import (
    columns,
    files_parquet,
    null_of,
    quote,
    read,
    render,
    rows_of,
    table_of,
    view_of,
)
from ml4t.backtest.data.stream.period import DateLike
from ml4t.backtest.engine import BacktestEngine
from ml4t.backtest.errors import ConfigError, ResultError, did_you_mean, require_whole
from ml4t.backtest.results.page.figure import Format
from ml4t.backtest.results.page.metric_formats import METRIC_FORMATS
from ml4t.backtest.results.report.metric_views import METRICS
from ml4t.backtest.results.result import BacktestResult
from ml4t.backtest.results.run_store.store import RunStore
from ml4t.backtest.sweep.deflation import deflate
from ml4t.backtest.sweep.overfitting import overfitting, rank_out_of_sample
from ml4t.backtest.sweep.parameters import Parameters
from ml4t.backtest.sweep.planned import PlannedTrial
from ml4t.backtest.sweep.rounds import Detail
from ml4t.backtest.sweep.trial_store import TrialStore
from ml4t.backtest.sweep.work import Outcome, error_text

if TYPE_CHECKING:
    from pyarrow import Table as ArrowTable

# Columns of a table of trials that are no parameters.
COLUMNS_OF_TRIALS = (
    "trial", "run_id", "seconds", "error", *METRICS,
    # Those of a walk, beside them.
    "fold", "path", "train_span", "train_start", "train_end", "n_train_bars", "test_start",
    "test_end", "in_sample",
)  # fmt: skip
_SHOWN = ("sharpe", "total_return", "max_drawdown", "turnover")
_TRIALS, _RETURNS, _PLANNED = "trials", "trial_returns", "planned"


def require_own_columns(names: Iterable[str]) -> None:
    """Refuse parameters that cannot be columns of the table of trials.

    Raises
    ------
    ConfigError
        One is called as another column.
    """
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in COLUMNS_OF_TRIALS:
            raise ConfigError(
                f"a parameter cannot be called {name!r}: the table of trials has a column of "
                "that name; call it otherwise in the function that makes trials"
            )
        if (other := seen.setdefault(name.lower(), name)) != name:
            raise ConfigError(
                f"parameters cannot be called {other!r} and {name!r}: columns of a table that "
                "differ in capitals alone are one; call one otherwise"
            )


def require_metric(by: object) -> str:
    """Return the name of a metric that is a number.

    Raises
    ------
    ConfigError
        There is none of the name, or it is a time or a word.
    """
    if not isinstance(by, str) or by not in METRICS:
        raise ConfigError(f"there is no metric {by!r}{did_you_mean(str(by), METRICS)}")
    if METRIC_FORMATS[by] in (Format.TIME, Format.TEXT):
        raise ConfigError(f"the metric {by!r} is no number; name one that is, such as 'sharpe'")
    return by


class SweepResult:
    """The trials of a sweep.

    The table `trials` has a row for each, in the order of the grid: ``trial`` from 1, ``run_id``,
    its parameters, every metric of ``report.metrics``, ``seconds`` of the clock and ``error``, NULL
    where it ended well, else with metrics that are NULL. `trial_returns` has what each made at each
    bar, unless metrics alone were kept: ``trial``, ``timestamp``, ``session``, ``bar_return`` and
    ``excess``, as ``report.bar_returns``.
    """

    def __init__(
        self,
        planned: Sequence[PlannedTrial],
        outcomes: Mapping[int, Outcome],
        store: TrialStore,
        engine_of: Callable[[PlannedTrial], BacktestEngine],
        detail: Detail,
        timezone: str = UTC,
    ) -> None:
        self._planned = {one.number: one for one in planned}
        self._store, self._engine_of, self._detail = store, engine_of, detail
        # One thread: a float sum over the trials must not depend on how many there are.
        # Footers that are kept, 0.15 MB each, would grow with them.
        self._database = Database(threads=1, timezone=timezone, keeps_footers=False)
        self._write(outcomes)

    def __len__(self) -> int:
        """Return how many trials there are, failed ones too."""
        return len(self._planned)

    def __repr__(self) -> str:
        return f"<SweepResult of {len(self):,} trials, {len(self.failed):,} failed>"

    def warn_of_failed(self) -> None:
        """Say how many trials failed, and how the first of them did."""
        failed = self.failed
        if failed:
            (number, error), *_ = failed
            warnings.warn(
                f"{len(failed):,} of {len(self):,} trials failed, trial {number} with {error}; "
                "each has its error in the table of trials",
                stacklevel=4,
            )

    def _repr_html_(self) -> str:
        """Show the best trials by Sharpe ratio, as a notebook does tables."""
        names = dict.fromkeys(name for one in self._planned.values() for name in one.parameters)
        shown = columns(("trial", *names, *_SHOWN, "error"))
        best = self.sql(rows_of(_TRIALS, shown)).order("sharpe desc nulls last, trial")
        return f"<p><b>{escape(repr(self))}</b>, by Sharpe ratio</p>{rows_html(best)}"

    @property
    def failed(self) -> list[tuple[int, str]]:
        """The trials that failed, by number, with their errors."""
        query = rows_of(_TRIALS, "trial, error", where="error is not null")
        return [(number, error) for number, error in self._database.rows(query)]

    @property
    def trials(self) -> Relation:
        """A row per trial; lazy: ``.df()``, ``.pl()``, ``.order("sharpe desc").limit(10)``."""
        return self.sql(rows_of(_TRIALS))

    @property
    def trial_returns(self) -> Relation:
        """A row per trial and bar; none where metrics alone were kept."""
        return self.sql(rows_of(_RETURNS))

    def parameters(self, trial: int) -> Parameters:
        """Return the parameters of a trial.

        Raises
        ------
        ResultError
            There is no such trial.
        """
        return dict(self._one(trial).parameters)

    def scores(self, metric: str) -> Floats:
        """Return a metric of every trial, in their order; NaN: it failed, or has none.

        Raises
        ------
        ConfigError
            There is no such metric.
        """
        query = render("sweep/scores", metric=quote(require_metric(metric)))
        return np.asarray(self._database.numpy(query)["score"], dtype=np.float64)

    def last_returns(self, n_bars: int) -> ArrowTable:
        """Return the returns of the one trial that there is, at its last bars."""
        names = columns(("timestamp", "session", "bar_return", "excess"))
        found = self._database.arrow(rows_of(_RETURNS, names)).sort_by("timestamp")
        return found.slice(len(found) - n_bars)

    def sql(self, query: str) -> Relation:
        """Query `trials` and `trial_returns`.

        Parameters
        ----------
        query : str
            One query in DuckDB SQL; it can read these tables, and change nothing.

        Returns
        -------
        duckdb.DuckDBPyRelation
            Lazy.

        Raises
        ------
        ResultError
            `query` is something else than one query that reads.
        """
        reader = self._database.reader()
        try:
            reader.require_query(query)
        except ConfigError as error:
            raise ResultError(f"of a sweep {error}") from error
        reader.keep(self._store)  # whose folder may be gone with it
        return reader.sql(query)

    def deflated(self) -> Tables:
        """Return what is left of each Sharpe ratio once all trials are counted.

        ``deflated`` has a row per trial: ``sharpe``, ``expected_maximum``, which the best of
        ``n_trials`` has by luck, and ``deflated_sharpe``, how likely the true ratio is above that;
        what ends in ``_independent`` counts trials that are alike as fewer. Trials of other sweeps
        are not known here. Formulas: `ml4t.backtest.sweep.deflation.deflate`.
        """
        return deflate(self._database.cursor())

    def overfitting(self, n_blocks: int = 16) -> Tables:
        """Return how likely the best trial is the best of its own past alone.

        ``overfitting`` has one row: ``pbo`` is the share of ways to halve the bars in which the
        best trial of one half is not above the median of the other; 0.5 where a choice means
        nothing. ``splits`` has the ways. Formulas: `ml4t.backtest.sweep.overfitting.overfitting`.

        Parameters
        ----------
        n_blocks : int, default 16
            Blocks of bars, of which half are in sample each time: even, 2 to 20.

        Raises
        ------
        ConfigError
            Metrics alone were kept.
        """
        return overfitting(self._with_returns(), n_blocks=n_blocks)

    def rank_out_of_sample(self, start: DateLike) -> Tables:
        """Return which place the best trial before a moment has from then on.

        ``winner`` has one row, with ``out_of_sample_rank`` of ``n_trials``, 1 the best; ``ranks``
        has every trial. See `ml4t.backtest.sweep.overfitting.rank_out_of_sample`.

        Parameters
        ----------
        start : date, datetime or str
            The first bar out of sample is the first at or after it.

        Raises
        ------
        ConfigError
            Metrics alone were kept.
        """
        return rank_out_of_sample(self._with_returns(), start)

    def _with_returns(self) -> Database:
        if not self._detail.has_returns:
            raise ConfigError(
                "this needs the returns of the trials; run the sweep with detail='returns'"
            )
        return self._database.cursor()

    def engine(self, trial: int) -> BacktestEngine:
        """Return the engine of a trial, to run it by itself: its tables say why it did so well.

        Raises
        ------
        ResultError
            There is no such trial.
        """
        return self._engine_of(self._one(trial))

    def open(self, trial: int) -> BacktestResult:
        """Return the run of a trial of which tables were kept.

        Raises
        ------
        ResultError
            There is no such trial, it failed, or no tables were kept.
        """
        one = self._one(trial)
        has_failed = trial in dict(self.failed)
        store = RunStore(self._store.path)
        if has_failed or one.run_id is None or one.run_id not in store:
            why = "failed" if has_failed else "has no tables; they are kept by detail='tables'"
            raise ResultError(f"trial {trial} {why}; .engine({trial}).run() makes it again")
        return store.open(one.run_id)

    def _one(self, trial: object) -> PlannedTrial:
        try:
            number = require_whole("trial", trial, least=1)
        except ConfigError:
            number = 0
        if number not in self._planned:
            raise ResultError(f"there is no trial {trial!r}; they are 1 to {len(self):,}")
        return self._planned[number]

    def _write(self, outcomes: Mapping[int, Outcome]) -> None:
        """Make the tables of what was planned, how it ended, and what the store has."""
        by_run = {
            one.run_id: outcomes[number]
            for number, one in self._planned.items() if number in outcomes
        }  # fmt: skip
        rows = [_row(one, by_run.get(one.run_id)) for one in self._planned.values()]
        names = dict.fromkeys(name for one in self._planned.values() for name in one.parameters)
        self._database.register(_PLANNED, planned_table(rows, list(names)))
        ended = sorted({row["run_id"] for row in rows if row["error"] is None})
        there = self._store.found(ended, with_returns=self._detail.has_returns)
        if lost := [run_id for run_id in ended if run_id not in there]:
            raise ResultError(
                f"trial '{lost[0]}' is no longer in '{self._store.path}' as it was written; run "
                "the sweep again, which makes what is missing"
            )
        files = [there[run_id] for run_id in ended]
        # Runs of one id are of one version; of one folder all files have returns, or none.
        are_alike = len({one.parent for one in files}) == 1
        kept = (
            rows_of(files_parquet(files, are_alike=are_alike)) if files else read("sweep/nothing")
        )
        metrics = (
            columns(METRICS, "kept")
            if files
            else ", ".join(null_of("double", quote(name)) for name in METRICS)
        )
        known = columns(("trial", "run_id", *names), _PLANNED)
        query = render("sweep/trials", planned=_PLANNED, kept=kept, known=known, metrics=metrics)
        self._database.execute(table_of(_TRIALS, query))
        has_returns = self._detail.has_returns and files
        query = (
            render("sweep/trial_returns", kept=kept) if has_returns else read("sweep/no_returns")
        )
        self._database.execute(view_of(_RETURNS, query))
        self._database.unregister(_PLANNED)
        self._database.lock([str(one) for one in files])


def _row(planned: PlannedTrial, outcome: Outcome | None) -> dict[str, Any]:
    """Return what is known of a trial beside its metrics."""
    error = None if planned.error is None else error_text(planned.error)
    if error is None and outcome is not None and outcome.error:
        error = outcome.error
    return {
        "trial": planned.number,
        "run_id": planned.run_id,
        "error": error,
        # Of a trial that was there before the store has them.
        "seconds": outcome.seconds if outcome is not None and error is not None else None,
        "parameters": planned.parameters,
    }


def planned_table(rows: Sequence[Mapping[str, Any]], parameters: Sequence[str]) -> Any:
    """Return trials as an Arrow table, parameters in the types that hold all of their values."""
    import pyarrow as pa

    kinds = {
        "trial": pa.int32(),
        "run_id": pa.string(),
        "error": pa.string(),
        "seconds": pa.float64(),
    }
    found = {name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()}
    for name in parameters:
        found[name] = _column([row["parameters"].get(name) for row in rows])
    return pa.table(found)


def _column(values: Sequence[Any]) -> Any:
    """Return the values of a parameter: numbers and flags as such, all else as text."""
    import pyarrow as pa

    kinds = {type(one) for one in values if one is not None}
    for wanted, kind in (({bool}, pa.bool_()), ({int}, pa.int64()), ({int, float}, pa.float64())):
        if kinds <= wanted:
            with suppress(OverflowError, pa.ArrowInvalid):
                return pa.array(values, kind)
    texts = (one if one is None or isinstance(one, str) else repr(one) for one in values)
    return pa.array(list(texts), pa.string())
