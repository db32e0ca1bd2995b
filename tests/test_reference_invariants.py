"""The reference on random universes and scripts: what must hold of any run, whatever it does.

Every run asserts the ledger's identities itself; here is what the account and the market allow.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from typing import Any

import pytest

import reference as r
from effort import examples
from reference_types import CUT_TO_HELD
from universes import Universe, make_script, make_universe


def is_high(row: r.Signals) -> bool:
    return (r.known(row, "score") or 0.0) > 1.5


RULES: list[r.Rule] = [
    r.StopLoss(0.04), r.TakeProfit(0.05), r.TrailingStop(0.06), r.TrailingStop(amount=3.0),
    r.VolatilityTrailingStop(2.0), r.VolatilityScaledStopLoss(1.5), r.BreakevenStop(0.03, 0.005),
    r.DynamicTrailingStop(0.08, ((0.02, 0.05), (0.05, 0.02))), r.TimeBasedExit(6, priority=50),
    r.SignalExit(is_high),
    r.ScaledExit(((0.02, 0.3), (0.04, 0.3), (0.08, 0.4))),
    r.AnyOf([r.StopLoss(0.1), r.ScaledExit(((0.03, 0.5),))]),
    r.AllOf([r.StopLoss(0.01), r.TimeBasedExit(2)]),
    r.AllOf([r.VolatilityTrailingStop(1.5), r.AnyOf([r.TakeProfit(0.02), r.SignalExit(is_high)])]),
    r.AnyOf([r.TrailingStop(0.03), r.VolatilityScaledStopLoss(1.0)], priority=120),
    r.TakeProfit(0.02, priority=80),
]  # fmt: skip
ACTIONS = ("halt", "reduce", "liquidate")
LIMITS: list[r.Limit] = [
    r.MaxPositions(3), r.MaxWeight(0.2), r.MaxGroupWeight(0.4), r.MaxGrossExposure(0.9),
    r.MaxNetExposure(0.3), r.MaxTurnover(0.3), r.VolatilityTarget(0.1, window=5),
    r.MaxVaR(0.01, window=5), *(r.MaxDailyLoss(0.02, action) for action in ACTIONS),
    *(r.MaxDrawdown(0.05, action, resume_after=4) for action in ACTIONS),
]  # fmt: skip


def random_case(seed: int) -> tuple[Universe, dict[str, Any]]:
    """Return a universe and the options of a run."""
    pick = random.Random(seed)
    universe = make_universe(
        seed, volatility=pick.choice([0.01, 0.04, 0.15]), volume=pick.random() < 0.7,
        p_limit_flag=pick.choice([0, 0.05]),
        limit_prices=random.Random(f"limits {seed}").random() < 0.4,
        p_stop=random.Random(f"stop {seed}").choice([0, 0.2]),
        vwap=pick.random() < 0.5, p_no_vwap=0.03,
        tick=pick.choice([0, 0.01]), p_action=pick.choice([0, 0.3]), borrow=pick.random() < 0.5,
        sectors=pick.choice([0, 2]), bars_per_day=pick.choice([1, 1, 3]),
        p_hole=pick.choice([0.0, 0.05, 0.2]),
    )  # fmt: skip
    margin = r.Margin(initial=pick.choice([0.5, 0.2]), maintenance=0.15)
    is_cash = pick.random() < 0.4
    is_financed = pick.random() < 0.6  # else there may be contracts, which no rate is charged on
    terms = {
        asset: r.Terms(
            multiplier=1 if is_financed else pick.choice([1, 10]), lot=pick.choice([0, 1, 10]),
            tick=pick.choice([0, 0.01, 0.05]), group=universe.sectors.get(asset),
            initial=pick.choice([None, None, 0.4]), maintenance=pick.choice([None, None, 0.1]),
        )
        for asset in universe.assets
    }  # fmt: skip
    for asset in universe.assets:  # a renamed asset is the same contract
        terms[asset] = terms.get(asset.removesuffix("N"), terms[asset])
    members = {
        (time, asset) for time in universe.bars for asset in universe.assets if pick.random() < 0.95
    }
    options = {
        "script": make_script(
            seed,
            universe,
            per_bar=pick.choice([0.3, 1, 3]),
            shorts=not is_cash or pick.random() < 0.1,
        ),
        "rules": pick.sample(RULES, pick.randint(0, 3)),
        "limits": pick.sample(LIMITS, pick.choice([0, 0, 1, 3])),
        "actions": universe.actions,
        "reinvest_dividends": pick.random() < 0.5,
        "borrow": (universe.borrow or None) if is_financed else None,
        "commission_bps": pick.choice([0, 10]),
        "slippage_bps": pick.choice([0, 20]),
        "impact": pick.choice(
            [None, lambda trade: 0.01 * abs(trade.quantity) / (trade.volume or 1e6)]
        ),
        "margin": None if is_cash else margin,
        "settlement": pick.choice([0, 2]),
        "overdraft": pick.choice([0.0, 0.0, 20_000.0]),
        "credit_rate": 0.02 if is_financed else 0.0,
        "debit_rate": 0.06 if is_financed else 0.0,
        "terms": terms,
        "participation": pick.choice([None, 0.1, 0.5]),
        "timing": pick.choice(["next_open", "next_open", "vwap", "next_close", "this_close"]),
        "reserve_costs": pick.random() < 0.8,
        "within_range": random.Random(f"range {seed}").random() < 0.3,
        "members": members if pick.random() < 0.3 else None,
        "membership_end": pick.choice(["hold", "exit"]),
        "dividends_move_levels": pick.random() < 0.8,
    }
    return universe, options


@pytest.mark.parametrize("seed", range(examples(20)))
def test_no_run_does_what_the_account_or_the_market_does_not_allow(seed: int) -> None:
    universe, options = random_case(seed)
    result = r.run(universe.bars, universe.signals, universe.market, **options)
    check_fills(universe, options, result)
    check_orders(options, result)
    check_accounts(options, result)


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_what_comes_later_changes_nothing(seed: int) -> None:
    universe, options = random_case(seed)
    whole = r.run(universe.bars, universe.signals, universe.market, **options)
    end = sorted(universe.bars)[25]
    bars = {time: row for time, row in universe.bars.items() if time <= end}
    part = r.run(bars, universe.signals, universe.market, **options)
    assert part.fills == [row for row in whole.fills if row.timestamp <= end]
    assert part.equity == [row for row in whole.equity if row.timestamp <= end]
    assert part.decisions == [row for row in whole.decisions if row.timestamp <= end]


def check_fills(universe: Universe, options: dict[str, Any], result: r.ReferenceResult) -> None:
    traded: Counter[tuple[Any, str]] = Counter()
    orders = {order.order_id: order for order in result.orders}
    for fill in result.fills:
        bar = universe.bars[fill.timestamp][fill.asset]
        terms = options["terms"][fill.asset]
        assert bar.volume != 0
        side = 1 if fill.quantity > 0 else -1
        given = (fill.slippage + fill.impact) / abs(fill.quantity) / terms.multiplier
        base = fill.price - side * given
        if fill.reason != "reinvestment":
            assert not bar.is_locked(side, base)
            assert side * bar.capped(side, fill.price) == pytest.approx(side * fill.price)
        assert bar.low * (1 - 1e-9) <= base <= bar.high * (1 + 1e-9)
        if options["within_range"] and fill.reason != "reinvestment":
            assert bar.low * (1 - 1e-9) <= fill.price <= bar.high * (1 + 1e-9)
        assert min(fill.commission, fill.slippage, fill.impact) >= 0
        limit = orders[fill.order_id].limit
        is_scaled = any(action.kind == "split" for action in options["actions"])
        if limit is not None and not is_scaled:
            assert side * fill.price <= side * limit * (1 + side * 1e-12)
        if fill.reason != "reinvestment":
            # The ends of a bar that is off the ticks are prices that it traded.
            is_end = options["within_range"] and fill.price in (bar.low, bar.high)
            is_end |= fill.price in (bar.limit_up, bar.limit_down)
            if terms.tick and limit is None and not is_end:
                assert abs(fill.price / terms.tick - round(fill.price / terms.tick)) < 1e-4
            traded[fill.timestamp, fill.asset] += abs(fill.quantity)
    if options["participation"] is not None:
        for (time, asset), quantity in traded.items():
            volume = universe.bars[time][asset].volume
            assert volume is None or quantity <= options["participation"] * volume * (1 + 1e-9)


def check_orders(options: dict[str, Any], result: r.ReferenceResult) -> None:
    filled: defaultdict[int, float] = defaultdict(float)
    for fill in result.fills:
        filled[fill.order_id] += fill.quantity
    is_scaled = any(action.kind == "split" for action in options["actions"])
    for order in result.orders:
        if not is_scaled:
            assert order.filled == pytest.approx(filled[order.order_id])
        assert abs(order.filled) <= abs(order.quantity) * (1 + 1e-9)
        assert order.filled * order.quantity >= 0
        is_whole = abs(order.filled) >= abs(order.quantity) * (1 - 1e-9)
        assert order.status in {"filled", "partial", "cancelled", "expired", "rejected", "denied"}
        assert (order.status in {"filled", "partial"}) == (order.filled != 0)
        if order.status == "filled":
            assert is_whole or order.reason in {CUT_TO_HELD, "cut"}
        else:
            assert order.reason != ""


def check_accounts(options: dict[str, Any], result: r.ReferenceResult) -> None:
    is_cash = options["margin"] is None
    if is_cash:
        assert all(row.quantity > 0 for row in result.positions)
        fees = sum(row.amount for row in result.cash_flows if row.amount < 0)
        assert min(row.cash for row in result.equity) >= fees - options["overdraft"] - 1e-3
    for row in result.positions:
        lot = options["terms"][row.asset].lot
        if lot:
            assert abs(row.quantity / lot - round(row.quantity / lot)) < 1e-6
    for trade in result.trades:
        assert trade.bars_held >= 0
        assert trade.exit_timestamp >= trade.entry_timestamp
        pays = any(one.kind == "cash" or one.withholding for one in options["actions"])
        assert trade.borrow == 0 or trade.quantity < 0 or pays
