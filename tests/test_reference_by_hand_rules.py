"""The reference itself against cases worked out by hand: position rules and portfolio limits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

import reference
from by_hand import MARGIN, WHOLE, buy, day, ends, exits, fills, flat, play, sell, weights
from reference import (
    AllOf,
    AnyOf,
    BreakevenStop,
    DynamicTrailingStop,
    MaxDailyLoss,
    MaxDrawdown,
    MaxGrossExposure,
    MaxGroupWeight,
    MaxNetExposure,
    MaxPositions,
    MaxTurnover,
    MaxVaR,
    MaxWeight,
    Rule,
    ScaledExit,
    SignalExit,
    StopLoss,
    TakeProfit,
    Terms,
    TimeBasedExit,
    TrailingStop,
    VolatilityScaledStopLoss,
    VolatilityTarget,
    VolatilityTrailingStop,
)

UP = [*flat(100, 1), (100, 120, 98, 110), (110, 130, 108, 125)]
DOWN = [*flat(100, 1), (100, 102, 80, 90), (90, 92, 70, 75)]


# -- rules: the levels after the entry bar and after the next ---------------------------------


@pytest.mark.parametrize(
    ("rule", "long", "short"),
    [
        (StopLoss(0.1), [90, 90], [110, 110]),
        (TrailingStop(0.25), [90, 97.5], [100, 87.5]),
        (TrailingStop(amount=30), [90, 100], [110, 100]),
        (DynamicTrailingStop(0.3, ((0.25, 0.2),)), [84, 104], [104, 84]),
        (VolatilityScaledStopLoss(5), [80, 75], [120, 125]),
        (VolatilityTrailingStop(5), [100, 105], [100, 95]),
        (BreakevenStop(0.15, 0.01), [101, 101], [99, 99]),
        (BreakevenStop(0.25), [None, 100], [None, 100]),
    ],
)
def test_stops(rule: Rule, long: list[float | None], short: list[float | None]) -> None:
    atr = {(day(t), "A"): {"atr": 3.0 + t} for t in range(3)}
    for rows, order, expected in ((UP, buy(1), long), (DOWN, sell(1), short)):
        # Some levels are met on the last day: its limit flags keep the position in place.
        held = [*rows[:2], (*rows[2], 100, True, True)]
        result = play(held, {0: order}, rules=[rule], margin=MARGIN, signals=atr)
        assert [row.stop for row in result.stops] == pytest.approx(expected)


def test_a_missing_atr_keeps_the_last_level() -> None:
    signals = {(day(0), "A"): {"atr": 10.0}, (day(1), "A"): {"atr": float("nan")}}
    result = play(UP, {0: buy(1)}, rules=[VolatilityTrailingStop(2)], signals=signals)
    assert [row.stop for row in result.stops] == [80, 80]


def test_a_breakeven_stop_stays_when_the_average_rises() -> None:
    rows = [*flat(100, 1), (100, 111, 100, 110), (110, 110, 106, 108), (108, 108, 107, 107)]
    result = play(rows, {0: buy(1), 1: buy(1)}, rules=[BreakevenStop(0.1)])
    assert [row.stop for row in result.stops] == [100, 100, 100]  # the average is 105


def test_a_signal_exit_leaves_at_the_next_open() -> None:
    signals = {(day(t), "A"): {"score": float(t)} for t in range(4)}
    rule = SignalExit(lambda row: row["score"] == 2)
    result = play(
        flat(100, 5), {0: buy(1)}, rules=[rule], signals=signals | {(day(4), "A"): {"score": 0.0}}
    )
    assert [(row[0], row[2]) for row in fills(result)] == [(1, 1), (3, -1)]
    assert exits(result)[0][0] == "SignalExit"


def test_a_scaled_exit_sells_parts_of_the_peak() -> None:
    steps = ((0.1, 0.5), (0.2, 0.25), (0.3, 0.25))
    rows = [*flat(100, 1), (100, 135, 100, 105), (106, 121, 106, 120), (135, 136, 134, 135)]
    result = play(rows, {0: buy(8)}, rules=[ScaledExit(steps)])
    # One step a bar: 110 on the entry bar, then 120, then the gap to 135.
    assert fills(result)[1:] == [(1, "A", -4, 110), (2, "A", -2, 120), (3, "A", -2, 135)]


def test_a_scaled_exit_in_whole_shares() -> None:
    steps = ((0.1, 0.3), (0.2, 0.1), (0.3, 0.6))
    rows = [*flat(100, 1), (100, 140, 100, 105), (106, 140, 106, 139)]
    result = play(rows, {0: buy(5)}, rules=[ScaledExit(steps)], default_terms=WHOLE)
    # 1.5 is 1; 0.5 is nothing, the step is passed over; 3.
    assert fills(result)[1:] == [(1, "A", -1, 110), (2, "A", -3, 130)]


def test_any_of_takes_the_tightest_and_all_of_waits_for_all() -> None:
    rows = [*flat(100, 1), (100, 104, 100, 100), (100, 100, 94, 96), (96, 96, 90, 91), *flat(91, 1)]
    anyof = AnyOf([StopLoss(0.05), StopLoss(0.2), TakeProfit(0.05), TimeBasedExit(9)])
    assert exits(play(rows, {0: buy(1)}, rules=[anyof])) == [("AnyOf", 1, -5)]
    allof = AllOf([StopLoss(0.05), TimeBasedExit(2)])
    # Day 2 closes at 96 > 95; day 3 at 91: out at the open of day 4.
    result = play(rows, {0: buy(1)}, rules=[allof])
    assert fills(result)[1:] == [(4, "A", -1, 91)]
    assert all(row.stop is None for row in result.stops)


def test_bars_held_counts_the_entry_bar_unless_it_was_its_close() -> None:
    for timing, out in (("next_open", 2), ("next_close", 3), ("this_close", 2)):
        result = play(flat(100, 5), {0: buy(1)}, rules=[TimeBasedExit(1)], timing=timing)
        assert fills(result)[1][0] == out


def test_an_entry_by_a_limit_does_not_see_the_high_before_it() -> None:
    rows = [*flat(100, 1), (100, 130, 90, 100), (100, 100, 96, 100)]
    rules = [TrailingStop(0.1)]
    limit = play(rows, {0: buy(1, limit=95)}, rules=rules)
    assert [row.stop for row in limit.stops] == [90, 90]  # of the close
    # A stop entry at 105 is before the high, but its stop at 94.5 is met by the pessimistic rule.
    stop = play(rows, {0: buy(1, stop=105)}, rules=rules)
    assert fills(stop)[1:] == [(1, "A", -1, 94.5)]


def test_a_member_that_leaves_is_sold_if_so_wished() -> None:
    members = {(day(t), "A") for t in range(2)}
    result = play(flat(100, 4), {0: buy(1)}, members=members, membership_end="exit")
    assert exits(result)[0][0] == "membership"
    assert fills(result)[1][0] == 3


def test_a_pending_exit_denies_the_rebalance() -> None:
    result = play(flat(100, 4), {0: weights(A=0.5), 1: weights(A=0.5)}, rules=[TimeBasedExit(1)])
    assert [row[2] for row in fills(result)] == [50, -50]
    assert ends(result)[2][:2] == ("denied", "risk exit pending")


# -- limits ----------------------------------------------------------------------------------


def allowed(limit: Any, weights_: dict[str, float], **options: Any) -> dict[str, float]:
    """Return the weights bought of what is wanted, at prices that stay."""
    assets = {asset: flat(100, 3) for asset in "ABCD"}
    script = {1: reference.Targets(weights_), **options.pop("script", {})}
    result = play(assets, script, limits=[limit], margin=reference.Margin(initial=0.1), **options)
    held = {row.asset: row.quantity / 100 for row in result.positions if row.timestamp == day(2)}
    return {asset: pytest.approx(weight) for asset, weight in held.items()}


def test_weights_are_clipped_and_scaled() -> None:
    wanted = {"A": 0.8, "B": 0.4, "C": -0.4}
    assert allowed(MaxWeight(0.3), wanted) == {"A": 0.3, "B": 0.3, "C": -0.3}
    assert allowed(MaxGrossExposure(0.8), wanted) == {"A": 0.4, "B": 0.2, "C": -0.2}
    assert allowed(MaxNetExposure(0.2), wanted) == {"A": 0.4, "B": 0.2, "C": -0.4}
    assert allowed(MaxNetExposure(0.8), wanted) == wanted
    assert allowed(MaxTurnover(0.8), wanted) == {"A": 0.4, "B": 0.2, "C": -0.2}
    terms = {"A": Terms(group="x"), "C": Terms(group="x")}
    grouped = {"A": 0.4, "C": -0.2}
    assert allowed(MaxGroupWeight(0.6), wanted, terms=terms) == {**grouped, "B": 0.4}
    both = {"A": 0.2, "B": 0.4, "D": 0.4}  # B and D have no group: they are one
    assert allowed(MaxGroupWeight(0.4), both, terms=terms) == {"A": 0.2, "B": 0.2, "D": 0.2}


def test_max_positions_drops_new_entries_of_the_worst_rank_first() -> None:
    held = {0: [buy(10, "C"), buy(10, "D")]}
    wanted = {"A": 0.1, "B": 0.1, "C": 0.1, "D": 0.1}
    assert allowed(MaxPositions(3), wanted, script=held) == {"A": 0.1, "C": 0.1, "D": 0.1}
    assert allowed(MaxPositions(1), wanted, script=held) == {"C": 0.1}


def test_turnover_is_measured_from_the_current_weights() -> None:
    held = {0: [buy(40, "C")]}
    assert allowed(MaxTurnover(0.4), {"A": 0.4}, script=held) == {"A": 0.2, "C": 0.2}


def test_edits_are_written_down() -> None:
    assets = {asset: flat(100, 3) for asset in "AB"}
    script = {0: weights(A=0.8, B=0.1)}
    result = play(assets, script, limits=[MaxPositions(1), MaxWeight(0.5)])
    assert [tuple(row)[1:] for row in result.decisions] == [
        ("B", "MaxPositions", "deny", 0.1, 0.0), ("A", "MaxWeight", "edit", 0.8, 0.5)
    ]  # fmt: skip


def test_discrete_orders_are_cut_or_denied() -> None:
    limits = [MaxWeight(0.3)]
    result = play(flat(100, 4), {0: buy(50), 1: [buy(1), sell(5)], 2: buy(10)}, limits=limits)
    assert [row[2] for row in fills(result)] == [30, -5, 5]
    assert ends(result)[1] == ("denied", "MaxWeight", 0)


CRASH = [*flat(100, 2), *flat(80, 2), *flat(100, 4)]


def test_a_drawdown_liquidates_and_resumes() -> None:
    limit = MaxDrawdown(0.1, "liquidate", resume_after=2)
    script = {0: buy(60), 2: buy(1), 3: weights(A=0.5), 4: weights(A=0.4)}
    result = play(CRASH, script, limits=[limit])
    assert fills(result) == [(1, "A", 60, 100), (3, "A", -60, 80), (5, "A", 35.2, 100)]
    fired = [row for row in result.decisions if row.asset is None]
    assert [(row.timestamp, row.action) for row in fired] == [
        (day(2), "liquidate"), (day(4), "resume")
    ]  # fmt: skip


def test_a_drawdown_reduces() -> None:
    result = play(CRASH, {0: buy(60), 3: weights(A=0.4)}, limits=[MaxDrawdown(0.1, "reduce", 0.25)])
    assert fills(result)[:2] == [(1, "A", 60, 100), (3, "A", -45, 80)]
    assert result.fills[2].quantity == pytest.approx(0.1 * (7_600 + 1_500) / 100 - 15)


def test_a_halt_denies_increases_and_leaves_the_rest_alone() -> None:
    assets = {"A": CRASH, "B": flat(50, 8)}
    script = {0: [buy(60), buy(20, "B")], 2: weights(A=0.9, B=0.05, C=0.1), 3: [buy(1), sell(1)]}
    result = play(assets, script, limits=[MaxDrawdown(0.1)])
    # B goes from 1,000 to 5% of 8,800; A is not re-weighted; the buy of day 3 is denied.
    assert fills(result)[2:] == [(3, "B", pytest.approx(8.8 - 20), 50), (4, "A", -1, 100)]


def test_a_daily_loss_halts_until_the_next_session() -> None:
    times = [datetime(2024, 1, d, h) for d in (1, 2) for h in (10, 12, 14)]
    prices = [100, 100, 100, 80, 100, 100]
    bars = {t: {"A": reference.Bar(p, p, p, p)} for t, p in zip(times, prices, strict=True)}
    script = {0: [buy(50)], 3: [buy(1)], 4: [buy(2)]}
    result = reference.run(
        bars, script=script, limits=[MaxDailyLoss(0.05)], initial_capital=10_000.0,
        slippage_bps=0, commission_bps=0,
    )  # fmt: skip
    assert [o.status for o in result.orders] == ["filled", "denied", "denied"]
    assert [row.action for row in result.decisions if row.asset is None] == ["halt"]


def test_risk_scaled_weights() -> None:
    rows = [(p, p, p, p) for p in (100, 100, 110, 99, 99, 99)]
    script = {0: weights(A=0.5), 4: weights(A=0.5)}
    # Unlevered returns: +10%, -10%, 0 (of gross 0.5, 0.52, 0.5); the deviation is 10%.
    limit = VolatilityTarget(0.08, window=3, periods_per_year=1)
    result = play(rows, script, limits=[limit])
    edit = result.decisions[-1]
    assert (edit.before, edit.after) == pytest.approx((0.5, 0.4), rel=0.02)
    var = play(rows, script, limits=[MaxVaR(0.04, confidence=0.75, window=3)])
    # Quantile 0.25 of (-10%, 0, 10%) is -5%: 0.5 * 5% = 2.5% is within 4%.
    assert not var.decisions
    var = play(rows, script, limits=[MaxVaR(0.01, confidence=0.75, window=3)])
    assert var.decisions[-1].after == pytest.approx(0.2)
