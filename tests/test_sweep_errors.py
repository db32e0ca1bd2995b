"""Sweeps: mistakes of a new user are answered in words, as early as they are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hand_events import day
from ml4t.backtest import (
    Catalog,
    ConfigError,
    OptunaSearch,
    ResultError,
    Strategy,
    Sweep,
    SweepResult,
    TopN,
    WalkForward,
)


@pytest.fixture
def catalog() -> Catalog:
    keys = [(day(t), asset) for t in range(10) for asset in "AB"]
    prices = {
        "timestamp": [bar for bar, _ in keys],
        "asset_id": [asset for _, asset in keys],
        "close": [10.0 + (i * i) % 7 for i in range(len(keys))],
    }
    return Catalog().register("prices", {**prices, "open": prices["close"]})


def forgets_to_return(n: int) -> None:
    TopN(n, by="close")


@pytest.fixture
def result(catalog: Catalog) -> SweepResult:
    return Sweep(catalog, TopN(1, by="close"), {"n": [1, 2]}).run()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (forgets_to_return, "returns a strategy, or a mapping that has one, .*, was None"),
        (lambda n: (TopN(n, by="close"), n), r"was \(<.*, 1\)|was \(TopN"),
        (lambda n: {"initial_capital": n}, "was a mapping without"),
    ],
)
def test_a_function_that_makes_no_trial_is_told_what_it_returned(
    catalog: Catalog, make: Callable[[int], Strategy], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        Sweep(catalog, make, {"n": [1]}).run()


def test_a_metric_that_there_is_none_of_is_refused_before_anything_is_searched(
    catalog: Catalog, result: SweepResult
) -> None:
    with pytest.raises(ConfigError, match="no metric 'sharp'; did you mean 'sharpe'"):
        Sweep(catalog, TopN(1, by="close"), OptunaSearch(space={"n": [1, 2]}, n=2, by="sharp"))
    with pytest.raises(ConfigError, match="no metric 'sharp'; did you mean 'sharpe'"):
        result.scores("sharp")


@pytest.mark.parametrize("by", ["annualised_by", "max_drawdown_end", ["sharpe"]])
def test_by_what_is_no_number_nothing_is_chosen(
    catalog: Catalog, result: SweepResult, by: Any
) -> None:
    sweep = Sweep(catalog, TopN(1, by="close"), {"n": [1, 2]})
    says = "is no number; name one" if isinstance(by, str) else r"no metric \['sharpe'\]"
    with pytest.raises(ConfigError, match=says):
        sweep.walk(WalkForward(train=4, test=2), by=by)
    with pytest.raises(ConfigError, match=says):
        result.scores(by)


def test_a_word_does_not_say_that_the_lowest_is_best(catalog: Catalog) -> None:
    lowest: Any = "no"
    with pytest.raises(ConfigError, match="lowest must be True or False, was 'no'"):
        Sweep(catalog, TopN(1, by="close"), {"n": [1, 2]}).walk(
            WalkForward(train=4, test=2), lowest=lowest
        )


def test_what_is_no_way_to_split_is_refused(catalog: Catalog) -> None:
    with pytest.raises(ConfigError, match=r"a walk takes splits, .*, was 5"):
        Sweep(catalog, TopN(1, by="close"), {"n": [1, 2]}).walk(5)  # type: ignore[arg-type]


def test_a_trial_is_found_by_the_number_that_a_frame_has(result: SweepResult) -> None:
    trial = result.trials.to_arrow_table()["trial"].to_numpy()[1]
    assert isinstance(trial, np.int32)
    assert result.parameters(trial) == {"n": 2}  # type: ignore[arg-type]
    with pytest.raises(ResultError, match="they are 1 to 2"):
        result.parameters(3)


def test_a_notebook_shows_the_best_trials_first(catalog: Catalog) -> None:
    found = Sweep(catalog, TopN(1, by="close"), {"n": [1, 2], "by": ["close", "-close"]}).run()
    shown = found._repr_html_()
    assert shown.startswith("<p><b>&lt;SweepResult of 4 trials, 0 failed&gt;</b>")
    best = found.sql("select trial from trials order by sharpe desc nulls last, trial").fetchall()
    rows = shown.split("<tr>")[2:]
    assert [int(row.split("<td>")[1].split("<")[0]) for row in rows] == [one for (one,) in best]
    assert "<th>by</th>" in shown
