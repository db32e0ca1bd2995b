"""Twelve-month momentum on real S&P 500 prices, 1999 to 2015, prepared and answered in SQL.

Run it with ``python examples/sp500_momentum.py [DATA_FOLDER [OUT_FOLDER]]``; left out, the data
is looked for in ``../shared/data`` and the output goes to ``out/sp500_momentum``, both from the
checkout's root. The SQL is in ``examples/sql``.

Steps: `prepare` (splits, features, VIX -> Parquet) -> `run_momentum`
-> `require_reconciled` -> the run saved there, its summary and its yearly returns.

What the figures are, and are not:

- Prices as traded are unadjusted. They are adjusted for splits, **forward only**: the price at t
  times the product of the ratios of all splits dated t or before. It is what one share of the
  asset's first bar has grown into, and depends on no split after t. Features are made from these
  prices too, so that an ATR is in the unit of the stop that it sets.
- Dividends are not paid: returns are price returns, some 2% a year below total returns.
- The 487 companies are those of the index of 2021, so the past looks better than it was
  (survivorship), even though each is held only while it was a member.
- 184 rows have no volume, most with the previous close as their only price. They are kept. The
  engine does not look at volume, but no fill of this run falls on one of them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from ml4t.backtest import BacktestEngine, BacktestResult, Catalog, TopN
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
    """Adjust the prices for splits, make the features and the context, write them as Parquet."""
    out.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as database:
        for view, name in (("raw_prices", "sp500_daily"), ("raw_vix", "vix_daily")):
            database.read_parquet(str(data / f"{name}.parquet")).create_view(view)
        for table in ("prices", "features", "context"):
            name = "vix" if table == "context" else table
            database.execute(sql(f"sp500_{name}"))
            database.table(table).write_parquet(str(out / f"{table}.parquet"))


def run_momentum(data: Path, out: Path) -> BacktestResult:
    """Hold the 25 members with the highest momentum, rebalanced every 21 bars in calm markets."""
    catalog = Catalog()
    catalog.register("prices", out / "prices.parquet")
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
    engine = BacktestEngine(catalog, strategy, risk_manager=risk, initial_capital=1_000_000)
    return engine.run()


def require_reconciled(result: BacktestResult) -> tuple[float, float, int]:
    """Hold the trades against the equity curve, and every bar's equity against what is held."""
    pnl_gap, bar_gap, n_bars = result.sql(sql("sp500_reconciliation")).fetchall()[0]
    assert abs(pnl_gap) < CENT, f"the trades miss the final equity by {pnl_gap}"
    assert bar_gap < CENT, f"cash and positions miss the equity by {bar_gap}"
    return pnl_gap, bar_gap, n_bars


def print_years(result: BacktestResult) -> None:
    """Print a line per year."""
    print(f"\n{'Year':<6}{'Equity':>16}{'Return':>10}{'Worst DD':>10}{'Held':>7}{'Trades':>8}")
    for year, equity, gain, drawdown, held, trades in result.sql(
        sql("sp500_yearly_returns")
    ).fetchall():
        print(f"{year:<6}{equity:>16,.2f}{gain:>10.2%}{drawdown:>10.2%}{held:>7.1f}{trades:>8,}")


def sql(name: str) -> str:
    """Return a statement of ``examples/sql``."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
