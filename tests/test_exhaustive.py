"""Every bar is a cut for what SQL computes: a leak at one bar is found, and nothing else."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import polars as pl
import pytest
from typer.testing import CliRunner

from causality.grammar import Grammar
from causality.panels import TABLES, make_panel
from effort import long, some
from ml4t.backtest import BacktestEngine, Catalog, Strategy, TopN
from ml4t.backtest.audit import exhaustive, verify
from ml4t.backtest.audit.comparing import compare_views
from ml4t.backtest.audit.cuts import left_ends
from ml4t.backtest.audit.exhaustive import ANEW, ONE_BY_ONE, TOGETHER, audit_each_bar
from ml4t.backtest.audit.steps import Steps
from ml4t.backtest.audit.unlike import part_hashes
from ml4t.backtest.cli import app, looking
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.data.cut.cut_catalog import CutCatalog
from ml4t.backtest.data.cut.places import ReadPlace, places_in, with_others
from ml4t.backtest.data.sql_files import read, render, rows_of
from ml4t.backtest.data.stream.period import find_period
from ml4t.backtest.strategy.broker import StrategyBroker
from ml4t.backtest.synthetic import make_market

N_BARS = 40
OF_ASSET = "partition by asset_id order by timestamp"


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_market(tmp_path_factory.mktemp("exhaustive"), n_assets=5, n_bars=N_BARS)
    return folder / "prices.parquet"


class Waits(Strategy):
    """Does nothing."""

    def decide(self, batch: Batch, broker: StrategyBroker) -> None: ...


def duckdb_rows(file: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(query).fetchall()


class Told(NamedTuple):
    """A row of the table."""

    place: str
    column: str
    source: str | None
    n_bars: int | None
    n_differ: int | None
    n_rows: int | None
    bar: str | None
    asset_id: str | None
    whole: str | None
    known: str | None
    how: str | None
    why: str | None


def told_of(catalog: Catalog, strategy: Strategy | None = None) -> list[Told]:
    """Return the rows of that part of an audit alone."""
    engine = BacktestEngine(catalog, strategy or Waits())
    period = find_period(None, None, catalog.prepare())
    part = audit_each_bar(engine, period, Steps(None))
    rows = [Told(*row) for row in part.rows["exhaustive"]]
    differ = [(row.column, row.bar) for row in rows if row.n_differ]
    assert [(row[2], row[0]) for row in part.rows["differences"]] == differ
    assert part.is_clean == (not differ)
    return rows


def differing(rows: list[Told]) -> dict[str, int | None]:
    return {row.column: row.n_differ for row in rows if row.n_differ}


def test_a_leak_at_one_bar_is_found_where_sampled_cuts_miss_it_and_found_again(
    prices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rare = (
        f"select timestamp, asset_id, if(timestamp = '2020-02-05', lead(close) over ({OF_ASSET}), "
        "close) as own from prices"
    )
    catalog = Catalog().register("prices", prices).register("features", rare)
    engine = BacktestEngine(catalog, TopN(2, by="own", every=5))
    monkeypatch.setattr(looking, "engine_of", lambda _: engine)
    saved = tmp_path / "run.duckdb"
    command = ["audit", "run.toml", "--cuts", "4", "--exhaustive", "--json", "--save", str(saved)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1, done.output
    document = json.loads(done.stdout)
    assert [row[2] for row in document["cuts"]["rows"]] == [0] * 4
    rows = [Told(*row) for row in document["exhaustive"]["rows"]]
    assert [(row.column, row.n_differ, (row.bar or "")[:10]) for row in rows if row.n_differ] == [
        ("own", 1, "2020-02-05")
    ]
    (found,) = document["differences"]["rows"]
    assert [cell[:10] for cell in (found[0], found[4])] == ["2020-02-05"] * 2
    assert (*found[1:4], found[5], found[8]) == ("signals", "own", 5, "S0000", "features")
    outcomes = {one.check: str(one.outcome) for one in verify(saved, engine).checks}
    assert outcomes["replay"] == "holds"
    asked = duckdb_rows(saved, "select asked, title from audit.certificate")
    assert json.loads(asked[0][0])["exhaustive"] is True
    assert "1 differs: own (at 1 bar, first 2020-02-05 00:00:00)" in asked[0][1]


def test_what_reads_the_past_is_no_alarm(prices: Path) -> None:
    causal = f"""
        select timestamp, asset_id, avg(close) over (w rows 5 preceding) as mean,
            (close - avg(close) over w) / stddev(close) over w as z,
            rank() over (partition by timestamp order by close) as place,
        from '{prices}' window w as ({OF_ASSET})
    """
    told = pl.read_parquet(prices).with_columns(
        # Two vintages of each week: the second is known five days later, and says something else.
        timestamp=pl.col("timestamp").dt.truncate("1w"),
        available_at=pl.col("timestamp"), eps=pl.col("close").round(0),
    ).filter(pl.col("available_at").dt.weekday().is_in([2, 5]))  # fmt: skip
    vintages = told.select("timestamp", "asset_id", "available_at", "eps")
    members = {"asset_id": ["S0000", "S0001", "S0002"], "start_date": ["2020-01-02"] * 3,
               "end_date": ["2020-01-20", None, "2020-02-20"]}  # fmt: skip
    market = f"select timestamp, avg(close) as level from '{prices}' group by all"
    catalog = Catalog().register("prices", prices).register("features", causal)
    catalog.register("features", vintages, name="reported").register("universe", members)
    catalog.register("context", market, lag="1 day").indicators.ema(5)
    strategy = TopN(
        2, by=f"mean / lag(close, 3) over ({OF_ASSET})", where="eps > 0",
        when="level > lag(level) over (order by timestamp)",
    )  # fmt: skip
    rows = told_of(catalog, strategy)
    assert differing(rows) == {}
    assert {(row.place, row.source) for row in rows} == {
        *(("signals", name) for name in ("prices", "features", "reported", "universe", "ema_5")),
        ("market", "context"), ("history", None),
    }  # fmt: skip
    assert {row[-2:] for row in rows} == {(TOGETHER, None)}
    assert {row.n_bars for row in rows} == {N_BARS}


def test_bars_of_a_day_are_made_of_what_traded_in_it(prices: Path, tmp_path: Path) -> None:
    daily = pl.read_parquet(prices).with_columns(pl.col("timestamp").cast(pl.Datetime("us")))
    hours = [
        daily.with_columns(pl.col("timestamp") + pl.duration(hours=hour)) for hour in (10, 12, 16)
    ]
    pl.concat(hours).write_parquet(tmp_path / "hours.parquet")
    days = f"""
        select timestamp::date as timestamp, asset_id, first(open order by timestamp) as open,
            max(high) as high, min(low) as low, last(close order by timestamp) as close,
            sum(volume) as volume,
        from '{tmp_path}/hours.parquet' group by all
    """
    later = f"""
        select timestamp::date - 1 as timestamp, asset_id, max(close) as own
        from '{tmp_path}/hours.parquet' group by all
    """
    catalog = Catalog().register("prices", days).register("features", later)
    bars = daily["timestamp"].unique().sort()
    assert differing(told_of(catalog)) == {"own": int((bars.diff() == dt.timedelta(1)).sum())}


def test_a_window_of_the_strategy_over_what_leaks_is_found(prices: Path) -> None:
    ahead = f"select timestamp, asset_id, lead(close) over ({OF_ASSET}) as own from prices"
    catalog = Catalog().register("prices", prices).register("features", ahead)
    before, highest = (f"{text} over ({OF_ASSET})" for text in ("lag(own)", "max(own)"))
    rows = told_of(catalog, TopN(2, by=f"{before} + {highest}"))
    # At the bar of a cut the last value is missing; those before it are what they are.
    assert differing(rows).keys() == {"own", highest}
    assert before in {row.column for row in rows}


@long
def test_a_plain_leak_is_counted_with_a_little_history_and_others_with_all(
    prices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exhaustive, "OFTEN_ENOUGH", (3, 6))
    monkeypatch.setattr(exhaustive, "KNOWN_AT_ONCE", 60)
    query = f"""
        select timestamp, asset_id, lead(close) over w as ahead, avg(close) over w as mean,
            if(timestamp = '2020-02-05', lead(close) over w, avg(close) over w) as once,
            avg(close) over (w rows 4 preceding) as trend, lag(close, 5) over w as before
        from prices window w as ({OF_ASSET})
    """
    rows = told_of(Catalog().register("prices", prices).register("features", query))
    told = {row.column: (row.n_differ, row.how) for row in rows if row.source == "features"}
    assert told == {
        "ahead": (N_BARS - 1, f"{TOGETHER}, 6 bars of history"), "mean": (0, TOGETHER),
        "once": (1, TOGETHER), "trend": (0, TOGETHER), "before": (0, TOGETHER),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "how"),
    [
        ("select * from prices using sample reservoir(100%) repeatable (1)", ONE_BY_ONE),
        ("select a.timestamp, a.asset_id, b.ahead from ({ahead}) as a positional join ({ahead}) "
         "as b", ONE_BY_ONE),
        ("with prices as (select * from main.prices) {ahead} -- the next", TOGETHER),
        ("select q.timestamp, q.asset_id, q.ahead from ({ahead}) as q(timestamp, asset_id, ahead)",
         TOGETHER),
        ("from (select z.d as timestamp, z.a as asset_id, z.n as ahead from (select timestamp, "
         "asset_id, lead(close) over (w) from 'FILE' window w as (partition by asset_id order by "
         "timestamp)) as z(d, a, n))", TOGETHER),
        ("select timestamp, asset_id, lead(close) over (partition by asset_id order by timestamp) "
         "as ahead from (table prices)", ANEW),
    ],
)  # fmt: skip
def test_each_form_is_asked_as_duckdb_can(query: str, how: str, prices: Path) -> None:
    ahead = f"select timestamp, asset_id, lead(close) over ({OF_ASSET}) as ahead from prices"
    text = query.replace("{ahead}", ahead).replace("FILE", str(prices))
    if "sample" in query:
        text = f"select timestamp, asset_id, lead(close) over ({OF_ASSET}) as ahead from ({text})"
    catalog = Catalog(threads=1).register("prices", prices).register("features", text)
    (row,) = (one for one in told_of(catalog) if one.column == "ahead")
    assert (row.n_differ, row.how, row.why) == (N_BARS - 1, how, None)


@long
def test_a_source_without_its_bad_rows_is_made_anew_for_each_bar(prices: Path) -> None:
    ahead = f"select timestamp, asset_id, lead(close) over ({OF_ASSET}) as own from prices"
    catalog = Catalog().register("prices", prices)
    catalog.register("features", f"{ahead} union all select null, 'S0000', 1", on_bad_rows="drop")
    (row,) = (one for one in told_of(catalog) if one.column == "own")
    assert (row.n_differ, row.how) == (N_BARS - 1, ANEW)


@long
def test_what_cannot_be_tried_says_why(prices: Path) -> None:
    catalog = Catalog().register("prices", prices)
    catalog.register("features", lambda sources: sources.prices.pl().select(
        "timestamp", "asset_id", made=pl.col("close")), name="made")  # fmt: skip
    catalog.register("features", "select timestamp, asset_id, close as told from (table prices)")
    strategy = TopN(2, by=f"told / lag(told) over ({OF_ASSET})")
    why = {row.column: row.why for row in told_of(catalog, strategy) if row.why is not None}
    assert set(why) == {"made", f"lag(told) over ({OF_ASSET})"}
    assert "makes it, and is called at the cuts alone" in why["made"]
    said = "DuckDB does not say how prices stands in the query"
    assert said in why[f"lag(told) over ({OF_ASSET})"]


@pytest.mark.parametrize("strange", ["'nan'::double", "'inf'::double", "-'inf'::double"])
def test_a_value_that_is_no_number_hides_no_leak_and_is_one(strange: str, prices: Path) -> None:
    ahead = (
        f"select timestamp, asset_id, coalesce(lead(close) over w, 0.5) as own, "
        f"if(lead(close) over w is null, {strange}, close) as last, {strange} as always, "
        f"if(row_number() over w = 1, {strange}, coalesce(lead(close) over w, 0)) as other "
        f"from prices window w as ({OF_ASSET})"
    )
    catalog = Catalog().register("prices", prices).register("features", ahead)
    expected = {"own": N_BARS - 1, "last": N_BARS - 1, "other": N_BARS - 2}
    assert differing(told_of(catalog)) == expected
    whole, bars = catalog.prepare(), left_ends(catalog.prepare())
    bar = bars[20]._replace(is_first=False)
    cut = CutCatalog(catalog, bar).prepare()
    (hashes,) = part_hashes(whole, [bar])
    found = {one.column: one.n_rows for one in compare_views(whole, hashes, cut, bar)}
    assert found == dict.fromkeys(expected, 5)


# -- against one catalog after the other ------------------------------------------------------

COLUMNS = (
    "close", f"lag(close, 2) over ({OF_ASSET})", f"lead(close) over ({OF_ASSET})",
    f"avg(close) over ({OF_ASSET} rows 3 preceding)",
    f"avg(close) over ({OF_ASSET} rows between 1 preceding and 1 following)",
    "count(*) over (partition by asset_id)", "rank() over (partition by timestamp order by volume)",
    "(select max(q.close) from prices as q where q.asset_id = p.asset_id and q.timestamp <= "
    "p.timestamp)", "(select arg_max(q.close, q.timestamp) from prices as q where q.asset_id = "
    "p.asset_id)",
    "max(close) over (partition by asset_id, date_trunc('week', timestamp))",
    f"if(extract(day from timestamp) = 9, lead(open) over ({OF_ASSET}), open)",
    "quantile_cont(close, 0.5) over ()",
)  # fmt: skip
MARKETS = (
    "select timestamp, avg(close) as level from prices group by all",
    "select timestamp, lead(max(close)) over (order by timestamp) as level from prices "
    "group by timestamp",
    "select date_trunc('week', timestamp) as timestamp, max(close) as level from prices "
    "group by all",
)


def drawn_catalog(seed: int, prices: Path, folder: Path) -> Catalog:
    pick = random.Random(seed)
    rows = pl.read_parquet(prices).filter(
        pl.col("timestamp") < pl.col("timestamp").unique().sort().get(14),
        pl.col("asset_id").is_in(["S0000", "S0001", "S0002"]),
    ).filter(pl.Series([pick.random() < 0.9 for _ in range(42)]))  # fmt: skip
    file = folder / f"{seed}.parquet"
    rows.write_parquet(file)
    given = pick.choice([str(file), f"select * from '{file}' where volume > 0", rows])
    catalog = Catalog(threads=1).register("prices", given)
    items = [f"{text} as c{i}" for i, text in enumerate(pick.sample(COLUMNS, 4))]
    read = pick.choice(["prices", f"'{file}'", "main.prices"])
    options = pick.choice([{}, {"lag": "1 day"}, {"max_age": "3 days"}])
    catalog.register(
        "features", f"select timestamp, asset_id, {', '.join(items)} from {read} as p", **options
    )
    other = pick.choice(
        [
            f"select timestamp, asset_id, c0 - lag(c0) over ({OF_ASSET}) as d from features",
            "select date_trunc('week', timestamp) as timestamp, asset_id, timestamp + interval "
            "'1 day' as available_at, close as d from prices",
            "select p.timestamp, p.asset_id, f.c1 as d from prices as p asof left join features as "
            "f on p.asset_id = f.asset_id and p.timestamp >= f.timestamp",
        ]
    )
    catalog.register("features", other, name="other")
    return catalog.register("context", pick.choice(MARKETS))


def slowly(catalog: Catalog) -> dict[str, list[str]]:
    """Return the bars at which each column differs, of a catalog of its own for each bar."""
    whole, found = catalog.prepare(), dict[str, list[str]]()
    for bar in left_ends(whole):
        bar = bar._replace(is_first=False)
        cut = CutCatalog(catalog, bar).prepare()
        for view in ("signals", "market"):
            names = [*(whole.signal_columns if view == "signals" else whole.market_columns)]
            sides = [
                one.database.rows(rows_of(
                    view, ", ".join(names), where=f"timestamp = {bar.sql} order by all"
                ))
                for one in (whole, cut)
            ]  # fmt: skip
            for one, other in zip(*sides, strict=True):
                for name, mine, known in zip(names, one, other, strict=True):
                    near = isinstance(mine, float) and known == pytest.approx(mine, rel=1e-9)
                    if mine != known and not near and bar.text not in found.get(name, ()):
                        found.setdefault(name, []).append(bar.text)
    return found


@long
@pytest.mark.parametrize("seed", some(range(500, 600), 2))
def test_it_says_what_a_catalog_for_each_bar_says(
    seed: int, prices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = drawn_catalog(seed, prices, tmp_path)
    slow = {name: (len(bars), bars[0]) for name, bars in slowly(catalog).items()}
    rows = told_of(catalog)
    assert [row.why for row in rows if row.why] == []
    assert {row.column: (row.n_differ, row.bar) for row in rows if row.n_differ} == slow
    if seed % 2 == 0:
        return
    # With a little history first, of few bars at a time: what is known by these is known.
    monkeypatch.setattr(exhaustive, "OFTEN_ENOUGH", (4,))
    monkeypatch.setattr(exhaustive, "KNOWN_AT_ONCE", 100)
    found = differing(told_of(catalog))
    assert found.keys() == slow.keys()


# -- what DuckDB takes apart ------------------------------------------------------------------


def known_sql(name: str, bar: str) -> str:
    """Return the rows of a table of a panel that are known at a bar."""
    table = TABLES[name]
    if not table.clock:
        return f"select * from whole.{name}"
    ended = f"* replace (if({table.end} <= {bar}, {table.end}, null) as {table.end})"
    items = ended if table.end else "*"
    return f"select {items} from whole.{name} where ({table.clock})::timestamp <= {bar}"


def in_numbers(rows: list[tuple[Any, ...]]) -> Counter[str]:
    """Return rows without an order, and their numbers without the last digits."""
    return Counter(
        str([f"{cell + 0.0:.8g}" if isinstance(cell, float) else cell for cell in row])
        for row in rows
    )


@pytest.mark.parametrize("seed", some(range(100), 1))
def test_duckdb_takes_random_queries_of_many_bars_apart(seed: int) -> None:
    panel, n_apart = make_panel(seed, 5), 0
    connection = panel.connection
    connection.execute("set threads = 2")  # two forms of outer as-of joins never end with one
    connection.execute("create schema stage")
    connection.execute(
        "create table stage.timeline as select unnest(range(5))::integer as t, "
        "unnest($cuts::timestamp[]) as timestamp", {"cuts": panel.cuts},
    )  # fmt: skip
    for number in range(5):
        query, _ = Grammar(5 * seed + number).query()
        found = connection.execute(read("audit/parsed"), {"query": query}).fetchall()
        places = places_in(query, json.loads(found[0][0]), ())

        def at(bar: str, query: str = query, places: list[ReadPlace] = places) -> str:
            return with_others(query, {
                place: f"({known_sql(place.target[1], bar)}) as {place.name}"
                for place in places if not place.function
            })  # fmt: skip

        one_by_one = [
            row for cut in panel.cuts
            for row in connection.execute(at(f"timestamp '{cut}'")).fetchall()
        ]  # fmt: skip
        try:
            rows = connection.execute(
                render("audit/each_bar", rows=f"lateral ({at('__bars.__bar')})"),
                {"ts": list(range(5))},
            ).fetchall()
        except duckdb.InternalException:
            continue  # of some it says that it cannot, and they are asked one by one
        n_apart += 1
        assert in_numbers(rows) == in_numbers(one_by_one), query
    assert n_apart
