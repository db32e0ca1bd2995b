"""Multi-signal confirmation: model, indicators and market must agree; risk rules stand behind.

Run it with ``python examples/patterns/multi_signal.py``. Entries need a sure model, an RSI below
70, upward momentum and a calm market, and are sized by confidence. The strategy leaves where
signals deteriorate; a volatility stop and a trailing stop act inside the bar, whatever it says.
"""

from shared import catalog_of, require_equal_trades, show

from ml4t.backtest import BacktestEngine, Strategy
from ml4t.backtest.risk import DynamicTrailingStop, RiskManager, VolatilityScaledStopLoss
from ml4t.backtest.scenarios import make_scenario
from ml4t.backtest.strategies import Rule, SignalStrategy, Sizer


def size_of(confidence):
    """Return the fraction of the portfolio's value to buy for."""
    return min(0.25, confidence * 0.3)


class MultiSignal(Strategy):
    """Enter where all agree, leave where the model or the RSI turns."""

    def on_market_event(self, event, context=None):
        """Combine everything that is known of one asset; what is missing agrees with nothing."""
        position = self.get_position(event.asset_id)
        prediction, confidence = event.signals["prediction"], event.signals["confidence"]
        rsi = event.signals.get("rsi_14", float("nan"))
        momentum = event.signals.get("momentum_20", float("nan"))
        is_bullish = prediction > 0.6 and confidence > 0.6
        is_confirmed = rsi < 70 and momentum > 0
        if position == 0 and is_bullish and is_confirmed and context["VIX"] < 30:
            self.buy_percent(event.asset_id, size_of(confidence))
        elif position > 0 and (prediction < 0.4 or rsi > 80):
            self.close_position(event.asset_id)


class BySize(Sizer):
    """A sizer of one's own: what it reads, and the order that it sends."""

    features = ("confidence",)

    def enter(self, entry):
        """Buy."""
        return entry.helpers.buy_percent(entry.asset_id, size_of(entry.values["confidence"]))


RULES = SignalStrategy(
    entry_rules=[
        Rule.signal_above("prediction", 0.6) & Rule.signal_above("confidence", 0.6),
        Rule.signal_below("rsi_14", 70) & Rule.signal_above("momentum_20", 0),
        Rule.context_below("VIX", 30),
        Rule.not_in_position(),
    ],
    exit_rules=[Rule.signal_below("prediction", 0.4), Rule.signal_above("rsi_14", 80)],
    position_sizer=BySize(),
)


def main():
    catalog = catalog_of(make_scenario("neutral", n_assets=5, seed=7))
    catalog.indicators.rsi(14).indicators.momentum(20).indicators.atr(14)
    stops = [VolatilityScaledStopLoss(2.0, volatility_key="atr_14"), DynamicTrailingStop(0.05)]
    callback = BacktestEngine(catalog, MultiSignal(), risk_manager=RiskManager(stops)).run()
    rules = BacktestEngine(catalog, RULES, risk_manager=RiskManager(stops)).run()
    show("callback", callback)
    show("rules", rules)
    require_equal_trades(callback, rules)
    print("exits:", dict(rules.sql("select exit_rule, count(*) from trades group by 1").fetchall()))


if __name__ == "__main__":
    main()
