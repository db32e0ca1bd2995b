"""The scenarios on zipline-reloaded (see _shared for the call and the file).

A TradingAlgorithm over an in-memory bar reader: no bundle is ingested, no price is rounded. The
bars are relabelled as consecutive sessions of a calendar. Orders are whole shares, placed in
``handle_data`` at the close of a bar and filled at the next open, worse by the slippage; a
SlippageModel does that, since zipline's own ones fill at the close.

zipline's stop orders trigger on closes and it has no trailing stop, so the algorithm watches
the bars itself: once a bar's low or high has touched a level (based on the close of the bar of
the decision), it orders the exit, and that bar's signals are ignored. It watches from the bar
at whose open the entry filled. The trailing stop's mark starts at the close of the decision's
bar and takes in the high (for a short position the low) of each bar before the check.
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from _shared import Fill, Result, paths, run_all, wish
from zipline.algorithm import TradingAlgorithm
from zipline.assets import AssetDBWriter, AssetFinder, Equity
from zipline.data.data_portal import DataPortal
from zipline.data.in_memory_daily_bars import InMemoryDailyBarReader
from zipline.finance.commission import CommissionModel, NoCommission, PerDollar, PerShare, PerTrade
from zipline.finance.order import Order
from zipline.finance.slippage import SlippageModel
from zipline.finance.trading import SimulationParameters
from zipline.protocol import BarData
from zipline.utils.calendar_utils import TradingCalendar, get_calendar

PRICES = ("open", "high", "low", "close")


class ArrayReader(InMemoryDailyBarReader):
    """Daily bars looked up in arrays by session and sid."""

    def __init__(self, frames: dict[str, pd.DataFrame], calendar: TradingCalendar) -> None:
        sids = frames["close"].columns
        super().__init__(frames, calendar, pd.Series("USD", index=sids))
        self._row = {session: i for i, session in enumerate(self._sessions)}

    @property
    def last_available_dt(self) -> pd.Timestamp:
        return self._sessions[-1]

    def get_value(self, sid: int, dt: pd.Timestamp, field: str) -> float:
        return self._values[field][self._row[dt], sid]

    def get_last_traded_dt(self, asset: Equity, dt: pd.Timestamp) -> pd.Timestamp:
        return dt


class SlippedOpen(SlippageModel):
    """Fill the whole order at this bar's open, worse by a fraction of it."""

    def __init__(self, slippage: float) -> None:
        super().__init__()
        self.slippage = slippage

    def process_order(self, data: BarData, order: Order) -> tuple[float, int]:
        slip = self.slippage if order.amount > 0 else -self.slippage
        return data.current(order.asset, "open") * (1.0 + slip), order.amount


def commission_model(commission: dict[str, Any] | None) -> CommissionModel:
    """Return the commission model of a scenario."""
    if commission is None:
        return NoCommission()
    models = {"percent": PerDollar, "fixed": PerTrade, "per_share": PerShare}
    return models[commission["kind"]](commission["value"])


@cache
def asset_finder(n_bars: int, n_assets: int) -> tuple[AssetFinder, pd.DatetimeIndex]:
    """Return equities 0, 1, ... and the sessions on which they trade."""
    sessions = get_calendar("XNYS").sessions[1 : 1 + n_bars]
    equities = pd.DataFrame({"symbol": [f"A{sid}" for sid in range(n_assets)], "exchange": "X"})
    equities["asset_name"] = equities["symbol"]
    equities["start_date"], equities["end_date"] = sessions[0], sessions[-1]
    exchanges = pd.DataFrame({"exchange": ["X"], "canonical_name": ["X"], "country_code": ["US"]})
    engine = sa.create_engine("sqlite://")
    AssetDBWriter(engine).write(equities=equities, exchanges=exchanges)
    return AssetFinder(engine), sessions


class Recorded(TradingAlgorithm):
    """An algorithm over bars given as arrays (bars, assets)."""

    def __init__(self, bars: paths.Arrays, scenario: paths.Scenario) -> None:
        n_bars, n_assets = bars["close"].shape
        finder, sessions = asset_finder(n_bars, n_assets)
        calendar = get_calendar("XNYS")
        frames = {name: pd.DataFrame(bars[name], index=sessions) for name in PRICES}
        frames["volume"] = pd.DataFrame(np.full((n_bars, n_assets), 1e9), index=sessions)
        reader = ArrayReader(frames, calendar)
        super().__init__(
            sim_params=SimulationParameters(sessions[0], sessions[-1], calendar, scenario["cash"]),
            data_portal=DataPortal(finder, calendar, sessions[0], equity_daily_reader=reader),
            benchmark_returns=pd.Series(np.zeros(n_bars), index=sessions),
        )
        self.scenario = scenario
        self.bar = -1
        self.equities = finder.retrieve_all(range(n_assets))

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        self.set_slippage(us_equities=SlippedOpen(self.scenario["slippage"]))
        self.set_commission(us_equities=commission_model(self.scenario["commission"]))

    def handle_data(self, data: BarData) -> None:
        self.bar += 1
        self.decide(data)

    def decide(self, data: BarData) -> None:
        """Place the orders of this bar."""
        raise NotImplementedError

    def results(self) -> Result:
        """Run, return the fills and the value at the end."""
        perf = self.run()
        fills: list[Fill] = []
        for bar, transactions in enumerate(perf["transactions"]):
            for deal in transactions:
                fee = self.blotter.orders[deal["order_id"]].commission
                fills.append([bar, deal["sid"].sid, deal["amount"], deal["price"], fee])
        return fills, perf["portfolio_value"].iloc[-1]


class Signals(Recorded):
    """One asset, entries and exits by signal, stop, target and trailing stop."""

    def __init__(self, path: paths.Arrays, scenario: paths.Scenario, wanted: paths.Arrays) -> None:
        super().__init__({name: path[name][:, None] for name in PRICES}, scenario)
        self.wanted = wanted
        self.base = self.mark = float("nan")

    def decide(self, data: BarData) -> None:
        (asset,) = self.equities
        position = self.portfolio.positions[asset].amount
        bar = {name: data.current(asset, name) for name in PRICES}
        if position and self.touched(position > 0, bar["high"], bar["low"]):
            self.order(asset, -position)
            return
        todo = wish(position, self.bar, self.wanted)
        if todo is None:
            return
        if position:
            self.order(asset, -position)
        if todo != "close":
            side = 1 if todo == "long" else -1
            self.base = self.mark = bar["close"]
            size = self.scenario["size"]
            if size["kind"] == "percent":
                self.order_percent(asset, side * size["value"])
            else:
                self.order(asset, side * size["value"])

    def touched(self, is_long: bool, high: float, low: float) -> bool:
        """Move the trailing stop's mark, then say whether the bar touched a level."""
        side = 1 if is_long else -1
        best, worst = (high, low) if is_long else (low, high)
        self.mark = max(self.mark, best) if is_long else min(self.mark, best)
        stop, target, trail = (self.scenario[rule] for rule in ("stop", "target", "trail"))
        levels_below = [self.base * (1 - side * stop)] if stop else []
        levels_below += [self.mark * (1 - side * trail)] if trail else []
        if any(side * (worst - level) <= 0 for level in levels_below):
            return True
        return bool(target) and side * (best - self.base * (1 + side * target)) >= 0


class Weights(Recorded):
    """Several assets that share the cash, target weights, sales before purchases."""

    def __init__(
        self, universe: paths.Arrays, scenario: paths.Scenario, weights: np.ndarray
    ) -> None:
        super().__init__(universe, scenario)
        self.weights = weights

    def decide(self, data: BarData) -> None:
        weights = self.weights[self.bar]
        if np.isnan(weights).all():
            return
        equity, positions = self.portfolio.portfolio_value, self.portfolio.positions
        grows = [
            weight * equity > positions[asset].amount * data.current(asset, "price")
            for weight, asset in zip(weights, self.equities, strict=True)
        ]
        for sid in sorted(range(len(grows)), key=lambda sid: (grows[sid], sid)):
            self.order_target_percent(self.equities[sid], weights[sid])


def run_signals(
    path: paths.Arrays,
    scenario: paths.Scenario,
    wanted: paths.Arrays,
    exits: str,
) -> Result:
    return Signals(path, scenario, wanted).results()


def run_universe(universe: paths.Arrays, scenario: paths.Scenario, weights: np.ndarray) -> Result:
    return Weights(universe, scenario, weights).results()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    run_all("zipline-reloaded", version("zipline-reloaded"), run_signals, run_universe, ["watched"])
