"""Broker, order and fill rules, costs, accounts."""

from ml4t.backtest.execution.account import CashAccount, MarginAccount, Shortfall
from ml4t.backtest.execution.commission import (
    BasisPointCommission,
    MakerTakerCommission,
    PerOrderCommission,
    PerShareCommission,
    TieredCommission,
)
from ml4t.backtest.execution.financing import Financing
from ml4t.backtest.execution.loop_order import LoopFill, LoopOrder
from ml4t.backtest.execution.loop_portfolio import LoopPortfolio, LoopPosition
from ml4t.backtest.execution.order import Order
from ml4t.backtest.execution.policy import (
    ActionPolicy,
    ExecutionPolicy,
    NextClose,
    NextOpen,
    SizedAt,
    ThisClose,
    VolumeWeighted,
)
from ml4t.backtest.execution.quote import Commission, Quote, Slippage
from ml4t.backtest.execution.simulation_broker import SimulationBroker
from ml4t.backtest.execution.slippage import (
    BasisPointSlippage,
    FixedSlippage,
    SpreadSlippage,
    SquareRootImpact,
    VolumeShareSlippage,
)

__all__ = [
    "ActionPolicy",
    "BasisPointCommission",
    "BasisPointSlippage",
    "CashAccount",
    "Commission",
    "ExecutionPolicy",
    "LoopFill",
    "Financing",
    "FixedSlippage",
    "LoopOrder",
    "LoopPortfolio",
    "LoopPosition",
    "MakerTakerCommission",
    "MarginAccount",
    "NextClose",
    "NextOpen",
    "Order",
    "PerOrderCommission",
    "PerShareCommission",
    "Quote",
    "Shortfall",
    "SimulationBroker",
    "SizedAt",
    "Slippage",
    "SpreadSlippage",
    "SquareRootImpact",
    "ThisClose",
    "TieredCommission",
    "VolumeShareSlippage",
    "VolumeWeighted",
]
