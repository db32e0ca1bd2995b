"""Series of returns as a result of ours, and what it says of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import variance
from typing import Any

from metric_series import Series

from ml4t.backtest import BacktestResult
from ml4t.backtest.data.database import Database
from ml4t.backtest.results.store import open_store
from ml4t.backtest.results.tables import TABLES

CAPITAL = 1_000.0
LAST = 20  # of a list are kept so many, as peers/run_metrics.py does
TRIAL_SHARPES = [0.4, 1.1, 0.2, -0.3, 0.8]
LISTS = {
    "drawdowns": ("drawdowns", "drawdown", "rank"),
    "monthly_returns": ("monthly_returns", "return", "month"),
    "yearly_returns": ("yearly_returns", "return", "year"),
    "rolling_sharpe": ("rolling", "sharpe", "timestamp"),
    "rolling_volatility": ("rolling", "volatility", "timestamp"),
    "rolling_beta": ("rolling", "beta", "timestamp"),
}


def result_of(series: Series) -> BacktestResult:
    """Return a result whose account had these returns."""
    database = open_store()
    for name, table in TABLES.items():
        columns = [f'"{one.name}" {_type_of(one.kind)}' for one in table.columns]
        database.execute(f"create table {name} (run_id varchar, {', '.join(columns)})")
    _insert("runs", [{"initial_capital": CAPITAL, "periods_per_year": series["periods"]}], database)
    equity, positions, benchmark = [], [], []
    worth = peak = beside = CAPITAL
    for i, (time, made) in enumerate(zip(series["times"], series["returns"], strict=True)):
        bar = datetime.fromisoformat(time)
        worth *= 1 + made
        peak = max(peak, worth)
        equity.append({
            "timestamp": bar, "session": bar.date(), "equity": worth, "cash": 0.0,
            "gross_exposure": worth, "net_exposure": worth, "n_positions": 1,
            "drawdown": worth / peak - 1,
        })  # fmt: skip
        positions += [
            {"timestamp": bar, "asset_id": f"A{j}", "value": weight * worth}
            for j, weight in enumerate(series["weights"])
        ]
        if series["benchmark"] is not None:
            beside *= 1 + series["benchmark"][i]
            benchmark.append({"timestamp": bar, "value": beside})
    first = datetime.fromisoformat(series["times"][0])
    trades = [
        {"trade_id": i, "quantity": 1.0, "entry_timestamp": first, "exit_timestamp":
         first + timedelta(days=i), "pnl": 1_000 * made, "return": made, "bars_held": 1,
         "exit_rule": "rebalance"}
        for i, made in enumerate(series["trades"])
    ]  # fmt: skip
    for name, rows in (("equity", equity), ("positions", positions), ("benchmark", benchmark),
                       ("trades", trades)):  # fmt: skip
        _insert(name, rows, database)
    return BacktestResult(database)


def ours_of(result: BacktestResult) -> dict[str, Any]:
    """Return every metric, and the last rows of what is a list."""
    found: dict[str, Any] = dict(result.metrics)
    for name, (view, column, order) in LISTS.items():
        rows = result.sql(f'select "{column}" from report.{view} order by {order}').fetchall()
        found[name] = [value for (value,) in rows][-LAST:]
    found["deflated_sharpe"] = result.deflated_sharpe(len(TRIAL_SHARPES), variance(TRIAL_SHARPES))
    return found


def _type_of(kind: Any) -> str:
    if "TIMESTAMP" in kind.types:
        return "TIMESTAMP"
    return kind.types[0] if kind.types else "VARCHAR"


def _insert(table: str, rows: list[dict[str, Any]], database: Database) -> None:
    for row in rows:
        names = ", ".join(f'"{name}"' for name in row)
        places = ", ".join(f"${name}" for name in row)
        database.execute(f"insert into {table} ({names}) values ({places})", row)
