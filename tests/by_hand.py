"""Six-line universes for the tests that know every number: days from 2024-01-01, no costs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import reference
from reference import Bar, Margin, Order, ReferenceResult, Targets, Terms

Row = tuple[float, ...] | None
MARGIN = Margin(initial=0.5, maintenance=0.25)
WHOLE = Terms(lot=1.0)


def day(t: int) -> datetime:
    return datetime(2024, 1, 1) + timedelta(days=t)


def flat(price: float, n: int) -> list[Row]:
    return [(price, price, price, price)] * n


def bars_of(assets: dict[str, list[Row]]) -> dict[datetime, dict[str, Bar]]:
    """Rows are (open, high, low, close[, volume[, limit_up[, limit_down[, vwap]]]]) or None."""
    n = max(len(rows) for rows in assets.values())
    bars: dict[datetime, dict[str, Bar]] = {day(t): {} for t in range(n)}
    for asset, rows in assets.items():
        for t, row in enumerate(rows):
            if row is not None:
                bars[day(t)][asset] = Bar(*row)  # type: ignore[arg-type]
    return bars


def play(
    assets: dict[str, list[Row]] | list[Row], script: dict[int, Any] | None = None, **options: Any
) -> ReferenceResult:
    """Run without costs on 10,000; a list of rows is asset A."""
    if isinstance(assets, list):
        assets = {"A": assets}
    free: dict[str, Any] = {"commission_bps": 0.0, "slippage_bps": 0.0, "initial_capital": 10_000.0}
    lists = {t: x if isinstance(x, list) else [x] for t, x in (script or {}).items()}
    return reference.run(bars_of(assets), script=lists, **{**free, **options})


def buy(quantity: float, asset: str = "A", **more: Any) -> Order:
    return Order(asset=asset, quantity=quantity, **more)


def sell(quantity: float, asset: str = "A", **more: Any) -> Order:
    return Order(asset=asset, quantity=-quantity, **more)


def weights(**targets: float) -> Targets:
    return Targets(targets)


def fills(result: ReferenceResult) -> list[tuple[int, str, float, float]]:
    """(day, asset, quantity, price), to ten digits."""
    return [
        ((f.timestamp - day(0)).days, f.asset, round(f.quantity, 10), round(f.price, 10))
        for f in result.fills
    ]


def ends(result: ReferenceResult) -> list[tuple[str, str, float]]:
    """(status, reason, filled) of every order, by id."""
    return [(o.status, o.reason, round(o.filled, 10)) for o in result.orders]


def exits(result: ReferenceResult) -> list[tuple[str, float, float]]:
    """(exit_rule, quantity, pnl) of every trade."""
    return [(x.exit_rule, round(x.quantity, 10), round(x.pnl, 8)) for x in result.trades]


def flows(result: ReferenceResult) -> list[tuple[int, str | None, str, float]]:
    """(day, asset, kind, amount) of every flow after the deposit."""
    return [
        ((f.timestamp - day(0)).days, f.asset, f.kind, round(f.amount, 8))
        for f in result.cash_flows[1:]
    ]


def equity(result: ReferenceResult) -> list[float]:
    return [round(row.equity, 8) for row in result.equity]
