"""The summary of a run as text: what it made, what it cost, how it filled, which rule did what."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Protocol

from ml4t.backtest.data.database import Relation, interruptible
from ml4t.backtest.data.sql_files import read
from ml4t.backtest.results.certified import certificate_lines
from ml4t.backtest.results.undone import left_out_lines, undone_lines

CALENDAR_YEAR = 365.25
LEAST_DAYS = 90  # as in report/calendar
AS_PERCENT, AS_MONEY, AS_NUMBER, AS_COUNT, AS_PLAIN = "percent", "money", "number", "count", "plain"
LINES: tuple[tuple[str, str, str], ...] = (
    ("first_timestamp", "First bar", AS_PLAIN),
    ("last_timestamp", "Last bar", AS_PLAIN),
    ("n_bars", "Bars", AS_COUNT),
    ("initial_capital", "Initial capital", AS_MONEY),
    ("final_value", "Final value", AS_MONEY),
    ("total_return", "Total return", AS_PERCENT),
    ("cagr", "CAGR", AS_PERCENT),
    ("volatility", "Volatility (annual)", AS_PERCENT),
    ("sharpe", "Sharpe", AS_NUMBER),
    ("sortino", "Sortino", AS_NUMBER),
    ("max_drawdown", "Max drawdown", AS_PERCENT),
    ("max_drawdown_start", "  from", AS_PLAIN),
    ("max_drawdown_bottom", "  bottom", AS_PLAIN),
    ("max_drawdown_end", "  recovered", AS_PLAIN),
    ("longest_drawdown_days", "Longest drawdown (days)", AS_COUNT),
    ("calmar", "Calmar", AS_NUMBER),
    ("value_at_risk", "Value at risk (5% of bars)", AS_PERCENT),
    ("best_month", "Best month", AS_PERCENT),
    ("worst_month", "Worst month", AS_PERCENT),
    ("turnover", "Turnover (per year)", AS_NUMBER),
    ("exposure", "Gross exposure (mean)", AS_PERCENT),
    ("net_exposure", "Net exposure (mean)", AS_PERCENT),
    ("mean_positions", "Positions (mean)", AS_NUMBER),
    ("n_orders", "Orders", AS_COUNT),
    ("n_trimmed", "  filled but for < 1%", AS_COUNT),
    ("n_partial", "  filled in part", AS_COUNT),
    ("n_unfilled", "  not filled", AS_COUNT),
    ("n_fills", "Fills", AS_COUNT),
    ("n_trades", "Closed trades", AS_COUNT),
    ("n_open_lots", "Open lots at the end", AS_COUNT),
    ("hit_rate", "Hit rate", AS_PERCENT),
    ("profit_factor", "Profit factor", AS_NUMBER),
    ("average_win", "Average win", AS_MONEY),
    ("average_loss", "Average loss", AS_MONEY),
    ("commission", "Commission", AS_MONEY),
    ("tax", "Taxes", AS_MONEY),
    ("fee", "Fees passed on", AS_MONEY),
    ("slippage", "Slippage", AS_MONEY),
    ("impact", "Market impact", AS_MONEY),
    ("borrow", "Borrow fees", AS_MONEY),
    ("costs", "Costs in all", AS_MONEY),
    ("cost_share", "  share of P&L before them", AS_PERCENT),
    ("dividends", "Dividends", AS_MONEY),
    ("interest", "Interest", AS_MONEY),
)
# What `ml4t.backtest.data.benchmark` makes of its words.
HELD = {
    "equal_weight": "every asset with a bar, in equal weights at each close",
    "universe": "the members of the universe, in equal weights at each close",
    "benchmark": "the closes of the source of that name",
}
# Shown where there is a benchmark.
COMPARED_LINES: tuple[tuple[str, str, str], ...] = (
    ("benchmark_return", "Benchmark: total return", AS_PERCENT),
    ("benchmark_cagr", "  CAGR", AS_PERCENT),
    ("benchmark_volatility", "  volatility (annual)", AS_PERCENT),
    ("benchmark_sharpe", "  Sharpe", AS_NUMBER),
    ("benchmark_max_drawdown", "  max drawdown", AS_PERCENT),
    ("excess_return", "Total return above it", AS_PERCENT),
    ("alpha", "Alpha (annual)", AS_PERCENT),
    ("beta", "Beta", AS_NUMBER),
    ("correlation", "Correlation", AS_NUMBER),
    ("tracking_error", "Tracking error (annual)", AS_PERCENT),
    ("information_ratio", "Information ratio", AS_NUMBER),
    ("up_capture", "Up capture", AS_PERCENT),
    ("down_capture", "Down capture", AS_PERCENT),
)
# Settings in the order in which they are shown; the names are those of the configuration.
SHOWN_SETTINGS = ("account", "commission", "slippage", "impact", "financing", "execution", "levels",
            "actions")  # fmt: skip


def shown_settings(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and text of the settings that are shown; currencies where a run has said one."""
    for name in SHOWN_SETTINGS:
        yield name.capitalize(), setting_text(settings[name])
    if settings.get("currencies", {}).get("account"):
        yield "Currencies", setting_text(settings["currencies"])


def shown_value(value: Any, kind: str) -> str:
    """Return one metric as text; a metric that does not exist for this run is a dash."""
    if value is None:
        return "-"
    if kind == AS_PERCENT:
        return f"{value:.2%}"
    if kind == AS_MONEY:
        return f"{value:,.2f}"
    if kind == AS_NUMBER:
        return f"{value:,.2f}"
    if kind == AS_COUNT:
        return f"{value:,}"
    return str(value).removesuffix(" 00:00:00")


class Summarised(Protocol):
    """What a summary is made of: the metrics, and the tables in SQL."""

    def __getitem__(self, name: str) -> Any:
        """Return a metric by its name."""

    @property
    def exits(self) -> Relation:
        """P&L and count of closed trades by exit rule."""

    def sql(self, query: str) -> Relation:
        """Run one query over the result tables."""


def summary_rows(result: Summarised) -> list[tuple[str, str]]:
    """Return the summary as (label, text) pairs."""
    has_benchmark = result["benchmark_return"] is not None
    lines = (*LINES, *COMPARED_LINES) if has_benchmark else LINES
    return [(label, shown_value(result[name], kind)) for name, label, kind in lines]


@interruptible
def summary_text(result: Summarised) -> str:
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
    ends = result.sql(read("summary/orders")).fetchall()
    if ends:
        lines += ["", f"{'Orders not filled whole':<44}{'orders':>9}"]
        lines += [f"{f'{status}: {reason}':<44}{n:>9,}" for status, reason, n in ends]
    return "\n".join([*lines, "", *said_lines(result)])


def summary_html(result: Summarised) -> str:
    """Return the summary as a table of HTML, with what is said beside it below."""
    cells = "".join(
        f"<tr><td style='text-align:left'>{escape(label)}</td><td>{escape(text)}</td></tr>"
        for label, text in summary_rows(result)
    )
    said = "\n".join(said_lines(result))
    return (
        f"<table>{cells}</table><details><summary>How it was made, and what to look at</summary>"
        f"<pre>{escape(said)}</pre></details>"
    )


def said_lines(result: Summarised) -> list[str]:
    """Say what a run rests on: its year, how it was made, and what an audit of it found."""
    return [*basis_lines(result), *facts_lines(run_facts(result)), *certificate_lines(result)]


def basis_lines(result: Summarised) -> list[str]:
    """Say by how many bars a year what is annual is annual, and why a return is not."""
    m = result
    lines = []
    if m["bars_per_year"] is not None:
        how = m["annualised_by"]
        if how != "stated":
            how += (
                f", {m['bars_per_session']:,.6g} a session and {m['sessions_per_year']:,.6g} "
                "sessions a year"
            )
        if how.startswith("assumed"):
            how += "; state periods_per_year if it has others"
        lines.append(f"Annual figures: {m['bars_per_year']:,.6g} bars a year, {how}")
    if m["benchmark_return"] is not None:
        named = run_facts(result)["configuration"].get("benchmark", "benchmark")
        how = HELD.get(named, f"{named}, bought at the first close and held")
        lines.append(
            f"Benchmark: {how}; without costs, with what `actions` say where there are any"
        )
    if m["cagr"] is None:
        why = (
            f"the bars span {m['years'] * CALENDAR_YEAR:,.4g} days, less than {LEAST_DAYS}"
            if m["final_value"] > 0
            else "nothing is left of the account"
        )
        lines.append(f"No CAGR and no Calmar: {why}")
    return lines


@interruptible
def run_facts(result: Summarised) -> dict[str, Any]:
    """Return how the run was made: fill policy, configuration, and what rules and limits did."""
    policy, n_bars, n_orders, *texts = result.sql(read("summary/facts")).fetchall()[0]
    names = (
        "configuration", "activity", "rows_dropped", "drop_rules", "misses", "selection",
        "warnings", "sources",
    )  # fmt: skip
    return {
        "fill_policy": policy,
        "n_bars": n_bars,
        "n_orders": n_orders,
        **dict(zip(names, map(json.loads, texts), strict=True)),
    }


def facts_lines(facts: dict[str, Any]) -> list[str]:
    """Return the facts of a run as lines of text."""
    settings = facts["configuration"]
    lines = [f"Strategy: {settings['strategy']}", f"Fill policy: {facts['fill_policy']}"]
    lines += [f"{name}: {text}" for name, text in shown_settings(settings)]
    lines += undone_lines(facts)
    # The configuration lists rules, then limits, in the order of what they did; what weighs small
    # trades comes last and is no setting of its own.
    activity = facts["activity"]
    made = [*settings["risk_rules"], *settings["limits"]]
    made += [""] * (len(activity) - len(made))
    if activity:
        lines += ["", f"{'Rule or limit':<28}{'evaluated':>12}{'fired':>9}"]
        lines += [
            f"{one['name']:<28}{one['evaluated']:>12,}{one['fired']:>9,}  {text}"
            for one, text in zip(activity, made, strict=True)
        ]
    return [*lines, *made_lines(facts), *idle_lines(facts), *left_out_lines(facts)]


def made_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return which sources a function made, or was shown to make, as lines of text."""
    lines = [
        f"Made by a function: {one['name']}, by {one['function']['name']}"
        for one in facts["sources"] if "function" in one
    ]  # fmt: skip
    return lines + [
        f"Checked: {one['name']} is what {check['function']['name']} makes, and of the past alone "
        f"at {len(check['cuts']):,} cuts ({check['record']}, {check['made'][:10]})"
        for one in facts["sources"] if "checked_by" in one
        for check in [one["checked_by"]]
    ]  # fmt: skip


def idle_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return the rules and limits that did nothing."""
    return [_idle(one) for one in facts["activity"] if not one["fired"]]


def _idle(one: dict[str, Any]) -> str:
    """Say that a rule or limit did nothing: it may not have been needed, or not do what it says."""
    if not one["evaluated"]:
        return f"Never evaluated: {one['name']}"
    return f"Never fired: {one['name']}, evaluated {one['evaluated']:,} times"


def setting_text(value: Any) -> str:
    """Return a setting as Python would write it; a class of settings with all its fields."""
    if isinstance(value, list):
        return f"({', '.join(map(setting_text, value))})"
    if not isinstance(value, dict):
        return "none" if value is None else repr(value)
    inside = ", ".join(f"{key}={setting_text(one)}" for key, one in value.items() if key != "kind")
    return f"{value['kind']}({inside})"
