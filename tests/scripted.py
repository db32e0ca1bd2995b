"""Scripted runs for tests that know every number: literal bars in, literal rows out.

A script is ``{bar: action}``; an action is called with the strategy at the close of that bar, or
is a list of such calls. Bars are days from Monday 2024-01-01, and nothing costs anything, unless
said. ``play`` runs, the readers below it give rows with the bar's number in place of its time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    BasisPointCommission,
    BasisPointSlippage,
    Catalog,
    Strategy,
)
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.risk import Limit, RiskManager, RiskRule
from ml4t.backtest.strategy.broker import StrategyBroker

Row = tuple[float | None, ...] | None
Action = Callable[["Scripted"], object]
Script = Mapping[int, Action | Sequence[Action]]
NAMES = ("open", "high", "low", "close", "volume")
FREE = {"commission": BasisPointCommission(0), "slippage": BasisPointSlippage(0)}


class Scripted(Strategy):
    """Does at each bar what its script says; `orders` holds what it was given to keep."""

    def __init__(self, script: Script, features: Sequence[str] = ()) -> None:
        self.features = tuple(features)
        self._script = script
        self._orders: dict[str, Any] = {}
        self._batch: Batch | None = None

    @property
    def orders(self) -> dict[str, Any]:
        return self._orders

    @property
    def batch(self) -> Batch:
        assert self._batch is not None
        return self._batch

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        self._batch = batch
        actions = self._script.get(batch.t, ())
        for act in actions if isinstance(actions, Sequence) else (actions,):
            act(self)


def day(t: int) -> date:
    return date(2024, 1, 1) + timedelta(days=t)


def flat(price: float, n: int, *rest: float) -> list[Row]:
    """`n` bars at one price; `rest` are the columns after the close."""
    return [(price, price, price, price, *rest)] * n


def price_table(
    assets: Mapping[str, Sequence[Row]], names: Sequence[str], times: Sequence[date]
) -> dict[str, list[Any]]:
    """Rows of open, high, low, close and more, None where there is no bar, as columns."""
    table: dict[str, list[Any]] = {"timestamp": [], "asset_id": []}
    width = max(len(row) for rows in assets.values() for row in rows if row is not None)
    table |= {name: [] for name in names[:width]}
    for asset, rows in assets.items():
        for t, row in enumerate(rows):
            if row is not None:
                table["timestamp"].append(times[t])
                table["asset_id"].append(asset)
                for name, value in zip(names[:width], row, strict=True):
                    table[name].append(value)
    return table


def play(
    assets: Mapping[str, Sequence[Row]] | Sequence[Row],
    script: Script,
    *rules: RiskRule,
    limits: Sequence[Limit] = (),
    names: Sequence[str] = NAMES,
    times: Sequence[date] | None = None,
    capital: float = 10_000,
    features: Sequence[str] = (),
    sources: Mapping[str, Any] | None = None,
    **settings: Any,
) -> BacktestResult:
    """Run a script on 10,000; a list of rows is asset A; `settings` are the configuration's."""
    if isinstance(assets, Sequence):
        assets = {"A": assets}
    if times is None:
        times = [day(t) for t in range(max(len(rows) for rows in assets.values()))]
    catalog = Catalog(threads=1).register("prices", price_table(assets, names, times))
    for role, source in (sources or {}).items():
        catalog.register(role, source)  # type: ignore[arg-type]
    return BacktestEngine(
        catalog,
        Scripted(script, features),
        risk_manager=RiskManager(rules, limits),
        initial_capital=capital,
        config=BacktestConfig(**{**FREE, **settings}),
    ).run()


def at(hour: int, of_day: int = 0) -> datetime:
    """An hour of a day, for intraday bars."""
    return datetime(2024, 1, 1, hour) + timedelta(days=of_day)


# -- readers ----------------------------------------------------------------------------------

BARS = "(select timestamp, row_number() over (order by timestamp) - 1 as t from equity)"
Rows = list[tuple[Any, ...]]


def fills(result: BacktestResult) -> Rows:
    """(bar, asset, quantity, price) in the order in which cash moved, to ten digits."""
    return result.sql(
        f"""
        select t, asset_id, round(quantity, 10), round(price, 10)
        from fills join {BARS} using (timestamp) order by fill_id
        """
    ).fetchall()


def orders(result: BacktestResult) -> Rows:
    """(status, reason, quantity filled) of every order, by number."""
    return result.sql(
        "select status, reason, round(filled_quantity, 10) from orders order by order_id"
    ).fetchall()


def trades(result: BacktestResult) -> Rows:
    """(exit rule, quantity, P&L) of every closed trade."""
    return result.sql(
        """
        select exit_rule, round(quantity, 10), round(pnl, 8) from trades
        where exit_timestamp is not null order by trade_id
        """
    ).fetchall()


def flows(result: BacktestResult) -> Rows:
    """(bar, asset, kind, amount) of every flow after the deposit."""
    return result.sql(
        f"""
        select t, asset_id, kind, round(amount, 8) from cash_flows join {BARS} using (timestamp)
        where kind <> 'deposit' order by t, asset_id nulls last, kind
        """
    ).fetchall()


def equity(result: BacktestResult) -> list[float]:
    return [
        row[0]
        for row in result.sql("select round(equity, 8) from equity order by timestamp").fetchall()
    ]


def cash(result: BacktestResult) -> list[float]:
    return [
        row[0]
        for row in result.sql("select round(cash, 8) from equity order by timestamp").fetchall()
    ]


def held(result: BacktestResult) -> Rows:
    """(bar, asset, quantity) of every position at a close."""
    return result.sql(
        f"""
        select t, asset_id, round(quantity, 10) from positions join {BARS} using (timestamp)
        order by t, asset_id
        """
    ).fetchall()
