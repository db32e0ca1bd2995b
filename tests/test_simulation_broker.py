"""The broker of loops written by hand: what fills when, and its settings in an engine.

The engine is the yardstick: the same bars and orders must give the same cash and positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from effort import each_value
from hand_events import FREE, NAN, Bar, bar, bought, close, day, walk
from ml4t.backtest import BacktestConfig, BacktestEngine, CashAccount, Catalog, ConfigError
from ml4t.backtest.core.event import MarketEvent
from ml4t.backtest.errors import CostError
from ml4t.backtest.execution import (
    BasisPointCommission,
    BasisPointSlippage,
    ExecutionPolicy,
    LoopFill,
    MakerTakerCommission,
    NextOpen,
    PerShareCommission,
    SimulationBroker,
    SpreadSlippage,
    ThisClose,
)
from scripted import Scripted, held, play


def prices_of(fills: Sequence[LoopFill]) -> list[tuple[float, float]]:
    return [(fill.quantity, round(fill.price, 10)) for fill in fills]


# -- what fills when ------------------------------------------------------------------------


def test_an_order_fills_at_the_open_of_the_next_event_and_not_before() -> None:
    broker = SimulationBroker(10_000, **FREE)
    assert broker.on_market_event(bar(0, (10, 12, 9, 11))) == []
    order = bought(broker, "A", 10)
    assert broker.on_market_event(bar(0, (10, 12, 9, 11))) == []
    assert prices_of(broker.on_market_event(bar(1, (20, 22, 19, 21)))) == [(10, 20)]
    assert (order.status, order.filled_quantity) == ("filled", 10)
    assert broker.get_cash() == 9_800
    assert broker.portfolio.equity == 10_010


def test_an_event_without_an_open_fills_at_its_close() -> None:
    broker = SimulationBroker(10_000, **FREE)
    bought(broker, "A", 10)
    assert prices_of(broker.on_market_event(close(0, 20))) == [(10, 20)]


def test_a_price_of_none_is_none_that_is_known() -> None:
    broker = SimulationBroker(10_000, **FREE)
    bought(broker, "A", 10)
    none: Any = dict.fromkeys(("open", "high", "low", "close", "volume"))
    assert broker.on_market_event(MarketEvent(timestamp=day(0), asset_id="A", **none)) == []
    event = MarketEvent(timestamp=day(1), asset_id="A", **none | {"close": 20})
    assert prices_of(broker.on_market_event(event)) == [(10, 20)]
    assert np.isnan([event.open, event.high, event.low, event.volume]).all()


def test_an_order_waits_for_an_event_of_its_asset_that_trades() -> None:
    broker = SimulationBroker(10_000, **FREE)
    order = bought(broker, "A", 10)
    assert broker.on_market_event(close(0, 20, "B")) == []
    assert broker.on_market_event(close(1, 20, volume=0.0)) == []
    assert broker.on_market_event(close(2, NAN)) == []
    assert broker.open_orders("A") == broker.open_orders() == [order]
    assert prices_of(broker.on_market_event(close(3, 21, volume=1.0))) == [(10, 21)]
    assert broker.open_orders() == []


def test_a_decision_on_an_event_that_the_broker_has_not_seen_never_fills_at_its_open() -> None:
    broker = SimulationBroker(10_000, **FREE)
    broker.on_market_event(bar(0, (10, 12, 9, 11)))
    for at_close in (False, True):
        order = broker.market_order("A", 10, decided_at=day(1), at_close=at_close)
        broker.submit_order(order)
    assert prices_of(broker.on_market_event(bar(1, (20, 22, 19, 21)))) == [(10, 21)]
    assert prices_of(broker.on_market_event(bar(2, (30, 32, 29, 31)))) == [(10, 30)]


def test_costs_are_those_of_the_engine_by_default() -> None:
    broker = SimulationBroker(10_000)
    bought(broker, "A", 10)
    (fill,) = broker.on_market_event(close(0, 100))
    assert fill.price == pytest.approx(100.05)
    assert fill.slippage == pytest.approx(0.5)
    assert fill.commission == pytest.approx(1.0005)
    assert (fill.asset_id, fill.timestamp, fill.tag, fill.pnl) == ("A", day(0), "order", 0.0)
    bought(broker, "A", -10)
    (fill,) = broker.on_market_event(close(1, 110))
    assert fill.price == pytest.approx(109.945)
    assert fill.pnl == pytest.approx(10 * (109.945 - 100.05) - 1.0005 - 1.09945)
    assert broker.get_cash() == pytest.approx(10_000 + fill.pnl)
    assert broker.positions == {}


def test_a_cost_model_reads_the_event() -> None:
    broker = SimulationBroker(10_000, slippage=SpreadSlippage(), commission=FREE["commission"])
    bought(broker, "A", 10)
    event = close(0, 100, signals={"spread": 0.5})
    assert prices_of(broker.on_market_event(event)) == [(10, 100.25)]
    order = bought(broker, "A", -10)
    with pytest.raises(CostError, match=r"at 2024-01-02 00:00:00 \(A\): column 'spread'"):
        broker.on_market_event(close(1, 100))
    assert order.is_open
    assert prices_of(broker.on_market_event(close(2, 100, signals={"spread": 0.5}))) == [
        (-10, 99.75)
    ]


def test_a_cost_model_may_read_columns_named_like_price_limits() -> None:
    class Near:
        features = ("limit_up", "limit_down")

        def fill_price(self, quote: Any) -> Any:
            return quote.price + 0 * quote.market["limit_up"] * quote.market["limit_down"]

    broker = SimulationBroker(10_000, slippage=Near(), commission=FREE["commission"])
    flags = {"limit_up": 1.0, "limit_down": 1.0}
    bought(broker, "A", 10)
    assert prices_of(broker.on_market_event(close(0, 100, signals=flags))) == [(10, 100)]
    bought(broker, "A", -10)
    assert prices_of(broker.on_market_event(close(1, 100, signals=flags))) == [(-10, 100)]


def test_nothing_is_sold_that_is_not_held() -> None:
    broker = SimulationBroker(10_000, **FREE)
    naked = bought(broker, "A", -10)
    broker.on_market_event(close(0, 10))
    assert (naked.status, naked.reason) == ("rejected", "cash account cannot short")
    bought(broker, "A", 10)
    more = bought(broker, "A", -15)
    broker.on_market_event(close(1, 10))
    assert broker.get_position("A").quantity == 10  # the sale came first, and found nothing
    more = bought(broker, "A", -15)
    assert prices_of(broker.on_market_event(close(2, 10))) == [(-10, 10)]
    assert (more.status, more.filled_quantity) == ("partial", -10)


def test_a_purchase_is_cut_to_cash_and_ends_with_its_timestamp() -> None:
    broker = SimulationBroker(1_000)
    order, late = bought(broker, "A", 20), bought(broker, "B", 1)
    (fill,) = broker.on_market_event(close(0, 100))
    assert 0 <= broker.get_cash() < 1e-9
    assert fill.quantity == pytest.approx(1_000 / (100.05 * 1.001))
    assert broker.on_market_event(close(0, 100, "B")) == []
    assert order.is_open
    assert late.is_open
    broker.on_market_event(close(1, 100))
    assert (order.status, order.reason) == ("partial", "cut: insufficient cash")
    assert (late.status, late.reason) == ("rejected", "insufficient cash")


def test_a_purchase_waits_for_what_sales_of_the_same_moment_bring() -> None:
    broker = SimulationBroker(1_000, **FREE)
    bought(broker, "Z", 10)
    broker.on_market_event(close(0, 100, "Z"))
    broker.on_market_event(close(0, 50, "A"))
    entry, _ = bought(broker, "A", 20), bought(broker, "Z", -10)
    assert broker.on_market_event(bar(1, (50, 60, 50, 60), "A")) == []
    fills = broker.on_market_event(bar(1, (100, 100, 90, 90), "Z"))
    assert [(fill.asset_id, fill.quantity, fill.price) for fill in fills] == [
        ("Z", -10, 100),
        ("A", 20, 50),
    ]
    assert entry.status == "filled"
    assert broker.portfolio.equity == 1_200


def test_what_is_sold_at_a_close_buys_nothing_at_the_open_before() -> None:
    broker = SimulationBroker(1_000, **FREE)
    bought(broker, "A", 10)
    broker.on_market_event(close(0, 100, "A"))
    entry = bought(broker, "B", 10)
    broker.submit_order(broker.exit_order("A", -10, decided_at=day(1), tag="Stop"))
    assert prices_of(broker.on_market_event(bar(1, (100, 100, 90, 90), "A"))) == [(-10, 90)]
    assert broker.on_market_event(bar(1, (80, 85, 80, 85), "B")) == []
    assert broker.on_market_event(bar(2, (70, 75, 70, 75), "B")) == []
    assert (entry.status, entry.reason) == ("rejected", "insufficient cash")


@pytest.mark.parametrize(
    ("level", "row", "price"),
    [
        ({"stop": 95.0}, (100, 101, 90, 92), 95),
        ({"stop": 95.0}, (94, 96, 90, 92), 94),
        ({"stop": 95.0}, (NAN, NAN, NAN, 92), 92),
        ({"limit": 105.0}, (100, 110, 99, 101), 105),
        ({"limit": 105.0}, (107, 110, 99, 101), 107),
        ({"limit": 105.0}, (NAN, NAN, NAN, 108), 108),
        ({}, (100, 101, 90, 92), 92),
    ],
)
def test_an_exit_fills_where_its_own_event_left_it(
    level: dict[str, float], row: tuple[float, ...], price: float
) -> None:
    broker = SimulationBroker(10_000, **FREE)
    bought(broker, "A", 10)
    broker.on_market_event(close(0, 100))
    order = broker.exit_order("A", -10, decided_at=day(1), tag="Rule", **level)
    broker.submit_order(order)
    assert prices_of(broker.on_market_event(bar(1, row))) == [(-10, price)]


def test_a_limit_is_never_filled_worse_and_a_stop_slips() -> None:
    for level, price in (({"limit": 105.0}, 105.0), ({"stop": 95.0}, 95 * 0.9995)):
        broker = SimulationBroker(10_000)
        bought(broker, "A", 10)
        broker.on_market_event(close(0, 100))
        broker.submit_order(broker.exit_order("A", -10, decided_at=day(1), tag="Rule", **level))
        assert prices_of(broker.on_market_event(bar(1, (100, 110, 90, 100)))) == [(-10, price)]


def test_an_exit_that_came_after_its_event_leaves_at_the_next_open() -> None:
    broker = SimulationBroker(10_000, **FREE)
    bought(broker, "A", 10)
    broker.on_market_event(close(0, 100))
    broker.on_market_event(close(1, 90))
    broker.submit_order(broker.exit_order("A", -10, decided_at=day(1), tag="Stop", stop=95))
    assert prices_of(broker.on_market_event(bar(2, (80, 99, 80, 99)))) == [(-10, 80)]


def test_an_exit_whose_level_its_event_has_not_passed_leaves_at_the_next_open() -> None:
    broker = SimulationBroker(10_000, **FREE)
    bought(broker, "A", 10)
    broker.on_market_event(close(0, 100))
    order = broker.exit_order("A", -10, decided_at=day(1), tag="Stop", stop=95)
    broker.submit_order(order)
    assert broker.on_market_event(bar(1, (100, 101, 96, 97))) == []
    assert order.is_open
    assert prices_of(broker.on_market_event(bar(2, (98, 99, 94, 94)))) == [(-10, 98)]


def test_a_target_that_the_open_is_beyond_takes_liquidity() -> None:
    fees = MakerTakerCommission(maker_basis_points=-1, taker_basis_points=10)
    for row, charge in (((100, 110, 99, 101), -0.105), ((107, 110, 99, 101), 1.07)):
        broker = SimulationBroker(10_000, slippage=FREE["slippage"], commission=fees)
        bought(broker, "A", 10)
        broker.on_market_event(close(0, 100))
        broker.submit_order(broker.exit_order("A", -10, decided_at=day(1), tag="T", limit=105))
        (fill,) = broker.on_market_event(bar(1, row))
        assert fill.commission == pytest.approx(charge)


def test_an_exit_of_nothing_held_ends_at_its_moment() -> None:
    broker = SimulationBroker(10_000, **FREE)
    stop = broker.exit_order("A", -10, decided_at=day(0), tag="Stop", stop=95)
    broker.submit_order(stop)
    assert broker.on_market_event(bar(0, (100, 100, 90, 90))) == []
    assert (stop.status, stop.reason) == ("cancelled", "position closed")


def test_two_exits_of_one_position_never_make_a_short() -> None:
    broker = SimulationBroker(10_000, **FREE)
    bought(broker, "A", 10)
    broker.on_market_event(close(0, 100))
    part = broker.exit_order("A", -4, decided_at=day(1), tag="Target", limit=101)
    whole = broker.exit_order("A", -10, decided_at=day(1), tag="Time")
    again = broker.exit_order("A", -10, decided_at=day(1), tag="Again")
    for order in (again, whole, part):
        broker.submit_order(order)
    fills = broker.on_market_event(bar(1, (100, 102, 100, 100)))
    assert prices_of(fills) == [(-4, 101), (-6, 100)]
    assert (whole.status, whole.reason) == ("partial", "cut to what is held")
    assert (again.status, again.reason) == ("cancelled", "position closed")


def test_a_position_says_what_is_held_and_is_a_number() -> None:
    broker = SimulationBroker(10_000, **FREE)
    flat = broker.get_position("A")
    assert (float(flat), bool(flat), flat.value, flat.unrealized_pnl) == (0.0, False, 0.0, 0.0)
    assert flat.entry_price != flat.entry_price
    for t, price in enumerate((100.0, 120.0)):
        bought(broker, "A", 10)
        broker.on_market_event(close(t, price))
    held = broker.get_position("A")
    assert (held.quantity, held.entry_price, held.avg_price, held.current_price) == (
        20, 110, 110, 120,
    )  # fmt: skip
    assert (held.value, held.unrealized_pnl, held.opened_at) == (2_400, 200, day(0))
    assert dict(broker.portfolio.positions) == {"A": held}
    bought(broker, "A", -10)
    broker.on_market_event(close(2, 130))
    assert broker.get_position("A").entry_price == 120  # first in, first out
    assert broker.get_position("B").quantity == 0
    assert "B" not in broker.positions
    with pytest.raises(TypeError):
        broker.positions["A"] = held  # type: ignore[index]


def test_an_order_is_cancelled_once() -> None:
    broker = SimulationBroker(10_000, **FREE)
    order = bought(broker, "A", 10)
    broker.cancel_order(order)
    broker.cancel_order(order)
    assert (order.status, order.reason) == ("cancelled", "cancelled by the strategy")
    assert broker.on_market_event(close(0, 10)) == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda _: SimulationBroker(0), "initial_cash must be a number above 0"),
        (lambda _: SimulationBroker(commission=0.001), r"commission must have a method charge\(\)"),
        (lambda _: SimulationBroker(slippage=BasisPointSlippage), "slippage must have a method"),
        (lambda broker: broker.market_order("A", 0), "quantity must be a number other than 0"),
        (lambda broker: broker.market_order("A", NAN), "quantity must be a number other than 0"),
        (lambda broker: broker.market_order("A", -1e300), r"quantity must be below 1e\+100"),
        (lambda broker: broker.submit_order("buy"), "order must be made by market_order"),
        (lambda broker: broker.submit_order(broker.submit_order(broker.market_order("A", 1))),
         "order 1 was submitted before"),
        (lambda broker: [broker.on_market_event(close(t, 10)) for t in (1, 0)],
         "must come in order of time"),
    ],
)  # fmt: skip
def test_what_the_broker_refuses(call: Callable[[Any], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call(SimulationBroker())


# -- the same orders in the engine ------------------------------------------------------------


Plan = dict[int, list[tuple[str, float]]]


def planned(rng: np.random.Generator, assets: Sequence[str], n: int) -> Plan:
    """Orders per bar; more is sold now and then than is held."""
    return {
        t: [(asset, float(rng.integers(-30, 40) or 1)) for asset in assets if rng.random() < 0.5]
        for t in range(n - 1)
    }


def engine_run(
    assets: Mapping[str, list[Bar]], plan: Plan, capital: float, **settings: Any
) -> list[Any]:
    def send(orders: list[tuple[str, float]]) -> Callable[[Scripted], object]:
        return lambda strategy: [strategy.broker.order(*one) for one in orders]

    costs = {"commission": BasisPointCommission(10), "slippage": BasisPointSlippage(5)}
    result = play(
        assets,
        {t: send(orders) for t, orders in plan.items()},
        capital=capital,
        account=CashAccount(shortfall="in_turn"),
        **{**costs, **settings},
    )
    money = result.sql("select cash, equity from equity order by timestamp").fetchall()
    positions: list[dict[str, float]] = [{} for _ in money]
    for t, asset, quantity in held(result):
        positions[t][asset] = quantity
    return list(zip(money, positions, strict=True))


def hand_run(
    assets: Mapping[str, list[Bar]], plan: Plan, capital: float, *, this_close: bool, **costs: Any
) -> Iterator[Any]:
    broker = SimulationBroker(capital, **costs)
    for t in range(len(next(iter(assets.values())))):
        if this_close:
            for asset, quantity in plan.get(t, ()):
                order = broker.market_order(asset, quantity, decided_at=day(t), at_close=True)
                broker.submit_order(order)
        for asset, rows in assets.items():
            broker.on_market_event(bar(t, rows[t], asset))
        if not this_close:
            for asset, quantity in plan.get(t, ()):
                bought(broker, asset, quantity)
        positions = {asset: one.quantity for asset, one in broker.positions.items()}
        yield (broker.get_cash(), broker.portfolio.equity), positions


# With 20,000 many a purchase is cut; a minimum is charged for each of its parts, so that there
# cash is ample.
@each_value
@pytest.mark.parametrize(
    ("capital", "costs"),
    [(20_000, {}), (1_000_000, {"commission": PerShareCommission(0.01, minimum=1.0)})],
)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("this_close", [False, True])
def test_the_same_orders_give_the_same_money_as_in_the_engine(
    seed: int, capital: float, costs: dict[str, Any], this_close: bool
) -> None:
    rng = np.random.default_rng(seed)
    assets = {name: walk(rng, 40) for name in "ABC"}
    plan = planned(rng, "ABC", 40)
    timing = ThisClose() if this_close else NextOpen()
    theirs = engine_run(assets, plan, capital, execution=ExecutionPolicy(timing=timing), **costs)
    ours = list(hand_run(assets, plan, capital, this_close=this_close, **costs))
    assert len(ours) == len(theirs) == 40
    assert any(positions for _, positions in ours)
    for (money, positions), (their_money, their_positions) in zip(ours, theirs, strict=True):
        assert money == pytest.approx(their_money, abs=1e-6)
        assert positions == pytest.approx(their_positions, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_cash_never_falls_below_zero_and_equity_moves_by_fills_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    broker = SimulationBroker(1_000, commission=PerShareCommission(0.01, minimum=1.0))
    cash, pnl, n_fills = 1_000.0, 0.0, 0
    rows = {name: walk(rng, 60) for name in "ABCD"}
    for t in range(60):
        for name in "ABCD":
            for fill in broker.on_market_event(bar(t, rows[name][t], name)):
                cash -= fill.quantity * fill.price + fill.commission
                pnl, n_fills = pnl + fill.pnl, n_fills + 1
            assert broker.get_cash() >= 0
            assert broker.get_cash() == pytest.approx(cash, abs=1e-9)
        for name in "ABCD":
            bought(broker, name, float(rng.integers(-12, 15) or 1))
    for order in broker.open_orders():
        broker.cancel_order(order)
    for t, name in enumerate(list(broker.positions), start=60):
        bought(broker, name, -broker.get_position(name).quantity)
        (fill,) = broker.on_market_event(close(t, 100, name))
        pnl += fill.pnl
    assert broker.positions == {}
    assert n_fills > 80
    assert broker.get_cash() == pytest.approx(1_000 + pnl)


# -- an engine's settings ---------------------------------------------------------------------


def catalog() -> Catalog:
    rows = {"timestamp": [day(t) for t in range(3)], "asset_id": ["A"] * 3}
    rows |= {name: [10.0] * 3 for name in ("open", "high", "low", "close")}
    return Catalog(threads=1).register("prices", rows)


def test_a_broker_sets_cash_and_costs_of_an_engine() -> None:
    broker = SimulationBroker(initial_cash=5_000, commission=PerShareCommission(0.01))
    engine = BacktestEngine(catalog(), Scripted({0: lambda one: one.buy("A", 10)}), broker)
    assert engine.initial_capital == 5_000
    assert engine.config == BacktestConfig(commission=PerShareCommission(0.01))
    result = engine.run()
    assert result.sql("select quantity, price, commission from fills").fetchall() == [
        (10.0, pytest.approx(10.005), pytest.approx(0.1))
    ]
    assert broker.positions == {}  # its settings alone are used


def test_what_is_given_twice_to_an_engine_must_agree() -> None:
    broker, script = SimulationBroker(5_000), Scripted({})
    config = BacktestConfig(account=CashAccount(shortfall="in_turn"))
    agreed = BacktestEngine(catalog(), script, broker, initial_capital=5_000, config=config)
    assert agreed.config is config
    with pytest.raises(ConfigError, match="initial_capital was 100000 and the broker's 5000"):
        BacktestEngine(catalog(), script, broker, initial_capital=100_000)
    free = BacktestConfig(commission=BasisPointCommission(0))
    with pytest.raises(ConfigError, match="commission of config"):
        BacktestEngine(catalog(), script, broker, config=free)
    with pytest.raises(ConfigError, match="broker must be a SimulationBroker, was int"):
        BacktestEngine(catalog(), script, 100_000)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="initial_capital must be a number above 0"):
        BacktestEngine(catalog(), script, initial_capital=0)
