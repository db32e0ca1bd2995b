"""What Optuna chooses by our trials is what it chooses by itself, told the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest

from ml4t.backtest import Between, Catalog, ConfigError, OptunaSearch, Sweep, SweepResult, TopN
from ml4t.backtest.sweep import sweep as sweep_module
from universes import make_universe

UNIVERSE = make_universe(5, n_assets=6, n_bars=24, volume=True)
SPACE = {"n": Between(1, 6), "band": Between(0.001, 0.3, is_log=True), "by": ["score", "-score"]}
KINDS: dict[str, optuna.distributions.BaseDistribution] = {
    "n": optuna.distributions.IntDistribution(1, 6),
    "band": optuna.distributions.FloatDistribution(0.001, 0.3, log=True),
    "by": optuna.distributions.CategoricalDistribution(["score", "-score"]),
}
State = optuna.trial.TrialState
# Its sampler looks at scores once it was told ten.
BATCHES = (12, 6)
searched = partial(OptunaSearch, n=sum(BATCHES), batch=BATCHES[0], seed=7)

pytestmark = pytest.mark.filterwarnings("ignore:.*trials (are|failed):UserWarning")


def make(n: int, band: float = 0.0, by: str = "score") -> dict[str, Any]:
    if n == 6:
        raise ValueError("six are too many")
    return {"strategy": TopN(n, by=by, band=band)}


def swept(search: OptunaSearch, store: Path | None = None) -> SweepResult:
    catalog = Catalog(threads=1).register("prices", UNIVERSE.prices)
    catalog.register("features", UNIVERSE.features)
    return Sweep(catalog, make, search, store=store, detail="metrics").run()


def scores_of(result: SweepResult, by: str) -> dict[tuple[Any, ...], float | None]:
    rows = result.sql(f'select n, band, "by", {by} from trials').fetchall()
    return {tuple(row[:-1]): row[-1] for row in rows}


def by_itself(
    score_of: Callable[[dict[str, Any]], float | None], direction: str
) -> list[dict[str, Any]]:
    """The same search, without ours."""
    sampler = optuna.samplers.TPESampler(seed=7)
    study = optuna.create_study(sampler=sampler, direction=direction)
    for size in BATCHES:
        for one in [study.ask(KINDS) for _ in range(size)]:
            score = score_of(one.params)
            study.tell(one, score, state=State.FAIL if score is None else None)
    return [one.params for one in study.trials]


@pytest.fixture(scope="module")
def whole() -> SweepResult:
    return swept(searched(SPACE))


@pytest.mark.parametrize(("by", "lowest"), [("sharpe", False), ("max_drawdown", True)])
def test_it_chooses_what_it_chooses_by_itself(by: str, lowest: bool, whole: SweepResult) -> None:
    result = swept(searched(SPACE, by=by, lowest=True)) if lowest else whole
    found = scores_of(result, by)
    asked = by_itself(
        lambda chosen: found[chosen["n"], chosen["band"], chosen["by"]],
        "minimize" if lowest else "maximize",
    )
    assert list(found) == [(one["n"], one["band"], one["by"]) for one in asked]
    assert any(score is None for score in found.values())
    assert len(result.failed) == sum(one["n"] == 6 for one in asked)


def test_equal_parameters_are_made_once_and_told_every_time() -> None:
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=7))
    result = swept(searched({"n": [1, 2, 6]}, study=study))
    rows = dict(result.sql("select n, sharpe from trials").fetchall())
    assert rows.keys() == {1, 2, 6}
    assert [one.state for one in study.trials] == [
        State.FAIL if one.params["n"] == 6 else State.COMPLETE for one in study.trials
    ]
    assert [one.value for one in study.trials] == [rows[one.params["n"]] for one in study.trials]
    assert len(study.trials) == sum(BATCHES)


def test_a_study_goes_on_where_it_was(whole: SweepResult) -> None:
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=7), direction="maximize")
    first, second = (swept(searched(SPACE, n=n, study=study)) for n in BATCHES)
    parts = [scores_of(one, "sharpe") for one in (first, second)]
    assert list(parts[0] | parts[1]) == list(scores_of(whole, "sharpe"))


def test_a_search_that_was_killed_asks_for_the_same_and_makes_what_is_left(
    whole: SweepResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, inner = list[int](), sweep_module.try_all

    def counted(ground: Any, recipe: Any, trials: Any, *rest: Any) -> Any:
        if made:
            raise KeyboardInterrupt
        made.extend(one.number for one in trials)
        return inner(ground, recipe, trials, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(sweep_module, "try_all", counted)
        with pytest.raises(KeyboardInterrupt):
            swept(searched(SPACE), tmp_path / "s")
        before = made.copy()
        made.clear()
        patch.setattr(sweep_module, "try_all", inner)
    result = swept(searched(SPACE), tmp_path / "s")
    assert scores_of(result, "sharpe") == scores_of(whole, "sharpe")
    kept = [*(tmp_path / "s" / "trials" / "metrics").iterdir()]
    assert len(kept) == len(result) - len(result.failed)
    assert len(before) < len(result)


@pytest.mark.parametrize("value", [(1, 2), {"a": 1}, TopN(1, by="score")])
def test_what_it_cannot_choose_among_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="Optuna chooses among numbers, flags, texts and None"):
        searched({"n": [1, value]})


def test_a_metric_that_is_none_is_refused_before_a_trial() -> None:
    with pytest.raises(ConfigError, match="did you mean 'sharpe'"):
        swept(searched(SPACE, by="sharp"))
