"""Risk: how rules are settled for one position, and that a run settles them the same way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk_fakes import NAN, Bench
from effort import examples
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.risk import (
    BreakevenStop,
    DynamicTrailingStop,
    Held,
    MaxPositions,
    RiskContext,
    RiskDecision,
    RiskManager,
    RiskRule,
    ScaledExit,
    StopLoss,
    TakeProfit,
    TimeBasedExit,
    TrailingStop,
    VolatilityScaledStopLoss,
    VolatilityTrailingStop,
)

merge = RiskDecision.merge


def stop(level: float, rule: str, *, priority: int = 100, is_long: bool = True) -> RiskDecision:
    return RiskDecision(stop=level, stop_rule=rule, stop_priority=priority, is_long=is_long)


def target(level: float, rule: str, *, priority: int = 100, is_long: bool = True) -> RiskDecision:
    return RiskDecision(target=level, target_rule=rule, target_priority=priority, is_long=is_long)


def leave(rule: str, *, priority: int = 100) -> RiskDecision:
    return RiskDecision(should_exit=True, reason=rule, exit_rule=rule, exit_priority=priority)


# -- merge ----------------------------------------------------------------------------------


def test_merging_nothing_wants_nothing() -> None:
    assert merge([]) == RiskDecision()


def test_one_decision_merges_to_itself() -> None:
    both = RiskDecision(stop=9.0, target=12.0, stop_rule="a", target_rule="a", stop_priority=7)
    assert merge([both]) == both


def test_the_tighter_stop_of_a_long_is_the_higher_one() -> None:
    for order in ([stop(9, "a"), stop(8, "b")], [stop(8, "b"), stop(9, "a")]):
        assert (merge(order).stop, merge(order).stop_rule) == (9, "a")


def test_the_tighter_stop_of_a_short_is_the_lower_one() -> None:
    loose, tight = stop(12, "a", is_long=False), stop(11, "b", is_long=False)
    for order in ([loose, tight], [tight, loose]):
        assert (merge(order).stop, merge(order).stop_rule) == (11, "b")


def test_the_tighter_target_is_the_nearer_one_on_both_sides() -> None:
    assert merge([target(12, "a"), target(11, "b")]).target_rule == "b"
    assert merge([target(8, "a", is_long=False), target(9, "b", is_long=False)]).target_rule == "b"


def test_a_tie_goes_to_the_rule_named_first() -> None:
    assert merge([stop(9, "a"), stop(9, "b")]).stop_rule == "a"
    assert merge([target(9, "a"), target(9, "b")]).target_rule == "a"
    assert merge([leave("a"), leave("b")]).exit_rule == "a"


def test_the_higher_priority_wins_though_its_level_is_looser() -> None:
    for order in (
        [stop(9, "tight"), stop(5, "loose", priority=101)],
        [stop(5, "loose", priority=101), stop(9, "tight")],
    ):
        assert (merge(order).stop, merge(order).stop_rule) == (5, "loose")


def test_an_exit_of_higher_priority_takes_the_reason() -> None:
    merged = merge([leave("a"), leave("b", priority=101)])
    assert (merged.should_exit, merged.reason, merged.exit_rule) == (True, "b", "b")


def test_an_exit_beats_a_level_of_equal_priority() -> None:
    for order in ([leave("time"), stop(9, "a")], [stop(9, "a"), leave("time")]):
        assert merge(order).should_exit
        assert merge(order).stop == 9  # the level stays in force until the exit fills


def test_a_level_of_higher_priority_holds_an_exit_back() -> None:
    merged = merge([leave("time"), target(12, "a", priority=101)])
    assert (merged.should_exit, merged.reason, merged.exit_rule) == (False, "", "")
    assert merged.target == 12


def test_a_decision_without_levels_leaves_the_levels_of_others_alone() -> None:
    merged = merge([stop(9, "a"), RiskDecision(), target(12, "b"), leave("c")])
    assert (merged.stop, merged.target, merged.should_exit) == (9, 12, True)


def test_a_negative_priority_still_gives_its_level() -> None:
    assert merge([stop(9, "a", priority=-5)]).stop == 9
    assert merge([leave("a", priority=-5)]).should_exit


# -- rules ----------------------------------------------------------------------------------


def context(**changes: Any) -> RiskContext:
    """A long of 10 shares at 100, marked at 100, unless said otherwise."""
    facts: dict[str, Any] = {
        "quantity": 10.0, "entry_price": 100.0, "water_mark": 100.0, "close": 100.0, "bars_held": 1,
    }  # fmt: skip
    return RiskContext(**(facts | changes))


@pytest.mark.parametrize(
    ("rule", "changes", "expected"),
    [
        (StopLoss(0.05), {}, 95.0),
        (StopLoss(0.05), {"quantity": -10.0}, 105.0),
        (VolatilityScaledStopLoss(2), {"features": {"atr": 3.0}}, 94.0),
        (VolatilityScaledStopLoss(2), {"features": {"atr": 3.0}, "quantity": -10.0}, 106.0),
        (VolatilityScaledStopLoss(2), {"features": {}, "last_stop": 93.0}, 93.0),
        (VolatilityScaledStopLoss(2), {"features": {"atr": 4.0}, "last_stop": 94.0}, 92.0),
        (VolatilityScaledStopLoss(2), {"features": {}}, None),
        (VolatilityScaledStopLoss(1, "range"), {"features": {"range": 7.0}}, 93.0),
        (DynamicTrailingStop(0.1), {"water_mark": 120.0}, 108.0),
        (DynamicTrailingStop(0.1), {"water_mark": 120.0, "last_stop": 110.0}, 110.0),
        (DynamicTrailingStop(0.1), {"water_mark": 80.0, "quantity": -10.0}, 88.0),
        (DynamicTrailingStop(0.1), {"water_mark": 80.0, "quantity": -1.0, "last_stop": 87.0}, 87.0),
        (DynamicTrailingStop(0.1, ((0.2, 0.05),)), {"water_mark": 119.0}, 107.1),
        (DynamicTrailingStop(0.1, ((0.2, 0.05),)), {"water_mark": 121.0}, 114.95),
        (DynamicTrailingStop(0.1, ((0.1, 0.02), (0.2, 0.05))), {"water_mark": 121.0}, 118.58),
        (DynamicTrailingStop(0.1, ((0.1, 0.3),)), {"water_mark": 121.0}, 108.9),
    ],
)  # fmt: skip
def test_a_rule_gives_the_stop_that_its_formula_says(
    rule: RiskRule, changes: dict[str, Any], expected: float | None
) -> None:
    decision = rule.evaluate(context(**changes))
    assert decision.stop == (None if expected is None else pytest.approx(expected))
    assert decision.target is None
    assert not decision.should_exit
    assert decision.stop_rule == ("" if expected is None else rule.name)


def test_a_target_is_the_entry_price_plus_the_fraction() -> None:
    assert TakeProfit(0.2).evaluate(context()).target == pytest.approx(120.0)
    assert TakeProfit(0.2).evaluate(context(quantity=-1.0)).target == pytest.approx(80.0)
    assert TakeProfit(2.0).evaluate(context()).target == pytest.approx(300.0)


def test_a_time_exit_fires_at_its_bar_and_not_before() -> None:
    assert not TimeBasedExit(5).evaluate(context(bars_held=4)).should_exit
    decision = TimeBasedExit(5).evaluate(context(bars_held=5))
    assert (decision.should_exit, decision.reason) == (True, "held for 5 bars")


def test_the_unrealized_pnl_of_a_short_gains_when_the_price_falls() -> None:
    assert context(quantity=-10.0, close=90.0).unrealized_pnl == 100.0


BAD_RULES: list[tuple[str, Callable[[], RiskRule]]] = [
    *((f"StopLoss({x})", lambda x=x: StopLoss(x)) for x in (0.0, 1.0, -0.1, 5, NAN)),
    *((f"TakeProfit({x})", lambda x=x: TakeProfit(x)) for x in (0.0, -0.1, NAN, float("inf"))),
    *(
        (f"VolatilityScaledStopLoss({x})", lambda x=x: VolatilityScaledStopLoss(x))
        for x in (0.0, -2.0, NAN, float("inf"))
    ),
    *(
        (f"DynamicTrailingStop({x})", lambda x=x: DynamicTrailingStop(x))
        for x in (0.0, 1.0, -0.1, 5, NAN)
    ),
    *(
        (f"DynamicTrailingStop(0.1, {x})", lambda x=x: DynamicTrailingStop(0.1, x))
        for x in (((0.1, 0.0),), ((0.1, 1.0),), ((0.1, 0.05), (0.2, -0.1)), ((0.1, NAN),))
    ),
    ("DynamicTrailingStop(0.1, profit nan)", lambda: DynamicTrailingStop(0.1, ((NAN, 0.05),))),
    *((f"TimeBasedExit({x})", lambda x=x: TimeBasedExit(x)) for x in (0, -1, 1.5, NAN)),
    ("TimeBasedExit(True)", lambda: TimeBasedExit(True)),
]


@pytest.mark.parametrize(
    "make", [make for _, make in BAD_RULES], ids=[name for name, _ in BAD_RULES]
)
def test_a_rule_refuses_an_argument_outside_what_it_may_be(make: Callable[[], RiskRule]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        make()


def test_a_manager_takes_rules_only() -> None:
    with pytest.raises(ConfigError, match="must be a RiskRule"):
        RiskManager([StopLoss])  # type: ignore[list-item]


def test_two_rules_of_one_kind_are_told_apart() -> None:
    manager = RiskManager([StopLoss(0.1), TimeBasedExit(2), StopLoss(0.2), StopLoss(0.3)])
    assert manager.rule_names == ("StopLoss", "TimeBasedExit", "StopLoss#2", "StopLoss#3")


def test_a_name_that_looks_like_a_second_rule_is_not_given_twice() -> None:
    class Odd(RiskRule):
        name = "StopLoss#2"  # type: ignore[assignment]

    manager = RiskManager([Odd(), StopLoss(0.1), StopLoss(0.2)])
    assert manager.rule_names == ("StopLoss#2", "StopLoss", "StopLoss#3")


def test_a_manager_names_each_feature_once_and_says_whether_bars_need_a_range() -> None:
    rules = [VolatilityScaledStopLoss(1), VolatilityScaledStopLoss(2), TimeBasedExit(3)]
    assert RiskManager(rules).features == ("atr",)
    assert RiskManager(rules).has_levels
    assert RiskManager(rules).needs_range
    assert not RiskManager([TimeBasedExit(3)]).has_levels
    assert not RiskManager([TimeBasedExit(3)]).needs_range
    assert not RiskManager().needs_range


def test_limits_are_named_apart_from_each_other_and_from_the_rules() -> None:
    class Stray(RiskRule):
        name = "MaxPositions"  # type: ignore[assignment]

    manager = RiskManager([Stray()], limits=[MaxPositions(3), MaxPositions(5)])
    assert manager.rule_names == ("MaxPositions",)
    assert manager.limit_names == ("MaxPositions#2", "MaxPositions#3")
    with pytest.raises(ConfigError, match="must be a Limit"):
        RiskManager(limits=[StopLoss(0.1)])  # type: ignore[list-item]


# -- the desk of a run against the merge of one position ------------------------------------


@dataclass(frozen=True, slots=True)
class Anything(RiskRule):
    """Asks for whatever it was told to, at fixed prices."""

    stop_at: float
    target_at: float
    leaves: bool
    priority: int = 100

    def stop(self, held: Held) -> Any:
        return np.full(len(held.side), self.stop_at)

    def target(self, held: Held) -> Any:
        return np.full(len(held.side), self.target_at)

    def exits(self, held: Held) -> Any:
        return np.full(len(held.side), self.leaves)


priorities = st.sampled_from([-1, 50, 100, 100, 150])
maybe_prices = st.sampled_from([NAN, 80.0, 90.0, 95.0, 110.0])
fractions = st.sampled_from([0.02, 0.05, 0.1, 0.3])
rules = st.one_of(
    st.builds(StopLoss, fractions, priorities),
    st.builds(TakeProfit, fractions, priorities),
    st.builds(
        VolatilityScaledStopLoss, st.sampled_from([0.5, 1.0, 3.0]), st.just("atr"), priorities
    ),
    st.builds(
        DynamicTrailingStop, fractions, st.sampled_from([(), ((0.01, 0.03), (0.05, 0.01))]),
        priorities,
    ),
    st.builds(TrailingStop, fractions, priority=priorities),
    st.builds(TrailingStop, amount=st.sampled_from([0.5, 5.0]), priority=priorities),
    st.builds(VolatilityTrailingStop, st.sampled_from([0.5, 3.0]), priority=priorities),
    st.builds(BreakevenStop, st.just(0.05), st.sampled_from([-0.01, 0.0, 0.02]), priorities),
    st.builds(ScaledExit, st.sampled_from([((0.02, 0.5),), ((0.1, 1.0),)]), priorities),
    st.builds(TimeBasedExit, st.integers(1, 3), priorities),
    st.builds(Anything, maybe_prices, maybe_prices, st.booleans(), priorities),
)  # fmt: skip
closes = st.tuples(
    st.floats(50, 150),  # close
    st.floats(50, 150),  # water mark
    st.one_of(st.just(NAN), st.floats(0.5, 10)),  # atr
)


@settings(max_examples=examples(60), deadline=None)
@given(
    rules=st.lists(rules, min_size=1, max_size=5),
    quantities=st.tuples(*[st.sampled_from([-20.0, 10.0])] * 2),
    bars=st.lists(st.tuples(closes, closes), min_size=1, max_size=4),
)
def test_the_desk_sets_what_merging_every_rule_of_each_position_says(
    rules: list[RiskRule], quantities: tuple[float, float], bars: list[tuple[Any, Any]]
) -> None:
    bench = Bench(RiskManager(rules), n_assets=3)
    names, broker = bench.manager.rule_names, bench.broker
    sids = np.array([0, 2])  # asset 1 is never held
    for k, sid in enumerate((0, 2)):
        bench.portfolio.open(sid, quantities[k], (100.0, 103.0)[k])
    last: dict[tuple[int, int], float | None] = {}

    def merged(
        k: int, close: float, mark: float, atr: float, n: int, *, is_entry: bool = False
    ) -> RiskDecision:
        decisions = []
        for i, rule in enumerate(rules):
            one = rule.evaluate(
                RiskContext(
                    quantity=quantities[k], entry_price=(100.0, 103.0)[k], water_mark=mark,
                    close=close, bars_held=n, features={"atr": atr} if atr == atr else {},
                    last_stop=last.get((k, i)),
                )
            )  # fmt: skip
            last[k, i] = one.stop
            # Two rules of one kind are told apart by the manager's names; an entry bar has no exit.
            one = replace(
                one,
                stop_rule=names[i] if one.stop_rule else "",
                target_rule=names[i] if one.target_rule else "",
                exit_rule=names[i] if one.exit_rule and not is_entry else "",
                should_exit=one.should_exit and not is_entry,
            )
            decisions.append(one)
        return merge(decisions)

    def assert_same(expected: list[RiskDecision]) -> None:
        assert broker.exits == {
            sid: one.exit_rule for sid, one in zip((0, 2), expected, strict=True) if one.should_exit
        }
        if not bench.manager.has_levels:
            assert broker.levels is None
            return
        assert broker.levels is not None
        assert broker.levels.sids.tolist() == [0, 2]
        levels, parts = broker.levels, broker.levels.target_part
        for k, one in enumerate(expected):
            for level, rule, want, name in (
                (levels.stop[k], levels.stop_rule[k], one.stop, one.stop_rule),
                (levels.target[k], levels.target_rule[k], one.target, one.target_rule),
            ):
                assert (None if np.isnan(level) else level) == want
                assert (names[rule] if rule >= 0 else "") == name
            if one.target is not None:
                assert (1.0 if parts is None else parts[k]) == (one.target_part or 1.0)

    bench.desk.guard_entries(0, sids)
    paid = (100.0, 103.0)
    assert_same([merged(k, paid[k], paid[k], NAN, 0, is_entry=True) for k in range(2)])
    for t, bar in enumerate(bars):
        bench.portfolio.water_mark[sids] = [mark for _, mark, _ in bar]
        # Low and high equal to the mark leave it where it is.
        rows = [(mark, mark, close) for close, mark, _ in bar]
        bench.close(t, rows[0], None, rows[1], atr=[bar[0][2], NAN, bar[1][2]])
        assert_same([merged(k, *bar[k], t + 1) for k in range(2)])


def test_a_position_without_a_bar_keeps_its_levels_and_is_not_asked() -> None:
    bench = Bench(RiskManager([StopLoss(0.1), TimeBasedExit(1)]))
    bench.portfolio.open(0, 1.0, 100.0)
    bench.close(1, None)
    assert bench.broker.levels is None
    assert bench.broker.exits == {}
    assert [one.evaluated for one in bench.desk.activity()] == [0, 0]
