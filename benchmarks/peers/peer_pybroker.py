"""W1 and W2 on PyBroker (lib-pybroker).

W1: Strategy without per-symbol executions and one set_after_exec function that calls
set_target_shares on the decision bars. Orders fill at the next open with 5 bp of
FixedSlippageModel and an order fee of 10 bp, fractional shares, sells before buys.
Picks are computed with NumPy before the run. leverage=2 (without interest) lifts the
cash limit, so that the overdraft is allowed; the targets are halved to match.

It must differ from the rule in the size: an order's quantity is fixed when it is
placed, so the target is 1/25 of the equity at the closes of the decision bar, at these
closes. Everything else is the rule. PyBroker computes its evaluation metrics in each
run; the bootstrap is off.

W2: W1 plus PyBroker's own stops, which belong to one buy and not to the position, so
each buy gets them: stop_loss of 2 * atr (of the decision bar) below the fill price,
stop_trailing_pct of 5 below the highest high after the entry bar (or the fill price;
up to the bar before), and hold_bars of 60, which exits at the open. They are tested
from the bar after the entry, over the whole bar, before that bar's orders fill. A stop
fills at its level, after a gap at the level or the bar's high if that is lower (never
at the open below it).
"""

from collections.abc import Mapping

import pandas as pd
import pybroker
from _common import (
    ATR_MULTIPLE,
    COMMISSION,
    INITIAL_CASH,
    MAX_BARS,
    SLIPPAGE,
    TOP_N,
    TRAIL,
    arguments,
    report,
)
from _panel import Panel, read_panel
from pybroker import ExecContext, FeeMode, FixedSlippageModel, PriceType, Strategy, StrategyConfig

LEVERAGE = 2


class TopScores:
    """Set the orders of the decision bar on the contexts of picks and holdings."""

    def __init__(self, panel: Panel, *, stops: bool) -> None:
        self.atr = panel.atr
        self.stops = stops
        self.column = {asset: c for c, asset in enumerate(panel.assets)}
        self.picks = {
            bar: [panel.assets[c] for c in picks] for bar, picks in panel.targets().items()
        }

    def __call__(self, contexts: Mapping[str, ExecContext]) -> None:
        first = next(iter(contexts.values()))
        bar = first.bars - 1
        picks = self.picks.get(bar)
        if picks is None:
            return
        held = [position.symbol for position in first.long_positions()]
        for symbol in set(held).difference(picks):
            contexts[symbol].sell_fill_price = PriceType.OPEN
            contexts[symbol].sell_all_shares()
        for symbol in picks:
            context = contexts[symbol]
            context.set_target_shares(1.0 / TOP_N / LEVERAGE, dir="long")
            if context.buy_shares:
                context.buy_fill_price = PriceType.OPEN
            if context.sell_shares or (self.stops and context.buy_shares):
                context.sell_fill_price = PriceType.OPEN
            if self.stops and context.buy_shares:
                context.stop_loss = ATR_MULTIPLE * self.atr[bar, self.column[symbol]]
                context.stop_trailing_pct = 100.0 * TRAIL
                context.hold_bars = MAX_BARS


def main() -> None:
    args = arguments("W1", "W2")
    prices = pd.read_parquet(args.data_dir / "prices.parquet").rename(
        columns={"timestamp": "date", "asset_id": "symbol"}
    )
    panel = read_panel(args.data_dir, [])
    config = StrategyConfig(
        initial_cash=INITIAL_CASH,
        fee_mode=FeeMode.ORDER_PERCENT,
        fee_amount=100.0 * COMMISSION,
        enable_fractional_shares=True,
        round_fill_price=False,
        round_test_result=False,
        leverage=LEVERAGE,
    )
    strategy = Strategy(prices, panel.timestamps[0], panel.timestamps[-1], config)
    strategy.add_execution(None, panel.assets)
    strategy.set_after_exec(TopScores(panel, stops=args.workload == "W2"))
    strategy.set_slippage_model(FixedSlippageModel(bps=10_000.0 * SLIPPAGE))
    pybroker.disable_logging()
    pybroker.disable_progress_bar()
    result = strategy.backtest()
    equity = result.portfolio["equity"].iloc[-1]
    report("pybroker", "lib-pybroker", args.workload, equity, len(result.orders))


if __name__ == "__main__":
    main()
