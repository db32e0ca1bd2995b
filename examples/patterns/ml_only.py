"""ML only: a prediction alone says when to enter and when to leave.

Run it with ``python examples/patterns/ml_only.py``. It shows the same strategy twice, as a callback
and as rules, on a made-up bull market whose predictions are right four times in five.
"""

from shared import require_equal_trades, show

from ml4t.backtest import BacktestEngine, Strategy
from ml4t.backtest.data import PolarsDataFeed
from ml4t.backtest.scenarios import make_scenario
from ml4t.backtest.strategies import PercentSizer, Rule, SignalStrategy


class MLOnly(Strategy):
    """Enter on a high prediction, leave on a low one."""

    def on_market_event(self, event, context=None):
        """Read one signal; `close_position` does nothing where nothing is held."""
        prediction = event.signals["prediction"]
        if prediction > 0.7 and self.get_position(event.asset_id) == 0:
            self.buy_percent(event.asset_id, 0.2)
        elif prediction < 0.3:
            self.close_position(event.asset_id)


RULES = SignalStrategy(
    entry_rules=[Rule.signal_above("prediction", 0.7), Rule.not_in_position()],
    exit_rules=[Rule.signal_below("prediction", 0.3)],
    position_sizer=PercentSizer(0.2),
)


def main():
    feed = PolarsDataFeed(make_scenario("bull", n_assets=5, seed=7).data)
    callback = BacktestEngine(feed, MLOnly()).run()
    rules = BacktestEngine(feed, RULES).run()
    show("callback", callback)
    show("rules", rules)
    require_equal_trades(callback, rules)


if __name__ == "__main__":
    main()
