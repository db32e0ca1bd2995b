"""Context-filtered ML: a prediction counts only while the VIX is low.

Run it with ``python examples/patterns/context_filtered.py``. The VIX is one value per timestamp,
shared by all assets: ``context_data`` for the engine, ``context`` in a callback, ``context_above``
in rules. Above 25 everything is sold.
"""

from shared import require_equal_trades, show

from ml4t.backtest import BacktestEngine, Strategy
from ml4t.backtest.data import PolarsDataFeed
from ml4t.backtest.scenarios import make_scenario
from ml4t.backtest.strategies import PercentSizer, Rule, SignalStrategy


class ContextFiltered(Strategy):
    """Be in the market on high predictions in calm times."""

    def on_market_event(self, event, context=None):
        """Look at the market first, then at the asset."""
        if context["VIX"] > 25:
            self.close_position(event.asset_id)
            return
        prediction = event.signals["prediction"]
        if prediction > 0.6 and self.get_position(event.asset_id) == 0:
            self.buy_percent(event.asset_id, 0.2)
        elif prediction < 0.3:
            self.close_position(event.asset_id)


RULES = SignalStrategy(
    entry_rules=[
        Rule.signal_above("prediction", 0.6),
        ~Rule.context_above("VIX", 25),
        Rule.not_in_position(),
    ],
    exit_rules=[Rule.context_above("VIX", 25), Rule.signal_below("prediction", 0.3)],
    position_sizer=PercentSizer(0.2),
)


def main():
    scenario = make_scenario("neutral", n_assets=5, seed=7)
    feed = PolarsDataFeed(scenario.data)
    callback = BacktestEngine(feed, ContextFiltered(), context_data=scenario.context).run()
    rules = BacktestEngine(feed, RULES, context_data=scenario.context).run()
    show("callback", callback)
    show("rules", rules)
    require_equal_trades(callback, rules)


if __name__ == "__main__":
    main()
