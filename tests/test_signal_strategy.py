"""Declarative strategies: what each rule means, how rules combine, and how much is bought."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pytest

from effort import each_value
from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    Catalog,
    ConfigError,
    ExpressionError,
)
from ml4t.backtest.strategies import (
    ConfidenceSizer,
    FixedSizer,
    PercentSizer,
    Rule,
    SignalStrategy,
    Sizer,
    VolatilitySizer,
)
from ml4t.backtest.strategies.predicate import Predicate
from scripted import FREE, Row, day, fills, flat, price_table, trades

NAN = float("nan")
NONE = None


def catalog(prices: dict[str, list[Row]] | None = None, **columns: Any) -> Catalog:
    """A at 10; `columns` are signals of A by bar, those in capitals are context."""
    n_bars = max(
        [len(values) for values in columns.values()] + [len(p) for p in (prices or {}).values()]
    )
    prices = {"A": flat(10, n_bars)} if prices is None else prices
    times = [day(t) for t in range(n_bars)]
    found = Catalog(threads=1).register(
        "prices", price_table(prices, ("open", "high", "low", "close"), times)
    )
    signals = {name: list(values) for name, values in columns.items() if name.islower()}
    if signals:
        found.register("features", {"timestamp": times, "asset_id": ["A"] * n_bars, **signals})
    context = {name: list(values) for name, values in columns.items() if name.isupper()}
    if context:
        found.register("context", {"timestamp": times, **context})
    return found


def run(strategy: SignalStrategy, data: Catalog) -> BacktestResult:
    config = BacktestConfig(**FREE)
    return BacktestEngine(data, strategy, initial_capital=10_000, config=config).run()


def entered(rule: Predicate, data: Catalog) -> list[int]:
    """Return the bars at whose close a rule says to buy one share."""
    result = run(SignalStrategy([rule], position_sizer=FixedSizer(1)), data)
    orders = result.sql("select created_at from orders order by order_id").fetchall()
    return [
        (moment.date() if isinstance(moment, datetime) else moment).day - 1 for (moment,) in orders
    ]


# -- rules on signals and context ---------------------------------------------------------------

X = [0.2, 0.5, None, 0.9, NAN, 0.5]


@pytest.mark.parametrize(
    ("rule", "bars"),
    [
        (Rule.signal_above("x", 0.5), [3]),
        (Rule.signal_below("x", 0.5), [0]),
        (Rule.signal_between("x", 0.5, 0.9), [1, 3, 5]),
        (~Rule.signal_above("x", 0.5), [0, 1, 5]),
        (Rule.signal_above("x", 0.1) & Rule.signal_below("x", 0.6), [0, 1, 5]),
        (Rule.signal_above("x", 0.6) | Rule.signal_below("x", 0.3), [0, 3]),
        (~(Rule.signal_above("x", 0.6) | Rule.signal_below("x", 0.3)), [1, 5]),
        (Rule.expression("x is null"), [2, 4]),
        (Rule.expression("x > 0.4 and close = 10"), [1, 3, 5]),
        (Rule.expression("x = 0.5 -- half"), [1, 5]),
    ],
)
def test_a_rule_on_a_signal_holds_where_it_is_true_and_never_where_it_is_missing(
    rule: Predicate, bars: list[int]
) -> None:
    assert entered(rule, catalog(x=X)) == bars


@pytest.mark.parametrize(
    ("rule", "bars"),
    [
        (Rule.context_above("VIX", 20), [2]),
        (Rule.context_below("VIX", 20), [0]),
        (~Rule.context_above("VIX", 20), [0]),
        (Rule.context_below("VIX", 20) | Rule.signal_above("x", 0.8), [0, 3]),
        (Rule.expression("market.VIX > x * 100"), [2]),
    ],
)
def test_a_rule_on_the_context_asks_the_market_row(rule: Predicate, bars: list[int]) -> None:
    data = catalog(x=[0.2, 0.5, 0.2, 0.9], VIX=[15.0, None, 25.0, NAN])
    assert entered(rule, data) == bars


def test_two_signals_are_compared_with_each_other() -> None:
    data = catalog(fast=[1.0, 3.0, 2.0], slow=[2.0, 2.0, 2.0])
    assert entered(Rule.signal_above("fast", "slow"), data) == [1]
    assert entered(Rule.signal_below("fast", "slow"), data) == [0]


CROSS = [1.0, 3.0, 4.0, None, 3.0, 2.0, 3.0]


@each_value
@pytest.mark.parametrize(
    ("rule", "bars"),
    [
        (Rule.crosses_above("x", 2.0), [1, 6]),
        (Rule.crosses_below("x", 2.5), [5]),
        (Rule.signal_crosses_above("x", "y"), [1, 6]),
        # Not above 2, or above 2 before: known where one of the two is.
        (~Rule.crosses_above("x", 2.0), [0, 2, 3, 5]),
        (Rule.crosses_above("x", 2.0) & Rule.signal_above("y", 0.0), [1, 6]),
        (Rule.crosses_above("x", 2.0) | Rule.signal_above("x", 3.5), [1, 2, 6]),
    ],
)
@pytest.mark.parametrize("cells", [1 << 18, 2, 3])
def test_a_crossing_needs_this_bar_and_the_one_before(
    rule: Predicate, bars: list[int], cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml4t.backtest.data.stream.batches.CHUNK_CELLS", cells)
    assert entered(rule, catalog(x=CROSS, y=[2.0] * 7)) == bars


def test_the_bar_before_is_the_assets_own() -> None:
    prices: dict[str, list[Row]] = {"A": [*flat(10, 1), None, None, *flat(10, 1)], "B": flat(5, 4)}
    table = {"timestamp": [day(0), day(1), day(3)], "asset_id": ["A"] * 3, "x": [1.0, 9.0, 3.0]}
    data = catalog(prices).register("features", table)
    assert entered(Rule.crosses_above("x", 2.0), data) == [3]


def test_a_crossing_stands_beside_a_rule_on_text() -> None:
    data = catalog(x=CROSS, kind=["a", "b", "a", "a", "a", "a", "a"])
    rule = Rule.crosses_above("x", 2.0) & Rule.expression("kind = 'a'")
    assert entered(rule, data) == [6]
    assert entered(~rule & Rule.signal_above("x", 0.0), data) == [0, 1, 2, 5]


# -- rules on positions -------------------------------------------------------------------------

PATH = [
    (10, 10, 10, 10),
    (10, 11, 10, 11),
    (11, 13, 11, 12),
    (12, 12, 8, 9),
    (9, 9, 9, 9),
    (9, 9, 9, 9),
]


@pytest.mark.parametrize(
    ("rule", "exit_bar", "label"),
    [
        (Rule.take_profit(0.15), 3, "take_profit"),  # closes: +10%, +20%
        (Rule.take_profit(0.2), None, None),  # more than, not as much as
        (Rule.stop_loss(0.05), 4, "stop_loss"),  # -10% at the close of bar 3
        (Rule.stop_loss(0.1), None, None),
        (Rule.trailing_stop(0.3), 4, "trailing_stop"),  # 9 is more than 30% below the high of 13
        (Rule.trailing_stop(0.31), None, None),
        (Rule.max_bars(2), 3, "max_bars"),  # bars 1 and 2
        (Rule.signal_below("x", 0.5), 3, "signal"),
        (Rule.stop_loss(0.05) & Rule.max_bars(4), 5, "signal"),
        (~Rule.not_in_position() & Rule.signal_below("x", 0.5), 3, "signal"),
    ],
)
def test_an_exit_looks_at_closes_and_leaves_at_the_next_open(
    rule: Predicate, exit_bar: int | None, label: str | None
) -> None:
    data = catalog({"A": list(PATH)}, x=[0.9, 0.9, 0.4, 0.9, 0.9, 0.9])
    strategy = SignalStrategy(
        [Rule.expression("timestamp = date '2024-01-01'")], [rule], position_sizer=FixedSizer(100)
    )
    result = run(strategy, data)
    assert [row[0] for row in fills(result)] == ([1] if exit_bar is None else [1, exit_bar])
    assert [row[0] for row in trades(result)] == ([] if label is None else [label])


def test_the_first_exit_rule_that_holds_names_the_trade() -> None:
    data = catalog({"A": list(PATH)}, x=[0.9] * 6)
    rules = [Rule.max_bars(2), Rule.take_profit(0.15)]
    strategy = SignalStrategy(
        [Rule.expression("timestamp = date '2024-01-01'")], rules, position_sizer=FixedSizer(100)
    )
    assert [row[0] for row in trades(run(strategy, data))] == ["max_bars"]


def test_entries_repeat_unless_a_rule_forbids_them() -> None:
    data = catalog(x=[0.9] * 4)
    always = SignalStrategy([Rule.signal_above("x", 0.5)], position_sizer=FixedSizer(100))
    once = SignalStrategy(
        [Rule.signal_above("x", 0.5), Rule.not_in_position()], position_sizer=FixedSizer(100)
    )
    assert [row[0] for row in fills(run(always, data))] == [1, 2, 3]
    assert [row[0] for row in fills(run(once, data))] == [1]


def test_what_leaves_does_not_enter_at_the_same_close() -> None:
    strategy = SignalStrategy(
        [Rule.signal_above("x", 0.5)], [Rule.signal_above("x", 0.8)], position_sizer=FixedSizer(100)
    )
    result = run(strategy, catalog(x=[0.6, 0.9, 0.1, 0.1]))
    assert fills(result) == [(1, "A", 100.0, 10.0), (2, "A", -100.0, 10.0)]


# -- sizers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizer", "shares"),
    [
        (PercentSizer(0.5), 500.0),
        (ConfidenceSizer(0.5), 400.0),  # 0.8 of a half of 10,000 at 10
        (ConfidenceSizer(0.5, column="sure"), 500.0),  # above 1 counts as 1
        (VolatilitySizer(0.01), 200.0),  # 1% of 10,000 by 0.5 a share
        (VolatilitySizer(0.01, multiple=2.0), 100.0),
        (VolatilitySizer(0.1, max_percent=0.3), 300.0),
        (VolatilitySizer(0.01, column="nothing"), None),  # 0: no distance, no size
        (ConfidenceSizer(0.5, column="gone"), None),  # missing: no entry
        (FixedSizer(7), 7.0),
    ],
)
def test_a_sizer_says_how_much(sizer: Sizer, shares: float | None) -> None:
    data = catalog(x=[0.9, 0.1, 0.1], confidence=[0.8] * 3, sure=[1.2] * 3, atr=[0.5] * 3,
                   nothing=[0.0] * 3, gone=[NAN] * 3)  # fmt: skip
    result = run(SignalStrategy([Rule.signal_above("x", 0.5)], position_sizer=sizer), data)
    assert fills(result) == ([] if shares is None else [(1, "A", shares, 10.0)])


# -- the query ----------------------------------------------------------------------------------


def test_the_query_shows_the_rows_that_may_enter_and_leave() -> None:
    strategy = SignalStrategy(
        [Rule.signal_above("x", 0.5) & ~Rule.context_above("VIX", 30), Rule.not_in_position()],
        [Rule.crosses_below("x", 0.5), Rule.stop_loss(0.05)],
        position_sizer=PercentSizer(0.1),
    )
    data = catalog(x=[0.9, NAN, 0.9, 0.4, 0.9], VIX=[20.0, 20.0, 40.0, 20.0, NAN])
    found = data.sql(strategy.sql()).fetchall()
    assert [(row[0].day - 1, *row[2:]) for row in found] == [(0, True, False), (3, False, True)]
    assert 'not (market."VIX" > 30.0)' in strategy.sql()


def test_nan_is_missing_in_an_expression_of_the_run_and_of_its_query() -> None:
    data = catalog(x=[NAN, 0.9, NAN], VIX=[10.0, NAN, 10.0])
    rule = Rule.expression("x > 0.8") | Rule.expression("vix > 5") & Rule.expression("x > 100")
    strategy = SignalStrategy([rule], position_sizer=FixedSizer(1))
    assert entered(rule, data) == [1]
    assert [row[0].day for row in data.sql(strategy.sql()).fetchall()] == [2]


def test_a_rule_may_name_the_time() -> None:
    rule = Rule.expression("timestamp > '2024-01-02'")
    data = catalog(x=[1.0, 1.0, 1.0])
    strategy = SignalStrategy([rule], position_sizer=FixedSizer(1))
    assert entered(rule, data) == [2]
    assert len(data.sql(strategy.sql()).fetchall()) == 1
    assert data.preview(strategy, day(2)).fetchall()[0][2] is True


def test_the_loop_asks_what_the_query_shows() -> None:
    rng = np.random.default_rng(4)
    n_bars, assets = 60, [f"A{i}" for i in range(7)]
    prices = {name: flat(10, n_bars) for name in assets}
    prices["A3"][10:20] = [None] * 10
    rows = [(day(t), name) for t in range(n_bars) for name in assets]
    x = [None if rng.random() < 0.1 else float(rng.random()) for _ in rows]
    table = {"timestamp": [t for t, _ in rows], "asset_id": [a for _, a in rows], "x": x}
    data = catalog(prices).register("features", table)
    rule = Rule.crosses_above("x", 0.6) | Rule.signal_between("x", 0.1, 0.15)
    strategy = SignalStrategy([rule], position_sizer=FixedSizer(1e-6))
    orders = run(strategy, data).sql(
        "select created_at, asset_id from orders order by created_at, asset_id"
    )
    shown = data.sql(strategy.sql()).filter("may_enter").project("timestamp, asset_id")
    assert orders.fetchall() == shown.fetchall()
    assert len(shown.fetchall()) > 50


# -- logic with what is missing -----------------------------------------------------------------

TRUTHS = {"t": 1.0, "f": 0.0, "n": NAN}
FLAT: Any = None  # no rule here asks for a position


@pytest.mark.parametrize("left", "tfn")
@pytest.mark.parametrize("right", "tfn")
def test_logic_is_that_of_sql(left: str, right: str) -> None:
    sql = {"t": "true", "f": "false", "n": "null::boolean"}
    data = catalog(x=[1.0])
    # A position rule on each side keeps the parts from being merged into one text.
    a, b = Rule.expression(f"{left} = 1"), Rule.expression(f"{right} = 1")
    flags = {text: np.array([TRUTHS[text[1]]]) for rule in (a, b) for text in rule.texts()}
    for word, rule in (("and", a & b), ("or", a | b)):
        for wanted, tree in ((f"{sql[left]} {word} {sql[right]}", rule),
                             (f"not ({sql[left]} {word} {sql[right]})", ~rule)):  # fmt: skip
            (expected,) = data.sql(f"select ({wanted})::double").fetchall()[0]
            found = tree.holds(flags, FLAT)[0]
            assert (None if np.isnan(found) else found) == expected


# -- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Rule.signal_above("ml_scroe", 1), "unknown column 'ml_scroe'; did you mean 'ml_score'?"),
        (Rule.crosses_above("ml_scroe", 1), "unknown column 'ml_scroe'; did you mean 'ml_score'?"),
        (Rule.context_above("VXI", 1), "unknown column 'VXI'; did you mean 'vix'?"),
        (Rule.expression("ml_scroe > 1"), "unknown column 'ml_scroe'; did you mean 'ml_score'?"),
        (Rule.expression("lead(ml_score) over () > 1"), "has the window"),
        (Rule.expression("ml_score > 0) or (1 = 1"), "does not parse"),
        (Rule.expression("ml_score >\u200b0"), "holds the character ZERO WIDTH SPACE"),
        (Rule.expression("ml_score > map {#1: 1}[1] -- #}"), "holds '{#'"),
    ],
)
def test_a_mistake_in_a_rule_is_refused_before_the_run(rule: Predicate, message: str) -> None:
    data = catalog(ml_score=[0.5], VIX=[10.0])
    engine = BacktestEngine(data, SignalStrategy([rule], position_sizer=FixedSizer(1)))
    with pytest.raises(ExpressionError) as caught:
        engine.run()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SignalStrategy([], position_sizer=FixedSizer(1)), "at least one rule"),
        (
            lambda: SignalStrategy(Rule.stop_loss(0.1), position_sizer=FixedSizer(1)),
            "list of rules",
        ),
        (lambda: SignalStrategy([1], position_sizer=FixedSizer(1)), "made by Rule, was 1"),
        (lambda: SignalStrategy([Rule.stop_loss(0.1)], position_sizer=3), "must be a Sizer, was 3"),
        (lambda: Rule.signal_above(3, 1), "name of a column, was 3"),
        (lambda: Rule.signal_above("x", None), "level must be a number"),
        (lambda: Rule.signal_above("x", True), "level must be a number"),
        (lambda: Rule.signal_between("x", 2, 1), "low must be at most high"),
        (lambda: Rule.stop_loss(5), "fraction must be a number above 0 and below 1, was 5"),
        (lambda: Rule.max_bars(0), "n must be a whole number of at least 1"),
        (lambda: Rule.expression(" "), "the text of an expression must be SQL"),
        (lambda: Rule.stop_loss(0.1) and Rule.max_bars(2), "combine rules with &"),
        (lambda: Rule.stop_loss(0.1) & 3, "combines with rules only"),
        (lambda: PercentSizer(0), "percent must be a number above 0"),
        (lambda: ConfidenceSizer(0.2, column=""), "column must be the name of a column"),
        (lambda: VolatilitySizer(2), "risk must be a number above 0 and below 1"),
        (lambda: FixedSizer(-1), "quantity must be a number above 0"),
    ],
)
def test_a_mistake_in_the_making_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)


def test_equal_strategies_show_themselves_equal() -> None:
    make = lambda: SignalStrategy(  # noqa: E731
        [Rule.signal_above("x", 0.8), Rule.not_in_position()], [Rule.stop_loss(0.05)],
        position_sizer=PercentSizer(0.95),
    )  # fmt: skip
    assert (
        repr(make())
        == repr(make())
        == (
            'SignalStrategy(entry_rules=(signals."x" > 0.8, not_in_position()), '
            "exit_rules=(stop_loss(0.05),), position_sizer=PercentSizer(percent=0.95))"
        )
    )
