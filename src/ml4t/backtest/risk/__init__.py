"""Protective rules and the manager that evaluates them after each close."""

from ml4t.backtest.risk.decision import RiskContext, RiskDecision
from ml4t.backtest.risk.manager import RiskManager
from ml4t.backtest.risk.rules import (
    DynamicTrailingStop,
    RiskRule,
    StopLoss,
    TakeProfit,
    TimeBasedExit,
    VolatilityScaledStopLoss,
)

__all__ = [
    "DynamicTrailingStop",
    "RiskContext",
    "RiskDecision",
    "RiskManager",
    "RiskRule",
    "StopLoss",
    "TakeProfit",
    "TimeBasedExit",
    "VolatilityScaledStopLoss",
]
