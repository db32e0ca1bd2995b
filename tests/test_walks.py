"""Bars at which nothing can happen are passed over, and no table shows it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from effort import some
from ml4t.backtest import (
    ActionPolicy,
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    BasisPointCommission,
    BasisPointSlippage,
    CashAccount,
    Catalog,
    Strategy,
    TopN,
    risk,
    walk,
)
from ml4t.backtest.core.batch import Batch, Chunk
from ml4t.backtest.core.levels import LevelPolicy
from ml4t.backtest.core.stretch import carried, quiet_before, total
from ml4t.backtest.execution.pending.rebalancer import Rebalancer
from ml4t.backtest.risk.limits.account_state import AccountState
from ml4t.backtest.risk.limits.limit import LimitAction
from ml4t.backtest.risk.rule_engine.rule_tree import spans_bars
from ml4t.backtest.risk.rules.held import Held, HeldOverBars
from ml4t.backtest.strategy.broker import StrategyBroker
from ml4t.backtest.visit import Visit
from ml4t.backtest.walk import EventWalk, visiting_every_bar
from money import engine_run
from universes import Universe, make_universe
from walks import read_in_parts, tables_of, walk_case

NAN = float("nan")
SEEDS = (2, 5, 8, 11, 13, 14, 17, 21, 24, 26)


@pytest.mark.parametrize("seed", some(SEEDS, 4))
def test_both_walks_leave_the_same_tables(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "FEWEST", 1)
    (universe, options), strategy = walk_case(seed)
    by_events = tables_of(engine_run(universe, options, strategy))
    with visiting_every_bar(), read_in_parts(seed):
        by_bars = tables_of(engine_run(universe, options, walk_case(seed)[1]))
    assert by_events == by_bars


@pytest.fixture(scope="module")
def calm() -> Universe:
    return make_universe(3, n_assets=3, n_bars=30, p_hole=0.1)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bars whose opens a run by events visits."""
    ts: list[int] = []
    through, opened = EventWalk.through, Visit.open

    def by_events(self: EventWalk, chunk: Chunk) -> None:
        with monkeypatch.context() as noting:
            noting.setattr(Visit, "open", noted)
            through(self, chunk)

    def noted(self: Visit, batch: Batch) -> None:
        ts.append(batch.t)
        opened(self, batch)

    monkeypatch.setattr(EventWalk, "through", by_events)
    return ts


@pytest.fixture(scope="module")
def minutes() -> Universe:
    return make_universe(
        4, n_bars=80, bars_per_day=11, volatility=0.002, p_hole=0.02, p_action=0.2, tick=0.01
    )


def run(
    universe: Universe, strategy: Strategy, *rules: risk.RiskRule, config: Any = None,
    limits: Sequence[risk.Limit] = (),
) -> BacktestResult:  # fmt: skip
    catalog = Catalog()
    catalog.register("prices", universe.prices)
    catalog.register("features", universe.features)
    if universe.actions:
        catalog.register("actions", universe.actions_frame.drop("delisting_return"))
    manager = risk.RiskManager(rules, limits)
    return BacktestEngine(catalog, strategy, risk_manager=manager, config=config).run()


def test_decisions_fills_and_both_ends_are_visited(calm: Universe, seen: list[int]) -> None:
    run(calm, TopN(2, by="score", every=10, offset=4))  # 3, 13, 23
    assert seen == [0, 4, 14, 24, 29]


class Watching(TopN):
    """Looks at every bar."""

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        assert batch.t >= 0
        super().decide(batch, broker)


def test_a_strategy_of_ones_own_sees_every_bar(calm: Universe, seen: list[int]) -> None:
    strategy = Watching(2, by="score", every=10)
    run(calm, strategy)
    assert seen == []  # not by events


def test_a_row_of_a_stretch_adds_up_as_its_bar_does() -> None:
    random = np.random.default_rng(7)
    for n in (0, 1, 2, 7, 8, 9, 25, 127, 128, 129, 300, 1000):
        values = random.normal(size=(5, n)) * 1e6
        assert total(values).tolist() == [float(total(row.copy())) for row in values]


def test_what_is_not_known_at_a_bar_is_carried_on() -> None:
    values = np.array([[NAN, 2.0], [3.0, NAN], [NAN, NAN]])
    found = carried(np.array([1.0, 9.0]), values, ~np.isnan(values))
    assert found.tolist() == [[1.0, 2.0], [3.0, 2.0], [3.0, 2.0]]


def test_quiet_ends_before_the_first_bar_that_stirs() -> None:
    assert quiet_before(np.array([False, False, True, False, True])) == 2
    assert quiet_before(np.zeros(3, dtype=bool)) == 3


# -- rules ----------------------------------------------------------------------------------

STEPS = ((0.003, 0.3), (0.006, 0.3))
RULES: list[risk.RiskRule] = [
    risk.StopLoss(0.01), risk.TakeProfit(0.01), risk.BreakevenStop(0.004, 0.001),
    risk.ScaledExit(STEPS), risk.TimeBasedExit(9), risk.TrailingStop(0.01),
    risk.TrailingStop(amount=0.5), risk.DynamicTrailingStop(0.02, ((0.004, 0.01), (0.01, 0.005))),
    risk.VolatilityScaledStopLoss(2.0), risk.VolatilityTrailingStop(2.0),
    risk.SignalExit("score > 1.9"),
]  # fmt: skip


def one_bar(over: dict[str, Any], t: int, last_stop: Any) -> Held:
    """What a rule sees at one of several bars."""
    moving = {name: over[name][t] for name in ("water_mark", "close", "bars_held")}
    features = {name: values[t] for name, values in over["features"].items()}
    return Held(**(over | moving | {"features": features, "last_stop": last_stop}))


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_a_rule_says_over_bars_what_it_says_at_each(rule: risk.RiskRule) -> None:
    assert spans_bars(rule)
    random, shape = np.random.default_rng(5), (12, 6)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.004, shape), axis=0))
    atr = np.where(random.random(shape) < 0.3, NAN, random.uniform(0.2, 0.6, shape))
    asked, side = random.random(shape) < 0.8, np.array([1.0, 1, 1, -1, -1, 1])
    best = np.where(side > 0, np.maximum.accumulate(close), np.minimum.accumulate(close))
    over = {
        "side": side, "entry_price": close[0], "water_mark": best, "close": close,
        "bars_held": np.arange(3, 15)[:, None] + np.arange(6),
        "features": {"atr": atr, "score > 1.9": (close > 101).astype(float)},
        "steps_done": np.array([0, 1, 2, 0, 1, 2]), "splits": np.ones(6),
        "dividends": np.linspace(0, 0.1, 6),
    }  # fmt: skip
    first = close[0] * (1 - side * 0.03)
    at_once = rule.answer(HeldOverBars(**over, last_stop=first, asked=asked))
    last = first
    for t in range(len(close)):
        answer = rule.answer(one_bar(over, t, last))
        for name in ("stop", "target", "part", "exits"):
            mine, other = getattr(at_once, name), getattr(answer, name)
            assert (mine is None) == (other is None)
            if mine is not None:
                here = np.broadcast_to(mine, shape)[t]
                np.testing.assert_array_equal(here[asked[t]], other[asked[t]])
        if answer.stop is not None:
            last = np.where(asked[t], answer.stop, last)


class OfOnesOwn(risk.StopLoss):
    """Whoever writes a rule says whether it spans bars."""


def test_a_rule_of_ones_own_sees_every_bar(calm: Universe, seen: list[int]) -> None:
    assert not spans_bars(OfOnesOwn(0.5))
    assert not spans_bars(risk.AnyOf([risk.StopLoss(0.5), OfOnesOwn(0.5)]))
    assert not spans_bars(risk.SignalExit(lambda held: held["atr"] > 9, features=("atr",)))
    run(calm, TopN(2, by="score", every=10), OfOnesOwn(0.5))
    assert seen == []


TOGETHER = [
    [risk.AllOf([risk.TimeBasedExit(6), risk.TrailingStop(0.003)]), risk.ScaledExit(STEPS)],
    [risk.AnyOf([risk.VolatilityScaledStopLoss(0.3), risk.ScaledExit(STEPS)], priority=90),
     risk.SignalExit("score > 2.2"), risk.BreakevenStop(0.004, 0.001)],
    [risk.DynamicTrailingStop(0.008), risk.TakeProfit(0.01), risk.TimeBasedExit(15, priority=9)],
]  # fmt: skip
POLICIES = [
    LevelPolicy(), LevelPolicy(trigger="next_open", trail_by="close"),
    LevelPolicy(in_rule_order=True, open_first=False), LevelPolicy(trail_replaces_stop=True),
    LevelPolicy(trail_start="entry_close"), LevelPolicy(target_first=True),
    LevelPolicy(before_orders=True),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "policy"), some(itertools.product(TOGETHER, POLICIES), 4))
def test_rules_together_act_at_the_same_bars(
    rules: list[risk.RiskRule], policy: LevelPolicy, minutes: Universe, seen: list[int]
) -> None:
    config = BacktestConfig(levels=policy)
    by_events = run(minutes, TopN(4, by="score", every=20), *rules, config=config)
    with visiting_every_bar():
        by_bars = run(minutes, TopN(4, by="score", every=20), *rules, config=config)
    assert tables_of(by_events) == tables_of(by_bars)
    assert by_events.sql("from decisions").fetchall()
    assert len(seen) < 60  # of 80


def test_levels_before_orders_leave_what_an_open_bought_alone_in_either_walk(
    minutes: Universe,
) -> None:
    config = BacktestConfig(levels=LevelPolicy(before_orders=True))
    by_events = run(minutes, TopN(4, by="score", every=5), risk.StopLoss(0.0005), config=config)
    with visiting_every_bar():
        by_bars = run(minutes, TopN(4, by="score", every=5), risk.StopLoss(0.0005), config=config)
    assert tables_of(by_events) == tables_of(by_bars)
    fills = by_events.sql("select * from fills")
    assert len(fills.fetchall()) > 20


def test_a_bar_that_closes_a_position_at_its_level_is_passed_over(
    minutes: Universe, seen: list[int]
) -> None:
    rules = risk.TrailingStop(0.004), risk.TakeProfit(0.004)
    by_events = run(minutes, TopN(4, by="score", every=20), *rules)
    with visiting_every_bar():
        by_bars = run(minutes, TopN(4, by="score", every=20), *rules)
    assert tables_of(by_events) == tables_of(by_bars)
    bars = "select row_number() over (order by timestamp) - 1 as t, timestamp from equity"
    closed = "select timestamp from fills semi join decisions using (timestamp, asset_id)"
    ts = by_events.sql(f"select distinct t from ({bars}) semi join ({closed}) using (timestamp)")
    assert len({t for (t,) in ts.fetchall()} - set(seen)) > 4


@pytest.mark.parametrize("shortfall", ["scale", "in_turn", "reject"])
def test_sales_and_purchases_of_one_event_are_those_of_two(
    shortfall: str, minutes: Universe, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = BacktestConfig(account=CashAccount(shortfall=shortfall))
    at_once, rule = [], risk.TrailingStop(0.004)
    change = Rebalancer.change

    def noted(self: Rebalancer, *given: Any) -> bool:
        at_once.append(change(self, *given))
        return at_once[-1]

    monkeypatch.setattr(Rebalancer, "change", noted)
    one = run(minutes, TopN(4, by="score", every=5), rule, config=config)
    monkeypatch.setattr(Rebalancer, "change", lambda *_: False)
    two = run(minutes, TopN(4, by="score", every=5), rule, config=config)
    assert tables_of(one) == tables_of(two)
    assert any(at_once)


@pytest.mark.parametrize("from_entry", [True, False])
def test_a_step_that_no_level_was_set_for_before_closes_its_part(
    from_entry: bool, minutes: Universe
) -> None:
    config = BacktestConfig(levels=LevelPolicy(stop_from_entry=from_entry))
    rule = risk.ScaledExit(((0.001, 0.3), (0.05, 0.4)))
    by_events = run(minutes, TopN(4, by="score", every=20), rule, config=config)
    with visiting_every_bar():
        by_bars = run(minutes, TopN(4, by="score", every=20), rule, config=config)
    assert tables_of(by_events) == tables_of(by_bars)
    assert by_events.sql("from decisions").fetchall()


# -- limits ---------------------------------------------------------------------------------

WATCHING: list[list[risk.Limit]] = [
    [risk.MaxDrawdown(0.004, action="halt", resume_after=25), risk.MaxVaR(0.002, window=10)],
    [risk.MaxDrawdown(0.004, action="liquidate", resume_after=12), risk.MaxWeight(0.3)],
    [risk.MaxDailyLoss(0.002, action="reduce"), risk.VolatilityTarget(0.05, window=8)],
]


@pytest.mark.parametrize("limits", WATCHING)
def test_limits_act_at_the_same_bars(
    limits: list[risk.Limit], minutes: Universe, seen: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "FEWEST", 1)
    by_events = run(minutes, TopN(4, by="score", every=20), limits=limits)
    with visiting_every_bar():
        by_bars = run(minutes, TopN(4, by="score", every=20), limits=limits)
    assert tables_of(by_events) == tables_of(by_bars)
    assert by_events.sql("from decisions where asset_id is null").fetchall()
    assert len(seen) < 50  # of 80


def test_an_account_that_has_lost_all_is_passed_over_too(seen: list[int]) -> None:
    days = [date(2024, 1, 1) + timedelta(days=t) for t in range(20)]
    bars = {"timestamp": [*days[:5], *days], "asset_id": ["A"] * 5 + ["B"] * 20}
    prices = {**bars, "open": [10.0] * 25, "close": [10.0] * 25}
    gone = {"asset_id": ["A"], "ex_date": [days[5]], "kind": ["delisting"], "value": [None]}
    catalog = Catalog().register("prices", prices).register("actions", gone)
    nothing = BasisPointCommission(0), BasisPointSlippage(0)
    config = BacktestConfig(
        commission=nothing[0], slippage=nothing[1], actions=ActionPolicy(delisting_return=-1.0)
    )
    strategy = TopN(1, by="case when asset_id = 'A' then 2 else 1 end", every=20, offset=1)
    manager = risk.RiskManager([], [risk.MaxDrawdown(0.5), risk.MaxVaR(0.1, window=2)])
    engine = BacktestEngine(catalog, strategy, risk_manager=manager, config=config)
    assert engine.run()["final_value"] == 0.0
    assert len(seen) < 10  # of 20


class Watchful(risk.Limit):
    """Looks at every close, as far as anybody knows."""

    def at_close(self, account: AccountState) -> Sequence[LimitAction]:
        assert account.t >= 0
        return ()


def test_a_limit_of_ones_own_sees_every_bar(calm: Universe, seen: list[int]) -> None:
    run(calm, TopN(2, by="score", every=10), limits=[Watchful()])
    assert seen == []
