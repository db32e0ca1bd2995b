"""Poison finds what reads rows that are there and lie, and nothing else."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from effort import long, some
from many_trials import Trials
from ml4t.backtest import (
    BacktestEngine,
    Catalog,
    ConfigError,
    CostError,
    DataError,
    ExpressionError,
    Strategy,
    TopN,
)
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.core.event import Events
from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.cut.poisoned_catalog import PoisonedCatalog
from ml4t.backtest.risk import RiskManager, StopLoss
from ml4t.backtest.strategy.broker import StrategyBroker
from ml4t.backtest.synthetic import make_market

DAYS = 60
OF_ASSET = "partition by asset_id order by timestamp"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_market(tmp_path_factory.mktemp("poison"), n_assets=8, n_bars=DAYS)


def sources(market: Path, feature: object = None) -> Catalog:
    found = Catalog()
    for role in ("prices", "context"):
        found.register(role, market / f"{role}.parquet")
    if feature is not None:
        found.register("features", feature, name="own")
    return found


def best_of(rises: np.ndarray, broker: StrategyBroker) -> None:
    best = np.argsort(-np.nan_to_num(rises), kind="stable")[:2]
    broker.order_target_weights({broker.assets[sid]: 0.4 for sid in best.tolist()})


class ReachesAhead(Strategy):
    """Goes past what it is handed, to the bars that stand in memory."""

    def __init__(self, n_ahead: int) -> None:
        self.n_ahead = n_ahead

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        more: Any = batch.more
        chunk, row = more._chunk, min(more._row + self.n_ahead, more._chunk.n_bars - 1)
        best_of(chunk.prices["close"][row] / batch.close, broker)


class ReachesThroughEvents(Strategy):
    """Finds the whole column behind the values of an event."""

    def on_timestamp_batch(self, events: Events, broker: StrategyBroker, portfolio: object) -> None:
        bar: Any = events._bar
        more = next(
            cell.cell_contents for cell in bar.prices.load.__closure__
            if hasattr(cell.cell_contents, "_chunk")
        )  # fmt: skip
        row = min(more._row + 1, more._chunk.n_bars - 1)
        best_of(more._chunk.prices["close"][row] / more._chunk.prices["close"][more._row], broker)


def found_in(engine: BacktestEngine, table: str) -> set[str]:
    audit = engine.audit(2, poison=True)
    rows = audit.sql(f"select place from {table} where place is not null").fetchall()
    assert audit.is_clean is (not rows)
    assert audit.sql("select problem from poisoned where problem is not null").fetchall() == []
    return {place for (place,) in rows}


@pytest.mark.parametrize("strategy", [ReachesAhead(1), ReachesAhead(4), ReachesThroughEvents()])
def test_what_reaches_for_bars_in_memory_is_found(strategy: Strategy, market: Path) -> None:
    places = found_in(BacktestEngine(sources(market), strategy), "poisoned")
    assert "waiting" in places
    # The next bar alone shows in what is decided at the cut: nothing has filled by then.
    is_far = isinstance(strategy, ReachesAhead) and strategy.n_ahead > 1
    assert ("fills" in places) is is_far


def test_a_look_at_the_next_bar_is_found_by_cutting_too(market: Path) -> None:
    assert found_in(BacktestEngine(sources(market), ReachesAhead(1)), "differences") == {"waiting"}


@pytest.mark.parametrize("source", ["prices", "'{file}'"])
def test_a_statistic_of_all_rows_is_found(source: str, market: Path) -> None:
    query = (
        "select timestamp, asset_id, close - avg(close) over (partition by asset_id) as own "
        f"from {source.format(file=market / 'prices.parquet')}"
    )
    engine = BacktestEngine(sources(market, query), TopN(2, by="own", every=3))
    assert {"signals", "selections"} <= found_in(engine, "poisoned")


class Remembers(Strategy):
    """Buys what rose of late, by closes that it has kept."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        self.seen.append(batch.close)
        if len(self.seen) > 5 and batch.t % 4 == 0:
            best_of(self.seen[-1] / self.seen[-6], broker)


def test_what_reads_the_past_alone_is_no_alarm(market: Path) -> None:
    query = (
        f"select timestamp, asset_id, ln(close / lag(close, 3) over ({OF_ASSET})) as own "
        f"from '{market}/prices.parquet'"
    )
    for strategy in (Remembers(), TopN(2, by="own", when="vix < 100", every=3)):
        manager = RiskManager([StopLoss(0.02)])
        engine = BacktestEngine(sources(market, query), strategy, risk_manager=manager)
        assert found_in(engine, "poisoned") == set()


@long
@pytest.mark.parametrize("seed", some((17, *range(400, 440)), 1))
def test_no_run_of_ours_is_an_alarm(seed: int, tmp_path: Path) -> None:
    trials, n_audited = Trials(seed, tmp_path), 0
    for case in range(2):
        try:
            engine = BacktestEngine(trials.catalog(), **trials.make(case))
            audit = engine.audit(1, seed=seed, poison=True)
        except (ConfigError, DataError, ExpressionError, CostError):
            continue  # what a run over everything would refuse
        n_audited += audit.sql("select count(*) from poisoned").fetchall() == [(0,)]
        assert audit.sql("select * from poisoned where place is not null").fetchall() == []
    assert n_audited


def test_keys_and_times_stay_and_values_of_later_rows_lie(market: Path, tmp_path: Path) -> None:
    named = pl.read_parquet(market / "prices.parquet").with_columns(
        kind=pl.when(pl.col("asset_id") < "S0004").then(pl.lit("a")).otherwise(pl.lit("b"))
    )
    whole = Catalog().register("prices", named).register("features", market / "features.parquet")
    (cut,) = whole.sql(
        "select distinct timestamp from prices order by 1 limit 1 offset 30"
    ).fetchall()
    bar = CutBar(30, str(cut[0]), "TIMESTAMP")
    poisoned = PoisonedCatalog(whole, bar, seed=3)
    poisoned.validate()
    for role in ("prices", "features"):
        one, other = (
            each.sql(f"select * from {role} order by timestamp, asset_id").pl()
            for each in (whole, poisoned)
        )
        assert one.columns == other.columns
        assert one.schema == other.schema
        keys, is_later = ["timestamp", "asset_id"], one["timestamp"] > cut[0]
        assert one.select(keys).equals(other.select(keys))
        assert one.filter(~is_later).equals(other.filter(~is_later))
        for name in set(one.columns) - {*keys, "kind"}:
            mine, theirs = (each.filter(is_later)[name] for each in (one, other))
            assert (mine.ne_missing(theirs)).mean() > 0.9, name
        n_null = other.filter(is_later).null_count().sum_horizontal()[0]
        assert (n_null > 0) is (role == "features")
    bars = poisoned.sql("select * from prices").pl()
    assert (
        bars["high"] >= bars.select(pl.max_horizontal("open", "close", "low")).to_series()
    ).all()
    again = PoisonedCatalog(whole, bar, seed=3).sql("select * from prices order by all").pl()
    assert again.equals(bars.sort(bars.columns))
    other = PoisonedCatalog(whole, bar, seed=4).sql("select * from prices order by all").pl()
    assert not other.equals(again)


def test_memberships_and_actions_are_cut(market: Path) -> None:
    days = [day for (day,) in sources(market).sql(
        "select distinct timestamp::date from prices order by 1").fetchall()]  # fmt: skip
    universe = pl.DataFrame({
        "asset_id": ["S0000", "S0001", "S0002"], "start_date": [days[0], days[0], days[40]],
        "end_date": [None, days[50], None],
    })  # fmt: skip
    actions = pl.DataFrame({
        "asset_id": ["S0000", "S0001"], "ex_date": [days[10], days[45]],
        "kind": ["dividend", "dividend"], "value": [0.1, 0.1],
    })  # fmt: skip
    whole = sources(market).register("universe", universe).register("actions", actions)
    at = dt.datetime.combine(days[30], dt.time())
    found = PoisonedCatalog(whole, CutBar(30, str(at), "TIMESTAMP"), seed=0)
    assert found.sql("select asset_id, end_date from universe order by 1").fetchall() == [
        ("S0000", None), ("S0001", None),
    ]  # fmt: skip
    assert found.sql("select asset_id from actions").fetchall() == [("S0000",)]
    engine = BacktestEngine(whole, TopN(2, by="close", where="is_member", every=3))
    assert found_in(engine, "poisoned") == set()


def test_a_run_that_cannot_be_made_of_lies_is_told(market: Path) -> None:
    class Counts(Strategy):
        def decide(self, batch: Batch, broker: StrategyBroker) -> None:
            more: Any = batch.more
            if more._chunk.prices["close"].sum() != total:
                raise ValueError("other prices")

    rows = pl.read_parquet(market / "prices.parquet").sort("timestamp", "asset_id")
    total = float(rows["close"].to_numpy().reshape(DAYS, -1).sum())
    audit = BacktestEngine(sources(market), Counts()).audit(1, poison=True)
    ((problem,),) = audit.sql("select problem from poisoned").fetchall()
    assert problem.startswith("ValueError: other prices")
    assert not audit.is_clean
    assert "0 with later rows poisoned: nothing could be compared" in audit.title
