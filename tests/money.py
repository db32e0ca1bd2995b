"""The engine and the reference on one case: the same run twice, and where its rows differ.

A case is a universe and the options of `reference.run`. `engine_run` says them in the engine's
words: sources, configuration, rules, limits, and a strategy that carries out the script. Some
options are the engine's alone: `costs`, its cost models, `delisting_return`, of all delistings, and
what no case of the reference has: `own_rules`, its `levels` and more settings of its `execution`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

import reference as r
from ml4t.backtest import (
    ActionPolicy,
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    BasisPointCommission,
    BasisPointSlippage,
    CashAccount,
    Catalog,
    Currencies,
    CurrencyRates,
    ExecutionPolicy,
    Fee,
    Financing,
    FixedSlippage,
    MarginAccount,
    MarketRules,
    NextClose,
    NextOpen,
    Order,
    PerOrderCommission,
    PerShareCommission,
    Strategy,
    ThisClose,
    TieredCommission,
    VolumeShareSlippage,
    VolumeWeighted,
    risk,
)
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.core.levels import LevelPolicy
from ml4t.backtest.execution import Quote
from ml4t.backtest.execution.orders.order import amend
from ml4t.backtest.strategy.broker import StrategyBroker
from split_files import split_files
from test_reference_invariants import is_high, random_case
from universes import Universe
from zoned import in_a_zone

CAPITAL = 1_000_000.0
TIMINGS = {
    "next_open": NextOpen(), "next_close": NextClose(), "this_close": ThisClose(),
    "vwap": VolumeWeighted(),
}  # fmt: skip
# Shares that are cut to the last of the cash carry the rounding of the whole account: of a share at
# 5 that is 1e-7. The money of a lot carries it times a price, and a run adds it up. The rounding is
# a part of the capital; the number of shares is held to its own by fills, positions and orders.
SHARES, LOTS, SUMS = 1e-13, 1e-11, 1e-9
ROUNDING = {
    "fills": SHARES, "positions": SHARES, "orders": SHARES, "trades": LOTS, "open lots": LOTS,
    "equity": SUMS, "cash flows": SUMS,
}  # fmt: skip
OURS_ALONE = {"files", "costs", "delisting_return", "own_rules", "levels", "execution"}
Case = tuple[Universe, dict[str, Any]]
Row = tuple[Any, ...]


# -- cases ---------------------------------------------------------------------------------


def money_case(seed: int) -> Case:
    """Return a mixed case, of which one in four has bars with a time zone."""
    is_zoned = random.Random(f"zones {seed}").random() < 0.25
    return zoned_case(seed) if is_zoned else plain_case(seed)


def zoned_case(seed: int) -> Case:
    return in_a_zone(*plain_case(seed), seed)


def plain_case(seed: int) -> Case:
    """Return a case with anything in it that engine and reference both have.

    Left out: trailing stops as bracket children, which strategies cannot order.
    """
    universe, options = random_case(seed)
    pick = random.Random(f"money {seed}")
    bars = [bar for row in universe.bars.values() for bar in row.values()]
    has_volume = any(bar.volume is not None for bar in bars)
    options["script"] = {
        t: [
            replace(each, stop_loss_trail_fraction=None) if isinstance(each, r.Order) else each
            for each in row
        ]
        for t, row in options["script"].items()
    }
    if not has_volume:
        options["participation"] = None
    if options["timing"] == "vwap" and all(bar.vwap is None for bar in bars):
        options["timing"] = "next_close"
    change = options["delisting_return"] = pick.choice([0.0, -0.3])
    options["actions"] = [
        replace(one, delisting_return=change if one.kind == "delisting" else None)
        for one in options["actions"]
    ]
    files = random.Random(f"files {seed}")
    options["files"] = files.random() if files.random() < 0.25 else None
    options["impact"], options["costs"] = None, {}
    if pick.random() < 0.5:
        draw_costs(pick, options, has_volume=has_volume)
    if options["margin"] is not None and pick.random() < 0.5:  # calls come early
        initial = options["margin"].initial
        options["margin"] = replace(options["margin"], maintenance=0.98 * initial)
        options["terms"] = {
            asset: replace(one, initial=None, maintenance=None)
            for asset, one in options["terms"].items()
        }
    draw_sides(random.Random(f"sides {seed}"), options)
    if pick.random() < 0.4:  # small changes are not made
        smallest, band = pick.choice([0.0, 5_000.0, 50_000.0]), pick.choice([0.0, 0.02, 0.1])
        options["script"] = {
            t: [
                replace(each, min_trade=smallest, band=band)
                if isinstance(each, r.Targets)
                else each
                for each in row
            ]
            for t, row in options["script"].items()
        }
    if pick.random() < 0.4:
        draw_fractions(pick, universe, options)
    if options["margin"] is not None and pick.random() < 0.5:
        draw_crowd(pick, universe, options)
    pairs = random.Random(f"pairs {seed}")
    if pairs.random() < 0.3:
        draw_pairs(pairs, universe, options)
    if pick.random() < 0.2:  # lots that most orders do not fill
        big = pick.sample(universe.assets, k=2)  # and so are what they are renamed to
        options["terms"] = {
            asset: replace(one, lot=2_000) if asset.removesuffix("N") in big else one
            for asset, one in options["terms"].items()
        }
    rules = random.Random(f"market {seed}")
    if rules.random() < 0.3:
        draw_holding(rules, options)
    return universe, options


def holding_case(seed: int) -> Case:
    """Return a mixed case in which some assets cannot be sold in the session of their purchase."""
    universe, options = money_case(seed)
    draw_holding(random.Random(f"holding {seed}"), options)
    return universe, options


def futures_case(seed: int) -> Case:
    """Return a mixed case of which some assets are futures: no action happens to them."""
    universe, options = plain_case(seed)
    pick = random.Random(f"futures {seed}")
    futures = {name for name in universe.assets if pick.random() < 0.6 and not name.endswith("N")}
    lasts = {a: time.date() for time, row in sorted(universe.bars.items()) for a in row}

    def is_future(asset: str | None) -> bool:
        return asset is not None and asset.removesuffix("N") in futures

    options["actions"] = [
        one
        for one in options["actions"]
        if not is_future(one.asset) and not is_future(one.new_asset)
    ]
    kept = ~pl.col("asset_id").str.strip_suffix("N").is_in(sorted(futures))
    actions = universe.actions_frame.filter(kept)
    options["terms"] = dict(options["terms"])
    for asset in filter(is_future, universe.assets):
        close = next(row[asset].close for _, row in sorted(universe.bars.items()) if asset in row)
        terms, multiplier = (
            options["terms"].get(asset, r.Terms()),
            pick.choice([1.0] if options["borrow"] else [1.0, 10.0, 50.0]),
        )
        initial = pick.choice([None, 0.1, 0.4, 1.2])
        money = None if initial is None else initial * multiplier * close
        draw = pick.random()
        has_expiry, is_perpetual = draw < 0.6, draw > 0.75
        options["terms"][asset] = replace(
            terms, multiplier=multiplier, is_future=True, is_perpetual=is_perpetual,
            contract_initial=money,
            contract_maintenance=None if money is None or pick.random() < 0.3 else 0.9 * money,
            expiry=lasts[asset] if has_expiry else None,
            final_settlement=pick.choice([None, 0.99 * close]) if has_expiry else None,
        )  # fmt: skip
    times = sorted(universe.bars)
    options["funding"] = [
        (pick.choice([time, time - (time - before) / 3]), asset, pick.uniform(-0.02, 0.03))
        for before, time in pairwise(times) if pick.random() < 0.4
        for asset, one in options["terms"].items() if one.is_perpetual
    ]  # fmt: skip
    return replace(universe, actions_frame=actions), options


def currency_case(seed: int) -> Case:
    """Return a mixed case, at times with futures, of which some assets are in other currencies."""
    pick = random.Random(f"currency {seed}")
    universe, options = futures_case(seed) if pick.random() < 0.4 else money_case(seed)
    draw_currencies(pick, universe, options)
    return universe, options


def draw_currencies(pick: random.Random, universe: Universe, options: dict[str, Any]) -> None:
    """Give assets currencies, whose rates move at most bars and are told one way or the other."""
    names = {"USD": 1.0, "EUR": 1.1, "JPY": 0.007}
    of_first = {a.removesuffix("N"): pick.choice([*names]) for a in sorted(universe.assets)}
    currency = {asset: of_first[asset.removesuffix("N")] for asset in universe.assets}
    rows, times = [], sorted(universe.bars)
    for name in [*names][1:]:
        rate, is_inverse = names[name], pick.random() < 0.5
        for i, time in enumerate(times):
            rate *= 1 + pick.uniform(-0.02, 0.02)
            if i == 0 or pick.random() < 0.8:
                base, quote = ("USD", name) if is_inverse else (name, "USD")
                rows.append((time, base, quote, 1 / rate if is_inverse else rate))
    modes = ["converted", "held", *(["borrowed"] if options["margin"] is not None else [])]
    cash = pick.choice(modes)
    has_interest = cash != "converted" and pick.random() < 0.7
    options["terms"] = {a: options["terms"].get(a, r.Terms()) for a in universe.assets}
    options["fx"] = r.Fx(
        account="USD", currency=currency, rows=rows, cash=cash,
        cost=0.0 if cash == "borrowed" else pick.choice([0.0, 0.0005]),
        interest={
            name: (0.02, 0.06, pick.choice([360, 365]))
            for name in sorted({*currency.values()} - {"USD"})
        } if has_interest else {},
    )  # fmt: skip


def rates_case(seed: int) -> Case:
    """Return a mixed case whose price limits are rates of the previous close, on ticks."""
    universe, options = plain_case(seed)
    pick = random.Random(f"rates {seed}")
    before: dict[str, float] = {}
    rate: Any
    rates: dict[tuple[datetime, str], tuple[float | None, float | None]] = {}
    bars: dict[datetime, dict[str, r.Bar]] = {}
    for time, row in sorted(universe.bars.items()):
        bars[time] = {}
        for asset, bar in row.items():
            last, rate = before.get(asset), pick.choice([None, 0.02, 0.1, "near", "near"])
            moved = 1.0 if last is None else abs(bar.close / last - 1)
            if rate == "near":  # what the bar went through on its way
                rate = round(moved + 0.001, 3)
            if moved > 0.9 or (rate and moved > rate):
                rate = None  # the first bar, or a split: the exchange counts from another close
            tick = Fraction(str(options["terms"][asset].tick))
            up, down = (limit_price(last, rate, tick, side) for side in (1, -1))
            bars[time][asset] = bar._replace(limit_up=up, limit_down=down)
            rates[time, asset], before[asset] = (last, rate), bar.close
    rows = universe.prices.drop("limit_up", "limit_down", strict=False)
    both = [rates[key] for key in rows.select("timestamp", "asset_id").iter_rows()]
    prices = rows.with_columns(
        pl.Series("prev_close", [one[0] for one in both], dtype=pl.Float64),
        pl.Series("limit_rate", [one[1] for one in both], dtype=pl.Float64),
    )
    return replace(universe, bars=bars, prices=prices), options


def limit_price(
    before: float | None, rate: float | None, tick: Fraction, side: int
) -> float | None:
    """Return a price limit in exact fractions: half up on ticks, one at least, None: no limit."""
    if before is None or rate is None:
        return None
    exact = Fraction(str(before)) * (1 + side * Fraction(str(rate)))
    if not tick:
        return float(exact)
    on_tick = (exact / tick + Fraction(1, 2)).__floor__() * tick
    nearest = Fraction(str(before)) + side * tick
    return float(max(tick, max(on_tick, nearest) if side > 0 else min(on_tick, nearest)))


def draw_holding(pick: random.Random, options: dict[str, Any]) -> None:
    """Hold back what was bought: by the market's rule, or by another of some assets."""
    options["min_holding"] = pick.choice([0, 1, 1, 3])
    options["terms"] = {
        asset: replace(
            one,
            min_holding=pick.choice([None, None, 0, 1, 2]),
            max_order=pick.choice([None, None, None, 100.0, 500.0]),
        )
        for asset, one in options["terms"].items()
    }


def touched_case(seed: int) -> Case:
    """Return a mixed case in which many limits and stops wait for their touch, or for a close."""
    universe, options = money_case(seed)
    pick = random.Random(f"touched {seed}")
    script = {t: [touched(pick, each) for each in row] for t, row in options["script"].items()}
    return universe, {**options, "script": script}


def touched(pick: random.Random, each: r.Instruction) -> r.Instruction:
    if not isinstance(each, r.Order) or (each.limit is None) == (each.stop is None):
        return each
    price, kind = each.limit or each.stop, pick.choice(["touch", "touch", "close", "close", "same"])
    if kind == "touch":
        return replace(each, touch=price, limit=None, stop=None)
    return replace(each, limit=price, stop=None, on_close=True) if kind == "close" else each


def draw_fractions(pick: random.Random, universe: Universe, options: dict[str, Any]) -> None:
    """Let several fractions of one decision ask for all of the account, or more."""
    times = sorted(universe.bars)
    for t in pick.sample(range(len(times) - 2), k=4):
        names = pick.sample(universe.assets, k=min(4, len(universe.assets)))
        row = [r.OrderTargetPercent(asset, pick.choice([0.25, 0.3, 0.5])) for asset in names]
        options["script"][t] = [*options["script"].get(t, ()), *row]


def draw_crowd(pick: random.Random, universe: Universe, options: dict[str, Any]) -> None:
    """Let orders rest in many assets, of which the account can carry a few: one bar fills them."""
    times = sorted(universe.bars)
    for t in pick.sample(range(len(times) - 2), k=3):
        bars = [(a, bar) for a, bar in universe.bars[times[t]].items() if "#" not in a]
        for asset, bar in pick.sample(bars, k=min(6, len(bars))):
            multiplier = options["terms"].get(asset, r.Terms()).multiplier
            side, kind = pick.choice([1, -1]), pick.choice(["limit", "stop"])
            away = 1 + pick.choice([0.005, 0.02, 0.05]) * (side if kind == "stop" else -side)
            size = CAPITAL * pick.uniform(0.1, 0.9) / options["margin"].initial
            quantity = side * size / (bar.close * multiplier)
            order = r.Order(
                asset=asset, quantity=quantity, tag="order crowd", **{kind: bar.close * away}
            )
            options["script"].setdefault(t, [])
            options["script"][t] = [*options["script"][t], order]


def draw_pairs(pick: random.Random, universe: Universe, options: dict[str, Any]) -> None:
    """Let orders in two assets cancel each other within one bar, many of them immediate ones."""
    times = sorted(universe.bars)
    for t in pick.sample(range(len(times) - 2), k=6):
        bars = [(a, bar) for a, bar in universe.bars[times[t]].items() if "#" not in a]
        row = options["script"][t] = list(options["script"].get(t, ()))
        for asset, bar in pick.sample(bars, k=min(2, len(bars))):
            multiplier = options["terms"].get(asset, r.Terms()).multiplier
            side = 1 if options["margin"] is None else pick.choice([1, -1])
            kind, is_on_close = pick.choice(["limit", "stop"]), pick.random() < 0.1
            price = bar.close * (1 + pick.choice([-0.02, -0.005, 0.005, 0.02]))
            order = r.Order(
                asset=asset,
                quantity=side * CAPITAL * pick.uniform(0.02, 0.2) / (bar.close * multiplier),
                tif=pick.choice(["ioc", "ioc", "day", None]), group=f"pair {t}", tag="order pair",
                on_close=is_on_close, **({} if is_on_close else {kind: price}),
            )  # fmt: skip
            row.append(order)


def draw_sides(pick: random.Random, options: dict[str, Any]) -> None:
    """Draw margins of shorts that are not those of longs, and how time is counted."""
    options["days_per_year"] = pick.choice([365, 360])
    options["counts_hours"] = pick.random() < 0.5
    margin = options["margin"]
    if margin is None or pick.random() < 0.5:
        return
    more = pick.choice([0.0, 0.1])
    options["margin"] = replace(
        margin,
        short_initial=pick.choice([None, margin.initial + more]),
        short_maintenance=pick.choice([None, margin.maintenance, 0.9 * margin.initial]),
    )
    options["terms"] = {
        asset: one
        if one.initial is None or pick.random() < 0.5
        else replace(one, short_initial=one.initial + more, short_maintenance=0.8 * one.initial)
        for asset, one in options["terms"].items()
    }


def draw_costs(pick: random.Random, options: dict[str, Any], *, has_volume: bool) -> None:
    commissions: list[tuple[Any, r.Cost | None]] = [
        (None, None),
        (PerShareCommission(0.01, minimum=1.0, cap=0.01), per_share),
        (LEVIED, levied),
        (TieredCommission(((0, 10), (50_000, 5), (200_000, 2))), tiered),
    ]
    slippages: list[tuple[Any, r.Cost | None]] = [
        (None, None),
        (FixedSlippage(0.005), lambda trade: 0.005 / trade.price),
    ]
    impacts: list[tuple[Any, r.Cost | None]] = [
        (None, None),
        (
            LinearImpact(has_volume),
            lambda trade: 0.01 * min(abs(trade.quantity) / volume_of(trade), 50.0),
        ),
    ]
    if options["participation"] is not None:
        impacts.append(
            (VolumeShareSlippage(0.1), lambda trade: 0.1 * (trade.quantity / volume_of(trade)) ** 2)
        )
    for name, models in (
        ("commission", commissions), ("slippage", slippages), ("impact", impacts)
    ):  # fmt: skip
        options["costs"][name], options[name] = pick.choice(models)


HALVED = date(2024, 1, 10)
LEVIED = (
    PerOrderCommission(5.0)
    + Fee((("2000-01-01", 0.001), (HALVED, 0.0005)), on="sell", column="tax", maximum=40.0)
    + Fee(0.02, per="share", column="fee", minimum=1.0)
    + Fee(0.18, per="charges", column="tax")
)


def levied(trade: r.Trade) -> r.Charged:
    rate = 0.001 if trade.date < HALVED else 0.0005
    stamp = min(rate * value_of(trade), 40.0) if trade.quantity < 0 else 0.0
    fee = max(0.02 * abs(trade.quantity), 1.0)
    return r.Charged(5.0, stamp + 0.18 * (5.0 + fee), fee)


def value_of(trade: r.Trade) -> float:
    return abs(trade.quantity) * trade.price * trade.multiplier


def volume_of(trade: r.Trade) -> float:
    return 1e6 if trade.volume is None else trade.volume


def per_share(trade: r.Trade) -> float:
    return min(max(0.01 * abs(trade.quantity), 1.0), 0.01 * value_of(trade))


def tiered(trade: r.Trade) -> float:
    value = value_of(trade)
    parts = (min(value, 50_000), max(0, min(value, 200_000) - 50_000), max(0, value - 200_000))
    return (10 * parts[0] + 5 * parts[1] + 2 * parts[2]) / 1e4


class LinearImpact:
    """A hundredth of the price for an order as large as the volume, or as a million shares.

    At most half of the price: an order may be larger than a hundred volumes.
    """

    def __init__(self, has_volume: bool) -> None:
        self.features = ("volume",) if has_volume else ()

    def fill_price(self, quote: Quote) -> np.ndarray:
        volume = quote.market["volume"] if self.features else 1e6
        return quote.price * (
            1 + quote.side * 0.01 * np.minimum(np.abs(quote.quantity) / volume, 50.0)
        )


def compared(case: Case) -> list[str]:
    """Run both, and return how they differ."""
    return differences(engine_run(*case), reference_run(*case))


def reference_run(universe: Universe, options: Mapping[str, Any]) -> r.ReferenceResult:
    known = {name: value for name, value in options.items() if name not in OURS_ALONE}
    zone = universe.timezone
    return r.run(universe.bars, universe.signals, universe.market, timezone=zone, **known)


# -- the strategy ----------------------------------------------------------------------------


class Scripted(Strategy):
    """Carries out instructions by bar, as `reference_decide` does."""

    def __init__(self, script: Mapping[int, Any]) -> None:
        self._script = script
        self._by_tag: dict[str, list[Order]] = {}
        self._groups: dict[str, list[Order]] = {}

    def __repr__(self) -> str:
        return "Scripted()"

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        self._carry_out(self._script.get(batch.t, ()), broker)

    def _carry_out(self, row: Sequence[Any], broker: StrategyBroker) -> None:
        for each in row:
            if isinstance(each, r.Order):
                self._send(each)
            elif isinstance(each, r.Cancel):
                for order in self._find(each.ref):
                    self.cancel(order)
            elif isinstance(each, r.Replace):
                for order in self._find(each.ref):
                    self._replace(order, each)
            elif isinstance(each, r.Targets):
                broker.order_target_weights(each.weights, min_trade=each.min_trade, band=each.band)
            elif isinstance(each, r.OrderTarget):
                self.order_target(each.asset, each.quantity, tag=each.tag or "order")
            else:
                self.order_target_percent(each.asset, each.fraction, tag=each.tag or "order")

    def _send(self, each: r.Order) -> None:
        send = self.buy if each.quantity > 0 else self.sell
        order = send(
            each.asset, abs(each.quantity), limit=each.limit, stop=each.stop, if_touched=each.touch,
            trail=each.trail_amount, trail_fraction=each.trail_fraction,
            take_profit=each.take_profit, stop_loss=each.stop_loss, on_close=each.on_close,
            tif=each.tif, good_till=each.good_till if each.tif == "gtd" else None,
            tag=each.tag or "order",
        )  # fmt: skip
        self._by_tag.setdefault(each.tag, []).append(order)
        if each.group is not None and order.is_open:
            group = [one for one in self._groups.get(each.group, []) if one.is_open]
            # A group that grows: what `one_cancels_other` does for orders of one moment.
            self._groups[each.group] = [*group, order]
            for one in self._groups[each.group]:
                amend(one, group=tuple(self._groups[each.group]))

    def _find(self, tag: str) -> list[Order]:
        """Return the newest working order of that tag, or none."""
        parent, _, child = tag.partition(".")
        orders = self._by_tag.get(parent, [])
        if child:
            orders = [one for order in orders for one in order.children if one.tag == child]
        return [order for order in orders if order.is_alive][-1:]

    def _replace(self, order: Order, change: r.Replace) -> None:
        """Change what the order has; a quantity of the other side cancels it."""
        if change.quantity is not None and change.quantity * order.side <= 0:
            self.cancel(order)
            return
        self.replace(
            order, quantity=change.quantity,
            limit=None if order.limit is None else change.limit,
            stop=None if order.stop is None else change.stop,
        )  # fmt: skip


# -- the engine's words ----------------------------------------------------------------------


def engine_run(
    universe: Universe,
    options: Mapping[str, Any],
    strategy: Strategy | None = None,
    *,
    evidence: Sequence[str] = ("high", "low"),
    catalog: Catalog | None = None,
    **period: datetime | None,
) -> BacktestResult:
    """Run the case, or a period of it; by default the strategy is the script in the options.

    Without a high and a low among the evidence excursions may be of closes alone.
    """
    manager = risk.RiskManager(
        [*map(rule_of, options.get("rules", ())), *options.get("own_rules", ())],
        [limit_of(limit) for limit in options.get("limits", ())],
    )
    with TemporaryDirectory() as folder:
        engine = BacktestEngine(
            catalog or catalog_of(universe, options, Path(folder)),
            strategy or Scripted(options["script"]),
            risk_manager=manager, initial_capital=options.get("initial_capital", CAPITAL),
            config=config_of(options), evidence=evidence,
        )  # fmt: skip
        return engine.run(**period)


def catalog_of(universe: Universe, options: Mapping[str, Any], folder: Path) -> Catalog:
    """Register the frames; at times as files of several types in a folder."""
    catalog = Catalog(threads=1, timezone=universe.timezone or "UTC")
    for role, source in sources_of(universe, options, folder).items():
        catalog.register(role, source, lag=universe.lags.get(role))
    return catalog


def sources_of(universe: Universe, options: Mapping[str, Any], folder: Path) -> dict[Any, Any]:
    """Return the sources of a case by role; files are written."""
    sources: dict[Any, Any] = {
        "prices": universe.prices, "features": universe.features, "context": universe.context,
    }  # fmt: skip
    if options.get("files") is not None:
        choose = random.Random(options["files"]).choice
        sources = {
            # Bars of dates would come back as dates.
            role: split_files(frame.to_arrow(), folder / role, choose, has_dates=role != "prices")
            for role, frame in sources.items()
        }
    fx = options.get("fx")
    if options.get("terms"):
        sources["assets"] = assets_of(options["terms"])
    if fx is not None:
        names = ("timestamp", "base", "quote", "rate")
        sources["fx"] = pl.DataFrame(fx.rows, schema=names, orient="row")
        said = [fx.currency.get(asset) for asset in sources["assets"]["asset_id"]]
        sources["assets"] = sources["assets"].with_columns(pl.Series("currency", said))
    if options.get("actions") and len(universe.actions_frame):
        sources["actions"] = universe.actions_frame.drop("delisting_return")
    if options.get("funding"):
        names = ("timestamp", "asset_id", "rate")
        sources["funding"] = pl.DataFrame(options["funding"], schema=names, orient="row")
    if options.get("borrow"):
        sources["borrow"] = universe.borrow_frame
    if options.get("members") is not None:
        frame = intervals_of(sorted(universe.bars), options["members"])
        sources["universe"] = frame if universe.timezone is None else universe.members_frame
    return sources


def assets_of(terms: Mapping[str, r.Terms]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "asset_id": asset, "multiplier": float(one.multiplier), "lot_size": float(one.lot),
                "tick_size": float(one.tick), "initial_margin": one.initial,
                "maintenance_margin": one.maintenance, "min_holding": one.min_holding,
                "max_order": one.max_order,
                "sector": one.group,
                "short_initial_margin": one.short_initial,
                "short_maintenance_margin": one.short_maintenance,
                "instrument": ("perpetual" if one.is_perpetual else "future")
                if one.is_future else None,
                "contract_initial_margin": one.contract_initial,
                "contract_maintenance_margin": one.contract_maintenance,
                "expiry": one.expiry, "final_settlement": one.final_settlement,
            }
            for asset, one in terms.items()
        ],
        schema={
            "asset_id": pl.String, "multiplier": pl.Float64, "lot_size": pl.Float64,
            "tick_size": pl.Float64, "initial_margin": pl.Float64,
            "maintenance_margin": pl.Float64, "min_holding": pl.Int32, "max_order": pl.Float64,
            "sector": pl.String,
            "short_initial_margin": pl.Float64, "short_maintenance_margin": pl.Float64,
            "instrument": pl.String, "contract_initial_margin": pl.Float64,
            "contract_maintenance_margin": pl.Float64, "expiry": pl.Date,
            "final_settlement": pl.Float64,
        },
    )  # fmt: skip


def intervals_of(times: list[datetime], members: set[tuple[datetime, str]]) -> pl.DataFrame:
    """Return memberships as intervals of consecutive bars, the end exclusive."""
    rows = []
    for asset in sorted({asset for _, asset in members}):
        start = None
        for time in times:
            is_in = (time, asset) in members
            if is_in and start is None:
                start = time
            elif not is_in and start is not None:
                rows.append({"asset_id": asset, "start_date": start, "end_date": time})
                start = None
        if start is not None:
            rows.append({"asset_id": asset, "start_date": start, "end_date": None})
    schema = {"asset_id": pl.String, "start_date": pl.Datetime, "end_date": pl.Datetime}
    return pl.DataFrame(rows, schema=schema)


def config_of(options: Mapping[str, Any]) -> BacktestConfig:
    costs = options.get("costs", {})
    commission = BasisPointCommission(options.get("commission_bps", 10.0))
    slippage = BasisPointSlippage(options.get("slippage_bps", 5.0))
    exits_members = options.get("membership_end") == "exit"
    return BacktestConfig(
        commission=costs.get("commission") or commission,
        slippage=costs.get("slippage") or slippage,
        impact=costs.get("impact"),
        financing=Financing(
            credit_rate=options.get("credit_rate", 0.0),
            debit_rate=options.get("debit_rate", 0.0),
            day_count=f"actual/{options.get('days_per_year', 365)}",
            accrual="elapsed" if options.get("counts_hours") else "overnight",
        ),
        account=account_of(options),
        execution=ExecutionPolicy(
            timing=TIMINGS[options.get("timing", "next_open")],
            participation=options.get("participation"),
            within_range=options.get("within_range", False),
            **options.get("execution", {}),
        ),
        market=MarketRules(min_holding=options.get("min_holding", 0)),
        currencies=currencies_of(options.get("fx")),
        levels=options.get("levels", LevelPolicy()),
        actions=ActionPolicy(
            reinvest_dividends=options.get("reinvest_dividends", False),
            dividends_move_levels=options.get("dividends_move_levels", True),
            delisting_return=options.get("delisting_return", 0.0),
            exit_on_membership_end=exits_members and options.get("members") is not None,
        ),
    )


def currencies_of(fx: r.Fx | None) -> Currencies:
    if fx is None:
        return Currencies()
    interest = [
        CurrencyRates(currency=name, credit_rate=credit, debit_rate=debit,
                      day_count=f"actual/{days}")
        for name, (credit, debit, days) in fx.interest.items()
    ]  # fmt: skip
    return Currencies(
        account=fx.account, cash=fx.cash, conversion_cost=fx.cost, interest=interest, max_age=60
    )


def account_of(options: Mapping[str, Any]) -> CashAccount | MarginAccount:
    shortfall: Any = "scale" if options.get("reserve_costs", True) else "reject"
    margin = options.get("margin")
    if margin is None:
        return CashAccount(
            shortfall=shortfall,
            overdraft=options.get("overdraft", 0.0),
            settlement=options.get("settlement", 0),
        )
    return MarginAccount(
        initial_margin=margin.initial, maintenance_margin=margin.maintenance, shortfall=shortfall,
        short_initial_margin=margin.short_initial,
        short_maintenance_margin=margin.short_maintenance,
    )  # fmt: skip


def rule_of(rule: r.Rule) -> risk.RiskRule:
    kind, priority = getattr(risk, type(rule).__name__), rule.priority
    if isinstance(rule, r.AnyOf | r.AllOf):
        return kind([rule_of(child) for child in rule.rules], priority=priority)
    if isinstance(rule, r.SignalExit):
        return risk.SignalExit(CONDITIONS[rule.condition], priority=priority)
    values = [value for name, value in vars(rule).items() if name != "priority"]
    return kind(*values, priority=priority)


def limit_of(limit: r.Limit) -> risk.Limit:
    return getattr(risk, type(limit).__name__)(**vars(limit))


CONDITIONS: dict[Callable[[r.Signals], bool], str] = {is_high: "score > 1.5"}


# -- where the rows differ -------------------------------------------------------------------


def differences(result: BacktestResult, expected: r.ReferenceResult) -> list[str]:
    """Return one text per table that differs, with the first rows that have no equal."""
    found = []
    for name, ours, theirs in tables(result, expected):
        scale = CAPITAL * ROUNDING.get(name, 1e-14)
        same = len(ours) == len(theirs) and all(
            agree(mine, other, scale) for mine, other in zip(ours, theirs, strict=True)
        )
        if same:
            continue
        lines = [f"    engine    {row}" for row in missing(ours, theirs, scale)]
        lines += [f"    reference {row}" for row in missing(theirs, ours, scale)]
        if lines:  # else the same rows, in another order
            found.append("\n".join([name, *lines]))
    return found


def agree(mine: Row, other: Row, scale: float) -> bool:
    """Say whether two rows are equal: numbers to 1e-9 of themselves, or of the scale."""
    return all(
        abs(a - b) <= 1e-9 * max(abs(a), abs(b)) + scale
        if isinstance(a, float) and isinstance(b, float)
        else a == b
        for a, b in zip(mine, other, strict=True)
    )


def missing(rows: list[Row], others: list[Row], scale: float) -> list[Row]:
    """Return the first three rows that have no equal among the others."""
    rest, found = list(others), []
    for row in rows:
        twin = next((i for i, other in enumerate(rest) if agree(row, other, scale)), None)
        if twin is None:
            found.append(row)
        else:
            del rest[twin]
    return found[:3]


def tables(
    result: BacktestResult, expected: r.ReferenceResult
) -> list[tuple[str, list[Row], list[Row]]]:
    """Return name, the engine's rows and the reference's rows of everything that is compared."""

    def ours(query: str) -> list[Row]:
        rows = result.sql(query).fetchall()
        return sorted((tuple(map(in_utc, row)) for row in rows), key=by_digits)

    def theirs(rows: Any) -> list[Row]:
        return sorted((tuple(row) for row in rows), key=by_digits)

    costs = "commission, slippage, impact, tax, fee, borrow, dividends"
    lots = f"asset_id, quantity, entry_timestamp, entry_price, {costs}"
    # Fractions: what is rounded of an account is no part of them.
    went = f"mae * {CAPITAL}, mfe * {CAPITAL}"
    return [
        (
            "selections",
            ours("select timestamp, asset_id, rank, score, weight from selections"),
            theirs(expected.selections),
        ),
        (
            "fills",
            ours("select fills.timestamp, fills.asset_id, fills.quantity, price, commission, "
                 "slippage, impact, tax, fee, split_part(tag, '#', 1) "
                 "from fills join orders using (order_id)"),
            theirs((*row[:7], row.tax, row.fee, row.reason) for row in expected.fills),
        ),
        (
            # Interest on what rounding has left in cash is none.
            "cash flows",
            ours("select timestamp, coalesce(asset_id, ''), kind, amount from cash_flows "
                 "where abs(amount) > 1e-6"),
            theirs((x.timestamp, x.asset or "", x.kind, x.amount)
                   for x in expected.cash_flows if abs(x.amount) > 1e-6),
        ),
        (
            "positions",
            ours("select timestamp, asset_id, quantity, price, is_stale from positions"),
            theirs(row[:5] for row in expected.positions),
        ),
        (
            "equity",
            ours("select timestamp, equity, cash from equity"),
            theirs(expected.equity),
        ),
        (
            "trades",
            ours(f"select exit_timestamp, {lots}, pnl, exit_price, bars_held, "
                 f"{went}, split_part(exit_rule, '#', 1) from trades "
                 "where exit_timestamp is not null"),
            theirs((x.exit_timestamp, x.asset, x.quantity, x.entry_timestamp, x.entry_price,
                    x.commission, x.slippage, x.impact, x.tax, x.fee, x.borrow, x.dividends, x.pnl,
                    x.exit_price, x.bars_held, x.mae * CAPITAL, x.mfe * CAPITAL, x.exit_rule)
                   for x in expected.trades),
        ),
        (
            "open lots",
            ours(f"select {lots}, pnl, {went} from trades where exit_timestamp is null"),
            theirs((x.asset, x.quantity, x.entry_timestamp, x.entry_price, x.commission,
                    x.slippage, x.impact, x.tax, x.fee, x.borrow, x.dividends, x.pnl,
                    x.mae * CAPITAL, x.mfe * CAPITAL) for x in expected.open_lots),
        ),
        ("orders", ours(ORDERS), theirs(map(order_row, expected.orders))),
        (
            "decisions",
            ours("select timestamp, coalesce(asset_id, ''), split_part(rule, '#', 1), "
                 "replace(action, 'deny', 'edit') from decisions "
                 "where action not in ('stop', 'target', 'exit')"),
            theirs((x.timestamp, x.asset or "", x.rule, x.action.replace("deny", "edit"))
                   for x in expected.decisions),
        ),
    ]  # fmt: skip


# Left out: children whose parent did not fill, and what was queued for a bar after the last; the
# reference makes no orders of them. Of a reason, what both say.
ORDERS = """
    select
        asset_id, split_part(tag, '#', 1), status, filled_quantity,
        case when status <> 'filled' then split_part(split_part(reason, ':', 1), '#', 1) else '' end
    from orders
    where reason not like 'its parent was %' and not (
        reason = 'end of data' and tag not like 'order%'
        and tag not in ('take_profit', 'stop_loss')
    )
"""


def order_row(row: Any) -> Row:
    reason = "" if row.status == "filled" else row.reason
    return row.asset, row.why, row.status, row.filled, reason


def in_utc(value: Any) -> Any:
    """Return a moment in UTC: two of one hour that clocks show twice are else equal in Python."""
    is_zoned = isinstance(value, datetime) and value.tzinfo is not None
    return value.astimezone(UTC) if is_zoned else value


def by_digits(row: Row) -> tuple[Any, ...]:
    """Sort rows by what their numbers have in common."""
    return tuple(round(x, 6) + 0.0 if isinstance(x, float) else x for x in row)
