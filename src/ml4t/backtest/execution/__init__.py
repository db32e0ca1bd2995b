"""The money side of an order: costs, account rules, the simulated broker."""

from ml4t.backtest.execution.account import CashAccount
from ml4t.backtest.execution.broker import SimulationBroker
from ml4t.backtest.execution.costs import (
    BasisPointCommission,
    BasisPointSlippage,
    Commission,
    Slippage,
)

__all__ = [
    "BasisPointCommission",
    "BasisPointSlippage",
    "CashAccount",
    "Commission",
    "SimulationBroker",
    "Slippage",
]
