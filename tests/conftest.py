"""Invariants that hold after every run that any test makes, and small helpers."""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from ml4t.backtest import BacktestEngine, BacktestResult

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def check_invariants(result: BacktestResult, *, overdraft: float = 0.0) -> None:
    """Assert what must hold of any run, read back from its tables."""
    initial, final = result["initial_capital"], result["final_value"]
    scale = max(initial, abs(final))

    # Equity is cash plus positions, at every bar.
    gap = result.sql(
        """
        select max(abs(equity.equity - equity.cash - coalesce(held.value, 0)))
        from equity left join (
            select timestamp, sum(value) as value from positions group by timestamp
        ) as held using (timestamp)
        """
    ).fetchall()[0][0]
    assert gap <= 1e-9 * scale

    # Cash moves by fills alone.
    cash_gap = result.sql(
        """
        with moved as (
            select timestamp, sum(-quantity * price - commission) as moved from fills
            group by timestamp
        ), running as (
            select cash, coalesce(sum(moved) over (order by equity.timestamp), 0) as moved
            from equity left join moved using (timestamp)
        )
        select max(abs(cash - moved - (select initial_capital from runs))) from running
        """
    ).fetchall()[0][0]
    assert cash_gap <= 1e-9 * scale
    assert result.sql("select min(cash) from equity").fetchall()[0][0] >= -overdraft - 1e-9 * scale

    # Long only: no negative quantity, and the fills of an asset add up to its position.
    assert result.sql("select count(*) from positions where quantity <= 0").fetchall()[0][0] == 0
    drift = result.sql(
        """
        with running as (
            select timestamp, asset_id,
                sum(quantity) over (partition by asset_id order by fill_id) as quantity, fill_id
            from fills
        ), last as (
            select timestamp, asset_id, arg_max(quantity, fill_id) as quantity
            from running group by all
        )
        select max(abs(coalesce(positions.quantity, 0) - last.quantity) * fills.price)
        from last left join positions using (timestamp, asset_id)
        join fills using (timestamp, asset_id)
        """
    ).fetchall()[0][0]
    assert (drift or 0.0) <= 1e-9 * scale

    # The trades table is the change of equity.
    pnl = result.sql("select coalesce(sum(pnl), 0) from trades").fetchall()[0][0]
    assert abs(pnl - (final - initial)) <= 1e-8 * scale

    # Every order has an end, a reason unless it filled, and at most one fill.
    bad = result.sql(
        """
        select count(*) from orders left join fills using (order_id)
        where (status = 'filled') <> (fills.order_id is not null)
           or (status <> 'filled' and reason = '')
           or (status = 'filled' and abs(filled_quantity - fills.quantity) > 0)
           or status not in ('filled', 'denied', 'rejected', 'expired')
        """
    ).fetchall()[0][0]
    assert bad == 0
    assert result.sql("select count(*) - count(distinct order_id) from fills").fetchall()[0][0] == 0
    assert result.sql("select count(*) from fills where commission < 0 or slippage < 0").fetchall()[
        0
    ] == (0,)


@pytest.fixture(autouse=True)
def _invariants(monkeypatch: pytest.MonkeyPatch) -> None:
    run = BacktestEngine.run

    @wraps(run)
    def checked(self: BacktestEngine, *args: Any, **kwargs: Any) -> BacktestResult:
        result = run(self, *args, **kwargs)
        check_invariants(result, overdraft=self.config.account.overdraft)
        return result

    monkeypatch.setattr(BacktestEngine, "run", checked)
