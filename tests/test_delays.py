"""A source that is known later: views and runs against plain Python, and against data moved by
hand before they are registered."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from effort import some
from ml4t.backtest import BacktestEngine, Catalog, ConfigError, Strategy, TopN
from ml4t.backtest.audit.audit import Audit
from ml4t.backtest.audit.audit_tables import AUDIT_TABLES
from ml4t.backtest.audit.delays import run_delayed
from ml4t.backtest.audit.steps import Steps
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.data.cut.delayed_catalog import DelayedCatalog
from ml4t.backtest.strategy.broker import StrategyBroker
from ml4t.backtest.synthetic import make_market
from test_asof import ASSETS, Row, agree, feature_table, price_table

NOW, AT_PERIOD = "as known now", "as known now, at its period"
USUAL = "usual lag: 4 days"
METRICS = ("n_trades", "total_return", "sharpe", "final_value")


# -- views, against plain Python ----------------------------------------------------------


def known_later(known: int, delay: str, bars: Sequence[int]) -> int | None:
    """The day on which a row is known, where bars are numbers of days; None: never."""
    n, unit = delay.split()
    if unit.startswith("day"):
        return known + int(n)
    later = [bar for bar in bars if bar >= known][int(n) :]
    return later[0] if later else None


def expected_at(
    rows: Sequence[Row], asset: str, bar: int, delay: str, bars: Sequence[int], age: int | None
) -> float | None:
    mine = [row for row in rows if row.asset == asset]
    known: dict[Row, int | None] = {}
    for row in mine:
        revisions = [one.known for one in mine if one.period == row.period]
        if delay in (NOW, AT_PERIOD):
            first = min(revisions) if delay == NOW else row.period
            known[row] = first if row.known == max(revisions) else None
        else:
            known[row] = known_later(row.known, delay, bars)
    seen = [row for row in mine if (at := known[row]) is not None and at <= bar]
    if not seen:
        return None
    newest = max(seen, key=lambda row: (row.period, row.known))
    is_old = age is not None and bar - (known[newest] or 0) > age
    return None if is_old else newest.value


@pytest.mark.parametrize("seed", some(range(60), 3))
def test_a_delayed_source_is_seen_as_plain_python_sees_it(seed: int) -> None:
    pick = random.Random(f"delay {seed}")
    days = sorted(pick.sample(range(3, 20), 9))
    bars = [(t, asset) for t in days for asset in ASSETS if pick.random() < 0.8]
    days = sorted({t for t, _ in bars})
    has_clock, lag = pick.random() < 0.6, pick.choice([0, 0, 2])
    lag = 0 if has_clock else lag
    rows = {
        (row.asset, row.period, row.known): row
        for _ in range(18)
        for period in [pick.randrange(16)]
        for late in [pick.randrange(8) if has_clock else lag]
        for row in [Row(pick.choice(ASSETS), period, period + late, float(pick.randrange(9)))]
    }
    table = list(rows.values())
    age = pick.choice([None, None, 4])
    base = Catalog(threads=1).register("prices", price_table(bars))
    base.register(
        "features", feature_table(table, clock=has_clock),
        available_at="known" if has_clock else None, lag=f"{lag} days" if lag else None,
        max_age=None if age is None else f"{age} days",
    )  # fmt: skip
    delays = ["1 bar", "3 bars", "1 day", "4 days", *((NOW, AT_PERIOD) * has_clock)]
    for delay in pick.sample(delays, 2):
        expected = {(t, asset): expected_at(table, asset, t, delay, days, age) for t, asset in bars}
        agree(DelayedCatalog(base, "features", delay), bars, expected)


def test_delays_of_bars_in_a_zone_are_counted_in_it() -> None:
    """Four bars a day in New York, around the night in which its clocks change."""
    zone = ZoneInfo("America/New_York")
    bars = [
        datetime(2024, 3, day, hour, 35, tzinfo=zone) for day in (7, 8, 11) for hour in (9, 10, 16)
    ]
    times = [bars[0] + timedelta(hours=5 * n, minutes=25 * (n % 3)) for n in range(20)]
    rows = {"asset_id": ["A"] * 9, "open": [1.0] * 9, "close": [1.0] * 9}
    base = Catalog(timezone=zone.key)
    base.register("prices", pl.DataFrame({"timestamp": bars, **rows}))
    base.register("context", pl.DataFrame({"timestamp": times, "n": [float(n) for n in range(20)]}))
    base.register(
        "universe",
        {"asset_id": ["A"], "start_date": [date(2024, 3, 8)], "end_date": [date(2024, 3, 11)]},
    )
    known: dict[str, Callable[[datetime], datetime | None]] = {
        "1 bar": lambda time: next(iter([bar for bar in bars if bar >= time][1:]), None),
        "90 minutes": lambda time: time.astimezone(UTC) + timedelta(minutes=90),
        "1 day": lambda time: time + timedelta(days=1),  # by the clock on the wall
    }
    for delay, later in known.items():
        found = DelayedCatalog(base, "context", delay).sql(
            "select n from market order by timestamp"
        )
        at = [later(time) for time in times]
        expected = [
            max((float(n) for n, one in enumerate(at) if one and one <= bar), default=None)
            for bar in bars
        ]
        assert [n for (n,) in found.fetchall()] == expected, delay
        midnights = [later(datetime(2024, 3, day, tzinfo=zone)) for day in (8, 11)]
        members = DelayedCatalog(base, "universe", delay).sql(
            "select is_member from signals order by timestamp"
        )
        begin, end = midnights
        assert begin is not None
        assert end is not None
        assert [one for (one,) in members.fetchall()] == [begin <= bar < end for bar in bars], delay


# -- runs, against data moved by hand -----------------------------------------------------


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_market(tmp_path_factory.mktemp("delays"), n_assets=8, n_bars=45)


def days_of(market: Path) -> list[date]:
    return sorted(set(pl.read_parquet(market / "prices.parquet")["timestamp"]))


def told(market: Path) -> pl.DataFrame:
    """Features with two clocks, some of them revised."""
    draw = np.random.default_rng(3)
    days = days_of(market)
    rows = [
        (days[t], f"S{i:04}", days[t] + timedelta(days=int(late)), float(draw.normal()))
        for t in range(0, len(days), 3)
        for i in range(8)
        for late in draw.choice(9, size=int(draw.integers(1, 3)), replace=False)
    ]
    names = ["timestamp", "asset_id", "available_at", "told"]
    return pl.DataFrame(rows, schema=names, orient="row")


def members(market: Path) -> pl.DataFrame:
    days = days_of(market)
    rows = [
        (f"S{i:04}", days[t], days[t + 20] if t < 35 else None)
        for i in range(8)
        for t in ((0, 22) if i % 2 else (5 + i, 36))
    ]
    return pl.DataFrame(rows, schema=["asset_id", "start_date", "end_date"], orient="row")


def catalog(market: Path, **given: Any) -> Catalog:
    """The market, with sources in place of others by role."""
    sources = {
        "features": told(market), "universe": members(market),
        "context": pl.read_parquet(market / "context.parquet"),
    }  # fmt: skip
    found = Catalog(threads=2).register("prices", market / "prices.parquet")
    for role, source in (sources | given).items():
        found.register(role, source)
    return found


def strategy() -> TopN:
    return TopN(3, by="told", when="vix % 2 < 1.2", every=2)


def a_bar_later(rows: pl.DataFrame, days: Sequence[date], *columns: str) -> pl.DataFrame:
    """Rows with times at the bar after the first at or after them; none where there is none."""

    def later(day: date | None) -> date | None:
        following = [] if day is None else [one for one in days if one >= day][1:]
        return following[0] if following else None

    for column in columns:
        times = pl.Series(column, [later(day) for day in rows[column]], rows.schema[column])
        rows = rows.with_columns(times)
    return rows.drop_nulls(columns[0])


def table_of(audit: Audit) -> dict[tuple[str, str | None], dict[str, Any]]:
    return {(row["source"], row["delay"]): row for row in audit.delays.pl().to_dicts()}


@pytest.fixture(scope="module")
def audited(market: Path) -> tuple[Audit, list[tuple[int, int]]]:
    seen: list[tuple[int, int]] = []
    delays = ["1 bar", "usual lag"]
    audit = BacktestEngine(catalog(market), strategy()).audit(
        1, delays=delays, progress=lambda done, total: seen.append((done, total))
    )
    return audit, seen


Moved = Callable[[pl.DataFrame, list[date]], pl.DataFrame]
BY_PERIOD = ["asset_id", "timestamp"]
BY_HAND: dict[tuple[str, str], Moved] = {
    ("features", "1 bar"): lambda rows, days: a_bar_later(rows, days, "available_at")
    .group_by([*BY_PERIOD, "available_at"], maintain_order=True).last(),
    ("features", USUAL): lambda rows, _: rows.with_columns(
        pl.col("available_at") + timedelta(days=4)
    ),
    ("features", NOW): lambda rows, _: rows.group_by(BY_PERIOD, maintain_order=True).agg(
        pl.col("told").last(), pl.col("available_at").first()
    ),
    ("features", AT_PERIOD): lambda rows, _: rows.group_by(BY_PERIOD, maintain_order=True).agg(
        pl.col("told").last(), pl.col("timestamp").first().alias("available_at")
    ),
    ("context", "1 bar"): lambda rows, days: a_bar_later(rows, days, "timestamp"),
    ("universe", "1 bar"): lambda rows, days: a_bar_later(rows, days, "start_date", "end_date"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "delay"), BY_HAND)
def test_a_delay_is_the_run_over_rows_moved_by_hand(
    source: str, delay: str, market: Path, audited: tuple[Audit, list[tuple[int, int]]]
) -> None:
    rows = {
        "features": told(market).sort([*BY_PERIOD, "available_at"]), "universe": members(market),
        "context": pl.read_parquet(market / "context.parquet"),
    }[source]  # fmt: skip
    by_hand = catalog(market, **{source: BY_HAND[source, delay](rows, days_of(market))})
    run = BacktestEngine(by_hand, strategy()).run()
    mine, whole = table_of(audited[0])[source, delay], audited[0].result
    assert {name: mine[name] for name in METRICS} == {name: run[name] for name in METRICS}
    assert mine["final_value"] != whole["final_value"]
    for name in METRICS:
        assert mine[f"{name}_change"] == run[name] - whole[name]
    picked = [set(one.sql("select timestamp, asset_id from selections").fetchall())
              for one in (whole, run)]  # fmt: skip
    assert mine["share_selections_kept"] == len(picked[0] & picked[1]) / len(picked[0])
    orders = [
        {
            (at, asset, quantity and np.sign(quantity))
            for at, asset, quantity in one.sql(
                "select created_at, asset_id, quantity from orders where tag = 'rebalance'"
            ).fetchall()
        }
        for one in (whole, run)
    ]
    assert mine["share_orders_kept"] == len(orders[0] & orders[1]) / len(orders[0])
    column = {"features": "told", "context": "vix", "universe": "is_member"}[source]
    view = "market" if source == "context" else "signals"
    base = catalog(market)
    cells = [
        one.sql(f"select * exclude ({column}), {column} from {view} order by all").fetchall()
        for one in (base, by_hand)
    ]
    changed = sum(one[-1] != other[-1] for one, other in zip(*cells, strict=True))
    assert (mine["n_signals"], mine["n_signals_changed"]) == (len(cells[0]), changed)


def test_each_source_says_what_was_run_and_what_was_not(
    audited: tuple[Audit, list[tuple[int, int]]],
) -> None:
    audit, seen = audited
    table = table_of(audit)
    assert "one later would be another market" in table["prices", None]["why"]
    assert "usual lag is not known" in table["context", "usual lag"]["why"]
    lag = [delay for source, delay in table if source == "features" and "usual" in str(delay)]
    assert lag == [USUAL]
    n_runs = sum(row["why"] is None for row in table.values())
    assert n_runs == 6
    # The run, another for chance, one to a cut, one for chance of delays, and the delayed ones.
    assert seen[-1] == (n_runs + 4, n_runs + 4)
    assert audit.is_clean
    assert f"{n_runs} delayed runs: total return" in audit.title


class ByChance(Strategy):
    """Buys what no seed decides."""

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        sid = int(np.random.default_rng().integers(len(broker.assets)))
        broker.order_target_weights({broker.assets[sid]: 0.3 + 0.001 * batch.t})


def test_a_strategy_of_chance_has_no_numbers(market: Path) -> None:
    engine = BacktestEngine(catalog(market), ByChance())
    whole = BacktestEngine(catalog(market), ByChance()).run()
    part = run_delayed(engine, whole, (None, None), ["1 bar"], Steps(None))
    for source, delay, *cells, why in part.rows["delays"]:
        assert not any(cells)
        assert delay is None or "two runs over everything differ too" in str(why), source
    assert part.said == "no delayed run could be compared"


def test_what_lives_on_speed_dies_at_one_bar_and_what_does_not_stays(market: Path) -> None:
    """Tomorrow's return, and a number of each asset that never changes."""
    bars = pl.read_parquet(market / "prices.parquet").sort("asset_id", "timestamp")
    ahead = bars.select(
        "timestamp", "asset_id",
        (pl.col("close").shift(-1).over("asset_id") / pl.col("close")).alias("ahead"),
    )  # fmt: skip
    still = bars.select("timestamp", "asset_id", pl.col("asset_id").str.slice(1).alias("still"))
    found = Catalog().register("prices", bars).register("features", ahead, name="a")
    found.register("features", still.cast({"still": pl.Float64}), name="b")
    engine = BacktestEngine(found, TopN(2, by="ahead + 0 * still"))
    whole = engine.run()
    part = run_delayed(engine, whole, (None, None), ["1 bar"], Steps(None))
    names = AUDIT_TABLES["delays"].fields
    table = {row[0]: dict(zip(names, row, strict=True)) for row in part.rows["delays"]}
    assert whole["total_return"] > 0.5
    lost, kept = table["a"], table["b"]
    assert lost["total_return"] < 0.3  # type: ignore[operator]
    assert kept["n_signals_changed"] == 8  # of the first bar, before which there is none
    assert kept["share_orders_kept"] > 0.95  # type: ignore[operator]


@pytest.mark.parametrize(
    ("delays", "message"),
    [
        ("1 bar", "delays must be True or a list such as"),
        (["0 bars"], "must be an interval such as '1 day', was '0 bars'"),
        (["1 month"], "a delay in months has no length of its own"),
        (["-1 day"], "must not be negative"),
        ([3], "must be an interval"),
    ],
)
def test_what_is_no_delay_is_refused(delays: Any, message: str, market: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        BacktestEngine(catalog(market), strategy()).audit(1, delays=delays)
