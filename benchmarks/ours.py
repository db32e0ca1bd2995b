"""Our engine on a generated market, as one process: python benchmarks/ours.py FOLDER."""

from __future__ import annotations

import argparse
import json

import ml4t.backtest.risk as r
from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    CashAccount,
    Catalog,
    ExecutionPolicy,
    Financing,
    MarginAccount,
    TopN,
)

SOURCES = {"W1": (), "W2": (), "W3": ("assets", "borrow")}
# W3 is long twenty and short five of what it ranks, so that borrowing is not idle.
LONG_SHORT = "case when rank <= 20 then 0.06 else -0.04 end"


def rules_of(workload: str) -> r.RiskManager:
    """W1 has no rules, W2 three, W3 all of them and a limit on sectors."""
    if workload == "W1":
        return r.RiskManager()
    three = [r.VolatilityScaledStopLoss(2.0), r.DynamicTrailingStop(0.05), r.TimeBasedExit(60)]
    if workload == "W2":
        return r.RiskManager(three)
    others = [
        r.StopLoss(0.2), r.TakeProfit(0.5), r.TrailingStop(0.15), r.VolatilityTrailingStop(4.0),
        r.BreakevenStop(0.1), r.SignalExit("ml_score < 0.02"), r.ScaledExit(((0.1, 0.5),)),
        r.AllOf([r.TimeBasedExit(20), r.TakeProfit(0.02)]),
        r.AnyOf([r.StopLoss(0.3), r.TimeBasedExit(90)]),
    ]  # fmt: skip
    return r.RiskManager([*three, *others], limits=[r.MaxGroupWeight(0.3, group="sector")])


def config_of(workload: str, *, overdraft: bool) -> BacktestConfig:
    """W3 trades whole shares on margin, within a share of the volume."""
    if workload == "W3":
        return BacktestConfig(
            account=MarginAccount(),
            financing=Financing(debit_rate=0.05),
            execution=ExecutionPolicy(whole_shares=True, participation=0.05),
        )
    if overdraft:
        return BacktestConfig(account=CashAccount(shortfall="reject", overdraft=1_000_000))
    return BacktestConfig()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--workload", choices=list(SOURCES), default="W1")
    parser.add_argument(
        "--overdraft", action="store_true", help="no cash reserve, so that the peers' rule is met"
    )
    options = parser.parse_args()
    catalog = Catalog()
    for role in ("prices", "features", "context", *SOURCES[options.workload]):
        catalog.register(role, f"{options.data}/{role}.parquet")
    strategy = TopN(
        25, by="ml_score", where="atr is not null", when="vix <= 30", every=5,
        weight=LONG_SHORT if options.workload == "W3" else "equal",
    )  # fmt: skip
    result = BacktestEngine(
        catalog,
        strategy,
        risk_manager=rules_of(options.workload),
        initial_capital=1_000_000,
        config=config_of(options.workload, overdraft=options.overdraft),
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
