"""Stop loss and take profit: by the position's own P&L, at the close or inside the bar.

Run it with ``python examples/patterns/stop_loss.py``. The callback and the rules look at closes and
leave at the next open, so they trade alike. A risk rule acts inside the bar, at its level or, where
the bar opens beyond it, at the open: other trades, shown beside them.
"""

from shared import require_equal_trades, show

from ml4t.backtest import BacktestEngine, Strategy
from ml4t.backtest.data import PolarsDataFeed
from ml4t.backtest.risk import RiskManager, StopLoss, TakeProfit
from ml4t.backtest.scenarios import make_scenario
from ml4t.backtest.strategies import PercentSizer, Rule, SignalStrategy

PROFIT, LOSS = 0.08, 0.04


class StopLossStrategy(Strategy):
    """Enter on a high prediction, leave on a gain or a loss."""

    def on_market_event(self, event, context=None):
        """Look after the position, else for an entry."""
        if self.get_position(event.asset_id) != 0:
            pnl = self.get_unrealized_pnl_pct(event.asset_id)
            if pnl > PROFIT or pnl < -LOSS:
                self.close_position(event.asset_id)
        elif event.signals["prediction"] > 0.70:
            self.buy_percent(event.asset_id, percent=0.12, price=event.close)


ENTRY = [Rule.signal_above("prediction", 0.70), Rule.not_in_position()]
RULES = SignalStrategy(
    entry_rules=ENTRY,
    exit_rules=[Rule.take_profit(PROFIT), Rule.stop_loss(LOSS)],
    position_sizer=PercentSizer(0.12),
)
ENTRY_ALONE = SignalStrategy(entry_rules=ENTRY, position_sizer=PercentSizer(0.12))


def main():
    feed = PolarsDataFeed(make_scenario("high_volatility", n_assets=8, seed=7).data)
    callback = BacktestEngine(feed, StopLossStrategy()).run()
    rules = BacktestEngine(feed, RULES).run()
    risk = RiskManager([TakeProfit(PROFIT), StopLoss(LOSS)])
    inside = BacktestEngine(feed, ENTRY_ALONE, risk_manager=risk).run()
    show("callback, at closes", callback)
    show("rules, at closes", rules)
    show("risk rules, inside the bar", inside)
    require_equal_trades(callback, rules)


if __name__ == "__main__":
    main()
