"""Ready-made strategies, and the rules and sizers of declarative ones."""

from typing import TYPE_CHECKING

from ml4t.backtest.lazy import names_of

if TYPE_CHECKING:
    from ml4t.backtest.strategies.hybrid import HybridStrategy
    from ml4t.backtest.strategies.rotation import TopNRotationStrategy
    from ml4t.backtest.strategies.rule import Rule
    from ml4t.backtest.strategies.signal import SignalStrategy
    from ml4t.backtest.strategies.sizers import (
        ConfidenceSizer,
        FixedSizer,
        PercentSizer,
        Sizer,
        VolatilitySizer,
    )
    from ml4t.backtest.strategies.top_n import TopN

__all__ = [
    "ConfidenceSizer",
    "FixedSizer",
    "HybridStrategy",
    "PercentSizer",
    "Rule",
    "SignalStrategy",
    "Sizer",
    "TopN",
    "TopNRotationStrategy",
    "VolatilitySizer",
]

# Loaded when used: a run has one strategy.
__getattr__, __dir__ = names_of(
    __name__,
    {
        "hybrid": ("HybridStrategy",),
        "rotation": ("TopNRotationStrategy",),
        "rule": ("Rule",),
        "signal": ("SignalStrategy",),
        "sizers": ("ConfidenceSizer", "FixedSizer", "PercentSizer", "Sizer", "VolatilitySizer"),
        "top_n": ("TopN",),
    },
)
