"""The kind of every public parameter; one that is not named here fails a test."""

from __future__ import annotations

from typing import Any

import ml4t.backtest as package
from malformed import (
    FLAG,
    FRACTION,
    INF,
    NAME,
    NAMES,
    NONE,
    NOTHING,
    RATE,
    Kind,
    above,
    at_least,
    instance,
    is_number,
    listed,
    whole,
    words,
)
from ml4t.backtest import (
    Accrual,
    DayCount,
    ForeignCash,
    PerOrderCommission,
    Ranking,
    Shortfall,
    SizedAt,
    recipes,
    risk,
    strategies,
)
from ml4t.backtest.execution.hand_loop.broker import SimulationBroker
from ml4t.backtest.execution.market_rules import REQUIRABLE, LimitRounding
from ml4t.backtest.risk import Limit, RiskRule
from ml4t.backtest.scenarios import make_scenario
from ml4t.backtest.strategies import FixedSizer, Rule, Sizer
from ml4t.backtest.strategies.predicate import Predicate


def is_currency(value: object) -> bool:
    """Whether a value can be the code of a currency; no parts of one are among those tried."""
    return isinstance(value, str) and value.isalnum()


# Public classes that are no settings: what a run makes and hands out, base classes, and those that
# have a test of their own kind (registrations, runs, results, orders).
NOT_SETTINGS = {
    "Strategy", "Batch", "Selection", "Order", "BacktestEngine", "Engine", "BacktestResult",
    "PreparedStore", "RunStore", "Answer", "Held", "Limit", "RiskRule", "RiskContext",
    "RiskDecision", "Rule",
    "Sizer", "LevelBase", "TrailStart", "TrailBy", "Trigger", "Shortfall", "SizedAt",
    "Accrual", "DayCount", "ForeignCash",
    "NextOpen", "NextClose", "ThisClose", "HybridStrategy", "LimitAction", "LimitKind",
    "AccountState", "Wish", "Predicate", "Entry", "BreachAction",
    # Of sweeps: see test_sweep_parameters.py, test_sweep_errors.py and test_splits.py.
    "Sweep", "SweepResult", "Between", "RandomSample", "LatinHypercube", "OptunaSearch",
    "WalkForward", "CombinatorialPurged",
}  # fmt: skip
PRIORITY = whole()
CURRENCY = Kind("a currency", is_currency)
CURRENCY_OR_NONE = Kind(
    "a currency or nothing", lambda v: isinstance(v, str) and (v == "" or v.isalnum())
)
SIGNAL_LEVEL = above(-INF) | NAME
# Fractions; what is beyond is a percentage by mistake.
EQUITY = above(0, 10 + 1e-9)
PROFIT, TRIGGER, WEIGHT, TURNOVER, VOLATILITY = (above(0, below) for below in (10, 3, 5, 10, 3))
BRAKE = words("halt", "reduce", "liquidate")
RANKING: dict[str, Kind] = {
    "n": whole(1) | above(0, 1) | words("all"), "by": NAME,
    "where": NAME | NONE, "when": NAME | NONE, "weight": NAME,
    "every": whole(1), "offset": whole(0, 0), "within": NAME | NONE, "ascending": FLAG,
    "min_trade": at_least(0), "band": at_least(0, 1),
}  # fmt: skip
# What an error may call a parameter, or what is in it.
ALSO_CALLED = {
    "rules": "rule", "limits": "limit", "tiers": "tier", "name": "scenario",
    "condition": "features", "data_feed": "feed",
}  # fmt: skip
# subject -> (what it needs beside, {parameter: kind})
PARAMETERS: dict[str, tuple[dict[str, Any], dict[str, Kind]]] = {
    "Catalog": (
        {},
        {"threads": whole(1, 1024) | NONE, "memory_limit": NONE, "timezone": NOTHING,
         "cache": NAME | NONE},
    ),
    "TopN": ({"n": 1, "by": "close"}, RANKING),
    "Ranking": ({"n": 1, "by": "close"}, RANKING),
    "SQLStrategy": (
        {"query": "select 1"},
        {"query": NAME, "ranking": NONE | instance(Ranking), "every": whole(1),
         "offset": whole(0, 0), "when": NAME | NONE, "position_sizer": NONE | instance(Sizer),
         "min_trade": at_least(0), "band": at_least(0, 1)},
    ),
    "BacktestConfig": ({}, dict.fromkeys(
        ("commission", "slippage", "financing", "account", "execution", "levels", "actions",
         "market", "currencies"),
        NOTHING,
    ) | {"impact": NONE, "initial_capital": above(0) | NONE}),
    "BasisPointCommission": ({}, {"basis_points": RATE}),
    "PerShareCommission": (
        {"per_share": 0.01}, {"per_share": at_least(0), "minimum": at_least(0),
                              "cap": FRACTION | NONE},
    ),
    "PerOrderCommission": ({}, {"amount": at_least(0)}),
    "TieredCommission": ({}, {"tiers": NOTHING}),
    "MonthlyTieredCommission": (
        {"tiers": ((0, 1),)},
        {"tiers": NOTHING, "per": words("share", "value"), "minimum": at_least(0),
         "cap": FRACTION | NONE},
    ),
    "Fee": (
        {"amount": 0.001},
        {"amount": at_least(0, 1), "per": NOTHING, "on": words("both", "buy", "sell"),
         "column": words("commission", "tax", "fee"), "minimum": at_least(0),
         "maximum": above(0) | NONE, "unit": at_least(0), "rounding": words("half_up", "up")},
    ),
    "CommissionByCurrency": ({"models": [("EUR", PerOrderCommission(1))]}, {"models": NOTHING}),
    "FeeSchedule": ({"parts": [PerOrderCommission(1)]}, {"parts": NOTHING}),
    "MakerTakerCommission": (
        {"maker_basis_points": 1, "taker_basis_points": 1},
        {"maker_basis_points": above(-10_000, 10_000), "taker_basis_points": RATE},
    ),
    "BasisPointSlippage": ({}, {"basis_points": RATE}),
    "FixedSlippage": ({}, {"amount": at_least(0)}),
    "SpreadSlippage": ({}, {"column": NAME, "share": at_least(0, most=10)}),
    "VolumeShareSlippage": ({}, {"price_impact": at_least(0), "volume_key": NAME}),
    "WorstPriceSlippage": ({}, {}),
    "SquareRootImpact": (
        {}, {"coefficient": at_least(0), "volatility_key": NAME, "volume_key": NAME},
    ),
    "Financing": (
        {}, {"credit_rate": above(-1, 1), "debit_rate": at_least(0, 1),
             "borrow_rate": at_least(0, 1), "day_count": words(*DayCount),
             "accrual": words(*Accrual)},
    ),
    "Currencies": (
        {}, {"account": CURRENCY_OR_NONE, "cash": words(*ForeignCash),
             "conversion_cost": at_least(0, 1), "max_age": whole(0),
             "interest": listed(lambda v: False)},
    ),
    "CurrencyRates": (
        {"currency": "EUR"}, {"currency": CURRENCY, "credit_rate": above(-1, 1),
                              "debit_rate": at_least(0, 1), "day_count": words(*DayCount)},
    ),
    "CashAccount": (
        {}, {"shortfall": words(*Shortfall), "overdraft": at_least(0), "shorting": FLAG,
             "checks_submission": FLAG, "settlement": whole(0)},
    ),
    "MarginAccount": (
        {}, {"initial_margin": at_least(0.25, 10),
             "maintenance_margin": at_least(0, most=0.5), "shortfall": words(*Shortfall),
             "short_initial_margin": at_least(0.25, 10) | NONE,
             "short_maintenance_margin": at_least(0, most=0.5) | NONE},
    ),
    "ExecutionPolicy": (
        {}, {"timing": NOTHING, "sized_at": words(*SizedAt), "whole_shares": FLAG,
             "participation": above(0, 1 + 1e-9) | NONE, "reentry": FLAG, "rounds_change": FLAG,
             "whole_tolerance": at_least(0, 0.01), "within_range": FLAG},
    ),
    "VolumeWeighted": ({}, {"vwap": NAME}),
    "LevelPolicy": (
        {}, dict.fromkeys(("base", "trail_start", "trail_by", "trigger"), NOTHING)
        | dict.fromkeys(("stop_from_entry", "trail_from_entry", "in_rule_order", "open_first",
                         "slips", "trail_replaces_stop", "target_first", "before_orders"), FLAG),
    ),
    "ActionPolicy": (
        {}, {"reinvest_dividends": FLAG, "delisting_return": at_least(-1, 5),
             "exit_on_membership_end": FLAG, "dividends_move_levels": FLAG},
    ),
    "MarketRules": (
        {}, {"min_holding": whole(0), "limit_rounding": words(*LimitRounding),
             "lot_size": at_least(0), "tick_size": at_least(0),
             "limit_rate": above(0, 1) | NONE,
             "requires": listed(lambda v: v in [*REQUIRABLE])},
    ),
    "RiskManager": (
        {}, {"rules": listed(lambda v: isinstance(v, RiskRule)),
             "limits": listed(lambda v: isinstance(v, Limit)), "feature_provider": NONE},
    ),
    "AllOf": ({"rules": [risk.StopLoss(0.1)]}, {"rules": NOTHING, "priority": PRIORITY}),
    "AnyOf": ({"rules": [risk.StopLoss(0.1)]}, {"rules": NOTHING, "priority": PRIORITY}),
    "BreakevenStop": (
        {"trigger": 0.7}, {"trigger": TRIGGER, "offset": above(-1, 0.7), "priority": PRIORITY},
    ),
    "DynamicTrailingStop": (
        {}, {"initial_trail_pct": FRACTION, "schedule": listed(lambda v: False),
             "priority": PRIORITY},
    ),
    "ScaledExit": ({"steps": [(0.1, 0.5)]}, {"steps": NOTHING, "priority": PRIORITY}),
    "SignalExit": (
        {"condition": "close > 1"},
        {"condition": NAME, "features": NAMES, "priority": PRIORITY},
    ),
    "StopLoss": ({"fraction": 0.1}, {"fraction": FRACTION, "priority": PRIORITY}),
    "IsolatedMargin": (
        {"initial_margin": 0.5, "maintenance_margin": 0.005},
        {"initial_margin": Kind("a fraction", lambda v: is_number(v) and 0.005 < v <= 1),
         "maintenance_margin": above(0, 0.5), "priority": PRIORITY},
    ),
    "TakeProfit": ({"fraction": 0.1}, {"fraction": PROFIT, "priority": PRIORITY}),
    "TimeBasedExit": ({"max_bars": 3}, {"max_bars": whole(1), "priority": PRIORITY}),
    "TrailingStop": (
        {"fraction": 0.1}, {"fraction": FRACTION, "amount": NONE, "priority": PRIORITY},
    ),
    "VolatilityScaledStopLoss": (
        {}, {"atr_multiplier": above(0), "volatility_key": NAME, "priority": PRIORITY},
    ),
    "VolatilityTrailingStop": (
        {}, {"atr_multiplier": above(0), "volatility_key": NAME, "priority": PRIORITY},
    ),
    "MaxDailyLoss": ({"fraction": 0.1}, {"fraction": FRACTION, "action": BRAKE,
                                         "scale": FRACTION}),
    "MaxDrawdown": (
        {"fraction": 0.1}, {"fraction": FRACTION, "action": BRAKE, "scale": FRACTION,
                            "resume_after": whole(1) | NONE},
    ),
    "MaxGrossExposure": ({}, {"fraction": EQUITY}),
    "MaxGroupWeight": ({"fraction": 0.1}, {"fraction": WEIGHT, "group": NAME}),
    "MaxNetExposure": ({}, {"fraction": at_least(0, 5)}),
    "MaxPositions": ({}, {"n": whole(1)}),
    "MaxTurnover": ({}, {"fraction": TURNOVER}),
    "MaxVaR": ({"fraction": 0.1}, {"fraction": VOLATILITY, "confidence": FRACTION,
                                   "window": whole(2)}),
    "MaxWeight": ({}, {"fraction": WEIGHT}),
    "VolatilityTarget": (
        {"annual": 0.1}, {"annual": VOLATILITY, "window": whole(2), "periods_per_year": above(0),
                          "max_scale": EQUITY},
    ),
    "ConfidenceSizer": ({"max_percent": 0.1}, {"max_percent": EQUITY, "column": NAME}),
    "FixedSizer": ({}, {"quantity": above(0)}),
    "PercentSizer": ({}, {"percent": EQUITY}),
    "VolatilitySizer": (
        {"risk": 0.01}, {"risk": FRACTION, "column": NAME, "multiple": above(0),
                         "max_percent": EQUITY},
    ),
    "SignalStrategy": (
        {"entry_rules": [Rule.not_in_position()], "position_sizer": FixedSizer(1)},
        {"entry_rules": NOTHING, "exit_rules": listed(lambda v: isinstance(v, Predicate)),
         "position_sizer": NOTHING},
    ),
    "TopNRotationStrategy": (
        {}, {"n_positions": whole(1), "rebalance_frequency": whole(1), "score": NAME,
             "required": NAME | NONE, "max_vix": above(0) | NONE},
    ),
    "SimulationBroker": ({}, {"initial_cash": above(0), "commission": NONE, "slippage": NONE}),
    "make_scenario": (
        {"name": "bull", "n_bars": 3},
        {"name": NOTHING, "n_bars": whole(3, 5040), "n_assets": whole(1, 1000), "seed": whole(0)},
    ),
    **{
        f"Rule.{name}": ({"name": "close", "level": 1.0}, {"name": NAME, "level": SIGNAL_LEVEL})
        for name in ("signal_above", "signal_below", "crosses_above", "crosses_below",
                     "signal_crosses_above", "signal_crosses_below")
    },
    **{
        f"Rule.{name}": ({"name": "close", "level": 1.0}, {"name": NAME, "level": above(-INF)})
        for name in ("context_above", "context_below")
    },
    "Rule.signal_between": (
        {"name": "close", "low": 1, "high": 1},
        {"name": NAME, "low": Kind("at most 1", lambda v: above(-INF).takes(v) and v <= 1),
         "high": at_least(1)},
    ),
    "Rule.expression": ({}, {"text": NAME}),
    "Rule.max_bars": ({}, {"n": whole(1)}),
    "Rule.not_in_position": ({}, {}),
    "Rule.stop_loss": ({}, {"fraction": FRACTION}),
    "Rule.take_profit": ({}, {"fraction": PROFIT}),
    "Rule.trailing_stop": ({}, {"fraction": FRACTION}),
    "recipes.capped": ({"cap": 0.1}, {"cap": WEIGHT, "of": NAME | NONE}),
    "recipes.equal": ({}, {}),
    "recipes.inverse_volatility": ({}, {"column": NAME}),
    "recipes.long_short": (
        {}, {"fraction": above(0, 0.5 + 1e-12) | NONE, "long": EQUITY, "short": EQUITY,
             "ascending": FLAG, "quantiles": whole(2, 1_000_000) | NONE},
    ),
    "recipes.per_group": ({}, {"column": NAME}),
    "recipes.rank_weighted": ({}, {}),
    "recipes.score_proportional": ({}, {}),
}  # fmt: skip
_OTHERS = {
    "SimulationBroker": SimulationBroker, "make_scenario": make_scenario,
}  # fmt: skip


def subject(name: str) -> Any:
    """Return what a name of `PARAMETERS` stands for."""
    if "." in name:
        owner, of = name.split(".")
        return getattr({"Rule": Rule, "recipes": recipes}[owner], of)
    for place in (package, risk, strategies):
        if name in place.__all__:
            return getattr(place, name)
    return _OTHERS[name]
