"""Callbacks: which handler is called when, what an event shows, and what a raising one leaves."""

from __future__ import annotations

import gc
import sys
import threading
import traceback
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest

from effort import each_value
from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    Catalog,
    ConfigError,
    Ranking,
    SignalError,
    Strategy,
    TopN,
)
from ml4t.backtest.core.context import Context
from ml4t.backtest.core.event import MarketEvent
from scripted import FREE, day, flat, price_table

NAN = float("nan")


def catalog(n_bars: int = 3, **sources: Any) -> Catalog:
    """Assets A and B at 10 and 20; B has no bar on day 1."""
    rows_b = flat(20, n_bars)
    rows_b[1:2] = [None] * len(rows_b[1:2])
    table = price_table(
        {"A": flat(10, n_bars), "B": rows_b}, NAMES, [day(t) for t in range(n_bars)]
    )
    found = Catalog(threads=1).register("prices", table)
    for role, source in sources.items():
        found.register(role, source)  # type: ignore[arg-type]
    return found


NAMES = ("open", "high", "low", "close")


def run(strategy: Strategy, data: Catalog, **settings: Any) -> BacktestResult:
    config = BacktestConfig(**FREE)
    return BacktestEngine(data, strategy, initial_capital=10_000, config=config, **settings).run()


def features(**columns: list[Any]) -> dict[str, list[Any]]:
    """One row per asset on day 0, known from then on."""
    return {"timestamp": [day(0)] * 2, "asset_id": ["A", "B"], **columns}


class Told(Strategy):
    """Keeps what its handler was given."""

    def __init__(self) -> None:
        self._told: list[Any] = []


# -- which handler ------------------------------------------------------------------------------


class PerEvent(Told):
    def on_market_event(self, event: MarketEvent, context: Context | None = None) -> None:
        self._told.append((event.timestamp, event.asset_id))


class PerData(Told):
    def on_market_data(self, event: MarketEvent, context: Context | None = None) -> None:
        self._told.append((event.timestamp, event.asset_id))


class WithoutContext(Told):
    def on_market_data(self, event: MarketEvent) -> None:  # type: ignore[override]
        self._told.append((event.timestamp, event.asset_id))


class ContextByName(Told):
    def on_market_data(self, event: MarketEvent, *, context: Context) -> None:  # type: ignore[override]
        assert context is event.context
        self._told.append((event.timestamp, event.asset_id))


class Legacy(Told):
    def on_event(self, event: MarketEvent) -> None:
        self._told.append((event.timestamp, event.asset_id))


class PerBatch(Told):
    def on_timestamp_batch(self, events: Any, broker: Any, portfolio: Any) -> None:
        self._told += [(event.timestamp, event.asset_id) for event in events]


@pytest.mark.parametrize(
    "kind", [PerEvent, PerData, WithoutContext, ContextByName, Legacy, PerBatch]
)
def test_every_handler_sees_each_bar_in_time_and_asset_order(kind: type[Told]) -> None:
    strategy = kind()
    run(strategy, catalog())
    midnight = [datetime(2024, 1, d) for d in (1, 2, 3)]
    assert strategy._told == [
        (midnight[0], "A"), (midnight[0], "B"), (midnight[1], "A"),
        (midnight[2], "A"), (midnight[2], "B"),
    ]  # fmt: skip


class Both(Told):
    def on_event(self, event: MarketEvent) -> None:
        self._told.append(("event", event.asset_id))

    def on_market_event(self, event: MarketEvent, context: Context | None = None) -> None:
        self._told.append(("market", event.asset_id))


def test_the_legacy_handler_may_stand_beside_another_and_comes_first() -> None:
    strategy = Both()
    run(strategy, catalog(n_bars=2))
    assert strategy._told[:4] == [("event", "A"), ("market", "A"), ("event", "B"), ("market", "B")]


class EventAndBatch(Told):
    def on_event(self, event: MarketEvent) -> None:
        self._told.append(event.asset_id)

    def on_timestamp_batch(self, events: Any, broker: Any, portfolio: Any) -> None:
        self._told.append(len(events))


class EventAndDecide(Told):
    def on_event(self, event: MarketEvent) -> None:
        self._told.append(event.asset_id)

    def decide(self, batch: Any, broker: Any) -> None:
        self._told.append(int(sum(batch.close > 0)))


@pytest.mark.parametrize("kind", [EventAndBatch, EventAndDecide])
def test_the_legacy_handler_goes_through_the_rows_before_the_batch(kind: type[Told]) -> None:
    strategy = kind()
    run(strategy, catalog(n_bars=2))
    assert strategy._told == ["A", "B", 2, "A", 1]


def test_two_handlers_are_refused_by_name() -> None:
    class Two(Strategy):
        def on_market_event(self, event: Any, context: Any = None) -> None: ...

        def on_market_data(self, event: Any, context: Any = None) -> None: ...

    with pytest.raises(ConfigError, match="overrides both on_market_event and on_market_data"):
        BacktestEngine(catalog(), Two())


def test_a_strategy_without_a_handler_is_refused_with_the_way_out() -> None:
    class Nothing(Strategy):
        def on_market_evnt(self, event: Any) -> None: ...

    with pytest.raises(ConfigError, match=r"Nothing overrides no handler; write on_market_event"):
        BacktestEngine(catalog(), Nothing())


@pytest.mark.parametrize(
    ("given", "message"),
    [(PerEvent, "must be an instance, was a class; write PerEvent()"), (3, "int is no Strategy")],
)
def test_what_is_no_strategy_is_refused(given: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        BacktestEngine(catalog(), given)
    assert message in str(caught.value)


# -- what an event shows ------------------------------------------------------------------------


class Asking(Told):
    """Answers a question about each event."""

    def __init__(self, question: Any) -> None:
        super().__init__()
        self._question = question

    def on_market_event(self, event: MarketEvent, context: Context | None = None) -> None:
        self._told.append(self._question(event))


def answers(question: Any, data: Catalog, **settings: Any) -> list[Any]:
    strategy = Asking(question)
    run(strategy, data, **settings)
    return strategy._told


def test_an_event_shows_the_prices_of_its_own_bar() -> None:
    table = price_table({"A": [(9, 12, 8, 10, 500), (10, 11, 10, 11, 0)]},
                        (*NAMES, "volume"), [day(0), day(1)])  # fmt: skip
    data = Catalog(threads=1).register("prices", table)
    seen = answers(lambda e: (e.open, e.high, e.low, e.close, e.volume), data)
    # A bar without volume shows its prices too, though nothing can trade at them.
    assert seen == [(9, 12, 8, 10, 500), (10, 11, 10, 11, 0)]


def test_a_price_that_the_source_does_not_have_is_nan() -> None:
    assert answers(lambda e: e.volume == e.volume, catalog(n_bars=1)) == [False, False]


def test_numbers_arrive_as_float_flags_as_one_or_zero_text_and_times_as_themselves() -> None:
    table = features(n=[3, 4], flag=[True, False], name=["x", "y"], on=[day(5), day(6)])
    seen = answers(
        lambda e: [e.signals[n] for n in ("n", "flag", "name", "on")], catalog(1, features=table)
    )
    assert seen == [
        [3.0, 1.0, "x", date(2024, 1, 6)], [4.0, 0.0, "y", date(2024, 1, 7)],
    ]  # fmt: skip
    assert type(seen[0][0]) is float


def test_a_missing_value_has_no_key() -> None:
    table = features(atr=[1.5, None], rsi=[50.0, NAN], kind=["x", None])
    data = catalog(1, features=table)
    assert answers(lambda e: (e.signals.get("atr"), e.signals.get("rsi", 7.0)), data) == [
        (1.5, 50.0), (None, 7.0),
    ]  # fmt: skip
    assert answers(lambda e: ("atr" in e.signals, len(e.signals), dict(e.signals)), data) == [
        (True, 3, {"atr": 1.5, "rsi": 50.0, "kind": "x"}), (False, 0, {}),
    ]  # fmt: skip


@each_value
@pytest.mark.parametrize(
    "kind", ["date", "timestamp", "timestamptz", "timestamp_ns", "timestamp_s", "interval", "time",
             "integer", "decimal(9, 2)", "boolean", "double", "float", "varchar", "blob",
             "integer[]", "struct(a integer)", "uuid"],
)  # fmt: skip
@pytest.mark.parametrize("place", ["features", "context", "earlier"])
def test_a_null_of_any_type_has_no_key(kind: str, place: str) -> None:
    time = "2023-12-01" if place == "earlier" else "2024-01-01"
    asset = "" if place == "context" else "'A' as asset_id, "
    query = f"select date '{time}' as timestamp, {asset}null::{kind} as x"
    data = catalog(1, **{"context" if place == "context" else "features": query})
    read = "context" if place == "context" else "signals"
    ask = lambda e: (getattr(e, read).get("x"), "x" in getattr(e, read))  # noqa: E731
    assert answers(ask, data)[0] == (None, False)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("date '2024-05-06'", date(2024, 5, 6)),
        ("timestamp '2024-05-06 07:08:09'", datetime(2024, 5, 6, 7, 8, 9)),
        ("timestamptz '2024-05-06 07:08:09+00'", datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("[1, 2]", [1, 2]),
        ("{'a': 1}", {"a": 1}),
        ("3::decimal(9, 2)", 3.0),
        ("true", 1.0),
        ("'x'", "x"),
    ],
)
def test_a_value_arrives_as_pythons_own(sql: str, expected: object) -> None:
    query = f"select date '2024-01-01' as timestamp, 'A' as asset_id, {sql} as x"
    assert answers(lambda e: e.signals.get("x"), catalog(1, features=query))[0] == expected


def test_signals_are_known_as_of_the_bar() -> None:
    table = {"timestamp": [day(0), day(2)], "asset_id": ["A", "A"], "score": [1.0, 2.0]}
    data = catalog(4, features=table)
    seen = answers(lambda e: e.signals.get("score") if e.asset_id == "A" else "-", data)
    assert [value for value in seen if value != "-"] == [1.0, 1.0, 2.0, 2.0]


def test_a_column_that_is_first_asked_for_in_a_later_chunk_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ml4t.backtest.data.stream.batches.EVENT_CELLS", 4)
    table = {
        "timestamp": [day(t) for t in range(9)], "asset_id": ["A"] * 9,
        "score": [float(t) for t in range(9)], "word": [f"w{t}" for t in range(9)],
    }  # fmt: skip
    names = ["sco" + "re", "wo" + "rd"]  # no word of the code, so nothing is read ahead

    def question(event: MarketEvent) -> Any:
        if event.asset_id != "A" or event.timestamp.day < 4:
            return None
        return [event.signals[name] for name in names]

    seen = [one for one in answers(question, catalog(9, features=table)) if one]
    assert seen == [[float(t), f"w{t}"] for t in range(3, 9)]


def test_the_context_is_one_mapping_for_all_events_of_a_timestamp() -> None:
    context = {"timestamp": [day(0), day(1)], "vix": [15.0, None], "regime": ["bull", "bear"]}
    data = catalog(2, context=context)
    assert answers(lambda e: (e.context.get("vix", 9.0), e.context["regime"]), data) == [
        (15.0, "bull"), (15.0, "bull"), (9.0, "bear"),
    ]  # fmt: skip
    assert len(set(map(id, answers(lambda e: e.context, catalog(1, context=context))))) == 1


def test_context_data_of_the_engine_is_the_same_context() -> None:
    data = {day(t): {"VIX": 15.0 + t, "regime": "bull"} for t in range(3)}
    moments = {datetime(2024, 1, 1 + t): row for t, row in enumerate(data.values())}
    seen = answers(lambda e: e.context["VIX"], catalog(), context_data=moments)
    assert seen == [15.0, 15.0, 16.0, 17.0, 17.0]


def test_without_any_context_the_argument_is_false() -> None:
    assert answers(lambda e: (bool(e.context), e.context.get("VIX", 0.0)), catalog(1)) == [
        (False, 0.0), (False, 0.0),
    ]  # fmt: skip


def test_a_time_with_a_zone_is_in_utc() -> None:
    moment = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
    data = Catalog(threads=1).register(
        "prices", {"timestamp": [moment], "asset_id": ["A"], "open": [1.0], "close": [1.0]}
    )
    assert answers(lambda e: e.timestamp, data) == [moment]


def test_an_event_may_be_kept_and_read_later() -> None:
    class Keeps(Told):
        def on_market_event(self, event: MarketEvent, context: Context | None = None) -> None:
            self._told.append(event)

    strategy = Keeps()
    run(strategy, catalog(3, features=features(score=[1.0, 2.0])))
    assert [(e.asset_id, e.close, e.signals["score"]) for e in strategy._told[:2]] == [
        ("A", 10.0, 1.0), ("B", 20.0, 2.0),
    ]  # fmt: skip


# -- names that are not there -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (
            lambda e: e.signals["ml_scroe"],
            "there is no signal 'ml_scroe'; did you mean 'ml_score'?",
        ),
        (lambda e: e.context["vxi"], "there is no context value 'vxi'; did you mean 'vix'?"),
        (lambda e: e.signals["atr"], "signal 'atr' has no value here; read it with .get('atr')"),
    ],
)
def test_a_name_that_is_not_there_stops_the_run_at_the_first_event(
    question: Any, message: str
) -> None:
    data = catalog(
        3, features=features(ml_score=[1.0, 2.0], atr=[None, 1.0]),
        context={"timestamp": [day(0)], "vix": [15.0]},
    )  # fmt: skip
    with pytest.raises(SignalError) as caught:
        answers(question, data)
    assert message in str(caught.value)
    assert caught.value.__notes__ == ["raised by Asking.on_market_event at 2024-01-01, asset 'A'"]
    assert isinstance(caught.value, KeyError)


def test_a_default_stands_in_for_a_column_that_is_not_there() -> None:
    assert answers(lambda e: e.signals.get("rsi_14", 50.0), catalog(1)) == [50.0, 50.0]


# -- what raises --------------------------------------------------------------------------------


class Raises(Strategy):
    def __init__(self, handler: str) -> None:
        self._handler = handler

    def fail(self, asset_id: object) -> None:
        if self._handler == "each" and asset_id == "B":
            raise ZeroDivisionError("mine")

    def on_market_event(self, event: MarketEvent, context: Context | None = None) -> None:
        self.fail(event.asset_id)
        if self._handler == "fill":
            self.buy_percent("A", 0.1)

    def on_fill(self, fill: Any) -> None:
        raise ZeroDivisionError("mine")


@pytest.mark.parametrize(
    ("handler", "where"),
    [("each", "Raises.on_market_event at 2024-01-01, asset 'B'"),
     ("fill", "Raises.on_fill at 2024-01-02, asset 'A'")],
)  # fmt: skip
def test_a_strategy_that_raises_stops_the_run_with_its_own_traceback(
    handler: str, where: str, tmp_path: Any
) -> None:
    strategy = Raises(handler)
    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        run(strategy, catalog()).save(tmp_path / "run.duckdb")
    assert caught.value.__notes__ == [f"raised by {where}"]
    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert frames[-1] in ("fail", "on_fill")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="Broker not initialized"):
        strategy.get_cash()


class RaisesInBatch(Strategy):
    def on_timestamp_batch(self, events: Any, broker: Any, portfolio: Any) -> None:
        raise ZeroDivisionError("mine")


class RaisesInDecide(Strategy):
    def decide(self, batch: Any, broker: Any) -> None:
        raise ZeroDivisionError("mine")


@pytest.mark.parametrize("kind", [RaisesInBatch, RaisesInDecide])
def test_a_batch_handler_that_raises_says_when(kind: type[Strategy]) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run(kind(), catalog())
    (note,) = caught.value.__notes__
    assert note.startswith(f"raised by {kind.__name__}.")
    assert note.endswith(" at 2024-01-01")


# -- the life of an instance --------------------------------------------------------------------


class Lives(Told):
    def on_start(self) -> None:
        self._told.append(("start", self.get_cash()))

    def on_market_event(self, event: MarketEvent, context: Context | None = None) -> None:
        if event.asset_id == "A" and not self.get_position("A"):
            self.buy_percent("A", 0.5)

    def on_fill(self, fill: Any) -> None:
        self._told.append((fill.asset_id, fill.quantity, fill.price, self.get_position("A")))

    def on_end(self) -> None:
        self._told.append(("end", self.get_position("A"), self.buy_percent("A", 0.1) is not None))


def test_start_fills_and_end_are_told_in_their_order() -> None:
    strategy = Lives()
    result = run(strategy, catalog())
    assert strategy._told == [("start", 10_000.0), ("A", 500.0, 10.0, 500.0), ("end", 500.0, True)]
    assert result.sql("select status, reason from orders order by order_id").fetchall() == [
        ("filled", ""), ("expired", "end of data"),
    ]  # fmt: skip


def test_a_fill_of_the_last_close_is_told_before_the_end() -> None:
    from ml4t.backtest import ExecutionPolicy, ThisClose

    strategy = Lives()
    config = BacktestConfig(**FREE, execution=ExecutionPolicy(timing=ThisClose()))
    BacktestEngine(catalog(1), strategy, initial_capital=10_000, config=config).run()
    assert [row[0] for row in strategy._told] == ["start", "A", "end"]


def test_an_instance_with_state_runs_once() -> None:
    strategy = PerEvent()
    engine = BacktestEngine(catalog(), strategy)
    engine.run()
    with pytest.raises(ConfigError, match="this PerEvent has run before"):
        engine.run()


def test_a_ready_made_strategy_runs_again_and_gives_the_same() -> None:
    strategy = TopN(1, by="close")
    data = catalog()
    first, second = run(strategy, data), run(strategy, data)
    assert first["final_value"] == second["final_value"]


def test_a_subclass_of_a_ready_made_strategy_may_keep_state_and_runs_once() -> None:
    class Counting(TopN):
        n = 0

        def decide(self, batch: Any, broker: Any) -> None:
            self.n += 1
            super().decide(batch, broker)

    strategy = Counting(1, by="close")
    run(strategy, catalog())
    assert strategy.n == 3
    with pytest.raises(ConfigError, match="this Counting has run before"):
        run(strategy, catalog())


def test_a_class_that_never_calls_super_init_has_its_helpers() -> None:
    class Bare(Strategy):
        def __init__(self) -> None:
            self.seen: list[float] = []

        def on_market_event(self, event: Any, context: Any = None) -> None:
            self.seen.append(self.get_cash())

    strategy = Bare()
    run(strategy, catalog(1))
    assert strategy.seen == [10_000.0, 10_000.0]


class Awaited(Strategy):
    async def on_market_event(self, event: Any, context: Any = None) -> None: ...  # type: ignore[override]


class Yielding(Strategy):
    def on_market_event(self, event: Any, context: Any = None) -> Any:
        yield event


class FewArguments(Strategy):
    def on_timestamp_batch(self, events: Any, broker: Any) -> None: ...  # type: ignore[override]


class NoEvent(Strategy):
    def on_market_event(self) -> None: ...  # type: ignore[override]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Awaited, "on_market_event is a coroutine or a generator"),
        (Yielding, "on_market_event is a coroutine or a generator"),
        (FewArguments, "on_timestamp_batch must take (self, events, broker, portfolio)"),
        (NoEvent, "on_market_event must take (self, event, context)"),
    ],
)
def test_a_handler_that_cannot_work_is_refused_when_the_engine_is_made(
    kind: type[Strategy], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        BacktestEngine(catalog(), kind())
    assert message in str(caught.value)


class OwnDefault(Told):
    def on_market_event(self, event: Any, threshold: float = 0.8) -> None:  # type: ignore[override]
        self._told.append(threshold)


def test_a_second_parameter_of_another_name_keeps_its_default() -> None:
    strategy = OwnDefault()
    run(strategy, catalog(1))
    assert strategy._told == [0.8, 0.8]


def test_an_instance_does_not_run_beside_itself() -> None:
    inner: list[str] = []

    class Nested(TopN):
        is_reusable = True

        def decide(self, batch: Any, broker: Any) -> None:
            if not inner:
                inner.append("")
                with pytest.raises(ConfigError, match="this Nested is running"):
                    run(self, catalog(1))

    run(Nested(1, by="close"), catalog(1))
    assert inner == [""]


def test_a_start_that_raises_says_so_and_leaves_no_broker() -> None:
    class Starts(PerEvent):
        def on_start(self) -> None:
            raise ZeroDivisionError("mine")

    strategy = Starts()
    with pytest.raises(ZeroDivisionError) as caught:
        run(strategy, catalog())
    assert caught.value.__notes__ == ["raised by Starts.on_start before the first bar"]
    with pytest.raises(ConfigError, match="Broker not initialized"):
        strategy.get_cash()


def test_a_note_names_the_handler_that_raised_beside_notes_of_its_own() -> None:
    class OldFails(Told):
        def on_event(self, event: MarketEvent) -> None:
            error = ZeroDivisionError("mine")
            error.add_note("own")
            raise error

        def on_timestamp_batch(self, events: Any, broker: Any, portfolio: Any) -> None: ...

    with pytest.raises(ZeroDivisionError) as caught:
        run(OldFails(), catalog())
    assert caught.value.__notes__ == ["own", "raised by OldFails.on_event at 2024-01-01, asset 'A'"]


def test_a_frozen_strategy_runs() -> None:
    @dataclass(frozen=True)
    class Frozen(Strategy):
        level: float = 5.0

        def on_market_event(self, event: Any, context: Any = None) -> None:
            if not self.get_position(event.asset_id) and event.close > self.level:
                self.buy(event.asset_id, 1)

    assert run(Frozen(), catalog())["n_fills"] == 1  # B has no bar to fill at


def test_the_interpreter_is_left_as_it_was() -> None:
    before = sys.getswitchinterval(), gc.get_threshold()

    class Nests(Strategy):
        def decide(self, batch: Any, broker: Any) -> None:
            run(TopN(1, by="close"), catalog(1))

    run(Nests(), catalog(2))
    assert (sys.getswitchinterval(), gc.get_threshold()) == before


@pytest.mark.parametrize("tunes", [True, False])
def test_a_run_sets_the_interpreter_only_where_it_may(*, tunes: bool) -> None:
    before, during = (sys.getswitchinterval(), gc.get_threshold()), []

    class Looks(Strategy):
        def decide(self, batch: Any, broker: Any) -> None:
            during.append((sys.getswitchinterval(), gc.get_threshold()))

    BacktestEngine(catalog(2), Looks()).run(tunes_interpreter=tunes)
    assert during
    assert all((one != before) == tunes for one in during)


def test_whole_numbers_as_asset_ids_are_whole_numbers_in_events() -> None:
    data = Catalog(threads=1).register(
        "prices", {"timestamp": [day(0), day(1)], "asset_id": [7, 7], "open": [1.0, 1.0],
                   "close": [1.0, 1.0]},
    )  # fmt: skip

    class Whole(Told):
        def on_market_event(self, event: Any, context: Any = None) -> None:
            self._told.append((event.asset_id, self.get_position(7)))
            self.buy(7, 1)

    strategy = Whole()
    result = run(strategy, data)
    assert strategy._told == [(7, 0.0), (7, 1.0)]
    assert result.sql("select asset_id from fills").fetchall() == [(7,)]


def test_events_know_each_other() -> None:
    class Looks(Told):
        def on_timestamp_batch(self, events: Any, broker: Any, portfolio: Any) -> None:
            self._told.append((events[0] in events, events.index(events[-1]), events[0] == 3))

    strategy = Looks()
    run(strategy, catalog(1))
    assert strategy._told == [(True, 1, False)]


def test_a_bar_can_be_read_and_not_changed() -> None:
    class Writes(Strategy):
        def decide(self, batch: Any, broker: Any) -> None:
            batch.close[0] = 1.0

    with pytest.raises(ValueError, match="read-only"):
        run(Writes(), catalog())


# -- identity -----------------------------------------------------------------------------------


def run_id(strategy: Strategy) -> str:
    ((found,),) = run(strategy, catalog()).sql("select run_id from runs").fetchall()
    return str(found)


def counting(step: int) -> Strategy:
    class Counts(Strategy):
        def __init__(self) -> None:
            self.count = 0

        def on_market_event(self, event: Any, context: Any = None) -> None:
            if step == 1:
                self.count += 1

    class CountsTwice(Counts):
        def on_market_event(self, event: Any, context: Any = None) -> None:
            self.count += 2

    CountsTwice.__name__ = "Counts"
    return Counts() if step == 1 else CountsTwice()


def above(level: float, *, as_attribute: bool) -> Strategy:
    class Above(Strategy):
        threshold = level if as_attribute else 0.0

        def on_market_event(self, event: Any, context: Any = None, least: float = level) -> None:
            if event.close > (self.threshold if as_attribute else level):
                self.buy(event.asset_id, 1)

    return Above()


@pytest.mark.parametrize("as_attribute", [True, False])
def test_another_setting_is_another_run_wherever_it_stands(as_attribute: bool) -> None:
    first, second = above(15.0, as_attribute=as_attribute), above(5.0, as_attribute=as_attribute)
    assert run_id(first) == run_id(above(15.0, as_attribute=as_attribute)) != run_id(second)


def test_a_strategy_that_holds_itself_has_an_identity() -> None:
    strategy = PerEvent()
    strategy.me = strategy  # type: ignore[attr-defined]
    assert len(run_id(strategy)) == 12


def test_what_a_strategy_keeps_is_not_in_the_runs_identity_and_its_code_is() -> None:
    assert run_id(counting(1)) == run_id(counting(1)) != run_id(counting(2))
    ((shown,),) = (
        run(counting(1), catalog()).sql("select configuration->>'strategy' from runs").fetchall()
    )
    assert shown == "Counts(count=0)"


# -- names asked for in vain --------------------------------------------------------------------


def test_the_summary_says_which_names_were_never_found() -> None:
    class Misspelt(Strategy):
        def on_market_event(self, event: Any, context: Any = None) -> None:
            event.signals.get("scroe", 0.0)
            context.get("vxi", 0.0)
            event.signals.get("score")

    data = catalog(3, features=features(score=[1.0, None]),
                   context={"timestamp": [day(0)], "vix": [15.0]})  # fmt: skip
    lines = run(Misspelt(), data).summary().splitlines()
    assert [line for line in lines if line.startswith("Never found")] == [
        "Never found: signal 'scroe', read 5 times; did you mean 'score'?",
        "Never found: context value 'vxi', read 5 times; did you mean 'vix'?",
    ]


def test_the_summary_says_why_orders_did_not_fill() -> None:
    class Greedy(Strategy):
        def on_market_event(self, event: Any, context: Any = None) -> None:
            if event.asset_id == "A":
                self.buy("A", 1_000_000.0)

    lines = run(Greedy(), catalog(3)).summary().splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.startswith("Orders not filled whole")]
    assert [line.split() for line in lines[at + 1 : at + 3]] == [
        ["rejected:", "insufficient", "cash", "2"], ["expired:", "end", "of", "data", "1"],
    ]  # fmt: skip


def test_a_strategy_that_may_keep_something_is_asked_in_the_thread_of_the_run_alone() -> None:
    threads = set()

    class Own(TopN):
        def ranking(self) -> Ranking:
            threads.add(threading.get_ident())
            return super().ranking()

    run(Own(1, by="abs(close)"), catalog())
    assert threads == {threading.get_ident()}
