"""The integrated guide: its snippets run, and its strategies and loops do what it says of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from document_blocks import Document, on
from document_runs import BuyOnce, bars, features, holding, market
from hand_events import FREE, bought, close, day
from ml4t.backtest import BacktestConfig, BacktestEngine, Strategy
from ml4t.backtest.core.event import MarketEvent
from ml4t.backtest.data import PolarsDataFeed
from ml4t.backtest.data.feature_provider import PrecomputedFeatureProvider
from ml4t.backtest.execution import SimulationBroker
from ml4t.backtest.risk import (
    DynamicTrailingStop,
    RiskManager,
    TimeBasedExit,
    VolatilityScaledStopLoss,
)
from scripted import fills, trades


def provider(n: int = 4) -> PrecomputedFeatureProvider:
    """AAPL with a score and an ATR of 2, the VIX at 18.5, 19.5, ..."""
    own = features(ml_score=[0.85] * n, atr=[2.0] * n)
    shared = market(vix=[18.5 + t for t in range(n)])
    return PrecomputedFeatureProvider(pl.concat([own, shared], how="diagonal"))


# -- providers, managers, feeds ----------------------------------------------------------------


@on("integrated-guide 2")
def test_a_manager_takes_the_provider_of_the_feed_and_a_rule(document: Document) -> None:
    ours = provider()
    found = document.run(
        provider=ours, RiskManager=RiskManager, VolatilityScaledStopLoss=VolatilityScaledStopLoss
    )
    assert found["risk_manager"].feature_provider is ours
    assert found["risk_manager"].rule_names == ("VolatilityScaledStopLoss",)


@on("integrated-guide 8")
def test_a_provider_of_two_frames_answers_per_asset_and_for_the_market(document: Document) -> None:
    stamps = {"ts1": day(0), "ts2": day(1)}
    concat = pl.concat
    # Polars itself refuses frames whose columns are in another order, and of another type.
    with pytest.raises((pl.exceptions.ShapeError, pl.exceptions.SchemaError), match="vstack"):
        document.run(**stamps, patches={"polars.concat": concat})

    def by_name(frames: list[pl.DataFrame]) -> pl.DataFrame:
        return concat(frames, how="diagonal_relaxed")

    found = document.run(**stamps, patches={"polars.concat": by_name})
    # As settled: the page prints 0.0 for what is missing, and that is to be asked for.
    assert found["asset_features"] == {"ml_score": 0.85, "atr": 2.5, "rsi": 65.0}
    assert found["market_features"] == {"vix": 18.5, "spy_return": 0.01}
    old_form = PrecomputedFeatureProvider(found["combined"], fill_value=0.0)
    assert old_form.get_features("AAPL", day(0)) == {
        "ml_score": 0.85, "atr": 2.5, "rsi": 65.0, "vix": 0.0, "spy_return": 0.0,
    }  # fmt: skip
    assert old_form.get_market_features(day(0)) == {
        "vix": 18.5, "spy_return": 0.01, "ml_score": 0.0, "atr": 0.0, "rsi": 0.0,
    }  # fmt: skip


@on("integrated-guide 9")
def test_one_provider_fills_the_events_and_the_stop(document: Document, tmp_path: Path) -> None:
    bars([100, 100, 100, 94, 94]).drop("asset_id").write_parquet(tmp_path / "aapl.parquet")
    own = features(ml_score=[0.9] * 5, atr=[2.0] * 5)
    found = document.run(
        features_df=pl.concat([own, market(vix=[18.5] * 5)], how="diagonal"),
        price_path=tmp_path / "aapl.parquet",
        PrecomputedFeatureProvider=PrecomputedFeatureProvider,
        PolarsDataFeed=PolarsDataFeed,
        RiskManager=RiskManager,
        VolatilityScaledStopLoss=VolatilityScaledStopLoss,
    )
    event = next(iter(found["feed"]))
    assert (event.asset_id, dict(event.signals)) == ("AAPL", {"ml_score": 0.9, "atr": 2.0})
    assert dict(event.context) == {"vix": 18.5}
    result = BacktestEngine(
        found["feed"], BuyOnce(), risk_manager=found["risk_manager"],
        config=BacktestConfig(**FREE),
    ).run()  # fmt: skip
    # 2 x ATR below 100 is 96; the open is below it already.
    assert trades(result) == [("VolatilityScaledStopLoss", 100, -600)]


@on("integrated-guide 10")
def test_a_provider_that_computes_serves_a_run(document: Document) -> None:
    closes = [100.0 + t for t in range(30)]

    class Model:
        def predict(self, prices: list[float]) -> float:
            return 0.9 if prices[-1] > 120 else 0.1

    def recent(asset_id: str, timestamp: datetime, lookback: int) -> list[float]:
        t = (timestamp - day(0)).days
        return closes[max(0, t + 1 - lookback) : t + 1]

    found = document.run(
        datetime=datetime,
        timestamp=day(25),
        fetch_recent_ohlc=recent,
        compute_atr=lambda prices, period: np.ptp(prices) / max(len(prices) - 1, 1),
        compute_rsi=lambda prices, period: 100.0,
        ml_model=Model(),
        fetch_vix=lambda timestamp: 18.5,
        fetch_spy_return=lambda timestamp, lookback: 0.01,
    )
    assert found["features"] == {"ml_score": 0.9, "atr": 1.0, "rsi": 100.0}
    assert found["context"] == {"vix": 18.5, "spy_return": 0.01}

    class Buyer(Strategy):
        def on_market_event(self, event: MarketEvent, context: Any = None) -> None:
            is_good = event.signals["ml_score"] > 0.8 and event.context["vix"] < 30
            if is_good and self.get_position(event.asset_id) == 0:
                self.buy_percent(event.asset_id, 0.5)

    feed = PolarsDataFeed(bars(closes), feature_provider=found["provider"])
    result = BacktestEngine(feed, Buyer(), config=BacktestConfig(**FREE)).run()
    # Day 21 closes at 121 and is the first to score: half of 100,000 at 121, at day 22's open.
    assert fills(result) == [(22, "AAPL", round(50_000 / 121, 10), 122)]


# -- events and frames -----------------------------------------------------------------------------


@on("integrated-guide 12")
def test_the_market_is_looked_up_for_every_event(document: Document) -> None:
    ours = provider()
    events = [close(1, 100.0, asset) for asset in ("AAPL", "MSFT")]
    assert document.run(events=events, provider=ours, timestamp=day(1))["context"] == {"vix": 19.5}


@on("integrated-guide 15")
def test_the_contexts_are_cleared_at_the_market_close_alone(document: Document) -> None:
    broker = holding()
    manager = RiskManager([TimeBasedExit(60)], feature_provider=provider())
    for hour, n_kept in ((15, 1), (16, 0)):
        event = MarketEvent(timestamp=day(1) + timedelta(hours=hour), asset_id="AAPL", close=100.0)
        manager.check_position_exits(event, broker, broker.portfolio)
        document.run(event=event, risk_manager=manager)
        assert len(manager._loop._contexts) == n_kept


@on("integrated-guide 18")
def test_a_categorical_asset_trades_as_its_text_does(document: Document) -> None:
    df = pl.concat([bars([10, 11, 12], "A"), bars([20, 20, 21], "B")])
    found = document.run(df=df, pl=pl)["df"]
    assert found.schema["asset_id"] == pl.Categorical
    settings: dict[str, Any] = {"config": BacktestConfig(**FREE)}
    runs = [
        BacktestEngine(PolarsDataFeed(frame), BuyOnce(), **settings).run() for frame in (df, found)
    ]
    assert fills(runs[0]) == fills(runs[1]) == [(1, "A", 1000, 11), (1, "B", 500, 20)]


@on("integrated-guide 19")
def test_a_run_can_be_profiled(document: Document, capsys: pytest.CaptureFixture[str]) -> None:
    engine = BacktestEngine(PolarsDataFeed(bars([100, 101, 102])), BuyOnce())
    found = document.run(engine=engine)
    assert found["results"]["n_bars"] == 3
    printed = capsys.readouterr().out
    assert "function calls" in printed
    assert "engine.py" in printed


# -- troubleshooting -------------------------------------------------------------------------------


@on("integrated-guide 25")
def test_features_can_be_looked_up_by_hand(
    document: Document, capsys: pytest.CaptureFixture[str]
) -> None:
    found = document.run(event=close(1, 100.0, "AAPL"), provider=provider(), pl=pl)
    assert found["feature_rows"].rows(named=True) == [
        {"timestamp": day(1), "asset_id": "AAPL", "ml_score": 0.85, "atr": 2.0, "vix": None}
    ]
    printed = capsys.readouterr().out
    assert "Available features: dict_keys(['ml_score', 'atr'])" in printed
    assert "ml_score: 0.85" in printed


@on("integrated-guide 26")
def test_two_events_of_a_timestamp_share_one_context(document: Document) -> None:
    prices = pl.concat([bars([10, 11], "AAPL"), bars([20, 20], "MSFT")])
    events = list(PolarsDataFeed(prices, feature_provider=provider()))
    document.run(event1=events[0], event2=events[1])
    assert events[0].context is events[1].context
    assert [dict(one.context) for one in events] == [{"vix": 18.5}] * 2 + [{"vix": 19.5}] * 2


@on("integrated-guide 27")
def test_a_row_without_an_asset_is_market_wide(document: Document) -> None:
    frame = document.run(pl=pl, ts1=day(0))["market_df"]
    assert PrecomputedFeatureProvider(frame).get_market_features(day(0)) == {"vix": 18.5}
    wrong = PrecomputedFeatureProvider(frame.with_columns(asset_id=pl.lit("SPY")))
    assert wrong.get_market_features(day(0)) == {}
    assert wrong.get_features("SPY", day(0)) == {"vix": 18.5}


@on("integrated-guide 28", "integrated-guide 31", "integrated-guide 33")
def test_blocks_of_comments_run(document: Document) -> None:
    assert set(document.run()) == {"__name__", "__builtins__"}


@on("integrated-guide 29")
def test_what_a_rule_sees_and_says_can_be_printed(
    document: Document, capsys: pytest.CaptureFixture[str]
) -> None:
    broker, rule = holding(), TimeBasedExit(1)
    manager = RiskManager([rule], feature_provider=provider())
    for t, price in ((1, 97.0), (2, 90.0)):
        manager.check_position_exits(close(t, price, "AAPL"), broker, broker.portfolio)
    found = document.run(
        risk_manager=manager, rule=rule, asset_id="AAPL", event=close(2, 90.0, "AAPL"),
        broker=broker, portfolio=broker.portfolio,
    )  # fmt: skip
    printed = capsys.readouterr().out.splitlines()
    assert printed[:4] == [
        "ATR: 2.0", "Unrealized P&L: -100.0", "Entry price: 100.0", "Should exit: True",
    ]  # fmt: skip
    assert printed[4] == f"Reason: {found['decision'].reason}" != "Reason: "


@on("integrated-guide 30")
def test_a_rule_with_the_right_key_triggers_once_fills_are_recorded(document: Document) -> None:
    broker, event = SimulationBroker(10_000, **FREE), close(0, 100.0, "AAPL")
    bought(broker, "AAPL", 10)
    ours = PrecomputedFeatureProvider(features(atr_20=[2.0] * 3))
    found = document.run(
        provider=ours,
        fills=broker.on_market_event(event),
        market_event=event,
        RiskManager=RiskManager,
        VolatilityScaledStopLoss=VolatilityScaledStopLoss,
    )
    manager = found["risk_manager"].add_rule(found["rule"])
    exits = [
        (t, order.tag, order.stop)
        for t, price in ((0, 100.0), (1, 97.0), (2, 95.0))
        for order in manager.check_position_exits(close(t, price, "AAPL"), broker)
    ]
    assert exits == [(2, "VolatilityScaledStopLoss", 96)]


@on("integrated-guide 32")
def test_clearing_the_contexts_in_a_loop_loses_no_protection(document: Document) -> None:
    broker, manager = holding(), RiskManager([DynamicTrailingStop(0.05)])
    moments = [day(1) + timedelta(hours=hour) for hour in (15, 16)]
    events = [MarketEvent(timestamp=at, asset_id="AAPL", close=110.0) for at in moments]
    for event in events:
        manager.check_position_exits(event, broker)
    document.run(events=events, risk_manager=manager, cutoff_timestamp=day(1))
    assert manager._loop._contexts == {}
    (order,) = manager.check_position_exits(close(2, 104.0, "AAPL"), broker)
    assert order.stop == 104.5


@on("integrated-guide 34")
def test_an_event_tells_its_time(document: Document, capsys: pytest.CaptureFixture[str]) -> None:
    document.run(event=close(1, 100.0))
    assert capsys.readouterr().out.startswith(f"Event timestamp: {day(1)}\n")
