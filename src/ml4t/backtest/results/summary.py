"""The summary of a run as text: what it made, what it cost, which rule closed what."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml4t.backtest.results.result import BacktestResult

PERCENT, MONEY, NUMBER, COUNT, PLAIN = "percent", "money", "number", "count", "plain"
LINES: tuple[tuple[str, str, str], ...] = (
    ("first_timestamp", "First bar", PLAIN),
    ("last_timestamp", "Last bar", PLAIN),
    ("n_bars", "Bars", COUNT),
    ("initial_capital", "Initial capital", MONEY),
    ("final_value", "Final value", MONEY),
    ("total_return", "Total return", PERCENT),
    ("cagr", "CAGR", PERCENT),
    ("volatility", "Volatility (annual)", PERCENT),
    ("sharpe", "Sharpe", NUMBER),
    ("sortino", "Sortino", NUMBER),
    ("max_drawdown", "Max drawdown", PERCENT),
    ("max_drawdown_start", "  from", PLAIN),
    ("max_drawdown_bottom", "  bottom", PLAIN),
    ("max_drawdown_end", "  recovered", PLAIN),
    ("calmar", "Calmar", NUMBER),
    ("turnover", "Turnover (per year)", NUMBER),
    ("exposure", "Exposure (mean)", PERCENT),
    ("mean_positions", "Positions (mean)", NUMBER),
    ("n_fills", "Fills", COUNT),
    ("n_trades", "Closed trades", COUNT),
    ("n_open_lots", "Open lots at the end", COUNT),
    ("hit_rate", "Hit rate", PERCENT),
    ("profit_factor", "Profit factor", NUMBER),
    ("average_win", "Average win", MONEY),
    ("average_loss", "Average loss", MONEY),
    ("commission", "Commission", MONEY),
    ("slippage", "Slippage", MONEY),
)


def shown(value: Any, kind: str) -> str:
    """Return one metric as text; a metric that does not exist for this run is a dash."""
    if value is None:
        return "-"
    if kind == PERCENT:
        return f"{value:.2%}"
    if kind == MONEY:
        return f"{value:,.2f}"
    if kind == NUMBER:
        return f"{value:,.2f}"
    if kind == COUNT:
        return f"{value:,}"
    return str(value).removesuffix(" 00:00:00")


def summary_rows(result: BacktestResult) -> list[tuple[str, str]]:
    """Return the summary as (label, text) pairs."""
    return [(label, shown(result[name], kind)) for name, label, kind in LINES]


def summary_text(result: BacktestResult) -> str:
    """Return the whole summary as plain text."""
    rows = summary_rows(result)
    width = max(len(label) for label, _ in rows)
    lines = [f"{label:<{width}}  {text:>20}" for label, text in rows]
    exits = result.exits.fetchall()
    if exits:
        lines += ["", f"{'Exit rule':<28}{'trades':>9}{'P&L':>18}{'mean return':>13}"]
        lines += [
            f"{rule:<28}{n:>9,}{pnl:>18,.2f}{average:>13.2%}" for rule, n, pnl, average, _ in exits
        ]
    policy, configuration = result.sql("select fill_policy, configuration from runs").fetchall()[0]
    facts = json.loads(configuration)
    lines += ["", f"Fill policy: {policy}"]
    lines += [f"Costs: {_costs(facts)}", f"Strategy: {facts['strategy']}"]
    lines += [f"Rule: {rule}" for rule in facts["risk_rules"]]
    return "\n".join(lines)


def _costs(facts: dict[str, Any]) -> str:
    parts = []
    for name in ("commission", "slippage"):
        model = dict(facts[name])
        kind = model.pop("kind")
        inside = ", ".join(f"{key}={value}" for key, value in model.items())
        parts.append(f"{kind}({inside})")
    return ", ".join(parts)
