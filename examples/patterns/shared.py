"""What the patterns share: a catalog of a scenario, key figures, and the proof that runs are one.

Not an example itself. The scenarios' predictions are made from the next close, right as often as
is stated: what the examples earn shows that signals reach trades, and nothing about markets.
"""

from __future__ import annotations

import polars as pl

from ml4t.backtest import BacktestResult, Catalog
from ml4t.backtest.scenarios import Scenario


def catalog_of(scenario: Scenario) -> Catalog:
    """Register a scenario's bars as prices, and its VIX, SPY and regime as context."""
    context = [{"timestamp": time, **row} for time, row in scenario.context.items()]
    return Catalog().register("prices", scenario.data).register("context", pl.DataFrame(context))


def show(label: str, result: BacktestResult) -> None:
    """Print the key figures of a run in one line."""
    print(
        f"{label:<34} return {result['total_return']:>8.2%}  Sharpe {result['sharpe']:>5.2f}  "
        f"drawdown {result['max_drawdown']:>8.2%}  closed trades {result['n_trades']:>5,}"
    )


def require_equal_trades(first: BacktestResult, *others: BacktestResult) -> None:
    """Raise unless all runs made the same trades, equal in every column but ``exit_rule``.

    That one says who asked: ``order`` for callbacks, the rule's name for rules.
    """
    expected = _trades(first)
    if not expected:
        raise AssertionError("there is no trade to compare")
    for other in others:
        found = _trades(other)
        for one, another in zip(expected, found, strict=False):
            if one != another:
                raise AssertionError(f"trades differ: {one} and {another}")
        if len(found) != len(expected):
            raise AssertionError(f"{len(expected):,} trades and {len(found):,} trades")
    print(f"{len(others) + 1} ways, the same {len(expected):,} trades, open ones included")


def _trades(result: BacktestResult) -> list[tuple[object, ...]]:
    query = "select * exclude (run_id, exit_rule) from trades order by trade_id"
    return result.sql(query).fetchall()
