"""Position rules: each formula by hand, rules made of rules, and what a desk does with them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk_fakes import NAN, Bench
from effort import examples
from ml4t.backtest.core.identity import identity
from ml4t.backtest.errors import BacktestError, ConfigError
from ml4t.backtest.risk import (
    AllOf,
    Answer,
    AnyOf,
    BreakevenStop,
    DynamicTrailingStop,
    Held,
    MaxWeight,
    RiskContext,
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

STEPS = ((0.1, 0.5), (0.2, 0.25), (0.3, 0.25))


def context(**changes: Any) -> RiskContext:
    """A long of 10 shares at 100, marked at 100, unless said otherwise."""
    facts: dict[str, Any] = {
        "quantity": 10.0, "entry_price": 100.0, "water_mark": 100.0, "close": 100.0, "bars_held": 1,
    }  # fmt: skip
    return RiskContext(**(facts | changes))


def bench(rule: RiskRule) -> Bench:
    return Bench(RiskManager([rule]))


SHORT = {"quantity": -10.0}


# -- formulas -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "changes", "expected"),
    [
        (TrailingStop(0.1), {"water_mark": 120.0}, 108.0),
        (TrailingStop(0.1), {"water_mark": 120.0, "last_stop": 110.0}, 110.0),
        (TrailingStop(0.1), {"water_mark": 80.0, **SHORT}, 88.0),
        (TrailingStop(0.1), {"water_mark": 80.0, "last_stop": 87.0, **SHORT}, 87.0),
        (TrailingStop(amount=5.0), {"water_mark": 120.0}, 115.0),
        (TrailingStop(amount=5.0), {"water_mark": 120.0, "last_stop": 116.0}, 116.0),
        (TrailingStop(amount=5.0), {"water_mark": 80.0, **SHORT}, 85.0),
        (VolatilityTrailingStop(3), {"water_mark": 120.0, "features": {"atr": 2.0}}, 114.0),
        (VolatilityTrailingStop(3), {"water_mark": 80.0, "features": {"atr": 2.0}, **SHORT}, 86.0),
        (VolatilityTrailingStop(3), {"features": {"atr": 2.0}, "last_stop": 97.0}, 97.0),
        (VolatilityTrailingStop(3), {"last_stop": 97.0}, 97.0),
        (VolatilityTrailingStop(3), {}, None),
        (VolatilityTrailingStop(1, "range"), {"features": {"range": 7.0}}, 93.0),
        (VolatilityTrailingStop(1), {"features": {"atr": float("inf")}, "last_stop": 9.0}, 9.0),
        (VolatilityScaledStopLoss(1), {"features": {"atr": float("inf")}, "last_stop": 9.0}, 9.0),
        (BreakevenStop(0.05), {"water_mark": 104.9}, None),
        (BreakevenStop(0.05), {"water_mark": 105.0}, 100.0),
        (BreakevenStop(0.05, 0.01), {"water_mark": 106.0}, 101.0),
        (BreakevenStop(0.05, -0.01), {"water_mark": 106.0}, 99.0),
        (BreakevenStop(0.05), {"water_mark": 102.0, "last_stop": 100.0}, 100.0),
        (BreakevenStop(0.05, 0.01), {"water_mark": 94.0, **SHORT}, 99.0),
        (BreakevenStop(0.05), {"water_mark": 96.0, **SHORT}, None),
        (AnyOf([StopLoss(0.05), TrailingStop(0.1)]), {"water_mark": 101.0}, 95.0),
        (AnyOf([StopLoss(0.05), TrailingStop(0.1)]), {"water_mark": 120.0}, 108.0),
        (AnyOf([StopLoss(0.05), TrailingStop(0.1)]), {"water_mark": 99.0, **SHORT}, 105.0),
        (AnyOf([TimeBasedExit(9), BreakevenStop(0.5)]), {}, None),
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


@pytest.mark.parametrize(
    ("steps_done", "target", "part"),
    [(0, 110.0, 0.5), (1, 120.0, 0.25), (2, 130.0, 0.25), (3, None, None), (9, None, None)],
)
def test_a_scaled_exit_gives_the_target_and_part_of_its_next_step(
    steps_done: int, target: float | None, part: float | None
) -> None:
    decision = ScaledExit(STEPS).evaluate(context(steps_done=steps_done))
    assert decision.target == (None if target is None else pytest.approx(target))
    assert decision.target_part == part
    short = ScaledExit(STEPS).evaluate(context(steps_done=1, **SHORT))
    assert short.target == pytest.approx(80.0)


def test_a_signal_exit_in_sql_leaves_where_its_condition_is_one() -> None:
    rule = SignalExit("score < 0")
    assert rule.conditions == ("score < 0",)
    for value, leaves in ((1.0, True), (0.0, False), (NAN, False)):
        decision = rule.evaluate(context(features={"score < 0": value}))
        assert decision.should_exit == leaves
    assert not rule.evaluate(context()).should_exit
    assert rule.evaluate(context(features={"score < 0": 1.0})).reason == "signal: score < 0"


def test_a_signal_exit_in_python_is_given_the_columns_that_it_names() -> None:
    given: list[dict[str, Any]] = []

    def is_weak(columns: Any) -> Any:
        given.append(dict(columns))
        return columns["score"] < 0

    rule = SignalExit(is_weak, features=["score"])  # type: ignore[arg-type]
    assert (rule.features, rule.conditions) == (("score",), ())
    assert rule.evaluate(context(features={"score": -1.0, "other": 5.0})).should_exit
    assert not rule.evaluate(context(features={"score": 1.0})).should_exit
    assert not rule.evaluate(context()).should_exit
    assert [list(columns) for columns in given] == [["score"]] * 3


@pytest.mark.parametrize(
    ("answer", "was"),
    [
        (True, "bool"),
        ([True], "list"),
        (np.array([1.0]), r"float64 array of shape \(1,\)"),
        (np.array([True, False]), r"bool array of shape \(2,\)"),
        (np.array(True), r"bool array of shape \(\)"),
        (None, "NoneType"),
    ],
)
def test_a_function_that_gives_no_boolean_per_position_is_an_error_that_names_the_rule(
    answer: object, was: str
) -> None:
    rule = SignalExit(lambda _: answer, features=("score",))  # type: ignore[arg-type, return-value]
    with pytest.raises(BacktestError, match=rf"SignalExit\(.*shape \(1,\).*was {was}"):
        rule.evaluate(context())


# -- rules made of rules --------------------------------------------------------------------


def test_any_of_gives_the_nearest_target_with_its_own_part() -> None:
    rule = AnyOf([TakeProfit(0.15), ScaledExit(STEPS)])
    first, second = (rule.evaluate(context(steps_done=n)) for n in (0, 1))
    assert (first.target, first.target_part) == (pytest.approx(110.0), 0.5)
    assert (second.target, second.target_part) == (pytest.approx(115.0), 1.0)
    done = rule.evaluate(context(steps_done=3))
    assert (done.target, done.target_part) == (pytest.approx(115.0), 1.0)
    turned = AnyOf([ScaledExit(STEPS), TakeProfit(0.15)]).evaluate(context(steps_done=3))
    assert (turned.target, turned.target_part) == (pytest.approx(115.0), 1.0)


def test_any_of_leaves_when_any_of_its_rules_asks() -> None:
    rule = AnyOf([TimeBasedExit(5), SignalExit("sell")])
    assert not rule.evaluate(context(bars_held=4, features={"sell": 0.0})).should_exit
    assert rule.evaluate(context(bars_held=5)).should_exit
    assert rule.evaluate(context(bars_held=1, features={"sell": 1.0})).should_exit


@pytest.mark.parametrize(
    ("changes", "leaves"),
    [
        ({"close": 94.9, "bars_held": 3}, True),
        ({"close": 95.0, "bars_held": 3}, True),
        ({"close": 95.1, "bars_held": 3}, False),
        ({"close": 94.9, "bars_held": 2}, False),
        ({"close": 105.0, "bars_held": 3, **SHORT}, True),
        ({"close": 95.0, "bars_held": 3, **SHORT}, False),
    ],
)
def test_all_of_leaves_when_every_rule_holds_at_one_close(
    changes: dict[str, Any], leaves: bool
) -> None:
    decision = AllOf([StopLoss(0.05), TimeBasedExit(3)]).evaluate(context(**changes))
    assert decision.should_exit == leaves
    assert (decision.stop, decision.target) == (None, None)


def test_all_of_counts_a_target_and_a_level_of_this_very_close() -> None:
    rule = AllOf([TakeProfit(0.1), TrailingStop(0.05)])
    # The trail counts from this bar's high: 120 * 0.95 = 114.
    assert rule.evaluate(context(water_mark=120.0, close=114.0)).should_exit
    assert not rule.evaluate(context(water_mark=120.0, close=114.1)).should_exit
    assert not rule.evaluate(context(water_mark=110.0, close=104.0)).should_exit


def test_rules_made_of_rules_may_hold_one_another() -> None:
    rule = AnyOf([AllOf([SignalExit("a"), SignalExit("b")]), StopLoss(0.1)])
    one = rule.evaluate(context(features={"a": 1.0}))
    both = rule.evaluate(context(features={"a": 1.0, "b": 1.0}))
    assert (one.should_exit, one.stop) == (False, 90.0)
    assert (both.should_exit, both.stop) == (True, 90.0)
    manager = RiskManager([rule, SignalExit("b")])
    assert manager.conditions == ("a", "b")
    assert manager.has_levels


def test_a_rule_of_close_rules_sets_no_levels_but_may_need_the_range_of_bars() -> None:
    assert not AllOf([StopLoss(0.1), TimeBasedExit(3)]).has_levels
    assert AllOf([StopLoss(0.1), TimeBasedExit(3)]).needs_range
    assert not AllOf([SignalExit("a"), TimeBasedExit(3)]).needs_range
    assert AnyOf([StopLoss(0.1), TimeBasedExit(3)]).has_levels
    assert not AnyOf([SignalExit("a"), TimeBasedExit(3)]).has_levels


def test_a_manager_reads_the_columns_of_the_rules_inside_rules() -> None:
    inner = SignalExit("x > y", features=("x",))
    manager = RiskManager([AllOf([VolatilityTrailingStop(2, "range"), inner]), StopLoss(0.1)])
    assert manager.features == ("range", "x")
    assert manager.conditions == ("x > y",)


@dataclass
class Shown:
    """What the oracle keeps of one rule: its last stop, and those of the rules inside it."""

    rule: RiskRule
    last_stop: float | None = None

    def __post_init__(self) -> None:
        self.inner = [Shown(rule) for rule in self.rule.children]

    def ask(self, facts: dict[str, Any]) -> tuple[float | None, float | None, bool]:
        side = 1 if facts["quantity"] > 0 else -1
        if not self.inner:
            one = self.rule.evaluate(RiskContext(**facts, last_stop=self.last_stop))
            self.last_stop = one.stop
            return one.stop, one.target, one.should_exit
        answers = [inner.ask(facts) for inner in self.inner]
        if isinstance(self.rule, AllOf):
            close = side * facts["close"]
            return None, None, all(
                leaves
                or (stop is not None and close <= side * stop)
                or (target is not None and close >= side * target)
                for stop, target, leaves in answers
            )  # fmt: skip
        stops = [side * stop for stop, _, _ in answers if stop is not None]
        targets = [side * target for _, target, _ in answers if target is not None]
        return (
            side * max(stops) if stops else None,
            side * min(targets) if targets else None,
            any(leaves for _, _, leaves in answers),
        )


fractions = st.sampled_from([0.02, 0.05, 0.1, 0.3])
leaves = st.one_of(
    st.builds(StopLoss, fractions),
    st.builds(TakeProfit, fractions),
    st.builds(TrailingStop, fractions),
    st.builds(DynamicTrailingStop, fractions, st.just(((0.05, 0.01),))),
    st.builds(VolatilityTrailingStop, st.sampled_from([0.5, 3.0])),
    st.builds(VolatilityScaledStopLoss, st.sampled_from([0.5, 3.0])),
    st.builds(BreakevenStop, fractions),
    st.builds(TimeBasedExit, st.integers(1, 4)),
    st.builds(SignalExit, st.just("weak")),
)
trees = st.recursive(
    leaves,
    lambda rules: st.lists(rules, min_size=1, max_size=3).flatmap(
        lambda some: st.sampled_from([AnyOf(some), AllOf(some)])
    ),
    max_leaves=6,
)
bars = st.lists(
    st.tuples(
        st.floats(80, 120), st.floats(0, 5), st.floats(0, 5),
        st.one_of(st.just(NAN), st.floats(0.5, 10)), st.sampled_from([0.0, 1.0, NAN]),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


@settings(max_examples=examples(80), deadline=None)
@given(rule=trees, quantity=st.sampled_from([5.0, -5.0]), path=bars)
def test_a_desk_asks_a_tree_of_rules_as_each_rule_alone_would_be(
    rule: RiskRule, quantity: float, path: list[tuple[float, float, float, float, float]]
) -> None:
    one = bench(rule)
    one.portfolio.open(0, quantity, 100.0)
    oracle = Shown(rule)
    for t, (close, up, down, atr, weak) in enumerate(path):
        one.close(t, (close - down, close + up, close), atr=atr, weak=weak)
        features = {"atr": atr, "weak": weak}
        stop, target, should_exit = oracle.ask(
            {
                "quantity": quantity, "entry_price": 100.0, "close": close, "bars_held": t + 1,
                "water_mark": float(one.portfolio.water_mark[0]),
                "features": {name: value for name, value in features.items() if value == value},
            }
        )  # fmt: skip
        assert one.broker.exits == ({0: rule.name} if should_exit else {})
        if rule.has_levels:
            assert one.stop() == pytest.approx(NAN if stop is None else stop, nan_ok=True)
            assert one.target() == pytest.approx(NAN if target is None else target, nan_ok=True)
        else:
            assert (one.broker.levels, stop, target) == (None, None, None)


@settings(max_examples=examples(60), deadline=None)
@given(
    rule=st.one_of(
        st.builds(TrailingStop, fractions),
        st.builds(TrailingStop, amount=st.floats(0.1, 50)),
        st.builds(VolatilityTrailingStop, st.floats(0.1, 5)),
        st.builds(DynamicTrailingStop, fractions, st.just(((0.05, 0.01),))),
        st.builds(BreakevenStop, fractions),
    ),
    quantity=st.sampled_from([5.0, -5.0]),
    path=bars,
)
def test_a_trailing_stop_never_loosens(
    rule: RiskRule, quantity: float, path: list[tuple[float, float, float, float, float]]
) -> None:
    one = bench(rule)
    one.portfolio.open(0, quantity, 100.0)
    tightest = NAN
    for t, (close, up, down, atr, _) in enumerate(path):
        # An average entry price may move as well, when a position is added to.
        one.portfolio.base[0] = close
        one.close(t, (close - down, close + up, close), atr=atr)
        level = np.sign(quantity) * one.stop()
        assert not level < tightest
        assert np.isnan(tightest) or not np.isnan(level)
        tightest = level


@dataclass(frozen=True, slots=True)
class LooserOf(RiskRule):
    """A rule of the user's own, made of two others."""

    first: RiskRule
    second: RiskRule
    priority: int = 100

    @property
    def children(self) -> tuple[RiskRule, ...]:  # type: ignore[override]
        return (self.first, self.second)

    def combine(self, held: Held, answers: tuple[Answer, ...]) -> Answer:
        first, second = (held.side * one.stop for one in answers if one.stop is not None)
        return Answer(stop=held.side * np.fmin(first, second))


def test_a_rule_of_the_users_own_may_be_made_of_rules() -> None:
    rule = LooserOf(StopLoss(0.05), TrailingStop(0.2))
    assert rule.evaluate(context(water_mark=110.0)).stop == pytest.approx(88.0)
    one = bench(rule)
    one.enter(0, -1.0, 100.0)
    one.close(0, (50, 100, 60))
    assert one.stop() == pytest.approx(105.0)


# -- what is refused ------------------------------------------------------------------------

REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: TrailingStop(), "exactly one of fraction and amount"),
    (lambda: TrailingStop(0.1, 5.0), "exactly one of fraction and amount"),
    *((lambda x=x: TrailingStop(x), "fraction must be") for x in (0.0, 1.0, NAN, "a")),
    *((lambda x=x: TrailingStop(amount=x), "amount must be") for x in (0.0, -1, float("inf"))),
    *((lambda x=x: VolatilityTrailingStop(x), "atr_multiplier must") for x in (0, NAN, True)),
    (lambda: VolatilityTrailingStop(1, ""), "volatility_key must be"),
    (lambda: VolatilityScaledStopLoss(1, 5), "volatility_key must be"),  # type: ignore[arg-type]
    *((lambda x=x: BreakevenStop(x), "trigger must be") for x in (0.0, -0.1, NAN)),
    *((lambda x=x: BreakevenStop(0.05, x), "offset must be") for x in (-1.0, 0.05, 0.1, NAN)),
    (lambda: ScaledExit(()), "at least one"),
    (lambda: ScaledExit(0.1), "list of"),  # type: ignore[arg-type]
    (lambda: ScaledExit(((0.1,),)), "list of"),  # type: ignore[arg-type]
    (lambda: ScaledExit(((0.1, "a"),)), "must be a number"),  # type: ignore[arg-type]
    (lambda: ScaledExit(((0.0, 0.5),)), "profit of a step must be"),
    (lambda: ScaledExit(((0.2, 0.5), (0.1, 0.5))), "profit of a step must be a number above 0.2"),
    (lambda: ScaledExit(((0.1, 0.5), (0.1, 0.5))), "profit of a step"),
    (lambda: ScaledExit(((0.1, 0.0),)), "part of a step must be"),
    (lambda: ScaledExit(((0.1, 0.6), (0.2, 0.5))), "1 together or less, was 1.1"),
    (lambda: DynamicTrailingStop(0.1, 0.2), "schedule must be a list"),  # type: ignore[arg-type]
    (lambda: SignalExit(""), "condition must be"),
    (lambda: SignalExit(5), "condition must be"),  # type: ignore[arg-type]
    (lambda: SignalExit("a", features="a"), "must be a list of column names"),  # type: ignore[arg-type]
    (lambda: SignalExit("a", features=(1,)), "must be the name"),  # type: ignore[arg-type]
    (lambda: SignalExit(len), "features must name"),  # type: ignore[arg-type]
    (lambda: AnyOf([]), "AnyOf must be given a list of rules"),
    (lambda: AllOf(StopLoss(0.1)), "AllOf must be given a list"),  # type: ignore[arg-type]
    (lambda: AnyOf([StopLoss]), "must be a RiskRule"),  # type: ignore[list-item]
    (lambda: AnyOf([StopLoss(0.1)], TakeProfit(0.1)), "priority must"),  # type: ignore[arg-type]
    (lambda: RiskManager([MaxWeight(0.1)]), r"limits go second, RiskManager\(rules, limits\)"),  # type: ignore[list-item]
    (lambda: StopLoss(0.1, 1.5), "priority must be a whole number"),  # type: ignore[arg-type]
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_a_rule_refuses_an_argument_outside_what_it_may_be(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_parts_that_add_up_to_one_by_hand_are_taken() -> None:
    for parts in ((0.6, 0.3, 0.1), (1 / 3, 1 / 3, 1 / 3), (0.1,) * 10, (1.0,)):
        rule = ScaledExit(tuple((0.1 * (i + 1), part) for i, part in enumerate(parts)))
        assert tuple(part for _, part in rule.steps) == parts


def test_a_manager_refuses_a_rule_that_a_run_could_not_ask() -> None:
    class Parent(RiskRule):
        children = (StopLoss(0.1),)

    class Stray(Parent):
        children = (StopLoss,)  # type: ignore[assignment]

        def combine(self, held: Held, answers: tuple[Answer, ...]) -> Answer:
            return Answer()

    class Ranked(RiskRule):
        priority = "high"  # type: ignore[assignment]

    class Unread(RiskRule):
        price_features = ("atr",)

    for rule, message in (
        (Parent(), "no method combine"),
        (Stray(), "must be a RiskRule"),
        (Ranked(), "priority must be"),
        (Unread(), "price_features of rule Unread must be among its features"),
    ):
        with pytest.raises(ConfigError, match=message):
            RiskManager([rule])


# -- identity -------------------------------------------------------------------------------

THRESHOLD = 0.5


def is_low(columns: Any) -> Any:
    return columns["score"] < THRESHOLD


def below(level: float) -> Any:
    return lambda columns: columns["score"] < level


class Below:
    def __init__(self, level: float) -> None:
        self.level = level

    def __call__(self, columns: Any) -> Any:
        return columns["score"] < self.level


def test_equal_functions_have_equal_identities_and_others_do_not() -> None:
    assert identity(is_low).startswith("test_rules.is_low#")
    assert identity(below(1.0)) == identity(below(1.0))
    assert identity(Below(1.0)) == identity(Below(1.0))
    assert identity(partial(np.less, 1.0)) == identity(partial(np.less, 1.0))
    different: list[Any] = [
        is_low, below(1.0), below(2.0), Below(1.0), Below(2.0), Below(1.0).__call__, np.less,
        partial(np.less, 1.0), partial(np.less, 2.0), lambda x: x in {"a", "b"},
        lambda x: x in {"a", "c"}, lambda x, y=1: x < y, lambda x, y=2: x < y,
    ]  # fmt: skip
    assert len({identity(one) for one in different}) == len(different)


def test_an_identity_shows_a_changed_global_and_survives_many_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = identity(is_low)
    for _ in range(10_000):  # the interpreter rewrites the code of a function often called
        is_low({"score": 0.1})
    assert identity(is_low) == before
    monkeypatch.setattr(sys.modules[__name__], "THRESHOLD", 0.6)
    assert identity(is_low) != before


def test_a_function_that_names_itself_has_an_identity() -> None:
    def again(n: int) -> int:
        return again(n - 1) if n else 0

    assert identity(again) == identity(again)


def test_the_text_of_a_rule_is_the_same_in_every_process() -> None:
    code = (
        "from ml4t.backtest.risk import AnyOf, SignalExit, StopLoss\n"
        "import numpy as np\n"
        "limits = {'b': 2, 'a': np.array([1.0])}\n"
        "def weak(x): return np.isin(x['a'], sorted({'p', 'q', 'r'})) | (x['a'] < limits['b'])\n"
        "print(AnyOf([SignalExit(weak, ('a',)), SignalExit('a < 1'), StopLoss(0.1)]))\n"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(texts) == 1
    assert "__main__.weak#" in texts.pop()
