"""Futures: ``BacktestConfig.preset("cme_futures")`` on two made-up contracts, one after the other.

Run it with ``python examples/markets/cme_futures.py``. P&L goes through cash at every close,
margins are money per contract, and what expires is settled in cash.
"""

import polars as pl
from shared import make_bars, require, show

from ml4t.backtest import BacktestConfig, BacktestEngine, Catalog, Strategy

MULTIPLIER = 50.0


class HoldTwo(Strategy):
    """Hold two of the first contract until it expires, then two of the second."""

    def decide(self, batch, broker):
        """Buy on the first day, and on that after the expiry."""
        if batch.t in (0, 30):
            self.buy("S0" if batch.t == 0 else "S1", 2)


def main():
    config = BacktestConfig.preset("cme_futures")
    print(config.describe())
    bars = make_bars("2024-01-02", n_assets=2, n_bars=60, tick=0.25, price=5_000.0)
    last = bars["timestamp"].unique().sort()[29]
    catalog = Catalog().register(
        "prices", bars.filter((pl.col("asset_id") != "S0") | (pl.col("timestamp") <= last))
    )
    catalog.register(
        "assets",
        {
            "asset_id": ["S0", "S1"], "instrument": ["future"] * 2, "multiplier": [MULTIPLIER] * 2,
            "tick_size": [0.25] * 2, "expiry": [last.date(), None],
            "contract_initial_margin": [12_000.0] * 2,
            "contract_maintenance_margin": [11_000.0] * 2,
        },
    )  # fmt: skip
    result = BacktestEngine(catalog, HoldTwo(), initial_capital=400_000, config=config).run()
    show(result)
    paid = result.sql("select quantity, commission, fee from fills where quantity <> 0").fetchall()
    for quantity, commission, fee in paid:
        require(commission, 0.85 * abs(quantity))
        require(fee, (1.38 + 0.02) * abs(quantity))
    ((settled,),) = result.sql(
        "select sum(amount) from cash_flows where kind = 'variation_margin'"
    ).fetchall()
    ((gained,),) = result.sql("select sum(pnl + commission + fee) from trades").fetchall()
    print(f"variation margin {settled:,.2f}, P&L before costs {gained:,.2f}")
    require(settled, gained)


if __name__ == "__main__":
    main()
