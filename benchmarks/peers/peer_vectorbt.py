"""W1 and W2 on vectorbt; --engine rust uses its optional Rust engine for W1.

W1: asked to do exactly the rule, with Portfolio.from_orders, TargetPercent sizes, one
cash-sharing group and call_seq="auto" (sells first). The orders stand in the row of
the fill bar with price=open, which is also the valuation price, so each target is 1/25
of the equity at these opens; NaN means no order; close marks the last bar. vectorbt has
no overdraft, so a cost-free "credit" column of price 1 is sold short on the first bar:
its proceeds are spendable, its liability cancels them in the equity, and it is left out
of the fills. Result: equal to numpy_w1 up to float rounding.

W2: from_orders has no stops and from_signals has one stop per column and no
TargetPercent, so W2 is the documented way out, from_order_func(flexible=True) with
Numba functions (Rust cannot run them). Per bar: the rebalance at the open, then the
stops inside the bar, also on the entry bar. The stop is the first entry's fill price -
2 * atr of the decision bar or 95% of the highest high since entry (up to the bar
before), whichever is higher, filled there or at the open below it. The exit after 60
bars fills at the open of a bar without a rebalance. A position that is bought or sold
in part keeps its entry price and its high. Numba compiles these functions in each run.
"""

import numpy as np
import pandas as pd
import vectorbt as vbt
from _common import COMMISSION, CREDIT, INITIAL_CASH, SLIPPAGE, arguments, report
from _panel import Panel, read_panel
from vectorbt.portfolio.enums import SizeType


def run_w1(panel: Panel, close: pd.DataFrame, engine: str, every: int) -> vbt.Portfolio:
    credit = np.full((len(close), 1), np.nan)
    credit[0] = -CREDIT
    size = np.hstack([panel.weights_at_fills(every), credit])
    real = np.append(np.ones(len(panel.assets)), 0.0)[None]
    return vbt.Portfolio.from_orders(
        close=close,
        price=np.hstack([panel.prices["open"], np.ones((len(close), 1))]),
        size=size,
        size_type=np.where(real, SizeType.TargetPercent, SizeType.Amount),
        fees=COMMISSION * real,
        slippage=SLIPPAGE * real,
        init_cash=INITIAL_CASH,
        cash_sharing=True,
        group_by=True,
        call_seq="auto",
        max_orders=int((~np.isnan(size)).sum()),
        engine=engine,
    )


def main() -> None:
    args = arguments("W1", "W2", engines=("numba", "rust"), any_interval=True)
    columns = ["open", "close"] if args.workload == "W1" else ["open", "high", "low"]
    panel = read_panel(args.data_dir, list(dict.fromkeys([*columns, "close"])))
    close = pd.DataFrame(
        np.hstack([panel.prices["close"], np.ones((len(panel.timestamps), 1))]),
        index=pd.DatetimeIndex(panel.timestamps),
        columns=[*panel.assets, "credit"],
    )
    if args.workload == "W1":
        portfolio = run_w1(panel, close, args.engine, args.every)
    elif args.engine == "rust":
        raise SystemExit("vectorbt's Rust engine cannot run the order function of W2")
    else:
        import _vectorbt_w2

        portfolio = _vectorbt_w2.run(panel, close)
    fills = int(portfolio.orders.count()) - 1
    name, equity = "vectorbt-" + args.engine, portfolio.final_value()
    report(name, "vectorbt", args.workload, equity, fills)


if __name__ == "__main__":
    main()
