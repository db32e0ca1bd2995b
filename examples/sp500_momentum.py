"""Twelve-month momentum on real S&P 500 prices, 1999 to 2015, prepared and answered in SQL.

Run it with ``python examples/sp500_momentum.py [DATA_FOLDER [OUT_FOLDER]]``; left out, the data
is looked for in ``../shared/data`` and the output goes to ``out/sp500_momentum``, both from the
checkout's root. The SQL is in ``examples/sql``.

Steps: `prepare` (prices, actions, features, VIX -> Parquet) -> `run_momentum`
-> `require_reconciled` -> the run saved there, its summary and its yearly returns.

What the figures are, and are not:

- Prices are as traded. Splits and dividends are an `actions` source: a split changes the shares
  held, their lots and their stops before the open; a dividend is cash on its ex-date, since the
  data has no pay dates, and no tax is taken. So these are total returns. A spin-off is a dividend
  of its value.
- Momentum compares prices of different days, so it is made of prices adjusted for splits,
  **forward only**: no split after t is in a feature of t. The ATR is in the unit of the price as
  traded at t, like the stop that it sets.
- A company is held only while it is a member: one that leaves the index is sold at the open after
  the first close without it. It happens to none that this run holds.
- The 487 companies are those of the index of 2021, so the past looks better than it was
  (survivorship), even though each is held only while it was a member. None of them was delisted.
- The vendor's errors are in it: a 2-for-1 split of ANTM on 2005-06-02 is missing, so that the run
  is stopped out at half the price; YUM pays a dividend on 2002-06-18 that there never was.
- 184 rows have no volume, most with the previous close as their only price. They mark a
  position, and nothing fills on them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from ml4t.backtest import (
    ActionPolicy,
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    Catalog,
    TopN,
)
from ml4t.backtest.risk import RiskManager, TimeBasedExit, VolatilityScaledStopLoss

ROOT = Path(__file__).resolve().parents[1]
SQL = Path(__file__).resolve().parent / "sql"
DATA = ROOT.parent / "shared" / "data"
OUT = ROOT / "out" / "sp500_momentum"
FILES = ("sp500_daily", "vix_daily", "sp500_membership")
CENT = 0.01


def main() -> int:
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else OUT
    missing = [name for name in FILES if not (data / f"{name}.parquet").is_file()]
    if missing:
        print(
            f"no {missing[0]}.parquet in '{data}'; pass the folder that holds "
            f"{', '.join(f'{name}.parquet' for name in FILES)}",
            file=sys.stderr,
        )
        return 2
    prepare(data, out)
    result = run_momentum(data, out)
    pnl_gap, bar_gap, n_bars = require_reconciled(result)
    print(result.summary())
    print(f"\nReconciled over {n_bars:,} bars: P&L off by {pnl_gap:.6f}, equity by {bar_gap:.6f}")
    print_years(result)
    print(f"\nsaved to {result.save(out / 'run.duckdb')}")
    return 0


def prepare(data: Path, out: Path) -> None:
    """Make prices, actions, features and context in SQL, and write them as Parquet."""
    out.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as database:
        for view, name in (("raw_prices", "sp500_daily"), ("raw_vix", "vix_daily")):
            database.read_parquet(str(data / f"{name}.parquet")).create_view(view)
        for table in ("prices", "actions", "features", "context"):
            name = "vix" if table == "context" else table
            database.execute(sql(f"sp500_{name}"))
            database.table(table).write_parquet(str(out / f"{table}.parquet"))


def run_momentum(data: Path, out: Path) -> BacktestResult:
    """Hold the 25 members with the highest momentum, rebalanced every 21 bars in calm markets."""
    catalog = Catalog()
    catalog.register("prices", out / "prices.parquet")
    catalog.register("actions", out / "actions.parquet")
    catalog.register("features", out / "features.parquet", max_age="7 days")
    catalog.register("context", out / "context.parquet", max_age="7 days")
    catalog.register("universe", data / "sp500_membership.parquet")
    strategy = TopN(25, by="momentum_12_1", where="atr_20 is not null", when="vix <= 30", every=21)
    risk = RiskManager(
        [
            VolatilityScaledStopLoss(volatility_key="atr_20", atr_multiplier=3.0),
            TimeBasedExit(max_bars=252),
        ]
    )
    config = BacktestConfig(actions=ActionPolicy(exit_on_membership_end=True))
    return BacktestEngine(
        catalog, strategy, risk_manager=risk, initial_capital=1_000_000, config=config,
        benchmark="universe",
    ).run()  # fmt: skip


def require_reconciled(result: BacktestResult) -> tuple[float, float, int]:
    """Hold trades and flows against the final equity, and every bar's against what is held."""
    pnl_gap, bar_gap, n_bars = result.sql(sql("sp500_reconciliation")).fetchall()[0]
    assert abs(pnl_gap) < CENT, f"trades and flows miss the final equity by {pnl_gap}"
    assert bar_gap < CENT, f"cash and positions miss the equity by {bar_gap}"
    return pnl_gap, bar_gap, n_bars


def print_years(result: BacktestResult) -> None:
    """Print a line per year."""
    print(
        f"\n{'Year':<6}{'Equity':>16}{'Return':>10}{'Worst DD':>10}{'Held':>7}{'Trades':>8}"
        f"{'Dividends':>13}"
    )
    for year, equity, gain, drawdown, held, trades, dividends in result.sql(
        sql("sp500_yearly_returns")
    ).fetchall():
        print(
            f"{year:<6}{equity:>16,.2f}{gain:>10.2%}{drawdown:>10.2%}{held:>7.1f}{trades:>8,}"
            f"{dividends:>13,.2f}"
        )


def sql(name: str) -> str:
    """Return a statement of ``examples/sql``."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
