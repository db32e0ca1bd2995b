"""Features that functions compute while a run goes on: asked once, kept, and queryable."""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    Catalog,
    ConfigError,
    SignalError,
    Strategy,
)
from ml4t.backtest.data.feature_provider import CallableFeatureProvider
from ml4t.backtest.risk import RiskManager, RiskRule, VolatilityScaledStopLoss
from scripted import FREE, day, flat, price_table


def catalog(n_bars: int = 5, **sources: Any) -> Catalog:
    table = price_table({name: flat(10, n_bars) for name in "AB"}, ("open", "high", "low", "close"),
                        [day(t) for t in range(n_bars)])  # fmt: skip
    found = Catalog(threads=1).register("prices", table)
    for role, source in sources.items():
        found.register(role, source)  # type: ignore[arg-type]
    return found


class Asking(Strategy):
    def __init__(self, question: Any) -> None:
        self._question, self._told = question, []  # type: ignore[var-annotated]

    def on_market_event(self, event: Any, context: Any = None) -> None:
        self._told.append(self._question(self, event))


def run(
    question: Any, provider: CallableFeatureProvider, *rules: RiskRule, data: Catalog | None = None
) -> tuple[BacktestResult, list[Any]]:
    strategy = Asking(question)
    result = BacktestEngine(
        catalog() if data is None else data, strategy, initial_capital=10_000,
        risk_manager=RiskManager(rules, feature_provider=provider), config=BacktestConfig(**FREE),
    ).run()  # fmt: skip
    return result, strategy._told


def scored(asset: str, moment: datetime) -> dict[str, object]:
    return {
        "score": moment.day + (asset == "B") / 2,
        "atr": 1.0,
        "word": asset.lower(),
        "gap": None,
    }


def computed(result: BacktestResult) -> list[Any]:
    return result.sql(
        "select extract(day from timestamp), asset_id, name, coalesce(value::varchar, value_text) "
        "from signals"
    ).fetchall()


def test_a_signal_that_no_source_has_is_computed_where_it_is_read() -> None:
    ask = lambda s, e: e.signals["score"] if e.asset_id == "B" else None  # noqa: E731
    result, told = run(ask, CallableFeatureProvider(scored))
    assert told[1::2] == [1.5, 2.5, 3.5, 4.5, 5.5]
    assert {row[1] for row in computed(result)} == {"B"}


def test_what_was_computed_is_in_the_results_and_survives_saving(tmp_path: Any) -> None:
    ask = lambda s, e: e.signals["score"] if e.timestamp.day == 2 else None  # noqa: E731
    result, _ = run(ask, CallableFeatureProvider(scored))
    expected = [
        (2, "A", "atr", "1.0"), (2, "A", "score", "2.0"), (2, "A", "word", "a"),
        (2, "B", "atr", "1.0"), (2, "B", "score", "2.5"), (2, "B", "word", "b"),
    ]  # fmt: skip
    assert computed(result) == expected
    assert computed(BacktestResult.open(result.save(tmp_path / "run.duckdb"))) == expected


def test_each_asset_and_time_is_asked_once_by_strategy_and_rules_together() -> None:
    calls: Counter[Any] = Counter()

    def count(asset: str, moment: datetime) -> dict[str, object]:
        calls[asset, moment] += 1
        return scored(asset, moment)

    def act(strategy: Strategy, event: Any) -> None:
        if event.asset_id == "A" and event.signals["score"] > 1.5 and event.signals["atr"]:
            strategy.set_position_percent("A", 0.5)

    run(act, CallableFeatureProvider(count), VolatilityScaledStopLoss(2.0))
    assert set(calls.values()) == {1}
    assert {asset for asset, _ in calls} == {"A"}


def test_a_rule_reads_what_is_computed_for_what_is_held() -> None:
    prices = [(10, 10, 10, 10), (10, 10, 10, 10), (10, 10, 7, 8), (8, 8, 8, 8)]
    data = Catalog(threads=1).register(
        "prices",
        price_table({"A": prices}, ("open", "high", "low", "close"), [day(t) for t in range(4)]),
    )
    buy = lambda s, e: s.buy("A", 100) if e.timestamp.day == 1 else None  # noqa: E731
    result, _ = run(buy, CallableFeatureProvider(scored), VolatilityScaledStopLoss(2.0), data=data)
    # Two ATR of 1 below the entry at 10.
    assert result.sql("select exit_price, exit_rule from trades").fetchall() == [
        (8.0, "VolatilityScaledStopLoss")
    ]


def test_market_values_are_computed_once_a_timestamp_and_are_the_context() -> None:
    calls: list[datetime] = []

    def market(moment: datetime) -> dict[str, object]:
        calls.append(moment)
        return {"vix": 10.0 + moment.day}

    ask = lambda s, e: (e.context["vix"], bool(e.context))  # noqa: E731
    result, told = run(ask, CallableFeatureProvider(scored, market))
    assert told[::2] == [(10.0 + d, True) for d in range(1, 6)]
    assert len(calls) == 5
    assert computed(result)[0] == (1, None, "vix", "11.0")


def test_a_column_of_a_source_comes_before_what_would_be_computed() -> None:
    table = {"timestamp": [day(0)] * 2, "asset_id": ["A", "B"], "score": [0.1, None]}
    ask = lambda s, e: e.signals.get("score", "none")  # noqa: E731
    result, told = run(ask, CallableFeatureProvider(scored), data=catalog(1, features=table))
    assert told == [0.1, "none"]
    assert computed(result) == []


def test_an_event_lists_what_is_computed_for_it() -> None:
    _, told = run(lambda s, e: dict(e.signals), CallableFeatureProvider(scored), data=catalog(1))
    assert told[1] == {"score": 1.5, "atr": 1.0, "word": "b"}


def test_a_name_that_nothing_computes_is_an_error_with_the_nearest() -> None:
    with pytest.raises(SignalError, match="no signal 'scroe'; did you mean 'score'"):
        run(lambda s, e: e.signals["scroe"], CallableFeatureProvider(scored))
    buy = lambda s, e: s.buy_percent("A", 0.1)  # noqa: E731
    with pytest.raises(ConfigError, match="did not return it; did you mean 'atr'"):
        run(
            buy,
            CallableFeatureProvider(scored),
            VolatilityScaledStopLoss(2.0, volatility_key="att"),
        )
    with pytest.raises(ConfigError, match="feature 'word' is 'a', not a number"):
        run(
            buy,
            CallableFeatureProvider(scored),
            VolatilityScaledStopLoss(2.0, volatility_key="word"),
        )


def test_a_missing_value_sets_no_level() -> None:
    buy = lambda s, e: s.buy_percent("A", 0.1)  # noqa: E731
    for value in (None, math.nan):
        provider = CallableFeatureProvider(lambda asset, moment, value=value: {"atr": value})
        result, _ = run(buy, provider, VolatilityScaledStopLoss(2.0))
        assert result.sql("select count(*) from decisions").fetchall() == [(0,)]
        assert computed(result) == []


def test_a_function_that_raises_names_asset_and_time() -> None:
    def fails(asset: str, moment: datetime) -> dict[str, object]:
        raise TimeoutError("service is down")

    with pytest.raises(TimeoutError, match="service is down") as caught:
        run(lambda s, e: e.signals["score"], CallableFeatureProvider(fails))
    assert [note.split(" at ")[1] for note in caught.value.__notes__] == [
        "2024-01-01 00:00:00", "2024-01-01, asset 'A'",
    ]  # fmt: skip
    assert "for asset 'A'" in caught.value.__notes__[0]


def test_two_runs_of_one_provider_know_nothing_of_each_other() -> None:
    provider = CallableFeatureProvider(scored)
    ask = lambda s, e: e.signals["score"]  # noqa: E731
    first, second = run(ask, provider)[0], run(ask, provider)[0]
    assert computed(first) == computed(second)
    assert provider.computed().names == []


def test_asking_the_provider_oneself_is_recorded_where_it_is_a_bar() -> None:
    provider = CallableFeatureProvider(scored)

    def ask(strategy: Strategy, event: Any) -> None:
        provider.get_features(event.asset_id, event.timestamp)
        provider.get_features("SPY", event.timestamp)
        provider.get_features("A", datetime(1999, 1, 1))

    result, _ = run(ask, provider)
    assert {row[1] for row in computed(result)} == {"A", "B"}


def test_a_value_that_is_asked_for_again_later_is_one_row() -> None:
    kept: list[Any] = []

    def ask(strategy: Strategy, event: Any) -> None:
        kept.append(event)
        for one in kept:
            assert one.signals["score"]

    result, _ = run(ask, CallableFeatureProvider(scored))
    rows = computed(result)
    assert len(rows) == len(set(rows)) == 10 * 3
