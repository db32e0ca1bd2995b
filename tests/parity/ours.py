"""The scenarios on this package, one preset per compared package.

``run(package, name, seed)`` -> ``{"trades", "fills", "final_value"}`` as the runners of ``peers``
write them, from the result tables of a plain `BacktestEngine` run with
``BacktestConfig.preset(package)``. Only what a scenario names is set besides: commission,
slippage, the rules of stop, target and trail.

The strategies say when to trade, and how much where the scenario sizes by equity, as the
strategies of the runners do. When, where and whether that fills is the preset's.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import paths
from peers._shared import wish

from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    BasisPointCommission,
    BasisPointSlippage,
    Catalog,
    PerOrderCommission,
    PerShareCommission,
    Strategy,
)
from ml4t.backtest.core.batch import Batch, Selection
from ml4t.backtest.execution.costs.contract import Commission
from ml4t.backtest.risk import RiskManager, RiskRule, StopLoss, TakeProfit, TrailingStop
from ml4t.backtest.strategy.broker import StrategyBroker

FIRST_DAY = date(2020, 1, 1)
ASSET = "A0"
PRICES = ("open", "high", "low", "close")
Run = dict[str, Any]


# -- what is run --------------------------------------------------------------------------


def run(package: str, name: str, seed: int) -> Run:
    """Run one scenario on one seed."""
    if name in paths.UNIVERSE_SCENARIOS:
        scenario = paths.UNIVERSE_SCENARIOS[name]
        weights = paths.target_weights(paths.make_universe(seed), scenario)
        result = engine(package, universe_catalog(seed), Weights(weights), scenario, []).run()
        return {"fills": fills_of(result), "final_value": final_value_of(result)}
    scenario = paths.SCENARIOS[name]
    wanted = paths.signals(paths.make_path(seed), scenario)
    strategy = STRATEGIES[package](wanted, scenario)
    result = engine(package, path_catalog(seed), strategy, scenario, rules_of(scenario)).run()
    return {
        "trades": trades_of(result),
        "fills": fills_of(result),
        "final_value": final_value_of(result),
    }


def engine(
    package: str,
    catalog: Catalog,
    strategy: Strategy,
    scenario: paths.Scenario,
    rules: list[RiskRule],
) -> BacktestEngine:
    config = BacktestConfig.preset(
        package,
        commission=commission_of(scenario),
        slippage=BasisPointSlippage(scenario["slippage"] * 10_000),
    )
    return BacktestEngine(
        catalog,
        strategy,
        initial_capital=scenario["cash"],
        risk_manager=RiskManager(rules),
        config=config,
    )


def commission_of(scenario: paths.Scenario) -> Commission:
    commission = scenario["commission"]
    if commission is None:
        return BasisPointCommission(0)
    kind, value = commission["kind"], commission["value"]
    if kind == "percent":
        return BasisPointCommission(value * 10_000)
    return PerOrderCommission(value) if kind == "fixed" else PerShareCommission(value)


def rules_of(scenario: paths.Scenario) -> list[RiskRule]:
    rules: list[RiskRule] = []
    if scenario["stop"] is not None:
        rules.append(StopLoss(scenario["stop"]))
    if scenario["target"] is not None:
        rules.append(TakeProfit(scenario["target"]))
    if scenario["trail"] is not None:
        rules.append(TrailingStop(fraction=scenario["trail"]))
    return rules


@lru_cache(maxsize=4)
def path_catalog(seed: int) -> Catalog:
    path = paths.make_path(seed)
    return catalog_of({name: path[name][:, np.newaxis] for name in PRICES})


@lru_cache(maxsize=4)
def universe_catalog(seed: int) -> Catalog:
    return catalog_of(paths.make_universe(seed))


def catalog_of(bars: paths.Arrays) -> Catalog:
    """Register bars (bars, assets) as prices: bar 0 is FIRST_DAY, asset 0 is A0."""
    n_bars, n_assets = bars["close"].shape
    columns: dict[str, list[object]] = {name: bars[name].ravel().tolist() for name in PRICES}
    days = [FIRST_DAY + timedelta(days=bar) for bar in range(n_bars)]
    columns["timestamp"] = [day for day in days for _ in range(n_assets)]
    columns["asset_id"] = [f"A{asset}" for _ in days for asset in range(n_assets)]
    return Catalog(threads=1).register("prices", columns)


# -- what is read back --------------------------------------------------------------------


def fills_of(result: BacktestResult) -> list[list[float]]:
    rows = result.sql(
        """
        select timestamp::date - date '2020-01-01', substr(asset_id, 2)::integer,
            quantity, price, commission
        from fills order by fill_id
        """
    )
    return [list(row) for row in rows.fetchall()]


def trades_of(result: BacktestResult) -> list[list[float | None]]:
    rows = result.sql(
        """
        select entry_timestamp::date - date '2020-01-01',
            coalesce(exit_timestamp::date - date '2020-01-01', -1),
            entry_price, exit_price, quantity
        from trades order by trade_id
        """
    )
    return [list(row) for row in rows.fetchall()]


def final_value_of(result: BacktestResult) -> float:
    last = "select equity from equity order by timestamp desc limit 1"
    return float(result.sql(last).fetchall()[0][0])


# -- strategies ---------------------------------------------------------------------------


class Signals(Strategy):
    """One asset, entries and exits by signal.

    Parameters
    ----------
    wanted : dict of bool array
        Signals by bar.
    scenario : dict
        Its ``size`` says how much.
    """

    def __init__(self, wanted: paths.Arrays, scenario: paths.Scenario) -> None:
        self._wanted, self._scenario = wanted, scenario

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        position = broker.position(ASSET)
        todo = self.wish(position, batch.t)
        if todo is None:
            return
        side = {"long": 1, "short": -1, "close": 0}[todo]
        size = self._scenario["size"]
        quantity = size["value"]
        if size["kind"] == "percent" and side:
            quantity = self.percent(broker, side, float(batch.close[0]))
        self.send(broker, position, side * quantity)

    def wish(self, position: float, bar: int) -> str | None:
        """Say what to do at the close of a bar: "long", "short", "close" or None."""
        return wish(position, bar, self._wanted)

    def percent(self, broker: StrategyBroker, side: int, close: float) -> float:
        """Return the shares, unsigned, that a fraction of the account is worth."""
        raise NotImplementedError

    def send(self, broker: StrategyBroker, position: float, target: float) -> None:
        """Close what is held, then open: two orders."""
        for quantity in (-position, target):
            if quantity:
                broker.order(ASSET, quantity)


class VectorbtSignals(Signals):
    """`from_signals`: what contradicts itself is no signal, and a reversal is one order."""

    def wish(self, position: float, bar: int) -> str | None:
        wanted = {name: bool(values[bar]) for name, values in self._wanted.items()}
        for one, other in (
            ("entry", "exit"), ("short_entry", "short_exit"), ("entry", "short_entry"),
        ):  # fmt: skip
            if wanted[one] and wanted[other]:
                wanted[one] = wanted[other] = False
        if position > 0:
            return "short" if wanted["short_entry"] else "close" if wanted["exit"] else None
        if position < 0:
            return "long" if wanted["entry"] else "close" if wanted["short_exit"] else None
        return "long" if wanted["entry"] else "short" if wanted["short_entry"] else None

    def percent(self, broker: StrategyBroker, side: int, close: float) -> float:
        """Return what a share of the cash pays for, costs included."""
        rate, fixed = costs_of(self._scenario)
        price = close * (1 + side * self._scenario["slippage"])
        part, cash = self._scenario["size"]["value"], broker.cash
        budget = part * cash - fixed if side > 0 else part * (cash - fixed)
        return max(budget / (1 + rate) / price, 0.0)

    def send(self, broker: StrategyBroker, position: float, target: float) -> None:
        if target != position:
            broker.order(ASSET, target - position)


class BacktraderSignals(Signals):
    """A share of the equity in whole shares of the close."""

    def percent(self, broker: StrategyBroker, side: int, close: float) -> float:
        return float(broker.equity * self._scenario["size"]["value"] // close)


class ZiplineSignals(Signals):
    """A share of the equity in shares of the close; the preset makes them whole."""

    def percent(self, broker: StrategyBroker, side: int, close: float) -> float:
        return broker.equity * self._scenario["size"]["value"] / close


STRATEGIES = {
    "vectorbt": VectorbtSignals,
    "backtrader": BacktraderSignals,
    "zipline": ZiplineSignals,
}


def costs_of(scenario: paths.Scenario) -> tuple[float, float]:
    """Return the fraction of the value and the money per fill that a scenario charges."""
    commission = scenario["commission"]
    if commission is None:
        return 0.0, 0.0
    value = commission["value"]
    return (value, 0.0) if commission["kind"] == "percent" else (0.0, value)


class Weights(Strategy):
    """Target weights of several assets that share the cash."""

    def __init__(self, weights: np.ndarray) -> None:
        self._weights = weights

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        weights = self._weights[batch.t]
        sids = np.flatnonzero(weights > 0)
        if len(sids):
            scores = np.ones(len(sids))
            broker.order_targets(Selection(sids=sids, scores=scores, weights=weights[sids]))
