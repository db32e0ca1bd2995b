"""One strategy three ways, trade for trade: callback (A1), rules (A3), functions of numbers.

Run it with ``python examples/a1_a3_equal.py [DATA_FOLDER]``. A1 and A3 are the appendix of the
strategy architecture, word for word; the third is A1 as a `HybridStrategy`, plain and, where numba
is installed, compiled. They run on the six made-up scenarios with five assets each and, where the
real prices are found (``../shared/data`` from the checkout's root by default), on ten companies
over 16 years with a momentum score. Every column of `trades` but ``exit_rule``, and of `orders` but
``tag``, must be equal; the exit code is 1 if one differs.

At 95% of the portfolio an entry takes nearly all cash, so that most later ones are rejected: the
ways must agree on those too.
"""

# ruff: noqa: D102, D400 - A1 has the appendix's own words

from __future__ import annotations

import sys
from pathlib import Path

from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, Strategy
from ml4t.backtest.scenarios import SCENARIOS, make_scenario
from ml4t.backtest.strategies import HybridStrategy, PercentSizer, Rule, SignalStrategy

try:
    import numba
except ImportError:
    numba = None

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
COMPANIES = ("AAPL", "AMZN", "BA", "CAT", "GE", "IBM", "JPM", "KO", "MSFT", "XOM")


# fmt: off
class SimpleMLStrategy(Strategy):
    """Enter when ML prediction > threshold, exit on stop/target"""

    def on_market_data(self, event):
        pred = event.data.signals['ml_pred']
        position = self.get_position(event.asset_id)

        if pred > 0.8 and position == 0:
            self.buy_percent(event.asset_id, 0.95)
        elif position > 0:
            pnl = self.get_unrealized_pnl_pct(event.asset_id)
            if pnl < -0.05 or pnl > 0.15:
                self.close_position(event.asset_id)


# Same as A1 but declarative (10-100x faster)
strategy = SignalStrategy(
    entry_rules=[
        Rule.signal_above('ml_pred', 0.8),
        Rule.not_in_position(),
    ],
    exit_rules=[
        Rule.stop_loss(0.05),
        Rule.take_profit(0.15),
    ],
    position_sizer=PercentSizer(0.95)
)
# fmt: on


def evaluate_entry(ml_pred, position):
    """Return 1 to enter."""
    return 1 if ml_pred > 0.8 and position == 0 else 0


def evaluate_exit(pnl_pct):
    """Return -1 to leave; asked of what is held, whether or not there is a prediction."""
    return -1 if pnl_pct < -0.05 or pnl_pct > 0.15 else 0


class Hybrid(HybridStrategy):
    """A1 as two functions of numbers; 95% of the portfolio is the default size."""

    evaluate_entry = staticmethod(evaluate_entry)
    evaluate_exit = staticmethod(evaluate_exit)


WAYS = {"A1, callback": SimpleMLStrategy, "A3, rules": lambda: strategy, "hybrid": Hybrid}
if numba is not None:

    class CompiledHybrid(HybridStrategy):
        """The same two functions under njit."""

        evaluate_entry = staticmethod(numba.njit(evaluate_entry))
        evaluate_exit = staticmethod(numba.njit(evaluate_exit))

    WAYS["hybrid, compiled"] = CompiledHybrid


def scenario_catalog(name: str) -> Catalog:
    """Return five assets of a scenario, its predictions under the appendix's name."""
    data = make_scenario(name, n_assets=5).data
    return Catalog().register("prices", data.rename({"prediction": "ml_pred"}))


def real_catalog(folder: Path) -> Catalog:
    """Return ten companies, adjusted, and the rank of their momentum where it is known."""
    adjusted = ", ".join(
        f"{name} * adjusted_close / close as {name}" for name in ("open", "high", "low", "close")
    )
    daily = Catalog().register(
        "prices",
        f"select timestamp, asset_id, {adjusted}, volume from '{folder / 'sp500_daily.parquet'}' "
        f"where asset_id in {COMPANIES}",
    )
    daily.indicators.momentum(60).indicators.cross_rank("momentum_60", name="ml_pred")
    # A1 reads the prediction of every bar; it would say which one is missing.
    scored = daily.sql("select * from signals where ml_pred is not null")
    return Catalog().register("prices", scored.to_arrow_table())


def trades_of(result: BacktestResult) -> list[tuple[object, ...]]:
    """Return all trades without who asked for the exit."""
    query = "select * exclude (run_id, exit_rule) from trades order by trade_id"
    return result.sql(query).fetchall()


def orders_of(result: BacktestResult) -> list[tuple[object, ...]]:
    """Return all orders, rejected ones included, without who asked."""
    return result.sql("select * exclude (run_id, tag) from orders order by order_id").fetchall()


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    catalogs = {name: scenario_catalog(name) for name in SCENARIOS}
    if (folder / "sp500_daily.parquet").is_file():
        catalogs["real prices"] = real_catalog(folder)
    else:
        print(f"no sp500_daily.parquet in '{folder}': real prices are left out")
    print(f"{'':<18}{'trades':>8}{'orders':>8}{'rejected':>10}{'return':>11}  equal to A1")
    n_different = 0
    for name, catalog in catalogs.items():
        first, *others = [BacktestEngine(catalog, make()).run() for make in WAYS.values()]
        trades, orders = trades_of(first), orders_of(first)
        equal = [trades_of(o) == trades and orders_of(o) == orders for o in others]
        verdicts = zip(list(WAYS)[1:], equal, strict=True)
        n_rejected = first.sql("select count(*) from orders where status = 'rejected'").fetchall()
        print(
            f"{name:<18}{len(trades):>8,}{len(orders):>8,}{n_rejected[0][0]:>10,}"
            f"{first['total_return']:>11.2%}  "
            + "; ".join(f"{way}: {'yes' if is_equal else 'NO'}" for way, is_equal in verdicts)
        )
        n_different += equal.count(False)
    ways = ", ".join(WAYS)
    print(f"{ways}: {'the same trades and orders' if not n_different else 'DIFFERENT'}")
    return 1 if n_different else 0


if __name__ == "__main__":
    sys.exit(main())
