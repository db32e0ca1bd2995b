"""Walks: what is chosen on train parts, what test parts make of it, and one account through all."""

from __future__ import annotations

from math import exp, log1p, sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from effort import long
from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    CashAccount,
    Catalog,
    ConfigError,
    OptunaSearch,
    ResultError,
    SQLStrategy,
    Sweep,
    TopN,
    WalkForward,
)
from ml4t.backtest.data.stream.period import bound_of
from ml4t.backtest.results.tables import TABLES
from ml4t.backtest.risk import MaxWeight, RiskManager, RiskRule, StopLoss
from ml4t.backtest.sweep.continued import WalkStage, continued
from ml4t.backtest.sweep.folds import BarSpan
from ml4t.backtest.sweep.rounds import Ground
from ml4t.backtest.synthetic import make_market

N_BARS = 240
OF_RUN_ALONE = ("runs", "evidence")


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market")
    make_market(folder, n_assets=30, n_bars=N_BARS)
    return folder


@pytest.fixture
def catalog(market: Path) -> Catalog:
    found = Catalog()
    for role in ("prices", "features", "context"):
        found.register(role, market / f"{role}.parquet")
    return found


def make(n: int, stop: float | None = None) -> dict[str, Any]:
    rules = [] if stop is None else [StopLoss(stop)]
    return {"strategy": TopN(n, by="ml_score", every=5), "risk_manager": RiskManager(rules)}


def rows(result: BacktestResult) -> dict[str, list[Any]]:
    return {
        name: result.sql(f"select * exclude run_id from {name}").fetchall()
        for name in TABLES
        if name not in OF_RUN_ALONE
    }


def bars(catalog: Catalog) -> list[Any]:
    found = catalog.sql("select distinct timestamp from prices order by timestamp").fetchall()
    return [timestamp for (timestamp,) in found]


def span(times: list[Any], first: int, last: int) -> BarSpan:
    return BarSpan(first, last, times[first], times[last])


def ground_of(catalog: Catalog, *stages: WalkStage) -> Ground:
    start, end = stages[0].span.start, stages[-1].span.end
    return Ground(catalog, (bound_of("start", start), bound_of("end", end)))


def test_a_fold_chooses_what_single_runs_say_and_tries_it_after_its_warm_up(
    catalog: Catalog,
) -> None:
    walk = WalkForward(train=80, test=80, warm_up=15, purge=3)
    sets = [{"n": n, "stop": stop} for n, stop in ((3, None), (6, None), (6, 0.03))]
    found = Sweep(catalog, make, sets).walk(walk)
    told = found.sql(
        "select trial, in_sample, n_train_bars, train_start, test_start, n_bars, sharpe, n, stop, "
        "bars_per_year from folds order by fold"
    ).fetchall()
    folds = walk.folds(catalog)
    assert len(told) == len(folds) == 2
    stitched = found.sql("select bar_return from returns order by timestamp").fetchall()
    expected = []
    for fold, row in zip(folds, told, strict=True):
        (train,), (test,), (start,) = fold.train, fold.test, fold.run_starts
        sharpes = [
            BacktestEngine(catalog, **make(**one), start=train.start, end=train.end)
            .run()
            .metrics["sharpe"]
            for one in sets
        ]
        best = int(np.argmax(sharpes))
        # To the last digits: DuckDB adds up a run's rows and those of a fold in other orders.
        sharpe = pytest.approx(sharpes[best], rel=1e-12)
        assert row[:5] == (best + 1, sharpe, 77, train.start, test.start)
        assert row[7:9] == (sets[best]["n"], sets[best]["stop"])
        alone = BacktestEngine(catalog, **make(**sets[best]), start=start, end=test.end).run()
        returns = alone.sql(
            "select bar_return from report.bar_returns order by 1 limit 0"
        ).fetchall()
        returns = [
            one
            for (one,) in alone.sql(
                "select bar_return from report.bar_returns order by timestamp"
            ).fetchall()
        ][15:]
        assert row[5] == len(returns) == test.n_bars
        assert row[6] == pytest.approx(fmean(returns) / stdev(returns) * sqrt(row[9]), rel=1e-9)
        expected += returns
    assert [one for (one,) in stitched] == expected
    ((total, bars_of_all, sharpe, per_year),) = found.sql(
        "select total_return, n_bars, sharpe, bars_per_year from metrics"
    ).fetchall()
    assert total == pytest.approx(exp(sum(map(log1p, expected))) - 1, rel=1e-9)
    assert sharpe == pytest.approx(fmean(expected) / stdev(expected) * sqrt(per_year), rel=1e-9)
    assert bars_of_all == len(expected)
    assert found.trials.aggregate("count(*)").fetchall() == [(len(sets) * len(folds),)]


def test_metrics_of_one_fold_are_those_of_its_run(catalog: Catalog) -> None:
    found = Sweep(catalog, make, {"n": [4]}).walk(WalkForward(train=100, test=140))
    (fold,) = WalkForward(train=100, test=140).folds(catalog)
    alone = BacktestEngine(catalog, **make(4), start=fold.test[0].start).run().metrics
    names = found.metrics.columns[1:]
    assert len(names) > 30
    told = dict(zip(names, found.metrics.project(", ".join(names)).fetchall()[0], strict=True))
    for name, value in told.items():
        # Equity is made of returns here, and rounds otherwise.
        expected = pytest.approx(alone[name], rel=1e-9) if isinstance(value, float) else alone[name]
        assert value == expected, name


@long
@pytest.mark.parametrize("stop", [None, 0.02])
def test_one_account_through_parts_of_one_choice_is_one_run(
    catalog: Catalog, stop: float | None
) -> None:
    found = Sweep(catalog, make, {"n": [5], "stop": [stop]}).walk(WalkForward(train=100, test=70))
    ((start, end),) = found.sql("select min(test_start), max(test_end) from folds").fetchall()
    alone = BacktestEngine(catalog, **make(5, stop), start=start, end=end).run()
    assert rows(found.result) == rows(alone)
    assert len(rows(alone)["fills"]) > 100
    assert found.result is found.result


def test_strategies_in_turn_are_one_query_that_knows_the_time(catalog: Catalog) -> None:
    times = bars(catalog)
    spans = [span(times, *ends) for ends in ((20, 92), (93, 160), (161, 239))]
    kept = (3, 8, 5)
    stages = [
        WalkStage(one, BacktestEngine(catalog, **make(n)))
        for one, n in zip(spans, kept, strict=True)
    ]
    result = continued(ground_of(catalog, *stages), stages)
    n = " ".join(
        f"when timestamp <= timestamp '{one.end}' then {n}"
        for one, n in zip(spans, kept, strict=True)
    )
    query = f"""
        select timestamp, asset_id, ml_score as score, 1.0::double / case {n} end as weight,
            row_number() over (
                partition by timestamp order by ml_score desc, asset_id asc
            ) as rank
        from signals where isfinite(ml_score) qualify rank <= case {n} end
    """
    strategy = SQLStrategy(query, every=5)
    alone = BacktestEngine(catalog, strategy, start=times[20], end=times[239]).run()
    assert rows(result) == rows(alone)
    changes = result.sql("select count(distinct n_positions) from equity").fetchall()
    assert changes[0][0] >= 4


class ByPhase(RiskRule):
    """A stop whose distance the market says."""

    features = ("phase",)
    has_stop = True  # type: ignore[assignment]

    def stop(self, held: Any) -> Any:
        distance = np.where(held.features["phase"] == 1, 0.02, 0.04)
        return held.entry_price * (1 - held.side * distance)


def test_rules_in_turn_are_one_rule_that_knows_the_time(market: Path) -> None:
    table = pq.read_table(market / "context.parquet")
    catalog = Catalog().register("prices", market / "prices.parquet")
    catalog.register("features", market / "features.parquet")
    times = bars(catalog)
    # Of the border's bar nothing was decided at the close before: no entry sees two rules.
    border = 123
    phase = [1 if one < times[border] else 2 for one in table["timestamp"].to_pylist()]
    catalog.register("context", table.append_column("phase", [phase]))
    stages = [
        WalkStage(span(times, 0, border - 1), BacktestEngine(catalog, **make(6, 0.02))),
        WalkStage(span(times, border, N_BARS - 1), BacktestEngine(catalog, **make(6, 0.04))),
    ]
    result = continued(ground_of(catalog, *stages), stages)
    other = BacktestEngine(
        catalog, make(6)["strategy"], risk_manager=RiskManager([ByPhase()])
    ).run()
    for name in ("fills", "equity", "positions"):
        assert rows(result)[name] == rows(other)[name]
    stops = result.sql(
        "select count(*) filter (where timestamp < $1), count(*) filter (where timestamp > $1) "
        "from decisions".replace("$1", f"timestamp '{times[border]}'")
    ).fetchall()
    assert min(stops[0]) > 5
    assert {one for (one,) in result.sql("select distinct rule from decisions").fetchall()} == {
        "StopLoss"
    }


def test_a_stage_without_rules_has_no_exit_by_one(catalog: Catalog) -> None:
    times = bars(catalog)
    stages = [
        WalkStage(span(times, 0, 99), BacktestEngine(catalog, **make(6, 0.02))),
        WalkStage(span(times, 100, 239), BacktestEngine(catalog, **make(6))),
    ]
    result = continued(ground_of(catalog, *stages), stages)
    ((last, n),) = result.sql("select max(timestamp), count(*) from decisions").fetchall()
    # A level of before rests for the first bar of the stage.
    assert n > 5
    assert last <= times[100]
    books = result.sql(
        "select (select sum(pnl) from trades) + (select sum(amount) from cash_flows "
        "where not in_trades) - (select arg_max(equity, timestamp) from equity)"
    ).fetchall()
    assert abs(books[0][0]) < 1e-6


def test_the_record_of_one_account_says_what_was_chosen_when(catalog: Catalog) -> None:
    times = bars(catalog)
    stages = [
        WalkStage(span(times, 0, 99), BacktestEngine(catalog, **make(6))),
        WalkStage(span(times, 100, 239), BacktestEngine(catalog, **make(3))),
    ]
    result = continued(ground_of(catalog, *stages), stages)
    ((told,),) = result.sql(
        "select configuration::json -> '$.walk[*].strategy' from runs"
    ).fetchall()
    assert [f"TopN({n}" in text for n, text in zip((6, 3), told, strict=True)] == [True, True]
    other = continued(
        ground_of(catalog, stages[0]),
        [WalkStage(span(times, 0, 239), BacktestEngine(catalog, **make(6)))],
    )
    assert result.run_id != other.run_id


@long
def test_what_no_account_goes_through_is_refused(catalog: Catalog) -> None:
    sweep = Sweep(catalog, make, {"n": [4]})
    gaps = sweep.walk(WalkForward(train=100, test=40, step=70))
    with pytest.raises(ResultError, match="nothing was tested; walk with step as long as test"):
        _ = gaps.result

    def with_limits(n: int) -> dict[str, Any]:
        limits = [MaxWeight(0.2 if n == 3 else 0.3)]
        return {"strategy": make(n)["strategy"], "risk_manager": RiskManager(limits=limits)}

    def with_config(n: int) -> dict[str, Any]:
        shortfall = "reject" if n == 3 else "in_turn"
        return {"strategy": make(n)["strategy"],
                "config": BacktestConfig(account=CashAccount(shortfall=shortfall))}  # fmt: skip

    times = bars(catalog)
    for made, what in ((with_limits, "limits"), (with_config, "config")):
        stages = [
            WalkStage(span(times, *ends), BacktestEngine(catalog, **made(n)))
            for ends, n in (((0, 99), 3), ((100, 239), 6))
        ]
        with pytest.raises(ResultError, match=what):
            continued(ground_of(catalog, *stages), stages)


@long
def test_a_walk_of_a_period_is_that_of_prices_that_begin_and_end_there(
    catalog: Catalog, market: Path
) -> None:
    times, grid, walk = bars(catalog), {"n": [3, 6]}, WalkForward(80, 40, warm_up=10)
    within = Sweep(catalog, make, grid, start=times[37], end=times[210]).walk(walk)
    cut = Catalog()
    cut.register(
        "prices",
        f"from '{market}/prices.parquet' where timestamp between '{times[37]}' and '{times[210]}'",
    )
    for role in ("features", "context"):
        cut.register(role, market / f"{role}.parquet")
    alone = Sweep(cut, make, grid).walk(walk)
    first, last = within.folds.fetchall(), alone.folds.fetchall()
    assert len(first) == 3
    assert first == last
    query = "from returns order by timestamp"
    assert within.sql(query).fetchall() == alone.sql(query).fetchall()
    assert rows(within.result) == rows(alone.result)


def test_a_walk_refuses_what_it_cannot_choose_by(catalog: Catalog) -> None:
    walk = WalkForward(train=80, test=40)
    with pytest.raises(ConfigError, match="no metric 'sharp'; did you mean 'sharpe'"):
        Sweep(catalog, make, {"n": [4]}).walk(walk, by="sharp")
    times = bars(catalog)
    with pytest.raises(ConfigError, match=r"more than the 60 bars from .* shorten one of them"):
        Sweep(catalog, make, {"n": [4]}, start=times[1], end=times[60]).walk(walk)
    with pytest.raises(ConfigError, match="detail='returns'"):
        Sweep(catalog, make, {"n": [4]}, detail="metrics").walk(walk)
    search = OptunaSearch(space={"n": [4, 5]}, n=2, study=object())
    with pytest.raises(ConfigError, match="leave out the study"):
        Sweep(catalog, make, search).walk(walk)
    never = [{"n": 4, "stop": None}]

    def no_trades(n: int, stop: float | None) -> TopN:
        return TopN(n, by="ml_score", when="vix < 0")

    with pytest.raises(ResultError, match="no trial of fold 1"):
        Sweep(catalog, no_trades, never).walk(walk)


@long
def test_the_lowest_and_another_metric_choose_otherwise(catalog: Catalog) -> None:
    grid = {"n": [2, 5, 9]}
    walk = WalkForward(train=100, test=70)
    for by, lowest in (("volatility", True), ("turnover", False)):
        found = Sweep(catalog, make, grid).walk(walk, by=by, lowest=lowest)
        query = f"select fold, trial, {by} from trials order by fold, trial"
        by_fold: dict[int, list[float]] = {}
        for fold, _, score in found.sql(query).fetchall():
            by_fold.setdefault(fold, []).append(score)
        best = np.argmin if lowest else np.argmax
        chosen = found.sql("select trial, in_sample from folds order by fold").fetchall()
        assert chosen == [(int(best(one)) + 1, best_of(one, lowest)) for one in by_fold.values()]


def best_of(scores: list[float], lowest: bool) -> float:
    return min(scores) if lowest else max(scores)


@long
def test_progress_counts_folds(catalog: Catalog) -> None:
    seen: list[tuple[int, int]] = []
    Sweep(catalog, make, {"n": [4]}).walk(
        WalkForward(train=100, test=70), progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(1, 2), (2, 2)]


@long
def test_parameters_of_several_kinds_are_texts_in_every_table(catalog: Catalog) -> None:
    def schedule(every: int | str) -> TopN:
        return TopN(4, by="ml_score", every=every)

    found = Sweep(catalog, schedule, {"every": [7, "month_start"]}).walk(
        WalkForward(train=100, test=70)
    )
    chosen = {one for (one,) in found.sql("select every from folds").fetchall()}
    assert chosen <= {"7", "month_start"}
    assert found.sql("select distinct every from trials order by 1").fetchall() == [
        ("7",), ("month_start",),
    ]  # fmt: skip
    for name in ("fold", "in_sample", "sharpe"):
        with pytest.raises(ConfigError, match=f"cannot be called '{name}'"):
            Sweep(catalog, schedule, {name: [1]})
