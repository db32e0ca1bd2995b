"""The architecture document: its snippets run, and its strategies do what it says of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np
import pandas as pd
import pytest

from document_blocks import BLOCKS, Document, on
from document_runs import BuyOnce, bars, run
from hand_events import day
from ml4t.backtest import BacktestConfig, BacktestEngine, BacktestResult, Engine, Strategy
from ml4t.backtest.core.event import MarketEvent
from ml4t.backtest.data import HistoricalDataFeed
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.execution import SimulationBroker
from ml4t.backtest.strategies import PercentSizer, Rule, SignalStrategy
from scripted import FREE, fills, trades

COSTS = BacktestConfig(**FREE)


def pandas_bars(closes: Sequence[float], **columns: Any) -> pd.DataFrame:
    """Bars of one asset as pandas users keep them: the time is the index."""
    frame = bars(closes, **columns).drop("asset_id", "timestamp")
    index = pd.DatetimeIndex([day(t) for t in range(len(closes))])
    return pd.DataFrame(frame.to_dict(as_series=False), index=index)


# -- three levels ----------------------------------------------------------------------------------


@on("strategy-architecture 3")
def test_level_1_enters_on_both_signals_and_leaves_by_rules(document: Document) -> None:
    def outcome(closes: list[float], ml_pred: list[float]) -> list[Any]:
        strategy = document.run(PercentSizer=PercentSizer)["strategy"]
        result = run(strategy, bars(closes, ml_pred=ml_pred, confidence=0.8))
        assert fills(result)[0] == (1, "AAPL", 950, 100)
        return trades(result)

    assert outcome([100, 100, 94, 94], [0.9, 0.5, 0.5, 0.5]) == [("stop_loss", 950, -5700)]
    assert outcome([100, 100, 116, 116], [0.9, 0.5, 0.5, 0.5]) == [("take_profit", 950, 15_200)]
    assert outcome([100, 100, 101, 101], [0.9, 0.5, 0.3, 0.3]) == [("signal", 950, 950)]


@on("strategy-architecture 3")
def test_level_1_enters_only_where_all_rules_hold(document: Document) -> None:
    strategy = document.run(PercentSizer=PercentSizer)["strategy"]
    assert fills(run(strategy, bars([100] * 3, ml_pred=0.9, confidence=0.7))) == []


@on("strategy-architecture 4")
def test_level_2_sizes_by_confidence_and_halves_in_a_new_regime(document: Document) -> None:
    class Ours(document.run(Strategy=Strategy, MarketEvent=MarketEvent)["MLStrategy"]):  # type: ignore[misc]
        vol_threshold = 0.02  # the page reads it and leaves it to the reader

    strategy = Ours()
    result = run(
        strategy,
        bars(
            [100] * 6,
            ml_pred=[0.9, 0.9, 0.9, 0.3, 0.3, 0.3],
            confidence=0.75,
            volatility=[0.01, 0.01, 0.03, 0.01, 0.01, 0.01],
        ),
    )
    assert fills(result) == [
        (1, "AAPL", 900, 100), (3, "AAPL", -450, 100), (4, "AAPL", -450, 100),
    ]  # fmt: skip
    assert strategy.regime == "high_vol"


@on("strategy-architecture 4")
def test_level_2_leaves_at_a_loss_of_five_percent(document: Document) -> None:
    class Ours(document.run(Strategy=Strategy, MarketEvent=MarketEvent)["MLStrategy"]):  # type: ignore[misc]
        vol_threshold = 1.0

    prices = bars([100, 100, 94, 94], ml_pred=[0.9, 0.5, 0.5, 0.5], confidence=0.9)
    # At the first bar it is flat: P&L is None, and the page compares it only when it is not.
    assert fills(run(Ours(), prices)) == [(1, "AAPL", 950, 100), (3, "AAPL", -950, 94)]


class FlatIsZero(Strategy):
    """The base as this page wants it: a flat position's P&L is 0.0, where ours is None."""

    def get_unrealized_pnl_pct(self, asset_id: object) -> float:
        return super().get_unrealized_pnl_pct(asset_id) or 0.0


def uncompiled(**options: bool) -> Callable[[Any], Any]:
    """What stands for numba where it is not installed."""
    return lambda function: function


# Numba has no type for None, so that compiled functions take the P&L as this page has it.
@on("strategy-architecture 5")
@pytest.mark.parametrize(("base", "njit"), [(FlatIsZero, numba.njit), (Strategy, uncompiled)])
def test_level_3_trades_alike_compiled_and_not(
    document: Document, base: type[Strategy], njit: Callable[..., Any]
) -> None:
    found = document.run(Strategy=base, njit=njit, MarketEvent=MarketEvent)
    prices = bars(
        [100, 100, 102, 94, 94, 94, 94, 110, 110],
        ml_pred=[0.9, 0.9, 0.9, 0.9, 0.5, 0.9, 0.9, 0.9, 0.9],
        confidence=0.8,
        momentum=[0.1] * 4 + [0.0] + [0.1] * 4,
    )
    assert [one[:3] for one in fills(run(found["HybridStrategy"](), prices))] == [
        (1, "AAPL", 950),  # entered on day 0
        (4, "AAPL", -950),  # -6% on day 3
        (6, "AAPL", pytest.approx(0.95 * 94_300 / 94)),
        (8, "AAPL", pytest.approx(-0.95 * 94_300 / 94)),  # +17% on day 7
    ]


# -- the user's journey ----------------------------------------------------------------------------


@on("strategy-architecture 7")
def test_the_journey_leads_from_a_file_to_a_summary(
    document: Document, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pandas_bars([100, 100, 110, 117, 117, 100, 94, 94])
    technical = {"AAPL": 0.0}

    def compute_technicals(df: pd.DataFrame) -> pd.DataFrame:
        technical["AAPL"] = len(df)
        return df.assign(momentum=df["close"].pct_change().fillna(0.0))

    found = document.run(
        files={"aapl_daily_2020_2023.parquet": frame.to_parquet},
        modules={
            "my_features": {
                "compute_technicals": compute_technicals,
                "compute_ml_signals": lambda df: [0.9, 0.5, 0.5, 0.5, 0.9, 0.5, 0.5, 0.5],
            }
        },
        compute_confidence=lambda df: np.full(len(df), 0.8),
    )
    assert technical == {"AAPL": 8}
    # Bought at the first close's word, out at +17%, in again, out at -6%.
    results = found["results"]
    assert [(t, quantity > 0) for t, _, quantity, _ in fills(results)] == [
        (1, True), (4, False), (5, True), (7, False),
    ]  # fmt: skip
    assert results["initial_capital"] == 100_000
    assert capsys.readouterr().out == f"{results.summary()}\n"


class ComplexMLStrategy(Strategy):
    """Buys what the model likes while the RSI is low."""

    def on_market_data(self, event: MarketEvent, context: Any = None) -> None:
        good = event.signals.get("ml_pred", 0.0) > 0.8 and event.signals.get("rsi", 100.0) < 30
        if good and not self.get_position(event.asset_id):
            self.buy_percent(event.asset_id, 0.5)


class OlderEngine:
    """``engine.run(df, strategy, signal_columns=)``, which the later pages write otherwise."""

    def run(
        self, df: pd.DataFrame, strategy: Strategy, signal_columns: Sequence[str]
    ) -> BacktestResult:
        feed = HistoricalDataFeed(df, signal_columns=signal_columns)
        return BacktestEngine(feed, strategy, config=COSTS).run()


class Answer:
    def __init__(self, **values: pd.Series) -> None:
        vars(self).update(values)


class RSI:
    @staticmethod
    def run(close: pd.Series, window: int) -> Answer:
        move = close.diff()
        up, down = (part.clip(lower=0).rolling(window).mean() for part in (move, -move))
        return Answer(rsi=100 - 100 / (1 + up / down))


class BBANDS:
    @staticmethod
    def run(close: pd.Series, window: int) -> Answer:
        mean, deviation = close.rolling(window).mean(), close.rolling(window).std()
        return Answer(upper=mean + 2 * deviation, lower=mean - 2 * deviation)


@on("strategy-architecture 8")
def test_indicators_of_another_library_are_signals(document: Document) -> None:
    closes = [100.0 - t for t in range(30)]
    found = document.run(
        modules={
            "vectorbt": {"RSI": RSI, "BBANDS": BBANDS},
            "my_ml_model": {"predict": lambda frame: frame["bb_lower"].notna().astype(float)},
        },
        df=pandas_bars(closes),
        engine=OlderEngine(),
        ComplexMLStrategy=ComplexMLStrategy,
    )
    # The bands need 20 closes: day 19 is the first to score, at 81.
    assert fills(found["result"]) == [(20, "asset", round(50_000 / 81, 10), 80)]


class Recorded(HistoricalDataFeed):
    """A live feed on which everything has been said already, for want of an exchange."""

    def __init__(self, url: str, signal_computer: Any) -> None:
        assert url.startswith("wss://")
        frame = pandas_bars([100, 100, 110, 94, 94])
        frame["ml_pred"] = [signal_computer.compute(bar) for bar in frame.itertuples()]
        super().__init__(frame, signal_columns=["ml_pred"])


class MyMLModel:
    def compute(self, bar: Any) -> float:
        return 0.9 if bar.Index == day(0) else 0.1


class LiveBroker(SimulationBroker):
    def __init__(self, api_key: str, secret: str) -> None:
        super().__init__(initial_cash=100_000)


def test_the_live_names_are_not_there_yet() -> None:
    # The next test supplies them; once they are ours, it should take ours.
    import ml4t.backtest.data
    import ml4t.backtest.execution

    assert not hasattr(ml4t.backtest.data, "LiveDataFeed")
    assert not hasattr(ml4t.backtest.execution, "PaperBroker")


@on("strategy-architecture 10")
def test_one_strategy_runs_on_history_and_on_what_stands_for_live(document: Document) -> None:
    made: list[Engine] = []

    def engine(*parts: Any) -> Engine:
        made.append(Engine(*parts))
        return made[-1]

    names: dict[str, Any] = {"Strategy": Strategy}
    exec(BLOCKS["strategy-architecture 13"].code, {"__name__": "__main__"} | names, names)
    document.run(
        df=pandas_bars([100, 100, 110, 94, 94], ml_pred=[0.9, 0.1, 0.1, 0.1, 0.1]),
        HistoricalDataFeed=HistoricalDataFeed,
        LiveDataFeed=Recorded,
        SimulationBroker=SimulationBroker,
        PaperBroker=SimulationBroker,
        LiveBroker=LiveBroker,
        Engine=engine,
        MyStrategy=names["SimpleMLStrategy"],
        MyMLModel=MyMLModel,
    )
    runs = [fills(one.run()) for one in made]
    assert [t for t, *_ in runs[0]] == [1, 4]
    assert runs[0] == runs[1] == runs[2]


# -- several assets --------------------------------------------------------------------------------


@on("strategy-architecture 11")
def test_a_feed_per_asset_is_a_universe(document: Document) -> None:
    found = document.run(
        HistoricalDataFeed=HistoricalDataFeed,
        aapl_df=pandas_bars([100] * 3, ml_pred=0.9),
        msft_df=pandas_bars([50] * 3, ml_pred=0.8),
    )
    engine = BacktestEngine(found["feeds"], BuyOnce(), config=COSTS)
    assert fills(engine.run()) == [(1, "AAPL", 100, 100), (1, "MSFT", 200, 50)]
    signals = "select distinct asset_id, ml_pred from signals order by asset_id"
    assert engine.catalog.sql(signals).fetchall() == [("AAPL", 0.9), ("MSFT", 0.8)]


@on("strategy-architecture 12")
def test_columns_of_two_levels_are_a_universe(document: Document) -> None:
    df = pd.DataFrame([[100.0, 0.9, 50.0, 0.8]] * 2, index=pd.DatetimeIndex([day(0), day(1)]))
    found = document.run(df=df, pd=pd)["df"]
    assert found.columns.nlevels == 2
    # The page's option B, "add later if needed"; its option A is the block before.
    with pytest.raises(ConfigError, match=r"has no column 'open', .* or fill at closes"):
        BacktestEngine(HistoricalDataFeed(found), BuyOnce()).run()
    for asset in ("AAPL", "MSFT"):
        found[asset, "open"], found[asset, "high"], found[asset, "low"] = 1.0, 200.0, 1.0
    engine = BacktestEngine(HistoricalDataFeed(found), BuyOnce(), config=COSTS)
    assert engine.run()["n_fills"] == 2
    assert "columns of (asset, field): 2 assets" in engine.catalog.describe()[0]["changes"]


# -- appendix --------------------------------------------------------------------------------------

ZIGZAG = [100, 100, 94, 94, 94, 94, 109, 109, 109]
SCORES = [0.9, 0.5, 0.5, 0.5, 0.9, 0.5, 0.5, 0.5, 0.5]


@on("strategy-architecture 13")
def test_a1_leaves_at_stop_and_at_target(document: Document) -> None:
    strategy = document.run(Strategy=Strategy)["SimpleMLStrategy"]()
    result = run(strategy, bars(ZIGZAG, ml_pred=SCORES))
    # -6%, then 109 / 94 - 1 = 16%.
    assert [round(one[2]) for one in trades(result)] == [-5700, round(0.95 * 94_300 / 94 * 15)]


@on("strategy-architecture 15")
def test_a3_declared_is_a1_written_out(document: Document) -> None:
    names: dict[str, Any] = {"Strategy": Strategy}
    exec(BLOCKS["strategy-architecture 13"].code, {"__name__": "__main__"} | names, names)
    declared = document.run(
        SignalStrategy=SignalStrategy, Rule=Rule, PercentSizer=PercentSizer
    )["strategy"]  # fmt: skip
    rng = np.random.default_rng(5)
    closes = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.02, 400))), 2).tolist()
    prices = bars(closes, ml_pred=rng.random(400).tolist())
    by_rules, by_hand = run(declared, prices), run(names["SimpleMLStrategy"](), prices)
    assert len(fills(by_rules)) > 20
    assert fills(by_rules) == fills(by_hand)


@on("strategy-architecture 14")
def test_a2_enters_smaller_while_volatile_and_halves_after_it(document: Document) -> None:
    def outcome(volatility: list[float], ml_pred: list[float]) -> list[Any]:
        strategy = document.run(Strategy=Strategy)["RegimeSwitchingStrategy"]()
        return fills(run(strategy, bars([100] * 5, volatility=volatility, ml_pred=ml_pred)))

    once = [0.9, 0.1, 0.1, 0.1, 0.1]
    assert outcome([0.01] * 5, once) == [(1, "AAPL", 950, 100)]
    # The page's condition asks whether the regime that ends was the volatile one.
    assert outcome([0.03, 0.03, 0.01, 0.01, 0.01], once) == [
        (1, "AAPL", 500, 100), (3, "AAPL", -250, 100),
    ]  # fmt: skip
    assert outcome([0.01, 0.01, 0.03, 0.03, 0.03], once) == [(1, "AAPL", 950, 100)]
