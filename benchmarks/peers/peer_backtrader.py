"""W1 and W2 on backtrader.

W1: asked to do exactly the rule. Cerebro runs preloaded feeds (runonce) with
cheat_on_open, so next_open sizes the decision of the bar before at the opens of the
fill bar and its market orders fill at these opens. Picks are computed with NumPy
before the run. The broker nullifies a buy beyond its cash, so it gets a credit in
cash that the equity leaves out. No observers or analyzers. Result: equal to numpy_w1
up to float rounding.

W2: W1 plus one native Stop order per position at the first entry's fill price - 2 *
atr of the decision bar or at 95% of the highest high since entry (up to the bar
before), whichever is higher; next cancels and replaces it when the level rises
(backtrader's own StopTrail trails closes and there is no stop that does both). Stops
also work on the entry bar, after the rebalance at the open. The exit after 60 bars is
a market order at the open of a bar without a rebalance. A position that is bought or
sold in part keeps its entry price and its high.
"""

from array import array
from datetime import datetime

import backtrader as bt
import numpy as np
from _backtrader_strategies import GuardedScores, TopScores
from _common import COMMISSION, CREDIT, INITIAL_CASH, SLIPPAGE, arguments, report
from _panel import Panel, read_panel


class ArrayFeed(bt.feed.DataBase):
    """A data feed whose lines are set from arrays at once instead of bar by bar."""

    params = (("lines_by_name", None), ("unused", None))

    def preload(self) -> None:
        for name in self.getlinealiases():
            line = self.p.lines_by_name.get(name, self.p.unused)
            getattr(self.lines, name).array = line
        self.home()


def add_feeds(cerebro: bt.Cerebro, panel: Panel) -> None:
    """Add one feed per asset; the lines that nothing reads share one array."""
    days = panel.timestamps.astype("datetime64[us]").astype(np.int64) / 86_400e6
    unused = array("d", np.full(len(days), np.nan).tobytes())
    stamps = array("d", (days + bt.date2num(datetime(1970, 1, 1))).tobytes())
    for c, asset in enumerate(panel.assets):
        lines = {"datetime": stamps}
        for name, wide in panel.prices.items():
            lines[name] = array("d", wide[:, c].tobytes())
        cerebro.adddata(ArrayFeed(lines_by_name=lines, unused=unused), name=asset)


def main() -> None:
    args = arguments("W1", "W2")
    stops = args.workload == "W2"
    columns = ["open", "high", "low", "close"] if stops else ["open", "close"]
    panel = read_panel(args.data_dir, columns)
    cerebro = bt.Cerebro(stdstats=False, cheat_on_open=True)
    add_feeds(cerebro, panel)
    cerebro.broker.set_cash(INITIAL_CASH + CREDIT)
    cerebro.broker.set_coo(True)
    cerebro.broker.set_checksubmit(False)
    cerebro.broker.setcommission(commission=COMMISSION)
    cerebro.broker.set_slippage_perc(SLIPPAGE, slip_open=True, slip_out=True)
    targets = {bar: picks.tolist() for bar, picks in panel.targets().items()}
    strategy_type = GuardedScores if stops else TopScores
    cerebro.addstrategy(strategy_type, targets=targets, atr=panel.atr)
    (strategy,) = cerebro.run()
    equity = cerebro.broker.getvalue() - CREDIT
    report("backtrader", "backtrader", args.workload, equity, strategy.fills)


if __name__ == "__main__":
    main()
