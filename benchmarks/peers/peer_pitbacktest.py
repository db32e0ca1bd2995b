"""W1 on pitbacktest, by backtest_weights over the opens.

Asked to do the rule: the weights in force on every bar, traded at the next one's price
(entry_lag=1). It knows one price a bar, so the prices are the opens and one more row has the last
closes. Its costs are rates by side, with the slippage in them.

It must differ in the size: between two rows it keeps the weight and not the shares, so that
positions return to 1/25 at every bar at no cost, and the costs are those of the change of the
weights. It keeps no fills, lots, cash or orders: daily returns, holdings and
metrics. It checks prices and look-ahead of weights, but wants matrices; nothing is ranked or
joined as of a time, and there are no stops in the bar.
"""

import numpy as np
import pandas as pd
from _common import COMMISSION, INITIAL_CASH, SLIPPAGE, arguments, report
from _panel import read_panel
from pitbacktest import Panel, backtest_weights

BUY = (1.0 + SLIPPAGE) * (1.0 + COMMISSION) - 1.0
SELL = 1.0 - (1.0 - SLIPPAGE) * (1.0 - COMMISSION)


def main() -> None:
    args = arguments("W1")
    market = read_panel(args.data_dir, ["open", "close"])
    stamps = pd.DatetimeIndex(market.timestamps)
    after = stamps.append(stamps[-1:] + pd.Timedelta(days=1))
    prices = np.vstack([market.prices["open"], market.prices["close"][-1:]])
    close = pd.DataFrame(prices, index=after, columns=market.assets)
    eligible = pd.DataFrame(np.ones(prices.shape, dtype=bool), index=after, columns=market.assets)
    weights = pd.DataFrame(market.weights_in_force(), index=stamps, columns=market.assets)
    result = backtest_weights(
        Panel(close=close, eligible=eligible, market="made up"),
        weights,
        buy_bp=BUY * 1e4,
        sell_bp=SELL * 1e4,
        benchmark=None,
    )
    equity = INITIAL_CASH * float(np.prod(1.0 + result.net_returns.to_numpy()))
    report("pitbacktest", "pitbacktest", args.workload, equity, None)


if __name__ == "__main__":
    main()
