"""The risk desk of a run: entries, steps, what wins, touches, splits, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from desk_fakes import NAN, Bench
from ml4t.backtest.core.levels import LevelPolicy, Trigger
from ml4t.backtest.risk import (
    AllOf,
    AnyOf,
    Held,
    RiskManager,
    RiskRule,
    ScaledExit,
    SignalExit,
    StopLoss,
    TakeProfit,
    TimeBasedExit,
    TrailingStop,
    VolatilityScaledStopLoss,
    VolatilityTrailingStop,
)
from ml4t.backtest.risk.rule_engine.activity import RuleActivity

AT_NEXT_OPEN = LevelPolicy(trigger=Trigger.NEXT_OPEN)
STEPS = ((0.1, 0.5), (0.2, 0.25), (0.3, 0.25))


def bench(*rules: RiskRule, n_assets: int = 1, policy: LevelPolicy | None = None) -> Bench:
    return Bench(RiskManager(rules), n_assets=n_assets, policy=policy or LevelPolicy())


def split(one: Bench, sid: int, ratio: float) -> None:
    """Do what the loop does at a split: the portfolio's prices, then the desk's."""
    portfolio = one.portfolio
    portfolio.quantity[sid] *= ratio
    portfolio.peak_quantity[sid] *= ratio
    for prices in (portfolio.mark, portfolio.water_mark, portfolio.base):
        prices[sid] /= ratio
    one.desk.split(sid, ratio)


# -- steps ----------------------------------------------------------------------------------


def test_a_scaled_exit_moves_to_its_next_step_when_its_target_was_touched() -> None:
    one = bench(ScaledExit(STEPS))
    one.enter(0, 10.0, 100.0)
    seen = []
    for t in range(4):
        levels = one.broker.levels
        assert levels is not None
        part = None if levels.target_part is None else float(levels.target_part[0])
        seen.append((one.target(), part))
        if t < 3:
            one.touch(t, is_stop=False)
        one.close(t, (99, 140, 120))
    assert seen[:3] == [(pytest.approx(110.0), 0.5), (120.0, 0.25), (130.0, 0.25)]
    assert np.isnan(seen[3][0])
    assert [row.action for row in one.journal.decisions] == ["target"] * 3
    assert one.desk.activity()[0].fired == 3


def test_a_new_position_starts_at_the_first_step() -> None:
    one = bench(ScaledExit(STEPS))
    one.enter(0, 10.0, 100.0)
    one.touch(0, is_stop=False)
    one.close(0, (99, 101, 100))
    assert one.target() == pytest.approx(120.0)
    one.enter(1, -10.0, 100.0)
    assert one.target() == pytest.approx(90.0)


def test_a_touched_stop_is_no_step() -> None:
    one = bench(ScaledExit(STEPS), StopLoss(0.1))
    one.enter(0, 10.0, 100.0)
    one.touch(0, is_stop=True)
    one.close(0, (99, 101, 100))
    assert one.target() == pytest.approx(110.0)


def test_each_asset_and_each_rule_counts_its_own_steps() -> None:
    one = bench(TakeProfit(0.15), ScaledExit(STEPS), ScaledExit(((0.12, 1.0),)), n_assets=2)
    for sid in range(2):
        one.enter(0, 10.0, 100.0, sid=sid)
    one.close(0, (99, 101, 100), (99, 101, 100))
    one.touch(1, is_stop=False, sid=1)
    one.close(1, (99, 101, 100), (99, 101, 100))
    levels = one.broker.levels
    assert levels is not None
    assert levels.target_part is not None
    assert levels.target == pytest.approx([110.0, 112.0])
    assert levels.target_part.tolist() == [0.5, 1.0]
    assert levels.target_rule.tolist() == [1, 2]


def test_a_nearer_target_without_steps_closes_all_of_the_position() -> None:
    one = bench(ScaledExit(STEPS), TakeProfit(0.05))
    one.enter(0, 10.0, 100.0)
    assert (one.target(), one.part()) == (105.0, 1.0)


def test_of_two_rules_with_steps_in_one_rule_the_touched_one_advances() -> None:
    one = bench(AnyOf([ScaledExit(STEPS), ScaledExit(((0.15, 0.1), (0.4, 0.1)))]))
    one.enter(0, 10.0, 100.0)
    seen = []
    for t in range(3):
        seen.append(one.target())
        one.touch(t, is_stop=False)
        one.close(t, (99, 101, 100))
    assert seen == [pytest.approx(110.0), pytest.approx(115.0), pytest.approx(120.0)]


def test_what_a_bars_volume_leaves_of_a_step_stays_its_target() -> None:
    one = bench(ScaledExit(STEPS))
    one.enter(0, 8.0, 100.0)
    for t in range(2):
        one.touch(t, is_stop=False, is_done=t > 0)
        one.close(t, (99, 101, 100))
        assert one.target() == pytest.approx((110.0, 120.0)[t])


def test_a_step_below_one_lot_is_passed_over() -> None:
    # 5% of 10 shares is half a lot; 25% is two and a half.
    rule = ScaledExit(((0.1, 0.05), (0.2, 0.25), (0.3, 0.05)))
    one = Bench(RiskManager([rule]), lot=1.0)
    one.enter(0, 10.0, 100.0)
    assert (one.target(), one.part()) == (120.0, 0.25)
    one.touch(0, is_stop=False)
    one.close(0, (99, 101, 100))
    assert np.isnan(one.target())


def test_which_of_two_rules_was_touched_is_known_after_a_split_too() -> None:
    one = bench(AnyOf([ScaledExit(STEPS), ScaledExit(((0.15, 0.1), (0.4, 0.1)))]))
    one.enter(0, 10.0, 100.0)
    split(one, 0, 0.5)
    assert one.broker.levels is not None
    one.broker.levels.target[0] /= 0.5  # as the broker does
    one.touch(0, is_stop=False)
    one.close(0, (199, 201, 200))
    assert one.target() == pytest.approx(230.0)


@dataclass(frozen=True, slots=True)
class Crumbs(RiskRule):
    """Wants to sell nothing, step by step, for ever."""

    def target(self, held: Held) -> Any:
        return held.entry_price * 2

    def part(self, held: Held) -> Any:
        return np.zeros(len(held.side))


def test_a_rule_whose_parts_are_all_too_small_does_not_hang_a_run() -> None:
    one = Bench(RiskManager([Crumbs()]), lot=1.0)
    one.enter(0, 8.0, 100.0)
    assert one.part() == 0.0


# -- the desk: entries ----------------------------------------------------------------------


def test_levels_of_the_entry_bar_come_from_what_was_known_before() -> None:
    one = bench(VolatilityTrailingStop(1), n_assets=2)
    one.enter(0, 1.0, 100.0)
    assert np.isnan(one.stop())
    one.close(0, (100, 100, 100), None, atr=[2.0, 3.0])
    one.enter(1, 1.0, 50.0, sid=1)
    assert one.broker.levels is not None
    assert one.broker.levels.sids.tolist() == [1]
    assert one.stop(1) == 47.0


def test_a_position_turned_over_starts_anew() -> None:
    one = bench(TrailingStop(0.1))
    one.enter(0, 1.0, 100.0)
    one.close(0, (100, 200, 150))
    assert one.stop() == 180.0
    one.enter(1, -1.0, 150.0)
    assert one.stop() == pytest.approx(165.0)


def test_a_policy_may_keep_levels_off_the_entry_bar() -> None:
    one = bench(StopLoss(0.1), policy=LevelPolicy(stop_from_entry=False))
    one.enter(0, 1.0, 100.0)
    assert one.broker.levels is None
    one.close(0, (100, 100, 100))
    assert one.stop() == 90.0


def test_a_policy_may_keep_trailing_rules_alone_off_the_entry_bar() -> None:
    rules = (
        StopLoss(0.1), TrailingStop(0.05), AnyOf([StopLoss(0.2), TrailingStop(0.01)]),
        AnyOf([TrailingStop(0.02), TakeProfit(0.3)]),
    )  # fmt: skip
    one = bench(*rules, policy=LevelPolicy(trail_from_entry=False))
    one.enter(0, 1.0, 100.0)
    assert (one.stop(), one.target()) == (90.0, 130.0)
    one.close(0, (100, 100, 100))
    assert (one.stop(), one.target()) == (99.0, 130.0)


def test_close_rules_are_not_asked_before_a_close() -> None:
    def fail(_: Any) -> Any:
        raise AssertionError

    one = bench(SignalExit(fail, features=("x",)), AllOf([StopLoss(0.1)]), StopLoss(0.2))
    one.enter(0, 1.0, 100.0)
    assert one.broker.exits == {}
    assert one.stop() == 80.0


def test_a_position_opened_at_a_close_has_levels_from_the_next_bar_on() -> None:
    policy = LevelPolicy(stop_from_entry=False, trail_from_entry=False)
    before, after = (bench(VolatilityTrailingStop(1), policy=policy) for _ in range(2))
    for one in (before, after):
        one.close(0, (100, 100, 100), atr=2.0)
    before.enter(1, 1.0, 100.0, at_close=True)  # filled before the rules are asked
    assert before.broker.levels is None
    before.close(1, (100, 100, 100), atr=5.0)
    after.close(1, (100, 100, 100), atr=5.0)
    after.enter(1, 1.0, 100.0, at_close=True)  # decided and filled at this close
    assert (before.stop(), after.stop()) == (95.0, 95.0)


def test_a_bar_at_whose_close_a_position_was_opened_is_no_bar_held() -> None:
    at_open, before, after = (bench(TimeBasedExit(2)) for _ in range(3))
    at_open.enter(1, 1.0, 100.0)
    before.enter(1, 1.0, 100.0, at_close=True)
    for one in (at_open, before, after):
        one.close(1, (100, 100, 100))
    after.enter(1, 1.0, 100.0, at_close=True)
    left = []
    for one in (at_open, before, after):
        for t in (2, 3):
            one.close(t, (100, 100, 100))
            if one.broker.exits:
                left.append(t)
                break
    assert left == [2, 3, 3]


# -- the desk: what wins --------------------------------------------------------------------


def test_trails_are_apart_from_stops_where_rules_act_in_their_order() -> None:
    one = bench(StopLoss(0.1), TrailingStop(0.05), policy=LevelPolicy(in_rule_order=True))
    one.enter(0, 1.0, 100.0)
    levels = one.broker.levels
    assert levels is not None
    assert levels.trail is not None
    assert levels.trail_rule is not None
    assert (levels.stop.tolist(), levels.stop_rule.tolist()) == ([90.0], [0])
    assert (levels.trail.tolist(), levels.trail_rule.tolist()) == ([95.0], [1])


def test_a_fixed_stop_does_not_count_where_a_trail_replaces_it() -> None:
    # The trail is the looser one, and has no level while its volatility is missing.
    rules = (StopLoss(0.01), VolatilityTrailingStop(10))
    one = bench(*rules, policy=LevelPolicy(trail_replaces_stop=True))
    one.enter(0, 1.0, 100.0)
    assert one.broker.levels is not None
    assert (one.stop(), one.broker.levels.stop_rule.tolist()) == (99.0, [0])
    one.close(0, (100, 100, 100), atr=1.0)
    assert (one.stop(), one.broker.levels.stop_rule.tolist()) == (90.0, [1])
    assert one.broker.levels.trail is None


def test_a_rule_made_of_rules_trails_where_every_stop_of_it_does() -> None:
    assert AnyOf([TrailingStop(0.1), TakeProfit(0.3), TimeBasedExit(5)]).is_trailing
    assert AnyOf([AnyOf([TrailingStop(0.1)]), VolatilityTrailingStop()]).is_trailing
    assert not AnyOf([TrailingStop(0.1), StopLoss(0.1)]).is_trailing
    assert not AnyOf([TakeProfit(0.1)]).is_trailing
    assert not AllOf([TrailingStop(0.1)]).is_trailing


def test_a_replaced_stop_is_gone_where_trails_are_apart() -> None:
    policy = LevelPolicy(trail_replaces_stop=True, in_rule_order=True)
    one = bench(StopLoss(0.01), TrailingStop(0.2), policy=policy)
    one.enter(0, 1.0, 100.0)
    levels = one.broker.levels
    assert levels is not None
    assert levels.trail is not None
    assert np.isnan(one.stop())
    assert levels.stop_rule.tolist() == [-1]
    assert levels.trail.tolist() == [80.0]


def test_a_trail_of_higher_priority_holds_an_exit_back_also_where_it_is_apart() -> None:
    rules = (TimeBasedExit(1), TrailingStop(0.1, priority=101))
    one = bench(*rules, policy=LevelPolicy(in_rule_order=True))
    one.enter(0, 1.0, 100.0)
    one.close(0, (100, 100, 100))
    assert one.broker.exits == {}


# -- the desk: touches at the next open -----------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "bar", "fired"),
    [
        (1.0, (90.0, 119.0, 100.0), ("StopLoss", "stop", 90.0)),
        (1.0, (90.1, 119.0, 100.0), None),
        (1.0, (95.0, 120.0, 100.0), ("TakeProfit", "target", 120.0)),
        (1.0, (80.0, 130.0, 100.0), ("StopLoss", "stop", 90.0)),
        (-1.0, (81.0, 110.1, 100.0), ("StopLoss", "stop", 110.0)),
        (-1.0, (80.0, 109.0, 100.0), ("TakeProfit", "target", 80.0)),
        (-1.0, (81.0, 109.0, 100.0), None),
        (-1.0, (70.0, 120.0, 100.0), ("StopLoss", "stop", 110.0)),
        (1.0, (NAN, NAN, 50.0), None),  # a bar without volume
    ],
)
def test_a_touched_level_is_an_exit_at_the_next_open(
    quantity: float, bar: tuple[float, float, float], fired: tuple[str, str, float] | None
) -> None:
    one = bench(StopLoss(0.1), TakeProfit(0.2), policy=AT_NEXT_OPEN)
    one.enter(0, quantity, 100.0)
    one.close(0, bar)  # the entry bar counts
    assert one.broker.levels is None
    rows = [(row.rule, row.action, row.level) for row in one.journal.decisions]
    assert rows == ([] if fired is None else [(*fired[:2], pytest.approx(fired[2]))])
    assert one.broker.exits == ({} if fired is None else {0: fired[0]})
    assert one.broker.parts is None


def test_a_trail_at_the_next_open_counts_from_this_bars_high() -> None:
    one = bench(TrailingStop(0.1), policy=AT_NEXT_OPEN)
    one.enter(0, 1.0, 100.0)
    one.close(0, (95, 105, 100))
    assert one.broker.exits == {}
    one.close(1, (107, 120, 115))
    assert one.broker.exits == {0: "TrailingStop"}
    assert one.journal.decisions[0].level == 108.0


def test_an_exit_takes_the_reason_from_a_touch_and_a_higher_level_holds_it_back() -> None:
    equal = bench(StopLoss(0.1), TimeBasedExit(1), policy=AT_NEXT_OPEN)
    higher = bench(StopLoss(0.1, priority=101), TimeBasedExit(1), policy=AT_NEXT_OPEN)
    for one in (equal, higher):
        one.enter(0, 1.0, 100.0)
        one.close(0, (80, 100, 95))
    assert [(row.rule, row.action) for row in equal.journal.decisions] == [
        ("TimeBasedExit", "exit")
    ]
    assert np.isnan(equal.journal.decisions[0].level)
    assert [(row.rule, row.action) for row in higher.journal.decisions] == [("StopLoss", "stop")]
    higher.close(1, (95, 100, 95))
    assert higher.broker.exits == {}


def test_in_rule_order_a_target_comes_before_a_trail_at_the_next_open() -> None:
    rules = (TrailingStop(0.1), TakeProfit(0.2), StopLoss(0.5))
    for in_order, rule in ((True, "TakeProfit"), (False, "TrailingStop")):
        policy = LevelPolicy(trigger=Trigger.NEXT_OPEN, in_rule_order=in_order)
        one = bench(*rules, policy=policy)
        one.enter(0, 1.0, 100.0)
        one.close(0, (100, 125, 100))
        assert one.broker.exits == {0: rule}
        one.close(1, (112, 113, 112))
        assert one.broker.exits == {0: "TrailingStop"}
        assert one.journal.decisions[-1].action == "stop"


def test_a_new_name_keeps_the_first_bar_that_a_position_saw() -> None:
    one = bench(StopLoss(0.1), policy=AT_NEXT_OPEN, n_assets=2)
    one.enter(5, 1.0, 100.0, at_close=True)
    one.desk.rename(0, 1)
    one.portfolio.open(1, 1.0, 100.0)
    one.portfolio.quantity[0] = 0.0
    one.close(5, None, (50, 100, 100))
    assert one.broker.exits == {}


def test_only_what_was_held_during_a_bar_can_be_touched_by_it() -> None:
    one = bench(StopLoss(0.1), policy=AT_NEXT_OPEN)
    one.enter(0, 1.0, 100.0, at_close=True)
    one.close(0, (50, 100, 100))
    assert one.broker.exits == {}
    one.close(1, (50, 100, 100))
    assert one.broker.exits == {0: "StopLoss"}


def test_a_step_at_the_next_open_closes_a_part_and_counts_once_it_was_filled() -> None:
    one = bench(ScaledExit(STEPS), StopLoss(0.5), policy=AT_NEXT_OPEN, n_assets=2)
    one.enter(0, 10.0, 100.0)
    one.enter(0, 10.0, 100.0, sid=1)
    one.close(0, (99, 111, 110), (40, 99, 60))
    assert one.broker.exits == {0: "ScaledExit", 1: "StopLoss"}
    assert one.broker.parts == {0: 0.5, 1: 1.0}
    # Not filled: it asks for the same step again.
    one.portfolio.quantity[1] = 0.0
    one.close(1, (99, 111, 110), None)
    assert one.broker.parts == {0: 0.5}
    # Filled.
    one.portfolio.quantity[0] = 5.0
    one.close(2, (99, 111, 110), None)
    assert one.broker.exits == {}
    one.close(3, (99, 121, 120), None)
    assert one.broker.parts == {0: 0.25}


def test_a_waiting_step_survives_a_split_and_a_new_name_but_no_new_position() -> None:
    one = bench(ScaledExit(STEPS), policy=AT_NEXT_OPEN, n_assets=2)
    one.enter(0, 10.0, 100.0)
    one.close(0, (99, 111, 110), None)
    one.desk.split(0, 2.0)
    one.desk.rename(0, 1)
    one.portfolio.open(1, 20.0, 50.0)
    one.portfolio.quantity[0], one.portfolio.quantity[1] = 0.0, 10.0
    one.close(1, None, (49, 56, 55))
    assert one.broker.exits == {}
    one.close(2, None, (49, 61, 60))
    assert one.broker.parts == {1: 0.25}
    # Left and opened anew while a step was waiting: smaller, but no step was sold.
    one.enter(3, 10.0, 60.0, sid=1)
    one.portfolio.quantity[1] = 3.0
    one.close(3, None, (55, 67, 60))
    assert one.broker.parts == {1: 0.5}


# -- the desk: splits and new names ---------------------------------------------------------


@pytest.mark.parametrize("quantity", [10.0, -10.0])
def test_a_split_divides_what_every_rule_said_before(quantity: float) -> None:
    rules = (VolatilityTrailingStop(1), AnyOf([VolatilityScaledStopLoss(4), TimeBasedExit(99)]))
    for rule in rules:
        whole, cut = bench(rule, n_assets=2), bench(rule, n_assets=2)
        for one in (whole, cut):
            for sid in range(2):
                one.enter(0, quantity, 100.0, sid=sid)
            one.close(0, (96, 104, 100), (96, 104, 100), atr=[2.0, 2.0])
        before = cut.stop()
        split(cut, 0, 2.0)
        # The volatility is missing now: the levels said before stay, each in its own unit.
        whole.close(1, (99, 101, 100), (99, 101, 100), atr=[NAN, NAN])
        cut.close(1, (49, 50, 50), (99, 101, 100), atr=[NAN, NAN])
        assert whole.stop(0) == whole.stop(1) == cut.stop(1) == before
        assert cut.stop(0) == before / 2


def test_a_price_known_before_a_split_is_divided_and_the_feed_stays_as_it_was() -> None:
    rule = VolatilityScaledStopLoss(1, "range")
    one = bench(rule, SignalExit("weak", features=("score",)), n_assets=2)
    one.enter(0, 10.0, 100.0, sid=1)
    known = {"range": np.array([8.0, 6.0]), "score": np.array([8.0, 6.0]), "weak": np.zeros(2)}
    copies = {name: values.copy() for name, values in known.items()}
    one.close(0, None, (99, 101, 100), **known)
    for sid in range(2):
        split(one, sid, 2.0)
    one.touch(1, is_stop=True, sid=1)
    assert one.journal.decisions[0].features == {"range": 3.0}
    one.enter(1, 10.0, 50.0)
    assert one.stop() == 46.0
    for name, values in known.items():
        assert values.tolist() == copies[name].tolist()
    # The next close is its own.
    one.close(1, (49, 51, 50), (49, 51, 50), **known)
    assert one.stop() == 42.0


def test_a_split_keeps_the_step_and_its_target() -> None:
    one = bench(ScaledExit(STEPS))
    one.enter(0, 10.0, 100.0)
    one.touch(0, is_stop=False)
    split(one, 0, 4.0)
    one.close(0, (24, 26, 25))
    assert one.target() == pytest.approx(30.0)


def test_a_new_name_takes_over_what_the_rules_said_and_saw() -> None:
    one = bench(VolatilityTrailingStop(1), ScaledExit(STEPS), n_assets=2)
    one.enter(0, 10.0, 100.0)
    one.close(0, (96, 104, 100), None, atr=[2.0, NAN])
    one.touch(0, is_stop=False)
    one.desk.rename(0, 1)
    one.portfolio.open(1, 10.0, 100.0)
    one.portfolio.quantity[0] = 0.0
    one.close(1, None, (96, 100, 100), atr=[NAN, NAN])
    assert (one.stop(1), one.target(1)) == (102.0, pytest.approx(120.0))
    one.touch(1, is_stop=True, sid=1)
    assert one.journal.decisions[-1].features == {}  # it was missing when the level was set
    # An asset of the old name that comes back starts anew.
    one.enter(2, 10.0, 100.0)
    assert (np.isnan(one.stop()), one.target()) == (True, pytest.approx(110.0))


def test_a_level_touched_under_a_new_name_shows_what_was_seen_under_the_old() -> None:
    one = bench(VolatilityTrailingStop(1), n_assets=2)
    one.enter(0, 10.0, 100.0)
    one.close(0, (96, 104, 100), None, atr=[2.0, NAN])
    one.desk.rename(0, 1)
    assert one.broker.levels is not None
    one.broker.levels.sids[0] = 1  # as the broker does
    one.touch(1, is_stop=True, sid=1)
    assert one.journal.decisions[0].features == {"atr": 2.0}


def test_an_entry_under_a_new_name_uses_what_was_known_of_that_name() -> None:
    one = bench(VolatilityTrailingStop(1), n_assets=2)
    one.close(0, (96, 104, 100), None, atr=[2.0, 3.0])
    one.desk.rename(0, 1)
    one.enter(1, 10.0, 100.0, sid=1)
    assert one.stop(1) == 97.0


def test_a_delisted_asset_is_forgotten() -> None:
    one = bench(TrailingStop(0.1), ScaledExit(STEPS))
    one.enter(0, 10.0, 100.0)
    one.close(0, (100, 200, 150))
    one.touch(1, is_stop=False)
    one.desk.delist(0)
    one.portfolio.open(0, 10.0, 100.0)
    one.close(2, (100, 100, 100))
    assert (one.stop(), one.target()) == (90.0, pytest.approx(110.0))


# -- the desk: what it tells ----------------------------------------------------------------


def test_a_desk_counts_how_often_each_rule_was_asked_and_fired() -> None:
    one = bench(StopLoss(0.1), TimeBasedExit(3), VolatilityTrailingStop(2), n_assets=2)
    one.close(0, (99, 101, 100), (99, 101, 100), atr=[NAN, NAN])
    assert {row.evaluated for row in one.desk.activity()} == {0}
    for sid in range(2):
        one.enter(1, 1.0, 100.0, sid=sid)
    for t in range(1, 4):
        bars = ((99.0, 101.0, 100.0), None if t == 2 else (99.0, 101.0, 100.0))
        one.close(t, *bars, atr=[NAN, NAN])
    one.touch(4, is_stop=True)
    assert one.desk.activity() == [
        RuleActivity(name="StopLoss", evaluated=5, fired=1),
        RuleActivity(name="TimeBasedExit", evaluated=5, fired=2),
        RuleActivity(name="VolatilityTrailingStop", evaluated=0, fired=0),
    ]


def test_a_decision_shows_what_the_rules_inside_a_rule_saw() -> None:
    inner = AllOf([SignalExit("weak", features=("score", "age")), VolatilityScaledStopLoss(1)])
    one = bench(inner)
    one.enter(0, 1.0, 100.0)
    one.close(0, (90, 101, 95), weak=1.0, score=-1.0, age=NAN, atr=2.0)
    (row,) = one.journal.decisions
    assert (row.rule, row.action, row.features) == ("AllOf", "exit", {"score": -1.0, "atr": 2.0})
    assert row.reason == "all of: signal: weak; 1 x atr from the entry price"


def test_a_desk_without_rules_does_nothing() -> None:
    one = bench()
    one.enter(0, 1.0, 100.0)
    one.close(0, (90, 101, 95))
    one.desk.split(0, 2.0)
    one.desk.rename(0, 0)
    assert one.desk.activity() == []
    assert (one.broker.levels, one.broker.exits) == (None, {})
