"""Broker, order and fill rules, costs, accounts."""

from typing import TYPE_CHECKING

from ml4t.backtest.lazy import names_of

if TYPE_CHECKING:
    from ml4t.backtest.execution.account.currencies import Currencies, CurrencyRates, ForeignCash
    from ml4t.backtest.execution.account.rules import CashAccount, MarginAccount, Shortfall
    from ml4t.backtest.execution.costs.basis_points import BasisPointCommission, BasisPointSlippage
    from ml4t.backtest.execution.costs.by_currency import CommissionByCurrency
    from ml4t.backtest.execution.costs.commission import (
        MakerTakerCommission,
        PerOrderCommission,
        PerShareCommission,
        TieredCommission,
    )
    from ml4t.backtest.execution.costs.contract import Charges, Commission, Quote, Slippage
    from ml4t.backtest.execution.costs.fees import Fee, MonthlyTieredCommission
    from ml4t.backtest.execution.costs.financing import Accrual, DayCount, Financing
    from ml4t.backtest.execution.costs.schedule import FeeSchedule
    from ml4t.backtest.execution.costs.schedules import fee_schedule
    from ml4t.backtest.execution.costs.slippage import (
        FixedSlippage,
        SpreadSlippage,
        SquareRootImpact,
        VolumeShareSlippage,
        WorstPriceSlippage,
    )
    from ml4t.backtest.execution.hand_loop.broker import SimulationBroker
    from ml4t.backtest.execution.hand_loop.order import LoopFill, LoopOrder
    from ml4t.backtest.execution.hand_loop.portfolio import LoopPortfolio, LoopPosition
    from ml4t.backtest.execution.market_rules import MarketRules
    from ml4t.backtest.execution.orders.order import Order
    from ml4t.backtest.execution.policy import (
        ActionPolicy,
        ExecutionPolicy,
        SizedAt,
    )
    from ml4t.backtest.execution.timing import NextClose, NextOpen, ThisClose, VolumeWeighted

__all__ = [
    "Accrual",
    "ActionPolicy",
    "BasisPointCommission",
    "BasisPointSlippage",
    "CashAccount",
    "Charges",
    "Commission",
    "DayCount",
    "ExecutionPolicy",
    "Fee",
    "FeeSchedule",
    "fee_schedule",
    "LoopFill",
    "CommissionByCurrency",
    "Currencies",
    "CurrencyRates",
    "Financing",
    "ForeignCash",
    "FixedSlippage",
    "LoopOrder",
    "LoopPortfolio",
    "LoopPosition",
    "MakerTakerCommission",
    "MarginAccount",
    "MarketRules",
    "MonthlyTieredCommission",
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
    "WorstPriceSlippage",
]

# Loaded when used: a run has few of them, and of the hand-written loop none.
__getattr__, __dir__ = names_of(
    __name__,
    {
        "account.rules": ("CashAccount", "MarginAccount", "Shortfall"),
        "costs.basis_points": ("BasisPointCommission", "BasisPointSlippage"),
        "costs.commission": (
            "MakerTakerCommission",
            "PerOrderCommission",
            "PerShareCommission",
            "TieredCommission",
        ),
        "costs.contract": ("Charges", "Commission", "Quote", "Slippage"),
        "costs.by_currency": ("CommissionByCurrency",),
        "account.currencies": ("Currencies", "CurrencyRates", "ForeignCash"),
        "costs.financing": ("Accrual", "DayCount", "Financing"),
        "costs.fees": ("Fee", "MonthlyTieredCommission"),
        "costs.schedule": ("FeeSchedule",),
        "costs.schedules": ("fee_schedule",),
        "costs.slippage": (
            "FixedSlippage",
            "SpreadSlippage",
            "SquareRootImpact",
            "VolumeShareSlippage",
            "WorstPriceSlippage",
        ),
        "hand_loop.broker": ("SimulationBroker",),
        "hand_loop.order": ("LoopFill", "LoopOrder"),
        "hand_loop.portfolio": ("LoopPortfolio", "LoopPosition"),
        "orders.order": ("Order",),
        "market_rules": ("MarketRules",),
        "policy": ("ActionPolicy", "ExecutionPolicy", "SizedAt"),
        "timing": ("NextClose", "NextOpen", "ThisClose", "VolumeWeighted"),
    },
)
