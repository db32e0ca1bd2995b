"""A shares: ``BacktestConfig.preset("china_a")`` on made-up bars.

Run it with ``python examples/markets/china_a.py``. Lots of 100, what was bought is sold in the next
session at the earliest, and nothing is bought at limit up. A stop that its own day touches waits.
"""

from shared import cents, make_bars, require, show

from ml4t.backtest import BacktestConfig, BacktestEngine, Catalog, TopN
from ml4t.backtest.risk import RiskManager, StopLoss


def main():
    config = BacktestConfig.preset("china_a")
    print(config.describe())
    catalog = Catalog().register("prices", make_bars("2024-03-04", limit=0.0995, price=12.0))
    result = BacktestEngine(
        catalog,
        TopN(3, by="score", every=5),
        risk_manager=RiskManager([StopLoss(0.01)]),
        initial_capital=500_000,
        config=config,
    ).run()
    show(result)
    ends = "select reason, count(*) from orders where reason <> '' group by reason order by reason"
    print(result.sql(ends).fetchall())
    for quantity, price, commission, tax, fee in result.sql(
        "select quantity, price, commission, tax, fee from fills"
    ).fetchall():
        value = abs(quantity) * price
        require(commission, cents(max(0.00025 * value, 5.0)))
        require(tax, cents(0.0005 * value) if quantity < 0 else 0.0)
        require(fee, cents(0.00001 * value))
    wrong = result.sql(
        "select count(*) from trades where exit_timestamp::date = entry_timestamp::date "
        "union all select count(*) from fills where quantity > 0 and quantity % 100 <> 0"
    ).fetchall()
    if wrong != [(0,), (0,)]:
        raise AssertionError("a share was sold on the day of its purchase, or bought in an odd lot")


if __name__ == "__main__":
    main()
