"""A complete ML strategy with every helper: signals, context, sizing, trimming, rebalancing.

Run it with ``python examples/ml_strategy_example.py``. Two years of ten made-up assets;
``prediction`` and ``confidence`` stand for a model's output, right in 70% of the bars by
construction, so that what is earned says nothing about markets.

The strategy, at each close:

1. A quarter's first bar rebalances to a core, 8% in each of the four most promising assets.
2. When the VIX passes 30, every position is halved, once; nothing is entered until it is back.
3. Positions are looked after: out at a loss of 5%, a part sold at a gain of 8%, cut back to
   12% of the portfolio when grown beyond 15%.
4. What is flat is entered where the model is sure: sized by confidence, or a little where it is
   only inclined; never with less than a tenth in cash or with 4% of open losses.

The helpers: `get_position`, `get_positions`, `get_position_value`, `get_cash`,
`get_portfolio_value`, `get_unrealized_pnl`, `get_unrealized_pnl_pct`, `buy_percent`,
`sell_percent`, `close_position`, `reduce_position`, `set_position_percent`, `size_by_confidence`,
`rebalance_to_weights`.
"""

import time

from ml4t.backtest import BacktestEngine, Strategy
from ml4t.backtest.data import PolarsDataFeed
from ml4t.backtest.scenarios import make_scenario

N_ASSETS, N_BARS, CAPITAL = 10, 504, 100_000
N_CORE, CORE_WEIGHT = 4, 0.08


class CompleteMLStrategy(Strategy):
    """Core and satellites on ML scores."""

    def __init__(self, max_vix=30.0):
        super().__init__()
        self.max_vix = max_vix
        self.quarter = None
        self.is_stressed = False
        self.n_fills, self.costs = 0, 0.0

    # -- the run ----------------------------------------------------------------------

    def on_start(self):
        """Look at the account before the first bar."""
        print(f"Starting with {self.get_cash():,.2f} in cash")

    def on_fill(self, fill):
        """Add up what trading costs."""
        self.n_fills += 1
        self.costs += fill.commission + fill.tax + fill.fee + fill.slippage

    def on_end(self):
        """Say what is left at the last close."""
        worth = {asset: self.get_position_value(asset) for asset in self.get_positions()}
        value, pnl = self.get_portfolio_value(), self.open_pnl()
        print(f"Ending with {value:,.2f}, {sum(worth.values()):,.2f} of it in {len(worth)} assets")
        print(f"Open P&L {pnl:,.2f}; {self.n_fills:,} fills heard of, {self.costs:,.2f} of costs")

    # -- a close ----------------------------------------------------------------------

    def on_timestamp_batch(self, events, broker, portfolio):
        """Act on all assets of a close; each gets one order at most."""
        context, when = events[0].context, events[0].timestamp
        quarter = (when.year, (when.month - 1) // 3)
        was_stressed, self.is_stressed = self.is_stressed, context.get("VIX", 0.0) > self.max_vix
        if self.is_stressed:
            if not was_stressed:
                for asset in self.get_positions():
                    self.reduce_position(asset, 0.5, tag="halved by VIX")
                return
        elif quarter != self.quarter:
            self.quarter = quarter
            self.rebalance_core(events)
            return
        may_enter = not self.is_stressed and self.may_enter()
        for event in events:
            if self.get_position(event.asset_id) != 0:
                self.look_after(event)
            elif may_enter:
                self.look_for_entry(event)

    def rebalance_core(self, events):
        """Hold the most promising assets, and close all others."""
        best = sorted(events, key=lambda event: -event.signals.get("prediction", 0.0))[:N_CORE]
        weights = {event.asset_id: CORE_WEIGHT for event in best}
        self.rebalance_to_weights(weights, {event.asset_id: event.close for event in best})

    def look_after(self, event):
        """Stop, take profit in part, or cut back."""
        asset = event.asset_id
        pnl = self.get_unrealized_pnl_pct(asset)
        share = self.get_position_value(asset) / self.get_portfolio_value()
        if pnl <= -0.05:
            self.close_position(asset, tag="stop loss")
        elif pnl >= 0.08 and share > 0.03:
            self.sell_percent(asset, percent=0.02, price=event.close, tag="profit taken")
        elif share > 0.15:
            self.set_position_percent(asset, 0.12, tag="cut back")

    def look_for_entry(self, event):
        """Size by confidence where the model is sure, buy a little where it is inclined."""
        prediction = event.signals.get("prediction", 0.0)
        confidence = event.signals.get("confidence", 0.0)
        if prediction > 0.75 and confidence > 0.75:
            self.size_by_confidence(
                asset_id=event.asset_id,
                confidence=confidence,
                max_percent=0.18,
                price=event.close,
                tag="sure",
            )
        elif prediction > 0.65:
            self.buy_percent(event.asset_id, percent=0.03, price=event.close, tag="inclined")

    def may_enter(self):
        """Keep a tenth in cash, and hold back while what is open loses."""
        value = self.get_portfolio_value()
        return self.get_cash() > 0.1 * value and self.open_pnl() > -0.04 * value

    def open_pnl(self):
        """Return the P&L of all open positions."""
        return sum(self.get_unrealized_pnl(asset) for asset in self.get_positions())


def main():
    scenario = make_scenario("neutral", n_assets=N_ASSETS, n_bars=N_BARS)
    engine = BacktestEngine(
        data_feed=PolarsDataFeed(scenario.data, signal_columns=["prediction", "confidence"]),
        strategy=CompleteMLStrategy(),
        context_data=scenario.context,
        initial_capital=CAPITAL,
    )
    started = time.perf_counter()
    result = engine.run()
    seconds = time.perf_counter() - started

    print(f"\n{'Orders by what asked for them':<32}{'sent':>7}{'filled':>8}")
    query = """
        select tag, count(*), count(*) filter (where filled_quantity <> 0)
        from orders group by tag order by count(*) desc, tag
    """
    for tag, n_sent, n_filled in result.sql(query).fetchall():
        print(f"{'rebalanced' if tag == 'order' else tag:<32}{n_sent:>7,}{n_filled:>8,}")

    print(f"\nReturn: {result['total_return']:.2%}")
    print(f"Final Value: ${result['final_value']:,.2f}")
    print(f"Sharpe: {result['sharpe']:.2f}, max drawdown: {result['max_drawdown']:.2%}")
    n_events = len(scenario.data)
    print(
        f"{n_events:,} events in {seconds:.3f} s: {n_events / seconds:,.0f} events per second, "
        "measured in this run, checks and result tables included"
    )


if __name__ == "__main__":
    main()
