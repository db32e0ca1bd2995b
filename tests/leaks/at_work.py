"""Fifteen ways in which a run knows the future, its features apart: data, clocks, fills, strategy.

Each is planted in a market where the same is done right, too: `honest=True` is that run.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from leaks.panel import KEYS, Floats, fitted, past_inputs, predicted, returns
from ml4t.backtest import (
    BacktestConfig,
    BacktestEngine,
    Catalog,
    ExecutionPolicy,
    Strategy,
    TopN,
)
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.core.context import Context
from ml4t.backtest.core.event import MarketEvent
from ml4t.backtest.data.feature_provider import CallableFeatureProvider
from ml4t.backtest.execution.timing import FillTiming, NextOpen, ThisClose
from ml4t.backtest.risk import RiskManager, StopLoss
from ml4t.backtest.strategy.broker import StrategyBroker
from ml4t.backtest.synthetic import make_market

N_ASSETS, N_BARS = 38, 504
# Assets that come in later, and as many others that leave.
N_MOVING = 8
# Sessions of the market within the day, of 39 bars of ten minutes.
N_SESSIONS, N_INTRADAY = 12, 39
OPENS = timedelta(hours=14, minutes=30)


class World(NamedTuple):
    """A market over two years, and one within the day.

    Attributes
    ----------
    prices, intraday : polars.DataFrame
    reports : polars.DataFrame
        Of quarters, with ``available_at`` and revisions.
    members : polars.DataFrame
        As of ``universe``.
    """

    prices: pl.DataFrame
    intraday: pl.DataFrame
    reports: pl.DataFrame
    members: pl.DataFrame


def make_world(folder: Path, n_bars: int = N_BARS) -> World:
    """Make both markets."""
    make_market(folder / "daily", n_assets=N_ASSETS, n_bars=n_bars, seed=21)
    step = n_bars // (N_MOVING + 3)
    bars = pl.read_parquet(folder / "daily" / "prices.parquet").sort(KEYS)
    times = bars["timestamp"].unique().sort()
    assets = bars["asset_id"].unique().sort().to_list()
    begins = dict.fromkeys(assets, times[0])
    ends = dict.fromkeys(assets, times[-1])
    for i in range(N_MOVING):
        begins[assets[-1 - i]] = times[step * (i + 1)]
        ends[assets[i]] = times[step * (i + 2) + 7]
    lives = pl.DataFrame({
        "asset_id": assets,
        "start_date": [begins[one] for one in assets],
        "last": [ends[one] for one in assets],
    })  # fmt: skip
    prices = bars.join(lives, on="asset_id").filter(
        pl.col("timestamp").is_between(pl.col("start_date"), pl.col("last"))
    )
    is_over = pl.col("last") < times[-1]
    members = lives.select(
        "asset_id", pl.col("start_date").cast(pl.Date),
        pl.when(is_over).then(pl.col("last")).cast(pl.Date).alias("end_date"),
    )  # fmt: skip
    return World(prices.select(bars.columns), _intraday(folder), _reports(assets), members)


def _intraday(folder: Path) -> pl.DataFrame:
    """Return bars of ten minutes, stamped with their end."""
    n_bars = N_SESSIONS * N_INTRADAY
    make_market(folder / "intraday", n_assets=30, n_bars=n_bars, seed=22)
    bars = pl.read_parquet(folder / "intraday" / "prices.parquet").sort(KEYS)
    first = datetime(2024, 1, 8)
    stamps = [
        first + timedelta(days=7 * (session // 5) + session % 5) + OPENS
        + timedelta(minutes=10 * (i + 1))
        for session in range(N_SESSIONS) for i in range(N_INTRADAY)
    ]  # fmt: skip
    order = bars["timestamp"].rank("dense").cast(pl.Int64) - 1
    return bars.with_columns(pl.Series("timestamp", stamps)[order].alias("timestamp")).sort(KEYS)


def _reports(assets: list[str]) -> pl.DataFrame:
    """Return earnings of quarters, published a month later and restated in one case of three."""
    draw = np.random.default_rng(23)
    rows = []
    for i, asset in enumerate(assets):
        for n in range(9):
            # Every third year ends a month later.
            month = 9 + 3 * n + (i % 3 == 1)
            quarter = date(2019 + month // 12, month % 12 + 1, 1) - timedelta(days=1)
            published = quarter + timedelta(days=int(draw.integers(25, 50)))
            earnings = float(draw.normal(2.0, 1.0))
            rows.append((quarter, asset, published, earnings))
            if draw.random() < 1 / 3:
                restated = published + timedelta(days=int(draw.integers(60, 120)))
                rows.append((quarter, asset, restated, earnings * draw.uniform(0.8, 1.2)))
    names = [*KEYS, "available_at", "earnings"]
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(
        pl.col("timestamp", "available_at").cast(pl.Datetime("us"))
    )


# -- fills --------------------------------------------------------------------------------------


class BestPrice(FillTiming):
    """Everything fills at the next bar's low, as if it were known at its open."""

    __slots__ = ()

    @property
    def column(self) -> str:
        """``open``."""
        return "open"

    @property
    def description(self) -> str:
        """One line for the summary."""
        return "orders fill at the low of the next bar"

    def at_open(self, batch: Any) -> Floats | None:
        """Return the lows."""
        return np.asarray(batch.low)


def fill_at_signal_close(world: World, *, honest: bool) -> BacktestEngine:
    """Orders fill at the close that decided them."""
    return _timed(world, NextOpen() if honest else ThisClose())


def fill_at_best_price(world: World, *, honest: bool) -> BacktestEngine:
    """Orders fill at the low of their bar."""
    return _timed(world, NextOpen() if honest else BestPrice())


def _timed(world: World, timing: FillTiming) -> BacktestEngine:
    config = BacktestConfig(execution=ExecutionPolicy(timing=timing))
    # A stop has the lows read; no price of the market reaches it.
    manager = RiskManager([StopLoss(0.9)])
    catalog = Catalog().register("prices", world.prices)
    return BacktestEngine(catalog, _ranked(), config=config, risk_manager=manager)


def volume_of_fill_bar(world: World, *, honest: bool) -> BacktestEngine:
    """Orders at the open are cut to a share of the volume of the bar that they open."""
    policy = ExecutionPolicy() if honest else ExecutionPolicy(participation=0.001)
    catalog = Catalog().register("prices", world.prices)
    config = BacktestConfig(execution=policy, initial_capital=50_000_000.0)
    return BacktestEngine(catalog, _ranked(), config=config)


# -- what was known -------------------------------------------------------------------------------


def announcements_ignored(world: World, *, honest: bool) -> BacktestEngine:
    """Earnings count from the end of their quarter on."""
    reports = world.reports
    if not honest:
        reports = reports.unique(KEYS, keep="first", maintain_order=True).drop("available_at")
    return _reported(world, reports)


def restated(world: World, *, honest: bool) -> BacktestEngine:
    """Earnings as restated later count from their first publication on."""
    reports = world.reports
    if not honest:
        last = pl.col("earnings").last().over(KEYS, order_by="available_at")
        reports = reports.with_columns(last).sort("available_at").unique(KEYS, keep="first")
    return _reported(world, reports.sort(KEYS))


def _reported(world: World, reports: pl.DataFrame) -> BacktestEngine:
    catalog = Catalog().register("prices", world.prices)
    catalog.register("features", reports, name="reports")
    return BacktestEngine(catalog, TopN(5, by="earnings", every=5))


def survivors(world: World, *, honest: bool) -> BacktestEngine:
    """The assets that are there at the end, and no others."""
    there = world.members.filter(pl.col("end_date").is_null())["asset_id"]
    prices = world.prices if honest else world.prices.filter(pl.col("asset_id").is_in(there))
    return BacktestEngine(Catalog().register("prices", prices), _ranked())


def members_of_today(world: World, *, honest: bool) -> BacktestEngine:
    """The members that the index has at the end, from their first day on."""
    members = world.members
    if not honest:
        members = members.filter(pl.col("end_date").is_null())
    catalog = Catalog().register("prices", world.prices).register("universe", members)
    return BacktestEngine(catalog, _ranked())


def adjusted_beside_splits(world: World, *, honest: bool) -> BacktestEngine:
    """Prices have their splits in them already, and they are carried out again."""
    times = world.prices["timestamp"].unique().sort()
    splits = {f"S00{20 + i}": times[150 + 30 * i] for i in range(5)}
    prices = world.prices
    for asset, day in splits.items() if honest else ():  # as they were traded: twice as high before
        is_before = (pl.col("asset_id") == asset) & (pl.col("timestamp") < day)
        factor = pl.when(is_before).then(2.0).otherwise(1.0)
        prices = prices.with_columns(pl.col("open", "high", "low", "close") * factor)
    actions = {
        "asset_id": list(splits), "ex_date": [day.date() for day in splits.values()],
        "kind": ["split"] * len(splits), "value": [2.0] * len(splits),
    }  # fmt: skip
    catalog = Catalog().register("prices", prices).register("actions", actions)
    return BacktestEngine(catalog, _ranked())


# -- clocks ---------------------------------------------------------------------------------------


def stamped_at_open(world: World, *, honest: bool) -> BacktestEngine:
    """Bars carry the time at which they begin."""
    earlier = timedelta(0) if honest else timedelta(minutes=10)
    prices = world.intraday.with_columns(pl.col("timestamp") - earlier)
    return BacktestEngine(Catalog().register("prices", prices), _ranked(every=13))


def hours_shifted(world: World, *, honest: bool) -> BacktestEngine:
    """A source is in the time of New York, and the bars in that of Greenwich."""
    draw = np.random.default_rng(24)
    earlier = timedelta(0) if honest else timedelta(hours=5)
    news = world.intraday.select(
        pl.col("timestamp") - earlier, "asset_id",
        news=pl.Series(draw.normal(size=len(world.intraday))),
    )  # fmt: skip
    catalog = Catalog().register("prices", world.intraday)
    return BacktestEngine(catalog.register("features", news), TopN(5, by="news", every=13))


def close_at_the_open(world: World, *, honest: bool) -> BacktestEngine:
    """The VIX of each day's close stands at its date, which is before its first bar."""
    days = world.intraday["timestamp"].dt.date().unique().sort()
    vix = pl.DataFrame({"timestamp": days, "vix": np.linspace(15.0, 25.0, len(days))})
    catalog = Catalog().register("prices", world.intraday)
    catalog.register("context", vix, **({"lag": "21 hours"} if honest else {}))
    return BacktestEngine(catalog, _ranked(every=13))


# -- what decides ---------------------------------------------------------------------------------


def lead_in_sql(world: World, *, honest: bool) -> BacktestEngine:
    """A source is a query that has the next close."""
    function = "lag" if honest else "lead"
    query = f"""
        select timestamp, asset_id,
            {function}(close) over (partition by asset_id order by timestamp) / close as planted
        from prices
    """
    catalog = Catalog().register("prices", world.prices).register("features", query)
    return BacktestEngine(catalog, TopN(5, by="planted", every=5))


class BuysOne(Strategy):
    """Holds the asset that it takes for the best at each bar."""

    def best(self, batch: Batch, broker: StrategyBroker) -> int:
        raise NotImplementedError

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        broker.order_target_weights({broker.assets[self.best(batch, broker)]: 0.9})


class LooksUp(BuysOne):
    """By a table of its own: how much each asset rises, one row a bar."""

    def __init__(self, table: pl.DataFrame) -> None:
        self._table = table

    def best(self, batch: Batch, broker: StrategyBroker) -> int:
        rises = np.array([self._table[asset][batch.t] for asset in broker.assets], dtype=float)
        return int(np.argmax(np.where(np.isfinite(batch.close) & (rises > 0), rises, -1.0)))


class ReachesPast(BuysOne):
    """By the row behind its own, in the array of which the closes are a part."""

    def __init__(self, *, honest: bool) -> None:
        self._is_honest = honest

    def best(self, batch: Batch, broker: StrategyBroker) -> int:
        own, whole = batch.close, batch.close.base
        ahead = own
        if whole is not None and not self._is_honest:
            rows = np.asarray(whole).reshape(-1, len(own))
            (place, *_) = np.flatnonzero([np.array_equal(own, row, equal_nan=True) for row in rows])
            ahead = rows[min(place + 1, len(rows) - 1)]
        return int(np.argmax(np.nan_to_num(ahead / own, nan=-1.0)))


class AsksProvider(Strategy):
    """Holds what its provider predicts to rise."""

    def on_market_event(self, event: MarketEvent, context: Context | None = None) -> None:
        weight = 0.02 if event.signals.get("predicted", 0.0) > 0.0 else 0.0
        self.order_target_percent(event.asset_id, weight)


def _closes(world: World) -> tuple[pl.DataFrame, Floats]:
    """Return times and assets of the closes, and the closes of bars x assets."""
    wide = world.prices.pivot("asset_id", index="timestamp", values="close").sort("timestamp")
    wide = wide.select("timestamp", *sorted(wide.columns[1:]))
    return wide, wide.drop("timestamp").to_numpy()


def global_of_everything(world: World, *, honest: bool) -> BacktestEngine:
    """A strategy keeps a table of all bars, and looks up what rises next."""
    wide, closes = _closes(world)
    rises = returns(closes, ahead=0 if honest else 1) + 1.0
    table = pl.DataFrame(rises, schema=wide.columns[1:])
    return BacktestEngine(Catalog().register("prices", world.prices), LooksUp(table))


def base_of_an_array(world: World, *, honest: bool) -> BacktestEngine:
    """A strategy reads later closes from the array that it was given a part of."""
    strategy = ReachesPast(honest=honest)
    return BacktestEngine(Catalog().register("prices", world.prices), strategy)


def trained_on_everything(world: World, *, honest: bool) -> BacktestEngine:
    """A provider's model was fitted to all bars before the run, or to the first half of them."""
    few = world.prices["asset_id"].unique().sort()[10:20]
    world = world._replace(prices=world.prices.filter(pl.col("asset_id").is_in(few.implode())))
    wide, closes = _closes(world)
    inputs, target = past_inputs(closes), returns(closes, ahead=1)
    n_known = len(closes) // 2 if honest else len(closes)
    weights = fitted(inputs[:, : n_known - 1], target[: n_known - 1])
    found = predicted(weights, inputs)
    if honest:
        found[:n_known] = np.nan
    rows = {time: row for row, time in enumerate(wide["timestamp"].to_list())}
    places = {asset: place for place, asset in enumerate(wide.columns[1:])}

    def asked(asset: str, time: datetime) -> dict[str, float]:
        return {"predicted": float(found[rows[time], places[asset]])}

    manager = RiskManager(feature_provider=CallableFeatureProvider(asked))
    catalog = Catalog().register("prices", world.prices)
    return BacktestEngine(catalog, AsksProvider(), risk_manager=manager)


def _ranked(every: int = 5) -> TopN:
    return TopN(5, by="close / open", every=every)


AtWork = Callable[..., BacktestEngine]
AT_WORK: dict[int, AtWork] = dict(
    enumerate(
        (
            fill_at_signal_close, fill_at_best_price, announcements_ignored, restated, survivors,
            members_of_today, adjusted_beside_splits, stamped_at_open, hours_shifted,
            close_at_the_open, volume_of_fill_bar, lead_in_sql, global_of_everything,
            base_of_an_array, trained_on_everything,
        ),
        start=16,
    )
)  # fmt: skip
