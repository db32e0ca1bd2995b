"""The views of the schema ``report``, each after those that it reads.

To add one, write its query to ``sql/report`` and declare it here: it is in memory, in every saved
file, and an attribute of the result.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

from ml4t.backtest.data.sql_files import drop_of, sample_of, schema_of, table_of
from ml4t.backtest.results.report.metric_views import CALENDAR, METRIC_VIEWS, MOMENTS
from ml4t.backtest.results.report.view import IS_NAMED, NAMED, SCHEMA, View
from ml4t.backtest.results.tables import table_comments

VIEWS = {
    view.name: view
    for view in (
        CALENDAR,
        View(
            name="bar_returns",
            is_kept=True,
            comment="returns per bar, of the run and of its benchmark",
            columns={
                "equity": "account currency",
                "bar_return": "equity / equity one bar before - 1; NULL where there was none left",
                "risk_free": "risk-free return of the bar, 0 without a rate",
                "excess": "bar_return - risk_free",
                "benchmark_value": "the initial capital in the benchmark, account currency",
                "benchmark_return": "that of the benchmark; NULL: there is none",
            },
        ),
        View(
            name="daily_returns",
            is_kept=True,
            comment="what each trading date made",
            columns={"return": "of the date, as a fraction", "final_equity": "account currency"},
        ),
        View(
            name="monthly_returns",
            is_kept=True,
            comment="what each calendar month made",
            columns={
                "month": "its first day",
                "return": "of the month, as a fraction",
                "final_equity": "account currency",
            },
        ),
        View(
            name="yearly_returns",
            is_kept=True,
            comment="what each calendar year made",
            columns={
                "year": "calendar year",
                "return": "of the year, as a fraction",
                "final_equity": "account currency",
            },
        ),
        View(
            name="drawdowns",
            is_kept=True,
            comment="every drawdown, the deepest first",
            columns={
                "rank": "1 = deepest",
                "start": "bar of the peak; NULL: the initial capital was the peak",
                "bottom": "bar of the lowest equity",
                "recovery": "bar at the peak again; NULL: not yet",
                "drawdown": "equity / peak - 1, below 0",
                "n_bars": "bars below the peak",
                "n_days": "from the peak to the recovery, or to the last bar",
            },
        ),
        View(
            name="rolling",
            comment="volatility, Sharpe and beta of the half year up to each bar",
            columns={
                "n_window": "bars of half a year",
                "volatility": "annual; NULL until so many returns are there, as the others",
                "sharpe": "annual, above the risk-free rate",
                "beta": "to the benchmark; NULL: there is none",
            },
        ),
        View(
            name="holdings",
            is_kept=True,
            comment="what was held at each close, added up",
            columns={
                "n_long": "assets held long",
                "n_short": "assets held short",
                "long_value": "account currency, above 0; NULL: nothing was held long",
                "short_value": "account currency, below 0; NULL: nothing was held short",
                "largest_value": "largest |value|, account currency",
                "largest_asset": "whose it is",
                "squares": "sum of the squares of the values",
            },
        ),
        View(
            name="exposures",
            is_kept=True,
            comment="what was held at each close, as fractions of equity, and how concentrated",
            columns={
                "long_exposure": "long value / equity, 0 or above",
                "short_exposure": "short value / equity, 0 or below",
                "n_long": "assets held long",
                "n_short": "assets held short",
                "largest_weight": "largest |value| / equity; NULL: nothing was held",
                "largest_asset": "whose it is",
                "concentration": "Herfindahl index of what was held: 1 / n of n equal positions",
                "effective_positions": "its inverse",
            },
        ),
        View(
            name="sides",
            is_kept=True,
            comment="long and short apart",
            columns={
                "side": "long or short",
                "n_trades": "closed trades, which all is of but pnl and exposure",
                "n_open_lots": "lots still open",
                "hit_rate": "share of winners among trades that won or lost",
                "profit_factor": "sum of the wins / -sum of the losses",
                "average_return": "mean return of a trade",
                "average_bars_held": "mean bars from entry to exit",
                "pnl": "of closed trades and open lots, account currency",
                "open_pnl": "of the open lots among it",
                "exposure": "mean of value / equity; short 0 or below",
            },
        ),
        View(
            name="monthly_trading",
            comment="turnover and what trading cost, by month",
            columns={
                "month": "its first day",
                "mean_equity": "account currency, over its bars",
                "n_fills": "fills",
                "borrow": "borrow fees, account currency, positive = cost",
                "traded_value": "value of all fills, both sides, account currency",
                "costs": "commission, tax, fee, slippage, impact and borrow fees, account currency",
                "turnover": "traded value / mean equity, of the month",
                "cost_drag": "costs / mean equity, of the month",
            },
        ),
        View(
            name="volume_shares",
            comment="the share of each fill in the volume of its bar",
            columns={"volume_share": "|quantity| / volume"},
        ),
        View(
            name="liquidity",
            comment="how long it would take to sell the largest position of each asset",
            columns={
                "largest_quantity": "largest |quantity| at a close, shares",
                "session_volume": "mean volume of the bars in which it filled, per trading date",
                "days_to_liquidate": "trading dates, at a tenth of the volume",
            },
        ),
        MOMENTS,
        *(view for view in METRIC_VIEWS if view is not CALENDAR),
        View(name="metrics", comment="every metric of the run"),
        View(
            name="exits",
            comment="P&L and count of closed trades by exit rule",
            columns={
                "n_trades": "closed trades",
                "average_return": "mean return of a trade",
                "average_bars_held": "mean bars from entry to exit",
            },
        ),
        View(
            name="evidence_maps",
            comment="what was known where orders were decided, by bar and asset",
            columns={"numbers": "values by name", "texts": "texts by name"},
        ),
        View(
            name="trades_explained",
            comment="each trade with its orders, its ranking, its rule and what was known then",
            columns={
                "side": "long or short",
                "entry_session": "trading date of the entry",
                "exit_session": "trading date of the exit; NULL: still open",
                "days_held": "calendar days from entry to exit; NULL: still open",
                "pnl_before_costs": "account currency, as if nothing had cost anything",
                "entry_order_id": "the order that opened it",
                "entry_order_type": "type of that order",
                "entry_tag": "who asked for it",
                "entry_decided_at": "bar at whose close the entry was decided",
                "entry_rank": "in the selection of that bar, 1 = best; NULL: not in it",
                "entry_score": "value of the ranking expression then",
                "entry_weight": "target share of equity then",
                "entry_signals": "numbers that strategy and rules could see then, by name",
                "entry_texts": "texts that they could see then, by name",
                "exit_order_id": "the order that closed it; NULL: still open",
                "exit_order_type": "type of that order",
                "exit_decided_at": "bar at whose close the exit was decided, or its level set",
                "exit_rank": "in the selection of that bar; NULL: not in it",
                "exit_signals": "numbers that could be seen then, by name",
                "exit_texts": "texts that could be seen then, by name",
                "exit_reason": "what the rule that closed it does",
                "exit_level": "price of the level; NULL: it had none",
                "exit_features": "what the rule saw",
            },
        ),
        View(
            name="attribution",
            comment="P&L of all trades by exit rule, side, month, holding and what was known",
            columns={
                "name": "by what the trades are split",
                "value": "the part; NULL: still open, or not known",
                "pnl": "account currency; the parts of a name add up to all of it",
                "n_trades": "trades, open lots included",
                "average_return": "mean return of a trade",
                "average_mae": "mean of mae",
                "average_mfe": "mean of mfe",
            },
        ),
    )
}


# To stand in for a view takes as long as to plan it twice.
LEAST_READERS = 3
# What lists tables, views or the comments of columns.
LISTS = re.compile(
    r"duckdb_(columns|views|tables)|information_schema|\bpg_|sqlite_master|\bshow\b", re.IGNORECASE
)


def views_in(query: str) -> list[View]:
    """Return the views that a query may read, each after those that it reads itself.

    All of them where it lists what there is, or names the schema in a way of its own.
    """
    if LISTS.search(query):
        return list(VIEWS.values())
    if not IS_NAMED.search(query):
        return []
    left = [name.lower() for name in NAMED.findall(query)]
    if not left or not set(left) <= set(VIEWS):
        return list(VIEWS.values())
    wanted = set().union(*map(_needed, left))
    return [view for name, view in VIEWS.items() if name in wanted]


@cache
def _needed(name: str) -> frozenset[str]:
    """Return a view and those that it reads, and so on."""
    return frozenset({name}).union(*map(_needed, VIEWS[name].reads))


def statements() -> list[str]:
    """Return the statements that make all views in a file.

    A view is planned anew wherever another reads it, which would take half of the time. So what
    many read is an empty table until the others stand, and a view after them.
    """
    readers = Counter(name for view in VIEWS.values() for name in view.reads)
    first = [view for view in VIEWS.values() if readers[view.name] >= LEAST_READERS]
    return [
        schema_of(SCHEMA),
        *(table_of(view.place, sample_of(view.query, 0)) for view in first),
        *(view.statement() for view in VIEWS.values() if view not in first),
        *(
            text
            for view in reversed(first)
            for text in (drop_of("table", view.place), view.statement())
        ),
    ]


def comments(*, in_memory: bool = False) -> list[str]:
    """Return the statements that write every description into its table or view."""
    of_views = (one for view in VIEWS.values() for one in view.comments(in_memory=in_memory))
    return [*table_comments(), *of_views]
