"""This engine on workload W1 or W2: a whole process that ends with one JSON line.

Sources are two Parquet files and a context file; the result tables are in memory at the end.
"""

from __future__ import annotations

import argparse
import json

from ml4t.backtest import BacktestConfig, BacktestEngine, CashAccount, Catalog, TopN
from ml4t.backtest.risk import (
    DynamicTrailingStop,
    RiskManager,
    TimeBasedExit,
    VolatilityScaledStopLoss,
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--workload", choices=["W1", "W2"], default="W1")
    parser.add_argument(
        "--overdraft", action="store_true", help="no cost reserve, so that the peers' rule is met"
    )
    options = parser.parse_args()
    catalog = Catalog()
    for role in ("prices", "features", "context"):
        catalog.register(role, f"{options.data}/{role}.parquet")
    strategy = TopN(25, by="ml_score", where="atr is not null", when="vix <= 30", every=5)
    rules = RiskManager()
    if options.workload == "W2":
        rules.add_rule(VolatilityScaledStopLoss(2.0)).add_rule(DynamicTrailingStop(0.05))
        rules.add_rule(TimeBasedExit(60))
    account = CashAccount()
    if options.overdraft:
        account = CashAccount(reserve_costs=False, overdraft=1_000_000)
    result = BacktestEngine(
        catalog,
        strategy,
        risk_manager=rules,
        initial_capital=1_000_000,
        config=BacktestConfig(account=account),
    ).run()
    facts = result.sql(
        "select arg_max(equity, timestamp), (select count(*) from fills) from equity"
    ).fetchall()[0]
    print(
        json.dumps(
            {
                "peer": "ml4t-backtest-duckdb",
                "workload": options.workload,
                "final_equity": facts[0],
                "fills": facts[1],
            }
        )
    )


if __name__ == "__main__":
    main()
