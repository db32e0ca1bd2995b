"""Windows over earlier bars in expressions say what a feature made of them says."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from ml4t.backtest import BacktestEngine, Catalog, Ranking, SQLStrategy, TopN
from ml4t.backtest.errors import ConfigError, ExpressionError
from ml4t.backtest.synthetic import make_market

OF_ASSET = "partition by asset_id order by timestamp"
WINDOWS = [
    f"close / lag(close, 3) over ({OF_ASSET}) - 1",
    f"close - avg(close) over ({OF_ASSET} rows between 4 preceding and current row)",
    f"max(close) over ({OF_ASSET} range between interval 9 days preceding "
    "and interval 1 day preceding)",
    f"count(*) filter (where close > open) over ({OF_ASSET} rows 6 preceding) + close / 1e6",
    f"last_value(volume) over ({OF_ASSET})",
    f"first_value(close ignore nulls) over ({OF_ASSET} rows 2 preceding)",
    f"stddev_samp(ln(close)) over ({OF_ASSET} rows 9 preceding)",
]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_market(tmp_path_factory.mktemp("history"), n_assets=12, n_bars=90)


def catalog(market: Path) -> Catalog:
    return (
        Catalog()
        .register("prices", f"{market}/prices.parquet")
        .register("context", f"{market}/context.parquet")
    )


def with_feature(market: Path, said: str) -> Catalog:
    query = f"select timestamp, asset_id, {said} as own from '{market}/prices.parquet'"
    return catalog(market).register("features", query)


@pytest.mark.parametrize("said", WINDOWS)
def test_a_window_of_history_is_as_the_same_feature(said: str, market: Path) -> None:
    spoken = BacktestEngine(catalog(market), TopN(3, by=said, every=4)).run()
    made = BacktestEngine(with_feature(market, said), TopN(3, by="own", every=4)).run()
    assert spoken["n_trades"] > 0
    for table in ("selections", "fills", "equity"):
        rows = [getattr(one, table).pl().drop("run_id") for one in (spoken, made)]
        assert rows[0].equals(rows[1]), table


def test_it_is_over_every_bar_whatever_a_filter_and_the_universe_leave(market: Path) -> None:
    first = dt.datetime(2020, 1, 1)
    members = pl.DataFrame({
        "asset_id": [f"S{i:04}" for i in range(6)],
        "start_date": [first + dt.timedelta(days=30 + 5 * i) for i in range(6)],
    }).with_columns(end_date=pl.lit(None, pl.Datetime))  # fmt: skip
    said = f"lag(close, 5) over ({OF_ASSET})"
    spoken = catalog(market).register("universe", members)
    made = with_feature(market, said).register("universe", members)
    where = "close > {} and volume > 0"
    one = BacktestEngine(spoken, TopN(2, by="close", where=where.format(said), every=2)).run()
    other = BacktestEngine(made, TopN(2, by="close", where=where.format("own"), every=2)).run()
    assert one["n_trades"] > 0
    assert one["final_value"] == other["final_value"]


def test_a_condition_on_bars_reads_earlier_ones(market: Path) -> None:
    when = "vix < lag(vix) over (order by timestamp)"
    spoken = BacktestEngine(catalog(market), TopN(3, by="close", when=when)).run()
    before = "lag(vix) over (order by timestamp) as y"
    query = f"select timestamp, vix, {before} from '{market}/context.parquet'"
    made = Catalog().register("prices", f"{market}/prices.parquet").register("context", query)
    same = BacktestEngine(made, TopN(3, by="close", when="vix < y")).run()
    every = BacktestEngine(catalog(market), TopN(3, by="close")).run()
    assert spoken["final_value"] == same["final_value"] != every["final_value"]
    query_of_it = SQLStrategy(
        "select timestamp, asset_id, weight from ranked",
        ranking=Ranking(n=3, by="close", when=when),
    )
    assert BacktestEngine(catalog(market), query_of_it).run()["final_value"] == same["final_value"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (f"lead(close) over ({OF_ASSET})", "looks ahead: lead.* reads a later row; write lag"),
        (f"lag(close, -1) over ({OF_ASSET})", "looks ahead"),
        (f"lag(close) over ({OF_ASSET} desc)", "looks ahead"),
        ("avg(close) over (partition by asset_id)", "looks ahead: .* rows of all times"),
        (f"sum(close) over ({OF_ASSET} rows between 1 preceding and 1 following)", "looks ahead"),
        (f"ntile(4) over ({OF_ASSET})", "looks ahead"),
        (f"lag(close, volume::int) over ({OF_ASSET})", "not proved to read no later one: lag"),
        (
            f"lag(clse) over ({OF_ASSET})",
            'which DuckDB does not take here: Referenced column "clse" not found .* "close"',
        ),
        (f"lag(random()) over ({OF_ASSET})", "another value at every call"),
        (
            "lag(close) over (order by timestamp)",
            "leaves its timestamp; write .* partition by asset_id order by timestamp",
        ),
    ],
)
def test_what_reads_later_bars_is_refused(said: str, why: str, market: Path) -> None:
    for strategy in (TopN(3, by=said), TopN(3, by="close", where=f"{said} > 0")):
        with pytest.raises(ExpressionError, match=why):
            BacktestEngine(catalog(market), strategy).run()


def test_a_condition_that_reads_later_bars_is_refused(market: Path) -> None:
    strategy = TopN(3, by="close", when="vix < lead(vix) over (order by timestamp)")
    with pytest.raises(ExpressionError, match=r"write lag\(..., 1\) over \(order by timestamp\)$"):
        BacktestEngine(catalog(market), strategy).run()
    strategy = TopN(3, by="close", when="vix < lag(vx) over (order by timestamp)")
    with pytest.raises(ExpressionError, match=r'column "vx" not found .* bindings: "vix"'):
        BacktestEngine(catalog(market), strategy).run()


def test_a_refused_query_is_shown_as_the_user_wrote_it(market: Path) -> None:
    window = f"avg(close) over ({OF_ASSET} rows 3 preceding)"
    past = f"(select timestamp, asset_id, close, {window} as m from signals)"
    query = f"select timestamp, asset_id, 0.1 as weight from {past} where close > m"
    with pytest.raises(ExpressionError, match="write a subquery as with name as") as refused:
        BacktestEngine(catalog(market), SQLStrategy(query)).run()
    assert refused.value.expression == query
    assert "__history" not in str(refused.value)
    assert window in refused.value.message


def test_nothing_of_it_leaks_and_a_preview_shows_it(market: Path) -> None:
    strategy = TopN(3, by=WINDOWS[0], where=f"close > lag(close) over ({OF_ASSET})", every=3)
    audit = BacktestEngine(catalog(market), strategy).audit(3)
    assert audit.is_clean
    day = catalog(market).sql("select distinct timestamp from prices order by 1").fetchall()[32][0]
    shown = catalog(market).preview(strategy, day).pl()
    made = with_feature(market, WINDOWS[0]).preview(
        TopN(3, by="own", where=f"close > lag(close) over ({OF_ASSET})", every=3), day
    )
    assert shown["score"].to_list() == made.pl()["score"].to_list()


QUERIES = [
    "select timestamp, asset_id, 0.02 * coalesce(close > {}, false)::int as weight from signals",
    "with past as (select *, {} as b from signals as s) select timestamp, asset_id, 0.05 as weight "
    "from past join market using (timestamp) where close > b and vix < 30",
    "with past as (select timestamp, asset_id, close - {} as up from signals) select r.timestamp, "
    "r.asset_id, r.weight from ranked as r join past using (timestamp, asset_id) where up > 0",
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_reads_earlier_bars(query: str, market: Path) -> None:
    window = f"lag(close, 5) over ({OF_ASSET})"
    finals = []
    for source, said, by in (
        (catalog(market), window, f"close - {window}"),
        (with_feature(market, window), "own", "close - own"),
    ):
        ranking = Ranking(n=4, by=by, every=3) if "ranked" in query else None
        every = {} if ranking else {"every": 3}
        strategy = SQLStrategy(query.format(said), ranking=ranking, **every)
        run = BacktestEngine(source, strategy).run()
        assert run["n_trades"] > 0
        finals.append(run["final_value"])
    assert finals[0] == finals[1]


@pytest.mark.parametrize(
    "query",
    [
        "select timestamp, asset_id, (close > {})::int as weight from signals where close > 3",
        "select timestamp, asset_id, weight * ({} > 0)::int as weight from ranked",
        "select s.timestamp, s.asset_id, 0.0 * {} as weight from signals s join market using "
        "(timestamp)",
        "select timestamp, asset_id, max({}) as weight from signals group by timestamp, asset_id",
        "select timestamp, asset_id, {} * 0 as weight from signals where close > 1 union all "
        "select timestamp, asset_id, 0.0 as weight from signals",
    ],
)
def test_a_window_over_what_a_query_leaves_is_refused(query: str, market: Path) -> None:
    text = query.format(f"lag(close) over ({OF_ASSET})")
    strategy = SQLStrategy(text, ranking=Ranking(n=2, by="close"))
    with pytest.raises(ExpressionError, match="compute it in a SELECT over signals alone"):
        BacktestEngine(catalog(market), strategy).run()


def test_no_other_engine_is_asked_for_it(market: Path) -> None:
    with pytest.raises(ConfigError, match="register each window as a feature"):
        catalog(market).selection_sql(Ranking(n=3, by=WINDOWS[0]), "spark")
