"""The patterns and loops of the integrated guide: strategy and rules do what it says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from document_blocks import Document, on
from document_runs import bars, context, features, holding, market, run
from hand_events import day, walk
from ml4t.backtest import Strategy
from ml4t.backtest.core.event import MarketEvent
from ml4t.backtest.data.feature_provider import PrecomputedFeatureProvider
from ml4t.backtest.execution import LoopFill, SimulationBroker
from ml4t.backtest.risk import (
    DynamicTrailingStop,
    RiskManager,
    TimeBasedExit,
    VolatilityScaledStopLoss,
)
from scripted import fills, trades


@on("integrated-guide 4")
@pytest.mark.parametrize(
    ("signals", "vix", "bought"),
    [
        ({"ml_score": 0.9, "confidence": 0.75, "rsi_14": 60.0}, 15.0, 900),  # 0.75 x 1.2 = 0.9
        ({"ml_score": 0.9, "confidence": 0.9, "rsi_14": 60.0}, 15.0, 950),  # at most 0.95
        ({"ml_score": 0.9, "confidence": 0.75, "rsi_14": 75.0}, 15.0, None),
        ({"ml_score": 0.9, "confidence": 0.6, "rsi_14": 60.0}, 15.0, None),
        ({"ml_score": 0.9, "confidence": 0.75, "rsi_14": 60.0}, 35.0, None),
    ],
)
def test_size_follows_confidence_where_signals_and_vix_agree(
    document: Document, signals: dict[str, float], vix: float, bought: float | None
) -> None:
    found = document.run(Strategy=Strategy)
    result = run(found["MLStrategy"](), bars([100] * 2, **signals),
                 context_data=context(vix=[vix] * 2))  # fmt: skip
    assert fills(result) == ([] if bought is None else [(1, "AAPL", bought, 100)])


@on("integrated-guide 20")
def test_pattern_1_enters_on_the_model_and_leaves_by_the_stop(document: Document) -> None:
    n = 8
    frame = features(ml_score=[0.9] + [0.1] * 7, confidence=[0.8] * n, atr=[2.5] * n)
    found = document.run(features_df=frame)
    result = run(found["MLFilterStrategy"](), bars([100, 100, 99, 97, 94, 94, 94, 94]),
                 risk_manager=found["risk_manager"])  # fmt: skip
    # 2.0 x ATR below 100 is 95; the open of day 4 is below it already.
    assert fills(result) == [(1, "AAPL", 950, 100), (4, "AAPL", -950, 94)]
    assert trades(result) == [("VolatilityScaledStopLoss", 950, -5700)]


@on("integrated-guide 20")
def test_pattern_1_leaves_after_60_bars(document: Document) -> None:
    n = 70
    frame = features(ml_score=[0.9] + [0.1] * 69, confidence=[0.8] * n, atr=[2.5] * n)
    found = document.run(features_df=frame)
    result = run(found["MLFilterStrategy"](), bars([100] * n), risk_manager=found["risk_manager"])
    # From the open of day 1 through the close of day 60; the exit fills at the next open.
    assert fills(result) == [(1, "AAPL", 950, 100), (61, "AAPL", -950, 100)]
    assert trades(result) == [("TimeBasedExit", 950, 0)]


@on("integrated-guide 21")
@pytest.mark.parametrize(("vix", "bought"), [(15.0, 950), (25.0, 500), (32.0, 250)])
def test_pattern_2_sizes_by_the_vix_and_leaves_when_it_spikes(
    document: Document, vix: float, bought: float
) -> None:
    manager = RiskManager()
    found = document.run(
        Strategy=Strategy, risk_manager=manager, VolatilityScaledStopLoss=VolatilityScaledStopLoss
    )
    prices = bars([100] * 5, ml_score=[0.9, 0.9, 0.9, 0.5, 0.5], atr=2.0)
    result = run(found["RegimeAdaptiveStrategy"](), prices, risk_manager=manager,
                 context_data=context(vix=[vix, vix, 36.0, 36.0, 36.0]))  # fmt: skip
    assert fills(result) == [(1, "AAPL", bought, 100), (3, "AAPL", -bought, 100)]
    assert manager.rule_names == ("VolatilityScaledStopLoss",)


@on("integrated-guide 21")
def test_pattern_2_is_stopped_whatever_the_regime(document: Document) -> None:
    manager = RiskManager()
    found = document.run(
        Strategy=Strategy, risk_manager=manager, VolatilityScaledStopLoss=VolatilityScaledStopLoss
    )
    prices = bars([100, 100, 95, 95], ml_score=[0.9, 0.5, 0.5, 0.5], atr=2.0)
    result = run(found["RegimeAdaptiveStrategy"](), prices, risk_manager=manager,
                 context_data=context(vix=[15.0] * 4))  # fmt: skip
    assert trades(result) == [("VolatilityScaledStopLoss", 950, -4750)]


GOOD = {"ml_score": 0.9, "confidence": 0.75, "rsi_14": 60.0, "momentum_20": 0.1, "atr": 50.0}


def pattern_3(document: Document, closes: list[float], **columns: Any) -> Any:
    manager = RiskManager()
    found = document.run(
        Strategy=Strategy,
        risk_manager=manager,
        VolatilityScaledStopLoss=VolatilityScaledStopLoss,
        DynamicTrailingStop=DynamicTrailingStop,
    )
    vix = columns.pop("vix", 15.0)
    prices = bars(closes, **{**GOOD, **columns})
    return run(found["MultiSignalStrategy"](), prices, risk_manager=manager,
               context_data=context(vix=[vix] * len(closes)))  # fmt: skip


@on("integrated-guide 22")
def test_pattern_3_leaves_when_the_signals_deteriorate(document: Document) -> None:
    result = pattern_3(document, [100] * 4, ml_score=[0.9, 0.9, 0.3, 0.3])
    assert fills(result) == [(1, "AAPL", 900, 100), (3, "AAPL", -900, 100)]


@on("integrated-guide 22")
@pytest.mark.parametrize(
    "bad",
    [{"ml_score": 0.8}, {"confidence": 0.7}, {"rsi_14": 70.0}, {"momentum_20": 0.0}, {"vix": 30.0}],
)
def test_pattern_3_enters_only_where_all_agree(document: Document, bad: dict[str, float]) -> None:
    assert fills(pattern_3(document, [100] * 3, **bad)) == []


@on("integrated-guide 22")
def test_pattern_3_has_a_trailing_stop_behind_it(document: Document) -> None:
    result = pattern_3(document, [100, 100, 110, 104, 104], ml_score=[0.9, 0.5, 0.5, 0.5, 0.5])
    # 5% below the best price, 110, is 104.5.
    assert trades(result) == [("DynamicTrailingStop", 900, 3600)]


@on("integrated-guide 23")
def test_pattern_4_rotates_into_the_top_every_fifth_bar(document: Document) -> None:
    manager = RiskManager()
    found = document.run(
        risk_manager=manager,
        VolatilityScaledStopLoss=VolatilityScaledStopLoss,
        TimeBasedExit=TimeBasedExit,
    )
    assert manager.rule_names == ("VolatilityScaledStopLoss", "TimeBasedExit")

    # The page forgets the base that the helpers come from.
    class Rotation(found["TopNRotationStrategy"], Strategy):  # type: ignore[misc]
        pass

    n = 25
    scores = {"A": [0.9] * n, "B": [0.8] * 9 + [0.1] * 16, "C": [0.5] * n, "D": [1.0] * n}
    prices = pl.concat(
        bars([100] * n, asset, ml_score=score, atr=pl.Series([None if asset == "D" else 2.0] * n,
             dtype=pl.Float64).to_list())
        for asset, score in scores.items()
    )  # fmt: skip
    # The 15th bar is filtered, and counts.
    vix = [31.0 if t == 14 else 20.0 for t in range(n)]
    strategy = Rotation(n_positions=2, rebalance_frequency=5)
    result = run(strategy, prices, risk_manager=manager, context_data=context(vix=vix))
    # D has no ATR. Decided on the bars 5 and 10, which are 4 and 9 from 0.
    assert fills(result) == [
        (5, "A", 500, 100), (5, "B", 500, 100), (10, "B", -500, 100), (10, "C", 500, 100),
    ]  # fmt: skip
    assert (strategy.bar_count, strategy.current_holdings) == (n, {"A", "C"})


@on("integrated-guide 23")
def test_pattern_4_is_protected_by_the_rules(document: Document) -> None:
    manager = RiskManager()
    found = document.run(
        risk_manager=manager,
        VolatilityScaledStopLoss=VolatilityScaledStopLoss,
        TimeBasedExit=TimeBasedExit,
    )

    class Rotation(found["TopNRotationStrategy"], Strategy):  # type: ignore[misc]
        pass

    prices = bars([100] * 7 + [95] * 2, "A", ml_score=0.9, atr=2.0)
    result = run(Rotation(n_positions=2), prices, risk_manager=manager,
                 context_data=context(vix=[20.0] * 9))  # fmt: skip
    assert trades(result) == [("VolatilityScaledStopLoss", 500, -2500)]


# -- the loop by hand ----------------------------------------------------------------------------

N_STOCKS, N_DAYS = 60, 80


class Noting(SimulationBroker):
    """A broker that notes its fills: the loop of the guide drops them."""

    def __init__(self) -> None:
        super().__init__(initial_cash=1_000_000)
        self.fills: list[LoopFill] = []

    def on_market_event(self, event: MarketEvent) -> list[LoopFill]:
        fills = super().on_market_event(event)
        self.fills += fills
        return fills


def rebalance_portfolio(
    broker: SimulationBroker, top_assets: list[tuple[str, float, float]], target_pct: float
) -> None:
    """Sell what is not at the top any more, buy what is new there."""
    top = {asset for asset, _, _ in top_assets}
    for asset, held in list(broker.positions.items()):
        if asset not in top:
            broker.submit_order(broker.market_order(asset, -held.quantity))
    for asset, _, price in top_assets:
        if not broker.get_position(asset) and not broker.open_orders(asset):
            quantity = broker.portfolio.equity * target_pct / price
            broker.submit_order(broker.market_order(asset, quantity))


@pytest.fixture(scope="module")
def stocks() -> pl.DataFrame:
    """60 stocks of 80 days with a score that lasts some days, and an ATR that some lack."""
    rng = np.random.default_rng(11)
    rows = []
    for i in range(N_STOCKS):
        score = np.repeat(rng.random(N_DAYS // 8), 8)
        for t, (_, _, _, price) in enumerate(walk(rng, N_DAYS)):
            atr = None if rng.random() < 0.05 else price * 0.02
            rows.append((day(t), f"S{i:02}", price, float(score[t]), atr))
    names = ["timestamp", "asset_id", "close", "ml_score", "atr"]
    return pl.DataFrame(rows, schema=names, orient="row").sort("timestamp", "asset_id")


WILD_DAYS = range(30, 36)


@pytest.fixture(scope="module")
def vix() -> pl.DataFrame:
    return market(vix=[35.0 if t in WILD_DAYS else 18.0 for t in range(N_DAYS)])


@on("integrated-guide 11")
def test_the_batch_loop_holds_the_top_25_and_leaves_at_stops(
    document: Document, stocks: pl.DataFrame, vix: pl.DataFrame
) -> None:
    broker = Noting()
    found = document.run(
        files={"stock_data.parquet": stocks.write_parquet, "vix_data.parquet": vix.write_parquet},
        combined_features_df=pl.concat([stocks.drop("close"), vix], how="diagonal"),
        broker=broker,
        portfolio=broker.portfolio,
        VolatilityScaledStopLoss=VolatilityScaledStopLoss,
        DynamicTrailingStop=DynamicTrailingStop,
        rebalance_portfolio=rebalance_portfolio,
    )
    by_tag: dict[str, list[LoopFill]] = {}
    for fill in broker.fills:
        by_tag.setdefault(fill.tag, []).append(fill)
    assert set(by_tag) == {"order", "VolatilityScaledStopLoss", "DynamicTrailingStop"}
    assert len(by_tag["DynamicTrailingStop"]) > 20
    assert len(by_tag["VolatilityScaledStopLoss"]) > 20
    # Between two days of high VIX nothing is decided: no order of the strategy fills after one.
    wild = {day(t + 1) for t in WILD_DAYS}
    assert not wild & {fill.timestamp for fill in by_tag["order"]}
    assert wild & {fill.timestamp for fill in broker.fills}
    assert 20 <= len(broker.positions) <= found["N_POSITIONS"] == 25
    first = [fill for fill in broker.fills if fill.timestamp == day(1)]
    assert [len(first), all(fill.quantity > 0 for fill in first)] == [25, True]
    prices = stocks.filter(pl.col("timestamp") == day(0))
    ranked = prices.filter(pl.col("atr").is_not_null()).sort("ml_score", descending=True)
    assert {fill.asset_id for fill in first} <= set(ranked["asset_id"][:35])
    assert broker.get_cash() >= 0


@on("integrated-guide 35")
def test_the_key_sections_ask_the_rules_at_the_end_of_a_day(
    document: Document, stocks: pl.DataFrame, vix: pl.DataFrame
) -> None:
    # The loop asks for the day's last asset alone: that is what is held, and it falls at the end.
    last, end = "S59", pl.col("timestamp") == day(N_DAYS - 1)
    is_last = (pl.col("asset_id") == last) & end
    fallen = stocks.with_columns(
        pl.when(is_last).then(1.0).otherwise(pl.col("close")).alias("close")
    )
    at_start = fallen.row(
        by_predicate=(pl.col("asset_id") == last) & (pl.col("timestamp") == day(0)), named=True
    )
    broker = holding(last, at_start["close"])
    own = stocks.select("timestamp", "asset_id", "ml_score", "atr", vix=pl.lit(None, pl.Float64))
    shared = vix.select("timestamp", "asset_id", ml_score=pl.lit(None, pl.Float64),
                        atr=pl.lit(None, pl.Float64), vix="vix")  # fmt: skip
    found = document.run(
        pl=pl,
        per_asset_features=own,
        market_features=shared,
        timestamps=sorted(fallen["timestamp"].unique()),
        stock_data=fallen,
        vix_data=vix,
        broker=broker,
        portfolio=broker.portfolio,
        MarketEvent=MarketEvent,
        PrecomputedFeatureProvider=PrecomputedFeatureProvider,
        RiskManager=RiskManager,
        VolatilityScaledStopLoss=VolatilityScaledStopLoss,
        DynamicTrailingStop=DynamicTrailingStop,
        TimeBasedExit=TimeBasedExit,
    )
    assert found["risk_manager"].rule_names == (
        "VolatilityScaledStopLoss", "DynamicTrailingStop", "TimeBasedExit",
    )  # fmt: skip
    (order,) = found["exit_orders"][:1]
    assert (order.asset_id, order.quantity, order.decided_at) == (last, -10, day(N_DAYS - 1))
    assert order.tag in found["risk_manager"].rule_names
    broker.submit_order(order)
    (fill,) = broker.on_market_event(found["event"])
    assert (fill.asset_id, fill.quantity, len(broker.positions)) == (last, -10, 0)
