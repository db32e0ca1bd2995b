"""Presets: what they settle holds whatever else is going on in a bar."""

from __future__ import annotations

import pytest

from ml4t.backtest import (
    BacktestConfig,
    BasisPointCommission,
    BasisPointSlippage,
    ConfigError,
    PerShareCommission,
)
from ml4t.backtest.risk import TakeProfit, TrailingStop
from scripted import fills, flat, play

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
        "actions",
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
