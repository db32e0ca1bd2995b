"""Preparing: what every run reads of its sources, read once for a store."""

from __future__ import annotations

from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.stream.batches import batches, plan_batches


def read_bars(prepared: Prepared) -> None:
    """Read the prices of all bars, as a run without callbacks does."""
    plan = plan_batches(prepared, has_levels=False, features=(), has_rules=True)
    with batches(plan, None, prepared) as chunks:
        for _ in chunks:
            pass
