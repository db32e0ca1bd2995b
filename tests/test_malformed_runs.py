"""Malformed inputs where more than one setting counts: registrations, runs, orders, feeds, results.

Each place is given every value of `malformed.VALUES`; what it takes is said here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction
from functools import cache
from typing import Any

import duckdb
import polars as pl
import pytest

from effort import share
from malformed import (
    NAMES,
    NONE,
    NOTHING,
    VALUES,
    Kind,
    above,
    at_least,
    instance,
    is_number,
    verdict,
    whole,
    words,
)
from ml4t.backtest import BacktestConfig, BacktestEngine, BacktestResult, Catalog, Strategy, TopN
from ml4t.backtest.core.tolerances import LARGEST
from ml4t.backtest.data.feature_provider import CallableFeatureProvider, PrecomputedFeatureProvider
from ml4t.backtest.data.feeds.feed import (
    DataFeed,
    HistoricalDataFeed,
    ParquetDataFeed,
    PolarsDataFeed,
)
from ml4t.backtest.data.indicators import Indicators
from ml4t.backtest.errors import BacktestError

DAYS = [date(2024, 1, day) for day in (2, 3, 4, 5)]
PRICES = {
    "timestamp": DAYS * 2, "asset_id": ["A"] * 4 + ["B"] * 4, "open": [10.0] * 8,
    "high": [11.0] * 8, "low": [9.0] * 8, "close": [10.0, 10.5] * 4, "volume": [1e3] * 8,
}  # fmt: skip
SCORES = {"timestamp": DAYS, "asset_id": ["A"] * 4, "score": [1.0, 2.0, 3.0, 4.0]}
FRAME = pl.DataFrame(PRICES)
CALLABLE = Kind("a function", callable)
TRUE = Kind("True", lambda v: v is True)
INTERVAL = Kind("a timedelta", lambda v: type(v).__name__ == "timedelta")
CONSTANT = words("0.5")  # SQL, and the same for every row
BAR = Kind("the first day", lambda v: isinstance(v, date))
EMPTY = Kind("no rules", lambda v: isinstance(v, (list, tuple)) and not v)


def catalog() -> Catalog:
    return Catalog(threads=1).register("prices", PRICES)


def best(**changes: Any) -> TopN:
    return TopN(**{"n": 1, "by": "close", **changes})


@cache
def shared() -> Catalog:
    """Return one catalog for all runs; they leave no trace in it."""
    return catalog()


def reused(use: Callable[[Catalog, Any], object]) -> Callable[[Any], object]:
    """Give `use` one catalog until it takes a value: what is refused leaves no trace there."""
    kept: list[Catalog] = []

    def used(value: Any) -> object:
        data = kept.pop() if kept else catalog()
        try:
            return use(data, value)
        except BacktestError:
            kept.append(data)
            raise

    return used


def run(data: Any = None, strategy: Any = None, *broker: Any, **settings: Any) -> BacktestResult:
    data = shared() if data is None else data
    return BacktestEngine(data, strategy or best(), *broker, **settings).run()


def registered(option: str) -> Callable[[Any], object]:
    return reused(lambda data, v: data.register("features", SCORES, **{option: v}).validate())


# place -> (what it takes, what an error may call it, what is done with a value)
Place = tuple[Kind, list[str], Callable[[Any], object]]
PLACES: dict[str, Place] = {
    "register.role": (NOTHING, ["role"], reused(lambda data, v: data.register(v, SCORES))),
    "register.source": (
        NOTHING, ["source"], lambda v: Catalog().register("prices", v).validate(),
    ),
    "register.name": (NONE | words("0.5", "xyzzy"), ["name"], registered("name")),
    "register.available_at": (
        NONE, ["available_at", "column"], registered("available_at"),
    ),
    "register.lag": (NONE | INTERVAL, ["lag"], registered("lag")),
    "register.max_age": (NONE | INTERVAL, ["max_age"], registered("max_age")),
    "register.on_bad_rows": (NOTHING, ["on_bad_rows"], registered("on_bad_rows")),
    "engine.data_feed": (
        NOTHING, ["data_feed", "feed"], lambda v: BacktestEngine(v, best()).run(),
    ),
    "engine.strategy": (
        NOTHING, ["strategy", "Strategy"], lambda v: BacktestEngine(shared(), v).run(),
    ),
    "engine.broker": (NONE, ["broker"], lambda v: run(None, None, v)),
    "engine.context_data": (NONE, ["context_data"], lambda v: run(context_data=v)),
    "engine.initial_capital": (
        NONE | above(0), ["initial_capital"],
        lambda v: BacktestEngine(shared(), best(), initial_capital=v),
    ),
    "engine.risk_manager": (NONE, ["risk_manager"], lambda v: run(risk_manager=v)),
    "engine.config": (NONE, ["config"], lambda v: run(config=v)),
    "run.progress": (
        NONE | TRUE | CALLABLE, ["progress"],
        lambda v: BacktestEngine(shared(), best()).run(print if callable(v) else v),
    ),
    "run.start": (
        NONE | BAR, ["start"], lambda v: BacktestEngine(shared(), best()).run(start=v),
    ),
    "run.end": (NONE | BAR, ["end"], lambda v: BacktestEngine(shared(), best()).run(end=v)),
    "TopN.by": (CONSTANT, ["by", "expression"], lambda v: run(None, best(by=v))),
    "TopN.where": (NONE, ["where", "expression"], lambda v: run(None, best(where=v))),
    "TopN.when": (NONE, ["when", "expression"], lambda v: run(None, best(when=v))),
    "TopN.weight": (CONSTANT, ["weight", "expression"], lambda v: run(None, best(weight=v))),
    "TopN.within": (
        NONE | CONSTANT, ["within", "expression"], lambda v: run(None, best(within=v)),
    ),
    "preview.strategy": (NOTHING, ["strategy"], lambda v: shared().preview(v, DAYS[0])),
    "preview.timestamp": (
        BAR, ["timestamp", "bar"], lambda v: shared().preview(best(), v).fetchall(),
    ),
    "preset": (NOTHING, ["preset"], BacktestConfig.preset),
    "result.open": (NOTHING, ["path", "run"], BacktestResult.open),
    "feed.asset_id": (
        NONE, ["asset"], lambda v: run(PolarsDataFeed(FRAME, asset_id=v)),
    ),
    "feed.signal_columns": (
        NONE | EMPTY, ["signal_columns", "signal column"],
        lambda v: run(PolarsDataFeed(FRAME, signal_columns=v)),
    ),
    "feed.signals": (
        NONE | EMPTY, ["signals", "signal_columns", "signal column"],
        lambda v: run(PolarsDataFeed(FRAME, signals=v)),
    ),
    "feed.feature_provider": (
        NONE, ["feature_provider"], lambda v: run(PolarsDataFeed(FRAME, feature_provider=v)),
    ),
    "features_df": (
        NOTHING, ["features"], lambda v: PrecomputedFeatureProvider(v).get_features("A", DAYS[0]),
    ),
    "timestamp_col": (
        NOTHING, ["timestamp_col", "column"],
        lambda v: PrecomputedFeatureProvider(SCORES, timestamp_col=v).get_features("A", DAYS[0]),
    ),
    "asset_col": (
        NOTHING, ["asset_col", "column"],
        lambda v: PrecomputedFeatureProvider(SCORES, asset_col=v).get_features("A", DAYS[0]),
    ),
    "fill_value": (
        NONE | instance(str) | Kind("a number", is_number),
        ["fill_value"], lambda v: PrecomputedFeatureProvider(SCORES, fill_value=v),
    ),
    "get_features": (
        BAR, ["timestamp"], lambda v: PrecomputedFeatureProvider(SCORES).get_features("A", v),
    ),
    "compute_fn": (CALLABLE, ["compute_fn"], CallableFeatureProvider),
    "compute_market_fn": (
        NONE | CALLABLE, ["compute_market_fn"], lambda v: CallableFeatureProvider(dict, v),
    ),
    "what compute_fn returns": (
        instance(dict), ["returned"],
        lambda v: CallableFeatureProvider(lambda asset, at: v).get_features("A", DAYS[0]),
    ),
    **{
        f"{feed.__name__}.data": (
            NOTHING, ["data", "source", "path"], lambda v, feed=feed: run(feed(v)),
        )
        for feed in (DataFeed, PolarsDataFeed, HistoricalDataFeed, ParquetDataFeed)
    },
}  # fmt: skip


def wrong(place: Place, which: int) -> dict[str, str]:
    kind, called, use = place
    values = share([*VALUES.items()], which, 6)
    found = {label: verdict(kind, called, value, use) for label, value in values}
    return {label: said for label, said in found.items() if said != "right"}


@pytest.mark.parametrize("place", PLACES)
def test_a_place_takes_what_it_may_be_and_refuses_all_else_in_words(place: str) -> None:
    assert wrong(PLACES[place], [*PLACES].index(place)) == {}


def test_sql_that_is_no_text_is_refused_and_its_own_mistakes_are_duckdb_s() -> None:
    result = run()
    texts = {label for label, value in VALUES.items() if isinstance(value, str) and value.strip()}
    for query in (shared().sql, result.sql):
        said = {
            label: verdict(NOTHING, ["query"], value, query)
            for label, value in VALUES.items()
            if label not in texts
        }
        assert {label for label, one in said.items() if one != "right"} == set()
        with pytest.raises(duckdb.CatalogException, match="sgnals does not exist") as caught:
            query("select * from sgnals").fetchall()
        assert "explain" not in str(caught.value)


# -- indicators -------------------------------------------------------------------------------

BARS, MOST = whole(1, 1_000_000), 1_000_000
OWN = NONE | words("0.5", "xyzzy")
INDICATORS: dict[str, tuple[dict[str, Any], dict[str, Kind]]] = {
    "atr": ({}, {"n": BARS, "name": OWN}),
    "bollinger": ({}, {"n": whole(2, MOST), "k": at_least(0), "name": OWN}),
    "cross_rank": ({"column": "volume"}, {"column": NOTHING, "by": NONE, "name": OWN}),
    "cross_zscore": ({"column": "volume"}, {"column": NOTHING, "by": NONE, "name": OWN}),
    "ema": ({"n": 2}, {"n": BARS, "name": OWN}),
    "macd": ({}, {"fast": whole(1, 25), "slow": whole(13, MOST), "signal": BARS, "name": OWN}),
    "momentum": ({}, {"n": BARS, "skip": whole(0, 19), "name": OWN}),
    "returns": ({}, {"n": BARS, "name": OWN}),
    "rsi": ({}, {"n": BARS, "name": OWN}),
    "sma": ({"n": 2}, {"n": BARS, "name": OWN}),
    "volatility": ({}, {"n": whole(2, MOST), "name": OWN}),
    "zscore": ({}, {"n": whole(2, MOST), "name": OWN}),
}


@pytest.mark.parametrize(
    ("name", "parameter"), [(n, p) for n in INDICATORS for p in INDICATORS[n][1]]
)
def test_an_indicator_takes_what_it_may_be_and_refuses_all_else(name: str, parameter: str) -> None:
    beside, kinds = INDICATORS[name]

    use = reused(lambda data, v: getattr(data.indicators, name)(**{**beside, parameter: v}))
    which = [*kinds].index(parameter) + [*INDICATORS].index(name)
    assert wrong((kinds[parameter], [parameter, "column"], use), which) == {}


def test_every_parameter_of_every_indicator_has_its_kind() -> None:
    public = {name: one for name, one in vars(Indicators).items() if not name.startswith("_")}
    assert {name: set(kinds) for name, (_, kinds) in INDICATORS.items()} == {
        name: set(inspect.signature(one).parameters) - {"self"} for name, one in public.items()
    }


# -- orders -----------------------------------------------------------------------------------


def plain(kind: Kind) -> Kind:
    """Numbers of an order are Python's or NumPy's own."""
    return Kind(kind.name, lambda v: not isinstance(v, Fraction) and kind.takes(v))


SHARES = plain(above(0, LARGEST))
TARGET = plain(above(-LARGEST, LARGEST))
PRICE = plain(above(0)) | NONE
EQUITY = plain(at_least(0, most=10))
SIGNED = plain(at_least(-10, most=10))
ASSET = ["asset"]
FLAG_OR_NONE = NONE | Kind("a flag", lambda v: isinstance(v, bool))
Send = Callable[[Any, Any], object]
ORDERS: dict[str, tuple[Kind, list[str], Send]] = {
    "asset": (NOTHING, ASSET, lambda s, v: s.buy(v, 1)),
    "quantity": (SHARES, ["quantity"], lambda s, v: s.buy("A", v)),
    "quantity of a sale": (SHARES, ["quantity"], lambda s, v: s.sell("A", v)),
    **{
        name: (PRICE, [name], lambda s, v, name=name: s.buy("A", 1, **{name: v}))
        for name in ("limit", "stop", "if_touched", "trail", "take_profit", "stop_loss")
    },
    "trail_fraction": (
        NONE | plain(above(0, 1)), ["trail_fraction"], lambda s, v: s.buy("A", 1, trail_fraction=v),
    ),
    "on_close": (FLAG_OR_NONE, ["on_close"], lambda s, v: s.buy("A", 1, on_close=v)),
    "tif": (NONE, ["tif"], lambda s, v: s.buy("A", 1, tif=v)),
    "tag": (NONE | instance(str), ["tag"], lambda s, v: s.buy("A", 1, tag=v)),
    "good_till": (BAR, ["good_till"], lambda s, v: s.buy("A", 1, tif="gtd", good_till=v)),
    "good_till alone": (NONE, ["good_till"], lambda s, v: s.buy("A", 1, good_till=v)),
    "order_target": (TARGET, ["quantity"], lambda s, v: s.order_target("A", v)),
    "order_target_percent": (SIGNED, ["fraction"], lambda s, v: s.order_target_percent("A", v)),
    "target weights": (
        Kind("an empty mapping", lambda v: isinstance(v, dict) and not v),
        ["weights", "asset"], lambda s, v: s.order_target_weights(v),
    ),
    "a target weight": (SIGNED, ["weight"], lambda s, v: s.order_target_weights({"A": v})),
    "rebalance": (
        NOTHING, ["target_weights", "asset"], lambda s, v: s.rebalance_to_weights(v),
    ),
    "a weight of a rebalance": (
        plain(at_least(-10, most=10)), ["weight"], lambda s, v: s.rebalance_to_weights({"A": v}),
    ),
    "current_prices": (
        NONE, ["current_prices"], lambda s, v: s.rebalance_to_weights({"A": 0.1}, v),
    ),
    "buy_percent": (at_least(0, most=10), ["percent"], lambda s, v: s.buy_percent("A", v)),
    "sell_percent": (at_least(0, most=10), ["percent"], lambda s, v: s.sell_percent("A", v)),
    "set_position_percent": (
        plain(at_least(-10, most=10)), ["percent"], lambda s, v: s.set_position_percent("A", v),
    ),
    "price": (PRICE, ["price"], lambda s, v: s.buy_percent("A", 0.1, v)),
    "reduce_position": (at_least(0, most=1), ["percent"], lambda s, v: s.reduce_position("A", v)),
    "confidence": (
        at_least(0, most=1), ["confidence"], lambda s, v: s.size_by_confidence("A", v, 0.1),
    ),
    "max_percent": (
        at_least(0, most=10), ["max_percent"], lambda s, v: s.size_by_confidence("A", 0.1, v),
    ),
    "cancel": (NOTHING, ["order"], lambda s, v: s.cancel(v)),
    "replace": (NOTHING, ["order"], lambda s, v: s.replace(v, limit=3)),
    "one_cancels_other": (NOTHING, ["order"], lambda s, v: s.one_cancels_other(v)),
    "open_orders": (NONE, ASSET, lambda s, v: s.open_orders(v)),
    **{
        name: (NOTHING, ASSET, lambda s, v, name=name: getattr(s, name)(v))
        for name in ("get_position", "get_position_value", "get_unrealized_pnl",
                     "get_unrealized_pnl_pct", "close_position")
    },
}  # fmt: skip


class Sends(Strategy):
    """Sends orders on the first bar, one for each value."""

    def __init__(self, place: str) -> None:
        self.place, self.wrong = place, {"no bar": "no run"}

    def on_timestamp_batch(self, events: Any, broker: Any, portfolio: Any) -> None:
        if events[0].timestamp.day == 2:
            kind, called, send = ORDERS[self.place]
            self.wrong = wrong((kind, called, lambda v: send(self, v)), [*ORDERS].index(self.place))


@pytest.mark.parametrize("place", ORDERS)
def test_an_order_takes_what_it_may_be_and_refuses_all_else_in_words(place: str) -> None:
    strategy = Sends(place)
    run(None, strategy)
    assert strategy.wrong == {}


# -- what a strategy declares -----------------------------------------------------------------


class Declares(Strategy):
    def __init__(self, name: str, value: object) -> None:
        setattr(self, name, value)

    def decide(self, batch: Any, broker: Any) -> None:
        """Do nothing."""


@pytest.mark.parametrize("name", ["features", "conditions", "expressions"])
def test_what_a_strategy_declares_is_a_list_of_names_that_are_there(name: str) -> None:
    kind = Kind("no names", lambda v: NAMES.takes(v) and not v)
    called = [name, "feature", "expression"]
    assert wrong((kind, called, lambda v: run(None, Declares(name, v))), len(name)) == {}


def test_a_lag_of_a_timedelta_is_the_lag_of_its_text() -> None:
    def seen(lag: object) -> list[Any]:
        with_lag = catalog().register("features", SCORES, lag=lag)  # type: ignore[arg-type]
        return with_lag.sql("select timestamp, score from signals order by all").fetchall()

    assert seen(timedelta(days=1)) == seen("1 day") != seen(timedelta(days=2))
    assert seen(timedelta(hours=36)) == seen("36 hours")
    assert seen(timedelta(0)) == seen("0 days")


def test_the_number_of_malformed_inputs() -> None:
    given = [(kind, value) for kind, _, _ in [*PLACES.values(), *ORDERS.values()]
             for value in VALUES.values()]  # fmt: skip
    assert sum(not kind.takes(value) for kind, value in given) > 2_500
