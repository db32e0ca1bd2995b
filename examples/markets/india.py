"""Shares of the NSE: ``BacktestConfig.preset("india")`` on made-up bars.

Run it with ``python examples/markets/india.py``. Held for delivery: both sides pay transaction tax,
purchases stamp duty, and what a sale brings is spent a session later.
"""

from shared import cents, make_bars, require, show

from ml4t.backtest import BacktestConfig, BacktestEngine, Catalog, TopN


def main():
    config = BacktestConfig.preset("india")
    print(config.describe())
    catalog = Catalog().register("prices", make_bars("2024-11-04", tick=0.05, price=900.0))
    strategy = TopN(3, by="score", every=5)
    result = BacktestEngine(catalog, strategy, initial_capital=1_000_000, config=config).run()
    show(result)
    for quantity, price, tax, fee in result.sql(
        "select quantity, price, tax, fee from fills"
    ).fetchall():
        value = abs(quantity) * price
        levies = cents(0.0000297 * value) + cents(0.000001 * value)
        stamp = 0.00015 * value if quantity > 0 else 0.0
        require(fee, levies)
        require(tax, cents(0.18 * levies) + cents(0.001 * value) + cents(stamp))


if __name__ == "__main__":
    main()
