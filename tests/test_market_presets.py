"""Presets of markets: their rules by hand, what they refuse, and the examples that use them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml4t.backtest import BacktestConfig, CashAccount, MarketRules
from ml4t.backtest.errors import ConfigError, DataError
from ml4t.backtest.presets import settings_of
from scripted import fills, flat, play
from scripts import Run

EXAMPLES = sorted(
    path
    for path in (Path(__file__).resolve().parents[1] / "examples/markets").glob("*.py")
    if path.name != "shared.py"
)
WITH_PREV = ("open", "high", "low", "close", "volume", "prev_close")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_of_a_market_runs_and_its_preset_has_its_name(
    path: Path, run_script: Run
) -> None:
    code, printed, error = run_script(path)
    assert code == 0, error
    assert printed.startswith(BacktestConfig.preset(path.stem).describe())


def test_a_shares_are_bought_in_lots_inside_limits_and_sold_a_session_later() -> None:
    row = (10.0, 10.0, 10.0, 10.0, 1e6)
    bars = [(*row, 10.0), (*row, 10.0), (11.0, 11.0, 11.0, 11.0, 1e6, 10.0), (*row, 11.0)]
    script = {
        0: [lambda s: s.buy("A", 250)],  # two lots of 100
        1: [lambda s: s.buy("A", 100)],
        2: [lambda s: s.close_position("A")],
    }
    result = play(bars, script, names=WITH_PREV, capital=100_000, **settings_of("china_a"))
    # 10.00 * 1.10 = 11.00 is limit up: nothing is bought; 10.00 is above limit down of 9.90.
    assert [row[1:] for row in fills(result)] == [("A", 200.0, 10.0), ("A", -200.0, 10.0)]
    # 2,000 * 0.025% = 0.50 -> 5, transfer 0.02; sold: stamp 1.00.
    paid = result.sql("select commission, tax, fee from fills order by fill_id").fetchall()
    assert paid == [(5.0, 0.0, 0.02), (5.0, 1.0, 0.02)]
    reasons = result.sql("select reason from orders where reason <> ''").fetchall()
    assert reasons == [("limit up",)]


def test_a_market_wide_limit_needs_a_previous_close_and_yields_to_limits_of_the_bars() -> None:
    with pytest.raises(DataError, match=r"has no number prev_close.*MarketRules\(limit_rate=None"):
        play(flat(10, 3), {}, **settings_of("china_a"))
    row = (10.0, 10.0, 10.0, 12.5, 1e6)
    beyond = [(*row[:4], 1e6, 10.0)] * 2
    beyond[0] = (10.0, 12.5, 10.0, 12.5, 1e6, 10.0)
    with pytest.raises(DataError, match=r"closes beyond the market's limit_rate of 0\.1") as caught:
        play(beyond[:1], {}, names=WITH_PREV, **settings_of("china_a"))
    assert caught.value.rule == "limit_rate_not_valid"
    # No previous close on an asset's first bar is no limit; a rate of its own wins.
    names = (*WITH_PREV, "limit_rate")
    bars = [(10.0, 10.0, 10.0, 10.0, 1e6, None, None), (11.0, 11.0, 11.0, 11.0, 1e6, 10.0, 0.2)]
    script = {0: [lambda s: s.buy("A", 100)]}
    result = play(bars, script, names=names, capital=100_000, **settings_of("china_a"))
    assert [row[2:] for row in fills(result)] == [(100.0, 11.0)]


def test_board_lots_of_hong_kong_are_asked_for_and_stamp_duty_is_paid_by_both_sides() -> None:
    script = {0: [lambda s: s.buy("A", 900)], 1: [lambda s: s.close_position("A")]}
    with pytest.raises(ConfigError, match=r"a lot_size of each asset.*none for 1 of 1, such as"):
        play(flat(88.05, 4), script, capital=100_000, **settings_of("hong_kong"))
    assets = {"asset_id": ["A"], "lot_size": [400.0]}
    result = play(
        flat(88.05, 4),
        script,
        capital=100_000,
        sources={"assets": assets},
        **settings_of("hong_kong"),
    )
    assert [row[2] for row in fills(result)] == [800.0, -800.0]
    # 70,440: commission 56.35, stamp 70.44 -> 71; SFC 1.90, AFRC 0.11, trading 3.98, settlement 2.
    paid = result.sql("select commission, tax, fee from fills order by fill_id").fetchall()
    expected = (pytest.approx(56.35), 71.0, pytest.approx(1.90 + 0.11 + 3.98 + 2.00))
    assert paid == [expected, expected]


def test_terms_of_an_asset_win_over_those_of_the_market() -> None:
    rules = MarketRules(lot_size=100, tick_size=0.5)
    assets = {"asset_id": ["A", "B"], "lot_size": [10.0, None]}
    script = {0: [lambda s: s.buy("A", 55), lambda s: s.buy("B", 255)]}
    result = play(
        {"A": flat(10, 3), "B": flat(10, 3)}, script, capital=100_000, market=rules,
        sources={"assets": assets},
    )  # fmt: skip
    assert [row[1:3] for row in fills(result)] == [("A", 50.0), ("B", 200.0)]
    assert "lots of 100" in result.sql("select fill_policy from runs").fetchall()[0][0]


def test_what_is_no_rule_of_a_market_is_refused() -> None:
    for make, message in (
        (lambda: MarketRules(lot_size=-1), "lot_size"),
        (lambda: MarketRules(tick_size=float("nan")), "tick_size"),
        (lambda: MarketRules(limit_rate=10), "limit_rate"),
        (lambda: MarketRules(requires=("lots",)), "did you mean 'lot_size'"),
        (lambda: MarketRules(requires="lot_size"), "requires"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConfigError, match=message):
            make()


def test_a_sale_in_india_is_spent_a_session_later() -> None:
    assert BacktestConfig.preset("india").account == CashAccount(settlement=1)
