"""Indicator-confirmed ML: a prediction counts only where the RSI agrees.

Run it with ``python examples/patterns/indicator_confirmed.py``. The RSI is computed by the catalog,
in SQL; in an event it is a signal like any other. Over an asset's first bars it is missing: a rule
on what is missing does not hold, and a callback asks for it with ``.get``.
"""

from shared import require_equal_trades, show

from ml4t.backtest import BacktestEngine, Catalog, Strategy
from ml4t.backtest.scenarios import make_scenario
from ml4t.backtest.strategies import PercentSizer, Rule, SignalStrategy


class Confirmed(Strategy):
    """Enter on a high prediction unless the asset is overbought."""

    def on_market_event(self, event, context=None):
        """Combine two signals; NaN is on no side of any number."""
        prediction = event.signals["prediction"]
        rsi = event.signals.get("rsi_14", float("nan"))
        position = self.get_position(event.asset_id)
        if position == 0 and prediction > 0.65 and rsi < 70:
            self.buy_percent(event.asset_id, 0.2)
        elif position > 0 and (prediction < 0.4 or rsi > 80):
            self.close_position(event.asset_id)


RULES = SignalStrategy(
    entry_rules=[
        Rule.signal_above("prediction", 0.65),
        Rule.signal_below("rsi_14", 70),
        Rule.not_in_position(),
    ],
    exit_rules=[Rule.signal_below("prediction", 0.4) | Rule.signal_above("rsi_14", 80)],
    position_sizer=PercentSizer(0.2),
)


def main():
    catalog = Catalog().register("prices", make_scenario("trending", n_assets=5, seed=7).data)
    catalog.indicators.rsi(14)
    callback = BacktestEngine(catalog, Confirmed()).run()
    rules = BacktestEngine(catalog, RULES).run()
    show("callback", callback)
    show("rules", rules)
    require_equal_trades(callback, rules)


if __name__ == "__main__":
    main()
