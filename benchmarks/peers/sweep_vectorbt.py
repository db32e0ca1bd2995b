"""Ten W1 trials on vectorbt in one call: a group of columns for each number of assets kept.

The orders are those of peer_vectorbt.py; of the portfolio every group is asked for its final value,
total return, Sharpe ratio and deepest drawdown.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import vectorbt as vbt
from _common import COMMISSION, CREDIT, INITIAL_CASH, SLIPPAGE
from _panel import read_panel
from vectorbt.portfolio.enums import SizeType

KEPT = (5, 10, 15, 20, 25, 30, 35, 40, 45, 50)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    options = parser.parse_args()
    panel = read_panel(options.data, ["open", "close"])
    n_bars, n_trials = len(panel.timestamps), len(KEPT)
    credit = np.full((n_bars, 1), np.nan)
    credit[0] = -CREDIT
    size = np.hstack([np.hstack([panel.weights_at_fills(n=n), credit]) for n in KEPT])
    one = np.ones((n_bars, 1))
    real = np.tile(np.append(np.ones(len(panel.assets)), 0.0), n_trials)[None]
    columns = pd.MultiIndex.from_product([KEPT, [*panel.assets, "credit"]], names=["n", "asset"])
    portfolio = vbt.Portfolio.from_orders(
        close=pd.DataFrame(
            np.tile(np.hstack([panel.prices["close"], one]), n_trials),
            index=pd.DatetimeIndex(panel.timestamps),
            columns=columns,
        ),
        price=np.tile(np.hstack([panel.prices["open"], one]), n_trials),
        size=size,
        size_type=np.where(real, SizeType.TargetPercent, SizeType.Amount),
        fees=COMMISSION * real,
        slippage=SLIPPAGE * real,
        init_cash=INITIAL_CASH,
        cash_sharing=True,
        group_by="n",
        call_seq="auto",
        freq="1D",
        max_orders=int((~np.isnan(size)).sum()),
    )
    values = portfolio.final_value()
    portfolio.total_return(), portfolio.max_drawdown()
    facts = {
        "trials": n_trials,
        "version": vbt.__version__,
        "best_sharpe": float(portfolio.sharpe_ratio().max()),
        "mean_final_value": float(values.mean()),
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
