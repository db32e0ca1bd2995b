"""The period of a run: it equals a run over data cut to it, but for what looks back."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pytest
from typer.testing import CliRunner

from effort import examples
from ml4t.backtest import (
    BacktestEngine,
    BacktestResult,
    Catalog,
    ConfigError,
    TopN,
)
from ml4t.backtest.cli import app
from ml4t.backtest.data.feature_provider import CallableFeatureProvider
from ml4t.backtest.risk import RiskManager, VolatilityScaledStopLoss
from ml4t.backtest.runfile import engine_of
from ml4t.backtest.strategies import PercentSizer, Rule, SignalStrategy
from ml4t.backtest.strategies.predicate import InSQL
from money import Case, differences, engine_run, money_case, reference_run
from test_results import tables

CASES = examples(4)
BLOCK = 4


def cut(case: Case, first: int, last: int) -> Case:
    """Return the case of the bars from one to another; what was known before stays known."""
    universe, options = case
    times = sorted(universe.bars)
    kept = {time: universe.bars[time] for time in times[first : last + 1]}
    borrow = options.get("borrow")
    if borrow:  # what was said before the first bar is known at it
        warm = {}
        for (time, asset), said in sorted(borrow.items(), key=lambda one: one[0]):
            warm[max(time, times[first]), asset] = said
        borrow = warm
    return replace(universe, bars=kept), {**options, "borrow": borrow}


def drawn_period(seed: int, case: Case) -> tuple[int, int]:
    pick = random.Random(f"period {seed}")
    n_bars = len(case[0].bars)
    first = pick.randrange(n_bars - 4)
    return first, pick.randrange(first + 2, n_bars)


def of_period(case: Case, first: int) -> Case:
    """Return the case with its script counted from the first bar of the period."""
    universe, options = case
    script = {t - first: row for t, row in options["script"].items() if t >= first}
    return universe, {**options, "script": script}


@pytest.fixture(autouse=True)
def _invariants() -> None:
    """Leave out what the ends of orders must be: a split or a replaced limit moves the goal."""


@pytest.mark.parametrize("begin", range(0, CASES, BLOCK))
def test_a_period_of_everything_equals_the_reference_over_its_bars(begin: int) -> None:
    for seed in range(begin, begin + BLOCK):
        case = money_case(seed)
        first, last = drawn_period(seed, case)
        case, times = of_period(case, first), sorted(case[0].bars)
        found = engine_run(*case, start=times[first], end=times[last])
        assert differences(found, reference_run(*cut(case, first, last))) == [], seed


# Seeds whose scripts name no asset that has no bar in the period, which cut prices do not know.
@pytest.mark.parametrize("seed", [0, 2, 3, 4, 6, 7])
def test_a_period_writes_the_tables_of_a_run_whose_prices_are_cut_to_it(seed: int) -> None:
    case = money_case(seed)
    first, last = drawn_period(seed, case)
    case, times = of_period(case, first), sorted(case[0].bars)
    universe, options = case
    options["actions"] = []  # a rename to what has no bar is refused where bars are cut
    is_in = pl.col("timestamp").is_between(times[first], times[last])
    bars = replace(universe, prices=universe.prices.filter(is_in))
    whole = engine_run(*case, start=times[first], end=times[last])
    found, expected = comparable(whole), comparable(engine_run(bars, {**options, "files": None}))
    assert found == expected


def comparable(result: BacktestResult) -> dict[str, Any]:
    """Every table but its id, and of ``runs`` what does not depend on how bars were left out."""
    columns = "fill_policy, n_bars, activity, misses, rows_dropped"
    return {
        name: result.sql(
            f"select {columns} from runs"
            if name == "runs"
            else f"select * exclude (run_id) from {name}"
        ).fetchall()
        for name in tables(result)
    }


# -- what looks back -------------------------------------------------------------------------

DAYS = [date(2024, 1, 1) + timedelta(days=i) for i in range(60)]
PRICES = pl.DataFrame(
    [
        {
            "timestamp": day,
            "asset_id": asset,
            "close": close,
            "open": close,
            "high": close,
            "low": close,
        }
        for asset, seed in (("A", 1), ("B", 2), ("C", 3))
        for i, day in enumerate(DAYS)
        for close in [round(100 + 10 * float(np.sin(seed + i / 3)) + (i * 7 * seed) % 5, 2)]
        if (i + seed) % 11  # each has days without a bar
    ]
)
START, END = DAYS[30], DAYS[50]


def catalog(prices: pl.DataFrame = PRICES) -> Catalog:
    return Catalog(threads=1).register("prices", prices)


def selected(result: BacktestResult) -> list[tuple[Any, ...]]:
    return result.sql("select timestamp, asset_id, score from selections").fetchall()


def test_indicators_are_those_of_all_data_before_the_start() -> None:
    data = catalog().indicators.sma(10, name="mean").indicators.momentum(5, name="moved")
    found = selected(BacktestEngine(data, TopN(3, by="mean + moved")).run(start=START, end=END))
    rows = PRICES.to_pandas().sort_values(["asset_id", "timestamp"])
    close = rows.groupby("asset_id")["close"]
    rows["score"] = close.transform(lambda x: x.rolling(10).mean()) + close.pct_change(5)
    rows = rows[(rows["timestamp"].dt.date >= START) & (rows["timestamp"].dt.date <= END)]
    expected = {(t.date(), a): s for t, a, s in rows[["timestamp", "asset_id", "score"]].values}
    assert {(t, a): pytest.approx(s) for t, a, s in found} == expected
    assert min(found)[0] == START


# Values before, at the last bar before the start, and at the start; None: no bar.
CROSSING = {"A": (1, 1, 3), "B": (1, None, 3), "C": (3, 3, 3), "D": (None, None, 3), "E": (3, 1, 3),
            "F": (1, 3, 3), "G": (1, 1, 1)}  # fmt: skip


@pytest.mark.parametrize("of", ["prices", "features", "late features", "other kinds"])
def test_the_bar_before_of_a_condition_is_warm_at_the_first_bar(of: str) -> None:
    days = DAYS[:5]  # two more follow, on which the orders fill
    rows = [
        {"timestamp": day, "asset_id": asset, "close": float(value), "open": float(value)}
        for asset, values in CROSSING.items()
        for day, value in zip(days, (*values, 3, 3), strict=True)
        if value is not None
    ]
    prices = pl.DataFrame(rows)
    data, name = catalog(prices), "close"
    rule = Rule.crosses_above(name, 2)
    if of != "prices":
        # Known at its bar, or an hour earlier: then no row is of the bar's own time.
        stamps = pl.col("timestamp").cast(pl.Datetime)
        early = timedelta(hours=1 if of == "late features" else 0)
        features = prices.select(stamps - early, "asset_id", level="close", kind=pl.lit("x"))
        data = catalog(prices.with_columns(stamps)).register("features", features)
        rule = Rule.crosses_above("level", 2)
    if of == "other kinds":  # is answered from joined rows, since a text has no dense array
        rule = rule & InSQL("signals.kind = 'x'")
    strategy = SignalStrategy([rule], position_sizer=PercentSizer(0.1))
    result = BacktestEngine(data, strategy).run(start=days[2])
    orders = result.sql("select created_at::date, asset_id from orders order by all").fetchall()
    assert orders == [(days[2], "A"), (days[2], "B"), (days[2], "E"), (days[3], "G")]


def test_membership_of_the_bar_before_is_warm_too() -> None:
    members = pl.DataFrame(
        {"asset_id": ["A", "B"], "start_date": [START, DAYS[0]], "end_date": [None, None]},
        schema_overrides={"end_date": pl.Date},
    )
    prices = PRICES.filter(pl.col("asset_id") < "C")
    data = catalog(prices).register("universe", members)
    joins = InSQL('signals.is_member and signals."__previous_is_member" = 0')
    strategy = SignalStrategy([joins], position_sizer=PercentSizer(0.1))
    found = [
        BacktestEngine(data, strategy)
        .run(start=start)
        .sql("select asset_id from orders")
        .fetchall()
        for start in (START, DAYS[10])
    ]
    assert found == [[("A",)], [("A",)]]


def test_every_counts_from_the_first_bar_of_the_run_in_runs_and_previews() -> None:
    strategy, data = TopN(1, by="close", every=5, offset=2), catalog()
    result = BacktestEngine(data, strategy).run(start=START, end=END)
    found = result.sql("select distinct timestamp from selections order by 1").fetchall()
    assert [day for (day,) in found] == DAYS[31:51:5]
    reasons = [
        {row[-1] for row in data.preview(strategy, DAYS[31], **start).fetchall()}
        != {"no decision bar"}
        for start in ({}, {"start": START})
    ]
    assert reasons == [True, True] if (31 + 1 - 2) % 5 == 0 else [False, True]


def decided(every: int | str, **period: Any) -> list[date]:
    result = BacktestEngine(catalog(), TopN(1, by="close", every=every)).run(**period)
    found = result.sql("select distinct timestamp from selections order by 1").fetchall()
    return [day for (day,) in found]


def test_a_schedule_in_words_counts_from_the_run_and_knows_months_from_all_bars() -> None:
    assert decided("month_start") == [DAYS[0], DAYS[31]]
    assert decided("month_start", start=DAYS[20]) == [DAYS[31]]
    weeks = [day for day in DAYS[30:] if day.weekday() == 0]  # the first one is the run's own
    assert decided("2 weeks", start=START) == [START, *weeks[1::2]]


def test_progress_counts_the_bars_of_the_run() -> None:
    seen: list[tuple[int, int]] = []
    BacktestEngine(catalog(), TopN(1, by="close")).run(
        lambda done, total: seen.append((done, total)), start=START, end=END
    )
    assert seen[-1] == (21, 21)


def test_a_function_computes_for_the_bars_of_the_run_alone() -> None:
    asked: list[datetime] = []

    def computed(asset_id: str, timestamp: datetime) -> dict[str, float]:
        asked.append(timestamp)
        return {"x": float(timestamp.day)}

    manager = RiskManager(
        [VolatilityScaledStopLoss(2.0, "x")], feature_provider=CallableFeatureProvider(computed)
    )
    result = BacktestEngine(catalog(), TopN(1, by="close"), risk_manager=manager).run(
        start=START, end=END
    )
    rows = result.sql("select timestamp, value from signals where value is not null").fetchall()
    assert rows
    assert {time.date() for time in asked} <= set(DAYS[30:51])
    assert all(value == day.day for day, value in rows)


def test_the_statements_of_a_period_are_explained() -> None:
    engine = BacktestEngine(catalog(), TopN(1, by="close"), start=START)
    assert "timeline/period.sql" in [one.file for one in engine.explain()]
    assert "timeline/period.sql" in [one.file for one in engine.explain(start=DAYS[2], end=END)]


# -- how it is said --------------------------------------------------------------------------


def span(result: BacktestResult) -> tuple[Any, Any, int]:
    return result["first_timestamp"], result["last_timestamp"], result["n_bars"]


def run(data: Catalog, **period: Any) -> BacktestResult:
    return BacktestEngine(data, TopN(1, by="close")).run(**period)


@pytest.mark.parametrize(
    "start",
    [DAYS[30], DAYS[30].isoformat(), f" {DAYS[30]} ", datetime(2024, 1, 31), "2024-01-31T00:00",
     pd.Timestamp("2024-01-31"), np.datetime64("2024-01-31"), "2024-01-30 00:00:01"],
)  # fmt: skip
def test_a_start_is_a_date_or_a_time_in_any_form(start: Any) -> None:
    assert span(run(catalog(), start=start))[0] == DAYS[30]


def test_bars_between_two_days_without_any_are_found_inwards() -> None:
    prices = PRICES.filter(~pl.col("timestamp").is_in([*DAYS[28:32], *DAYS[48:53]]))
    assert span(run(catalog(prices), start=DAYS[29], end=DAYS[50])) == (DAYS[32], DAYS[47], 16)
    assert span(run(catalog(prices), start="1990-01-01", end="2100-01-01"))[2] == 51


def intraday(zone: str | None) -> Catalog:
    stamps = [datetime(2024, 3, 8, 9, 30) + timedelta(hours=3 * i) for i in range(30)]
    times = pl.Series("timestamp", stamps)
    if zone is not None:
        times = times.dt.replace_time_zone("UTC")
    prices = pl.DataFrame({"timestamp": times, "asset_id": "A", "close": 10.0, "open": 10.0})
    return Catalog(timezone=zone or "UTC").register("prices", prices)


def test_a_date_is_all_of_its_day_in_the_zone_of_the_catalog() -> None:
    found = run(intraday(None), start="2024-03-09", end=date(2024, 3, 10))
    assert span(found) == (datetime(2024, 3, 9, 0, 30), datetime(2024, 3, 10, 21, 30), 16)
    zone = ZoneInfo("America/New_York")  # the clocks change on the tenth, a day of 23 hours
    first, last, n_bars = span(
        run(intraday("America/New_York"), start="2024-03-10", end="2024-03-10")
    )
    assert first.astimezone(UTC) == datetime(2024, 3, 10, 6, 30, tzinfo=UTC)
    assert (last.astimezone(UTC), n_bars) == (datetime(2024, 3, 11, 3, 30, tzinfo=UTC), 8)
    exact = run(intraday("America/New_York"), start=datetime(2024, 3, 10, 1, 30, tzinfo=zone),
                end=datetime(2024, 3, 10, 9, 29, tzinfo=UTC))  # fmt: skip
    assert span(exact)[2] == 1


BARS = "prices have bars from 2024-01-01 to 2024-02-29"
NO_TIME = "must be a date or a time such as '2020-01-31', was"


@pytest.mark.parametrize(
    ("bars", "period", "message"),
    [
        ("days", {"start": "2024-03-01"}, f"start 2024-03-01 is after the last bar; {BARS}"),
        ("days", {"end": date(2023, 12, 31)}, f"end 2023-12-31 is before the first bar; {BARS}"),
        ("days", {"start": END, "end": START},
         f"there is no bar from start 2024-02-20 to end 2024-01-31; {BARS}"),
        ("days", {"start": datetime(2024, 1, 5, tzinfo=UTC)},
         f"start 2024-01-05 00:00:00+00:00 has a zone, and {BARS}; give a time without one"),
        ("zoned", {"end": "2024-03-09 12:00"},
         "end 2024-03-09 12:00:00 has no zone, and prices have bars from 2024-03-08 09:30:00+00 to "
         "2024-03-12 00:30:00+00; give a time with one, or a date"),
        ("days", {"start": 20240105}, f"start {NO_TIME} 20240105"),
        ("days", {"start": "January"}, f"start {NO_TIME} 'January'"),
        ("days", {"end": True}, f"end {NO_TIME} True"),
        ("days", {"end": pd.NaT}, f"end {NO_TIME} NaT"),
        ("days", {"end": np.datetime64("2024-01")}, f"end {NO_TIME} "),
        ("nanoseconds", {"end": "9999-01-01"},
         "end 9999-01-01 cannot be compared with bars; prices have bars from"),
    ],
)  # fmt: skip
def test_a_period_that_cannot_be_is_refused(bars: str, period: Any, message: str) -> None:
    stamps = pl.col("timestamp").cast(pl.Datetime("ns"))
    data = {
        "days": catalog(), "zoned": intraday("UTC"),
        "nanoseconds": catalog(PRICES.with_columns(stamps)),
    }[bars]  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        run(data, **period)
    assert str(caught.value).startswith(message)


def test_a_run_file_and_the_command_line_say_the_period(tmp_path: Path) -> None:
    PRICES.write_parquet(tmp_path / "prices.parquet")
    file = tmp_path / "run.toml"
    text = '[sources.prices]\npath = "prices.parquet"\n[strategy]\nkind = "TopN"\n'
    text += 'n = 1\nby = "close"\n'
    file.write_text(f'{text}[run]\nstart = 2024-01-31\nend = "2024-02-20"\n')
    assert span(engine_of(file).run()) == (START, END, 21)
    assert span(engine_of(file).run(end=DAYS[40])) == (START, DAYS[40], 11)
    asked = ["run", str(file), "--start", "2024-02-01", "--json"]
    found = json.loads(CliRunner().invoke(app, asked).stdout)
    assert found["metrics"]["first_timestamp"] == "2024-02-01"
    assert found["configuration"]["start"] == "2024-02-01"
    assert found["configuration"]["end"] == "2024-02-20"
    file.write_text(f"{text}[run]\nstart = 2024\n")
    with pytest.raises(ConfigError, match=r"\[run\] start must be a date, or a time"):
        engine_of(file)


def test_the_period_is_a_part_of_the_identity_of_a_run() -> None:
    ids = {
        run(catalog(), **period).sql("select run_id from runs").fetchall()[0][0]
        for period in ({}, {"start": START}, {"start": str(START)}, {"end": START})
    }
    assert len(ids) == 3


def test_assets_without_a_bar_in_the_period_are_not_counted() -> None:
    prices = PRICES.filter((pl.col("asset_id") != "C") | (pl.col("timestamp") < START))
    result = run(catalog(prices), start=START)
    assert result.sql("select n_assets, n_bars from runs").fetchall() == [(2, 30)]
