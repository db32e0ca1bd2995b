"""Broker, order and fill rules, costs, accounts."""

from ml4t.backtest.execution.account.rules import CashAccount, MarginAccount, Shortfall
from ml4t.backtest.execution.costs.commission import (
    BasisPointCommission,
    MakerTakerCommission,
    PerOrderCommission,
    PerShareCommission,
    TieredCommission,
)
from ml4t.backtest.execution.costs.contract import Commission, Quote, Slippage
from ml4t.backtest.execution.costs.financing import Financing
from ml4t.backtest.execution.costs.slippage import (
    BasisPointSlippage,
    FixedSlippage,
    SpreadSlippage,
    SquareRootImpact,
    VolumeShareSlippage,
)
from ml4t.backtest.execution.hand_loop.broker import SimulationBroker
from ml4t.backtest.execution.hand_loop.order import LoopFill, LoopOrder
from ml4t.backtest.execution.hand_loop.portfolio import LoopPortfolio, LoopPosition
from ml4t.backtest.execution.orders.order import Order
from ml4t.backtest.execution.policy import (
    ActionPolicy,
    ExecutionPolicy,
    SizedAt,
)
from ml4t.backtest.execution.timing import NextClose, NextOpen, ThisClose, VolumeWeighted

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
