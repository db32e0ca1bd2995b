"""Rules that protect a position, limits on the portfolio, and the manager that holds both."""

from typing import TYPE_CHECKING

from ml4t.backtest.lazy import names_of

if TYPE_CHECKING:
    from ml4t.backtest.risk.limits.account import (
        MaxDailyLoss,
        MaxDrawdown,
        MaxVaR,
        VolatilityTarget,
    )
    from ml4t.backtest.risk.limits.limit import Limit
    from ml4t.backtest.risk.limits.weights import (
        MaxGrossExposure,
        MaxGroupWeight,
        MaxNetExposure,
        MaxPositions,
        MaxTurnover,
        MaxWeight,
    )
    from ml4t.backtest.risk.manager import RiskManager
    from ml4t.backtest.risk.rules.composite import AllOf, AnyOf
    from ml4t.backtest.risk.rules.decision import RiskContext, RiskDecision
    from ml4t.backtest.risk.rules.from_entry import (
        BreakevenStop,
        IsolatedMargin,
        ScaledExit,
        StopLoss,
        TakeProfit,
        TimeBasedExit,
    )
    from ml4t.backtest.risk.rules.held import Held
    from ml4t.backtest.risk.rules.rule import Answer, RiskRule
    from ml4t.backtest.risk.rules.signal import SignalExit
    from ml4t.backtest.risk.rules.trailing import DynamicTrailingStop, TrailingStop
    from ml4t.backtest.risk.rules.volatility import (
        VolatilityScaledStopLoss,
        VolatilityTrailingStop,
    )

__all__ = [
    "AllOf",
    "Answer",
    "AnyOf",
    "BreakevenStop",
    "DynamicTrailingStop",
    "Held",
    "IsolatedMargin",
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
        "limits.account": ("MaxDailyLoss", "MaxDrawdown", "MaxVaR", "VolatilityTarget"),
        "rules.held": ("Held",),
        "rules.rule": ("Answer", "RiskRule"),
        "rules.composite": ("AllOf", "AnyOf"),
        "rules.decision": ("RiskContext", "RiskDecision"),
        "limits.limit": ("Limit",),
        "limits.weights": (
            "MaxGrossExposure",
            "MaxGroupWeight",
            "MaxNetExposure",
            "MaxPositions",
            "MaxTurnover",
            "MaxWeight",
        ),
        "manager": ("RiskManager",),
        "rules.from_entry": (
            "BreakevenStop",
            "IsolatedMargin",
            "ScaledExit",
            "StopLoss",
            "TakeProfit",
            "TimeBasedExit",
        ),
        "rules.signal": ("SignalExit",),
        "rules.trailing": ("DynamicTrailingStop", "TrailingStop"),
        "rules.volatility": ("VolatilityScaledStopLoss", "VolatilityTrailingStop"),
    },
)
