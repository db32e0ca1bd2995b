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
    Ranking,
    SQLStrategy,
    Strategy,
    TopN,
)

SOURCES = {"W1": (), "W2": (), "W3": ("assets", "borrow")}
# W3 is long twenty and short five of what it ranks, so that borrowing is not idle.
LONG_SHORT = "case when rank <= 20 then 0.06 else -0.04 end"
# Tables that no query asks for are never written: the job that is timed is to have them all, but
# `evidence`, of which no other engine has anything.
TABLES = (
    "runs", "orders", "fills", "trades", "positions", "equity", "decisions", "selections",
    "cash_flows", "signals", "benchmark", "waiting",
)  # fmt: skip
# By bars between decisions (390 is a day of minutes): stop in ATR, trailing stop, bars to an exit.
THREE = {5: (2.0, 0.05, 60), 390: (15.0, 0.02, 300)}


def rules_of(workload: str, every: int) -> r.RiskManager:
    """W1 has no rules, W2 three, W3 all of them and a limit on sectors."""
    if workload == "W1":
        return r.RiskManager()
    stop, trail, bars = THREE[every]
    three = [r.VolatilityScaledStopLoss(stop), r.DynamicTrailingStop(trail), r.TimeBasedExit(bars)]
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


def strategy_of(workload: str, form: str, every: int) -> Strategy:
    """The same selection as a ranking, as a query over it, and as a query over all signals."""
    weight = LONG_SHORT if workload == "W3" else "equal"
    if form == "topn":
        return TopN(
            25, by="ml_score", where="atr is not null", when="vix <= 30", every=every, weight=weight
        )
    if form == "sql":
        ranking = Ranking(
            n=25,
            by="ml_score",
            where="atr is not null",
            when="vix <= 30",
            every=every,
            weight=weight,
        )
        return SQLStrategy("select timestamp, asset_id, weight from ranked", ranking=ranking)
    query = f"""
        select
            timestamp,
            asset_id,
            ml_score as score,
            row_number() over (partition by timestamp order by ml_score desc) as rank,
            {"1.0 / 25" if weight == "equal" else weight} as weight
        from signals
        where atr is not null and isfinite(ml_score)
        qualify rank <= 25
    """
    return SQLStrategy(query, every=every, when="vix <= 30")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--workload", choices=list(SOURCES), default="W1")
    parser.add_argument(
        "--overdraft", action="store_true", help="no cash reserve, so that the peers' rule is met"
    )
    parser.add_argument(
        "--every", type=int, choices=list(THREE), default=5, help="bars between decisions"
    )
    parser.add_argument("--cache", help="a folder of prepared data")
    parser.add_argument("--as", dest="form", choices=["topn", "sql", "sql-signals"], default="topn")
    options = parser.parse_args()
    # An older checkout, which this script may measure, knows no cache.
    catalog = Catalog() if options.cache is None else Catalog(cache=options.cache)
    for role in ("prices", "features", "context", *SOURCES[options.workload]):
        catalog.register(role, f"{options.data}/{role}.parquet")
    result = BacktestEngine(
        catalog,
        strategy_of(options.workload, options.form, options.every),
        risk_manager=rules_of(options.workload, options.every),
        initial_capital=1_000_000,
        config=config_of(options.workload, overdraft=options.overdraft),
    ).run()
    counts = ", ".join(f"(select count(*) from {table}) as {table}" for table in TABLES)
    found = result.sql(f"select arg_max(equity, timestamp) as last, {counts} from equity")
    facts = dict(zip(found.columns, found.fetchall()[0], strict=True))
    print(
        json.dumps(
            {
                "peer": "ml4t-backtest-duckdb",
                "workload": options.workload,
                "final_equity": facts["last"],
                "fills": facts["fills"],
            }
        )
    )


if __name__ == "__main__":
    main()
