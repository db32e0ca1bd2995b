"""Kelly by confidence: a position is as large as the model is sure.

Run it with ``python examples/patterns/kelly_by_confidence.py``. `size_by_confidence` orders what is
missing to hold ``max_percent * confidence`` of the portfolio's value, never more than the most, and
sizes again at every close with a sure signal: up and down.
"""

from shared import require_equal_trades, show

from ml4t.backtest import BacktestEngine, Strategy
from ml4t.backtest.data import PolarsDataFeed
from ml4t.backtest.scenarios import make_scenario
from ml4t.backtest.strategies import ConfidenceSizer, Rule, SignalStrategy


class Kelly(Strategy):
    """Hold what high-conviction signals say, leave on low predictions."""

    def on_market_event(self, event, context=None):
        """Size by confidence."""
        prediction = event.signals.get("prediction", 0.0)
        confidence = event.signals.get("confidence", 0.0)
        if prediction > 0.65 and confidence > 0.70:
            self.size_by_confidence(
                asset_id=event.asset_id,
                confidence=confidence,
                max_percent=0.25,
                price=event.close,
            )
        elif prediction < 0.3:
            self.close_position(event.asset_id)


# No rule says `not_in_position`, so that what is held is sized again.
RULES = SignalStrategy(
    entry_rules=[Rule.signal_above("prediction", 0.65), Rule.signal_above("confidence", 0.70)],
    exit_rules=[Rule.signal_below("prediction", 0.3)],
    position_sizer=ConfidenceSizer(0.25),
)


def main():
    feed = PolarsDataFeed(make_scenario("bull", n_assets=5, seed=7).data)
    callback = BacktestEngine(feed, Kelly()).run()
    rules = BacktestEngine(feed, RULES).run()
    show("callback", callback)
    show("rules", rules)
    require_equal_trades(callback, rules)


if __name__ == "__main__":
    main()
