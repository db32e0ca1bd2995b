"""Top-N rotation: hold the ten best-ranked assets, rebalanced every fifth bar, VIX permitting.

Run it with ``python examples/patterns/top_n_rotation.py``. Three ways: ranked in Python in a batch
callback (`TopNRotationStrategy`; its source is short and there to be changed), as one line
(`TopN`), and as a query over the ranked rows (`SQLStrategy`). Risk rules protect every position
alike, above a VIX of 30 too.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from shared import require_equal_trades, show

from ml4t.backtest import BacktestEngine, Catalog, Ranking, SQLStrategy, TopN
from ml4t.backtest.risk import RiskManager, TimeBasedExit, VolatilityScaledStopLoss
from ml4t.backtest.strategies import TopNRotationStrategy
from ml4t.backtest.synthetic import make_market

BEST = {"by": "ml_score", "where": "atr is not null", "when": "vix <= 30", "every": 5}
QUERY = "select timestamp, asset_id, 1 / 10 as weight from ranked"
WAYS = {
    "batch callback": TopNRotationStrategy(n_positions=10, rebalance_frequency=5, max_vix=30),
    "TopN": TopN(10, **BEST),
    "SQL": SQLStrategy(QUERY, ranking=Ranking(n=10, **BEST)),
}


def main():
    with TemporaryDirectory() as folder:
        made = make_market(Path(folder), n_assets=60, n_bars=252, seed=7)
        catalog = Catalog()
        for role in ("prices", "features", "context"):
            catalog.register(role, made / f"{role}.parquet")
        results = []
        for label, strategy in WAYS.items():
            risk = RiskManager([VolatilityScaledStopLoss(2.0), TimeBasedExit(60)])
            results.append(BacktestEngine(catalog, strategy, risk_manager=risk).run())
            show(label, results[-1])
        require_equal_trades(*results)
        exits = "select exit_rule, count(*) from trades group by all order by all"
        print("exits:", dict(results[0].sql(exits).fetchall()))


if __name__ == "__main__":
    main()
