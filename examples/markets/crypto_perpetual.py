"""Perpetual contracts: ``BacktestConfig.preset("crypto_perpetual")`` on made-up bars of four hours.

Run it with ``python examples/markets/crypto_perpetual.py``. Funding is due every eight hours, and a
position whose own margin is used up is liquidated inside the bar.
"""

from datetime import datetime, timedelta

import polars as pl
from shared import make_bars, require, show

from ml4t.backtest import BacktestConfig, BacktestEngine, Catalog, Strategy
from ml4t.backtest.risk import IsolatedMargin, RiskManager

RATE = 0.0001


class BuyOne(Strategy):
    """Buy one contract, and hold it."""

    def decide(self, batch, broker):
        """Buy on the first bar."""
        if batch.t == 0:
            self.buy("S0", 1)


def main():
    config = BacktestConfig.preset("crypto_perpetual")
    print(config.describe())
    bars = make_bars("2024-01-01", n_assets=1, n_bars=60, price=2_000.0, limit=0.05)
    times = [datetime(2024, 1, 1, 4) + timedelta(hours=4 * n) for n in range(60)]
    bars = bars.with_columns(pl.Series("timestamp", times))
    due = times[1::2]  # 08:00, 16:00, 00:00
    catalog = Catalog().register("prices", bars)
    catalog.register("assets", {"asset_id": ["S0"], "instrument": ["perpetual"]})
    funding = {"timestamp": due, "asset_id": ["S0"] * len(due), "rate": [RATE] * len(due)}
    catalog.register("funding", funding)
    result = BacktestEngine(
        catalog,
        BuyOne(),
        risk_manager=RiskManager([IsolatedMargin(0.1, 0.005)]),
        initial_capital=10_000,
        config=config,
    ).run()
    show(result)
    query = """
        select -amount, positions.price
        from cash_flows inner join positions using (timestamp, asset_id)
        where kind = 'funding'
    """
    for paid, close in result.sql(query).fetchall():
        require(paid, RATE * close)
    exits = "select exit_rule, entry_price, exit_price from trades where exit_price is not null"
    for rule, entry, price in result.sql(exits).fetchall():
        print(f"{rule} at {price:,.2f}, bought at {entry:,.2f}")


if __name__ == "__main__":
    main()
