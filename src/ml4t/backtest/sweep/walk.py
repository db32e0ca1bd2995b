"""Walk: parameters chosen on the train part of each fold, and tried on its test part.

The returns of the test parts, one after the other, are what would have been made by whoever chose
so at the time: of a walk one series, of combinatorial splits one for each path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.diagnostics.tables import Tables
from ml4t.backtest.errors import ResultError
from ml4t.backtest.sweep.folds import BarSpan, Fold
from ml4t.backtest.sweep.stitched import metrics_of_returns

if TYPE_CHECKING:
    from pyarrow import Table as ArrowTable

    from ml4t.backtest.results.result import BacktestResult
    from ml4t.backtest.sweep.parameters import Parameters
    from ml4t.backtest.sweep.result import SweepResult

# Makes trials over the bars from one time to another: all of them, or those of some parameters.
TryOver = Callable[[Sequence["Parameters"] | None, Any, Any], "SweepResult"]
SHOWN = {
    "metrics": "metrics of the stitched returns, a row per path",
    "folds": "what was chosen on the train part of each fold, and what it made of its test parts",
    "returns": "returns per bar of the test parts, path by path",
    "trials": "every trial of every train span",
}


class Tested(NamedTuple):
    """A test part of a fold, with what the chosen trial made of it."""

    path: int
    span: BarSpan
    returns: ArrowTable


class WalkedFold(NamedTuple):
    """A fold of which a trial was chosen and tried.

    Attributes
    ----------
    trial : int
        Of the grid.
    score : float
        Of its train part.
    trials : list of Arrow table
        Of each train span.
    """

    fold: Fold
    trial: int
    parameters: Parameters
    score: float
    trials: list[ArrowTable]
    tested: list[Tested]


def walk_through(fold: Fold, try_over: TryOver, by: str, *, lowest: bool) -> WalkedFold:
    """Choose on the train part of a fold, and try what was chosen on its test parts."""
    trained = [try_over(None, span.start, span.end) for span in fold.train]
    place, score = best_of(fold, trained, by, lowest=lowest)
    parameters, tested = trained[0].parameters(place + 1), []
    paths = fold.paths or (1,) * len(fold.test)
    for span, start, path in zip(fold.test, fold.run_starts, paths, strict=True):
        result = try_over([parameters], start, span.end)
        if result.failed:
            raise ResultError(
                f"trial {place + 1}, chosen in {fold}, failed from {start} to {span.end}: "
                f"{result.failed[0][1]}"
            )
        # Without what it made in its warm-up.
        tested.append(Tested(path, span, result.last_returns(span.n_bars)))
    trials = [one.trials.to_arrow_table() for one in trained]
    return WalkedFold(fold, place + 1, parameters, score, trials, tested)


def best_of(
    fold: Fold, results: Sequence[SweepResult], by: str, *, lowest: bool
) -> tuple[int, float]:
    """Return the place of the best trial, and its score: the mean over spans, by their bars.

    Raises
    ------
    ResultError
        No trial has the metric in every span.
    """
    weights = np.array([span.n_bars for span in fold.train], dtype=np.float64)
    mean = weights @ np.stack([one.scores(by) for one in results]) / weights.sum()
    if np.isnan(mean).all():
        raise ResultError(f"no trial of {fold} has a {by} in its train part; choose by another")
    best = int(np.nanargmin(mean) if lowest else np.nanargmax(mean))
    return best, float(mean[best])


class WalkResult(Tables):
    """What a walk found: the tables ``metrics``, ``folds``, ``returns`` and ``trials``."""

    def __init__(
        self, database: Database, title: str, run_on: Callable[[], BacktestResult]
    ) -> None:
        super().__init__(database, SHOWN, title)
        self._run_on = run_on

    @cached_property
    def result(self) -> BacktestResult:
        """The run of one account through all test parts, made when it is first asked for.

        At the first bar of each test part what was chosen for it takes over the account, with its
        positions and orders; bars are counted (`every`) from the first bar of the first test part.
        The changes from one portfolio to the next cost what they cost, which is in no fold by
        itself; a strategy that remembers begins anew where another trial was chosen.

        Raises
        ------
        ResultError
            The test parts do not follow one another, or what was chosen differs in more than
            strategy and rules.
        """
        return self._run_on()


def walk_of_folds(
    walked: Sequence[WalkedFold],
    facts: Mapping[str, object],
    timezone: str,
    run_on: Callable[[], BacktestResult],
) -> WalkResult:
    """Return what a walk found.

    Parameters
    ----------
    facts : mapping
        As `metrics_of_returns` takes them.
    run_on : callable
        Runs one account through the test parts.
    """
    import pyarrow as pa

    tests = [(one.fold.number, test) for one in walked for test in one.tested]
    paths = pa.concat_tables([
        _with(test.returns, path=test.path, fold=number) for number, test in tests
    ])  # fmt: skip
    by_path = paths.rename_columns({"path": "run_number"})
    by_fold = pa.concat_tables([
        _with(test.returns, run_number=place, fold=number)
        for place, (number, test) in enumerate(tests)
    ])  # fmt: skip
    stitched = metrics_of_returns(by_path, facts, timezone).rename_columns({"run_number": "path"})
    each = metrics_of_returns(by_fold, facts, timezone).drop_columns("run_number")
    places = chain.from_iterable([one] * len(one.tested) for one in walked)
    trials = pa.concat_tables(
        [
            _with(table, fold=one.fold.number, train_span=span)
            for one in walked
            for span, table in enumerate(one.trials, start=1)
        ],
        promote_options="permissive",
    )
    about = _about(list(places), tests, trials)
    for name in each.column_names:
        about = about.append_column(name, each[name])
    found = {"metrics": stitched, "folds": about, "returns": paths, "trials": trials}
    database = Database(threads=1, timezone=timezone)
    for of_walk, table in found.items():
        database.register("found", table)
        database.make_table(of_walk, "sweep/walked", rows="found")
        database.unregister("found")
    database.lock()
    return WalkResult(database, f"walk of {len(walked):,} folds", run_on)


def _about(
    walked: Sequence[WalkedFold], tests: Sequence[tuple[int, Tested]], trials: ArrowTable
) -> ArrowTable:
    """Return what is known of each test part before its metrics."""
    import pyarrow as pa

    trains = [one.fold.train for one in walked]
    spans = [test.span for _, test in tests]
    names = dict.fromkeys(name for one in walked for name in one.parameters)
    keys = zip(*(trials[name].to_pylist() for name in ("fold", "trial")), strict=True)
    place = {key: row for row, key in enumerate(keys)}
    rows = [place[one.fold.number, one.trial] for one in walked]
    return pa.table({
        "fold": [number for number, _ in tests],
        "path": [test.path for _, test in tests],
        "train_start": [train[0].start for train in trains],
        "train_end": [train[-1].end for train in trains],
        "n_train_bars": [sum(span.n_bars for span in train) for train in trains],
        "test_start": [span.start for span in spans],
        "test_end": [span.end for span in spans],
        "trial": [one.trial for one in walked],
        # In the types that they have among all trials.
        **{name: trials[name].take(rows) for name in names},
        "in_sample": [one.score for one in walked],
    })  # fmt: skip


def _with(table: ArrowTable, **values: int) -> ArrowTable:
    """Return a table with columns in front that say the same in every row."""
    import pyarrow as pa

    for place, (name, value) in enumerate(values.items()):
        column = pa.array(np.full(len(table), value, dtype=np.int32))
        table = table.add_column(place, name, column)
    return table
