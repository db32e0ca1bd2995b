"""Ensemble: three models vote, two of them must agree, and their mean sizes the position.

Run it with ``python examples/patterns/ensemble.py``. The models are one prediction under three
seeded noises. Beside rules the vote is an SQL expression, and the mean a column made in SQL.
"""

import numpy as np
from shared import require_equal_trades, show

from ml4t.backtest import BacktestEngine, Catalog, Strategy
from ml4t.backtest.scenarios import make_scenario
from ml4t.backtest.strategies import ConfidenceSizer, Rule, SignalStrategy

MODELS = ("model_a", "model_b", "model_c")


class Ensemble(Strategy):
    """Enter on two votes of three, leave when nobody votes for it."""

    def on_market_event(self, event, context=None):
        """Count the votes."""
        a, b, c = (event.signals[model] for model in MODELS)
        n_bullish = sum(prediction > 0.5 for prediction in (a, b, c))
        if n_bullish >= 2 and self.get_position(event.asset_id) == 0:
            # Not sum(): since Python 3.12 it rounds otherwise than SQL's plus, in the last digit.
            self.size_by_confidence(event.asset_id, (a + b + c) / 3, max_percent=0.3)
        elif n_bullish == 0:
            self.close_position(event.asset_id)


MEAN = """
    select timestamp, asset_id, (model_a + model_b + model_c) / 3 as mean_of_models from prices
"""
VOTES = "(model_a > 0.5)::integer + (model_b > 0.5)::integer + (model_c > 0.5)::integer"
RULES = SignalStrategy(
    entry_rules=[Rule.expression(f"{VOTES} >= 2"), Rule.not_in_position()],
    exit_rules=[Rule.expression(f"{VOTES} = 0")],
    position_sizer=ConfidenceSizer(0.3, column="mean_of_models"),
)


def main():
    data = make_scenario("mean_reverting", n_assets=5, seed=7).data
    random = np.random.default_rng(7)
    data = data.with_columns(
        (data["prediction"] + random.normal(0, 0.1, len(data))).clip(0, 1).alias(model)
        for model in MODELS
    )
    catalog = Catalog().register("prices", data)
    catalog.register("features", MEAN, name="ensemble")
    callback = BacktestEngine(catalog, Ensemble()).run()
    rules = BacktestEngine(catalog, RULES).run()
    show("callback", callback)
    show("rules", rules)
    require_equal_trades(callback, rules)


if __name__ == "__main__":
    main()
