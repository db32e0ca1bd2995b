"""HybridStrategy: what its functions are asked, what they may answer, and what numba changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from effort import some
from ml4t.backtest import BacktestConfig, BacktestEngine, BacktestResult, Catalog, ConfigError
from ml4t.backtest.strategies import ConfidenceSizer, FixedSizer, HybridStrategy
from ml4t.backtest.strategies.sizers import Sizer
from scripted import FREE, Row, day, fills, flat, price_table

NAN = float("nan")
Function = Callable[..., Any]


def never(position: float) -> int:
    return 0


def hybrid(
    entry: Function = never, leave: Function = never, sizer: Sizer | None = None
) -> HybridStrategy:
    class Made(HybridStrategy):
        evaluate_entry = staticmethod(entry)
        evaluate_exit = staticmethod(leave)

    return Made(FixedSizer(100) if sizer is None else sizer)


def catalog(
    n_bars: int = 6, prices: dict[str, list[Row]] | None = None, **columns: list[Any]
) -> Catalog:
    """A at 10, or `prices`; `columns` are signals of A by bar, those in capitals are context."""
    times = [day(t) for t in range(n_bars)]
    bars = {"A": flat(10, n_bars)} if prices is None else prices
    found = Catalog(threads=1).register(
        "prices", price_table(bars, ("open", "high", "low", "close"), times)
    )
    signals = {name: values for name, values in columns.items() if name.islower()}
    if signals:
        found.register("features", {"timestamp": times, "asset_id": ["A"] * n_bars, **signals})
    context = {name: values for name, values in columns.items() if name.isupper()}
    if context:
        found.register("context", {"timestamp": times, **context})
    return found


def run(strategy: HybridStrategy, data: Catalog) -> BacktestResult:
    config = BacktestConfig(**FREE)
    return BacktestEngine(data, strategy, initial_capital=10_000, config=config).run()


def traded(strategy: HybridStrategy, data: Catalog) -> list[tuple[int, float]]:
    """Return the bar and the shares of every fill of A."""
    return [(t, shares) for t, asset, shares, _ in fills(run(strategy, data)) if asset == "A"]


def jitted(function: Function) -> Function:
    numba = pytest.importorskip("numba", reason="numba is not installed; see the extra 'numba'")
    compiled: Function = numba.njit(function)
    return compiled


BOTH = pytest.mark.parametrize("made", [lambda f: f, jitted], ids=["plain", "njit"])


# -- what the functions are asked -------------------------------------------------------------


@BOTH
def test_1_enters_at_the_next_open_and_minus_1_leaves(made: Function) -> None:
    def entry(x: float, position: float) -> int:
        return 1 if x > 0.5 and position == 0 else 0

    def leave(x: float) -> int:
        return -1 if x < 0.2 else 0

    data = catalog(x=[0.9, 0.9, 0.1, 0.4, 0.9, 0.9])
    assert traded(hybrid(made(entry), made(leave)), data) == [(1, 100.0), (3, -100.0), (5, 100.0)]


@BOTH
def test_the_position_is_asked_for_by_name(made: Function) -> None:
    def entry(position: float, bars_held: float, pnl_pct: float) -> int:
        is_flat = position == 0.0 and bars_held != bars_held and pnl_pct != pnl_pct
        return 1 if is_flat else 0

    def leave(bars_held: float, pnl_pct: float, position: float) -> int:
        return -1 if position == 100.0 and bars_held == 2.0 and pnl_pct > 0.09 else 0

    prices: dict[str, list[Row]] = {"A": [*flat(10, 2), *flat(11, 3), *flat(10, 1)]}
    # Bought at 10 on bar 1, up by a tenth on bar 2, sold on bar 3; bought again on bar 4.
    found = traded(hybrid(made(entry), made(leave)), catalog(prices=prices))
    assert found == [(1, 100.0), (3, -100.0), (4, 100.0)]


@BOTH
def test_a_column_of_the_market_is_asked_for_like_a_signal(made: Function) -> None:
    def entry(VIX: float, x: float) -> int:  # noqa: N803 - the column's name
        return 1 if VIX < 20 and x > 0.5 else 0

    data = catalog(3, x=[0.9, 0.9, 0.9], VIX=[25.0, 15.0, NAN])
    assert traded(hybrid(made(entry)), data) == [(2, 100.0)]


@BOTH
def test_an_entry_with_a_missing_signal_is_not_asked_for(made: Function) -> None:
    def entry(x: float, position: float) -> int:
        return 1 if not (x > 5) and position == 0 else 0  # would be true of NaN

    data = catalog(6, x=[None, NAN, None, 0.5, 9.0, 9.0])
    assert traded(hybrid(made(entry)), data) == [(4, 100.0)]


@BOTH
def test_an_exit_with_a_missing_signal_is_not_asked_for_and_one_without_signals_is(
    made: Function,
) -> None:
    def entry(position: float, bars_held: float) -> int:
        return 1 if position == 0 else 0

    def on_signal(x: float) -> int:
        return -1 if not (x > 5) else 0

    def on_bars(bars_held: float) -> int:
        return -1 if bars_held >= 2 else 0

    data = catalog(5, x=[NAN, NAN, NAN, 9.0, NAN])
    assert traded(hybrid(made(entry), made(on_signal)), data) == [(1, 100.0)]
    found = traded(hybrid(made(entry), made(on_bars)), data)
    assert found == [(1, 100.0), (3, -100.0), (4, 100.0)]


def test_functions_are_asked_of_assets_with_a_bar_in_asset_order() -> None:
    asked: list[float] = []

    def entry(close: float) -> int:
        asked.append(close)
        return 0

    prices: dict[str, list[Row]] = {
        "B": flat(20, 3), "A": [*flat(10, 1), None, *flat(11, 1)], "C": flat(30, 3)
    }  # fmt: skip
    run(hybrid(entry), catalog(3, prices=prices))
    assert asked == [10, 20, 30, 20, 30, 11, 20, 30]


def test_what_is_held_and_has_no_bar_is_not_asked_to_leave() -> None:
    prices: dict[str, list[Row]] = {
        "A": [*flat(10, 2), None, None, *flat(10, 2)], "B": flat(20, 6)
    }  # fmt: skip

    def entry(close: float, position: float) -> int:
        return 1 if close == 10 and position == 0 else 0

    def leave(bars_held: float) -> int:
        return -1 if bars_held >= 2 else 0

    data = catalog(prices=prices)
    # Held for two bars on bar 2, where it has none: asked, and sold, when it trades again.
    assert traded(hybrid(entry, leave), data) == [(1, 100.0), (5, -100.0)]


def test_a_function_without_parameters_is_asked_for_each_asset() -> None:
    prices = {"A": flat(10, 2), "B": flat(20, 2)}
    result = run(hybrid(lambda: 1), catalog(2, prices=prices))
    assert fills(result) == [(1, "A", 100.0, 10.0), (1, "B", 100.0, 20.0)]


def test_what_leaves_does_not_enter_at_the_same_close() -> None:
    found = traded(hybrid(lambda close: 1, lambda close: -1), catalog(3))
    assert found == [(1, 100.0), (2, -100.0)]


def test_a_subclass_need_not_call_the_constructor() -> None:
    class Bare(HybridStrategy):
        def __init__(self) -> None:
            self.level = 5.0

        def evaluate_entry(self, close: float, position: float) -> int:
            return 1 if position == 0 and close > self.level else 0

        def evaluate_exit(self, pnl_pct: float) -> int:
            return 0

    assert traded(Bare(), catalog(2)) == [(1, 950.0)]


def test_a_method_may_take_self() -> None:
    class Counting(HybridStrategy):
        _n = 0

        def evaluate_entry(self, close: float) -> int:
            self._n += 1
            return int(self._n == 2)

        def evaluate_exit(self, close: float) -> int:
            return 0

    assert traded(Counting(FixedSizer(100)), catalog(4)) == [(2, 100.0)]


# -- sizes --------------------------------------------------------------------------------------


def test_the_default_size_is_95_percent_of_the_portfolio() -> None:
    class Once(HybridStrategy):
        @staticmethod
        def evaluate_entry(position: float) -> int:
            return 1 if position == 0 else 0

        @staticmethod
        def evaluate_exit(position: float) -> int:
            return 0

    assert traded(Once(), catalog(3)) == [(1, 950.0)]


@BOTH
def test_what_cannot_be_sized_is_not_entered(made: Function) -> None:
    def entry(x: float, position: float) -> int:
        return 1 if x > 0.5 and position == 0 else 0

    data = catalog(4, x=[0.9] * 4, confidence=[NAN, None, 0.8, 0.8])
    assert traded(hybrid(made(entry), sizer=ConfidenceSizer(0.5)), data) == [(3, 400.0)]


def test_what_cannot_be_sized_may_leave_all_the_same() -> None:
    # Both functions act at every close; the one size that is missing is that of bar 1.
    data = catalog(3, confidence=[0.8, NAN, 0.8])
    strategy = hybrid(lambda close: 1, lambda close: -1, ConfidenceSizer(0.5))
    assert traded(strategy, data) == [(1, 400.0), (2, -400.0)]


# -- answers that mean nothing -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (2, "2"), (-1, "-1"), (NAN, "nan"), (0.5, "0.5"), (None, "None"), ("1", "'1'"),
        ((1, 0), r"\(1, 0\)"), ([1], r"\[1\]"),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_refused_with_the_asset(answer: object, shown: str) -> None:
    message = rf"Made\.evaluate_entry must return 1 or 0, was {shown} for 'A'"
    with pytest.raises(ConfigError, match=message):
        run(hybrid(lambda close: answer), catalog(2))


@pytest.mark.parametrize("answer", [1, 2, NAN])
def test_a_compiled_answer_that_is_none_is_refused_too(answer: float) -> None:
    def leave(close: float) -> float:
        return answer

    strategy = hybrid(lambda close: 1, jitted(leave))
    with pytest.raises(ConfigError, match=r"evaluate_exit must return -1 or 0, was \S+ for 'A'"):
        run(strategy, catalog(3))


def test_the_first_wrong_asset_is_named() -> None:
    prices = {"A": flat(10, 2), "B": flat(20, 2)}
    with pytest.raises(ConfigError, match="was 7 for 'B'"):
        run(hybrid(lambda close: 7 if close == 20 else 0), catalog(2, prices=prices))


@pytest.mark.parametrize("answer", [True, np.True_, np.int8(1), 1.0])
def test_what_equals_1_is_1(answer: object) -> None:
    assert traded(hybrid(lambda close: answer), catalog(2)) == [(1, 100.0)]


def test_what_a_function_raises_is_raised_with_its_place() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run(hybrid(lambda close: 1 / 0), catalog(2))
    assert caught.value.__notes__ == ["raised by Made.decide at 2024-01-01"]


def test_what_numba_cannot_compile_over_arrays_is_named() -> None:
    def sometimes(close: float) -> int | None:
        if close > 1e9:
            return 1
        return None

    with pytest.raises(ConfigError, match=r"numba cannot compile \S+sometimes over arrays"):
        run(hybrid(jitted(sometimes)), catalog(2))


# -- mistakes before the run ---------------------------------------------------------------------


@BOTH
def test_an_unknown_signal_is_refused_before_the_run_with_the_name_that_was_meant(
    made: Function,
) -> None:
    def entry(ml_pred: float, confidnce: float) -> int:
        raise AssertionError("the run began")

    data = catalog(2, ml_pred=[0.5] * 2, confidence=[0.5] * 2)
    engine = BacktestEngine(data, hybrid(made(entry)))
    with pytest.raises(ConfigError, match=r"'confidnce'; did you mean 'confidence'\?"):
        engine.run()


def test_a_signal_that_is_text_is_refused_before_the_run() -> None:
    data = catalog(2, sector=["x", "y"])
    with pytest.raises(ConfigError, match="'sector' is of type VARCHAR, not a number"):
        run(hybrid(lambda sector: 0), data)


def test_a_missing_function_is_refused_when_it_is_made() -> None:
    class EntryAlone(HybridStrategy):
        @staticmethod
        def evaluate_entry(x: float) -> int:
            return 1

    class ExitAlone(HybridStrategy):
        @staticmethod
        def evaluate_exit(x: float) -> int:
            return -1

    with pytest.raises(ConfigError, match="EntryAlone has no evaluate_exit; write it as a static"):
        EntryAlone()
    with pytest.raises(ConfigError, match="ExitAlone has no evaluate_entry"):
        ExitAlone()


@pytest.mark.parametrize(
    ("function", "shown"),
    [
        (lambda *values: 0, r"takes '\*values'"),
        (lambda x, **more: 0, r"takes '\*\*more'"),
        (lambda *, x: 0, "takes 'x'"),
    ],
)
def test_a_function_that_does_not_name_what_it_reads_is_refused(
    function: Function, shown: str
) -> None:
    with pytest.raises(ConfigError, match=rf"Made\.evaluate_entry {shown}; it must name each"):
        hybrid(function)


def test_a_sizer_must_be_one() -> None:
    with pytest.raises(ConfigError, match=r"position_sizer must be a Sizer, was 0\.95"):
        hybrid(sizer=0.95)  # type: ignore[arg-type]


# -- numba ---------------------------------------------------------------------------------------


def random_catalog(seed: int) -> Catalog:
    """Return walks of seven assets with holes, and two scores that are missing now and then."""
    random = np.random.default_rng(seed)
    rows: dict[str, list[Any]] = {
        name: [] for name in ("timestamp", "asset_id", "open", "close", "x", "momentum")
    }
    closes = np.full(7, 100.0)
    for t in range(80):
        opens = closes * np.exp(random.normal(0, 0.01, 7))
        closes = opens * np.exp(random.normal(0, 0.03, 7))
        for i in range(7):
            if random.random() < 0.1:
                continue
            values = (day(t), f"A{i}", opens[i], closes[i], random.random(), random.normal())
            for name, value in zip(rows, values, strict=True):
                is_missing = name in ("x", "momentum") and random.random() < 0.15
                rows[name].append((None if random.random() < 0.5 else NAN) if is_missing else value)
    return Catalog(threads=1).register("prices", rows)


def entry_of_all(x: float, momentum: float, position: float) -> int:
    if position > 0:
        return 0
    return 1 if x > 0.6 and momentum > 0 else 0


def exit_of_all(x: float, pnl_pct: float, bars_held: float) -> int:
    return -1 if pnl_pct < -0.05 or pnl_pct > 0.08 or x < 0.2 or bars_held > 12 else 0


@pytest.mark.parametrize("seed", some(range(4), 1))
def test_a_compiled_function_gives_every_table_of_a_plain_one(seed: int) -> None:
    data, sizer = random_catalog(seed), ConfidenceSizer(0.3, column="x")
    runs = [
        BacktestEngine(data, hybrid(entry, leave, sizer)).run()
        for entry, leave in (
            (entry_of_all, exit_of_all),
            (jitted(entry_of_all), jitted(exit_of_all)),
            (entry_of_all, jitted(exit_of_all)),
        )
    ]
    for table in ("orders", "fills", "trades", "positions", "equity"):
        plain, *others = [
            one.sql(f"select * exclude (run_id) from {table} order by all").fetchall()
            for one in runs
        ]
        assert all(other == plain for other in others), table
        assert len(plain) > 30
    assert runs[0].sql("select count(*) from orders where status <> 'filled'").fetchall() > [(5,)]


def test_another_instance_compiles_nothing() -> None:
    from ml4t.backtest.strategies.hybrid import _compiled

    entry = jitted(entry_of_all)
    hybrid(entry)
    before = _compiled.cache_info().misses
    hybrid(entry)
    assert _compiled.cache_info().misses == before
