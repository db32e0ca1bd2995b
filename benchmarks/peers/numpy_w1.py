"""W1 as a bare NumPy computation: the reference numbers and the speed floor.

It was asked to do exactly the rule: every fifth bar with vix <= 30, 1/25 of the equity
at the next open in each of the 25 best scores, 5 bp signed slippage, 10 bp commission
on the slipped value, fractional shares, overdraft allowed, positions left open marked
at the last close. A fill is a quantity change above 1e-9 shares.

It keeps no orders, trades, equity curve or metrics, and it cannot do W2.
"""

import numpy as np
from _common import COMMISSION, INITIAL_CASH, SLIPPAGE, TOP_N, arguments, report
from _panel import read_panel


def main() -> None:
    args = arguments("W1", any_interval=True)
    panel = read_panel(args.data_dir, ["open", "close"])
    opens, closes = panel.prices["open"], panel.prices["close"]
    cash, fills = INITIAL_CASH, 0
    held = np.zeros(opens.shape[1])
    for bar, picks in panel.targets(args.every).items():
        if bar + 1 == len(opens):
            break
        price = opens[bar + 1]
        target = np.zeros_like(held)
        target[picks] = (cash + held @ price) / TOP_N / price[picks]
        delta = target - held
        value = delta * price * (1.0 + SLIPPAGE * np.sign(delta))
        cash -= value.sum() + COMMISSION * np.abs(value).sum()
        fills += int((np.abs(delta) > 1e-9).sum())
        held = target
    report("numpy", "numpy", args.workload, cash + held @ closes[-1], fills)


if __name__ == "__main__":
    main()
