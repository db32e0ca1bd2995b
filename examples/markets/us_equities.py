"""US shares: ``BacktestConfig.preset("us_equities")`` on made-up bars.

Run it with ``python examples/markets/us_equities.py``. Whole shares in a margin account; on sales
the SEC's and FINRA's fees of their date.
"""

from shared import cents, make_bars, require, show

from ml4t.backtest import BacktestConfig, BacktestEngine, Catalog, TopN

SEC, TAF = 27.80e-6, 0.000166  # of the value, and a share, in November 2024


def main():
    config = BacktestConfig.preset("us_equities")
    print(config.describe())
    catalog = Catalog().register("prices", make_bars("2024-10-01"))
    strategy = TopN(3, by="score", every=5)
    result = BacktestEngine(catalog, strategy, initial_capital=100_000, config=config).run()
    show(result)
    for quantity, price, commission, fee in result.sql(
        "select quantity, price, commission, fee from fills where quantity < 0"
    ).fetchall():
        shares, value = -quantity, -quantity * price
        require(commission, min(max(0.005 * shares, 1.0), 0.01 * value))
        require(fee, cents(SEC * value) + cents(TAF * shares))


if __name__ == "__main__":
    main()
