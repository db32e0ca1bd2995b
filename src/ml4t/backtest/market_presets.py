"""Presets of markets: costs, account and rules as an exchange and a usual broker have them.

Rates of interest belong to a broker and a year, so that none is set: give `financing`.
"""

from __future__ import annotations

from ml4t.backtest.execution.account.rules import CashAccount, MarginAccount
from ml4t.backtest.execution.costs.basis_points import BasisPointSlippage
from ml4t.backtest.execution.costs.fees import Fee
from ml4t.backtest.execution.costs.financing import Accrual, DayCount, Financing
from ml4t.backtest.execution.costs.schedules import fee_schedule
from ml4t.backtest.execution.market_rules import MarketRules
from ml4t.backtest.execution.policy import ExecutionPolicy

IN_WHOLE_SHARES = ExecutionPolicy(whole_shares=True)


def us_shares() -> dict[str, object]:
    """Return US shares in a margin account at Interactive Brokers' fixed prices.

    Whole shares. Commission 0.005 a share with SEC and FINRA fees on sales (`ibkr_us_fixed`, known
    2010-01-15 to 2026-09-30). Regulation T: half of a purchase or short sale is one's own; FINRA
    rule 4210: longs must keep 25% of their value, shorts 30%. Dollars count 360 days.
    """
    return {
        "commission": fee_schedule("ibkr_us_fixed"),
        "account": MarginAccount(short_maintenance_margin=0.30),
        "financing": Financing(day_count=DayCount.ACTUAL_360),
        "execution": IN_WHOLE_SHARES,
    }


def china_a_shares() -> dict[str, object]:
    """Return A shares of Shanghai and Shenzhen, main boards, in a cash account.

    What was bought is sold in the next session at the earliest (T+1); purchases are lots of 100,
    an odd lot is sold with its position; ticks of 0.01; nothing is bought 10% above the previous
    close or sold 10% below it, half up to the tick. ``prices`` need ``prev_close``, or limits of
    their own: ChiNext and STAR have 20%, special treatment 5%. Costs: `china_a`.
    """
    return {
        "commission": fee_schedule("china_a"),
        "account": CashAccount(),
        "execution": IN_WHOLE_SHARES,
        "market": MarketRules(min_holding=1, lot_size=100.0, tick_size=0.01, limit_rate=0.1),
    }


def hong_kong_shares() -> dict[str, object]:
    """Return Hong Kong shares in a cash account at Interactive Brokers' fixed prices.

    Commission 0.08%, at least 18, and the levies of `hong_kong` with the stamp duty of both
    sides. Issuers choose their board lot: ``assets`` must have a ``lot_size`` for each. Hong Kong
    dollars count 365 days.
    https://www.interactivebrokers.com.hk/en/index.php?f=49708
    """
    broker = Fee(0.0008, minimum=18.0, unit=0.01)
    return {
        "commission": broker + fee_schedule("hong_kong"),
        "account": CashAccount(),
        "financing": Financing(day_count=DayCount.ACTUAL_365),
        "execution": IN_WHOLE_SHARES,
        "market": MarketRules(requires=("lot_size",)),
    }


def india_shares() -> dict[str, object]:
    """Return shares of the NSE held for delivery, at a broker that asks nothing for it.

    Transaction tax and stamp duty, exchange and SEBI fees with GST (`india_delivery`, known from
    2024-10-01). Whole shares; what a sale brings can be spent in the next session (T+1 since
    2023-01-27). Price bands are of 2, 5, 10 or 20% by share, none where it has futures: give
    ``limit_rate`` and ``prev_close``, or ``limit_up`` and ``limit_down``, in ``prices``.
    """
    return {
        "commission": fee_schedule("india_delivery"),
        "account": CashAccount(settlement=1),
        "financing": Financing(day_count=DayCount.ACTUAL_365),
        "execution": IN_WHOLE_SHARES,
    }


def cme_contracts() -> dict[str, object]:
    """Return futures of the CME in a margin account at Interactive Brokers' prices.

    Costs of an E-mini contract (`cme_emini`); slippage of half a basis point, a tick of 0.25 at
    5,000. Whole contracts. ``assets`` must say of each that it is a future, and its margins in
    money (``contract_initial_margin``, ``contract_maintenance_margin``), with its ``multiplier``
    and ``expiry``. Dollars count 360 days.
    """
    return {
        "commission": fee_schedule("cme_emini"),
        "slippage": BasisPointSlippage(0.5),
        "account": MarginAccount(),
        "financing": Financing(day_count=DayCount.ACTUAL_360),
        "execution": IN_WHOLE_SHARES,
        "market": MarketRules(
            requires=("instrument", "contract_initial_margin", "contract_maintenance_margin")
        ),
    }


def crypto_perpetuals() -> dict[str, object]:
    """Return perpetual contracts in a margin account at Binance's prices.

    Maker 0.02%, taker 0.05% of the notional (`binance_perpetual`). Ten times levered: an initial
    margin of 10%, and a maintenance margin of 0.5% over all positions; for positions of their own
    margin add the rule `IsolatedMargin`. ``assets`` must say of each that it is a perpetual; what
    longs pay shorts is in the source ``funding``. Interest counts hours: the market never closes.
    """
    return {
        "commission": fee_schedule("binance_perpetual"),
        "slippage": BasisPointSlippage(1),
        "account": MarginAccount(initial_margin=0.1, maintenance_margin=0.005),
        "financing": Financing(accrual=Accrual.ELAPSED),
        "market": MarketRules(requires=("instrument",)),
    }
