"""The rules in loops written by hand, and the guide's own loop.

The engine is the yardstick: the same bars and rules must give the same exits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from effort import examples
from hand_events import FREE, NAN, Bar, bar, bought, close, day, walk
from ml4t.backtest import ConfigError
from ml4t.backtest.core.event import MarketEvent
from ml4t.backtest.core.levels import LevelPolicy
from ml4t.backtest.execution import (
    LoopFill,
    SimulationBroker,
)
from ml4t.backtest.risk import (
    BreakevenStop,
    DynamicTrailingStop,
    RiskContext,
    RiskDecision,
    RiskManager,
    RiskRule,
    ScaledExit,
    SignalExit,
    StopLoss,
    TakeProfit,
    TimeBasedExit,
    VolatilityScaledStopLoss,
    VolatilityTrailingStop,
)
from scripted import play


class Known:
    """A provider with what it is given, which counts how often it is asked."""

    def __init__(
        self,
        features: Mapping[tuple[str, datetime], Mapping[str, Any]],
        market: Mapping[datetime, Mapping[str, Any]] | None = None,
    ) -> None:
        self.features, self.market = features, market or {}
        self.asked: list[tuple[str, datetime]] = []

    def get_features(self, asset_id: str, timestamp: datetime) -> Mapping[str, Any]:
        self.asked.append((asset_id, timestamp))
        return self.features.get((asset_id, timestamp), {})

    def get_market_features(self, timestamp: datetime) -> Mapping[str, Any]:
        return self.market.get(timestamp, {})


# -- the same rules in the engine -------------------------------------------------------------

ATR = 2.5
RULES: list[tuple[RiskRule, ...]] = [
    (VolatilityScaledStopLoss(2.0),),
    (DynamicTrailingStop(0.05),),
    (DynamicTrailingStop(0.08, schedule=((0.05, 0.03),)),),
    (VolatilityTrailingStop(2.0),),
    (StopLoss(0.04), TakeProfit(0.06)),
    (BreakevenStop(0.03), StopLoss(0.06)),
    (TakeProfit(0.03, priority=200), DynamicTrailingStop(0.03)),
    (VolatilityScaledStopLoss(2.0), DynamicTrailingStop(0.05), TakeProfit(0.2)),
    (ScaledExit(((0.02, 0.5), (0.05, 0.5))), StopLoss(0.05)),
]


def engine_exits(rows: list[Bar], rules: Sequence[RiskRule], atr: Sequence[float]) -> list[Any]:
    """(bar, rule, quantity, price) of the exits of 10 shares bought at the open of bar 1."""
    priced = [(*row, value) for row, value in zip(rows, atr, strict=True)]
    result = play(
        priced, {0: lambda strategy: strategy.buy("A", 10)}, *rules,
        names=("open", "high", "low", "close", "atr"),
        # By hand the rules see a position from the close of its entry bar on.
        levels=LevelPolicy(stop_from_entry=False, trail_from_entry=False),
    )  # fmt: skip
    found = result.sql(
        """
        select epoch(fills.timestamp::timestamp) / 86400, orders.tag, fills.quantity, price
        from fills join orders using (order_id) where fills.quantity < 0 order by fill_id
        """
    ).fetchall()
    start = day(0).replace(tzinfo=None)
    first = (start - datetime(1970, 1, 1)).days
    return [(round(at) - first, tag, round(q, 9), round(price, 9)) for at, tag, q, price in found]


def hand_exits(
    rows: list[Bar], rules: Sequence[RiskRule], atr: Sequence[float], *, records: bool = True
) -> list[Any]:
    """The same by the documented loop: exits first, then the broker, then orders."""
    broker, manager, exits = SimulationBroker(10_000, **FREE), RiskManager(rules), []
    for t, row in enumerate(rows):
        event = bar(t, row, signals={"atr": atr[t]})
        for order in manager.check_position_exits(event, broker, broker.portfolio):
            broker.submit_order(order)
        for fill in broker.on_market_event(event):
            if records:
                manager.record_fill(fill, event)
            if fill.quantity < 0:
                exits.append((t, fill.tag, round(fill.quantity, 9), round(fill.price, 9)))
        if t == 0:
            bought(broker, "A", 10)
    return exits


@pytest.mark.parametrize("seed", range(examples(2)))
@pytest.mark.parametrize("rules", RULES, ids=lambda rules: "+".join(one.name for one in rules))
def test_levels_act_at_the_bar_and_price_at_which_they_act_in_the_engine(
    rules: tuple[RiskRule, ...], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = walk(rng, 50)
    atr = [round(float(rng.uniform(1.0, 4.0)), 4) if rng.random() < 0.9 else NAN for _ in rows]
    exits = engine_exits(rows, rules, [value if value == value else None for value in atr])  # type: ignore[misc]
    assert hand_exits(rows, rules, atr) == exits
    assert hand_exits(rows, rules, atr, records=False) == exits


def test_a_gap_below_the_stop_leaves_at_the_open() -> None:
    rows = [(100, 100, 100, 100)] * 3 + [(90, 91, 89, 90)]
    assert hand_exits(rows, [StopLoss(0.05)], [ATR] * 4) == [(3, "StopLoss", -10, 90)]


@pytest.mark.parametrize("max_bars", [1, 2, 5])
def test_a_time_exit_is_asked_for_at_the_close_at_which_the_engine_asks(max_bars: int) -> None:
    rows = [(100.0 + t, 101.0 + t, 99.0 + t, 100.5 + t) for t in range(12)]
    rules = [TimeBasedExit(max_bars)]
    ((t, *_, price),) = engine_exits(rows, rules, [ATR] * 12)
    assert (t, price) == (1 + max_bars, rows[t][0])  # decided at the close before
    ((at, tag, quantity, paid),) = hand_exits(rows, rules, [ATR] * 12)
    assert (tag, quantity) == ("TimeBasedExit", -10)
    if max_bars == 1:
        # Asked at the close of the entry bar, which the loop learns of at the next event only.
        assert (at, paid) == (t, price)
    else:
        assert (at, paid) == (t - 1, rows[t - 1][3])


def test_with_events_first_and_rules_after_them_a_time_exit_is_the_engines() -> None:
    rows = [(100.0 + t, 101.0 + t, 99.0 + t, 100.5 + t) for t in range(12)]
    broker, manager, exits = SimulationBroker(10_000, **FREE), RiskManager([TimeBasedExit(3)]), []
    for t, row in enumerate(rows):
        event = bar(t, row)
        for fill in broker.on_market_event(event):
            manager.record_fill(fill, event)
            if fill.quantity < 0:
                exits.append((t, fill.tag, fill.quantity, fill.price))
        for order in manager.check_position_exits(event, broker, broker.portfolio):
            broker.submit_order(order)
        if t == 0:
            bought(broker, "A", 10)
    assert exits == engine_exits(rows, [TimeBasedExit(3)], [ATR] * 12)


def test_a_trailing_stop_never_loosens() -> None:
    broker, manager = SimulationBroker(10_000, **FREE), RiskManager([VolatilityTrailingStop(1.0)])
    bought(broker, "A", 10)
    broker.on_market_event(close(0, 100))
    for t, (price, atr) in enumerate(((100, 2), (101, 9), (99, 9), (98.9, 9)), start=1):
        orders = manager.check_position_exits(close(t, price, signals={"atr": atr}), broker)
        # 100 - 2 = 98, which the wider distances do not loosen.
        assert [order.stop for order in orders] == []
    (order,) = manager.check_position_exits(close(5, 97.9, signals={"atr": 9}), broker)
    assert (order.stop, order.tag, order.quantity) == (98, "VolatilityTrailingStop", -10)


def test_of_two_levels_in_one_bar_the_stop_counts_unless_the_open_was_beyond_the_target() -> None:
    rules = [StopLoss(0.05), TakeProfit(0.05)]
    before = [(100, 100, 100, 100)] * 2
    assert hand_exits([*before, (100, 110, 90, 100)], rules, [ATR] * 3) == [
        (2, "StopLoss", -10, 95)
    ]
    assert hand_exits([*before, (107, 110, 90, 100)], rules, [ATR] * 3) == [
        (2, "TakeProfit", -10, 107)
    ]


def test_a_purchase_at_the_close_has_seen_nothing_of_its_bar() -> None:
    broker = SimulationBroker(10_000, **FREE)
    manager = RiskManager([DynamicTrailingStop(0.1), TimeBasedExit(1)])
    broker.submit_order(broker.market_order("A", 10, decided_at=day(0), at_close=True))
    event = bar(0, (150, 200, 90, 100))
    (fill,) = broker.on_market_event(event)
    assert fill.at_close
    manager.record_fill(fill, event)
    assert manager.check_position_exits(event, broker) == []
    context = manager._build_context("A", event, broker)
    assert (context.water_mark, context.bars_held, context.entry_price) == (100, 0, 100)
    (order,) = manager.check_position_exits(bar(1, (95, 96, 94, 95)), broker)
    assert (order.tag, order.stop) == ("TimeBasedExit", None)


def test_levels_count_from_the_new_average_once_a_fill_was_recorded() -> None:
    broker, manager = SimulationBroker(10_000, **FREE), RiskManager([StopLoss(0.1)])
    for t, price in enumerate((100, 100, 200)):
        event = close(t, price)
        assert manager.check_position_exits(event, broker) == []
        for fill in broker.on_market_event(event):
            manager.record_fill(fill, event)
        if t < 2:
            bought(broker, "A", 10)
    # Bought at 100 and at 200: 150 - 10%.
    (order,) = manager.check_position_exits(close(3, 130), broker)
    assert (order.stop, order.quantity) == (135, -20)


def test_a_short_position_of_another_broker_is_protected_too() -> None:
    class Held:
        quantity, entry_price = -10.0, 100.0

    class Other:
        def get_position(self, asset_id: object) -> Held:
            return Held()

        def exit_order(self, asset_id: object, quantity: float, **terms: Any) -> Any:
            return asset_id, quantity, terms["tag"], terms["stop"], terms["limit"]

    rules = [DynamicTrailingStop(0.1), TakeProfit(0.3)]
    manager, other = RiskManager(rules), Other()
    for t, price in enumerate((100, 80, 85)):
        assert manager.check_position_exits(close(t, price), other) == []
    assert manager.check_position_exits(close(3, 89), other) == [
        ("A", 10.0, "DynamicTrailingStop", 88.0, None)
    ]
    assert RiskManager(rules).check_position_exits(close(4, 60), other) == []


def test_a_position_that_was_closed_and_opened_again_starts_anew() -> None:
    broker, manager = SimulationBroker(10_000, **FREE), RiskManager([TimeBasedExit(3)])
    seen = []
    for t in range(9):
        event = close(t, 100)
        orders = manager.check_position_exits(event, broker)
        seen.append(len(orders))
        broker.on_market_event(event)
        if t in (0, 2):
            bought(broker, "A", 10)
        if t == 1:
            bought(broker, "A", -10)
    # Bought at 1, sold at 2, bought again at 3: bars 3, 4 and 5.
    assert seen == [0, 0, 0, 0, 0, 1, 1, 1, 1]


# -- what rules are shown ---------------------------------------------------------------------


def holding(price: float = 100.0) -> SimulationBroker:
    broker = SimulationBroker(10_000, **FREE)
    bought(broker, "A", 10)
    broker.on_market_event(close(0, price))
    return broker


def test_a_feature_comes_from_the_first_place_that_has_it() -> None:
    provider = Known(
        {("A", day(1)): {"atr": 2.0, "rsi": 40.0, "beta": None, "size": NAN}},
        {day(1): {"vix": 30.0, "rsi": 1.0, "beta": 1.1, "regime": "bull"}},
    )
    event = close(1, 100, signals={"atr": 3.0, "rsi": None}, context={"vix": 18.0})
    context = RiskContext.from_state(
        market_event=event, position=holding().get_position("A"), feature_provider=provider
    )
    assert dict(context.features) == {
        "atr": 3.0, "rsi": 40.0, "vix": 18.0, "beta": 1.1, "regime": "bull",
    }  # fmt: skip


def test_a_context_without_a_provider_reads_the_event_alone() -> None:
    broker = holding()
    event = bar(1, (101, 105, 99, 104), signals={"atr": 2.0}, context={"vix": 18.0})
    context = RiskContext.from_state(
        market_event=event, position=broker.get_position("A"), portfolio=broker.portfolio
    )
    assert dict(context.features) == {"atr": 2.0, "vix": 18.0}
    assert (context.quantity, context.entry_price, context.close) == (10, 100, 104)
    assert (context.water_mark, context.bars_held, context.unrealized_pnl) == (105, 0, 40)
    assert (context.asset_id, context.timestamp, context.equity) == ("A", day(1), 10_000)


def test_the_context_of_the_guide_shows_what_rules_will_decide() -> None:
    provider = Known({("A", day(t)): {"atr": 2.5} for t in range(9)})
    broker, rule = holding(), VolatilityScaledStopLoss(atr_multiplier=2.0, volatility_key="atr")
    manager = RiskManager(feature_provider=provider).add_rule(rule)
    assert manager.feature_provider is provider
    context = manager._build_context("A", close(1, 97), broker, broker.portfolio)
    assert (context.features.get("atr"), context.unrealized_pnl) == (2.5, -30)
    decision = rule.evaluate(context)
    assert (decision.should_exit, decision.reason, decision.stop) == (False, "", 95)


def test_a_context_is_built_once_per_asset_and_timestamp_and_again_after_a_fill() -> None:
    provider = Known({})
    broker = holding()
    rules = [StopLoss(0.5), DynamicTrailingStop(0.5), TimeBasedExit(60)]
    manager = RiskManager(rules, feature_provider=provider)
    event = close(1, 100)
    first = manager._build_context("A", event, broker)
    manager.check_position_exits(event, broker)
    manager.check_position_exits(event, broker)
    assert manager._build_context("A", event, broker) is first
    assert provider.asked == [("A", day(1))]
    broker.submit_order(broker.market_order("A", 10, decided_at=day(1)))
    broker.on_market_event(event)
    broker.on_market_event(close(2, 130))
    again = manager._build_context("A", event, broker)
    assert (first.quantity, again.quantity, again.entry_price) == (10, 20, 115)


def test_a_cleared_cache_is_built_anew_and_levels_stay() -> None:
    provider, broker = Known({}), holding()
    manager = RiskManager([StopLoss(0.1)], feature_provider=provider)
    manager.check_position_exits(close(1, 100), broker)
    first = manager._build_context("A", close(1, 100), broker)
    manager.clear_cache(before_timestamp=day(1))
    assert manager._build_context("A", close(1, 100), broker) is first
    manager.clear_cache(before_timestamp=day(2))
    assert manager._build_context("A", close(1, 100), broker) is not first
    manager.clear_cache()
    assert manager._loop._contexts == {}
    (order,) = manager.check_position_exits(close(2, 89), broker)
    assert order.stop == 90


def test_nothing_grows_with_the_length_of_a_loop() -> None:
    broker, manager = SimulationBroker(1_000_000), RiskManager([TimeBasedExit(3)])
    sizes = []
    for t in range(400):
        for name in "ABC":
            event = close(t, 100 + t % 7, name)
            for order in manager.check_position_exits(event, broker, broker.portfolio):
                broker.submit_order(order)
            for fill in broker.on_market_event(event):
                manager.record_fill(fill, event)
        for name in "ABC":
            if not broker.get_position(name) and not broker.open_orders(name):
                bought(broker, name, 10)
        loop = manager._loop
        sizes.append((len(loop._contexts), len(loop._watches), len(loop._last)))
        assert len(broker.open_orders()) <= 3
        lots = sum(len(one.lots) for one in broker.portfolio._held.values())
        assert lots <= 3
    assert max(sizes) <= (3, 3, 3)


def test_of_two_rules_the_higher_priority_wins_then_the_exit_then_the_tighter_level() -> None:
    def wish(**values: Any) -> RiskDecision:
        return RiskDecision(**{"stop_rule": "wide", "exit_rule": "time", **values})

    wide, tight = wish(stop=90.0, stop_priority=100), wish(stop=95.0, stop_priority=100,
                                                          stop_rule="tight")  # fmt: skip
    leave = wish(should_exit=True, exit_priority=100)
    assert RiskDecision.merge([wide, tight]).stop_rule == "tight"
    assert RiskDecision.merge([tight, wide]).stop == 95
    assert RiskDecision.merge([wide, leave]).should_exit
    strong = wish(stop=80.0, stop_priority=200, stop_rule="strong")
    merged = RiskDecision.merge([tight, leave, strong])
    assert (merged.should_exit, merged.stop, merged.stop_rule) == (False, 80, "strong")


def test_rules_of_one_kind_are_told_apart_in_the_loop() -> None:
    broker, manager = holding(), RiskManager([StopLoss(0.2), StopLoss(0.1)])
    manager.check_position_exits(close(1, 100), broker)
    (order,) = manager.check_position_exits(close(2, 85), broker)
    assert (order.tag, order.stop) == ("StopLoss#2", 90)


def test_a_rule_of_the_users_own_may_decide_by_itself() -> None:
    class Broke(RiskRule):
        def evaluate(self, context: RiskContext) -> RiskDecision:
            return RiskDecision(should_exit=context.equity < 9_950, reason="broke")

    broker, manager = holding(), RiskManager([Broke()])
    event = close(1, 99)
    assert manager.check_position_exits(event, broker, broker.portfolio) == []
    broker.on_market_event(close(1, 90))
    (order,) = manager.check_position_exits(close(2, 90), broker, broker.portfolio)
    assert (order.tag, order.stop, order.decided_at) == ("Broke", None, day(2))


def test_a_condition_that_only_the_engine_can_evaluate_is_refused() -> None:
    broker, manager = holding(), RiskManager([SignalExit("ml_score < 0.4")])
    with pytest.raises(ConfigError, match="only a run of the engine evaluates"):
        manager.check_position_exits(close(1, 100), broker)
    manager = RiskManager([SignalExit("ml_score < 0.4")])
    assert (
        manager.check_position_exits(close(1, 100, signals={"ml_score < 0.4": 0.0}), broker) == []
    )
    event = close(2, 100, signals={"ml_score < 0.4": 1.0})
    assert [one.tag for one in manager.check_position_exits(event, broker)] == ["SignalExit"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RiskManager(Known({})), "give it as feature_provider="),
        (lambda: RiskManager(feature_provider={"atr": 2.0}), "must have a method get_features"),
        (lambda: RiskManager()._build_context("B", close(0, 1), holding()), "must be one of 'B'"),
        (lambda: [manager.check_position_exits(close(t, 100), holding())
                  for manager in [RiskManager()] for t in (2, 1)], "must come in order of time"),
    ],
)  # fmt: skip
def test_what_the_manager_refuses(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call()


# -- the guide's loop -------------------------------------------------------------------------

N_POSITIONS, MAX_VIX = 5, 30.0


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, Path]:
    """Prices with scores of 20 stocks over 60 days, and a VIX that spikes, as Parquet."""
    rng = np.random.default_rng(7)
    rows = [
        {"timestamp": day(t), "asset_id": f"S{i:02}", "close": one[3], "ml_score": rng.random(),
         "atr": one[3] * 0.02 if rng.random() < 0.95 else None}
        for i in range(20) for t, one in enumerate(walk(rng, 60))
    ]  # fmt: skip
    pl.DataFrame(rows).write_parquet(tmp_path / "stock_data.parquet")
    vix = [{"timestamp": day(t), "vix": 35.0 if t in (20, 21) else 18.0} for t in range(60)]
    pl.DataFrame(vix).write_parquet(tmp_path / "vix_data.parquet")
    return tmp_path / "stock_data.parquet", tmp_path / "vix_data.parquet"


def rebalance_portfolio(
    broker: SimulationBroker, top_assets: list[tuple[str, float, float]], target_pct: float
) -> None:
    equity, top = broker.portfolio.equity, {asset for asset, _, _ in top_assets}
    for asset, held in list(broker.positions.items()):
        if asset not in top:
            broker.submit_order(broker.market_order(asset, -held.quantity))
    for asset, _, price in top_assets:
        change = equity * target_pct / price - broker.get_position(asset).quantity
        if abs(change) > 1e-9:
            broker.submit_order(broker.market_order(asset, change))


def test_the_batch_loop_of_the_guide_runs(stored: tuple[Path, Path]) -> None:
    stock_data, vix_data = map(pl.read_parquet, stored)
    provider = Known(
        {
            (row["asset_id"], row["timestamp"]): {"ml_score": row["ml_score"], "atr": row["atr"]}
            for row in stock_data.iter_rows(named=True)
        },
        {row["timestamp"]: {"vix": row["vix"]} for row in vix_data.iter_rows(named=True)},
    )
    broker = SimulationBroker(initial_cash=100_000)
    portfolio = broker.portfolio

    risk_manager = RiskManager(feature_provider=provider)
    risk_manager.add_rule(VolatilityScaledStopLoss(atr_multiplier=2.0, volatility_key="atr"))
    risk_manager.add_rule(DynamicTrailingStop(initial_trail_pct=0.05))

    exits: list[tuple[datetime, LoopFill]] = []
    rebalanced = []
    for timestamp in sorted(stock_data["timestamp"].unique()):
        day_data = stock_data.filter(pl.col("timestamp") == timestamp)
        vix = provider.get_market_features(timestamp).get("vix", 0.0)
        events = []
        for row in day_data.iter_rows(named=True):
            signals = provider.get_features(row["asset_id"], timestamp)
            event = MarketEvent(
                timestamp=timestamp,
                asset_id=row["asset_id"],
                close=row["close"],
                signals=signals,
                context={"vix": vix},
            )
            events.append(event)

        provider.asked.clear()
        held = set(broker.positions)
        for event in events:
            exit_orders = risk_manager.check_position_exits(event, broker, portfolio)
            for order in exit_orders:
                broker.submit_order(order)
        assert {name for name, _ in provider.asked} == held

        for event in events:
            fills = broker.on_market_event(event)
            exits += [(timestamp, fill) for fill in fills if fill.tag != "order"]
        assert broker.get_cash() >= 0
        assert len(portfolio.positions) <= N_POSITIONS

        if vix > MAX_VIX:
            continue
        asset_scores = [
            (event.asset_id, event.signals["ml_score"], event.close)
            for event in events
            if event.signals.get("atr") is not None
        ]
        asset_scores.sort(key=lambda x: x[1], reverse=True)
        top_assets = asset_scores[:N_POSITIONS]
        rebalanced.append(timestamp)
        if len(rebalanced) % 10 == 1:
            rebalance_portfolio(broker, top_assets, 1.0 / N_POSITIONS)

    assert len(rebalanced) == 58
    assert {fill.tag for _, fill in exits} <= {"VolatilityScaledStopLoss", "DynamicTrailingStop"}
    assert len(exits) >= 5
    closes = {
        (row["asset_id"], row["timestamp"]): row["close"]
        for row in stock_data.iter_rows(named=True)
    }
    for timestamp, fill in exits:  # on the very close that passed the level, less 5 bp
        price = closes[fill.asset_id, timestamp]
        assert fill.price == pytest.approx(price * 0.9995)


def test_every_documented_name_can_be_imported_from_the_managers_module() -> None:
    from ml4t.backtest import risk
    from ml4t.backtest.risk import manager

    for name in risk.__all__:
        assert getattr(manager, name) is getattr(risk, name)
    with pytest.raises(AttributeError, match="has no attribute 'NoRule'"):
        _ = manager.NoRule
