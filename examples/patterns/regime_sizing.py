"""Regime-dependent sizing: how much is bought follows the VIX, and a spike of it ends all.

Run it with ``python examples/patterns/regime_sizing.py``. In the callback the size is a line of
Python; beside rules it is a column, made in SQL from prices and context, that a sizer reads.
"""

from shared import catalog_of, require_equal_trades, show

from ml4t.backtest import BacktestEngine, Strategy
from ml4t.backtest.scenarios import make_scenario
from ml4t.backtest.strategies import ConfidenceSizer, Rule, SignalStrategy


class RegimeAdaptive(Strategy):
    """Buy for 20% of the portfolio in calm times, for less in others; leave on a spike."""

    def on_market_event(self, event, context=None):
        """Size by the VIX."""
        position, vix = self.get_position(event.asset_id), context["VIX"]
        if event.signals["prediction"] > 0.7 and position == 0:
            size = 0.20 if vix < 20 else 0.10 if vix < 25 else 0.05
            self.buy_percent(event.asset_id, size)
        elif position > 0 and vix > 28:
            self.close_position(event.asset_id)


SIZES = """
    select
        timestamp,
        asset_id,
        case when "VIX" < 20 then 0.20 when "VIX" < 25 then 0.10 else 0.05 end::double as size
    from prices
    inner join context using (timestamp)
"""
RULES = SignalStrategy(
    entry_rules=[Rule.signal_above("prediction", 0.7), Rule.not_in_position()],
    exit_rules=[Rule.context_above("VIX", 28)],
    position_sizer=ConfidenceSizer(1.0, column="size"),
)


def main():
    catalog = catalog_of(make_scenario("neutral", n_assets=5, seed=7))
    catalog.register("features", SIZES, name="sizes")
    callback = BacktestEngine(catalog, RegimeAdaptive()).run()
    rules = BacktestEngine(catalog, RULES).run()
    show("callback", callback)
    show("rules", rules)
    require_equal_trades(callback, rules)


if __name__ == "__main__":
    main()
