"""An audit finds what a run read from the future, and nothing else."""

from __future__ import annotations

import datetime as dt
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from effort import long, some
from many_trials import Trials
from ml4t.backtest import (
    BacktestEngine,
    Catalog,
    ConfigError,
    DataError,
    ExpressionError,
    Strategy,
    TopN,
)
from ml4t.backtest.audit.comparing import different_rows
from ml4t.backtest.cli import app, looking
from ml4t.backtest.core.batch import Batch
from ml4t.backtest.core.context import Context
from ml4t.backtest.core.event import MarketEvent
from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.cut.inputs import cut_query
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.feature_provider import CallableFeatureProvider
from ml4t.backtest.data.sql_files import Sql
from ml4t.backtest.risk import RiskManager, StopLoss
from ml4t.backtest.strategy.broker import StrategyBroker
from ml4t.backtest.synthetic import make_market

N_BARS = 60


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_market(tmp_path_factory.mktemp("audit"), n_assets=8, n_bars=N_BARS)


def catalog(market: Path, feature: object = None, **options: Any) -> Catalog:
    found = Catalog().register("prices", market / "prices.parquet")
    if feature is not None:
        found.register("features", feature, name="own", **options)
    return found.register("context", market / "context.parquet")


def column(expression: str, source: str = "prices") -> str:
    return f"select timestamp, asset_id, {expression} as own from {source}"


OF_ASSET = "partition by asset_id order by timestamp"
LEAKS = {
    "the next close": f"lead(close) over ({OF_ASSET})",
    "a centred mean": f"avg(close) over ({OF_ASSET} rows between 2 preceding and 2 following)",
    "z-score over the whole sample": "(close - avg(close) over (partition by asset_id)) "
    "/ stddev(close) over (partition by asset_id)",
    "a quantile over the whole sample": "quantile_cont(close, 0.9) over ()",
    "a rank over the whole sample": "percent_rank() over (partition by asset_id order by close)",
    "filled from behind": f"coalesce(nullif(close, close), lead(close) over ({OF_ASSET}))",
    "a reversed cumulative maximum": "max(close) over (partition by asset_id order by timestamp "
    "desc)",
    "the close of the week on its days": "last_value(close) over (partition by asset_id, "
    "date_trunc('week', timestamp) order by timestamp rows between unbounded preceding and "
    "unbounded following)",
    "the last close of all": "(select max_by(close, timestamp) from {prices} as later where "
    "later.asset_id = prices.asset_id)",
    "how long it will live": "count(*) over (partition by asset_id)",
}
CAUSAL = {
    "a trailing mean": f"avg(close) over ({OF_ASSET} rows 5 preceding)",
    "an expanding z-score": f"(close - avg(close) over ({OF_ASSET})) / stddev(close) "
    f"over ({OF_ASSET})",
    "a rank of the day": "rank() over (partition by timestamp order by close)",
    "the close before": f"lag(close) over ({OF_ASSET})",
    "the highest so far": f"max(high) over ({OF_ASSET})",
}


@pytest.mark.parametrize(
    ("name", "source"),
    [(name, ("prices", "'{prices}' as prices")[i % 2]) for i, name in enumerate(LEAKS)],
)
def test_a_column_of_a_query_that_reads_the_future_is_found(
    name: str, source: str, market: Path
) -> None:
    file = str(market / "prices.parquet")
    query = column(LEAKS[name].replace("{prices}", f"'{file}'"), source.replace("{prices}", file))
    # It is not even read: what counts is that it could be.
    engine = BacktestEngine(catalog(market, query), TopN(2, by="close", every=7))
    audit = engine.audit(2)
    assert not audit.is_clean
    found = audit.sql(
        'select distinct place, "column" from differences where bar <= cut'
    ).fetchall()
    assert found == [("signals", "own")]


@pytest.mark.parametrize("name", CAUSAL)
def test_a_column_that_reads_the_past_is_no_alarm(name: str, market: Path) -> None:
    query = column(CAUSAL[name], f"'{market}/prices.parquet'")
    engine = BacktestEngine(catalog(market, query), TopN(2, by="own", every=3))
    audit = engine.audit(2)
    assert audit.differences.fetchall() == []
    assert audit.is_clean


def test_what_trades_on_the_future_differs_in_the_run_too(market: Path) -> None:
    query = column(LEAKS["z-score over the whole sample"])
    audit = BacktestEngine(catalog(market, query), TopN(2, by="own", every=3)).audit(2)
    places = {place for (place,) in audit.sql("select place from differences").fetchall()}
    assert {"signals", "selections", "fills", "equity"} <= places
    first = audit.sql(
        "select \"column\", whole_value, cut_value, bar from differences where place = 'equity' "
        "order by cut, bar"
    ).fetchall()[0]
    whole = dict(audit.result.sql("select timestamp, equity from equity").fetchall())
    assert first[0] in ("cash", "equity")
    assert first[3] in whole
    assert first[1] != first[2]


# -- random markets -----------------------------------------------------------------------


@long
@pytest.mark.parametrize("seed", some((22, 14, 52, *range(200, 240)), 2))
def test_no_run_of_ours_is_an_alarm(seed: int, tmp_path: Path) -> None:
    trials, n_audited = Trials(seed, tmp_path), 0
    for case in range(2):
        try:
            engine = BacktestEngine(trials.catalog(), **trials.make(case))
            audit = engine.audit(3, seed=seed)
        except (ConfigError, DataError, ExpressionError):
            continue  # what a run over everything would refuse
        n_audited += 1
        assert audit.differences.fetchall() == [], engine
    assert n_audited


class Remembers(Strategy):
    """Buys what it saw rise, by a list of its own."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        self.seen.append(batch.close.copy())
        if len(self.seen) > 5 and batch.t % 4 == 0:
            risen = np.nan_to_num(self.seen[-1] / self.seen[-6], nan=0.0)
            best = np.argsort(-risen, kind="stable")[:2]
            broker.order_target_weights({broker.assets[sid]: 0.4 for sid in best.tolist()})


def test_a_strategy_that_keeps_something_is_audited_and_stays_fresh(market: Path) -> None:
    strategy = Remembers()
    engine = BacktestEngine(catalog(market), strategy, risk_manager=RiskManager([StopLoss(0.02)]))
    seen: list[tuple[int, int]] = []
    audit = engine.audit(4, progress=lambda done, total: seen.append((done, total)))
    assert audit.is_clean
    assert seen == [(1, 2), (2, 2), *((n, 6) for n in range(3, 7))]
    assert strategy.seen == []
    assert audit.result["n_trades"] > 0
    assert engine.run()["final_value"] == audit.result["final_value"]


class ByChance(Strategy):
    """Buys what no seed decides."""

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        sid = int(np.random.default_rng().integers(len(broker.assets)))
        broker.order_target_weights({broker.assets[sid]: 0.3 + 0.001 * batch.t})


def test_a_strategy_of_chance_is_told_and_is_no_look_ahead(market: Path) -> None:
    audit = BacktestEngine(catalog(market), ByChance()).audit(2)
    assert audit.differences.fetchall() == []
    told = audit.sql("select problem from cuts").fetchall()
    assert len(told) == 2
    assert all("two runs over everything differ too" in problem for (problem,) in told)
    assert not audit.is_clean
    assert audit.title.startswith("audit of 0 cuts: nothing could be compared")
    ahead = catalog(market, column(LEAKS["the next close"]))
    found = BacktestEngine(ahead, ByChance()).audit(1).sql("select place from differences")
    assert found.fetchall() == [("signals",)]


def test_a_provider_of_chance_is_told_too(market: Path) -> None:
    draws = np.random.default_rng()
    provider = CallableFeatureProvider(lambda *_: {"own": draws.random()})
    manager = RiskManager(feature_provider=provider)

    class Reads(Strategy):
        def on_market_event(self, event: MarketEvent, context: Context) -> None:
            self.order_target_percent(event.asset_id, 0.1 if event.signals["own"] > 0.5 else 0.0)

    audit = BacktestEngine(catalog(market), Reads(), risk_manager=manager).audit(1)
    assert audit.differences.fetchall() == []
    assert audit.sql("select count(*) from cuts where problem is not null").fetchall() == [(1,)]


def test_a_strategy_that_cannot_be_copied_is_refused(market: Path) -> None:
    strategy = Remembers()
    strategy.seen.append(threading.Lock())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="one cannot be copied: cannot pickle"):
        BacktestEngine(catalog(market), strategy).audit(1)


# -- how sources are cut ------------------------------------------------------------------


def test_sources_say_how_they_were_cut(market: Path) -> None:
    prices = f"'{market}/prices.parquet'"
    assets = pl.DataFrame({"asset_id": ["S0000"], "sector": ["x"]})
    query = (
        f"select p.timestamp, p.asset_id, n.number as own from {prices} as p, "
        "(values (1), (2)) as n (number) where n.number = 1"
    )
    found = catalog(market, query, lag="1 day").register("assets", assets)
    names = f"select asset_id, 1 as one from {prices}"
    found.register(
        "features",
        f"select p.timestamp, p.asset_id, one.one from prices as p join ({names}) as one "
        "on p.asset_id = one.asset_id group by all",
        name="other",
    )
    audit = BacktestEngine(found, TopN(2, by="own")).audit(1)
    rows = audit.sources.fetchall()
    assert audit.title.startswith("audit of 1 cuts: no difference")
    assert rows == [
        ("prices", None, "timestamp", None),
        ("own", None, "timestamp + '1 day'::interval", None),
        ("own", f"{prices} as p", "timestamp::date", None),
        ("context", None, "timestamp", None),
        ("assets", None, None, "has no clock: what it says counts from the first bar on"),
        ("other", None, "timestamp", None),
        ("other", prices, "timestamp::date", None),
    ]


AT = CutBar(3, "2020-01-06 00:00:00", "TIMESTAMP")


@pytest.mark.parametrize(
    ("query", "n_rows"),
    [
        ("select * from '{file}'", 4),
        ("select ü.* from '{file}' as ü -- é", 4),
        ("select count(*) as n from read_parquet('{file}') as p (d, x) where x < 9", 1),
        ("with own as (from '{file}') select * from own union all from own", 8),
        ("select (select max(x) from '{file}') as most", 1),
        ("select * from '{file}' as a left join '{file}' as b using (day)", 4),
        ("from '{file}' semi join (select 3 as x) using (x)", 1),
        ("select x, filename, file_row_number from '{file}'", 4),
        ('with "{file}" as (from \'{file}\') from "{file}"', 4),
        (
            "with recursive own as (select 0 as i union all select i + 1 from own where i < "
            "(select max(x) from '{file}')) from own",
            4,
        ),
    ],
)
def test_a_query_is_cut_where_its_files_stand(query: str, n_rows: int, tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    days = [dt.date(2020, 1, day) for day in (1, 2, 3, 6, 7, 8)]
    pl.DataFrame({"day": days, "x": range(6)}).write_parquet(file)
    cut = cut_query(query.replace("{file}", str(file)), AT, (), Database())
    rows = Database().rows(cut.text)
    assert len(rows) == n_rows
    assert {one.clock for one in cut.inputs} <= {"day", "d"}
    if "count" in query:
        assert rows == [(4,)]
    if "max" in query:
        assert rows[-1] == (3,)


def test_what_has_no_clock_or_is_no_plain_query_is_said_to_be_whole(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    pl.DataFrame({"asset_id": ["A"], "x": [1]}).write_parquet(file)
    query = f"select * from '{file}'"
    text, (one,) = cut_query(query, AT, (), Database())
    assert (text, one.clock) == (query, "")
    assert "no column of it is a time by its name" in one.why
    assert one.why.endswith("asset_id, x")
    text, (one,) = cut_query(f"pivot '{file}' on asset_id using sum(x)", AT, (), Database())
    assert "does not take such a query apart" in one.why
    for query, why in (
        (f"with own as (table '{file}') from own", "DuckDB does not say where it stands"),
        (f"from (summarize '{file}')", "DuckDB does not say where it stands"),
        (f"from query('select *, now() as timestamp from ''{file}'' ')", "SQL by itself"),
        (f"from read_text('{file}')", "its times are those of files"),
    ):
        text, (one,) = cut_query(query, AT, (), Database())
        assert (text, one.clock) == (query, "")
        assert why in one.why


@pytest.mark.parametrize("source", ["raw.prices", "memory.raw.prices", "main.prices"])
def test_a_source_is_cut_under_every_name_it_has(source: str, market: Path) -> None:
    query = column(LEAKS["the next close"], source)
    assert not BacktestEngine(catalog(market, query), TopN(2, by="close")).audit(2).is_clean


def test_a_query_that_fails_over_what_was_known_is_told(market: Path) -> None:
    query = column("if((select count(*) from prices) < 300, error('too few'), 1)")
    audit = BacktestEngine(catalog(market, query), TopN(2, by="close")).audit(6)
    rows = audit.sql("select problem from cuts order by cut").fetchall()
    assert "too few" in rows[0][0]
    assert rows[-1] == (None,)
    assert audit.is_clean
    assert audit.sql("select count(*) from sources").fetchall() == [(3,)]


@pytest.mark.parametrize("day", ["timestamp::date", "date_trunc('day', timestamp)"])
def test_bars_of_days_are_made_of_rows_of_the_whole_day(
    day: str, market: Path, tmp_path: Path
) -> None:
    file = tmp_path / "at_close.parquet"
    rows = pl.read_parquet(market / "prices.parquet")
    rows.with_columns(pl.col("timestamp") + dt.timedelta(hours=16)).write_parquet(file)
    names = "asset_id, open, high, low, close"
    found = Catalog().register("prices", f"select {day} as timestamp, {names} from '{file}'")
    audit = BacktestEngine(found, TopN(2, by="close", every=3)).audit(3)
    assert audit.is_clean
    assert audit.sql("select clock from sources where input is not null").fetchall() == [
        ("timestamp::date",)
    ]
    ahead = column(LEAKS["the next close"], f"'{file}'").replace("timestamp,", f"{day} as at,", 1)
    found.register("features", ahead.replace("as at", "as timestamp"), name="own")
    assert not BacktestEngine(found, TopN(2, by="close", every=3)).audit(3).is_clean


def test_the_column_that_differs_is_named_beside_one_that_is_no_number() -> None:
    kinds = {"timestamp": "integer", "nothing": "double", "near": "double", "other": "double"}
    rows = [
        "select " + ", ".join(f"{value}::{kind} as {name}" for (name, kind), value in each)
        for each in (
            zip(kinds.items(), ("1", "'nan'", "1.0", "2.0"), strict=True),
            zip(kinds.items(), ("1", "'nan'", "1.0 + 1e-15", "2.1"), strict=True),
        )
    ]
    (found,) = different_rows(Database(), "place", ("timestamp",), [Sql(one) for one in rows])
    assert found == ("place", "other", 1, "1", None, "2.0", "2.1", None)


def test_the_title_counts_what_was_not_cut(market: Path, tmp_path: Path) -> None:
    pl.DataFrame({"x": [1.0]}).write_parquet(tmp_path / "one.parquet")
    query = f"select timestamp, asset_id, close * x as own from prices, '{tmp_path}/one.parquet'"
    audit = BacktestEngine(catalog(market, query), TopN(2, by="own")).audit(1)
    assert audit.title.startswith("audit of 1 cuts: no difference; inputs that were not cut: 1")


def test_membership_and_actions_of_later_are_not_known(market: Path) -> None:
    days = [d for (d,) in catalog(market).sql(
        "select distinct timestamp::date from prices order by 1").fetchall()]  # fmt: skip
    universe = pl.DataFrame({
        "asset_id": ["S0000", "S0001", "S0002"], "start_date": [days[0], days[0], days[30]],
        "end_date": [None, days[40], None],
    })  # fmt: skip
    actions = pl.DataFrame({
        "asset_id": ["S0000", "S0001"], "ex_date": [days[10], days[45]],
        "kind": ["dividend", "dividend"], "value": [0.1, 0.1],
    })  # fmt: skip
    found = catalog(market).register("universe", universe).register("actions", actions)
    audit = BacktestEngine(
        found, TopN(2, by="close", where="is_member", every=3), benchmark="universe"
    ).audit(8)
    assert audit.is_clean
    assert audit.sql("select count(*) from cuts where problem is null").fetchall() == [(8,)]


# -- cuts ---------------------------------------------------------------------------------


@long
def test_cuts_are_inside_the_run_each_once_and_of_every_kind(market: Path) -> None:
    def chosen(seed: int) -> list[Any]:
        strategy = TopN(2, by="close", every=6)
        manager = RiskManager([StopLoss(0.01)])
        engine = BacktestEngine(catalog(market), strategy, risk_manager=manager)
        return engine.audit(6, seed=seed, start=dt.date(2020, 1, 20)).cuts.fetchall()

    one, again, other = chosen(1), chosen(1), chosen(2)
    assert one == again != other
    bars = [row[0] for row in one]
    assert bars == sorted(set(bars))
    assert len(bars) == 6
    assert bars[0] > dt.datetime(2020, 1, 20)
    assert {row[1] for row in one} >= {
        "first decision", "an order was sent", "a position was closed", "any bar",
    }  # fmt: skip


def test_a_cut_before_an_asset_begins_is_told_and_is_no_alarm(market: Path) -> None:
    rows = pl.read_parquet(market / "prices.parquet")
    is_late = (pl.col("asset_id") == "S0007") & (pl.col("timestamp") <= dt.datetime(2020, 3, 1))
    late = rows.filter(~is_late)

    class Names(Strategy):
        def decide(self, batch: Batch, broker: StrategyBroker) -> None:
            if batch.t == 3:
                broker.order_target_weights({"S0007": 0.0, "S0001": 0.5})

    audit = BacktestEngine(Catalog().register("prices", late), Names()).audit(9)
    told = audit.sql("select problem from cuts where problem is not null").fetchall()
    assert told
    assert all("S0007" in problem for (problem,) in told)
    assert audit.is_clean
    assert audit.title.startswith(f"audit of {9 - len(told)} cuts: no difference")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cuts": 0}, "cuts must be a whole number of at least 1, was 0"),
        ({"cuts": 2.5}, "cuts must be a whole number"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
    ],
)
def test_what_is_no_number_of_cuts_is_refused(
    arguments: dict[str, Any], message: str, market: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        BacktestEngine(catalog(market), TopN(2, by="close")).audit(**arguments)


def test_a_run_of_three_bars_has_one_cut_and_one_of_two_none(market: Path) -> None:
    rows = pl.read_parquet(market / "prices.parquet")
    days = sorted(set(rows["timestamp"]))
    for n, n_cuts in ((3, 1), (2, 0)):
        few = Catalog().register("prices", rows.filter(pl.col("timestamp") <= days[n - 1]))
        audit = BacktestEngine(few, TopN(2, by="close")).audit(5)
        assert len(audit.cuts.fetchall()) == n_cuts
        assert audit.is_clean is (n_cuts > 0)


# -- on the command line ------------------------------------------------------------------


@pytest.mark.parametrize("leaks", [True, False])
def test_the_command_exits_with_1_where_something_differs(
    leaks: bool, market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.toml").write_text(
        f'[sources.prices]\npath = "{market}/prices.parquet"\n'
        '[strategy]\nkind = "TopN"\nn = 2\nby = "close"\n'
    )
    if leaks:
        # A run file has files alone, which nobody computes anew.
        query = column(LEAKS["the next close"])
        engine = BacktestEngine(catalog(market, query), TopN(2, by="own"))
        monkeypatch.setattr(looking, "engine_of", lambda _: engine)
    command = ["audit", str(tmp_path / "run.toml"), "--cuts", "2"]
    done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exit_code == int(leaks), done.output
    document = json.loads(done.stdout)
    assert document["is_clean"] is not leaks
    assert bool(document["differences"]["rows"]) is leaks
    assert len(document["cuts"]["rows"]) == 2
    done = CliRunner().invoke(app, command)
    assert done.exit_code == int(leaks)
    assert ("no difference" in done.stdout) is not leaks
    # What has no rows is not printed.
    assert ("differences:" in done.stdout) is leaks
    assert "cuts:" in done.stdout
    assert "poisoned:" not in done.stdout
    if leaks:
        done = CliRunner().invoke(app, [*command, "--poison"])
        assert "poisoned:" in done.stdout
