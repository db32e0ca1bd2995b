"""Cases of bars with a time zone: a case of the plain harness, moved to other clocks.

The bars of a case get new moments, across a change of the clocks, in the same order. Everything
that names a moment follows: as moments, or as dates of the catalog's zone. What the dates mean
`reference_zones` works out; the engine is given the frames.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

import reference as r
from reference_zones import Interval, known_at, local_date, members_of, moment_of
from universes import Universe

ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Europe/London")
# Days on which clocks changed in New York or London, and one on which none did.
CHANGES = (date(2024, 3, 10), date(2024, 3, 31), date(2024, 10, 27), date(2024, 11, 3),
           date(2024, 1, 3))  # fmt: skip
MINUTES = (5, 30, 60, 60, 90, 180, 420, 660, 1440, 1500, 4320)
LAG = "1 day"  # of dates: what is of a day is known when it is over
Case = tuple[Universe, dict[str, Any]]


def in_a_zone(universe: Universe, options: dict[str, Any], seed: int) -> Case:
    """Return the case with zoned bars, and its sources with moments or dates."""
    pick = random.Random(f"zoned {seed}")
    zone = pick.choice(ZONES)
    times = sorted({*universe.bars, *universe.market, *(time for time, _ in universe.signals)})
    new = dict(zip(times, draw_times(pick, times, universe, zone), strict=True))
    moved = replace(
        universe, timezone=zone,
        bars={new[t]: row for t, row in universe.bars.items()},
        signals={(new[t], asset): row for (t, asset), row in universe.signals.items()},
        market={new[t]: row for t, row in universe.market.items()},
        prices=stamped(pick, universe.prices, new),
        context=stamped(pick, universe.context, new),
    )  # fmt: skip
    moved.lags = {}
    draw_features(pick, moved, stamped(pick, universe.features, new))
    if pick.random() < 0.5 and is_seen(moved, min(moved.market)):
        date_context(moved)
    draw_actions(pick, moved, new)
    if len(universe.borrow_frame):
        draw_borrow(pick, moved, stamped(pick, universe.borrow_frame, new))
    changes = {
        "script": redated(options["script"], sorted(universe.bars), new, zone),
        "actions": redone(options["actions"], moved.actions),
        "borrow": options["borrow"] and moved.borrow,
    }
    if options["members"] is not None:
        changes["members"] = draw_members(pick, moved)
    return moved, {**options, **changes}


def draw_times(
    pick: random.Random, times: list[datetime], universe: Universe, zone: str
) -> list[datetime]:
    """Draw as many moments (UTC), at all hours; a bar on which something goes ex begins a date."""
    clocks = ZoneInfo(zone)
    begins = {first_at(times, action.ex_date) for action in universe.actions}
    change = datetime.combine(pick.choice(CHANGES), time(), UTC)
    # Few steps a case, so that some are of many bars a day and some of one.
    steps = pick.sample(MINUTES, k=pick.choice([1, 3, 5]))
    length = timedelta(minutes=sum(steps) / len(steps) * len(times))
    now = change - pick.uniform(0.1, 0.9) * length
    now = now.replace(minute=0, second=0, microsecond=0)
    drawn: list[datetime] = []
    for i in range(len(times)):
        if drawn and i in begins and local_date(now, zone) == local_date(drawn[-1], zone):
            day = local_date(now, zone) + timedelta(days=1)
            now = datetime.combine(day, time(pick.choice([0, 0, 9])), clocks).astimezone(UTC)
        drawn.append(now)
        now += timedelta(minutes=pick.choice(steps))
    if all(moment.hour == moment.minute == 0 for moment in drawn):  # days of UTC are no moments
        drawn = [moment + timedelta(hours=14) for moment in drawn]
    return drawn


def first_at(times: list[datetime], moment: datetime) -> int | None:
    return next((i for i, one in enumerate(times) if one >= moment), None)


def stamped(
    pick: random.Random, frame: pl.DataFrame, new: dict[datetime, datetime]
) -> pl.DataFrame:
    """Return a frame with the new moments; the zone that its column names means nothing."""
    moments = pl.Series("timestamp", [new[t] for t in frame["timestamp"]], pl.Datetime("us", "UTC"))
    named = moments.dt.convert_time_zone(pick.choice(["UTC", *ZONES]))
    return frame.with_columns(named.alias("timestamp"))


def draw_features(pick: random.Random, moved: Universe, features: pl.DataFrame) -> None:
    """Give the features moments, or one row a date, seen the day after."""
    moved.features = features
    zone, dated = moved.timezone, {}
    if pick.random() < 0.5 or not is_seen(moved, min(moved.signals)[0]):
        return
    for moment, asset in sorted(moved.signals):
        dated.setdefault((local_date(moment, zone), asset), moved.signals[moment, asset])
    moved.lags["features"] = LAG
    moved.features = pl.DataFrame(
        [{"timestamp": day, "asset_id": asset, **row} for (day, asset), row in dated.items()],
        schema_overrides={"score": pl.Float64, "atr": pl.Float64},
    )
    moved.signals = {}
    for moment, row in moved.bars.items():
        for asset in row:
            days = [day for day, name in dated if name == asset]
            last = known_at(days, moment, zone, days_late=1)
            if last is not None:
                moved.signals[moment, asset] = dated[last, asset]


def is_seen(moved: Universe, moment: datetime) -> bool:
    """Say whether what is of the date of a moment is seen by a bar, the day after."""
    after = local_date(moment, moved.timezone) + timedelta(days=1)
    return moment_of(after, moved.timezone) <= max(moved.bars)


def date_context(moved: Universe) -> None:
    """Give the context one row a date, seen the day after."""
    zone, dated = moved.timezone, {}
    for moment in sorted(moved.market):
        dated.setdefault(local_date(moment, zone), moved.market[moment])
    moved.lags["context"] = LAG
    moved.context = pl.DataFrame([{"timestamp": day, **row} for day, row in dated.items()])
    last = {moment: known_at(dated, moment, zone, days_late=1) for moment in moved.market}
    moved.market = {moment: dated[day] for moment, day in last.items() if day is not None}


def draw_actions(pick: random.Random, moved: Universe, new: dict[datetime, datetime]) -> None:
    """Move what goes ex to moments before the new bars, or to dates; no bar lies between."""
    times, zone = list(new), moved.timezone
    are_dates = pick.random() < 0.6
    made = []
    for action in moved.actions:
        i = first_at(times, action.ex_date)
        bar, before = new[times[i]], new[times[i - 1]] if i else None
        ex_date: Any = local_date(bar, zone)
        free = (ex_date - local_date(before, zone)).days - 1 if before else 0
        if are_dates:
            ex_date -= timedelta(days=pick.randint(0, min(free, 2)))
        else:
            ex_date = max(bar - timedelta(minutes=pick.choice([0, 0, 1])), moment_of(ex_date, zone))
        days = None if action.pay_date is None else (action.pay_date - action.ex_date).days
        pay_date = None if days is None else ex_date + timedelta(days=days)
        made.append(replace(action, ex_date=ex_date, pay_date=pay_date))
    moved.actions = made
    kind = pl.Date if are_dates else pl.Datetime("us", "UTC")
    moved.actions_frame = moved.actions_frame.with_columns(
        pl.Series("ex_date", [one.ex_date for one in made], kind),
        pl.Series("pay_date", [one.pay_date for one in made], kind),
    )


def redone(chosen: list[r.Action], moved: list[r.Action]) -> list[r.Action]:
    """Return the moved actions with what the options say of delistings; none where none are on."""
    return [
        replace(new, delisting_return=old.delisting_return)
        for old, new in zip(chosen, moved, strict=True)
    ]


def draw_borrow(pick: random.Random, moved: Universe, frame: pl.DataFrame) -> None:
    """Give the fees moments, or one row a date, seen the day after; a bar knows the latest."""
    zone, times = moved.timezone, sorted(moved.bars)
    rows = {(row["timestamp"].astimezone(UTC), row["asset_id"]): row
            for row in frame.iter_rows(named=True)}  # fmt: skip
    if pick.random() < 0.5 and is_seen(moved, min(rows)[0]):
        dated: dict[tuple[date, str], dict[str, Any]] = {}
        for moment, asset in sorted(rows):
            dated.setdefault((local_date(moment, zone), asset), rows[moment, asset])
        frame = pl.DataFrame([{**row, "timestamp": day} for (day, _), row in dated.items()])
        late = timedelta(days=1)
        rows = {(moment_of(day + late, zone), asset): row for (day, asset), row in dated.items()}
        moved.lags["borrow"] = LAG
    moved.borrow_frame, moved.borrow = frame, {}
    for (moment, asset), row in sorted(rows.items(), key=lambda item: item[0]):
        later = [t for t in times if t >= moment]
        if later:
            moved.borrow[later[0], asset] = r.Borrow(row["fee"], row["available"], row["shares"])


def draw_members(pick: random.Random, moved: Universe) -> set[tuple[datetime, str]]:
    """Draw memberships from and until dates, or moments, and say who is a member at which bar."""
    zone, times = moved.timezone, sorted(moved.bars)
    are_dates = pick.random() < 0.7
    ends: list[Any] = sorted({local_date(moment, zone) for moment in times}) if are_dates else times
    intervals: list[Interval] = []
    for asset in moved.assets:
        start = ends[0]
        for end in ends[1:]:
            if start is None and pick.random() < 0.5:
                start = end
            elif start is not None and pick.random() < 0.1:
                intervals.append((asset, start, end))
                start = None
        if start is not None:
            intervals.append((asset, start, None))
    kind = pl.Date if are_dates else pl.Datetime("us", "UTC")
    moved.members_frame = pl.DataFrame(
        intervals, orient="row",
        schema={"asset_id": pl.String, "start_date": kind, "end_date": kind},
    )  # fmt: skip
    return members_of(intervals, times, zone)


def redated(
    script: dict[int, Any], old: list[datetime], new: dict[datetime, datetime], zone: str
) -> dict[int, Any]:
    """Return a script in which orders are good till as many days after their bar's new date."""

    def moved(each: Any, t: int) -> Any:
        if not isinstance(each, r.Order) or each.good_till is None:
            return each
        days = each.good_till - old[t].date()
        return replace(each, good_till=local_date(new[old[t]], zone) + days)

    return {t: [moved(each, t) for each in row] for t, row in script.items()}
