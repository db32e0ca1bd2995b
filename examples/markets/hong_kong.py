"""Hong Kong shares: ``BacktestConfig.preset("hong_kong")`` on made-up bars.

Run it with ``python examples/markets/hong_kong.py``. Every issuer has its board lot, which
``assets`` says; both sides pay stamp duty, up to the next dollar.
"""

from math import ceil

from shared import cents, make_bars, require, show

from ml4t.backtest import BacktestConfig, BacktestEngine, Catalog, TopN

LOTS = [100, 200, 400, 500, 1_000, 100, 200, 400]


def main():
    config = BacktestConfig.preset("hong_kong")
    print(config.describe())
    catalog = Catalog().register("prices", make_bars("2024-03-04", price=60.0))
    catalog.register(
        "assets", {"asset_id": [f"S{number}" for number in range(8)], "lot_size": LOTS}
    )
    strategy = TopN(3, by="score", every=5)
    result = BacktestEngine(catalog, strategy, initial_capital=2_000_000, config=config).run()
    show(result)
    for asset, quantity, price, commission, tax in result.sql(
        "select asset_id, quantity, price, commission, tax from fills"
    ).fetchall():
        value = abs(quantity) * price
        require(commission, cents(max(0.0008 * value, 18.0)))
        require(tax, ceil(round(0.001 * value, 6)))
        if quantity % LOTS[int(asset[1:])]:
            raise AssertionError(f"{quantity} of {asset} are no lots")


if __name__ == "__main__":
    main()
