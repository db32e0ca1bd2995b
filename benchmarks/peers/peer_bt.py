"""W1 on bt.

Asked to do exactly the rule. bt trades at the one price that a bar has, so its prices
are the opens, the decision of bar t is traded on bar t + 1, and one more row has the
last closes, which mark the end. The stock algos WeighTarget and Rebalance would take
the costs out of each position, so one small Algo trades the exact quantities with
Strategy.transact, sells first; cash may become negative. bt's bid/offer input would
need one more matrix, so the commission function charges both the 5 bp and the 10 bp on
the slipped value. Picks are computed with NumPy before the run, and bt's statistics
are not asked for. Result: equal to numpy_w1 up to float rounding.

W2 is not expressed: with one price per bar there is no high or low, and bt has no stop
orders or position rules.
"""

import bt
import numpy as np
import pandas as pd
from _common import COMMISSION, INITIAL_CASH, SLIPPAGE, TOP_N, arguments, report
from _panel import Panel, read_panel

Units = dict[pd.Timestamp, dict[str, float]]


class EqualWeightAtOpen(bt.Algo):
    """On each fill bar, trade to 1/25 of the value in each pick, sells first."""

    def __init__(self, units: Units) -> None:
        super().__init__()
        self.units = units

    def __call__(self, target: bt.Strategy) -> bool:
        units = self.units.get(target.now)
        if units is None:
            return True
        value = target.value
        held = {name: child.position for name, child in target.children.items()}
        deltas = {name: -position for name, position in held.items()}
        for name, unit in units.items():
            deltas[name] = value * unit - held.get(name, 0.0)
        for name, delta in sorted(deltas.items(), key=lambda item: item[1] > 0.0):
            target.transact(delta, name)
        return True


def costs(quantity: float, price: float) -> float:
    """Slippage and the commission on the slipped price, both charged in cash."""
    slipped = price * (1.0 + SLIPPAGE * np.sign(quantity))
    return quantity * (slipped - price) + COMMISSION * abs(quantity) * slipped


def per_value(panel: Panel, stamps: pd.DatetimeIndex) -> Units:
    """Map each fill bar to the shares that one unit of equity buys of each pick."""
    opens = panel.prices["open"]
    return {
        stamps[bar + 1]: {panel.assets[c]: 1.0 / TOP_N / opens[bar + 1, c] for c in picks}
        for bar, picks in panel.targets().items()
        if bar + 1 < len(opens)
    }


def main() -> None:
    args = arguments("W1")
    panel = read_panel(args.data_dir, ["open", "close"])
    stamps = pd.DatetimeIndex(panel.timestamps)
    prices = pd.DataFrame(
        np.vstack([panel.prices["open"], panel.prices["close"][-1:]]),
        index=stamps.append(stamps[-1:] + pd.Timedelta(seconds=1)),
        columns=panel.assets,
    )
    backtest = bt.Backtest(
        bt.Strategy("W1", [EqualWeightAtOpen(per_value(panel, stamps))]),
        prices,
        initial_capital=INITIAL_CASH,
        commissions=costs,
        integer_positions=False,
        progress_bar=False,
    )
    backtest.run()
    positions = backtest.positions.to_numpy()
    fills = (np.abs(np.diff(positions, axis=0, prepend=0.0)) > 1e-9).sum()
    report("bt", "bt", args.workload, backtest.strategy.value, fills)


if __name__ == "__main__":
    main()
