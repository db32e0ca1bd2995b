"""Every smell is found where it was planted, and nowhere else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from effort import some
from ml4t.backtest import BacktestConfig, BacktestEngine, Catalog, ConfigError, TopN
from ml4t.backtest.audit.run_smells import smells_of_run
from ml4t.backtest.cli import app
from ml4t.backtest.data.smells.lag_profile import LEAST_ICS
from ml4t.backtest.data.smells.smell import SMELLS
from ml4t.backtest.errors import DataError, SmellError
from ml4t.backtest.execution import ExecutionPolicy
from ml4t.backtest.execution.timing import NextClose

N_ASSETS, N_BARS = 20, 200
OF_ASSET = "over (partition by asset_id order by timestamp)"


def days(n: int, first: dt.date = dt.date(2020, 1, 2)) -> list[dt.date]:
    """Business days."""
    found = [first + dt.timedelta(days=i) for i in range(2 * n + 7)]
    return [day for day in found if day.weekday() < 5][:n]


def market(
    seed: int = 0, n_assets: int = N_ASSETS, n_bars: int = N_BARS, times: list[Any] | None = None
) -> pl.DataFrame:
    """Prices that walk at random; volume and range move together."""
    draw = np.random.default_rng(seed)
    times = days(n_bars) if times is None else times
    n_bars = len(times)
    log_range = draw.normal(-4, 0.4, (n_bars, n_assets))
    common = draw.normal(0, 0.01, (n_bars, 1))
    moves = common + draw.normal(0.0002, 0.02, (n_bars, n_assets))
    close = draw.uniform(10, 200, n_assets) * np.exp(np.cumsum(moves, axis=0))
    half = np.exp(log_range) / 2
    volume = np.exp(11 + 0.8 * log_range + draw.normal(0, 0.3, log_range.shape)).round()
    return pl.DataFrame({
        "timestamp": [time for time in times for _ in range(n_assets)],
        "asset_id": [f"A{i:02}" for i in range(n_assets)] * n_bars,
        "open": close.ravel(), "high": (close * (1 + half)).ravel(),
        "low": (close * (1 - half)).ravel(), "close": close.ravel(), "volume": volume.ravel(),
    })  # fmt: skip


PRICES = market()


def catalog(prices: pl.DataFrame = PRICES, feature: Any = None, **options: Any) -> Catalog:
    made = Catalog().register("prices", prices)
    return made if feature is None else made.register("features", feature, **options)


def smells(made: Catalog) -> set[tuple[str, str, str]]:
    found = made.smells()
    rows = found.sql('select smell, source, "column" from smells').fetchall()
    assert len(rows) == len(set(rows))
    assert found.title == (f"{len(rows)} smell{'s' * (len(rows) > 1)}" if rows else "no smell")
    return set(rows)


def column(item: str) -> str:
    return f"select timestamp, asset_id, {item} as x from prices"


# -- what no forecast shows -------------------------------------------------------------------

RETURN = f"close / lag(close) {OF_ASSET} - 1"
AHEAD = {
    "shift(-1)": f"lead(close) {OF_ASSET}",
    "the next return": f"lead(close) {OF_ASSET} / close - 1",
    "its sign, with noise": f"sign(lead(close) {OF_ASSET} - close) + 2 * random()",
    "a centred mean": "avg(close) over (partition by asset_id order by timestamp rows between 2 "
    "preceding and 2 following)",
    "the close of the week on its days": "last_value(close) over (partition by asset_id, "
    "date_trunc('week', timestamp) order by timestamp rows between unbounded preceding and "
    "unbounded following)",
}
CLEAN = {
    "a trailing mean": "avg(close) over (partition by asset_id order by timestamp rows 4 "
    "preceding)",
    "an expanding z-score": f"(close - avg(close) {OF_ASSET}) / "
    f"nullif(stddev(close) {OF_ASSET}, 0)",
    "the last return": RETURN,
    "a momentum": f"close / lag(close, 20) {OF_ASSET} - 1",
    "a rank of the day": "percent_rank() over (partition by timestamp order by volume)",
    "chance": "random()",
    "a flag": "close > open",
    "the volume of the bar": "volume",
    "a sum of volumes": f"sum(volume) {OF_ASSET}",
    "the close before": f"lag(close) {OF_ASSET}",
}


def columns(items: dict[str, str]) -> str:
    of = ", ".join(f'{item} as "{name}"' for name, item in items.items())
    return f"select timestamp, asset_id, {of} from prices"


def test_a_column_that_shows_the_next_return_smells_and_one_of_the_past_does_not() -> None:
    found = smells(catalog(feature=columns(AHEAD | CLEAN)))
    both = {("ahead_of_last", "features", name) for name in AHEAD}
    both |= {("implausible_ic", "features", name) for name in AHEAD}
    # It goes with the last return as much.
    both.remove(("ahead_of_last", "features", "a centred mean"))
    assert found == both


def test_what_is_the_next_close_in_every_bar_smells_of_it_alone() -> None:
    # Its correlation is 1 at every bar, and deviates nowhere.
    found = catalog(feature=column(f"lead(close) {OF_ASSET}")).smells()
    rows = found.sql("select distinct value, split_part(sample, ' by ', 1) from smells").fetchall()
    assert rows == [(1.0, "the to close")]


def test_a_column_of_the_market_is_ranked_over_time() -> None:
    mean = PRICES.sort("timestamp").group_by("asset_id", maintain_order=True)
    moves = mean.agg(pl.col("timestamp"), pl.col("close").pct_change().alias("move")).explode(
        "timestamp", "move"
    )
    index = moves.group_by("timestamp").agg(pl.col("move").mean().alias("x")).sort("timestamp")
    ahead = index.with_columns(pl.col("x").shift(-1))
    assert smells(catalog().register("context", index)) == set()
    assert smells(catalog().register("context", ahead)) == {
        ("ahead_of_last", "context", "x"), ("implausible_ic", "context", "x")
    }  # fmt: skip


def test_few_assets_are_ranked_over_time() -> None:
    prices = market(3, n_assets=2)
    found = smells(catalog(prices, columns({"past": RETURN, "future": AHEAD["shift(-1)"]})))
    assert found == {
        ("ahead_of_last", "features", "future"), ("implausible_ic", "features", "future")
    }  # fmt: skip


def test_a_model_that_is_fitted_to_the_past_does_not_smell() -> None:
    close = PRICES["close"].to_numpy().reshape(-1, N_ASSETS)
    moves = np.diff(np.log(close), axis=0, prepend=np.nan)
    before = np.stack([np.roll(moves, lag, axis=0) for lag in range(3)], axis=-1)
    forecast = np.full_like(close, np.nan)
    for t in range(40, len(close)):
        known = before[5 : t - 1].reshape(-1, 3), moves[6:t].ravel()
        forecast[t] = before[t] @ np.linalg.lstsq(*known, rcond=None)[0]
    made = PRICES.select("timestamp", "asset_id").with_columns(x=pl.Series(forecast.ravel()))
    assert smells(catalog(feature=made.filter(pl.col("x").is_finite()))) == set()


def test_short_bars_that_turn_back_are_no_alarm() -> None:
    """A price between bid and ask: the last return says with which sign the next one comes."""
    prices = market(5)
    bounce = np.random.default_rng(1).choice([-0.03, 0.03], len(prices))
    prices = prices.with_columns(
        (pl.col("close") * np.exp(bounce)).alias("close"),
        pl.lit(1e-3).alias("low"), pl.lit(1e5).alias("high"),
    )  # fmt: skip
    made = catalog(prices, column(RETURN))
    assert smells(made) == set()
    ((turn,),) = (
        made.smells()
        .sql(
            "select mean_ic from lag_profile where column_name = 'x' and form = 'level' "
            "and move = 'return' and lag = 1"
        )
        .fetchall()
    )
    assert turn < -0.3


EARLY_VOLUME = f"lead(volume) {OF_ASSET}"


def test_the_volume_of_the_next_bar_is_known_too_early() -> None:
    assert smells(catalog(feature=column(EARLY_VOLUME))) == {("known_too_early", "features", "x")}
    later = f"select * replace ({EARLY_VOLUME} as volume) from prices"
    shifted = Catalog().register("prices", PRICES).sql(later).pl()
    assert smells(catalog(shifted.drop_nulls())) == {("known_too_early", "prices", "volume")}


def reference(prices: pl.DataFrame, x: dict[tuple[Any, str], float], lag: int) -> tuple[float, int]:
    """Return the mean rank correlation of a column with the return `lag` bars on, and its bars."""
    times = sorted(set(prices["timestamp"]))
    close = {(t, a): c for t, a, c in prices.select("timestamp", "asset_id", "close").iter_rows()}
    assets = sorted(set(prices["asset_id"]))
    ics = []
    for i in range(len(times)):
        if not 1 <= i + lag < len(times):
            continue
        pairs = [
            (x[times[i], a], close[times[i + lag], a] / close[times[i + lag - 1], a])
            for a in assets if (times[i], a) in x
        ]  # fmt: skip
        if len(pairs) > 1:
            ranks = [np.argsort(np.argsort(side)) for side in zip(*pairs, strict=True)]
            ics.append(float(np.corrcoef(*ranks)[0, 1]))
    return float(np.mean(ics)), len(ics)


def test_the_lag_profile_is_that_of_ten_lines_of_python() -> None:
    prices = market(7, n_assets=12, n_bars=60)
    made = catalog(prices, column(f"close - lag(close, 2) {OF_ASSET}"))
    x = {(t, a): v for t, a, v in made.sql(
        "select timestamp, asset_id, x from signals where x is not null"
    ).fetchall()}  # fmt: skip
    found = made.smells().sql(
        "select lag, mean_ic, n_bars from lag_profile where column_name = 'x' "
        "and form = 'level' and move = 'return' order by lag"
    ).fetchall()  # fmt: skip
    assert found == [
        (lag, pytest.approx(mean, abs=1e-9), n)
        for lag in range(-3, 4) for mean, n in [reference(prices, x, lag)]
    ]  # fmt: skip
    assert all(n >= LEAST_ICS for _, _, n in found)


@pytest.mark.parametrize("seed", some(range(200), 2))
def test_no_random_market_smells(seed: int) -> None:
    draw = np.random.default_rng(seed)
    prices = market(seed, n_assets=int(draw.integers(1, 40)), n_bars=int(draw.integers(40, 300)))
    items = {f"x{i}": draw.choice(list(CLEAN.values())) for i in range(4)}
    assert smells(catalog(prices, columns(items))) == set(), items


# -- clocks of reports --------------------------------------------------------------------------


def reports(
    delay: int = 45, revised: float = 0.1, on: Callable[[int, int], dt.date] | None = None
) -> pl.DataFrame:
    """Quarters of all assets, from before the prices on; some are restated a year later."""
    draw, rows = np.random.default_rng(11), []
    for i in range(N_ASSETS):
        for quarter in range(12):
            year, last = 2018 + quarter // 4, (3, 6, 9, 12)[quarter % 4]
            period = dt.date(year + last // 12, last % 12 + 1, 1) - dt.timedelta(days=1)
            known = period + dt.timedelta(days=delay)
            rows.append((period, f"A{i:02}", known, draw.normal()))
            if draw.random() < revised:
                rows.append((period, f"A{i:02}", known + dt.timedelta(days=300), draw.normal()))
    return pl.DataFrame(
        rows, schema=["timestamp", "asset_id", "published_at", "earnings"], orient="row"
    )


def test_reports_with_vintages_do_not_smell() -> None:
    assert smells(catalog(feature=reports(), available_at="published_at")) == set()


def test_reports_that_were_never_restated_smell() -> None:
    found = smells(catalog(feature=reports(revised=0), available_at="published_at"))
    assert found == {("one_revision", "features", "available_at")}


def test_a_column_of_the_day_has_one_revision_and_does_not_smell() -> None:
    daily = PRICES.select(
        "timestamp", "asset_id", pl.col("timestamp").alias("known"), pl.col("volume").alias("x")
    )
    assert smells(catalog(feature=daily, available_at="known")) == set()


def test_reports_known_before_their_period_is_over_smell() -> None:
    found = smells(catalog(feature=reports(delay=-10), available_at="published_at"))
    assert ("available_before_period", "features", "available_at") in found


@pytest.mark.parametrize("clock", ["published_at", None])
def test_reports_known_at_the_end_of_their_period_smell(clock: str | None) -> None:
    given = reports(delay=0)
    if clock is None:
        given = given.drop("published_at").unique(["timestamp", "asset_id"])
    found = smells(catalog(feature=given, available_at=clock))
    assert ("known_at_period_end", "features", "timestamp") in found
    lagged = given.unique(["timestamp", "asset_id"]).drop("published_at", strict=False)
    assert smells(catalog(feature=lagged, lag="45 days")) == set()


def test_months_stamped_at_their_first_day_smell_and_ends_of_resampled_months_do_not() -> None:
    months = [dt.date(2020 + i // 12, i % 12 + 1, 1) for i in range(14)]
    first = {"timestamp": months, "cpi": [float(i * i % 5) for i in range(14)]}
    last = {**first, "timestamp": [day - dt.timedelta(days=1) for day in months]}
    assert smells(catalog().register("context", first)) == {
        ("known_at_period_end", "context", "timestamp")
    }
    assert smells(catalog().register("context", last)) == set()


# -- who is missing -------------------------------------------------------------------------------


def listed(leaves: bool) -> pl.DataFrame:
    """Prices of which ten assets come in later, and some go unless all are survivors."""
    prices = market(2, n_assets=30)
    when = prices["timestamp"].unique().sort()
    late = [f"A{i:02}" for i in range(10)]
    gone = ["A20", "A21"] if leaves else []
    return prices.filter(
        ~(pl.col("asset_id").is_in(late) & (pl.col("timestamp") < when[60]))
        & ~(pl.col("asset_id").is_in(gone) & (pl.col("timestamp") > when[150]))
    )


def test_survivors_smell() -> None:
    assert smells(catalog(listed(leaves=True))) == set()
    assert smells(catalog(listed(leaves=False))) == {("no_asset_leaves", "prices", "asset_id")}


def test_many_assets_of_which_none_comes_or_goes_smell() -> None:
    quarters = [dt.date(2000 + i // 4, 3 * (i % 4) + 1, 3) for i in range(60)]
    assert smells(catalog(market(4, n_assets=60, times=quarters))) == {
        ("no_asset_leaves", "prices", "asset_id")
    }
    assert smells(catalog(market(4, n_assets=20, times=quarters))) == set()


def members(ended: bool) -> dict[str, list[Any]]:
    first, later, last = dt.date(2019, 1, 1), dt.date(2020, 4, 1), dt.date(2020, 8, 3)
    names = [f"A{i:02}" for i in range(20)]
    return {
        "asset_id": names,
        "start_date": [later if i < 8 else first for i in range(20)],
        "end_date": [last if ended and i == 12 else None for i in range(20)],
    }


def test_members_that_never_leave_smell() -> None:
    assert smells(catalog().register("universe", pl.DataFrame(members(ended=True)))) == set()
    given = pl.DataFrame(members(ended=False), schema_overrides={"end_date": pl.Date})
    assert smells(catalog().register("universe", given)) == {
        ("no_member_leaves", "universe", "end_date")
    }


def test_members_without_prices_smell() -> None:
    given = members(ended=True)
    given["asset_id"][3] = "GONE"
    found = catalog().register("universe", pl.DataFrame(given)).smells()
    ((smell, n_rows, value, sample),) = found.sql(
        "select smell, n_rows, value, sample from smells"
    ).fetchall()
    assert (smell, n_rows, value) == ("member_without_price", 1, 1 / 20)
    assert "GONE" in sample


# -- stamps -----------------------------------------------------------------------------------


def stamps(first: dt.time, n: int, minutes: int, n_days: int = 12) -> list[dt.datetime]:
    return [
        dt.datetime.combine(day, first) + dt.timedelta(minutes=minutes * i)
        for day in days(n_days) for i in range(n)
    ]  # fmt: skip


CLOSES = stamps(dt.time(9, 35), 78, 5)
OPENS = stamps(dt.time(9, 30), 78, 5)


def hours(n_days: int = 12) -> pl.DataFrame:
    found = days(n_days)
    return pl.DataFrame({
        "session": found,
        "opens": [dt.datetime.combine(day, dt.time(9, 30)) for day in found],
        "closes": [dt.datetime.combine(day, dt.time(16)) for day in found],
    })  # fmt: skip


@pytest.mark.parametrize("has_hours", [False, True])
def test_bars_stamped_at_their_open_smell(has_hours: bool) -> None:
    for times, smelled in ((CLOSES, False), (OPENS, True)):
        made = catalog(market(times=times, n_assets=2))
        made = made.register("calendar", hours()) if has_hours else made
        found = smells(made)
        assert (("stamped_at_open", "prices", "timestamp") in found) is smelled
        assert smelled or found == set()
    said = Catalog().register("prices", market(times=OPENS, n_assets=2), stamp="open")
    assert smells(said) == set()


@pytest.mark.parametrize("times", [
    stamps(dt.time(0), 288, 5, 10),  # around the clock
    stamps(dt.time(10, 30), 6, 60, 40),  # hours, the last shorter
    stamps(dt.time(9, 45), 26, 15),  # bars as long as the rounding tell nothing
])  # fmt: skip
def test_other_bars_do_not(times: list[dt.datetime]) -> None:
    assert smells(catalog(market(times=times, n_assets=2))) == set()


def test_a_source_in_another_zone_smells() -> None:
    prices = market(times=CLOSES, n_assets=2)
    own = prices.select("timestamp", "asset_id", pl.col("volume").alias("x"))
    assert smells(catalog(prices, own)) == set()
    for moved in (-5, 1):
        shifted = own.with_columns(pl.col("timestamp") + pl.duration(hours=moved))
        found = (
            catalog(prices, shifted)
            .smells()
            .sql("select smell, source, value from smells where smell = 'hours_shifted'")
        )
        assert found.fetchall() == [("hours_shifted", "features", -moved)]
    evening = own.filter(pl.col("timestamp").dt.time() == dt.time(16)).with_columns(
        pl.col("timestamp") + pl.duration(minutes=30)
    )
    assert smells(catalog(prices, evening)) == set()


def test_bars_in_another_zone_than_the_calendar_smell() -> None:
    moved = market(times=CLOSES, n_assets=2).with_columns(
        pl.col("timestamp") + pl.duration(hours=5)
    )
    found = smells(catalog(moved).register("calendar", hours()))
    assert found == {
        ("hours_shifted", "prices", "timestamp"), ("bar_outside_hours", "calendar", "")
    }  # fmt: skip


def test_dates_among_times_smell() -> None:
    prices = market(times=CLOSES, n_assets=2)
    own = prices.select("timestamp", "asset_id", pl.col("volume").alias("x"))
    dates = own.filter(pl.col("timestamp").dt.time() == dt.time(12)).with_columns(
        pl.col("timestamp").dt.truncate("1d")
    )
    assert smells(catalog(prices, pl.concat([own, dates]))) == {
        ("midnights", "features", "timestamp")
    }
    around = market(times=stamps(dt.time(0), 24, 60), n_assets=2)
    half = around.filter(pl.col("timestamp").dt.hour() % 12 == 0).select(
        "timestamp", "asset_id", pl.col("volume").alias("x")
    )
    assert smells(catalog(around, half)) == set()
    daily = half.with_columns(pl.col("timestamp").dt.truncate("1d")).unique(
        ["timestamp", "asset_id"]
    )
    later = half.filter(pl.col("timestamp").dt.hour() == 12)[:2]
    assert smells(catalog(around, pl.concat([daily, later]))) == {
        ("midnights", "features", "timestamp")
    }


# -- actions ------------------------------------------------------------------------------------


def dividends() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Prices that fall at dividends, and the dividends."""
    prices, paid = market(6), []
    times = sorted(set(prices["timestamp"]))
    rows = {(t, a): c for t, a, c in prices.select("timestamp", "asset_id", "close").iter_rows()}
    left = []
    for i, asset in enumerate(sorted(set(prices["asset_id"]))):
        share = 1.0
        for t, time in enumerate(times):
            if t and (t + i) % 20 == 0:
                paid.append((asset, time, "dividend", 0.02 * rows[times[t - 1], asset] * share))
                share *= 0.98
            left.append((time, asset, share))
    falls = pl.DataFrame(left, schema=["timestamp", "asset_id", "share"], orient="row")
    traded = prices.join(falls, on=["timestamp", "asset_id"]).with_columns(
        pl.col("open", "high", "low", "close") * pl.col("share")
    ).drop("share")  # fmt: skip
    actions = pl.DataFrame(paid, schema=["asset_id", "ex_date", "kind", "value"], orient="row")
    return traded, actions


def test_dividends_beside_prices_that_do_not_fall_at_them_smell() -> None:
    traded, actions = dividends()
    assert smells(catalog(traded).register("actions", actions)) == set()
    assert smells(catalog(market(6)).register("actions", actions)) == {
        ("dividends_in_prices", "actions", "value")
    }


def test_splits_beside_adjusted_prices_are_refused_and_columns_without_actions_smell() -> None:
    split = {"asset_id": ["A00"], "ex_date": [days(100)[-1]], "kind": ["split"], "value": [7.0]}
    with pytest.raises(DataError, match="split_without_jump"):
        catalog().register("actions", split).smells()
    split["value"] = [2.0]
    assert smells(catalog().register("actions", split)) == {
        ("splits_in_prices", "actions", "value")
    }
    columns = PRICES.with_columns(split=pl.lit(1.0), dividend=pl.when(
        pl.col("timestamp") == days(50)[-1]).then(0.1).otherwise(0.0))  # fmt: skip
    found = catalog(columns).smells()
    ((smell, n_rows, text),) = found.sql("select smell, n_rows, what_to_do from smells").fetchall()
    assert (smell, n_rows) == ("dividends_unapplied", N_ASSETS)
    assert "register them as actions" in text


# -- a run, and strictness ----------------------------------------------------------------------


def engine(made: Catalog, **execution: Any) -> BacktestEngine:
    config = BacktestConfig(execution=ExecutionPolicy(**execution))
    return BacktestEngine(made, TopN(3, by="volume", every=5), config=config, start=days(180)[-1])


def test_the_volume_of_the_fill_bar_smells_where_it_cuts_an_open() -> None:
    thin = PRICES.with_columns(pl.col("volume") / 1e4)
    thick = PRICES.with_columns(pl.col("volume") * 1e4)
    for prices, settings, expected in (
        (thin, {"participation": 0.1}, [("volume_of_fill_bar", "config", "participation")]),
        (thin, {"participation": 0.1, "timing": NextClose()}, []),
        (thin, {}, []),
        (thick, {"participation": 0.1}, []),
    ):
        made = engine(catalog(prices), **settings)
        part = smells_of_run(made, made.run(), strict=False)
        assert [row[:3] for row in part.rows["smells"]] == expected


def test_what_smells_can_be_refused() -> None:
    made = catalog(feature=column(EARLY_VOLUME))
    made.register("universe", pl.DataFrame(members(ended=False)))
    with pytest.raises(SmellError, match="there are 2 smells") as caught:
        made.smells(strict=True)
    assert len(caught.value.smells) == 2
    assert "known_too_early of features, x" in str(caught.value)
    assert "no_member_leaves of universe, end_date" in str(caught.value)
    assert catalog().smells(strict=True).found == ()
    with pytest.raises(ConfigError, match="strict must be True or False, was 'no'"):
        catalog().smells(strict="no")  # type: ignore[arg-type]


def test_the_command_line_refuses_what_smells(tmp_path: Path) -> None:
    PRICES.write_parquet(tmp_path / "prices.parquet")
    ahead = catalog(feature=column(EARLY_VOLUME)).sql("select * from signals").pl()
    ahead.select("timestamp", "asset_id", "x").write_parquet(tmp_path / "features.parquet")
    (tmp_path / "run.toml").write_text(
        f'[sources.prices]\npath = "{tmp_path}/prices.parquet"\n'
        f'[sources.features]\npath = "{tmp_path}/features.parquet"\n'
        '[strategy]\nkind = "TopN"\nn = 3\nby = "x"\nevery = 20\n'
    )
    command = ["audit", str(tmp_path / "run.toml"), "--cuts", "1", "--strict"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    assert "known_too_early of features, x" in done.output


def test_an_audit_has_what_smells_and_refuses_it() -> None:
    made = engine(catalog(feature=column(EARLY_VOLUME)))
    with pytest.raises(SmellError, match=r"there is 1 smell\n.*known_too_early"):
        made.audit(1, strict=True)
    rows = made.catalog.sql("select timestamp, asset_id, x from signals").pl()
    file = engine(catalog(feature=rows))
    audit = file.audit(1)
    assert audit.sql('select smell, source, "column" from smells').fetchall() == [
        ("known_too_early", "features", "x")
    ]
    assert audit.is_clean
    assert "1 smell" in audit.title


def test_the_guide_says_what_each_smell_is() -> None:
    page = Path(__file__).parents[1] / "docs" / "guide" / "smells.md"
    text = page.read_text(encoding="utf-8")
    assert {name for name in SMELLS if f"`{name}`" not in text} == set()
