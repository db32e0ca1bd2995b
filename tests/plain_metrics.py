"""The metrics of shape, drawdowns, trades, sides, costs and volume, in plain Python."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby, pairwise
from statistics import NormalDist, mean, stdev
from typing import Any

import numpy as np

from ml4t.backtest import BacktestResult

Row = dict[str, Any]


def rows(result: BacktestResult, table: str, order: str) -> list[Row]:
    relation = result.sql(f"select * from {table} order by {order}")
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def plain_metrics(result: BacktestResult) -> Row:
    """Every metric that `naive` of test_metrics has not; None where there is none."""
    capital = result.sql("select initial_capital from runs").fetchall()[0][0]
    bars = rows(result, "equity", "timestamp")
    returns = returns_of([one["equity"] for one in bars], capital)
    return {
        **of_tails([one for one in returns if one is not None]),
        **of_periods(bars, capital),
        **of_drawdowns(bars, capital),
        **of_bets([one for one in rows(result, "trades", "trade_id") if one["exit_timestamp"]]),
        **of_exposure(bars, rows(result, "positions", "timestamp, asset_id")),
        **of_sides(rows(result, "trades", "trade_id")),
        **of_costs(result, bars, capital),
        **of_volume(result),
    }


def returns_of(worth: Sequence[float], capital: float) -> list[float | None]:
    """Simple returns, the first against the capital; None from where nothing was left."""
    return [b / a - 1 if a > 0 else None for a, b in pairwise([capital, *worth])]


def of_tails(returns: list[float]) -> Row:
    n, lowest = len(returns), sorted(returns)
    lower, upper = np.percentile(returns, [5, 95]) if n else (None, None)
    gains = sum(one for one in returns if one > 0)
    losses = -sum(one for one in returns if one < 0)
    skew = kurtosis = likely = None
    if n >= 4 and round(lowest[-1] - lowest[0], 12):
        x = np.array(returns) - np.mean(returns)
        m2, m3, m4 = (float(np.mean(x**k)) for k in (2, 3, 4))
        skew = (n * (n - 1)) ** 0.5 / (n - 2) * m3 / m2**1.5
        kurtosis = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (m4 / m2**2 - 3) + 6)
        sharpe = mean(returns) / stdev(returns)
        spread = 1 - skew * sharpe + (kurtosis + 2) / 4 * sharpe**2
        likely = NormalDist().cdf(sharpe * (n - 1) ** 0.5 / spread**0.5) if spread > 0 else None
    return {
        "value_at_risk": lower,
        "conditional_value_at_risk": mean(lowest[: (n - 1) // 20 + 1]) if n else None,
        "skew": skew,
        "kurtosis": kurtosis,
        "tail_ratio": abs(upper / lower) if lower else None,
        "omega": gains / losses if losses else None,
        "probabilistic_sharpe": likely,
    }


def of_periods(bars: list[Row], capital: float) -> Row:
    def made(key: Any) -> list[float]:
        ends = [list(some)[-1]["equity"] for _, some in groupby(bars, key)]
        return [one for one in returns_of(ends, capital) if one is not None]

    def share(values: list[float]) -> float | None:
        moved = [one for one in values if one]
        return sum(one > 0 for one in moved) / len(moved) if moved else None

    days = made(lambda bar: bar["session"])
    months = made(lambda bar: (bar["session"].year, bar["session"].month))
    years = made(lambda bar: bar["session"].year)
    lost = -sum(one for one in months if one < 0)
    return {
        "best_day": max(days), "worst_day": min(days),
        "best_month": max(months), "worst_month": min(months),
        "best_year": max(years), "worst_year": min(years),
        "up_days": share(days), "up_months": share(months),
        "longest_up_streak": streak(one > 0 for one in days),
        "longest_down_streak": streak(one < 0 for one in days),
        "gain_to_pain": sum(months) / lost if lost else None,
    }  # fmt: skip


def streak(flags: Iterable[bool]) -> int:
    """The longest run of True."""
    return max((len(list(some)) for flag, some in groupby(flags) if flag), default=0)


def drawdowns_of(bars: list[Row], capital: float) -> list[tuple[float, int]]:
    """Depth and calendar days of every drawdown, in order of time."""
    found: list[tuple[float, int]] = []
    peak, depth = capital, 0.0
    since: date = bars[0]["session"]
    for bar in bars:
        if bar["equity"] >= peak:
            if depth < 0:
                found.append((depth, (bar["session"] - since).days))
            peak, depth, since = bar["equity"], 0.0, bar["session"]
        else:
            depth = min(depth, bar["equity"] / peak - 1)
    return [*found, (depth, (bars[-1]["session"] - since).days)] if depth < 0 else found


def of_drawdowns(bars: list[Row], capital: float) -> Row:
    found = drawdowns_of(bars, capital)
    peaks = np.maximum.accumulate([capital, *(one["equity"] for one in bars)])[1:]
    below = np.array([one["equity"] for one in bars]) / peaks - 1
    total = bars[-1]["equity"] / capital - 1
    return {
        "ulcer_index": float(np.sqrt(np.mean(below**2))),
        "n_drawdowns": len(found),
        "average_drawdown": mean(depth for depth, _ in found) if found else None,
        "longest_drawdown_days": max((days for _, days in found), default=None),
        "time_under_water": float(np.mean(below < 0)),
        "recovery_factor": total / -below.min() if below.min() < 0 else None,
    }


def of_bets(closed: list[Row]) -> Row:
    pnl = [one["pnl"] for one in closed]
    gains = [one["return"] for one in closed if one["pnl"] > 0]
    falls = [-one["return"] for one in closed if one["pnl"] < 0]
    payoff = mean(gains) / mean(falls) if gains and falls else None
    wins = len(gains) / (len(gains) + len(falls)) if gains or falls else None
    differs = len(pnl) > 1 and any(pnl) and round((max(pnl) - min(pnl)) / max(map(abs, pnl)), 12)
    return {
        "expectancy": mean(pnl) if pnl else None,
        "largest_win": max((one for one in pnl if one > 0), default=None),
        "largest_loss": min((one for one in pnl if one < 0), default=None),
        "payoff_ratio": payoff,
        "kelly": wins - (1 - wins) / payoff if payoff and wins is not None else None,
        "sqn": len(pnl) ** 0.5 * mean(pnl) / stdev(pnl) if differs else None,
        "longest_win_streak": streak(one > 0 for one in pnl),
        "longest_loss_streak": streak(one < 0 for one in pnl),
    }


def of_exposure(bars: list[Row], positions: list[Row]) -> Row:
    held = {
        time: [one["value"] for one in some]
        for time, some in groupby(positions, lambda one: one["timestamp"])
    }
    alive = [(bar["equity"], held.get(bar["timestamp"], [])) for bar in bars if bar["equity"] > 0]
    shares = [
        sum((value / sum(map(abs, values))) ** 2 for value in values)
        for values in held.values()
        if any(values)
    ]
    average = lambda values: mean(values) if values else None  # noqa: E731
    return {
        "long_exposure": average([sum(v for v in values if v > 0) / e for e, values in alive]),
        "short_exposure": average([sum(v for v in values if v < 0) / e for e, values in alive]),
        "max_gross_exposure": max((sum(map(abs, v)) / e for e, v in alive), default=None),
        "time_in_market": mean(any(held.get(bar["timestamp"], [])) for bar in bars),
        "largest_weight": max((max(map(abs, v)) / e for e, v in alive if v), default=None),
        "concentration": average(shares),
        "effective_positions": average([1 / one for one in shares]),
    }


def of_sides(trades: list[Row]) -> Row:
    found: Row = {}
    for side, sign in (("long", 1), ("short", -1)):
        mine = [one for one in trades if one["quantity"] * sign > 0]
        closed = [one["pnl"] for one in mine if one["exit_timestamp"]]
        moved = [one for one in closed if one]
        found[f"{side}_pnl"] = sum(one["pnl"] for one in mine)
        found[f"n_{side}_trades"] = len(closed)
        found[f"{side}_hit_rate"] = sum(p > 0 for p in moved) / len(moved) if moved else None
    return found


def of_costs(result: BacktestResult, bars: list[Row], capital: float) -> Row:
    years = (len(bars) - 1) / result["bars_per_year"] if result["bars_per_year"] else 0
    worth = mean(one["equity"] for one in bars)
    costs = sum(
        result[name] for name in ("commission", "tax", "fee", "slippage", "impact", "borrow")
    )
    gross = bars[-1]["equity"] - capital + costs
    return {
        "cost_drag": costs / worth / years if years and worth > 0 else None,
        "cost_share": costs / gross if gross > 0 else None,
    }


def of_volume(result: BacktestResult) -> Row:
    fills = [one for one in rows(result, "fills", "fill_id") if (one["volume"] or 0) > 0]
    shares = [abs(one["quantity"]) / one["volume"] for one in fills]
    days = []
    positions = rows(result, "positions", "asset_id")
    for asset in {one["asset_id"] for one in fills} & {one["asset_id"] for one in positions}:
        largest = max(abs(one["quantity"]) for one in positions if one["asset_id"] == asset)
        volume = mean(one["volume"] for one in fills if one["asset_id"] == asset)
        days.append(largest / (0.1 * volume * result["bars_per_session"]))
    return {
        "mean_volume_share": mean(shares) if shares else None,
        "max_volume_share": max(shares, default=None),
        "days_to_liquidate": max(days, default=None),
    }
