"""What a strategy holds of the engine: it reads it, and cannot change the run by writing to it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import fields
from itertools import product
from typing import Any

import pytest

from hand_events import FREE, bought, close
from ml4t.backtest import ConfigError, Order
from ml4t.backtest.execution import LoopOrder, SimulationBroker
from scripted import Row, Scripted, day, fills, orders, play

BARS: list[Row] = [(10, 10, 10, 10), (10, 11, 9, 10), (12, 13.2, 12, 13), (10, 10, 8, 9)]
PROPERTIES = ("is_open", "left", "side", "is_alive", "has_prices")
NAMES = (*(field.name for field in fields(Order)), *PROPERTIES, "a_name_of_my_own")


def sent(strategy: Scripted) -> None:
    """Send a bracket that waits at 9.5, and a pair of which one cancels the other."""
    keep = strategy.orders
    keep["entry"] = strategy.buy("A", 10, limit=9.5, take_profit=13, stop_loss=5, tag="mine")
    keep["exit"], keep["stop"] = keep["entry"].children
    keep["one"], keep["other"] = strategy.buy("A", 1, stop=13.5), strategy.buy("A", 1, limit=8.5)
    strategy.one_cancels_other(keep["one"], keep["other"])


def run(act: Callable[[Scripted], object]) -> tuple[Any, Any]:
    result = play(BARS, {0: [sent, act]})
    return fills(result), orders(result)


AS_SENT = (
    [(1, "A", 10, 9.5), (2, "A", -10, 13), (3, "A", 1, 8.5)],
    [
        ("filled", "", 10),
        ("filled", "", -10),
        ("cancelled", "one cancels other", 0),
        ("cancelled", "one cancels other", 0),
        ("filled", "", 1),
    ],
)


def test_no_attribute_of_an_order_can_be_written_and_it_fills_as_it_was_sent() -> None:
    refused = []

    def write(strategy: Scripted) -> None:
        for order, name in product(strategy.orders.values(), NAMES):
            for value in (0, None, 99.0, "filled", []):
                with pytest.raises(ConfigError, match=f"^{name} of order {order.order_id} "):
                    setattr(order, name, value)
            with pytest.raises(ConfigError, match=f"^{name} of order {order.order_id} "):
                delattr(order, name)
            refused.append(name)

    assert run(write) == AS_SENT
    assert len(refused) == 5 * len(NAMES)


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("quantity", "call replace(order, quantity=...)"),
        ("limit", "call replace(order, limit=...)"),
        ("stop", "call replace(order, stop=...)"),
        ("status", "call cancel(order) to end it"),
        ("group", "call one_cancels_other(...)"),
        ("tag", "call cancel(order) and send a new one"),
    ],
)
def test_a_refused_write_says_what_to_call_instead(name: str, way_out: str) -> None:
    said = []

    def write(strategy: Scripted) -> None:
        with pytest.raises(ConfigError) as refusal:
            setattr(strategy.orders["entry"], name, 1)
        said.append(str(refusal.value))

    run(write)

    assert said == [f"{name} of order 0 cannot be written, orders are read only; {way_out}"]


def test_children_and_groups_of_an_order_are_tuples() -> None:
    seen = {}

    def look(strategy: Scripted) -> None:
        keep = strategy.orders
        assert keep["entry"].children == (keep["exit"], keep["stop"])
        seen["pair"] = keep["one"].group == keep["other"].group == (keep["one"], keep["other"])
        seen["exits"] = keep["exit"].group == keep["stop"].group == keep["entry"].children
        seen["types"] = {type(order.children) for order in keep.values()}
        seen["alone"] = keep["entry"].group

    run(look)

    assert seen == {"pair": True, "exits": True, "types": {tuple}, "alone": ()}


def test_no_method_of_an_order_writes() -> None:
    own = {name for name in vars(Order) if not name.startswith("_")}
    methods = {name for name in own if callable(getattr(Order, name))}

    assert methods == {"stop_level"}


def test_what_replace_and_cancel_do_is_seen_in_the_order() -> None:
    seen = []

    def change(strategy: Scripted) -> None:
        order = strategy.orders["entry"]
        strategy.replace(order, quantity=4, limit=9.25)
        seen.append((order.quantity, order.limit, str(order.status)))
        strategy.cancel(order)
        seen.append((order.quantity, order.limit, str(order.status)))

    run(change)

    assert seen == [(4, 9.25, "open"), (4, 9.25, "cancelled")]


@pytest.mark.parametrize("name", [*(field.name for field in fields(LoopOrder)), "a_name_of_my_own"])
def test_no_attribute_of_a_loops_order_can_be_written(name: str) -> None:
    broker = SimulationBroker(1_000, **FREE)
    broker.on_market_event(close(0, 10))
    order = bought(broker, "A", 10)

    with pytest.raises(ConfigError, match=f"^{name} of order 1 .* cancel_order"):
        setattr(order, name, 5)

    (fill,) = broker.on_market_event(close(1, 10))
    assert (fill.timestamp.date(), fill.quantity, fill.price) == (day(1), 10, 10)
    assert (str(order.status), order.filled_quantity, order.left) == ("filled", 10, 0)


# -- bars and axes ----------------------------------------------------------------------------

WRITES: dict[str, Callable[[Scripted], object]] = {
    "a price": lambda s: s.batch.close.__setitem__(0, 1.0),
    "the closes": lambda s: setattr(s.batch, "close", s.batch.open),
    "the number of a bar": lambda s: setattr(s.batch, "t", 3),
    "a feature": lambda s: s.batch.features["volume"].__setitem__(0, 1.0),
    "another feature": lambda s: s.batch.features.__setitem__("volume", s.batch.close),
    "more features": lambda s: s.batch.features.update(volume=s.batch.close),
    "no features": lambda s: s.batch.features.clear(),
    "one feature less": lambda s: s.batch.features.pop("volume"),
    "the time of a bar": lambda s: s.broker.axes.timestamps.__setitem__(0, 0),
    "the date of a bar": lambda s: s.broker.axes.sessions.__setitem__(slice(None), 0),
    "the name of an asset": lambda s: s.broker.axes.asset_ids.__setitem__(0, "Z"),
    "the axes": lambda s: setattr(s.broker, "axes", None),
    "what is held": lambda s: s.broker.held_sids.__setitem__(0, 7),
    "a position": lambda s: setattr(s.broker.get_position("A"), "quantity", 5.0),
    "the cash": lambda s: setattr(s.broker.portfolio, "cash", 5.0),
}


def test_what_a_run_shows_to_a_strategy_can_only_be_read() -> None:
    refused: list[str] = []

    def write(strategy: Scripted) -> None:
        for case, change in WRITES.items():
            with pytest.raises(
                (ValueError, AttributeError), match=r"read.only|no setter|cannot assign"
            ):
                change(strategy)
            refused.append(case)

    bars = [(*row, 1000.0) for row in BARS]
    result = play(
        bars,
        {0: lambda s: s.buy("A", 10), 1: [write, lambda s: s.sell("A", 10)]},
        features=("volume",),
    )

    assert refused == [*WRITES]
    assert fills(result) == [(1, "A", 10, 10), (2, "A", -10, 12)]


def test_a_copy_of_the_features_of_a_bar_can_be_made() -> None:
    seen = []

    def look(strategy: Scripted) -> None:
        own = dict(strategy.batch.features)
        own["mine"] = own.pop("volume")
        seen.append((list(own), deepcopy(strategy.batch).features["volume"].tolist()))

    play([(*row, 1000.0) for row in BARS], {1: look}, features=("volume",))

    assert seen == [(["mine"], [1000.0])]
