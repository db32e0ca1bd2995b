"""Sweeps: many runs of one strategy over a catalog, and what they say together."""

from typing import TYPE_CHECKING

from ml4t.backtest.lazy import names_of

if TYPE_CHECKING:
    from ml4t.backtest.sweep.parameters import Between, LatinHypercube, RandomSample
    from ml4t.backtest.sweep.result import SweepResult
    from ml4t.backtest.sweep.search import OptunaSearch
    from ml4t.backtest.sweep.sweep import Sweep

__all__ = ["Between", "LatinHypercube", "OptunaSearch", "RandomSample", "Sweep", "SweepResult"]

# Loaded when used, as all of the package.
__getattr__, __dir__ = names_of(
    __name__,
    {
        "parameters": ("Between", "LatinHypercube", "RandomSample"),
        "result": ("SweepResult",),
        "search": ("OptunaSearch",),
        "sweep": ("Sweep",),
    },
)
