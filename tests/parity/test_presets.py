"""The presets by hand: the same few bars, and what each engine makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml4t.backtest import BasisPointCommission, CashAccount, ExecutionPolicy, Strategy
from ml4t.backtest.core.batch import Selection
from ml4t.backtest.presets import settings_of
from ml4t.backtest.risk import RiskRule, StopLoss, TakeProfit, TrailingStop
from scripted import fills, orders, play

# Open, high, low, close. Bought at the close of bar 0.
STOPPED = [
    (100.0, 100.0, 100.0, 100.0),
    (101.0, 103.0, 99.0, 102.0),
    (100.0, 101.0, 94.0, 96.0),
    (97.0, 98.0, 96.0, 97.0),
]
TRAILED = [
    (100.0, 100.0, 100.0, 100.0),
    (102.0, 106.0, 100.4, 101.0),
    (101.0, 102.0, 97.0, 98.0),
    (98.5, 99.0, 95.0, 96.0),
]
BOTH_TOUCHED = [
    (100.0, 100.0, 100.0, 100.0),
    (100.0, 101.0, 99.0, 100.0),
    (106.0, 107.0, 94.0, 98.0),
    (97.0, 98.0, 96.0, 97.0),
]


def without_costs(preset: str) -> dict[str, object]:
    """The settings of a preset but for its costs."""
    costs = ("commission", "slippage")
    return {name: value for name, value in settings_of(preset).items() if name not in costs}


def buy_ten(strategy: Strategy) -> None:
    strategy.buy("A", 10)


def bars_and_prices(bars: list[Any], preset: str, *rules: RiskRule, also: int = 99) -> list[Any]:
    result = play(bars, {0: buy_ten, also: buy_ten}, *rules, **without_costs(preset))
    return [(bar, quantity, price) for bar, _, quantity, price in fills(result)]


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        # 5% below the fill at 101; what was ordered at the stop's bar fills at the next open.
        ("default", [(1, 10, 101), (2, -10, 95.95), (3, 10, 97)]),
        # Bought at 100, 5% below that; nothing can be bought on the bar of a stop.
        ("vectorbt", [(0, 10, 100), (2, -10, 95)]),
        # 5% below the close at which it was decided.
        ("backtrader", [(1, 10, 101), (2, -10, 95), (3, 10, 97)]),
        # The same level, but it leaves at the next open, and nothing else is ordered meanwhile.
        ("zipline", [(1, 10, 101), (3, -10, 97)]),
    ],
)
def test_stop_and_the_order_sent_on_its_bar(preset: str, expected: list[Any]) -> None:
    assert bars_and_prices(STOPPED, preset, StopLoss(0.05), also=2) == expected


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        # 5% below 106, the high of the entry bar.
        ("default", [(1, 10, 102), (2, -10, 100.7)]),
        # The high of bar 1 counts from bar 2 on.
        ("vectorbt", [(0, 10, 100), (2, -10, 100.7)]),
        # 5% below 101, the entry bar's close; highs move nothing.
        ("backtrader", [(1, 10, 102), (3, -10, 95.95)]),
        # The entry bar's high is before its low: 100.4 is below 100.7.
        ("zipline", [(1, 10, 102), (2, -10, 101)]),
    ],
)
def test_trailing_stop(preset: str, expected: list[Any]) -> None:
    assert bars_and_prices(TRAILED, preset, TrailingStop(fraction=0.05)) == expected


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        # The bar opens beyond the target: that was first.
        ("default", [(1, 10, 100), (2, -10, 106)]),
        ("vectorbt", [(0, 10, 100), (2, -10, 95)]),
        ("backtrader", [(1, 10, 100), (2, -10, 95)]),
        ("zipline", [(1, 10, 100), (3, -10, 97)]),
    ],
)
def test_stop_and_target_in_one_bar(preset: str, expected: list[Any]) -> None:
    assert bars_and_prices(BOTH_TOUCHED, preset, StopLoss(0.05), TakeProfit(0.05)) == expected


def hold_thirds(strategy: Strategy) -> None:
    thirds = np.full(3, 1 / 3)
    strategy.broker.order_targets(Selection(sids=np.arange(3), scores=thirds, weights=thirds))


def test_equal_weights_are_bought_in_turn_by_asset() -> None:
    # A third of 10,000 is 3333.33, but 3333.33 / 23 * 23 is less in its last digit: C is not first.
    bars = {"A": [(10.0,) * 4], "B": [(10.0,) * 4], "C": [(23.0,) * 4]}
    settings = settings_of("vectorbt") | {"commission": BasisPointCommission(100)}
    bought = fills(play(bars, {0: hold_thirds}, **settings))
    # 2 * 3333.33 * 1.01 is spent; the 3266.67 left buy 140.622758 of C.
    assert [(asset, round(quantity, 6)) for _, asset, quantity, _ in bought] == [
        ("A", 333.333333), ("B", 333.333333), ("C", 140.622758),
    ]  # fmt: skip


@pytest.mark.parametrize("preset", ["vectorbt", "backtrader"])
def test_short_sale_brings_the_cash_that_an_overdrawn_account_lacks(preset: str) -> None:
    # 1 + 10 * 10 = 101; covering at the open of 15 leaves -49; the next sale brings 150.
    bars = [(10.0,) * 4, (10.0,) * 4, (15.0,) * 4, (15.0,) * 4, (15.0,) * 4]
    script = {0: lambda s: s.sell("A", 10), 3: lambda s: s.sell("A", 10)}
    result = play(bars, script, StopLoss(0.3), capital=1, **without_costs(preset))
    assert [quantity for _, _, quantity, _ in fills(result)] == [-10, 10, -10]


def test_order_of_which_the_volume_leaves_nothing_needs_no_cash() -> None:
    # A tenth of 5 shares is no whole share.
    bars = {"A": [(10.0,) * 4 + (5.0,)] * 2, "B": [(10.0,) * 4 + (5000.0,)] * 2}
    half = np.full(2, 0.5)
    selection = Selection(sids=np.arange(2), scores=half, weights=half)
    result = play(
        bars,
        {0: lambda s: s.broker.order_targets(selection)},
        account=CashAccount(shortfall="reject"),
        execution=ExecutionPolicy(whole_shares=True, participation=0.1),
    )
    assert fills(result) == [(1, "B", 500, 10)]
    assert orders(result)[0] == ("expired", "volume limit: the rest expired", 0)
