"""Two reasons to leave one position, or to turn it over, in one bar: each share trades once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml4t.backtest import (
    CostError,
    DataError,
    ExecutionPolicy,
    MarginAccount,
    NextClose,
    ThisClose,
)
from ml4t.backtest.core.batch import Floats
from ml4t.backtest.execution.costs.contract import Quote
from ml4t.backtest.risk import MaxPositions, ScaledExit, StopLoss, TimeBasedExit
from scripted import Action, Row, Scripted, day, fills, flat, held, orders, play

MARGIN = MarginAccount()
AT_CLOSE = ExecutionPolicy(timing=ThisClose())
CLOSED = ("cancelled", "position closed", 0)
STOPPED: list[Row] = [*flat(100, 3), (100, 100, 80, 85), *flat(85, 3)]


def buy(quantity: float, asset: str = "A") -> Action:
    return lambda s: s.buy(asset, quantity)


def sell(quantity: float, asset: str = "A", **terms: Any) -> Action:
    return lambda s: s.sell(asset, quantity, **terms)


def target(quantity: float) -> Action:
    return lambda s: s.order_target("A", quantity)


def renamed(t: int) -> dict[str, list[Any]]:
    return {
        "asset_id": ["A"], "ex_date": [day(t)], "kind": ["rename"], "value": [None],
        "new_asset_id": ["B"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("flip", "settings", "price"),
    [
        (sell(20), {"execution": ExecutionPolicy(timing=NextClose())}, 85),
        (sell(20, on_close=True), {}, 85),
        (sell(20, stop=88), {}, 88),
    ],
    ids=["next close", "on close", "resting"],
)
def test_a_stop_inside_the_bar_and_a_flip_after_it_open_what_the_flip_was_to_open(
    flip: Action, settings: dict[str, Any], price: float
) -> None:
    result = play(STOPPED, {0: buy(10), 2: flip}, StopLoss(0.1), account=MARGIN, **settings)
    assert fills(result)[1:3] == [(3, "A", -10, 90), (3, "A", -10, price)]
    assert ("filled", "cut to what is held", -10) in orders(result)


@pytest.mark.parametrize("wanted", [60, -10])
def test_a_margin_call_and_a_change_of_size_leave_exactly_the_new_size(wanted: float) -> None:
    bars = [*flat(100, 3), *flat(60, 4)]
    account = MarginAccount(maintenance_margin=0.4)
    result = play(bars, {0: buy(190), 3: target(wanted)}, account=account)
    assert fills(result)[1:] == [(4, "A", -110, 60), (4, "A", wanted - 80, 60)]
    assert held(result)[-1] == (6, "A", wanted)


@pytest.mark.parametrize("wanted", [5, 3, -5])
def test_a_part_taken_inside_the_bar_counts_for_a_change_at_its_close(wanted: float) -> None:
    bars: list[Row] = [*flat(100, 3), (100, 115, 100, 110), *flat(110, 2)]
    result = play(
        bars, {0: buy(10), 2: target(wanted)}, ScaledExit([(0.1, 0.5)]),
        account=MARGIN, execution=ExecutionPolicy(timing=NextClose()),
    )  # fmt: skip
    assert held(result)[-1] == (5, "A", wanted)


def test_an_exit_that_a_rule_was_first_to_make_is_not_charged_to_its_sibling() -> None:
    script = {0: buy(10), 2: [sell(6), sell(9)]}
    assert held(play(flat(100, 6), script, account=MARGIN))[-1] == (5, "A", -5)
    result = play(flat(100, 4), script, TimeBasedExit(2), account=MARGIN)
    assert fills(result)[1:] == [(3, "A", -10, 100), (3, "A", -5, 100)]
    assert orders(result)[1] == CLOSED


def test_a_queued_exit_ends_with_the_position_that_it_was_asked_for() -> None:
    turned = play(
        flat(100, 4), {0: buy(10), 2: sell(20)}, TimeBasedExit(2),
        account=MARGIN, execution=AT_CLOSE,
    )  # fmt: skip
    assert (held(turned)[-1], orders(turned)[2]) == ((3, "A", -10), CLOSED)
    renewed = play(
        flat(100, 4), {0: buy(10), 2: [sell(10), buy(5)]}, TimeBasedExit(2),
        account=MARGIN, execution=AT_CLOSE,
    )  # fmt: skip
    assert (held(renewed)[-1], orders(renewed)[3]) == ((3, "A", 5), CLOSED)
    netted = play(
        {"A": [*flat(10, 4), None], "B": flat(10, 5)}, {0: buy(10), 2: sell(50, "B")},
        TimeBasedExit(3), account=MARGIN, sources={"actions": renamed(4)},
    )  # fmt: skip
    assert held(netted)[-1] == (4, "B", -40)
    assert orders(netted)[2] == CLOSED


def test_a_part_below_one_lot_is_passed_over_inside_a_bar_too() -> None:
    split = {"asset_id": ["A"], "ex_date": [day(3)], "kind": ["split"], "value": [0.3]}
    result = play(
        [*flat(100, 3), (300, 360, 300, 320), *flat(320, 3)], {0: buy(7)},
        ScaledExit([(0.05, 0.3)]), execution=ExecutionPolicy(whole_shares=True),
        sources={"actions": split},
    )  # fmt: skip
    assert orders(result) == [("filled", "", 7)]
    assert held(result)[-1] == (6, "A", 2)


def test_a_rename_to_another_multiplier_is_refused() -> None:
    assets = {"asset_id": ["A", "B"], "multiplier": [1.0, 5.0]}
    bars = {"A": [*flat(10, 2), None, None], "B": [None, None, *flat(10, 2)]}
    with pytest.raises(DataError, match="different multipliers"):
        play(bars, {0: buy(10)}, sources={"actions": renamed(2), "assets": assets})


class Broken:
    """Cost models of a user that answer with what is no price and no charge."""

    features = ()

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def fill_price(self, quote: Quote) -> Floats:
        return np.where(quote.quantity < 0, quote.price * self.factor, quote.price)

    def charge(self, quote: Quote) -> Floats:
        return quote.value * self.factor


@pytest.mark.parametrize("factor", [float("nan"), -1.0, 0.0, float("inf")])
def test_a_price_that_is_none_stops_the_run(factor: float) -> None:
    with pytest.raises(CostError, match=r"^at 2024-01-04 \(A\): "):
        play(flat(100, 5), {0: buy(10), 2: sell(5)}, slippage=Broken(factor))


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_a_charge_that_is_no_number_stops_the_run(factor: float) -> None:
    with pytest.raises(CostError, match=r"^at 2024-01-02 \(A\): .* is a finite number"):
        play(flat(100, 3), {0: buy(10)}, commission=Broken(factor))


def test_what_a_limit_leaves_untouched_stays_so_when_sizes_are_set_at_the_decision() -> None:
    def wish(s: Scripted) -> None:
        s.order_target_weights({"A": 0.3, "B": 0.3, "C": 0.3})

    bars = {name: flat(100, 4) for name in "ABC"}
    result = play(
        bars, {0: lambda s: s.order_target_weights({"A": 0.3, "B": 0.3}), 1: wish},
        limits=[MaxPositions(2)], execution=ExecutionPolicy(sized_at="decision"),
    )  # fmt: skip
    assert {asset for _, asset, _ in held(result)} == {"A", "B"}
