"""Presets: what they settle holds whatever else is going on in a bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ml4t.backtest import (
    BacktestConfig,
    BasisPointCommission,
    BasisPointSlippage,
    ConfigError,
    PerShareCommission,
)
from ml4t.backtest.core.levels import LevelPolicy
from ml4t.backtest.risk import StopLoss, TakeProfit, TrailingStop
from scripted import Row, fills, flat, play

BARS = [*flat(100, 3), (100, 112, 94, 100), *flat(100, 1)]


def bought(*, with_resting: bool) -> list[object]:
    """Buy ten at the open of bar 1 in the backtrader preset, trail and target touched in bar 3."""
    config = BacktestConfig.preset("backtrader")

    def start(strategy: object) -> None:
        strategy.buy("A", 10)  # type: ignore[attr-defined]
        if with_resting:
            strategy.buy("A", 1, limit=1)  # type: ignore[attr-defined]

    settings = {name: getattr(config, name) for name in ("account", "execution", "levels")}
    result = play({"A": BARS}, {0: start}, TakeProfit(0.1), TrailingStop(0.05), **settings)
    return fills(result)


def test_a_far_away_order_does_not_change_which_level_fills() -> None:
    assert bought(with_resting=False) == bought(with_resting=True)
    # The target was named first: in this preset it fills first.
    assert bought(with_resting=True)[-1][-1] == pytest.approx(110)  # type: ignore[index]


def test_a_preset_takes_other_settings_and_refuses_unknown_ones() -> None:
    changed = BacktestConfig.preset("zipline", impact=None)
    assert changed.execution.whole_shares
    with pytest.raises(ConfigError, match="did you mean 'zipline'"):
        BacktestConfig.preset("ziplne")
    with pytest.raises(ConfigError, match="did you mean 'commission'"):
        BacktestConfig.preset("zipline", comission=None)


@pytest.mark.parametrize("name", ["default", "realistic", "vectorbt", "backtrader", "zipline"])
def test_a_preset_prints_every_field(name: str) -> None:
    config = BacktestConfig.preset(name)
    lines = config.describe().splitlines()
    assert len(lines) == len({line.split(" = ")[0] for line in lines})
    assert {line.split(" = ")[0].split(".")[0] for line in lines} == {
        "commission", "slippage", "impact", "financing", "account", "execution", "levels",
        "actions", "market", "currencies",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "commission", "slippage"),
    [
        ("vectorbt", BasisPointCommission(0), BasisPointSlippage(0)),
        ("backtrader", BasisPointCommission(0), BasisPointSlippage(0)),
        ("zipline", PerShareCommission(0.001), BasisPointSlippage(5)),
    ],
)
def test_a_preset_of_a_package_has_the_default_costs_of_that_package(
    name: str, commission: object, slippage: object
) -> None:
    config = BacktestConfig.preset(name)
    assert (config.commission, config.slippage, config.impact) == (commission, slippage, None)


FALLS = [*flat(100, 2), (100, 112, 89, 100), *flat(100, 2)]


def closed(policy: LevelPolicy, bars: Sequence[Row], **script: Any) -> list[Any]:
    """Bar, quantity and price of the fills of ten shares, a stop at 90 and a target at 110."""
    do = {0: lambda s: s.order_target_weights({"A": 0.1}), **script.get("more", {})}
    rows = fills(play({"A": bars}, do, StopLoss(0.1), TakeProfit(0.1), levels=policy))
    return [(t, quantity, price) for t, _, quantity, price in rows]


def test_of_a_stop_and_a_target_in_one_bar_the_policy_says_which() -> None:
    assert closed(LevelPolicy(), FALLS)[1:] == [(2, -10, 90.0)]
    assert closed(LevelPolicy(target_first=True), FALLS)[1:] == [(2, -10, 110.0)]


def test_the_fill_policy_says_which_comes_first() -> None:
    said = BacktestConfig(levels=LevelPolicy(target_first=True, before_orders=True)).fill_policy
    assert said.endswith(
        "stops, limits and targets act inside the bar, those of rules before the orders of the "
        "open; of a stop and a target in one bar the target"
    )
    assert BacktestConfig().fill_policy.endswith("stops, limits and targets act inside the bar")


def test_an_open_beyond_the_stop_came_before_any_target() -> None:
    gap = [*flat(100, 2), (85, 112, 84, 100), *flat(100, 2)]
    assert closed(LevelPolicy(target_first=True), gap)[1:] == [(2, -10, 85.0)]


def test_levels_before_orders_close_what_the_open_would_have_kept() -> None:
    # At the close of bar 1 the position shall be half; in bar 2 the stop is touched.
    half = {"more": {1: lambda s: s.order_target_weights({"A": 0.05})}}
    bars = [*flat(100, 2), (100, 101, 89, 100), *flat(100, 2)]
    assert closed(LevelPolicy(), bars, **half)[1:] == [(2, -5, 100.0), (2, -5, 90.0)]
    assert closed(LevelPolicy(before_orders=True), bars, **half)[1:] == [(2, -10, 90.0)]


def test_levels_before_orders_leave_the_entry_bar_alone() -> None:
    bars = [*flat(100, 1), (100, 101, 89, 100), *flat(100, 1), (100, 101, 89, 100), *flat(100, 1)]
    assert closed(LevelPolicy(), bars)[1:] == [(1, -10, 90.0)]
    assert closed(LevelPolicy(before_orders=True), bars)[1:] == [(3, -10, 90.0)]


def test_levels_before_orders_free_cash_for_the_open() -> None:
    bars = {"A": [*flat(100, 2), (100, 101, 80, 100), *flat(100, 2)], "B": flat(100, 5)}
    script = {0: lambda s: s.buy("A", 100), 1: lambda s: s.buy("B", 90)}
    for before, bought in ((False, []), (True, [(2, "B", 90, 100.0)])):
        levels = LevelPolicy(before_orders=before)
        rows = fills(play(bars, script, StopLoss(0.1), levels=levels))
        assert [row for row in rows if row[1] == "B"] == bought


@pytest.mark.parametrize("limit", [None, 1.0])
def test_what_rests_in_the_book_lets_no_level_act_after_the_orders(limit: float | None) -> None:
    def start(strategy: Any) -> None:
        strategy.buy("A", 10)
        if limit is not None:
            strategy.buy("A", 1, limit=limit)

    bars = [*flat(100, 1), (100, 101, 89, 100), *flat(100, 1), (100, 101, 89, 100), *flat(100, 1)]
    policy = LevelPolicy(before_orders=True)
    rows = fills(play({"A": bars}, {0: start}, StopLoss(0.1), levels=policy))
    assert [(t, quantity, price) for t, _, quantity, price in rows[1:]] == [(3, -10, 90.0)]


def test_what_a_limit_opened_inside_a_bar_has_levels_from_the_next_on() -> None:
    bars = [*flat(100, 1), (100, 101, 80, 100), *flat(100, 1)]
    script = {0: lambda s: s.buy("A", 10, limit=95)}
    for before, n_fills in ((False, 2), (True, 1)):
        policy = LevelPolicy(before_orders=before)
        rows = fills(play({"A": bars}, script, StopLoss(0.1), levels=policy))
        assert rows[0] == (1, "A", 10, 95.0)
        assert len(rows) == n_fills
