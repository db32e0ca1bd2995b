"""Benchmark and risk-free rate: what a run is compared with."""

from __future__ import annotations

from ml4t.backtest.data.sources.roles.check import CLOCKED, NULL_TIMESTAMP, Check
from ml4t.backtest.data.sources.roles.prices import CLOSE_CHECKS
from ml4t.backtest.data.sources.roles.spec import RoleSpec

_RATE = Check(
    rule="rate_not_valid",
    text="has rates that are missing, or no fraction between -1 and 1; rate is annual, 0.05 for "
    "5%: divide percentages by 100",
)
BENCHMARK_ROLE = RoleSpec(
    name="benchmark",
    required=("timestamp", "close"),
    doubles=("close",),
    key=("timestamp",),
    checks=(NULL_TIMESTAMP, *CLOSE_CHECKS, *CLOCKED),
    is_single=True,
    is_clocked=True,
    is_money=True,
    has_signals=True,
    prefix="benchmark_",
)
RISK_FREE_ROLE = RoleSpec(
    name="risk_free",
    required=("timestamp", "rate"),
    doubles=("rate",),
    key=("timestamp",),
    checks=(NULL_TIMESTAMP, _RATE, *CLOCKED),
    is_single=True,
    is_clocked=True,
    is_money=True,
    has_signals=True,
    prefix="risk_free_",
)
