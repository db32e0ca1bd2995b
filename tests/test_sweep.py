"""Sweeps: a trial is the run alone, to the last bit, whatever is tried beside it."""

from __future__ import annotations

import gc
import random
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from disks import fill_up, small_disk
from effort import long, some
from many_trials import (
    Trials,
    bits,
    difference,
    metrics_of,
    metrics_of_trial,
    returns_of,
    returns_of_trial,
)
from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    Catalog,
    ConfigError,
    ResultError,
    RunStore,
    Strategy,
    Sweep,
    SweepResult,
    TopN,
    risk,
)
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.data.stream import batches
from ml4t.backtest.execution import Quote
from ml4t.backtest.progress import ShownProgress
from ml4t.backtest.results.recorder import Recorder
from ml4t.backtest.results.store import open_store
from ml4t.backtest.running import run_once
from ml4t.backtest.strategy.broker import StrategyBroker
from ml4t.backtest.sweep import sweep as sweep_module
from ml4t.backtest.sweep.recipe import Recipe
from ml4t.backtest.sweep.rounds import Detail, Ground, Round, Tried
from ml4t.backtest.sweep.trial_store import TrialStore
from ml4t.backtest.sweep.work import error_text
from universes import make_universe
from walks import read_in_parts

pytestmark = pytest.mark.filterwarnings("ignore:.*trials (are|failed):UserWarning")

UNIVERSE = make_universe(5, n_assets=6, n_bars=24, volume=True)
GRID = {"n": [1, 2], "every": [1, 3]}


def catalog(prices: pl.DataFrame = UNIVERSE.prices) -> Catalog:
    found = Catalog(threads=1).register("prices", prices)
    return found.register("features", UNIVERSE.features).register("context", UNIVERSE.context)


def top_n(n: int = 1, every: int = 1) -> TopN:
    return TopN(n, by="score", every=every)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the trials that are made."""
    numbers: list[int] = []
    inner = sweep_module.try_all

    def counted(ground: Any, recipe: Any, trials: Any, *rest: Any) -> Any:
        numbers.extend(one.number for one in trials)
        return inner(ground, recipe, trials, *rest)

    monkeypatch.setattr(sweep_module, "try_all", counted)
    return numbers


def numbers_of(result: SweepResult) -> list[Any]:
    """All that a sweep says, but for the clock on the wall."""
    return [
        result.sql("select * exclude (seconds) from trials order by trial").fetchall(),
        result.sql("select * from trial_returns order by trial, timestamp").fetchall(),
    ]


# -- the run alone ----------------------------------------------------------------------------


# Of many: strategies that ask on the way beside those on events, zoned bars, files, shorts.
@pytest.mark.parametrize("seed", some((9, 14, 101, 303, *range(400, 420)), 1))
def test_trials_in_any_rounds_are_the_runs_alone(seed: int, tmp_path: Path) -> None:
    n, pick, trials = 5, random.Random(f"rounds {seed}"), Trials(seed, tmp_path)
    alone, errors = runs_alone(trials, n)
    assert len(alone) > n // 2
    recipe = Recipe(lambda case: trials.make(case), {})
    for detail in (Detail.TABLES, Detail.METRICS):
        data = trials.catalog()
        ground, left = Ground(data, (None, None)), pick.sample(range(n), k=n)
        while left:
            size = pick.choice([1, 2, n])
            part, left = left[:size], left[size:]
            engines = {case: recipe.engine(data, {"case": case}) for case in part}
            with read_in_parts(seed):
                tried = Round(ground, engines, detail).run()
            for one in tried:
                assert (error_text(one.error) if one.error else None) == errors.get(one.number)
                if one.error is None:
                    assert_same(one, alone[one.number], tmp_path / "kept")


def runs_alone(trials: Trials, n: int) -> tuple[dict[int, Any], dict[int, str]]:
    runs, errors, data = {}, {}, trials.catalog()
    for case in range(n):
        try:
            runs[case] = run_once(BacktestEngine(data, **trials.make(case)))
        except Exception as error:
            errors[case] = error_text(error)
    return runs, errors


def assert_same(one: Tried, alone: Any, store: Path) -> None:
    assert one.row is not None
    (row,) = one.row.to_pylist()
    metrics = metrics_of(alone)
    assert dict(zip(metrics, bits([[row[name] for name in metrics]])[0], strict=True)) == metrics
    if "timestamps" in row:
        lists = (row[name] for name in ("timestamps", "sessions", "bar_returns", "excess_returns"))
        assert bits(zip(*lists, strict=True)) == returns_of(alone)
    if one.kept is not None:
        kept = RunStore(store)
        run_id = kept.keep(one.kept, (), open_store())
        assert difference(kept.open(run_id), alone) == []


class AsksOnce(Strategy):
    """Reads a column that stands in no plan at one bar, and orders at every bar."""

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        assert batch.more is not None
        if batch.t == 7:
            # No text in the code says so: such a column is read ahead.
            batch.more.signal("a" + chr(116) + "r")
            batch.more.market("v" + chr(105) + "x")
        broker.order_target_weights({"A01": 0.5 if batch.t % 2 else 0.1})


@pytest.mark.parametrize("cells", [6, 18, 1 << 18])
def test_what_was_asked_for_on_the_way_is_evidence_from_that_bar_on(
    cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "CHUNK_CELLS", cells)
    run = run_once(BacktestEngine(catalog(), AsksOnce(), evidence=("close",)))
    found = run.sql(
        "select name, min(timestamp), count(distinct timestamp) from evidence "
        "where name in ('atr', 'vix') group by name order by name"
    ).fetchall()
    times = sorted(UNIVERSE.bars)[7:]
    known = [t for t in times if "A01" in UNIVERSE.bars[t] and UNIVERSE.signals[t, "A01"]["atr"]]
    assert found == [("atr", known[0], len(known)), ("vix", times[0], len(times))]


@long
def test_years_of_trials_are_their_own() -> None:
    def make(days: float | str | None) -> dict[str, Any]:
        return {"strategy": top_n(), "sessions_per_year": days}

    days = [200.0, None]
    result = Sweep(catalog(), make, {"days": days}).run()
    for trial, one in enumerate(days, start=1):
        alone = run_once(BacktestEngine(catalog(), **make(one)))
        assert metrics_of_trial(result, trial) == metrics_of(alone)
        assert returns_of_trial(result, trial) == returns_of(alone)


@long
def test_a_sweep_over_a_period_in_a_zone_shows_times_as_its_runs_do() -> None:
    prices = UNIVERSE.prices.with_columns(
        pl.col("timestamp").dt.replace_time_zone("America/New_York")
    )
    data = Catalog(threads=1, timezone="America/New_York").register("prices", prices)
    strategy = TopN(2, by="close")
    period = {"start": "2024-01-05", "end": "2024-01-20"}
    result = Sweep(data, strategy, {"n": [1, 2]}, **period).run()  # type: ignore[arg-type]
    alone = BacktestEngine(data, TopN(2, by="close")).run(**period)
    assert returns_of_trial(result, 2) == returns_of(alone)
    hours = "select distinct date_part('hour', timestamp) from "
    assert result.sql(hours + "trial_returns").fetchall() == [(0,)]
    assert alone.sql(hours + "report.bar_returns").fetchall() == [(0,)]


# -- what is shared, and what fails -----------------------------------------------------------


class Counting(risk.RiskRule):
    """Leaves what is held at every third time that it is asked."""

    times = 0

    def evaluate(self, context: risk.RiskContext) -> risk.RiskDecision:
        self.times += 1
        return risk.RiskDecision(should_exit=self.times % 3 == 0, reason="third")


class Dearer:
    """A commission that grows with every fill."""

    features, n = (), 0

    def charge(self, quote: Quote) -> Any:
        self.n += 1
        return np.abs(quote.quantity) * 0.001 * self.n


def test_what_trials_are_given_in_common_keeps_nothing_from_one_to_the_next() -> None:
    strategy, rule = top_n(2), risk.RiskManager([Counting()])
    config = BacktestConfig(commission=Dearer())

    def make(capital: float) -> dict[str, Any]:
        return {"strategy": strategy, "initial_capital": capital}

    result = Sweep(catalog(), make, {"capital": [1e5, 2e5]}, risk_manager=rule, config=config).run()
    assert result.failed == []
    for trial, capital in enumerate((1e5, 2e5), start=1):
        engine = BacktestEngine(
            catalog(), top_n(2), initial_capital=capital,
            risk_manager=risk.RiskManager([Counting()]), config=BacktestConfig(commission=Dearer()),
        )  # fmt: skip
        assert metrics_of_trial(result, trial) == metrics_of(run_once(engine))


class Broken(Strategy):
    def __init__(self, at: int) -> None:
        self.at = at

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        if batch.t == self.at:
            raise ZeroDivisionError("so it is")
        broker.order_target_weights({"A01": 0.5})


class Unknown:
    """Does not know what a fill costs."""

    features = ()

    def fill_price(self, quote: Quote) -> Any:
        return quote.price * float("nan")


BROKEN: dict[str, Any] = {
    "factory": lambda: 1 / 0,
    "no strategy": lambda: 3,
    "bar": lambda: Broken(7),
    "last bar": lambda: Broken(23),
    "ranking": lambda: TopN(1, by="cast('x' || score as double)"),
    "ranking too": lambda: TopN(2, by="cast('x' || score as double)"),
    "column": lambda: TopN(1, by="scor"),
    "cost": lambda: {"strategy": top_n(), "config": BacktestConfig(slippage=Unknown())},
}


def test_trials_that_fail_leave_the_others_as_they_are(tmp_path: Path) -> None:
    def make(n: int, broken: str | None) -> Any:
        return BROKEN[broken]() if broken else top_n(n)

    cases = [{"n": 1, "broken": None}, *({"n": 1, "broken": one} for one in BROKEN)]
    cases += [{"n": n, "broken": None} for n in (2,)]
    with pytest.warns(UserWarning, match="8 of 10 trials failed, trial 2 with ZeroDivisionError"):
        result = Sweep(catalog(), make, cases, detail="tables", store=tmp_path / "s").run()
    failed = dict(result.failed)
    assert [*failed] == [*range(2, 10)]
    for trial, broken in enumerate(BROKEN, start=2):
        if broken != "no strategy":
            assert failed[trial] == error_of(broken)
        with pytest.raises(ResultError, match=f"trial {trial} failed"):
            result.open(trial)
    assert "2024-01-08" in failed[4]
    for trial, n in ((1, 1), (10, 2)):
        alone = run_once(BacktestEngine(catalog(), top_n(n)))
        assert difference(result.open(trial), alone) == []
    (metrics,) = result.sql("select n_bars, sharpe, run_id from trials where trial = 4").fetchall()
    assert metrics[:2] == (None, None)


def error_of(broken: str) -> str:
    """Return what the run alone raises."""
    try:
        made = BROKEN[broken]()
        run_once(
            BacktestEngine(catalog(), **(made if isinstance(made, dict) else {"strategy": made}))
        )
    except Exception as error:
        return error_text(error)
    return ""


def test_a_trial_that_is_made_otherwise_each_time_fails_and_says_so() -> None:
    made: list[int] = []

    def make(n: int) -> TopN:
        made.append(n)
        return top_n(len(made))

    result = Sweep(catalog(), make, {"n": [1, 2]}).run()
    assert [trial for trial, _ in result.failed] == [1, 2]
    assert all("must not depend on chance" in error for _, error in result.failed)


@long
def test_progress_is_told_of_trials_and_is_a_function() -> None:
    told: list[tuple[int, int]] = []
    sweep = Sweep(catalog(), top_n(), {"n": [1, 2]})
    sweep.run(progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 2), (2, 2)]
    with pytest.raises(ConfigError, match="progress must be True or a function"):
        sweep.run(progress=3)  # type: ignore[arg-type]


def test_progress_that_is_shown_knows_what_was_there_and_what_failed(tmp_path: Path) -> None:
    told: list[tuple[int, int, int]] = []

    class Told(ShownProgress):
        def __call__(self, done: int, total: int) -> None:
            told.append((done, self.n_there, self.n_failed))

    def make(n: int) -> TopN:
        if n == 4:
            raise ValueError("no")
        return Broken(7) if n == 3 else top_n(n)

    Sweep(catalog(), make, {"n": [1]}, store=tmp_path / "s").run()
    grown = Sweep(catalog(), make, {"n": [1, 2, 3, 4]}, store=tmp_path / "s")
    grown.run(progress=Told("trials"))
    # Of a trial whose run cannot be planned nothing is to be made.
    assert told == [(2, 2, 1), (4, 2, 2)]


def test_where_no_trial_can_be_made_the_first_error_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        Sweep(catalog(), lambda n: 1 / 0, {"n": [1, 2]}).run()


def test_a_strategy_that_keeps_something_is_run_once() -> None:
    one = Broken(99)
    result = Sweep(
        catalog(), lambda capital: {"strategy": one, "initial_capital": capital},
        {"capital": [1e5, 2e5]},
    ).run()  # fmt: skip
    ((trial, error),) = result.failed
    assert trial == 2
    assert "make another for another run" in error


# -- the store --------------------------------------------------------------------------------


@long
def test_what_is_in_the_store_is_not_made_again(tmp_path: Path, made: list[int]) -> None:
    def swept(detail: str, grid: Any = GRID, data: Catalog | None = None) -> SweepResult:
        made.clear()
        return Sweep(data or catalog(), top_n(), grid, store=tmp_path / "s", detail=detail).run()

    first = swept("metrics")
    assert sorted(made) == [1, 2, 3, 4]
    assert first.trial_returns.fetchall() == []
    assert not [*(tmp_path / "s" / "trials" / "returns").iterdir()]
    assert numbers_of(swept("metrics")) == numbers_of(first)
    assert made == []
    with_returns = swept("returns")
    assert sorted(made) == [1, 2, 3, 4]
    assert numbers_of(with_returns)[0] == numbers_of(first)[0]
    assert len(with_returns.trial_returns.fetchall()) == 4 * 24
    with_tables = swept("tables")
    assert sorted(made) == [1, 2, 3, 4]
    assert numbers_of(with_tables) == numbers_of(with_returns)
    assert numbers_of(swept("tables")) == numbers_of(with_tables)
    assert made == []
    wider = swept("metrics", {"n": [1, 2, 3], "every": [1, 3]})
    assert sorted(made) == [5, 6]
    assert numbers_of(wider)[0][:4] == numbers_of(first)[0]
    other = swept("metrics", {"n": [1, 2]}, catalog(UNIVERSE.prices.head(-1)))
    assert sorted(made) == [1, 2]
    ids = [{run_id for (run_id,) in one.sql("select run_id from trials").fetchall()}
           for one in (first, other)]  # fmt: skip
    assert not ids[0] & ids[1]


@long
def test_a_trial_that_was_damaged_is_made_again(tmp_path: Path, made: list[int]) -> None:
    def swept() -> SweepResult:
        made.clear()
        return Sweep(catalog(), top_n(), {"n": [1, 2]}, store=tmp_path / "s").run()

    expected, store = numbers_of(swept()), TrialStore(tmp_path / "s")
    one, other = sorted((tmp_path / "s" / "trials" / "returns").iterdir())
    whole, pick = one.read_bytes(), random.Random(3)
    assert store.found([one.stem, other.stem], with_returns=True) == {
        one.stem: one, other.stem: other
    }  # fmt: skip
    for bad in damaged(whole, other.read_bytes(), pick):
        one.write_bytes(bad)
        assert store.found([one.stem, other.stem], with_returns=True) == {other.stem: other}
    assert numbers_of(swept()) == expected
    assert len(made) == 1
    one.unlink()
    assert numbers_of(swept()) == expected
    assert len(made) == 1


def test_a_run_that_was_damaged_is_made_again(tmp_path: Path, made: list[int]) -> None:
    def swept() -> SweepResult:
        made.clear()
        return Sweep(catalog(), top_n(), {"n": [1, 2]}, store=tmp_path / "s", detail="tables").run(
            n_jobs=np.int64(1)
        )

    first = swept()
    fills = bits(first.open(2).sql("from fills").fetchall())
    place = tmp_path / "s" / "runs" / f"run_id={first.engine(2).run().run_id}" / "fills.parquet"
    whole = place.read_bytes()
    place.write_bytes(whole[:-50] + bytes([whole[-50] ^ 1]) + whole[-49:])
    again = swept()
    assert made == [2]
    assert numbers_of(again) == numbers_of(first)
    assert bits(again.open(2).sql("from fills").fetchall()) == fills
    # Metrics alone need no tables; what stands there can be opened all the same.
    few = Sweep(catalog(), top_n(), {"n": [1, 2]}, store=tmp_path / "s", detail="metrics").run()
    assert bits(few.open(2).sql("from fills").fetchall()) == fills


def damaged(whole: bytes, other: bytes, pick: random.Random) -> Iterator[bytes]:
    """Yield what is not the file of a trial any more: cut short, that of another, of one bit."""
    yield from (b"", whole[:-9], whole[: len(whole) // 2], whole + b"0", other)
    for at in (0, len(whole) - 1, *pick.sample(range(len(whole)), k=300)):
        yield whole[:at] + bytes([whole[at] ^ (1 << pick.randrange(8))]) + whole[at + 1 :]


def test_files_of_others_are_left_alone(tmp_path: Path, made: list[int]) -> None:
    Sweep(catalog(), top_n(), {"n": [1, 2]}, store=tmp_path / "s").run()
    folder = tmp_path / "s" / "trials" / "returns"
    (folder / "notes.parquet").write_text("none of ours")
    (folder / "sub").mkdir()
    made.clear()
    assert Sweep(catalog(), top_n(), {"n": [1, 2]}, store=tmp_path / "s").run().failed == []
    assert made == []
    assert (folder / "notes.parquet").read_text() == "none of ours"


def test_what_killed_sweeps_left_goes_and_what_living_ones_have_stays(tmp_path: Path) -> None:
    store = TrialStore(tmp_path / "s")
    with store.workplace() as living:
        left = living.with_name(".sweep.01234567.saving")
        (left / "prepared").mkdir(parents=True)
        Sweep(catalog(), top_n(), {"n": [1]}, store=store.path).run()
        assert living.exists()
        assert not left.exists()


@long
def test_two_sweeps_at_once_fill_one_store(tmp_path: Path) -> None:
    found: list[Any] = []

    def swept(values: list[int]) -> None:
        found.append(Sweep(catalog(), top_n(), {"n": values}, store=tmp_path / "s").run())

    threads = [threading.Thread(target=swept, args=(ns,)) for ns in ([1, 2, 3], [3, 2, 4])]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    alone = Sweep(catalog(), top_n(), {"n": [1, 2, 3, 4]}).run()
    whole = Sweep(catalog(), top_n(), {"n": [1, 2, 3, 4]}, store=tmp_path / "s").run()
    assert len(found) == 2
    assert numbers_of(whole) == numbers_of(alone)
    assert len([*(tmp_path / "s" / "trials" / "returns").iterdir()]) == 4


@long
def test_a_full_disk_is_an_error_and_what_was_written_stays(
    tmp_path: Path, made: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "MOST_IN_ROUND", 1)
    with small_disk(tmp_path, "1m") as disk:
        Sweep(catalog(), top_n(), {"n": [1]}, store=disk / "s").run()
        filler = fill_up(disk)
        sweep = Sweep(catalog(), top_n(), {"n": [1, 2]}, store=disk / "s")
        with pytest.raises(ResultError, match=r"could not be added to .*No space"):
            sweep.run()
        filler.unlink()
        made.clear()
        assert sweep.run().failed == []
        assert made == [2]


def test_a_store_is_one_of_runs_and_nothing_else_becomes_one(tmp_path: Path) -> None:
    (tmp_path / "letters").write_text("dear")
    with pytest.raises(ResultError, match="holds 'letters' and is no store of runs"):
        Sweep(catalog(), top_n(), GRID, store=tmp_path).run()
    store = RunStore(tmp_path / "runs")
    Sweep(catalog(), top_n(), {"n": [1, 2]}, store=store, detail="tables").run()
    assert len(store) == 2


# -- the result -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def swept() -> SweepResult:
    return Sweep(catalog(), top_n(), GRID).run()


WRITES = (
    "delete from trials", "create table mine as select 1", "drop view trial_returns",
    "insert into trials select * from trials", "select 1; select 2", "attach ':memory:' as other",
    "copy trials to '{folder}/trials.csv'", "set threads = 3", "",
)  # fmt: skip


def test_a_result_keeps_nothing_of_each_file_that_it_reads(swept: SweepResult) -> None:
    assert swept.trial_returns.fetchall()
    query = "select memory_usage_bytes from duckdb_memory() where tag = 'OBJECT_CACHE'"
    ((kept,),) = swept.sql(query).fetchall()
    assert kept < 10_000 * len(swept)  # a footer is 150 kB


@pytest.mark.parametrize("query", WRITES)
def test_what_does_more_than_read_is_refused(
    swept: SweepResult, query: str, tmp_path: Path
) -> None:
    with pytest.raises((ResultError, ConfigError)):
        swept.sql(query.format(folder=tmp_path))
    assert not [*tmp_path.iterdir()]
    assert len(swept.trials.fetchall()) == 4


def test_relations_outlive_the_result() -> None:
    returns = Sweep(catalog(), top_n(), GRID).run().trial_returns.filter("trial = 2")
    gc.collect()
    assert len(returns.fetchall()) == 24


def test_the_folder_of_a_sweep_without_a_store_goes_with_it() -> None:
    result = Sweep(catalog(), top_n(), {"n": [1]}).run()
    folder = result._store.path
    assert folder.is_dir()
    relation = result.trials
    del result
    gc.collect()
    assert folder.is_dir()
    del relation
    gc.collect()
    assert not folder.exists()


def test_a_result_says_what_it_is(swept: SweepResult) -> None:
    assert repr(swept) == "<SweepResult of 4 trials, 0 failed>"
    assert repr(Sweep(catalog(), top_n(), GRID)) == "<Sweep of 4 trials of TopN(1, by='score')>"
    assert repr(Sweep(catalog(), top_n, GRID)) == "<Sweep of 4 trials of top_n>"
    assert repr(Sweep(catalog(), Broken, {"at": [1]})) == "<Sweep of 1 trials of Broken>"
    assert (len(swept), swept.parameters(2)) == (4, {"n": 1, "every": 3})
    assert swept.trials.columns[:4] == ["trial", "run_id", "n", "every"]
    assert swept.trials.columns[-2:] == ["seconds", "error"]
    again = swept.engine(2).run()
    assert again.run_id == swept.sql("select run_id from trials where trial = 2").fetchall()[0][0]
    for trial in (0, 5, True, "1", None):
        with pytest.raises(ResultError, match="there is no trial"):
            swept.engine(trial)  # type: ignore[arg-type]
    with pytest.raises(ResultError, match="has no tables"):
        swept.open(1)


@pytest.mark.parametrize("name", ["trial", "run_id", "SECONDS", "error", "Sharpe"])
def test_a_parameter_has_no_name_of_a_column(name: str) -> None:
    with pytest.raises(ConfigError, match="has a column of that name"):
        Sweep(catalog(), lambda **_: top_n(), {name: [1]})


def test_parameters_differ_in_more_than_capitals() -> None:
    with pytest.raises(ConfigError, match=r"'n' and 'N'.*capitals"):
        Sweep(catalog(), lambda n, N: top_n(n), {"n": [1], "N": [2]})  # noqa: N803


def test_names_of_the_tables_and_of_sql_can_be_parameters() -> None:
    names = ("planned", "kept", "select", "timestamp", "order")
    grid = [{name: i} for i, name in enumerate(names)]
    with pytest.warns(UserWarning, match="5 trials are 1 runs"):
        result = Sweep(catalog(), lambda **_: top_n(), grid).run()
    columns = ", ".join(f'"{name}"' for name in names)
    found = result.sql(f"select {columns} from trials order by trial").fetchall()
    assert found == [tuple(i if i == j else None for j in range(5)) for i in range(5)]


def test_a_set_without_parameters_is_a_trial() -> None:
    result = Sweep(catalog(), top_n, [{}]).run()
    assert metrics_of_trial(result, 1) == metrics_of(BacktestEngine(catalog(), top_n()).run())


@long
def test_a_round_lets_go_of_what_its_trials_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[Any] = []
    most = 0
    inner = Recorder.__init__

    def noted(self: Recorder) -> None:
        nonlocal most
        inner(self)
        alive.append(weakref.ref(self))
        most = max(most, sum(one() is not None for one in alive))

    monkeypatch.setattr(Recorder, "__init__", noted)
    monkeypatch.setattr(sweep_module, "MOST_IN_ROUND", 2)
    gc.disable()  # nothing waits for the cycle collector
    try:
        result = Sweep(catalog(), top_n(), {"n": [1, 2, 3, 4, 5, 6]}).run()
    finally:
        gc.enable()
    assert len(alive) == 6
    assert most <= 4  # a round, and the one before it while its first trials begin
    assert sum(one() is not None for one in alive) == 0
    assert result.failed == []
