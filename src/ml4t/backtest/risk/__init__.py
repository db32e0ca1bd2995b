"""Rules that protect a position, limits on the portfolio, and the manager that holds both."""

from typing import TYPE_CHECKING

from ml4t.backtest.lazy import names_of

if TYPE_CHECKING:
    from ml4t.backtest.risk.account_limits import (
        MaxDailyLoss,
        MaxDrawdown,
        MaxVaR,
        VolatilityTarget,
    )
    from ml4t.backtest.risk.base import Answer, Held, RiskRule
    from ml4t.backtest.risk.composite import AllOf, AnyOf
    from ml4t.backtest.risk.decision import RiskContext, RiskDecision
    from ml4t.backtest.risk.limit import Limit
    from ml4t.backtest.risk.limits import (
        MaxGrossExposure,
        MaxGroupWeight,
        MaxNetExposure,
        MaxPositions,
        MaxTurnover,
        MaxWeight,
    )
    from ml4t.backtest.risk.manager import RiskManager
    from ml4t.backtest.risk.rules import (
        BreakevenStop,
        ScaledExit,
        StopLoss,
        TakeProfit,
        TimeBasedExit,
        VolatilityScaledStopLoss,
    )
    from ml4t.backtest.risk.signal import SignalExit
    from ml4t.backtest.risk.trailing import (
        DynamicTrailingStop,
        TrailingStop,
        VolatilityTrailingStop,
    )

__all__ = [
    "AllOf",
    "Answer",
    "AnyOf",
    "BreakevenStop",
    "DynamicTrailingStop",
    "Held",
    "Limit",
    "MaxDailyLoss",
    "MaxDrawdown",
    "MaxGrossExposure",
    "MaxGroupWeight",
    "MaxNetExposure",
    "MaxPositions",
    "MaxTurnover",
    "MaxVaR",
    "MaxWeight",
    "RiskContext",
    "RiskDecision",
    "RiskManager",
    "RiskRule",
    "ScaledExit",
    "SignalExit",
    "StopLoss",
    "TakeProfit",
    "TimeBasedExit",
    "TrailingStop",
    "VolatilityScaledStopLoss",
    "VolatilityTarget",
    "VolatilityTrailingStop",
]

# Loaded when used: a run has few of them.
__getattr__, __dir__ = names_of(
    __name__,
    {
        "account_limits": ("MaxDailyLoss", "MaxDrawdown", "MaxVaR", "VolatilityTarget"),
        "base": ("Answer", "Held", "RiskRule"),
        "composite": ("AllOf", "AnyOf"),
        "decision": ("RiskContext", "RiskDecision"),
        "limit": ("Limit",),
        "limits": (
            "MaxGrossExposure",
            "MaxGroupWeight",
            "MaxNetExposure",
            "MaxPositions",
            "MaxTurnover",
            "MaxWeight",
        ),
        "manager": ("RiskManager",),
        "rules": (
            "BreakevenStop",
            "ScaledExit",
            "StopLoss",
            "TakeProfit",
            "TimeBasedExit",
            "VolatilityScaledStopLoss",
        ),
        "signal": ("SignalExit",),
        "trailing": ("DynamicTrailingStop", "TrailingStop", "VolatilityTrailingStop"),
    },
)
