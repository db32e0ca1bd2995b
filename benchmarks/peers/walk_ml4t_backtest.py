"""The public ml4t-backtest walking a market with a strategy that does nothing, no orders.

Timed from the first call of the strategy to the last: the engine's own walk, without reading.
"""

import json
import sys
import time
from typing import Any

from ml4t.backtest import BacktestConfig, DataFeed, Engine, Strategy


class Nothing(Strategy):
    def __init__(self) -> None:
        self.first: float | None = None
        self.last = 0.0
        self.n_events = 0

    def on_data(self, timestamp: Any, data: dict, context: dict, broker: Any) -> None:
        self.last = time.perf_counter()
        if self.first is None:
            self.first = self.last
        else:
            self.n_events += len(data)


def main() -> None:
    folder = sys.argv[1]
    feed = DataFeed(
        prices_path=f"{folder}/prices.parquet",
        signals_path=f"{folder}/features.parquet",
        context_path=f"{folder}/context.parquet",
        entity_col="asset_id",
    )
    strategy = Nothing()
    Engine(feed, strategy, BacktestConfig(initial_cash=1_000_000.0)).run()
    assert strategy.first is not None
    print(
        json.dumps({"n_events": strategy.n_events, "loop_seconds": strategy.last - strategy.first})
    )


if __name__ == "__main__":
    main()
