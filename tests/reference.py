"""A slow reference backtest: one plain loop over bars, written to be checked by reading.

Bars are visited in time order, t = 0, 1, 2, ... and each bar has these steps, in this order:

    ACTIONS   corporate actions, dividends due, borrow, interest       reference_actions
    OPEN      risk exits, market orders and the rebalance of t-1       reference_moments
    INTRABAR  levels and resting orders against this bar's range       reference_intrabar
    CLOSE     vwap and closing orders, marks, water marks, margin      reference_close
    PROTECT   the rules set the levels, and may queue an exit          reference_protect
    DECIDE    the strategy or the script; the limits edit              reference_decide

`reference_fills` holds what every fill goes through, `reference_ledger` the books and the
identities that are asserted at the end of every run, `reference_types` the inputs and the rows,
`reference_zones` the dates next to bars with a zone.
Prices are taken to be finite and positive, with low <= open, close <= high. Nothing here is shared
with the engine it is compared to. Choices made where the specification is silent are numbered in
reference_choices.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set

from reference_actions import step_actions
from reference_close import record, step_close
from reference_decide import step_decide
from reference_exchange import Fx
from reference_intrabar import step_intrabar
from reference_limits import (
    Limit,
    MaxDailyLoss,
    MaxDrawdown,
    MaxGrossExposure,
    MaxGroupWeight,
    MaxNetExposure,
    MaxPositions,
    MaxTurnover,
    MaxVaR,
    MaxWeight,
    VolatilityTarget,
)
from reference_moments import fill_exits, fill_moment
from reference_orders import drop_past, expire
from reference_protect import step_protect
from reference_rules import (
    AllOf,
    AnyOf,
    BreakevenStop,
    DynamicTrailingStop,
    Rule,
    ScaledExit,
    SignalExit,
    StopLoss,
    TakeProfit,
    TimeBasedExit,
    TrailingStop,
    Verdict,
    View,
    VolatilityScaledStopLoss,
    VolatilityTrailingStop,
    known,
)
from reference_types import (
    Action,
    Asset,
    Bar,
    Borrow,
    Cancel,
    Charged,
    Cost,
    EquityRow,
    FillRow,
    FlowRow,
    Instruction,
    Margin,
    OpenLotRow,
    Order,
    OrderRow,
    OrderTarget,
    OrderTargetPercent,
    PositionRow,
    Predicate,
    ReferenceResult,
    RejectionRow,
    Replace,
    SelectionRow,
    Signals,
    StopRow,
    Targets,
    Terms,
    Timestamp,
    TopN,
    Trade,
    TradeRow,
)
from reference_world import NEXT_CLOSE, NEXT_OPEN, THIS_CLOSE, VWAP, Setup, World, make_world
from reference_zones import in_moments

__all__ = [
    "run", "Bar", "Terms", "Margin", "Borrow", "Action", "Trade", "Charged", "Cost", "Timestamp",
    "Asset", "Signals", "Predicate", "TopN", "Order", "Cancel", "Replace", "OrderTarget",
    "OrderTargetPercent", "Targets", "Instruction",
    "Fx", "Rule", "View", "Verdict", "known", "StopLoss", "TakeProfit", "TrailingStop",
    "DynamicTrailingStop", "VolatilityScaledStopLoss", "VolatilityTrailingStop", "BreakevenStop",
    "TimeBasedExit", "SignalExit", "ScaledExit", "AnyOf", "AllOf",
    "Limit", "MaxPositions", "MaxWeight", "MaxGroupWeight", "MaxGrossExposure", "MaxNetExposure",
    "MaxTurnover", "MaxDrawdown", "MaxDailyLoss", "VolatilityTarget", "MaxVaR",
    "ReferenceResult", "EquityRow", "PositionRow", "FillRow", "TradeRow", "OpenLotRow", "OrderRow",
    "FlowRow", "SelectionRow", "RejectionRow", "StopRow",
]  # fmt: skip


def run(
    bars: Mapping[Timestamp, Mapping[Asset, Bar]],
    signals: Mapping[tuple[Timestamp, Asset], Signals] | None = None,
    market: Mapping[Timestamp, Signals] | None = None,
    strategy: TopN | None = None,
    *,
    script: Mapping[int, Sequence[Instruction]] | None = None,
    members: Set[tuple[Timestamp, Asset]] | None = None,
    membership_end: str = "hold",
    rules: Sequence[Rule] = (),
    limits: Sequence[Limit] = (),
    actions: Sequence[Action] = (),
    reinvest_dividends: bool = False,
    dividends_move_levels: bool = True,
    borrow: Mapping[tuple[Timestamp, Asset], Borrow] | None = None,
    commission_bps: float = 10.0,
    slippage_bps: float = 5.0,
    commission: Cost | None = None,
    slippage: Cost | None = None,
    impact: Cost | None = None,
    initial_capital: float = 1_000_000.0,
    reserve_costs: bool = True,
    overdraft: float = 0.0,
    margin: Margin | None = None,
    settlement: int = 0,
    credit_rate: float = 0.0,
    debit_rate: float = 0.0,
    days_per_year: int = 365,
    counts_hours: bool = False,
    terms: Mapping[Asset, Terms] | None = None,
    default_terms: Terms | None = None,
    participation: float | None = None,
    min_holding: int = 0,
    funding: Sequence[tuple[Timestamp, Asset, float]] = (),
    within_range: bool = False,
    timing: str = NEXT_OPEN,
    timezone: str | None = None,
    fx: Fx | None = None,
) -> ReferenceResult:
    """Run the strategy, the script, or both.

    script: what is instructed at the close of bar t, by t.
    members: (timestamp, asset) pairs in the universe; None: all. membership_end: "hold" or "exit".
    borrow: the fee and availability as known at that bar; no entry: those of the last one, before
        the first not to be borrowed. None: there is no such source, no fee, all can be borrowed.
    commission (money), slippage, impact (fractions of the base price): take the place of the
        basis points; see `Trade`.
    margin: None is a cash account. settlement: sessions until a sale's proceeds are spendable.
    credit_rate, debit_rate: a year, on the cash of the previous close.
    days_per_year: of interest and borrow fees. counts_hours: time inside of a date counts.
    terms: by asset; default_terms: of all others.
    participation: of a bar's volume, at most.
    funding: rates of the notional that longs of perpetuals pay shorts, by time and asset.
    min_holding: sessions before what was bought may be sold.
    within_range: slippage and impact take no price outside the bar's range.
    timezone: whose calendar dates sessions and dates of actions are; None: bars have no zone.
    fx: currencies of assets and what they cost; None: all is in one.
    timing: of market orders and rebalances: next_open, vwap, next_close or this_close.
    """
    setup = Setup(
        bars=bars,
        signals=signals or {},
        market=market or {},
        strategy=strategy,
        script=script or {},
        members=members,
        membership_end=membership_end,
        rules=rules,
        limits=limits,
        actions=[in_moments(action, timezone) for action in actions],
        reinvest_dividends=reinvest_dividends,
        dividends_move_levels=dividends_move_levels,
        borrow=borrow,
        commission=commission or in_proportion(commission_bps),
        slippage=slippage or (lambda _: slippage_bps / 1e4),
        impact=impact or (lambda _: 0.0),
        initial_capital=initial_capital,
        reserve_costs=reserve_costs,
        overdraft=overdraft,
        margin=margin,
        settlement=settlement,
        credit_rate=credit_rate,
        debit_rate=debit_rate,
        days_per_year=days_per_year,
        counts_hours=counts_hours,
        terms=terms or {},
        default_terms=default_terms or Terms(),
        participation=participation,
        min_holding=min_holding,
        funding=funding,
        within_range=within_range,
        timing=timing,
        timezone=timezone,
        fx=fx,
    )
    world = make_world(setup)
    world.ledger.flow(0, None, "deposit", initial_capital)
    for t in range(len(world.timeline)):
        step(world, t)
    world.ledger.report_open_lots()
    world.report_orders()
    world.ledger.check_identities(math.fsum(amount for _, _, _, amount, _ in world.due))
    return world.result


def in_proportion(basis_points: float) -> Cost:
    return lambda trade: abs(trade.quantity) * trade.price * trade.multiplier * basis_points / 1e4


def step(world: World, t: int) -> None:
    """Go through one bar."""
    world.t = t
    world.ratios, world.traded, world.reinvest = {}, {}, []
    world.is_after_protect, world.closed_inside = False, set()
    world.ledger.bars, world.ledger.is_over = world.bars, False
    step_actions(world)
    drop_past(world)
    world.move_to(NEXT_OPEN)
    fill_exits(world)
    fill_moment(world, NEXT_OPEN)
    step_intrabar(world)
    world.ledger.is_over = True
    world.ledger.exchange_at(t)
    for moment in (VWAP, NEXT_CLOSE):
        world.move_to(moment)
        fill_moment(world, moment)
    step_close(world)
    step_protect(world)
    step_decide(world)
    world.move_to(THIS_CLOSE)
    fill_moment(world, THIS_CLOSE)
    expire(world)
    world.ledger.end_bar(t)
    record(world)
