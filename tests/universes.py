"""Random universes for differential tests: bars with holes, features with gaps, and more at will.

The draws of the plain universe do not depend on what is added to it: options that are off change
nothing, options that are on draw from a generator of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

import reference

Bars = dict[datetime, dict[str, reference.Bar]]
SignalRows = dict[tuple[datetime, str], dict[str, float | None]]


@dataclass
class Universe:
    """The same rows twice: as the reference wants them, and as frames."""

    bars: Bars
    signals: SignalRows
    market: dict[datetime, dict[str, float | None]]
    prices: pl.DataFrame
    features: pl.DataFrame
    context: pl.DataFrame
    actions: list[reference.Action] = field(default_factory=list)
    borrow: dict[tuple[datetime, str], reference.Borrow] = field(default_factory=dict)
    sectors: dict[str, str | None] = field(default_factory=dict)
    actions_frame: pl.DataFrame = field(default_factory=pl.DataFrame)
    borrow_frame: pl.DataFrame = field(default_factory=pl.DataFrame)  # the changes only
    sectors_frame: pl.DataFrame = field(default_factory=pl.DataFrame)
    # Only of bars with a time zone, see `zoned`.
    timezone: str | None = None
    members_frame: pl.DataFrame = field(default_factory=pl.DataFrame)
    lags: dict[str, str] = field(default_factory=dict)  # by role

    @property
    def assets(self) -> list[str]:
        return sorted({asset for row in self.bars.values() for asset in row})


def make_universe(
    seed: int,
    *,
    n_assets: int = 6,
    n_bars: int = 40,
    volatility: float = 0.03,
    p_hole: float = 0.05,
    p_gap: float = 0.05,
    tied_scores: bool = False,
    bars_per_day: int = 1,
    volume: bool = False,
    p_zero_volume: float = 0.05,
    p_limit_flag: float = 0.0,
    limit_prices: bool = False,
    vwap: bool = False,
    p_no_vwap: float = 0.0,
    tick: float = 0.0,
    p_action: float = 0.0,
    p_stop: float = 0.0,
    borrow: bool = False,
    sectors: int = 0,
) -> Universe:
    """Draw a universe; `p_hole` bars and `p_gap` feature values are missing.

    p_limit_flag: the chance that a bar is locked; `limit_prices`: said by prices, not by flags.
    p_action: the chance of each kind of action for each asset (dividends: of each of three).
    p_stop: the chance that an asset has no more bars from some bar on, and no action says so.
    sectors: how many; some assets have none.
    """
    random = np.random.default_rng(seed)
    assets = [f"A{i:02d}" for i in range(n_assets)]
    times = [
        datetime(2024, 1, 1) + timedelta(days=i // bars_per_day, hours=2 * (i % bars_per_day))
        for i in range(n_bars)
    ]
    bars: Bars = {}
    signals: SignalRows = {}
    last = {asset: float(random.uniform(20, 200)) for asset in assets}
    for time in times:
        bars[time] = {}
        for asset in assets:
            opens = last[asset] * float(np.exp(random.normal(0, volatility / 2)))
            close = opens * float(np.exp(random.normal(0, volatility)))
            high = max(opens, close) * (1 + abs(float(random.normal(0, volatility / 2))))
            low = min(opens, close) * (1 - min(abs(float(random.normal(0, volatility / 2))), 0.9))
            last[asset] = close
            if random.random() >= p_hole:
                bars[time][asset] = reference.Bar(opens, high, low, close)
            score = float(random.integers(0, 4)) if tied_scores else float(random.normal())
            atr = close * volatility * float(random.uniform(0.5, 2.0))
            signals[time, asset] = {
                "score": None if random.random() < p_gap else score,
                "atr": None if random.random() < p_gap else atr,
            }
        if not bars[time]:
            bars[time][assets[0]] = reference.Bar(close, close, close, close)
    market: dict[datetime, dict[str, float | None]] = {
        time: {"vix": float(random.uniform(10, 35))} for time in times
    }

    extra = np.random.default_rng([seed, 1])
    actions = draw_actions(extra, bars, signals, p_action) if p_action else []
    if p_stop:
        stop_assets(np.random.default_rng([seed, 3]), bars, actions, p_stop)
    finish_bars(
        extra, bars, volume=volume, p_zero_volume=p_zero_volume, p_limit_flag=p_limit_flag,
        limit_prices=limit_prices, vwap=vwap, p_no_vwap=p_no_vwap, tick=tick,
    )  # fmt: skip
    actions = below_price(actions, bars)
    universe = Universe(bars, signals, market, *frames_of(bars, signals, market), actions)
    universe.actions_frame = pl.DataFrame(
        [
            {
                "asset_id": action.asset, "ex_date": action.ex_date, "kind": action.kind,
                "value": action.value, "pay_date": action.pay_date,
                "new_asset_id": action.new_asset, "delisting_return": action.delisting_return,
                "withholding": action.withholding,
            }
            for action in actions
        ],
        schema={
            "asset_id": pl.String, "ex_date": pl.Datetime, "kind": pl.String, "value": pl.Float64,
            "pay_date": pl.Datetime, "new_asset_id": pl.String, "delisting_return": pl.Float64,
            "withholding": pl.Float64,
        },
    )  # fmt: skip
    if borrow:
        draw_borrow(extra, universe)
    if sectors:
        names = [*(f"S{i}" for i in range(sectors)), None]
        universe.sectors = {a: names[int(extra.integers(len(names)))] for a in universe.assets}
        universe.sectors_frame = pl.DataFrame(
            [{"asset_id": a, "sector": name} for a, name in universe.sectors.items()],
            schema={"asset_id": pl.String, "sector": pl.String},
        )
    return universe


def frames_of(
    bars: Bars, signals: SignalRows, market: dict[datetime, dict[str, float | None]]
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return prices, features and context; columns of bars that are never used are left out."""
    rows = [(time, asset, bar) for time, row in bars.items() for asset, bar in row.items()]
    plain = reference.Bar(1, 1, 1, 1)
    used = [
        name
        for name in reference.Bar._fields
        if any(getattr(bar, name) != getattr(plain, name) for _, _, bar in rows)
        or name in ("open", "high", "low", "close")
    ]
    prices = pl.DataFrame(
        [
            {"timestamp": time, "asset_id": asset, **{name: getattr(bar, name) for name in used}}
            for time, asset, bar in rows
        ],
        infer_schema_length=None,
    )
    features = pl.DataFrame(
        [
            {"timestamp": time, "asset_id": asset, **values}
            for (time, asset), values in signals.items()
        ],
        schema_overrides={"score": pl.Float64, "atr": pl.Float64},
    )
    context = pl.DataFrame([{"timestamp": time, **row} for time, row in market.items()])
    return prices, features, context


def finish_bars(
    extra: np.random.Generator, bars: Bars, *,
    volume: bool, p_zero_volume: float, p_limit_flag: float, limit_prices: bool, vwap: bool,
    p_no_vwap: float, tick: float,
) -> None:  # fmt: skip
    """Add volume, limit flags and vwap to the bars, and put their prices on ticks."""
    for row in bars.values():
        for asset, bar in row.items():
            if tick:
                prices = [max(tick, round(round(p / tick) * tick, 10)) for p in bar[:4]]
                bar = bar._replace(open=prices[0], high=prices[1], low=prices[2], close=prices[3])
            if volume:
                is_zero = extra.random() < p_zero_volume
                bar = bar._replace(volume=0.0 if is_zero else float(extra.integers(50, 20_000)))
            if limit_prices:
                bar = with_limits(extra, bar, p_limit_flag)
            elif extra.random() < p_limit_flag:
                bar = bar._replace(**{["limit_up", "limit_down"][int(extra.integers(2))]: True})
            if vwap and not (p_no_vwap and extra.random() < p_no_vwap):
                share = float(extra.random())
                bar = bar._replace(vwap=bar.low + share * (bar.high - bar.low))
            row[asset] = bar


def with_limits(extra: np.random.Generator, bar: reference.Bar, p_locked: float) -> reference.Bar:
    """Give a bar price limits: far away, none, or one that it ends, opens or is locked at."""
    up, down = (None if extra.random() < 0.3 else 1.1 for _ in range(2))
    bar = bar._replace(limit_up=up and up * bar.high, limit_down=down and bar.low / down)
    if extra.random() >= p_locked:
        return bar
    opens, high, low, close = bar[:4]
    is_up, where = bool(extra.random() < 0.5), int(extra.integers(3))
    if where == 0:  # its range ends at the limit, which may be a tick within what was drawn
        return bar._replace(limit_up=high) if is_up else bar._replace(limit_down=low)
    level = max(opens, close) if is_up else min(opens, close)
    if where == 1:  # it opens or closes there
        if is_up:
            return bar._replace(high=level, limit_up=level)
        return bar._replace(low=level, limit_down=level)
    side = {"limit_up": level} if is_up else {"limit_down": level}
    return bar._replace(open=level, high=level, low=level, close=level, **side)


def draw_actions(
    extra: np.random.Generator, bars: Bars, signals: SignalRows, p_action: float
) -> list[reference.Action]:
    """Draw splits, dividends, renames and delistings, and let the bars and features follow them."""
    times = sorted(bars)
    is_intraday = any(time.hour for time in times)
    actions: list[reference.Action] = []

    def when(share: float = 0.1) -> tuple[int, datetime]:
        """Return a bar in the later part of the run, and an ex-date that falls on it.

        Next to daily bars an ex-date has no time of day.
        """
        t = int(extra.integers(max(1, int(share * len(times))), len(times)))
        minutes = int(extra.choice([0, 0, 30]))
        return t, times[t] - timedelta(minutes=minutes if is_intraday else 0)

    for asset in sorted({asset for row in bars.values() for asset in row}):
        name = asset
        if extra.random() < p_action:
            t, ex_date = when(0.3)
            kept = bool(extra.random() < 0.5) and any(asset in bars[time] for time in times[t:])
            name = f"{asset}N" if kept else asset
            if kept:
                actions += rename(bars, signals, times, t, ex_date, asset)
            else:
                price, change = [(7.5, None), (None, -0.3), (None, None)][int(extra.integers(3))]
                actions.append(
                    reference.Action(asset, ex_date, "delisting", price, delisting_return=change)
                )
                move_rows(bars, signals, times[t:], asset, None)
                actions += pay_out(bars, times[:t], asset)
        if extra.random() < p_action:
            t, ex_date = when()
            ratio = float(extra.choice([2.0, 1.5, 3.0, 0.1]))
            holder = name if any(name in bars[time] for time in times[: t + 1]) else asset
            actions.append(reference.Action(holder, ex_date, "split", ratio))
            divide_rows(bars, signals, times[t:], {asset, name}, ratio)
        for _ in range(3):
            if extra.random() < p_action:
                t, ex_date = when()
                holder = name if any(name in bars[time] for time in times[: t + 1]) else asset
                actions += draw_dividends(extra, bars, signals, times, t, holder, ex_date)
    for time in times:
        if not bars[time]:
            del bars[time]
    return one_of_a_kind(actions)


def rename(
    bars: Bars, signals: SignalRows, times: list[datetime], t: int, ex_date: datetime, asset: str
) -> list[reference.Action]:
    """Rename an asset, at times while the market is closed, at times with another action beside.

    That one is listed under either name, on the rename's date or on that of the bar.
    """
    beside = np.random.default_rng([len(times), t, 7])  # its own, so that all other draws stay
    name = f"{asset}N"
    move_rows(bars, signals, times[t:], asset, name)
    the_day_before = ex_date - timedelta(days=1)
    moved = the_day_before if beside.random() < 0.5 and the_day_before > times[t - 1] else ex_date
    made = [reference.Action(asset, moved, "rename", new_asset=name)]
    if beside.random() < 0.6:
        holder = name if beside.random() < 0.6 else asset
        day = moved if beside.random() < 0.4 else ex_date
        if beside.random() < 0.5:
            value = float(beside.uniform(0.05, 1.0))
            made.append(reference.Action(holder, day, "dividend", value))
        else:
            divide_rows(bars, signals, times[t:], {asset, name}, 1.5)
            made.append(reference.Action(holder, day, "split", 1.5))
    return made


def draw_dividends(
    extra: np.random.Generator, bars: Bars, signals: SignalRows, times: list[datetime], t: int,
    holder: str, ex_date: datetime,
) -> list[reference.Action]:  # fmt: skip
    """Draw a dividend, at times a special one that the prices fall by, at times both at once.

    Some go ex while nothing trades: the bars of a few days are taken away then.
    """
    halted = np.random.default_rng([len(times), t])  # its own, so that all other draws stay
    kinds = np.random.default_rng([len(times), t, 11])  # and another for the same reason
    values = [float(extra.uniform(0.05, 1.0))]
    names = {holder, holder.removesuffix("N"), f"{holder}N"}
    if extra.random() < 0.4 and holder in bars[times[t]]:
        share = float(extra.uniform(0.02, 0.3))
        values.append(share * bars[times[t]][holder].open)
        divide_rows(bars, signals, times[t:], names, 1 / (1 - share))
        if extra.random() < 0.5:
            del values[0]
    elif halted.random() < 0.5 and (seen := [bars[time].get(holder) for time in times[:t]]):
        share = float(halted.uniform(0.02, 0.3))
        values.append(share * next((bar.close for bar in reversed(seen) if bar), 0.0))
        divide_rows(bars, signals, times[t:], names, 1 / (1 - share))
    end = t + int(halted.integers(1, 4))
    # What is renamed must have a bar under its new name.
    if halted.random() < 0.4 and any(holder in bars[time] for time in times[end:]):
        for time in times[t:end]:
            bars[time].pop(holder, None)
    made = []
    for value in values:
        days = int(extra.integers(-1, 6))
        pay_date = None if days < 0 else ex_date + timedelta(days=days)
        made.append(paid_as(kinds, reference.Action(holder, ex_date, "dividend", value, pay_date)))
    return made


def paid_as(kinds: np.random.Generator, dividend: reference.Action) -> reference.Action:
    """Return a dividend, at times taxed, or as a return of capital; a fee is beside no price."""
    assert dividend.value is not None
    drawn = kinds.random()
    if drawn < 0.2:
        return replace(dividend, withholding=float(kinds.choice([0.15, 0.3])), pay_date=None)
    if drawn < 0.4:
        return replace(dividend, kind="return_of_capital", pay_date=None)
    if drawn < 0.5 and dividend.value < 1.0:
        return replace(dividend, kind="cash", value=-dividend.value / 10, pay_date=None)
    return dividend


def pay_out(bars: Bars, times: list[datetime], holder: str) -> list[reference.Action]:
    """Let some pay most of their price a few bars before the end, and trade no more."""
    halted = np.random.default_rng([len(times), len(bars)])
    t = len(times) - int(halted.integers(1, 4))
    last = next((bars[time][holder] for time in reversed(times[:t]) if holder in bars[time]), None)
    if last is None or halted.random() < 0.5:
        return []
    for time in times[t:]:
        bars[time].pop(holder, None)
    value = float(halted.uniform(0.3, 0.9)) * last.close
    return [reference.Action(holder, times[t], "dividend", value)]


def below_price(actions: list[reference.Action], bars: Bars) -> list[reference.Action]:
    """Leave out dividends that would take all of the price, with others since the last bar."""
    kept: list[reference.Action] = []
    paid: dict[tuple[str, datetime], float] = {}
    for action in actions:
        seen = [time for time in bars if time < action.ex_date and action.asset in bars[time]]
        if action.kind == "dividend" and seen:
            gap = action.asset, max(seen)
            shares = [
                one.value or 1.0
                for one in actions
                if one.kind == "split" and one.asset == action.asset and one.ex_date > gap[1]
            ]
            value = (action.value or 0.0) * max(1.0, float(np.prod(shares)))
            if paid.get(gap, 0.0) + value > 0.95 * bars[gap[1]][action.asset].close:
                continue
            paid[gap] = paid.get(gap, 0.0) + value
        kept.append(action)
    return kept


def stop_assets(
    random: np.random.Generator, bars: Bars, actions: list[reference.Action], p_stop: float
) -> None:
    """Take the later bars of some assets away; a bar keeps one asset at least."""
    times = sorted(bars)
    named = {one.new_asset for one in actions}
    for asset in sorted({asset for row in bars.values() for asset in row} - named):
        first = int(random.integers(len(times) // 4, len(times)))
        for time in times[first:] if random.random() < p_stop else ():
            if len(bars[time]) > 1:
                bars[time].pop(asset, None)


def one_of_a_kind(actions: list[reference.Action]) -> list[reference.Action]:
    """Keep the first of each (asset, ex-date, kind), and every dividend."""

    def key(action: reference.Action) -> tuple[object, ...]:
        named = action.value if action.kind in ("dividend", "return_of_capital", "cash") else None
        return action.ex_date, action.asset, action.kind, named

    kept = {key(action): action for action in reversed(actions)}
    return sorted(kept.values(), key=lambda action: (action.ex_date, action.asset, action.kind))


def move_rows(
    bars: Bars, signals: SignalRows, times: list[datetime], old: str, new: str | None
) -> None:
    for time in times:
        bar = bars[time].pop(old, None)
        values = signals.pop((time, old), None)
        if new is not None and bar is not None:
            bars[time][new] = bar
        if new is not None and values is not None:
            signals[time, new] = values


def divide_rows(
    bars: Bars, signals: SignalRows, times: list[datetime], names: set[str], ratio: float
) -> None:
    for time in times:
        for name in names & set(bars[time]):
            opens, high, low, close, *_ = bars[time][name]
            prices = (opens / ratio, high / ratio, low / ratio, close / ratio)
            bars[time][name] = reference.Bar(*prices)
        for name in names:
            values = signals.get((time, name))
            if values is not None and values["atr"] is not None:
                signals[time, name] = {**values, "atr": values["atr"] / ratio}


def draw_borrow(extra: np.random.Generator, universe: Universe) -> None:
    """Draw fees that change now and then; some assets have none at first, some not to borrow."""
    rows = []
    halted = np.random.default_rng(len(universe.bars))  # its own, so that all other draws stay
    located = np.random.default_rng([len(universe.bars), 13])
    for asset in universe.assets:
        known: reference.Borrow | None = None
        for time in sorted(universe.bars):
            if extra.random() < 0.15:
                draw = extra if asset in universe.bars[time] else halted
                known = reference.Borrow(
                    round(float(draw.uniform(0, 0.5)), 4),
                    bool(draw.random() < 0.8),
                    None if located.random() < 0.6 else float(located.integers(0, 2_000)),
                )
                row = {"timestamp": time, "asset_id": asset, **known._asdict()}
                rows.append(row)
            if known is not None:
                universe.borrow[time, asset] = known
    schema = {
        "timestamp": pl.Datetime, "asset_id": pl.String, "fee": pl.Float64,
        "available": pl.Boolean, "shares": pl.Float64,
    }  # fmt: skip
    universe.borrow_frame = pl.DataFrame(rows, schema=schema)


# -- scripts ---------------------------------------------------------------------------------


def make_script(
    seed: int, universe: Universe, *, capital: float = 1_000_000.0, shorts: bool = True,
    per_bar: float = 1.0, kinds: tuple[str, ...] = ("order", "change", "target", "weights"),
) -> dict[int, list[reference.Instruction]]:  # fmt: skip
    """Draw instructions for every bar: orders of all sorts, cancels, replaces, targets, weights.

    per_bar: the mean number of instructions a bar.
    """
    random, late = np.random.default_rng([seed, 2]), np.random.default_rng([seed, 4])
    script: dict[int, list[reference.Instruction]] = {}
    tags: list[str] = []
    last: dict[str, float] = {}
    for t, time in enumerate(sorted(universe.bars)):
        row = universe.bars[time]
        last |= {asset: bar.close for asset, bar in row.items()}
        for _ in range(int(random.poisson(per_bar))):
            asset = str(random.choice(sorted(row)))
            if late.random() < 0.1:  # halted or gone, perhaps
                asset = str(late.choice(sorted(last)))
            kind = str(random.choice(kinds))
            side = -1 if random.random() < 0.5 else 1
            made: reference.Instruction
            if kind == "order" or (kind == "change" and not tags):
                tag = f"order {len(tags) // 4}"
                quantity = side * float(random.uniform(0.02, 0.25)) * capital / last[asset]
                made = draw_order(random, asset, quantity, last[asset], tag, time.date())
                tags += [tag, tag, f"{tag}.stop_loss", f"{tag}.take_profit"]
            elif kind == "change":
                made = draw_change(random, str(random.choice(tags[-24:])), last[asset])
            elif kind == "target":
                share = float(random.choice([0.0, 0.1, 0.3])) * (side if shorts else 1)
                made = reference.OrderTargetPercent(asset, share)
                if random.random() < 0.5:
                    made = reference.OrderTarget(asset, share * capital / last[asset])
            else:
                n = int(random.integers(0, len(row) + 1))
                names = [str(name) for name in random.permutation(sorted(row))[:n]]
                low = -0.4 if shorts else 0.0
                made = reference.Targets({a: float(random.uniform(low, 0.5)) for a in names})
            script.setdefault(t, []).append(made)
    return script


def draw_order(
    random: np.random.Generator, asset: str, quantity: float, price: float, tag: str, today: date
) -> reference.Order:
    """Draw a market, limit, stop, stop-limit, trailing or closing order, at times a bracket."""
    side = 1 if quantity > 0 else -1

    def near() -> float:
        return float(price * (1 + random.normal(0, 0.03)))

    kinds = ("market", "limit", "stop", "stop limit", "amount", "fraction", "close")
    kind = str(random.choice(kinds))
    prices: dict[str, float] = {}
    if kind in ("limit", "stop limit"):
        prices["limit"] = near()
    if kind in ("stop", "stop limit"):
        prices["stop"] = near()
    if kind == "amount":
        prices["trail_amount"] = abs(near() - price) + 0.01 * price
    if kind == "fraction":
        prices["trail_fraction"] = float(random.uniform(0.01, 0.08))
    if random.random() < 0.4:
        prices["take_profit"] = price * (1 + side * float(random.uniform(0.02, 0.1)))
    children = random.random()
    if children < 0.4:
        prices["stop_loss"] = price * (1 - side * float(random.uniform(0.02, 0.1)))
    elif children < 0.6:
        prices["stop_loss_trail_fraction"] = float(random.uniform(0.02, 0.08))
    tif = [None, "day", "gtc", "gtd", "ioc"][int(random.integers(5))]
    return reference.Order(
        asset=asset, quantity=quantity, tag=tag, on_close=kind == "close",
        tif=tif,
        good_till=today + timedelta(days=int(random.integers(0, 6))),
        group=f"group {random.integers(3)}" if random.random() < 0.2 else None, **prices,
    )  # fmt: skip


def draw_change(
    random: np.random.Generator, ref: str, price: float
) -> reference.Cancel | reference.Replace:
    if random.random() < 0.5:
        return reference.Cancel(ref)
    near = float(price * (1 + random.normal(0, 0.03)))
    which = random.random()
    if which < 0.3:
        return reference.Replace(ref, quantity=float(random.normal(0, 500)))
    return reference.Replace(ref, limit=near) if which < 0.6 else reference.Replace(ref, stop=near)
